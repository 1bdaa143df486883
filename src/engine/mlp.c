/* mlp.c - activations, the dense MLP, and experts: which a row uses depends on that row alone.
 *
 * Rows that use one expert go through it together, so that its weights are read once; each row adds up what
 * its experts give in the order of their numbers, whoever else uses them.  */
#include <math.h>
#include <string.h>

#include "engine/pass.h"

/* ---- activations ---- */

/* gate[n] = act(gate) * up, or act(gate) alone. */
static void activate(const tempo_model *m, float *gate, const float *up, size_t n)
{
    switch (m->recipe.act) {
    case TEMPO_ACT_GELU_TANH:
        m->kernels.gelu_tanh(gate, up, n);
        break;
    case TEMPO_ACT_GELU_ERF:
        m->kernels.gelu_erf(gate, up, n);
        break;
    case TEMPO_ACT_RELU:
        m->kernels.relu(gate, up, n);
        break;
    case TEMPO_ACT_RELU_2:
        m->kernels.relu(gate, gate, n); /* max(x, 0) x */
        for (size_t i = 0; i < n && up != NULL; i++)
            gate[i] *= up[i];
        break;
    case TEMPO_ACT_CLAMPED:
        m->kernels.swiglu_clamped(gate, up, n);
        break;
    case TEMPO_ACT_SILU:
        m->kernels.swiglu(gate, up, n);
        break;
    }
}

/* ---- one MLP ---- */

typedef struct mlp_rows {
    tempo_rows rows; /* .next: what reads the activations */
    const tempo_mlp *mlp;
    bool shows;
} mlp_rows;

enum { BIASED = 1, LINEAR, ACTIVATED, PREPARED };

/* gate = act(gate + bias) * (up + bias) */
static void mlp_part(const tempo_rows *rows, size_t r, size_t begin, size_t end)
{
    const mlp_rows *job = (const mlp_rows *)(const void *)rows;
    tempo_engine *e = rows->e;
    const tempo_kernels *kern = &e->model->kernels;
    const tempo_mlp *mlp = job->mlp;
    const size_t n = mlp->d_ff;
    float *gate = e->gate + r * n, *up = mlp->w_up.data != NULL ? e->up + r * n : NULL;

    if (tempo_step(e, BIASED)) {
        if (mlp->b_gate != NULL)
            kern->add(gate + begin, mlp->b_gate + begin, end - begin);
        if (mlp->b_up != NULL)
            kern->add(up + begin, mlp->b_up + begin, end - begin);
        if (job->shows)
            tempo_show(e, TEMPO_TAP_MLP_PRE, rows->index, r, gate, n, 1);
    }
    if (tempo_step(e, LINEAR) && job->shows && up != NULL)
        tempo_show(e, TEMPO_TAP_MLP_PRE_LINEAR, rows->index, r, up, n, 1);
    if (tempo_step(e, ACTIVATED)) {
        activate(e->model, gate + begin, up != NULL ? up + begin : NULL, end - begin);
        if (job->shows)
            tempo_show(e, TEMPO_TAP_MLP_POST, rows->index, r, gate, n, 1);
    }
    if (tempo_step(e, PREPARED))
        tempo_prepare(e, rows->next, r, gate, begin, end);
}

/* y[n, d_model] = the MLP of x[n, d_model], which are prepared; y may be x. */
static void run_mlp(const tempo_rows *rows, const tempo_mlp *mlp, const float *x, float *y, bool shows)
{
    tempo_engine *e = rows->e;
    const mlp_rows job = {
        .rows = {.e = e, .layer = rows->layer, .index = rows->index, .n = rows->n, .next = {&mlp->w_down}},
        .mlp = mlp,
        .shows = shows};
    static const tempo_shows shown = {TEMPO_TAP_BIT(TEMPO_TAP_MLP_PRE) |
                                          TEMPO_TAP_BIT(TEMPO_TAP_MLP_PRE_LINEAR) |
                                          TEMPO_TAP_BIT(TEMPO_TAP_MLP_POST),
                                      PREPARED};
    const tempo_product first[] = {{&mlp->w_gate, e->gate}, {&mlp->w_up, e->up}};

    tempo_products(e, x, rows->n, first, mlp->w_up.data != NULL ? 2 : 1, TEMPO_STAGE_GATE_UP);
    tempo_each_part(&job.rows, mlp->d_ff, shows ? &shown : NULL, mlp_part);
    tempo_stage_end(e, TEMPO_STAGE_SWIGLU, 0);
    tempo_products(e, e->gate, rows->n, (tempo_product[]){{&mlp->w_down, y}}, 1, TEMPO_STAGE_DOWN);
}

/* ---- experts ---- */

/* The experts of a row by its logits[n], the largest first, equal ones by number: used[k]. */
static void choose(const float *logits, size_t n, uint32_t *used, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        size_t best = SIZE_MAX;
        for (size_t x = 0; x < n; x++) {
            bool taken = false;
            for (size_t j = 0; j < i; j++)
                taken = taken || used[j] == x;
            if (!taken && (best == SIZE_MAX || logits[x] > logits[best]))
                best = x;
        }
        used[i] = (uint32_t)best;
    }
}

