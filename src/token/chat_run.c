/* chat_run.c - statements to text: scopes, loops, macros.
 *
 * Names are looked up from the innermost frame outwards.  A for has a frame for each round, a macro one for
 * each call; if has none.  A macro sees its own frame and the outermost one.  */
#include <string.h>

#include "token/chat_state.h"

tempo_status tempo_chat_work(tempo_chat_state *s, const tempo_chat_node *node, size_t n)
{
    s->steps += 1 + n / 256;
    if (s->steps > TEMPO_CHAT_MAX_STEPS)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "rendering takes more than %d steps",
                                  TEMPO_CHAT_MAX_STEPS);
    return TEMPO_OK;
}

tempo_status tempo_chat_deepen(tempo_chat_state *s, const tempo_chat_node *node)
{
    if (++s->depth > TEMPO_CHAT_MAX_DEPTH)
        return tempo_chat_fail_at(s, node, TEMPO_E_LIMIT, "evaluation goes deeper than %d levels",
                                  TEMPO_CHAT_MAX_DEPTH);
    return TEMPO_OK;
}

/* ---- names ---- */

static bool same_name(tempo_chat_str a, tempo_chat_str b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0; /* names are not empty */
}

/* Among the variables [begin, end), the last one; SIZE_MAX if there is none. */
static size_t find(const tempo_chat_state *s, tempo_chat_str name, size_t begin, size_t end)
{
    for (size_t i = end; i-- > begin;)
        if (same_name(s->vars[i].name, name))
            return i;
    return SIZE_MAX;
}

const tempo_chat_value *tempo_chat_lookup(const tempo_chat_state *s, tempo_chat_str name)
{
    size_t i = find(s, name, s->floor, s->n_vars);

    if (i == SIZE_MAX && s->floor > 0)
        i = find(s, name, 0, s->n_globals);
    return i != SIZE_MAX ? &s->vars[i].v : NULL;
}

tempo_status tempo_chat_set(tempo_chat_state *s, tempo_chat_str name, const tempo_chat_value *v)
{
    const size_t i = find(s, name, s->frame, s->n_vars);

    if (i != SIZE_MAX) {
        s->vars[i].v = *v;
        return TEMPO_OK;
    }
    if (s->n_vars == s->cap_vars) {
        const size_t cap = s->cap_vars == 0 ? 32 : 2 * s->cap_vars;
        tempo_chat_variable *vars = tempo_chat_alloc(s->heap, cap * sizeof(*vars));
        if (vars == NULL)
            return s->heap->failed;
        if (s->n_vars > 0)
            memcpy(vars, s->vars, s->n_vars * sizeof(*vars));
        s->vars = vars;
        s->cap_vars = cap;
    }
    s->vars[s->n_vars++] = (tempo_chat_variable){name, *v};
    if (s->frame == 0)
        s->n_globals = s->n_vars;
    return TEMPO_OK;
}

static size_t open_frame(tempo_chat_state *s)
{
    const size_t outer = s->frame;

    s->frame = s->n_vars;
    return outer;
}

static void close_frame(tempo_chat_state *s, size_t outer)
{
    s->n_vars = s->frame;
    s->frame = outer;
}

/* ---- statements ---- */

static tempo_status run_body(tempo_chat_state *s, const tempo_chat_node *list);

static tempo_status write_text(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_str text)
{
    const tempo_status st = tempo_chat_work(s, node, text.n);

    return st == TEMPO_OK ? tempo_chat_append(s->heap, s->out, text) : st;
}

static tempo_status run_print(tempo_chat_state *s, const tempo_chat_node *node)
{
    tempo_chat_value v;
    tempo_chat_str text;
    tempo_status st;

    if ((st = tempo_chat_eval(s, node->a, &v)) != TEMPO_OK ||
        (st = tempo_chat_print(s, node->a, &v, &text)) != TEMPO_OK)
        return st;
    return write_text(s, node, text);
}

static tempo_status run_if(tempo_chat_state *s, const tempo_chat_node *node)
{
    for (;;) {
        tempo_chat_value v;
        const tempo_status st = tempo_chat_eval(s, node->a, &v);
        if (st != TEMPO_OK)
            return st;
        if (tempo_chat_truth(&v))
            return run_body(s, node->b);
        if (node->c == NULL || node->c->type != TEMPO_CHAT_IF || node->c->next != NULL)
            return run_body(s, node->c);
        node = node->c; /* elif */
    }
}

