/* edits.c - lists of edits: their life, and what of them is active in a batch. */
#include <stdlib.h>
#include <string.h>

#include "engine/pass.h"

/* ---- life ---- */

tempo_status tempo_edits_create(tempo_edits **out, const tempo_model *m, tempo_err *err)
{
    tempo_edits *l = calloc(1, sizeof(*l));

    *out = l;
    if (l == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of edits");
    l->model = m;
    atomic_init(&l->refs, 1);
    atomic_init(&l->taken, false);
    return TEMPO_OK;
}

void tempo_edit_clear(tempo_edit *edit)
{
    free(edit->values);
    free(edit->arm);
    free(edit->text);
    free(edit->files[0]);
    free(edit->files[1]);
    tempo_store_free(edit->store);
    *edit = (tempo_edit){0};
}

const tempo_edits *tempo_edits_hold(const tempo_edits *l)
{
    if (l != NULL) /* counting changes nothing that anybody reads */
        (void)atomic_fetch_add_explicit(&((tempo_edits *)(uintptr_t)l)->refs, 1, memory_order_relaxed);
    return l;
}

void tempo_edits_free(tempo_edits *l)
{
    if (l == NULL || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < l->n; i++)
        tempo_edit_clear(&l->list[i]);
    free(l->list);
    free(l);
}

size_t tempo_edits_count(const tempo_edits *l)
{
    return l != NULL ? l->n : 0;
}

const char *tempo_edits_text(const tempo_edits *l, size_t i)
{
    return i < tempo_edits_count(l) ? l->list[i].text : NULL;
}

size_t tempo_edits_words(const tempo_edits *l)
{
    return (tempo_edits_count(l) + 63) / 64;
}

static size_t floats_of(const tempo_edits *l, const tempo_edit *edit)
{
    size_t layers = 1;

    if (edit->values == NULL)
        return 0;
    for (uint32_t i = 0; i < l->model->hp.n_layers && edit->by_layer; i++)
        layers = (i > 0 ? layers : 0) + tempo_tap_has(edit->at.layers, i);
    return layers * edit->heads * edit->width;
}

uint64_t tempo_edits_room(const tempo_edits *l)
{
    return TEMPO_MAX_EDIT_BYTES - l->bytes;
}

static tempo_status check_room(const tempo_edits *l, uint64_t bytes, tempo_err *err)
{
    if (l->n == TEMPO_MAX_EDITS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %d edits", TEMPO_MAX_EDITS);
    if (bytes > tempo_edits_room(l))
        return tempo_fail(
            err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
            "the vectors of the edits, and what is patched from captures, would take more than %d MB",
            (int)(TEMPO_MAX_EDIT_BYTES / 1000000));
    return TEMPO_OK;
}

tempo_status tempo_edits_append(tempo_edits *l, tempo_edit *edit, tempo_err *err)
{
    const uint64_t bytes = (uint64_t)floats_of(l, edit) * sizeof(float) + edit->own_bytes;
    tempo_status st = check_room(l, bytes, err);

    if (st == TEMPO_OK && atomic_load_explicit(&l->taken, memory_order_relaxed))
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a sequence has this list of edits already");
    if (st == TEMPO_OK && l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 4 : 2 * l->cap;
        tempo_edit *more = realloc(l->list, cap * sizeof(*more));
        if (more == NULL) {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an edit");
        } else {
            l->list = more;
            l->cap = cap;
        }
    }
    if (st != TEMPO_OK) {
        tempo_edit_clear(edit);
        return st;
    }
    l->bytes += bytes;
    l->arms_by_slot =
        l->arms_by_slot || ((edit->kind == TEMPO_EDIT_KEEP || edit->kind == TEMPO_EDIT_PATCH) &&
                            (edit->at.tap == TEMPO_TAP_ATTN_SCORES || edit->at.tap == TEMPO_TAP_PATTERN));
    const bool edges = edit->kind == TEMPO_EDIT_CUT || edit->kind == TEMPO_EDIT_BIAS;
    edit->mark = edges && tempo_rule_is_lookup(&edit->to) ? l->n_marks++ : SIZE_MAX;
    l->list[l->n++] = *edit;
    *edit = (tempo_edit){0};
    return TEMPO_OK;
}

/* NULL as it is. */
static bool copy_text(char **dst, const char *src)
{
    *dst = src != NULL ? strdup(src) : NULL;
    return (*dst != NULL) == (src != NULL);
}

/* dst owns nothing yet. */
static bool copy_owned(tempo_edit *dst, const tempo_edit *src, size_t floats)
{
    dst->values = NULL;
    dst->store = tempo_store_hold(src->store);
    if (src->values != NULL && (dst->values = malloc(floats * sizeof(float))) != NULL)
        memcpy(dst->values, src->values, floats * sizeof(float));
    const bool arm = copy_text(&dst->arm, src->arm), text = copy_text(&dst->text, src->text);
    const bool first = copy_text(&dst->files[0], src->files[0]);
    return copy_text(&dst->files[1], src->files[1]) && first && arm && text &&
           (dst->values != NULL) == (src->values != NULL);
}

tempo_status tempo_edits_copy(tempo_edits **out, const tempo_edits *l, tempo_err *err)
{
    tempo_edits *copy;
    tempo_status st = tempo_edits_create(&copy, l->model, err);

    for (size_t i = 0; i < l->n && st == TEMPO_OK; i++) {
        tempo_edit edit = l->list[i];
        if (copy_owned(&edit, &l->list[i], floats_of(l, &l->list[i]))) {
            st = tempo_edits_append(copy, &edit, err);
        } else {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of edits");
            tempo_edit_clear(&edit);
        }
    }
    if (st != TEMPO_OK) {
        tempo_edits_free(copy);
        copy = NULL;
    }
    *out = copy;
    return st;
}

/* ---- of a sequence ---- */

/* A slot of the prompt that there is not. */
static const int64_t *beyond_prompt(const tempo_slot_rule *rule, size_t n_prompt)
{
    const int64_t n = (int64_t)n_prompt;

    if (!rule->at)
        return NULL;
    if (rule->at_first >= n || rule->at_first < -n)
        return &rule->at_first;
    return rule->at_last >= n || rule->at_last < -n ? &rule->at_last : NULL;
}

tempo_status tempo_edits_check(const tempo_edits *l, const tempo_model *m, size_t n_prompt, tempo_err *err)
{
    if (l != NULL && l->model != m)
        return tempo_fail_field(err, TEMPO_E_ARG, "edits", "the edits were made for another model");
    for (size_t i = 0; i < tempo_edits_count(l); i++) {
        const tempo_edit *edit = &l->list[i];
        const int64_t *at = beyond_prompt(&edit->rows, n_prompt);
        if (at == NULL)
            at = beyond_prompt(&edit->to, n_prompt);
        if (at != NULL)
            return tempo_fail_field(err, TEMPO_E_ARG, "edits",
                                    "edit '%.120s': prompt:%lld: the prompt has tokens 0 to %zu", edit->text,
                                    (long long)*at, n_prompt - 1);
    }
    return TEMPO_OK;
}

tempo_status tempo_seq_set_edits(tempo_seq *s, const tempo_edits *l, size_t n_prompt, tempo_err *err)
{
    tempo_edit_record *used = NULL;
    tempo_status st = tempo_edits_check(l, s->engine->model, n_prompt, err);

    for (size_t i = 0; i < tempo_edits_count(l) && st == TEMPO_OK; i++)
        if (l->list[i].arm != NULL)
            st = tempo_fail_field(err, TEMPO_E_ARG, "edits",
                                  "edit '%.120s': there is no arm '%s' before this one", l->list[i].text,
                                  l->list[i].arm);
    if (st != TEMPO_OK)
        return st;
    if (tempo_edits_count(l) > 0 && (used = calloc(l->n, sizeof(*used))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the edits of a sequence");
    tempo_edits *had = (tempo_edits *)(uintptr_t)s->edits;
    s->edits = tempo_edits_count(l) > 0 ? tempo_edits_hold(l) : NULL;
    if (s->edits != NULL)
        atomic_store_explicit(&((tempo_edits *)(uintptr_t)l)->taken, true, memory_order_relaxed);
    tempo_edits_free(had);
    free(s->edits_used);
    free(s->marks);
    s->marks = NULL;
    s->mark_words = 0;
    s->edits_used = used;
    s->n_prompt = n_prompt;
    return TEMPO_OK;
}

tempo_edit_use tempo_seq_edit_use(const tempo_seq *s, size_t i)
{
    if (i >= tempo_edits_count(s->edits))
        return (tempo_edit_use){0};
    return (tempo_edit_use){atomic_load_explicit(&s->edits_used[i].came, memory_order_relaxed),
                            atomic_load_explicit(&s->edits_used[i].changed, memory_order_relaxed)};
}

/* ---- of a batch ---- */

/* The taps of an edit that some row has, in the masks of the layers. */
static void mark_taps(tempo_engine *e, const tempo_edit *edit)
{
    const uint64_t bit = TEMPO_TAP_BIT(edit->at.tap);
    const bool by_layer = tempo_tap_in_layers(edit->at.tap);

    for (uint32_t l = 0; l <= e->model->hp.n_layers; l++)
        if (!by_layer || (l < e->model->hp.n_layers && tempo_tap_has(edit->at.layers, l))) {
            e->edited_in[l] |= bit;
            e->ordered_in[l] |= edit->kind == TEMPO_EDIT_KEEP ? bit : 0;
        }
}

static tempo_status plan_row(tempo_engine *e, size_t r, tempo_err *err)
{
    tempo_row_plan *p = &e->plan[r];
    const tempo_edits *l = p->seq->edits;
    uint64_t *bits = e->edit_bits + r * e->edit_words;
    bool any = false;

    memset(bits, 0, e->edit_words * sizeof(*bits));
    for (size_t i = 0; i < l->n; i++) {
        const tempo_edit *edit = &l->list[i];
        if (!tempo_rule_has_row(&edit->rows, p))
            continue;
        if (edit->kind == TEMPO_EDIT_KEEP) {
            const tempo_status st = tempo_store_reserve(edit->store, p->slot, p->seq_slots, err);
            if (st != TEMPO_OK) {
                tempo_err_prefix(err, "%s", edit->text);
                return st;
            }
        }
        bits[i / 64] |= UINT64_C(1) << i % 64;
        any = true;
    }
    p->edits = any ? l : NULL;
    return TEMPO_OK;
}

/* Room for the marks of so many slots. */
static tempo_status grow_marks(tempo_seq *s, size_t words, tempo_err *err)
{
    const size_t n = s->edits->n_marks, had = s->mark_words, to = words + words / 2 + 1;

    if (n == 0 || words <= had)
        return TEMPO_OK;
    uint64_t *marks = calloc(n * to, sizeof(*marks)); /* n <= TEMPO_MAX_EDITS */
    if (marks == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the slots that edits mean");
    for (size_t i = 0; i < n && had > 0; i++)
        memcpy(marks + i * to, s->marks + i * had, had * sizeof(*marks));
    free(s->marks);
    s->marks = marks;
    s->mark_words = to;
    return TEMPO_OK;
}

/* Which slots the edits mean that must be looked up: those of this batch (row `first` is its first) are new;
 * what an earlier one that was not committed has left there goes.  Marks that were never made, of a fork, are
 * made from slot 0 on.  */
static tempo_status look_up_slots(tempo_engine *e, size_t first, tempo_err *err)
{
    tempo_seq *s = e->plan[first].seq;
    const size_t slots = e->plan[first].seq_slots, from = s->marks != NULL ? s->n_slots : 0;
    const tempo_status st = grow_marks(s, (slots + 63) / 64, err);

    for (size_t i = 0; i < s->edits->n && st == TEMPO_OK; i++) {
        const tempo_edit *edit = &s->edits->list[i];
        uint64_t *bits = edit->mark != SIZE_MAX ? s->marks + edit->mark * s->mark_words : NULL;
        if (bits == NULL)
            continue;
        for (size_t slot = from; slot < slots; slot++)
            bits[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        tempo_rule_mark(&edit->to, e, first, from, slots, bits, true);
    }
    return st;
}

/* Of rows [begin, end) of one sequence. */
static void mark_sequence(tempo_engine *e, size_t begin, size_t end)
{
    const tempo_edits *l = e->plan[begin].seq->edits;

    for (size_t i = 0; i < l->n; i++) {
        bool any = false;
        for (size_t r = begin; r < end && !any; r++)
            any = (e->edit_bits[r * e->edit_words + i / 64] >> i % 64 & 1) != 0;
        if (any)
            mark_taps(e, &l->list[i]);
    }
}

tempo_status tempo_edits_plan(tempo_engine *e, size_t n, tempo_err *err)
{
    const size_t masks = (e->model->hp.n_layers + 1) * sizeof(*e->edited_in);
    tempo_status st = TEMPO_OK;

    memset(e->edited_in, 0, masks);
    memset(e->ordered_in, 0, masks);
    for (size_t r = 0, first = 0; r < n && st == TEMPO_OK; r++) {
        tempo_row_plan *p = &e->plan[r];
        p->edits = NULL;
        if (p->seq != e->plan[first].seq)
            first = r;
        if (p->seq->edits != NULL && first == r && (st = look_up_slots(e, r, err)) != TEMPO_OK)
            continue;
        if (p->seq->edits == NULL || (st = plan_row(e, r, err)) != TEMPO_OK)
            continue;
        if (r + 1 == n || e->plan[r + 1].seq != p->seq)
            mark_sequence(e, first, r + 1);
    }
    return st;
}
