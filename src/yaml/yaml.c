/* yaml.c - libyaml's events -> the tree of yaml.h.  What a scalar is follows chapter 10.3.2 of YAML 1.2.2. */
#include "yaml/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* ---- memory: blocks that never move, freed together ---- */

enum { BLOCK_BYTES = 16384 };

typedef struct block {
    struct block *next;
    size_t used, cap;
    max_align_t data[];
} block;

typedef struct kept_error {
    uint32_t line, column;
    tempo_status code;
    const char *text;
} kept_error;

struct tempo_yaml {
    block *blocks;
    const char *name;
    tempo_yaml_node *root;
    kept_error errors[TEMPO_YAML_MAX_ERRORS];
    size_t n_errors; /* more than are kept, where there are many */
    bool no_memory;  /* for one of them */
};

static void *take(tempo_yaml *y, size_t n)
{
    const size_t unit = sizeof(max_align_t), size = (n + unit - 1) / unit * unit;

    if (y->blocks == NULL || size > y->blocks->cap - y->blocks->used) {
        const size_t cap = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block *b = malloc(sizeof(*b) + cap);
        if (b == NULL)
            return NULL;
        *b = (block){.next = y->blocks, .cap = cap};
        y->blocks = b;
    }
    void *p = (char *)y->blocks->data + y->blocks->used;
    y->blocks->used += size;
    return p;
}

static char *take_text(tempo_yaml *y, const void *text, size_t n)
{
    char *p = take(y, n + 1);

    if (p == NULL)
        return NULL;
    if (n > 0)
        memcpy(p, text, n);
    p[n] = '\0';
    return p;
}

void tempo_yaml_free(tempo_yaml *y)
{
    if (y == NULL)
        return;
    for (block *b = y->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(y);
}

const tempo_yaml_node *tempo_yaml_root(const tempo_yaml *y)
{
    return y->root;
}

const char *tempo_yaml_name(const tempo_yaml *y)
{
    return y->name;
}

/* ---- errors that are kept ---- */

void tempo_yaml_keep(tempo_yaml *y, tempo_status code, uint32_t line, uint32_t column, const char *text)
{
    if (y->n_errors++ >= TEMPO_YAML_MAX_ERRORS)
        return;
    const char *copy = take_text(y, text, strlen(text));
    y->no_memory = y->no_memory || copy == NULL;
    y->errors[y->n_errors - 1] =
        (kept_error){.line = line, .column = column, .code = code, .text = copy != NULL ? copy : ""};
}

static int by_place(const void *pa, const void *pb)
{
    const kept_error *a = pa, *b = pb;

    return a->line != b->line ? (a->line > b->line) - (a->line < b->line)
                              : (a->column > b->column) - (a->column < b->column);
}

static tempo_status pass_on(tempo_status st, const tempo_err *why, tempo_err *err)
{
    if (err != NULL && err->code == TEMPO_OK)
        *err = *why;
    return st;
}

tempo_status tempo_yaml_settle(tempo_yaml *y, tempo_status st, const tempo_err *why,
                               const tempo_yaml_tell *tell, tempo_err *err)
{
    const size_t n = y != NULL ? y->n_errors : 0,
                 kept = n < TEMPO_YAML_MAX_ERRORS ? n : TEMPO_YAML_MAX_ERRORS;
    tempo_status code = TEMPO_E_UNSUPPORTED;

    if (st == TEMPO_E_NOMEM)
        return pass_on(st, why, err);
    if (n > 0 && y->no_memory)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory for its errors", y->name);
    if (n == 0) {
        if (st != TEMPO_OK && tell != NULL)
            tell->error(tell->user, why->msg);
        return pass_on(st, why, err);
    }
    qsort(y->errors, kept, sizeof(*y->errors), by_place);
    for (size_t i = 0; i < kept; i++) {
        code = y->errors[i].code == TEMPO_E_FORMAT ? TEMPO_E_FORMAT : code;
        if (tell != NULL)
            tell->error(tell->user, y->errors[i].text);
    }
    if (n == 1)
        return tempo_fail(err, code, TEMPO_NO_OFFSET, "%s", y->errors[0].text);
    if (tell != NULL)
        return tempo_fail(err, code, TEMPO_NO_OFFSET, "%s: %zu errors%s", y->name, n,
                          n > kept ? ", of which the first are told" : "");
    return tempo_fail(err, code, TEMPO_NO_OFFSET, "%.400s (and %zu more error%s)", y->errors[0].text, n - 1,
                      n == 2 ? "" : "s");
}

/* ---- what a plain scalar is ---- */

static bool is_one_of(const char *s, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(s, *names) == 0)
            return true;
    return false;
}

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* 0x and 0o take no sign. */
static bool resolve_based(tempo_yaml_node *v, const char *s)
{
    const unsigned base = s[1] == 'x' ? 16 : 8;
    const char *allowed = base == 16 ? "0123456789abcdefABCDEF" : "01234567";

    if (s[0] != '0' || (s[1] != 'x' && s[1] != 'o') || s[2] == '\0' || s[2 + strspn(s + 2, allowed)] != '\0')
        return false;
    v->kind = TEMPO_YAML_INT;
    errno = 0;
    v->u64 = strtoull(s + 2, NULL, (int)base);
    v->fits = errno == 0;
    v->f64 = v->fits ? (double)v->u64 : HUGE_VAL;
    return true;
}

