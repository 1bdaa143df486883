/* floor.c - groups of four arms: the first as they are, the others with changed roundings. */
#include "study/floor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "stats/stats.h"

enum { ISOLATED, VISIBLE, OFFSET_ISOLATED, OFFSET_VISIBLE, ARMS };

/* Four arms and what was seen of them against group 0. */
typedef struct group {
    char name[32];
    bool mirrored, other;
    tempo_lane lane[ARMS];
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
    bool ended;
};

void tempo_floor_free(tempo_floor *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n_groups; i++) {
        for (size_t k = 0; k < ARMS; k++)
            tempo_lane_free(&f->g[i].lane[k]);
        free(f->g[i].tv[0]);
        free(f->g[i].tv[1]);
        free(f->g[i].offset);
        free(f->g[i].between);
    }
    free(f->scratch);
    free(f);
}

static tempo_status add_group(tempo_floor *f, const char *name, uint64_t nudge, bool mirrored, bool other,
                              const int32_t *prompt, size_t n, tempo_err *err)
{
    group *g = &f->g[f->n_groups++];
    tempo_decode_options o;
    tempo_status st = TEMPO_OK;

    *g = (group){.mirrored = mirrored, .other = other};
    (void)snprintf(g->name, sizeof(g->name), "%s", name);
    tempo_decode_options_init(&o);
    o.threshold = f->o.threshold;
    o.steps = f->o.steps;
    o.nudge = nudge;
    o.order = mirrored ? TEMPO_ORDER_ASCENDING : TEMPO_ORDER_DESCENDING;
    for (size_t i = 0; i < ARMS && st == TEMPO_OK; i++) {
        o.mode = i % 2 == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE;
        o.positions = i < OFFSET_ISOLATED ? TEMPO_POSITIONS_SHARED : TEMPO_POSITIONS_OFFSET;
        o.position_offset = o.positions == TEMPO_POSITIONS_OFFSET ? f->o.position_offset : 0.0;
        g->lane[i].watch = i <= VISIBLE;
        st = tempo_decoder_create(&g->lane[i].d, other ? f->o.other : f->engine, &o, prompt, n, err);
    }
    double **all[] = {&g->tv[0], &g->tv[1], &g->offset, &g->between};
    for (size_t i = 0; i < 4 && st == TEMPO_OK; i++)
        if ((*all[i] = calloc(f->o.steps, sizeof(double))) == NULL)
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the noise floor");
    return st;
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

void tempo_floor_lanes(tempo_floor *f, bool other, tempo_lane **lanes, size_t *n)
{
    for (size_t i = 0; i < f->n_groups && !f->ended; i++)
        for (size_t k = 0; k < ARMS && f->g[i].other == other; k++)
            lanes[(*n)++] = &f->g[i].lane[k];
}

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

    if (base->lane[ISOLATED].rows > 1) {
        g->share +=
            tempo_compare_siblings(&g->lane[VISIBLE], f->scratch, f->scratch + f->n_layers * f->n_heads)
                .share;
        for (size_t k = 0; k < 2 && g != base; k++)
            g->rows[k] += tempo_compare_rows(&base->lane[k], &g->lane[k], g->mirrored);
    }
    for (size_t k = 0; k < 2; k++)
        g->tv[k][f->n] = tempo_compare_tv(&base->lane[k], &g->lane[k]);
    g->between[f->n] = tempo_compare_tv(&g->lane[ISOLATED], &g->lane[VISIBLE]);
    g->offset[f->n] = tempo_compare_tv(&g->lane[OFFSET_ISOLATED], &g->lane[OFFSET_VISIBLE]);
}

tempo_status tempo_floor_step(tempo_floor *f, tempo_err *err)
{
    group *base = &f->g[0];
    tempo_status st;

    hash_bits(f, &base->lane[ISOLATED]);
    hash_bits(f, &base->lane[VISIBLE]);
    f->parallel += base->lane[ISOLATED].rows > 1;
    if (f->parallel > 0) {
        for (size_t i = 0; i < f->n_groups; i++)
            measure(f, &f->g[i]);
        f->n++;
    }
    st = tempo_decoder_select(base->lane[ISOLATED].d, err);
    const tempo_set *lead = tempo_decoder_last_set(base->lane[ISOLATED].d);
    for (size_t i = 0; i < f->n_groups; i++)
        for (size_t k = 0; k < ARMS && st == TEMPO_OK; k++)
            if (i + k > 0)
                st = tempo_decoder_adopt(f->g[i].lane[k].d, lead, err);
    for (size_t i = 0; i < f->n_groups && st == TEMPO_OK; i++)
        for (size_t k = 0; k < ARMS; k++)
            f->ended = f->ended || tempo_decoder_stopped(f->g[i].lane[k].d) != TEMPO_RUNNING;
    return st;
}

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
