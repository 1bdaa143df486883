/* Every architecture that opens, against numbers of an independent implementation in double precision:
 * logits, the residual stream and attention of a plain text, logits and attention of sets in the three modes.
 * The same models as GGUF files give equal bits.
 *
 * Tolerances: logits and the residual stream 2e-4 of the largest value of the array (of the layer), at least
 * of 1; attention 2e-5. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "reference/compare.h"
#include "reference/golden_archs.h"
#include "support/models.h"

static void check_pass(tempo_engine *e, const char *name, const char *path, const char *mode)
{
    const tempo_model_info *info = tempo_model_get_info(tempo_engine_model(e));
    golden_pass p;
    char what[128];

    golden_pass_open(&p, path, name, mode);
    (void)snprintf(what, sizeof(what), "%s %s", name, mode);
    tempo_row *rows = calloc(p.n, sizeof(*rows));
    assert_non_null(rows);
    arch_expected x = {.what = what,
                       .rows = rows,
                       .n = p.n,
                       .n_vocab = p.logits.shape[1],
                       .n_layers = p.attention.shape[0],
                       .n_heads = p.attention.shape[1],
                       .d_model = p.resid.data != NULL ? p.resid.shape[2] : 0,
                       .logits = p.logits.data,
                       .stream = p.resid.data,
                       .attention = p.attention.data,
                       .bars = arch_bars_f32};
    for (size_t i = 0; i < p.n; i++) {
        rows[i] = golden_row(&p, i);
        if (x.n_run == i && rows[i].position < (double)info->context_length)
            x.n_run++;
    }
    assert_true(x.n_run >= 8);
    if (x.n_run < p.n)
        print_message("%s %s: %zu of %zu rows, which is its context\n", name, mode, x.n_run, p.n);
    (void)arch_compare(e, &x);
    free(rows);
    golden_pass_close(&p);
}

static void check_passes(const tempo_model *m, const char *name, const char *path)
{
    tempo_engine *e = test_engine(m, 1);

    for (size_t i = 0; i < sizeof(golden_modes) / sizeof(*golden_modes); i++)
        check_pass(e, name, path, golden_modes[i]);
    tempo_engine_free(e);
}

static const char *const no_gguf[] = {"cohere2", "gpt-neo", "gptj", "opt", "mistral-window", "qwen2-window"};

static bool is_in(const char *name, const char *const *list, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n && !found; i++)
        found = strcmp(name, list[i]) == 0;
    return found;
}

enum { ROWS = 24 };

/* last: of the last row alone, which is then the only one that goes through the end of the model. */
static void logits_of(const tempo_model *m, bool last, float *out)
{
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    tempo_engine *e = test_engine(m, 1);
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    tempo_row rows[ROWS];
    tempo_err err = {0};

    for (size_t i = 0; i < ROWS; i++) {
        tempo_row_init(&rows[i]);
        rows[i].seq = seq;
        rows[i].token = (int32_t)((i * 37 + 11) % n_vocab);
        rows[i].set = (uint32_t)i;
        rows[i].position = (double)i;
        rows[i].want = !last || i + 1 == ROWS ? TEMPO_WANT_LOGITS : 0;
    }
    if (tempo_engine_forward(e, rows, ROWS, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = last ? ROWS - 1 : 0; i < ROWS; i++)
        memcpy(out + i * n_vocab, tempo_engine_logits(e, i), n_vocab * sizeof(*out));
    tempo_seq_free(seq);
    tempo_engine_free(e);
}

static void check_last_row(const tempo_model *m, const char *name)
{
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    float *all = calloc(2 * ROWS * n_vocab, sizeof(*all)), *one = all + ROWS * n_vocab;

    assert_non_null(all);
    logits_of(m, false, all);
    logits_of(m, true, one);
    if (memcmp(all + (ROWS - 1) * n_vocab, one + (ROWS - 1) * n_vocab, n_vocab * sizeof(*all)) != 0)
        fail_msg("%s: the last row's logits depend on whether the others' are wanted", name);
    free(all);
}

static void test_directory(void **state)
{
    const char *name = *state;
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", golden_archs, name);
    tempo_model *m = test_open_model(path);
    check_passes(m, name, path);
    check_last_row(m, name);
    tempo_model_free(m);
}

/* ---- the same model as a GGUF ---- */

/* A GGUF of gptneox does not say which GELU it means, erf is taken: of this model the other is meant. */
static double gguf_tolerance(const char *name)
{
    return strcmp(name, "neox-serial") == 0 ? 2e-2 : 0.0;
}

static void test_gguf(void **state)
{
    const char *name = *state;
    char path[512];
    struct stat there;

    (void)snprintf(path, sizeof(path), "%s-gguf/%s.gguf", golden_archs, name);
    if (stat(path, &there) != 0) {
        assert_true(is_in(name, no_gguf, sizeof(no_gguf) / sizeof(*no_gguf)));
        return;
    }
    tempo_model *gguf = test_open_model(path);
    (void)snprintf(path, sizeof(path), "%s/%s", golden_archs, name);
    tempo_model *directory = test_open_model(path);
    const size_t n = (size_t)ROWS * tempo_model_get_info(directory)->n_vocab;
    float *x = malloc(n * sizeof(*x)), *y = malloc(n * sizeof(*y));
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(tempo_model_get_info(gguf)->n_vocab, tempo_model_get_info(directory)->n_vocab);
    logits_of(gguf, false, x);
    logits_of(directory, false, y);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)y[i]) <= gguf_tolerance(name)))
            fail_msg("%s: logit %zu is %.9g from the GGUF, %.9g from the directory", name, i, (double)x[i],
                     (double)y[i]);
    free(x);
    free(y);
    tempo_model_free(gguf);
    tempo_model_free(directory);
}

int main(void)
{
    static struct CMUnitTest tests[512];
    static char labels[512][64];
    size_t n;
    char **names = golden_names(&n);

    if (n == 0) {
        printf("no %s: architectures are not compared\n", golden_archs);
        return 77;
    }
    for (size_t i = 0; i < 2 * n; i++) {
        (void)snprintf(labels[i], sizeof(labels[i]), "%s%s", names[i / 2], i % 2 == 0 ? "" : ".gguf");
        tests[i] = (struct CMUnitTest){.name = labels[i],
                                       .test_func = i % 2 == 0 ? test_directory : test_gguf,
                                       .initial_state = names[i / 2]};
    }
    return _cmocka_run_group_tests("architectures", tests, 2 * n, NULL, NULL);
}
