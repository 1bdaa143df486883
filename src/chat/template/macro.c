/* macro.c - macros and what call blocks give to them.  Source: Jinja2's runtime.Macro. */
#include "chat/builtin/call.h"

#include <string.h>

tempo_status tempo_chat_make_macro(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_value *out)
{
    tempo_chat_macro *m = tempo_chat_alloc(s->heap, sizeof(*m));

    *out = (tempo_chat_value){.kind = TEMPO_VALUE_MACRO, .macro = m};
    if (m == NULL)
        return s->heap->failed;
    *m = (tempo_chat_macro){node, s->frame};
    tempo_chat_frame_keep(s->frame);
    return TEMPO_OK;
}

/* A call of a macro. */
typedef struct macro_call {
    tempo_chat_state *s;
    const tempo_chat_node *node, *macro;
    const tempo_chat_args *args;
    bool used[TEMPO_CHAT_MAX_ARGS]; /* of args: it has a place */
} macro_call;

/* The argument of that name, or args->n. */
static size_t find_named(const macro_call *c, tempo_chat_str name)
{
    size_t i = 0;

    while (i < c->args->n && (c->args->name[i].p == NULL || !tempo_chat_same(c->args->name[i], name)))
        i++;
    return i;
}

static tempo_status set_parameters(macro_call *c, size_t *n_places, bool *own_caller)
{
    tempo_chat_state *s = c->s;
    size_t place = 0;
    tempo_status st = TEMPO_OK;

    for (const tempo_chat_node *k = c->macro->d; k != NULL && st == TEMPO_OK; k = k->next, place++) {
        tempo_chat_value v = tempo_chat_undefined(k->text);
        size_t i = place;
        if (i >= c->args->n || c->args->name[i].p != NULL)
            i = find_named(c, k->text);
        if (i < c->args->n) {
            c->used[i] = true;
            v = c->args->v[i];
        } else if (k->a != NULL) {
            st = tempo_chat_eval(s, k->a, &v);
        }
        *own_caller |= tempo_chat_is(k->text, "caller");
        if (st == TEMPO_OK)
            st = tempo_chat_set(s, k->text, &v);
    }
    *n_places = place;
    return st;
}

static tempo_status set_caller(macro_call *c)
{
    const tempo_chat_str name = tempo_chat_literal("caller");
    const size_t i = find_named(c, name);
    const tempo_chat_value v = i < c->args->n ? c->args->v[i] : tempo_chat_undefined(name);

    if (i < c->args->n)
        c->used[i] = true;
    return tempo_chat_set(c->s, name, &v);
}

/* What has no place yet, by place or by name, goes to varargs or kwargs, if the macro reads them. */
static tempo_status set_rest(macro_call *c, size_t n_places)
{
    tempo_chat_state *s = c->s;
    tempo_chat_value varargs, kwargs;
    tempo_status st;

    if ((st = tempo_chat_make(s, TEMPO_VALUE_TUPLE, NULL, 0, &varargs)) != TEMPO_OK ||
        (st = tempo_chat_make_map(s, TEMPO_VALUE_MAP, &kwargs)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < c->args->n && st == TEMPO_OK; i++) {
        const tempo_chat_str name = c->args->name[i];
        const tempo_chat_value key = tempo_chat_text(name);
        if (c->used[i])
            continue;
        if ((c->macro->number & (name.p != NULL ? TEMPO_USES_KWARGS : TEMPO_USES_VARARGS)) == 0)
            return tempo_chat_fail_at(s, c->node, TEMPO_E_ARG,
                                      "the macro '%.*s' takes %zu arguments and no%s '%.*s'",
                                      (int)(c->macro->text.n < 40 ? c->macro->text.n : 40), c->macro->text.p,
                                      n_places, name.p != NULL ? "" : " more",
                                      (int)(name.n < 40 ? name.n : 40), name.p != NULL ? name.p : "");
        st = name.p != NULL ? tempo_chat_map_put(s, c->node, kwargs.map, &key, &c->args->v[i])
                            : tempo_chat_push(s, varargs.list, &c->args->v[i]);
    }
    if (st == TEMPO_OK && (c->macro->number & TEMPO_USES_KWARGS) != 0)
        st = tempo_chat_set(s, tempo_chat_literal("kwargs"), &kwargs);
    if (st == TEMPO_OK && (c->macro->number & TEMPO_USES_VARARGS) != 0)
        st = tempo_chat_set(s, tempo_chat_literal("varargs"), &varargs);
    return st;
}

static tempo_status set_arguments(macro_call *c)
{
    size_t n_places = 0;
    bool own_caller = false;
    tempo_status st = set_parameters(c, &n_places, &own_caller);

    if (st == TEMPO_OK && (c->macro->number & TEMPO_USES_CALLER) != 0 && !own_caller)
        st = set_caller(c);
    return st == TEMPO_OK ? set_rest(c, n_places) : st;
}

tempo_status tempo_chat_call_macro(tempo_chat_state *s, const tempo_chat_node *node,
                                   const tempo_chat_macro *m, const tempo_chat_args *args,
                                   tempo_chat_value *out)
{
    macro_call c = {.s = s, .node = node, .macro = m->node, .args = args};
    tempo_chat_frame *outer = s->frame, *f = tempo_chat_frame_new(s, m->outer);
    const tempo_chat_flow flow = s->flow;
    tempo_status st;

    if (f == NULL)
        return s->heap->failed;
    s->frame = f;
    if ((st = set_arguments(&c)) == TEMPO_OK)
        st = tempo_chat_run_aside(s, m->node->c, f, out);
    s->frame = outer;
    s->flow = flow;
    return st;
}
