/* json.c - bounds around jansson, and typed members with errors. */
#include "io/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/map.h"

/* What jansson 2.14 takes on a 64-bit machine for one of each, malloc's rounding included. */
enum {
    COST_OBJECT = 224, /* json_object_t and its first 8 buckets */
    COST_ARRAY = 128,  /* json_array_t and its first 8 pointers */
    COST_ELEMENT = 24, /* a pointer in a table that doubles, the old table included */
    COST_STRING = 80,  /* json_string_t and its text's block, the text itself apart */
    COST_NUMBER = 32,
    COST_PAIR = 112, /* key block and buckets, the key's text apart */
    FREE_BYTES = 64 << 20,
    FACTOR = 16,
};

/* Where the scan is.  It only estimates: that the text is JSON is for jansson to say. */
typedef struct scan {
    uint64_t cost;
    uint64_t in_array; /* bit d: the container at depth d is an array */
    unsigned depth;
    bool in_number;
} scan;

/* Step over a string that begins at text[i] (a quote); returns the index of its last byte. */
static uint64_t scan_string(scan *s, const char *text, uint64_t n, uint64_t i)
{
    const uint64_t begin = i++;

    while (i < n && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    s->cost += COST_STRING + (i - begin);
    return i;
}

static void scan_char(scan *s, char c)
{
    const bool number = (c >= '0' && c <= '9') || c == '-';

    if (number && !s->in_number)
        s->cost += COST_NUMBER;
    s->in_number = number || (s->in_number && (c == '.' || c == 'e' || c == 'E' || c == '+'));
    switch (c) {
    case '{':
    case '[':
        s->cost += c == '{' ? COST_OBJECT : COST_ARRAY;
        s->in_array =
            c == '{' ? s->in_array & ~((uint64_t)1 << s->depth) : s->in_array | (uint64_t)1 << s->depth;
        s->depth++;
        break;
    case '}':
    case ']':
        s->depth -= s->depth > 0;
        break;
    case ',':
        if (s->depth > 0 && (s->in_array >> (s->depth - 1) & 1) != 0)
            s->cost += COST_ELEMENT;
        break;
    case ':': /* what was counted as a string is a key */
        s->cost += COST_PAIR - COST_STRING;
        break;
    default:
        break;
    }
}

static tempo_status check_bounds(const char *text, uint64_t n, tempo_err *err)
{
    scan s = {0};

    if (n > TEMPO_JSON_MAX_BYTES)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "JSON of %" PRIu64 " bytes, the limit is %d",
                          n, TEMPO_JSON_MAX_BYTES);
    for (uint64_t i = 0; i < n; i++) {
        if (text[i] == '"')
            i = scan_string(&s, text, n, i);
        else if ((text[i] == '{' || text[i] == '[') && s.depth == TEMPO_JSON_MAX_DEPTH)
            return tempo_fail(err, TEMPO_E_LIMIT, i, "JSON nested deeper than %d", TEMPO_JSON_MAX_DEPTH);
        else
            scan_char(&s, text[i]);
        if (s.cost > FACTOR * n + FREE_BYTES)
            return tempo_fail(err, TEMPO_E_LIMIT, i,
                              "JSON whose tree takes more than %d times the text's %" PRIu64 " bytes", FACTOR,
                              n);
    }
    return TEMPO_OK;
}

tempo_status tempo_json_parse(json_t **out, const char *text, uint64_t n, tempo_err *err)
{
    json_error_t e;
    tempo_status st;

    *out = NULL;
    if ((st = check_bounds(text, n, err)) != TEMPO_OK)
        return st;
    *out = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &e);
    if (*out != NULL)
        return TEMPO_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for JSON of %" PRIu64 " bytes",
                          n);
    return tempo_fail(err, TEMPO_E_FORMAT, e.position >= 0 ? (uint64_t)e.position : 0,
                      "JSON, line %d column %d: %s", e.line, e.column, e.text);
}

tempo_status tempo_json_load(json_t **out, const char *path, tempo_err *err)
{
    tempo_map map;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_map_open(&map, path, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_json_parse(out, (const char *)map.p, map.n, err)) != TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    tempo_map_close(&map);
    return st;
}

/* ---- typed members ---- */

/* The member, or NULL if it is missing or null. */
static const json_t *member(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_null(v) ? NULL : v;
}

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
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "\"%s\" is %s, expected %s", key, type_name(v),
                      expected);
}

tempo_status tempo_json_u64(const json_t *obj, const char *key, uint64_t max, uint64_t *out, tempo_err *err)
{
    const json_t *v = member(obj, key);

    if (v == NULL)
        return TEMPO_E_NOTFOUND;
    if (!json_is_integer(v))
        return wrong_type(v, key, "an integer", err);
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

    if (v == NULL)
        return TEMPO_E_NOTFOUND;
    if (!json_is_number(v))
        return wrong_type(v, key, "a number", err);
    *out = json_number_value(v); /* finite: jansson refuses the rest */
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
    if (!json_is_string(v))
        return wrong_type(v, key, "a string", err);
    *out = json_string_value(v);
    return TEMPO_OK;
}
