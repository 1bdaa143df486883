/* doctor_edits.c - identities about what edits change, and what they leave alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/doctor.h"

/* ---- runs ---- */

/* A prompt and a set in one new sequence, edited. */
typedef struct edited_run {
    tempo_mode mode;
    uint32_t n_layers;        /* where it holds; 0: everywhere */
    const tempo_edits *edits; /* or NULL */
    const int32_t *prompt;    /* [d->n_prompt], or NULL: the doctor's */
    tempo_engine *engine;     /* or NULL: the doctor's */
    size_t chunk;             /* tokens of the prompt in a pass; 0: all */
    const tempo_observer *obs;
    tempo_seq *seq; /* out: to be freed */
} edited_run;

/* The set's logits go to out. */
static tempo_status run_edited(doctor *d, edited_run *r, float *out)
{
    tempo_engine *e = r->engine != NULL ? r->engine : d->s.engine;
    placed_set prompt = whole_prompt(d), set = first_set(d, r->mode);
    tempo_status st = open_seq(d, e, &r->seq);

    set.n_layers = r->n_layers;
    if (st == TEMPO_OK)
        st = tempo_seq_set_edits(r->seq, r->edits, d->n_prompt, &d->err);
    for (size_t at = 0; at < d->n_prompt && st == TEMPO_OK; at += prompt.n) {
        prompt.ids = (r->prompt != NULL ? r->prompt : d->prompt) + at;
        prompt.n = r->chunk > 0 && r->chunk < d->n_prompt - at ? r->chunk : d->n_prompt - at;
        prompt.position = (double)at;
        st = append_set(d, e, r->seq, &prompt, r->obs, NULL);
    }
    return st == TEMPO_OK ? append_set(d, e, r->seq, &set, r->obs, out) : st;
}

/* Raise *worst to the largest difference of the logits of both; of their caches, too. */
static tempo_status compare_runs(doctor *d, edited_run *a, edited_run *b, bool caches, double *worst)
{
    tempo_status st = run_edited(d, a, d->buffer[0]);

    if (st == TEMPO_OK && (st = run_edited(d, b, d->buffer[1])) == TEMPO_OK) {
        *worst = fmax(*worst, differ(d->buffer[0], d->buffer[1], DOCTOR_MEMBERS * d->n_vocab));
        if (caches)
            *worst = fmax(*worst, compare_cache(d, a->seq, b->seq));
    }
    tempo_seq_free(a->seq);
    tempo_seq_free(b->seq);
    a->seq = b->seq = NULL;
    return st;
}

/* One edit, whose from=other is that store (or NULL). */
static tempo_status make_edit(doctor *d, tempo_edits **l, const char *text, tempo_store *other)
{
    const tempo_edit_run run = {"other", other};
    const tempo_edit_inputs in = {
        .size = sizeof(in), .runs = &run, .n_runs = other != NULL, .no_files = true};
    const tempo_status st = tempo_edits_create(l, d->s.model, &d->err);

    return st == TEMPO_OK ? tempo_edits_add(*l, text, &in, &d->err) : st;
}

typedef struct keeping {
    tempo_store *store;
    tempo_err *err;
} keeping;

static bool keep(void *user, const tempo_tap_view *v)
{
    const keeping *k = user;

    return tempo_store_view(k->store, v, k->err);
}

/* What a run has at one tap, in all layers; its logits are in d->buffer[0]. */
static tempo_status keep_run(doctor *d, tempo_tap tap, edited_run *r, tempo_store **out)
{
    const tempo_tap_selection all = {.tap = tap};
    keeping k = {.err = &d->err};
    const tempo_observer obs = {.user = &k, .view = keep, .taps = &all, .n_taps = 1};
    tempo_status st = tempo_store_create(out, d->s.model, &all, 1, UINT64_MAX, &d->err);

    k.store = *out;
    r->obs = &obs;
    if (st == TEMPO_OK)
        st = run_edited(d, r, d->buffer[0]);
    r->obs = NULL;
    tempo_seq_free(r->seq);
    r->seq = NULL;
    return st;
}

/* ---- I11: what changes nothing ---- */

