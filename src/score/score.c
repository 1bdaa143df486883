/* score.c - windows of texts through the model, as many rows a pass as go. */
#include <stdlib.h>

#include "base/options.h"
#include "decode/decode.h"
#include "metrics/metrics.h"
#include "score/score.h"

/* Rows of a pass: their logits are bounded, too. */
enum { MOST_ROWS = 128, FEW_ROWS = 8, MOST_LOGITS = 128 << 20 };

TEMPO_OPTIONS(tempo_score_options, .top = 0)

typedef struct scoring {
    tempo_engine *e;
    const tempo_score_text *texts; /* [n] */
    size_t n;
    tempo_score_options o;
    tempo_score_columns **columns; /* [n] */
    size_t batch;                  /* rows of a pass */
    tempo_row *rows;               /* [batch] */
    tempo_score_place *reads;      /* [batch] */
    tempo_seq **seqs;              /* [n_seqs] of the pass; at most batch */
    tempo_score_window *windows;   /* [batch] theirs */
    size_t n_rows, n_reads, n_seqs;
    tempo_score_window w; /* the last one that was begun */
    size_t run;           /* rows of it that have run, or are in the pass */
    bool more;            /* there may be windows after it */
    size_t done, total;
    double *room; /* [threads][2 * n_vocab] */
} scoring;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for scores");
}

/* ---- what is asked ---- */

/* The options, complete: window is set, top within the vocabulary. */
static tempo_status take_options(tempo_score_options *o, const tempo_score_options *given,
                                 const tempo_hparams *hp, tempo_err *err)
{
    tempo_status st = tempo_options_take(&tempo_score_options_kind, o, given, err);

    if (st != TEMPO_OK)
        return st;
    if (o->top > TEMPO_TOP_K_MAX)
        return tempo_fail_field(err, TEMPO_E_ARG, "top", "top is %zu, at most %d", o->top, TEMPO_TOP_K_MAX);
    if (o->window == 1 || o->window > hp->n_ctx)
        return tempo_fail_field(err, TEMPO_E_ARG, "window",
                                "window is %zu, expected 2 to the model's context of %u tokens", o->window,
                                hp->n_ctx);
    o->window = o->window == 0 ? hp->n_ctx : o->window;
    if (o->stride >= o->window)
        return tempo_fail_field(err, TEMPO_E_ARG, "stride",
                                "stride is %zu, expected 1 to %zu: less than the window", o->stride,
                                o->window - 1);
    o->top = o->top < hp->n_vocab ? o->top : hp->n_vocab;
    return TEMPO_OK;
}

static tempo_status check_text(const tempo_score_text *t, const tempo_score_options *o,
                               const tempo_hparams *hp, tempo_err *err)
{
    if (t->n == 0)
        return tempo_fail_field(err, TEMPO_E_ARG, "text", "a text without tokens");
    for (size_t i = 0; i < t->n; i++)
        if (t->ids[i] < 0 || (uint32_t)t->ids[i] >= hp->n_vocab)
            return tempo_fail_field(err, TEMPO_E_ARG, "text",
                                    "token %zu has id %d, the vocabulary has ids 0 to %u", i, t->ids[i],
                                    hp->n_vocab - 1);
    if (t->n <= o->window || o->stride > 0)
        return TEMPO_OK;
    return tempo_fail_field(
        err, TEMPO_E_LIMIT, "stride",
        "the text has %zu tokens and %s %zu: with a stride it is scored in windows that overlap", t->n,
        o->window == hp->n_ctx ? "the model's context is" : "the window is", o->window);
}

static tempo_status check(tempo_score_options *out, const tempo_model *m, const tempo_score_text *texts,
                          size_t n, const tempo_score_options *o, tempo_err *err)
{
    tempo_status st = take_options(out, o, &m->hp, err);

    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        if ((st = check_text(&texts[i], out, &m->hp, err)) != TEMPO_OK && n > 1)
            tempo_err_prefix(err, "text %zu", i);
    return st;
}

tempo_status tempo_score_check(const tempo_model *m, const tempo_score_text *texts, size_t n,
                               const tempo_score_options *o, tempo_err *err)
{
    tempo_score_options all;

    return check(&all, m, texts, n, o, err);
}

/* ---- a pass ---- */

/* A sequence for the window at hand. */
static tempo_status begin_window(scoring *g, tempo_err *err)
{
    const tempo_seq_options so = {.size = sizeof(so), .kv = g->o.kv};
    tempo_seq **seq = &g->seqs[g->n_seqs];
    tempo_status st = tempo_seq_create(seq, g->e, &so, err);

    if (st != TEMPO_OK)
        return st;
    g->windows[g->n_seqs++] = g->w;
    return tempo_seq_set_edits(*seq, g->o.edits, g->w.end - g->w.begin, err);
}

static void put_row(scoring *g, tempo_seq *seq)
{
    const size_t at = g->w.begin + g->run;
    const bool read = at + 1 >= g->w.first;

    if (read)
        g->reads[g->n_reads++] = (tempo_score_place){g->columns[g->w.text], g->n_rows, at + 1, g->run + 1};
    g->rows[g->n_rows++] = (tempo_row){.seq = seq,
                                       .token = g->texts[g->w.text].ids[at],
                                       .set = (uint32_t)g->run,
                                       .position = (double)g->run,
                                       .want = read ? TEMPO_WANT_LOGITS : 0};
    g->run++;
}

