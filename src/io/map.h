/* map.h - a file as read-only memory. */
#ifndef TEMPO_IO_MAP_H
#define TEMPO_IO_MAP_H
#include "base/status.h"

typedef struct tempo_map {
    const unsigned char *p; /* [n], page-aligned */
    uint64_t n;
} tempo_map;

/* Map a regular, non-empty file.  TEMPO_E_NOTFOUND, TEMPO_E_IO (no permission, ...),
 * TEMPO_E_FORMAT (a directory, a device, empty, a Git LFS pointer): the message names the path, and where
 * a link leads to nothing.  */
tempo_status tempo_map_open(tempo_map *out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_map_close(tempo_map *m); /* *m = { 0 } afterwards; fine on { 0 } */

#endif
