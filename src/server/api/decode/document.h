/* document.h - a generation told event by event, in the words of docs/server.md; and kept as one document where wanted. */
#ifndef TEMPO_SERVER_API_DECODE_DOCUMENT_H
#define TEMPO_SERVER_API_DECODE_DOCUMENT_H
#include "server/api/inside.h"
#include "server/api/request.h"

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
/* Was there no room for the document?  Then there is none, and nothing of it is held.  TEMPO_DOCUMENT_LARGE: it would have more
 * than max_bytes.  TEMPO_DOCUMENT_FULL: all answers together would hold too much, or there is no memory.  */
typedef enum tempo_document_room { TEMPO_DOCUMENT_FITS, TEMPO_DOCUMENT_LARGE, TEMPO_DOCUMENT_FULL } tempo_document_room;
tempo_document_room tempo_document_get_room(const tempo_document *d);
/* {"start", "sets", "attention", "compare", "done"}, a reference of the caller's own; done is null before the end.  It is made by the
 * first call, after which nothing may be added.  NULL: there is none. */
tempo_api_shared *tempo_document_text(tempo_document *d);

#endif
