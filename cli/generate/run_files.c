/* run_files.c - what generate --capture writes: captures of the arms, results and a manifest.
 *
 * One arm's captures lie in the directory itself, those of several in one below it for each.  Everything is
 * removed again when something fails before the end.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/capture.h"
#include "cli/endings.h"
#include "cli/message.h"
#include "cli/generate/run.h"
#include "files/manifest.h"

enum { PATH_BYTES = 4096 };

static bool join(char out[PATH_BYTES], const char *a, const char *b)
{
    if ((size_t)snprintf(out, PATH_BYTES, "%s%s%s", a, *b != '\0' ? "/" : "", b) < PATH_BYTES)
        return true;
    say("%.64s...: the path is too long", a);
    return false;
}

/* ---- the beginning ---- */

/* What the arrays' metadata and experiment_metadata.json say about an arm; the last keys are for readers of
 * the original project's files. */
static char *arm_config(const run *r, const arm *a)
{
    json_t *c = json_config(r);
    char text[96];

    (void)snprintf(text, sizeof(text), "tempo generate, %s mode", a->name);
    json_object_set_new(c, "mode", json_string(a->name));
    json_object_set_new(c, "prompt", json_text(r->s.text != NULL ? r->s.text : "", r->s.n_text));
    json_object_set_new(c, "experiment_name", json_string("generate"));
    if (r->prompt_id != NULL)
        json_object_set(c, "prompt_id", r->prompt_id);
    if (r->o->decoding.max_slots == 0) /* by free memory: files of equal runs are equal */
        json_object_del(c, "max_slots");
    json_object_set_new(c, "description", json_string(text));
    json_object_set_new(c, "allow_intraset_token_visibility", json_boolean(strcmp(a->name, "isolated") != 0));
    char *out = json_dumps(c, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(c);
    if (out == NULL)
        say("out of memory for the capture");
    return out;
}

static int open_capture(run *r, arm *a, tempo_capture_options c)
{
    char dir[PATH_BYTES], *config = arm_config(r, a);
    tempo_err err = {0};
    int code = EXIT_FAILED;

    c.config = config;
    if (config != NULL && join(dir, r->dir, r->n_arms > 1 ? a->name : ""))
        code = tempo_capture_create(&a->capture, dir, a->decoder, &c, &err) == TEMPO_OK ? EXIT_OK
                                                                                        : say_error(&err);
    free(config);
    return code;
}

static int open_lines(run *r)
{
    char path[PATH_BYTES];
    tempo_err err = {0};

    if (!join(path, r->dir, "results.jsonl"))
        return EXIT_FAILED;
    return tempo_jsonlines_create(&r->lines, path, &err) == TEMPO_OK ? EXIT_OK : say_error(&err);
}

int open_files(run *r)
{
    tempo_capture_options c = r->o->capturing;
    tempo_err err = {0};
    int code = EXIT_OK;

    if (has_entries(r->dir)) {
        say("%s is not empty: capture to a new directory", r->dir);
        return EXIT_FAILED;
    }
    c.prompt = r->s.n_ids + (r->o->decoding.replay == TEMPO_REPLAY_PUBLISHED);
    c.steps = r->o->decoding.steps + r->o->closing_pass;
    c.rows = expected_rows(&r->o->decoding);
    c.shared_bytes = r->all_captured != NULL ? r->all_captured : &r->captured;
    const uint64_t one = tempo_capture_estimate(&c, r->s.model);
    if (tempo_capture_check_size(one < UINT64_MAX / 2 ? one * r->n_arms : one, c.max_bytes, &err) !=
            TEMPO_OK ||
        tempo_run_id(r->id, "generate", &err) != TEMPO_OK || tempo_utc_now(r->created, &err) != TEMPO_OK)
        return say_error(&err);
    if (!session_hash(&r->s))
        return interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
    for (size_t i = 0; i < r->n_arms && code == EXIT_OK; i++)
        code = open_capture(r, &r->arms[i], c);
    return code == EXIT_OK ? open_lines(r) : code;
}

/* ---- steps ---- */

void feed_files(run *r, const tempo_attention_view *view)
{
    for (size_t i = 0; i < r->n_arms; i++)
        if (r->arms[i].capture != NULL)
            (void)tempo_capture_view(r->arms[i].capture, view);
}

int add_step_to_files(run *r)
{
    tempo_err err = {0};
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK && r->lines != NULL; i++) {
        const arm *a = &r->arms[i];
        if (!a->advanced || (st = tempo_capture_step(a->capture, &err)) != TEMPO_OK)
            continue;
        json_t *line = json_line(r, a);
        st = tempo_jsonlines_add(r->lines, line, &err);
        json_decref(line);
    }
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

static bool has_slots(const tempo_set *set)
{
    for (size_t i = 0; set != NULL && i < set->n_members; i++)
        if (set->members[i].slot >= 0)
            return true;
    return false;
}

int add_closing_to_files(run *r, const tempo_observer *o)
{
    tempo_err err = {0};
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK; i++) {
        const arm *a = &r->arms[i];
        if (!has_slots(tempo_decoder_last_set(a->decoder)))
            continue; /* it stopped because there was no room for them */
        if ((st = tempo_decoder_close_pass(a->decoder, o, &err)) == TEMPO_OK)
            st = tempo_capture_closing(a->capture, &err);
    }
    if (st == TEMPO_E_STOPPED) {
        r->interrupted = true;
        return EXIT_OK;
    }
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

/* ---- the end ---- */

static int save(const char *dir, const char *name, json_t *doc)
{
    char path[PATH_BYTES];
    tempo_err err = {0};
    int code = EXIT_FAILED;

    if (join(path, dir, name))
        code = tempo_jsonfile_save(path, doc, false, &err) == TEMPO_OK ? EXIT_OK : say_error(&err);
    json_decref(doc);
    return code;
}

static json_t *make_facts(const run *r)
{
    const tempo_model_info *m = tempo_model_get_info(r->s.model);
    json_t *argv = json_array(), *model = json_model(&r->s, r->o);

    for (size_t i = 0; i < r->o->n_command_line; i++)
        json_array_append_new(argv, json_text(r->o->command_line[i], strlen(r->o->command_line[i])));
    json_object_set_new(model, "sha256", json_string(r->s.sha256));
    json_t *config = json_config(r);
    if (r->prompt_id != NULL)
        json_object_set(config, "prompt_id", r->prompt_id);
    json_t *times = json_pack("{s:o, s:o, s:o}", "load_ms", tempo_json_number(r->s.load_ms), "first_set_ms",
                              tempo_json_number(r->first_set_ms > 0 ? r->first_set_ms - r->begin_ms : 0.0),
                              "total_ms", tempo_json_number(r->end_ms - r->begin_ms));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:o, s:o}", "kind", "generate", "id",
                     r->id, "created", r->created, "status", r->interrupted ? "interrupted" : "complete",
                     "argv", argv, "model", model, "kernels", m->kernels, "compute", m->compute, "threads",
                     (json_int_t)tempo_engine_threads(r->s.engine), "config", config, "times", times);
}

