/* cmd_bench.c - tempo bench: decoding steps and prompts, in turns with the machine's read bandwidth.
 *
 * Each cell of the table is a group of decoders that lives through the whole run; its sets have a fixed size
 * because every token reaches the threshold and the size is capped.  What is timed is the step as a user
 * sees it. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "cli/bench/bench.h"
#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompt/prefill.h"

/* ---- samples ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

spread summary(const samples *s)
{
    qsort(s->v, s->n, sizeof(*s->v), by_value);
    const double median = s->n % 2 != 0 ? s->v[s->n / 2] : (s->v[s->n / 2 - 1] + s->v[s->n / 2]) / 2;
    return (spread){median, s->v[0], s->v[s->n - 1]};
}

static bool samples_init(samples *s, size_t repeats)
{
    s->v = malloc(repeats * sizeof(*s->v));
    return s->v != NULL;
}

/* ---- what to time ---- */

static int out_of_memory(void)
{
    say("out of memory for the benchmark");
    return EXIT_FAILED;
}

/* Token ids that differ between sequences and from place to place. */
static void make_prompt(int32_t *ids, size_t n, size_t sequence, uint32_t n_vocab)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 131 + sequence * 1009 + 17) % n_vocab);
}

static int create_decoder(bench *b, const bench_cell *c, size_t sequence, tempo_decoder **out)
{
    const size_t n = c->context > 0 ? c->context : 1, steps = b->o->repeats + 2;
    tempo_decode_options opt;
    tempo_err err = {0};
    int32_t *ids = malloc(n * sizeof(*ids));

    if (ids == NULL)
        return out_of_memory();
    make_prompt(ids, n, sequence, tempo_model_get_info(b->s.model)->n_vocab);
    tempo_decode_options_init(&opt);
    opt.threshold = 1e-300; /* everything reaches it: the cap makes the size */
    opt.max_set = c->rows;
    opt.stop = TEMPO_STOP_NEVER;
    opt.steps = steps;
    opt.kv = b->o->decoding.kv;
    opt.max_slots = n + steps * c->rows;
    const tempo_status st = tempo_decoder_create(out, b->s.engine, &opt, ids, n, &err);
    free(ids);
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

static int create_cells(bench *b)
{
    const options *o = b->o;
    const size_t most = o->rows.n * o->contexts.n * o->sequences.n;

    if ((b->cells = calloc(most, sizeof(*b->cells))) == NULL)
        return out_of_memory();
    for (size_t i = 0; i < most;
         i++) { /* rows run fastest: cells of one context and number of sequences are neighbours */
        bench_cell *c = &b->cells[b->n_cells++];
        c->rows = o->rows.v[i % o->rows.n];
        c->sequences = o->sequences.v[i / o->rows.n % o->sequences.n];
        c->context = o->contexts.v[i / o->rows.n / o->sequences.n];
        c->decoders = calloc(c->sequences, sizeof(tempo_decoder *));
        if (c->decoders == NULL || !samples_init(&c->ms, o->repeats) || !samples_init(&c->cpu_ms, o->repeats))
            return out_of_memory();
        for (size_t s = 0; s < c->sequences; s++) {
            const int code = create_decoder(b, c, s, &c->decoders[s]);
            if (code != EXIT_OK)
                return code;
        }
    }
    return EXIT_OK;
}

static int create_prompts(bench *b)
{
    const options *o = b->o;

    if ((b->prompts = calloc(o->prompts.n, sizeof(*b->prompts))) == NULL)
        return out_of_memory();
    for (size_t i = 0; i < o->prompts.n; i++) {
        bench_prompt *p = &b->prompts[b->n_prompts++];
        p->tokens = o->prompts.v[i];
        p->ids = malloc(p->tokens * sizeof(*p->ids));
        if (p->ids == NULL || !samples_init(&p->ms, o->repeats))
            return out_of_memory();
        make_prompt(p->ids, p->tokens, 0, tempo_model_get_info(b->s.model)->n_vocab);
    }
    return EXIT_OK;
}

/* ---- timing ---- */

static void add_stages(const bench *b, tempo_stage *sum)
{
    for (size_t i = 0; i < MAX_STAGES; i++) {
        const tempo_stage s = tempo_engine_stage(b->s.engine, i);
        if (s.name == NULL)
            break;
        sum[i].name = s.name;
        sum[i].seconds += s.seconds;
        sum[i].bytes += s.bytes;
    }
}

/* Of all threads; what others on the machine take is not in it. */
static double cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* keep: the time counts; else it warms up. */
static int run_cell(bench *b, bench_cell *c, bool keep)
{
    tempo_err err = {0};

    tempo_engine_profile(b->s.engine, true); /* for the bytes, too */
    const double begin = now_ms(), cpu = cpu_ms();
    if (tempo_decoders_step(c->decoders, c->sequences, &stop_at_interrupt, &err) != TEMPO_OK)
        return say_error(&err);
    const double ms = now_ms() - begin;
    if (keep) {
        c->cpu_ms.v[c->cpu_ms.n++] = cpu_ms() - cpu;
        c->ms.v[c->ms.n++] = ms;
        add_stages(b, c->stages);
    }
    return EXIT_OK;
}

static int run_prompt(bench *b, bench_prompt *p, bool keep)
{
    const tempo_seq_options opt = {.size = sizeof(opt), .kv = b->o->decoding.kv, .max_slots = p->tokens};
    tempo_seq *seq;
    const float *logits;
    tempo_err err = {0};
    tempo_status st = tempo_seq_create(&seq, b->s.engine, &opt, &err);

    tempo_engine_profile(b->s.engine, b->o->profile);
    const double begin = now_ms();
    if (st == TEMPO_OK)
        st = prefill(b->s.engine, seq, p->ids, p->tokens, &logits, &err);
    const double ms = now_ms() - begin;
    tempo_seq_free(seq);
    if (st != TEMPO_OK)
        return say_error(&err);
    if (keep) {
        p->ms.v[p->ms.n++] = ms;
        add_stages(b, p->stages);
    }
    return EXIT_OK;
}

/* Prompts of the cells that differ in rows only are the same: one batch shares the work. */
static int read_contexts(bench *b)
{
    const size_t group = b->o->rows.n;
    tempo_err err = {0};

    for (size_t i = 0; i < b->n_cells; i += group) {
        const size_t n = group * b->cells[i].sequences;
        tempo_decoder **all = malloc(n * sizeof(*all));
        if (all == NULL)
            return out_of_memory();
        show_progress("reading contexts", i, b->n_cells);
        for (size_t j = 0; j < n; j++)
            all[j] = b->cells[i + j % group].decoders[j / group];
        const tempo_status st = tempo_decoders_step(all, n, &stop_at_interrupt, &err);
        free(all);
        if (st != TEMPO_OK) {
            show_progress("", 0, 0);
            return say_error(&err);
        }
    }
    show_progress("", 0, 0);
    return EXIT_OK;
}

static int run_all(bench *b, bool keep)
{
    int code = EXIT_OK;

    for (size_t i = 0; i < b->n_cells && code == EXIT_OK; i++)
        code = run_cell(b, &b->cells[i], keep);
    for (size_t i = 0; i < b->n_prompts && code == EXIT_OK; i++)
        code = run_prompt(b, &b->prompts[i], keep);
    return code;
}

static uint64_t peak_rss(void)
{
    struct rusage use;

    return getrusage(RUSAGE_SELF, &use) == 0 ? (uint64_t)use.ru_maxrss * 1024 : 0;
}

static int measure(bench *b)
{
    int code = run_all(b, false);
    reader *r;

    if (code != EXIT_OK)
        return code;
    b->peak_rss = peak_rss(); /* before the buffer, which is the benchmark's own */
    if ((r = reader_create(tempo_engine_threads(b->s.engine), b->o->buffer_mb << 20)) == NULL)
        return EXIT_FAILED;
    for (size_t i = 0; i < b->o->repeats && code == EXIT_OK; i++) {
        show_progress("measuring", i, b->o->repeats);
        code = reader_run(r, &b->read_gbps.v[b->read_gbps.n++]) ? run_all(b, true) : EXIT_FAILED;
    }
    show_progress("", 0, 0);
    reader_free(r);
    return code;
}

static int first_token(bench *b, double begin)
{
    bench_prompt one = {.tokens = 1, .ids = (int32_t[]){0}};
    const int code = run_prompt(b, &one, false);

    b->first_token_ms = now_ms() - begin;
    return code;
}

static int prepare(bench *b)
{
    const double begin = now_ms();
    int code = session_open_engine(&b->s, b->o);

    if (code != EXIT_OK)
        return code;
    b->load_ms = now_ms() - begin;
    if (!samples_init(&b->read_gbps, b->o->repeats))
        return out_of_memory();
    if ((code = first_token(b, begin)) != EXIT_OK || (code = create_cells(b)) != EXIT_OK ||
        (code = create_prompts(b)) != EXIT_OK)
        return code;
    return read_contexts(b);
}

static void bench_free(bench *b)
{
    for (size_t i = 0; i < b->n_cells; i++) {
        for (size_t s = 0; b->cells[i].decoders != NULL && s < b->cells[i].sequences; s++)
            tempo_decoder_free(b->cells[i].decoders[s]);
        free(b->cells[i].decoders);
        free(b->cells[i].ms.v);
        free(b->cells[i].cpu_ms.v);
    }
    for (size_t i = 0; i < b->n_prompts; i++) {
        free(b->prompts[i].ids);
        free(b->prompts[i].ms.v);
    }
    free(b->cells);
    free(b->prompts);
    free(b->read_gbps.v);
    session_close(&b->s);
}

int cmd_bench(const options *o)
{
    bench b = {.o = o};
    int code;

    catch_interrupts();
    if ((code = prepare(&b)) == EXIT_OK && (code = measure(&b)) == EXIT_OK)
        code = bench_report(&b);
    bench_free(&b);
    return code;
}
