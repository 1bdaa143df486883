/* fuzz_safetensors.c - any bytes as a safetensors file: parse, then read every byte of every tensor. */
#include <stdlib.h>

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint64_t sink = 0;
    tempo_err err = {0};
    tempo_safetensors s;
    uint64_t covered = 0;

    const tempo_status st = tempo_safetensors_parse(&s, data, n, &err);
    if (st != TEMPO_OK) {
        if (err.code != st || err.msg[0] == '\0' || (err.offset != TEMPO_NO_OFFSET && err.offset > n))
            abort();
        return 0;
    }
    for (size_t i = 0; i < s.n_tensors; i++) {
        const tempo_safetensor *t = &s.tensors[i];
        if (tempo_safetensors_find(&s, t->name) != t)
            abort();
        for (uint64_t k = 0; k < t->bytes; k++)
            sink += s.base[t->offset + k];
        covered += t->bytes;
    }
    if (s.n_tensors > 0 && covered >= n) /* the header is not a tensor's */
        abort();
    __asm__ volatile("" : : "r"(sink)); /* so that no read is optimised away */
    tempo_safetensors_free(&s);
    return 0;
}
