/* answer.c - all choices of one request: some decode at a time, their pieces go out as they come.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/api/openai/openai.h"
#include "run/decode_json.h"

enum { AT_ONCE = 16, POLL_MS = 100 }; /* jobs of one request: others wait in the worker's queue too */

/* ---- jobs ---- */

/* Another seed for each choice of one prompt, the first one's being what the request says.  Source:
 * splitmix64. */
static uint64_t seed_of(uint64_t seed, size_t k)
{
    uint64_t x = seed + k * UINT64_C(0x9e3779b97f4a7c15);

    if (k == 0)
        return seed;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static tempo_status submit(tempo_oai *o, tempo_oai_choice *c, tempo_err *err)
{
    const tempo_oai_prompt *prompt = &o->prompts[c->index / o->n];
    tempo_job_options j = o->job;

    j.prompt = prompt->ids;
    j.n_prompt = prompt->n;
    j.score_prompt = o->echo && o->logprobs && prompt->n > 1;
    j.sampling.seed = seed_of(j.sampling.seed, c->index % o->n);
    return tempo_job_submit(&c->job, o->a->o.worker, &j, err);
}

/* Submit as many as may decode at a time; a full queue is waited for once one of ours was taken.  false: p
 * says why, of whichever choice it is. */
static bool submit_more(tempo_oai *o, tempo_api_problem *p)
{
    while (o->n_running < AT_ONCE && o->n_begun < o->n_choices && !o->failed && !o->full) {
        tempo_oai_choice *c = &o->choices[o->n_begun];
        tempo_err err = {0};
        const tempo_status st = submit(o, c, &err);
        if (st == TEMPO_E_BUSY && o->n_begun > 0)
            return true;
        if (st != TEMPO_OK)
            return tempo_api_refuse_job(p, "tempo.", &err);
        tempo_oai_choice_begin(c, &o->prompts[c->index / o->n]);
        o->running[o->n_running] = o->n_begun++;
        o->jobs[o->n_running++] = c->job;
    }
    return true;
}

/* The choice has all that it will have. */
static void end_choice(tempo_oai *o, size_t i)
{
    tempo_oai_choice *c = &o->choices[o->running[i]];

    tempo_job_close(c->job);
    c->job = NULL;
    if (o->stream) /* all of it was told */
        tempo_oai_choice_clear(c);
    o->n_over++;
    o->n_running--;
    o->running[i] = o->running[o->n_running];
    o->jobs[i] = o->jobs[o->n_running];
}

/* The next event of any choice that decodes, of which *at says the place in `running`; NULL: none came in
 * time. */
static tempo_event *next_event(tempo_oai *o, unsigned wait_ms, size_t *at)
{
    tempo_event *e = tempo_jobs_next(o->jobs, o->n_running, o->turn, wait_ms, at);

    if (e != NULL)
        o->turn = *at + 1;
    return e;
}

/* ---- documents ---- */

static json_t *tell_usage(const tempo_oai *o)
{
    json_int_t prompt = 0, steps = 0;

    for (size_t i = 0; i < o->n_prompts; i++)
        prompt += (json_int_t)o->prompts[i].n;
    for (size_t i = 0; i < o->n_choices; i++)
        steps += (json_int_t)o->choices[i].n_steps;
    return json_pack("{s:I, s:I, s:I}", "prompt_tokens", prompt, "completion_tokens", steps, "total_tokens",
                     prompt + steps);
}

json_t *tempo_oai_model_name(const tempo_api *a)
{
    const char *name = tempo_model_get_info(a->o.model)->name;

    return tempo_json_bytes(name, strlen(name));
}

/* What was not done is said once. */
static json_t *tell(tempo_oai *o, const char *object, json_t *choices)
{
    json_t *d = json_pack("{s:s, s:s, s:I, s:o, s:s, s:o}", "id", o->id, "object", object, "created",
                          (json_int_t)o->created, "model", tempo_oai_model_name(o->a), "system_fingerprint",
                          "tempo-" TEMPO_VERSION, "choices", choices);

    if (d != NULL && o->warnings != NULL) {
        json_object_set_new(d, "warnings", o->warnings);
        o->warnings = NULL;
    }
    return d;
}

static json_t *tell_document(tempo_oai *o)
{
    json_t *choices = json_array(), *d;

    for (size_t i = 0; i < o->n_choices; i++) {
        const tempo_oai_choice *c = &o->choices[i];
        json_array_append_new(choices, o->shape->choice(c, c->tail.p != NULL ? c->tail.p : "", c->tail.ready,
                                                        0, tempo_oai_tokens_within(c), c->finish));
    }
    if (json_array_size(choices) != o->n_choices) {
        json_decref(choices);
        return NULL;
    }
    d = tell(o, o->shape->object, choices);
    if (d != NULL)
        json_object_set_new(d, "usage", tell_usage(o));
    return d;
}

/* ---- streams ---- */

static void put_line(tempo_oai *o, json_t *document)
{
    tempo_api_text_add_string(&o->out.text, "data: ");
    tempo_api_text_add_json(&o->out.text, document, TEMPO_API_SHORTEST);
    tempo_api_text_add_string(&o->out.text, "\n\n");
}

static void put_piece(tempo_oai_choice *c, bool first)
{
    tempo_oai *o = c->o;
    const size_t to = first ? c->told_tokens : tempo_oai_tokens_within(c),
                 end = first ? c->told : tempo_oai_tellable(c);
    json_t *choice = o->shape->piece(c, c->tail.p != NULL ? c->tail.p + c->told : "", end - c->told,
                                     c->told_tokens, to, first ? NULL : c->finish, first);
    json_t *piece = choice == NULL ? NULL : tell(o, o->shape->chunk, json_pack("[o]", choice));

    if (piece != NULL && o->include_usage)
        json_object_set_new(piece, "usage", json_null());
    put_line(o, piece);
    c->told = end;
    c->told_tokens = to;
    if (!first)
        tempo_oai_choice_told_sets(c);
}

static void put_end(tempo_oai *o)
{
    if (o->include_usage) {
        json_t *last = tell(o, o->shape->chunk, json_array());
        if (last != NULL)
            json_object_set_new(last, "usage", tell_usage(o));
        put_line(o, last);
    }
    tempo_api_text_add_string(&o->out.text, "data: [DONE]\n\n");
    o->out.over = true;
}

/* text: an error body, taken; NULL: there was no memory for it. */
static void put_error(tempo_oai *o, char *text)
{
    tempo_api_text_add_string(&o->out.text, "data: ");
    tempo_api_text_add_string(&o->out.text, text != NULL ? text : TEMPO_API_NO_MEMORY);
    tempo_api_text_add_string(&o->out.text, "\n\n");
    free(text);
    o->out.over = true;
}

static void put_job_error(tempo_oai *o, const tempo_err *err)
{
    unsigned status;

    put_error(o, tempo_api_job_error_json(o->a, err, &status));
}

/* Everything of the choice that can be told now.  Scores of an echoed prompt must be there before it is. */
static void put_news(tempo_oai *o, const tempo_event *e, size_t at)
{
    tempo_oai_choice *c = &o->choices[o->running[at]];

    if (e->kind == TEMPO_EVENT_ERROR) {
        put_job_error(o, &e->err);
        return;
    }
    if (!c->begun && o->shape->chat)
        put_piece(c, true);
    c->begun = true;
    const bool more = tempo_oai_choice_take(c, e);
    if (o->full || o->failed) /* it holds less than what came: nothing that looks whole */
        return;
    if (e->kind != TEMPO_EVENT_PROMPT &&
        (tempo_oai_tellable(c) > c->told || json_array_size(c->new_sets) > 0 || !more))
        put_piece(c, false);
    if (!more)
        end_choice(o, at);
    if (o->n_over == o->n_choices)
        put_end(o);
}

static const tempo_err no_room = {
    .code = TEMPO_E_LIMIT, .msg = "the answers of all requests together take as much memory as they may"};

/* One event more: what it brings goes to o->out.  false: there was none. */
static bool put_next(tempo_oai *o, unsigned wait_ms)
{
    tempo_api_problem p = {0};
    size_t at;

    if (!submit_more(o, &p)) {
        put_error(o, tempo_http_error_json(p.status, NULL, p.code, p.message));
        return true;
    }
    tempo_event *e = next_event(o, wait_ms, &at);
    if (e == NULL)
        return false;
    put_news(o, e, at);
    tempo_event_free(e);
    if (o->full && !o->out.over)
        put_job_error(o, &no_room);
    return true;
}

static ptrdiff_t next_bytes(void *user, char *buf, size_t cap, unsigned wait_ms)
{
    static const char no_memory[] = "data: " TEMPO_API_NO_MEMORY "\n\n";
    tempo_oai *o = user;
    const double until = tempo_http_now() + 1e-3 * wait_ms;

    /* what tells nothing, such as an echoed prompt's scores, is no reason to pause */
    while (tempo_api_outgoing_empty(&o->out)) {
        if (o->out.over)
            return -1;
        if (!put_next(o, wait_ms) || tempo_http_now() >= until || o->failed || o->out.text.failed)
            break;
    }
    if ((o->out.text.failed || o->failed) && o->out.error == NULL)
        tempo_api_outgoing_fail(&o->out, no_memory);
    return tempo_api_outgoing_take(&o->out, buf, cap);
}

static void free_all(tempo_oai *o)
{
    for (size_t i = 0; o->choices != NULL && i < o->n_choices; i++)
        tempo_oai_choice_clear(&o->choices[i]);
    free(o->choices);
    for (size_t i = 0; i < o->n_prompts; i++)
        tempo_free(o->prompts[i].ids);
    free(o->prompts);
    tempo_tail_clear(&o->stops);
    json_decref(o->warnings);
    tempo_edits_free(o->edits);
    free(o->running);
    free(o->jobs);
    free(o->out.text.p);
    tempo_api_let_go(o->a, o->held);
    free(o);
}

static void end_stream(void *user, bool complete)
{
    (void)complete;
    free_all(user);
}

static void answer_stream(tempo_oai *o, tempo_exchange *x)
{
    const tempo_stream s = {.user = o, .next = next_bytes, .end = end_stream};

    tempo_exchange_set_header(x, "Cache-Control", "no-store");
    tempo_exchange_stream(x, 200, "text/event-stream", &s);
}

/* ---- answers ---- */

/* Everything of all choices; false: answered. */
static bool gather(tempo_oai *o, tempo_exchange *x)
{
    tempo_api_problem p = {0};
    size_t at;

    while (o->n_over < o->n_choices && !o->failed && !o->full) {
        if (tempo_exchange_gone(x)) {
            tempo_exchange_error(x, 503, NULL, "the client went away");
            return false;
        }
        if (!submit_more(o, &p)) {
            tempo_api_reply_problem(x, &p);
            return false;
        }
        tempo_event *e = next_event(o, POLL_MS, &at);
        if (e == NULL)
            continue;
        if (e->kind == TEMPO_EVENT_ERROR) {
            tempo_api_reply_job_err(o->a, x, &e->err);
            tempo_event_free(e);
            return false;
        }
        if (!tempo_oai_choice_take(&o->choices[o->running[at]], e))
            end_choice(o, at);
        tempo_event_free(e);
    }
    return true;
}

static void answer_document(tempo_oai *o, tempo_exchange *x)
{
    if (!gather(o, x))
        return;
    if (o->full)
        tempo_api_reply_full(x);
    else if (o->failed)
        tempo_exchange_error(x, 500, NULL, "out of memory");
    else
        tempo_api_reply_json(x, 200, tell_document(o));
}

void tempo_oai_run(tempo_oai *o, tempo_exchange *x)
{
    if (o->stream) {
        answer_stream(o, x);
        return;
    }
    answer_document(o, x);
    free_all(o);
}

/* ---- the beginning ---- */

static bool make_choices(tempo_oai *o)
{
    o->n_choices = o->n_prompts * o->n;
    o->choices = calloc(o->n_choices, sizeof(*o->choices));
    o->running = calloc(AT_ONCE, sizeof(*o->running));
    o->jobs = calloc(AT_ONCE, sizeof(*o->jobs));
    for (size_t i = 0; o->choices != NULL && i < o->n_choices; i++)
        o->choices[i] = (tempo_oai_choice){.o = o, .index = i};
    return o->choices != NULL && o->running != NULL && o->jobs != NULL;
}

bool tempo_oai_begin(tempo_oai **out, tempo_api *a, const tempo_oai_shape *shape, tempo_oai_request *q,
                     tempo_api_request *r, tempo_tail *stops, tempo_api_problem *p)
{
    tempo_oai *o = calloc(1, sizeof(*o));
    bool ok = o != NULL;

    *out = NULL;
    if (!ok)
        return tempo_api_refuse(p, 500, NULL, "out of memory");
    *o = (tempo_oai){.a = a,
                     .shape = shape,
                     .created = (int64_t)time(NULL),
                     .stream = q->stream,
                     .include_usage = q->include_usage,
                     .echo = q->echo,
                     .logprobs = q->logprobs,
                     .sets = q->sets,
                     .tools = json_array_size(q->tools) > 0,
                     .job = r->job,
                     .edits = r->lists[0],
                     .prompts = q->prompts,
                     .n_prompts = q->n_prompts,
                     .n = q->n,
                     .stops = *stops,
                     .warnings = r->warnings};
    q->prompts = NULL;
    q->n_prompts = 0;
    r->warnings = NULL;
    r->lists[0] = NULL;
    *stops = (tempo_tail){0};
    tempo_api_new_id(o->id, sizeof(o->id), shape->prefix);
    if (!make_choices(o))
        ok = tempo_api_refuse(p, 500, NULL, "out of memory");
    else
        ok = submit_more(o, p);
    if (ok)
        *out = o;
    else
        free_all(o);
    return ok;
}
