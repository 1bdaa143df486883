/* Errors, the arena, element types, UTF-8, the bounded reader. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/status.h"
#include "io/reader.h"
#include "support/bytes.h"

static void test_first_failure_wins(void **state)
{
    (void)state;
    tempo_err err = {0};

    tempo_err_prefix(&err, "nothing yet");
    assert_string_equal(err.msg, "");
    assert_int_equal(tempo_fail(&err, TEMPO_E_FORMAT, 7, "field %s is %d", "x", 3), TEMPO_E_FORMAT);
    assert_int_equal(tempo_fail(&err, TEMPO_E_LIMIT, 9, "later"), TEMPO_E_LIMIT);
    assert_int_equal(tempo_fail_os(&err, EACCES, "later still"), TEMPO_E_IO);
    tempo_err_prefix(&err, "tensor %d", 5);
    tempo_err_prefix(&err, "a.gguf");
    assert_string_equal(err.msg, "a.gguf: tensor 5: field x is 3");
    assert_int_equal(err.code, TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 7);
    assert_int_equal(err.os_errno, 0);
    assert_int_equal(tempo_fail(NULL, TEMPO_E_ARG, 0, "no err"), TEMPO_E_ARG);
    tempo_err_prefix(NULL, "no err");
}

static void test_os_failure(void **state)
{
    (void)state;
    tempo_err err = {0};

    assert_int_equal(tempo_fail_os(&err, ENOSPC, "%s: cannot be written", "out"), TEMPO_E_IO);
    assert_string_equal(err.msg, "out: cannot be written: No space left on device");
    assert_int_equal(err.os_errno, ENOSPC);
    assert_true(err.offset == TEMPO_NO_OFFSET);
}

/* Long texts are cut, ended and never written past. */
static void test_long_messages(void **state)
{
    (void)state;
    char text[2000];
    struct {
        tempo_err err;
        unsigned char guard[16];
    } e = {0};

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)tempo_fail_os(&e.err, ENOSPC, "%s", text);
    assert_int_equal(strlen(e.err.msg), sizeof(e.err.msg) - 1);
    tempo_err_prefix(&e.err, "%s", text);
    tempo_err_prefix(&e.err, "head");
    assert_int_equal(strncmp(e.err.msg, "head: xx", 8), 0);
    assert_int_equal(strlen(e.err.msg), sizeof(e.err.msg) - 1);
    for (size_t i = 0; i < sizeof(e.guard); i++)
        assert_int_equal(e.guard[i], 0);
}

/* Names that a message has already are not put there twice; a field that is told stays. */
static void test_err_context(void **state)
{
    (void)state;
    tempo_err err = {0};

    tempo_err_prefix_first(&err, "a.gguf", "a.gguf"); /* nothing went wrong */
    tempo_err_prefix_once(&err, "a.gguf", "a.gguf");
    tempo_err_set_field(&err, "kv");
    assert_string_equal(err.msg, "");
    assert_string_equal(err.field, "");
    assert_int_equal(tempo_fail_field(&err, TEMPO_E_ARG, "kv", "key %d", 3), TEMPO_E_ARG);
    assert_int_equal(tempo_fail_field(&err, TEMPO_E_LIMIT, "steps", "later"), TEMPO_E_LIMIT);
    tempo_err_set_field(&err, "steps");
    assert_string_equal(err.field, "kv");
    tempo_err_prefix_once(&err, "key 3", "%s", "key 3");
    assert_string_equal(err.msg, "key 3");
    tempo_err_prefix_once(&err, "a.gguf", "in %s", "a.gguf");
    assert_string_equal(err.msg, "in a.gguf: key 3");
    tempo_err_prefix_once(&err, "a.gguf", "in %s", "a.gguf");
    tempo_err_prefix_first(&err, "a.gguf", "%s", "a.gguf"); /* it is there, but not in front */
    tempo_err_prefix_first(&err, "a.gguf", "%s", "a.gguf");
    assert_string_equal(err.msg, "a.gguf: in a.gguf: key 3");
    assert_false(tempo_err_strip(&err, "in "));
    assert_true(tempo_err_strip(&err, "a.gguf: "));
    assert_string_equal(err.msg, "in a.gguf: key 3");
    err.code = TEMPO_OK; /* a caller's that was used before */
    assert_int_equal(tempo_fail(&err, TEMPO_E_IO, 7, "anew"), TEMPO_E_IO);
    assert_string_equal(err.field, "");
}

static void test_status_names(void **state)
{
    (void)state;
    for (int i = TEMPO_OK; i <= TEMPO_E_BUSY; i++)
        for (int j = TEMPO_OK; j < i; j++)
            assert_string_not_equal(tempo_status_name((tempo_status)i), tempo_status_name((tempo_status)j));
    assert_string_equal(tempo_status_name(TEMPO_E_NOTFOUND), "not found");
    assert_null(tempo_status_name((tempo_status)99));
    assert_string_equal(tempo_version(), TEMPO_VERSION);
}

static void layout(tempo_arena *a, char **p, double **q)
{
    *p = tempo_arena_alloc(a, 3, 1);
    *q = tempo_arena_alloc(a, 9, sizeof(**q));
}

