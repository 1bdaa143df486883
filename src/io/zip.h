/* zip.h - the zip container underneath .npz files: headers written and read, entries' bytes streamed.
 *
 * Writing gives stored entries whose bytes begin at a multiple of TEMPO_ZIP_ALIGN, zip64 where 32 bits do
 * not hold a number.  The functions put headers into memory for positions that the caller names, so that
 * they can be tried with archives of any size.  Reading checks the whole directory against the entries it
 * points to: nothing overlaps, every name and size is given twice and agrees.
 * Source: APPNOTE.TXT 6.3.9, sections 4.3 to 4.5.  */
#ifndef TEMPO_IO_ZIP_H
#define TEMPO_IO_ZIP_H
#include <zlib.h>

#include "io/reader.h"

enum {
    TEMPO_ZIP_ALIGN = 64,
    TEMPO_ZIP_MAX_NAME = 1024,
    TEMPO_ZIP_HEADER_BYTES = 46 + TEMPO_ZIP_MAX_NAME + 28 + 2 * TEMPO_ZIP_ALIGN, /* room for any one header */
    TEMPO_ZIP_STORED = 0,
    TEMPO_ZIP_DEFLATED = 8,
};

typedef struct tempo_zip_entry {
    tempo_str name;  /* borrowed */
    uint16_t method; /* TEMPO_ZIP_* or another */
    uint32_t crc;    /* of its bytes, unpacked */
    uint64_t packed; /* bytes in the archive */
    uint64_t size;   /* bytes unpacked */
    uint64_t offset; /* of its local header in the archive */
    /* Reading only: */
    uint64_t data;   /* offset of its bytes in the archive */
    uint64_t listed; /* offset of its part of the directory */
    bool unchecked;  /* there is no checksum */
} tempo_zip_entry;

/* ---- writing: each puts one header to out[TEMPO_ZIP_HEADER_BYTES] and returns its length -------- */

/* In front of the entry's bytes, padded so that they are aligned. */
size_t tempo_zip_put_local(unsigned char *out, const tempo_zip_entry *e);
/* The entry's part of the directory. */
size_t tempo_zip_put_central(unsigned char *out, const tempo_zip_entry *e);
/* Behind the directory of n entries, which is at [at, at + size). */
size_t tempo_zip_put_end(unsigned char *out, uint64_t n, uint64_t at, uint64_t size);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct tempo_zip {
    const unsigned char *base; /* [size] borrowed */
    uint64_t size;
    size_t n;
    tempo_zip_entry *entries;  /* [n] in the order of the directory; names borrowed from base */
} tempo_zip;

/* base[size] must outlive *out.  TEMPO_E_FORMAT with the offset, TEMPO_E_UNSUPPORTED for encrypted
 * entries and archives in several parts.  Names are UTF-8 without control characters.  */
tempo_status tempo_zip_parse(tempo_zip *out, const unsigned char *base, uint64_t size, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_zip_free(tempo_zip *z);

/* The bytes of one entry, unpacked, from first to last. */
typedef struct tempo_zip_stream {
    const tempo_zip_entry *entry;
    const unsigned char *p; /* [packed_left] what has not gone into the inflater yet */
    uint64_t packed_left, left;
    uint32_t crc;
    z_stream z;
} tempo_zip_stream;

/* Close *s whatever this returns.  TEMPO_E_UNSUPPORTED for a method that is neither of ours;
 * TEMPO_E_FORMAT for a size that these packed bytes cannot unpack to.  */
tempo_status tempo_zip_stream_open(tempo_zip_stream *s, const tempo_zip *z, const tempo_zip_entry *e,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* The next n bytes to p; `what` they are, for the message if there are fewer. */
tempo_status tempo_zip_stream_read(tempo_zip_stream *s, void *p, uint64_t n, const char *what,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* That everything was read, that nothing is left packed, and the checksum. */
tempo_status tempo_zip_stream_finish(tempo_zip_stream *s, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_zip_stream_close(tempo_zip_stream *s);
/* Offset in the archive of the next byte (of the next packed byte, when deflated). */
uint64_t tempo_zip_stream_at(const tempo_zip_stream *s);

#endif
