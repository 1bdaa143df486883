/* looking.h - what the routes that look into the model share: tokens by name, answers that come in parts. */
#ifndef TEMPO_SERVER_API_LENS_LOOKING_H
#define TEMPO_SERVER_API_LENS_LOOKING_H
#include "server/api/inside.h"
#include "server/api/request.h"

/* The OpenAPI type of a list of tokens. */
#define TEMPO_API_TOKENS "(string | integer)[]"

/* list, an array of texts of tokens and of ids, between least and most of them -> *ids (free) and *n. */
bool tempo_api_read_tokens(const tempo_api *a, const json_t *list, const char *param, size_t least, size_t most, int32_t **ids,
                           size_t *n, tempo_api_problem *p);

/* ---- lens_work.c ---- */

typedef struct tempo_lens_work tempo_lens_work;

typedef struct tempo_lens_work_options {
    const int32_t *ids;  /* [n_ids] the prompt */
    size_t n_ids;
    const size_t *rows;  /* [n_rows] slots of it, ascending */
    size_t n_rows;
    size_t top;
    const int32_t *tokens; /* [n_tokens] */
    size_t n_tokens;
    int32_t attribute, minus; /* -1: none */
    bool heads;
    const tempo_edits *edits; /* held; or NULL */
} tempo_lens_work_options;

/* Copies all.  Each of its parts tells an array of rows as docs/server.md has them.  NULL: no memory. */
tempo_lens_work *tempo_lens_work_create(const tempo_model *m, const tempo_lens_work_options *o);
/* For a job, which frees it. */
tempo_job_work tempo_lens_work_job(tempo_lens_work *w);
void tempo_lens_work_free(tempo_lens_work *w); /* one that no job has; takes NULL */

/* ---- patch_work.c ---- */

typedef struct tempo_patch_work tempo_patch_work;

typedef struct tempo_patch_work_options {
    const int32_t *clean, *corrupt; /* [n_clean], [n_corrupt] */
    size_t n_clean, n_corrupt;
    const tempo_patch_options *patch; /* taps and so on: copied */
    json_t *start; /* what the event `start` says besides: taken over */
} tempo_patch_work_options;

/* Its parts tell [NAME, DATA], events of docs/server.md: `start`, `runs`, `cells` each time some are there.  NULL: no memory. */
tempo_patch_work *tempo_patch_work_create(tempo_api *a, const tempo_patch_work_options *o);
tempo_job_work tempo_patch_work_job(tempo_patch_work *w);
void tempo_patch_work_free(tempo_patch_work *w); /* one that no job has; takes NULL */
/* After the job's first event, an error: it was the request's. */
bool tempo_patch_work_refused(const tempo_patch_work *w);
/* After its last one: what `done` says of the grid. */
json_t *tempo_patch_work_end(const tempo_patch_work *w);

#endif
