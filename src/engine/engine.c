/* engine.c - an engine's threads and scratch memory; the pass itself is in forward.c.
 *
 * All scratch is one block, laid out for the largest batch so far and grown before a pass, never in
 * it.  */
#include "engine/engine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/options.h"

TEMPO_OPTIONS(tempo_engine_options, .threads = 0)

/* Looking at how much memory is left takes some ten microseconds. */
enum { CHECKED_BYTES = 4 << 20 };

tempo_status tempo_engine_create(tempo_engine **out, const tempo_model *m, const tempo_engine_options *opt,
                                 tempo_err *err)
{
    tempo_engine_options o;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_options_take(&tempo_engine_options_kind, &o, opt, err)) != TEMPO_OK)
        return st;
    if (m->layers == NULL)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s was opened without its weights: it cannot run", m->info.path);
    tempo_engine *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an engine");
    e->model = m;
    st = tempo_pool_create(&e->pool, o.threads != 0 ? o.threads : tempo_cpus_allowed(), err);
    if (st != TEMPO_OK) {
        tempo_engine_free(e);
        return st;
    }
    *out = e;
    return TEMPO_OK;
}

void tempo_engine_free(tempo_engine *e)
{
    if (e == NULL)
        return;
    tempo_pool_free(e->pool);
    free(e->block);
    free(e);
}

unsigned tempo_engine_threads(const tempo_engine *e)
{
    return tempo_pool_size(e->pool);
}
const tempo_model *tempo_engine_model(const tempo_engine *e)
{
    return e->model;
}

/* ---- profile ---- */

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void tempo_engine_profile(tempo_engine *e, bool on)
{
    e->profile = (tempo_profile){.on = on};
}

void tempo_stage_begin(tempo_engine *e)
{
    if (e->profile.on)
        e->profile.last = now();
}

void tempo_stage_end(tempo_engine *e, tempo_stage_id id, uint64_t bytes)
{
    tempo_profile *p = &e->profile;

    if (!p->on)
        return;
    const double end = now();
    p->seconds[id] += end - p->last;
    p->bytes[id] += bytes;
    p->last = end;
}

tempo_stage tempo_engine_stage(const tempo_engine *e, size_t i)
{
    static const char *const names[TEMPO_STAGE_COUNT] = {
        [TEMPO_STAGE_PLAN] = "plan and embed",
        [TEMPO_STAGE_NORM] = "norm",
        [TEMPO_STAGE_QKV] = "qkv",
        [TEMPO_STAGE_ROPE] = "rope and cache",
        [TEMPO_STAGE_ATTENTION] = "attention",
        [TEMPO_STAGE_ATTN_OUTPUT] = "attention output",
        [TEMPO_STAGE_GATE_UP] = "gate and up",
        [TEMPO_STAGE_SWIGLU] = "swiglu",
        [TEMPO_STAGE_DOWN] = "down",
        [TEMPO_STAGE_OBSERVER] = "observer",
        [TEMPO_STAGE_OUTPUT] = "output",
        [TEMPO_STAGE_SELECT] = "readout and select",
    };

    if (i >= TEMPO_STAGE_COUNT)
        return (tempo_stage){0};
    return (tempo_stage){names[i], e->profile.seconds[i], e->profile.bytes[i]};
}

/* ---- scratch ---- */

