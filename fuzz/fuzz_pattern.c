/* fuzz_pattern.c - a pattern and a text, NUL between them, and a first byte that chooses what is done: the
 * text is cut by the pattern, or has its matches replaced and is normalised.  Parts lie in order within the
 * text, at characters; what is normalised twice stays; nothing takes more work than the bounds allow.  */
#include <stdlib.h>
#include <string.h>

#include "token/pretoken.h"
#include "token/token.h"

static void check_error(tempo_status st, const tempo_err *err)
{
    if (st == TEMPO_OK ? err->code != TEMPO_OK : (err->code != st || err->msg[0] == '\0'))
        abort();
}

static bool is_boundary(const tempo_passage *t, size_t at)
{
    return at == t->n || ((unsigned char)t->p[at] & 0xc0) != 0x80;
}

static void cut(const char *pattern, size_t n_pattern, tempo_passage *t, unsigned choice)
{
    tempo_pretoken_work w = {0};
    tempo_passage spare = {0};
    tempo_pretoken *p;
    tempo_err err = {0};
    size_t at = 0;

    if (tempo_pretoken_create(&p, &err) != TEMPO_OK)
        return;
    tempo_status st = tempo_pretoken_add(p, pattern, n_pattern, TEMPO_REGEX, (tempo_behavior)(choice % 5),
                                         (choice & 8) != 0, &err);
    if (st == TEMPO_OK)
        st = tempo_pretoken_split(p, &w, t, &spare, true, &err);
    check_error(st, &err);
    for (size_t i = 0; st == TEMPO_OK && i < w.now.n; i++) {
        const tempo_span s = w.now.p[i];
        if (s.begin < at || s.end <= s.begin || s.end > t->n || !is_boundary(t, s.begin) ||
            !is_boundary(t, s.end))
            abort();
        at = s.end;
    }
    tempo_pretoken_work_free(&w);
    tempo_passage_free(&spare);
    tempo_pretoken_free(p);
}

static void normalise(tempo_passage *t, tempo_form form)
{
    tempo_passage once = {0}, spare = {0};
    tempo_regex_work w = {0};
    tempo_normal *z;
    tempo_err err = {0};

    if (tempo_normal_create(&z, &err) != TEMPO_OK)
        return;
    if (tempo_normal_add(z, form, "", 0, &err) != TEMPO_OK ||
        tempo_normal_apply(z, &w, t, &spare, &err) != TEMPO_OK || tempo_utf8_valid(t->p, t->n) != t->n ||
        !tempo_passage_append_part(&once, t, 0, t->n))
        abort();
    if (tempo_normal_apply(z, &w, t, &spare, &err) != TEMPO_OK || t->n != once.n ||
        (t->n > 0 && memcmp(t->p, once.p, t->n) != 0))
        abort();
    tempo_passage_free(&once);
    tempo_passage_free(&spare);
    tempo_regex_work_free(&w);
    tempo_normal_free(z);
}

static void replace(const char *pattern, size_t n_pattern, tempo_passage *t, unsigned choice)
{
    tempo_passage spare = {0};
    tempo_regex_work w = {0};
    tempo_normal *z;
    tempo_regex *r;
    tempo_err err = {0};
    tempo_status st = tempo_regex_compile(&r, pattern, n_pattern, TEMPO_REGEX, &err);

    check_error(st, &err);
    if (st != TEMPO_OK || tempo_normal_create(&z, &err) != TEMPO_OK)
        return;
    if ((st = tempo_normal_add_replace(z, r, "<$>", 3, &err)) == TEMPO_OK)
        st = tempo_normal_apply(z, &w, t, &spare, &err);
    check_error(st, &err);
    if (st == TEMPO_OK)
        normalise(t, (tempo_form)(choice % 7));
    tempo_passage_free(&spare);
    tempo_regex_work_free(&w);
    tempo_normal_free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *s = (const char *)data;
    tempo_passage t = {0};

    if (n < 2 || n > 20000 || tempo_utf8_valid(s + 1, n - 1) != n - 1)
        return 0;
    const char *end = memchr(s + 1, '\0', n - 1);
    const size_t n_pattern = end != NULL ? (size_t)(end - s) - 1 : n - 1;
    const char *text = end != NULL ? end + 1 : s + 1;
    t.marked = (data[0] & 16) != 0;
    if (tempo_passage_append(&t, text, (size_t)(s + n - text), (data[0] & 32) != 0)) {
        if ((data[0] & 64) != 0)
            replace(s + 1, n_pattern, &t, data[0]);
        else
            cut(s + 1, n_pattern, &t, data[0]);
    }
    tempo_passage_free(&t);
    return 0;
}