static tempo_status edit_nothing(doctor *d, const char *text, tempo_mode mode, tempo_store *own,
                                 double *worst)
{
    edited_run plain = {.mode = mode}, with = plain;
    tempo_edits *l = NULL;
    tempo_status st = make_edit(d, &l, text, own);

    with.edits = l;
    if (st == TEMPO_OK)
        st = compare_runs(d, &plain, &with, true, worst);
    tempo_edits_free(l);
    return st;
}

/* A run's own values in their place. */
static tempo_status patch_own(doctor *d, tempo_tap tap, double *worst)
{
    edited_run plain = {.mode = TEMPO_VISIBLE};
    tempo_store *own = NULL;
    char text[64];
    tempo_status st = keep_run(d, tap, &plain, &own);

    (void)snprintf(text, sizeof(text), "patch %s from=other", tempo_tap_get_info(d->s.model, tap).name);
    if (st == TEMPO_OK)
        st = edit_nothing(d, text, TEMPO_VISIBLE, own, worst);
    tempo_store_free(own);
    return st;
}

tempo_status edits_of_nothing(doctor *d, double *worst)
{
    static const char *const nothing[] = {"scale 1 resid_pre", "scale 1 pattern", "bias 0 all",
                                          "temperature 1"};
    static const tempo_tap own[] = {TEMPO_TAP_EMBED,   TEMPO_TAP_RESID_PRE, TEMPO_TAP_LN1_SCALE, TEMPO_TAP_K,
                                    TEMPO_TAP_PATTERN, TEMPO_TAP_Z,         TEMPO_TAP_MLP_POST};
    tempo_status st = edit_nothing(d, "cut siblings", TEMPO_ISOLATED, NULL, worst); /* nobody sees them */

    for (size_t i = 0; i < sizeof(nothing) / sizeof(*nothing) && st == TEMPO_OK; i++)
        st = edit_nothing(d, nothing[i], TEMPO_VISIBLE, NULL, worst);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own) && st == TEMPO_OK; i++)
        if (tempo_tap_get_info(d->s.model, own[i]).missing == NULL)
            st = patch_own(d, own[i], worst);
    return st;
}

/* ---- I12 ---- */

/* Siblings cut from a layer on, against rows that see them below it only. */
static tempo_status cut_from(doctor *d, tempo_mode mode, uint32_t layer, double *worst)
{
    edited_run rows = {.mode = layer > 0 ? mode : TEMPO_ISOLATED, .n_layers = layer}, cut = {.mode = mode};
    tempo_edits *l = NULL;
    char text[64];
    tempo_status st;

    (void)snprintf(text, sizeof(text), "cut siblings layers=%u-%u", layer,
                   tempo_model_get_info(d->s.model)->n_layers - 1);
    if ((st = make_edit(d, &l, text, NULL)) == TEMPO_OK) {
        cut.edits = l;
        st = compare_runs(d, &rows, &cut, true, worst);
    }
    tempo_edits_free(l);
    return st;
}

/* I12: siblings that are cut are siblings that are not seen. */
finding check_i12(doctor *d)
{
    const uint32_t middle = tempo_model_get_info(d->s.model)->n_layers / 2;
    double worst = 0;
    tempo_status st = TEMPO_OK;

    for (int mode = TEMPO_VISIBLE; mode <= TEMPO_CAUSAL && st == TEMPO_OK; mode++) {
        st = cut_from(d, (tempo_mode)mode, 0, &worst);
        if (middle > 0 && st == TEMPO_OK)
            st = cut_from(d, (tempo_mode)mode, middle, &worst);
    }
    return st == TEMPO_OK ? judge(worst, 0) : cannot_run();
}

/* ---- I13 ---- */

/* I13: a run whose input of one layer is another run's, in all rows, goes on as that one does. */
finding check_i13(doctor *d)
{
    const uint32_t n_layers = tempo_model_get_info(d->s.model)->n_layers;
    int32_t ids[DOCTOR_PROMPT];
    edited_run other = {.mode = TEMPO_VISIBLE, .prompt = ids}, run = {.mode = TEMPO_VISIBLE};
    tempo_store *store = NULL;
    double worst = 0;

    for (size_t i = 0; i < d->n_prompt; i++)
        ids[i] = (int32_t)(((size_t)d->prompt[i] + 1) % d->n_vocab);
    tempo_status st = keep_run(d, TEMPO_TAP_RESID_PRE, &other, &store);
    for (uint32_t layer = 0; layer < n_layers && st == TEMPO_OK; layer += n_layers > 2 ? n_layers / 2 : 1) {
        tempo_edits *l = NULL;
        char text[64];
        (void)snprintf(text, sizeof(text), "patch blocks.%u.hook_resid_pre from=other", layer);
        if ((st = make_edit(d, &l, text, store)) == TEMPO_OK) {
            run.edits = l;
            st = compare_runs(d, &other, &run, false, &worst);
        }
        tempo_edits_free(l);
    }
    tempo_store_free(store);
    return st == TEMPO_OK ? judge(worst, 0) : cannot_run();
}

