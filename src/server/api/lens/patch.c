/* patch.c - POST /v1/tempo/patch: a grid of patched runs, as a stream of events while it fills, or as one
 * document. */
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "io/json.h"
#include "io/json_file.h"
#include "lens/lens_json.h"
#include "server/api/lens/looking.h"
#include "server/api/route.h"

/* Tokens of a prompt; taps, receivers. */
enum { MAX_TOKENS = 256, MAX_TAPS = 16 };

typedef struct patch_request {
    const json_t *clean, *corrupt, *answers, *taps, *positions, *receivers;
    int each, direction, metric; /* places in the lists of names */
    bool no_bos, no_special, free_mlps, stream;
    /* made from that */
    tempo_api_request side[2]; /* clean, corrupt */
    int32_t *ids;              /* [n_ids] the answers */
    size_t n_ids;
    tempo_tap_selection at[MAX_TAPS], to[MAX_TAPS];
    uint32_t *sets;
    tempo_patch_options o; /* of arrays above */
} patch_request;

#define FIELD(n, k, f) .name = n, .kind = TEMPO_API_##k, .offset = offsetof(patch_request, f)
static const tempo_api_field patch_fields[] = {
    {FIELD("clean", ANY, clean), .type = "string | integer[]", .help = "text, or ids"},
    {FIELD("corrupt", ANY, corrupt), .type = "string | integer[]", .help = "text, or ids: as many tokens"},
    {FIELD("no_bos", FLAG, no_bos)},
    {FIELD("no_special", FLAG, no_special)},
    {FIELD("answers", ARRAY, answers), .type = TEMPO_API_TOKENS, .help = "two for logit_diff, one for prob"},
    {FIELD("taps", ARRAY, taps), .type = "string[]", .help = "default: resid_pre, attn_out, mlp_out"},
    {FIELD("each", CHOICE, each), .choices = "default|position|head|head-position|layer"},
    {FIELD("direction", CHOICE, direction), .choices = "denoise|noise|both"},
    {FIELD("metric", CHOICE, metric), .choices = "logit_diff|prob|kl_clean|kl_corrupt|tv_clean|tv_corrupt"},
    {FIELD("positions", ARRAY, positions), .type = "integer[]", .help = "of the tokens; default: all"},
    {FIELD("receivers", ARRAY, receivers), .type = "string[]", .help = "taps: path patching"},
    {FIELD("free_mlps", FLAG, free_mlps)},
    {FIELD("stream", FLAG, stream)},
};
#undef FIELD

/* ---- the request ---- */

static bool read_side(tempo_api *a, patch_request *q, size_t i, const char *param, const json_t *v,
                      tempo_api_problem *p)
{
    tempo_api_request *r = &q->side[i];

    r->no_bos = q->no_bos;
    r->no_special = q->no_special;
    if (v == NULL)
        return tempo_api_refuse_code(p, 400, param, "missing_required_parameter", "there is none");
    if (!json_is_string(v) && !json_is_array(v))
        return tempo_api_refuse_code(p, 400, param, "invalid_type", "it is %s, expected a text or token ids",
                                     tempo_json_type_name(v));
    if (json_is_string(v) && json_string_length(v) == 0)
        return tempo_api_refuse(p, 400, param, "the prompt is empty");
    if (!(json_is_string(v) ? tempo_api_prompt_text(a, r, param, v, p)
                            : tempo_api_prompt_ids(a, r, param, v, p)))
        return false;
    if (r->n_ids > MAX_TOKENS)
        return tempo_api_refuse(p, 400, param, "%zu tokens, this server's limit is %d", r->n_ids, MAX_TOKENS);
    return true;
}

static bool read_taps(const tempo_api *a, const json_t *list, const char *param, tempo_tap_selection *taps,
                      size_t *n, tempo_api_problem *p)
{
    const json_t *v;
    size_t i;

    *n = 0;
    if (json_array_size(list) > MAX_TAPS)
        return tempo_api_refuse(p, 400, param, "%zu taps, this server's limit is %d", json_array_size(list),
                                MAX_TAPS);
    json_array_foreach(list, i, v)
    {
        tempo_err err = {0};
        const char *text = json_string_value(v);
        if (text == NULL || strlen(text) != json_string_length(v))
            return tempo_api_refuse_code(p, 400, param, "invalid_type", "[%zu] is %s, expected a tap's name",
                                         i, text == NULL ? tempo_json_type_name(v) : "a string with a NUL");
        if (tempo_tap_parse(&taps[i], a->o.model, text, &err) != TEMPO_OK)
            return tempo_api_refuse(p, 400, param, "[%zu]: %s", i, err.msg);
        ++*n;
    }
    return true;
}

