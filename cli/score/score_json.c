/* score_json.c - scores as a document. */
#include "cli/score/score.h"
#include "io/json_file.h"

static json_t *token_json(const score_view *v, int32_t id)
{
    json_t *object = json_pack("{s:I}", "id", (json_int_t)id);
    size_t n;
    const char *s = score_token(v, id, &n);

    json_set_text(object, "text", "bytes", s, n);
    return object;
}

static json_t *top_json(const score_view *v, const tempo_score *s, size_t i)
{
    json_t *list = json_array();

    for (size_t k = 0; k < s->n_top; k++) {
        json_t *one = token_json(v, s->top_ids[i * s->n_top + k]);
        json_object_set_new(one, "logprob", tempo_json_number(s->top_logprob[i * s->n_top + k]));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *entry_json(const score_view *v, const tempo_score *s, size_t i)
{
    json_t *one = token_json(v, s->ids[i]);

    json_object_set_new(one, "position", json_integer((json_int_t)i));
    json_object_set_new(one, "logprob", tempo_json_number(s->logprob[i]));
    json_object_set_new(one, "entropy", tempo_json_number(s->entropy[i]));
    json_object_set_new(one, "rank", s->rank[i] > 0 ? json_integer(s->rank[i]) : json_null());
    json_object_set_new(one, "context", json_integer(s->context[i]));
    json_object_set_new(one, "top", s->rank[i] > 0 ? top_json(v, s, i) : json_array());
    return one;
}

static void add_sums(json_t *object, size_t n, double sum)
{
    json_object_set_new(object, "scored", json_integer((json_int_t)n));
    json_object_set_new(object, "logprob", tempo_json_number(sum));
    json_object_set_new(object, "perplexity", tempo_json_number(score_perplexity(sum, n)));
}

void score_json(const score_view *v, size_t i, const tempo_score *s, json_t *object)
{
    const session *text = &v->texts[i];
    json_t *tokens = json_array();

    for (size_t k = 0; k < s->n_tokens; k++)
        json_array_append_new(tokens, entry_json(v, s, k));
    json_set_text(object, "prompt", "prompt_bytes", text->text != NULL ? text->text : "", text->n_text);
    json_object_set_new(object, "warnings", json_warnings(text->warning));
    add_sums(object, s->n_scored, s->logprob_sum);
    json_object_set_new(object, "tokens", tokens);
}

json_t *score_json_head(const score_view *v)
{
    const tempo_model_info *info = tempo_model_get_info(v->s->model);
    json_t *root = json_pack("{s:s, s:o, s:s, s:s}", "version", tempo_version(), "model",
                             json_model(v->s, v->o), "cpu", info->kernels, "compute", info->compute);

    json_object_set_new(
        root, "window",
        json_integer((json_int_t)(v->score.window > 0 ? v->score.window : info->context_length)));
    json_object_set_new(root, "stride",
                        v->score.stride > 0 ? json_integer((json_int_t)v->score.stride) : json_null());
    return root;
}

void score_json_total(const score_view *v, json_t *root)
{
    if (v->uses != NULL)
        json_object_set(root, "edits", v->uses);
    if (v->lines == NULL)
        return;
    add_sums(root, v->n_scored, v->logprob_sum);
    json_object_set(root, "prompts", v->list);
}
