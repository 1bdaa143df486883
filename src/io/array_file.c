/* array_file.c - one face for .npz, .npy and safetensors. */
#include "io/array_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "io/map.h"
#include "io/npy.h"
#include "io/safetensors.h"

struct tempo_array_file {
    tempo_map map;  /* when opened from a file */
    tempo_npz *npz; /* or */
    tempo_safetensors st;
};

/* ---- opening --------------------------------------------------------------------------- */

/* A zip archive begins with a local header, an empty one with its end; safetensors with a length that no
 * header has. */
static bool is_zip(const unsigned char *base, uint64_t size)
{
    return size >= 4 && (memcmp(base, "PK\x03\x04", 4) == 0 || memcmp(base, "PK\x05\x06", 4) == 0);
}

static bool is_npy(const unsigned char *base, uint64_t size)
{
    return size >= 6 && memcmp(base, "\x93NUMPY", 6) == 0;
}

/* An object after a length: whatever is wrong with the file, it is meant as safetensors. */
static bool is_safetensors(const unsigned char *base, uint64_t size)
{
    return size > 8 && base[8] == '{';
}

tempo_status tempo_array_file_parse(tempo_array_file **out, const unsigned char *base, uint64_t size,
                                    tempo_err *err)
{
    tempo_array_file *f = calloc(1, sizeof(*f));
    tempo_status st;

    *out = NULL;
    if (f == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a file of arrays");
    if (is_zip(base, size))
        st = tempo_npz_parse(&f->npz, base, size, err);
    else if (is_npy(base, size))
        st = tempo_npz_parse_npy(&f->npz, base, size, err);
    else if ((st = tempo_safetensors_parse(&f->st, base, size, err)) != TEMPO_OK &&
             !is_safetensors(base, size))
        tempo_err_prefix(err, "neither an .npz archive, nor .npy, nor safetensors");
    if (st == TEMPO_OK)
        *out = f;
    else
        free(f);
    return st;
}

tempo_status tempo_array_file_open(tempo_array_file **out, const char *path, tempo_err *err)
{
    tempo_map map;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_map_open(&map, path, err)) != TEMPO_OK)
        return st;
    st = tempo_array_file_parse(out, map.p, map.n, err);
    return tempo_map_keep(&map, st, path, st == TEMPO_OK ? &(*out)->map : NULL, err);
}

void tempo_array_file_free(tempo_array_file *f)
{
    if (f == NULL)
        return;
    tempo_npz_free(f->npz);
    tempo_safetensors_free(&f->st);
    tempo_map_close(&f->map);
    free(f);
}

size_t tempo_array_file_count(const tempo_array_file *f)
{
    return f->npz != NULL ? tempo_npz_count(f->npz) : f->st.n_tensors;
}

const char *tempo_array_file_name(const tempo_array_file *f, size_t i)
{
    return f->npz != NULL ? tempo_npz_name(f->npz, i) : f->st.tensors[i].name;
}

/* ---- numbers of every type ------------------------------------------------------------- */

/* Can elements of `from` be read as `to`? */
static bool converts(tempo_npy_type from, tempo_npy_type to)
{
    return from != TEMPO_NPY_UNICODE && tempo_npy_is_float(from) == tempo_npy_is_float(to);
}

/* The element at p, which need not be aligned. */
static double float_at(const unsigned char *p, tempo_npy_type type)
{
    uint16_t half;
    float f;
    double d;

    switch (type) {
    case TEMPO_NPY_F16:
    case TEMPO_NPY_BF16:
        memcpy(&half, p, sizeof(half));
        return (double)(type == TEMPO_NPY_F16 ? tempo_f16_to_float(half) : tempo_bf16_to_float(half));
    case TEMPO_NPY_F32:
        memcpy(&f, p, sizeof(f));
        return (double)f;
    default:
        memcpy(&d, p, sizeof(d));
        return d;
    }
}

/* Sign-extended, or not; false for what int64 does not have. */
static bool int_at(const unsigned char *p, tempo_npy_type type, int64_t *out)
{
    const size_t n = tempo_npy_type_bytes(type);
    const bool is_signed = type == TEMPO_NPY_I8 || type == TEMPO_NPY_I16 || type == TEMPO_NPY_I32;
    uint64_t u = 0;

    for (size_t i = n; i-- > 0;)
        u = u << 8 | p[i];
    if (type == TEMPO_NPY_BOOL)
        u = u != 0;
    if (is_signed && u >> (8 * n - 1) != 0)
        u |= UINT64_MAX << (8 * n);
    memcpy(out, &u, sizeof(u));
    return type != TEMPO_NPY_U64 || u <= INT64_MAX;
}

