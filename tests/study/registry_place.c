#include "registry_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

int registry_setup(void **state)
{
    place *at = calloc(1, sizeof(*at));

    assert_non_null(at);
    test_tmpdir_create(at->dir);
    test_path(at->db, at->dir, "runs.db");
    *state = at;
    return 0;
}

int registry_teardown(void **state)
{
    place *at = *state;

    test_tmpdir_remove(at->dir);
    free(at);
    return 0;
}

void write_text(const char *dir, const char *name, const char *text)
{
    char path[512];

    test_path(path, dir, name);
    test_write_file(path, text, strlen(text));
}

void sub(char out[512], const char *dir, const char *name)
{
    test_path(out, dir, name);
    test_mkdir(out);
}

void write_manifest(const char *dir, const char *kind, const char *id, const char *more)
{
    char text[2048];

    (void)snprintf(
        text, sizeof(text),
        "{\"kind\": \"%s\", \"id\": \"%s\", \"name\": \"n-%s\", \"created\": \"2026-11-24T20:00:00Z\","
        " \"status\": \"complete\"%s}",
        kind, id, id, more);
    write_text(dir, "manifest.json", text);
}

void write_experiment(const char *dir, const char *id, int last)
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

void write_unit(const char *study, const char *name, const char *prompt, double threshold, double value)
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

void write_study(const char *dir, const char *id, double value, const char *verdict)
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

tempo_registry *must_open(const char *path)
{
    tempo_registry *r;
    tempo_err err = {0};

    if (tempo_registry_open(&r, path, false, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return r;
}

void must_index(tempo_registry *r, const char *dir)
{
    tempo_err err = {0};

    if (tempo_registry_index(r, dir, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

int64_t ask(tempo_registry *r, const char *sql)
{
    int64_t v;

    assert_int_equal(tempo_registry_int(r, sql, -99, &v, NULL, ""), TEMPO_OK);
    return v;
}

char *dump(tempo_registry *r)
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

void assert_sound(tempo_registry *r)
{
    assert_int_equal(ask(r, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    assert_int_equal(ask(r, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(ask(r, "PRAGMA user_version"), TEMPO_REGISTRY_SCHEMA);
}

const json_t *at_path(const json_t *v, const char *path)
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

void assert_at(const json_t *doc, const char *path, const char *expected)
{
    const json_t *v = at_path(doc, path);
    char *got = v != NULL ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    if (got == NULL || strcmp(got, expected) != 0)
        fail_msg("%s is %s, expected %s", path, got != NULL ? got : "missing", expected);
    free(got);
}

json_t *must_show(tempo_registry *r, const char *id)
{
    json_t *doc;
    tempo_err err = {0};

    if (tempo_registry_show(r, id, &doc, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return doc;
}

bool count_met(void *user, const char *dir, const tempo_err *failure)
{
    size_t *n = user;

    (void)dir;
    n[failure != NULL]++;
    return true;
}

int in_child(void (*f)(void *), void *arg)
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
