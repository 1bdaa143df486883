/* sink_figures.c - on standard error: how many sets and members, why arms stopped, and how long it took. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/generate/generate.h"
#include "cli/message.h"
#include "cli/prompt/edits.h"
#include "run/document.h"

typedef struct figures {
    generation *g;
    size_t steps, members;            /* of several prompts */
    json_t *uses[TEMPO_RUN_MAX_ARMS]; /* of edits, in any of the prompts */
} figures;

static void *open_figures(generation *g)
{
    figures *f = calloc(1, sizeof(*f));

    if (f != NULL)
        f->g = g;
    else
        say("out of memory for the output");
    return f;
}

/* Limits say what they are and how to move them. */
static void show_reason(const generation *g, const tempo_run *r, size_t arm)
{
    const tempo_decoder *d = tempo_run_decoder(r, arm);

    (void)fprintf(stderr, "stopped by %s", tempo_run_stopped_by(r, arm));
    if (tempo_decoder_stopped(d) == TEMPO_STOPPED_CONTEXT)
        (void)fprintf(stderr, " (the model has %u positions)",
                      tempo_model_get_info(g->s.model)->context_length);
    else if (tempo_decoder_stopped(d) == TEMPO_STOPPED_SLOTS)
        (void)fprintf(stderr, " (a sequence may have %zu: --max-slots)",
                      tempo_seq_max_slots(tempo_decoder_seq(d)));
}

static void show_figures(const generation *g, const tempo_run *r)
{
    const prompt *p = prompt_of(r);
    size_t longest = 0;

    for (size_t i = 0; i < tempo_run_arms(r); i++) {
        const size_t steps = tempo_run_steps(r, i), members = tempo_run_members(r, i);
        if (tempo_run_arms(r) > 1)
            (void)fprintf(stderr, "%s%s: ", i > 0 ? "\n" : "", tempo_run_arm_name(r, i));
        (void)fprintf(stderr, "%zu step%s, %zu member%s, ", steps, steps == 1 ? "" : "s", members,
                      members == 1 ? "" : "s");
        show_reason(g, r, i);
        longest = steps > longest ? steps : longest;
    }
    if (longest > 0)
        (void)fprintf(stderr, "; first set after %.1f ms", p->first_set_ms - p->begin_ms);
    if (longest > 1)
        (void)fprintf(stderr, ", then %.2f ms per step",
                      (p->end_ms - p->first_set_ms) / (double)(longest - 1));
    (void)fputc('\n', stderr);
}

static tempo_status end(void *user, tempo_run *r, tempo_err *err)
{
    figures *f = user;

    (void)err;
    if (!f->g->several)
        show_figures(f->g, r);
    for (size_t i = 0; i < tempo_run_arms(r); i++) {
        f->steps += tempo_run_steps(r, i);
        f->members += tempo_run_members(r, i);
        tempo_edits_add_uses(&f->uses[i], tempo_json_edit_uses(r, i));
    }
    return TEMPO_OK;
}

static int close_figures(void *user, int code)
{
    figures *f = user;
    const generation *g = f->g;

    if (g->several && (code == EXIT_OK || code == EXIT_INTERRUPTED))
        (void)fprintf(stderr, "%zu prompt%s, %zu steps, %zu members; %.1f ms\n", g->n_prompts,
                      g->n_prompts == 1 ? "" : "s", f->steps, f->members, now_ms() - g->prompts[0].begin_ms);
    for (size_t i = 0; i < g->arms->n; i++) {
        if (code == EXIT_OK || code == EXIT_INTERRUPTED)
            edits_say(f->uses[i], g->arms->n > 1 ? g->arms->names[i] : NULL);
        json_decref(f->uses[i]);
    }
    free(f);
    return code;
}

const sink_kind figures_sink = {open_figures, {.end = end}, NULL, close_figures};
