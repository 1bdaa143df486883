/* whole.c - a study from its first stage to its report. */
#include "report/report.h"

static tempo_status run_model(tempo_study *s, size_t index, tempo_err *err)
{
    static tempo_status (*const stages[])(tempo_study *, tempo_err *) = {
        tempo_study_floor,   tempo_study_exact, tempo_study_units,
        tempo_study_control, tempo_study_trace, tempo_study_timing};
    tempo_status st = tempo_study_open_model(s, index, err);

    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages) && st == TEMPO_OK; i++)
        st = stages[i](s, err);
    tempo_study_close_model(s);
    return st;
}

tempo_status tempo_study_run(json_t **report, const tempo_study_options *o, tempo_err *err)
{
    tempo_study s;
    tempo_err ignored = {0};
    tempo_status st = tempo_study_begin(&s, o, err);

    *report = NULL;
    if (st == TEMPO_OK)
        st = tempo_study_manifest(&s, "running", err);
    for (size_t i = 0; st == TEMPO_OK && i < tempo_study_model_count(&s); i++)
        st = run_model(&s, i, err);
    if (st == TEMPO_OK && (st = tempo_study_report(report, o->dir, err)) == TEMPO_OK)
        st = tempo_study_manifest(&s, "complete", err);
    if (st == TEMPO_E_STOPPED && s.plan != NULL &&
        tempo_study_manifest(&s, "interrupted", &ignored) != TEMPO_OK)
        ignored.code = TEMPO_OK; /* what stopped it is what the caller hears */
    tempo_study_end(&s);
    if (st != TEMPO_OK) {
        json_decref(*report);
        *report = NULL;
    }
    return st;
}
