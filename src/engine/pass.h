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

/* ---- stage.c ---- */
/* Rows [0, n) of the batch in a layer. */
typedef struct tempo_rows {
    tempo_engine *e;
    const tempo_layer *layer; /* NULL outside of layers */
    uint32_t index;           /* of the layer */
    size_t n;
    const tempo_weight *next[3]; /* the weights that read what a stage makes, NULL for none */
    const float *from;           /* at will */
} tempo_rows;

/* Elements [begin, end) of row r, where the stage works on elements; on any thread. */
typedef void (*tempo_row_fn)(const tempo_rows *rows, size_t r, size_t begin, size_t end);

/* What a stage shows: its taps, and how many steps (tempo_step) its function has, each of which shows one at its end. */
typedef struct tempo_shows {
    uint64_t taps;
    unsigned steps;
} tempo_shows;

size_t tempo_groups_of(size_t rows);
/* fn for each row; shows: NULL for nothing.  By groups of rows whose activations may share cache lines: where it prepares some. */
void tempo_each_row(const tempo_rows *rows, const tempo_shows *shows, tempo_row_fn fn);
void tempo_each_group(const tempo_rows *rows, const tempo_shows *shows, tempo_row_fn fn);
/* For parts of k elements of each row; whole ones where there is something to show or edit. */
void tempo_each_part(const tempo_rows *rows, size_t k, const tempo_shows *shows, tempo_row_fn fn);

/* ---- norm.c ---- */
/* h[n] = the norm of x[n], which may be h; a copy where there is no norm. */
void tempo_norm_apply(const tempo_model *m, tempo_norm_kind kind, const tempo_norm *norm, float *h, const float *x, size_t n);

/* h[d_model] = the last norm of x, with what it finds (scale NULL), or with that scale in its place. */
void tempo_norm_frozen(const tempo_model *m, float *h, const float *x, const float *scale);

/* What a sublayer gave, on its way into the stream. */
typedef struct tempo_addition {
    float *rows;       /* [rows, d_model] */
    const float *bias; /* of the product that gave it, or NULL */
    tempo_norm post;
    tempo_tap given, after; /* it; the stream with it.  TEMPO_TAP_COUNT: not shown */
    uint32_t layer;
} tempo_addition;

/* Between two sublayers: x += what was given; h = norm(x). */
typedef struct tempo_between {
    tempo_rows rows; /* first; index: of the layer that begins */
    size_t old;      /* rows from here on have been given nothing yet */
    tempo_addition add[2];
    size_t n_add;
    tempo_norm norm;
    tempo_tap next, scale, normalized;
} tempo_between;
enum { TEMPO_BETWEEN_STEPS = 8 };
uint64_t tempo_between_shows(const tempo_between *b);
void tempo_between_run(const tempo_between *b);
/* Row r alone; h goes to place `to`. */
void tempo_between_row(const tempo_between *b, size_t r, size_t to);

/* ---- heads.c ---- */
void tempo_heads_run(const tempo_rows *rows);

/* ---- mlp.c ---- */
/* e->h, prepared -> e->h */
void tempo_mlp_run(const tempo_rows *rows);

/* ---- show.c ---- */
/* Of TEMPO_TAP_COUNT: one that nobody asks for. */
#define TEMPO_TAP_BIT(tap) (UINT64_C(1) << (tap))
/* Those that hold a number for each slot. */
#define TEMPO_TAPS_BY_SLOT (TEMPO_TAP_BIT(TEMPO_TAP_ATTN_SCORES) | TEMPO_TAP_BIT(TEMPO_TAP_PATTERN))

/* A bit for each tap that the observer (or NULL) wants in a layer; TEMPO_ALL_LAYERS: in any, or in none. */
/* Does it want to see anything at all? */
static inline bool tempo_sees(const tempo_observer *obs)
{
    return obs != NULL && (obs->view != NULL || obs->view_rows != NULL);
}

uint64_t tempo_taps_wanted(const tempo_observer *obs, uint32_t layer);
/* Values [n_0, n_1] of row r: apply its edits, then show them, if it wants that, and nothing after the
 * observer has stopped.  Who calls it reads them again afterwards.  Where e->shown or e->ordered has the tap,
 * on the calling thread of the pass, row by row.  */
void tempo_tap_show(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values, size_t n_0,
                    size_t n_1);
/* The second half of it, for what has been edited already. */
void tempo_tap_view_row(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values, size_t n_0,
                        size_t n_1);

/* All rows of a tap have been shown: those who want them at once get them. */
void tempo_taps_shown(tempo_engine *e);

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

/* Must such a stage show all rows of a tap before any of them goes on? */
static inline bool tempo_by_tap(const tempo_engine *e, uint64_t shows)
{
    return (e->shown & shows) != 0 && e->observer->view_rows != NULL;
}

/* Is this a step that the stage does now? */
static inline bool tempo_step(const tempo_engine *e, unsigned step)
{
    return e->step == 0 || e->step == step;
}

/* ---- attention.c ---- */
/* One layer's attention: e->q and the cache -> e->att, by way of e->weights for rows that show scores or
 * pattern. */
void tempo_attention(tempo_engine *e, uint32_t layer, size_t rows);
/* The first earlier slot that row r sees in a layer; where windows are decided slot by slot, 0. */
size_t tempo_attention_first(const tempo_engine *e, uint32_t layer, size_t r);

#endif
