/* Every architecture that opens, against numbers of an independent implementation in double precision:
 * logits, the residual stream and attention of a plain text, logits and attention of sets in the three modes.
 * The same models as GGUF files give equal bits.
 *
 * Tolerances: logits and the residual stream 2e-4 of the largest value of the array (of the layer), at least
 * of 1; attention 2e-5. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "io/array_file.h"
#include "support/models.h"

static const char shared[] = "../shared/models/arch";
enum { MOST_ARCHS = 256, MOST_BYTES = 1 << 26 };

/* ---- the golden file ---- */

static tempo_npy read_array(const tempo_array_file *f, const char *mode, const char *what,
                            tempo_npy_type type)
{
    char name[64];
    tempo_npy a;
    tempo_err err = {0};

    (void)snprintf(name, sizeof(name), "%s%s%s", mode, *mode != '\0' ? "_" : "", what);
    if (tempo_array_read(f, name, type, MOST_BYTES, &a, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return a;
}

/* One pass of a golden file, and how it is run here. */
typedef struct pass {
    const char *model, *mode;       /* mode "": the plain text */
    tempo_npy ids, sets, positions; /* sets.data NULL: every row is one */
    tempo_npy logits, attention, resid;
    size_t n, n_golden; /* rows that are run: those within the context; and all */
    bool looked;        /* something was shown */
} pass;

static void pass_open(pass *p, const tempo_array_file *f, const char *model, const char *mode)
{
    const bool plain = *mode == '\0';

    *p = (pass){.model = model, .mode = mode};
    p->ids = read_array(f, "", plain ? "ids" : "set_ids", TEMPO_NPY_I64);
    if (!plain) {
        p->sets = read_array(f, "", "set_of_row", TEMPO_NPY_I64);
        p->positions = read_array(f, "", "set_positions", TEMPO_NPY_I64);
    } else {
        p->resid = read_array(f, "", "resid", TEMPO_NPY_F64);
    }
    p->logits = read_array(f, mode, "logits", TEMPO_NPY_F64);
    p->attention = read_array(f, mode, "attention", TEMPO_NPY_F64);
    p->n_golden = p->ids.count;
}

static void pass_close(pass *p)
{
    tempo_npy *const arrays[] = {&p->ids, &p->sets, &p->positions, &p->logits, &p->attention, &p->resid};

    for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++)
        tempo_npy_free(arrays[i]);
}

static int64_t at(const tempo_npy *a, size_t i, int64_t otherwise)
{
    return a->data != NULL ? ((const int64_t *)a->data)[i] : otherwise;
}

/* ---- comparing ---- */

static double largest(const double *x, size_t n)
{
    double most = 1;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

static void compare(const pass *p, const char *what, uint32_t layer, size_t row, const float *got,
                    const double *want, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance))
            fail_msg("%s %s: %s of layer %u, row %zu, number %zu: %.9g, expected %.9g within %.2g", p->model,
                     p->mode, what, layer, row, i, (double)got[i], want[i], tolerance);
}

/* Layer l of what goes into the layers; the last one is what comes out. */
static void compare_resid(const pass *p, size_t l, const tempo_tap_view *v)
{
    const size_t d = p->resid.shape[2];
    const double *want = (const double *)p->resid.data + l * p->n_golden * d;

    assert_int_equal(v->dims[0], d);
    compare(p, "residual stream", (uint32_t)l, v->row, v->values, want + v->row * d, d,
            2e-4 * largest(want, p->n_golden * d));
}

static void compare_attention(const pass *p, const tempo_tap_view *v)
{
    const size_t n = p->n_golden;

    assert_int_equal(v->dims[0], p->attention.shape[1]);
    assert_int_equal(v->dims[1], p->n);
    for (size_t h = 0; h < v->dims[0]; h++)
        compare(p, "attention", v->layer, v->row, v->values + h * v->dims[1],
                (const double *)p->attention.data + ((v->layer * v->dims[0] + h) * n + v->row) * n, p->n,
                2e-5);
}

