/* test_model_broken.c - models that are wrong or cannot run: each case asserts code and message, GGUF ones
 * also that an offset is given; then truncations.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/model_numbers.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"

/* ---- ways to break a good model ---- */

typedef enum edit {
    U32,    /* set the key `name` to `value` */
    I32_X2, /* the same, to an array of two numbers "a b" */
    F32,    /*                                       */
    TEXT,   /*                                       */
    FALSE,  /* set the key `name` to false */
    NO_KEY, /* remove the key `name` */
    NO_TENSOR,
    TENSOR,  /* the tensor `name` gets the shape `value`, "a" or "a b", and all ones; it may be a new one */
    ELEMENT, /* of the tensor `name`: element 2 becomes `value` */
    CONFIG,  /* merge the JSON `value` into config.json */
} edit;

typedef struct broken {
    const char *arch;
    edit how;
    const char *name, *value;
    tempo_status code;
    const char *says; /* the message contains it */
} broken;

static bool has_tensor(const test_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (strcmp(m->tensors[i].name, name) == 0)
            return true;
    }
    return false;
}

static void set_tensor(test_model *m, const char *name, const char *shape)
{
    char *end;
    uint64_t dims[2] = {strtoull(shape, &end, 10), 0};

    dims[1] = strtoull(end, NULL, 10);
    if (has_tensor(m, name))
        test_model_drop_tensor(m, name);
    test_model_add_tensor(m, name, *end == '\0' ? 1 : 2, dims, 1.0f);
}

static void set_pair(test_model *m, const char *key, const char *values)
{
    char *end;
    int32_t pair[2] = {(int32_t)strtol(values, &end, 10), 0};

    pair[1] = (int32_t)strtol(end, NULL, 10);
    test_model_set_array(m, key, TEMPO_GGUF_I32, 2, pair, sizeof(pair));
}

static void merge(json_t *tree, const char *text)
{
    json_t *patch = json_loads(text, 0, NULL);

    assert_non_null(patch);
    assert_int_equal(json_object_update(tree, patch), 0);
    json_decref(patch);
}

static void apply(test_model *m, edit how, const char *name, const char *value)
{
    switch (how) {
    case U32:
        test_model_set_u32(m, name, (uint32_t)strtoul(value, NULL, 10));
        break;
    case I32_X2:
        set_pair(m, name, value);
        break;
    case F32:
        test_model_set_f32(m, name, strtof(value, NULL));
        break;
    case TEXT:
        test_model_set_str(m, name, value);
        break;
    case FALSE:
        test_model_set_bool(m, name, false);
        break;
    case NO_KEY:
        test_model_drop_key(m, name);
        break;
    case NO_TENSOR:
        test_model_drop_tensor(m, name);
        break;
    case TENSOR:
        set_tensor(m, name, value);
        break;
    case ELEMENT:
        test_put_float(test_model_tensor(m, name)->data, TEMPO_F32, 2, strtof(value, NULL));
        break;
    case CONFIG:
        merge(m->config, value);
        break;
    }
}

/* ---- the cases ---- */

