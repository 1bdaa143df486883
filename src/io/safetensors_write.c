/* safetensors_write.c - safetensors files, written from front to back, their header at the end. */
#include "io/safetensors_write.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/npy.h"
#include "io/outfile.h"
#include "io/safetensors.h"

enum {
    LENGTH_BYTES = 8,
    MIN_ROOM = 64,  /* for an empty header */
    ENDS_BYTES = 2, /* the braces around everything */
    SPACES = 4096,
    META_ENDS_BYTES = 20, /* "__metadata__":{}, */
};

/* A growing text without its end. */
typedef struct text {
    char *p; /* [n] */
    size_t n, cap;
} text;

struct tempo_safetensors_writer {
    tempo_outfile *file;
    uint64_t room;
    text tensors, meta; /* entries of the header, a comma behind each */
};

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the header");
}

static tempo_status write_room(tempo_safetensors_writer *w, tempo_err *err)
{
    static const char length[LENGTH_BYTES];
    char spaces[SPACES];
    tempo_status st = tempo_outfile_write(w->file, length, sizeof(length), err);

    memset(spaces, ' ', sizeof(spaces));
    for (uint64_t left = w->room; left > 0 && st == TEMPO_OK;) {
        const size_t n = left < SPACES ? (size_t)left : SPACES;
        st = tempo_outfile_write(w->file, spaces, n, err);
        left -= n;
    }
    return st;
}

tempo_status tempo_safetensors_create(tempo_safetensors_writer **out, const char *path, uint64_t room,
                                      tempo_err *err)
{
    const uint64_t most = TEMPO_SAFETENSORS_MAX_HEADER / 8 * 8;
    tempo_safetensors_writer *w = calloc(1, sizeof(*w));
    tempo_status st;

    *out = NULL;
    if (w == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory to write it", path);
    room = room < MIN_ROOM ? MIN_ROOM : room;
    w->room = room >= most ? most : (room + 7) / 8 * 8; /* the data begin at a multiple of 8 */
    if ((st = tempo_outfile_create(&w->file, path, err)) == TEMPO_OK) {
        tempo_outfile_stream(w->file);
        st = write_room(w, err);
    }
    if (st != TEMPO_OK)
        tempo_safetensors_abort(w);
    else
        *out = w;
    return st;
}

/* ---- the header's entries ---- */

static tempo_status append(text *t, const char *p, size_t n, tempo_err *err)
{
    if (n > t->cap - t->n) {
        const size_t cap = t->cap + (n > t->cap + SPACES ? n : t->cap + SPACES);
        char *more = realloc(t->p, cap);
        if (more == NULL)
            return no_memory(err);
        t->p = more;
        t->cap = cap;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
    return TEMPO_OK;
}

static tempo_status check_room(const tempo_safetensors_writer *w, size_t n, tempo_err *err)
{
    const uint64_t used = (uint64_t)w->tensors.n + w->meta.n + ENDS_BYTES + META_ENDS_BYTES;

    return used + n <= w->room
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                            "the header has room for %" PRIu64 " bytes, and more is to be written", w->room);
}

static char *quoted(const char *utf8)
{
    json_t *s = json_string(utf8); /* NULL for what is not UTF-8 */
    char *out = s != NULL ? json_dumps(s, JSON_ENCODE_ANY) : NULL;

    json_decref(s);
    return out;
}

/* "name":{"dtype":"F32","shape":[1,2],"data_offsets":[a,b]}, */
static char *describe(const char *name, const char *dtype, const uint64_t *shape, unsigned n_dims,
                      uint64_t begin, uint64_t end)
{
    char dims[TEMPO_NPY_MAX_DIMS * 21 + 1] = "", *q = quoted(name), *out = NULL;
    size_t n = 0;

    for (unsigned i = 0; i < n_dims; i++)
        n += (size_t)snprintf(dims + n, sizeof(dims) - n, "%s%" PRIu64, i > 0 ? "," : "", shape[i]);
    const size_t cap = q != NULL ? strlen(q) + n + 128 : 0;
    if (q != NULL && (out = malloc(cap)) != NULL)
        (void)snprintf(out, cap,
                       "%s:{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]},", q,
                       dtype, dims, begin, end);
    free(q);
    return out;
}

tempo_status tempo_safetensors_add(tempo_safetensors_writer *w, const char *name, tempo_npy_type type,
                                   const uint64_t *shape, unsigned n_dims, const void *data, tempo_err *err)
{
    static const char *const dtypes[] = {
        [TEMPO_NPY_F32] = "F32",   [TEMPO_NPY_F64] = "F64", [TEMPO_NPY_I32] = "I32",
        [TEMPO_NPY_I64] = "I64",   [TEMPO_NPY_U8] = "U8",   [TEMPO_NPY_BOOL] = "BOOL",
        [TEMPO_NPY_F16] = "F16",   [TEMPO_NPY_I8] = "I8",   [TEMPO_NPY_I16] = "I16",
        [TEMPO_NPY_U16] = "U16",   [TEMPO_NPY_U32] = "U32", [TEMPO_NPY_U64] = "U64",
        [TEMPO_NPY_BF16] = "BF16",
    };
    const uint64_t begin = tempo_safetensors_pos(w) - LENGTH_BYTES - w->room;
    uint64_t bytes;
    tempo_status st;

    if ((size_t)type >= TEMPO_NPY_UNICODE || n_dims > TEMPO_NPY_MAX_DIMS)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "tensor %s: type %d with %u dimensions cannot be saved", name, (int)type, n_dims);
    if (!tempo_npy_data_bytes(type, shape, n_dims, &bytes) || bytes > SIZE_MAX)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "tensor %s: the shape's product overflows",
                          name);
    char *entry = describe(name, dtypes[type], shape, n_dims, begin, begin + bytes);
    if (entry == NULL)
        return no_memory(err);
    const size_t n = strlen(entry);
    if ((st = check_room(w, n, err)) == TEMPO_OK && (st = append(&w->tensors, entry, n, err)) == TEMPO_OK &&
        (st = tempo_outfile_write(w->file, data, (size_t)bytes, err)) != TEMPO_OK)
        w->tensors.n -= n;
    free(entry);
    return st;
}

