/* fields.c - tables of fields, and what is said when a request does not keep to them. */
#include "server/api/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "run/decode_fields.h"
#include "run/decode_json.h"

enum { MAX_NAME = 48, FAR = 4 }; /* a name that is so many letters away is no misspelling */

const tempo_api_field tempo_api_decode_fields[] = {
#define DECODE_OPTION(name, letter, value, users, kind, field, choices, low, high, fallback, help)           \
    {name,                                                                                                   \
     TEMPO_API_##kind,                                                                                       \
     offsetof(tempo_decode_options, field),                                                                  \
     choices,                                                                                                \
     low,                                                                                                    \
     high,                                                                                                   \
     TEMPO_API_##kind == TEMPO_API_REAL,                                                                     \
     fallback,                                                                                               \
     help},
#include "run/decode_options.inc"
};
const size_t tempo_api_decode_count = sizeof(tempo_api_decode_fields) / sizeof(*tempo_api_decode_fields);

/* ---- problems ---- */

static TEMPO_PRINTF(5, 0) void refuse(tempo_api_problem *p, unsigned status, const char *param,
                                      const char *code, const char *format, va_list args)
{
    size_t at = 0;

    if (p->status != 0)
        return;
    p->status = status;
    p->code = code;
    p->param[0] = p->message[0] = '\0';
    if (param != NULL && param[0] != '\0') {
        (void)snprintf(p->param, sizeof(p->param), "%s", param);
        at = (size_t)snprintf(p->message, sizeof(p->message), "%s: ", p->param);
    }
    (void)vsnprintf(p->message + at, sizeof(p->message) - at, format, args);
}

bool tempo_api_refuse(tempo_api_problem *p, unsigned status, const char *param, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    refuse(p, status, param, NULL, format, args);
    va_end(args);
    return false;
}

bool tempo_api_refuse_code(tempo_api_problem *p, unsigned status, const char *param, const char *code,
                           const char *format, ...)
{
    va_list args;

    va_start(args, format);
    refuse(p, status, param, code, format, args);
    va_end(args);
    return false;
}

bool tempo_api_refuse_err(tempo_api_problem *p, const char *param, const tempo_err *err)
{
    unsigned status = 500;

    switch (err->code) {
    case TEMPO_E_ARG:
    case TEMPO_E_FORMAT:
    case TEMPO_E_UNSUPPORTED:
        status = 400;
        break;
    case TEMPO_E_LIMIT:
        status = strncmp(err->msg, "queue", 5) == 0 ? 503 : 400;
        break;
    case TEMPO_E_NOTFOUND:
        status = 404;
        break;
    case TEMPO_E_STOPPED:
        return tempo_api_refuse_code(p, 503, param, "shutdown", "%s", err->msg);
    default:
        break;
    }
    return tempo_api_refuse(p, status, param, "%s", err->msg);
}

/* ---- names ---- */

static char spelled(char c)
{
    return (char)(c == '-' ? '_' : c);
}

static bool same_name(const char *name, const char *key)
{
    for (; *name != '\0' && spelled(*name) == *key; name++)
        key++;
    return *name == '\0' && *key == '\0';
}

/* prefix and name as a client writes them */
static void full_name(char out[96], const char *prefix, const char *name)
{
    (void)snprintf(out, 96, "%.40s%.55s", prefix, name);
    for (char *c = out + strlen(prefix); *c != '\0'; c++)
        *c = spelled(*c);
}

/* Letters to insert, delete or change to turn a into b. */
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_NAME + 1];
    const size_t n = strlen(a), m = strlen(b);

    if (n > MAX_NAME || m > MAX_NAME)
        return FAR;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 0; i < n; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < m; j++) {
            const size_t change = diagonal + (spelled(a[i]) != spelled(b[j]));
            const size_t edge = 1 + (row[j] < row[j + 1] ? row[j] : row[j + 1]);
            diagonal = row[j + 1];
            row[j + 1] = change < edge ? change : edge;
        }
    }
    return row[m];
}

static bool refuse_unknown(const char *prefix, const char *key, const tempo_api_table *tables, size_t n,
                           tempo_api_problem *p)
{
    const char *best = NULL;
    size_t least = FAR;
    char name[96], near[96];

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < tables[i].n; k++) {
            const size_t d = distance(key, tables[i].fields[k].name);
            if (d < least) {
                least = d;
                best = tables[i].fields[k].name;
            }
        }
    }
    (void)snprintf(name, sizeof(name), "%.40s%.*s", prefix, (int)tempo_utf8_valid(key, strnlen(key, 50)),
                   key);
    if (best == NULL)
        return tempo_api_refuse_code(p, 400, name, "unknown_parameter", "there is no such field");
    full_name(near, prefix, best);
    return tempo_api_refuse_code(p, 400, name, "unknown_parameter",
                                 "there is no such field; did you mean %s?", near);
}

/* ---- values ---- */

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

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
        return type_name(v);
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

