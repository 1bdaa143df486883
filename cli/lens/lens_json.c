/* lens_json.c - the lens as a document. */
#include <string.h>

#include "cli/lens/lens.h"
#include "cli/message.h"
#include "cli/prompt/edits.h"
#include "lens/lens_json.h"

static json_t *token_json(const lens_view *v, int32_t id)
{
    return tempo_lens_json_token(tempo_model_tokenizer(v->s->model), id);
}

static json_t *row_json(const lens_view *v, size_t row)
{
    const tempo_rows_row *r = &v->rows[row];
    json_t *one = token_json(v, r->token);

    json_object_set_new(one, "slot", json_integer((json_int_t)r->slot));
    if (v->dir != NULL)
        json_object_set_new(one, "step", r->step >= 0 ? json_integer(r->step) : json_null());
    tempo_lens_json_row(one, tempo_model_tokenizer(v->s->model), v->lens, v->parts, row);
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

    add_source(doc, v);
    for (size_t p = 0; p < v->lens->n_points; p++)
        json_array_append_new(points, tempo_lens_json_point(v->lens->layers[p]));
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
