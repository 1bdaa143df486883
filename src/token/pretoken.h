/* pretoken.h - cutting text into the words that are merged each for itself.
 *
 * A list of regular expressions, applied one after another to every part so far, each part as a text of its
 * own: what an expression matches becomes a part, and so does what lies between.  PCRE2 with Unicode
 * properties; the JIT where there is one.  */
#ifndef TEMPO_TOKEN_PRETOKEN_H
#define TEMPO_TOKEN_PRETOKEN_H
#include "base/status.h"

typedef struct tempo_pretoken tempo_pretoken;

enum {
    TEMPO_PRETOKEN_LITERAL = 1u << 0,      /* the pattern is a plain text */
    TEMPO_PRETOKEN_DROP_MATCHES = 1u << 1, /* what matches is no part */
    TEMPO_PRETOKEN_DROP_GAPS = 1u << 2,    /* what lies between is none */
    TEMPO_PRETOKEN_MAX_STAGES = 16,
};

tempo_status tempo_pretoken_create(tempo_pretoken **out, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_pretoken_free(tempo_pretoken *p);
/* TEMPO_E_FORMAT with PCRE2's message and the offset in the pattern; TEMPO_E_LIMIT beyond MAX_STAGES. */
tempo_status tempo_pretoken_add(tempo_pretoken *p, const char *pattern, size_t n, unsigned flags,
                                tempo_err *err) TEMPO_MUST_CHECK;
/* All stages of a pre-tokeniser by its GGUF name ("llama-bpe", "gpt-2", "qwen2", "smollm", "deepseek-llm", "default"
 * and their aliases); *name is the name to report.  TEMPO_E_UNSUPPORTED for another.  */
tempo_status tempo_pretoken_add_named(tempo_pretoken *p, const char *pre, size_t n, const char **name,
                                      tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_span {
    size_t begin, end;
} tempo_span;

/* Cut text[n] (valid UTF-8) into *spans (malloc'd, *n_spans of them, none empty).  TEMPO_E_LIMIT with an offset where an
 * expression needs too much work.  */
tempo_status tempo_pretoken_split(const tempo_pretoken *p, const char *text, size_t n, tempo_span **spans,
                                  size_t *n_spans, tempo_err *err) TEMPO_MUST_CHECK;

#endif
