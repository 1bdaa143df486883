/* floor.c - groups of four arms, each a run: the first as they are, the others with changed roundings. */
#include "study/floor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "stats/stats.h"
#include "study/compare.h"

enum { ISOLATED, VISIBLE, OFFSET_ISOLATED, OFFSET_VISIBLE, ARMS };

/* Four arms and what was seen of them against group 0. */
typedef struct group {
    char name[32];
    bool mirrored, other;
    tempo_run *run;
    double *tv[2],
        *offset;     /* [steps] between arm and copy; this group's own TV(offset isolated, offset visible) */
    double *between; /* [steps] this group's own TV(isolated, visible) */
    double rows[2], share; /* sums over parallel steps: TV of rows, sibling share */
} group;

struct tempo_floor {
    tempo_engine *engine;
    tempo_floor_options o;
    group g[TEMPO_FLOOR_MAX_GROUPS];
    size_t n_groups, n_layers, n_heads;
    size_t n, parallel; /* steps since the first parallel set was read; parallel sets */
    double *scratch;    /* [2 * n_layers * n_heads] */
    uint64_t bits;      /* FNV-1a over the distributions of group 0 */
};

static const tempo_lane *lane(const group *g, size_t arm)
{
    return &g->run->arms[arm].lane;
}

/* ---- a step ---- */

static void hash_bits(tempo_floor *f, const tempo_lane *l)
{
    const size_t n = tempo_model_get_info(tempo_engine_model(f->engine))->n_vocab;
    const double *q = tempo_decoder_distribution(l->d);

    for (size_t i = 0; i < n; i++) {
        uint64_t u;
        memcpy(&u, &q[i], sizeof(u));
        f->bits = (f->bits ^ u) * 0x100000001b3u;
    }
}

static void measure(tempo_floor *f, group *g)
{
    group *base = &f->g[0];

    if (lane(base, ISOLATED)->rows > 1) {
        g->share +=
            tempo_compare_siblings(lane(g, VISIBLE), f->scratch, f->scratch + f->n_layers * f->n_heads).share;
        for (size_t k = 0; k < 2 && g != base; k++)
            g->rows[k] += tempo_compare_rows(lane(base, k), lane(g, k), g->mirrored);
    }
    for (size_t k = 0; k < 2; k++)
        g->tv[k][f->n] = tempo_compare_tv(lane(base, k), lane(g, k));
    g->between[f->n] = tempo_compare_tv(lane(g, ISOLATED), lane(g, VISIBLE));
    g->offset[f->n] = tempo_compare_tv(lane(g, OFFSET_ISOLATED), lane(g, OFFSET_VISIBLE));
}

/* Of group 0, when all groups have been read. */
static tempo_status hear_read(void *user, tempo_run *run, tempo_err *err)
{
    tempo_floor *f = user;
    group *base = &f->g[0];

    (void)err;
    if (run != base->run)
        return TEMPO_OK;
    hash_bits(f, lane(base, ISOLATED));
    hash_bits(f, lane(base, VISIBLE));
    f->parallel += lane(base, ISOLATED)->rows > 1;
    if (f->parallel > 0) {
        for (size_t i = 0; i < f->n_groups; i++)
            measure(f, &f->g[i]);
        f->n++;
    }
    return TEMPO_OK;
}

/* Where one cannot go on, all have ended. */
static tempo_status hear_step(void *user, tempo_run *run, tempo_err *err)
{
    const tempo_floor *f = user;
    bool ended = false;

    (void)err;
    for (size_t k = 0; k < ARMS; k++)
        ended = ended || tempo_decoder_stopped(run->arms[k].lane.d) != TEMPO_RUNNING;
    for (size_t i = 0; i < f->n_groups && ended; i++)
        tempo_run_stop(f->g[i].run);
    return TEMPO_OK;
}

/* ---- life ---- */

void tempo_floor_free(tempo_floor *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n_groups; i++) {
        tempo_run_free(f->g[i].run);
        free(f->g[i].tv[0]);
        free(f->g[i].tv[1]);
        free(f->g[i].offset);
        free(f->g[i].between);
    }
    free(f->scratch);
    free(f);
}

static tempo_status open_run(tempo_floor *f, group *g, tempo_decode_options d, const int32_t *prompt,
                             size_t n, tempo_err *err)
{
    static const char *const names[ARMS] = {"isolated", "visible", "offset-isolated", "offset-visible"};
    const tempo_run_prompt p = {.ids = prompt, .n = n};
    const tempo_sink sink = {.user = f, .read = hear_read, .step = hear_step};
    tempo_decode_options decoding[ARMS];
    tempo_run_arm arms[ARMS];
    tempo_run_options o;

    for (size_t i = 0; i < ARMS; i++) {
        d.mode = i % 2 == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE;
        d.positions = i < OFFSET_ISOLATED ? TEMPO_POSITIONS_SHARED : TEMPO_POSITIONS_OFFSET;
        d.position_offset = d.positions == TEMPO_POSITIONS_OFFSET ? f->o.position_offset : 0.0;
        decoding[i] = d;
        arms[i] = (tempo_run_arm){.name = names[i], .decoding = &decoding[i]};
    }
    tempo_run_options_init(&o);
    o.arms = arms;
    o.n_arms = ARMS;
    o.regime = TEMPO_REGIME_LOCKSTEP;
    o.driver = ISOLATED;
    o.compared = 1; /* they have the same sets */
    o.sinks = &sink;
    o.n_sinks = 1;
    const tempo_status st = tempo_run_create(&g->run, g->other ? f->o.other : f->engine, &o, &p, err);
    if (st != TEMPO_OK)
        return st;
    tempo_run_watch(g->run, ISOLATED);
    tempo_run_watch(g->run, VISIBLE);
    if (g != &f->g[0])
        tempo_run_follow(g->run, f->g[0].run);
    return TEMPO_OK;
}

