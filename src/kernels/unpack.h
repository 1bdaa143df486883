/* unpack.h - reading the fields of a file's blocks, and the bodies that tempo_unpack lists. */
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

/* Scale j of the sixteen that Q3_K packs into 12 bytes of 6-bit fields: from -32 to 31. */
static inline int tempo_load_scale_6(const unsigned char *s, unsigned j)
{
    return (int)((s[j % 8] >> j / 8 * 4 & 15u) | (s[8 + j % 4] >> j / 4 * 2 & 3u) << 4) - 32;
}

/* Scale j of the eight of IQ4_XS: from -32 to 31; s: where its super-block begins. */
static inline int tempo_load_scale_iq4(const unsigned char *s, unsigned j)
{
    return (int)((s[4 + j / 2] >> j % 2 * 4 & 15u) | (tempo_load_u16(s + 2) >> 2 * j & 3u) << 4) - 32;
}

/* What the sixteen numbers of IQ4_NL and IQ4_XS, and those of MXFP4 and NVFP4 (twice E2M1), stand for. */
extern const int8_t tempo_values_iq4[16], tempo_values_fp4[16];
/* Entries of the types below: levels, then negative ones; IQ2's and IQ1's are the first eight. */
extern const int8_t tempo_values_iq2[16], tempo_values_iq3_xxs[16], tempo_values_iq3_s[16], tempo_values_iq1[16];

/* A block of 32 elements of a type of codewords or of three levels. */
typedef struct tempo_codes {
    uint32_t number[8]; /* of entries, a byte each, the first lowest; of TQ types 1 more than what is meant */
    int scale[2];       /* of each half */
} tempo_codes;

/* Block g of the super-block at p; false: no such type.  And the bits of the super-block's d. */
bool tempo_load_codes(tempo_codes *c, tempo_dtype type, const unsigned char *p, unsigned g);
uint16_t tempo_load_codes_d(tempo_dtype type, const unsigned char *p);
/* Half of a scale of NVFP4; exact as 16-bit float, too. */
float tempo_load_half_e4m3(unsigned char x);

#define DTYPE(name, ggml, len, bytes) void tempo_unpack_##name(float *dst, const void *src, size_t n);
#include "base/dtype.inc"
#undef DTYPE

#endif
