/* attention.c - attention of two captures step by step, and of one. */
#include "analyze/parts.h"
#include "io/json_at.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/maps.h"

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a report");
}

static bool same_shape(const tempo_step_attention *a, const tempo_step_attention *b)
{
    return a->n_rows == b->n_rows && a->n_slots == b->n_slots;
}

/* Of all layers and heads; 0 when rows have no siblings or their slots are unknown. */
static double all_sibling_mass(const tempo_step_attention *a)
{
    double sum = 0;
    tempo_sight s;

    if (!tempo_step_sight(a, 0, &s))
        return 0;
    for (size_t i = 0; i < a->n_layers * a->n_heads; i++)
        for (size_t r = 0; r < a->n_rows; r++) {
            s.own = (size_t)a->query_slots[r];
            sum += tempo_sibling_mass(tempo_step_row(a, i / a->n_heads, i % a->n_heads, r), &s);
        }
    return sum;
}

/* Both read the same slots, as far as they say. */
static bool same_slots(const tempo_step_attention *a, const tempo_step_attention *b)
{
    return a->query_slots == NULL || b->query_slots == NULL ||
           memcmp(a->query_slots, b->query_slots, a->n_rows * sizeof(int64_t)) == 0;
}

/* ---- comparing ---- */

/* What is known while two captures are gone through. */
typedef struct comparison {
    const tempo_steps *a, *b;
    uint32_t parted;
    tempo_maps total;
    bool begun, swapped;
    bool identical; /* every bit so far */
    json_t *steps, *first_difference, *a1;
    double sum_error[2];
    size_t n_compared, n_renormalised;
} comparison;

static double greater(double max, double x)
{
    return isnan(max) || x <= max ? max : x;
}

/* Where two arrays of equal shape first differ by a bit. */
static json_t *find_difference(const comparison *c, uint32_t step, const tempo_step_attention *a,
                               const tempo_step_attention *b)
{
    const size_t n = a->n_layers * a->n_heads * a->n_rows * a->n_slots;

    for (size_t i = 0; i < n; i++)
        if (memcmp(&a->weights[i], &b->weights[i], sizeof(float)) != 0)
            return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "step", (json_int_t)step, "layer",
                             (json_int_t)(i / a->n_slots / a->n_rows / a->n_heads + c->a->first_layer),
                             "head", (json_int_t)(i / a->n_slots / a->n_rows % a->n_heads + c->a->first_head),
                             "row", (json_int_t)(i / a->n_slots % a->n_rows), "slot",
                             (json_int_t)(i % a->n_slots), "first",
                             tempo_analyze_number((double)a->weights[i]), "second",
                             tempo_analyze_number((double)b->weights[i]));
    return NULL;
}

/* A1, identity I7: in layer 0 isolated equals visible renormalised, within 4e-6 / (1 - mass). */
static json_t *check_a1(uint32_t step, const tempo_step_attention *a, const tempo_step_attention *b)
{
    double worst = 0, max = 0;
    tempo_sight s;

    if (!tempo_step_sight(a, 0, &s))
        return NULL;
    for (size_t h = 0; h < a->n_heads; h++)
        for (size_t r = 0; r < a->n_rows; r++) {
            const float *x = tempo_step_row(a, 0, h, r), *y = tempo_step_row(b, 0, h, r);
            s.own = (size_t)a->query_slots[r];
            const double d = tempo_attention_max_diff(x, y, &s);
            max = greater(max, d);
            worst = greater(worst, d * (1 - tempo_sibling_mass(y, &s)) / 4e-6);
        }
    return json_pack("{s:I, s:I, s:b, s:o, s:o}", "step", (json_int_t)step, "rows", (json_int_t)a->n_rows,
                     "holds", worst <= 1, "max_difference", tempo_analyze_number(max), "of_tolerance",
                     tempo_analyze_number(worst));
}

/* Which of the two is blind to siblings is seen at the first step that has some. */
static void settle_roles(comparison *c, double mass_a, double mass_b, json_t *warnings)
{
    if (c->begun || (mass_a == 0 && mass_b == 0))
        return;
    c->begun = true;
    c->swapped = mass_b == 0;
    if (c->swapped)
        (void)json_array_append_new(
            warnings, json_sprintf("rows of %s see siblings and those of %s do not: taken the other way "
                                   "round, isolated first",
                                   c->a->shown, c->b->shown));
}

static json_t *step_report(uint32_t step, const tempo_step_attention *a, const char *how)
{
    return json_pack("{s:I, s:I, s:I, s:s}", "step", (json_int_t)step, "rows", (json_int_t)a->n_rows, "slots",
                     (json_int_t)a->n_slots, "compared", how);
}

