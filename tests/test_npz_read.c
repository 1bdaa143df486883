/* test_npz_read.c - archives of arrays that others wrote: as NumPy writes them, with headers that we refuse,
 * broken in every byte.  Archives of our own: test_npz.c; the container alone: test_zip.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "io/npz.h"
#include "support/bytes.h"
#include "support/tmpdir.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* The array in most of these archives. */
static const float f32s[6] = {0.0f, -0.0f, 1.5f, -1e-45f, 3.4e38f, 0.1f};
static const uint64_t shape[2] = {2, 3};
static const char f32_text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }                  "
                               "                                   \n";

static void assert_array(const tempo_npy *a)
{
    assert_int_equal(a->type, TEMPO_NPY_F32);
    assert_int_equal(a->n_dims, 2);
    assert_memory_equal(a->shape, shape, sizeof(shape));
    assert_int_equal(a->count, 6);
    assert_int_equal(a->item_bytes, 4);
    assert_memory_equal(a->data, f32s, sizeof(f32s));
}

/* Three arrays of our own writer, of which f32 is looked at. */
static test_bytes our_archive(void)
{
    char dir[256], path[512];
    tempo_npz_writer *w;
    test_bytes b;

    test_tmpdir_create(dir);
    test_path(path, dir, "a.npz");
    assert_int_equal(tempo_npz_create(&w, path, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add_text(w, "text", "text", NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, "f32", TEMPO_NPY_F32, shape, 2, f32s, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, "f322", TEMPO_NPY_F32, NULL, 0, f32s, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    b.p = test_read_file(path, &b.n);
    test_tmpdir_remove(dir);
    return b;
}

/* ---- arrays where they lie ----------------------------------------------------------- */

static void test_view(void **state)
{
    (void)state;
    test_bytes b = our_archive();
    unsigned char *aligned = aligned_alloc(64, (b.n + 128) / 64 * 64);
    const void *p;
    tempo_npz *z;
    tempo_npy a;

    memcpy(aligned, b.p, b.n);
    assert_int_equal(tempo_npz_parse(&z, aligned, b.n, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_view(z, "f32", &a, &p, NULL), TEMPO_OK);
    assert_null(a.data);
    assert_true((const unsigned char *)p > aligned && (const unsigned char *)p < aligned + b.n);
    assert_int_equal(a.count, 6);
    assert_memory_equal(a.shape, shape, sizeof(shape));
    assert_memory_equal(p, f32s, sizeof(f32s));
    assert_int_equal(tempo_npz_view(z, "nothing", &a, &p, NULL), TEMPO_E_NOTFOUND);
    assert_null(p);
    tempo_npz_free(z);
    memmove(aligned + 2, aligned, b.n); /* now at odd places */
    assert_int_equal(tempo_npz_parse(&z, aligned + 2, b.n, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_view(z, "f32", &a, &p, NULL), TEMPO_E_UNSUPPORTED);
    assert_null(p);
    tempo_npz_free(z);
    free(aligned);
    test_bytes_free(&b);
}

/* ---- archives of others -------------------------------------------------------------- */

/* An entry as Python's zipfile writes it for NumPy, and the end of an archive that holds this one. */
typedef struct foreign {
    const char *name;
    test_bytes npy;
    uint16_t method, flags;
    bool zip64; /* sizes in a zip64 field, although they are small: numpy.savez does that */
} foreign;

static test_bytes npy_bytes(const char *version, const char *text, const void *data, size_t n)
{
    test_bytes b = {0};

    test_put(&b, "\x93NUMPY", 6);
    test_put(&b, version, 2);
    test_put_uint(&b, version[0] == 1 ? 2 : 4, strlen(text));
    test_put(&b, text, strlen(text));
    test_put(&b, data, n);
    return b;
}

static test_bytes deflated(const test_bytes *in)
{
    test_bytes out = {0};
    z_stream z = {0};
    unsigned char buffer[4096];

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = in->p;
    z.avail_in = (uInt)in->n;
    int rc = Z_OK;
    while (rc != Z_STREAM_END) {
        z.next_out = buffer;
        z.avail_out = sizeof(buffer);
        rc = deflate(&z, Z_FINISH);
        test_put(&out, buffer, sizeof(buffer) - z.avail_out);
    }
    assert_int_equal(deflateEnd(&z), Z_OK);
    return out;
}

/* Version to length of the name. */
static void put_facts(test_bytes *b, const foreign *f, uint64_t packed, bool zip64)
{
    const uint32_t full = UINT32_MAX;

    test_put_uint(b, 2, f->zip64 ? 45 : 20);
    test_put_uint(b, 2, f->flags);
    test_put_uint(b, 2, f->method);
    test_put_uint(b, 4, 0x21 << 16);
    test_put_uint(b, 4, crc32(0, f->npy.p, (uInt)f->npy.n));
    test_put_uint(b, 4, zip64 ? full : packed);
    test_put_uint(b, 4, zip64 ? full : f->npy.n);
    test_put_uint(b, 2, strlen(f->name));
}

static test_bytes foreign_archive(const foreign *f)
{
    test_bytes b = {0}, data = f->method == 0 ? test_bytes_copy(&f->npy, f->npy.n) : deflated(&f->npy);

    test_put_uint(&b, 4, 0x04034b50);
    put_facts(&b, f, data.n, f->zip64);
    test_put_uint(&b, 2, f->zip64 ? 20 : 0);
    test_put(&b, f->name, strlen(f->name));
    if (f->zip64) {
        test_put_uint(&b, 4, 16 << 16 | 1);
        test_put_uint(&b, 8, f->npy.n);
        test_put_uint(&b, 8, data.n);
    }
    test_put(&b, data.p, data.n);
    const size_t directory = b.n;
    test_put_uint(&b, 4, 0x02014b50);
    test_put_uint(&b, 2, 3 << 8 | (f->zip64 ? 45 : 20));
    put_facts(&b, f, data.n, false);
    test_put_uint(&b, 8, 0);
    test_put_uint(&b, 4, 0x1800000);
    test_put_uint(&b, 4, 0);
    test_put(&b, f->name, strlen(f->name));
    const size_t end = b.n;
    test_put_uint(&b, 4, 0x06054b50);
    test_put_uint(&b, 4, 0);
    test_put_uint(&b, 4, 1 << 16 | 1);
    test_put_uint(&b, 4, end - directory);
    test_put_uint(&b, 4, directory);
    test_put_uint(&b, 2, 0);
    test_bytes_free(&data);
    return b;
}

static void check_foreign(const char *version, uint16_t method, bool zip64)
{
    foreign f = {"f32.npy", npy_bytes(version, f32_text, f32s, sizeof(f32s)), method, 0, zip64};
    test_bytes b = foreign_archive(&f);
    tempo_npz *z;
    tempo_err err = {0};

    if (tempo_npz_parse(&z, b.p, b.n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(tempo_npz_count(z), 1);
    const void *p;
    tempo_npy a;
    if (method != 0)
        assert_int_equal(tempo_npz_view(z, "f32", &a, &p, NULL), TEMPO_E_UNSUPPORTED);
    assert_int_equal(tempo_npz_shape(z, "f32", &a, NULL), TEMPO_OK);
    assert_null(a.data);
    assert_int_equal(a.type, TEMPO_NPY_F32);
    assert_memory_equal(a.shape, shape, sizeof(shape));
    assert_int_equal(tempo_npz_shape(z, "f64", &a, NULL), TEMPO_E_NOTFOUND);
    assert_int_equal(tempo_npz_read(z, "f32", sizeof(f32s), &a, NULL), TEMPO_OK);
    assert_array(&a);
    tempo_npy_free(&a);
    tempo_npz_free(z);
    test_bytes_free(&b);
    test_bytes_free(&f.npy);
}

static void test_as_numpy_writes(void **state)
{
    (void)state;
    check_foreign("\x01", 0, true);  /* savez */
    check_foreign("\x01", 8, true);  /* savez_compressed */
    check_foreign("\x01", 8, false); /* zipfile.writestr */
    check_foreign("\x02", 0, true);
    check_foreign("\x03", 8, true);
}

static void test_big_endian(void **state)
{
    (void)state;
    static const char text[] = "{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }\n";
    static const char utext[] = "{'descr': '>U2', 'fortran_order': False, 'shape': (), }\n";
    tempo_npz *z;
    tempo_npy a;

    foreign f = {"a.npy", npy_bytes("\x01", text, "\x80\0\0\0\0\1\2\3", 8), 8, 0, false};
    test_bytes b = foreign_archive(&f);
    assert_int_equal(tempo_npz_parse(&z, b.p, b.n, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_read(z, "a", 8, &a, NULL), TEMPO_OK);
    assert_memory_equal(a.data, ((const int32_t[]){INT32_MIN, 0x00010203}), 8);
    tempo_npy_free(&a);
    tempo_npz_free(z);
    test_bytes_free(&b);
    test_bytes_free(&f.npy);
    f = (foreign){"a.npy", npy_bytes("\x01", utext, "\0\0\0A\0\1\xf6\x00", 8), 0, 0, false};
    b = foreign_archive(&f);
    assert_int_equal(tempo_npz_parse(&z, b.p, b.n, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_read(z, "a", 8, &a, NULL), TEMPO_OK);
    assert_memory_equal(a.data, ((const uint32_t[]){'A', 0x1f600}), 8);
    tempo_npy_free(&a);
    tempo_npz_free(z);
    test_bytes_free(&b);
    test_bytes_free(&f.npy);
}

/* ---- arrays refused ------------------------------------------------------------------ */

typedef struct refused {
    const char *version, *text; /* text NULL: npy is data[n] as it is */
    const char *data;
    size_t n;
    uint64_t max_bytes;
    tempo_status status;
    uint64_t at; /* offset in the npy file; when deflated, anything in the entry */
    const char *message;
} refused;

#define SHAPE(s) "{'descr': '<f4', 'fortran_order': False, 'shape': " s ", }\n"
#define TYPE(t, s) "{'descr': '" t "', 'fortran_order': False, 'shape': " s ", }\n"

static const refused arrays[] = {
    {NULL, NULL, "", 0, 99, TEMPO_E_FORMAT, 0, "array a: npy magic needs 8 bytes, 0 left"},
    {NULL, NULL, "\x93NUMPY\1", 7, 99, TEMPO_E_FORMAT, 0, "array a: npy magic needs 8 bytes, 7 left"},
    {NULL, NULL, "NotNumPy..", 10, 99, TEMPO_E_FORMAT, 0, "array a: not a NumPy array"},
    {NULL, NULL, "\x93NUMPY\4\0", 8, 99, TEMPO_E_UNSUPPORTED, 6, "array a: version 4.0 of the npy format"},
    {NULL, NULL, "\x93NUMPY\1\0\5", 9, 99, TEMPO_E_FORMAT, 8,
     "array a: length of the npy header needs 2 bytes, 1 left"},
    {NULL, NULL, "\x93NUMPY\1\0\5\0{", 11, 99, TEMPO_E_FORMAT, 10,
     "array a: npy header needs 5 bytes, 1 left"},
    {NULL, NULL, "\x93NUMPY\2\0\1\0\1\0", 12, 99, TEMPO_E_LIMIT, 8,
     "array a: npy header of 65537 bytes, the limit"},
    {NULL, NULL, "\x93NUMPY\2\0\0\0\1\0", 12, 99, TEMPO_E_FORMAT, 12,
     "array a: npy header needs 65536 bytes, 0 left"},
    {"\x01", TYPE("|O", "(1,)"), "12345678", 8, 99, TEMPO_E_UNSUPPORTED, 24,
     "array a: an array of Python objects"},
    {"\x01", "{'descr': '<f4', 'fortran_order': True, ", "", 0, 99, TEMPO_E_UNSUPPORTED, 48,
     "array a: an array in Fortran order"},
    {"\x01", SHAPE("(2,)"), "1234567", 7, 99, TEMPO_E_FORMAT, 68,
     "array a: 2 elements of 4 bytes, the entry has 7 bytes for them"},
    {"\x01", SHAPE("(2,)"), "123456789", 9, 99, TEMPO_E_FORMAT, 68,
     "array a: 2 elements of 4 bytes, the entry has 9"},
    {"\x01", SHAPE("(2,)"), "12345678", 8, 7, TEMPO_E_LIMIT, 68, "array a: array of 8 bytes, the limit is 7"},
    {"\x01", SHAPE("(4611686018427387904,)"), "", 0, UINT64_MAX, TEMPO_E_FORMAT, 86,
     "array a: 4611686018427387904 elements of 4 bytes, the entry has 0"},
    {"\x01", TYPE("|b1", "(3,)"), "\0\1\2", 3, 99, TEMPO_E_FORMAT, 0,
     "array a: element 2 is 2, expected 0 or 1"},
    {"\x01", TYPE("<U2", "()"), "a\0\0\0\0\0\x11\0", 8, 99, TEMPO_E_FORMAT, 0,
     "array a: character 1 is 0x110000, the largest is 0x10ffff"},
};

static void check_refused(const refused *r, uint16_t method)
{
    foreign f = {"a.npy", {0}, method, 0, false};
    tempo_npz *z;
    tempo_npy a = {.data = &f};
    tempo_err err = {0};

    if (r->text != NULL)
        f.npy = npy_bytes(r->version, r->text, r->data, r->n);
    else
        test_put(&f.npy, r->data, r->n);
    test_bytes b = foreign_archive(&f);
    assert_int_equal(tempo_npz_parse(&z, b.p, b.n, NULL), TEMPO_OK);
    const tempo_status st = tempo_npz_read(z, "a", r->max_bytes, &a, &err);
    const uint64_t data = 30 + 5, want = method == 0 ? data + r->at : err.offset;
    if (st != r->status || err.offset != want || strncmp(err.msg, r->message, strlen(r->message)) != 0)
        print_error("%d at %llu: %s\n  expected %s\n", (int)st, (unsigned long long)err.offset, err.msg,
                    r->message);
    assert_int_equal(st, r->status);
    assert_int_equal(err.offset, want);
    assert_in_range(err.offset, data, b.n);
    assert_memory_equal(err.msg, r->message, strlen(r->message));
    assert_null(a.data);
    tempo_npz_free(z);
    test_bytes_free(&b);
    test_bytes_free(&f.npy);
}

static void test_arrays_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(arrays); i++) {
        check_refused(&arrays[i], 0);
        check_refused(&arrays[i], 8);
    }
}

static void test_names_read(void **state)
{
    (void)state;
    tempo_npz *z;
    char name[TEMPO_NPZ_MAX_NAME + 6];
    static const char *const others[] = {"a.txt", ".npy", "npy", "a.npy/"};

    /* what is not an array is passed over */
    for (size_t i = 0; i < COUNT(others); i++) {
        foreign f = {others[i], npy_bytes("\x01", SHAPE("()"), "1234", 4), 0, 0, false};
        test_bytes b = foreign_archive(&f);
        assert_int_equal(tempo_npz_parse(&z, b.p, b.n, NULL), TEMPO_OK);
        assert_int_equal(tempo_npz_count(z), 0);
        tempo_npz_free(z);
        test_bytes_free(&b);
        test_bytes_free(&f.npy);
    }
    memset(name, 'x', sizeof(name));
    memcpy(name + TEMPO_NPZ_MAX_NAME + 1, ".npy", 5);
    for (size_t skip_bytes = 0; skip_bytes < 2; skip_bytes++) { /* one byte too long, then just right */
        foreign f = {name + skip_bytes, npy_bytes("\x01", SHAPE("()"), "1234", 4), 0, 0, false};
        test_bytes b = foreign_archive(&f);
        assert_int_equal(tempo_npz_parse(&z, b.p, b.n, NULL), skip_bytes == 0 ? TEMPO_E_LIMIT : TEMPO_OK);
        assert_int_equal(z != NULL, skip_bytes);
        if (z != NULL)
            assert_int_equal(strlen(tempo_npz_name(z, 0)), TEMPO_NPZ_MAX_NAME);
        tempo_npz_free(z);
        test_bytes_free(&b);
        test_bytes_free(&f.npy);
    }
}

static void test_two_of_one_name(void **state)
{
    (void)state;
    test_bytes b = our_archive();
    tempo_npz *z;
    tempo_err err = {0};
    size_t renamed = 0;

    for (size_t i = 0; i + 8 <= b.n; i++)
        if (memcmp(b.p + i, "text.npy", 8) == 0) {
            memcpy(b.p + i, "fXX2.npy", 8);
            renamed++;
        } else if (memcmp(b.p + i, "f322.npy", 8) == 0) {
            memcpy(b.p + i, "fXX2.npy", 8);
            renamed++;
        }
    assert_int_equal(renamed, 4); /* of two entries, in two places each */
    assert_int_equal(tempo_npz_parse(&z, b.p, b.n, &err), TEMPO_E_FORMAT);
    assert_string_equal(err.msg, "two arrays named fXX2");
    assert_null(z);
    test_bytes_free(&b);
}

static void test_files_refused(void **state)
{
    char dir[256], path[512], want[700];
    tempo_npz *z = (tempo_npz *)dir;
    tempo_err err = {0};

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "a.npz");
    assert_int_equal(tempo_npz_open(&z, path, &err), TEMPO_E_NOTFOUND);
    assert_null(z);
    test_write_file(path, "no archive", 10);
    err = (tempo_err){0};
    assert_int_equal(tempo_npz_open(&z, path, &err), TEMPO_E_FORMAT);
    (void)snprintf(want, sizeof(want), "%s: no end of a zip archive in 10 bytes", path);
    assert_string_equal(err.msg, want);
    test_tmpdir_remove(dir);
}

/* ---- broken in every byte ------------------------------------------------------------ */

/* An error, or everything as it was. */
static bool reads_right(const unsigned char *p, size_t n)
{
    tempo_npz *z;
    tempo_npy a;
    tempo_err err = {0};

    const tempo_status st = tempo_npz_parse(&z, p, n, &err);
    if (st != TEMPO_OK) {
        assert_null(z);
        assert_int_equal(err.code, st);
        assert_true(err.offset <= n || err.offset == TEMPO_NO_OFFSET);
        return false;
    }
    err = (tempo_err){0};
    const tempo_status read = tempo_npz_read(z, "f32", 1 << 20, &a, &err);
    tempo_npz_free(z);
    if (read != TEMPO_OK) {
        assert_null(a.data);
        assert_int_equal(err.code, read);
        assert_true(err.offset <= n || err.offset == TEMPO_NO_OFFSET);
        return false;
    }
    assert_array(&a);
    tempo_npy_free(&a);
    return true;
}

static void break_every_byte(const test_bytes *b)
{
    static const unsigned char flips[] = {0x01, 0x08, 0x20, 0x80, 0xff};
    size_t harmless = 0;

    for (size_t cut = 0; cut < b->n; cut++) {
        test_bytes c = test_bytes_copy(b, cut);
        assert_false(reads_right(c.p, c.n));
        test_bytes_free(&c);
    }
    test_bytes c = test_bytes_copy(b, b->n);
    assert_true(reads_right(c.p, c.n));
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < sizeof(flips); k++) {
            c.p[i] ^= flips[k];
            harmless += reads_right(c.p, c.n);
            c.p[i] ^= flips[k];
        }
    test_bytes_free(&c);
    assert_in_range(harmless, 1, b->n * sizeof(flips) - 1); /* dates, padding */
}

static void test_every_byte(void **state)
{
    test_bytes b = our_archive();
    foreign f = {"f32.npy", npy_bytes("\x01", f32_text, f32s, sizeof(f32s)), 8, 0, true};

    (void)state;
    break_every_byte(&b);
    test_bytes_free(&b);
    b = foreign_archive(&f);
    break_every_byte(&b);
    test_bytes_free(&b);
    test_bytes_free(&f.npy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_numpy_writes), cmocka_unit_test(test_big_endian),
        cmocka_unit_test(test_arrays_refused),  cmocka_unit_test(test_names_read),
        cmocka_unit_test(test_two_of_one_name), cmocka_unit_test(test_files_refused),
        cmocka_unit_test(test_every_byte),      cmocka_unit_test(test_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
