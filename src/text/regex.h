/* regex.h - the regular expressions of pre-tokenizers and normalizers.
 *
 * Oniguruma's syntax and meaning, since tokenizer files are written for it: alternation takes the first
 * alternative that matches, repetition is greedy, lazy or possessive; classes with ranges, negation, nesting
 * and &&; \p{...}, \w, \s, \d, \h and POSIX brackets over Unicode of one version, TEMPO_UNICODE_CLASSES,
 * whatever the system has; lookahead, lookbehind of fixed length, atomic groups; (?i), (?m), (?x); anchors.
 * Groups do not capture, and back references, calls, conditions, absent groups, text segments and \K are
 * refused by name.  Case-insensitive matching folds single characters.
 *
 * Matching backtracks, but remembers where it has failed once a text needs much work, so that its time is
 * bounded by the text's length times the pattern's.  */
#ifndef TEMPO_TEXT_REGEX_H
#define TEMPO_TEXT_REGEX_H
#include "base/status.h"

typedef struct tempo_regex tempo_regex;

typedef struct tempo_span {
    size_t begin, end;
} tempo_span;

enum { TEMPO_REGEX_MAX_PATTERN = 64 * 1024, TEMPO_REGEX_MAX_SLOTS = 16 };

/* What a pattern is. */
typedef enum tempo_regex_kind {
    TEMPO_REGEX,
    TEMPO_REGEX_LITERAL,     /* a plain text */
    TEMPO_REGEX_NUMERIC,     /* one numeric character; the pattern is left out */
    TEMPO_REGEX_PUNCTUATION, /* one character of punctuation or ASCII's symbols */
} tempo_regex_kind;

/* TEMPO_E_FORMAT with the place in the pattern, TEMPO_E_UNSUPPORTED naming a construct, TEMPO_E_LIMIT for a
 * pattern that is too long, nested too deep or becomes too large.  The pattern is valid UTF-8.  */
tempo_status tempo_regex_compile(tempo_regex **out, const char *pattern, size_t n, tempo_regex_kind kind,
                                 tempo_err *err) TEMPO_MUST_CHECK;
void tempo_regex_free(tempo_regex *r);

/* Scratch of one thread; { 0 } to begin with. */
typedef struct tempo_regex_work {
    struct tempo_frame *frames;
    size_t n_frames, cap;
    uint64_t *failed; /* bits: choice i of the pattern failed at byte b */
    size_t failed_cap;
    bool remember;
    uint64_t seen, steps, soft, hard; /* bytes begun; steps done, to remember failures from, not to exceed */
    const char *text;
    size_t n;
    size_t slots[TEMPO_REGEX_MAX_SLOTS];
} tempo_regex_work;

/* A text[n] (valid UTF-8) to search from front to back.  The work that all texts of one scratch may need
 * together is bounded by their length.  */
void tempo_regex_begin(tempo_regex_work *w, const char *text, size_t n);
/* The first match at or after `from`, a character's beginning or n.  TEMPO_E_LIMIT when the text needs too
 * much work. */
tempo_status tempo_regex_find(const tempo_regex *r, tempo_regex_work *w, size_t from, bool *found,
                              tempo_span *match, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_regex_work_free(tempo_regex_work *w);

#endif
