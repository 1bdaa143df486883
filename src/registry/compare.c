/* compare.c - two runs side by side.
 *
 * Which unit meets which, and which arm, is worked out once into temporary tables; the questions are joins
 * over them. All within one reading transaction, whose end drops them.  */
#include "registry/db.h"

#include <string.h>

/* ---- who meets whom ---- */

/* k: a unit by what it is compared on.  The model's name counts only if the runs have one in common. */
static const char pair_units[] =
    "CREATE TEMP TABLE k AS SELECT u.run, u.unit, p.text, u.threshold,"
    " CASE WHEN (SELECT shared FROM temp.ab) THEN m.name END AS label, row_number() OVER (PARTITION BY "
    "u.run, p.text,"
    " u.threshold, CASE WHEN (SELECT shared FROM temp.ab) THEN m.name END ORDER BY u.model, u.unit) AS place"
    " FROM main.units u LEFT JOIN main.prompts p ON p.run = u.run AND p.prompt = u.prompt"
    " LEFT JOIN main.models m ON m.run = u.run AND m.model = u.model"
    " WHERE u.run IN (SELECT a FROM temp.ab UNION SELECT b FROM temp.ab);"
    "CREATE TEMP TABLE pairs AS SELECT x.unit AS a, y.unit AS b, x.text, x.threshold FROM temp.ab"
    " JOIN temp.k x ON x.run = ab.a JOIN temp.k y ON y.run = ab.b AND y.text IS x.text AND y.threshold IS "
    "x.threshold"
    " AND y.label IS x.label AND y.place = x.place ORDER BY x.unit;";

static const char pair_arms[] =
    "CREATE TEMP TABLE arm_pairs AS SELECT p.a AS unit_a, p.b AS unit_b, x.arm AS a, y.arm AS b, x.name AS "
    "name_a,"
    " y.name AS name_b FROM temp.pairs p JOIN temp.ab JOIN main.arms x ON x.run = ab.a AND x.unit = p.a"
    " JOIN main.arms y ON y.run = ab.b AND y.unit = p.b WHERE x.name = y.name OR"
    " (1 = (SELECT count(*) FROM main.arms z WHERE z.run = ab.a AND z.unit = p.a)"
    " AND 1 = (SELECT count(*) FROM main.arms z WHERE z.run = ab.b AND z.unit = p.b)) ORDER BY p.a, x.arm;";

static tempo_status pair(tempo_registry *r, int64_t a, int64_t b, bool *by_id, tempo_err *err)
{
    static const char ab[] = "CREATE TEMP TABLE ab AS SELECT ?1 AS a, ?2 AS b, EXISTS(SELECT 1 FROM "
                             "main.models x JOIN main.models y"
                             " ON y.name = x.name WHERE x.run = ?1 AND y.run = ?2) AS shared";
    static const char known[] = "SELECT shared OR NOT EXISTS(SELECT 1 FROM main.models WHERE run = a) OR NOT"
                                " EXISTS(SELECT 1 FROM main.models WHERE run = b) FROM temp.ab";
    sqlite3_stmt *s = NULL;
    int64_t same = 0;
    tempo_status st;

    /* of an earlier comparison that ended badly */
    if ((st = tempo_registry_exec(r,
                                  "DROP TABLE IF EXISTS temp.ab; DROP TABLE IF EXISTS temp.k;"
                                  "DROP TABLE IF EXISTS temp.pairs; DROP TABLE IF EXISTS temp.arm_pairs",
                                  err)) != TEMPO_OK ||
        (st = tempo_registry_prepare(r, &s, ab, err)) != TEMPO_OK)
        return st;
    st = tempo_registry_put(r, s, err, "ii", a, b);
    (void)sqlite3_finalize(s);
    if (st == TEMPO_OK && (st = tempo_registry_exec(r, pair_units, err)) == TEMPO_OK &&
        (st = tempo_registry_exec(r, pair_arms, err)) == TEMPO_OK)
        st = tempo_registry_int(r, known, 0, &same, err, "");
    *by_id = same != 0;
    return st;
}

/* ---- sets ---- */

