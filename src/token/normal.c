/* normal.c - the steps.  Source for the forms: Unicode Standard Annex 15. */
#include "token/normal.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "text/unicode.h"

typedef struct step {
    tempo_form form;
    tempo_regex *pattern;
    char *content; /* [n] */
    size_t n;
} step;

struct tempo_normal {
    size_t n;
    step steps[TEMPO_NORMAL_MAX_STEPS];
};

/* ---- texts ---- */

bool tempo_passage_reserve(tempo_passage *t, size_t n)
{
    if (n <= t->cap)
        return true;
    const size_t cap = n > SIZE_MAX / 2 ? n : 2 * n > 256 ? 2 * n : 256;
    char *p = realloc(t->p, cap);
    if (p == NULL)
        return false;
    t->p = p;
    unsigned char *outside = realloc(t->outside, cap);
    if (outside == NULL)
        return false;
    t->outside = outside;
    t->cap = cap;
    return true;
}

bool tempo_passage_append(tempo_passage *t, const char *s, size_t n, bool outside)
{
    if (n > SIZE_MAX - t->n || !tempo_passage_reserve(t, t->n + n))
        return false;
    if (n > 0)
        memcpy(t->p + t->n, s, n);
    if (t->marked && n > 0)
        memset(t->outside + t->n, outside, n);
    t->n += n;
    return true;
}

bool tempo_passage_append_part(tempo_passage *t, const tempo_passage *from, size_t begin, size_t end)
{
    const size_t n = end - begin;

    if (n == 0)
        return true;
    if (!tempo_passage_append(t, from->p + begin, n, false))
        return false;
    if (t->marked)
        memcpy(t->outside + t->n - n, from->outside + begin, n);
    return true;
}

void tempo_passage_free(tempo_passage *t)
{
    free(t->p);
    free(t->outside);
    *t = (tempo_passage){0};
}

static bool any_outside(const tempo_passage *t, size_t begin, size_t end)
{
    return t->marked && end > begin && memchr(t->outside + begin, 1, end - begin) != NULL;
}

static bool append_char(tempo_passage *t, uint32_t c, bool outside)
{
    char s[4];

    return tempo_passage_append(t, s, tempo_utf8_write(s, c), outside);
}

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for normalising a text");
}

/* ---- building ---- */

tempo_status tempo_normal_create(tempo_normal **out, tempo_err *err)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? TEMPO_OK : out_of_memory(err);
}

void tempo_normal_free(tempo_normal *z)
{
    if (z == NULL)
        return;
    for (size_t i = 0; i < z->n; i++) {
        tempo_regex_free(z->steps[i].pattern);
        free(z->steps[i].content);
    }
    free(z);
}

tempo_status tempo_normal_add(tempo_normal *z, tempo_form form, const char *content, size_t n, tempo_err *err)
{
    char *copy;

    if (z->n == TEMPO_NORMAL_MAX_STEPS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %d steps of normalisation",
                          TEMPO_NORMAL_MAX_STEPS);
    if ((copy = malloc(n + 1)) == NULL)
        return out_of_memory(err);
    if (n > 0)
        memcpy(copy, content, n);
    z->steps[z->n++] = (step){.form = form, .content = copy, .n = n};
    return TEMPO_OK;
}

tempo_status tempo_normal_add_replace(tempo_normal *z, tempo_regex *pattern, const char *content, size_t n,
                                      tempo_err *err)
{
    const tempo_status st = tempo_normal_add(z, TEMPO_FORM_REPLACE, content, n, err);

    if (st == TEMPO_OK)
        z->steps[z->n - 1].pattern = pattern;
    else
        tempo_regex_free(pattern);
    return st;
}

/* ---- normalisation forms ---- */

/* A character of what is being composed. */
typedef struct mark {
    uint32_t c;
    uint8_t class;
    bool outside;
} mark;

/* A starter (or none, in front of the first) and the marks that follow it. */
typedef struct cluster {
    mark *p; /* [n] */
    size_t n, cap;
    mark *sorted; /* [cap] */
} cluster;

static bool cluster_push(cluster *k, mark m)
{
    if (k->n == k->cap) {
        const size_t cap = k->cap == 0 ? 64 : 2 * k->cap;
        mark *p = realloc(k->p, cap * sizeof(*p)), *q;
        if (p == NULL)
            return false;
        k->p = p;
        if ((q = realloc(k->sorted, cap * sizeof(*q))) == NULL)
            return false;
        k->sorted = q;
        k->cap = cap;
    }
    k->p[k->n++] = m;
    return true;
}

