/* lens_npz.c - the lens as arrays. */
#include <stdlib.h>
#include <string.h>

#include "cli/lens/lens.h"
#include "cli/message.h"
#include "io/json.h"
#include "io/npz.h"

typedef struct file {
    tempo_npz_writer *w;
    tempo_status st;
    tempo_err err;
} file;

static void add(file *f, const char *name, tempo_npy_type type, const void *data, unsigned n_dims, uint64_t a,
                uint64_t b, uint64_t c)
{
    const uint64_t shape[3] = {a, b, c};

    if (f->st == TEMPO_OK)
        f->st = tempo_npz_add(f->w, name, type, shape, n_dims, data, &f->err);
}

/* Integers of any kind as int64. */
static void add_integers(file *f, const char *name, const int64_t *values, size_t n)
{
    add(f, name, TEMPO_NPY_I64, values, 1, n, 0, 0);
}

static void add_rows(file *f, const lens_view *v)
{
    const size_t most = v->n_rows + v->lens->n_points + v->n_tokens;
    int64_t *x = malloc((most + 1) * sizeof(*x));

    if (x == NULL) {
        f->st = TEMPO_E_NOMEM;
        return;
    }
    for (size_t i = 0; i < v->n_rows; i++)
        x[i] = (int64_t)v->rows[i].slot;
    add_integers(f, "slots", x, v->n_rows);
    for (size_t i = 0; i < v->n_rows; i++)
        x[i] = v->rows[i].step;
    add_integers(f, "steps", x, v->n_rows);
    for (size_t i = 0; i < v->n_rows; i++)
        x[i] = v->rows[i].token;
    add_integers(f, "row_ids", x, v->n_rows);
    for (size_t i = 0; i < v->lens->n_points; i++)
        x[i] = v->lens->layers[i] == TEMPO_LENS_INPUT ? -1 : (int64_t)v->lens->layers[i];
    add_integers(f, "layers", x, v->lens->n_points);
    for (size_t i = 0; i < v->n_tokens; i++)
        x[i] = v->tokens[i];
    add_integers(f, "token_ids", x, v->n_tokens);
    free(x);
}

static void add_lens(file *f, const lens_view *v)
{
    const tempo_lens *l = v->lens;
    const uint64_t r = l->n_rows, p = l->n_points, k = l->n_top, n = l->n_tokens;

    add(f, "entropy", TEMPO_NPY_F64, l->entropy, 2, r, p, 0);
    add(f, "kl", TEMPO_NPY_F64, l->kl, 2, r, p, 0);
    add(f, "top_ids", TEMPO_NPY_I32, l->top_ids, 3, r, p, k);
    add(f, "top_probabilities", TEMPO_NPY_F64, l->top_q, 3, r, p, k);
    add(f, "token_probabilities", TEMPO_NPY_F64, l->token_q, 3, r, p, n);
    add(f, "token_ranks", TEMPO_NPY_U32, l->token_ranks, 3, r, p, n);
    add(f, "token_logits", TEMPO_NPY_F32, l->token_logits, 3, r, p, n);
}

static void add_parts(file *f, const tempo_attribution *a)
{
    const uint64_t r = a->n_rows, l = a->n_layers, h = a->n_heads;

    add(f, "logit", TEMPO_NPY_F64, a->logit, 1, r, 0, 0);
    add(f, "scale", TEMPO_NPY_F64, a->scale, 1, r, 0, 0);
    add(f, "embed", TEMPO_NPY_F64, a->embed, 1, r, 0, 0);
    add(f, "attn_out", TEMPO_NPY_F64, a->attn, 2, r, l, 0);
    add(f, "mlp_out", TEMPO_NPY_F64, a->mlp, 2, r, l, 0);
    add(f, "constant", TEMPO_NPY_F64, &a->constant, 0, 0, 0, 0);
    add(f, "rest", TEMPO_NPY_F64, a->rest, 1, r, 0, 0);
    add(f, "bound", TEMPO_NPY_F64, a->bound, 1, r, 0, 0);
    if (h == 0)
        return;
    add(f, "heads", TEMPO_NPY_F64, a->heads, 3, r, l, h);
    add(f, "attn_bias", TEMPO_NPY_F64, a->bias, 2, r, l, 0);
    add(f, "heads_rest", TEMPO_NPY_F64, a->heads_rest, 1, r, 0, 0);
    add(f, "heads_bound", TEMPO_NPY_F64, a->heads_bound, 1, r, 0, 0);
}

static void add_metadata(file *f, const lens_view *v)
{
    json_t *doc = json_pack("{s:s, s:s, s:o}", "kind", "lens", "version", tempo_version(), "model",
                            json_model(v->s, v->o));

    if (v->dir != NULL)
        json_object_set_new(doc, "capture", json_text(v->dir, strlen(v->dir)));
    else if (v->s->text != NULL)
        json_object_set_new(doc, "prompt", json_text(v->s->text, v->s->n_text));
    if (v->parts != NULL)
        json_object_set_new(
            doc, "attributed",
            json_pack("[i, o]", (int)v->token, v->minus >= 0 ? json_integer(v->minus) : json_null()));
    char *text = tempo_json_print(doc);
    json_decref(doc);
    if (f->st == TEMPO_OK)
        f->st = text != NULL ? tempo_npz_add_text(f->w, "metadata", text, &f->err) : TEMPO_E_NOMEM;
    free(text);
}

int lens_npz(const lens_view *v)
{
    file f = {0};

    if (tempo_npz_create(&f.w, v->o->npz, &f.err) != TEMPO_OK)
        return say_error(&f.err);
    add_rows(&f, v);
    add_lens(&f, v);
    if (v->parts != NULL)
        add_parts(&f, v->parts);
    add_metadata(&f, v);
    if (f.st != TEMPO_OK)
        tempo_npz_abort(f.w);
    else
        f.st = tempo_npz_commit(f.w, &f.err);
    if (f.st == TEMPO_E_NOMEM && f.err.code == TEMPO_OK) {
        say("%s: out of memory for it", v->o->npz);
        return EXIT_FAILED;
    }
    return f.st == TEMPO_OK ? EXIT_OK : say_error(&f.err);
}
