/* pass.c - the passes that jobs share: the next chunk of one prompt that is scored, a part of one work, then
 * a chunk of the prompts that are too long to ride with others, then one step of all that decode.  */
#include "server/worker/parts.h"

/* Rows of new prompts in one pass beside the rows of steps: a step of others waits for no more than two such
 * passes. */
enum { PROMPT_ROWS = 128 };

/* Rows of the steps of several jobs in one pass: what a pass needs of memory grows with them. */
enum { STEP_ROWS = 512 };

/* ---- passes ------------------------------------------------------------------------ */

static bool pass_poll(void *user)
{
    const tempo_worker *w = user;

    bool anybody = w->n_riders == 0;

    for (size_t i = 0; i < w->n_prompts; i++)
        if (atomic_load_explicit(&w->prompts[i]->closed, memory_order_relaxed))
            return false;
    for (size_t i = 0; i < w->n_riders; i++)
        anybody = anybody || !atomic_load_explicit(&w->riders[i]->closed, memory_order_relaxed);
    return anybody && !(w->may_stop && atomic_load_explicit(&w->stopping, memory_order_relaxed));
}

static void begin_pass(tempo_worker *w)
{
    w->n_prompts = w->n_riders = w->rows = w->tokens = 0;
    w->may_stop = true;
    w->began = tempo_worker_now();
}

static void fail_all(tempo_job *const *jobs, size_t n, const tempo_err *err)
{
    for (size_t i = 0; i < n; i++)
        tempo_job_fail(jobs[i], err);
}

/* One of those in that state; as turn grows they take turns. */
static tempo_job *next_in(const tempo_worker *w, tempo_job_state state, size_t turn)
{
    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[(turn + i) % w->n_round];
        if (j->state == state && !j->failed)
            return j;
    }
    return NULL;
}

static void score_one(tempo_worker *w)
{
    const tempo_observer obs = {.user = w, .poll = pass_poll};
    tempo_job *j = next_in(w, TEMPO_JOB_SCORING, ++w->turn);
    tempo_err err = {0};

    if (j == NULL)
        return;
    begin_pass(w);
    w->prompts[w->n_prompts++] = j;
    const tempo_status st = j->n_scored + 1 < j->o.n_prompt ? tempo_job_score(j, &obs, &err) : TEMPO_OK;
    if (st != TEMPO_OK && st != TEMPO_E_STOPPED)
        tempo_job_fail(j, &err);
    if (j->n_scored + 1 >= j->o.n_prompt) {
        tempo_seq_free(j->scored);
        j->scored = NULL;
        tempo_job_set_state(j, TEMPO_JOB_DECODING);
    }
}

static void work_on_one(tempo_worker *w)
{
    const tempo_observer obs = {.user = w, .poll = pass_poll};
    tempo_job *j = next_in(w, TEMPO_JOB_WORKING, ++w->work_turn);

    if (j == NULL)
        return;
    begin_pass(w);
    w->prompts[w->n_prompts++] = j;
    tempo_job_work_on(j, &obs);
}

/* Rows of its prompts that have not run; 0 where it cannot decode. */
static size_t prompt_left(const tempo_job *j)
{
    return tempo_job_may_decode(j) && j->run != NULL ? tempo_run_prompt_left(j->run) : 0;
}

/* A chunk of the prompts that are too long to ride with a step. */
static void prefill_some(tempo_worker *w)
{
    const tempo_observer obs = {.user = w, .poll = pass_poll};
    size_t room = PROMPT_ROWS, before = 0;
    tempo_err err = {0};

    begin_pass(w);
    for (size_t i = 0; i < w->n_round; i++) {
        const size_t left = prompt_left(w->round[i]);
        if (left <= room) {
            room -= left;
            continue;
        }
        w->runs[w->n_prompts] = w->round[i]->run;
        w->prompts[w->n_prompts++] = w->round[i];
        before += left;
    }
    if (w->n_prompts == 0)
        return;
    const tempo_status st = tempo_runs_prefill(w->runs, w->n_prompts, PROMPT_ROWS, &obs, &err);
    for (size_t i = 0; i < w->n_prompts; i++)
        before -= prompt_left(w->prompts[i]);
    if (st == TEMPO_OK && before > 0)
        tempo_worker_count_pass(w, before < PROMPT_ROWS ? before : PROMPT_ROWS, before, 0);
    else if (st != TEMPO_OK && st != TEMPO_E_STOPPED)
        fail_all(w->prompts, w->n_prompts, &err);
}

