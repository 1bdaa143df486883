/* bandwidth.c - how fast this machine reads memory: what decoding is measured against. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "message.h"

enum { BLOCK = 1 << 20 }; /* every thread reads whole ones */

struct reader {
    unsigned char *buffer;
    size_t share, threads; /* share: bytes of one thread */
};

reader *reader_create(size_t threads, size_t most)
{
    const long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const size_t free_bytes = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : most;
    size_t bytes = free_bytes / 4 < most ? free_bytes / 4 : most;
    reader *r = malloc(sizeof(*r));

    bytes = bytes / threads / BLOCK * BLOCK * threads;
    if (bytes == 0)
        bytes = threads * BLOCK;
    if (r == NULL || (r->buffer = aligned_alloc(4096, bytes)) == NULL) {
        say("no memory for %zu MB to measure the read bandwidth with", bytes >> 20);
        free(r);
        return NULL;
    }
    memset(r->buffer, 1, bytes); /* real pages, not the one of zeros */
    r->share = bytes / threads;
    r->threads = threads;
    return r;
}

typedef struct stream {
    const unsigned char *p;
    size_t n;
    pthread_barrier_t *start;
} stream;

/* Every byte once, front to back, with eight independent sums. */
static void read_all(const unsigned char *p, size_t n)
{
    uint64_t sum[8] = {0};

    for (size_t i = 0; i < n; i += 64)
        for (size_t j = 0; j < 8; j++) {
            uint64_t v;
            memcpy(&v, p + i + 8 * j, 8);
            sum[j] += v;
        }
    __asm__ volatile("" : : "r"(sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7]));
}

static void *run_stream(void *arg)
{
    const stream *s = arg;

    (void)pthread_barrier_wait(s->start);
    read_all(s->p, s->n);
    return NULL;
}

double reader_run(reader *r)
{
    pthread_t *threads = calloc(r->threads, sizeof(*threads));
    stream *streams = calloc(r->threads, sizeof(*streams));
    pthread_barrier_t start;
    double gbps = 0.0;
    size_t started = 0;

    if (threads == NULL || streams == NULL || pthread_barrier_init(&start, NULL, (unsigned)r->threads) != 0)
        goto out;
    for (size_t i = 0; i < r->threads; i++)
        streams[i] = (stream){r->buffer + i * r->share, r->share, &start};
    while (started + 1 < r->threads &&
           pthread_create(&threads[started], NULL, run_stream, &streams[started + 1]) == 0)
        started++;
    if (started + 1 < r->threads) { /* those that wait at the barrier wait for ever: end with them */
        say("a thread to measure the read bandwidth with cannot be started");
        exit(EXIT_FAILED);
    }
    (void)pthread_barrier_wait(&start);
    const double begin = now_ms();
    read_all(streams[0].p, streams[0].n);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    gbps = (double)(r->share * r->threads) / (now_ms() - begin) * 1e-6;
    (void)pthread_barrier_destroy(&start);
out:
    free(streams);
    free(threads);
    return gbps;
}

void reader_free(reader *r)
{
    if (r == NULL)
        return;
    free(r->buffer);
    free(r);
}
