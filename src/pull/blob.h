/* blob.h - one file of a repository in the cache: there complete, with its hash as it should be, or as a beginning.
 *
 * Who writes a blob holds its lock (flock), as the hub's own client does; a kernel releases it when its holder ends, however that ends.
 * On file systems without locks two may write one beginning at once: each writes the same bytes at the same places.  */
#ifndef TEMPO_PULL_BLOB_H
#define TEMPO_PULL_BLOB_H
#include "pull/hub.h"

/* Where the files of a repository at a commit lie. */
typedef struct tempo_blob_place {
    char cache[PATH_MAX]; /* HUB */
    char repo[PATH_MAX];  /* HUB/models--org--name */
    char locks[PATH_MAX]; /* HUB/.locks/models--org--name */
    const char *commit;
} tempo_blob_place;

/* Bytes of the file that need not be fetched: f->size when it is there complete, under its blob's name. */
uint64_t tempo_blob_there(const tempo_blob_place *at, const tempo_hub_file *f);

/* Called as bytes come, and while they are hashed. */
typedef void (*tempo_blob_progress)(void *user, uint64_t done, bool verifying);

/* Fetch what is missing, verify, and link it into the snapshot. */
tempo_status tempo_blob_fetch(tempo_hub *h, const tempo_blob_place *at, const tempo_hub_file *f, tempo_blob_progress progress,
                              void *user, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- names.c: directories, links and references of a cache ---- */
/* The directory of a path that has a slash, and those above it, where they are not there. */
tempo_status tempo_make_parents(const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* HUB/models--org--name/blobs/HASH SUFFIX -> out[PATH_MAX] */
tempo_status tempo_blob_path(const tempo_blob_place *at, const tempo_hub_file *f, const char *suffix, char *out,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* snapshots/COMMIT/NAME becomes a link to the blob, unless it is one, or the file itself. */
tempo_status tempo_blob_link(const tempo_blob_place *at, const tempo_hub_file *f, tempo_err *err) TEMPO_MUST_CHECK;
/* refs/REVISION says the commit, unless that is the revision itself. */
tempo_status tempo_write_ref(const tempo_blob_place *at, const char *revision, tempo_err *err) TEMPO_MUST_CHECK;
/* The lock of a blob -> *fd, for close(); -1 on file systems that have none.  Waits for whoever holds it. */
tempo_status tempo_blob_lock(const tempo_hub *h, const tempo_blob_place *at, const tempo_hub_file *f, int *fd,
                             tempo_err *err) TEMPO_MUST_CHECK;

#endif
