/* record.c - what is recorded, under which file names, and which analyses are made of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/names.h"
#include "experiment/file/read.h"

enum { N_RECORDS = 4 }; /* that capture_* know */

/* ---- which arrays ---- */

/* capture_* and save_*, the published names. */
static tempo_status read_captures(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    static const char *const keys[N_RECORDS] = {"capture_attention", "capture_logits",
                                                "capture_rope_positions", "capture_kv_cache"};
    static const char *const names[N_RECORDS] = {"attention", "logits", "positions", "kv"};
    const tempo_yaml_node *v;
    bool matrices = true, whole = true;
    tempo_status st = tempo_yaml_bool(root, "save_attention_matrices", &matrices, err);

    tempo_capture_options_init(&e->recording);
    e->recording.record = 0;

    st = tempo_yaml_both(st, tempo_yaml_bool(root, "save_full_distributions", &whole, err));
    for (size_t i = 0; i < N_RECORDS; i++) {
        bool on = false;
        st = tempo_yaml_both(st, tempo_yaml_bool(root, keys[i], &on, err));
        if (!on || (i == 0 && !matrices))
            continue;
        e->record |= 1u << i;
        e->recording.record = e->record;
        e->record_text[e->n_record++] = names[i];
    }
    if ((v = tempo_yaml_get(root, "save_attention_matrices")) != NULL) {
        const tempo_yaml_node *capture = tempo_yaml_get(root, "capture_attention");
        if (!matrices && capture != NULL && capture->flag)
            tempo_experiment_add_note(e, v, "attention is captured only to be written: it is not recorded");
        else if (matrices && (e->record & TEMPO_EXPERIMENT_ATTENTION) == 0)
            tempo_experiment_add_note(e, v, "nothing captures attention: there is nothing to save");
    }
    if ((v = tempo_yaml_get(root, "save_full_distributions")) == NULL)
        return st;
    if (whole && (e->record & TEMPO_EXPERIMENT_LOGITS) == 0)
        tempo_experiment_add_note(e, v, "nothing captures logits: there is nothing to save");
    else if (!whole && (e->record & TEMPO_EXPERIMENT_LOGITS) != 0)
        tempo_experiment_add_note(e, v, "rows of logits are always recorded whole");
    return st;
}

static tempo_status read_one(tempo_experiment *e, const tempo_yaml_node *v, tempo_err *err)
{
    tempo_err said = {0};

    if (tempo_record_parse(&e->recording, v->text, &said) != TEMPO_OK)
        return tempo_yaml_fail(err, v, "%s", said.msg);
    e->record = e->recording.record;
    e->record_text[e->n_record++] = v->text;
    return TEMPO_OK;
}

/* record: a list of what --record takes. */
static tempo_status read_record(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st = tempo_yaml_list(root, "record", TEMPO_YAML_STR, TEMPO_EXPERIMENT_RECORDS, &list, err);

    if (e->n_record > 0) /* capture_* said so already: together they are an error */
        return st;
    for (const tempo_yaml_node *v = st == TEMPO_OK && list != NULL ? list->first : NULL; v != NULL;
         v = v->next)
        st = tempo_yaml_both(st, read_one(e, v, err));
    return st;
}

/* record_prompt: all rows of the prompt, as --record-prompt has them. */
static tempo_status read_prompt_rows(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_capture_options *o = &e->recording;
    const tempo_status st = tempo_yaml_bool(root, "record_prompt", &e->recording.prompt_rows, err);

    if (st != TEMPO_OK || !o->prompt_rows || o->n_taps > 0 ||
        (o->record & (TEMPO_RECORD_ATTENTION | TEMPO_RECORD_LOGITS)) != 0)
        return st;
    return tempo_yaml_fail(err, tempo_yaml_get(root, "record_prompt"),
                           "neither attention, nor logits, nor a tap is recorded");
}

/* ---- file names ---- */

typedef struct output {
    const char *key, *fallback;
    char *name;       /* [TEMPO_EXPERIMENT_FILE_CHARS] */
    bool written;     /* something is recorded that goes there */
    const char *what; /* that something */
} output;

/* Files that a run writes under names of its own. */
static bool is_taken(const char *name)
{
    static const char *const taken[] = {"results.json", "results.jsonl", "manifest.json",
                                        "EXPERIMENT_RESULTS.md"};
    static const tempo_capture_file fixed[] = {TEMPO_FILE_SETS, TEMPO_FILE_METADATA, TEMPO_FILE_TAPS};
    char own[TEMPO_CAPTURE_KEY];

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (strcmp(name, tempo_capture_file_name(own, fixed[i], TEMPO_CAPTURE_NPZ)) == 0)
            return true;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(name, taken[i]) == 0)
            return true;
    return false;
}

static bool ends_in(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);

    return n > m && strcmp(s + n - m, end) == 0;
}