static bool resolve_number(tempo_yaml_node *v, const char *s)
{
    const char *p = s + (s[0] == '-' || s[0] == '+');
    const size_t whole = digits(p);
    size_t fraction = 0;
    bool integer = true;

    p += whole;
    if (*p == '.') {
        fraction = digits(++p);
        p += fraction;
        integer = false;
    }
    if (whole + fraction == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        if (digits(p) == 0)
            return false;
        p += digits(p);
        integer = false;
    }
    if (*p != '\0')
        return false;
    v->kind = integer ? TEMPO_YAML_INT : TEMPO_YAML_FLOAT;
    v->f64 = strtod(s, NULL);
    if (integer) {
        errno = 0;
        v->u64 = strtoull(s + (s[0] == '-' || s[0] == '+'), NULL, 10);
        v->fits = errno == 0 && (s[0] != '-' || v->u64 == 0);
    }
    return true;
}

static void resolve_plain(tempo_yaml_node *v)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    const char *s = v->text;

    v->kind = TEMPO_YAML_STR;
    if (is_one_of(s, nulls)) {
        v->kind = TEMPO_YAML_NULL;
    } else if ((v->flag = is_one_of(s, trues)) || is_one_of(s, falses)) {
        v->kind = TEMPO_YAML_BOOL;
    } else if (is_one_of(s + (s[0] == '-' || s[0] == '+'), infinite)) {
        v->kind = TEMPO_YAML_FLOAT;
        v->f64 = s[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    } else if (is_one_of(s, nans)) {
        v->kind = TEMPO_YAML_FLOAT;
        v->f64 = (double)NAN;
    } else if (!resolve_based(v, s)) {
        (void)resolve_number(v, s);
    }
}

/* ---- events ---- */

typedef struct frame {
    tempo_yaml_node *node, *last;
    const char *key; /* of the member whose value comes next */
    uint32_t key_line, key_column;
} frame;

typedef struct builder {
    tempo_yaml *y;
    yaml_parser_t parser;
    frame stack[TEMPO_YAML_MAX_DEPTH];
    size_t depth, n_nodes, n_documents;
    tempo_err *err;
} builder;

