/* gguf.c - parsing GGUF containers.  Typed access to the metadata: gguf_value.c.
 *
 * Memory: an entry of a table is allocated only after the bytes that it must have in the file were counted
 * (MIN_KV_BYTES, MIN_TENSOR_BYTES), so both tables stay below 12 times the bytes of the metadata. */
#include "io/gguf.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_KEY = 65535,       /* the specification's limit */
    MAX_NAME = 255,        /* of a tensor; the specification says 64, some writers go beyond */
    MIN_KV_BYTES = 13,     /* key length, empty key, type, one byte of value */
    MIN_TENSOR_BYTES = 25, /* name length, one letter, number of dimensions, type, offset: 8+1+4+4+8 */
    MAX_NESTING = 8,       /* of arrays in arrays, which nobody is known to write */
    DEFAULT_ALIGNMENT = 32,
};

/* Bytes of one value in the file; 0 for those whose size is in the file. */
static const unsigned char type_bytes[TEMPO_GGUF_TYPE_COUNT] = {
    [TEMPO_GGUF_U8] = 1,  [TEMPO_GGUF_I8] = 1,  [TEMPO_GGUF_U16] = 2, [TEMPO_GGUF_I16] = 2,
    [TEMPO_GGUF_U32] = 4, [TEMPO_GGUF_I32] = 4, [TEMPO_GGUF_F32] = 4, [TEMPO_GGUF_BOOL] = 1,
    [TEMPO_GGUF_U64] = 8, [TEMPO_GGUF_I64] = 8, [TEMPO_GGUF_F64] = 8,
};

/* A name for a message: at most 64 bytes of it, as the precision of %.*s. */
#define NAME(s) (int)((s).n < 64 ? (s).n : 64), (s).p

static tempo_status read_type(tempo_reader *r, const char *what, tempo_gguf_type *out)
{
    const uint64_t at = r->pos;
    uint32_t code;
    tempo_status st = tempo_rd_u32(r, what, &code);

    *out = TEMPO_GGUF_U8;
    if (st == TEMPO_OK && code >= TEMPO_GGUF_TYPE_COUNT)
        st = tempo_fail(r->err, TEMPO_E_FORMAT, at, "%s is %" PRIu32 ", expected 0 to %d", what, code,
                        TEMPO_GGUF_TYPE_COUNT - 1);
    if (st == TEMPO_OK)
        *out = (tempo_gguf_type)code;
    return st;
}

/* Elements, or one value (count 1), of a type that is no array.  The caller has bounded count by the bytes
 * left. */
static tempo_status skip_values(tempo_reader *r, tempo_gguf_type type, uint64_t count)
{
    tempo_status st = TEMPO_OK;
    tempo_str s;

    if (type != TEMPO_GGUF_STRING)
        return tempo_rd_skip(r, "the value", count * type_bytes[type]);
    for (uint64_t i = 0; i < count && st == TEMPO_OK; i++)
        st = tempo_rd_str(r, "a string", UINT64_MAX, &s);
    return st;
}

/* Element type and length of an array; the length is one that the bytes left can hold. */
static tempo_status read_array_head(tempo_reader *r, tempo_gguf_type *elem, uint64_t *count)
{
    tempo_status st;

    if ((st = read_type(r, "the array's element type", elem)) != TEMPO_OK)
        return st;
    const uint64_t at = r->pos;
    if ((st = tempo_rd_u64(r, "the array's length", count)) != TEMPO_OK)
        return st;
    const uint64_t least = *elem == TEMPO_GGUF_STRING  ? 8
                           : *elem == TEMPO_GGUF_ARRAY ? 12
                                                       : type_bytes[*elem],
                   left = r->size - r->pos;
    if (*count > left / least)
        return tempo_fail(r->err, TEMPO_E_FORMAT, at,
                          "an array of %" PRIu64 " elements cannot be in the %" PRIu64 " bytes left", *count,
                          left);
    return TEMPO_OK;
}

/* The elements of an array, which may be arrays. */
static tempo_status skip_elements(tempo_reader *r, tempo_gguf_type elem, uint64_t count, unsigned levels)
{
    tempo_status st = TEMPO_OK;

    if (elem != TEMPO_GGUF_ARRAY)
        return skip_values(r, elem, count);
    if (levels == MAX_NESTING)
        return tempo_fail(r->err, TEMPO_E_LIMIT, r->pos, "arrays nested deeper than %d", MAX_NESTING);
    for (uint64_t i = 0; i < count && st == TEMPO_OK; i++) {
        tempo_gguf_type inner;
        uint64_t n;
        if ((st = read_array_head(r, &inner, &n)) == TEMPO_OK)
            st = skip_elements(r, inner, n, levels + 1);
    }
    return st;
}

