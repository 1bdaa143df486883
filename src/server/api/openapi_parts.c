/* openapi_parts.c - see openapi_parts.h. */
#include "server/api/openapi_parts.h"

#include <string.h>

typedef struct named {
    const char *name, *json;
} named;

static json_t *find_named(const named *list, size_t n, const char *name, size_t n_name)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i].name) == n_name && memcmp(list[i].name, name, n_name) == 0)
            return json_loads(list[i].json, 0, NULL);
    return NULL;
}

#define WHOLE "\"schema\": {\"type\": \"integer\", \"minimum\": 0}"
#define AXIS "\"schema\": {\"oneOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"const\": \"mean\"}]}"
#define TEXT "\"schema\": {\"type\": \"string\"}"

json_t *tempo_openapi_parameter(const char *name, size_t n)
{
    static const named list[] = {
        {"id", "{" TEXT ", \"description\": \"of a run also a beginning that no other has\"}"},
        {"owner", "{" TEXT ", \"description\": \"what is in front of the slash\"}"},
        {"a", "{" TEXT ", \"description\": \"a run\"}"},
        {"b", "{" TEXT ", \"description\": \"another run\"}"},
        {"arm", "{" TEXT ", \"description\": \"its name; the first one if absent\"}"},
        {"unit", "{" WHOLE ", \"description\": \"the first one that was captured if absent\"}"},
        {"step", "{" WHOLE ", \"required\": true, \"description\": \"what this step read\"}"},
        {"layer", "{" AXIS ", \"description\": \"all if absent\"}"},
        {"head", "{" AXIS ", \"description\": \"all if absent\"}"},
        {"row", "{" WHOLE ", \"description\": \"all if absent\"}"},
        {"top_keys", "{\"schema\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 32, \"default\": 5}, "
                     "\"description\": \"slots listed for each row\"}"},
    };
    json_t *one = find_named(list, sizeof(list) / sizeof(*list), name, n);

    return one != NULL ? one : json_object();
}

json_t *tempo_openapi_special(const char *field)
{
    static const named list[] = {
        {"prompt_ids",
         "{\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 0}, \"minItems\": 1, "
         "\"description\": \"instead of prompt\"}"},
        {"messages",
         "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/components/schemas/Message\"}}"},
        {"arms",
         "{\"type\": \"array\", \"maxItems\": 4, \"uniqueItems\": true, \"items\": {\"oneOf\": [{\"enum\": "
         "[\"isolated\", \"visible\", \"causal\", \"published\", \"published-nocache\"]}, {\"$ref\": "
         "\"#/components/schemas/OwnArm\"}]}}"},
        {"given",
         "{\"$ref\": \"#/components/schemas/Given\", \"description\": \"the first sets, not chosen by the "
         "model\"}"},
        {"record", "{\"type\": \"array\", \"items\": {\"enum\": [\"attention\"]}}"},
        {"tokens", "{\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 0}}"},
        {"visible-layers", "{\"type\": \"string\", \"pattern\": \"^[0-9]+-[0-9]+$\"}"},
        {"positions", "{\"type\": \"string\", \"pattern\": \"^(shared|unique|offset:[-+0-9.eE]+)$\"}"},
    };

    return find_named(list, sizeof(list) / sizeof(*list), field, strlen(field));
}
