/* decode.c - continue a text with parallel sets and print them.
 *
 *   decode [MODEL [TEXT [THRESHOLD]]]       (MODEL "" means the built-in one)
 *   cc decode.c $(pkg-config --cflags --libs tempo) -o decode
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tempo.h>

/* "a" for a set of one, "[a/b/c]" for a larger one.  Tokens are bytes: a UTF-8 character may be spread
 * over several of them, so they are written as they are.  */
static void print_set(const tempo_tokenizer *tok, const tempo_set *set)
{
    if (set->n_members > 1)
        fputc('[', stdout);
    for (size_t i = 0; i < set->n_members; i++) {
        size_t n;
        const char *bytes = tempo_token_bytes(tok, set->members[i].id, &n);
        if (i > 0)
            fputc('/', stdout);
        fwrite(bytes, 1, n, stdout);
    }
    if (set->n_members > 1)
        fputc(']', stdout);
    fflush(stdout);
}

/* The step loop: one set a call, until the decoder says that it has stopped. */
static tempo_status decode(tempo_engine *engine, const tempo_decode_options *options, const int32_t *prompt,
                           size_t n_prompt, tempo_err *err)
{
    const tempo_tokenizer *tok = tempo_model_tokenizer(tempo_engine_model(engine));
    tempo_decoder *decoder = NULL;
    tempo_status st = tempo_decoder_create(&decoder, engine, options, prompt, n_prompt, err);

    while (st == TEMPO_OK && tempo_decoder_stopped(decoder) == TEMPO_RUNNING) {
        st = tempo_decoders_step(&decoder, 1, NULL, err);
        if (st == TEMPO_OK)
            print_set(tok, tempo_decoder_last_set(decoder));
    }
    fputc('\n', stdout);
    tempo_decoder_free(decoder);
    return st;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && argv[1][0] ? argv[1] : NULL; /* NULL: the built-in model */
    const char *text = argc > 2 ? argv[2] : "Once upon a time";
    tempo_err err = {0};
    tempo_model *model = NULL;
    tempo_engine *engine = NULL;
    int32_t *prompt = NULL;
    size_t n_prompt = 0;
    tempo_status st;

    tempo_decode_options options;
    tempo_decode_options_init(&options);
    options.mode = TEMPO_VISIBLE;
    options.steps = 16;
    if (argc > 3)
        options.threshold = atof(argv[3]); /* what is no threshold is refused below */

    if ((st = tempo_model_open(&model, name, NULL, &err)) != TEMPO_OK)
        goto out;
    if ((st = tempo_engine_create(&engine, model, NULL, &err)) != TEMPO_OK)
        goto out;
    if ((st = tempo_tokenize(tempo_model_tokenizer(model), text, strlen(text), 0, &prompt, &n_prompt,
                             &err)) != TEMPO_OK)
        goto out;
    fputs(text, stdout);
    st = decode(engine, &options, prompt, n_prompt, &err);
out:
    if (st != TEMPO_OK)
        fprintf(stderr, "decode: %s\n", err.msg);
    tempo_free(prompt);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return st == TEMPO_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
