/* summary.c - the summary of a step's attention: as every answer has it, and the route that makes one of what
 * was recorded. */
#include <inttypes.h>
#include <stdlib.h>

#include "io/json_file.h"
#include "server/api/recorded/source.h"

enum {
    MAX_SUMMARY_BYTES = 1 << 30, /* of weights that are gone through for one summary */
    DEFAULT_TOP_KEYS = 5,
};

/* ---- as JSON ------------------------------------------------------------------------------- */

static json_t *by_layer(const float *values, uint32_t n_layers, uint32_t n_heads)
{
    json_t *layers = json_array();

    for (uint32_t l = 0; l < n_layers; l++) {
        json_t *heads = json_array();
        for (uint32_t h = 0; h < n_heads; h++)
            json_array_append_new(heads, tempo_json_number((double)values[(size_t)l * n_heads + h]));
        json_array_append_new(layers, heads);
    }
    return layers;
}

static json_t *keys_of(const tempo_attention_summary *s, size_t row)
{
    json_t *keys = json_array();

    for (size_t k = row * s->n_keys; k < (row + 1) * s->n_keys; k++)
        json_array_append_new(keys, json_pack("{s:I, s:o}", "slot", (json_int_t)s->key_slots[k], "weight",
                                              tempo_json_number((double)s->key_weights[k])));
    return keys;
}

json_t *tempo_api_attention_json(const tempo_attention_summary *s, const char *arm, size_t step)
{
    json_t *queries = json_array(), *rows = json_array(), *o;

    for (size_t i = 0; i < s->n_rows; i++) {
        json_array_append_new(queries, json_integer((json_int_t)s->query_slots[i]));
        json_array_append_new(
            rows, json_pack("{s:I, s:o}", "slot", (json_int_t)s->query_slots[i], "keys", keys_of(s, i)));
    }
    o = json_pack("{s:s, s:I, s:o, s:I, s:o, s:o, s:o, s:o}", "arm", arm, "step", (json_int_t)step,
                  "query_slots", queries, "slots", (json_int_t)s->n_slots, "sibling_mass",
                  by_layer(s->sibling_mass, s->n_layers, s->n_heads), "entropy",
                  by_layer(s->entropy, s->n_layers, s->n_heads), "sink",
                  by_layer(s->sink, s->n_layers, s->n_heads), "rows", rows);
    if (o != NULL && s->closing)
        json_object_set_new(o, "closing", json_true());
    return o;
}

/* ---- one step's summary -------------------------------------------------------------------- */

typedef struct summary_memory {
    float *heads; /* [3, layers, heads] */
    int64_t *key_slots;
    float *key_weights;
} summary_memory;

static bool alloc_summary(summary_memory *m, const tempo_recorded_step *r, size_t n_keys)
{
    const size_t heads = (size_t)r->n_layers * r->n_heads, keys = r->n_rows * n_keys;

    m->heads = calloc(3 * heads, sizeof(*m->heads));
    m->key_slots = calloc(keys + 1, sizeof(*m->key_slots));
    m->key_weights = calloc(keys + 1, sizeof(*m->key_weights));
    return m->heads != NULL && m->key_slots != NULL && m->key_weights != NULL;
}

static uint64_t weight_bytes(const tempo_recorded_step *r)
{
    return (uint64_t)r->n_layers * r->n_heads * r->n_rows * r->n_slots * sizeof(float);
}

/* The step that selected nothing: a closing pass. */
static bool is_closing(tempo_attention_source *s, const tempo_recorded_step *r)
{
    if (r->step + 1 != tempo_attention_steps(s))
        return false;
    if (s->captured != NULL)
        return tempo_captured_closed(s->captured);
    size_t n;
    free(tempo_generation_slots(s->g, s->g_arm, &n));
    pthread_mutex_lock(&s->g->lock);
    const bool over = s->g->job == NULL;
    pthread_mutex_unlock(&s->g->lock);
    return over && n == r->n_slots;
}

/* Numbers with the digits of floats, as in an event. */
static void reply_floats(tempo_exchange *x, json_t *document)
{
    tempo_api_text t = {0};

    tempo_api_text_add_json(&t, document, TEMPO_API_FLOATS);
    if (t.failed) {
        free(t.p);
        tempo_api_reply_json(x, 200, NULL);
        return;
    }
    tempo_exchange_reply(x, 200, "application/json", t.p, t.n);
}

static void summarise_step(tempo_attention_source *s, tempo_exchange *x, const tempo_recorded_step *r,
                           size_t top_keys)
{
    summary_memory m = {0};

    if (weight_bytes(r) > MAX_SUMMARY_BYTES) {
        tempo_exchange_error(x, 400, "step", "step: %" PRIu64 " bytes of attention are too many to summarise",
                             weight_bytes(r));
        return;
    }
    const size_t n_keys = top_keys < r->n_slots ? top_keys : r->n_slots,
                 heads = (size_t)r->n_layers * r->n_heads;
    if (alloc_summary(&m, r, n_keys)) {
        tempo_attention_summarise(r, n_keys, m.heads, m.heads + heads, m.heads + 2 * heads, m.key_slots,
                                  m.key_weights);
        const tempo_attention_summary summary = {.n_rows = r->n_rows,
                                                 .n_slots = r->n_slots,
                                                 .n_layers = r->n_layers,
                                                 .n_heads = r->n_heads,
                                                 .closing = is_closing(s, r),
                                                 .query_slots = r->query_slots,
                                                 .sibling_mass = m.heads,
                                                 .entropy = m.heads + heads,
                                                 .sink = m.heads + 2 * heads,
                                                 .n_keys = n_keys,
                                                 .key_slots = m.key_slots,
                                                 .key_weights = m.key_weights};
        reply_floats(x, tempo_api_attention_json(&summary, s->arm, r->step));
    } else {
        tempo_api_reply_json(x, 200, NULL);
    }
    free(m.heads);
    free(m.key_slots);
    free(m.key_weights);
}

static void reply_summary(tempo_attention_source *s, tempo_exchange *x, size_t step, size_t top_keys)
{
    tempo_recorded_step r;

    if (!tempo_attention_read(s, x, step, &r))
        return;
    summarise_step(s, x, &r, top_keys);
    tempo_recorded_step_free(&r);
}

void tempo_attention_summary_route(void *user, tempo_exchange *x)
{
    size_t step = 0, top_keys = DEFAULT_TOP_KEYS;
    tempo_attention_source s;

    if (!tempo_attention_step_number(x, &step) || !tempo_attention_number(x, "top_keys", &top_keys, NULL))
        return;
    if (top_keys > TEMPO_JOB_MAX_TOP) {
        tempo_exchange_error(x, 400, "top_keys", "top_keys: %zu is not from 0 to %d", top_keys,
                             TEMPO_JOB_MAX_TOP);
        return;
    }
    if (tempo_attention_open(&s, user, x))
        reply_summary(&s, x, step, top_keys);
    tempo_attention_close(&s);
}
