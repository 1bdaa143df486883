/* GGUF containers: what a valid file gives, every truncation of it, and one row for each way to break it,
 * with the error's code and offset. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/gguf_write.h"
#include "support/bytes.h"
#include "support/tmpdir.h"

/* A valid file and where its fields are. */
typedef struct sample {
    test_bytes b;
    size_t align_key, align_type, align_value, name_value, list_elem, list_count, list_first, flag_value,
        eps_value, small_value, big_value, ints_elem, t0, t0_n_dims, t0_dims, t0_type, t0_offset, t1,
        t1_offset, data;
} sample;

static void put_key(test_bytes *b, const char *key, uint32_t type)
{
    test_put_str(b, key);
    test_put_uint(b, 4, type);
}

static void put_metadata(sample *s)
{
    test_bytes *b = &s->b;

    s->align_key = b->n;
    test_put_str(b, "general.alignment");
    s->align_type = b->n;
    test_put_uint(b, 4, TEMPO_GGUF_U32);
    s->align_value = b->n;
    test_put_uint(b, 4, 64);
    put_key(b, "name", TEMPO_GGUF_STRING);
    s->name_value = b->n;
    test_put_str(b, "tiny");
    put_key(b, "list", TEMPO_GGUF_ARRAY);
    s->list_elem = b->n;
    test_put_uint(b, 4, TEMPO_GGUF_STRING);
    s->list_count = b->n;
    test_put_uint(b, 8, 3);
    s->list_first = b->n;
    test_put_str(b, "one");
    test_put_str(b, "");
    test_put_str(b, "three");
    put_key(b, "flag", TEMPO_GGUF_BOOL);
    s->flag_value = b->n;
    test_put_uint(b, 1, 1);
    put_key(b, "eps", TEMPO_GGUF_F32);
    s->eps_value = b->n;
    test_put_uint(b, 4, 0x3fc00000u); /* 1.5 */
    put_key(b, "small", TEMPO_GGUF_I8);
    s->small_value = b->n;
    test_put_uint(b, 1, 0x80); /* -128 */
    put_key(b, "big", TEMPO_GGUF_U64);
    s->big_value = b->n;
    test_put_uint(b, 8, UINT64_MAX);
    put_key(b, "ints", TEMPO_GGUF_ARRAY);
    s->ints_elem = b->n;
    test_put_uint(b, 4, TEMPO_GGUF_I32);
    test_put_uint(b, 8, 2);
    test_put_uint(b, 4, 7);
    test_put_uint(b, 4, (uint32_t)-3);
}

/* "w" F32 [2, 3] at 0 and "q" Q8_0 [1, 32] at 64 */
static sample make_sample(void)
{
    sample s = {0};
    test_bytes *b = &s.b;

    test_put(b, "GGUF", 4);
    test_put_uint(b, 4, 3);
    test_put_uint(b, 8, 2);
    test_put_uint(b, 8, 8);
    put_metadata(&s);
    s.t0 = b->n;
    test_put_str(b, "w");
    s.t0_n_dims = b->n;
    test_put_uint(b, 4, 2);
    s.t0_dims = b->n;
    test_put_uint(b, 8, 3);
    test_put_uint(b, 8, 2);
    s.t0_type = b->n;
    test_put_uint(b, 4, 0);
    s.t0_offset = b->n;
    test_put_uint(b, 8, 0);
    s.t1 = b->n;
    test_put_str(b, "q");
    test_put_uint(b, 4, 1);
    test_put_uint(b, 8, 32);
    test_put_uint(b, 4, 8);
    s.t1_offset = b->n;
    test_put_uint(b, 8, 64);
    test_put_padding(b, 64);
    s.data = b->n;
    for (unsigned i = 0; i < 64 + 34; i++)
        test_put_uint(b, 1, i);
    return s;
}

