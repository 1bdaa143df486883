/* conversation.c - see conversation.h */
#include "cli/prompt/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/message.h"

const char *chat_problem(const options *o)
{
    const bool chat = o->chat || o->messages != NULL;

    if (!chat && (o->system != NULL || o->chat_template != NULL || o->chat_date != NULL || o->tools != NULL ||
                  o->chat_variables != NULL || o->thinking != 0))
        return "--system, --tools, --thinking, --chat-template, --chat-template-kwargs and --chat-date need "
               "--chat or --messages";
    if (o->messages != NULL && o->system != NULL)
        return "--messages is the whole conversation: put the system message into its file";
    if (o->chat && o->prompt_ids != NULL)
        return "--chat makes a text of a message: give the message with -p or -f, not with --prompt-ids";
    if (chat && (o->no_bos || o->no_special))
        return "in a chat the template decides about special tokens: leave --no-bos and --no-special out";
    return NULL;
}

static int open_chat(const session *s, const options *o, tempo_chat **out)
{
    tempo_err err = {0};
    char *text = NULL;
    size_t n = 0;
    int code = EXIT_OK;

    *out = NULL;
    if (o->chat_template != NULL && (code = read_input(o->chat_template, &text, &n)) != EXIT_OK)
        return code;
    if (tempo_chat_open(out, s->model, text, n, o->chat_template, &err) != TEMPO_OK) {
        code = say_error(&err);
        if (o->chat_template == NULL)
            say("--chat-template FILE takes another template");
    }
    free(text);
    return code;
}

/* ---- the conversation ------------------------------------------------------------------ */

/* A conversation and the texts that it points into. */
typedef struct texts {
    tempo_conversation v;
    char *messages, *tools; /* free */
} texts;

/* -p and --system as JSON. */
static int write_messages(texts *t, const session *s, const options *o)
{
    json_t *list = json_array(), *user = json_stringn(s->text, s->n_text);
    const bool system =
        o->system == NULL || tempo_utf8_valid(o->system, strlen(o->system)) == strlen(o->system);
    int code = EXIT_OK;

    if (o->system != NULL)
        (void)json_array_append_new(list, json_pack("{s:s, s:s?}", "role", "system", "content", o->system));
    (void)json_array_append_new(list, json_pack("{s:s, s:o?}", "role", "user", "content", user));
    if (user == NULL || json_array_size(list) != 1 + (size_t)(o->system != NULL)) {
        say("%s is not valid UTF-8, as a message must be", system ? "the prompt" : "--system");
        code = EXIT_FAILED;
    } else if ((t->messages = json_dumps(list, JSON_COMPACT)) == NULL) {
        say("out of memory for the prompt");
        code = EXIT_FAILED;
    } else {
        t->v.messages = t->messages;
        t->v.n_messages = strlen(t->messages);
    }
    json_decref(list);
    return code;
}

static int read_texts(texts *t, const session *s, const options *o)
{
    int code;

    *t = (texts){.v = {.parse_arguments = true}};
    if (o->messages == NULL) {
        code = write_messages(t, s, o);
    } else if ((code = read_input(o->messages, &t->messages, &t->v.n_messages)) == EXIT_OK) {
        t->v.messages = t->messages;
    }
    if (code == EXIT_OK && o->tools != NULL &&
        (code = read_input(o->tools, &t->tools, &t->v.n_tools)) == EXIT_OK)
        t->v.tools = t->tools;
    if (o->chat_variables != NULL) {
        t->v.variables = o->chat_variables;
        t->v.n_variables = strlen(o->chat_variables);
    }
    return code;
}

static void free_texts(texts *t)
{
    free(t->messages);
    free(t->tools);
}

/* Which file or option a failure is about: messages of the library name the part. */
static int say_problem(const options *o, tempo_err *err)
{
    if (strcmp(err->field, "messages") == 0 && o->messages != NULL)
        say("%s: %s", o->messages, err->msg);
    else if (strcmp(err->field, "tools") == 0 && o->tools != NULL)
        say("%s: %s", o->tools, err->msg);
    else if (strcmp(err->field, "variables") == 0 && o->chat_variables != NULL)
        say("--chat-template-kwargs%s%s",
            tempo_err_strip(err, "variables.") || tempo_err_strip(err, "variables: ") ? ": " : ", ",
            err->msg);
    else
        return say_error(err);
    return err->code == TEMPO_E_ARG ? EXIT_USAGE : EXIT_FAILED;
}

static int render(session *s, const options *o, const tempo_chat *chat)
{
    const tempo_message messages[] = {{"system", o->system, o->system != NULL ? strlen(o->system) : 0},
                                      {"user", s->text, s->n_text}};
    const tempo_chat_options opt = {
        .size = sizeof(opt), .date = o->chat_date, .thinking = o->thinking == 0 ? 0 : 3 - 2 * o->thinking};
    const size_t skip = o->system == NULL;
    tempo_err err = {0};
    char *text = NULL;
    size_t n_text = 0;
    texts t;
    tempo_status st;
    int code = EXIT_OK;

    if (o->messages == NULL && o->tools == NULL && o->chat_variables == NULL) {
        st = tempo_chat_tokenize(chat, messages + skip, 2 - skip, &opt, &s->ids, &s->n_ids, &text, &n_text,
                                 &err);
    } else {
        if ((code = read_texts(&t, s, o)) == EXIT_OK)
            st = tempo_chat_tokenize_json(chat, &t.v, &opt, &s->ids, &s->n_ids, &text, &n_text, &err);
        free_texts(&t);
        if (code != EXIT_OK)
            return code;
    }
    if (st != TEMPO_OK)
        return say_problem(o, &err);
    free(s->text);
    s->text = text;
    s->n_text = n_text;
    if (s->n_ids == 0)
        say("the chat template makes no text of the prompt");
    return s->n_ids > 0 ? EXIT_OK : EXIT_FAILED;
}

int prompt_from_chat(session *s, const options *o)
{
    tempo_chat *chat;
    int code = open_chat(s, o, &chat);

    if (code == EXIT_OK && (code = render(s, o, chat)) == EXIT_OK)
        s->n_end_ids = tempo_chat_end_ids(chat, s->end_ids);
    tempo_chat_free(chat);
    return code;
}
