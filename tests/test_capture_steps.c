/* test_capture_steps.c - the reader of captures: whatever the format and the type of elements, in place or
 * not, by either name; which slots rows and sets are; and that it knows all arrays that are written.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/names.h"
#include "capture/steps.h"
#include "io/npz.h"
#include "io/safetensors_write.h"
#include "support/models.h"
#include "support/tmpdir.h"

enum { LAYERS = 2, HEADS = 3, ROWS = 2, SLOTS = 5, COUNT = LAYERS * HEADS * ROWS * SLOTS };

/* i / 64, which a half holds. */
static const uint16_t half_of_64ths[] = {0x0000, 0x2400, 0x2800, 0x2a00, 0x2c00, 0x2d00, 0x2e00, 0x2f00};

typedef struct writer {
    tempo_npz_writer *npz;
    tempo_safetensors_writer *safetensors;
} writer;

static void begin(writer *w, const char *path, tempo_capture_format format)
{
    *w = (writer){0};
    if (format == TEMPO_CAPTURE_NPZ)
        assert_int_equal(tempo_npz_create(&w->npz, path, NULL), TEMPO_OK);
    else
        assert_int_equal(tempo_safetensors_create(&w->safetensors, path, 1 << 16, NULL), TEMPO_OK);
}

static void add(writer *w, const char *name, tempo_npy_type type, const uint64_t *shape, unsigned n,
                const void *data)
{
    assert_int_equal(w->npz != NULL ? tempo_npz_add(w->npz, name, type, shape, n, data, NULL)
                                    : tempo_safetensors_add(w->safetensors, name, type, shape, n, data, NULL),
                     TEMPO_OK);
}

static void commit(writer *w)
{
    assert_int_equal(w->npz != NULL ? tempo_npz_commit(w->npz, NULL)
                                    : tempo_safetensors_commit(w->safetensors, NULL),
                     TEMPO_OK);
}

/* Elements i % 8 / 64 of that type. */
static void fill(void *to, tempo_npy_type type)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (type == TEMPO_NPY_F16)
            ((uint16_t *)to)[i] = half_of_64ths[i % 8];
        else if (type == TEMPO_NPY_F32)
            ((float *)to)[i] = (float)(i % 8) / 64;
        else
            ((double *)to)[i] = (double)(i % 8) / 64;
    }
}

