/* parts.c - the parts of a model's files that it can do without: the tokenizer, the chat template, the ids
 * that end texts. What is wrong with one of them is noted, kept, and said again to who uses it.  */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "model/files.h"

/* ---- what can be asked ---- */

const tempo_tokenizer *tempo_model_tokenizer(const tempo_model *m)
{
    return m->tokenizer;
}

tempo_status tempo_model_check_text(const tempo_model *m, tempo_err *err)
{
    const tempo_err *why = &m->no_tokenizer;

    if (m->tokenizer != NULL)
        return tempo_tokenizer_check(m->tokenizer, err);
    return tempo_fail(err, why->code, why->offset,
                      "the model has no tokenizer, prompts must be token ids: %s", why->msg);
}

bool tempo_model_is_eos(const tempo_model *m, int32_t id)
{
    uint32_t i = 0;

    if (m->tokenizer != NULL)
        return tempo_token_is_eos(m->tokenizer, id);
    while (i < m->n_eos && m->eos[i] != id)
        i++;
    return i < m->n_eos;
}

/* ---- while it is read ---- */

/* Take the failure, to keep it: names of files without the directory, which whoever opened the model knows.
 */
static tempo_err take(tempo_loader *ld)
{
    char directory[PATH_MAX + 1];
    tempo_err e = *ld->err;

    (void)snprintf(directory, sizeof(directory), "%s/", ld->f->path);
    (void)tempo_err_strip(&e, directory);
    *ld->err = (tempo_err){0};
    return e;
}

tempo_status tempo_part_lost(tempo_loader *ld, tempo_status st, const char *meaning)
{
    if (st == TEMPO_OK || st == TEMPO_E_NOMEM)
        return st;
    tempo_note(&ld->m->notes, "%s: %s", take(ld).msg, meaning);
    return TEMPO_OK;
}

tempo_status tempo_part_tokenizer(tempo_loader *ld, tempo_status st)
{
    tempo_model *m = ld->m;

    if (st == TEMPO_OK) {
        if (tempo_tokenizer_check(m->tokenizer, ld->err) != TEMPO_OK)
            tempo_note(&m->notes, "%s", take(ld).msg);
        return TEMPO_OK;
    }
    if (st == TEMPO_E_NOMEM || ld->load == TEMPO_LOAD_TOKENIZER)
        return st;
    m->no_tokenizer = take(ld);
    tempo_note(&m->notes, "no tokenizer, prompts must be token ids: %s", m->no_tokenizer.msg);
    return TEMPO_OK;
}

tempo_status tempo_part_eos(tempo_loader *ld, const char *key, int64_t id)
{
    tempo_model *m = ld->m;
    const uint32_t rows = ld->facts.hp.n_vocab;
    tempo_status st = TEMPO_OK;

    if (m->tokenizer != NULL)
        st = tempo_tokenizer_add_eos(m->tokenizer, id, ld->err);
    else if (id < 0 || id > INT32_MAX || (rows != 0 && id >= rows))
        st = tempo_fail(ld->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "the end-of-sequence id is %" PRId64, id);
    else if (m->n_eos < TEMPO_MAX_EOS && !tempo_model_is_eos(m, (int32_t)id))
        m->eos[m->n_eos++] = (int32_t)id;
    if (st != TEMPO_OK)
        tempo_err_prefix(ld->err, "%s", key);
    return tempo_part_lost(ld, st, "no text ends there");
}

tempo_status tempo_part_chat(tempo_loader *ld, const char *text, size_t n)
{
    /* what is longer is refused when somebody asks for it */
    const size_t kept = n <= TEMPO_CHAT_MAX_TEMPLATE ? n : TEMPO_CHAT_MAX_TEMPLATE + 1;
    char *copy = n > 0 ? tempo_files_alloc(ld, kept) : NULL;

    if (n == 0)
        return TEMPO_OK;
    if (copy == NULL)
        return TEMPO_E_NOMEM;
    if (n > TEMPO_CHAT_MAX_TEMPLATE)
        tempo_note(&ld->m->notes, "the chat template cannot be used: it has more than %d KiB",
                   TEMPO_CHAT_MAX_TEMPLATE >> 10);
    memcpy(copy, text, kept);
    ld->m->chat_template = copy;
    ld->m->chat_template_len = kept;
    return TEMPO_OK;
}

tempo_status tempo_part_no_chat(tempo_loader *ld, tempo_status st)
{
    if (st == TEMPO_OK || st == TEMPO_E_NOMEM)
        return st;
    ld->m->no_chat = take(ld);
    tempo_note(&ld->m->notes, "the chat template cannot be used: %s", ld->m->no_chat.msg);
    return TEMPO_OK;
}
