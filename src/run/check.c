/* check.c - what the options of a run must be. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "decode/decode.h"
#include "run/run.h"

static tempo_status check_sampling(const tempo_sampling *s, tempo_err *err)
{
    if (!s->on)
        return TEMPO_OK;
    if (!(s->temperature >= 0.0 && isfinite(s->temperature)))
        return tempo_fail_field(err, TEMPO_E_ARG, "temperature",
                                "temperature is %g, expected a finite number, at least 0", s->temperature);
    if (!(s->top_p > 0.0 && s->top_p <= 1.0))
        return tempo_fail_field(err, TEMPO_E_ARG, "top_p", "top_p is %g, expected more than 0 and at most 1",
                                s->top_p);
    if (!(s->min_p >= 0.0 && s->min_p <= 1.0))
        return tempo_fail_field(err, TEMPO_E_ARG, "min_p", "min_p is %g, expected 0 to 1", s->min_p);
    return TEMPO_OK;
}

/* Is an id there twice?  seen: a bit for each id, all 0, and again so afterwards. */
static tempo_status check_twice(const tempo_given_set *g, size_t step, unsigned char *seen, tempo_err *err)
{
    size_t twice = SIZE_MAX;

    for (size_t i = 0; i < g->n; i++) {
        const int32_t id = g->members[i].id;
        if ((seen[id >> 3] >> (id & 7) & 1) != 0)
            twice = twice == SIZE_MAX ? i : twice;
        seen[id >> 3] |= (unsigned char)(1 << (id & 7));
    }
    for (size_t i = 0; i < g->n; i++)
        seen[g->members[i].id >> 3] = 0;
    return twice == SIZE_MAX ? TEMPO_OK
                             : tempo_fail_field(err, TEMPO_E_ARG, "given",
                                                "given set %zu, member %zu: id %d is there twice", step,
                                                twice, g->members[twice].id);
}

static tempo_status check_given(const tempo_given_set *g, size_t step, size_t n_vocab, tempo_err *err)
{
    if (g->n == 0 || g->n > n_vocab)
        return tempo_fail_field(err, TEMPO_E_ARG, "given", "given set %zu has %zu members, expected 1 to %zu",
                                step, g->n, n_vocab);
    for (size_t i = 0; i < g->n; i++) {
        const tempo_member *m = &g->members[i];
        if (m->id < 0 || (size_t)m->id >= n_vocab)
            return tempo_fail_field(err, TEMPO_E_ARG, "given",
                                    "given set %zu, member %zu has id %d, the vocabulary has ids 0 to %zu",
                                    step, i, m->id, n_vocab - 1);
        if (!(m->probability > 0.0 && m->probability <= TEMPO_MOST_PROBABILITY))
            return tempo_fail_field(
                err, TEMPO_E_ARG, "given",
                "given set %zu, member %zu has probability %g, expected more than 0 and at most 1", step, i,
                m->probability);
    }
    return TEMPO_OK;
}

/* Names become directories and keys. */
static tempo_status check_names(const tempo_run_options *o, tempo_err *err)
{
    for (size_t i = 0; i < o->n_arms; i++) {
        const char *name = tempo_run_name(o, i);
        if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL)
            return tempo_fail_field(
                err, TEMPO_E_ARG, "arms",
                "arm %zu is named '%.60s', expected a name without '/' that does not begin with '.'", i,
                name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, tempo_run_name(o, k)) == 0)
                return tempo_fail_field(err, TEMPO_E_ARG, "arms", "arms %zu and %zu are both named '%.60s'",
                                        k, i, name);
    }
    return TEMPO_OK;
}

static tempo_status check_regime(const tempo_run_options *o, tempo_err *err)
{
    if (tempo_regime_name(o->regime) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "regime", "regime %d is not free or lockstep",
                                (int)o->regime);
    if (o->regime == TEMPO_REGIME_FREE)
        return TEMPO_OK;
    if (o->driver >= o->n_arms)
        return tempo_fail_field(err, TEMPO_E_ARG, "driver", "the driver is arm %zu, there are %zu arms",
                                o->driver, o->n_arms);
    if (tempo_run_decoding(o, o->driver).replay != TEMPO_REPLAY_NONE)
        return tempo_fail_field(err, TEMPO_E_ARG, "driver",
                                "the driver, arm '%.60s', replays: others cannot take its sets",
                                tempo_run_name(o, o->driver));
    return TEMPO_OK;
}

static tempo_status check_arm(const tempo_model *m, const tempo_run_options *o, size_t i,
                              const tempo_run_prompt *p, tempo_err *err)
{
    const tempo_decode_options d = tempo_run_decoding(o, i);
    tempo_decode_options given;
    tempo_status st = tempo_decode_options_take(&given, o->arms[i].decoding, err);

    if (st == TEMPO_OK)
        st = tempo_decode_check(m, &d, p->ids, p->n, err);
    if (st == TEMPO_OK)
        st = tempo_run_check_edits(o, i, err);
    if (st == TEMPO_OK && o->n_given > d.steps)
        st = tempo_fail_field(err, TEMPO_E_ARG, "given", "%zu sets are given, but steps is %zu", o->n_given,
                              d.steps);
    if (st != TEMPO_OK && o->n_arms > 1)
        tempo_err_prefix(err, "arm '%.60s'", tempo_run_name(o, i));
    return st;
}

tempo_status tempo_run_check(const tempo_model *m, const tempo_run_options *given, const tempo_run_prompt *p,
                             tempo_err *err)
{
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    tempo_run_options all;
    const tempo_run_options *o = &all;
    tempo_capture_options c;
    tempo_status st = tempo_run_options_take(&all, given, err);

    if (st != TEMPO_OK || (st = tempo_capture_options_take(&c, o->capture, err)) != TEMPO_OK)
        return st;
    if (o->n_arms == 0 || o->n_arms > TEMPO_RUN_MAX_ARMS)
        return tempo_fail(err, o->n_arms == 0 ? TEMPO_E_ARG : TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "%zu arms, expected 1 to %d", o->n_arms, TEMPO_RUN_MAX_ARMS);
    if ((st = check_names(o, err)) != TEMPO_OK || (st = check_regime(o, err)) != TEMPO_OK ||
        (st = check_sampling(&o->sampling, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < o->n_arms && st == TEMPO_OK; i++)
        st = check_arm(m, o, i, p, err);
    if (st != TEMPO_OK || o->n_given == 0)
        return st;
    unsigned char *seen = calloc(n_vocab / 8 + 1, 1);
    if (seen == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to check given sets");
    for (size_t i = 0; i < o->n_given && st == TEMPO_OK; i++)
        if ((st = check_given(&o->given[i], i, n_vocab, err)) == TEMPO_OK)
            st = check_twice(&o->given[i], i, seen, err);
    free(seen);
    return st;
}