TEMPO_PRINTF(4, 5)
static tempo_status fail_at(builder *b, tempo_status code, yaml_mark_t at, const char *fmt, ...)
{
    char what[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return tempo_fail(b->err, code, TEMPO_NO_OFFSET, "%s:%zu:%zu: %s", b->y->name, at.line + 1, at.column + 1,
                      what);
}

TEMPO_PRINTF(3, 4)
static void keep_at(builder *b, yaml_mark_t at, const char *fmt, ...)
{
    char what[256], text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    (void)snprintf(text, sizeof(text), "%.200s:%zu:%zu: %s", b->y->name, at.line + 1, at.column + 1, what);
    tempo_yaml_keep(b->y, TEMPO_E_FORMAT, (uint32_t)at.line + 1, (uint32_t)at.column + 1, text);
}

static tempo_status no_memory(builder *b)
{
    return tempo_fail(b->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", b->y->name);
}

static tempo_status fail_parser(builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem != NULL ? p->problem : "not YAML";

    if (p->error == YAML_MEMORY_ERROR)
        return no_memory(b);
    if (p->error == YAML_READER_ERROR)
        return tempo_fail(b->err, TEMPO_E_FORMAT, p->problem_offset, "%s: byte %zu: %s", b->y->name,
                          p->problem_offset, problem);
    if (p->context != NULL)
        return fail_at(b, TEMPO_E_FORMAT, p->problem_mark, "%s, %s that begins in line %zu", problem,
                       p->context, p->context_mark.line + 1);
    return fail_at(b, TEMPO_E_FORMAT, p->problem_mark, "%s", problem);
}

static bool same_key(const tempo_yaml_node *map, const char *key, const tempo_yaml_node **found)
{
    *found = tempo_yaml_get(map, key);
    return *found != NULL;
}

static tempo_status set_key(builder *b, frame *f, const yaml_event_t *ev)
{
    const tempo_yaml_node *other;
    const char *text = (const char *)ev->data.scalar.value;

    if (ev->type != YAML_SCALAR_EVENT)
        return fail_at(b, TEMPO_E_UNSUPPORTED, ev->start_mark, "a key is a list or a map, expected a name");
    if (memchr(text, '\0', ev->data.scalar.length) != NULL || ev->data.scalar.length == 0)
        return fail_at(b, TEMPO_E_FORMAT, ev->start_mark, "a key is empty or holds a NUL, expected a name");
    if (same_key(f->node, text, &other))
        keep_at(b, ev->start_mark, "duplicate key '%.60s', it is in line %u already", text,
                (unsigned)other->key_line);
    if (f->node->n == TEMPO_YAML_MAX_KEYS)
        return fail_at(b, TEMPO_E_LIMIT, ev->start_mark, "more than %d keys in one map", TEMPO_YAML_MAX_KEYS);
    f->key = take_text(b->y, text, ev->data.scalar.length);
    f->key_line = (uint32_t)ev->start_mark.line + 1;
    f->key_column = (uint32_t)ev->start_mark.column + 1;
    return f->key != NULL ? TEMPO_OK : no_memory(b);
}

/* A new value, hung into the list or map that is open. */
static tempo_status add_node(builder *b, const yaml_event_t *ev, tempo_yaml_node **out)
{
    frame *f = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;
    tempo_yaml_node *v;

    if (b->n_nodes++ == TEMPO_YAML_MAX_NODES)
        return fail_at(b, TEMPO_E_LIMIT, ev->start_mark, "more than %d values", TEMPO_YAML_MAX_NODES);
    if ((v = *out = take(b->y, sizeof(*v))) == NULL)
        return no_memory(b);
    *v = (tempo_yaml_node){.doc = b->y,
                           .line = (uint32_t)ev->start_mark.line + 1,
                           .column = (uint32_t)ev->start_mark.column + 1,
                           .text = ""};
    if (f == NULL) {
        b->y->root = v;
        return TEMPO_OK;
    }
    v->key = f->key;
    v->label = f->key != NULL ? f->key : f->node->label;
    v->key_line = f->key_line;
    v->key_column = f->key_column;
    f->key = NULL;
    if (f->last == NULL)
        f->node->first = v;
    else
        f->last->next = v;
    f->last = v;
    f->node->n++;
    return TEMPO_OK;
}

static tempo_status add_scalar(builder *b, const yaml_event_t *ev)
{
    const size_t n = ev->data.scalar.length;
    tempo_yaml_node *v;
    tempo_status st;

    if (n > TEMPO_YAML_MAX_SCALAR)
        return fail_at(b, TEMPO_E_LIMIT, ev->start_mark, "a text of %zu bytes, the limit is %d", n,
                       TEMPO_YAML_MAX_SCALAR);
    if (memchr(ev->data.scalar.value, '\0', n) != NULL)
        return fail_at(b, TEMPO_E_FORMAT, ev->start_mark, "a text holds a NUL");
    if ((st = add_node(b, ev, &v)) != TEMPO_OK)
        return st;
    if ((v->text = take_text(b->y, ev->data.scalar.value, n)) == NULL)
        return no_memory(b);
    v->n = n;
    if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        resolve_plain(v);
    else
        v->kind = TEMPO_YAML_STR;
    return TEMPO_OK;
}

static tempo_status open_container(builder *b, const yaml_event_t *ev, tempo_yaml_kind kind)
{
    tempo_yaml_node *v;
    tempo_status st;

    if (b->depth == TEMPO_YAML_MAX_DEPTH)
        return fail_at(b, TEMPO_E_LIMIT, ev->start_mark, "nested deeper than %d", TEMPO_YAML_MAX_DEPTH);
    if ((st = add_node(b, ev, &v)) != TEMPO_OK)
        return st;
    v->kind = kind;
    b->stack[b->depth++] = (frame){.node = v};
    return TEMPO_OK;
}

/* Anchor or tag of a value, or NULL. */
static const char *decoration(const yaml_event_t *ev)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (ev->type == YAML_SCALAR_EVENT) {
        anchor = ev->data.scalar.anchor;
        tag = ev->data.scalar.tag;
    } else if (ev->type == YAML_SEQUENCE_START_EVENT) {
        anchor = ev->data.sequence_start.anchor;
        tag = ev->data.sequence_start.tag;
    } else if (ev->type == YAML_MAPPING_START_EVENT) {
        anchor = ev->data.mapping_start.anchor;
        tag = ev->data.mapping_start.tag;
    }
    return anchor != NULL ? "anchors (&name)" : tag != NULL ? "tags (!name)" : NULL;
}

static tempo_status take_event(builder *b, const yaml_event_t *ev)
{
    frame *f = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;
    const char *refused = ev->type == YAML_ALIAS_EVENT ? "aliases (*name)" : decoration(ev);
    const bool opens = ev->type == YAML_SCALAR_EVENT || ev->type == YAML_SEQUENCE_START_EVENT ||
                       ev->type == YAML_MAPPING_START_EVENT;

    if (refused != NULL)
        return fail_at(b, TEMPO_E_UNSUPPORTED, ev->start_mark, "%s are not supported", refused);
    if (opens && f != NULL && f->node->kind == TEMPO_YAML_MAP && f->key == NULL)
        return set_key(b, f, ev);
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->n_documents++ > 0)
            return fail_at(b, TEMPO_E_UNSUPPORTED, ev->start_mark,
                           "a second document begins, one file holds one document");
        return TEMPO_OK;
    case YAML_SCALAR_EVENT:
        return add_scalar(b, ev);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(b, ev, TEMPO_YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return open_container(b, ev, TEMPO_YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return TEMPO_OK;
    default:
        return TEMPO_OK;
    }
}

static tempo_status build(builder *b)
{
    for (;;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&b->parser, &ev))
            return fail_parser(b);
        const yaml_event_type_t type = ev.type;
        const tempo_status st = take_event(b, &ev);
        yaml_event_delete(&ev);
        if (st != TEMPO_OK || type == YAML_STREAM_END_EVENT)
            return st;
    }
}

tempo_status tempo_yaml_parse(tempo_yaml **out, const char *name, const void *text, size_t n, tempo_err *err)
{
    const yaml_event_t nothing = {.type = YAML_NO_EVENT};
    builder b = {.err = err};
    tempo_yaml_node *empty;
    tempo_status st;

    *out = NULL;
    if (n > TEMPO_YAML_MAX_BYTES)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: %zu bytes, the limit is %d", name, n,
                          TEMPO_YAML_MAX_BYTES);
    b.y = calloc(1, sizeof(*b.y));
    if (b.y == NULL || (b.y->name = take_text(b.y, name, strlen(name))) == NULL ||
        !yaml_parser_initialize(&b.parser)) {
        tempo_yaml_free(b.y);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", name);
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, text, n);
    st = build(&b);
    if (st == TEMPO_OK && b.y->root == NULL) /* no document: as if it held null */
        st = add_node(&b, &nothing, &empty);
    yaml_parser_delete(&b.parser);
    if (st != TEMPO_OK)
        tempo_yaml_free(b.y);
    else
        *out = b.y;
    return st;
}
