#include "token/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "token/token.h"

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a vocabulary");
}

/* FNV-1a; an adversary's collisions cost time, bounded by the table's half-empty probes. */
static uint32_t hash(const char *s, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}

tempo_status tempo_vocab_init(tempo_vocab *v, uint32_t n, tempo_err *err)
{
    uint32_t size = 16;

    *v = (tempo_vocab){0};
    while (size < 2 * n) /* n <= 2^22 */
        size *= 2;
    v->tokens = calloc((size_t)n + 1, sizeof(*v->tokens));
    v->map = calloc(size, sizeof(*v->map));
    v->text_cap = 256;
    v->text = malloc(v->text_cap);
    if (v->tokens == NULL || v->map == NULL || v->text == NULL) {
        tempo_vocab_free(v);
        return out_of_memory(err);
    }
    v->map_mask = size - 1;
    v->n = n;
    return TEMPO_OK;
}

void tempo_vocab_free(tempo_vocab *v)
{
    free(v->tokens);
    free(v->map);
    free(v->text);
    *v = (tempo_vocab){0};
}

/* The entry of the map that holds the piece as one of these types, or the empty one where it belongs. */
static uint32_t *probe(const tempo_vocab *v, const char *piece, size_t n, unsigned types)
{
    for (uint32_t i = hash(piece, n) & v->map_mask;; i = (i + 1) & v->map_mask) {
        size_t len;
        if (v->map[i] == 0)
            return &v->map[i];
        const char *p = tempo_vocab_piece(v, v->map[i] - 1, &len);
        if (len == n && (types & TEMPO_TYPE_BIT(v->tokens[v->map[i] - 1].type)) != 0 &&
            memcmp(p, piece, n) == 0)
            return &v->map[i];
    }
}

int32_t tempo_vocab_find(const tempo_vocab *v, const char *piece, size_t n)
{
    return tempo_vocab_find_typed(v, piece, n, ~0u);
}

int32_t tempo_vocab_find_typed(const tempo_vocab *v, const char *piece, size_t n, unsigned types)
{
    return (int32_t)*probe(v, piece, n, types) - 1;
}

static bool append(tempo_vocab *v, const char *s, size_t n, size_t *at)
{
    if (n > v->text_cap - v->text_len) {
        const size_t cap = 2 * v->text_cap + n;
        char *p = realloc(v->text, cap);
        if (p == NULL)
            return false;
        v->text = p;
        v->text_cap = cap;
    }
    memcpy(v->text + v->text_len, s, n);
    *at = v->text_len;
    v->text_len += n;
    return true;
}

tempo_status tempo_vocab_set(tempo_vocab *v, uint32_t id, tempo_token_type type, const char *piece,
                             size_t piece_len, const char *bytes, size_t bytes_len, tempo_err *err)
{
    tempo_token *t = &v->tokens[id];

    if (piece_len > TEMPO_MAX_TOKEN_BYTES || bytes_len > TEMPO_MAX_TOKEN_BYTES)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "token %u is %zu bytes long, the limit is %d",
                          id, piece_len > bytes_len ? piece_len : bytes_len, TEMPO_MAX_TOKEN_BYTES);
    t->type = (uint8_t)type;
    t->piece_len = (uint32_t)piece_len;
    t->bytes_len = (uint32_t)bytes_len;
    if (!append(v, piece, piece_len, &t->piece))
        return out_of_memory(err);
    t->bytes = t->piece;
    const bool same = piece_len == bytes_len && memcmp(piece, bytes, bytes_len) == 0;
    if (!same && !append(v, bytes, bytes_len, &t->bytes))
        return out_of_memory(err);
    uint32_t *entry = probe(v, piece, piece_len, TEMPO_TYPE_BIT(type));
    if (*entry == 0)
        *entry = id + 1;
    return TEMPO_OK;
}