/* The marks by class, those of one class in their order: counted, so that a long row of them takes linear
 * time. */
static void sort_marks(cluster *k)
{
    const size_t from = k->n > 0 && k->p[0].class == 0;
    size_t at[257] = {0};

    if (k->n - from < 2)
        return;
    for (size_t i = from; i < k->n; i++)
        at[k->p[i].class + 1]++;
    for (int c = 0; c < 256; c++)
        at[c + 1] += at[c];
    for (size_t i = from; i < k->n; i++)
        k->sorted[at[k->p[i].class]++] = k->p[i];
    memcpy(k->p + from, k->sorted, (k->n - from) * sizeof(*k->p));
}

/* Compose the marks with the starter where they may. */
static void compose_marks(cluster *k)
{
    size_t n = 1;
    uint8_t last = 0;

    if (k->n == 0 || k->p[0].class != 0)
        return;
    for (size_t i = 1; i < k->n; i++) {
        const mark m = k->p[i];
        const uint32_t whole = n == 1 || last < m.class ? tempo_unicode_compose(k->p[0].c, m.c) : 0;
        if (whole != 0) {
            k->p[0].c = whole;
            k->p[0].outside |= m.outside;
        } else {
            k->p[n++] = m;
            last = m.class;
        }
    }
    k->n = n;
}

static bool flush(cluster *k, tempo_passage *out)
{
    bool ok = true;

    for (size_t i = 0; i < k->n && ok; i++)
        ok = append_char(out, k->p[i].c, k->p[i].outside);
    k->n = 0;
    return ok;
}

/* One decomposed character more. */
static bool take_point(cluster *k, mark m, bool compose, tempo_passage *out)
{
    if (m.class != 0)
        return cluster_push(k, m);
    sort_marks(k);
    if (compose) {
        compose_marks(k);
        const uint32_t whole = k->n == 1 && k->p[0].class == 0 ? tempo_unicode_compose(k->p[0].c, m.c) : 0;
        if (whole != 0) {
            k->p[0].c = whole;
            k->p[0].outside |= m.outside;
            return true;
        }
    }
    return flush(k, out) && cluster_push(k, m);
}

/* Has c neither a decomposition nor a combining class? */
static inline bool inert(uint32_t c)
{
    return c < 0x80 || (c >= 0x3400 && c <= 0x9fff);
}

/* The cluster is complete: what follows begins one, or nothing does. */
static bool finish(cluster *k, bool compose, tempo_passage *out)
{
    sort_marks(k);
    if (compose)
        compose_marks(k);
    return flush(k, out);
}

/* How many of the bytes from i on are ASCII and followed by such a byte: they are what they are in all forms.
 */
static size_t plain_bytes(const tempo_passage *in, size_t i)
{
    size_t end = i;

    while (end < in->n && (unsigned char)in->p[end] < 0x80)
        end++;
    return end == in->n || end == i ? end - i : end - i - 1;
}

static bool normalise(const tempo_passage *in, tempo_passage *out, bool compatible, bool compose, cluster *k)
{
    bool ok = true;
    size_t len;

    for (size_t i = 0; i < in->n && ok; i += len) {
        if ((len = plain_bytes(in, i)) > 0) {
            ok = finish(k, compose, out) && tempo_passage_append_part(out, in, i, i + len);
            continue;
        }
        const uint32_t c = tempo_utf8_read(in->p + i, &len);
        const bool outside = any_outside(in, i, i + len);
        uint32_t hangul[3];
        size_t n = 1;
        const uint32_t *points = inert(c) ? NULL : tempo_unicode_decompose(c, compatible, &n, hangul);
        for (size_t d = 0; d < n && ok; d++) {
            const uint32_t point = points != NULL ? points[d] : c;
            ok = take_point(k, (mark){point, inert(point) ? 0 : tempo_unicode_combining(point), outside},
                            compose, out);
        }
    }
    return ok && finish(k, compose, out);
}

static bool to_form(const tempo_passage *in, tempo_passage *out, tempo_form form)
{
    cluster k = {0};
    const bool ok = normalise(in, out, form == TEMPO_FORM_NFKC || form == TEMPO_FORM_NFKD,
                              form == TEMPO_FORM_NFC || form == TEMPO_FORM_NFKC, &k);

    free(k.p);
    free(k.sorted);
    return ok;
}

/* ---- characters one by one ---- */

