/* model.c - opening a model, and what is public about it.  The formats are read in gguf_model.c and
 * hf_model.c, the weights put in their places in bind.c.  */
#include "model/model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "model/arch/outline.h"

TEMPO_OPTIONS(tempo_model_options, .load = TEMPO_LOAD_ALL)

/* ---- facts for the caller ---- */

static const char *rope_name(tempo_rope_kind kind)
{
    static const char *const names[] = {[TEMPO_ROPE_NONE] = "none",
                                        [TEMPO_ROPE_LINEAR] = "linear",
                                        [TEMPO_ROPE_LLAMA3] = "llama3",
                                        [TEMPO_ROPE_YARN] = "yarn",
                                        [TEMPO_ROPE_LONG] = "longrope"};

    return names[kind];
}

/* "…/models--org--name/snapshots/hash" -> "org/name", else the last part of the path. */
static char *name_from_path(tempo_loader *ld, const char *path)
{
    static const char marker[] = "/models--";
    size_t n = strlen(path);
    const char *snapshots = strstr(path, "/snapshots/"), *repo = strstr(path, marker);

    if (repo != NULL && snapshots != NULL && repo + sizeof(marker) - 1 < snapshots) {
        repo += sizeof(marker) - 1;
        char *name = tempo_files_text(ld, repo, (size_t)(snapshots - repo));
        char *dashes = name != NULL ? strstr(name, "--") : NULL;
        if (dashes != NULL) {
            *dashes = '/';
            memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
        }
        return name;
    }
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t first = n;
    while (first > 0 && (path[first - 1] != '/' || n == 1))
        first--;
    return tempo_files_text(ld, path + first, n - first);
}

tempo_weight *tempo_model_weight(tempo_model *m, size_t i)
{
    enum { DENSE = 9, OF_MLP = 3 };
    const size_t places = DENSE + OF_MLP * (size_t)m->recipe.n_experts, layer = i / places, at = i % places;

    if (layer >= m->hp.n_layers)
        return i == places * m->hp.n_layers ? &m->output : NULL;
    tempo_layer *y = &m->layers[layer];
    tempo_weight *const dense[DENSE] = {&y->wq,         &y->wk,         &y->wv,
                                        &y->wo,         &y->mlp.w_gate, &y->mlp.w_up,
                                        &y->mlp.w_down, &y->router,     &y->shared_gate};
    if (at < DENSE)
        return dense[at];
    if (y->experts == NULL)
        return &y->no_weight;
    tempo_mlp *x = &y->experts[(at - DENSE) / OF_MLP];
    tempo_weight *const of_mlp[OF_MLP] = {&x->w_gate, &x->w_up, &x->w_down};
    return of_mlp[(at - DENSE) % OF_MLP];
}

/* What a step reads, and how much of its activations products keep. */
static void count_matrices(tempo_model *m)
{
    const tempo_weight *w;

    m->info.activation_bits = UINT32_MAX;
    for (size_t i = 0; (w = tempo_model_weight(m, i)) != NULL; i++) {
        if (w->data == NULL)
            continue;
        const uint32_t bits = tempo_activation_bits(&m->kernels, w->type);
        m->info.step_bytes += tempo_weight_bytes(w);
        if (bits < m->info.activation_bits)
            m->info.activation_bits = bits;
    }
}

/* What the layers compute, in words. */
static void fill_recipe(tempo_model_info *i, const tempo_model *m, const tempo_recipe *r)
{
    static const char *const activations[] = {
        [TEMPO_ACT_SILU] = "silu",           [TEMPO_ACT_GELU_TANH] = "gelu_tanh",
        [TEMPO_ACT_GELU_ERF] = "gelu",       [TEMPO_ACT_RELU] = "relu",
        [TEMPO_ACT_RELU_2] = "relu_squared", [TEMPO_ACT_CLAMPED] = "clamped_swiglu"};

    i->activation = activations[r->act];
    i->norm = r->norm == TEMPO_NORM_RMS ? "rms" : "layer";
    i->positions = m->positions != NULL ? "learned" : r->alibi ? "alibi" : r->n_rot > 0 ? "rotary" : "none";
    i->gated_mlp = !r->plain_mlp;
    i->parallel = r->parallel;
    i->rotary_dim = r->n_rot;
    i->n_experts = r->n_experts;
    i->n_experts_used = r->n_used;
    i->attention_softcap = (double)r->attn_cap;
    i->logit_softcap = (double)r->logit_cap;
}

static tempo_status fill_info(tempo_loader *ld)
{
    tempo_model *m = ld->m;
    const tempo_facts *f = &ld->facts;
    tempo_model_info *i = &m->info;

    if (ld->f->name == NULL && (ld->f->name = name_from_path(ld, ld->f->path)) == NULL)
        return TEMPO_E_NOMEM;
    m->hp = f->hp;
    i->path = ld->f->path;
    i->name = ld->f->name;
    i->architecture = ld->f->architecture != NULL ? ld->f->architecture : "";
    i->unsupported = ld->f->unsupported[0] != '\0' ? ld->f->unsupported : NULL;
    i->kernels = m->kernels.name;
    i->compute = tempo_compute_name(m->kernels.compute);
    if (m->layers != NULL)
        count_matrices(m);
    i->n_layers = f->hp.n_layers;
    i->n_heads = f->hp.n_heads;
    i->n_kv_heads = f->hp.n_kv_heads;
    i->head_dim = f->hp.head_dim;
    i->d_model = f->hp.d_model;
    i->d_ff = f->hp.d_ff;
    i->n_vocab = f->hp.n_vocab;
    i->context_length = f->hp.n_ctx;
    i->norm_eps = f->norm_eps;
    i->rope_theta = f->rope.theta;
    i->tied_output = f->tied;
    fill_recipe(i, m, &f->recipe);
    if (ld->layers != NULL && f->hp.n_layers > 0) {
        const tempo_layer *first = &ld->layers[0];
        i->qkv_bias = first->bq != NULL;
        i->o_bias = first->bo != NULL;
        i->mlp_bias = first->mlp.b_down != NULL;
        i->qk_norm = first->q_norm != NULL;
    }
    if (i->rope_scaling == NULL)
        i->rope_scaling = rope_name(f->rope.kind);
    return TEMPO_OK;
}

