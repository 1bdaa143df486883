/* patch.c - activation patching by hand: a corrupt prompt with the residual stream of a clean one, position
 * by position.
 *
 *   patch MODEL CLEAN CORRUPT ANSWER        (MODEL "" means the built-in one; ANSWER is one token)
 *   cc patch.c $(pkg-config --cflags --libs tempo) -o patch
 *
 * The clean run is kept in a store; each cell is a sequence of the corrupt prompt with one edit that takes
 * from it, and the cells of a layer go through the model in one batch.  `tempo patch` does this for whole
 * grids, faster.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tempo.h>

typedef struct ids {
    int32_t *p;
    size_t n;
} ids;

static tempo_status tokens_of(const tempo_model *m, const char *text, unsigned flags, ids *out,
                              tempo_err *err)
{
    return tempo_tokenize(tempo_model_tokenizer(m), text, strlen(text), flags, &out->p, &out->n, err);
}

static void put_rows(tempo_row *rows, tempo_seq *seq, const ids *t, unsigned want)
{
    for (size_t i = 0; i < t->n; i++) {
        tempo_row_init(&rows[i]);
        rows[i].seq = seq;
        rows[i].token = t->p[i];
        rows[i].set = (uint32_t)i;
        rows[i].position = (double)i;
        rows[i].want = want | (i + 1 == t->n ? TEMPO_WANT_LOGITS : 0u);
    }
}

static bool keep(void *user, const tempo_tap_view *view)
{
    return tempo_store_view(user, view, NULL);
}

/* The residual stream of a run, into the store. */
static tempo_status run_clean(tempo_engine *e, const ids *t, tempo_store *store, float *logit, int32_t answer,
                              tempo_err *err)
{
    const tempo_tap_selection tap = {.tap = TEMPO_TAP_RESID_PRE};
    const tempo_observer observer = {.user = store, .view = keep, .taps = &tap, .n_taps = 1};
    tempo_row *rows = calloc(t->n, sizeof(*rows));
    tempo_seq *seq = NULL;
    tempo_status st = rows != NULL ? tempo_seq_create(&seq, e, NULL, err) : TEMPO_E_NOMEM;

    if (st == TEMPO_OK) {
        put_rows(rows, seq, t, TEMPO_WANT_TAPS);
        st = tempo_engine_forward(e, rows, t->n, &observer, err);
    }
    if (st == TEMPO_OK)
        *logit = tempo_engine_logits(e, t->n - 1)[answer];
    tempo_seq_free(seq);
    free(rows);
    return st;
}

/* The corrupt prompt with the clean run's values at one position (position t->n: as it is). */
static tempo_status open_cell(tempo_seq **seq, tempo_engine *e, uint32_t layer, size_t position, const ids *t,
                              tempo_store *clean, tempo_err *err)
{
    const tempo_edit_run run = {"clean", clean};
    const tempo_edit_inputs inputs = {.size = sizeof(inputs), .runs = &run, .n_runs = 1};
    tempo_edits *edits = NULL;
    char text[96];
    tempo_status st = tempo_seq_create(seq, e, NULL, err);

    if (st != TEMPO_OK || position == t->n)
        return st;
    (void)snprintf(text, sizeof(text), "patch blocks.%" PRIu32 ".hook_resid_pre from=clean rows=prompt:%zu",
                   layer, position);
    if ((st = tempo_edits_create(&edits, tempo_engine_model(e), err)) == TEMPO_OK &&
        (st = tempo_edits_add(edits, text, &inputs, err)) == TEMPO_OK)
        st = tempo_seq_set_edits(*seq, edits, t->n, err);
    tempo_edits_free(edits);
    return st;
}

static tempo_status run_layer(tempo_engine *e, uint32_t layer, const ids *t, tempo_store *clean,
                              float clean_logit, int32_t answer, tempo_err *err)
{
    const size_t cells = t->n + 1;
    tempo_seq **seqs = calloc(cells, sizeof(*seqs));
    tempo_row *rows = calloc(cells * t->n, sizeof(*rows));
    tempo_status st = seqs != NULL && rows != NULL ? TEMPO_OK : TEMPO_E_NOMEM;

    for (size_t i = 0; i < cells && st == TEMPO_OK; i++) {
        st = open_cell(&seqs[i], e, layer, i, t, clean, err);
        put_rows(rows + i * t->n, seqs[i], t, 0);
    }
    if (st == TEMPO_OK)
        st = tempo_engine_forward(e, rows, cells * t->n, NULL, err);
    if (st == TEMPO_OK) {
        const float corrupt = tempo_engine_logits(e, cells * t->n - 1)[answer];
        printf("layer %2" PRIu32 ":", layer);
        for (size_t i = 0; i < t->n; i++)
            printf(" %6.2f", ((double)tempo_engine_logits(e, (i + 1) * t->n - 1)[answer] - (double)corrupt) /
                                 ((double)clean_logit - (double)corrupt));
        printf("\n");
    }
    for (size_t i = 0; i < cells && seqs != NULL; i++)
        tempo_seq_free(seqs[i]);
    free(seqs);
    free(rows);
    return st;
}

static tempo_status run(tempo_engine *e, const ids *clean, const ids *corrupt, int32_t answer, tempo_err *err)
{
    const tempo_tap_selection tap = {.tap = TEMPO_TAP_RESID_PRE};
    const tempo_model *m = tempo_engine_model(e);
    tempo_store *store = NULL;
    float logit = 0;
    tempo_status st = tempo_store_create(&store, m, &tap, 1, 0, err);

    if (st == TEMPO_OK)
        st = run_clean(e, clean, store, &logit, answer, err);
    printf("how much of the answer's logit one position brings back (0: none, 1: all)\n");
    for (uint32_t layer = 0; st == TEMPO_OK && layer < tempo_model_get_info(m)->n_layers; layer++)
        st = run_layer(e, layer, corrupt, store, logit, answer, err);
    tempo_store_free(store);
    return st;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && argv[1][0] ? argv[1] : NULL;
    tempo_model *model = NULL;
    tempo_engine *engine = NULL;
    ids clean = {0}, corrupt = {0}, answer = {0};
    tempo_err err = {0};
    tempo_status st;

    if (argc != 5) {
        (void)fprintf(stderr, "usage: patch MODEL CLEAN CORRUPT ANSWER\n");
        return 2;
    }
    if ((st = tempo_model_open(&model, name, NULL, &err)) == TEMPO_OK &&
        (st = tempo_engine_create(&engine, model, NULL, &err)) == TEMPO_OK &&
        (st = tokens_of(model, argv[2], 0, &clean, &err)) == TEMPO_OK &&
        (st = tokens_of(model, argv[3], 0, &corrupt, &err)) == TEMPO_OK)
        st = tokens_of(model, argv[4], TEMPO_TOKENIZE_NO_BOS, &answer, &err);
    if (st == TEMPO_OK && (clean.n != corrupt.n || answer.n != 1)) {
        (void)fprintf(stderr, "patch: %zu and %zu tokens, and %zu of the answer: expected as many, and one\n",
                      clean.n, corrupt.n, answer.n);
        st = TEMPO_E_ARG;
    } else if (st == TEMPO_OK) {
        st = run(engine, &clean, &corrupt, answer.p[0], &err);
    }
    if (st != TEMPO_OK && err.code != TEMPO_OK)
        (void)fprintf(stderr, "patch: %s\n", err.msg);
    tempo_free(clean.p);
    tempo_free(corrupt.p);
    tempo_free(answer.p);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return st != TEMPO_OK;
}