static const broken gguf_cases[] = {
    {"llama", U32, "llama.attention.head_count", "0", TEMPO_E_FORMAT, "llama.attention.head_count is 0"},
    {"llama", U32, "llama.attention.head_count_kv", "0", TEMPO_E_FORMAT,
     "llama.attention.head_count_kv is 0"},
    {"llama", U32, "llama.block_count", "0", TEMPO_E_FORMAT, "llama.block_count is 0"},
    {"llama", U32, "llama.embedding_length", "0", TEMPO_E_FORMAT, "llama.embedding_length is 0"},
    {"llama", U32, "llama.context_length", "0", TEMPO_E_FORMAT, "llama.context_length is 0"},
    {"llama", U32, "llama.attention.key_length", "0", TEMPO_E_FORMAT, "llama.attention.key_length is 0"},
    {"llama", U32, "llama.attention.key_length", "6", TEMPO_E_UNSUPPORTED, "keys of 6 and values of 8"},
    {"llama", U32, "llama.block_count", "100000", TEMPO_E_LIMIT,
     "llama.block_count is 100000, the limit is 1024"},
    {"llama", U32, "llama.embedding_length", "4294967295", TEMPO_E_LIMIT,
     "llama.embedding_length is 4294967295"},
    {"llama", U32, "llama.attention.head_count_kv", "3", TEMPO_E_FORMAT, "4 attention heads cannot share 3"},
    {"llama", TEXT, "llama.block_count", "two", TEMPO_E_FORMAT, "llama.block_count"},
    {"llama", F32, "llama.attention.layer_norm_rms_epsilon", "nan", TEMPO_E_FORMAT,
     "llama.attention.layer_norm_rms_epsilon is nan"},
    {"llama", F32, "llama.attention.layer_norm_rms_epsilon", "0", TEMPO_E_FORMAT,
     "llama.attention.layer_norm_rms_epsilon is 0"},
    {"llama", F32, "llama.attention.layer_norm_rms_epsilon", "1", TEMPO_E_FORMAT,
     "llama.attention.layer_norm_rms_epsilon is 1"},
    {"llama", F32, "llama.rope.freq_base", "nan", TEMPO_E_FORMAT, "llama.rope.freq_base is nan"},
    {"llama", F32, "llama.rope.freq_base", "-1", TEMPO_E_FORMAT, "llama.rope.freq_base is -1"},
    {"llama", F32, "llama.rope.scaling.factor", "inf", TEMPO_E_FORMAT, "llama.rope.scaling.factor is inf"},
    {"llama", F32, "llama.rope.scaling.factor", "-2", TEMPO_E_FORMAT, "llama.rope.scaling.factor is -2"},
    {"llama", NO_KEY, "llama.block_count", NULL, TEMPO_E_NOTFOUND, "llama.block_count is missing"},
    {"llama", NO_KEY, "llama.attention.layer_norm_rms_epsilon", NULL, TEMPO_E_NOTFOUND,
     "llama.attention.layer_norm_rms_epsilon is missing"},
    {"llama", NO_KEY, "general.architecture", NULL, TEMPO_E_NOTFOUND, "general.architecture is missing"},
    {"llama", I32_X2, "llama.attention.head_count", "-4 -4", TEMPO_E_FORMAT,
     "llama.attention.head_count[0] is -4"},
    {"llama", I32_X2, "llama.attention.head_count_kv", "2 4", TEMPO_E_UNSUPPORTED,
     "head_count_kv differs between layers"},
    {"llama", TEXT, "general.architecture", "mamba", TEMPO_E_UNSUPPORTED, "\"mamba\""},
    {"llama", U32, "llama.expert_count", "8", TEMPO_E_NOTFOUND, "llama.expert_used_count is missing"},
    {"llama", TEXT, "llama.rope.scaling.type", "ntk", TEMPO_E_UNSUPPORTED, "\"ntk\""},
    {"llama", U32, "llama.rope.dimension_count", "3", TEMPO_E_FORMAT, "3 of 8 elements of a head rotate"},
    {"llama", U32, "llama.attention.value_length", "16", TEMPO_E_UNSUPPORTED, "keys of 8 and values of 16"},
    {"llama", F32, "llama.attn_logit_softcapping", "50", TEMPO_E_UNSUPPORTED,
     "llama.attn_logit_softcapping is 50"},
    {"llama", F32, "llama.logit_scale", "0.5", TEMPO_E_UNSUPPORTED, "llama.logit_scale is 0.5"},
    {"llama", F32, "llama.rope.scaling.attn_factor", "-0.5", TEMPO_E_FORMAT,
     "llama.rope.scaling.attn_factor is -0.5"},
    {"llama", FALSE, "llama.attention.causal", NULL, TEMPO_E_UNSUPPORTED, "attention to later tokens"},
    {"llama", TEXT, "llama.attention.causal", "no", TEMPO_E_FORMAT, "llama.attention.causal"},
    {"llama", U32, "split.count", "3", TEMPO_E_NOTFOUND,
     "this is part 1 of 3, whose name should end in -00001-of-00003.gguf"},
    {"llama", U32, "split.count", "4097", TEMPO_E_LIMIT, "split.count is 4097, the limit is 4096"},
    {"llama", TENSOR, "blk.0.attn_output.bias", "31", TEMPO_E_FORMAT,
     "blk.0.attn_output.bias: shape [31], expected [32]"},
    {"llama", TENSOR, "blk.1.ffn_up.bias", "32", TEMPO_E_FORMAT,
     "blk.1.ffn_up.bias: shape [32], expected [64]"},
    {"llama", TENSOR, "blk.1.attn_sinks.weight", "4", TEMPO_E_UNSUPPORTED, "blk.1.attn_sinks.weight"},
    {"llama", TENSOR, "blk.0.ffn_gate_inp.weight", "4 32", TEMPO_E_UNSUPPORTED, "blk.0.ffn_gate_inp.weight"},
    {"llama", TENSOR, "blk.0.attn_q_norm.weight", "8", TEMPO_E_UNSUPPORTED, "blk.0.attn_q_norm.weight"},
    {"llama", TENSOR, "blk.2.attn_norm.weight", "32", TEMPO_E_UNSUPPORTED, "blk.2.attn_norm.weight"},
    {"llama", NO_TENSOR, "token_embd.weight", NULL, TEMPO_E_NOTFOUND, "token_embd.weight is missing"},
    {"llama", NO_TENSOR, "output_norm.weight", NULL, TEMPO_E_NOTFOUND, "output_norm.weight is missing"},
    {"llama", NO_TENSOR, "blk.1.ffn_down.weight", NULL, TEMPO_E_NOTFOUND, "blk.1.ffn_down.weight is missing"},
    {"qwen2", NO_TENSOR, "blk.1.attn_k.bias", NULL, TEMPO_E_NOTFOUND, "blk.1.attn_k.bias is missing"},
    {"qwen3", NO_TENSOR, "blk.0.attn_k_norm.weight", NULL, TEMPO_E_NOTFOUND,
     "blk.0.attn_k_norm.weight is missing"},
    {"llama", TENSOR, "blk.1.attn_q.weight", "32 64", TEMPO_E_FORMAT,
     "blk.1.attn_q.weight: shape [32, 64], expected [32, 32]"},
    {"llama", TENSOR, "blk.0.attn_k.weight", "32 16", TEMPO_E_FORMAT,
     "blk.0.attn_k.weight: shape [32, 16], expected [16, 32]"},
    {"llama", TENSOR, "blk.0.ffn_up.weight", "2048", TEMPO_E_FORMAT,
     "blk.0.ffn_up.weight: shape [2048], expected [64, 32]"},
    {"llama", TENSOR, "output_norm.weight", "31", TEMPO_E_FORMAT,
     "output_norm.weight: shape [31], expected [32]"},
    {"llama", TENSOR, "output.weight", "287 32", TEMPO_E_FORMAT,
     "output.weight: shape [287, 32], expected [288, 32]"},
    {"llama", TENSOR, "token_embd.weight", "9216", TEMPO_E_FORMAT,
     "token_embd.weight: shape [9216], expected [288, 32]"},
    {"llama", TENSOR, "token_embd.weight", "287 32", TEMPO_E_FORMAT,
     "output.weight: shape [288, 32], expected [287, 32]"},
    {"llama", TENSOR, "rope_freqs.weight", "5", TEMPO_E_FORMAT, "rope_freqs.weight: shape [5], expected [4]"},
    {"llama", ELEMENT, "blk.1.ffn_norm.weight", "nan", TEMPO_E_FORMAT,
     "blk.1.ffn_norm.weight: element 2 is nan"},
};

