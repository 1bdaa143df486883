/* experiment_case.c - all arms of a case in one batch, captured as they go. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/compare.h"
#include "study/decode_json.h"
#include "study/experiment_run.h"
#include "study/ids.h"
#include "study/json_out.h"
#include "study/jsonfile.h"
#include "study/unit.h"

typedef struct arm {
    const tempo_experiment_arm *spec;
    tempo_decode_options o;
    tempo_lane lane;
    tempo_lane twin; /* of a replay: the same in the other mode; else without a decoder */
    bool twin_same;
    size_t parallel,
        one_position; /* sets of several slots that were read; those whose slots share a position */
    tempo_capture *capture;
    json_t *steps, *sizes;
    json_t *siblings;   /* cross_parallel_scores, or NULL */
    tempo_ids all, top; /* tokens of all members, and of the most probable ones */
    char dir[TEMPO_RUN_PATH];
} arm;

typedef struct running {
    const tempo_case *c;
    arm arm[TEMPO_EXPERIMENT_MAX_ARMS];
    size_t n;
    tempo_jsonlines *lines;
    size_t step;
    arm *isolated, *visible; /* the arms that are compared, or NULL */
    bool apart;              /* their histories differ */
    tempo_parting parting;   /* where they first do */
    json_t *compared;        /* how far apart their distributions are */
    uint64_t bytes;          /* of all captures */
} running;

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

/* ---- before ---- */

static const char *const mode_names[] = {"isolated", "visible", "causal"};
static const char *const replay_names[] = {"none", "published", "published-nocache"};

static json_t *config_json(const running *r, const arm *a)
{
    const tempo_case *c = r->c;
    char description[256];

    (void)snprintf(description, sizeof(description), "%.180s (%s)",
                   c->e->description != NULL ? c->e->description : c->e->name, a->spec->name);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:s, s:b, s:b, s:b, s:s}", "experiment_name", c->e->name,
        "arm", a->spec->name, "description", description, "prompt", c->e->prompts[c->prompt], "max_tokens",
        (json_int_t)a->o.steps, "steps", (json_int_t)a->o.steps, "selection_threshold",
        tempo_json_number(a->o.threshold), "mode", mode_names[a->o.mode], "replay", replay_names[a->o.replay],
        "allow_intraset_token_visibility", a->o.mode != TEMPO_ISOLATED, "use_custom_rope",
        a->o.positions == TEMPO_POSITIONS_SHARED, "lockstep", c->e->lockstep, "file_sha256", c->e->sha256);
}

static tempo_status parse_ranges(const tempo_experiment *e, tempo_capture_options *o, tempo_err *err)
{
    for (size_t i = 0; i < e->n_record; i++) {
        unsigned long a, b;
        int used = 0;
        const char *p = e->record_text[i];
        if (strncmp(p, "attention:", 10) != 0)
            continue;
        for (p += 10; *p != '\0'; p += used + (p[used] == ',')) {
            if (sscanf(p, "layers=%9lu-%9lu%n", &a, &b, &used) == 2) {
                o->first_layer = (uint32_t)a;
                o->last_layer = (uint32_t)b;
            } else if (sscanf(p, "heads=%9lu-%9lu%n", &a, &b, &used) == 2) {
                o->first_head = (uint32_t)a;
                o->last_head = (uint32_t)b;
            } else {
                return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                                  "%s: record: '%s': expected layers=A-B or heads=A-B after the colon",
                                  e->path, e->record_text[i]);
            }
        }
    }
    return TEMPO_OK;
}

