/* options.c - the tables, and the parser that reads them. */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "cli/capture.h"
#include "cli/message.h"
#include "run/decode_fields.h"

const option_spec option_table[] = {
#define OPTION(name, letter, value, takers, kind, field, choices, low, high, fallback, help)                 \
    {name, letter, value, takers, kind, offsetof(options, field), choices, low, high, fallback, help},
#include "cli/options.inc"
#undef OPTION
};
const size_t option_count = sizeof(option_table) / sizeof(*option_table);

const command_spec command_table[] = {
#define COMMAND(ID, name, takes, argument, brief, text)                                                      \
    {#name, CMD_##ID | (takes), argument, brief, text, cmd_##name},
#ifdef TEMPO_STUDY
#define STUDY_COMMAND COMMAND
#else
#define STUDY_COMMAND(ID, name, takes, argument, brief, text)
#endif
#ifdef TEMPO_SERVER
#define SERVER_COMMAND COMMAND
#else
#define SERVER_COMMAND(ID, name, takes, argument, brief, text)
#endif
#include "cli/commands.inc"
};
const size_t command_count = sizeof(command_table) / sizeof(*command_table);

const command_spec *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    return NULL;
}

/* ---- values ---- */

static bool bad_value(const option_spec *s, const char *value, const char *expected)
{
    say("--%s: '%.64s' is not %s", s->name, value, expected);
    return false;
}

/* A value, or all of a list, must be such a number. */
static bool bad_size(const option_spec *s, const char *value)
{
    char expected[96];

    (void)snprintf(expected, sizeof(expected), "a whole number from %.0f to %.0f%s", s->low, s->high,
                   s->kind == OPTION_SIZES ? ", or several with commas between them" : "");
    return bad_value(s, value, expected);
}

static bool read_size(const option_spec *s, const char *value, size_t *out)
{
    char *end;

    errno = 0;
    const unsigned long long v = strtoull(value, &end, 10);
    *out = (size_t)v;
    return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 && (double)v >= s->low &&
           (double)v <= s->high;
}

static bool set_sizes(const option_spec *s, const char *value, size_list *out)
{
    out->n = 0;
    for (const char *p = value;; p++) {
        char one[24];
        const size_t len = strcspn(p, ",");
        if (len >= sizeof(one) || out->n == MAX_SIZES)
            return bad_value(s, value, "a list of at most 16 numbers such as 1,2,4");
        memcpy(one, p, len);
        one[len] = '\0';
        if (!read_size(s, one, &out->v[out->n++]))
            return bad_size(s, value);
        if (*(p += len) == '\0')
            return true;
    }
}

static bool set_real(const option_spec *s, const char *value, double *out)
{
    char expected[96], *end;

    if (isinf(s->high))
        (void)snprintf(expected, sizeof(expected), "a finite number above %g", s->low);
    else
        (void)snprintf(expected, sizeof(expected), "a number above %g and at most %g", s->low, s->high);
    const double v = strtod(value, &end);
    if (end == value || *end != '\0' || !(v > s->low && v <= s->high) || isinf(v)) /* NaN fails it too */
        return bad_value(s, value, expected);
    *out = v;
    return true;
}

static bool add_text(const option_spec *s, const char *value, text_list *out)
{
    const size_t most = s->high > 0 ? (size_t)s->high : FEW_TEXTS;

    if (out->n == most) {
        say("--%s: given more than %zu times", s->name, most);
        return false;
    }
    out->v[out->n++] = value;
    return true;
}

static bool set_swept(const option_spec *s, const char *value, swept_list *out)
{
    size_t i = 0;

    while (i < out->n && strcmp(out->names[i], s->name) != 0)
        i++;
    if (i == MAX_SWEPT)
        return bad_value(s, value, "one of so many options");
    out->names[i] = s->name;
    out->values[i] = value;
    out->n += i == out->n;
    return true;
}

static bool set_reals(const option_spec *s, const char *value, real_list *out)
{
    out->n = 0;
    for (const char *p = value;; p++) {
        char one[40];
        const size_t len = strcspn(p, ",");
        if (len >= sizeof(one) || out->n == MAX_REALS)
            return bad_value(s, value, "a list of at most 8 numbers such as 0.1,0.05");
        memcpy(one, p, len);
        one[len] = '\0';
        if (!set_real(s, one, &out->v[out->n++]))
            return false;
        if (*(p += len) == '\0')
            return true;
    }
}

