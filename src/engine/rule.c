/* rule.c - which slots a selection means: a range, narrowed by what must be looked up slot by slot. */
#include "engine/engine.h"

typedef struct range {
    size_t begin, end;
} range;

static range within(range a, size_t begin, size_t end)
{
    a.begin = a.begin > begin ? a.begin : begin;
    a.end = a.end < end ? a.end : end;
    return a.begin < a.end ? a : (range){0, 0};
}

/* A slot of the prompt; below 0 it counts from the end.  SIZE_MAX: there is none. */
static size_t prompt_slot(int64_t at, size_t n_prompt)
{
    const int64_t i = at < 0 ? at + (int64_t)n_prompt : at;

    return i >= 0 && (uint64_t)i < n_prompt ? (size_t)i : SIZE_MAX;
}

static range prompt_range(const tempo_slot_rule *rule, size_t n_prompt)
{
    const size_t first = prompt_slot(rule->at_first, n_prompt), last = prompt_slot(rule->at_last, n_prompt);

    if (first == SIZE_MAX || last == SIZE_MAX || last < first)
        return (range){0, 0};
    return (range){first, last + 1};
}

static bool is_member(const tempo_slot_rule *rule, size_t at)
{
    return at >= rule->member_first && at <= rule->member_last;
}

/* ---- rows ---- */

bool tempo_rule_has_row(const tempo_slot_rule *rule, const tempo_row_plan *p)
{
    const size_t n_prompt = p->seq->n_prompt, slot = p->slot;

    if ((rule->prompt && slot >= n_prompt) || (rule->generated && slot < n_prompt) ||
        (rule->first && slot != 0) || (rule->token && p->token != rule->token_id) ||
        (rule->member && !is_member(rule, slot - p->n_prev)) ||
        (rule->set && (p->set < rule->set_first || p->set > rule->set_last)))
        return false;
    if (!rule->at)
        return true;
    const range at = prompt_range(rule, n_prompt);
    return slot >= at.begin && slot < at.end;
}

/* ---- slots that a row looks at ---- */

/* Of a slot of row r's sequence, those of this batch included. */
static uint32_t set_of(const tempo_engine *e, size_t r, size_t slot)
{
    const tempo_row_plan *p = &e->plan[r];

    if (slot < p->seq->n_slots)
        return p->seq->slots[slot].set;
    return e->plan[r - p->slot + slot].set; /* rows of a sequence stand together, in slot order */
}

static int32_t token_of(const tempo_engine *e, size_t r, size_t slot)
{
    const tempo_row_plan *p = &e->plan[r];

    if (slot < p->seq->n_slots)
        return p->seq->slots[slot].token;
    return e->plan[r - p->slot + slot].token;
}

/* The first slot below `end` whose set is `set` or later. */
static size_t begin_of_set(const tempo_engine *e, size_t r, uint32_t set, size_t end)
{
    size_t low = 0;

    while (low < end) {
        const size_t mid = low + (end - low) / 2;
        if (set_of(e, r, mid) < set)
            low = mid + 1;
        else
            end = mid;
    }
    return low;
}

static range range_of(const tempo_slot_rule *rule, const tempo_engine *e, size_t r, size_t end)
{
    const tempo_row_plan *p = &e->plan[r];
    range a = {0, end};

    if (rule->prompt)
        a = within(a, 0, p->seq->n_prompt);
    if (rule->generated)
        a = within(a, p->seq->n_prompt, end);
    if (rule->at) {
        const range at = prompt_range(rule, p->seq->n_prompt);
        a = within(a, at.begin, at.end);
    }
    if (rule->self)
        a = within(a, p->slot, p->slot + 1);
    if (rule->first)
        a = within(a, 0, 1);
    if (rule->siblings)
        a = within(a, p->n_prev, end);
    if (rule->previous)
        a = p->n_prev > 0 ? within(a, begin_of_set(e, r, p->set - 1, p->n_prev), p->n_prev) : (range){0, 0};
    if (rule->set)
        a = within(a, begin_of_set(e, r, rule->set_first, end),
                   rule->set_last == UINT32_MAX ? end : begin_of_set(e, r, rule->set_last + 1, end));
    return a;
}

static void mark(uint64_t *bits, size_t slot, bool in)
{
    const uint64_t bit = UINT64_C(1) << slot % 64;

    bits[slot / 64] = in ? bits[slot / 64] | bit : bits[slot / 64] & ~bit;
}

bool tempo_rule_is_lookup(const tempo_slot_rule *rule)
{
    return (rule->member || rule->token) && !rule->self && !rule->siblings && !rule->previous;
}

void tempo_rule_mark(const tempo_slot_rule *rule, const tempo_engine *e, size_t r, size_t from, size_t end,
                     uint64_t *bits, bool in)
{
    const range a = within(range_of(rule, e, r, end), from, end);
    size_t begin = a.begin; /* of the set of the slot at hand, for member */

    if (rule->member && a.begin < a.end)
        begin = begin_of_set(e, r, set_of(e, r, a.begin), a.begin);
    for (size_t slot = a.begin; slot < a.end; slot++) {
        if (rule->member && slot > begin && set_of(e, r, slot) != set_of(e, r, begin))
            begin = slot;
        if ((rule->siblings && slot == e->plan[r].slot) || (rule->member && !is_member(rule, slot - begin)) ||
            (rule->token && token_of(e, r, slot) != rule->token_id))
            continue;
        mark(bits, slot, in);
    }
}
