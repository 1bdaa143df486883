/* chat_state.h - values, and a template while it runs; private to chat*.c. */
#ifndef TEMPO_TOKEN_CHAT_STATE_H
#define TEMPO_TOKEN_CHAT_STATE_H
#include "token/chat_tree.h"

/* ---- values ---- */

typedef enum tempo_chat_kind {
    TEMPO_VALUE_UNDEFINED, /* str: the name that has no value */
    TEMPO_VALUE_NONE,
    TEMPO_VALUE_BOOL,
    TEMPO_VALUE_INT,
    TEMPO_VALUE_FLOAT,
    TEMPO_VALUE_STR,
    TEMPO_VALUE_LIST,
    TEMPO_VALUE_MAP,
    TEMPO_VALUE_NAMESPACE, /* a map that set may change */
    TEMPO_VALUE_FUNCTION,
    TEMPO_VALUE_MACRO,
    TEMPO_VALUE_LOOP,
} tempo_chat_kind;

typedef struct tempo_chat_value tempo_chat_value;

typedef struct tempo_chat_list {
    const tempo_chat_value *v; /* [n] */
    size_t n;
} tempo_chat_list;

typedef struct tempo_chat_map {
    tempo_chat_str *keys;     /* [n] in the order of insertion */
    tempo_chat_value *values; /* [n] */
    size_t n, cap;
} tempo_chat_map;

/* Of a for that runs. */
typedef struct tempo_chat_loop {
    tempo_chat_list items;
    size_t index; /* from 0 */
} tempo_chat_loop;

struct tempo_chat_value {
    tempo_chat_kind kind;
    union {
        int64_t i; /* bool: 0 or 1; function: which */
        double f;
        tempo_chat_str str;
        tempo_chat_list list;
        tempo_chat_map *map;
        const tempo_chat_node *macro;
        const tempo_chat_loop *loop;
    };
};

enum { TEMPO_CHAT_MAX_ARGS = 16 };

/* What a call was given, in order; those with a name come last. */
typedef struct tempo_chat_args {
    size_t n;
    tempo_chat_value v[TEMPO_CHAT_MAX_ARGS];
    tempo_chat_str name[TEMPO_CHAT_MAX_ARGS]; /* p NULL: by place */
} tempo_chat_args;

/* ---- a template that runs ---- */

typedef struct tempo_chat_variable {
    tempo_chat_str name;
    tempo_chat_value v;
} tempo_chat_variable;

typedef enum tempo_chat_flow { TEMPO_FLOW_ON, TEMPO_FLOW_BREAK, TEMPO_FLOW_CONTINUE } tempo_chat_flow;

typedef struct tempo_chat_state {
    const tempo_chat_program *p;
    const tempo_chat_input *in;
    tempo_chat_heap *heap;
    tempo_err *err;
    size_t steps, depth;
    tempo_chat_variable *vars; /* [n_vars] those of inner frames behind those of outer ones */
    size_t n_vars, cap_vars;
    size_t frame;     /* where the innermost frame begins */
    size_t n_globals; /* of the outermost frame, which macros see too */
    size_t floor;     /* a macro does not see [n_globals, floor) */
    tempo_chat_buffer *out;
    tempo_chat_flow flow;
    unsigned char *ones; /* [n_ones] marks of text from outside */
    size_t n_ones;
} tempo_chat_state;

/* Count work on n bytes; TEMPO_E_LIMIT when it was too much. */
tempo_status tempo_chat_work(tempo_chat_state *s, const tempo_chat_node *node, size_t n) TEMPO_MUST_CHECK;
/* One level of evaluation down; --s->depth is up. */
tempo_status tempo_chat_deepen(tempo_chat_state *s, const tempo_chat_node *node) TEMPO_MUST_CHECK;

