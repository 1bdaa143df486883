/* prompts.c - runs of many prompts, so many of them in a batch at a time. */
#include <stdio.h>
#include <stdlib.h>

#include "capture/capture.h"
#include "run/run.h"

enum { GROUP = 16, DIRECTORY = 4096 };

typedef struct many {
    tempo_engine *e;
    tempo_run_options o;
    const tempo_run_prompt *prompts; /* [n] */
    size_t n;
    const char *(*name_of)(const void *user);
} many;

static tempo_status create_one(tempo_run **out, const many *m, size_t i, tempo_err *err)
{
    tempo_run_options o = m->o;
    char dir[DIRECTORY], number[24];

    (void)snprintf(number, sizeof(number), "%04zu", i);
    if (o.capture_dir != NULL) {
        const char *name = m->name_of != NULL ? m->name_of(m->prompts[i].user) : number;
        if ((size_t)snprintf(dir, sizeof(dir), "%s%s%s", o.capture_dir, *name != '\0' ? "/" : "", name) >=
            sizeof(dir))
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.64s...: the path is too long",
                              o.capture_dir);
        o.capture_dir = dir;
    }
    return tempo_run_create(out, m->e, &o, &m->prompts[i], err);
}

static tempo_status run_group(const many *m, size_t first, size_t n, const tempo_observer *obs,
                              tempo_err *err)
{
    tempo_run **runs = calloc(n, sizeof(tempo_run *));
    tempo_status st = runs != NULL ? TEMPO_OK
                                   : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET,
                                                "no memory for runs of %zu prompts", n);

    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = create_one(&runs[i], m, first + i, err);
    if (st == TEMPO_OK)
        st = tempo_runs_all(runs, n, obs, err);
    for (size_t i = 0; runs != NULL && i < n; i++)
        tempo_run_free(runs[i]);
    free(runs);
    return st;
}

/* Before the first one runs. */
static tempo_status check_prompts(const many *m, tempo_err *err)
{
    const tempo_model *model = tempo_engine_model(m->e);
    uint64_t bytes = 0;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < m->n && st == TEMPO_OK; i++) {
        if ((st = tempo_run_check(model, &m->o, &m->prompts[i], err)) != TEMPO_OK) {
            tempo_err_prefix(err, "prompt %zu", i);
            break;
        }
        const uint64_t one = tempo_run_estimate(model, &m->o, m->prompts[i].n);
        bytes = one < UINT64_MAX - bytes ? bytes + one : UINT64_MAX;
    }
    if (st == TEMPO_OK && m->o.capture_dir != NULL)
        st = tempo_capture_check_size(bytes, m->o.capture->max_bytes, err);
    return st;
}

tempo_status tempo_runs_prompts(tempo_engine *e, const tempo_run_options *o, const tempo_run_prompt *prompts,
                                size_t n, size_t group, const char *(*name_of)(const void *user),
                                const tempo_observer *obs, tempo_err *err)
{
    many m = {.e = e, .prompts = prompts, .n = n, .name_of = name_of};
    tempo_capture_options c;
    uint64_t shared = 0;
    tempo_status st;

    if ((st = tempo_run_options_take(&m.o, o, err)) != TEMPO_OK ||
        (st = tempo_capture_options_take(&c, m.o.capture, err)) != TEMPO_OK)
        return st;
    if (c.shared_bytes == NULL) /* max_bytes bounds all of them together */
        c.shared_bytes = &shared;
    m.o.capture = &c;
    st = check_prompts(&m, err);
    group = group == 0 ? GROUP : group;
    for (size_t i = 0; i < n && st == TEMPO_OK; i += group)
        st = run_group(&m, i, n - i < group ? n - i : group, obs, err);
    return st;
}
