/* model_writer.h - small synthetic models for tests, as GGUF files and as Hugging Face directories.
 *
 *   test_spec spec = test_spec_default("qwen2");   // then change what matters
 *   test_model *m = test_model_make(&spec);        // then break what the test wants broken
 *   test_model_write_gguf(m, 3, "/tmp/x/a.gguf");
 *   test_model_write_hf(m, 1, "/tmp/x/hf");        // the same numbers, bit for bit
 *   test_model_free(m);
 *
 * Numbers depend on the spec only.  Q and K are held in the Hugging Face order (i, i + head_dim/2) and
 * permuted when a GGUF of arch "llama" is written.  Whatever goes wrong here aborts the test.  */
#ifndef TEMPO_TESTS_MODEL_WRITER_H
#define TEMPO_TESTS_MODEL_WRITER_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "io/gguf.h"

typedef enum test_matrix {
    TEST_EMBEDDING,
    TEST_OUTPUT,
    TEST_WQ,
    TEST_WK,
    TEST_WV,
    TEST_WO,
    TEST_GATE,
    TEST_UP,
    TEST_DOWN,
    TEST_VECTORS, /* norms and biases: F32, F16 or BF16 */
    TEST_MATRIX_COUNT
} test_matrix;

typedef enum test_vocab {
    TEST_VOCAB_NONE,
    TEST_VOCAB_BPE, /* byte-level BPE: 256 bytes, a few merges, BOS and EOS: TEST_BPE_TOKENS tokens */
    TEST_VOCAB_SPM, /* SentencePiece: unk, BOS, EOS, 256 bytes, a few pieces: TEST_SPM_TOKENS tokens;
                       GGUF only, the directory gets no tokenizer */
} test_vocab;
enum { TEST_BPE_TOKENS = 264, TEST_SPM_TOKENS = 271 };

typedef enum test_rope { TEST_ROPE_PLAIN, TEST_ROPE_LINEAR, TEST_ROPE_LLAMA3 } test_rope;

typedef struct test_spec {
    const char *arch; /* "llama", "qwen2", "qwen3" */
    uint32_t n_layers, n_heads, n_kv_heads, head_dim, d_model, d_ff, n_vocab, n_ctx;
    double norm_eps, rope_theta; /* written as float32 to a GGUF */
    bool tied;
    bool qkv_bias, o_bias, mlp_bias; /* attention_bias of config.json: both of the first; mlp_bias: gate, up and down */
    bool qk_norm;
    test_rope rope;
    double rope_factor;                  /* of linear and llama3 */
    tempo_dtype type[TEST_MATRIX_COUNT]; /* a quantised one needs rows that are multiples of its block,
                                            and cannot be written as a directory */
    test_vocab vocab;
    uint64_t seed;
} test_spec;

/* 2 layers, 4 heads over 2, head_dim 8, d_model 32, d_ff 64, 288 tokens, context 128, all F32, BPE,
 * untied; biases for qwen2, Q/K norms for qwen3.  */
test_spec test_spec_default(const char *arch);
/* The same with widths that every type can quantise: head_dim 64, d_model 256, d_ff 512; all matrices of
 * one type.  */
test_spec test_spec_of_type(const char *arch, tempo_dtype type);

typedef struct test_tensor {
    char name[96]; /* as GGUF names it; an empty name is not written */
    tempo_dtype type;
    uint32_t n_dims;
    uint64_t dims[4]; /* outermost first */
    unsigned char *data;
    size_t bytes;
    uint32_t rope_heads; /* Q and K: rows are this many heads, to be permuted for arch "llama" */
} test_tensor;

typedef struct test_kv {
    char key[64];
    tempo_gguf_type type, elem;
    uint64_t count;
    unsigned char *data; /* the value's bytes as in the file (a string's without its length) */
    size_t bytes;
} test_kv;

typedef struct test_model {
    test_spec spec;
    size_t n_kv, n_tensors;
    test_kv *kv;
    test_tensor *tensors;
    json_t *config, *generation, *tokenizer, *tokenizer_config; /* NULL: that file is not written */
    bool permute;                                               /* Q, K rows when writing a GGUF */
} test_model;

test_model *test_model_make(const test_spec *spec);
/* An existing GGUF with float tensors, Q and K un-permuted, config.json made from its metadata, without
 * tokenizer: for test_model_write_hf.  */
test_model *test_model_from_gguf(const char *path);
void test_model_free(test_model *m);

void test_model_write_gguf(const test_model *m, uint32_t version, const char *path);
/* The same in several files, STEM-00001-of-00003.gguf ..., the metadata in the first. */
void test_model_write_gguf_parts(const test_model *m, unsigned parts, const char *stem);
/* Make the directory (its parent must be there) and write every file.  shards = 1: model.safetensors;
 * more: that many files and model.safetensors.index.json.  */
void test_model_write_hf(const test_model *m, unsigned shards, const char *dir);

/* ---- editing, mostly to break things ---- */
test_tensor *test_model_tensor(const test_model *m, const char *name); /* aborts if there is none */
void test_model_drop_tensor(test_model *m, const char *name);
/* A float tensor of the given shape (outermost first), filled with value. */
test_tensor *test_model_add_tensor(test_model *m, const char *name, uint32_t n_dims, const uint64_t *dims,
                                   float value);
/* One of any type, which the caller fills. */
test_tensor *test_model_add_typed(test_model *m, const char *name, tempo_dtype type, uint32_t n_dims, const uint64_t *dims);
/* Metadata of the GGUF; an existing key is replaced. */
void test_model_set_u32(test_model *m, const char *key, uint32_t value);
void test_model_set_f32(test_model *m, const char *key, float value);
void test_model_set_bool(test_model *m, const char *key, bool value);
void test_model_set_str(test_model *m, const char *key, const char *value);
void test_model_set_array(test_model *m, const char *key, tempo_gguf_type elem, uint64_t count,
                          const void *data, size_t bytes);
void test_model_drop_key(test_model *m, const char *key);
/* The tensor's name in a Hugging Face directory, written to out[96] (its own name if it has none). */
void test_hf_name(const char *gguf_name, char out[96]);

#endif
