/* bind.c - tensors of a file become the weights of a model: the architecture's parts (model/arch), each found
 * by its name and put, whole or cut, where it belongs; and nothing left over that would have changed the
 * computation.  */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "model/arch/outline.h"

enum { NAME_LEN = 192 };
#define NOWHERE SIZE_MAX

typedef enum dim {
    DIM_NONE,
    DIM_MODEL,
    DIM_FF,
    DIM_EXPERT,
    DIM_SHARED,
    DIM_EXPERTS,
    DIM_Q,
    DIM_KV,
    DIM_HEADS,
    DIM_VOCAB,
    DIM_ONE
} dim;

typedef enum owner { OF_MODEL, OF_LAYER, OF_MLP, OF_EXPERT } owner;

/* What a place takes: a matrix [rows, columns], of parts one below the other, or (columns DIM_NONE) a vector.
 */
typedef struct target {
    size_t w, b; /* in its owner */
    dim rows;
} target;

typedef struct place {
    owner owner;
    dim columns;
    uint32_t n; /* parts */
    target to[3];
} place;

#define IN(type, field) offsetof(tempo_##type, field)
#define ONCE(field) offsetof(struct tempo_model, field)
#define NORM_IN(owner, type, field)                                                                          \
    {                                                                                                        \
        owner, DIM_NONE, 1,                                                                                  \
        {                                                                                                    \
            {                                                                                                \
                IN(type, field.w), IN(type, field.b), DIM_MODEL                                              \
            }                                                                                                \
        }                                                                                                    \
    }
