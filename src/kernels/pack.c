/* pack.c - from the blocks of a file to panels.  panel.h says where everything goes, unpack.c what the
 * blocks are.  Runs once per model, at about the speed of memory: four elements of a byte each at a time. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/unpack.h"

enum { QUADS = TEMPO_BLOCK / 4, QUAD_BYTES = TEMPO_PANEL * 4 };

#define LOW_HALVES 0x0f0f0f0fu

static uint32_t load4(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store4(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
    p[2] = (unsigned char)(v >> 16);
    p[3] = (unsigned char)(v >> 24);
}

/* Bit 4 i + j of 32 becomes bit i of byte j: the fifth bits of Q5_0 and Q5_1 as a plane. */
static uint32_t every_fourth(uint32_t bits)
{
    uint32_t plane = 0;

    for (unsigned j = 0; j < 4; j++) {
        uint32_t v = bits >> j & 0x11111111u;
        v = (v | v >> 3) & 0x03030303u;
        v = (v | v >> 6) & 0x000f000fu;
        plane |= ((v | v >> 12) & 0xffu) << 8 * j;
    }
    return plane;
}

/* One output's share of a block: where its quads go is q (quad j at q + j * QUAD_BYTES). */

static void pack_nibbles(unsigned char *q, const unsigned char *src)
{
    for (unsigned j = 0; j < QUADS / 2; j++) /* elements i and i + 16 share a byte in the file too */
        memcpy(q + j * QUAD_BYTES, src + 4 * j, 4);
}

/* The same where blocks 2 g and 2 g + 1 share bytes: those of the file's K types. */
static void pack_half(unsigned char *q, const unsigned char *src, bool high)
{
    for (unsigned j = 0; j < QUADS / 2; j++) {
        const uint32_t a = load4(src + 4 * j) >> 4 * high, b = load4(src + 16 + 4 * j) >> 4 * high;
        store4(q + j * QUAD_BYTES, (a & LOW_HALVES) | (b & LOW_HALVES) << 4);
    }
}

/* Block g of a K type's super-block: bit g of 32 bytes. */
static uint32_t plane_of(const unsigned char *high, unsigned g)
{
    uint32_t plane = 0;

    for (unsigned j = 0; j < QUADS; j++)
        plane |= (load4(high + 4 * j) >> g & 0x01010101u) << j;
    return plane;
}

/* Bits 2 g, 2 g + 1 of 16 bytes. */
static uint32_t pairs_of(const unsigned char *high, unsigned g)
{
    uint32_t plane = 0;

    for (unsigned j = 0; j < QUADS / 2; j++)
        plane |= (load4(high + 4 * j) >> 2 * g & 0x03030303u) << 2 * j;
    return plane;
}

/* ---- one row of a panel, output o: src is the row in the file ---- */

/* Where the next block's quads of output o go, and its scales of all outputs. */
typedef struct place {
    unsigned char *q, *scales;
    size_t o;
} place;

static void put_half(const place *to, size_t which, const unsigned char *src)
{
    memcpy(to->scales + which * TEMPO_PANEL * 2 + 2 * to->o, src, 2);
}

static void pack_small(place to, const unsigned char *src, size_t k, tempo_dtype type, tempo_panel_kind t)
{
    const size_t header = t.scale == TEMPO_SCALE_POWER ? 1 : t.scale == TEMPO_SCALE_HALF ? 2 : 4;
    const size_t bits = t.bits == 5 ? 4 : 0;

    for (size_t b = 0; b < k / TEMPO_BLOCK; b++) {
        if (t.scale == TEMPO_SCALE_POWER)
            to.scales[to.o] = src[0];
        else
            put_half(&to, 0, src);
        if (t.scale == TEMPO_SCALE_HALF_MIN)
            put_half(&to, 1, src + 2);
        if (t.bits == 8)
            for (unsigned j = 0; j < QUADS; j++)
                memcpy(to.q + j * QUAD_BYTES, src + header + 4 * j, 4);
        else
            pack_nibbles(to.q, src + header + bits);
        if (t.bits == 5)
            store4(to.q + QUADS / 2 * QUAD_BYTES, every_fourth(load4(src + header)));
        src += tempo_dtype_get(type)->block_bytes;
        to.q += tempo_panel_quads(t);
        to.scales += tempo_panel_block_scales(t);
    }
}

/* Q4_K, Q5_K */
static void pack_k(place to, const unsigned char *src, size_t k, tempo_panel_kind t)
{
    for (size_t s = 0; s < k / TEMPO_SUPER; s++) {
        const unsigned char *nibbles = src + (t.bits == 5 ? 48 : 16);
        put_half(&to, 0, src);
        put_half(&to, 1, src + 2);
        to.scales += tempo_panel_super_scales(t);
        for (unsigned g = 0; g < TEMPO_SUPER / TEMPO_BLOCK; g++) {
            unsigned scale, min;
            tempo_load_scale_min(src + 4, g, &scale, &min);
            to.scales[to.o] = (unsigned char)scale;
            to.scales[TEMPO_PANEL + to.o] = (unsigned char)min;
            pack_half(to.q, nibbles + g / 2 * 32, g % 2 != 0);
            if (t.bits == 5)
                store4(to.q + QUADS / 2 * QUAD_BYTES, plane_of(src + 16, g));
            to.q += tempo_panel_quads(t);
            to.scales += tempo_panel_block_scales(t);
        }
        src += t.bits == 5 ? 176 : 144;
    }
}

