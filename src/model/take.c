/* take.c - one tensor of a file, or a part of one, as a matrix or a vector; shape and type checked.
 *
 * Matrices stay where they are mapped where their rows lie together and are aligned; else they are copied.
 * Vectors become float copies.  */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/files.h"

/* ---- shapes ---- */

static void format_shape(char *out, size_t cap, uint32_t n_dims, const uint64_t *dims)
{
    size_t at = 0;

    out[0] = '\0'; /* a scalar has none */
    for (uint32_t i = 0; i < n_dims && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, i == 0 ? "%" PRIu64 : ", %" PRIu64, dims[i]);
}

/* A GGUF file's dimensions are followed by ones, written or not (its outermost come first here); a
 * directory's are exact. */
static bool has_shape(const tempo_loader *ld, const tempo_tensor *t, uint32_t n, const uint64_t *want)
{
    if (!ld->f->is_gguf && t->n_dims != n)
        return false;
    for (uint32_t i = 0; i < 4; i++) { /* from the innermost */
        const uint64_t has = i < t->n_dims ? t->dims[t->n_dims - 1 - i] : 1,
                       expected = i < n ? want[n - 1 - i] : 1;
        if (has != expected)
            return false;
    }
    return true;
}

static tempo_status check_shape(tempo_loader *ld, const tempo_tensor *t, uint32_t n, const uint64_t *want)
{
    char has[96], expected[72];

    if (has_shape(ld, t, n, want))
        return TEMPO_OK;
    format_shape(has, sizeof(has), t->n_dims, t->dims);
    format_shape(expected, sizeof(expected), n, want);
    return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(t), "%s: shape [%s], expected [%s]",
                      t->name, has, expected);
}

tempo_status tempo_take(tempo_loader *ld, const char *name, uint32_t n, const uint64_t *want, bool required,
                        tempo_tensor **out)
{
    tempo_tensor *t = tempo_files_find(ld->f, name);

    *out = NULL;
    if (ld->asked != NULL) {
        ld->asked(ld->asked_user, name, n, want, required);
        return TEMPO_OK;
    }
    if (t == NULL)
        return required ? tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "tensor %s is missing", name)
                        : TEMPO_OK;
    t->used = true;
    const tempo_status st = check_shape(ld, t, n, want);
    if (st != TEMPO_OK)
        return st;
    if (t->type == TEMPO_DTYPE_COUNT)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                            "%s: element type %s is not supported", name, t->type_name);
    *out = t;
    return TEMPO_OK;
}

/* ---- matrices ---- */

void tempo_forget_pages(const void *p, uint64_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)p + page - 1) / page * page, end = ((uintptr_t)p + n) / page * page;

    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static uint64_t bytes_of(const tempo_tensor *t, uint64_t elements)
{
    const tempo_dtype_info *d = tempo_dtype_get(t->type);

    return elements / d->block_len * d->block_bytes;
}

/* Kernels read elements in place; files need not align them (a safetensors header has any length).  The
 * copy replaces the mapped pages: the model is still held once.  */
static const void *aligned_data(tempo_loader *ld, const tempo_tensor *t, const unsigned char *data,
                                uint64_t bytes)
{
    const size_t align = t->type == TEMPO_F32 ? 4 : tempo_dtype_get(t->type)->block_bytes == 1 ? 1 : 2;

    if ((uintptr_t)data % align == 0)
        return data;
    void *copy = tempo_files_alloc(ld, (size_t)bytes);
    if (copy != NULL) {
        memcpy(copy, data, (size_t)bytes);
        tempo_forget_pages(data, bytes);
    }
    return copy;
}

/* The row of the tensor that becomes row r. */
static uint64_t row_of(const tempo_cut *cut, uint64_t r)
{
    return cut->first + r / cut->run * cut->stride + r % cut->run;
}

static bool is_float(tempo_dtype type)
{
    return type == TEMPO_F32 || type == TEMPO_F16 || type == TEMPO_BF16;
}

/* Columns become rows. */
static void turn(const tempo_tensor *t, const tempo_cut *cut, uint64_t n_out, uint64_t n_in,
                 unsigned char *out)
{
    const size_t size = t->type == TEMPO_F32 ? 4 : 2;
    const unsigned char *from = t->data + cut->slab * size;

    for (uint64_t c = 0; c < n_in; c++) /* the file is read front to back */
        for (uint64_t r = 0; r < n_out; r++)
            memcpy(out + (r * n_in + c) * size, from + (c * cut->across + row_of(cut, r)) * size, size);
}

