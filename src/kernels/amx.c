/* amx.c - products in tile registers (AMX-INT8, AMX-BF16), with AVX-512 around them.
 *
 * Exact mode.  Quantised weights: the bytes of a block's quads (panel.h) are a tile as they are; the high
 * bytes of eight rows of activations stand above the low bytes of the same rows in another, so that one tile
 * product gives both sums of eight rows with sixteen outputs, which are integers: 256 high + low is exact.
 * A few rows go through vector products of the same bytes (VNNI): the same integers, the same result.
 * BF16 and F16 weights: rows of the file are the left operand; the right one holds the first BF16 terms of
 * eight rows of activations beside the second ones, x = first + second within 2^-17 |x|.  An F16 weight is
 * the exact sum of two BF16 numbers, hence of two tile products. Fast mode: activations in one BF16 term,
 * sixteen rows a tile; quantised weights widened to BF16.
 *
 * Tile products flush subnormal numbers: what is below 2^-100 may count as zero.
 * Every output has one order of additions: that of its tile column, by 32 elements, in chunks of k. */
#include <string.h>

#include "kernels/panel.h"
#include "kernels/vec_avx512.inc"

#include "kernels/simd_block.inc"

/* Activations for quantised weights: for every group of 8 rows, blocks of [16 rows: 8 of high bytes, 8 of low
 * ones][32], then [block][row] scales, then [block][row] sums of 32 integers, float, then
 * [block][row][ACT_STARTS]. */
enum { INT_GROUP = 8, INT_BLOCK = 2 * INT_GROUP * TEMPO_BLOCK, ACT_BLOCK = INT_BLOCK, ACT_STEP = INT_GROUP };

typedef struct act_row {
    unsigned char *q; /* of a group's first row: also the group */
    float *scale, *total;
    int32_t *start;
} act_row;

static size_t int_group_bytes(size_t k)
{
    return k / TEMPO_BLOCK * (INT_BLOCK + (2 + ACT_STARTS) * INT_GROUP * sizeof(float));
}

INLINE act_row act_row_at(const void *act, size_t r, size_t k)
{
    const size_t row = r % INT_GROUP, blocks = k / TEMPO_BLOCK;
    unsigned char *q = (unsigned char *)(uintptr_t)act + r / INT_GROUP * int_group_bytes(k);
    float *scale = (float *)(void *)(q + blocks * INT_BLOCK);
    float *total = scale + blocks * INT_GROUP;
    int32_t *start = (int32_t *)(void *)(total + blocks * INT_GROUP);

    return (act_row){q + row * TEMPO_BLOCK, scale + row, total + row, start + ACT_STARTS * row};
}

#define quad_high(x, i) ((x) + 8 * (i))
#define quad_low(x, i) ((x) + INT_BLOCK / 2 + 8 * (i))
#include "kernels/quad8.inc"

#include "kernels/simd_panel.inc"

#ifdef TEMPO_EMULATE
#include "kernels/tiles_emulated.inc"
#endif

enum {
    TILE = 1024,    /* bytes of a tile register: 16 rows of 64 */
    TILE_K = 32,    /* elements of k in a BF16 tile */
    CHUNK = 64,     /* BF16 tiles of k whose products are added in registers */
    FEW_ROWS = 2,   /* that are not worth a tile of integers: SPEED.md */
    MAX_GROUPS = 4, /* groups of rows that meet a weight tile together */
    COLUMNS = 16,   /* of a right operand */
};

/* What tile instructions read must be in memory before them; gcc's intrinsics do not say that they read any.
 */
#define PUBLISH(p) __asm__ volatile("" : : "r"(p) : "memory")
#define LOAD_TILE(tile, at, stride)                                                                          \
    do {                                                                                                     \
        const unsigned char *from_ = (at);                                                                   \
        PUBLISH(from_);                                                                                      \
        _tile_loadd(tile, from_, stride);                                                                    \
    } while (0)

/* Registers: sums of up to four groups; weights and their second term; activations of two groups in turn. */
#define SUM0 0
#define SUM1 1
#define SUM2 2
#define SUM3 3
#define LEFT0 4
#define LEFT1 5
#define RIGHT0 6
#define RIGHT1 7

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
} tile_config;

