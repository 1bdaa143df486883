/* siblings.c - one set read again and again, each time with some of its edges changed. */
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "trace/cells.h"

/* What a cell is, with the layer that it begins in. */
typedef struct task {
    size_t cell;
    uint32_t begin;
} task;

typedef struct trace_run {
    tempo_engine *e;
    const tempo_model *model;
    tempo_trace_options o;
    tempo_decode_options d;
    const tempo_seq *seq;
    tempo_trace_owned *w;
    size_t m, n_slots; /* members with slots; slots in front of them */
    size_t forks;      /* of a cell: cut, and exchanged */
    uint32_t set;      /* number that the set has, behind no strangers */
    tempo_row *member; /* [m] in slot order, without a sequence */
    double *p;         /* [m] */
    tempo_seq *strangers;
    float *resid;             /* [layers, m, d_model] of the run's rows: hook_resid_pre */
    double *q_run, *q[2];     /* [n_vocab] of the run; of the variants of a cell */
    tempo_layer_heads *edges; /* [layers] */
    size_t batch;             /* cells of one */
    size_t room;              /* forks that there is room for */
    tempo_seq **seqs;         /* [room] */
    tempo_row *rows;          /* [room * m] */
    tempo_start *starts;
    size_t done;
} trace_run;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to trace a set");
}

/* ---- the set ---- */

static int by_slot(const void *a, const void *b)
{
    const tempo_member *x = a, *y = b;

    return (x->slot > y->slot) - (x->slot < y->slot);
}

static tempo_row row_of(const trace_run *r, const tempo_member *m)
{
    const tempo_decode_options *d = &r->d;

    return (tempo_row){.token = m->id,
                       .position = m->position,
                       .mode = d->mode,
                       .first_layer = d->first_visible_layer,
                       .n_layers = d->last_visible_layer == TEMPO_ALL_LAYERS
                                       ? 0
                                       : d->last_visible_layer - d->first_visible_layer + 1,
                       .nudge = d->nudge,
                       .want = TEMPO_WANT_LOGITS};
}

static tempo_status take_set(trace_run *r, const tempo_set *set, tempo_err *err)
{
    tempo_member *with = malloc((set->n_members + 1) * sizeof(*with));
    tempo_status st = TEMPO_OK;

    r->member = calloc(set->n_members + 1, sizeof(*r->member));
    r->p = calloc(set->n_members + 1, sizeof(*r->p));
    if (with == NULL || r->member == NULL || r->p == NULL) {
        free(with);
        return no_memory(err);
    }
    for (size_t i = 0; i < set->n_members; i++)
        if (set->members[i].slot >= 0)
            with[r->m++] = set->members[i];
    qsort(with, r->m, sizeof(*with), by_slot);
    r->n_slots = r->m > 0 ? (size_t)with[0].slot : 0;
    if (r->m < 2 || r->n_slots == 0 || r->n_slots > tempo_seq_slot_count(r->seq))
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                        "the set of step %zu cannot be traced: %zu slots from %zu on, behind %zu", set->step,
                        r->m, r->n_slots, tempo_seq_slot_count(r->seq));
    for (size_t i = 0; i < r->m && st == TEMPO_OK; i++) {
        r->member[i] = row_of(r, &with[i]);
        r->p[i] = with[i].probability;
    }
    free(with);
    return st;
}

/* ---- what the run has, and the strangers ---- */

static bool poll_run(void *user)
{
    const trace_run *r = user;

    return r->o.poll == NULL || r->o.poll(r->o.user);
}

static bool keep_resid(void *user, const tempo_tap_view *v)
{
    const trace_run *r = user;
    const size_t d = r->model->hp.d_model;

    memcpy(r->resid + (v->layer * r->m + v->row) * d, v->values, d * sizeof(float));
    return true;
}

/* Rows of the set at the end of a sequence. */
static void put_set(const trace_run *r, tempo_seq *seq, const int32_t *ids, unsigned want, tempo_row *rows)
{
    for (size_t i = 0; i < r->m; i++) {
        rows[i] = r->member[i];
        rows[i].seq = seq;
        rows[i].set = seq->next_set;
        rows[i].want = want;
        rows[i].token = ids != NULL ? ids[i] : rows[i].token;
    }
}

