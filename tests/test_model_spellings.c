/* The same model in the spellings that its makers' programs have written over the years: names of tensors,
 * keys of config.json, experts in one tensor or in many, MXFP4 in two.  Each gives the bits of the one in
 * ../shared/models/arch.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/gguf_write.h"
#include "io/safetensors.h"
#include "support/models.h"
#include "support/tmpdir.h"

static const char archs[] = "../shared/models/arch";

/* ---- a directory in memory ---- */

enum { MAX_TENSORS = 512 };

typedef struct tensor {
    char name[160]; /* "": is not written */
    char dtype[8];
    json_t *shape;
    unsigned char *data;
    size_t bytes;
} tensor;

typedef struct directory {
    json_t *config;
    size_t n;
    tensor tensors[MAX_TENSORS];
} directory;

static tensor *add(directory *d, const char *name, const char *dtype, json_t *shape, const void *data,
                   size_t bytes)
{
    tensor *t = &d->tensors[d->n++];

    assert_true(d->n <= MAX_TENSORS);
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    (void)snprintf(t->dtype, sizeof(t->dtype), "%s", dtype);
    t->shape = shape;
    t->data = calloc(bytes + 1, 1);
    assert_non_null(t->data);
    if (data != NULL)
        memcpy(t->data, data, bytes);
    t->bytes = bytes;
    return t;
}

