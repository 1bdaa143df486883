/* regex_match.c - running a program over a text.
 *
 * Backtracking with an explicit stack.  Whether the rest of a program matches from a place depends on nothing
 * but the two (groups do not capture), so once a text has taken much work, each choice that failed at a place
 * is remembered and not tried there again; every (choice, place) then fails at most once in a text.  Loops
 * over what may match nothing break that rule, by the turn's beginning: patterns with such loops are only
 * bounded by the limit on steps.  */
#include <stdlib.h>
#include <string.h>

#include "text/regex_parts.h"

enum {
    SOFT_STEPS = 64,   /* for each byte, until failures are remembered */
    HARD_STEPS = 1000, /* for each byte, until it is too much */
    FREE_BYTES = 4096, /* which all texts together have in addition */
    MEMORY_BITS = 1u << 30,
};

typedef enum frame_kind {
    FRAME_CHOICE, /* alternatives `a` (bits) at `at` */
    FRAME_RUN,    /* go on behind the run, one character less than `at`, not before `a` */
    FRAME_LAZY,   /* one character more, at most `a` */
    FRAME_SLOT,   /* slot `pc` was `a` */
    FRAME_FAILED, /* what is above has failed at `at`: remember it */
} frame_kind;

typedef struct tempo_frame {
    uint32_t kind, pc;
    uint64_t a;
    size_t at;
} tempo_frame;

typedef enum outcome { FAILS, MATCHES, TOO_MUCH, NO_MEMORY } outcome;

void tempo_regex_work_free(tempo_regex_work *w)
{
    free(w->frames);
    free(w->failed);
    *w = (tempo_regex_work){0};
}

void tempo_regex_begin(tempo_regex_work *w, const char *text, size_t n)
{
    w->text = text;
    w->n = n;
    w->n_frames = 0;
    w->remember = false;
    w->seen += n;
    w->soft = SOFT_STEPS * (w->seen + FREE_BYTES);
    w->hard = HARD_STEPS * (w->seen + FREE_BYTES);
}

/* ---- the stack ---- */

static bool push(tempo_regex_work *w, frame_kind kind, uint32_t pc, uint64_t a, size_t at)
{
    if (w->n_frames == w->cap) {
        const size_t cap = w->cap == 0 ? 256 : 2 * w->cap;
        tempo_frame *p = realloc(w->frames, cap * sizeof(*p));
        if (p == NULL)
            return false;
        w->frames = p;
        w->cap = cap;
    }
    w->frames[w->n_frames++] = (tempo_frame){kind, pc, a, at};
    return true;
}

/* ---- failures ---- */

/* From now on, if there is room for it. */
static void begin_to_remember(const tempo_regex *r, tempo_regex_work *w)
{
    const uint64_t bits = (uint64_t)r->n_memory * (w->n + 1);
    const size_t words = (size_t)(bits / 64 + 1);

    w->soft = UINT64_MAX;
    if (r->n_slots > 0 || r->from_start || bits > MEMORY_BITS)
        return;
    if (words > w->failed_cap) {
        uint64_t *p = realloc(w->failed, words * sizeof(*p));
        if (p == NULL)
            return; /* the limit on steps remains */
        w->failed = p;
        w->failed_cap = words;
    }
    memset(w->failed, 0, words * sizeof(*w->failed));
    w->remember = true;
}

static bool has_failed(const tempo_regex_work *w, const tempo_instruction *c, size_t at)
{
    const uint64_t bit = (uint64_t)c->memory * (w->n + 1) + at;

    return w->remember && (w->failed[bit >> 6] >> (bit & 63) & 1) != 0;
}

static void note_failed(tempo_regex_work *w, const tempo_instruction *c, size_t at)
{
    const uint64_t bit = (uint64_t)c->memory * (w->n + 1) + at;

    w->failed[bit >> 6] |= (uint64_t)1 << (bit & 63);
}

/* ---- steps ---- */