/* Rows of the window at hand, then of those behind it. */
static tempo_status fill(scoring *g, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    while (g->n_rows < g->batch && st == TEMPO_OK) {
        if (g->w.end > 0 && g->run < g->w.end - g->w.begin - 1) {
            put_row(g, g->seqs[g->n_seqs - 1]);
            continue;
        }
        if (!g->more)
            break;
        g->more = tempo_score_next(&g->w, g->texts, g->n, &g->o);
        g->run = 0;
        if (!g->more)
            g->w = (tempo_score_window){0};
        else
            st = begin_window(g, err);
    }
    return st;
}

static void end_window(const scoring *g, size_t i)
{
    tempo_score_columns *c = g->columns[g->windows[i].text];

    for (size_t k = 0; k < c->s.n_edits; k++) {
        const tempo_edit_use use = tempo_seq_edit_use(g->seqs[i], k);
        c->edit_uses[k].came |= use.came;
        c->edit_uses[k].changed |= use.changed;
    }
    tempo_seq_free(g->seqs[i]);
    g->seqs[i] = NULL;
}

/* All windows of the pass but the last one, where more of it comes. */
static void end_windows(scoring *g)
{
    const bool goes_on = g->n_seqs > 0 && g->w.end > 0 && g->run < g->w.end - g->w.begin - 1;
    tempo_seq *last = goes_on ? g->seqs[g->n_seqs - 1] : NULL;
    const tempo_score_window w = goes_on ? g->windows[g->n_seqs - 1] : g->w;

    for (size_t i = 0; i + goes_on < g->n_seqs; i++)
        end_window(g, i);
    g->n_seqs = goes_on;
    g->seqs[0] = last;
    g->windows[0] = w;
}

static tempo_status run(scoring *g, tempo_err *err)
{
    const tempo_observer obs = {.user = g->o.user, .poll = g->o.poll};
    tempo_status st = TEMPO_OK;

    g->more = true;
    while (st == TEMPO_OK) {
        g->n_rows = g->n_reads = 0;
        if (g->o.progress != NULL)
            g->o.progress(g->o.user, g->done, g->total);
        if ((st = fill(g, err)) != TEMPO_OK || g->n_rows == 0)
            break;
        if ((st = tempo_engine_forward(g->e, g->rows, g->n_rows, &obs, err)) == TEMPO_OK)
            st = tempo_score_read(g->e, g->reads, g->n_reads, g->room, err);
        g->done += g->n_rows;
        end_windows(g);
    }
    return st;
}

/* ---- life ---- */

static tempo_status make_room(scoring *g, tempo_err *err)
{
    const size_t vocab = g->e->model->hp.n_vocab, fit = MOST_LOGITS / (vocab * sizeof(float));

    g->batch = fit > MOST_ROWS ? MOST_ROWS : fit < FEW_ROWS ? FEW_ROWS : fit;
    g->columns = calloc(g->n + 1, sizeof(*g->columns));
    g->rows = calloc(g->batch, sizeof(*g->rows));
    g->reads = calloc(g->batch, sizeof(*g->reads));
    g->seqs = calloc(g->batch + 1, sizeof(*g->seqs)); /* one more: a window can begin at the end of a pass */
    g->windows = calloc(g->batch + 1, sizeof(*g->windows));
    g->room = calloc((size_t)tempo_engine_threads(g->e) * 2 * vocab, sizeof(*g->room));
    if (g->columns == NULL || g->rows == NULL || g->reads == NULL || g->seqs == NULL || g->windows == NULL ||
        g->room == NULL)
        return no_memory(err);
    for (size_t i = 0; i < g->n; i++) {
        const tempo_status st = tempo_score_columns_create(&g->columns[i], g->e, &g->texts[i], g->o.top,
                                                           tempo_edits_count(g->o.edits), err);
        if (st != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static void give_back(scoring *g)
{
    for (size_t i = 0; g->seqs != NULL && i < g->n_seqs; i++)
        tempo_seq_free(g->seqs[i]);
    for (size_t i = 0; g->columns != NULL && i < g->n; i++)
        if (g->columns[i] != NULL)
            tempo_score_free(&g->columns[i]->s);
    free(g->columns);
    free(g->rows);
    free(g->reads);
    free(g->seqs);
    free(g->windows);
    free(g->room);
}

tempo_status tempo_score_create(tempo_score **out, tempo_engine *e, const tempo_score_text *texts, size_t n,
                                const tempo_score_options *o, tempo_err *err)
{
    scoring g = {.e = e, .texts = texts, .n = n};
    tempo_score_window w = {0};
    tempo_status st = check(&g.o, e->model, texts, n, o, err);

    for (size_t i = 0; i < n; i++)
        out[i] = NULL;
    while (st == TEMPO_OK && tempo_score_next(&w, texts, n, &g.o))
        g.total += w.end - w.begin - 1;
    if (st == TEMPO_OK && (st = make_room(&g, err)) == TEMPO_OK)
        st = run(&g, err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        tempo_score_columns_end(g.columns[i]);
        out[i] = &g.columns[i]->s;
        g.columns[i] = NULL;
    }
    give_back(&g);
    return st;
}
