/* bench_report.c - what was measured, as a table or as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench/bench.h"
#include "cli/message.h"
#include "io/json_file.h"

/* Of the cells with the same context and sequences, the median of the one with a single row; 0 if there is
 * none. */
static double one_row(const bench *b, const bench_cell *c)
{
    for (size_t i = 0; i < b->n_cells; i++) {
        const bench_cell *x = &b->cells[i];
        if (x->rows == 1 && x->context == c->context && x->sequences == c->sequences)
            return summary(&x->ms).median;
    }
    return 0.0;
}

static double gbps(double bytes, double ms)
{
    return bytes / ms * 1e-6;
}

/* ---- JSON ---- */

static json_t *spread_json(const spread s)
{
    return json_pack("{s:o, s:o, s:o}", "median", tempo_json_number(s.median), "min",
                     tempo_json_number(s.min), "max", tempo_json_number(s.max));
}

static json_t *stages_json(const tempo_stage *stages, size_t repeats)
{
    json_t *list = json_array();

    for (size_t i = 0; i < MAX_STAGES && stages[i].name != NULL; i++) {
        const double ms = stages[i].seconds * 1e3 / (double)repeats,
                     bytes = (double)stages[i].bytes / (double)repeats;
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "stage", stages[i].name, "ms",
                                              tempo_json_number(ms), "bytes", tempo_json_number(bytes),
                                              "gbps", tempo_json_number(ms > 0 ? gbps(bytes, ms) : 0.0)));
    }
    return list;
}

/* Bytes of weights of a step, as they were counted: of experts those that some row used. */
static double weights_read(const bench_cell *c)
{
    double sum = 0;

    for (size_t i = 0; i < MAX_STAGES && c->stages[i].name != NULL; i++)
        if (strcmp(c->stages[i].name, "attention") != 0) /* that reads keys and values */
            sum += (double)c->stages[i].bytes;
    return sum / (double)c->ms.n;
}

static json_t *document(const bench *b, double read)
{
    const tempo_model_info *info = tempo_model_get_info(b->s.model);
    json_t *decode = json_array(), *prompt = json_array();

    for (size_t i = 0; i < b->n_cells; i++) {
        const bench_cell *c = &b->cells[i];
        const spread ms = summary(&c->ms);
        const double one = one_row(b, c);
        json_t *cell =
            json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "rows", (json_int_t)c->rows, "context",
                      (json_int_t)c->context, "sequences", (json_int_t)c->sequences, "ms", spread_json(ms),
                      "cpu_ms", tempo_json_number(summary(&c->cpu_ms).median), "gbps",
                      tempo_json_number(gbps(weights_read(c), ms.median)), "weights_bytes",
                      tempo_json_number(weights_read(c)), "ratio_to_one",
                      one > 0 ? tempo_json_number(ms.median / one) : json_null());
        if (b->o->profile)
            json_object_set_new(cell, "stages", stages_json(c->stages, c->ms.n));
        json_array_append_new(decode, cell);
    }
    for (size_t i = 0; i < b->n_prompts; i++) {
        const bench_prompt *p = &b->prompts[i];
        const spread ms = summary(&p->ms);
        json_t *one = json_pack("{s:I, s:o, s:o, s:s}", "tokens", (json_int_t)p->tokens, "tokens_per_s",
                                tempo_json_number((double)p->tokens / ms.median * 1e3), "ms", spread_json(ms),
                                "compute", info->compute);
        if (b->o->profile)
            json_object_set_new(one, "stages", stages_json(p->stages, p->ms.n));
        json_array_append_new(prompt, one);
    }
    return json_pack(
        "{s:s, s:o, s:s, s:s, s:I, s:s, s:o, s:I, s:o, s:o, s:I, s:o, s:o}", "version", tempo_version(),
        "model", json_model(&b->s, b->o), "cpu", info->kernels, "compute", info->compute, "threads",
        (json_int_t)tempo_engine_threads(b->s.engine), "kv", tempo_kv_type_name(b->o->decoding.kv),
        "read_gbps", tempo_json_number(read), "weights_bytes", (json_int_t)info->step_bytes, "load_s",
        tempo_json_number(b->load_ms * 1e-3), "first_token_s", tempo_json_number(b->first_token_ms * 1e-3),
        "peak_rss_bytes", (json_int_t)b->peak_rss, "decode", decode, "prompt", prompt);
}

