/* method_part.c - methods of strings that look for parts, take them or cut there. */
#include <string.h>

#include "chat/builtin/method.h"

/* ---- looking ---- */

/* What such a method looks in: v[1] and v[2] are where it begins and ends, as in a slice. */
typedef struct place {
    tempo_chat_str text, what;
    size_t skipped; /* characters in front of text */
    bool beyond;    /* it begins behind the end: nothing is there, not even nothing */
} place;

static tempo_status read_bound(tempo_chat_call *c, size_t i, int64_t n, int64_t *out)
{
    if (!tempo_chat_arg_some(c, i))
        return TEMPO_OK;
    const tempo_status st = tempo_chat_arg_int(c, i, out);
    if (*out < 0)
        *out = *out < -n ? 0 : *out + n;
    return st;
}

static tempo_status read_place(tempo_chat_call *c, place *p)
{
    const int64_t n = (int64_t)tempo_chat_length(c->self.str);
    int64_t begin = 0, end = n;
    tempo_status st;

    if ((st = tempo_chat_work(c->s, c->node, c->self.str.n)) != TEMPO_OK ||
        (st = read_bound(c, 1, n, &begin)) != TEMPO_OK || (st = read_bound(c, 2, n, &end)) != TEMPO_OK)
        return st;
    end = end > n ? n : end;
    p->beyond = begin > end;
    begin = begin > end ? end : begin;
    p->skipped = (size_t)begin;
    p->text = tempo_chat_part(c->self.str, tempo_chat_offset(c->self.str, (size_t)begin),
                              tempo_chat_offset(c->self.str, (size_t)end));
    return TEMPO_OK;
}

static tempo_status find(tempo_chat_call *c, bool last, bool needed)
{
    place p = {.what = {"", NULL, 0}};
    size_t at = SIZE_MAX;
    tempo_status st;

    if ((st = read_place(c, &p)) != TEMPO_OK || (st = tempo_chat_arg_str(c, 0, &p.what)) != TEMPO_OK)
        return st;
    if (last && p.what.n > 0) {
        tempo_chat_str text, what;
        if ((st = tempo_chat_reversed(c->s->heap, p.text, &text)) != TEMPO_OK ||
            (st = tempo_chat_reversed(c->s->heap, p.what, &what)) != TEMPO_OK)
            return st;
        at = tempo_chat_search(text, what, 0);
        at = at == SIZE_MAX ? at : text.n - at - what.n;
    } else if (!p.beyond) {
        at = last ? p.text.n : tempo_chat_search(p.text, p.what, 0);
    }
    if (at == SIZE_MAX && needed)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: the text has no such part", c->name);
    *c->out = tempo_chat_int(
        at == SIZE_MAX ? -1 : (int64_t)(p.skipped + tempo_chat_length(tempo_chat_part(p.text, 0, at))));
    return TEMPO_OK;
}

static tempo_status str_find(tempo_chat_call *c)
{
    return find(c, false, false);
}

static tempo_status str_rfind(tempo_chat_call *c)
{
    return find(c, true, false);
}

static tempo_status str_index(tempo_chat_call *c)
{
    return find(c, false, true);
}

static tempo_status str_rindex(tempo_chat_call *c)
{
    return find(c, true, true);
}

static tempo_status str_count(tempo_chat_call *c)
{
    place p = {.what = {"", NULL, 0}};
    int64_t n = 0;
    tempo_status st;

    if ((st = read_place(c, &p)) != TEMPO_OK || (st = tempo_chat_arg_str(c, 0, &p.what)) != TEMPO_OK)
        return st;
    if (p.what.n == 0)
        n = p.beyond ? 0 : (int64_t)tempo_chat_length(p.text) + 1;
    else
        for (size_t at = 0; (at = tempo_chat_search(p.text, p.what, at)) != SIZE_MAX; at += p.what.n)
            n++;
    *c->out = tempo_chat_int(n);
    return TEMPO_OK;
}

/* One string, or one of a tuple of them. */
static tempo_status at_end(tempo_chat_call *c, bool (*holds)(tempo_chat_str, tempo_chat_str))
{
    place p = {.what = {"", NULL, 0}};
    tempo_chat_span items = {&c->v[0], 1};
    bool yes = false;
    tempo_status st = read_place(c, &p);

    if (st == TEMPO_OK && c->v[0].kind == TEMPO_VALUE_TUPLE)
        st = tempo_chat_elements(c->s, c->node, &c->v[0], &items);
    for (size_t i = 0; i < items.n && st == TEMPO_OK; i++) {
        if (items.v[i].kind != TEMPO_VALUE_STR)
            return tempo_chat_wrong_arg(c, 0, "a string or a tuple of strings");
        yes |= !p.beyond && holds(p.text, items.v[i].str);
        st = tempo_chat_work(c->s, c->node, items.v[i].str.n);
    }
    return st == TEMPO_OK ? tempo_chat_give_bool(c, yes) : st;
}

