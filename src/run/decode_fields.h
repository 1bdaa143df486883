/* decode_fields.h - the options of decoding as a table (decode_options.inc), and the values that are more than a number. */
#ifndef TEMPO_RUN_DECODE_FIELDS_H
#define TEMPO_RUN_DECODE_FIELDS_H
#include "tempo.h"

typedef enum tempo_field_kind {
    TEMPO_FIELD_FLAG,   /* bool */
    TEMPO_FIELD_SIZE,   /* size_t from low to high */
    TEMPO_FIELD_REAL,   /* finite double from low (excluded) to high */
    TEMPO_FIELD_CHOICE, /* an enum, stored as int: the place in choices */
    TEMPO_FIELD_CUSTOM, /* visible-layers, positions */
} tempo_field_kind;

typedef struct tempo_decode_field {
    const char *name; /* as on the command line, without -- */
    tempo_field_kind kind;
    size_t offset;       /* in tempo_decode_options */
    const char *choices; /* "a|b|c" */
    double low, high;
    const char *fallback, *help;
} tempo_decode_field;

extern const tempo_decode_field tempo_decode_fields[];
extern const size_t tempo_decode_field_count;
/* The field of that name; the name must be one of the table's. */
const tempo_decode_field *tempo_decode_field_find(const char *name);

/* The place of value[n] in "a|b|c", or -1. */
int tempo_choice_find(const char *choices, const char *value, size_t n);
/* The i-th of "a|b|c"; *n characters, not NUL-terminated. */
const char *tempo_choice_at(const char *choices, int i, size_t *n);

/* "A-B" with A <= B: the layers where the mode holds.  false: it is not that, and o is as it was. */
bool tempo_decode_parse_layers(const char *text, tempo_decode_options *o);
/* "shared", "unique", or "offset:D" with a finite D.  false: it is not that, and o is as it was. */
bool tempo_decode_parse_positions(const char *text, tempo_decode_options *o);

#endif
