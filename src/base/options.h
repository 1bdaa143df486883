/* options.h - option structs of callers that were built with another version of tempo.h. */
#ifndef TEMPO_BASE_OPTIONS_H
#define TEMPO_BASE_OPTIONS_H
#include "tempo.h"

/* Of an option struct: its name, and its defaults in a struct of that type whose size is sizeof. */
typedef struct tempo_options_kind {
    const char *name;
    const void *defaults;
    size_t size;
} tempo_options_kind;

/* The defaults, as much of them as a struct of `size` bytes holds; what it has beyond them is zero. */
void tempo_options_init(const tempo_options_kind *kind, void *out, size_t size);

/* *out: a complete struct, with the caller's values where it has such members and the defaults elsewhere; all of them where
 * given is NULL.  TEMPO_E_ARG when its size is none, TEMPO_E_UNSUPPORTED when it sets members that are not known here; *out is
 * the defaults then.  */
tempo_status tempo_options_take(const tempo_options_kind *kind, void *out, const void *given, tempo_err *err);

/* The kind of an option struct (type_kind), its defaults but for `size`, and its _init_size. */
#define TEMPO_OPTIONS(type, ...)                                                                             \
    static const type type##_defaults = {.size = sizeof(type), __VA_ARGS__};                                 \
    static const tempo_options_kind type##_kind = {#type, &type##_defaults, sizeof(type)};                   \
    void type##_init_size(type *o, size_t size) { tempo_options_init(&type##_kind, o, size); }

#endif
