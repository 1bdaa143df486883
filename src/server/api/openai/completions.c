/* completions.c - POST /v1/completions, with log probabilities in the legacy form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/openai/openai.h"
#include "server/api/route.h"
#include "run/decode_json.h"

/* A token as a key: what is not UTF-8, or has a NUL, as "bytes:\xe2\x80", as OpenAI writes it. */
static json_t *token_key(const tempo_oai *o, int32_t id)
{
    size_t n;
    const char *s = tempo_oai_token_text(o, id, &n);
    tempo_api_text t = {0};
    char hex[8];

    if (tempo_utf8_valid(s, n) == n && memchr(s, '\0', n) == NULL)
        return json_stringn(s, n);
    tempo_api_text_add_string(&t, "bytes:");
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned)(unsigned char)s[i]);
        tempo_api_text_add_string(&t, hex);
    }
    json_t *key = t.failed ? NULL : json_stringn(t.p, t.n);
    free(t.p);
    return key;
}

/* {token: logprob} of the best and of the token itself; of tokens that read alike the more probable one
 * stays. */
static json_t *tell_top(const tempo_oai *o, const tempo_oai_token *k)
{
    json_t *top = json_object();

    for (size_t i = 0; i < k->n_scores; i++) {
        const tempo_token_score *s = &k->scores[(i + 1) % k->n_scores]; /* its own comes last */
        json_t *key = token_key(o, s->id);
        if (key != NULL && json_object_get(top, json_string_value(key)) == NULL)
            json_object_set_new(top, json_string_value(key), tempo_oai_logprob(s->logprob));
        json_decref(key);
    }
    return top;
}

static json_t *tell_logprobs(const tempo_oai_choice *c, size_t from, size_t to)
{
    json_t *tokens = json_array(), *logprobs = json_array(), *tops = json_array(), *offsets = json_array();

    for (size_t i = from; i < to; i++) {
        const tempo_oai_token *k = &c->tokens[i];
        json_array_append_new(tokens, token_key(c->o, k->id));
        json_array_append_new(logprobs, k->has_score ? tempo_oai_logprob(k->scores[0].logprob) : json_null());
        json_array_append_new(tops, k->has_score ? tell_top(c->o, k) : json_null());
        json_array_append_new(offsets, json_integer((json_int_t)k->characters));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", logprobs, "top_logprobs",
                     tops, "text_offset", offsets);
}

static json_t *make_choice(const tempo_oai_choice *c, const char *text, size_t n, size_t from, size_t to,
                           const char *finish)
{
    json_t *v = json_pack("{s:I, s:o, s:o, s:s?}", "index", (json_int_t)c->index, "text",
                          tempo_json_bytes(text, n), "logprobs",
                          c->o->logprobs ? tell_logprobs(c, from, to) : json_null(), "finish_reason", finish);

    if (v != NULL)
        tempo_oai_add_sets(c, v);
    return v;
}

static json_t *make_piece(const tempo_oai_choice *c, const char *text, size_t n, size_t from, size_t to,
                          const char *finish, bool first)
{
    (void)first;
    return make_choice(c, text, n, from, to, finish);
}

#define FIELD(n, k, f) .name = n, .kind = TEMPO_API_##k, .offset = offsetof(tempo_oai_request, f)
static const tempo_api_field fields[] = {
    {FIELD("prompt", ANY, prompt)},
    {FIELD("max_tokens", SIZE, max_tokens), .high = 1e9},
    {FIELD("logprobs", SIZE, logprobs_count), .high = 20},
    {FIELD("echo", FLAG, echo)},
    {FIELD("best_of", SIZE, best_of), .low = 1, .high = TEMPO_OAI_MAX_N},
    {.name = "suffix", .kind = TEMPO_API_NEUTRAL},
};
#undef FIELD

const tempo_oai_shape tempo_oai_completions = {.chat = false,
                                               .prefix = "cmpl-",
                                               .object = "text_completion",
                                               .chunk = "text_completion",
                                               .fields = fields,
                                               .n_fields = sizeof(fields) / sizeof(*fields),
                                               .choice = make_choice,
                                               .piece = make_piece};

static void complete(void *user, tempo_exchange *x)
{
    tempo_oai_answer(user, x, &tempo_oai_completions);
}

static const tempo_api_body body = {"CompletionRequest", fields, sizeof(fields) / sizeof(*fields),
                                    TEMPO_API_OPENAI};

static const tempo_api_route routes[] = {
    {.method = "POST",
     .path = "/v1/completions",
     .handle = complete,
     .query = "",
     .body = &body,
     .summary = "OpenAI's completions",
     .answer = "a completion, or chunks",
     .type = "Completion",
     .media = "application/json,text/event-stream"},
};

static const tempo_api_type types[] = {
    {"Completion", "{id: string, object: 'text_completion', created: integer, model: string, choices: "
                   "object[], usage?: object, "
                   "warnings?: string[], ...}"},
};

TEMPO_API_RESOURCE(completions, routes, types)
