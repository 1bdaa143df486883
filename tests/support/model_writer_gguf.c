/* model_writer_gguf.c - a synthetic model as a GGUF file.  Source: the GGUF specification. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/model_vocab.h"

enum { ALIGNMENT = 32 };

/* Bytes go out in host order: the tests run on little-endian machines. */
static void put(FILE *f, const void *p, size_t n)
{
    if (n > 0 && fwrite(p, 1, n, f) != n)
        abort();
}

static void put_u32(FILE *f, uint32_t v)
{
    put(f, &v, sizeof(v));
}

static void put_u64(FILE *f, uint64_t v)
{
    put(f, &v, sizeof(v));
}

static void put_str(FILE *f, const char *s)
{
    put_u64(f, strlen(s));
    put(f, s, strlen(s));
}

static void put_kv(FILE *f, const test_kv *kv)
{
    put_str(f, kv->key);
    put_u32(f, kv->type);
    if (kv->type == TEMPO_GGUF_ARRAY) {
        put_u32(f, kv->elem);
        put_u64(f, kv->count);
    }
    if (kv->type == TEMPO_GGUF_STRING)
        put_u64(f, kv->bytes);
    put(f, kv->data, kv->bytes);
}

static uint64_t padded(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void put_tensor_info(FILE *f, const test_tensor *t, uint64_t *offset)
{
    put_str(f, t->name);
    put_u32(f, t->n_dims);
    for (uint32_t i = t->n_dims; i-- > 0;)
        put_u64(f, t->dims[i]);
    put_u32(f, tempo_dtype_get(t->type)->ggml);
    put_u64(f, *offset);
    *offset += padded(t->bytes);
}

static void pad(FILE *f)
{
    static const char zeros[ALIGNMENT] = {0};
    const long at = ftell(f);

    if (at < 0)
        abort();
    put(f, zeros, (size_t)(padded((uint64_t)at) - (uint64_t)at));
}

/* Head h of t keeps its rows; inside it row 2i + s of the file is row i + s * head_dim / 2. */
uint64_t test_permuted_row(const test_tensor *t, uint64_t row)
{
    const uint64_t d = t->dims[0] / t->rope_heads, in_head = row % d;

    return row - in_head + in_head / 2 + in_head % 2 * (d / 2);
}

void test_unpermute(test_tensor *t)
{
    const size_t row_bytes = t->bytes / t->dims[0];
    unsigned char *to = malloc(t->bytes);

    if (to == NULL)
        abort();
    for (uint64_t r = 0; r < t->dims[0]; r++)
        memcpy(to + test_permuted_row(t, r) * row_bytes, t->data + r * row_bytes, row_bytes);
    free(t->data);
    t->data = to;
}

static void put_tensor(FILE *f, const test_tensor *t, bool permute)
{
    const size_t row_bytes = t->bytes / t->dims[0];

    if (permute && t->rope_heads != 0) {
        for (uint64_t r = 0; r < t->dims[0]; r++)
            put(f, t->data + test_permuted_row(t, r) * row_bytes, row_bytes);
    } else {
        put(f, t->data, t->bytes);
    }
    pad(f);
}

void test_model_write_gguf(const test_model *m, uint32_t version, const char *path)
{
    FILE *f = fopen(path, "wb");
    uint64_t offset = 0, n = 0;

    if (f == NULL) {
        perror(path);
        abort();
    }
    for (size_t i = 0; i < m->n_tensors; i++)
        n += m->tensors[i].name[0] != '\0';
    put(f, "GGUF", 4);
    put_u32(f, version);
    put_u64(f, n);
    put_u64(f, m->n_kv);
    for (size_t i = 0; i < m->n_kv; i++)
        put_kv(f, &m->kv[i]);
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (m->tensors[i].name[0] != '\0')
            put_tensor_info(f, &m->tensors[i], &offset);
    }
    pad(f);
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (m->tensors[i].name[0] != '\0')
            put_tensor(f, &m->tensors[i], m->permute);
    }
    if (fclose(f) != 0)
        abort();
}

/* Every `parts`-th tensor from the p-th; metadata in the first. */
static test_model part_of(const test_model *m, unsigned p, unsigned parts)
{
    test_model part = *m;

    part.kv = malloc((m->n_kv + 3) * sizeof(*part.kv));
    part.tensors = malloc(m->n_tensors * sizeof(*part.tensors));
    if (part.kv == NULL || part.tensors == NULL)
        abort();
    part.n_tensors = 0;
    part.n_kv = p == 0 ? m->n_kv : 0;
    memcpy(part.kv, m->kv, part.n_kv * sizeof(*part.kv));
    for (size_t i = p; i < m->n_tensors; i += parts)
        part.tensors[part.n_tensors++] = m->tensors[i];
    return part;
}

void test_model_write_gguf_parts(const test_model *m, unsigned parts, const char *stem)
{
    for (unsigned p = 0; p < parts; p++) {
        test_model part = part_of(m, p, parts);
        const size_t own = part.n_kv;
        char path[600];
        test_model_set_u32(&part, "split.no", p);
        test_model_set_u32(&part, "split.count", parts);
        test_model_set_u32(&part, "split.tensors.count", (uint32_t)m->n_tensors);
        (void)snprintf(path, sizeof(path), "%s-%05u-of-%05u.gguf", stem, p + 1, parts);
        test_model_write_gguf(&part, 3, path);
        for (size_t i = own; i < part.n_kv; i++)
            free(part.kv[i].data);
        free(part.kv);
        free(part.tensors);
    }
}
