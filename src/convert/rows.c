/* rows.c - rows of tensors, read where they lie, made blocks of their new type by all processors, and written
 * in order.
 *
 * A task is some rows, or a part of a long one; a chunk is several tasks, whose results are written together.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert.h"

enum {
    TASK = 1 << 16, /* elements, a multiple of every block */
    CHUNK = 64,     /* tasks */
    MAX_BYTES = 8,  /* of an element, in blocks or not */
};

typedef struct writer {
    tempo_conversion *c;
    tempo_outfile *f;
    tempo_pool *pool;
    unsigned workers;
    size_t span;        /* elements of a task, at most */
    float *floats;      /* [workers][span] */
    unsigned char *out; /* [CHUNK][span * MAX_BYTES] as far as needed */
    unsigned char *bad; /* [workers] a number that is not finite was met */
} writer;

/* ---- reading ---- */

static uint64_t bytes_of(tempo_dtype type, uint64_t elements)
{
    const tempo_dtype_info *d = tempo_dtype_get(type);

    return elements / d->block_len * d->block_bytes;
}

/* GGUF's rows of Q and K rotate in adjacent pairs where the architecture says so, a directory's in halves. */
static uint64_t turned(const tempo_conversion *c, const tempo_piece *p, uint64_t r)
{
    const tempo_facts *f = &c->ld.facts;
    const uint64_t d = f->hp.head_dim, n = f->recipe.n_rot, i = d > 0 ? r % d : 0;

    if ((p->place != TEMPO_AT_Q && p->place != TEMPO_AT_K) || c->ld.f->is_gguf ||
        f->arch->gguf_pairs == f->arch->hf_pairs || i >= n)
        return r;
    return f->arch->gguf_pairs ? r - i + i % 2 * (n / 2) + i / 2 : r - i + i % (n / 2) * 2 + i / (n / 2);
}

/* The row of the tensor that row r of the piece is. */
static uint64_t row_of(const tempo_conversion *c, const tempo_piece *p, uint64_t r)
{
    const tempo_cut *cut = &p->cut;

    r = turned(c, p, r);
    return cut->first + r / cut->run * cut->stride + r % cut->run;
}

static const unsigned char *place_of(const tempo_conversion *c, const tempo_piece *p, uint64_t r,
                                     uint64_t column)
{
    const uint64_t row = row_of(c, p, r);
    const uint64_t at = p->cut.transposed ? column * p->cut.across + row : row * p->columns + column;

    return p->t->data + bytes_of(p->t->type, p->cut.slab + at);
}

/* Elements [column, column + n) of row r. */
static void read_row(const tempo_conversion *c, const tempo_piece *p, uint64_t r, uint64_t column, size_t n,
                     float *out)
{
    _Alignas(8) unsigned char one[8];
    const tempo_unpack_fn unpack = tempo_unpack[p->t->type];
    const size_t size = tempo_dtype_get(p->t->type)->block_bytes;

    if (p->scaled != NULL) {
        tempo_weight_row(out, p->scaled, (size_t)turned(c, p, r));
    } else if (p->cut.transposed) {
        for (size_t i = 0; i < n; i++) {
            memcpy(one, place_of(c, p, r, column + i), size);
            unpack(out + i, one, 1);
        }
    } else {
        unpack(out, place_of(c, p, r, column), n);
    }
    for (size_t i = 0; p->plus != 0.0f && i < n; i++)
        out[i] += p->plus;
}

static const tempo_piece *piece_at(const tempo_conversion *c, const tempo_target *t, uint64_t *row)
{
    const tempo_piece *p = &c->pieces[t->first];

    for (; *row >= p->rows; p++)
        *row -= p->rows;
    return p;
}

/* ---- a task ---- */

typedef struct job {
    writer *w;
    const tempo_target *t;
    uint64_t first;   /* task of the target */
    uint64_t per_row; /* tasks a row; 1 where a task is whole rows */
    uint64_t rows;    /* of a task then */
} job;

/* What a task is: rows [row, row + n), columns [column, column + width). */
static void range_of(const job *j, uint64_t task, uint64_t *row, uint64_t *n, uint64_t *column, size_t *width)
{
    const tempo_target *t = j->t;

    if (j->per_row > 1) {
        *row = task / j->per_row;
        *n = 1;
        *column = task % j->per_row * TASK;
        *width = (size_t)(t->columns - *column < TASK ? t->columns - *column : TASK);
        return;
    }
    *row = task * j->rows;
    *n = t->rows - *row < j->rows ? t->rows - *row : j->rows;
    *column = 0;
    *width = (size_t)t->columns;
}

/* Rows that can be taken as they are. */
static bool same_bytes(const tempo_target *t, const tempo_piece *p)
{
    return t->type == p->t->type && p->plus == 0.0f && !p->cut.transposed && p->scaled == NULL;
}

