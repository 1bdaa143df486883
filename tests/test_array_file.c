/* Arrays out of .npz and safetensors through one face: types, texts, views, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/array_file.h"
#include "io/npy.h"
#include "io/safetensors_write.h"
#include "support/tmpdir.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

enum { N = 6 };

static char dir[256];

/* Of each type: elements, and what they are as numbers. */
static const uint16_t halves[N] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0x8000};
static const double half_values[N] = {1.0, -2.0, 0x1p-24, 65504.0, 0x1.554p-2, -0.0};
static const uint16_t brains[N] = {0x3f80, 0xc000, 0x0001, 0x7f7f, 0x3eab, 0x8000};
static const double brain_values[N] = {1.0, -2.0, 0x1p-133, 0x1.fep127, 0x1.56p-2, -0.0};
static const float floats[N] = {1.0f, -2.5f, 3e-39f, 3e38f, 0.1f, 0.0f};
static const double doubles[N] = {1.0, -2.5, 1e-300, 0.1, 1.0 + 0x1p-24, 1.0 + 0x1.8p-24};
static const int8_t bytes[N] = {-128, -1, 0, 1, 126, 127};
static const uint8_t ubytes[N] = {0, 1, 127, 128, 254, 255};
static const int16_t shorts[N] = {-32768, -1, 0, 1, 255, 32767};
static const uint16_t ushorts[N] = {0, 1, 255, 32767, 32768, 65535};
static const int32_t ints[N] = {INT32_MIN, -1, 0, 1, 65536, INT32_MAX};
static const uint32_t uints[N] = {0, 1, 65536, INT32_MAX, 0x80000000u, UINT32_MAX};
static const int64_t longs[N] = {INT64_MIN, -1, 0, 1, (int64_t)1 << 40, INT64_MAX};
static const uint64_t ulongs[N] = {0, 1, 1u << 31, (uint64_t)1 << 40, 7, INT64_MAX};
static const uint64_t too_long[N] = {0, 1, 2, (uint64_t)1 << 63, 4, 5};
static const uint8_t truths[N] = {0, 1, 1, 0, 0, 1};

typedef struct source {
    const char *name;
    tempo_npy_type type;
    const void *data;
} source;

static const source sources[] = {
    {"f16", TEMPO_NPY_F16, halves},     {"f32", TEMPO_NPY_F32, floats}, {"f64", TEMPO_NPY_F64, doubles},
    {"i8", TEMPO_NPY_I8, bytes},        {"u8", TEMPO_NPY_U8, ubytes},   {"i16", TEMPO_NPY_I16, shorts},
    {"u16", TEMPO_NPY_U16, ushorts},    {"i32", TEMPO_NPY_I32, ints},   {"u32", TEMPO_NPY_U32, uints},
    {"i64", TEMPO_NPY_I64, longs},      {"u64", TEMPO_NPY_U64, ulongs}, {"large", TEMPO_NPY_U64, too_long},
    {"truths", TEMPO_NPY_BOOL, truths},
};

static const char metadata[] = "{\"text\": \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x88\"}";

