/* vocabulary.h - a directory's tokenizer as keys of a GGUF, which knows no models. */
#ifndef TEMPO_CONVERT_VOCABULARY_H
#define TEMPO_CONVERT_VOCABULARY_H
#include "io/gguf_write.h"
#include "token/token.h"

/* All keys of the tokenizer t; rows: of the model's embedding, whose ids all get a token.  TEMPO_E_UNSUPPORTED where GGUF has
 * no name for how t cuts text up.  */
tempo_status tempo_vocabulary_put(tempo_gguf_writer *w, const tempo_tokenizer *t, uint32_t rows, tempo_err *err) TEMPO_MUST_CHECK;

#endif