/* The steps of an arm pair whose sets differ: ?1.. = run, unit, arm of a, then of b. */
#define DIFFERING(what)                                                                                      \
    "SELECT x.step FROM steps x JOIN steps y ON y.run = ?4 AND y.unit = ?5 AND y.arm = ?6 AND y.step = "     \
    "x.step"                                                                                                 \
    " WHERE x.run = ?1 AND x.unit = ?2 AND x.arm = ?3 AND (EXISTS(SELECT " what                              \
    " FROM members WHERE run = ?1 AND"                                                                       \
    " unit = ?2 AND arm = ?3 AND step = x.step EXCEPT SELECT " what                                          \
    " FROM members WHERE run = ?4 AND unit = ?5 AND"                                                         \
    " arm = ?6 AND step = x.step) OR EXISTS(SELECT " what                                                    \
    " FROM members WHERE run = ?4 AND unit = ?5 AND arm = ?6"                                                \
    " AND step = x.step EXCEPT SELECT " what " FROM members WHERE run = ?1 AND unit = ?2 AND arm = ?3"       \
    " AND step = x.step)) ORDER BY x.step"

/* [{"step": n}] -> [n] */
static json_t *step_numbers(const json_t *rows)
{
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(rows); i++)
        (void)json_array_append(list, json_object_get(json_array_get(rows, i), "step"));
    return list;
}

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* "differ" of one pair of arms; the places of both go. */
static tempo_status set_differ(tempo_registry *r, json_t *arm, const int64_t runs[2], bool by_id, bool *same,
                               tempo_err *err)
{
    json_t *rows, *steps;
    tempo_status st;

    if ((st = tempo_registry_rows(r, by_id ? DIFFERING("id") : DIFFERING("text"), &rows, err, "iiiiii",
                                  runs[0], number(arm, "unit_a"), number(arm, "arm_a"), runs[1],
                                  number(arm, "unit_b"), number(arm, "arm_b"))) != TEMPO_OK)
        return st;
    steps = step_numbers(rows);
    json_decref(rows);
    *same &= json_array_size(steps) == 0 && number(arm, "steps_a") == number(arm, "common") &&
             number(arm, "steps_b") == number(arm, "common");
    static const char *const keys[] = {"unit_a", "arm_a", "unit_b", "arm_b"};
    for (size_t i = 0; i < 4; i++)
        (void)json_object_del(arm, keys[i]);
    return tempo_registry_set(arm, "differ", steps, err);
}

static tempo_status set_arms(tempo_registry *r, json_t *unit, const int64_t runs[2], bool by_id, bool *same,
                             tempo_err *err)
{
    static const char arms[] =
        "SELECT unit_a, p.a AS arm_a, unit_b, p.b AS arm_b, name_a AS a, name_b AS b,"
        " (SELECT count(*) FROM main.steps s WHERE s.run = ab.a AND s.unit = unit_a AND s.arm = p.a) AS "
        "steps_a,"
        " (SELECT count(*) FROM main.steps s WHERE s.run = ab.b AND s.unit = unit_b AND s.arm = p.b) AS "
        "steps_b,"
        " (SELECT count(*) FROM main.steps s JOIN main.steps t ON t.run = ab.b AND t.unit = unit_b AND t.arm "
        "= p.b"
        " AND t.step = s.step WHERE s.run = ab.a AND s.unit = unit_a AND s.arm = p.a) AS common"
        " FROM temp.arm_pairs p JOIN temp.ab WHERE unit_a = ? ORDER BY p.a";
    /* arms that meet nobody */
    static const char single[] = "SELECT x.name AS a, NULL AS b FROM temp.ab JOIN main.arms x ON x.run = "
                                 "ab.a WHERE x.unit = ?1 AND x.arm NOT IN"
                                 " (SELECT a FROM temp.arm_pairs WHERE unit_a = ?1) UNION ALL"
                                 " SELECT NULL, y.name FROM temp.ab JOIN main.arms y ON y.run = ab.b WHERE "
                                 "y.unit = ?2 AND y.arm NOT IN"
                                 " (SELECT b FROM temp.arm_pairs WHERE unit_b = ?2)";
    const int64_t a = number(unit, "unit_a"), b = number(unit, "unit_b");
    json_t *met, *alone = NULL, *one;
    size_t i;
    tempo_status st;

    if ((st = tempo_registry_rows(r, arms, &met, err, "i", a)) != TEMPO_OK)
        return st;
    json_array_foreach(met, i, one)
    {
        if (st == TEMPO_OK)
            st = set_differ(r, one, runs, by_id, same, err);
    }
    if (st == TEMPO_OK && (st = tempo_registry_rows(r, single, &alone, err, "ii", a, b)) == TEMPO_OK) {
        *same &= json_array_size(alone) == 0;
        if (json_array_extend(met, alone) != 0)
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a comparison");
    }
    json_decref(alone);
    if (st == TEMPO_OK)
        return tempo_registry_set(unit, "arms", met, err);
    json_decref(met);
    return st;
}