static int commit_captures(run *r)
{
    tempo_err err = {0};
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->n_arms && st == TEMPO_OK; i++) {
        st = tempo_capture_commit(r->arms[i].capture, &err);
        r->arms[i].capture = NULL;
    }
    if (st == TEMPO_OK) {
        st = tempo_jsonlines_commit(r->lines, &err);
        r->lines = NULL;
    }
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

static int save_results(const run *r)
{
    char dir[PATH_BYTES];
    int code = EXIT_OK;

    if (r->n_arms == 1)
        return save(r->dir, "results.json", json_results(r, &r->arms[0]));
    for (size_t i = 0; i < r->n_arms && code == EXIT_OK; i++) {
        const arm *a = &r->arms[i];
        code = join(dir, r->dir, a->name) ? save(dir, "results.json", json_results(r, a)) : EXIT_FAILED;
    }
    return code == EXIT_OK ? save(r->dir, "results.json", json_document(r)) : code;
}

int commit_files(run *r)
{
    tempo_err err = {0};
    json_t *facts;
    int code;

    if (r->arms[0].n_steps == 0) { /* interrupted while it read the prompt */
        abort_files(r);
        return EXIT_OK;
    }
    if ((code = commit_captures(r)) != EXIT_OK || (code = save_results(r)) != EXIT_OK)
        return code;
    facts = make_facts(r);
    if (tempo_manifest_write(r->dir, facts, &err) != TEMPO_OK)
        code = say_error(&err);
    json_decref(facts);
    r->committed = code == EXIT_OK;
    return code;
}

void show_captured(const run *r)
{
    char size[32];

    if (r->committed)
        (void)fprintf(stderr, "captured %s in %s\n", bytes_text(r->captured, size), r->dir);
}

void abort_files(run *r)
{
    tempo_jsonlines_abort(r->lines);
    r->lines = NULL;
    for (size_t i = r->n_arms; i-- > 0;) { /* the first made the directory itself */
        tempo_capture_abort(r->arms[i].capture);
        r->arms[i].capture = NULL;
    }
}