/* What one thread needs besides registers. */
typedef struct amx_scratch {
    unsigned char weights[2][CHUNK][TILE]; /* converted weights: [term][tile] */
    unsigned char quads[2][TEMPO_PANEL * TEMPO_BLOCK];
    int32_t integers[2][2][2][COLUMNS][TEMPO_PANEL]; /* [turn][group][half of a block][row][output] */
    float sums[MAX_GROUPS][TEMPO_PANEL][COLUMNS];
} amx_scratch;

static size_t scratch_bytes(size_t k)
{
    const size_t unpacked = TILE_W * k * sizeof(float), tiles = sizeof(amx_scratch); /* simd_float.inc */

    return ((unpacked > tiles ? unpacked : tiles) + 63) & ~(size_t)63;
}

/* ---- float weights ---- */

static size_t tiles_of(size_t k)
{
    return (k + TILE_K - 1) / TILE_K;
}

/* Activations: [group][tile of k][16 pairs of k][16 columns][2] BF16.  A group is 8 rows of two terms or,
 * fast, 16 rows of one. */
static size_t pairs_bytes(size_t m, size_t k, size_t group_rows)
{
    return (m + group_rows - 1) / group_rows * tiles_of(k) * TILE;
}

/* 16 floats as BF16 in 32-bit lanes, rounded to nearest even; NaN stays NaN. */
INLINE __m512i to_bf16(vf x)
{
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
}

INLINE vf from_bf16(__m512i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(h, 16));
}

/* 32 floats as pairs of BF16 and what is left of them. */
INLINE void split(vf x[2], __m512i *pairs)
{
    __m512i h[2];

    for (size_t i = 0; i < 2; i++) {
        h[i] = to_bf16(x[i]);
        x[i] = vf_sub(x[i], from_bf16(h[i]));
    }
    /* both halves' 16-bit values in order */
    *pairs = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(h[0])),
                                _mm512_cvtepi32_epi16(h[1]), 1);
}

INLINE void load_tile_row(vf x[2], const float *p, size_t left)
{
    for (size_t i = 0; i < 2; i++) {
        const size_t n = left < i * W ? 0 : left - i * W;
        x[i] = n >= W ? vf_load(p + i * W) : vf_load_n(p + i * W, n);
    }
}

INLINE void prepare_pairs(void *act, size_t r, const float *x, size_t k, size_t begin, size_t end,
                          const size_t group_rows, const size_t terms)
{
    unsigned char *group = (unsigned char *)act + r / group_rows * tiles_of(k) * TILE;

    for (size_t i = begin; i < end; i += TILE_K) {
        vf v[2];
        load_tile_row(v, x + i, end - i);
        for (size_t t = 0; t < terms; t++) {
            uint32_t pairs[COLUMNS];
            __m512i packed;
            split(v, &packed);
            _mm512_storeu_si512(pairs, packed);
            uint32_t *column =
                (uint32_t *)(void *)(group + i / TILE_K * TILE) + t * group_rows + r % group_rows;
            for (size_t p = 0; p < COLUMNS; p++)
                column[p * COLUMNS] = pairs[p];
        }
    }
}

/* The weights of one panel and tile of k as left operands: where they are, or converted into the scratch. */
typedef struct left_operand {
    const unsigned char *at[2];
    size_t stride;
} left_operand;

typedef struct file_rows {
    const unsigned char *rows; /* the first of them */
    size_t row_bytes, n, k;
    bool halves; /* F16, not BF16 */
} file_rows;

/* An F16 weight's two BF16 terms: the upper 8 bits of its significand, and the rest. */
INLINE void convert_halves(amx_scratch *s, const file_rows *p, size_t tile, size_t slot)
{
    const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31,
                                         29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    const size_t left = p->k - tile * TILE_K;

    for (size_t o = 0; o < p->n; o++) {
        const unsigned char *src = p->rows + o * p->row_bytes + tile * TILE_K * 2;
        vf first[2], second[2];
        for (size_t i = 0; i < 2; i++) {
            const size_t n = left < i * W ? 0 : left - i * W;
            const vf v = n >= W ? vf_load_f16(src + i * W * 2) : vf_load_f16_n(src + i * W * 2, n);
            first[i] = vf_from_bits(vi_and(vi_bits(v), vi_set1((int)0xffff0000u)));
            second[i] = vf_sub(v, first[i]);
        }
        _mm512_store_si512(s->weights[0][slot] + o * 64,
                           _mm512_permutex2var_epi16(vi_bits(first[0]), odd, vi_bits(first[1])));
        _mm512_store_si512(s->weights[1][slot] + o * 64,
                           _mm512_permutex2var_epi16(vi_bits(second[0]), odd, vi_bits(second[1])));
    }
}

