/* gguf_write.c - see gguf_write.h.  All numbers go out little-endian, whatever the machine is. */
#include "io/gguf_write.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 32, VERSION = 3 }; /* the format's default: no key says so */

/* ---- gathering ---- */

static void put(tempo_gguf_writer *w, tempo_gguf_buffer *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (b->cap - b->n < n) {
        const size_t cap = b->n + n < 4096 ? 8192 : 2 * (b->n + n);
        unsigned char *more = w->failed ? NULL : realloc(b->p, cap);
        if (more == NULL) {
            w->failed = true;
            return;
        }
        b->p = more;
        b->cap = cap;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* The low `bytes` bytes of v. */
static void put_number(tempo_gguf_writer *w, tempo_gguf_buffer *b, uint64_t v, size_t bytes)
{
    unsigned char le[8];

    for (size_t i = 0; i < bytes; i++)
        le[i] = (unsigned char)(v >> 8 * i);
    put(w, b, le, bytes);
}

static void put_text(tempo_gguf_writer *w, tempo_gguf_buffer *b, const char *s, size_t n)
{
    put_number(w, b, n, 8);
    put(w, b, s, n);
}

static void put_key(tempo_gguf_writer *w, const char *key, tempo_gguf_type type)
{
    put_text(w, &w->kv, key, strlen(key));
    put_number(w, &w->kv, type, 4);
    w->n_kv++;
}

void tempo_gguf_put_u32(tempo_gguf_writer *w, const char *key, uint32_t v)
{
    put_key(w, key, TEMPO_GGUF_U32);
    put_number(w, &w->kv, v, 4);
}

void tempo_gguf_put_f32(tempo_gguf_writer *w, const char *key, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof(bits));
    put_key(w, key, TEMPO_GGUF_F32);
    put_number(w, &w->kv, bits, 4);
}

void tempo_gguf_put_bool(tempo_gguf_writer *w, const char *key, bool v)
{
    put_key(w, key, TEMPO_GGUF_BOOL);
    put_number(w, &w->kv, v, 1);
}

void tempo_gguf_put_str(tempo_gguf_writer *w, const char *key, const char *v)
{
    put_key(w, key, TEMPO_GGUF_STRING);
    put_text(w, &w->kv, v, strlen(v));
}

void tempo_gguf_put_array(tempo_gguf_writer *w, const char *key, tempo_gguf_type elem, uint64_t count)
{
    put_key(w, key, TEMPO_GGUF_ARRAY);
    put_number(w, &w->kv, elem, 4);
    put_number(w, &w->kv, count, 8);
}

void tempo_gguf_put_element(tempo_gguf_writer *w, const char *s, size_t n)
{
    put_text(w, &w->kv, s, n);
}

void tempo_gguf_put_int(tempo_gguf_writer *w, int32_t v)
{
    put_number(w, &w->kv, (uint32_t)v, 4);
}

void tempo_gguf_put_real(tempo_gguf_writer *w, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof(bits));
    put_number(w, &w->kv, bits, 4);
}

void tempo_gguf_put_text(tempo_gguf_writer *w, const char *key, const char *s, size_t n)
{
    put_key(w, key, TEMPO_GGUF_STRING);
    put_text(w, &w->kv, s, n);
}

void tempo_gguf_put_copy(tempo_gguf_writer *w, const tempo_gguf *g, const tempo_gguf_kv *kv)
{
    put_text(w, &w->kv, kv->key.p, kv->key.n);
    put_number(w, &w->kv, kv->type, 4);
    if (kv->type == TEMPO_GGUF_ARRAY) {
        put_number(w, &w->kv, kv->elem, 4);
        put_number(w, &w->kv, kv->count, 8);
    }
    put(w, &w->kv, g->base + kv->at, (size_t)kv->bytes);
    w->n_kv++;
}

static uint64_t padded(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

uint64_t tempo_gguf_put_tensor(tempo_gguf_writer *w, const char *name, tempo_dtype type, uint32_t n_dims,
                               const uint64_t *dims)
{
    const tempo_dtype_info *info = tempo_dtype_get(type);
    uint64_t *ends = realloc(w->ends, (w->n_tensors + 1) * sizeof(*ends)), elements = 1;

    if (ends == NULL) {
        w->failed = true;
        return 0;
    }
    w->ends = ends;
    put_text(w, &w->table, name, strlen(name));
    put_number(w, &w->table, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++) {
        put_number(w, &w->table, dims[i], 8);
        elements *= dims[i];
    }
    put_number(w, &w->table, info->ggml, 4);
    put_number(w, &w->table, w->data_bytes, 8);
    const uint64_t bytes = elements / info->block_len * info->block_bytes;
    ends[w->n_tensors++] = w->data_bytes + bytes;
    w->data_bytes += padded(bytes);
    return bytes;
}

/* ---- going out ---- */

static tempo_status pad(tempo_outfile *f, uint64_t at, tempo_err *err)
{
    static const unsigned char zeros[ALIGNMENT] = {0};

    return tempo_outfile_write(f, zeros, (size_t)(padded(at) - at), err);
}

static void put_head(tempo_gguf_writer *w, tempo_gguf_buffer *head, uint64_t n_tensors)
{
    put(w, head, "GGUF", 4);
    put_number(w, head, VERSION, 4);
    put_number(w, head, n_tensors, 8);
    put_number(w, head, w->n_kv, 8);
}

void tempo_gguf_put_all(tempo_gguf_writer *w, const tempo_gguf_writer *from)
{
    put(w, &w->kv, from->kv.p, from->kv.n);
    w->n_kv += from->n_kv;
    w->failed |= from->failed;
}

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a model's metadata");
}

tempo_status tempo_gguf_metadata(const tempo_gguf_writer *w, unsigned char **out, size_t *n, tempo_err *err)
{
    tempo_gguf_writer copy = {.n_kv = w->n_kv, .failed = w->failed};
    tempo_gguf_buffer image = {0};

    put_head(&copy, &image, 0);
    put(&copy, &image, w->kv.p, w->kv.n);
    *out = image.p;
    *n = image.n;
    if (!copy.failed)
        return TEMPO_OK;
    free(image.p);
    *out = NULL;
    return no_memory(err);
}

tempo_status tempo_gguf_begin(tempo_gguf_writer *w, tempo_outfile *f, tempo_err *err)
{
    tempo_gguf_buffer head = {0};
    tempo_status st;

    put_head(w, &head, w->n_tensors);
    if (w->failed)
        st = no_memory(err);
    else if ((st = tempo_outfile_write(f, head.p, head.n, err)) == TEMPO_OK &&
             (st = tempo_outfile_write(f, w->kv.p, w->kv.n, err)) == TEMPO_OK &&
             (st = tempo_outfile_write(f, w->table.p, w->table.n, err)) == TEMPO_OK)
        st = pad(f, head.n + w->kv.n + w->table.n, err);
    free(head.p);
    return st;
}

tempo_status tempo_gguf_data(tempo_gguf_writer *w, tempo_outfile *f, const void *p, size_t n, tempo_err *err)
{
    tempo_status st = tempo_outfile_write(f, p, n, err);

    w->at += n;
    if (st != TEMPO_OK || w->at != w->ends[w->current])
        return st;
    st = pad(f, w->at, err);
    w->at = padded(w->at);
    w->current++;
    return st;
}

void tempo_gguf_writer_free(tempo_gguf_writer *w)
{
    free(w->kv.p);
    free(w->table.p);
    free(w->ends);
}
