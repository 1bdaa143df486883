/* openapi.c - GET /openapi.json. */
#include "server/api/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/api/inside.h"
#include "server/api/openapi_parts.h"
#include "server/api/route.h"
#include "server/api/schema.h"
#include "run/decode_fields.h"
#include "io/json_file.h"

#define DECODING "DecodingOptions"

static json_t *reference(const char *type)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", type));
}

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

static json_t *field_schema(const tempo_api_field *f)
{
    static const char *const types[] = {
        [TEMPO_API_FLAG] = "boolean", [TEMPO_API_SIZE] = "integer",  [TEMPO_API_INT] = "integer",
        [TEMPO_API_REAL] = "number",  [TEMPO_API_CHOICE] = "string", [TEMPO_API_CUSTOM] = "string",
        [TEMPO_API_TEXT] = "string",  [TEMPO_API_ARRAY] = "array",   [TEMPO_API_OBJECT] = "object",
        [TEMPO_API_NEUTRAL] = NULL,   [TEMPO_API_IGNORED] = NULL,
    };
    json_t *schema = f->type != NULL ? NULL : tempo_openapi_special(f->name);

    if (schema != NULL)
        return schema;
    schema = f->type != NULL ? tempo_api_schema(f->type) : json_object();
    if (f->type == NULL && f->kind < sizeof(types) / sizeof(*types) && types[f->kind] != NULL)
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
        json_object_set_new(properties, name, field_schema(&fields[i]));
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
    const tempo_api_body *shared = &tempo_api_openai_body, *stream = &tempo_api_stream_options_body;
    json_t *options = json_object();

    add_fields(properties, shared->fields, shared->n);
    add_fields(options, stream->fields, stream->n);
    json_object_set_new(properties, "stream_options", object_schema(options));
    json_object_set_new(properties, "tempo", reference(DECODING));
}

static json_t *decoding_schema(void)
{
    json_t *properties = json_object();

    add_fields(properties, tempo_api_decode_fields, tempo_api_decode_count);
    add_fields(properties, tempo_api_tempo_body.fields, tempo_api_tempo_body.n);
    return object_schema(properties);
}

static json_t *body_schema(const tempo_api_body *b)
{
    json_t *properties = json_object();

    if ((b->besides & TEMPO_API_PROMPT) != 0)
        add_fields(properties, tempo_api_prompt_body.fields, tempo_api_prompt_body.n);
    add_fields(properties, b->fields, b->n);
    if ((b->besides & TEMPO_API_DECODING) != 0)
        add_fields(properties, tempo_api_decode_fields, tempo_api_decode_count);
    if ((b->besides & TEMPO_API_OPENAI) != 0)
        add_openai(properties);
    return object_schema(properties);
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

static json_t *responses_json(const tempo_api_route *r)
{
    json_t *ok = json_pack("{s:s}", "description", r->answer), *error, *types = json_object();
    json_t *all = json_pack("{s:o}", "200", ok);

    for (const char *p = r->media != NULL ? r->media : "application/json"; *p != '\0';
         p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
        char type[64];
        (void)snprintf(type, sizeof(type), "%.*s", (int)strcspn(p, ","), p);
        const bool typed = r->type != NULL && strcmp(type, "application/json") == 0;
        json_t *one = content(type, typed ? reference(r->type) : json_pack("{s:s}", "type", "string"));
        json_object_update(types, one);
        json_decref(one);
    }
    json_object_set_new(ok, "content", types);
    error = json_pack("{s:s, s:o}", "description", "an error", "content",
                      content("application/json", reference("ErrorBody")));
    json_object_set_new(all, "default", error);
    return all;
}

static json_t *operation_json(const tempo_api_route *r)
{
    json_t *o =
        json_pack("{s:s, s:o, s:o}", "summary", r->summary, "parameters",
                  parameters_json(r->path, r->query != NULL ? r->query : ""), "responses", responses_json(r));

    if (r->body != NULL)
        json_object_set_new(o, "requestBody",
                            json_pack("{s:b, s:o}", "required", 1, "content",
                                      content("application/json", reference(r->body->name))));
    if (r->open)
        json_object_set_new(o, "security", json_array());
    return o;
}

static void add_route(json_t *paths, json_t *schemas, const tempo_api_route *r)
{
    json_t *path = json_object_get(paths, r->path);
    char method[16];

    if (path == NULL) {
        path = json_object();
        json_object_set_new(paths, r->path, path);
    }
    (void)snprintf(method, sizeof(method), "%s", r->method);
    for (char *p = method; *p != '\0'; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + ('a' - 'A')) : *p;
    json_object_set_new(path, method, operation_json(r));
    if (r->body != NULL)
        json_object_set_new(schemas, r->body->name, body_schema(r->body));
}

static json_t *make_document(void)
{
    json_t *paths = json_object(), *schemas = json_object();
    const tempo_api_resource *r;

    for (size_t i = 0; (r = tempo_api_resource_at(i)) != NULL; i++) {
        for (size_t k = 0; k < r->n_types; k++)
            json_object_set_new(schemas, r->types[k].name, tempo_api_schema(r->types[k].type));
        for (size_t k = 0; k < r->n_routes; k++)
            add_route(paths, schemas, &r->routes[k]);
    }
    json_object_set_new(schemas, DECODING, decoding_schema());
    /* an address relative to this document's: it holds below a path, too */
    return json_pack("{s:s, s:[{s:s}], s:{s:s, s:s, s:s}, s:o, s:{s:o, s:{s:{s:s, s:s}}}, s:[{s:[]}]}",
                     "openapi", "3.1.0", "servers", "url", ".", "info", "title", "tempo", "version",
                     TEMPO_VERSION, "description",
                     "Decoding in sets that share one position. docs/server.md describes the routes in full.",
                     "paths", paths, "components", "schemas", schemas, "securitySchemes", "key", "type",
                     "http", "scheme", "bearer", "security", "key");
}

/* ---- the route ---------------------------------------------------------------------------- */

static void get_openapi(void *user, tempo_exchange *x)
{
    (void)user;
    tempo_api_reply_json(x, 200, make_document());
}

static const tempo_api_route routes[] = {
    {.method = "GET",
     .path = "/openapi.json",
     .handle = get_openapi,
     .open = true,
     .query = "",
     .summary = "This document",
     .answer = "OpenAPI 3.1",
     .type = "OpenApi"},
};

static const tempo_api_type types[] = {
    {"ErrorBody", "{error: {message: string, type: string, param: string?, code: string?}}"},
    {"OpenApi", "{openapi: string, info: object, paths: object, components: object, ...}"},
};

TEMPO_API_RESOURCE(openapi, routes, types)
