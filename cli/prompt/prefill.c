#include "cli/prompt/prefill.h"

#include "cli/endings.h"
#include "cli/message.h"

enum { CHUNK = 128 };

const tempo_observer stop_at_interrupt = {.poll = poll_interrupts};

/* How a prompt is run: what it is, and what happens with its rows' logits. */
typedef struct prefilling {
    tempo_seq *seq;
    const int32_t *ids; /* [n] */
    size_t n;
    prefill_row row; /* of all rows; NULL: only the last row's are made */
    void *user;
} prefilling;

static tempo_status run_chunk(tempo_engine *e, const prefilling *p, size_t begin, size_t count,
                              tempo_err *err)
{
    tempo_row rows[CHUNK] = {{0}};

    for (size_t i = 0; i < count; i++)
        rows[i] = (tempo_row){.seq = p->seq,
                              .token = p->ids[begin + i],
                              .set = (uint32_t)(begin + i),
                              .position = (double)(begin + i),
                              .want = p->row != NULL || begin + i == p->n - 1 ? TEMPO_WANT_LOGITS : 0};
    tempo_status st = tempo_engine_forward(e, rows, count, &stop_at_interrupt, err);
    for (size_t i = 0; p->row != NULL && i < count && st == TEMPO_OK; i++) {
        if (i == 0)
            show_progress("", 0, 0);
        st = p->row(p->user, begin + i, tempo_engine_logits(e, i), err);
    }
    return st;
}

/* *rows: of the last chunk. */
static tempo_status run(tempo_engine *e, const prefilling *p, size_t *rows, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    *rows = 0;
    for (size_t begin = 0; begin < p->n && st == TEMPO_OK; begin += *rows) {
        show_progress("reading the prompt", begin, p->n);
        *rows = p->n - begin < CHUNK ? p->n - begin : CHUNK;
        st = run_chunk(e, p, begin, *rows, err);
    }
    show_progress("", 0, 0);
    return st;
}

tempo_status prefill_all(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, prefill_row row,
                         void *user, tempo_err *err)
{
    const prefilling p = {seq, ids, n, row, user};
    size_t rows;

    return run(e, &p, &rows, err);
}

tempo_status prefill(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, const float **logits,
                     tempo_err *err)
{
    const prefilling p = {.seq = seq, .ids = ids, .n = n};
    size_t rows;
    const tempo_status st = run(e, &p, &rows, err);

    *logits = st == TEMPO_OK ? tempo_engine_logits(e, rows - 1) : NULL;
    return st;
}
