/* timed_run.h - a decoder alone over sets that another run recorded, against the clock. */
#ifndef TEMPO_STUDY_TIMED_RUN_H
#define TEMPO_STUDY_TIMED_RUN_H
#include <jansson.h>
#include <tempo.h>

/* Run prompt[n], then adopt the members (id, probability) of each of the array `steps` until the decoder stops: whatever
 * the options' mode, the same sets and so the same work.  *seconds is the whole of it, the decoder's making included.  */
tempo_status tempo_timed_run(tempo_engine *e, const tempo_decode_options *o, const int32_t *prompt, size_t n,
                             const json_t *steps, const tempo_observer *obs, double *seconds,
                             tempo_err *err) TEMPO_MUST_CHECK;

#endif
