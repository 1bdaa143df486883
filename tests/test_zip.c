/* test_zip.c - the zip container: headers for archives of any size, directories that lie, deflated bytes
 * that are wrong.  What the entries hold is test_npz.c's business. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/map.h"
#include "io/zip.h"
#include "support/bytes.h"
#include "support/tmpdir.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define FULL UINT64_C(0xffffffff)
#define GIB(n) (UINT64_C(n) << 30)

static uint64_t get(const unsigned char *p, unsigned n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static tempo_str str(const char *s)
{
    return (tempo_str){s, strlen(s)};
}

/* ---- headers for any size ------------------------------------------------------------ */

static void test_local_header(void **state)
{
    (void)state;
    static const unsigned char want[] = {
        0x50, 0x4b, 3,    4,    20,   0,    0,    0,  0,    0,    0, 0, 0x21, 0, /* time and date */
        0xef, 0xbe, 0xad, 0xde, 0x10, 0x27, 0,    0,  0x10, 0x27, 0, 0,          /* CRC and sizes */
        1,    0,    33,   0,    'a',  0x35, 0xd9, 29, 0,    64,   0,
    };
    const tempo_zip_entry e = {.name = str("a"), .crc = 0xdeadbeef, .packed = 10000, .size = 10000};
    unsigned char out[TEMPO_ZIP_HEADER_BYTES];

    assert_int_equal(tempo_zip_put_local(out, &e), 64);
    assert_memory_equal(out, want, sizeof(want));
    for (size_t i = sizeof(want); i < 64; i++)
        assert_int_equal(out[i], 0);
}

static void test_alignment(void **state)
{
    (void)state;
    char name[TEMPO_ZIP_MAX_NAME];
    unsigned char out[TEMPO_ZIP_HEADER_BYTES];

    memset(name, 'x', sizeof(name));
    for (uint64_t at = 0; at < 64; at++)
        for (uint64_t n = TEMPO_ZIP_MAX_NAME - 70; n <= TEMPO_ZIP_MAX_NAME; n++)
            for (uint64_t size = FULL - 1; size <= FULL; size++) {
                const tempo_zip_entry e = {.name = {name, n}, .size = size, .packed = size, .offset = at};
                const size_t bytes = tempo_zip_put_local(out, &e);
                const size_t wide = size == FULL ? 20 : 0, extra = (size_t)get(out + 28, 2),
                             padding = extra - wide;
                assert_int_equal((at + bytes) % 64, 0);
                assert_int_equal(bytes, 30 + n + extra);
                if (padding == 0)
                    continue;
                assert_in_range(padding, 6, 69);
                assert_int_equal(get(out + 30 + n + wide, 2), 0xd935);
                assert_int_equal(get(out + 32 + n + wide, 2), padding - 4);
            }
}

/* A local header has both sizes in zip64 or none. */
static void test_local_zip64(void **state)
{
    (void)state;
    static const struct {
        uint64_t size, packed;
        bool wide;
    } cases[] = {{FULL - 1, FULL - 1, false}, {FULL, FULL, true}, {GIB(5), 7, true}, {7, GIB(5), true}};
    unsigned char out[TEMPO_ZIP_HEADER_BYTES];

    for (size_t i = 0; i < COUNT(cases); i++) {
        const tempo_zip_entry e = {.name = str("ab"), .size = cases[i].size, .packed = cases[i].packed};
        (void)tempo_zip_put_local(out, &e);
        assert_int_equal(get(out + 4, 2), cases[i].wide ? 45 : 20);
        assert_int_equal(get(out + 18, 4), cases[i].wide ? FULL : e.packed);
        assert_int_equal(get(out + 22, 4), cases[i].wide ? FULL : e.size);
        if (!cases[i].wide) {
            assert_int_equal(get(out + 32, 2), 0xd935);
            continue;
        }
        assert_int_equal(get(out + 32, 2), 1);
        assert_int_equal(get(out + 34, 2), 16);
        assert_int_equal(get(out + 36, 8), e.size);
        assert_int_equal(get(out + 44, 8), e.packed);
    }
}

