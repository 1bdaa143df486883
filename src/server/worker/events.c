/* events.c - building events: arrays behind the event, in one allocation. */
#include <stdlib.h>

#include "server/worker/parts.h"

/* Everything in the order of its alignment; with base = NULL it measures. */
static size_t layout(char *base, const tempo_event_room *r, tempo_event_arrays *a)
{
    size_t at = sizeof(tempo_event_box);

#define PLACE(field, n) (a->field = base == NULL ? NULL : (void *)(base + at), at += (n) * sizeof(*a->field))
    PLACE(members, r->members);
    PLACE(next, r->next);
    PLACE(scores, r->scores);
    PLACE(query_slots, r->rows);
    PLACE(key_slots, r->rows * r->keys);
    PLACE(sibling_mass, r->maps);
    PLACE(entropy, r->maps);
    PLACE(sink, r->maps);
    PLACE(key_weights, r->rows * r->keys);
#undef PLACE
    return at;
}

tempo_event_box *tempo_event_make(tempo_event_kind kind, const tempo_event_room *room, tempo_event_arrays *a)
{
    tempo_event_box *b = calloc(1, layout(NULL, room, a));

    if (b == NULL)
        return NULL;
    (void)layout((char *)b, room, a);
    b->event.kind = kind;
    b->event.set.members = a->members;
    b->event.set.n_members = room->members;
    b->event.scores = a->scores;
    b->event.n_scores = room->scores;
    b->event.next = a->next;
    b->event.n_next = room->next;
    b->event.attention = (tempo_attention_summary){.n_rows = room->rows,
                                                   .query_slots = a->query_slots,
                                                   .sibling_mass = a->sibling_mass,
                                                   .entropy = a->entropy,
                                                   .sink = a->sink,
                                                   .n_keys = room->keys,
                                                   .key_slots = a->key_slots,
                                                   .key_weights = a->key_weights};
    return b;
}

void tempo_event_free(tempo_event *e)
{
    if (e == NULL)
        return;
    json_decref(e->compare.only);
    json_decref(e->told);
    tempo_parting_free(&e->parting);
    for (size_t i = 0; i < TEMPO_JOB_MAX_ARMS; i++) {
        free(e->ends[i].all.p);
        free(e->ends[i].top.p);
        json_decref(e->ends[i].edits);
    }
    free(e); /* the first member of its box */
}
