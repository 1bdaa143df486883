/* hypotheses_file.c - reading what a study tests. */
#include "study/hypotheses_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/stats.h"
#include "study/yaml_document.h"
#include "yaml/yaml.h"

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

/* A map of known keys that has those which are needed; where one is unknown, it may be the one that would be
 * missed. */
static tempo_status check_map(const tempo_yaml_node *map, const char *const *known, const char *const *needed,
                              tempo_err *err)
{
    tempo_status st = tempo_yaml_check_keys(map, known, err);

    if (st != TEMPO_OK)
        return st;
    for (; *needed != NULL; needed++)
        if (tempo_yaml_get(map, *needed) == NULL)
            st = tempo_yaml_both(st, tempo_yaml_fail(err, map, "'%s' is missing", *needed));
    return st;
}

/* ---- one hypothesis ---- */

static size_t find_required(const char *id)
{
    size_t i = 0;

    while (i < N_REQUIRED && strcmp(required[i].id, id) != 0)
        i++;
    return i;
}

/* A primary or deterministic endpoint is one that the program computes; kind_known: the file says which kind
 * it is. */
static tempo_status check_id(const tempo_hypotheses *h, const tempo_hypothesis *y, bool kind_known,
                             const tempo_yaml_node *map, tempo_err *err)
{
    const tempo_yaml_node *at = tempo_yaml_get(map, "id");

    if (strlen(y->id) > MAX_ID ||
        strspn(y->id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(y->id))
        return tempo_yaml_fail(err, at, "expected letters, digits, _ and -, at most %d", MAX_ID);
    if (tempo_hypotheses_find(h, y->id) != NULL)
        return tempo_yaml_fail(err, at, "'%s' is there already", y->id);
    if (kind_known && y->kind != TEMPO_HYPOTHESIS_EXPLORATORY && find_required(y->id) == N_REQUIRED)
        return tempo_yaml_fail(err, at, "'%s' is none of the confirmatory endpoints: A1, A2, B, C, D1, D2",
                               y->id);
    return TEMPO_OK;
}

/* What the program computes has the kind and the unit that it has. */
static tempo_status check_kind(const tempo_hypothesis *y, const tempo_yaml_node *map, tempo_err *err)
{
    const size_t i = find_required(y->id);

    if (i < N_REQUIRED && required[i].kind != y->kind)
        return tempo_yaml_fail(err, tempo_yaml_get(map, "kind"), "'%s' is %s", y->id,
                               required[i].kind == TEMPO_HYPOTHESIS_PRIMARY         ? "primary"
                               : required[i].kind == TEMPO_HYPOTHESIS_DETERMINISTIC ? "deterministic"
                                                                                    : "exploratory");
    if (y->kind != TEMPO_HYPOTHESIS_PRIMARY)
        return TEMPO_OK;
    if (!y->has_bound || tempo_yaml_get(map, "unit") == NULL || tempo_yaml_get(map, "test") == NULL)
        return tempo_yaml_fail(err, map, "'%s' is primary: it needs bound, unit and test", y->id);
    if (i < N_REQUIRED && y->unit != NULL && strcmp(y->unit, required[i].unit) != 0)
        return tempo_yaml_fail(err, tempo_yaml_get(map, "unit"), "'%s' is measured in '%s', not in '%s'",
                               y->id, required[i].unit, y->unit);
    return TEMPO_OK;
}

/* *named: its id is right, and it counts as being there whatever else is wrong with it. */
static tempo_status read_hypothesis(const tempo_hypotheses *h, tempo_hypothesis *y,
                                    const tempo_yaml_node *map, bool *named, tempo_err *err)
{
    static const char *const known[] = {"id",   "title", "statement", "kind",       "metric",
                                        "unit", "bound", "test",      "definition", NULL};
    static const char *const needed[] = {"id", "title", "statement", "kind", "metric", "definition", NULL};
    const tempo_yaml_range positive = {.low = 0, .high = HUGE_VAL, .above_low = true};
    unsigned kind = 0;
    tempo_status st = check_map(map, known, needed, err), id;
    const tempo_status of_kind = tempo_yaml_choice(map, "kind", kind_names, &kind, err);
    const bool kind_known = of_kind == TEMPO_OK && tempo_yaml_get(map, "kind") != NULL;

    id = tempo_yaml_str(map, "id", &y->id, err);
    st = tempo_yaml_both(st, of_kind);
    st = tempo_yaml_both(st, tempo_yaml_str(map, "title", &y->title, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "statement", &y->statement, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "metric", &y->metric, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "unit", &y->unit, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "test", &y->test, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "definition", &y->definition, err));
    st = tempo_yaml_both(st, tempo_yaml_f64(map, "bound", positive, &y->bound, err));
    y->kind = (tempo_hypothesis_kind)kind;
    y->has_bound = tempo_yaml_get(map, "bound") != NULL;
    if (id == TEMPO_OK && y->id != NULL)
        id = check_id(h, y, kind_known, map, err);
    *named = id == TEMPO_OK && y->id != NULL;
    st = tempo_yaml_both(st, id);
    return *named && kind_known ? tempo_yaml_both(st, check_kind(y, map, err)) : st;
}

static tempo_status read_list(tempo_hypotheses *h, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st = tempo_yaml_list(root, "hypotheses", TEMPO_YAML_MAP, TEMPO_HYPOTHESES_MAX, &list, err);
    bool all_named = true, named;

    if (list == NULL)
        return st;
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next) {
        st = tempo_yaml_both(st, read_hypothesis(h, &h->list[h->n], v, &named, err));
        if (named)
            h->n++;
        else
            h->list[h->n] = (tempo_hypothesis){0};
        all_named = all_named && named;
    }
    /* one whose id is wrong may be the one that would be missed */
    for (size_t i = 0; i < N_REQUIRED && all_named; i++)
        if (tempo_hypotheses_find(h, required[i].id) == NULL)
            st = tempo_yaml_both(st, tempo_yaml_fail(err, list, "'%s' is missing", required[i].id));
    return st;
}