static const broken directory_cases[] = {
    {"llama", CONFIG, NULL, "{\"num_attention_heads\": 0}", TEMPO_E_FORMAT,
     "config.json: num_attention_heads is 0"},
    {"llama", CONFIG, NULL, "{\"num_key_value_heads\": -2}", TEMPO_E_FORMAT, "num_key_value_heads"},
    {"llama", CONFIG, NULL, "{\"num_hidden_layers\": 1025}", TEMPO_E_LIMIT,
     "num_hidden_layers is 1025, the limit is 1024"},
    {"llama", CONFIG, NULL, "{\"hidden_size\": null}", TEMPO_E_NOTFOUND, "hidden_size is missing"},
    {"llama", CONFIG, NULL, "{\"head_dim\": null, \"hidden_size\": 33}", TEMPO_E_FORMAT,
     "33 does not divide into 4 heads"},
    {"llama", CONFIG, NULL, "{\"head_dim\": 7}", TEMPO_E_FORMAT, "head size is 7"},
    {"llama", CONFIG, NULL, "{\"rms_norm_eps\": \"NaN\"}", TEMPO_E_FORMAT, "rms_norm_eps"},
    {"llama", CONFIG, NULL, "{\"rms_norm_eps\": 0.0}", TEMPO_E_FORMAT, "rms_norm_eps is 0"},
    {"llama", CONFIG, NULL, "{\"rms_norm_eps\": null}", TEMPO_E_NOTFOUND, "rms_norm_eps is missing"},
    {"llama", CONFIG, NULL, "{\"model_type\": null}", TEMPO_E_NOTFOUND, "model_type is missing"},
    {"llama", CONFIG, NULL, "{\"model_type\": \"mamba\"}", TEMPO_E_UNSUPPORTED, "\"mamba\""},
    {"llama", CONFIG, NULL, "{\"architectures\": [\"LlamaForSequenceClassification\"]}", TEMPO_E_UNSUPPORTED,
     "LlamaForSequenceClassification"},
    {"llama", CONFIG, NULL, "{\"num_local_experts\": 8}", TEMPO_E_UNSUPPORTED,
     "mixture of experts (num_local_experts is 8)"},
    {"llama", CONFIG, NULL, "{\"mlp_bias\": true}", TEMPO_E_NOTFOUND,
     "model.layers.0.mlp.gate_proj.bias is missing"},
    {"llama", CONFIG, NULL, "{\"mlp_bias\": 1}", TEMPO_E_FORMAT, "\"mlp_bias\" is an integer"},
    {"llama", CONFIG, NULL, "{\"hidden_act\": \"mish\"}", TEMPO_E_UNSUPPORTED, "\"mish\""},
    {"llama", CONFIG, NULL, "{\"attention_bias\": true}", TEMPO_E_NOTFOUND,
     "model.layers.0.self_attn.q_proj.bias is missing"},
    {"llama", CONFIG, NULL, "{\"vocab_size\": 287}", TEMPO_E_FORMAT,
     "vocab_size is 287, model.embed_tokens.weight has 288 rows"},
    {"llama", CONFIG, NULL, "{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 4.0}}",
     TEMPO_E_UNSUPPORTED, "\"dynamic\""},
    {"llama", CONFIG, NULL, "{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 4.0}}",
     TEMPO_E_NOTFOUND, "low_freq_factor"},
    {"llama", CONFIG, NULL, "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}}", TEMPO_E_FORMAT,
     "factor is 0"},
    {"llama", CONFIG, NULL, "{\"rope_scaling\": 3}", TEMPO_E_FORMAT, "rope_scaling: expected an object"},
    {"llama", CONFIG, NULL,
     "{\"rope_parameters\": {\"linear_attention\": {\"rope_type\": \"default\", \"rope_theta\": 1e6}}}",
     TEMPO_E_UNSUPPORTED, "rope_parameters of layers of the kind \"linear_attention\""},
    {"llama", CONFIG, NULL, "{\"rope_theta\": -5}", TEMPO_E_FORMAT, "rope_theta is -5"},
    {"llama", CONFIG, NULL, "{\"partial_rotary_factor\": 0.5}", TEMPO_E_UNSUPPORTED,
     "partial_rotary_factor is 0.5"},
    {"llama", CONFIG, NULL, "{\"layer_types\": [\"full_attention\", \"linear_attention\"]}",
     TEMPO_E_UNSUPPORTED, "layer_types[1] is \"linear_attention\""},
    {"llama", CONFIG, NULL, "{\"model_type\": \"mistral\", \"architectures\": null, \"sliding_window\": -1}",
     TEMPO_E_FORMAT, "\"sliding_window\" is -1"},
    {"llama", CONFIG, NULL, "{\"quantization_config\": {\"quant_method\": \"awq\"}}", TEMPO_E_UNSUPPORTED,
     "\"awq\" (quantization_config) are not supported; what runs: the model without quantisation"},
    {"llama", CONFIG, NULL, "{\"quantization_config\": {\"quant_method\": \"gptq\"}}", TEMPO_E_UNSUPPORTED,
     "\"gptq\""},
    {"llama", CONFIG, NULL, "{\"quantization_config\": {\"quant_method\": \"bitsandbytes\"}}",
     TEMPO_E_UNSUPPORTED, "\"bitsandbytes\""},
    {"llama", CONFIG, NULL,
     "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\"}}",
     TEMPO_E_UNSUPPORTED, "\"compressed-tensors\", format pack-quantized"},
    {"llama", CONFIG, NULL,
     "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [128, 0]}}",
     TEMPO_E_FORMAT, "weight_block_size"},
    {"llama", TENSOR, "model.layers.1.self_attn.q_proj.weight_scale", "1", TEMPO_E_UNSUPPORTED,
     "q_proj.weight_scale is not supported"},
    {"qwen2", CONFIG, NULL, "{\"use_sliding_window\": 1}", TEMPO_E_FORMAT, "use_sliding_window"},
    {"llama", NO_TENSOR, "output.weight", NULL, TEMPO_E_NOTFOUND, "lm_head.weight is missing"},
    {"llama", TENSOR, "model.layers.1.self_attn.sinks", "32", TEMPO_E_UNSUPPORTED,
     "model.layers.1.self_attn.sinks"},
    {"llama", TENSOR, "blk.1.attn_q.weight", "32 64", TEMPO_E_FORMAT,
     "model.layers.1.self_attn.q_proj.weight: shape [32, 64], expected [32, 32]"},
    {"qwen3", NO_TENSOR, "blk.0.attn_k_norm.weight", NULL, TEMPO_E_NOTFOUND,
     "model.layers.0.self_attn.k_norm.weight is missing"},
};

