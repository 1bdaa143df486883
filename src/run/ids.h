/* ids.h - a growing list of token ids; a token by its text. */
#ifndef TEMPO_RUN_IDS_H
#define TEMPO_RUN_IDS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Begins as zeros; p is freed with free. */
typedef struct tempo_ids {
    int32_t *p; /* [n] */
    size_t n, cap;
} tempo_ids;

/* false: no memory, and the list is as it was. */
bool tempo_ids_push(tempo_ids *ids, int32_t id);

/* *id = the token that text[n] becomes, where it is one, else the first that stands for these bytes.  TEMPO_E_NOTFOUND: there is none,
 * and how many tokens the text is.  */
tempo_status tempo_token_named(int32_t *id, const tempo_model *m, const char *text, size_t n, tempo_err *err) TEMPO_MUST_CHECK;

#endif
