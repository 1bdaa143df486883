/* forward.c - one pass of a batch of rows through the model.
 *
 * x is the residual stream [rows, d_model].  What a layer does is data (tempo_recipe, tempo_layer): which
 * norms there are and where, whether attention and MLP follow one another, what is scaled.  Every stage
 * splits outputs over the threads, never sums, so a row's numbers depend on nothing but its own sequence.
 *
 *   embed    token (+ position) -> x                                     this file
 *   between  x += what was given; h = norm(x), prepared for the products   norm.c
 *   heads    q, k, v: bias, norm, rotation; k, v into the cache            heads.c
 *   attention  q and the cache -> att                                     attention.c
 *   mlp      h -> gate, up -> h; experts                                   mlp.c
 *   unembed  h -> logits                                                  unembed.c  */
#include "engine/pass.h"

#include <math.h>
#include <string.h>

/* ---- a layer's stages ---- */

/* The stages of a layer: what they show, what they edit.  What ends a layer's numbers is done when the next
 * one begins. */
static void begin_layer(tempo_engine *e, uint32_t index)
{
    const uint64_t ends = TEMPO_TAP_BIT(TEMPO_TAP_MLP_OUT) | TEMPO_TAP_BIT(TEMPO_TAP_RESID_POST) |
                          (e->model->recipe.parallel ? TEMPO_TAP_BIT(TEMPO_TAP_ATTN_OUT) : 0);
    const uint64_t before = index > 0 ? tempo_taps_wanted(e->observer, index - 1) : 0;

    e->taps = e->shown = (before & ends) | (tempo_taps_wanted(e->observer, index) & ~ends);
    e->ordered = 0;
    if (e->edit_words == 0)
        return;
    const uint64_t *edited = e->edited_in, *ordered = e->ordered_in;
    e->taps |= ((index > 0 ? edited[index - 1] : 0) & ends) | (edited[index] & ~ends);
    e->ordered = ((index > 0 ? ordered[index - 1] : 0) & ends) | (ordered[index] & ~ends);
}

/* Each of x[n] becomes the next float above or below, by one bit of a hash (splitmix64) of nudge, token and
 * place. */
static void nudge_row(float *x, size_t n, uint64_t nudge, int32_t token)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t h = nudge + 0x9e3779b97f4a7c15u * ((uint64_t)(uint32_t)token << 32 | (i + 1));
        h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
        h = (h ^ h >> 27) * 0x94d049bb133111ebu;
        x[i] = nextafterf(x[i], (h ^ h >> 31) & 1 ? INFINITY : -INFINITY);
    }
}

enum { EMBED = 1, EMBED_POSITION, EMBED_DONE };

static const tempo_shows shown_by_embed = {
    TEMPO_TAP_BIT(TEMPO_TAP_EMBED) | TEMPO_TAP_BIT(TEMPO_TAP_POS_EMBED), EMBED_DONE};

static void embed_positions(tempo_engine *e, size_t r, float *x)
{
    const tempo_model *m = e->model;
    const size_t d = m->hp.d_model;

    if (m->positions == NULL)
        return;
    float *row = e->h + r * d;
    if (tempo_step(e, EMBED_POSITION)) {
        memcpy(row, m->positions + ((size_t)e->plan[r].position + m->recipe.position_offset) * d,
               d * sizeof(*row));
        tempo_show(e, TEMPO_TAP_POS_EMBED, 0, r, row, d, 1);
    }
    if (tempo_step(e, EMBED_DONE))
        m->kernels.add(x, row, d);
}

static void embed_token(tempo_engine *e, size_t r, float *x)
{
    const tempo_model *m = e->model;
    const tempo_row_plan *p = &e->plan[r];
    const size_t d = m->hp.d_model;

    if (tempo_step(e, EMBED)) {
        tempo_weight_row(x, &m->embedding, (size_t)p->token);
        if (p->nudge != 0)
            nudge_row(x, d, p->nudge, p->token);
        if (m->recipe.embed_scale != 1.0f)
            m->kernels.scale(x, m->recipe.embed_scale, d);
        tempo_show(e, TEMPO_TAP_EMBED, 0, r, x, d, 1);
    }
    embed_positions(e, r, x);
    if (m->embed_norm.w != NULL && tempo_step(e, EMBED_DONE))
        tempo_norm_apply(m, m->recipe.norm, &m->embed_norm, x, x, d);
}

