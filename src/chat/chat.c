/* chat.c - chat templates: what is public, the plain template, the text's way to ids. */
#include "chat/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/options.h"
#include "chat/conversation.h"
#include "chat/parts.h"
#include "token/tokenizer.h"

/* For models that bring none: words that any vocabulary can spell. */
static const char plain[] =
    "{%- for message in messages %}"
    "{%- if message.role == 'system' %}{{ message.content | trim + '\\n\\n' }}"
    "{%- else %}{{ message.role | title + ': ' + message.content | trim + '\\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ 'Assistant:' }}{%- endif %}";

TEMPO_OPTIONS(tempo_chat_options, .thinking = 0)

struct tempo_chat {
    const tempo_tokenizer *t;
    tempo_chat_program program;
    const char *source;      /* on the program's heap, or static */
    unsigned char *reserved; /* tokens that messages cannot name, though they are no control tokens */
};

static const char *make_label(tempo_chat *c, const char *text, const char *name, tempo_err *err)
{
    char *copy;

    c->program.heap = (tempo_chat_heap){.limit = TEMPO_CHAT_MAX_PARSED, .err = err};
    if (text == NULL || name == NULL) {
        c->source = text == NULL ? "plain" : "template";
        return text == NULL ? "the plain chat template" : "the chat template";
    }
    if ((copy = tempo_chat_alloc(&c->program.heap, strlen(name) + 1)) == NULL)
        return NULL;
    memcpy(copy, name, strlen(name));
    c->source = copy;
    return strcmp(name, "model") == 0 ? "the chat template of the model" : copy;
}

tempo_status tempo_chat_create(tempo_chat **out, const tempo_tokenizer *t, const char *text, size_t n,
                               const char *name, tempo_err *err)
{
    tempo_chat *c = *out = calloc(1, sizeof(*c));
    tempo_err local = {0};

    if (c == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a chat template");
    if (err == NULL)
        err = &local;
    c->t = t;
    const char *label = make_label(c, text, name, err);
    tempo_status st = label != NULL ? TEMPO_OK : TEMPO_E_NOMEM;
    if (text == NULL) {
        text = plain;
        n = sizeof(plain) - 1;
    }
    if (st == TEMPO_OK)
        st = tempo_chat_parse(&c->program, label, text, n, err);
    if (st == TEMPO_OK && (c->reserved = tempo_tokenizer_reserve(t, text, n)) == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a chat template");
    c->program.heap.err = NULL;
    if (st != TEMPO_OK) {
        tempo_chat_free(c);
        *out = NULL;
    }
    return st;
}

void tempo_chat_free(tempo_chat *c)
{
    if (c == NULL)
        return;
    tempo_chat_heap_free(&c->program.heap);
    free(c->reserved);
    free(c);
}

const tempo_tokenizer *tempo_chat_tokenizer(const tempo_chat *c)
{
    return c->t;
}

const char *tempo_chat_source(const tempo_chat *c)
{
    return c->source;
}

/* ---- rendering ---- */

static int day_of_week(int y, int m, int d) /* 0 = Sunday; Sakamoto's method */
{
    static const int t[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};

    y -= m < 3;
    return (y + y / 4 - y / 100 + y / 400 + t[m - 1] + d) % 7;
}

static int days_in_month(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0));
}

static tempo_status set_date(tempo_chat_input *in, const char *date, tempo_err *err)
{
    if (date == NULL) {
        const time_t now = time(NULL);
        struct tm tm;
        if (localtime_r(&now, &tm) == NULL)
            return tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET, "the date is not known");
        in->year = tm.tm_year + 1900;
        in->month = tm.tm_mon + 1;
        in->day = tm.tm_mday;
        in->hour = tm.tm_hour;
        in->minute = tm.tm_min;
        in->second = tm.tm_sec;
    } else if (strlen(date) != 10 || strspn(date, "0123456789-") != 10 ||
               sscanf(date, "%4d-%2d-%2d", &in->year, &in->month, &in->day) != 3 || in->year < 1 ||
               in->month < 1 || in->month > 12 || in->day < 1 ||
               in->day > days_in_month(in->year, in->month)) {
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "'%.32s' is not a date such as 2024-07-26",
                          date);
    }
    in->weekday = day_of_week(in->year, in->month, in->day);
    return TEMPO_OK;
}

static tempo_chat_str token_text(const tempo_tokenizer *t, int32_t id)
{
    tempo_chat_str s = {NULL, NULL, 0};

    if (id >= 0)
        s.p = tempo_token_bytes(t, id, &s.n);
    return s;
}

static tempo_status check_messages(const tempo_message *messages, size_t n, tempo_err *err)
{
    if (n == 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "no messages: there must be at least one");
    for (size_t i = 0; i < n; i++) {
        const size_t n_role = strlen(messages[i].role),
                     valid = tempo_utf8_valid(messages[i].content, messages[i].n_content);
        if (tempo_utf8_valid(messages[i].role, n_role) != n_role)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "the role of message %zu is not valid UTF-8", i);
        if (valid != messages[i].n_content)
            return tempo_fail(err, TEMPO_E_FORMAT, valid, "message %zu is not valid UTF-8", i);
        if (messages[i].n_content > TEMPO_CHAT_MAX_OUTPUT)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "message %zu has more than %d MiB", i,
                              TEMPO_CHAT_MAX_OUTPUT >> 20);
    }
    return TEMPO_OK;
}