static void test_valid(void **state)
{
    (void)state;
    sample s = make_sample();
    tempo_err err = {0};
    tempo_gguf g;

    assert_int_equal(tempo_gguf_parse(&g, s.b.p, s.b.n, &err), TEMPO_OK);
    assert_int_equal(g.version, 3);
    assert_int_equal(g.alignment, 64);
    assert_int_equal(g.data_at, s.data);
    assert_int_equal(g.n_kv, 8);
    assert_int_equal(g.n_tensors, 2);
    const tempo_gguf_tensor *w = tempo_gguf_find_tensor(&g, "w"), *q = tempo_gguf_find_tensor(&g, "q");
    assert_non_null(w);
    assert_non_null(q);
    assert_null(tempo_gguf_find_tensor(&g, "v"));
    assert_null(tempo_gguf_find_tensor(&g, ""));
    assert_int_equal(w->type, TEMPO_F32);
    assert_int_equal(w->n_dims, 2);
    assert_int_equal(w->dims[0], 3);
    assert_int_equal(w->dims[1], 2);
    assert_int_equal(w->dims[3], 1);
    assert_int_equal(w->bytes, 24);
    assert_int_equal(w->offset, s.data);
    assert_int_equal(w->info_at, s.t0);
    assert_int_equal(q->type, TEMPO_Q8_0);
    assert_int_equal(q->bytes, 34);
    assert_int_equal(q->offset, s.data + 64);
    tempo_gguf_free(&g);
    assert_null(g.kv);
    test_bytes_free(&s.b);
}

