/* test_model_published.c - config.json as the supported families publish it, every key of it, with sizes made
 * tiny and ids that a tiny vocabulary has.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "model/model.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"

typedef struct published {
    const char *who, *arch;
    uint32_t n_ctx;
    double theta, eps;
    const char *rope;
    bool tied;
    const char *note; /* what its user is told, or NULL */
    const char *config;
} published;

static const published models[] = {
    {"Llama-3.2-1B", "llama", 131072, 500000.0, 1e-5, "llama3", true, NULL,
     "{'architectures': ['LlamaForCausalLM'], 'attention_bias': false, 'attention_dropout': 0.0,"
     " 'bos_token_id': 128000, 'eos_token_id': 128001, 'head_dim': 64, 'hidden_act': 'silu',"
     " 'hidden_size': 2048, 'initializer_range': 0.02, 'intermediate_size': 8192,"
     " 'max_position_embeddings': 131072, 'mlp_bias': false, 'model_type': 'llama',"
     " 'num_attention_heads': 32, 'num_hidden_layers': 16, 'num_key_value_heads': 8, 'pretraining_tp': 1,"
     " 'rms_norm_eps': 1e-05, 'rope_scaling': {'factor': 32.0, 'high_freq_factor': 4.0,"
     " 'low_freq_factor': 1.0, 'original_max_position_embeddings': 8192, 'rope_type': 'llama3'},"
     " 'rope_theta': 500000.0, 'tie_word_embeddings': true, 'torch_dtype': 'bfloat16',"
     " 'transformers_version': '4.45.0.dev0', 'use_cache': true, 'vocab_size': 128256}"},
    {"Llama-2-7b", "llama", 4096, 10000.0, 1e-5, "none", false, NULL,
     "{'_name_or_path': 'meta-llama/Llama-2-7b-hf', 'architectures': ['LlamaForCausalLM'],"
     " 'bos_token_id': 1, 'eos_token_id': 2, 'hidden_act': 'silu', 'hidden_size': 4096,"
     " 'initializer_range': 0.02, 'intermediate_size': 11008, 'max_position_embeddings': 4096,"
     " 'model_type': 'llama', 'num_attention_heads': 32, 'num_hidden_layers': 32,"
     " 'num_key_value_heads': 32, 'pretraining_tp': 1, 'rms_norm_eps': 1e-05, 'rope_scaling': null,"
     " 'tie_word_embeddings': false, 'torch_dtype': 'float16', 'transformers_version': '4.31.0.dev0',"
     " 'use_cache': true, 'vocab_size': 32000}"},
    {"SmolLM2-135M", "llama", 8192, 100000.0, 1e-5, "none", true, NULL,
     "{'architectures': ['LlamaForCausalLM'], 'attention_bias': false, 'attention_dropout': 0.0,"
     " 'bos_token_id': 0, 'eos_token_id': 0, 'hidden_act': 'silu', 'hidden_size': 576,"
     " 'initializer_range': 0.041666666666666664, 'intermediate_size': 1536, 'is_llama_config': true,"
     " 'max_position_embeddings': 8192, 'model_type': 'llama', 'num_attention_heads': 9,"
     " 'num_hidden_layers': 30, 'num_key_value_heads': 3, 'pretraining_tp': 1, 'rms_norm_eps': 1e-05,"
     " 'rope_interleaved': false, 'rope_scaling': null, 'rope_theta': 100000, 'tie_word_embeddings': true,"
     " 'torch_dtype': 'bfloat16', 'transformers_version': '4.40.1', 'use_cache': true,"
     " 'vocab_size': 49152}"},
    {"Mistral-7B-v0.3", "llama", 32768, 1000000.0, 1e-5, "none", false, NULL,
     "{'architectures': ['MistralForCausalLM'], 'attention_dropout': 0.0, 'bos_token_id': 1,"
     " 'eos_token_id': 2, 'hidden_act': 'silu', 'hidden_size': 4096, 'initializer_range': 0.02,"
     " 'intermediate_size': 14336, 'max_position_embeddings': 32768, 'model_type': 'mistral',"
     " 'num_attention_heads': 32, 'num_hidden_layers': 32, 'num_key_value_heads': 8,"
     " 'rms_norm_eps': 1e-05, 'rope_theta': 1000000.0, 'sliding_window': null,"
     " 'tie_word_embeddings': false, 'torch_dtype': 'bfloat16', 'transformers_version': '4.42.0.dev0',"
     " 'use_cache': true, 'vocab_size': 32768}"},
    {"Mistral-7B-v0.1", "llama", 32768, 10000.0, 1e-5, "none", false, NULL,
     "{'architectures': ['MistralForCausalLM'], 'bos_token_id': 1, 'eos_token_id': 2, 'hidden_act': 'silu',"
     " 'hidden_size': 4096, 'initializer_range': 0.02, 'intermediate_size': 14336,"
     " 'max_position_embeddings': 32768, 'model_type': 'mistral', 'num_attention_heads': 32,"
     " 'num_hidden_layers': 32, 'num_key_value_heads': 8, 'rms_norm_eps': 1e-05, 'rope_theta': 10000.0,"
     " 'sliding_window': 4096, 'tie_word_embeddings': false, 'torch_dtype': 'bfloat16',"
     " 'transformers_version': '4.34.0.dev0', 'use_cache': true, 'vocab_size': 32000}"},
    {"Qwen2.5-0.5B", "qwen2", 32768, 1000000.0, 1e-6, "none", true, NULL,
     "{'architectures': ['Qwen2ForCausalLM'], 'attention_dropout': 0.0, 'bos_token_id': 151643,"
     " 'eos_token_id': 151643, 'hidden_act': 'silu', 'hidden_size': 896, 'initializer_range': 0.02,"
     " 'intermediate_size': 4864, 'max_position_embeddings': 32768, 'max_window_layers': 24,"
     " 'model_type': 'qwen2', 'num_attention_heads': 14, 'num_hidden_layers': 24,"
     " 'num_key_value_heads': 2, 'rms_norm_eps': 1e-06, 'rope_theta': 1000000.0, 'sliding_window': 32768,"
     " 'tie_word_embeddings': true, 'torch_dtype': 'bfloat16', 'transformers_version': '4.40.1',"
     " 'use_cache': true, 'use_mrope': false, 'use_sliding_window': false, 'vocab_size': 151936}"},
    {"Qwen2.5, saved by transformers 5", "qwen2", 131072, 1000000.0, 1e-6, "none", true, NULL,
     "{'architectures': ['Qwen2ForCausalLM'], 'attention_dropout': 0.0, 'bos_token_id': 151643,"
     " 'dtype': 'bfloat16', 'eos_token_id': 151643, 'hidden_act': 'silu', 'hidden_size': 1536,"
     " 'initializer_range': 0.02, 'intermediate_size': 8960,"
     " 'layer_types': ['full_attention', 'full_attention'], 'max_position_embeddings': 131072,"
     " 'max_window_layers': 28, 'model_type': 'qwen2', 'num_attention_heads': 12, 'num_hidden_layers': 28,"
     " 'num_key_value_heads': 2, 'pad_token_id': null, 'rms_norm_eps': 1e-06,"
     " 'rope_parameters': {'rope_theta': 1000000.0, 'rope_type': 'default'}, 'sliding_window': null,"
     " 'tie_word_embeddings': true, 'transformers_version': '5.17.0', 'use_cache': true,"
     " 'use_mrope': false, 'use_sliding_window': false, 'vocab_size': 151936}"},
    {"Qwen3-0.6B", "qwen3", 40960, 1000000.0, 1e-6, "none", true, NULL,
     "{'architectures': ['Qwen3ForCausalLM'], 'attention_bias': false, 'attention_dropout': 0.0,"
     " 'bos_token_id': 151643, 'eos_token_id': 151645, 'head_dim': 128, 'hidden_act': 'silu',"
     " 'hidden_size': 1024, 'initializer_range': 0.02, 'intermediate_size': 3072,"
     " 'max_position_embeddings': 40960, 'max_window_layers': 28, 'model_type': 'qwen3',"
     " 'num_attention_heads': 16, 'num_hidden_layers': 28, 'num_key_value_heads': 8,"
     " 'rms_norm_eps': 1e-06, 'rope_scaling': null, 'rope_theta': 1000000, 'sliding_window': null,"
     " 'tie_word_embeddings': true, 'torch_dtype': 'bfloat16', 'transformers_version': '4.51.0',"
     " 'use_cache': true, 'use_sliding_window': false, 'vocab_size': 151936}"},
};

