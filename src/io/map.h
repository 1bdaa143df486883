/* map.h - a file as read-only memory. */
#ifndef TEMPO_IO_MAP_H
#define TEMPO_IO_MAP_H
#include <time.h>

#include "base/status.h"

typedef struct tempo_map {
    const unsigned char *p; /* [n], page-aligned */
    uint64_t n;
    int fd;                   /* the file, open for as long as it is mapped; only where p is there */
    struct timespec modified; /* when it was mapped */
} tempo_map;

/* Map a regular, non-empty file.  TEMPO_E_NOTFOUND, TEMPO_E_IO (no permission, ...),
 * TEMPO_E_FORMAT (a directory, a device, empty, a Git LFS pointer): the message names the path, and where
 * a link leads to nothing.  */
tempo_status tempo_map_open(tempo_map *out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* Is the file still as it was mapped?  TEMPO_E_IO when it has been cut short (a page beyond its end is a SIGBUS), has grown or
 * was written to since; the message does not name it.  What was renamed, removed, or replaced by a rename is still there, as
 * it was: that is no change.  A time that was set alone (touch) cannot be told from a write, of which the times are all that is
 * left, and counts as one; a write whose time was set back is not seen.  Costs one fstat.  Fine on { 0 }.  */
tempo_status tempo_map_check(const tempo_map *m, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_map_close(tempo_map *m); /* *m = { 0 } afterwards; fine on { 0 } */

/* What becomes of a map whose content was read with st: `owner` has it, or it is closed and the error begins with path.
 * Returns st; owner counts only when that is TEMPO_OK.  */
tempo_status tempo_map_keep(tempo_map *m, tempo_status st, const char *path, tempo_map *owner, tempo_err *err);

#endif
