/* ablate.c - every head switched off in turn, all in one batch: how much less probable the next token
 * becomes.
 *
 *   ablate MODEL TEXT                       (MODEL "" means the built-in one)
 *   cc ablate.c $(pkg-config --cflags --libs tempo) -o ablate
 *
 * Each variant is a sequence with its own list of edits; the weights are read once for all of them.  At the
 * end one head again by an observer that writes, which can do what no edit says.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tempo.h>

typedef struct prompt {
    int32_t *ids;
    size_t n;
} prompt;

/* Rows of one variant: the whole prompt, of whose last token the logits are wanted. */
static void put_rows(tempo_row *rows, tempo_seq *seq, const prompt *p)
{
    for (size_t i = 0; i < p->n; i++) {
        tempo_row_init(&rows[i]);
        rows[i].seq = seq;
        rows[i].token = p->ids[i];
        rows[i].set = (uint32_t)i;
        rows[i].position = (double)i;
        rows[i].want = i + 1 == p->n ? TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS : 0;
    }
}

/* A sequence whose passes leave out one head; head SIZE_MAX: none. */
static tempo_status open_variant(tempo_seq **seq, tempo_engine *e, uint32_t layer, size_t head,
                                 const prompt *p, tempo_err *err)
{
    tempo_edits *edits = NULL;
    char text[64];
    tempo_status st = tempo_seq_create(seq, e, NULL, err);

    if (st != TEMPO_OK || head == SIZE_MAX)
        return st;
    (void)snprintf(text, sizeof(text), "zero blocks.%" PRIu32 ".attn.hook_z heads=%zu", layer, head);
    if ((st = tempo_edits_create(&edits, tempo_engine_model(e), err)) == TEMPO_OK &&
        (st = tempo_edits_add(edits, text, NULL, err)) == TEMPO_OK)
        st = tempo_seq_set_edits(*seq, edits, p->n, err);
    tempo_edits_free(edits); /* the sequence keeps it */
    return st;
}

static size_t best_of(const float *logits, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

/* What head 0 of the first layer gives is halved before the output matrix reads it. */
static bool halve(void *user, const tempo_tap_view *v)
{
    (void)user;
    for (size_t i = 0; i < v->dims[1]; i++)
        v->values[i] *= 0.5f;
    return true;
}

/* One layer: all its heads, and in front of them the model as it is. */
static tempo_status run_layer(tempo_engine *e, uint32_t layer, const prompt *p, tempo_err *err)
{
    const tempo_model_info *info = tempo_model_get_info(tempo_engine_model(e));
    const size_t variants = 1 + info->n_heads;
    tempo_seq **seqs = calloc(variants, sizeof(*seqs));
    tempo_row *rows = calloc(variants * p->n, sizeof(*rows));
    tempo_status st = seqs != NULL && rows != NULL ? TEMPO_OK : TEMPO_E_NOMEM;

    for (size_t i = 0; i < variants && st == TEMPO_OK; i++) {
        st = open_variant(&seqs[i], e, layer, i == 0 ? SIZE_MAX : i - 1, p, err);
        put_rows(rows + i * p->n, seqs[i], p);
    }
    if (st == TEMPO_OK)
        st = tempo_engine_forward(e, rows, variants * p->n, NULL, err);
    if (st == TEMPO_OK) {
        const float *plain = tempo_engine_logits(e, p->n - 1);
        const size_t best = best_of(plain, info->n_vocab);
        printf("layer %2" PRIu32 ":", layer);
        for (size_t i = 1; i < variants; i++)
            printf(" %+7.3f", (double)tempo_engine_logits(e, (i + 1) * p->n - 1)[best] - (double)plain[best]);
        printf("\n");
    }
    for (size_t i = 0; i < variants && seqs != NULL; i++)
        tempo_seq_free(seqs[i]);
    free(seqs);
    free(rows);
    return st;
}

static tempo_status run_halved(tempo_engine *e, const prompt *p, tempo_err *err)
{
    const tempo_tap_selection z = {.tap = TEMPO_TAP_Z, .layers = {1}};
    const tempo_observer observer = {.view = halve, .taps = &z, .n_taps = 1};
    tempo_seq *seq = NULL;
    tempo_row *rows = calloc(p->n, sizeof(*rows));
    tempo_status st = rows != NULL ? tempo_seq_create(&seq, e, NULL, err) : TEMPO_E_NOMEM;

    if (st == TEMPO_OK) {
        put_rows(rows, seq, p);
        st = tempo_engine_forward(e, rows, p->n, &observer, err);
    }
    if (st == TEMPO_OK)
        printf(
            "head 0 of layer 0 halved at the last token: the most probable token is %zu\n",
            best_of(tempo_engine_logits(e, p->n - 1), tempo_model_get_info(tempo_engine_model(e))->n_vocab));
    tempo_seq_free(seq);
    free(rows);
    return st;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && argv[1][0] ? argv[1] : NULL,
               *text = argc > 2 ? argv[2] : "The cat sat on the";
    tempo_model *model = NULL;
    tempo_engine *engine = NULL;
    prompt p = {0};
    tempo_err err = {0};
    tempo_status st;

    if ((st = tempo_model_open(&model, name, NULL, &err)) == TEMPO_OK &&
        (st = tempo_engine_create(&engine, model, NULL, &err)) == TEMPO_OK)
        st = tempo_tokenize(tempo_model_tokenizer(model), text, strlen(text), 0, &p.ids, &p.n, &err);
    if (st == TEMPO_OK)
        printf("change of the most probable token's logit without each head:\n");
    for (uint32_t layer = 0; st == TEMPO_OK && layer < tempo_model_get_info(model)->n_layers; layer++)
        st = run_layer(engine, layer, &p, &err);
    if (st == TEMPO_OK)
        st = run_halved(engine, &p, &err);
    if (st != TEMPO_OK)
        (void)fprintf(stderr, "ablate: %s\n", err.msg);
    tempo_free(p.ids);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return st != TEMPO_OK;
}
