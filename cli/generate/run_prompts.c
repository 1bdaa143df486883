/* run_prompts.c - generate on a file of prompts, a JSON object a line: groups of them decode in one batch,
 * each at its own pace, and what each gives has its id.  No number depends on what else is in the group.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/capture.h"
#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompts.h"
#include "cli/generate/run.h"

enum { PATH_BYTES = 4096, GROUP = 16 };

typedef struct prompts {
    const options *o;
    session s; /* model and engine; no prompt */
    tempo_prompt_lines *lines;
    run *runs;                /* [n] the group */
    char (*dirs)[PATH_BYTES]; /* [n] of the group's captures */
    size_t n, first, cap;     /* lines first .. first + n - 1 */
    json_t *documents;        /* with --json */
    json_t *captured_in;      /* with --capture */
    uint64_t captured;
    size_t members, steps;
    bool interrupted;
    double begin_ms;
} prompts;

/* ---- before anything runs ---- */

/* A run of line i with its prompt's ids. */
static int read_prompt(prompts *p, size_t i, run *r)
{
    *r = (run){.o = p->o,
               .s = {.model = p->s.model, .engine = p->s.engine, .load_ms = p->s.load_ms},
               .prompt_id = p->lines->lines[i].id,
               .keeps_sets = !p->o->json && !p->o->jsonl};
    memcpy(r->s.sha256, p->s.sha256, sizeof(r->s.sha256));
    return prompts_take(&r->s, p->o, p->lines, i);
}

/* Every prompt is looked at before the first one runs: does it have tokens, is there room for it, and for its
 * capture? */
static int check_prompts(prompts *p)
{
    tempo_capture_options c = p->o->capturing;
    uint64_t bytes = 0;
    tempo_err err = {0};
    int code = EXIT_OK;

    c.steps = p->o->decoding.steps + p->o->closing_pass;
    c.rows = expected_rows(&p->o->decoding);
    for (size_t i = 0; i < p->lines->n && code == EXIT_OK; i++) {
        run r;
        if ((code = read_prompt(p, i, &r)) == EXIT_OK &&
            tempo_decode_check(p->s.model, &p->o->decoding, r.s.ids, r.s.n_ids, &err) != TEMPO_OK) {
            tempo_err_prefix(&err, "%s:%u, id %.60s", p->lines->path, (unsigned)p->lines->lines[i].line,
                             p->lines->lines[i].key);
            code = say_error(&err);
        }
        c.prompt = r.s.n_ids + (p->o->decoding.replay == TEMPO_REPLAY_PUBLISHED);
        const uint64_t one = tempo_capture_estimate(&c, p->s.model);
        bytes = one < UINT64_MAX / 4 - bytes ? bytes + one * (p->o->paired ? 2 : 1) : UINT64_MAX / 2;
        prompts_drop(&r.s);
    }
    if (code == EXIT_OK && p->o->capture != NULL && has_entries(p->o->capture)) {
        say("%s is not empty: capture to a new directory", p->o->capture);
        return EXIT_FAILED;
    }
    if (code == EXIT_OK && p->o->capture != NULL &&
        tempo_capture_check_size(bytes, c.max_bytes, &err) != TEMPO_OK)
        code = say_error(&err);
    return code;
}

/* ---- a group ---- */

static bool poll_group(void *user)
{
    (void)user;
    return !interrupted();
}

static bool view_group(void *user, const tempo_attention_view *view)
{
    prompts *p = user;

    for (size_t i = 0; i < p->n; i++)
        feed_files(&p->runs[i], view);
    return true;
}

static int begin_group(prompts *p)
{
    int code = EXIT_OK;

    for (p->n = 0; p->n < p->cap && p->first + p->n < p->lines->n && code == EXIT_OK;) {
        const tempo_prompt_line *l = &p->lines->lines[p->first + p->n];
        run *r = &p->runs[p->n];
        code = read_prompt(p, p->first + p->n++, r);
        if (p->o->capture != NULL) {
            if ((size_t)snprintf(p->dirs[p->n - 1], PATH_BYTES, "%s/%s", p->o->capture, l->name) >=
                PATH_BYTES) {
                say("%.64s...: the path is too long", p->o->capture);
                return EXIT_FAILED;
            }
            r->dir = p->dirs[p->n - 1];
            r->all_captured = &p->captured;
        }
        if (code == EXIT_OK)
            code = run_begin(r);
        r->begin_ms = now_ms();
    }
    return code;
}

