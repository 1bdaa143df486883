#include "study/timed_run.h"

#include <stdlib.h>

#include "base/status.h"
#include "files/json_out.h"
#include "study/study.h"

/* The set that step i recorded; members grows. */
static tempo_status recorded(const json_t *steps, size_t i, tempo_member **members, tempo_set *set,
                             tempo_err *err)
{
    const json_t *list = json_object_get(json_array_get(steps, i), "members");
    const size_t n = json_array_size(list);
    tempo_member *more = realloc(*members, (n + 1) * sizeof(*more));

    if (more == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to time a run");
    *members = more;
    for (size_t k = 0; k < n; k++)
        more[k] =
            (tempo_member){.id = (int32_t)json_integer_value(json_object_get(json_array_get(list, k), "id")),
                           .probability = tempo_json_get_number(json_array_get(list, k), "probability")};
    *set = (tempo_set){.members = more, .n_members = n};
    return TEMPO_OK;
}

tempo_status tempo_timed_run(tempo_engine *e, const tempo_decode_options *o, const int32_t *prompt, size_t n,
                             const json_t *steps, const tempo_observer *obs, double *seconds, tempo_err *err)
{
    tempo_member *members = NULL;
    tempo_decoder *d = NULL;
    tempo_set set;
    const double begin = tempo_study_seconds();
    tempo_status st = tempo_decoder_create(&d, e, o, prompt, n, err);

    for (size_t i = 0;
         i < json_array_size(steps) && st == TEMPO_OK && tempo_decoder_stopped(d) == TEMPO_RUNNING; i++)
        if ((st = tempo_decoders_read(&d, 1, obs, err)) == TEMPO_OK &&
            (st = recorded(steps, i, &members, &set, err)) == TEMPO_OK)
            st = tempo_decoder_adopt(d, &set, err);
    *seconds = tempo_study_seconds() - begin;
    tempo_decoder_free(d);
    free(members);
    return st;
}
