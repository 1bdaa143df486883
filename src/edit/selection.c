/* selection.c - which slots a selection names. */
#include <string.h>

#include "edit/edit.h"

typedef struct words {
    const char *p, *end;
} words;

static bool take(words *w, const char *word)
{
    const size_t n = strlen(word);

    if ((size_t)(w->end - w->p) < n || memcmp(w->p, word, n) != 0)
        return false;
    w->p += n;
    return true;
}

/* Up to 9 digits. */
static bool take_number(words *w, int64_t *out)
{
    const char *begin = w->p;
    int64_t v = 0;

    while (w->p < w->end && *w->p >= '0' && *w->p <= '9' && w->p - begin < 9)
        v = 10 * v + (*w->p++ - '0');
    *out = v;
    return w->p > begin && (w->p == w->end || *w->p < '0' || *w->p > '9');
}

static bool take_prompt(words *w, tempo_slot_rule *rule)
{
    const bool from_end = take(w, "-");

    rule->at = true;
    if (!take_number(w, &rule->at_first))
        return false;
    rule->at_first = from_end ? -rule->at_first : rule->at_first;
    rule->at_last = rule->at_first;
    if (from_end)
        return rule->at_first < 0;
    return !take(w, "-") || (take_number(w, &rule->at_last) && rule->at_last >= rule->at_first);
}

/* "7", "7-9", "9-": to the end. */
static bool take_range(words *w, uint32_t *first, uint32_t *last)
{
    int64_t a, b;

    if (!take_number(w, &a))
        return false;
    *first = *last = (uint32_t)a;
    if (!take(w, "-"))
        return true;
    *last = UINT32_MAX;
    if (w->p == w->end)
        return true;
    if (!take_number(w, &b) || b < a)
        return false;
    *last = (uint32_t)b;
    return true;
}

/* A name that stands alone.  *flag: what it sets. */
static bool find_flag(const words *w, tempo_slot_rule *rule, bool looks, bool **flag)
{
    const struct {
        const char *name;
        bool *flag;
        bool relative;
    } flags[] = {{"prompt", &rule->prompt, false},    {"generated", &rule->generated, false},
                 {"self", &rule->self, true},         {"siblings", &rule->siblings, true},
                 {"previous", &rule->previous, true}, {"first", &rule->first, true}};
    const size_t n = (size_t)(w->end - w->p);

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
        if (strlen(flags[i].name) == n && memcmp(flags[i].name, w->p, n) == 0 &&
            (looks || !flags[i].relative)) {
            *flag = flags[i].flag;
            return true;
        }
    return false;
}

static tempo_status no_selection(const words *w, bool looks, tempo_err *err)
{
    const int n = w->end - w->p > 40 ? 40 : (int)(w->end - w->p);

    return tempo_fail(
        err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
        "'%.*s' names no %s; expected all, prompt, prompt:5, prompt:2-4, prompt:-1, generated, set:7, "
        "set:7-9, set:9-, member:0, member:1-3, token:262%s, joined by &",
        n, w->p, looks ? "slots" : "rows", looks ? ", self, siblings, previous, first" : "");
}

/* One term, without spaces around it.  *bad: it is none. */
static bool take_term(words *w, tempo_slot_rule *rule, bool looks)
{
    int64_t v;
    bool *flag;

    if ((size_t)(w->end - w->p) == 3 && memcmp(w->p, "all", 3) == 0) {
        w->p = w->end;
        return true;
    }
    if (find_flag(w, rule, looks, &flag)) {
        if (*flag)
            return false;
        *flag = true;
        w->p = w->end;
        return true;
    }
    if (take(w, "prompt:"))
        return !rule->at && take_prompt(w, rule);
    if (take(w, "set:")) {
        if (rule->set)
            return false;
        return rule->set = take_range(w, &rule->set_first, &rule->set_last);
    }
    if (take(w, "member:")) {
        if (rule->member)
            return false;
        return rule->member = take_range(w, &rule->member_first, &rule->member_last);
    }
    if (!take(w, "token:") || rule->token || !take_number(w, &v))
        return false;
    rule->token = true;
    rule->token_id = (int32_t)v;
    return true;
}

static void trim(words *w)
{
    while (w->p < w->end && *w->p == ' ')
        w->p++;
    while (w->end > w->p && w->end[-1] == ' ')
        w->end--;
}

tempo_status tempo_selection_parse(tempo_slot_rule *out, const char *text, size_t n, bool looks,
                                   const tempo_model *m, tempo_err *err)
{
    const char *end = text + n;

    *out = (tempo_slot_rule){0};
    for (const char *p = text;;) {
        const char *and = memchr(p, '&', (size_t)(end - p));
        words w = {p, and != NULL ? and : end};
        trim(&w);
        const words term = w;
        if (!take_term(&w, out, looks) || w.p != w.end)
            return no_selection(&term, looks, err);
        if (and == NULL)
            break;
        p = and+1;
    }
    if (out->token && (uint32_t)out->token_id >= m->hp.n_vocab)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "token:%d: the vocabulary has ids 0 to %u",
                          (int)out->token_id, m->hp.n_vocab - 1);
    if (out->generated && (out->prompt || out->at))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "prompt&generated: no slot is both");
    return TEMPO_OK;
}
