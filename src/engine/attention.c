/* attention.c - softmax(q K) V over a sequence's pages, in the one order that semantics.md fixes.
 *
 * For each row and head: scores over the earlier sets in slot order, then over what the row sees of its
 * own set; one maximum; exponentials with their sum in double; values added slot by slot inside a page and
 * page by page: first the earlier slots, then those of the own set.  Nothing depends on which rows share the
 * walk: the order of additions of a row is a function of (n_prev, own_begin, own_end) alone, and a slot that
 * the row may not see takes no part at all.
 *
 * Work is split by (group of rows, kv head); all heads that share a kv head and all rows of the group
 * use a page while it is in cache.  Rows that show their scores or their pattern go through it in parts: what
 * is shown lies between two of them in e->weights, by slot, and the next part begins with what is there.
 *
 * A layer with a window sees positions above the row's own less the window.  Positions that rise with the
 * slots, as they do mostly, make that a slot from which on all are seen, and pages before it are not touched;
 * else it is decided slot by slot, as edits are.
 *
 * Where edits have a say, what a row and head sees is a bit for each slot: slots that are cut are left out as
 * those of other modes are, and what is left makes runs, whose sums are those of a row that sees no more.  */
#include "engine/pass.h"

#include <math.h>
#include <string.h>

/* One task's view: the rows of a group, the heads of one kv head.  A member is a (row, head) pair. */
typedef struct walk {
    const tempo_engine *e;
    const tempo_kernels *kern;
    const tempo_seq *seq;
    const tempo_row_plan *plan; /* [n] */
    uint32_t layer, kv_head;
    size_t d, heads; /* head size, heads that share the kv head */
    size_t first, n; /* rows of the batch */
    size_t stride;   /* floats between the scores of two members */
    float
        *scores; /* [n * heads][stride]: by slot; after `compact` earlier slots from 0, own set from n_prev */
    size_t low[TEMPO_ATTENTION_ROWS];                              /* earlier slots are seen from here on */
    size_t begin[TEMPO_ATTENTION_ROWS], end[TEMPO_ATTENTION_ROWS]; /* own range in this layer */
    size_t lowest;                                                 /* the smallest low */
    size_t last;                                                   /* the largest end */
    uint64_t *visible; /* [n * heads][words], and one more: where it is edited; else NULL */
    size_t words;
} walk;

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max2(size_t a, size_t b)
{
    return a > b ? a : b;
}

static float *scores_of(const walk *w, size_t r, size_t g)
{
    return w->scores + (r * w->heads + g) * w->stride;
}

static uint64_t *visible_of(const walk *w, size_t r, size_t g)
{
    return w->visible + (r * w->heads + g) * w->words;
}

static size_t head_offset(const walk *w, size_t r, size_t g)
{
    const size_t head = w->kv_head * w->heads + g;
    return ((w->first + r) * w->e->model->hp.n_heads + head) * w->d;
}

static const void *page_at(const walk *w, size_t slot, unsigned which)
{
    return tempo_page_at(w->seq->pages[slot / TEMPO_PAGE_SLOTS], &w->e->model->hp, w->seq->kv, w->layer,
                         w->kv_head, which);
}

/* What is read after a page of keys or values: the next one; after the last keys the first values. */
static const void *next_page(const walk *w, size_t slot, unsigned which)
{
    if (slot + TEMPO_PAGE_SLOTS < w->last)
        return page_at(w, slot + TEMPO_PAGE_SLOTS, which);
    return which == 0 ? page_at(w, w->lowest / TEMPO_PAGE_SLOTS * TEMPO_PAGE_SLOTS, 1) : NULL;
}

/* Members that do the same with one page: two pointers each. */
typedef struct members {
    float **to;
    const float **from;
    size_t n;
    size_t slot, slots; /* what mix_members adds: values of [slot, slot + slots) */
} members;

/* The page with which a walk begins. */
static size_t first_page(const walk *w)
{
    return w->lowest / TEMPO_PAGE_SLOTS * TEMPO_PAGE_SLOTS;
}

/* ---- scores ---- */

static bool sees_page(const walk *w, size_t r, size_t slot)
{
    return (slot < w->plan[r].n_prev && slot + TEMPO_PAGE_SLOTS > w->low[r]) ||
           (slot < w->end[r] && slot + TEMPO_PAGE_SLOTS > w->begin[r]);
}

