/* case.c - all arms of a case in one run, captured as they go; its sink gathers what the documents tell. */
#include "experiment/case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/json_out.h"
#include "run/decode_json.h"
#include "study/compare.h"

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the experiment");
}

/* ---- what was read ---- */

/* Do the slots of a set that was read share one position?  As the engine holds them, not as they were asked
 * for. */
static void check_positions(tempo_case_arm *a, const tempo_lane *l)
{
    const tempo_seq *seq = tempo_decoder_seq(l->d);
    const size_t first = l->slots - l->rows;
    bool equal = true;

    if (l->rows < 2)
        return;
    for (size_t i = 1; i < l->rows; i++)
        equal = equal && tempo_seq_slot_at(seq, first + i).position == tempo_seq_slot_at(seq, first).position;
    a->parallel++;
    a->one_position += equal;
}

static void widen(size_t range[2], size_t n, bool first)
{
    range[0] = first || n < range[0] ? n : range[0];
    range[1] = first || n > range[1] ? n : range[1];
}

/* Shapes, and what siblings got. */
static tempo_status count_read(const tempo_running *r, tempo_case_arm *a, const tempo_lane *l, tempo_err *err)
{
    const size_t n = tempo_model_get_info(tempo_engine_model(r->c->engine))->n_layers;
    const bool first = a->reads == 0;

    widen(a->rows, l->rows, first);
    widen(a->slots, l->slots, first);
    widen(a->fresh, first ? l->slots : l->rows, first);
    a->reads++;
    check_positions(a, l);
    if (l->rows < 2 || l->attention == NULL)
        return TEMPO_OK;
    if (a->layer_mass == NULL && (a->layer_mass = calloc(n, sizeof(*a->layer_mass))) == NULL)
        return no_memory(err);
    tempo_case_add_mass(l, a->layer_mass);
    a->mass_steps++;
    return TEMPO_OK;
}

/* Isolated beside visible as long as they have the same tokens behind them. */
static tempo_status compare_arms(const tempo_running *r, const tempo_run *run, tempo_err *err)
{
    const tempo_run_differences d = tempo_run_difference(run);
    json_t *one;

    if (r->isolated == SIZE_MAX || r->visible == SIZE_MAX || d.set != SIZE_MAX || d.order != SIZE_MAX ||
        !tempo_run_arm_read(run, r->isolated) || !tempo_run_arm_read(run, r->visible))
        return TEMPO_OK;
    const tempo_status st =
        tempo_case_difference(&one, &run->arms[r->isolated], &run->arms[r->visible], r->c, run->step, err);
    if (st == TEMPO_OK)
        json_array_append_new(r->compared, one);
    return st;
}

static tempo_status hear_read(void *user, tempo_run *run, tempo_err *err)
{
    tempo_running *r = user;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->c->e->n_arms && st == TEMPO_OK; i++)
        if (tempo_run_arm_read(run, i))
            st = count_read(r, &r->arm[i], &run->arms[i].lane, err);
    return st == TEMPO_OK ? compare_arms(r, run, err) : st;
}

/* ---- what was taken ---- */

static void check_twin(tempo_case_arm *a, const tempo_arm *arm, const tempo_arm *twin)
{
    a->twin_same = a->twin_same && twin->read &&
                   tempo_relate_sets(tempo_decoder_last_set(arm->lane.d),
                                     tempo_decoder_last_set(twin->lane.d)) == TEMPO_SETS_EQUAL &&
                   tempo_compare_same_q(&arm->lane, &twin->lane);
}

/* A line of a verbose file's log. */
static void log_step(const tempo_running *r, const tempo_arm *arm, const tempo_set *set)
{
    char text[200];

    (void)snprintf(
        text, sizeof(text),
        "%s, step %zu: read %zu rows of %zu slots; set of %zu at position %g, entropy %.4f, first slot %lld",
        arm->name, set->step, arm->lane.rows, arm->lane.slots, set->n_members, set->position, set->entropy,
        (long long)set->members[0].slot);
    r->c->o->note(r->c->o->user, r->c->e->name, text);
}

