/* case.c - all arms of a case in one batch, captured as they go. */
#include "experiment/case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/decode_json.h"
#include "files/json_out.h"
#include "study/unit.h"

static const tempo_tokenizer *tokenizer_of(const tempo_case *c)
{
    return tempo_model_tokenizer(tempo_engine_model(c->engine));
}

static size_t vocabulary_of(const tempo_case *c)
{
    return tempo_model_get_info(tempo_engine_model(c->engine))->n_vocab;
}

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the experiment");
}

/* ---- one step ---- */

/* A line of a verbose file's log. */
static void log_step(const tempo_running *r, const tempo_running_arm *a, const tempo_set *set)
{
    char text[200];

    (void)snprintf(
        text, sizeof(text),
        "%s, step %zu: read %zu rows of %zu slots; set of %zu at position %g, entropy %.4f, first slot %lld",
        a->spec->name, r->step, a->lane.rows, a->lane.slots, set->n_members, set->position, set->entropy,
        (long long)set->members[0].slot);
    r->c->o->note(r->c->o->user, r->c->e->name, text);
}

static tempo_status record_step(tempo_running *r, tempo_running_arm *a, tempo_err *err)
{
    const tempo_set *set = tempo_decoder_last_set(a->lane.d);
    json_t *step = tempo_json_set(tokenizer_of(r->c), set), *line = json_copy(step);
    bool kept = step != NULL && line != NULL && tempo_ids_push(&a->top, set->members[0].id);
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < set->n_members && kept; i++)
        kept = tempo_ids_push(&a->all, set->members[i].id);
    json_object_set_new(line, "arm", json_string(a->spec->name));
    if (r->c->e->n_prompts * r->c->e->n_thresholds > 1)
        json_object_set_new(
            line, "case", json_integer((json_int_t)(r->c->prompt * r->c->e->n_thresholds + r->c->threshold)));
    tempo_case_put_id(line, "id", r->c);
    if (r->c->e->verbose && r->c->o->note != NULL)
        log_step(r, a, set);
    if (kept && r->lines != NULL)
        st = tempo_jsonlines_add(r->lines, line, err);
    json_decref(line);
    json_array_append_new(a->steps, step);
    json_array_append_new(a->sizes, json_integer((json_int_t)set->n_members));
    if (a->siblings != NULL && a->lane.rows > 1)
        json_array_append_new(a->siblings, tempo_case_siblings(&a->lane, r->step));
    if (st == TEMPO_OK && !kept)
        st = no_memory(err);
    return st == TEMPO_OK ? tempo_capture_step(a->capture, err) : st;
}

/* Isolated beside visible as long as they have the same tokens behind them. */
static tempo_status compare_arms(tempo_running *r, tempo_err *err)
{
    json_t *one;

    if (r->isolated == NULL || r->visible == NULL || r->apart)
        return TEMPO_OK;
    const tempo_case_arm a = {&r->isolated->lane, &r->isolated->o}, b = {&r->visible->lane, &r->visible->o};
    const tempo_status st = tempo_case_difference(&one, &a, &b, r->c, r->step, err);
    if (st == TEMPO_OK)
        json_array_append_new(r->compared, one);
    return st;
}

static tempo_status choose_sets(tempo_running *r, const bool *reads, tempo_err *err)
{
    const tempo_experiment *e = r->c->e;
    tempo_status st = TEMPO_OK;

    for (size_t pass = 0; pass < 2 && st == TEMPO_OK; pass++) /* the driver first */
        for (size_t i = 0; i < r->n && st == TEMPO_OK; i++) {
            tempo_running_arm *a = &r->arm[i];
            const bool follows = e->lockstep && i != e->driver && a->o.replay == TEMPO_REPLAY_NONE;
            if (!reads[i] || follows != (pass == 1))
                continue;
            st = follows
                     ? tempo_decoder_adopt(a->lane.d, tempo_decoder_last_set(r->arm[e->driver].lane.d), err)
                     : tempo_decoder_select(a->lane.d, err);
        }
    return st;
}

static tempo_status step_twin(tempo_running_arm *a, bool reads, tempo_err *err)
{
    if (a->twin.d == NULL || !reads)
        return TEMPO_OK;
    const tempo_status st = tempo_decoder_select(a->twin.d, err);
    a->twin_same = a->twin_same && st == TEMPO_OK &&
                   tempo_relate_sets(tempo_decoder_last_set(a->lane.d), tempo_decoder_last_set(a->twin.d)) ==
                       TEMPO_SETS_EQUAL &&
                   tempo_compare_same_q(&a->lane, &a->twin);
    return st;
}

/* Do the slots of a set that was read share one position?  As the engine holds them, not as they were asked
 * for. */
static void check_positions(tempo_running_arm *a)
{
    const tempo_seq *seq = tempo_decoder_seq(a->lane.d);
    const size_t first = a->lane.slots - a->lane.rows;
    bool equal = true;

    if (a->lane.rows < 2)
        return;
    for (size_t i = 1; i < a->lane.rows; i++)
        equal = equal && tempo_seq_slot_at(seq, first + i).position == tempo_seq_slot_at(seq, first).position;
    a->parallel++;
    a->one_position += equal;
}

static void widen(size_t range[2], size_t n, bool first)
{
    range[0] = first || n < range[0] ? n : range[0];
    range[1] = first || n > range[1] ? n : range[1];
}

