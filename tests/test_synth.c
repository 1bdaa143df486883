/* test_synth.c - synthetic models: what is written is a model of the shape, and complete or not there. */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "kernels/unpack.h"
#include "model/synth/synth.h"
#include "support/tmpdir.h"

static const char *const types[] = {"F32",    "F16",     "BF16",   "Q8_0",  "Q4_0",    "Q4_1",  "Q5_0",
                                    "Q5_1",   "Q2_K",    "Q3_K",   "Q4_K",  "Q5_K",    "Q6_K",  "IQ1_S",
                                    "IQ1_M",  "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL",
                                    "IQ4_XS", "TQ1_0",   "TQ2_0",  "MXFP4", "NVFP4",   "Q4_K_M"};
enum { TYPES = sizeof(types) / sizeof(*types) };

static char dir[256], path[512], other[512];

static int make_dir(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "a.gguf");
    test_path(other, dir, "b.gguf");
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

static void synth(const char *to, const char *type, uint64_t seed)
{
    const tempo_synth_options o = {.size = sizeof(o), .shape = "tiny", .type = type, .seed = seed};
    tempo_err err = {0};

    if (tempo_synth(to, &o, &err) != TEMPO_OK)
        fail_msg("%s: %s", type, err.msg);
}

static tempo_model *open_model(void)
{
    tempo_err err = {0};
    tempo_model *m;

    if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return m;
}

/* A matrix' numbers have the deviation that synth.c says, and the mean 0; that of quants from -8 to 7 is
 * -1/2, which is 0.11 deviations. */
static void check_numbers(const tempo_weight *w, double deviation, const char *what)
{
    float *row = malloc(w->n_in * sizeof(*row));
    double sum = 0, squares = 0;
    const double n = (double)w->n_in * (double)w->n_out;

    assert_non_null(row);
    for (size_t r = 0; r < w->n_out; r++) {
        tempo_unpack[w->type](row, (const unsigned char *)w->data + r * w->row_bytes, w->n_in);
        for (size_t i = 0; i < w->n_in; i++) {
            sum += (double)row[i];
            squares += (double)row[i] * (double)row[i];
        }
    }
    free(row);
    if (!(fabs(sum / n) <= 0.15 * deviation && fabs(sqrt(squares / n) / deviation - 1) <= 0.2))
        fail_msg("%s: mean %g, deviation %g, expected 0 and %g", what, sum / n, sqrt(squares / n), deviation);
}

static uint64_t bytes_of(const tempo_engine *e)
{
    uint64_t sum = 0;

    for (size_t i = 0; tempo_engine_stage(e, i).name != NULL; i++)
        if (i != TEMPO_STAGE_ATTENTION)
            sum += tempo_engine_stage(e, i).bytes;
    return sum;
}

/* It decodes, and the profile counts every weight once a step. */
static void check_runs(const tempo_model *m)
{
    static const int32_t prompt[] = {5, 600};
    tempo_decode_options o;
    tempo_engine *e;
    tempo_decoder *d;
    tempo_err err = {0};

    tempo_decode_options_init(&o);
    o.stop = TEMPO_STOP_NEVER;
    assert_int_equal(tempo_engine_create(&e, m, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_create(&d, e, &o, prompt, 2, &err), TEMPO_OK);
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
    assert_int_equal(bytes_of(e), 0); /* nobody asked */
    tempo_engine_profile(e, true);
    assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
    assert_int_equal(bytes_of(e), m->info.step_bytes);
    assert_int_equal(tempo_engine_stage(e, TEMPO_STAGE_ATTENTION).bytes,
                     tempo_seq_slot_count(tempo_decoder_seq(d)) * m->hp.n_layers * 2 * m->hp.n_kv_heads *
                         m->hp.head_dim * sizeof(float));
    tempo_engine_profile(e, true); /* from zero */
    assert_int_equal(bytes_of(e), 0);
    tempo_decoder_free(d);
    tempo_engine_free(e);
}

static void test_types(void **state)
{
    (void)state;
    for (size_t t = 0; t < TYPES; t++) {
        synth(path, types[t], 0);
        tempo_model *m = open_model();
        assert_string_equal(m->info.architecture, "llama");
        assert_true(m->info.n_layers == 2 && m->info.n_heads == 4 && m->info.n_kv_heads == 2 &&
                    m->info.head_dim == 64 && m->info.d_model == 256 && m->info.d_ff == 512 &&
                    m->info.n_vocab == 1024 && m->info.context_length == 4096 && m->info.tied_output);
        check_numbers(&m->layers[0].wq, 1.0 / 16, types[t]);
        check_numbers(&m->layers[1].mlp.w_down, 1.0 / sqrt(512), types[t]);
        check_numbers(&m->output, 4.0 / 16, types[t]);
        check_runs(m);
        tempo_model_free(m);
    }
}

/* The mix gives more bits to the last eighth of the layers, and to the output matrix. */
static void test_mix(void **state)
{
    (void)state;
    synth(path, "Q4_K_M", 0);
    tempo_model *m = open_model();

    assert_int_equal(m->output.type, TEMPO_Q6_K);
    assert_int_equal(m->layers[0].wv.type, TEMPO_Q4_K);
    assert_int_equal(m->layers[0].mlp.w_down.type, TEMPO_Q4_K);
    assert_int_equal(m->layers[1].wv.type, TEMPO_Q6_K);
    assert_int_equal(m->layers[1].mlp.w_down.type, TEMPO_Q6_K);
    assert_int_equal(m->layers[1].wq.type, TEMPO_Q4_K);
    tempo_model_free(m);
}

/* ---- shapes of other architectures: too large to be written here, so what would be ---- */

typedef struct planned {
    tempo_planned *t;
    size_t n;
} planned;

static planned plan_of(const char *shape)
{
    const tempo_shape *s = tempo_shape_find(shape);
    tempo_gguf_writer w = {0};
    tempo_err err = {0};
    planned p;

    assert_non_null(s);
    tempo_shape_put(s, &w);
    if (tempo_synth_plan(s, &w, &p.t, &p.n, &err) != TEMPO_OK)
        fail_msg("%s: %s", shape, err.msg);
    tempo_gguf_writer_free(&w);
    return p;
}

static const tempo_planned *find(const planned *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->t[i].name, name) == 0)
            return &p->t[i];
    return NULL;
}

