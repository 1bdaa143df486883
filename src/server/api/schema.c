/* schema.c - see schema.h: a parser by descent. */
#include "server/api/schema.h"

#include <stdbool.h>
#include <string.h>

enum { DEEPEST = 16 };

typedef struct reader {
    const char *p;
    unsigned depth;
    bool failed;
} reader;

static json_t *read_type(reader *r);

static void skip_space(reader *r)
{
    r->p += strspn(r->p, " \n");
}

static bool take(reader *r, const char *token)
{
    const size_t n = strlen(token);

    skip_space(r);
    if (strncmp(r->p, token, n) != 0)
        return false;
    r->p += n;
    return true;
}

static void expect(reader *r, const char *token)
{
    r->failed = !take(r, token) || r->failed;
}

static size_t word_length(const reader *r)
{
    return strspn(r->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

/* a: type `words`, .. */
static void read_member(reader *r, json_t *properties, json_t *required)
{
    skip_space(r);
    const char *name = r->p;
    const size_t n = word_length(r);

    r->failed = r->failed || n == 0;
    r->p += n;
    if (!take(r, "?"))
        json_array_append_new(required, json_stringn(name, n));
    expect(r, ":");
    json_t *type = read_type(r);
    if (take(r, "`")) {
        const size_t words = strcspn(r->p, "`");
        json_object_set_new(type, "description", json_stringn(r->p, words));
        r->p += words;
        expect(r, "`");
    }
    json_object_setn_new(properties, name, n, type);
}

static json_t *read_object(reader *r)
{
    json_t *properties = json_object(), *required = json_array(), *o;
    bool open = false;

    while (!r->failed && !take(r, "}")) {
        if (take(r, "..."))
            open = true;
        else
            read_member(r, properties, required);
        skip_space(r);
        if (*r->p != '}')
            expect(r, ",");
    }
    o = json_pack("{s:s, s:o, s:o}", "type", "object", "required", required, "properties", properties);
    if (open)
        json_object_set_new(o, "additionalProperties", json_true());
    return o;
}

static json_t *read_name(reader *r)
{
    static const char *const plain[] = {"integer", "number", "string", "boolean", "object"};
    const char *name = r->p;
    const size_t n = word_length(r);

    r->p += n;
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
        if (strlen(plain[i]) == n && strncmp(plain[i], name, n) == 0)
            return json_pack("{s:s}", "type", plain[i]);
    if (n == 3 && strncmp(name, "any", n) == 0)
        return json_object();
    r->failed = r->failed || n == 0 || *name < 'A' || *name > 'Z';
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%.*s", (int)n, name));
}

static json_t *read_one(reader *r)
{
    json_t *v;

    if (take(r, "{"))
        return read_object(r);
    if (take(r, "<")) {
        v = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", read_type(r));
        expect(r, ">");
        return v;
    }
    if (take(r, "(")) {
        v = read_type(r);
        expect(r, ")");
        return v;
    }
    if (take(r, "'")) {
        const size_t n = strcspn(r->p, "'");
        v = json_pack("{s:[o]}", "enum", json_stringn(r->p, n));
        r->p += n;
        expect(r, "'");
        return v;
    }
    return read_name(r);
}

static json_t *or_null(json_t *v)
{
    json_t *type = json_object_get(v, "type");

    if (json_is_string(type)) {
        json_object_set_new(v, "type", json_pack("[O, s]", type, "null"));
        return v;
    }
    if (json_object_get(v, "enum") != NULL) {
        json_array_append_new(json_object_get(v, "enum"), json_null());
        return v;
    }
    return json_pack("{s:[o, {s:s}]}", "oneOf", v, "type", "null");
}

static json_t *read_postfix(reader *r)
{
    json_t *v = read_one(r);

    for (;;) {
        if (take(r, "[]"))
            v = json_pack("{s:s, s:o}", "type", "array", "items", v);
        else if (take(r, "?"))
            v = or_null(v);
        else
            return v;
    }
}

/* a | b: of texts one enum */
static json_t *either(json_t *a, json_t *b)
{
    json_t *texts = json_object_get(a, "enum"), *list = json_object_get(a, "oneOf");

    if (texts != NULL && json_object_get(b, "enum") != NULL) {
        json_array_extend(texts, json_object_get(b, "enum"));
        json_decref(b);
        return a;
    }
    if (list != NULL) {
        json_array_append_new(list, b);
        return a;
    }
    return json_pack("{s:[o, o]}", "oneOf", a, b);
}

static json_t *read_type(reader *r)
{
    r->failed = r->failed || ++r->depth > DEEPEST;
    if (r->failed)
        return json_object();
    json_t *v = read_postfix(r);
    while (!r->failed && take(r, "|"))
        v = either(v, read_postfix(r));
    r->depth--;
    return v;
}

json_t *tempo_api_schema(const char *type)
{
    reader r = {.p = type};
    json_t *v = read_type(&r);

    skip_space(&r);
    if (!r.failed && *r.p == '\0')
        return v;
    json_decref(v);
    return NULL;
}