static bool on_view(void *user, const tempo_tap_view *v)
{
    pass *p = user;

    p->looked = true;
    if (v->tap == TEMPO_TAP_PATTERN)
        compare_attention(p, v);
    else
        compare_resid(p, v->layer + (v->tap == TEMPO_TAP_RESID_POST), v);
    return true;
}

/* ---- running ---- */

static void run(tempo_engine *e, pass *p)
{
    const tempo_model_info *info = tempo_model_get_info(tempo_engine_model(e));
    const tempo_tap_selection taps[] = {
        {.tap = TEMPO_TAP_PATTERN}, {.tap = TEMPO_TAP_RESID_PRE}, {.tap = TEMPO_TAP_RESID_POST}};
    const tempo_observer obs = {
        .user = p, .view = on_view, .taps = taps, .n_taps = p->resid.data != NULL ? 3 : 1};
    tempo_row *rows = calloc(p->n_golden, sizeof(*rows));
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    tempo_mode mode = TEMPO_ISOLATED;
    tempo_err err = {0};

    assert_non_null(rows);
    assert_true(*p->mode == '\0' || tempo_mode_parse(p->mode, &mode));
    for (size_t i = 0; i < p->n_golden && at(&p->positions, i, (int64_t)i) < (int64_t)info->context_length;
         i++) {
        tempo_row_init(&rows[i]);
        rows[i].seq = seq;
        rows[i].token = (int32_t)at(&p->ids, i, 0);
        rows[i].set = (uint32_t)at(&p->sets, i, (int64_t)i);
        rows[i].position = (double)at(&p->positions, i, (int64_t)i);
        rows[i].mode = mode;
        rows[i].want = TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS;
        p->n = i + 1;
    }
    assert_true(p->n >= 8);
    if (tempo_engine_forward(e, rows, p->n, &obs, &err) != TEMPO_OK)
        fail_msg("%s %s: %s", p->model, p->mode, err.msg);
    assert_true(p->looked);
    const size_t v = p->logits.shape[1];
    const double *want = p->logits.data;
    assert_int_equal(v, info->n_vocab);
    for (size_t i = 0; i < p->n; i++)
        compare(p, "logits", info->n_layers, i, tempo_engine_logits(e, i), want + i * v, v,
                2e-4 * largest(want, p->n_golden * v));
    tempo_seq_free(seq);
    free(rows);
}

static void check_passes(const tempo_model *m, const char *name, const char *path)
{
    static const char *const modes[] = {"", "isolated", "visible", "causal"};
    char golden[600];
    tempo_array_file *f;
    tempo_err err = {0};

    (void)snprintf(golden, sizeof(golden), "%s/golden.npz", path);
    if (tempo_array_file_open(&f, golden, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_engine *e = test_engine(m, 1);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        pass p;
        pass_open(&p, f, name, modes[i]);
        run(e, &p);
        if (p.n < p.n_golden)
            print_message("%s %s: %zu of %zu rows, which is its context\n", name, modes[i], p.n, p.n_golden);
        pass_close(&p);
    }
    tempo_engine_free(e);
    tempo_array_file_free(f);
}

static const char *const no_gguf[] = {"cohere2", "gpt-neo", "gptj", "opt", "mistral-window", "qwen2-window"};

static bool is_in(const char *name, const char *const *list, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n && !found; i++)
        found = strcmp(name, list[i]) == 0;
    return found;
}

static tempo_model *open_model(const char *path)
{
    tempo_model *m;
    tempo_err err = {0};

    if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return m;
}

enum { ROWS = 24 };

