/* cells.c - which edges a cell is about, and the edits that change them. */
#include <stdlib.h>
#include <string.h>

#include "trace/cells.h"

/* ---- layout ---- */

static size_t kept_count(size_t heads)
{
    size_t n = 0;

    for (size_t k = 1; k < heads; k *= 2)
        n++;
    return n;
}

static size_t count_of(tempo_trace_kind kind, size_t n_layers, size_t n_heads)
{
    switch (kind) {
    case TEMPO_TRACE_ALL:
        return 1;
    case TEMPO_TRACE_HEAD:
        return n_layers * n_heads;
    case TEMPO_TRACE_KEEP:
        return kept_count(n_layers * n_heads);
    case TEMPO_TRACE_LAYER:
    case TEMPO_TRACE_BELOW:
    case TEMPO_TRACE_ABOVE:
    case TEMPO_TRACE_KINDS:
        break;
    }
    return n_layers;
}

size_t tempo_trace_cell_count(size_t n_layers, size_t n_heads)
{
    size_t n = 0;

    for (tempo_trace_kind kind = 0; kind < TEMPO_TRACE_KINDS; kind++)
        n += count_of(kind, n_layers, n_heads);
    return n;
}

void tempo_trace_place(size_t n_layers, size_t n_heads, size_t first[TEMPO_TRACE_KINDS],
                       size_t n[TEMPO_TRACE_KINDS])
{
    size_t next = 0;

    for (tempo_trace_kind kind = 0; kind < TEMPO_TRACE_KINDS; kind++) {
        first[kind] = next;
        n[kind] = count_of(kind, n_layers, n_heads);
        next += n[kind];
    }
}

static void fill_cell(const tempo_trace *t, tempo_trace_kind kind, size_t i, tempo_trace_cell *cell)
{
    cell->kind = kind;
    switch (kind) {
    case TEMPO_TRACE_HEAD:
        cell->layer = t->first_layer + (uint32_t)(i / t->n_heads);
        cell->head = (uint32_t)(i % t->n_heads);
        break;
    case TEMPO_TRACE_LAYER:
    case TEMPO_TRACE_BELOW:
    case TEMPO_TRACE_ABOVE:
        cell->layer = t->first_layer + (uint32_t)i;
        break;
    case TEMPO_TRACE_KEEP:
        cell->kept = (size_t)1 << i;
        break;
    case TEMPO_TRACE_ALL:
    case TEMPO_TRACE_KINDS:
        break;
    }
}

bool tempo_trace_lay_out(tempo_trace_owned *w, uint32_t first_layer, size_t n_layers, size_t n_heads,
                         size_t n_tokens, bool exchanged)
{
    tempo_trace *t = &w->t;

    t->first_layer = first_layer;
    t->n_layers = n_layers;
    t->n_heads = n_heads;
    t->n_tokens = n_tokens;
    t->exchanged = exchanged;
    t->n_cells = tempo_trace_cell_count(n_layers, n_heads);
    w->cells = calloc(t->n_cells, sizeof(*w->cells));
    w->strongest = calloc(n_layers * n_heads, sizeof(*w->strongest));
    w->token_q = calloc(n_tokens + 1, sizeof(double));
    w->token_cut = calloc(t->n_cells * n_tokens + 1, sizeof(double));
    w->token_exchanged = exchanged ? calloc(t->n_cells * n_tokens + 1, sizeof(double)) : NULL;
    t->cells = w->cells;
    t->strongest = w->strongest;
    t->token_q = w->token_q;
    t->token_cut = w->token_cut;
    t->token_exchanged = w->token_exchanged;
    if (w->cells == NULL || w->strongest == NULL || w->token_q == NULL || w->token_cut == NULL ||
        (exchanged && w->token_exchanged == NULL))
        return false;
    tempo_trace_place(n_layers, n_heads, t->first, t->n);
    for (tempo_trace_kind kind = 0; kind < TEMPO_TRACE_KINDS; kind++)
        for (size_t i = 0; i < t->n[kind]; i++)
            fill_cell(t, kind, i, &w->cells[t->first[kind] + i]);
    for (size_t i = 0; i < n_layers * n_heads; i++)
        w->strongest[i] = (uint32_t)i;
    return true;
}

