/* cmd_lens.c - what each layer's residual stream would say, and which parts of it push a token. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/lens/lens.h"
#include "cli/message.h"
#include "cli/prompt/edits.h"
#include "io/json_file.h"
#include "io/json.h"

enum { CHUNK = 128, PATH_BYTES = 4096 };

/* ---- which model a capture was made with ---- */

/* manifest.json of the capture, or of the directory that its arms lie in; NULL: there is none. */
static json_t *read_manifest(const char *dir)
{
    json_t *doc = NULL;
    char path[PATH_BYTES];

    for (int up = 0; up < 2 && doc == NULL; up++)
        if ((size_t)snprintf(path, sizeof(path), "%s%s/manifest.json", dir, up ? "/.." : "") < sizeof(path))
            (void)!tempo_json_load(&doc, path, NULL);
    return doc;
}

static const char *model_word(const json_t *manifest, const char *key)
{
    return json_string_value(json_object_get(json_object_get(manifest, "model"), key));
}

/* The model of the command line, or else the one that the manifest names; it must be the one whose hash it
 * has. */
static int open_for_capture(session *s, const options *o, const json_t *manifest)
{
    const char *path = model_word(manifest, "path"), *hash = model_word(manifest, "sha256");
    options own = *o;
    int code;

    if (o->model == NULL && path != NULL)
        own.model = path;
    if ((code = session_open_engine(s, &own)) != EXIT_OK || hash == NULL)
        return code;
    if (!session_hash(s))
        return interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
    if (strcmp(s->sha256, hash) == 0)
        return EXIT_OK;
    say("%s was captured with a model whose SHA-256 is %.16s...; that of %s is %.16s...: name the right one "
        "with --model",
        o->argument, hash, tempo_model_get_info(s->model)->path, s->sha256);
    return EXIT_FAILED;
}

/* ---- which rows ---- */

/* --row, and what holds without it. */
static int choose(lens_view *v, const tempo_rows_row *rows, size_t n, bool *chosen)
{
    const char *text = v->o->row != NULL ? v->o->row : v->o->svg != NULL ? "all" : "-1";
    int code = lens_choose(text, rows, n, chosen);

    for (size_t i = 0; i < n && code == EXIT_OK; i++)
        v->n_rows += chosen[i];
    if (code == EXIT_OK && (v->rows = malloc(v->n_rows * sizeof(*v->rows))) == NULL) {
        say("out of memory for %zu rows", v->n_rows);
        code = EXIT_FAILED;
    }
    for (size_t i = 0, next = 0; i < n && code == EXIT_OK; i++)
        if (chosen[i])
            v->rows[next++] = rows[i];
    return code;
}

static unsigned kept(const options *o)
{
    return (o->attribute != NULL ? TEMPO_RESIDUAL_PARTS : 0) |
           (o->attribute != NULL && o->heads ? TEMPO_RESIDUAL_HEADS : 0);
}

/* ---- a capture ---- */

static int read_rows(lens_view *v, tempo_rows *c, tempo_residual **r)
{
    size_t n, *index = NULL, next = 0;
    const tempo_rows_row *rows = tempo_rows_list(c, &n);
    bool *chosen = calloc(n, sizeof(*chosen));
    tempo_err err = {0};
    int code = EXIT_FAILED;

    if (chosen == NULL || (index = malloc(n * sizeof(*index))) == NULL)
        say("out of memory for %zu rows", n);
    else
        code = choose(v, rows, n, chosen);
    for (size_t i = 0; i < n && code == EXIT_OK; i++)
        if (chosen[i])
            index[next++] = i;
    if (code == EXIT_OK && (tempo_rows_check(c, kept(v->o), &err) != TEMPO_OK ||
                            tempo_residual_create(r, v->s->model, v->n_rows, kept(v->o), &err) != TEMPO_OK ||
                            tempo_rows_read(c, index, v->n_rows, *r, &err) != TEMPO_OK))
        code = say_error(&err);
    free(index);
    free(chosen);
    return code;
}

static int from_capture(lens_view *v, tempo_residual **r)
{
    json_t *manifest = read_manifest(v->o->argument);
    int code = open_for_capture(v->s, v->o, manifest);
    tempo_rows *c = NULL;
    tempo_err err = {0};

    json_decref(manifest);
    if (code == EXIT_OK && tempo_rows_open(&c, v->dir, v->s->model, &err) != TEMPO_OK)
        code = say_error(&err);
    if (code == EXIT_OK)
        code = read_rows(v, c, r);
    tempo_rows_free(c);
    return code;
}

/* ---- a prompt ---- */

/* The first n tokens, every one a set of its own at the next integer position. */
static tempo_status run_rows(const session *s, tempo_seq *seq, size_t n, const bool *chosen,
                             tempo_residual *r, tempo_err *err)
{
    tempo_row rows[CHUNK];
    size_t next = 0;
    tempo_status st = TEMPO_OK;

    for (size_t begin = 0, count; begin < n && st == TEMPO_OK; begin += count) {
        size_t first = next;
        count = n - begin < CHUNK ? n - begin : CHUNK;
        for (size_t i = 0; i < count; i++) {
            rows[i] = (tempo_row){.seq = seq,
                                  .token = s->ids[begin + i],
                                  .set = (uint32_t)(begin + i),
                                  .position = (double)(begin + i),
                                  .want = chosen[begin + i] ? TEMPO_WANT_TAPS : 0};
            next += chosen[begin + i];
        }
        show_progress("reading the prompt", begin, n);
        st = tempo_residual_forward(r, first, s->engine, rows, count, poll_interrupts, NULL, err);
    }
    show_progress("", 0, 0);
    return st;
}

