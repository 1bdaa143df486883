/* sweep.c - prompts in groups through the model, and what came of each to the tables. */
#include <stdio.h>
#include <stdlib.h>

#include "sweep/sweep.h"

enum { GROUP = 64, NAME = 24 };

typedef struct sweeping {
    tempo_engine *e;
    tempo_sweep_job j;
    uint32_t *of; /* [n] shards of the prompts, or NULL: there is one */
    json_t *what;
    tempo_ledger_plan plan;
    tempo_ledger *ledger; /* NULL: no directory */
    size_t next;          /* the next prompt of this shard; n: there are none */
    size_t done, total;
    size_t *group; /* [batch] prompts that go together */
    size_t n_group, batch;
    uint64_t most;       /* bytes for a group */
    size_t per;          /* runs of a prompt: a run has TEMPO_RUN_MAX_ARMS ways at most */
    tempo_run_arm *arms; /* [n_decoding] */
    char (*names)[NAME]; /* [n_decoding] */
    tempo_run **runs;    /* [batch * per] */
} sweeping;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a sweep");
}

static size_t mine_from(const sweeping *g, size_t prompt)
{
    while (prompt < g->j.n && g->of != NULL && g->of[prompt] != g->j.o.shard)
        prompt++;
    return prompt;
}

/* ---- a group ---- */

static tempo_status create_runs(sweeping *g, size_t prompt, tempo_run **runs, tempo_err *err)
{
    const tempo_sweep_prompt *p = &g->j.prompts[prompt];
    const tempo_run_prompt one = {.ids = p->ids, .n = p->n};
    tempo_run_options o;
    tempo_status st = TEMPO_OK;

    tempo_run_options_init(&o);
    o.keep = true;
    for (size_t i = 0; i < g->per && st == TEMPO_OK; i++) {
        const size_t first = i * TEMPO_RUN_MAX_ARMS, left = g->j.o.n_decoding - first;
        o.arms = g->arms + first;
        o.n_arms = left < TEMPO_RUN_MAX_ARMS ? left : TEMPO_RUN_MAX_ARMS;
        st = tempo_run_create(&runs[i], g->e, &o, &one, err);
    }
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "prompt '%.60s'", p->id);
    return st;
}

static void free_runs(sweeping *g)
{
    for (size_t i = 0; i < g->n_group * g->per; i++) {
        tempo_run_free(g->runs[i]);
        g->runs[i] = NULL;
    }
}

static tempo_status decode(sweeping *g, tempo_err *err)
{
    const tempo_observer obs = {.user = g->j.o.user, .poll = g->j.o.poll};
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < g->n_group && st == TEMPO_OK; i++)
        st = create_runs(g, g->group[i], g->runs + i * g->per, err);
    return st == TEMPO_OK ? tempo_runs_all(g->runs, g->n_group * g->per, &obs, err) : st;
}

/* What came of prompt i of the group. */
static tempo_status tell(sweeping *g, size_t i, tempo_err *err)
{
    tempo_csv tables[TEMPO_SWEEP_TABLES] = {0};
    tempo_status st = TEMPO_OK;

    for (size_t k = 0; k < g->j.o.n_decoding && st == TEMPO_OK; k++) {
        const tempo_sweep_run r = {.prompt = g->group[i],
                                   .decoding = k,
                                   .run = g->runs[i * g->per + k / TEMPO_RUN_MAX_ARMS],
                                   .arm = k % TEMPO_RUN_MAX_ARMS};
        if (g->ledger != NULL)
            tempo_sweep_tell(&g->j, &r, tables);
        if (g->j.o.run != NULL)
            st = g->j.o.run(g->j.o.user, &r, err);
    }
    if (st == TEMPO_OK && g->ledger != NULL)
        st = tempo_ledger_add(g->ledger, tables, err);
    for (size_t t = 0; t < TEMPO_SWEEP_TABLES; t++)
        free(tables[t].p);
    return st;
}

/* The next prompts, as many as go together; at least one. */
static void choose(sweeping *g)
{
    uint64_t bytes = 0;

    for (g->n_group = 0; g->n_group < g->batch && g->next < g->j.n; g->n_group++) {
        bytes += tempo_sweep_bytes(&g->j, g->next);
        if (g->n_group > 0 && bytes > g->most)
            break;
        g->group[g->n_group] = g->next;
        g->next = mine_from(g, g->next + 1);
    }
}

static tempo_status run_group(sweeping *g, tempo_err *err)
{
    tempo_err why = {0};
    tempo_status st = decode(g, &why);

    if (st == TEMPO_E_NOMEM && g->n_group > 1) { /* less was left than it seemed */
        free_runs(g);
        g->batch = g->n_group / 2;
        g->next = g->group[0];
        g->n_group = 0;
        return TEMPO_OK;
    }
    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
        *err = why;
    for (size_t i = 0; i < g->n_group && st == TEMPO_OK; i++)
        st = tell(g, i, err);
    if (st == TEMPO_OK && g->ledger != NULL)
        st = tempo_ledger_flush(g->ledger, err);
    free_runs(g);
    g->done += st == TEMPO_OK ? g->n_group : 0;
    return st;
}

