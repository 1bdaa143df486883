/* unpack.h - reading the fields of a file's blocks. */
#ifndef TEMPO_KERNELS_UNPACK_H
#define TEMPO_KERNELS_UNPACK_H
#include <string.h>

#include "base/half.h"
#include "kernels/kernels.h"

/* Two bytes of a file: blocks need not be aligned. */
static inline uint16_t tempo_load_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline float tempo_load_f16(const unsigned char *p) { return tempo_f16_to_float(tempo_load_u16(p)); }

/* Scale and minimum number j of the eight that Q4_K and Q5_K pack into 12 bytes of 6-bit fields. */
static inline void tempo_load_scale_min(const unsigned char *s, unsigned j, unsigned *scale, unsigned *min)
{
    if (j < 4) {
        *scale = s[j] & 63u;
        *min = s[j + 4] & 63u;
    } else {
        *scale = (s[j + 4] & 15u) | (unsigned)(s[j - 4] >> 6 << 4);
        *min = (unsigned)(s[j + 4] >> 4) | (unsigned)(s[j] >> 6 << 4);
    }
}

#endif
