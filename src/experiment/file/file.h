/* file.h - experiments/NAME.yaml and the published files -> what to run.
 *
 * Every key of the published format acts, or stands in notes[] with the reason why it cannot; those that ask for what is not
 * built are one error that names all of them (foreign.c).  Keys of ours have the names of the program's options
 * with _ for -.  docs/experiments.md lists all of them.  A published key and ours for the same thing together are an error that
 * names both lines; so are unknown, duplicate and ill-typed keys.  What depends on the model (visible layers within its
 * layers, positions within its context) is checked by the decoder.  */
#ifndef TEMPO_EXPERIMENT_FILE_H
#define TEMPO_EXPERIMENT_FILE_H
#include "files/hash.h"
#include "files/prompt_lines.h"
#include "yaml/yaml.h"

enum {
    TEMPO_EXPERIMENT_MAX_ARMS = 16,
    TEMPO_EXPERIMENT_MAX_THRESHOLDS = 16,
    TEMPO_EXPERIMENT_MAX_PROMPTS = 1000,
    TEMPO_EXPERIMENT_MAX_TOP_K = 16,
    TEMPO_EXPERIMENT_MAX_NOTES = 48 + 3 * TEMPO_EXPERIMENT_MAX_ARMS,
    TEMPO_EXPERIMENT_MAX_PUBLISHED = 4, /* runs */
    TEMPO_EXPERIMENT_MAX_SETS = 256,    /* of a published run */
    TEMPO_EXPERIMENT_NAME_CHARS = 32,   /* of an arm, with its NUL */
    TEMPO_EXPERIMENT_FILE_CHARS = 128,  /* of an output file, with its NUL */
    TEMPO_EXPERIMENT_RECORDS = 64,      /* names in `record` */
};

/* Bits of `record`. */
enum {
    TEMPO_EXPERIMENT_ATTENTION = TEMPO_RECORD_ATTENTION,
    TEMPO_EXPERIMENT_LOGITS = TEMPO_RECORD_LOGITS,
    TEMPO_EXPERIMENT_POSITIONS = TEMPO_RECORD_POSITIONS,
    TEMPO_EXPERIMENT_KV = TEMPO_RECORD_KV,
};

/* One way to decode.  Its name is unique, [a-z0-9] and then [a-z0-9_-]: it becomes a directory. */
typedef struct tempo_experiment_arm {
    char name[TEMPO_EXPERIMENT_NAME_CHARS];
    tempo_decode_options decoding; /* threshold = the file's first one unless own_threshold */
    bool own_threshold;            /* the arm names its threshold: the file's do not touch it */
    uint32_t line;                 /* in the file; 0 for an arm that follows from other keys */
    const tempo_yaml_node *edits;  /* its own, texts; or NULL */
    tempo_edits *list;             /* owned: the file's and its own, decoding.edits; made by tempo_experiment_edit */
} tempo_experiment_arm;

/* Why a key does not act as one might expect. */
typedef struct tempo_experiment_note {
    const char *key;
    uint32_t line;
    char text[240];
} tempo_experiment_note;

/* What the published document says of one run.  0 or NULL = it does not say. */
typedef struct tempo_published_run {
    const char *mode;              /* "isolated" or "visible": what the document calls it */
    size_t steps, total_tokens;    /* total = sum of the set sizes, the prompt not counted */
    size_t set_sizes[TEMPO_EXPERIMENT_MAX_SETS];
    size_t n_set_sizes;
    size_t fewest, most;           /* "1-3 tokens/step" */
    const char *sets;              /* the sets as printed, "[ windows][ ill][, .] ..."; may stop early */
    const char *text;              /* the text as printed; may end in "..." */
    double seconds;
    const char *data_size;         /* "287 KB" */
} tempo_published_run;

typedef struct tempo_published {
    const char *model;             /* Hugging Face name; NULL = the file has no `published:` */
    const char *outputs;           /* "identical", "identical to exp1" */
    double visible_faster_percent; /* 0 = not given */
    const char *data_size;         /* of all its runs together */
    const char *remark;
    tempo_published_run runs[TEMPO_EXPERIMENT_MAX_PUBLISHED];
    size_t n_runs;
} tempo_published;

