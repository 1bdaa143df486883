/* fields.c - tables of fields, and what is said when a request does not keep to them. */
#include "server/api/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "io/json.h"
#include "run/decode_fields.h"

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
     help,                                                                                                   \
     NULL},
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
    case TEMPO_E_LIMIT:
        status = 400;
        break;
    case TEMPO_E_BUSY:
        status = 503;
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
    tempo_api_refuse(p, 400, NULL, "the body is %s, expected a JSON object", tempo_json_type_name(*out));
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
            tables[i].ignored |= (uint64_t)(f->kind == TEMPO_API_IGNORED && !tempo_api_is_neutral(v)) << k;
            return tempo_api_read_value(f, v, name, tables[i].out, p);
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
