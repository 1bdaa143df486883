/* analyze.c - which captures a command line means, and what lies beside them. */
#include "analyze/analyze.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/names.h"
#include "io/json.h"
#include "io/outfile.h"
#include "analyze/parts.h"
#include "run/differ.h"
#include "io/json_file.h"

enum { MAX_ARMS = 64, PATH_BYTES = 4096 };

static const tempo_capture_file capture_files[] = {TEMPO_FILE_ATTENTION, TEMPO_FILE_LOGITS, TEMPO_FILE_TAPS};
enum { N_FILES = sizeof(capture_files) / sizeof(*capture_files) };
static const tempo_capture_format formats[2] = {TEMPO_CAPTURE_NPZ, TEMPO_CAPTURE_SAFETENSORS};

/* ---- numbers ---- */

json_t *tempo_analyze_number(double x)
{
    return isfinite(x) ? tempo_json_number(x)
                       : json_string(isnan(x) ? "NaN"
                                     : x > 0  ? "Infinity"
                                              : "-Infinity");
}

json_t *tempo_analyze_numbers(const double *v, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(out, tempo_analyze_number(v[i]));
    return out;
}

json_t *tempo_json_matrix(const double *v, size_t n_rows, size_t n_columns)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n_rows; i++)
        (void)json_array_append_new(out, tempo_analyze_numbers(v + i * n_columns, n_columns));
    return out;
}

/* ---- files ---- */

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a report");
}

static tempo_status join(char out[PATH_BYTES], const char *dir, const char *name, tempo_err *err)
{
    if (snprintf(out, PATH_BYTES, "%s/%s", dir, name) < PATH_BYTES)
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.80s...: a path of more than %d bytes", dir,
                      PATH_BYTES);
}