/* Give the names of a for their values. */
static tempo_status set_names(tempo_chat_state *s, const tempo_chat_node *names, const tempo_chat_value *v)
{
    tempo_chat_list list;
    tempo_status st;
    size_t n = 0;

    if (names->next == NULL)
        return tempo_chat_set(s, names->text, v);
    if ((st = tempo_chat_elements(s, names, v, &list)) != TEMPO_OK)
        return st;
    for (const tempo_chat_node *k = names; k != NULL; k = k->next)
        n++;
    if (n != list.n)
        return tempo_chat_fail_at(s, names, TEMPO_E_ARG, "%zu names for %zu values", n, list.n);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++, names = names->next)
        st = tempo_chat_set(s, names->text, &list.v[i]);
    return st;
}

/* The elements for which the condition holds. */
static tempo_status filter(tempo_chat_state *s, const tempo_chat_node *node, tempo_chat_list *items)
{
    tempo_chat_value *kept = tempo_chat_values(s, items->n), holds;
    size_t n = 0;

    if (kept == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < items->n; i++) {
        const size_t outer = open_frame(s);
        tempo_status st = tempo_chat_work(s, node, 0);
        if (st == TEMPO_OK)
            st = set_names(s, node->d, &items->v[i]);
        if (st == TEMPO_OK)
            st = tempo_chat_eval(s, node->b, &holds);
        close_frame(s, outer);
        if (st != TEMPO_OK)
            return st;
        if (tempo_chat_truth(&holds))
            kept[n++] = items->v[i];
    }
    *items = (tempo_chat_list){kept, n};
    return TEMPO_OK;
}

static tempo_status run_round(tempo_chat_state *s, const tempo_chat_node *node, const tempo_chat_loop *loop)
{
    static const tempo_chat_str name = {"loop", NULL, 4};
    const tempo_chat_value value = {.kind = TEMPO_VALUE_LOOP, .loop = loop};
    const size_t outer = open_frame(s);
    tempo_status st = tempo_chat_work(s, node, 0);

    if (st == TEMPO_OK)
        st = tempo_chat_set(s, name, &value);
    if (st == TEMPO_OK)
        st = set_names(s, node->d, &loop->items.v[loop->index]);
    if (st == TEMPO_OK)
        st = run_body(s, node->c);
    close_frame(s, outer);
    return st;
}

static tempo_status run_for(tempo_chat_state *s, const tempo_chat_node *node)
{
    tempo_chat_loop *loop = tempo_chat_alloc(s->heap, sizeof(*loop)); /* a macro or a set may keep it */
    tempo_chat_value v;
    tempo_status st;

    if (loop == NULL)
        return s->heap->failed;
    if ((st = tempo_chat_eval(s, node->a, &v)) != TEMPO_OK ||
        (st = tempo_chat_elements(s, node->a, &v, &loop->items)) != TEMPO_OK ||
        (st = tempo_chat_work(s, node, loop->items.n)) != TEMPO_OK)
        return st;
    if (node->b != NULL && (st = filter(s, node, &loop->items)) != TEMPO_OK)
        return st;
    if (loop->items.n == 0)
        return run_body(s, node->e);
    for (; loop->index < loop->items.n && st == TEMPO_OK && s->flow != TEMPO_FLOW_BREAK; loop->index++) {
        s->flow = TEMPO_FLOW_ON;
        st = run_round(s, node, loop);
    }
    s->flow = TEMPO_FLOW_ON;
    return st;
}

/* A body whose text is a value. */
static tempo_status run_aside(tempo_chat_state *s, const tempo_chat_node *body, tempo_chat_value *out)
{
    tempo_chat_buffer *outer = s->out, b = {0};

    s->out = &b;
    const tempo_status st = run_body(s, body);
    s->out = outer;
    *out = tempo_chat_text(tempo_chat_buffer_str(&b));
    return st;
}

