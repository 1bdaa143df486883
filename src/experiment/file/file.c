/* file.c - reading an experiment: the keys that there are, which of them exclude each other, and
 * what is neither decoding, recording nor published. */
#include "experiment/file/file.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/file/read.h"
#include "study/yaml_document.h"

/* Ours, and those of the published files that act; foreign.c has the others. */
static const char *const acting[] = {
    /* of the published files */
    "experiment_name", "description", "prompt", "max_tokens", "selection_threshold", "seed", "run_both_modes",
    "allow_intraset_token_visibility", "isolate", "use_custom_rope", "debug_mode", "output_dir", "model",
    "capture_attention", "capture_logits", "capture_kv_cache", "capture_rope_positions",
    "save_attention_matrices", "save_full_distributions", "attention_output_file", "logits_output_file",
    "kv_cache_output_file", "rope_positions_file", "compute_kl_divergence", "compute_cosine_similarity",
    "top_k_analysis", "analyze_cross_parallel", "cross_parallel_output_file",
    /* ours */
    "goal", "prompts", "prompts_file", "no_bos", "thresholds", "regime", "driver", "arms", "record",
    "record_prompt", "pairs", "published", "layout", "edits",
    /* ours, and of an arm */
    "mode", "visible_layers", "context", "readout", "positions", "replay", "steps", "min_steps", "threshold",
    "temperature", "max_set", "stop", "kv", "max_slots"};
enum { N_ACTING = sizeof(acting) / sizeof(acting[0]) };

/* Two names for one thing. */
static const char *const exclusive[][2] = {
    {"prompt", "prompts"},
    {"prompt", "prompts_file"},
    {"prompts", "prompts_file"},
    {"max_tokens", "steps"},
    {"selection_threshold", "threshold"},
    {"selection_threshold", "thresholds"},
    {"threshold", "thresholds"},
    {"use_custom_rope", "positions"},
    {"allow_intraset_token_visibility", "mode"},
    {"allow_intraset_token_visibility", "arms"},
    {"allow_intraset_token_visibility", "isolate"},
    {"isolate", "mode"},
    {"isolate", "arms"},
    {"run_both_modes", "mode"},
    {"run_both_modes", "arms"},
    {"capture_attention", "record"},
    {"capture_logits", "record"},
    {"capture_kv_cache", "record"},
    {"capture_rope_positions", "record"},
    {"save_attention_matrices", "record"},
    {"save_full_distributions", "record"},
};

void tempo_experiment_add_note(tempo_experiment *e, const tempo_yaml_node *at, const char *fmt, ...)
{
    va_list ap;

    if (e->n_notes == TEMPO_EXPERIMENT_MAX_NOTES) /* cannot be: there are fewer keys that have one */
        return;
    tempo_experiment_note *note = &e->notes[e->n_notes++];
    note->key = at->key;
    note->line = at->key_line;
    va_start(ap, fmt);
    (void)vsnprintf(note->text, sizeof(note->text), fmt, ap);
    va_end(ap);
}

tempo_status tempo_experiment_check_pair(const tempo_yaml_node *map, const char *a, const char *b,
                                         tempo_err *err)
{
    const tempo_yaml_node *first = tempo_yaml_get(map, a), *second = tempo_yaml_get(map, b);

    if (first == NULL || second == NULL)
        return TEMPO_OK;
    const bool swapped = first->key_line > second->key_line ||
                         (first->key_line == second->key_line && first->key_column > second->key_column);
    const tempo_yaml_node *early = swapped ? second : first, *late = swapped ? first : second;
    return tempo_yaml_fail_key(err, late, "'%s' and '%s' of line %u say the same thing: keep one of them",
                               late->key, early->key, (unsigned)early->key_line);
}

static tempo_status check_exclusive(const tempo_yaml_node *root, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < sizeof(exclusive) / sizeof(exclusive[0]); i++)
        st = tempo_yaml_both(st, tempo_experiment_check_pair(root, exclusive[i][0], exclusive[i][1], err));
    return st;
}

tempo_status tempo_experiment_check_keys(const tempo_yaml_node *node, const char *const *own, size_t n,
                                         bool of_an_arm, tempo_err *err)
{
    const char *known[N_ACTING + TEMPO_EXPERIMENT_FOREIGN_MOST + 1];

    assert(n <= N_ACTING);
    memcpy(known, own, n * sizeof(*own));
    n += tempo_experiment_foreign_keys(known + n, of_an_arm);
    known[n] = NULL;
    return tempo_yaml_check_keys(node, known, err);
}

/* ---- prompts ---- */

static tempo_status no_memory(const tempo_experiment *e, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", e->path);
}

