/* bench_patch.c - cells a second of a grid of patched runs, and of the plain loop that runs every cell as a
 * whole pass. Usage: bench_patch MODEL [THREADS [CLEAN CORRUPT]].  The grid: the residual stream in front of
 * every layer at every position, and z of every head at all positions.  Without prompts: 17 tokens, of which
 * one differs, the second or the tenth.  The loop runs a sample of the cells, whose values must be the grid's
 * to the bit.  Medians of rounds in turns.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tempo.h"

enum { TOKENS = 17, MOST = 64, ROUNDS = 3, SAMPLE = 40, RIGHT = 5, WRONG = 9 };

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

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *x)
{
    qsort(x, ROUNDS, sizeof(*x), by_value);
    return x[ROUNDS / 2];
}

typedef struct keeping {
    tempo_store *store;
    tempo_err err;
} keeping;

static bool keep(void *user, const tempo_tap_view *view)
{
    keeping *k = user;

    return tempo_store_view(k->store, view, &k->err);
}

typedef struct prompts {
    int32_t clean[MOST], corrupt[MOST];
    size_t n;
} prompts;

/* All rows in one pass; the metric after the last. */
static double run(tempo_engine *e, const int32_t *ids, size_t n, const tempo_edits *edits,
                  const tempo_observer *obs)
{
    tempo_row rows[MOST];
    tempo_seq *s;
    tempo_err err = {0};

    check(tempo_seq_create(&s, e, NULL, &err), &err);
    check(tempo_seq_set_edits(s, edits, n, &err), &err);
    for (size_t i = 0; i < n; i++)
        rows[i] =
            (tempo_row){.seq = s,
                        .token = ids[i],
                        .set = (uint32_t)i,
                        .position = (double)i,
                        .want = (i + 1 == n ? TEMPO_WANT_LOGITS : 0u) | (obs != NULL ? TEMPO_WANT_TAPS : 0u)};
    check(tempo_engine_forward(e, rows, n, obs, &err), &err);
    const float *logits = tempo_engine_logits(e, n - 1);
    const double value = (double)logits[RIGHT] - (double)logits[WRONG];
    tempo_seq_free(s);
    return value;
}

/* A cell as anybody would run it. */
static double plain_cell(tempo_engine *e, const prompts *t, const tempo_patch_grid *g, size_t i,
                         const tempo_edit_inputs *in)
{
    const uint32_t layer = g->layers[i / g->n_positions / g->n_heads];
    char text[128];
    tempo_edits *l;
    tempo_err err = {0};

    if (g->heads != NULL)
        (void)snprintf(text, sizeof(text), "patch z from=clean layers=%u heads=%u", layer,
                       g->heads[i % g->n_heads]);
    else
        (void)snprintf(text, sizeof(text), "patch resid_pre from=clean layers=%u rows=set:%u", layer,
                       g->positions[i % g->n_positions]);
    check(tempo_edits_create(&l, tempo_engine_model(e), &err), &err);
    check(tempo_edits_add(l, text, in, &err), &err);
    const double value = run(e, t->corrupt, t->n, l, NULL);
    tempo_edits_free(l);
    return value;
}

/* Seconds of a sample of all cells; *cells: how many. */
static double plain(tempo_engine *e, const prompts *t, const tempo_patch *p, const tempo_tap_selection *taps,
                    size_t *cells)
{
    keeping k = {0};
    const tempo_observer obs = {.user = &k, .view = keep, .taps = taps, .n_taps = 2};
    tempo_err err = {0};
    size_t seen = 0;
    const size_t every = tempo_patch_get_info(p).n_cells / SAMPLE + 1;
    double seconds = 0;

    check(tempo_store_create(&k.store, tempo_engine_model(e), taps, 2, 0, &err), &err);
    (void)run(e, t->clean, t->n, NULL, &obs);
    const tempo_edit_run store = {"clean", k.store};
    const tempo_edit_inputs in = {.size = sizeof(in), .runs = &store, .n_runs = 1, .no_files = true};
    *cells = 0;
    for (size_t j = 0; j < 2; j++) {
        const tempo_patch_grid g = tempo_patch_get_grid(p, j);
        for (size_t i = 0; i < g.n_layers * g.n_heads * g.n_positions; i++, seen++) {
            if (seen % every != 0)
                continue;
            const double begin = now_s(), value = plain_cell(e, t, &g, i, &in);
            seconds += now_s() - begin;
            if (value != g.values[i]) {
                (void)fprintf(stderr, "cell %zu of grid %zu: %.17g, a whole pass %.17g\n", i, j, g.values[i],
                              value);
                exit(1);
            }
            ++*cells;
        }
    }
    tempo_store_free(k.store);
    return seconds;
}

