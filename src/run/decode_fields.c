/* decode_fields.c - the table of decoding options, and its values as text. */
#include "run/decode_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"

const tempo_decode_field tempo_decode_fields[] = {
#define DECODE_OPTION(name, letter, value, users, kind, field, choices, low, high, fallback, help)           \
    {name, TEMPO_FIELD_##kind, offsetof(tempo_decode_options, field), choices, low, high, fallback, help},
#include "run/decode_options.inc"
};
const size_t tempo_decode_field_count = sizeof(tempo_decode_fields) / sizeof(*tempo_decode_fields);

const tempo_decode_field *tempo_decode_field_find(const char *name)
{
    for (size_t i = 0; i < tempo_decode_field_count; i++)
        if (strcmp(tempo_decode_fields[i].name, name) == 0)
            return &tempo_decode_fields[i];
    return NULL;
}

int tempo_choice_find(const char *choices, const char *value, size_t n)
{
    for (int i = 0;; i++) {
        const size_t len = strcspn(choices, "|");
        if (len == n && memcmp(choices, value, n) == 0)
            return i;
        if (choices[len] == '\0')
            return -1;
        choices += len + 1;
    }
}

const char *tempo_choice_at(const char *choices, int i, size_t *n)
{
    while (i-- > 0)
        choices += strcspn(choices, "|") + 1;
    *n = strcspn(choices, "|");
    return choices;
}

bool tempo_decode_parse_layers(const char *text, tempo_decode_options *o)
{
    unsigned first, last;
    int used = 0;

    if (strspn(text, "0123456789-") != strlen(text) || sscanf(text, "%9u-%9u%n", &first, &last, &used) != 2 ||
        text[used] != '\0' || first > last)
        return false;
    o->first_visible_layer = first;
    o->last_visible_layer = last;
    return true;
}

bool tempo_decode_parse_positions(const char *text, tempo_decode_options *o)
{
    const char *d = text + 7;
    tempo_positions found;
    char *end;

    if (tempo_positions_parse(text, &found) && found != TEMPO_POSITIONS_OFFSET) {
        o->positions = found;
        o->position_offset = 0;
        return true;
    }
    if (strncmp(text, "offset:", 7) != 0 || *d == '\0' || strspn(d, "0123456789+-.eE") != strlen(d))
        return false;
    const double offset = strtod(d, &end);
    if (end == d || *end != '\0' || !isfinite(offset))
        return false;
    o->positions = TEMPO_POSITIONS_OFFSET;
    o->position_offset = offset;
    return true;
}
