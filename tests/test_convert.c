/* test_convert.c - conversions: blocks of every type against the second decoder, directories against the GGUF
 * files that the field's converter made of them, what is kept and what is refused. */
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "convert/quantize.h"
#include "io/gguf.h"
#include "model/random.h"
#include "support/elements.h"
#include "support/json_file.h"
#include "support/models.h"
#include "support/tmpdir.h"

static const char made[] = "../shared/models/arch-gguf", dirs[] = "../shared/models/arch";
static char dir[256], first[512], second[512];

static int make_dir(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    test_path(first, dir, "a.gguf");
    test_path(second, dir, "b.gguf");
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

static bool loss;     /* is allowed */
static size_t losses; /* that the last conversion told */

static void count_loss(void *user, const char *what)
{
    assert_non_null(what);
    ++*(size_t *)user;
}

static tempo_status convert(const char *from, const char *to, const char *type, bool again, tempo_err *err)
{
    tempo_convert_options o;

    tempo_convert_options_init(&o);
    o.type = type;
    o.force = true;
    o.allow_requantize = again;
    o.allow_loss = loss;
    o.user = &losses;
    o.lost = count_loss;
    losses = 0;
    return tempo_convert(from, to, &o, err);
}

static void refused_as_lossy(const char *from, const char *what)
{
    tempo_err err = {0};

    assert_int_equal(convert(from, first, "F32", false, &err), TEMPO_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, what));
    assert_non_null(strstr(err.msg, "--allow-loss"));
    assert_string_equal(err.field, "model");
}

static void converted(const char *from, const char *to, const char *type)
{
    tempo_err err = {0};

    if (convert(from, to, type, true, &err) != TEMPO_OK)
        fail_msg("%s to %s: %s", from, type, err.msg);
}

/* ---- blocks ---- */

/* Root mean square of the error over the deviation of normal numbers, rounded up. */
static const struct {
    tempo_dtype type;
    double most;
} bounds[] = {{TEMPO_F32, 0},      {TEMPO_F16, 3e-4},  {TEMPO_BF16, 3e-3},  {TEMPO_Q8_0, 8e-3},
              {TEMPO_Q4_0, 0.11},  {TEMPO_Q4_1, 0.1},  {TEMPO_Q5_0, 0.055}, {TEMPO_Q5_1, 0.05},
              {TEMPO_Q2_K, 0.3},   {TEMPO_Q3_K, 0.17}, {TEMPO_Q4_K, 0.08},  {TEMPO_Q5_K, 0.04},
              {TEMPO_Q6_K, 0.022}, {TEMPO_MXFP4, 0.14}};
enum { BLOCKS = 64, LEN = 256 };

static void test_blocks(void **state)
{
    static float x[BLOCKS * LEN];
    static unsigned char out[BLOCKS * LEN * 4];
    uint64_t seed = 7;

    (void)state;
    for (size_t i = 0; i < BLOCKS * LEN; i++) { /* a sum of twelve is about normal */
        double sum = -6;
        for (int k = 0; k < 12; k++)
            sum += (double)(tempo_random(&seed) >> 11) * 0x1p-53;
        x[i] = i < LEN ? 0.0f : (float)sum;
    }
    for (size_t b = 0; b < sizeof(bounds) / sizeof(*bounds); b++) {
        const tempo_dtype_info *info = tempo_dtype_get(bounds[b].type);
        double error = 0;
        tempo_quantizer(bounds[b].type)(out, x, BLOCKS * LEN);
        for (size_t i = 0; i < BLOCKS * LEN; i++) {
            const double got = test_element(bounds[b].type, out + i / info->block_len * info->block_bytes,
                                            (unsigned)(i % info->block_len));
            if (i < LEN)
                assert_true(got == 0);
            error += (got - (double)x[i]) * (got - (double)x[i]);
        }
        error = sqrt(error / (BLOCKS * LEN - LEN));
        if (!(error <= bounds[b].most))
            fail_msg("%s: error %g, expected at most %g", info->name, error, bounds[b].most);
    }
}

