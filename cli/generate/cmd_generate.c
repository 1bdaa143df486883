/* cmd_generate.c - decoding with parallel sets: prompts and arms in one batch, and what is told of them. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/endings.h"
#include "cli/generate/generate.h"
#include "cli/message.h"
#include "cli/terminal.h"

/* What the table cannot say: options that do not go together. */
static int check_options(const options *o)
{
    const tempo_decode_options *d = &o->decoding;
    const char *problem = NULL;

    if (d->replay != TEMPO_REPLAY_NONE && (o->has_context || o->has_readout || o->has_positions))
        problem = "--replay sets --context, --readout and --positions itself: leave them out";
    else if (o->json && o->jsonl)
        problem = "--json and --jsonl: give only one of them";
    else if (o->view && (o->json || o->jsonl))
        problem = "--view is for people, --json and --jsonl are for programs: give only one of them";
    else if (o->capture == NULL && (o->has_capture_option || o->closing_pass || o->capturing.prompt_rows))
        problem = "--record, --record-prompt, --format, --max-capture and --closing-pass need --capture DIR";
    else
        problem = arms_problem(o);
    if (problem == NULL && o->view && terminal_problem() != NULL) {
        say("--view draws on a terminal, and %s; programs read --jsonl", terminal_problem());
        return EXIT_USAGE;
    }
    if (problem == NULL)
        return EXIT_OK;
    say("%s", problem);
    return EXIT_USAGE;
}

static bool poll_sinks(void *user)
{
    return sinks_poll(user) && !interrupted();
}

static const char *directory_of(const void *user)
{
    const prompt *p = user;

    return p->line != NULL ? p->line->name : "";
}

static int decode(generation *g, sinks *listening)
{
    const tempo_observer observer = {.user = listening, .poll = poll_sinks};
    tempo_run_prompt *prompts = calloc(g->n_prompts, sizeof(*prompts));
    tempo_err err = {0};

    if (prompts == NULL) {
        say("out of memory for the prompts");
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < g->n_prompts; i++)
        prompts[i] = (tempo_run_prompt){
            .ids = g->prompts[i].s.ids, .n = g->prompts[i].s.n_ids, .user = &g->prompts[i]};
    const tempo_status st = tempo_runs_prompts(g->s.engine, &g->run, prompts, g->n_prompts, g->o->batch,
                                               directory_of, &observer, &err);
    free(prompts);
    if (st == TEMPO_OK || st == TEMPO_E_STOPPED)
        return st == TEMPO_OK ? EXIT_OK : EXIT_INTERRUPTED;
    show_progress("", 0, 0);
    return g->said ? EXIT_FAILED : say_error(&err);
}

static int run(generation *g)
{
    int code = EXIT_OK;
    sinks *listening;

    if ((code = session_open_engine(&g->s, g->o)) != EXIT_OK || (code = prompts_read(g)) != EXIT_OK ||
        (code = arms_fit(g)) != EXIT_OK || (code = prompts_check(g)) != EXIT_OK)
        return code;
    if ((listening = sinks_open(g)) == NULL)
        return EXIT_FAILED;
    return sinks_close(listening, decode(g, listening));
}

int cmd_generate(const options *o)
{
    generation g = {.o = o};
    int code = check_options(o);

    if (code == EXIT_OK && (code = arms_make(&g)) == EXIT_OK && (code = prompts_open_file(&g)) == EXIT_OK) {
        catch_interrupts();
        code = run(&g);
    }
    prompts_close(&g);
    tempo_given_free(g.given);
    tempo_arms_free(g.arms);
    session_close(&g.s);
    return code;
}