/* Their weights, of softmax over all or over the chosen ones. */
static void weigh(const tempo_recipe *recipe, const float *logits, const uint32_t *used, float *weights)
{
    const size_t n = recipe->n_experts, k = recipe->n_used;
    const double largest = (double)logits[used[0]];
    double all = 0, chosen = 0;

    for (size_t x = 0; x < n; x++)
        all += exp((double)logits[x] - largest);
    for (size_t i = 0; i < k; i++)
        chosen += exp((double)logits[used[i]] - largest);
    for (size_t i = 0; i < k; i++)
        weights[i] = (float)(exp((double)logits[used[i]] - largest) /
                             (recipe->route_selected || recipe->route_renormed ? chosen : all));
}

static void route(const tempo_rows *rows)
{
    tempo_engine *e = rows->e;
    const tempo_recipe *recipe = &e->model->recipe;
    const size_t n = recipe->n_experts, k = recipe->n_used;

    tempo_products(e, e->h, rows->n, (tempo_product[]){{&rows->layer->router, e->routing}}, 1,
                   TEMPO_STAGE_GATE_UP);
    for (size_t r = 0; r < rows->n; r++) {
        float *logits = e->routing + r * n, shown[TEMPO_MAX_EXPERTS_USED];
        uint32_t *used = e->experts + r * k;
        if (rows->layer->b_router != NULL)
            e->model->kernels.add(logits, rows->layer->b_router, n);
        choose(logits, n, used, k);
        weigh(recipe, logits, used, e->expert_weights + r * k);
        for (size_t i = 0; i < k; i++)
            shown[i] = (float)used[i];
        tempo_show(e, TEMPO_TAP_EXPERT_INDICES, rows->index, r, shown, k, 1);
        tempo_taps_shown(e);
        memcpy(shown, e->expert_weights + r * k, k * sizeof(*shown));
        tempo_show(e, TEMPO_TAP_EXPERT_WEIGHTS, rows->index, r, shown, k, 1);
        tempo_taps_shown(e);
    }
}

/* The weight with which row r uses expert x; false: it does not. */
static bool uses(const tempo_engine *e, size_t r, uint32_t x, float *weight)
{
    const size_t k = e->model->recipe.n_used;

    for (size_t i = 0; i < k; i++)
        if (e->experts[r * k + i] == x) {
            *weight = e->expert_weights[r * k + i];
            return true;
        }
    return false;
}

/* out[r] += weight * (the expert's answer to row r), of the rows that use it. */
static void run_expert(const tempo_rows *rows, uint32_t x, float *out)
{
    tempo_engine *e = rows->e;
    const tempo_mlp *mlp = &rows->layer->experts[x];
    const tempo_weight *const next[3] = {&mlp->w_gate, &mlp->w_up};
    const size_t d = e->model->hp.d_model;
    tempo_rows some = *rows;
    float weight;

    some.n = 0;
    for (size_t r = 0; r < rows->n; r++)
        if (uses(e, r, x, &weight)) {
            memcpy(e->gathered + some.n * d, e->h + r * d, d * sizeof(float));
            tempo_prepare(e, next, some.n, e->gathered + some.n * d, 0, d);
            some.n++;
        }
    if (some.n == 0)
        return;
    run_mlp(&some, mlp, e->gathered, e->gathered, false);
    for (size_t r = 0, at = 0; r < rows->n; r++) {
        float *y = e->gathered + at * d;
        if (!uses(e, r, x, &weight))
            continue;
        if (mlp->b_down != NULL)
            e->model->kernels.add(y, mlp->b_down, d);
        for (size_t i = 0; i < d; i++)
            out[r * d + i] += weight * y[i];
        at++;
    }
}

/* The shared expert, times the sigmoid of its gate where it has one: out += it. */
static void run_shared(const tempo_rows *rows, float *out)
{
    tempo_engine *e = rows->e;
    const tempo_layer *l = rows->layer;
    const tempo_weight *const next[3] = {&l->mlp.w_gate, &l->mlp.w_up,
                                         l->shared_gate.data != NULL ? &l->shared_gate : NULL};
    const size_t d = e->model->hp.d_model;

    if (l->mlp.d_ff == 0)
        return;
    for (size_t r = 0; r < rows->n; r++)
        tempo_prepare(e, next, r, e->h + r * d, 0, d);
    if (l->shared_gate.data != NULL)
        tempo_products(e, e->h, rows->n, (tempo_product[]){{&l->shared_gate, e->routing}}, 1,
                       TEMPO_STAGE_GATE_UP);
    run_mlp(rows, &l->mlp, e->h, e->gathered, false);
    for (size_t r = 0; r < rows->n; r++) {
        const float gate = l->shared_gate.data != NULL ? 1.0f / (1.0f + expf(-e->routing[r])) : 1.0f;
        for (size_t i = 0; i < d; i++)
            out[r * d + i] += gate * e->gathered[r * d + i];
    }
}

void tempo_mlp_run(const tempo_rows *rows)
{
    tempo_engine *e = rows->e;
    const size_t bytes = rows->n * e->model->hp.d_model * sizeof(float);

    if (rows->layer->router.data == NULL) {
        run_mlp(rows, &rows->layer->mlp, e->h, e->h, true);
        return;
    }
    route(rows);
    memset(e->expert_sum, 0, bytes);
    for (uint32_t x = 0; x < e->model->recipe.n_experts; x++)
        run_expert(rows, x, e->expert_sum);
    run_shared(rows, e->expert_sum);
    memcpy(e->h, e->expert_sum, bytes);
}