/* texts[lines->n] */
static tempo_status take_texts(const tempo_prompt_lines *lines, const char **texts, tempo_err *err)
{
    if (lines->n > TEMPO_EXPERIMENT_MAX_PROMPTS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: %zu prompts, an experiment takes %d",
                          lines->path, lines->n, TEMPO_EXPERIMENT_MAX_PROMPTS);
    for (size_t i = 0; i < lines->n; i++) {
        texts[i] = lines->lines[i].text;
        if (strlen(texts[i]) != lines->lines[i].n)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s:%u: the text holds a NUL, expected none", lines->path,
                              (unsigned)lines->lines[i].line);
    }
    return TEMPO_OK;
}

tempo_status tempo_experiment_take_prompts(tempo_experiment *e, const char *path, tempo_err *err)
{
    tempo_prompt_lines *lines;
    const char **texts;
    tempo_status st = tempo_prompt_lines_load(&lines, path, err);

    if (st != TEMPO_OK)
        return st;
    texts = calloc(lines->n, sizeof(*texts));
    st = texts != NULL ? take_texts(lines, texts, err) : no_memory(e, err);
    if (st != TEMPO_OK) {
        free(texts);
        tempo_prompt_lines_free(lines);
        return st;
    }
    free(e->prompts);
    tempo_prompt_lines_free(e->lines);
    e->prompts = texts;
    e->n_prompts = lines->n;
    e->lines = lines;
    return TEMPO_OK;
}

/* A path that the file names is meant from where the file is. */
static tempo_status take_file(tempo_experiment *e, const tempo_yaml_node *at, const char *name,
                              tempo_err *err)
{
    const char *slash = strrchr(e->path, '/');
    char path[4096];
    tempo_err why = {0};
    const int n = name[0] == '/' || slash == NULL
                      ? snprintf(path, sizeof(path), "%s", name)
                      : snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - e->path), e->path, name);

    if (n < 0 || (size_t)n >= sizeof(path))
        return tempo_yaml_fail(err, at, "the path is too long");
    const tempo_status st = tempo_experiment_take_prompts(e, path, &why);
    return st == TEMPO_OK || st == TEMPO_E_NOMEM ? st : tempo_yaml_fail(err, at, "%.300s", why.msg);
}

static tempo_status read_prompts(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    const char *prompt = NULL, *file = NULL;
    const tempo_yaml_node *list;
    tempo_status st = tempo_yaml_str(root, "prompt", &prompt, err);

    st = tempo_yaml_both(
        st, tempo_yaml_list(root, "prompts", TEMPO_YAML_STR, TEMPO_EXPERIMENT_MAX_PROMPTS, &list, err));
    st = tempo_yaml_both(st, tempo_yaml_str(root, "prompts_file", &file, err));
    if (st != TEMPO_OK)
        return st;
    if (file != NULL)
        return take_file(e, tempo_yaml_get(root, "prompts_file"), file, err);
    if (prompt == NULL && list == NULL)
        return tempo_yaml_fail(err, root, "neither 'prompt' nor 'prompts' is there");
    const size_t n = list != NULL ? list->n : 1;
    if ((e->prompts = calloc(n, sizeof(*e->prompts))) == NULL)
        return no_memory(e, err);
    e->n_prompts = n;
    if (list == NULL) {
        e->prompts[0] = prompt;
        return TEMPO_OK;
    }
    size_t i = 0;
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next)
        e->prompts[i++] = v->text;
    return TEMPO_OK;
}

/* ---- the rest ---- */

/* The file's name without directories and .yaml. */
static void default_name(char out[TEMPO_EXPERIMENT_FILE_CHARS], const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    size_t n = strlen(base);

    if (n > 5 && strcmp(base + n - 5, ".yaml") == 0)
        n -= 5;
    (void)snprintf(out, TEMPO_EXPERIMENT_FILE_CHARS, "%.*s", (int)(n < 100 ? n : 100),
                   n > 0 ? base : "experiment");
}

/* It becomes a directory. */
static tempo_status read_name(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_status st = tempo_yaml_str(root, "experiment_name", &e->name, err);

    if (st == TEMPO_OK && (strchr(e->name, '/') != NULL || e->name[0] == '.' || strlen(e->name) > 100)) {
        const tempo_yaml_node *at = tempo_yaml_get(root, "experiment_name");
        return tempo_yaml_fail(
            err, at != NULL ? at : root,
            "expected a name of at most 100 bytes without '/' that does not begin with '.'");
    }
    return st;
}