static bool all_finite(const float *x, size_t n)
{
    float sum = 0.0f;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * 0.0f; /* NaN where one is not */
    return sum == 0.0f;
}

static void convert_task(void *arg, size_t index, unsigned worker)
{
    const job *j = arg;
    writer *w = j->w;
    const tempo_conversion *c = w->c;
    const tempo_target *t = j->t;
    float *floats = w->floats + (size_t)worker * w->span;
    unsigned char *out = w->out + index * (size_t)bytes_of(t->type, w->span);
    uint64_t row, n, column;
    size_t width;

    range_of(j, j->first + index, &row, &n, &column, &width);
    const uint64_t row_bytes = bytes_of(t->type, width);
    for (uint64_t i = 0; i < n; i++, out += row_bytes) {
        uint64_t r = row + i;
        const tempo_piece *p = t->values == NULL ? piece_at(c, t, &r) : NULL;
        if (p != NULL && same_bytes(t, p)) {
            memcpy(out, place_of(c, p, r, column), (size_t)row_bytes);
            continue;
        }
        if (p != NULL)
            read_row(c, p, r, column, width, floats);
        else
            memcpy(floats, t->values, width * sizeof(*floats));
        if (!all_finite(floats, width))
            w->bad[worker] = 1;
        tempo_quantizer(t->type)(out, floats, width);
    }
}

/* ---- a tensor ---- */

static tempo_status write_chunk(writer *w, const job *j, uint64_t tasks)
{
    tempo_conversion *c = w->c;
    tempo_status st = TEMPO_OK;

    memset(w->bad, 0, w->workers);
    tempo_pool_run(w->pool, (size_t)tasks, convert_task, (void *)(uintptr_t)j);
    for (unsigned i = 0; i < w->workers; i++)
        if (w->bad[i] != 0)
            return tempo_fail(c->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s: a number that is not finite cannot be converted", j->t->name);
    for (uint64_t i = 0; i < tasks && st == TEMPO_OK; i++) {
        uint64_t row, n, column;
        size_t width;
        range_of(j, j->first + i, &row, &n, &column, &width);
        const uint64_t bytes = n * bytes_of(j->t->type, width);
        st = tempo_gguf_data(&c->w, w->f, w->out + i * bytes_of(j->t->type, w->span), (size_t)bytes, c->err);
        c->done += bytes;
    }
    if (st == TEMPO_OK && c->opt->progress != NULL && !c->opt->progress(c->opt->user, c->done, c->total))
        st = tempo_fail(c->err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
    return st;
}

static bool is_whole(const tempo_conversion *c, const tempo_target *t)
{
    return t->columns <= TASK || (t->values == NULL && c->pieces[t->first].scaled != NULL);
}

static tempo_status write_target(writer *w, const tempo_target *t)
{
    job j = {.w = w, .t = t, .per_row = 1};
    tempo_status st = TEMPO_OK;
    uint64_t tasks;

    if (t->rows == 0 || t->columns == 0)
        return TEMPO_OK;
    j.rows = t->columns < TASK ? TASK / t->columns : 1;
    if (!is_whole(w->c, t))
        j.per_row = (t->columns + TASK - 1) / TASK;
    tasks = j.per_row > 1 ? t->rows * j.per_row : (t->rows + j.rows - 1) / j.rows;
    for (j.first = 0; j.first < tasks && st == TEMPO_OK; j.first += CHUNK)
        st = write_chunk(w, &j, tasks - j.first < CHUNK ? tasks - j.first : CHUNK);
    for (size_t i = 0; i < t->n_pieces && st == TEMPO_OK; i++)
        tempo_forget_pages(w->c->pieces[t->first + i].t->data, w->c->pieces[t->first + i].t->bytes);
    return st;
}

tempo_status tempo_targets_write(tempo_conversion *c, tempo_outfile *f)
{
    writer w = {.c = c, .f = f, .workers = tempo_cpus_allowed(), .span = TASK};
    tempo_status st = tempo_pool_create(&w.pool, w.workers, c->err);

    for (size_t i = 0; i < c->n; i++)
        if (is_whole(c, &c->targets[i]) && c->targets[i].columns > w.span)
            w.span = (size_t)c->targets[i].columns;
    w.span = (w.span + TASK - 1) / TASK * TASK;
    if (st == TEMPO_OK) {
        w.floats = malloc(w.workers * w.span * sizeof(*w.floats));
        w.out = malloc(CHUNK * w.span * MAX_BYTES);
        w.bad = malloc(w.workers);
        if (w.floats == NULL || w.out == NULL || w.bad == NULL)
            st = tempo_fail(c->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a part of a tensor");
    }
    for (size_t i = 0; i < c->n && st == TEMPO_OK; i++)
        st = write_target(&w, &c->targets[i]);
    free(w.bad);
    free(w.out);
    free(w.floats);
    tempo_pool_free(w.pool);
    return st;
}
