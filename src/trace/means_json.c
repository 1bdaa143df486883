/* means_json.c - a number for each cell as a document. */
#include <math.h>
#include <string.h>

#include "io/json_file.h"
#include "trace/trace.h"

static json_t *list(size_t first, size_t n, double (*of)(const void *user, size_t cell), const void *user)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, tempo_json_number(of(user, first + i)));
    return a;
}

json_t *tempo_trace_kinds_json(const tempo_trace_means *shape, double (*of)(const void *user, size_t cell),
                               const void *user)
{
    json_t *o = json_object();

    for (tempo_trace_kind kind = 0; kind < TEMPO_TRACE_KINDS; kind++) {
        json_t *one;
        if (kind == TEMPO_TRACE_ALL) {
            one = tempo_json_number(of(user, shape->first[kind]));
        } else if (kind == TEMPO_TRACE_HEAD) {
            one = json_array();
            for (size_t l = 0; l < shape->n_layers; l++)
                json_array_append_new(
                    one, list(shape->first[kind] + l * shape->n_heads, shape->n_heads, of, user));
        } else {
            one = list(shape->first[kind], shape->n[kind], of, user);
        }
        json_object_set_new(o, tempo_trace_kind_name(kind), one);
    }
    return o;
}

typedef struct which {
    const tempo_trace_means *s;
    int side, measure;
} which;

static double mean_of(const void *user, size_t cell)
{
    const which *w = user;

    return tempo_trace_mean(w->s, w->side, w->measure, cell);
}

static json_t *side_json(const tempo_trace_means *s, int side)
{
    json_t *o = json_object();

    for (int m = 0; m < TEMPO_TRACE_MEASURES; m++) {
        const which w = {s, side, m};
        json_object_set_new(o, tempo_trace_measures[m], tempo_trace_kinds_json(s, mean_of, &w));
    }
    return o;
}

json_t *tempo_trace_means_json(const tempo_trace_means *s)
{
    json_t *kept = json_array(),
           *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "sets", (json_int_t)s->sets, "exchanged_sets",
                          (json_int_t)s->exchanged, "first_layer", (json_int_t)s->first_layer, "n_layers",
                          (json_int_t)s->n_layers, "n_heads", (json_int_t)s->n_heads, "kept", kept);

    for (size_t i = 0; i < s->n_kept; i++)
        json_array_append_new(kept, json_integer((json_int_t)s->kept[i]));
    for (int side = 0; side < TEMPO_TRACE_SIDES; side++) {
        const bool any = s->sums != NULL && (side == TEMPO_TRACE_CUT || s->exchanged > 0);
        json_object_set_new(o, tempo_trace_sides[side], any ? side_json(s, side) : json_null());
    }
    return o;
}

/* ---- reading ---- */

enum { MOST = 4096 }; /* layers, and heads of one: no model has so many */

static bool read_size(const json_t *doc, const char *key, size_t low, size_t *out)
{
    const json_t *v = json_object_get(doc, key);
    const json_int_t n = json_integer_value(v);

    *out = (size_t)n;
    return json_is_integer(v) && n >= (json_int_t)low && n <= MOST;
}

bool tempo_trace_shape_read(tempo_trace_means *shape, const json_t *doc)
{
    tempo_trace_means s = {0};
    size_t first;

    if (!read_size(doc, "n_layers", 1, &s.n_layers) || !read_size(doc, "n_heads", 1, &s.n_heads) ||
        !read_size(doc, "first_layer", 0, &first))
        return false;
    s.first_layer = (uint32_t)first;
    s.n_cells = tempo_trace_cell_count(s.n_layers, s.n_heads);
    tempo_trace_place(s.n_layers, s.n_heads, s.first, s.n);
    s.n_kept = s.n[TEMPO_TRACE_KEEP];
    for (size_t i = 0; i < s.n_kept; i++)
        s.kept[i] = (size_t)1 << i;
    if (shape->n_cells == 0)
        *shape = s;
    return s.n_layers == shape->n_layers && s.n_heads == shape->n_heads &&
           s.first_layer == shape->first_layer;
}

static bool read_list(const json_t *list, size_t n, double *x)
{
    if (!json_is_array(list) || json_array_size(list) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        x[i] = json_is_number(v) ? json_number_value(v) : (double)NAN;
    }
    return true;
}

bool tempo_trace_kinds_read(const tempo_trace_means *shape, const json_t *kinds, double *x)
{
    bool read = true;

    for (size_t i = 0; i < shape->n_cells; i++)
        x[i] = NAN;
    if (!json_is_object(kinds))
        return true;
    for (tempo_trace_kind kind = 0; kind < TEMPO_TRACE_KINDS && read; kind++) {
        const json_t *v = json_object_get(kinds, tempo_trace_kind_name(kind));
        double *to = x + shape->first[kind];
        if (kind == TEMPO_TRACE_ALL)
            *to = json_is_number(v) ? json_number_value(v) : (double)NAN;
        else if (kind != TEMPO_TRACE_HEAD)
            read = read_list(v, shape->n[kind], to);
        for (size_t l = 0; kind == TEMPO_TRACE_HEAD && l < shape->n_layers && read; l++)
            read = read_list(json_array_get(v, l), shape->n_heads, to + l * shape->n_heads);
    }
    return read;
}
