/* openapi.c - GET /openapi.json. */
#include "server/api/openapi.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/api/inside.h"
#include "server/api/openapi_parts.h"
#include "run/decode_fields.h"
#include "io/json_file.h"

/* ---- request bodies -------------------------------------------------------------------- */

static json_t *choices_json(const char *choices)
{
    json_t *list = json_array();

    for (const char *p = choices;; p++) {
        const size_t n = strcspn(p, "|");
        json_array_append_new(list, json_stringn(p, n));
        p += n;
        if (*p == '\0')
            return list;
    }
}

static void add_range(json_t *schema, const tempo_api_field *f)
{
    const bool whole = f->kind == TEMPO_API_SIZE;

    if (isfinite(f->low) && (f->low != 0 || f->high != 0))
        json_object_set_new(schema, f->low_excluded ? "exclusiveMinimum" : "minimum",
                            whole ? json_integer((json_int_t)f->low) : tempo_json_number(f->low));
    if (isfinite(f->high) && f->high != 0)
        json_object_set_new(schema, "maximum",
                            whole ? json_integer((json_int_t)f->high) : tempo_json_number(f->high));
}

json_t *tempo_openapi_field(const tempo_api_field *f)
{
    static const char *const types[] = {
        [TEMPO_API_FLAG] = "boolean", [TEMPO_API_SIZE] = "integer",  [TEMPO_API_INT] = "integer",
        [TEMPO_API_REAL] = "number",  [TEMPO_API_CHOICE] = "string", [TEMPO_API_CUSTOM] = "string",
        [TEMPO_API_TEXT] = "string",  [TEMPO_API_ARRAY] = "array",   [TEMPO_API_OBJECT] = "object",
        [TEMPO_API_NEUTRAL] = NULL,   [TEMPO_API_IGNORED] = NULL,
    };
    json_t *schema = tempo_openapi_special(f->name);

    if (schema != NULL)
        return schema;
    schema = json_object();
    if (f->kind < sizeof(types) / sizeof(*types) && types[f->kind] != NULL)
        json_object_set_new(schema, "type", json_string(types[f->kind]));
    if (f->kind == TEMPO_API_CHOICE && f->choices != NULL)
        json_object_set_new(schema, "enum", choices_json(f->choices));
    if (f->kind == TEMPO_API_SIZE || f->kind == TEMPO_API_REAL)
        add_range(schema, f);
    if (f->kind == TEMPO_API_NEUTRAL)
        json_object_set_new(schema, "description",
                            json_string("accepted only with a value that asks for nothing"));
    if (f->help != NULL)
        json_object_set_new(schema, "description",
                            json_sprintf("%s%s", f->kind == TEMPO_API_IGNORED ? "ignored: " : "", f->help));
    return schema;
}

static void add_fields(json_t *properties, const tempo_api_field *fields, size_t n)
{
    char name[96];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "%s", fields[i].name);
        for (char *p = name; *p != '\0'; p++)
            *p = *p == '-' ? '_' : *p;
        json_object_set_new(properties, name, tempo_openapi_field(&fields[i]));
    }
}

static json_t *object_schema(json_t *properties)
{
    return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties",
                     0);
}

/* The options of decoding, and those of streams, are objects within OpenAI's requests. */
static void add_openai(json_t *properties)
{
    json_t *tempo = json_object(), *options = json_object();
    size_t n;
    const tempo_api_field *fields = tempo_api_openai_fields(&n);

    add_fields(properties, fields, n);
    fields = tempo_api_stream_option_fields(&n);
    add_fields(options, fields, n);
    add_fields(tempo, tempo_api_decode_fields, tempo_api_decode_count);
    json_object_set_new(properties, "stream_options", object_schema(options));
    json_object_set_new(properties, "tempo", object_schema(tempo));
}

/* The body that a route reads, or NULL. */
static json_t *body_schema(const char *path)
{
    static const struct {
        const char *path;
        const tempo_api_field *(*fields)(size_t *n);
        bool decoding, openai;
    } bodies[] = {
        {"/v1/tempo/generate", tempo_api_generate_fields, true, false},
        {"/v1/tempo/next", tempo_api_next_fields, false, false},
        {"/tokenize", tempo_api_tokenize_fields, false, false},
        {"/detokenize", tempo_api_detokenize_fields, false, false},
        {"/v1/completions", tempo_api_completion_fields, false, true},
        {"/v1/chat/completions", tempo_api_chat_fields, false, true},
    };
    size_t n;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        if (strcmp(bodies[i].path, path) != 0)
            continue;
        json_t *properties = json_object();
        const tempo_api_field *fields = bodies[i].fields(&n);
        add_fields(properties, fields, n);
        if (bodies[i].decoding)
            add_fields(properties, tempo_api_decode_fields, tempo_api_decode_count);
        if (bodies[i].openai)
            add_openai(properties);
        return object_schema(properties);
    }
    return NULL;
}

