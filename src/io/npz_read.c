/* npz_read.c - arrays out of an archive.  The container: zip_read.c, zip_stream.c; the header: npy_parse.c.
 *
 * Entries that are not called NAME.npy are none of ours and are passed over. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/map.h"
#include "io/npy.h"
#include "io/zip.h"

enum { SUFFIX_BYTES = 4, MAX_CODE_POINT = 0x10ffff };

typedef struct array {
    const char *name; /* without .npy */
    const tempo_zip_entry *entry;
} array;

struct tempo_npz {
    tempo_map map; /* when opened from a file */
    tempo_zip zip;
    size_t n;
    array *arrays; /* [n] order of the directory */
    array *sorted; /* [n] by name */
    char *names;
};

/* ---- the archive --------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const array *)a)->name, ((const array *)b)->name);
}

static bool is_array(tempo_str name)
{
    return name.n > SUFFIX_BYTES && memcmp(name.p + name.n - SUFFIX_BYTES, ".npy", SUFFIX_BYTES) == 0;
}

/* Memory for the names and both orders, from the entries, which were bounded by the archive's bytes. */
static tempo_status alloc_arrays(tempo_npz *z, tempo_err *err)
{
    const size_t n = z->zip.n;
    size_t bytes = 1;

    for (size_t i = 0; i < n; i++)
        bytes += (size_t)z->zip.entries[i].name.n; /* the NUL takes the suffix's place */
    z->arrays = calloc(n + 1, sizeof(*z->arrays));
    z->sorted = calloc(n + 1, sizeof(*z->sorted));
    z->names = malloc(bytes);
    if (z->arrays == NULL || z->sorted == NULL || z->names == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu arrays", n);
    return TEMPO_OK;
}

static tempo_status index_arrays(tempo_npz *z, tempo_err *err)
{
    char *next = z->names;

    for (size_t i = 0; i < z->zip.n; i++) {
        const tempo_zip_entry *e = &z->zip.entries[i];
        if (!is_array(e->name))
            continue;
        const size_t n = (size_t)e->name.n - SUFFIX_BYTES;
        if (n > TEMPO_NPZ_MAX_NAME)
            return tempo_fail(err, TEMPO_E_LIMIT, e->offset,
                              "array's name is %zu bytes long, the limit is %d", n, TEMPO_NPZ_MAX_NAME);
        memcpy(next, e->name.p, n);
        next[n] = '\0';
        z->arrays[z->n++] = (array){next, e};
        next += n + 1;
    }
    memcpy(z->sorted, z->arrays, z->n * sizeof(*z->sorted));
    qsort(z->sorted, z->n, sizeof(*z->sorted), by_name);
    for (size_t i = 1; i < z->n; i++)
        if (by_name(&z->sorted[i - 1], &z->sorted[i]) == 0)
            return tempo_fail(err, TEMPO_E_FORMAT, z->sorted[i].entry->offset, "two arrays named %s",
                              z->sorted[i].name);
    return TEMPO_OK;
}

/* A file that is one array, as if it were stored in an archive. */
static tempo_status wrap(tempo_zip *out, const unsigned char *base, uint64_t size, tempo_err *err)
{
    static const char name[] = TEMPO_NPY_NAME ".npy";
    tempo_zip_entry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an array");
    *e = (tempo_zip_entry){.name = {name, sizeof(name) - 1},
                           .method = TEMPO_ZIP_STORED,
                           .packed = size,
                           .size = size,
                           .unchecked = true};
    *out = (tempo_zip){.base = base, .size = size, .n = 1, .entries = e};
    return TEMPO_OK;
}

static tempo_status parse(tempo_npz **out, const unsigned char *base, uint64_t size, bool npy, tempo_err *err)
{
    tempo_npz *z = calloc(1, sizeof(*z));
    tempo_status st;

    *out = NULL;
    if (z == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an archive");
    st = npy ? wrap(&z->zip, base, size, err) : tempo_zip_parse(&z->zip, base, size, err);
    if (st != TEMPO_OK || (st = alloc_arrays(z, err)) != TEMPO_OK ||
        (st = index_arrays(z, err)) != TEMPO_OK) {
        tempo_npz_free(z);
        return st;
    }
    *out = z;
    return TEMPO_OK;
}

tempo_status tempo_npz_parse(tempo_npz **out, const unsigned char *base, uint64_t size, tempo_err *err)
{
    return parse(out, base, size, false, err);
}

tempo_status tempo_npz_parse_npy(tempo_npz **out, const unsigned char *base, uint64_t size, tempo_err *err)
{
    return parse(out, base, size, true, err);
}

tempo_status tempo_npz_open(tempo_npz **out, const char *path, tempo_err *err)
{
    tempo_map map;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_map_open(&map, path, err)) != TEMPO_OK)
        return st;
    st = tempo_npz_parse(out, map.p, map.n, err);
    return tempo_map_keep(&map, st, path, st == TEMPO_OK ? &(*out)->map : NULL, err);
}

