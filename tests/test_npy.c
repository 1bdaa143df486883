/* test_npy.c - headers of NumPy arrays: byte for byte as NumPy writes them, and whatever else they may say;
 * .npy files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/npy.h"
#include "support/tmpdir.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ---- written ------------------------------------------------------------------------- */

typedef struct written {
    tempo_npy_type type;
    uint32_t length;
    unsigned n_dims;
    uint64_t shape[TEMPO_NPY_MAX_DIMS];
    size_t bytes;
    const char *text; /* without the padding */
} written;

#define BIG UINT64_MAX

static const written headers[] = {
    {TEMPO_NPY_F32, 0, 0, {0}, 128, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }"},
    {TEMPO_NPY_F64, 0, 1, {3}, 128, "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"},
    {TEMPO_NPY_I32, 0, 2, {0, 4}, 128, "{'descr': '<i4', 'fortran_order': False, 'shape': (0, 4), }"},
    {TEMPO_NPY_I64, 0, 3, {1, 2, 3}, 128, "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2, 3), }"},
    {TEMPO_NPY_U8, 0, 1, {9}, 128, "{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }"},
    {TEMPO_NPY_BOOL, 0, 1, {9}, 128, "{'descr': '|b1', 'fortran_order': False, 'shape': (9,), }"},
    {TEMPO_NPY_UNICODE,
     4294967295,
     0,
     {0},
     128,
     "{'descr': '<U4294967295', 'fortran_order': False, 'shape': (), }"},
    /* ten bytes in front and the line feed: 117 characters fill 128 bytes, one more takes 64 more */
    {TEMPO_NPY_F32,
     0,
     5,
     {9999999999999, 9999999999999, 9999999999999, 9999999999, 1},
     128,
     "{'descr': '<f4', 'fortran_order': False, "
     "'shape': (9999999999999, 9999999999999, 9999999999999, 9999999999, 1), }"},
    {TEMPO_NPY_F32,
     0,
     5,
     {9999999999999, 9999999999999, 9999999999999, 99999999999999, 1},
     128,
     "{'descr': '<f4', 'fortran_order': False, "
     "'shape': (9999999999999, 9999999999999, 9999999999999, 99999999999999, 1), }"},
    {TEMPO_NPY_F32,
     0,
     5,
     {9999999999999, 9999999999999, 9999999999999, 999999999999999, 1},
     192,
     "{'descr': '<f4', 'fortran_order': False, "
     "'shape': (9999999999999, 9999999999999, 9999999999999, 999999999999999, 1), }"},
    {TEMPO_NPY_F32,
     0,
     8,
     {BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG},
     256,
     "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 18446744073709551615, "
     "18446744073709551615, 18446744073709551615, 18446744073709551615, 18446744073709551615, "
     "18446744073709551615, 18446744073709551615), }"},
};

static void test_headers_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        const written *h = &headers[i];
        unsigned char out[TEMPO_NPY_HEADER_BYTES];
        const size_t n = tempo_npy_put_header(out, h->type, h->length, h->shape, h->n_dims);
        const size_t n_text = strlen(h->text);
        assert_int_equal(n, h->bytes);
        assert_memory_equal(out, "\x93NUMPY\x01\x00", 8);
        assert_int_equal(out[8] | out[9] << 8, n - 10);
        assert_memory_equal(out + 10, h->text, n_text);
        for (size_t k = 10 + n_text; k < n - 1; k++)
            assert_int_equal(out[k], ' ');
        assert_int_equal(out[n - 1], '\n');
    }
}

static void test_bytes(void **state)
{
    (void)state;
    uint64_t n;

    assert_true(tempo_npy_data_bytes(TEMPO_NPY_F32, NULL, 0, &n));
    assert_int_equal(n, 4);
    assert_true(tempo_npy_data_bytes(TEMPO_NPY_F64, (const uint64_t[]){3, 5}, 2, &n));
    assert_int_equal(n, 120);
    assert_true(tempo_npy_data_bytes(TEMPO_NPY_U8, (const uint64_t[]){BIG, 1}, 2, &n));
    assert_true(n == BIG);
    assert_false(tempo_npy_data_bytes(TEMPO_NPY_F32, (const uint64_t[]){BIG / 4 + 1}, 1, &n));
    assert_false(tempo_npy_data_bytes(TEMPO_NPY_U8, (const uint64_t[]){1 << 16, UINT64_C(1) << 48}, 2, &n));
    assert_true(tempo_npy_data_bytes(TEMPO_NPY_F32, (const uint64_t[]){BIG, BIG, 0}, 3, &n));
    assert_int_equal(n, 0);
}

/* ---- read ---------------------------------------------------------------------------- */

typedef struct readable {
    const char *text;
    tempo_npy_type type;
    bool swapped;
    uint32_t item_bytes, n_dims;
    uint64_t shape[3], count;
} readable;