static void open_steps(tempo_steps *s, const char *path)
{
    tempo_err err = {0};

    if (tempo_steps_open(s, path, "FILE", &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

static void test_formats_and_types(void **state)
{
    static const tempo_npy_type types[] = {TEMPO_NPY_F16, TEMPO_NPY_F32, TEMPO_NPY_F64};
    static const uint64_t shape[] = {LAYERS, 1, HEADS, ROWS, SLOTS}, without[] = {LAYERS, HEADS, ROWS, SLOTS};
    char dir[256], path[512];
    double data[COUNT];
    size_t in_place = 0;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "file");
    for (size_t k = 0; k < 24; k++) {
        const tempo_npy_type type = types[k % 3];
        const bool plain = k / 6 % 2 == 0;
        tempo_step_attention a;
        tempo_steps s;
        writer w;
        begin(&w, path, k / 3 % 2 == 0 ? TEMPO_CAPTURE_NPZ : TEMPO_CAPTURE_SAFETENSORS);
        fill(data, type);
        add(&w, "step_7_attention", type, plain ? shape : without, plain ? 5 : 4, data);
        commit(&w);
        open_steps(&s, path);
        s.in_place = k >= 12;
        assert_int_equal(s.n[TEMPO_STEPS_ATTENTION], 1);
        assert_true(tempo_steps_has(&s, TEMPO_STEPS_ATTENTION, 7));
        assert_int_equal(tempo_steps_attention(&s, 7, &a, NULL), TEMPO_OK);
        assert_int_equal(a.n_layers * a.n_heads * a.n_rows * a.n_slots, COUNT);
        for (size_t i = 0; i < COUNT; i++)
            assert_true(a.weights[i] == (float)(i % 8) / 64);
        assert_true(tempo_step_row(&a, 1, 2, 1) == a.weights + COUNT - SLOTS);
        in_place += a.arrays[0].data == NULL;
        assert_true((a.arrays[0].data == NULL) == (tempo_steps_copy_bytes(&s, 7) == 0));
        assert_null(a.query_slots); /* nobody says */
        tempo_step_attention_free(&a);
        assert_int_equal(tempo_steps_shape(&s, 7, &a, NULL), TEMPO_OK);
        assert_true(a.weights == NULL && a.n_slots == SLOTS);
        tempo_step_attention_free(&a);
        tempo_steps_close(&s);
    }
    assert_int_equal(in_place, 4); /* floats, asked for in place */
    test_tmpdir_remove(dir);
}

/* Sets are what steps before gave slots to; rows are the last of these, or the last slots under the older
 * name. */
static void test_slots(void **state)
{
    static const uint64_t shape[] = {LAYERS, 1, HEADS, ROWS, SLOTS}, two[] = {2}, rows[] = {1, 4};
    static const int64_t first[] = {2, -1}, second[] = {3, 4};
    static const uint32_t expected[] = {0, 1, 2, 3, 3};
    char dir[256], path[512];
    float data[COUNT];
    tempo_step_attention a;
    tempo_step_logits l;
    tempo_err err = {0};
    uint32_t *sets;
    tempo_steps s;
    writer w;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "file");
    fill(data, TEMPO_NPY_F32);
    begin(&w, path, TEMPO_CAPTURE_NPZ);
    add(&w, "step_0_attention", TEMPO_NPY_F32, shape, 5, data);
    add(&w, "step_0_positions", TEMPO_NPY_I64, two, 1, first);
    add(&w, "step_1_attention", TEMPO_NPY_F32, shape, 5, data);
    add(&w, "step_1_positions", TEMPO_NPY_I64, two, 1, second);
    add(&w, "step_2_attention", TEMPO_NPY_F32, shape, 5, data);
    add(&w, "attention_3", TEMPO_NPY_F32, shape, 5, data);
    add(&w, "rows_3", TEMPO_NPY_F32, rows, 2, data);
    commit(&w);
    open_steps(&s, path);
    assert_int_equal(s.n[TEMPO_STEPS_ATTENTION], 4);
    assert_int_equal(tempo_steps_attention(&s, 2, &a, &err), TEMPO_OK);
    assert_memory_equal(a.query_slots, second, sizeof(second));
    tempo_step_attention_free(&a);
    assert_int_equal(tempo_steps_attention(&s, 1, &a, &err), TEMPO_OK);
    assert_null(a.query_slots); /* one slot for two rows */
    tempo_step_attention_free(&a);
    assert_int_equal(tempo_steps_attention(&s, 3, &a, &err), TEMPO_OK);
    assert_memory_equal(a.query_slots, second, sizeof(second));
    tempo_step_attention_free(&a);
    assert_int_equal(tempo_steps_logits(&s, 3, &l, &err), TEMPO_OK);
    assert_int_equal(l.n_vocab, 4);
    tempo_step_logits_free(&l);
    assert_int_equal(tempo_steps_sets(&s, 2, SLOTS, &sets, &err), TEMPO_OK);
    assert_memory_equal(sets, expected, sizeof(expected));
    free(sets);
    s.max_bytes = 4 * COUNT - 1;
    assert_int_equal(tempo_steps_attention(&s, 2, &a, &err), TEMPO_E_LIMIT);
    assert_int_equal(strncmp(err.msg, "FILE: ", 6), 0);
    tempo_steps_close(&s);
    test_tmpdir_remove(dir);
}

/* What a run captures has names of the list alone. */
static void test_names(void **state)
{
    static const int32_t ids[] = {1, 20, 3};
    const tempo_run_arm arm = {NULL, NULL};
    const tempo_run_prompt prompt = {ids, 3, NULL};
    tempo_model *model = test_open_synthetic("llama", TEMPO_F32);
    tempo_engine *engine = test_engine(model, 1);
    bool seen[TEMPO_CAPTURE_ARRAYS] = {false};
    char dir[256], out[512], path[512], name[TEMPO_CAPTURE_KEY];
    tempo_capture_options c;
    tempo_run_options o;
    tempo_run *run;

    (void)state;
    test_tmpdir_create(dir);
    test_path(out, dir, "out");
    tempo_capture_options_init(&c);
    c.record = TEMPO_RECORD_ALL;
    tempo_run_options_init(&o);
    o.arms = &arm;
    o.n_arms = 1;
    o.capture = &c;
    o.capture_dir = out;
    assert_int_equal(tempo_run_create(&run, engine, &o, &prompt, NULL), TEMPO_OK);
    assert_int_equal(tempo_runs_all(&run, 1, NULL, NULL), TEMPO_OK);
    tempo_run_free(run);
    for (size_t f = 0; f < TEMPO_FILE_ARRAYS; f++) {
        tempo_array_file *file;
        if (f == TEMPO_FILE_TAPS) /* its arrays are named by taps.inc */
            continue;
        test_path(path, out, tempo_capture_file_name(name, (tempo_capture_file)f, TEMPO_CAPTURE_NPZ));
        assert_int_equal(tempo_array_file_open(&file, path, NULL), TEMPO_OK);
        for (size_t i = 0; i < tempo_array_file_count(file); i++) {
            const char *key = tempo_array_file_name(file, i);
            bool known = strcmp(key, TEMPO_CAPTURE_TEXT) == 0;
            for (size_t k = 0; k < TEMPO_CAPTURE_ARRAYS; k++) {
                tempo_npy shape;
                uint32_t step;
                if (!tempo_capture_key_step(key, (tempo_capture_array)k, &step))
                    continue;
                assert_string_equal(key, tempo_capture_key(name, step, (tempo_capture_array)k));
                assert_int_equal(tempo_array_shape(file, key, &shape, NULL), TEMPO_OK);
                assert_int_equal(shape.type, tempo_capture_names[k].type);
                known = seen[k] = true;
            }
            if (!known)
                fail_msg("%s is not in names.inc", key);
        }
        tempo_array_file_free(file);
    }
    for (size_t k = 0; k <= TEMPO_ARRAY_LOGICAL; k++)
        assert_true(seen[k]);
    tempo_engine_free(engine);
    tempo_model_free(model);
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_and_types),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("captured steps", tests, NULL, NULL);
}
