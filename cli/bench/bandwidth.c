/* bandwidth.c - how fast this machine reads memory: what decoding is measured against. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench/bench.h"
#include "cli/message.h"

enum { BLOCK = 1 << 20 }; /* every thread reads whole ones */

typedef struct stream {
    pthread_t thread; /* that of stream 0 is the caller */
    const unsigned char *p;
    size_t n;
} stream;

struct reader {
    unsigned char *buffer;
    stream *streams; /* [threads] */
    size_t threads, bytes;
};

reader *reader_create(size_t threads, size_t most)
{
    const uint64_t quarter = tempo_memory_available() / 4;
    const size_t bytes = quarter < most ? (size_t)quarter : most;
    size_t share = bytes / threads / BLOCK * BLOCK;
    reader *r = calloc(1, sizeof(*r));

    if (share == 0)
        share = BLOCK;
    if (r == NULL || (r->streams = calloc(threads, sizeof(*r->streams))) == NULL ||
        (r->buffer = aligned_alloc(4096, share * threads)) == NULL) {
        say("no memory for %zu MB to measure the read bandwidth with", share * threads >> 20);
        reader_free(r);
        return NULL;
    }
    r->threads = threads;
    r->bytes = share * threads;
    memset(r->buffer, 1, r->bytes); /* real pages, not the one of zeros */
    for (size_t i = 0; i < threads; i++)
        r->streams[i] = (stream){.p = r->buffer + i * share, .n = share};
    return r;
}

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

    read_all(s->p, s->n);
    return NULL;
}

bool reader_run(reader *r, double *gbps)
{
    const double begin = now_ms(); /* starting threads takes a thousandth of reading gigabytes */
    size_t started = 1;

    while (started < r->threads &&
           pthread_create(&r->streams[started].thread, NULL, run_stream, &r->streams[started]) == 0)
        started++;
    run_stream(&r->streams[0]);
    for (size_t i = 1; i < started; i++)
        (void)pthread_join(r->streams[i].thread, NULL);
    *gbps = (double)r->bytes / (now_ms() - begin) * 1e-6;
    if (started < r->threads)
        say("thread %zu of %zu to measure the read bandwidth with cannot be started", started + 1,
            r->threads);
    return started == r->threads;
}

void reader_free(reader *r)
{
    if (r == NULL)
        return;
    free(r->streams);
    free(r->buffer);
    free(r);
}
