/* select.c - which tokens of a distribution make the set. */
#include "decode/decode.h"

#include <stdlib.h>

static int by_probability(const void *a, const void *b)
{
    const tempo_choice *x = a, *y = b;

    if (x->probability != y->probability)
        return x->probability > y->probability ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool push(tempo_choice **choices, size_t *cap, size_t n, int32_t id, double q)
{
    if (n == *cap) {
        const size_t more = *cap != 0 ? *cap * 2 : 64;
        tempo_choice *p = realloc(*choices, more * sizeof(*p)); /* at most n_vocab < 2^31 of them */
        if (p == NULL)
            return false;
        *choices = p;
        *cap = more;
    }
    (*choices)[n] = (tempo_choice){id, q};
    return true;
}

size_t tempo_select(const double *q, size_t n_vocab, double tau, size_t max_set, tempo_choice **choices,
                    size_t *cap, size_t *n_reached)
{
    size_t n = 0, best = 0;

    *n_reached = 0;
    for (size_t v = 0; v < n_vocab; v++) {
        best = q[v] > q[best] ? v : best;
        if (q[v] >= tau && !push(choices, cap, n++, (int32_t)v, q[v]))
            return 0;
    }
    *n_reached = n;
    if (n == 0)
        return push(choices, cap, 0, (int32_t)best, q[best]) ? 1 : 0;
    qsort(*choices, n, sizeof(**choices), by_probability);
    return max_set != 0 && n > max_set ? max_set : n;
}
