/* fuzz_request.c - any bytes as the body of a request: its first byte picks the route, the rest is the JSON.
 * What is read must be a job that keeps to the limits, what is refused must have a status and a message.  */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/openai/openai.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The built-in model, once; nothing is decoded. */
static tempo_api *get_api(void)
{
    static tempo_api *api;
    static tempo_model *model;
    tempo_api_options o;

    if (api != NULL)
        return api;
    if (tempo_model_open(&model, NULL, NULL, NULL) != TEMPO_OK)
        abort(); /* TEMPO_MODELS must say where it is, or the source tree be around the build */
    tempo_api_options_init(&o);
    o.model = model;
    o.max_steps = 100;
    if (tempo_api_create(&api, &o, NULL) != TEMPO_OK)
        abort();
    return api;
}

static void check_prompt(const tempo_model_info *m, const int32_t *ids, size_t n)
{
    CHECK(n >= 1 && n <= m->context_length);
    for (size_t i = 0; i < n; i++)
        CHECK(ids[i] >= 0 && (uint32_t)ids[i] < m->n_vocab);
}

/* q: of the routes that take several prompts, or NULL */
static void check_job(const tempo_api *a, const tempo_oai_request *q, const tempo_api_request *r)
{
    const tempo_model_info *m = tempo_model_get_info(a->o.model);
    const tempo_job_options *j = &r->job;

    if (q == NULL) {
        CHECK(j->prompt == r->ids);
        check_prompt(m, j->prompt, j->n_prompt);
    } else {
        CHECK(q->n_prompts >= 1 && q->n >= 1 && q->n_prompts * q->n <= TEMPO_OAI_MAX_CHOICES);
        for (size_t i = 0; i < q->n_prompts; i++)
            check_prompt(m, q->prompts[i].ids, q->prompts[i].n);
    }
    CHECK(j->n_arms <= TEMPO_JOB_MAX_ARMS && j->top_keys <= TEMPO_JOB_MAX_TOP &&
          j->top_scores <= TEMPO_JOB_MAX_TOP);
    for (size_t i = 0; i < j->n_arms; i++) {
        const tempo_decode_options *d = &j->arms[i].decoding;
        CHECK(d->steps >= 1 && d->steps <= 101 && j->n_given < d->steps);
        CHECK(d->threshold > 0 && d->threshold <= 1 && d->temperature > 0);
        CHECK(d->last_visible_layer == TEMPO_ALL_LAYERS || d->last_visible_layer < m->n_layers);
        CHECK(memchr(j->arms[i].name, '\0', sizeof(j->arms[i].name)) != NULL);
    }
    for (size_t t = 0; t < j->n_given; t++)
        for (size_t i = 0; i < j->given[t].n; i++)
            CHECK(j->given[t].members[i].id >= 0 && (uint32_t)j->given[t].members[i].id < m->n_vocab &&
                  j->given[t].members[i].probability > 0 && j->given[t].members[i].probability <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tempo_api *a = get_api();
    tempo_api_problem p = {0};
    tempo_oai_request q = {0};
    tempo_api_request r;
    tempo_tail stops = {0};
    json_t *body = NULL;
    bool ok = false;

    if (n == 0)
        return 0;
    tempo_api_request_init(&r);
    if (tempo_api_parse((const char *)data + 1, n - 1, &body, &p)) {
        switch (data[0] % 4) {
        case 0:
            ok = tempo_api_read_generate(a, body, &r, &p);
            break;
        case 1:
            ok = tempo_api_read_next(a, body, &r, &p);
            break;
        default:
            ok = tempo_oai_read(a, data[0] % 4 == 2 ? &tempo_oai_completions : &tempo_oai_chat, body, &q, &r,
                                &stops, &p);
        }
    }
    if (ok)
        check_job(a, data[0] % 4 < 2 ? NULL : &q, &r);
    CHECK(ok == (p.status == 0));
    CHECK(ok || ((p.status == 400 || p.status == 404) && p.message[0] != '\0'));
    CHECK(memchr(p.param, '\0', sizeof(p.param)) != NULL &&
          memchr(p.message, '\0', sizeof(p.message)) != NULL);
    tempo_tail_clear(&stops);
    tempo_oai_request_free(&q);
    tempo_api_request_free(&r);
    json_decref(body);
    return 0;
}
