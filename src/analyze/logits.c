/* logits.c - logits of two captures row by row, and of one. */
#include "analyze/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"

enum { N_SHIFTS = 10, N_OVERLAPS = 4, N_TOP = 5 };
static const size_t overlaps[N_OVERLAPS] = {1, 5, 10, 20};
static const char *const overlap_names[N_OVERLAPS] = {"top1", "top5", "top10", "top20"};

enum { TV, KL, KL_BACK, JS, COSINE, MAX_DLOGP, TOP, N_NUMBERS = TOP + N_OVERLAPS };
static const char *const names[TOP] = {"tv", "kl", "kl_back", "js", "cosine", "max_dlogp"};

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to compare logits");
}

static json_t *numbers_report(const double *v)
{
    json_t *r = json_object();

    for (size_t i = 0; i < N_NUMBERS; i++)
        (void)json_object_set_new(r, i < TOP ? names[i] : overlap_names[i - TOP], tempo_analyze_number(v[i]));
    return r;
}

static json_t *shifts_report(const double *p, const double *q, size_t n)
{
    tempo_token_shift shifts[N_SHIFTS];
    const size_t k = tempo_most_different(p, q, n, N_SHIFTS, shifts);
    json_t *out = json_array();

    for (size_t i = 0; i < k; i++)
        (void)json_array_append_new(out, json_pack("{s:I, s:o, s:o}", "id", (json_int_t)shifts[i].id, "first",
                                                   tempo_analyze_number(shifts[i].p), "second",
                                                   tempo_analyze_number(shifts[i].q)));
    return out;
}

/* p and q: room for two distributions. */
static void compare_row(const float *a, const float *b, size_t n, double *p, double *q, double v[N_NUMBERS])
{
    tempo_softmax_row(a, n, p);
    tempo_softmax_row(b, n, q);
    v[TV] = tempo_tv(p, q, n);
    v[KL] = tempo_kl(p, q, n);
    v[KL_BACK] = tempo_kl(q, p, n);
    v[JS] = tempo_js(p, q, n);
    v[COSINE] = tempo_cosine_centred(a, b, n);
    v[MAX_DLOGP] = tempo_max_dlogp(p, q, n, 0.999);
    for (size_t i = 0; i < N_OVERLAPS; i++)
        v[TOP + i] = tempo_top_k_overlap(p, q, n, overlaps[i]);
}

typedef struct comparison {
    const tempo_steps *a, *b;
    uint32_t parted;
    bool identical;
    json_t *steps, *first_difference;
    double *p, *q;
    size_t n_vocab; /* room in each */
    double total[N_NUMBERS];
    size_t n_rows, n_compared;
} comparison;

static tempo_status make_room(comparison *c, size_t n, tempo_err *err)
{
    if (n <= c->n_vocab)
        return TEMPO_OK;
    free(c->p);
    free(c->q);
    c->p = malloc(n * sizeof(*c->p));
    c->q = malloc(n * sizeof(*c->q));
    c->n_vocab = n;
    return c->p != NULL && c->q != NULL ? TEMPO_OK : no_memory(err);
}

static json_t *find_difference(uint32_t step, const tempo_step_logits *a, const tempo_step_logits *b)
{
    for (size_t i = 0; i < a->n_rows * a->n_vocab; i++)
        if (memcmp(&a->rows[i], &b->rows[i], sizeof(float)) != 0)
            return json_pack("{s:I, s:I, s:I, s:o, s:o}", "step", (json_int_t)step, "row",
                             (json_int_t)(i / a->n_vocab), "id", (json_int_t)(i % a->n_vocab), "first",
                             tempo_analyze_number((double)a->rows[i]), "second",
                             tempo_analyze_number((double)b->rows[i]));
    return NULL;
}

