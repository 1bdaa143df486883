/* render.c - renders templates that come in, for tests/field/test_chat_templates.py: each line of stdin is an
 * object
 * {"template": ..., "context": {...}, "messages": [...], "tools": [...], "bos": ..., "eos": ...}, all but the
 * template optional; context is any names and values.  For each a line: {"text": ...} or {"code": ...,
 * "error": ...}.  The date is that of the golden renderings.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/parts.h"

static tempo_chat_str token(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));

    return (tempo_chat_str){s, NULL, s != NULL ? strlen(s) : 0};
}

static json_t *render(const json_t *c)
{
    const json_t *text = json_object_get(c, "template");
    const tempo_chat_input in = {.conversation = json_object_get(c, "messages"),
                                 .tools = json_object_get(c, "tools"),
                                 .variables = json_object_get(c, "context"),
                                 .bos = token(c, "bos"),
                                 .eos = token(c, "eos"),
                                 .year = 2024,
                                 .month = 7,
                                 .day = 6,
                                 .weekday = 6};
    tempo_err err = {0};
    tempo_chat_program p = {.heap = {.limit = TEMPO_CHAT_MAX_PARSED}};
    tempo_chat_heap h = {.limit = TEMPO_CHAT_MAX_MEMORY, .err = &err};
    tempo_chat_str out = {"", NULL, 0};
    tempo_status st = tempo_chat_parse(&p, "t", json_string_value(text), json_string_length(text), &err);
    const bool opened = st == TEMPO_OK;

    if (opened)
        st = tempo_chat_run(&p, &in, &h, &out, &err);
    json_t *answer = st == TEMPO_OK
                         ? json_pack("{s:o}", "text", json_stringn(out.p, out.n))
                         : json_pack("{s:i, s:b, s:s}", "code", (int)st, "opened", opened, "error", err.msg);
    tempo_chat_heap_free(&h);
    tempo_chat_heap_free(&p.heap);
    return answer;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) > 0) {
        json_error_t e;
        json_t *c = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &e);
        json_t *answer = c != NULL ? render(c) : json_pack("{s:s}", "error", e.text);
        if (answer == NULL || json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) != 0 ||
            putchar('\n') == EOF) {
            fprintf(stderr, "cannot answer\n");
            return 1;
        }
        json_decref(answer);
        json_decref(c);
    }
    free(line);
    return 0;
}