#define IN_MLP(which, rows)                                                                                  \
    {                                                                                                        \
        IN(mlp, w_##which), IN(mlp, b_##which), rows                                                         \
    }
static const place places[TEMPO_PLACES] = {
    [TEMPO_AT_EMBEDDING] = {OF_MODEL, DIM_MODEL, 1, {{ONCE(embedding), NOWHERE, DIM_VOCAB}}},
    [TEMPO_AT_POSITIONS] = {OF_MODEL,
                            DIM_MODEL,
                            1,
                            {{ONCE(positions), NOWHERE, DIM_ONE}}}, /* by bind_positions */
    [TEMPO_AT_EMBED_NORM] = {OF_MODEL, DIM_NONE, 1, {{ONCE(embed_norm.w), ONCE(embed_norm.b), DIM_MODEL}}},
    [TEMPO_AT_OUTPUT_NORM] = {OF_MODEL, DIM_NONE, 1, {{ONCE(output_norm.w), ONCE(output_norm.b), DIM_MODEL}}},
    [TEMPO_AT_OUTPUT] = {OF_MODEL, DIM_MODEL, 1, {{ONCE(output), ONCE(output_bias), DIM_VOCAB}}},
    [TEMPO_AT_ATTN_NORM] = NORM_IN(OF_LAYER, layer, attn_norm),
    [TEMPO_AT_Q] = {OF_LAYER, DIM_MODEL, 1, {{IN(layer, wq), IN(layer, bq), DIM_Q}}},
    [TEMPO_AT_K] = {OF_LAYER, DIM_MODEL, 1, {{IN(layer, wk), IN(layer, bk), DIM_KV}}},
    [TEMPO_AT_V] = {OF_LAYER, DIM_MODEL, 1, {{IN(layer, wv), IN(layer, bv), DIM_KV}}},
    [TEMPO_AT_QKV] = {OF_LAYER,
                      DIM_MODEL,
                      3,
                      {{IN(layer, wq), IN(layer, bq), DIM_Q},
                       {IN(layer, wk), IN(layer, bk), DIM_KV},
                       {IN(layer, wv), IN(layer, bv), DIM_KV}}},
    [TEMPO_AT_Q_NORM] = {OF_LAYER, DIM_NONE, 1, {{IN(layer, q_norm), NOWHERE, DIM_Q}}},
    [TEMPO_AT_K_NORM] = {OF_LAYER, DIM_NONE, 1, {{IN(layer, k_norm), NOWHERE, DIM_KV}}},
    [TEMPO_AT_SINKS] = {OF_LAYER, DIM_NONE, 1, {{IN(layer, sinks), NOWHERE, DIM_HEADS}}},
    [TEMPO_AT_O] = {OF_LAYER, DIM_Q, 1, {{IN(layer, wo), IN(layer, bo), DIM_MODEL}}},
    [TEMPO_AT_ATTN_POST_NORM] = NORM_IN(OF_LAYER, layer, attn_post_norm),
    [TEMPO_AT_FFN_NORM] = NORM_IN(OF_LAYER, layer, ffn_norm),
    [TEMPO_AT_FFN_POST_NORM] = NORM_IN(OF_LAYER, layer, ffn_post_norm),
    [TEMPO_AT_GATE] = {OF_MLP, DIM_MODEL, 1, {IN_MLP(gate, DIM_FF)}},
    [TEMPO_AT_UP] = {OF_MLP, DIM_MODEL, 1, {IN_MLP(up, DIM_FF)}},
    [TEMPO_AT_GATE_UP] = {OF_MLP, DIM_MODEL, 2, {IN_MLP(gate, DIM_FF), IN_MLP(up, DIM_FF)}},
    [TEMPO_AT_DOWN] = {OF_MLP, DIM_FF, 1, {IN_MLP(down, DIM_MODEL)}},
    [TEMPO_AT_ROUTER] = {OF_LAYER, DIM_MODEL, 1, {{IN(layer, router), IN(layer, b_router), DIM_EXPERTS}}},
    [TEMPO_AT_EXPERT_GATE] = {OF_EXPERT, DIM_MODEL, 1, {IN_MLP(gate, DIM_EXPERT)}},
    [TEMPO_AT_EXPERT_UP] = {OF_EXPERT, DIM_MODEL, 1, {IN_MLP(up, DIM_EXPERT)}},
    [TEMPO_AT_EXPERT_GATE_UP] = {OF_EXPERT, DIM_MODEL, 2, {IN_MLP(gate, DIM_EXPERT), IN_MLP(up, DIM_EXPERT)}},
    [TEMPO_AT_EXPERT_DOWN] = {OF_EXPERT, DIM_EXPERT, 1, {IN_MLP(down, DIM_MODEL)}},
    [TEMPO_AT_SHARED_SIGMOID] = {OF_LAYER, DIM_MODEL, 1, {{IN(layer, shared_gate), NOWHERE, DIM_ONE}}},
    [TEMPO_AT_SHARED_GATE] = {OF_MLP, DIM_MODEL, 1, {{IN(mlp, w_gate), NOWHERE, DIM_SHARED}}},
    [TEMPO_AT_SHARED_UP] = {OF_MLP, DIM_MODEL, 1, {{IN(mlp, w_up), NOWHERE, DIM_SHARED}}},
    [TEMPO_AT_SHARED_DOWN] = {OF_MLP, DIM_SHARED, 1, {{IN(mlp, w_down), NOWHERE, DIM_MODEL}}},
};

static uint64_t dim_of(const tempo_facts *f, dim d)
{
    const tempo_hparams *hp = &f->hp;

    switch (d) {
    case DIM_MODEL:
        return hp->d_model;
    case DIM_FF:
        return f->d_dense;
    case DIM_EXPERT:
        return f->d_expert;
    case DIM_SHARED:
        return f->d_shared;
    case DIM_EXPERTS:
        return f->recipe.n_experts;
    case DIM_Q:
        return (uint64_t)hp->n_heads * hp->head_dim;
    case DIM_KV:
        return (uint64_t)hp->n_kv_heads * hp->head_dim;
    case DIM_HEADS:
        return hp->n_heads;
    case DIM_VOCAB:
        return hp->n_vocab;
    case DIM_NONE:
    case DIM_ONE:
        break;
    }
    return 1;
}

/* ---- names ---- */

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), m = strlen(tail);

    return n >= m && strcmp(s + n - m, tail) == 0;
}

