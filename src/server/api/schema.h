/* schema.h - types of answers in one line each, which become JSON schemas:
 *
 *   integer number string boolean any object    and Name, another type by its name
 *   {a: string, b?: integer, ...}   an object with a, perhaps b, and (only with the dots) what else there is
 *   <integer>                       an object whose values are of that type
 *   integer[]  string?  (a | b)[]   a list; or null; one of several
 *   'a' | 'b'                       these texts
 *   a: number `what it is`          a description of that member  */
#ifndef TEMPO_SERVER_API_SCHEMA_H
#define TEMPO_SERVER_API_SCHEMA_H
#include <jansson.h>

/* NULL: it is none of this. */
json_t *tempo_api_schema(const char *type);

#endif
