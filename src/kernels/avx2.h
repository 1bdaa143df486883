/* avx2.h - what the AVX2 files share.  Only for files compiled with -mavx2 -mfma -mf16c. */
#ifndef TEMPO_KERNELS_AVX2_H
#define TEMPO_KERNELS_AVX2_H
#if defined(__x86_64__) && defined(__AVX2__)
#include <immintrin.h>

#include "kernels/kernels.h"

/* Unpacking bodies for every element type (F32 is never asked for by the matrix product). */
#define DTYPE(name, ggml, len, bytes) void tempo_avx2_unpack_##name(float *dst, const void *src, size_t n);
#include "base/dtype.inc"
#undef DTYPE

/* Lanes 0 .. n-1 of eight, n <= 8, as a mask for maskload and maskstore. */
static inline __m256i tempo_avx2_mask(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline float tempo_avx2_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

#endif
#endif
