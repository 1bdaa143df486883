/* attention.c - attention that was recorded: of generations in memory, of runs in their files.  One
 * handler for both. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/inside.h"
#include "server/api/recorded/runs.h"
#include "metrics/recorded.h"
#include "server/api/recorded/captured.h"
#include "run/decode_json.h"
#include "files/hash.h"

enum {
    MAX_SLICE_BYTES = 1 << 26,
    MAX_SUMMARY_BYTES = 1 << 30, /* of weights that are gone through for one summary */
    MAX_HEADER_ROWS = 1000,      /* query slots that a header names */
    MAX_NUMBER = 1 << 30,
    DEFAULT_TOP_KEYS = 5,
};

/* ---- where it comes from ----------------------------------------------------------------- */

typedef struct source {
    tempo_api *a;
    char arm[64];
    /* a generation's */
    tempo_generation *g;
    size_t g_arm;
    /* a run's */
    json_t *run;
    tempo_captured_place place;
    tempo_captured *captured;
    size_t held; /* of the api's count: weights that had to be copied */
} source;

static void close_source(source *s)
{
    if (s->g != NULL)
        tempo_generation_release(s->g);
    tempo_captured_free(s->captured);
    tempo_api_let_go(s->a, s->held);
    tempo_captured_place_free(&s->place);
    json_decref(s->run);
}

static size_t count_steps(const source *s)
{
    return s->captured != NULL ? tempo_captured_steps(s->captured)
                               : tempo_recording_steps(s->g->recording, s->g_arm);
}

/* Step i, for tempo_recorded_step_free; of a run without its weights unless `data`. */
static tempo_status read_step(source *s, size_t i, bool data, tempo_recorded_step *out, tempo_err *err)
{
    *out = (tempo_recorded_step){0};
    if (s->captured != NULL && i < count_steps(s))
        return tempo_captured_step(s->captured, i, data, out, err);
    if (s->captured == NULL && tempo_recording_step(s->g->recording, s->g_arm, i, out))
        return TEMPO_OK;
    if (s->captured == NULL && tempo_recording_incomplete(s->g->recording))
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "the attention of this step had to make room for that of others");
    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "step %zu: there are %zu, from 0", i,
                      count_steps(s));
}

/* Weights that reading the step will copy are counted until the source is closed.  false: answered with a
 * 503. */
static bool hold_weights(source *s, tempo_exchange *x, size_t step)
{
    const size_t n =
        s->captured != NULL && step < count_steps(s) ? tempo_captured_copy_bytes(s->captured, step) : 0;

    if (!tempo_api_hold(s->a, n)) {
        tempo_api_reply_full(x);
        return false;
    }
    s->held += n;
    return true;
}

/* A query parameter that is a whole number; *out stays if it is absent.  false: answered with a 400. */
static bool read_number(tempo_exchange *x, const char *name, size_t *out, bool *given)
{
    const char *s = tempo_exchange_query(x, name);
    size_t n = 0;

    if (given != NULL)
        *given = s != NULL;
    if (s == NULL)
        return true;
    const size_t len = strlen(s);
    for (size_t i = 0; i < len && len <= 10; i++) {
        if (s[i] < '0' || s[i] > '9')
            break;
        n = n * 10 + (size_t)(s[i] - '0');
        if (i + 1 == len && n <= MAX_NUMBER) {
            *out = n;
            return true;
        }
    }
    tempo_exchange_error(x, 400, name, "%s: expected a whole number from 0", name);
    return false;
}

/* What is wrong with the source's files, or with what was asked of them. */
static bool fail(const source *s, tempo_exchange *x, const char *param, const tempo_err *err)
{
    tempo_api_reply_err(s->a, x, json_string_value(json_object_get(s->run, "dir")), param, err);
    return false;
}

static bool open_generation(source *s, tempo_exchange *x)
{
    const char *arm = tempo_exchange_query(x, "arm");

    if (tempo_exchange_query(x, "unit") != NULL) {
        tempo_exchange_error(x, 400, "unit", "unit: a generation has none");
        return false;
    }
    s->g = tempo_generations_find(s->a->generations, tempo_exchange_segment(x, "id"));
    if (s->g == NULL || s->g->recording == NULL) {
        tempo_exchange_error(x, 404, NULL,
                             "no attention is kept of such a generation (it was not asked for, or dropped)");
        return false;
    }
    while (arm != NULL && s->g_arm < s->g->n_arms && strcmp(arm, s->g->arms[s->g_arm]) != 0)
        s->g_arm++;
    if (s->g_arm >= s->g->n_arms) {
        tempo_exchange_error(x, 400, "arm", "arm: the generation has none of this name");
        return false;
    }
    (void)snprintf(s->arm, sizeof(s->arm), "%s", s->g->arms[s->g_arm]);
    return true;
}

