/* json_at.h - what a document of ours says at a place, for those who make texts and tables of it: there is always an answer, and
 * none of it is an error. */
#ifndef TEMPO_IO_JSON_AT_H
#define TEMPO_IO_JSON_AT_H
#include <jansson.h>
#include <stdbool.h>

/* The number that v stands for: also of "NaN", "Infinity" and "-Infinity"; NaN for anything else, NULL included. */
double tempo_json_value(const json_t *v);

/* The member at key: NaN, 0 and "" where there is none of that kind. */
double tempo_number_at(const json_t *o, const char *key);
size_t tempo_size_at(const json_t *o, const char *key);
long long tempo_whole_at(const json_t *o, const char *key);
const char *tempo_text_at(const json_t *o, const char *key);
bool tempo_text_is(const json_t *o, const char *key, const char *value);

/* The element i, and the greatest of all; at least 0. */
double tempo_element(const json_t *a, size_t i);
double tempo_greatest(const json_t *a);
/* An array of arrays as [*rows, *columns] for free(); NULL when it is empty or without memory. */
double *tempo_matrix_of(const json_t *a, size_t *rows, size_t *columns);

#endif
