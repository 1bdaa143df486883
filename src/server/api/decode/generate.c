/* generate.c - POST /v1/tempo/generate: as a stream of events, or as one document. */
#include <stdlib.h>
#include <string.h>

#include "server/api/decode/document.h"
#include "server/api/inside.h"
#include "server/api/request.h"
#include "server/api/route.h"

enum { MAX_DOCUMENT = 64 << 20 };

/* One generation under way. */
typedef struct generation {
    tempo_api *a;
    tempo_job *job;
    tempo_document *document;
    tempo_generation *kept; /* with record, or NULL */
    tempo_api_outgoing out; /* a stream's bytes */
} generation;

/* ---- the beginning and the end ---- */

/* What is kept is whole before the client hears of the end, who may ask for it at once. */
static void finish_kept(generation *g)
{
    if (g->kept == NULL)
        return;
    tempo_generation_end(g->a->generations, g->kept, tempo_document_steps(g->document),
                         tempo_document_text(g->document));
    tempo_generation_release(g->kept);
    g->kept = NULL;
}

static void end_generation(generation *g)
{
    finish_kept(g);
    if (g->job != NULL)
        tempo_job_close(g->job);
    tempo_document_free(g->document);
    free(g->out.text.p);
    free(g);
}

static bool keep_generation(generation *g, const tempo_api_request *r, tempo_api_problem *p)
{
    tempo_generation begin = {
        .n_prompt = r->n_text, .prompt = r->text, .request = r->source, .n_arms = r->job.n_arms};

    memcpy(begin.id, tempo_document_id(g->document), strlen(tempo_document_id(g->document)) + 1);
    begin.created = tempo_document_created(g->document);
    for (size_t i = 0; i < begin.n_arms; i++)
        memcpy(begin.arms[i], r->job.arms[i].name, sizeof(begin.arms[i]));
    if ((begin.recording = tempo_job_recording(g->job)) == NULL ||
        (g->kept = tempo_generations_add(g->a->generations, &begin, g->job)) == NULL)
        return tempo_api_refuse(p, 500, NULL, "out of memory for what is recorded");
    return true;
}

/* *out is NULL on failure. */
static bool begin_generation(generation **out, tempo_api *a, const tempo_api_request *r, tempo_api_problem *p)
{
    generation *g = calloc(1, sizeof(*g));
    const size_t keep = r->job.record || !r->stream ? MAX_DOCUMENT : 0;
    tempo_err err = {0};
    bool ok = true;

    *out = NULL;
    if (g == NULL || (g->document = tempo_document_create(a, r, keep)) == NULL) {
        free(g);
        return tempo_api_refuse(p, 500, NULL, "out of memory");
    }
    g->a = a;
    if (tempo_job_submit(&g->job, a->o.worker, &r->job, &err) != TEMPO_OK)
        ok = tempo_api_refuse_job(p, "", &err);
    else if (r->job.record)
        ok = keep_generation(g, r, p);
    if (ok)
        *out = g;
    else
        end_generation(g);
    return ok;
}

/* ---- a stream ---- */

static void take_event(generation *g, const tempo_event *e)
{
    const char *name, *data;
    size_t n;

    data = tempo_document_add(g->document, e, &name, &n);
    tempo_api_outgoing_event(&g->out, name, data, n);
    g->out.over = e->kind == TEMPO_EVENT_DONE || e->kind == TEMPO_EVENT_ERROR;
    if (g->out.over)
        finish_kept(g);
}

static ptrdiff_t next_bytes(void *user, char *buf, size_t cap, unsigned wait_ms)
{
    static const char no_memory[] = "event: error\ndata: " TEMPO_API_NO_MEMORY "\n\n";
    generation *g = user;

    if (tempo_api_outgoing_empty(&g->out)) {
        if (g->out.over)
            return -1;
        tempo_event *e = tempo_job_next(g->job, wait_ms);
        if (e == NULL)
            return 0;
        take_event(g, e);
        tempo_event_free(e);
    }
    if (g->out.text.failed && g->out.error == NULL)
        tempo_api_outgoing_fail(&g->out, no_memory);
    return tempo_api_outgoing_take(&g->out, buf, cap);
}

static void end_stream(void *user, bool complete)
{
    (void)complete;
    end_generation(user);
}

static void answer_stream(generation *g, tempo_exchange *x)
{
    const tempo_stream s = {.user = g, .next = next_bytes, .end = end_stream};
    size_t n;
    const char *data = tempo_document_start(g->document, &n);

    tempo_api_outgoing_event(&g->out, "start", data, n);
    tempo_exchange_set_header(x, "Cache-Control", "no-store");
    tempo_exchange_stream(x, 200, "text/event-stream", &s);
}

/* ---- a document ---- */

static void reply_document(generation *g, tempo_exchange *x)
{
    tempo_api_shared *text = tempo_document_text(g->document);
    const tempo_document_room room = tempo_document_get_room(g->document);

    finish_kept(g);
    if (text != NULL)
        tempo_api_reply_shared(x, "application/json", text);
    else if (room == TEMPO_DOCUMENT_LARGE)
        tempo_exchange_error(x, 400, "stream", "stream: the document would be over %d MB; ask for a stream",
                             MAX_DOCUMENT >> 20);
    else if (room == TEMPO_DOCUMENT_FULL)
        tempo_api_reply_full(x);
    else
        tempo_exchange_error(x, 500, NULL, "out of memory");
}