static void copy_edge(amx_scratch *s, const file_rows *p, size_t tile, size_t slot)
{
    const size_t left = p->k - tile * TILE_K, n = left < TILE_K ? left : (size_t)TILE_K;

    memset(s->weights[0][slot], 0, TILE);
    for (size_t o = 0; o < p->n; o++)
        memcpy(s->weights[0][slot] + o * 64, p->rows + o * p->row_bytes + tile * TILE_K * 2, n * 2);
}

INLINE left_operand left_at(amx_scratch *s, const file_rows *p, size_t tile, size_t slot, bool again)
{
    if (p->halves) {
        if (!again)
            convert_halves(s, p, tile, slot);
    } else if (p->n == TEMPO_PANEL && (tile + 1) * TILE_K <= p->k) {
        return (left_operand){{p->rows + tile * TILE_K * 2}, p->row_bytes};
    } else if (!again) {
        copy_edge(s, p, tile, slot); /* nothing is read past the matrix */
    }
    return (left_operand){{s->weights[0][slot], s->weights[1][slot]}, 64};
}

/* Converted tiles of a chunk: needed once, kept for more groups of rows, or kept before. */
typedef enum reuse { ONCE, KEEP, AGAIN } reuse;

INLINE size_t slot_of(size_t tile, reuse use)
{
    return use == ONCE ? tile % 2 : tile;
}

#define MULTIPLY(sum, left, right, act, g)                                                                   \
    do {                                                                                                     \
        LOAD_TILE(right, (act) + (size_t)(g)*group_bytes, 64);                                               \
        _tile_dpbf16ps(sum, left, right);                                                                    \
    } while (0)

/* Tiles [begin, end) of k of one panel with G groups of rows (a constant where inlined), into s->sums. */
INLINE void float_chunk(amx_scratch *s, const file_rows *p, const unsigned char *act, size_t group_bytes,
                        size_t begin, size_t end, reuse use, const size_t G)
{
    left_operand next = left_at(s, p, begin, slot_of(0, use), use == AGAIN);

    _tile_zero(SUM0);
    if (G > 1)
        _tile_zero(SUM1);
    if (G > 2) {
        _tile_zero(SUM2);
        _tile_zero(SUM3);
    }
    for (size_t t = begin; t < end; t++) {
        const left_operand left = next;
        const unsigned char *x = act + t * TILE;
        if (t + 1 < end)
            next = left_at(s, p, t + 1, slot_of(t + 1 - begin, use),
                           use == AGAIN); /* converted while this tile is multiplied */
        LOAD_TILE(LEFT0, left.at[0], left.stride);
        MULTIPLY(SUM0, LEFT0, RIGHT0, x, 0);
        if (G > 1)
            MULTIPLY(SUM1, LEFT0, RIGHT1, x, 1);
        if (p->halves) {
            LOAD_TILE(LEFT1, left.at[1], left.stride);
            _tile_dpbf16ps(SUM0, LEFT1, RIGHT0);
            if (G > 1)
                _tile_dpbf16ps(SUM1, LEFT1, RIGHT1);
        }
        if (G > 2) {
            MULTIPLY(SUM2, LEFT0, RIGHT0, x, 2);
            MULTIPLY(SUM3, LEFT0, RIGHT1, x, 3);
            if (p->halves) {
                _tile_dpbf16ps(SUM2, LEFT1, RIGHT0);
                _tile_dpbf16ps(SUM3, LEFT1, RIGHT1);
            }
        }
    }
    _tile_stored(SUM0, s->sums[0], 64);
    if (G > 1)
        _tile_stored(SUM1, s->sums[1], 64);
    if (G > 2) {
        _tile_stored(SUM2, s->sums[2], 64);
        _tile_stored(SUM3, s->sums[3], 64);
    }
}

