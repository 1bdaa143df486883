/* lens.c - the logit lens: each point of the residual stream through the final norm and the output matrix. */
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/status.h"
#include "lens/lens.h"
#include "metrics/metrics.h"

/* Vectors of one product: what their logits and distributions take is bounded. */
enum { MOST_VECTORS = 256, MOST_BYTES = 256 << 20 };
_Static_assert(TEMPO_TOP_K_MAX == 256, "tempo.h says so");

TEMPO_OPTIONS(tempo_lens_options, .top = 5)

/* A lens with the room that its pointers point into. */
typedef struct owned {
    tempo_lens l;
    uint32_t *layers, *token_ranks;
    int32_t *top_ids;
    double *top_q, *token_q, *entropy, *kl;
    float *token_logits;
    void *block;
} owned;

static void layout(owned *w, tempo_arena *a)
{
    const tempo_lens *l = &w->l;
    const size_t cells = l->n_rows * l->n_points;

    w->layers = tempo_arena_alloc(a, l->n_points, sizeof(*w->layers));
    w->top_ids = tempo_arena_alloc(a, cells * l->n_top, sizeof(*w->top_ids));
    w->top_q = tempo_arena_alloc(a, cells * l->n_top, sizeof(*w->top_q));
    w->token_q = tempo_arena_alloc(a, cells * l->n_tokens, sizeof(*w->token_q));
    w->token_logits = tempo_arena_alloc(a, cells * l->n_tokens, sizeof(*w->token_logits));
    w->token_ranks = tempo_arena_alloc(a, cells * l->n_tokens, sizeof(*w->token_ranks));
    w->entropy = tempo_arena_alloc(a, cells, sizeof(*w->entropy));
    w->kl = tempo_arena_alloc(a, cells, sizeof(*w->kl));
}

static tempo_status make_room(owned *w, tempo_engine *e, tempo_err *err)
{
    tempo_arena a = {0};
    tempo_status st;

    layout(w, &a);
    if (!a.failed && (st = tempo_engine_take(e, a.used, "what a lens has seen", err)) != TEMPO_OK)
        return st;
    if (a.failed || (w->block = malloc(a.used)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a lens of %zu rows",
                          w->l.n_rows);
    a = (tempo_arena){.base = w->block, .cap = a.used};
    layout(w, &a);
    w->l.layers = w->layers;
    w->l.top_ids = w->top_ids;
    w->l.top_q = w->top_q;
    w->l.token_q = w->token_q;
    w->l.token_logits = w->token_logits;
    w->l.token_ranks = w->token_ranks;
    w->l.entropy = w->entropy;
    w->l.kl = w->kl;
    return TEMPO_OK;
}

void tempo_lens_free(tempo_lens *l)
{
    if (l == NULL)
        return;
    free(((owned *)(void *)l)->block); /* its first member */
    free(l);
}

/* ---- which points ---- */

static const float *point_of(const tempo_residual *r, size_t row, uint32_t layer)
{
    return layer == TEMPO_LENS_INPUT ? tempo_residual_get(r, row, TEMPO_TAP_RESID_PRE, 0)
                                     : tempo_residual_get(r, row, TEMPO_TAP_RESID_POST, layer);
}

/* Those that all rows have, to layers (NULL: none are written); returns how many. */
static size_t find_points(const tempo_residual *r, uint32_t *layers)
{
    size_t n = 0;

    for (uint32_t i = 0; i <= r->model->hp.n_layers; i++) {
        const uint32_t layer = i == 0 ? TEMPO_LENS_INPUT : i - 1;
        bool all = true;
        for (size_t row = 0; row < r->rows && all; row++)
            all = point_of(r, row, layer) != NULL;
        if (all && layers != NULL)
            layers[n] = layer;
        n += all;
    }
    return n;
}

static tempo_status check(const tempo_engine *e, const tempo_residual *r, const tempo_lens_options *o,
                          tempo_err *err)
{
    const uint32_t last = r->model->hp.n_layers - 1;

    if (e->model != r->model)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the engine is of another model");
    if (o->top > TEMPO_TOP_K_MAX)
        return tempo_fail_field(err, TEMPO_E_ARG, "top", "top is %zu, at most %d", o->top, TEMPO_TOP_K_MAX);
    for (size_t i = 0; i < o->n_tokens; i++)
        if (o->tokens[i] < 0 || (uint32_t)o->tokens[i] >= r->model->hp.n_vocab)
            return tempo_fail_field(err, TEMPO_E_ARG, "tokens", "token %d: the model has tokens 0 to %u",
                                    o->tokens[i], r->model->hp.n_vocab - 1);
    for (size_t row = 0; row < r->rows; row++)
        if (point_of(r, row, last) == NULL)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "row %zu has no resid_post of the last layer, %u", row, last);
    return TEMPO_OK;
}