static tempo_status run_set(tempo_chat_state *s, const tempo_chat_node *node)
{
    const tempo_chat_node *target = node->d;
    tempo_chat_value v, object;
    tempo_status st;

    if ((st = node->a != NULL ? tempo_chat_eval(s, node->a, &v) : run_aside(s, node->c, &v)) != TEMPO_OK)
        return st;
    if (target->type == TEMPO_CHAT_NAME)
        return tempo_chat_set(s, target->text, &v);
    if ((st = tempo_chat_eval(s, target->a, &object)) != TEMPO_OK)
        return st;
    if (object.kind != TEMPO_VALUE_NAMESPACE)
        return tempo_chat_fail_at(s, target, TEMPO_E_ARG,
                                  "set can change attributes of a namespace only, this is %s",
                                  tempo_chat_kind_name(&object));
    if ((st = tempo_chat_work(s, target, 16 * object.map->n)) != TEMPO_OK)
        return st;
    return tempo_chat_map_put(s, object.map, target->text, &v);
}

static tempo_status run_one(tempo_chat_state *s, const tempo_chat_node *node)
{
    const tempo_chat_value macro = {.kind = TEMPO_VALUE_MACRO, .macro = node};

    switch (node->type) {
    case TEMPO_CHAT_TEXT:
        return write_text(s, node, node->text);
    case TEMPO_CHAT_PRINT:
        return run_print(s, node);
    case TEMPO_CHAT_IF:
        return run_if(s, node);
    case TEMPO_CHAT_FOR:
        return run_for(s, node);
    case TEMPO_CHAT_SET:
        return run_set(s, node);
    case TEMPO_CHAT_MACRO:
        return tempo_chat_set(s, node->text, &macro);
    case TEMPO_CHAT_GENERATION:
        return run_body(s, node->c);
    default:
        s->flow = node->type == TEMPO_CHAT_BREAK ? TEMPO_FLOW_BREAK : TEMPO_FLOW_CONTINUE;
        return TEMPO_OK;
    }
}

static tempo_status run_body(tempo_chat_state *s, const tempo_chat_node *list)
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

/* ---- macros ---- */

static tempo_status set_parameters(tempo_chat_state *s, const tempo_chat_node *node,
                                   const tempo_chat_node *macro, const tempo_chat_args *args)
{
    size_t used = 0, place = 0;
    tempo_status st = TEMPO_OK;

    for (const tempo_chat_node *k = macro->d; k != NULL && st == TEMPO_OK; k = k->next, place++) {
        tempo_chat_value v = {.kind = TEMPO_VALUE_UNDEFINED, .str = k->text};
        size_t i = place;
        if (i >= args->n || args->name[i].p != NULL)
            for (i = 0; i < args->n && (args->name[i].p == NULL || !same_name(args->name[i], k->text));)
                i++;
        used += i < args->n;
        if (i < args->n)
            v = args->v[i];
        else if (k->a != NULL)
            st = tempo_chat_eval(s, k->a, &v);
        if (st == TEMPO_OK)
            st = tempo_chat_set(s, k->text, &v);
    }
    if (st == TEMPO_OK && used != args->n)
        return tempo_chat_fail_at(s, node, TEMPO_E_ARG,
                                  "the macro '%.*s' has no place for all of these arguments",
                                  (int)(macro->text.n < 40 ? macro->text.n : 40), macro->text.p);
    return st;
}

tempo_status tempo_chat_run_macro(tempo_chat_state *s, const tempo_chat_node *node,
                                  const tempo_chat_node *macro, const tempo_chat_args *args,
                                  tempo_chat_value *out)
{
    const size_t outer = open_frame(s), floor = s->floor;
    const tempo_chat_flow flow = s->flow;

    s->floor = s->frame;
    tempo_status st = set_parameters(s, node, macro, args);
    if (st == TEMPO_OK)
        st = run_aside(s, macro->c, out);
    s->floor = floor;
    s->flow = flow;
    close_frame(s, outer);
    return st;
}

/* ---- the whole ---- */

static tempo_chat_str literal(const char *text)
{
    return (tempo_chat_str){text, NULL, strlen(text)};
}

