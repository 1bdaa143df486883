/* summary.c - the summary of a step's attention as every answer has it. */
#include "server/api/inside.h"
#include "io/json_file.h"

static json_t *by_layer(const float *values, uint32_t n_layers, uint32_t n_heads)
{
    json_t *layers = json_array();

    for (uint32_t l = 0; l < n_layers; l++) {
        json_t *heads = json_array();
        for (uint32_t h = 0; h < n_heads; h++)
            json_array_append_new(heads, tempo_json_number((double)values[(size_t)l * n_heads + h]));
        json_array_append_new(layers, heads);
    }
    return layers;
}

static json_t *keys_of(const tempo_attention_summary *s, size_t row)
{
    json_t *keys = json_array();

    for (size_t k = row * s->n_keys; k < (row + 1) * s->n_keys; k++)
        json_array_append_new(keys, json_pack("{s:I, s:o}", "slot", (json_int_t)s->key_slots[k], "weight",
                                              tempo_json_number((double)s->key_weights[k])));
    return keys;
}

json_t *tempo_api_attention_json(const tempo_attention_summary *s, const char *arm, size_t step)
{
    json_t *queries = json_array(), *rows = json_array(), *o;

    for (size_t i = 0; i < s->n_rows; i++) {
        json_array_append_new(queries, json_integer((json_int_t)s->query_slots[i]));
        json_array_append_new(
            rows, json_pack("{s:I, s:o}", "slot", (json_int_t)s->query_slots[i], "keys", keys_of(s, i)));
    }
    o = json_pack("{s:s, s:I, s:o, s:I, s:o, s:o, s:o, s:o}", "arm", arm, "step", (json_int_t)step,
                  "query_slots", queries, "slots", (json_int_t)s->n_slots, "sibling_mass",
                  by_layer(s->sibling_mass, s->n_layers, s->n_heads), "entropy",
                  by_layer(s->entropy, s->n_layers, s->n_heads), "sink",
                  by_layer(s->sink, s->n_layers, s->n_heads), "rows", rows);
    if (o != NULL && s->closing)
        json_object_set_new(o, "closing", json_true());
    return o;
}
