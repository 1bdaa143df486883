/* query.c - the list of runs, and everything about one. */
#include <stdio.h>
#include <string.h>

#include "registry/db.h"

/* ---- which ---- */

tempo_status tempo_registry_find(tempo_registry *r, const char *id, int64_t *run, tempo_err *err)
{
    static const char beginning[] =
        "SELECT id FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 4";
    json_t *found = NULL;
    char some[256] = "";
    tempo_status st;

    if ((st = tempo_registry_int(r, "SELECT run FROM runs WHERE id = ?", TEMPO_REGISTRY_NO_INT, run, err, "s",
                                 id)) != TEMPO_OK ||
        *run != TEMPO_REGISTRY_NO_INT)
        return st;
    if ((st = tempo_registry_rows(r, beginning, &found, err, "s", id)) != TEMPO_OK)
        return st;
    const size_t n = id[0] != '\0' ? json_array_size(found) : 0;
    for (size_t i = 0, at = 0; i < n && i < 3 && at < sizeof(some); i++)
        at += (size_t)snprintf(some + at, sizeof(some) - at, "%s%.60s", i > 0 ? ", " : "",
                               json_string_value(json_object_get(json_array_get(found, i), "id")));
    if (n == 0)
        st = tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: no run's id begins with '%.64s'",
                        r->path, id);
    else if (n > 1)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "'%.64s' begins the ids of several runs: %s%s", id,
                        some, n > 3 ? ", ..." : "");
    else
        st = tempo_registry_int(r, "SELECT run FROM runs WHERE substr(id, 1, length(?1)) = ?1",
                                TEMPO_REGISTRY_NO_INT, run, err, "s", id);
    json_decref(found);
    return st;
}

/* ---- documents ---- */

/* object[key] = the rows of sql, whose parameters are of the format "i" and "ii". */
static tempo_status set_rows(tempo_registry *r, json_t *object, const char *key, const char *sql,
                             tempo_err *err, int64_t a, int64_t b)
{
    json_t *rows;
    const tempo_status st =
        tempo_registry_rows(r, sql, &rows, err, b == TEMPO_REGISTRY_NO_INT ? "i" : "ii", a, b);

    return st == TEMPO_OK ? tempo_registry_set(object, key, rows, err) : st;
}

/* [{"id", "verdict"}] -> [{"id", "verdicts": [...]}] */
static json_t *collect_verdicts(const json_t *rows)
{
    json_t *list = json_array(), *byid = json_object();

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *id = json_string_value(json_object_get(row, "id"));
        json_t *verdicts = json_object_get(byid, id);
        if (verdicts == NULL) {
            verdicts = json_array();
            (void)json_object_set_new(byid, id, verdicts);
            (void)json_array_append_new(
                list, json_pack("{s:O, s:O}", "id", json_object_get(row, "id"), "verdicts", verdicts));
        }
        (void)json_array_append(verdicts, json_object_get(row, "verdict"));
    }
    json_decref(byid);
    return list;
}

static tempo_status set_headline(tempo_registry *r, json_t *object, int64_t run, tempo_err *err)
{
    static const char sql[] = "WITH v AS (SELECT *, coalesce(family = 'confirmatory', 0) OR coalesce(kind = "
                              "'confirmatory', 0) AS main"
                              " FROM verdicts WHERE run = ?1)"
                              " SELECT id, outcome AS verdict FROM v WHERE main = (SELECT max(main) FROM v)"
                              " GROUP BY id, outcome ORDER BY min(v.verdict)";
    json_t *rows;
    tempo_status st;

    if ((st = tempo_registry_rows(r, sql, &rows, err, "i", run)) != TEMPO_OK)
        return st;
    st = tempo_registry_set(object, "headline", collect_verdicts(rows), err);
    json_decref(rows);
    return st;
}

/* Take the key of a row out of it. */
static int64_t take_key(json_t *o, const char *name)
{
    const int64_t key = json_integer_value(json_object_get(o, name));

    (void)json_object_del(o, name);
    return key;
}

static tempo_status list(tempo_registry *r, json_t **doc, tempo_err *err)
{
    static const char sql[] = "SELECT run, id, kind, name, created, status, dir, (SELECT name FROM models m "
                              "WHERE m.run = r.run AND model = 0)"
                              " AS model, (SELECT count(*) FROM models m WHERE m.run = r.run) AS models,"
                              " (SELECT count(*) FROM units u WHERE u.run = r.run) AS units FROM runs r "
                              "ORDER BY created DESC, id DESC";
    json_t *one;
    size_t i;
    tempo_status st;

    if ((st = tempo_registry_rows(r, sql, doc, err, "")) != TEMPO_OK)
        return st;
    json_array_foreach(*doc, i, one)
    {
        if (st == TEMPO_OK)
            st = set_headline(r, one, take_key(one, "run"), err);
    }
    return st;
}

/* ---- one run ---- */

static tempo_status set_prompt(json_t *unit, tempo_err *err)
{
    static const struct {
        const char *from, *to;
    } keys[] = {{"prompt_id", "id"}, {"stratum", "stratum"}, {"text", "text"}, {"tokens", "tokens"}};
    json_t *prompt = json_object();
    tempo_status st =
        prompt != NULL ? TEMPO_OK : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory");

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && st == TEMPO_OK; i++) {
        st = tempo_registry_set(prompt, keys[i].to, json_incref(json_object_get(unit, keys[i].from)), err);
        (void)json_object_del(unit, keys[i].from);
    }
    if (st == TEMPO_OK)
        return tempo_registry_set(unit, "prompt", prompt, err);
    json_decref(prompt);
    return st;
}

