/* state.h - values, and a template while it runs; private to src/chat. */
#ifndef TEMPO_CHAT_TEMPLATE_STATE_H
#define TEMPO_CHAT_TEMPLATE_STATE_H
#include "chat/template/tree.h"

/* ---- values ---- */

typedef enum tempo_chat_kind {
    TEMPO_VALUE_UNDEFINED, /* str: the name that has no value */
    TEMPO_VALUE_NONE,
    TEMPO_VALUE_BOOL,
    TEMPO_VALUE_INT,
    TEMPO_VALUE_FLOAT,
    TEMPO_VALUE_STR, /* which: 1 Markup, which escapes what joins it */
    TEMPO_VALUE_LIST,
    TEMPO_VALUE_TUPLE, /* which: 1 what groupby makes */
    TEMPO_VALUE_MAP,
    TEMPO_VALUE_VIEW, /* of a mapping: keys(), values(), items() */
    TEMPO_VALUE_RANGE,
    TEMPO_VALUE_ITERATOR, /* can be read once */
    TEMPO_VALUE_NAMESPACE,
    TEMPO_VALUE_FUNCTION,
    TEMPO_VALUE_METHOD,
    TEMPO_VALUE_MACRO,
    TEMPO_VALUE_LOOP,
    TEMPO_VALUE_CYCLER,
    TEMPO_VALUE_JOINER,
} tempo_chat_kind;

typedef struct tempo_chat_value tempo_chat_value;
typedef struct tempo_chat_map tempo_chat_map;

/* Elements to read. */
typedef struct tempo_chat_span {
    const tempo_chat_value *v; /* [n] */
    size_t n;
} tempo_chat_span;

/* Of lists and tuples; values that are the same list share it. */
typedef struct tempo_chat_list {
    tempo_chat_value *v; /* [n] */
    size_t n, cap;
} tempo_chat_list;

typedef struct tempo_chat_range {
    int64_t begin, end, step;
    size_t n;
} tempo_chat_range;

/* Reads a span; cycler and joiner are of the same kind. */
typedef struct tempo_chat_reader {
    tempo_chat_span items;
    size_t at;
    const tempo_err *failure; /* what reading further gives, or NULL: Python's generators fail when they are read */
} tempo_chat_reader;

enum { TEMPO_VIEW_KEYS, TEMPO_VIEW_VALUES, TEMPO_VIEW_ITEMS };

struct tempo_chat_value {
    tempo_chat_kind kind;
    uint32_t which; /* function; view: TEMPO_VIEW_...; else as said above */
    union {
        int64_t i; /* bool: 0 or 1 */
        double f;
        tempo_chat_str str;
        tempo_chat_list *list;
        tempo_chat_map *map; /* of mapping, view, namespace */
        const tempo_chat_range *range;
        tempo_chat_reader *reader; /* of iterator, cycler, joiner */
        const struct tempo_chat_method *method;
        const struct tempo_chat_macro *macro;
        struct tempo_chat_loop *loop;
    };
};

/* In the order of insertion. */
struct tempo_chat_map {
    tempo_chat_value *keys, *values; /* [n] */
    size_t n, cap;
};

/* A method and its object. */
typedef struct tempo_chat_method {
    tempo_chat_value self;
    int which;
} tempo_chat_method;

/* ---- a template that runs ---- */

typedef struct tempo_chat_variable {
    tempo_chat_str name;
    tempo_chat_value v;
} tempo_chat_variable;

/* The names of one scope. */
typedef struct tempo_chat_frame {
    struct tempo_chat_frame *outer; /* or NULL */
    tempo_chat_variable *vars;      /* [n] */
    size_t n, cap;
    bool kept; /* a macro looks into it */
} tempo_chat_frame;

/* A macro, or the caller that a call block gives to one: it sees the names of where it was written. */
typedef struct tempo_chat_macro {
    const tempo_chat_node *node;
    tempo_chat_frame *outer;
} tempo_chat_macro;

