#include "cli/prompt/prefill.h"

#include "cli/endings.h"
#include "cli/message.h"

enum { CHUNK = 128 };

const tempo_observer stop_at_interrupt = {.poll = poll_interrupts};

/* last: the row whose logits are wanted, if not `all` are. */
static tempo_status run_chunk(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t begin, size_t count,
                              size_t last, bool all, tempo_err *err)
{
    tempo_row rows[CHUNK];

    for (size_t i = 0; i < count; i++)
        rows[i] = (tempo_row){.seq = seq,
                              .token = ids[begin + i],
                              .set = (uint32_t)(begin + i),
                              .position = (double)(begin + i),
                              .want = all || begin + i == last ? TEMPO_WANT_LOGITS : 0};
    return tempo_engine_forward(e, rows, count, &stop_at_interrupt, err);
}

tempo_status prefill_all(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, prefill_row row,
                         void *user, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t begin = 0, count; begin < n && st == TEMPO_OK; begin += count) {
        show_progress("reading the prompt", begin, n);
        count = n - begin < CHUNK ? n - begin : CHUNK;
        st = run_chunk(e, seq, ids, begin, count, n - 1, true, err);
        show_progress("", 0, 0);
        for (size_t i = 0; i < count && st == TEMPO_OK; i++)
            st = row(user, begin + i, tempo_engine_logits(e, i), err);
    }
    return st;
}

tempo_status prefill(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, const float **logits,
                     tempo_err *err)
{
    tempo_status st = TEMPO_OK;
    size_t count = 0;

    *logits = NULL;
    for (size_t begin = 0; begin < n && st == TEMPO_OK; begin += count) {
        show_progress("reading the prompt", begin, n);
        count = n - begin < CHUNK ? n - begin : CHUNK;
        st = run_chunk(e, seq, ids, begin, count, n - 1, false, err);
    }
    show_progress("", 0, 0);
    *logits = st == TEMPO_OK ? tempo_engine_logits(e, count - 1) : NULL;
    return st;
}