/* Sets kv->at and kv->bytes, too. */
static tempo_status read_value(tempo_reader *r, tempo_gguf_kv *kv)
{
    const bool array = kv->type == TEMPO_GGUF_ARRAY;
    tempo_status st = array ? read_array_head(r, &kv->elem, &kv->count) : TEMPO_OK;

    if (st != TEMPO_OK)
        return st;
    kv->at = r->pos;
    st = array ? skip_elements(r, kv->elem, kv->count, 1) : skip_values(r, kv->type, 1);
    kv->bytes = r->pos - kv->at;
    return st;
}

static tempo_status read_kv(tempo_reader *r, tempo_gguf_kv *kv)
{
    const uint64_t at = r->pos;
    tempo_status st;

    *kv = (tempo_gguf_kv){.count = 1};
    if ((st = tempo_rd_str(r, "a metadata key's length", MAX_KEY, &kv->key)) != TEMPO_OK)
        return st;
    if (kv->key.n == 0)
        return tempo_fail(r->err, TEMPO_E_FORMAT, at, "a metadata key is empty");
    if (tempo_utf8_valid(kv->key.p, kv->key.n) != kv->key.n)
        return tempo_fail(r->err, TEMPO_E_FORMAT, at + 8, "a metadata key is not UTF-8");
    if ((st = read_type(r, "the value's type", &kv->type)) == TEMPO_OK)
        st = read_value(r, kv);
    if (st != TEMPO_OK)
        tempo_err_prefix(r->err, "metadata key '%.*s'", NAME(kv->key));
    return st;
}

/* Bytes of the tensor from its type and dimensions. */
static tempo_status size_tensor(tempo_reader *r, tempo_gguf_tensor *t, uint64_t dims_at)
{
    uint64_t rows = 1, n = t->dims[0], row_bytes;

    t->type = tempo_dtype_from_ggml(t->ggml_type);
    for (uint32_t i = 1; i < 4; i++)
        if (__builtin_mul_overflow(rows, t->dims[i], &rows))
            return tempo_fail(r->err, TEMPO_E_FORMAT, dims_at + 8 * i,
                              "the product of its dimensions is above 2^64");
    /* The number of elements is bounded for every type, so that later sums cannot overflow. */
    if (__builtin_mul_overflow(rows, n, &n) || n > INT64_MAX)
        return tempo_fail(r->err, TEMPO_E_FORMAT, dims_at, "the product of its dimensions is above 2^63");
    if (t->type == TEMPO_DTYPE_COUNT)
        return TEMPO_OK;
    const tempo_dtype_info *d = tempo_dtype_get(t->type);
    if (t->dims[0] % d->block_len != 0)
        return tempo_fail(r->err, TEMPO_E_FORMAT, dims_at,
                          "a row of %" PRIu64 " elements is not a multiple of the %" PRIu32
                          " in a block of %s",
                          t->dims[0], d->block_len, d->name);
    if (__builtin_mul_overflow(t->dims[0] / d->block_len, (uint64_t)d->block_bytes, &row_bytes) ||
        __builtin_mul_overflow(row_bytes, rows, &t->bytes))
        return tempo_fail(r->err, TEMPO_E_FORMAT, dims_at, "its size in bytes is above 2^64");
    return TEMPO_OK;
}

static tempo_status read_tensor_fields(tempo_reader *r, tempo_gguf_tensor *t)
{
    uint64_t at = r->pos;
    tempo_status st;

    if ((st = tempo_rd_u32(r, "the number of dimensions", &t->n_dims)) != TEMPO_OK)
        return st;
    if (t->n_dims > 4)
        return tempo_fail(r->err, TEMPO_E_FORMAT, at, "it has %" PRIu32 " dimensions, expected 0 to 4",
                          t->n_dims);
    at = r->pos;
    for (uint32_t i = 0; i < t->n_dims; i++)
        if ((st = tempo_rd_u64(r, "a dimension", &t->dims[i])) != TEMPO_OK)
            return st;
    if ((st = tempo_rd_u32(r, "its type", &t->ggml_type)) != TEMPO_OK)
        return st;
    if ((st = tempo_rd_u64(r, "its offset", &t->offset)) != TEMPO_OK)
        return st;
    return size_tensor(r, t, at);
}