static void embed_row(const tempo_rows *rows, size_t r, size_t begin, size_t end)
{
    tempo_engine *e = rows->e;
    const tempo_model *m = e->model;
    const tempo_row_plan *p = &e->plan[r];
    const size_t half = m->recipe.n_rot / 2;
    float *x = e->x + r * m->hp.d_model;

    (void)begin;
    (void)end;
    if (p->given != NULL) /* in each step the same */
        memcpy(x, p->given, m->hp.d_model * sizeof(*x));
    else
        embed_token(e, r, x);
    if (!tempo_step(e, EMBED_DONE))
        return;
    for (unsigned set = 0; set < 2 && m->rope_freq[set] != NULL; set++)
        for (size_t i = 0; i < half; i++) { /* angles in double: positions reach 10^5 radians */
            const double angle = p->position * m->rope_freq[set][i],
                         scale = (double)m->recipe.rope_scale[set];
            e->cos[set][r * half + i] = (float)(cos(angle) * scale);
            e->sin[set][r * half + i] = (float)(sin(angle) * scale);
        }
}

/* Bytes of keys and values that one layer's attention reads: each once, from the first page on that some row
 * sees. */
static uint64_t cache_bytes(const tempo_engine *e, uint32_t layer, size_t rows)
{
    const tempo_hparams *hp = &e->model->hp;
    uint64_t slots = 0;
    size_t first = SIZE_MAX;

    for (size_t r = 0; e->profile.on && r < rows; r++) {
        const size_t page = tempo_attention_first(e, layer, r) / TEMPO_PAGE_SLOTS * TEMPO_PAGE_SLOTS;
        first = page < first ? page : first;
        if (r + 1 < rows && e->plan[r + 1].seq == e->plan[r].seq)
            continue;
        slots += (e->plan[r].seq_slots - first) * (e->plan[r].seq->kv == TEMPO_KV_F16 ? 2 : 4);
        first = SIZE_MAX;
    }
    return 2 * slots * hp->n_kv_heads * hp->head_dim;
}

/* What each head adds to attn_out: the output matrix times its own z and zeros elsewhere, all heads at once.
 */
static void show_result(tempo_engine *e, uint32_t index, size_t r)
{
    const tempo_hparams *hp = &e->model->hp;
    const tempo_weight *const wo[3] = {&e->model->layers[index].wo};
    const size_t heads = hp->n_heads, d = hp->head_dim, n = heads * d;

    if (!e->plan[r].shown)
        return;
    memset(e->head_z, 0, heads * n * sizeof(float));
    for (size_t h = 0; h < heads; h++) {
        memcpy(e->head_z + h * n + h * d, e->att + r * n + h * d, d * sizeof(float));
        tempo_prepare(e, wo, h, e->head_z + h * n, 0, n);
    }
    tempo_products(e, e->head_z, heads, (tempo_product[]){{wo[0], e->head_out}}, 1, TEMPO_STAGE_OBSERVER);
    tempo_show(e, TEMPO_TAP_RESULT, index, r, e->head_out, heads, hp->d_model);
    tempo_taps_shown(e);
}

/* Of rows that have put their keys and values into the last layer's cache: those whose logits are wanted,
 * moved together.  A row's place is then its number among them.  */
static size_t keep_wanted(tempo_engine *e, size_t rows)
{
    const size_t d = e->model->hp.d_model, n_q = (size_t)e->model->hp.n_heads * e->model->hp.head_dim;
    size_t n = 0;

    for (size_t r = 0; r < rows; r++)
        if (e->plan[r].logits != SIZE_MAX) {
            memmove(e->x + n * d, e->x + r * d, d * sizeof(*e->x));
            memmove(e->h + n * d, e->h + r * d, d * sizeof(*e->h)); /* a parallel MLP may read it, too */
            memmove(e->att + n * n_q, e->att + r * n_q, n_q * sizeof(*e->att));
            n++;
        }
    return n;
}

/* What the last layer that ran gave, which is still to be added: of one whose parts follow one another the
 * MLP's, of one whose parts are parallel attention's, too.  */
static void given_by(tempo_between *b, tempo_engine *e, uint32_t index)
{
    const tempo_layer *l = &e->model->layers[index];
    const bool dense = l->router.data == NULL; /* experts have added their biases */

    if (e->model->recipe.parallel)
        b->add[b->n_add++] = (tempo_addition){.rows = e->attended,
                                              .bias = l->bo,
                                              .post = l->attn_post_norm,
                                              .given = TEMPO_TAP_ATTN_OUT,
                                              .after = TEMPO_TAP_COUNT,
                                              .layer = index};
    b->add[b->n_add++] = (tempo_addition){.rows = e->h,
                                          .bias = dense ? l->mlp.b_down : NULL,
                                          .post = l->ffn_post_norm,
                                          .given = TEMPO_TAP_MLP_OUT,
                                          .after = TEMPO_TAP_RESID_POST,
                                          .layer = index};
}

