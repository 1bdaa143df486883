#include "run/ids.h"

#include <stdlib.h>

bool tempo_ids_push(tempo_ids *ids, int32_t id)
{
    if (ids->n == ids->cap) {
        const size_t cap = ids->cap == 0 ? 64 : 2 * ids->cap;
        int32_t *p = realloc(ids->p, cap * sizeof(*p));
        if (p == NULL)
            return false;
        ids->p = p;
        ids->cap = cap;
    }
    ids->p[ids->n++] = id;
    return true;
}