/* What looks like a case above and is none. */
static const struct {
    edit how;
    const char *name, *value;
} good_cases[] = {
    {U32, "llama.expert_count", "0"},
    {TEXT, "llama.rope.scaling.type", "none"},
    {U32, "llama.vocab_size", "264"},
    {U32, "llama.rope.dimension_count", "8"},
    {I32_X2, "llama.feed_forward_length", "64 64"},
    {F32, "llama.attention.scale", "0"},
    {F32, "llama.rope.scaling.attn_factor", "1"},
    {F32, "llama.logit_scale", "1"},
    {F32, "llama.logit_scale", "0"},
    {U32, "llama.rope.freq_base", "10000"},
    {U32, "split.count", "1"},
    {U32, "split.count", "0"},
    {CONFIG, NULL, "{\"layer_types\": [\"full_attention\", \"full_attention\"]}"},
    {CONFIG, NULL, "{\"tie_word_embeddings\": true}"},
    {CONFIG, NULL, "{\"model_type\": \"mistral\", \"architectures\": null}"},
    {CONFIG, NULL,
     "{\"num_local_experts\": 0, \"quantization_config\": null, \"eos_token_id\": [1, 2], \"rope_scaling\": "
     "{\"rope_type\": \"default\"}}"},
    {TENSOR, "model.layers.0.self_attn.rotary_emb.inv_freq", "4"},
};