/* s[slot] = q . key[slot] / sqrt(d), whole pages at a time. */
static void score_all(const walk *w, members *m)
{
    const float scale = w->e->model->recipe.attn_scale;

    for (size_t slot = first_page(w); slot < w->last; slot += TEMPO_PAGE_SLOTS) {
        const void *keys = page_at(w, slot, 0);
        const void *next = next_page(w, slot, 0);
        m->n = 0;
        for (size_t r = 0; r < w->n; r++)
            for (size_t g = 0; g < w->heads && sees_page(w, r, slot); g++) {
                m->to[m->n] = scores_of(w, r, g) + slot;
                m->from[m->n++] = w->e->q + head_offset(w, r, g);
            }
        if (w->seq->kv == TEMPO_KV_F16)
            w->kern->qk_f16(m->to, m->from, keys, w->d, m->n, scale, next);
        else
            w->kern->qk_f32(m->to, m->from, keys, w->d, m->n, scale, next);
    }
}

/* Of a slot of a row's sequence, those of the batch among them. */
static double position_of(const tempo_row_plan *p, size_t slot)
{
    return slot < p->seq->n_slots ? p->seq->slots[slot].position : (p - p->slot + slot)->position;
}

/* Capped, and with a bias by distance, where the model has that. */
static void finish_scores(const walk *w, size_t r, size_t g)
{
    const tempo_model *m = w->e->model;
    const float cap = m->recipe.attn_cap;
    const size_t head = w->kv_head * w->heads + g;
    float *s = scores_of(w, r, g);

    if (cap > 0)
        w->kern->softcap(s + w->low[r], cap, w->end[r] - w->low[r]);
    for (size_t j = w->low[r]; j < w->end[r] && m->slopes != NULL; j++)
        s[j] += (float)((double)m->slopes[head] * (position_of(w->plan, j) - w->plan[r].position));
}

/* Scores of the own set follow those of the earlier slots. */
static void compact(const walk *w, size_t r, size_t g)
{
    float *s = scores_of(w, r, g);

    memmove(s + w->plan[r].n_prev, s + w->begin[r], (w->end[r] - w->begin[r]) * sizeof(*s));
}

/* Scores s, of earlier slots and of the own set behind them, become probabilities; a sink takes its share and
 * goes. */
static void softmax(const walk *w, size_t g, float *s, size_t n_prev, size_t n_own)
{
    const float *sinks = w->e->model->layers[w->layer].sinks;
    const float sink = sinks != NULL ? sinks[w->kv_head * w->heads + g] : -INFINITY;

    if (n_prev + n_own == 0) /* all is cut */
        return;
    const float max = fmaxf(w->kern->max(s, n_prev + n_own), sink);
    if (isinf(max) && max < 0) { /* patched with those of a row that saw nothing of it */
        memset(s, 0, (n_prev + n_own) * sizeof(*s));
        return;
    }
    double sum = w->kern->exp_sum(s, n_prev, max) + w->kern->exp_sum(s + n_prev, n_own, max);
    sum += sinks != NULL ? exp((double)sink - (double)max) : 0;
    w->kern->scale(s, (float)(1.0 / sum), n_prev + n_own);
}

/* ---- values ---- */

static void mix_members(const walk *w, members *m)
{
    const size_t in_page = m->slot % TEMPO_PAGE_SLOTS;
    const void *values = page_at(w, m->slot, 1), *next = in_page == 0 ? next_page(w, m->slot, 1) : NULL;

    if (w->seq->kv == TEMPO_KV_F16)
        w->kern->pv_f16(m->to, m->from, (const uint16_t *)values + in_page * w->d, w->d, m->n, m->slots,
                        next);
    else
        w->kern->pv_f32(m->to, m->from, (const float *)values + in_page * w->d, w->d, m->n, m->slots, next);
    m->n = 0;
}

/* A head of row r adds the values of [slot, slot + slots), whose probabilities begin at p; at once with those
 * before it that add the same. */
