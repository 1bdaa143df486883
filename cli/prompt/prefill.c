#include "cli/prompt/prefill.h"

#include "cli/endings.h"
#include "cli/message.h"

enum { CHUNK = 128 };

const tempo_observer stop_at_interrupt = {.poll = poll_interrupts};

tempo_status prefill(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, const float **logits,
                     tempo_err *err)
{
    tempo_row rows[CHUNK];
    size_t count = 0;

    *logits = NULL;
    for (size_t begin = 0; begin < n; begin += count) {
        show_progress("reading the prompt", begin, n);
        count = n - begin < CHUNK ? n - begin : CHUNK;
        for (size_t i = 0; i < count; i++)
            rows[i] = (tempo_row){.seq = seq,
                                  .token = ids[begin + i],
                                  .set = (uint32_t)(begin + i),
                                  .position = (double)(begin + i),
                                  .want = begin + i + 1 == n ? TEMPO_WANT_LOGITS : 0};
        const tempo_status st = tempo_engine_forward(e, rows, count, &stop_at_interrupt, err);
        if (st != TEMPO_OK) {
            show_progress("", 0, 0);
            return st;
        }
    }
    show_progress("", 0, 0);
    *logits = tempo_engine_logits(e, count - 1);
    return TEMPO_OK;
}