/* ---- for people ---- */

static void print_stages(const tempo_stage *stages, size_t repeats)
{
    double total = 0.0;

    for (size_t i = 0; i < MAX_STAGES; i++)
        total += stages[i].seconds;
    for (size_t i = 0; i < MAX_STAGES && stages[i].name != NULL; i++) {
        const double ms = stages[i].seconds * 1e3 / (double)repeats,
                     bytes = (double)stages[i].bytes / (double)repeats;
        printf("    %-20s %9.3f ms  %5.1f%%", stages[i].name, ms,
               total > 0 ? stages[i].seconds / total * 100 : 0.0);
        if (stages[i].bytes > 0 && ms > 0)
            printf("  %8.1f MB  %6.1f GB/s", bytes * 1e-6, gbps(bytes, ms));
        putchar('\n');
    }
}

static void print_cells(const bench *b, double read)
{
    printf("%5s %8s %9s %10s %19s %8s %7s %7s %10s %9s\n", "rows", "context", "sequences", "ms a step",
           "min .. max", "CPU ms", "GB", "GB/s", "% of read", "to 1 row");
    for (size_t i = 0; i < b->n_cells; i++) {
        const bench_cell *c = &b->cells[i];
        const spread ms = summary(&c->ms);
        const double one = one_row(b, c), bytes = weights_read(c), rate = gbps(bytes, ms.median);
        printf("%5zu %8zu %9zu %10.2f %9.2f %9.2f %8.2f %7.3f %7.2f %10.1f", c->rows, c->context,
               c->sequences, ms.median, ms.min, ms.max, summary(&c->cpu_ms).median, bytes * 1e-9, rate,
               rate / read * 100);
        if (one > 0)
            printf(" %9.2f", ms.median / one);
        putchar('\n');
        if (b->o->profile)
            print_stages(c->stages, c->ms.n);
    }
}

static void print_prompts(const bench *b)
{
    printf("%6s %10s %19s %9s\n", "prompt", "ms", "min .. max", "tokens/s");
    for (size_t i = 0; i < b->n_prompts; i++) {
        const bench_prompt *p = &b->prompts[i];
        const spread ms = summary(&p->ms);
        printf("%6zu %10.2f %9.2f %9.2f %9.1f\n", p->tokens, ms.median, ms.min, ms.max,
               (double)p->tokens / ms.median * 1e3);
        if (b->o->profile)
            print_stages(p->stages, p->ms.n);
    }
}

static void print_report(const bench *b, double read)
{
    const tempo_model_info *info = tempo_model_get_info(b->s.model);

    printf("%s: %s (%s), %u threads, %s cache\n", info->name, info->kernels, info->compute,
           tempo_engine_threads(b->s.engine), tempo_kv_type_name(b->o->decoding.kv));
    printf("memory reads %.1f GB/s; a step reads %.3f GB of weights: %.1f ms at that rate\n", read,
           (double)info->step_bytes * 1e-9, (double)info->step_bytes / read * 1e-6);
    printf("loaded in %.2f s, first token after %.2f s, peak memory %.2f GB (files %.2f GB)\n\n",
           b->load_ms * 1e-3, b->first_token_ms * 1e-3, (double)b->peak_rss * 1e-9,
           (double)info->file_bytes * 1e-9);
    print_cells(b, read);
    putchar('\n');
    print_prompts(b);
}

int bench_report(bench *b)
{
    const double read = summary(&b->read_gbps).median;

    if (b->o->json)
        return print_json(document(b, read), false);
    print_report(b, read);
    return EXIT_OK;
}
