/* lens.c - POST /v1/tempo/lens: what each layer's residual stream would say, and which parts of it push a
 * token. */
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "lens/lens_json.h"
#include "run/decode_json.h"
#include "server/api/lens/looking.h"
#include "server/api/route.h"

/* What one answer may tell: rows, and numbers, of which each takes some tens of bytes. */
enum { MAX_ROWS = 256, MAX_NUMBERS = 250000, MAX_TOP = 50, MAX_TOKENS = 64 };

typedef struct lens_request {
    tempo_api_request r; /* the prompt */
    const json_t *rows, *tokens, *attribute;
    size_t top;
    bool heads;
    /* made from that */
    size_t *slots; /* [n_slots] ascending */
    size_t n_slots;
    int32_t *ids, *pair; /* [n_ids] the tokens; [n_pair] what is attributed */
    size_t n_ids, n_pair;
} lens_request;

#define FIELD(n, k, f) .name = n, .kind = TEMPO_API_##k, .offset = offsetof(lens_request, f)
static const tempo_api_field lens_fields[] = {
    {FIELD("rows", ARRAY, rows), .type = "integer[]",
     .help = "slots, from the end where negative; default: all"},
    {FIELD("top", SIZE, top), .low = 1, .high = MAX_TOP},
    {FIELD("tokens", ARRAY, tokens), .type = TEMPO_API_TOKENS, .help = "whose probability and rank is told"},
    {FIELD("attribute", ARRAY, attribute), .type = TEMPO_API_TOKENS,
     .help = "a token, or two whose logits' difference is taken apart"},
    {FIELD("heads", FLAG, heads), .help = "with attribute: each head's share"},
};
#undef FIELD

/* ---- which rows ---- */

static bool read_rows(lens_request *q, tempo_api_problem *p)
{
    const size_t n = q->r.n_ids;
    bool *chosen = calloc(n, sizeof(*chosen));
    const json_t *v;
    size_t i;

    if (chosen == NULL || (q->slots = malloc(n * sizeof(*q->slots))) == NULL) {
        free(chosen);
        return tempo_api_refuse(p, 500, NULL, "out of memory");
    }
    json_array_foreach(q->rows, i, v)
    {
        const json_int_t x = json_integer_value(v), slot = x < 0 ? x + (json_int_t)n : x;
        if (!json_is_integer(v) || slot < 0 || slot >= (json_int_t)n) {
            free(chosen);
            return tempo_api_refuse_code(
                p, 400, "rows", "invalid_value",
                "[%zu] is %s, expected a slot from 0 to %zu, or from the end from -1", i,
                json_is_integer(v) ? "beyond the prompt" : tempo_json_type_name(v), n - 1);
        }
        chosen[slot] = true;
    }
    for (size_t slot = 0; slot < n; slot++)
        if (chosen[slot] || q->rows == NULL)
            q->slots[q->n_slots++] = slot;
    free(chosen);
    if (q->n_slots == 0)
        return tempo_api_refuse(p, 400, "rows", "it names no row");
    return true;
}

static bool check_size(const tempo_api *a, const lens_request *q, tempo_api_problem *p)
{
    const tempo_model_info *info = tempo_model_get_info(a->o.model);
    const size_t points = info->n_layers + 1;
    const size_t a_row =
        points * (2 + q->top + 3 * q->n_ids) + (q->heads ? info->n_layers * info->n_heads : 0);

    if (q->n_slots > MAX_ROWS)
        return tempo_api_refuse(p, 400, "rows",
                                "%zu rows, this server's limit is %d: name those that are wanted", q->n_slots,
                                MAX_ROWS);
    if (q->n_slots * a_row > MAX_NUMBERS)
        return tempo_api_refuse(
            p, 400, "rows",
            "%zu rows of %zu numbers, this server's limit is %d numbers: name fewer rows, "
            "or ask for fewer tokens",
            q->n_slots, a_row, MAX_NUMBERS);
    return true;
}

