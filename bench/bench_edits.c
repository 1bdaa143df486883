/* bench_edits.c - what edits and taps cost: a step of m rows around 128 slots, plain and otherwise, in pairs
 * that alternate. Usage: bench_edits MODEL [PAIRS] [THREADS]: prints the median of the pairs' ratios of time,
 * with their 95% interval (by ranks). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tempo.h"

enum { PROMPT = 128, MOST_ROWS = 16, MOST_PAIRS = 1001 };

static double now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void check(tempo_status st, const tempo_err *err)
{
    if (st == TEMPO_OK)
        return;
    (void)fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* What is done with a step. */
typedef struct way {
    const char *name, *edit; /* edit NULL: none */
    tempo_tap tap;           /* copied in all layers; TEMPO_TAP_COUNT: none */
} way;

static const way ways[] = {
    {"nothing (the noise)", NULL, TEMPO_TAP_COUNT},
    {"zero z of one head of one layer", "zero blocks.1.attn.hook_z heads=1", TEMPO_TAP_COUNT},
    {"cut siblings, one head of one layer", "cut siblings layers=1 heads=1", TEMPO_TAP_COUNT},
    {"scale resid_post of one layer", "scale 1.001 blocks.1.hook_resid_post", TEMPO_TAP_COUNT},
    {"cut siblings everywhere", "cut siblings", TEMPO_TAP_COUNT},
    {"resid_post of all layers, copied", NULL, TEMPO_TAP_RESID_POST},
    {"pattern of all layers, copied", NULL, TEMPO_TAP_PATTERN},
};

typedef struct sink {
    float *to; /* [layers, rows, n] */
    size_t rows, n;
} sink;

static bool copy(void *user, const tempo_tap_view *v)
{
    const sink *s = user;

    memcpy(s->to + (v->layer * s->rows + v->row) * s->n, v->values, v->dims[0] * v->dims[1] * sizeof(float));
    return true;
}

/* One step on a sequence that begins as `from`; its time. */
static double step(const tempo_seq *from, tempo_engine *e, size_t rows, const tempo_edits *edits,
                   const tempo_observer *obs)
{
    tempo_row batch[MOST_ROWS];
    tempo_seq *s;
    tempo_err err = {0};

    check(tempo_seq_fork(&s, from, &err), &err);
    check(tempo_seq_set_edits(s, edits, PROMPT, &err), &err);
    for (size_t i = 0; i < rows; i++) {
        tempo_row_init(&batch[i]);
        batch[i].seq = s;
        batch[i].token = (int32_t)(i * 11 % 300);
        batch[i].set = PROMPT;
        batch[i].position = PROMPT;
        batch[i].mode = TEMPO_VISIBLE;
        batch[i].want = TEMPO_WANT_LOGITS | (obs != NULL ? TEMPO_WANT_TAPS : 0u);
    }
    const double begin = now_ms();
    check(tempo_engine_forward(e, batch, rows, obs, &err), &err);
    const double end = now_ms();
    tempo_seq_free(s);
    return end - begin;
}

static void bench(const tempo_seq *from, tempo_engine *e, size_t rows, const way *w, size_t pairs)
{
    static double ratio[MOST_PAIRS], plain[MOST_PAIRS];
    const tempo_model *m = tempo_engine_model(e);
    const tempo_model_info *info = tempo_model_get_info(m);
    const tempo_tap_selection tap = {.tap = w->tap};
    sink s = {.rows = rows, .n = info->d_model};
    tempo_edits *edits = NULL;
    tempo_err err = {0};

    if (w->edit != NULL) {
        check(tempo_edits_create(&edits, m, &err), &err);
        check(tempo_edits_add(edits, w->edit, NULL, &err), &err);
    }
    if (w->tap == TEMPO_TAP_PATTERN)
        s.n = (size_t)info->n_heads * (PROMPT + rows);
    s.to = calloc(info->n_layers * rows * s.n, sizeof(*s.to));
    if (s.to == NULL)
        exit(1);
    const tempo_observer obs = {.user = &s, .view = copy, .taps = &tap, .n_taps = 1};
    for (size_t i = 0; i < pairs + 2; i++) { /* two to warm up; who is first takes turns */
        double t[2];
        for (size_t k = 0; k < 2; k++) {
            const bool with = (k == 1) == (i % 2 == 0);
            t[with] =
                step(from, e, rows, with ? edits : NULL, with && w->tap != TEMPO_TAP_COUNT ? &obs : NULL);
        }
        if (i >= 2) {
            ratio[i - 2] = t[1] / t[0];
            plain[i - 2] = t[0];
        }
    }
    qsort(ratio, pairs, sizeof(*ratio), by_value);
    qsort(plain, pairs, sizeof(*plain), by_value);
    const size_t away = (size_t)(0.98 * sqrt((double)pairs));
    printf("%4zu  %-38s %9.3f ms  %.4f  (%.4f to %.4f)\n", rows, w->name, plain[pairs / 2], ratio[pairs / 2],
           ratio[pairs / 2 > away ? pairs / 2 - away : 0],
           ratio[pairs / 2 + away < pairs ? pairs / 2 + away : pairs - 1]);
    (void)fflush(stdout);
    free(s.to);
    tempo_edits_free(edits);
}

int main(int argc, char **argv)
{
    const size_t pairs = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 41;
    const tempo_engine_options options = {.size = sizeof(options),
                                          .threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0};
    tempo_row batch[PROMPT];
    tempo_model *m;
    tempo_engine *e;
    tempo_seq *s;
    tempo_err err = {0};

    if (argc < 2 || pairs < 3 || pairs > MOST_PAIRS) {
        (void)fprintf(stderr, "usage: bench_edits MODEL [PAIRS, 3 to %d] [THREADS]\n", MOST_PAIRS);
        return 2;
    }
    check(tempo_model_open(&m, strcmp(argv[1], "-") != 0 ? argv[1] : NULL, NULL, &err), &err);
    check(tempo_engine_create(&e, m, &options, &err), &err);
    check(tempo_seq_create(&s, e, NULL, &err), &err);
    for (size_t i = 0; i < PROMPT; i++) {
        tempo_row_init(&batch[i]);
        batch[i].seq = s;
        batch[i].token = (int32_t)(i * 7 % 300);
        batch[i].set = (uint32_t)i;
        batch[i].position = (double)i;
    }
    check(tempo_engine_forward(e, batch, PROMPT, NULL, &err), &err);
    printf("rows  what %45s  ratio, median of %zu pairs and its 95%% interval\n", "plain", pairs);
    for (size_t rows = 1; rows <= MOST_ROWS; rows += MOST_ROWS - 1)
        for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
            bench(s, e, rows, &ways[i], pairs);
    tempo_seq_free(s);
    tempo_engine_free(e);
    tempo_model_free(m);
    return 0;
}