static int find_choice(const char *choices, const char *value)
{
    return tempo_choice_find(choices, value, strlen(value));
}

static bool unknown_choice(const option_spec *s, const char *value)
{
    char expected[128] = "one of ";
    size_t at = strlen(expected);

    for (const char *p = s->choices; *p != '\0' && at < sizeof(expected) - 3; p++) {
        if (*p == '|')
            expected[at++] = ',';
        expected[at++] = *p == '|' ? ' ' : *p;
    }
    expected[at] = '\0';
    return bad_value(s, value, expected);
}

/* --record LIST, --tap LIST, --max-capture SIZE */
static bool set_capture(const option_spec *s, const char *value, options *o)
{
    o->has_capture_option = true;
    if (strcmp(s->name, "max-capture") == 0)
        return parse_bytes(value, &o->capturing.max_bytes) ||
               bad_value(s, value, "a size such as 500MB or 4GB, or 0");
    tempo_err err = {0};
    if (!o->has_record) /* the first list takes the place of what is recorded otherwise, the others add to it
                         */
        o->capturing.record = 0;
    o->has_record = true;
    if (tempo_record_parse(&o->capturing, value, &err) == TEMPO_OK)
        return true;
    say("--%s: '%.64s' is not a list of what can be recorded: %s", s->name, value, err.msg);
    return false;
}

/* --positions shared|unique|offset:D, --visible-layers A-B */
static bool set_custom(const option_spec *s, const char *value, options *o)
{
    if (strcmp(s->name, "record") == 0 || strcmp(s->name, "tap") == 0 || strcmp(s->name, "max-capture") == 0)
        return set_capture(s, value, o);
    if (strcmp(s->name, "max-memory") == 0)
        return parse_bytes(value, &o->max_memory) || bad_value(s, value, "a size such as 500MB or 4GB");
    if (strcmp(s->name, "positions") != 0)
        return tempo_decode_parse_layers(value, &o->decoding) ||
               bad_value(s, value, "two layers A-B with A <= B");
    o->has_positions = true;
    if (tempo_decode_parse_positions(value, &o->decoding))
        return true;
    return strncmp(value, "offset:", 7) == 0 ? bad_value(s, value, "offset: with a finite number")
                                             : unknown_choice(s, value);
}

static bool set_value(const option_spec *s, const char *value, options *o)
{
    void *field = (char *)o + s->offset;

    switch (s->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return true;
    case OPTION_TEXT:
        *(const char **)field = value;
        return true;
    case OPTION_TEXTS:
        return add_text(s, value, field);
    case OPTION_SWEPT:
        return set_swept(s, value, field);
    case OPTION_REALS:
        return set_reals(s, value, field);
    case OPTION_SIZE:
        o->has_pairs |= field == (void *)&o->pairs;
        return read_size(s, value, field) || bad_size(s, value);
    case OPTION_SIZES:
        return set_sizes(s, value, field);
    case OPTION_REAL:
        return set_real(s, value, field);
    case OPTION_CHOICE_TEXT:
        *(const char **)field = value;
        return find_choice(s->choices, value) >= 0 || unknown_choice(s, value);
    case OPTION_CHOICE: {
        const int i = find_choice(s->choices, value);
        *(int *)field = i; /* enums of tempo.h have the size of int */
        o->has_mode |= field == (void *)&o->decoding.mode;
        o->has_context |= field == (void *)&o->decoding.context;
        o->has_readout |= field == (void *)&o->decoding.readout;
        o->has_capture_option |= field == (void *)&o->capturing.format;
        return i >= 0 || unknown_choice(s, value);
    }
    default:
        return set_custom(s, value, o);
    }
}

_Static_assert(sizeof(tempo_mode) == sizeof(int) && sizeof(tempo_readout) == sizeof(int) &&
                   sizeof(tempo_context) == sizeof(int) && sizeof(tempo_stop) == sizeof(int) &&
                   sizeof(tempo_replay) == sizeof(int) && sizeof(tempo_kv_type) == sizeof(int) &&
                   sizeof(tempo_capture_format) == sizeof(int),
               "set_value stores enums as int");
_Static_assert(sizeof(uint64_t) == sizeof(size_t), "set_value stores seeds as size_t");

/* ---- the command line ---- */