static tempo_status read_layout(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    unsigned layout = 0;
    const tempo_status st = tempo_yaml_choice(root, "layout", "directories|flat", &layout, err);

    e->flat = layout == 1;
    if (st == TEMPO_OK && e->flat && e->n_prompts * e->n_thresholds > 1)
        return tempo_yaml_fail(err, tempo_yaml_get(root, "layout"),
                               "flat has room for one prompt at one threshold");
    return st;
}

static tempo_status read_rest(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_node *v;
    tempo_status st;

    default_name(e->file_name, e->path);
    e->name = e->file_name;
    st = read_name(e, root, err);
    st = tempo_yaml_both(st, tempo_yaml_str(root, "description", &e->description, err));
    st = tempo_yaml_both(st, tempo_yaml_str(root, "goal", &e->goal, err));
    st = tempo_yaml_both(st, tempo_yaml_str(root, "output_dir", &e->output_dir, err));
    st = tempo_yaml_both(st, tempo_yaml_str(root, "model", &e->model, err));
    st = tempo_yaml_both(st, tempo_yaml_u64(root, "seed", 0, UINT64_MAX, &e->seed, err));
    st = tempo_yaml_both(st, tempo_yaml_bool(root, "debug_mode", &e->verbose, err));
    st = tempo_yaml_both(st, tempo_yaml_bool(root, "no_bos", &e->no_bos, err));
    st = tempo_yaml_both(st, tempo_yaml_size(root, "pairs", 0, 10000, &e->pairs, err));
    if ((v = tempo_yaml_get(root, "seed")) != NULL) {
        e->has_seed = true;
        tempo_experiment_add_note(e, v, "recorded; decoding has no randomness that it could seed");
    }
    return st;
}

static tempo_status fill(void *object, tempo_err *err)
{
    tempo_experiment *e = object;
    const tempo_yaml_node *root = tempo_yaml_root(e->doc);
    tempo_status st;

    e->pairs = 6;
    st = tempo_experiment_check_keys(root, acting, N_ACTING, false, err);
    if (root->kind != TEMPO_YAML_MAP)
        return st;
    st = tempo_yaml_both(st, check_exclusive(root, err));
    st = tempo_yaml_both(st, read_rest(e, root, err));
    st = tempo_yaml_both(st, tempo_experiment_read_foreign(e, root, err));
    st = tempo_yaml_both(st, read_prompts(e, root, err));
    st = tempo_yaml_both(st, tempo_experiment_read_arms(e, root, err));
    st = tempo_yaml_both(st, read_layout(e, root, err));
    st = tempo_yaml_both(st, tempo_experiment_read_record(e, root, err));
    return tempo_yaml_both(st, tempo_experiment_read_published(e, root, err));
}

/* ---- the object ---- */

static void free_any(void *object)
{
    tempo_experiment_free(object);
}

static const tempo_yaml_form form = {sizeof(tempo_experiment),
                                     offsetof(tempo_experiment, doc),
                                     offsetof(tempo_experiment, path),
                                     offsetof(tempo_experiment, sha256),
                                     fill,
                                     free_any};

tempo_status tempo_experiment_parse(tempo_experiment **out, const char *path, const void *bytes, size_t n,
                                    const tempo_yaml_tell *tell, tempo_err *err)
{
    void *object;
    const tempo_status st = tempo_yaml_document_parse(&object, &form, path, bytes, n, tell, err);

    *out = object;
    return st;
}

tempo_status tempo_experiment_load(tempo_experiment **out, const char *path, const tempo_yaml_tell *tell,
                                   tempo_err *err)
{
    void *object;
    const tempo_status st = tempo_yaml_document_load(&object, &form, path, tell, err);

    *out = object;
    return st;
}

void tempo_experiment_free(tempo_experiment *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->n_arms; i++)
        tempo_edits_free(e->arms[i].list);
    free(e->prompts);
    tempo_prompt_lines_free(e->lines);
    tempo_yaml_free(e->doc);
    free(e);
}

tempo_decode_options tempo_experiment_decoding(const tempo_experiment *e, size_t arm, size_t threshold)
{
    tempo_decode_options o = e->arms[arm].decoding;

    if (!e->arms[arm].own_threshold)
        o.threshold = e->thresholds[threshold];
    return o;
}

const tempo_experiment_arm *tempo_experiment_arm_find(const tempo_experiment *e, const char *name)
{
    for (size_t i = 0; i < e->n_arms; i++)
        if (strcmp(e->arms[i].name, name) == 0)
            return &e->arms[i];
    return NULL;
}

const tempo_published_run *tempo_experiment_published(const tempo_experiment *e, const char *mode)
{
    for (size_t i = 0; i < e->published.n_runs; i++)
        if (strcmp(e->published.runs[i].mode, mode) == 0)
            return &e->published.runs[i];
    return NULL;
}
