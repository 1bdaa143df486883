/* gguf_value.c - typed access to the metadata of a parsed GGUF file.  The parser has checked that every
 * value lies in the file. */
#include "base/half.h"
#include "io/gguf.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const type_names[TEMPO_GGUF_TYPE_COUNT] = {
    [TEMPO_GGUF_U8] = "uint8",    [TEMPO_GGUF_I8] = "int8",    [TEMPO_GGUF_U16] = "uint16",
    [TEMPO_GGUF_I16] = "int16",   [TEMPO_GGUF_U32] = "uint32", [TEMPO_GGUF_I32] = "int32",
    [TEMPO_GGUF_F32] = "float32", [TEMPO_GGUF_BOOL] = "bool",  [TEMPO_GGUF_STRING] = "string",
    [TEMPO_GGUF_ARRAY] = "array", [TEMPO_GGUF_U64] = "uint64", [TEMPO_GGUF_I64] = "int64",
    [TEMPO_GGUF_F64] = "float64",
};

static uint64_t le(const unsigned char *p, unsigned n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static bool is_integer(tempo_gguf_type type)
{
    return type <= TEMPO_GGUF_I32 || type == TEMPO_GGUF_U64 || type == TEMPO_GGUF_I64;
}

/* An integer or boolean at p, widened; above INT64_MAX it wraps to a negative. */
static int64_t integer_at(const unsigned char *p, tempo_gguf_type type)
{
    switch (type) {
    case TEMPO_GGUF_I8:
        return (int8_t)le(p, 1);
    case TEMPO_GGUF_I16:
        return (int16_t)le(p, 2);
    case TEMPO_GGUF_I32:
        return (int32_t)le(p, 4);
    case TEMPO_GGUF_U16:
        return (int64_t)le(p, 2);
    case TEMPO_GGUF_U32:
        return (int64_t)le(p, 4);
    case TEMPO_GGUF_U64:
    case TEMPO_GGUF_I64:
        return (int64_t)le(p, 8);
    default:
        return p[0];
    }
}

static double float_at(const unsigned char *p, tempo_gguf_type type)
{
    if (type == TEMPO_GGUF_F32)
        return (double)tempo_bits_to_float((uint32_t)le(p, 4));
    const uint64_t bits = le(p, 8);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

static double number_at(const unsigned char *p, tempo_gguf_type type)
{
    if (!is_integer(type))
        return float_at(p, type);
    return type == TEMPO_GGUF_U64 ? (double)le(p, 8) : (double)integer_at(p, type);
}

/* "key is of type array of int8, expected array of string": expected is `head` and `type`. */
static tempo_status wrong_type(const tempo_gguf_kv *kv, const char *head, const char *type, tempo_err *err)
{
    const bool array = kv->type == TEMPO_GGUF_ARRAY;

    return tempo_fail(err, TEMPO_E_FORMAT, kv->at, "%.*s is of type %s%s, expected %s%s", (int)kv->key.n,
                      kv->key.p, array ? "array of " : "", type_names[array ? kv->elem : kv->type], head,
                      type);
}

tempo_status tempo_gguf_u64(const tempo_gguf *g, const char *key, uint64_t max, uint64_t *out, tempo_err *err)
{
    const tempo_gguf_kv *kv = tempo_gguf_find(g, key);

    if (kv == NULL)
        return TEMPO_E_NOTFOUND;
    if (!is_integer(kv->type))
        return wrong_type(kv, "an ", "integer", err);
    const int64_t v = integer_at(g->base + kv->at, kv->type);
    if (v < 0 && kv->type != TEMPO_GGUF_U64)
        return tempo_fail(err, TEMPO_E_FORMAT, kv->at, "%s is %" PRId64 ", expected 0 to %" PRIu64, key, v,
                          max);
    if ((uint64_t)v > max)
        return tempo_fail(err, TEMPO_E_FORMAT, kv->at, "%s is %" PRIu64 ", expected 0 to %" PRIu64, key,
                          (uint64_t)v, max);
    *out = (uint64_t)v;
    return TEMPO_OK;
}

tempo_status tempo_gguf_f64(const tempo_gguf *g, const char *key, double *out, tempo_err *err)
{
    const tempo_gguf_kv *kv = tempo_gguf_find(g, key);

    if (kv == NULL)
        return TEMPO_E_NOTFOUND;
    if (kv->type != TEMPO_GGUF_F32 && kv->type != TEMPO_GGUF_F64 && !is_integer(kv->type))
        return wrong_type(kv, "a ", "number", err);
    const double v = number_at(g->base + kv->at, kv->type);
    if (!isfinite(v))
        return tempo_fail(err, TEMPO_E_FORMAT, kv->at, "%s is %g, expected a finite number", key, v);
    *out = v;
    return TEMPO_OK;
}

tempo_status tempo_gguf_bool(const tempo_gguf *g, const char *key, bool *out, tempo_err *err)
{
    const tempo_gguf_kv *kv = tempo_gguf_find(g, key);

    if (kv == NULL)
        return TEMPO_E_NOTFOUND;
    if (kv->type != TEMPO_GGUF_BOOL)
        return wrong_type(kv, "a ", "bool", err);
    if (g->base[kv->at] > 1)
        return tempo_fail(err, TEMPO_E_FORMAT, kv->at, "%s is %u, expected 0 or 1", key, g->base[kv->at]);
    *out = g->base[kv->at] != 0;
    return TEMPO_OK;
}

tempo_status tempo_gguf_str(const tempo_gguf *g, const char *key, tempo_str *out, tempo_err *err)
{
    const tempo_gguf_kv *kv = tempo_gguf_find(g, key);

    if (kv == NULL)
        return TEMPO_E_NOTFOUND;
    if (kv->type != TEMPO_GGUF_STRING)
        return wrong_type(kv, "a ", "string", err);
    const unsigned char *p = g->base + kv->at;
    *out = (tempo_str){(const char *)p + 8, le(p, 8)};
    return TEMPO_OK;
}

tempo_status tempo_gguf_array(const tempo_gguf *g, const char *key, tempo_gguf_type elem,
                              const tempo_gguf_kv **out, tempo_err *err)
{
    const tempo_gguf_kv *kv = tempo_gguf_find(g, key);

    if (kv == NULL)
        return TEMPO_E_NOTFOUND;
    const bool fits = kv->type == TEMPO_GGUF_ARRAY &&
                      (kv->elem == elem || (elem == TEMPO_GGUF_I32 && is_integer(kv->elem)) ||
                       (elem == TEMPO_GGUF_F32 && kv->elem == TEMPO_GGUF_F64));
    if (!fits)
        return wrong_type(kv, "array of ", type_names[elem], err);
    *out = kv;
    return TEMPO_OK;
}

int64_t tempo_gguf_array_int(const tempo_gguf *g, const tempo_gguf_kv *a, uint64_t i)
{
    assert(i < a->count);
    return integer_at(g->base + a->at + i * (a->bytes / a->count), a->elem);
}

double tempo_gguf_array_float(const tempo_gguf *g, const tempo_gguf_kv *a, uint64_t i)
{
    assert(i < a->count);
    return float_at(g->base + a->at + i * (a->bytes / a->count), a->elem);
}

tempo_str tempo_gguf_array_next_str(const tempo_gguf *g, const tempo_gguf_kv *a, uint64_t *cursor)
{
    assert(*cursor < a->bytes);
    const unsigned char *p = g->base + a->at + *cursor;
    const uint64_t n = le(p, 8);

    *cursor += 8 + n;
    return (tempo_str){(const char *)p + 8, n};
}