/* chat_run.c */
const tempo_chat_value *tempo_chat_lookup(const tempo_chat_state *s, tempo_chat_str name); /* or NULL */
tempo_status tempo_chat_set(tempo_chat_state *s, tempo_chat_str name, const tempo_chat_value *v) TEMPO_MUST_CHECK;
tempo_status tempo_chat_run_macro(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_node *macro,
                                  const tempo_chat_args *args, tempo_chat_value *out) TEMPO_MUST_CHECK;

/* chat_eval.c */
tempo_status tempo_chat_eval(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* v.name, v["name"]; undefined where there is none. */
tempo_status tempo_chat_member(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               tempo_chat_str name, tempo_chat_value *out) TEMPO_MUST_CHECK;

/* chat_json.c */
/* Text from outside; it is not copied. */
tempo_status tempo_chat_outside(tempo_chat_state *s, const char *p, size_t n, tempo_chat_str *out) TEMPO_MUST_CHECK;
/* The same of a message's role: one that templates know is not from outside. */
tempo_status tempo_chat_role(tempo_chat_state *s, const char *p, size_t n, tempo_chat_str *out) TEMPO_MUST_CHECK;
/* json must outlive the value. */
tempo_status tempo_chat_from_json(tempo_chat_state *s, const json_t *json, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* An array of objects with a string "role" each. */
tempo_status tempo_chat_from_messages(tempo_chat_state *s, const json_t *messages,
                                      tempo_chat_value *out) TEMPO_MUST_CHECK;

/* chat_number.c */
enum { TEMPO_CHAT_FLOAT_TEXT = 32 };
/* As Python's repr writes it; gives the length. */
size_t tempo_chat_float_text(double f, char out[TEMPO_CHAT_FLOAT_TEXT]);

/* chat_value.c: node is what failures point to */
static inline tempo_chat_value tempo_chat_bool(bool b)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_BOOL, .i = b};
}
static inline tempo_chat_value tempo_chat_int(int64_t i)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_INT, .i = i};
}
static inline tempo_chat_value tempo_chat_text(tempo_chat_str str)
{
    return (tempo_chat_value){.kind = TEMPO_VALUE_STR, .str = str};
}
/* "a string", for messages */
const char *tempo_chat_kind_name(const tempo_chat_value *v);
bool tempo_chat_truth(const tempo_chat_value *v);
bool tempo_chat_is_number(const tempo_chat_value *v); /* bools are numbers */
tempo_status tempo_chat_equal(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *a,
                              const tempo_chat_value *b, bool *out) TEMPO_MUST_CHECK;
/* The comparison of an operator. */
tempo_status tempo_chat_compare(tempo_chat_state *s, const tempo_chat_node *node, int64_t op, const tempo_chat_value *a,
                                const tempo_chat_value *b, bool *out) TEMPO_MUST_CHECK;
/* What for goes through: elements, keys, characters. */
tempo_status tempo_chat_elements(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                                 tempo_chat_list *out) TEMPO_MUST_CHECK;
/* As {{ }} prints it. */
tempo_status tempo_chat_print(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                              tempo_chat_str *out) TEMPO_MUST_CHECK;
/* JSON as Python's json.dumps writes it, with characters as they are; indent < 0: on one line. */
tempo_status tempo_chat_json(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v, int64_t indent,
                             tempo_chat_str *out) TEMPO_MUST_CHECK;
const tempo_chat_value *tempo_chat_map_find(const tempo_chat_map *m, tempo_chat_str key); /* or NULL */
tempo_status tempo_chat_map_put(tempo_chat_state *s, tempo_chat_map *m, tempo_chat_str key,
                                const tempo_chat_value *v) TEMPO_MUST_CHECK;
/* Room for n values on the heap, NULL with s->err filled. */
tempo_chat_value *tempo_chat_values(tempo_chat_state *s, size_t n);

#define tempo_chat_fail_at(s, node, code, ...) tempo_chat_fail((s)->p, (node)->at, code, (s)->err, __VA_ARGS__)

#endif
