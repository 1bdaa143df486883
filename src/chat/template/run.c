/* run.c - statements to text: scopes, conditions, loops, blocks.
 *
 * Names are looked up from the innermost scope outwards.  A for has a scope for each round, a macro one for
 * each call; if has none.  A macro sees the scopes around the place where it was written.  */
#include <string.h>

#include "chat/builtin/call.h"

tempo_status tempo_chat_work(tempo_chat_state *s, const tempo_chat_node *node, size_t n)
{
    s->steps += 1 + n / 256;
    if (s->steps > TEMPO_CHAT_MAX_STEPS)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "rendering takes more than %d steps",
                                  TEMPO_CHAT_MAX_STEPS);
    return TEMPO_OK;
}

tempo_status tempo_chat_too_deep(const tempo_chat_state *s, const tempo_chat_node *node)
{
    return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "more than %d lists inside one another",
                              TEMPO_CHAT_MAX_VALUES);
}

tempo_status tempo_chat_deepen(tempo_chat_state *s, const tempo_chat_node *node)
{
    if (++s->depth > TEMPO_CHAT_MAX_DEPTH)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "evaluation goes deeper than %d levels",
                                  TEMPO_CHAT_MAX_DEPTH);
    return TEMPO_OK;
}

/* ---- names ---- */

static tempo_chat_variable *find(tempo_chat_state *s, const tempo_chat_frame *f, tempo_chat_str name)
{
    s->steps += f->n / 16;
    for (size_t i = f->n; i-- > 0;)
        if (tempo_chat_same(f->vars[i].name, name))
            return &f->vars[i];
    return NULL;
}

const tempo_chat_value *tempo_chat_lookup(tempo_chat_state *s, tempo_chat_str name)
{
    const tempo_chat_variable *v = NULL;

    for (const tempo_chat_frame *f = s->frame; f != NULL && v == NULL; f = f->outer)
        v = find(s, f, name);
    return v != NULL ? &v->v : NULL;
}

tempo_status tempo_chat_set(tempo_chat_state *s, tempo_chat_str name, const tempo_chat_value *v)
{
    tempo_chat_frame *f = s->frame;
    tempo_chat_variable *there = find(s, f, name);

    if (there != NULL) {
        there->v = *v;
        return TEMPO_OK;
    }
    if (f->n == f->cap) {
        const size_t cap = f->cap == 0 ? 4 : 2 * f->cap;
        tempo_chat_variable *vars = tempo_chat_alloc(s->heap, cap * sizeof(*vars));
        if (vars == NULL)
            return s->heap->failed;
        if (f->n > 0)
            memcpy(vars, f->vars, f->n * sizeof(*vars));
        f->vars = vars;
        f->cap = cap;
    }
    f->vars[f->n++] = (tempo_chat_variable){name, *v};
    return TEMPO_OK;
}

tempo_chat_frame *tempo_chat_frame_new(tempo_chat_state *s, tempo_chat_frame *outer)
{
    tempo_chat_frame *f = tempo_chat_alloc(s->heap, sizeof(*f));

    if (f != NULL)
        f->outer = outer;
    return f;
}

void tempo_chat_frame_keep(tempo_chat_frame *f)
{
    for (; f != NULL && !f->kept; f = f->outer)
        f->kept = true;
}

static tempo_status assign_attribute(tempo_chat_state *s, const tempo_chat_node *target,
                                     const tempo_chat_value *v)
{
    const tempo_chat_value name = tempo_chat_text(target->text);
    tempo_chat_value object;
    const tempo_status st = tempo_chat_eval(s, target->a, &object);

    if (st != TEMPO_OK)
        return st;
    if (object.kind != TEMPO_VALUE_NAMESPACE)
        return tempo_chat_fail_at(s, target, TEMPO_E_ARG,
                                  "set can change attributes of a namespace only, this is %s",
                                  tempo_chat_kind_name(&object));
    return tempo_chat_map_put(s, target, object.map, &name, v);
}