static void answer_document(generation *g, tempo_exchange *x)
{
    tempo_event *e;
    const char *name;
    size_t n;
    bool over = false;

    (void)tempo_document_start(g->document, &n);
    while (!over && tempo_document_get_room(g->document) == TEMPO_DOCUMENT_FITS) {
        if ((e = tempo_api_wait_event(g->job, x)) == NULL) {
            tempo_exchange_error(x, 503, NULL, "the client went away");
            end_generation(g);
            return;
        }
        if (e->kind == TEMPO_EVENT_ERROR) {
            tempo_api_reply_job_err(g->a, x, &e->err);
            tempo_event_free(e);
            end_generation(g);
            return;
        }
        over = e->kind == TEMPO_EVENT_DONE;
        if (tempo_document_add(g->document, e, &name, &n) == NULL)
            over = true; /* without memory there is no document, which is said below */
        tempo_event_free(e);
    }
    reply_document(g, x);
    end_generation(g);
}

/* ---- the route ---- */

static void handle_generate(void *user, tempo_exchange *x)
{
    tempo_api *a = user;
    tempo_api_problem p = {0};
    tempo_api_request r;
    generation *g = NULL;
    json_t *body = NULL;

    tempo_api_request_init(&r);
    const bool ok = tempo_api_read_body(x, &body, &p) && tempo_api_read_generate(a, body, &r, &p) &&
                    begin_generation(&g, a, &r, &p);
    const bool stream = r.stream;
    tempo_api_request_free(&r);
    json_decref(body);
    if (!ok)
        tempo_api_reply_problem(x, &p);
    else if (stream)
        answer_stream(g, x);
    else
        answer_document(g, x);
}

static const tempo_api_route routes[] = {
    {.method = "POST",
     .path = "/v1/tempo/generate",
     .handle = handle_generate,
     .query = "",
     .body = &tempo_api_generate_body,
     .summary = "Decode in sets",
     .answer = "events start, set, attention, compare, done, error; or, with \"stream\": false, one document "
               "of all of them",
     .type = "GenerationDocument",
     .media = "text/event-stream,application/json"},
};

static const tempo_api_type types[] = {
    {"Message", "{role: string, content: string | any[], ...}"},
    {"Edit", "string | {edit: string, vector?: any `numbers, in lists by its shape, or {base64, shape} of "
             "float32`}"},
    {"EditUse", "{edit: string, came: boolean `a row that it selects ran`, changed: boolean `it changed a "
                "number`}"},
    {"ArmName", "'isolated' | 'visible' | 'causal' | 'published' | 'published-nocache'"},
    {"OwnArm", "{name?: string, arm?: ArmName, edits?: Edit[]}"},
    {"Given", "{id: integer, probability: number}[][]"},
    {"Piece", "{id: integer, text: string, bytes?: integer[]}"},
    {"Member", "{id: integer, text: string, "
               "bytes?: integer[] `the token's bytes, where they are no UTF-8 of their own (a character may "
               "be spread over tokens)`, "
               "probability: number, slot?: integer? `in the context; null when the member never enters it`, "
               "position?: number?}"},
    {"StoppedBy", "'steps' | 'eos' | 'context' | 'slots'"},
    {"StartEvent", "{id: string, created: integer `Unix time`, model: string, version: string, prompt: "
                   "string, prompt_bytes?: integer[], "
                   "prompt_ids: integer[], prompt_tokens: Piece[], config: object, warnings?: string[], "
                   "arms: string[], edits?: <string[]> `by arm`, layers: integer, "
                   "heads: integer, vocabulary: integer, recording: boolean}"},
    {"SetEvent", "{arm: string, step: integer, position: number, threshold: number, "
                 "entropy: number `of the distribution that the set was chosen from, in nats`, reached: "
                 "integer, capped: boolean, "
                 "eos: boolean, given?: boolean, stopped_by: StoppedBy?, members: Member[]}"},
    {"PerHead", "number[][]"},
    {"AttentionEvent",
     "{arm: string, step: integer, query_slots: integer[], slots: integer, sibling_mass: PerHead, entropy: "
     "PerHead, "
     "sink: PerHead, rows: {slot: integer, keys: {slot: integer, weight: number}[]}[], closing?: boolean}"},
    {"CompareEvent", "{step: integer, arms: string[], same: boolean, same_order: boolean, same_distribution: "
                     "boolean, kl: (number?)[], "
                     "tv: number[], only: <integer[]>}"},
    {"DoneEvent", "{id: string, arms: {arm: string, steps: integer, text: string, text_bytes?: integer[], "
                  "top_text: string, "
                  "top_text_bytes?: integer[], stopped_by: StoppedBy, edits?: EditUse[]}[], "
                  "timing: {queued_ms: number, first_set_ms: number, total_ms: number}, first_difference: "
                  "{step: integer, ...}?, "
                  "first_order_difference: {step: integer, ...}?, first_distribution_difference: {step: "
                  "integer, max_abs: number}?}"},
    {"GenerationDocument", "{start: StartEvent, sets: SetEvent[], attention: AttentionEvent[], compare: "
                           "CompareEvent[], done: DoneEvent}"},
};

TEMPO_API_RESOURCE(generate, routes, types)