static directory *load(const char *name)
{
    directory *d = calloc(1, sizeof(*d));
    tempo_safetensors s;
    tempo_err err = {0};
    char path[512];

    assert_non_null(d);
    (void)snprintf(path, sizeof(path), "%s/%s/config.json", archs, name);
    d->config = json_load_file(path, 0, NULL);
    assert_non_null(d->config);
    (void)snprintf(path, sizeof(path), "%s/%s/model.safetensors", archs, name);
    if (tempo_safetensors_open(&s, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < s.n_tensors; i++) {
        const tempo_safetensor *t = &s.tensors[i];
        json_t *shape = json_array();
        for (uint32_t k = 0; k < t->n_dims; k++)
            json_array_append_new(shape, json_integer((json_int_t)t->dims[k]));
        add(d, t->name, t->dtype, shape, s.base + t->offset, t->bytes);
    }
    tempo_safetensors_free(&s);
    return d;
}

static void unload(directory *d)
{
    for (size_t i = 0; i < d->n; i++) {
        json_decref(d->tensors[i].shape);
        free(d->tensors[i].data);
    }
    json_decref(d->config);
    free(d);
}

static void save(const directory *d, const char *path)
{
    json_t *header = json_object();
    char file[512];
    size_t at = 0;

    test_mkdir(path);
    test_path(file, path, "config.json");
    assert_int_equal(json_dump_file(d->config, file, 0), 0);
    test_path(file, path, "model.safetensors");
    FILE *out = fopen(file, "wb");
    assert_non_null(out);
    for (size_t i = 0; i < d->n; i++) {
        const tensor *t = &d->tensors[i];
        if (t->name[0] == '\0')
            continue;
        json_object_set_new(header, t->name,
                            json_pack("{s:s, s:O, s:[I, I]}", "dtype", t->dtype, "shape", t->shape,
                                      "data_offsets", (json_int_t)at, (json_int_t)(at + t->bytes)));
        at += t->bytes;
    }
    char *text = json_dumps(header, JSON_COMPACT);
    const uint64_t n = strlen(text);
    assert_int_equal(fwrite(&n, 8, 1, out), 1);
    assert_int_equal(fwrite(text, 1, n, out), n);
    for (size_t i = 0; i < d->n; i++)
        if (d->tensors[i].name[0] != '\0')
            assert_int_equal(fwrite(d->tensors[i].data, 1, d->tensors[i].bytes, out), d->tensors[i].bytes);
    assert_int_equal(fclose(out), 0);
    free(text);
    json_decref(header);
}

/* ---- logits ---- */

enum { ROWS = 24 };

/* context: that is asked for, or 0 */
static float *logits_in(const char *path, const char *cpu, uint32_t context, size_t *n)
{
    const tempo_model_options opt = {.size = sizeof(opt), .cpu = cpu, .context = context};
    tempo_err err = {0};
    int32_t ids[ROWS];
    tempo_model *m;

    if (tempo_model_open(&m, path, &opt, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    tempo_engine *e = test_engine(m, 1);
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    float *out = calloc(ROWS * n_vocab, sizeof(*out));
    assert_non_null(out);
    for (size_t i = 0; i < ROWS; i++)
        ids[i] = (int32_t)((i * 37 + 11) % n_vocab);
    test_append(e, seq, ids, ROWS, true, TEMPO_CAUSAL, NULL, out);
    tempo_seq_free(seq);
    tempo_engine_free(e);
    tempo_model_free(m);
    *n = ROWS * n_vocab;
    return out;
}

static float *logits_of(const char *path, const char *cpu, size_t *n)
{
    return logits_in(path, cpu, 0, n);
}

static void assert_same_paths(const char *what, const char *cpu, const char *one, const char *other)
{
    size_t n, m;
    float *x = logits_of(one, cpu, &n), *y = logits_of(other, cpu, &m);

    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++)
        if (memcmp(&x[i], &y[i], sizeof(*x)) != 0)
            fail_msg("%s: logit %zu is %.9g, %.9g as published", what, i, (double)y[i], (double)x[i]);
    free(x);
    free(y);
}

/* The directory gives the logits of the model that it was made of. */
static void assert_same(directory *d, const char *name, const char *what)
{
    char dir[256], path[512], original[512];

    (void)snprintf(original, sizeof(original), "%s/%s", archs, name);
    test_tmpdir_create(dir);
    test_path(path, dir, "model");
    save(d, path);
    assert_same_paths(what, NULL, original, path);
    test_tmpdir_remove(dir);
    unload(d);
}

/* The directory is refused with a message that says this. */
static void assert_refused(directory *d, const char *says)
{
    const tempo_model_options opt = {.size = sizeof(opt)};
    tempo_err err = {0};
    tempo_model *m;
    char dir[256], path[512];

    test_tmpdir_create(dir);
    test_path(path, dir, "model");
    save(d, path);
    assert_int_not_equal(tempo_model_open(&m, path, &opt, &err), TEMPO_OK);
    if (strstr(err.msg, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    test_tmpdir_remove(dir);
    unload(d);
}

/* ---- edits ---- */

/* "from..." -> "to...", of every tensor that begins so. */
static void rename_all(directory *d, const char *from, const char *to)
{
    for (size_t i = 0; i < d->n; i++) {
        tensor *t = &d->tensors[i];
        char rest[160];
        if (strncmp(t->name, from, strlen(from)) != 0)
            continue;
        (void)snprintf(rest, sizeof(rest), "%s", t->name + strlen(from));
        (void)snprintf(t->name, sizeof(t->name), "%s%s", to, rest);
    }
}

/* Members of an object in place of the configuration's. */
static void configure(directory *d, const char *text)
{
    json_t *edits = json_loads(text, 0, NULL);

    assert_non_null(edits);
    assert_int_equal(json_object_update(d->config, edits), 0);
    json_decref(edits);
}

static void drop_key(directory *d, const char *key)
{
    assert_int_equal(json_object_del(d->config, key), 0);
}

/* The configuration becomes the text's part of another one. */
static void nest(directory *d, const char *type)
{
    json_t *text = d->config;

    json_object_del(text, "architectures");
    d->config = json_pack("{s:s, s:[s], s:{s:s}, s:o}", "model_type", type, "architectures", "OfSeveralParts",
                          "vision_config", "model_type", "siglip", "text_config", text);
    add(d, "vision_tower.encoder.layers.0.weight", "F32", json_pack("[i]", 2), NULL, 8);
    add(d, "model.visual.blocks.0.weight", "F32", json_pack("[i]", 2), NULL, 8);
    add(d, "multi_modal_projector.weight", "F32", json_pack("[i]", 2), NULL, 8);
}

/* ---- configurations ---- */

static void test_nested_rope(void **state)
{
    directory *d = load("gemma3");

    (void)state;
    drop_key(d, "rope_theta");
    drop_key(d, "rope_scaling");
    drop_key(d, "rope_local_base_freq");
    configure(d,
              "{\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\",\"rope_theta\":10000.0},"
              "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":10000.0}}}");
    assert_same(d, "gemma3", "equal thetas");
    /* two thetas and a scaling of one, in the old keys and in the new ones */
    char dir[256], one[512], other[512];
    test_tmpdir_create(dir);
    test_path(one, dir, "old");
    test_path(other, dir, "new");
    d = load("gemma3");
    configure(d, "{\"rope_theta\":5e5,\"rope_local_base_freq\":3e3,\"rope_scaling\":{\"rope_type\":"
                 "\"linear\",\"factor\":8.0}}");
    save(d, one);
    unload(d);
    d = load("gemma3");
    drop_key(d, "rope_theta");
    drop_key(d, "rope_scaling");
    drop_key(d, "rope_local_base_freq");
    configure(d, "{\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8.0,\"rope_"
                 "theta\":5e5},"
                 "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":3e3}}}");
    save(d, other);
    unload(d);
    assert_same_paths("rope_parameters of kinds of layers", NULL, one, other);
    test_tmpdir_remove(dir);
    d = load("gemma3");
    configure(d, "{\"rope_parameters\":{\"full_attention\":{\"rope_theta\":5e5},"
                 "\"sliding_attention\":{\"rope_type\":\"linear\",\"factor\":2.0,\"rope_theta\":3e3}}}");
    assert_refused(d, "differ in more than a rope_theta");
    d = load("gemma3");
    configure(d, "{\"rope_parameters\":{\"full_attention\":{\"rope_theta\":5e5},\"chunked_attention\":{}}}");
    assert_refused(d, "\"chunked_attention\"");
}

