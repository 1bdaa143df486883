/* pretoken.h - cutting text into the words that are merged each for itself.
 *
 * A list of stages, applied one after another to every part so far, each part as a text of its own: a pattern
 * cuts parts up at its matches, and two kinds write spaces anew.  Source: the tokenizers library's
 * pre-tokenizers.  */
#ifndef TEMPO_TOKEN_PRETOKEN_H
#define TEMPO_TOKEN_PRETOKEN_H
#include "token/normal.h"
#include "text/regex.h"

typedef struct tempo_pretoken tempo_pretoken;

enum { TEMPO_PRETOKEN_MAX_STAGES = 32 };

/* What becomes of a match: a part of its own, nothing, the end of the part before it or the beginning of the
 * one behind it (if that is no match), or one part with the matches beside it.  */
typedef enum tempo_behavior {
    TEMPO_SPLIT_ISOLATED,
    TEMPO_SPLIT_REMOVED,
    TEMPO_SPLIT_PREVIOUS,
    TEMPO_SPLIT_NEXT,
    TEMPO_SPLIT_CONTIGUOUS,
} tempo_behavior;

/* Which parts get a mark for a space in front, if they do not begin with one. */
typedef enum tempo_prefix {
    TEMPO_PREFIX_NEVER,
    TEMPO_PREFIX_FIRST, /* the beginning of the text */
    TEMPO_PREFIX_EVERY,
} tempo_prefix;

tempo_status tempo_pretoken_create(tempo_pretoken **out, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_pretoken_free(tempo_pretoken *p);
/* Cut at the matches of a pattern, or with `invert` at what lies between them.  TEMPO_E_LIMIT beyond
 * MAX_STAGES; else what tempo_regex_compile says.  */
tempo_status tempo_pretoken_add(tempo_pretoken *p, const char *pattern, size_t n, tempo_regex_kind kind,
                                tempo_behavior behavior, bool invert, tempo_err *err) TEMPO_MUST_CHECK;
/* A space in front of each part that does not begin with one. */
tempo_status tempo_pretoken_add_space(tempo_pretoken *p, tempo_err *err) TEMPO_MUST_CHECK;
/* Spaces become `mark` (one character), one is put in front of the parts that `prefix` says. */
tempo_status tempo_pretoken_add_marks(tempo_pretoken *p, const char *mark, tempo_prefix prefix,
                                      tempo_err *err) TEMPO_MUST_CHECK;

/* A pre-tokeniser of GGUF files by its name. */
typedef struct tempo_pretoken_name {
    const char *name;                 /* static text: of several names for one thing the first */
    bool ignore_merges, add_bos, nfc; /* what goes with it where the file does not say */
} tempo_pretoken_name;

/* All stages of "llama-bpe", "gpt-2", "qwen2", "smollm", ... and their aliases.  TEMPO_E_UNSUPPORTED for
 * another. */
tempo_status tempo_pretoken_add_named(tempo_pretoken *p, const char *pre, size_t n, tempo_pretoken_name *name,
                                      tempo_err *err) TEMPO_MUST_CHECK;

/* The i-th name that is no alias, or NULL. */
const char *tempo_pretoken_name_at(size_t i);

/* What one call needs; { 0 } to begin with. */
typedef struct tempo_pretoken_work {
    tempo_regex_work regex;
    struct tempo_spans {
        tempo_span *p; /* [n] */
        size_t n, cap;
    } now, next;
} tempo_pretoken_work;

void tempo_pretoken_work_free(tempo_pretoken_work *w);
/* Cut *t into w->now, none of which is empty; *t may be written anew, spare is another text's room.  `first`:
 * it is where the whole text begins.  TEMPO_E_LIMIT with an offset where a pattern needs too much work.  */
tempo_status tempo_pretoken_split(const tempo_pretoken *p, tempo_pretoken_work *w, tempo_passage *t,
                                  tempo_passage *spare, bool first, tempo_err *err) TEMPO_MUST_CHECK;

#endif
