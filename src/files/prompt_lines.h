/* prompt_lines.h - prompts of a JSONL file, a JSON object a line:
 *
 *     {"id": "q-17", "prompt": "The lamp had been out for an hour when"}
 *
 * The text is "prompt" or "text", not empty.  "id" is a text or an integer, no other line's; without one it is the line's
 * number.  "stratum" is a text, for studies.  Other members are the file's own business.  Empty lines count as lines and
 * hold no prompt.  Lines are read as files from outside are (io/json.h).  */
#ifndef TEMPO_FILES_PROMPT_LINES_H
#define TEMPO_FILES_PROMPT_LINES_H
#include <jansson.h>

#include "files/hash.h"

enum {
    TEMPO_PROMPT_LINES_MAX = 1 << 20,
    TEMPO_PROMPT_LINES_MAX_BYTES = 64 << 20, /* of a file */
    TEMPO_PROMPT_NAME_CHARS = 64,            /* with the NUL */
};

typedef struct tempo_prompt_line {
    json_t *id;    /* a string or an integer */
    const char *key; /* the id as text */
    char name[TEMPO_PROMPT_NAME_CHARS]; /* the id as a file may be called: [a-z0-9] and then [a-z0-9_-]; no other line's */
    const char *text; /* [n] UTF-8 */
    size_t n;
    const char *stratum; /* or NULL */
    uint32_t line;
} tempo_prompt_line;

/* All pointers are owned by the object. */
typedef struct tempo_prompt_lines {
    char *path;
    char sha256[TEMPO_HASH_CHARS]; /* of the file's bytes */
    tempo_prompt_line *lines;      /* [n], n >= 1 */
    size_t n;
    json_t *documents; /* hold ids and texts */
} tempo_prompt_lines;

/* Is a file of that name one of prompts?  It ends in .jsonl. */
bool tempo_is_prompt_lines(const char *path);
/* Hears of each bad line: why->msg is "PATH:LINE: ", what is wrong and what was expected. */
typedef void tempo_bad_line_fn(void *user, const tempo_err *why);
/* bytes[n] that came from `path`, or the file.  A bad line is TEMPO_E_FORMAT, "PATH:LINE: ", what is wrong, what was expected, and
 * how many more bad lines there are.  TEMPO_E_LIMIT for too much of something.  On failure *out is NULL.  */
tempo_status tempo_prompt_lines_parse(tempo_prompt_lines **out, const char *path, const void *bytes, size_t n,
                                      tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_prompt_lines_load(tempo_prompt_lines **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* The same, and `bad` hears of every bad line, not only of the first: those that are no prompts in the order of the file, then
 * those whose ids are other lines'. */
tempo_status tempo_prompt_lines_load_telling(tempo_prompt_lines **out, const char *path, tempo_bad_line_fn *bad, void *user,
                                             tempo_err *err) TEMPO_MUST_CHECK;
void tempo_prompt_lines_free(tempo_prompt_lines *p);

#endif
