/* hypotheses_file.c - reading what a study tests. */
#include "study/hypotheses_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/stats.h"
#include "study/yaml.h"

enum { MAX_ID = 31, MOST_DRAWS = 100000000, MOST_STEPS = 100000, MOST_PAIRS = 100000 };

static const tempo_yaml_range fraction = {.low = 0, .high = 1, .above_low = true};

/* Every file must have the endpoints that the program computes, each as what it is and in the unit that it
 * has: a file that was written for another measure would put a false name to the numbers.  */
static const struct {
    const char *id;
    tempo_hypothesis_kind kind;
    const char *unit; /* of primary ones */
} required[] = {
    {"A1", TEMPO_HYPOTHESIS_DETERMINISTIC, NULL},   {"A2", TEMPO_HYPOTHESIS_PRIMARY, "share of attention"},
    {"B", TEMPO_HYPOTHESIS_PRIMARY, "probability"}, {"C", TEMPO_HYPOTHESIS_PRIMARY, "share of attention"},
    {"D1", TEMPO_HYPOTHESIS_DETERMINISTIC, NULL},   {"D2", TEMPO_HYPOTHESIS_PRIMARY, "probability"},
    {"timing", TEMPO_HYPOTHESIS_EXPLORATORY, NULL}};
enum { N_REQUIRED = sizeof(required) / sizeof(required[0]) };
static const char kind_names[] = "deterministic|primary|exploratory";

static tempo_status require(const tempo_yaml_node *map, const char *const *keys, tempo_err *err)
{
    for (; *keys != NULL; keys++)
        if (tempo_yaml_get(map, *keys) == NULL)
            return tempo_yaml_fail(err, map, "'%s' is missing", *keys);
    return TEMPO_OK;
}

/* ---- one hypothesis ---- */

static tempo_status check_id(const tempo_hypotheses *h, const tempo_hypothesis *y, const tempo_yaml_node *map,
                             tempo_err *err)
{
    const tempo_yaml_node *at = tempo_yaml_get(map, "id");

    if (strlen(y->id) > MAX_ID ||
        strspn(y->id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(y->id))
        return tempo_yaml_fail(err, at, "expected letters, digits, _ and -, at most %d", MAX_ID);
    if (tempo_hypotheses_find(h, y->id) != NULL)
        return tempo_yaml_fail(err, at, "'%s' is there already", y->id);
    return TEMPO_OK;
}

/* A primary or deterministic endpoint is one that the program computes, under the kind that it has. */
static tempo_status check_kind(const tempo_hypothesis *y, const tempo_yaml_node *map, tempo_err *err)
{
    size_t i = 0;

    while (i < N_REQUIRED && strcmp(required[i].id, y->id) != 0)
        i++;
    if (i < N_REQUIRED && required[i].kind != y->kind)
        return tempo_yaml_fail(err, tempo_yaml_get(map, "kind"), "'%s' is %s", y->id,
                               required[i].kind == TEMPO_HYPOTHESIS_PRIMARY         ? "primary"
                               : required[i].kind == TEMPO_HYPOTHESIS_DETERMINISTIC ? "deterministic"
                                                                                    : "exploratory");
    if (i == N_REQUIRED && y->kind != TEMPO_HYPOTHESIS_EXPLORATORY)
        return tempo_yaml_fail(err, tempo_yaml_get(map, "id"),
                               "'%s' is none of the confirmatory endpoints: A1, A2, B, C, D1, D2", y->id);
    if (y->kind == TEMPO_HYPOTHESIS_PRIMARY && (!y->has_bound || y->unit == NULL || y->test == NULL))
        return tempo_yaml_fail(err, map, "'%s' is primary: it needs bound, unit and test", y->id);
    if (y->kind == TEMPO_HYPOTHESIS_PRIMARY && strcmp(y->unit, required[i].unit) != 0)
        return tempo_yaml_fail(err, tempo_yaml_get(map, "unit"), "'%s' is measured in '%s', not in '%s'",
                               y->id, required[i].unit, y->unit);
    return TEMPO_OK;
}

static tempo_status read_hypothesis(const tempo_hypotheses *h, tempo_hypothesis *y,
                                    const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"id",   "title", "statement", "kind",       "metric",
                                        "unit", "bound", "test",      "definition", NULL};
    static const char *const needed[] = {"id", "title", "statement", "kind", "metric", "definition", NULL};
    const tempo_yaml_range positive = {.low = 0, .high = HUGE_VAL, .above_low = true};
    unsigned kind = 0;
    tempo_status st;

    if ((st = tempo_yaml_check_keys(map, known, err)) != TEMPO_OK ||
        (st = require(map, needed, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "id", &y->id, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "title", &y->title, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "statement", &y->statement, err)) != TEMPO_OK ||
        (st = tempo_yaml_choice(map, "kind", kind_names, &kind, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "metric", &y->metric, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "unit", &y->unit, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "test", &y->test, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "definition", &y->definition, err)) != TEMPO_OK ||
        (st = tempo_yaml_f64(map, "bound", positive, &y->bound, err)) != TEMPO_OK)
        return st;
    y->kind = (tempo_hypothesis_kind)kind;
    y->has_bound = tempo_yaml_get(map, "bound") != NULL;
    if ((st = check_id(h, y, map, err)) != TEMPO_OK)
        return st;
    return check_kind(y, map, err);
}

