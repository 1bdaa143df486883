/* taps.c - taps of one capture in numbers by layer, and of two compared. */
#include "analyze/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to look at taps");
}

static const char *short_name(tempo_tap tap)
{
    return tempo_tap_get_info(NULL, tap).short_name;
}

/* ---- what is added up of a layer ---- */

typedef struct layer_sum {
    double norms;              /* of rows, what is not finite left out */
    double sum, squares;       /* of numbers that are finite */
    double row;                /* squares of the row at hand */
    double greatest;           /* absolute; NaN once there is one */
    size_t rows, numbers, odd; /* odd: infinite or NaN */
} layer_sum;

/* A tap's layers, in steps or in the prompt. */
typedef struct tap_sum {
    const tempo_tap_key *first;
    size_t n_layers, steps, rows, width; /* width: numbers of a row, 0 where steps differ */
    layer_sum *layers;                   /* [n_layers] */
} tap_sum;

static void add_number(layer_sum *s, double x)
{
    const double size = fabs(x);

    if (isfinite(x)) {
        s->sum += x;
        s->row += x * x;
        s->numbers++;
    } else {
        s->odd++;
    }
    if (isnan(x) || (isfinite(x) && size > s->greatest))
        s->greatest = size;
}

static void add_row(layer_sum *s, const tempo_tap_array *a, size_t layer, size_t row)
{
    s->row = 0;
    for (size_t p = 0; p < a->n_parts; p++) {
        const float *x = tempo_tap_part(a, layer, row, p);
        for (size_t i = 0; i < a->part; i++)
            add_number(s, (double)x[i]);
    }
    s->norms += sqrt(s->row);
    s->squares += s->row;
    s->rows++;
}

/* Room for the layers of the array, which another one of the tap must have, too. */
static tempo_status take_layers(const tempo_tap_steps *s, const tempo_tap_key *k, const tempo_tap_array *a,
                                size_t *n_layers, void **room, size_t of_one, tempo_err *err)
{
    if (*room == NULL) {
        *n_layers = a->n_layers;
        *room = calloc(a->n_layers, of_one);
        return *room != NULL ? TEMPO_OK : no_memory(err);
    }
    if (a->n_layers != *n_layers)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: %s: %zu layers after %zu", s->name,
                          k->name, a->n_layers, *n_layers);
    return TEMPO_OK;
}

static tempo_status add_array(tap_sum *t, const tempo_tap_steps *s, const tempo_tap_key *k, tempo_err *err)
{
    tempo_tap_array a;
    void *room = t->layers;
    tempo_status st = tempo_tap_read(s, k, &a, err);

    if (st == TEMPO_OK)
        st = take_layers(s, k, &a, &t->n_layers, &room, sizeof(*t->layers), err);
    t->layers = room;
    for (size_t l = 0; st == TEMPO_OK && l < a.n_layers; l++)
        for (size_t r = 0; r < a.n_rows; r++)
            add_row(&t->layers[l], &a, l, r);
    if (st == TEMPO_OK) {
        const size_t width = a.n_parts * a.part;
        t->width = t->steps == 0 || t->width == width ? width : 0;
        t->rows += a.n_rows;
        t->steps++;
    }
    tempo_tap_array_free(&a);
    return st;
}

/* ---- one capture ---- */

enum { NORM, RMS, MEAN, GREATEST, N_NUMBERS };
static const char *const number_names[N_NUMBERS] = {"layer_norm", "layer_rms", "layer_mean", "layer_max"};

static double number_of(const layer_sum *s, int which)
{
    const double n = (double)s->numbers;

    switch (which) {
    case NORM:
        return s->norms / (double)s->rows;
    case RMS:
        return s->numbers > 0 ? sqrt(s->squares / n) : (double)NAN;
    case MEAN:
        return s->numbers > 0 ? s->sum / n : (double)NAN;
    default:
        return s->greatest;
    }
}

static json_t *layer_list(const tempo_tap_steps *s, tempo_tap tap, size_t n)
{
    json_t *list = json_array();

    if (!tempo_tap_get_info(NULL, tap).by_layer)
        n = 0; /* null: it is not in layers */
    for (size_t l = 0; l < n; l++)
        (void)json_array_append_new(list, json_integer((json_int_t)tempo_tap_layer(s, tap, l)));
    return list;
}

static json_t *head_of(const tempo_tap_steps *s, const tempo_tap_key *k, size_t n_layers, size_t steps,
                       size_t rows)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:o}", "tap", short_name(k->tap), "of",
                     k->prompt ? "prompt" : "steps", "steps", (json_int_t)steps, "rows", (json_int_t)rows,
                     "layers", layer_list(s, k->tap, n_layers));
}