/* What was read, for the document: shapes, and what siblings got. */
static tempo_status count_read(const tempo_running *r, tempo_running_arm *a, tempo_err *err)
{
    const size_t n = tempo_model_get_info(tempo_engine_model(r->c->engine))->n_layers;
    const bool first = a->reads == 0;

    widen(a->rows, a->lane.rows, first);
    widen(a->slots, a->lane.slots, first);
    widen(a->fresh, first ? a->lane.slots : a->lane.rows, first);
    a->reads++;
    check_positions(a);
    if (a->lane.rows < 2 || a->lane.attention == NULL)
        return TEMPO_OK;
    if (a->layer_mass == NULL && (a->layer_mass = calloc(n, sizeof(*a->layer_mass))) == NULL)
        return no_memory(err);
    tempo_case_add_mass(&a->lane, a->layer_mass);
    a->mass_steps++;
    return TEMPO_OK;
}

/* Which of the compared arms go on. */
static void compared_run(const tempo_running *r, const bool *reads, bool run[2])
{
    run[0] = r->isolated != NULL && reads[r->isolated - r->arm];
    run[1] = r->visible != NULL && reads[r->visible - r->arm];
}

/* Where the compared arms part; after it they are compared no more. */
static void note_parting(tempo_running *r, const bool run[2])
{
    if (r->isolated == NULL || r->visible == NULL)
        return;
    const char *const names[] = {r->isolated->spec->name, r->visible->spec->name};
    const tempo_decoder *const d[] = {r->isolated->lane.d, r->visible->lane.d};
    const tempo_set *sets[2] = {NULL, NULL};
    double largest;

    for (size_t i = 0; i < 2; i++)
        if (run[i])
            sets[i] = tempo_decoder_last_set(d[i]);
    tempo_parting_sets(&r->parting, r->step, names, sets, 2);
    if (run[0] && run[1] &&
        tempo_distributions_differ(tempo_decoder_distribution(d[0]), tempo_decoder_distribution(d[1]),
                                   vocabulary_of(r->c), &largest))
        tempo_parting_distribution(&r->parting, r->step, largest);
    r->apart = r->apart || tempo_relate_sets(sets[0], sets[1]) != TEMPO_SETS_EQUAL;
}

/* false in *more when every arm has ended. */
static tempo_status step_case(tempo_running *r, bool *more, tempo_err *err)
{
    tempo_lane *lanes[TEMPO_RUN_MAX_LANES];
    bool reads[TEMPO_EXPERIMENT_MAX_ARMS], run[2];
    const tempo_observer obs = {.user = r->c->o->user, .poll = r->c->o->poll};
    tempo_status st;
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++) {
        tempo_running_arm *a = &r->arm[i];
        reads[i] = tempo_decoder_stopped(a->lane.d) == TEMPO_RUNNING;
        if (reads[i])
            lanes[n++] = &a->lane;
        if (reads[i] && a->twin.d != NULL)
            lanes[n++] = &a->twin;
    }
    *more = n > 0;
    if (n == 0)
        return TEMPO_OK;
    if ((st = tempo_lanes_read(lanes, n, &obs, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < r->n && st == TEMPO_OK; i++)
        st = reads[i] ? count_read(r, &r->arm[i], err) : st;
    if (st != TEMPO_OK)
        return st;
    compared_run(r, reads, run);
    r->apart = r->apart || !run[0] || !run[1];
    if ((st = compare_arms(r, err)) != TEMPO_OK || (st = choose_sets(r, reads, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < r->n && st == TEMPO_OK; i++)
        if (reads[i] && (st = step_twin(&r->arm[i], reads[i], err)) == TEMPO_OK)
            st = record_step(r, &r->arm[i], err);
    if (st == TEMPO_OK)
        note_parting(r, run);
    r->step++;
    return st;
}

static tempo_status commit(tempo_running *r, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->n && st == TEMPO_OK; i++) {
        tempo_running_arm *a = &r->arm[i];
        tempo_capture *capture = a->capture;
        char path[TEMPO_RUN_PATH];
        a->capture = a->lane.capture = NULL;
        if ((st = tempo_capture_commit(capture, err)) != TEMPO_OK || a->siblings == NULL)
            continue;
        if ((st = tempo_path_join(path, sizeof(path), a->dir, r->c->e->cross_parallel_file, err)) == TEMPO_OK)
            st = tempo_json_save(path, json_pack("{s:s, s:O}", "arm", a->spec->name, "steps", a->siblings),
                                 false, err);
    }
    return st;
}

tempo_status tempo_case_run(json_t **out, const tempo_case *c, tempo_jsonlines *lines, tempo_err *err)
{
    tempo_running *r = calloc(1, sizeof(*r));
    bool more = true;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (r == NULL)
        return no_memory(err);
    r->c = c;
    r->lines = lines;
    r->compared = json_array();
    for (size_t i = 0; i < c->e->n_arms && st == TEMPO_OK; i++)
        st = tempo_case_open_arm(r, i, err);
    while (st == TEMPO_OK && more)
        st = step_case(r, &more, err);
    if (st == TEMPO_OK)
        st = commit(r, err);
    if (st == TEMPO_OK && (*out = tempo_case_json(r)) == NULL)
        st = no_memory(err);
    tempo_case_close(r);
    free(r);
    return st;
}
