/* yaml_document.c - see yaml_document.h */
#include "study/yaml_document.h"

tempo_status tempo_yaml_document_read(const tempo_yaml_document *d, const char *path, const void *bytes,
                                      size_t n, const tempo_yaml_tell *tell, tempo_err *err)
{
    tempo_err why = {0};
    tempo_status st = tempo_yaml_parse(d->doc, path, bytes, n, &why);

    if (st == TEMPO_OK) {
        *d->path = tempo_yaml_name(*d->doc);
        st = d->fill(d->object, &why);
    }
    if ((st = tempo_yaml_settle(*d->doc, st, &why, tell, err)) == TEMPO_OK)
        st = tempo_hash_bytes(bytes, n, d->sha256, err);
    return st;
}