/* q of m rows of the last pass, from row `first` on. */
static tempo_status read_out(const trace_run *r, size_t first, double *q, tempo_err *err)
{
    const float **rows = malloc(r->m * sizeof(*rows));
    double entropy;
    tempo_status st = rows != NULL ? TEMPO_OK : no_memory(err);

    for (size_t i = 0; i < r->m && st == TEMPO_OK; i++)
        if ((st = tempo_engine_check_logits(r->e, first + i, err)) == TEMPO_OK)
            rows[i] = tempo_engine_logits(r->e, first + i);
    const tempo_readout_in in = {.rows = rows,
                                 .p = r->p,
                                 .m = r->m,
                                 .n_vocab = r->model->hp.n_vocab,
                                 .how = r->d.readout,
                                 .temperature = r->d.temperature,
                                 .kernels = &r->model->kernels,
                                 .pool = r->e->pool};
    if (st == TEMPO_OK)
        st = tempo_readout_mix(q, &entropy, &in, err);
    free(rows);
    return st;
}

static tempo_status create_fork(const trace_run *r, tempo_seq **out, tempo_err *err)
{
    const tempo_seq_options so = {.size = sizeof(so), .kv = r->seq->kv};

    return tempo_seq_create(out, r->e, &so, err);
}

/* The set as the run read it: its q, and its residual stream before each layer. */
static tempo_status run_unchanged(trace_run *r, tempo_err *err)
{
    const tempo_tap_selection taps = {.tap = TEMPO_TAP_RESID_PRE};
    const tempo_observer obs = {.user = r, .poll = poll_run, .view = keep_resid, .taps = &taps, .n_taps = 1};
    tempo_seq *seq;
    tempo_status st = create_fork(r, &seq, err);

    if (st == TEMPO_OK && (st = tempo_seq_begin(seq, r->seq, r->n_slots, 0, err)) == TEMPO_OK &&
        (st = tempo_seq_set_edits(seq, r->d.edits, r->seq->n_prompt, err)) == TEMPO_OK) {
        r->set = seq->next_set;
        put_set(r, seq, NULL, TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS, r->rows);
        if ((st = tempo_engine_pass(r->e, r->rows, r->m, &obs, err)) == TEMPO_OK)
            st = read_out(r, 0, r->q_run, err);
    }
    tempo_seq_free(seq);
    for (size_t i = 0; i < r->o.n_tokens && st == TEMPO_OK; i++)
        r->w->token_q[i] = r->q_run[r->o.tokens[i]];
    return st;
}

/* A set of strangers behind what stands in front of the set, at its positions. */
static tempo_status run_strangers(trace_run *r, tempo_err *err)
{
    const tempo_observer obs = {.user = r, .poll = poll_run};
    tempo_status st;

    for (size_t i = 0; i < r->m; i++)
        if (r->o.strangers[i] < 0 || (uint32_t)r->o.strangers[i] >= r->model->hp.n_vocab)
            return tempo_fail_field(err, TEMPO_E_ARG, "strangers",
                                    "strangers: token %d: the vocabulary has ids 0 to %u",
                                    (int)r->o.strangers[i], r->model->hp.n_vocab - 1);
    if ((st = create_fork(r, &r->strangers, err)) != TEMPO_OK ||
        (st = tempo_seq_begin(r->strangers, r->seq, r->n_slots, 0, err)) != TEMPO_OK ||
        (st = tempo_seq_set_edits(r->strangers, r->d.edits, r->seq->n_prompt, err)) != TEMPO_OK)
        return st;
    put_set(r, r->strangers, r->o.strangers, 0, r->rows);
    return tempo_engine_pass(r->e, r->rows, r->m, &obs, err);
}

/* ---- variants ---- */

/* Fork number k of the batch: what precedes the set, and the edits of one side of a cell. */
static tempo_status put_variant(trace_run *r, size_t k, const task *t, bool exchange, tempo_err *err)
{
    const uint32_t begin = t->begin;
    const size_t d = r->model->hp.d_model;
    const tempo_trace_change change = {.edges = r->edges,
                                       .exchange = exchange,
                                       .set = r->set + exchange,
                                       .m = r->m,
                                       .causal = r->d.mode == TEMPO_CAUSAL,
                                       .base = r->d.edits};
    tempo_edits *l = NULL;
    tempo_status st;

    if ((r->seqs[k] == NULL && (st = create_fork(r, &r->seqs[k], err)) != TEMPO_OK) ||
        (st = tempo_seq_begin(r->seqs[k], exchange ? r->strangers : r->seq,
                              r->n_slots + (exchange ? r->m : 0), begin, err)) != TEMPO_OK ||
        (st = tempo_trace_edits(&l, r->model, &change, err)) != TEMPO_OK)
        return st;
    st = tempo_seq_set_edits(r->seqs[k], l, r->seq->n_prompt, err);
    tempo_edits_free(l);
    put_set(r, r->seqs[k], NULL, TEMPO_WANT_LOGITS, r->rows + k * r->m);
    for (size_t i = 0; i < r->m; i++)
        r->starts[k * r->m + i] = (tempo_start){begin, begin > 0 ? r->resid + (begin * r->m + i) * d : NULL};
    return st;
}

