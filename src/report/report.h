/* report.h - what a study's files come to: verdicts with their tests, and everything explored beside them.
 *
 * A function of the files in the study's directory and of nothing else; all but the key "timing" is the same however
 * often the study was interrupted.  docs/studies.md describes report.json, docs/statistics.md the tests.  */
#ifndef TEMPO_REPORT_H
#define TEMPO_REPORT_H
#include <jansson.h>

#include "draw/page.h"
#include "draw/draw.h"
#include "study/hypotheses_file.h"
#include "study/prompts_file.h"
#include "study/study.h"

/* Run what is missing of a study, and report; manifest.json comes last.  TEMPO_E_ARG if dir holds a study and resume is not
 * asked for, or if this machine or these models cannot go on with it; TEMPO_E_STOPPED when poll said so: everything finished is
 * kept.  */
tempo_status tempo_study_run(json_t **report, const tempo_study_options *o, tempo_err *err) TEMPO_MUST_CHECK;

/* Read the study in dir, complete or not (what is missing is counted), compute, and write report.json and report.md.
 * *report is the document (json_decref it).  TEMPO_E_NOTFOUND without a study.json.  */
tempo_status tempo_study_report(json_t **report, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;

/* The report as text, for free(); NULL only without memory. */
char *tempo_study_report_text(const json_t *report, const tempo_page_style *style);

/* ---- inside ---- */

/* What is there of one model at one threshold; documents are owned.  unit[i] NULL: not there yet. */
typedef struct tempo_slice {
    const tempo_hypotheses *hypotheses;
    const tempo_prompts *prompts;
    size_t n; /* prompts of the study */
    json_t **unit, **control, **trace; /* trace: of the first threshold, where it was asked for */
    size_t model;
    double threshold;
    bool confirmatory; /* the first threshold of a study that was made as registered */
} tempo_slice;

/* x[n] finite values of one number a prompt, in prompt order: object.key of the units, e.g. ("values", "A2").
 * Returns how many; x has room for s->n.  */
size_t tempo_slice_values(const tempo_slice *s, const char *object, const char *key, double *x);

/* decide.c: "decisions" of a slice into out, and a line of each into verdicts. */
tempo_status tempo_report_decide(json_t *out, json_t *verdicts, const tempo_slice *s, const json_t *floor,
                                 tempo_err *err) TEMPO_MUST_CHECK;
/* says.c: what a decision says, in sentences on lines of their own. */
void tempo_report_says(tempo_text *t, const json_t *decision, bool markdown);
/* explore.c: contrasts, step metrics, layers, heads, knock-outs, strata, shifted tokens. */
tempo_status tempo_report_explore(json_t **out, const tempo_slice *s, tempo_err *err) TEMPO_MUST_CHECK;
/* traced.c: what edges between siblings do, with intervals over prompts, or null where nothing was traced ... */
tempo_status tempo_report_traced(json_t **out, const tempo_slice *s, tempo_err *err) TEMPO_MUST_CHECK;
/* ... traced_text.c: as a section of the page, and as pictures beside the report (trace-m0.svg, trace-curves-m0.svg). */
void tempo_report_put_traced(tempo_page *p, const json_t *traced, size_t model);
tempo_status tempo_report_draw_traced(const json_t *report, const char *dir, tempo_err *err) TEMPO_MUST_CHECK;
/* timing.c: the pairs of a model, or null when there are none. */
tempo_status tempo_report_timing(json_t **out, const char *dir, size_t model, const tempo_hypotheses *h,
                                 tempo_err *err) TEMPO_MUST_CHECK;

#endif
