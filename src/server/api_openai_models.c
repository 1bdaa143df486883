/* api_openai_models.c - GET /v1/models and /v1/models/{id}: there is one. */
#include <string.h>

#include "server/api_openai.h"

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
    const char *id = tempo_exchange_segment(x, "id");

    if (tempo_api_refuse_query(x, NULL, 0))
        return;
    if (strcmp(id, tempo_model_get_info(a->o.model)->name) == 0)
        tempo_api_reply_json(x, 200, tell_model(a));
    else
        tempo_exchange_error(x, 404, "id", "there is no model '%.64s' here", id);
}
