/* sink_files.c - --capture: results and a manifest beside what the run captures.
 *
 * The captures of one arm lie in the directory itself, those of several in one below it for each, those of
 * several prompts in one for each prompt.  Everything else is written when a prompt has ended.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/capture.h"
#include "cli/endings.h"
#include "cli/generate/generate.h"
#include "cli/message.h"
#include "files/manifest.h"
#include "files/run_id.h"
#include "io/json_file.h"
#include "run/document.h"

enum { PATH_BYTES = 4096 };

typedef struct start {
    char id[TEMPO_RUN_ID_CHARS], created[TEMPO_UTC_CHARS];
} start;

typedef struct files {
    generation *g;
    start *starts;    /* [n_prompts] */
    json_t *captured; /* which prompts, and where */
    size_t n;         /* prompts that were captured */
} files;

static tempo_status join(char out[PATH_BYTES], const char *a, const char *b, tempo_err *err)
{
    if ((size_t)snprintf(out, PATH_BYTES, "%s%s%s", a, *b != '\0' ? "/" : "", b) < PATH_BYTES)
        return TEMPO_OK;
    *err = (tempo_err){.code = TEMPO_E_LIMIT, .offset = TEMPO_NO_OFFSET};
    (void)snprintf(err->msg, sizeof(err->msg), "%.64s...: the path is too long", a);
    return TEMPO_E_LIMIT;
}

/* ---- the beginning ---- */

/* What the arrays' metadata and experiment_metadata.json say about an arm; the last keys are for readers of
 * the original project's files. */
static char *arm_config(void *user, const tempo_run *r, size_t arm)
{
    const generation *g = user;
    const prompt *p = prompt_of(r);
    json_t *c = json_config(g, r, arm);
    char text[96];

    (void)snprintf(text, sizeof(text), "tempo generate, %s %s", tempo_run_arm_name(r, arm),
                   g->o->arms != NULL ? "arm" : "mode");
    json_object_set_new(c, "prompt", json_text(p->s.text != NULL ? p->s.text : "", p->s.n_text));
    json_object_set_new(c, "experiment_name", json_string("generate"));
    if (p->line != NULL)
        json_object_set(c, "prompt_id", p->line->id);
    if (g->arms->decoding[arm].max_slots == 0) /* by free memory: files of equal runs are equal */
        json_object_del(c, "max_slots");
    json_object_set_new(c, "description", json_string(text));
    json_object_set_new(c, "allow_intraset_token_visibility",
                        json_boolean(g->arms->decoding[arm].mode != TEMPO_ISOLATED));
    char *out = json_dumps(c, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(c);
    return out;
}

static void *open_files(generation *g)
{
    files *f = calloc(1, sizeof(*f));

    if (has_entries(g->o->capture)) {
        say("%s is not empty: capture to a new directory", g->o->capture);
        free(f);
        return NULL;
    }
    if (f == NULL || (f->starts = calloc(g->n_prompts, sizeof(*f->starts))) == NULL) {
        say("out of memory for the capture");
        free(f);
        return NULL;
    }
    f->g = g;
    f->captured = json_array();
    g->capture = g->o->capturing;
    g->capture.shared_bytes = &g->captured;
    g->run.capture = &g->capture;
    g->run.capture_dir = g->o->capture;
    g->run.closing_pass = g->o->closing_pass;
    g->run.config_of = arm_config;
    g->run.config_user = g;
    return f;
}

static tempo_status begin(void *user, tempo_run *r, tempo_err *err)
{
    files *f = user;
    start *s = &f->starts[prompt_of(r)->index];
    tempo_status st = tempo_run_id(s->id, "generate", err);

    if (st == TEMPO_OK)
        st = tempo_utc_now(s->created, err);
    if (st == TEMPO_OK && !session_hash(&f->g->s))
        st = interrupted() ? TEMPO_E_STOPPED : sink_failed(f->g);
    return st;
}

/* ---- the end ---- */

static tempo_status save(const char *dir, const char *name, json_t *doc, tempo_err *err)
{
    char path[PATH_BYTES];
    tempo_status st = join(path, dir, name, err);

    if (st == TEMPO_OK)
        st = tempo_jsonfile_save(path, doc, false, err);
    json_decref(doc);
    return st;
}

static json_t *make_facts(const files *f, const prompt *p, const tempo_run *r)
{
    const generation *g = f->g;
    const tempo_model_info *m = tempo_model_get_info(g->s.model);
    json_t *argv = json_array(), *model = json_model(&g->s, g->o), *config = json_config(g, r, ALL_ARMS);

    for (size_t i = 0; i < g->o->n_command_line; i++)
        json_array_append_new(argv, json_text(g->o->command_line[i], strlen(g->o->command_line[i])));
    json_object_set_new(model, "sha256", json_string(g->s.sha256));
    if (p->line != NULL)
        json_object_set(config, "prompt_id", p->line->id);
    json_t *edits = json_object();
    for (size_t i = 0; i < g->arms->n; i++)
        if (tempo_edits_count(g->arms->edits[i]) > 0)
            json_object_set_new(edits, g->arms->names[i], tempo_json_edit_files(g->arms->edits[i]));
    json_t *times = json_pack("{s:o, s:o, s:o}", "load_ms", tempo_json_number(g->s.load_ms), "first_set_ms",
                              tempo_json_number(p->first_set_ms - p->begin_ms), "total_ms",
                              tempo_json_number(p->end_ms - p->begin_ms));
    json_t *facts =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:o, s:o}", "kind", "generate", "id",
                  f->starts[p->index].id, "created", f->starts[p->index].created, "status",
                  tempo_run_interrupted(r) ? "interrupted" : "complete", "argv", argv, "model", model,
                  "kernels", m->kernels, "compute", m->compute, "threads",
                  (json_int_t)tempo_engine_threads(g->s.engine), "config", config, "times", times);
    if (json_object_size(edits) > 0)
        json_object_set(facts, "edits", edits);
    json_decref(edits);
    return facts;
}

