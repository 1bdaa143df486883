/* attention.c - softmax(q K) V over a sequence's pages, in the one order that semantics.md fixes.
 *
 * For each row and head: scores over the earlier sets in slot order, then over what the row sees of its
 * own set; one maximum; exponentials with their sum in double; values added slot by slot inside a block
 * and block by block: pages for the earlier slots, runs of TEMPO_PAGE_SLOTS from own_begin for the own
 * set.  Nothing depends on which rows share the walk: the order of additions of a row is a function of
 * (n_prev, own_begin, own_end) alone, and a slot that the row may not see takes no part at all.
 *
 * Work is split by (group of rows, kv head); all heads that share a kv head and all rows of the group
 * use a page while it is in cache.  */
#include "engine/engine.h"

#include <math.h>
#include <string.h>

/* One task's view: the rows of a group, the heads of one kv head. */
typedef struct walk {
    const tempo_engine *e;
    const tempo_kernels *kern;
    const tempo_seq *seq;
    uint32_t layer, kv_head;
    size_t d, heads; /* head size, heads that share the kv head */
    size_t first, n; /* rows of the batch */
    size_t stride;   /* floats between the scores of two (row, head) pairs */
    float *scores;   /* [n * heads][stride]: earlier slots from 0, own set from n_prev */
    float *block;    /* [d] values of one block */
    size_t begin[TEMPO_ATTENTION_ROWS], end[TEMPO_ATTENTION_ROWS]; /* own range in this layer */
} walk;

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

static float *scores_of(const walk *w, size_t r, size_t g)
{
    return w->scores + (r * w->heads + g) * w->stride;
}

static size_t head_offset(const walk *w, size_t r, size_t g)
{
    const size_t head = w->kv_head * w->heads + g;
    return ((w->first + r) * w->e->model->hp.n_heads + head) * w->d;
}

/* Keys (0) or values (1) from `slot` on; *run: how many slots follow in its page, at most `want`. */
static const void *cache_at(const walk *w, size_t slot, unsigned which, size_t want, size_t *run)
{
    const size_t in_page = slot % TEMPO_PAGE_SLOTS;
    const size_t elem = w->seq->kv == TEMPO_KV_F16 ? sizeof(uint16_t) : sizeof(float);
    const unsigned char *tile = tempo_page_at(w->seq->pages[slot / TEMPO_PAGE_SLOTS], &w->e->model->hp,
                                              w->seq->kv, w->layer, w->kv_head, which);

    *run = min2(want, TEMPO_PAGE_SLOTS - in_page);
    return tile + in_page * w->d * elem;
}

/* s[j] = q . key[slot + j] / sqrt(d) for j < n, across page borders. */
static void score_run(const walk *w, float *s, const float *q, size_t slot, size_t n)
{
    const float scale = (float)(1.0 / sqrt((double)w->d));

    for (size_t done = 0, run; done < n; done += run) {
        const void *keys = cache_at(w, slot + done, 0, n - done, &run);
        if (w->seq->kv == TEMPO_KV_F16)
            w->kern->qk_f16(s + done, q, keys, w->d, run, scale);
        else
            w->kern->qk_f32(s + done, q, keys, w->d, run, scale);
    }
}

/* out += the block sum_j p[j] value[slot + j], j < n, summed in slot order from zero. */
static void add_block(const walk *w, float *out, const float *p, size_t slot, size_t n)
{
    memset(w->block, 0, w->d * sizeof(float));
    for (size_t done = 0, run; done < n; done += run) {
        const void *values = cache_at(w, slot + done, 1, n - done, &run);
        if (w->seq->kv == TEMPO_KV_F16)
            w->kern->pv_f16(w->block, p + done, values, w->d, run);
        else
            w->kern->pv_f32(w->block, p + done, values, w->d, run);
    }
    w->kern->add(out, w->block, w->d);
}

static void score_all(const walk *w, size_t n_prev_max)
{
    const tempo_row_plan *plan = w->e->plan + w->first;

    for (size_t slot = 0; slot < n_prev_max; slot += TEMPO_PAGE_SLOTS)
        for (size_t r = 0; r < w->n; r++)
            for (size_t g = 0; g < w->heads && slot < plan[r].n_prev; g++)
                score_run(w, scores_of(w, r, g) + slot, w->e->q + head_offset(w, r, g), slot,
                          min2(TEMPO_PAGE_SLOTS, plan[r].n_prev - slot));
    for (size_t r = 0; r < w->n; r++)
        for (size_t g = 0; g < w->heads; g++)
            score_run(w, scores_of(w, r, g) + plan[r].n_prev, w->e->q + head_offset(w, r, g), w->begin[r],
                      w->end[r] - w->begin[r]);
}

