/* test_model.c - every architecture, format and element type is loaded with the right numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/model_numbers.h"
#include "support/model_vocab.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"

static const char *const archs[] = {"llama", "qwen2", "qwen3"};

static tempo_model *open_model(const char *path, tempo_load load)
{
    const tempo_model_options opt = {.size = sizeof(opt), .load = load};
    tempo_err err = {0};
    tempo_model *m;

    if (tempo_model_open(&m, path, &opt, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(err.code, TEMPO_OK);
    return m;
}

/* ---- what was loaded against what was written ---- */

static void check_matrix(const tempo_weight *w, const test_model *from, const char *name, bool permuted)
{
    const test_tensor *t = test_model_tensor(from, name);

    assert_int_equal(w->type, t->type);
    assert_int_equal(w->n_out, t->dims[0]);
    assert_int_equal(w->n_in, t->dims[1]);
    assert_int_equal(w->row_bytes, t->bytes / t->dims[0]);
    for (size_t r = 0; r < w->n_out; r++) {
        const size_t row = permuted ? test_permuted_row(t, r) : r;
        assert_memory_equal((const unsigned char *)w->data + r * w->row_bytes, t->data + row * w->row_bytes,
                            w->row_bytes);
    }
}

static void check_vector(const float *v, const test_model *from, const char *name, bool permuted)
{
    const test_tensor *t = test_model_tensor(from, name);

    assert_non_null(v);
    for (size_t i = 0; i < t->dims[0]; i++) {
        const size_t at = permuted ? test_permuted_row(t, i) : i;
        assert_true(v[i] == test_get_float(t->data, t->type, at));
    }
}

static void check_layer(const tempo_layer *l, const test_model *from, uint32_t index, bool permuted)
{
    char b[96];
#define NAME(what) (snprintf(b, sizeof(b), "blk.%u.%s", index, what), b)
    check_vector(l->attn_norm.w, from, NAME("attn_norm.weight"), false);
    check_vector(l->ffn_norm.w, from, NAME("ffn_norm.weight"), false);
    check_matrix(&l->wq, from, NAME("attn_q.weight"), permuted);
    check_matrix(&l->wk, from, NAME("attn_k.weight"), permuted);
    check_matrix(&l->wv, from, NAME("attn_v.weight"), false);
    check_matrix(&l->wo, from, NAME("attn_output.weight"), false);
    check_matrix(&l->mlp.w_gate, from, NAME("ffn_gate.weight"), false);
    check_matrix(&l->mlp.w_up, from, NAME("ffn_up.weight"), false);
    check_matrix(&l->mlp.w_down, from, NAME("ffn_down.weight"), false);
    if (from->spec.qkv_bias) {
        check_vector(l->bq, from, NAME("attn_q.bias"), permuted);
        check_vector(l->bk, from, NAME("attn_k.bias"), permuted);
        check_vector(l->bv, from, NAME("attn_v.bias"), false);
    } else {
        assert_null(l->bq);
        assert_null(l->bk);
        assert_null(l->bv);
    }
    if (from->spec.o_bias)
        check_vector(l->bo, from, NAME("attn_output.bias"), false);
    else
        assert_null(l->bo);
    if (from->spec.mlp_bias) {
        check_vector(l->mlp.b_gate, from, NAME("ffn_gate.bias"), false);
        check_vector(l->mlp.b_up, from, NAME("ffn_up.bias"), false);
        check_vector(l->mlp.b_down, from, NAME("ffn_down.bias"), false);
    } else {
        assert_true(l->mlp.b_gate == NULL && l->mlp.b_up == NULL && l->mlp.b_down == NULL);
    }
    if (from->spec.qk_norm) {
        check_vector(l->q_norm, from, NAME("attn_q_norm.weight"), false);
        check_vector(l->k_norm, from, NAME("attn_k_norm.weight"), false);
    } else {
        assert_null(l->q_norm);
        assert_null(l->k_norm);
    }
#undef NAME
}

