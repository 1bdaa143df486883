/* Every architecture with shapes that no model of it has (reference/random_config.c), as a directory and as
 * GGUF files of F32, Q8_0 and Q4_K, on every path of this machine, against double precision: logits, residual
 * stream and attention of a text and of sets in the three modes.
 *
 * TEMPO_ARCH_SEEDS=N in the environment: so many shapes of each (default 1); TEMPO_ARCH=NAME: of this one
 * alone.
 *
 * Tolerances: those of ../shared/models/arch (compare.h) for F32.  Of quantised weights the activations are
 * rounded to 16 bits of the largest of their block, 2^-17 where float has 2^-24, and random roundings walk: a
 * hundred times the float's bars are enough. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "reference/compare.h"
#include "reference/random_arch.h"
#include "support/models.h"
#include "support/tmpdir.h"

/* One model file and what the reference makes of its rows. */
typedef struct trial {
    const reference_model *m;
    uint64_t seed;
    tempo_dtype type;
    char what[160];
    double worst;
} trial;

static const char *const modes[] = {"text", "isolated", "visible", "causal"};

static bool all_wanted(void)
{
    return getenv("TEMPO_ARCH_SEEDS") != NULL;
}

static size_t choose_rows(const trial *t, size_t mode, tempo_row rows[RANDOM_ROWS], arch_computed *c)
{
    const double gap = t->type == TEMPO_F32 ? 1e-3 : 3e-2;
    size_t n = 0;

    for (uint64_t i = 0; i < 50; i++) { /* rows whose experts no rounding changes */
        n = random_rows(t->m, 4 * (t->seed + 100 * i) + mode, mode > 0,
                        mode > 0 ? (tempo_mode)(mode - 1) : TEMPO_ISOLATED, rows);
        if (c == NULL)
            return n;
        n = i < 10 ? n : 16;
        arch_compute(c, t->m, rows, n);
        if (c->route_gap > gap)
            return n;
        arch_computed_free(c);
    }
    fail_msg("%s: no rows whose experts are clear", t->what);
    return n;
}

static void check_mode(trial *t, const char *path, size_t mode)
{
    const reference_model *m = t->m;
    const double more = t->type == TEMPO_F32 ? 1 : 50;
    tempo_row rows[RANDOM_ROWS];
    arch_computed c;
    const size_t n = choose_rows(t, mode, rows, &c);
    char what[240];
    const char *cpu;

    for (size_t i = 0; (cpu = tempo_cpu_name(i)) != NULL; i++) {
        const tempo_model_options o = {.size = sizeof(o), .cpu = cpu};
        tempo_err err = {0};
        tempo_model *model;
        (void)snprintf(what, sizeof(what), "%s, %s, %s", t->what, cpu, modes[mode]);
        if (tempo_model_open(&model, path, &o, &err) != TEMPO_OK)
            fail_msg("%s: %s", t->what, err.msg);
        tempo_engine *e = test_engine(model, 2);
        const arch_expected x = {.what = what,
                                 .rows = rows,
                                 .n = n,
                                 .n_run = n,
                                 .n_vocab = m->n_vocab,
                                 .n_layers = m->n_layers,
                                 .n_heads = m->n_heads,
                                 .d_model = m->d_model,
                                 .logits = c.logits,
                                 .stream = c.stream,
                                 .attention = c.attention,
                                 .bars = {more * arch_bars_f32.logits, more * arch_bars_f32.stream,
                                          more * arch_bars_f32.attention * fmax(1, c.score / 4)}};
        t->worst = fmax(t->worst, arch_compare(e, &x));
        tempo_engine_free(e);
        tempo_model_free(model);
    }
    arch_computed_free(&c);
}

static void check_file(const reference_model *m, uint64_t seed, tempo_dtype type, const char *path,
                       const char *what)
{
    trial t = {.m = m, .seed = seed, .type = type};

    (void)snprintf(t.what, sizeof(t.what), "%s %llu, %s", m->type, (unsigned long long)seed, what);
    for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++)
        if (type == TEMPO_F32 || mode % 2 == 0 || all_wanted())
            check_mode(&t, path, mode);
    printf("%s: within %.2f of the bars\n", t.what, t.worst);
}

/* The same bits, of a directory and a GGUF of the same numbers. */
static void check_same(const reference_model *m, uint64_t seed, const char *directory, const char *gguf)
{
    const char *const paths[2] = {directory, gguf};
    const trial t = {.m = m, .seed = seed};
    tempo_row rows[RANDOM_ROWS];
    const size_t n = choose_rows(&t, 2, rows, NULL), bytes = n * m->n_vocab * sizeof(float);
    float *logits[2] = {malloc(bytes), malloc(bytes)};

    for (size_t k = 0; k < 2; k++) {
        tempo_model *model = test_open_model(paths[k]);
        tempo_engine *e = test_engine(model, 1);
        tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
        tempo_err err = {0};
        for (size_t i = 0; i < n; i++) {
            rows[i].seq = seq;
            rows[i].want = TEMPO_WANT_LOGITS;
        }
        if (tempo_engine_forward(e, rows, n, NULL, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        memcpy(logits[k], tempo_engine_logits(e, 0), bytes);
        tempo_seq_free(seq);
        tempo_engine_free(e);
        tempo_model_free(model);
    }
    if (memcmp(logits[0], logits[1], bytes) != 0)
        fail_msg("%s %llu: the GGUF gives other bits than the directory", m->type, (unsigned long long)seed);
    free(logits[0]);
    free(logits[1]);
}

static void check_shape(const char *type, uint64_t seed, bool wide)
{
    static const tempo_dtype types[] = {TEMPO_Q8_0, TEMPO_Q4_K};
    json_t *config = random_config(type, seed, wide);
    char root[256], dir[512], file[512], what[64];

    test_tmpdir_create(root);
    test_path(dir, root, "hf");
    test_path(file, root, "m.gguf");
    reference_free(random_directory(config, seed, dir));
    reference_model *m = reference_open(dir);
    if (!wide)
        check_file(m, seed, TEMPO_F32, dir, "directory");
    if (gguf_can(m, config)) {
        gguf_write(m, config, TEMPO_F32, file);
        check_same(m, seed, dir, file);
        for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
            gguf_write(m, config, types[i], file);
            (void)snprintf(what, sizeof(what), "%s%s", wide ? "wide, " : "", tempo_dtype_get(types[i])->name);
            check_file(m, seed, types[i], file, what);
        }
    }
    reference_free(m);
    json_decref(config);
    test_tmpdir_remove(root);
}

static void test_type(void **state)
{
    const char *const *place = *state, *type = *place, *count = getenv("TEMPO_ARCH_SEEDS");
    const unsigned long seeds = count != NULL ? strtoul(count, NULL, 10) : 1;

    for (unsigned long seed = 1; seed <= seeds; seed++)
        check_shape(type, seed, false);
    for (unsigned long seed = 1; seed <= (seeds + 2) / 3 && (all_wanted() || (place - random_archs) % 3 == 0);
         seed++)
        check_shape(type, seed, true);
}

int main(void)
{
    static struct CMUnitTest tests[64];
    const char *only = getenv("TEMPO_ARCH");
    size_t n = 0;

    for (const char *const *type = random_archs; *type != NULL; type++)
        if (only == NULL || strcmp(only, *type) == 0)
            tests[n++] = (struct CMUnitTest){
                .name = *type, .test_func = test_type, .initial_state = (void *)(uintptr_t)type};
    return _cmocka_run_group_tests("shapes", tests, n, NULL, NULL);
}