/* What c becomes under "Nmt": 0 for nothing. */
static uint32_t nmt(uint32_t c)
{
    if ((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f)
        return 0;
    if (c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
        c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd)
        return ' ';
    return c;
}

static bool map_chars(const tempo_passage *in, tempo_passage *out, tempo_form form)
{
    bool ok = true;
    size_t len;

    for (size_t i = 0; i < in->n && ok; i += len) {
        const uint32_t c = tempo_utf8_read(in->p + i, &len);
        const bool outside = any_outside(in, i, i + len);
        uint32_t to[3] = {c};
        size_t n = 1;
        if (form == TEMPO_FORM_LOWER)
            n = tempo_unicode_lower(c, to);
        else if (form == TEMPO_FORM_BARE)
            n = !tempo_unicode_is_mark(c);
        else
            n = (to[0] = nmt(c)) != 0 || c == 0;
        for (size_t k = 0; k < n && ok; k++)
            ok = append_char(out, to[k], outside);
    }
    return ok;
}

static bool strip(const tempo_passage *in, tempo_passage *out, bool left, bool right)
{
    size_t begin = 0, end = in->n, len;

    while (left && begin < end && tempo_unicode_is_space(tempo_utf8_read(in->p + begin, &len)))
        begin += len;
    while (right && end > begin) {
        size_t last = end - 1;
        while (last > begin && ((unsigned char)in->p[last] & 0xc0) == 0x80)
            last--;
        if (!tempo_unicode_is_space(tempo_utf8_read(in->p + last, &len)))
            break;
        end = last;
    }
    return tempo_passage_append_part(out, in, begin, end);
}

/* ---- patterns ---- */

static tempo_status replace(const step *s, tempo_regex_work *w, const tempo_passage *in, tempo_passage *out,
                            size_t limit, tempo_err *err)
{
    size_t done = 0, from = 0, last = SIZE_MAX, len;
    tempo_span m;
    bool found;
    tempo_status st;

    tempo_regex_begin(w, in->p, in->n);
    while (from <= in->n) {
        if ((st = tempo_regex_find(s->pattern, w, from, &found, &m, err)) != TEMPO_OK)
            return st;
        if (!found)
            break;
        if (m.begin == m.end && m.begin == last) { /* nothing is not found again where a match ended */
            if (m.begin == in->n)
                break;
            (void)tempo_utf8_read(in->p + from, &len);
            from += len;
            continue;
        }
        if (!tempo_passage_append_part(out, in, done, m.begin) ||
            !tempo_passage_append(out, s->content, s->n, any_outside(in, m.begin, m.end)))
            return out_of_memory(err);
        if (out->n > limit)
            return TEMPO_OK; /* too long already: the caller says so */
        done = from = last = m.end;
    }
    return tempo_passage_append_part(out, in, done, in->n) ? TEMPO_OK : out_of_memory(err);
}

/* ---- all ---- */

static tempo_status do_step(const step *s, tempo_regex_work *w, const tempo_passage *in, tempo_passage *out,
                            size_t limit, tempo_err *err)
{
    bool ok;

    out->n = 0;
    out->marked = in->marked;
    switch (s->form) {
    case TEMPO_FORM_REPLACE:
        return in->n > 0 ? replace(s, w, in, out, limit, err) : TEMPO_OK;
    case TEMPO_FORM_PREPEND:
        ok = in->n == 0 || (tempo_passage_append(out, s->content, s->n, false) &&
                            tempo_passage_append_part(out, in, 0, in->n));
        break;
    case TEMPO_FORM_LSTRIP:
    case TEMPO_FORM_RSTRIP:
    case TEMPO_FORM_STRIP:
        ok = strip(in, out, s->form != TEMPO_FORM_RSTRIP, s->form != TEMPO_FORM_LSTRIP);
        break;
    case TEMPO_FORM_LOWER:
    case TEMPO_FORM_BARE:
    case TEMPO_FORM_NMT:
        ok = map_chars(in, out, s->form);
        break;
    default:
        ok = to_form(in, out, s->form);
    }
    return ok ? TEMPO_OK : out_of_memory(err);
}

tempo_status tempo_normal_apply(const tempo_normal *z, tempo_regex_work *w, tempo_passage *t,
                                tempo_passage *spare, tempo_err *err)
{
    const size_t limit = t->n > SIZE_MAX / 128 ? SIZE_MAX : 64 * t->n + TEMPO_NORMAL_GROWTH;

    for (size_t i = 0; z != NULL && i < z->n; i++) {
        const tempo_status st = do_step(&z->steps[i], w, t, spare, limit, err);
        if (st != TEMPO_OK)
            return st;
        if (spare->n > limit)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "normalisation makes a text of %zu bytes too long", t->n);
        const tempo_passage swap = *t;
        *t = *spare;
        *spare = swap;
    }
    return TEMPO_OK;
}
