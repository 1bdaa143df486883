/* models.c - GET /v1/models and /v1/models/{id}: there is one. */
#include <stdio.h>
#include <string.h>

#include "server/api/openai/openai.h"

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

void tempo_api_list_models(void *user, tempo_exchange *x)
{
    if (!tempo_api_refuse_query(x, NULL, 0))
        tempo_api_reply_json(x, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", tell_model(user)));
}

void tempo_api_get_model(void *user, tempo_exchange *x)
{
    const tempo_api *a = user;
    const char *owner = tempo_exchange_segment(x, "owner"); /* "" in the route without it */
    char id[512];

    if (tempo_api_refuse_query(x, NULL, 0))
        return;
    const int n =
        snprintf(id, sizeof(id), "%s%s%s", owner, *owner != '\0' ? "/" : "", tempo_exchange_segment(x, "id"));
    if (n > 0 && (size_t)n < sizeof(id) && tempo_oai_is_model(a, id))
        tempo_api_reply_json(x, 200, tell_model(a));
    else
        tempo_exchange_error_code(x, 404, "id", "model_not_found", "there is no model '%.64s' here", id);
}
