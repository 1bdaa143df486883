/* bench_serve.c - what decoding together is worth: jobs of one token a step, all at once and one after
 * another. Usage: bench_serve [MODEL [JOBS [STEPS]]]: the built-in model; 16 jobs of 32 steps after prompts
 * of 32 tokens, three times in turns.  What serving is held to, 3 times as fast: build/tempo synth --shape
 * llama-3.2-1b --type BF16 -o 1b.gguf && build/bench_serve 1b.gguf  */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/worker/worker.h"

enum { PROMPT = 32, REPEATS = 3, MAX_JOBS = 256 };

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(tempo_status st, const tempo_err *err)
{
    if (st == TEMPO_OK)
        return;
    (void)fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

static tempo_job *submit(tempo_worker *w, size_t number, size_t steps, size_t n_vocab)
{
    int32_t prompt[PROMPT];
    tempo_job_options o = {.prompt = prompt, .n_prompt = PROMPT, .n_arms = 1};
    tempo_err err = {0};
    tempo_job *j;

    for (size_t i = 0; i < PROMPT; i++)
        prompt[i] = (int32_t)((number * 7919 + i * 104729 + 300) % (n_vocab - 256));
    tempo_decode_options_init(&o.arms[0].decoding);
    o.arms[0].decoding.threshold = 1;
    o.arms[0].decoding.steps = steps;
    o.arms[0].decoding.stop = TEMPO_STOP_NEVER;
    check(tempo_job_submit(&j, w, &o, &err), &err);
    return j;
}

/* Take all events; returns how many sets there were. */
static size_t take(tempo_job *j)
{
    size_t sets = 0;

    for (;;) {
        tempo_event *e = tempo_job_next(j, 1000);
        if (e == NULL)
            continue;
        const tempo_event_kind kind = e->kind;
        sets += kind == TEMPO_EVENT_SET;
        check(kind == TEMPO_EVENT_ERROR ? e->err.code : TEMPO_OK, &e->err);
        tempo_event_free(e);
        if (kind == TEMPO_EVENT_DONE)
            break;
    }
    tempo_job_close(j);
    return sets;
}

/* Seconds for all jobs, `at_once` of them at a time. */
static double run(tempo_worker *w, size_t jobs, size_t at_once, size_t steps, size_t n_vocab)
{
    tempo_job *running[MAX_JOBS];
    const double begin = now_s();
    size_t sets = 0;

    for (size_t first = 0; first < jobs; first += at_once) {
        for (size_t i = 0; i < at_once; i++)
            running[i] = submit(w, first + i, steps, n_vocab);
        for (size_t i = 0; i < at_once; i++)
            sets += take(running[i]);
    }
    const double seconds = now_s() - begin;
    (void)printf("%3zu at once: %7.2f s, %7.1f steps/s\n", at_once, seconds, (double)sets / seconds);
    (void)fflush(stdout); /* a large model takes its time */
    return seconds;
}

int main(int argc, char **argv)
{
    const size_t jobs = argc > 2 ? strtoul(argv[2], NULL, 10) : 16,
                 steps = argc > 3 ? strtoul(argv[3], NULL, 10) : 32;
    tempo_worker_options o;
    double alone = 0, together = 0;
    tempo_err err = {0};
    tempo_model *m;
    tempo_engine *e;
    tempo_worker *w;

    if (jobs == 0 || jobs > MAX_JOBS || steps == 0) {
        (void)fprintf(stderr, "usage: bench_serve [MODEL [JOBS, at most %d [STEPS]]]\n", MAX_JOBS);
        return 2;
    }
    check(tempo_model_open(&m, argc > 1 ? argv[1] : NULL, NULL, &err), &err);
    check(tempo_engine_create(&e, m, NULL, &err), &err);
    tempo_worker_options_init(&o);
    o.queue = jobs;
    o.batch = jobs > o.batch ? jobs : o.batch;
    o.max_events = steps + 1; /* nobody is held */
    check(tempo_worker_start(&w, e, &o, &err), &err);
    const tempo_model_info *info = tempo_model_get_info(m);
    (void)printf("%s, %s, %u threads: %zu jobs of %d tokens and %zu steps\n", info->name, info->kernels,
                 tempo_engine_threads(e), jobs, PROMPT, steps);
    for (int i = 0; i < REPEATS; i++) {
        alone += run(w, jobs, 1, steps, info->n_vocab);
        together += run(w, jobs, jobs, steps, info->n_vocab);
    }
    (void)printf("together %.2f times as fast\n", alone / together);
    tempo_worker_free(w);
    tempo_engine_free(e);
    tempo_model_free(m);
    return 0;
}