/* Numbers whose scales cannot be divided by, and the largest that there are, give finite blocks. */
static void test_extremes(void **state)
{
    static const float values[] = {1e-45f, -1e-45f, 1e-39f, 65504.0f, -60000.0f, 1e-20f};
    static unsigned char out[LEN * 4];
    float x[LEN];

    (void)state;
    for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++)
        for (size_t b = 0; b < sizeof(bounds) / sizeof(*bounds); b++) {
            const tempo_dtype_info *info = tempo_dtype_get(bounds[b].type);
            for (size_t i = 0; i < LEN; i++)
                x[i] = i % 3 == 0 ? values[v] : i % 3 == 1 ? -values[v] * 0.5f : 0.0f;
            tempo_quantizer(bounds[b].type)(out, x, LEN);
            for (size_t i = 0; i < LEN; i++)
                assert_true(
                    isfinite(test_element(bounds[b].type, out + i / info->block_len * info->block_bytes,
                                          (unsigned)(i % info->block_len))));
        }
}

/* ---- directories ---- */

static void same_tensors(const char *name, const tempo_gguf *a, const tempo_gguf *b)
{
    assert_int_equal(a->n_tensors, b->n_tensors);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tempo_gguf_tensor *x = &a->tensors[i], *y;
        char full[128];
        (void)snprintf(full, sizeof(full), "%.*s", (int)x->name.n, x->name.p);
        if ((y = tempo_gguf_find_tensor(b, full)) == NULL)
            fail_msg("%s: %s is missing", name, full);
        if (x->type != y->type || x->n_dims != y->n_dims || memcmp(x->dims, y->dims, sizeof(x->dims)) != 0)
            fail_msg("%s: %s has another type or shape", name, full);
        if (memcmp(a->base + x->offset, b->base + y->offset, (size_t)x->bytes) != 0)
            fail_msg("%s: %s has other bytes", name, full);
    }
}

/* What the field's converter rounds, leaves to others or says otherwise without a difference. */
static bool is_known(const char *name, const char *key)
{
    return strncmp(key, "general.", 8) == 0 || strstr(key, "padding_token_id") != NULL ||
           (strcmp(name, "bloom") == 0 &&
            strcmp(key, "bloom.context_length") == 0) ||                    /* of the class, not the file */
           strcmp(key, "phi3.rope.scaling.original_context_length") == 0 || /* without a scaling */
           strcmp(key, "phi3.attention.sliding_window") == 0;               /* which is 0 there */
}

static void same_keys(const char *name, const tempo_gguf *a, const tempo_gguf *b)
{
    for (size_t i = 0; i < a->n_kv; i++) {
        const tempo_gguf_kv *x = &a->kv[i], *y;
        char key[128];
        (void)snprintf(key, sizeof(key), "%.*s", (int)x->key.n, x->key.p);
        if (is_known(name, key))
            continue;
        if ((y = tempo_gguf_find(b, key)) == NULL)
            fail_msg("%s: key %s is missing", name, key);
        if (x->type != y->type || x->bytes != y->bytes ||
            memcmp(a->base + x->at, b->base + y->at, (size_t)x->bytes) != 0)
            fail_msg("%s: key %s has another value", name, key);
    }
}

static void same_logits(const char *name, const char *a, const char *b)
{
    enum { IDS = 12 };
    int32_t ids[IDS];
    float *out[2];
    const char *const paths[2] = {a, b};
    size_t n_vocab = 0;

    for (size_t i = 0; i < 2; i++) {
        tempo_model *m = test_open_model(paths[i]);
        tempo_engine *e = test_engine(m, 1);
        tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
        n_vocab = tempo_model_get_info(m)->n_vocab;
        for (size_t k = 0; k < IDS; k++)
            ids[k] = (int32_t)((k * 37 + 11) % n_vocab);
        out[i] = malloc(IDS * n_vocab * sizeof(float));
        assert_non_null(out[i]);
        test_append(e, seq, ids, IDS, true, TEMPO_ISOLATED, NULL, out[i]);
        tempo_seq_free(seq);
        tempo_engine_free(e);
        tempo_model_free(m);
    }
    if (memcmp(out[0], out[1], IDS * n_vocab * sizeof(float)) != 0)
        fail_msg("%s: other logits", name);
    free(out[0]);
    free(out[1]);
}