void tempo_npz_free(tempo_npz *z)
{
    if (z == NULL)
        return;
    tempo_zip_free(&z->zip);
    tempo_map_close(&z->map);
    free(z->arrays);
    free(z->sorted);
    free(z->names);
    free(z);
}

size_t tempo_npz_count(const tempo_npz *z)
{
    return z->n;
}

const char *tempo_npz_name(const tempo_npz *z, size_t i)
{
    return z->arrays[i].name;
}

/* ---- one array ----------------------------------------------------------------------- */

void tempo_npy_free(tempo_npy *a)
{
    free(a->data);
    *a = (tempo_npy){0};
}

static tempo_status read_header(tempo_zip_stream *s, tempo_npy *out, bool *swapped, tempo_err *err)
{
    unsigned char prelude[TEMPO_NPY_PRELUDE_BYTES], length[4] = {0};
    unsigned length_bytes;
    const uint64_t at = s->entry->data;
    tempo_status st;

    if ((st = tempo_zip_stream_read(s, prelude, sizeof(prelude), "npy magic", err)) != TEMPO_OK ||
        (st = tempo_npy_parse_prelude(prelude, at, &length_bytes, err)) != TEMPO_OK ||
        (st = tempo_zip_stream_read(s, length, length_bytes, "length of the npy header", err)) != TEMPO_OK)
        return st;
    const uint32_t n =
        length[0] | (uint32_t)length[1] << 8 | (uint32_t)length[2] << 16 | (uint32_t)length[3] << 24;
    if (n > TEMPO_NPY_MAX_TEXT)
        return tempo_fail(err, TEMPO_E_LIMIT, at + sizeof(prelude),
                          "npy header of %" PRIu32 " bytes, the limit is %d", n, TEMPO_NPY_MAX_TEXT);
    char *text = malloc((size_t)n + 1);
    if (text == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the npy header");
    const uint64_t text_at = tempo_zip_stream_at(s);
    st = tempo_zip_stream_read(s, text, n, "npy header", err);
    if (st == TEMPO_OK) {
        const bool exact = s->entry->method == TEMPO_ZIP_STORED;
        st = tempo_npy_parse_text(text, n, text_at, exact, out, swapped, err);
    }
    free(text);
    return st;
}

/* Big-endian elements of `size` bytes -> the other order. */
static void swap_bytes(unsigned char *p, uint64_t bytes, size_t size)
{
    for (uint64_t at = 0; at < bytes; at += size)
        for (size_t i = 0; i < size / 2; i++) {
            const unsigned char b = p[at + i];
            p[at + i] = p[at + size - 1 - i];
            p[at + size - 1 - i] = b;
        }
}

/* Values that would not be values of their C type. */
static tempo_status check_values(const void *data, const tempo_npy *a, uint64_t bytes, uint64_t at,
                                 tempo_err *err)
{
    const unsigned char *p = data;

    if (a->type == TEMPO_NPY_BOOL)
        for (uint64_t i = 0; i < bytes; i++)
            if (p[i] > 1)
                return tempo_fail(err, TEMPO_E_FORMAT, at, "element %" PRIu64 " is %u, expected 0 or 1", i,
                                  p[i]);
    if (a->type == TEMPO_NPY_UNICODE)
        for (uint64_t i = 0; i < bytes; i += 4) {
            uint32_t c;
            memcpy(&c, p + i, sizeof(c));
            if (c > MAX_CODE_POINT)
                return tempo_fail(err, TEMPO_E_FORMAT, at,
                                  "character %" PRIu64 " is %#" PRIx32 ", the largest is 0x10ffff", i / 4, c);
        }
    return TEMPO_OK;
}

/* What is left of the entry must be the elements. */
static tempo_status count_bytes(const tempo_zip_stream *s, const tempo_npy *a, uint64_t *bytes,
                                tempo_err *err)
{
    if (__builtin_mul_overflow(a->count, a->item_bytes, bytes) || *bytes != s->left)
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_zip_stream_at(s),
                          "%" PRIu64 " elements of %" PRIu32 " bytes, the entry has %" PRIu64
                          " bytes for them",
                          a->count, a->item_bytes, s->left);
    return TEMPO_OK;
}

