/* hash.h - SHA-256 of files, directories and bytes, and git's hash of a file, through libcrypto, as lower-case hexadecimal digits.
 *
 * A directory's hash is that of the lines that sha256sum prints for its regular files, in byte order of their
 * names, hidden ones left out: `cd DIR && LC_ALL=C sha256sum * | sha256sum` gives the same.  So is that of a model in several
 * GGUF files (NAME-00001-of-00003.gguf), whichever of them is named, for those files alone.  */
#ifndef TEMPO_FILES_HASH_H
#define TEMPO_FILES_HASH_H
#include "base/status.h"

enum { TEMPO_HASH_CHARS = 65 }; /* 64 digits and a NUL */

/* Called now and then with bytes done (0 at first) and in all of the file at hand; false stops with TEMPO_E_STOPPED. */
typedef bool (*tempo_hash_progress)(void *user, uint64_t done, uint64_t total);

/* A file or a directory.  progress may be NULL.  On failure out is "". */
tempo_status tempo_hash_path(const char *path, char out[TEMPO_HASH_CHARS], tempo_hash_progress progress, void *user,
                             tempo_err *err) TEMPO_MUST_CHECK;
/* A file as git names it: SHA-1 of "blob SIZE", a NUL and its bytes, 40 digits. */
tempo_status tempo_hash_git_blob(const char *path, char out[TEMPO_HASH_CHARS], tempo_hash_progress progress, void *user,
                                 tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_hash_bytes(const void *p, size_t n, char out[TEMPO_HASH_CHARS], tempo_err *err) TEMPO_MUST_CHECK;

#endif