/* ---- running the tables ---- */

static bool has_offset(const broken *b)
{
    return b->code != TEMPO_E_NOTFOUND;
}

/* In a directory the offset is that of a key: one that the case is about. */
static void check_place(const broken *b, const char *dir)
{
    static const char *const files[] = {"config.json", "model.safetensors"};
    const tempo_model_options all = {.size = sizeof(all)};
    tempo_err err = {0};
    tempo_model *m;
    char path[512], key[96];
    size_t n, f = 0;

    assert_int_equal(tempo_model_open(&m, dir, &all, &err), b->code);
    while (f < 1 && strstr(err.msg, files[f]) == NULL)
        f++;
    test_path(path, dir, files[f]);
    unsigned char *text = test_read_file(path, &n);
    assert_true(err.offset < n);
    if (sscanf((const char *)text + err.offset, "\"%95[^\"]\"", key) != 1 ||
        (strstr(err.msg, key) == NULL && strstr(b->value, key) == NULL))
        fail_msg("offset %zu of %s is not the place: %s", (size_t)err.offset, files[f], err.msg);
    free(text);
}

/* Broken files fail in this mode too; what cannot run says why. */
static void check_facts(const broken *b, const char *path)
{
    const tempo_model_options facts = {.size = sizeof(facts), .load = TEMPO_LOAD_FACTS};
    tempo_err err = {0};
    tempo_model *m;
    const tempo_status st = tempo_model_open(&m, path, &facts, &err);

    if (b->code == TEMPO_E_FORMAT) {
        assert_int_equal(st, TEMPO_E_FORMAT);
        return;
    }
    if (st != TEMPO_OK)
        fail_msg("facts: %s", err.msg);
    const char *why = tempo_model_get_info(m)->unsupported;
    if (why == NULL || strstr(why, b->says) == NULL)
        fail_msg("facts say \"%s\", expected \"%s\"", why != NULL ? why : "nothing", b->says);
    assert_null(m->layers);
    assert_true(tempo_model_tensor_count(m) > 0);
    tempo_model_free(m);
}

