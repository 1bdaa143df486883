#include "support/nomem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Threads of the pool allocate too. */
static atomic_size_t countdown = SIZE_MAX;
static atomic_bool happened;

void test_fail_allocation(size_t k)
{
    happened = false;
    countdown = k + 1;
}

bool test_allocation_failed(void)
{
    countdown = SIZE_MAX;
    return happened;
}

/* Is this the call that shall fail? */
static bool out(void)
{
    size_t left = countdown;

    while (left != SIZE_MAX && left > 0)
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
            if (left == 1)
                happened = true;
            return left == 1;
        }
    return false;
}

#define WRAP(name, params, args)                                                                             \
    void *__real_##name params;                                                                              \
    void *__wrap_##name params;                                                                              \
    void *__wrap_##name params                                                                               \
    {                                                                                                        \
        if (out()) {                                                                                         \
            errno = ENOMEM;                                                                                  \
            return NULL;                                                                                     \
        }                                                                                                    \
        return __real_##name args;                                                                           \
    }

WRAP(malloc, (size_t n), (n))
WRAP(calloc, (size_t n, size_t size), (n, size))
WRAP(realloc, (void *p, size_t n), (p, n))
WRAP(aligned_alloc, (size_t align, size_t n), (align, n))
WRAP(strdup, (const char *s), (s))
WRAP(strndup, (const char *s, size_t n), (s, n))