/* Of a for that runs. */
typedef struct tempo_chat_loop {
    tempo_chat_span items;
    size_t index, depth; /* from 0 */
    const tempo_chat_node *node;
    tempo_chat_frame *outer;
    tempo_chat_value changed; /* what loop.changed saw last; undefined: nothing yet */
} tempo_chat_loop;

typedef enum tempo_chat_flow { TEMPO_FLOW_ON, TEMPO_FLOW_BREAK, TEMPO_FLOW_CONTINUE } tempo_chat_flow;

typedef struct tempo_chat_state {
    const tempo_chat_program *p;
    const tempo_chat_input *in;
    tempo_chat_heap *heap;
    tempo_err *err;
    size_t steps, depth;
    tempo_chat_frame *frame, root; /* the innermost and the outermost one */
    const tempo_chat_value *piped; /* what a block gives to its filters */
    tempo_chat_buffer *out;
    tempo_chat_flow flow;
    unsigned char *ones; /* [n_ones] marks of text from outside */
    size_t n_ones;
} tempo_chat_state;

/* The failure of a value with more than TEMPO_CHAT_MAX_VALUES lists inside one another. */
tempo_status tempo_chat_too_deep(const tempo_chat_state *s, const tempo_chat_node *node);
/* Count work on n bytes; TEMPO_E_LIMIT when it was too much. */
tempo_status tempo_chat_work(tempo_chat_state *s, const tempo_chat_node *node, size_t n) TEMPO_MUST_CHECK;
/* One level of evaluation down; --s->depth is up. */
tempo_status tempo_chat_deepen(tempo_chat_state *s, const tempo_chat_node *node) TEMPO_MUST_CHECK;
#define tempo_chat_fail_at(s, node, code, ...) tempo_chat_fail((s)->p, (node)->at, code, (s)->err, __VA_ARGS__)
/* "'x' is undefined" */
tempo_status tempo_chat_is_undefined(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v);

/* ---- scopes and bodies: run.c, macro.c ---- */

const tempo_chat_value *tempo_chat_lookup(tempo_chat_state *s, tempo_chat_str name); /* or NULL */
tempo_status tempo_chat_set(tempo_chat_state *s, tempo_chat_str name, const tempo_chat_value *v) TEMPO_MUST_CHECK;
/* A scope in outer; NULL with s->err filled. */
tempo_chat_frame *tempo_chat_frame_new(tempo_chat_state *s, tempo_chat_frame *outer);
/* This scope and those around it are looked into later. */
void tempo_chat_frame_keep(tempo_chat_frame *f);
tempo_status tempo_chat_run_body(tempo_chat_state *s, const tempo_chat_node *list) TEMPO_MUST_CHECK;
/* A body in this scope; its text is *out. */
tempo_status tempo_chat_run_aside(tempo_chat_state *s, const tempo_chat_node *body, tempo_chat_frame *f,
                                  tempo_chat_value *out) TEMPO_MUST_CHECK;
/* Give the names of a target their values. */
tempo_status tempo_chat_assign(tempo_chat_state *s, const tempo_chat_node *target,
                               const tempo_chat_value *v) TEMPO_MUST_CHECK;
/* The rounds of node, or its else. */
tempo_status tempo_chat_run_loop(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *items,
                                 tempo_chat_frame *outer, size_t depth) TEMPO_MUST_CHECK;
tempo_status tempo_chat_make_macro(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out) TEMPO_MUST_CHECK;

/* input.c: the names that every template finds */
tempo_status tempo_chat_set_inputs(tempo_chat_state *s) TEMPO_MUST_CHECK;

/* ---- expressions: eval.c, builtin/member.c ---- */

