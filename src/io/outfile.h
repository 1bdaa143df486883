/* outfile.h - files that appear complete or not at all.
 *
 * Regular files are written as PATH.tmp.XXXXXX, synced and renamed by _commit; _abort removes what
 * was written.  A new file's mode follows the umask, one that is replaced keeps its mode; of a
 * symbolic link the file behind it is replaced.  A path that exists and is neither a file nor a
 * directory (/dev/null, /dev/full, a pipe) is written in place.  */
#ifndef TEMPO_IO_OUTFILE_H
#define TEMPO_IO_OUTFILE_H
#include "base/status.h"

typedef struct tempo_outfile tempo_outfile;

/* TEMPO_E_IO when the file cannot be written: no permission, a directory, ...; messages name path. */
tempo_status tempo_outfile_create(tempo_outfile **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* Buffered.  After a failure every later call fails the same way. */
tempo_status tempo_outfile_write(tempo_outfile *f, const void *p, size_t n, tempo_err *err) TEMPO_MUST_CHECK;
/* Overwrite n bytes at an earlier place: at + n <= tempo_outfile_pos, else TEMPO_E_ARG.  What is written in place is not
 * patched (a pipe could not be): TEMPO_E_UNSUPPORTED.  A failure of the disk is kept as that of a write.  */
tempo_status tempo_outfile_patch(tempo_outfile *f, uint64_t at, const void *p, size_t n, tempo_err *err) TEMPO_MUST_CHECK;
/* What follows is long and not read again soon: bring it to the disk while it is written, and give the memory that it takes
 * in the system's cache back.  So a stream keeps using the same few pages, and there is little left to do at the end.
 * Advice only, where the system takes it.  */
void tempo_outfile_stream(tempo_outfile *f);
/* Bytes written so far. */
uint64_t tempo_outfile_pos(const tempo_outfile *f);
/* Flush, fsync, rename, fsync the directory.  Frees f on every path. */
tempo_status tempo_outfile_commit(tempo_outfile *f, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_outfile_abort(tempo_outfile *f); /* takes NULL */

/* path[cap] = "dir/name"; TEMPO_E_LIMIT when it is too long. */
tempo_status tempo_path_join(char *path, size_t cap, const char *dir, const char *name, tempo_err *err) TEMPO_MUST_CHECK;
/* A directory and those above it. */
tempo_status tempo_make_directory(const char *path, tempo_err *err) TEMPO_MUST_CHECK;


#endif