/* Rows one by one; the step's numbers are their means. */
static tempo_status compare_rows(comparison *c, uint32_t step, const tempo_step_logits *a,
                                 const tempo_step_logits *b, json_t *r, tempo_err *err)
{
    json_t *rows = json_array(), *difference = find_difference(step, a, b);
    double mean[N_NUMBERS] = {0};
    const bool counts = step <= c->parted;
    const tempo_status st = make_room(c, a->n_vocab, err);

    for (size_t i = 0; st == TEMPO_OK && i < a->n_rows; i++) {
        double v[N_NUMBERS];
        compare_row(a->rows + i * a->n_vocab, b->rows + i * a->n_vocab, a->n_vocab, c->p, c->q, v);
        json_t *row = numbers_report(v);
        (void)json_object_set_new(row, "most_different", shifts_report(c->p, c->q, a->n_vocab));
        (void)json_array_append_new(rows, row);
        for (size_t k = 0; k < N_NUMBERS; k++) {
            mean[k] += v[k] / (double)a->n_rows;
            c->total[k] += counts ? v[k] : 0;
        }
    }
    c->n_rows += counts ? a->n_rows : 0;
    c->n_compared += counts;
    c->identical &= difference == NULL;
    if (c->first_difference == NULL && difference != NULL)
        c->first_difference = json_incref(difference);
    (void)json_object_set_new(r, "compared", json_true());
    (void)json_object_set_new(r, "identical", json_boolean(difference == NULL));
    (void)json_object_set_new(r, "same_context", json_boolean(counts));
    (void)json_object_set_new(r, "mean", numbers_report(mean));
    (void)json_object_set_new(r, "row", rows);
    json_decref(difference);
    return st;
}

static tempo_status compare_step(comparison *c, uint32_t step, tempo_err *err)
{
    tempo_step_logits a, b = {0};
    json_t *r = NULL;
    tempo_status st = tempo_steps_logits(c->a, step, &a, err);

    if (st != TEMPO_OK)
        return st;
    if ((st = tempo_steps_logits(c->b, step, &b, err)) != TEMPO_OK)
        goto out;
    if (a.n_vocab != b.n_vocab) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "step %" PRIu32 ": %s has a vocabulary of %zu, %s of %zu: not one model", step,
                        c->a->name, a.n_vocab, c->b->name, b.n_vocab);
        goto out;
    }
    r = json_pack("{s:I, s:I}", "step", (json_int_t)step, "rows", (json_int_t)a.n_rows);
    if (a.n_rows == b.n_rows) {
        st = compare_rows(c, step, &a, &b, r, err);
    } else {
        c->identical = false;
        if (c->parted >= step) /* sets of other sizes were selected one step before, at the latest */
            c->parted = step > 0 ? step - 1 : 0;
        (void)json_object_set_new(r, "compared", json_false());
        (void)json_object_set_new(r, "why", json_sprintf("%zu rows against %zu", a.n_rows, b.n_rows));
        if (c->first_difference == NULL)
            c->first_difference =
                json_pack("{s:I, s:O}", "step", (json_int_t)step, "why", json_object_get(r, "why"));
    }
    (void)json_array_append(c->steps, r);
out:
    json_decref(r);
    tempo_step_logits_free(&a);
    tempo_step_logits_free(&b);
    return st;
}