static void pack_q6_k(place to, const unsigned char *src, size_t k, tempo_panel_kind t)
{
    for (size_t s = 0; s < k / TEMPO_SUPER; s++, src += 210) {
        put_half(&to, 0, src + 208);
        to.scales += tempo_panel_super_scales(t);
        for (unsigned g = 0; g < TEMPO_SUPER / TEMPO_BLOCK; g++) {
            const unsigned half = g / 4, j = g % 4;
            const unsigned char *high = src + 128 + half * 32;
            to.scales[to.o] = src[192 + 2 * g];
            to.scales[TEMPO_PANEL + to.o] = src[192 + 2 * g + 1];
            pack_half(to.q, src + half * 64 + j % 2 * 32, j >= 2);
            store4(to.q + QUADS / 2 * QUAD_BYTES, pairs_of(high, j));
            store4(to.q + (QUADS / 2 + 1) * QUAD_BYTES, pairs_of(high + 16, j));
            to.q += tempo_panel_quads(t);
            to.scales += tempo_panel_block_scales(t);
        }
    }
}

static void pack_iq4_xs(place to, const unsigned char *src, size_t k, tempo_panel_kind t)
{
    for (size_t s = 0; s < k / TEMPO_SUPER; s++, src += 136) {
        put_half(&to, 0, src);
        to.scales += tempo_panel_super_scales(t);
        for (unsigned g = 0; g < TEMPO_SUPER / TEMPO_BLOCK; g++) {
            to.scales[to.o] = (unsigned char)tempo_load_scale_iq4(src, g);
            pack_nibbles(to.q, src + 8 + 16 * g);
            to.q += tempo_panel_quads(t);
            to.scales += tempo_panel_block_scales(t);
        }
    }
}

/* Bits 2 g, 2 g + 1 of 32 bytes, and above them bit `up` of 32 others, if there are any, as quads of a byte
 * each. */
static void low_quads(uint32_t v[QUADS], const unsigned char *two, unsigned g, const unsigned char *third,
                      unsigned up)
{
    for (unsigned j = 0; j < QUADS; j++) {
        v[j] = load4(two + 4 * j) >> 2 * g & 0x03030303u;
        if (third != NULL)
            v[j] |= (load4(third + 4 * j) >> up & 0x01010101u) << 2;
    }
}

/* Quads of a byte each, of 2, 3 or 4 bits (panel.h). */
static void store_quads(unsigned char *q, const uint32_t v[QUADS], unsigned bits)
{
    const uint32_t low = 0x03030303u;

    if (bits == 2) {
        store4(q, v[0] | v[1] << 2 | v[2] << 4 | v[3] << 6);
        store4(q + QUAD_BYTES, v[4] | v[5] << 2 | v[6] << 4 | v[7] << 6);
    } else if (bits == 3) {
        store4(q, v[0] | v[1] << 3 | (v[6] & low) << 6);
        store4(q + QUAD_BYTES, v[2] | v[3] << 3 | (v[7] & low) << 6);
        store4(q + 2 * QUAD_BYTES, v[4] | v[5] << 3 | (v[6] & ~low) << 4 | (v[7] & ~low) << 5);
    } else {
        for (unsigned j = 0; j < QUADS / 2; j++)
            store4(q + j * QUAD_BYTES, v[j] | v[j + 4] << 4);
    }
}

/* Types of codewords and of three levels. */
static void pack_codes(place to, const unsigned char *src, size_t k, tempo_dtype type, tempo_panel_kind t)
{
    for (size_t s = 0; s < k / TEMPO_SUPER; s++, src += tempo_dtype_get(type)->block_bytes) {
        const uint16_t d = tempo_load_codes_d(type, src);
        to.scales[2 * to.o] = (unsigned char)d;
        to.scales[2 * to.o + 1] = (unsigned char)(d >> 8);
        to.scales += tempo_panel_super_scales(t);
        for (unsigned g = 0; g < TEMPO_SUPER / TEMPO_BLOCK; g++) {
            tempo_codes c;
            (void)tempo_load_codes(&c, type, src, g);
            to.scales[to.o] = (unsigned char)c.scale[0];
            if (tempo_panel_has_halves(t))
                to.scales[TEMPO_PANEL + to.o] = (unsigned char)c.scale[1];
            store_quads(to.q, c.number, t.bits);
            to.q += tempo_panel_quads(t);
            to.scales += tempo_panel_block_scales(t);
        }
    }
}

