/* csv.h - records of a table as text (RFC 4180): commas, CRLF, quotation marks around what needs them.
 *
 * A number that is not there (NaN) is an empty field; reals have the fewest digits that read back as they were.  Text is UTF-8 for every
 * reader: what is none, and NUL, becomes U+FFFD.  */
#ifndef TEMPO_TABLE_CSV_H
#define TEMPO_TABLE_CSV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole records, and a begun one.  Begins as zeros; p is freed with free. */
typedef struct tempo_csv {
    char *p; /* [n] */
    size_t n, cap;
    bool begun;  /* the record has a field */
    bool failed; /* no memory: look once, at the end */
} tempo_csv;

void tempo_csv_text(tempo_csv *c, const char *s, size_t n);
void tempo_csv_word(tempo_csv *c, const char *s); /* NUL-terminated */
void tempo_csv_real(tempo_csv *c, double x);
void tempo_csv_int(tempo_csv *c, int64_t x);
void tempo_csv_none(tempo_csv *c); /* an empty field */
void tempo_csv_end(tempo_csv *c);  /* of the record */
void tempo_csv_append(tempo_csv *c, const tempo_csv *records); /* whole ones */

#endif
