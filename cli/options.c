/* options.c - the tables, and the parser that reads them. */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/capture.h"
#include "cli/message.h"
#include "run/decode_fields.h"

#define CMD_PROMPT (CMD_GENERATE | CMD_LOGITS)
#define CMD_RUN (CMD_SERVE | CMD_EXPERIMENT | CMD_STUDY | CMD_GENERATE | CMD_LOGITS | CMD_DOCTOR | CMD_BENCH)
#define CMD_MODEL ((CMD_RUN & ~CMD_STUDY) | CMD_INSPECT | CMD_TOKENIZE)

const option_spec option_table[] = {
#define OPTION(name, letter, value, commands, kind, field, choices, low, high, fallback, help)               \
    {name, letter, value, commands, kind, offsetof(options, field), choices, low, high, fallback, help},
#include "cli/options.inc"
#undef OPTION
};
const size_t option_count = sizeof(option_table) / sizeof(*option_table);

const command_spec command_table[] = {
    {"generate", CMD_GENERATE, NULL, "decode with parallel sets",
     "Continues a prompt.  At every step all tokens whose probability reaches the threshold become one set; "
     "the set "
     "enters the context at one position, and the next step reads all of its members.\n\n"
     "On a terminal text streams as it is decoded: sets of several members as [a/b/c].  A line of figures "
     "follows "
     "on standard error.  Ctrl-C ends cleanly with what was decoded so far.\n\n"
     "With --view every step is a column on the whole terminal: its members stand in it from the most "
     "probable "
     "down, each as high and as light as it is probable; what stays empty is the probability outside of the "
     "set.  "
     "A member behind a dotted line is not in the context.  In a column's head 'end' marks an end of "
     "sequence, "
     "'cut' a set that --max-set cut off, and with --paired an unequal sign where the two modes differ.  "
     "Left and "
     "right (or h and l) go through the steps, page keys, Home and End further, up and down (or k and j) "
     "through "
     "sets that are higher than the screen; space holds the columns while decoding goes on; q or Ctrl-C "
     "leaves, "
     "and ends the decoding if it still runs.  The text is then printed as without --view.",
     cmd_generate},
    {"inspect", CMD_INSPECT, "[MODEL]", "what a model's files hold",
     "Prints hyper-parameters, tensors with their types and sizes, facts about the tokenizer, and what is "
     "not "
     "supported, if anything.  Works on files that cannot run and on files that hold a vocabulary only.",
     cmd_inspect},
    {"tokenize", CMD_TOKENIZE, "[TEXT]", "text to token ids and back",
     "Prints one line for each token: its id and its piece.  Works on files that hold a vocabulary only.",
     cmd_tokenize},
    {"logits", CMD_LOGITS, NULL, "the distribution of the next token",
     "Runs a prompt and prints the most probable next tokens: id, piece, probability, logit.", cmd_logits},
    {"doctor", CMD_DOCTOR, NULL, "check the exact identities on this model and machine",
     "Runs the identities I1 to I10 of docs/semantics.md and prints a table.  The exit code is 1 if one does "
     "not hold.",
     cmd_doctor},
    {"bench", CMD_BENCH, NULL, "how fast this machine decodes with a model",
     "Times decoding steps with sets of several sizes, and prompts, in turns with the machine's own read "
     "bandwidth: a step has to read the weights once, so that bandwidth is the bound.  Figures are "
     "medians.\n\n"
     "A step is a whole one: the forward pass, the readout of all rows and the selection of the next set.",
     cmd_bench},
    {"synth", CMD_SYNTH, NULL, "write a model with random weights",
     "Writes a GGUF file with the shape of a published model, random weights and a made-up vocabulary, to "
     "measure with.  What it says is noise.",
     cmd_synth},
#ifdef TEMPO_STUDY
    {"analyze", CMD_ANALYZE, "DIR|A.npz B.npz ...", "compare and look at captures",
     "Two captured files are compared step by step: attention (isolated first, visible second; renormalised "
     "over what "
     "both see), logits, or both.  Of a directory with one capture it says what goes to siblings and whether "
     "the "
     "members of a set share a position; of a directory with several arms it does so for each and compares "
     "them with "
     "the isolated one.\n\n"
     "Captures that the original project wrote are read too.  The exit code says whether the analysis was "
     "made, not "
     "what it found.",
     cmd_analyze},
    {"experiment", CMD_EXPERIMENT, "run|check FILE|all|DIR ...",
     "run the five experiments, or any file of that kind",
     "`tempo experiment run all` runs the shipped experiments exp1 to exp5 on a model: isolated, visible, "
     "and a replay of what "
     "the published code computed, in one batch, with captures; then each alone for its time.  It ends with "
     "EXPERIMENT_RESULTS.md.  Files that are given may be those of the published study as they are.\n\n"
     "`tempo experiment check DIR` prints the published figures beside those of a run.",
     cmd_experiment},
    {"study", CMD_STUDY, "run|report [DIR] ...", "test the hypotheses over many prompts",
     "`tempo study run` decodes every prompt of the suite in lockstep: the isolated arm chooses the sets, "
     "visible arms take "
     "the same ones, and attention, distributions and positions are compared element by element.  The "
     "hypotheses, their "
     "bounds and tests are fixed in a file whose hash is stored before the first token.  The noise floor is "
     "measured "
     "first.\n\n"
     "What it writes is a directory; `tempo study report DIR` makes report.md and report.json from it again. "
     " An "
     "interrupted study goes on with --resume and redoes nothing.",
     cmd_study},
    {"runs", CMD_RUNS, "[list|show ID|compare A B|gc|rebuild DIR...]", "what was run, and what came of it",
     "Reads the database of runs and studies.  It is an index of their directories, which stay the truth.\n\n"
     "list shows all, newest first; that is what it does without an argument.  show prints everything about "
     "one.  compare sets two side by side: the steps whose sets differ, metrics and verdicts.  gc drops the "
     "runs whose directories are gone.  rebuild indexes every run in the directories and below them.  An ID "
     "may be cut short as long as it is the beginning of only one.",
     cmd_runs},
#endif
#ifdef TEMPO_SERVER
    {"serve", CMD_SERVE, NULL, "a page and an HTTP interface for a model",
     "Answers HTTP until Ctrl-C or SIGTERM, which end it with exit code 0: a page on which sets, attention "
     "and the modes can be seen, event "
     "streams for "
     "programs, and the routes that OpenAI's client libraries use.  docs/server.md describes them; "
     "/openapi.json does so for "
     "programs.\n\n"
     "Only this machine can reach it unless --host names another address; then --api-key-file should ask for "
     "a key.",
     cmd_serve},
#endif
    {"help", CMD_HELP, "[COMMAND]", "help, man pages, completions",
     "Prints help for a command, or an overview.", cmd_help},
    {"version", CMD_VERSION, NULL, "version and what it was built with",
     "Prints the version, the compiler and the licence.", cmd_version},
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
    if (out->n == MAX_TEXTS) {
        say("--%s: given more than %d times", s->name, MAX_TEXTS);
        return false;
    }
    out->v[out->n++] = value;
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

/* --record LIST, --max-capture SIZE */
static bool set_capture(const option_spec *s, const char *value, options *o)
{
    o->has_capture_option = true;
    if (strcmp(s->name, "max-capture") == 0)
        return parse_bytes(value, &o->capturing.max_bytes) ||
               bad_value(s, value, "a size such as 500MB or 4GB, or 0");
    return parse_record(value, &o->capturing) ||
           bad_value(
               s, value,
               "a list of attention, logits, positions, kv; attention may be followed by :layers=A-B or "
               ":heads=A-B");
}

/* --positions shared|unique|offset:D, --visible-layers A-B */
static bool set_custom(const option_spec *s, const char *value, options *o)
{
    if (strcmp(s->name, "record") == 0 || strcmp(s->name, "max-capture") == 0)
        return set_capture(s, value, o);
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
        if ((option_table[i].commands & c->bit) != 0 && d < least) {
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
        if ((option_table[i].commands & c->bit) != 0 && strlen(option_table[i].name) == n &&
            memcmp(option_table[i].name, name, n) == 0)
            return &option_table[i];
    return NULL;
}

static const option_spec *find_letter(const command_spec *c, char letter)
{
    for (size_t i = 0; i < option_count; i++)
        if ((option_table[i].commands & c->bit) != 0 && option_table[i].letter == letter)
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

bool parse_options(options *o, const command_spec *c, int argc, char **argv)
{
    bool only_arguments = false;

    *o = (options){.cpu = "auto",
                   .top = 10,
                   .rows = {6, {1, 2, 4, 8, 16, 32}},
                   .prompts = {1, {128}},
                   .contexts = {1, {0}},
                   .sequences = {1, {1}},
                   .repeats = 5,
                   .buffer_mb = 4096,
                   .shape = "llama-3.2-3b",
                   .type = "BF16",
                   .host = "127.0.0.1",
                   .port = 8080,
                   .max_steps = 4096};
    tempo_decode_options_init(&o->decoding);
    tempo_capture_options_init(&o->capturing);
    for (int i = 1; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!parse_option(o, c, argc, argv, &i))
                return false;
        } else if (c->argument == NULL || (o->argument != NULL && strstr(c->argument, "...") == NULL)) {
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
