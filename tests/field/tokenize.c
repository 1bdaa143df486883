/* tokenize.c - tokenizes texts that come in, for the scripts beside it: field_tokenize MODEL.  The first line
 * that goes out says
 * {"tokens": n, "control": [ids], "eos": [ids], "notes": [...]}.  Then each line of stdin is an object, for
 * each a line goes out:
 *
 *   {"text": ..., "no_bos": bool, "no_special": bool}   -> {"ids": [...]}
 *   {"template": ... or null, "messages": [[role, content], ...]} -> {"ids": [...], "text": ...}
 *   {"ids": [...], "special": bool}                     -> {"bytes": [...]}
 *
 * or {"code": ..., "error": ...}.  */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tempo.h>

static json_t *list_ids(const int32_t *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static json_t *failure(const tempo_err *err)
{
    return json_pack("{s:s, s:s}", "code", tempo_status_name(err->code), "error", err->msg);
}

static json_t *tokenize(const tempo_model *m, const json_t *c)
{
    const json_t *text = json_object_get(c, "text");
    const unsigned flags = (json_is_true(json_object_get(c, "no_bos")) ? TEMPO_TOKENIZE_NO_BOS : 0) |
                           (json_is_true(json_object_get(c, "no_special")) ? TEMPO_TOKENIZE_NO_SPECIAL : 0);
    tempo_err err = {0};
    int32_t *ids;
    size_t n;

    if (tempo_tokenize(tempo_model_tokenizer(m), json_string_value(text), json_string_length(text), flags,
                       &ids, &n, &err) != TEMPO_OK)
        return failure(&err);
    json_t *answer = json_pack("{s:o}", "ids", list_ids(ids, n));
    tempo_free(ids);
    return answer;
}

static json_t *chat(const tempo_model *m, const json_t *c)
{
    const json_t *source = json_object_get(c, "template"), *list = json_object_get(c, "messages"), *one;
    const tempo_chat_options opt = {.size = sizeof(opt), .date = "2024-07-06"};
    tempo_message messages[16];
    tempo_err err = {0};
    tempo_chat *chat = NULL;
    json_t *answer = NULL;
    int32_t *ids = NULL;
    char *text = NULL;
    size_t i, n, n_text;

    json_array_foreach(list, i, one)
    {
        const json_t *content = json_array_get(one, 1);
        if (i < 16)
            messages[i] = (tempo_message){json_string_value(json_array_get(one, 0)),
                                          json_string_value(content), json_string_length(content)};
    }
    if (tempo_chat_open(&chat, m, json_string_value(source), json_string_length(source), "template", &err) ==
            TEMPO_OK &&
        tempo_chat_tokenize(chat, messages, i < 16 ? i : 16, &opt, &ids, &n, &text, &n_text, &err) ==
            TEMPO_OK)
        answer = json_pack("{s:o, s:o}", "ids", list_ids(ids, n), "text", json_stringn(text, n_text));
    tempo_free(ids);
    tempo_free(text);
    tempo_chat_free(chat);
    return answer != NULL ? answer : failure(&err);
}

static json_t *detokenize(const tempo_model *m, const json_t *c)
{
    const json_t *list = json_object_get(c, "ids"), *one;
    int32_t *ids = malloc((json_array_size(list) + 1) * sizeof(*ids));
    json_t *bytes = json_array();
    tempo_err err = {0};
    char *text = NULL;
    size_t i, n = 0;

    if (ids == NULL)
        abort();
    json_array_foreach(list, i, one) ids[i] = (int32_t)json_integer_value(one);
    const tempo_status st = tempo_detokenize(tempo_model_tokenizer(m), ids, json_array_size(list),
                                             json_is_true(json_object_get(c, "special")), &text, &n, &err);
    for (i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    tempo_free(text);
    free(ids);
    json_t *answer = json_pack("{s:o}", "bytes", bytes);
    if (st == TEMPO_OK)
        return answer;
    json_decref(answer);
    return failure(&err);
}

static json_t *describe(const tempo_model *m)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(m);
    const tempo_tokenizer_info info = tempo_tokenizer_get_info(t);
    json_t *control = json_array(), *notes = json_array();
    const char *note;

    for (uint32_t id = 0; id < info.n_tokens; id++)
        if (tempo_token_is_control(t, (int32_t)id))
            json_array_append_new(control, json_integer(id));
    for (size_t i = 0; (note = tempo_model_note(m, i)) != NULL; i++)
        json_array_append_new(notes, json_string(note));
    return json_pack("{s:i, s:o, s:o, s:o}", "tokens", (int)info.n_tokens, "control", control, "eos",
                     list_ids(info.eos, info.n_eos), "notes", notes);
}

static void print(json_t *answer)
{
    if (json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) != 0)
        abort();
    putchar('\n');
    (void)fflush(stdout);
    json_decref(answer);
}

int main(int argc, char **argv)
{
    const tempo_model_options opt = {.size = sizeof(opt), .load = TEMPO_LOAD_TOKENIZER};
    tempo_err err = {0};
    tempo_model *m;
    char *line = NULL;
    size_t cap = 0;

    if (argc != 2 || tempo_model_open(&m, argv[1], &opt, &err) != TEMPO_OK) {
        (void)fprintf(stderr, "field_tokenize: %s\n", argc != 2 ? "expected one model" : err.msg);
        return 1;
    }
    print(describe(m));
    while (getline(&line, &cap, stdin) > 0) {
        json_t *c = json_loads(line, JSON_ALLOW_NUL, NULL);
        if (c == NULL)
            abort();
        print(json_object_get(c, "text") != NULL       ? tokenize(m, c)
              : json_object_get(c, "messages") != NULL ? chat(m, c)
                                                       : detokenize(m, c));
        json_decref(c);
    }
    free(line);
    tempo_model_free(m);
    return 0;
}