static const readable good[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
     TEMPO_NPY_F32,
     false,
     4,
     2,
     {2, 3},
     6},
    {"{'descr': '>f8', 'fortran_order': False, 'shape': (3,), }\n", TEMPO_NPY_F64, true, 8, 1, {3}, 3},
    {"{'descr': '<i4', 'fortran_order': False, 'shape': (), }\n", TEMPO_NPY_I32, false, 4, 0, {0}, 1},
    {"{'descr': '>i8', 'fortran_order': False, 'shape': (0, 7), }\n", TEMPO_NPY_I64, true, 8, 2, {0, 7}, 0},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1), }\n",
     TEMPO_NPY_U8,
     false,
     1,
     3,
     {1, 1, 1},
     1},
    {"{'descr': '<b1', 'fortran_order': False, 'shape': (5,), }\n", TEMPO_NPY_BOOL, false, 1, 1, {5}, 5},
    {"{'descr': '<U12', 'fortran_order': False, 'shape': (), }\n", TEMPO_NPY_UNICODE, false, 48, 0, {0}, 1},
    {"{'descr': '>U0', 'fortran_order': False, 'shape': (2,), }\n", TEMPO_NPY_UNICODE, true, 0, 1, {2}, 2},
    /* any order of the keys, either kind of quotes, spaces or none */
    {"{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}\n", TEMPO_NPY_F32, false, 4, 2, {2, 3}, 6},
    {"  {  'fortran_order'  :  False  ,  'shape'  :  (  2  ,  3  ,  )  ,  'descr'  :  '<f4'  ,  }  \n",
     TEMPO_NPY_F32,
     false,
     4,
     2,
     {2, 3},
     6},
    /* empty, although the other dimensions overflow */
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 9, 0), }\n",
     TEMPO_NPY_U8,
     false,
     1,
     3,
     {INT64_MAX, 9, 0},
     0},
};

static void test_headers_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        const readable *g = &good[i];
        tempo_npy a;
        tempo_err err = {0};
        bool swapped;
        const tempo_status st = tempo_npy_parse_text(g->text, strlen(g->text), 0, true, &a, &swapped, &err);
        if (st != TEMPO_OK)
            print_error("%s: %s\n", g->text, err.msg);
        assert_int_equal(st, TEMPO_OK);
        assert_int_equal(a.type, g->type);
        assert_int_equal(swapped, g->swapped);
        assert_int_equal(a.item_bytes, g->item_bytes);
        assert_int_equal(a.n_dims, g->n_dims);
        assert_int_equal(a.count, g->count);
        for (uint32_t k = 0; k < a.n_dims; k++)
            assert_int_equal(a.shape[k], g->shape[k]);
        assert_null(a.data);
    }
}

typedef struct refused {
    const char *text;
    tempo_status status;
    size_t at;
    const char *message; /* begins with this */
} refused;

#define D "{'descr': '<f4', "           /* 17 bytes */
#define DF D "'fortran_order': False, " /* 41 */