static tempo_status set_unit(tempo_registry *r, json_t *unit, int64_t run, tempo_err *err)
{
    static const char arms[] =
        "SELECT name AS arm, (SELECT count(*) FROM steps s WHERE s.run = a.run AND s.unit = a.unit AND s.arm "
        "= a.arm)"
        " AS steps, (SELECT count(*) FROM members m WHERE m.run = a.run AND m.unit = a.unit AND m.arm = "
        "a.arm)"
        " AS members, text, top_text, stopped_by FROM arms a WHERE run = ?1 AND unit = ?2 ORDER BY arm";
    static const char values[] =
        "SELECT name, value FROM metrics WHERE run = ?1 AND unit = ?2 AND step < 0 ORDER BY name";
    const int64_t number = json_integer_value(json_object_get(unit, "unit"));
    json_t *rows, *object = NULL, *row;
    size_t i;
    tempo_status st;

    if ((st = set_prompt(unit, err)) != TEMPO_OK ||
        (st = set_rows(r, unit, "arms", arms, err, run, number)) != TEMPO_OK ||
        (st = tempo_registry_rows(r, values, &rows, err, "ii", run, number)) != TEMPO_OK)
        return st;
    object = json_object();
    json_array_foreach(rows, i, row)
    {
        if (st == TEMPO_OK)
            st = tempo_registry_set(object, json_string_value(json_object_get(row, "name")),
                                    json_incref(json_object_get(row, "value")), err);
    }
    json_decref(rows);
    if (st == TEMPO_OK)
        return tempo_registry_set(unit, "values", object, err);
    json_decref(object);
    return st;
}

static tempo_status set_units(tempo_registry *r, json_t *object, int64_t run, tempo_err *err)
{
    static const char sql[] =
        "SELECT u.unit, u.name, u.model, u.threshold, p.id AS prompt_id, p.stratum, p.text, u.tokens"
        " FROM units u LEFT JOIN prompts p ON p.run = u.run AND p.prompt = u.prompt WHERE u.run = ? ORDER BY "
        "u.unit";
    json_t *unit;
    size_t i;
    tempo_status st;

    if ((st = set_rows(r, object, "units", sql, err, run, TEMPO_REGISTRY_NO_INT)) != TEMPO_OK)
        return st;
    json_array_foreach(json_object_get(object, "units"), i, unit)
    {
        if (st == TEMPO_OK)
            st = set_unit(r, unit, run, err);
    }
    return st;
}

static tempo_status set_run(tempo_registry *r, json_t *object, int64_t run, tempo_err *err)
{
    static const struct {
        const char *key, *sql;
    } lists[] = {
        {"models",
         "SELECT model, name, path, architecture, format, parameters, sha256 FROM models WHERE run = ?"
         " ORDER BY model"},
        {"metrics", "SELECT name, count(value) AS n, avg(value) AS mean, min(value) AS min, max(value) AS max"
                    " FROM metrics WHERE run = ? AND step >= 0 GROUP BY name ORDER BY name"},
        {"verdicts",
         "SELECT id, family, kind, model, threshold, outcome AS verdict, n, mean, bound, p_adjusted, low,"
         " high, record AS \"record:json\" FROM verdicts v WHERE run = ?"
         " ORDER BY v.verdict"},
        {"artefacts", "SELECT path, bytes, sha256 FROM artefacts WHERE run = ? ORDER BY path"},
    };
    tempo_status st = set_units(r, object, run, err);

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists) && st == TEMPO_OK; i++)
        st = set_rows(r, object, lists[i].key, lists[i].sql, err, run, TEMPO_REGISTRY_NO_INT);
    return st == TEMPO_OK ? set_headline(r, object, run, err) : st;
}

static tempo_status show(tempo_registry *r, const char *id, json_t **doc, tempo_err *err)
{
    static const char sql[] =
        "SELECT id, kind, name, created, status, dir, version, compiler, argv AS \"argv:json\", cpu, "
        "cpu_features,"
        " threads, compute, config AS \"config:json\", times AS \"times:json\" FROM runs WHERE run = ?";
    json_t *rows = NULL;
    int64_t run;
    tempo_status st;

    if ((st = tempo_registry_find(r, id, &run, err)) != TEMPO_OK ||
        (st = tempo_registry_rows(r, sql, &rows, err, "i", run)) != TEMPO_OK)
        return st;
    *doc = json_incref(json_array_get(rows, 0));
    json_decref(rows);
    return set_run(r, *doc, run, err);
}

/* ---- reading at one moment ---- */

static tempo_status finish(tempo_registry *r, tempo_status st, json_t **doc)
{
    tempo_registry_rollback(r);
    if (st != TEMPO_OK) {
        json_decref(*doc);
        *doc = NULL;
    }
    return st;
}

tempo_status tempo_registry_list(tempo_registry *r, json_t **doc, tempo_err *err)
{
    tempo_status st = tempo_registry_exec(r, "BEGIN", err);

    *doc = NULL;
    if (st == TEMPO_OK)
        st = list(r, doc, err);
    return finish(r, st, doc);
}

tempo_status tempo_registry_show(tempo_registry *r, const char *id, json_t **doc, tempo_err *err)
{
    tempo_status st = tempo_registry_exec(r, "BEGIN", err);

    *doc = NULL;
    if (st == TEMPO_OK)
        st = show(r, id, doc, err);
    return finish(r, st, doc);
}