/* ---- opening ---- */

static tempo_status init_kernels(tempo_model *m, const tempo_model_options *opt, tempo_err *err)
{
    char paths[96] = "auto";
    uint32_t cpu;

    if (tempo_load_name(opt->load) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "load", "load is %d, which is none of its constants",
                                (int)opt->load);
    if (tempo_compute_name(opt->compute) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "compute",
                                "compute mode %d, expected %d (exact) or %d (fast)", (int)opt->compute,
                                TEMPO_EXACT, TEMPO_FAST);
    for (size_t i = 0, at = 4; at < sizeof(paths) && tempo_cpu_name(i) != NULL; i++)
        at += (size_t)snprintf(paths + at, sizeof(paths) - at, ", %s", tempo_cpu_name(i));
    if (!tempo_cpu_from_name(opt->cpu, &cpu))
        return tempo_fail_field(err, TEMPO_E_ARG, "cpu", "no kernels \"%s\" on this machine, which has %s",
                                opt->cpu, paths);
    tempo_kernels_init(&m->kernels, cpu, opt->compute);
    return TEMPO_OK;
}

/* A file of a Hugging Face directory, instead of the directory? */
static bool is_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL && (strcmp(dot, ".safetensors") == 0 || strcmp(dot, ".json") == 0);
}

static tempo_status read_files(tempo_loader *ld)
{
    if (is_part(ld->f->path) && !tempo_path_is_dir(ld->f->path))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "is one file of a model: give the directory that holds it");
    tempo_status st = tempo_path_is_dir(ld->f->path) ? tempo_hf_load(ld) : tempo_gguf_load(ld);

    if (st == TEMPO_OK && ld->load != TEMPO_LOAD_TOKENIZER)
        st = tempo_bind(ld);
    return st == TEMPO_OK ? fill_info(ld) : st;
}

static tempo_status load(tempo_loader *ld, const char *path, const tempo_model_options *opt)
{
    tempo_model *m = ld->m;
    tempo_err *err = ld->err;

    ld->load = opt->load;
    ld->context = opt->context;
    ld->facts.heads_at = ld->facts.kv_heads_at = TEMPO_NO_OFFSET;
    ld->facts.head_dim_at = ld->facts.rope_at = TEMPO_NO_OFFSET;
    tempo_status st = init_kernels(m, opt, err);
    if (st != TEMPO_OK)
        return st;
    if ((ld->f = m->files = calloc(1, sizeof(*m->files))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a model");
    if ((ld->f->path = tempo_files_alloc(ld, strlen(path) + 1)) == NULL)
        return TEMPO_E_NOMEM;
    memcpy(ld->f->path, path, strlen(path) + 1);
    st = read_files(ld);
    if (st == TEMPO_OK && m->layers != NULL && ld->outline == NULL)
        st = tempo_panels_make(ld);
    if (st == TEMPO_OK)
        st = tempo_model_unchanged(m, err); /* since it was begun to be read */
    if (st != TEMPO_OK)
        tempo_err_prefix_first(err, path, "%s", path); /* some of what is below names the file itself */
    return st;
}

tempo_status tempo_model_open(tempo_model **out, const char *name, const tempo_model_options *opt,
                              tempo_err *err)
{
    tempo_model_options o;
    tempo_err local = {0}; /* refusals are noted and cleared again: not in the caller's */
    char path[PATH_MAX];

    *out = NULL;
    tempo_status st = tempo_options_take(&tempo_model_options_kind, &o, opt, err);
    if (st != TEMPO_OK)
        return st;
    tempo_model *m = calloc(1, sizeof(*m));
    st = m != NULL ? tempo_model_find(name, path, sizeof(path), &local)
                   : tempo_fail(&local, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a model");
    if (st == TEMPO_OK)
        st = load(&(tempo_loader){.m = m, .err = &local}, path, &o);
    if (st == TEMPO_OK) {
        *out = m;
        return st;
    }
    tempo_model_free(m);
    if (err != NULL && err->code == TEMPO_OK)
        *err = local;
    return st;
}

tempo_status tempo_model_outline(tempo_loader *ld, const char *path, tempo_outline *o, tempo_err *err)
{
    tempo_model_options facts;

    tempo_model_options_init(&facts);
    facts.load = TEMPO_LOAD_FACTS;
    *ld = (tempo_loader){.err = err, .outline = o};
    if ((ld->m = calloc(1, sizeof(*ld->m))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a model");
    return load(ld, path, &facts);
}

void tempo_model_free(tempo_model *m)
{
    if (m == NULL)
        return;
    tempo_tokenizer_free(m->tokenizer);
    tempo_files_free(m->files);
    free(m);
}

/* ---- looking at it ---- */

const tempo_model_info *tempo_model_get_info(const tempo_model *m)
{
    return &m->info;
}

const char *tempo_model_note(const tempo_model *m, size_t i)
{
    return i < m->notes.n ? m->notes.text[i] : NULL;
}