/* t->offset is still relative to the data, whose place is known after the last entry. */
static tempo_status read_tensor(tempo_reader *r, tempo_gguf_tensor *t)
{
    tempo_status st;

    *t = (tempo_gguf_tensor){.dims = {1, 1, 1, 1}, .info_at = r->pos};
    if ((st = tempo_rd_str(r, "a tensor name's length", MAX_NAME, &t->name)) != TEMPO_OK)
        return st;
    if (t->name.n == 0)
        return tempo_fail(r->err, TEMPO_E_FORMAT, t->info_at, "a tensor's name is empty");
    if (tempo_utf8_valid(t->name.p, t->name.n) != t->name.n || memchr(t->name.p, 0, t->name.n) != NULL)
        return tempo_fail(r->err, TEMPO_E_FORMAT, t->info_at + 8, "a tensor's name is not UTF-8 text");
    if ((st = read_tensor_fields(r, t)) != TEMPO_OK)
        tempo_err_prefix(r->err, "tensor '%.*s'", NAME(t->name));
    return st;
}

/* ---- the tables and their orders ---- */

static int compare_str(tempo_str a, tempo_str b)
{
    const int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

typedef struct ref { /* what the tables are sorted by */
    tempo_str name;
    uint64_t offset, end, info_at;
    uint32_t index;
} ref;

static int by_name(const void *pa, const void *pb)
{
    const ref *a = pa, *b = pb;
    const int c = compare_str(a->name, b->name);

    return c != 0 ? c : (a->index > b->index) - (a->index < b->index);
}

static int by_offset(const void *pa, const void *pb)
{
    const ref *a = pa, *b = pb;

    return a->offset != b->offset ? (a->offset > b->offset) - (a->offset < b->offset)
                                  : (a->index > b->index) - (a->index < b->index);
}

/* Sort refs[n] by name into index[n]; two of one name are an error at the later one. */
static tempo_status index_names(const char *what, ref *refs, size_t n, uint32_t *index, tempo_err *err)
{
    qsort(refs, n, sizeof(*refs), by_name);
    for (size_t i = 0; i < n; i++) {
        index[i] = refs[i].index;
        if (i > 0 && compare_str(refs[i - 1].name, refs[i].name) == 0)
            return tempo_fail(err, TEMPO_E_FORMAT, refs[i].info_at,
                              "%s '%.*s' appears twice, first at offset %" PRIu64, what, NAME(refs[i].name),
                              refs[i - 1].info_at);
    }
    return TEMPO_OK;
}

static tempo_status index_metadata(tempo_gguf *g, ref *refs, tempo_err *err)
{
    for (size_t i = 0; i < g->n_kv; i++)
        refs[i] = (ref){.name = g->kv[i].key,
                        .info_at = (uint64_t)((const unsigned char *)g->kv[i].key.p - g->base) - 8,
                        .index = (uint32_t)i};
    return index_names("metadata key", refs, g->n_kv, g->kv_index, err);
}

static tempo_status check_overlap(ref *refs, size_t n, tempo_err *err)
{
    qsort(refs, n, sizeof(*refs), by_offset);
    for (size_t i = 1; i < n; i++)
        if (refs[i].offset < refs[i - 1].end)
            return tempo_fail(err, TEMPO_E_FORMAT, refs[i].info_at,
                              "tensor '%.*s' at offset %" PRIu64 " overlaps '%.*s', which ends at %" PRIu64,
                              NAME(refs[i].name), refs[i].offset, NAME(refs[i - 1].name), refs[i - 1].end);
    return TEMPO_OK;
}

static tempo_status index_tensors(tempo_gguf *g, ref *refs, tempo_err *err)
{
    tempo_status st;

    for (size_t i = 0; i < g->n_tensors; i++) {
        const tempo_gguf_tensor *t = &g->tensors[i];
        refs[i] = (ref){t->name, t->offset, t->offset + t->bytes, t->info_at, (uint32_t)i};
    }
    if ((st = index_names("tensor", refs, g->n_tensors, g->tensor_index, err)) != TEMPO_OK)
        return st;
    return check_overlap(refs, g->n_tensors, err);
}

/* Turn the relative offset into a checked absolute one. */
static tempo_status place_tensor(const tempo_gguf *g, tempo_gguf_tensor *t, tempo_err *err)
{
    uint64_t at, end;

    if (t->offset % g->alignment != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, t->info_at,
                          "tensor '%.*s': offset %" PRIu64 " is not a multiple of the alignment %" PRIu64,
                          NAME(t->name), t->offset, g->alignment);
    if (__builtin_add_overflow(g->data_at, t->offset, &at) || __builtin_add_overflow(at, t->bytes, &end) ||
        end > g->size)
        return tempo_fail(err, TEMPO_E_FORMAT, t->info_at,
                          "tensor '%.*s': offset %" PRIu64 " + %" PRIu64 " bytes is past the end (%" PRIu64
                          " bytes of tensor data)",
                          NAME(t->name), t->offset, t->bytes,
                          g->size > g->data_at ? g->size - g->data_at : 0);
    t->offset = at;
    return TEMPO_OK;
}

/* ---- the file from its beginning ---- */

static tempo_status read_header(tempo_gguf *g, tempo_reader *r, uint64_t *n_tensors, uint64_t *n_kv)
{
    tempo_status st;
    uint32_t magic;

    if ((st = tempo_rd_u32(r, "the magic number", &magic)) != TEMPO_OK)
        return st;
    if (magic != 0x46554747u) /* "GGUF" */
        return tempo_fail(r->err, TEMPO_E_FORMAT, 0,
                          "this is not a GGUF file: it does not begin with 'GGUF'");
    if ((st = tempo_rd_u32(r, "the version", &g->version)) != TEMPO_OK)
        return st;
    if (g->version == 0x02000000u || g->version == 0x03000000u)
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, 4, "big-endian GGUF files are not supported");
    if (g->version != 2 && g->version != 3)
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, 4,
                          "GGUF version %" PRIu32 " is not supported, only 2 and 3", g->version);
    if ((st = tempo_rd_u64(r, "the number of tensors", n_tensors)) != TEMPO_OK)
        return st;
    if ((st = tempo_rd_u64(r, "the number of metadata keys", n_kv)) != TEMPO_OK)
        return st;
    const uint64_t left = r->size - r->pos;
    if (*n_tensors > left / MIN_TENSOR_BYTES || *n_tensors > UINT32_MAX)
        return tempo_fail(r->err, TEMPO_E_FORMAT, 8,
                          "%" PRIu64 " tensors cannot be in a file of %" PRIu64 " bytes", *n_tensors,
                          r->size);
    if (*n_kv > left / MIN_KV_BYTES || *n_kv > UINT32_MAX)
        return tempo_fail(r->err, TEMPO_E_FORMAT, 16,
                          "%" PRIu64 " metadata keys cannot be in a file of %" PRIu64 " bytes", *n_kv,
                          r->size);
    return TEMPO_OK;
}