/* The published text as JSON, with the spec's sizes; head_dim only where the publisher has it. */
static json_t *tiny_config(const published *p, const test_spec *s)
{
    const struct {
        const char *key;
        uint32_t value;
    } sizes[] = {{"hidden_size", s->d_model},
                 {"intermediate_size", s->d_ff},
                 {"num_hidden_layers", s->n_layers},
                 {"num_attention_heads", s->n_heads},
                 {"num_key_value_heads", s->n_kv_heads},
                 {"vocab_size", s->n_vocab},
                 {"head_dim", s->head_dim},
                 {"bos_token_id", 1},
                 {"eos_token_id", 2}};
    char text[2048];

    assert_true(strlen(p->config) < sizeof(text));
    strcpy(text, p->config);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *config = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(config);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (json_object_get(config, sizes[i].key) != NULL)
            json_object_set_new(config, sizes[i].key, json_integer(sizes[i].value));
    }
    return config;
}

static void check(const published *p, const test_spec *s, const tempo_model *m)
{
    const tempo_model_info *i = tempo_model_get_info(m);
    const double slowest = pow(p->theta, -(s->head_dim - 2.0) / s->head_dim);

    assert_string_equal(i->architecture, p->arch);
    assert_string_equal(i->rope_scaling, p->rope);
    assert_int_equal(i->context_length, p->n_ctx);
    assert_int_equal(i->head_dim, s->head_dim);
    assert_int_equal(i->n_kv_heads, s->n_kv_heads);
    assert_int_equal(i->tied_output, p->tied);
    assert_int_equal(i->qkv_bias, s->qkv_bias);
    assert_int_equal(i->qk_norm, s->qk_norm);
    assert_true(i->rope_theta == p->theta);
    assert_true(i->norm_eps == p->eps);
    assert_true(m->hp.norm_eps == (float)p->eps);
    assert_true(m->rope_freq[0][0] == 1.0);
    assert_true(m->rope_freq[0][s->head_dim / 2 - 1] ==
                (strcmp(p->rope, "llama3") == 0 ? slowest / 32.0 : slowest));
}

static void run(const published *p, const char *dir)
{
    test_spec s = test_spec_default(p->arch);
    tempo_err err = {0};
    tempo_model *m;

    s.n_ctx = p->n_ctx;
    s.tied = p->tied;
    if (strstr(p->config, "'head_dim'") != NULL)
        s.head_dim = 64; /* not d_model / n_heads */
    test_model *from = test_model_make(&s);
    json_decref(from->config);
    from->config = tiny_config(p, &s);
    test_model_write_hf(from, 2, dir);
    test_model_free(from);
    if (tempo_model_open(&m, dir, NULL, &err) != TEMPO_OK)
        fail_msg("%s: %s", p->who, err.msg);
    check(p, &s, m);
    const char *note = tempo_model_note(m, 0);
    if ((note == NULL) != (p->note == NULL) || (note != NULL && strcmp(note, p->note) != 0))
        fail_msg("%s: %s", p->who, note != NULL ? note : "there is no note");
    tempo_model_free(m);
}

static void test_published(void **state)
{
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "hf");
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
        run(&models[i], path);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