/* The directory has those numbers in zip64 that need it, in a fixed order. */
static void test_central_zip64(void **state)
{
    (void)state;
    unsigned char out[TEMPO_ZIP_HEADER_BYTES];

    for (unsigned which = 0; which < 8; which++) {
        const tempo_zip_entry e = {.name = str("abc"),
                                   .size = (which & 1) != 0 ? GIB(5) : FULL - 1,
                                   .packed = (which & 2) != 0 ? FULL : 8,
                                   .offset = (which & 4) != 0 ? GIB(7) : FULL - 1};
        const uint64_t values[] = {e.size, e.packed, e.offset};
        const size_t n_wide = (which & 1) + (which >> 1 & 1) + (which >> 2);
        const size_t n = tempo_zip_put_central(out, &e);
        const unsigned char *p = out + 46 + 3;
        assert_int_equal(n, 46 + 3 + (n_wide > 0 ? 4 + 8 * n_wide : 0));
        assert_int_equal(get(out + 4, 2), 3 << 8 | (n_wide > 0 ? 45 : 20));
        assert_int_equal(get(out + 6, 2), n_wide > 0 ? 45 : 20);
        assert_int_equal(get(out + 20, 4), (which & 2) != 0 ? FULL : e.packed);
        assert_int_equal(get(out + 24, 4), (which & 1) != 0 ? FULL : e.size);
        assert_int_equal(get(out + 30, 2), n - 49);
        assert_int_equal(get(out + 42, 4), (which & 4) != 0 ? FULL : e.offset);
        if (n_wide == 0)
            continue;
        assert_int_equal(get(p, 2), 1);
        assert_int_equal(get(p + 2, 2), 8 * n_wide);
        p += 4;
        for (unsigned i = 0; i < 3; i++)
            if ((which >> i & 1) != 0) {
                assert_int_equal(get(p, 8), values[i]);
                p += 8;
            }
    }
}

static void test_end_zip64(void **state)
{
    (void)state;
    static const struct {
        uint64_t n, at, size;
        bool wide;
    } cases[] = {
        {0, 0, 0, false},    {65534, FULL - 1, FULL - 1, false},
        {65535, 9, 9, true}, {1, FULL, 9, true},
        {1, 9, FULL, true},  {UINT64_C(1) << 33, GIB(9), GIB(8), true},
    };
    unsigned char out[TEMPO_ZIP_HEADER_BYTES];

    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint64_t n = cases[i].n, at = cases[i].at, size = cases[i].size;
        const unsigned char *p = out;
        assert_int_equal(tempo_zip_put_end(out, n, at, size), cases[i].wide ? 98 : 22);
        if (cases[i].wide) {
            assert_int_equal(get(p, 4), 0x06064b50);
            assert_int_equal(get(p + 4, 8), 44);
            assert_int_equal(get(p + 12, 2), 3 << 8 | 45);
            assert_int_equal(get(p + 14, 2), 45);
            assert_int_equal(get(p + 16, 8), 0);
            assert_int_equal(get(p + 24, 8), n);
            assert_int_equal(get(p + 32, 8), n);
            assert_int_equal(get(p + 40, 8), size);
            assert_int_equal(get(p + 48, 8), at);
            p += 56;
            assert_int_equal(get(p, 4), 0x07064b50);
            assert_int_equal(get(p + 4, 4), 0);
            assert_int_equal(get(p + 8, 8), at + size);
            assert_int_equal(get(p + 16, 4), 1);
            p += 20;
        }
        assert_int_equal(get(p, 4), 0x06054b50);
        assert_int_equal(get(p + 4, 4), 0);
        assert_int_equal(get(p + 8, 2), n < 65535 ? n : 65535);
        assert_int_equal(get(p + 10, 2), n < 65535 ? n : 65535);
        assert_int_equal(get(p + 12, 4), size < FULL ? size : FULL);
        assert_int_equal(get(p + 16, 4), at < FULL ? at : FULL);
        assert_int_equal(get(p + 20, 2), 0);
    }
}

/* ---- beyond 4 GiB -------------------------------------------------------------------- */

static bool write_at(int fd, uint64_t at, const void *p, size_t n)
{
    return pwrite(fd, p, n, (off_t)at) == (ssize_t)n;
}

