/* plan.c - what tensors a file of given keys has: the keys are read as those of a file are, and what binding
 * then asks for is the list.  So a shape of any architecture of arch.inc needs no code here. */
#include <stdlib.h>
#include <string.h>

#include "model/synth/synth.h"

typedef struct plan {
    const tempo_arch *arch;
    tempo_planned *list; /* [cap], n in use */
    size_t n, cap;
    bool failed;
} plan;

/* Whose tensor "blk.N.NAME.weight" or "NAME.bias" is. */
static tempo_place place_of(const tempo_arch *arch, const char *name, bool *bias)
{
    const char *dot = strrchr(name, '.'),
               *base = strncmp(name, "blk.", 4) == 0 ? strchr(name + 4, '.') : NULL;

    base = base != NULL ? base + 1 : name;
    *bias = dot != NULL && strcmp(dot, ".bias") == 0;
    for (size_t i = 0; i < arch->n_parts && dot != NULL; i++) {
        const char *part = arch->parts[i].gguf;
        if (part != NULL && strlen(part) == (size_t)(dot - base) && memcmp(part, base, strlen(part)) == 0)
            return arch->parts[i].place;
    }
    return TEMPO_PLACES;
}

static bool is_listed(const plan *p, const char *name)
{
    for (size_t i = p->n; i-- > 0;) /* experts ask again for what all of them share */
        if (strcmp(p->list[i].name, name) == 0)
            return true;
    return false;
}

static void ask(void *user, const char *name, uint32_t n_dims, const uint64_t *dims, bool required)
{
    plan *p = user;
    tempo_planned t = {.n_dims = n_dims, .dims = {1, 1, 1, 1}};

    if (strlen(name) >= sizeof(t.name) || is_listed(p, name))
        return;
    memcpy(t.name, name, strlen(name) + 1);
    memcpy(t.dims, dims, n_dims * sizeof(*dims));
    t.place = place_of(p->arch, name, &t.bias);
    if (!required && t.place != TEMPO_PLACES) /* biases that such a model may do without */
        return;
    if (p->n == p->cap) {
        const size_t cap = p->cap != 0 ? 2 * p->cap : 64;
        tempo_planned *more = realloc(p->list, cap * sizeof(*more));
        if (more == NULL) {
            p->failed = true;
            return;
        }
        p->list = more;
        p->cap = cap;
    }
    p->list[p->n++] = t;
}

static tempo_status list_tensors(const tempo_shape *s, const tempo_gguf_writer *w, tempo_model *m, plan *p,
                                 tempo_err *err)
{
    tempo_loader ld = {
        .m = m, .f = m->files, .load = TEMPO_LOAD_ALL, .err = err, .asked = ask, .asked_user = p};
    unsigned char *image;
    size_t n;
    tempo_status st = tempo_gguf_metadata(w, &image, &n, err);

    if (st == TEMPO_OK)
        st = tempo_gguf_parse(&ld.f->gguf, image, n, err);
    if (st == TEMPO_OK)
        st = tempo_gguf_facts(&ld);
    ld.facts.tied = s->tied;
    if (st == TEMPO_OK)
        st = tempo_bind(&ld);
    if (st == TEMPO_OK && p->failed)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of tensors");
    tempo_gguf_free(&ld.f->gguf); /* what is borrowed goes first */
    ld.f->gguf = (tempo_gguf){0};
    free(image);
    return st;
}

tempo_status tempo_synth_plan(const tempo_shape *s, const tempo_gguf_writer *w, tempo_planned **out,
                              size_t *n, tempo_err *err)
{
    plan p = {.arch = tempo_arch_of_gguf(s->arch)};
    tempo_model *m = calloc(1, sizeof(*m));
    tempo_status st = TEMPO_E_NOMEM;

    if (m != NULL && (m->files = calloc(1, sizeof(*m->files))) != NULL)
        st = list_tensors(s, w, m, &p, err);
    else
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of tensors");
    tempo_model_free(m);
    if (st != TEMPO_OK) {
        free(p.list);
        p = (plan){0};
    }
    *out = p.list;
    *n = p.n;
    return st;
}