static tempo_status str_startswith(tempo_chat_call *c)
{
    return at_end(c, tempo_chat_begins);
}

static tempo_status str_endswith(tempo_chat_call *c)
{
    return at_end(c, tempo_chat_ends);
}

static tempo_status str_removeprefix(tempo_chat_call *c)
{
    tempo_chat_str what = {"", NULL, 0};
    const tempo_status st = tempo_chat_arg_str(c, 0, &what);
    const bool there = tempo_chat_begins(c->self.str, what);

    return st == TEMPO_OK
               ? tempo_chat_give(c, tempo_chat_part(c->self.str, there ? what.n : 0, c->self.str.n))
               : st;
}

static tempo_status str_removesuffix(tempo_chat_call *c)
{
    tempo_chat_str what = {"", NULL, 0};
    const tempo_status st = tempo_chat_arg_str(c, 0, &what);
    const bool there = tempo_chat_ends(c->self.str, what);

    return st == TEMPO_OK
               ? tempo_chat_give(c, tempo_chat_part(c->self.str, 0, c->self.str.n - (there ? what.n : 0)))
               : st;
}

/* ---- cutting ---- */

static tempo_status add_part(tempo_chat_call *c, tempo_chat_str part)
{
    tempo_chat_value v = tempo_chat_text(part);
    const tempo_status st = tempo_chat_work(c->s, c->node, 0);

    v.which = c->self.which;
    return st == TEMPO_OK ? tempo_chat_push(c->s, c->out->list, &v) : st;
}

/* Parts that were found from the end stand in the other order. */
static void turn_round(tempo_chat_list *list)
{
    for (size_t i = 0; i < list->n / 2; i++) {
        const tempo_chat_value swap = list->v[i];
        list->v[i] = list->v[list->n - 1 - i];
        list->v[list->n - 1 - i] = swap;
    }
}

/* At white space; there are no empty parts.  What is left after `most` cuts keeps the white space of its far
 * end. */
static tempo_status split_space(tempo_chat_call *c, bool right, size_t most)
{
    tempo_chat_str text = tempo_chat_strip(c->self.str, NULL, !right, right);
    tempo_status st = TEMPO_OK;

    while (text.n > 0 && st == TEMPO_OK) {
        size_t at = right ? text.n : 0;
        if (most-- == 0) {
            st = add_part(c, text);
            break;
        }
        while (!right && at < text.n && !tempo_chat_is_space(tempo_chat_decode(text.p + at)))
            at += tempo_chat_char_len(text.p[at]);
        while (right && at > 0) {
            size_t before = at - 1;
            while (((unsigned char)text.p[before] & 0xc0) == 0x80)
                before--;
            if (tempo_chat_is_space(tempo_chat_decode(text.p + before)))
                break;
            at = before;
        }
        st = add_part(c, right ? tempo_chat_part(text, at, text.n) : tempo_chat_part(text, 0, at));
        text = right ? tempo_chat_part(text, 0, at) : tempo_chat_part(text, at, text.n);
        text = tempo_chat_strip(text, NULL, !right, right);
    }
    return st;
}

static tempo_status split_at(tempo_chat_call *c, tempo_chat_str sep, size_t most)
{
    const tempo_chat_str text = c->self.str;
    size_t from = 0, at;
    tempo_status st = TEMPO_OK;

    for (; most > 0 && st == TEMPO_OK && (at = tempo_chat_search(text, sep, from)) != SIZE_MAX; most--) {
        st = add_part(c, tempo_chat_part(text, from, at));
        from = at + sep.n;
    }
    return st == TEMPO_OK ? add_part(c, tempo_chat_part(text, from, text.n)) : st;
}

static tempo_status split_at_right(tempo_chat_call *c, tempo_chat_str sep, size_t most)
{
    const tempo_chat_str text = c->self.str;
    tempo_chat_str back, back_sep;
    size_t from = 0, at; /* counted from the end */
    tempo_status st;

    if ((st = tempo_chat_reversed(c->s->heap, text, &back)) != TEMPO_OK ||
        (st = tempo_chat_reversed(c->s->heap, sep, &back_sep)) != TEMPO_OK)
        return st;
    for (; most > 0 && st == TEMPO_OK && (at = tempo_chat_search(back, back_sep, from)) != SIZE_MAX; most--) {
        st = add_part(c, tempo_chat_part(text, text.n - at, text.n - from));
        from = at + sep.n;
    }
    return st == TEMPO_OK ? add_part(c, tempo_chat_part(text, 0, text.n - from)) : st;
}