static int setup(void **state)
{
    static const uint64_t shape[2] = {2, 3};
    char path[512];
    tempo_npz_writer *z;
    tempo_safetensors_writer *s;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "a.npz");
    assert_int_equal(tempo_npz_create(&z, path, NULL), TEMPO_OK);
    test_path(path, dir, "a.safetensors");
    assert_int_equal(tempo_safetensors_create(&s, path, 8192, NULL), TEMPO_OK);
    for (size_t i = 0; i < COUNT(sources); i++) {
        const source *x = &sources[i];
        assert_int_equal(tempo_npz_add(z, x->name, x->type, shape, 2, x->data, NULL), TEMPO_OK);
        assert_int_equal(tempo_safetensors_add(s, x->name, x->type, shape, 2, x->data, NULL), TEMPO_OK);
    }
    assert_int_equal(tempo_safetensors_add(s, "bf16", TEMPO_NPY_BF16, shape, 2, brains, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add_text(z, "metadata", metadata, NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_add_text(s, "metadata", metadata, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_commit(z, NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_commit(s, NULL), TEMPO_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

static const char *const files[] = {"a.npz", "a.safetensors"};

static tempo_array_file *open_one(const char *name)
{
    char path[512];
    tempo_array_file *f;

    test_path(path, dir, name);
    assert_int_equal(tempo_array_file_open(&f, path, NULL), TEMPO_OK);
    return f;
}

static void assert_floats(const tempo_array_file *f, const char *name, const double *expected)
{
    tempo_npy a;

    assert_int_equal(tempo_array_read(f, name, TEMPO_NPY_F64, N * 8, &a, NULL), TEMPO_OK);
    assert_true(a.type == TEMPO_NPY_F64 && a.n_dims == 2 && a.shape[0] == 2 && a.shape[1] == 3 &&
                a.count == N);
    assert_memory_equal(a.data, expected, N * sizeof(double));
    tempo_npy_free(&a);
    assert_int_equal(tempo_array_read(f, name, TEMPO_NPY_F32, N * 8, &a, NULL), TEMPO_OK);
    for (size_t i = 0; i < N; i++) {
        const float x = (float)expected[i];
        assert_memory_equal((float *)a.data + i, &x, sizeof(x));
    }
    tempo_npy_free(&a);
}

static void test_floats(void **state)
{
    double wide[N];

    (void)state;
    for (size_t i = 0; i < N; i++)
        wide[i] = (double)floats[i];
    for (size_t k = 0; k < 2; k++) {
        tempo_array_file *f = open_one(files[k]);
        assert_floats(f, "f16", half_values);
        assert_floats(f, "f32", wide);
        assert_floats(f, "f64", doubles); /* the last two lie beside and above the middle of two floats */
        if (k == 1)
            assert_floats(f, "bf16", brain_values);
        tempo_array_file_free(f);
    }
}

/* Element i of a source as an integer, by C's own conversions. */
static int64_t int_of(const source *x, size_t i)
{
    switch (x->type) {
    case TEMPO_NPY_I8:
        return ((const int8_t *)x->data)[i];
    case TEMPO_NPY_U8:
    case TEMPO_NPY_BOOL:
        return ((const uint8_t *)x->data)[i];
    case TEMPO_NPY_I16:
        return ((const int16_t *)x->data)[i];
    case TEMPO_NPY_U16:
        return ((const uint16_t *)x->data)[i];
    case TEMPO_NPY_I32:
        return ((const int32_t *)x->data)[i];
    case TEMPO_NPY_U32:
        return ((const uint32_t *)x->data)[i];
    default:
        return ((const int64_t *)x->data)[i];
    }
}

static void test_integers(void **state)
{
    tempo_npy a;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        tempo_array_file *f = open_one(files[k]);
        for (size_t s = 3; s < COUNT(sources); s++) {
            if (strcmp(sources[s].name, "large") == 0)
                continue;
            assert_int_equal(tempo_array_read(f, sources[s].name, TEMPO_NPY_I64, N * 8, &a, NULL), TEMPO_OK);
            assert_true(a.type == TEMPO_NPY_I64 && a.item_bytes == 8 && a.count == N);
            for (size_t i = 0; i < N; i++)
                assert_true(((const int64_t *)a.data)[i] == int_of(&sources[s], i));
            tempo_npy_free(&a);
        }
        tempo_array_file_free(f);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *name;
        tempo_npy_type type;
        uint64_t max_bytes;
        tempo_status code;
        const char *text;
    } cases[] = {
        {"none", TEMPO_NPY_F32, 1000, TEMPO_E_NOTFOUND, "no array named none"},
        {"f16", TEMPO_NPY_I64, 1000, TEMPO_E_FORMAT, "array f16: its elements are floats, expected integers"},
        {"i8", TEMPO_NPY_F32, 1000, TEMPO_E_FORMAT, "array i8: its elements are integers, expected floats"},
        {"large", TEMPO_NPY_I64, 1000, TEMPO_E_FORMAT, "array large: element 3 is above 9223372036854775807"},
        {"f16", TEMPO_NPY_F32, N * 4 - 1, TEMPO_E_LIMIT, "the limit is 23 bytes"},
        {"f32", TEMPO_NPY_F32, N * 4 - 1, TEMPO_E_LIMIT, "the limit is 23"},
    };
    tempo_npy a;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        tempo_array_file *f = open_one(files[k]);
        for (size_t i = 0; i < COUNT(cases); i++) {
            tempo_err err = {0};
            const tempo_status st =
                tempo_array_read(f, cases[i].name, cases[i].type, cases[i].max_bytes, &a, &err);
            if (st != cases[i].code || strstr(err.msg, cases[i].text) == NULL || a.data != NULL)
                fail_msg("%s: %s: status %d: %s", files[k], cases[i].name, (int)st, err.msg);
        }
        tempo_array_file_free(f);
    }
}

static void test_text_and_names(void **state)
{
    char *text;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        tempo_array_file *f = open_one(files[k]);
        assert_int_equal(tempo_array_file_text(f, "metadata", 1000, &text, NULL), TEMPO_OK);
        assert_string_equal(text, metadata);
        free(text);
        assert_int_equal(tempo_array_file_text(f, "else", 1000, &text, NULL), TEMPO_E_NOTFOUND);
        assert_int_not_equal(tempo_array_file_text(f, "metadata", 8, &text, NULL), TEMPO_OK);
        assert_null(text);
        size_t found = 0;
        for (size_t i = 0; i < tempo_array_file_count(f); i++)
            found += strcmp(tempo_array_file_name(f, i), "u16") == 0;
        assert_int_equal(found, 1);
        tempo_array_file_free(f);
    }
}

static void test_views(void **state)
{
    const void *p;
    tempo_npy a;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        tempo_array_file *f = open_one(files[k]);
        assert_int_equal(tempo_array_view(f, "f16", TEMPO_NPY_F32, &a, &p, NULL), TEMPO_E_UNSUPPORTED);
        assert_null(p);
        assert_int_equal(tempo_array_view(f, "none", TEMPO_NPY_F32, &a, &p, NULL), TEMPO_E_NOTFOUND);
        if (tempo_array_view(f, "f32", TEMPO_NPY_F32, &a, &p, NULL) == TEMPO_OK) {
            assert_memory_equal(p, floats, sizeof(floats));
            assert_int_equal((uintptr_t)p % sizeof(float), 0);
        } else {
            assert_int_equal(k, 1); /* our archives are aligned, tensors lie where those before them end */
        }
        assert_int_equal(tempo_array_shape(f, "f16", &a, NULL), TEMPO_OK);
        assert_true(a.type == TEMPO_NPY_F16 && a.n_dims == 2 && a.count == N && a.data == NULL);
        tempo_array_file_free(f);
    }
}

/* Every beginning of either file, and bytes that are neither. */
static void test_broken(void **state)
{
    tempo_array_file *f;
    char path[512];
    size_t n;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        test_path(path, dir, files[k]);
        unsigned char *whole = test_read_file(path, &n);
        for (size_t cut = 0; cut < n; cut++) {
            tempo_err err = {0};
            assert_int_not_equal(tempo_array_file_parse(&f, whole, cut, &err), TEMPO_OK);
            assert_null(f);
            assert_true(err.msg[0] != '\0');
        }
        free(whole);
    }
    test_path(path, dir, "text");
    test_write_file(path, "neither of both", 15);
    tempo_err err = {0};
    assert_int_equal(tempo_array_file_open(&f, path, &err),
                     TEMPO_E_LIMIT); /* as a length of a header it is large */
    assert_non_null(strstr(err.msg, "text: neither an .npz archive, nor .npy, nor safetensors: "));
}

