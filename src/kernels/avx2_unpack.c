/* avx2_unpack.c - from a file's blocks to floats with AVX2.  unpack.c says what the layouts are, unpack.h why
 * the bits are the same. */
#include "kernels/avx2.h"
#include "kernels/unpack.h"

/* Sixteen signed bytes q: dst = d q. */
static inline void store16_signed(float *dst, __m128i q, __m256 d)
{
    _mm256_storeu_ps(dst, _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q))));
    _mm256_storeu_ps(dst + 8,
                     _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(q, 8)))));
}

/* Eight unsigned bytes as floats. */
static inline __m256 from_u8(__m128i v)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v));
}

/* Sixteen unsigned bytes q: dst = d q + m.  d q is exact, so the fused product rounds like the plain one. */
static inline void store16(float *dst, __m128i q, __m256 d, __m256 m)
{
    _mm256_storeu_ps(dst, _mm256_fmadd_ps(from_u8(q), d, m));
    _mm256_storeu_ps(dst + 8, _mm256_fmadd_ps(from_u8(_mm_srli_si128(q, 8)), d, m));
}

static inline __m128i load16(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i low_nibbles(__m128i q)
{
    return _mm_and_si128(q, _mm_set1_epi8(15));
}

static inline __m128i high_nibbles(__m128i q)
{
    return low_nibbles(_mm_srli_epi16(q, 4));
}

void tempo_avx2_unpack_F32(float *dst, const void *src, size_t n)
{
    memcpy(dst, src, n * sizeof(float));
}

void tempo_avx2_unpack_F16(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(load16(p + 2 * i)));
    for (; i < n; i++)
        dst[i] = tempo_load_f16(p + 2 * i);
}

void tempo_avx2_unpack_BF16(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
            dst + i, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p + 2 * i)), 16)));
    for (; i < n; i++)
        dst[i] = tempo_bf16_to_float(tempo_load_u16(p + 2 * i));
}

void tempo_avx2_unpack_Q8_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 34) {
        const __m256 d = _mm256_set1_ps(tempo_load_f16(p));
        store16_signed(dst, load16(p + 2), d);
        store16_signed(dst + 16, load16(p + 18), d);
    }
}

void tempo_avx2_unpack_Q4_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 18) {
        const __m256 d = _mm256_set1_ps(tempo_load_f16(p));
        const __m128i q = load16(p + 2), middle = _mm_set1_epi8(8);
        store16_signed(dst, _mm_sub_epi8(low_nibbles(q), middle), d);
        store16_signed(dst + 16, _mm_sub_epi8(high_nibbles(q), middle), d);
    }
}

void tempo_avx2_unpack_Q4_1(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 20) {
        const __m256 d = _mm256_set1_ps(tempo_load_f16(p)), m = _mm256_set1_ps(tempo_load_f16(p + 2));
        const __m128i q = load16(p + 4);
        store16(dst, low_nibbles(q), d, m);
        store16(dst + 16, high_nibbles(q), d, m);
    }
}

/* Bytes of 16 where bit i of the 16 is set, else 0. */
static inline __m128i bits_to_16(const unsigned char *bits)
{
    const __m128i spread = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m128i bit = _mm_set1_epi64x((long long)0x8040201008040201u);
    const __m128i v = _mm_shuffle_epi8(_mm_cvtsi32_si128(tempo_load_u16(bits)), spread);

    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(v, bit), bit), _mm_set1_epi8(16));
}

void tempo_avx2_unpack_Q5_0(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 22) {
        const __m256 d = _mm256_set1_ps(tempo_load_f16(p));
        const __m128i q = load16(p + 6), middle = _mm_set1_epi8(16);
        store16_signed(dst, _mm_sub_epi8(_mm_or_si128(low_nibbles(q), bits_to_16(p + 2)), middle), d);
        store16_signed(dst + 16, _mm_sub_epi8(_mm_or_si128(high_nibbles(q), bits_to_16(p + 4)), middle), d);
    }
}

void tempo_avx2_unpack_Q5_1(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 32, dst += 32, p += 24) {
        const __m256 d = _mm256_set1_ps(tempo_load_f16(p)), m = _mm256_set1_ps(tempo_load_f16(p + 2));
        const __m128i q = load16(p + 8);
        store16(dst, _mm_or_si128(low_nibbles(q), bits_to_16(p + 4)), d, m);
        store16(dst + 16, _mm_or_si128(high_nibbles(q), bits_to_16(p + 6)), d, m);
    }
}

/* Scale and minus the minimum of group j of a Q4_K or Q5_K block. */
static inline void group_scale(const unsigned char *p, unsigned j, __m256 *d, __m256 *m)
{
    unsigned scale, min;

    tempo_load_scale_min(p + 4, j, &scale, &min);
    *d = _mm256_set1_ps(tempo_load_f16(p) * (float)scale);
    *m = _mm256_set1_ps(-(tempo_load_f16(p + 2) * (float)min));
}

void tempo_avx2_unpack_Q4_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 144) {
        for (unsigned j = 0; j < 8; j++, dst += 32) {
            const unsigned char *q = p + 16 + j / 2 * 32;
            __m256 d, m;
            group_scale(p, j, &d, &m);
            for (unsigned i = 0; i < 32; i += 16) {
                const __m128i v = load16(q + i);
                store16(dst + i, j % 2 == 0 ? low_nibbles(v) : high_nibbles(v), d, m);
            }
        }
    }
}

void tempo_avx2_unpack_Q5_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 176) {
        for (unsigned j = 0; j < 8; j++, dst += 32) {
            const unsigned char *high = p + 16, *q = p + 48 + j / 2 * 32;
            const __m128i bit = _mm_set1_epi8((char)(1u << j));
            __m256 d, m;
            group_scale(p, j, &d, &m);
            for (unsigned i = 0; i < 32; i += 16) {
                const __m128i v = load16(q + i);
                const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(load16(high + i), bit), bit);
                store16(dst + i,
                        _mm_or_si128(j % 2 == 0 ? low_nibbles(v) : high_nibbles(v),
                                     _mm_and_si128(set, _mm_set1_epi8(16))),
                        d, m);
            }
        }
    }
}

void tempo_avx2_unpack_Q6_K(float *dst, const void *src, size_t n)
{
    const unsigned char *p = src;

    for (; n > 0; n -= 256, p += 210) {
        const float d = tempo_load_f16(p + 208);
        for (unsigned g = 0; g < 8; g++, dst += 32) {
            const unsigned half = g / 4, j = g % 4;
            const unsigned char *ql = p + half * 64 + j % 2 * 32, *qh = p + 128 + half * 32;
            const __m128i shift = _mm_cvtsi32_si128((int)(2 * j));
            for (unsigned i = 0; i < 32; i += 16) {
                const float ds = d * (float)(int8_t)p[192 + half * 8 + j * 2 + i / 16];
                const __m128i v = load16(ql + i), low = j < 2 ? low_nibbles(v) : high_nibbles(v);
                const __m128i high = _mm_and_si128(_mm_srl_epi16(load16(qh + i), shift), _mm_set1_epi8(3));
                const __m128i q = _mm_or_si128(low, _mm_slli_epi16(high, 4));
                store16_signed(dst + i, _mm_sub_epi8(q, _mm_set1_epi8(32)), _mm256_set1_ps(ds));
            }
        }
    }
}