/* ---- life ---- */

static tempo_status deal(sweeping *g, tempo_err *err)
{
    uint64_t *cost = malloc(g->j.n * sizeof(*cost));
    tempo_status st = TEMPO_OK;

    g->of = malloc(g->j.n * sizeof(*g->of));
    if (cost == NULL || g->of == NULL)
        st = no_memory(err);
    for (size_t i = 0; i < g->j.n && st == TEMPO_OK; i++)
        cost[i] = tempo_sweep_cost(&g->j, i);
    if (st == TEMPO_OK)
        st = tempo_shard_deal(g->of, cost, g->j.n, g->j.o.n_shards, err);
    free(cost);
    return st;
}

static tempo_status open_ledger(sweeping *g, tempo_err *err)
{
    if ((g->what = tempo_sweep_what(&g->j)) == NULL)
        return no_memory(err);
    g->plan = (tempo_ledger_plan){.what = g->what,
                                  .tables = {"sets.csv", "runs.csv"},
                                  .n_tables = TEMPO_SWEEP_TABLES,
                                  .n_units = g->j.n,
                                  .of = g->of,
                                  .shard = g->j.o.shard,
                                  .n_shards = g->j.o.n_shards};
    tempo_sweep_headers(&g->j, g->plan.headers);
    if (g->plan.headers[0].failed || g->plan.headers[1].failed)
        return no_memory(err);
    return tempo_ledger_open(&g->ledger, g->j.o.out, &g->plan, err);
}

static tempo_status make_room(sweeping *g, tempo_err *err)
{
    const size_t ways = g->j.o.n_decoding;
    const uint64_t available = tempo_memory_available();

    g->per = (ways + TEMPO_RUN_MAX_ARMS - 1) / TEMPO_RUN_MAX_ARMS;
    g->batch = g->j.o.batch > 0 ? g->j.o.batch : GROUP;
    g->batch = g->batch < g->j.n ? g->batch : g->j.n;
    g->most = g->j.o.max_bytes > 0      ? g->j.o.max_bytes
              : available == UINT64_MAX ? UINT64_C(1) << 30
                                        : available / 2;
    g->arms = calloc(ways, sizeof(*g->arms));
    g->names = calloc(ways, sizeof(*g->names));
    g->group = calloc(g->batch, sizeof(*g->group));
    g->runs = calloc(g->batch * g->per, sizeof(*g->runs));
    if (g->arms == NULL || g->names == NULL || g->group == NULL || g->runs == NULL)
        return no_memory(err);
    for (size_t i = 0; i < ways; i++) {
        (void)snprintf(g->names[i], NAME, "w%zu", i);
        g->arms[i] = (tempo_run_arm){g->names[i], &g->j.o.decoding[i]};
    }
    return TEMPO_OK;
}

static tempo_status run(sweeping *g, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    g->next = mine_from(g, 0);
    for (size_t i = g->next; i < g->j.n; i = mine_from(g, i + 1))
        g->total++;
    if (g->ledger != NULL) {
        g->done = tempo_ledger_done(g->ledger);
        g->next = tempo_ledger_next(g->ledger) == SIZE_MAX ? g->j.n : tempo_ledger_next(g->ledger);
    }
    while (st == TEMPO_OK) {
        if (g->j.o.progress != NULL)
            g->j.o.progress(g->j.o.user, g->done, g->total);
        if (g->next >= g->j.n)
            break;
        choose(g);
        st = run_group(g, err);
    }
    return st;
}

static void give_back(sweeping *g)
{
    tempo_ledger_close(g->ledger);
    for (size_t i = 0; i < TEMPO_SWEEP_TABLES; i++)
        free(g->plan.headers[i].p);
    json_decref(g->what);
    free(g->of);
    free(g->arms);
    free(g->names);
    free(g->group);
    free(g->runs);
    tempo_sweep_drop(&g->j);
}

tempo_status tempo_sweep(tempo_engine *e, const tempo_sweep_prompt *prompts, size_t n,
                         const tempo_sweep_options *o, tempo_err *err)
{
    sweeping g = {.e = e};
    tempo_status st = tempo_sweep_take(&g.j, tempo_engine_model(e), prompts, n, o, err);

    if (st == TEMPO_OK && g.j.o.n_shards > 1)
        st = deal(&g, err);
    if (st == TEMPO_OK && (st = make_room(&g, err)) == TEMPO_OK && g.j.o.out != NULL)
        st = open_ledger(&g, err);
    if (st == TEMPO_OK)
        st = run(&g, err);
    give_back(&g);
    return st;
}
