/* sink_jsonl.c - --jsonl: a line for each set, as it happens. */
#include "cli/generate/generate.h"
#include "cli/message.h"
#include "run/document.h"

static void *open_jsonl(generation *g)
{
    return g;
}

static tempo_status step(void *user, tempo_run *r, tempo_err *err)
{
    const prompt *p = prompt_of(r);
    tempo_status st = TEMPO_OK;

    (void)err;
    for (size_t i = 0; i < tempo_run_arms(r) && st == TEMPO_OK; i++) {
        if (!tempo_run_arm_read(r, i))
            continue;
        json_t *line = tempo_json_line(r, i, tempo_run_steps(r, i) - 1, p->line != NULL ? p->line->id : NULL);
        st = print_json(line, true) == EXIT_OK ? sink_flush(user) : sink_failed(user);
    }
    return st;
}

static int close_jsonl(void *user, int code)
{
    (void)user;
    return code;
}

const sink_kind jsonl_sink = {open_jsonl, {.step = step}, NULL, close_jsonl};
