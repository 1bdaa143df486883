#include "cli/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/prompt/conversation.h"
#include "cli/message.h"
#include "run/decode_json.h"

enum { MAX_INPUT = 64 << 20, MAX_IDS = 1 << 24 };

int session_open_model(session *s, const options *o, tempo_load load)
{
    const tempo_model_options opt = {.size = sizeof(opt),
                                     .load = load,
                                     .cpu = o->cpu,
                                     .compute = (tempo_compute)o->compute,
                                     .context = (uint32_t)o->max_context};
    const double begin = now_ms();
    tempo_err err = {0};

    *s = (session){0};
    if (tempo_model_open(&s->model, o->model, &opt, &err) != TEMPO_OK)
        return say_error(&err);
    s->load_ms = now_ms() - begin;
    say_notes(s->model);
    return EXIT_OK;
}

int session_open_engine(session *s, const options *o)
{
    const tempo_engine_options opt = {.size = sizeof(opt), .threads = (unsigned)o->threads};
    tempo_err err = {0};
    int code = session_open_model(s, o, TEMPO_LOAD_ALL);

    if (code == EXIT_OK && tempo_engine_create(&s->engine, s->model, &opt, &err) != TEMPO_OK)
        code = say_error(&err);
    return code;
}

void session_close(session *s)
{
    tempo_free(s->ids);
    free(s->text);
    tempo_engine_free(s->engine);
    tempo_model_free(s->model);
    *s = (session){0};
}

const tempo_tokenizer *session_tokenizer(const session *s)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    tempo_err err = {0};

    if (t == NULL && tempo_model_check_text(s->model, &err) != TEMPO_OK)
        (void)say_error(&err);
    return t;
}

bool session_hash(session *s)
{
    return s->sha256[0] != '\0' || hash_path(tempo_model_get_info(s->model)->path, s->sha256);
}

/* ---- input ---- */

static int read_stream(FILE *f, const char *path, char **text, size_t *n)
{
    size_t cap = 1 << 16, got;

    *n = 0;
    if ((*text = malloc(cap)) == NULL)
        goto no_memory;
    while ((got = fread(*text + *n, 1, cap - *n - 1, f)) > 0) {
        *n += got;
        if (*n > MAX_INPUT) {
            say("%s: more than %d MiB of text", path, MAX_INPUT >> 20);
            return EXIT_FAILED;
        }
        if (cap - *n < 2) {
            char *p = realloc(*text, cap *= 2);
            if (p == NULL)
                goto no_memory;
            *text = p;
        }
    }
    if (ferror(f)) {
        say("%s: cannot be read: %s", path, strerror(errno));
        return EXIT_FAILED;
    }
    (*text)[*n] = '\0';
    return EXIT_OK;
no_memory:
    say("out of memory for %s", path);
    return EXIT_FAILED;
}

int read_input(const char *path, char **text, size_t *n)
{
    const bool standard = strcmp(path, "-") == 0;
    struct stat st;
    int code;

    *text = NULL;
    *n = 0;
    FILE *f = standard ? stdin : fopen(path, "rb");
    if (f == NULL) {
        say("%s: cannot be opened: %s", path, strerror(errno));
        return EXIT_FAILED;
    }
    if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
        say("%s: is a directory, not a file of text", path);
        code = EXIT_FAILED;
    } else {
        code = read_stream(f, standard ? "standard input" : path, text, n);
    }
    if (!standard)
        (void)fclose(f);
    if (code != EXIT_OK) {
        free(*text);
        *text = NULL;
    }
    return code;
}

int parse_ids(const char *what, const char *text, int32_t **ids, size_t *n)
{
    size_t cap = 1;

    for (const char *p = text; *p != '\0'; p++)
        cap += *p == ',' || *p == ' ' || *p == '\n';
    *n = 0;
    if (cap > MAX_IDS || (*ids = malloc(cap * sizeof(**ids))) == NULL) {
        say("%s: too many ids", what);
        *ids = NULL;
        return EXIT_FAILED;
    }
    for (const char *p = text + strspn(text, " \n"); *p != '\0';) {
        char *end;
        errno = 0;
        const unsigned long v = strtoul(p, &end, 10);
        const char *next = end + strspn(end, " \n");
        const bool comma = *next == ',';
        next += comma;
        next += strspn(next, " \n");
        if (*p < '0' || *p > '9' || errno != 0 || v > INT32_MAX || (*next != '\0' && next == end) ||
            (comma && *next == '\0')) {
            say("%s: '%.32s' is not a token id; expected ids separated by commas", what, p);
            free(*ids);
            *ids = NULL;
            return EXIT_USAGE;
        }
        (*ids)[(*n)++] = (int32_t)v;
        p = next;
    }
    return EXIT_OK;
}

/* ---- the prompt ---- */

const char *say_doubled(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    const char *warning = tempo_tokens_warning(t, ids, n);

    if (warning != NULL)
        say("%s (--no-bos adds none)", warning);
    return warning;
}