/* One part of one layer, while it is bound. */
typedef struct job {
    tempo_loader *ld;
    const tempo_role *part;
    const place *place;
    uint32_t layer;
    void *owner;        /* what the place's offsets are in */
    uint32_t expert, n; /* of the layer's experts, where the place is theirs */
    bool transposed, stacked;
    uint64_t rows;  /* of all parts */
    char apart[40]; /* not "": the name of one of the experts, which an older GGUF has one by one */
} job;

static const char *base_name(const job *j)
{
    if (j->apart[0] != '\0')
        return j->apart;
    return j->ld->f->is_gguf ? j->part->gguf : j->part->hf;
}

/* "/x" lies outside of what names begin with. */
static void full_name(const job *j, const char *tail, char out[NAME_LEN])
{
    const tempo_loader *ld = j->ld;
    const tempo_arch *arch = ld->facts.arch;
    const bool once = j->place->owner == OF_MODEL;
    const char *base = base_name(j), *star = strchr(base, '*');
    char front[64] = "", expert[16] = "";

    if (ld->f->is_gguf && !once)
        (void)snprintf(front, sizeof(front), "blk.%" PRIu32 ".", j->layer);
    else if (!ld->f->is_gguf && once)
        (void)snprintf(front, sizeof(front), "%s", *base == '/' ? ld->f->outside : ld->f->top);
    else if (!ld->f->is_gguf)
        (void)snprintf(front, sizeof(front), "%s%s%" PRIu32 ".", ld->f->top, arch->layer, j->layer);
    base += *base == '/';
    if (star != NULL)
        (void)snprintf(expert, sizeof(expert), "%" PRIu32, j->expert);
    (void)snprintf(out, NAME_LEN, "%s%.*s%s%s%s", front,
                   star != NULL ? (int)(star - base) : (int)strlen(base), base, expert,
                   star != NULL ? star + 1 : "", tail);
}

static void weight_name(const job *j, char out[NAME_LEN])
{
    const bool bare = !j->ld->f->is_gguf && (j->part->how & TEMPO_PART_BARE) != 0;

    full_name(j, bare ? "" : ".weight", out);
}

static void bias_name(const job *j, char out[NAME_LEN])
{
    const bool bare = !j->ld->f->is_gguf && (j->part->how & TEMPO_PART_BARE) != 0;

    full_name(j, bare ? "_bias" : ".bias", out);
}

/* Files of some models leave out what names of others begin with. */
static void find_top(tempo_loader *ld)
{
    const tempo_role *embedding = &ld->facts.arch->parts[0];
    const job j = {.ld = ld, .part = embedding, .place = &places[TEMPO_AT_EMBEDDING]};
    const struct {
        const char *top, *outside;
    } tops[] = {{ld->facts.arch->top, ""},
                {"", ""},
                {"decoder.", ""},
                {"language_model.model.", "language_model."},
                {"model.language_model.", ""}};
    char name[NAME_LEN];

    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]) && !ld->f->is_gguf; i++) {
        ld->f->top = tops[i].top;
        ld->f->outside = tops[i].outside;
        weight_name(&j, name);
        if (tempo_files_find(ld->f, name) != NULL)
            return;
    }
    ld->f->top = ld->facts.arch->top;
    ld->f->outside = "";
}

/* ---- one part ---- */

/* What an outline has of rows of a tensor. */
static tempo_piece piece_of(const job *j, const tempo_tensor *t, const tempo_cut *cut, uint64_t rows,
                            uint64_t columns)
{
    return (tempo_piece){.layer = j->place->owner == OF_MODEL ? TEMPO_NO_LAYER : j->layer,
                         .expert = j->expert,
                         .n_experts = j->place->owner == OF_EXPERT ? j->n : 0,
                         .t = t,
                         .cut = *cut,
                         .rows = rows,
                         .columns = columns};
}

/* A matrix that is not to be read now: noted, and marked as one that is there. */
static tempo_status outline_matrix(const job *j, uint32_t i, const tempo_tensor *t, const tempo_cut *cut,
                                   uint64_t rows, uint64_t columns, tempo_weight *w)
{
    tempo_piece piece = piece_of(j, t, cut, rows, columns);
    tempo_status st = TEMPO_OK;

    if (t->type == TEMPO_F8_E4M3 || t->type == TEMPO_F8_E5M2) {
        tempo_weight *copy = tempo_files_alloc(j->ld, sizeof(*copy));
        if (copy == NULL)
            return TEMPO_E_NOMEM;
        *copy = (tempo_weight){0};
        st = tempo_take_matrix(j->ld, t, cut, rows, columns, copy);
        piece.scaled = copy;
    }
    w->data = t->data;
    return st == TEMPO_OK ? tempo_outline_add(j->ld, j->part, i, piece) : st;
}

