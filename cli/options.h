/* options.h - the commands and their options: one table that the parser, --help, the man pages and the completions read.
 *
 * The table is options.inc.  What a command line says ends in a struct options; every value has been checked
 * against the table when a command begins.  */
#ifndef TEMPO_CLI_OPTIONS_H
#define TEMPO_CLI_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tempo.h>

/* Exit codes; the man pages say what they mean. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* Commands by number: rows of commands.inc. */
enum command_number {
#define COMMAND(ID, name, takes, argument, brief, text) COMMAND_##ID,
#define STUDY_COMMAND COMMAND
#define SERVER_COMMAND COMMAND
#include "cli/commands.inc"
    N_COMMANDS,
};

/* Who takes an option: groups of options that a command's row names, and a bit for each command's own.  More than an int's bits, as both
 * compilers have enums. */
__extension__ enum option_taker {
    TAKES_MODEL = 1ull << 0,    /* which model */
    TAKES_RUN = 1ull << 1,      /* threads, instruction set */
    TAKES_PROMPT = 1ull << 2,   /* a prompt, a chat */
    TAKES_DECODING = 1ull << 3, /* all of decode_options.inc */
    TAKES_STORING = 1ull << 4,  /* of it, how caches are stored */
    TAKES_JSON = 1ull << 5,
    TAKES_COLOR = 1ull << 6,
    TAKES_DB = 1ull << 7,
    FIRST_COMMAND = 8,
#define COMMAND(ID, name, takes, argument, brief, text) CMD_##ID = 1ull << (FIRST_COMMAND + COMMAND_##ID),
#define STUDY_COMMAND COMMAND
#define SERVER_COMMAND COMMAND
#include "cli/commands.inc"
};
#define ANY_COMMAND (~0ull)
_Static_assert(FIRST_COMMAND + N_COMMANDS <= 63, "a bit for each command");

typedef enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } color_when;

enum { MAX_SIZES = 16 };

/* A list of numbers: "1,2,4". */
typedef struct size_list {
    size_t n, v[MAX_SIZES];
} size_list;

enum { MAX_TEXTS = 64, FEW_TEXTS = 8, MAX_REALS = 8, MAX_SWEPT = 24 };

/* Values of an option that may be given several times. */
typedef struct text_list {
    size_t n;
    const char *v[MAX_TEXTS];
} text_list;

/* "0.1,0.05" */
typedef struct real_list {
    size_t n;
    double v[MAX_REALS];
} real_list;

/* Options of decoding as they were given: lists. */
typedef struct swept_list {
    size_t n;
    const char *names[MAX_SWEPT], *values[MAX_SWEPT];
} swept_list;

