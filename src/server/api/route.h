/* route.h - a route is one row, in the file of its resource: what it answers to, who handles it, what it reads, and what the
 * OpenAPI document says of it.  A resource is a file with such rows and the types of its answers, and a line of resources.inc.  */
#ifndef TEMPO_SERVER_API_ROUTE_H
#define TEMPO_SERVER_API_ROUTE_H
#include "server/api/fields.h"
#include "server/http/http.h"

/* What a body may hold besides its own fields. */
enum { TEMPO_API_DECODING = 1u << 0, TEMPO_API_OPENAI = 1u << 1, TEMPO_API_PROMPT = 1u << 2 };

/* The field `edits` of prompts, and of "tempo" in OpenAI's requests. */
#define TEMPO_API_EDITS "Edit[]"
#define TEMPO_API_EDITS_HELP "what the model computes differently, docs/interventions.md; names of files are refused"

/* A body's fields, from the file that reads them. */
typedef struct tempo_api_body {
    const char *name; /* of its type */
    const tempo_api_field *fields; /* [n] */
    size_t n;
    unsigned besides; /* TEMPO_API_* */
} tempo_api_body;

/* A type by its name, as schema.h has them; names are unique among all resources. */
typedef struct tempo_api_type {
    const char *name, *type;
} tempo_api_type;

typedef struct tempo_api_route {
    const char *method, *path;
    void (*handle)(void *user, tempo_exchange *x); /* user: the tempo_api */
    bool open;                  /* needs no key */
    const char *query;          /* names of its parameters, "a,b"; NULL: whatever there is is passed over */
    const tempo_api_body *body; /* NULL: none is read */
    const char *summary;
    const char *answer; /* in words */
    const char *type;   /* of the answer, where that is JSON: a name */
    const char *media;  /* content types of the answer, "a,b"; NULL: application/json */
} tempo_api_route;

typedef struct tempo_api_resource {
    const tempo_api_route *routes; /* [n_routes] */
    size_t n_routes;
    const tempo_api_type *types; /* [n_types] */
    size_t n_types;
} tempo_api_resource;

#define TEMPO_API_RESOURCE(name, routes, types)                                                      \
    const tempo_api_resource tempo_api_##name##_resource = {routes, sizeof(routes) / sizeof(*routes), \
                                                            types, sizeof(types) / sizeof(*types)};

/* The i-th resource, or NULL behind the last one. */
const tempo_api_resource *tempo_api_resource_at(size_t i);

/* ---- tables that several bodies have ---- */
extern const tempo_api_body tempo_api_prompt_body, tempo_api_generate_body, tempo_api_next_body;
extern const tempo_api_body tempo_api_openai_body, tempo_api_stream_options_body; /* of both routes of OpenAI's */
extern const tempo_api_body tempo_api_tempo_body; /* in "tempo", besides the options of decoding */

#define RESOURCE(name) extern const tempo_api_resource tempo_api_##name##_resource;
#include "server/api/resources.inc"

#endif