/* Up to the last row that is wanted; with edits all, so that it can be told which of them changed nothing. */
static tempo_status run_prompt(const lens_view *v, const bool *chosen, tempo_residual *r, tempo_err *err)
{
    const session *s = v->s;
    tempo_edits *edits = NULL;
    tempo_seq *seq = NULL;
    size_t n = s->n_ids;
    tempo_status st;

    while (!chosen[n - 1] && !has_edits(v->o))
        n--;
    if ((st = edits_make(&edits, v->o, s->model, err)) == TEMPO_OK &&
        (st = tempo_seq_create(&seq, s->engine, NULL, err)) == TEMPO_OK &&
        (st = tempo_seq_set_edits(seq, edits, s->n_ids, err)) == TEMPO_OK &&
        (st = run_rows(s, seq, n, chosen, r, err)) == TEMPO_OK)
        edits_say_unused(seq, edits);
    tempo_seq_free(seq);
    tempo_edits_free(edits);
    return st;
}

static int from_prompt(lens_view *v, tempo_residual **r)
{
    const session *s = v->s;
    tempo_rows_row *rows = NULL;
    bool *chosen = NULL;
    tempo_err err = {0};
    int code = session_open_engine(v->s, v->o);

    if (code != EXIT_OK || (code = session_read_prompt(v->s, v->o)) != EXIT_OK)
        return code;
    if ((rows = malloc(s->n_ids * sizeof(*rows))) == NULL ||
        (chosen = calloc(s->n_ids, sizeof(*chosen))) == NULL) {
        say("out of memory for %zu rows", s->n_ids);
        code = EXIT_FAILED;
        goto out;
    }
    for (size_t i = 0; i < s->n_ids; i++)
        rows[i] = (tempo_rows_row){.slot = i, .step = -1, .token = s->ids[i]};
    if ((code = choose(v, rows, s->n_ids, chosen)) == EXIT_OK &&
        (tempo_residual_create(r, s->model, v->n_rows, kept(v->o), &err) != TEMPO_OK ||
         run_prompt(v, chosen, *r, &err) != TEMPO_OK))
        code = say_error(&err);
out:
    free(rows);
    free(chosen);
    return code;
}

/* ---- what is seen ---- */

static int name_tokens(lens_view *v)
{
    int32_t *pair = NULL;
    size_t n = 0;
    int code = EXIT_OK;

    if (v->o->tokens != NULL)
        code = lens_read_tokens(v->s, "tokens", v->o->tokens, &v->tokens, &v->n_tokens);
    if (code != EXIT_OK || v->o->attribute == NULL)
        return code;
    code = lens_read_tokens(v->s, "attribute", v->o->attribute, &pair, &n);
    if (code == EXIT_OK && n > 2) {
        say("--attribute: %zu tokens; expected one, or two whose logits are compared", n);
        code = EXIT_USAGE;
    }
    if (code == EXIT_OK) {
        v->token = pair[0];
        v->minus = n == 2 ? pair[1] : -1;
    }
    free(pair);
    return code;
}

static int look(lens_view *v, const tempo_residual *r)
{
    tempo_lens_options lo;
    tempo_attribution_options ao;
    tempo_err err = {0};

    tempo_lens_options_init(&lo);
    lo.top = v->o->top < 256 ? v->o->top : 256;
    lo.tokens = v->tokens;
    lo.n_tokens = v->n_tokens;
    lo.poll = poll_interrupts;
    if (tempo_lens_create(&v->lens, v->s->engine, r, &lo, &err) != TEMPO_OK)
        return say_error(&err);
    if (v->o->attribute == NULL)
        return EXIT_OK;
    tempo_attribution_options_init(&ao);
    ao.token = v->token;
    ao.minus = v->minus;
    ao.heads = v->o->heads;
    return tempo_attribute(&v->parts, v->s->engine, r, &ao, &err) == TEMPO_OK ? EXIT_OK : say_error(&err);
}

static int tell(const lens_view *v)
{
    int code = EXIT_OK;

    if (v->o->npz != NULL)
        code = lens_npz(v);
    if (code == EXIT_OK && v->o->svg != NULL)
        code = lens_svg(v);
    if (code == EXIT_OK)
        code = v->o->json ? lens_json(v) : lens_print(v);
    return code;
}

static int check_options(const options *o)
{
    const bool prompt = o->prompt != NULL || o->file != NULL || o->prompt_ids != NULL || o->messages != NULL;

    if (o->argument != NULL && prompt) {
        say("lens looks at a prompt or at a capture, not at both: '%.64s' is a directory's place",
            o->argument);
        return EXIT_USAGE;
    }
    if (o->argument != NULL && has_edits(o)) {
        say("--edit goes with a prompt: what a capture holds has been computed");
        return EXIT_USAGE;
    }
    if (o->heads && o->attribute == NULL) {
        say("--heads goes with --attribute TOKEN");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

int cmd_lens(const options *o)
{
    session s = {0};
    lens_view v = {.s = &s, .o = o, .dir = o->argument, .token = -1, .minus = -1};
    tempo_residual *r = NULL;
    int code = check_options(o);

    if (code != EXIT_OK)
        return code;
    catch_interrupts();
    code = v.dir != NULL ? from_capture(&v, &r) : from_prompt(&v, &r);
    if (code == EXIT_OK && (code = name_tokens(&v)) == EXIT_OK && (code = look(&v, r)) == EXIT_OK)
        code = tell(&v);
    tempo_attribution_free(v.parts);
    tempo_lens_free(v.lens);
    tempo_residual_free(r);
    free(v.tokens);
    free(v.rows);
    session_close(&s);
    return code;
}