static tempo_status compare_rows(comparison *c, uint32_t step, const tempo_step_attention *a,
                                 const tempo_step_attention *b, bool renormalised, tempo_err *err)
{
    tempo_maps m;
    tempo_status st = tempo_maps_create(&m, a->n_layers, a->n_heads, err);
    const bool counts = step <= c->parted;
    json_t *r = step_report(step, a, renormalised ? "renormalised" : "as they are");

    if (st != TEMPO_OK)
        goto out;
    json_t *difference = find_difference(c, step, a, b);
    if (renormalised && c->identical && c->a1 == NULL && c->a->first_layer == 0)
        c->a1 = check_a1(step, a, b);
    tempo_maps_add_difference(&m, a, b, renormalised);
    tempo_maps_add_siblings(&m, b);
    if (counts) {
        tempo_maps_add(&c->total, &m);
        c->n_compared++;
        c->n_renormalised += renormalised;
    }
    (void)json_object_set_new(r, "identical", json_boolean(difference == NULL));
    (void)json_object_set_new(r, "same_context", json_boolean(counts));
    c->identical &= difference == NULL;
    if (c->first_difference == NULL && difference != NULL)
        c->first_difference = json_incref(difference);
    json_decref(difference);
    tempo_maps_finish(&m);
    m.first_layer = c->a->first_layer;
    m.first_head = c->a->first_head;
    if ((st = tempo_maps_report(&m, r, true, err)) == TEMPO_OK)
        (void)json_array_append(c->steps, r);
out:
    json_decref(r);
    tempo_maps_free(&m);
    return st;
}

static void note_shapes(comparison *c, uint32_t step, const tempo_step_attention *a,
                        const tempo_step_attention *b)
{
    json_t *r = step_report(step, a, "not");

    c->identical = false;
    if (c->parted >= step) /* sets of other sizes were selected one step before, at the latest */
        c->parted = step > 0 ? step - 1 : 0;
    (void)json_object_set_new(r, "why",
                              same_shape(a, b)
                                  ? json_string("the rows are of other slots")
                                  : json_sprintf("%zu rows of %zu slots against %zu rows of %zu slots",
                                                 a->n_rows, a->n_slots, b->n_rows, b->n_slots));
    if (c->first_difference == NULL)
        c->first_difference =
            json_pack("{s:I, s:O}", "step", (json_int_t)step, "why", json_object_get(r, "why"));
    (void)json_array_append_new(c->steps, r);
}

/* The attention of a step, whose rows are those that it read. */
static tempo_status read_step(const tempo_steps *s, uint32_t step, tempo_step_attention *a, tempo_err *err)
{
    const tempo_status st = tempo_steps_attention(s, step, a, err);

    if (st != TEMPO_OK || a->n_rows < a->n_slots || a->n_slots == 1)
        return st;
    tempo_step_attention_free(a);
    return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                      "%s: step %" PRIu32 " has the attention of all slots, expected that of the rows it "
                      "read: capture attention without :square",
                      s->name, step);
}

static tempo_status compare_step(comparison *c, uint32_t step, json_t *warnings, tempo_err *err)
{
    tempo_step_attention a, b = {0};
    tempo_status st = read_step(c->a, step, &a, err);

    if (st != TEMPO_OK)
        return st;
    if ((st = read_step(c->b, step, &b, err)) != TEMPO_OK)
        goto out;
    if (a.n_layers != b.n_layers || a.n_heads != b.n_heads) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "step %" PRIu32 ": %s has %zu layers of %zu heads, %s has %zu of %zu: not one model",
                        step, c->a->name, a.n_layers, a.n_heads, c->b->name, b.n_layers, b.n_heads);
        goto out;
    }
    if (c->total.v[0] == NULL && (st = tempo_maps_create(&c->total, a.n_layers, a.n_heads, err)) != TEMPO_OK)
        goto out;
    if (a.n_layers != c->total.n_layers || a.n_heads != c->total.n_heads) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s: step %" PRIu32 " has %zu layers of %zu heads, earlier ones have %zu of %zu",
                        c->a->name, step, a.n_layers, a.n_heads, c->total.n_layers, c->total.n_heads);
        goto out;
    }
    c->sum_error[0] = greater(c->sum_error[0], tempo_step_sum_error(&a));
    c->sum_error[1] = greater(c->sum_error[1], tempo_step_sum_error(&b));
    if (!same_shape(&a, &b) || !same_slots(&a, &b)) {
        note_shapes(c, step, &a, &b);
        goto out;
    }
    const double mass_a = all_sibling_mass(&a), mass_b = all_sibling_mass(&b);
    settle_roles(c, mass_a, mass_b, warnings);
    if (c->swapped)
        st = compare_rows(c, step, &b, &a, mass_b == 0 && mass_a != 0, err);
    else
        st = compare_rows(c, step, &a, &b, mass_a == 0 && mass_b != 0, err);
