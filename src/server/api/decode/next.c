/* next.c - POST /v1/tempo/next: the distribution that every threshold would choose from. */
#include "server/api/inside.h"
#include "server/api/request.h"
#include "server/api/route.h"
#include "run/decode_json.h"
#include "files/json_out.h"

static json_t *tell_next(const tempo_api *a, const tempo_event *e)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(a->o.model);
    json_t *tokens = json_array();

    for (size_t i = 0; i < e->n_next; i++) {
        json_t *o = json_pack("{s:i}", "id", (int)e->next[i].id);
        tempo_json_add_token(o, t, e->next[i].id);
        json_object_set_new(o, "probability", tempo_json_number(e->next[i].probability));
        json_array_append_new(tokens, o);
    }
    return json_pack("{s:o, s:o}", "entropy", tempo_json_number(e->set.entropy), "tokens", tokens);
}

/* The event that carries the distribution: the set that was not given. */
static void answer(tempo_api *a, tempo_job *job, json_t *warnings, tempo_exchange *x)
{
    json_t *answer = NULL;
    tempo_event *e;
    bool over = false;

    while (!over) {
        if ((e = tempo_api_wait_event(job, x)) == NULL) {
            tempo_exchange_error(x, 503, NULL, "the client went away");
            json_decref(answer);
            return;
        }
        if (e->kind == TEMPO_EVENT_ERROR) {
            tempo_api_reply_job_err(a, x, &e->err);
            tempo_event_free(e);
            json_decref(answer);
            return;
        }
        if (e->kind == TEMPO_EVENT_SET && !e->given && e->n_next > 0 && answer == NULL)
            answer = tell_next(a, e);
        over = e->kind == TEMPO_EVENT_DONE;
        if (over && answer != NULL && e->ends[0].edits != NULL)
            json_object_set(answer, "edits", e->ends[0].edits);
        tempo_event_free(e);
    }
    if (answer != NULL && warnings != NULL)
        json_object_set(answer, "warnings", warnings);
    if (answer != NULL)
        tempo_api_reply_json(x, 200, answer);
    else
        tempo_exchange_error(x, 400, "given",
                             "given: the model's context or its slots end before the next step");
}

static void handle_next(void *user, tempo_exchange *x)
{
    tempo_api *a = user;
    tempo_api_problem p = {0};
    tempo_api_request r;
    tempo_job *job = NULL;
    json_t *body = NULL;
    tempo_err err = {0};

    tempo_api_request_init(&r);
    bool ok = tempo_api_read_body(x, &body, &p) && tempo_api_read_next(a, body, &r, &p);
    if (ok && tempo_job_submit(&job, a->o.worker, &r.job, &err) != TEMPO_OK)
        ok = tempo_api_refuse_job(&p, "", &err);
    if (ok)
        answer(a, job, r.warnings, x);
    else
        tempo_api_reply_problem(x, &p);
    tempo_job_close(job);
    tempo_api_request_free(&r);
    json_decref(body);
}

static const tempo_api_route routes[] = {
    {.method = "POST",
     .path = "/v1/tempo/next",
     .handle = handle_next,
     .query = "",
     .body = &tempo_api_next_body,
     .summary = "The distribution of the next token",
     .answer = "entropy and the most probable tokens",
     .type = "NextAnswer"},
};

static const tempo_api_type types[] = {
    {"NextAnswer",
     "{entropy: number, tokens: {id: integer, text: string, bytes?: integer[], probability: number}[], "
     "edits?: EditUse[], warnings?: string[]}"},
};

TEMPO_API_RESOURCE(next, routes, types)
