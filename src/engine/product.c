/* product.c - products of rows with matrices, outputs split over the threads, and what they read: x in the
 * forms that their weights want.  */
#include "engine/pass.h"

enum { PRODUCT_ROWS = 2 * TEMPO_PANEL }; /* outputs of one task */

typedef struct product_job {
    tempo_engine *e;
    const float *x; /* [rows, n_in] */
    size_t rows, n;
    tempo_product p[3]; /* the products that share x run as one job */
} product_job;

static size_t tasks_of(const tempo_weight *w)
{
    return (w->n_out + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
}

static void run_product(void *arg, size_t task, unsigned worker)
{
    const product_job *job = arg;
    const tempo_product *p = job->p;

    for (; task >= tasks_of(p->w); p++)
        task -= tasks_of(p->w);
    const tempo_weight *w = p->w;
    const tempo_kernels *kern = &job->e->model->kernels;
    const tempo_form form = kern->form[w->type];
    const size_t o = task * PRODUCT_ROWS, n = w->n_out - o < PRODUCT_ROWS ? w->n_out - o : PRODUCT_ROWS;
    kern->matmul[w->type](p->y, w->n_out, w, o, n, form == TEMPO_FORM_FLOAT ? job->x : job->e->act[form],
                          job->rows, job->e->scratch + worker * job->e->scratch_len);
}

void tempo_products(tempo_engine *e, const float *x, size_t rows, const tempo_product *p, size_t n,
                    tempo_stage_id stage)
{
    product_job job = {.e = e, .x = x, .rows = rows, .n = n};
    size_t tasks = 0;
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        job.p[i] = p[i];
        tasks += tasks_of(p[i].w);
        bytes += tempo_weight_bytes(p[i].w);
    }
    tempo_pool_run(e->pool, tasks, run_product, &job);
    tempo_stage_end(e, stage, bytes);
}

void tempo_prepare(tempo_engine *e, const tempo_weight *const w[3], size_t r, const float *x, size_t begin,
                   size_t end)
{
    const tempo_kernels *kern = &e->model->kernels;
    unsigned done = 1u << TEMPO_FORM_FLOAT;

    for (size_t i = 0; i < 3 && w[i] != NULL; i++) {
        const tempo_form form = kern->form[w[i]->type];
        if ((done & 1u << form) == 0)
            kern->form_bodies[form].prepare(e->act[form], r, x, w[i]->n_in, begin, end);
        done |= 1u << form;
    }
}
