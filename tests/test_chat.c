/* Chat templates: renderings equal to those of Jinja2 (tests/token/chat_golden.py), what is refused and
 * where, the bounds, and that no message can name a special token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"
#include "token/chat_parts.h"

enum { MAX_MESSAGES = 8 };

typedef struct rendering {
    tempo_status st;
    tempo_err err;
    tempo_chat_heap heap;
    tempo_chat_program program;
    tempo_chat_str text;
} rendering;

static void render(rendering *r, const char *text, size_t n, const tempo_chat_input *in)
{
    *r = (rendering){0};
    r->heap = (tempo_chat_heap){.limit = TEMPO_CHAT_MAX_MEMORY, .err = &r->err};
    r->program.heap.limit = TEMPO_CHAT_MAX_PARSED;
    r->st = tempo_chat_parse(&r->program, "t", text, n, &r->err);
    if (r->st == TEMPO_OK)
        r->st = tempo_chat_run(&r->program, in, &r->heap, &r->text, &r->err);
    assert_int_equal(r->st, r->err.code);
}

static void done(rendering *r)
{
    tempo_chat_heap_free(&r->heap);
    tempo_chat_heap_free(&r->program.heap);
}

/* ---- golden renderings ---- */

static tempo_chat_str token(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));

    return (tempo_chat_str){s, NULL, s != NULL ? strlen(s) : 0};
}

static size_t read_messages(const json_t *list, tempo_message messages[MAX_MESSAGES])
{
    const json_t *pair;
    size_t i;

    assert_true(json_array_size(list) <= MAX_MESSAGES);
    json_array_foreach(list, i, pair)
    {
        const json_t *content = json_array_get(pair, 1);
        messages[i] = (tempo_message){json_string_value(json_array_get(pair, 0)), json_string_value(content),
                                      json_string_length(content)};
    }
    return json_array_size(list);
}

static void check_golden(const json_t *c, const char *text, size_t n, const char *name)
{
    const json_t *want = json_object_get(c, "text"), *refused = json_object_get(c, "refused");
    tempo_message messages[MAX_MESSAGES];
    tempo_chat_input in = {.messages = messages,
                           .bos = token(c, "bos"),
                           .eos = token(c, "eos"),
                           .add_generation_prompt = json_is_true(json_object_get(c, "add_generation_prompt")),
                           .thinking = (int)json_integer_value(json_object_get(c, "thinking")),
                           .year = 2024,
                           .month = 7,
                           .day = 6,
                           .weekday = 6};
    rendering r;

    in.n_messages = read_messages(json_object_get(c, "messages"), messages);
    render(&r, text, n, &in);
    if (want != NULL) {
        if (r.st != TEMPO_OK)
            fail_msg("%s: %s", name, r.err.msg);
        if (r.text.n != json_string_length(want) || memcmp(r.text.p, json_string_value(want), r.text.n) != 0)
            fail_msg("%s:\n%.*s\n---- expected:\n%s", name, (int)r.text.n, r.text.p, json_string_value(want));
    } else {
        if (r.st != TEMPO_E_ARG || strstr(r.err.msg, json_string_value(refused)) == NULL)
            fail_msg("%s: status %d, \"%s\", expected a refusal: %s", name, (int)r.st, r.err.msg,
                     json_string_value(refused));
    }
    done(&r);
}

static void test_golden(void **state)
{
    (void)state;
    size_t i, n, n_texts = 0;
    tempo_err err = {0};
    json_t *list;
    const json_t *c;

    if (tempo_json_load(&list, "tests/chat/golden.json", &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_array_foreach(list, i, c)
    {
        const char *file = json_string_value(json_object_get(c, "file")), *text;
        char path[512], name[512];
        if (file != NULL) {
            (void)snprintf(path, sizeof(path), "tests/chat/%s", file);
            (void)snprintf(name, sizeof(name), "%s, %s", file, json_string_value(json_object_get(c, "name")));
            unsigned char *bytes = test_read_file(path, &n);
            check_golden(c, (const char *)bytes, n, name);
            free(bytes);
        } else {
            text = json_string_value(json_object_get(c, "template"));
            check_golden(c, text, json_string_length(json_object_get(c, "template")), text);
        }
        n_texts += json_object_get(c, "text") != NULL;
    }
    assert_true(n_texts > 300);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
