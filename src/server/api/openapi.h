/* openapi.h - the OpenAPI document: made from the routes themselves and from the tables that read requests. */
#ifndef TEMPO_SERVER_API_OPENAPI_H
#define TEMPO_SERVER_API_OPENAPI_H
#include <jansson.h>

#include "server/api/fields.h"
#include "server/http/http.h"

/* Of these routes; those that it knows nothing of get an empty description, which the tests do not let pass. */
json_t *tempo_openapi_document(const tempo_route *routes, size_t n);

/* A field as a JSON schema. */
json_t *tempo_openapi_field(const tempo_api_field *f);

/* ---- the tables of request bodies, from the files that read them ---- */
const tempo_api_field *tempo_api_generate_fields(size_t *n); /* those of decoding apart */
const tempo_api_field *tempo_api_next_fields(size_t *n);
const tempo_api_field *tempo_api_tokenize_fields(size_t *n);
const tempo_api_field *tempo_api_detokenize_fields(size_t *n);
const tempo_api_field *tempo_api_completion_fields(size_t *n);
const tempo_api_field *tempo_api_chat_fields(size_t *n);
const tempo_api_field *tempo_api_openai_fields(size_t *n);        /* of both of these */
const tempo_api_field *tempo_api_stream_option_fields(size_t *n); /* of stream_options in them */

#endif
