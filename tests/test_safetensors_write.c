/* test_safetensors_write.c - what is written is what safetensors.c reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/safetensors.h"
#include "io/safetensors_write.h"
#include "support/tmpdir.h"

static char dir[256], path[512];

static tempo_safetensors_writer *begin(uint64_t room)
{
    tempo_err err = {0};
    tempo_safetensors_writer *w;

    if (tempo_safetensors_create(&w, path, room, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return w;
}

static tempo_safetensors end(tempo_safetensors_writer *w)
{
    tempo_err err = {0};
    tempo_safetensors s = {0};

    if (tempo_safetensors_commit(w, &err) != TEMPO_OK || tempo_safetensors_open(&s, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return s;
}

static void test_types(void **state)
{
    static const char name[] = "a \"quoted\"\n\xc3\xa4";
    const float f[] = {1, 2, 3, 4, 5, 6};
    const double d = 7;
    const int64_t n[] = {-1, 2};
    const uint64_t matrix[] = {2, 3}, two = 2, none[] = {3, 0};
    tempo_safetensors_writer *w = begin(600);

    (void)state;
    assert_int_equal(tempo_safetensors_add(w, name, TEMPO_NPY_F32, matrix, 2, f, NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_add_text(w, "note", "{\"a\": \"b\"}", NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_add(w, "scalar", TEMPO_NPY_F64, NULL, 0, &d, NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_add(w, "n", TEMPO_NPY_I64, &two, 1, n, NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_add(w, "empty", TEMPO_NPY_I32, none, 2, NULL, NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_add(w, "t", TEMPO_NPY_UNICODE, NULL, 0, "x", NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_safetensors_pos(w), 8 + 600 + sizeof(f) + sizeof(d) + sizeof(n));
    tempo_safetensors s = end(w);
    assert_int_equal(s.n_tensors, 4);
    const tempo_safetensor *t = tempo_safetensors_find(&s, name);
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->offset, 608); /* a multiple of 8 */
    assert_memory_equal(s.base + t->offset, f, sizeof(f));
    t = tempo_safetensors_find(&s, "scalar");
    assert_int_equal(t->n_dims, 0);
    assert_string_equal(t->dtype, "F64");
    assert_memory_equal(s.base + t->offset, &d, sizeof(d));
    t = tempo_safetensors_find(&s, "empty");
    assert_int_equal(t->dims[1], 0);
    assert_int_equal(t->bytes, 0);
    /* the text is there, quoted as JSON asks */
    assert_non_null(
        strstr((const char *)s.base + 8, "\"__metadata__\":{\"note\":\"{\\\"a\\\": \\\"b\\\"}\"}"));
    tempo_safetensors_free(&s);
}

static void test_empty(void **state)
{
    (void)state;
    tempo_safetensors s = end(begin(0));

    assert_int_equal(s.n_tensors, 0);
    tempo_safetensors_free(&s);
    tempo_safetensors_writer *w = begin(100);
    assert_int_equal(tempo_safetensors_add_text(w, "k", "v", NULL), TEMPO_OK);
    s = end(w);
    assert_int_equal(s.n_tensors, 0);
    tempo_safetensors_free(&s);
}

/* With every size of room: what was accepted is there, what was refused left no trace. */
static void test_room(void **state)
{
    const uint64_t one = 1;
    const float value = 3;

    (void)state;
    for (uint64_t room = 64; room <= 400; room += 8) {
        tempo_safetensors_writer *w = begin(room);
        size_t n = 0;
        tempo_err err = {0};
        char name[32];
        do
            (void)snprintf(name, sizeof(name), "tensor-%zu", n);
        while (tempo_safetensors_add(w, name, TEMPO_NPY_F32, &one, 1, &value, &err) == TEMPO_OK && ++n < 100);
        assert_int_equal(err.code, TEMPO_E_LIMIT);
        tempo_safetensors s = end(w);
        assert_int_equal(s.n_tensors, n);
        assert_int_equal(s.size, 8 + room + 4 * n);
        tempo_safetensors_free(&s);
    }
}

static void test_failures(void **state)
{
    static float many[1 << 16];
    const uint64_t shape = 1 << 16;
    tempo_safetensors_writer *w = begin(1000);
    tempo_err err = {0};

    (void)state;
    tempo_safetensors_abort(w);
    assert_int_not_equal(access(path, F_OK), 0);
    tempo_safetensors_abort(NULL);
    assert_int_equal(tempo_safetensors_create(&w, "/dev/full", 200, &err), TEMPO_OK); /* buffered */
    assert_int_equal(tempo_safetensors_add(w, "x", TEMPO_NPY_F32, &shape, 1, many, &err), TEMPO_E_IO);
    assert_non_null(strstr(err.msg, "/dev/full"));
    tempo_safetensors_abort(w);
    err = (tempo_err){0};
    assert_int_equal(tempo_safetensors_create(&w, dir, 64, &err), TEMPO_E_IO); /* a directory */
    assert_null(w);
    assert_int_equal(tempo_safetensors_create(&w, "/dev/null", 64, NULL), TEMPO_OK);
    err = (tempo_err){0};
    assert_int_equal(tempo_safetensors_commit(w, &err), TEMPO_E_UNSUPPORTED);
}

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "x.safetensors");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
