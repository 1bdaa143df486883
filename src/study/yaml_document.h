/* yaml_document.h - a YAML file becomes the object that keeps it: read, parsed, filled in, all its errors told, hashed. */
#ifndef TEMPO_STUDY_YAML_DOCUMENT_H
#define TEMPO_STUDY_YAML_DOCUMENT_H
#include "files/hash.h"
#include "yaml/yaml.h"

/* What a kind of object is: how large it is, where in it its parts lie, how it is filled in and freed. */
typedef struct tempo_yaml_form {
    size_t size;
    size_t doc;    /* struct tempo_yaml *: to be freed with the object */
    size_t path;   /* const char *: what messages call the file; lives with doc */
    size_t sha256; /* char[TEMPO_HASH_CHARS]: of the bytes */
    tempo_status (*fill)(void *object, tempo_err *err); /* from doc, which is there by then; goes on after errors (tempo_yaml_both) */
    void (*free)(void *object);
} tempo_yaml_form;

/* bytes[n] that came from `path`.  The first error is err's, with PATH:LINE:COLUMN; tell (may be NULL) hears all of them. */
tempo_status tempo_yaml_document_parse(void **out, const tempo_yaml_form *form, const char *path, const void *bytes, size_t n,
                                       const tempo_yaml_tell *tell, tempo_err *err) TEMPO_MUST_CHECK;
/* The file itself. */
tempo_status tempo_yaml_document_load(void **out, const tempo_yaml_form *form, const char *path, const tempo_yaml_tell *tell,
                                      tempo_err *err) TEMPO_MUST_CHECK;

#endif
