/* values.c - one value of a request: its type, its range, and what is said when it does not keep to them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "run/decode_fields.h"
#include "run/decode_json.h"
#include "server/api/fields.h"

/* A number as it was written, or shorter: the fewest digits that mean it. */
static const char *real_text(double x, char out[64])
{
    /* large whole numbers come as doubles, and were written without an exponent */
    if (fabs(x) >= 0x1p63 && fabs(x) < 1e40) {
        (void)snprintf(out, 64, "%.0f", x);
        return out;
    }
    return tempo_shortest(x, out);
}

/* A value for a message: as it is where it is short. */
static const char *value_text(const json_t *v, char out[64])
{
    const char *s;

    switch (json_typeof(v)) {
    case JSON_INTEGER:
        (void)snprintf(out, 64, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return out;
    case JSON_REAL:
        return real_text(json_real_value(v), out);
    case JSON_STRING:
        s = json_string_value(v);
        (void)snprintf(out, 64, "'%.*s'", (int)tempo_utf8_valid(s, strnlen(s, 50)), s);
        return out;
    default:
        return tempo_json_type_name(v);
    }
}

/* v has the right type, or not. */
static bool refuse_value(const json_t *v, bool type, const char *name, tempo_api_problem *p,
                         const char *expected)
{
    char text[64];

    return tempo_api_refuse_code(p, 400, name, type ? "invalid_value" : "invalid_type", "%s is not %s",
                                 value_text(v, text), expected);
}

/* Is it a whole number, however it is written?  It is *x then, or the nearest double. */
static bool is_whole(const json_t *v, double *x)
{
    *x = json_number_value(v);
    return json_is_number(v) && isfinite(*x) && *x == floor(*x);
}

static bool read_size(const tempo_api_field *f, const json_t *v, const char *name, size_t *out,
                      tempo_api_problem *p)
{
    char expected[80];

    double x;
    const bool whole = is_whole(v, &x);

    if (whole && x >= f->low && x <= f->high) { /* limits are far below 2^53 */
        *out = (size_t)x;
        return true;
    }
    (void)snprintf(expected, sizeof(expected), "a whole number from %.0f to %.0f", f->low, f->high);
    return refuse_value(v, whole, name, p, expected);
}

static bool read_int(const json_t *v, const char *name, int64_t *out, tempo_api_problem *p)
{
    double x;
    const bool whole = is_whole(v, &x);

    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (whole && x >= -0x1p63 && x < 0x1p63) /* what has more than 64 bits is a double here, too */
        *out = (int64_t)x;
    else
        return refuse_value(v, whole, name, p,
                            "a whole number from -9223372036854775808 to 9223372036854775807");
    return true;
}

static bool read_real(const tempo_api_field *f, const json_t *v, const char *name, double *out,
                      tempo_api_problem *p)
{
    const double x = json_number_value(v);
    char expected[96];

    if (json_is_number(v) && isfinite(x) && (f->low_excluded ? x > f->low : x >= f->low) && x <= f->high) {
        *out = x;
        return true;
    }
    if (isinf(f->high))
        (void)snprintf(expected, sizeof(expected), "a finite number %s %g",
                       f->low_excluded ? "above" : "of at least", f->low);
    else if (json_is_number(v))
        (void)snprintf(expected, sizeof(expected), "in %c%g, %g]", f->low_excluded ? '(' : '[', f->low,
                       f->high);
    else
        (void)snprintf(expected, sizeof(expected), "a number in %c%g, %g]", f->low_excluded ? '(' : '[',
                       f->low, f->high);
    return refuse_value(v, json_is_number(v), name, p, expected);
}

/* "one of a, b, c", or the only one. */
static const char *list_choices(const char *choices, char out[128])
{
    size_t at = (size_t)snprintf(out, 128, "%s", strchr(choices, '|') != NULL ? "one of " : "");

    for (const char *c = choices; *c != '\0' && at < 125; c++) {
        if (*c == '|')
            out[at++] = ',';
        out[at++] = (char)(*c == '|' ? ' ' : *c);
    }
    out[at] = '\0';
    return out;
}

static bool read_choice(const tempo_api_field *f, const json_t *v, const char *name, int *out,
                        tempo_api_problem *p)
{
    char expected[128];
    const int i =
        json_is_string(v) ? tempo_choice_find(f->choices, json_string_value(v), json_string_length(v)) : -1;

    if (i < 0)
        return refuse_value(v, json_is_string(v), name, p, list_choices(f->choices, expected));
    *out = i; /* enums of tempo.h have the size of int */
    return true;
}

static bool read_custom(const tempo_api_field *f, const json_t *v, const char *name, tempo_decode_options *o,
                        tempo_api_problem *p)
{
    const bool layers = strcmp(f->name, "visible-layers") == 0;
    const char *s = json_string_value(v);
    const bool whole = s != NULL && strlen(s) == json_string_length(v); /* no NUL in it */

    if (whole && (layers ? tempo_decode_parse_layers(s, o) : tempo_decode_parse_positions(s, o)))
        return true;
    return refuse_value(v, s != NULL, name, p,
                        layers ? "two layers \"A-B\" with A <= B"
                               : "one of shared, unique, offset:D with a finite number D");
}

bool tempo_api_is_neutral(const json_t *v)
{
    return json_is_false(v) || json_is_null(v) || (json_is_number(v) && json_number_value(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0);
}

static bool read_neutral(const tempo_api_field *f, const json_t *v, const char *name, tempo_api_problem *p)
{
    char *text, known[128];
    bool ok = tempo_api_is_neutral(v);

    if (!ok && f->choices != NULL && (text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT)) != NULL) {
        ok = tempo_choice_find(f->choices, text, strlen(text)) >= 0;
        free(text);
    }
    return ok || tempo_api_refuse_code(p, 400, name, "unsupported_value",
                                       "this server cannot do that; leave it out%s%s",
                                       f->choices != NULL ? ", or give " : "",
                                       f->choices != NULL ? list_choices(f->choices, known) : "");
}

static bool read_typed(const json_t *v, bool right, const char *name, const char *expected,
                       const json_t **out, tempo_api_problem *p)
{
    if (!right)
        return refuse_value(v, false, name, p, expected);
    *out = v;
    return true;
}

bool tempo_api_read_value(const tempo_api_field *f, const json_t *v, const char *name, void *out,
                          tempo_api_problem *p)
{
    void *field = (char *)out + f->offset;

    switch (f->kind) {
    case TEMPO_API_FLAG:
        if (!json_is_boolean(v))
            return refuse_value(v, false, name, p, "true or false");
        *(bool *)field = json_is_true(v);
        return true;
    case TEMPO_API_SIZE:
        return read_size(f, v, name, field, p);
    case TEMPO_API_INT:
        return read_int(v, name, field, p);
    case TEMPO_API_REAL:
        return read_real(f, v, name, field, p);
    case TEMPO_API_CHOICE:
        return read_choice(f, v, name, field, p);
    case TEMPO_API_CUSTOM:
        return read_custom(f, v, name, out, p);
    case TEMPO_API_TEXT:
        return read_typed(v, json_is_string(v), name, "a string", field, p);
    case TEMPO_API_ARRAY:
        return read_typed(v, json_is_array(v), name, "an array", field, p);
    case TEMPO_API_OBJECT:
        return read_typed(v, json_is_object(v), name, "an object", field, p);
    case TEMPO_API_NEUTRAL:
        return read_neutral(f, v, name, p);
    case TEMPO_API_IGNORED:
        return f->choices == NULL || read_neutral(f, v, name, p);
    default:
        *(const json_t **)field = v;
        return true;
    }
}

bool tempo_api_read_ids(const json_t *array, const char *param, uint32_t below, int32_t **ids, size_t *n,
                        tempo_api_problem *p)
{
    const json_t *v;
    size_t i;
    double x;
    char text[64];

    *ids = NULL;
    *n = 0;
    if (json_array_size(array) == 0)
        return tempo_api_refuse(p, 400, param, "there is no token id in it");
    if ((*ids = malloc(json_array_size(array) * sizeof(**ids))) == NULL)
        return tempo_api_refuse(p, 500, param, "out of memory");
    json_array_foreach(array, i, v)
    {
        if (!is_whole(v, &x) || x < 0 || x >= below) {
            free(*ids);
            *ids = NULL;
            return tempo_api_refuse_code(p, 400, param, "invalid_value",
                                         "[%zu]: %s is not a token id from 0 to %u", i, value_text(v, text),
                                         below - 1);
        }
        (*ids)[i] = (int32_t)x;
    }
    *n = json_array_size(array);
    return true;
}
