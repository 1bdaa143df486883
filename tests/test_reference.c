/* The reference in double precision (reference/reference.c), which other tests compare with, against another
 * implementation in double: every model of ../shared/models/arch.
 *
 * Tolerance: 1e-5 of the largest value, 2e-5 of attention: the other one had the angles of positions and
 * softmax in float32.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reference/golden_archs.h"
#include "reference/reference.h"

typedef struct comparison {
    const golden_pass *pass;
    double worst[3]; /* logits, residual stream, attention */
} comparison;

static void worse(double *worst, double error)
{
    if (!(error <= *worst)) /* not a number is the worst */
        *worst = error;
}

static void look(void *user, tempo_tap tap, uint32_t layer, size_t slot, double *v, size_t n_0, size_t n_1)
{
    comparison *c = user;
    const golden_pass *p = c->pass;
    const size_t n = p->n, heads = p->attention.shape[1], d = p->resid.data != NULL ? p->resid.shape[2] : 0;
    const double *resid = p->resid.data, *attention = p->attention.data;
    const size_t point = layer + (tap == TEMPO_TAP_RESID_POST);

    if (d > 0 && (tap == TEMPO_TAP_RESID_POST || (tap == TEMPO_TAP_RESID_PRE && layer == 0))) {
        const double of = golden_largest(resid + point * n * d, n * d);
        for (size_t i = 0; i < d; i++)
            worse(&c->worst[1], fabs(v[i] - resid[(point * n + slot) * d + i]) / of);
    }
    for (size_t i = 0; tap == TEMPO_TAP_PATTERN && i < n_0 * n_1; i++)
        worse(&c->worst[2], fabs(v[i] - attention[((layer * heads + i / n) * n + slot) * n + i % n]));
}

static const double tolerance[3] = {1e-5, 1e-5, 2e-5};

static void check_pass(const reference_model *m, const char *dir, const char *name, const char *mode)
{
    golden_pass p;
    comparison c = {.pass = &p};

    golden_pass_open(&p, dir, name, mode);
    const size_t n_vocab = p.logits.shape[1];
    reference_slot *slots = calloc(p.n, sizeof(*slots));
    double *logits = calloc(p.n * n_vocab, sizeof(*logits));
    assert_true(slots != NULL && logits != NULL);
    assert_int_equal(n_vocab, m->n_vocab);
    for (size_t i = 0; i < p.n; i++) {
        const tempo_row row = golden_row(&p, i);
        slots[i] = (reference_slot){row.token, row.set, row.position, row.mode, 0, UINT32_MAX};
    }
    (void)reference_run(m, slots, p.n, look, &c, logits);
    const double largest = golden_largest(p.logits.data, p.n * n_vocab);
    for (size_t i = 0; i < p.n * n_vocab; i++)
        worse(&c.worst[0], fabs(logits[i] - ((const double *)p.logits.data)[i]) / largest);
    printf("%s %s: logits %.1e, stream %.1e, attention %.1e\n", name, *mode != '\0' ? mode : "plain",
           c.worst[0], c.worst[1], c.worst[2]);
    for (size_t i = 0; i < 3; i++)
        if (!(c.worst[i] <= tolerance[i]))
            fail_msg("%s %s: %s off by %.3g", name, mode,
                     i == 0   ? "logits"
                     : i == 1 ? "residual stream"
                              : "attention",
                     c.worst[i]);
    free(slots);
    free(logits);
    golden_pass_close(&p);
}

static void test_model(void **state)
{
    const char *name = *state;
    char dir[512];

    (void)snprintf(dir, sizeof(dir), "%s/%s", golden_archs, name);
    reference_model *m = reference_open(dir);
    for (size_t i = 0; i < sizeof(golden_modes) / sizeof(*golden_modes); i++)
        check_pass(m, dir, name, golden_modes[i]);
    reference_free(m);
}

int main(void)
{
    static struct CMUnitTest tests[256];
    size_t n;
    char **names = golden_names(&n);

    if (n == 0) {
        printf("no %s: nothing to compare with\n", golden_archs);
        return 77;
    }
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){.name = names[i], .test_func = test_model, .initial_state = names[i]};
    return _cmocka_run_group_tests("reference", tests, n, NULL, NULL);
}
