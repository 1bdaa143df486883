/* attention.c - attention that was recorded: which steps there are, and their weights.  One handler for
 * generations and runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/hash.h"
#include "run/decode_json.h"
#include "server/api/recorded/source.h"
#include "server/api/route.h"

enum {
    MAX_SLICE_BYTES = 1 << 26,
    MAX_HEADER_ROWS = 1000, /* query slots that a header names */
};

/* ---- steps -------------------------------------------------------------------------------- */

static json_t *arms_json(const tempo_attention_source *s)
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

static json_t *slots_json(const tempo_attention_source *s)
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
static const tempo_tokenizer *tokenizer_of(const tempo_attention_source *s)
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
static tempo_status add_steps(tempo_attention_source *s, json_t *out, tempo_err *err)
{
    tempo_recorded_step r;
    uint32_t layers = 0, heads = 0;
    json_t *list = json_array();
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < tempo_attention_steps(s) && st == TEMPO_OK; i++)
        if ((st = tempo_attention_step(s, i, false, &r, err)) == TEMPO_OK) {
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

static tempo_status steps_document(tempo_attention_source *s, json_t *out, tempo_err *err)
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

static void handle_steps(void *user, tempo_exchange *x)
{
    tempo_err err = {0};
    json_t *out;
    tempo_attention_source s;

    if (tempo_attention_open(&s, user, x)) {
        out = json_object();
        if (steps_document(&s, out, &err) == TEMPO_OK) {
            tempo_api_reply_json(x, 200, out);
        } else {
            json_decref(out);
            (void)tempo_attention_fail(&s, x, NULL, &err);
        }
    }
    tempo_attention_close(&s);
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
    if (!tempo_attention_number(x, name, &n, NULL))
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
static void set_etag(const tempo_attention_source *s, tempo_exchange *x, size_t step,
                     const tempo_attention_pick *p)
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

static void set_headers(const tempo_attention_source *s, tempo_exchange *x, const tempo_recorded_step *r,
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

static void slice_step(tempo_attention_source *s, tempo_exchange *x, const tempo_recorded_step *r,
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
        tempo_api_let_go(s->a, held);
        (void)tempo_attention_fail(s, x, NULL, &err);
        return;
    }
    set_headers(s, x, r, pick, shape, n_axes);
    tempo_api_reply_held(s->a, x, "application/octet-stream", weights, n * sizeof(*weights));
}

static void reply_slice(tempo_attention_source *s, tempo_exchange *x, size_t step,
                        const tempo_attention_pick *pick)
{
    tempo_recorded_step r;

    if (!tempo_attention_read(s, x, step, &r))
        return;
    slice_step(s, x, &r, pick);
    tempo_recorded_step_free(&r);
}

static void handle_weights(void *user, tempo_exchange *x)
{
    tempo_attention_pick pick;
    size_t step = 0;
    tempo_attention_source s;

    if (!tempo_attention_step_number(x, &step) || !read_axis(x, "layer", true, &pick.layer) ||
        !read_axis(x, "head", true, &pick.head) || !read_axis(x, "row", false, &pick.row))
        return;
    if (tempo_attention_open(&s, user, x))
        reply_slice(&s, x, step, &pick);
    tempo_attention_close(&s);
}

static const tempo_api_route routes[] = {
    {.method = "GET",
     .path = "/v1/tempo/generations/{id}/attention",
     .handle = handle_weights,
     .query = "arm,step,layer,head,row",
     .summary = "Attention weights of a step",
     .answer = "float32, little-endian; X-Tempo-Shape has the axes",
     .media = "application/octet-stream"},
    {.method = "GET",
     .path = "/v1/tempo/generations/{id}/attention/steps",
     .handle = handle_steps,
     .query = "arm",
     .summary = "Recorded steps, and what the slots hold",
     .answer = "steps with rows and slots, and the tokens of the slots",
     .type = "Steps"},
    {.method = "GET",
     .path = "/v1/tempo/generations/{id}/attention/summary",
     .handle = tempo_attention_summary_route,
     .query = "arm,step,top_keys",
     .summary = "A step's attention in numbers",
     .answer = "an event `attention`",
     .type = "AttentionEvent"},
    {.method = "GET",
     .path = "/v1/tempo/runs/{id}/attention",
     .handle = handle_weights,
     .query = "unit,arm,step,layer,head,row",
     .summary = "Attention weights that a run captured",
     .answer = "float32, little-endian; X-Tempo-Shape has the axes",
     .media = "application/octet-stream"},
    {.method = "GET",
     .path = "/v1/tempo/runs/{id}/attention/steps",
     .handle = handle_steps,
     .query = "unit,arm",
     .summary = "Captured steps, and what the slots hold",
     .answer = "steps with rows and slots, and the tokens of the slots",
     .type = "Steps"},
    {.method = "GET",
     .path = "/v1/tempo/runs/{id}/attention/summary",
     .handle = tempo_attention_summary_route,
     .query = "unit,arm,step,top_keys",
     .summary = "A captured step's attention in numbers",
     .answer = "an event `attention`",
     .type = "AttentionEvent"},
};

static const tempo_api_type types[] = {
    {"SlotToken", "{slot: integer, id: integer? `id and text are null where a run's files do not say`, text: "
                  "string?, bytes?: integer[], "
                  "set: integer? `the set that it is a member of; each token of the prompt is one by "
                  "itself`, position: number}"},
    {"StepEntry", "{step: integer, rows: integer, slots: integer, query_slots: integer[]}"},
    {"Steps", "{arms: string[], arm: string, layers: integer, heads: integer, first_layer: integer, "
              "first_head: integer, "
              "tokens: SlotToken[], steps: StepEntry[], unit?: integer}"},
};

TEMPO_API_RESOURCE(attention, routes, types)