/* One entry of 5 GiB, all of it a hole in the file, and a small one behind it. */
static bool write_huge(int fd, tempo_zip_entry e[2])
{
    unsigned char head[TEMPO_ZIP_HEADER_BYTES];
    size_t n = tempo_zip_put_local(head, &e[0]);
    uint64_t at;
    bool ok = write_at(fd, 0, head, n);

    e[1].offset = n + e[0].size;
    n = tempo_zip_put_local(head, &e[1]);
    at = e[1].offset + n;
    ok = ok && write_at(fd, e[1].offset, head, n) && write_at(fd, at, "hello", 5);
    const uint64_t directory = at + 5;
    at = directory;
    for (int i = 0; i < 2; i++) {
        n = tempo_zip_put_central(head, &e[i]);
        ok = ok && write_at(fd, at, head, n);
        at += n;
    }
    n = tempo_zip_put_end(head, 2, directory, at - directory);
    return ok && write_at(fd, at, head, n);
}

static void check_huge(const char *path, const tempo_zip_entry want[2])
{
    tempo_map map;
    tempo_zip z;
    tempo_zip_stream s;
    char text[5];
    tempo_err err = {0};

    assert_int_equal(tempo_map_open(&map, path, NULL), TEMPO_OK);
    if (tempo_zip_parse(&z, map.p, map.n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(z.n, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(z.entries[i].size, want[i].size);
        assert_int_equal(z.entries[i].packed, want[i].packed);
        assert_int_equal(z.entries[i].offset, want[i].offset);
    }
    assert_int_equal(tempo_zip_stream_open(&s, &z, &z.entries[1], NULL), TEMPO_OK);
    assert_true(tempo_zip_stream_at(&s) > GIB(5));
    assert_int_equal(tempo_zip_stream_read(&s, text, 5, "text", NULL), TEMPO_OK);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(tempo_zip_stream_finish(&s, NULL), TEMPO_OK);
    tempo_zip_stream_close(&s);
    tempo_zip_free(&z);
    tempo_map_close(&map);
}

static void test_beyond_4_gib(void **state)
{
    (void)state;
    tempo_zip_entry e[2] = {
        {.name = str("zeros.npy"), .size = GIB(5), .packed = GIB(5)},
        {.name = str("hello.npy"),
         .size = 5,
         .packed = 5,
         .crc = (uint32_t)crc32(0, (const Bytef *)"hello", 5)},
    };
    char dir[256], path[512];

    test_tmpdir_create(dir);
    test_path(path, dir, "huge.npz");
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    assert_true(fd >= 0);
    const bool written = write_huge(fd, e);
    assert_int_equal(close(fd), 0);
    if (written)
        check_huge(path, e);
    test_tmpdir_remove(dir);
    if (!written) {
        print_message("this file system holds no file of 5 GiB, skipped\n");
        skip();
    }
}

/* ---- directories that lie ------------------------------------------------------------ */

/* Two stored entries, "a" of 4 bytes and "b" of 3; where their parts are. */
enum {
    A_LOCAL = 0,
    A_DATA = 64,
    B_LOCAL = 68,
    B_DATA = 128,
    A_LISTED = 131,
    B_LISTED = 131 + 47,
    END = 131 + 2 * 47,
    WHOLE = END + 22,
};

static test_bytes archive(void)
{
    tempo_zip_entry e[2] = {
        {.name = str("a"), .size = 4, .packed = 4, .crc = (uint32_t)crc32(0, (const Bytef *)"aaaa", 4)},
        {.name = str("b"),
         .size = 3,
         .packed = 3,
         .crc = (uint32_t)crc32(0, (const Bytef *)"bbb", 3),
         .offset = B_LOCAL},
    };
    unsigned char head[TEMPO_ZIP_HEADER_BYTES];
    test_bytes b = {0};

    test_put(&b, head, tempo_zip_put_local(head, &e[0]));
    test_put(&b, "aaaa", 4);
    test_put(&b, head, tempo_zip_put_local(head, &e[1]));
    test_put(&b, "bbb", 3);
    for (int i = 0; i < 2; i++)
        test_put(&b, head, tempo_zip_put_central(head, &e[i]));
    test_put(&b, head, tempo_zip_put_end(head, 2, A_LISTED, END - A_LISTED));
    assert_int_equal(b.n, WHOLE);
    return b;
}

typedef struct change {
    size_t at;
    unsigned width;
    uint64_t value;
} change;

typedef struct lie {
    change changes[5]; /* up to the first of width 0 */
    tempo_status status;
    uint64_t at;
    const char *message;
} lie;

static const lie lies[] = {
    /* the end */
    {{{END, 1, 0}}, TEMPO_E_FORMAT, WHOLE, "no end of a zip archive in 247 bytes"},
    {{{END + 20, 2, 1}}, TEMPO_E_FORMAT, WHOLE, "no end of a zip archive"},
    {{{END + 4, 2, 1}}, TEMPO_E_UNSUPPORTED, END + 4, "an archive in several parts"},
    {{{END + 6, 2, 1}}, TEMPO_E_UNSUPPORTED, END + 4, "an archive in several parts"},
    {{{END + 8, 2, 1}}, TEMPO_E_UNSUPPORTED, END + 4, "an archive in several parts"},
    {{{END + 12, 4, 93}}, TEMPO_E_FORMAT, END + 12, "directory at 131 + 93, expected to end at 225"},
    {{{END + 16, 4, 132}}, TEMPO_E_FORMAT, END + 12, "directory at 132 + 94, expected to end at 225"},
    {{{END + 12, 4, FULL}, {END + 16, 4, FULL}},
     TEMPO_E_FORMAT,
     END + 12,
     "directory at 4294967295 + 4294967295"},
    {{{END + 8, 4, 3 << 16 | 3}}, TEMPO_E_FORMAT, END + 10, "3 entries in a directory of 94 bytes"},
    {{{END + 8, 4, 65535u << 16 | 65535}},
     TEMPO_E_FORMAT,
     END + 10,
     "65535 entries in a directory of 94 bytes"},
    {{{END + 8, 4, 1 << 16 | 1}}, TEMPO_E_FORMAT, B_LISTED, "directory goes on after its 1 entries"},
    /* the directory */
    {{{B_LISTED, 1, 0}},
     TEMPO_E_FORMAT,
     B_LISTED,
     "directory entry begins with 0x2014b00, expected 0x2014b50"},
    {{{B_LISTED + 28, 2, 2}},
     TEMPO_E_FORMAT,
     B_LISTED + 46,
     "directory entry's name, extra fields and comment needs 2"},
    {{{B_LISTED + 28, 2, 0}},
     TEMPO_E_FORMAT,
     B_LISTED + 46,
     "entry's name is 0 bytes long, expected 1 to 1024"},
    {{{B_LISTED + 30, 2, 65535}},
     TEMPO_E_FORMAT,
     B_LISTED + 46,
     "directory entry's name, extra fields and comment needs"},
    {{{B_LISTED + 46, 1, 0xff}}, TEMPO_E_FORMAT, B_LISTED + 46, "entry's name is not UTF-8"},
    {{{B_LISTED + 46, 1, 0}}, TEMPO_E_FORMAT, B_LISTED + 46, "control character in an entry's name"},
    {{{B_LISTED + 46, 1, 0x7f}}, TEMPO_E_FORMAT, B_LISTED + 46, "control character in an entry's name"},
    {{{A_LISTED + 8, 2, 1}}, TEMPO_E_UNSUPPORTED, A_LISTED + 8, "an encrypted entry"},
    {{{A_LISTED + 8, 2, 1 << 6}}, TEMPO_E_UNSUPPORTED, A_LISTED + 8, "an encrypted entry"},
    {{{A_LISTED + 8, 2, 1 << 13}}, TEMPO_E_UNSUPPORTED, A_LISTED + 8, "an encrypted entry"},
    {{{A_LISTED + 8, 2, 1 << 5}}, TEMPO_E_UNSUPPORTED, A_LISTED + 8, "an entry that is a patch"},
    {{{A_LISTED + 34, 2, 1}}, TEMPO_E_UNSUPPORTED, A_LISTED + 34, "an archive in several parts"},
    {{{A_LISTED + 20, 4, FULL}}, TEMPO_E_FORMAT, A_LISTED + 47, "zip64 number needs 8 bytes, 0 left"},
    {{{A_LISTED + 42, 4, A_LISTED + 1}},
     TEMPO_E_FORMAT,
     A_LISTED + 42,
     "entry at 132 is past the directory at 131"},
    {{{A_LISTED + 42, 4, A_LISTED - 29}},
     TEMPO_E_FORMAT,
     A_LISTED - 29,
     "local header needs 30 bytes, 29 left"},
    {{{A_LISTED + 42, 4, 4}}, TEMPO_E_FORMAT, 4, "local header begins with 0x14, expected 0x4034b50"},
    /* both entries are one */
    {{{B_LISTED + 42, 4, 0}}, TEMPO_E_FORMAT, 0, "local header is of another entry than the directory's"},
    /* local headers */
    {{{A_LOCAL + 30, 1, 'x'}}, TEMPO_E_FORMAT, 0, "local header is of another entry than the directory's"},
    {{{A_LOCAL + 26, 2, 2}}, TEMPO_E_FORMAT, 0, "local header is of another entry than the directory's"},
    {{{A_LOCAL + 8, 2, 8}}, TEMPO_E_FORMAT, 0, "local header is of another entry than the directory's"},
    {{{B_LOCAL + 28, 2, 65535}},
     TEMPO_E_FORMAT,
     B_LOCAL + 30,
     "local header's name and extra fields needs 65536 bytes"},
    {{{A_LOCAL + 6, 2, 1}}, TEMPO_E_UNSUPPORTED, 6, "an encrypted entry"},
    {{{A_LOCAL + 14, 4, 0}},
     TEMPO_E_FORMAT,
     14,
     "checksum or sizes in the local header are not the directory's"},
    {{{A_LOCAL + 18, 4, 0}},
     TEMPO_E_FORMAT,
     14,
     "checksum or sizes in the local header are not the directory's"},
    {{{A_LOCAL + 22, 4, 0}},
     TEMPO_E_FORMAT,
     14,
     "checksum or sizes in the local header are not the directory's"},
    {{{A_LOCAL + 22, 4, FULL}}, TEMPO_E_FORMAT, A_DATA, "zip64 number needs 8 bytes, 0 left"},
    /* an extra field that is longer than they all are, and one of two bytes */
    {{{A_LOCAL + 33, 2, 999}}, TEMPO_E_FORMAT, 35, "extra field needs 999 bytes, 29 left"},
    {{{A_LOCAL + 33, 2, 27}}, TEMPO_E_FORMAT, 64, "extra field needs 2 bytes, 0 left"},
    /* zip64 of four bytes, followed by enough for a number */
    {{{A_LOCAL + 22, 4, FULL}, {A_LOCAL + 31, 4, 4 << 16 | 1}},
     TEMPO_E_FORMAT,
     35,
     "zip64 number needs 8 bytes, 4 left"},
    /* sizes, in both places */
    {{{A_LOCAL + 22, 4, 5}, {A_LISTED + 24, 4, 5}}, TEMPO_E_FORMAT, 0, "stored entry has two sizes: 4 and 5"},
    {{{A_LOCAL + 18, 8, UINT64_C(5) << 32 | 5}, {A_LISTED + 20, 8, UINT64_C(5) << 32 | 5}},
     TEMPO_E_FORMAT,
     B_LOCAL,
     "entries overlap"},
    {{{B_LOCAL + 18, 8, UINT64_C(4) << 32 | 4}, {B_LISTED + 20, 8, UINT64_C(4) << 32 | 4}},
     TEMPO_E_FORMAT,
     B_DATA,
     "entry of 4 bytes reaches into the directory at 131"},
};

static void patch(test_bytes *b, const change *c, size_t n)
{
    for (size_t i = 0; i < n && c[i].width > 0; i++)
        test_patch(b, c[i].at, c[i].width, c[i].value);
}

static void check_lie(const test_bytes *b, const lie *l)
{
    tempo_zip z;
    tempo_err err = {0};
    const tempo_status st = tempo_zip_parse(&z, b->p, b->n, &err);

    if (st != l->status || err.offset != l->at || strncmp(err.msg, l->message, strlen(l->message)) != 0)
        print_error("%d at %llu: %s\n  expected %s\n", (int)st, (unsigned long long)err.offset, err.msg,
                    l->message);
    assert_int_equal(st, l->status);
    assert_int_equal(err.code, l->status);
    assert_int_equal(err.offset, l->at);
    assert_memory_equal(err.msg, l->message, strlen(l->message));
    assert_null(z.entries);
}

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        test_bytes b = archive();
        patch(&b, lies[i].changes, COUNT(lies[i].changes));
        check_lie(&b, &lies[i]);
        test_bytes_free(&b);
    }
}