static tempo_status convert_element(void *to, tempo_npy_type type, uint64_t i, const unsigned char *from,
                                    tempo_npy_type from_type, tempo_err *err)
{
    if (type == TEMPO_NPY_F32)
        ((float *)to)[i] = (float)float_at(from, from_type);
    else if (type == TEMPO_NPY_F64)
        ((double *)to)[i] = float_at(from, from_type);
    else if (!int_at(from, from_type, (int64_t *)to + i))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "element %" PRIu64 " is above %" PRId64, i,
                          INT64_MAX);
    return TEMPO_OK;
}

/* a: type, shape and count of `from`; becomes the array of `type`, with memory of its own. */
static tempo_status convert(tempo_npy *a, const unsigned char *from, tempo_npy_type type, uint64_t max_bytes,
                            tempo_err *err)
{
    const tempo_npy_type from_type = a->type;
    const uint32_t item = tempo_npy_type_bytes(type), from_item = a->item_bytes;
    uint64_t bytes;
    tempo_status st = TEMPO_OK;

    a->data = NULL;
    if (__builtin_mul_overflow(a->count, item, &bytes) || bytes > max_bytes || bytes >= SIZE_MAX)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "array of %" PRIu64 " elements, as %" PRIu32 " bytes each; the limit is %" PRIu64
                          " bytes",
                          a->count, item, max_bytes);
    if ((a->data = malloc((size_t)bytes + (bytes == 0))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an array of %" PRIu64 " bytes",
                          bytes);
    if (from_type == type)
        memcpy(a->data, from, (size_t)bytes);
    else
        for (uint64_t i = 0; i < a->count && st == TEMPO_OK; i++)
            st = convert_element(a->data, type, i, from + i * from_item, from_type, err);
    a->type = type;
    a->item_bytes = item;
    return st;
}

static tempo_status fail_type(tempo_npy_type type, const char *found, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "its elements are %s, expected %s", found,
                      tempo_npy_is_float(type) ? "floats" : "integers");
}

static const char *type_words(tempo_npy_type type)
{
    return type == TEMPO_NPY_UNICODE ? "text" : tempo_npy_is_float(type) ? "floats" : "integers";
}

/* ---- safetensors ----------------------------------------------------------------------- */

static const struct {
    char name[8];
    tempo_npy_type type;
} tensor_types[] = {
    {"F64", TEMPO_NPY_F64},   {"F32", TEMPO_NPY_F32}, {"F16", TEMPO_NPY_F16}, {"BF16", TEMPO_NPY_BF16},
    {"I64", TEMPO_NPY_I64},   {"I32", TEMPO_NPY_I32}, {"I16", TEMPO_NPY_I16}, {"I8", TEMPO_NPY_I8},
    {"U64", TEMPO_NPY_U64},   {"U32", TEMPO_NPY_U32}, {"U16", TEMPO_NPY_U16}, {"U8", TEMPO_NPY_U8},
    {"BOOL", TEMPO_NPY_BOOL},
};

/* What a tensor is as an array, and where its elements begin. */
static tempo_status find_tensor(const tempo_array_file *f, const char *name, tempo_npy *out,
                                const unsigned char **p, tempo_err *err)
{
    const tempo_safetensor *t = tempo_safetensors_find(&f->st, name);

    *p = NULL;
    if (t == NULL)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "no array named %s", name);
    for (size_t i = 0; i < sizeof(tensor_types) / sizeof(*tensor_types); i++) {
        if (strcmp(tensor_types[i].name, t->dtype) != 0)
            continue;
        *out = (tempo_npy){.type = tensor_types[i].type, .n_dims = t->n_dims};
        memcpy(out->shape, t->dims, sizeof(out->shape));
        out->item_bytes = tempo_npy_type_bytes(out->type);
        out->count = t->bytes / out->item_bytes;
        *p = f->st.base + t->offset;
        return TEMPO_OK;
    }
    return tempo_fail(err, TEMPO_E_UNSUPPORTED, t->offset, "array %s: element type %s", name, t->dtype);
}

_Static_assert((int)TEMPO_SAFETENSORS_MAX_DIMS == (int)TEMPO_NPY_MAX_DIMS, "a tensor's shape is an array's");

/* ---- arrays ---------------------------------------------------------------------------- */

static tempo_status read_npz(const tempo_array_file *f, const char *name, tempo_npy_type type,
                             uint64_t max_bytes, tempo_npy *out, tempo_err *err)
{
    tempo_npy raw;
    tempo_status st = tempo_npz_read(f->npz, name, max_bytes, out, err);

    if (st != TEMPO_OK || out->type == type)
        return st;
    raw = *out;
    if (!converts(raw.type, type))
        st = fail_type(type, type_words(raw.type), err);
    else
        st = convert(out, raw.data, type, max_bytes, err);
    if (out->data != raw.data)
        free(raw.data);
    return st;
}

