/* panel.h - quantised weights packed for the integer product: what the layout is.
 *
 * A panel holds TEMPO_PANEL outputs.  Along k it is a row of blocks of TEMPO_BLOCK elements; element k of
 * output o of a block is byte o * 4 + k % 4 of quad k / 4, so that a quad is 64 bytes: 16 outputs x 4
 * elements, which is what VNNI, AMX and SDOT multiply.  The eight quads of a block are kept in bit planes:
 *   8 bits   quads 0..7, signed; zero is what makes them unsigned
 *   2 bits   2 x 64 bytes: bits 2 (j % 4) .. of the (j / 4)-th are quad j
 *   3 bits   3 x 64 bytes: bits 3 (j % 2) .. of the (j / 2)-th are quad j < 6; bits 6, 7 of the first two are the lower
 *            bits of quads 6 and 7, bit 6 of the third the upper one of quad 6, bit 7 that of quad 7
 *   4 bits   4 x 64 bytes: byte j holds quad j in its low half and quad j + 4 in its high half
 *   5 bits   the same, then 64 bytes: bit j is bit 4 of quad j
 *   6 bits   the same, then 2 x 64 bytes: bits 2 (j % 4) .. of the (j / 4)-th are bits 4, 5 of quad j
 * The 4 bits of a type with a table (values) are numbers of its entries, which are signed bytes: q is the entry.
 * All quads of a panel come first, so that each begins a cache line; then, in the order of k, the scales,
 * for 16 outputs side by side:
 *   HALF      f16 d                       w = d (q - zero)
 *   HALF_MIN  f16 d, f16 m                w = d q + m
 *   K         every 256 elements f16 d, f16 dmin; every block u8 s, u8 n:  w = d s q - dmin n
 *   K16       every 256 elements f16 d; every block i8 s[2]: w = d s[k / 16] (q - zero)
 *   K16_MIN   every 256 elements f16 d, f16 dmin; every block u8 b[2], s = b % 16, n = b / 16:
 *             w = d s[k / 16] q - dmin n[k / 16]
 *   K8        every 256 elements f16 d; every block i8 s: w = d s q
 *   POWER     every block u8 e: w = 2^(e - 128) q, 0 for e < 2
 *   HALF16    every block f16 d[2]: w = d[k / 16] q
 * d of IQ1 and IQ2 types is times 1/8, of IQ3_XXS 1/4: what their scales are fractions of.
 * A panel takes as many bytes as its rows in the file, K scales a little more (8 bits instead of 6).  Codewords
 * are not kept as such: types of 1.6 to 3.4 bits take 3.3 (IQ1, IQ2; 3.6 with a scale for each 16), 4.3 (IQ3) and 2.3 (TQ) here. */
#ifndef TEMPO_KERNELS_PANEL_H
#define TEMPO_KERNELS_PANEL_H
#include "kernels/kernels.h"

enum tempo_panel_scale {
    TEMPO_SCALE_HALF,
    TEMPO_SCALE_HALF_MIN,
    TEMPO_SCALE_K,
    TEMPO_SCALE_K16,
    TEMPO_SCALE_K16_MIN,
    TEMPO_SCALE_K8,
    TEMPO_SCALE_POWER,
    TEMPO_SCALE_HALF16,
};

/* What the numbers of a type stand for: themselves, or entries of tempo_values_iq4 and the others of unpack.h. */
enum tempo_panel_values {
    TEMPO_VALUES_NONE,
    TEMPO_VALUES_IQ4,
    TEMPO_VALUES_FP4,
    TEMPO_VALUES_IQ1,
    TEMPO_VALUES_IQ2,
    TEMPO_VALUES_IQ3_XXS,
    TEMPO_VALUES_IQ3_S,
};

typedef struct tempo_panel_kind {
    unsigned bits; /* of an element; 8 bits and entries of tables are signed, others not */
    enum tempo_panel_scale scale;
    int zero;
    enum tempo_panel_values values;
} tempo_panel_kind;

/* The packed types: PACKED(name, bits, scale, zero, values).  Those that differ in their table alone share their products,
 * SHARED(bits, scale, zero): compiling them takes long enough. */
#define TEMPO_OWN_TYPES(PACKED)                                                                              \
    PACKED(Q8_0, 8, TEMPO_SCALE_HALF, 128, TEMPO_VALUES_NONE)                                                \
    PACKED(Q4_0, 4, TEMPO_SCALE_HALF, 8, TEMPO_VALUES_NONE)                                                  \
    PACKED(Q4_1, 4, TEMPO_SCALE_HALF_MIN, 0, TEMPO_VALUES_NONE)                                              \
    PACKED(Q5_0, 5, TEMPO_SCALE_HALF, 16, TEMPO_VALUES_NONE)                                                 \
    PACKED(Q5_1, 5, TEMPO_SCALE_HALF_MIN, 0, TEMPO_VALUES_NONE)                                              \
    PACKED(Q2_K, 2, TEMPO_SCALE_K16_MIN, 0, TEMPO_VALUES_NONE)                                               \
    PACKED(Q3_K, 3, TEMPO_SCALE_K16, 4, TEMPO_VALUES_NONE)                                                   \
    PACKED(Q4_K, 4, TEMPO_SCALE_K, 0, TEMPO_VALUES_NONE)                                                     \
    PACKED(Q5_K, 5, TEMPO_SCALE_K, 0, TEMPO_VALUES_NONE)                                                     \
    PACKED(Q6_K, 6, TEMPO_SCALE_K16, 32, TEMPO_VALUES_NONE)                                                  \
    PACKED(IQ4_NL, 4, TEMPO_SCALE_HALF, 128, TEMPO_VALUES_IQ4)                                               \
    PACKED(MXFP4, 4, TEMPO_SCALE_POWER, 128, TEMPO_VALUES_FP4)                                               \
    PACKED(NVFP4, 4, TEMPO_SCALE_HALF16, 128, TEMPO_VALUES_FP4)
