/* wrap.c - the filter wordwrap: lines of at most so many characters.  Source: Python's textwrap. */
#include "chat/builtin/call.h"

/* A part of a line that is not cut, unless it is too long: characters [begin, end). */
typedef struct chunk {
    size_t begin, end;
} chunk;

typedef struct wrapper {
    tempo_chat_call *c;
    size_t width;
    bool cut_words, cut_hyphens;
    tempo_chat_str newline;
    tempo_chat_str text; /* the line that is wrapped */
    uint32_t *chars;     /* [n] its characters */
    size_t *at;          /* [n + 1] their bytes */
    size_t n;
    chunk *chunks; /* [n_chunks] */
    size_t n_chunks;
    bool any; /* something was written */
    tempo_chat_buffer b;
} wrapper;

/* ---- chunks: what textwrap's regular expression finds ---- */

static bool is_space(const wrapper *w, size_t i)
{
    const uint32_t c = w->chars[i];

    return c == ' ' || (c >= 9 && c <= 13);
}

static bool is_word(const wrapper *w, size_t i)
{
    return i < w->n && (w->chars[i] == '_' || tempo_chat_is_alnum(w->chars[i]));
}

static bool is_letter(const wrapper *w, size_t i)
{
    return is_word(w, i) && !tempo_chat_is_decimal(w->chars[i]);
}

/* A character of words or behind them. */
static bool ends_word(const wrapper *w, size_t i)
{
    const uint32_t c = i < w->n ? w->chars[i] : 0;

    return is_word(w, i) || c == '!' || c == '"' || c == '\'' || c == '&' || c == '.' || c == ',' || c == '?';
}

/* Where the hyphens that begin at i end, if there are several and a word follows; else 0. */
static size_t dash_end(const wrapper *w, size_t i)
{
    const size_t begin = i;

    while (i < w->n && w->chars[i] == '-')
        i++;
    return i > begin + 1 && is_word(w, i) ? i : 0;
}

/* The hyphen at i parts a word of letters. */
static bool is_hyphen(const wrapper *w, size_t i)
{
    if (w->chars[i] != '-' || i < 2)
        return false;
    const bool before = (is_letter(w, i - 1) && is_letter(w, i - 2)) ||
                        (i >= 3 && ends_word(w, i - 1) && w->chars[i - 2] == '-' && is_letter(w, i - 3));
    const size_t next = i + 2 < w->n && w->chars[i + 2] == '-' ? i + 3 : i + 2;
    return before && is_letter(w, i + 1) && (is_letter(w, i + 2) || is_letter(w, next));
}

static size_t chunk_end(const wrapper *w, size_t begin)
{
    size_t i = begin;

    if (is_space(w, begin)) {
        while (i < w->n && is_space(w, i))
            i++;
        return i;
    }
    if (w->cut_hyphens && begin > 0 && ends_word(w, begin - 1) && (i = dash_end(w, begin)) > 0)
        return i;
    for (i = begin + 1; i < w->n && !is_space(w, i); i++) {
        if (w->cut_hyphens && is_hyphen(w, i))
            return i + 1;
        if (w->cut_hyphens && ends_word(w, i - 1) && dash_end(w, i) > 0)
            return i;
    }
    return i;
}

static tempo_status find_chunks(wrapper *w)
{
    tempo_chat_heap *h = w->c->s->heap;

    w->n = tempo_chat_length(w->text);
    w->chars = tempo_chat_alloc(h, w->n * sizeof(*w->chars));
    w->at = tempo_chat_alloc(h, (w->n + 1) * sizeof(*w->at));
    w->chunks = tempo_chat_alloc(h, w->n * sizeof(*w->chunks));
    w->n_chunks = 0;
    if (w->chars == NULL || w->at == NULL || w->chunks == NULL)
        return h->failed;
    for (size_t i = 0; i < w->n; i++) {
        w->chars[i] = tempo_chat_decode(w->text.p + w->at[i]);
        w->at[i + 1] = w->at[i] + tempo_chat_char_len(w->text.p[w->at[i]]);
    }
    for (size_t begin = 0; begin < w->n; begin = w->chunks[w->n_chunks - 1].end)
        w->chunks[w->n_chunks++] = (chunk){begin, chunk_end(w, begin)};
    return tempo_chat_work(w->c->s, w->c->node, 64 * w->n);
}

/* ---- lines ---- */