static tempo_status read_list(tempo_hypotheses *h, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st = tempo_yaml_list(root, "hypotheses", TEMPO_YAML_MAP, TEMPO_HYPOTHESES_MAX, &list, err);

    if (st != TEMPO_OK)
        return st;
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next) {
        if ((st = read_hypothesis(h, &h->list[h->n], v, err)) != TEMPO_OK)
            return st;
        h->n++;
    }
    for (size_t i = 0; i < N_REQUIRED; i++)
        if (tempo_hypotheses_find(h, required[i].id) == NULL)
            return tempo_yaml_fail(err, list, "'%s' is missing", required[i].id);
    return TEMPO_OK;
}

/* ---- settings ---- */

static tempo_status read_seeds(tempo_hypotheses *h, const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"permutation", "bootstrap", "controls", NULL};
    tempo_status st;

    if ((st = tempo_yaml_check_keys(map, known, err)) != TEMPO_OK ||
        (st = require(map, known, err)) != TEMPO_OK ||
        (st = tempo_yaml_u64(map, "permutation", 0, UINT64_MAX, &h->seeds.permutation, err)) != TEMPO_OK ||
        (st = tempo_yaml_u64(map, "bootstrap", 0, UINT64_MAX, &h->seeds.bootstrap, err)) != TEMPO_OK)
        return st;
    return tempo_yaml_u64(map, "controls", 0, UINT64_MAX, &h->seeds.controls, err);
}

static tempo_status read_timing(tempo_hypotheses *h, const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"pairs", "warmup", "published_percent", NULL};
    static const char *const needed[] = {"pairs", "warmup", NULL};
    const tempo_yaml_range percent = {.low = -100, .high = 100};
    tempo_status st;

    if ((st = tempo_yaml_check_keys(map, known, err)) != TEMPO_OK ||
        (st = require(map, needed, err)) != TEMPO_OK ||
        (st = tempo_yaml_size(map, "pairs", 2, MOST_PAIRS, &h->timing.pairs, err)) != TEMPO_OK ||
        (st = tempo_yaml_size(map, "warmup", 0, MOST_PAIRS, &h->timing.warmup, err)) != TEMPO_OK)
        return st;
    h->timing.published_percent = (double)NAN;
    return tempo_yaml_f64(map, "published_percent", percent, &h->timing.published_percent, err);
}

static tempo_status read_noise(tempo_hypotheses *h, const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"quantile", "nudges", "member_order", "instruction_set", NULL};
    const tempo_yaml_range quantile = {.low = 0.5, .high = 0.9999, .above_low = true};
    size_t nudges[TEMPO_HYPOTHESES_MAX_NUDGES];
    tempo_status st;

    if ((st = tempo_yaml_check_keys(map, known, err)) != TEMPO_OK ||
        (st = require(map, known, err)) != TEMPO_OK ||
        (st = tempo_yaml_f64(map, "quantile", quantile, &h->noise.quantile, err)) != TEMPO_OK ||
        (st = tempo_yaml_size_list(map, "nudges", 1, SIZE_MAX, nudges, TEMPO_HYPOTHESES_MAX_NUDGES,
                                   &h->noise.n_nudges, err)) != TEMPO_OK ||
        (st = tempo_yaml_bool(map, "member_order", &h->noise.member_order, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < h->noise.n_nudges; i++)
        h->noise.nudges[i] = nudges[i];
    return tempo_yaml_bool(map, "instruction_set", &h->noise.instruction_set, err);
}

static tempo_status read_bands(tempo_hypotheses *h, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st =
        tempo_yaml_list(root, "knockout_bands", TEMPO_YAML_LIST, TEMPO_HYPOTHESES_MAX_BANDS, &list, err);

    if (st != TEMPO_OK)
        return st;
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next) {
        const tempo_yaml_node *from = v->first, *to = v->n == 2 ? from->next : NULL;
        if (to == NULL || !(from->f64 >= 0 && from->f64 < to->f64 && to->f64 <= 1) ||
            (from->kind != TEMPO_YAML_INT && from->kind != TEMPO_YAML_FLOAT))
            return tempo_yaml_fail(err, v, "expected [from, to] with 0 <= from < to <= 1");
        h->bands[h->n_bands++] = (tempo_knockout_band){.from = from->f64, .to = to->f64};
    }
    return TEMPO_OK;
}