tempo_status tempo_chat_eval(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* a op b of numbers, strings, lists; not ~. */
tempo_status tempo_chat_binary(tempo_chat_state *s, const tempo_chat_node *node, int64_t op, const tempo_chat_value *a,
                               const tempo_chat_value *b, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* v.name; undefined where there is none. */
tempo_status tempo_chat_attribute(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                  tempo_chat_str name, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* v[key]; undefined where there is none. */
tempo_status tempo_chat_item(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             const tempo_chat_value *key, tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_slice(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              tempo_chat_value *out) TEMPO_MUST_CHECK;
/* v.a.b.0 for "a.b.0", or v[0] for 0: what filters call an attribute.  fallback: what is undefined on the way, or NULL. */
tempo_status tempo_chat_path(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             const tempo_chat_value *path, const tempo_chat_value *fallback,
                             tempo_chat_value *out) TEMPO_MUST_CHECK;

/* ---- values: value.c, map.c; node is what failures point to ---- */

static inline tempo_chat_value tempo_chat_none(void)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_NONE};
}
static inline tempo_chat_value tempo_chat_bool(bool b)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_BOOL, .i = b};
}
static inline tempo_chat_value tempo_chat_int(int64_t i)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_INT, .i = i};
}
static inline tempo_chat_value tempo_chat_float(double f)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_FLOAT, .f = f};
}
static inline tempo_chat_value tempo_chat_text(tempo_chat_str str)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_STR, .str = str};
}
static inline tempo_chat_value tempo_chat_undefined(tempo_chat_str name)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_UNDEFINED, .str = name};
}
/* "a string", for messages */
const char *tempo_chat_kind_name(const tempo_chat_value *v);
bool tempo_chat_truth(const tempo_chat_value *v);
static inline bool tempo_chat_is_int(const tempo_chat_value *v) /* bools are ints */
{
    return v->kind == TEMPO_VALUE_INT || v->kind == TEMPO_VALUE_BOOL;
}
static inline bool tempo_chat_is_number(const tempo_chat_value *v)
{
    return tempo_chat_is_int(v) || v->kind == TEMPO_VALUE_FLOAT;
}
static inline double tempo_chat_as_float(const tempo_chat_value *v) /* of a number */
{
    return v->kind == TEMPO_VALUE_FLOAT ? v->f : (double)v->i;
}
tempo_status tempo_chat_equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                              const tempo_chat_value *b, bool *out) TEMPO_MUST_CHECK;
/* a < b */
tempo_status tempo_chat_less(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                             const tempo_chat_value *b, bool *out) TEMPO_MUST_CHECK;
/* The comparison of an operator. */
tempo_status tempo_chat_compare(tempo_chat_state *s, const tempo_chat_node *node, int64_t op, const tempo_chat_value *a,
                                const tempo_chat_value *b, bool *out) TEMPO_MUST_CHECK;
/* What for goes through: elements, keys, characters.  An iterator is then read. */
tempo_status tempo_chat_elements(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 tempo_chat_span *out) TEMPO_MUST_CHECK;
/* The next element of a reader; *some: there is one. */
tempo_status tempo_chat_next(tempo_chat_state *s, tempo_chat_reader *r, tempo_chat_value *out, bool *some) TEMPO_MUST_CHECK;
/* len(v); false: it has none. */
bool tempo_chat_length_of(const tempo_chat_value *v, size_t *out);
/* Can for go through it? */
bool tempo_chat_is_iterable(const tempo_chat_value *v);

