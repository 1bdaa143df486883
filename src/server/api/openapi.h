/* openapi.h - the OpenAPI document: made from the rows of routes and from the tables that read requests. */
#ifndef TEMPO_SERVER_API_OPENAPI_H
#define TEMPO_SERVER_API_OPENAPI_H
#include <jansson.h>

#include "server/api/fields.h"

json_t *tempo_openapi_document(void);

/* A field as a JSON schema. */
json_t *tempo_openapi_field(const tempo_api_field *f);

#endif
