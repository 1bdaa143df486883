/* taps.c - lists of taps. */
#include "capture/taps.h"

#include <stdio.h>

/* None: all of them, which nothing makes more. */
static void unite(uint64_t *to, const uint64_t *from)
{
    uint64_t all_to = 0, all_from = 0;

    for (size_t w = 0; w < TEMPO_TAP_WORDS; w++) {
        all_to |= to[w];
        all_from |= from[w];
    }
    for (size_t w = 0; w < TEMPO_TAP_WORDS; w++)
        to[w] = all_to == 0 || all_from == 0 ? 0 : to[w] | from[w];
}

void tempo_taps_add(tempo_taps *t, const tempo_tap_selection *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < t->n && t->list[at].tap != s[i].tap)
            at++;
        if (at < t->n) {
            unite(t->list[at].layers, s[i].layers);
            unite(t->list[at].heads, s[i].heads);
        } else if (t->n < TEMPO_TAP_COUNT) {
            t->list[t->n++] = s[i];
        }
    }
}

bool tempo_taps_include(const tempo_tap_selection *s, size_t n, const tempo_tap_view *v)
{
    bool any = false;

    for (size_t i = 0; i < n; i++)
        any = any || (s[i].tap == v->tap && tempo_tap_has(s[i].layers, v->layer));
    return any;
}

/* NULL: no memory; so below. */
static json_t *bits_json(const uint64_t *bits, uint32_t n)
{
    json_t *a = json_array();
    int bad = 0;

    for (uint32_t i = 0; i < n; i++)
        if (tempo_tap_has(bits, i))
            bad |= json_array_append_new(a, json_integer(i));
    if (bad == 0)
        return a;
    json_decref(a);
    return NULL;
}

json_t *tempo_taps_json(const tempo_tap_selection *taps, size_t n, const tempo_model *m)
{
    json_t *doc = json_object();
    int bad = 0;

    for (size_t i = 0; i < n; i++) {
        const tempo_tap_info t = tempo_tap_get_info(m, taps[i].tap);
        char name[96];
        (void)snprintf(name, sizeof(name), "%s%s", t.by_layer ? "blocks.L." : "", t.name);
        json_t *one = json_pack("{s:s}", "name", name);
        if (t.by_layer)
            bad |= json_object_set_new(one, "layers",
                                       bits_json(taps[i].layers, tempo_model_get_info(m)->n_layers));
        if (t.n_heads > 0)
            bad |= json_object_set_new(one, "heads", bits_json(taps[i].heads, t.n_heads));
        bad |= json_object_set_new(doc, t.short_name, one);
    }
    if (bad == 0)
        return doc;
    json_decref(doc);
    return NULL;
}

json_t *tempo_json_sizes(const tempo_model *m)
{
    const tempo_model_info *i = tempo_model_get_info(m);

    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "architecture", i->architecture, "n_layers",
                     (json_int_t)i->n_layers, "n_heads", (json_int_t)i->n_heads, "n_kv_heads",
                     (json_int_t)i->n_kv_heads, "head_dim", (json_int_t)i->head_dim, "d_model",
                     (json_int_t)i->d_model, "d_ff", (json_int_t)i->d_ff, "n_vocab", (json_int_t)i->n_vocab);
}