/* ---- distributions ---- */

/* Cells in the order in which they are read: a row's last point, with which the others are compared, comes
 * first. */
typedef struct reading {
    tempo_engine *e;
    const tempo_residual *r;
    const tempo_lens_options *o;
    owned *w;
    size_t first, n, chunk; /* cells of this part; of a full one */
    float *x, *logits;      /* [chunk, d_model], [chunk, n_vocab] */
    double *q, *own;        /* [chunk, n_vocab]; [n_vocab] of the row that the part before ended in */
    double *order;          /* [threads, n_vocab] logits as doubles */
} reading;

/* A cell's place in what is told: row and point. */
static size_t place_of(const reading *g, size_t cell)
{
    const size_t points = g->w->l.n_points, row = cell / points, i = cell % points;

    return row * points + (i == 0 ? points - 1 : i - 1);
}

/* q of the model itself for the row of a cell of this part. */
static const double *own_of(const reading *g, size_t cell)
{
    const size_t last = cell - cell % g->w->l.n_points;

    return last < g->first ? g->own : g->q + (last - g->first) * g->e->model->hp.n_vocab;
}

static void tell_cell(void *arg, size_t task, unsigned worker)
{
    const reading *g = arg;
    const size_t n = g->e->model->hp.n_vocab, cell = g->first + task, at = place_of(g, cell);
    const tempo_lens *l = &g->w->l;
    const float *logits = g->logits + task * n;
    const double *q = g->q + task * n;
    double *order = g->order + worker * n;

    for (size_t v = 0; v < n; v++) /* q can be 0 where logits still differ */
        order[v] = (double)logits[v];
    (void)tempo_top_k(order, n, l->n_top, g->w->top_ids + at * l->n_top);
    for (size_t i = 0; i < l->n_top; i++)
        g->w->top_q[at * l->n_top + i] = q[l->top_ids[at * l->n_top + i]];
    for (size_t i = 0; i < l->n_tokens; i++) {
        const size_t token = (size_t)g->o->tokens[i];
        g->w->token_q[at * l->n_tokens + i] = q[token];
        g->w->token_logits[at * l->n_tokens + i] = logits[token];
        g->w->token_ranks[at * l->n_tokens + i] = tempo_rank(logits, n, token);
    }
    g->w->kl[at] = tempo_kl(own_of(g, cell), q, n);
}

