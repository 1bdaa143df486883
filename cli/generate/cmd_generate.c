/* cmd_generate.c - decoding with parallel sets: one decoder, or an isolated and a visible one in one batch.
 */
#include <stdio.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompts.h"
#include "cli/generate/run.h"
#include "cli/terminal.h"

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
        code = run_take_step(r, step);
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

int cmd_generate(const options *o)
{
    run r = {.o = o, .dir = o->capture};
    int code = check_options(o);

    if (code != EXIT_OK)
        return code;
    if (given_prompts(o))
        return generate_prompts(o);
    catch_interrupts();
    if ((code = session_open_engine(&r.s, o)) == EXIT_OK &&
        (code = session_read_prompt(&r.s, o)) == EXIT_OK) {
        r.prompt_polls = (r.s.n_ids + 127) / 128 * tempo_model_get_info(r.s.model)->n_layers;
        if ((code = run_begin(&r)) == EXIT_OK)
            code = decode_and_report(&r);
    }
    run_free(&r);
    session_close(&r.s);
    return code;
}
