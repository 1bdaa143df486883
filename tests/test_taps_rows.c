/* Taps of all rows at once (view_rows): the values that `view` shows row by row, the same logits, and what is
 * written to all rows of a tap is read by all that follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "reference/golden_archs.h"
#include "support/models.h"

enum { ROWS = 12, SEQS = 2, PER_SEQ = ROWS / SEQS };

/* What one pass showed: of each tap, layer and row a sum that any changed or moved number changes. */
typedef struct seen {
    const tempo_model *m;
    uint64_t sums[TEMPO_TAP_COUNT][64][ROWS];
    size_t calls, views;
    tempo_tap halved; /* TEMPO_TAP_COUNT: nothing is written */
    size_t stop_at;   /* call that stops the pass; 0: none */
} seen;

static void see_one(seen *s, const tempo_tap_view *v)
{
    uint64_t *sum = &s->sums[v->tap][v->layer][v->row];

    assert_true(v->row < ROWS && v->layer < 64);
    assert_int_equal(v->slot, v->row % PER_SEQ);
    *sum += 1;
    for (size_t i = 0; i < v->dims[0] * v->dims[1]; i++) {
        uint32_t bits;
        memcpy(&bits, &v->values[i], sizeof(bits));
        *sum = *sum * UINT64_C(6364136223846793005) + bits + 1;
    }
    s->views++;
}

static bool see_rows(void *user, const tempo_tap_view *views, size_t n)
{
    seen *s = user;

    s->calls++;
    assert_true(n >= 1 && n <= ROWS);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(views[i].tap, views[0].tap);
        assert_int_equal(views[i].layer, views[0].layer);
        assert_int_equal(views[i].row, views[0].row + i);
        see_one(s, &views[i]);
    }
    if (tempo_tap_get_info(s->m, views[0].tap).editable)
        assert_int_equal(n, ROWS);
    for (size_t i = 0; i < n && views[0].tap == s->halved; i++) /* the last row's, halved, for all of them */
        for (size_t k = 0; k < views[i].dims[0] * views[i].dims[1]; k++)
            views[n - 1 - i].values[k] = 0.5f * views[n - 1].values[k];
    return s->calls != s->stop_at;
}

static bool see_row(void *user, const tempo_tap_view *view)
{
    seen *s = user;

    s->calls++;
    see_one(s, view);
    return true;
}

static tempo_status run(const tempo_model *m, const tempo_observer *obs, float *logits, tempo_err *err)
{
    const size_t n_vocab = tempo_model_get_info(m)->n_vocab;
    tempo_engine *e = test_engine(m, 2);
    tempo_seq *seqs[SEQS];
    tempo_row rows[ROWS];

    for (size_t i = 0; i < SEQS; i++)
        seqs[i] = test_seq(e, TEMPO_KV_F32);
    for (size_t i = 0; i < ROWS; i++) {
        tempo_row_init(&rows[i]);
        rows[i].seq = seqs[i / PER_SEQ];
        rows[i].token = (int32_t)((i * 37 + 11) % n_vocab);
        rows[i].set = (uint32_t)(i % PER_SEQ);
        rows[i].position = (double)(i % PER_SEQ);
        rows[i].want = TEMPO_WANT_TAPS | (i % 2 == 0 ? 0 : TEMPO_WANT_LOGITS);
    }
    const tempo_status st = tempo_engine_forward(e, rows, ROWS, obs, err);
    memset(logits, 0, ROWS * n_vocab * sizeof(*logits));
    for (size_t i = 0; i < ROWS && st == TEMPO_OK; i++)
        if (tempo_engine_logits(e, i) != NULL)
            memcpy(logits + i * n_vocab, tempo_engine_logits(e, i), n_vocab * sizeof(*logits));
    for (size_t i = 0; i < SEQS; i++) {
        assert_int_equal(tempo_seq_slot_count(seqs[i]), st == TEMPO_OK ? PER_SEQ : 0);
        tempo_seq_free(seqs[i]);
    }
    tempo_engine_free(e);
    return st;
}

/* All taps that the model has, but those of which not every row shows something (logits). */
static size_t all_taps(const tempo_model *m, tempo_tap_selection *taps)
{
    size_t n = 0;

    for (int tap = 0; tap < TEMPO_TAP_LOGITS; tap++)
        if (tempo_tap_get_info(m, (tempo_tap)tap).missing == NULL)
            taps[n++] = (tempo_tap_selection){.tap = (tempo_tap)tap};
    return n;
}

