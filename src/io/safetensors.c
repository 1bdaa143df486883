/* safetensors.c - parsing safetensors containers. */
#include "io/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/reader.h"

enum { HEADER_AT = 8, MAX_NAME_SHOWN = 64 };

static const struct {
    char name[12];
    uint8_t bits;
} element_types[] = {
    {"F64", 64},    {"F32", 32},    {"F16", 16},    {"BF16", 16},   {"I64", 64},        {"I32", 32},
    {"I16", 16},    {"I8", 8},      {"U64", 64},    {"U32", 32},    {"U16", 16},        {"U8", 8},
    {"BOOL", 8},    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},      {"C64", 64},
};

/* Parsing state: the container under construction and its header's text, for offsets in messages. */
typedef struct parser {
    tempo_safetensors *s;
    const char *header; /* [n] */
    uint64_t n;
    tempo_err *err;
} parser;

/* File offset of a tensor's entry: where its quoted name stands before a colon.  A name that the
 * file spells with escapes is not found; then it is the header's.  */
static uint64_t entry_offset(const parser *p, const char *name)
{
    const size_t len = strlen(name);
    const char *at = p->header, *end = p->header + p->n;

    while ((at = memmem(at, (size_t)(end - at), name, len)) != NULL) {
        const char *q = at + len;
        if (at > p->header && at[-1] == '"' && q < end && *q == '"') {
            for (q++; q < end && strchr(" \t\r\n", *q) != NULL && *q != '\0';)
                q++;
            if (q < end && *q == ':')
                return HEADER_AT + (uint64_t)(at - 1 - p->header);
        }
        at++;
    }
    return HEADER_AT;
}

/* A failure in the entry of tensor t. */
#define FAIL(p, t, code, ...)                                                                                \
    fail_entry(p, (t)->name, tempo_fail((p)->err, code, entry_offset(p, (t)->name), __VA_ARGS__))

static tempo_status fail_entry(const parser *p, const char *name, tempo_status st)
{
    tempo_err_prefix(p->err, "tensor \"%.*s\"", MAX_NAME_SHOWN, name);
    return st;
}

static tempo_status read_dtype(const parser *p, tempo_safetensor *t, const json_t *entry, uint64_t *elem_bits)
{
    const char *name = json_string_value(json_object_get(entry, "dtype"));

    if (name == NULL)
        return FAIL(p, t, TEMPO_E_FORMAT, "it has no \"dtype\" string");
    for (size_t i = 0; i < sizeof(element_types) / sizeof(*element_types); i++) {
        if (strcmp(element_types[i].name, name) != 0)
            continue;
        t->dtype = element_types[i].name;
        t->type = tempo_dtype_from_name(name, strlen(name));
        *elem_bits = element_types[i].bits;
        return TEMPO_OK;
    }
    return FAIL(p, t, TEMPO_E_UNSUPPORTED, "element type \"%.32s\" is not supported", name);
}

/* A non-negative integer of an array, or UINT64_MAX: no such size can be in a file. */
static uint64_t array_u64(const json_t *array, size_t i)
{
    const json_t *v = json_array_get(array, i);

    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : UINT64_MAX;
}

static tempo_status read_shape(const parser *p, tempo_safetensor *t, const json_t *entry, uint64_t *count)
{
    const json_t *shape = json_object_get(entry, "shape");

    if (!json_is_array(shape))
        return FAIL(p, t, TEMPO_E_FORMAT, "it has no \"shape\" array");
    if (json_array_size(shape) > TEMPO_SAFETENSORS_MAX_DIMS)
        return FAIL(p, t, TEMPO_E_LIMIT, "it has %zu dimensions, the limit is %d", json_array_size(shape),
                    TEMPO_SAFETENSORS_MAX_DIMS);
    t->n_dims = (uint32_t)json_array_size(shape);
    *count = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        t->dims[i] = array_u64(shape, i);
        if (t->dims[i] == UINT64_MAX)
            return FAIL(p, t, TEMPO_E_FORMAT, "dimension %" PRIu32 " is not a non-negative integer", i);
        if (__builtin_mul_overflow(*count, t->dims[i], count))
            return FAIL(p, t, TEMPO_E_FORMAT, "the product of its dimensions is above 2^64");
    }
    return TEMPO_OK;
}