/* sums[output][column] -> y[row][output], the terms of a row added; the first chunk of k sets y. */
INLINE void put_sums(float *y, size_t ldy, float sums[TEMPO_PANEL][COLUMNS], size_t rows, size_t n,
                     bool first, const size_t group_rows, const size_t terms)
{
    const __m512i column = _mm512_mullo_epi32(
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), vi_set1(COLUMNS));

    for (size_t r = 0; r < rows; r++) {
        vf v = _mm512_i32gather_ps(column, &sums[0][r], 4);
        if (terms == 2)
            v = vf_add(v, _mm512_i32gather_ps(column, &sums[0][group_rows + r], 4));
        if (!first)
            v = vf_add(vf_load_n(y + r * ldy, n), v);
        vf_store_n(y + r * ldy, v, n);
    }
}

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void configure(size_t left_bytes, size_t right_rows)
{
    tile_config c = {.palette = 1};

    for (size_t i = 0; i < 8; i++) {
        c.rows[i] = (uint8_t)(i < RIGHT0 ? 16 : right_rows);
        c.bytes[i] = (uint16_t)(i == LEFT0 || i == LEFT1 ? left_bytes : 64);
    }
    PUBLISH(&c);
    _tile_loadconfig(&c);
}

INLINE void float_product(float *y, size_t ldy, const tempo_weight *w, size_t first, size_t n,
                          const void *act, size_t m, void *scratch, bool halves, const size_t group_rows,
                          const size_t terms)
{
    amx_scratch *s = scratch;
    const size_t k = w->n_in, tiles = tiles_of(k), group_bytes = tiles * TILE;
    const size_t groups = (m + group_rows - 1) / group_rows;

    configure(64, 16);
    for (size_t o = first; o < first + n; o += TEMPO_PANEL) {
        const file_rows p = {(const unsigned char *)w->data + o * w->row_bytes, w->row_bytes,
                             min2(first + n - o, TEMPO_PANEL), k, halves};
        for (size_t begin = 0; begin < tiles; begin += CHUNK) {
            const size_t end = min2(tiles, begin + CHUNK);
            for (size_t g = 0, G; g < groups; g += G) {
                const unsigned char *x = (const unsigned char *)act + g * group_bytes;
                G = groups - g >= 4 ? 4 : groups - g >= 2 ? 2 : 1;
                const reuse use = g > 0 ? AGAIN : G < groups ? KEEP : ONCE;
                if (G == 4)
                    float_chunk(s, &p, x, group_bytes, begin, end, use, 4);
                else if (G == 2)
                    float_chunk(s, &p, x, group_bytes, begin, end, use, 2);
                else
                    float_chunk(s, &p, x, group_bytes, begin, end, use, 1);
                for (size_t i = 0; i < G; i++) {
                    const size_t r = (g + i) * group_rows;
                    put_sums(y + r * ldy + o, ldy, s->sums[i], min2(group_rows, m - r), p.n, begin == 0,
                             group_rows, terms);
                }
            }
        }
    }
    _tile_release();
}

/* ---- quantised weights ---- */

static size_t integer_bytes(size_t m, size_t k)
{
    return (m + INT_GROUP - 1) / INT_GROUP * int_group_bytes(k);
}

static void prepare_integer(void *act, size_t r, const float *x, size_t k, size_t begin, size_t end)
{
    const act_row row = act_row_at(act, r, k);

    for (size_t b = begin / TEMPO_BLOCK; b < end / TEMPO_BLOCK; b++) {
        unsigned char *high = row.q + b * INT_BLOCK, *low = high + INT_BLOCK / 2;
        vi q[2];
        row.scale[b * INT_GROUP] = quantise_block(q, x + b * TEMPO_BLOCK);
        for (size_t i = 0; i < 2; i++) {
            const vi h = vi_sra32(vi_add(q[i], vi_set1(128)), 8);
            _mm_storeu_si128((__m128i *)(void *)(high + i * W), _mm512_cvtepi32_epi8(h));
            _mm_storeu_si128((__m128i *)(void *)(low + i * W), _mm512_cvtepi32_epi8(q[i]));
        }
        store_starts(row.start + b * INT_GROUP * ACT_STARTS, sum_of_16(q), sum_of_16(q + 1));
        row.total[b * INT_GROUP] = (float)vi_sum(vi_add(q[0], q[1]));
    }
}

/* Of quads the number must be a constant where it is compiled. */
#define EACH_QUAD(QUAD)                                                                                      \
    do {                                                                                                     \
        QUAD(0);                                                                                             \
        QUAD(1);                                                                                             \
        QUAD(2);                                                                                             \
        QUAD(3);                                                                                             \
        QUAD(4);                                                                                             \
        QUAD(5);                                                                                             \
        QUAD(6);                                                                                             \
        QUAD(7);                                                                                             \
    } while (0)