static void bench(tempo_engine *e, const prompts *t)
{
    const tempo_tap_selection taps[] = {{.tap = TEMPO_TAP_RESID_PRE}, {.tap = TEMPO_TAP_Z}};
    double grid[ROUNDS], loop[ROUNDS];
    tempo_patch_options o;
    tempo_patch_info info = {0};
    tempo_err err = {0};

    tempo_patch_options_init(&o);
    o.taps = taps;
    o.n_taps = 2;
    o.answers[0] = RIGHT;
    o.answers[1] = WRONG;
    o.n_answers = 2;
    const tempo_patch_run a = {.ids = t->clean, .n = t->n}, b = {.ids = t->corrupt, .n = t->n};
    for (int i = 0; i < ROUNDS; i++) {
        tempo_patch *p;
        size_t cells;
        const double begin = now_s();
        check(tempo_patch_create(&p, e, &a, &b, &o, &err), &err);
        do
            check(tempo_patch_step(p, NULL, &err), &err);
        while ((info = tempo_patch_get_info(p)).n_left > 0);
        grid[i] = (double)info.n_cells / (now_s() - begin);
        loop[i] = 1 / plain(e, t, p, taps, &cells);
        loop[i] *= (double)cells;
        tempo_patch_free(p);
    }
    const double fast = median(grid), slow = median(loop);
    size_t differs = 0;
    while (t->clean[differs] == t->corrupt[differs])
        differs++;
    printf("%zu tokens, the first that differs is number %zu: %zu cells, %zu of them unchanged; grid %.1f "
           "cells/s, loop %.1f "
           "cells/s: %.1f times\n",
           t->n, differs + 1, info.n_cells, info.n_unchanged, fast, slow, fast / slow);
}

static void made_up(prompts *t, size_t differs)
{
    t->n = TOKENS;
    for (size_t i = 0; i < TOKENS; i++)
        t->clean[i] = t->corrupt[i] = (int32_t)(20 + i * 37 % 400);
    t->corrupt[differs] = 461;
}

static size_t tokens_of(const tempo_model *m, const char *text, int32_t out[MOST])
{
    int32_t *ids;
    size_t n;
    tempo_err err = {0};

    check(tempo_tokenize(tempo_model_tokenizer(m), text, strlen(text), 0, &ids, &n, &err), &err);
    for (size_t i = 0; i < n && i < MOST; i++)
        out[i] = ids[i];
    tempo_free(ids);
    return n;
}

static void read_prompts(prompts *t, const tempo_model *m, const char *clean, const char *corrupt)
{
    t->n = tokens_of(m, clean, t->clean);
    if (tokens_of(m, corrupt, t->corrupt) == t->n && t->n > 0 && t->n <= MOST &&
        memcmp(t->clean, t->corrupt, t->n * sizeof(*t->clean)) != 0)
        return;
    (void)fprintf(stderr, "expected two prompts of as many tokens, at most %d, that are not the same\n",
                  (int)MOST);
    exit(1);
}

int main(int argc, char **argv)
{
    tempo_model *m;
    tempo_engine *e;
    tempo_engine_options o;
    prompts t;
    tempo_err err = {0};

    check(tempo_model_open(&m, argc > 1 && argv[1][0] != '\0' ? argv[1] : NULL, NULL, &err), &err);
    tempo_engine_options_init(&o);
    o.threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    check(tempo_engine_create(&e, m, &o, &err), &err);
    printf("%s, %s, %u threads\n", tempo_model_get_info(m)->name, tempo_model_get_info(m)->kernels,
           tempo_engine_threads(e));
    if (argc > 4) {
        read_prompts(&t, m, argv[3], argv[4]);
        bench(e, &t);
    } else {
        made_up(&t, 1);
        bench(e, &t);
        made_up(&t, 9);
        bench(e, &t);
    }
    tempo_engine_free(e);
    tempo_model_free(m);
    return 0;
}
