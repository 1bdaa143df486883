/* The rows of captures, as the lens reads them: what fits, and every way in which a file from anywhere may
 * not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/npz.h"
#include "lens/lens.h"
#include "lens/rows.h"
#include "support/models.h"
#include "support/tmpdir.h"

enum { ROWS = 3, LAYERS = 2, WIDTH = 32, MOST = LAYERS * ROWS * WIDTH };

/* A capture of one step with three rows, of which one thing is otherwise. */
typedef struct file {
    const char *metadata; /* NULL: none */
    int64_t slots[ROWS];
    uint64_t shape[3]; /* of resid_post */
    float nan_at;      /* >= 0: that number is not one */
    bool doubles, no_post;
} file;

#define TAPS "\"resid_post\":{\"layers\":[0,1]},\"embed\":{}"

static file good(void)
{
    return (file){.metadata = "{\"taps\":{" TAPS "}}",
                  .slots = {3, 4, 5},
                  .shape = {LAYERS, ROWS, WIDTH},
                  .nan_at = -1};
}

static void add(tempo_npz_writer *w, const char *name, tempo_npy_type type, const uint64_t *shape, unsigned n,
                const void *data)
{
    tempo_err err = {0};

    if (tempo_npz_add(w, name, type, shape, n, data, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static void write_file(const char *dir, const file *f)
{
    float values[MOST];
    double doubles[MOST];
    char path[512];
    tempo_npz_writer *w;
    tempo_err err = {0};
    const uint64_t n = ROWS;

    for (size_t i = 0; i < MOST; i++)
        doubles[i] = (double)(values[i] = (float)i == f->nan_at ? NAN : 0.5f * (float)i);
    test_path(path, dir, "taps.npz");
    (void)unlink(path);
    assert_int_equal(tempo_npz_create(&w, path, &err), TEMPO_OK);
    add(w, "step_0_query_slots", TEMPO_NPY_I64, &n, 1, f->slots);
    if (!f->no_post)
        add(w, "step_0_resid_post", f->doubles ? TEMPO_NPY_F64 : TEMPO_NPY_F32, f->shape, 3,
            f->doubles ? (const void *)doubles : values);
    add(w, "step_0_embed", TEMPO_NPY_F32, f->shape + 1, 2, values);
    if (f->metadata != NULL && tempo_npz_add_text(w, "metadata", f->metadata, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(tempo_npz_commit(w, &err), TEMPO_OK);
}

/* Open and read all of it. */
static tempo_status read_all(const char *dir, const tempo_model *m, tempo_residual **r, tempo_err *err)
{
    const size_t index[] = {0, 1, 2};
    tempo_rows *c;
    size_t n;
    tempo_status st = tempo_rows_open(&c, dir, m, err);

    *r = NULL;
    if (st != TEMPO_OK) {
        assert_null(c);
        return st;
    }
    const tempo_rows_row *rows = tempo_rows_list(c, &n);
    assert_int_equal(n, ROWS);
    for (size_t i = 0; i < n; i++)
        assert_true(rows[i].slot == 3 + i && rows[i].step == 0);
    if ((st = tempo_rows_check(c, 0, err)) == TEMPO_OK &&
        (st = tempo_residual_create(r, m, ROWS, 0, err)) == TEMPO_OK)
        st = tempo_rows_read(c, index, ROWS, *r, err);
    tempo_rows_free(c);
    return st;
}

static void refuse(const char *dir, const tempo_model *m, file f, tempo_status want, const char *text)
{
    tempo_residual *r;
    tempo_err err = {0};

    write_file(dir, &f);
    const tempo_status st = read_all(dir, m, &r, &err);
    tempo_residual_free(r);
    if (st != want || strstr(err.msg, text) == NULL)
        fail_msg("status %d, '%s': expected %d, '%s'", (int)st, err.msg, (int)want, text);
}

static void test_good(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    char dir[256];

    assert_true(m->hp.n_layers == LAYERS && m->hp.d_model == WIDTH);
    test_tmpdir_create(dir);
    for (int doubles = 0; doubles < 2; doubles++) {
        tempo_residual *r;
        tempo_err err = {0};
        file f = good();
        f.doubles = doubles;
        write_file(dir, &f);
        if (read_all(dir, m, &r, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        for (size_t row = 0; row < ROWS; row++) {
            for (uint32_t l = 0; l < LAYERS; l++)
                assert_true(tempo_residual_get(r, row, TEMPO_TAP_RESID_POST, l)[7] ==
                            0.5f * (float)((l * ROWS + row) * WIDTH + 7));
            /* the embedding is the stream before the first layer */
            assert_true(tempo_residual_get(r, row, TEMPO_TAP_RESID_PRE, 0)[1] ==
                        0.5f * (float)(row * WIDTH + 1));
        }
        tempo_residual_free(r);
    }
    test_tmpdir_remove(dir);
    tempo_model_free(m);
}

static void test_tokens(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    char dir[256], path[512];
    const file f = good();
    tempo_rows *c;
    tempo_err err = {0};
    size_t n;

    test_tmpdir_create(dir);
    write_file(dir, &f);
    test_path(path, dir, "results.json");
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("{\"prompt_ids\":[7,8,9,10],\"steps\":[{\"members\":[{\"id\":11,\"slot\":4},{\"id\":288,\"slot\":5}"
          ",{\"id\":1,\"slot\":-1},"
          "{\"id\":2,\"slot\":99999999999},3]}]}",
          out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(tempo_rows_open(&c, dir, m, &err), TEMPO_OK);
    const tempo_rows_row *rows = tempo_rows_list(c, &n);
    assert_true(rows[0].token == 10 && rows[1].token == 11 && rows[2].token == -1); /* 288 is no token */
    tempo_rows_free(c);
    test_tmpdir_remove(dir);
    tempo_model_free(m);
}

static void test_bad(void **state)
{
    (void)state;
    tempo_model *m = test_open_synthetic("llama", TEMPO_F32);
    char dir[256];
    file f;

    test_tmpdir_create(dir);
#define BAD(change, status, text) (f = good(), change, refuse(dir, m, f, status, text))
    BAD(f.metadata = NULL, TEMPO_E_NOTFOUND, "metadata");
    BAD(f.metadata = "{", TEMPO_E_FORMAT, "metadata");
    BAD(f.metadata = "[]", TEMPO_E_FORMAT, "its metadata name no taps");
    BAD(f.metadata = "{\"taps\":3}", TEMPO_E_FORMAT, "its metadata name no taps");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{}}}", TEMPO_E_FORMAT, "layers of a tap");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{\"layers\":[0,1,2]}}}", TEMPO_E_FORMAT, "layers of a tap");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{\"layers\":[0,2]}}}", TEMPO_E_FORMAT, "layers of a tap");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{\"layers\":[1,1]}}}", TEMPO_E_FORMAT, "layers of a tap");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{\"layers\":[-1,1]}}}", TEMPO_E_FORMAT, "layers of a tap");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{\"layers\":[0,\"1\"]}}}", TEMPO_E_FORMAT, "layers of a tap");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{\"layers\":[0]}}}", TEMPO_E_NOTFOUND, "--record resid_post");
    BAD(f.metadata = "{\"taps\":{\"resid_post\":{\"layers\":[1]}}}", TEMPO_E_FORMAT, "has not the shape");
    BAD(f.slots[1] = -1, TEMPO_E_FORMAT, "what is no slot");
    BAD(f.slots[1] = INT64_MAX, TEMPO_E_FORMAT, "what is no slot");
    BAD(f.slots[0] = 9, TEMPO_E_FORMAT, "order of their slots");
    BAD((f.shape[1] = 2, f.shape[2] = 32), TEMPO_E_FORMAT, "fewer rows than its query_slots");
    BAD((f.shape[1] = 1, f.shape[2] = 96), TEMPO_E_FORMAT, "has not the shape");
    BAD((f.shape[0] = 1, f.shape[2] = 64), TEMPO_E_FORMAT, "has not the shape");
    BAD(f.nan_at = 100, TEMPO_E_FORMAT, "slot 3: resid_post of layer 1, number 4 is not finite");
    BAD(f.no_post = true, TEMPO_E_NOTFOUND, "step_0_resid_post");
#undef BAD
    test_tmpdir_remove(dir);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