static int prompt_from_ids(session *s, const options *o)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    tempo_err err = {0};
    int code = parse_ids("--prompt-ids", o->prompt_ids, &s->ids, &s->n_ids);

    if (code == EXIT_OK && s->n_ids == 0) {
        say("the prompt is empty: give at least one token id");
        code = EXIT_USAGE;
    }
    if (code != EXIT_OK || t == NULL)
        return code;
    return tempo_detokenize(t, s->ids, s->n_ids, false, &s->text, &s->n_text, &err) == TEMPO_OK
               ? EXIT_OK
               : say_error(&err);
}

/* -p or -f to s->text. */
static int read_text(session *s, const options *o)
{
    if (o->file != NULL) {
        const int code = read_input(o->file, &s->text, &s->n_text);
        if (code != EXIT_OK)
            return code;
    } else if ((s->text = strdup(o->prompt)) != NULL) {
        s->n_text = strlen(s->text);
    } else {
        say("out of memory for the prompt");
        return EXIT_FAILED;
    }
    if (s->n_text == 0) {
        say("the prompt is empty: give some text, or token ids with --prompt-ids");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

int session_take_text(session *s, const options *o)
{
    const unsigned flags =
        (o->no_bos ? TEMPO_TOKENIZE_NO_BOS : 0) | (o->no_special ? TEMPO_TOKENIZE_NO_SPECIAL : 0);
    const tempo_tokenizer *t = session_tokenizer(s);
    tempo_err err = {0};

    if (t == NULL)
        return EXIT_FAILED;
    if (o->chat || o->messages != NULL)
        return prompt_from_chat(s, o);
    if (tempo_tokenize(t, s->text, s->n_text, flags, &s->ids, &s->n_ids, &err) != TEMPO_OK)
        return say_error(&err);
    s->warning = o->no_bos ? NULL : say_doubled(t, s->ids, s->n_ids);
    if (s->n_ids == 0) {
        say("the prompt has no tokens");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

int session_check_prompt(const options *o)
{
    const int given =
        (o->prompt != NULL) + (o->file != NULL) + (o->prompt_ids != NULL) + (o->messages != NULL);

    if (given != 1) {
        say(given == 0 ? "no prompt: give one with -p TEXT, -f FILE, --prompt-ids IDS or --messages FILE"
                       : "more than one prompt: give only one of -p, -f, --prompt-ids and --messages");
        return EXIT_USAGE;
    }
    const char *problem = chat_problem(o);
    if (problem != NULL)
        say("%s", problem);
    return problem == NULL ? EXIT_OK : EXIT_USAGE;
}

int session_read_prompt(session *s, const options *o)
{
    int code = session_check_prompt(o);

    if (code != EXIT_OK)
        return code;
    if (o->prompt_ids != NULL)
        return prompt_from_ids(s, o);
    if (o->messages == NULL && (code = read_text(s, o)) != EXIT_OK)
        return code;
    return session_take_text(s, o);
}

/* ---- JSON ---- */

json_t *json_warnings(const char *warning)
{
    json_t *list = json_array();

    if (warning != NULL)
        json_array_append_new(list, json_string(warning));
    return list;
}

json_t *json_text(const char *s, size_t n)
{
    return tempo_json_bytes(s, n);
}

void json_set_text(json_t *object, const char *key, const char *key_bytes, const char *s, size_t n)
{
    tempo_json_add_text(object, key, key_bytes, s, n);
}

json_t *json_model(const session *s, const options *o)
{
    const tempo_model_info *info = tempo_model_get_info(s->model);
    json_t *m = json_object();
    char hash[65];

    (void)snprintf(hash, sizeof(hash), "%s", s->sha256);

    json_object_set_new(m, "path", json_text(info->path, strlen(info->path)));
    json_object_set_new(m, "name", json_text(info->name, strlen(info->name)));
    json_object_set_new(m, "architecture", json_text(info->architecture, strlen(info->architecture)));
    json_object_set_new(m, "format", json_string(info->format));
    json_object_set_new(m, "parameters", json_integer((json_int_t)info->parameters));
    if (!o->hash)
        return m;
    if (hash[0] == '\0' && !hash_path(info->path, hash)) {
        json_decref(m);
        return NULL;
    }
    json_object_set_new(m, "sha256", json_string(hash));
    return m;
}

int print_json(json_t *document, bool compact)
{
    /* 17 digits: a double comes back as it was */
    const size_t flags = JSON_REAL_PRECISION(17) | (compact ? JSON_COMPACT : JSON_INDENT(2));
    int code = EXIT_OK;

    if (document == NULL) {
        say("out of memory for the output");
        return EXIT_FAILED;
    }
    if (json_dumpf(document, stdout, flags) != 0 && !ferror(stdout)) {
        say("out of memory for the output");
        code = EXIT_FAILED;
    }
    putchar('\n');
    json_decref(document);
    return code;
}