static void check_numbers(const tempo_model *m, const test_spec *s)
{
    const tempo_hparams *hp = &m->hp;
    const tempo_model_info *i = tempo_model_get_info(m);

    assert_int_equal(hp->n_layers, s->n_layers);
    assert_int_equal(hp->n_heads, s->n_heads);
    assert_int_equal(hp->n_kv_heads, s->n_kv_heads);
    assert_int_equal(hp->head_dim, s->head_dim);
    assert_int_equal(hp->d_model, s->d_model);
    assert_int_equal(hp->d_ff, s->d_ff);
    assert_int_equal(hp->n_vocab, s->n_vocab);
    assert_int_equal(hp->n_ctx, s->n_ctx);
    assert_true(hp->norm_eps == (float)s->norm_eps);
    assert_string_equal(i->architecture, s->arch);
    assert_null(i->unsupported);
    assert_int_equal(i->n_layers, s->n_layers);
    assert_int_equal(i->n_vocab, s->n_vocab);
    assert_int_equal(i->context_length, s->n_ctx);
    assert_true((float)i->norm_eps == (float)s->norm_eps);
    assert_true(i->rope_theta == s->rope_theta);
    assert_int_equal(i->tied_output, s->tied);
    assert_int_equal(i->qkv_bias, s->qkv_bias);
    assert_int_equal(i->o_bias, s->o_bias);
    assert_int_equal(i->mlp_bias, s->mlp_bias);
    assert_int_equal(i->qk_norm, s->qk_norm);
    assert_string_equal(i->rope_scaling, s->rope == TEST_ROPE_LINEAR   ? "linear"
                                         : s->rope == TEST_ROPE_LLAMA3 ? "llama3"
                                                                       : "none");
}

static void check_weights(const tempo_model *m, const test_model *from, bool gguf)
{
    const bool permuted = gguf && from->permute;

    assert_int_equal(m->hp.qk_pairs_adjacent, permuted);
    check_matrix(&m->embedding, from, "token_embd.weight", false);
    check_matrix(&m->output, from, from->spec.tied ? "token_embd.weight" : "output.weight", false);
    assert_int_equal(m->output.data == m->embedding.data, from->spec.tied);
    check_vector(m->output_norm.w, from, "output_norm.weight", false);
    for (uint32_t l = 0; l < from->spec.n_layers; l++)
        check_layer(&m->layers[l], from, l, permuted);
}

static uint64_t parameters_of(const test_model *from, bool gguf)
{
    uint64_t n = 0;

    for (size_t i = 0; i < from->n_tensors; i++) {
        const test_tensor *t = &from->tensors[i];
        uint64_t elements = 1;
        for (uint32_t d = 0; d < t->n_dims; d++)
            elements *= t->dims[d];
        if (gguf || strcmp(t->name, "rope_freqs.weight") != 0)
            n += elements;
    }
    return n;
}

static void check_model(const char *path, const test_model *from, bool gguf)
{
    tempo_model *m = open_model(path, TEMPO_LOAD_ALL);
    const tempo_model_info *i = tempo_model_get_info(m);

    check_numbers(m, &from->spec);
    check_weights(m, from, gguf);
    assert_string_equal(i->path, path);
    assert_string_equal(i->format, gguf ? "gguf" : "safetensors");
    assert_int_equal(i->parameters, parameters_of(from, gguf));
    assert_true(i->file_bytes > 2 * i->parameters || from->spec.type[TEST_WQ] > TEMPO_BF16);
    assert_true(strlen(i->kernels) > 0);
    tempo_model_free(m);
}

/* Write the spec in both formats and check what both give. */
static void check_spec(const test_spec *s, bool as_directory)
{
    char dir[256], path[512];
    test_model *from = test_model_make(s);

    test_tmpdir_create(dir);
    for (uint32_t version = 2; version <= 3; version++) {
        test_path(path, dir, "m.gguf");
        test_model_write_gguf(from, version, path);
        check_model(path, from, true);
    }
    if (as_directory) {
        test_path(path, dir, "single");
        test_model_write_hf(from, 1, path);
        check_model(path, from, false);
        test_path(path, dir, "shards");
        test_model_write_hf(from, 3, path);
        check_model(path, from, false);
    }
    test_model_free(from);
    test_tmpdir_remove(dir);
}