static tempo_status copy_rows(tempo_loader *ld, const tempo_tensor *t, const tempo_cut *cut, uint64_t n_out,
                              uint64_t n_in, tempo_weight *w)
{
    const uint64_t bytes = n_out * w->row_bytes;
    unsigned char *copy;

    if (!is_float(t->type) && (cut->transposed || tempo_dtype_get(t->type)->block_len == 1))
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                            "%s: a %s matrix of type %s is not supported", t->name,
                            cut->transposed ? "transposed" : "fused", t->type_name);
    if ((copy = tempo_files_alloc(ld, (size_t)bytes)) == NULL)
        return TEMPO_E_NOMEM;
    if (cut->transposed)
        turn(t, cut, n_out, n_in, copy);
    for (uint64_t r = 0; r < n_out && !cut->transposed; r++)
        memcpy(copy + r * w->row_bytes, t->data + bytes_of(t, cut->slab) + row_of(cut, r) * w->row_bytes,
               w->row_bytes);
    w->data = copy;
    return TEMPO_OK;
}

/* ---- factors beside matrices of 8-bit floats: NAME_scale or NAME_scale_inv (both multiply), one for all,
 * one a row, or one for each block of rows and columns ---- */

static uint64_t blocks_of(uint64_t n, uint64_t block)
{
    return n / block + (n % block != 0);
}

/* Into how many rows and columns of blocks the factors s of t [rows, columns] cut it; false: nothing that is
 * known. */
static bool block_of(const tempo_loader *ld, const tempo_tensor *t, const tempo_tensor *s, uint64_t block[2])
{
    const uint64_t rows = t->dims[0], columns = t->dims[1];

    if (s->elements == 1)
        return true;
    if (s->elements == rows && s->dims[0] == rows) {
        block[0] = 1;
        return true;
    }
    for (size_t i = 0; i < 2; i++)
        block[i] = ld->facts.scale_block[i] != 0 ? ld->facts.scale_block[i] : 128;
    return s->n_dims == 2 && s->dims[0] == blocks_of(rows, block[0]) &&
           s->dims[1] == blocks_of(columns, block[1]);
}

static tempo_status read_scales(tempo_loader *ld, const tempo_tensor *s, const float **out)
{
    float *v = tempo_files_alloc(ld, (size_t)s->elements * sizeof(*v));

    if (v == NULL)
        return TEMPO_E_NOMEM;
    tempo_unpack[s->type](v, s->data, (size_t)s->elements);
    for (size_t i = 0; i < s->elements; i++)
        if (!isfinite(v[i]))
            return tempo_fail(ld->err, TEMPO_E_FORMAT, s->offset + i * (size_t)(s->bytes / s->elements),
                              "%s: element %zu is %g", s->name, i, (double)v[i]);
    *out = v;
    return TEMPO_OK;
}

/* The scales of a matrix made of rows of t from `first` on, if its type has them outside. */
static tempo_status take_scales(tempo_loader *ld, const tempo_tensor *t, uint64_t first, tempo_weight *w)
{
    static const char *const tails[] = {"_scale_inv", "_scale"};
    tempo_tensor *s = NULL;
    char name[224];
    uint64_t block[2] = {t->dims[0], t->dims[1]};
    tempo_status st;

    if (t->type != TEMPO_F8_E4M3 && t->type != TEMPO_F8_E5M2)
        return TEMPO_OK;
    for (size_t i = 0; i < 2 && s == NULL; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", t->name, tails[i]);
        s = tempo_files_find(ld->f, name);
    }
    if (s == NULL)
        return TEMPO_OK; /* as they are */
    s->used = true;
    if (s->type != TEMPO_F32 && s->type != TEMPO_F16 && s->type != TEMPO_BF16)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(s),
                            "%s: scales of type %s are not supported", s->name, s->type_name);
    if (t->n_dims != 2 || !block_of(ld, t, s, block))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(s),
                          "%s: %" PRIu64 " scales, expected 1, %" PRIu64 ", or one for each block of %" PRIu64
                          " x %" PRIu64,
                          s->name, s->elements, t->dims[0], block[0], block[1]);
    if (first % block[0] != 0 && s->elements != 1)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(s),
                            "%s: a matrix that begins within a block of scales is not supported", s->name);
    if ((st = read_scales(ld, s, &w->scales)) != TEMPO_OK)
        return st;
    w->scale_rows = (size_t)block[0];
    w->scale_columns = (size_t)block[1];
    w->scales += first / block[0] * blocks_of(t->dims[1], block[1]);
    return TEMPO_OK;
}

tempo_status tempo_take_matrix(tempo_loader *ld, const tempo_tensor *t, const tempo_cut *cut, uint64_t n_out,
                               uint64_t n_in, tempo_weight *w)
{
    tempo_weight made = {.n_out = (size_t)n_out, .n_in = (size_t)n_in, .type = t->type};

    if (n_in % tempo_dtype_get(t->type)->block_len != 0) {
        if (!cut->transposed)
            return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(t),
                              "%s: rows of %" PRIu64 " elements are not whole blocks of %s", t->name, n_in,
                              t->type_name);
    }
    made.row_bytes = (size_t)bytes_of(t, n_in);
    if (cut->transposed || cut->run < n_out) {
        const tempo_status st = copy_rows(ld, t, cut, n_out, n_in, &made);
        if (st == TEMPO_OK)
            *w = made;
        return st;
    }
    made.data = aligned_data(ld, t, t->data + bytes_of(t, cut->slab) + cut->first * made.row_bytes,
                             n_out * made.row_bytes);
    *w = made;
    return made.data != NULL ? take_scales(ld, t, cut->first, w) : TEMPO_E_NOMEM;
}

