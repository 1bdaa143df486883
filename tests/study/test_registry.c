/* test_registry.c - the database of runs against hand-made directories: what goes in, what is refused, and
 * that neither a kill, nor a full disk, nor another process leaves half of anything. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "study/registry_db.h"
#include "support/tmpdir.h"

/* ---- set-up -------------------------------------------------------------------------- */

typedef struct place {
    char dir[256], db[512];
} place;

static int setup(void **state)
{
    place *at = calloc(1, sizeof(*at));

    assert_non_null(at);
    test_tmpdir_create(at->dir);
    test_path(at->db, at->dir, "runs.db");
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    place *at = *state;

    test_tmpdir_remove(at->dir);
    free(at);
    return 0;
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[512];

    test_path(path, dir, name);
    test_write_file(path, text, strlen(text));
}

/* dir/name, made */
static void sub(char out[512], const char *dir, const char *name)
{
    test_path(out, dir, name);
    test_mkdir(out);
}

static void write_manifest(const char *dir, const char *kind, const char *id, const char *more)
{
    char text[2048];

    (void)snprintf(
        text, sizeof(text),
        "{\"kind\": \"%s\", \"id\": \"%s\", \"name\": \"n-%s\", \"created\": \"2026-11-24T20:00:00Z\","
        " \"status\": \"complete\"%s}",
        kind, id, id, more);
    write_text(dir, "manifest.json", text);
}

#define MODEL                                                                                                \
    ", \"model\": {\"path\": \"/m\", \"name\": \"tiny\", \"architecture\": \"llama\", \"format\": \"gguf\"," \
    " \"parameters\": 7, \"sha256\": \"ab\"}"

/* Two arms of two steps; `last` is the id that the visible one selects last. */
static void write_experiment(const char *dir, const char *id, int last)
{
    char text[2048];

    write_manifest(dir, "experiment", id,
                   MODEL
                   ", \"argv\": [\"tempo\", \"x\"], \"threads\": 2, \"cpu_features\": [\"avx\", \"fma\"],"
                   " \"config\": {\"threshold\": 0.5}, \"times\": {\"total_ms\": 1.5},"
                   " \"files\": [{\"path\": \"results.json\", \"bytes\": 12, \"sha256\": \"cd\"}]");
    (void)snprintf(
        text, sizeof(text),
        "{\"prompt\": \"The cat\", \"prompt_ids\": [1, 2], \"arms\": {"
        "\"isolated\": {\"steps\": [{\"step\": 0, \"position\": 2.0, \"threshold\": 0.5, \"entropy\": 1.25,"
        " \"reached\": 2, \"capped\": false, \"eos\": false, \"members\": [{\"id\": 5, \"text\": \" a\","
        " \"probability\": 0.75, \"slot\": 2, \"position\": 2.0}, {\"id\": 6, \"text\": \" b\","
        " \"probability\": 0.5, \"slot\": null, \"position\": null}]}, {\"step\": 1, \"members\":"
        " [{\"id\": 7}]}], \"text\": \" a b c\", \"top_text\": \" a c\", \"stopped_by\": \"steps\"},"
        "\"visible\": {\"steps\": [{\"step\": 0, \"members\": [{\"id\": 6}, {\"id\": 5}]},"
        " {\"step\": 1, \"members\": [{\"id\": %d}]}]}}}",
        last);
    write_text(dir, "results.json", text);
}

static void write_unit(const char *study, const char *name, const char *prompt, double threshold,
                       double value)
{
    char units[512], text[1024], file[64];

    sub(units, study, "units");
    (void)snprintf(file, sizeof(file), "%s.json", name);
    (void)snprintf(
        text, sizeof(text),
        "{\"unit\": \"%s\", \"model\": 0, \"threshold\": %g, \"prompt\": {\"id\": \"%s\", \"stratum\":"
        " \"narrative\", \"text\": \"Text of %s\", \"tokens\": 4}, \"steps\": [{\"step\": 0, \"members\":"
        " [{\"id\": 1, \"text\": \"x\", \"probability\": 1}], \"metrics\": {\"tv\": %g, \"js\": null}}],"
        " \"values\": {\"A2\": %g, \"B\": null}}",
        name, threshold, prompt, prompt, value, value);
    write_text(units, file, text);
}