/* Two blocks to 64 elements, of which 16 have a scale and 8 bytes: the first eight in their low halves. */
static void pack_nvfp4(place to, const unsigned char *src, size_t k, tempo_panel_kind t)
{
    for (size_t b = 0; b < k / TEMPO_BLOCK; b++) {
        const unsigned char *block = src + b / 2 * 36;
        uint32_t v[QUADS];
        for (unsigned h = 0; h < 2; h++) {
            const size_t part = b % 2 * 2 + h;
            const uint16_t d = tempo_float_to_f16(tempo_load_half_e4m3(block[part]));
            to.scales[h * TEMPO_PANEL * 2 + 2 * to.o] = (unsigned char)d;
            to.scales[h * TEMPO_PANEL * 2 + 2 * to.o + 1] = (unsigned char)(d >> 8);
            for (unsigned i = 0; i < 2; i++) {
                const uint32_t four = load4(block + 4 + 8 * part + 4 * i);
                v[4 * h + i] = four & LOW_HALVES;
                v[4 * h + 2 + i] = four >> 4 & LOW_HALVES;
            }
        }
        store_quads(to.q, v, 4);
        to.q += tempo_panel_quads(t);
        to.scales += tempo_panel_block_scales(t);
    }
}

static void pack_q2_k(place to, const unsigned char *src, size_t k, tempo_panel_kind t)
{
    for (size_t s = 0; s < k / TEMPO_SUPER; s++, src += 84) {
        put_half(&to, 0, src + 80);
        put_half(&to, 1, src + 82);
        to.scales += tempo_panel_super_scales(t);
        for (unsigned g = 0; g < TEMPO_SUPER / TEMPO_BLOCK; g++) {
            uint32_t v[QUADS];
            to.scales[to.o] = src[2 * g];
            to.scales[TEMPO_PANEL + to.o] = src[2 * g + 1];
            low_quads(v, src + 16 + g / 4 * 32, g % 4, NULL, 0);
            store_quads(to.q, v, 2);
            to.q += tempo_panel_quads(t);
            to.scales += tempo_panel_block_scales(t);
        }
    }
}

static void pack_q3_k(place to, const unsigned char *src, size_t k, tempo_panel_kind t)
{
    for (size_t s = 0; s < k / TEMPO_SUPER; s++, src += 110) {
        put_half(&to, 0, src + 108);
        to.scales += tempo_panel_super_scales(t);
        for (unsigned g = 0; g < TEMPO_SUPER / TEMPO_BLOCK; g++) {
            uint32_t v[QUADS];
            to.scales[to.o] = (unsigned char)tempo_load_scale_6(src + 96, 2 * g);
            to.scales[TEMPO_PANEL + to.o] = (unsigned char)tempo_load_scale_6(src + 96, 2 * g + 1);
            low_quads(v, src + 32 + g / 4 * 32, g % 4, src, g);
            store_quads(to.q, v, 3);
            to.q += tempo_panel_quads(t);
            to.scales += tempo_panel_block_scales(t);
        }
    }
}

static bool kind_of(tempo_dtype type, tempo_panel_kind *t)
{
    switch (type) {
#define PACKED(name, bits, scale, zero, values)                                                              \
    case TEMPO_##name:                                                                                       \
        *t = (tempo_panel_kind){bits, scale, zero, values};                                                  \
        return true;
        TEMPO_PACKED_TYPES(PACKED)
#undef PACKED
    default:
        return false;
    }
}

size_t tempo_panel_bytes(tempo_dtype type, size_t n_in)
{
    tempo_panel_kind t;

    return kind_of(type, &t) ? tempo_panel_size(t, n_in) : 0;
}

void tempo_pack_panels(void *dst, const tempo_weight *w, size_t first, size_t n)
{
    tempo_panel_kind t;
    tempo_codes codes;
    unsigned char *panel = dst;

    if (!kind_of(w->type, &t))
        return;
    const size_t bytes = tempo_panel_size(t, w->n_in);
    for (size_t p = first; p < first + n; p++, panel += bytes)
        for (size_t o = 0; o < TEMPO_PANEL; o++) {
            /* outputs that the last panel lacks repeat the last one; nobody reads them */
            const size_t row = p * TEMPO_PANEL + o < w->n_out ? p * TEMPO_PANEL + o : w->n_out - 1;
            const unsigned char *src = (const unsigned char *)w->data + row * w->row_bytes;
            const place to = {panel + 4 * o, panel + w->n_in / TEMPO_BLOCK * tempo_panel_quads(t), o};
            if (w->type == TEMPO_Q2_K)
                pack_q2_k(to, src, w->n_in, t);
            else if (w->type == TEMPO_Q3_K)
                pack_q3_k(to, src, w->n_in, t);
            else if (w->type == TEMPO_Q6_K)
                pack_q6_k(to, src, w->n_in, t);
            else if (w->type == TEMPO_IQ4_XS)
                pack_iq4_xs(to, src, w->n_in, t);
            else if (w->type == TEMPO_NVFP4)
                pack_nvfp4(to, src, w->n_in, t);
            else if (tempo_load_codes(&codes, w->type, src, 0))
                pack_codes(to, src, w->n_in, w->type, t);
            else if (t.scale == TEMPO_SCALE_K)
                pack_k(to, src, w->n_in, t);
            else
                pack_small(to, src, w->n_in, w->type, t);
        }
}
