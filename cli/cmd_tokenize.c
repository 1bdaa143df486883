/* cmd_tokenize.c - text to token ids and back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "session.h"

static int print_ids(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *piece = tempo_token_piece(t, ids[i], &len);
        printf("%" PRId32 "\t", ids[i]);
        show_token(piece, len);
        putchar('\n');
    }
    return EXIT_OK;
}

static int print_ids_json(const tempo_tokenizer *t, const int32_t *ids, size_t n, const char *warning)
{
    json_t *id_list = json_array(), *pieces = json_array();

    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *piece = tempo_token_piece(t, ids[i], &len);
        json_array_append_new(id_list, json_integer(ids[i]));
        json_array_append_new(pieces, json_text(piece, len));
    }
    return print_json(
        json_pack("{s:o, s:o, s:o}", "ids", id_list, "pieces", pieces, "warnings", json_warnings(warning)),
        false);
}

static int encode(const tempo_tokenizer *t, const options *o, const char *text, size_t n)
{
    const unsigned flags =
        (o->no_bos ? TEMPO_TOKENIZE_NO_BOS : 0) | (o->no_special ? TEMPO_TOKENIZE_NO_SPECIAL : 0);
    tempo_err err = {0};
    int32_t *ids;
    size_t n_ids;

    if (tempo_tokenize(t, text, n, flags, &ids, &n_ids, &err) != TEMPO_OK)
        return say_error(&err);
    const char *warning = o->no_bos ? NULL : say_doubled(t, ids, n_ids);
    const int code = o->json ? print_ids_json(t, ids, n_ids, warning) : print_ids(t, ids, n_ids);
    tempo_free(ids);
    return code;
}

/* The exact bytes on standard output; on a terminal a newline follows. */
static int decode(const tempo_tokenizer *t, const options *o, const char *list)
{
    tempo_err err = {0};
    int32_t *ids;
    size_t n, n_text;
    char *text;
    int code = parse_ids("--decode", list, &ids, &n);

    if (code != EXIT_OK)
        return code;
    if (tempo_detokenize(t, ids, n, !o->no_special, &text, &n_text, &err) != TEMPO_OK) {
        free(ids);
        return say_error(&err);
    }
    free(ids);
    if (o->json) {
        json_t *document = json_object();
        json_set_text(document, "text", "bytes", text, n_text);
        code = print_json(document, false);
    } else {
        (void)fwrite(text, 1, n_text, stdout);
        if (isatty(STDOUT_FILENO))
            putchar('\n');
    }
    tempo_free(text);
    return code;
}

int cmd_tokenize(const options *o)
{
    session s = {0};
    char *from_file = NULL;
    size_t n = o->argument != NULL ? strlen(o->argument) : 0;
    int code = EXIT_USAGE;

    if ((o->argument != NULL) == (o->file != NULL)) {
        say(o->file == NULL ? "no text: give some, or -f FILE" : "a text and -f FILE: give only one of them");
        return EXIT_USAGE;
    }
    if (o->file != NULL && (code = read_input(o->file, &from_file, &n)) != EXIT_OK)
        return code;
    const char *text = o->file != NULL ? from_file : o->argument;
    if ((code = session_open_model(&s, o, TEMPO_LOAD_TOKENIZER)) == EXIT_OK) {
        const tempo_tokenizer *t = session_tokenizer(&s);
        code = t == NULL ? EXIT_FAILED : o->decode ? decode(t, o, text) : encode(t, o, text, n);
    }
    session_close(&s);
    free(from_file);
    return code;
}