static void expect(const char *path, tempo_status code, const char *says, bool offset)
{
    tempo_err err = {0};
    tempo_model *m;
    const tempo_status st = tempo_model_open(&m, path, NULL, &err);

    assert_null(m);
    if (st != code || strstr(err.msg, says) == NULL)
        fail_msg("expected %s \"%s\", got %s \"%s\"", tempo_status_name(code), says, tempo_status_name(st),
                 err.msg);
    assert_int_equal(err.code, st);
    if (strncmp(err.msg, path, strlen(path)) != 0)
        fail_msg("does not begin with the path: %s", err.msg);
    if (offset && err.offset == TEMPO_NO_OFFSET)
        fail_msg("no offset: %s", err.msg);
}

static void write_model(const test_model *m, bool gguf, const char *path)
{
    if (gguf)
        test_model_write_gguf(m, 3, path);
    else
        test_model_write_hf(m, 1, path);
}

static void run_cases(const broken *cases, size_t n, bool gguf)
{
    char dir[256], path[512];

    test_tmpdir_create(dir);
    test_path(path, dir, gguf ? "m.gguf" : "hf");
    for (size_t i = 0; i < n; i++) {
        const test_spec s = test_spec_default(cases[i].arch);
        test_model *m = test_model_make(&s);
        apply(m, cases[i].how, cases[i].name, cases[i].value);
        write_model(m, gguf, path);
        expect(path, cases[i].code, cases[i].says, has_offset(&cases[i]));
        if (!gguf && has_offset(&cases[i]))
            check_place(&cases[i], path);
        check_facts(&cases[i], path);
        test_model_free(m);
    }
    test_tmpdir_remove(dir);
}

static void test_broken_gguf(void **state)
{
    (void)state;
    run_cases(gguf_cases, sizeof(gguf_cases) / sizeof(gguf_cases[0]), true);
}

static void test_broken_directories(void **state)
{
    (void)state;
    run_cases(directory_cases, sizeof(directory_cases) / sizeof(directory_cases[0]), false);
}

static void test_good_cases(void **state)
{
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    for (size_t i = 0; i < sizeof(good_cases) / sizeof(good_cases[0]); i++) {
        const bool gguf = good_cases[i].how != CONFIG && good_cases[i].how != TENSOR;
        const test_spec s = test_spec_default("llama");
        test_model *from = test_model_make(&s);
        tempo_err err = {0};
        tempo_model *m;
        apply(from, good_cases[i].how, good_cases[i].name, good_cases[i].value);
        test_path(path, dir, gguf ? "m.gguf" : "hf");
        write_model(from, gguf, path);
        if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK)
            fail_msg("%s: %s", good_cases[i].value, err.msg);
        assert_string_equal(tempo_model_get_info(m)->architecture, "llama");
        tempo_model_free(m);
        test_model_free(from);
    }
    test_tmpdir_remove(dir);
}

/* The tie wins over an output matrix that is there all the same. */
static void test_tied_with_output(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];
    tempo_model *m;

    (void)state;
    test_tmpdir_create(dir);
    apply(from, CONFIG, NULL, "{\"tie_word_embeddings\": true}");
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    assert_int_equal(tempo_model_open(&m, path, NULL, NULL), TEMPO_OK);
    assert_ptr_equal(m->output.data, m->embedding.data);
    assert_true(tempo_model_get_info(m)->tied_output);
    tempo_model_free(m);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

