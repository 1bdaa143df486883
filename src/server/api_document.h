/* api_document.h - a generation told event by event, in the words of docs/server.md; and kept as one document where wanted. */
#ifndef TEMPO_SERVER_API_DOCUMENT_H
#define TEMPO_SERVER_API_DOCUMENT_H
#include "server/api_inside.h"
#include "server/api_request.h"

typedef struct tempo_document tempo_document;

/* max_bytes: of the document that is kept; 0: none is.  The request may go away, the api may not.  NULL: no memory. */
tempo_document *tempo_document_create(tempo_api *a, const tempo_api_request *r, size_t max_bytes);
void tempo_document_free(tempo_document *d);
const char *tempo_document_id(const tempo_document *d);
int64_t tempo_document_created(const tempo_document *d); /* Unix time */

/* The data of `start`; compact JSON, valid until the next call.  NULL: no memory.  */
const char *tempo_document_start(tempo_document *d, size_t *n);
/* The same for what an event of the job says; *name is the event's.  An ERROR event gives an error body, which a document does
 * not hold.  */
const char *tempo_document_add(tempo_document *d, const tempo_event *e, const char **name, size_t *n);

/* How many steps the arm with the most took. */
size_t tempo_document_steps(const tempo_document *d);
/* Did the document outgrow max_bytes (or memory)?  Then there is none. */
bool tempo_document_overflowed(const tempo_document *d);
/* {"start", "sets", "attention", "compare", "done"}, for free(); done is null before the end.  NULL: there is none. */
char *tempo_document_text(tempo_document *d, size_t *n);

#endif