/* The same, in an archive that ends with zip64. */
enum { END64 = END, LOCATOR = END + 56, END_AFTER_64 = LOCATOR + 20 };

static const lie lies64[] = {
    {{{LOCATOR, 1, 0}}, TEMPO_E_FORMAT, END_AFTER_64 + 12, "directory at 131 + 94, expected to end at 301"},
    {{{LOCATOR + 4, 4, 1}}, TEMPO_E_UNSUPPORTED, LOCATOR, "an archive in several parts"},
    {{{LOCATOR + 16, 4, 2}}, TEMPO_E_UNSUPPORTED, LOCATOR, "an archive in several parts"},
    {{{LOCATOR + 8, 8, END64 + 1}},
     TEMPO_E_FORMAT,
     LOCATOR + 8,
     "zip64 end record at 226, expected in front of its"},
    {{{LOCATOR + 8, 8, UINT64_MAX}}, TEMPO_E_FORMAT, LOCATOR + 8, "zip64 end record at 18446744073709551615"},
    {{{LOCATOR + 8, 8, END64 - 1}}, TEMPO_E_FORMAT, END64 - 1, "zip64 end record begins with"},
    {{{END64 + 4, 8, 45}}, TEMPO_E_FORMAT, END64 + 4, "zip64 end record is 45 bytes long, expected 44"},
    {{{END64 + 16, 4, 1}}, TEMPO_E_UNSUPPORTED, END64 + 16, "an archive in several parts"},
    {{{END64 + 20, 4, 1}}, TEMPO_E_UNSUPPORTED, END64 + 16, "an archive in several parts"},
    {{{END64 + 24, 8, 1}}, TEMPO_E_UNSUPPORTED, END64 + 16, "an archive in several parts"},
    {{{END64 + 24, 8, UINT64_MAX}, {END64 + 32, 8, UINT64_MAX}},
     TEMPO_E_FORMAT,
     END_AFTER_64 + 10,
     "18446744073709551615 entries in a directory of 94 bytes"},
    {{{END64 + 40, 8, UINT64_MAX}},
     TEMPO_E_FORMAT,
     END_AFTER_64 + 12,
     "directory at 131 + 18446744073709551615, expected to end at 225"},
    {{{END64 + 48, 8, 130}},
     TEMPO_E_FORMAT,
     END_AFTER_64 + 12,
     "directory at 130 + 94, expected to end at 225"},
};

