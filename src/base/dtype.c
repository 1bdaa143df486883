#include "base/dtype.h"

#include <assert.h>
#include <string.h>

static const tempo_dtype_info table[TEMPO_DTYPE_COUNT] = {
#define DTYPE(name, ggml, len, bytes) [TEMPO_##name] = {#name, ggml, len, bytes},
#include "base/dtype.inc"
#undef DTYPE
};

const tempo_dtype_info *tempo_dtype_get(tempo_dtype t)
{
    assert((unsigned)t < TEMPO_DTYPE_COUNT);
    return &table[t];
}

tempo_dtype tempo_dtype_from_ggml(uint32_t code)
{
    size_t t = 0;

    while (t < TEMPO_DTYPE_COUNT && (table[t].ggml != code || code == TEMPO_NO_GGML))
        t++;
    return (tempo_dtype)t;
}

tempo_dtype tempo_dtype_from_name(const char *name, size_t n)
{
    size_t t = 0;

    while (t < TEMPO_DTYPE_COUNT && (strlen(table[t].name) != n || memcmp(table[t].name, name, n) != 0))
        t++;
    return (tempo_dtype)t;
}
