/* bench_kernels.c - the matrix product of every element type against the machine's own reading, and fast
 * against exact.
 *
 * For each type a matrix of about 64 MiB, larger than any cache, is multiplied with m rows, and read by a
 * plain sum of the same bytes (one thread each).  All are interleaved, exact and fast too; the table holds
 * medians of processor time: GB/s of the read, and for each m the time of one product in units of the time of
 * one read: 1.0 means that the product is bound by memory; in the line of fast in units of the exact product.
 * With --cache the matrix has KIB KiB (default 512), which a core's own cache keeps, and the figures are GB/s
 * of weights: what unpacking and multiplying take, without the memory's noise.
 *
 * The last column is ns of the thread for one element at m = 1.
 *
 *   bench_kernels [--rounds N] [--cpu PATH] [--cache[=KIB]] [TYPE...]     default 5 rounds, all paths but the
 * scalar one, all types */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"
#include "support/model_numbers.h"

enum { K = 4096, MATRIX_BYTES = 64 << 20, CACHE_KIB = 512, MAX_ROUNDS = 99, MAX_M = 32 };
static const size_t ms[] = {1, 2, 4, 8, 16, 32};
enum { N_M = sizeof(ms) / sizeof(*ms) };

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may want the core, too */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), by_value);
    return v[n / 2];
}

/* Every byte once, with eight independent sums. */
static double read_all(const unsigned char *p, size_t n)
{
    const double begin = now();
    uint64_t sum[8] = {0};

    for (size_t i = 0; i + 64 <= n; i += 64)
        for (size_t j = 0; j < 8; j++) {
            uint64_t v;
            memcpy(&v, p + i + 8 * j, 8);
            sum[j] += v;
        }
    __asm__ volatile("" : : "r"(sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7]));
    return now() - begin;
}

typedef struct operands {
    tempo_weight w;
    float *x, *y;
    void *act, *scratch;
} operands;

/* Seconds of a product with m rows, `times` of them in a row. */
static double multiply(const tempo_kernels *k, const operands *o, size_t m, size_t times)
{
    const tempo_form form = k->form[o->w.type];
    const double begin = now();

    for (size_t i = 0; i < times; i++) {
        for (size_t r = 0; r < m && form != TEMPO_FORM_FLOAT; r++)
            k->form_bodies[form].prepare(o->act, r, o->x + r * K, K, 0, K);
        k->matmul[o->w.type](o->y, o->w.n_out, &o->w, 0, o->w.n_out, form == TEMPO_FORM_FLOAT ? o->x : o->act,
                             m, o->scratch);
    }
    return (now() - begin) / (double)times;
}

/* Memory of a multiple of 64 bytes, aligned to it. */
static void *aligned(size_t n)
{
    void *p = aligned_alloc(64, (n + 63) & ~(size_t)63);

    if (p == NULL)
        abort();
    return p;
}

typedef struct options {
    size_t rounds, bytes; /* of a matrix */
    bool cache;
    const char *cpu;
    char *const *types; /* ends with NULL; none: all */
} options;

static size_t act_bytes(const tempo_kernels *k, tempo_dtype t)
{
    const tempo_form_bodies *form = &k->form_bodies[k->form[t]];

    return form->bytes != NULL ? form->bytes(MAX_M, K) : 64;
}

/* A matrix of type t, panels beside it where exact or fast products read them. */
static operands make_operands(const tempo_kernels k[2], tempo_dtype t, size_t bytes)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);
    const size_t row_bytes = K / d->block_len * d->block_bytes,
                 n_out = bytes / row_bytes / TEMPO_PANEL * TEMPO_PANEL;
    const size_t exact = act_bytes(&k[0], t), fast = act_bytes(&k[1], t);
    operands o = {
        .w = {.n_out = n_out > 0 ? n_out : TEMPO_PANEL, .n_in = K, .row_bytes = row_bytes, .type = t}};
    uint64_t seed = 1;
    unsigned char *w = aligned(o.w.n_out * row_bytes), *panels = NULL;

    tempo_random_fill(w, t, o.w.n_out * K, 0.0, 1.0, &seed);
    o.w.data = w;
    if (k->packed[t]) {
        panels = aligned(o.w.n_out / TEMPO_PANEL * tempo_panel_bytes(t, K));
        tempo_pack_panels(panels, &o.w, 0, o.w.n_out / TEMPO_PANEL);
    }
    o.w.panels = panels;
    o.x = aligned(MAX_M * K * sizeof(float));
    o.y = aligned(MAX_M * o.w.n_out * sizeof(float));
    o.act = aligned(exact > fast ? exact : fast);
    o.scratch = aligned(k->scratch_bytes(K));
    for (size_t i = 0; i < MAX_M * K; i++)
        o.x[i] = (float)(i % 17) - 8.0f;
    return o;
}

