/* safetensors containers: a valid file, every truncation of it, one row for each way to break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/safetensors.h"
#include "support/bytes.h"
#include "support/tmpdir.h"

static test_bytes make(const char *header, size_t data_bytes)
{
    test_bytes b = {0};

    test_put_str(&b, header);
    for (size_t i = 0; i < data_bytes; i++)
        test_put_uint(&b, 1, i);
    return b;
}

static const char valid[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                            "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[8,20]},"
                            "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                            "\"none\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[20,20]}}   ";

static void test_valid(void **state)
{
    (void)state;
    test_bytes b = make(valid, 20);
    const uint64_t data = 8 + strlen(valid);
    tempo_err err = {0};
    tempo_safetensors s;

    if (tempo_safetensors_parse(&s, b.p, b.n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(s.n_tensors, 3);
    assert_string_equal(s.tensors[0].name, "a");
    const tempo_safetensor *t = tempo_safetensors_find(&s, "b");
    assert_non_null(t);
    assert_int_equal(t->type, TEMPO_BF16);
    assert_string_equal(t->dtype, "BF16");
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->offset, data + 8);
    assert_int_equal(t->bytes, 12);
    assert_int_equal(tempo_safetensors_find(&s, "a")->type, TEMPO_I64);
    assert_int_equal(tempo_safetensors_find(&s, "none")->bytes, 0);
    assert_null(tempo_safetensors_find(&s, "c"));
    tempo_safetensors_free(&s);
    test_bytes_free(&b);
}

static void test_empty(void **state)
{
    (void)state;
    test_bytes b = make("{}", 0);
    tempo_err err = {0};
    tempo_safetensors s;

    assert_int_equal(tempo_safetensors_parse(&s, b.p, b.n, &err), TEMPO_OK);
    assert_null(tempo_safetensors_find(&s, "a"));
    tempo_safetensors_free(&s);
    test_bytes_free(&b);
}

static void test_truncations(void **state)
{
    (void)state;
    test_bytes b = make(valid, 20);

    for (size_t n = 0; n < b.n; n++) {
        test_bytes cut = test_bytes_copy(&b, n);
        tempo_err err = {0};
        tempo_safetensors s;
        const tempo_status st = tempo_safetensors_parse(&s, cut.p, cut.n, &err);
        if (st != TEMPO_E_FORMAT || err.offset > n || err.msg[0] == '\0')
            fail_msg("%zu bytes: status %d, %s", n, (int)st, err.msg);
        test_bytes_free(&cut);
    }
    test_bytes_free(&b);
}

static void test_broken(void **state)
{
    (void)state;
    const struct {
        const char *header;
        size_t data_bytes;
        tempo_status code;
        uint64_t offset; /* in the file */
        const char *part;
    } rows[] = {
        {"[]", 0, TEMPO_E_FORMAT, 8, "not a JSON object"},
        {"{\"a\":3}", 0, TEMPO_E_FORMAT, 9, "tensor \"a\": its entry is not an object"},
        {"{\"__metadata__\":{\"x\":\"a\"},\"a\":3}", 0, TEMPO_E_FORMAT, 34, "its entry is not"},
        {"{\"a\":{}}", 0, TEMPO_E_FORMAT, 9, "no \"dtype\""},
        {"{\"a\":{\"dtype\":\"X9\"}}", 0, TEMPO_E_UNSUPPORTED, 9, "\"X9\" is not supported"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, TEMPO_E_FORMAT, 9, "no \"shape\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1]}}", 0, TEMPO_E_LIMIT, 9, "9 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1]}}", 0, TEMPO_E_FORMAT, 9, "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5]}}", 0, TEMPO_E_FORMAT, 9, "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296]}}", 0, TEMPO_E_FORMAT, 9, "2^64"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904]}}", 0, TEMPO_E_FORMAT, 9, "2^64"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, TEMPO_E_FORMAT, 9, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, TEMPO_E_FORMAT, 9,
         "begin <= end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,5]}}", 4, TEMPO_E_FORMAT, 9,
         "past the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4,
         TEMPO_E_FORMAT, 9, "past the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, TEMPO_E_FORMAT, 9, "need 8"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\" : {\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
         4, TEMPO_E_FORMAT, 61, "tensor \"b\": its data begins at 2, overlapping"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, TEMPO_E_FORMAT, 9, "hole"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 3, TEMPO_E_FORMAT, 62,
         "2 bytes after"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2, TEMPO_E_FORMAT, 9,
         "whole bytes"},
        {"{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, TEMPO_E_FORMAT, 9,
         "need 3"},
        /* the last of two entries counts */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{}}", 0, TEMPO_E_FORMAT, 9,
         "no \"dtype\""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        test_bytes b = make(rows[i].header, rows[i].data_bytes);
        tempo_err err = {0};
        tempo_safetensors s;
        const tempo_status st = tempo_safetensors_parse(&s, b.p, b.n, &err);
        if (st != rows[i].code || err.code != st || err.offset != rows[i].offset ||
            strstr(err.msg, rows[i].part) == NULL)
            fail_msg("row %zu: status %d (expected %d), offset %llu (%llu), \"%s\" (%s)", i, (int)st,
                     (int)rows[i].code, (unsigned long long)err.offset, (unsigned long long)rows[i].offset,
                     err.msg, rows[i].part);
        assert_null(s.tensors);
        test_bytes_free(&b);
    }
}

static void test_header_length(void **state)
{
    (void)state;
    test_bytes b = make("{}", 0);
    tempo_err err = {0};
    tempo_safetensors s;

    test_patch(&b, 0, 8, UINT64_MAX);
    assert_int_equal(tempo_safetensors_parse(&s, b.p, b.n, &err), TEMPO_E_LIMIT);
    assert_int_equal(err.offset, 0);
    err = (tempo_err){0};
    test_patch(&b, 0, 8, 3);
    assert_int_equal(tempo_safetensors_parse(&s, b.p, b.n, &err), TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 8);
    assert_non_null(strstr(err.msg, "the header needs 3 bytes, 2 left"));
    test_bytes_free(&b);
}

static void test_open(void **state)
{
    (void)state;
    test_bytes b = make(valid, 20);
    char dir[256], path[512];
    tempo_err err = {0};
    tempo_safetensors s;

    test_tmpdir_create(dir);
    test_path(path, dir, "model.safetensors");
    test_write_file(path, b.p, b.n);
    assert_int_equal(tempo_safetensors_open(&s, path, &err), TEMPO_OK);
    assert_int_equal(s.n_tensors, 3);
    tempo_safetensors_free(&s);
    test_write_file(path, b.p, b.n - 1);
    assert_int_equal(tempo_safetensors_open(&s, path, &err), TEMPO_E_FORMAT);
    assert_int_equal(strncmp(err.msg, path, strlen(path)), 0);
    test_tmpdir_remove(dir);
    test_bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),         cmocka_unit_test(test_empty),
        cmocka_unit_test(test_truncations),   cmocka_unit_test(test_broken),
        cmocka_unit_test(test_header_length), cmocka_unit_test(test_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