/* ---- strength ---- */

typedef struct strength {
    double tv;
    uint32_t head;
} strength;

static int by_strength(const void *a, const void *b)
{
    const strength *x = a, *y = b;

    return x->tv != y->tv ? (x->tv < y->tv) - (x->tv > y->tv) : (x->head > y->head) - (x->head < y->head);
}

bool tempo_trace_rank(tempo_trace_owned *w)
{
    const size_t n = w->t.n[TEMPO_TRACE_HEAD], first = w->t.first[TEMPO_TRACE_HEAD];
    strength *all = malloc(n * sizeof(*all));

    if (all == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        all[i] = (strength){w->cells[first + i].cut.tv, (uint32_t)i};
    qsort(all, n, sizeof(*all), by_strength);
    for (size_t i = 0; i < n; i++)
        w->strongest[i] = all[i].head;
    free(all);
    return true;
}

/* ---- edges ---- */

static void set_head(tempo_layer_heads *edges, uint32_t layer, uint32_t head, bool in)
{
    const uint64_t bit = UINT64_C(1) << head % 64;
    uint64_t *word = &edges[layer].bits[head / 64];

    *word = in ? *word | bit : *word & ~bit;
}

static void set_layers(const tempo_trace *t, tempo_layer_heads *edges, uint32_t first, uint32_t last)
{
    for (uint32_t l = first; l <= last; l++)
        for (uint32_t h = 0; h < t->n_heads; h++)
            set_head(edges, l, h, true);
}

void tempo_trace_edges(const tempo_trace *t, const tempo_trace_cell *cell, tempo_layer_heads *edges,
                       uint32_t n_layers)
{
    const uint32_t first = t->first_layer, last = first + (uint32_t)t->n_layers - 1;

    memset(edges, 0, n_layers * sizeof(*edges));
    switch (cell->kind) {
    case TEMPO_TRACE_ALL:
        set_layers(t, edges, first, last);
        break;
    case TEMPO_TRACE_HEAD:
        set_head(edges, cell->layer, cell->head, true);
        break;
    case TEMPO_TRACE_LAYER:
        set_layers(t, edges, cell->layer, cell->layer);
        break;
    case TEMPO_TRACE_BELOW:
        set_layers(t, edges, first, cell->layer);
        break;
    case TEMPO_TRACE_ABOVE:
        set_layers(t, edges, cell->layer, last);
        break;
    case TEMPO_TRACE_KEEP:
        set_layers(t, edges, first, last);
        for (size_t i = 0; i < cell->kept; i++)
            set_head(edges, first + t->strongest[i] / (uint32_t)t->n_heads,
                     t->strongest[i] % (uint32_t)t->n_heads, false);
        break;
    case TEMPO_TRACE_KINDS:
        break;
    }
}

static bool is_empty(const tempo_layer_heads *heads)
{
    for (size_t i = 0; i < TEMPO_TAP_WORDS; i++)
        if (heads->bits[i] != 0)
            return false;
    return true;
}

uint32_t tempo_trace_begin(const tempo_layer_heads *edges, uint32_t n_layers)
{
    uint32_t l = 0;

    while (l < n_layers && is_empty(&edges[l]))
        l++;
    return l;
}

/* ---- edits ---- */

static tempo_status add(tempo_edits *l, const tempo_edit *what, tempo_err *err)
{
    tempo_edit edit = *what;

    edit.kind = TEMPO_EDIT_CUT;
    edit.at.tap = TEMPO_TAP_ATTN_SCORES;
    if ((edit.text = strdup("cut of a trace")) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an edit");
    return tempo_edits_append(l, &edit, err);
}

/* The heads of a layer, or the others. */
static tempo_layer_heads pick(const tempo_layer_heads *heads, bool others, uint32_t n_heads)
{
    tempo_layer_heads out;

    for (uint32_t i = 0; i < TEMPO_TAP_WORDS; i++) {
        const uint32_t n = n_heads > i * 64 ? n_heads - i * 64 : 0;
        const uint64_t all = n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
        out.bits[i] = (others ? ~heads->bits[i] : heads->bits[i]) & all;
    }
    return out;
}

/* Cut `to` in the edges, or in all others: one edit for the layers that have the same heads. */
static tempo_status cut_edges(tempo_edits *l, const tempo_hparams *hp, const tempo_layer_heads *edges,
                              bool others, const tempo_slot_rule *to, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (uint32_t i = 0; i < hp->n_layers && st == TEMPO_OK; i++) {
        const tempo_layer_heads mine = pick(&edges[i], others, hp->n_heads);
        tempo_edit edit = {.to = *to};
        bool done = false;
        for (uint32_t k = 0; k < hp->n_layers && !done; k++) {
            const tempo_layer_heads theirs = pick(&edges[k], others, hp->n_heads);
            if (memcmp(&mine, &theirs, sizeof(mine)) != 0)
                continue;
            done = k < i; /* with those of layer k */
            edit.at.layers[k / 64] |= UINT64_C(1) << k % 64;
        }
        memcpy(edit.at.heads, mine.bits, sizeof(edit.at.heads));
        if (!done && !is_empty(&mine))
            st = add(l, &edit, err);
    }
    return st;
}

/* What a row would not see of its own set in those places: itself, and in causal mode those after it. */
static tempo_status cut_own_places(tempo_edits *l, const tempo_trace_change *c, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    if (c->m + 2 > TEMPO_MAX_EDITS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "the siblings of a set of %zu cannot be exchanged: at most %d", c->m,
                          TEMPO_MAX_EDITS / 2);
    for (size_t i = 0; i < c->m && st == TEMPO_OK; i++) {
        const uint32_t at = (uint32_t)i, strangers = c->set - 1;
        const tempo_edit edit = {.rows = {.member = true, .member_first = at, .member_last = at},
                                 .to = {.set = true,
                                        .set_first = strangers,
                                        .set_last = strangers,
                                        .member = true,
                                        .member_first = at,
                                        .member_last = c->causal ? UINT32_MAX : at}};
        st = add(l, &edit, err);
    }
    return st;
}

bool tempo_trace_can_exchange(const tempo_edits *l)
{
    for (size_t i = 0; i < tempo_edits_count(l); i++) {
        const tempo_edit *e = &l->list[i];
        if (e->rows.set || e->to.set || e->to.siblings || e->to.previous ||
            (e->kind == TEMPO_EDIT_PATCH && e->source == SIZE_MAX && !e->rows.prompt && !e->rows.at))
            return false;
    }
    return true;
}

tempo_status tempo_trace_edits(tempo_edits **out, const tempo_model *m, const tempo_trace_change *c,
                               tempo_err *err)
{
    const tempo_slot_rule siblings = {.siblings = true};
    const tempo_slot_rule strangers = {.set = true, .set_first = c->set - 1, .set_last = c->set - 1};
    tempo_edits *l;
    tempo_status st = c->base != NULL ? tempo_edits_copy(&l, c->base, err) : tempo_edits_create(&l, m, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    if ((st = cut_edges(l, &m->hp, c->edges, false, &siblings, err)) == TEMPO_OK && c->exchange &&
        (st = cut_edges(l, &m->hp, c->edges, true, &strangers, err)) == TEMPO_OK)
        st = cut_own_places(l, c, err);
    if (st != TEMPO_OK)
        tempo_edits_free(l);
    else
        *out = l;
    return st;
}
