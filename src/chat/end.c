/* end.c - the tokens with which a template ends an assistant's message, found by rendering one.
 *
 * A model's files name the tokens that end a text; that of a turn may be another one, which only the template
 * knows.  The model was trained on what the template makes of conversations, so what stands behind an
 * assistant's words there is what it says when it has finished: the end of the turn, or where turns have none
 * the name of who speaks next.  */
#include <stdlib.h>
#include <string.h>

#include "chat/chat.h"
#include "token/tokenizer.h"

/* Words that no template has a reason to change. */
static const char mark[] = "wherewithal";

/* The special token at the beginning of text[n], white space apart, or -1. */
static int32_t leading_special(const tempo_tokenizer *t, const char *text, size_t n)
{
    const tempo_specials *const lists[] = {&t->specials, &t->normalised};
    const tempo_special *best = NULL;

    while (n > 0 && strchr(" \t\r\n", *text) != NULL && *text != '\0') {
        text++;
        n--;
    }
    for (size_t i = 0; i < lists[0]->n + lists[1]->n; i++) {
        const tempo_special *s = i < lists[0]->n ? &lists[0]->p[i] : &lists[1]->p[i - lists[0]->n];
        if (s->n <= n && memcmp(s->s, text, s->n) == 0 && (best == NULL || s->n > best->n))
            best = s;
    }
    return best != NULL ? best->id : -1;
}

static void add_end(const tempo_tokenizer *t, const char *text, size_t n, int32_t ids[TEMPO_MAX_END_IDS],
                    uint32_t *n_ids)
{
    const char *at = memmem(text, n, mark, sizeof(mark) - 1);

    if (at == NULL)
        return;
    at += sizeof(mark) - 1;
    const int32_t id = leading_special(t, at, n - (size_t)(at - text));
    for (uint32_t i = 0; i < *n_ids; i++)
        if (ids[i] == id)
            return;
    if (id >= 0 && *n_ids < TEMPO_MAX_END_IDS)
        ids[(*n_ids)++] = id;
}

uint32_t tempo_chat_end_ids(const tempo_chat *c, int32_t ids[TEMPO_MAX_END_IDS])
{
    static const tempo_message messages[] = {
        {"user", "Hello", 5}, {"assistant", mark, sizeof(mark) - 1}, {"user", "And then?", 9}};
    const tempo_chat_options options = {
        .size = sizeof(options), .no_generation_prompt = true, .date = "2024-07-26"};
    uint32_t n_ids = 0;
    char *text;
    size_t n;

    /* Within a conversation, and at its end: some templates write another token there. */
    for (size_t k = 3; k >= 2; k--) {
        tempo_err err = {0}; /* a template may refuse such a conversation: then it says nothing */
        if (tempo_chat_render(c, messages, k, &options, &text, &n, &err) == TEMPO_OK)
            add_end(tempo_chat_tokenizer(c), text, n, ids, &n_ids);
        tempo_free(text);
    }
    return n_ids;
}