/* The stream, with what the layer before gave, normed for attention.  Rows from `old` on begin in this layer.
 */
static void enter(const tempo_rows *rows, size_t old)
{
    const tempo_layer *l = rows->layer;
    tempo_between b = {.rows = *rows,
                       .old = old,
                       .norm = l->attn_norm,
                       .next = TEMPO_TAP_RESID_PRE,
                       .scale = TEMPO_TAP_LN1_SCALE,
                       .normalized = TEMPO_TAP_LN1_NORMALIZED};

    b.rows.next[0] = &l->wq;
    b.rows.next[1] = &l->wk;
    b.rows.next[2] = &l->wv;
    if (rows->index > 0)
        given_by(&b, rows->e, rows->index - 1);
    tempo_between_run(&b);
}

static void show_heads(tempo_engine *e, uint32_t index, size_t rows)
{
    const tempo_hparams *hp = &e->model->hp;

    for (size_t r = 0; r < rows && (e->taps & TEMPO_TAP_BIT(TEMPO_TAP_Z)) != 0; r++)
        tempo_show(e, TEMPO_TAP_Z, index, r, e->att + r * hp->n_heads * hp->head_dim, hp->n_heads,
                   hp->head_dim);
    tempo_taps_shown(e);
    for (size_t r = 0; r < rows && (e->taps & TEMPO_TAP_BIT(TEMPO_TAP_RESULT)) != 0; r++)
        show_result(e, index, r);
}

static void prepare_part(const tempo_rows *rows, size_t r, size_t begin, size_t end)
{
    tempo_prepare(rows->e, rows->next, r, rows->from + r * rows->next[0]->n_in, begin, end);
}

/* e->h -> e->q, e->k, e->v -> e->att -> e->attended.  Returns how many rows go on. */
static size_t attend(const tempo_rows *rows)
{
    tempo_engine *e = rows->e;
    const tempo_layer *l = rows->layer;
    tempo_rows left = *rows;

    tempo_products(e, e->h, rows->n, (tempo_product[]){{&l->wq, e->q}, {&l->wk, e->k}, {&l->wv, e->v}}, 3,
                   TEMPO_STAGE_QKV);
    tempo_heads_run(rows);
    tempo_attention(e, rows->index, rows->n);
    tempo_stage_end(e, TEMPO_STAGE_ATTENTION, cache_bytes(e, rows->index, rows->n));
    show_heads(e, rows->index, rows->n);
    if (e->wanted_only)
        left.n = keep_wanted(e, rows->n);
    left.from = e->att;
    left.next[0] = &l->wo;
    if (e->model->kernels.form[l->wo.type] != TEMPO_FORM_FLOAT)
        tempo_each_part(&left, l->wo.n_in, NULL, prepare_part);
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    tempo_products(e, e->att, left.n, (tempo_product[]){{&l->wo, e->attended}}, 1, TEMPO_STAGE_ATTN_OUTPUT);
    return left.n;
}

/* What the MLP reads: the stream with what attention gave, normed; of a parallel layer the stream without, or
 * what attention read. */
static void to_mlp(const tempo_rows *rows)
{
    tempo_engine *e = rows->e;
    const tempo_layer *l = rows->layer;
    const bool parallel = e->model->recipe.parallel;
    tempo_between b = {.rows = *rows,
                       .old = rows->n,
                       .norm = l->ffn_norm,
                       .next = TEMPO_TAP_COUNT,
                       .scale = TEMPO_TAP_LN2_SCALE,
                       .normalized = TEMPO_TAP_LN2_NORMALIZED};

    if (l->router.data != NULL) {
        b.rows.next[0] = &l->router;
    } else {
        b.rows.next[0] = &l->mlp.w_gate;
        b.rows.next[1] = l->mlp.w_up.data != NULL ? &l->mlp.w_up : NULL;
    }
    if (parallel && l->ffn_norm.w == NULL) {
        b.rows.from = e->h;
        tempo_each_part(&b.rows, e->model->hp.d_model, NULL, prepare_part);
        return;
    }
    if (!parallel)
        b.add[b.n_add++] = (tempo_addition){.rows = e->attended,
                                            .bias = l->bo,
                                            .post = l->attn_post_norm,
                                            .given = TEMPO_TAP_ATTN_OUT,
                                            .after = TEMPO_TAP_RESID_MID,
                                            .layer = rows->index};
    tempo_between_run(&b);
}