static bool read_positions(patch_request *q, tempo_api_problem *p)
{
    const size_t n = json_array_size(q->positions);
    const json_t *v;
    size_t i;

    if (n == 0)
        return q->positions == NULL || tempo_api_refuse(p, 400, "positions", "it names none");
    if ((q->sets = malloc(n * sizeof(*q->sets))) == NULL)
        return tempo_api_refuse(p, 500, NULL, "out of memory");
    json_array_foreach(q->positions, i, v)
    {
        const json_int_t x = json_integer_value(v);
        if (!json_is_integer(v) || x < 0 || x > MAX_TOKENS)
            return tempo_api_refuse_code(p, 400, "positions", "invalid_value", "[%zu] is no position", i);
        q->sets[i] = (uint32_t)x;
    }
    q->o.positions = q->sets;
    q->o.n_positions = n;
    return true;
}

static bool read_patch(tempo_api *a, const json_t *body, patch_request *q, tempo_api_problem *p)
{
    tempo_api_table table = {patch_fields, sizeof(patch_fields) / sizeof(*patch_fields), q, 0, 0};
    size_t n_taps, n_receivers;

    if (!tempo_api_read(body, "", false, &table, 1, p) || !read_side(a, q, 0, "clean", q->clean, p) ||
        !read_side(a, q, 1, "corrupt", q->corrupt, p))
        return false;
    if (q->side[0].n_ids != q->side[1].n_ids)
        return tempo_api_refuse(p, 400, "corrupt",
                                "%zu tokens, the clean prompt has %zu: they must be as many",
                                q->side[1].n_ids, q->side[0].n_ids);
    tempo_patch_options_init(&q->o);
    if (!tempo_api_read_tokens(a, q->answers, "answers", 0, 2, &q->ids, &q->n_ids, p) ||
        !read_taps(a, q->taps, "taps", q->at, &n_taps, p) ||
        !read_taps(a, q->receivers, "receivers", q->to, &n_receivers, p) || !read_positions(q, p))
        return false;
    if (q->taps != NULL && n_taps == 0)
        return tempo_api_refuse(p, 400, "taps", "it names none");
    q->o.taps = n_taps > 0 ? q->at : NULL;
    q->o.n_taps = n_taps;
    q->o.receivers = q->to;
    q->o.n_receivers = n_receivers;
    q->o.free_mlps = q->free_mlps;
    q->o.each = (tempo_patch_each)q->each;
    q->o.direction = (tempo_patch_direction)q->direction;
    q->o.metric = (tempo_patch_metric)q->metric;
    q->o.n_answers = (uint32_t)q->n_ids;
    for (size_t i = 0; i < q->n_ids; i++)
        q->o.answers[i] = q->ids[i];
    return true;
}

static void free_request(patch_request *q)
{
    tempo_api_request_free(&q->side[0]);
    tempo_api_request_free(&q->side[1]);
    free(q->ids);
    free(q->sets);
}

static json_t *tokens_json(const tempo_api *a, const int32_t *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, tempo_lens_json_token(tempo_model_tokenizer(a->o.model), ids[i]));
    return list;
}

static json_t *make_start(const tempo_api *a, const patch_request *q)
{
    const tempo_model_info *info = tempo_model_get_info(a->o.model);
    json_t *o = json_object();

    json_object_set_new(o, "model", tempo_json_bytes(info->name, strlen(info->name)));
    json_object_set_new(o, "layers", json_integer(info->n_layers));
    json_object_set_new(o, "heads", json_integer(info->n_heads));
    json_object_set_new(o, "clean_tokens", tokens_json(a, q->side[0].ids, q->side[0].n_ids));
    json_object_set_new(o, "corrupt_tokens", tokens_json(a, q->side[1].ids, q->side[1].n_ids));
    json_object_set_new(o, "answers", tokens_json(a, q->ids, q->n_ids));
    json_object_set_new(o, "metric", json_string(tempo_patch_metric_name(q->o.metric)));
    json_object_set_new(o, "each", json_string(tempo_patch_each_name(q->o.each)));
    for (size_t i = 0; i < 2; i++)
        if (q->side[i].warnings != NULL)
            json_object_set(o, "warnings", q->side[i].warnings);
    return o;
}

/* ---- a grid under way ---- */

