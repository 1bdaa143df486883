/* model_writer_hf.c - a synthetic model as a Hugging Face directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/model_writer.h"
#include "support/tmpdir.h"

static const char *const whole_names[][2] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};

static const char *const layer_names[][2] = {
    {"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},      {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

void test_hf_name(const char *gguf_name, char out[96])
{
    unsigned layer = 0;
    char part[64], kind[16];

    (void)snprintf(out, 96, "%s", gguf_name);
    for (size_t i = 0; i < sizeof(whole_names) / sizeof(whole_names[0]); i++) {
        if (strcmp(gguf_name, whole_names[i][0]) == 0)
            (void)snprintf(out, 96, "%s", whole_names[i][1]);
    }
    if (sscanf(gguf_name, "blk.%u.%63[^.].%15s", &layer, part, kind) != 3)
        return;
    for (size_t i = 0; i < sizeof(layer_names) / sizeof(layer_names[0]); i++) {
        if (strcmp(part, layer_names[i][0]) == 0)
            (void)snprintf(out, 96, "model.layers.%u.%s.%s", layer, layer_names[i][1], kind);
    }
}

/* rope_freqs.weight is config.json's business in this format. */
static bool is_written(const test_tensor *t)
{
    return t->name[0] != '\0' && strcmp(t->name, "rope_freqs.weight") != 0;
}

static void put(FILE *f, const void *p, size_t n)
{
    if (n > 0 && fwrite(p, 1, n, f) != n)
        abort();
}

static json_t *describe(const test_tensor *t, uint64_t *offset)
{
    json_t *shape = json_array();

    if (tempo_dtype_get(t->type)->block_len != 1) {
        fprintf(stderr, "test set-up: %s is quantised, a directory cannot hold it\n", t->name);
        abort();
    }
    for (uint32_t i = 0; i < t->n_dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->dims[i]));
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", tempo_dtype_get(t->type)->name, "shape", shape,
                              "data_offsets", (json_int_t)*offset, (json_int_t)(*offset + t->bytes));
    *offset += t->bytes;
    return entry;
}

/* Tensors are dealt to the shards in turn. */
static void write_shard(const test_model *m, unsigned shards, unsigned shard, const char *path)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    FILE *f = fopen(path, "wb");
    uint64_t offset = 0;
    char name[96];

    if (f == NULL || header == NULL)
        abort();
    for (size_t i = shard; i < m->n_tensors; i += shards) {
        if (!is_written(&m->tensors[i]))
            continue;
        test_hf_name(m->tensors[i].name, name);
        json_object_set_new(header, name, describe(&m->tensors[i], &offset));
    }
    char *text = json_dumps(header, JSON_COMPACT);
    if (text == NULL)
        abort();
    const uint64_t n = strlen(text), padded = (n + 7) / 8 * 8;
    put(f, &padded, 8);
    put(f, text, n);
    put(f, "       ", padded - n);
    for (size_t i = shard; i < m->n_tensors; i += shards) {
        if (is_written(&m->tensors[i]))
            put(f, m->tensors[i].data, m->tensors[i].bytes);
    }
    if (fclose(f) != 0)
        abort();
    free(text);
    json_decref(header);
}

static void write_json(const json_t *tree, const char *dir, const char *name)
{
    char path[512];

    test_path(path, dir, name);
    if (tree != NULL && json_dump_file(tree, path, JSON_INDENT(2)) != 0)
        abort();
}

static void write_sharded(const test_model *m, unsigned shards, const char *dir)
{
    json_t *map = json_object();
    char name[96], file[64], path[512];

    for (unsigned s = 0; s < shards; s++) {
        (void)snprintf(file, sizeof(file), "model-%05u-of-%05u.safetensors", s + 1, shards);
        test_path(path, dir, file);
        write_shard(m, shards, s, path);
        for (size_t i = s; i < m->n_tensors; i += shards) {
            test_hf_name(m->tensors[i].name, name);
            if (is_written(&m->tensors[i]))
                json_object_set_new(map, name, json_string(file));
        }
    }
    json_t *index = json_pack("{s:{s:i}, s:o}", "metadata", "total_size", 0, "weight_map", map);
    write_json(index, dir, "model.safetensors.index.json");
    json_decref(index);
}

void test_model_write_hf(const test_model *m, unsigned shards, const char *dir)
{
    char path[512];

    test_mkdir(dir);
    if (shards > 1) {
        write_sharded(m, shards, dir);
    } else {
        test_path(path, dir, "model.safetensors");
        write_shard(m, 1, 0, path);
    }
    write_json(m->config, dir, "config.json");
    write_json(m->generation, dir, "generation_config.json");
    write_json(m->tokenizer, dir, "tokenizer.json");
    write_json(m->tokenizer_config, dir, "tokenizer_config.json");
}