/* One layer, rows[n] of which those from `old` on begin in it.  Returns how many leave it. */
static size_t run_layer(tempo_engine *e, uint32_t index, size_t n, size_t old)
{
    tempo_rows rows = {.e = e, .layer = &e->model->layers[index], .index = index, .n = n};

    begin_layer(e, index);
    enter(&rows, old);
    rows.n = attend(&rows);
    to_mlp(&rows);
    tempo_mlp_run(&rows);
    return rows.n;
}

/* ---- the end of the model ---- */

/* The last norm and the output matrix, for the rows whose logits are wanted; returns how many.  Rows that
 * show something, or keep it for others, go through the norm, too.  Rows from `old` on begin here. */
static size_t read_out(tempo_engine *e, size_t rows, size_t old)
{
    const tempo_model *m = e->model;
    tempo_between b = {.rows = {.e = e, .n = rows, .next = {&m->output}},
                       .old = old,
                       .norm = m->output_norm,
                       .next = TEMPO_TAP_COUNT,
                       .scale = TEMPO_TAP_LN_FINAL_SCALE,
                       .normalized = TEMPO_TAP_LN_FINAL_NORMALIZED};
    size_t n = 0;

    begin_layer(e, m->hp.n_layers);
    given_by(&b, e, m->hp.n_layers - 1);
    const bool shows = (e->shown & tempo_between_shows(&b)) != 0,
               keeps = (e->ordered & tempo_between_shows(&b)) != 0;
    const unsigned steps = tempo_by_tap(e, tempo_between_shows(&b)) ? TEMPO_BETWEEN_STEPS : 0;
    for (e->step = steps > 0; e->step <= steps; e->step++) {
        const bool last = e->step == steps;
        n = 0;
        for (size_t r = 0; r < rows; r++) {
            const bool wanted = e->wanted_only || e->plan[r].logits != SIZE_MAX;
            if (wanted || (shows && e->plan[r].shown) || (keeps && e->plan[r].edits != NULL))
                tempo_between_row(&b, r,
                                  last ? n : r); /* n <= r: another row's place has been read by then */
            n += wanted;
        }
        tempo_taps_shown(e);
    }
    e->step = 0;
    tempo_stage_end(e, TEMPO_STAGE_NORM, 0);
    if (n > 0)
        tempo_unembed(e, n, e->logits);
    for (size_t r = 0; r < rows && n > 0 && (e->taps & TEMPO_TAP_BIT(TEMPO_TAP_LOGITS)) != 0; r++)
        if (e->plan[r].logits != SIZE_MAX)
            tempo_show(e, TEMPO_TAP_LOGITS, 0, r, e->logits + e->plan[r].logits * m->hp.n_vocab,
                       m->hp.n_vocab, 1);
    tempo_taps_shown(e);
    return n;
}

/* ---- what leaves ---- */

enum { CHECKED = 4096 }; /* logits of one task */

static size_t checks_of(const tempo_engine *e)
{
    return (e->model->hp.n_vocab + CHECKED - 1) / CHECKED;
}

static void check_part(void *arg, size_t task, unsigned worker)
{
    tempo_engine *e = arg;
    const size_t parts_of_row = checks_of(e), n_vocab = e->model->hp.n_vocab;
    const size_t row = task / parts_of_row, begin = task % parts_of_row * CHECKED;
    const size_t n = n_vocab - begin < CHECKED ? n_vocab - begin : CHECKED;

    (void)worker;
    if (!e->model->kernels.all_finite(e->logits + row * n_vocab + begin, n))
        atomic_store_explicit(&e->damaged[row], true, memory_order_relaxed); /* the pool's end orders it */
}

/* The one place where it is seen that logits are numbers: whoever reads them relies on it. */
static void check_logits(tempo_engine *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        atomic_init(&e->damaged[i], false);
    tempo_pool_run(e->pool, n * checks_of(e), check_part, e);
    tempo_stage_end(e, TEMPO_STAGE_OUTPUT, 0);
}

static tempo_status stopped_in(uint32_t layer, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped in layer %u", layer);
}

