/* cmd_tokenize.c - text to token ids and back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/prompt/prompts.h"

static void print_ids(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *piece = tempo_token_piece(t, ids[i], &len);
        printf("%" PRId32 "\t", ids[i]);
        show_token(piece, len);
        putchar('\n');
    }
}

static void add_ids(json_t *root, const tempo_tokenizer *t, const int32_t *ids, size_t n, const char *warning)
{
    json_t *id_list = json_array(), *pieces = json_array();

    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *piece = tempo_token_piece(t, ids[i], &len);
        json_array_append_new(id_list, json_integer(ids[i]));
        json_array_append_new(pieces, json_text(piece, len));
    }
    json_object_set_new(root, "ids", id_list);
    json_object_set_new(root, "pieces", pieces);
    json_object_set_new(root, "warnings", json_warnings(warning));
}

/* To `into` where it is a document's, else a line a token. */
static int encode(const tempo_tokenizer *t, const options *o, const char *text, size_t n, json_t *into)
{
    const unsigned flags =
        (o->no_bos ? TEMPO_TOKENIZE_NO_BOS : 0) | (o->no_special ? TEMPO_TOKENIZE_NO_SPECIAL : 0);
    tempo_err err = {0};
    int32_t *ids;
    size_t n_ids;

    if (tempo_tokenize(t, text, n, flags, &ids, &n_ids, &err) != TEMPO_OK)
        return say_error(&err);
    const char *warning = o->no_bos ? NULL : say_doubled(t, ids, n_ids);
    if (into != NULL)
        add_ids(into, t, ids, n_ids, warning);
    else
        print_ids(t, ids, n_ids);
    tempo_free(ids);
    return EXIT_OK;
}

static int encode_one(const tempo_tokenizer *t, const options *o, const char *text, size_t n)
{
    json_t *root = o->json ? json_object() : NULL;
    int code = encode(t, o, text, n, root);

    if (code == EXIT_OK && o->json)
        return print_json(root, false);
    json_decref(root);
    return code;
}

/* A file of prompts: each with its id. */
static int encode_lines(const tempo_tokenizer *t, const options *o, const tempo_prompt_lines *lines)
{
    json_t *list = json_array();
    int code = EXIT_OK;

    for (size_t i = 0; i < lines->n && code == EXIT_OK; i++) {
        const tempo_prompt_line *l = &lines->lines[i];
        json_t *one = o->json ? json_pack("{s:O}", "id", l->id) : NULL;
        if (!o->json) {
            if (i > 0)
                putchar('\n');
            prompts_heading(l);
        }
        code = prompts_blame(lines, i, encode(t, o, l->text, l->n, one));
        if (one != NULL)
            json_array_append_new(list, one);
    }
    if (code == EXIT_OK && o->json)
        return print_json(json_pack("{s:o}", "prompts", list), false);
    json_decref(list);
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

/* The text of the command line or of -f; with --decode it is a list of ids. */
static int run(const tempo_tokenizer *t, const options *o)
{
    char *from_file = NULL;
    size_t n = o->argument != NULL ? strlen(o->argument) : 0;
    int code = o->file != NULL ? read_input(o->file, &from_file, &n) : EXIT_OK;
    const char *text = o->file != NULL ? from_file : o->argument;

    if (code == EXIT_OK)
        code = o->decode ? decode(t, o, text) : encode_one(t, o, text, n);
    free(from_file);
    return code;
}

int cmd_tokenize(const options *o)
{
    session s = {0};
    tempo_prompt_lines *lines = NULL;
    const tempo_tokenizer *t;
    int code;

    if ((o->argument != NULL) == (o->file != NULL)) {
        say(o->file == NULL ? "no text: give some, or -f FILE" : "a text and -f FILE: give only one of them");
        return EXIT_USAGE;
    }
    if (given_prompts(o) && o->decode) {
        say("--decode takes a list of ids, and %s holds prompts", o->file);
        return EXIT_USAGE;
    }
    if (given_prompts(o) && (code = prompts_load(&lines, o->file)) != EXIT_OK)
        return code;
    if ((code = session_open_model(&s, o, TEMPO_LOAD_TOKENIZER)) == EXIT_OK) {
        t = session_tokenizer(&s);
        code = t == NULL ? EXIT_FAILED : lines != NULL ? encode_lines(t, o, lines) : run(t, o);
    }
    session_close(&s);
    tempo_prompt_lines_free(lines);
    return code;
}