static void test_expert_keys(void **state)
{
    directory *d = load("qwen3-moe");

    (void)state;
    drop_key(d, "num_experts");
    configure(d, "{\"num_local_experts\":8}");
    assert_same(d, "qwen3-moe", "num_local_experts");
}

static void assert_equal(const char *what, const float *x, const float *y, size_t n, bool equal)
{
    if ((memcmp(x, y, n * sizeof(*x)) == 0) != equal)
        fail_msg("%s: %s", what, equal ? "other bits" : "the same bits");
}

/* longrope: divisors of short texts and of long ones, as they are and exchanged. */
static void test_long_divisors(void **state)
{
    static const char gguf[] = "../shared/models/arch-gguf/phi3-longrope.gguf";
    const tempo_model_options beyond = {.size = sizeof(beyond), .context = 257};
    directory *d = load("phi3-longrope");
    json_t *scaling = json_object_get(d->config, "rope_scaling"),
           *divisors = json_object_get(scaling, "long_factor");
    char dir[256], original[512], path[512];
    tempo_err err = {0};
    tempo_model *m;
    size_t n;

    (void)state;
    json_incref(divisors);
    json_object_set(scaling, "long_factor", json_object_get(scaling, "short_factor"));
    json_object_set_new(scaling, "short_factor", divisors);
    test_tmpdir_create(dir);
    test_path(path, dir, "exchanged");
    save(d, path);
    (void)snprintf(original, sizeof(original), "%s/phi3-longrope", archs);
    float *few = logits_of(original, NULL, &n), *many = logits_in(original, NULL, 256, &n),
          *within = logits_in(original, NULL, 64, &n), *other = logits_of(path, NULL, &n),
          *both = logits_in(path, NULL, 65, &n), *file = logits_in(gguf, NULL, 256, &n);
    assert_equal("a larger context", few, many, n, false);
    assert_equal("a context that is the original one", few, within, n, true);
    assert_equal("long divisors", many, other, n, true);
    assert_equal("short divisors", few, both, n, true);
    assert_equal("GGUF", many, file, n, true);
    assert_int_equal(tempo_model_open(&m, original, &beyond, &err), TEMPO_E_LIMIT);
    assert_non_null(strstr(err.msg, "257 positions"));
    free(few);
    free(many);
    free(within);
    free(other);
    free(both);
    free(file);
    test_tmpdir_remove(dir);
    unload(d);
}

/* ---- models of several parts ---- */

static void test_parts_old(void **state)
{
    directory *d = load("gemma3");

    (void)state;
    rename_all(d, "model.", "language_model.model.");
    nest(d, "gemma3");
    assert_same(d, "gemma3", "language_model.model.");
}

static void test_parts_new(void **state)
{
    directory *d = load("gemma3");

    (void)state;
    rename_all(d, "model.", "model.language_model.");
    nest(d, "gemma3");
    assert_same(d, "gemma3", "model.language_model.");
}

static void test_parts_untied(void **state)
{
    directory *d = load("llama-rope-llama3");

    (void)state;
    rename_all(d, "model.", "language_model.model.");
    rename_all(d, "lm_head.", "language_model.lm_head.");
    nest(d, "llava");
    assert_same(d, "llama-rope-llama3", "language_model.lm_head");
    d = load("llama-rope-llama3"); /* names as if there were no other parts */
    nest(d, "qwen2_vl");
    rename_all(d, "model.visual.", "visual.");
    assert_same(d, "llama-rope-llama3", "visual.");
    d = load("llama-rope-llama3");
    nest(d, "llava");
    json_object_set_new(json_object_get(d->config, "text_config"), "model_type", json_string("mamba"));
    assert_refused(d, "model type \"llava\" is not supported");
}