typedef struct grid {
    tempo_api *a;
    tempo_job *job;
    tempo_patch_work *work; /* the job's */
    tempo_event *first;     /* of the job, until it was told */
    bool stream;
    tempo_api_outgoing out;
    json_t *cells, *document; /* without stream */
} grid;

static void end_grid(grid *g)
{
    tempo_event_free(g->first);
    tempo_job_close(g->job);
    json_decref(g->cells);
    json_decref(g->document);
    free(g->out.text.p);
    free(g);
}

static bool begin_grid(grid **out, tempo_api *a, patch_request *q, tempo_api_problem *p)
{
    const tempo_patch_work_options wo = {.clean = q->side[0].ids,
                                         .n_clean = q->side[0].n_ids,
                                         .corrupt = q->side[1].ids,
                                         .n_corrupt = q->side[1].n_ids,
                                         .patch = &q->o,
                                         .start = make_start(a, q)};
    grid *g = calloc(1, sizeof(*g));
    tempo_patch_work *w = tempo_patch_work_create(a, &wo);
    tempo_err err = {0};

    *out = NULL;
    if (g == NULL || w == NULL || (g->cells = json_array()) == NULL ||
        (g->document = json_object()) == NULL) {
        tempo_patch_work_free(w);
        if (g != NULL)
            end_grid(g);
        return tempo_api_refuse(p, 500, NULL, "out of memory");
    }
    g->a = a;
    g->work = w;
    g->stream = q->stream;
    q->side[0].job.work = tempo_patch_work_job(w);
    if (tempo_job_submit(&g->job, a->o.worker, &q->side[0].job, &err) != TEMPO_OK) {
        tempo_patch_work_free(w);
        end_grid(g);
        return tempo_api_refuse_err(p, NULL, &err);
    }
    *out = g;
    return true;
}

/* What an event of the job says: its name, and the data, a new reference. */
static const char *data_of(const grid *g, const tempo_event *e, json_t **data)
{
    if (e->kind == TEMPO_EVENT_PART) {
        *data = json_incref(json_array_get(e->told, 1));
        return json_string_value(json_array_get(e->told, 0));
    }
    *data = tempo_patch_work_end(g->work);
    json_object_set_new(*data, "timing",
                        json_pack("{s:o, s:o}", "queued_ms", tempo_json_number(e->queued_ms), "total_ms",
                                  tempo_json_number(e->total_ms)));
    return "done";
}

/* ---- as a stream ---- */

static void put_error(grid *g, const tempo_err *err)
{
    unsigned status;
    char *text = tempo_api_job_error_json(g->a, err, &status);

    tempo_api_outgoing_event(&g->out, "error", text, text != NULL ? strlen(text) : 0);
    free(text);
}

static void put_event(grid *g, const tempo_event *e)
{
    tempo_api_text line = {0};
    json_t *data;

    g->out.over = e->kind != TEMPO_EVENT_PART;
    if (e->kind == TEMPO_EVENT_ERROR) {
        put_error(g, &e->err);
        return;
    }
    const char *name = data_of(g, e, &data);
    tempo_api_text_add_json(&line, data, TEMPO_API_DOUBLES);
    tempo_api_outgoing_event(&g->out, name != NULL ? name : "error", line.failed ? NULL : line.p, line.n);
    free(line.p);
}

static ptrdiff_t next_bytes(void *user, char *buf, size_t cap, unsigned wait_ms)
{
    static const char no_memory[] = "event: error\ndata: " TEMPO_API_NO_MEMORY "\n\n";
    grid *g = user;

    if (tempo_api_outgoing_empty(&g->out)) {
        if (g->out.over)
            return -1;
        tempo_event *e = g->first != NULL ? g->first : tempo_job_next(g->job, wait_ms);
        g->first = NULL;
        if (e == NULL)
            return 0;
        put_event(g, e);
        tempo_event_free(e);
    }
    if (g->out.text.failed && g->out.error == NULL)
        tempo_api_outgoing_fail(&g->out, no_memory);
    return tempo_api_outgoing_take(&g->out, buf, cap);
}

static void end_stream(void *user, bool complete)
{
    (void)complete;
    end_grid(user);
}

/* ---- as a document ---- */

static void keep_event(grid *g, const tempo_event *e)
{
    json_t *data;
    const char *name = data_of(g, e, &data);

    if (name != NULL && strcmp(name, "cells") == 0) {
        json_array_extend(g->cells, json_object_get(data, "cells"));
        json_decref(data);
    } else if (name != NULL) {
        json_object_set_new(g->document, name, data);
    }
}