static void write_study(const char *dir, const char *id, double value, const char *verdict)
{
    char text[1024];

    write_manifest(dir, "study", id, ", \"models\": [{\"name\": \"tiny\"}]");
    write_unit(dir, "m0-t0.1-b", "pb", 0.1, value);
    write_unit(dir, "m0-t0.1-a", "pa", 0.1, value);
    write_unit(dir, "m0-t0.2-a", "pa", 0.2, value);
    (void)snprintf(
        text, sizeof(text),
        "{\"verdicts\": [{\"id\": \"A2\", \"model\": 0, \"threshold\": 0.1, \"family\": \"confirmatory\","
        " \"kind\": \"magnitude\", \"verdict\": \"%s\", \"n\": 2, \"mean\": %g, \"bound\": 0.01,"
        " \"p_adjusted\": 0.5, \"interval\": [0.25, null], \"more\": [1]},"
        " {\"id\": \"A2\", \"model\": \"tiny\", \"threshold\": 0.2, \"family\": \"confirmatory\","
        " \"kind\": \"magnitude\", \"verdict\": \"inconclusive\"},"
        " {\"id\": \"L1\", \"family\": \"exploratory\", \"verdict\": \"different\"}]}",
        verdict, value);
    write_text(dir, "report.json", text);
}

/* ---- looking inside ------------------------------------------------------------------ */

