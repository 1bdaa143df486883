/* fuzz_gguf.c - any bytes as a GGUF file: parse, then read every value and every byte of every tensor. */
#include <stdlib.h>
#include <string.h>

#include "io/gguf.h"

static uint64_t touch(const unsigned char *p, uint64_t n)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

static uint64_t read_value(const tempo_gguf *g, const char *key, const tempo_gguf_kv *kv)
{
    const tempo_gguf_kv *a;
    tempo_str s = {"", 0};
    uint64_t u = 0, cursor = 0, sum = 0;
    double f;
    bool b;

    if (tempo_gguf_u64(g, key, UINT64_MAX, &u, NULL) == TEMPO_OK)
        sum += u;
    if (tempo_gguf_f64(g, key, &f, NULL) == TEMPO_OK && f != f)
        abort(); /* promised finite */
    if (tempo_gguf_bool(g, key, &b, NULL) == TEMPO_OK)
        sum += b;
    if (tempo_gguf_str(g, key, &s, NULL) == TEMPO_OK)
        sum += touch((const unsigned char *)s.p, s.n);
    if (kv->type != TEMPO_GGUF_ARRAY || tempo_gguf_array(g, key, kv->elem, &a, NULL) != TEMPO_OK)
        return sum;
    for (uint64_t i = 0; i < a->count; i++) {
        if (a->elem == TEMPO_GGUF_STRING) {
            s = tempo_gguf_array_next_str(g, a, &cursor);
            sum += touch((const unsigned char *)s.p, s.n);
        } else if (a->elem == TEMPO_GGUF_F32 || a->elem == TEMPO_GGUF_F64) {
            sum += tempo_gguf_array_float(g, a, i) > 0;
        } else {
            sum += (uint64_t)tempo_gguf_array_int(g, a, i);
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint64_t sink = 0;
    tempo_err err = {0};
    tempo_gguf g;

    const tempo_status st = tempo_gguf_parse(&g, data, n, &err);
    if (st != TEMPO_OK) {
        if (err.code != st || err.msg[0] == '\0' || (err.offset != TEMPO_NO_OFFSET && err.offset > n))
            abort();
        return 0;
    }
    for (size_t i = 0; i < g.n_kv; i++) {
        char key[256];
        const size_t len = g.kv[i].key.n;
        if (len >= sizeof(key) || memchr(g.kv[i].key.p, 0, len) != NULL)
            continue;
        memcpy(key, g.kv[i].key.p, len);
        key[len] = '\0';
        if (tempo_gguf_find(&g, key) != &g.kv[i])
            abort();
        sink += read_value(&g, key, &g.kv[i]);
    }
    for (size_t i = 0; i < g.n_tensors; i++)
        sink += touch(g.base + g.tensors[i].offset, g.tensors[i].bytes);
    __asm__ volatile("" : : "r"(sink)); /* so that no read is optimised away */
    tempo_gguf_free(&g);
    return 0;
}
