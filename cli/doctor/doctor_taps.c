/* doctor_taps.c - identities about what a pass shows of its numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/doctor.h"

/* Every tap that the model has. */
static size_t all_taps(const doctor *d, tempo_tap_selection taps[TEMPO_TAP_COUNT])
{
    size_t n = 0;

    for (int t = 0; t < TEMPO_TAP_COUNT; t++)
        if (tempo_tap_get_info(d->s.model, (tempo_tap)t).missing == NULL)
            taps[n++] = (tempo_tap_selection){.tap = (tempo_tap)t};
    return n;
}

/* Prompt and first set, visible, into a new sequence; the set's logits go to out. */
static tempo_status run_shown(doctor *d, const tempo_observer *obs, tempo_seq **seq, float *out)
{
    const placed_set prompt = whole_prompt(d), set = first_set(d, TEMPO_VISIBLE);
    tempo_status st = open_seq(d, d->s.engine, seq);

    if (st == TEMPO_OK)
        st = append_set(d, d->s.engine, *seq, &prompt, obs, NULL);
    if (st == TEMPO_OK)
        st = append_set(d, d->s.engine, *seq, &set, obs, out);
    return st;
}

double compare_cache(doctor *d, const tempo_seq *a, const tempo_seq *b)
{
    const tempo_model_info *m = tempo_model_get_info(d->s.model);
    const size_t n = 2 * (size_t)m->head_dim;
    float *x = malloc(2 * n * sizeof(*x));
    double worst = x == NULL ? HUGE_VAL : 0;

    for (uint32_t l = 0; l < m->n_layers && x != NULL; l++)
        for (uint32_t h = 0; h < m->n_kv_heads; h++)
            for (size_t i = 0; i < tempo_seq_slot_count(a); i++) {
                if (tempo_seq_read_kv(a, l, h, i, x, x + n / 2, &d->err) != TEMPO_OK ||
                    tempo_seq_read_kv(b, l, h, i, x + n, x + n + n / 2, &d->err) != TEMPO_OK)
                    worst = HUGE_VAL;
                worst = fmax(worst, differ(x, x + n, n));
            }
    free(x);
    return worst;
}

static bool ignore_view(void *user, const tempo_tap_view *v)
{
    (void)user;
    (void)v;
    return true;
}

/* I11: taps change no bit, all together, and attention alone, which is shown most; and so do edits that
 * change nothing. */
finding check_i11(doctor *d)
{
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    const tempo_tap_selection pattern = {.tap = TEMPO_TAP_PATTERN};
    const size_t n = all_taps(d, taps);
    tempo_seq *off = NULL, *on = NULL;
    double worst = 0;
    tempo_status st = run_shown(d, NULL, &off, d->buffer[0]);

    for (int i = 0; i < 2 && st == TEMPO_OK; i++) {
        const tempo_observer obs = {
            .view = ignore_view, .taps = i == 0 ? taps : &pattern, .n_taps = i == 0 ? n : 1};
        if ((st = run_shown(d, &obs, &on, d->buffer[1])) == TEMPO_OK) {
            worst = fmax(worst, differ(d->buffer[0], d->buffer[1], DOCTOR_MEMBERS * d->n_vocab));
            worst = fmax(worst, compare_cache(d, off, on));
        }
        tempo_seq_free(on);
        on = NULL;
    }
    tempo_seq_free(off);
    if (st == TEMPO_OK)
        st = edits_of_nothing(d, &worst);
    return st == TEMPO_OK ? judge(worst, 0) : cannot_run();
}

/* ---- I14 ---- */

/* The residual stream of the rows of a batch. */
typedef struct stream {
    size_t d;
    float *x; /* [DOCTOR_PROMPT, d] */
    double worst;
} stream;

static bool follow_stream(void *user, const tempo_tap_view *v)
{
    stream *s = user;
    float *x = s->x + v->row * s->d;

    if (v->tap == TEMPO_TAP_RESID_PRE && v->layer == 0)
        memcpy(x, v->values, s->d * sizeof(*x));
    for (size_t i = 0; i < s->d && (v->tap == TEMPO_TAP_ATTN_OUT || v->tap == TEMPO_TAP_MLP_OUT); i++)
        x[i] += v->values[i];
    if (v->tap == TEMPO_TAP_RESID_PRE || v->tap == TEMPO_TAP_RESID_MID || v->tap == TEMPO_TAP_RESID_POST)
        s->worst = fmax(s->worst, differ(x, v->values, s->d));
    return true;
}

/* I14: what the residual stream shows is the sum of what is added to it, addition by addition. */
finding check_i14(doctor *d)
{
    static const tempo_tap_selection taps[] = {{.tap = TEMPO_TAP_RESID_PRE},
                                               {.tap = TEMPO_TAP_ATTN_OUT},
                                               {.tap = TEMPO_TAP_MLP_OUT},
                                               {.tap = TEMPO_TAP_RESID_POST},
                                               {.tap = TEMPO_TAP_RESID_MID}}; /* which not all have */
    const bool middle = tempo_tap_get_info(d->s.model, TEMPO_TAP_RESID_MID).missing == NULL;
    stream s = {.d = tempo_model_get_info(d->s.model)->d_model};
    const tempo_observer obs = {.user = &s, .view = follow_stream, .taps = taps, .n_taps = middle ? 5 : 4};
    tempo_seq *seq = NULL;
    tempo_status st = TEMPO_E_NOMEM;

    s.x = malloc(DOCTOR_PROMPT * s.d * sizeof(*s.x));
    if (s.x != NULL)
        st = run_shown(d, &obs, &seq, d->buffer[0]);
    tempo_seq_free(seq);
    free(s.x);
    return st == TEMPO_OK ? judge(s.worst, 0) : cannot_run();
}
