/* memory.h - memory that answers take: one count and one bound for documents and slices of attention of all requests
 * together, whoever reads them and however slowly; text that several answers share.  */
#ifndef TEMPO_SERVER_API_MEMORY_H
#define TEMPO_SERVER_API_MEMORY_H
#include <stdbool.h>
#include <stddef.h>

#include "server/api/api.h"

/* Count n bytes; false: that would be more than the options' max_held, and nothing is counted.  Any thread. */
bool tempo_api_hold(tempo_api *a, size_t n);
void tempo_api_let_go(tempo_api *a, size_t n);
size_t tempo_api_held(const tempo_api *a);
/* Answer with a 503 and Retry-After: the bound is reached. */
void tempo_api_reply_full(tempo_exchange *x);
/* Answer 200 with data[n] (malloc'd, n of it counted): taken, and let go when it has been sent or given up. */
void tempo_api_reply_held(tempo_api *a, tempo_exchange *x, const char *type, void *data, size_t n);

/* Text with a count of references. */
typedef struct tempo_api_shared tempo_api_shared;
/* data[n], malloc'd, n of it counted: both are taken over and let go with the last reference.  NULL: no memory, both are let
 * go.  */
tempo_api_shared *tempo_api_share(tempo_api *a, char *data, size_t n);
tempo_api_shared *tempo_api_shared_take(tempo_api_shared *s); /* one more reference; takes NULL */
void tempo_api_shared_free(tempo_api_shared *s);              /* one less; takes NULL */
size_t tempo_api_shared_bytes(const tempo_api_shared *s);     /* 0 of NULL */
/* Answer 200 with it; takes the caller's reference. */
void tempo_api_reply_shared(tempo_exchange *x, const char *type, tempo_api_shared *s);

#endif
