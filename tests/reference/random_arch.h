/* random_arch.h - models of every architecture with shapes and numbers that a seed makes: configurations as transformers
 * writes them, directories, and GGUF files of the same numbers, quantised or not.  */
#ifndef TEMPO_TESTS_RANDOM_ARCH_H
#define TEMPO_TESTS_RANDOM_ARCH_H
#include "base/dtype.h"
#include "reference/reference.h"

extern const char *const random_archs[]; /* model_type; NULL behind the last */

/* wide: widths that are multiples of 256, which every element type can hold. */
json_t *random_config(const char *type, uint64_t seed, bool wide);
/* A directory of it (its parent must be there), without a tokenizer; the same numbers each time.  The model is what the files say. */
reference_model *random_directory(const json_t *config, uint64_t seed, const char *dir);

/* Can a GGUF say all that this configuration does? */
bool gguf_can(const reference_model *m, const json_t *config);
/* Matrices of the type where their rows are multiples of its block; of Q4_K others are Q8_0, else F32.  m's matrices become what the
 * file holds.  */
void gguf_write(reference_model *m, const json_t *config, tempo_dtype type, const char *path);

/* n rows of a text and, where sets, of sets after it, by the seed; mode of all.  Positions are whole where the model has a table of them.
 * At most what fits the model's context; returns how many. */
enum { RANDOM_ROWS = 96 };
size_t random_rows(const reference_model *m, uint64_t seed, bool sets, tempo_mode mode, tempo_row rows[RANDOM_ROWS]);

#endif