/* Room for n values on the heap, NULL with s->err filled. */
tempo_chat_value *tempo_chat_values(tempo_chat_state *s, size_t n);
/* A list, a tuple, an iterator over v[n], which is not copied. */
tempo_status tempo_chat_make(tempo_chat_state *s, tempo_chat_kind kind, tempo_chat_value *v, size_t n,
                             tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_push(tempo_chat_state *s, tempo_chat_list *list, const tempo_chat_value *v) TEMPO_MUST_CHECK;
/* A mapping without members. */
tempo_status tempo_chat_make_map(tempo_chat_state *s, tempo_chat_kind kind, tempo_chat_value *out) TEMPO_MUST_CHECK;
const tempo_chat_value *tempo_chat_map_get(const tempo_chat_map *m, tempo_chat_str key); /* or NULL */
/* *at: where, or m->n.  TEMPO_E_ARG for a key that cannot be one. */
tempo_status tempo_chat_map_find(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_map *m,
                                 const tempo_chat_value *key, size_t *at) TEMPO_MUST_CHECK;
tempo_status tempo_chat_map_put(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_map *m,
                                const tempo_chat_value *key, const tempo_chat_value *v) TEMPO_MUST_CHECK;
void tempo_chat_map_remove(tempo_chat_map *m, size_t at);
/* dict(v): the members of a mapping or pairs, put into m. */
tempo_status tempo_chat_map_update(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_map *m,
                                   const tempo_chat_value *v) TEMPO_MUST_CHECK;
/* Stable, by keys[n], which go with v[n]; `reverse` keeps the order of equal ones, too. */
tempo_status tempo_chat_sort(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *keys,
                             tempo_chat_value *v, size_t n, bool reverse) TEMPO_MUST_CHECK;

/* ---- values as text: repr.c, dumps.c ---- */

/* As {{ }} prints it: Python's str. */
tempo_status tempo_chat_print(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              tempo_chat_str *out) TEMPO_MUST_CHECK;
enum { TEMPO_REPR_ASCII = 1, TEMPO_REPR_SORTED = 2 }; /* escape everything else; keys of mappings in order */
/* As it stands inside of lists: Python's repr. */
tempo_status tempo_chat_repr(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v, unsigned how,
                             tempo_chat_str *out) TEMPO_MUST_CHECK;
/* The mapping with its keys in order. */
tempo_status tempo_chat_map_sorted(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_map *m,
                                   tempo_chat_map *out) TEMPO_MUST_CHECK;

typedef struct tempo_chat_dumps {
    bool ensure_ascii, sort_keys, lines;  /* lines: an element a line, indent in front */
    tempo_chat_str indent, item, key;     /* , and : */
} tempo_chat_dumps;

/* JSON as Python's json.dumps writes it. */
tempo_status tempo_chat_json(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                             const tempo_chat_dumps *how, tempo_chat_str *out) TEMPO_MUST_CHECK;

/* json.c */
/* Text from outside; it is not copied. */
tempo_status tempo_chat_outside(tempo_chat_state *s, const char *p, size_t n, tempo_chat_str *out) TEMPO_MUST_CHECK;
/* The same of a message's role: one that templates know is not from outside. */
tempo_status tempo_chat_role(tempo_chat_state *s, const char *p, size_t n, tempo_chat_str *out) TEMPO_MUST_CHECK;
/* All text in it is from outside; without `copy` json must outlive the value. */
tempo_status tempo_chat_from_json(tempo_chat_state *s, const json_t *json, bool copy, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* An array of objects with a string "role" each, which must outlive it. */
tempo_status tempo_chat_from_messages(tempo_chat_state *s, const tempo_chat_node *node, const json_t *messages,
                                      tempo_chat_value *out) TEMPO_MUST_CHECK;

/* ---- numbers: number.c ---- */

/* int(text, base), float(text); false: it is none.  *big: an integer beyond 2^63. */
bool tempo_chat_parse_int(tempo_chat_str text, int base, int64_t *out, bool *big);
bool tempo_chat_parse_float(tempo_chat_str text, double *out);
/* f as an integer, cut; false: too big or none. */
bool tempo_chat_whole(double f, int64_t *out);
/* Of two numbers: -1, 0, 1; 2: one is no number. */
int tempo_chat_order(const tempo_chat_value *a, const tempo_chat_value *b);
tempo_status tempo_chat_arithmetic(tempo_chat_state *s, const tempo_chat_node *node, int64_t op,
                                   const tempo_chat_value *a, const tempo_chat_value *b,
                                   tempo_chat_value *out) TEMPO_MUST_CHECK;

#endif
