/* watch.c - the attention of one lane's rows while a pass runs: recorded whole, or summed up layer by
 * layer, so that a summary needs the memory of one layer only.  Everything is allocated before the pass.  */
#include <stdlib.h>
#include <string.h>

#include "server/worker/parts.h"

static size_t layer_floats(const tempo_recorded_step *s)
{
    return s->n_heads * s->n_rows * s->n_slots; /* fits: the engine holds one layer's rows too */
}

static size_t n_maps(const tempo_recorded_step *s)
{
    return (size_t)s->n_layers * s->n_heads;
}

void tempo_watch_clear(tempo_watch *w)
{
    if (w->block == NULL)
        free(w->data);
    tempo_record_block_free(w->block);
    free(w->query_slots);
    free(w->sets);
    free(w->means);
    free(w->maps);
    *w = (tempo_watch){0};
}

static bool fill_shape(tempo_watch *w, const tempo_job *j, size_t arm)
{
    const tempo_model_info *info = tempo_model_get_info(tempo_engine_model(j->w->engine));
    const tempo_job_arm_state *a = &j->arms[arm];
    const size_t n_rows = tempo_run_pending(j->run, arm);

    w->query_slots = malloc(n_rows * sizeof(*w->query_slots));
    w->sets = malloc(a->n_slots * sizeof(*w->sets));
    if (w->query_slots == NULL || w->sets == NULL)
        return false;
    for (size_t i = 0; i < n_rows; i++)
        w->query_slots[i] = (int64_t)(a->n_slots - n_rows + i);
    for (size_t i = 0; i < a->n_slots; i++)
        w->sets[i] = a->slots[i].set;
    w->shape = (tempo_recorded_step){.step = tempo_run_steps(j->run, arm),
                                     .n_rows = n_rows,
                                     .n_slots = a->n_slots,
                                     .n_layers = info->n_layers,
                                     .n_heads = info->n_heads,
                                     .query_slots = w->query_slots,
                                     .sets = w->sets};
    return true;
}

tempo_status tempo_watch_begin(tempo_job *j, size_t arm)
{
    tempo_watch *w = &j->arms[arm].watch;
    tempo_status st = TEMPO_E_LIMIT;

    tempo_watch_clear(w); /* a pass that was stopped is begun again */
    if (j->recording == NULL && !j->o.want_attention)
        return TEMPO_OK;
    if (!fill_shape(w, j, arm))
        goto no_memory;
    if (j->recording != NULL &&
        (st = tempo_record_block_create(&w->block, j->recording, &w->shape, &w->data)) == TEMPO_E_NOMEM)
        goto no_memory;
    w->summary = j->o.want_attention;
    if (!w->summary)
        return TEMPO_OK;
    if (w->block == NULL)
        w->data = malloc(layer_floats(&w->shape) * sizeof(*w->data));
    w->means = calloc(w->shape.n_rows * w->shape.n_slots, sizeof(*w->means));
    w->maps = malloc(3 * n_maps(&w->shape) * sizeof(*w->maps));
    if (w->data != NULL && w->means != NULL && w->maps != NULL)
        return TEMPO_OK;
no_memory:
    tempo_watch_clear(w);
    return TEMPO_E_NOMEM;
}

/* ---- views ------------------------------------------------------------------------- */

static float *layer_data(const tempo_watch *w, uint32_t layer)
{
    return w->data + (w->block != NULL ? layer * layer_floats(&w->shape) : 0);
}

static void sum_up_layer(tempo_watch *w, uint32_t layer)
{
    const size_t n = n_maps(&w->shape), each = w->shape.n_rows * w->shape.n_slots;
    tempo_recorded_step s = w->shape;
    float *maps = w->maps + (size_t)layer * s.n_heads;

    s.n_layers = 1;
    s.data = layer_data(w, layer);
    tempo_attention_summarise(&s, 0, maps, maps + n, maps + 2 * n, NULL, NULL);
    for (size_t h = 0; h < s.n_heads; h++)
        for (size_t i = 0; i < each; i++)
            w->means[i] += (double)s.data[h * each + i];
}

void tempo_watch_view(tempo_watch *w, size_t row, const tempo_tap_view *view)
{
    const tempo_recorded_step *s = &w->shape;

    if (w->data == NULL)
        return;
    for (size_t h = 0; h < s->n_heads; h++)
        memcpy(layer_data(w, view->layer) + (h * s->n_rows + row) * s->n_slots,
               view->values + h * view->dims[1], s->n_slots * sizeof(float));
    if (w->summary && row + 1 == s->n_rows)
        sum_up_layer(w, view->layer);
}

/* ---- afterwards -------------------------------------------------------------------- */

/* The keys of each row by the mean over layers and heads, in the order of tempo_attention_summarise. */
static void best_keys(const tempo_watch *w, float *means, const tempo_event_room *room,
                      const tempo_event_arrays *a)
{
    const size_t each = w->shape.n_rows * w->shape.n_slots;
    tempo_recorded_step s = w->shape;
    float rest[3];

    for (size_t i = 0; i < each; i++)
        means[i] = (float)(w->means[i] / (double)n_maps(&w->shape));
    s.n_layers = s.n_heads = 1;
    s.data = means;
    tempo_attention_summarise(&s, room->keys, &rest[0], &rest[1], &rest[2], a->key_slots, a->key_weights);
}

static tempo_event_box *make_summary(const tempo_watch *w, size_t top_keys)
{
    const tempo_recorded_step *s = &w->shape;
    const tempo_event_room room = {
        .maps = n_maps(s), .rows = s->n_rows, .keys = top_keys < s->n_slots ? top_keys : s->n_slots};
    float *means = malloc(s->n_rows * s->n_slots * sizeof(*means));
    tempo_event_arrays a;
    tempo_event_box *b = means == NULL ? NULL : tempo_event_make(TEMPO_EVENT_ATTENTION, &room, &a);

    if (b != NULL) {
        memcpy(a.query_slots, w->query_slots, s->n_rows * sizeof(*a.query_slots));
        memcpy(a.sibling_mass, w->maps, room.maps * sizeof(float));
        memcpy(a.entropy, w->maps + room.maps, room.maps * sizeof(float));
        memcpy(a.sink, w->maps + 2 * room.maps, room.maps * sizeof(float));
        best_keys(w, means, &room, &a);
        b->event.attention.n_slots = s->n_slots;
        b->event.attention.n_layers = s->n_layers;
        b->event.attention.n_heads = s->n_heads;
    }
    free(means);
    return b;
}

tempo_status tempo_watch_end(tempo_job *j, size_t arm, bool closing, tempo_event_box **out)
{
    tempo_watch *w = &j->arms[arm].watch;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (w->summary) {
        if ((*out = make_summary(w, j->o.top_keys)) == NULL) {
            st = TEMPO_E_NOMEM;
        } else {
            (*out)->event.arm = arm;
            (*out)->event.step = w->shape.step;
            (*out)->event.attention.closing = closing;
        }
    }
    if (st == TEMPO_OK && w->block != NULL) {
        if ((st = tempo_recording_add(j->recording, arm, w->block)) == TEMPO_OK) {
            w->data = NULL;
            w->block = NULL;
        }
    }
    if (st != TEMPO_OK) {
        tempo_event_free(*out != NULL ? &(*out)->event : NULL);
        *out = NULL;
    }
    tempo_watch_clear(w);
    return st;
}
