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

/* The worst of a[0 .. n), which is a heap with the worst in front, sinks to its place. */
static void sink(tempo_choice *a, size_t n)
{
    const tempo_choice x = a[0];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && by_probability(&a[child + 1], &a[child]) > 0)
            child++;
        if (by_probability(&x, &a[child]) >= 0)
            break;
        a[at] = a[child];
    }
    a[at] = x;
}

/* Sorted in descending order of badness: a heap with the worst in front. */
static int by_badness(const void *a, const void *b)
{
    return by_probability(b, a);
}

size_t tempo_select(const double *q, size_t n_vocab, double tau, size_t max_set, tempo_choice **choices,
                    size_t *cap, size_t *n_reached)
{
    const size_t most = max_set != 0 ? max_set : n_vocab;
    size_t n = 0, best = 0;

    *n_reached = 0;
    for (size_t v = 0; v < n_vocab; v++) {
        best = q[v] > q[best] ? v : best;
        if (!(q[v] >= tau))
            continue;
        ++*n_reached;
        if (n < most) {
            if (!push(choices, cap, n++, (int32_t)v, q[v]))
                return 0;
            if (n == max_set)
                qsort(*choices, n, sizeof(**choices), by_badness);
        } else if (q[v] > (*choices)[0].probability) { /* of equals the lower id stays */
            (*choices)[0] = (tempo_choice){(int32_t)v, q[v]};
            sink(*choices, n);
        }
    }
    if (n == 0)
        return push(choices, cap, 0, (int32_t)best, q[best]) ? 1 : 0;
    qsort(*choices, n, sizeof(**choices), by_probability);
    return n;
}