/* The decoders of the group that go on. */
static size_t running(prompts *p, tempo_decoder **decoders)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->runs[i].n_arms; k++) {
            arm *a = &p->runs[i].arms[k];
            a->advanced = tempo_decoder_stopped(a->decoder) == TEMPO_RUNNING;
            if (a->advanced)
                decoders[n++] = a->decoder;
        }
    return n;
}

static int decode_group(prompts *p, tempo_decoder **decoders)
{
    const bool views = p->o->capture != NULL && (p->o->capturing.record & TEMPO_RECORD_ATTENTION) != 0;
    const tempo_observer observer = {.user = p, .poll = poll_group, .attention = views ? view_group : NULL};
    tempo_err err = {0};
    int code = EXIT_OK;
    size_t n;

    for (size_t step = 0; code == EXIT_OK && (n = running(p, decoders)) > 0; step++) {
        const tempo_status st = tempo_decoders_step(decoders, n, &observer, &err);
        p->interrupted = st == TEMPO_E_STOPPED;
        if (p->interrupted)
            break;
        if (st != TEMPO_OK)
            return say_error(&err);
        for (size_t i = 0; i < p->n && code == EXIT_OK; i++) {
            run *r = &p->runs[i];
            bool advanced = false;
            for (size_t k = 0; k < r->n_arms; k++)
                advanced = advanced || r->arms[k].advanced;
            if (r->first_set_ms == 0)
                r->first_set_ms = now_ms();
            if (advanced) {
                code = run_take_step(r, step);
                r->end_ms = now_ms();
            }
        }
    }
    for (size_t i = 0; i < p->n; i++)
        p->runs[i].interrupted = p->interrupted;
    for (size_t i = 0; i < p->n && code == EXIT_OK && !p->interrupted && p->o->closing_pass; i++)
        code = add_closing_to_files(&p->runs[i], &observer);
    return code;
}

/* What a run gave, as text. */
static void show_run(prompts *p, run *r)
{
    prompts_heading(&p->lines->lines[p->first + (size_t)(r - p->runs)]);
    show_prompt(r);
    for (size_t step = 0; step < r->arms[0].n_sets || (r->n_arms > 1 && step < r->arms[1].n_sets); step++) {
        const tempo_set *sets[2] = {NULL, NULL};
        for (size_t k = 0; k < r->n_arms; k++)
            if (step < r->arms[k].n_sets)
                sets[k] = &r->arms[k].sets[step];
        show_sets(r, sets);
    }
    show_end(r);
    putchar('\n');
}

static int report_group(prompts *p)
{
    int code = EXIT_OK;

    for (size_t i = 0; i < p->n && code == EXIT_OK; i++) {
        run *r = &p->runs[i];
        for (size_t k = 0; k < r->n_arms; k++) {
            p->members += r->arms[k].n_members;
            p->steps += r->arms[k].n_steps;
        }
        if (r->keeps_sets)
            show_run(p, r);
        if (p->o->json)
            json_array_append_new(p->documents, json_prompt(r));
        if (p->o->capture == NULL)
            continue;
        if ((code = commit_files(r)) == EXIT_OK && r->committed)
            json_array_append_new(p->captured_in, json_pack("{s:O, s:s}", "id", r->prompt_id, "directory",
                                                            p->lines->lines[p->first + i].name));
    }
    return code == EXIT_OK && !finish_output() ? EXIT_FAILED : code;
}

static int run_group(prompts *p, tempo_decoder **decoders)
{
    int code = begin_group(p);

    if (code == EXIT_OK && (code = decode_group(p, decoders)) == EXIT_OK)
        code = report_group(p);
    for (size_t i = 0; i < p->n; i++) {
        run_free(&p->runs[i]);
        prompts_drop(&p->runs[i].s);
    }
    return code;
}

