/* test_registry_index.c - the database of runs against hand-made directories: what goes in, and what is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "registry_place.h"

/* ---- what goes in -------------------------------------------------------------------- */

static void test_experiment(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];

    sub(run, at->dir, "run");
    write_experiment(run, "e1", 8);
    must_index(r, run);
    json_t *d = must_show(r, "e1");
    assert_at(d, "kind", "\"experiment\"");
    assert_at(d, "name", "\"n-e1\"");
    assert_at(d, "argv", "[\"tempo\",\"x\"]");
    assert_at(d, "cpu_features", "\"avx fma\"");
    assert_at(d, "threads", "2");
    assert_at(d, "config.threshold", "0.5");
    assert_at(d, "times.total_ms", "1.5");
    assert_at(d, "models.0.name", "\"tiny\"");
    assert_at(d, "models.0.parameters", "7");
    assert_at(d, "units.0.threshold", "0.5");
    assert_at(d, "units.0.model", "0");
    assert_at(d, "units.0.prompt.text", "\"The cat\"");
    assert_at(d, "units.0.prompt.tokens", "2");
    assert_at(d, "units.0.arms.0.arm", "\"isolated\"");
    assert_at(d, "units.0.arms.0.steps", "2");
    assert_at(d, "units.0.arms.0.members", "3");
    assert_at(d, "units.0.arms.0.stopped_by", "\"steps\"");
    assert_at(d, "units.0.arms.1.text", "null");
    assert_at(d, "artefacts", "[{\"path\":\"results.json\",\"bytes\":12,\"sha256\":\"cd\"}]");
    json_decref(d);
    assert_int_equal(tempo_registry_rows(r, "SELECT * FROM members WHERE arm = 0", &d, NULL, ""), TEMPO_OK);
    assert_at(d, "0.probability", "0.75");
    assert_at(d, "0.slot", "2");
    assert_at(d, "1.rank", "1");
    assert_at(d, "1.slot", "null");
    assert_at(d, "1.position", "null");
    assert_at(d, "2.step", "1");
    assert_at(d, "2.id", "7");
    json_decref(d);
    assert_int_equal(tempo_registry_rows(r, "SELECT * FROM steps WHERE arm = 0", &d, NULL, ""), TEMPO_OK);
    assert_at(d, "0.entropy", "1.25");
    assert_at(d, "0.reached", "2");
    assert_at(d, "0.capped", "0");
    assert_at(d, "1.entropy", "null");
    json_decref(d);
    assert_sound(r);
    tempo_registry_free(r);
}

/* One arm at the top, several cases, and a line a step. */
static void test_shapes(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;

    sub(run, at->dir, "one");
    write_manifest(run, "generate", "g", MODEL);
    write_text(run, "results.json",
               "{\"model\": {}, \"config\": {\"mode\": \"visible\", \"threshold\": 0.25},"
               " \"prompt\": \"p\", \"steps\": [{\"step\": 0, \"members\": []}]}");
    must_index(r, run);
    d = must_show(r, "g");
    assert_at(d, "units.0.threshold", "0.25");
    assert_at(d, "units.0.arms.0.arm", "\"visible\"");
    json_decref(d);

    sub(run, at->dir, "cases");
    write_manifest(run, "experiment", "c", "");
    write_text(run, "results.json",
               "{\"cases\": [{\"prompt\": \"p\", \"threshold\": 0.1, \"arms\": {\"a\": {\"steps\":"
               " []}}}, {\"prompt\": \"p\", \"threshold\": 1, \"arms\": {\"a\": {\"steps\": []},"
               " \"b\": {\"steps\": []}}}]}");
    must_index(r, run);
    d = must_show(r, "c");
    assert_at(d, "units.1.threshold", "1.0");
    assert_at(d, "units.1.arms.1.arm", "\"b\"");
    assert_at(d, "units.0.model", "null");
    assert_at(d, "models", "[]");
    json_decref(d);
    assert_int_equal(ask(r, "SELECT count(*) FROM prompts JOIN runs USING(run) WHERE runs.id = 'c'"), 1);

    sub(run, at->dir, "lines");
    write_manifest(run, "generate", "l", ", \"prompt\": \"from the manifest\"");
    write_text(run, "results.jsonl",
               "{\"arm\": \"a\", \"step\": 0, \"members\": [{\"id\": 1}]}\n"
               "{\"arm\": \"b\", \"step\": 0, \"members\": []}\n\n"
               "{\"arm\": \"a\", \"step\": 1, \"members\": []}\n"
               "{\"case\": 1, \"prompt\": \"q\", \"step\": 0, \"members\": []}\n"
               "{\"arm\": \"a\", \"step\": 2, \"mem");
    must_index(r, run);
    d = must_show(r, "l");
    assert_at(d, "units.0.prompt.text", "\"from the manifest\"");
    assert_at(d, "units.0.arms.0.steps", "2");
    assert_at(d, "units.0.arms.1.steps", "1");
    assert_at(d, "units.1.prompt.text", "\"q\"");
    json_decref(d);

    /* begun, and nothing written yet */
    sub(run, at->dir, "begun");
    write_manifest(run, "generate", "b", "");
    must_index(r, run);
    write_text(run, "results.jsonl", "");
    must_index(r, run);
    d = must_show(r, "b");
    assert_at(d, "units", "[]");
    json_decref(d);
    assert_sound(r);
    tempo_registry_free(r);
}

