/* panel.h - quantised weights packed for the integer product: what the layout is.
 *
 * A panel holds TEMPO_PANEL outputs.  Along k it is a row of blocks of TEMPO_BLOCK elements; element k of
 * output o of a block is byte o * 4 + k % 4 of quad k / 4, so that a quad is 64 bytes: 16 outputs x 4
 * elements, which is what VNNI, AMX and SDOT multiply.  The eight quads of a block are kept in bit planes:
 *   8 bits   quads 0..7, signed; zero is what makes them unsigned
 *   4 bits   4 x 64 bytes: byte j holds quad j in its low half and quad j + 4 in its high half
 *   5 bits   the same, then 64 bytes: bit j is bit 4 of quad j
 *   6 bits   the same, then 2 x 64 bytes: bits 2 (j % 4) .. of the (j / 4)-th are bits 4, 5 of quad j
 * All quads of a panel come first, so that each begins a cache line; then, in the order of k, the scales,
 * for 16 outputs side by side:
 *   HALF      f16 d                       w = d (q - zero)
 *   HALF_MIN  f16 d, f16 m                w = d q + m
 *   K         every 256 elements f16 d, f16 dmin; every block u8 s, u8 n:  w = d s q - dmin n
 *   K16       every 256 elements f16 d; every block i8 s[2]: w = d s[k / 16] (q - zero)
 * A panel takes as many bytes as its rows in the file, K scales a little more (8 bits instead of 6).  */
#ifndef TEMPO_KERNELS_PANEL_H
#define TEMPO_KERNELS_PANEL_H
#include "kernels/kernels.h"

enum tempo_panel_scale { TEMPO_SCALE_HALF, TEMPO_SCALE_HALF_MIN, TEMPO_SCALE_K, TEMPO_SCALE_K16 };

typedef struct tempo_panel_kind {
    unsigned bits; /* of an element; 8 bits are signed, others not */
    enum tempo_panel_scale scale;
    int zero;
} tempo_panel_kind;

/* The packed types: PACKED(name, bits, scale, zero). */
#define TEMPO_PACKED_TYPES(PACKED)                                                                           \
    PACKED(Q8_0, 8, TEMPO_SCALE_HALF, 128)                                                                   \
    PACKED(Q4_0, 4, TEMPO_SCALE_HALF, 8)                                                                     \
    PACKED(Q4_1, 4, TEMPO_SCALE_HALF_MIN, 0)                                                                 \
    PACKED(Q5_0, 5, TEMPO_SCALE_HALF, 16)                                                                    \
    PACKED(Q5_1, 5, TEMPO_SCALE_HALF_MIN, 0)                                                                 \
    PACKED(Q4_K, 4, TEMPO_SCALE_K, 0)                                                                        \
    PACKED(Q5_K, 5, TEMPO_SCALE_K, 0)                                                                        \
    PACKED(Q6_K, 6, TEMPO_SCALE_K16, 32)

enum { TEMPO_SUPER = 256 }; /* elements of a super-block of the K types */

/* Bytes of the quads of one block. */
static inline size_t tempo_panel_quads(tempo_panel_kind t)
{
    return TEMPO_PANEL * TEMPO_BLOCK / 8 * (size_t)t.bits;
}

static inline bool tempo_panel_is_super(tempo_panel_kind t)
{
    return t.scale == TEMPO_SCALE_K || t.scale == TEMPO_SCALE_K16;
}

/* Bytes of the scales that precede every block, and those that precede every super-block. */
static inline size_t tempo_panel_block_scales(tempo_panel_kind t)
{
    return t.scale == TEMPO_SCALE_HALF ? TEMPO_PANEL * 2 : TEMPO_PANEL * (t.scale == TEMPO_SCALE_HALF_MIN ? 4 : 2);
}

static inline size_t tempo_panel_super_scales(tempo_panel_kind t)
{
    return t.scale == TEMPO_SCALE_K ? TEMPO_PANEL * 4 : t.scale == TEMPO_SCALE_K16 ? TEMPO_PANEL * 2 : 0;
}

static inline size_t tempo_panel_size(tempo_panel_kind t, size_t k)
{
    const size_t bytes = k / TEMPO_BLOCK * (tempo_panel_block_scales(t) + tempo_panel_quads(t)) +
                         k / TEMPO_SUPER * tempo_panel_super_scales(t);

    return (bytes + 63) & ~(size_t)63;
}

#endif