static void free_operands(operands *o)
{
    free((void *)(uintptr_t)o->w.data);
    free((void *)(uintptr_t)o->w.panels);
    free(o->x);
    free(o->y);
    free(o->act);
    free(o->scratch);
}

static void bench_type(const tempo_kernels k[2], tempo_dtype t, const options *opt)
{
    static double reads[MAX_ROUNDS], times[2][N_M][MAX_ROUNDS];
    const bool has_fast = k[1].matmul[t] != k[0].matmul[t];
    operands o = make_operands(k, t, opt->bytes);
    const size_t bytes = o.w.n_out * o.w.row_bytes, again = opt->cache ? (16u << 20) / bytes + 1 : 1;

    for (size_t r = 0; r < opt->rounds; r++) {
        reads[r] = read_all(o.w.data, bytes);
        for (size_t i = 0; i < N_M; i++)
            for (size_t f = 0; f <= has_fast; f++)
                times[f][i][r] = multiply(&k[f], &o, ms[i], again);
    }
    const double read = median(reads, opt->rounds);
    double exact[N_M];
    for (size_t f = 0; f <= has_fast; f++) {
        printf("%-12s %-7s %-5s %6.1f ", k[f].name, tempo_dtype_get(t)->name, f == 0 ? "exact" : "fast",
               (double)bytes / read * 1e-9);
        for (size_t i = 0; i < N_M; i++) {
            const double time = median(times[f][i], opt->rounds);
            exact[i] = f == 0 ? time : exact[i];
            printf(" %6.2f", opt->cache ? (double)bytes / time * 1e-9
                             : f == 0   ? time / read
                                        : time / exact[i]);
        }
        printf(" %8.4f\n", median(times[f][0], opt->rounds) * 1e9 / (double)(o.w.n_out * K));
    }
    (void)fflush(stdout);
    free_operands(&o);
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--rounds N] [--cpu PATH] [--cache[=KIB]] [TYPE...]\n", program);
    return 2;
}

static bool parse(options *o, int argc, char **argv)
{
    static const struct option names[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"cpu", required_argument, NULL, 'c'},
                                          {"cache", optional_argument, NULL, 'k'},
                                          {0}};
    int c;

    *o = (options){.rounds = 5, .bytes = MATRIX_BYTES};
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
        switch (c) {
        case 'r':
            o->rounds = strtoul(optarg, NULL, 10);
            break;
        case 'c':
            o->cpu = optarg;
            break;
        case 'k':
            o->cache = true;
            o->bytes = (optarg != NULL ? strtoul(optarg, NULL, 10) : CACHE_KIB) << 10;
            break;
        default:
            return false;
        }
    o->types = argv + optind;
    return o->rounds >= 1 && o->rounds <= MAX_ROUNDS && o->bytes > 0;
}

static bool wanted(const options *o, const char *type)
{
    size_t i = 0;

    while (o->types[i] != NULL && strcmp(o->types[i], type) != 0)
        i++;
    return o->types[0] == NULL || o->types[i] != NULL;
}

int main(int argc, char **argv)
{
    options o;

    if (!parse(&o, argc, argv))
        return usage(argv[0]);
    printf("%-12s %-7s %-5s %6s  %s\n", "path", "type", "", "GB/s",
           o.cache ? "GB/s of weights in a product with m rows"
                   : "time of a product with m rows / time of one read; fast: / exact");
    printf("%-12s %-7s %-5s %6s ", "", "", "", "read");
    for (size_t i = 0; i < N_M; i++)
        printf("  m=%-3zu", ms[i]);
    puts("      ns");
    for (size_t c = o.cpu != NULL ? 0 : 1; tempo_cpu_name(c) != NULL; c++) {
        tempo_kernels k[2];
        uint32_t cpu;
        if ((o.cpu != NULL && strcmp(o.cpu, tempo_cpu_name(c)) != 0) ||
            !tempo_cpu_from_name(tempo_cpu_name(c), &cpu))
            continue;
        tempo_kernels_init(&k[0], cpu, TEMPO_EXACT);
        tempo_kernels_init(&k[1], cpu, TEMPO_FAST);
        for (int t = 0; t < TEMPO_DTYPE_COUNT; t++)
            if (wanted(&o, tempo_dtype_get((tempo_dtype)t)->name))
                bench_type(k, (tempo_dtype)t, &o);
    }
    return 0;
}
