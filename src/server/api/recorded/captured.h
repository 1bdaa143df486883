/* captured.h - attention that a run captured into its directory (docs/capture.md), read step by step and in
 * place.
 *
 * Files are other people's: everything is validated, and what is read, bounded.  Weights stay in the mapped
 * file; only the pages that a slice touches come into memory.  Paths are the run's directory and names that
 * are checked or fixed.  */
#ifndef TEMPO_SERVER_API_RECORDED_CAPTURED_H
#define TEMPO_SERVER_API_RECORDED_CAPTURED_H
#include <jansson.h>

#include "server/worker/worker.h"

/* ---- which captures a run has ------------------------------------------------------ */

/* [{"unit", "arm"}] of the run that tempo_registry_show describes, in its order: those whose file is there.
 */
tempo_status tempo_captured_list(json_t **out, const json_t *run, tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_captured_place {
    char dir[4096]; /* of the arm's files */
    size_t unit;
    char arm[64];
    json_t *prompt_tokens; /* [{"id", "text"}], [id] or NULL: borrowed from `results` */
    json_t *results;       /* owned: results.json of the run */
} tempo_captured_place;

/* Where unit and arm (NULL: the first that was captured) of that run are.  TEMPO_E_ARG: no such unit or arm
 * in it; TEMPO_E_NOTFOUND: nothing was captured there.  Free *out with tempo_captured_place_free on every
 * path.  */
tempo_status tempo_captured_find(tempo_captured_place *out, const json_t *run, const size_t *unit,
                                 const char *arm, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_captured_place_free(tempo_captured_place *p);

/* ---- one arm's file ---------------------------------------------------------------- */

typedef struct tempo_captured tempo_captured; /* belongs to one thread at a time */

/* Is there a file of attention in dir, in either format? */
bool tempo_captured_is_there(const char *dir);
/* dir/attention_weights.npz, or else .safetensors.  TEMPO_E_NOTFOUND if neither is there; messages name the
 * file, not its directory. */
tempo_status tempo_captured_open(tempo_captured **out, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_captured_free(tempo_captured *c); /* takes NULL */
size_t tempo_captured_steps(const tempo_captured *c);
/* Does the last step select nothing (a closing pass)? */
bool tempo_captured_closed(const tempo_captured *c);
/* Numbers of the first layer and head that were captured. */
void tempo_captured_first(const tempo_captured *c, uint32_t *layer, uint32_t *head);
/* Bytes that reading the weights of step i < steps copies into memory; 0 where they are looked at in the file
 * (or refused). */
size_t tempo_captured_copy_bytes(const tempo_captured *c, size_t step);
/* Size, time of change and place of the file as one number, for an ETag. */
uint64_t tempo_captured_stamp(const tempo_captured *c);
/* i < steps; what *out points to lives until the next call.  TEMPO_E_FORMAT, TEMPO_E_LIMIT name array and
 * offset. Without `data` the weights are not looked at, and out->data is NULL.  */
tempo_status tempo_captured_step(tempo_captured *c, size_t i, bool data, tempo_recorded_step *out,
                                 tempo_err *err) TEMPO_MUST_CHECK;

/* [{"slot", "id", "text", "set", "position"}] of all slots of the last step; null where the files do not say:
 * of the prompt's tokens from p, of the others from dir/results.json.  t: for texts of the prompt's ids, or
 * NULL.  */
tempo_status tempo_captured_tokens(json_t **out, tempo_captured *c, const tempo_captured_place *p,
                                   const tempo_tokenizer *t, tempo_err *err) TEMPO_MUST_CHECK;

#endif