static bool open_run(source *s, tempo_exchange *x)
{
    const char *arm = tempo_exchange_query(x, "arm");
    size_t unit = 0;
    bool has_unit;
    tempo_err err = {0};
    tempo_status st;

    if (!read_number(x, "unit", &unit, &has_unit) || !tempo_api_show_run(s->a, x, &s->run))
        return false;
    st = tempo_captured_find(&s->place, s->run, has_unit ? &unit : NULL, arm, &err);
    if (st != TEMPO_OK)
        return fail(s, x, strncmp(err.msg, "unit", 4) == 0 ? "unit" : st == TEMPO_E_ARG ? "arm" : NULL, &err);
    if (tempo_captured_open(&s->captured, s->place.dir, &err) != TEMPO_OK)
        return fail(s, x, NULL, &err);
    (void)snprintf(s->arm, sizeof(s->arm), "%s", s->place.arm);
    return true;
}

/* false: answered. */
static bool open_source(source *s, tempo_api *a, tempo_exchange *x)
{
    *s = (source){.a = a};
    return strncmp(tempo_exchange_path(x), "/v1/tempo/runs/", 15) == 0 ? open_run(s, x)
                                                                       : open_generation(s, x);
}

/* ---- steps -------------------------------------------------------------------------------- */

static json_t *arms_json(const source *s)
{
    json_t *list = json_array(), *captures = NULL;

    for (size_t i = 0; s->g != NULL && i < s->g->n_arms; i++)
        json_array_append_new(list, json_string(s->g->arms[i]));
    if (s->run == NULL || tempo_captured_list(&captures, s->run, NULL) != TEMPO_OK)
        return list;
    for (size_t i = 0; i < json_array_size(captures); i++) {
        const json_t *one = json_array_get(captures, i);
        if ((size_t)json_integer_value(json_object_get(one, "unit")) == s->place.unit)
            json_array_append(list, json_object_get(one, "arm"));
    }
    json_decref(captures);
    return list;
}

static json_t *slots_json(const source *s)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->a->o.model);
    json_t *list = json_array();
    size_t n = 0;
    tempo_slot *slots = tempo_generation_slots(s->g, s->g_arm, &n);

    for (size_t i = 0; i < n; i++) {
        json_t *one = json_pack("{s:I, s:i}", "slot", (json_int_t)i, "id", (int)slots[i].token);
        tempo_json_add_token(one, t, slots[i].token);
        json_object_set_new(one, "set", json_integer((json_int_t)slots[i].set));
        json_object_set_new(one, "position", tempo_json_number(slots[i].position));
        json_array_append_new(list, one);
    }
    free(slots);
    return list;
}

/* Ids of a run have this server's texts if its model has the same name and size. */
static const tempo_tokenizer *tokenizer_of(const source *s)
{
    const tempo_model_info *m = tempo_model_get_info(s->a->o.model);
    const json_t *model = json_array_get(json_object_get(s->run, "models"), 0);
    const char *name = json_string_value(json_object_get(model, "name"));
    const json_int_t parameters = json_integer_value(json_object_get(model, "parameters"));

    return name != NULL && strcmp(name, m->name) == 0 && (uint64_t)parameters == m->parameters
               ? tempo_model_tokenizer(s->a->o.model)
               : NULL;
}

static json_t *step_json(const tempo_recorded_step *r)
{
    json_t *queries = json_array();

    for (size_t i = 0; i < r->n_rows; i++)
        json_array_append_new(queries, json_integer(r->query_slots[i]));
    return json_pack("{s:I, s:I, s:I, s:o}", "step", (json_int_t)r->step, "rows", (json_int_t)r->n_rows,
                     "slots", (json_int_t)r->n_slots, "query_slots", queries);
}

/* "steps", "layers" and "heads" of the document. */
static tempo_status add_steps(source *s, json_t *out, tempo_err *err)
{
    tempo_recorded_step r;
    uint32_t layers = 0, heads = 0;
    json_t *list = json_array();
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < count_steps(s) && st == TEMPO_OK; i++)
        if ((st = read_step(s, i, false, &r, err)) == TEMPO_OK) {
            json_array_append_new(list, step_json(&r));
            layers = r.n_layers;
            heads = r.n_heads;
            tempo_recorded_step_free(&r);
        }
    json_object_set_new(out, "steps", list);
    json_object_set_new(out, "layers", json_integer((json_int_t)layers));
    json_object_set_new(out, "heads", json_integer((json_int_t)heads));
    return st;
}