static json_t *tap_report(const tempo_tap_steps *s, const tap_sum *t)
{
    json_t *r = head_of(s, t->first, t->n_layers, t->steps, t->rows);
    size_t odd = 0;

    (void)json_object_set_new(r, "width", t->width > 0 ? json_integer((json_int_t)t->width) : json_null());
    for (int k = 0; k < N_NUMBERS; k++) {
        json_t *list = json_array();
        for (size_t l = 0; l < t->n_layers; l++)
            (void)json_array_append_new(list, tempo_analyze_number(number_of(&t->layers[l], k)));
        (void)json_object_set_new(r, number_names[k], list);
    }
    for (size_t l = 0; l < t->n_layers; l++)
        odd += t->layers[l].odd;
    (void)json_object_set_new(r, "not_finite", json_integer((json_int_t)odd));
    return r;
}

static bool same_tap(const tempo_tap_key *a, const tempo_tap_key *b)
{
    return a->tap == b->tap && a->prompt == b->prompt;
}

tempo_status tempo_look_at_taps(json_t **out, const tempo_tap_steps *s, tempo_err *err)
{
    json_t *taps = json_array();
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < s->n && st == TEMPO_OK;) {
        tap_sum t = {.first = &s->keys[i]};
        for (; i < s->n && same_tap(t.first, &s->keys[i]) && st == TEMPO_OK; i++)
            st = add_array(&t, s, &s->keys[i], err);
        if (st == TEMPO_OK)
            (void)json_array_append_new(taps, tap_report(s, &t));
        free(t.layers);
    }
    *out =
        st == TEMPO_OK ? json_pack("{s:s, s:s, s:O}", "kind", "taps", "file", s->shown, "taps", taps) : NULL;
    json_decref(taps);
    return st == TEMPO_OK && *out == NULL ? no_memory(err) : st;
}

/* ---- two captures ---- */

typedef struct layer_difference {
    double greatest, squares; /* of differences; greatest is NaN once there is one */
    double size;              /* the greatest absolute number of the first one that is finite */
    size_t numbers;
} layer_difference;

typedef struct comparison {
    const tempo_tap_steps *a, *b;
    const tempo_tap_key *key; /* of a */
    size_t n_layers, steps, rows, left_out;
    layer_difference *layers; /* [n_layers] */
    json_t **first;           /* of all taps */
} comparison;

static void add_difference(layer_difference *d, double x, double y)
{
    /* what is infinite in both, and NaN in both, is the same */
    const double by = x == y || (isnan(x) && isnan(y)) ? 0 : fabs(x - y);

    d->squares += by * by;
    d->numbers++;
    if (isnan(by) || by > d->greatest)
        d->greatest = by;
    if (isfinite(x) && fabs(x) > d->size)
        d->size = fabs(x);
}

static json_t *tell_first(const comparison *c, size_t layer, size_t row, size_t i, double x, double y)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "tap", short_name(c->key->tap), "of",
                     c->key->prompt ? "prompt" : "steps", "step", (json_int_t)c->key->step, "layer",
                     (json_int_t)tempo_tap_layer(c->a, c->key->tap, layer), "row", (json_int_t)row, "index",
                     (json_int_t)i, "first", tempo_analyze_number(x), "second", tempo_analyze_number(y));
}

static void compare_part(comparison *c, const float *x, const float *y, size_t n, size_t layer, size_t row,
                         size_t part)
{
    for (size_t i = 0; i < n; i++) {
        if (*c->first == NULL && memcmp(&x[i], &y[i], sizeof(*x)) != 0)
            *c->first = tell_first(c, layer, row, part * n + i, (double)x[i], (double)y[i]);
        add_difference(&c->layers[layer], (double)x[i], (double)y[i]);
    }
}

static tempo_status compare_arrays(comparison *c, const tempo_tap_array *a, const tempo_tap_array *b,
                                   tempo_err *err)
{
    void *room = c->layers;
    const tempo_status st = take_layers(c->a, c->key, a, &c->n_layers, &room, sizeof(*c->layers), err);

    c->layers = room;
    if (st != TEMPO_OK)
        return st;
    if (a->n_layers != b->n_layers)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: %s has %zu layers, %s has %zu there",
                          c->a->name, c->key->name, a->n_layers, c->b->name, b->n_layers);
    for (size_t l = 0; l < a->n_layers; l++)
        if (tempo_tap_layer(c->a, c->key->tap, l) != tempo_tap_layer(c->b, c->key->tap, l))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: %s is of other layers in %s",
                              c->a->name, c->key->name, c->b->name);
    if (a->n_rows != b->n_rows || a->n_parts != b->n_parts || a->part != b->part) {
        c->left_out++;
        return TEMPO_OK;
    }
    for (size_t l = 0; l < a->n_layers; l++)
        for (size_t r = 0; r < a->n_rows; r++)
            for (size_t p = 0; p < a->n_parts; p++)
                compare_part(c, tempo_tap_part(a, l, r, p), tempo_tap_part(b, l, r, p), a->part, l, r, p);
    c->rows += a->n_rows;
    c->steps++;
    return TEMPO_OK;
}

