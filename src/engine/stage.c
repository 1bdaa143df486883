/* stage.c - a stage of the pass: the same work on every row, or on parts of rows, split over the threads.
 *
 * Where a stage has something to show it does its rows one after the other on the calling thread, with the
 * same numbers. */
#include "engine/pass.h"

enum { PART = 2048 }; /* elements of one task; a multiple of TEMPO_BLOCK */

size_t tempo_groups_of(size_t rows)
{
    return (rows + TEMPO_GROUP - 1) / TEMPO_GROUP;
}

typedef struct stage_job {
    const tempo_rows *rows;
    tempo_row_fn fn;
    size_t k, part; /* elements of a row, and of a task */
} stage_job;

static void run_row(void *arg, size_t r, unsigned worker)
{
    const stage_job *job = arg;

    (void)worker;
    job->fn(job->rows, r, 0, job->k);
}

/* Rows of a group may share cache lines of their activations, so one thread does them. */
static void run_part(void *arg, size_t task, unsigned worker)
{
    const stage_job *job = arg;
    const size_t groups = tempo_groups_of(job->rows->n), begin = task / groups * job->part;
    const size_t first = task % groups * TEMPO_GROUP;
    const size_t end = job->rows->n - first < TEMPO_GROUP ? job->rows->n : first + TEMPO_GROUP;

    (void)worker;
    for (size_t r = first; r < end; r++)
        job->fn(job->rows, r, begin, job->k - begin < job->part ? job->k : begin + job->part);
}

static bool in_order(const tempo_rows *rows, stage_job *job, const tempo_shows *shows)
{
    tempo_engine *e = rows->e;

    if (shows == NULL || !tempo_in_order(e, shows->taps))
        return false;
    const unsigned steps = tempo_by_tap(e, shows->taps) ? shows->steps : 0;
    for (e->step = steps > 0; e->step <= steps; e->step++) {
        for (size_t r = 0; r < rows->n; r++)
            run_row(job, r, 0);
        tempo_taps_shown(e);
    }
    e->step = 0;
    return true;
}

void tempo_each_row(const tempo_rows *rows, const tempo_shows *shows, tempo_row_fn fn)
{
    stage_job job = {.rows = rows, .fn = fn};

    if (!in_order(rows, &job, shows))
        tempo_pool_run(rows->e->pool, rows->n, run_row, &job);
}

void tempo_each_group(const tempo_rows *rows, const tempo_shows *shows, tempo_row_fn fn)
{
    stage_job job = {.rows = rows, .fn = fn, .part = 1};

    if (!in_order(rows, &job, shows))
        tempo_pool_run(rows->e->pool, tempo_groups_of(rows->n), run_part, &job);
}

void tempo_each_part(const tempo_rows *rows, size_t k, const tempo_shows *shows, tempo_row_fn fn)
{
    stage_job job = {.rows = rows, .fn = fn, .k = k};

    if (in_order(rows, &job, shows))
        return;
    job.part = shows != NULL && (rows->e->taps & shows->taps) != 0 ? k : PART;
    tempo_pool_run(rows->e->pool, tempo_groups_of(rows->n) * ((k + job.part - 1) / job.part), run_part, &job);
}
