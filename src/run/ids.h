/* ids.h - a growing list of token ids. */
#ifndef TEMPO_RUN_IDS_H
#define TEMPO_RUN_IDS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins as zeros; p is freed with free. */
typedef struct tempo_ids {
    int32_t *p; /* [n] */
    size_t n, cap;
} tempo_ids;

/* false: no memory, and the list is as it was. */
bool tempo_ids_push(tempo_ids *ids, int32_t id);

#endif