static void test_architectures(void **state)
{
    (void)state;
    for (size_t a = 0; a < 3; a++) {
        for (int tied = 0; tied < 2; tied++) {
            test_spec s = test_spec_default(archs[a]);
            s.tied = tied != 0;
            check_spec(&s, true);
        }
    }
}

static void test_element_types(void **state)
{
    (void)state;
    for (tempo_dtype t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        if (tempo_dtype_get(t)->ggml == TEMPO_NO_GGML)
            continue; /* of directories: test_formats.c */
        test_spec s = test_spec_of_type(archs[t % 3], t);
        check_spec(&s, t <= TEMPO_BF16);
    }
}

static void test_mixed_types(void **state)
{
    test_spec s = test_spec_of_type("llama", TEMPO_Q4_K);

    (void)state;
    s.type[TEST_EMBEDDING] = TEMPO_Q6_K;
    s.type[TEST_OUTPUT] = TEMPO_F16;
    s.type[TEST_WV] = TEMPO_Q8_0;
    s.type[TEST_DOWN] = TEMPO_Q5_0;
    s.type[TEST_VECTORS] = TEMPO_BF16;
    check_spec(&s, false);
}

static void test_llama_with_biases(void **state)
{
    test_spec s = test_spec_default("llama");

    (void)state;
    s.qkv_bias = true;
    check_spec(&s, true);
    s.o_bias = true; /* attention_bias */
    check_spec(&s, true);
    s.mlp_bias = true;
    check_spec(&s, true);
    s.type[TEST_VECTORS] = TEMPO_F16;
    check_spec(&s, true);
}