static tempo_status outline_vector(const job *j, uint32_t i, const tempo_tensor *t, const tempo_cut *cut,
                                   uint64_t n, float plus, bool bias)
{
    tempo_piece piece = piece_of(j, t, cut, n, 1);

    piece.plus = plus;
    piece.bias = bias;
    piece.vector = true;
    return tempo_outline_add(j->ld, j->part, i, piece);
}

/* Rows of part i of the place. */
static tempo_cut cut_of(const job *j, uint32_t i, uint64_t n, uint64_t slab)
{
    const unsigned how = j->ld->f->is_gguf ? 0 : j->part->how;
    const uint64_t d = j->ld->facts.hp.head_dim;
    tempo_cut cut = {.run = n, .stride = n, .slab = slab, .across = j->rows};

    for (uint32_t before = 0; before < i; before++)
        cut.first += dim_of(&j->ld->facts, j->place->to[before].rows);
    if ((how & TEMPO_PART_BY_HEAD) != 0)
        cut = (tempo_cut){.first = i * d, .run = d, .stride = 3 * d, .slab = slab, .across = j->rows};
    if ((how & TEMPO_PART_IN_TURN) != 0)
        cut = (tempo_cut){.first = i, .run = 1, .stride = j->place->n, .slab = slab, .across = j->rows};
    return cut;
}

static void *owner_at(const job *j, size_t at)
{
    return (unsigned char *)j->owner + at;
}

static tempo_status bind_bias(const job *j)
{
    const tempo_facts *f = &j->ld->facts;
    const bool needed = (f->biased >> j->part->place & 1) != 0, norm = j->place->columns == DIM_NONE;
    const uint64_t shape[2] = {j->n, j->rows};
    char name[NAME_LEN];
    tempo_tensor *t;
    tempo_status st;

    if (j->place->to[0].b == NOWHERE || (norm && f->recipe.norm == TEMPO_NORM_RMS))
        return TEMPO_OK; /* if it is there all the same, it is left over and refused */
    bias_name(j, name);
    st = tempo_take(j->ld, name, j->stacked ? 2 : 1, j->stacked ? shape : shape + 1, needed, &t);
    for (uint32_t i = 0; i < j->place->n && t != NULL && st == TEMPO_OK; i++) {
        const target *to = &j->place->to[i];
        const uint64_t n = dim_of(f, to->rows);
        const tempo_cut cut = cut_of(j, i, n, j->stacked ? j->expert * j->rows : 0);
        st = j->ld->outline != NULL ? outline_vector(j, i, t, &cut, n, 0.0f, true)
                                    : tempo_take_vector(j->ld, t, &cut, n, 0.0f, owner_at(j, to->b));
    }
    return st;
}

/* All experts' matrices as MXFP4: NAME_blocks and NAME_scales of a directory. */
static bool is_in_blocks(const job *j, const char *name)
{
    char blocks[NAME_LEN + 8];

    if (j->ld->f->is_gguf || !j->stacked || tempo_files_find(j->ld->f, name) != NULL)
        return false;
    (void)snprintf(blocks, sizeof(blocks), "%s_blocks", name);
    return tempo_files_find(j->ld->f, blocks) != NULL;
}

static tempo_status bind_blocks(const job *j, const char *name)
{
    const uint64_t shape[3] = {j->n, j->rows, dim_of(&j->ld->facts, j->place->columns)};
    tempo_status st = TEMPO_OK;

    for (uint32_t i = 0; i < j->place->n && st == TEMPO_OK; i++) {
        const target *to = &j->place->to[i];
        const uint64_t n = dim_of(&j->ld->facts, to->rows);
        const tempo_cut cut = cut_of(j, i, n, j->expert * j->rows);
        st = tempo_take_blocks(j->ld, name, shape, &cut, n, owner_at(j, to->w));
    }
    return st == TEMPO_OK ? bind_bias(j) : st;
}