static tempo_status open_capture(running *r, arm *a, tempo_err *err)
{
    const tempo_experiment *e = r->c->e;
    json_t *config = config_json(r, a);
    if (config != NULL)
        tempo_case_put_id(config, "prompt_id", r->c);
    char *text = config != NULL ? json_dumps(config, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    tempo_capture_options o;
    tempo_status st;

    json_decref(config);
    if (text == NULL)
        return no_memory(err);
    tempo_capture_options_init(&o);
    o.record = ((e->record & TEMPO_EXPERIMENT_ATTENTION) != 0 ? TEMPO_RECORD_ATTENTION : 0u) |
               ((e->record & TEMPO_EXPERIMENT_LOGITS) != 0 ? TEMPO_RECORD_LOGITS : 0u) |
               TEMPO_RECORD_POSITIONS | ((e->record & TEMPO_EXPERIMENT_KV) != 0 ? TEMPO_RECORD_KV : 0u);
    if (r->c->o->max_bytes > 0)
        o.max_bytes = r->c->o->max_bytes;
    o.shared_bytes = &r->bytes;
    o.prompt = r->c->n_ids + (a->o.replay == TEMPO_REPLAY_PUBLISHED);
    o.steps = a->o.steps;
    o.rows = a->o.replay != TEMPO_REPLAY_NONE ? 1 : 8;
    o.config = text;
    o.replace = true;
    o.attention_file = e->attention_file;
    o.logits_file = e->logits_file;
    o.kv_file = e->kv_file;
    o.positions_file = e->positions_file;
    if ((st = parse_ranges(e, &o, err)) == TEMPO_OK)
        st = tempo_capture_create(&a->capture, a->dir, a->lane.d, &o, err);
    a->lane.capture = a->capture;
    free(text);
    return st;
}

static tempo_status open_arm(running *r, size_t i, tempo_err *err)
{
    const tempo_case *c = r->c;
    arm *a = &r->arm[i];
    tempo_status st;

    a->spec = &c->e->arms[i];
    a->o = tempo_experiment_decoding(c->e, i, c->threshold);
    a->steps = json_array();
    a->sizes = json_array();
    a->siblings = c->e->analyze_cross_parallel ? json_array() : NULL;
    a->twin_same = true;
    a->lane.watch = c->e->analyze_cross_parallel || (c->e->record & TEMPO_EXPERIMENT_ATTENTION) != 0;
    r->n++;
    if ((st = tempo_path_join(a->dir, sizeof(a->dir), c->dir, a->spec->name, err)) != TEMPO_OK ||
        (st = tempo_decoder_create(&a->lane.d, c->engine, &a->o, c->ids, c->n_ids, err)) != TEMPO_OK) {
        tempo_err_prefix(err, "arm %s", a->spec->name);
        return st;
    }
    if (a->o.replay != TEMPO_REPLAY_NONE) { /* one slot a set: both modes must give the same bits */
        tempo_decode_options other = a->o;
        other.mode = a->o.mode == TEMPO_ISOLATED ? TEMPO_VISIBLE : TEMPO_ISOLATED;
        if ((st = tempo_decoder_create(&a->twin.d, c->engine, &other, c->ids, c->n_ids, err)) != TEMPO_OK)
            return st;
    }
    if (a->o.replay == TEMPO_REPLAY_NONE && a->o.mode == TEMPO_ISOLATED && r->isolated == NULL)
        r->isolated = a;
    if (a->o.replay == TEMPO_REPLAY_NONE && a->o.mode == TEMPO_VISIBLE && r->visible == NULL)
        r->visible = a;
    return open_capture(r, a, err);
}

static void close_case(running *r)
{
    for (size_t i = 0; i < r->n; i++) {
        arm *a = &r->arm[i];
        tempo_capture_abort(a->capture);
        tempo_lane_free(&a->lane);
        tempo_lane_free(&a->twin);
        json_decref(a->steps);
        json_decref(a->sizes);
        json_decref(a->siblings);
        free(a->all.p);
        free(a->top.p);
    }
    tempo_parting_free(&r->parting);
    json_decref(r->compared);
}

/* ---- one step ---- */

/* A line of a verbose file's log. */
static void log_step(const running *r, const arm *a, const tempo_set *set)
{
    char text[200];

    (void)snprintf(
        text, sizeof(text),
        "%s, step %zu: read %zu rows of %zu slots; set of %zu at position %g, entropy %.4f, first slot %lld",
        a->spec->name, r->step, a->lane.rows, a->lane.slots, set->n_members, set->position, set->entropy,
        (long long)set->members[0].slot);
    r->c->o->note(r->c->o->user, r->c->e->name, text);
}

static tempo_status record_step(running *r, arm *a, tempo_err *err)
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
static tempo_status compare_arms(running *r, tempo_err *err)
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

static tempo_status choose_sets(running *r, const bool *reads, tempo_err *err)
{
    const tempo_experiment *e = r->c->e;
    tempo_status st = TEMPO_OK;

    for (size_t pass = 0; pass < 2 && st == TEMPO_OK; pass++) /* the driver first */
        for (size_t i = 0; i < r->n && st == TEMPO_OK; i++) {
            arm *a = &r->arm[i];
            const bool follows = e->lockstep && i != e->driver && a->o.replay == TEMPO_REPLAY_NONE;
            if (!reads[i] || follows != (pass == 1))
                continue;
            st = follows
                     ? tempo_decoder_adopt(a->lane.d, tempo_decoder_last_set(r->arm[e->driver].lane.d), err)
                     : tempo_decoder_select(a->lane.d, err);
        }
    return st;
}

static tempo_status step_twin(arm *a, bool reads, tempo_err *err)
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
static void check_positions(arm *a)
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

/* Which of the compared arms go on. */
static void compared_run(const running *r, const bool *reads, bool run[2])
{
    run[0] = r->isolated != NULL && reads[r->isolated - r->arm];
    run[1] = r->visible != NULL && reads[r->visible - r->arm];
}

/* Where the compared arms part; after it they are compared no more. */
static void note_parting(running *r, const bool run[2])
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
static tempo_status step_case(running *r, bool *more, tempo_err *err)
{
    tempo_lane *lanes[TEMPO_RUN_MAX_LANES];
    bool reads[TEMPO_EXPERIMENT_MAX_ARMS], run[2];
    tempo_status st;
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++) {
        arm *a = &r->arm[i];
        reads[i] = tempo_decoder_stopped(a->lane.d) == TEMPO_RUNNING;
        if (reads[i])
            lanes[n++] = &a->lane;
        if (reads[i] && a->twin.d != NULL)
            lanes[n++] = &a->twin;
    }
    *more = n > 0;
    if (n == 0)
        return TEMPO_OK;
    if ((st = tempo_lanes_read(lanes, n, r->c->o->poll, r->c->o->user, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < r->n; i++)
        if (reads[i])
            check_positions(&r->arm[i]);
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

/* ---- the document ---- */

static double entropy_mean(const json_t *steps)
{
    double sum = 0.0;

    for (size_t i = 0; i < json_array_size(steps); i++)
        sum += tempo_json_get_number(json_array_get(steps, i), "entropy");
    return sum / (double)json_array_size(steps);
}

static void put_text(json_t *o, const char *key, const char *key_bytes, const tempo_case *c,
                     const tempo_ids *add)
{
    tempo_json_add_continuation(o, key, key_bytes, tokenizer_of(c), c->ids, c->n_ids, add->p, add->n);
}

static json_t *arm_json(const running *r, const arm *a)
{
    json_t *o = json_pack("{s:O, s:O, s:I, s:I, s:o, s:s}", "steps", a->steps, "set_sizes", a->sizes,
                          "n_steps", (json_int_t)json_array_size(a->steps), "total_tokens",
                          (json_int_t)a->all.n, "mean_entropy", tempo_json_number(entropy_mean(a->steps)),
                          "stopped_by", tempo_stopped_name(tempo_decoder_stopped(a->lane.d)));

    put_text(o, "text", "text_bytes", r->c, &a->all);
    put_text(o, "top_text", "top_text_bytes", r->c, &a->top);
    json_object_set_new(o, "positions",
                        json_pack("{s:I, s:I}", "parallel_sets", (json_int_t)a->parallel, "one_position",
                                  (json_int_t)a->one_position));
    json_object_set_new(o, "mode", json_string(mode_names[a->o.mode]));
    json_object_set_new(o, "replay", json_string(replay_names[a->o.replay]));
    /* a replay puts one slot in a set, at a position of its own */
    json_object_set_new(
        o, "shared_positions",
        json_boolean(a->o.replay == TEMPO_REPLAY_NONE && a->o.positions == TEMPO_POSITIONS_SHARED));
    if (a->twin.d != NULL)
        json_object_set_new(o, "modes_identical", json_boolean(a->twin_same));
    if (a->siblings != NULL)
        json_object_set(o, "cross_parallel", a->siblings);
    return o;
}

/* At how many of the compared steps the two would have chosen different sets, each by itself. */
static json_t *count_changes(const running *r)
{
    const json_t *step;
    json_int_t n = 0;
    size_t i;

    json_array_foreach(r->compared, i, step) n += json_is_true(json_object_get(step, "set_changes"));
    return json_integer(n);
}

static json_t *step_or_null(const json_t *difference)
{
    return difference != NULL ? json_incref(json_object_get(difference, "step")) : json_null();
}

static json_t *comparison_json(const running *r)
{
    const tempo_parting *p = &r->parting;

    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:O}", "a", r->isolated->spec->name, "b",
                     r->visible->spec->name, "identical_sets", p->set == NULL, "first_difference",
                     step_or_null(p->set), "first_order_difference", step_or_null(p->order),
                     "first_distribution_difference", step_or_null(p->distribution), "set_changes",
                     count_changes(r), "steps", r->compared);
}

static json_t *case_json(const running *r)
{
    const tempo_case *c = r->c;
    json_t *prompt_ids = json_array(), *tokens = json_array(), *arms = json_object();

    for (size_t i = 0; i < c->n_ids; i++) {
        json_t *token = json_pack("{s:i}", "id", (int)c->ids[i]);
        tempo_json_add_token(token, tokenizer_of(c), c->ids[i]);
        json_array_append_new(tokens, token);
        json_array_append_new(prompt_ids, json_integer(c->ids[i]));
    }
    for (size_t i = 0; i < r->n; i++)
        json_object_set_new(arms, r->arm[i].spec->name, arm_json(r, &r->arm[i]));
    json_t *o = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "prompt", c->e->prompts[c->prompt], "prompt_ids",
                          prompt_ids, "prompt_tokens", tokens, "threshold",
                          tempo_json_number(c->e->thresholds[c->threshold]), "arms", arms, "comparison",
                          r->isolated != NULL && r->visible != NULL ? comparison_json(r) : json_null());
    if (o != NULL)
        tempo_case_put_id(o, "id", c);
    return o;
}

static tempo_status commit(running *r, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < r->n && st == TEMPO_OK; i++) {
        arm *a = &r->arm[i];
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

void tempo_case_put_id(json_t *o, const char *key, const tempo_case *c)
{
    if (c->e->lines != NULL)
        json_object_set(o, key, c->e->lines->lines[c->prompt].id);
}

tempo_status tempo_case_run(json_t **out, const tempo_case *c, tempo_jsonlines *lines, tempo_err *err)
{
    running *r = calloc(1, sizeof(*r));
    bool more = true;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (r == NULL)
        return no_memory(err);
    r->c = c;
    r->lines = lines;
    r->compared = json_array();
    for (size_t i = 0; i < c->e->n_arms && st == TEMPO_OK; i++)
        st = open_arm(r, i, err);
    while (st == TEMPO_OK && more)
        st = step_case(r, &more, err);
    if (st == TEMPO_OK)
        st = commit(r, err);
    if (st == TEMPO_OK && (*out = case_json(r)) == NULL)
        st = no_memory(err);
    close_case(r);
    free(r);
    return st;
}
