/* readback.c - is the model that the new keys describe the one that was read?  GGUF has no words for some of
 * what directories say, and its readers take the architecture's usual way instead. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert.h"

typedef struct check {
    tempo_conversion *c;
    size_t n; /* found so far */
    char first[160];
} check;

static void lost(check *k, const char *what)
{
    if (k->n++ == 0)
        (void)snprintf(k->first, sizeof(k->first), "%s", what);
    if (k->c->opt->allow_loss && k->c->opt->lost != NULL)
        k->c->opt->lost(k->c->opt->user, what);
}

/* As float32, with room for a formula's roundings. */
static bool same(double a, double b)
{
    return fabs(a - b) <= 0x1p-21 * fabs(a);
}

static void compare_recipes(check *k, const tempo_recipe *a, const tempo_recipe *b)
{
    const struct {
        const char *what;
        double a, b;
    } of[] = {
        {"which activation the MLP has", a->act, b->act},
        {"that the MLP has no gate", a->plain_mlp, b->plain_mlp},
        {"whether attention and MLP are parallel", a->parallel, b->parallel},
        {"which norm it has", a->norm, b->norm},
        {"how much of a head rotates", a->n_rot, b->n_rot},
        {"the scale of attention's scores", (double)a->attn_scale, (double)b->attn_scale},
        {"the cap of attention's scores", (double)a->attn_cap, (double)b->attn_cap},
        {"the cap of the logits", (double)a->logit_cap, (double)b->logit_cap},
        {"the scale of the embedding", (double)a->embed_scale, (double)b->embed_scale},
        {"the scale of what layers add", (double)a->residual_scale, (double)b->residual_scale},
        {"the scale of the logits", (double)a->logit_scale, (double)b->logit_scale},
        {"the clip of queries, keys and values", (double)a->qkv_clip, (double)b->qkv_clip},
        {"whether it has ALiBi", a->alibi, b->alibi},
        {"how many experts it has", a->n_experts, b->n_experts},
        {"how many experts a token takes", a->n_used, b->n_used},
        {"when the router's softmax is taken", a->route_selected, b->route_selected},
        {"whether experts' weights add up to 1", a->route_renormed, b->route_renormed},
    };
    const size_t n = sizeof(of) / sizeof(*of) - (a->n_experts > 0 ? 0 : 2);

    for (size_t i = 0; i < n; i++)
        if (!same(of[i].a, of[i].b))
            lost(k, of[i].what);
}

/* Divisors of frequencies are tensors in a GGUF, and not compared. */
static void compare_ropes(check *k, const tempo_rope *a, const tempo_rope *b)
{
    if (!same(a->theta, b->theta) || !same(a->theta_2, b->theta_2))
        lost(k, "the theta of RoPE");
    if (a->kind == TEMPO_ROPE_LINEAR && (b->kind != a->kind || !same(a->factor, b->factor)))
        lost(k, "the factor of RoPE");
    if (a->kind != TEMPO_ROPE_YARN)
        return;
    if (b->kind != a->kind || !same(a->factor, b->factor) || !same(a->context, b->context) ||
        !same(a->fast, b->fast) || !same(a->slow, b->slow) || !same(tempo_rope_scale(a), tempo_rope_scale(b)))
        lost(k, "the numbers of YaRN");
    if (a->truncate != b->truncate)
        lost(k, "YaRN's bounds between whole dimensions (truncate: false)");
}

static void compare_layers(check *k, const tempo_layer *a, const tempo_layer *b, uint32_t n)
{
    bool windows = true, rotates = true;

    for (uint32_t l = 0; l < n; l++) {
        windows = windows && a[l].window == b[l].window;
        rotates = rotates && a[l].rope == b[l].rope;
    }
    if (!windows)
        lost(k, "which layers have a window");
    if (!rotates)
        lost(k, "in which layers positions rotate, and how");
}

static void compare(check *k, const tempo_loader *of)
{
    const tempo_loader *from = &k->c->ld;

    compare_recipes(k, &from->facts.recipe, &of->facts.recipe);
    if (!same((double)from->facts.hp.norm_eps, (double)of->facts.hp.norm_eps))
        lost(k, "the epsilon of norms");
    if (from->facts.recipe.n_rot > 0)
        compare_ropes(k, &from->facts.rope, &of->facts.rope);
    if (from->layers != NULL && of->layers != NULL)
        compare_layers(k, from->layers, of->layers, from->facts.hp.n_layers);
}

static tempo_status read_back(check *k, tempo_model *m)
{
    tempo_loader ld = {.m = m, .f = m->files, .load = TEMPO_LOAD_ALL, .err = k->c->err};
    unsigned char *image;
    size_t n;
    tempo_status st = tempo_gguf_metadata(&k->c->w, &image, &n, ld.err);

    if (st == TEMPO_OK)
        st = tempo_gguf_parse(&ld.f->gguf, image, n, ld.err);
    if (st == TEMPO_OK)
        st = tempo_gguf_facts(&ld);
    if (st == TEMPO_OK)
        compare(k, &ld);
    tempo_gguf_free(&ld.f->gguf); /* what is borrowed goes first */
    ld.f->gguf = (tempo_gguf){0};
    free(image);
    return st;
}

tempo_status tempo_metadata_check(tempo_conversion *c)
{
    check k = {.c = c};
    tempo_model *m = calloc(1, sizeof(*m));
    tempo_status st;

    if (m != NULL && (m->files = calloc(1, sizeof(*m->files))) != NULL)
        st = read_back(&k, m);
    else
        st = tempo_fail(c->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a model");
    tempo_model_free(m);
    if (st != TEMPO_OK || k.n == 0 || c->opt->allow_loss)
        return st;
    return tempo_fail_field(c->err, TEMPO_E_UNSUPPORTED, "model",
                            "GGUF has no word for %s here: who reads the file would compute something else "
                            "(--allow-loss writes it all the same)",
                            k.first);
}
