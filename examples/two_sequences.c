/* two_sequences.c - one prompt, two sequences, one batch: what do the members of a set see of each other?
 *
 * The most probable next tokens become one set.  Two forked sequences take it, one isolated and one
 * visible, and ride through the model in one batch.  A callback reads each row's attention and adds up what
 * falls on the row's siblings: exactly 0 where it is isolated.
 *
 *   two_sequences [MODEL [TEXT]]            (MODEL "" means the built-in one)
 *   cc two_sequences.c $(pkg-config --cflags --libs tempo) -o two_sequences
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tempo.h>

enum { MEMBERS = 3, ROWS = 2 * MEMBERS };

/* Called once for every layer and row.  values is [heads, slots]; member i of a set is row i of its
 * sequence and sits in slot first + i.  */
static bool on_attention(void *user, const tempo_tap_view *view)
{
    const size_t first = *(const size_t *)user; /* slot of the set's first member */
    const size_t own = first + view->row % MEMBERS;
    double siblings = 0;

    for (uint32_t h = 0; h < view->dims[0]; h++)
        for (size_t j = first; j < first + MEMBERS; j++)
            if (j != own)
                siblings += (double)view->values[h * view->dims[1] + j];
    if (view->row == 0)
        printf("\n%5u ", view->layer);
    printf(" %8.6f", siblings / (double)view->dims[0]);
    return true; /* false would stop the pass */
}

/* Append the prompt to seq in one batch, every token a set of its own; *logits is the last row's. */
static tempo_status read_prompt(tempo_engine *engine, tempo_seq *seq, const int32_t *ids, size_t n,
                                const float **logits, tempo_err *err)
{
    tempo_row *rows = n > 0 ? calloc(n, sizeof(*rows)) : NULL;

    *logits = NULL;
    if (rows == NULL)
        return n > 0 ? TEMPO_E_NOMEM : TEMPO_E_ARG;
    for (size_t i = 0; i < n; i++)
        rows[i] = (tempo_row){.seq = seq,
                              .token = ids[i],
                              .set = (uint32_t)i,
                              .position = (double)i,
                              .want = i + 1 == n ? TEMPO_WANT_LOGITS : 0};
    tempo_status st = tempo_engine_forward(engine, rows, n, NULL, err);
    if (st == TEMPO_OK)
        *logits = tempo_engine_logits(engine, n - 1);
    free(rows);
    return st;
}

/* The MEMBERS largest logits, best first (of equal ones the first). */
static void pick_members(const float *logits, uint32_t n_vocab, int32_t best[MEMBERS])
{
    for (int k = 0; k < MEMBERS; k++) {
        best[k] = -1;
        for (int32_t id = 0; id < (int32_t)n_vocab; id++)
            if ((k == 0 || logits[id] < logits[best[k - 1]]) && (best[k] < 0 || logits[id] > logits[best[k]]))
                best[k] = id;
    }
}

/* The set's rows, in `seqs[0]` isolated and in `seqs[1]` visible, as one batch. */
static tempo_status compare_modes(tempo_engine *engine, tempo_seq *const seqs[2], const int32_t *ids,
                                  tempo_err *err)
{
    size_t first = tempo_seq_slot_count(seqs[0]); /* every token before it is a set and a position */
    const tempo_observer observer = {.user = &first,
                                     .view = on_attention,
                                     .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                     .n_taps = 1};
    tempo_row rows[ROWS];

    for (int i = 0; i < ROWS; i++)
        rows[i] = (tempo_row){.seq = seqs[i / MEMBERS],
                              .token = ids[i % MEMBERS],
                              .set = (uint32_t)first,
                              .position = (double)first, /* shared by all members */
                              .mode = i < MEMBERS ? TEMPO_ISOLATED : TEMPO_VISIBLE,
                              .want = TEMPO_WANT_TAPS};
    fputs("attention of each member on its siblings, mean over heads\nlayer  isolated                    "
          "visible",
          stdout);
    return tempo_engine_forward(engine, rows, ROWS, &observer, err);
}

static void print_set(const tempo_tokenizer *tok, const int32_t ids[MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++) {
        size_t n;
        const char *bytes = tempo_token_bytes(tok, ids[i], &n);
        printf("%c%.*s", i ? '/' : '[', (int)n, bytes);
    }
    puts("]");
}

static tempo_status study(tempo_engine *engine, const char *text, tempo_err *err)
{
    const tempo_tokenizer *tok = tempo_model_tokenizer(tempo_engine_model(engine));
    const uint32_t n_vocab = tempo_model_get_info(tempo_engine_model(engine))->n_vocab;
    tempo_seq *seqs[2] = {NULL, NULL};
    int32_t *prompt = NULL, members[MEMBERS];
    const float *logits;
    size_t n;
    tempo_status st;

    if ((st = tempo_tokenize(tok, text, strlen(text), 0, &prompt, &n, err)) != TEMPO_OK)
        goto out;
    if ((st = tempo_seq_create(&seqs[0], engine, NULL, err)) != TEMPO_OK)
        goto out;
    if ((st = read_prompt(engine, seqs[0], prompt, n, &logits, err)) != TEMPO_OK)
        goto out;
    pick_members(logits, n_vocab, members);
    fputs(text, stdout);
    print_set(tok, members);
    /* The fork shares the prompt's keys and values with its origin. */
    if ((st = tempo_seq_fork(&seqs[1], seqs[0], err)) != TEMPO_OK)
        goto out;
    st = compare_modes(engine, seqs, members, err);
out:
    tempo_seq_free(seqs[1]);
    tempo_seq_free(seqs[0]);
    tempo_free(prompt);
    return st;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && argv[1][0] ? argv[1] : NULL; /* NULL: the built-in model */
    const char *text = argc > 2 ? argv[2] : "The cat sat on the";
    tempo_err err = {0};
    tempo_model *model = NULL;
    tempo_engine *engine = NULL;

    tempo_status st = tempo_model_open(&model, name, NULL, &err);
    if (st == TEMPO_OK)
        st = tempo_engine_create(&engine, model, NULL, &err);
    if (st == TEMPO_OK)
        st = study(engine, text, &err);
    putchar('\n');
    if (st != TEMPO_OK)
        fprintf(stderr, "two_sequences: %s\n", err.msg[0] ? err.msg : tempo_status_name(st));
    tempo_engine_free(engine);
    tempo_model_free(model);
    return st == TEMPO_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
