/* tokens.c - tokens as requests name them: by text or by id. */
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "server/api/lens/looking.h"

static bool read_token(const tempo_api *a, const json_t *v, const char *param, size_t i, int32_t *id,
                       tempo_api_problem *p)
{
    const uint32_t vocab = tempo_model_get_info(a->o.model)->n_vocab;
    tempo_err err = {0};

    if (json_is_integer(v)) {
        const json_int_t x = json_integer_value(v);
        if (x < 0 || x >= (json_int_t)vocab)
            return tempo_api_refuse_code(p, 400, param, "invalid_value",
                                         "[%zu]: %lld is not a token id from 0 to %u", i, (long long)x,
                                         vocab - 1);
        *id = (int32_t)x;
        return true;
    }
    if (!json_is_string(v) || json_string_length(v) == 0)
        return tempo_api_refuse_code(p, 400, param, "invalid_type",
                                     "[%zu] is %s, expected the text of a token or its id", i,
                                     json_is_string(v) ? "an empty string" : tempo_json_type_name(v));
    if (tempo_token_named(id, a->o.model, json_string_value(v), json_string_length(v), &err) == TEMPO_OK)
        return true;
    return tempo_api_refuse(p, err.code == TEMPO_E_NOMEM ? 500 : 400, param, "[%zu]: %s%s", i, err.msg,
                            err.code == TEMPO_E_NOTFOUND ? ", or an id" : "");
}

bool tempo_api_read_tokens(const tempo_api *a, const json_t *list, const char *param, size_t least,
                           size_t most, int32_t **ids, size_t *n, tempo_api_problem *p)
{
    const size_t size = json_array_size(list);
    const json_t *v;
    size_t i;

    *ids = NULL;
    *n = 0;
    if (size < least || size > most)
        return tempo_api_refuse_code(p, 400, param, "invalid_value", "%zu tokens, expected %zu to %zu", size,
                                     least, most);
    if ((*ids = malloc((size + 1) * sizeof(**ids))) == NULL)
        return tempo_api_refuse(p, 500, param, "out of memory");
    json_array_foreach(list, i, v)
    {
        if (!read_token(a, v, param, i, &(*ids)[i], p)) {
            free(*ids);
            *ids = NULL;
            return false;
        }
    }
    *n = size;
    return true;
}
