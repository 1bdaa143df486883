/* decode_json.c - sets, members and options of decoding as JSON. */
#include "run/decode_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/decode_fields.h"
#include "edit/edits_told.h"

void tempo_json_add_text(json_t *object, const char *key, const char *key_bytes, const char *s, size_t n)
{
    json_object_set_new(object, key, tempo_json_bytes(s, n));
    if (tempo_utf8_valid(s, n) == n)
        return;
    json_t *bytes = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)s[i]));
    json_object_set_new(object, key_bytes, bytes);
}

void tempo_json_add_token(json_t *object, const tempo_tokenizer *t, int32_t id)
{
    size_t n = 0;
    const char *s = t != NULL ? tempo_token_bytes(t, id, &n) : "";

    tempo_json_add_text(object, "text", "bytes", s, n);
}

void tempo_json_add_continuation(json_t *object, const char *key, const char *key_bytes,
                                 const tempo_tokenizer *t, const int32_t *prompt, size_t n_prompt,
                                 const int32_t *ids, size_t n)
{
    int32_t *all = t != NULL ? malloc((n_prompt + n) * sizeof(*all)) : NULL;
    char *before = NULL, *text = NULL;
    size_t skip = 0, n_text = 0;

    if (all == NULL) {
        json_object_set_new(object, key, json_string(""));
        return;
    }
    memcpy(all, prompt, n_prompt * sizeof(*all));
    if (n > 0)
        memcpy(all + n_prompt, ids, n * sizeof(*all));
    if (tempo_detokenize(t, all, n_prompt, false, &before, &skip, NULL) == TEMPO_OK &&
        tempo_detokenize(t, all, n_prompt + n, false, &text, &n_text, NULL) == TEMPO_OK)
        tempo_json_add_text(object, key, key_bytes, text + skip, n_text - skip);
    tempo_free(before);
    tempo_free(text);
    free(all);
}

void tempo_json_add_texts(json_t *object, const tempo_tokenizer *t, const int32_t *prompt, size_t n_prompt,
                          const tempo_ids *all, const tempo_ids *top)
{
    tempo_json_add_continuation(object, "text", "text_bytes", t, prompt, n_prompt, all->p, all->n);
    tempo_json_add_continuation(object, "top_text", "top_text_bytes", t, prompt, n_prompt, top->p, top->n);
}

static json_t *make_member(const tempo_tokenizer *t, const tempo_member *m)
{
    json_t *o = json_object();
    const bool placed = m->slot >= 0 && isfinite(m->position);

    json_object_set_new(o, "id", json_integer(m->id));
    tempo_json_add_token(o, t, m->id);
    json_object_set_new(o, "probability", tempo_json_number(m->probability));
    json_object_set_new(o, "slot", m->slot >= 0 ? json_integer(m->slot) : json_null());
    json_object_set_new(o, "position", placed ? tempo_json_number(m->position) : json_null());
    return o;
}

json_t *tempo_json_members(const tempo_tokenizer *t, const tempo_set *set)
{
    json_t *members = json_array();

    for (size_t i = 0; i < set->n_members; i++)
        json_array_append_new(members, make_member(t, &set->members[i]));
    return members;
}

json_t *tempo_json_set(const tempo_tokenizer *t, const tempo_set *set)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:I, s:b, s:b, s:o}", "step", (json_int_t)set->step, "position",
                     tempo_json_number(set->position), "threshold", tempo_json_number(set->threshold),
                     "entropy", tempo_json_number(set->entropy), "reached", (json_int_t)set->n_reached,
                     "capped", set->capped, "eos", set->eos, "members", tempo_json_members(t, set));
}

const char *tempo_shortest(double x, char out[32])
{
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, 32, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            break;
    }
    return out;
}

void tempo_json_add_decoding(json_t *c, const tempo_decode_options *d, uint32_t n_layers)
{
    const bool replay = d->replay != TEMPO_REPLAY_NONE;
    const uint32_t last = d->last_visible_layer == TEMPO_ALL_LAYERS ? n_layers - 1 : d->last_visible_layer;
    const bool offset = d->positions == TEMPO_POSITIONS_OFFSET;
    char positions[64], layers[32], number[32];

    (void)snprintf(positions, sizeof(positions), "%s%s%s", tempo_positions_name(d->positions),
                   offset ? ":" : "", offset ? tempo_shortest(d->position_offset, number) : "");
    (void)snprintf(layers, sizeof(layers), "%u-%u", d->first_visible_layer, last);
    json_object_set_new(c, "mode", json_string(tempo_mode_name(d->mode)));
    json_object_set_new(c, "steps", json_integer((json_int_t)d->steps));
    json_object_set_new(c, "min_steps", json_integer((json_int_t)d->min_steps));
    json_object_set_new(c, "threshold", tempo_json_number(d->threshold));
    json_object_set_new(c, "temperature", tempo_json_number(d->temperature));
    json_object_set_new(c, "max_set", json_integer((json_int_t)d->max_set));
    json_object_set_new(c, "context",
                        json_string(tempo_context_name(replay ? TEMPO_CONTEXT_LAST : d->context)));
    json_object_set_new(c, "readout",
                        json_string(tempo_readout_name(replay ? TEMPO_READOUT_LAST : d->readout)));
    json_object_set_new(c, "positions", json_string(positions));
    json_object_set_new(c, "visible_layers", json_string(layers));
    json_object_set_new(c, "stop", json_string(tempo_stop_name(d->stop)));
    json_object_set_new(c, "replay", json_string(tempo_replay_name(d->replay)));
    json_object_set_new(c, "kv", json_string(tempo_kv_type_name(d->kv)));
    if (tempo_edits_count(d->edits) > 0)
        json_object_set_new(c, "edits", tempo_json_edit_texts(d->edits));
}