static tempo_status add_group(tempo_floor *f, const char *name, uint64_t nudge, bool mirrored, bool other,
                              const int32_t *prompt, size_t n, tempo_err *err)
{
    group *g = &f->g[f->n_groups++];
    tempo_decode_options d;

    *g = (group){.mirrored = mirrored, .other = other};
    (void)snprintf(g->name, sizeof(g->name), "%s", name);
    tempo_decode_options_init(&d);
    d.threshold = f->o.threshold;
    d.steps = f->o.steps;
    d.edits = other ? f->o.other_edits : f->o.edits;
    d.nudge = nudge;
    d.order = mirrored ? TEMPO_ORDER_ASCENDING : TEMPO_ORDER_DESCENDING;
    double **all[] = {&g->tv[0], &g->tv[1], &g->offset, &g->between};
    for (size_t i = 0; i < 4; i++)
        if ((*all[i] = calloc(f->o.steps, sizeof(double))) == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the noise floor");
    return open_run(f, g, d, prompt, n, err);
}

static tempo_status add_groups(tempo_floor *f, const int32_t *prompt, size_t n, tempo_err *err)
{
    tempo_status st = add_group(f, "base", 0, false, false, prompt, n, err);
    char name[32];

    for (size_t i = 0; i < f->o.n_nudges && i < TEMPO_FLOOR_MAX_NUDGES && st == TEMPO_OK; i++) {
        (void)snprintf(name, sizeof(name), "nudge-%llu", (unsigned long long)f->o.nudges[i]);
        st = add_group(f, name, f->o.nudges[i], false, false, prompt, n, err);
    }
    if (st == TEMPO_OK && f->o.member_order)
        st = add_group(f, "order", 0, true, false, prompt, n, err);
    if (st == TEMPO_OK && f->o.other != NULL)
        st = add_group(f, "instruction_set", 0, false, true, prompt, n, err);
    return st;
}

tempo_status tempo_floor_create(tempo_floor **out, tempo_engine *e, const tempo_floor_options *o,
                                const int32_t *prompt, size_t n, tempo_err *err)
{
    const tempo_model_info *m = tempo_model_get_info(tempo_engine_model(e));
    tempo_floor *f = calloc(1, sizeof(*f));
    tempo_status st;

    *out = NULL;
    if (f == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the noise floor");
    f->engine = e;
    f->o = *o;
    f->n_layers = m->n_layers;
    f->n_heads = m->n_heads;
    f->bits = 0xcbf29ce484222325u;
    f->scratch = calloc(2 * f->n_layers * f->n_heads, sizeof(double));
    st = f->scratch != NULL
             ? add_groups(f, prompt, n, err)
             : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the noise floor");
    if (st != TEMPO_OK) {
        tempo_floor_free(f);
        return st;
    }
    *out = f;
    return TEMPO_OK;
}

void tempo_floor_runs(const tempo_floor *f, tempo_run **runs, size_t *n)
{
    for (size_t i = 0; i < f->n_groups; i++)
        runs[(*n)++] = f->g[i].run;
}

/* ---- the document ---- */

/* The larger, NaN if one is. */
static double larger(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static json_t *group_values(const tempo_floor *f, const group *g)
{
    const group *base = &f->g[0];
    const double n = (double)f->parallel; /* 0: every quotient below is NaN */
    const double d2 = tempo_stats_median(g->offset, f->n) - tempo_stats_median(g->between, f->n);
    const double d2_base = tempo_stats_median(base->offset, f->n) - tempo_stats_median(base->between, f->n);

    return json_pack(
        "{s:o, s:o, s:o, s:o}", "A2", tempo_json_number(larger(g->rows[0] / n, g->rows[1] / n)), "B",
        tempo_json_number(larger(tempo_stats_median(g->tv[0], f->n), tempo_stats_median(g->tv[1], f->n))),
        "C", tempo_json_number(fabs(g->share / n - base->share / n)), "D2",
        tempo_json_number(fabs(d2 - d2_base)));
}

json_t *tempo_floor_json(const tempo_floor *f)
{
    json_t *values = json_object();
    char bits[17];

    for (size_t i = 1; i < f->n_groups; i++)
        json_object_set_new(values, f->g[i].name, group_values(f, &f->g[i]));
    (void)snprintf(bits, sizeof(bits), "%016llx", (unsigned long long)f->bits);
    return json_pack("{s:o, s:s}", "values", values, "bits", bits);
}
