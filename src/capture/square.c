/* square.c - the attention of all slots so far on all slots so far, step by step: what readers want that look
 * at a text as a whole.
 *
 * A row does not change once it was read: the matrix of a step is that of the step before, wider by the new
 * slots, which its rows do not see, and the rows of the new set below it.  */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "capture/capture.h"

/* The matrix of one head: `old` rows and slots of from, then `rows` new ones, [rows, slots]. */
static void put_head(float *to, const float *from, size_t old, const float *fresh, size_t rows, size_t slots)
{
    memset(to, 0, (slots - rows) * slots * sizeof(*to));
    for (size_t i = 0; i < old; i++)
        memcpy(to + i * slots, from + i * old, old * sizeof(*to));
    memcpy(to + (slots - rows) * slots, fresh, rows * slots * sizeof(*to));
}

tempo_status tempo_square_grow(tempo_capture *c, size_t rows, size_t slots, tempo_err *err)
{
    const tempo_gathered shape = tempo_gathered_shape(c->model, &c->taps[0]);
    const tempo_gather *g = c->steps == 0 ? &c->prompt : &c->pass; /* of the prompt all rows were gathered */
    const size_t heads = shape.layers * shape.heads, floats = heads * slots * slots;
    const size_t fresh = c->steps == 0 ? slots : rows, old = c->steps == 0 ? 0 : c->slots;
    const float *from = g->buffer + g->at[TEMPO_TAP_PATTERN];
    tempo_status st;

    if (old + fresh != slots || g->rows != fresh || g->slots != slots)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "step %zu: %zu rows on %zu slots after %zu: was a step left out?", c->steps, fresh,
                          slots, old);
    if ((st = tempo_memory_check_floats(floats, "the attention of all slots", err)) != TEMPO_OK)
        return st;
    float *to = malloc(floats * sizeof(*to));
    if (to == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the attention of %zu slots",
                          slots);
    for (size_t h = 0; h < heads; h++)
        put_head(to + h * slots * slots, c->square != NULL ? c->square + h * old * old : NULL, old,
                 from + h * fresh * slots, fresh, slots);
    free(c->square);
    c->square = to;
    return TEMPO_OK;
}

int64_t *tempo_square_slots(size_t slots, tempo_err *err)
{
    int64_t *all = malloc(slots * sizeof(*all));

    if (all == NULL) {
        (void)tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the numbers of %zu slots",
                         slots);
        return NULL;
    }
    for (size_t i = 0; i < slots; i++)
        all[i] = (int64_t)i;
    return all;
}
