/* cmd_generate.c - decoding with parallel sets: one decoder, or an isolated and a visible one in one batch.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endings.h"
#include "message.h"
#include "run.h"
#include "study/decode_json.h"
#include "terminal.h"

/* What the table cannot say: options that do not go together. */
static int check_options(const options *o)
{
    const tempo_decode_options *d = &o->decoding;
    const char *problem = NULL;

    if (d->replay != TEMPO_REPLAY_NONE && (o->has_context || o->has_readout || o->has_positions))
        problem = "--replay sets --context, --readout and --positions itself: leave them out";
    else if (o->paired && o->has_mode)
        problem = "--paired runs both modes: leave --mode out";
    else if (o->json && o->jsonl)
        problem = "--json and --jsonl: give only one of them";
    else if (o->view && (o->json || o->jsonl))
        problem = "--view is for people, --json and --jsonl are for programs: give only one of them";
    else if (o->capture == NULL && (o->has_capture_option || o->closing_pass))
        problem = "--record, --format, --max-capture and --closing-pass need --capture DIR";
    else if (!o->paired && d->mode == TEMPO_ISOLATED && d->last_visible_layer != TEMPO_ALL_LAYERS)
        problem = "--visible-layers needs --mode visible or causal, or --paired";
    if (problem == NULL && o->view && terminal_problem() != NULL) {
        say("--view draws on a terminal, and %s; programs read --jsonl", terminal_problem());
        return EXIT_USAGE;
    }
    if (problem == NULL)
        return EXIT_OK;
    say("%s", problem);
    return EXIT_USAGE;
}

const char *stopped_by(const run *r, const arm *a)
{
    const tempo_stopped s = tempo_decoder_stopped(a->decoder);

    return s == TEMPO_RUNNING && r->interrupted ? "interrupt" : tempo_stopped_name(s);
}

/* ---- the arms ---- */

static int add_arm(run *r, tempo_mode mode)
{
    static const char *const names[] = {"isolated", "visible", "causal"};
    tempo_decode_options d = r->o->decoding;

    memcpy(d.end_ids, r->s.end_ids, sizeof(d.end_ids));
    d.n_end_ids = r->s.n_end_ids;
    arm *a = &r->arms[r->n_arms];
    tempo_err err = {0};

    d.mode = mode;
    if (mode == TEMPO_ISOLATED) {
        d.first_visible_layer = 0;
        d.last_visible_layer = TEMPO_ALL_LAYERS;
    }
    *a = (arm){.name = names[mode], .steps = json_array()};
    if (a->steps == NULL) {
        say("out of memory");
        return EXIT_FAILED;
    }
    r->n_arms++;
    if (tempo_decoder_create(&a->decoder, r->s.engine, &d, r->s.ids, r->s.n_ids, &err) != TEMPO_OK)
        return say_error(&err);
    return EXIT_OK;
}

static void free_arms(run *r)
{
    abort_files(r);
    view_free(r->view);
    for (size_t i = 0; i < r->n_arms; i++) {
        tempo_decoder_free(r->arms[i].decoder);
        json_decref(r->arms[i].steps);
        free(r->arms[i].all.p);
        free(r->arms[i].top.p);
    }
    tempo_parting_free(&r->parting);
}

static bool record_step(run *r, arm *a)
{
    const tempo_set *set = tempo_decoder_last_set(a->decoder);
    bool ok = tempo_ids_push(&a->top, set->members[0].id);

    a->n_steps++;
    a->n_members += set->n_members;
    for (size_t i = 0; i < set->n_members && ok; i++)
        ok = tempo_ids_push(&a->all, set->members[i].id);
    if (ok && (r->o->json || r->o->capture != NULL))
        ok = json_array_append_new(a->steps, json_set(r, set)) == 0;
    if (!ok)
        say("out of memory for step %zu", set->step);
    return ok;
}

/* ---- where two arms differ ---- */

static void compare_arms(run *r, size_t step)
{
    const char *const names[] = {r->arms[0].name, r->arms[1].name};
    const tempo_set *sets[2] = {NULL, NULL};
    double largest;

    for (size_t i = 0; i < 2; i++)
        if (r->arms[i].advanced)
            sets[i] = tempo_decoder_last_set(r->arms[i].decoder);
    tempo_parting_sets(&r->parting, step, names, sets, 2);
    if (sets[0] != NULL && sets[1] != NULL &&
        tempo_distributions_differ(tempo_decoder_distribution(r->arms[0].decoder),
                                   tempo_decoder_distribution(r->arms[1].decoder),
                                   tempo_model_get_info(r->s.model)->n_vocab, &largest))
        tempo_parting_distribution(&r->parting, step, largest);
}

/* ---- the loop ---- */

static bool poll_run(void *user)
{
    run *r = user;

    if (r->first_set_ms == 0)
        show_progress("reading the prompt", r->polls, r->prompt_polls);
    r->polls++;
    return (r->view == NULL || view_poll(r->view)) && !interrupted();
}

