/* Where arms differ: sets whatever their order, order, and the bits of distributions; of arms that stop, too.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/differ.h"

enum { MOST = 5 };

/* A set of the ids, up to one that is negative. */
static tempo_set make_set(tempo_member m[MOST], const int32_t ids[MOST])
{
    size_t n = 0;

    for (; n < MOST && ids[n] >= 0; n++)
        m[n] = (tempo_member){.id = ids[n], .probability = 0.1, .slot = (int64_t)n};
    return (tempo_set){.members = m, .n_members = n};
}

static void test_relations(void **state)
{
    static const struct {
        int32_t a[MOST], b[MOST];
        tempo_relation want;
    } rows[] = {
        {{7, 3, -1}, {7, 3, -1}, TEMPO_SETS_EQUAL},
        {{7, 3, -1}, {3, 7, -1}, TEMPO_SETS_REORDERED},
        {{7, 3, 9, 1, -1}, {1, 3, 9, 7, -1}, TEMPO_SETS_REORDERED},
        {{7, 3, -1}, {7, 4, -1}, TEMPO_SETS_DIFFERENT},
        {{7, 3, -1}, {7, -1}, TEMPO_SETS_DIFFERENT},
        {{7, -1}, {7, 3, -1}, TEMPO_SETS_DIFFERENT},
        {{-1}, {-1}, TEMPO_SETS_EQUAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        tempo_member x[MOST], y[MOST];
        const tempo_set a = make_set(x, rows[i].a), b = make_set(y, rows[i].b);
        assert_int_equal(tempo_relate_sets(&a, &b), rows[i].want);
        assert_int_equal(tempo_relate_sets(&b, &a), rows[i].want);
    }
    tempo_member m[MOST];
    const tempo_set a = make_set(m, rows[0].a);
    assert_int_equal(tempo_relate_sets(&a, NULL), TEMPO_SETS_DIFFERENT); /* one has stopped */
    assert_int_equal(tempo_relate_sets(NULL, &a), TEMPO_SETS_DIFFERENT);
    assert_int_equal(tempo_relate_sets(NULL, NULL), TEMPO_SETS_EQUAL);
}

/* Sets that are too large to be looked through one by one. */
static void test_large_sets(void **state)
{
    enum { MANY = 500 };
    tempo_member x[MANY], y[MANY];
    const tempo_set a = {.members = x, .n_members = MANY}, b = {.members = y, .n_members = MANY};

    (void)state;
    for (int i = 0; i < MANY; i++) {
        x[i] = (tempo_member){.id = 3 * i};
        y[MANY - 1 - i] = x[i];
    }
    assert_int_equal(tempo_relate_sets(&a, &b), TEMPO_SETS_REORDERED);
    y[17].id = 1;
    assert_int_equal(tempo_relate_sets(&a, &b), TEMPO_SETS_DIFFERENT);
}

static void test_distributions(void **state)
{
    const double p[3] = {0.5, 0.25, 0.25}, next[3] = {0.5, nextafter(0.25, 1), 0.25},
                 far[3] = {0.25, 0.5, 0.25};
    const double zero[2] = {1, 0}, minus[2] = {1, -0.0};
    double largest;

    (void)state;
    assert_false(tempo_distributions_differ(p, p, 3, &largest));
    assert_true(largest == 0);
    assert_true(tempo_distributions_differ(p, next, 3, &largest) && largest == 0x1p-54);
    assert_true(tempo_distributions_differ(p, far, 3, &largest) && largest == 0.25);
    assert_true(tempo_distributions_differ(zero, minus, 2, &largest) && largest == 0); /* bits, not values */
}

static json_int_t step_at(const json_t *o, const char *key)
{
    const json_t *d = json_object_get(o, key);

    return json_is_null(d) ? -1 : json_integer_value(json_object_get(d, "step"));
}

static void test_steps(void **state)
{
    static const int32_t steps[][2][MOST] = {
        {{1, 2, -1}, {1, 2, -1}}, {{1, 2, -1}, {2, 1, -1}}, {{3, -1}, {3, -1}},
        {{4, 5, -1}, {4, 6, -1}}, {{1, -1}, {2, -1}},       {{1, 2, -1}, {2, 1, -1}},
    };
    static const char *const names[] = {"isolated", "visible"};
    tempo_parting p = {0};
    json_t *told = json_object();

    (void)state;
    tempo_parting_tell(&p, told);
    assert_int_equal(step_at(told, "first_difference"), -1);
    assert_int_equal(step_at(told, "first_order_difference"), -1);
    assert_int_equal(step_at(told, "first_distribution_difference"), -1);
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        tempo_member x[MOST], y[MOST];
        const tempo_set a = make_set(x, steps[i][0]), b = make_set(y, steps[i][1]);
        const tempo_set *const both[] = {&a, &b};
        tempo_parting_sets(&p, i, names, both, 2);
        if (i > 1)
            tempo_parting_distribution(&p, i, 0.125);
    }
    tempo_parting_tell(&p, told);
    assert_int_equal(step_at(told, "first_difference"), 3);
    assert_int_equal(step_at(told, "first_order_difference"), 1);
    assert_int_equal(step_at(told, "first_distribution_difference"), 2);
    json_t *want = json_pack("{s:i, s:[i, i], s:[i, i]}", "step", 3, "isolated", 4, 5, "visible", 4, 6);
    assert_true(json_equal(json_object_get(told, "first_difference"), want));
    json_decref(want);
    tempo_parting_free(&p);

    /* of three arms one stops: that is where they differ */
    static const char *const three[] = {"a", "b", "c"};
    tempo_member m[MOST];
    const tempo_set set = make_set(m, steps[0][0]);
    const tempo_set *const go_on[] = {&set, &set, &set}, *const stopped[] = {&set, NULL, &set};
    tempo_parting_sets(&p, 0, three, go_on, 3);
    tempo_parting_sets(&p, 1, three, stopped, 3);
    tempo_parting_tell(&p, told);
    want = json_pack("{s:i, s:[i, i], s:n, s:[i, i]}", "step", 1, "a", 1, 2, "b", "c", 1, 2);
    assert_true(json_equal(json_object_get(told, "first_difference"), want));
    json_decref(want);
    tempo_parting_free(&p);
    json_decref(told);
}

/* What one set has and some other has not. */
static void test_only(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    static const int32_t ids[3][MOST] = {{1, 2, 3, -1}, {3, 1, -1}, {1, 4, 3, 2, -1}};
    tempo_member m[3][MOST];
    const tempo_set a = make_set(m[0], ids[0]), b = make_set(m[1], ids[1]), c = make_set(m[2], ids[2]);
    const tempo_set *const sets[] = {&a, &b, &c};
    json_t *only = tempo_json_only(names, sets, 3),
           *want = json_pack("{s:[i], s:[], s:[i, i]}", "a", 2, "b", "c", 4, 2);

    (void)state;
    assert_true(json_equal(only, want));
    json_decref(only);
    json_decref(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relations),     cmocka_unit_test(test_large_sets),
        cmocka_unit_test(test_distributions), cmocka_unit_test(test_steps),
        cmocka_unit_test(test_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
