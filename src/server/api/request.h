/* request.h - from a request's JSON to a job: prompts, messages, arms, given sets. */
#ifndef TEMPO_SERVER_API_REQUEST_H
#define TEMPO_SERVER_API_REQUEST_H
#include "server/api/fields.h"
#include "server/worker/worker.h"

struct tempo_api;

/* One request for decoding.  Free with tempo_api_request_free, whatever became of it. */
typedef struct tempo_api_request {
    /* as read; pointers into the body */
    const json_t *prompt, *prompt_ids, *messages, *arms, *given, *record, *edits;
    const json_t *arm_edits[TEMPO_JOB_MAX_ARMS]; /* those of arms[i] alone */
    const json_t *tools, *documents, *chat_template_kwargs, *enable_thinking; /* of messages */
    tempo_decode_options decoding;
    uint64_t decode_given; /* bits of tempo_api_decode_fields */
    bool no_bos, no_special, attention, stream;
    char *source;     /* what asked for a recording, as JSON, so that it can be asked for again; NULL where it is long; free */
    json_t *warnings; /* texts: what was read and is not done; NULL: nothing */
    size_t top_keys, top;
    /* made from that */
    char *text; /* [n_text] the prompt: as given, rendered, or decoded from ids */
    size_t n_text;
    int32_t *ids; /* [n_ids] */
    size_t n_ids;
    struct tempo_given_list *sets; /* what job.given is of, or NULL */
    tempo_edits *lists[TEMPO_JOB_MAX_ARMS]; /* owned: of arm i, or NULL; without arms the first is the prompt's */
    tempo_job_options job;
} tempo_api_request;

void tempo_api_request_init(tempo_api_request *r);
void tempo_api_request_free(tempo_api_request *r);

/* Fill in text and ids, once.  Each refuses an empty prompt, and one beyond the model's context. */
bool tempo_api_prompt_text(struct tempo_api *a, tempo_api_request *r, const char *param, const json_t *text,
                           tempo_api_problem *p);
bool tempo_api_prompt_ids(struct tempo_api *a, tempo_api_request *r, const char *param, const json_t *ids,
                          tempo_api_problem *p);
/* r->messages and what goes with them through the chat template; what ends a turn there also ends the text.  (messages.c) */
bool tempo_api_prompt_messages(struct tempo_api *a, tempo_api_request *r, tempo_api_problem *p);
/* r's ids as the job's prompt: at least one, and within the context. */
bool tempo_api_prompt_length(struct tempo_api *a, tempo_api_request *r, const char *param, tempo_api_problem *p);
/* Whichever of prompt, prompt_ids and messages is there; exactly one must be. */
bool tempo_api_prompt(struct tempo_api *a, tempo_api_request *r, tempo_api_problem *p);

/* What the options of decoding must keep to beyond the table: limits of this server and model, replays, visible layers.
 * prefix as in tempo_api_read.  */
bool tempo_api_check_decoding(struct tempo_api *a, const tempo_api_request *r, const char *prefix, tempo_api_problem *p);
/* One arm of r->decoding by its mode or replay. */
void tempo_api_one_arm(tempo_api_request *r);

/* r->edits and those of arms as lists, once the job has its arms.  prefix as in tempo_api_read.  (edits.c) */
bool tempo_api_read_edits(const struct tempo_api *a, tempo_api_request *r, const char *prefix, tempo_api_problem *p);
/* What tempo_job_submit refused: of edits that do not fit the prompt it is their field. */
bool tempo_api_refuse_job(tempo_api_problem *p, const char *prefix, const tempo_err *err);

/* Bodies of POST /v1/tempo/generate and /v1/tempo/next -> a job that can be submitted. */
bool tempo_api_read_generate(struct tempo_api *a, const json_t *body, tempo_api_request *r, tempo_api_problem *p);
bool tempo_api_read_next(struct tempo_api *a, const json_t *body, tempo_api_request *r, tempo_api_problem *p);

#endif
