/* cmd_logits.c - the distribution of the next token. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompt/edits.h"
#include "cli/prompt/prefill.h"
#include "cli/prompt/prompts.h"
#include "io/json_file.h"
#include "metrics/metrics.h"
#include "io/npy_rows.h"

/* The tokens ids[n]. */
static void print_top(const tempo_tokenizer *t, const int32_t *ids, size_t n, const float *logits,
                      const double *q)
{
    printf("%8s  %11s  %9s  token\n", "id", "probability", "logit");
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *s = t != NULL ? tempo_token_bytes(t, ids[i], &len) : "";
        printf("%8" PRId32 "  %11.6f  %9.4f  ", ids[i], q[ids[i]], (double)logits[ids[i]]);
        show_token(s, len);
        putchar('\n');
    }
}

/* What the document of one prompt and that of several have of the model. */
static json_t *json_head(const session *s, const options *o)
{
    const tempo_model_info *info = tempo_model_get_info(s->model);

    return json_pack("{s:s, s:o, s:s, s:s}", "version", tempo_version(), "model", json_model(s, o), "cpu",
                     info->kernels, "compute", info->compute);
}

static void add_top(json_t *to, const session *s, const int32_t *ids, size_t n, const float *logits,
                    const double *q, double entropy)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    json_t *top = json_array();

    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *text = t != NULL ? tempo_token_bytes(t, ids[i], &len) : "";
        json_t *one = json_object();
        json_object_set_new(one, "id", json_integer(ids[i]));
        json_set_text(one, "text", "bytes", text, len);
        json_object_set_new(one, "probability", tempo_json_number(q[ids[i]]));
        json_object_set_new(one, "logit", tempo_json_number((double)logits[ids[i]]));
        json_array_append_new(top, one);
    }
    json_object_set_new(to, "entropy", tempo_json_number(entropy));
    json_object_set_new(to, "top", top);
}

/* What they have of the prompt that s holds: before what comes after it, and behind. */
static void add_ids(json_t *root, const session *s)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < s->n_ids; i++)
        json_array_append_new(ids, json_integer(s->ids[i]));
    json_object_set_new(root, "prompt_ids", ids);
}

static void add_text(json_t *root, const session *s)
{
    json_set_text(root, "prompt", "prompt_bytes", s->text != NULL ? s->text : "", s->n_text);
    json_object_set_new(root, "warnings", json_warnings(s->warning));
}

/* One row of logits, to `into` where it is a document's, else as a table. */
static int report(const session *s, const options *o, const float *logits, json_t *into)
{
    const size_t n = tempo_model_get_info(s->model)->n_vocab, top = o->top < n ? o->top : n;
    double *q = malloc(2 * n * sizeof(*q)), *exact = q + n, entropy;
    int32_t *ids = malloc((top + 1) * sizeof(*ids));
    tempo_err err = {0};
    int code = EXIT_OK;

    if (q == NULL || ids == NULL) {
        say("out of memory for %zu logits", n);
        code = EXIT_FAILED;
    } else if (tempo_distribution(s->engine, logits, n, q, &entropy, &err) != TEMPO_OK) {
        code = say_error(&err);
    } else {
        for (size_t i = 0; i < n; i++) /* q can be 0 where logits still differ */
            exact[i] = (double)logits[i];
        (void)tempo_top_k(exact, n, top, ids);
        if (into != NULL)
            add_top(into, s, ids, top, logits, q, entropy);
        else
            print_top(tempo_model_tokenizer(s->model), ids, top, logits, q);
    }
    free(q);
    free(ids);
    return code;
}

/* A row to the file of --all, where there is one; with the last row the file is there, before that prompt's
 * result is told. */
static tempo_status keep(tempo_npy_rows **all, const float *logits, tempo_err *err)
{
    tempo_npy_rows *f = *all;
    tempo_status st = f != NULL ? tempo_npy_rows_add(f, logits, err) : TEMPO_OK;

    if (st != TEMPO_OK || f == NULL || !tempo_npy_rows_full(f))
        return st;
    *all = NULL;
    return tempo_npy_rows_commit(f, err);
}

/* ---- all positions ---- */

typedef struct positions {
    const session *s;
    const options *o;
    tempo_npy_rows **all;
    json_t *list; /* or NULL: a table */
    int code;
} positions;

static void print_position(const session *s, size_t i)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    size_t len = 0;
    const char *text = t != NULL ? tempo_token_bytes(t, s->ids[i], &len) : "";

    printf("%safter %zu: %" PRId32 "  ", i > 0 ? "\n" : "", i, s->ids[i]);
    show_token(text, len);
    putchar('\n');
}

static tempo_status report_position(void *user, size_t i, const float *logits, tempo_err *err)
{
    positions *p = user;
    json_t *one = p->list != NULL
                      ? json_pack("{s:I, s:I}", "position", (json_int_t)i, "id", (json_int_t)p->s->ids[i])
                      : NULL;
    const tempo_status st = keep(p->all, logits, err);

    if (st == TEMPO_OK && p->list == NULL)
        print_position(p->s, i);
    if (st == TEMPO_OK)
        p->code = report(p->s, p->o, logits, one);
    if (one != NULL)
        json_array_append_new(p->list, one);
    if (st == TEMPO_OK && p->code != EXIT_OK && err->code == TEMPO_OK)
        err->code = TEMPO_E_STOPPED; /* it has been said why */
    return st == TEMPO_OK && p->code != EXIT_OK ? TEMPO_E_STOPPED : st;
}

