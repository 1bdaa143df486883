/* apply.c - values of a tap changed by the edits of their row. */
#include <math.h>
#include <string.h>

#include "engine/pass.h"

/* What changes is counted in bits: 0 to -0 is a change, and so is nothing else that compares equal. */
static bool put(float *x, float v)
{
    const bool changed = memcmp(x, &v, sizeof(v)) != 0;

    *x = v;
    return changed;
}

static bool is_visible(const uint64_t *visible, size_t i)
{
    return visible == NULL || (visible[i / 64] >> i % 64 & 1) != 0;
}

/* How many of bits' set ones are below i. */
static size_t rank(const uint64_t *bits, uint32_t i)
{
    size_t n = 0;

    for (uint32_t k = 0; k < i; k++)
        n += tempo_tap_has(bits, k);
    return n;
}

/* The numbers that an edit has for a head (or all of what has none), and how many. */
static const float *values_for(const tempo_edit *edit, uint32_t layer, uint32_t head, size_t all_heads,
                               size_t *n)
{
    const size_t at = edit->heads == 1 ? 0 : edit->heads == all_heads ? head : rank(edit->at.heads, head);
    const size_t of_layer = edit->by_layer ? rank(edit->at.layers, layer) : 0;

    *n = edit->width;
    return edit->values + (of_layer * edit->heads + at) * edit->width;
}

/* Of the store of a patch: [*n] of a head, or NULL. */
static const float *stored_for(const tempo_edit *edit, uint32_t layer, size_t slot, uint32_t head, size_t *n)
{
    size_t dims[2];
    const float *p = tempo_store_values(edit->store, edit->at.tap, layer,
                                        edit->source != SIZE_MAX ? edit->source : slot, dims);
    const bool heads = tempo_tap_get_info(tempo_store_model(edit->store), edit->at.tap).n_heads > 0;

    if (p == NULL)
        return NULL;
    *n = heads ? dims[1] : dims[0];
    return p + (heads ? head * dims[1] : 0);
}

static bool scale_by(float *x, size_t n, const uint64_t *visible, float a)
{
    bool changed = false;

    for (size_t i = 0; i < n; i++)
        if (is_visible(visible, i))
            changed = put(&x[i], x[i] * a) || changed;
    return changed;
}

static bool set_all(float *x, size_t n, const uint64_t *visible, float v)
{
    bool changed = false;

    for (size_t i = 0; i < n; i++)
        if (is_visible(visible, i))
            changed = put(&x[i], v) || changed;
    return changed;
}

static bool set_to(float *x, size_t n, const uint64_t *visible, const float *v)
{
    bool changed = false;

    for (size_t i = 0; i < n; i++)
        if (is_visible(visible, i))
            changed = put(&x[i], v[i]) || changed;
    return changed;
}

static bool add_to(float *x, size_t n, const uint64_t *visible, const float *v, float times)
{
    bool changed = false;

    for (size_t i = 0; i < n; i++)
        if (is_visible(visible, i))
            changed = put(&x[i], x[i] + times * v[i]) || changed;
    return changed;
}

/* One head, or all of a tap that has none.  *came: it had something to do. */
static bool change(const tempo_edit *edit, uint32_t layer, const tempo_row_plan *p, uint32_t head,
                   size_t all_heads, float *x, size_t n, const uint64_t *visible, bool *came)
{
    const float *v;
    size_t width = 0;

    *came = true;
    switch (edit->kind) {
    case TEMPO_EDIT_ZERO:
        return set_all(x, n, visible, 0.0f);
    case TEMPO_EDIT_SCALE:
        return scale_by(x, n, visible, edit->amount);
    case TEMPO_EDIT_ADD:
        v = values_for(edit, layer, head, all_heads, &width);
        return add_to(x, width < n ? width : n, visible, v, edit->amount);
    case TEMPO_EDIT_SET:
        v = values_for(edit, layer, head, all_heads, &width);
        return set_to(x, width < n ? width : n, visible, v);
    case TEMPO_EDIT_PATCH:
        v = stored_for(edit, layer, p->slot, head, &width);
        *came = v != NULL;
        return v != NULL && set_to(x, width < n ? width : n, visible, v);
    case TEMPO_EDIT_CUT:
    case TEMPO_EDIT_BIAS:
    case TEMPO_EDIT_TEMPERATURE:
    case TEMPO_EDIT_KEEP:
        break;
    }
    return false;
}

static void record(const tempo_row_plan *p, size_t i, bool came, bool changed)
{
    tempo_edit_record *used = &p->seq->edits_used[i];

    /* relaxed, and only when it is news: read after the pass, which the pool's end orders */
    if (came && !atomic_load_explicit(&used->came, memory_order_relaxed))
        atomic_store_explicit(&used->came, true, memory_order_relaxed);
    if (changed && !atomic_load_explicit(&used->changed, memory_order_relaxed))
        atomic_store_explicit(&used->changed, true, memory_order_relaxed);
}

