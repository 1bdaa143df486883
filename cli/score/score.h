/* score.h - tempo score: what was scored, and the forms in which it is told.  Private to cli/score. */
#ifndef TEMPO_CLI_SCORE_H
#define TEMPO_CLI_SCORE_H
#include <jansson.h>

#include "cli/prompt/prompts.h"
#include "table/csv.h"
#include "io/outfile.h"

typedef struct score_view {
    session *s;
    const options *o;
    tempo_score_options score;
    tempo_prompt_lines *lines; /* NULL: one text */
    session *texts;            /* [n] ids and text of each, and the warning */
    size_t n;
    tempo_edits *edits;
    json_t *list; /* of --json, several texts: their documents */
    json_t *uses; /* of edits in all texts */
    tempo_outfile *csv;
    tempo_csv records; /* those that wait for it */
    size_t n_scored;
    double logprob_sum; /* of all texts */
} score_view;

/* ---- score_text.c ---- */
void score_print(const score_view *v, size_t i, const tempo_score *s);
void score_print_total(const score_view *v);

/* ---- score_json.c ---- */
/* What came of text i, into object. */
void score_json(const score_view *v, size_t i, const tempo_score *s, json_t *object);
/* The document's head, with what holds for all texts. */
json_t *score_json_head(const score_view *v);
void score_json_total(const score_view *v, json_t *root);

/* ---- score_csv.c ---- */
tempo_status score_csv_begin(score_view *v, tempo_err *err);
tempo_status score_csv(score_view *v, size_t i, const tempo_score *s, tempo_err *err);
tempo_status score_csv_end(score_view *v, tempo_err *err);

/* The bytes that a token stands for; "" without a tokenizer. */
const char *score_token(const score_view *v, int32_t id, size_t *n);
/* exp(-sum / n); NaN for n = 0. */
double score_perplexity(double sum, size_t n);

#endif