static void test_study(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;

    sub(run, at->dir, "study");
    write_study(run, "s1", 0.5, "different");
    must_index(r, run);
    d = must_show(r, "s1");
    assert_at(d, "units.0.name", "\"m0-t0.1-a\"");
    assert_at(d, "units.1.name", "\"m0-t0.1-b\"");
    assert_at(d, "units.2.threshold", "0.20000000000000001");
    assert_at(d, "units.2.prompt.id", "\"pa\"");
    assert_at(d, "units.2.prompt.stratum", "\"narrative\"");
    assert_at(d, "units.2.prompt.tokens", "4");
    assert_at(d, "units.0.values", "{\"A2\":0.5,\"B\":null}");
    assert_at(d, "metrics",
              "[{\"name\":\"js\",\"n\":0,\"mean\":null,\"min\":null,\"max\":null},"
              "{\"name\":\"tv\",\"n\":3,\"mean\":0.5,\"min\":0.5,\"max\":0.5}]");
    assert_at(d, "verdicts.0.verdict", "\"different\"");
    assert_at(d, "verdicts.0.low", "0.25");
    assert_at(d, "verdicts.0.high", "null");
    assert_at(d, "verdicts.0.record.more", "[1]");
    assert_at(d, "verdicts.1.model", "0");
    assert_at(d, "verdicts.1.id", "\"A2\"");
    assert_at(d, "verdicts.2.id", "\"L1\"");
    assert_at(d, "verdicts.2.kind", "null");
    assert_at(d, "headline", "[{\"id\":\"A2\",\"verdicts\":[\"different\",\"inconclusive\"]}]");
    json_decref(d);
    assert_int_equal(ask(r, "SELECT count(*) FROM prompts"), 2);
    /* "decisions" do as well; without a confirmatory one all stand in the headline */
    write_text(run, "report.json",
               "{\"decisions\": [{\"id\": \"T\", \"verdict\": \"identical\"}, {\"id\": \"A1\","
               " \"verdict\": \"identical\"}]}");
    must_index(r, run);
    d = must_show(r, "s1");
    assert_at(d, "headline",
              "[{\"id\":\"T\",\"verdicts\":[\"identical\"]},{\"id\":\"A1\",\"verdicts\":[\"identical\"]}]");
    json_decref(d);
    /* a study under way has no report */
    assert_int_equal(ask(r, "SELECT count(*) FROM verdicts"), 2);
    char path[512];
    test_path(path, run, "report.json");
    assert_int_equal(unlink(path), 0);
    must_index(r, run);
    assert_int_equal(ask(r, "SELECT count(*) FROM verdicts"), 0);
    assert_int_equal(ask(r, "SELECT count(*) FROM units"), 3);
    assert_sound(r);
    tempo_registry_free(r);
}