/* A block's quads as signed bytes: in place if they are, else in to. */
INLINE const unsigned char *signed_quads(unsigned char *to, const unsigned char *q, const tempo_panel_kind t)
{
    if (t.bits == 8)
        return q;
    const vi zero = _mm512_set1_epi8((char)t.zero);
#define QUAD(j) _mm512_store_si512(to + 64 * j, _mm512_sub_epi8(quad_bytes(q, t, j, 0), zero))
    EACH_QUAD(QUAD);
#undef QUAD
    return to;
}

/* sum += the products of one block: R = 8 rows of a group. */
INLINE void int_block_sums(vf sum[INT_GROUP], int32_t products[2][COLUMNS][TEMPO_PANEL],
                           const panel_scales *s, const act_row *g, size_t b, const tempo_panel_kind t)
{
    for (size_t r = 0; r < INT_GROUP; r++) {
        vi total = vi_add(vi_sll32(vi_load(products[0][r]), 8), vi_load(products[0][INT_GROUP + r]));
        vf part = vf_mul(vf_from_vi(total), s->half[0][0]);
        if (tempo_panel_has_halves(t)) {
            total = vi_add(vi_sll32(vi_load(products[1][r]), 8), vi_load(products[1][INT_GROUP + r]));
            part = vf_fma(vf_from_vi(total), s->half[1][0], part);
        }
        const act_row row = {NULL, NULL, g->total + r, g->start + r * ACT_STARTS};
        part = with_minima(part, s, &row, b, t, 0);
        sum[r] = vf_fma(part, vf_set1(g->scale[b * INT_GROUP + r]), sum[r]);
    }
}

/* Blocks [begin, end) of a panel with G groups of rows, G constant where inlined: the block before is scaled
 * while one is multiplied. */
INLINE const unsigned char *int_chain(amx_scratch *s, vf sum[2][INT_GROUP], const unsigned char *panel,
                                      const unsigned char *scales_at, panel_scales *scales,
                                      const act_row g[2], size_t begin, size_t end, const tempo_panel_kind t,
                                      const size_t G)
{
    const size_t bytes = tempo_panel_quads(t);
    const bool halves = tempo_panel_has_halves(t);
    const unsigned char *next = signed_quads(s->quads[begin % 2], panel + begin * bytes, t);

    for (size_t b = begin; b <= end; b++) {
        if (b < end) {
            const unsigned char *quads = next;
            int32_t(*to)[2][COLUMNS][TEMPO_PANEL] = s->integers[b % 2];
            LOAD_TILE(RIGHT0, quads, 64);
            LOAD_TILE(LEFT0, g[0].q + b * INT_BLOCK, TEMPO_BLOCK);
            _tile_zero(SUM0);
            _tile_dpbssd(SUM0, LEFT0, RIGHT0);
            _tile_stored(SUM0, to[0][0], 64);
            if (G > 1) {
                LOAD_TILE(LEFT1, g[1].q + b * INT_BLOCK, TEMPO_BLOCK);
                _tile_zero(SUM1);
                _tile_dpbssd(SUM1, LEFT1, RIGHT0);
                _tile_stored(SUM1, to[1][0], 64);
            }
            if (halves) {
                LOAD_TILE(RIGHT1, quads + TEMPO_PANEL * TEMPO_BLOCK / 2, 64);
                LOAD_TILE(LEFT0, g[0].q + b * INT_BLOCK + TEMPO_BLOCK / 2, TEMPO_BLOCK);
                _tile_zero(SUM2);
                _tile_dpbssd(SUM2, LEFT0, RIGHT1);
                _tile_stored(SUM2, to[0][1], 64);
                if (G > 1) {
                    LOAD_TILE(LEFT1, g[1].q + b * INT_BLOCK + TEMPO_BLOCK / 2, TEMPO_BLOCK);
                    _tile_zero(SUM3);
                    _tile_dpbssd(SUM3, LEFT1, RIGHT1);
                    _tile_stored(SUM3, to[1][1], 64);
                }
            }
            if (b + 1 < end)
                next = signed_quads(s->quads[(b + 1) % 2], panel + (b + 1) * bytes, t);
        }
        if (b > begin) {
            const size_t a = b - 1;
            scales_at = read_scales(scales, scales_at, t,
                                    tempo_panel_is_super(t) && a % (TEMPO_SUPER / TEMPO_BLOCK) == 0);
            for (size_t i = 0; i < G; i++)
                int_block_sums(sum[i], s->integers[a % 2][i], scales, &g[i], a, t);
        }
    }
    return scales_at;
}