tempo_status tempo_chat_assign(tempo_chat_state *s, const tempo_chat_node *target, const tempo_chat_value *v)
{
    tempo_chat_span items;
    tempo_status st;
    size_t n = 0;

    if (target->type == TEMPO_CHAT_NAME)
        return tempo_chat_set(s, target->text, v);
    if (target->type == TEMPO_CHAT_ATTRIBUTE)
        return assign_attribute(s, target, v);
    if ((st = tempo_chat_elements(s, target, v, &items)) != TEMPO_OK)
        return st;
    for (const tempo_chat_node *k = target->a; k != NULL; k = k->next)
        n++;
    if (n != items.n)
        return tempo_chat_fail_at(s, target, TEMPO_E_ARG, "%zu names for %zu values", n, items.n);
    n = 0;
    for (const tempo_chat_node *k = target->a; k != NULL && st == TEMPO_OK; k = k->next)
        st = tempo_chat_assign(s, k, &items.v[n++]);
    return st;
}

/* ---- bodies ---- */

/* A body in this scope. */
static tempo_status run_in(tempo_chat_state *s, const tempo_chat_node *body, tempo_chat_frame *f)
{
    tempo_chat_frame *outer = s->frame;

    if (f == NULL)
        return s->heap->failed;
    s->frame = f;
    const tempo_status st = tempo_chat_run_body(s, body);
    s->frame = outer;
    return st;
}

