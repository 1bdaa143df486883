/* call.h - calls: what templates can call, and with what; private to src/chat. */
#ifndef TEMPO_CHAT_BUILTIN_CALL_H
#define TEMPO_CHAT_BUILTIN_CALL_H
#include "chat/template/state.h"
#include "chat/template/text.h"

enum { TEMPO_CHAT_MAX_PARAMS = 6, TEMPO_CHAT_MAX_ARGS = 255 };

/* What a call was given, in order; those with a name come last. */
typedef struct tempo_chat_args {
    const tempo_chat_value *v;  /* [n] */
    const tempo_chat_str *name; /* [n] p NULL: by place */
    size_t n;
} tempo_chat_args;

/* A call that runs. */
typedef struct tempo_chat_call {
    tempo_chat_state *s;
    const tempo_chat_node *node; /* what failures point to */
    const char *name;
    tempo_chat_value self; /* the object of a method, what a filter or a test is applied to */
    tempo_chat_args args;
    tempo_chat_value v[TEMPO_CHAT_MAX_PARAMS]; /* arguments in their places */
    bool given[TEMPO_CHAT_MAX_PARAMS];
    tempo_chat_value *out;
} tempo_chat_call;

typedef tempo_status tempo_chat_fn(tempo_chat_call *c);

/* Something that can be called.  params: "old,new|count", those after | may be left out; NULL: it looks at args itself. */
typedef struct tempo_chat_callable {
    const char *name, *params;
    tempo_chat_fn *call;
} tempo_chat_callable;

/* The lists, each up to a name NULL. */
extern const tempo_chat_callable tempo_chat_text_filters[], tempo_chat_number_filters[], tempo_chat_list_filters[],
    tempo_chat_group_filters[], tempo_chat_html_filters[], tempo_chat_tests[], tempo_chat_functions[];

/* Which, or -1. */
int tempo_chat_find_filter(tempo_chat_str name);
int tempo_chat_find_test(tempo_chat_str name);
int tempo_chat_find_function(tempo_chat_str name);
/* A method of values of that kind. */
int tempo_chat_find_method(tempo_chat_kind kind, tempo_chat_str name);