static bool view_run(void *user, const tempo_attention_view *view)
{
    feed_files(user, view);
    return true;
}

static bool emit_jsonl(const run *r, const arm *a)
{
    return print_json(json_line(r, a), true) == EXIT_OK && finish_output();
}

/* Keep and report what the last call gave. */
static int take_step(run *r, size_t step)
{
    for (size_t i = 0; i < r->n_arms; i++)
        if (r->arms[i].advanced &&
            (!record_step(r, &r->arms[i]) || (r->o->jsonl && !emit_jsonl(r, &r->arms[i]))))
            return EXIT_FAILED;
    const int code = add_step_to_files(r);
    if (code != EXIT_OK)
        return code;
    if (r->n_arms > 1)
        compare_arms(r, step);
    if (r->view != NULL)
        return view_step(r->view) ? EXIT_OK : EXIT_FAILED;
    if (!r->o->json && !r->o->jsonl) {
        show_step(r);
        if (ferror(stdout)) /* main says it */
            return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int decode(run *r)
{
    const bool views = r->o->capture != NULL && (r->o->capturing.record & TEMPO_RECORD_ATTENTION) != 0;
    const tempo_observer observer = {.user = r, .poll = poll_run, .attention = views ? view_run : NULL};
    tempo_decoder *decoders[2];
    tempo_err err = {0};
    int code = EXIT_OK;
    bool running = true;

    for (size_t i = 0; i < r->n_arms; i++)
        decoders[i] = r->arms[i].decoder;
    for (size_t step = 0; running && code == EXIT_OK; step++) {
        running = false;
        for (size_t i = 0; i < r->n_arms; i++)
            running |= r->arms[i].advanced = tempo_decoder_stopped(decoders[i]) == TEMPO_RUNNING;
        if (!running)
            break;
        const tempo_status st = tempo_decoders_step(decoders, r->n_arms, &observer, &err);
        if (st == TEMPO_E_STOPPED) {
            r->interrupted = true;
            break;
        }
        if (st != TEMPO_OK) {
            show_progress("", 0, 0);
            code = say_error(&err);
            break;
        }
        if (step == 0) {
            r->first_set_ms = now_ms();
            show_progress("", 0, 0);
            if (!r->o->json && !r->o->jsonl && r->view == NULL)
                show_prompt(r);
        }
        code = take_step(r, step);
    }
    r->end_ms = now_ms();
    if (code == EXIT_OK && !r->interrupted && r->o->closing_pass)
        code = add_closing_to_files(r, &observer);
    return code;
}

static int decode_and_report(run *r)
{
    const bool text = !r->o->json && !r->o->jsonl;
    int code;

    if (r->o->view && (r->view = view_open(r)) == NULL)
        return EXIT_FAILED;
    r->begin_ms = now_ms();
    code = decode(r);
    show_progress("", 0, 0);
    if (r->view != NULL) {
        if (code == EXIT_OK && r->o->capture != NULL)
            code = commit_files(r); /* before a person takes their time */
        view_stay(r->view);
        view_print(r->view);
    }
    if (text)
        show_end(r);
    if (code == EXIT_OK && r->o->json)
        code = print_json(json_document(r), false);
    if (code == EXIT_OK && (!finish_output()))
        code = EXIT_FAILED;
    if (code == EXIT_OK)
        show_figures(r);
    if (code == EXIT_OK && r->o->capture != NULL && r->view == NULL)
        code = commit_files(r);
    if (code == EXIT_OK)
        show_captured(r);
    return code == EXIT_OK && r->interrupted ? EXIT_INTERRUPTED : code;
}

/* Is the space that the first token begins with one that tokenizing put there? */
static bool first_space_is_added(const session *s)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    char *text;
    size_t n = 1;

    if (t == NULL || strcmp(tempo_tokenizer_get_info(t).kind, "spm") != 0 ||
        !tempo_tokenizer_get_info(t).add_space_prefix)
        return false;
    if (tempo_detokenize(t, s->ids, s->n_ids, false, &text, &n, NULL) == TEMPO_OK)
        tempo_free(text);
    return n == 0;
}

int cmd_generate(const options *o)
{
    run r = {.o = o};
    int code = check_options(o);

    if (code != EXIT_OK)
        return code;
    catch_interrupts();
    if ((code = session_open_engine(&r.s, o)) == EXIT_OK &&
        (code = session_read_prompt(&r.s, o)) == EXIT_OK) {
        r.colors = use_colors(o->color);
        r.strip = first_space_is_added(&r.s);
        r.prompt_polls = (r.s.n_ids + 127) / 128 * tempo_model_get_info(r.s.model)->n_layers;
        code = add_arm(&r, o->paired ? TEMPO_ISOLATED : o->decoding.mode);
        if (code == EXIT_OK && o->paired)
            code = add_arm(&r, TEMPO_VISIBLE);
        if (code == EXIT_OK && o->capture != NULL)
            code = open_files(&r);
        if (code == EXIT_OK)
            code = decode_and_report(&r);
    }
    free_arms(&r);
    session_close(&r.s);
    return code;
}