/* ---- all of them ---- */

/* The document's beginning is that of a run: of one that does not run. */
static json_t *begin_document(prompts *p)
{
    json_t *root = NULL;
    run r;

    if (read_prompt(p, 0, &r) == EXIT_OK && run_begin(&r) == EXIT_OK)
        root = json_beginning(&r);
    run_free(&r);
    prompts_drop(&r.s);
    if (root != NULL)
        json_object_set_new(root, "prompts", json_incref(p->documents));
    return root;
}

static int print_document(prompts *p, json_t *root)
{
    json_object_set_new(root, "timing",
                        json_pack("{s:o, s:o}", "load_ms", tempo_json_number(p->s.load_ms), "total_ms",
                                  tempo_json_number(now_ms() - p->begin_ms)));
    const int code = print_json(root, false);
    return code == EXIT_OK && !finish_output() ? EXIT_FAILED : code;
}

static int save_list(prompts *p)
{
    char path[PATH_BYTES], size[32];
    tempo_err err = {0};

    if (json_array_size(p->captured_in) == 0)
        return EXIT_OK;
    (void)snprintf(path, sizeof(path), "%.4000s/prompts.json", p->o->capture);
    if (tempo_jsonfile_save(path, p->captured_in, false, &err) != TEMPO_OK)
        return say_error(&err);
    (void)fprintf(stderr, "captured %s in %s\n", bytes_text(p->captured, size), p->o->capture);
    return EXIT_OK;
}

static int run_all(prompts *p)
{
    tempo_decoder **decoders = calloc(2 * p->cap, sizeof(tempo_decoder *));
    json_t *root = NULL;
    int code = EXIT_FAILED;

    p->runs = calloc(p->cap, sizeof(*p->runs));
    p->dirs = calloc(p->cap, sizeof(*p->dirs));
    p->documents = json_array();
    p->captured_in = json_array();
    if (decoders == NULL || p->runs == NULL || p->dirs == NULL)
        say("out of memory for the prompts");
    else if (p->o->json && (root = begin_document(p)) == NULL)
        code = EXIT_FAILED;
    else
        code = EXIT_OK;
    p->begin_ms = now_ms();
    for (; code == EXIT_OK && p->first < p->lines->n && !p->interrupted; p->first += p->cap) {
        show_progress("prompts", p->first, p->lines->n);
        code = run_group(p, decoders);
    }
    show_progress("", 0, 0);
    if (code == EXIT_OK && root != NULL) {
        code = print_document(p, root);
        root = NULL;
    }
    if (code == EXIT_OK && p->o->capture != NULL)
        code = save_list(p);
    if (code == EXIT_OK)
        (void)fprintf(stderr, "%zu prompt%s, %zu steps, %zu members; %.1f ms\n", p->lines->n,
                      p->lines->n == 1 ? "" : "s", p->steps, p->members, now_ms() - p->begin_ms);
    json_decref(root);
    json_decref(p->documents);
    json_decref(p->captured_in);
    free(p->runs);
    free(p->dirs);
    free(decoders);
    return code == EXIT_OK && p->interrupted ? EXIT_INTERRUPTED : code;
}

int generate_prompts(const options *o)
{
    prompts p = {.o = o, .cap = o->batch != 0 ? o->batch : GROUP};
    tempo_err err = {0};
    int code = session_check_prompt(o);

    if (code != EXIT_OK)
        return code;
    if (o->view) {
        say("--view shows one prompt, and %s holds several", o->file);
        return EXIT_USAGE;
    }
    if (tempo_prompt_lines_load(&p.lines, o->file, &err) != TEMPO_OK)
        return say_error(&err);
    catch_interrupts();
    if ((code = session_open_engine(&p.s, o)) == EXIT_OK && (code = check_prompts(&p)) == EXIT_OK) {
        if (o->capture != NULL && !session_hash(&p.s))
            code = interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
        else
            code = run_all(&p);
    }
    session_close(&p.s);
    tempo_prompt_lines_free(p.lines);
    return code;
}
