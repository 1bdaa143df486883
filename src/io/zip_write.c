/* zip_write.c - headers of zip archives.  Only numbers become bytes here; npz_write.c does the writing. */
#include <assert.h>
#include <string.h>

#include "io/zip.h"

enum {
    VERSION_PLAIN = 20,
    VERSION_ZIP64 = 45,
    MADE_ON_UNIX = 3 << 8,
    FLAG_UTF8 = 1 << 11,
    DATE_1980 = 1 << 5 | 1, /* the first day there is: archives of equal contents are equal */
    LOCAL_BYTES = 30,
    EXTRA_ZIP64 = 0x0001,
    EXTRA_ALIGN = 0xd935, /* registered for padding: an alignment, then anything */
    EXTRA_ALIGN_MIN = 6,
    ZIP64_END_BYTES = 56,
};

#define MODE_RW_R_R                                                                                          \
    (UINT32_C(0100644) << 16)       /* in the upper half of the attributes; without it unzip gives 0000 */
#define FULL32 UINT32_C(0xffffffff) /* "see zip64" */
#define FULL16 UINT32_C(0xffff)

/* ---- bytes --------------------------------------------------------------------------- */

static unsigned char *put(unsigned char *p, unsigned n, uint64_t v)
{
    for (unsigned i = 0; i < n; i++)
        *p++ = (unsigned char)(v >> 8 * i);
    return p;
}

static unsigned char *put_str(unsigned char *p, tempo_str s)
{
    memcpy(p, s.p, (size_t)s.n);
    return p + s.n;
}

static uint32_t clip32(uint64_t v)
{
    return v < FULL32 ? (uint32_t)v : FULL32;
}

static uint16_t flags_of(tempo_str name)
{
    for (uint64_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] >= 0x80)
            return FLAG_UTF8;
    return 0;
}

/* ---- headers ------------------------------------------------------------------------- */

/* What the local header and the directory have in common, from the version to the length of the name. */
static unsigned char *put_facts(unsigned char *p, const tempo_zip_entry *e, bool zip64, uint32_t packed,
                                uint32_t size)
{
    p = put(p, 2, zip64 ? VERSION_ZIP64 : VERSION_PLAIN);
    p = put(p, 2, flags_of(e->name));
    p = put(p, 2, e->method);
    p = put(p, 2, 0); /* midnight */
    p = put(p, 2, DATE_1980);
    p = put(p, 4, e->crc);
    p = put(p, 4, packed);
    p = put(p, 4, size);
    return put(p, 2, e->name.n);
}

/* Bytes of padding, its own header included, that bring `at` to a multiple of the alignment. */
static uint64_t padding_at(uint64_t at)
{
    const uint64_t n = (TEMPO_ZIP_ALIGN - at % TEMPO_ZIP_ALIGN) % TEMPO_ZIP_ALIGN;

    return n == 0 || n >= EXTRA_ALIGN_MIN ? n : n + TEMPO_ZIP_ALIGN;
}

static unsigned char *put_padding(unsigned char *p, uint64_t n)
{
    if (n == 0)
        return p;
    p = put(p, 2, EXTRA_ALIGN);
    p = put(p, 2, n - 4);
    p = put(p, 2, TEMPO_ZIP_ALIGN);
    memset(p, 0, (size_t)n - EXTRA_ALIGN_MIN);
    return p + (n - EXTRA_ALIGN_MIN);
}

size_t tempo_zip_put_local(unsigned char *out, const tempo_zip_entry *e)
{
    /* The local header gives both sizes in zip64, or none. */
    const bool zip64 = e->packed >= FULL32 || e->size >= FULL32;
    const uint64_t extra = zip64 ? 4 + 16 : 0;
    const uint64_t padding = padding_at(e->offset + LOCAL_BYTES + e->name.n + extra);
    unsigned char *p = out;

    assert(e->name.n <= TEMPO_ZIP_MAX_NAME);
    p = put(p, 4, 0x04034b50);
    p = put_facts(p, e, zip64, zip64 ? FULL32 : (uint32_t)e->packed, zip64 ? FULL32 : (uint32_t)e->size);
    p = put(p, 2, extra + padding);
    p = put_str(p, e->name);
    if (zip64) {
        p = put(p, 2, EXTRA_ZIP64);
        p = put(p, 2, 16);
        p = put(p, 8, e->size);
        p = put(p, 8, e->packed);
    }
    p = put_padding(p, padding);
    return (size_t)(p - out);
}

size_t tempo_zip_put_central(unsigned char *out, const tempo_zip_entry *e)
{
    /* In this order, those that are needed and no others. */
    const uint64_t wide[] = {e->size, e->packed, e->offset};
    unsigned n_wide = 0;
    unsigned char *p = out;

    assert(e->name.n <= TEMPO_ZIP_MAX_NAME);
    for (unsigned i = 0; i < 3; i++)
        n_wide += wide[i] >= FULL32;
    p = put(p, 4, 0x02014b50);
    p = put(p, 2, MADE_ON_UNIX | (n_wide > 0 ? VERSION_ZIP64 : VERSION_PLAIN));
    p = put_facts(p, e, n_wide > 0, clip32(e->packed), clip32(e->size));
    p = put(p, 2, n_wide > 0 ? 4 + 8 * n_wide : 0);
    p = put(p, 2 + 2 + 2, 0); /* no comment, the only disk, no internal attributes */
    p = put(p, 4, MODE_RW_R_R);
    p = put(p, 4, clip32(e->offset));
    p = put_str(p, e->name);
    if (n_wide > 0) {
        p = put(p, 2, EXTRA_ZIP64);
        p = put(p, 2, 8 * n_wide);
    }
    for (unsigned i = 0; i < 3; i++)
        if (wide[i] >= FULL32)
            p = put(p, 8, wide[i]);
    return (size_t)(p - out);
}

static unsigned char *put_end64(unsigned char *p, uint64_t n, uint64_t at, uint64_t size)
{
    p = put(p, 4, 0x06064b50);
    p = put(p, 8, ZIP64_END_BYTES - 12); /* what follows */
    p = put(p, 2, MADE_ON_UNIX | VERSION_ZIP64);
    p = put(p, 2, VERSION_ZIP64);
    p = put(p, 4 + 4, 0); /* the only disk */
    p = put(p, 8, n);
    p = put(p, 8, n);
    p = put(p, 8, size);
    p = put(p, 8, at);
    /* where that was, for who comes from the end */
    p = put(p, 4, 0x07064b50);
    p = put(p, 4, 0);
    p = put(p, 8, at + size);
    return put(p, 4, 1);
}

size_t tempo_zip_put_end(unsigned char *out, uint64_t n, uint64_t at, uint64_t size)
{
    const uint32_t count = n < FULL16 ? (uint32_t)n : FULL16;
    unsigned char *p = out;

    if (n >= FULL16 || at >= FULL32 || size >= FULL32)
        p = put_end64(p, n, at, size);
    p = put(p, 4, 0x06054b50);
    p = put(p, 2 + 2, 0); /* the only disk */
    p = put(p, 2, count);
    p = put(p, 2, count);
    p = put(p, 4, clip32(size));
    p = put(p, 4, clip32(at));
    p = put(p, 2, 0); /* no comment */
    return (size_t)(p - out);
}