/* ---- operations ------------------------------------------------------------------------- */

static void add_parameter(json_t *list, const char *name, size_t n, const char *in)
{
    json_t *one = tempo_openapi_parameter(name, n);

    json_object_set_new(one, "name", json_stringn(name, n));
    json_object_set_new(one, "in", json_string(in));
    if (strcmp(in, "path") == 0)
        json_object_set_new(one, "required", json_true());
    json_array_append_new(list, one);
}

/* What stands in {..} of the path, and the names of the query in "a,b". */
static json_t *parameters_json(const char *path, const char *query)
{
    json_t *list = json_array();

    for (const char *p = path; (p = strchr(p, '{')) != NULL; p++)
        add_parameter(list, p + 1, strcspn(p + 1, "}"), "path");
    for (const char *p = query; *p != '\0'; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
        add_parameter(list, p, strcspn(p, ","), "query");
    return list;
}

static json_t *content(const char *type, json_t *schema)
{
    return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *responses_json(const tempo_openapi_route *r)
{
    json_t *ok = json_pack("{s:s}", "description", r->answer), *error, *types = json_object();
    json_t *all = json_pack("{s:o}", "200", ok);

    for (const char *p = r->types; *p != '\0'; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
        char type[64];
        (void)snprintf(type, sizeof(type), "%.*s", (int)strcspn(p, ","), p);
        json_t *one = content(
            type, json_pack("{s:s}", "type", strcmp(type, "application/json") == 0 ? "object" : "string"));
        json_object_update(types, one);
        json_decref(one);
    }
    json_object_set_new(ok, "content", types);
    error = json_pack("{s:s, s:o}", "description", "an error", "content",
                      content("application/json", json_pack("{s:s}", "$ref", "#/components/schemas/Error")));
    json_object_set_new(all, "default", error);
    return all;
}

static json_t *operation_json(const tempo_route *route)
{
    static const tempo_openapi_route nothing = {
        .summary = "", .query = "", .types = "application/json", .answer = ""};
    const tempo_openapi_route *r = tempo_openapi_find(route->method, route->path);
    json_t *o, *body = strcmp(route->method, "POST") == 0 ? body_schema(route->path) : NULL;

    if (r == NULL)
        r = &nothing;
    o = json_pack("{s:s, s:o, s:o}", "summary", r->summary, "parameters",
                  parameters_json(route->path, r->query), "responses", responses_json(r));
    if (body != NULL)
        json_object_set_new(
            o, "requestBody",
            json_pack("{s:b, s:o}", "required", 1, "content", content("application/json", body)));
    if (route->open)
        json_object_set_new(o, "security", json_array());
    return o;
}

json_t *tempo_openapi_document(const tempo_route *routes, size_t n)
{
    json_t *paths = json_object(), *path;
    char method[16];

    for (size_t i = 0; i < n; i++) {
        path = json_object_get(paths, routes[i].path);
        if (path == NULL) {
            path = json_object();
            json_object_set_new(paths, routes[i].path, path);
        }
        (void)snprintf(method, sizeof(method), "%s", routes[i].method);
        for (char *p = method; *p != '\0'; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + ('a' - 'A')) : *p;
        json_object_set_new(path, method, operation_json(&routes[i]));
    }
    /* an address relative to this document's: it holds below a path, too */
    return json_pack("{s:s, s:[{s:s}], s:{s:s, s:s, s:s}, s:o, s:{s:o, s:{s:{s:s, s:s}}}, s:[{s:[]}]}",
                     "openapi", "3.1.0", "servers", "url", ".", "info", "title", "tempo", "version",
                     TEMPO_VERSION, "description",
                     "Decoding in sets that share one position. docs/server.md describes the routes in full.",
                     "paths", paths, "components", "schemas", tempo_openapi_schemas(), "securitySchemes",
                     "key", "type", "http", "scheme", "bearer", "security", "key");
}

void tempo_api_openapi(void *user, tempo_exchange *x)
{
    size_t n;
    const tempo_route *routes = tempo_api_routes(&n);

    (void)user;
    if (!tempo_api_refuse_query(x, NULL, 0))
        tempo_api_reply_json(x, 200, tempo_openapi_document(routes, n));
}
