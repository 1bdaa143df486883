/* arena.h - one block, carved once, freed once. */
#ifndef TEMPO_BASE_ARENA_H
#define TEMPO_BASE_ARENA_H
#include <stdbool.h>
#include <stddef.h>

/* An arena with base == NULL only measures: allocations return NULL and `used` grows.  Running
 * the same layout function twice (measure, then carve) makes it impossible for the size
 * computation and the pointers to disagree.  */
typedef struct tempo_arena {
    unsigned char *base;
    size_t used, cap;
    bool failed; /* size overflow, or carve pass past cap */
} tempo_arena;

/* Reserve n elements of `elem` bytes at 64-byte alignment, not zeroed.  Returns NULL when
 * measuring or failed; check a->failed once at the end.  */
void *tempo_arena_alloc(tempo_arena *a, size_t n, size_t elem);

#endif