INLINE void int_groups(amx_scratch *s, float *y, size_t ldy, size_t n, const unsigned char *panel,
                       const void *act, size_t group, size_t m, size_t k, const tempo_panel_kind t,
                       const size_t G)
{
    const size_t blocks = k / TEMPO_BLOCK;
    const unsigned char *scales_at = panel + blocks * tempo_panel_quads(t);
    vf total[2][INT_GROUP], sum[2][INT_GROUP];
    panel_scales scales;
    act_row g[2];

    scales.super[0] = scales.super_min[0] = vf_zero(); /* set by the first block; compilers cannot see that */
    for (size_t i = 0; i < G; i++) {
        g[i] = act_row_at(act, (group + i) * INT_GROUP, k);
        for (size_t r = 0; r < INT_GROUP; r++)
            total[i][r] = vf_zero();
    }
    for (size_t begin = 0; begin < blocks; begin += BLOCK_CHAIN) {
        for (size_t i = 0; i < G; i++)
            for (size_t r = 0; r < INT_GROUP; r++)
                sum[i][r] = vf_zero();
        scales_at =
            int_chain(s, sum, panel, scales_at, &scales, g, begin, min2(blocks, begin + BLOCK_CHAIN), t, G);
        for (size_t i = 0; i < G; i++)
            for (size_t r = 0; r < INT_GROUP; r++)
                total[i][r] = vf_add(total[i][r], sum[i][r]);
    }
    for (size_t i = 0; i < G; i++)
        for (size_t r = (group + i) * INT_GROUP; r < min2(m, (group + i + 1) * INT_GROUP); r++)
            vf_store_n(y + r * ldy, total[i][r % INT_GROUP], n);
}

INLINE void int_product(float *y, size_t ldy, const tempo_weight *w, size_t first, size_t n, const void *act,
                        size_t m, void *scratch, const tempo_panel_kind t)
{
    const size_t k = w->n_in, bytes = tempo_panel_size(t, k), groups = (m + INT_GROUP - 1) / INT_GROUP;

    if (m <= FEW_ROWS) {
        panel_product(y, ldy, w, first, n, act, m, t);
        return;
    }
    if (tempo_panel_has_halves(t))
        configure(TEMPO_BLOCK / 2, TEMPO_BLOCK / 8);
    else
        configure(TEMPO_BLOCK, TEMPO_BLOCK / 4);
    for (size_t o = first; o < first + n; o += TEMPO_PANEL) {
        const unsigned char *panel = (const unsigned char *)w->panels + o / TEMPO_PANEL * bytes;
        const size_t count = min2(first + n - o, TEMPO_PANEL);
        size_t g = 0;
        for (; g + 2 <= groups; g += 2)
            int_groups(scratch, y + o, ldy, count, panel, act, g, m, k, t, 2);
        if (g < groups)
            int_groups(scratch, y + o, ldy, count, panel, act, g, m, k, t, 1);
    }
    _tile_release();
}

/* ---- fast: quantised weights widened to BF16 ---- */

/* Activations: for every group of 16 rows [tile of k][16 rows][32] BF16. */
static size_t rows_bytes(size_t m, size_t k)
{
    return pairs_bytes(m, k, 16);
}

static void prepare_rows(void *act, size_t r, const float *x, size_t k, size_t begin, size_t end)
{
    unsigned char *row = (unsigned char *)act + r / 16 * tiles_of(k) * TILE + r % 16 * 64;

    for (size_t i = begin; i < end; i += TILE_K) {
        vf v[2];
        __m512i packed;
        load_tile_row(v, x + i, end - i);
        split(v, &packed);
        _mm512_storeu_si512(row + i / TILE_K * TILE, packed);
    }
}

