/* model_vocab.h - private to the model writer: its vocabularies, the order of Q and K rows. */
#ifndef TEMPO_TESTS_MODEL_VOCAB_H
#define TEMPO_TESTS_MODEL_VOCAB_H
#include "support/model_writer.h"

/* Add the spec's vocabulary: GGUF metadata, and tokenizer.json and its companions for BPE. */
void test_vocab_add(test_model *m);
/* Row r of the tensor in the file of arch "llama" comes from this row of the Hugging Face order. */
uint64_t test_permuted_row(const test_tensor *t, uint64_t row);
/* Bring a tensor read from such a file into the Hugging Face order. */
void test_unpermute(test_tensor *t);

#endif