static const refused bad[] = {
    {"", TEMPO_E_FORMAT, 0, "npy header ends, expected an opening brace"},
    {"[]\n", TEMPO_E_FORMAT, 0, "byte 0x5b in the npy header, expected an opening brace"},
    {"{}\n", TEMPO_E_FORMAT, 1,
     "byte 0x7d in the npy header, expected the keys descr, fortran_order and shape"},
    {D "}\n", TEMPO_E_FORMAT, 17, "byte 0x7d in the npy header, expected the keys"},
    {D "'descr': '<f4', }\n", TEMPO_E_FORMAT, 17, "byte 0x27 in the npy header, expected the keys"},
    {D "'size': 3, }\n", TEMPO_E_FORMAT, 17, "byte 0x27 in the npy header, expected the keys"},
    {D "shape: (3,), }\n", TEMPO_E_FORMAT, 17, "byte 0x73 in the npy header, expected a key"},
    {D "'shape' (3,), }\n", TEMPO_E_FORMAT, 25, "byte 0x28 in the npy header, expected a colon"},
    {D "'sha\\x70e': (3,), }\n", TEMPO_E_FORMAT, 21,
     "byte 0x5c in the npy header, expected a plain character"},
    {D "'shape", TEMPO_E_FORMAT, 23, "npy header ends, expected a closing quote"},
    {"{'descr' '<f4', }\n", TEMPO_E_FORMAT, 9, "byte 0x27 in the npy header, expected a colon"},
    {"{'descr': '<f4' 'shape': (), }\n", TEMPO_E_FORMAT, 16,
     "byte 0x27 in the npy header, expected a comma or"},
    {"{, }\n", TEMPO_E_FORMAT, 1, "byte 0x2c in the npy header, expected a key"},
    {"{'descr': 4, }\n", TEMPO_E_FORMAT, 10, "byte 0x34 in the npy header, expected the element type"},
    {"{'descr': [('a', '<f4')], }\n", TEMPO_E_UNSUPPORTED, 10, "an array of structures"},
    {"{'descr': '|O', }\n", TEMPO_E_UNSUPPORTED, 14, "an array of Python objects"},
    {"{'descr': '<c8', }\n", TEMPO_E_UNSUPPORTED, 15,
     "element type '<c8', expected f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1 or U<n>"},
    {"{'descr': '|f4', }\n", TEMPO_E_UNSUPPORTED, 15, "element type '|f4'"},
    {"{'descr': '=f4', }\n", TEMPO_E_UNSUPPORTED, 15, "element type '=f4'"},
    {"{'descr': '<f40', }\n", TEMPO_E_UNSUPPORTED, 16, "element type '<f40'"},
    {"{'descr': '', }\n", TEMPO_E_UNSUPPORTED, 12, "element type ''"},
    {"{'descr': '|U3', }\n", TEMPO_E_UNSUPPORTED, 15, "element type '|U3'"},
    {"{'descr': '<U3x', }\n", TEMPO_E_UNSUPPORTED, 16, "element type '<U3x'"},
    {"{'descr': '<U', }\n", TEMPO_E_FORMAT, 14, "npy header ends, expected length of text"},
    {"{'descr': '<U1073741824', }\n", TEMPO_E_LIMIT, 24, "npy header: length of text is over 1073741823"},
    {D "'fortran_order': True, ", TEMPO_E_UNSUPPORTED, 38, "an array in Fortran order"},
    {D "'fortran_order': 0, ", TEMPO_E_FORMAT, 34, "byte 0x30 in the npy header, expected True or False"},
    {D "'fortran_order': Fal", TEMPO_E_FORMAT, 34, "byte 0x46 in the npy header, expected True or False"},
    {DF "'shape': 3, }\n", TEMPO_E_FORMAT, 50,
     "byte 0x33 in the npy header, expected a tuple in parentheses"},
    {DF "'shape': (3), }\n", TEMPO_E_FORMAT, 52,
     "byte 0x29 in the npy header, expected a comma after the only"},
    {DF "'shape': (,), }\n", TEMPO_E_FORMAT, 51, "byte 0x2c in the npy header, expected a dimension"},
    {DF "'shape': (3 4), }\n", TEMPO_E_FORMAT, 53,
     "byte 0x34 in the npy header, expected a comma or a closing par"},
    {DF "'shape': (-3,), }\n", TEMPO_E_FORMAT, 51, "byte 0x2d in the npy header, expected a dimension"},
    {DF "'shape': (3L,), }\n", TEMPO_E_FORMAT, 52,
     "byte 0x4c in the npy header, expected a comma or a closing par"},
    {DF "'shape': (03,), }\n", TEMPO_E_FORMAT, 52,
     "byte 0x33 in the npy header, expected a number without leading"},
    {DF "'shape': (9223372036854775808,), }\n", TEMPO_E_LIMIT, 69,
     "npy header: a dimension is over 92233720368547"},
    {DF "'shape': (18446744073709551616,), }\n", TEMPO_E_LIMIT, 70,
     "npy header: a dimension is over 92233720368"},
    {DF "'shape': (4294967296, 4294967296), }\n", TEMPO_E_LIMIT, 0,
     "npy header: the shape's product overflows"},
    {DF "'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }\n", TEMPO_E_UNSUPPORTED, 75,
     "an array of more than 8 dimensions"},
    {DF "'shape': (3,)", TEMPO_E_FORMAT, 54, "npy header ends, expected a comma or a closing brace"},
    {DF "'shape': (3,), }", TEMPO_E_FORMAT, 57, "npy header ends, expected spaces and a line feed"},
    {DF "'shape': (3,), }x\n", TEMPO_E_FORMAT, 57,
     "byte 0x78 in the npy header, expected spaces and a line feed"},
    {DF "'shape': (3,), }\n\n", TEMPO_E_FORMAT, 58,
     "byte 0x0a in the npy header, expected the end of the header"},
};

/* In a block of its own, so that reading past the end shows. */
static tempo_status parse(const char *text, size_t n, bool exact, tempo_err *err)
{
    char *copy = malloc(n > 0 ? n : 1);
    tempo_npy a;
    bool swapped;

    assert_non_null(copy);
    if (n > 0)
        memcpy(copy, text, n);
    const tempo_status st = tempo_npy_parse_text(copy, n, exact ? 1000 : 0, exact, &a, &swapped, err);
    free(copy);
    return st;
}