static bool read_lens(tempo_api *a, const json_t *body, lens_request *q, tempo_api_problem *p)
{
    tempo_api_table tables[] = {
        {lens_fields, sizeof(lens_fields) / sizeof(*lens_fields), q, 0, 0},
        {tempo_api_prompt_body.fields, tempo_api_prompt_body.n, &q->r, 0, 0},
    };

    if (!tempo_api_read(body, "", false, tables, 2, p))
        return false;
    if (q->heads && q->attribute == NULL)
        return tempo_api_refuse(p, 400, "heads", "it goes with attribute");
    if (q->tokens != NULL &&
        !tempo_api_read_tokens(a, q->tokens, "tokens", 0, MAX_TOKENS, &q->ids, &q->n_ids, p))
        return false;
    if (q->attribute != NULL &&
        !tempo_api_read_tokens(a, q->attribute, "attribute", 1, 2, &q->pair, &q->n_pair, p))
        return false;
    return tempo_api_read_edits(a, &q->r, "", p) && tempo_api_prompt(a, &q->r, p) && read_rows(q, p) &&
           check_size(a, q, p);
}

static void free_request(lens_request *q)
{
    tempo_api_request_free(&q->r);
    free(q->slots);
    free(q->ids);
    free(q->pair);
}

static bool submit(tempo_api *a, lens_request *q, tempo_job **job, tempo_api_problem *p)
{
    const tempo_lens_work_options o = {.ids = q->r.ids,
                                       .n_ids = q->r.n_ids,
                                       .rows = q->slots,
                                       .n_rows = q->n_slots,
                                       .top = q->top,
                                       .tokens = q->ids,
                                       .n_tokens = q->n_ids,
                                       .attribute = q->n_pair > 0 ? q->pair[0] : -1,
                                       .minus = q->n_pair > 1 ? q->pair[1] : -1,
                                       .heads = q->heads,
                                       .edits = q->r.lists[0]};
    tempo_lens_work *w = tempo_lens_work_create(a->o.model, &o);
    tempo_err err = {0};

    if (w == NULL)
        return tempo_api_refuse(p, 500, NULL, "out of memory");
    q->r.job.work = tempo_lens_work_job(w);
    if (tempo_job_submit(job, a->o.worker, &q->r.job, &err) == TEMPO_OK)
        return true;
    tempo_lens_work_free(w);
    return tempo_api_refuse_err(p, NULL, &err);
}

/* ---- the answer ---- */

/* The text while it grows, counted. */
typedef struct answer {
    tempo_api *a;
    tempo_api_text text;
    size_t held;
    bool full; /* all answers together would hold too much */
} answer;

static void add(answer *s, const char *text, size_t n)
{
    const size_t more = tempo_api_text_room(&s->text, n) - s->text.cap;

    if (s->full || (s->full = !tempo_api_hold(s->a, more)))
        return;
    s->held += more;
    tempo_api_text_add(&s->text, text, n);
}

static void add_json(answer *s, json_t *v)
{
    tempo_api_text own = {0};

    tempo_api_text_add_json(&own, v, TEMPO_API_DOUBLES);
    if (own.failed)
        s->text.failed = true;
    else
        add(s, own.p, own.n);
    free(own.p);
}

static json_t *tokens_json(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, tempo_lens_json_token(t, ids[i]));
    return list;
}

/* All but the rows, which come behind it. */
static void add_head(answer *s, const lens_request *q)
{
    const tempo_model_info *info = tempo_model_get_info(s->a->o.model);
    const tempo_tokenizer *t = tempo_model_tokenizer(s->a->o.model);
    json_t *points = json_array(), *head = json_object();

    json_array_append_new(points, tempo_lens_json_point(TEMPO_LENS_INPUT));
    for (uint32_t i = 0; i < info->n_layers; i++)
        json_array_append_new(points, tempo_lens_json_point(i));
    json_object_set_new(head, "model", tempo_json_bytes(info->name, strlen(info->name)));
    json_object_set_new(head, "layers", json_integer(info->n_layers));
    json_object_set_new(head, "heads", json_integer(info->n_heads));
    json_object_set_new(head, "prompt_tokens", tokens_json(t, q->r.ids, q->r.n_ids));
    if (q->r.warnings != NULL)
        json_object_set(head, "warnings", q->r.warnings);
    json_object_set_new(head, "points", points);
    json_object_set_new(head, "tokens", tokens_json(t, q->ids, q->n_ids));
    json_object_set_new(head, "attributed",
                        q->n_pair > 0 ? tempo_lens_json_token(t, q->pair[0]) : json_null());
    json_object_set_new(head, "minus", q->n_pair > 1 ? tempo_lens_json_token(t, q->pair[1]) : json_null());
    add_json(s, head);
    if (!s->full && !s->text.failed)
        s->text.n--; /* its brace: rows are a member too */
    add(s, ",\"rows\":[", 9);
}

