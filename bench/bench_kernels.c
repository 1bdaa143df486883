/* bench_kernels.c - the matrix product of every element type against the machine's own read bandwidth.
 *
 * For each type a matrix of about 64 MiB, larger than any cache, is multiplied with m rows, and read by a
 * plain sum of the same bytes (one thread each).  All are interleaved; the table holds medians: GB/s of the
 * read, and for each m the time of one product in units of the time of one read: 1.0 means that the product
 * is bound by memory; ns of the thread for one element at m = 1 in the last column.
 * bench_kernels [ROUNDS [PATH [TYPE...]]]        default 5, all paths but the scalar one, all types  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"
#include "support/model_numbers.h"

enum { K = 4096, MATRIX_BYTES = 64 << 20, MAX_ROUNDS = 99, MAX_M = 32 };
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

static double multiply(const tempo_kernels *k, const operands *o, size_t m)
{
    const tempo_form form = k->form[o->w.type];
    const double begin = now();

    for (size_t r = 0; r < m && form != TEMPO_FORM_FLOAT; r++)
        k->form_bodies[form].prepare(o->act, r, o->x + r * K, K, 0, K);
    k->matmul[o->w.type](o->y, o->w.n_out, &o->w, 0, o->w.n_out, form == TEMPO_FORM_FLOAT ? o->x : o->act, m,
                         o->scratch);
    return now() - begin;
}

/* Memory of a multiple of 64 bytes, aligned to it. */
static void *aligned(size_t n)
{
    void *p = aligned_alloc(64, (n + 63) & ~(size_t)63);

    if (p == NULL)
        abort();
    return p;
}

static void bench_type(const tempo_kernels *k, tempo_dtype t, size_t rounds)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);
    const size_t row_bytes = K / d->block_len * d->block_bytes;
    const tempo_form_bodies *form = &k->form_bodies[k->form[t]];
    operands o = {.w = {.n_out = MATRIX_BYTES / row_bytes / TEMPO_PANEL * TEMPO_PANEL,
                        .n_in = K,
                        .row_bytes = row_bytes,
                        .type = t}};
    double reads[MAX_ROUNDS], times[N_M][MAX_ROUNDS];
    uint64_t seed = 1;
    unsigned char *w = aligned(o.w.n_out * row_bytes), *panels = NULL;

    o.w.data = w;
    o.x = aligned(MAX_M * K * sizeof(float));
    o.y = aligned(MAX_M * o.w.n_out * sizeof(float));
    o.act = aligned(form->bytes != NULL ? form->bytes(MAX_M, K) : 64);
    o.scratch = aligned(k->scratch_bytes(K));
    tempo_random_fill(w, t, o.w.n_out * K, 0.0, 1.0, &seed);
    if (k->packed[t]) {
        o.w.panels = panels = aligned(o.w.n_out / TEMPO_PANEL * tempo_panel_bytes(t, K));
        tempo_pack_panels(panels, &o.w, 0, o.w.n_out / TEMPO_PANEL);
    }
    for (size_t i = 0; i < MAX_M * K; i++)
        o.x[i] = (float)(i % 17) - 8.0f;
    for (size_t r = 0; r < rounds; r++) {
        reads[r] = read_all(w, o.w.n_out * row_bytes);
        for (size_t i = 0; i < N_M; i++)
            times[i][r] = multiply(k, &o, ms[i]);
    }
    const double read = median(reads, rounds);
    printf("%-12s %-5s %6.1f ", k->name, d->name, (double)(o.w.n_out * row_bytes) / read * 1e-9);
    for (size_t i = 0; i < N_M; i++)
        printf(" %6.2f", median(times[i], rounds) / read);
    printf(" %8.4f\n", median(times[0], rounds) * 1e9 / (double)(o.w.n_out * K));
    (void)fflush(stdout);
    free(w);
    free(panels);
    free(o.x);
    free(o.y);
    free(o.act);
    free(o.scratch);
}

static bool is_wanted(int argc, char **argv, const char *name)
{
    bool found = argc <= 3;

    for (int i = 3; i < argc; i++)
        found = found || strcmp(argv[i], name) == 0;
    return found;
}

int main(int argc, char **argv)
{
    const long wanted = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
    const size_t rounds = wanted >= 1 && wanted <= MAX_ROUNDS ? (size_t)wanted : 5;

    printf("%-12s %-5s %6s  time of a product with m rows / time of one read\n", "path", "type", "GB/s");
    printf("%-12s %-5s %6s ", "", "", "read");
    for (size_t i = 0; i < N_M; i++)
        printf("  m=%-3zu", ms[i]);
    printf("  ns m=1\n");
    for (size_t c = argc > 2 ? 0 : 1; tempo_cpu_name(c) != NULL; c++) {
        tempo_kernels k;
        uint32_t cpu;
        if ((argc > 2 && strcmp(argv[2], tempo_cpu_name(c)) != 0) ||
            !tempo_cpu_from_name(tempo_cpu_name(c), &cpu))
            continue;
        tempo_kernels_init(&k, cpu, TEMPO_EXACT);
        for (int t = 0; t < TEMPO_DTYPE_COUNT; t++)
            if (is_wanted(argc, argv, tempo_dtype_get((tempo_dtype)t)->name))
                bench_type(&k, (tempo_dtype)t, rounds);
    }
    return 0;
}