static void check_directory(const char *name)
{
    char from[512], theirs[512];
    tempo_gguf a, b;

    (void)snprintf(theirs, sizeof(theirs), "%s/%s.gguf", made, name);
    (void)snprintf(from, sizeof(from), "%s/%s", dirs, name);
    /* a GGUF does not say which GELU GPT-NeoX means */
    const bool lossy = strcmp(name, "neox-serial") == 0;
    if (lossy)
        refused_as_lossy(from, "which activation");
    loss = lossy;
    converted(from, first, "F32");
    loss = false;
    assert_int_equal(losses, lossy);
    assert_int_equal(tempo_gguf_open(&a, theirs, NULL), TEMPO_OK);
    assert_int_equal(tempo_gguf_open(&b, first, NULL), TEMPO_OK);
    same_tensors(name, &a, &b);
    same_keys(name, &a, &b);
    tempo_gguf_free(&a);
    tempo_gguf_free(&b);
    same_logits(name, theirs, first);
    if (!lossy)
        same_logits(name, from, first);
}

/* The directory `name` with another value of a key of config.json, or of an object in it, as dir/variant. */
static void vary(const char *name, const char *within, const char *key, json_t *value)
{
    static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json",
                                        "tokenizer_config.json"};
    char from[512], real[PATH_MAX], to[512];

    (void)snprintf(to, sizeof(to), "%s/variant", dir);
    (void)mkdir(to, 0700);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        (void)snprintf(from, sizeof(from), "%s/%s/%s", dirs, name, files[i]);
        (void)snprintf(to, sizeof(to), "%s/variant/%s", dir, files[i]);
        (void)unlink(to);
        if (i > 0) {
            assert_non_null(realpath(from, real));
            assert_int_equal(symlink(real, to), 0);
            continue;
        }
        json_t *config = test_read_json(from);
        json_t *object = within != NULL ? json_object_get(config, within) : config;
        assert_int_equal(json_object_set_new(object, key, value), 0);
        assert_int_equal(json_dump_file(config, to, 0), 0);
        json_decref(config);
    }
}

/* What GGUF cannot say is refused by name, and warned of where it is allowed; the same words where it can say
 * them are not. */
static void test_lossy(void **state)
{
    char from[512], config[512];

    (void)state;
    (void)snprintf(config, sizeof(config), "%s/smollm3/config.json", dirs);
    (void)snprintf(from, sizeof(from), "%s/variant", dir);
    if (access(config, R_OK) != 0) {
        printf("no %s: nothing that GGUF cannot say\n", dirs);
        return;
    }
    vary("smollm3", NULL, "no_rope_layers", json_pack("[i, i, i, i]", 0, 1, 1, 1));
    refused_as_lossy(from, "in which layers positions rotate");
    loss = true;
    converted(from, first, "F32");
    loss = false;
    assert_int_equal(losses, 1);
    vary("llama-rope-yarn", "rope_scaling", "truncate", json_false());
    refused_as_lossy(from, "truncate: false");
    vary("llama-rope-yarn", "rope_scaling", "truncate", json_true());
    converted(from, first, "F32");
    assert_int_equal(losses, 0);
}

static void test_directories(void **state)
{
    DIR *d = opendir(made);
    struct dirent *entry;
    size_t n = 0;

    (void)state;
    if (d == NULL) {
        printf("no %s: directories are not compared\n", made);
        return;
    }
    while ((entry = readdir(d)) != NULL) {
        char name[256];
        const size_t len = strlen(entry->d_name);
        if (len < 6 || strcmp(entry->d_name + len - 5, ".gguf") != 0)
            continue;
        (void)snprintf(name, sizeof(name), "%.*s", (int)len - 5, entry->d_name);
        check_directory(name);
        n++;
    }
    (void)closedir(d);
    assert_true(n >= 26);
}

