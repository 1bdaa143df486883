/* panels.c - matrices packed for their products (kernels/panel.h), once, when a model is opened.
 *
 * All panels live in one mapping.  A matrix is read from its mapped file front to back and its pages are
 * given back at once, so that a model is held about once, not twice.  */
#include <sys/mman.h>

#include "base/memory.h"
#include "base/pool.h"
#include "model/files.h"

enum { TASK_PANELS = 8 };

typedef struct pack_job {
    tempo_weight *const *weights; /* [n] */
    size_t n;
    size_t *first_task; /* [n + 1] */
} pack_job;

static size_t panels_of(const tempo_weight *w)
{
    return (w->n_out + TEMPO_PANEL - 1) / TEMPO_PANEL;
}

static size_t tasks_of(const tempo_weight *w)
{
    return (panels_of(w) + TASK_PANELS - 1) / TASK_PANELS;
}

static void pack(void *arg, size_t task, unsigned worker)
{
    const pack_job *job = arg;
    size_t low = 0, high = job->n;

    (void)worker;
    while (high - low > 1) { /* the last matrix that begins at or before the task */
        const size_t middle = low + (high - low) / 2;
        if (job->first_task[middle] <= task)
            low = middle;
        else
            high = middle;
    }
    const tempo_weight *w = job->weights[low];
    const size_t bytes = tempo_panel_bytes(w->type, w->n_in),
                 first = (task - job->first_task[low]) * TASK_PANELS;
    const size_t n = panels_of(w) - first < TASK_PANELS ? panels_of(w) - first : TASK_PANELS;
    const size_t rows =
        w->n_out - first * TEMPO_PANEL < n * TEMPO_PANEL ? w->n_out - first * TEMPO_PANEL : n * TEMPO_PANEL;
    tempo_pack_panels((unsigned char *)(uintptr_t)w->panels + first * bytes, w, first, n);
    tempo_forget_pages((const unsigned char *)w->data + first * TEMPO_PANEL * w->row_bytes,
                       rows * w->row_bytes);
}

/* The matrices to pack; returns how many. */
static size_t collect(tempo_model *m, tempo_weight **out)
{
    tempo_weight *w;
    size_t n = 0;

    for (size_t i = 0; (w = tempo_model_weight(m, i)) != NULL; i++)
        if (w->data != NULL && m->kernels.packed[w->type])
            out[n++] = w;
    return n;
}

static void *map_panels(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* fewer faults while it is filled */
#endif
    return p;
}

/* Places for all panels. */
static tempo_status place(struct tempo_model_files *f, tempo_weight *const *weights, size_t *first_task,
                          size_t n, tempo_err *err)
{
    size_t total = 0;
    tempo_status st;

    first_task[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        if (__builtin_mul_overflow(panels_of(weights[i]),
                                   tempo_panel_bytes(weights[i]->type, weights[i]->n_in), &bytes) ||
            __builtin_add_overflow(total, bytes, &total))
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the packed weights");
        first_task[i + 1] = first_task[i] + tasks_of(weights[i]);
    }
    if ((st = tempo_memory_check(total, "the weights, packed for this processor,", err)) != TEMPO_OK)
        return st; /* --cpu scalar reads the file's */
    if ((f->panels = map_panels(total)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the packed weights");
    f->panel_bytes = total;
    total = 0;
    for (size_t i = 0; i < n; i++) {
        weights[i]->panels = (unsigned char *)f->panels + total;
        total += panels_of(weights[i]) * tempo_panel_bytes(weights[i]->type, weights[i]->n_in);
    }
    return TEMPO_OK;
}

tempo_status tempo_panels_make(tempo_loader *ld)
{
    tempo_model *m = ld->m;
    size_t most = 0;
    while (tempo_model_weight(m, most) != NULL)
        most++;
    tempo_weight **weights = tempo_files_alloc(ld, most * sizeof(*weights));
    size_t *first_task = tempo_files_alloc(ld, (most + 1) * sizeof(*first_task));
    tempo_pool *pool;

    if (weights == NULL || first_task == NULL)
        return TEMPO_E_NOMEM;
    pack_job job = {weights, collect(m, weights), first_task};
    if (job.n == 0)
        return TEMPO_OK;
    tempo_status st = place(ld->f, weights, first_task, job.n, ld->err);
    if (st != TEMPO_OK || (st = tempo_pool_create(&pool, tempo_cpus_allowed(), ld->err)) != TEMPO_OK)
        return st;
    tempo_pool_run(pool, first_task[job.n], pack, &job);
    tempo_pool_free(pool);
    return TEMPO_OK;
}

void tempo_panels_free(struct tempo_model_files *f)
{
    if (f->panels != NULL)
        (void)munmap(f->panels, f->panel_bytes);
}