static tempo_status read_tensor(const tempo_array_file *f, const char *name, tempo_npy_type type,
                                uint64_t max_bytes, tempo_npy *out, tempo_err *err)
{
    const unsigned char *p;
    const tempo_status st = find_tensor(f, name, out, &p, err);

    if (st != TEMPO_OK)
        return st;
    return converts(out->type, type) ? convert(out, p, type, max_bytes, err)
                                     : fail_type(type, type_words(out->type), err);
}

tempo_status tempo_array_read(const tempo_array_file *f, const char *name, tempo_npy_type type,
                              uint64_t max_bytes, tempo_npy *out, tempo_err *err)
{
    tempo_err inner = {0};
    tempo_status st;

    *out = (tempo_npy){0};
    if ((st = tempo_map_check(&f->map, &inner)) == TEMPO_OK)
        st = f->npz != NULL ? read_npz(f, name, type, max_bytes, out, &inner)
                            : read_tensor(f, name, type, max_bytes, out, &inner);
    if (st == TEMPO_OK)
        st = tempo_map_check(&f->map, &inner); /* what was copied is of one file */
    if (st == TEMPO_OK)
        return TEMPO_OK;
    tempo_err_prefix_once(&inner, name, "array %s", name);
    if (err != NULL && err->code == TEMPO_OK)
        *err = inner;
    tempo_npy_free(out);
    return st;
}

tempo_status tempo_array_shape(const tempo_array_file *f, const char *name, tempo_npy *out, tempo_err *err)
{
    const unsigned char *p;
    const tempo_status st = tempo_map_check(&f->map, err);

    *out = (tempo_npy){0};
    if (st != TEMPO_OK)
        return st;
    return f->npz != NULL ? tempo_npz_shape(f->npz, name, out, err) : find_tensor(f, name, out, &p, err);
}

tempo_status tempo_array_view(const tempo_array_file *f, const char *name, tempo_npy_type type,
                              tempo_npy *out, const void **data, tempo_err *err)
{
    const unsigned char *p;
    tempo_status st;

    *out = (tempo_npy){0};
    *data = NULL;
    if ((st = tempo_map_check(&f->map, err)) != TEMPO_OK)
        return st;
    if (f->npz != NULL) {
        st = tempo_npz_view(f->npz, name, out, data, err);
    } else if ((st = find_tensor(f, name, out, &p, err)) == TEMPO_OK) {
        *data = p;
        if ((uintptr_t)p % out->item_bytes != 0)
            st = tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "array %s: not aligned", name);
    }
    if (st == TEMPO_OK && out->type != type)
        st = tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "array %s: of another type", name);
    if (st != TEMPO_OK) {
        *out = (tempo_npy){0};
        *data = NULL;
    }
    return st;
}

/* ---- text ------------------------------------------------------------------------------ */

/* UTF-32, of which the reader has checked the code points, up to a NUL -> UTF-8; NULL without memory. */
static char *make_utf8(const uint32_t *text, size_t n)
{
    char *out = malloc(4 * n + 1), *p = out;

    for (size_t i = 0; out != NULL && i < n && text[i] != 0; i++) {
        const uint32_t c = text[i];
        if (c < 0x80) {
            *p++ = (char)c;
            continue;
        }
        const unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        *p++ = (char)((0xff00u >> (more + 1) & 0xff) | c >> (6 * more));
        for (unsigned k = more; k-- > 0;)
            *p++ = (char)(0x80 | (c >> (6 * k) & 0x3f));
    }
    if (out != NULL)
        *p = '\0';
    return out;
}

static tempo_status text_of_npz(const tempo_npz *z, const char *name, uint64_t max_bytes, char **out,
                                tempo_err *err)
{
    tempo_npy a;
    tempo_status st = tempo_npz_read(z, name, max_bytes, &a, err);

    if (st != TEMPO_OK)
        return st;
    if (a.type != TEMPO_NPY_UNICODE || a.count != 1)
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "array %s: expected one text", name);
    else if ((*out = make_utf8(a.data, a.item_bytes / sizeof(uint32_t))) == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "array %s: no memory for its text", name);
    tempo_npy_free(&a);
    return st;
}

tempo_status tempo_array_file_text(const tempo_array_file *f, const char *name, uint64_t max_bytes,
                                   char **out, tempo_err *err)
{
    const tempo_status st = tempo_map_check(&f->map, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    if (f->npz != NULL)
        return text_of_npz(f->npz, name, max_bytes, out, err);
    const json_t *value = json_object_get(f->st.metadata, name);
    if (value == NULL)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "no text named %s", name);
    if (!json_is_string(value) || json_string_length(value) > max_bytes)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "__metadata__: %s: expected a text of at most %" PRIu64 " bytes", name, max_bytes);
    if ((*out = strdup(json_string_value(value))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the text %s", name);
    return TEMPO_OK;
}