static bool is_there(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* path: the file of that kind (an index of capture_files) in dir, in either format; *found: whether there is
 * one. */
static tempo_status find_capture(char path[PATH_BYTES], const char *dir, size_t kind, bool *found,
                                 tempo_err *err)
{
    char name[TEMPO_CAPTURE_KEY];
    tempo_status st = TEMPO_OK;

    *found = false;
    for (size_t i = 0; i < 2 && !*found && st == TEMPO_OK; i++)
        if ((st = join(path, dir, tempo_capture_file_name(name, capture_files[kind], formats[i]), err)) ==
            TEMPO_OK)
            *found = is_there(path);
    return st;
}

/* The JSON file of that name in the directory of `path`; NULL with TEMPO_OK when there is none. */
static tempo_status load_beside(json_t **out, const char *path, const char *name, tempo_err *err)
{
    char dir[PATH_BYTES], file[PATH_BYTES];
    tempo_status st;

    *out = NULL;
    if (strlen(path) >= sizeof(dir))
        return TEMPO_OK;
    (void)strcpy(dir, path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        slash[slash == dir] = '\0';
    if ((st = join(file, slash != NULL ? dir : ".", name, err)) != TEMPO_OK || !is_there(file))
        return st;
    return tempo_json_load(out, file, err);
}

/* The edits of the capture that `path` is a file of go to the report, once; another program's metadata say
 * nothing. */
static void note_edits(json_t *report, const char *path)
{
    const char *slash = strrchr(path, '/');
    json_t *metadata, *edits = json_object_get(report, "edits"), *list;

    if (load_beside(&metadata, path, "experiment_metadata.json", NULL) != TEMPO_OK)
        return;
    list = json_object_get(json_object_get(metadata, "config"), "edits");
    bool texts = json_array_size(list) > 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        texts = texts && json_is_string(json_array_get(list, i));
    json_t *dir = tempo_json_bytes(path, slash != NULL ? (size_t)(slash - path) : 0);
    if (texts && dir != NULL && json_object_get(edits, json_string_value(dir)) == NULL)
        (void)json_object_set(edits, json_string_value(dir), list);
    json_decref(dir);
    json_decref(metadata);
}

static void warn_pickle(json_t *warnings, const tempo_steps *s)
{
    if (s->pickled)
        (void)json_array_append_new(
            warnings,
            json_sprintf("%s: metadata is a pickled object: it is not read, the arrays are", s->shown));
}

/* ---- where sets differ ---- */

/* The first steps where sets, and where only their order, differ; UINT32_MAX: none, or nothing is known. */
typedef struct parting {
    uint32_t sets, order;
} parting;

static uint32_t step_of(const json_t *set)
{
    const json_int_t step = json_integer_value(json_object_get(set, "step"));

    return set == NULL || step < 0 || step >= UINT32_MAX ? UINT32_MAX : (uint32_t)step;
}

/* The ids of a set as results.json ("members") or parallel_sets.json ("tokens") has it; malloc'd. */
static tempo_member *read_ids(const json_t *set, size_t *n)
{
    const json_t *members = json_object_get(set, "members"), *tokens = json_object_get(set, "tokens");
    const json_t *list = members != NULL ? members : tokens;
    tempo_member *ids;

    *n = json_array_size(list);
    ids = calloc(*n + 1, sizeof(*ids));
    for (size_t i = 0; i < *n && ids != NULL; i++) {
        const json_t *one = json_array_get(list, i);
        ids[i].id = (int32_t)json_integer_value(members != NULL ? json_object_get(one, "id") : one);
    }
    return ids;
}

static tempo_status relate(const json_t *a, const json_t *b, tempo_relation *out, tempo_err *err)
{
    tempo_set x = {0}, y = {0};
    tempo_member *p = read_ids(a, &x.n_members), *q = read_ids(b, &y.n_members);
    const bool there = p != NULL && q != NULL;

    x.members = p;
    y.members = q;
    if (there)
        *out = tempo_relate_sets(&x, &y);
    free(p);
    free(q);
    return there ? TEMPO_OK : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to compare sets");
}

/* Lists of sets in the order of their steps; a step that only one of them has differs. */
static tempo_status find_in(const json_t *x, const json_t *y, parting *out, tempo_err *err)
{
    tempo_relation r = TEMPO_SETS_EQUAL;
    tempo_status st;

    for (size_t i = 0; out->sets == UINT32_MAX; i++) {
        const json_t *s = json_array_get(x, i), *t = json_array_get(y, i);
        const uint32_t step = step_of(s) < step_of(t) ? step_of(s) : step_of(t);
        if (step == UINT32_MAX)
            return TEMPO_OK;
        if ((st = relate(s, t, &r, err)) != TEMPO_OK)
            return st;
        if (r == TEMPO_SETS_DIFFERENT || step_of(s) != step_of(t))
            out->sets = step;
        else if (r == TEMPO_SETS_REORDERED && out->order == UINT32_MAX)
            out->order = step;
    }
    return TEMPO_OK;
}

/* By all sets where results.json of both has them, else by the parallel ones. */
static tempo_status find_parting(const char *a, const char *b, parting *out, tempo_err *err)
{
    static const char *const names[][2] = {{"results.json", "steps"},
                                           {"parallel_sets.json", "parallel_sets"}};
    tempo_status st = TEMPO_OK;
    bool found = false;

    *out = (parting){UINT32_MAX, UINT32_MAX};
    for (size_t i = 0; i < 2 && st == TEMPO_OK && !found; i++) {
        json_t *x = NULL, *y = NULL;
        tempo_err *why = i > 0 ? err : NULL; /* another program's results need not be readable */
        if ((st = load_beside(&x, a, names[i][0], why)) == TEMPO_OK &&
            (st = load_beside(&y, b, names[i][0], why)) == TEMPO_OK) {
            const json_t *sets = json_object_get(x, names[i][1]), *others = json_object_get(y, names[i][1]);
            found = json_is_array(sets) && json_is_array(others);
            st = found ? find_in(sets, others, out, err) : TEMPO_OK;
        } else if (i == 0) {
            st = TEMPO_OK;
        }
        json_decref(x);
        json_decref(y);
    }
    return st;
}

/* From where on rows cannot be compared. */
static uint32_t first_parted(const parting *p)
{
    return p->sets < p->order ? p->sets : p->order;
}

/* What a comparison says of sets: it was told the first step whose rows cannot be compared. */
static void tell_parting(json_t *one, const parting *p)
{
    const json_t *at = json_object_get(one, "sets_differ_at");

    if (p->order < p->sets && json_integer_value(at) == p->order)
        (void)json_object_set_new(one, "sets_differ_at",
                                  p->sets == UINT32_MAX ? json_null() : json_integer(p->sets));
    (void)json_object_set_new(one, "order_differs_at",
                              p->order == UINT32_MAX ? json_null() : json_integer(p->order));
}

/* ---- pairs ---- */

static json_t *empty_report(const char *what)
{
    return json_pack("{s:s, s:s, s:[], s:{}, s:[], s:[]}", "tempo", tempo_version(), "what", what, "warnings",
                     "edits", "comparisons", "captures");
}

static void add_comparison(json_t *report, json_t *one, const parting *p)
{
    tell_parting(one, p);
    (void)json_array_append_new(json_object_get(report, "comparisons"), one);
}

/* The steps of attention and logits that two files have in common. */
static tempo_status add_steps(json_t *report, const char *a, const char *b, const parting *parts,
                              tempo_err *err)
{
    json_t *warnings = json_object_get(report, "warnings"), *one = NULL;
    const uint32_t parted = first_parted(parts);
    tempo_steps x = {0}, y = {0};
    bool any = false;
    tempo_status st;

    if ((st = tempo_steps_open(&x, a, NULL, err)) != TEMPO_OK ||
        (st = tempo_steps_open(&y, b, NULL, err)) != TEMPO_OK)
        goto out;
    warn_pickle(warnings, &x);
    warn_pickle(warnings, &y);
    for (int kind = 0; kind < 2; kind++) {
        if (x.n[kind] == 0 || y.n[kind] == 0)
            continue;
        any = true;
        st = kind == TEMPO_STEPS_ATTENTION ? tempo_compare_attention(&one, &x, &y, parted, warnings, err)
                                           : tempo_compare_logits(&one, &x, &y, parted, err);
        if (st != TEMPO_OK)
            goto out;
        add_comparison(report, one, parts);
    }
    if (!any)
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s holds %s only, %s holds %s only", a,
                        x.n[TEMPO_STEPS_ATTENTION] > 0 ? "attention" : "logits", b,
                        y.n[TEMPO_STEPS_ATTENTION] > 0 ? "attention" : "logits");
out:
    tempo_steps_close(&x);
    tempo_steps_close(&y);
    return st;
}

/* Add what two files have in common to the report: taps where both have some, else attention and logits. */
static tempo_status add_pair(json_t *report, const char *a, const char *b, tempo_err *err)
{
    tempo_tap_steps x = {0}, y = {0};
    parting parts;
    json_t *one;
    tempo_status st;

    if ((st = tempo_tap_steps_open(&x, a, err)) != TEMPO_OK ||
        (st = tempo_tap_steps_open(&y, b, err)) != TEMPO_OK ||
        (st = find_parting(a, b, &parts, err)) != TEMPO_OK)
        goto out;
    note_edits(report, a);
    note_edits(report, b);
    if (x.n == 0 || y.n == 0)
        st = add_steps(report, a, b, &parts, err);
    else if ((st = tempo_compare_taps(&one, &x, &y, first_parted(&parts), err)) == TEMPO_OK)
        add_comparison(report, one, &parts);
out:
    tempo_tap_steps_close(&x);
    tempo_tap_steps_close(&y);
    return st;
}

tempo_status tempo_analyze_pair(json_t **out, const char *a, const char *b, tempo_err *err)
{
    tempo_status st;

    *out = empty_report("pair");
    if (*out == NULL)
        return no_memory(err);
    if ((st = add_pair(*out, a, b, err)) != TEMPO_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return st;
}

/* ---- directories ---- */

static tempo_status look_at_steps(json_t *report, const char *path, tempo_err *err)
{
    json_t *positions = NULL, *one = NULL;
    tempo_steps s;
    tempo_status st = tempo_steps_open(&s, path, NULL, err);

    if (st != TEMPO_OK || (st = load_beside(&positions, path, "rope_positions.json", err)) != TEMPO_OK)
        goto out;
    warn_pickle(json_object_get(report, "warnings"), &s);
    for (int kind = 0; kind < 2 && st == TEMPO_OK; kind++)
        if (s.n[kind] > 0 &&
            (st = kind == TEMPO_STEPS_ATTENTION ? tempo_look_at_attention(&one, &s, positions, err)
                                                : tempo_look_at_logits(&one, &s, err)) == TEMPO_OK)
            (void)json_array_append_new(json_object_get(report, "captures"), one);
out:
    json_decref(positions);
    tempo_steps_close(&s);
    return st;
}

static tempo_status look_at_taps(json_t *report, const char *path, tempo_err *err)
{
    json_t *one;
    tempo_tap_steps s;
    tempo_status st = tempo_tap_steps_open(&s, path, err);

    if (st == TEMPO_OK && (st = tempo_look_at_taps(&one, &s, err)) == TEMPO_OK)
        (void)json_array_append_new(json_object_get(report, "captures"), one);
    tempo_tap_steps_close(&s);
    return st;
}

/* Add one capture to the report. */
static tempo_status add_capture(json_t *report, const char *dir, tempo_err *err)
{
    char path[PATH_BYTES];
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < N_FILES && st == TEMPO_OK; i++) {
        bool found;
        if ((st = find_capture(path, dir, i, &found, err)) == TEMPO_OK && found)
            st = capture_files[i] == TEMPO_FILE_TAPS ? look_at_taps(report, path, err)
                                                     : look_at_steps(report, path, err);
        if (st == TEMPO_OK && found)
            note_edits(report, path);
    }
    return st;
}

static bool holds_capture(const char *dir)
{
    char path[PATH_BYTES];
    bool found = false;

    for (size_t i = 0; i < N_FILES && !found; i++)
        if (find_capture(path, dir, i, &found, NULL) != TEMPO_OK)
            return false;
    return found;
}

/* `isolated` in front, then by name. */
static int by_arm(const void *a, const void *b)
{
    const char *x = strrchr(*(char *const *)a, '/'), *y = strrchr(*(char *const *)b, '/');
    const bool i = strcmp(x, "/isolated") == 0, k = strcmp(y, "/isolated") == 0;

    return i != k ? (i ? -1 : 1) : strcmp(x, y);
}

/* Paths of the sub-directories that hold captures, to be freed, also on failure. */
static tempo_status list_arms(const char *dir, char *arms[MAX_ARMS], size_t *n, tempo_err *err)
{
    char path[PATH_BYTES];
    struct dirent *e;
    tempo_status st = TEMPO_OK;
    DIR *d = opendir(dir);

    if (d == NULL)
        return tempo_fail_os(err, errno, "%s cannot be listed", dir);
    while (st == TEMPO_OK && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || (st = join(path, dir, e->d_name, err)) != TEMPO_OK || !holds_capture(path))
            continue;
        if (*n == MAX_ARMS)
            st = tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                            "%s: more than %d sub-directories with captures", dir, MAX_ARMS);
        else if ((arms[*n] = strdup(path)) == NULL)
            st = no_memory(err);
        else
            ++*n;
    }
    (void)closedir(d);
    if (*n > 0)
        qsort(arms, *n, sizeof(*arms), by_arm);
    return st;
}

