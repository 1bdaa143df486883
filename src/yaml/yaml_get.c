/* yaml_get.c - typed members of maps, and messages that say where and what was expected. */
#include "yaml/yaml.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES = 48, MAX_KEY = 63 };

/* ---- messages ---- */

/* The end of the file's name. */
static const char *short_name(char out[160], const tempo_yaml *doc)
{
    const char *name = tempo_yaml_name(doc);
    const size_t n = strlen(name);

    (void)snprintf(out, 160, "%s", n > 150 ? name + n - 150 : name);
    return out;
}

/* label: the key that the message is about, or NULL. */
TEMPO_PRINTF(6, 0)
static tempo_status fail_at(tempo_err *err, tempo_yaml *doc, uint32_t line, uint32_t column,
                            const char *label, const char *fmt, va_list ap)
{
    char what[320], text[640], name[160];

    (void)vsnprintf(what, sizeof(what), fmt, ap);
    (void)snprintf(text, sizeof(text), "%s:%" PRIu32 ":%" PRIu32 ": %.*s%s%s", short_name(name, doc), line,
                   column, MAX_KEY, label != NULL ? label : "", label != NULL ? ": " : "", what);
    tempo_yaml_keep(doc, TEMPO_E_FORMAT, line, column, text);
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s", text);
}

tempo_status tempo_yaml_fail(tempo_err *err, const tempo_yaml_node *at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const tempo_status st = fail_at(err, at->doc, at->line, at->column, at->label, fmt, ap);
    va_end(ap);
    return st;
}

tempo_status tempo_yaml_fail_key(tempo_err *err, const tempo_yaml_node *at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const tempo_status st = fail_at(err, at->doc, at->key_line, at->key_column, NULL, fmt, ap);
    va_end(ap);
    return st;
}

tempo_status tempo_yaml_fail_unbuilt(tempo_err *err, const tempo_yaml_node *at, const char *text)
{
    char whole[2048], name[160];

    (void)snprintf(whole, sizeof(whole), "%s:%" PRIu32 ":%" PRIu32 ": %s", short_name(name, at->doc),
                   at->key_line, at->key_column, text);
    tempo_yaml_keep(at->doc, TEMPO_E_UNSUPPORTED, at->key_line, at->key_column, whole);
    return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "%s", whole);
}

