/* readout.c - m rows of logits become one distribution.
 *
 * The vocabulary is cut into pieces of PIECE tokens, tasks for the engine's threads.  Sums run in index order
 * inside a piece and then over the pieces, in double, so that no number depends on the threads.  */
#include "decode/decode.h"

#include <math.h>
#include <stdlib.h>

enum { PIECE = 2048 };

static size_t pieces_of(size_t n)
{
    return (n + PIECE - 1) / PIECE;
}

static size_t piece_len(size_t n, size_t piece)
{
    return n - piece * PIECE < PIECE ? n - piece * PIECE : (size_t)PIECE;
}

/* log sum exp of numbers seen so far: sum * exp(max). */
typedef struct log_sum {
    double max, sum;
} log_sum;

static double log_of(log_sum s)
{
    return s.max + log(s.sum);
}

static log_sum joined(const log_sum *part, size_t n)
{
    log_sum all = {-INFINITY, 0.0};

    for (size_t i = 0; i < n; i++)
        all.max = part[i].max > all.max ? part[i].max : all.max;
    for (size_t i = 0; i < n; i++)
        all.sum += part[i].sum * exp(part[i].max - all.max);
    return all;
}

typedef struct readout_job {
    const tempo_readout_in *in;
    double *q;         /* [n_vocab] */
    double *w, *norm;  /* [m] of each row: its weight, the logarithm of its softmax' denominator */
    log_sum *part;     /* [m][pieces], of the rows; then [pieces], of their mix */
    double norm_of_q;  /* geometric: what takes the place of norm */
    double *entropies; /* [pieces] */
} readout_job;

/* z = logits / temperature - shift */
static void shifted(double *z, const float *x, size_t n, double temperature, double shift)
{
    if (temperature == 1.0)
        for (size_t i = 0; i < n; i++)
            z[i] = (double)x[i] - shift;
    else
        for (size_t i = 0; i < n; i++)
            z[i] = (double)x[i] / temperature - shift;
}

/* Task (row, piece): the piece's part of the row's denominator. */
static void sum_piece(void *arg, size_t task, unsigned worker)
{
    const readout_job *job = arg;
    const tempo_readout_in *in = job->in;
    const size_t pieces = pieces_of(in->n_vocab), piece = task % pieces, n = piece_len(in->n_vocab, piece);
    const float *x = in->rows[task / pieces] + piece * PIECE;
    double z[PIECE];

    (void)worker;
    const double max = (double)in->kernels->max(x, n) / in->temperature;
    shifted(z, x, n, in->temperature, max);
    job->part[task] = (log_sum){max, in->kernels->exp_f64(z, n)};
}

/* q = sum of weight * softmax; of the logarithms for the geometric mean, with their part of its denominator.
 */
static void mix_piece(void *arg, size_t piece, unsigned worker)
{
    const readout_job *job = arg;
    const tempo_readout_in *in = job->in;
    const size_t n = piece_len(in->n_vocab, piece);
    const bool geometric = in->how == TEMPO_READOUT_GEOMETRIC && in->m > 1;
    double *q = job->q + piece * PIECE, z[PIECE];

    (void)worker;
    for (size_t v = 0; v < n; v++)
        q[v] = 0.0;
    for (size_t i = 0; i < in->m; i++) {
        shifted(z, in->rows[i] + piece * PIECE, n, in->temperature, job->norm[i]);
        if (!geometric)
            (void)in->kernels->exp_f64(z, n);
        for (size_t v = 0; v < n; v++)
            q[v] += job->w[i] * z[v];
    }
    if (!geometric)
        return;
    double max = -INFINITY;
    for (size_t v = 0; v < n; v++)
        max = q[v] > max ? q[v] : max;
    for (size_t v = 0; v < n; v++)
        z[v] = q[v] - max;
    job->part[piece] = (log_sum){max, in->kernels->exp_f64(z, n)};
}

/* q = exp of the logarithms that it holds, normalised */
static void exp_piece(void *arg, size_t piece, unsigned worker)
{
    const readout_job *job = arg;
    const size_t n = piece_len(job->in->n_vocab, piece);
    double *q = job->q + piece * PIECE;

    (void)worker;
    for (size_t v = 0; v < n; v++)
        q[v] -= job->norm_of_q;
    (void)job->in->kernels->exp_f64(q, n);
}

