/* pass.h - what the files of the forward pass share: products, and the values that they show. */
#ifndef TEMPO_ENGINE_PASS_H
#define TEMPO_ENGINE_PASS_H
#include "engine/engine.h"

/* ---- product.c ---- */
typedef struct tempo_product {
    const tempo_weight *w;
    float *y; /* [rows, w->n_out] */
} tempo_product;

/* Row r of the activations that w[3] (NULL for none) read, elements [begin, end) of x[n_in]. */
void tempo_prepare(tempo_engine *e, const tempo_weight *const w[3], size_t r, const float *x, size_t begin,
                   size_t end);
/* y = W x for all rows and all of p[n], n <= 3, which share x [rows, n_in], outputs split over the threads.
 * x itself is read by matrices that take floats, what tempo_prepare made of it by others.  */
void tempo_products(tempo_engine *e, const float *x, size_t rows, const tempo_product *p, size_t n,
                    tempo_stage_id stage);

/* ---- unembed.c ---- */
/* logits[n, n_vocab] of the normed rows that e->h, and what tempo_prepare made of it, has in front. */
void tempo_unembed(tempo_engine *e, size_t n, float *logits);

/* ---- show.c ---- */
#define TEMPO_TAP_BIT(tap) (UINT64_C(1) << (tap))
/* Those that hold a number for each slot. */
#define TEMPO_TAPS_BY_SLOT (TEMPO_TAP_BIT(TEMPO_TAP_ATTN_SCORES) | TEMPO_TAP_BIT(TEMPO_TAP_PATTERN))

/* A bit for each tap that the observer (or NULL) wants in a layer; TEMPO_ALL_LAYERS: in any, or in none. */
uint64_t tempo_taps_wanted(const tempo_observer *obs, uint32_t layer);
/* Values [n_0, n_1] of row r: apply its edits, then show them, if it wants that, and nothing after the
 * observer has stopped.  Who calls it reads them again afterwards.  Where e->shown or e->ordered has the tap,
 * on the calling thread of the pass, row by row.  */
void tempo_tap_show(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values, size_t n_0,
                    size_t n_1);
/* The second half of it, for what has been edited already. */
void tempo_tap_view_row(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values, size_t n_0,
                        size_t n_1);

/* What a stage calls: nothing at all where the tap is neither wanted nor edited. */
static inline void tempo_show(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values,
                              size_t n_0, size_t n_1)
{
    if ((e->taps & TEMPO_TAP_BIT(tap)) != 0)
        tempo_tap_show(e, tap, layer, r, values, n_0, n_1);
}

/* Does a stage that shows some of these taps do its rows one after the other? */
static inline bool tempo_in_order(const tempo_engine *e, uint64_t shows)
{
    return ((e->shown | e->ordered) & shows) != 0;
}

/* ---- attention.c ---- */
/* One layer's attention: e->q and the cache -> e->att, by way of e->weights for rows that show scores or
 * pattern. */
void tempo_attention(tempo_engine *e, uint32_t layer, size_t rows);

#endif
