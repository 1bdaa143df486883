/* pull.h - models from a hub into the hub's cache on this machine, where its own client and -m find them: the only part of the
 * program that opens connections, and only when it is asked to.  Of the program, never of the libraries: needs libcurl.
 *
 *   settings.c    what the environment says: the hub, the token, deadlines
 *   answer.c      the hub's answer about a repository -> a list of files (fuzzed)
 *   choose.c      which of them the program would read
 *   web.c         one request through libcurl, redirects followed by hand
 *   hub.c         requests until they work: waiting, trying again, saying what refusals mean
 *   blob.c        one file: lock, resume, verify, give it its names
 *   pull.c        all of that in its order
 *
 * What is on disk, shared with huggingface_hub, whose locks are ours, too:
 *
 *   HUB/models--org--name/blobs/HASH                  a file: SHA-256 of what git-lfs keeps, else git's hash of its blob
 *   HUB/models--org--name/blobs/HASH.incomplete       its beginning; the next pull goes on behind it
 *   HUB/models--org--name/snapshots/COMMIT/PATH       a link to ../../blobs/HASH
 *   HUB/models--org--name/refs/REVISION               the commit, once all files are there
 *   HUB/.locks/models--org--name/HASH.lock            flock(2): who holds it writes the blob
 *
 * Sources: huggingface_hub (file_download.py) and its documentation of the cache; the hub's API; RFC 9110.  */
#ifndef TEMPO_PULL_PULL_H
#define TEMPO_PULL_PULL_H
#include "base/status.h"

typedef struct tempo_pull tempo_pull;

/* How far a file is.  verifying: its bytes are there and being hashed, done of size. */
typedef struct tempo_pull_state {
    const char *name;
    uint64_t done, size;
    size_t file, n_files;      /* this is file number `file`, from 0 */
    uint64_t all_done, all_size; /* bytes of all files; what was there already counts as done */
    bool verifying;
} tempo_pull_state;

/* What a pull asks and tells whoever waits for it; each may be NULL. */
typedef struct tempo_pull_hooks {
    void *user;
    bool (*go_on)(void *user); /* often; false stops with TEMPO_E_STOPPED and leaves what can be resumed */
    void (*progress)(void *user, const tempo_pull_state *s);
    void (*say)(void *user, const char *text); /* what a person should know meanwhile: a wait, a choice that was made */
} tempo_pull_hooks;

typedef struct tempo_pull_file {
    const char *name; /* its path in the repository */
    const char *hash; /* 64 hexadecimal digits: SHA-256 of the file; 40: SHA-1 of git's blob */
    uint64_t size;
    uint64_t there; /* bytes of it that need not be fetched */
} tempo_pull_file;

/* Ask the hub about ORG/NAME[@REVISION][:TAG or /FILE] and choose what to fetch; nothing is written.  TEMPO_E_ARG: no such name;
 * TEMPO_E_NOTFOUND: the hub has no such repository, revision or model; TEMPO_E_UNSUPPORTED: the environment says to stay offline,
 * or access is refused; TEMPO_E_IO: the hub cannot be reached; TEMPO_E_FORMAT, TEMPO_E_LIMIT: of an answer that is none.
 * hooks are borrowed until the end.  */
tempo_status tempo_pull_open(tempo_pull **out, const char *name, const tempo_pull_hooks *hooks, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_pull_free(tempo_pull *p); /* takes NULL */

size_t tempo_pull_count(const tempo_pull *p);
tempo_pull_file tempo_pull_at(const tempo_pull *p, size_t i); /* borrowed from p */
const char *tempo_pull_repo(const tempo_pull *p);
const char *tempo_pull_revision(const tempo_pull *p); /* "main", where the name had none */
const char *tempo_pull_commit(const tempo_pull *p);
const char *tempo_pull_path(const tempo_pull *p); /* of the model once it is there: for -m */

/* Fetch what is missing.  Each file is there complete, with its hash as the hub says, or as a beginning that is resumed. */
tempo_status tempo_pull_fetch(tempo_pull *p, tempo_err *err) TEMPO_MUST_CHECK;

#endif