/* data_at: file offset of the data, after the header. */
static tempo_status read_offsets(const parser *p, tempo_safetensor *t, const json_t *entry, uint64_t want,
                                 uint64_t data_at)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const uint64_t data = p->s->size - data_at, begin = array_u64(offsets, 0), end = array_u64(offsets, 1);

    if (json_array_size(offsets) != 2 || begin == UINT64_MAX || end == UINT64_MAX || begin > end)
        return FAIL(p, t, TEMPO_E_FORMAT, "\"data_offsets\" is not [begin, end] with begin <= end");
    if (end > data)
        return FAIL(p, t, TEMPO_E_FORMAT,
                    "its data ends at %" PRIu64 ", past the end (%" PRIu64 " bytes of data)", end, data);
    if (end - begin != want)
        return FAIL(p, t, TEMPO_E_FORMAT,
                    "\"data_offsets\" hold %" PRIu64 " bytes, its type and shape need %" PRIu64, end - begin,
                    want);
    t->offset = data_at + begin;
    t->bytes = want;
    return TEMPO_OK;
}

static tempo_status read_entry(const parser *p, tempo_safetensor *t, const json_t *entry, uint64_t data_at)
{
    uint64_t elem_bits = 0, count = 0, bits;
    tempo_status st;

    if (!json_is_object(entry))
        return FAIL(p, t, TEMPO_E_FORMAT, "its entry is not an object");
    if ((st = read_dtype(p, t, entry, &elem_bits)) != TEMPO_OK)
        return st;
    if ((st = read_shape(p, t, entry, &count)) != TEMPO_OK)
        return st;
    if (__builtin_mul_overflow(count, elem_bits, &bits))
        return FAIL(p, t, TEMPO_E_FORMAT, "its size in bits is above 2^64");
    if (bits % 8 != 0)
        return FAIL(p, t, TEMPO_E_FORMAT, "its elements do not fill whole bytes");
    return read_offsets(p, t, entry, bits / 8, data_at);
}

/* ---- the whole ---- */

static bool is_metadata(const char *key)
{
    return strcmp(key, "__metadata__") == 0;
}

/* Room for the tensors of root and the text of their names. */
static tempo_status allocate(tempo_safetensors *s, json_t *root, tempo_err *err)
{
    size_t n = 0, text = 0;
    const char *key;
    json_t *entry;

    json_object_foreach(root, key, entry)
    {
        if (!is_metadata(key)) {
            n++;
            text += strlen(key) + 1;
        }
    }
    s->tensors = calloc(n + 1, sizeof(*s->tensors));
    s->names = malloc(text + 1);
    if (s->tensors == NULL || s->names == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the table of %zu tensors",
                          n);
    return TEMPO_OK;
}

static tempo_status read_entries(const parser *p, json_t *root, uint64_t data_at)
{
    char *text = p->s->names;
    const char *key;
    json_t *entry;
    tempo_status st;

    json_object_foreach(root, key, entry)
    {
        if (is_metadata(key))
            continue;
        tempo_safetensor *t = &p->s->tensors[p->s->n_tensors];
        const size_t len = strlen(key) + 1;
        t->name = memcpy(text, key, len);
        text += len;
        if ((st = read_entry(p, t, entry, data_at)) != TEMPO_OK)
            return st;
        p->s->n_tensors++;
    }
    return TEMPO_OK;
}