tempo_status tempo_chat_run_aside(tempo_chat_state *s, const tempo_chat_node *body, tempo_chat_frame *f,
                                  tempo_chat_value *out)
{
    tempo_chat_buffer *outer = s->out, b = {0};

    s->out = &b;
    const tempo_status st = run_in(s, body, f);
    s->out = outer;
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

static tempo_status write_text(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text)
{
    const tempo_status st = tempo_chat_work(s, node, text.n);

    return st == TEMPO_OK ? tempo_chat_append(s->heap, s->out, text) : st;
}

static tempo_status write_value(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_value *v)
{
    tempo_chat_str text;
    const tempo_status st = tempo_chat_print(s, node, v, &text);

    return st == TEMPO_OK ? write_text(s, node, text) : st;
}

/* ---- conditions and loops ---- */

static tempo_status run_if(tempo_chat_state *s, const tempo_chat_node *node)
{
    for (;;) {
        tempo_chat_value v;
        const tempo_status st = tempo_chat_eval(s, node->a, &v);
        if (st != TEMPO_OK)
            return st;
        if (tempo_chat_truth(&v))
            return tempo_chat_run_body(s, node->b);
        if (node->c == NULL || node->c->type != TEMPO_CHAT_IF || node->c->next != NULL)
            return tempo_chat_run_body(s, node->c);
        node = node->c; /* elif */
    }
}

/* The elements for which the condition holds. */
static tempo_status filter(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_span *items)
{
    tempo_chat_value *kept = tempo_chat_values(s, items->n), holds;
    tempo_chat_frame *outer = s->frame, *f = tempo_chat_frame_new(s, outer);
    size_t n = 0;
    tempo_status st = TEMPO_OK;

    if (kept == NULL || f == NULL)
        return s->heap->failed;
    s->frame = f;
    for (size_t i = 0; i < items->n && st == TEMPO_OK; i++) {
        if ((st = tempo_chat_work(s, node, 0)) != TEMPO_OK ||
            (st = tempo_chat_assign(s, node->d, &items->v[i])) != TEMPO_OK ||
            (st = tempo_chat_eval(s, node->b, &holds)) != TEMPO_OK)
            break;
        if (tempo_chat_truth(&holds))
            kept[n++] = items->v[i];
    }
    s->frame = outer;
    *items = (tempo_chat_span){kept, n};
    return st;
}

static tempo_status run_round(tempo_chat_state *s, tempo_chat_loop *loop)
{
    const tempo_chat_value value = {.kind = TEMPO_VALUE_LOOP, .loop = loop};
    const tempo_chat_node *node = loop->node;
    tempo_status st = tempo_chat_work(s, node, 0);

    if (st == TEMPO_OK)
        st = tempo_chat_set(s, tempo_chat_literal("loop"), &value);
    if (st == TEMPO_OK)
        st = tempo_chat_assign(s, node->d, &loop->items.v[loop->index]);
    return st == TEMPO_OK ? tempo_chat_run_body(s, node->c) : st;
}

static tempo_status run_rounds(tempo_chat_state *s, tempo_chat_loop *loop)
{
    tempo_chat_frame *f = tempo_chat_frame_new(s, loop->outer);
    tempo_status st = TEMPO_OK;

    for (; f != NULL && loop->index < loop->items.n && st == TEMPO_OK && s->flow != TEMPO_FLOW_BREAK;
         loop->index++) {
        if (f->kept && (f = tempo_chat_frame_new(s, loop->outer)) == NULL)
            break;
        f->n = 0;
        s->frame = f;
        s->flow = TEMPO_FLOW_ON;
        st = run_round(s, loop);
    }
    s->flow = TEMPO_FLOW_ON;
    return f != NULL ? st : s->heap->failed;
}

tempo_status tempo_chat_run_loop(tempo_chat_state *s, const tempo_chat_node *node,
                                 const tempo_chat_value *items, tempo_chat_frame *outer, size_t depth)
{
    tempo_chat_loop *loop = tempo_chat_alloc(s->heap, sizeof(*loop)); /* a macro or a set may keep it */
    tempo_chat_frame *here = s->frame;
    tempo_status st;

    if (loop == NULL)
        return s->heap->failed;
    *loop = (tempo_chat_loop){.node = node, .outer = outer, .depth = depth};
    s->frame = outer;
    if ((st = tempo_chat_elements(s, node->a, items, &loop->items)) == TEMPO_OK &&
        (st = tempo_chat_work(s, node, loop->items.n)) == TEMPO_OK && node->b != NULL)
        st = filter(s, node, &loop->items);
    if (st == TEMPO_OK && loop->items.n == 0)
        st = node->e != NULL ? run_in(s, node->e, tempo_chat_frame_new(s, outer)) : TEMPO_OK;
    else if (st == TEMPO_OK)
        st = run_rounds(s, loop);
    s->frame = here;
    return st;
}

static tempo_status run_for(tempo_chat_state *s, const tempo_chat_node *node)
{
    tempo_chat_value v;
    const tempo_status st = tempo_chat_eval(s, node->a, &v);

    if (node->number != 0) /* the loop may be called from anywhere */
        tempo_chat_frame_keep(s->frame);
    return st == TEMPO_OK ? tempo_chat_run_loop(s, node, &v, s->frame, 0) : st;
}

/* ---- blocks ---- */

/* A body's text, put through filters. */
static tempo_status run_filtered(tempo_chat_state *s, const tempo_chat_node *body,
                                 const tempo_chat_node *filters, tempo_chat_value *out)
{
    const tempo_chat_value *outer = s->piped;
    tempo_chat_value text;
    tempo_status st = tempo_chat_run_aside(s, body, tempo_chat_frame_new(s, s->frame), &text);

    *out = text;
    if (st != TEMPO_OK || filters == NULL)
        return st;
    s->piped = &text;
    st = tempo_chat_eval(s, filters, out);
    s->piped = outer;
    return st;
}

static tempo_status run_set(tempo_chat_state *s, const tempo_chat_node *node)
{
    tempo_chat_value v;
    const tempo_status st =
        node->a != NULL ? tempo_chat_eval(s, node->a, &v) : run_filtered(s, node->c, node->b, &v);

    return st == TEMPO_OK ? tempo_chat_assign(s, node->d, &v) : st;
}

static tempo_status run_with(tempo_chat_state *s, const tempo_chat_node *node)
{
    tempo_chat_frame *outer = s->frame, *f = tempo_chat_frame_new(s, outer);
    tempo_chat_value v;
    tempo_status st = TEMPO_OK;

    if (f == NULL)
        return s->heap->failed;
    for (const tempo_chat_node *k = node->d; k != NULL && st == TEMPO_OK; k = k->next) {
        if ((st = tempo_chat_eval(s, k->a, &v)) != TEMPO_OK)
            break;
        s->frame = f;
        st = tempo_chat_assign(s, k->d, &v);
        s->frame = outer;
    }
    return st == TEMPO_OK ? run_in(s, node->c, f) : st;
}

static tempo_status run_call_block(tempo_chat_state *s, const tempo_chat_node *node)
{
    const tempo_chat_node *call = node->a;
    tempo_chat_value caller, f, v;
    tempo_chat_args args;
    tempo_status st;

    if ((st = tempo_chat_make_macro(s, node, &caller)) != TEMPO_OK ||
        (st = tempo_chat_eval(s, call->a, &f)) != TEMPO_OK ||
        (st = tempo_chat_eval_args(s, call->b, &caller, &args)) != TEMPO_OK ||
        (st = tempo_chat_call_value(s, call, &f, &args, &v)) != TEMPO_OK)
        return st;
    return write_value(s, node, &v);
}

/* ---- statements ---- */

/* Those with a value: a. */
static tempo_status run_valued(tempo_chat_state *s, const tempo_chat_node *node)
{
    tempo_chat_value v;
    const tempo_status st = tempo_chat_eval(s, node->a, &v);

    if (st != TEMPO_OK || node->type == TEMPO_CHAT_DO)
        return st;
    if (node->type == TEMPO_CHAT_PRINT)
        return write_value(s, node->a, &v);
    if (tempo_chat_truth(&v)) /* TEMPO_CHAT_AUTOESCAPE */
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "autoescape is not supported");
    return run_in(s, node->c, tempo_chat_frame_new(s, s->frame));
}