tempo_status tempo_compare_logits(json_t **out, const tempo_steps *a, const tempo_steps *b, uint32_t parted,
                                  tempo_err *err)
{
    comparison c = {.a = a, .b = b, .parted = parted, .identical = true, .steps = json_array()};
    tempo_status st = TEMPO_OK;

    *out = NULL;
    for (size_t i = 0; i < a->n[TEMPO_STEPS_LOGITS] && st == TEMPO_OK; i++)
        if (tempo_steps_has(b, TEMPO_STEPS_LOGITS, a->steps[TEMPO_STEPS_LOGITS][i]))
            st = compare_step(&c, a->steps[TEMPO_STEPS_LOGITS][i], err);
    if (st != TEMPO_OK)
        goto out;
    if (json_array_size(c.steps) == 0) {
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s and %s have no step of logits in common",
                        a->name, b->name);
        goto out;
    }
    for (size_t k = 0; k < N_NUMBERS; k++)
        c.total[k] = c.n_rows != 0 ? c.total[k] / (double)c.n_rows : (double)NAN;
    *out = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:o, s:O}", "kind", "logits", "first", a->shown,
                     "second", b->shown, "steps_compared", (json_int_t)c.n_compared, "rows_compared",
                     (json_int_t)c.n_rows, "steps_in_common", (json_int_t)json_array_size(c.steps),
                     "identical", c.identical, "mean", numbers_report(c.total), "steps", c.steps);
    if (*out == NULL) {
        st = no_memory(err);
        goto out;
    }
    (void)json_object_set_new(*out, "sets_differ_at",
                              c.parted == UINT32_MAX ? json_null() : json_integer(c.parted));
    (void)json_object_set(*out, "first_difference",
                          c.first_difference != NULL ? c.first_difference : json_null());
out:
    json_decref(c.steps);
    json_decref(c.first_difference);
    free(c.p);
    free(c.q);
    return st;
}

/* ---- one capture ---- */

/* As decoding reads the row.  It refuses what is not finite: -infinity is probability 0 here, the rest is
 * NaN. */
static tempo_status row_report(json_t **out, const float *logits, size_t n, double *p, tempo_err *err)
{
    int32_t ids[N_TOP];
    tempo_err why = {0};
    double entropy;
    const tempo_status st = tempo_distribution(NULL, logits, n, p, &entropy, &why);
    json_t *top;

    *out = NULL;
    if (st == TEMPO_E_NOMEM)
        return no_memory(err);
    if (st != TEMPO_OK) {
        tempo_softmax_row(logits, n, p);
        entropy = (double)NAN;
    }
    const size_t m = tempo_top_k(p, n, N_TOP, ids);
    top = json_array();
    for (size_t i = 0; i < m; i++)
        (void)json_array_append_new(
            top, json_pack("{s:i, s:o}", "id", (int)ids[i], "probability", tempo_analyze_number(p[ids[i]])));
    *out = json_pack("{s:o, s:o}", "entropy", tempo_analyze_number(entropy), "top", top);
    return *out != NULL ? TEMPO_OK : no_memory(err);
}

tempo_status tempo_look_at_logits(json_t **out, const tempo_steps *s, tempo_err *err)
{
    json_t *steps = json_array();
    tempo_status st = TEMPO_OK;

    *out = NULL;
    for (size_t i = 0; i < s->n[TEMPO_STEPS_LOGITS] && st == TEMPO_OK; i++) {
        tempo_step_logits l;
        const uint32_t step = s->steps[TEMPO_STEPS_LOGITS][i];
        if ((st = tempo_steps_logits(s, step, &l, err)) != TEMPO_OK)
            break;
        double *p = malloc(l.n_vocab * sizeof(*p));
        json_t *rows = json_array();
        if (p == NULL)
            st = no_memory(err);
        for (size_t r = 0; r < l.n_rows && st == TEMPO_OK; r++) {
            json_t *one;
            if ((st = row_report(&one, l.rows + r * l.n_vocab, l.n_vocab, p, err)) == TEMPO_OK)
                (void)json_array_append_new(rows, one);
        }
        (void)json_array_append_new(steps, json_pack("{s:I, s:I, s:o}", "step", (json_int_t)step, "rows",
                                                     (json_int_t)l.n_rows, "row", rows));
        free(p);
        tempo_step_logits_free(&l);
    }
    if (st == TEMPO_OK &&
        (*out = json_pack("{s:s, s:s, s:O}", "kind", "logits", "file", s->shown, "steps", steps)) == NULL)
        st = no_memory(err);
    json_decref(steps);
    return st;
}
