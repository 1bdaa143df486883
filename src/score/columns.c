/* columns.c - what is told of a text: rows of logits become entries of its columns. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "metrics/metrics.h"
#include "score/score.h"

static void layout(tempo_score_columns *c, tempo_arena *a)
{
    const tempo_score *s = &c->s;

    c->ids = tempo_arena_alloc(a, s->n_tokens, sizeof(*c->ids));
    c->logprob = tempo_arena_alloc(a, s->n_tokens, sizeof(*c->logprob));
    c->entropy = tempo_arena_alloc(a, s->n_tokens, sizeof(*c->entropy));
    c->rank = tempo_arena_alloc(a, s->n_tokens, sizeof(*c->rank));
    c->context = tempo_arena_alloc(a, s->n_tokens, sizeof(*c->context));
    c->top_ids = tempo_arena_alloc(a, s->n_tokens * s->n_top, sizeof(*c->top_ids));
    c->top_logprob = tempo_arena_alloc(a, s->n_tokens * s->n_top, sizeof(*c->top_logprob));
    c->edit_uses = tempo_arena_alloc(a, s->n_edits, sizeof(*c->edit_uses));
}

/* As entries are that nobody scores. */
static void clear(tempo_score_columns *c, const tempo_score_text *text)
{
    tempo_score *s = &c->s;

    memcpy(c->ids, text->ids, s->n_tokens * sizeof(*c->ids));
    for (size_t i = 0; i < s->n_tokens; i++) {
        c->logprob[i] = c->entropy[i] = (double)NAN;
        c->rank[i] = c->context[i] = 0;
    }
    for (size_t i = 0; i < s->n_tokens * s->n_top; i++) {
        c->top_ids[i] = -1;
        c->top_logprob[i] = (double)NAN;
    }
    for (size_t i = 0; i < s->n_edits; i++)
        c->edit_uses[i] = (tempo_edit_use){0};
    s->ids = c->ids;
    s->logprob = c->logprob;
    s->entropy = c->entropy;
    s->rank = c->rank;
    s->context = c->context;
    s->top_ids = c->top_ids;
    s->top_logprob = c->top_logprob;
    s->edit_uses = c->edit_uses;
}

tempo_status tempo_score_columns_create(tempo_score_columns **out, tempo_engine *e,
                                        const tempo_score_text *text, size_t top, size_t n_edits,
                                        tempo_err *err)
{
    tempo_score_columns *c = calloc(1, sizeof(*c));
    tempo_arena a = {0};
    tempo_status st = TEMPO_OK;

    *out = c;
    if (c == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for scores");
    c->s = (tempo_score){.n_tokens = text->n, .n_top = top, .n_edits = n_edits};
    layout(c, &a);
    if (!a.failed)
        st = tempo_engine_take(e, a.used, "the scores of a text", err);
    if (st == TEMPO_OK && (a.failed || (c->block = malloc(a.used + 1)) == NULL))
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for scores of %zu tokens", text->n);
    if (st != TEMPO_OK) {
        tempo_score_free(&c->s);
        *out = NULL;
        return st;
    }
    a = (tempo_arena){.base = c->block, .cap = a.used};
    layout(c, &a);
    clear(c, text);
    return TEMPO_OK;
}

void tempo_score_free(tempo_score *s)
{
    if (s == NULL)
        return;
    free(((tempo_score_columns *)(void *)s)->block);
    free(s);
}

void tempo_score_columns_end(tempo_score_columns *c)
{
    tempo_sum sum = {0};
    tempo_score *s = &c->s;

    for (size_t i = 0; i < s->n_tokens; i++)
        if (s->rank[i] > 0) {
            s->n_scored++;
            tempo_sum_add(&sum, s->logprob[i]);
        }
    s->logprob_sum = tempo_sum_value(&sum);
    s->perplexity = s->n_scored > 0 ? exp(-s->logprob_sum / (double)s->n_scored) : (double)NAN;
}

/* ---- rows ---- */

typedef struct read_job {
    tempo_engine *e;
    const tempo_score_place *rows;
    double *room;
    tempo_status *status; /* [rows] */
} read_job;

/* With a logarithm of the largest probability alone no other one is lost, however small it is. */
static void fill_entry(const tempo_score_place *r, const float *logits, size_t n, const double *q,
                       double *order)
{
    tempo_score_columns *c = r->c;
    const size_t top = c->s.n_top, at = r->at;
    size_t best = 0;

    for (size_t v = 1; v < n; v++)
        best = logits[v] > logits[best] ? v : best;
    const double largest = (double)logits[best], log_of_it = log(q[best]);
    c->logprob[at] = (double)logits[c->ids[at]] - largest + log_of_it;
    c->rank[at] = tempo_rank(logits, n, (size_t)c->ids[at]);
    c->context[at] = (uint32_t)r->context;
    if (top == 0)
        return;
    for (size_t v = 0; v < n; v++)
        order[v] = (double)logits[v];
    (void)tempo_top_k(order, n, top, c->top_ids + at * top);
    for (size_t i = 0; i < top; i++)
        c->top_logprob[at * top + i] = order[c->top_ids[at * top + i]] - largest + log_of_it;
}

static void read_row(void *arg, size_t task, unsigned worker)
{
    const read_job *job = arg;
    const tempo_score_place *r = &job->rows[task];
    const size_t n = job->e->model->hp.n_vocab;
    const float *logits = tempo_engine_logits(job->e, r->row);
    const double one = 1.0;
    double *q = job->room + (size_t)worker * 2 * n;
    const tempo_readout_in in = {.rows = &logits,
                                 .p = &one,
                                 .m = 1,
                                 .n_vocab = n,
                                 .how = TEMPO_READOUT_MIXTURE,
                                 .temperature = 1.0,
                                 .kernels = &job->e->model->kernels};

    job->status[task] = tempo_readout_mix(q, &r->c->entropy[r->at], &in, NULL);
    if (job->status[task] == TEMPO_OK)
        fill_entry(r, logits, n, q, q + n);
}

tempo_status tempo_score_read(tempo_engine *e, const tempo_score_place *rows, size_t n, double *room,
                              tempo_err *err)
{
    tempo_status *status = calloc(n + 1, sizeof(*status)), st = TEMPO_OK;
    const read_job job = {e, rows, room, status};

    if (status == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for scores");
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_engine_check_logits(e, rows[i].row, err);
    if (st == TEMPO_OK)
        tempo_pool_run(e->pool, n, read_row, (void *)(uintptr_t)&job);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        if (status[i] != TEMPO_OK)
            st = tempo_fail(err, status[i], TEMPO_NO_OFFSET, "no memory to read row %zu", rows[i].row);
    free(status);
    return st;
}
