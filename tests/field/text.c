/* text.c - cuts and normalises texts that come in, for the scripts beside it.  Each line of stdin is an
 * object, for each a line goes out:
 *
 *   {"pattern": ..., "kind": n, "behavior": n, "invert": bool, "texts": [...]} -> [[end of each part, in
 * bytes], ...]
 *   {"form": n, "texts": [...]}                                                -> [text, ...]
 *
 * or {"code": ..., "error": ...}; numbers are those of tempo_regex_kind, tempo_behavior and tempo_form.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "token/pretoken.h"

static long number(const json_t *c, const char *key)
{
    return (long)json_integer_value(json_object_get(c, key));
}

static bool load(tempo_passage *t, const json_t *text)
{
    t->n = 0;
    return tempo_passage_append(t, json_string_value(text), json_string_length(text), false);
}

static tempo_status cut(const json_t *c, json_t *answer, tempo_err *err)
{
    const json_t *pattern = json_object_get(c, "pattern"), *one;
    tempo_pretoken_work w = {0};
    tempo_passage t = {0}, spare = {0};
    tempo_pretoken *p;
    size_t i;
    tempo_status st = tempo_pretoken_create(&p, err);

    if (st == TEMPO_OK)
        st = tempo_pretoken_add(p, json_string_value(pattern), json_string_length(pattern),
                                (tempo_regex_kind)number(c, "kind"), (tempo_behavior)number(c, "behavior"),
                                json_is_true(json_object_get(c, "invert")), err);
    json_array_foreach(json_object_get(c, "texts"), i, one)
    {
        json_t *parts = json_array();
        if (st == TEMPO_OK && !load(&t, one))
            st = TEMPO_E_NOMEM;
        if (st == TEMPO_OK)
            st = tempo_pretoken_split(p, &w, &t, &spare, true, err);
        for (size_t k = 0; st == TEMPO_OK && k < w.now.n; k++) {
            json_array_append_new(parts, json_integer((json_int_t)w.now.p[k].begin));
            json_array_append_new(parts, json_integer((json_int_t)w.now.p[k].end));
        }
        json_array_append_new(answer, parts);
        if (st != TEMPO_OK)
            break;
    }
    tempo_pretoken_work_free(&w);
    tempo_pretoken_free(p);
    tempo_passage_free(&t);
    tempo_passage_free(&spare);
    return st;
}

static tempo_status normalise(const json_t *c, json_t *answer, tempo_err *err)
{
    tempo_passage t = {0}, spare = {0};
    tempo_regex_work w = {0};
    tempo_normal *z;
    const json_t *one;
    size_t i;
    tempo_status st = tempo_normal_create(&z, err);

    if (st == TEMPO_OK)
        st = tempo_normal_add(z, (tempo_form)number(c, "form"), "", 0, err);
    json_array_foreach(json_object_get(c, "texts"), i, one)
    {
        if (st == TEMPO_OK && !load(&t, one))
            st = TEMPO_E_NOMEM;
        if (st != TEMPO_OK || (st = tempo_normal_apply(z, &w, &t, &spare, err)) != TEMPO_OK)
            break;
        json_array_append_new(answer, json_stringn(t.p, t.n));
    }
    tempo_regex_work_free(&w);
    tempo_normal_free(z);
    tempo_passage_free(&t);
    tempo_passage_free(&spare);
    return st;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) > 0) {
        json_t *c = json_loads(line, JSON_ALLOW_NUL, NULL), *answer = json_array();
        tempo_err err = {0};
        if (c == NULL)
            abort();
        const tempo_status st =
            json_object_get(c, "pattern") != NULL ? cut(c, answer, &err) : normalise(c, answer, &err);
        if (st != TEMPO_OK) {
            json_decref(answer);
            answer = json_pack("{s:s, s:s}", "code", tempo_status_name(st), "error", err.msg);
        }
        if (json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) != 0)
            abort();
        putchar('\n');
        (void)fflush(stdout);
        json_decref(answer);
        json_decref(c);
    }
    free(line);
    return 0;
}