static void mix_head(const walk *w, members *m, size_t r, size_t g, size_t p, size_t slot, size_t slots)
{
    if (m->n > 0 && (m->slot != slot || m->slots != slots))
        mix_members(w, m);
    m->slot = slot;
    m->slots = slots;
    m->to[m->n] = w->e->att + head_offset(w, r, g);
    m->from[m->n++] = scores_of(w, r, g) + p;
}

static void mix_row(const walk *w, members *m, size_t r, size_t p, size_t slot, size_t slots)
{
    for (size_t g = 0; g < w->heads; g++)
        mix_head(w, m, r, g, p, slot, slots);
}

static void mix_all(const walk *w, members *m)
{
    m->n = 0;
    for (size_t page = first_page(w); page < w->last; page += TEMPO_PAGE_SLOTS) {
        for (size_t r = 0; r < w->n; r++) {
            const size_t begin = max2(page, w->low[r]),
                         end = min2(page + TEMPO_PAGE_SLOTS, w->plan[r].n_prev);
            if (begin < end)
                mix_row(w, m, r, begin, begin, end - begin);
        }
        if (m->n > 0)
            mix_members(w, m);
    }
    for (size_t page = first_page(w); page < w->last; page += TEMPO_PAGE_SLOTS) {
        for (size_t r = 0; r < w->n; r++) {
            const size_t begin = max2(page, w->begin[r]), end = min2(page + TEMPO_PAGE_SLOTS, w->end[r]);
            if (begin < end)
                mix_row(w, m, r, w->plan[r].n_prev + (begin - w->begin[r]), begin, end - begin);
        }
        if (m->n > 0)
            mix_members(w, m);
    }
}

/* ---- what is edited ---- */

/* Bits [begin, end) of one word, of slots counted from its first. */
static uint64_t word_of(size_t begin, size_t end)
{
    const uint64_t below = end >= 64 ? UINT64_MAX : (UINT64_C(1) << end) - 1;

    return begin >= end ? 0 : below & ~((UINT64_C(1) << begin) - 1);
}

/* Of the word of slots from `page` on: those in [begin, end). */
static uint64_t page_bits(size_t page, size_t begin, size_t end)
{
    return end <= page || begin >= page + 64 ? 0
                                             : word_of(begin > page ? begin - page : 0, min2(end - page, 64));
}

_Static_assert((int)TEMPO_PAGE_SLOTS == 64, "a word of bits is a page");

/* Does it have to be asked of each slot whether it is in the window? */
static bool in_window_by_slot(const walk *w)
{
    return w->e->model->layers[w->layer].window > 0 && !w->plan[0].rising;
}

