/* given_json.c - see arms_json.h: sets that arms must take. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/decode.h"
#include "io/json.h"
#include "run/arms_json.h"

enum { MAX_SETS = 1 << 20, MAX_MEMBERS = 1 << 20 };

/* The list that v is, or that its member `key` is; or NULL. */
static const json_t *list_of(const json_t *v, const char *key)
{
    const json_t *list = json_is_object(v) ? json_object_get(v, key) : v;

    return json_is_array(list) ? list : NULL;
}

/* *field: the member's part that is at fault. */
static tempo_status read_member(const json_t *v, size_t n_vocab, tempo_member *m, const char **field,
                                tempo_err *err)
{
    uint64_t id = 0;
    double probability = 0.0;
    tempo_status st = tempo_json_u64(v, "id", n_vocab - 1, &id, err);

    *field = "";
    if (!json_is_object(v) || st == TEMPO_E_NOTFOUND)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "expected an object with id and probability");
    *field = ".id";
    if (st != TEMPO_OK)
        return st;
    *field = ".probability";
    st = tempo_json_f64(v, "probability", &probability, err);
    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    if (!(probability > 0.0 && probability <= TEMPO_MOST_PROBABILITY))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "probability: expected a number above 0 and at most 1");
    *m = (tempo_member){.id = (int32_t)id, .probability = probability, .slot = -1};
    return TEMPO_OK;
}

/* Says which set, which member (those of a set: SIZE_MAX) and which part of it is at fault. */
static tempo_status at_fault(tempo_status st, size_t set, size_t member, const char *part, tempo_err *err)
{
    char field[64];

    if (member == SIZE_MAX) {
        (void)snprintf(field, sizeof(field), "[%zu]", set);
        tempo_err_prefix(err, "set %zu", set);
    } else {
        (void)snprintf(field, sizeof(field), "[%zu][%zu]%s", set, member, part);
        tempo_err_prefix(err, "set %zu, member %zu", set, member);
    }
    tempo_err_set_field(err, field);
    return st;
}

/* How many members all sets have. */
static tempo_status count(const json_t *sets, size_t n_vocab, size_t *total, tempo_err *err)
{
    const json_t *v;
    size_t i;

    *total = 0;
    json_array_foreach((json_t *)(uintptr_t)sets, i, v)
    {
        const size_t n = json_array_size(list_of(v, "members"));
        if (n == 0 || n > n_vocab)
            return at_fault(tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                                       "expected a list of 1 to %zu members", n_vocab),
                            i, SIZE_MAX, "", err);
        *total += n;
    }
    if (i > MAX_SETS || *total > MAX_MEMBERS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "%zu sets with %zu members, expected at most %d and %d", i, *total, MAX_SETS,
                          MAX_MEMBERS);
    return TEMPO_OK;
}

static tempo_status fill(tempo_given_list *l, const json_t *sets, size_t n_vocab, tempo_err *err)
{
    tempo_member *m = l->members;
    const char *part;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < l->n && st == TEMPO_OK; i++) {
        const json_t *members = list_of(json_array_get(sets, i), "members");
        l->sets[i] = (tempo_given_set){m, json_array_size(members)};
        for (size_t k = 0; k < l->sets[i].n && st == TEMPO_OK; k++, m++)
            if ((st = read_member(json_array_get(members, k), n_vocab, m, &part, err)) != TEMPO_OK)
                st = at_fault(st, i, k, part, err);
    }
    return st;
}

tempo_status tempo_given_read(tempo_given_list **out, const json_t *v, size_t n_vocab, tempo_err *err)
{
    const json_t *sets = list_of(v, "steps");
    size_t total;
    tempo_status st;

    *out = NULL;
    if (sets == NULL)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          json_object_get(v, "arms") != NULL
                              ? "the document of several arms: expected the steps of one of them"
                              : "expected a list of sets, or an object with steps");
    if ((st = count(sets, n_vocab, &total, err)) != TEMPO_OK)
        return st;
    tempo_given_list *l = calloc(1, sizeof(*l));
    if (l != NULL) {
        l->n = json_array_size(sets);
        l->sets = calloc(l->n + 1, sizeof(*l->sets));
        l->members = calloc(total + 1, sizeof(*l->members));
    }
    if (l == NULL || l->sets == NULL || l->members == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu sets", json_array_size(sets));
    else
        st = fill(l, sets, n_vocab, err);
    if (st != TEMPO_OK)
        tempo_given_free(l);
    else
        *out = l;
    return st;
}

tempo_status tempo_given_load(tempo_given_list **out, const char *path, size_t n_vocab, tempo_err *err)
{
    json_t *v = NULL;
    tempo_status st = tempo_json_load(&v, path, err);

    *out = NULL;
    if (st == TEMPO_OK && (st = tempo_given_read(out, v, n_vocab, err)) != TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    json_decref(v);
    return st;
}

void tempo_given_free(tempo_given_list *l)
{
    if (l == NULL)
        return;
    free(l->sets);
    free(l->members);
    free(l);
}
