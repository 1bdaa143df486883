/* trace_npz.c - a trace as arrays: sets by cells. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace/trace.h"
#include "io/json.h"
#include "io/npz.h"
#include "run/decode_json.h"

typedef struct file {
    const trace_view *v;
    const tempo_trace *shape; /* of the first set */
    tempo_npz_writer *w;
    double *x;     /* [sets, cells, tokens or 1] */
    int64_t *ints; /* [sets or cells] */
    tempo_status st;
    tempo_err err;
} file;

static const traced_set *set_at(const trace_view *v, size_t i, size_t *prompt)
{
    *prompt = 0;
    while (i >= v->prompts[*prompt].n)
        i -= v->prompts[(*prompt)++].n;
    return &v->prompts[*prompt].sets[i];
}

static void add(file *f, const char *name, tempo_npy_type type, const void *data, unsigned n_dims, uint64_t a,
                uint64_t b, uint64_t c)
{
    const uint64_t shape[3] = {a, b, c};

    if (f->st == TEMPO_OK)
        f->st = tempo_npz_add(f->w, name, type, shape, n_dims, data, &f->err);
}

static void add_sets(file *f)
{
    static const char *const names[] = {"prompts", "steps", "members"};
    const size_t n = f->v->n_sets;

    for (size_t which = 0; which < 3; which++) {
        for (size_t i = 0; i < n; i++) {
            size_t prompt;
            const traced_set *s = set_at(f->v, i, &prompt);
            f->ints[i] = (int64_t)(which == 0 ? prompt : which == 1 ? s->set.step : s->t->n_members);
        }
        add(f, names[which], TEMPO_NPY_I64, f->ints, 1, n, 0, 0);
    }
}

static void add_cells(file *f)
{
    static const char *const names[] = {"cell_kinds", "cell_layers", "cell_heads", "cell_kept"};
    const size_t n = f->shape->n_cells;

    for (size_t which = 0; which < 4; which++) {
        for (size_t i = 0; i < n; i++) {
            const tempo_trace_cell *c = &f->shape->cells[i];
            const bool layer = c->kind != TEMPO_TRACE_ALL && c->kind != TEMPO_TRACE_KEEP;
            const int64_t values[] = {c->kind, layer ? (int64_t)c->layer : -1,
                                      c->kind == TEMPO_TRACE_HEAD ? (int64_t)c->head : -1,
                                      c->kind == TEMPO_TRACE_KEEP ? (int64_t)c->kept : -1};
            f->ints[i] = values[which];
        }
        add(f, names[which], TEMPO_NPY_I64, f->ints, 1, n, 0, 0);
    }
}

static double measure(const traced_set *s, size_t cell, int side, int m)
{
    const tempo_trace_cell *c = &s->t->cells[cell];
    const tempo_trace_effect *e = side == TEMPO_TRACE_CUT         ? &c->cut
                                  : side == TEMPO_TRACE_EXCHANGED ? &c->exchanged
                                                                  : &c->strangers;

    if (side != TEMPO_TRACE_CUT && !s->t->exchanged)
        return NAN;
    return m == TEMPO_TRACE_TV ? e->tv : m == TEMPO_TRACE_KL ? e->kl : (double)e->set_changes;
}

static void add_effects(file *f)
{
    const size_t cells = f->shape->n_cells, n = f->v->n_sets;
    char name[40];

    for (int side = TEMPO_TRACE_CUT; side <= TEMPO_TRACE_STRANGERS; side++)
        for (int m = 0; m < TEMPO_TRACE_MEASURES; m++) {
            for (size_t i = 0; i < n; i++) {
                size_t prompt;
                const traced_set *s = set_at(f->v, i, &prompt);
                for (size_t c = 0; c < cells; c++)
                    f->x[i * cells + c] = measure(s, c, side, m);
            }
            (void)snprintf(name, sizeof(name), "%s_%s", tempo_trace_sides[side], tempo_trace_measures[m]);
            add(f, name, TEMPO_NPY_F64, f->x, 2, n, cells, 0);
        }
}