static tempo_status record_step(tempo_running *r, tempo_case_arm *a, const tempo_arm *arm, tempo_err *err)
{
    const tempo_experiment *e = r->c->e;
    const tempo_set *set = tempo_decoder_last_set(arm->lane.d);
    json_t *step = tempo_json_set(tempo_model_tokenizer(tempo_engine_model(r->c->engine)), set),
           *line = json_copy(step);
    tempo_status st = step != NULL && line != NULL ? TEMPO_OK : no_memory(err);

    json_object_set_new(line, "arm", json_string(a->name));
    if (e->n_prompts * e->n_thresholds > 1)
        json_object_set_new(line, "case",
                            json_integer((json_int_t)(r->c->prompt * e->n_thresholds + r->c->threshold)));
    tempo_case_put_id(line, "id", r->c);
    if (e->verbose && r->c->o->note != NULL)
        log_step(r, arm, set);
    if (st == TEMPO_OK && r->lines != NULL)
        st = tempo_jsonlines_add(r->lines, line, err);
    json_decref(line);
    json_array_append_new(a->steps, step);
    json_array_append_new(a->sizes, json_integer((json_int_t)set->n_members));
    if (a->siblings != NULL && arm->lane.rows > 1)
        json_array_append_new(a->siblings, tempo_case_siblings(&arm->lane, set->step));
    return st;
}

static tempo_status hear_step(void *user, tempo_run *run, tempo_err *err)
{
    tempo_running *r = user;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->c->e->n_arms && st == TEMPO_OK; i++) {
        if (!tempo_run_arm_read(run, i))
            continue;
        if (r->arm[i].twin != SIZE_MAX)
            check_twin(&r->arm[i], &run->arms[i], &run->arms[r->arm[i].twin]);
        st = record_step(r, &r->arm[i], &run->arms[i], err);
    }
    return st;
}

/* ---- the whole of it ---- */

/* What siblings got, beside the captures. */
static tempo_status hear_end(void *user, tempo_run *run, tempo_err *err)
{
    const tempo_running *r = user;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->c->e->n_arms && st == TEMPO_OK && !tempo_run_interrupted(run); i++) {
        const tempo_case_arm *a = &r->arm[i];
        char dir[TEMPO_RUN_PATH], path[TEMPO_RUN_PATH];
        if (a->siblings == NULL ||
            (st = tempo_path_join(dir, sizeof(dir), r->c->dir, a->name, err)) != TEMPO_OK ||
            (st = tempo_path_join(path, sizeof(path), dir, r->c->e->cross_parallel_file, err)) != TEMPO_OK)
            continue;
        st = tempo_json_save(path, json_pack("{s:s, s:O}", "arm", a->name, "steps", a->siblings), false, err);
    }
    return st;
}

static void close_case(tempo_running *r)
{
    tempo_run_free(r->run);
    for (size_t i = 0; i < r->c->e->n_arms; i++) {
        json_decref(r->arm[i].steps);
        json_decref(r->arm[i].sizes);
        json_decref(r->arm[i].siblings);
        free(r->arm[i].layer_mass);
    }
    json_decref(r->compared);
}

tempo_status tempo_case_run(json_t **out, const tempo_case *c, tempo_jsonlines *lines, tempo_err *err)
{
    const tempo_observer obs = {.user = c->o->user, .poll = c->o->poll};
    tempo_running r = {.c = c, .lines = lines, .compared = json_array()};
    const tempo_sink sink = {.user = &r, .read = hear_read, .step = hear_step, .end = hear_end};
    tempo_status st = tempo_case_open(&r, &sink, err);

    *out = NULL;
    for (size_t i = 0; i < c->e->n_arms; i++) {
        r.arm[i].steps = json_array();
        r.arm[i].sizes = json_array();
        r.arm[i].siblings = c->e->analyze_cross_parallel ? json_array() : NULL;
    }
    if (st == TEMPO_OK)
        st = tempo_runs_all(&r.run, 1, &obs, err);
    if (st == TEMPO_OK && (*out = tempo_case_json(&r)) == NULL)
        st = no_memory(err);
    close_case(&r);
    return st;
}