static void answer_document(grid *g, tempo_exchange *x)
{
    bool over = false;

    while (!over) {
        tempo_event *e = g->first != NULL ? g->first : tempo_api_wait_event(g->job, x);
        g->first = NULL;
        if (e == NULL) {
            tempo_exchange_error(x, 503, NULL, "the client went away");
            return;
        }
        if (e->kind == TEMPO_EVENT_ERROR) {
            tempo_api_reply_job_err(g->a, x, &e->err);
            tempo_event_free(e);
            return;
        }
        over = e->kind == TEMPO_EVENT_DONE;
        keep_event(g, e);
        tempo_event_free(e);
    }
    json_object_set(g->document, "cells", g->cells);
    tempo_api_reply_json(x, 200, json_incref(g->document));
}

/* ---- the route ---- */

/* Until the job's first event says whether the grid can be had; the answer is over if not. */
static bool wait_begun(grid *g, tempo_exchange *x)
{
    tempo_api_problem p = {0};

    g->first = tempo_api_wait_event(g->job, x);
    if (g->first == NULL) {
        tempo_exchange_error(x, 503, NULL, "the client went away");
        return false;
    }
    if (g->first->kind != TEMPO_EVENT_ERROR)
        return true;
    const tempo_err *err = &g->first->err;
    if (tempo_patch_work_refused(g->work)) {
        tempo_api_refuse_err(
            &p, err->field[0] != '\0' && strcmp(err->field, "max_bytes") != 0 ? err->field : NULL, err);
        tempo_api_reply_problem(x, &p);
    } else {
        tempo_api_reply_job_err(g->a, x, err);
    }
    return false;
}

static void handle_patch(void *user, tempo_exchange *x)
{
    static const tempo_stream plain = {.next = next_bytes, .end = end_stream};
    tempo_api *a = user;
    tempo_api_problem p = {0};
    patch_request q = {.stream = true};
    grid *g = NULL;
    json_t *body = NULL;

    tempo_api_request_init(&q.side[0]);
    tempo_api_request_init(&q.side[1]);
    if (!tempo_api_read_body(x, &body, &p) || !read_patch(a, body, &q, &p) || !begin_grid(&g, a, &q, &p))
        tempo_api_reply_problem(x, &p);
    free_request(&q);
    json_decref(body);
    if (g == NULL)
        return;
    if (wait_begun(g, x) && g->stream) {
        tempo_stream s = plain;
        s.user = g;
        tempo_exchange_set_header(x, "Cache-Control", "no-store");
        tempo_exchange_stream(x, 200, "text/event-stream", &s);
        return;
    }
    if (g->first != NULL && g->first->kind != TEMPO_EVENT_ERROR)
        answer_document(g, x);
    end_grid(g);
}

static const tempo_api_body patch_body = {"PatchRequest", patch_fields,
                                          sizeof(patch_fields) / sizeof(*patch_fields), 0};

static const tempo_api_route routes[] = {
    {.method = "POST",
     .path = "/v1/tempo/patch",
     .handle = handle_patch,
     .query = "",
     .body = &patch_body,
     .summary = "Which part of what the model computes makes the difference between two prompts",
     .answer =
         "events start, runs, cells as they are there, done, error; or, with \"stream\": false, one document "
         "of all of them",
     .type = "PatchDocument",
     .media = "text/event-stream,application/json"},
};

static const tempo_api_type types[] = {
    {"PatchGrid", "{tap: string, direction: 'denoise' | 'noise', layers: integer[]?, heads: integer[]?, "
                  "positions: integer[]?}"},
    {"PatchStart",
     "{model: string, layers: integer, heads: integer, clean_tokens: Piece[], corrupt_tokens: Piece[], "
     "answers: Piece[], metric: string, each: string, warnings?: string[], grids: PatchGrid[], cells: "
     "integer, "
     "bytes: integer `that the grid takes at most`}"},
    {"PatchRuns", "{clean: number? `the metric of the run`, corrupt: number?}"},
    {"PatchCell", "(number?)[]"},
    {"PatchDone",
     "{cells: integer, unchanged: integer `that needed no pass of their own`, timing: {queued_ms: number, "
     "total_ms: number}}"},
    {"PatchDocument", "{start: PatchStart, runs: PatchRuns, cells: PatchCell[], done: PatchDone}"},
};

TEMPO_API_RESOURCE(patch, routes, types)
