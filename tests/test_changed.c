/* test_changed.c - model files that change under a running process: what is seen before a pass. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/model_writer.h"
#include "support/models.h"
#include "support/tmpdir.h"

typedef struct opened {
    char dir[256], path[512];
    tempo_model *m;
    tempo_engine *e;
    tempo_seq *s;
    uint32_t set;
} opened;

/* In one file, or in several of which the first is opened. */
static void open_parts(opened *o, unsigned parts)
{
    const test_spec spec = test_spec_default("llama");
    test_model *made = test_model_make(&spec);
    char stem[512];

    memset(o, 0, sizeof(*o));
    test_tmpdir_create(o->dir);
    test_path(o->path, o->dir, parts > 1 ? "model-00001-of-00003.gguf" : "model.gguf");
    test_path(stem, o->dir, "model");
    if (parts > 1)
        test_model_write_gguf_parts(made, parts, stem);
    else
        test_model_write_gguf(made, 3, o->path);
    test_model_free(made);
    assert_int_equal(tempo_model_open(&o->m, o->path, NULL, NULL), TEMPO_OK);
    o->e = test_engine(o->m, 1);
    assert_int_equal(tempo_seq_create(&o->s, o->e, NULL, NULL), TEMPO_OK);
}

static void open_model(opened *o)
{
    open_parts(o, 1);
}

static void close_model(opened *o)
{
    tempo_seq_free(o->s);
    tempo_engine_free(o->e);
    tempo_model_free(o->m);
    test_tmpdir_remove(o->dir);
}

/* One more row. */
static tempo_status run(opened *o, tempo_err *err)
{
    const tempo_row row = {
        .seq = o->s, .token = 5, .set = o->set, .position = o->set, .want = TEMPO_WANT_LOGITS};
    const tempo_status st = tempo_engine_forward(o->e, &row, 1, NULL, err);

    o->set += st == TEMPO_OK;
    return st;
}

static void refuses_file(opened *o, const char *file, const char *what)
{
    char begin[128];
    tempo_err err = {0};

    (void)snprintf(begin, sizeof(begin), "%s: the file was ", file);
    assert_int_equal(run(o, &err), TEMPO_E_IO);
    assert_memory_equal(err.msg, begin, strlen(begin));
    assert_non_null(strstr(err.msg, what));
    assert_int_equal(tempo_seq_slot_count(o->s), o->set);
}

static void refuses(opened *o, const char *what)
{
    refuses_file(o, "model.gguf", what);
}

static void test_cut_short(void **state)
{
    opened o;
    struct stat info;

    (void)state;
    open_model(&o);
    assert_int_equal(run(&o, NULL), TEMPO_OK);
    assert_int_equal(stat(o.path, &info), 0);
    assert_int_equal(truncate(o.path, info.st_size / 2), 0);
    refuses(&o, "cut short");
    assert_int_equal(truncate(o.path, info.st_size + 1), 0);
    refuses(&o, "made longer");
    assert_int_equal(truncate(o.path, info.st_size), 0); /* of the same size, with zeros in it */
    refuses(&o, "written to");
    close_model(&o);
}

/* A time that was set is all that is left of a write that kept the size. */
static void test_written_to(void **state)
{
    opened o;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000}};

    (void)state;
    open_model(&o);
    assert_int_equal(utimensat(AT_FDCWD, o.path, times, 0), 0);
    refuses(&o, "written to");
    close_model(&o);
}

/* Each of a model's files is watched, and named when it is the one. */
static void test_parts(void **state)
{
    static const char *const names[] = {"model-00001-of-00003.gguf", "model-00002-of-00003.gguf",
                                        "model-00003-of-00003.gguf"};
    char path[512];
    struct stat info;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        opened o;
        open_parts(&o, 3);
        assert_int_equal(run(&o, NULL), TEMPO_OK);
        test_path(path, o.dir, names[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(truncate(path, info.st_size - 1), 0);
        refuses_file(&o, names[i], "cut short");
        assert_int_equal(truncate(path, info.st_size), 0);
        refuses_file(&o, names[i], "written to");
        close_model(&o);
    }
}

/* The file that is mapped stays as it is, whatever its name means now. */
static void test_replaced(void **state)
{
    opened o;
    char other[512];

    (void)state;
    open_model(&o);
    test_path(other, o.dir, "other.gguf");
    test_write_file(other, "another", 7);
    assert_int_equal(rename(other, o.path), 0);
    assert_int_equal(run(&o, NULL), TEMPO_OK);
    assert_int_equal(unlink(o.path), 0);
    assert_int_equal(run(&o, NULL), TEMPO_OK);
    close_model(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_written_to),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