/* ---- MXFP4 in two tensors ---- */

/* Elements and bytes of a block, and of the same with its scale in front as GGUF has it. */
enum { BLOCK = 32, BLOCK_CODES = BLOCK / 2, BLOCK_BYTES = BLOCK_CODES + 1 };

static tempo_status take_bytes(tempo_loader *ld, const char *name, const char *tail, uint32_t n,
                               const uint64_t *shape, tempo_tensor **out)
{
    char full[224];
    tempo_tensor *t;
    tempo_status st;

    (void)snprintf(full, sizeof(full), "%s%s", name, tail);
    *out = NULL;
    if ((t = tempo_files_find(ld->f, full)) == NULL)
        return tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "tensor %s is missing", full);
    t->used = true;
    if ((st = check_shape(ld, t, n, shape)) != TEMPO_OK)
        return st;
    if (strcmp(t->type_name, "U8") != 0)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                            "%s: element type %s, expected U8", full, t->type_name);
    *out = t;
    return TEMPO_OK;
}

/* A byte holds two neighbours; GGUF's holds elements i and i + 16. */
static void reorder_block(unsigned char *to, const unsigned char *from, unsigned char scale)
{
    to[0] = scale;
    for (size_t i = 0; i < BLOCK_CODES; i++) {
        const unsigned shift = 4 * (i % 2);
        const unsigned low = (from[i / 2] >> shift) & 15,
                       high = (from[BLOCK_CODES / 2 + i / 2] >> shift) & 15;
        to[1 + i] = (unsigned char)(low | high << 4);
    }
}

tempo_status tempo_take_blocks(tempo_loader *ld, const char *name, const uint64_t shape[3],
                               const tempo_cut *cut, uint64_t n_out, tempo_weight *w)
{
    const uint64_t n = shape[2] / BLOCK, blocks_shape[4] = {shape[0], shape[1], n, BLOCK_CODES};
    tempo_tensor *blocks, *scales;
    tempo_status st;

    if (shape[2] % BLOCK != 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: rows of %" PRIu64 " elements are not whole blocks of MXFP4", name, shape[2]);
    if ((st = take_bytes(ld, name, "_blocks", 4, blocks_shape, &blocks)) != TEMPO_OK ||
        (st = take_bytes(ld, name, "_scales", 3, blocks_shape, &scales)) != TEMPO_OK || blocks == NULL ||
        scales == NULL)
        return st;
    unsigned char *copy = tempo_files_alloc(ld, (size_t)(n_out * n * BLOCK_BYTES));
    if (copy == NULL)
        return TEMPO_E_NOMEM;
    for (uint64_t r = 0; r < n_out; r++) {
        const uint64_t from = (cut->slab + row_of(cut, r)) * n;
        for (uint64_t b = 0; b < n; b++)
            reorder_block(copy + (r * n + b) * BLOCK_BYTES, blocks->data + (from + b) * BLOCK_CODES,
                          scales->data[from + b]);
    }
    *w = (tempo_weight){.data = copy,
                        .n_out = (size_t)n_out,
                        .n_in = (size_t)shape[2],
                        .row_bytes = (size_t)(n * BLOCK_BYTES),
                        .type = TEMPO_MXFP4};
    return TEMPO_OK;
}

/* ---- vectors ---- */

static float element(const tempo_tensor *t, size_t i)
{
    float f;

    tempo_unpack[t->type](&f, t->data + i * tempo_dtype_get(t->type)->block_bytes, 1);
    return f;
}

tempo_status tempo_take_vector(tempo_loader *ld, const tempo_tensor *t, const tempo_cut *cut, uint64_t n,
                               float plus, const float **out)
{
    if (tempo_dtype_get(t->type)->block_len > 1)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_tensor_entry(t),
                            "%s: a vector of type %s is not supported", t->name, t->type_name);
    float *v = tempo_files_alloc(ld, (size_t)n * sizeof(*v));
    if (v == NULL)
        return TEMPO_E_NOMEM;
    for (uint64_t i = 0; i < n; i++) {
        const size_t at = (size_t)(cut->slab + row_of(cut, i));
        const float x = element(t, at);
        if (!isfinite(x))
            return tempo_fail(ld->err, TEMPO_E_FORMAT, t->offset + at * (t->type == TEMPO_F32 ? 4 : 2),
                              "%s: element %zu is %g", t->name, at, (double)x);
        v[i] = plus != 0.0f ? x + plus : x;
    }
    *out = v;
    return TEMPO_OK;
}
