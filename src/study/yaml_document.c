/* yaml_document.c - see yaml_document.h */
#include "study/yaml_document.h"

#include <stdlib.h>
#include <string.h>

static tempo_status fill(char *object, const tempo_yaml_form *k, const char *path, const void *bytes,
                         size_t n, const tempo_yaml_tell *tell, tempo_err *err)
{
    tempo_err why = {0};
    tempo_yaml *doc;
    tempo_status st = tempo_yaml_parse(&doc, path, bytes, n, &why);

    memcpy(object + k->doc, &doc, sizeof(doc));
    if (st == TEMPO_OK) {
        const char *name = tempo_yaml_name(doc);
        memcpy(object + k->path, &name, sizeof(name));
        st = k->fill(object, &why);
    }
    if ((st = tempo_yaml_settle(doc, st, &why, tell, err)) == TEMPO_OK)
        st = tempo_hash_bytes(bytes, n, object + k->sha256, err);
    return st;
}

tempo_status tempo_yaml_document_parse(void **out, const tempo_yaml_form *form, const char *path,
                                       const void *bytes, size_t n, const tempo_yaml_tell *tell,
                                       tempo_err *err)
{
    void *object = calloc(1, form->size);

    *out = NULL;
    if (object == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
    const tempo_status st = fill(object, form, path, bytes, n, tell, err);
    if (st != TEMPO_OK)
        form->free(object);
    else
        *out = object;
    return st;
}

tempo_status tempo_yaml_document_load(void **out, const tempo_yaml_form *form, const char *path,
                                      const tempo_yaml_tell *tell, tempo_err *err)
{
    char *bytes;
    size_t n;
    tempo_status st = tempo_yaml_read_file(path, &bytes, &n, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return tempo_yaml_settle(NULL, st, err, tell, NULL);
    st = tempo_yaml_document_parse(out, form, path, bytes, n, tell, err);
    free(bytes);
    return st;
}
