/* json_print.c - a tree as text, each real as short as it can be. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "io/json.h"

static bool print_value(FILE *f, const json_t *v);

static bool print_object(FILE *f, const json_t *v)
{
    json_t *object = (json_t *)(uintptr_t)v, *value; /* its iterators want that */
    const char *key;
    size_t n;
    bool ok = fputc('{', f) != EOF, first = true;

    json_object_keylen_foreach(object, key, n, value)
    {
        json_t *name = json_stringn(key, n);
        ok = ok && name != NULL && (first || fputc(',', f) != EOF) && print_value(f, name) &&
             fputc(':', f) != EOF && print_value(f, value);
        first = false;
        json_decref(name);
    }
    return ok && fputc('}', f) != EOF;
}

static bool print_array(FILE *f, const json_t *v)
{
    bool ok = fputc('[', f) != EOF;

    for (size_t i = 0; ok && i < json_array_size(v); i++)
        ok = (i == 0 || fputc(',', f) != EOF) && print_value(f, json_array_get(v, i));
    return ok && fputc(']', f) != EOF;
}

static bool print_value(FILE *f, const json_t *v)
{
    char text[TEMPO_FLOAT_TEXT];

    if (json_is_object(v))
        return print_object(f, v);
    if (json_is_array(v))
        return print_array(f, v);
    if (!json_is_real(v))
        return json_dumpf(v, f, JSON_ENCODE_ANY) == 0;
    const size_t n = tempo_float_text(json_real_value(v), text);
    return fwrite(text, 1, n, f) == n;
}

char *tempo_json_print(const json_t *v)
{
    char *text = NULL;
    size_t n;
    FILE *f = v != NULL ? open_memstream(&text, &n) : NULL;

    if (f == NULL)
        return NULL;
    const bool ok = print_value(f, v);
    if (fclose(f) == 0 && ok)
        return text;
    free(text);
    return NULL;
}