static size_t max2(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Runs twice: once to measure, once to carve.  The only place that knows sizes. */
static void layout(tempo_engine *e, const tempo_batch_size *n, tempo_arena *a)
{
    const tempo_hparams *hp = &e->model->hp;
    const tempo_kernels *kern = &e->model->kernels;
    const size_t n_q = (size_t)hp->n_heads * hp->head_dim, n_kv = (size_t)hp->n_kv_heads * hp->head_dim;
    const size_t group = hp->n_heads / hp->n_kv_heads, threads = tempo_pool_size(e->pool), f = sizeof(float);

    e->x = tempo_arena_alloc(a, n->rows * hp->d_model, f);
    e->h = tempo_arena_alloc(a, n->rows * hp->d_model, f);
    e->q = tempo_arena_alloc(a, n->rows * n_q, f);
    e->attended = tempo_arena_alloc(a, n->rows * hp->d_model, f);
    e->att = tempo_arena_alloc(a, n->rows * n_q, f);
    e->k = tempo_arena_alloc(a, n->rows * n_kv, f);
    e->v = tempo_arena_alloc(a, n->rows * n_kv, f);
    e->gate = tempo_arena_alloc(a, n->rows * hp->d_ff, f);
    e->up = tempo_arena_alloc(a, n->rows * hp->d_ff, f);
    for (unsigned set = 0; set < 2; set++) {
        const size_t angles = e->model->rope_freq[set] != NULL ? n->rows * (e->model->recipe.n_rot / 2) : 0;
        e->cos[set] = tempo_arena_alloc(a, angles, f);
        e->sin[set] = tempo_arena_alloc(a, angles, f);
    }
    const tempo_recipe *recipe = &e->model->recipe;
    const size_t expert_rows = recipe->n_experts > 0 ? n->rows : 0;
    e->routing = tempo_arena_alloc(a, expert_rows * recipe->n_experts, f);
    e->expert_weights = tempo_arena_alloc(a, expert_rows * recipe->n_used, f);
    e->experts = tempo_arena_alloc(a, expert_rows * recipe->n_used, sizeof(*e->experts));
    e->gathered = tempo_arena_alloc(a, expert_rows * hp->d_model, f);
    e->expert_sum = tempo_arena_alloc(a, expert_rows * hp->d_model, f);
    e->logits = tempo_arena_alloc(a, n->logits, hp->n_vocab * f);
    e->damaged = tempo_arena_alloc(a, n->logits, sizeof(*e->damaged));
    e->weights = tempo_arena_alloc(a, n->weights * hp->n_heads, n->slots * f);
    e->ones = tempo_arena_alloc(a, hp->d_model, f);
    e->scales = tempo_arena_alloc(a, n->rows, f);
    e->views = tempo_arena_alloc(a, n->rows, sizeof(*e->views));
    e->head_z = tempo_arena_alloc(a, n->results * n_q, f);
    e->head_out = tempo_arena_alloc(a, n->results * hp->d_model, f);
    e->plan = tempo_arena_alloc(a, n->rows, sizeof(*e->plan));
    e->group = tempo_arena_alloc(a, n->rows, sizeof(*e->group));
    const size_t k = max2(max2(hp->d_model, hp->d_ff), n_q), members = TEMPO_ATTENTION_ROWS * group;
    for (int form = 0; form < TEMPO_FORM_COUNT; form++)
        if (kern->form_bodies[form].bytes != NULL)
            e->act[form] =
                tempo_arena_alloc(a, kern->form_bodies[form].bytes(max2(n->rows, n->results), k), 1);
    /* per thread, a multiple of a cache line apart so that threads do not share one */
    e->scratch_len = kern->scratch_bytes(k);
    e->score_len = members * tempo_score_stride(n->slots);
    e->pointer_len = (2 * members + 7) & ~(size_t)7;
    e->scratch = tempo_arena_alloc(a, threads, e->scratch_len);
    e->scores = tempo_arena_alloc(a, threads, e->score_len * f);
    e->pointers = tempo_arena_alloc(a, threads, e->pointer_len * sizeof(*e->pointers));
    e->edited_in = tempo_arena_alloc(a, (size_t)hp->n_layers + 1, sizeof(*e->edited_in));
    e->ordered_in = tempo_arena_alloc(a, (size_t)hp->n_layers + 1, sizeof(*e->ordered_in));
    e->edit_bits = tempo_arena_alloc(a, n->rows * n->edits, sizeof(*e->edit_bits));
    /* of each member of a walk, and one besides */
    e->visible_len =
        n->edits > 0 || e->model->windows ? (members + 1) * (tempo_score_stride(n->slots) / 64) : 0;
    e->visible = tempo_arena_alloc(a, threads, e->visible_len * sizeof(*e->visible));
}

uint64_t tempo_engine_batch_bytes(const tempo_engine *e, const tempo_batch_size *n)
{
    tempo_engine sized = *e;
    tempo_arena a = {0};

    layout(&sized, n, &a);
    return a.failed ? UINT64_MAX : a.used;
}

tempo_status tempo_engine_take(tempo_engine *e, uint64_t bytes, const char *what, tempo_err *err)
{
    const uint64_t unchecked = e->unchecked + bytes, untouched = e->untouched + bytes;
    const bool check = unchecked >= CHECKED_BYTES;
    const tempo_status st = check ? tempo_memory_check(untouched, what, err) : TEMPO_OK;

    if (st == TEMPO_OK) {
        e->unchecked = check ? 0 : unchecked;
        e->untouched = untouched;
    }
    return st;
}

static bool fits(const tempo_batch_size *have, const tempo_batch_size *want)
{
    return want->rows <= have->rows && want->logits <= have->logits && want->weights <= have->weights &&
           want->slots <= have->slots && want->results <= have->results && want->edits <= have->edits;
}

tempo_status tempo_engine_reserve(tempo_engine *e, const tempo_batch_size *want, tempo_err *err)
{
    if (fits(&e->cap, want))
        return TEMPO_OK;
    /* slots grow by one step after step: take them in larger strides */
    const tempo_batch_size n = {
        max2(want->rows, e->cap.rows),       max2(want->logits, e->cap.logits),
        max2(want->weights, e->cap.weights), max2((want->slots + 255) & ~(size_t)255, e->cap.slots),
        max2(want->results, e->cap.results), max2(want->edits, e->cap.edits)};
    tempo_engine sized = *e;
    tempo_arena a = {0};
    void *block, *old = e->block;
    tempo_status st;

    layout(&sized, &n, &a);
    const size_t bytes = a.used;
    if (!a.failed && (st = tempo_engine_take(e, bytes, "the scratch memory of a batch", err)) != TEMPO_OK)
        return st;
    if (a.failed || (block = aligned_alloc(64, bytes)) == NULL)
        return tempo_fail(
            err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET,
            "no memory for a batch of %zu rows, %zu of them with logits, over %zu slots (%zu bytes)",
            want->rows, want->logits, want->slots, bytes);
    a = (tempo_arena){.base = block, .cap = bytes};
    layout(e, &n, &a);
    for (size_t i = 0; i < e->model->hp.d_model; i++)
        e->ones[i] = 1;
    free(old);
    e->block = block;
    e->cap = n;
    e->n_rows = 0; /* the last batch's logits went with the old block */
    return TEMPO_OK;
}

const float *tempo_engine_logits(const tempo_engine *e, size_t i)
{
    if (i >= e->n_rows || e->plan[i].logits == SIZE_MAX || e->damaged[e->plan[i].logits])
        return NULL;
    return e->logits + e->plan[i].logits * e->model->hp.n_vocab;
}

tempo_status tempo_engine_check_logits(const tempo_engine *e, size_t i, tempo_err *err)
{
    const tempo_row_plan *p = &e->plan[i];

    if (p->logits == SIZE_MAX || !e->damaged[p->logits])
        return TEMPO_OK;
    if (p->seq->edits != NULL)
        return tempo_fail_field(err, TEMPO_E_FORMAT, "edits",
                                "logits of row %zu (token %" PRId32
                                " at position %.10g) are not finite numbers: an edit made them so, "
                                "or the weights of model %s are damaged",
                                i, p->token, p->position, e->model->info.name);
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                      "model %s: logits of row %zu (token %" PRId32
                      " at position %.10g) are not finite numbers: the weights are damaged or overflow",
                      e->model->info.name, i, p->token, p->position);
}
