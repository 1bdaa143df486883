/* unicode.h - what tokenizing knows of Unicode: categories, scripts, case, combining classes, decompositions.
 *
 * All of it is in tables of our own (unicode_tables.inc, written by tools/unicode-tables.py), so that ids are
 * the same whatever libraries a system has.  Versions: TEMPO_UNICODE_CLASSES for categories, scripts and case
 * folding, which are those of the regular expressions that tokenizer files were made with;
 * TEMPO_UNICODE_FORMS for normalisation forms; the other functions name theirs.  Code points above U+10FFFF
 * have no category, no case and no decomposition.  */
#ifndef TEMPO_TEXT_UNICODE_H
#define TEMPO_TEXT_UNICODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEMPO_UNICODE_CLASSES "16.0.0"
#define TEMPO_UNICODE_FORMS "9.0.0"
#define TEMPO_UNICODE_LAST 0x10ffffu

/* In the order of the tables; a set of them is a mask of bits. */
typedef enum tempo_category {
    TEMPO_CN,
    TEMPO_LU,
    TEMPO_LL,
    TEMPO_LT,
    TEMPO_LM,
    TEMPO_LO,
    TEMPO_MN,
    TEMPO_MC,
    TEMPO_ME,
    TEMPO_ND,
    TEMPO_NL,
    TEMPO_NO,
    TEMPO_PC,
    TEMPO_PD,
    TEMPO_PS,
    TEMPO_PE,
    TEMPO_PI,
    TEMPO_PF,
    TEMPO_PO,
    TEMPO_SM,
    TEMPO_SC,
    TEMPO_SK,
    TEMPO_SO,
    TEMPO_ZS,
    TEMPO_ZL,
    TEMPO_ZP,
    TEMPO_CC,
    TEMPO_CF,
    TEMPO_CS,
    TEMPO_CO,
    TEMPO_CATEGORIES
} tempo_category;

/* Both ends belong to it. */
typedef struct tempo_range {
    uint32_t first, last;
} tempo_range;

tempo_category tempo_unicode_category(uint32_t c);
/* White_Space: the same in all versions since 6.3. */
bool tempo_unicode_is_space(uint32_t c);
/* Alphabetic, marks, decimal digits, connecting punctuation, joiners: what "single_word" of added tokens
 * looks at. */
bool tempo_unicode_is_word(uint32_t c);
/* Category M of Unicode 9.0.0, which stripping accents removes. */
bool tempo_unicode_is_mark(uint32_t c);

/* Lower case without context, Unicode 17.0.0; out[3], returns how many. */
size_t tempo_unicode_lower(uint32_t c, uint32_t *out);

/* ---- sets, for regular expressions ---- */

/* Call f for each range of what has a category of the mask (bits 1 << tempo_category), in rising order; false
 * as soon as f does not want more.  */
typedef bool (*tempo_range_fn)(void *with, uint32_t first, uint32_t last);
bool tempo_unicode_each_category(uint32_t mask, tempo_range_fn f, void *with);
/* The same for a script or property by its name, in any case and without spaces, '-' and '_' ("han",
 * "alphabetic"); *known is false when there is none of that name.  */
bool tempo_unicode_each_named(const char *name, size_t n, bool *known, tempo_range_fn f, void *with);
/* The mask of a category by its short or long name, spelled likewise ("l", "letter"); 0 when there is none.
 */
uint32_t tempo_unicode_category_mask(const char *name, size_t n);
/* What the pre-tokenizers "Punctuation" (P of Unicode 8.0.0, without ASCII's symbols) and "Digits" (N
 * of 17.0.0) mean. */
bool tempo_unicode_each_punctuation(tempo_range_fn f, void *with);
bool tempo_unicode_each_numeric(tempo_range_fn f, void *with);

/* Call f for each mapping of case folding: c becomes to[n], n is 1 for simple folding, 2 or 3 for what full
 * folding adds. */
typedef bool (*tempo_fold_fn)(void *with, uint32_t c, const uint32_t *to, size_t n);
bool tempo_unicode_each_fold(tempo_fold_fn f, void *with);

/* ---- normalisation ---- */

uint8_t tempo_unicode_combining(uint32_t c);
/* The full decomposition of c: NULL when it is c itself, else *n points, which for Hangul are written to
 * hangul[3]. */
const uint32_t *tempo_unicode_decompose(uint32_t c, bool compatible, size_t *n, uint32_t *hangul);
/* What a and b compose to, or 0. */
uint32_t tempo_unicode_compose(uint32_t a, uint32_t b);

#endif