/* ---- a step ------------------------------------------------------------------------ */

/* Rows that its next step reads: those of the last sets. */
static size_t step_rows(const tempo_job *j)
{
    size_t rows = 0;

    for (size_t i = 0; i < j->run->n_arms; i++)
        if (tempo_arm_runs(&j->run->arms[i]))
            rows += tempo_run_pending(j->run, i);
    return rows;
}

static bool is_ready(tempo_job *j)
{
    tempo_err err = {0};
    const bool ready = tempo_job_ready(j, &err) == TEMPO_OK;

    if (!ready)
        tempo_job_fail(j, &err);
    return ready;
}

/* All runs of the step: those past their prompts, and those whose prompts are short by now.  Returns the rows
 * of prompts. */
static size_t gather_step(tempo_worker *w)
{
    size_t room = PROMPT_ROWS, prompt = 0, rows = 0;

    begin_pass(w);
    for (size_t i = 0; i < w->n_round; i++) {
        tempo_job *j = w->round[(w->turn + i) % w->n_round]; /* who found no room comes first some time */
        if (!tempo_job_may_decode(j) || j->run == NULL || !tempo_run_running(j->run))
            continue;
        const size_t left = prompt_left(j), own = step_rows(j);
        if (left > room || (rows > 0 && rows + own > STEP_ROWS) || !is_ready(j))
            continue;
        room -= left;
        prompt += left;
        rows += own;
        w->runs[w->n_riders] = j->run;
        w->riders[w->n_riders++] = j;
        if (left > 0)
            w->prompts[w->n_prompts++] = j;
        else
            w->may_stop = false; /* a step under way is finished, while anybody waits for it */
    }
    if (!w->may_stop)
        w->n_prompts = 0; /* one who goes takes no step from the others */
    return prompt;
}

static bool nobody_is_read(const tempo_worker *w)
{
    bool any = false;

    for (size_t i = 0; i < w->n_riders; i++)
        for (size_t k = 0; k < w->runs[i]->n_arms; k++)
            any = any || tempo_decoder_is_read(tempo_run_decoder(w->runs[i], k));
    return !any;
}

/* Whom a pass without memory for all goes on without. */
static tempo_job *heaviest(const tempo_worker *w)
{
    tempo_job *most = NULL;
    size_t weight_of_most = 0;

    for (size_t i = 0; i < w->n_riders; i++) {
        const size_t own = step_rows(w->riders[i]) + prompt_left(w->riders[i]);
        if (own > weight_of_most) {
            most = w->riders[i];
            weight_of_most = own;
        }
    }
    return most;
}

static void step_all(tempo_worker *w)
{
    const size_t prompt = gather_step(w);
    const tempo_observer obs = {.user = w, .poll = pass_poll};
    tempo_err err = {0};

    if (w->n_riders == 0)
        return;
    const tempo_status st = tempo_runs_read(w->runs, w->n_riders, &obs, &err);
    if (st == TEMPO_E_STOPPED)
        return;
    tempo_job *const heavy = st == TEMPO_E_NOMEM && nobody_is_read(w) ? heaviest(w) : NULL;
    for (size_t i = 0; i < w->n_riders; i++) {
        tempo_job *j = w->riders[i];
        tempo_err own = {0};
        if (heavy != NULL ? j == heavy : !tempo_run_is_read(j->run))
            tempo_job_fail(j, &err);
        else if (heavy == NULL && tempo_run_take(j->run, &own) != TEMPO_OK)
            tempo_job_fail(j, &own);
    }
    if (heavy == NULL)
        tempo_worker_count_pass(w, w->rows + prompt, prompt, w->tokens);
}

void tempo_worker_pass(tempo_worker *w)
{
    score_one(w);
    work_on_one(w);
    prefill_some(w);
    step_all(w);
}