static tempo_status bind_matrix(const job *j)
{
    tempo_loader *ld = j->ld;
    const uint64_t columns = dim_of(&ld->facts, j->place->columns);
    const uint64_t shape[3] = {j->n, j->transposed ? columns : j->rows, j->transposed ? j->rows : columns};
    char name[NAME_LEN];
    tempo_tensor *t;
    tempo_status st;

    weight_name(j, name);
    if (is_in_blocks(j, name))
        return bind_blocks(j, name);
    st = tempo_take(ld, name, j->stacked ? 3 : 2, j->stacked ? shape : shape + 1, true, &t);
    for (uint32_t i = 0; i < j->place->n && t != NULL && st == TEMPO_OK; i++) {
        const target *to = &j->place->to[i];
        const uint64_t n = dim_of(&ld->facts, to->rows);
        tempo_cut cut = cut_of(j, i, n, j->stacked ? j->expert * j->rows * columns : 0);
        cut.transposed = j->transposed;
        st = ld->outline != NULL ? outline_matrix(j, i, t, &cut, n, columns, owner_at(j, to->w))
                                 : tempo_take_matrix(ld, t, &cut, n, columns, owner_at(j, to->w));
    }
    return st == TEMPO_OK && (t != NULL || ld->asked != NULL) ? bind_bias(j) : st;
}

static tempo_status ones(tempo_loader *ld, uint64_t n, const float **out)
{
    float *v = tempo_files_alloc(ld, (size_t)n * sizeof(*v));

    if (v == NULL)
        return TEMPO_E_NOMEM;
    for (uint64_t i = 0; i < n; i++)
        v[i] = 1.0f;
    *out = v;
    return TEMPO_OK;
}

/* Norms of queries and keys are as wide as a head, or as all of them. */
static uint64_t vector_length(const job *j)
{
    const tempo_facts *f = &j->ld->facts;
    const bool qk = j->part->place == TEMPO_AT_Q_NORM || j->part->place == TEMPO_AT_K_NORM;

    return qk && !f->recipe.qk_norm_whole ? f->hp.head_dim : dim_of(f, j->place->to[0].rows);
}

static tempo_status bind_vector(const job *j)
{
    tempo_loader *ld = j->ld;
    const uint64_t n = vector_length(j);
    const tempo_cut whole = {.run = n, .stride = n};
    const bool plus = !ld->f->is_gguf && (j->part->how & TEMPO_PART_PLUS_ONE) != 0;
    char name[NAME_LEN];
    tempo_tensor *t;
    tempo_status st;

    if (base_name(j) == NULL)
        return ones(ld, n, owner_at(j, j->place->to[0].w));
    weight_name(j, name);
    st = tempo_take(ld, name, 1, &n, true, &t);
    if (st == TEMPO_OK && t != NULL)
        st = ld->outline != NULL
                 ? outline_vector(j, 0, t, &whole, n, plus ? 1.0f : 0.0f, false)
                 : tempo_take_vector(ld, t, &whole, n, plus ? 1.0f : 0.0f, owner_at(j, j->place->to[0].w));
    return st == TEMPO_OK && (t != NULL || ld->asked != NULL) ? bind_bias(j) : st;
}

/* ---- layers ---- */

static bool is_sparse(const tempo_layer *l)
{
    return l->router.n_out > 0;
}

static bool has_part(const tempo_arch *arch, tempo_place at)
{
    bool found = false;

    for (size_t i = 0; i < arch->n_parts && !found; i++)
        found = arch->parts[i].place == at;
    return found;
}