static void add_answers(file *f)
{
    const size_t cells = f->shape->n_cells, n = f->v->n_sets, k = f->v->n_tokens;
    size_t prompt;

    add(f, "answer_ids", TEMPO_NPY_I32, f->v->tokens, 1, k, 0, 0);
    for (size_t i = 0; i < n; i++)
        memcpy(f->x + i * k, set_at(f->v, i, &prompt)->t->token_q, k * sizeof(double));
    add(f, "answers_run", TEMPO_NPY_F64, f->x, 2, n, k, 0);
    for (size_t i = 0; i < n; i++)
        memcpy(f->x + i * cells * k, set_at(f->v, i, &prompt)->t->token_cut, cells * k * sizeof(double));
    add(f, "answers_cut", TEMPO_NPY_F64, f->x, 3, n, cells, k);
    for (size_t i = 0; i < n * cells * k; i++) {
        const tempo_trace *t = set_at(f->v, i / (cells * k), &prompt)->t;
        f->x[i] = t->exchanged ? t->token_exchanged[i % (cells * k)] : NAN;
    }
    add(f, "answers_exchanged", TEMPO_NPY_F64, f->x, 3, n, cells, k);
}

static void add_metadata(file *f)
{
    const trace_view *v = f->v;
    json_t *prompts = json_array(), *kinds = json_array(), *decoding = json_object();
    json_t *doc = json_pack("{s:s, s:s, s:o, s:I, s:o, s:o, s:o}", "kind", "trace", "version",
                            tempo_version(), "model", json_model(v->s, v->o), "seed", (json_int_t)v->o->seed,
                            "decoding", decoding, "kinds", kinds, "prompts", prompts);

    tempo_json_add_decoding(decoding, &v->decoding, tempo_model_get_info(v->s->model)->n_layers);
    for (tempo_trace_kind kind = 0; kind < TEMPO_TRACE_KINDS; kind++)
        json_array_append_new(kinds, json_string(tempo_trace_kind_name(kind)));
    for (size_t i = 0; i < v->n_prompts; i++) {
        const traced_prompt *p = &v->prompts[i];
        json_array_append_new(prompts, p->line != NULL     ? json_text(p->line->key, strlen(p->line->key))
                                       : p->s.text != NULL ? json_text(p->s.text, p->s.n_text)
                                                           : json_null());
    }
    char *text = tempo_json_print(doc);
    json_decref(doc);
    if (f->st == TEMPO_OK)
        f->st = text != NULL ? tempo_npz_add_text(f->w, "metadata", text, &f->err) : TEMPO_E_NOMEM;
    free(text);
}

int trace_npz(const trace_view *v)
{
    size_t first;
    file f = {.v = v, .shape = set_at(v, 0, &first)->t};
    const size_t cells = f.shape->n_cells, k = v->n_tokens > 0 ? v->n_tokens : 1;

    if (tempo_npz_create(&f.w, v->o->npz, &f.err) != TEMPO_OK)
        return say_error(&f.err);
    f.x = calloc(v->n_sets * cells * k, sizeof(*f.x));
    f.ints = calloc(v->n_sets + cells, sizeof(*f.ints));
    if (f.x == NULL || f.ints == NULL)
        f.st = TEMPO_E_NOMEM;
    if (f.st == TEMPO_OK) {
        add_sets(&f);
        add_cells(&f);
        add_effects(&f);
        if (v->n_tokens > 0)
            add_answers(&f);
    }
    add_metadata(&f);
    if (f.st != TEMPO_OK)
        tempo_npz_abort(f.w);
    else
        f.st = tempo_npz_commit(f.w, &f.err);
    free(f.x);
    free(f.ints);
    if (f.st == TEMPO_E_NOMEM && f.err.code == TEMPO_OK) {
        say("%s: out of memory for it", v->o->npz);
        return EXIT_FAILED;
    }
    return f.st == TEMPO_OK ? EXIT_OK : say_error(&f.err);
}
