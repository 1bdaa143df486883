#include "base/arena.h"

#include <stdint.h>

enum { ALIGN = 64 };

void *tempo_arena_alloc(tempo_arena *a, size_t n, size_t elem)
{
    size_t bytes, end;

    if (a->failed || __builtin_mul_overflow(n, elem, &bytes) || bytes > SIZE_MAX - (ALIGN - 1) ||
        __builtin_add_overflow(a->used, (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1), &end) ||
        (a->base != NULL && end > a->cap)) {
        a->failed = true;
        return NULL;
    }
    void *p = a->base != NULL ? a->base + a->used : NULL;
    a->used = end;
    return p;
}