/* ---- settings ---- */

static tempo_status read_seeds(tempo_hypotheses *h, const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"permutation", "bootstrap", "controls", NULL};
    uint64_t *const out[] = {&h->seeds.permutation, &h->seeds.bootstrap, &h->seeds.controls};
    tempo_status st = check_map(map, known, known, err);

    for (size_t i = 0; known[i] != NULL; i++)
        st = tempo_yaml_both(st, tempo_yaml_u64(map, known[i], 0, UINT64_MAX, out[i], err));
    return st;
}

static tempo_status read_timing(tempo_hypotheses *h, const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"pairs", "warmup", "published_percent", NULL};
    static const char *const needed[] = {"pairs", "warmup", NULL};
    const tempo_yaml_range percent = {.low = -100, .high = 100};
    tempo_status st = check_map(map, known, needed, err);

    st = tempo_yaml_both(st, tempo_yaml_size(map, "pairs", 2, MOST_PAIRS, &h->timing.pairs, err));
    st = tempo_yaml_both(st, tempo_yaml_size(map, "warmup", 0, MOST_PAIRS, &h->timing.warmup, err));
    h->timing.published_percent = (double)NAN;
    return tempo_yaml_both(
        st, tempo_yaml_f64(map, "published_percent", percent, &h->timing.published_percent, err));
}

static tempo_status read_noise(tempo_hypotheses *h, const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"quantile", "nudges", "member_order", "instruction_set", NULL};
    const tempo_yaml_range quantile = {.low = 0.5, .high = 0.9999, .above_low = true};
    size_t nudges[TEMPO_HYPOTHESES_MAX_NUDGES];
    tempo_status st = check_map(map, known, known, err);

    st = tempo_yaml_both(st, tempo_yaml_f64(map, "quantile", quantile, &h->noise.quantile, err));
    st = tempo_yaml_both(st, tempo_yaml_size_list(map, "nudges", 1, SIZE_MAX, nudges,
                                                  TEMPO_HYPOTHESES_MAX_NUDGES, &h->noise.n_nudges, err));
    st = tempo_yaml_both(st, tempo_yaml_bool(map, "member_order", &h->noise.member_order, err));
    st = tempo_yaml_both(st, tempo_yaml_bool(map, "instruction_set", &h->noise.instruction_set, err));
    for (size_t i = 0; i < h->noise.n_nudges; i++)
        h->noise.nudges[i] = nudges[i];
    return st;
}

static tempo_status read_bands(tempo_hypotheses *h, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st =
        tempo_yaml_list(root, "knockout_bands", TEMPO_YAML_LIST, TEMPO_HYPOTHESES_MAX_BANDS, &list, err);

    for (const tempo_yaml_node *v = list != NULL ? list->first : NULL; v != NULL; v = v->next) {
        const tempo_yaml_node *from = v->first, *to = v->n == 2 ? from->next : NULL;
        if (to == NULL || !(from->f64 >= 0 && from->f64 < to->f64 && to->f64 <= 1) ||
            (from->kind != TEMPO_YAML_INT && from->kind != TEMPO_YAML_FLOAT))
            st = tempo_yaml_both(st, tempo_yaml_fail(err, v, "expected [from, to] with 0 <= from < to <= 1"));
        else
            h->bands[h->n_bands++] = (tempo_knockout_band){.from = from->f64, .to = to->f64};
    }
    return st;
}

