/* answer.h - what the hub says of a repository at a revision: its commit and its files.
 *
 * Source: GET /api/models/ORG/NAME/revision/REVISION?blobs=true, an object with "sha" and "siblings", an array of objects with
 * rfilename, size, blobId and, of what git-lfs keeps, lfs with sha256 and size.  Other members are passed over.  */
#ifndef TEMPO_PULL_ANSWER_H
#define TEMPO_PULL_ANSWER_H
#include "base/status.h"

enum {
    TEMPO_HUB_MAX_ANSWER = 16 << 20, /* bytes */
    TEMPO_HUB_MAX_FILES = 100000,
    TEMPO_HUB_MAX_NAME = 1024, /* of a file; of each part of it 255, as file systems have it */
    TEMPO_HASH_TEXT = 65,
};

typedef struct tempo_hub_file {
    char *name;                 /* a plain path (tempo_is_plain_path) without backslashes */
    char hash[TEMPO_HASH_TEXT]; /* 64 digits: SHA-256 of the file; 40: SHA-1 of git's blob; "": not said */
    uint64_t size;              /* at most INT64_MAX; UINT64_MAX: not said */
} tempo_hub_file;

typedef struct tempo_hub_answer {
    char commit[TEMPO_HASH_TEXT];
    tempo_hub_file *files; /* [n] by name, each once */
    size_t n;
} tempo_hub_answer;

/* Is it 40 or 64 hexadecimal digits?  Only such a text becomes a part of a path here. */
bool tempo_is_hash(const char *s);

/* text[n] -> *out, which is to be freed on success only.  TEMPO_E_FORMAT naming the field, TEMPO_E_LIMIT; one name that no file of a
 * repository can have, such as one that begins with a slash or holds "..", and the whole answer is refused.  */
tempo_status tempo_hub_answer_parse(tempo_hub_answer *out, const char *text, size_t n, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_hub_answer_free(tempo_hub_answer *a);

/* Of the names that begin with `prefix`: the file PREFIX NAME, or NULL. */
tempo_hub_file *tempo_hub_answer_find(const tempo_hub_answer *a, const char *prefix, const char *name);

#endif