static void entropy_piece(void *arg, size_t piece, unsigned worker)
{
    const readout_job *job = arg;

    (void)worker;
    job->entropies[piece] =
        job->in->kernels->entropy(job->q + piece * PIECE, piece_len(job->in->n_vocab, piece));
}

static void run_tasks(readout_job *job, size_t n, tempo_task_fn fn)
{
    if (job->in->pool != NULL)
        tempo_pool_run(job->in->pool, n, fn, job);
    else
        for (size_t i = 0; i < n; i++)
            fn(job, i, 0);
}

static tempo_status run(readout_job *job, double *entropy, tempo_err *err)
{
    const tempo_readout_in *in = job->in;
    const size_t pieces = pieces_of(in->n_vocab);
    double total = 0.0;

    run_tasks(job, in->m * pieces, sum_piece);
    for (size_t i = 0; i < in->m; i++) {
        job->norm[i] = log_of(joined(job->part + i * pieces, pieces));
        if (!isfinite(job->norm[i])) /* not at the temperatures that options allow */
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "row %zu: logits divided by a temperature of %g overflow", i, in->temperature);
        total += in->p[i];
    }
    for (size_t i = 0; i < in->m; i++)
        job->w[i] = in->m == 1                         ? 1.0
                    : in->how == TEMPO_READOUT_UNIFORM ? 1.0 / (double)in->m
                                                       : in->p[i] / total;
    run_tasks(job, pieces, mix_piece);
    if (in->how == TEMPO_READOUT_GEOMETRIC && in->m > 1) {
        job->norm_of_q = log_of(joined(job->part, pieces));
        run_tasks(job, pieces, exp_piece);
    }
    run_tasks(job, pieces, entropy_piece);
    *entropy = 0.0;
    for (size_t j = 0; j < pieces; j++)
        *entropy += job->entropies[j];
    *entropy = *entropy > 0.0 ? *entropy : 0.0; /* not -0.0 or a rounding below it */
    return TEMPO_OK;
}

tempo_status tempo_readout_mix(double *q, double *entropy, const tempo_readout_in *in, tempo_err *err)
{
    tempo_readout_in used = *in;
    readout_job job = {.in = &used, .q = q};
    size_t best = 0, least = 0;

    /* members stand in descending order: of equals the first is the top one */
    for (size_t i = 1; i < in->m; i++) {
        best = in->p[i] > in->p[best] ? i : best;
        least = in->p[i] <= in->p[least] ? i : least;
    }
    if (in->how == TEMPO_READOUT_TOP || in->how == TEMPO_READOUT_LAST) {
        const size_t i = in->how == TEMPO_READOUT_LAST ? least : best;
        used.rows = in->rows + i;
        used.p = in->p + i;
        used.m = 1;
    }
    const size_t pieces = pieces_of(used.n_vocab), tasks = used.m * pieces;
    job.w = malloc(used.m * sizeof(double));
    job.norm = malloc(used.m * sizeof(double));
    job.part = malloc(tasks * sizeof(log_sum));
    job.entropies = malloc(pieces * sizeof(double));
    const tempo_status st =
        job.w == NULL || job.norm == NULL || job.part == NULL || job.entropies == NULL
            ? tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to read %zu rows", used.m)
            : run(&job, entropy, err);
    free(job.entropies);
    free(job.part);
    free(job.norm);
    free(job.w);
    return st;
}

tempo_status tempo_distribution(tempo_engine *e, const float *logits, size_t n, double *q, double *entropy,
                                tempo_err *err)
{
    const double one = 1.0;
    tempo_kernels best;

    if (e == NULL)
        tempo_kernels_init(&best, tempo_cpu_detect(), TEMPO_EXACT);
    const tempo_readout_in in = {.rows = &logits,
                                 .p = &one,
                                 .m = 1,
                                 .n_vocab = n,
                                 .how = TEMPO_READOUT_MIXTURE,
                                 .temperature = 1.0,
                                 .kernels = e != NULL ? &e->model->kernels : &best,
                                 .pool = e != NULL ? e->pool : NULL};
    if (!in.kernels->all_finite(logits, n)) /* they need not be an engine's */
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "not all logits of the row are finite numbers");
    return tempo_readout_mix(q, entropy, &in, err);
}
