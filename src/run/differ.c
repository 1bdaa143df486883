/* differ.c - sets beside sets, distributions beside distributions. */
#include "run/differ.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json_file.h"

/* ---- one step ---- */

static int by_id(const void *pa, const void *pb)
{
    const int32_t a = *(const int32_t *)pa, b = *(const int32_t *)pb;

    return (a > b) - (a < b);
}

static bool has_member(const tempo_set *set, int32_t id)
{
    for (size_t i = 0; i < set->n_members; i++)
        if (set->members[i].id == id)
            return true;
    return false;
}

static bool same_one_by_one(const tempo_set *a, const tempo_set *b)
{
    for (size_t i = 0; i < a->n_members; i++)
        if (!has_member(b, a->members[i].id))
            return false;
    return true;
}

static bool same_sorted(const tempo_set *a, const tempo_set *b, int32_t *ids)
{
    const size_t n = a->n_members;

    for (size_t i = 0; i < n; i++) {
        ids[i] = a->members[i].id;
        ids[n + i] = b->members[i].id;
    }
    qsort(ids, n, sizeof(*ids), by_id);
    qsort(ids + n, n, sizeof(*ids), by_id);
    return memcmp(ids, ids + n, n * sizeof(*ids)) == 0;
}

tempo_relation tempo_relate_sets(const tempo_set *a, const tempo_set *b)
{
    enum { FEW = 64 };
    bool equal = true;

    if (a == NULL || b == NULL)
        return a == b ? TEMPO_SETS_EQUAL : TEMPO_SETS_DIFFERENT;
    if (a->n_members != b->n_members)
        return TEMPO_SETS_DIFFERENT;
    const size_t n = a->n_members;
    for (size_t i = 0; i < n; i++)
        equal = equal && a->members[i].id == b->members[i].id;
    if (equal)
        return TEMPO_SETS_EQUAL;
    int32_t *ids = n > FEW ? malloc(2 * n * sizeof(*ids)) : NULL; /* without memory it takes longer */
    equal = ids != NULL ? same_sorted(a, b, ids) : same_one_by_one(a, b);
    free(ids);
    return equal ? TEMPO_SETS_REORDERED : TEMPO_SETS_DIFFERENT;
}

bool tempo_distributions_differ(const double *p, const double *q, size_t n, double *largest)
{
    *largest = 0.0;
    if (memcmp(p, q, n * sizeof(*p)) == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        *largest = fmax(*largest, fabs(p[i] - q[i]));
    return true;
}

static json_t *only_ids(const tempo_set *const *sets, size_t n, size_t at)
{
    json_t *ids = json_array();

    for (size_t k = 0; k < sets[at]->n_members; k++) {
        const int32_t id = sets[at]->members[k].id;
        bool all = true;
        for (size_t i = 0; i < n && all; i++)
            all = i == at || has_member(sets[i], id);
        if (!all)
            json_array_append_new(ids, json_integer(id));
    }
    return ids;
}

json_t *tempo_json_only(const char *const *names, const tempo_set *const *sets, size_t n)
{
    json_t *only = json_object();

    for (size_t i = 0; i < n; i++)
        json_object_set_new(only, names[i], only_ids(sets, n, i));
    return only;
}

/* ---- steps ---- */

static json_t *member_ids(const tempo_set *set)
{
    json_t *ids;

    if (set == NULL)
        return json_null();
    ids = json_array();
    for (size_t i = 0; i < set->n_members; i++)
        json_array_append_new(ids, json_integer(set->members[i].id));
    return ids;
}

tempo_relation tempo_parting_sets(tempo_parting *p, size_t step, const char *const *names,
                                  const tempo_set *const *sets, size_t n)
{
    tempo_relation r = TEMPO_SETS_EQUAL;
    json_t *arms;

    for (size_t i = 1; i < n; i++) {
        const tempo_relation one = tempo_relate_sets(sets[0], sets[i]);
        r = one > r ? one : r;
    }
    if (r == TEMPO_SETS_EQUAL)
        return r;
    arms = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(arms, names[i], member_ids(sets[i]));
    tempo_parting_relation(p, step, r, arms);
    json_decref(arms);
    return r;
}

void tempo_parting_relation(tempo_parting *p, size_t step, tempo_relation r, const json_t *arms)
{
    json_t **place = r == TEMPO_SETS_DIFFERENT ? &p->set : &p->order;

    if (r == TEMPO_SETS_EQUAL || *place != NULL)
        return;
    *place = json_pack("{s:I}", "step", (json_int_t)step);
    json_object_update(*place, (json_t *)(uintptr_t)arms);
}

void tempo_parting_distribution(tempo_parting *p, size_t step, double largest)
{
    if (p->distribution == NULL)
        p->distribution =
            json_pack("{s:I, s:o}", "step", (json_int_t)step, "max_abs", tempo_json_number(largest));
}

void tempo_parting_tell(const tempo_parting *p, json_t *object)
{
    const char *const names[] = {"first_difference", "first_order_difference",
                                 "first_distribution_difference"};
    json_t *const where[] = {p->set, p->order, p->distribution};

    for (size_t i = 0; i < 3; i++)
        json_object_set_new(object, names[i], where[i] != NULL ? json_incref(where[i]) : json_null());
}

void tempo_parting_free(tempo_parting *p)
{
    json_decref(p->set);
    json_decref(p->order);
    json_decref(p->distribution);
    *p = (tempo_parting){0};
}
