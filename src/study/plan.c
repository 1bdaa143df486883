/* plan.c - what a study will do, written down before it does anything. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/json.h"
#include "files/find_file.h"
#include "files/json_out.h"
#include "study/study.h"

enum { SCHEMA = 2, MAX_COPY = 1 << 24 };

enum { FOLDERS = 4 };
static const char *const folders[FOLDERS] = {"floor", "units", "control",
                                             "trace"}; /* the last where the plan asks for it */

bool tempo_study_has(const char *path)
{
    return access(path, F_OK) == 0;
}

tempo_status tempo_study_unit_path(const char *dir, const char *folder, size_t model, double threshold,
                                   const char *prompt, char *path, tempo_err *err)
{
    char t[40] = "";

    if (threshold > 0.0)
        (void)snprintf(t, sizeof(t), "-t%g", threshold);
    const int n = snprintf(path, TEMPO_STUDY_PATH, "%s/%s/m%zu%s-%s.json", dir, folder, model, t, prompt);
    return n >= 0 && n < TEMPO_STUDY_PATH
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: the path is too long", dir);
}

double tempo_study_offset(const tempo_hypotheses *h, double threshold)
{
    tempo_decode_options o;
    double most =
        floor(1.0 / threshold * (1.0 + 1e-12)); /* probabilities of at least that each: 1/0.1 are 10 */

    tempo_decode_options_init(&o);
    most = fmax(1.0, fmin(most, (double)o.max_set));
    return fmin(h->position_offset, 1.0 / most);
}

static tempo_status in_dir(const tempo_study *s, const char *name, char *path, tempo_err *err)
{
    return tempo_path_join(path, TEMPO_STUDY_PATH, s->dir, name, err);
}

/* ---- copies of the files that define it ---- */

