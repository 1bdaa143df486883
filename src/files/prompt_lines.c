/* prompt_lines.c - reading prompts, a JSON object a line. */
#include "files/prompt_lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/json.h"

bool tempo_is_prompt_lines(const char *path)
{
    const size_t n = strlen(path);

    return n > 6 && strcmp(path + n - 6, ".jsonl") == 0;
}

/* ---- one line ---- */

typedef struct reader {
    tempo_prompt_lines *p;
    uint32_t line;
    size_t cap, bad;         /* bad: lines so far */
    tempo_bad_line_fn *tell; /* or NULL */
    void *user;
    tempo_err *err;
} reader;

static tempo_status no_memory(const reader *r)
{
    return tempo_fail(r->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", r->p->path);
}

/* The first bad line is kept, the others are counted; all are told of. */
TEMPO_PRINTF(2, 3)
static tempo_status bad_line(reader *r, const char *fmt, ...)
{
    char what[256];
    tempo_err why = {0};
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    r->bad++;
    (void)tempo_fail(&why, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%.150s:%u: %s", r->p->path, (unsigned)r->line,
                     what);
    if (r->tell != NULL)
        r->tell(r->user, &why);
    return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s", why.msg);
}

/* What a file may be called: the id itself, or what is left of it and a hash of it. */
static tempo_status make_name(tempo_prompt_line *l, tempo_err *err)
{
    enum { KEPT = 40, HASH = 12 };
    char hash[TEMPO_HASH_CHARS];
    size_t n = 0;
    tempo_status st;

    if (tempo_is_plain_name(l->key, TEMPO_PROMPT_NAME_CHARS)) {
        (void)snprintf(l->name, sizeof(l->name), "%s", l->key);
        return TEMPO_OK;
    }
    if ((st = tempo_hash_bytes(l->key, strlen(l->key), hash, err)) != TEMPO_OK)
        return st;
    for (const char *s = l->key; *s != '\0' && n < KEPT; s++) {
        const char lower = (char)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
        const bool letter = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
        if (letter || (n > 0 && l->name[n - 1] != '-'))
            l->name[n++] = letter ? lower : '-';
    }
    (void)snprintf(l->name + n, sizeof(l->name) - n, "%s%.*s", n > 0 && l->name[n - 1] != '-' ? "-" : "",
                   HASH, hash);
    return TEMPO_OK;
}

/* The file's object goes away; what of it is used stays. */
static tempo_status keep(const reader *r, json_t *v)
{
    return v != NULL && json_array_append(r->p->documents, v) == 0 ? TEMPO_OK : no_memory(r);
}

static tempo_status keep_new(const reader *r, json_t *v)
{
    return v != NULL && json_array_append_new(r->p->documents, v) == 0 ? TEMPO_OK : no_memory(r);
}

static tempo_status read_id(reader *r, tempo_prompt_line *l, const json_t *o)
{
    json_t *id = json_object_get(o, "id"), *key;
    char digits[32];
    tempo_status st;

    st = id != NULL ? keep(r, id) : keep_new(r, id = json_integer(r->line));
    if (st != TEMPO_OK)
        return st;
    if (!json_is_string(id) && !json_is_integer(id))
        return bad_line(r, "\"id\" is %s, expected a text or an integer", tempo_json_type_name(id));
    if (json_is_string(id) &&
        (json_string_length(id) == 0 || strlen(json_string_value(id)) != json_string_length(id)))
        return bad_line(r, "\"id\" is empty or holds a NUL, expected a text or an integer");
    l->id = id;
    if (json_is_string(id)) {
        l->key = json_string_value(id);
        return TEMPO_OK;
    }
    (void)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    key = json_string(digits);
    l->key = json_string_value(key);
    return keep_new(r, key);
}

static tempo_status read_text(reader *r, tempo_prompt_line *l, const json_t *o)
{
    json_t *prompt = json_object_get(o, "prompt"), *text = json_object_get(o, "text"),
           *v = prompt != NULL ? prompt : text;
    const char *name = prompt != NULL ? "prompt" : "text";

    if (v == NULL)
        return bad_line(
            r, "neither \"prompt\" nor \"text\" is there, expected {\"id\": .., \"prompt\": \"..\"}");
    if (prompt != NULL && text != NULL)
        return bad_line(r, "\"prompt\" and \"text\" are both there, expected one of them");
    if (!json_is_string(v) || tempo_json_not_finite(v, NULL))
        return bad_line(r, "\"%s\" is %s, expected a text", name, tempo_json_type_name(v));
    if (json_string_length(v) == 0)
        return bad_line(r, "\"%s\" is empty, expected a text", name);
    l->text = json_string_value(v);
    l->n = json_string_length(v);
    return keep(r, v);
}

static tempo_status read_stratum(reader *r, tempo_prompt_line *l, const json_t *o)
{
    json_t *v = json_object_get(o, "stratum");

    if (v == NULL)
        return TEMPO_OK;
    if (!json_is_string(v))
        return bad_line(r, "\"stratum\" is %s, expected a text", tempo_json_type_name(v));
    l->stratum = json_string_value(v);
    return keep(r, v);
}

static tempo_status add_line(reader *r, const tempo_prompt_line *l)
{
    tempo_prompt_lines *p = r->p;

    if (p->n == TEMPO_PROMPT_LINES_MAX)
        return tempo_fail(r->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: more than %d prompts", p->path,
                          TEMPO_PROMPT_LINES_MAX);
    if (p->n == r->cap) {
        const size_t cap = r->cap == 0 ? 64 : 2 * r->cap;
        tempo_prompt_line *lines = realloc(p->lines, cap * sizeof(*lines));
        if (lines == NULL)
            return no_memory(r);
        p->lines = lines;
        r->cap = cap;
    }
    p->lines[p->n++] = *l;
    return TEMPO_OK;
}

static tempo_status read_line(reader *r, const char *text, size_t n)
{
    tempo_err why = {0};
    tempo_prompt_line l = {.line = r->line};
    json_t *o;
    tempo_status st;

    if ((st = tempo_json_parse(&o, text, n, &why)) != TEMPO_OK)
        return st == TEMPO_E_NOMEM ? no_memory(r)
                                   : bad_line(r, "%.160s, expected a JSON object in a line", why.msg);
    if (!json_is_object(o))
        st = bad_line(r, "%s, expected an object {\"id\": .., \"prompt\": \"..\"}", tempo_json_type_name(o));
    else if ((st = read_id(r, &l, o)) == TEMPO_OK && (st = read_text(r, &l, o)) == TEMPO_OK &&
             (st = read_stratum(r, &l, o)) == TEMPO_OK && (st = make_name(&l, r->err)) == TEMPO_OK)
        st = add_line(r, &l);
    json_decref(o);
    return st;
}

/* ---- all lines ---- */

static bool is_blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            return false;
    return true;
}

