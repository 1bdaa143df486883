/* test_api_paths.c - answers say nothing of where files lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/inside.h"
#include "support/models.h"

static void test_messages(void **state)
{
    static const struct {
        const char *message, *hidden;
    } rows[] = {
        {"/home/u/runs.db: is not an SQLite database", "runs.db: is not an SQLite database"},
        {"/with spaces/and: signs/run 1/results.json: JSON, line 3", "results.json: JSON, line 3"},
        {"/with spaces/and: signs/run 1: no such directory", "run 1: no such directory"},
        {"twice: '/a/b/c.npz' and (/a/b/d.npz), /e/f", "twice: 'c.npz' and (d.npz), f"},
        {"/of a database/x.db-wal: disk is full", "x.db-wal: disk is full"},
        {"step_0_attention: 3/4 of it, a/b, and/or", "step_0_attention: 3/4 of it, a/b, and/or"},
        {"kB/s", "kB/s"},
        {"a / b // c /", "a / b / c /"},
        {"<https://example.org/a>", "<https://example.org/a>"},
        {")(>]/a/b", ")(>]b"},
        {"", ""},
    };
    char path[4096], message[512];
    tempo_api a = {.o.db = "/of a database/runs.db"};

    (void)state;
    assert_int_equal(tempo_model_find(NULL, path, sizeof(path), NULL), TEMPO_OK);
    tempo_model *m = test_open_model(path);
    a.o.model = m;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        (void)snprintf(message, sizeof(message), "%s", rows[i].message);
        tempo_api_hide_paths(&a, "/with spaces/and: signs/run 1", message);
        assert_string_equal(message, rows[i].hidden);
    }
    const char *full = tempo_model_get_info(m)->path; /* of the model that is served */
    (void)snprintf(message, sizeof(message), "%s/model.gguf: its size has changed", full);
    tempo_api_hide_paths(&a, NULL, message);
    assert_null(strstr(message, "/tempo-tiny"));
    tempo_model_free(m);
}

static void test_documents(void **state)
{
    static const char
        before[] = "{\"id\": \"x\", \"dir\": \"/home/u/x\", \"argv\": [\"/usr/bin/tempo\", \"run\", "
                   "\"--out=/home/u/x\", \"-p\", "
                   "\"a/b\", \"~/y/z\", \"/\"], \"models\": [{\"name\": \"/n/m\", \"path\": "
                   "\"/m/tiny.gguf\"}], \"config\": {\"a\": "
                   "[{\"file\": \"/f/g\"}], \"n\": 1}, \"units\": [{\"prompt\": {\"text\": \"/etc/passwd "
                   "is\"}}], \"artefacts\": "
                   "[{\"path\": \"units/a.json\"}]}",
        after[] =
            "{\"id\": \"x\", \"argv\": [\"tempo\", \"run\", \"--out=x\", \"-p\", \"a/b\", \"z\", \"/\"], "
            "\"models\": [{\"name\": \"/n/m\", \"path\": \"tiny.gguf\"}], \"config\": {\"a\": [{\"file\": "
            "\"g\"}], \"n\": 1}, \"units\": [{\"prompt\": {\"text\": \"/etc/passwd is\"}}], "
            "\"artefacts\": [{\"path\": \"units/a.json\"}]}";
    json_t *doc = json_loads(before, 0, NULL), *expected = json_loads(after, 0, NULL);

    (void)state;
    assert_non_null(expected);
    tempo_api_hide_in_run(doc, false);
    assert_true(json_equal(doc, expected));
    json_decref(doc);
    json_decref(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