/* The database is a function of the files: again, in another order, from nothing, it is the same. */
static void test_function_of_files(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char e[512], s[512], other[512];
    size_t met[2] = {0}, n;

    sub(e, at->dir, "e");
    sub(s, at->dir, "s");
    write_experiment(e, "e1", 8);
    write_study(s, "s1", 0.5, "different");
    must_index(r, s);
    must_index(r, e);
    char *first = dump(r);
    const int64_t key = ask(r, "SELECT run FROM runs WHERE id = 's1'");
    must_index(r, s);
    must_index(r, e);
    must_index(r, s);
    char *again = dump(r);
    assert_string_equal(again, first);
    assert_int_equal(ask(r, "SELECT run FROM runs WHERE id = 's1'"), key);
    tempo_registry_free(r);

    test_path(other, at->dir, "other.db");
    r = must_open(other);
    assert_int_equal(tempo_registry_rebuild(r, at->dir, count_met, met, &n, NULL), TEMPO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(met[0], 2);
    char *rebuilt = dump(r);
    assert_string_equal(rebuilt, first);
    assert_sound(r);
    tempo_registry_free(r);
    free(first);
    free(again);
    free(rebuilt);
}

static void test_replaced(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char a[512], b[512];
    json_t *d;

    sub(a, at->dir, "a");
    write_study(a, "s1", 0.5, "different");
    must_index(r, a);
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/units/m0-t0.1-a.json", a);
    assert_int_equal(unlink(path), 0);
    must_index(r, a);
    assert_int_equal(ask(r, "SELECT count(*) FROM units"), 2);
    assert_int_equal(ask(r, "SELECT count(*) FROM members"), 2);
    /* moved */
    test_path(b, at->dir, "b");
    assert_int_equal(rename(a, b), 0);
    must_index(r, b);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 1);
    d = must_show(r, "s1");
    assert_non_null(strstr(json_string_value(json_object_get(d, "dir")), "/b"));
    json_decref(d);
    /* the directory holds another run now */
    write_experiment(b, "e1", 8);
    must_index(r, b);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 1);
    assert_int_equal(ask(r, "SELECT count(*) FROM verdicts"), 0);
    /* both at once: the id of one run in the directory of another */
    sub(a, at->dir, "a");
    write_experiment(a, "e2", 8);
    must_index(r, a);
    write_experiment(b, "e2", 8);
    must_index(r, b);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 1);
    assert_sound(r);
    tempo_registry_free(r);
}

/* ---- what is refused ----------------------------------------------------------------- */

#define HEAD                                                                                                 \
    "{\"kind\": \"experiment\", \"id\": \"x\", \"created\": \"2026-11-24T20:00:00Z\", \"status\": "          \
    "\"complete\""
#define STUDY                                                                                                \
    "{\"kind\": \"study\", \"id\": \"x\", \"created\": \"2026-11-24T20:00:00Z\", \"status\": \"running\""
#define UNIT(more) "{\"prompt\": {\"text\": \"p\"}, \"steps\": [" more "]}"

