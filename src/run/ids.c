#include "run/ids.h"

#include <stdlib.h>
#include <string.h>

bool tempo_ids_push(tempo_ids *ids, int32_t id)
{
    if (ids->n == ids->cap) {
        const size_t cap = ids->cap == 0 ? 64 : 2 * ids->cap;
        int32_t *p = realloc(ids->p, cap * sizeof(*p));
        if (p == NULL)
            return false;
        ids->p = p;
        ids->cap = cap;
    }
    ids->p[ids->n++] = id;
    return true;
}

static bool is_token(const tempo_tokenizer *t, int32_t id, const char *text, size_t n)
{
    size_t len = 0;
    const char *bytes = tempo_token_bytes(t, id, &len);

    return len == n && memcmp(bytes, text, n) == 0;
}

tempo_status tempo_token_named(int32_t *id, const tempo_model *m, const char *text, size_t n, tempo_err *err)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(m);
    const uint32_t vocab = tempo_model_get_info(m)->n_vocab;
    int32_t *ids = NULL;
    size_t n_ids = 0;
    tempo_status st = tempo_model_check_text(m, err);

    *id = -1;
    if (st != TEMPO_OK)
        return st;
    st = tempo_tokenize(t, text, n, TEMPO_TOKENIZE_NO_BOS | TEMPO_TOKENIZE_NO_SPECIAL, &ids, &n_ids, err);
    if (st != TEMPO_OK)
        return st;
    if (n_ids == 1 && is_token(t, ids[0], text, n))
        *id = ids[0];
    for (uint32_t i = 0; i < vocab && *id < 0; i++)
        *id = is_token(t, (int32_t)i, text, n) ? (int32_t)i : -1;
    tempo_free(ids);
    if (*id >= 0)
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "'%.*s' is no token of the model, but %zu: expected the text of one, with the space in "
                      "front of it",
                      n < 64 ? (int)n : 64, text, n_ids);
}