/* A file that is cut short while it is open: the next look says so, with both sizes, and reads nothing. */
static void test_cut_while_open(void **state)
{
    static const char name[] = "cut";
    tempo_npy a;
    const void *p;
    char path[512], want[128], *text;
    size_t n;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        tempo_array_file *f;
        tempo_err err[5] = {0};
        test_path(path, dir, files[k]);
        unsigned char *whole = test_read_file(path, &n);
        test_path(path, dir, name);
        test_write_file(path, whole, n);
        free(whole);
        assert_int_equal(tempo_array_file_open(&f, path, NULL), TEMPO_OK);
        assert_int_equal(tempo_array_read(f, "f32", TEMPO_NPY_F32, 1000, &a, NULL), TEMPO_OK);
        tempo_npy_free(&a);
        assert_int_equal(truncate(path, (off_t)(n / 2)), 0);
        assert_int_equal(tempo_array_read(f, "f32", TEMPO_NPY_F32, 1000, &a, &err[0]), TEMPO_E_IO);
        assert_int_equal(tempo_array_shape(f, "f32", &a, &err[1]), TEMPO_E_IO);
        assert_int_equal(tempo_array_view(f, "f32", TEMPO_NPY_F32, &a, &p, &err[2]), TEMPO_E_IO);
        assert_int_equal(tempo_array_file_text(f, "metadata", 1000, &text, &err[3]), TEMPO_E_IO);
        assert_true(a.data == NULL && p == NULL && text == NULL);
        (void)snprintf(want, sizeof(want),
                       "the file was cut short while it was in use: it had %zu bytes and has %zu", n, n / 2);
        for (size_t i = 0; i < 4; i++)
            assert_non_null(strstr(err[i].msg, want));
        tempo_array_file_free(f);
        /* and one that was cut before */
        assert_int_not_equal(tempo_array_file_open(&f, path, &err[4]), TEMPO_OK);
        assert_memory_equal(err[4].msg, path, strlen(path));
        assert_null(strstr(err[4].msg, "neither"));
        assert_int_not_equal(err[4].offset, TEMPO_NO_OFFSET);
    }
}