/* Make room for one more of n entries, doubling: the table follows what was read, not what was promised. */
static bool grow(void **table, size_t n, size_t *cap, size_t elem)
{
    if (n < *cap)
        return true;
    const size_t want = *cap == 0 ? 16 : *cap * 2;
    void *p = realloc(*table, want * elem);
    if (p == NULL)
        return false;
    *table = p;
    *cap = want;
    return true;
}

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the tables of a GGUF file");
}

static tempo_status read_metadata(tempo_gguf *g, tempo_reader *r, uint64_t n)
{
    size_t cap = 0;
    tempo_status st;
    void *table = NULL;

    for (; g->n_kv < n; g->n_kv++) {
        const bool ok = grow(&table, g->n_kv, &cap, sizeof(*g->kv));
        g->kv = table;
        if (!ok)
            return out_of_memory(r->err);
        if ((st = read_kv(r, &g->kv[g->n_kv])) != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static tempo_status read_tensors(tempo_gguf *g, tempo_reader *r, uint64_t n)
{
    size_t cap = 0;
    tempo_status st;
    void *table = NULL;

    for (; g->n_tensors < n; g->n_tensors++) {
        const bool ok = grow(&table, g->n_tensors, &cap, sizeof(*g->tensors));
        g->tensors = table;
        if (!ok)
            return out_of_memory(r->err);
        if ((st = read_tensor(r, &g->tensors[g->n_tensors])) != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static tempo_status read_alignment(tempo_gguf *g, tempo_err *err)
{
    tempo_status st;

    g->alignment = DEFAULT_ALIGNMENT;
    st = tempo_gguf_u64(g, "general.alignment", UINT32_MAX, &g->alignment, err);
    if (st == TEMPO_E_NOTFOUND)
        return TEMPO_OK;
    if (st == TEMPO_OK && (g->alignment == 0 || (g->alignment & (g->alignment - 1)) != 0))
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_gguf_find(g, "general.alignment")->at,
                          "general.alignment is %" PRIu64 ", expected a power of two", g->alignment);
    return st;
}

static tempo_status place_tensors(tempo_gguf *g, uint64_t table_end, tempo_err *err)
{
    tempo_status st;

    /* alignment <= 2^31, table_end <= file size: no overflow for any file that exists */
    if (__builtin_add_overflow(table_end, g->alignment - 1, &g->data_at))
        return tempo_fail(err, TEMPO_E_FORMAT, table_end, "the tensor data begins past 2^64");
    g->data_at &= ~(g->alignment - 1);
    for (size_t i = 0; i < g->n_tensors; i++)
        if ((st = place_tensor(g, &g->tensors[i], err)) != TEMPO_OK)
            return st;
    return TEMPO_OK;
}

static tempo_status parse(tempo_gguf *g, tempo_err *err)
{
    tempo_reader r = {.base = g->base, .size = g->size, .err = err};
    uint64_t n_tensors, n_kv;
    ref *refs = NULL;
    tempo_status st;

    if ((st = read_header(g, &r, &n_tensors, &n_kv)) != TEMPO_OK ||
        (st = read_metadata(g, &r, n_kv)) != TEMPO_OK || (st = read_tensors(g, &r, n_tensors)) != TEMPO_OK)
        goto out;
    refs = malloc(((g->n_kv > g->n_tensors ? g->n_kv : g->n_tensors) + 1) * sizeof(*refs));
    g->kv_index = malloc((g->n_kv + 1) * sizeof(*g->kv_index));
    g->tensor_index = malloc((g->n_tensors + 1) * sizeof(*g->tensor_index));
    if (refs == NULL || g->kv_index == NULL || g->tensor_index == NULL) {
        st = out_of_memory(err);
        goto out;
    }
    if ((st = index_metadata(g, refs, err)) != TEMPO_OK || (st = read_alignment(g, err)) != TEMPO_OK ||
        (st = place_tensors(g, r.pos, err)) != TEMPO_OK)
        goto out;
    st = index_tensors(g, refs, err);
out:
    free(refs);
    return st;
}

tempo_status tempo_gguf_parse(tempo_gguf *out, const unsigned char *base, uint64_t size, tempo_err *err)
{
    *out = (tempo_gguf){.base = base, .size = size};
    tempo_status st = parse(out, err);
    if (st != TEMPO_OK)
        tempo_gguf_free(out);
    return st;
}

tempo_status tempo_gguf_open(tempo_gguf *out, const char *path, tempo_err *err)
{
    tempo_map map;
    tempo_status st;

    *out = (tempo_gguf){0};
    if ((st = tempo_map_open(&map, path, err)) != TEMPO_OK)
        return st;
    return tempo_map_keep(&map, tempo_gguf_parse(out, map.p, map.n, err), path, &out->map, err);
}

void tempo_gguf_free(tempo_gguf *g)
{
    free(g->kv);
    free(g->tensors);
    free(g->kv_index);
    free(g->tensor_index);
    tempo_map_close(&g->map);
    *g = (tempo_gguf){0};
}

/* ---- finding ---- */

/* Both tables' entries begin with their name: entry `name` of table[n], by its sorted index; or NULL. */
static const void *find(const void *table, size_t elem, const uint32_t *index, size_t n, const char *name)
{
    const tempo_str want = {name, strlen(name)};
    size_t low = 0, high = n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const unsigned char *entry = (const unsigned char *)table + index[mid] * elem;
        tempo_str s;
        memcpy(&s, entry, sizeof(s));
        const int c = compare_str(want, s);
        if (c == 0)
            return entry;
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

_Static_assert(offsetof(tempo_gguf_kv, key) == 0 && offsetof(tempo_gguf_tensor, name) == 0,
               "find() needs it");

const tempo_gguf_kv *tempo_gguf_find(const tempo_gguf *g, const char *key)
{
    return find(g->kv, sizeof(*g->kv), g->kv_index, g->n_kv, key);
}

const tempo_gguf_tensor *tempo_gguf_find_tensor(const tempo_gguf *g, const char *name)
{
    return find(g->tensors, sizeof(*g->tensors), g->tensor_index, g->n_tensors, name);
}

size_t tempo_gguf_part_name(const char *path, unsigned *no, unsigned *count)
{
    static const char form[] = "-00000-of-00000.gguf"; /* 0: any digit */
    const size_t n = strlen(path), tail = sizeof(form) - 1;

    *no = *count = 0;
    if (n <= tail)
        return 0;
    for (size_t i = 0; i < tail; i++) {
        const char c = path[n - tail + i];
        if (form[i] == '0' ? c < '0' || c > '9' : c != form[i])
            return 0;
    }
    *no = (unsigned)strtoul(path + n - tail + 1, NULL, 10);
    *count = (unsigned)strtoul(path + n - tail + 10, NULL, 10);
    return n - tail;
}
