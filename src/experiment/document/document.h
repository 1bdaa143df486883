/* document.h - the parts of EXPERIMENT_RESULTS.md, which say what the summary's numbers say and nothing else.
 *
 * A RUN is a prompt at a threshold with a limit of steps: experiments that record different things of one run (the published
 * exp1, exp2 and exp4) count once wherever figures of several runs are put together.  */
#ifndef TEMPO_EXPERIMENT_DOCUMENT_H
#define TEMPO_EXPERIMENT_DOCUMENT_H
#include "experiment/document/results.h"

#define EACH_EXPERIMENT(i, result, summary) json_array_foreach(json_object_get(summary, "experiments"), i, result)
#define EACH_CASE(k, c, result) for (size_t k = 0; (c = tempo_results_case(result, k)) != NULL; k++)
#define EACH_ARM(name, arm, c) json_object_foreach(json_object_get(c, "arms"), name, arm)

/* ---- findings.c ---- */

typedef struct tempo_file_kind {
    const char *key, *title, *plural; /* key: of "file_names"; NULL for whatever is none of the others */
} tempo_file_kind;
enum { TEMPO_FILE_KINDS = 6 };
extern const tempo_file_kind tempo_file_kinds[TEMPO_FILE_KINDS];

typedef struct tempo_tally {
    double bytes;
    size_t files;
} tempo_tally;

/* Add an experiment's files of a kind (NULL: any) whose path begins with `begin`. */
void tempo_tally_files(tempo_tally *t, const json_t *result, const tempo_file_kind *kind, const char *begin);

/* A mean over things of which each counts once. */
typedef struct tempo_pool_mean {
    double sum;
    size_t n, runs; /* things; runs that they are from */
} tempo_pool_mean;

double tempo_pool_value(const tempo_pool_mean *m); /* NaN without any */

typedef struct tempo_findings {
    size_t experiments, runs, prompts;
    size_t compared, alike, apart; /* runs with both modes, each with its own sets */
    size_t lockstep, changes, lockstep_steps;
    size_t replays, replays_same;
    size_t sets, one_position; /* of arms whose members should share a position */
    double tv;                 /* the greatest; NaN for none */
    tempo_pool_mean js, visible_mass, isolated_mass; /* over parallel steps */
    tempo_pool_mean faster;                          /* over experiments: each took its own times */
    tempo_pool_mean published_faster;
    bool published_model;       /* all published figures are of the model at hand */
    const char *published_name; /* or NULL: nothing was published */
    tempo_tally files;
} tempo_findings;

tempo_findings tempo_find(const json_t *summary);
/* The summary's "counts": {"experiments", "runs", "prompts"}, each run and prompt once, as the document says. */
void tempo_count_runs(json_t *summary);
/* Did two arms choose the same ids in every step? */
bool tempo_same_steps(const json_t *a, const json_t *b);
/* Are two cases one run?  Same prompt, threshold, limit of steps and regime, and the arms of one name chose the same. */
bool tempo_same_run(const json_t *result, const json_t *c, const json_t *other_result, const json_t *other);
/* The first experiment whose case (*as) is the same run as c of `result`, before it; NULL: c is the first. */
const json_t *tempo_earlier_run(const json_t *summary, const json_t *result, const json_t *c, const json_t **as);
/* Has an earlier case of c's run what `there` looks for? */
typedef bool tempo_case_has(const json_t *c, const char *arm);
bool tempo_had_before(const json_t *summary, const json_t *result, const json_t *c, tempo_case_has *there, const char *arm);
tempo_case_has tempo_has_js, tempo_has_mass; /* attention between the modes; an arm's attention on siblings */
bool tempo_is_recorded(const json_t *result, const char *what);

/* ---- answers.c ---- */

/* What a case measured of the question that its experiment asks: bullets. */
void tempo_put_answers(tempo_text *t, const json_t *c);
/* One sentence that follows from these numbers by a rule. */
void tempo_put_insight(tempo_text *t, const json_t *result, const json_t *c);
/* [n] by layer: a case's mean attention on siblings in visible mode, or the divergence between the modes' attention; the
 * caller frees it.  false: not measured.  */
bool tempo_layers_of(const json_t *c, bool js, double **layers, size_t *n, size_t *steps);

/* ---- pictures.c ---- */

enum { TEMPO_PICTURES = 3 };
typedef struct tempo_picture_kind {
    const char *file, *title, *says; /* beside the document; says: what to look for */
    const char *keys;                /* of the summary that it is drawn from */
} tempo_picture_kind;
extern const tempo_picture_kind tempo_pictures[TEMPO_PICTURES];
/* A picture as SVG; nothing when the summary has nothing to show in it. */
void tempo_put_picture(tempo_text *t, const json_t *summary, size_t which);
void tempo_put_picture_links(tempo_text *t, const json_t *summary);

/* ---- details.c, tables.c, conclusion.c ---- */

void tempo_put_details(tempo_text *t, const json_t *summary);
void tempo_put_statistics(tempo_text *t, const json_t *summary, const tempo_findings *f);
void tempo_put_hypotheses(tempo_text *t, const json_t *summary, const tempo_findings *f);
void tempo_put_next_steps(tempo_text *t, const json_t *summary, const tempo_findings *f);
void tempo_put_conclusion(tempo_text *t, const tempo_findings *f);
const char *tempo_other_model(const json_t *published); /* "" or " (another model)" */
/* Where the published figures contradict one another, a paragraph each; nothing where they agree. */
void tempo_put_contradictions(tempo_text *t, const json_t *published);

#endif