#define TEMPO_SHARING_TYPES(PACKED)                                                                          \
    PACKED(IQ4_XS, 4, TEMPO_SCALE_K8, 128, TEMPO_VALUES_IQ4)                                                 \
    PACKED(IQ3_XXS, 4, TEMPO_SCALE_K8, 128, TEMPO_VALUES_IQ3_XXS)                                            \
    PACKED(IQ3_S, 4, TEMPO_SCALE_K8, 128, TEMPO_VALUES_IQ3_S)                                                \
    PACKED(IQ2_XXS, 3, TEMPO_SCALE_K8, 128, TEMPO_VALUES_IQ2)                                                \
    PACKED(IQ1_S, 3, TEMPO_SCALE_K8, 128, TEMPO_VALUES_IQ1)                                                  \
    PACKED(IQ2_XS, 3, TEMPO_SCALE_K16, 128, TEMPO_VALUES_IQ2)                                                \
    PACKED(IQ2_S, 3, TEMPO_SCALE_K16, 128, TEMPO_VALUES_IQ2)                                                 \
    PACKED(IQ1_M, 3, TEMPO_SCALE_K16, 128, TEMPO_VALUES_IQ1)                                                 \
    PACKED(TQ1_0, 2, TEMPO_SCALE_K8, 1, TEMPO_VALUES_NONE)                                                   \
    PACKED(TQ2_0, 2, TEMPO_SCALE_K8, 1, TEMPO_VALUES_NONE)
#define TEMPO_PACKED_TYPES(PACKED)                                                                           \
    TEMPO_OWN_TYPES(PACKED) TEMPO_SHARING_TYPES(PACKED)
#define TEMPO_SHARED_PRODUCTS(SHARED)                                                                        \
    SHARED(4, TEMPO_SCALE_K8, 128) SHARED(3, TEMPO_SCALE_K8, 128) SHARED(3, TEMPO_SCALE_K16, 128)            \
    SHARED(2, TEMPO_SCALE_K8, 1)

enum { TEMPO_SUPER = 256 }; /* elements of a super-block of the K types */

/* Bytes of the quads of one block. */
static inline size_t tempo_panel_quads(tempo_panel_kind t)
{
    return TEMPO_PANEL * TEMPO_BLOCK / 8 * (size_t)t.bits;
}

/* Bytes of the scales that precede every block, and those that precede every super-block. */
static inline size_t tempo_panel_block_scales(tempo_panel_kind t)
{
    switch (t.scale) {
    case TEMPO_SCALE_HALF_MIN:
    case TEMPO_SCALE_HALF16:
        return TEMPO_PANEL * 4;
    case TEMPO_SCALE_K8:
    case TEMPO_SCALE_POWER:
        return TEMPO_PANEL;
    default:
        return TEMPO_PANEL * 2;
    }
}

static inline size_t tempo_panel_super_scales(tempo_panel_kind t)
{
    switch (t.scale) {
    case TEMPO_SCALE_K:
    case TEMPO_SCALE_K16_MIN:
        return TEMPO_PANEL * 4;
    case TEMPO_SCALE_K16:
    case TEMPO_SCALE_K8:
        return TEMPO_PANEL * 2;
    default:
        return 0;
    }
}

static inline bool tempo_panel_is_super(tempo_panel_kind t)
{
    return tempo_panel_super_scales(t) > 0;
}

/* Whether the halves of a block have scales of their own. */
static inline bool tempo_panel_has_halves(tempo_panel_kind t)
{
    return t.scale == TEMPO_SCALE_K16 || t.scale == TEMPO_SCALE_K16_MIN || t.scale == TEMPO_SCALE_HALF16;
}

/* Whether its numbers are entries of a table. */
static inline bool tempo_panel_has_table(tempo_panel_kind t)
{
    return t.bits < 8 && t.zero == 128;
}

/* What the scale of a super-block is times. */
static inline float tempo_panel_unit(tempo_panel_kind t)
{
    switch (t.values) {
    case TEMPO_VALUES_IQ1:
    case TEMPO_VALUES_IQ2:
        return 0.125f;
    case TEMPO_VALUES_IQ3_XXS:
        return 0.25f;
    default:
        return 1.0f;
    }
}

static inline size_t tempo_panel_size(tempo_panel_kind t, size_t k)
{
    const size_t bytes = k / TEMPO_BLOCK * (tempo_panel_block_scales(t) + tempo_panel_quads(t)) +
                         k / TEMPO_SUPER * tempo_panel_super_scales(t);

    return (bytes + 63) & ~(size_t)63;
}

#endif