static bool go_on(const tempo_engine *e, const tempo_observer *obs)
{
    return !e->stopped && (obs == NULL || obs->poll == NULL || obs->poll(obs->user));
}

/* Does nothing of the last layer's second half or behind it show or change a row? */
static bool nothing_at_the_end(tempo_engine *e)
{
    const uint32_t layers = e->model->hp.n_layers;
    uint64_t taps;

    begin_layer(e, layers);
    taps = e->taps;
    begin_layer(e, layers - 1);
    return (taps | e->taps) == 0;
}

/* Is there a row whose logits nobody wants? */
static bool any_unwanted(const tempo_engine *e, size_t n)
{
    bool any = false;

    for (size_t r = 0; r < n && !any; r++)
        any = e->plan[r].logits == SIZE_MAX;
    return any;
}

/* Rows[n] through the layers, each layer with those that have begun: *rows of them leave the last one. */
static tempo_status run_layers(tempo_engine *e, size_t n, const tempo_observer *obs, size_t *rows,
                               tempo_err *err)
{
    const uint32_t layers = e->model->hp.n_layers;
    size_t begun = 0;

    *rows = 0;
    for (uint32_t l = 0; l < e->end; l++) {
        const size_t before = begun;
        while (begun < n && e->plan[begun].begin <= l)
            begun++;
        if (begun == 0)
            continue;
        e->wanted_only = l + 1 == layers && begun == n && any_unwanted(e, n) && nothing_at_the_end(e);
        *rows = run_layer(e, l, begun, before);
        if (!go_on(e, obs))
            return stopped_in(l, err);
        tempo_stage_end(e, TEMPO_STAGE_OBSERVER, 0);
    }
    return TEMPO_OK;
}

/* Everything but the append. */
static tempo_status run_pass(tempo_engine *e, const tempo_row *rows, const tempo_start *starts, size_t n,
                             const tempo_observer *obs, tempo_err *err)
{
    const tempo_rows all = {.e = e, .n = n};
    size_t left = 0;
    tempo_status st;

    tempo_stage_begin(e);
    if ((st = tempo_model_unchanged(e->model, err)) != TEMPO_OK ||
        (st = tempo_batch_plan(e, rows, starts, n, obs, err)) != TEMPO_OK)
        return st;
    e->n_rows = 0;
    e->observer = NULL; /* where no row shows anything, nothing is held up for it */
    for (size_t r = 0; r < n && e->observer == NULL; r++)
        e->observer = e->plan[r].shown ? obs : NULL;
    e->stopped = e->wanted_only = false;
    e->n_views = 0;
    begin_layer(e, 0);
    tempo_each_row(&all, &shown_by_embed, embed_row);
    tempo_stage_end(e, TEMPO_STAGE_PLAN, 0);
    if ((st = run_layers(e, n, obs, &left, err)) != TEMPO_OK)
        return st;
    if (e->end == e->model->hp.n_layers) {
        const size_t logits = read_out(e, e->wanted_only ? left : n, left);
        if (e->stopped)
            return stopped_in(e->end - 1, err);
        check_logits(e, logits);
    }
    e->untouched = 0;
    return TEMPO_OK;
}

tempo_status tempo_engine_pass_part(tempo_engine *e, const tempo_row *rows, const tempo_start *starts,
                                    size_t n, uint32_t end, const tempo_observer *obs, tempo_err *err)
{
    bool wants = false;

    for (size_t i = 0; i < n; i++)
        wants = wants || (rows[i].want & TEMPO_WANT_LOGITS) != 0;
    if (end > e->model->hp.n_layers || (wants && end < e->model->hp.n_layers))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "a pass that ends in layer %u of %u has no logits", end, e->model->hp.n_layers);
    e->end = end;
    const tempo_status st = run_pass(e, rows, starts, n, obs, err);

    if (st == TEMPO_OK)
        tempo_batch_commit(e, n);
    return st;
}

tempo_status tempo_engine_pass(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                               tempo_err *err)
{
    return tempo_engine_pass_part(e, rows, NULL, n, e->model->hp.n_layers, obs, err);
}

tempo_status tempo_engine_forward(tempo_engine *e, const tempo_row *rows, size_t n, const tempo_observer *obs,
                                  tempo_err *err)
{
    tempo_status st;

    e->end = e->model->hp.n_layers;
    st = run_pass(e, rows, NULL, n, obs, err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_engine_check_logits(e, i, err);
    if (st == TEMPO_OK)
        tempo_batch_commit(e, n);
    return st;
}