static size_t char_before(const char *text, size_t at)
{
    do
        at--;
    while (((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

/* Is the character at `at` of the set?  *next is behind it. */
static inline bool is_one(const tempo_charset *k, const tempo_regex_work *w, size_t at, size_t *next)
{
    size_t len;

    if (at >= w->n)
        return false;
    const uint32_t c = tempo_utf8_read(w->text + at, &len);
    *next = at + len;
    return tempo_charset_has(k, c);
}

static bool word_boundary(const tempo_regex *r, const tempo_regex_work *w, size_t at)
{
    size_t len;
    const bool before = at > 0 && tempo_charset_has(
                                      &r->word, tempo_utf8_read(w->text + char_before(w->text, at), &len)),
               after = at < w->n && tempo_charset_has(&r->word, tempo_utf8_read(w->text + at, &len));

    return before != after;
}

static bool anchored(const tempo_regex *r, const tempo_regex_work *w, uint32_t anchor, size_t at,
                     size_t start)
{
    switch (anchor) {
    case TEMPO_ANCHOR_TEXT_BEGIN:
        return at == 0;
    case TEMPO_ANCHOR_TEXT_END:
        return at == w->n;
    case TEMPO_ANCHOR_LAST_LINE:
        return at == w->n || (at == w->n - 1 && w->text[at] == '\n');
    case TEMPO_ANCHOR_LINE_BEGIN:
        return at == 0 || (at < w->n && w->text[at - 1] == '\n');
    case TEMPO_ANCHOR_LINE_END:
        return at == w->n || w->text[at] == '\n';
    case TEMPO_ANCHOR_WORD:
        return word_boundary(r, w, at);
    case TEMPO_ANCHOR_NO_WORD:
        return !word_boundary(r, w, at);
    default:
        return at == start;
    }
}

/* What is remembered of a run without an upper bound: that it failed from a place at which it could have
 * ended; then it fails there however long it was before.  Of another one: that it failed where it began.  */
static bool is_open(const tempo_instruction *c)
{
    return c->max == TEMPO_REGEX_FOREVER;
}

/* The run at pc from `at` on: *end of it, at first; the stack gets the others. */
static outcome take_run(const tempo_regex *r, tempo_regex_work *w, uint32_t pc, size_t at, size_t *end)
{
    const tempo_instruction *c = &r->code[pc];
    const tempo_charset *k = &r->sets[c->x];
    const bool known = w->remember && c->flag != TEMPO_POSSESSIVE, open = is_open(c);
    const uint32_t most = c->flag == TEMPO_LAZY ? c->min : c->max;
    const size_t begin = at;
    size_t low, next;
    uint32_t n = 0;

    if (known && !open && has_failed(w, c, at))
        return FAILS;
    for (; n < c->min && is_one(k, w, at, &next); n++)
        at = next;
    w->steps += n;
    if (n < c->min || (known && open && has_failed(w, c, at)))
        return FAILS;
    low = at;
    for (; n < most && is_one(k, w, at, &next) && !(known && open && has_failed(w, c, next)); n++)
        at = next;
    w->steps += n;
    *end = at;
    if (c->flag == TEMPO_POSSESSIVE)
        return MATCHES;
    if (known && !push(w, FRAME_FAILED, pc, 0, open ? low : begin))
        return NO_MEMORY;
    if (c->flag == TEMPO_LAZY)
        return c->max == c->min || push(w, FRAME_LAZY, pc, c->max - c->min, at) ? MATCHES : NO_MEMORY;
    return at == low || push(w, FRAME_RUN, pc, low, at) ? MATCHES : NO_MEMORY;
}

/* The first alternative of a set of them; the others go on the stack. */
static outcome take_alternative(const tempo_regex *r, tempo_regex_work *w, uint32_t pc, uint64_t left,
                                size_t at, uint32_t *next)
{
    const tempo_choice *k = &r->choices[r->code[pc].x];

    if (left == 0)
        return FAILS;
    *next = k->to[__builtin_ctzll(left)];
    left &= left - 1;
    return left == 0 || push(w, FRAME_CHOICE, pc, left, at) ? MATCHES : NO_MEMORY;
}

static outcome begin_choice(const tempo_regex *r, tempo_regex_work *w, uint32_t pc, size_t at, uint32_t *next)
{
    const tempo_instruction *c = &r->code[pc];
    const unsigned byte = at < w->n ? (unsigned char)w->text[at] : 256;

    if (has_failed(w, c, at))
        return FAILS;
    if (w->remember && !push(w, FRAME_FAILED, pc, 0, at))
        return NO_MEMORY;
    return take_alternative(r, w, pc, r->choices[c->x].may[byte], at, next);
}

/* A lazy run takes one character more. */
static outcome lengthen(const tempo_regex *r, tempo_regex_work *w, const tempo_frame *f, size_t *at)
{
    const tempo_instruction *c = &r->code[f->pc];
    const bool known = w->remember && is_open(c);
    size_t next;

    if (!is_one(&r->sets[c->x], w, f->at, &next) || (known && has_failed(w, c, next)))
        return FAILS;
    *at = next;
    if (known && !push(w, FRAME_FAILED, f->pc, 0, next))
        return NO_MEMORY;
    return f->a == 1 || push(w, FRAME_LAZY, f->pc, f->a - 1, next) ? MATCHES : NO_MEMORY;
}

/* Back to the last place from which there is another way; false when there is none above `base`. */
static outcome go_back(const tempo_regex *r, tempo_regex_work *w, size_t base, uint32_t *pc, size_t *at)
{
    outcome o;

    while (w->n_frames > base) {
        const tempo_frame f = w->frames[--w->n_frames];
        switch (f.kind) {
        case FRAME_CHOICE:
            *at = f.at;
            return take_alternative(r, w, f.pc, f.a, f.at, pc);
        case FRAME_RUN:
            if (w->remember && is_open(&r->code[f.pc]))
                note_failed(w, &r->code[f.pc], f.at);
            *at = char_before(w->text, f.at);
            *pc = f.pc + 1;
            return *at == f.a || push(w, FRAME_RUN, f.pc, f.a, *at) ? MATCHES : NO_MEMORY;
        case FRAME_LAZY:
            o = lengthen(r, w, &f, at);
            *pc = f.pc + 1;
            if (o != FAILS)
                return o;
            break;
        case FRAME_SLOT:
            w->slots[f.pc] = (size_t)f.a;
            break;
        default:
            if (w->remember)
                note_failed(w, &r->code[f.pc], f.at);
        }
    }
    return FAILS;
}

static bool step_back(const tempo_regex_work *w, size_t *at, uint32_t n)
{
    for (; n > 0 && *at > 0; n--)
        *at = char_before(w->text, *at);
    return n == 0;
}

/* The last choice's other way, while that may go on. */
static outcome try_again(const tempo_regex *r, tempo_regex_work *w, size_t base, uint32_t *pc, size_t *at)
{
    if (w->steps > w->hard)
        return TOO_MUCH;
    if (w->steps > w->soft)
        begin_to_remember(r, w);
    return go_back(r, w, base, pc, at);
}

/* Run from pc at *at, up to an accept; *at is then the end. */
static outcome run(const tempo_regex *r, tempo_regex_work *w, uint32_t pc, size_t *at, size_t start)
{
    const size_t base = w->n_frames;
    size_t end;
    outcome o;

    for (;;) {
        const tempo_instruction *c = &r->code[pc];
        o = MATCHES;
        switch (c->op) {
        case TEMPO_OP_ACCEPT:
            w->n_frames = base;
            return w->steps > w->hard ? TOO_MUCH : MATCHES;
        case TEMPO_OP_SET:
            o = is_one(&r->sets[c->x], w, *at, at) ? MATCHES : FAILS;
            pc++;
            break;
        case TEMPO_OP_RUN:
            o = take_run(r, w, pc, *at, at);
            pc++;
            break;
        case TEMPO_OP_CHOICE:
            o = begin_choice(r, w, pc, *at, &pc);
            break;
        case TEMPO_OP_JUMP:
            pc = c->x;
            break;
        case TEMPO_OP_AHEAD:
        case TEMPO_OP_ATOMIC:
            end = *at;
            o = run(r, w, pc + 1, &end, start);
            if (o == TOO_MUCH || o == NO_MEMORY)
                return o;
            if (c->op == TEMPO_OP_ATOMIC)
                *at = o == MATCHES ? end : *at;
            else
                o = (o == MATCHES) != c->flag ? MATCHES : FAILS;
            pc = c->x;
            break;
        case TEMPO_OP_BACK:
            o = step_back(w, at, c->x) ? MATCHES : FAILS;
            pc++;
            break;
        case TEMPO_OP_ANCHOR:
            o = anchored(r, w, c->x, *at, start) ? MATCHES : FAILS;
            pc++;
            break;
        case TEMPO_OP_MARK:
            o = push(w, FRAME_SLOT, c->x, w->slots[c->x], 0) ? MATCHES : NO_MEMORY;
            w->slots[c->x] = *at;
            pc++;
            break;
        default: /* TEMPO_OP_CHECK */
            pc = w->slots[c->x] == *at ? c->min : pc + 1;
        }
        w->steps++;
        if (o == FAILS)
            o = try_again(r, w, base, &pc, at);
        if (o != MATCHES)
            return o;
    }
}

tempo_status tempo_regex_find(const tempo_regex *r, tempo_regex_work *w, size_t from, bool *found,
                              tempo_span *match, tempo_err *err)
{
    outcome o = FAILS;

    *found = false;
    for (size_t at = from; at <= w->n; at++) {
        if (!r->starts[at < w->n ? (unsigned char)w->text[at] : 256] ||
            (at < w->n && ((unsigned char)w->text[at] & 0xc0) == 0x80))
            continue;
        size_t end = at;
        o = run(r, w, 0, &end, from);
        *match = (tempo_span){at, end};
        if (o != FAILS)
            break;
    }
    w->n_frames = 0;
    if (o == TOO_MUCH)
        return tempo_fail(err, TEMPO_E_LIMIT, match->begin, "the pattern needs too much work on this text");
    if (o == NO_MEMORY)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for matching a pattern");
    *found = o == MATCHES;
    return TEMPO_OK;
}