typedef struct options {
    const char *argument;   /* the first that is no option, or NULL */
    char **arguments;       /* [n_arguments] all of them, borrowed from argv: the array is the command line's own */
    size_t n_arguments;
    char **command_line;    /* [n_command_line] all of argv as it was, borrowed */
    size_t n_command_line;

    const char *model, *cpu;
    size_t threads, max_context;
    int compute; /* tempo_compute */
    bool hash;

    const char *prompt, *file, *prompt_ids;
    bool no_bos, no_special, decode;
    bool chat; /* and what it takes: */
    const char *system, *chat_template, *chat_date, *messages, *tools, *chat_variables;
    int thinking; /* 0: as the template does it; 1 on, 2 off */

    tempo_decode_options decoding;
    bool has_mode, has_context, has_readout, has_positions; /* given on the command line */
    bool paired;
    const char *arms, *driver, *given; /* files of arms and of sets; the name of an arm */
    int regime;                        /* tempo_regime */
    tempo_sampling sampling;           /* without its temperature, which is that of decoding */

    bool json, jsonl, view, probs;
    int color; /* color_when */

    const char *capture; /* the directory, or NULL */
    tempo_capture_options capturing;
    bool has_record;
    bool closing_pass, has_capture_option; /* one that says what or how to capture */

    size_t top;
    const char *all;
    bool all_positions;
    size_t alternatives, stride, window; /* of scores */

    const char *row, *tokens, *attribute, *npz, *svg; /* of a lens */
    bool heads;
    int mean_rows; /* 0: all, 1: the last */

    const char *curves; /* of a trace */
    bool no_exchange;
    bool trace; /* of a study */

    size_list rows, contexts, sequences, prompts; /* of a benchmark */
    size_t repeats, buffer_mb;
    bool profile;

    const char *shape, *type, *output;
    bool force, allow_requantize, allow_loss;
    size_t seed;

    const char *db; /* the database of runs, NULL: the default one */
    const char *html; /* study: a file for the report as a page, or NULL */
    bool dry_run;

    text_list edit;
    const char *edits_file;

    const char *clean, *corrupt, *answers, *patch_arms, *patch_taps, *senders, *receivers, *layers, *at; /* of a patch, some of a trace */
    int each, direction, metric; /* tempo_patch_each and so on */
    bool free_mlps;
    uint64_t max_memory;
    const char *csv, *resume_file;

    swept_list swept; /* of a sweep, and its shards */
    const char *shard;
    bool allow_mixed;

    text_list models; /* of a study */
    real_list thresholds;
    int layout; /* of experiments: tempo_layout_choice */
    const char *dir, *prompts_file, *hypotheses;
    size_t study_steps, max_prompts, batch;
    bool resume, no_db;
    size_t pairs;
    bool has_pairs;

    const char *host, *api_key_file, *base_path; /* of a server */
    text_list allow_hosts;
    size_t port, max_steps;
    bool open;

    bool list;
    const char *man, *completion;
    bool help;
} options;

typedef enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char * */
    OPTION_SIZE,   /* size_t from low to high */
    OPTION_SIZES,  /* size_list, each from low to high */
    OPTION_REAL,   /* double from low (excluded) to high */
    OPTION_CHOICE, /* an enum: the place in `choices` */
    OPTION_CHOICE_TEXT, /* const char *: one of `choices` */
    OPTION_TEXTS,  /* text_list: each time it is given adds one, up to `high` or FEW_TEXTS */
    OPTION_REALS,  /* real_list, each from low (excluded) to high */
    OPTION_SWEPT,  /* swept_list: name and text; another time takes the place of the first */
    OPTION_CUSTOM, /* set by a function of its own */
} option_kind;

typedef struct option_spec {
    const char *name;   /* without -- */
    char letter;        /* 0 = none */
    const char *value;  /* what --help calls the value, NULL for flags */
    uint64_t takers;    /* TAKES_*, CMD_* */
    option_kind kind;
    size_t offset;      /* of its field in struct options */
    const char *choices; /* "a|b|c" */
    double low, high;
    const char *fallback; /* what holds without it, for --help; NULL: nothing to say */
    const char *help;
} option_spec;

typedef struct command_spec {
    const char *name;
    uint64_t takes;
    const char *argument; /* what is no option: "[TEXT]", "run FILE..." (more than one), or NULL */
    const char *brief;    /* one line */
    const char *text;     /* paragraphs, separated by empty lines */
    int (*run)(const options *o);
} command_spec;

extern const option_spec option_table[];
extern const size_t option_count;
extern const command_spec command_table[];
extern const size_t command_count;

const command_spec *find_command(const char *name); /* or NULL */

/* Read argv[1 ..] of a command.  false: a message was printed, the exit code is EXIT_USAGE. */
bool parse_options(options *o, const command_spec *c, int argc, char **argv);

/* ---- the commands, one file each ---- */
#define COMMAND(ID, name, takes, argument, brief, text) int cmd_##name(const options *o);
#define STUDY_COMMAND COMMAND
#define SERVER_COMMAND COMMAND
#include "cli/commands.inc"

/* ---- help.c, docs.c ---- */
void print_overview(void);
void print_command_help(const command_spec *c);
/* c NULL: the page of the program itself */
void print_man_page(const command_spec *c);
/* false: no such shell */
bool print_completion(const char *shell);
/* The exit codes, one line each, NULL-terminated. */
extern const char *const exit_code_lines[];

#endif
