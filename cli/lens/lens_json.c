/* lens_json.c - the lens as a document. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/lens/lens.h"
#include "cli/prompt/edits.h"
#include "io/json_file.h"

static json_t *token_json(const lens_view *v, int32_t id)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(v->s->model);
    size_t n = 0;
    const char *text = t != NULL && id >= 0 ? tempo_token_bytes(t, id, &n) : "";
    json_t *one = json_pack("{s:o}", "id", id >= 0 ? json_integer(id) : json_null());

    json_set_text(one, "text", "bytes", text, n);
    return one;
}

static json_t *numbers(const double *x, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, tempo_json_number(x[i]));
    return a;
}

static json_t *distribution(const lens_view *v, size_t at)
{
    const tempo_lens *l = v->lens;
    json_t *top = json_array(), *tokens = json_array();

    for (size_t i = at * l->n_top; i < (at + 1) * l->n_top; i++) {
        json_t *one = token_json(v, l->top_ids[i]);
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

static json_t *attribution(const lens_view *v, size_t row)
{
    const tempo_attribution *a = v->parts;
    const size_t n = a->n_layers;
    json_t *one =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "logit", tempo_json_number(a->logit[row]), "scale",
                  tempo_json_number(a->scale[row]), "embed", tempo_json_number(a->embed[row]), "attn_out",
                  numbers(a->attn + row * n, n), "mlp_out", numbers(a->mlp + row * n, n), "rest",
                  tempo_json_number(a->rest[row]), "bound", tempo_json_number(a->bound[row]));

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

static json_t *row_json(const lens_view *v, size_t row)
{
    const tempo_rows_row *r = &v->rows[row];
    json_t *one = token_json(v, r->token), *points = json_array();

    json_object_set_new(one, "slot", json_integer((json_int_t)r->slot));
    if (v->dir != NULL)
        json_object_set_new(one, "step", r->step >= 0 ? json_integer(r->step) : json_null());
    for (size_t p = 0; p < v->lens->n_points; p++)
        json_array_append_new(points, distribution(v, row * v->lens->n_points + p));
    json_object_set_new(one, "points", points);
    if (v->parts != NULL)
        json_object_set_new(one, "attribution", attribution(v, row));
    return one;
}

static void add_source(json_t *doc, const lens_view *v)
{
    const session *s = v->s;
    json_t *ids = json_array(), *edits;

    if (v->dir != NULL) {
        json_object_set_new(doc, "capture", json_text(v->dir, strlen(v->dir)));
        json_decref(ids);
        return;
    }
    for (size_t i = 0; i < s->n_ids; i++)
        json_array_append_new(ids, json_integer(s->ids[i]));
    json_set_text(doc, "prompt", "prompt_bytes", s->text != NULL ? s->text : "", s->n_text);
    json_object_set_new(doc, "prompt_ids", ids);
    json_object_set_new(doc, "warnings", json_warnings(s->warning));
    if (has_edits(v->o) && edits_load(&edits, v->o, NULL) == TEMPO_OK)
        json_object_set_new(doc, "edits", edits);
}

int lens_json(const lens_view *v)
{
    const tempo_model_info *info = tempo_model_get_info(v->s->model);
    json_t *points = json_array(), *tokens = json_array(), *rows = json_array();
    json_t *doc = json_pack("{s:s, s:o, s:s, s:s}", "version", tempo_version(), "model",
                            json_model(v->s, v->o), "cpu", info->kernels, "compute", info->compute);
    char name[64];

    add_source(doc, v);
    for (size_t p = 0; p < v->lens->n_points; p++) {
        const uint32_t layer = v->lens->layers[p];
        if (layer == TEMPO_LENS_INPUT)
            (void)snprintf(name, sizeof(name), "blocks.0.hook_resid_pre");
        else
            (void)snprintf(name, sizeof(name), "blocks.%" PRIu32 ".hook_resid_post", layer);
        json_array_append_new(points, json_string(name));
    }
    for (size_t i = 0; i < v->n_tokens; i++)
        json_array_append_new(tokens, token_json(v, v->tokens[i]));
    for (size_t r = 0; r < v->n_rows; r++)
        json_array_append_new(rows, row_json(v, r));
    json_object_set_new(doc, "points", points);
    json_object_set_new(doc, "tokens", tokens);
    if (v->parts != NULL) {
        json_object_set_new(doc, "attributed", token_json(v, v->token));
        json_object_set_new(doc, "minus", v->minus >= 0 ? token_json(v, v->minus) : json_null());
    }
    json_object_set_new(doc, "rows", rows);
    return print_json(doc, false);
}
