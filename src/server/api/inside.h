/* inside.h - what the files of the API share; nobody else includes it.
 *
 *   api.c         the object that handlers share, answers  fields.c, values.c  reading requests strictly
 *   routes.c      the rows of all resources (route.h)      openapi.c, schema.c what they say of themselves
 *   messages.c    chats                                    memory.c            what answers hold, counted
 *   paths.c       no paths of this machine in answers      info.c presets.c tokenize.c  one file a resource
 *   decode/       prompts -> a job, events -> JSON, and the routes that decode
 *   recorded/     generations and runs, and their attention
 *   openai/       the routes that OpenAI's clients use
 */
#ifndef TEMPO_SERVER_API_INSIDE_H
#define TEMPO_SERVER_API_INSIDE_H
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/api/api.h"
#include "server/api/memory.h"

typedef struct tempo_generations tempo_generations;
struct tempo_api_problem;

struct tempo_api {
    tempo_api_options o;
    tempo_chat *chat;  /* NULL: no_chat says why */
    tempo_err no_chat;
    int32_t end_ids[TEMPO_MAX_END_IDS]; /* [n_end_ids] of the chat */
    uint32_t n_end_ids;
    tempo_generations *generations;
    _Atomic(const tempo_http *) http;
    int64_t created; /* Unix time */
    atomic_size_t held; /* memory.h */
};

enum { TEMPO_API_MAX_SET = 256 }; /* members of one set */

/* ---- answers (api.c) ---------------------------------------------------------------- */

/* The document as application/json; takes the reference.  NULL: a 500. */
void tempo_api_reply_json(tempo_exchange *x, unsigned status, json_t *document);
/* What went wrong with files of this machine, as an error body: TEMPO_E_ARG (what was asked of them) is a 400, _NOTFOUND a 404,
 * everything else a 500.  dir: of the run that it is about, or NULL; param may be NULL.  */
void tempo_api_reply_err(const tempo_api *a, tempo_exchange *x, const char *dir, const char *param, const tempo_err *err);
void tempo_api_reply_problem(tempo_exchange *x, const struct tempo_api_problem *p);
/* What ended a job, as an error body for free().  *status: 503 for a shutdown (and that code) and where all requests
 * together are too much, 400 for edits that make no numbers, else 500.  */
char *tempo_api_job_error_json(const tempo_api *a, const tempo_err *err, unsigned *status);
/* The same as an answer. */
void tempo_api_reply_job_err(const tempo_api *a, tempo_exchange *x, const tempo_err *err);
/* Of paths in a message only their last parts stay (paths.c).  dir: a directory that it may name, or NULL.  It never grows. */
void tempo_api_hide_paths(const tempo_api *a, const char *dir, char *message);
/* The same for the document of a run, in place: without "dir", and paths in "path", "argv" and "config" by their last part.
 * paths: v is of one of those. */
void tempo_api_hide_in_run(json_t *v, bool paths);
/* The job's next event; NULL: the client went away. */
tempo_event *tempo_api_wait_event(tempo_job *job, tempo_exchange *x);
/* The body as an object; false: p says what is wrong. */
bool tempo_api_read_body(tempo_exchange *x, json_t **body, struct tempo_api_problem *p);
/* n random hexadecimal digits behind a prefix, such as "gen-", NUL-terminated. */
void tempo_api_new_id(char *out, size_t cap, const char *prefix);

/* Text that grows; what fails for lack of memory is remembered. */
typedef struct tempo_api_text {
    char *p; /* [n], NUL-terminated once something was added; for free() */
    size_t n, cap;
    bool failed;
} tempo_api_text;

/* Bytes that it takes once n more have been added. */
size_t tempo_api_text_room(const tempo_api_text *t, size_t n);
void tempo_api_text_add(tempo_api_text *t, const char *s, size_t n);
void tempo_api_text_add_string(tempo_api_text *t, const char *s);
/* Digits of reals: those of floats and doubles are as the command's lines of JSON have them. */
typedef enum tempo_api_digits { TEMPO_API_SHORTEST, TEMPO_API_FLOATS = 9, TEMPO_API_DOUBLES = 17 } tempo_api_digits;
/* The document, compact; takes the reference.  NULL: failed. */
void tempo_api_text_add_json(tempo_api_text *t, json_t *document, tempo_api_digits digits);

/* A stream's bytes on their way.  Where memory fails, what was being told is dropped for an error that needs none. */
typedef struct tempo_api_outgoing {
    tempo_api_text text;
    const char *error; /* these bytes in place of the text, or NULL */
    size_t sent;       /* bytes of either that are gone */
    bool over;         /* nothing comes behind them */
} tempo_api_outgoing;

/* The error's body; a stream's last event is made of it. */
#define TEMPO_API_NO_MEMORY \
    "{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"param\":null,\"code\":null}}"

/* Are all bytes gone?  Then there is room for the next ones. */
bool tempo_api_outgoing_empty(tempo_api_outgoing *o);
/* The stream ends with the error (static) in place of what was not sent yet. */
void tempo_api_outgoing_fail(tempo_api_outgoing *o, const char *error);
/* An event of a stream behind them; data[n] NULL: no memory. */
void tempo_api_outgoing_event(tempo_api_outgoing *o, const char *name, const char *data, size_t n);
/* Up to cap bytes into buf, as tempo_stream's next has it; 0: there are none. */
ptrdiff_t tempo_api_outgoing_take(tempo_api_outgoing *o, char *buf, size_t cap);

/* The data of an `attention` event. */
json_t *tempo_api_attention_json(const tempo_attention_summary *s, const char *arm, size_t step);

/* ---- what was recorded (recorded/generations.c) ------------------------------------------- */

/* One generation with `record`; counted references.  Everything but what the functions below give is fixed at its start. */
typedef struct tempo_generation {
    char id[32];
    int64_t created;
    char *request; /* JSON, or NULL */
    char *prompt;  /* [n_prompt] bytes, for free() */
    size_t n_prompt;
    size_t n_arms;
    char arms[TEMPO_JOB_MAX_ARMS][24];
    tempo_recording *recording;
    /* guarded by lock */
    pthread_mutex_t lock;
    tempo_job *job;                          /* while it runs */
    tempo_slot *slots[TEMPO_JOB_MAX_ARMS];   /* afterwards */
    size_t n_slots[TEMPO_JOB_MAX_ARMS];
    tempo_api_shared *document;              /* afterwards: JSON text, or NULL */
    size_t steps;
    unsigned references;
} tempo_generation;

tempo_generations *tempo_generations_create(void);
void tempo_generations_free(tempo_generations *s); /* takes NULL */
/* A generation that begins: id, arms, prompt and recording are set, the recording is taken over.  The caller holds it and
 * releases it; the store drops the oldest ones when there are too many, or when their attention has gone.  NULL: no memory (the
 * recording is freed).  */
tempo_generation *tempo_generations_add(tempo_generations *s, const tempo_generation *begin, tempo_job *job);
/* It ends: take the slots from the job, which may be closed then, and the document (the reference, or NULL). */
void tempo_generation_end(tempo_generations *s, tempo_generation *g, size_t steps, tempo_api_shared *document);
/* NULL if there is none of this id (or its attention has been dropped); give it back with tempo_generation_release. */
tempo_generation *tempo_generations_find(tempo_generations *s, const char *id);
void tempo_generation_release(tempo_generation *g);
/* The arm's slots so far, for free(); NULL with *n = 0 if there are none.  */
tempo_slot *tempo_generation_slots(tempo_generation *g, size_t arm, size_t *n);

#endif