static int by_name(const void *pa, const void *pb)
{
    const tempo_prompt_line *a = *(const tempo_prompt_line *const *)pa,
                            *b = *(const tempo_prompt_line *const *)pb;
    const int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* Of two lines with one id (or, which cannot well be, one name) the later one is to blame. */
static tempo_status check_unique(reader *r)
{
    const size_t n = r->p->n;
    const tempo_prompt_line **all = malloc((n + 1) * sizeof(*all));

    if (all == NULL)
        return no_memory(r);
    for (size_t i = 0; i < n; i++)
        all[i] = &r->p->lines[i];
    qsort(all, n, sizeof(*all), by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(all[i - 1]->name, all[i]->name) == 0) {
            r->line = all[i]->line;
            (void)bad_line(r, "the id \"%.60s\" is that of line %u, expected another", all[i]->key,
                           (unsigned)all[i - 1]->line);
        }
    free(all);
    return r->bad > 0 ? TEMPO_E_FORMAT : TEMPO_OK;
}

static tempo_status read_lines(reader *r, const char *text, size_t n)
{
    tempo_status st = TEMPO_OK;

    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        const size_t len = end != NULL ? (size_t)(end - (text + at)) : n - at;
        r->line++;
        if (!is_blank(text + at, len) && (st = read_line(r, text + at, len)) != TEMPO_OK &&
            st != TEMPO_E_FORMAT)
            return st;
        at += len + 1;
    }
    if (r->p->n == 0 && r->bad == 0)
        return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: no prompts, expected one a line",
                          r->p->path);
    return check_unique(r);
}

static tempo_status parse(tempo_prompt_lines **out, const char *path, const void *bytes, size_t n,
                          tempo_bad_line_fn *bad, void *user, tempo_err *err)
{
    tempo_prompt_lines *p = calloc(1, sizeof(*p));
    tempo_err why = {0};
    reader r = {.p = p, .tell = bad, .user = user, .err = &why};
    tempo_status st;

    *out = NULL;
    if (p == NULL || (p->path = strdup(path)) == NULL || (p->documents = json_array()) == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
    else if (n > TEMPO_PROMPT_LINES_MAX_BYTES)
        st = tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: %zu bytes of prompts, the limit is %d",
                        path, n, TEMPO_PROMPT_LINES_MAX_BYTES);
    else if ((st = read_lines(&r, bytes, n)) != TEMPO_OK && r.bad > 1)
        st = tempo_fail(err, st, TEMPO_NO_OFFSET, "%s (and %zu more bad line%s)", why.msg, r.bad - 1,
                        r.bad == 2 ? "" : "s");
    else if (st != TEMPO_OK)
        st = tempo_fail(err, st, TEMPO_NO_OFFSET, "%s", why.msg);
    else
        st = tempo_hash_bytes(bytes, n, p->sha256, err);
    if (st != TEMPO_OK)
        tempo_prompt_lines_free(p);
    else
        *out = p;
    return st;
}

tempo_status tempo_prompt_lines_parse(tempo_prompt_lines **out, const char *path, const void *bytes, size_t n,
                                      tempo_err *err)
{
    return parse(out, path, bytes, n, NULL, NULL, err);
}

tempo_status tempo_prompt_lines_load_telling(tempo_prompt_lines **out, const char *path,
                                             tempo_bad_line_fn *bad, void *user, tempo_err *err)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t n = 0;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (f == NULL)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    for (size_t cap = 1 << 16, got; st == TEMPO_OK; cap *= 2) {
        char *more = realloc(text, cap);
        if (more == NULL) {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
            break;
        }
        text = more;
        got = fread(text + n, 1, cap - n, f);
        n += got;
        if (ferror(f))
            st = tempo_fail_os(err, errno, "%s: cannot be read", path);
        if (n < cap || n > TEMPO_PROMPT_LINES_MAX_BYTES)
            break;
    }
    (void)fclose(f);
    if (st == TEMPO_OK)
        st = parse(out, path, text, n, bad, user, err);
    free(text);
    return st;
}

tempo_status tempo_prompt_lines_load(tempo_prompt_lines **out, const char *path, tempo_err *err)
{
    return tempo_prompt_lines_load_telling(out, path, NULL, NULL, err);
}

void tempo_prompt_lines_free(tempo_prompt_lines *p)
{
    if (p == NULL)
        return;
    json_decref(p->documents);
    free(p->lines);
    free(p->path);
    free(p);
}
