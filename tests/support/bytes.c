#include "support/bytes.h"

#include <stdlib.h>
#include <string.h>

void test_put(test_bytes *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    b->p = realloc(b->p, b->n + n);
    if (b->p == NULL)
        abort();
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void test_put_uint(test_bytes *b, unsigned width, uint64_t v)
{
    unsigned char le[8];

    for (unsigned i = 0; i < width; i++)
        le[i] = (unsigned char)(v >> 8 * i);
    test_put(b, le, width);
}

void test_put_str(test_bytes *b, const char *s)
{
    test_put_uint(b, 8, strlen(s));
    test_put(b, s, strlen(s));
}

void test_put_padding(test_bytes *b, size_t to)
{
    while (b->n % to != 0)
        test_put_uint(b, 1, 0);
}

void test_patch(test_bytes *b, size_t at, unsigned width, uint64_t v)
{
    if (at > b->n || width > b->n - at)
        abort();
    for (unsigned i = 0; i < width; i++)
        b->p[at + i] = (unsigned char)(v >> 8 * i);
}

test_bytes test_bytes_copy(const test_bytes *b, size_t n)
{
    test_bytes c = {.p = malloc(n > 0 ? n : 1), .n = n};

    if (c.p == NULL)
        abort();
    if (n > 0)
        memcpy(c.p, b->p, n);
    return c;
}

void test_bytes_free(test_bytes *b)
{
    free(b->p);
    *b = (test_bytes){0};
}