static const struct {
    const char *manifest, *file, *text, *says; /* says: after the run's directory */
} broken[] = {
    {"", NULL, NULL, "manifest.json: is empty"},
    {"{", NULL, NULL, "manifest.json: JSON, line 1"},
    {"[]", NULL, NULL, "manifest.json: it is not a JSON object"},
    {"{\"kind\": \"experiment\"}", NULL, NULL, "manifest.json: \"id\" is missing"},
    {"{\"id\": 7}", NULL, NULL, "manifest.json: \"id\" is an integer, expected a string"},
    {"{\"kind\": \"study\", \"id\": \"\", \"created\": \"\", \"status\": \"\"}", NULL, NULL,
     "manifest.json: \"id\" has 0 bytes"},
    {"{\"kind\": \"study\", \"id\": \"x\", \"created\": \"yesterday\", \"status\": \"running\"}", NULL, NULL,
     "manifest.json: \"created\" is \"yesterday\", expected a time such as"},
    {"{\"kind\": \"study\", \"id\": \"x\", \"created\": \"2026-11-24T20:00:00Z\", \"status\": \"lost\"}",
     NULL, NULL, "manifest.json: \"status\" is \"lost\", which is none"},
    {"{\"kind\": \"dream\", \"id\": \"x\", \"created\": \"2026-11-24T20:00:00Z\", \"status\": \"complete\"}",
     NULL, NULL, "manifest.json: \"kind\" is \"dream\""},
    {HEAD ", \"threads\": \"2\"}", NULL, NULL, "manifest.json: \"threads\" is a string, expected an integer"},
    {HEAD ", \"cpu_features\": [1]}", NULL, NULL, "manifest.json: \"cpu_features\" is neither"},
    {HEAD ", \"model\": []}", NULL, NULL, "manifest.json: \"model\" is not an object"},
    {HEAD ", \"models\": {}}", NULL, NULL, "manifest.json: \"models\" is not an array"},
    {HEAD ", \"models\": [{\"name\": \"m\"}, {}]}", NULL, NULL,
     "manifest.json: \"models\"[1]: \"path\" is missing"},
    {HEAD ", \"files\": [7]}", NULL, NULL, "manifest.json: \"files\"[0] is not an object"},
    {HEAD ", \"files\": [{\"path\": \"a\", \"bytes\": -1}]}", NULL, NULL,
     "manifest.json: \"files\"[0]: \"bytes\" is -1"},
    {HEAD ", \"files\": [{\"path\": \"a\"}, {\"path\": \"a\"}]}", NULL, NULL,
     "manifest.json: \"files\"[1]: it is there twice"},
    {HEAD "}", "results.json", "{}", "results.json: \"prompt\" is missing"},
    {HEAD "}", "results.json", "7", "results.json: JSON, line 1"},
    {HEAD "}", "results.json", "", "results.json: is empty"},
    {HEAD "}", "results.json", "{\"prompt\": \"p\"}", "results.json: \"steps\" is missing"},
    {HEAD "}", "results.json", "{\"prompt\": \"p\", \"arms\": {\"a\": 1}}",
     "results.json: \"arms\": \"a\": it is not"},
    {HEAD "}", "results.json", "{\"prompt\": \"p\", \"arms\": {\"a\": {\"steps\": {}}}}",
     "results.json: \"arms\": \"a\": \"steps\" is not an array"},
    {HEAD "}", "results.json", "{\"cases\": [{\"prompt\": 1}]}",
     "results.json: \"cases\"[0]: \"prompt\" is an integer"},
    {HEAD "}", "results.json", "{\"cases\": [[]]}", "results.json: \"cases\"[0] is not an object"},
    {HEAD "}", "results.json", UNIT("{}"), "results.json: \"steps\"[0]: \"step\" is missing"},
    {HEAD "}", "results.json", UNIT("{\"step\": 0}"), "results.json: \"steps\"[0]: \"members\" is missing"},
    {HEAD "}", "results.json", UNIT("{\"step\": 0, \"capped\": 1, \"members\": []}"),
     "results.json: \"steps\"[0]: \"capped\" is an integer, expected true or false"},
    {HEAD "}", "results.json", UNIT("{\"step\": 0, \"members\": [{\"id\": 1}, {\"id\": 1.5}]}"),
     "results.json: \"steps\"[0]: \"members\"[1]: \"id\" is a real number"},
    {HEAD "}", "results.json", UNIT("{\"step\": 0, \"members\": []}, {\"step\": 0, \"members\": []}"),
     "results.json: \"steps\"[1]: it is there twice"},
    {HEAD "}", "results.jsonl", "{\"step\": 0, \"members\": []}\n{\"step\": 1}\n",
     "results.jsonl: line 2: \"members\" is missing"},
    {HEAD "}", "results.jsonl", "{\n", "results.jsonl: line 1: JSON"},
    {HEAD "}", "results.jsonl", "{\"case\": 1, \"step\": 0, \"members\": []}\n",
     "results.jsonl: line 1: \"case\" is 1"},
    {STUDY "}", "units/u.json", "", "units/u.json: is empty"},
    {STUDY "}", "units/u.json", "{\"prompt\"", "units/u.json: JSON, line 1"},
    {STUDY "}", "units/u.json", "[]", "units/u.json: it is not a JSON object"},
    {STUDY "}", "units/u.json", "{\"prompt\": {\"id\": \"a\"}}",
     "units/u.json: \"prompt\": \"text\" is missing"},
    {STUDY "}", "units/u.json", "{\"model\": 3, \"prompt\": \"p\", \"steps\": []}",
     "units/u.json: \"model\" is 3, the manifest lists 0"},
    {STUDY "}", "units/u.json", "{\"prompt\": \"p\", \"steps\": [], \"threshold\": \"0.1\"}",
     "units/u.json: \"threshold\" is a string, expected a number"},
    {STUDY "}", "units/u.json", "{\"prompt\": \"p\", \"steps\": [], \"values\": {\"A2\": \"x\"}}",
     "units/u.json: \"values\": \"A2\" is neither a number nor null"},
    {STUDY "}", "units/u.json", UNIT("{\"step\": 0, \"members\": [], \"metrics\": []}"),
     "units/u.json: \"steps\"[0]: \"metrics\" is not an object"},
    {STUDY "}", "report.json", "{}", "report.json: \"decisions\" is missing"},
    {STUDY "}", "report.json", "{\"verdicts\": [{\"id\": \"A2\"}]}",
     "report.json: \"verdicts\"[0]: \"verdict\" is missing"},
    {STUDY "}", "report.json", "{\"verdicts\": [{\"id\": \"A2\", \"verdict\": \"v\", \"interval\": [1]}]}",
     "report.json: \"verdicts\"[0]: \"interval\" is not two numbers"},
    {STUDY "}", "report.json", "{\"verdicts\": [{\"id\": \"A2\", \"verdict\": \"v\", \"model\": \"other\"}]}",
     "report.json: \"verdicts\"[0]: \"model\" is \"other\""},
};