/* Is edit i of the row's list one for this tap, layer and row? */
static bool is_for(const tempo_engine *e, size_t r, size_t i, tempo_tap tap, uint32_t layer)
{
    const tempo_edit *edit = &e->plan[r].edits->list[i];

    return (e->edit_bits[r * e->edit_words + i / 64] >> i % 64 & 1) != 0 && edit->at.tap == tap &&
           (!tempo_tap_in_layers(tap) || tempo_tap_has(edit->at.layers, layer));
}

void tempo_edits_apply(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values, size_t n_0,
                       size_t n_1)
{
    const tempo_row_plan *p = &e->plan[r];
    const bool by_head = tempo_tap_get_info(e->model, tap).n_heads > 0;
    const size_t heads = by_head ? n_0 : 1, width = by_head ? n_1 : n_0;

    for (size_t i = 0; i < p->edits->n; i++) {
        const tempo_edit *edit = &p->edits->list[i];
        bool came = false, changed = false, one = false;
        if (!is_for(e, r, i, tap, layer))
            continue;
        if (edit->kind == TEMPO_EDIT_KEEP)
            tempo_store_put(edit->store, tap, layer, p->slot, values, n_0 * n_1);
        for (uint32_t h = 0; h < heads; h++)
            if (!by_head || tempo_tap_has(edit->at.heads, h)) {
                changed = change(edit, layer, p, h, heads, values + h * width, width, NULL, &one) || changed;
                came = came || one;
            }
        record(p, i, came, changed);
    }
}

/* ---- scores and pattern of a head ---- */

/* The slots that a cut or bias means, as bits: those that had to be looked up are known. */
static const uint64_t *slots_of(const tempo_engine *e, const tempo_edit *edit, const tempo_edited_head *h)
{
    const tempo_seq *s = e->plan[h->row].seq;

    if (edit->mark != SIZE_MAX)
        return s->marks + edit->mark * s->mark_words;
    memset(h->spare, 0, (h->n + 63) / 64 * sizeof(*h->spare));
    tempo_rule_mark(&edit->to, e, h->row, 0, h->n, h->spare, true);
    return h->spare;
}

/* Was there one of them? */
static bool take_out(const tempo_edited_head *h, const uint64_t *slots)
{
    uint64_t out = 0;

    for (size_t i = 0; i < (h->n + 63) / 64; i++) {
        out |= h->visible[i] & slots[i];
        h->visible[i] &= ~slots[i];
    }
    return out != 0;
}

/* b to the scores of the slots that it means. */
static bool add_bias(const tempo_engine *e, const tempo_edit *edit, const tempo_edited_head *h)
{
    bool changed = false;

    const uint64_t *to = slots_of(e, edit, h);
    for (size_t i = 0; i < h->n && edit->amount != 0; i++)
        if (is_visible(h->visible, i) && is_visible(to, i))
            changed = put(&h->x[i], h->x[i] + edit->amount) || changed;
    return changed;
}

/* Scores over t; 1 is no change at all. */
static bool warm(const tempo_edited_head *h, float t)
{
    bool changed = false;

    for (size_t i = 0; i < h->n && t != 1; i++)
        if (is_visible(h->visible, i))
            changed = put(&h->x[i], h->x[i] / t) || changed;
    return changed;
}

static bool is_for_head(const tempo_engine *e, size_t i, tempo_tap tap, const tempo_edited_head *h)
{
    return is_for(e, h->row, i, tap, h->layer) &&
           tempo_tap_has(e->plan[h->row].edits->list[i].at.heads, h->head);
}

void tempo_edits_cut(const tempo_engine *e, const tempo_edited_head *h)
{
    const tempo_row_plan *p = &e->plan[h->row];

    for (size_t i = 0; i < tempo_edits_count(p->edits); i++) {
        const tempo_edit *edit = &p->edits->list[i];
        if (edit->kind != TEMPO_EDIT_CUT || !is_for_head(e, i, TEMPO_TAP_ATTN_SCORES, h))
            continue;
        record(p, i, true, take_out(h, slots_of(e, edit, h)));
    }
}

void tempo_edits_apply_slots(const tempo_engine *e, tempo_tap tap, const tempo_edited_head *h)
{
    const tempo_row_plan *p = &e->plan[h->row];

    for (size_t i = 0; i < tempo_edits_count(p->edits); i++) {
        const tempo_edit *edit = &p->edits->list[i];
        bool came = true, changed = false;
        if (edit->kind == TEMPO_EDIT_CUT || !is_for_head(e, i, tap, h))
            continue;
        if (edit->kind == TEMPO_EDIT_BIAS)
            changed = add_bias(e, edit, h);
        else if (edit->kind == TEMPO_EDIT_TEMPERATURE)
            changed = warm(h, edit->amount);
        else if (edit->kind == TEMPO_EDIT_KEEP)
            tempo_store_put_head(edit->store, tap, h, p->slot);
        else
            changed = change(edit, h->layer, p, h->head, e->model->hp.n_heads, h->x, h->n, h->visible, &came);
        record(p, i, came, changed);
    }
}