static bool same_id(const int32_t *ids, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* Would p and q give other sets? */
static bool sets_differ(const trace_run *r, const double *p, const double *q)
{
    enum { COMPARED = 1024 }; /* members of very large sets that are looked at */
    const size_t n = r->model->hp.n_vocab,
                 most = r->d.max_set == 0 || r->d.max_set > COMPARED ? COMPARED : r->d.max_set;
    int32_t a[COMPARED], b[COMPARED];
    size_t na = tempo_threshold_set(p, n, r->d.threshold, most, a);
    size_t nb = tempo_threshold_set(q, n, r->d.threshold, most, b);
    bool differ = false;

    if (r->d.max_set == 0 && na != nb)
        return true;
    na = na < most ? na : most;
    nb = nb < most ? nb : most;
    differ = na != nb;
    for (size_t i = 0; i < na && !differ; i++)
        differ = !same_id(b, nb, a[i]);
    return differ;
}

static tempo_trace_effect effect_of(const trace_run *r, const double *p, const double *q)
{
    const size_t n = r->model->hp.n_vocab;

    return (tempo_trace_effect){tempo_tv(p, q, n), tempo_kl(p, q, n), sets_differ(r, p, q)};
}

static tempo_status compare(const trace_run *r, size_t k, size_t cell, tempo_err *err)
{
    tempo_trace_owned *w = r->w;
    tempo_trace_cell *c = &w->cells[cell];
    tempo_status st;

    for (size_t f = 0; f < r->forks; f++)
        if ((st = read_out(r, (k + f) * r->m, r->q[f], err)) != TEMPO_OK)
            return st;
    c->cut = effect_of(r, r->q_run, r->q[0]);
    if (r->forks > 1) {
        c->exchanged = effect_of(r, r->q_run, r->q[1]);
        c->strangers = effect_of(r, r->q[1], r->q[0]);
    }
    for (size_t i = 0; i < r->o.n_tokens; i++) {
        w->token_cut[cell * r->o.n_tokens + i] = r->q[0][r->o.tokens[i]];
        if (r->forks > 1)
            w->token_exchanged[cell * r->o.n_tokens + i] = r->q[1][r->o.tokens[i]];
    }
    return TEMPO_OK;
}

/* n tasks in one pass. */
static tempo_status run_batch(trace_run *r, const task *tasks, size_t n, tempo_err *err)
{
    const tempo_observer obs = {.user = r, .poll = poll_run};
    const uint32_t layers = r->model->hp.n_layers;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        tempo_trace_edges(&r->w->t, &r->w->cells[tasks[i].cell], r->edges, layers);
        for (size_t f = 0; f < r->forks && st == TEMPO_OK; f++)
            st = put_variant(r, i * r->forks + f, &tasks[i], f == 1, err);
    }
    if (st == TEMPO_OK)
        st = tempo_engine_pass_part(r->e, r->rows, r->starts, n * r->forks * r->m, layers, &obs, err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = compare(r, i * r->forks, tasks[i].cell, err);
    return st;
}

static int by_begin(const void *a, const void *b)
{
    const task *x = a, *y = b;

    return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin)
                                : (x->cell > y->cell) - (x->cell < y->cell);
}

/* Cells [first, end), those that begin lowest first.  What does not fit into memory goes again in halves. */
static tempo_status run_cells(trace_run *r, size_t first, size_t end, tempo_err *err)
{
    const uint32_t layers = r->model->hp.n_layers;
    task *tasks = malloc((end - first + 1) * sizeof(*tasks));
    tempo_status st = tasks != NULL ? TEMPO_OK : no_memory(err);

    for (size_t i = first; i < end && st == TEMPO_OK; i++) {
        tempo_trace_edges(&r->w->t, &r->w->cells[i], r->edges, layers);
        tasks[i - first] = (task){i, tempo_trace_begin(r->edges, layers)};
    }
    if (st == TEMPO_OK)
        qsort(tasks, end - first, sizeof(*tasks), by_begin);
    for (size_t at = 0; at < end - first && st == TEMPO_OK;) {
        const size_t n = end - first - at < r->batch ? end - first - at : r->batch;
        tempo_err why = {0};
        if (r->o.progress != NULL)
            r->o.progress(r->o.user, r->done, r->w->t.n_cells);
        st = run_batch(r, tasks + at, n, &why);
        if (st == TEMPO_E_NOMEM && n > 1) {
            r->batch = n / 2;
            for (size_t i = r->batch * r->forks; i < r->room; i++) {
                tempo_seq_free(r->seqs[i]);
                r->seqs[i] = NULL;
            }
            st = TEMPO_OK;
            continue;
        }
        if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
            *err = why;
        at += n;
        r->done += n;
    }
    free(tasks);
    return st;
}