static void test_headers_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        const refused *b = &bad[i];
        tempo_err err = {0}, vague = {0};
        const tempo_status st = parse(b->text, strlen(b->text), true, &err);
        if (st != b->status || err.offset != 1000 + b->at ||
            strncmp(err.msg, b->message, strlen(b->message)) != 0)
            print_error("%s: %d at %llu: %s\n", b->text, (int)st, (unsigned long long)err.offset, err.msg);
        assert_int_equal(st, b->status);
        assert_int_equal(err.code, b->status);
        assert_int_equal(err.offset, 1000 + b->at);
        assert_memory_equal(err.msg, b->message, strlen(b->message));
        assert_int_equal(parse(b->text, strlen(b->text), false, &vague), b->status);
        assert_int_equal(vague.offset, 0); /* of what was deflated only the beginning is known */
    }
}

static void test_headers_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        for (size_t n = 0; n < strlen(good[i].text); n++) {
            tempo_err err = {0};
            assert_int_equal(parse(good[i].text, n, true, &err), TEMPO_E_FORMAT);
            assert_in_range(err.offset, 1000, 1000 + n);
        }
}

static void test_prelude(void **state)
{
    (void)state;
    unsigned n;
    tempo_err err = {0};

    assert_int_equal(tempo_npy_parse_prelude((const unsigned char *)"\x93NUMPY\x01\x00", 0, &n, NULL),
                     TEMPO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(tempo_npy_parse_prelude((const unsigned char *)"\x93NUMPY\x02\x00", 0, &n, NULL),
                     TEMPO_OK);
    assert_int_equal(n, 4);
    assert_int_equal(tempo_npy_parse_prelude((const unsigned char *)"\x93NUMPY\x03\x00", 0, &n, NULL),
                     TEMPO_OK);
    assert_int_equal(n, 4);
    assert_int_equal(tempo_npy_parse_prelude((const unsigned char *)"\x93NUMPZ\x01\x00", 7, &n, &err),
                     TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 7);
    static const char *const versions[] = {"\x93NUMPY\x00\x00", "\x93NUMPY\x04\x00", "\x93NUMPY\x01\x01"};
    for (size_t i = 0; i < COUNT(versions); i++) {
        err = (tempo_err){0};
        assert_int_equal(tempo_npy_parse_prelude((const unsigned char *)versions[i], 7, &n, &err),
                         TEMPO_E_UNSUPPORTED);
        assert_int_equal(err.offset, 13);
    }
}

/* ---- files --------------------------------------------------------------------------- */

static void test_save(void **state)
{
    (void)state;
    const float data[6] = {0, -1.5f, 2, 3, 4, 1e30f};
    unsigned char want[TEMPO_NPY_HEADER_BYTES];
    char dir[256], path[512];
    size_t n;

    test_tmpdir_create(dir);
    test_path(path, dir, "a.npy");
    assert_int_equal(tempo_npy_save(path, data, (const uint64_t[]){2, 3}, 2, NULL), TEMPO_OK);
    unsigned char *got = test_read_file(path, &n);
    assert_int_equal(n, 128 + sizeof(data));
    assert_int_equal(tempo_npy_put_header(want, TEMPO_NPY_F32, 0, (const uint64_t[]){2, 3}, 2), 128);
    assert_memory_equal(got, want, 128);
    assert_memory_equal(got + 128, data, sizeof(data));
    free(got);
    assert_int_equal(tempo_npy_save(path, NULL, (const uint64_t[]){0}, 1, NULL), TEMPO_OK);
    free(test_read_file(path, &n));
    assert_int_equal(n, 128);
    test_tmpdir_remove(dir);
}

static void test_save_refused(void **state)
{
    (void)state;
    const float data[1] = {1};
    const uint64_t shape[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    tempo_err err = {0};

    assert_int_equal(tempo_npy_save("/nonexistent/a.npy", data, shape, 9, &err), TEMPO_E_ARG);
    assert_string_equal(err.msg, "/nonexistent/a.npy: 9 dimensions, at most 8 can be saved");
    err = (tempo_err){0};
    assert_int_equal(tempo_npy_save("/nonexistent/a.npy", data, (const uint64_t[]){BIG / 4 + 1}, 1, &err),
                     TEMPO_E_ARG);
    err = (tempo_err){0};
    assert_int_equal(tempo_npy_save("/nonexistent/a.npy", data, shape, 1, &err), TEMPO_E_IO);
    if (access("/dev/full", W_OK) == 0) {
        err = (tempo_err){0};
        assert_int_equal(tempo_npy_save("/dev/full", data, shape, 1, &err), TEMPO_E_IO);
        assert_string_equal(err.msg, "/dev/full: cannot be written: No space left on device");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_written),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_headers_read),
        cmocka_unit_test(test_headers_refused),
        cmocka_unit_test(test_headers_cut),
        cmocka_unit_test(test_prelude),
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_save_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
