/* pretoken.c - the stages. */
#include "token/pretoken.h"

#include <stdlib.h>
#include <string.h>

typedef struct tempo_spans span_list;

typedef enum stage_kind { CUT, SPACE, MARKS } stage_kind;

typedef struct stage {
    stage_kind kind;
    tempo_regex *regex;
    tempo_behavior behavior;
    bool invert;
    tempo_prefix prefix;
    char mark[5];
} stage;

struct tempo_pretoken {
    size_t n;
    stage stages[TEMPO_PRETOKEN_MAX_STAGES];
};

/* ---- stages ---- */

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the words of a text");
}

tempo_status tempo_pretoken_create(tempo_pretoken **out, tempo_err *err)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? TEMPO_OK : out_of_memory(err);
}

void tempo_pretoken_free(tempo_pretoken *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        tempo_regex_free(p->stages[i].regex);
    free(p);
}

static tempo_status add(tempo_pretoken *p, stage s, tempo_err *err)
{
    if (p->n == TEMPO_PRETOKEN_MAX_STAGES)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "a pre-tokeniser of more than %d stages",
                          TEMPO_PRETOKEN_MAX_STAGES);
    p->stages[p->n++] = s;
    return TEMPO_OK;
}

tempo_status tempo_pretoken_add(tempo_pretoken *p, const char *pattern, size_t n, tempo_regex_kind kind,
                                tempo_behavior behavior, bool invert, tempo_err *err)
{
    stage s = {.kind = CUT, .behavior = behavior, .invert = invert};
    tempo_status st = tempo_regex_compile(&s.regex, pattern, n, kind, err);

    if (st == TEMPO_OK && (st = add(p, s, err)) != TEMPO_OK)
        tempo_regex_free(s.regex);
    return st;
}

tempo_status tempo_pretoken_add_space(tempo_pretoken *p, tempo_err *err)
{
    return add(p, (stage){.kind = SPACE, .prefix = TEMPO_PREFIX_EVERY, .mark = " "}, err);
}

tempo_status tempo_pretoken_add_marks(tempo_pretoken *p, const char *mark, tempo_prefix prefix,
                                      tempo_err *err)
{
    stage s = {.kind = MARKS, .prefix = prefix};

    for (size_t i = 0; i < sizeof(s.mark) - 1 && mark[i] != '\0'; i++)
        s.mark[i] = mark[i];
    return add(p, s, err);
}

/* ---- lists of parts ---- */

static bool push(span_list *l, size_t begin, size_t end)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        tempo_span *p = realloc(l->p, cap * sizeof(*p));
        if (p == NULL)
            return false;
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = (tempo_span){begin, end};
    return true;
}

void tempo_pretoken_work_free(tempo_pretoken_work *w)
{
    tempo_regex_work_free(&w->regex);
    free(w->now.p);
    free(w->next.p);
    *w = (tempo_pretoken_work){0};
}

/* ---- cutting ---- */

/* The parts of one text, as matches and what lies between come in. */
typedef struct cutter {
    tempo_behavior behavior;
    size_t base;  /* where the text begins */
    size_t first; /* of the list's parts that are its own */
    bool before;  /* was the last one a match? */
    bool held;    /* a match waits for what follows */
    tempo_span hold;
    span_list *out;
} cutter;

static bool extend(cutter *k, size_t begin, size_t end)
{
    if (k->out->n == k->first)
        return push(k->out, begin, end);
    k->out->p[k->out->n - 1].end = end;
    return true;
}

static bool release(cutter *k)
{
    const bool held = k->held;

    k->held = false;
    return !held || push(k->out, k->hold.begin, k->hold.end);
}

static bool take_part(cutter *k, size_t begin, size_t end, bool match)
{
    const bool before = k->before;

    begin += k->base;
    end += k->base;
    k->before = match;
    switch (k->behavior) {
    case TEMPO_SPLIT_ISOLATED:
        return push(k->out, begin, end);
    case TEMPO_SPLIT_REMOVED:
        return match || push(k->out, begin, end);
    case TEMPO_SPLIT_CONTIGUOUS:
        return match == before ? extend(k, begin, end) : push(k->out, begin, end);
    case TEMPO_SPLIT_PREVIOUS:
        return match && !before ? extend(k, begin, end) : push(k->out, begin, end);
    default:
        if (match) {
            const bool ok = release(k);
            k->held = true;
            k->hold = (tempo_span){begin, end};
            return ok;
        }
        if (k->held)
            begin = k->hold.begin;
        k->held = false;
        return push(k->out, begin, end);
    }
}

