/* api.h - the routes of docs/server.md: what requests mean, and what they are answered.
 *
 * A tempo_api is what all handlers share; http.h calls them, worker.h decodes for them.  Threads may share it.  */
#ifndef TEMPO_SERVER_API_H
#define TEMPO_SERVER_API_H
#include "server/http/http.h"
#include "server/worker/worker.h"

typedef struct tempo_api tempo_api;

typedef struct tempo_api_options {
    const tempo_model *model; /* it, the worker, and all strings outlive the tempo_api */
    tempo_worker *worker;
    unsigned threads;           /* of the engine, for the configs that answers repeat */
    const char *db;             /* the database of runs; NULL: the default one */
    const char *chat_template;  /* a file's name; NULL: the model's own, or the plain one */
    size_t max_steps;           /* of one request */
    size_t max_body, queue;     /* the limits of the others, for /v1/tempo/info */
    uint64_t max_recorded;
    size_t max_held; /* bytes of documents and attention that answers of all requests hold together (memory.h); 512 MB, at most an
                        * eighth of the memory that is there */
} tempo_api_options;

/* 4096 steps, 512 MB held, and the defaults of http.h and worker.h; no model, no worker. */
void tempo_api_options_init(tempo_api_options *o);
/* *out is NULL on failure; messages begin with the template's file where it is to blame. */
tempo_status tempo_api_create(tempo_api **out, const tempo_api_options *o, tempo_err *err) TEMPO_MUST_CHECK;
/* Why requests with messages are refused; NULL: they are not. */
const char *tempo_api_no_chat(const tempo_api *a);
/* The server's counts for /metrics, once it has started; NULL before it is freed.  */
void tempo_api_set_http(tempo_api *a, const tempo_http *h);
/* After the server has stopped. */
void tempo_api_free(tempo_api *a);

/* Every route, the page's apart, for free(); user of the handlers is the tempo_api.  NULL: no memory. */
tempo_route *tempo_api_routes(size_t *n);

#endif
