/* bench_kernels.c - the matrix product of every element type against the machine's own read bandwidth.
 *
 * For each type a matrix of about 64 MiB, larger than any cache, is multiplied with m rows, and read by a
 * plain sum of the same bytes (one thread each).  All are interleaved; the table holds medians: GB/s of the
 * read, and for each m the time of one product in units of the time of one read: 1.0 means that the product
 * is bound by memory. bench_kernels [ROUNDS]        default 5  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"
#include "support/model_numbers.h"

enum { K = 4096, MATRIX_BYTES = 64 << 20, MAX_ROUNDS = 99, MAX_M = 16 };
static const size_t ms[] = {1, 2, 4, 8, 16};
enum { N_M = sizeof(ms) / sizeof(*ms) };

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
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
    unsigned char *w;
    float *x, *y, *scratch;
    size_t n, row_bytes;
} operands;

static double multiply(const tempo_kernels *k, tempo_dtype t, const operands *o, size_t m)
{
    const double begin = now();

    k->matmul[t](o->y, o->n, o->w, o->row_bytes, o->n, o->x, K, m, K, o->scratch);
    return now() - begin;
}

static void bench_type(const tempo_kernels *k, tempo_dtype t, size_t rounds)
{
    const tempo_dtype_info *d = tempo_dtype_get(t);
    operands o = {.row_bytes = K / d->block_len * d->block_bytes};
    double reads[MAX_ROUNDS], times[N_M][MAX_ROUNDS];
    uint64_t seed = 1;

    o.n = MATRIX_BYTES / o.row_bytes;
    o.w = malloc(o.n * o.row_bytes);
    o.x = malloc(MAX_M * K * sizeof(float));
    o.y = malloc(MAX_M * o.n * sizeof(float));
    o.scratch = malloc(TEMPO_MATMUL_TILE * K * sizeof(float));
    if (o.w == NULL || o.x == NULL || o.y == NULL || o.scratch == NULL)
        abort();
    test_fill(o.w, t, o.n * K, 0.0, 1.0, &seed);
    for (size_t i = 0; i < MAX_M * K; i++)
        o.x[i] = (float)(i % 17) - 8.0f;
    for (size_t r = 0; r < rounds; r++) {
        reads[r] = read_all(o.w, o.n * o.row_bytes);
        for (size_t i = 0; i < N_M; i++)
            times[i][r] = multiply(k, t, &o, ms[i]);
    }
    const double read = median(reads, rounds);
    printf("%-6s %-5s %6.1f ", k->name, d->name, (double)(o.n * o.row_bytes) / read * 1e-9);
    for (size_t i = 0; i < N_M; i++)
        printf(" %6.2f", median(times[i], rounds) / read);
    putchar('\n');
    (void)fflush(stdout);
    free(o.w);
    free(o.x);
    free(o.y);
    free(o.scratch);
}

int main(int argc, char **argv)
{
    const long wanted = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
    const size_t rounds = wanted >= 1 && wanted <= MAX_ROUNDS ? (size_t)wanted : 5;
    const uint32_t cpus[] = {0, tempo_cpu_detect()};

    printf("%-6s %-5s %6s  time of a product with m rows / time of one read\n", "path", "type", "GB/s");
    printf("%-6s %-5s %6s ", "", "", "read");
    for (size_t i = 0; i < N_M; i++)
        printf("  m=%-3zu", ms[i]);
    putchar('\n');
    for (size_t c = cpus[1] != 0 ? 1 : 0; c < 2; c++) {
        tempo_kernels k;
        tempo_kernels_init(&k, cpus[c]);
        for (int t = 0; t < TEMPO_DTYPE_COUNT; t++)
            bench_type(&k, (tempo_dtype)t, rounds);
        if (cpus[1] == 0)
            break;
    }
    return 0;
}
