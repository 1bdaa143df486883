/* models.c - GET /v1/models and /v1/models/{id}: there is one. */
#include <stdio.h>
#include <string.h>

#include "server/api/openai/openai.h"
#include "server/api/route.h"

bool tempo_oai_is_model(const tempo_api *a, const char *name)
{
    const tempo_model_info *m = tempo_model_get_info(a->o.model);
    const char *slash = strrchr(m->path, '/');

    return strcmp(name, m->name) == 0 || strcmp(name, "tempo") == 0 ||
           strcmp(name, slash != NULL ? slash + 1 : m->path) == 0;
}

static json_t *tell_model(const tempo_api *a)
{
    return json_pack("{s:o, s:s, s:I, s:s}", "id", tempo_oai_model_name(a), "object", "model", "created",
                     (json_int_t)a->created, "owned_by", "tempo");
}

static void list_models(void *user, tempo_exchange *x)
{
    tempo_api_reply_json(x, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", tell_model(user)));
}

static void get_model(void *user, tempo_exchange *x)
{
    const tempo_api *a = user;
    const char *owner = tempo_exchange_segment(x, "owner"); /* "" in the route without it */
    char id[512];

    const int n =
        snprintf(id, sizeof(id), "%s%s%s", owner, *owner != '\0' ? "/" : "", tempo_exchange_segment(x, "id"));
    if (n > 0 && (size_t)n < sizeof(id) && tempo_oai_is_model(a, id))
        tempo_api_reply_json(x, 200, tell_model(a));
    else
        tempo_exchange_error_code(x, 404, "id", "model_not_found", "there is no model '%.64s' here", id);
}

static const tempo_api_route routes[] = {
    {.method = "GET",
     .path = "/v1/models",
     .handle = list_models,
     .query = "",
     .summary = "The model, as OpenAI lists them",
     .answer = "a list of one",
     .type = "ModelList"},
    {.method = "GET",
     .path = "/v1/models/{id}",
     .handle = get_model,
     .query = "",
     .summary = "The model",
     .answer = "the model",
     .type = "Model"},
    {.method = "GET",
     .path = "/v1/models/{owner}/{id}", /* names such as "Qwen/Qwen2.5" */
     .handle = get_model,
     .query = "",
     .summary = "The model, where its name has a slash",
     .answer = "the model",
     .type = "Model"},
};

static const tempo_api_type types[] = {
    {"Model", "{id: string, object: 'model', created: integer, owned_by: string}"},
    {"ModelList", "{object: 'list', data: Model[]}"},
};

TEMPO_API_RESOURCE(models, routes, types)
