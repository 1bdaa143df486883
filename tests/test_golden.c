/* Golden runs: sets, positions, logits and attention of an independent double-precision implementation
 * without a cache.  Skipped with a message where the files are not there.
 *
 * Tolerances.  The reference computes in double and stores float32, so a difference is our rounding.  Logits:
 * the forward pass in float32 with chains of at most 256 additions errs by about L sqrt(d) u |x| = 5 * 8 *
 * 6e-8 * 20 = 5e-5 for the small model and less than 2e-4 for the other; attention weights are at most 1 and
 * err by the error of a score, below 2e-5.  A threshold is never closer than 2e-4 to a probability, so sets
 * must be equal.  */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/golden.h"

static const char dir[] = "../shared/golden";
static const double logit_tolerance = 2e-4, attention_tolerance = 2e-5;

typedef struct run {
    const golden_case *c;
    tempo_decoder *d;
    tempo_npy attention; /* of the running step */
    size_t views;        /* so far in this step */
    double worst_logit, worst_attention;
} run;

/* |got - want| <= tolerance; false for NaN. */
static bool is_close(double got, double want, double tolerance)
{
    return fabs(got - want) <= tolerance;
}

/* Views come layer by layer and within a layer row by row: their order is their place in the array. */
static bool on_attention(void *user, const tempo_tap_view *v)
{
    run *r = user;
    const tempo_npy *a = &r->attention;
    const size_t rows = a->shape[2], slots = a->shape[3], row = r->views % rows;
    const float *want = a->data;

    assert_int_equal(v->layer, r->views / rows);
    assert_int_equal(v->dims[0], a->shape[1]);
    assert_int_equal(v->dims[1], slots);
    for (size_t h = 0; h < v->dims[0]; h++)
        for (size_t j = 0; j < slots; j++) {
            const double w = (double)want[((v->layer * v->dims[0] + h) * rows + row) * slots + j],
                         got = (double)v->values[h * slots + j];
            if (!is_close(got, w, attention_tolerance) || (w == 0 && got != 0))
                fail_msg("%s: attention, layer %u head %zu row %zu slot %zu: %.9g, expected %.9g", r->c->name,
                         v->layer, h, row, j, got, w);
            r->worst_attention = fmax(r->worst_attention, fabs(got - w));
        }
    r->views++;
    return true;
}

static void check_rows(run *r, size_t step)
{
    tempo_npy rows = golden_array(r->c, TEMPO_NPY_F32, "rows_%zu", step);
    const float *want = rows.data;

    assert_int_equal(tempo_decoder_row_count(r->d), rows.shape[0]);
    for (size_t i = 0; i < rows.shape[0]; i++) {
        const float *got = tempo_decoder_row_logits(r->d, i);
        for (size_t v = 0; v < rows.shape[1]; v++) {
            const double w = (double)want[i * rows.shape[1] + v], g = (double)got[v];
            if (!is_close(g, w, logit_tolerance))
                fail_msg("%s: step %zu row %zu, logit %zu: %.9g, expected %.9g", r->c->name, step, i, v, g,
                         w);
            r->worst_logit = fmax(r->worst_logit, fabs(g - w));
        }
    }
    tempo_npy_free(&rows);
}

/* q moves by at most twice the logits' error, divided by the temperature, relative to itself. */
static void check_distribution(const run *r, size_t step)
{
    tempo_npy next = golden_array(r->c, TEMPO_NPY_F32, "next_%zu", step);
    const double *got = tempo_decoder_distribution(r->d);
    const double tolerance = 2 * logit_tolerance / r->c->options.temperature;
    const float *want = next.data;

    for (size_t v = 0; v < next.count; v++)
        if (!is_close(got[v], (double)want[v], tolerance * (double)want[v] + 1e-9))
            fail_msg("%s: step %zu, q(%zu): %.9g, expected %.9g", r->c->name, step, v, got[v],
                     (double)want[v]);
    tempo_npy_free(&next);
}

/* The set of this step is members [at, at + size) of the flat list; returns the new `at`. */
static size_t check_set(const run *r, size_t step, const tempo_npy *sizes, const tempo_npy *ids, size_t at)
{
    const tempo_set *s = tempo_decoder_last_set(r->d);
    const size_t size = (size_t)((const int32_t *)sizes->data)[step];

    if (s->n_members != size)
        fail_msg("%s: step %zu: a set of %zu, expected %zu", r->c->name, step, s->n_members, size);
    for (size_t i = 0; i < size; i++)
        if (s->members[i].id != ((const int32_t *)ids->data)[at + i])
            fail_msg("%s: step %zu member %zu: id %d, expected %d", r->c->name, step, i, s->members[i].id,
                     ((const int32_t *)ids->data)[at + i]);
    return at + size;
}

static void check_slot(const run *r, size_t i, int32_t token, double position, uint32_t set)
{
    tempo_npy tokens = golden_array(r->c, TEMPO_NPY_I32, "tokens"),
              sets = golden_array(r->c, TEMPO_NPY_I32, "set_of_slot");
    tempo_npy positions = golden_array(r->c, TEMPO_NPY_F64, "positions");

    if (i >= tokens.count || token != ((int32_t *)tokens.data)[i] ||
        set != (uint32_t)((int32_t *)sets.data)[i] || position != ((double *)positions.data)[i])
        fail_msg("%s: slot %zu of %zu: token %d, position %.17g, set %u", r->c->name, i, (size_t)tokens.count,
                 token, position, set);
    tempo_npy_free(&tokens);
    tempo_npy_free(&sets);
    tempo_npy_free(&positions);
}

