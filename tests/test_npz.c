/* test_npz.c - archives of arrays: written, looked at byte by byte, and read back; those of the reference
 * implementation.  Archives of others: test_npz_read.c; the container alone, beyond 4 GiB: test_zip.c. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "io/npz.h"
#include "support/tmpdir.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

typedef struct place {
    char dir[256], path[512];
} place;

static int setup(void **state)
{
    place *at = calloc(1, sizeof(*at));

    assert_non_null(at);
    test_tmpdir_create(at->dir);
    test_path(at->path, at->dir, "a.npz");
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    place *at = *state;

    test_tmpdir_remove(at->dir);
    free(at);
    return 0;
}

/* ---- arrays to write ----------------------------------------------------------------- */

typedef struct sample {
    const char *name;
    tempo_npy_type type;
    unsigned n_dims;
    uint64_t shape[TEMPO_NPY_MAX_DIMS];
    uint32_t item_bytes;
    uint64_t count;
    const void *data;
} sample;

static const float f32s[6] = {0.0f, -0.0f, 1.5f, -1e-45f, 3.4e38f, 0.1f};
static const double f64s[2] = {3.141592653589793, -5e-324};
static const int32_t i32s[3] = {INT32_MIN, -1, INT32_MAX};
static const int64_t i64s[4] = {INT64_MIN, -1, 0, INT64_MAX};
static const uint8_t u8s[5] = {0, 1, 127, 128, 255};
static const bool bools[3] = {true, false, true};

static const sample samples[] = {
    {"f32", TEMPO_NPY_F32, 2, {2, 3}, 4, 6, f32s},
    {"f64", TEMPO_NPY_F64, 1, {2}, 8, 2, f64s},
    {"i32", TEMPO_NPY_I32, 3, {3, 1, 1}, 4, 3, i32s},
    {"i64", TEMPO_NPY_I64, 2, {4, 1}, 8, 4, i64s},
    {"u8", TEMPO_NPY_U8, 1, {5}, 1, 5, u8s},
    {"bool", TEMPO_NPY_BOOL, 1, {3}, 1, 3, bools},
    {"scalar", TEMPO_NPY_F64, 0, {0}, 8, 1, f64s},
    {"empty", TEMPO_NPY_F32, 2, {0, 7}, 4, 0, NULL},
    {"eight dimensions", TEMPO_NPY_U8, 8, {1, 1, 1, 1, 1, 1, 1, 5}, 1, 5, u8s},
    {"Schl\xc3\xbcssel", TEMPO_NPY_U8, 1, {1}, 1, 1, u8s},
};