tempo_status tempo_safetensors_add_text(tempo_safetensors_writer *w, const char *key, const char *utf8,
                                        tempo_err *err)
{
    char *k = quoted(key), *v = quoted(utf8);
    tempo_status st;

    if (k == NULL || v == NULL)
        st = no_memory(err);
    else if ((st = check_room(w, strlen(k) + strlen(v) + 2, err)) == TEMPO_OK &&
             (st = append(&w->meta, k, strlen(k), err)) == TEMPO_OK &&
             (st = append(&w->meta, ":", 1, err)) == TEMPO_OK &&
             (st = append(&w->meta, v, strlen(v), err)) == TEMPO_OK)
        st = append(&w->meta, ",", 1, err);
    free(k);
    free(v);
    return st;
}

/* ---- the end ---- */

uint64_t tempo_safetensors_pos(const tempo_safetensors_writer *w)
{
    return tempo_outfile_pos(w->file);
}

/* Entries follow one another with commas between them; the last comma is a space. */
static tempo_status patch_header(tempo_safetensors_writer *w, tempo_err *err)
{
    unsigned char length[LENGTH_BYTES];
    text h = {0};
    tempo_status st = append(&h, "{", 1, err);

    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)(w->room >> 8 * i);
    if (st == TEMPO_OK && w->meta.n > 0) {
        if ((st = append(&h, "\"__metadata__\":{", 16, err)) == TEMPO_OK &&
            (st = append(&h, w->meta.p, w->meta.n - 1, err)) == TEMPO_OK)
            st = append(&h, "},", 2, err);
    }
    if (st == TEMPO_OK && w->tensors.n > 0)
        st = append(&h, w->tensors.p, w->tensors.n, err);
    if (st == TEMPO_OK && h.p[h.n - 1] == ',')
        h.n--;
    if (st == TEMPO_OK && (st = append(&h, "}", 1, err)) == TEMPO_OK &&
        (st = tempo_outfile_patch(w->file, 0, length, sizeof(length), err)) == TEMPO_OK)
        st = tempo_outfile_patch(w->file, LENGTH_BYTES, h.p, h.n, err);
    free(h.p);
    return st;
}

tempo_status tempo_safetensors_commit(tempo_safetensors_writer *w, tempo_err *err)
{
    tempo_status st = patch_header(w, err);

    if (st == TEMPO_OK) {
        st = tempo_outfile_commit(w->file, err);
        w->file = NULL;
    }
    tempo_safetensors_abort(w);
    return st;
}

void tempo_safetensors_abort(tempo_safetensors_writer *w)
{
    if (w == NULL)
        return;
    tempo_outfile_abort(w->file);
    free(w->tensors.p);
    free(w->meta.p);
    free(w);
}