static tempo_status read_thresholds(tempo_hypotheses *h, const tempo_yaml_node *root, tempo_err *err)
{
    tempo_status st = tempo_yaml_f64_list(root, "thresholds", fraction, h->thresholds,
                                          TEMPO_HYPOTHESES_MAX_THRESHOLDS, &h->n_thresholds, err);

    for (size_t i = 1; i < h->n_thresholds; i++)
        for (size_t j = 0; j < i; j++)
            if (h->thresholds[i] == h->thresholds[j])
                return tempo_yaml_both(st, tempo_yaml_fail(err, tempo_yaml_get(root, "thresholds"),
                                                           "%g is there twice", h->thresholds[i]));
    return st;
}

static tempo_status read_numbers(tempo_hypotheses *h, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_range alpha = {.low = 0, .high = 0.5, .above_low = true};
    tempo_status st = tempo_yaml_str(root, "title", &h->title, err);

    st = tempo_yaml_both(st, tempo_yaml_f64(root, "alpha", alpha, &h->alpha, err));
    st = tempo_yaml_both(st, read_thresholds(h, root, err));
    st = tempo_yaml_both(st, tempo_yaml_size(root, "steps", 2, MOST_STEPS, &h->steps, err));
    st = tempo_yaml_both(st, tempo_yaml_size(root, "permutations", 100, MOST_DRAWS, &h->permutations, err));
    st = tempo_yaml_both(st, tempo_yaml_size(root, "exact_to", 0, TEMPO_EXACT_FLIPS, &h->exact_to, err));
    st = tempo_yaml_both(st, tempo_yaml_size(root, "resamples", 100, MOST_DRAWS, &h->resamples, err));
    return tempo_yaml_both(st, tempo_yaml_f64(root, "position_offset", fraction, &h->position_offset, err));
}

static tempo_status fill(void *object, tempo_err *err)
{
    tempo_hypotheses *h = object;
    static const char *const known[] = {
        "alpha",          "thresholds", "steps",  "permutations", "exact_to",
        "resamples",      "seeds",      "timing", "noise",        "position_offset",
        "knockout_bands", "hypotheses", "title",  "edits",        NULL};
    static const char *const needed[] = {
        "alpha",  "thresholds", "steps",           "permutations",   "exact_to",   "resamples", "seeds",
        "timing", "noise",      "position_offset", "knockout_bands", "hypotheses", NULL};
    static const struct {
        const char *key;
        tempo_status (*read)(tempo_hypotheses *h, const tempo_yaml_node *map, tempo_err *err);
    } parts[] = {{"seeds", read_seeds}, {"timing", read_timing}, {"noise", read_noise}};
    const tempo_yaml_node *root = tempo_yaml_root(h->doc), *map;
    tempo_status st = check_map(root, known, needed, err);

    st = tempo_yaml_both(st, read_numbers(h, root, err));
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if ((map = tempo_yaml_get(root, parts[i].key)) != NULL)
            st = tempo_yaml_both(st, parts[i].read(h, map, err));
    st = tempo_yaml_both(st, read_bands(h, root, err));
    st = tempo_yaml_both(st, tempo_yaml_list(root, "edits", TEMPO_YAML_STR, TEMPO_MAX_EDITS, &h->edits, err));
    return tempo_yaml_both(st, read_list(h, root, err));
}

/* ---- the object ---- */

static void free_any(void *object)
{
    tempo_hypotheses_free(object);
}

static const tempo_yaml_form form = {sizeof(tempo_hypotheses),
                                     offsetof(tempo_hypotheses, doc),
                                     offsetof(tempo_hypotheses, path),
                                     offsetof(tempo_hypotheses, sha256),
                                     fill,
                                     free_any};

tempo_status tempo_hypotheses_parse(tempo_hypotheses **out, const char *path, const void *bytes, size_t n,
                                    const tempo_yaml_tell *tell, tempo_err *err)
{
    void *object;
    const tempo_status st = tempo_yaml_document_parse(&object, &form, path, bytes, n, tell, err);

    *out = object;
    return st;
}

tempo_status tempo_hypotheses_load(tempo_hypotheses **out, const char *path, const tempo_yaml_tell *tell,
                                   tempo_err *err)
{
    void *object;
    const tempo_status st = tempo_yaml_document_load(&object, &form, path, tell, err);

    *out = object;
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