/* The sequence's slots and then those of the last set, which nothing has read. */
static void check_slots(const run *r)
{
    const tempo_seq *seq = tempo_decoder_seq(r->d);
    const tempo_set *s = tempo_decoder_last_set(r->d);
    const size_t n = tempo_seq_slot_count(seq);
    tempo_npy tokens = golden_array(r->c, TEMPO_NPY_I32, "tokens");
    size_t given = 0;

    for (size_t i = 0; i < n; i++) {
        const tempo_slot slot = tempo_seq_slot_at(seq, i);
        check_slot(r, i, slot.token, slot.position, slot.set);
    }
    for (size_t i = 0; i < s->n_members; i++)
        if (s->members[i].slot >= 0) {
            check_slot(r, (size_t)s->members[i].slot, s->members[i].id, s->members[i].position,
                       tempo_seq_slot_at(seq, n - 1).set + 1);
            given++;
        }
    assert_int_equal(n + given, tokens.count);
    tempo_npy_free(&tokens);
}

static void run_case(tempo_engine *e, const golden_case *c)
{
    run r = {.c = c};
    const tempo_observer observer = {.user = &r,
                                     .view = on_attention,
                                     .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                     .n_taps = 1};
    tempo_npy sizes = golden_array(c, TEMPO_NPY_I32, "set_sizes"),
              ids = golden_array(c, TEMPO_NPY_I32, "set_ids");
    tempo_err err = {0};
    size_t at = 0;

    if (tempo_decoder_create(&r.d, e, &c->options, c->prompt_ids, c->n_prompt, &err) != TEMPO_OK)
        fail_msg("%s: %s", c->name, err.msg);
    assert_int_equal(sizes.count, c->options.steps);
    for (size_t step = 0; step < c->options.steps; step++) {
        r.attention = golden_array(c, TEMPO_NPY_F32, "attention_%zu", step);
        r.views = 0;
        if (tempo_decoders_step(&r.d, 1, &observer, &err) != TEMPO_OK)
            fail_msg("%s: step %zu: %s", c->name, step, err.msg);
        assert_int_equal(r.views, r.attention.shape[0] * r.attention.shape[2]);
        tempo_npy_free(&r.attention);
        check_rows(&r, step);
        check_distribution(&r, step);
        at = check_set(&r, step, &sizes, &ids, at);
    }
    assert_int_equal(at, ids.count);
    assert_int_equal(tempo_decoder_stopped(r.d), TEMPO_STOPPED_STEPS);
    check_slots(&r);
    printf("%s: logits within %.1e, attention within %.1e\n", c->name, r.worst_logit, r.worst_attention);
    tempo_decoder_free(r.d);
    tempo_npy_free(&sizes);
    tempo_npy_free(&ids);
}

static void check_prompt(const tempo_model *m, const golden_case *c)
{
    int32_t *ids;
    size_t n;
    tempo_err err = {0};

    assert_int_equal(
        tempo_tokenize(tempo_model_tokenizer(m), c->prompt, strlen(c->prompt), 0, &ids, &n, &err), TEMPO_OK);
    assert_int_equal(n, c->n_prompt);
    assert_memory_equal(ids, c->prompt_ids, n * sizeof(*ids));
    tempo_free(ids);
}

static void run_list(const char *json_path, const char *cpu, unsigned threads)
{
    const tempo_model_options model_options = {.size = sizeof(model_options), .cpu = cpu};
    const tempo_engine_options engine_options = {.size = sizeof(engine_options), .threads = threads};
    json_t *list = golden_list(json_path);
    tempo_model *m = NULL;
    tempo_engine *e = NULL;
    tempo_err err = {0};

    for (size_t i = 0; i < json_array_size(list); i++) {
        golden_case c;
        char path[512];
        golden_case_open(&c, dir, list, i);
        (void)snprintf(path, sizeof(path), "../shared/models/%s", c.model);
        if (m == NULL && (tempo_model_open(&m, path, &model_options, &err) != TEMPO_OK ||
                          tempo_engine_create(&e, m, &engine_options, &err) != TEMPO_OK))
            fail_msg("%s", err.msg);
        check_prompt(m, &c);
        run_case(e, &c);
        golden_case_close(&c);
    }
    tempo_engine_free(e);
    tempo_model_free(m);
    json_decref(list);
}

static void test_all(const char *cpu, unsigned threads)
{
    glob_t files;

    if (glob("../shared/golden/*.json", 0, NULL, &files) != 0 || files.gl_pathc == 0) {
        printf("skipped: no golden runs in %s\n", dir);
        skip();
    }
    for (size_t i = 0; i < files.gl_pathc; i++)
        run_list(files.gl_pathv[i], cpu, threads);
    globfree(&files);
}

static void test_scalar(void **state)
{
    (void)state;
    test_all("scalar", 1);
}

static void test_best(void **state)
{
    (void)state;
    test_all("auto", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_best),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