static int run_positions(const session *s, const options *o, tempo_seq *seq, tempo_npy_rows **all,
                         json_t *into)
{
    positions p = {.s = s, .o = o, .all = all, .list = into != NULL ? json_array() : NULL, .code = EXIT_OK};
    tempo_err err = {0};
    const tempo_status st = prefill_all(s->engine, seq, s->ids, s->n_ids, report_position, &p, &err);

    if (into != NULL)
        json_object_set_new(into, "positions", p.list);
    return p.code != EXIT_OK ? p.code : st != TEMPO_OK ? say_error(&err) : EXIT_OK;
}

/* ---- one prompt, several ---- */

/* The prompt that s holds. */
static int run(const session *s, const options *o, tempo_npy_rows **all, json_t *into)
{
    const float *logits;
    tempo_err err = {0};
    tempo_seq *seq = NULL;
    tempo_edits *edits;
    int code;

    if (edits_make(&edits, o, s->model, &err) != TEMPO_OK)
        return say_error(&err);
    if (into != NULL)
        add_ids(into, s);
    if (tempo_seq_create(&seq, s->engine, NULL, &err) != TEMPO_OK ||
        tempo_seq_set_edits(seq, edits, s->n_ids, &err) != TEMPO_OK)
        code = say_error(&err);
    else if (o->all_positions)
        code = run_positions(s, o, seq, all, into);
    else if (prefill(s->engine, seq, s->ids, s->n_ids, &logits, &err) != TEMPO_OK ||
             keep(all, logits, &err) != TEMPO_OK)
        code = say_error(&err);
    else
        code = report(s, o, logits, into);
    if (into != NULL)
        add_text(into, s);
    if (code == EXIT_OK)
        edits_say_unused(seq, edits);
    tempo_seq_free(seq);
    tempo_edits_free(edits);
    return code;
}

static tempo_status open_all(tempo_npy_rows **all, const session *s, const options *o, uint64_t rows,
                             tempo_err *err)
{
    *all = NULL;
    return o->all != NULL
               ? tempo_npy_rows_create(all, o->all, rows, tempo_model_get_info(s->model)->n_vocab, err)
               : TEMPO_OK;
}

static int run_one(session *s, const options *o, tempo_npy_rows **all, json_t *root)
{
    tempo_err err = {0};
    const int code = session_read_prompt(s, o);

    if (code != EXIT_OK)
        return code;
    if (o->all_positions && open_all(all, s, o, s->n_ids, &err) != TEMPO_OK)
        return say_error(&err);
    return run(s, o, all, root);
}

/* Every prompt is looked at before the first one runs: does it have tokens, is there room for it? */
static int check_lines(session *s, const options *o, const tempo_prompt_lines *lines)
{
    tempo_decode_options d;
    tempo_err err = {0};
    int code = session_check_prompt(o);

    tempo_decode_options_init(&d);
    for (size_t i = 0; i < lines->n && code == EXIT_OK; i++) {
        if ((code = prompts_take(s, o, lines, i)) == EXIT_OK &&
            tempo_decode_check(s->model, &d, s->ids, s->n_ids, &err) != TEMPO_OK)
            code = prompts_blame(lines, i, say_error(&err));
        prompts_drop(s);
    }
    return code;
}

/* Each prompt by itself, in the file's order. */
static int run_lines(session *s, const options *o, const tempo_prompt_lines *lines, tempo_npy_rows **all,
                     json_t *root)
{
    json_t *list = json_array();
    int code = check_lines(s, o, lines);

    if (root != NULL)
        json_object_set(root, "prompts", list);
    for (size_t i = 0; i < lines->n && code == EXIT_OK; i++) {
        json_t *one = root != NULL ? json_pack("{s:O}", "id", lines->lines[i].id) : NULL;
        if (root == NULL) {
            if (i > 0)
                putchar('\n');
            prompts_heading(&lines->lines[i]);
        }
        if ((code = prompts_take(s, o, lines, i)) == EXIT_OK)
            code = prompts_blame(lines, i, run(s, o, all, one));
        if (one != NULL)
            json_array_append_new(list, one);
        prompts_drop(s);
    }
    json_decref(list);
    return code;
}

static int run_all(session *s, const options *o, const tempo_prompt_lines *lines)
{
    json_t *root = NULL;
    tempo_npy_rows *all = NULL;
    tempo_err err = {0};
    int code = EXIT_OK;

    if (o->json && (root = json_head(s, o)) == NULL) {
        say("out of memory for the output");
        return EXIT_FAILED;
    }
    if (!o->all_positions && open_all(&all, s, o, lines != NULL ? lines->n : 0, &err) != TEMPO_OK)
        code = say_error(&err);
    if (code == EXIT_OK)
        code = lines != NULL ? run_lines(s, o, lines, &all, root) : run_one(s, o, &all, root);
    tempo_npy_rows_abort(all);
    if (code == EXIT_OK && root != NULL)
        return print_json(root, false);
    json_decref(root);
    return code;
}

int cmd_logits(const options *o)
{
    session s = {0};
    tempo_prompt_lines *lines = NULL;
    int code;

    if (o->all_positions && o->all != NULL && given_prompts(o)) {
        say("--all-positions with --all is for one prompt: those of a file have different lengths");
        return EXIT_USAGE;
    }
    if (given_prompts(o) && (code = prompts_load(&lines, o->file)) != EXIT_OK)
        return code;
    code = session_open_engine(&s, o);
    catch_interrupts();
    if (code == EXIT_OK)
        code = run_all(&s, o, lines);
    session_close(&s);
    tempo_prompt_lines_free(lines);
    return code;
}