static tempo_status make_message(tempo_chat_state *s, const tempo_message *m, tempo_chat_value *out)
{
    tempo_chat_map *map = tempo_chat_alloc(s->heap, sizeof(*map));
    tempo_chat_value role = {.kind = TEMPO_VALUE_STR}, content = {.kind = TEMPO_VALUE_STR};
    tempo_status st;

    if (map == NULL)
        return s->heap->failed;
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_MAP, .map = map};
    if ((st = tempo_chat_role(s, m->role, strlen(m->role), &role.str)) != TEMPO_OK ||
        (st = tempo_chat_outside(s, m->content, m->n_content, &content.str)) != TEMPO_OK ||
        (st = tempo_chat_map_put(s, map, literal("role"), &role)) != TEMPO_OK)
        return st;
    return tempo_chat_map_put(s, map, literal("content"), &content);
}

static tempo_status make_messages(tempo_chat_state *s, tempo_chat_value *out)
{
    const size_t n = s->in->n_messages;
    tempo_chat_value *list = tempo_chat_values(s, n);
    tempo_status st = TEMPO_OK;

    if (list == NULL)
        return s->heap->failed;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = make_message(s, &s->in->messages[i], &list[i]);
    *out = (tempo_chat_value){.kind = TEMPO_VALUE_LIST, .list = {list, n}};
    return st;
}

static tempo_status set_json(tempo_chat_state *s, const char *name, const json_t *json)
{
    tempo_chat_value v = {.kind = TEMPO_VALUE_NONE};
    const tempo_status st = json != NULL ? tempo_chat_from_json(s, json, &v) : TEMPO_OK;

    return st == TEMPO_OK ? tempo_chat_set(s, literal(name), &v) : st;
}

static tempo_status set_variables(tempo_chat_state *s)
{
    tempo_chat_value v;
    tempo_status st;

    if (s->in->variables == NULL)
        return TEMPO_OK;
    st = tempo_chat_from_json(s, s->in->variables, &v);
    for (size_t i = 0; st == TEMPO_OK && i < v.map->n; i++)
        if ((st = tempo_chat_work(s, s->p->body, 16 * i)) == TEMPO_OK)
            st = tempo_chat_set(s, v.map->keys[i], &v.map->values[i]);
    return st;
}

/* What Hugging Face gives to a template: tools and documents are there, and none. */
static tempo_status set_inputs(tempo_chat_state *s)
{
    const tempo_chat_input *in = s->in;
    const tempo_chat_value bos = tempo_chat_text(in->bos), eos = tempo_chat_text(in->eos),
                           prompt = tempo_chat_bool(in->add_generation_prompt),
                           think = tempo_chat_bool(in->thinking > 0);
    tempo_chat_value messages;
    tempo_status st = in->conversation != NULL ? tempo_chat_from_messages(s, in->conversation, &messages)
                                               : make_messages(s, &messages);

    if (st != TEMPO_OK || (st = tempo_chat_set(s, literal("messages"), &messages)) != TEMPO_OK ||
        (st = set_json(s, "tools", in->tools)) != TEMPO_OK ||
        (st = set_json(s, "documents", in->documents)) != TEMPO_OK ||
        (st = tempo_chat_set(s, literal("add_generation_prompt"), &prompt)) != TEMPO_OK)
        return st;
    if (in->bos.p != NULL && (st = tempo_chat_set(s, literal("bos_token"), &bos)) != TEMPO_OK)
        return st;
    if (in->eos.p != NULL && (st = tempo_chat_set(s, literal("eos_token"), &eos)) != TEMPO_OK)
        return st;
    if (in->thinking != 0 && (st = tempo_chat_set(s, literal("enable_thinking"), &think)) != TEMPO_OK)
        return st;
    return set_variables(s);
}

tempo_status tempo_chat_run(const tempo_chat_program *p, const tempo_chat_input *in, tempo_chat_heap *h,
                            tempo_chat_str *out, tempo_err *err)
{
    tempo_chat_buffer b = {0};
    tempo_chat_state s = {.p = p, .in = in, .heap = h, .err = err, .out = &b};
    tempo_status st = set_inputs(&s);

    if (st == TEMPO_OK)
        st = run_body(&s, p->body);
    if (st != TEMPO_OK && err != NULL && strncmp(err->msg, p->label, strlen(p->label)) != 0)
        tempo_err_prefix(err, "%s", p->label); /* of memory, which knows no place */
    *out = tempo_chat_buffer_str(&b);
    return st;
}