static void test_zero_rope_factor(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    apply(from, TENSOR, "rope_freqs.weight", "4");
    apply(from, ELEMENT, "rope_freqs.weight", "0");
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    expect(path, TEMPO_E_FORMAT, "rope_freqs.weight: element 2 is 0", true);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* Quantisations that exist elsewhere are called by their name. */
static void test_unsupported_types(void **state)
{
    static const char name[] = "blk.0.ffn_up.weight";
    static const struct {
        unsigned char code;
        const char *says;
    } types[] = {{15, "blk.0.ffn_up.weight: element type Q8_K is not supported"},
                 {31, "Q4_0_4_4"},
                 {99, "element type type 99 is not supported"}};
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];
    size_t n;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    unsigned char *bytes = test_read_file(path, &n), *at = memmem(bytes, n, name, sizeof(name) - 1);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        at[sizeof(name) - 1 + 4 + 16] = types[i].code; /* after the number of dimensions and two of them */
        test_write_file(path, bytes, n);
        expect(path, TEMPO_E_UNSUPPORTED, types[i].says, true);
    }
    free(bytes);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- safetensors that the writer would not write ---- */

/* A header and n bytes of zeros. */
static void write_safetensors(const char *path, const char *header, size_t n)
{
    const uint64_t len = strlen(header);
    unsigned char *bytes = calloc(1, 8 + len + n);

    assert_non_null(bytes);
    memcpy(bytes, &len, 8);
    memcpy(bytes + 8, header, len);
    test_write_file(path, bytes, 8 + len + n);
    free(bytes);
}

static void test_odd_shapes(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], file[512];

    (void)state;
    test_tmpdir_create(dir);
    json_decref(from->tokenizer); /* neither it nor vocab_size says how many rows there should be */
    from->tokenizer = NULL;
    apply(from, CONFIG, NULL, "{\"vocab_size\": null}");
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    test_path(file, path, "model.safetensors");
    write_safetensors(
        file,
        "{\"model.embed_tokens.weight\": {\"dtype\": \"F32\", \"shape\": [0, 32], \"data_offsets\": [0, 0]}}",
        0);
    expect(path, TEMPO_E_FORMAT, "model.embed_tokens.weight has no rows", true);
    write_safetensors(
        file,
        "{\"model.embed_tokens.weight\": {\"dtype\": \"F32\", \"shape\": [2, 32], \"data_offsets\": [0, "
        "256]},"
        " \"model.norm.weight\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [256, 260]}}",
        260);
    expect(path, TEMPO_E_FORMAT, "model.norm.weight: shape [], expected [32]", true);
    write_safetensors(
        file,
        "{\"model.embed_tokens.weight\": {\"dtype\": \"F32\", \"shape\": [1, 1, 1, 1, 1, 2, 32], "
        "\"data_offsets\": [0, 256]}}",
        256);
    expect(path, TEMPO_E_FORMAT, "shape [1, 1, 1, 64]", true);
    write_safetensors(file, "{}", 0);
    expect(path, TEMPO_E_NOTFOUND, "every other tensor", false);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* A name that no message has room for. */
static void test_long_name(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], file[512], name[1001];
    uint64_t len;
    size_t n;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    test_path(file, path, "model.safetensors");
    unsigned char *bytes = test_read_file(file, &n);
    memcpy(&len, bytes, 8);
    json_t *header = json_loadb((const char *)bytes + 8, len, 0, NULL);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    const json_int_t end = (json_int_t)(n - 8 - len);
    json_object_set_new(
        header, name,
        json_pack("{s:s, s:[i], s:[I, I]}", "dtype", "F32", "shape", 0, "data_offsets", end, end));
    char *text = json_dumps(header, JSON_COMPACT);
    const uint64_t longer = strlen(text);
    unsigned char *out = malloc(n - len + longer);
    memcpy(out, &longer, 8);
    memcpy(out + 8, text, longer);
    memcpy(out + 8 + longer, bytes + 8 + len, n - 8 - len);
    test_write_file(file, out, n - len + longer);
    expect(path, TEMPO_E_UNSUPPORTED, "x is not supported: it is no part of a llama model", true);
    free(out);
    free(text);
    free(bytes);
    json_decref(header);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- the index of shards ---- */

static void write_index(const char *dir, json_t *map)
{
    char path[512];
    json_t *index = json_pack("{s:o}", "weight_map", map);

    test_path(path, dir, "model.safetensors.index.json");
    assert_int_equal(json_dump_file(index, path, 0), 0);
    json_decref(index);
}