/* The call of f: c->args to their places, c->out none unless f gives something. */
tempo_status tempo_chat_call_fn(tempo_chat_call *c, const tempo_chat_callable *f) TEMPO_MUST_CHECK;
/* f(args) */
tempo_status tempo_chat_call_value(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *f,
                                   const tempo_chat_args *args, tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_call_method(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *self,
                                    int which, const tempo_chat_args *args, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* which < 0: refused by name */
tempo_status tempo_chat_call_filter(tempo_chat_state *s, const tempo_chat_node *node, int which, tempo_chat_str name,
                                    const tempo_chat_value *self, const tempo_chat_args *args,
                                    tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_call_test(tempo_chat_state *s, const tempo_chat_node *node, int which, tempo_chat_str name,
                                  const tempo_chat_value *self, const tempo_chat_args *args,
                                  bool *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_call_macro(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_macro *m,
                                   const tempo_chat_args *args, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* The arguments of a call, evaluated.  caller: one more by that name, or NULL. */
tempo_status tempo_chat_eval_args(tempo_chat_state *s, const tempo_chat_node *list, const tempo_chat_value *caller,
                                  tempo_chat_args *out) TEMPO_MUST_CHECK;

/* ---- for those that are called ---- */

#define tempo_chat_call_fail(c, code, ...) tempo_chat_fail_at((c)->s, (c)->node, code, __VA_ARGS__)
/* "upper: argument 1 is a list, expected a string" */
tempo_status tempo_chat_wrong_arg(tempo_chat_call *c, size_t i, const char *expected);
/* The i-th argument; *out stays where it was not given. */
tempo_status tempo_chat_arg_str(tempo_chat_call *c, size_t i, tempo_chat_str *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_arg_int(tempo_chat_call *c, size_t i, int64_t *out) TEMPO_MUST_CHECK;
static inline bool tempo_chat_arg_true(const tempo_chat_call *c, size_t i)
{
    return c->given[i] && tempo_chat_truth(&c->v[i]);
}
/* Given, and not none. */
static inline bool tempo_chat_arg_some(const tempo_chat_call *c, size_t i)
{
    return c->given[i] && c->v[i].kind != TEMPO_VALUE_NONE;
}
/* self as text; the work on it is counted. */
tempo_status tempo_chat_self_text(tempo_chat_call *c, tempo_chat_str *out) TEMPO_MUST_CHECK;
/* The result is text, of the kind (Markup or not) of self. */
static inline tempo_status tempo_chat_give(tempo_chat_call *c, tempo_chat_str text)
{
    *c->out = tempo_chat_text(text);
    c->out->which = c->self.kind == TEMPO_VALUE_STR ? c->self.which : 0;
    return TEMPO_OK;
}
static inline tempo_status tempo_chat_give_buffer(tempo_chat_call *c, const tempo_chat_buffer *b)
{
    return tempo_chat_give(c, tempo_chat_buffer_str(b));
}
static inline tempo_status tempo_chat_give_bool(tempo_chat_call *c, bool b)
{
    *c->out = tempo_chat_bool(b);
    return TEMPO_OK;
}
tempo_status tempo_chat_add(tempo_chat_call *c, tempo_chat_buffer *b, tempo_chat_str text) TEMPO_MUST_CHECK;
/* n times the text. */
tempo_status tempo_chat_add_times(tempo_chat_call *c, tempo_chat_buffer *b, tempo_chat_str text, int64_t n) TEMPO_MUST_CHECK;
/* What methods and filters share. */
tempo_status tempo_chat_center(tempo_chat_call *c, tempo_chat_str text, int64_t width, tempo_chat_str fill) TEMPO_MUST_CHECK;
tempo_status tempo_chat_cased(tempo_chat_call *c, tempo_chat_str text, tempo_chat_case how) TEMPO_MUST_CHECK;

/* format.c: format(v, spec), and "{} {a.b[0]:>5}".format(...); map: what names are looked up in */
tempo_status tempo_chat_format_value(tempo_chat_call *c, const tempo_chat_value *v, tempo_chat_str spec,
                                     tempo_chat_str *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_format(tempo_chat_call *c, tempo_chat_str text, const tempo_chat_value *map) TEMPO_MUST_CHECK;
/* percent.c: text % v */
tempo_status tempo_chat_percent(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *text,
                                const tempo_chat_value *v, tempo_chat_value *out) TEMPO_MUST_CHECK;
/* filter_list.c: an attribute of an element, of each one, as filters take it (path NULL or none: itself); fallback:
 * for what is undefined, or NULL; fold: strings without case.  */
typedef struct tempo_chat_getter {
    const tempo_chat_value *path, *fallback;
    bool fold;
} tempo_chat_getter;
tempo_status tempo_chat_get(tempo_chat_call *c, const tempo_chat_value *item, const tempo_chat_getter *how,
                            tempo_chat_value *out) TEMPO_MUST_CHECK;
tempo_status tempo_chat_get_all(tempo_chat_call *c, tempo_chat_span items, const tempo_chat_getter *how,
                                tempo_chat_value **out) TEMPO_MUST_CHECK;
/* An iterator over v[n] that fails behind them if st is a failure that a template could do without. */
tempo_status tempo_chat_give_iterator(tempo_chat_call *c, tempo_chat_value *v, size_t n, tempo_status st) TEMPO_MUST_CHECK;
/* wrap.c: lines of at most `width` characters */
tempo_status tempo_chat_wordwrap(tempo_chat_call *c) TEMPO_MUST_CHECK;
/* filter_html.c: & < > ' " as entities; what is Markup stays */
tempo_status tempo_chat_escape(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v,
                               tempo_chat_str *out) TEMPO_MUST_CHECK;

#endif
