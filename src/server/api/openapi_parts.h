/* openapi_parts.h - what several routes have in common, in words: parameters by name, and fields whose tables do not say all. */
#ifndef TEMPO_SERVER_API_OPENAPI_PARTS_H
#define TEMPO_SERVER_API_OPENAPI_PARTS_H
#include <jansson.h>

/* {"description", "schema"} of the parameter name[n]. */
json_t *tempo_openapi_parameter(const char *name, size_t n);
/* The schema of a field whose table does not say all, or NULL. */
json_t *tempo_openapi_special(const char *field);

#endif
