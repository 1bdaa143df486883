/* doctor_steps.c - identities about the step loop. */
#include <math.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "cli/prompt/prefill.h"

static void small_run(const doctor *d, tempo_decode_options *o)
{
    tempo_decode_options_init(o);
    o->steps = DOCTOR_STEPS;
    o->stop = TEMPO_STOP_NEVER;
    o->kv = d->o->decoding.kv;
    o->threshold = 0.02;
    o->max_set = DOCTOR_MEMBERS;
}

/* Difference of two decoders after the same step: members, slots, positions, distributions; HUGE_VAL when
 * sets differ. */
static double compare_decoders(const doctor *d, const tempo_decoder *a, const tempo_decoder *b,
                               bool positions)
{
    const tempo_set *s = tempo_decoder_last_set(a), *t = tempo_decoder_last_set(b);
    const double *p = tempo_decoder_distribution(a), *q = tempo_decoder_distribution(b);
    double worst = 0;

    if (s->n_members != t->n_members || tempo_decoder_stopped(a) != tempo_decoder_stopped(b))
        return HUGE_VAL;
    for (size_t i = 0; i < s->n_members; i++)
        if (s->members[i].id != t->members[i].id || s->members[i].slot != t->members[i].slot ||
            (positions && s->members[i].position != t->members[i].position))
            return HUGE_VAL;
    for (size_t i = 0; i < d->n_vocab; i++)
        if (!(fabs(p[i] - q[i]) <= worst))
            worst = isnan(p[i] - q[i]) ? HUGE_VAL : fabs(p[i] - q[i]);
    return worst;
}

/* Run all of list[n] side by side and compare each with the first, after every step. */
static finding compare_runs(doctor *d, const tempo_decode_options *list, size_t n)
{
    tempo_decoder *ds[3] = {NULL, NULL, NULL};
    tempo_status st = TEMPO_OK;
    double worst = 0;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_decoder_create(&ds[i], d->s.engine, &list[i], d->prompt, d->n_prompt, &d->err);
    while (st == TEMPO_OK && tempo_decoder_stopped(ds[0]) == TEMPO_RUNNING) {
        if ((st = tempo_decoders_step(ds, n, &stop_at_interrupt, &d->err)) != TEMPO_OK)
            break;
        for (size_t i = 1; i < n; i++)
            worst = fmax(worst, compare_decoders(d, ds[0], ds[i], true));
    }
    for (size_t i = 0; i < n; i++)
        tempo_decoder_free(ds[i]);
    return st == TEMPO_OK ? judge(worst, 0) : cannot_run();
}

/* The three modes with one set of options. */
static finding compare_modes(doctor *d, const tempo_decode_options *o)
{
    tempo_decode_options modes[3] = {*o, *o, *o};

    modes[0].mode = TEMPO_ISOLATED;
    modes[1].mode = TEMPO_VISIBLE;
    modes[2].mode = TEMPO_CAUSAL;
    return compare_runs(d, modes, 3);
}

/* Greedy decoding by hand: the largest logit, the lowest id of equal ones. */
static tempo_status greedy(doctor *d, int32_t out[DOCTOR_STEPS])
{
    const tempo_seq_options opt = {.size = sizeof(opt), .kv = d->o->decoding.kv};
    const float *logits;
    tempo_seq *seq;
    tempo_status st = tempo_seq_create(&seq, d->s.engine, &opt, &d->err);

    if (st == TEMPO_OK)
        st = prefill(d->s.engine, seq, d->prompt, d->n_prompt, &logits, &d->err);
    for (size_t i = 0; i < DOCTOR_STEPS && st == TEMPO_OK; i++) {
        out[i] = 0;
        for (int32_t id = 1; (size_t)id < d->n_vocab; id++)
            if (logits[id] > logits[out[i]])
                out[i] = id;
        const tempo_row row = {.seq = seq,
                               .token = out[i],
                               .set = (uint32_t)(d->n_prompt + i),
                               .position = (double)(d->n_prompt + i),
                               .want = TEMPO_WANT_LOGITS};
        st = tempo_engine_forward(d->s.engine, &row, 1, NULL, &d->err);
        logits = tempo_engine_logits(d->s.engine, 0);
    }
    tempo_seq_free(seq);
    return st;
}

/* I1: with threshold 1 sets have one member and every mode is greedy decoding. */
finding check_i1(doctor *d)
{
    tempo_decode_options o;
    int32_t expected[DOCTOR_STEPS];
    tempo_decoder *decoder = NULL;
    finding f;

    small_run(d, &o);
    o.threshold = 1;
    f = compare_modes(d, &o);
    if (f.failed_to_run || greedy(d, expected) != TEMPO_OK ||
        tempo_decoder_create(&decoder, d->s.engine, &o, d->prompt, d->n_prompt, &d->err) != TEMPO_OK)
        return cannot_run();
    for (size_t i = 0; i < DOCTOR_STEPS && tempo_decoder_stopped(decoder) == TEMPO_RUNNING; i++) {
        if (tempo_decoders_step(&decoder, 1, NULL, &d->err) != TEMPO_OK) {
            f = cannot_run();
            break;
        }
        const tempo_set *s = tempo_decoder_last_set(decoder);
        if (s->n_members != 1 || s->members[0].id != expected[i])
            f = judge(HUGE_VAL, 0);
    }
    tempo_decoder_free(decoder);
    return f;
}

/* I2: one slot for each set, so the three modes are the same. */
finding check_i2(doctor *d)
{
    tempo_decode_options o;
    finding top, last;

    small_run(d, &o);
    o.context = TEMPO_CONTEXT_TOP;
    top = compare_modes(d, &o);
    o.context = TEMPO_CONTEXT_LAST;
    last = compare_modes(d, &o);
    return !top.passed ? top : last;
}

/* I10: unique positions with sets of one equal shared ones. */
finding check_i10(doctor *d)
{
    tempo_decode_options o[2];

    small_run(d, &o[0]);
    o[0].threshold = 1;
    o[1] = o[0];
    o[1].positions = TEMPO_POSITIONS_UNIQUE;
    return compare_runs(d, o, 2);
}