/* A tap that is halved in all layers, alone and among all the others. */
static void check_written(const tempo_model *m, tempo_tap tap, const float *plain, size_t bytes)
{
    const tempo_tap_selection one = {.tap = tap};
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    seen *s = calloc(2, sizeof(*s));
    float *a = malloc(bytes), *b = malloc(bytes);
    tempo_err err = {0};

    assert_true(s != NULL && a != NULL && b != NULL);
    s[0].m = s[1].m = m;
    s[0].halved = s[1].halved = tap;
    const tempo_observer alone = {.user = &s[0], .view_rows = see_rows, .taps = &one, .n_taps = 1};
    const tempo_observer among = {
        .user = &s[1], .view_rows = see_rows, .taps = taps, .n_taps = all_taps(m, taps)};
    assert_int_equal(run(m, &alone, a, &err), TEMPO_OK);
    assert_int_equal(run(m, &among, b, &err), TEMPO_OK);
    if (memcmp(a, b, bytes) != 0)
        fail_msg("%s: what is written depends on what else is shown", tempo_tap_get_info(m, tap).name);
    if ((memcmp(a, plain, bytes) != 0) != tempo_tap_get_info(m, tap).editable)
        fail_msg("%s: written, but the logits say otherwise", tempo_tap_get_info(m, tap).name);
    free(s);
    free(a);
    free(b);
}

static void test_directory(void **state)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", golden_archs, (const char *)*state);
    tempo_model *m = test_open_model(path);
    const size_t bytes = ROWS * (size_t)tempo_model_get_info(m)->n_vocab * sizeof(float);
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    const size_t n = all_taps(m, taps);
    float *plain = malloc(bytes), *other = malloc(bytes);
    seen *s = calloc(2, sizeof(*s));
    tempo_err err = {0};

    assert_true(plain != NULL && other != NULL && s != NULL);
    s[0].m = s[1].m = m;
    s[0].halved = s[1].halved = TEMPO_TAP_COUNT;
    const tempo_observer by_row = {.user = &s[0], .view = see_row, .taps = taps, .n_taps = n};
    const tempo_observer at_once = {.user = &s[1], .view_rows = see_rows, .taps = taps, .n_taps = n};
    assert_int_equal(run(m, NULL, plain, &err), TEMPO_OK);
    assert_int_equal(run(m, &by_row, other, &err), TEMPO_OK);
    assert_memory_equal(plain, other, bytes);
    assert_int_equal(run(m, &at_once, other, &err), TEMPO_OK);
    assert_memory_equal(plain, other, bytes);
    assert_int_equal(s[0].views, s[1].views);
    assert_true(s[1].calls < s[0].calls / 4);
    for (int tap = 0; tap < TEMPO_TAP_COUNT; tap++)
        if (memcmp(s[0].sums[tap], s[1].sums[tap], sizeof(s[0].sums[tap])) != 0)
            fail_msg("%s: %s is another at once than row by row", path,
                     tempo_tap_get_info(m, (tempo_tap)tap).name);
    const size_t calls = s[1].calls;
    for (size_t stop = 1; stop <= calls; stop += 7) {
        s[1].calls = 0;
        s[1].stop_at = stop;
        assert_int_equal(run(m, &at_once, other, NULL), TEMPO_E_STOPPED);
        assert_int_equal(s[1].calls, stop);
    }
    for (size_t i = 0; i < n; i++)
        check_written(m, taps[i].tap, plain, bytes);
    free(plain);
    free(other);
    free(s);
    tempo_model_free(m);
}

int main(void)
{
    static const char *const names[] = {"gpt2",           "pythia", "gemma2",    "gpt-oss", "bloom",
                                        "mistral-window", "olmo2",  "qwen2-moe", "cohere2"};
    struct CMUnitTest tests[sizeof(names) / sizeof(*names)];
    struct stat there;

    if (stat(golden_archs, &there) != 0) {
        print_message("skipped: no %s here\n", golden_archs);
        return 77;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = test_directory, .initial_state = (void *)(uintptr_t)names[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
