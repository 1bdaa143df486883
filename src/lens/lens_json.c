/* lens_json.c - see lens_json.h. */
#include "lens/lens_json.h"

#include "io/json_file.h"
#include "run/decode_json.h"

json_t *tempo_lens_json_point(uint32_t layer)
{
    return layer == TEMPO_LENS_INPUT ? json_string("blocks.0.hook_resid_pre")
                                     : json_sprintf("blocks.%u.hook_resid_post", layer);
}

json_t *tempo_lens_json_token(const tempo_tokenizer *t, int32_t id)
{
    json_t *one = json_pack("{s:o}", "id", id >= 0 ? json_integer(id) : json_null());

    tempo_json_add_token(one, id >= 0 ? t : NULL, id);
    return one;
}

static json_t *numbers(const double *x, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, tempo_json_number(x[i]));
    return a;
}

static json_t *distribution(const tempo_tokenizer *t, const tempo_lens *l, size_t at)
{
    json_t *top = json_array(), *tokens = json_array();

    for (size_t i = at * l->n_top; i < (at + 1) * l->n_top; i++) {
        json_t *one = tempo_lens_json_token(t, l->top_ids[i]);
        json_object_set_new(one, "probability", tempo_json_number(l->top_q[i]));
        json_array_append_new(top, one);
    }
    for (size_t i = at * l->n_tokens; i < (at + 1) * l->n_tokens; i++)
        json_array_append_new(tokens,
                              json_pack("{s:o, s:I, s:o}", "probability", tempo_json_number(l->token_q[i]),
                                        "rank", (json_int_t)l->token_ranks[i], "logit",
                                        tempo_json_number((double)l->token_logits[i])));
    return json_pack("{s:o, s:o, s:o, s:o}", "entropy", tempo_json_number(l->entropy[at]), "kl",
                     tempo_json_number(l->kl[at]), "top", top, "tokens", tokens);
}

static json_t *attribution(const tempo_attribution *a, size_t row)
{
    const size_t n = a->n_layers;
    json_t *one =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "logit", tempo_json_number(a->logit[row]),
                  "scale", tempo_json_number(a->scale[row]), "embed", tempo_json_number(a->embed[row]),
                  "attn_out", numbers(a->attn + row * n, n), "mlp_out", numbers(a->mlp + row * n, n),
                  "constant", tempo_json_number(a->constant), "rest", tempo_json_number(a->rest[row]),
                  "bound", tempo_json_number(a->bound[row]));

    if (a->n_heads == 0)
        return one;
    json_t *heads = json_array();
    for (size_t l = 0; l < n; l++)
        json_array_append_new(heads, numbers(a->heads + (row * n + l) * a->n_heads, a->n_heads));
    json_object_set_new(one, "heads", heads);
    json_object_set_new(one, "attn_bias", numbers(a->bias + row * n, n));
    json_object_set_new(one, "heads_rest", tempo_json_number(a->heads_rest[row]));
    json_object_set_new(one, "heads_bound", tempo_json_number(a->heads_bound[row]));
    return one;
}

void tempo_lens_json_row(json_t *object, const tempo_tokenizer *t, const tempo_lens *l,
                         const tempo_attribution *a, size_t row)
{
    json_t *points = json_array();

    for (size_t p = 0; p < l->n_points; p++)
        json_array_append_new(points, distribution(t, l, row * l->n_points + p));
    json_object_set_new(object, "points", points);
    if (a != NULL)
        json_object_set_new(object, "attribution", attribution(a, row));
}