static tempo_status copy_file(const char *from, const char *to, tempo_err *err)
{
    FILE *f = fopen(from, "rb");
    char *text = malloc(MAX_COPY);
    tempo_status st = TEMPO_OK;

    if (f == NULL)
        st = tempo_fail_os(err, errno, "%s: cannot be read", from);
    else if (text == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to copy %s", from);
    else {
        const size_t n = fread(text, 1, MAX_COPY, f);
        st = ferror(f) || n == MAX_COPY
                 ? tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: cannot be copied", from)
                 : tempo_text_save(to, text, n, err);
    }
    if (f != NULL)
        (void)fclose(f);
    free(text);
    return st;
}

/* Load hypotheses and prompts: the study's own copies when it goes on, else what was asked for. */
static tempo_status load_files(tempo_study *s, tempo_err *err)
{
    const tempo_study_options *o = s->o;
    char h[TEMPO_STUDY_PATH], p[TEMPO_STUDY_PATH];
    tempo_status st = TEMPO_OK;

    if (o->resume) {
        if ((st = in_dir(s, "hypotheses.yaml", h, err)) == TEMPO_OK)
            st = tempo_prompts_path(p, sizeof(p), s->dir, NULL, err);
    } else {
        if (o->hypotheses != NULL)
            (void)snprintf(h, sizeof(h), "%s", o->hypotheses);
        else
            st = tempo_study_find_file("hypotheses", h, sizeof(h), err);
        if (st == TEMPO_OK && o->prompts != NULL)
            (void)snprintf(p, sizeof(p), "%s", o->prompts);
        else if (st == TEMPO_OK)
            st = tempo_study_find_file("prompts", p, sizeof(p), err);
    }
    if (st != TEMPO_OK)
        return tempo_yaml_settle(NULL, st, err, o->tell, NULL);
    st = tempo_hypotheses_load(&s->hypotheses, h, o->tell, err);
    return tempo_yaml_both(st, tempo_prompts_load(&s->prompts, p, o->tell, err));
}

/* ---- the plan ---- */

static tempo_status plan_model(const char *name, const tempo_study *s, json_t **out, json_t **edits,
                               tempo_err *err)
{
    const tempo_model_options mo = {.size = sizeof(mo), .cpu = s->o->cpu, .compute = s->o->compute};
    char hash[TEMPO_HASH_CHARS];
    tempo_edits *l = NULL;
    tempo_model *m = NULL;
    tempo_status st = tempo_model_open(&m, name, &mo, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    const tempo_model_info *info = tempo_model_get_info(m);
    if ((st = tempo_hash_path(info->path, hash, NULL, NULL, err)) == TEMPO_OK)
        *out = json_pack("{s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "path",
                         tempo_json_bytes(info->path, strlen(info->path)), "name",
                         tempo_json_bytes(info->name, strlen(info->name)), "architecture", info->architecture,
                         "format", info->format, "parameters", (json_int_t)info->parameters, "layers",
                         (json_int_t)info->n_layers, "heads", (json_int_t)info->n_heads, "sha256", hash,
                         "cpu", info->kernels, "compute", info->compute);
    if (st == TEMPO_OK && (st = tempo_study_edits(&l, s, m, err)) == TEMPO_OK && *edits == NULL)
        st = tempo_study_plan_edits(edits, s, l, err);
    tempo_edits_free(l);
    tempo_model_free(m);
    if (st == TEMPO_OK && *out == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the plan");
    return st;
}

static tempo_status make_plan(tempo_study *s, tempo_err *err)
{
    const tempo_study_options *o = s->o;
    const tempo_hypotheses *h = s->hypotheses;
    json_t *models = json_array(), *m, *edits = NULL;
    tempo_status st = TEMPO_OK;

    s->n_thresholds = o->n_thresholds > 0 ? o->n_thresholds : h->n_thresholds;
    memcpy(s->thresholds, o->n_thresholds > 0 ? o->thresholds : h->thresholds, sizeof(s->thresholds));
    s->steps = o->steps > 0 ? o->steps : h->steps;
    s->n_prompts = o->max_prompts > 0 && o->max_prompts < s->prompts->n ? o->max_prompts : s->prompts->n;
    for (size_t i = 0; i < (o->n_models > 0 ? o->n_models : 1) && st == TEMPO_OK; i++)
        if ((st = plan_model(o->n_models > 0 ? o->models[i] : NULL, s, &m, &edits, err)) == TEMPO_OK)
            json_array_append_new(models, m);
    if (st != TEMPO_OK) {
        json_decref(edits);
        json_decref(models);
        return st;
    }
    s->plan = json_pack("{s:i, s:s, s:{s:s}, s:{s:s, s:I}, s:o, s:o, s:I}", "schema", SCHEMA, "version",
                        tempo_version(), "hypotheses", "sha256", h->sha256, "prompts", "sha256",
                        s->prompts->sha256, "n", (json_int_t)s->n_prompts, "models", models, "thresholds",
                        tempo_json_numbers(s->thresholds, s->n_thresholds), "steps", (json_int_t)s->steps);
    if (edits != NULL)
        json_object_set_new(s->plan, "edits", edits);
    s->trace = o->trace;
    if (s->trace && s->plan != NULL)
        json_object_set_new(s->plan, "trace", json_true());
    return s->plan != NULL ? TEMPO_OK
                           : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the plan");
}

tempo_status tempo_study_check_schema(const json_t *plan, const char *path, tempo_err *err)
{
    const json_t *schema = json_object_get(plan, "schema");

    if (!json_is_integer(schema))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: not a study's plan: no \"schema\"",
                          path);
    if (json_integer_value(schema) == 1)
        return tempo_fail(
            err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
            "%s: schema 1, of an earlier version, which measured A2 by another distance: its report "
            "stays as it is; run the study again for one of this version",
            path);
    if (json_integer_value(schema) != SCHEMA)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "%s: schema %lld, this program knows %d",
                          path, (long long)json_integer_value(schema), SCHEMA);
    return TEMPO_OK;
}

/* The numbers of a stored plan, and that its files are those that it names. */
static tempo_status read_plan(tempo_study *s, const char *path, tempo_err *err)
{
    json_int_t n = 0, steps = 0;
    const char *h = "", *p = "", *version = "";
    json_t *thresholds = NULL, *models = NULL;
    json_error_t wrong;

    if (json_unpack_ex(s->plan, &wrong, 0, "{s:s, s:{s:s}, s:{s:s, s:I}, s:o, s:o, s:I}", "version", &version,
                       "hypotheses", "sha256", &h, "prompts", "sha256", &p, "n", &n, "models", &models,
                       "thresholds", &thresholds, "steps", &steps) != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: not a study's plan: %s", path,
                          wrong.text);
    if (strcmp(h, s->hypotheses->sha256) != 0 || strcmp(p, s->prompts->sha256) != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: the hypotheses or the prompts in it were changed after the study began",
                          s->dir);
    s->n_thresholds = json_array_size(thresholds);
    if (s->n_thresholds < 1 || s->n_thresholds > TEMPO_HYPOTHESES_MAX_THRESHOLDS || n < 1 ||
        (size_t)n > s->prompts->n || steps < 1 || !json_is_array(models) || json_array_size(models) < 1)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: numbers out of range", path);
    for (size_t i = 0; i < s->n_thresholds; i++) {
        s->thresholds[i] = json_number_value(json_array_get(thresholds, i));
        if (!(s->thresholds[i] > 0.0 && s->thresholds[i] <= 1.0))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: a threshold is out of range", path);
    }
    s->n_prompts = (size_t)n;
    s->steps = (size_t)steps;
    s->trace = json_is_true(json_object_get(s->plan, "trace"));
    return TEMPO_OK;
}

static tempo_status store_plan(tempo_study *s, const char *path, tempo_err *err)
{
    char to[TEMPO_STUDY_PATH];
    tempo_status st = tempo_make_directory(s->dir, err);

    for (size_t i = 0; i < (s->trace ? (size_t)FOLDERS : FOLDERS - 1) && st == TEMPO_OK; i++)
        if ((st = in_dir(s, folders[i], to, err)) == TEMPO_OK)
            st = tempo_make_directory(to, err);
    if (st == TEMPO_OK && (st = in_dir(s, "hypotheses.yaml", to, err)) == TEMPO_OK)
        st = copy_file(s->hypotheses->path, to, err);
    if (st == TEMPO_OK &&
        (st = tempo_prompts_path(to, sizeof(to), s->dir, s->prompts->path, err)) == TEMPO_OK)
        st = copy_file(s->prompts->path, to, err);
    return st == TEMPO_OK ? tempo_json_save(path, json_incref(s->plan), false, err) : st;
}

/* What a killed process was writing. */
static void remove_unfinished(const tempo_study *s)
{
    for (size_t i = 0; i <= FOLDERS; i++) {
        char path[TEMPO_STUDY_PATH], file[TEMPO_STUDY_PATH + 256];
        const struct dirent *e;
        (void)snprintf(path, sizeof(path), "%.4000s/%s", s->dir, i < FOLDERS ? folders[i] : ".");
        DIR *d = opendir(path);
        while (d != NULL && (e = readdir(d)) != NULL)
            if (strstr(e->d_name, ".tmp.") != NULL) {
                (void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
                (void)unlink(file);
            }
        if (d != NULL)
            (void)closedir(d);
    }
}

tempo_status tempo_study_plan(tempo_study *s, const tempo_study_options *o, tempo_err *err)
{
    *s = (tempo_study){.o = o};
    const tempo_status st = load_files(s, err);

    return st == TEMPO_OK ? make_plan(s, err) : st;
}

tempo_status tempo_study_begin(tempo_study *s, const tempo_study_options *o, tempo_err *err)
{
    char path[TEMPO_STUDY_PATH];
    tempo_status st;

    *s = (tempo_study){.o = o};
    (void)snprintf(s->dir, sizeof(s->dir), "%s", o->dir);
    if ((st = in_dir(s, "study.json", path, err)) != TEMPO_OK)
        return st;
    if (tempo_study_has(path) != o->resume)
        return o->resume
                   ? tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: no study to go on with", o->dir)
                   : tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                                "%s: holds a study already; go on with --resume, or give another directory",
                                o->dir);
    if (o->resume && ((st = tempo_json_load(&s->plan, path, err)) != TEMPO_OK ||
                      (st = tempo_study_check_schema(s->plan, path, err)) != TEMPO_OK))
        return st;
    if ((st = load_files(s, err)) != TEMPO_OK)
        return st;
    if (o->resume) {
        remove_unfinished(s);
        return read_plan(s, path, err);
    }
    return (st = make_plan(s, err)) == TEMPO_OK ? store_plan(s, path, err) : st;
}

void tempo_study_end(tempo_study *s)
{
    tempo_study_close_model(s);
    tempo_hypotheses_free(s->hypotheses);
    tempo_prompts_free(s->prompts);
    json_decref(s->plan);
    s->plan = NULL;
}

size_t tempo_study_model_count(const tempo_study *s)
{
    return json_array_size(json_object_get(s->plan, "models"));
}

/* ---- models ---- */

/* The same model by another instruction set, for the noise floor. */
static tempo_status open_other(tempo_study *s, const char *path, const char *kernels, tempo_err *err)
{
    static const char *const paths[] = {"avx2", "neon", "scalar"};
    const tempo_engine_options eo = {.size = sizeof(eo), .threads = s->o->threads};
    const double memory = (double)tempo_memory_read("").total; /* the model itself is in it */

    s->other_note = "no other instruction set on this machine";
    if (!s->hypotheses->noise.instruction_set) {
        s->other_note = "not asked for";
        return TEMPO_OK;
    }
    if (2.2 * (double)tempo_model_get_info(s->model)->file_bytes > 0.7 * memory) {
        s->other_note = "not enough memory for a second copy of the model";
        return TEMPO_OK;
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && s->other_model == NULL; i++) {
        const tempo_model_options mo = {.size = sizeof(mo), .cpu = paths[i], .compute = s->o->compute};
        tempo_err ignored = {0};
        if (strncmp(kernels, paths[i], strlen(paths[i])) != 0 &&
            tempo_model_open(&s->other_model, path, &mo, &ignored) == TEMPO_OK)
            s->other_note = NULL;
    }
    return s->other_model == NULL ? TEMPO_OK : tempo_engine_create(&s->other, s->other_model, &eo, err);
}

static tempo_status tokenize_all(tempo_study *s, tempo_err *err)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    tempo_status st = TEMPO_OK;

    s->ids = calloc(s->n_prompts, sizeof(*s->ids));
    s->n_ids = calloc(s->n_prompts, sizeof(*s->n_ids));
    if (s->ids == NULL || s->n_ids == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the prompts");
    if ((st = tempo_model_check_text(s->model, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < s->n_prompts && st == TEMPO_OK; i++) {
        const char *text = s->prompts->prompts[i].text;
        st = tempo_tokenize(t, text, strlen(text), TEMPO_TOKENIZE_NO_SPECIAL, &s->ids[i], &s->n_ids[i], err);
        if (st != TEMPO_OK)
            tempo_err_prefix(err, "prompt %s", s->prompts->prompts[i].id);
    }
    return st;
}

tempo_status tempo_study_open_model(tempo_study *s, size_t index, tempo_err *err)
{
    const json_t *plan = json_array_get(json_object_get(s->plan, "models"), index);
    const char *path = json_string_value(json_object_get(plan, "path"));
    const char *kernels = json_string_value(json_object_get(plan, "cpu"));
    const char *compute = json_string_value(json_object_get(plan, "compute"));
    const char *hash = json_string_value(json_object_get(plan, "sha256"));
    const tempo_engine_options eo = {.size = sizeof(eo), .threads = s->o->threads};
    char now[TEMPO_HASH_CHARS];
    const char *note;
    tempo_status st;

    if (path == NULL || kernels == NULL || compute == NULL || hash == NULL)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s/study.json: model %zu lacks path, cpu, compute or sha256", s->dir, index);
    tempo_model_options mo = {.size = sizeof(mo), .cpu = s->o->resume ? kernels : s->o->cpu};
    (void)tempo_compute_parse(compute, &mo.compute);
    s->model_index = index;
    if ((st = tempo_model_open(&s->model, path, &mo, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; s->o->note != NULL && (note = tempo_model_note(s->model, i)) != NULL; i++)
        s->o->note(s->o->user, path, note);
    if (strcmp(tempo_model_get_info(s->model)->kernels, kernels) != 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the study ran with %s, this machine gives %s",
                          kernels, tempo_model_get_info(s->model)->kernels);
    if (s->o->resume) { /* else the plan was made from this very file a moment ago */
        if ((st = tempo_hash_path(path, now, NULL, NULL, err)) != TEMPO_OK)
            return st;
        if (strcmp(now, hash) != 0)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "%s: is not the model that the study began with", path);
    }
    if ((st = tempo_engine_create(&s->engine, s->model, &eo, err)) != TEMPO_OK ||
        (st = open_other(s, path, kernels, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_study_edits(&s->edits, s, s->model, err)) == TEMPO_OK && s->other != NULL)
        st = tempo_study_edits(&s->other_edits, s, s->other_model, err);
    if (st != TEMPO_OK || (s->o->resume && (st = tempo_study_check_edits(s, s->edits, err)) != TEMPO_OK))
        return st;
    return tokenize_all(s, err);
}

void tempo_study_close_model(tempo_study *s)
{
    for (size_t i = 0; s->ids != NULL && i < s->n_prompts; i++)
        tempo_free(s->ids[i]);
    free(s->ids);
    free(s->n_ids);
    tempo_edits_free(s->other_edits);
    tempo_edits_free(s->edits);
    tempo_engine_free(s->other);
    tempo_engine_free(s->engine);
    tempo_model_free(s->other_model);
    tempo_model_free(s->model);
    s->ids = NULL;
    s->n_ids = NULL;
    s->other = s->engine = NULL;
    s->other_model = s->model = NULL;
    s->edits = s->other_edits = NULL;
    json_decref(s->uses);
    s->uses = NULL;
}