/* ---- life ---- */

static tempo_status make_room(trace_run *r, tempo_err *err)
{
    const tempo_hparams *hp = &r->model->hp;
    uint64_t bytes;

    r->forks = r->o.strangers != NULL ? 2 : 1;
    r->batch = tempo_trace_batch(r->model, &r->o, &r->d, r->m, r->n_slots, &bytes);
    r->resid = malloc((size_t)hp->n_layers * r->m * hp->d_model * sizeof(float));
    r->q_run = malloc(hp->n_vocab * sizeof(double));
    r->q[0] = malloc(hp->n_vocab * sizeof(double));
    r->q[1] = malloc(hp->n_vocab * sizeof(double));
    r->edges = calloc(hp->n_layers, sizeof(*r->edges));
    r->room = r->batch * r->forks;
    r->seqs = calloc(r->room, sizeof(*r->seqs));
    r->rows = calloc(r->room * r->m, sizeof(*r->rows));
    r->starts = calloc(r->room * r->m, sizeof(*r->starts));
    return r->resid != NULL && r->q_run != NULL && r->q[0] != NULL && r->q[1] != NULL && r->edges != NULL &&
                   r->seqs != NULL && r->rows != NULL && r->starts != NULL &&
                   tempo_trace_lay_out(r->w, r->o.first_layer, r->o.last_layer - r->o.first_layer + 1,
                                       hp->n_heads, r->o.n_tokens, r->forks > 1)
               ? TEMPO_OK
               : no_memory(err);
}

static void give_back(trace_run *r)
{
    for (size_t i = 0; r->seqs != NULL && i < r->room; i++)
        tempo_seq_free(r->seqs[i]);
    tempo_seq_free(r->strangers);
    free(r->seqs);
    free(r->rows);
    free(r->starts);
    free(r->edges);
    free(r->q_run);
    free(r->q[0]);
    free(r->q[1]);
    free(r->resid);
    free(r->p);
    free(r->member);
}

static tempo_status trace(trace_run *r, const tempo_set *set, tempo_err *err)
{
    tempo_status st;

    if (r->seq->engine != r->e)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "the sequence that is traced is another engine's");
    r->d.kv = r->seq->kv;
    if ((st = take_set(r, set, err)) != TEMPO_OK || (st = make_room(r, err)) != TEMPO_OK)
        return st;
    const tempo_trace *t = &r->w->t;
    r->w->t.n_members = r->m;
    if ((st = run_unchanged(r, err)) != TEMPO_OK ||
        (r->forks > 1 && (st = run_strangers(r, err)) != TEMPO_OK) ||
        (st = run_cells(r, 0, t->first[TEMPO_TRACE_KEEP], err)) != TEMPO_OK)
        return st;
    return !tempo_trace_rank(r->w) ? no_memory(err)
                                   : run_cells(r, t->first[TEMPO_TRACE_KEEP], t->n_cells, err);
}

tempo_status tempo_trace_siblings(tempo_trace **out, tempo_engine *e, const tempo_seq *seq,
                                  const tempo_set *set, const tempo_trace_options *o, tempo_err *err)
{
    trace_run r = {.e = e, .model = e->model, .seq = seq};
    tempo_status st = tempo_trace_options_take(&r.o, &r.d, e->model, o, err);

    *out = NULL;
    if (st == TEMPO_OK && (r.w = calloc(1, sizeof(*r.w))) == NULL)
        st = no_memory(err);
    if (st == TEMPO_OK)
        st = trace(&r, set, err);
    give_back(&r);
    if (st == TEMPO_OK)
        *out = &r.w->t;
    else if (r.w != NULL)
        tempo_trace_free(&r.w->t);
    return st;
}

void tempo_trace_free(tempo_trace *t)
{
    tempo_trace_owned *w = (tempo_trace_owned *)t; /* its first member */

    if (t == NULL)
        return;
    free(w->cells);
    free(w->strongest);
    free(w->token_q);
    free(w->token_cut);
    free(w->token_exchanged);
    free(w);
}