/* Does this layer of this file have the part?  What is fused in some files lies apart in others. */
static bool is_there(const job *j, const tempo_layer *l)
{
    const tempo_facts *f = &j->ld->facts;
    const tempo_place at = j->part->place;
    const bool nameless = j->part->gguf == NULL && j->part->hf == NULL;
    char name[NAME_LEN];

    if ((f->absent >> at & 1) != 0 || (base_name(j) == NULL && !nameless))
        return false;
    if (at >= TEMPO_AT_GATE && at <= TEMPO_AT_DOWN && is_sparse(l))
        return false;
    if (at >= TEMPO_AT_ROUTER && !is_sparse(l))
        return false;
    if (at >= TEMPO_AT_SHARED_SIGMOID && f->d_shared == 0)
        return false;
    if (at == TEMPO_AT_Q || at == TEMPO_AT_K || at == TEMPO_AT_V)
        return (at == TEMPO_AT_Q ? &l->wq : at == TEMPO_AT_K ? &l->wk : &l->wv)->data == NULL;
    if ((at != TEMPO_AT_QKV || !has_part(f->arch, TEMPO_AT_Q)) &&
        (at != TEMPO_AT_GATE_UP || !has_part(f->arch, TEMPO_AT_GATE)))
        return true;
    weight_name(j, name);
    return tempo_files_find(j->ld->f, name) != NULL;
}

static tempo_status bind_in_layer(job *j, tempo_layer *l)
{
    tempo_status st = TEMPO_OK;

    if (j->place->columns == DIM_NONE)
        return bind_vector(j);
    for (j->expert = 0; j->expert < j->n && st == TEMPO_OK; j->expert++) {
        if (j->place->owner == OF_EXPERT)
            j->owner = &l->experts[j->expert];
        st = bind_matrix(j);
    }
    return st;
}

/* GGUFs of Mixtral from before experts were put together have "ffn_up.3" where "ffn_up_exps" is looked for.
 */
static void find_apart(job *j)
{
    static const char together[] = "_exps";
    const char *base = base_name(j);
    char name[NAME_LEN];

    if (!j->ld->f->is_gguf || base == NULL || !ends_with(base, together))
        return;
    weight_name(j, name);
    if (tempo_files_find(j->ld->f, name) != NULL)
        return;
    (void)snprintf(j->apart, sizeof(j->apart), "%.*s.*", (int)(strlen(base) - strlen(together)), base);
    weight_name(j, name);
    if (tempo_files_find(j->ld->f, name) != NULL)
        j->stacked = false;
    else
        j->apart[0] = '\0';
}

static job begin_part(tempo_loader *ld, const tempo_role *part, uint32_t layer)
{
    const bool gguf = ld->f->is_gguf;
    job j = {.ld = ld, .part = part, .place = &places[part->place], .layer = layer, .n = 1};

    j.transposed = !gguf && (part->how & TEMPO_PART_TRANSPOSED) != 0;
    for (uint32_t i = 0; i < j.place->n; i++)
        j.rows += dim_of(&ld->facts, j.place->to[i].rows);
    if (j.place->owner == OF_EXPERT) {
        j.n = ld->facts.recipe.n_experts;
        j.stacked = gguf || (part->how & TEMPO_PART_OF_ALL) != 0;
        find_apart(&j);
    }
    return j;
}

static tempo_status begin_experts(tempo_loader *ld, tempo_layer *l)
{
    const uint32_t n = ld->facts.recipe.n_experts;

    if (!is_sparse(l))
        return TEMPO_OK;
    if ((l->experts = tempo_files_alloc(ld, n * sizeof(*l->experts))) == NULL)
        return TEMPO_E_NOMEM;
    memset(l->experts, 0, n * sizeof(*l->experts));
    for (uint32_t x = 0; x < n; x++)
        l->experts[x].d_ff = ld->facts.d_expert;
    return TEMPO_OK;
}

static tempo_status bind_layer(tempo_loader *ld, uint32_t index)
{
    const tempo_arch *arch = ld->facts.arch;
    tempo_layer *l = &ld->layers[index];
    tempo_status st = begin_experts(ld, l);

    for (size_t i = 0; i < arch->n_parts && st == TEMPO_OK; i++) {
        job j = begin_part(ld, &arch->parts[i], index);
        if (j.place->owner == OF_MODEL || !is_there(&j, l))
            continue;
        j.owner = j.place->owner == OF_LAYER ? (void *)l : &l->mlp;
        st = bind_in_layer(&j, l);
    }
    return st;
}

