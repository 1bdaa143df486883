/* hub.h - names of the hub's repositories, what their files are called in the hub's cache, and which of a list of GGUF files
 * is meant: what finds models there (find_cache.c) and what fetches them into it (src/pull) know it from here.  */
#ifndef TEMPO_MODEL_HUB_H
#define TEMPO_MODEL_HUB_H
#include <limits.h>

#include "base/status.h"

enum { TEMPO_MAX_REPO_PART = 96, TEMPO_MAX_REPO = 2 * TEMPO_MAX_REPO_PART + 2 };

/* ---- find_hub.c ---- */

/* A name that users give, ORG/NAME or NAME, and behind it @REVISION, /FILE and :TAG. */
typedef struct tempo_repo_name {
    const char *whole;                                      /* as it was given, borrowed */
    char repo[TEMPO_MAX_REPO];                              /* "org/name" or "name" */
    char revision[PATH_MAX], file[PATH_MAX], tag[PATH_MAX]; /* "": none; revision may end in a file's path */
} tempo_repo_name;

/* False when it has another form. */
bool tempo_repo_parse(const char *name, tempo_repo_name *r);
/* r->revision[..end) is the revision and what is behind the slash at `end` a file's path.  False when r names a file already. */
bool tempo_repo_split_revision(tempo_repo_name *r, size_t end);
/* A path that stays below where it begins: relative, without empty parts, "." and "..", and nothing that a terminal obeys. */
bool tempo_is_plain_path(const char *s);

/* Where the hub's client has its things; out[PATH_MAX]. */
tempo_status tempo_hub_dir(char *out, tempo_err *err) TEMPO_MUST_CHECK;
/* Of a repository in that directory: its folder, HUB/models--org--name; the same for HUB/.locks. */
tempo_status tempo_hub_repo_dir(const char *hub, const char *repo, char *out, tempo_err *err) TEMPO_MUST_CHECK;
/* The file with the user's token. */
tempo_status tempo_hub_token_path(char *out, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- find_gguf.c: lists of paths, kept in place; each gives how many are left at the front ---- */
bool tempo_is_gguf_name(const char *path);
/* Sorted; without the parts of a model after its first, and projectors where there is anything else. */
size_t tempo_gguf_models(const char **names, size_t n);
/* Those whose names have the tag ("Q8_0", in any case) most surely.  0: none has, and the list is as it was. */
size_t tempo_gguf_tagged(const char **names, size_t n, const char *tag);
/* For a message: "a.gguf, b.gguf and 3 more", "none"; with a tag those that are most like it first, which orders the list so. */
void tempo_gguf_format(const char **names, size_t n, const char *tag, char *out, size_t cap);

/* ---- files.c ---- */
bool tempo_path_exists(const char *path); /* a link to nothing does */
bool tempo_path_is_dir(const char *path);
/* snprintf that fails with TEMPO_E_LIMIT when out[cap] is too short. */
tempo_status tempo_path_format(char *out, size_t cap, tempo_err *err, const char *fmt, ...)
    TEMPO_PRINTF(4, 5) TEMPO_MUST_CHECK;

#endif
