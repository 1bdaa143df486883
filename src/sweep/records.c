/* records.c - what came of a run, as records of the two tables. */
#include <math.h>
#include <string.h>

#include "run/decode_json.h"
#include "run/document.h"
#include "run/run.h"
#include "sweep/sweep.h"

static void put_value(tempo_csv *c, const json_t *v)
{
    if (json_is_string(v))
        tempo_csv_text(c, json_string_value(v), json_string_length(v));
    else if (json_is_integer(v))
        tempo_csv_int(c, json_integer_value(v));
    else
        tempo_csv_real(c, json_number_value(v));
}

/* The prompt, and how it was decoded. */
static void put_key(const tempo_sweep_job *j, size_t prompt, size_t decoding, tempo_csv *c)
{
    tempo_csv_word(c, j->prompts[prompt].id);
    for (size_t i = 0; i < j->o.n_columns; i++)
        put_value(c, json_object_get(j->ways[decoding], j->o.columns[i]));
}

static void put_names(const tempo_sweep_job *j, const char *const *names, size_t n, tempo_csv *c)
{
    tempo_csv_word(c, "prompt");
    for (size_t i = 0; i < j->o.n_columns; i++)
        tempo_csv_word(c, j->o.columns[i]);
    for (size_t i = 0; i < n; i++)
        tempo_csv_word(c, names[i]);
    tempo_csv_end(c);
}

void tempo_sweep_headers(const tempo_sweep_job *j, tempo_csv headers[TEMPO_SWEEP_TABLES])
{
    static const char *const sets[] = {"step", "position", "entropy",     "members", "reached",      "member",
                                       "id",   "text",     "probability", "slot",    "slot_position"};
    static const char *const runs[] = {"prompt_tokens", "steps",      "members", "largest_set",
                                       "mean_entropy",  "stopped_by", "text",    "top_text"};

    put_names(j, sets, sizeof(sets) / sizeof(*sets), &headers[TEMPO_SWEEP_SETS]);
    put_names(j, runs, sizeof(runs) / sizeof(*runs), &headers[TEMPO_SWEEP_RUNS]);
}

static void put_token(const tempo_sweep_job *j, int32_t id, tempo_csv *c)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(j->m);
    size_t n = 0;
    const char *s = t != NULL ? tempo_token_bytes(t, id, &n) : "";

    tempo_csv_int(c, id);
    tempo_csv_text(c, s, n);
}

static void put_member(const tempo_sweep_job *j, const tempo_sweep_run *r, const tempo_set *set, size_t i,
                       tempo_csv *c)
{
    const tempo_member *m = &set->members[i];

    put_key(j, r->prompt, r->decoding, c);
    tempo_csv_int(c, (int64_t)set->step);
    tempo_csv_real(c, set->position);
    tempo_csv_real(c, set->entropy);
    tempo_csv_int(c, (int64_t)set->n_members);
    tempo_csv_int(c, (int64_t)set->n_reached);
    tempo_csv_int(c, (int64_t)i);
    put_token(j, m->id, c);
    tempo_csv_real(c, m->probability);
    if (m->slot >= 0)
        tempo_csv_int(c, m->slot);
    else
        tempo_csv_none(c);
    tempo_csv_real(c, m->slot >= 0 ? m->position : (double)NAN);
    tempo_csv_end(c);
}

static void put_text(tempo_csv *c, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    tempo_csv_text(c, json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

void tempo_sweep_tell(const tempo_sweep_job *j, const tempo_sweep_run *r,
                      tempo_csv tables[TEMPO_SWEEP_TABLES])
{
    const size_t steps = tempo_run_steps(r->run, r->arm);
    tempo_csv *c = &tables[TEMPO_SWEEP_RUNS];
    json_t *arm = json_object();
    double entropy = 0.0;
    size_t largest = 0;

    for (size_t i = 0; i < steps; i++) {
        const tempo_set *set = tempo_run_set(r->run, r->arm, i);
        for (size_t k = 0; k < set->n_members; k++)
            put_member(j, r, set, k, &tables[TEMPO_SWEEP_SETS]);
        entropy += set->entropy;
        largest = set->n_members > largest ? set->n_members : largest;
    }
    tempo_json_add_texts(arm, tempo_model_tokenizer(j->m), r->run->ids, r->run->n_ids,
                         &r->run->arms[r->arm].all, &r->run->arms[r->arm].top);
    put_key(j, r->prompt, r->decoding, c);
    tempo_csv_int(c, (int64_t)j->prompts[r->prompt].n);
    tempo_csv_int(c, (int64_t)steps);
    tempo_csv_int(c, (int64_t)tempo_run_members(r->run, r->arm));
    tempo_csv_int(c, (int64_t)largest);
    tempo_csv_real(c, steps > 0 ? entropy / (double)steps : (double)NAN);
    tempo_csv_word(c, tempo_run_stopped_by(r->run, r->arm));
    put_text(c, arm, "text");
    put_text(c, arm, "top_text");
    tempo_csv_end(c);
    json_decref(arm);
}