static tempo_status bind_layers(tempo_loader *ld)
{
    tempo_status st = TEMPO_OK;

    for (uint32_t l = 0; l < ld->facts.hp.n_layers && st == TEMPO_OK; l++)
        st = bind_layer(ld, l);
    ld->m->layers = ld->layers;
    return st;
}

/* ---- embedding, output ---- */

static tempo_status check_vocabulary(tempo_loader *ld, const tempo_tensor *embedding)
{
    const bool matrix = ld->f->is_gguf ? embedding->n_dims >= 2 : embedding->n_dims == 2;
    const uint64_t rows = matrix ? embedding->dims[embedding->n_dims - 2] : 0, says = ld->facts.hp.n_vocab;
    tempo_tokenizer *tok = ld->m->tokenizer;
    const uint32_t tokens = tok != NULL ? tempo_tokenizer_get_info(tok).n_tokens : 0;

    if (!matrix)
        return TEMPO_OK; /* its shape is about to be refused */
    if (rows == 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(embedding), "%s has no rows",
                          embedding->name);
    if (rows > TEMPO_MAX_VOCAB)
        return tempo_refuse(ld, TEMPO_E_LIMIT, tempo_tensor_entry(embedding),
                            "%s has %" PRIu64 " rows, the limit is %d", embedding->name, rows,
                            TEMPO_MAX_VOCAB);
    /* of GGUF files it is nobody's business, and those of padded embeddings say less; config.json must be
     * exact */
    if (says > rows && ld->f->is_gguf)
        tempo_note(&ld->m->notes, "vocab_size is %" PRIu64 ", %s has %" PRIu64 " rows: these count", says,
                   embedding->name, rows);
    else if (says != 0 && says != rows && !ld->f->is_gguf)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(embedding),
                          "vocabulary mismatch: vocab_size is %" PRIu64 ", %s has %" PRIu64 " rows", says,
                          embedding->name, rows);
    if (tokens > rows)
        tempo_note(&ld->m->notes,
                   "the tokenizer has %" PRIu32 " tokens, %s has %" PRIu64
                   " rows: texts with later tokens are refused",
                   tokens, embedding->name, rows);
    if (tok != NULL)
        tempo_tokenizer_set_rows(tok, (uint32_t)rows);
    ld->facts.hp.n_vocab = (uint32_t)rows;
    return TEMPO_OK;
}

/* Learned positions: a row for each. */
static tempo_status bind_positions(job *j)
{
    tempo_loader *ld = j->ld;
    const tempo_hparams *hp = &ld->facts.hp;
    const uint64_t rows = (uint64_t)hp->n_ctx + ld->facts.recipe.position_offset;
    const uint64_t shape[2] = {rows, hp->d_model}, n = rows * hp->d_model;
    const tempo_cut whole = {.run = n, .stride = n};
    char name[NAME_LEN];
    tempo_tensor *t;
    tempo_status st;

    weight_name(j, name);
    st = tempo_take(ld, name, 2, shape, true, &t);
    if (st == TEMPO_OK && t != NULL && ld->outline != NULL) {
        const tempo_cut lines = {.run = rows, .stride = rows};
        st = tempo_outline_add(ld, j->part, 0, piece_of(j, t, &lines, rows, hp->d_model));
    } else if (st == TEMPO_OK && t != NULL) {
        st = tempo_take_vector(ld, t, &whole, n, 0.0f, &ld->m->positions);
    }
    ld->m->n_positions = (uint32_t)rows;
    return st;
}

static tempo_status bind_end(job *j)
{
    char name[NAME_LEN];
    tempo_tensor *t;
    tempo_status st;

    if (j->part->place == TEMPO_AT_POSITIONS)
        return bind_positions(j);
    if (j->place->columns == DIM_NONE)
        return bind_vector(j);
    if (j->part->place == TEMPO_AT_OUTPUT && j->ld->facts.tied)
        return TEMPO_OK;
    weight_name(j, name);
    t = tempo_files_find(j->ld->f, name);
    if (j->part->place == TEMPO_AT_EMBEDDING && t != NULL && (st = check_vocabulary(j->ld, t)) != TEMPO_OK)
        return st;
    j->rows = j->ld->facts.hp.n_vocab;
    return bind_matrix(j);
}

