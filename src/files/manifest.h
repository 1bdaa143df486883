/* manifest.h - manifest.json: what made the files of a directory, and their hashes.
 *
 *   {"kind", "id", "created", "version", "compiler", "argv", "model": {path, name, architecture, format, parameters,
 *    sha256}, "cpu", "cpu_features", "kernels", "compute", "threads", "config", "times",
 *    "edits": {ARM: [{"edit", "files": [{"path", "sha256"}]}]},
 *    "files": [{"path", "bytes", "sha256"}]}
 *
 * Paths are relative to the directory and in byte order; hidden files, temporary ones (NAME.tmp.XXXXXX) and the manifest
 * itself are left out; symbolic links are not followed.  */
#ifndef TEMPO_FILES_MANIFEST_H
#define TEMPO_FILES_MANIFEST_H
#include <jansson.h>

#include "base/status.h"

enum { TEMPO_MANIFEST_MAX_DEPTH = 16 }; /* of directories below dir: deeper is TEMPO_E_LIMIT */

/* What compiled this. */
#if defined(__clang__)
#define TEMPO_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define TEMPO_COMPILER "gcc " __VERSION__
#else
#define TEMPO_COMPILER "unknown"
#endif

/* Write dir/manifest.json, complete or not at all.  facts: an object of what the caller knows, the keys above; to it come
 * version, compiler, cpu (the processor's name), cpu_features, created (now, UTC, ISO 8601, unless it is there) and files;
 * "files" of its edits are paths, which are hashed.
 * It is borrowed and stays as it is.  TEMPO_E_NOMEM when it is NULL: an object that could not be made.  */
tempo_status tempo_manifest_write(const char *dir, const json_t *facts, tempo_err *err) TEMPO_MUST_CHECK;

/* [{"edit", "files": [PATH]}]: each path becomes {"path", "sha256"}.  Takes NULL. */
tempo_status tempo_manifest_hash_edits(json_t *list, tempo_err *err) TEMPO_MUST_CHECK;

#endif