static void check_dims(const planned *p, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    const tempo_planned *t = find(p, name);

    if (t == NULL || t->dims[0] != a || t->dims[1] != b || t->dims[2] != c)
        fail_msg("%s: %s", name, t == NULL ? "is missing" : "has another shape");
}

/* Parameters as published; biases, positions, norms and experts are there. */
static void test_plans(void **state)
{
    static const struct {
        const char *shape;
        uint64_t parameters;
    } published[] = {
        {"gpt2", 124439808},
        {"gpt2-xl", 1557611200},
        {"pythia-160m", 162322944},
        {"pythia-1.4b", 1414647808},
        {"pythia-2.8b", 2775208960},
        {"gemma-3-1b", 999885952},
        {"llama-3.2-1b", 1235814432},
        {"llama-3.2-3b", 3212749888},
        {"llama-3.1-8b", 8030261312},
        {"qwen3-0.6b", 596049920},
        {"tiny", 1443072},
        /* 48 layers have 30532122624 */
        {"qwen3-30b-a3b-12l",
         2 * 151936 * 2048ull + 2048 + 12 * ((30532122624 - 2 * 151936 * 2048ull - 2048) / 48)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        const planned p = plan_of(published[i].shape);
        uint64_t sum = 0;
        for (size_t t = 0; t < p.n; t++)
            if (p.t[t].place != TEMPO_PLACES || strncmp(published[i].shape, "llama", 5) == 0)
                sum += p.t[t].dims[0] * p.t[t].dims[1] * p.t[t].dims[2];
        if (sum != published[i].parameters)
            fail_msg("%s: %" PRIu64 " parameters, expected %" PRIu64, published[i].shape, sum,
                     published[i].parameters);
        free(p.t);
    }
}

static void test_plan_tensors(void **state)
{
    planned p = plan_of("gpt2-xl");

    (void)state;
    check_dims(&p, "position_embd.weight", 1024, 1600, 1);
    check_dims(&p, "blk.47.attn_qkv.weight", 4800, 1600, 1);
    check_dims(&p, "blk.47.attn_qkv.bias", 4800, 1, 1);
    assert_true(find(&p, "blk.0.ffn_up.bias")->bias && find(&p, "blk.0.attn_norm.bias")->bias);
    assert_null(find(&p, "output.weight"));
    free(p.t);
    p = plan_of("qwen3-30b-a3b-12l");
    check_dims(&p, "blk.11.ffn_down_exps.weight", 128, 2048, 768);
    check_dims(&p, "blk.0.ffn_gate_inp.weight", 128, 2048, 1);
    check_dims(&p, "blk.0.attn_k_norm.weight", 128, 1, 1);
    assert_null(find(&p, "blk.0.ffn_up.weight"));
    free(p.t);
    p = plan_of("pythia-2.8b");
    check_dims(&p, "output.weight", 50304, 2560, 1);
    assert_null(find(&p, "position_embd.weight"));
    free(p.t);
}

/* A written one: its recipe is the architecture's, rows that are not whole blocks get another type. */
static void test_other_architecture(void **state)
{
    const tempo_synth_options o = {.size = sizeof(o), .shape = "pythia-160m", .type = "Q4_K_M"};
    tempo_err err = {0};

    (void)state;
    if (tempo_synth(path, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_model *m = open_model();
    assert_string_equal(m->info.architecture, "gptneox");
    assert_true(m->recipe.parallel && m->recipe.n_rot == 16 && m->recipe.act == TEMPO_ACT_GELU_ERF);
    assert_true(m->layers[0].wq.type == TEMPO_Q5_K && m->layers[11].mlp.w_down.type == TEMPO_Q6_K);
    assert_non_null(m->layers[3].mlp.b_down);
    check_numbers(&m->layers[0].mlp.w_gate, 1.0 / sqrt(768), "gate");
    check_runs(m);
    tempo_model_free(m);
}

static void test_seeds(void **state)
{
    (void)state;
    size_t n[3];
    unsigned char *file[3];

    for (uint64_t i = 0; i < 3; i++) {
        synth(other, "Q8_0", i / 2);
        file[i] = test_read_file(other, &n[i]);
    }
    assert_true(n[0] == n[1] && n[0] == n[2]);
    assert_memory_equal(file[0], file[1], n[0]);
    assert_true(memcmp(file[0], file[2], n[0]) != 0);
    for (size_t i = 0; i < 3; i++)
        free(file[i]);
}

static void test_vocabulary(void **state)
{
    (void)state;
    static const char text[] = "hello, Hello \xc3\xa9\n 123";
    tempo_err err = {0};
    int32_t *ids;
    size_t n, n_text;
    char *back;

    synth(path, "BF16", 0);
    tempo_model *m = open_model();
    const tempo_tokenizer *t = tempo_model_tokenizer(m);
    assert_int_equal(tempo_tokenize(t, text, sizeof(text) - 1, 0, &ids, &n, &err), TEMPO_OK);
    assert_int_equal(ids[0], 1022);
    assert_true(tempo_token_is_eos(t, 1023));
    assert_int_equal(ids[1],
                     'h'); /* then "el", "lo": of the words of two letters the first are merged first */
    assert_int_equal(ids[2], 256 + 4 * 26 + 11);
    assert_int_equal(ids[3], 256 + 11 * 26 + 14);
    assert_int_equal(tempo_detokenize(t, ids, n, false, &back, &n_text, &err), TEMPO_OK);
    assert_string_equal(back, text);
    tempo_free(ids);
    tempo_free(back);
    tempo_model_free(m);
}

/* ---- what goes wrong ---- */

static bool stop_at_half(void *user, uint64_t done, uint64_t total)
{
    uint64_t *last = user;

    assert_true(done > *last && done <= total);
    *last = done;
    return done < total / 2;
}

static size_t files_in_dir(void)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

static void test_stopped(void **state)
{
    (void)state;
    uint64_t last = 0;
    tempo_synth_options o = {
        .size = sizeof(o), .shape = "tiny", .type = "F32", .user = &last, .progress = stop_at_half};
    char gone[512];
    tempo_err err = {0};
    const size_t before = files_in_dir();

    test_path(gone, dir, "gone.gguf");
    assert_int_equal(tempo_synth(gone, &o, &err), TEMPO_E_STOPPED);
    assert_int_equal(files_in_dir(), before);
}

static void test_refused(void **state)
{
    (void)state;
    const tempo_synth_options shape = {.size = sizeof(shape), .shape = "gpt-5", .type = "F32"},
                              type = {.size = sizeof(type), .shape = "tiny", .type = "Q3_X"},
                              none = {.size = sizeof(none), .shape = ""},
                              good = {.size = sizeof(good), .shape = "tiny", .type = "F32"};
    tempo_err err = {0};

    assert_int_equal(tempo_synth(path, &shape, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "no shape \"gpt-5\", expected one of llama-3.2-1b"));
    err = (tempo_err){0};
    assert_int_equal(tempo_synth(path, &type, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "no type \"Q3_X\""));
    err = (tempo_err){0};
    assert_int_equal(tempo_synth(path, &none, &err), TEMPO_E_ARG);
    err = (tempo_err){0};
    assert_int_equal(tempo_synth("/nonexistent/x.gguf", &good, &err), TEMPO_E_IO);
    err = (tempo_err){0};
    assert_int_equal(tempo_synth("/dev/full", &good, &err), TEMPO_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_seeds),        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_plan_tensors), cmocka_unit_test(test_other_architecture),
        cmocka_unit_test(test_vocabulary),   cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