static tempo_status set_units(tempo_registry *r, json_t *doc, const int64_t runs[2], bool by_id, bool *same,
                              tempo_err *err)
{
    json_t *units, *one;
    size_t i;
    tempo_status st;

    if ((st = tempo_registry_rows(r,
                                  "SELECT a AS unit_a, b AS unit_b, text AS prompt, threshold FROM temp.pairs"
                                  " ORDER BY a",
                                  &units, err, "")) != TEMPO_OK ||
        (st = tempo_registry_set(doc, "units", units, err)) != TEMPO_OK)
        return st;
    json_array_foreach(units, i, one)
    {
        if (st == TEMPO_OK)
            st = set_arms(r, one, runs, by_id, same, err);
    }
    return st;
}

/* ---- the rest ---- */

static tempo_status set_list(tempo_registry *r, json_t *doc, const char *key, const char *sql, bool *same,
                             tempo_err *err)
{
    json_t *rows;
    tempo_status st = tempo_registry_rows(r, sql, &rows, err, "");

    if (st != TEMPO_OK)
        return st;
    if (same != NULL)
        *same &= json_array_size(rows) == 0;
    return tempo_registry_set(doc, key, rows, err);
}

static tempo_status set_metrics(tempo_registry *r, json_t *doc, bool *same, tempo_err *err)
{
    static const char metrics[] =
        "SELECT x.name, CASE WHEN x.step < 0 THEN 'unit' ELSE 'step' END AS scope, count(*) AS n,"
        " avg(x.value) AS mean_a, avg(y.value) AS mean_b, max(abs(x.value - y.value)) AS max_difference,"
        " sum(x.value IS NOT y.value) AS unequal FROM temp.pairs p JOIN temp.ab"
        " JOIN main.metrics x ON x.run = ab.a AND x.unit = p.a JOIN main.metrics y ON y.run = ab.b AND "
        "y.unit = p.b"
        " AND y.step = x.step AND y.name = x.name GROUP BY x.name, scope ORDER BY scope DESC, x.name";
    static const char lonely[] =
        "SELECT (SELECT count(*) FROM temp.pairs p JOIN temp.ab JOIN main.metrics x ON x.run = ab.a AND "
        "x.unit = p.a"
        " WHERE NOT EXISTS(SELECT 1 FROM main.metrics y WHERE y.run = ab.b AND y.unit = p.b AND y.step = "
        "x.step"
        " AND y.name = x.name)) + (SELECT count(*) FROM temp.pairs p JOIN temp.ab JOIN main.metrics y"
        " ON y.run = ab.b AND y.unit = p.b WHERE NOT EXISTS(SELECT 1 FROM main.metrics x WHERE x.run = ab.a"
        " AND x.unit = p.a AND x.step = y.step AND x.name = y.name))";
    int64_t unmatched;
    json_t *one;
    size_t i;
    tempo_status st;

    if ((st = set_list(r, doc, "metrics", metrics, NULL, err)) != TEMPO_OK ||
        (st = tempo_registry_int(r, lonely, 0, &unmatched, err, "")) != TEMPO_OK)
        return st;
    json_array_foreach(json_object_get(doc, "metrics"), i, one)
    {
        *same &= number(one, "unequal") == 0;
    }
    *same &= unmatched == 0;
    return tempo_registry_set(doc, "metrics_of_one", json_integer(unmatched), err);
}