/* s in quotes, without control characters, cut between characters. */
static void show(char out[SHOWN_BYTES + 8], const char *s)
{
    size_t n = strlen(s);
    const bool cut = n > SHOWN_BYTES;

    if (cut)
        for (n = SHOWN_BYTES; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
            ;
    (void)snprintf(out, SHOWN_BYTES + 8, "'%.*s%s'", (int)n, s, cut ? "..." : "");
    for (char *p = out; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
}

/* The value is not `expected`. */
TEMPO_PRINTF(3, 4)
static tempo_status wrong(tempo_err *err, const tempo_yaml_node *v, const char *expected, ...)
{
    char what[128], shown[SHOWN_BYTES + 8];
    va_list ap;

    va_start(ap, expected);
    (void)vsnprintf(what, sizeof(what), expected, ap);
    va_end(ap);
    switch (v->kind) {
    case TEMPO_YAML_LIST:
    case TEMPO_YAML_MAP:
        return tempo_yaml_fail(err, v, "a %s is not %s", v->kind == TEMPO_YAML_LIST ? "list" : "map", what);
    case TEMPO_YAML_NULL:
        return tempo_yaml_fail(err, v, "empty, expected %s", what);
    default:
        show(shown, v->text);
        return tempo_yaml_fail(err, v, "%s is not %s", shown, what);
    }
}

/* ---- keys ---- */

const tempo_yaml_node *tempo_yaml_get(const tempo_yaml_node *map, const char *key)
{
    if (map->kind != TEMPO_YAML_MAP)
        return NULL;
    for (const tempo_yaml_node *v = map->first; v != NULL; v = v->next)
        if (strcmp(v->key, key) == 0)
            return v;
    return NULL;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance in its optimal-string-alignment form; both at most MAX_KEY long. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned rows[3][MAX_KEY + 1], *two = rows[0], *one = rows[1], *now = rows[2];

    for (size_t j = 0; j <= nb; j++)
        one[j] = two[j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = smaller(smaller(one[j], now[j - 1]) + 1, one[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], two[j - 2] + 1);
        }
        unsigned *oldest = two;
        two = one;
        one = now;
        now = oldest;
    }
    return one[nb];
}

/* The nearest name, or NULL if none is near: one change, and another for every four letters. */
static const char *nearest(const char *key, const char *const *known)
{
    const size_t n = strlen(key);
    unsigned best = 2 + (unsigned)n / 4;
    const char *found = NULL;

    if (n > MAX_KEY)
        return NULL;
    for (; *known != NULL; known++) {
        const size_t len = strlen(*known);
        const unsigned d = len <= MAX_KEY ? distance(key, n, *known, len) : best;
        if (d < best) {
            best = d;
            found = *known;
        }
    }
    return found;
}

static bool is_known(const char *key, const char *const *known)
{
    for (; *known != NULL; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

tempo_status tempo_yaml_check_keys(const tempo_yaml_node *node, const char *const *known, tempo_err *err)
{
    char shown[SHOWN_BYTES + 8];
    tempo_status st = TEMPO_OK;

    if (node->kind != TEMPO_YAML_MAP)
        return wrong(err, node, "a map of keys and values");
    for (const tempo_yaml_node *v = node->first; v != NULL; v = v->next) {
        if (is_known(v->key, known))
            continue;
        const char *near = nearest(v->key, known);
        show(shown, v->key);
        st = near == NULL ? tempo_yaml_fail_key(err, v, "unknown key %s", shown)
                          : tempo_yaml_fail_key(err, v, "unknown key %s; did you mean '%s'?", shown, near);
    }
    return st;
}

/* ---- scalars ---- */

static void describe_range(char out[80], const char *noun, tempo_yaml_range r)
{
    const char *from = r.above_low ? "above" : isfinite(r.high) ? "from" : "of at least";
    int n = snprintf(out, 80, "%s", noun);

    if (isfinite(r.low))
        n += snprintf(out + n, 80 - (size_t)n, " %s %g", from, r.low);
    if (isfinite(r.high))
        (void)snprintf(out + n, 80 - (size_t)n, " %s %g",
                       !isfinite(r.low) ? "of at most"
                       : r.above_low    ? "and at most"
                                        : "to",
                       r.high);
}

static tempo_status f64_value(const tempo_yaml_node *v, tempo_yaml_range r, double *out, tempo_err *err)
{
    char what[80];
    const bool number = v->kind == TEMPO_YAML_INT || v->kind == TEMPO_YAML_FLOAT;

    if (number && isfinite(v->f64) && (r.above_low ? v->f64 > r.low : v->f64 >= r.low) && v->f64 <= r.high) {
        *out = v->f64;
        return TEMPO_OK;
    }
    describe_range(what, "a number", r);
    return wrong(err, v, "%s", what);
}

static tempo_status u64_value(const tempo_yaml_node *v, uint64_t low, uint64_t high, uint64_t *out,
                              tempo_err *err)
{
    if (v->kind != TEMPO_YAML_INT || !v->fits || v->u64 < low || v->u64 > high)
        return wrong(err, v, "an integer from %" PRIu64 " to %" PRIu64, low, high);
    *out = v->u64;
    return TEMPO_OK;
}

static tempo_status str_value(const tempo_yaml_node *v, tempo_err *err)
{
    if (v->kind == TEMPO_YAML_STR && v->n > 0)
        return TEMPO_OK;
    if (v->kind == TEMPO_YAML_STR)
        return tempo_yaml_fail(err, v, "empty, expected a text");
    if (v->kind == TEMPO_YAML_BOOL || v->kind == TEMPO_YAML_INT || v->kind == TEMPO_YAML_FLOAT)
        return wrong(err, v, "a text; quotes would make it one");
    return wrong(err, v, "a text");
}

tempo_status tempo_yaml_f64(const tempo_yaml_node *map, const char *key, tempo_yaml_range range, double *out,
                            tempo_err *err)
{
    const tempo_yaml_node *v = tempo_yaml_get(map, key);

    return v == NULL ? TEMPO_OK : f64_value(v, range, out, err);
}

tempo_status tempo_yaml_u64(const tempo_yaml_node *map, const char *key, uint64_t low, uint64_t high,
                            uint64_t *out, tempo_err *err)
{
    const tempo_yaml_node *v = tempo_yaml_get(map, key);

    return v == NULL ? TEMPO_OK : u64_value(v, low, high, out, err);
}

tempo_status tempo_yaml_size(const tempo_yaml_node *map, const char *key, size_t low, size_t high,
                             size_t *out, tempo_err *err)
{
    uint64_t v = *out;
    const tempo_status st = tempo_yaml_u64(map, key, low, high, &v, err);

    if (st == TEMPO_OK)
        *out = (size_t)v;
    return st;
}

tempo_status tempo_yaml_bool(const tempo_yaml_node *map, const char *key, bool *out, tempo_err *err)
{
    const tempo_yaml_node *v = tempo_yaml_get(map, key);

    if (v == NULL)
        return TEMPO_OK;
    if (v->kind != TEMPO_YAML_BOOL)
        return wrong(err, v, "true or false");
    *out = v->flag;
    return TEMPO_OK;
}

tempo_status tempo_yaml_str(const tempo_yaml_node *map, const char *key, const char **out, tempo_err *err)
{
    const tempo_yaml_node *v = tempo_yaml_get(map, key);
    const tempo_status st = v == NULL ? TEMPO_OK : str_value(v, err);

    if (v != NULL && st == TEMPO_OK)
        *out = v->text;
    return st;
}

tempo_status tempo_yaml_choice(const tempo_yaml_node *map, const char *key, const char *names, unsigned *out,
                               tempo_err *err)
{
    const tempo_yaml_node *v = tempo_yaml_get(map, key);
    const char *name = names;

    if (v == NULL)
        return TEMPO_OK;
    for (unsigned i = 0; v->kind == TEMPO_YAML_STR; i++) {
        const size_t n = strcspn(name, "|");
        if (v->n == n && memcmp(v->text, name, n) == 0) {
            *out = i;
            return TEMPO_OK;
        }
        if (name[n] == '\0')
            break;
        name += n + 1;
    }
    return wrong(err, v, "one of %s", names);
}

/* ---- lists ---- */

/* The list, checked for its number of items; *out NULL when missing. */
static tempo_status list_value(const tempo_yaml_node *map, const char *key, size_t most,
                               const tempo_yaml_node **out, tempo_err *err)
{
    const tempo_yaml_node *v = *out = tempo_yaml_get(map, key);

    if (v == NULL)
        return TEMPO_OK;
    *out = NULL;
    if (v->kind != TEMPO_YAML_LIST)
        return wrong(err, v, "a list");
    if (v->n == 0 || v->n > most)
        return tempo_yaml_fail(err, v, "a list of %zu, expected 1 to %zu items", v->n, most);
    *out = v;
    return TEMPO_OK;
}

tempo_status tempo_yaml_f64_list(const tempo_yaml_node *map, const char *key, tempo_yaml_range range,
                                 double *out, size_t most, size_t *n, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st = list_value(map, key, most, &list, err);
    size_t i = 0;

    if (st != TEMPO_OK || list == NULL)
        return st;
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next)
        st = tempo_yaml_both(st, f64_value(v, range, &out[i++], err));
    if (st == TEMPO_OK)
        *n = i;
    return st;
}

tempo_status tempo_yaml_size_list(const tempo_yaml_node *map, const char *key, size_t low, size_t high,
                                  size_t *out, size_t most, size_t *n, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st = list_value(map, key, most, &list, err);
    size_t i = 0;

    if (st != TEMPO_OK || list == NULL)
        return st;
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next) {
        uint64_t u = 0;
        st = tempo_yaml_both(st, u64_value(v, low, high, &u, err));
        out[i++] = (size_t)u;
    }
    if (st == TEMPO_OK)
        *n = i;
    return st;
}

tempo_status tempo_yaml_list(const tempo_yaml_node *map, const char *key, tempo_yaml_kind items, size_t most,
                             const tempo_yaml_node **out, tempo_err *err)
{
    tempo_status st = list_value(map, key, most, out, err);

    if (st != TEMPO_OK || *out == NULL)
        return st;
    for (const tempo_yaml_node *v = (*out)->first; v != NULL; v = v->next) {
        if (items == TEMPO_YAML_STR)
            st = tempo_yaml_both(st, str_value(v, err));
        else if (v->kind != items)
            st = tempo_yaml_both(
                st, wrong(err, v, "%s", items == TEMPO_YAML_MAP ? "a map of keys and values" : "a list"));
    }
    if (st != TEMPO_OK)
        *out = NULL;
    return st;
}