static tempo_status read_part(reading *g, tempo_err *err)
{
    const size_t d = g->e->model->hp.d_model, n = g->e->model->hp.n_vocab, points = g->w->l.n_points;
    tempo_status st;

    for (size_t i = 0; i < g->n; i++) {
        const size_t at = place_of(g, g->first + i);
        memcpy(g->x + i * d, point_of(g->r, at / points, g->w->layers[at % points]), d * sizeof(float));
    }
    if ((st = tempo_engine_unembed(g->e, g->x, NULL, g->n, g->logits, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < g->n; i++) {
        const size_t at = place_of(g, g->first + i);
        if ((st = tempo_distribution(g->e, g->logits + i * n, n, g->q + i * n, &g->w->entropy[at], err)) !=
            TEMPO_OK) {
            tempo_err_prefix(err, "row %zu, point %zu of %zu", at / points, at % points, points);
            return st;
        }
    }
    tempo_pool_run(g->e->pool, g->n, tell_cell, g);
    if ((g->first + g->n) % points != 0)
        memmove(g->own, own_of(g, g->first + g->n - 1), n * sizeof(double));
    return TEMPO_OK;
}

static tempo_status read_cells(reading *g, tempo_err *err)
{
    const size_t cells = g->w->l.n_rows * g->w->l.n_points;
    tempo_status st = TEMPO_OK;

    for (g->first = 0; g->first < cells && st == TEMPO_OK; g->first += g->n) {
        g->n = cells - g->first < g->chunk ? cells - g->first : g->chunk;
        if (g->o->poll != NULL && !g->o->poll(g->o->user))
            return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped after %zu of %zu vectors",
                              g->first, cells);
        st = read_part(g, err);
    }
    return st;
}

static void layout_reading(reading *g, tempo_arena *a)
{
    const tempo_hparams *hp = &g->e->model->hp;

    g->x = tempo_arena_alloc(a, g->chunk * hp->d_model, sizeof(float));
    g->logits = tempo_arena_alloc(a, g->chunk * hp->n_vocab, sizeof(float));
    g->q = tempo_arena_alloc(a, g->chunk * hp->n_vocab, sizeof(double));
    g->own = tempo_arena_alloc(a, hp->n_vocab, sizeof(double));
    g->order = tempo_arena_alloc(a, tempo_pool_size(g->e->pool), hp->n_vocab * sizeof(double));
}

static tempo_status read_lens(reading *g, tempo_err *err)
{
    const size_t cells = g->w->l.n_rows * g->w->l.n_points;
    const size_t fit = MOST_BYTES / (g->e->model->hp.n_vocab * (sizeof(float) + sizeof(double))) + 1;
    tempo_arena a = {0};
    void *block;
    tempo_status st;

    g->chunk = fit < MOST_VECTORS ? fit : MOST_VECTORS;
    g->chunk = cells < g->chunk ? cells : g->chunk;
    layout_reading(g, &a);
    if (!a.failed && (st = tempo_engine_take(g->e, a.used, "the distributions of a lens", err)) != TEMPO_OK)
        return st;
    if (a.failed || (block = malloc(a.used + 1)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu distributions (%zu bytes)",
                          g->chunk, a.used);
    a = (tempo_arena){.base = block, .cap = a.used};
    layout_reading(g, &a);
    st = read_cells(g, err);
    free(block);
    return st;
}

tempo_status tempo_lens_create(tempo_lens **out, tempo_engine *e, const tempo_residual *r,
                               const tempo_lens_options *o, tempo_err *err)
{
    tempo_lens_options opt;
    tempo_status st = tempo_options_take(&tempo_lens_options_kind, &opt, o, err);
    owned *w;

    *out = NULL;
    if (st != TEMPO_OK || (st = check(e, r, &opt, err)) != TEMPO_OK)
        return st;
    if ((w = calloc(1, sizeof(*w))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a lens");
    const size_t vocab = e->model->hp.n_vocab;
    w->l = (tempo_lens){.n_rows = r->rows,
                        .n_points = find_points(r, NULL),
                        .n_top = opt.top < vocab ? opt.top : vocab,
                        .n_tokens = opt.n_tokens};
    reading g = {.e = e, .r = r, .o = &opt, .w = w};
    if ((st = make_room(w, e, err)) == TEMPO_OK) {
        (void)find_points(r, w->layers);
        st = read_lens(&g, err);
    }
    if (st == TEMPO_OK)
        *out = &w->l;
    else
        tempo_lens_free(&w->l);
    return st;
}