static void test_default_head_dim(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_model_drop_key(from, "llama.attention.key_length");
    test_model_drop_key(from, "llama.attention.value_length");
    test_model_drop_key(from, "llama.rope.freq_base"); /* its default is what the spec says */
    json_object_set_new(from->config, "head_dim", json_null());
    json_object_del(from->config, "rope_theta");
    json_object_del(from->config, "tie_word_embeddings");
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    check_model(path, from, true);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    check_model(path, from, false);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

static void test_head_counts_by_layer(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    const int32_t heads[2] = {2, 2};
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_model_set_array(from, "llama.attention.head_count_kv", TEMPO_GGUF_I32, 2, heads, sizeof(heads));
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    check_model(path, from, true);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* Both spellings of one file's rope must rotate by the same bits. */
static void test_rope_of_both_formats(void **state)
{
    char dir[256], gguf[512], hf[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(gguf, dir, "m.gguf");
    test_path(hf, dir, "hf");
    for (int rope = TEST_ROPE_PLAIN; rope <= TEST_ROPE_LLAMA3; rope++) {
        test_spec s = test_spec_default("llama");
        s.rope = (test_rope)rope;
        s.head_dim = 64;
        s.rope_theta = 500000.0;
        s.n_ctx = 2048;
        test_model *from = test_model_make(&s);
        test_model_write_gguf(from, 3, gguf);
        test_model_write_hf(from, 1, hf);
        check_model(gguf, from, true);
        check_model(hf, from, false);
        tempo_model *a = open_model(gguf, TEMPO_LOAD_ALL), *b = open_model(hf, TEMPO_LOAD_ALL);
        assert_memory_equal(a->rope_freq[0], b->rope_freq[0], s.head_dim / 2 * sizeof(double));
        assert_true(rope == TEST_ROPE_LINEAR ? a->rope_freq[0][0] == 1.0 / 8.0 : a->rope_freq[0][0] == 1.0);
        tempo_model_free(a);
        tempo_model_free(b);
        test_model_free(from);
    }
    test_tmpdir_remove(dir);
}

/* transformers 5 moves theta and scaling into rope_parameters. */
static void test_rope_parameters(void **state)
{
    test_spec s = test_spec_default("llama");
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    s.rope = TEST_ROPE_LLAMA3;
    s.rope_theta = 500000.0;
    test_model *from = test_model_make(&s);
    json_t *scaling = json_deep_copy(json_object_get(from->config, "rope_scaling"));
    json_object_set_new(scaling, "rope_theta", json_real(500000.0));
    json_object_set_new(from->config, "rope_parameters", scaling);
    json_object_del(from->config, "rope_scaling");
    json_object_del(from->config, "rope_theta");
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    check_model(path, from, false);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- tensors, names ---- */

static void test_tensor_list(void **state)
{
    const test_spec s = test_spec_default("qwen2");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], name[96];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    tempo_model *m = open_model(path, TEMPO_LOAD_FACTS);
    assert_int_equal(tempo_model_tensor_count(m), from->n_tensors);
    for (size_t i = 0; i < from->n_tensors; i++) {
        const tempo_tensor_info t = tempo_model_tensor_at(m, i);
        assert_string_equal(t.name, from->tensors[i].name);
        assert_string_equal(t.type, "F32");
        assert_string_equal(t.file, path);
        assert_int_equal(t.n_dims, from->tensors[i].n_dims);
        assert_int_equal(t.dims[0], from->tensors[i].dims[0]);
        assert_int_equal(t.bytes, from->tensors[i].bytes);
    }
    assert_string_equal(tempo_model_get_info(m)->name, "synthetic");
    tempo_model_free(m);

    test_path(path, dir, "hf-model");
    test_model_write_hf(from, 2, path);
    m = open_model(path, TEMPO_LOAD_FACTS);
    assert_int_equal(tempo_model_tensor_count(m), from->n_tensors);
    for (size_t i = 0; i < from->n_tensors; i++) { /* the writer deals them to two shards in turn */
        const size_t shard_of_0 = (from->n_tensors + 1) / 2;
        test_hf_name(from->tensors[i].name, name);
        const tempo_tensor_info t = tempo_model_tensor_at(m, i / 2 + (i % 2 ? shard_of_0 : 0));
        assert_string_equal(t.name, name);
        assert_non_null(strstr(t.file, i % 2 ? "00002-of-00002" : "00001-of-00002"));
    }
    assert_string_equal(tempo_model_get_info(m)->name, "hf-model");
    tempo_model_free(m);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* Files need not align their tensors; kernels want their elements aligned. */
static void test_unaligned_data(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512], file[512];
    size_t n;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    test_path(file, path, "model.safetensors");
    unsigned char *bytes = test_read_file(file, &n), *shifted = malloc(n + 1);
    uint64_t header;
    memcpy(&header, bytes, 8);
    memcpy(shifted, bytes, 8 + header);
    memcpy(shifted + 8 + header + 1, bytes + 8 + header, n - 8 - header);
    shifted[8 + header++] = ' ';
    memcpy(shifted, &header, 8);
    test_write_file(file, shifted, n + 1);
    free(bytes);
    free(shifted);
    check_model(path, from, false);
    tempo_model *m = open_model(path, TEMPO_LOAD_ALL);
    assert_int_equal((uintptr_t)m->layers[1].mlp.w_down.data % 4, 0);
    tempo_model_free(m);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- tokenizers ---- */

static void test_tokenizers(void **state)
{
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    for (int vocab = TEST_VOCAB_NONE; vocab <= TEST_VOCAB_SPM; vocab++) {
        test_spec s = test_spec_default("llama");
        s.vocab = (test_vocab)vocab;
        test_model *from = test_model_make(&s);
        test_path(path, dir, "m.gguf");
        test_model_write_gguf(from, 3, path);
        tempo_model *m = open_model(path, TEMPO_LOAD_ALL);
        if (vocab == TEST_VOCAB_NONE) {
            assert_null(tempo_model_tokenizer(m));
        } else {
            const tempo_tokenizer_info i = tempo_tokenizer_get_info(tempo_model_tokenizer(m));
            assert_int_equal(i.n_tokens, vocab == TEST_VOCAB_BPE ? TEST_BPE_TOKENS : TEST_SPM_TOKENS);
            assert_string_equal(i.kind, vocab == TEST_VOCAB_BPE ? "bpe" : "spm");
        }
        tempo_model_free(m);
        test_model_free(from);
    }
    test_tmpdir_remove(dir);
}

static void test_tokenizer_of_a_directory(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];
    tempo_err err = {0};
    int32_t *ids[2];
    size_t n[2];

    (void)state;
    test_tmpdir_create(dir);
    json_object_set_new(from->generation, "eos_token_id", json_pack("[i, i]", TEST_BPE_TOKENS - 1, 7));
    json_object_set_new(from->config, "eos_token_id", json_integer(9));
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    tempo_model *a = open_model(path, TEMPO_LOAD_TOKENIZER);
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    tempo_model *b = open_model(path, TEMPO_LOAD_ALL);
    const tempo_tokenizer *ta = tempo_model_tokenizer(a), *tb = tempo_model_tokenizer(b);
    assert_int_equal(tempo_model_tensor_count(a), 0);
    assert_true(tempo_token_is_eos(tb, TEST_BPE_TOKENS - 1));
    assert_true(tempo_token_is_eos(tb, 7));
    assert_true(tempo_token_is_eos(tb, 9));
    assert_false(tempo_token_is_eos(tb, 8));
    assert_false(tempo_token_is_eos(ta, 7));
    assert_int_equal(tempo_tokenize(ta, "in the thing", 12, 0, &ids[0], &n[0], &err), TEMPO_OK);
    assert_int_equal(tempo_tokenize(tb, "in the thing", 12, 0, &ids[1], &n[1], &err), TEMPO_OK);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(ids[0], ids[1], n[0] * sizeof(int32_t));
    tempo_free(ids[0]);
    tempo_free(ids[1]);
    tempo_model_free(a);
    tempo_model_free(b);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* ---- facts about what cannot run ---- */

static void test_facts_of_the_unsupported(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_model_set_u32(from, "llama.expert_count", 8);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(from, 3, path);
    tempo_model *m = open_model(path, TEMPO_LOAD_FACTS);
    const tempo_model_info *i = tempo_model_get_info(m);
    assert_non_null(i->unsupported);
    assert_non_null(strstr(i->unsupported, "expert_used_count is missing"));
    assert_int_equal(i->n_layers, 2);
    assert_int_equal(i->n_vocab, 288);
    assert_int_equal(tempo_model_tensor_count(m), from->n_tensors);
    assert_null(m->layers); /* no engine may be made of it */
    tempo_model_free(m);

    json_object_set_new(from->config, "model_type", json_string("gemma9"));
    test_path(path, dir, "hf");
    test_model_write_hf(from, 1, path);
    m = open_model(path, TEMPO_LOAD_FACTS);
    i = tempo_model_get_info(m);
    assert_string_equal(i->architecture, "gemma9");
    assert_non_null(strstr(i->unsupported, "gemma9"));
    assert_int_equal(i->d_ff, 64);
    assert_null(m->layers);
    tempo_model_free(m);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

/* What ends up on terminals and in JSON. */
static void test_names_become_text(void **state)
{
    const test_spec s = test_spec_default("llama");
    test_model *from = test_model_make(&s);
    char dir[256], path[512];

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_set_str(from, "general.architecture", "l\xc3\xa4\x1bm\xff\xc3");
    test_model_set_str(from, "general.name", "tab\tand bell\a");
    test_model_write_gguf(from, 3, path);
    tempo_model *m = open_model(path, TEMPO_LOAD_FACTS);
    assert_string_equal(tempo_model_get_info(m)->architecture, "l\xc3\xa4?m??");
    assert_string_equal(tempo_model_get_info(m)->name, "tab?and bell?");
    tempo_model_free(m);
    test_model_free(from);
    test_tmpdir_remove(dir);
}

static void test_vocabulary_files(void **state)
{
    static const char path[] = "../shared/vocab/ggml-vocab-llama-bpe.gguf";
    tempo_model *m;

    (void)state;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    (void)fclose(f);
    m = open_model(path, TEMPO_LOAD_TOKENIZER);
    assert_int_equal(tempo_tokenizer_get_info(tempo_model_tokenizer(m)).n_tokens, 128256);
    tempo_model_free(m);
    m = open_model(path, TEMPO_LOAD_FACTS);
    assert_non_null(strstr(tempo_model_get_info(m)->unsupported, "at most a vocabulary"));
    assert_false(tempo_model_get_info(m)->tied_output);
    assert_int_equal(tempo_model_get_info(m)->n_vocab, 128256);
    assert_int_equal(tempo_model_tensor_count(m), 0);
    tempo_model_free(m);
    tempo_err err = {0};
    assert_int_equal(tempo_model_open(&m, path, NULL, &err), TEMPO_E_NOTFOUND);
    assert_null(m);
    assert_non_null(strstr(err.msg, "every other tensor"));
}

static void test_built_in_model(void **state)
{
    tempo_model *m = open_model("models/tempo-tiny", TEMPO_LOAD_ALL);
    const tempo_model_info *i = tempo_model_get_info(m);

    (void)state;
    assert_string_equal(i->name, "tempo-tiny");
    assert_int_equal(i->n_layers, 8);
    assert_int_equal(i->n_vocab, 4096);
    assert_int_equal(i->context_length, 512);
    assert_true(i->tied_output);
    assert_int_equal(m->embedding.type, TEMPO_BF16);
    assert_non_null(tempo_model_tokenizer(m));
    tempo_model_free(m);
}

static void test_options(void **state)
{
    const tempo_model_options scalar = {.size = sizeof(scalar), .cpu = "scalar"},
                              wrong = {.size = sizeof(wrong), .cpu = "abacus"},
                              fast = {.size = sizeof(fast), .compute = TEMPO_FAST},
                              odd = {.size = sizeof(odd), .compute = (tempo_compute)2};
    tempo_err err = {0};
    tempo_model *m;

    (void)state;
    assert_int_equal(tempo_model_open(&m, "models/tempo-tiny", &scalar, &err), TEMPO_OK);
    const tempo_model_info *info = tempo_model_get_info(m);
    assert_string_equal(info->kernels, "scalar");
    assert_string_equal(info->compute, "exact");
    assert_int_equal(info->activation_bits, 24);
    assert_true(info->step_bytes > 0 && info->step_bytes < info->file_bytes);
    tempo_model_free(m);
    assert_int_equal(tempo_model_open(&m, "models/tempo-tiny", &fast, &err), TEMPO_OK);
    info = tempo_model_get_info(m);
    assert_string_equal(info->compute, "fast");
    assert_int_equal(info->activation_bits, strcmp(info->kernels, "amx") == 0 ? 8 : 24); /* BF16 weights */
    tempo_model_free(m);
    assert_int_equal(tempo_model_open(&m, "models/tempo-tiny", &odd, &err), TEMPO_E_ARG);
    assert_null(m);
    assert_non_null(strstr(err.msg, "compute mode 2"));
    err = (tempo_err){0};
    assert_int_equal(tempo_model_open(&m, "models/tempo-tiny", &wrong, &err), TEMPO_E_ARG);
    assert_null(m);
    assert_non_null(strstr(err.msg, "abacus"));
    assert_int_equal(tempo_model_open(&m, "/nowhere/at/all", NULL, NULL), TEMPO_E_NOTFOUND);
    tempo_model_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_architectures),
        cmocka_unit_test(test_element_types),
        cmocka_unit_test(test_mixed_types),
        cmocka_unit_test(test_llama_with_biases),
        cmocka_unit_test(test_default_head_dim),
        cmocka_unit_test(test_head_counts_by_layer),
        cmocka_unit_test(test_rope_of_both_formats),
        cmocka_unit_test(test_rope_parameters),
        cmocka_unit_test(test_tensor_list),
        cmocka_unit_test(test_unaligned_data),
        cmocka_unit_test(test_tokenizers),
        cmocka_unit_test(test_tokenizer_of_a_directory),
        cmocka_unit_test(test_facts_of_the_unsupported),
        cmocka_unit_test(test_names_become_text),
        cmocka_unit_test(test_vocabulary_files),
        cmocka_unit_test(test_built_in_model),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