/* Scores to weights, in place.  Normalised here, before the values: captured weights are then exactly what
 * multiplied them.  */
static void softmax(const walk *w, size_t r, size_t g)
{
    const size_t n_prev = w->e->plan[w->first + r].n_prev, n_own = w->end[r] - w->begin[r];
    float *s = scores_of(w, r, g);
    const float max = w->kern->max(s, n_prev + n_own);
    const double sum = w->kern->exp_sum(s, n_prev, max) + w->kern->exp_sum(s + n_prev, n_own, max);

    w->kern->scale(s, (float)(1.0 / sum), n_prev + n_own);
}

static void mix_all(const walk *w, size_t n_prev_max)
{
    const tempo_row_plan *plan = w->e->plan + w->first;

    for (size_t slot = 0; slot < n_prev_max; slot += TEMPO_PAGE_SLOTS)
        for (size_t r = 0; r < w->n; r++)
            for (size_t g = 0; g < w->heads && slot < plan[r].n_prev; g++)
                add_block(w, w->e->att + head_offset(w, r, g), scores_of(w, r, g) + slot, slot,
                          min2(TEMPO_PAGE_SLOTS, plan[r].n_prev - slot));
    for (size_t r = 0; r < w->n; r++)
        for (size_t g = 0; g < w->heads; g++)
            for (size_t slot = w->begin[r]; slot < w->end[r]; slot += TEMPO_PAGE_SLOTS)
                add_block(w, w->e->att + head_offset(w, r, g),
                          scores_of(w, r, g) + plan[r].n_prev + (slot - w->begin[r]), slot,
                          min2(TEMPO_PAGE_SLOTS, w->end[r] - slot));
}

/* The observer's copy: a dense row of slots, zero where the row may not look. */
static void keep_weights(const walk *w, size_t r)
{
    const tempo_row_plan *p = &w->e->plan[w->first + r];
    const size_t n_heads = w->e->model->hp.n_heads;

    for (size_t g = 0; g < w->heads && p->weights != SIZE_MAX; g++) {
        const float *s = scores_of(w, r, g);
        float *out = w->e->weights + p->weights * n_heads * w->e->cap.slots +
                     (w->kv_head * w->heads + g) * p->seq_slots;
        memset(out, 0, p->seq_slots * sizeof(float));
        memcpy(out, s, p->n_prev * sizeof(float));
        memcpy(out + w->begin[r], s + p->n_prev, (w->end[r] - w->begin[r]) * sizeof(float));
    }
}

typedef struct attention_job {
    tempo_engine *e;
    uint32_t layer;
} attention_job;

static void attend(void *arg, size_t task, unsigned worker)
{
    const attention_job *job = arg;
    tempo_engine *e = job->e;
    const tempo_hparams *hp = &e->model->hp;
    const tempo_row_group *group = &e->group[task / hp->n_kv_heads];
    const tempo_row_plan *plan = e->plan + group->first;
    float *scratch = e->scores + worker * e->score_len;
    size_t n_prev_max = 0;
    walk w = {.e = e,
              .kern = &e->model->kernels,
              .seq = plan->seq,
              .layer = job->layer,
              .kv_head = (uint32_t)(task % hp->n_kv_heads),
              .d = hp->head_dim,
              .heads = hp->n_heads / hp->n_kv_heads,
              .first = group->first,
              .n = group->n,
              .stride = e->cap.slots,
              .scores = scratch + hp->head_dim,
              .block = scratch};

    for (size_t r = 0; r < w.n; r++) {
        const bool in = job->layer >= plan[r].first_layer && job->layer <= plan[r].last_layer;
        w.begin[r] = in ? plan[r].own_begin : plan[r].slot;
        w.end[r] = in ? plan[r].own_end : plan[r].slot + 1;
        n_prev_max = plan[r].n_prev > n_prev_max ? plan[r].n_prev : n_prev_max;
        memset(e->att + head_offset(&w, r, 0), 0, w.heads * w.d * sizeof(float));
    }
    score_all(&w, n_prev_max);
    for (size_t r = 0; r < w.n; r++)
        for (size_t g = 0; g < w.heads; g++)
            softmax(&w, r, g);
    mix_all(&w, n_prev_max);
    for (size_t r = 0; r < w.n; r++)
        keep_weights(&w, r);
}

void tempo_attention(tempo_engine *e, uint32_t layer)
{
    attention_job job = {e, layer};

    tempo_pool_run(e->pool, e->n_groups * e->model->hp.n_kv_heads, attend, &job);
}
