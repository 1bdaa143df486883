/* work.c - what a job does instead of decoding, a part at a time. */
#include "server/worker/parts.h"

static tempo_status tell(tempo_job *j, json_t *told, tempo_err *err)
{
    tempo_event_arrays none;
    tempo_event_box *b = tempo_event_make(TEMPO_EVENT_PART, &(tempo_event_room){0}, &none);

    if (b == NULL) {
        json_decref(told);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an event");
    }
    b->event.told = told;
    tempo_job_push(j, b);
    return TEMPO_OK;
}

void tempo_job_work_on(tempo_job *j, const tempo_observer *obs)
{
    tempo_work_part part = {0};
    tempo_err err = {0};
    tempo_status st = j->o.work.part(j->o.work.user, j->w->engine, obs, &part, &err);

    if (st == TEMPO_OK && part.told != NULL)
        st = tell(j, part.told, &err);
    else
        json_decref(part.told);
    if (st == TEMPO_OK) {
        tempo_worker_count_pass(j->w, part.rows, part.rows, 0);
        if (!part.more)
            tempo_job_set_state(j, TEMPO_JOB_DECODING); /* of nothing: it is over */
    } else if (st != TEMPO_E_STOPPED) {
        tempo_job_fail(j, &err);
    }
}
