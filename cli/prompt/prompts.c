/* prompts.c - see prompts.h. */
#include "cli/prompt/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"

bool given_prompts(const options *o)
{
    return o->file != NULL && tempo_is_prompt_lines(o->file);
}

enum { MOST_BAD_LINES = 20 };

static void say_bad_line(void *user, const tempo_err *why)
{
    size_t *n = user;

    if (++*n <= MOST_BAD_LINES)
        say("%s", why->msg);
}

int prompts_load(tempo_prompt_lines **out, const char *path)
{
    tempo_err err = {0};
    size_t bad = 0;

    if (tempo_prompt_lines_load_telling(out, path, say_bad_line, &bad, &err) == TEMPO_OK)
        return EXIT_OK;
    if (bad > MOST_BAD_LINES)
        say("%s: and %zu more bad lines", path, bad - MOST_BAD_LINES);
    return bad > 0 && err.code == TEMPO_E_FORMAT ? EXIT_FAILED : say_error(&err);
}

int prompts_take(session *s, const options *o, const tempo_prompt_lines *lines, size_t i)
{
    const tempo_prompt_line *l = &lines->lines[i];

    if ((s->text = malloc(l->n + 1)) == NULL) {
        say("out of memory for the prompts");
        return EXIT_FAILED;
    }
    memcpy(s->text, l->text, l->n + 1);
    s->n_text = l->n;
    return prompts_blame(lines, i, session_take_text(s, o));
}

int prompts_blame(const tempo_prompt_lines *lines, size_t i, int code)
{
    if (code != EXIT_OK && code != EXIT_INTERRUPTED)
        say("that was the prompt of %s:%u, id %s", lines->path, (unsigned)lines->lines[i].line,
            lines->lines[i].key);
    return code;
}

void prompts_drop(session *s)
{
    tempo_free(s->ids);
    free(s->text);
    s->ids = NULL;
    s->text = NULL;
    s->n_ids = s->n_text = 0;
    s->warning = NULL;
}

void prompts_heading(const tempo_prompt_line *l)
{
    fputs("== ", stdout);
    show_token(l->key, strlen(l->key));
    fputs(" ==\n", stdout);
}
