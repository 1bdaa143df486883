/* timed_run.c - see timed_run.h */
#include "study/timed_run.h"

#include "run/arms_json.h"
#include "study/study.h"

tempo_status tempo_timed_run(tempo_engine *e, const tempo_decode_options *o, const int32_t *prompt, size_t n,
                             const json_t *steps, const tempo_observer *obs, double *seconds, tempo_err *err)
{
    const tempo_run_arm arm = {.decoding = o};
    const tempo_run_prompt p = {.ids = prompt, .n = n};
    tempo_given_list *given;
    tempo_run_options ro;
    tempo_run *run = NULL;
    tempo_status st =
        tempo_given_read(&given, steps, tempo_model_get_info(tempo_engine_model(e))->n_vocab, err);

    if (st != TEMPO_OK)
        return st;
    tempo_run_options_init(&ro);
    ro.arms = &arm;
    ro.n_arms = 1;
    ro.given = given->sets;
    ro.n_given = given->n;
    const double begin = tempo_study_seconds();
    st = tempo_run_create(&run, e, &ro, &p, err);
    for (size_t i = 0; i < given->n && st == TEMPO_OK && tempo_run_running(run); i++)
        st = tempo_runs_step(&run, 1, obs, err);
    *seconds = tempo_study_seconds() - begin;
    tempo_run_free(run);
    tempo_given_free(given);
    return st;
}
