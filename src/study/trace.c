/* trace.c - what the edges between siblings do, at every parallel set that the units of the first threshold
 * read.
 *
 * A visible arm takes the sets that the unit recorded; each is traced with strangers of other prompts' sets.
 * A file a prompt: {"steps": [{"step", "members", "strangers", "cut_tv", "exchanged_tv", "strangers_tv"}],
 * "means"}.  */
#include <math.h>
#include <stdlib.h>

#include "io/json.h"
#include "files/json_out.h"
#include "run/arms_json.h"
#include "study/study.h"
#include "trace/trace.h"

typedef struct stage {
    tempo_study *s;
    tempo_given_list **sets; /* [prompts] what each unit selected */
    tempo_strangers pool;
} stage;

static tempo_status no_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to trace the sets of a study");
}

/* A parallel set; the last one of a unit is never read. */
static bool is_traced(const tempo_given_list *l, size_t i)
{
    return l->sets[i].n > 1 && i + 1 < l->n;
}

static tempo_status load_sets(stage *g, size_t prompt, tempo_err *err)
{
    const tempo_study *s = g->s;
    char path[TEMPO_STUDY_PATH];
    json_t *doc = NULL;
    tempo_status st = tempo_study_unit_path(s->dir, "units", s->model_index, s->thresholds[0],
                                            s->prompts->prompts[prompt].name, path, err);

    if (st == TEMPO_OK && (st = tempo_json_load(&doc, path, err)) == TEMPO_OK &&
        (st = tempo_given_read(&g->sets[prompt], doc, tempo_model_get_info(s->model)->n_vocab, err)) !=
            TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    json_decref(doc);
    tempo_given_list *l = g->sets[prompt];
    for (size_t i = 0, first = 0; st == TEMPO_OK && i < l->n; first += l->sets[i++].n) {
        const tempo_set set = {.step = i, .n_members = l->sets[i].n, .members = l->sets[i].members};
        for (size_t k = 0; k < set.n_members; k++) /* these arms give one to each */
            l->members[first + k].slot = (int64_t)k;
        if (is_traced(l, i))
            st = tempo_strangers_add(&g->pool, &set, prompt, err);
    }
    return st;
}

static json_t *ids_of(const int32_t *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static json_t *step_json(const tempo_set *set, const tempo_trace *t, const int32_t *strangers)
{
    const tempo_trace_cell *all = t->cells; /* the first is that of all edges */

    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "step", (json_int_t)set->step, "members",
                     (json_int_t)t->n_members, "strangers",
                     t->exchanged ? ids_of(strangers, t->n_members) : json_null(), "cut_tv",
                     tempo_json_number(all->cut.tv), "exchanged_tv",
                     tempo_json_number(t->exchanged ? all->exchanged.tv : (double)NAN), "strangers_tv",
                     tempo_json_number(t->exchanged ? all->strangers.tv : (double)NAN));
}

static tempo_decode_options decoding_of(const tempo_study *s, size_t steps)
{
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.mode = TEMPO_VISIBLE;
    o.threshold = s->thresholds[0];
    o.steps = steps;
    o.edits = s->edits;
    return o;
}

static tempo_status trace_set(stage *g, size_t prompt, const tempo_run *run, const tempo_set *set,
                              tempo_trace_means *means, json_t *steps, tempo_err *err)
{
    const tempo_study *s = g->s;
    const tempo_decode_options decoding = decoding_of(s, s->steps);
    int32_t *strangers = malloc(set->n_members * sizeof(*strangers));
    tempo_trace_options o;
    tempo_trace *t = NULL;
    size_t n;

    if (strangers == NULL)
        return no_memory(err);
    tempo_trace_options_init(&o);
    o.decoding = &decoding;
    o.poll = s->o->poll;
    o.user = s->o->user;
    if (tempo_trace_can_exchange(s->edits) &&
        tempo_strangers_draw(&g->pool, set, prompt, s->hypotheses->seeds.controls, strangers, &n))
        o.strangers = strangers;
    tempo_status st =
        tempo_trace_siblings(&t, s->engine, tempo_decoder_seq(tempo_run_decoder(run, 0)), set, &o, err);
    if (st == TEMPO_OK && (st = tempo_trace_means_add(means, t, err)) == TEMPO_OK)
        json_array_append_new(steps, step_json(set, t, strangers));
    tempo_trace_free(t);
    free(strangers);
    return st;
}

/* A visible arm that takes the unit's sets, run to its end. */
static tempo_status run_arm(const stage *g, size_t prompt, tempo_run **run, tempo_err *err)
{
    const tempo_study *s = g->s;
    const tempo_given_list *l = g->sets[prompt];
    const tempo_observer obs = {.user = s->o->user, .poll = s->o->poll};
    const tempo_decode_options decoding = decoding_of(s, l->n);
    const tempo_run_arm arm = {.decoding = &decoding};
    const tempo_run_prompt p = {.ids = s->ids[prompt], .n = s->n_ids[prompt]};
    tempo_run_options o;

    tempo_run_options_init(&o);
    o.arms = &arm;
    o.n_arms = 1;
    o.given = l->sets;
    o.n_given = l->n;
    o.keep = true;
    const tempo_status st = tempo_run_create(run, s->engine, &o, &p, err);
    return st == TEMPO_OK ? tempo_runs_all(run, 1, &obs, err) : st;
}

static tempo_status trace_prompt(stage *g, size_t prompt, const char *path, tempo_err *err)
{
    const tempo_study *s = g->s;
    const tempo_given_list *l = g->sets[prompt];
    tempo_trace_means means = {0};
    tempo_run *run = NULL;
    json_t *steps = json_array();
    tempo_status st = run_arm(g, prompt, &run, err);

    for (size_t i = 0; i < l->n && st == TEMPO_OK; i++) {
        const tempo_set *set = tempo_run_set(run, 0, i);
        if (set != NULL && is_traced(l, i) && set->members[0].slot >= 0)
            st = trace_set(g, prompt, run, set, &means, steps, err);
    }
    if (st == TEMPO_OK)
        st = tempo_json_save(path,
                             json_pack("{s:I, s:o, s:s, s:O, s:o}", "model", (json_int_t)s->model_index,
                                       "threshold", tempo_json_number(s->thresholds[0]), "prompt",
                                       s->prompts->prompts[prompt].id, "steps", steps, "means",
                                       means.sets > 0 ? tempo_trace_means_json(&means) : json_null()),
                             true, err);
    else
        tempo_err_prefix(err, "prompt %s", s->prompts->prompts[prompt].id);
    json_decref(steps);
    tempo_run_free(run);
    tempo_trace_means_free(&means);
    return st;
}

tempo_status tempo_study_trace(tempo_study *s, tempo_err *err)
{
    stage g = {.s = s};
    tempo_status st = TEMPO_OK;

    if (!s->trace)
        return TEMPO_OK;
    if ((g.sets = calloc(s->n_prompts, sizeof(tempo_given_list *))) == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->n_prompts && st == TEMPO_OK; i++)
        st = load_sets(&g, i, err);
    for (size_t i = 0; i < s->n_prompts && st == TEMPO_OK; i++) {
        char path[TEMPO_STUDY_PATH];
        tempo_study_progress(s, "trace", i, s->n_prompts);
        st = tempo_study_unit_path(s->dir, "trace", s->model_index, s->thresholds[0],
                                   s->prompts->prompts[i].name, path, err);
        if (st == TEMPO_OK && !tempo_study_has(path))
            st = trace_prompt(&g, i, path, err);
    }
    tempo_study_progress(s, "trace", s->n_prompts, s->n_prompts);
    for (size_t i = 0; i < s->n_prompts; i++)
        tempo_given_free(g.sets[i]);
    free(g.sets);
    free(g.pool.list);
    return st;
}

tempo_status tempo_study_trace_estimate(const tempo_study *s, tempo_study_trace_cost *out, tempo_err *err)
{
    const tempo_decode_options decoding = decoding_of(s, s->steps);
    static const int32_t some[2] = {0, 0};
    tempo_trace_options o;
    tempo_trace_cost cost;
    size_t longest = 1;

    tempo_trace_options_init(&o);
    o.decoding = &decoding;
    o.strangers = tempo_trace_can_exchange(s->edits) ? some : NULL;
    for (size_t i = 0; i < s->n_prompts; i++)
        longest = s->n_ids[i] > longest ? s->n_ids[i] : longest;
    *out = (tempo_study_trace_cost){0};
    const tempo_status st = tempo_trace_estimate(&cost, s->model, &o, 2, longest + 2 * s->steps, err);
    if (st == TEMPO_OK)
        *out = (tempo_study_trace_cost){.sets = s->n_prompts * (s->steps - 1),
                                        .cells = cost.cells,
                                        .rows = cost.rows,
                                        .batches = cost.batches,
                                        .bytes = cost.bytes};
    return st;
}