out:
    tempo_step_attention_free(&a);
    tempo_step_attention_free(&b);
    return st;
}

static void keep(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set(o, key, value != NULL ? value : json_null());
}

tempo_status tempo_compare_attention(json_t **out, const tempo_steps *a, const tempo_steps *b,
                                     uint32_t parted, json_t *warnings, tempo_err *err)
{
    comparison c = {.a = a, .b = b, .parted = parted, .identical = true, .steps = json_array()};
    tempo_status st = TEMPO_OK;
    json_t *report = NULL;

    *out = NULL;
    if (a->first_layer != b->first_layer || a->first_head != b->first_head) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s holds layers from %" PRIu32 " and heads from %" PRIu32 ", %s from %" PRIu32
                        " and %" PRIu32 ": nothing to compare them by",
                        a->name, a->first_layer, a->first_head, b->name, b->first_layer, b->first_head);
        goto out;
    }
    for (size_t i = 0; i < a->n[TEMPO_STEPS_ATTENTION] && st == TEMPO_OK; i++)
        if (tempo_steps_has(b, TEMPO_STEPS_ATTENTION, a->steps[TEMPO_STEPS_ATTENTION][i]))
            st = compare_step(&c, a->steps[TEMPO_STEPS_ATTENTION][i], warnings, err);
    if (st != TEMPO_OK)
        goto out;
    if (c.total.v[0] == NULL) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s and %s have no step of attention in common",
                        a->name, b->name);
        goto out;
    }
    tempo_maps_finish(&c.total);
    c.total.first_layer = a->first_layer;
    c.total.first_head = a->first_head;
    report =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:o, s:o}", "kind", "attention", "first",
                  c.swapped ? b->shown : a->shown, "second", c.swapped ? a->shown : b->shown,
                  "steps_compared", (json_int_t)c.n_compared, "steps_renormalised",
                  (json_int_t)c.n_renormalised, "steps_in_common", (json_int_t)json_array_size(c.steps),
                  "identical", c.identical, "first_sum_error", tempo_analyze_number(c.sum_error[c.swapped]),
                  "second_sum_error", tempo_analyze_number(c.sum_error[!c.swapped]));
    if (report == NULL) {
        st = no_memory(err);
        goto out;
    }
    (void)json_object_set_new(report, "first_layer", json_integer(a->first_layer));
    (void)json_object_set_new(report, "first_head", json_integer(a->first_head));
    (void)json_object_set_new(report, "sets_differ_at",
                              c.parted == UINT32_MAX ? json_null() : json_integer(c.parted));
    keep(report, "first_difference", c.first_difference);
    keep(report, "a1", c.a1);
    keep(report, "steps", c.steps);
    if ((st = tempo_maps_report(&c.total, report, true, err)) == TEMPO_OK)
        *out = json_incref(report);
out:
    json_decref(report);
    json_decref(c.steps);
    json_decref(c.first_difference);
    json_decref(c.a1);
    tempo_maps_free(&c.total);
    return st;
}

/* ---- one capture ---- */

/* Position of a slot as recorded: with the step, else in rope_positions.json; NAN when nowhere. */
static double position_of(const tempo_step_attention *a, const json_t *positions, int64_t slot)
{
    char key[24];

    if (a->rope != NULL)
        return a->rope[slot];
    (void)snprintf(key, sizeof(key), "%" PRId64, slot);
    return tempo_json_value(json_object_get(positions, key));
}

