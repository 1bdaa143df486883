/* prompt.c - prompts: text, ids, or messages through the chat template. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/arms_json.h"
#include "server/api/inside.h"
#include "server/api/request.h"

void tempo_api_request_init(tempo_api_request *r)
{
    *r = (tempo_api_request){.stream = true, .top_keys = 5, .top = 200};
    tempo_decode_options_init(&r->decoding);
}

void tempo_api_request_free(tempo_api_request *r)
{
    tempo_free(r->text);
    tempo_free(r->ids);
    tempo_given_free(r->sets);
    for (size_t i = 0; i < TEMPO_JOB_MAX_ARMS; i++)
        tempo_edits_free(r->lists[i]);
    json_decref(r->warnings);
    free(r->source);
}

bool tempo_api_prompt_length(tempo_api *a, tempo_api_request *r, const char *param, tempo_api_problem *p)
{
    const uint32_t context = tempo_model_get_info(a->o.model)->context_length;

    if (r->n_ids == 0)
        return tempo_api_refuse(p, 400, param, "the prompt has no tokens");
    if (r->n_ids > context)
        return tempo_api_refuse_code(p, 400, param, "context_length_exceeded",
                                     "%zu tokens, more than the model's context of %u", r->n_ids, context);
    r->job.prompt = r->ids;
    r->job.n_prompt = r->n_ids;
    return true;
}

static const tempo_tokenizer *find_tokenizer(tempo_api *a, const char *param, tempo_api_problem *p)
{
    tempo_err err = {0};

    if (tempo_model_check_text(a->o.model, &err) == TEMPO_OK)
        return tempo_model_tokenizer(a->o.model);
    tempo_api_refuse(p, 400, param, "%s", err.msg);
    return NULL;
}

bool tempo_api_prompt_text(tempo_api *a, tempo_api_request *r, const char *param, const json_t *text,
                           tempo_api_problem *p)
{
    const tempo_tokenizer *t = find_tokenizer(a, param, p);
    const unsigned flags =
        (r->no_bos ? TEMPO_TOKENIZE_NO_BOS : 0) | (r->no_special ? TEMPO_TOKENIZE_NO_SPECIAL : 0);
    const size_t n = json_string_length(text);
    tempo_err err = {0};

    if (t == NULL)
        return false;
    if ((r->text = malloc(n + 1)) == NULL)
        return tempo_api_refuse(p, 500, param, "out of memory");
    memcpy(r->text, json_string_value(text), n + 1);
    r->n_text = n;
    if (tempo_tokenize(t, r->text, n, flags, &r->ids, &r->n_ids, &err) != TEMPO_OK)
        return tempo_api_refuse_err(p, param, &err);
    const char *warning = r->no_bos ? NULL : tempo_tokens_warning(t, r->ids, r->n_ids);
    if (warning != NULL && !tempo_api_warn_once(&r->warnings, warning, p))
        return false;
    return tempo_api_prompt_length(a, r, param, p);
}

bool tempo_api_prompt_ids(tempo_api *a, tempo_api_request *r, const char *param, const json_t *ids,
                          tempo_api_problem *p)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(a->o.model);
    tempo_err err = {0};

    if (!tempo_api_read_ids(ids, param, tempo_model_get_info(a->o.model)->n_vocab, &r->ids, &r->n_ids, p))
        return false;
    if (t != NULL && tempo_detokenize(t, r->ids, r->n_ids, false, &r->text, &r->n_text, &err) != TEMPO_OK)
        return tempo_api_refuse_err(p, param, &err);
    return tempo_api_prompt_length(a, r, param, p);
}

bool tempo_api_prompt(tempo_api *a, tempo_api_request *r, tempo_api_problem *p)
{
    const int given = (r->prompt != NULL) + (r->prompt_ids != NULL) + (r->messages != NULL);

    if (given != 1)
        return tempo_api_refuse_code(
            p, 400, "prompt", given == 0 ? "missing_required_parameter" : "invalid_value", "%s",
            given == 0 ? "there is no prompt: give one of prompt, prompt_ids and messages"
                       : "give only one of prompt, prompt_ids and messages");
    if (r->messages != NULL)
        return tempo_api_prompt_messages(a, r, p);
    if (r->prompt_ids != NULL)
        return tempo_api_prompt_ids(a, r, "prompt_ids", r->prompt_ids, p);
    if (json_string_length(r->prompt) == 0)
        return tempo_api_refuse(p, 400, "prompt", "the prompt is empty");
    return tempo_api_prompt_text(a, r, "prompt", r->prompt, p);
}
