/* strangers.c - tokens in place of siblings: members of other sets, of equal rank. */
#include <stdlib.h>

#include "trace/trace.h"

static size_t slots_of(const tempo_set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n_members; i++)
        n += set->members[i].slot >= 0;
    return n;
}

tempo_status tempo_strangers_add(tempo_strangers *s, const tempo_set *set, size_t prompt, tempo_err *err)
{
    if (slots_of(set) < 2)
        return TEMPO_OK;
    if (s->n + set->n_members > s->cap) {
        const size_t cap = 2 * s->cap + set->n_members;
        tempo_stranger *more = realloc(s->list, cap * sizeof(*more));
        if (more == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the members of sets");
        s->list = more;
        s->cap = cap;
    }
    for (size_t i = 0; i < set->n_members; i++)
        if (set->members[i].slot >= 0)
            s->list[s->n++] = (tempo_stranger){set->members[i].id, prompt, set->step, i};
    s->prompts = s->prompts > prompt + 1 ? s->prompts : prompt + 1;
    return TEMPO_OK;
}

/* Steele, Lea and Flood's mixing function (SplitMix64). */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static bool is_among(const int32_t *ids, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool is_member(const tempo_set *set, int32_t id)
{
    for (size_t i = 0; i < set->n_members; i++)
        if (set->members[i].id == id)
            return true;
    return false;
}

typedef struct draw {
    const tempo_strangers *s;
    const tempo_set *set;
    size_t prompt;
    const int32_t *taken; /* [n] */
    size_t n;
} draw;

static bool may_be(const draw *d, const tempo_stranger *one)
{
    const bool elsewhere = d->s->prompts > 1 ? one->prompt != d->prompt : one->step != d->set->step;

    return elsewhere && !is_member(d->set, one->id) && !is_among(d->taken, d->n, one->id);
}

static size_t distance(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

/* The one with the smallest hash of those whose rank is nearest; NULL: there is none. */
static const tempo_stranger *find(const draw *d, size_t rank, uint64_t seed)
{
    const tempo_stranger *best = NULL;
    uint64_t lowest = 0;

    for (size_t i = 0; i < d->s->n; i++) {
        const tempo_stranger *one = &d->s->list[i];
        if ((best != NULL && distance(one->rank, rank) > distance(best->rank, rank)) || !may_be(d, one))
            continue;
        const uint64_t hash = mix(mix(mix(seed ^ (uint64_t)(uint32_t)one->id) + one->prompt) + one->step);
        if (best == NULL || distance(one->rank, rank) < distance(best->rank, rank) || hash < lowest) {
            best = one;
            lowest = hash;
        }
    }
    return best;
}

bool tempo_strangers_draw(const tempo_strangers *s, const tempo_set *set, size_t prompt, uint64_t seed,
                          int32_t *ids, size_t *n)
{
    draw d = {.s = s, .set = set, .prompt = prompt, .taken = ids};
    const tempo_member *m = set->members;

    *n = slots_of(set);
    for (; d.n < *n; d.n++) { /* slot after slot */
        size_t at = SIZE_MAX, before = 0;
        for (size_t i = 0; i < set->n_members; i++) {
            before = 0;
            for (size_t k = 0; k < set->n_members; k++)
                before += m[k].slot >= 0 && m[k].slot < m[i].slot;
            if (m[i].slot >= 0 && before == d.n)
                at = i;
        }
        const uint64_t own = mix(mix(mix(seed) + prompt) + set->step) + at;
        const tempo_stranger *one = at == SIZE_MAX ? NULL : find(&d, at, mix(own));
        if (one == NULL)
            return false;
        ids[d.n] = one->id;
    }
    return true;
}