static int by_offset(const void *pa, const void *pb)
{
    const tempo_safetensor *a = pa, *b = pb;

    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int by_name(const void *pa, const void *pb)
{
    const tempo_safetensor *a = pa, *b = pb;

    return strcmp(a->name, b->name);
}

/* In the order of their offsets, the tensors must cover the data without overlap or hole. */
static tempo_status check_cover(const parser *p, uint64_t data_at)
{
    tempo_safetensors *s = p->s;
    uint64_t at = data_at;

    qsort(s->tensors, s->n_tensors, sizeof(*s->tensors), by_offset);
    for (size_t i = 0; i < s->n_tensors; i++) {
        const tempo_safetensor *t = &s->tensors[i];
        if (t->offset != at)
            return FAIL(p, t, TEMPO_E_FORMAT,
                        "its data begins at %" PRIu64 ", %s the tensor before it, which ends at %" PRIu64,
                        t->offset - data_at, t->offset < at ? "overlapping" : "leaving a hole after",
                        at - data_at);
        at += t->bytes;
    }
    if (at != s->size)
        return tempo_fail(p->err, TEMPO_E_FORMAT, at,
                          "%" PRIu64 " bytes after the last tensor belong to none", s->size - at);
    return TEMPO_OK;
}

static tempo_status parse(tempo_safetensors *s, tempo_err *err)
{
    tempo_reader r = {.base = s->base, .size = s->size, .err = err};
    parser p = {.s = s, .err = err};
    json_t *root = NULL;
    tempo_status st;

    if ((st = tempo_rd_u64(&r, "the header's length", &p.n)) != TEMPO_OK)
        goto out;
    if (p.n > TEMPO_SAFETENSORS_MAX_HEADER) {
        st = tempo_fail(err, TEMPO_E_LIMIT, 0, "the header is %" PRIu64 " bytes long, the limit is %d", p.n,
                        TEMPO_SAFETENSORS_MAX_HEADER);
        goto out;
    }
    if ((st = tempo_rd_skip(&r, "the header", p.n)) != TEMPO_OK)
        goto out;
    p.header = (const char *)s->base + HEADER_AT;
    if ((st = tempo_json_parse(&root, p.header, p.n, err)) != TEMPO_OK) {
        if (err != NULL && err->offset != TEMPO_NO_OFFSET)
            err->offset += HEADER_AT;
        tempo_err_prefix(err, "the header");
        goto out;
    }
    if (!json_is_object(root)) {
        st = tempo_fail(err, TEMPO_E_FORMAT, HEADER_AT, "the header is not a JSON object");
        goto out;
    }
    if ((st = allocate(s, root, err)) != TEMPO_OK || (st = read_entries(&p, root, r.pos)) != TEMPO_OK ||
        (st = check_cover(&p, r.pos)) != TEMPO_OK)
        goto out;
    qsort(s->tensors, s->n_tensors, sizeof(*s->tensors), by_name);
    s->metadata = json_incref(json_object_get(root, "__metadata__"));
out:
    json_decref(root);
    return st;
}

tempo_status tempo_safetensors_parse(tempo_safetensors *out, const unsigned char *base, uint64_t size,
                                     tempo_err *err)
{
    *out = (tempo_safetensors){.base = base, .size = size};
    tempo_status st = parse(out, err);
    if (st != TEMPO_OK)
        tempo_safetensors_free(out);
    return st;
}

tempo_status tempo_safetensors_open(tempo_safetensors *out, const char *path, tempo_err *err)
{
    tempo_map map;
    tempo_status st;

    *out = (tempo_safetensors){0};
    if ((st = tempo_map_open(&map, path, err)) != TEMPO_OK)
        return st;
    return tempo_map_keep(&map, tempo_safetensors_parse(out, map.p, map.n, err), path, &out->map, err);
}

void tempo_safetensors_free(tempo_safetensors *s)
{
    free(s->tensors);
    free(s->names);
    json_decref(s->metadata);
    tempo_map_close(&s->map);
    *s = (tempo_safetensors){0};
}

const tempo_safetensor *tempo_safetensors_find(const tempo_safetensors *s, const char *name)
{
    const tempo_safetensor want = {.name = name};

    if (s->n_tensors == 0)
        return NULL;
    return bsearch(&want, s->tensors, s->n_tensors, sizeof(*s->tensors), by_name);
}