/* All strings are owned by the experiment; optional ones are NULL when the file does not give them. */
typedef struct tempo_experiment {
    const char *name;        /* experiment_name; else the file's name without .yaml */
    const char *description;
    const char *goal;        /* one sentence on what it is for (key `goal`) */
    const char *path;        /* as it was given */
    char sha256[TEMPO_HASH_CHARS]; /* of the file's bytes */

    const char **prompts; /* [n_prompts], n_prompts >= 1, none empty, UTF-8 */
    size_t n_prompts;
    tempo_prompt_lines *lines; /* of prompts_file: prompt i is its line i, which has an id; else NULL */
    bool no_bos;

    double thresholds[TEMPO_EXPERIMENT_MAX_THRESHOLDS]; /* each in (0, 1], none twice */
    size_t n_thresholds;                                /* >= 1 */

    tempo_experiment_arm arms[TEMPO_EXPERIMENT_MAX_ARMS];
    size_t n_arms;   /* >= 1 */
    const tempo_yaml_node *edits; /* of all arms, before their own: texts; or NULL */
    bool lockstep;   /* regime: false = free (each arm its own sets) */
    size_t driver;   /* lockstep: the arm whose sets all others take; never a replay arm */

    unsigned record;           /* TEMPO_EXPERIMENT_* */
    tempo_capture_options recording; /* the same, for the capture */
    const char *record_text[TEMPO_EXPERIMENT_RECORDS]; /* [n_record] as --record spells them: "attention:layers=20-27" */
    size_t n_record;
    /* Names inside the arm's directory, always set: the file's, else attention_weights.npz,
     * logits_distributions.npz, kv_cache.npz, rope_positions.json, cross_parallel_scores.json.  */
    char attention_file[TEMPO_EXPERIMENT_FILE_CHARS], logits_file[TEMPO_EXPERIMENT_FILE_CHARS];
    char kv_file[TEMPO_EXPERIMENT_FILE_CHARS], positions_file[TEMPO_EXPERIMENT_FILE_CHARS];
    char cross_parallel_file[TEMPO_EXPERIMENT_FILE_CHARS];
    const char *output_dir; /* where to write unless --out says otherwise, or NULL */
    bool flat;              /* layout: flat: files as the original project's program laid them out */
    const char *model;      /* what the file names; -m decides.  Or NULL */

    bool compute_kl_divergence, compute_cosine_similarity; /* both true unless the file says false */
    bool analyze_cross_parallel;                           /* false unless the file says true */
    size_t top_k[TEMPO_EXPERIMENT_MAX_TOP_K];              /* rising; 1, 5, 10, 20 unless the file says otherwise */
    size_t n_top_k;

    bool verbose;
    size_t pairs;     /* ABBA pairs of solo runs for times; 0 = none; 6 unless the file says otherwise */
    bool has_seed;
    uint64_t seed;    /* recorded only: decoding has no randomness */

    tempo_experiment_note notes[TEMPO_EXPERIMENT_MAX_NOTES];
    size_t n_notes;
    tempo_published published;
    struct tempo_yaml *doc; /* holds the strings */
    char file_name[TEMPO_EXPERIMENT_FILE_CHARS]; /* what `name` is when the file gives none */
} tempo_experiment;

/* A file, or bytes[n] that came from `path`.  On failure *out is NULL and the message begins with
 * PATH:LINE:COLUMN, or with PATH where no line is to blame; tell (may be NULL) hears all errors of the file.  */
tempo_status tempo_experiment_load(tempo_experiment **out, const char *path, const tempo_yaml_tell *tell,
                                   tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_experiment_parse(tempo_experiment **out, const char *path, const void *bytes, size_t n,
                                    const tempo_yaml_tell *tell, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_experiment_free(tempo_experiment *e);
/* The prompts of a file in the place of its own. */
tempo_status tempo_experiment_take_prompts(tempo_experiment *e, const char *path, tempo_err *err) TEMPO_MUST_CHECK;

/* Make the arms' lists of edits for a model; paths in them are meant from where the file is.  What is wrong with an edit is told at its
 * line; err as in tempo_experiment_load.  Once, before anything runs.  */
tempo_status tempo_experiment_edit(tempo_experiment *e, const tempo_model *m, const tempo_yaml_tell *tell,
                                   tempo_err *err) TEMPO_MUST_CHECK;

/* Does an arm take from another, so that it cannot run alone? */
bool tempo_experiment_is_bound(const tempo_experiment *e);

/* The options of one arm at one of the file's thresholds. */
tempo_decode_options tempo_experiment_decoding(const tempo_experiment *e, size_t arm, size_t threshold);
/* The arm of that name, or NULL. */
const tempo_experiment_arm *tempo_experiment_arm_find(const tempo_experiment *e, const char *name);
/* What the document says of the run that it calls `mode`, or NULL. */
const tempo_published_run *tempo_experiment_published(const tempo_experiment *e, const char *mode);

#endif
