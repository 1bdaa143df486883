/* bench_capture.c - what a capture costs: steps of 8 rows around 256 slots, with and without, in turns.
 * Usage: bench_capture MODEL [DIR]: a directory that is made and removed again, default ./bench-capture.  */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tempo.h"

enum { PROMPT = 192, STEPS = 16, ROWS = 8 };

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

static bool view(void *user, const tempo_tap_view *v)
{
    return tempo_capture_view(user, v);
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static void report(const char *what, double *ms, double without)
{
    qsort(ms, STEPS, sizeof(*ms), by_value);
    const double median = (ms[STEPS / 2 - 1] + ms[STEPS / 2]) / 2;
    printf("%-40s %8.2f ms a step (%.2f to %.2f)", what, median, ms[0], ms[STEPS - 1]);
    if (without > 0)
        printf("  %+.1f%%", 100 * (median / without - 1));
    printf("\n");
}

static void bench(tempo_engine *e, const char *dir, unsigned record, const char *what)
{
    int32_t prompt[PROMPT];
    double with[STEPS], without[STEPS];
    tempo_decode_options o;
    tempo_capture_options co;
    tempo_decoder *d[2];
    tempo_capture *c;
    tempo_err err = {0};

    for (int i = 0; i < PROMPT; i++)
        prompt[i] = i * 7 % 300;
    tempo_decode_options_init(&o);
    o.mode = TEMPO_VISIBLE;
    o.threshold = 1e-12;
    o.max_set = ROWS;
    o.steps = STEPS + 1;
    o.stop = TEMPO_STOP_NEVER;
    tempo_capture_options_init(&co);
    co.record = record;
    for (int i = 0; i < 2; i++)
        check(tempo_decoder_create(&d[i], e, &o, prompt, PROMPT, &err), &err);
    check(tempo_capture_create(&c, dir, d[0], &co, &err), &err);
    const tempo_observer obs = {.user = c,
                                .view = (record & TEMPO_RECORD_ATTENTION) != 0 ? view : NULL,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    for (int step = -1; step < STEPS; step++) /* the first reads the prompt */
        for (int k = 0; k < 2; k++) {
            const int i = (step + k) & 1; /* take turns in who is first */
            const double begin = now_ms();
            check(tempo_decoders_step(&d[i], 1, i == 0 ? &obs : NULL, &err), &err);
            if (i == 0)
                check(tempo_capture_step(c, &err), &err);
            if (step >= 0)
                (i == 0 ? with : without)[step] = now_ms() - begin;
        }
    const double mb = (double)tempo_capture_bytes(c) / 1e6, begin = now_ms();
    check(tempo_capture_commit(c, &err), &err);
    const double end = now_ms() - begin;
    report("without", without, 0);
    report(what, with, (without[STEPS / 2 - 1] + without[STEPS / 2]) / 2);
    printf("%40s %.1f MB; written to the disk at the end in %.0f ms\n", "", mb, end);
    for (int i = 0; i < 2; i++)
        tempo_decoder_free(d[i]);
    /* and away with the files */
    co.replace = true;
    check(tempo_decoder_create(&d[0], e, &o, prompt, PROMPT, &err), &err);
    check(tempo_capture_create(&c, dir, d[0], &co, &err), &err);
    tempo_capture_abort(c);
    tempo_decoder_free(d[0]);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 2 ? argv[2] : "bench-capture";
    tempo_model *m;
    tempo_engine *e;
    tempo_err err = {0};

    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench_capture MODEL [DIR]\n");
        return 2;
    }
    check(tempo_model_open(&m, argv[1], NULL, &err), &err);
    check(tempo_engine_create(&e, m, NULL, &err), &err);
    bench(e, dir, TEMPO_RECORD_ATTENTION | TEMPO_RECORD_LOGITS | TEMPO_RECORD_POSITIONS,
          "attention, logits, positions");
    bench(e, dir, TEMPO_RECORD_ALL, "everything");
    tempo_engine_free(e);
    tempo_model_free(m);
    return 0;
}
