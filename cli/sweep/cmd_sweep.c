/* cmd_sweep.c - many prompts, decoded in many ways, as one table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompt/edits.h"
#include "cli/sweep/sweep.h"
#include "run/document.h"
#include "shard/shard.h"

typedef struct sweeping {
    session s;
    const options *o;
    sweep_ways ways;
    tempo_prompt_lines *lines;
    session *texts;              /* [n] ids of each */
    tempo_sweep_prompt *prompts; /* [n] */
    size_t n;
    tempo_edits *edits;
    tempo_sweep_options sweep;
    char dir[SWEEP_PATH];
    char *about;
    size_t done, total;
} sweeping;

/* ---- what is asked ---- */

static const char *variable(const char *name)
{
    return getenv(name);
}

static int take_shard(sweeping *g)
{
    const options *o = g->o;
    uint32_t shard = 0, of = 1;
    tempo_err err = {0};
    int n;

    if (o->shard != NULL && tempo_shard_parse(o->shard, variable, &shard, &of, &err) != TEMPO_OK) {
        tempo_err_prefix(&err, "--shard");
        return say_error(&err);
    }
    g->sweep.shard = shard;
    g->sweep.n_shards = of;
    n = of > 1
            ? snprintf(g->dir, sizeof(g->dir), "%s/shard-%04u-of-%04u", o->dir, (unsigned)shard, (unsigned)of)
            : snprintf(g->dir, sizeof(g->dir), "%s", o->dir);
    if (n < 0 || (size_t)n >= sizeof(g->dir)) {
        say("--out: the path is too long");
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int check_options(sweeping *g)
{
    if (g->o->prompts_file == NULL || g->o->dir == NULL) {
        say("sweep needs --prompts FILE and --out DIR");
        return EXIT_USAGE;
    }
    const int code = take_shard(g);
    return code == EXIT_OK ? sweep_read_ways(&g->ways, g->o) : code;
}

static int read_prompts(sweeping *g)
{
    int code = EXIT_OK;

    g->texts = calloc(g->lines->n, sizeof(*g->texts));
    g->prompts = calloc(g->lines->n, sizeof(*g->prompts));
    if (g->texts == NULL || g->prompts == NULL) {
        say("out of memory for the prompts");
        return EXIT_FAILED;
    }
    for (; g->n < g->lines->n && code == EXIT_OK; g->n++) {
        session *text = &g->texts[g->n];
        *text = (session){.model = g->s.model, .engine = g->s.engine};
        code = prompts_take(text, g->o, g->lines, g->n);
        g->prompts[g->n] = (tempo_sweep_prompt){g->lines->lines[g->n].key, text->ids, text->n_ids};
    }
    return code;
}

/* What has to be the same for a sweep to go on, besides what the library knows. */
static int make_about(sweeping *g)
{
    json_t *about, *edits = tempo_json_edit_files(g->edits);

    if (!session_hash(&g->s))
        return interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
    about = json_pack("{s:s, s:s}", "model_sha256", g->s.sha256, "prompts_sha256", g->lines->sha256);
    if (edits != NULL)
        json_object_set_new(about, "edits", edits);
    g->about = json_dumps(about, JSON_COMPACT);
    json_decref(about);
    if (g->about == NULL)
        say("out of memory for the plan");
    return g->about != NULL ? EXIT_OK : EXIT_FAILED;
}

static int take_edits(sweeping *g)
{
    tempo_err err = {0};

    if (edits_make(&g->edits, g->o, g->s.model, &err) != TEMPO_OK)
        return say_error(&err);
    for (size_t i = 0; i < g->ways.n; i++)
        g->ways.list[i].edits = g->edits;
    return EXIT_OK;
}

/* ---- the sweep ---- */

static void tell_progress(void *user, size_t done, size_t total)
{
    sweeping *g = user;

    g->done = done;
    g->total = total;
    show_progress("decoding", done, total);
}

static json_t *make_facts(const sweeping *g)
{
    const tempo_model_info *m = tempo_model_get_info(g->s.model);
    json_t *model = json_model(&g->s, g->o), *config = json_object(), *columns = json_array();

    json_object_set_new(model, "sha256", json_string(g->s.sha256));
    for (size_t i = 0; i < g->ways.n_columns; i++)
        json_array_append_new(columns, json_string(g->ways.names[i]));
    json_object_set_new(config, "columns", columns);
    json_object_set_new(config, "ways", json_integer((json_int_t)g->ways.n));
    json_object_set_new(config, "prompts", json_integer((json_int_t)g->n));
    json_object_set_new(config, "prompts_sha256", json_string(g->lines->sha256));
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:o}", "kind", "sweep", "status", "complete", "model", model,
                     "kernels", m->kernels, "compute", m->compute, "config", config);
}

static int sweep(sweeping *g)
{
    tempo_sweep_options *o = &g->sweep;
    tempo_err err = {0};
    const tempo_status st = tempo_sweep(g->s.engine, g->prompts, g->n, o, &err);

    show_progress("", 0, 0);
    if (st == TEMPO_E_STOPPED) {
        say("%s: %zu of %zu prompts are there; the same command goes on", g->dir, g->done, g->total);
        return EXIT_INTERRUPTED;
    }
    if (st != TEMPO_OK)
        return say_error(&err);
    const int code = sweep_write_manifest(g->o, g->dir, make_facts(g));
    if (code == EXIT_OK)
        say("%s: %zu prompts, each decoded in %zu way%s", g->dir, g->total, g->ways.n,
            g->ways.n == 1 ? "" : "s");
    return code;
}

static int run(sweeping *g)
{
    int code = session_open_engine(&g->s, g->o);

    if (code != EXIT_OK || (code = read_prompts(g)) != EXIT_OK || (code = take_edits(g)) != EXIT_OK ||
        (code = make_about(g)) != EXIT_OK)
        return code;
    g->sweep.decoding = g->ways.list;
    g->sweep.n_decoding = g->ways.n;
    g->sweep.columns = g->ways.names;
    g->sweep.n_columns = g->ways.n_columns;
    g->sweep.out = g->dir;
    g->sweep.about = g->about;
    g->sweep.batch = g->o->batch;
    g->sweep.max_bytes = g->o->max_memory;
    g->sweep.user = g;
    g->sweep.poll = poll_interrupts;
    g->sweep.progress = tell_progress;
    return sweep(g);
}

int cmd_sweep(const options *o)
{
    sweeping g = {.o = o};
    int code;

    tempo_sweep_options_init(&g.sweep);
    catch_interrupts();
    if ((code = check_options(&g)) == EXIT_OK && (code = prompts_load(&g.lines, o->prompts_file)) == EXIT_OK)
        code = run(&g);
    for (size_t i = 0; i < g.n; i++)
        prompts_drop(&g.texts[i]);
    free(g.texts);
    free(g.prompts);
    free(g.about);
    tempo_edits_free(g.edits);
    tempo_prompt_lines_free(g.lines);
    sweep_free_ways(&g.ways);
    session_close(&g.s);
    return code;
}