/* Two elements k of 16 outputs as pairs of BF16, one output a lane. */
INLINE __m512i pair_of(vf even, vf odd)
{
    const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                                23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);

    return _mm512_permutexvar_epi16(interleave, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/* Quad j of a block as two rows of a right operand. */
INLINE void widen_quad(unsigned char *to, const unsigned char *q, const panel_scales *s,
                       const tempo_panel_kind t, const unsigned j)
{
    const vi bytes = quad_bytes(q, t, j, 0), low = vi_set1(0xff);
    const bool second = tempo_panel_has_halves(t) && j >= 4;
    const vf scale = s->half[second][0];
    const bool has_min = t.scale == TEMPO_SCALE_HALF_MIN || t.scale == TEMPO_SCALE_K;
    const vf plus = has_min                          ? s->min[0][0]
                    : t.scale == TEMPO_SCALE_K16_MIN ? vf_mul(s->min[second][0], vf_set1(-32.0f))
                                                     : vf_mul(scale, vf_set1((float)-t.zero));
    vf w[4];

    w[0] = vf_fma(vf_from_vi(vi_and(bytes, low)), scale, plus);
    w[1] = vf_fma(vf_from_vi(vi_and(_mm512_srli_epi32(bytes, 8), low)), scale, plus);
    w[2] = vf_fma(vf_from_vi(vi_and(_mm512_srli_epi32(bytes, 16), low)), scale, plus);
    w[3] = vf_fma(vf_from_vi(_mm512_srli_epi32(bytes, 24)), scale, plus);
    _mm512_store_si512(to + j * 128, pair_of(w[0], w[1]));
    _mm512_store_si512(to + j * 128 + 64, pair_of(w[2], w[3]));
}

/* A panel and the scales of its next block. */
typedef struct widening {
    const unsigned char *quads, *scales_at;
    panel_scales scales;
} widening;

/* Block b of the panel, which follows the last one widened, unless it is there already. */
INLINE const unsigned char *widened(amx_scratch *s, widening *w, size_t b, size_t slot, bool again,
                                    const tempo_panel_kind t)
{
    unsigned char *to = s->weights[0][slot];

    if (again)
        return to;
    w->scales_at = read_scales(&w->scales, w->scales_at, t,
                               tempo_panel_is_super(t) && b % (TEMPO_SUPER / TEMPO_BLOCK) == 0);
    const unsigned char *q = w->quads + b * tempo_panel_quads(t);
#define QUAD(j) widen_quad(to, q, &w->scales, t, j)
    EACH_QUAD(QUAD);
#undef QUAD
    return to;
}

#define MULTIPLY_ROWS(sum, left, act, g)                                                                     \
    do {                                                                                                     \
        LOAD_TILE(left, (act) + (size_t)(g)*group_bytes, 64);                                                \
        _tile_dpbf16ps(sum, left, RIGHT0);                                                                   \
    } while (0)

INLINE void wide_chunk(amx_scratch *s, widening *w, const unsigned char *act, size_t group_bytes,
                       size_t begin, size_t end, reuse use, const tempo_panel_kind t, const size_t G)
{
    const unsigned char *next = widened(s, w, begin, slot_of(0, use), use == AGAIN, t);

    _tile_zero(SUM0);
    _tile_zero(SUM1);
    _tile_zero(SUM2);
    _tile_zero(SUM3);
    for (size_t b = begin; b < end; b++) {
        const unsigned char *right = next, *x = act + b * TILE;
        if (b + 1 < end)
            next = widened(s, w, b + 1, slot_of(b + 1 - begin, use), use == AGAIN, t);
        LOAD_TILE(RIGHT0, right, 64);
        MULTIPLY_ROWS(SUM0, LEFT0, x, 0);
        if (G > 1)
            MULTIPLY_ROWS(SUM1, LEFT1, x, 1);
        if (G > 2) {
            MULTIPLY_ROWS(SUM2, LEFT0, x, 2);
            MULTIPLY_ROWS(SUM3, LEFT1, x, 3);
        }
    }
    _tile_stored(SUM0, s->sums[0], 64);
    _tile_stored(SUM1, s->sums[1], 64);
    _tile_stored(SUM2, s->sums[2], 64);
    _tile_stored(SUM3, s->sums[3], 64);
}

/* sums[row][output] -> y[row][output]; the first chunk of k sets y. */
INLINE void put_rows(float *y, size_t ldy, float sums[][COLUMNS], size_t rows, size_t n, bool first)
{
    for (size_t r = 0; r < rows; r++) {
        vf v = vf_load(sums[r]);
        if (!first)
            v = vf_add(vf_load_n(y + r * ldy, n), v);
        vf_store_n(y + r * ldy, v, n);
    }
}

INLINE void wide_product(float *y, size_t ldy, const tempo_weight *w, size_t first, size_t n, const void *act,
                         size_t m, void *scratch, const tempo_panel_kind t)
{
    amx_scratch *s = scratch;
    const size_t k = w->n_in, tiles = tiles_of(k), group_bytes = tiles * TILE, groups = (m + 15) / 16;

    configure(64, 16);
    for (size_t o = first; o < first + n; o += TEMPO_PANEL) {
        widening wide = {.quads =
                             (const unsigned char *)w->panels + o / TEMPO_PANEL * tempo_panel_size(t, k)};
        wide.scales_at = wide.quads + k / TEMPO_BLOCK * tempo_panel_quads(t);
        const size_t count = min2(first + n - o, TEMPO_PANEL);
        for (size_t begin = 0; begin < tiles; begin += CHUNK) {
            const size_t end = min2(tiles, begin + CHUNK);
            for (size_t g = 0, G; g < groups; g += G) {
                const unsigned char *x = (const unsigned char *)act + g * group_bytes;
                G = groups - g >= 4 ? 4 : groups - g >= 2 ? 2 : 1;
                const reuse use = g > 0 ? AGAIN : G < groups ? KEEP : ONCE;
                if (G == 4)
                    wide_chunk(s, &wide, x, group_bytes, begin, end, use, t, 4);
                else if (G == 2)
                    wide_chunk(s, &wide, x, group_bytes, begin, end, use, t, 2);
                else
                    wide_chunk(s, &wide, x, group_bytes, begin, end, use, t, 1);
                for (size_t i = 0; i < G; i++)
                    put_rows(y + (g + i) * 16 * ldy + o, ldy, s->sums[i], min2(16, m - (g + i) * 16), count,
                             begin == 0);
            }
        }
    }
    _tile_release();
}

/* ---- the table ---- */

#define FLOAT_TYPE(name, mode, halves, rows, terms)                                                          \
    static void mode##_##name(float *y, size_t ldy, const tempo_weight *w, size_t first, size_t n,           \
                              const void *act, size_t m, void *scratch)                                      \
    {                                                                                                        \
        float_product(y, ldy, w, first, n, act, m, scratch, halves, rows, terms);                            \
    }