/* ---- I15 ---- */

static tempo_status append_both(doctor *d, tempo_seq *const *seqs, uint32_t set, const placed_set *p,
                                float *const *out)
{
    tempo_row rows[2 * DOCTOR_PROMPT];

    for (size_t i = 0; i < 2; i++)
        fill_rows(rows + i * p->n, seqs[i], set, p, out != NULL ? TEMPO_WANT_LOGITS : 0u);
    const tempo_status st = tempo_engine_forward(d->s.engine, rows, 2 * p->n, NULL, &d->err);
    for (size_t i = 0; i < 2 * p->n && out != NULL && st == TEMPO_OK; i++)
        memcpy(out[i / p->n] + i % p->n * d->n_vocab, tempo_engine_logits(d->s.engine, i),
               d->n_vocab * sizeof(float));
    return st;
}

/* Two sequences in one batch, the second edited. */
static tempo_status run_both(doctor *d, const tempo_edits *l, float *const *out)
{
    const placed_set prompt = whole_prompt(d), set = first_set(d, TEMPO_VISIBLE);
    tempo_seq *seqs[2] = {NULL, NULL};
    tempo_status st = open_seq(d, d->s.engine, &seqs[0]);

    if (st == TEMPO_OK)
        st = open_seq(d, d->s.engine, &seqs[1]);
    if (st == TEMPO_OK)
        st = tempo_seq_set_edits(seqs[1], l, d->n_prompt, &d->err);
    if (st == TEMPO_OK && (st = append_both(d, seqs, 0, &prompt, NULL)) == TEMPO_OK)
        st = append_both(d, seqs, (uint32_t)d->n_prompt, &set, out);
    tempo_seq_free(seqs[0]);
    tempo_seq_free(seqs[1]);
    return st;
}

/* Each of both against itself alone, elsewhere. */
static tempo_status compare_both(doctor *d, const tempo_edits *l, tempo_engine *one_thread,
                                 float *const *both, double *worst)
{
    tempo_status st = run_both(d, l, both);

    for (int edited = 0; edited < 2 && st == TEMPO_OK; edited++) {
        edited_run alone = {
            .mode = TEMPO_VISIBLE, .edits = edited != 0 ? l : NULL, .engine = one_thread, .chunk = 1};
        if ((st = run_edited(d, &alone, d->buffer[0])) == TEMPO_OK)
            *worst = fmax(*worst, differ(d->buffer[0], both[edited], DOCTOR_MEMBERS * d->n_vocab));
        tempo_seq_free(alone.seq);
    }
    return st;
}

/* I15: in company and alone, with other threads and the prompt token by token. */
finding check_i15(doctor *d)
{
    static const char *const texts[] = {"zero z heads=0", "cut prompt:0-1",
                                        "scale 0.5 resid_post rows=generated"};
    const tempo_engine_options one = {.size = sizeof(one), .threads = 1};
    float *both[2] = {malloc(DOCTOR_MEMBERS * d->n_vocab * sizeof(float)),
                      malloc(DOCTOR_MEMBERS * d->n_vocab * sizeof(float))};
    tempo_engine *e = NULL;
    double worst = 0;
    tempo_status st = both[0] != NULL && both[1] != NULL ? TEMPO_OK : TEMPO_E_NOMEM;

    if (st == TEMPO_OK)
        st = tempo_engine_create(&e, d->s.model, &one, &d->err);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) && st == TEMPO_OK; i++) {
        tempo_edits *l = NULL;
        if ((st = make_edit(d, &l, texts[i], NULL)) == TEMPO_OK)
            st = compare_both(d, l, e, both, &worst);
        tempo_edits_free(l);
    }
    tempo_engine_free(e);
    free(both[0]);
    free(both[1]);
    return st == TEMPO_OK ? judge(worst, 0) : cannot_run();
}
