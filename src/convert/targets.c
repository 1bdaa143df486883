/* targets.c - the tensors of the file to be: a GGUF's own, or those that the outline of a directory names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert.h"

static tempo_target *new_target(tempo_conversion *c)
{
    if (c->n == c->cap) {
        const size_t cap = c->cap > 0 ? 2 * c->cap : 256;
        tempo_target *more = realloc(c->targets, cap * sizeof(*more));
        if (more == NULL) {
            (void)tempo_fail(c->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of tensors");
            return NULL;
        }
        c->targets = more;
        c->cap = cap;
    }
    c->targets[c->n] = (tempo_target){.layer = TEMPO_NO_LAYER};
    return &c->targets[c->n++];
}

/* ---- from a GGUF ---- */

/* "blk.3.attn_q.weight": the layer, and where "attn_q.weight" begins. */
static const char *split_name(const char *name, uint32_t *layer)
{
    unsigned long v;
    char *end;

    *layer = TEMPO_NO_LAYER;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9')
        return name;
    v = strtoul(name + 4, &end, 10);
    if (*end != '.' || v > UINT32_MAX - 1)
        return name;
    *layer = (uint32_t)v;
    return end + 1;
}

static bool ends_in_weight(const char *name)
{
    const size_t n = strlen(name);

    return n >= 7 && strcmp(name + n - 7, ".weight") == 0;
}

static tempo_status take_tensor(tempo_conversion *c, const tempo_tensor *t)
{
    tempo_target *to = new_target(c);

    if (to == NULL)
        return TEMPO_E_NOMEM;
    if (t->type == TEMPO_DTYPE_COUNT)
        return tempo_fail(c->err, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                          "%s: element type %s is not supported", t->name, t->type_name);
    if (strlen(t->name) >= sizeof(to->name))
        return tempo_fail(c->err, TEMPO_E_LIMIT, tempo_tensor_entry(t), "%.40s...: its name is too long",
                          t->name);
    memcpy(to->name, t->name, strlen(t->name) + 1);
    to->base = split_name(t->name, &to->layer);
    to->weight = ends_in_weight(t->name);
    to->n_dims = t->n_dims;
    to->columns = t->n_dims > 0 ? t->dims[t->n_dims - 1] : 1;
    to->rows = to->columns > 0 ? t->elements / to->columns : 0;
    for (uint32_t i = 0; i < t->n_dims; i++)
        to->dims[i] = t->dims[t->n_dims - 1 - i];
    to->from = t->type;
    to->first = c->n_pieces;
    to->n_pieces = 1;
    c->pieces[c->n_pieces++] = (tempo_piece){
        .t = t, .cut = {.run = to->rows, .stride = to->rows}, .rows = to->rows, .columns = to->columns};
    return TEMPO_OK;
}