FLOAT_TYPE(F16, exact, true, 8, 2)
FLOAT_TYPE(BF16, exact, false, 8, 2)
FLOAT_TYPE(F16, fast, true, 16, 1)
FLOAT_TYPE(BF16, fast, false, 16, 1)
#undef FLOAT_TYPE

#include "kernels/amx_packed.inc"

static size_t exact_pairs_bytes(size_t m, size_t k)
{
    return pairs_bytes(m, k, 8);
}

static size_t fast_pairs_bytes(size_t m, size_t k)
{
    return pairs_bytes(m, k, 16);
}

static void prepare_exact_pairs(void *act, size_t r, const float *x, size_t k, size_t begin, size_t end)
{
    prepare_pairs(act, r, x, k, begin, end, 8, 2);
}

static void prepare_fast_pairs(void *act, size_t r, const float *x, size_t k, size_t begin, size_t end)
{
    prepare_pairs(act, r, x, k, begin, end, 16, 1);
}

void tempo_kernels_init_amx(tempo_kernels *k, tempo_compute mode)
{
    const bool fast = mode == TEMPO_FAST;

    k->name = "amx";
    k->scratch_bytes = scratch_bytes;
    k->form[TEMPO_F16] = k->form[TEMPO_BF16] = TEMPO_FORM_BF16;
    k->matmul[TEMPO_F16] = fast ? fast_F16 : exact_F16;
    k->matmul[TEMPO_BF16] = fast ? fast_BF16 : exact_BF16;
    k->form_bodies[TEMPO_FORM_BF16] = fast ? (tempo_form_bodies){fast_pairs_bytes, prepare_fast_pairs}
                                           : (tempo_form_bodies){exact_pairs_bytes, prepare_exact_pairs};
    k->form_bodies[TEMPO_FORM_BF16_ROWS] = (tempo_form_bodies){rows_bytes, prepare_rows};
    k->form_bodies[TEMPO_FORM_INTEGER] = (tempo_form_bodies){integer_bytes, prepare_integer};
#define PACKED(name, bits, scale, zero, values)                                                              \
    k->form[TEMPO_##name] = fast ? TEMPO_FORM_BF16_ROWS : TEMPO_FORM_INTEGER;                                \
    k->packed[TEMPO_##name] = true;                                                                          \
    k->matmul[TEMPO_##name] = fast ? fast_##name : exact_##name;
    TEMPO_PACKED_TYPES(PACKED)
#undef PACKED
}
