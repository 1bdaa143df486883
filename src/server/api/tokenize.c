/* tokenize.c - POST /tokenize and /detokenize. */
#include <stdlib.h>

#include "server/api/route.h"
#include "server/api/inside.h"
#include "server/api/fields.h"
#include "run/decode_json.h"

typedef struct tokenize_fields {
    const json_t *text, *tokens;
    bool no_bos, no_special, special;
} tokenize_fields;

static const tempo_api_field text_fields[] = {
    {.name = "text", .kind = TEMPO_API_TEXT, .offset = offsetof(tokenize_fields, text)},
    {.name = "no_bos", .kind = TEMPO_API_FLAG, .offset = offsetof(tokenize_fields, no_bos)},
    {.name = "no_special", .kind = TEMPO_API_FLAG, .offset = offsetof(tokenize_fields, no_special)},
};

static const tempo_api_field token_fields[] = {
    {.name = "tokens", .kind = TEMPO_API_ARRAY, .offset = offsetof(tokenize_fields, tokens)},
    {.name = "special", .kind = TEMPO_API_FLAG, .offset = offsetof(tokenize_fields, special)},
};

static json_t *tell_tokens(const tempo_tokenizer *t, const int32_t *ids, size_t n, const char *warning)
{
    json_t *tokens = json_array(), *pieces = json_array(), *warnings = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *piece = json_pack("{s:i}", "id", (int)ids[i]);
        tempo_json_add_token(piece, t, ids[i]);
        json_array_append_new(tokens, json_integer(ids[i]));
        json_array_append_new(pieces, piece);
    }
    if (warning != NULL)
        json_array_append_new(warnings, json_string(warning));
    return json_pack("{s:o, s:o, s:I, s:o}", "tokens", tokens, "pieces", pieces, "count", (json_int_t)n,
                     "warnings", warnings);
}

/* The answer, or NULL with a problem. */
static json_t *tokenize(tempo_api *a, const json_t *body, tempo_api_problem *p)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(a->o.model);
    tokenize_fields f = {0};
    tempo_api_table table = {text_fields, sizeof(text_fields) / sizeof(*text_fields), &f, 0, 0};
    int32_t *ids = NULL;
    size_t n = 0;
    tempo_err err = {0};
    json_t *answer = NULL;

    if (!tempo_api_read(body, "", false, &table, 1, p))
        return NULL;
    const unsigned flags =
        (f.no_bos ? TEMPO_TOKENIZE_NO_BOS : 0) | (f.no_special ? TEMPO_TOKENIZE_NO_SPECIAL : 0);
    if (f.text == NULL)
        tempo_api_refuse(p, 400, "text", "there is none");
    else if (tempo_model_check_text(a->o.model, &err) != TEMPO_OK)
        tempo_api_refuse(p, 400, NULL, "%s", err.msg);
    else if (tempo_tokenize(t, json_string_value(f.text), json_string_length(f.text), flags, &ids, &n,
                            &err) != TEMPO_OK)
        tempo_api_refuse_err(p, "text", &err);
    else if ((answer = tell_tokens(t, ids, n, f.no_bos ? NULL : tempo_tokens_warning(t, ids, n))) == NULL)
        tempo_api_refuse(p, 500, NULL, "out of memory");
    tempo_free(ids);
    return answer;
}

static json_t *detokenize(tempo_api *a, const json_t *body, tempo_api_problem *p)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(a->o.model);
    tokenize_fields f = {0};
    tempo_api_table table = {token_fields, sizeof(token_fields) / sizeof(*token_fields), &f, 0, 0};
    int32_t *ids = NULL;
    char *text = NULL;
    size_t n = 0, n_text = 0;
    tempo_err err = {0};
    json_t *answer = json_object();

    if (tempo_api_read(body, "", false, &table, 1, p)) {
        if (f.tokens == NULL)
            tempo_api_refuse(p, 400, "tokens", "there are none");
        else if (t == NULL && tempo_model_check_text(a->o.model, &err) != TEMPO_OK)
            tempo_api_refuse(p, 400, NULL, "%s", err.msg);
        else if (json_array_size(f.tokens) > 0 &&
                 !tempo_api_read_ids(f.tokens, "tokens", tempo_model_get_info(a->o.model)->n_vocab, &ids, &n,
                                     p))
            n = 0;
        else if (tempo_detokenize(t, ids, n, f.special, &text, &n_text, &err) != TEMPO_OK)
            tempo_api_refuse_err(p, "tokens", &err);
    }
    if (p->status == 0)
        tempo_json_add_text(answer, "text", "bytes", text != NULL ? text : "", n_text);
    free(ids);
    tempo_free(text);
    if (p->status == 0)
        return answer;
    json_decref(answer);
    return NULL;
}

static void answer_with(json_t *make(tempo_api *, const json_t *, tempo_api_problem *), tempo_api *a,
                        tempo_exchange *x)
{
    tempo_api_problem p = {0};
    json_t *body = NULL, *answer = NULL;

    if (tempo_api_read_body(x, &body, &p))
        answer = make(a, body, &p);
    json_decref(body);
    if (p.status != 0)
        tempo_api_reply_problem(x, &p);
    else
        tempo_api_reply_json(x, 200, answer);
}

static void handle_tokenize(void *user, tempo_exchange *x)
{
    answer_with(tokenize, user, x);
}

static void handle_detokenize(void *user, tempo_exchange *x)
{
    answer_with(detokenize, user, x);
}

static const tempo_api_body text_body = {"TokenizeRequest", text_fields,
                                         sizeof(text_fields) / sizeof(*text_fields), 0},
                            token_body = {"DetokenizeRequest", token_fields,
                                          sizeof(token_fields) / sizeof(*token_fields), 0};

static const tempo_api_route routes[] = {
    {.method = "POST",
     .path = "/tokenize",
     .handle = handle_tokenize,
     .query = "",
     .body = &text_body,
     .summary = "Text to tokens",
     .answer = "ids and pieces",
     .type = "Tokens"},
    {.method = "POST",
     .path = "/detokenize",
     .handle = handle_detokenize,
     .query = "",
     .body = &token_body,
     .summary = "Tokens to text",
     .answer = "the text",
     .type = "Text"},
};

static const tempo_api_type types[] = {
    {"Tokens", "{tokens: integer[], pieces: Piece[], count: integer, warnings: string[]}"},
    {"Text", "{text: string, bytes?: integer[]}"},
};

TEMPO_API_RESOURCE(tokenize, routes, types)