static void test_values(void **state)
{
    (void)state;
    sample s = make_sample();
    tempo_err err = {0};
    tempo_gguf g;
    tempo_str text;
    uint64_t u = 99, cursor = 0;
    double f = 0;
    bool flag = false;
    const tempo_gguf_kv *a;

    assert_int_equal(tempo_gguf_parse(&g, s.b.p, s.b.n, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_str(&g, "name", &text, &err), TEMPO_OK);
    assert_true(tempo_str_is(text, "tiny"));
    assert_false(tempo_str_is(text, "tin"));
    assert_int_equal(tempo_gguf_bool(&g, "flag", &flag, &err), TEMPO_OK);
    assert_true(flag);
    assert_int_equal(tempo_gguf_f64(&g, "eps", &f, &err), TEMPO_OK);
    assert_true(f == 1.5);
    assert_int_equal(tempo_gguf_u64(&g, "big", UINT64_MAX, &u, &err), TEMPO_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(tempo_gguf_u64(&g, "absent", 5, &u, &err), TEMPO_E_NOTFOUND);
    assert_int_equal(err.code, TEMPO_OK); /* a missing key leaves no message */
    assert_int_equal(tempo_gguf_array(&g, "list", TEMPO_GGUF_STRING, &a, &err), TEMPO_OK);
    assert_int_equal(a->count, 3);
    assert_true(tempo_str_is(tempo_gguf_array_next_str(&g, a, &cursor), "one"));
    assert_true(tempo_str_is(tempo_gguf_array_next_str(&g, a, &cursor), ""));
    assert_true(tempo_str_is(tempo_gguf_array_next_str(&g, a, &cursor), "three"));
    assert_int_equal(cursor, a->bytes);
    assert_int_equal(tempo_gguf_array(&g, "ints", TEMPO_GGUF_I32, &a, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_array_int(&g, a, 0), 7);
    assert_int_equal(tempo_gguf_array_int(&g, a, 1), -3);
    tempo_gguf_free(&g);
    test_bytes_free(&s.b);
}

/* expect(call, code, offset) with out untouched is checked by the callers */
static void assert_fails(tempo_status st, tempo_err *err, tempo_status code, uint64_t offset,
                         const char *part)
{
    assert_int_equal(st, code);
    assert_int_equal(err->code, code);
    assert_int_equal(err->offset, offset);
    if (strstr(err->msg, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, err->msg);
    *err = (tempo_err){0};
}

static void test_wrong_values(void **state)
{
    (void)state;
    sample s = make_sample();
    tempo_err err = {0};
    tempo_gguf g;
    tempo_str text = {NULL, 5};
    uint64_t u = 99;
    double f = 2;
    bool flag = true;
    const tempo_gguf_kv *a = NULL;

    test_patch(&s.b, s.eps_value, 4, 0x7fc00000u); /* NaN */
    assert_int_equal(tempo_gguf_parse(&g, s.b.p, s.b.n, &err), TEMPO_OK);
    assert_fails(tempo_gguf_u64(&g, "small", 5, &u, &err), &err, TEMPO_E_FORMAT, s.small_value,
                 "small is -128");
    assert_fails(tempo_gguf_u64(&g, "big", 5, &u, &err), &err, TEMPO_E_FORMAT, s.big_value,
                 "big is 18446744073709551615, expected 0 to 5");
    assert_fails(tempo_gguf_u64(&g, "name", 5, &u, &err), &err, TEMPO_E_FORMAT, s.name_value,
                 "name is of type string, expected an integer");
    assert_fails(tempo_gguf_u64(&g, "list", 5, &u, &err), &err, TEMPO_E_FORMAT, s.list_first,
                 "array of string");
    assert_int_equal(u, 99);
    assert_fails(tempo_gguf_f64(&g, "eps", &f, &err), &err, TEMPO_E_FORMAT, s.eps_value, "finite");
    assert_fails(tempo_gguf_f64(&g, "name", &f, &err), &err, TEMPO_E_FORMAT, s.name_value,
                 "expected a number");
    assert_true(f == 2);
    assert_fails(tempo_gguf_bool(&g, "small", &flag, &err), &err, TEMPO_E_FORMAT, s.small_value,
                 "expected a bool");
    assert_true(flag);
    assert_fails(tempo_gguf_str(&g, "flag", &text, &err), &err, TEMPO_E_FORMAT, s.flag_value,
                 "expected a string");
    assert_int_equal(text.n, 5);
    assert_fails(tempo_gguf_array(&g, "ints", TEMPO_GGUF_STRING, &a, &err), &err, TEMPO_E_FORMAT,
                 s.ints_elem + 12, "ints is of type array of int32, expected array of string");
    assert_null(a);
    tempo_gguf_free(&g);
    test_bytes_free(&s.b);
}

/* Every prefix fails, inside it, and is never read beyond. */
static void test_truncations(void **state)
{
    (void)state;
    sample s = make_sample();

    for (size_t n = 0; n < s.b.n; n++) {
        test_bytes cut = test_bytes_copy(&s.b, n);
        tempo_err err = {0};
        tempo_gguf g;
        const tempo_status st = tempo_gguf_parse(&g, cut.p, cut.n, &err);
        if (st != TEMPO_E_FORMAT || err.offset > n || err.msg[0] == '\0')
            fail_msg("%zu bytes: status %d, offset %llu, \"%s\"", n, (int)st, (unsigned long long)err.offset,
                     err.msg);
        test_bytes_free(&cut);
    }
    test_bytes_free(&s.b);
}

#define AT(field) offsetof(sample, field)
#define BEGIN SIZE_MAX /* instead of a mark: the file's beginning */

static size_t mark(const sample *s, size_t field)
{
    size_t at = 0;

    if (field != BEGIN)
        memcpy(&at, (const char *)s + field, sizeof(at));
    return at;
}

static void test_broken(void **state)
{
    (void)state;
    const struct {
        size_t field, add; /* where to overwrite: at a mark of the sample, plus so many bytes */
        unsigned width;
        uint64_t value;
        tempo_status code;
        size_t error_field, error_add;
        const char *part;
    } rows[] = {
        {BEGIN, 0, 4, 0x4c4d4747u, TEMPO_E_FORMAT, BEGIN, 0, "not a GGUF file"},
        {BEGIN, 4, 4, 1, TEMPO_E_UNSUPPORTED, BEGIN, 4, "version 1"},
        {BEGIN, 4, 4, 4, TEMPO_E_UNSUPPORTED, BEGIN, 4, "version 4"},
        {BEGIN, 4, 4, 0x03000000u, TEMPO_E_UNSUPPORTED, BEGIN, 4, "big-endian"},
        {BEGIN, 8, 8, UINT64_MAX, TEMPO_E_FORMAT, BEGIN, 8, "18446744073709551615 tensors"},
        {BEGIN, 8, 8, 1u << 20, TEMPO_E_FORMAT, BEGIN, 8, "tensors cannot be"},
        {BEGIN, 8, 8, 100, TEMPO_E_FORMAT, BEGIN, 8, "100 tensors cannot be"},
        {BEGIN, 16, 8, UINT64_MAX / 2, TEMPO_E_FORMAT, BEGIN, 16, "metadata keys cannot be"},
        {AT(align_key), 0, 8, UINT64_MAX, TEMPO_E_LIMIT, AT(align_key), 0, "limit"},
        {AT(align_key), 0, 8, 0, TEMPO_E_FORMAT, AT(align_key), 0, "empty"},
        {AT(align_key), 8, 1, 0xff, TEMPO_E_FORMAT, AT(align_key), 8, "not UTF-8"},
        {AT(align_type), 0, 4, 13, TEMPO_E_FORMAT, AT(align_type), 0, "expected 0 to 12"},
        {AT(align_value), 0, 4, 0, TEMPO_E_FORMAT, AT(align_value), 0, "power of two"},
        {AT(align_value), 0, 4, 48, TEMPO_E_FORMAT, AT(align_value), 0, "power of two"},
        {AT(align_value), 0, 4, 0x80000000u, TEMPO_E_FORMAT, AT(t0), 0, "past the end"},
        {AT(align_type), 0, 4, TEMPO_GGUF_F32, TEMPO_E_FORMAT, AT(align_value), 0, "expected an integer"},
        {AT(name_value), 0, 8, UINT64_MAX - 7, TEMPO_E_FORMAT, AT(name_value), 8, "'name'"},
        {AT(list_elem), 0, 4, TEMPO_GGUF_ARRAY, TEMPO_E_FORMAT, AT(list_first), 4, "'list': an array of"},
        {AT(list_elem), 0, 4, 77, TEMPO_E_FORMAT, AT(list_elem), 0, "element type is 77"},
        {AT(list_count), 0, 8, UINT64_MAX, TEMPO_E_FORMAT, AT(list_count), 0,
         "'list': an array of 18446744073709551615"},
        {AT(t0), 0, 8, 256, TEMPO_E_LIMIT, AT(t0), 0, "limit is 255"},
        {AT(t0), 0, 8, 0, TEMPO_E_FORMAT, AT(t0), 0, "empty"},
        {AT(t0), 8, 1, 0, TEMPO_E_FORMAT, AT(t0), 8, "not UTF-8"},
        {AT(t0_n_dims), 0, 4, 5, TEMPO_E_FORMAT, AT(t0_n_dims), 0, "5 dimensions"},
        {AT(t0_dims), 8, 8, UINT64_MAX, TEMPO_E_FORMAT, AT(t0_dims), 0, "above 2^63"},
        {AT(t0_dims), 8, 8, (uint64_t)1 << 62, TEMPO_E_FORMAT, AT(t0_dims), 0, "above 2^63"},
        {AT(t0_dims), 8, 8, (uint64_t)1 << 60, TEMPO_E_FORMAT, AT(t0), 0, "past the end"},
        {AT(t0_type), 0, 4, 8, TEMPO_E_FORMAT, AT(t0_dims), 0, "not a multiple of the 32"},
        {AT(t0_offset), 0, 8, 1, TEMPO_E_FORMAT, AT(t0), 0, "not a multiple of the alignment"},
        {AT(t0_offset), 0, 8, 128, TEMPO_E_FORMAT, AT(t0), 0, "past the end"},
        {AT(t0_offset), 0, 8, UINT64_MAX - 63, TEMPO_E_FORMAT, AT(t0), 0, "past the end"},
        {AT(t1_offset), 0, 8, 0, TEMPO_E_FORMAT, AT(t1), 0, "overlaps"},
        {AT(t1), 8, 1, 'w', TEMPO_E_FORMAT, AT(t1), 0, "appears twice"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        sample s = make_sample();
        tempo_err err = {0};
        tempo_gguf g;
        test_patch(&s.b, mark(&s, rows[i].field) + rows[i].add, rows[i].width, rows[i].value);
        const tempo_status st = tempo_gguf_parse(&g, s.b.p, s.b.n, &err);
        const uint64_t at = mark(&s, rows[i].error_field) + rows[i].error_add;
        if (st != rows[i].code || err.code != st || err.offset != at || strstr(err.msg, rows[i].part) == NULL)
            fail_msg("row %zu: status %d (expected %d), offset %llu (%llu), \"%s\" (%s)", i, (int)st,
                     (int)rows[i].code, (unsigned long long)err.offset, (unsigned long long)at, err.msg,
                     rows[i].part);
        assert_null(g.tensors);
        test_bytes_free(&s.b);
    }
}

static void test_duplicate_key(void **state)
{
    (void)state;
    tempo_err err = {0};
    tempo_gguf g;
    test_bytes b = {0};

    test_put(&b, "GGUF", 4);
    test_put_uint(&b, 4, 2);
    test_put_uint(&b, 8, 0);
    test_put_uint(&b, 8, 3);
    for (int i = 0; i < 3; i++) {
        put_key(&b, i == 1 ? "b" : "a", TEMPO_GGUF_U8);
        test_put_uint(&b, 1, 0);
    }
    assert_int_equal(tempo_gguf_parse(&g, b.p, b.n, &err), TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 24 + 2 * 14);
    assert_non_null(strstr(err.msg, "'a' appears twice, first at offset 24"));
    test_bytes_free(&b);
}

/* An array of arrays, `levels` deep, each with one element but the innermost, which has none. */
static void put_nested(test_bytes *b, unsigned levels)
{
    put_key(b, "nested", TEMPO_GGUF_ARRAY);
    for (unsigned i = 1; i < levels; i++) {
        test_put_uint(b, 4, TEMPO_GGUF_ARRAY);
        test_put_uint(b, 8, 1);
    }
    test_put_uint(b, 4, TEMPO_GGUF_STRING);
    test_put_uint(b, 8, 0);
}

/* Values that nobody reads stop nobody; what is read is checked then. */
static void test_lax(void **state)
{
    (void)state;
    tempo_err err = {0};
    tempo_gguf g;
    test_bytes b = {0};
    const tempo_gguf_kv *a;
    double f = 0;
    bool flag = true;

    test_put(&b, "GGUF", 4);
    test_put_uint(&b, 4, 3);
    test_put_uint(&b, 8, 2);
    test_put_uint(&b, 8, 5);
    put_nested(&b, 8);
    put_key(&b, "pairs", TEMPO_GGUF_ARRAY); /* [[1, 2], ["x"]] */
    test_put_uint(&b, 4, TEMPO_GGUF_ARRAY);
    test_put_uint(&b, 8, 2);
    test_put_uint(&b, 4, TEMPO_GGUF_U8);
    test_put_uint(&b, 8, 2);
    test_put_uint(&b, 2, 0x0201);
    test_put_uint(&b, 4, TEMPO_GGUF_STRING);
    test_put_uint(&b, 8, 1);
    test_put_str(&b, "x");
    put_key(&b, "flag", TEMPO_GGUF_BOOL);
    const size_t flag_at = b.n;
    test_put_uint(&b, 1, 2);
    put_key(&b, "base", TEMPO_GGUF_U32); /* where a float is usual */
    test_put_uint(&b, 4, 10000);
    put_key(&b, "types", TEMPO_GGUF_ARRAY);
    test_put_uint(&b, 4, TEMPO_GGUF_I8);
    test_put_uint(&b, 8, 2);
    test_put_uint(&b, 2, 0xff01);
    test_put_str(&b, "scalar"); /* no dimensions, one element */
    test_put_uint(&b, 4, 0);
    test_put_uint(&b, 4, 0);
    test_put_uint(&b, 8, 0);
    test_put_str(&b, "nothing");
    test_put_uint(&b, 4, 2);
    test_put_uint(&b, 8, 4);
    test_put_uint(&b, 8, 0);
    test_put_uint(&b, 4, 0);
    test_put_uint(&b, 8, 32);
    test_put_padding(&b, 32);
    for (int i = 0; i < 32; i++)
        test_put_uint(&b, 1, 0);

    if (tempo_gguf_parse(&g, b.p, b.n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(tempo_gguf_find_tensor(&g, "scalar")->bytes, 4);
    assert_int_equal(tempo_gguf_find_tensor(&g, "nothing")->bytes, 0);
    a = tempo_gguf_find(&g, "pairs");
    assert_int_equal(a->count, 2);
    assert_int_equal(a->bytes, 12 + 2 + 12 + 9);
    assert_fails(tempo_gguf_array(&g, "pairs", TEMPO_GGUF_I32, &a, &err), &err, TEMPO_E_FORMAT, a->at,
                 "array of array, expected array of int32");
    assert_fails(tempo_gguf_bool(&g, "flag", &flag, &err), &err, TEMPO_E_FORMAT, flag_at,
                 "flag is 2, expected 0 or 1");
    assert_int_equal(tempo_gguf_f64(&g, "base", &f, &err), TEMPO_OK);
    assert_true(f == 10000);
    assert_int_equal(tempo_gguf_array(&g, "types", TEMPO_GGUF_I32, &a, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_array_int(&g, a, 1), -1);
    tempo_gguf_free(&g);
    test_bytes_free(&b);
}

static void test_deep_arrays(void **state)
{
    (void)state;
    tempo_err err = {0};
    tempo_gguf g;
    test_bytes b = {0};

    test_put(&b, "GGUF", 4);
    test_put_uint(&b, 4, 3);
    test_put_uint(&b, 8, 0);
    test_put_uint(&b, 8, 1);
    put_nested(&b, 9);
    assert_fails(tempo_gguf_parse(&g, b.p, b.n, &err), &err, TEMPO_E_LIMIT, b.n - 12, "nested deeper than 8");
    test_bytes_free(&b);
}

static void test_part_names(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t stem;
        unsigned no, count;
    } rows[] = {
        {"m-00001-of-00003.gguf", 1, 1, 3},
        {"dir/m-00012-of-00345.gguf", 5, 12, 345},
        {"-00001-of-00003.gguf", 0, 0, 0},
        {"m-0001-of-00003.gguf", 0, 0, 0},
        {"m-00001-of-0000x.gguf", 0, 0, 0},
        {"m- 0001-of-00003.gguf", 0, 0, 0},
        {"m-00001-of-00003.ggufx", 0, 0, 0},
        {"m.gguf", 0, 0, 0},
        {"", 0, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned no = 9, count = 9;
        assert_int_equal(tempo_gguf_part_name(rows[i].path, &no, &count), rows[i].stem);
        assert_int_equal(no, rows[i].no);
        assert_int_equal(count, rows[i].count);
    }
}

/* A type that is not ours is listed without a size; its elements are still bounded. */
static void test_unknown_type(void **state)
{
    (void)state;
    sample s = make_sample();
    tempo_err err = {0};
    tempo_gguf g;

    test_patch(&s.b, s.t0_type, 4, 15);
    assert_int_equal(tempo_gguf_parse(&g, s.b.p, s.b.n, &err), TEMPO_OK);
    const tempo_gguf_tensor *w = tempo_gguf_find_tensor(&g, "w");
    assert_int_equal(w->type, TEMPO_DTYPE_COUNT);
    assert_int_equal(w->ggml_type, 15);
    assert_int_equal(w->bytes, 0);
    tempo_gguf_free(&g);
    test_bytes_free(&s.b);
}

static void test_open(void **state)
{
    (void)state;
    sample s = make_sample();
    char dir[256], path[512];
    tempo_err err = {0};
    tempo_gguf g;

    test_tmpdir_create(dir);
    test_path(path, dir, "a.gguf");
    test_write_file(path, s.b.p, s.b.n);
    assert_int_equal(tempo_gguf_open(&g, path, &err), TEMPO_OK);
    assert_int_equal(g.size, s.b.n);
    tempo_gguf_free(&g);
    test_write_file(path, s.b.p, 30);
    assert_int_equal(tempo_gguf_open(&g, path, &err), TEMPO_E_FORMAT);
    assert_int_equal(strncmp(err.msg, path, strlen(path)), 0); /* errors of files begin with the path */
    err = (tempo_err){0};
    assert_int_equal(tempo_gguf_open(&g, dir, &err), TEMPO_E_FORMAT);
    assert_non_null(strstr(err.msg, "is a directory"));
    err = (tempo_err){0};
    test_write_file(path, "", 0);
    assert_int_equal(tempo_gguf_open(&g, path, &err), TEMPO_E_FORMAT);
    assert_non_null(strstr(err.msg, "is empty"));
    err = (tempo_err){0};
    test_path(path, dir, "absent.gguf");
    assert_int_equal(tempo_gguf_open(&g, path, &err), TEMPO_E_NOTFOUND);
    err = (tempo_err){0};
    assert_int_equal(tempo_gguf_open(&g, "/dev/null", &err), TEMPO_E_FORMAT);
    assert_non_null(strstr(err.msg, "not a regular file"));
    test_tmpdir_remove(dir);
    test_bytes_free(&s.b);
}

/* What is written can be read: every kind of value, tensors that end off the alignment, data in pieces. */
static void write_all(tempo_outfile *f, const float *data, size_t n)
{
    tempo_gguf_writer w = {0};
    tempo_err err = {0};

    tempo_gguf_put_u32(&w, "u", 4000000000u);
    tempo_gguf_put_f32(&w, "f", 0.1f);
    tempo_gguf_put_bool(&w, "b", true);
    tempo_gguf_put_str(&w, "s", "text");
    tempo_gguf_put_array(&w, "strings", TEMPO_GGUF_STRING, 2);
    tempo_gguf_put_element(&w, "one", 3);
    tempo_gguf_put_element(&w, "", 0);
    tempo_gguf_put_array(&w, "ints", TEMPO_GGUF_I32, 2);
    tempo_gguf_put_int(&w, -5);
    tempo_gguf_put_int(&w, 7);
    assert_int_equal(tempo_gguf_put_tensor(&w, "odd", TEMPO_F32, 1, (uint64_t[]){3}), 12);
    assert_int_equal(tempo_gguf_put_tensor(&w, "matrix", TEMPO_F32, 2, (uint64_t[]){5, n / 5}), n * 4);
    assert_int_equal(tempo_gguf_put_tensor(&w, "last", TEMPO_F32, 1, (uint64_t[]){3}), 12);
    assert_int_equal(tempo_gguf_begin(&w, f, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_data(&w, f, data, 12, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_data(&w, f, data, 4, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_data(&w, f, data + 1, n * 4 - 4, &err), TEMPO_OK);
    assert_int_equal(tempo_gguf_data(&w, f, data + 2, 12, &err), TEMPO_OK);
    tempo_gguf_writer_free(&w);
}

static void check_written(const tempo_gguf *g, const float *data, size_t n)
{
    const struct {
        const char *name;
        const float *data;
        size_t n;
    } tensors[] = {{"odd", data, 3}, {"matrix", data, n}, {"last", data + 2, 3}};
    const tempo_gguf_kv *a;
    tempo_err err = {0};
    tempo_str text;
    uint64_t u, cursor = 0;
    double f;
    bool b;

    assert_int_equal(g->version, 3);
    assert_true(tempo_gguf_u64(g, "u", UINT64_MAX, &u, &err) == TEMPO_OK && u == 4000000000u);
    assert_true(tempo_gguf_f64(g, "f", &f, &err) == TEMPO_OK && f == (double)0.1f);
    assert_true(tempo_gguf_bool(g, "b", &b, &err) == TEMPO_OK && b);
    assert_true(tempo_gguf_str(g, "s", &text, &err) == TEMPO_OK && tempo_str_is(text, "text"));
    assert_true(tempo_gguf_array(g, "strings", TEMPO_GGUF_STRING, &a, &err) == TEMPO_OK && a->count == 2);
    assert_true(tempo_str_is(tempo_gguf_array_next_str(g, a, &cursor), "one"));
    assert_true(tempo_str_is(tempo_gguf_array_next_str(g, a, &cursor), ""));
    assert_true(tempo_gguf_array(g, "ints", TEMPO_GGUF_I32, &a, &err) == TEMPO_OK && a->count == 2);
    assert_true(tempo_gguf_array_int(g, a, 0) == -5 && tempo_gguf_array_int(g, a, 1) == 7);
    assert_int_equal(g->n_tensors, 3);
    for (size_t i = 0; i < 3; i++) {
        const tempo_gguf_tensor *t = tempo_gguf_find_tensor(g, tensors[i].name);
        assert_true(t != NULL && t->type == TEMPO_F32 && t->bytes == tensors[i].n * 4);
        assert_memory_equal(g->base + t->offset, tensors[i].data, tensors[i].n * 4);
    }
    assert_int_equal(tempo_gguf_find_tensor(g, "matrix")->dims[0], 5);
}

static void test_written(void **state)
{
    (void)state;
    float data[25];
    char dir[256], path[512];
    tempo_outfile *f;
    tempo_gguf g;
    tempo_err err = {0};

    for (size_t i = 0; i < 25; i++)
        data[i] = (float)i + 0.5f;
    test_tmpdir_create(dir);
    test_path(path, dir, "w.gguf");
    assert_int_equal(tempo_outfile_create(&f, path, &err), TEMPO_OK);
    write_all(f, data, 25);
    assert_int_equal(tempo_outfile_commit(f, &err), TEMPO_OK);
    if (tempo_gguf_open(&g, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    check_written(&g, data, 25);
    tempo_gguf_free(&g);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),        cmocka_unit_test(test_values),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_broken),       cmocka_unit_test(test_duplicate_key),
        cmocka_unit_test(test_lax),          cmocka_unit_test(test_deep_arrays),
        cmocka_unit_test(test_part_names),   cmocka_unit_test(test_unknown_type),
        cmocka_unit_test(test_open),         cmocka_unit_test(test_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