/* What is rendered: messages[n], or the conversation. */
typedef struct source {
    const tempo_message *messages;
    size_t n;
    const tempo_conversation *conversation; /* or NULL */
    json_t *parts[TEMPO_CHAT_PARTS];        /* what it holds */
} source;

/* The text lies on h; of s->parts, too. */
static tempo_status render(const tempo_chat *c, source *s, const tempo_chat_options *opt, tempo_chat_heap *h,
                           tempo_chat_str *text)
{
    tempo_chat_options o;
    tempo_status st = tempo_options_take(&tempo_chat_options_kind, &o, opt, h->err);

    if (st == TEMPO_OK)
        st = s->conversation != NULL ? tempo_conversation_read(s->conversation, s->parts, h->err)
                                     : check_messages(s->messages, s->n, h->err);
    tempo_chat_input in = {.messages = s->messages,
                           .n_messages = s->n,
                           .conversation = s->parts[TEMPO_CHAT_MESSAGES],
                           .tools = s->parts[TEMPO_CHAT_TOOLS],
                           .documents = s->parts[TEMPO_CHAT_DOCUMENTS],
                           .variables = s->parts[TEMPO_CHAT_VARIABLES],
                           .bos = token_text(c->t, c->t->bos),
                           .eos = token_text(c->t, c->t->n_eos > 0 ? c->t->eos[0] : -1),
                           .add_generation_prompt = !o.no_generation_prompt,
                           .thinking = o.thinking};

    if (st == TEMPO_OK)
        st = set_date(&in, o.date, h->err);
    return st == TEMPO_OK ? tempo_chat_run(&c->program, &in, h, text, h->err) : st;
}

static void release(source *s, tempo_chat_heap *h)
{
    tempo_chat_heap_free(h);
    for (size_t i = 0; i < sizeof(s->parts) / sizeof(*s->parts); i++)
        json_decref(s->parts[i]);
}

static tempo_status copy_text(tempo_chat_str s, char **text, size_t *n_text, tempo_err *err)
{
    if ((*text = malloc(s.n + 1)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the text of a chat");
    if (s.n > 0)
        memcpy(*text, s.p, s.n);
    (*text)[s.n] = '\0';
    *n_text = s.n;
    return TEMPO_OK;
}

static tempo_status render_text(const tempo_chat *c, source *from, const tempo_chat_options *opt, char **text,
                                size_t *n_text, tempo_err *err)
{
    tempo_err local = {0};
    tempo_chat_heap h = {.limit = TEMPO_CHAT_MAX_MEMORY, .err = err != NULL ? err : &local};
    tempo_chat_str s;

    *text = NULL;
    *n_text = 0;
    tempo_status st = render(c, from, opt, &h, &s);
    if (st == TEMPO_OK)
        st = copy_text(s, text, n_text, err);
    release(from, &h);
    return st;
}

tempo_status tempo_chat_render(const tempo_chat *c, const tempo_message *messages, size_t n,
                               const tempo_chat_options *opt, char **text, size_t *n_text, tempo_err *err)
{
    return render_text(c, &(source){.messages = messages, .n = n}, opt, text, n_text, err);
}

tempo_status tempo_chat_render_json(const tempo_chat *c, const tempo_conversation *conversation,
                                    const tempo_chat_options *opt, char **text, size_t *n_text,
                                    tempo_err *err)
{
    return render_text(c, &(source){.conversation = conversation}, opt, text, n_text, err);
}

static tempo_status tokenize(const tempo_chat *c, tempo_chat_heap *h, tempo_chat_str s, int32_t **ids,
                             size_t *n_ids, tempo_err *err)
{
    tempo_outside outside = {s.outside, c->reserved};

    if (s.outside == NULL && (outside.bytes = tempo_chat_alloc(h, s.n)) == NULL)
        return h->failed;
    return tempo_tokenize_outside(c->t, s.p, s.n, &outside, c->t->add_bos, ids, n_ids, err);
}

static tempo_status render_ids(const tempo_chat *c, source *from, const tempo_chat_options *opt,
                               int32_t **ids, size_t *n_ids, char **text, size_t *n_text, tempo_err *err)
{
    tempo_err local = {0};
    tempo_chat_heap h = {.limit = TEMPO_CHAT_MAX_MEMORY, .err = err != NULL ? err : &local};
    tempo_chat_str s;

    *ids = NULL;
    *n_ids = 0;
    if (text != NULL) {
        *text = NULL;
        *n_text = 0;
    }
    tempo_status st = render(c, from, opt, &h, &s);
    if (st == TEMPO_OK)
        st = tokenize(c, &h, s, ids, n_ids, h.err);
    if (st == TEMPO_OK && text != NULL && (st = copy_text(s, text, n_text, h.err)) != TEMPO_OK) {
        tempo_free(*ids);
        *ids = NULL;
        *n_ids = 0;
    }
    release(from, &h);
    return st;
}

tempo_status tempo_chat_tokenize(const tempo_chat *c, const tempo_message *messages, size_t n,
                                 const tempo_chat_options *opt, int32_t **ids, size_t *n_ids, char **text,
                                 size_t *n_text, tempo_err *err)
{
    return render_ids(c, &(source){.messages = messages, .n = n}, opt, ids, n_ids, text, n_text, err);
}

tempo_status tempo_chat_tokenize_json(const tempo_chat *c, const tempo_conversation *conversation,
                                      const tempo_chat_options *opt, int32_t **ids, size_t *n_ids,
                                      char **text, size_t *n_text, tempo_err *err)
{
    return render_ids(c, &(source){.conversation = conversation}, opt, ids, n_ids, text, n_text, err);
}