static tempo_status read_output(tempo_experiment *e, const tempo_yaml_node *root, const output *o,
                                tempo_err *err)
{
    const tempo_yaml_node *at = tempo_yaml_get(root, o->key);
    const char *name = o->fallback, *ending = ends_in(o->fallback, ".npz") ? ".npz" : ".json";
    const tempo_status st = tempo_yaml_str(root, o->key, &name, err);
    size_t n = strlen(name);

    if (st != TEMPO_OK)
        return st;
    if (strchr(name, '/') != NULL || name[0] == '.' || n >= TEMPO_EXPERIMENT_FILE_CHARS || is_taken(name))
        return tempo_yaml_fail(err, at, "expected a file name of its own, without directories");
    const bool pickle = strcmp(ending, ".npz") == 0 && ends_in(name, ".pkl");
    if (!pickle && !ends_in(name, ending))
        return tempo_yaml_fail(err, at, "'%.60s' does not end in %s", name, ending);
    n -= pickle ? 4 : 0;
    (void)snprintf(o->name, TEMPO_EXPERIMENT_FILE_CHARS, "%.*s%s", (int)n, name, pickle ? ending : "");
    if (at == NULL)
        return TEMPO_OK;
    if (!o->written)
        tempo_experiment_add_note(e, at, "there is no %s: no such file is written", o->what);
    else if (pickle)
        tempo_experiment_add_note(e, at, "written as %.80s: an archive that numpy loads without pickle",
                                  o->name);
    return TEMPO_OK;
}

static tempo_status read_outputs(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    char usual[TEMPO_FILE_COUNT][TEMPO_CAPTURE_KEY];

    for (size_t i = 0; i < TEMPO_FILE_COUNT; i++)
        (void)tempo_capture_file_name(usual[i], (tempo_capture_file)i, TEMPO_CAPTURE_NPZ);
    const output outputs[] = {{"attention_output_file", usual[TEMPO_FILE_ATTENTION], e->attention_file,
                               (e->record & TEMPO_EXPERIMENT_ATTENTION) != 0, "recorded attention"},
                              {"logits_output_file", usual[TEMPO_FILE_LOGITS], e->logits_file,
                               (e->record & TEMPO_EXPERIMENT_LOGITS) != 0, "recorded logits"},
                              {"kv_cache_output_file", usual[TEMPO_FILE_KV], e->kv_file,
                               (e->record & TEMPO_EXPERIMENT_KV) != 0, "recorded cache"},
                              {"rope_positions_file", usual[TEMPO_FILE_ROPE], e->positions_file,
                               (e->record & TEMPO_EXPERIMENT_POSITIONS) != 0, "record of positions"},
                              {"cross_parallel_output_file", "cross_parallel_scores.json",
                               e->cross_parallel_file, e->analyze_cross_parallel,
                               "analysis of attention between siblings"}};
    enum { N = sizeof(outputs) / sizeof(outputs[0]) };
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < N; i++)
        st = tempo_yaml_both(st, read_output(e, root, &outputs[i], err));
    if (st != TEMPO_OK)
        return st;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(outputs[i].name, outputs[j].name) == 0) {
                const tempo_yaml_node *at = tempo_yaml_get(root, outputs[i].key);
                return tempo_yaml_fail(err, at != NULL ? at : tempo_yaml_get(root, outputs[j].key),
                                       "another output file has this name");
            }
    return TEMPO_OK;
}

/* ---- analyses ---- */

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

static tempo_status read_top_k(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    static const size_t usual[] = {1, 5, 10, 20};
    const tempo_status st = tempo_yaml_size_list(root, "top_k_analysis", 1, 1000000, e->top_k,
                                                 TEMPO_EXPERIMENT_MAX_TOP_K, &e->n_top_k, err);

    if (st != TEMPO_OK)
        return st;
    if (e->n_top_k == 0) {
        memcpy(e->top_k, usual, sizeof(usual));
        e->n_top_k = sizeof(usual) / sizeof(usual[0]);
    }
    qsort(e->top_k, e->n_top_k, sizeof(*e->top_k), by_size);
    for (size_t i = 1; i < e->n_top_k; i++)
        if (e->top_k[i] == e->top_k[i - 1])
            return tempo_yaml_fail(err, tempo_yaml_get(root, "top_k_analysis"), "%zu is there twice",
                                   e->top_k[i]);
    return TEMPO_OK;
}

static tempo_status read_analyses(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    tempo_status st;

    e->compute_kl_divergence = e->compute_cosine_similarity = true;
    st = tempo_yaml_bool(root, "compute_kl_divergence", &e->compute_kl_divergence, err);
    st = tempo_yaml_both(
        st, tempo_yaml_bool(root, "compute_cosine_similarity", &e->compute_cosine_similarity, err));
    st =
        tempo_yaml_both(st, tempo_yaml_bool(root, "analyze_cross_parallel", &e->analyze_cross_parallel, err));
    if (e->analyze_cross_parallel && (e->record & TEMPO_EXPERIMENT_ATTENTION) == 0) {
        tempo_experiment_add_note(e, tempo_yaml_get(root, "analyze_cross_parallel"),
                                  "no attention is recorded: there is nothing to analyze");
        e->analyze_cross_parallel = false;
    }
    return tempo_yaml_both(st, read_top_k(e, root, err));
}

tempo_status tempo_experiment_read_record(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    tempo_status st = read_captures(e, root, err);

    st = tempo_yaml_both(st, read_record(e, root, err));
    st = tempo_yaml_both(st, read_prompt_rows(e, root, err));
    st = tempo_yaml_both(st, read_analyses(e, root, err));
    return tempo_yaml_both(st, read_outputs(e, root, err));
}
