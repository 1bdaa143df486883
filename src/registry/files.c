/* files.c - the files of a run: results of an experiment, units and report of a study. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/json.h"
#include "io/map.h"
#include "registry/db.h"

/* ---- results.json, results.jsonl ---- */

static tempo_status index_document(tempo_indexer *ix, const json_t *o)
{
    const json_t *cases, *one;
    tempo_status st;

    if (!json_is_object(o))
        return tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is not a JSON object");
    if ((st = tempo_registry_array(o, "cases", false, &cases, ix->err)) != TEMPO_OK)
        return st;
    if (cases == NULL)
        return tempo_registry_index_unit(ix, o);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        if ((st = tempo_registry_element(cases, "cases", i, &one, ix->err)) != TEMPO_OK)
            return st;
        if ((st = tempo_registry_index_unit(ix, one)) != TEMPO_OK) {
            tempo_err_prefix(ix->err, "\"cases\"[%zu]", i);
            return st;
        }
    }
    return TEMPO_OK;
}

/* One step: {"case": place, "arm": name, "step": ...}; the first two may be missing. */
static tempo_status index_line(tempo_indexer *ix, const json_t *o)
{
    const char *name;
    int64_t at, arm, step;
    tempo_status st;

    if (!json_is_object(o))
        return tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is not a JSON object");
    if ((st = tempo_registry_count(o, "case", false, &at, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "arm", false, &name, ix->err)) != TEMPO_OK)
        return st;
    if (at == TEMPO_REGISTRY_NO_INT)
        at = 0;
    if (name == NULL)
        name = tempo_registry_mode(ix->manifest);
    if (at > ix->n_units)
        return tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"case\" is %lld, expected at most %lld",
                          (long long)at, (long long)ix->n_units);
    /* a case that begins: the line, or the manifest, may say its prompt */
    if (at == ix->n_units &&
        (st = tempo_registry_index_unit_row(ix, json_object_get(o, "prompt") != NULL ? o : ix->manifest,
                                            false, &at)) != TEMPO_OK)
        return st;
    if ((st = tempo_registry_int(ix->r, "SELECT arm FROM arms WHERE run = ? AND unit = ? AND name = ?", -1,
                                 &arm, ix->err, "iis", ix->run, at, name)) != TEMPO_OK)
        return st;
    if (arm < 0) {
        if ((st = tempo_registry_int(ix->r, "SELECT count(*) FROM arms WHERE run = ? AND unit = ?", 0, &arm,
                                     ix->err, "ii", ix->run, at)) != TEMPO_OK ||
            (st = tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_ARM], ix->err, "iiissss", ix->run, at,
                                     arm, name, NULL, NULL, NULL)) != TEMPO_OK)
            return st;
    }
    return tempo_registry_index_step(ix, at, arm, o, &step);
}

/* A last line without its end is still being written. */
static tempo_status index_lines(tempo_indexer *ix, const char *text, uint64_t n)
{
    const char *end;
    json_t *o;
    tempo_status st = TEMPO_OK;

    for (uint64_t line = 1; st == TEMPO_OK && (end = memchr(text, '\n', n)) != NULL; line++) {
        const uint64_t len = (uint64_t)(end - text);
        if (len > 0) {
            if ((st = tempo_json_parse(&o, text, len, ix->err)) == TEMPO_OK)
                st = index_line(ix, o);
            json_decref(o);
            if (st != TEMPO_OK)
                tempo_err_prefix(ix->err, "line %llu", (unsigned long long)line);
        }
        text += len + 1;
        n -= len + 1;
    }
    return st;
}

/* Is there such a file?  One that cannot be looked at is left for whoever opens it to complain about. */
static bool is_there(const char *path, bool *empty)
{
    struct stat sb;
    const bool there = stat(path, &sb) == 0;

    *empty = there && S_ISREG(sb.st_mode) && sb.st_size == 0;
    return there || (errno != ENOENT && errno != ENOTDIR);
}

static tempo_status index_json(tempo_indexer *ix, const char *path,
                               tempo_status (*index)(tempo_indexer *ix, const json_t *o))
{
    json_t *o;
    tempo_status st = tempo_json_load(&o, path, ix->err);

    if (st == TEMPO_OK && (st = index(ix, o)) != TEMPO_OK)
        tempo_err_prefix(ix->err, "%s", path);
    json_decref(o);
    return st;
}

tempo_status tempo_registry_index_results(tempo_indexer *ix)
{
    char *whole = tempo_registry_join(ix->dir, "results.json", ix->err);
    char *lines = whole != NULL ? tempo_registry_join(ix->dir, "results.jsonl", ix->err) : NULL;
    tempo_status st = lines != NULL ? TEMPO_OK : TEMPO_E_NOMEM;
    tempo_map map;
    bool empty;

    if (st == TEMPO_OK && is_there(whole, &empty)) {
        st = index_json(ix, whole, index_document);
    } else if (st == TEMPO_OK && is_there(lines, &empty) && !empty) {
        if ((st = tempo_map_open(&map, lines, ix->err)) == TEMPO_OK) {
            if ((st = index_lines(ix, (const char *)map.p, map.n)) != TEMPO_OK)
                tempo_err_prefix(ix->err, "%s", lines);
            tempo_map_close(&map);
        }
    }
    free(whole);
    free(lines);
    return st;
}

