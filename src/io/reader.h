/* reader.h - bounded little-endian cursor over bytes in memory. */
#ifndef TEMPO_IO_READER_H
#define TEMPO_IO_READER_H
#include "base/status.h"

typedef struct tempo_reader {
    const unsigned char *base; /* [size] borrowed; outlives the reader */
    uint64_t size, pos;        /* pos <= size always */
    tempo_err *err;            /* borrowed; may be NULL */
} tempo_reader;

/* A borrowed byte range; not NUL-terminated. */
typedef struct tempo_str {
    const char *p;
    uint64_t n;
} tempo_str;

bool tempo_str_is(tempo_str s, const char *z);

/* Each names the field in its error and leaves pos unmoved on failure (TEMPO_E_FORMAT, offset pos). */
tempo_status tempo_rd_u8(tempo_reader *r, const char *what, uint8_t *out) TEMPO_MUST_CHECK;
tempo_status tempo_rd_u16(tempo_reader *r, const char *what, uint16_t *out) TEMPO_MUST_CHECK;
tempo_status tempo_rd_u32(tempo_reader *r, const char *what, uint32_t *out) TEMPO_MUST_CHECK;
tempo_status tempo_rd_u64(tempo_reader *r, const char *what, uint64_t *out) TEMPO_MUST_CHECK;
/* u64 length, then bytes; TEMPO_E_LIMIT at the length when it is over max. */
tempo_status tempo_rd_str(tempo_reader *r, const char *what, uint64_t max, tempo_str *out) TEMPO_MUST_CHECK;
tempo_status tempo_rd_skip(tempo_reader *r, const char *what, uint64_t n) TEMPO_MUST_CHECK;

#endif