static void add_sample(tempo_npz_writer *w, const sample *s)
{
    tempo_err err = {0};

    if (tempo_npz_add(w, s->name, s->type, s->shape, s->n_dims, s->data, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static void check_sample(const tempo_npz *z, const sample *s)
{
    tempo_npy a;
    tempo_err err = {0};

    if (tempo_npz_read(z, s->name, s->count * s->item_bytes, &a, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(a.type, s->type);
    assert_int_equal(a.n_dims, s->n_dims);
    assert_int_equal(a.count, s->count);
    assert_int_equal(a.item_bytes, s->item_bytes);
    for (unsigned i = 0; i < s->n_dims; i++)
        assert_int_equal(a.shape[i], s->shape[i]);
    assert_non_null(a.data);
    if (s->count > 0)
        assert_memory_equal(a.data, s->data, s->count * s->item_bytes);
    tempo_npy_free(&a);
    assert_null(a.data);
}

static tempo_npz_writer *create(const place *at)
{
    tempo_npz_writer *w;
    tempo_err err = {0};

    if (tempo_npz_create(&w, at->path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return w;
}

static tempo_npz *open_archive(const place *at)
{
    tempo_npz *z;
    tempo_err err = {0};

    if (tempo_npz_open(&z, at->path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return z;
}

/* ---- round trip ---------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
    const place *at = *state;
    tempo_npz_writer *w = create(at);

    for (size_t i = 0; i < COUNT(samples); i++)
        add_sample(w, &samples[i]);
    assert_int_equal(access(at->path, F_OK), -1); /* complete or not at all */
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    tempo_npz *z = open_archive(at);
    assert_int_equal(tempo_npz_count(z), COUNT(samples));
    for (size_t i = 0; i < COUNT(samples); i++) {
        assert_string_equal(tempo_npz_name(z, i), samples[i].name);
        check_sample(z, &samples[i]);
    }
    tempo_npz_free(z);
}

static void check_text(const char *utf8, const uint32_t *chars, uint32_t n, const place *at)
{
    tempo_npz_writer *w = create(at);
    tempo_npy a;

    assert_int_equal(tempo_npz_add_text(w, "text", utf8, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    tempo_npz *z = open_archive(at);
    assert_int_equal(tempo_npz_read(z, "text", 4 * n, &a, NULL), TEMPO_OK);
    assert_int_equal(a.type, TEMPO_NPY_UNICODE);
    assert_int_equal(a.n_dims, 0);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.item_bytes, 4 * n);
    assert_memory_equal(a.data, chars, 4 * n);
    tempo_npy_free(&a);
    tempo_npz_free(z);
}

static void test_text(void **state)
{
    /* the first and last character of each length of UTF-8 */
    check_text("a\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
               (const uint32_t[]){'a', 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff}, 8, *state);
    check_text("{}", (const uint32_t[]){'{', '}'}, 2, *state);
    check_text("", (const uint32_t[]){0}, 1, *state); /* NumPy's empty text */
}

static void test_empty_archive(void **state)
{
    const place *at = *state;
    tempo_npy a;
    tempo_err err = {0};

    assert_int_equal(tempo_npz_commit(create(at), NULL), TEMPO_OK);
    tempo_npz *z = open_archive(at);
    assert_int_equal(tempo_npz_count(z), 0);
    assert_int_equal(tempo_npz_read(z, "a", 0, &a, &err), TEMPO_E_NOTFOUND);
    assert_string_equal(err.msg, "no array named a");
    assert_null(a.data);
    tempo_npz_free(z);
}

/* More than 65535 entries is zip64's business, and the writer's hash table grows on the way. */
static void test_many_arrays(void **state)
{
    enum { N = 66000 };
    const place *at = *state;
    tempo_npz_writer *w = create(at);
    char name[32];
    tempo_npy a;

    for (int32_t i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "step_%d", i);
        assert_int_equal(tempo_npz_add(w, name, TEMPO_NPY_I32, NULL, 0, &i, NULL), TEMPO_OK);
    }
    assert_int_equal(tempo_npz_add(w, "step_0", TEMPO_NPY_I32, NULL, 0, name, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    tempo_npz *z = open_archive(at);
    assert_int_equal(tempo_npz_count(z), N);
    for (int32_t i = 0; i < N; i += 97) {
        (void)snprintf(name, sizeof(name), "step_%d", i);
        assert_string_equal(tempo_npz_name(z, (size_t)i), name);
        assert_int_equal(tempo_npz_read(z, name, 4, &a, NULL), TEMPO_OK);
        assert_memory_equal(a.data, &i, sizeof(i));
        tempo_npy_free(&a);
    }
    tempo_npz_free(z);
}

/* ---- what is in the file ------------------------------------------------------------- */

static uint32_t get(const unsigned char *p, unsigned n)
{
    uint32_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* Walk the archive by hand, as its documentation says, independently of the reader. */
static void test_structure(void **state)
{
    const place *at = *state;
    tempo_npz_writer *w = create(at);
    size_t n, pos = 0, offsets[COUNT(samples)];

    for (size_t i = 0; i < COUNT(samples); i++)
        add_sample(w, &samples[i]);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    unsigned char *p = test_read_file(at->path, &n);
    for (size_t i = 0; i < COUNT(samples); i++) {
        const unsigned char *h = p + pos;
        const size_t name = get(h + 26, 2), extra = get(h + 28, 2), size = get(h + 22, 4),
                     data = pos + 30 + name + extra;
        const size_t bytes = samples[i].count * samples[i].item_bytes;
        offsets[i] = pos;
        assert_int_equal(get(h, 4), 0x04034b50);
        assert_int_equal(get(h + 4, 2), 20);
        assert_int_equal(get(h + 6, 2), samples[i].name[0] == 'S' ? 0x800 : 0); /* UTF-8, when that matters */
        assert_int_equal(get(h + 8, 2), 0);
        assert_int_equal(get(h + 18, 4), size);
        assert_int_equal(get(h + 14, 4), crc32(0, p + data, (uInt)size));
        assert_int_equal(name, strlen(samples[i].name) + 4);
        assert_memory_equal(h + 30, samples[i].name, name - 4);
        assert_memory_equal(h + 30 + name - 4, ".npy", 4);
        assert_true(extra == 0 || (get(h + 30 + name, 2) == 0xd935 && get(h + 32 + name, 2) == extra - 4));
        assert_int_equal(data % 64, 0);
        assert_int_equal((size - bytes) % 64, 0); /* hence the elements are aligned too */
        assert_memory_equal(p + data, "\x93NUMPY\x01\x00", 8);
        if (bytes > 0)
            assert_memory_equal(p + data + size - bytes, samples[i].data, bytes);
        pos = data + size;
    }
    const size_t directory = pos;
    for (size_t i = 0; i < COUNT(samples); i++) {
        const unsigned char *h = p + pos;
        assert_int_equal(get(h, 4), 0x02014b50);
        assert_memory_equal(h + 6, p + offsets[i] + 4, 24); /* version to length of the name */
        assert_int_equal(get(h + 38, 4) >> 16, 0100644);
        assert_int_equal(get(h + 42, 4), offsets[i]);
        assert_memory_equal(h + 46, p + offsets[i] + 30, get(h + 28, 2));
        pos += 46 + get(h + 28, 2) + get(h + 30, 2) + get(h + 32, 2);
    }
    assert_int_equal(pos + 22, n);
    assert_int_equal(get(p + pos, 4), 0x06054b50);
    assert_int_equal(get(p + pos + 8, 2), COUNT(samples));
    assert_int_equal(get(p + pos + 10, 2), COUNT(samples));
    assert_int_equal(get(p + pos + 12, 4), pos - directory);
    assert_int_equal(get(p + pos + 16, 4), directory);
    free(p);
}

/* ---- what the writer refuses --------------------------------------------------------- */

static void test_names_refused(void **state)
{
    static const char *const names[] = {"", "a/b", "../a", "a\\b", "a\nb", "\x7f", "\xff", "\xed\xa0\x80"};
    const place *at = *state;
    tempo_npz_writer *w = create(at);
    char long_name[TEMPO_NPZ_MAX_NAME + 2];

    for (size_t i = 0; i < COUNT(names); i++) {
        tempo_err err = {0};
        assert_int_equal(tempo_npz_add(w, names[i], TEMPO_NPY_U8, NULL, 0, u8s, &err), TEMPO_E_ARG);
        assert_int_equal(err.code, TEMPO_E_ARG);
        assert_int_equal(tempo_npz_add_text(w, names[i], "text", NULL), TEMPO_E_ARG);
    }
    memset(long_name, 'x', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(tempo_npz_add(w, long_name, TEMPO_NPY_U8, NULL, 0, u8s, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_npz_add(w, long_name + 1, TEMPO_NPY_U8, NULL, 0, u8s, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, long_name + 1, TEMPO_NPY_U8, NULL, 0, u8s, NULL), TEMPO_E_ARG);
    /* nothing of all this has hurt the archive */
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    tempo_npz *z = open_archive(at);
    assert_int_equal(tempo_npz_count(z), 1);
    assert_string_equal(tempo_npz_name(z, 0), long_name + 1);
    tempo_npz_free(z);
}

static void test_arguments_refused(void **state)
{
    const place *at = *state;
    const uint64_t ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    tempo_npz_writer *w = create(at);
    tempo_err err = {0};

    assert_int_equal(tempo_npz_add(w, "a", TEMPO_NPY_U8, ones, 9, u8s, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_npz_add(w, "a", TEMPO_NPY_UNICODE, ones, 1, u8s, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_npz_add(w, "a", TEMPO_NPY_F64, (const uint64_t[]){UINT64_MAX / 8}, 1, u8s, NULL),
                     TEMPO_E_ARG); /* fits without its header only */
    assert_int_equal(
        tempo_npz_add(w, "a", TEMPO_NPY_F64, (const uint64_t[]){UINT64_MAX / 8 + 1}, 1, u8s, NULL),
        TEMPO_E_ARG);
    assert_int_equal(tempo_npz_add_text(w, "a", "ab\xff", &err), TEMPO_E_FORMAT);
    assert_int_equal(err.offset, 2);
    tempo_npz_abort(w);
    tempo_npz_abort(NULL);
    assert_int_equal(rmdir(at->dir), 0); /* nothing remains */
    test_mkdir(at->dir);
}

static void test_full_disk(void **state)
{
    (void)state;
    static const uint8_t data[200000];
    tempo_npz_writer *w;
    tempo_err err = {0}, last = {0};

    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_int_equal(tempo_npz_create(&w, "/dev/full", NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, "a", TEMPO_NPY_U8, (const uint64_t[]){sizeof(data)}, 1, data, &err),
                     TEMPO_E_IO);
    assert_string_equal(err.msg, "/dev/full: cannot be written: No space left on device");
    assert_int_equal(tempo_npz_commit(w, &last), TEMPO_E_IO);
    assert_string_equal(last.msg, err.msg);
    assert_int_equal(tempo_npz_create(&w, "/nonexistent/a.npz", NULL), TEMPO_E_IO);
    assert_null(w);
}

/* ---- files of the reference implementation ------------------------------------------- */

static int64_t sum_i32(const tempo_npy *a)
{
    int64_t sum = 0;

    assert_int_equal(a->type, TEMPO_NPY_I32);
    for (uint64_t i = 0; i < a->count; i++)
        sum += ((const int32_t *)a->data)[i];
    return sum;
}

static void read_array(const tempo_npz *z, const char *name, tempo_npy *a)
{
    tempo_err err = {0};

    if (tempo_npz_read(z, name, 1 << 26, a, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

/* Everything can be read; the sizes fit each other; a distribution sums to one. */
static void check_golden(const char *path)
{
    tempo_npz *z;
    tempo_npy sizes, ids, next;
    tempo_err err = {0};
    double sum = 0;

    if (tempo_npz_open(&z, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < tempo_npz_count(z); i++) {
        tempo_npy a;
        read_array(z, tempo_npz_name(z, i), &a);
        tempo_npy_free(&a);
    }
    read_array(z, "set_sizes", &sizes);
    read_array(z, "set_ids", &ids);
    assert_int_equal(sum_i32(&sizes), ids.count);
    read_array(z, "next_0", &next);
    for (uint64_t i = 0; i < next.count; i++)
        sum += next.type == TEMPO_NPY_F32 ? (double)((const float *)next.data)[i]
                                          : ((const double *)next.data)[i];
    assert_true(sum > 1 - 1e-5 && sum < 1 + 1e-5);
    tempo_npy_free(&sizes);
    tempo_npy_free(&ids);
    tempo_npy_free(&next);
    tempo_npz_free(z);
}

static void test_golden(void **state)
{
    static const char dir[] = "../shared/golden";
    DIR *d = opendir(dir);
    const struct dirent *entry;
    size_t n = 0;

    (void)state;
    if (d == NULL) {
        print_message("no %s here, skipped\n", dir);
        skip();
    }
    while ((entry = readdir(d)) != NULL) {
        const size_t len = strlen(entry->d_name);
        char path[512];
        if (len < 4 || strcmp(entry->d_name + len - 4, ".npz") != 0)
            continue;
        test_path(path, dir, entry->d_name);
        check_golden(path);
        n++;
    }
    assert_int_equal(closedir(d), 0);
    assert_true(n > 0);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(test_round_trip),        IN_PLACE(test_text),
        IN_PLACE(test_empty_archive),     IN_PLACE(test_many_arrays),
        IN_PLACE(test_structure),         IN_PLACE(test_names_refused),
        IN_PLACE(test_arguments_refused), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
