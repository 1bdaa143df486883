/* deal.c - units to shards.  Source: Graham, Bounds on multiprocessing timing anomalies (1969): longest
 * processing time first. */
#include <stdlib.h>

#include "shard/shard.h"

typedef struct unit {
    uint64_t cost;
    size_t number;
} unit;

typedef struct load {
    uint64_t cost;
    uint32_t shard;
} load;

static int by_cost(const void *pa, const void *pb)
{
    const unit *a = pa, *b = pb;

    return a->cost != b->cost ? (a->cost < b->cost) - (a->cost > b->cost)
                              : (a->number > b->number) - (a->number < b->number);
}

static bool is_before(const load *a, const load *b)
{
    return a->cost != b->cost ? a->cost < b->cost : a->shard < b->shard;
}

/* heap[n] with the least in front, but for the one in front, which sinks. */
static void sink(load *heap, size_t n)
{
    const load x = heap[0];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && is_before(&heap[child + 1], &heap[child]);
        if (!is_before(&heap[child], &x))
            break;
        heap[at] = heap[child];
    }
    heap[at] = x;
}

tempo_status tempo_shard_deal(uint32_t *of, const uint64_t *cost, size_t n, uint32_t shards, tempo_err *err)
{
    unit *units = malloc((n + 1) * sizeof(*units));
    load *heap = malloc((size_t)shards * sizeof(*heap));
    tempo_status st = TEMPO_OK;

    if (units == NULL || heap == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to deal %zu units to %u shards", n,
                        (unsigned)shards);
    } else {
        for (size_t i = 0; i < n; i++)
            units[i] = (unit){cost[i], i};
        for (uint32_t i = 0; i < shards; i++)
            heap[i] = (load){0, i};
        qsort(units, n, sizeof(*units), by_cost);
        for (size_t i = 0; i < n; i++) {
            of[units[i].number] = heap[0].shard;
            heap[0].cost += units[i].cost;
            sink(heap, shards);
        }
    }
    free(units);
    free(heap);
    return st;
}