static void test_arena(void **state)
{
    (void)state;
    tempo_arena a = {0};
    char *p;
    double *q;

    layout(&a, &p, &q); /* measures */
    assert_null(p);
    assert_false(a.failed);
    assert_int_equal(a.used, 64 + 128);
    const size_t size = a.used;
    a = (tempo_arena){.base = aligned_alloc(64, size), .cap = size};
    unsigned char *block = a.base;
    layout(&a, &p, &q); /* carves */
    assert_false(a.failed);
    assert_ptr_equal(p, block);
    assert_ptr_equal(q, block + 64);
    assert_null(tempo_arena_alloc(&a, 1, 1)); /* past its end */
    assert_true(a.failed);
    free(block);
    a = (tempo_arena){0};
    assert_null(tempo_arena_alloc(&a, SIZE_MAX / 2, 3));
    assert_true(a.failed);
    a = (tempo_arena){.used = SIZE_MAX - 100};
    assert_null(tempo_arena_alloc(&a, 101, 1));
    assert_true(a.failed);
}

static void test_dtypes(void **state)
{
    (void)state;
    for (int t = 0; t < TEMPO_DTYPE_COUNT; t++) {
        const tempo_dtype_info *d = tempo_dtype_get((tempo_dtype)t);
        assert_int_equal(tempo_dtype_from_ggml(d->ggml), d->ggml != TEMPO_NO_GGML ? t : TEMPO_DTYPE_COUNT);
        assert_int_equal(tempo_dtype_from_name(d->name, strlen(d->name)), t);
    }
    assert_int_equal(tempo_dtype_get(TEMPO_Q6_K)->block_bytes, 210);
    assert_int_equal(tempo_dtype_from_ggml(4), TEMPO_DTYPE_COUNT); /* Q4_2 is gone */
    assert_int_equal(tempo_dtype_from_name("F3", 2), TEMPO_DTYPE_COUNT);
    assert_int_equal(tempo_dtype_from_name("", 0), TEMPO_DTYPE_COUNT);
}

/* A decoder in the shape of the definition: the number, then whether its shortest form was used. */
static bool is_utf8_by_definition(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const unsigned char b = s[i];
        const unsigned len = b < 0x80 ? 1 : b >> 5 == 6 ? 2 : b >> 4 == 14 ? 3 : b >> 3 == 30 ? 4 : 0;
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t c = len == 1 ? b : b & (0xffu >> (len + 1));
        if (len == 0 || n - i < len)
            return false;
        for (unsigned k = 1; k < len; k++) {
            if (s[i + k] >> 6 != 2)
                return false;
            c = c << 6 | (s[i + k] & 0x3f);
        }
        if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
        i += len;
    }
    return true;
}

/* All strings of three bytes whose third is at a border, and longer ones around the borders of four. */
static void test_utf8(void **state)
{
    (void)state;
    static const unsigned char third[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    unsigned char s[5];

    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (size_t c = 0; c < sizeof(third); c++)
                for (size_t n = 1; n <= 5; n++) {
                    memcpy(s, (unsigned char[]){(unsigned char)a, (unsigned char)b, third[c], 0x80, 0x42}, 5);
                    const bool valid = tempo_utf8_valid((const char *)s, n) == n;
                    if (valid != is_utf8_by_definition(s, n))
                        fail_msg("%02x %02x %02x 80 42, %zu bytes", a, b, third[c], n);
                }
    assert_int_equal(tempo_utf8_valid("abc\xc3\xa9\xff", 6), 5);
    assert_int_equal(tempo_utf8_valid("ab\xe2\x82", 4), 2);
    assert_int_equal(tempo_utf8_valid("", 0), 0);
}

static void test_reader(void **state)
{
    (void)state;
    test_bytes b = {0};
    tempo_err err = {0};
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    tempo_str s;

    test_put_uint(&b, 1, 0xab);
    test_put_uint(&b, 2, 0xcdef);
    test_put_uint(&b, 4, 0x01234567);
    test_put_uint(&b, 8, 0x89abcdef00112233u);
    test_put_str(&b, "hello");
    tempo_reader r = {.base = b.p, .size = b.n, .err = &err};
    assert_int_equal(tempo_rd_u8(&r, "a", &u8), TEMPO_OK);
    assert_int_equal(tempo_rd_u16(&r, "b", &u16), TEMPO_OK);
    assert_int_equal(tempo_rd_u32(&r, "c", &u32), TEMPO_OK);
    assert_int_equal(tempo_rd_u64(&r, "d", &u64), TEMPO_OK);
    assert_int_equal(u8, 0xab);
    assert_int_equal(u16, 0xcdef);
    assert_int_equal(u32, 0x01234567);
    assert_true(u64 == 0x89abcdef00112233u);
    const uint64_t at = r.pos;
    assert_int_equal(tempo_rd_str(&r, "e", 4, &s), TEMPO_E_LIMIT);
    assert_int_equal(err.offset, at);
    assert_int_equal(r.pos, at);
    err = (tempo_err){0};
    assert_int_equal(tempo_rd_str(&r, "e", 5, &s), TEMPO_OK);
    assert_true(tempo_str_is(s, "hello"));
    assert_int_equal(tempo_rd_u8(&r, "the last", &u8), TEMPO_E_FORMAT);
    assert_string_equal(err.msg, "the last needs 1 bytes, 0 left");
    assert_int_equal(err.offset, b.n);
    assert_int_equal(tempo_rd_skip(&r, "rest", UINT64_MAX), TEMPO_E_FORMAT);
    assert_int_equal(r.pos, b.n);
    test_bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_failure_wins),
        cmocka_unit_test(test_os_failure),
        cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_status_names),
        cmocka_unit_test(test_err_context),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
