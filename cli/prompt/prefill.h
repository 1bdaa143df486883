/* prefill.h - running a prompt outside of a decoder. */
#ifndef TEMPO_CLI_PROMPT_PREFILL_H
#define TEMPO_CLI_PROMPT_PREFILL_H
#include "cli/session.h"

/* Append ids[n] to seq, every token a set of its own at the next integer position, in chunks; *logits: those of the
 * last row, valid until the engine's next pass.  TEMPO_E_STOPPED after Ctrl-C.  */
tempo_status prefill(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, const float **logits, tempo_err *err);

/* The same, but each row's logits go to `row`, in the prompt's order; one that is not TEMPO_OK ends it. */
typedef tempo_status (*prefill_row)(void *user, size_t i, const float *logits, tempo_err *err);
tempo_status prefill_all(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, prefill_row row, void *user, tempo_err *err);

/* The observer of commands that decode: it stops at Ctrl-C. */
extern const tempo_observer stop_at_interrupt;

#endif