static size_t next_char(const char *text, size_t n, size_t i)
{
    for (i++; i < n && ((unsigned char)text[i] & 0xc0) == 0x80;)
        i++;
    return i;
}

/* Parts that are empty stand for nothing. */
static void drop_empty(span_list *l, size_t first)
{
    size_t n = first;

    for (size_t i = first; i < l->n; i++)
        if (l->p[i].begin != l->p[i].end)
            l->p[n++] = l->p[i];
    l->n = n;
}

/* Cut text[part] by one stage. */
static tempo_status cut(tempo_regex_work *w, const stage *s, const char *text, tempo_span part,
                        span_list *out, tempo_err *err)
{
    const size_t n = part.end - part.begin;
    cutter k = {.behavior = s->behavior, .base = part.begin, .first = out->n, .out = out};
    size_t done = 0, from = 0, last = SIZE_MAX;
    tempo_span m;
    bool ok = true, found;
    tempo_status st;

    tempo_regex_begin(w, text + part.begin, n);
    while (ok && from <= n) {
        if ((st = tempo_regex_find(s->regex, w, from, &found, &m, err)) != TEMPO_OK)
            return st;
        if (!found)
            break;
        if (m.begin == m.end && m.end == last) { /* nothing is not found again where a match ended */
            from = from < n ? next_char(w->text, n, from) : n + 1;
            continue;
        }
        if (m.begin != done)
            ok = take_part(&k, done, m.begin, s->invert);
        ok = ok && take_part(&k, m.begin, m.end, !s->invert);
        done = from = last = m.end;
    }
    if (ok && done != n)
        ok = take_part(&k, done, n, s->invert);
    ok = ok && release(&k);
    drop_empty(out, k.first);
    return ok ? TEMPO_OK : out_of_memory(err);
}

/* ---- writing anew ---- */

static bool rewrite_part(const stage *s, const tempo_passage *t, tempo_span part, bool first,
                         tempo_passage *out)
{
    const size_t len = strlen(s->mark);
    const bool rule = s->prefix == TEMPO_PREFIX_EVERY || (s->prefix == TEMPO_PREFIX_FIRST && first),
               there = (s->kind == MARKS && t->p[part.begin] == ' ') ||
                       (part.end - part.begin >= len && memcmp(t->p + part.begin, s->mark, len) == 0);
    bool ok = !rule || there || tempo_passage_append(out, s->mark, len, false);

    for (size_t i = part.begin, end; i < part.end && ok; i = end) {
        const char *space = s->kind == MARKS ? memchr(t->p + i, ' ', part.end - i) : NULL;
        end = space == NULL ? part.end : (size_t)(space - t->p);
        ok = tempo_passage_append_part(out, t, i, end);
        if (ok && space != NULL) {
            ok = tempo_passage_append(out, s->mark, len, false);
            end++;
        }
    }
    return ok;
}

/* Each part with what the stage makes of it, in a text of its own, which then is *t. */
static tempo_status rewrite(const stage *s, tempo_passage *t, tempo_passage *spare, bool first,
                            span_list *parts, tempo_err *err)
{
    spare->n = 0;
    spare->marked = false;
    for (size_t i = 0; i < parts->n; i++) {
        const size_t begin = spare->n;
        if (!rewrite_part(s, t, parts->p[i], first && parts->p[i].begin == 0, spare))
            return out_of_memory(err);
        parts->p[i] = (tempo_span){begin, spare->n};
    }
    const tempo_passage swap = *t;
    *t = *spare;
    *spare = swap;
    return TEMPO_OK;
}

tempo_status tempo_pretoken_split(const tempo_pretoken *p, tempo_pretoken_work *w, tempo_passage *t,
                                  tempo_passage *spare, bool first, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    t->marked = false;
    w->now.n = 0;
    if (t->n > 0 && !push(&w->now, 0, t->n))
        return out_of_memory(err);
    for (size_t k = 0; p != NULL && k < p->n && st == TEMPO_OK; k++) {
        const stage *s = &p->stages[k];
        if (s->kind != CUT) {
            st = rewrite(s, t, spare, first, &w->now, err);
            continue;
        }
        w->next.n = 0;
        for (size_t i = 0; i < w->now.n && st == TEMPO_OK; i++)
            st = cut(&w->regex, s, t->p, w->now.p[i], &w->next, err);
        const span_list swap = w->now;
        w->now = w->next;
        w->next = swap;
    }
    return st;
}