/* A text_config says what its class does not: the rest is the class's. */
static void test_parts_defaults(void **state)
{
    const tempo_model_options opt = {.size = sizeof(opt), .load = TEMPO_LOAD_FACTS};
    tempo_err err = {0};
    tempo_model *m;
    char dir[256];
    directory *d = load("gemma3");

    (void)state;
    json_decref(d->config);
    d->config = json_pack("{s:s, s:{s:s, s:i, s:i, s:i, s:{s:f, s:s}, s:i}}", "model_type", "gemma3",
                          "text_config", "model_type", "gemma3_text", "hidden_size", 2560,
                          "intermediate_size", 10240, "num_hidden_layers", 34, "rope_scaling", "factor", 8.0,
                          "rope_type", "linear", "sliding_window", 1024);
    test_tmpdir_create(dir);
    char path[512];
    test_path(path, dir, "model");
    for (size_t i = 0; i < d->n; i++)
        d->tensors[i].name[0] = '\0';
    save(d, path);
    if (tempo_model_open(&m, path, &opt, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    const tempo_model_info *info = tempo_model_get_info(m);
    assert_int_equal(info->n_heads, 8);
    assert_int_equal(info->n_kv_heads, 4);
    assert_int_equal(info->head_dim, 256);
    assert_int_equal(info->context_length, 131072);
    assert_int_equal(info->sliding_window, 1024);
    assert_float_equal(info->rope_theta, 1e6, 0);
    tempo_model_free(m);
    test_tmpdir_remove(dir);
    unload(d);
}

/* ---- names ---- */

static void test_gpt2_names(void **state)
{
    directory *d = load("gpt2");

    (void)state;
    rename_all(d, "transformer.", "");
    add(d, "h.0.attn.bias", "F32", json_pack("[i, i, i, i]", 1, 1, 2, 2), NULL, 16);
    assert_same(d, "gpt2", "without transformer.");
}

/* ---- MXFP4 ---- */

static const float fp4[16] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6};

static tensor *find(directory *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->tensors[i].name, name) == 0)
            return &d->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Random codes for x [experts, columns, rows], whose columns are a row of the product: into its place their
 * values, and in `to` the two tensors that say the same.  */
static void make_blocks(directory *d, const char *name, directory *to)
{
    tensor *t = find(d, name), *plain = find(to, name);
    const size_t experts = (size_t)json_integer_value(json_array_get(t->shape, 0)),
                 columns = (size_t)json_integer_value(json_array_get(t->shape, 1)),
                 rows = (size_t)json_integer_value(json_array_get(t->shape, 2)), n = columns / 32;
    char full[192];

    plain->name[0] = '\0';
    (void)snprintf(full, sizeof(full), "%s_blocks", name);
    tensor *blocks = add(to, full, "U8", json_pack("[i, i, i, i]", (int)experts, (int)rows, (int)n, 16), NULL,
                         experts * rows * n * 16);
    (void)snprintf(full, sizeof(full), "%s_scales", name);
    tensor *scales = add(to, full, "U8", json_pack("[i, i, i]", (int)experts, (int)rows, (int)n), NULL,
                         experts * rows * n);
    for (size_t i = 0; i < experts * rows * columns; i++) {
        const size_t x = i / (rows * columns), r = i / columns % rows, c = i % columns,
                     block = (x * rows + r) * n + c / 32;
        const unsigned code = (unsigned)(i * 2654435761U >> 13) & 15, scale = 120 + (unsigned)(block * 7 % 5);
        const float value = fp4[code] * (float)(1 << (scale - 120)) / 128.0f;
        scales->data[block] = (unsigned char)scale;
        blocks->data[block * 16 + c % 32 / 2] |= (unsigned char)(code << 4 * (c % 2));
        memcpy(t->data + ((x * columns + c) * rows + r) * 4, &value, 4);
    }
}

