/* bytes.h - building files in memory, byte by byte, for tests.  Aborts when memory runs out. */
#ifndef TEMPO_TESTS_BYTES_H
#define TEMPO_TESTS_BYTES_H
#include <stddef.h>
#include <stdint.h>

typedef struct test_bytes {
    unsigned char *p; /* [n], exactly as large, so that a sanitizer sees one byte too many */
    size_t n;
} test_bytes;

void test_put(test_bytes *b, const void *p, size_t n);
/* v as `width` little-endian bytes */
void test_put_uint(test_bytes *b, unsigned width, uint64_t v);
/* u64 length and text, as GGUF writes strings */
void test_put_str(test_bytes *b, const char *s);
/* zeros up to the next multiple of `to` */
void test_put_padding(test_bytes *b, size_t to);
/* Overwrite `width` bytes at `at`. */
void test_patch(test_bytes *b, size_t at, unsigned width, uint64_t v);
/* The first n bytes in a block of their own. */
test_bytes test_bytes_copy(const test_bytes *b, size_t n);
void test_bytes_free(test_bytes *b);

#endif
