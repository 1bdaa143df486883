/* study.c - the stages in their order. */
#include "study/study.h"

static tempo_status run_model(tempo_study *s, size_t index, tempo_err *err)
{
    static tempo_status (*const stages[])(tempo_study *, tempo_err *) = {
        tempo_study_floor, tempo_study_exact, tempo_study_units, tempo_study_control, tempo_study_timing};
    tempo_status st = tempo_study_open_model(s, index, err);

    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages) && st == TEMPO_OK; i++)
        st = stages[i](s, err);
    tempo_study_close_model(s);
    return st;
}

tempo_status tempo_study_run(const tempo_study_options *o, tempo_err *err)
{
    tempo_study s;
    tempo_status st = tempo_study_begin(&s, o, err);

    for (size_t i = 0; st == TEMPO_OK && i < tempo_study_model_count(&s); i++)
        st = run_model(&s, i, err);
    tempo_study_end(&s);
    return st;
}