/* Steps to turn a[0 .. n) into b: insert, delete or change a letter. */
static size_t distance(const char *a, size_t n, const char *b)
{
    size_t row[64], m = strlen(b);

    if (m >= sizeof(row) / sizeof(*row))
        return n + m;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 0; i < n; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < m; j++) {
            const size_t change = diagonal + (a[i] != b[j]);
            const size_t edge = 1 + (row[j] < row[j + 1] ? row[j] : row[j + 1]);
            diagonal = row[j + 1];
            row[j + 1] = change < edge ? change : edge;
        }
    }
    return row[m];
}

static void say_unknown(const command_spec *c, const char *name, size_t n)
{
    const option_spec *best = NULL;
    size_t least = 4; /* further away it is no misspelling */

    for (size_t i = 0; i < option_count; i++) {
        const size_t d = distance(name, n, option_table[i].name);
        if ((option_table[i].takers & c->takes) != 0 && d < least) {
            least = d;
            best = &option_table[i];
        }
    }
    if (best != NULL)
        say("%s has no option --%.*s; did you mean --%s?", c->name, (int)(n < 64 ? n : 64), name, best->name);
    else
        say("%s has no option --%.*s; see tempo %s --help", c->name, (int)(n < 64 ? n : 64), name, c->name);
}

static const option_spec *find_long(const command_spec *c, const char *name, size_t n)
{
    for (size_t i = 0; i < option_count; i++)
        if ((option_table[i].takers & c->takes) != 0 && strlen(option_table[i].name) == n &&
            memcmp(option_table[i].name, name, n) == 0)
            return &option_table[i];
    return NULL;
}

static const option_spec *find_letter(const command_spec *c, char letter)
{
    for (size_t i = 0; i < option_count; i++)
        if ((option_table[i].takers & c->takes) != 0 && option_table[i].letter == letter)
            return &option_table[i];
    return NULL;
}

/* One option at argv[*i]; *i moves on to its last word. */
static bool parse_option(options *o, const command_spec *c, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *value = NULL;
    const option_spec *s;

    if (word[1] == '-') {
        const size_t n = strcspn(word + 2, "=");
        if ((s = find_long(c, word + 2, n)) == NULL) {
            say_unknown(c, word + 2, n);
            return false;
        }
        if (word[2 + n] == '=')
            value = word + 3 + n;
    } else {
        if ((s = find_letter(c, word[1])) == NULL) {
            say("%s has no option -%c; see tempo %s --help", c->name, word[1], c->name);
            return false;
        }
        if (word[2] != '\0')
            value = word + 2;
    }
    if (s->kind == OPTION_FLAG && value != NULL) {
        say("--%s takes no value", s->name);
        return false;
    }
    if (s->kind != OPTION_FLAG && value == NULL) {
        if (*i + 1 == argc) {
            say("--%s needs a value: %s", s->name, s->choices != NULL ? s->choices : s->value);
            return false;
        }
        value = argv[++*i];
    }
    return set_value(s, value, o);
}

/* "A B" names two, "..." stands for more. */
static bool takes_several(const command_spec *c)
{
    return strstr(c->argument, "...") != NULL || strchr(c->argument, ' ') != NULL;
}

bool parse_options(options *o, const command_spec *c, int argc, char **argv)
{
    bool only_arguments = false;

    *o = (options){.cpu = "auto",
                   .top = 10,
                   .alternatives = 3,
                   .rows = {6, {1, 2, 4, 8, 16, 32}},
                   .prompts = {1, {128}},
                   .contexts = {1, {0}},
                   .sequences = {1, {1}},
                   .repeats = 5,
                   .buffer_mb = 4096,
                   .shape = "llama-3.2-3b",
                   .host = "127.0.0.1",
                   .port = 8080,
                   .max_steps = 4096,
                   .sampling = {.top_p = 1.0}};
    tempo_decode_options_init(&o->decoding);
    tempo_capture_options_init(&o->capturing);
    for (int i = 1; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!parse_option(o, c, argc, argv, &i))
                return false;
        } else if (c->argument == NULL || (o->argument != NULL && !takes_several(c))) {
            say("unexpected argument '%.64s'; see tempo %s --help", argv[i], c->name);
            return false;
        } else { /* they move to the front of argv, past what has been read */
            argv[1 + o->n_arguments++] = argv[i];
            o->argument = argv[1];
        }
    }
    o->arguments = argv + 1;
    return true;
}