/* Every arm with the first one. */
static tempo_status add_arms(json_t *report, char *const *arms, size_t n, tempo_err *err)
{
    char a[PATH_BYTES], b[PATH_BYTES];
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = add_capture(report, arms[i], err);
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < N_FILES && st == TEMPO_OK; k++) {
            bool in_a, in_b;
            if ((st = find_capture(a, arms[0], k, &in_a, err)) == TEMPO_OK &&
                (st = find_capture(b, arms[i], k, &in_b, err)) == TEMPO_OK && in_a && in_b)
                st = add_pair(report, a, b, err);
        }
    return st;
}

tempo_status tempo_analyze_dir(json_t **out, const char *dir, tempo_err *err)
{
    char *arms[MAX_ARMS] = {0};
    size_t n = 0;
    const bool single = holds_capture(dir);
    tempo_status st = TEMPO_OK;

    *out = empty_report(single ? "capture" : "arms");
    if (*out == NULL)
        return no_memory(err);
    if (single)
        st = add_capture(*out, dir, err);
    else if ((st = list_arms(dir, arms, &n, err)) == TEMPO_OK && n == 0)
        st = tempo_fail(
            err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
            "%s: no attention_weights, logits_distributions or taps (.npz or .safetensors) in it or in "
            "its sub-directories",
            dir);
    else if (st == TEMPO_OK)
        st = add_arms(*out, arms, n, err);
    for (size_t i = 0; i < n; i++)
        free(arms[i]);
    if (st != TEMPO_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return st;
}

tempo_status tempo_analyze_save(const char *path, const char *text, tempo_err *err)
{
    tempo_outfile *f;
    tempo_status st = tempo_outfile_create(&f, path, err);

    if (st != TEMPO_OK)
        return st;
    if ((st = tempo_outfile_write(f, text, strlen(text), err)) == TEMPO_OK)
        return tempo_outfile_commit(f, err);
    tempo_outfile_abort(f);
    return st;
}