static tempo_status steps_document(source *s, json_t *out, tempo_err *err)
{
    uint32_t layer = 0, head = 0;
    json_t *tokens = NULL;
    tempo_status st = add_steps(s, out, err);

    if (st == TEMPO_OK && s->captured != NULL)
        st = tempo_captured_tokens(&tokens, s->captured, &s->place, tokenizer_of(s), err);
    if (st != TEMPO_OK)
        return st;
    if (s->captured != NULL) {
        tempo_captured_first(s->captured, &layer, &head);
        json_object_set_new(out, "unit", json_integer((json_int_t)s->place.unit));
    }
    json_object_set_new(out, "arms", arms_json(s));
    json_object_set_new(out, "arm", json_string(s->arm));
    json_object_set_new(out, "first_layer", json_integer((json_int_t)layer));
    json_object_set_new(out, "first_head", json_integer((json_int_t)head));
    json_object_set_new(out, "tokens", tokens != NULL ? tokens : slots_json(s));
    return TEMPO_OK;
}

void tempo_api_attention_steps(void *user, tempo_exchange *x)
{
    static const char *const known[] = {"arm", "unit"};
    tempo_err err = {0};
    json_t *out;
    source s;

    if (tempo_api_refuse_query(x, known, sizeof(known) / sizeof(*known)))
        return;
    if (open_source(&s, user, x)) {
        out = json_object();
        if (steps_document(&s, out, &err) == TEMPO_OK) {
            tempo_api_reply_json(x, 200, out);
        } else {
            json_decref(out);
            (void)fail(&s, x, NULL, &err);
        }
    }
    close_source(&s);
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
static bool is_closing(source *s, const tempo_recorded_step *r)
{
    if (r->step + 1 != count_steps(s))
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

static void summarise_step(source *s, tempo_exchange *x, const tempo_recorded_step *r, size_t top_keys)
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

static void reply_summary(source *s, tempo_exchange *x, size_t step, size_t top_keys)
{
    tempo_recorded_step r;
    tempo_err err = {0};

    if (!hold_weights(s, x, step))
        return;
    if (read_step(s, step, true, &r, &err) == TEMPO_OK)
        summarise_step(s, x, &r, top_keys);
    else
        (void)fail(s, x, "step", &err);
    tempo_recorded_step_free(&r);
}

/* `step` must be there. */
static bool read_step_number(tempo_exchange *x, size_t *step)
{
    bool given;

    if (!read_number(x, "step", step, &given))
        return false;
    if (!given)
        tempo_exchange_error(x, 400, "step", "step: missing");
    return given;
}

void tempo_api_attention_summary(void *user, tempo_exchange *x)
{
    static const char *const known[] = {"arm", "unit", "step", "top_keys"};
    size_t step = 0, top_keys = DEFAULT_TOP_KEYS;
    source s;

    if (tempo_api_refuse_query(x, known, sizeof(known) / sizeof(*known)) || !read_step_number(x, &step) ||
        !read_number(x, "top_keys", &top_keys, NULL))
        return;
    if (top_keys > TEMPO_JOB_MAX_TOP) {
        tempo_exchange_error(x, 400, "top_keys", "top_keys: %zu is not from 0 to %d", top_keys,
                             TEMPO_JOB_MAX_TOP);
        return;
    }
    if (open_source(&s, user, x))
        reply_summary(&s, x, step, top_keys);
    close_source(&s);
}

/* ---- weights -------------------------------------------------------------------------------- */

static bool read_axis(tempo_exchange *x, const char *name, bool may_mean, long *out)
{
    const char *s = tempo_exchange_query(x, name);
    size_t n = 0;

    *out = TEMPO_AXIS_ALL;
    if (s == NULL)
        return true;
    if (may_mean && strcmp(s, "mean") == 0) {
        *out = TEMPO_AXIS_MEAN;
        return true;
    }
    if (!read_number(x, name, &n, NULL))
        return false;
    *out = (long)n;
    return true;
}

static uint64_t slice_bytes(const tempo_recorded_step *r, const tempo_attention_pick *p)
{
    return (p->layer == TEMPO_AXIS_ALL ? (uint64_t)r->n_layers : 1) *
           (p->head == TEMPO_AXIS_ALL ? (uint64_t)r->n_heads : 1) *
           (p->row == TEMPO_AXIS_ALL ? (uint64_t)r->n_rows : 1) * r->n_slots * sizeof(float);
}

/* "28,24,3,120" */
static void set_numbers(tempo_exchange *x, const char *name, const int64_t *v, size_t n)
{
    char text[MAX_HEADER_ROWS * 22 + 1] = "";
    size_t used = 0;

    for (size_t i = 0; i < n && i < MAX_HEADER_ROWS; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRId64, i > 0 ? "," : "", v[i]);
    tempo_exchange_set_header(x, name, text);
}

/* Same path, same query, same file: same bytes. */
static void set_etag(const source *s, tempo_exchange *x, size_t step, const tempo_attention_pick *p)
{
    char what[512], hash[TEMPO_HASH_CHARS], etag[40];
    const char *id = s->g != NULL ? s->g->id : json_string_value(json_object_get(s->run, "id"));

    const int n = snprintf(what, sizeof(what), "%.200s/%zu/%s/%zu/%ld/%ld/%ld/%" PRIx64, id != NULL ? id : "",
                           s->place.unit, s->arm, step, p->layer, p->head, p->row,
                           s->captured != NULL ? tempo_captured_stamp(s->captured) : 0);
    if (n <= 0 || (size_t)n >= sizeof(what) || tempo_hash_bytes(what, (size_t)n, hash, NULL) != TEMPO_OK)
        return;
    (void)snprintf(etag, sizeof(etag), "\"%.32s\"", hash);
    tempo_exchange_set_header(x, "ETag", etag);
}

static void set_headers(const source *s, tempo_exchange *x, const tempo_recorded_step *r,
                        const tempo_attention_pick *p, const size_t *shape, size_t n_axes)
{
    int64_t axes[4];

    for (size_t i = 0; i < n_axes; i++)
        axes[i] = (int64_t)shape[i];
    set_numbers(x, "X-Tempo-Shape", axes, n_axes);
    if (p->row != TEMPO_AXIS_ALL)
        set_numbers(x, "X-Tempo-Query-Slots", r->query_slots + p->row, 1);
    else if (r->n_rows <= MAX_HEADER_ROWS)
        set_numbers(x, "X-Tempo-Query-Slots", r->query_slots, r->n_rows);
    tempo_exchange_set_header(x, "Accept-Ranges", "bytes");
    tempo_exchange_set_header(x, "Cache-Control", "private, no-cache"); /* ask again with the ETag */
    set_etag(s, x, r->step, p);
}

static void slice_step(source *s, tempo_exchange *x, const tempo_recorded_step *r,
                       const tempo_attention_pick *pick)
{
    tempo_err err = {0};
    size_t shape[4], n_axes, n;
    float *weights;

    if (slice_bytes(r, pick) > MAX_SLICE_BYTES) {
        tempo_exchange_error(x, 400, "layer",
                             "%" PRIu64
                             " bytes are more than the %d of one answer: pick a layer, a head or a row",
                             slice_bytes(r, pick), MAX_SLICE_BYTES);
        return;
    }
    const size_t held = (size_t)slice_bytes(r, pick);
    if (!tempo_api_hold(s->a, held)) {
        tempo_api_reply_full(x);
        return;
    }
    if (tempo_attention_slice(r, pick, &weights, &n, shape, &n_axes, &err) != TEMPO_OK) {
        char axis[16];
        tempo_api_let_go(s->a, held);
        (void)snprintf(axis, sizeof(axis), "%.*s", (int)strcspn(err.msg, " "), err.msg);
        (void)fail(s, x, axis, &err);
        return;
    }
    set_headers(s, x, r, pick, shape, n_axes);
    tempo_api_reply_held(s->a, x, "application/octet-stream", weights, n * sizeof(*weights));
}

static void reply_slice(source *s, tempo_exchange *x, size_t step, const tempo_attention_pick *pick)
{
    tempo_recorded_step r;
    tempo_err err = {0};

    if (!hold_weights(s, x, step))
        return;
    if (read_step(s, step, true, &r, &err) == TEMPO_OK)
        slice_step(s, x, &r, pick);
    else
        (void)fail(s, x, "step", &err);
    tempo_recorded_step_free(&r);
}

void tempo_api_attention(void *user, tempo_exchange *x)
{
    static const char *const known[] = {"arm", "unit", "step", "layer", "head", "row"};
    tempo_attention_pick pick;
    size_t step = 0;
    source s;

    if (tempo_api_refuse_query(x, known, sizeof(known) / sizeof(*known)) || !read_step_number(x, &step) ||
        !read_axis(x, "layer", true, &pick.layer) || !read_axis(x, "head", true, &pick.head) ||
        !read_axis(x, "row", false, &pick.row))
        return;
    if (open_source(&s, user, x))
        reply_slice(&s, x, step, &pick);
    close_source(&s);
}
