/* generate.c - POST /v1/tempo/generate: as a stream of events, or as one document. */
#include <stdlib.h>
#include <string.h>

#include "server/api/decode/document.h"
#include "server/api/inside.h"
#include "server/api/request.h"

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
        ok = tempo_api_refuse_err(p, NULL, &err);
    else if (r->job.record)
        ok = keep_generation(g, r, p);
    if (ok)
        *out = g;
    else
        end_generation(g);
    return ok;
}

/* ---- a stream ---- */

static void put_event(generation *g, const char *name, const char *data, size_t n)
{
    if (data == NULL) {
        g->out.text.failed = true;
        return;
    }
    tempo_api_text_add_string(&g->out.text, "event: ");
    tempo_api_text_add_string(&g->out.text, name);
    tempo_api_text_add_string(&g->out.text, "\ndata: ");
    tempo_api_text_add(&g->out.text, data, n);
    tempo_api_text_add_string(&g->out.text, "\n\n");
}

static void take_event(generation *g, const tempo_event *e)
{
    const char *name, *data;
    size_t n;

    data = tempo_document_add(g->document, e, &name, &n);
    put_event(g, name, data, n);
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

    put_event(g, "start", data, n);
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

void tempo_api_generate(void *user, tempo_exchange *x)
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
