/* tensors.c - the tensors of a model's files, as a caller sees them: the list, and their values. */
#include <inttypes.h>
#include <string.h>

#include "base/status.h"
#include "model/files.h"

enum { CHUNK_BYTES = 2048 /* of a file, unpacked at a time: at least one block of every type */ };

size_t tempo_model_tensor_count(const tempo_model *m)
{
    return m->files->n_tensors;
}

tempo_tensor_info tempo_model_tensor_at(const tempo_model *m, size_t i)
{
    const tempo_tensor *t = &m->files->tensors[i];
    tempo_tensor_info info = {.name = t->name,
                              .type = t->type_name,
                              .n_dims = t->n_dims,
                              .file = t->file,
                              .offset = t->offset,
                              .bytes = t->type != TEMPO_DTYPE_COUNT ? t->bytes : 0};

    memcpy(info.dims, t->dims, sizeof(info.dims));
    return info;
}

static tempo_status check_range(const tempo_tensor *t, uint64_t first, size_t n, tempo_err *err)
{
    if (t->type == TEMPO_DTYPE_COUNT)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "tensor %s: its type %s is not supported", t->name, t->type_name);
    if (first > t->elements || n > t->elements - first)
        return tempo_fail_field(err, TEMPO_E_ARG, first > t->elements ? "first" : "n",
                                "tensor %s: %zu elements from %" PRIu64 " on, it has %" PRIu64, t->name, n,
                                first, t->elements);
    return TEMPO_OK;
}

/* Whole blocks are unpacked from an aligned copy, and what was asked for of them is given on. */
static void unpack(const tempo_tensor *t, uint64_t first, size_t n, float *out)
{
    _Alignas(64) unsigned char bytes[CHUNK_BYTES];
    float values[CHUNK_BYTES * 6]; /* no type has more elements a byte (IQ1_S: 256 in 50) */
    const tempo_dtype_info *d = tempo_dtype_get(t->type);
    const size_t most = CHUNK_BYTES / d->block_bytes;

    while (n > 0) {
        const uint64_t block = first / d->block_len;
        const size_t skip = (size_t)(first % d->block_len), wanted = skip + n;
        const size_t needed = wanted / d->block_len + (wanted % d->block_len != 0);
        const size_t blocks = needed < most ? needed : most;
        const size_t got = blocks * d->block_len < wanted ? blocks * d->block_len - skip : n;
        memcpy(bytes, t->data + block * d->block_bytes, blocks * d->block_bytes);
        tempo_unpack[t->type](values, bytes, blocks * d->block_len);
        memcpy(out, values + skip, got * sizeof(*out));
        out += got;
        first += got;
        n -= got;
    }
}

tempo_status tempo_model_tensor_read(const tempo_model *m, size_t i, uint64_t first, size_t n, float *out,
                                     tempo_err *err)
{
    tempo_status st;

    if (i >= m->files->n_tensors)
        return tempo_fail_field(err, TEMPO_E_ARG, "i", "tensor %zu: the model has %zu, from 0", i,
                                m->files->n_tensors);
    if ((st = check_range(&m->files->tensors[i], first, n, err)) != TEMPO_OK ||
        (st = tempo_model_unchanged(m, err)) != TEMPO_OK)
        return st;
    unpack(&m->files->tensors[i], first, n, out);
    return tempo_model_unchanged(m, err);
}
