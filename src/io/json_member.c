/* json_member.c - typed members of JSON objects: with errors that name the key (json.h), and without
 * (json_at.h). */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/json_at.h"

/* The member, or NULL if it is missing or null. */
static const json_t *member(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_null(v) ? NULL : v;
}

const char *tempo_json_type_name(const json_t *v)
{
    double x;

    if (tempo_json_not_finite(v, &x))
        return isnan(x) ? "NaN" : x > 0 ? "infinite" : "-infinite";
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a real number";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

static tempo_status wrong_type(const json_t *v, const char *key, const char *expected, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"%s\" is %s, expected %s", key,
                      tempo_json_type_name(v), expected);
}

/* A whole number that is written as a real one, or has more than 64 bits. */
static tempo_status whole_real(const json_t *v, const char *key, uint64_t max, uint64_t *out, tempo_err *err)
{
    double x;

    if (tempo_json_not_finite(v, &x) || !json_is_real(v))
        return wrong_type(v, key, "an integer", err);
    x = json_real_value(v);
    if (x != floor(x))
        return wrong_type(v, key, "an integer", err);
    if (!(x >= 0 && x < 0x1p64) || (uint64_t)x > max)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"%s\" is %.17g, expected 0 to %" PRIu64,
                          key, x, max);
    *out = (uint64_t)x;
    return TEMPO_OK;
}

tempo_status tempo_json_u64(const json_t *obj, const char *key, uint64_t max, uint64_t *out, tempo_err *err)
{
    const json_t *v = member(obj, key);

    if (v == NULL)
        return TEMPO_E_NOTFOUND;
    if (!json_is_integer(v))
        return whole_real(v, key, max, out, err);
    const json_int_t i = json_integer_value(v);
    if (i < 0 || (uint64_t)i > max)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "\"%s\" is %" JSON_INTEGER_FORMAT ", expected 0 to %" PRIu64, key, i, max);
    *out = (uint64_t)i;
    return TEMPO_OK;
}

tempo_status tempo_json_f64(const json_t *obj, const char *key, double *out, tempo_err *err)
{
    const json_t *v = member(obj, key);
    double x;

    if (v == NULL)
        return TEMPO_E_NOTFOUND;
    if (!tempo_json_not_finite(v, &x)) {
        if (!json_is_number(v))
            return wrong_type(v, key, "a number", err);
        x = json_number_value(v);
    }
    *out = x;
    return TEMPO_OK;
}

tempo_status tempo_json_bool(const json_t *obj, const char *key, bool *out, tempo_err *err)
{
    const json_t *v = member(obj, key);

    if (v == NULL)
        return TEMPO_E_NOTFOUND;
    if (!json_is_boolean(v))
        return wrong_type(v, key, "true or false", err);
    *out = json_is_true(v);
    return TEMPO_OK;
}

tempo_status tempo_json_str(const json_t *obj, const char *key, const char **out, tempo_err *err)
{
    const json_t *v = member(obj, key);

    if (v == NULL)
        return TEMPO_E_NOTFOUND;
    if (!json_is_string(v) || tempo_json_not_finite(v, NULL))
        return wrong_type(v, key, "a string", err);
    *out = json_string_value(v);
    return TEMPO_OK;
}

/* ---- json_at.h ---- */

double tempo_json_value(const json_t *v)
{
    const char *s = json_string_value(v);

    if (s != NULL && (strcmp(s, "Infinity") == 0 || strcmp(s, "-Infinity") == 0))
        return s[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

double tempo_number_at(const json_t *o, const char *key)
{
    return tempo_json_value(json_object_get(o, key));
}

size_t tempo_size_at(const json_t *o, const char *key)
{
    return (size_t)json_integer_value(json_object_get(o, key));
}

long long tempo_whole_at(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

const char *tempo_text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

bool tempo_text_is(const json_t *o, const char *key, const char *value)
{
    return strcmp(tempo_text_at(o, key), value) == 0;
}

double tempo_element(const json_t *a, size_t i)
{
    return tempo_json_value(json_array_get(a, i));
}

double tempo_greatest(const json_t *a)
{
    double max = 0;

    for (size_t i = 0; i < json_array_size(a); i++)
        max = isfinite(tempo_element(a, i)) && tempo_element(a, i) > max ? tempo_element(a, i) : max;
    return max;
}

double *tempo_matrix_of(const json_t *a, size_t *rows, size_t *columns)
{
    *rows = json_array_size(a);
    *columns = json_array_size(json_array_get(a, 0));
    double *v = *columns > 0 ? calloc(*rows * *columns, sizeof(*v)) : NULL;

    for (size_t i = 0; v != NULL && i < *rows * *columns; i++)
        v[i] = tempo_element(json_array_get(a, i / *columns), i % *columns);
    return v;
}