/* The elements, memory for them included. */
static tempo_status read_data(tempo_zip_stream *s, uint64_t max_bytes, bool swapped, tempo_npy *out,
                              tempo_err *err)
{
    const uint64_t at = tempo_zip_stream_at(s);
    uint64_t bytes;
    tempo_status st;

    if ((st = count_bytes(s, out, &bytes, err)) != TEMPO_OK)
        return st;
    if (bytes > max_bytes || bytes > SIZE_MAX - 1)
        return tempo_fail(err, TEMPO_E_LIMIT, at, "array of %" PRIu64 " bytes, the limit is %" PRIu64, bytes,
                          max_bytes);
    if ((out->data = malloc((size_t)bytes + (bytes == 0))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an array of %" PRIu64 " bytes",
                          bytes);
    if ((st = tempo_zip_stream_read(s, out->data, bytes, "elements", err)) != TEMPO_OK)
        return st;
    if (swapped)
        swap_bytes(out->data, bytes, tempo_npy_type_bytes(out->type));
    return TEMPO_OK;
}

static tempo_status read_entry(const tempo_npz *z, const tempo_zip_entry *e, uint64_t max_bytes,
                               tempo_npy *out, tempo_err *err)
{
    tempo_zip_stream s;
    bool swapped;
    tempo_status st;

    if ((st = tempo_zip_stream_open(&s, &z->zip, e, err)) != TEMPO_OK ||
        (st = read_header(&s, out, &swapped, err)) != TEMPO_OK ||
        (st = read_data(&s, max_bytes, swapped, out, err)) != TEMPO_OK ||
        (st = tempo_zip_stream_finish(&s, err)) != TEMPO_OK)
        goto out;
    st = check_values(out->data, out, out->count * out->item_bytes, e->data, err);
out:
    tempo_zip_stream_close(&s);
    return st;
}

static tempo_status find_array(const tempo_npz *z, const char *name, const array **out, tempo_err *err)
{
    const array key = {name, NULL};
    const tempo_status st = tempo_map_check(&z->map, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    *out = bsearch(&key, z->sorted, z->n, sizeof(*z->sorted), by_name);
    if (*out == NULL)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "no array named %s", name);
    return TEMPO_OK;
}

tempo_status tempo_npz_read(const tempo_npz *z, const char *name, uint64_t max_bytes, tempo_npy *out,
                            tempo_err *err)
{
    const array *a;
    tempo_status st;

    *out = (tempo_npy){0};
    if ((st = find_array(z, name, &a, err)) != TEMPO_OK)
        return st;
    if ((st = read_entry(z, a->entry, max_bytes, out, err)) != TEMPO_OK) {
        tempo_err_prefix(err, "array %s", a->name);
        tempo_npy_free(out);
    }
    return st;
}

/* An array's header, and with `data` where its elements lie. */
static tempo_status look_at(const tempo_npz *z, const tempo_zip_entry *e, tempo_npy *out, const void **data,
                            tempo_err *err)
{
    tempo_zip_stream s = {0};
    uint64_t bytes;
    bool swapped;
    tempo_status st;

    if ((st = tempo_zip_stream_open(&s, &z->zip, e, err)) != TEMPO_OK ||
        (st = read_header(&s, out, &swapped, err)) != TEMPO_OK ||
        (st = count_bytes(&s, out, &bytes, err)) != TEMPO_OK || data == NULL)
        goto out;
    *data = s.p;
    if (e->method != TEMPO_ZIP_STORED || swapped || (uintptr_t)s.p % tempo_npy_type_bytes(out->type) != 0)
        st = tempo_fail(err, TEMPO_E_UNSUPPORTED, e->data,
                        "the elements do not lie in the archive as they are in memory");
    else
        st = check_values(*data, out, bytes, e->data, err);
out:
    tempo_zip_stream_close(&s);
    return st;
}

static tempo_status look_at_array(const tempo_npz *z, const char *name, tempo_npy *out, const void **data,
                                  tempo_err *err)
{
    const array *a;
    tempo_status st;

    *out = (tempo_npy){0};
    if ((st = find_array(z, name, &a, err)) != TEMPO_OK)
        return st;
    if ((st = look_at(z, a->entry, out, data, err)) != TEMPO_OK) {
        tempo_err_prefix(err, "array %s", a->name);
        *out = (tempo_npy){0};
    }
    return st;
}

tempo_status tempo_npz_shape(const tempo_npz *z, const char *name, tempo_npy *out, tempo_err *err)
{
    return look_at_array(z, name, out, NULL, err);
}

tempo_status tempo_npz_view(const tempo_npz *z, const char *name, tempo_npy *out, const void **data,
                            tempo_err *err)
{
    const tempo_status st = look_at_array(z, name, out, data, err);

    if (st != TEMPO_OK)
        *data = NULL;
    return st;
}
