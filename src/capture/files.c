/* files.c - a capture's directory, its JSON files, and putting everything in its place. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capture.h"

/* ---- the directory ---- */

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a capture");
}

static bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Make c->dir, parents first. */
static tempo_status make_directories(tempo_capture *c, tempo_err *err)
{
    const size_t n = strlen(c->dir);

    for (size_t i = 1; i <= n; i++) {
        if (c->dir[i] != '/' && c->dir[i] != '\0')
            continue;
        const char end = c->dir[i];
        c->dir[i] = '\0';
        const int rc = mkdir(c->dir, 0777), why = errno;
        const bool there = rc != 0 && is_directory(c->dir);
        if (rc == 0 && c->made == 0)
            c->made = i;
        tempo_status st = TEMPO_OK;
        if (rc != 0 && !there)
            st = tempo_fail_os(err, why == EEXIST ? ENOTDIR : why, "%s: cannot make the directory", c->dir);
        c->dir[i] = end;
        if (st != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

/* The caller's name, or the usual one. */
static tempo_status set_path(tempo_capture *c, tempo_capture_file file, const char *name, tempo_err *err)
{
    char usual[TEMPO_CAPTURE_KEY];

    name = name != NULL ? name : tempo_capture_file_name(usual, file, c->opt.format);
    const size_t cap = strlen(c->dir) + strlen(name) + 2;
    if ((c->paths[file] = malloc(cap)) == NULL)
        return no_memory(err);
    (void)snprintf(c->paths[file], cap, "%s/%s", c->dir, name);
    return TEMPO_OK;
}

static tempo_status set_paths(tempo_capture *c, const tempo_capture_options *o, tempo_err *err)
{
    const struct {
        tempo_capture_file file;
        unsigned bit; /* 0: always */
        const char *name;
    } all[] = {{TEMPO_FILE_SETS, 0, NULL},
               {TEMPO_FILE_METADATA, 0, NULL},
               {TEMPO_FILE_ATTENTION, TEMPO_RECORD_ATTENTION, o->attention_file},
               {TEMPO_FILE_LOGITS, TEMPO_RECORD_LOGITS, o->logits_file},
               {TEMPO_FILE_KV, TEMPO_RECORD_KV, o->kv_file},
               {TEMPO_FILE_ROPE, TEMPO_RECORD_POSITIONS, o->positions_file}};
    const bool taps = o->n_taps > 0 || o->prompt_rows;
    tempo_status st = taps ? set_path(c, TEMPO_FILE_TAPS, NULL, err) : TEMPO_OK;

    for (size_t i = 0; i < sizeof(all) / sizeof(*all) && st == TEMPO_OK; i++)
        if (all[i].bit == 0 || (o->record & all[i].bit) != 0)
            st = set_path(c, all[i].file, all[i].name, err);
    return st;
}

static bool is_file(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static tempo_status clear_files(tempo_capture *c, bool replace, tempo_err *err)
{
    for (size_t i = 0; i < TEMPO_FILE_COUNT; i++) {
        if (c->paths[i] == NULL || !is_file(c->paths[i]))
            continue;
        if (!replace)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "%s is there already: capture to a new directory", c->paths[i]);
        if (unlink(c->paths[i]) != 0)
            return tempo_fail_os(err, errno, "%s: cannot be removed", c->paths[i]);
    }
    return TEMPO_OK;
}

tempo_status tempo_capture_open_directory(tempo_capture *c, const char *dir, const tempo_capture_options *o,
                                          tempo_err *err)
{
    size_t n = strlen(dir);
    tempo_status st;

    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n == 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the name of the directory is empty");
    if ((c->dir = strndup(dir, n)) == NULL)
        return no_memory(err);
    if ((st = set_paths(c, o, err)) != TEMPO_OK || (st = clear_files(c, o->replace, err)) != TEMPO_OK)
        return st;
    return make_directories(c, err);
}

void tempo_capture_remove_directory(tempo_capture *c)
{
    for (size_t i = 0; i < TEMPO_FILE_COUNT; i++)
        if (c->placed[i] && is_file(c->paths[i]))
            (void)unlink(c->paths[i]);
    while (c->made > 0 && strlen(c->dir) >= c->made && rmdir(c->dir) == 0) {
        char *slash = strrchr(c->dir, '/');
        if (slash == NULL)
            break;
        while (slash > c->dir && slash[-1] == '/')
            slash--;
        *slash = '\0';
    }
}

/* ---- parallel_sets.json ---- */

static tempo_status put(tempo_outfile *f, tempo_err *err, const char *fmt, ...) TEMPO_PRINTF(3, 4);
static tempo_status put(tempo_outfile *f, tempo_err *err, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    const int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return tempo_outfile_write(f, text, (size_t)n, err);
}

tempo_status tempo_capture_begin_sets(tempo_capture *c, tempo_err *err)
{
    tempo_status st = tempo_outfile_create(&c->sets, c->paths[TEMPO_FILE_SETS], err);

    return st == TEMPO_OK ? put(c->sets, err, "{\"parallel_sets\": [") : st;
}

/* Readers of the original project take a set that is not listed for one of a single member. */
tempo_status tempo_capture_add_set(tempo_capture *c, const tempo_set *set, tempo_err *err)
{
    tempo_status st;

    c->sets_seen++;
    c->total_tokens += set->n_members;
    if (set->n_members < 2)
        return TEMPO_OK;
    st = put(c->sets, err, "%s\n  {\"step\": %zu, \"count\": %zu, \"tokens\": [",
             c->parallel_steps > 0 ? "," : "", set->step, set->n_members);
    for (size_t i = 0; i < set->n_members && st == TEMPO_OK; i++)
        st = put(c->sets, err, "%s%" PRId32, i > 0 ? ", " : "", set->members[i].id);
    if (st == TEMPO_OK)
        st = put(c->sets, err, "], \"positions\": [");
    for (size_t i = 0; i < set->n_members && st == TEMPO_OK; i++)
        st = put(c->sets, err, "%s%" PRId64, i > 0 ? ", " : "", set->members[i].slot);
    c->parallel_steps++;
    if (set->n_members > c->max_width)
        c->max_width = set->n_members;
    return st == TEMPO_OK ? put(c->sets, err, "]}") : st;
}

static tempo_status finish_sets(tempo_capture *c, tempo_err *err)
{
    tempo_status st =
        put(c->sets, err, "\n], \"summary\": {\"total_parallel_steps\": %zu, \"max_parallel_width\": %zu}}\n",
            c->parallel_steps, c->max_width);

    if (st != TEMPO_OK)
        return st;
    st = tempo_outfile_commit(c->sets, err);
    c->sets = NULL;
    return st;
}

/* ---- the other JSON files ---- */

static tempo_status write_positions(const tempo_capture *c, tempo_outfile *f, tempo_err *err)
{
    const tempo_seq *seq = tempo_decoder_seq(c->decoder);
    tempo_status st = put(f, err, "{");

    for (size_t i = 0; i < c->slots && st == TEMPO_OK; i++) {
        const double p = tempo_seq_slot_at(seq, i).position;
        /* whole numbers as such: readers compare them with steps */
        st = put(f, err, p == floor(p) ? "%s\n  \"%zu\": %.0f" : "%s\n  \"%zu\": %.17g", i > 0 ? "," : "", i,
                 p);
    }
    return st == TEMPO_OK ? put(f, err, "\n}\n") : st;
}

static tempo_status write_metadata(const tempo_capture *c, tempo_outfile *f, tempo_err *err)
{
    json_t *doc = json_pack("{s:O, s:I, s:I}", "config", c->config, "num_steps", (json_int_t)c->sets_seen,
                            "total_tokens", (json_int_t)c->total_tokens);
    char *text = doc != NULL ? json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    tempo_status st = text != NULL ? tempo_outfile_write(f, text, strlen(text), err) : no_memory(err);

    free(text);
    json_decref(doc);
    return st == TEMPO_OK ? put(f, err, "\n") : st;
}

static tempo_status write_json(tempo_capture *c, tempo_capture_file file,
                               tempo_status (*write)(const tempo_capture *, tempo_outfile *, tempo_err *),
                               tempo_err *err)
{
    tempo_outfile *f;
    tempo_status st = tempo_outfile_create(&f, c->paths[file], err);

    if (st != TEMPO_OK)
        return st;
    if ((st = write(c, f, err)) == TEMPO_OK)
        return tempo_outfile_commit(f, err);
    tempo_outfile_abort(f);
    return st;
}

/* ---- everything ---- */

static tempo_status finish_arrays(tempo_capture *c, size_t i, const char *metadata, tempo_err *err)
{
    tempo_status st = tempo_arrays_add_text(c->arrays[i], TEMPO_CAPTURE_TEXT, metadata, err);

    if (st == TEMPO_OK) {
        st = tempo_arrays_commit(c->arrays[i], err);
        c->arrays[i] = NULL;
    }
    return st;
}

/* NULL: no memory. */
static char *make_metadata(const tempo_capture *c)
{
    const tempo_capture_options *o = &c->opt;
    json_t *doc =
        json_pack("{s:s, s:I, s:b, s:[I, I], s:[I, I], s:o, s:O}", "version", tempo_version(), "num_steps",
                  (json_int_t)c->steps, "closed", c->closed, "layers", (json_int_t)o->first_layer,
                  (json_int_t)o->last_layer, "heads", (json_int_t)o->first_head, (json_int_t)o->last_head,
                  "model", tempo_json_sizes(c->model), "config", c->config);
    int bad = doc == NULL;

    if (c->paths[TEMPO_FILE_TAPS] != NULL) {
        bad |= json_object_set_new(doc, "taps", tempo_taps_json(c->taps, c->n_taps, c->model));
        bad |= json_object_set_new(doc, "prompt_rows", json_boolean(o->prompt_rows));
    }
    if (o->square)
        bad |= json_object_set_new(doc, "square", json_true());
    char *text = bad == 0 ? json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;

    json_decref(doc);
    return text;
}

tempo_status tempo_capture_finish(tempo_capture *c, tempo_err *err)
{
    char *metadata = make_metadata(c);
    tempo_status st = metadata != NULL ? TEMPO_OK : no_memory(err);

    for (size_t i = 0; i < TEMPO_FILE_ARRAYS && st == TEMPO_OK; i++)
        if (c->arrays[i] != NULL)
            c->placed[i] = (st = finish_arrays(c, i, metadata, err)) == TEMPO_OK;
    free(metadata);
    if (st == TEMPO_OK && c->paths[TEMPO_FILE_ROPE] != NULL) {
        st = write_json(c, TEMPO_FILE_ROPE, write_positions, err);
        c->placed[TEMPO_FILE_ROPE] = st == TEMPO_OK;
    }
    if (st == TEMPO_OK)
        c->placed[TEMPO_FILE_SETS] = (st = finish_sets(c, err)) == TEMPO_OK;
    if (st == TEMPO_OK)
        st = write_json(c, TEMPO_FILE_METADATA, write_metadata, err);
    return st;
}