/* results.jsonl: step by step, as they were taken. */
static tempo_status save_lines(const char *dir, const prompt *p, const tempo_run *r, tempo_err *err)
{
    json_t *id = p->line != NULL ? p->line->id : NULL;
    tempo_jsonlines *lines;
    char path[PATH_BYTES];
    bool more = true;
    tempo_status st = join(path, dir, "results.jsonl", err);

    if (st != TEMPO_OK || (st = tempo_jsonlines_create(&lines, path, err)) != TEMPO_OK)
        return st;
    for (size_t step = 0; more && st == TEMPO_OK; step++) {
        more = false;
        for (size_t i = 0; i < tempo_run_arms(r) && st == TEMPO_OK; i++) {
            if (step >= tempo_run_steps(r, i))
                continue;
            json_t *line = tempo_json_line(r, i, step, id);
            st = tempo_jsonlines_add(lines, line, err);
            json_decref(line);
            more = true;
        }
    }
    if (st == TEMPO_OK)
        return tempo_jsonlines_commit(lines, err);
    tempo_jsonlines_abort(lines);
    return st;
}

static tempo_status save_results(const char *dir, const prompt *p, const tempo_run *r, tempo_err *err)
{
    const size_t n = tempo_run_arms(r);
    char arm_dir[PATH_BYTES];
    tempo_status st = TEMPO_OK;

    if (n == 1)
        return save(dir, "results.json", json_results(p, r, 0), err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        if ((st = join(arm_dir, dir, tempo_run_arm_name(r, i), err)) == TEMPO_OK)
            st = save(arm_dir, "results.json", json_results(p, r, i), err);
    return st == TEMPO_OK ? save(dir, "results.json", json_document(p, r), err) : st;
}

static tempo_status end(void *user, tempo_run *r, tempo_err *err)
{
    files *f = user;
    const prompt *p = prompt_of(r);
    char dir[PATH_BYTES];
    tempo_status st;

    if (p->first_set_ms <= 0) /* interrupted while it read the prompt */
        return TEMPO_OK;
    if ((st = join(dir, f->g->o->capture, p->line != NULL ? p->line->name : "", err)) != TEMPO_OK ||
        (st = save_lines(dir, p, r, err)) != TEMPO_OK || (st = save_results(dir, p, r, err)) != TEMPO_OK)
        return st;
    json_t *facts = make_facts(f, p, r);
    st = tempo_manifest_write(dir, facts, err);
    json_decref(facts);
    if (st == TEMPO_OK && p->line != NULL)
        json_array_append_new(f->captured,
                              json_pack("{s:O, s:s}", "id", p->line->id, "directory", p->line->name));
    f->n += st == TEMPO_OK;
    return st;
}

static int close_files(void *user, int code)
{
    files *f = user;
    const generation *g = f->g;
    const bool done = (code == EXIT_OK || code == EXIT_INTERRUPTED) && f->n > 0;
    tempo_err err = {0};
    char size[32];

    if (done && g->several && save(g->o->capture, "prompts.json", json_incref(f->captured), &err) != TEMPO_OK)
        code = say_error(&err);
    else if (done)
        (void)fprintf(stderr, "captured %s in %s\n", bytes_text(g->captured, size), g->o->capture);
    json_decref(f->captured);
    free(f->starts);
    free(f);
    return code;
}

const sink_kind files_sink = {open_files, {.begin = begin, .end = end}, NULL, close_files};