static void test_mxfp4(void **state)
{
    directory *d = load("gpt-oss"), *packed = load("gpt-oss");
    char name[96], dir[256], one[512], other[512];

    (void)state;
    for (unsigned l = 0; l < 4; l++) {
        (void)snprintf(name, sizeof(name), "model.layers.%u.mlp.experts.gate_up_proj", l);
        make_blocks(d, name, packed);
        (void)snprintf(name, sizeof(name), "model.layers.%u.mlp.experts.down_proj", l);
        make_blocks(d, name, packed);
    }
    configure(
        packed,
        "{\"quantization_config\":{\"quant_method\":\"mxfp4\",\"modules_to_not_convert\":[\"lm_head\"]}}");
    test_tmpdir_create(dir);
    test_path(one, dir, "plain");
    test_path(other, dir, "packed");
    save(d, one);
    save(packed, other);
    assert_same_paths("MXFP4", "scalar", one, other); /* where both are multiplied as floats */
    free(logits_of(other, NULL, &(size_t){0}));
    test_tmpdir_remove(dir);
    unload(d);
    json_array_set_new(find(packed, "model.layers.0.mlp.experts.down_proj_scales")->shape, 2,
                       json_integer(2));
    find(packed, "model.layers.0.mlp.experts.down_proj_scales")->bytes = 4 * 64 * 2;
    assert_refused(packed, "down_proj_scales: shape");
}

/* ---- a GGUF with its experts one by one ---- */

static void put_apart(tempo_gguf_writer *w, const tempo_gguf_tensor *t)
{
    const char *exps = strstr(t->name.p, "_exps");
    char name[96];

    for (unsigned x = 0; x < t->dims[2]; x++) {
        (void)snprintf(name, sizeof(name), "%.*s.%u.weight", (int)(exps - t->name.p), t->name.p, x);
        (void)tempo_gguf_put_tensor(w, name, t->type, 2, t->dims);
    }
}

static bool is_stack(const tempo_gguf_tensor *t)
{
    return t->n_dims == 3;
}

static void test_gguf_experts(void **state)
{
    static const char original[] = "../shared/models/arch-gguf/mixtral.gguf";
    char dir[256], path[512], name[96];
    tempo_gguf_writer w = {0};
    tempo_err err = {0};
    tempo_outfile *f;
    tempo_gguf g;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "apart.gguf");
    if (tempo_gguf_open(&g, original, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    enum { HEADER = 24 };
    w.kv.n = w.kv.cap = (size_t)g.tensors[0].info_at - HEADER;
    w.kv.p = malloc(w.kv.n);
    assert_non_null(w.kv.p);
    memcpy(w.kv.p, g.base + HEADER, w.kv.n);
    w.n_kv = g.n_kv;
    for (size_t i = 0; i < g.n_tensors; i++) {
        const tempo_gguf_tensor *t = &g.tensors[i];
        (void)snprintf(name, sizeof(name), "%.*s", (int)t->name.n, t->name.p);
        if (is_stack(t))
            put_apart(&w, t);
        else
            (void)tempo_gguf_put_tensor(&w, name, t->type, t->n_dims, t->dims);
    }
    assert_int_equal(tempo_outfile_create(&f, path, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_begin(&w, f, &err), TEMPO_OK);
    for (size_t i = 0; i < g.n_tensors; i++) {
        const tempo_gguf_tensor *t = &g.tensors[i];
        const size_t parts = is_stack(t) ? (size_t)t->dims[2] : 1, bytes = (size_t)t->bytes / parts;
        for (size_t x = 0; x < parts; x++)
            assert_int_equal(tempo_gguf_data(&w, f, g.base + t->offset + x * bytes, bytes, &err), TEMPO_OK);
    }
    assert_int_equal(tempo_outfile_commit(f, &err), TEMPO_OK);
    tempo_gguf_writer_free(&w);
    tempo_gguf_free(&g);
    assert_same_paths("experts one by one", NULL, original, path);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_rope),    cmocka_unit_test(test_expert_keys),
        cmocka_unit_test(test_long_divisors),  cmocka_unit_test(test_parts_old),
        cmocka_unit_test(test_parts_new),      cmocka_unit_test(test_parts_untied),
        cmocka_unit_test(test_parts_defaults), cmocka_unit_test(test_gpt2_names),
        cmocka_unit_test(test_mxfp4),          cmocka_unit_test(test_gguf_experts),
    };
    FILE *there = fopen("../shared/models/arch/gemma3/config.json", "rb");

    if (there == NULL) {
        printf("no %s: spellings are not compared\n", archs);
        return 0;
    }
    (void)fclose(there);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
