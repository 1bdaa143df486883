/* sink_times.c - when things happened, and how far they are. */
#include "cli/generate/generate.h"
#include "cli/message.h"

static void *open_times(generation *g)
{
    return g;
}

static tempo_status begin(void *user, tempo_run *r, tempo_err *err)
{
    generation *g = user;
    prompt *p = prompt_of(r);

    (void)err;
    p->begin_ms = now_ms();
    if (g->several)
        show_progress("prompts", p->index, g->n_prompts);
    return TEMPO_OK;
}

static tempo_status step(void *user, tempo_run *r, tempo_err *err)
{
    prompt *p = prompt_of(r);

    (void)user;
    (void)err;
    p->end_ms = now_ms();
    if (p->first_set_ms > 0)
        return TEMPO_OK;
    p->first_set_ms = p->end_ms;
    if (!p->g->several)
        show_progress("", 0, 0);
    return TEMPO_OK;
}

static tempo_status end(void *user, tempo_run *r, tempo_err *err)
{
    prompt *p = prompt_of(r);

    (void)user;
    (void)err;
    if (p->first_set_ms <= 0)
        p->end_ms = now_ms();
    show_progress("", 0, 0); /* what others print stands on a line of its own */
    return TEMPO_OK;
}

static bool poll(void *user)
{
    generation *g = user;

    if (!g->several && g->prompts[0].first_set_ms <= 0)
        show_progress("reading the prompt", g->polls, g->prompt_polls);
    g->polls++;
    return true;
}

static int close_times(void *user, int code)
{
    (void)user;
    show_progress("", 0, 0);
    return code;
}

const sink_kind times_sink = {open_times, {.begin = begin, .step = step, .end = end}, poll, close_times};