/* "one of a, b, c" */
static const char *list_choices(const char *choices, char out[128])
{
    size_t at = (size_t)snprintf(out, 128, "one of ");

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

    if (s != NULL && (layers ? tempo_decode_parse_layers(s, o) : tempo_decode_parse_positions(s, o)))
        return true;
    return refuse_value(v, s != NULL, name, p,
                        layers ? "two layers \"A-B\" with A <= B"
                               : "one of shared, unique, offset:D with a finite number D");
}

/* Does the value ask for nothing? */
static bool is_neutral(const json_t *v)
{
    return json_is_false(v) || json_is_null(v) || (json_is_number(v) && json_number_value(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0);
}

static bool read_neutral(const tempo_api_field *f, const json_t *v, const char *name, tempo_api_problem *p)
{
    char *text;
    bool ok = is_neutral(v);

    if (!ok && f->choices != NULL && (text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT)) != NULL) {
        ok = tempo_choice_find(f->choices, text, strlen(text)) >= 0;
        free(text);
    }
    return ok || tempo_api_refuse_code(
                     p, 400, name, "unsupported_value", "this server cannot do that; leave it out%s%s",
                     f->choices != NULL ? ", or give one of " : "", f->choices != NULL ? f->choices : "");
}

static bool read_typed(const json_t *v, bool right, const char *name, const char *expected,
                       const json_t **out, tempo_api_problem *p)
{
    if (!right)
        return refuse_value(v, false, name, p, expected);
    *out = v;
    return true;
}

static bool read_value(const tempo_api_field *f, const json_t *v, const char *name, void *out,
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

/* ---- objects ---- */

bool tempo_api_parse(const char *body, size_t n, json_t **out, tempo_api_problem *p)
{
    tempo_err err = {0};

    *out = NULL;
    if (n == 0)
        return tempo_api_refuse(p, 400, NULL, "the body is empty, expected a JSON object");
    if (tempo_json_parse_strict(out, body, n, &err) != TEMPO_OK)
        return tempo_api_refuse_err(p, NULL, &err);
    if (json_is_object(*out))
        return true;
    tempo_api_refuse(p, 400, NULL, "the body is %s, expected a JSON object", type_name(*out));
    json_decref(*out);
    *out = NULL;
    return false;
}

/* Read one field; false with *found false: no table has it. */
static bool read_field(const char *key, const json_t *v, const char *prefix, bool skip_null,
                       tempo_api_table *tables, size_t n, bool *found, tempo_api_problem *p)
{
    char name[96];

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < tables[i].n; k++) {
            const tempo_api_field *f = &tables[i].fields[k];
            if (!same_name(f->name, key))
                continue;
            *found = true;
            if (skip_null && json_is_null(v))
                return true;
            full_name(name, prefix, f->name);
            tables[i].given |= (uint64_t)1 << k;
            tables[i].ignored |= (uint64_t)(f->kind == TEMPO_API_IGNORED && !is_neutral(v)) << k;
            return read_value(f, v, name, tables[i].out, p);
        }
    }
    *found = false;
    return false;
}

bool tempo_api_read(const json_t *object, const char *prefix, bool skip_null, tempo_api_table *tables,
                    size_t n, tempo_api_problem *p)
{
    const char *key;
    json_t *v,
        *o = (json_t *)(uintptr_t)object; /* json_object_foreach wants it writable and does not write */
    bool found;

    json_object_foreach(o, key, v)
    {
        if (read_field(key, v, prefix, skip_null, tables, n, &found, p))
            continue;
        return found ? false : refuse_unknown(prefix, key, tables, n, p);
    }
    return true;
}

bool tempo_api_given(const tempo_api_table *t, const char *name)
{
    for (size_t k = 0; k < t->n; k++)
        if (same_name(t->fields[k].name, name))
            return (t->given >> k & 1) != 0;
    return false;
}

bool tempo_api_warn(json_t **warnings, const char *name, const char *why, tempo_api_problem *p)
{
    if (*warnings == NULL)
        *warnings = json_array();
    if (json_array_append_new(*warnings, json_sprintf("%s: ignored, %s", name, why)) == 0)
        return true;
    return tempo_api_refuse(p, 500, NULL, "out of memory");
}

bool tempo_api_warn_once(json_t **warnings, const char *text, tempo_api_problem *p)
{
    json_t *one;
    size_t i;

    if (*warnings == NULL)
        *warnings = json_array();
    json_array_foreach(*warnings, i, one)
    {
        if (strcmp(json_string_value(one), text) == 0)
            return true;
    }
    return json_array_append_new(*warnings, json_string(text)) == 0 ||
           tempo_api_refuse(p, 500, NULL, "out of memory");
}

bool tempo_api_warn_ignored(json_t **warnings, const char *prefix, const tempo_api_table *t,
                            tempo_api_problem *p)
{
    char name[96];

    for (size_t k = 0; k < t->n; k++) {
        if ((t->ignored >> k & 1) == 0)
            continue;
        full_name(name, prefix, t->fields[k].name);
        if (!tempo_api_warn(warnings, name, t->fields[k].help, p))
            return false;
    }
    return true;
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
