/* openapi_parts.c - what the tables of routes and fields do not say of themselves. */
#include "server/api/openapi_parts.h"

#include <string.h>

#define JSON "application/json"

const tempo_openapi_route tempo_openapi_routes[] = {
    {"POST", "/v1/tempo/generate", "Decode in sets", "", "text/event-stream," JSON,
     "events start, set, attention, compare, done, error; or, with \"stream\": false, one document of all of "
     "them"},
    {"POST", "/v1/tempo/next", "The distribution of the next token", "", JSON,
     "entropy and the most probable tokens"},
    {"GET", "/v1/tempo/generations", "What was recorded", "", JSON, "generations, the newest first"},
    {"GET", "/v1/tempo/generations/{id}", "A recorded generation", "", JSON,
     "the document of the generation"},
    {"GET", "/v1/tempo/generations/{id}/attention", "Attention weights of a step", "arm,step,layer,head,row",
     "application/octet-stream", "float32, little-endian; X-Tempo-Shape has the axes"},
    {"GET", "/v1/tempo/generations/{id}/attention/steps", "Recorded steps, and what the slots hold", "arm",
     JSON, "steps with rows and slots, and the tokens of the slots"},
    {"GET", "/v1/tempo/generations/{id}/attention/summary", "A step's attention in numbers",
     "arm,step,top_keys", JSON, "an event `attention`"},
    {"GET", "/v1/tempo/runs", "Runs of the database", "", JSON, "runs, the newest first"},
    {"GET", "/v1/tempo/runs/{id}", "One run", "", JSON, "models, units, metrics, verdicts, captures"},
    {"GET", "/v1/tempo/runs/{id}/report", "What the report page draws", "", JSON, "the report view"},
    {"GET", "/v1/tempo/runs/{a}/compare/{b}", "Two runs side by side", "", JSON,
     "units that meet, metrics, verdicts"},
    {"GET", "/v1/tempo/runs/{id}/attention", "Attention weights that a run captured",
     "unit,arm,step,layer,head,row", "application/octet-stream",
     "float32, little-endian; X-Tempo-Shape has the axes"},
    {"GET", "/v1/tempo/runs/{id}/attention/steps", "Captured steps, and what the slots hold", "unit,arm",
     JSON, "steps with rows and slots, and the tokens of the slots"},
    {"GET", "/v1/tempo/runs/{id}/attention/summary", "A captured step's attention in numbers",
     "unit,arm,step,top_keys", JSON, "an event `attention`"},
    {"GET", "/v1/tempo/info", "The model, the options, the limits", "", JSON, "what this server can do"},
    {"GET", "/v1/tempo/presets", "Requests to begin with", "", JSON, "requests with titles and questions"},
    {"POST", "/tokenize", "Text to tokens", "", JSON, "ids and pieces"},
    {"POST", "/detokenize", "Tokens to text", "", JSON, "the text"},
    {"GET", "/health", "Is it there?", "", JSON, "it is"},
    {"GET", "/metrics", "Counts, for Prometheus", "", "text/plain", "Prometheus' text format"},
    {"GET", "/openapi.json", "This document", "", JSON, "OpenAPI 3.1"},
    {"GET", "/v1/models", "The model, as OpenAI lists them", "", JSON, "a list of one"},
    {"GET", "/v1/models/{id}", "The model", "", JSON, "the model"},
    {"GET", "/v1/models/{owner}/{id}", "The model, where its name has a slash", "", JSON, "the model"},
    {"POST", "/v1/completions", "OpenAI's completions", "", JSON ",text/event-stream",
     "a completion, or chunks"},
    {"POST", "/v1/chat/completions", "OpenAI's chat completions", "", JSON ",text/event-stream",
     "a completion, or chunks"},
};
const size_t tempo_openapi_n_routes = sizeof(tempo_openapi_routes) / sizeof(*tempo_openapi_routes);

const tempo_openapi_route *tempo_openapi_find(const char *method, const char *path)
{
    for (size_t i = 0; i < tempo_openapi_n_routes; i++)
        if (strcmp(tempo_openapi_routes[i].method, method) == 0 &&
            strcmp(tempo_openapi_routes[i].path, path) == 0)
            return &tempo_openapi_routes[i];
    return NULL;
}

/* ---- by name ------------------------------------------------------------------------------ */

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
         "{\"type\": \"array\", \"maxItems\": 4, \"uniqueItems\": true, \"items\": {\"enum\": [\"isolated\", "
         "\"visible\", \"causal\", \"published\", \"published-nocache\"]}}"},
        {"given",
         "{\"type\": \"array\", \"items\": {\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": "
         "\"object\", \"required\": [\"id\", \"probability\"], \"properties\": {\"id\": {\"type\": "
         "\"integer\", \"minimum\": 0}, \"probability\": {\"type\": \"number\", \"exclusiveMinimum\": 0, "
         "\"maximum\": 1}}}}, \"description\": \"the first sets, not chosen by the model\"}"},
        {"record", "{\"type\": \"array\", \"items\": {\"enum\": [\"attention\"]}}"},
        {"tokens", "{\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 0}}"},
        {"visible-layers", "{\"type\": \"string\", \"pattern\": \"^[0-9]+-[0-9]+$\"}"},
        {"positions", "{\"type\": \"string\", \"pattern\": \"^(shared|unique|offset:[-+0-9.eE]+)$\"}"},
    };

    return find_named(list, sizeof(list) / sizeof(*list), field, strlen(field));
}

json_t *tempo_openapi_schemas(void)
{
    static const named list[] = {
        {"Error",
         "{\"type\": \"object\", \"required\": [\"error\"], \"properties\": {\"error\": {\"type\": "
         "\"object\", "
         "\"required\": [\"message\", \"type\", \"param\", \"code\"], \"properties\": {\"message\": "
         "{\"type\": "
         "\"string\"}, \"type\": {\"type\": \"string\"}, \"param\": {\"type\": [\"string\", \"null\"]}, "
         "\"code\": {\"type\": [\"string\", \"null\"]}}}}}"},
        {"Message",
         "{\"type\": \"object\", \"required\": [\"role\", \"content\"], \"properties\": {\"role\": "
         "{\"type\": "
         "\"string\"}, \"content\": {\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"array\"}]}}}"},
        {"Member",
         "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"integer\"}, \"text\": {\"type\": "
         "\"string\"}, \"bytes\": {\"type\": \"array\", \"items\": {\"type\": \"integer\"}}, "
         "\"probability\": {\"type\": \"number\"}, \"slot\": {\"type\": [\"integer\", \"null\"]}, "
         "\"position\": {\"type\": [\"number\", \"null\"]}}}"},
        {"Set",
         "{\"type\": \"object\", \"properties\": {\"arm\": {\"type\": \"string\"}, \"step\": {\"type\": "
         "\"integer\"}, \"position\": {\"type\": \"number\"}, \"threshold\": {\"type\": \"number\"}, "
         "\"entropy\": {\"type\": \"number\"}, \"reached\": {\"type\": \"integer\"}, \"capped\": {\"type\": "
         "\"boolean\"}, \"eos\": {\"type\": \"boolean\"}, \"given\": {\"type\": \"boolean\"}, "
         "\"stopped_by\": {\"enum\": [null, \"steps\", \"eos\", \"context\", \"slots\"]}, \"members\": "
         "{\"type\": \"array\", \"items\": {\"$ref\": \"#/components/schemas/Member\"}}}}"},
    };
    json_t *all = json_object();

    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        json_object_set_new(all, list[i].name, json_loads(list[i].json, 0, NULL));
    return all;
}