static bool is_blank(const wrapper *w, chunk k)
{
    for (size_t i = k.begin; i < k.end; i++)
        if (!tempo_chat_is_space(w->chars[i]))
            return false;
    return true;
}

/* How much of a chunk that is too long fits into `room`: up to its last hyphen there, if something else is
 * before it. */
static size_t fitting(const wrapper *w, chunk k, size_t room)
{
    size_t hyphen = room;

    if (!w->cut_hyphens || k.end - k.begin <= room)
        return room;
    while (hyphen > 0 && w->chars[k.begin + hyphen - 1] != '-')
        hyphen--;
    for (size_t i = 0; i + 1 < hyphen; i++)
        if (w->chars[k.begin + i] != '-')
            return hyphen;
    return room;
}

static tempo_status write_line(wrapper *w, size_t begin, size_t end)
{
    tempo_status st = w->any ? tempo_chat_add(w->c, &w->b, w->newline) : TEMPO_OK;

    w->any = true;
    return st == TEMPO_OK ? tempo_chat_add(w->c, &w->b, tempo_chat_part(w->text, w->at[begin], w->at[end]))
                          : st;
}

/* The chunks from *next on that make a line; what is left of a long one stays. */
static chunk take_line(wrapper *w, size_t *next, size_t *n_taken)
{
    chunk line = {w->chunks[*next].begin, w->chunks[*next].begin}, last = line;
    size_t i = *next;

    *n_taken = 0;
    for (; i < w->n_chunks && w->chunks[i].end - line.begin <= w->width; i++, (*n_taken)++) {
        last = w->chunks[i];
        line.end = last.end;
    }
    if (i < w->n_chunks && w->chunks[i].end - w->chunks[i].begin > w->width &&
        (w->cut_words || *n_taken == 0)) {
        const size_t room = w->width - (line.end - line.begin),
                     n = w->cut_words ? fitting(w, w->chunks[i], room)
                                      : w->chunks[i].end - w->chunks[i].begin;
        last = (chunk){w->chunks[i].begin, w->chunks[i].begin + n};
        w->chunks[i].begin = line.end = last.end;
        i += w->chunks[i].begin == w->chunks[i].end;
        (*n_taken)++;
    }
    if (*n_taken > 0 && is_blank(w, last)) {
        line.end = last.begin;
        (*n_taken)--;
    }
    *next = i;
    return line;
}

static tempo_status wrap_line(wrapper *w, tempo_chat_str text)
{
    size_t next = 0, n_lines = 0, n_taken;
    tempo_status st;

    w->text = text;
    if ((st = find_chunks(w)) != TEMPO_OK)
        return st;
    while (next < w->n_chunks && st == TEMPO_OK) {
        if (n_lines > 0 && is_blank(w, w->chunks[next]) && ++next == w->n_chunks)
            break;
        const chunk line = take_line(w, &next, &n_taken);
        n_lines += n_taken > 0;
        if (n_taken > 0 && (st = tempo_chat_work(w->c->s, w->c->node, 0)) == TEMPO_OK)
            st = write_line(w, line.begin, line.end);
    }
    return st == TEMPO_OK && n_lines == 0 ? write_line(w, 0, 0) : st;
}

tempo_status tempo_chat_wordwrap(tempo_chat_call *c)
{
    wrapper w = {.c = c,
                 .cut_words = !c->given[1] || tempo_chat_truth(&c->v[1]),
                 .cut_hyphens = !c->given[3] || tempo_chat_truth(&c->v[3]),
                 .newline = {"\n", NULL, 1}};
    const tempo_chat_str text = c->self.str;
    int64_t width = 79;
    tempo_status st;

    if (c->self.kind != TEMPO_VALUE_STR)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "wordwrap: this is %s, expected a string",
                                    tempo_chat_kind_name(&c->self));
    if ((st = tempo_chat_arg_int(c, 0, &width)) != TEMPO_OK ||
        (tempo_chat_arg_some(c, 2) && (st = tempo_chat_arg_str(c, 2, &w.newline)) != TEMPO_OK))
        return st;
    if (width <= 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "wordwrap: the width is not above 0");
    w.width = (size_t)width;
    for (size_t at = 0, n, end; at < text.n && st == TEMPO_OK; at += n + end) {
        n = tempo_chat_line(text, at, &end);
        st = wrap_line(&w, tempo_chat_part(text, at, at + n));
    }
    *c->out = tempo_chat_text(tempo_chat_buffer_str(&w.b));
    return st;
}