/* An architecture that GGUF has no name for. */
static void test_no_name(void **state)
{
    tempo_err err = {0};
    DIR *d = opendir("../shared/models/arch/opt");

    (void)state;
    if (d == NULL)
        return;
    (void)closedir(d);
    assert_int_equal(convert("../shared/models/arch/opt", first, "F32", false, &err), TEMPO_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "GGUF has no architecture"));
}

/* ---- GGUF to GGUF ---- */

static void synth(const char *path)
{
    const tempo_synth_options o = {.size = sizeof(o), .shape = "tiny", .type = "F32"};

    assert_int_equal(tempo_synth(path, &o, NULL), TEMPO_OK);
}

/* All types, and back: a model that opens and runs. */
static void test_types(void **state)
{
    static const char *const types[] = {"F16",    "BF16", "Q8_0",  "Q4_0",  "Q4_1",   "Q5_0",
                                        "Q5_1",   "Q2_K", "Q3_K",  "Q4_K",  "Q4_K_S", "Q5_K_M",
                                        "Q3_K_L", "Q6_K", "TQ1_0", "TQ2_0", "MXFP4"};
    tempo_gguf a, b;

    (void)state;
    synth(first);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        converted(first, second, types[i]);
        tempo_model_free(test_open_model(second));
    }
    converted(first, second, "F32");
    assert_int_equal(tempo_gguf_open(&a, first, NULL), TEMPO_OK);
    assert_int_equal(tempo_gguf_open(&b, second, NULL), TEMPO_OK);
    same_tensors("F32", &a, &b);
    for (size_t i = 0; i < a.n_kv; i++) { /* general.name is kept here, too */
        char key[128];
        (void)snprintf(key, sizeof(key), "%.*s", (int)a.kv[i].key.n, a.kv[i].key.p);
        assert_non_null(tempo_gguf_find(&b, key));
    }
    tempo_gguf_free(&a);
    tempo_gguf_free(&b);
}

/* ---- refused ---- */

static size_t files_there(void)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    size_t n = 0;

    while ((entry = readdir(d)) != NULL)
        n += entry->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static bool stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return false;
}

static void test_refused(void **state)
{
    tempo_convert_options o;
    tempo_err err = {0};

    (void)state;
    synth(first);
    assert_int_equal(convert(first, second, "Q9_9", false, &err), TEMPO_E_ARG);
    assert_string_equal(err.field, "type");
    converted(first, second, "Q8_0");
    err = (tempo_err){0};
    assert_int_equal(convert(second, first, "Q4_K", false, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "allow-requantize"));
    assert_int_equal(convert(second, first, "F16", false, NULL), TEMPO_OK);

    tempo_convert_options_init(&o);
    err = (tempo_err){0};
    assert_int_equal(tempo_convert(first, second, &o, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "--force"));
    o.dry_run = true;
    assert_int_equal(tempo_convert(first, second, &o, NULL), TEMPO_OK);

    const size_t n = files_there();
    char third[512];
    test_path(third, dir, "c.gguf");
    o.dry_run = false;
    o.progress = stop;
    assert_int_equal(tempo_convert(first, third, &o, NULL), TEMPO_E_STOPPED);
    assert_int_equal(files_there(), n);
    assert_int_equal(tempo_convert(first, dir, &o, NULL), TEMPO_E_ARG);
}

/* A number that is not finite has no place in a block. */
static void test_infinite(void **state)
{
    tempo_err err = {0};
    tempo_gguf g;
    size_t n;

    (void)state;
    synth(first);
    assert_int_equal(tempo_gguf_open(&g, first, NULL), TEMPO_OK);
    const uint64_t at = tempo_gguf_find_tensor(&g, "blk.1.ffn_up.weight")->offset + 4000;
    tempo_gguf_free(&g);
    unsigned char *bytes = test_read_file(first, &n);
    memcpy(bytes + at, "\0\0\x80\x7f", 4);
    test_write_file(first, bytes, n);
    free(bytes);
    assert_int_equal(convert(first, second, "Q4_K", false, &err), TEMPO_E_FORMAT);
    assert_non_null(strstr(err.msg, "blk.1.ffn_up.weight"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test_setup_teardown(test_directories, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_lossy, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_no_name, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_types, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_infinite, make_dir, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