static void test_broken_index(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], file[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 2, path);
    test_path(file, path, "model.safetensors.index.json");
    json_t *index = json_load_file(file, 0, NULL);
    json_t *map = json_deep_copy(json_object_get(index, "weight_map"));
    json_object_set_new(map, "model.norm.weight", json_string("../model-00001-of-00002.safetensors"));
    write_index(path, json_deep_copy(map));
    expect(path, TEMPO_E_FORMAT, "expected the name of a file beside it", true);
    json_object_set_new(map, "model.norm.weight", json_string("model-00003-of-00002.safetensors"));
    write_index(path, json_deep_copy(map));
    expect(path, TEMPO_E_NOTFOUND, "model-00003-of-00002.safetensors", false);
    json_object_set_new(map, "model.norm.weight", json_string("model-00002-of-00002.safetensors"));
    write_index(path, json_deep_copy(map)); /* the writer has put it into the first */
    expect(path, TEMPO_E_FORMAT,
           "tensor model.norm.weight is in model-00002-of-00002.safetensors, which does not", true);
    json_object_del(map, "model.norm.weight");
    write_index(path, map);
    expect(path, TEMPO_E_NOTFOUND, "model.norm.weight is missing", false);
    write_index(path, json_object());
    expect(path, TEMPO_E_FORMAT, "weight_map", false);
    json_decref(index);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

static void test_missing_files(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], file[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    test_path(file, path, "model.safetensors");
    assert_int_equal(remove(file), 0);
    expect(path, TEMPO_E_NOTFOUND, "model.safetensors", false);
    test_path(file, path, "pytorch_model.bin");
    test_write_file(file, "x", 1);
    expect(path, TEMPO_E_UNSUPPORTED, "pytorch_model.bin", false);
    test_path(file, dir, "notes.txt");
    test_write_file(file, "hello, this is no model at all\n", 31);
    expect(file, TEMPO_E_FORMAT, "notes.txt", false);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- truncations ---- */

/* Cut `file` to every length of a series and open `path`: never without a word, never a crash.  A model can
 * do without what is `optional`, which a note then says.  */
static void check_truncations(const char *path, const char *file, size_t dense, size_t stride, bool optional)
{
    static const tempo_load loads[] = {TEMPO_LOAD_ALL, TEMPO_LOAD_TOKENIZER, TEMPO_LOAD_FACTS};
    size_t n, cuts = 0;
    unsigned char *bytes = test_read_file(file, &n);

    for (size_t cut = 0; cut < n; cut += cut < dense || n - cut < 300 ? 1 : stride) {
        const tempo_model_options opt = {.size = sizeof(opt), .load = loads[cuts++ % 3]};
        tempo_err err = {0};
        tempo_model *m;
        test_write_file(file, bytes, cut);
        const tempo_status st = tempo_model_open(&m, path, &opt, &err);
        if (opt.load != TEMPO_LOAD_TOKENIZER) {
            assert_true((st == TEMPO_OK) == optional);
            assert_true((optional ? tempo_model_note(m, 0) : err.msg)[0] != '\0');
        }
        tempo_model_free(m);
    }
    test_write_file(file, bytes, n);
    free(bytes);
}

static void test_truncations(void **state)
{
    static const char *const files[] = {"config.json", "generation_config.json", "tokenizer.json",
                                        "tokenizer_config.json"};
    test_spec s = test_spec_default("qwen2");
    char dir[256], path[512], file[512];

    (void)state;
    s.n_layers = 1;
    test_model *from = test_model_make(&s);
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    check_truncations(path, path, 1000, 97, false);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    test_path(file, path, "model.safetensors");
    check_truncations(path, file, 1000, 997, false);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        test_path(file, path, files[i]);
        check_truncations(path, file, 300, 31, i > 0);
    }
    test_model_free(from);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_gguf),      cmocka_unit_test(test_broken_directories),
        cmocka_unit_test(test_good_cases),       cmocka_unit_test(test_tied_with_output),
        cmocka_unit_test(test_zero_rope_factor), cmocka_unit_test(test_unsupported_types),
        cmocka_unit_test(test_odd_shapes),       cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_broken_index),     cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_truncations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
