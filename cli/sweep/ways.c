/* ways.c - lists of options of decoding become ways to decode. */
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/sweep/sweep.h"
#include "io/json_file.h"
#include "run/arms_json.h"
#include "run/decode_fields.h"

enum { MOST_WAYS = 1024 };

/* A value as JSON has it; what is no number stays text, and is refused as such. */
static json_t *value_json(const char *name, const char *text, size_t n)
{
    char one[64], *end;

    if (n >= sizeof(one))
        return json_stringn(text, n);
    memcpy(one, text, n);
    one[n] = '\0';
    switch (tempo_decode_field_find(name)->kind) {
    case TEMPO_FIELD_SIZE: {
        const long long v = strtoll(one, &end, 10);
        return n > 0 && *end == '\0' && one[0] >= '0' && one[0] <= '9' ? json_integer(v) : json_string(one);
    }
    case TEMPO_FIELD_REAL: {
        const double v = strtod(one, &end);
        return n > 0 && *end == '\0' ? tempo_json_number(v) : json_string(one);
    }
    default:
        return json_string(one);
    }
}

/* Every way so far with value text[n] of an option: *to gets them. */
static int set_value(const char *name, const char *text, size_t n, const sweep_ways *from,
                     tempo_decode_options *to, size_t step)
{
    json_t *v = value_json(name, text, n);
    tempo_err err = {0};
    int code = EXIT_OK;

    for (size_t i = 0; i < from->n && code == EXIT_OK; i++) {
        to[i * step] = from->list[i];
        if (tempo_decode_read(&to[i * step], name, v, &err) != TEMPO_OK) {
            say("--%s: '%.*s': %s", name, (int)(n < 64 ? n : 64), text, err.msg);
            code = EXIT_USAGE;
        }
    }
    json_decref(v);
    return code;
}

static size_t count_values(const char *text)
{
    size_t n = 1;

    for (; *text != '\0'; text++)
        n += *text == ',';
    return n;
}

static void add_column(sweep_ways *w, const char *name)
{
    char *column = w->columns[w->n_columns];
    size_t n = strlen(name);

    n = n < sizeof(w->columns[0]) ? n : sizeof(w->columns[0]) - 1;
    memcpy(column, name, n);
    column[n] = '\0';
    for (size_t i = 0; i < n; i++)
        column[i] = column[i] == '-' ? '_' : column[i];
    w->names[w->n_columns++] = column;
}

/* The ways that there are, once for each value of one more list. */
static int multiply(sweep_ways *w, const char *name, const char *text)
{
    const size_t n = count_values(text);
    int code = EXIT_OK;

    if (n > MOST_WAYS / w->n) {
        say("--%s: that makes more than %d ways to decode each prompt", name, MOST_WAYS);
        return EXIT_USAGE;
    }
    tempo_decode_options *all = calloc(w->n * n, sizeof(*all));
    if (all == NULL) {
        say("out of memory for %zu ways to decode", w->n * n);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < n && code == EXIT_OK; i++) {
        const size_t len = strcspn(text, ",");
        code = set_value(name, text, len, w, all + i, n);
        text += len + 1;
    }
    free(w->list);
    w->list = all;
    w->n *= n;
    if (n > 1 && strcmp(name, "threshold") != 0 && strcmp(name, "mode") != 0)
        add_column(w, name);
    return code;
}

int sweep_read_ways(sweep_ways *w, const options *o)
{
    int code = EXIT_OK;

    *w = (sweep_ways){.n = 1};
    w->list = calloc(1, sizeof(*w->list));
    w->columns = calloc(MAX_SWEPT + 2, sizeof(*w->columns));
    w->names = calloc(MAX_SWEPT + 2, sizeof(*w->names));
    if (w->list == NULL || w->columns == NULL || w->names == NULL) {
        say("out of memory for ways to decode");
        return EXIT_FAILED;
    }
    tempo_decode_options_init(w->list);
    add_column(w, "threshold");
    add_column(w, "mode");
    for (size_t f = 0; f < tempo_decode_field_count; f++)
        for (size_t i = 0; i < o->swept.n && code == EXIT_OK; i++)
            if (strcmp(o->swept.names[i], tempo_decode_fields[f].name) == 0)
                code = multiply(w, o->swept.names[i], o->swept.values[i]);
    return code;
}

void sweep_free_ways(sweep_ways *w)
{
    free(w->list);
    free(w->columns);
    free(w->names);
}