/* D1: the positions of a set, equal or not. */
static void check_positions(json_t *r, const tempo_step_attention *a, const json_t *positions)
{
    double first, low, high;
    bool equal = true;

    if (a->query_slots == NULL || (a->rope == NULL && positions == NULL))
        return;
    first = low = high = position_of(a, positions, a->query_slots[0]);
    for (size_t i = 0; i < a->n_rows; i++) {
        const double x = position_of(a, positions, a->query_slots[i]);
        equal &= x == first; /* NaN is not */
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    (void)json_object_set_new(r, "positions_equal", json_boolean(equal));
    (void)json_object_set_new(r, "position", tempo_analyze_number(first));
    (void)json_object_set_new(r, "position_spread", tempo_analyze_number(high - low));
}

/* The first slot where rope_positions.json and the step's own record differ, or -1. */
static int64_t find_other_position(const tempo_step_attention *a, const json_t *positions)
{
    char key[24];

    for (size_t i = 0; a->rope != NULL && positions != NULL && i < a->n_slots; i++) {
        (void)snprintf(key, sizeof(key), "%zu", i);
        const json_t *x = json_object_get(positions, key);
        if (x != NULL && !(tempo_json_value(x) == a->rope[i]))
            return (int64_t)i;
    }
    return -1;
}

typedef struct look {
    tempo_maps total;
    json_t *steps;
    double sum_error;
    size_t n_sets, n_equal; /* with two or more rows and known positions */
    int64_t other_position; /* see find_other_position */
} look;

static tempo_status look_at_step(look *l, const tempo_steps *s, uint32_t step, const json_t *positions,
                                 tempo_err *err)
{
    tempo_step_attention a;
    tempo_maps m = {0};
    json_t *r = NULL;
    tempo_status st = read_step(s, step, &a, err);

    if (st != TEMPO_OK)
        return st;
    if (l->total.v[0] == NULL && (st = tempo_maps_create(&l->total, a.n_layers, a.n_heads, err)) != TEMPO_OK)
        goto out;
    if (a.n_layers != l->total.n_layers || a.n_heads != l->total.n_heads) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s: step %" PRIu32 " has %zu layers of %zu heads, earlier ones have %zu of %zu",
                        s->name, step, a.n_layers, a.n_heads, l->total.n_layers, l->total.n_heads);
        goto out;
    }
    if ((st = tempo_maps_create(&m, a.n_layers, a.n_heads, err)) != TEMPO_OK)
        goto out;
    tempo_maps_add_siblings(&m, &a);
    tempo_maps_add(&l->total, &m);
    tempo_maps_finish(&m);
    m.first_layer = s->first_layer;
    m.first_head = s->first_head;
    l->sum_error = greater(l->sum_error, tempo_step_sum_error(&a));
    r = json_pack("{s:I, s:I, s:I, s:b}", "step", (json_int_t)step, "rows", (json_int_t)a.n_rows, "slots",
                  (json_int_t)a.n_slots, "slots_known", a.query_slots != NULL);
    check_positions(r, &a, positions);
    if (a.n_rows > 1 && json_object_get(r, "positions_equal") != NULL) {
        l->n_sets++;
        l->n_equal += json_is_true(json_object_get(r, "positions_equal"));
    }
    if (l->other_position < 0)
        l->other_position = find_other_position(&a, positions);
    st = tempo_maps_report(&m, r, false, err);
    (void)json_array_append(l->steps, r);
out:
    json_decref(r);
    tempo_maps_free(&m);
    tempo_step_attention_free(&a);
    return st;
}

tempo_status tempo_look_at_attention(json_t **out, const tempo_steps *s, const json_t *positions,
                                     tempo_err *err)
{
    look l = {.steps = json_array(), .other_position = -1};
    tempo_status st = TEMPO_OK;
    json_t *report = NULL;

    *out = NULL;
    for (size_t i = 0; i < s->n[TEMPO_STEPS_ATTENTION] && st == TEMPO_OK; i++)
        st = look_at_step(&l, s, s->steps[TEMPO_STEPS_ATTENTION][i], positions, err);
    if (st != TEMPO_OK)
        goto out;
    tempo_maps_finish(&l.total);
    l.total.first_layer = s->first_layer;
    l.total.first_head = s->first_head;
    report = json_pack("{s:s, s:s, s:o, s:O}", "kind", "attention", "file", s->shown, "sum_error",
                       tempo_analyze_number(l.sum_error), "steps", l.steps);
    if (report == NULL) {
        st = no_memory(err);
        goto out;
    }
    (void)json_object_set_new(report, "first_layer", json_integer(s->first_layer));
    (void)json_object_set_new(report, "first_head", json_integer(s->first_head));
    (void)json_object_set_new(report, "d1",
                              l.n_sets == 0
                                  ? json_null()
                                  : json_pack("{s:I, s:I, s:b}", "sets", (json_int_t)l.n_sets, "equal",
                                              (json_int_t)l.n_equal, "holds", l.n_equal == l.n_sets));
    (void)json_object_set_new(report, "rope_positions_differ_at",
                              l.other_position < 0 ? json_null()
                                                   : json_integer((json_int_t)l.other_position));
    if ((st = tempo_maps_report(&l.total, report, false, err)) == TEMPO_OK)
        *out = json_incref(report);
out:
    json_decref(report);
    json_decref(l.steps);
    tempo_maps_free(&l.total);
    return st;
}