/* A run that was there before stays as it was. */
static void test_broken(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512], units[512];

    sub(run, at->dir, "run");
    write_experiment(run, "x", 8);
    must_index(r, run);
    char *before = dump(r);
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        tempo_err err = {0};
        char path[512], says[1024];
        test_tmpdir_remove(run);
        test_mkdir(run);
        sub(units, run, "units");
        write_text(run, "manifest.json", broken[i].manifest);
        if (broken[i].file != NULL)
            write_text(run, broken[i].file, broken[i].text);
        if (broken[i].file != NULL && strcmp(broken[i].text, "7") == 0)
            write_text(run, broken[i].file, "}");
        const tempo_status st = tempo_registry_index(r, run, &err);
        test_path(path, run, broken[i].says);
        (void)snprintf(says, sizeof(says), "%s", path);
        if (st != TEMPO_E_FORMAT || strncmp(err.msg, says, strlen(says)) != 0)
            fail_msg("row %zu: status %d, '%s', expected '%s'", i, (int)st, err.msg, says);
        char *after = dump(r);
        assert_string_equal(after, before);
        free(after);
        assert_int_equal(tempo_registry_index(r, run, NULL), TEMPO_E_FORMAT);
    }
    free(before);
    tempo_err err = {0};
    test_tmpdir_remove(run);
    assert_int_equal(tempo_registry_index(r, run, &err), TEMPO_E_NOTFOUND);
    assert_non_null(strstr(err.msg, "no such directory"));
    test_mkdir(run);
    err = (tempo_err){0};
    assert_int_equal(tempo_registry_index(r, run, &err), TEMPO_E_NOTFOUND);
    assert_non_null(strstr(err.msg, "manifest.json"));
    assert_sound(r);
    tempo_registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_experiment),        REGISTRY_TEST(test_shapes),   REGISTRY_TEST(test_study),
        REGISTRY_TEST(test_function_of_files), REGISTRY_TEST(test_replaced), REGISTRY_TEST(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
