/* engine.h - sequences and the forward pass.
 *
 * A sequence's keys and values live in reference-counted pages of TEMPO_PAGE_SLOTS slots, which are
 * also the blocks of the attention sum, aligned at slot 0.  Forks share whole pages.  */
#ifndef TEMPO_ENGINE_ENGINE_H
#define TEMPO_ENGINE_ENGINE_H
#include <stdatomic.h>

#include "base/pool.h"
#include "model/model.h"

enum { TEMPO_PAGE_SLOTS = 64 };

/* Grow scratch so that batches up to n_rows with n_logits wanted rows, over sequences up to n_slots
 * slots, need no allocation; with_attention when an observer will look at weights.  */
tempo_status tempo_engine_reserve(tempo_engine *e, size_t n_rows, size_t n_logits, size_t n_slots,
                                  size_t n_attention_rows, tempo_err *err) TEMPO_MUST_CHECK;

#endif
