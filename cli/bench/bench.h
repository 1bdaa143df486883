/* bench.h - private to the bench command: what it measures. */
#ifndef TEMPO_CLI_BENCH_H
#define TEMPO_CLI_BENCH_H
#include "cli/session.h"

enum { MAX_STAGES = 16 };

/* Times of one thing, one a repeat. */
typedef struct samples {
    double *v; /* [repeats], n so far; sorted by summary */
    size_t n;
} samples;

typedef struct spread {
    double median, min, max;
} spread;

/* A decoding step to time: `sequences` decoders with sets of `rows` after `context` slots. */
typedef struct bench_cell {
    size_t rows, context, sequences;
    tempo_decoder **decoders; /* [sequences] */
    samples ms, cpu_ms;             /* by the clock, and of all threads' own time */
    tempo_stage stages[MAX_STAGES]; /* summed over the repeats */
} bench_cell;

typedef struct bench_prompt {
    size_t tokens;
    int32_t *ids; /* [tokens] */
    samples ms;
    tempo_stage stages[MAX_STAGES];
} bench_prompt;

typedef struct bench {
    const options *o;
    session s;
    bench_cell *cells; /* [n_cells] */
    size_t n_cells;
    bench_prompt *prompts; /* [n_prompts] */
    size_t n_prompts;
    samples read_gbps;
    double load_ms, first_token_ms; /* the second from the same moment as the first */
    uint64_t peak_rss;
} bench;

/* Sorts s. */
spread summary(const samples *s);

/* ---- bandwidth.c ---- */
typedef struct reader reader;
/* A buffer of `most` bytes (at most a quarter of the free memory) for as many threads.  NULL with a message. */
reader *reader_create(size_t threads, size_t most);
/* Read it once, one sequential stream a thread.  false: a message was printed. */
bool reader_run(reader *r, double *gbps);
void reader_free(reader *r);

/* ---- bench_report.c ---- */
int bench_report(bench *b);

#endif
