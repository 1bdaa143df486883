/* zip_stream.c - the bytes of one entry of a zip archive, stored or deflated, with their checksum. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "io/zip.h"

/* Deflate packs 258 bytes into two bits at best; what claims more is a lie, found before memory is taken. */
enum { MAX_RATIO = 1032 };

static bool is_deflated(const tempo_zip_stream *s)
{
    return s->entry->method == TEMPO_ZIP_DEFLATED;
}

uint64_t tempo_zip_stream_at(const tempo_zip_stream *s)
{
    return s->entry->data + (s->entry->packed - s->packed_left - s->z.avail_in);
}

tempo_status tempo_zip_stream_open(tempo_zip_stream *s, const tempo_zip *z, const tempo_zip_entry *e,
                                   tempo_err *err)
{
    *s = (tempo_zip_stream){.entry = e, .p = z->base + e->data, .packed_left = e->packed, .left = e->size};
    if (e->method == TEMPO_ZIP_STORED)
        return TEMPO_OK;
    if (!is_deflated(s))
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, e->offset + 8,
                          "compression method %u, expected 0 (stored) or 8 (deflated)", e->method);
    if (e->size / MAX_RATIO > e->packed)
        return tempo_fail(err, TEMPO_E_FORMAT, e->offset,
                          "%" PRIu64 " deflated bytes cannot unpack to %" PRIu64, e->packed, e->size);
    if (inflateInit2(&s->z, -MAX_WBITS) != Z_OK) /* negative: without zlib's own header */
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to inflate");
    return TEMPO_OK;
}

void tempo_zip_stream_close(tempo_zip_stream *s)
{
    if (s->z.state != NULL)
        (void)inflateEnd(&s->z);
    *s = (tempo_zip_stream){0};
}

/* Hand the inflater more input; it counts with an unsigned int. */
static void refill(tempo_zip_stream *s)
{
    const uInt n = s->packed_left < UINT_MAX ? (uInt)s->packed_left : UINT_MAX;

    if (s->z.avail_in > 0)
        return;
    s->z.next_in = (z_const Bytef *)(uintptr_t)s->p;
    s->z.avail_in = n;
    s->p += n;
    s->packed_left -= n;
}

/* Inflate exactly n > 0 bytes. */
static tempo_status inflate_to(tempo_zip_stream *s, unsigned char *p, uint64_t n, const char *what,
                               tempo_err *err)
{
    while (n > 0) {
        const uInt piece = n < UINT_MAX ? (uInt)n : UINT_MAX;
        refill(s);
        s->z.next_out = p;
        s->z.avail_out = piece;
        const int rc = inflate(&s->z, Z_NO_FLUSH);
        const uInt done = piece - s->z.avail_out;
        p += done;
        n -= done;
        if (n > 0 && rc == Z_STREAM_END)
            return tempo_fail(err, TEMPO_E_FORMAT, tempo_zip_stream_at(s),
                              "%s: the deflated bytes end %" PRIu64 " bytes early", what, n);
        if (n > 0 && rc != Z_OK)
            return tempo_fail(err, rc == Z_MEM_ERROR ? TEMPO_E_NOMEM : TEMPO_E_FORMAT, tempo_zip_stream_at(s),
                              "%s: bytes that do not inflate (%s)", what,
                              s->z.msg != NULL ? s->z.msg : "cut off");
    }
    return TEMPO_OK;
}

tempo_status tempo_zip_stream_read(tempo_zip_stream *s, void *p, uint64_t n, const char *what, tempo_err *err)
{
    tempo_status st;

    if (n > s->left)
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_zip_stream_at(s),
                          "%s needs %" PRIu64 " bytes, %" PRIu64 " left", what, n, s->left);
    if (n == 0) /* p may then be NULL */
        return TEMPO_OK;
    if (is_deflated(s)) {
        if ((st = inflate_to(s, p, n, what, err)) != TEMPO_OK)
            return st;
    } else {
        memcpy(p, s->p, (size_t)n);
        s->p += n;
        s->packed_left -= n;
    }
    s->crc = (uint32_t)crc32_z(s->crc, p, (size_t)n);
    s->left -= n;
    return TEMPO_OK;
}

/* The mark at the end of the deflated bytes may not have been reached yet. */
static bool inflate_has_ended(tempo_zip_stream *s)
{
    unsigned char more;

    refill(s);
    s->z.next_out = &more;
    s->z.avail_out = 1;
    return inflate(&s->z, Z_NO_FLUSH) == Z_STREAM_END && s->z.avail_out == 1 && s->z.avail_in == 0 &&
           s->packed_left == 0;
}

tempo_status tempo_zip_stream_finish(tempo_zip_stream *s, tempo_err *err)
{
    if (s->left > 0)
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_zip_stream_at(s), "%" PRIu64 " bytes too many", s->left);
    if (is_deflated(s) && !inflate_has_ended(s))
        return tempo_fail(err, TEMPO_E_FORMAT, tempo_zip_stream_at(s),
                          "the deflated bytes do not end where the entry does");
    if (!s->entry->unchecked && s->crc != s->entry->crc)
        return tempo_fail(err, TEMPO_E_FORMAT, s->entry->data, "checksum is %#" PRIx32 ", expected %#" PRIx32,
                          s->crc, s->entry->crc);
    return TEMPO_OK;
}