/* ---- a study ---- */

static tempo_status index_study_unit(tempo_indexer *ix, const json_t *o)
{
    if (!json_is_object(o))
        return tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is not a JSON object");
    return tempo_registry_index_unit(ix, o);
}

static tempo_status index_units(tempo_indexer *ix)
{
    char *dir = tempo_registry_join(ix->dir, "units", ix->err), **names = NULL;
    size_t n = 0;
    tempo_status st = dir != NULL ? tempo_registry_names(dir, ".json", &names, &n, ix->err) : TEMPO_E_NOMEM;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        char *path = tempo_registry_join(dir, names[i], ix->err);
        st = path != NULL ? index_json(ix, path, index_study_unit) : TEMPO_E_NOMEM;
        free(path);
    }
    tempo_registry_names_free(names, n);
    free(dir);
    return st;
}

/* [low, high] of numbers or nulls. */
static tempo_status read_interval(const json_t *o, double *low, double *high, tempo_err *err)
{
    const json_t *pair;
    tempo_status st;

    *low = *high = NAN;
    if ((st = tempo_registry_array(o, "interval", false, &pair, err)) != TEMPO_OK || pair == NULL)
        return st;
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(pair, i);
        if (json_array_size(pair) != 2 || !(json_is_number(v) || json_is_null(v)))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"interval\" is not two numbers");
        if (json_is_number(v))
            *(i == 0 ? low : high) = json_number_value(v);
    }
    return TEMPO_OK;
}

/* "model" of a verdict: a place in the manifest's list, or a name of it. */
static tempo_status read_verdict_model(const tempo_indexer *ix, const json_t *o, int64_t *model)
{
    const char *name = json_string_value(json_object_get(o, "model"));
    tempo_status st;

    if (name == NULL)
        return tempo_registry_unit_model(ix, o, model);
    if ((st = tempo_registry_int(ix->r, "SELECT model FROM models WHERE run = ?1 AND ?2 IN (name, path)",
                                 TEMPO_REGISTRY_NO_INT, model, ix->err, "is", ix->run, name)) == TEMPO_OK &&
        *model == TEMPO_REGISTRY_NO_INT)
        return tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "\"model\" is \"%.64s\", which the manifest does not list", name);
    return st;
}

static tempo_status index_verdict(tempo_indexer *ix, size_t place, const json_t *o)
{
    const char *id, *family, *kind, *outcome;
    int64_t model, n;
    double threshold, mean, bound, p, low, high;
    tempo_status st;

    if ((st = tempo_registry_text(o, "id", true, &id, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "verdict", true, &outcome, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "family", false, &family, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_text(o, "kind", false, &kind, ix->err)) != TEMPO_OK ||
        (st = read_verdict_model(ix, o, &model)) != TEMPO_OK ||
        (st = tempo_registry_count(o, "n", false, &n, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "threshold", false, &threshold, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "mean", false, &mean, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "bound", false, &bound, ix->err)) != TEMPO_OK ||
        (st = tempo_registry_real(o, "p_adjusted", false, &p, ix->err)) != TEMPO_OK ||
        (st = read_interval(o, &low, &high, ix->err)) != TEMPO_OK)
        return st;
    char *record = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (record == NULL)
        return tempo_fail(ix->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a verdict");
    st = tempo_registry_put(ix->r, ix->insert[TEMPO_INSERT_VERDICT], ix->err, "iisssirsirrrrrs", ix->run,
                            (int64_t)place, id, family, kind, model, threshold, outcome, n, mean, bound, p,
                            low, high, record);
    free(record);
    return st;
}

static tempo_status index_report(tempo_indexer *ix, const json_t *o)
{
    const char *key = "verdicts";
    const json_t *list, *one;
    tempo_status st;

    if (!json_is_object(o))
        return tempo_fail(ix->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is not a JSON object");
    if (json_object_get(o, key) == NULL)
        key = "decisions";
    if ((st = tempo_registry_array(o, key, true, &list, ix->err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if ((st = tempo_registry_element(list, key, i, &one, ix->err)) != TEMPO_OK)
            return st;
        if ((st = index_verdict(ix, i, one)) != TEMPO_OK) {
            tempo_err_prefix(ix->err, "\"%s\"[%zu]", key, i);
            return st;
        }
    }
    return TEMPO_OK;
}

tempo_status tempo_registry_index_study(tempo_indexer *ix)
{
    char *report = tempo_registry_join(ix->dir, "report.json", ix->err);
    bool empty;
    tempo_status st = report != NULL ? index_units(ix) : TEMPO_E_NOMEM;

    if (st == TEMPO_OK && is_there(report, &empty))
        st = index_json(ix, report, index_report);
    free(report);
    return st;
}
