/* yaml_document.h - a YAML file on its way into the object that keeps it: parsed, filled in, all its errors told, hashed. */
#ifndef TEMPO_STUDY_YAML_DOCUMENT_H
#define TEMPO_STUDY_YAML_DOCUMENT_H
#include "files/hash.h"
#include "yaml/yaml.h"

/* Where things go in the object. */
typedef struct tempo_yaml_document {
    void *object;
    tempo_status (*fill)(void *object, tempo_err *err); /* from *doc, which is there by then; goes on after errors (tempo_yaml_both) */
    struct tempo_yaml **doc; /* the object's, to be freed with it on every path */
    const char **path;       /* what messages call the file; lives with *doc */
    char *sha256;            /* [TEMPO_HASH_CHARS] of the bytes */
} tempo_yaml_document;

/* bytes[n] that came from `path`.  The first error is err's, with PATH:LINE:COLUMN; tell (may be NULL) hears all of them. */
tempo_status tempo_yaml_document_read(const tempo_yaml_document *d, const char *path, const void *bytes, size_t n,
                                      const tempo_yaml_tell *tell, tempo_err *err) TEMPO_MUST_CHECK;

#endif