static test_bytes archive64(void)
{
    test_bytes whole = archive(), b = test_bytes_copy(&whole, END);
    unsigned char head[TEMPO_ZIP_HEADER_BYTES];

    test_bytes_free(&whole);
    assert_int_equal(tempo_zip_put_end(head, 65535, A_LISTED, END - A_LISTED), 98);
    test_put(&b, head, 98);
    test_patch(&b, END64 + 24, 8, 2);
    test_patch(&b, END64 + 32, 8, 2);
    return b;
}

static void test_lies64(void **state)
{
    (void)state;
    tempo_zip z;
    test_bytes b = archive64();

    assert_int_equal(tempo_zip_parse(&z, b.p, b.n, NULL), TEMPO_OK);
    assert_int_equal(z.n, 2);
    tempo_zip_free(&z);
    test_bytes_free(&b);
    for (size_t i = 0; i < COUNT(lies64); i++) {
        b = archive64();
        patch(&b, lies64[i].changes, COUNT(lies64[i].changes));
        check_lie(&b, &lies64[i]);
        test_bytes_free(&b);
    }
}

/* ---- what is allowed ----------------------------------------------------------------- */

static void check_reads(const test_bytes *b)
{
    tempo_zip z;
    tempo_zip_stream s;
    char text[4];
    tempo_err err = {0};

    if (tempo_zip_parse(&z, b->p, b->n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(z.n, 2);
    assert_true(tempo_str_is(z.entries[1].name, "b"));
    assert_int_equal(tempo_zip_stream_open(&s, &z, &z.entries[0], NULL), TEMPO_OK);
    assert_int_equal(tempo_zip_stream_read(&s, text, 1, "one", NULL), TEMPO_OK);
    assert_int_equal(tempo_zip_stream_read(&s, text + 1, 3, "three", NULL), TEMPO_OK);
    assert_memory_equal(text, "aaaa", 4);
    assert_int_equal(tempo_zip_stream_finish(&s, &err), TEMPO_OK);
    tempo_zip_stream_close(&s);
    tempo_zip_free(&z);
}

static void test_allowed(void **state)
{
    (void)state;
    unsigned char end[20];
    test_bytes b = archive();

    check_reads(&b);
    /* sizes that follow the bytes, as a program writes that cannot go back */
    test_patch(&b, A_LOCAL + 6, 2, 8);
    test_patch(&b, A_LOCAL + 14, 8, 0);
    test_patch(&b, A_LOCAL + 22, 4, 0);
    test_patch(&b, A_LISTED + 8, 2, 8);
    check_reads(&b);
    /* an extra field of somebody else's and a comment, in the directory */
    test_bytes c = test_bytes_copy(&b, A_LISTED + 47);
    test_patch(&c, A_LISTED + 30, 2, 5);
    test_patch(&c, A_LISTED + 32, 2, 4);
    test_put(&c, "\x55\x54\1\0x", 5);
    test_put(&c, "PK\1\2", 4);
    test_put(&c, b.p + B_LISTED, WHOLE - B_LISTED);
    test_patch(&c, c.n - 22 + 12, 4, END - A_LISTED + 9);
    check_reads(&c);
    test_bytes_free(&c);
    /* a comment, which looks like the end of an archive but is not long enough to be one */
    test_patch(&b, END + 20, 2, 25);
    memcpy(end, b.p + END, sizeof(end));
    test_put(&b, end, sizeof(end));
    test_put_uint(&b, 2, 99);
    test_put(&b, "...", 3);
    check_reads(&b);
    test_bytes_free(&b);
}

static void test_long_comment(void **state)
{
    static const char comment[65535] = {'c'};
    tempo_zip z;
    test_bytes b = archive();

    (void)state;
    test_patch(&b, END + 20, 2, 65535);
    test_put(&b, comment, sizeof(comment));
    check_reads(&b);
    test_put(&b, "c", 1);
    assert_int_equal(tempo_zip_parse(&z, b.p, b.n, NULL), TEMPO_E_FORMAT);
    test_bytes_free(&b);
}

/* ---- deflated ------------------------------------------------------------------------ */

typedef struct packed {
    const char *bytes; /* deflated */
    size_t n;
    uint64_t size;
    const char *text;    /* what it unpacks to; CRC is of this */
    const char *message; /* NULL: right */
    uint64_t at;         /* of the error, in the deflated bytes */
} packed;

/* "\x4b\x4c\x4a\x06\0" is "abc" with fixed codes; "\1\3\0\xfc\xffabc" the same, stored in a block. */
static const packed packs[] = {
    {"\x4b\x4c\x4a\x06\0", 5, 3, "abc", NULL, 0},
    {"\1\3\0\xfc\xff"
     "abc",
     8, 3, "abc", NULL, 0},
    {"\3\0", 2, 0, "", NULL, 0},
    {"\x4b\x4c\x4a\x06\0", 5, 3, "abd", "checksum is 0x352441c2, expected 0x", 0},
    {"\x4b\x4c\x4a\x06\0", 5, 4, "abcd", "text: the deflated bytes end 1 bytes early", 5},
    {"\x4b\x4c\x4a\x06\0", 5, 2, "ab", "the deflated bytes do not end where the entry does", 5},
    {"\x4b\x4c\x4a\x06\0x", 6, 3, "abc", "the deflated bytes do not end where the entry does", 5},
    {"\x4b\x4c\x4a\x06", 4, 3, "abc", "the deflated bytes do not end where the entry does", 4},
    {"\1\3\0\xfc\xff"
     "ab",
     7, 3, "abc", "text: bytes that do not inflate (cut off)", 7},
    {"\1\3\0\xfc\xfe"
     "abc",
     8, 3, "abc", "text: bytes that do not inflate (invalid stored block lengths)", 5},
    {"\7", 1, 3, "abc", "text: bytes that do not inflate (invalid block type)", 1},
    {"", 0, 3, "abc", "text: bytes that do not inflate (cut off)", 0},
    {"\3\0", 2, 0, "x", "checksum is 0, expected 0x", 0},
};

static void check_packed(const packed *k)
{
    unsigned char *bytes = malloc(k->n + 1);
    char *out = malloc(k->size + 1);
    assert_non_null(bytes);
    assert_non_null(out);
    memcpy(bytes, k->bytes, k->n);
    const tempo_zip z = {.base = bytes, .size = k->n};
    const tempo_zip_entry e = {.method = TEMPO_ZIP_DEFLATED,
                               .packed = k->n,
                               .size = k->size,
                               .crc = (uint32_t)crc32(0, (const Bytef *)k->text, (uInt)strlen(k->text))};
    tempo_zip_stream s;
    tempo_err err = {0};
    tempo_status st;

    if ((st = tempo_zip_stream_open(&s, &z, &e, &err)) == TEMPO_OK &&
        (st = tempo_zip_stream_read(&s, out, k->size, "text", &err)) == TEMPO_OK)
        st = tempo_zip_stream_finish(&s, &err);
    tempo_zip_stream_close(&s);
    if (k->message == NULL) {
        assert_int_equal(st, TEMPO_OK);
        assert_memory_equal(out, k->text, k->size);
    } else {
        if (err.offset != k->at || strncmp(err.msg, k->message, strlen(k->message)) != 0)
            print_error("at %llu: %s\n  expected %s\n", (unsigned long long)err.offset, err.msg, k->message);
        assert_int_equal(st, TEMPO_E_FORMAT);
        assert_int_equal(err.offset, k->at);
        assert_memory_equal(err.msg, k->message, strlen(k->message));
    }
    free(bytes);
    free(out);
}

static void test_deflated(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(packs); i++)
        check_packed(&packs[i]);
}

static void test_streams_refused(void **state)
{
    (void)state;
    const tempo_zip z = {.base = (const unsigned char *)"abc", .size = 3};
    tempo_zip_entry e = {.method = 12, .packed = 3, .size = 3, .offset = 100};
    tempo_zip_stream s;
    tempo_err err = {0};
    char out[4];

    assert_int_equal(tempo_zip_stream_open(&s, &z, &e, &err), TEMPO_E_UNSUPPORTED);
    tempo_zip_stream_close(&s);
    assert_string_equal(err.msg, "compression method 12, expected 0 (stored) or 8 (deflated)");
    assert_int_equal(err.offset, 108);
    /* more than deflate can do, found before anybody takes memory for it */
    err = (tempo_err){0};
    e = (tempo_zip_entry){.method = TEMPO_ZIP_DEFLATED, .packed = 3, .size = 1032 * 4};
    assert_int_equal(tempo_zip_stream_open(&s, &z, &e, &err), TEMPO_E_FORMAT);
    tempo_zip_stream_close(&s);
    assert_string_equal(err.msg, "3 deflated bytes cannot unpack to 4128");
    e.size--;
    assert_int_equal(tempo_zip_stream_open(&s, &z, &e, NULL), TEMPO_OK);
    tempo_zip_stream_close(&s);
    /* reading on after the last byte, or not to it */
    err = (tempo_err){0};
    e = (tempo_zip_entry){.packed = 3, .size = 3};
    assert_int_equal(tempo_zip_stream_open(&s, &z, &e, NULL), TEMPO_OK);
    assert_int_equal(tempo_zip_stream_read(&s, out, 2, "two", NULL), TEMPO_OK);
    assert_int_equal(tempo_zip_stream_read(&s, out, 2, "two more", &err), TEMPO_E_FORMAT);
    assert_string_equal(err.msg, "two more needs 2 bytes, 1 left");
    assert_int_equal(err.offset, 2);
    err = (tempo_err){0};
    assert_int_equal(tempo_zip_stream_finish(&s, &err), TEMPO_E_FORMAT);
    assert_string_equal(err.msg, "1 bytes too many");
    tempo_zip_stream_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_header), cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_local_zip64),  cmocka_unit_test(test_central_zip64),
        cmocka_unit_test(test_end_zip64),    cmocka_unit_test(test_beyond_4_gib),
        cmocka_unit_test(test_lies),         cmocka_unit_test(test_lies64),
        cmocka_unit_test(test_allowed),      cmocka_unit_test(test_long_comment),
        cmocka_unit_test(test_deflated),     cmocka_unit_test(test_streams_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