static tempo_status read_numbers(tempo_hypotheses *h, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_range alpha = {.low = 0, .high = 0.5, .above_low = true};
    const tempo_yaml_range offset = {.low = 0, .high = 1, .above_low = true};
    tempo_status st;

    if ((st = tempo_yaml_str(root, "title", &h->title, err)) != TEMPO_OK ||
        (st = tempo_yaml_f64(root, "alpha", alpha, &h->alpha, err)) != TEMPO_OK ||
        (st = tempo_yaml_f64_list(root, "thresholds", fraction, h->thresholds,
                                  TEMPO_HYPOTHESES_MAX_THRESHOLDS, &h->n_thresholds, err)) != TEMPO_OK ||
        (st = tempo_yaml_size(root, "steps", 2, MOST_STEPS, &h->steps, err)) != TEMPO_OK ||
        (st = tempo_yaml_size(root, "permutations", 100, MOST_DRAWS, &h->permutations, err)) != TEMPO_OK ||
        (st = tempo_yaml_size(root, "exact_to", 0, TEMPO_EXACT_FLIPS, &h->exact_to, err)) != TEMPO_OK ||
        (st = tempo_yaml_size(root, "resamples", 100, MOST_DRAWS, &h->resamples, err)) != TEMPO_OK ||
        (st = tempo_yaml_f64(root, "position_offset", offset, &h->position_offset, err)) != TEMPO_OK)
        return st;
    for (size_t i = 1; i < h->n_thresholds; i++)
        for (size_t j = 0; j < i; j++)
            if (h->thresholds[i] == h->thresholds[j])
                return tempo_yaml_fail(err, tempo_yaml_get(root, "thresholds"), "%g is there twice",
                                       h->thresholds[i]);
    return TEMPO_OK;
}

static tempo_status fill(tempo_hypotheses *h, tempo_err *err)
{
    static const char *const known[] = {
        "alpha",  "thresholds", "steps",           "permutations",   "exact_to",   "resamples", "seeds",
        "timing", "noise",      "position_offset", "knockout_bands", "hypotheses", "title",     NULL};
    static const char *const needed[] = {
        "alpha",  "thresholds", "steps",           "permutations",   "exact_to",   "resamples", "seeds",
        "timing", "noise",      "position_offset", "knockout_bands", "hypotheses", NULL};
    const tempo_yaml_node *root = tempo_yaml_root(h->doc);
    tempo_status st;

    if ((st = tempo_yaml_check_keys(root, known, err)) != TEMPO_OK ||
        (st = require(root, needed, err)) != TEMPO_OK || (st = read_numbers(h, root, err)) != TEMPO_OK ||
        (st = read_seeds(h, tempo_yaml_get(root, "seeds"), err)) != TEMPO_OK ||
        (st = read_timing(h, tempo_yaml_get(root, "timing"), err)) != TEMPO_OK ||
        (st = read_noise(h, tempo_yaml_get(root, "noise"), err)) != TEMPO_OK ||
        (st = read_bands(h, root, err)) != TEMPO_OK)
        return st;
    return read_list(h, root, err);
}

/* ---- the object ---- */

tempo_status tempo_hypotheses_parse(tempo_hypotheses **out, const char *path, const void *bytes, size_t n,
                                    tempo_err *err)
{
    tempo_hypotheses *h = calloc(1, sizeof(*h));
    tempo_err why = {0};
    tempo_status st;

    *out = NULL;
    if (h == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
    if ((st = tempo_yaml_parse(&h->doc, path, bytes, n, &why)) == TEMPO_OK) {
        h->path = tempo_yaml_name(h->doc);
        st = fill(h, &why);
    }
    if ((st = tempo_yaml_settle(h->doc, st, &why, NULL, err)) == TEMPO_OK)
        st = tempo_hash_bytes(bytes, n, h->sha256, err);
    if (st != TEMPO_OK)
        tempo_hypotheses_free(h);
    else
        *out = h;
    return st;
}

tempo_status tempo_hypotheses_load(tempo_hypotheses **out, const char *path, tempo_err *err)
{
    char *bytes;
    size_t n;
    tempo_status st = tempo_yaml_read_file(path, &bytes, &n, err);

    *out = NULL;
    if (st == TEMPO_OK)
        st = tempo_hypotheses_parse(out, path, bytes, n, err);
    free(bytes);
    return st;
}

void tempo_hypotheses_free(tempo_hypotheses *h)
{
    if (h == NULL)
        return;
    tempo_yaml_free(h->doc);
    free(h);
}

const tempo_hypothesis *tempo_hypotheses_find(const tempo_hypotheses *h, const char *id)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->list[i].id, id) == 0)
            return &h->list[i];
    return NULL;
}

double tempo_hypotheses_bound(const tempo_hypotheses *h, const char *id)
{
    const tempo_hypothesis *y = tempo_hypotheses_find(h, id);

    return y != NULL && y->has_bound ? y->bound : (double)NAN;
}

bool tempo_knockout_layers(const tempo_knockout_band *band, uint32_t n_layers, uint32_t *first,
                           uint32_t *last)
{
    uint32_t begin = 0, end;

    while (begin < n_layers && (double)begin / n_layers < band->from)
        begin++;
    for (end = begin; end < n_layers && (double)end / n_layers < band->to;)
        end++;
    *first = begin;
    *last = end > begin ? end - 1 : begin;
    return end > begin;
}