static tempo_registry *must_open(const char *path)
{
    tempo_registry *r;
    tempo_err err = {0};

    if (tempo_registry_open(&r, path, false, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return r;
}

static void must_index(tempo_registry *r, const char *dir)
{
    tempo_err err = {0};

    if (tempo_registry_index(r, dir, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static int64_t ask(tempo_registry *r, const char *sql)
{
    int64_t v;

    assert_int_equal(tempo_registry_int(r, sql, -99, &v, NULL, ""), TEMPO_OK);
    return v;
}

/* The rows of everything, as text (free): without the keys of runs, which depend on the order they came in.
 */
static char *dump(tempo_registry *r)
{
    static const struct {
        const char *table, *order;
    } tables[] = {
        {"runs", "r.id"},
        {"models", "model"},
        {"prompts", "prompt"},
        {"units", "unit"},
        {"arms", "unit, arm"},
        {"steps", "unit, arm, step"},
        {"members", "unit, arm, step, rank"},
        {"metrics", "unit, step, t.name"},
        {"verdicts", "verdict"},
        {"artefacts", "path"},
    };
    json_t *all = json_object(), *rows, *one;
    size_t k;

    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        char sql[256];
        (void)snprintf(sql, sizeof(sql),
                       "SELECT r.id AS of, t.* FROM %s t JOIN runs r ON r.run = t.run ORDER BY r.id, %s",
                       tables[i].table, tables[i].order);
        assert_int_equal(tempo_registry_rows(r, sql, &rows, NULL, ""), TEMPO_OK);
        json_array_foreach(rows, k, one)(void) json_object_del(one, "run");
        json_object_set_new(all, tables[i].table, rows);
    }
    char *text = json_dumps(all, JSON_SORT_KEYS | JSON_INDENT(1));
    json_decref(all);
    assert_non_null(text);
    return text;
}

static void assert_sound(tempo_registry *r)
{
    assert_int_equal(ask(r, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    assert_int_equal(ask(r, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(ask(r, "PRAGMA user_version"), TEMPO_REGISTRY_SCHEMA);
}

/* The member at a path such as "units.0.arms.1.text". */
static const json_t *at_path(const json_t *v, const char *path)
{
    while (*path != '\0' && v != NULL) {
        char key[64];
        const size_t n = strcspn(path, ".");
        (void)snprintf(key, sizeof(key), "%.*s", (int)n, path);
        v = json_is_array(v) ? json_array_get(v, (size_t)strtoul(key, NULL, 10)) : json_object_get(v, key);
        path += n + (path[n] == '.');
    }
    return v;
}

/* The value at a path is what this JSON says. */
static void assert_at(const json_t *doc, const char *path, const char *expected)
{
    const json_t *v = at_path(doc, path);
    char *got = v != NULL ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    if (got == NULL || strcmp(got, expected) != 0)
        fail_msg("%s is %s, expected %s", path, got != NULL ? got : "missing", expected);
    free(got);
}

static json_t *must_show(tempo_registry *r, const char *id)
{
    json_t *doc;
    tempo_err err = {0};

    if (tempo_registry_show(r, id, &doc, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return doc;
}

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

static bool count_met(void *user, const char *dir, const tempo_err *failure)
{
    size_t *n = user;

    (void)dir;
    n[failure != NULL]++;
    return true;
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

/* ---- walking ------------------------------------------------------------------------- */

static bool stop_at_once(void *user, const char *dir, const tempo_err *failure)
{
    (void)user;
    (void)dir;
    (void)failure;
    return false;
}

static void test_rebuild(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char tree[512], deep[512], path[512];
    size_t met[2] = {0}, n;
    tempo_err err = {0};

    sub(tree, at->dir, "tree");
    write_experiment(tree, "top", 8);
    sub(deep, tree, "a");
    sub(deep, tree, "a/b");
    write_study(deep, "deep", 0.5, "different");
    sub(deep, tree, "extension"); /* of a browser, say */
    write_text(deep, "manifest.json", "{\"manifest_version\": 3}");
    sub(deep, tree, "broken");
    write_text(deep, "manifest.json", "{\"kind\": \"study\"}");
    test_path(path, tree, "loop");
    assert_int_equal(symlink(".", path), 0);
    sub(deep, tree, ".hidden");
    write_experiment(deep, "hidden", 8);
    assert_int_equal(tempo_registry_rebuild(r, tree, count_met, met, &n, NULL), TEMPO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(met[0], 2);
    assert_int_equal(met[1], 1);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs WHERE id IN ('top', 'deep')"), 2);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 2);

    assert_int_equal(tempo_registry_rebuild(r, tree, stop_at_once, NULL, &n, &err), TEMPO_E_STOPPED);
    assert_int_equal(n, 1);
    err = (tempo_err){0};
    test_path(path, tree, "nowhere");
    assert_int_equal(tempo_registry_rebuild(r, path, count_met, met, &n, &err), TEMPO_E_IO);
    assert_non_null(strstr(err.msg, "nowhere: cannot be read"));
    err = (tempo_err){0};
    test_path(path, tree, "results.json");
    assert_int_equal(tempo_registry_rebuild(r, path, count_met, met, &n, &err), TEMPO_E_FORMAT);
    tempo_registry_free(r);
}

static void test_gc(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char a[512], b[512];
    json_t *gone;

    sub(a, at->dir, "a");
    sub(b, at->dir, "b");
    write_study(a, "s1", 0.5, "different");
    write_experiment(b, "e1", 8);
    static char large[50000], name[49000]; /* enough to fill pages */
    memset(name, 'x', sizeof(name) - 1);
    (void)snprintf(large, sizeof(large), "{\"verdicts\": [{\"id\": \"A2\", \"verdict\": \"%s\"}]}", name);
    write_text(a, "report.json", large);
    must_index(r, a);
    must_index(r, b);
    assert_int_equal(tempo_registry_gc(r, false, &gone, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(gone), 0);
    json_decref(gone);
    test_tmpdir_remove(a);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tempo_registry_gc(r, true, &gone, NULL), TEMPO_OK);
        assert_int_equal(json_array_size(gone), 1);
        assert_at(gone, "0.id", "\"s1\"");
        json_decref(gone);
        assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 2);
    }
    assert_int_equal(tempo_registry_gc(r, false, &gone, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(gone), 1);
    json_decref(gone);
    assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 1);
    assert_int_equal(ask(r, "SELECT (SELECT count(*) FROM units) + (SELECT count(*) FROM verdicts)"), 1);
    assert_int_equal(ask(r, "PRAGMA freelist_count"), 0);
    assert_sound(r);
    tempo_registry_free(r);
}

/* ---- asking -------------------------------------------------------------------------- */

static void test_list_and_ids(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;
    int64_t key;
    tempo_err err = {0};

    assert_int_equal(tempo_registry_list(r, &d, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(d), 0);
    json_decref(d);
    static const char *const ids[] = {"20261124-a", "20261124-ab", "20261125-%"};
    for (size_t i = 0; i < 3; i++) {
        sub(run, at->dir, ids[i]);
        write_experiment(run, ids[i], 8);
        must_index(r, run);
    }
    write_text(run, "manifest.json",
               "{\"kind\": \"study\", \"id\": \"20261125-%\", \"created\":"
               " \"2027-01-01T00:00:00Z\", \"status\": \"running\"}");
    must_index(r, run);
    assert_int_equal(tempo_registry_list(r, &d, NULL), TEMPO_OK);
    assert_at(d, "0.id", "\"20261125-%\"");
    assert_at(d, "0.name", "\"20261125-%\"");
    assert_at(d, "0.model", "null");
    assert_at(d, "0.units", "0");
    assert_at(d, "1.id", "\"20261124-ab\"");
    assert_at(d, "2.id", "\"20261124-a\"");
    assert_at(d, "2.model", "\"tiny\"");
    assert_at(d, "2.models", "1");
    assert_at(d, "2.headline", "[]");
    assert_null(at_path(d, "2.run"));
    json_decref(d);

    assert_int_equal(tempo_registry_find(r, "20261124-a", &key, &err), TEMPO_OK); /* whole: not ambiguous */
    assert_int_equal(tempo_registry_find(r, "20261125", &key, &err), TEMPO_OK);
    assert_int_equal(tempo_registry_show(r, "20261124", &d, &err), TEMPO_E_ARG);
    assert_null(d);
    assert_string_equal(err.msg, "'20261124' begins the ids of several runs: 20261124-a, 20261124-ab");
    static const char *const none[] = {"2027", "", "%", "20261125-%%", "_"};
    for (size_t i = 0; i < 5; i++) {
        err = (tempo_err){0};
        assert_int_equal(tempo_registry_show(r, none[i], &d, &err), TEMPO_E_NOTFOUND);
        assert_non_null(strstr(err.msg, "no run's id begins with"));
    }
    tempo_registry_free(r);
}

static json_t *must_compare(tempo_registry *r, const char *a, const char *b)
{
    json_t *doc;
    tempo_err err = {0};

    if (tempo_registry_compare(r, a, b, &doc, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return doc;
}

static void test_compare_experiments(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;

    sub(run, at->dir, "a");
    write_experiment(run, "a", 8);
    must_index(r, run);
    sub(run, at->dir, "b");
    write_experiment(run, "b", 9);
    must_index(r, run);
    sub(run, at->dir, "c");
    write_experiment(run, "c", 8);
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "true");
    assert_at(d, "compared_by", "\"id\"");
    json_decref(d);
    for (int i = 0; i < 2; i++) { /* twice: nothing is left of the first */
        d = must_compare(r, "a", "b");
        assert_at(d, "same", "false");
        assert_at(d, "a.id", "\"a\"");
        assert_at(d, "b.model", "\"tiny\"");
        assert_at(d, "units.0.prompt", "\"The cat\"");
        assert_at(d, "units.0.arms",
                  "[{\"a\":\"isolated\",\"b\":\"isolated\",\"steps_a\":2,\"steps_b\":2,\"common\":2,"
                  "\"differ\":[]},{\"a\":\"visible\",\"b\":\"visible\",\"steps_a\":2,\"steps_b\":2,"
                  "\"common\":2,\"differ\":[1]}]");
        json_decref(d);
    }
    /* one arm against one of another name; fewer steps; another model: texts count, and the order does not */
    sub(run, at->dir, "one");
    write_manifest(run, "generate", "one", ", \"model\": {\"name\": \"m1\"}");
    write_text(run, "results.json",
               "{\"prompt\": \"p\", \"threshold\": 0.5, \"config\": {\"mode\": \"visible\"}, \"steps\":"
               " [{\"step\": 0, \"members\": [{\"id\": 1, \"text\": \"x\"}, {\"id\": 2, \"text\":"
               " \"y\"}]}, {\"step\": 1, \"members\": []}]}");
    must_index(r, run);
    sub(run, at->dir, "two");
    write_manifest(run, "generate", "two", ", \"model\": {\"name\": \"m2\"}");
    write_text(run, "results.json",
               "{\"prompt\": \"p\", \"threshold\": 0.5, \"config\": {\"mode\": \"causal\"}, \"steps\":"
               " [{\"step\": 0, \"members\": [{\"id\": 3, \"text\": \"y\"}, {\"id\": 4, \"text\":"
               " \"x\"}]}]}");
    must_index(r, run);
    d = must_compare(r, "one", "two");
    assert_at(d, "compared_by", "\"text\"");
    assert_at(d, "same", "false");
    assert_at(d, "units.0.arms",
              "[{\"a\":\"visible\",\"b\":\"causal\",\"steps_a\":2,\"steps_b\":1,\"common\":1,"
              "\"differ\":[]}]");
    json_decref(d);
    /* nothing in common */
    d = must_compare(r, "one", "a");
    assert_at(d, "units", "[]");
    assert_at(d, "only_a", "[{\"prompt\":\"p\",\"threshold\":0.5}]");
    assert_at(d, "only_b", "[{\"prompt\":\"The cat\",\"threshold\":0.5}]");
    assert_at(d, "same", "false");
    json_decref(d);
    /* an arm that only one has */
    sub(run, at->dir, "arms");
    write_manifest(run, "experiment", "arms", MODEL);
    write_text(run, "results.json",
               "{\"prompt\": \"The cat\", \"threshold\": 0.5, \"arms\": {\"isolated\": {\"steps\": []},"
               " \"replay\": {\"steps\": []}}}");
    must_index(r, run);
    d = must_compare(r, "a", "arms");
    assert_at(d, "units.0.arms.0.common", "0");
    assert_at(d, "units.0.arms.1", "{\"a\":\"visible\",\"b\":null}");
    assert_at(d, "units.0.arms.2", "{\"a\":null,\"b\":\"replay\"}");
    json_decref(d);
    /* the same prompt and threshold twice: by their places */
    sub(run, at->dir, "twice");
    write_manifest(run, "experiment", "twice", MODEL);
    write_text(run, "results.json",
               "{\"cases\": [{\"prompt\": \"p\", \"steps\": []}, {\"prompt\": \"p\", \"steps\": []}]}");
    must_index(r, run);
    d = must_compare(r, "twice", "twice");
    assert_int_equal(json_array_size(json_object_get(d, "units")), 2);
    assert_at(d, "same", "true");
    json_decref(d);
    assert_int_equal(tempo_registry_compare(r, "a", "nobody", &d, NULL), TEMPO_E_NOTFOUND);
    assert_null(d);
    tempo_registry_free(r);
}

static void test_compare_studies(void **state)
{
    const place *at = *state;
    tempo_registry *r = must_open(at->db);
    char run[512];
    json_t *d;

    sub(run, at->dir, "a");
    write_study(run, "a", 0.5, "different");
    must_index(r, run);
    sub(run, at->dir, "b");
    write_study(run, "b", 0.75, "inconclusive");
    write_unit(run, "m0-t0.3-a", "pa", 0.3, 1);
    must_index(r, run);
    sub(run, at->dir, "c");
    write_study(run, "c", 0.5, "different");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "true");
    json_decref(d);
    d = must_compare(r, "a", "b");
    assert_at(d, "same", "false");
    assert_int_equal(json_array_size(json_object_get(d, "units")), 3);
    assert_at(d, "only_a", "[]");
    assert_at(d, "only_b.0.prompt", "\"Text of pa\"");
    assert_at(d, "metrics.0",
              "{\"name\":\"A2\",\"scope\":\"unit\",\"n\":3,\"mean_a\":0.5,\"mean_b\":0.75,"
              "\"max_difference\":0.25,\"unequal\":3}");
    assert_at(d, "metrics.1.unequal", "0"); /* null and null */
    assert_at(d, "metrics.3.scope", "\"step\"");
    assert_at(d, "metrics_of_one", "0");
    assert_at(d, "verdicts.0.verdict_a", "\"different\"");
    assert_at(d, "verdicts.0.verdict_b", "\"inconclusive\"");
    assert_at(d, "verdicts.0.same", "false");
    assert_at(d, "verdicts.1.same", "true");
    json_decref(d);
    /* one thing is enough to differ */
    write_study(run, "c", 0.5, "equivalent");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "false");
    assert_at(d, "verdicts.0.same", "false");
    assert_at(d, "metrics.0.unequal", "0");
    json_decref(d);
    write_study(run, "c", 0.5, "different");
    write_text(
        run, "units/m0-t0.2-a.json",
        "{\"model\": 0, \"threshold\": 0.2, \"prompt\": \"Text of pa\", \"steps\": [{\"step\": 0, "
        "\"members\":"
        " [{\"id\": 1}], \"metrics\": {\"tv\": 0.5, \"js\": null, \"more\": 1}}], \"values\": {\"A2\": 0.5,"
        " \"B\": null}}");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "false");
    assert_at(d, "metrics_of_one", "1");
    json_decref(d);
    write_study(run, "c", 0.5, "different");
    /* a verdict and a metric that only one has, on either side */
    write_text(run, "report.json", "{\"verdicts\": [{\"id\": \"new\", \"verdict\": \"identical\"}]}");
    write_text(run, "units/m0-t0.1-a.json",
               "{\"model\": 0, \"threshold\": 0.1, \"prompt\": \"Text of pa\", \"steps\": [],"
               " \"values\": {\"A2\": 0.5, \"Z\": 1}}");
    must_index(r, run);
    d = must_compare(r, "a", "c");
    assert_at(d, "same", "false");
    assert_at(d, "metrics_of_one", "4"); /* B, tv and js of a; Z of c */
    assert_int_equal(json_array_size(json_object_get(d, "verdicts")), 4);
    assert_at(d, "verdicts.0.verdict_b", "null");
    assert_at(d, "verdicts.3.verdict_a", "null");
    assert_at(d, "verdicts.3.id", "\"new\"");
    json_decref(d);
    tempo_registry_free(r);
}

/* ---- opening ------------------------------------------------------------------------- */

static void sqlite_do(const char *path, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void assert_no_open(const char *path, bool existing, tempo_status st, const char *says)
{
    tempo_registry *r = (tempo_registry *)&r;
    tempo_err err = {0};

    assert_int_equal(tempo_registry_open(&r, path, existing, &err), st);
    assert_null(r);
    if (strstr(err.msg, says) == NULL || (says[0] == '\0' && err.msg[0] != '\0'))
        fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void test_open(void **state)
{
    const place *at = *state;
    char path[512];
    size_t n, m;

    assert_no_open(at->db, true, TEMPO_E_NOTFOUND, "");
    assert_no_open("", false, TEMPO_E_ARG, "is empty");
    assert_no_open(at->dir, false, TEMPO_E_FORMAT, "is not a database but a directory");
    assert_no_open("/dev/null", false, TEMPO_E_FORMAT, "a device");
    test_path(path, at->dir, "nowhere/runs.db");
    assert_no_open(path, false, TEMPO_E_IO, "nowhere/runs.db: ");
    assert_no_open(path, true, TEMPO_E_NOTFOUND, "");

    test_path(path, at->dir, "text");
    write_text(at->dir, "text",
               "This is a text about runs, and it is no database at all; it is long enough to be one.");
    assert_no_open(path, false, TEMPO_E_FORMAT, "text: is not an SQLite database");
    unsigned char *text = test_read_file(path, &n);
    assert_int_equal(n, 85);
    free(text);

    test_path(path, at->dir, "other");
    sqlite_do(path, "CREATE TABLE t(x); PRAGMA user_version=1");
    unsigned char *before = test_read_file(path, &n);
    assert_no_open(path, false, TEMPO_E_FORMAT, "not one of runs of tempo");
    unsigned char *after = test_read_file(path, &m);
    assert_int_equal(m, n); /* not even its mode has changed */
    assert_memory_equal(after, before, n);
    free(before);
    free(after);

    sqlite_do(path, "PRAGMA user_version=7");
    assert_no_open(path, false, TEMPO_E_FORMAT, "not one of runs of tempo");

    tempo_registry_free(must_open(at->db));
    sqlite_do(at->db, "PRAGMA user_version=7");
    assert_no_open(at->db, false, TEMPO_E_UNSUPPORTED,
                   "version 7, this program knows 1: a newer tempo wrote it");
    tempo_registry_free(NULL);

    /* empty, and cut short */
    test_path(path, at->dir, "empty");
    write_text(at->dir, "empty", "");
    tempo_registry *r = must_open(path);
    assert_sound(r);
    assert_string_equal(tempo_registry_path(r), path);
    tempo_registry_free(r);
    assert_int_equal(truncate(path, 5000), 0);
    assert_no_open(path, false, TEMPO_E_FORMAT, "the database is damaged");
}

/* A name means nothing special to SQLite. */
static void test_names(void **state)
{
    static const char *const names[] = {":memory:", "file:x?mode=memory", "-x"};
    const place *at = *state;
    const char *here = getcwd((char[512]){0}, 512);

    assert_non_null(here);
    assert_int_equal(chdir(at->dir), 0);
    for (size_t i = 0; i < 3; i++) {
        tempo_registry_free(must_open(names[i]));
        assert_int_equal(access(names[i], R_OK), 0);
    }
    assert_int_equal(chdir(here), 0);
}

static void test_default_path(void **state)
{
    const place *at = *state;
    char path[512], want[600], base[512];
    struct stat sb;
    tempo_registry *r;
    tempo_err err = {0};

    assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
    assert_int_equal(setenv("HOME", at->dir, 1), 0);
    assert_int_equal(tempo_registry_default_path(path, sizeof(path), NULL), TEMPO_OK);
    assert_string_equal(path, "/data/tempo/runs.db");
    assert_int_equal(tempo_registry_default_path(path, 19, &err), TEMPO_E_LIMIT);
    assert_int_equal(tempo_registry_default_path(path, 20, NULL), TEMPO_OK);
    assert_int_equal(setenv("XDG_DATA_HOME", "relative", 1), 0); /* counts as unset */
    (void)snprintf(want, sizeof(want), "%s/.local/share/tempo/runs.db", at->dir);
    assert_int_equal(tempo_registry_default_path(path, sizeof(path), NULL), TEMPO_OK);
    assert_string_equal(path, want);
    assert_no_open(NULL, true, TEMPO_E_NOTFOUND, "");
    test_path(base, at->dir, ".local");
    assert_int_equal(stat(base, &sb), -1); /* looking makes nothing */

    const mode_t old = umask(0);
    assert_int_equal(tempo_registry_open(&r, NULL, false, NULL), TEMPO_OK);
    (void)umask(old);
    assert_string_equal(tempo_registry_path(r), want);
    tempo_registry_free(r);
    test_path(base, at->dir, ".local/share/tempo");
    assert_int_equal(stat(base, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0700);
    assert_int_equal(tempo_registry_open(&r, NULL, true, NULL), TEMPO_OK);
    tempo_registry_free(r);

    static const char *const homes[] = {"", "relative", NULL};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(homes[i] != NULL ? setenv("HOME", homes[i], 1) : unsetenv("HOME"), 0);
        assert_no_open(NULL, false, TEMPO_E_NOTFOUND, "neither XDG_DATA_HOME nor HOME says");
    }
}

/* Run f in a process of its own; its exit status. */
static int in_child(void (*f)(void *), void *arg)
{
    int status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        f(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* A directory that may not be written: nothing but a message. */
static void open_as_nobody(void *arg)
{
    tempo_registry *r;
    tempo_err err = {0};

    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(77);
    if (tempo_registry_open(&r, arg, false, &err) == TEMPO_OK)
        _exit(1);
    if (err.code != TEMPO_E_IO || strncmp(err.msg, arg, strlen(arg)) != 0 ||
        strstr(err.msg, "its directory must be writable") == NULL)
        _exit(2);
    _exit(0);
}

static void test_read_only(void **state)
{
    const place *at = *state;

    assert_int_equal(chmod(at->dir, 0555), 0);
    const int without = in_child(open_as_nobody, (void *)at->db);
    assert_int_equal(chmod(at->dir, 0755), 0);
    tempo_registry_free(must_open(at->db));
    assert_int_equal(chmod(at->dir, 0555), 0);
    const int with = in_child(open_as_nobody, (void *)at->db);
    assert_int_equal(chmod(at->dir, 0755), 0);
    if (WEXITSTATUS(without) == 77)
        skip();
    assert_int_equal(without, 0);
    assert_int_equal(with, 0);
}

/* ---- other processes, full disks, kills ---------------------------------------------- */

static void test_busy(void **state)
{
    const place *at = *state;
    tempo_registry *holder = must_open(at->db), *r = must_open(at->db);
    char run[512];
    json_t *d;
    tempo_err err = {0};

    sub(run, at->dir, "run");
    write_experiment(run, "e1", 8);
    must_index(r, run);
    assert_int_equal(tempo_registry_exec(holder, "BEGIN IMMEDIATE; DELETE FROM runs", NULL), TEMPO_OK);
    assert_int_equal(sqlite3_busy_timeout(r->db, 1), SQLITE_OK);
    assert_int_equal(tempo_registry_index(r, run, &err), TEMPO_E_IO);
    assert_int_equal(err.os_errno, EBUSY);
    assert_non_null(strstr(err.msg, "another process"));
    /* who reads does not wait, and sees what was */
    assert_int_equal(tempo_registry_list(r, &d, NULL), TEMPO_OK);
    assert_int_equal(json_array_size(d), 1);
    json_decref(d);
    tempo_registry_free(holder);
    must_index(r, run);
    tempo_registry_free(r);
}

typedef struct job {
    const place *at;
    int which;
} job;

enum { JOB_RUNS = 12 };

/* A child's work: its own runs, and one that both write. */
static void index_many(void *arg)
{
    const job *j = arg;
    tempo_registry *r;
    char run[512], name[32];

    if (tempo_registry_open(&r, j->at->db, false, NULL) != TEMPO_OK)
        _exit(1);
    for (int i = 0; i < JOB_RUNS; i++) {
        (void)snprintf(name, sizeof(name), "%d-%d", j->which, i);
        test_path(run, j->at->dir, name);
        if (tempo_registry_index(r, run, NULL) != TEMPO_OK)
            _exit(2);
        test_path(run, j->at->dir, "both");
        if (tempo_registry_index(r, run, NULL) != TEMPO_OK)
            _exit(3);
    }
    tempo_registry_free(r);
    _exit(0);
}

static void test_two_writers(void **state)
{
    const place *at = *state;
    job jobs[2] = {{at, 0}, {at, 1}};
    char run[512], name[32], other[512];
    pid_t pid[2];
    size_t met[2] = {0}, n;

    for (int i = 0; i < 2 * JOB_RUNS; i++) {
        (void)snprintf(name, sizeof(name), "%d-%d", i % 2, i / 2);
        sub(run, at->dir, name);
        write_study(run, name, i, "different");
    }
    sub(run, at->dir, "both");
    write_experiment(run, "both", 8);
    for (int i = 0; i < 2; i++) { /* the database is not there yet */
        assert_true((pid[i] = fork()) >= 0);
        if (pid[i] == 0)
            index_many(&jobs[i]);
    }
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    tempo_registry *r = must_open(at->db);
    assert_sound(r);
    char *got = dump(r);
    tempo_registry_free(r);
    test_path(other, at->dir, "other.db");
    r = must_open(other);
    assert_int_equal(tempo_registry_rebuild(r, at->dir, count_met, met, &n, NULL), TEMPO_OK);
    assert_int_equal(met[0], 2 * JOB_RUNS + 1);
    char *want = dump(r);
    tempo_registry_free(r);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

/* What SQLite writes with, so that a write can fail, or be the last thing a process does. */
static struct {
    long writes, limit; /* the write with this number, -1: none */
    bool kill;
} fault = {0, -1, false};

static bool at_fault(void)
{
    const bool hit = fault.limit >= 0 && fault.writes >= fault.limit;

    fault.writes++;
    if (hit && fault.kill)
        (void)kill(getpid(), SIGKILL);
    if (hit)
        errno = ENOSPC;
    return hit;
}

static ssize_t faulty_pwrite(int fd, const void *p, size_t n, off_t offset)
{
    return at_fault() ? -1 : pwrite(fd, p, n, offset);
}

static ssize_t faulty_write(int fd, const void *p, size_t n)
{
    return at_fault() ? -1 : write(fd, p, n);
}

static int faulty_ftruncate(int fd, off_t n)
{
    if (fault.kill)
        (void)at_fault();
    return ftruncate(fd, n);
}

static int faulty_unlink(const char *path)
{
    if (fault.kill)
        (void)at_fault();
    return unlink(path);
}

static int set_faults(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)faulty_pwrite), SQLITE_OK);
    (void)vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)faulty_pwrite); /* where it is used */
    assert_int_equal(vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)faulty_write), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)faulty_ftruncate), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)faulty_unlink), SQLITE_OK);
    fault.writes = 0;
    fault.limit = -1;
    fault.kill = false;
    return setup(state);
}

static int clear_faults(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    (void)vfs->xSetSystemCall(vfs, NULL, NULL);
    return teardown(state);
}

typedef struct versions {
    char run[512], *old, *new; /* what the database holds before and after */
} versions;

/* A run in two versions; the database holds the old one, the directory the new one. */
static void make_versions(const place *at, versions *v)
{
    tempo_registry *r = must_open(at->db);

    sub(v->run, at->dir, "run");
    write_study(v->run, "s1", 0.75, "inconclusive");
    must_index(r, v->run);
    v->new = dump(r);
    write_study(v->run, "s1", 0.5, "different");
    must_index(r, v->run);
    v->old = dump(r);
    assert_string_not_equal(v->old, v->new);
    tempo_registry_free(r);
}

static void remove_database(const place *at)
{
    static const char *const endings[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < 3; i++) {
        char path[600];
        (void)snprintf(path, sizeof(path), "%s%s", at->db, endings[i]);
        (void)unlink(path);
    }
}

/* The database as it is found: sound, and one version or the other; true: the new one.  fresh: or nothing. */
static bool is_new(const place *at, const versions *v, bool fresh)
{
    tempo_registry *r = must_open(at->db);

    assert_sound(r);
    char *got = dump(r);
    const bool new = strcmp(got, v->new) == 0;
    if (!new &&fresh)
        assert_int_equal(ask(r, "SELECT count(*) FROM runs"), 0);
    else if (!new)
        assert_string_equal(got, v->old);
    free(got);
    tempo_registry_free(r);
    return new;
}

/* Back to the old version, or to nothing; the directory has the new one. */
static void rewind_database(const place *at, const versions *v, bool fresh)
{
    if (fresh) {
        remove_database(at);
    } else {
        tempo_registry *r = must_open(at->db);
        write_study(v->run, "s1", 0.5, "different");
        must_index(r, v->run);
        tempo_registry_free(r);
    }
    write_study(v->run, "s1", 0.75, "inconclusive");
}

static void test_full_disk(void **state)
{
    const place *at = *state;
    versions v;

    make_versions(at, &v);
    for (int fresh = 0; fresh < 2; fresh++) {
        long failures = 0, refused = 0;
        for (long k = 0;; k++) {
            tempo_registry *r;
            tempo_err err = {0};
            rewind_database(at, &v, fresh);
            fault.writes = 0;
            fault.limit = k;
            tempo_status st = tempo_registry_open(&r, at->db, false, &err);
            if (st == TEMPO_OK)
                st = tempo_registry_index(r, v.run, &err);
            tempo_registry_free(r);
            const bool hit = fault.writes > k;
            fault.limit = -1;
            assert_true(is_new(at, &v, fresh) == (st == TEMPO_OK));
            failures += hit;
            refused += st != TEMPO_OK;
            if (st != TEMPO_OK &&
                (err.os_errno != ENOSPC || strstr(err.msg, "No space left on device") == NULL))
                fail_msg("write %ld: '%s'", k, err.msg);
            if (!hit)
                break;
        }
        assert_true(failures > 8 && refused > 4); /* it was there to be hit */
    }
    free(v.old);
    free(v.new);
}

typedef struct victim {
    const place *at;
    const char *run;
} victim;

static void index_and_die(void *arg)
{
    const victim *v = arg;
    tempo_registry *r;

    if (tempo_registry_open(&r, v->at->db, false, NULL) != TEMPO_OK ||
        tempo_registry_index(r, v->run, NULL) != TEMPO_OK)
        _exit(1);
    tempo_registry_free(r);
    _exit(0);
}

/* Kill -9 before the k-th write, for every k. */
static void test_killed(void **state)
{
    const place *at = *state;
    versions v;

    make_versions(at, &v);
    for (int fresh = 0; fresh < 2; fresh++) {
        long killed = 0, old = 0;
        for (long k = 0;; k++) {
            const victim who = {at, v.run};
            rewind_database(at, &v, fresh);
            fault.writes = 0;
            fault.limit = k;
            fault.kill = true;
            const int status = in_child(index_and_die, (void *)&who);
            fault.limit = -1;
            fault.kill = false;
            const bool died = WIFSIGNALED(status);
            assert_true(died ? WTERMSIG(status) == SIGKILL : status == 0);
            const bool new = is_new(at, &v, fresh);
            killed += died;
            old += !new;
            if (!died) {
                assert_true(new);
                break;
            }
        }
        assert_true(killed > 8 && old > 4 && old < killed);
    }
    free(v.old);
    free(v.new);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, set_faults, clear_faults)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_experiment),      TEST(test_shapes),
        TEST(test_study),           TEST(test_function_of_files),
        TEST(test_replaced),        TEST(test_broken),
        TEST(test_rebuild),         TEST(test_gc),
        TEST(test_list_and_ids),    TEST(test_compare_experiments),
        TEST(test_compare_studies), TEST(test_open),
        TEST(test_names),           TEST(test_default_path),
        TEST(test_read_only),       TEST(test_busy),
        TEST(test_two_writers),     FAULT_TEST(test_full_disk),
        FAULT_TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
