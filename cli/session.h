/* session.h - what several commands do: open a model, read a prompt, describe both in JSON. */
#ifndef TEMPO_CLI_SESSION_H
#define TEMPO_CLI_SESSION_H
#include <jansson.h>

#include "cli/options.h"

typedef struct session {
    tempo_model *model;
    tempo_engine *engine; /* NULL when the model was opened without one */
    int32_t *ids;         /* [n_ids] the prompt; free with tempo_free */
    size_t n_ids;
    char *text; /* [n_text] of the prompt: as given, or decoded from ids */
    size_t n_text;
    int32_t end_ids[TEMPO_MAX_END_IDS]; /* [n_end_ids] of a chat: what ends a turn */
    uint32_t n_end_ids;
    const char *warning; /* what is odd about the prompt, or NULL */
    double load_ms;
    char sha256[65]; /* of the model; "" until session_hash */
} session;

/* Each prints a message and returns an exit code other than EXIT_OK on failure; session_close takes all. */
int session_open_model(session *s, const options *o, tempo_load load);
int session_open_engine(session *s, const options *o);
/* The prompt of -p, -f, --prompt-ids or --messages; exactly one must be given, and not be empty.  With --chat it is a message, with
 * --messages a conversation, and the template makes ids and text of it.  */
int session_read_prompt(session *s, const options *o);
/* Its parts: are the options about prompts right?  And ids for the text that s has, which --chat changes. */
int session_check_prompt(const options *o);
int session_take_text(session *s, const options *o);
void session_close(session *s);

/* Fill in sha256, once: hashing takes a while.  false: a message was printed. */
bool session_hash(session *s);

/* The model's tokenizer; NULL with a message if it has none. */
const tempo_tokenizer *session_tokenizer(const session *s);

/* Say what is odd about the ids of a text, if anything is, and give it back. */
const char *say_doubled(const tempo_tokenizer *t, const int32_t *ids, size_t n);

/* A whole file, or standard input for "-": malloc'd, NUL-terminated.  At most MAX_INPUT bytes. */
int read_input(const char *path, char **text, size_t *n);
/* "1,2,3" -> ids (free).  what: how messages call it. */
int parse_ids(const char *what, const char *text, int32_t **ids, size_t *n);

/* ---- JSON ---- */
/* The list of them: one or none. */
json_t *json_warnings(const char *warning);
/* Any bytes as a JSON string; what is not UTF-8 becomes U+FFFD. */
json_t *json_text(const char *s, size_t n);
/* object[key] = text, and object[key_bytes] = its bytes as numbers where it is not UTF-8. */
void json_set_text(json_t *object, const char *key, const char *key_bytes, const char *s, size_t n);
/* path, name, architecture, parameters, and sha256 with --hash.  NULL: a message was printed. */
json_t *json_model(const session *s, const options *o);
/* One document on a line of standard output (indented unless compact), and done with it. */
int print_json(json_t *document, bool compact);

/* ---- hash.c ---- */
/* Lower-case hex SHA-256 of a file or of a directory's files; false: a message was printed. */
bool hash_path(const char *path, char out[65]);

/* ---- show.c: text for people ---- */
bool use_colors(int when);
/* A token's bytes on standard output; what is not UTF-8 as <0xAB>, control characters escaped. */
void show_token(const char *s, size_t n);
/* How many characters show_token prints of it. */
size_t token_width(const char *s, size_t n);
/* Running text: newlines and tabs stay; parts of characters wait in *held until they are whole. */
typedef struct held_text {
    char p[4];
    size_t n;
} held_text;
void show_text(held_text *held, const char *s, size_t n);
void show_held(held_text *held); /* what is left at the end */

#endif
