/* means_json.c - a number for each cell as a document. */
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
