/* hub.h - requests to the hub until they work or cannot: waits, further tries, and what a refusal means for a person. */
#ifndef TEMPO_PULL_HUB_H
#define TEMPO_PULL_HUB_H
#include "pull/answer.h"
#include "pull/web.h"
#include "pull/pull.h"

enum {
    TEMPO_HUB_TRIES = 6,           /* that bring nothing, one after the other */
    TEMPO_HUB_ALL_TRIES = 1000,    /* of one request */
    TEMPO_HUB_LONGEST_WAIT_S = 60, /* of ours, which double */
    TEMPO_HUB_PATIENCE_S = 300,    /* with the hub, when it says how long to wait; it is not asked earlier, but given up */
};

typedef struct tempo_hub {
    tempo_hub_settings settings;
    tempo_web *web;
    tempo_pull_hooks hooks;
    const char *repo;
} tempo_hub;

/* hooks and repo are borrowed.  Reads the environment. */
tempo_status tempo_hub_open(tempo_hub *h, const char *repo, const tempo_pull_hooks *hooks, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_hub_close(tempo_hub *h); /* takes what a failed tempo_hub_open leaves */

bool tempo_hub_goes_on(const tempo_hub *h);
void tempo_hub_say(const tempo_hub *h, const char *fmt, ...) TEMPO_PRINTF(2, 3);

/* Perform r, whose `from` its `take` moves on as bytes come, until it has been answered with a 2xx.  What `take` has must be whole
 * when *complete says so; NULL: whatever came.  A connection that ends before is tried again, behind what is there.  A refusal is
 * TEMPO_E_NOTFOUND, TEMPO_E_UNSUPPORTED or TEMPO_E_IO; a->status has its number.  */
tempo_status tempo_hub_ask(tempo_hub *h, tempo_web_request *r, bool (*complete)(void *user), tempo_web_answer *a,
                           tempo_err *err) TEMPO_MUST_CHECK;

/* A text of at most `most` bytes, JSON of an object -> *text[*n] for free(), NULL unless it is TEMPO_OK. */
tempo_status tempo_hub_text(tempo_hub *h, const char *url, const char *of, size_t most, char **text, size_t *n,
                            tempo_web_answer *a, tempo_err *err) TEMPO_MUST_CHECK;
/* The repository's files at a revision.  *no_revision: that is what the hub has not. */
tempo_status tempo_hub_list(tempo_hub *h, const char *revision, tempo_hub_answer *out, bool *no_revision,
                            tempo_err *err) TEMPO_MUST_CHECK;
/* What the list does not say of a file, its hash and its size, is asked for. */
tempo_status tempo_hub_look_up(tempo_hub *h, const char *commit, tempo_hub_file *f, tempo_err *err) TEMPO_MUST_CHECK;
/* The URL of a file -> url[TEMPO_WEB_MAX_URL]. */
tempo_status tempo_hub_file_url(const tempo_hub *h, const char *commit, const char *name, char *url,
                                tempo_err *err) TEMPO_MUST_CHECK;
/* Is what an answer says of a file what is known of it? */
tempo_status tempo_hub_check(const tempo_hub_file *f, const char *commit, const tempo_web_answer *a,
                             tempo_err *err) TEMPO_MUST_CHECK;

#endif
