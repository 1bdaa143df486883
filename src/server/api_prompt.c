/* api_prompt.c - prompts: text, ids, or messages through the chat template. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api_inside.h"
#include "server/api_request.h"

enum { MAX_MESSAGES = 4096, MAX_WARNINGS = 64 };

void tempo_api_request_init(tempo_api_request *r)
{
    *r = (tempo_api_request){.stream = true, .top_keys = 5, .top = 200};
    tempo_decode_options_init(&r->decoding);
}

void tempo_api_request_free(tempo_api_request *r)
{
    tempo_free(r->text);
    tempo_free(r->ids);
    free(r->given_sets);
    json_decref(r->warnings);
    free(r->source);
    free(r->members);
}

static bool check_length(tempo_api *a, tempo_api_request *r, const char *param, tempo_api_problem *p)
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
    const tempo_tokenizer *t = tempo_model_tokenizer(a->o.model);

    if (t == NULL)
        tempo_api_refuse(p, 400, param, "the model has no tokenizer: give token ids");
    return t;
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
    return check_length(a, r, param, p);
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
    return check_length(a, r, param, p);
}

/* ---- messages ---- */

typedef struct message_fields {
    const json_t *role, *content;
} message_fields;

/* What clients send back of answers they got says nothing as long as it is empty. */
static const tempo_api_field message_table[] = {
    {.name = "role", .kind = TEMPO_API_TEXT, .offset = offsetof(message_fields, role)},
    {.name = "content", .kind = TEMPO_API_ANY, .offset = offsetof(message_fields, content)},
    {.name = "name", .kind = TEMPO_API_IGNORED, .help = "the chat template is not told names"},
    {.name = "type",
     .kind = TEMPO_API_NEUTRAL,
     .choices = "\"message\"|\"text\""}, /* some clients mark them so */
    {.name = "refusal", .kind = TEMPO_API_NEUTRAL},
    {.name = "annotations", .kind = TEMPO_API_NEUTRAL},
    {.name = "audio", .kind = TEMPO_API_NEUTRAL},
    {.name = "tool_calls", .kind = TEMPO_API_NEUTRAL},
    {.name = "function_call", .kind = TEMPO_API_NEUTRAL},
};

typedef struct part_fields {
    const json_t *type, *text;
} part_fields;

static const tempo_api_field part_table[] = {
    {.name = "type", .kind = TEMPO_API_TEXT, .offset = offsetof(part_fields, type)},
    {.name = "text", .kind = TEMPO_API_TEXT, .offset = offsetof(part_fields, text)},
};

/* Parts of text as one, a line each. */
static bool join_parts(const json_t *parts, const char *prefix, char **out, size_t *n, tempo_api_problem *p)
{
    const json_t *part;
    size_t i, cap = 1;

    json_array_foreach(parts, i, part) cap += json_string_length(json_object_get(part, "text")) + 1;
    if ((*out = malloc(cap)) == NULL)
        return tempo_api_refuse(p, 500, "messages", "out of memory");
    json_array_foreach(parts, i, part)
    {
        part_fields f = {0};
        tempo_api_table t = {part_table, sizeof(part_table) / sizeof(*part_table), &f, 0, 0};
        if (!json_is_object(part))
            return tempo_api_refuse(p, 400, "messages", "a part of a content is not an object");
        if (!tempo_api_read(part, prefix, true, &t, 1, p))
            return false;
        if (f.type == NULL || strcmp(json_string_value(f.type), "text") != 0 || f.text == NULL)
            return tempo_api_refuse(p, 400, "messages",
                                    "a part of a content is not {\"type\": \"text\", \"text\": ..}");
        if (i > 0)
            (*out)[(*n)++] = '\n';
        memcpy(*out + *n, json_string_value(f.text), json_string_length(f.text));
        *n += json_string_length(f.text);
    }
    return true;
}

/* One message; *owned is what must be freed of it. */
static bool read_message(tempo_api_request *r, const json_t *v, size_t i, tempo_message *m, char **owned,
                         tempo_api_problem *p)
{
    message_fields f = {0};
    tempo_api_table t = {message_table, sizeof(message_table) / sizeof(*message_table), &f, 0, 0};
    char prefix[32];

    (void)snprintf(prefix, sizeof(prefix), "messages[%zu].", i);
    if (!json_is_object(v))
        return tempo_api_refuse(p, 400, "messages", "[%zu] is not an object {\"role\", \"content\"}", i);
    if (!tempo_api_read(v, prefix, true, &t, 1, p) ||
        (t.ignored != 0 && json_array_size(r->warnings) < MAX_WARNINGS &&
         !tempo_api_warn_ignored(&r->warnings, prefix, &t, p)))
        return false;
    if (f.role == NULL || json_string_length(f.role) == 0)
        return tempo_api_refuse(p, 400, "messages", "[%zu] has no role", i);
    m->role = json_string_value(f.role);
    if (strcmp(m->role, "developer") == 0) /* the newer name of the same */
        m->role = "system";
    m->content = "";
    m->n_content = 0;
    if (json_is_array(f.content)) {
        if (!join_parts(f.content, prefix, owned, &m->n_content, p))
            return false;
        m->content = *owned;
    } else if (json_is_string(f.content)) {
        m->content = json_string_value(f.content);
        m->n_content = json_string_length(f.content);
    } else if (f.content != NULL || strcmp(m->role, "assistant") != 0) {
        return tempo_api_refuse(p, 400, "messages",
                                "[%zu]: content is not a string or an array of text parts", i);
    }
    return true;
}

bool tempo_api_prompt_messages(tempo_api *a, tempo_api_request *r, const json_t *messages,
                               tempo_api_problem *p)
{
    const size_t n = json_array_size(messages);
    tempo_message *list = calloc(n + 1, sizeof(*list));
    char **owned = calloc(n + 1, sizeof(*owned));
    tempo_err err = {0};
    bool ok = list != NULL && owned != NULL;

    if (!ok)
        tempo_api_refuse(p, 500, "messages", "out of memory");
    else if (!json_is_array(messages) || n == 0 || n > MAX_MESSAGES)
        ok = tempo_api_refuse(p, 400, "messages", "expected an array of 1 to %d messages", MAX_MESSAGES);
    else if (a->chat == NULL)
        ok = tempo_api_refuse(p, 400, "messages", "this model has no chat: %s", a->no_chat.msg);
    for (size_t i = 0; ok && i < n; i++)
        ok = read_message(r, json_array_get(messages, i), i, &list[i], &owned[i], p);
    if (ok && tempo_chat_tokenize(a->chat, list, n, NULL, &r->ids, &r->n_ids, &r->text, &r->n_text, &err) !=
                  TEMPO_OK)
        ok = tempo_api_refuse_err(p, "messages", &err);
    for (size_t i = 0; owned != NULL && i < n; i++)
        free(owned[i]);
    free(owned);
    free(list);
    return ok && check_length(a, r, "messages", p);
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
        return tempo_api_prompt_messages(a, r, r->messages, p);
    if (r->prompt_ids != NULL)
        return tempo_api_prompt_ids(a, r, "prompt_ids", r->prompt_ids, p);
    if (json_string_length(r->prompt) == 0)
        return tempo_api_refuse(p, 400, "prompt", "the prompt is empty");
    return tempo_api_prompt_text(a, r, "prompt", r->prompt, p);
}
