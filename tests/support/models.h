/* models.h - the models that several tests run on: synthetic ones, and the built-in one. */
#ifndef TEMPO_TESTS_MODELS_H
#define TEMPO_TESTS_MODELS_H
#include "support/model_writer.h"
#include "tempo.h"

/* A synthetic model of an architecture (all matrices of one type), opened from a temporary GGUF file. */
tempo_model *test_open_synthetic(const char *arch, tempo_dtype type);
/* Any model; the test fails with the message if it does not open. */
tempo_model *test_open_model(const char *path);
tempo_engine *test_engine(const tempo_model *m, unsigned threads);
/* A decoder that has read nothing yet. */
tempo_decoder *test_decoder(tempo_engine *e, const tempo_decode_options *o, const int32_t *prompt, size_t n);
tempo_seq *test_seq(tempo_engine *e, tempo_kv_type kv);

/* Append ids[n] to seq: one set at one position, or (own_sets) a set and a position for each, from the next
 * integer after the last slot's.  All rows' logits go to out[n * n_vocab] unless it is NULL.  */
void test_append(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, bool own_sets, tempo_mode mode,
                 const tempo_observer *obs, float *out);

#endif