static tempo_status compare_key(comparison *c, const tempo_tap_key *theirs, tempo_err *err)
{
    tempo_tap_array a, b = {0};
    tempo_status st = tempo_tap_read(c->a, c->key, &a, err);

    if (st == TEMPO_OK && (st = tempo_tap_read(c->b, theirs, &b, err)) == TEMPO_OK)
        st = compare_arrays(c, &a, &b, err);
    tempo_tap_array_free(&a);
    tempo_tap_array_free(&b);
    return st;
}

static json_t *difference_report(const comparison *c, const tempo_tap_key *first)
{
    json_t *r = head_of(c->a, first, c->n_layers, c->steps, c->rows), *max = json_array(),
           *rms = json_array(), *relative = json_array();

    for (size_t l = 0; l < c->n_layers && c->rows > 0; l++) {
        const layer_difference *d = &c->layers[l];
        (void)json_array_append_new(max, tempo_analyze_number(d->greatest));
        (void)json_array_append_new(rms, tempo_analyze_number(sqrt(d->squares / (double)d->numbers)));
        (void)json_array_append_new(relative,
                                    tempo_analyze_number(d->greatest == 0 ? 0 : d->greatest / d->size));
    }
    (void)json_object_set_new(r, "left_out", json_integer((json_int_t)c->left_out));
    (void)json_object_set_new(r, "layer_max", max);
    (void)json_object_set_new(r, "layer_rms", rms);
    (void)json_object_set_new(r, "layer_relative", relative);
    return r;
}

/* The tap that begins at keys[*i]; *i goes behind it. */
static tempo_status compare_tap(json_t *taps, comparison *c, size_t *i, uint32_t parted, tempo_err *err)
{
    const tempo_tap_key *first = &c->a->keys[*i];
    bool any = false;
    tempo_status st = TEMPO_OK;

    c->n_layers = c->steps = c->rows = c->left_out = 0;
    for (; *i < c->a->n && same_tap(first, &c->a->keys[*i]); ++*i) {
        const tempo_tap_key *theirs = tempo_tap_steps_find(c->b, &c->a->keys[*i]);
        if (theirs == NULL || st != TEMPO_OK)
            continue;
        any = true;
        c->key = &c->a->keys[*i];
        if (!c->key->prompt && c->key->step > parted)
            c->left_out++;
        else
            st = compare_key(c, theirs, err);
    }
    if (st == TEMPO_OK && any)
        (void)json_array_append_new(taps, difference_report(c, first));
    free(c->layers);
    c->layers = NULL;
    return st;
}

/* Taps of x that y has no array of. */
static json_t *only_in(const tempo_tap_steps *x, const tempo_tap_steps *y)
{
    json_t *list = json_array();

    for (size_t i = 0; i < x->n; i++) {
        bool there = i > 0 && same_tap(&x->keys[i - 1], &x->keys[i]);
        for (size_t k = 0; k < y->n && !there; k++)
            there = same_tap(&x->keys[i], &y->keys[k]);
        if (!there)
            (void)json_array_append_new(list, json_sprintf("%s%s",
                                                           x->keys[i].prompt ? TEMPO_CAPTURE_PROMPT "_" : "",
                                                           short_name(x->keys[i].tap)));
    }
    return list;
}

tempo_status tempo_compare_taps(json_t **out, const tempo_tap_steps *a, const tempo_tap_steps *b,
                                uint32_t parted, tempo_err *err)
{
    json_t *taps = json_array(), *first = NULL;
    comparison c = {.a = a, .b = b, .first = &first};
    size_t left_out = 0;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    for (size_t i = 0; i < a->n && st == TEMPO_OK;) {
        st = compare_tap(taps, &c, &i, parted, err);
        left_out += c.left_out;
    }
    if (st == TEMPO_OK && json_array_size(taps) == 0)
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s and %s have no tap in common", a->name,
                        b->name);
    if (st == TEMPO_OK) {
        *out = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:O}", "kind", "taps", "first", a->shown, "second",
                         b->shown, "identical", first == NULL && left_out == 0, "only_in_first",
                         only_in(a, b), "only_in_second", only_in(b, a), "taps", taps);
        st = *out != NULL ? TEMPO_OK : no_memory(err);
    }
    if (st == TEMPO_OK) {
        (void)json_object_set_new(*out, "sets_differ_at",
                                  parted == UINT32_MAX ? json_null() : json_integer(parted));
        (void)json_object_set(*out, "first_difference", first != NULL ? first : json_null());
    }
    json_decref(first);
    json_decref(taps);
    return st;
}
