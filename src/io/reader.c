#include "io/reader.h"

#include <inttypes.h>
#include <string.h>

bool tempo_str_is(tempo_str s, const char *z)
{
    const size_t n = strlen(z);

    return s.n == n && memcmp(s.p, z, n) == 0;
}

/* Take n bytes or fail at the current offset without moving. */
static tempo_status take(tempo_reader *r, const char *what, uint64_t n, const unsigned char **out)
{
    *out = NULL;
    if (n > r->size - r->pos)
        return tempo_fail(r->err, TEMPO_E_FORMAT, r->pos, "%s needs %" PRIu64 " bytes, %" PRIu64 " left",
                          what, n, r->size - r->pos);
    *out = r->base + r->pos;
    r->pos += n;
    return TEMPO_OK;
}

/* A little-endian number of n bytes. */
static tempo_status number(tempo_reader *r, const char *what, unsigned n, uint64_t *out)
{
    const unsigned char *p;
    uint64_t v = 0;
    tempo_status st = take(r, what, n, &p);

    if (st != TEMPO_OK)
        return st;
    for (unsigned i = n; i-- > 0;)
        v = v << 8 | p[i];
    *out = v;
    return TEMPO_OK;
}

tempo_status tempo_rd_u8(tempo_reader *r, const char *what, uint8_t *out)
{
    uint64_t v = *out = 0;
    tempo_status st = number(r, what, 1, &v);

    *out = (uint8_t)v;
    return st;
}

tempo_status tempo_rd_u16(tempo_reader *r, const char *what, uint16_t *out)
{
    uint64_t v = *out = 0;
    tempo_status st = number(r, what, 2, &v);

    *out = (uint16_t)v;
    return st;
}

tempo_status tempo_rd_u32(tempo_reader *r, const char *what, uint32_t *out)
{
    uint64_t v = *out = 0;
    tempo_status st = number(r, what, 4, &v);

    *out = (uint32_t)v;
    return st;
}

tempo_status tempo_rd_u64(tempo_reader *r, const char *what, uint64_t *out)
{
    *out = 0;
    return number(r, what, 8, out);
}

tempo_status tempo_rd_str(tempo_reader *r, const char *what, uint64_t max, tempo_str *out)
{
    const unsigned char *p;
    const uint64_t at = r->pos;
    uint64_t n;
    tempo_status st;

    *out = (tempo_str){"", 0};
    if ((st = tempo_rd_u64(r, what, &n)) != TEMPO_OK)
        return st;
    if (n > max)
        st = tempo_fail(r->err, TEMPO_E_LIMIT, at, "%s is %" PRIu64 " bytes long, the limit is %" PRIu64,
                        what, n, max);
    else if ((st = take(r, what, n, &p)) == TEMPO_OK)
        *out = (tempo_str){(const char *)p, n};
    if (st != TEMPO_OK)
        r->pos = at;
    return st;
}

tempo_status tempo_rd_skip(tempo_reader *r, const char *what, uint64_t n)
{
    const unsigned char *p;

    return take(r, what, n, &p);
}