static tempo_status split(tempo_chat_call *c, bool right)
{
    tempo_chat_str sep = {"", NULL, 0};
    int64_t most = -1;
    const bool space = !tempo_chat_arg_some(c, 0);
    tempo_status st;

    if ((!space && (st = tempo_chat_arg_str(c, 0, &sep)) != TEMPO_OK) ||
        (st = tempo_chat_arg_int(c, 1, &most)) != TEMPO_OK ||
        (st = tempo_chat_work(c->s, c->node, c->self.str.n)) != TEMPO_OK ||
        (st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, NULL, 0, c->out)) != TEMPO_OK)
        return st;
    if (!space && sep.n == 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: the separator is empty", c->name);
    const size_t limit = most < 0 ? SIZE_MAX : (size_t)most;
    st = space   ? split_space(c, right, limit)
         : right ? split_at_right(c, sep, limit)
                 : split_at(c, sep, limit);
    if (right)
        turn_round(c->out->list);
    return st;
}

static tempo_status str_split(tempo_chat_call *c)
{
    return split(c, false);
}

static tempo_status str_rsplit(tempo_chat_call *c)
{
    return split(c, true);
}

static tempo_status str_splitlines(tempo_chat_call *c)
{
    const bool keep = tempo_chat_arg_true(c, 0);
    const tempo_chat_str text = c->self.str;
    tempo_status st;

    if ((st = tempo_chat_work(c->s, c->node, text.n)) != TEMPO_OK ||
        (st = tempo_chat_make(c->s, TEMPO_VALUE_LIST, NULL, 0, c->out)) != TEMPO_OK)
        return st;
    for (size_t at = 0, n, end; at < text.n && st == TEMPO_OK; at += n + end) {
        n = tempo_chat_line(text, at, &end);
        st = add_part(c, tempo_chat_part(text, at, at + n + (keep ? end : 0)));
    }
    return st;
}

/* (before, sep, after); without sep the text and two empty strings, on the side where it is looked for first.
 */
static tempo_status partition(tempo_chat_call *c, bool right)
{
    const tempo_chat_str text = c->self.str, empty = {"", NULL, 0};
    tempo_chat_str sep = empty, back, back_sep;
    tempo_chat_value *v;
    size_t at;
    tempo_status st;

    if ((st = tempo_chat_arg_str(c, 0, &sep)) != TEMPO_OK ||
        (st = tempo_chat_work(c->s, c->node, text.n)) != TEMPO_OK)
        return st;
    if (sep.n == 0)
        return tempo_chat_call_fail(c, TEMPO_E_ARG, "%s: the separator is empty", c->name);
    if (right && ((st = tempo_chat_reversed(c->s->heap, text, &back)) != TEMPO_OK ||
                  (st = tempo_chat_reversed(c->s->heap, sep, &back_sep)) != TEMPO_OK))
        return st;
    at = right ? tempo_chat_search(back, back_sep, 0) : tempo_chat_search(text, sep, 0);
    if (right && at != SIZE_MAX)
        at = text.n - at - sep.n;
    if ((v = tempo_chat_values(c->s, 3)) == NULL)
        return c->s->heap->failed;
    const bool none = at == SIZE_MAX;
    v[0] = tempo_chat_text(!none ? tempo_chat_part(text, 0, at) : right ? empty : text);
    v[1] = tempo_chat_text(!none ? tempo_chat_part(text, at, at + sep.n) : empty);
    v[2] = tempo_chat_text(!none ? tempo_chat_part(text, at + sep.n, text.n) : right ? text : empty);
    for (size_t i = 0; i < 3; i++)
        v[i].which = c->self.which;
    return tempo_chat_make(c->s, TEMPO_VALUE_TUPLE, v, 3, c->out);
}

static tempo_status str_partition(tempo_chat_call *c)
{
    return partition(c, false);
}

static tempo_status str_rpartition(tempo_chat_call *c)
{
    return partition(c, true);
}

const tempo_chat_callable tempo_chat_part_methods[] = {
    {"find", "sub|start,end", str_find},
    {"rfind", "sub|start,end", str_rfind},
    {"index", "sub|start,end", str_index},
    {"rindex", "sub|start,end", str_rindex},
    {"count", "sub|start,end", str_count},
    {"startswith", "prefix|start,end", str_startswith},
    {"endswith", "suffix|start,end", str_endswith},
    {"removeprefix", "prefix", str_removeprefix},
    {"removesuffix", "suffix", str_removesuffix},
    {"split", "|sep,maxsplit", str_split},
    {"rsplit", "|sep,maxsplit", str_rsplit},
    {"splitlines", "|keepends", str_splitlines},
    {"partition", "sep", str_partition},
    {"rpartition", "sep", str_rpartition},
    {NULL, NULL, NULL},
};
