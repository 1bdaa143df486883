/* openapi_parts.h - the words of the OpenAPI document; openapi.c puts them together. */
#ifndef TEMPO_SERVER_API_OPENAPI_PARTS_H
#define TEMPO_SERVER_API_OPENAPI_PARTS_H
#include <jansson.h>

typedef struct tempo_openapi_route {
    const char *method, *path, *summary;
    const char *query;  /* names of its parameters, "a,b" */
    const char *types;  /* content types of its answer, "a,b" */
    const char *answer; /* in words */
} tempo_openapi_route;

extern const tempo_openapi_route tempo_openapi_routes[];
extern const size_t tempo_openapi_n_routes;

/* NULL if there is none. */
const tempo_openapi_route *tempo_openapi_find(const char *method, const char *path);
/* {"description", "schema"} of the parameter name[n]. */
json_t *tempo_openapi_parameter(const char *name, size_t n);
/* The schema of a field whose table does not say all, or NULL. */
json_t *tempo_openapi_special(const char *field);
/* Error, Member, Set, Attention, ... */
json_t *tempo_openapi_schemas(void);

#endif