static void hide_beyond_window(const walk *w, size_t r)
{
    const double from = w->plan[r].position - (double)w->e->model->layers[w->layer].window;

    for (size_t slot = 0; slot < w->plan[r].n_prev; slot++)
        for (size_t g = 0; g < w->heads && position_of(w->plan, slot) <= from; g++)
            visible_of(w, r, g)[slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

/* What each member sees, before edits have a say. */
static void begin_visible(const walk *w)
{
    for (size_t r = 0; r < w->n; r++)
        for (size_t g = 0; g < w->heads; g++)
            for (size_t i = 0; i < w->words; i++)
                visible_of(w, r, g)[i] = page_bits(64 * i, w->low[r], w->plan[r].n_prev) |
                                         page_bits(64 * i, w->begin[r], w->end[r]);
    for (size_t r = 0; r < w->n && in_window_by_slot(w); r++)
        hide_beyond_window(w, r);
}

static tempo_edited_head edited_head(const walk *w, size_t r, size_t g)
{
    return (tempo_edited_head){.layer = w->layer,
                               .row = w->first + r,
                               .head = (uint32_t)(w->kv_head * w->heads + g),
                               .x = scores_of(w, r, g),
                               .n = w->end[r],
                               .visible = visible_of(w, r, g),
                               .spare = w->visible + w->n * w->heads * w->words};
}

/* The n next slots that are visible from *slot on, in [*slot, end); *slot is then behind them. */
static bool next_run(const uint64_t *visible, size_t end, size_t *slot, size_t *n)
{
    size_t at = *slot;

    while (at < end && (visible[at / 64] >> at % 64) == 0)
        at = (at / 64 + 1) * 64;
    if (at < end)
        at += (size_t)__builtin_ctzll(visible[at / 64] >> at % 64);
    if (at >= end)
        return false;
    const uint64_t rest = ~(visible[at / 64] >> at % 64);
    const size_t ones = rest != 0 ? (size_t)__builtin_ctzll(rest) : 64;
    *slot = at;
    *n = min2(min2(ones, 64 - at % 64), end - at);
    return true;
}

/* What is visible of s in [begin, end), moved together to s + to; returns behind it. */
static size_t gather_visible(float *s, const uint64_t *visible, size_t begin, size_t end, size_t to)
{
    size_t n;

    for (size_t slot = begin; next_run(visible, end, &slot, &n); slot += n, to += n)
        memmove(s + to, s + slot, n * sizeof(*s));
    return to;
}

/* And back to where they were, n of them, from the last on; 0 where nothing is visible. */
static void spread_visible(float *s, const uint64_t *visible, size_t end, size_t n)
{
    for (size_t slot = end; slot-- > 0;)
        s[slot] = (visible[slot / 64] >> slot % 64 & 1) != 0 ? s[--n] : 0.0f;
}

/* Softmax of what is visible, by slot before and after. */
static void softmax_visible(const walk *w, size_t r, size_t g)
{
    const uint64_t *visible = visible_of(w, r, g);
    float *s = scores_of(w, r, g);
    const size_t n_prev = gather_visible(s, visible, 0, w->plan[r].n_prev, 0);
    const size_t n = gather_visible(s, visible, w->plan[r].n_prev, w->end[r], n_prev);

    softmax(w, g, s, n_prev, n - n_prev);
    spread_visible(s, visible, w->end[r], n);
}

/* Values of what is visible in [begin, end) of a page, run by run. */
static void mix_visible(const walk *w, members *m, size_t r, size_t begin, size_t end)
{
    size_t n;

    for (size_t g = 0; g < w->heads; g++)
        for (size_t slot = begin; next_run(visible_of(w, r, g), end, &slot, &n); slot += n)
            mix_head(w, m, r, g, slot, slot, n);
}

static void mix_edited(const walk *w, members *m)
{
    m->n = 0;
    for (unsigned own = 0; own < 2; own++) /* first the earlier slots */
        for (size_t page = first_page(w); page < w->last; page += TEMPO_PAGE_SLOTS) {
            for (size_t r = 0; r < w->n; r++) {
                const size_t n_prev = w->plan[r].n_prev;
                mix_visible(w, m, r, own != 0 ? max2(page, n_prev) : page,
                            min2(page + TEMPO_PAGE_SLOTS, own != 0 ? w->end[r] : n_prev));
            }
            if (m->n > 0)
                mix_members(w, m);
        }
}

/* ---- what is shown ---- */

/* Row r and head g of e->weights: by slot. */
static float *shown_of(const walk *w, size_t r, size_t g)
{
    const tempo_row_plan *p = &w->plan[r];

    return w->e->weights + p->weights * w->e->model->hp.n_heads * w->e->cap.slots +
           (w->kv_head * w->heads + g) * p->seq_slots;
}

/* Scores or probabilities to where they are shown, `hidden` where the row may not look. */
static void put_shown(const walk *w, size_t r, size_t g, float hidden)
{
    const float *s = scores_of(w, r, g);
    float *out = shown_of(w, r, g);

    for (size_t j = 0; w->visible != NULL && j < w->plan[r].seq_slots; j++)
        out[j] = j < w->end[r] && (visible_of(w, r, g)[j / 64] >> j % 64 & 1) != 0 ? s[j] : hidden;
    if (w->visible != NULL)
        return;
    for (size_t j = 0; j < w->plan[r].seq_slots; j++)
        if (j < w->low[r] || j >= w->plan[r].n_prev)
            out[j] = hidden;
    memcpy(out + w->low[r], s + w->low[r], (w->plan[r].n_prev - w->low[r]) * sizeof(float));
    memcpy(out + w->begin[r], s + w->plan[r].n_prev, (w->end[r] - w->begin[r]) * sizeof(float));
}

/* And back. */
static void take_shown(const walk *w, size_t r, size_t g)
{
    const float *shown = shown_of(w, r, g);
    float *s = scores_of(w, r, g);

    if (w->visible != NULL) {
        memcpy(s, shown, w->end[r] * sizeof(float));
        return;
    }
    memcpy(s, shown, w->plan[r].n_prev * sizeof(float));
    memcpy(s + w->plan[r].n_prev, shown + w->begin[r], (w->end[r] - w->begin[r]) * sizeof(float));
}

/* ---- one task ---- */

enum { SCORE = 1, NORMALISE = 2, MIX = 4, WHOLE = SCORE | NORMALISE | MIX };

typedef struct attention_job {
    tempo_engine *e;
    uint32_t layer;
    unsigned parts, others; /* of rows that show something, that follow one another; of the others */
    bool edited;            /* some row of the batch has edits here */
} attention_job;

size_t tempo_attention_first(const tempo_engine *e, uint32_t layer, size_t r)
{
    const tempo_row_plan *p = &e->plan[r];
    const double from = p->position - (double)e->model->layers[layer].window;
    size_t low = 0, high = p->n_prev;

    if (e->model->layers[layer].window == 0 || !p->rising)
        return 0;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (position_of(p, mid) <= from)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void begin_walk(walk *w, uint32_t layer)
{
    for (size_t r = 0; r < w->n; r++) {
        const tempo_row_plan *p = &w->plan[r];
        const bool in = layer >= p->first_layer && layer <= p->last_layer;
        w->begin[r] = in ? p->own_begin : p->slot;
        w->end[r] = in ? p->own_end : p->slot + 1;
        w->low[r] = tempo_attention_first(w->e, layer, w->first + r);
        w->last = max2(w->last, w->end[r]);
        w->lowest = min2(w->lowest, w->low[r]);
    }
}

/* From scores, or what was shown of them, to probabilities, or what is shown. */
static void attend_head(const walk *w, size_t r, size_t g, unsigned parts)
{
    if ((parts & SCORE) != 0) {
        finish_scores(w, r, g);
        compact(w, r, g);
    } else
        take_shown(w, r, g);
    if ((parts & NORMALISE) != 0)
        softmax(w, g, scores_of(w, r, g) + w->low[r], w->plan[r].n_prev - w->low[r], w->end[r] - w->begin[r]);
    if ((parts & MIX) == 0)
        put_shown(w, r, g, (parts & NORMALISE) != 0 ? 0.0f : -INFINITY);
}

/* The same for a head that edits may have a say in: all of it by slot.  What is cut is found again in each
 * part. */
static void attend_edited(const walk *w, size_t r, size_t g, unsigned parts)
{
    const tempo_edited_head head = edited_head(w, r, g);

    tempo_edits_cut(w->e, &head);
    if ((parts & SCORE) != 0) {
        finish_scores(w, r, g);
        tempo_edits_apply_slots(w->e, TEMPO_TAP_ATTN_SCORES, &head);
    } else {
        take_shown(w, r, g);
    }
    if ((parts & NORMALISE) != 0) {
        softmax_visible(w, r, g);
        tempo_edits_apply_slots(w->e, TEMPO_TAP_PATTERN, &head);
    }
    if ((parts & MIX) == 0)
        put_shown(w, r, g, (parts & NORMALISE) != 0 ? 0.0f : -INFINITY);
}

/* Does one of these rows have edits? */
static bool any_edited(const tempo_engine *e, const tempo_row_group *group)
{
    bool any = false;

    for (size_t r = group->first; r < group->first + group->n; r++)
        any = any || e->plan[r].edits != NULL;
    return any;
}

/* Are the logits of one of these rows wanted? */
static bool any_wanted(const tempo_engine *e, const tempo_row_group *group)
{
    bool any = false;

    for (size_t r = group->first; r < group->first + group->n; r++)
        any = any || e->plan[r].logits != SIZE_MAX;
    return any;
}

static void attend(void *arg, size_t task, unsigned worker)
{
    const attention_job *job = arg;
    tempo_engine *e = job->e;
    const tempo_hparams *hp = &e->model->hp;
    const tempo_row_group *group = &e->group[task / hp->n_kv_heads];
    const tempo_row_plan *plan = e->plan + group->first;
    const unsigned what = plan->weights != SIZE_MAX ? job->parts : job->others;
    walk w = {.e = e,
              .kern = &e->model->kernels,
              .seq = plan->seq,
              .plan = plan,
              .layer = job->layer,
              .kv_head = (uint32_t)(task % hp->n_kv_heads),
              .d = hp->head_dim,
              .heads = hp->n_heads / hp->n_kv_heads,
              .first = group->first,
              .n = group->n,
              .lowest = SIZE_MAX,
              .stride = tempo_score_stride(e->cap.slots),
              .scores = e->scores + worker * e->score_len};
    if ((job->edited && any_edited(e, group)) || in_window_by_slot(&w))
        w.visible = e->visible + worker * e->visible_len;
    float **pointers = e->pointers + worker * e->pointer_len;
    members m = {.to = pointers, .from = (const float **)pointers + w.n * w.heads};

    if (what == 0 || (e->wanted_only && !any_wanted(e, group)))
        return;
    begin_walk(&w, job->layer);
    if ((what & SCORE) != 0)
        score_all(&w, &m);
    if (w.visible != NULL) {
        w.words = (w.last + 63) / 64;
        begin_visible(&w);
    }
    void (*const attend_one)(const walk *, size_t, size_t, unsigned) =
        w.visible != NULL ? attend_edited : attend_head;
    for (size_t r = 0; r < w.n; r++)
        for (size_t g = 0; g < w.heads; g++)
            attend_one(&w, r, g, what);
    if ((what & MIX) == 0)
        return;
    for (size_t r = 0; r < w.n; r++)
        memset(e->att + head_offset(&w, r, 0), 0, w.heads * w.d * sizeof(float));
    if (w.visible != NULL)
        mix_edited(&w, &m);
    else
        mix_all(&w, &m);
}

/* ---- a layer ---- */

/* How many groups the first `rows` rows are: those of a sequence begin in one layer. */
static size_t groups_of(const tempo_engine *e, size_t rows)
{
    size_t n = e->n_groups;

    while (n > 0 && e->group[n - 1].first >= rows)
        n--;
    return n;
}

static void run_parts(tempo_engine *e, uint32_t layer, size_t rows, unsigned parts, unsigned others)
{
    const size_t tasks = groups_of(e, rows) * e->model->hp.n_kv_heads;
    attention_job job = {.e = e,
                         .layer = layer,
                         .parts = parts,
                         .others = others,
                         .edited = e->edit_words > 0 && (e->edited_in[layer] & TEMPO_TAPS_BY_SLOT) != 0};

    if ((e->ordered & TEMPO_TAPS_BY_SLOT) == 0) {
        tempo_pool_run(e->pool, tasks, attend, &job);
        return;
    }
    for (size_t i = 0; i < tasks; i++) /* group by group: what an arm keeps is there for those after it */
        attend(&job, i, 0);
}

static void show_rows(tempo_engine *e, tempo_tap tap, uint32_t layer, size_t rows)
{
    const size_t heads = e->model->hp.n_heads;

    for (size_t r = 0; r < rows; r++)
        if (e->plan[r].weights != SIZE_MAX)
            tempo_tap_view_row(e, tap, layer, r, e->weights + e->plan[r].weights * heads * e->cap.slots,
                               heads, e->plan[r].seq_slots);
    tempo_taps_shown(e);
}

void tempo_attention(tempo_engine *e, uint32_t layer, size_t rows)
{
    const bool scores = (e->shown & TEMPO_TAP_BIT(TEMPO_TAP_ATTN_SCORES)) != 0;
    const bool pattern = (e->shown & TEMPO_TAP_BIT(TEMPO_TAP_PATTERN)) != 0;

    if (!scores && !pattern) {
        run_parts(e, layer, rows, WHOLE, WHOLE);
        return;
    }
    run_parts(e, layer, rows, scores ? SCORE : SCORE | NORMALISE, WHOLE);
    if (scores) {
        show_rows(e, TEMPO_TAP_ATTN_SCORES, layer, rows);
        run_parts(e, layer, rows, pattern ? NORMALISE : NORMALISE | MIX, 0);
    }
    if (pattern) {
        show_rows(e, TEMPO_TAP_PATTERN, layer, rows);
        run_parts(e, layer, rows, MIX, 0);
    }
}