static tempo_status bind_ends(tempo_loader *ld)
{
    const tempo_arch *arch = ld->facts.arch;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < arch->n_parts && st == TEMPO_OK; i++) {
        job j = begin_part(ld, &arch->parts[i], 0);
        j.owner = ld->m;
        if (j.place->owner == OF_MODEL)
            st = bind_end(&j);
    }
    if (ld->facts.tied)
        ld->m->output = ld->m->embedding;
    return st;
}

/* ---- what is left over ---- */

/* Where a model has parts for images or sound, too: theirs. */
static bool is_of_other_part(const tempo_loader *ld, const tempo_tensor *t)
{
    return ld->is_part && ld->f->top != NULL && strncmp(t->name, ld->f->top, strlen(ld->f->top)) != 0 &&
           !ends_with(t->name, "lm_head.weight");
}

/* Tensors that old converters wrote although they follow from the metadata: frequencies, masks. */
static bool is_redundant(const tempo_loader *ld, const tempo_tensor *t)
{
    static const char *const tails[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias",
                                        ".attention.bias", ".attention.masked_bias",
                                        /* of activations in 8 bits: ours have more */
                                        ".input_scale", ".k_scale", ".v_scale"};
    bool found = !ld->f->is_gguf && ld->facts.tied && ends_with(t->name, "lm_head.weight");

    if (is_of_other_part(ld, t))
        return true;
    if (ld->f->is_gguf)
        return ends_with(t->name, ".attn_rot_embd.weight");
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]) && !found; i++)
        found = ends_with(t->name, tails[i]);
    return found;
}

static tempo_status check_left_over(tempo_loader *ld)
{
    const tempo_arch *arch = ld->facts.arch;

    for (size_t i = 0; i < ld->f->n_tensors; i++) {
        const tempo_tensor *t = &ld->f->tensors[i];
        if (!t->used && !is_redundant(ld, t))
            return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                                "tensor %.128s is not supported: it is no part of a %s model of %" PRIu32
                                " layers as this build computes it",
                                t->name, arch->gguf != NULL ? arch->gguf : arch->hf, ld->facts.hp.n_layers);
    }
    return TEMPO_OK;
}

static void count_parameters(tempo_loader *ld)
{
    for (size_t i = 0; i < ld->f->n_tensors; i++) {
        uint64_t *sum = &ld->m->info.parameters;
        if (!is_redundant(ld, &ld->f->tensors[i]) &&
            __builtin_add_overflow(*sum, ld->f->tensors[i].elements, sum))
            *sum = UINT64_MAX;
    }
}

static tempo_status no_tensors(tempo_loader *ld)
{
    const job j = {.ld = ld, .part = &ld->facts.arch->parts[0], .place = &places[TEMPO_AT_EMBEDDING]};
    char name[NAME_LEN];

    weight_name(&j, name);
    return tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                        "%s is missing, and every other tensor: this is at most a vocabulary", name);
}

tempo_status tempo_bind(tempo_loader *ld)
{
    tempo_status st;

    if (ld->facts.arch != NULL)
        find_top(ld);
    count_parameters(ld);
    if (ld->f->unsupported[0] != '\0')
        return TEMPO_OK; /* what shapes to expect is not known for sure */
    if (ld->f->n_tensors == 0 && ld->asked == NULL)
        return no_tensors(ld);
    ld->m->recipe = ld->facts.recipe;
    if ((st = bind_ends(ld)) != TEMPO_OK || (st = bind_layers(ld)) != TEMPO_OK ||
        (st = tempo_bind_rope(ld)) != TEMPO_OK || (st = tempo_bind_slopes(ld)) != TEMPO_OK ||
        (st = check_left_over(ld)) != TEMPO_OK)
        return st;
    if (ld->f->unsupported[0] != '\0')
        ld->m->layers = NULL; /* noted on the way: it must not run */
    return TEMPO_OK;
}