/* last: of the last row alone, which is then the only one that goes through the end of the model. */
static void logits_of(const tempo_model *m, bool last, float *out)
{
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    tempo_engine *e = test_engine(m, 1);
    tempo_seq *seq = test_seq(e, TEMPO_KV_F32);
    tempo_row rows[ROWS];
    tempo_err err = {0};

    for (size_t i = 0; i < ROWS; i++) {
        tempo_row_init(&rows[i]);
        rows[i].seq = seq;
        rows[i].token = (int32_t)((i * 37 + 11) % n_vocab);
        rows[i].set = (uint32_t)i;
        rows[i].position = (double)i;
        rows[i].want = !last || i + 1 == ROWS ? TEMPO_WANT_LOGITS : 0;
    }
    if (tempo_engine_forward(e, rows, ROWS, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = last ? ROWS - 1 : 0; i < ROWS; i++)
        memcpy(out + i * n_vocab, tempo_engine_logits(e, i), n_vocab * sizeof(*out));
    tempo_seq_free(seq);
    tempo_engine_free(e);
}

static void check_last_row(const tempo_model *m, const char *name)
{
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    float *all = calloc(2 * ROWS * n_vocab, sizeof(*all)), *one = all + ROWS * n_vocab;

    assert_non_null(all);
    logits_of(m, false, all);
    logits_of(m, true, one);
    if (memcmp(all + (ROWS - 1) * n_vocab, one + (ROWS - 1) * n_vocab, n_vocab * sizeof(*all)) != 0)
        fail_msg("%s: the last row's logits depend on whether the others' are wanted", name);
    free(all);
}

static void test_directory(void **state)
{
    const char *name = *state;
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", shared, name);
    tempo_model *m = open_model(path);
    check_passes(m, name, path);
    check_last_row(m, name);
    tempo_model_free(m);
}

/* ---- the same model as a GGUF ---- */

/* A GGUF of gptneox does not say which GELU it means, erf is taken: of this model the other is meant. */
static double gguf_tolerance(const char *name)
{
    return strcmp(name, "neox-serial") == 0 ? 2e-2 : 0.0;
}

static void test_gguf(void **state)
{
    const char *name = *state;
    char path[512];
    struct stat there;

    (void)snprintf(path, sizeof(path), "%s-gguf/%s.gguf", shared, name);
    if (stat(path, &there) != 0) {
        assert_true(is_in(name, no_gguf, sizeof(no_gguf) / sizeof(*no_gguf)));
        return;
    }
    tempo_model *gguf = open_model(path);
    (void)snprintf(path, sizeof(path), "%s/%s", shared, name);
    tempo_model *directory = open_model(path);
    const size_t n = (size_t)ROWS * tempo_model_get_info(directory)->n_vocab;
    float *x = malloc(n * sizeof(*x)), *y = malloc(n * sizeof(*y));
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(tempo_model_get_info(gguf)->n_vocab, tempo_model_get_info(directory)->n_vocab);
    logits_of(gguf, false, x);
    logits_of(directory, false, y);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)y[i]) <= gguf_tolerance(name)))
            fail_msg("%s: logit %zu is %.9g from the GGUF, %.9g from the directory", name, i, (double)x[i],
                     (double)y[i]);
    free(x);
    free(y);
    tempo_model_free(gguf);
    tempo_model_free(directory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(void)
{
    static char *names[MOST_ARCHS];
    static struct CMUnitTest tests[2 * MOST_ARCHS];
    static char labels[2 * MOST_ARCHS][64];
    size_t n = 0;
    struct dirent *entry;
    DIR *d = opendir(shared);

    if (d == NULL) {
        printf("no %s: architectures are not compared\n", shared);
        return 77;
    }
    while (n < MOST_ARCHS && (entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            names[n++] = strdup(entry->d_name);
    (void)closedir(d);
    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; i < 2 * n; i++) {
        (void)snprintf(labels[i], sizeof(labels[i]), "%s%s", names[i / 2], i % 2 == 0 ? "" : ".gguf");
        tests[i] = (struct CMUnitTest){.name = labels[i],
                                       .test_func = i % 2 == 0 ? test_directory : test_gguf,
                                       .initial_state = names[i / 2]};
    }
    const int failed = _cmocka_run_group_tests("architectures", tests, 2 * n, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    return failed;
}