/* A file that NumPy's save writes is one array, and is read like those of an archive. */
static void test_npy(void **state)
{
    static const uint64_t shape[2] = {2, 3};
    static const struct {
        const char *replace, *with; /* of the header's text */
        tempo_status st;
        const char *says;
    } bad[] = {
        {"<f4", "|O8", TEMPO_E_UNSUPPORTED, "Python objects"},
        {"False", "True ", TEMPO_E_UNSUPPORTED, "Fortran"},
        {"(2, 3)", "(2, 4)", TEMPO_E_FORMAT, "8 elements of 4 bytes, the entry has 24 bytes for them"},
        {"shape", "shake", TEMPO_E_FORMAT, "expected the keys"},
    };
    unsigned char whole[TEMPO_NPY_HEADER_BYTES + sizeof(floats)], changed[sizeof(whole)];
    const size_t head = tempo_npy_put_header(whole, TEMPO_NPY_F32, 0, shape, 2), n = head + sizeof(floats);
    tempo_array_file *f;
    tempo_npy a;
    const void *p;

    (void)state;
    memcpy(whole + head, floats, sizeof(floats));
    assert_int_equal(tempo_array_file_parse(&f, whole, n, NULL), TEMPO_OK);
    assert_int_equal(tempo_array_file_count(f), 1);
    assert_string_equal(tempo_array_file_name(f, 0), "arr_0");
    assert_int_equal(tempo_array_read(f, "arr_0", TEMPO_NPY_F32, sizeof(floats), &a, NULL), TEMPO_OK);
    assert_true(a.n_dims == 2 && a.shape[0] == 2 && a.shape[1] == 3);
    assert_memory_equal(a.data, floats, sizeof(floats));
    tempo_npy_free(&a);
    assert_int_equal(tempo_array_read(f, "arr_0", TEMPO_NPY_F32, sizeof(floats) - 1, &a, NULL),
                     TEMPO_E_LIMIT);
    assert_int_equal(tempo_array_read(f, "v", TEMPO_NPY_F32, 1000, &a, NULL), TEMPO_E_NOTFOUND);
    assert_int_equal(tempo_array_view(f, "arr_0", TEMPO_NPY_F64, &a, &p, NULL), TEMPO_E_UNSUPPORTED);
    tempo_array_file_free(f);
    for (size_t cut = 1; cut <= n; cut++) { /* wherever it ends, or goes on */
        const size_t size = cut == n ? n - 1 : n - cut;
        tempo_err err = {0};
        tempo_status st = tempo_array_file_parse(&f, whole, size, &err);
        if (st == TEMPO_OK)
            st = tempo_array_read(f, "arr_0", TEMPO_NPY_F32, 1000, &a, &err);
        if (st == TEMPO_OK || (err.offset != TEMPO_NO_OFFSET && err.offset > size))
            fail_msg("%zu of %zu bytes: %d, at %llu: %s", size, n, (int)st, (unsigned long long)err.offset,
                     err.msg);
        tempo_array_file_free(f);
        f = NULL;
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        tempo_err err = {0};
        memcpy(changed, whole, n);
        unsigned char *at = memmem(changed, head, bad[i].replace, strlen(bad[i].replace));
        assert_non_null(at);
        memcpy(at, bad[i].with, strlen(bad[i].with));
        assert_int_equal(tempo_array_file_parse(&f, changed, n, NULL), TEMPO_OK);
        assert_int_equal(tempo_array_read(f, "arr_0", TEMPO_NPY_F32, 1000, &a, &err), bad[i].st);
        if (strstr(err.msg, "array arr_0") == NULL || strstr(err.msg, bad[i].says) == NULL || a.data != NULL)
            fail_msg("%s: %s", bad[i].with, err.msg);
        tempo_array_file_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),         cmocka_unit_test(test_integers),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_views),
        cmocka_unit_test(test_text_and_names), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_cut_while_open), cmocka_unit_test(test_npy),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
