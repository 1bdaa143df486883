/* hypotheses_file.h - experiments/hypotheses.yaml: what a study tests, fixed before it runs.
 *
 * The endpoints that this program computes have ids: A1, D1 (deterministic), A2, B, C, D2 (primary, the confirmatory
 * family) and timing.  A file must have all of them; it may register further exploratory ones, which are recorded.  */
#ifndef TEMPO_STUDY_HYPOTHESES_FILE_H
#define TEMPO_STUDY_HYPOTHESES_FILE_H
#include "files/hash.h"
#include "yaml/yaml.h"

enum {
    TEMPO_HYPOTHESES_MAX = 64,
    TEMPO_HYPOTHESES_MAX_THRESHOLDS = 8,
    TEMPO_HYPOTHESES_MAX_BANDS = 16,
    TEMPO_HYPOTHESES_MAX_NUDGES = 16,
};

typedef enum tempo_hypothesis_kind {
    TEMPO_HYPOTHESIS_DETERMINISTIC = 0,
    TEMPO_HYPOTHESIS_PRIMARY,
    TEMPO_HYPOTHESIS_EXPLORATORY,
} tempo_hypothesis_kind;

typedef struct tempo_hypothesis {
    const char *id, *title, *statement, *definition; /* never NULL */
    const char *metric, *unit, *test;                /* unit, test: NULL when the file does not give them */
    tempo_hypothesis_kind kind;
    bool has_bound; /* always for primary ones */
    double bound;   /* > 0, in `unit` */
} tempo_hypothesis;

/* Part of a model's depth, as fractions of its layers; 0 <= from < to <= 1. */
typedef struct tempo_knockout_band {
    double from, to;
} tempo_knockout_band;

/* All strings are owned by the object. */
typedef struct tempo_hypotheses {
    const char *path;              /* as it was given */
    const char *title;             /* NULL when not given */
    char sha256[TEMPO_HASH_CHARS]; /* of the file's bytes: stored before the first token */

    double alpha;                                       /* in (0, 0.5] */
    double thresholds[TEMPO_HYPOTHESES_MAX_THRESHOLDS]; /* [0] is the one of the confirmatory family */
    size_t n_thresholds;
    size_t steps;
    size_t permutations; /* random sign flips; n <= exact_to prompts: all of them instead */
    size_t exact_to;
    size_t resamples; /* of the cluster bootstrap */
    struct {
        uint64_t permutation, bootstrap, controls;
    } seeds;
    struct {
        size_t pairs, warmup; /* warmup: runs of each arm before the first pair */
        double published_percent; /* NaN when not given */
    } timing;
    double position_offset; /* D of `offset:D`; tempo_study_offset has what is in force */
    tempo_knockout_band bands[TEMPO_HYPOTHESES_MAX_BANDS];
    size_t n_bands;
    struct {
        double quantile; /* over prompts, in (0.5, 1) */
        uint64_t nudges[TEMPO_HYPOTHESES_MAX_NUDGES]; /* values of tempo_row.nudge */
        size_t n_nudges;
        bool member_order, instruction_set;
    } noise;

    const tempo_yaml_node *edits; /* of all arms: texts; or NULL */
    tempo_hypothesis list[TEMPO_HYPOTHESES_MAX]; /* in file order */
    size_t n;
    struct tempo_yaml *doc; /* holds the strings */
} tempo_hypotheses;

/* As tempo_experiment_load and _parse. */
tempo_status tempo_hypotheses_load(tempo_hypotheses **out, const char *path, const tempo_yaml_tell *tell,
                                   tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_hypotheses_parse(tempo_hypotheses **out, const char *path, const void *bytes, size_t n,
                                    const tempo_yaml_tell *tell, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_hypotheses_free(tempo_hypotheses *h);

/* By id, or NULL; the seven ids above are always there. */
const tempo_hypothesis *tempo_hypotheses_find(const tempo_hypotheses *h, const char *id);
/* The bound registered for id, or NaN if there is none, so that no comparison with it holds. */
double tempo_hypotheses_bound(const tempo_hypotheses *h, const char *id);
/* Layers *first to *last, both included, of band i in a model of n_layers: those l with
 * from <= l / n_layers < to.  false when there is none.  */
bool tempo_knockout_layers(const tempo_knockout_band *band, uint32_t n_layers, uint32_t *first, uint32_t *last);

#endif