static void add_rows(answer *s, const json_t *rows, bool *first)
{
    const json_t *v;
    size_t i;

    json_array_foreach(rows, i, v)
    {
        if (!*first)
            add(s, ",", 1);
        *first = false;
        add_json(s, json_incref((json_t *)(uintptr_t)v));
    }
}

static void reply(answer *s, tempo_exchange *x)
{
    add(s, "]}\n", 3);
    if (!s->full && !s->text.failed) {
        tempo_api_let_go(s->a, s->held - s->text.n);
        tempo_api_reply_held(s->a, x, "application/json", s->text.p, s->text.n);
        s->text.p = NULL;
        s->held = 0;
    } else if (s->full) {
        tempo_api_reply_full(x);
    } else {
        tempo_exchange_error(x, 500, NULL, "out of memory");
    }
}

/* The job's parts into the answer, and the answer. */
static void collect(answer *s, tempo_job *job, tempo_exchange *x)
{
    tempo_event *e;
    bool over = false, first = true;

    while (!over && !s->full && !s->text.failed) {
        if ((e = tempo_api_wait_event(job, x)) == NULL) {
            tempo_exchange_error(x, 503, NULL, "the client went away");
            return;
        }
        if (e->kind == TEMPO_EVENT_ERROR) {
            tempo_api_reply_job_err(s->a, x, &e->err);
            tempo_event_free(e);
            return;
        }
        if (e->kind == TEMPO_EVENT_PART)
            add_rows(s, e->told, &first);
        over = e->kind == TEMPO_EVENT_DONE;
        tempo_event_free(e);
    }
    reply(s, x);
}

static void handle_lens(void *user, tempo_exchange *x)
{
    tempo_api *a = user;
    tempo_api_problem p = {0};
    lens_request q = {.top = 5};
    answer s = {.a = a};
    tempo_job *job = NULL;
    json_t *body = NULL;

    tempo_api_request_init(&q.r);
    if (tempo_api_read_body(x, &body, &p) && read_lens(a, body, &q, &p) && submit(a, &q, &job, &p)) {
        add_head(&s, &q);
        collect(&s, job, x);
    } else {
        tempo_api_reply_problem(x, &p);
    }
    tempo_job_close(job);
    tempo_api_let_go(a, s.held);
    free(s.text.p);
    free_request(&q);
    json_decref(body);
}

static const tempo_api_body lens_body = {"LensRequest", lens_fields,
                                         sizeof(lens_fields) / sizeof(*lens_fields), TEMPO_API_PROMPT};

static const tempo_api_route routes[] = {
    {.method = "POST",
     .path = "/v1/tempo/lens",
     .handle = handle_lens,
     .query = "",
     .body = &lens_body,
     .summary = "What each layer would say: the logit lens, and direct logit attribution",
     .answer = "for each row and point of the residual stream the most probable tokens, the probability and "
               "rank of "
               "those asked for, and how far it is from the last one",
     .type = "LensAnswer"},
};

static const tempo_api_type types[] = {
    {"TokenAnswer", "{probability: number, rank: integer `1: the most probable`, logit: number}"},
    {"LensPoint", "{entropy: number, kl: number `KL(the last point || this one), in nats`, top: {id: "
                  "integer, text: string, "
                  "bytes?: integer[], probability: number}[], tokens: TokenAnswer[]}"},
    {"Attribution", "{logit: number, scale: number, embed: number, attn_out: number[], mlp_out: number[], "
                    "constant: number `of biases at the end`, "
                    "rest: number, bound: number, heads?: number[][], attn_bias?: number[], heads_rest?: "
                    "number, heads_bound?: number}"},
    {"LensRow", "{slot: integer, id: integer, text: string, bytes?: integer[], points: LensPoint[], "
                "attribution?: Attribution}"},
    {"LensAnswer", "{model: string, layers: integer, heads: integer, prompt_tokens: Piece[], warnings?: "
                   "string[], points: string[] "
                   "`names of taps`, tokens: Piece[], attributed: Piece?, minus: Piece?, rows: LensRow[]}"},
};

TEMPO_API_RESOURCE(lens, routes, types)