static tempo_status take_tensors(tempo_conversion *c)
{
    const struct tempo_model_files *f = c->ld.f;
    tempo_status st = TEMPO_OK;

    if ((c->pieces = calloc(f->n_tensors + 1, sizeof(*c->pieces))) == NULL)
        return tempo_fail(c->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of tensors");
    for (size_t i = 0; i < f->n_tensors && st == TEMPO_OK; i++)
        st = take_tensor(c, &f->tensors[i]);
    return st;
}

/* ---- from a directory ---- */

/* The target of a piece, among those of its layer; they were made last. */
static tempo_target *find_target(tempo_conversion *c, const tempo_piece *p)
{
    for (size_t i = c->n; i-- > 0 && c->targets[i].layer == p->layer;)
        if (c->targets[i].weight != p->bias && strcmp(c->targets[i].base, p->name) == 0)
            return &c->targets[i];
    return NULL;
}

static tempo_status begin_target(tempo_conversion *c, const tempo_piece *p, tempo_target **out)
{
    tempo_target *to = *out = new_target(c);
    char front[24] = "";

    if (to == NULL)
        return TEMPO_E_NOMEM;
    if (p->name[0] == '\0')
        return tempo_fail(c->err, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(p->t),
                          "%s has no place in a GGUF file", p->t->name);
    if (p->layer != TEMPO_NO_LAYER)
        (void)snprintf(front, sizeof(front), "blk.%u.", (unsigned)p->layer);
    (void)snprintf(to->name, sizeof(to->name), "%s%s%s", front, p->name, p->bias ? ".bias" : ".weight");
    to->base = p->name;
    to->layer = p->layer;
    to->weight = !p->bias;
    to->columns = p->columns;
    to->from = p->t->type;
    return TEMPO_OK;
}

/* Shapes, once all rows are known. */
static void finish_target(tempo_target *t, const tempo_piece *p)
{
    const uint64_t inner = p->vector ? t->rows : t->columns, all = p->vector ? 1 : t->rows;
    const uint64_t experts = p->n_experts > 0 ? p->n_experts : 1;

    t->dims[0] = p->vector ? inner / experts : inner;
    t->n_dims = 1;
    if (!p->vector)
        t->dims[t->n_dims++] = all / experts;
    if (p->n_experts > 0)
        t->dims[t->n_dims++] = experts;
}

/* Pieces by their targets, in the order in which they came; owner[n] is each one's target. */
static tempo_status group(tempo_conversion *c, const size_t *owner)
{
    const size_t n = c->outline.n_pieces;

    if ((c->pieces = calloc(n + 1, sizeof(*c->pieces))) == NULL)
        return tempo_fail(c->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of tensors");
    for (size_t i = 0; i < c->n; i++) {
        c->targets[i].first = c->n_pieces;
        c->n_pieces += c->targets[i].n_pieces;
        c->targets[i].n_pieces = 0;
    }
    for (size_t i = 0; i < n; i++) {
        tempo_target *t = &c->targets[owner[i]];
        c->pieces[t->first + t->n_pieces++] = c->outline.pieces[i];
    }
    for (size_t i = 0; i < c->n; i++)
        finish_target(&c->targets[i], &c->pieces[c->targets[i].first]);
    return TEMPO_OK;
}

static tempo_status take_outline(tempo_conversion *c)
{
    const size_t n = c->outline.n_pieces;
    size_t *owner = calloc(n + 1, sizeof(*owner));
    tempo_status st = TEMPO_OK;

    if (owner == NULL)
        return tempo_fail(c->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of tensors");
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        const tempo_piece *p = &c->outline.pieces[i];
        tempo_target *t = find_target(c, p);
        if (t == NULL)
            st = begin_target(c, p, &t);
        if (st != TEMPO_OK)
            break;
        t->rows += p->rows;
        t->n_pieces++;
        owner[i] = (size_t)(t - c->targets);
    }
    if (st == TEMPO_OK)
        st = group(c, owner);
    free(owner);
    return st;
}

/* ---- divisors of RoPE's frequencies, which a directory has among its keys ---- */

static tempo_status add_divisors(tempo_conversion *c, const char *base, const float *values)
{
    tempo_target *t = new_target(c);

    if (t == NULL)
        return TEMPO_E_NOMEM;
    (void)snprintf(t->name, sizeof(t->name), "%s.weight", base);
    t->base = base;
    t->weight = true;
    t->from = TEMPO_F32;
    t->n_dims = 1;
    t->rows = 1;
    t->columns = t->dims[0] = c->ld.facts.recipe.n_rot / 2;
    t->values = values;
    return TEMPO_OK;
}

static tempo_status take_divisors(tempo_conversion *c)
{
    const tempo_rope *r = &c->ld.facts.rope;
    tempo_status st;

    if (r->kind == TEMPO_ROPE_LONG) {
        st = add_divisors(c, "rope_factors_long", c->outline.long_factors);
        return st == TEMPO_OK ? add_divisors(c, "rope_factors_short", r->factors) : st;
    }
    if (r->kind != TEMPO_ROPE_LLAMA3)
        return TEMPO_OK;
    if ((c->long_or_llama3 = malloc(TEMPO_MAX_HEAD_DIM / 2 * sizeof(float))) == NULL)
        return tempo_fail(c->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of tensors");
    tempo_rope_llama3(c->long_or_llama3, c->ld.facts.recipe.n_rot, r);
    return add_divisors(c, "rope_freqs", c->long_or_llama3);
}

tempo_status tempo_targets_make(tempo_conversion *c)
{
    tempo_status st;

    if (c->ld.f->is_gguf)
        return take_tensors(c);
    st = take_outline(c);
    return st == TEMPO_OK ? take_divisors(c) : st;
}
