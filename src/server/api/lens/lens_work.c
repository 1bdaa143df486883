/* lens_work.c - the logit lens of a prompt's rows, chunk by chunk on the worker's thread. */
#include <stdlib.h>
#include <string.h>

#include "lens/lens_json.h"
#include "server/api/lens/looking.h"

/* Of one part: rows through the model, and vectors through the output matrix. */
enum { PART_ROWS = 128, PART_VECTORS = 128 };

struct tempo_lens_work {
    const tempo_model *model;
    tempo_lens_work_options o; /* pointers into own memory */
    int32_t *ids, *tokens;
    size_t *rows;
    tempo_seq *seq;
    size_t slot, row; /* that come next: of the prompt, of rows */
};

tempo_lens_work *tempo_lens_work_create(const tempo_model *m, const tempo_lens_work_options *o)
{
    tempo_lens_work *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->model = m;
    w->o = *o;
    w->o.edits = tempo_edits_hold(o->edits);
    w->o.ids = w->ids = malloc(o->n_ids * sizeof(*w->ids));
    w->o.rows = w->rows = malloc(o->n_rows * sizeof(*w->rows));
    w->o.tokens = w->tokens = malloc((o->n_tokens + 1) * sizeof(*w->tokens));
    if (w->ids == NULL || w->rows == NULL || w->tokens == NULL) {
        tempo_lens_work_free(w);
        return NULL;
    }
    memcpy(w->ids, o->ids, o->n_ids * sizeof(*w->ids));
    memcpy(w->rows, o->rows, o->n_rows * sizeof(*w->rows));
    if (o->n_tokens > 0)
        memcpy(w->tokens, o->tokens, o->n_tokens * sizeof(*w->tokens));
    return w;
}

void tempo_lens_work_free(tempo_lens_work *w)
{
    if (w == NULL)
        return;
    free(w->ids);
    free(w->rows);
    free(w->tokens);
    tempo_edits_free((tempo_edits *)(uintptr_t)w->o.edits);
    free(w);
}

static void release(void *user)
{
    tempo_lens_work *w = user;

    tempo_seq_free(w->seq);
    w->seq = NULL;
}

static void free_work(void *user)
{
    tempo_lens_work_free(user);
}

/* ---- a part ---- */

/* What comes next: rows[*n] up to the last slot that is wanted, of which *wanted are. */
static void choose(const tempo_lens_work *w, tempo_row rows[PART_ROWS], size_t *n, size_t *wanted)
{
    const size_t points = tempo_model_get_info(w->model)->n_layers + 1;
    const size_t most = PART_VECTORS / points + 1, end = w->o.rows[w->o.n_rows - 1] + 1;

    *n = *wanted = 0;
    for (size_t slot = w->slot; slot < end && *n < PART_ROWS && *wanted < most; slot++) {
        const bool want = w->o.rows[w->row + *wanted] == slot;
        rows[(*n)++] = (tempo_row){.seq = w->seq,
                                   .token = w->o.ids[slot],
                                   .set = (uint32_t)slot,
                                   .position = (double)slot,
                                   .want = want ? TEMPO_WANT_TAPS : 0};
        *wanted += want;
    }
}

static json_t *tell_rows(const tempo_lens_work *w, const tempo_lens *l, const tempo_attribution *a)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(w->model);
    json_t *list = json_array();

    for (size_t i = 0; i < l->n_rows; i++) {
        const size_t slot = w->o.rows[w->row + i];
        json_t *one = tempo_lens_json_token(t, w->o.ids[slot]);
        json_object_set_new(one, "slot", json_integer((json_int_t)slot));
        tempo_lens_json_row(one, t, l, a, i);
        json_array_append_new(list, one);
    }
    return list;
}

static tempo_status look(const tempo_lens_work *w, tempo_engine *e, const tempo_residual *r,
                         const tempo_observer *obs, json_t **told, tempo_err *err)
{
    tempo_lens_options lo;
    tempo_attribution_options ao;
    tempo_lens *lens = NULL;
    tempo_attribution *parts = NULL;
    tempo_status st;

    tempo_lens_options_init(&lo);
    lo.top = w->o.top;
    lo.tokens = w->o.tokens;
    lo.n_tokens = w->o.n_tokens;
    lo.poll = obs->poll;
    lo.user = obs->user;
    st = tempo_lens_create(&lens, e, r, &lo, err);
    if (st == TEMPO_OK && w->o.attribute >= 0) {
        tempo_attribution_options_init(&ao);
        ao.token = w->o.attribute;
        ao.minus = w->o.minus;
        ao.heads = w->o.heads;
        st = tempo_attribute(&parts, e, r, &ao, err);
    }
    if (st == TEMPO_OK)
        *told = tell_rows(w, lens, parts);
    tempo_attribution_free(parts);
    tempo_lens_free(lens);
    return st;
}

static tempo_status do_part(void *user, tempo_engine *e, const tempo_observer *obs, tempo_work_part *out,
                            tempo_err *err)
{
    tempo_lens_work *w = user;
    tempo_row rows[PART_ROWS];
    tempo_residual *r = NULL;
    tempo_status st = TEMPO_OK;
    size_t wanted;
    const unsigned keep = (w->o.attribute >= 0 ? TEMPO_RESIDUAL_PARTS : 0) |
                          (w->o.attribute >= 0 && w->o.heads ? TEMPO_RESIDUAL_HEADS : 0);

    if (w->seq == NULL && (st = tempo_seq_create(&w->seq, e, NULL, err)) == TEMPO_OK)
        st = tempo_seq_set_edits(w->seq, w->o.edits, w->o.n_ids, err);
    if (st != TEMPO_OK)
        return st;
    choose(w, rows, &out->rows, &wanted);
    if (wanted == 0) {
        const tempo_observer only_poll = {.user = obs->user, .poll = obs->poll};
        st = tempo_engine_forward(e, rows, out->rows, &only_poll, err);
    } else if ((st = tempo_residual_create(&r, w->model, wanted, keep, err)) == TEMPO_OK &&
               (st = tempo_residual_forward(r, 0, e, rows, out->rows, obs->poll, obs->user, err)) ==
                   TEMPO_OK) {
        st = look(w, e, r, obs, &out->told, err);
    }
    tempo_residual_free(r);
    w->slot += out->rows;
    w->row += wanted;
    out->more = w->row < w->o.n_rows;
    return st;
}

tempo_job_work tempo_lens_work_job(tempo_lens_work *w)
{
    return (tempo_job_work){
        .part = do_part, .release = release, .free = free_work, .user = w, .slots = w->o.n_ids};
}
