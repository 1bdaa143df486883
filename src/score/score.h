/* score.h - scores of texts: private to src/score; what callers see is in tempo.h.
 *
 * windows.c cuts texts into windows, score.c lets them ride in passes, columns.c turns rows of logits into
 * entries.  A window is a sequence of its own; its last token is predicted and never run.  */
#ifndef TEMPO_SCORE_SCORE_H
#define TEMPO_SCORE_SCORE_H
#include "engine/engine.h"

/* ---- windows.c ---- */
/* Tokens [begin, end) of a text, of which those from `first` on are scored here. */
typedef struct tempo_score_window {
    size_t text, begin, end, first;
} tempo_score_window;

/* The next one of texts[n] in which something is scored, after *w; the first where *w has end 0.  False:
 * there are no more.  o: checked, window not 0. */
bool tempo_score_next(tempo_score_window *w, const tempo_score_text *texts, size_t n,
                      const tempo_score_options *o);

/* ---- columns.c ---- */
/* A score and the room that it points into. */
typedef struct tempo_score_columns {
    tempo_score s; /* first, so that its address is the block's */
    int32_t *ids, *top_ids;
    double *logprob, *entropy, *top_logprob;
    uint32_t *rank, *context;
    tempo_edit_use *edit_uses;
    void *block;
} tempo_score_columns;

tempo_status tempo_score_columns_create(tempo_score_columns **out, tempo_engine *e,
                                        const tempo_score_text *text, size_t top, size_t n_edits,
                                        tempo_err *err) TEMPO_MUST_CHECK;
/* Sums up, when all entries are there. */
void tempo_score_columns_end(tempo_score_columns *c);

/* Row `row` of the engine's last pass predicts entry `at` of c, behind `context` tokens. */
typedef struct tempo_score_place {
    tempo_score_columns *c;
    size_t row, at, context;
} tempo_score_place;
/* Entries of rows[n]; room: [threads of the engine][2 * n_vocab]. */
tempo_status tempo_score_read(tempo_engine *e, const tempo_score_place *rows, size_t n, double *room,
                              tempo_err *err) TEMPO_MUST_CHECK;

#endif