/* A verdict as part of a pair: NULL members for the side that has none. */
static tempo_status set_verdicts(tempo_registry *r, json_t *doc, bool *same, tempo_err *err)
{
    static const char sql[] =
        "WITH v AS (SELECT v.*, CASE WHEN shared THEN m.name END AS label, row_number() OVER (PARTITION BY "
        "v.run, v.id,"
        " v.kind, v.threshold, CASE WHEN shared THEN m.name END ORDER BY v.verdict) AS place FROM temp.ab"
        " JOIN main.verdicts v ON v.run IN (ab.a, ab.b)"
        " LEFT JOIN main.models m ON m.run = v.run AND m.model = v.model),"
        " x AS (SELECT v.* FROM temp.ab JOIN v ON v.run = ab.a), y AS (SELECT v.* FROM temp.ab JOIN v ON "
        "v.run = ab.b)"
        " SELECT x.id, x.kind, x.label AS model, x.threshold, x.outcome AS verdict_a, y.outcome AS verdict_b,"
        " x.n AS n_a, y.n AS n_b, x.mean AS mean_a, y.mean AS mean_b, x.bound AS bound_a, y.bound AS bound_b,"
        " x.p_adjusted AS p_adjusted_a, y.p_adjusted AS p_adjusted_b, x.outcome IS y.outcome AND x.n IS y.n"
        " AND x.mean IS y.mean AND x.bound IS y.bound AND x.p_adjusted IS y.p_adjusted AS same, x.verdict AS "
        "seq"
        " FROM x LEFT JOIN y ON y.id = x.id AND y.kind IS x.kind AND y.threshold IS x.threshold"
        " AND y.label IS x.label AND y.place = x.place"
        " UNION ALL SELECT y.id, y.kind, y.label, y.threshold, NULL, y.outcome, NULL, y.n, NULL, y.mean, "
        "NULL, y.bound,"
        " NULL, y.p_adjusted, 0, 1000000000 + y.verdict FROM y WHERE NOT EXISTS(SELECT 1 FROM x WHERE y.id = "
        "x.id AND y.kind IS "
        "x.kind"
        " AND y.threshold IS x.threshold AND y.label IS x.label AND y.place = x.place) ORDER BY seq";
    json_t *one;
    size_t i;
    tempo_status st;

    if ((st = set_list(r, doc, "verdicts", sql, NULL, err)) != TEMPO_OK)
        return st;
    json_array_foreach(json_object_get(doc, "verdicts"), i, one)
    {
        const bool equal = number(one, "same") != 0;
        *same &= equal;
        (void)json_object_del(one, "seq");
        if (st == TEMPO_OK)
            st = tempo_registry_set(one, "same", json_boolean(equal), err);
    }
    return st;
}

/* What a and b are. */
static tempo_status set_run(tempo_registry *r, json_t *doc, const char *key, int64_t run, tempo_err *err)
{
    static const char sql[] =
        "SELECT id, kind, name, created, status, (SELECT name FROM models m WHERE m.run = r.run"
        " AND model = 0) AS model FROM runs r WHERE run = ?";
    json_t *rows;
    tempo_status st;

    if ((st = tempo_registry_rows(r, sql, &rows, err, "i", run)) != TEMPO_OK)
        return st;
    st = tempo_registry_set(doc, key, json_incref(json_array_get(rows, 0)), err);
    json_decref(rows);
    return st;
}

static tempo_status compare(tempo_registry *r, const char *a, const char *b, json_t *doc, tempo_err *err)
{
    static const char only_a[] = "SELECT text AS prompt, threshold FROM temp.ab JOIN temp.k ON k.run = ab.a"
                                 " WHERE k.unit NOT IN (SELECT a FROM temp.pairs) ORDER BY k.unit";
    static const char only_b[] = "SELECT text AS prompt, threshold FROM temp.ab JOIN temp.k ON k.run = ab.b"
                                 " WHERE k.unit NOT IN (SELECT b FROM temp.pairs) ORDER BY k.unit";
    int64_t runs[2];
    bool by_id, same = true;
    tempo_status st;

    if ((st = tempo_registry_find(r, a, &runs[0], err)) != TEMPO_OK ||
        (st = tempo_registry_find(r, b, &runs[1], err)) != TEMPO_OK ||
        (st = set_run(r, doc, "a", runs[0], err)) != TEMPO_OK ||
        (st = set_run(r, doc, "b", runs[1], err)) != TEMPO_OK ||
        (st = pair(r, runs[0], runs[1], &by_id, err)) != TEMPO_OK ||
        (st = tempo_registry_set(doc, "compared_by", json_string(by_id ? "id" : "text"), err)) != TEMPO_OK ||
        (st = set_units(r, doc, runs, by_id, &same, err)) != TEMPO_OK ||
        (st = set_list(r, doc, "only_a", only_a, &same, err)) != TEMPO_OK ||
        (st = set_list(r, doc, "only_b", only_b, &same, err)) != TEMPO_OK ||
        (st = set_metrics(r, doc, &same, err)) != TEMPO_OK ||
        (st = set_verdicts(r, doc, &same, err)) != TEMPO_OK)
        return st;
    return tempo_registry_set(doc, "same", json_boolean(same), err);
}

tempo_status tempo_registry_compare(tempo_registry *r, const char *a, const char *b, json_t **doc,
                                    tempo_err *err)
{
    json_t *out = json_object();
    tempo_status st = out != NULL
                          ? tempo_registry_exec(r, "BEGIN", err)
                          : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a comparison");

    *doc = NULL;
    if (st == TEMPO_OK)
        st = compare(r, a, b, out, err);
    tempo_registry_rollback(r);
    if (st == TEMPO_OK)
        *doc = out;
    else
        json_decref(out);
    return st;
}
