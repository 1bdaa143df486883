/* prompt.c - the scores of a prompt's tokens, given those before them, chunk by chunk. */
#include "server/worker/parts.h"

enum { SCORE_CHUNK = 32 }; /* prompt rows with logits in one pass: 16 MB for a vocabulary of 128 Ki */

static tempo_status push_score(tempo_job *j, size_t i, const float *logits, tempo_err *err)
{
    tempo_worker *w = j->w;
    const size_t top = j->o.want_scores ? j->o.top_scores : 0;
    const tempo_event_room room = {.scores = 1 + (top < w->n_vocab ? top : w->n_vocab)};
    tempo_event_arrays a;
    tempo_event_box *b = tempo_event_make(TEMPO_EVENT_PROMPT, &room, &a);

    if (b == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an event");
    tempo_score_row(logits, w->n_vocab, w->scratch);
    (void)tempo_score_token(w->scratch, w->n_vocab, j->o.prompt[i], top, w->ids, a.scores);
    b->event.step = i;
    tempo_job_push(j, b);
    return TEMPO_OK;
}

tempo_status tempo_job_score(tempo_job *j, const tempo_observer *obs, tempo_err *err)
{
    tempo_row rows[SCORE_CHUNK] = {{0}};
    const size_t left = j->o.n_prompt - 1 - j->n_scored, n = left < SCORE_CHUNK ? left : SCORE_CHUNK;
    tempo_status st;

    for (size_t i = 0; i < n; i++) {
        const size_t at = j->n_scored + i;
        rows[i] = (tempo_row){.seq = j->scored,
                              .token = j->o.prompt[at],
                              .set = (uint32_t)at,
                              .position = (double)at,
                              .want = TEMPO_WANT_LOGITS};
    }
    if ((st = tempo_engine_forward(j->w->engine, rows, n, obs, err)) != TEMPO_OK)
        return st;
    tempo_worker_count_pass(j->w, n, n, 0);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = push_score(j, j->n_scored + i + 1, tempo_engine_logits(j->w->engine, i), err);
    j->n_scored += n;
    return st;
}