static tempo_status run_one(tempo_chat_state *s, const tempo_chat_node *node)
{
    tempo_chat_value v;
    tempo_status st;

    switch (node->type) {
    case TEMPO_CHAT_TEXT:
        return write_text(s, node, node->text);
    case TEMPO_CHAT_PRINT:
    case TEMPO_CHAT_DO:
    case TEMPO_CHAT_AUTOESCAPE:
        return run_valued(s, node);
    case TEMPO_CHAT_IF:
        return run_if(s, node);
    case TEMPO_CHAT_FOR:
        return run_for(s, node);
    case TEMPO_CHAT_SET:
        return run_set(s, node);
    case TEMPO_CHAT_MACRO:
        return (st = tempo_chat_make_macro(s, node, &v)) == TEMPO_OK ? tempo_chat_set(s, node->text, &v) : st;
    case TEMPO_CHAT_CALL_BLOCK:
        return run_call_block(s, node);
    case TEMPO_CHAT_FILTER_BLOCK:
        return (st = run_filtered(s, node->c, node->a, &v)) == TEMPO_OK ? write_value(s, node, &v) : st;
    case TEMPO_CHAT_WITH:
        return run_with(s, node);
    case TEMPO_CHAT_SCOPE:
        return run_in(s, node->c, tempo_chat_frame_new(s, s->frame));
    case TEMPO_CHAT_BLOCK:
        return run_in(s, node->c, tempo_chat_frame_new(s, node->number != 0 ? s->frame : &s->root));
    case TEMPO_CHAT_REFUSED:
        return tempo_chat_fail_at(s, node, TEMPO_E_UNSUPPORTED, "the tag {%% %.*s %%} is not supported",
                                  (int)node->text.n, node->text.p);
    default:
        s->flow = node->type == TEMPO_CHAT_BREAK ? TEMPO_FLOW_BREAK : TEMPO_FLOW_CONTINUE;
        return TEMPO_OK;
    }
}

tempo_status tempo_chat_run_body(tempo_chat_state *s, const tempo_chat_node *list)
{
    tempo_status st;

    if (list == NULL)
        return TEMPO_OK;
    if ((st = tempo_chat_deepen(s, list)) != TEMPO_OK)
        return st;
    for (; list != NULL && st == TEMPO_OK && s->flow == TEMPO_FLOW_ON; list = list->next)
        if ((st = tempo_chat_work(s, list, 0)) == TEMPO_OK)
            st = run_one(s, list);
    s->depth--;
    return st;
}

tempo_status tempo_chat_run(const tempo_chat_program *p, const tempo_chat_input *in, tempo_chat_heap *h,
                            tempo_chat_str *out, tempo_err *err)
{
    tempo_chat_buffer b = {0};
    tempo_chat_state s = {.p = p, .in = in, .heap = h, .err = err, .out = &b};
    tempo_status st;

    s.frame = &s.root;
    if ((st = tempo_chat_set_inputs(&s)) == TEMPO_OK)
        st = tempo_chat_run_body(&s, p->body);
    if (st != TEMPO_OK)
        tempo_err_prefix_first(err, p->label, "%s", p->label); /* of memory, which knows no place */
    *out = tempo_chat_buffer_str(&b);
    return st;
}
