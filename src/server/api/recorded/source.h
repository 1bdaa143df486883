/* source.h - where recorded attention comes from: a generation in memory, or the files of a run; and what all its routes ask. */
#ifndef TEMPO_SERVER_API_RECORDED_SOURCE_H
#define TEMPO_SERVER_API_RECORDED_SOURCE_H
#include "server/api/inside.h"
#include "server/api/recorded/captured.h"

typedef struct tempo_attention_source {
    tempo_api *a;
    char arm[64];
    /* a generation's */
    tempo_generation *g;
    size_t g_arm;
    /* a run's */
    json_t *run;
    tempo_captured_place place;
    tempo_captured *captured;
    size_t held; /* of the api's count: weights that had to be copied */
} tempo_attention_source;

/* Which one the path says, and of it the arm and unit of the query.  false: answered.  Closed in either case. */
bool tempo_attention_open(tempo_attention_source *s, tempo_api *a, tempo_exchange *x);
void tempo_attention_close(tempo_attention_source *s);
size_t tempo_attention_steps(const tempo_attention_source *s);
/* Step i, for tempo_recorded_step_free; of a run without its weights unless `data`. */
tempo_status tempo_attention_step(tempo_attention_source *s, size_t i, bool data, tempo_recorded_step *out,
                                  tempo_err *err) TEMPO_MUST_CHECK;
/* The same with its weights, and what reading them copies is counted until the source is closed.  false: answered. */
bool tempo_attention_read(tempo_attention_source *s, tempo_exchange *x, size_t i, tempo_recorded_step *out);
/* What is wrong with the source's files, or with what was asked of them: answered.  Always false. */
bool tempo_attention_fail(const tempo_attention_source *s, tempo_exchange *x, const char *param, const tempo_err *err);

/* A query parameter that is a whole number; *out stays if it is absent.  false: answered with a 400. */
bool tempo_attention_number(tempo_exchange *x, const char *name, size_t *out, bool *given);
/* `step`, which must be there. */
bool tempo_attention_step_number(tempo_exchange *x, size_t *step);

/* Answers .../attention/summary (summary.c); user: the tempo_api. */
void tempo_attention_summary_route(void *user, tempo_exchange *x);

#endif
