/* chat.c - a model's chat template; rendering is src/chat/chat.c's business. */
#include "chat/chat.h"

#include "model/model.h"

const char *tempo_model_chat_template(const tempo_model *m, size_t *n)
{
    *n = m->chat_template_len;
    return m->chat_template;
}

tempo_status tempo_chat_open(tempo_chat **out, const tempo_model *m, const char *template_text, size_t n,
                             const char *source_name, tempo_err *err)
{
    *out = NULL;
    if (m->tokenizer == NULL)
        return tempo_model_check_text(m, err);
    if (template_text == NULL && m->no_chat.code != TEMPO_OK)
        return tempo_fail(err, m->no_chat.code, m->no_chat.offset,
                          "the model's chat template cannot be used: %s", m->no_chat.msg);
    if (template_text == NULL && m->chat_template != NULL) {
        template_text = m->chat_template;
        n = m->chat_template_len;
        source_name = "model";
    }
    return tempo_chat_create(out, m->tokenizer, template_text, n, source_name, err);
}
