/* Which units a shard has, which shard a process is, and a sweep that is told of instead of written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "shard/shard.h"
#include "support/models.h"
#include "support/tmpdir.h"

enum { UNITS = 1000, SHARDS = 7 };

static void test_deal(void **state)
{
    static const uint64_t few[] = {5, 9, 1, 9};
    static const uint32_t expected[] = {0, 0, 1, 1};
    uint64_t cost[UNITS], load[SHARDS] = {0}, total = 0, least = UINT64_MAX, most = 0;
    uint32_t of[UNITS], again[UNITS];
    tempo_err err = {0};

    (void)state;
    assert_int_equal(tempo_shard_deal(of, few, 4, 2, &err), TEMPO_OK);
    assert_memory_equal(of, expected, sizeof(expected));
    for (size_t i = 0; i < UNITS; i++)
        total += cost[i] = 1 + i * i * 7919 % 500;
    assert_int_equal(tempo_shard_deal(of, cost, UNITS, SHARDS, &err), TEMPO_OK);
    assert_int_equal(tempo_shard_deal(again, cost, UNITS, SHARDS, &err), TEMPO_OK);
    assert_memory_equal(of, again, sizeof(of));
    for (size_t i = 0; i < UNITS; i++)
        load[of[i]] += cost[i];
    for (size_t i = 0; i < SHARDS; i++) {
        least = load[i] < least ? load[i] : least;
        most = load[i] > most ? load[i] : most;
    }
    assert_true(most - least <= 1 + total / SHARDS / 1000);
    assert_int_equal(tempo_shard_deal(of, cost, 3, SHARDS, &err), TEMPO_OK); /* some have nothing */
    assert_true(of[0] != of[1] && of[1] != of[2] && of[0] != of[2]);
}

/* "NAME=VALUE" texts, NULL behind the last. */
static const char *const *environment;

static const char *variable(const char *name)
{
    for (size_t i = 0; environment[i] != NULL; i++)
        if (strncmp(environment[i], name, strlen(name)) == 0 && environment[i][strlen(name)] == '=')
            return environment[i] + strlen(name) + 1;
    return NULL;
}

static void test_words(void **state)
{
    static const struct {
        const char *word, *env[6];
        uint32_t shard, of; /* of 0: refused */
        const char *says;
    } cases[] = {
        {"0/1", {NULL}, 0, 1, NULL},
        {"6/7", {NULL}, 6, 7, NULL},
        {"7/7", {NULL}, 0, 0, "0 to N - 1"},
        {"-1/7", {NULL}, 0, 0, "'-1/7' is no shard"},
        {"1/", {NULL}, 0, 0, "no shard"},
        {"1/2x", {NULL}, 0, 0, "no shard"},
        {"", {NULL}, 0, 0, "no shard"},
        {"0/1000001", {NULL}, 0, 0, "no shard"},
        {"auto", {NULL}, 0, 0, "neither"},
        {"auto",
         {"OMPI_COMM_WORLD_RANK=2", "OMPI_COMM_WORLD_SIZE=8", "SLURM_PROCID=5", "SLURM_NTASKS=6"},
         2,
         8,
         NULL},
        {"auto", {"PMI_RANK=1", "PMI_SIZE=4"}, 1, 4, NULL},
        {"auto", {"PMIX_RANK=3", "SLURM_NTASKS=4"}, 3, 4, NULL},
        {"auto", {"SLURM_PROCID=0", "SLURM_NTASKS=1"}, 0, 1, NULL},
        {"auto", {"SLURM_PROCID=4", "SLURM_NTASKS=4"}, 0, 0, "neither"},
        {"auto",
         {"SLURM_ARRAY_TASK_ID=9", "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_COUNT=10"},
         8,
         10,
         NULL},
        {"auto",
         {"SLURM_ARRAY_TASK_ID=9", "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_STEP=4",
          "SLURM_ARRAY_TASK_COUNT=3"},
         2,
         3,
         NULL},
        {"auto",
         {"SLURM_ARRAY_TASK_ID=9", "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_COUNT=3"},
         0,
         0,
         "numbered evenly"},
        {"auto",
         {"SLURM_ARRAY_TASK_ID=1", "SLURM_ARRAY_TASK_MIN=0", "SLURM_ARRAY_TASK_COUNT=3", "SLURM_PROCID=2",
          "SLURM_NTASKS=4"},
         6,
         12,
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_err err = {0};
        uint32_t shard = 99, of = 99;
        environment = cases[i].env;
        const tempo_status st = tempo_shard_parse(cases[i].word, variable, &shard, &of, &err);
        if (cases[i].of == 0) {
            assert_int_equal(st, TEMPO_E_ARG);
            assert_non_null(strstr(err.msg, cases[i].says));
            continue;
        }
        assert_int_equal(st, TEMPO_OK);
        assert_int_equal(shard, cases[i].shard);
        assert_int_equal(of, cases[i].of);
    }
}

/* ---- a directory of records ---- */

static void put_file(const char *dir, const char *name, const char *text, size_t n)
{
    char path[512];

    test_path(path, dir, name);
    test_write_file(path, text, n);
}

static void assert_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    size_t n;

    test_path(path, dir, name);
    unsigned char *there = test_read_file(path, &n);
    assert_string_equal((const char *)there, text);
    free(there);
}

static void add_record(tempo_ledger *l, const char *record)
{
    tempo_csv c = {0};
    tempo_err err = {0};

    tempo_csv_word(&c, record);
    tempo_csv_end(&c);
    assert_int_equal(tempo_ledger_add(l, &c, &err), TEMPO_OK);
    free(c.p);
}

static void add_unit(tempo_ledger *l, const char *record)
{
    tempo_err err = {0};

    add_record(l, record);
    assert_int_equal(tempo_ledger_flush(l, &err), TEMPO_OK);
}

/* Of two writers one is refused, also of another plan; what no unit has is cut off, what a unit lacks is
 * damage. */
static void test_ledger(void **state)
{
    static const char huge[] =
        "unit,t_bytes,t_crc32\r\n0,9223372036854775807,0\r\n1,9223372036854775807,0\r\n";
    static char header[] = "a\r\n";
    json_t *what = json_pack("{s:s}", "kind", "one"), *other = json_pack("{s:s}", "kind", "two");
    const tempo_ledger_plan p = {.what = what,
                                 .tables = {"t.csv"},
                                 .headers = {{.p = header, .n = 3}},
                                 .n_tables = 1,
                                 .n_units = 3,
                                 .n_shards = 1};
    tempo_ledger_plan q = p;
    tempo_ledger *l, *second;
    tempo_err err = {0}, busy = {0}, foreign = {0}, cut = {0}, many = {0};
    char dir[256];

    (void)state;
    q.what = other;
    test_tmpdir_create(dir);
    put_file(dir, "units.csv", "", 0); /* of a process that died early */
    assert_int_equal(tempo_ledger_open(&l, dir, &p, &err), TEMPO_OK);
    assert_int_equal(tempo_ledger_open(&second, dir, &p, &busy), TEMPO_E_BUSY);
    assert_null(second);
    assert_non_null(strstr(busy.msg, "another process writes to it"));
    assert_int_equal(tempo_ledger_open(&second, dir, &q, &foreign), TEMPO_E_ARG);
    add_unit(l, "x");
    add_unit(l, "y");
    tempo_ledger_close(l);
    put_file(dir, "t.csv", "a\r\nx\r\ny\r\nz\r\nhal", 15);
    assert_int_equal(tempo_ledger_open(&l, dir, &p, &err), TEMPO_OK);
    assert_int_equal(tempo_ledger_next(l), 2);
    assert_int_equal(tempo_ledger_done(l), 2);
    assert_file(dir, "t.csv", "a\r\nx\r\ny\r\n");
    add_unit(l, "w");
    tempo_ledger_close(l);
    assert_file(dir, "t.csv", "a\r\nx\r\ny\r\nw\r\n");
    put_file(dir, "t.csv", "a\r\nx\r\ny\r\nw", 10);
    assert_int_equal(tempo_ledger_open(&l, dir, &p, &cut), TEMPO_E_FORMAT);
    put_file(dir, "units.csv", huge, sizeof(huge) - 1);
    assert_int_equal(tempo_ledger_open(&l, dir, &p, &many), TEMPO_E_FORMAT);
    assert_non_null(strstr(many.msg, "units.csv: line 2: more bytes of t.csv"));
    assert_file(dir, "t.csv", "a\r\nx\r\ny\r\nw");
    assert_non_null(strstr(cut.msg, "has 10 bytes, but units.csv says 12"));
    assert_int_equal(tempo_ledger_open(&l, dir, &q, &foreign), TEMPO_E_ARG);
    test_tmpdir_remove(dir);
    json_decref(what);
    json_decref(other);
}

/* More shards than a process may have files open: each is read on where it was left. */
static void test_many_shards(void **state)
{
    enum { MANY = 140, ALL = 3 * MANY };
    static char header[] = "a\r\n", expected[4 + 8 * ALL], dirs[MANY][320];
    static uint32_t of[ALL];
    json_t *what = json_pack("{s:s}", "kind", "many");
    tempo_ledger_plan p = {.what = what,
                           .tables = {"t.csv"},
                           .headers = {{.p = header, .n = 3}},
                           .n_tables = 1,
                           .n_units = ALL,
                           .of = of,
                           .n_shards = MANY};
    const char *all[MANY];
    char dir[256], out[512], record[16];
    struct rlimit files, few;
    tempo_ledger *l;
    tempo_err err = {0};

    (void)state;
    test_tmpdir_create(dir);
    for (size_t i = 0; i < ALL; i++)
        of[i] = (uint32_t)(i * 11 % MANY);
    for (p.shard = 0; p.shard < MANY; p.shard++) {
        all[p.shard] = dirs[p.shard];
        (void)snprintf(dirs[p.shard], sizeof(dirs[0]), "%s/%u", dir, (unsigned)p.shard);
        assert_int_equal(tempo_ledger_open(&l, dirs[p.shard], &p, &err), TEMPO_OK);
        while (tempo_ledger_next(l) != SIZE_MAX) {
            (void)snprintf(record, sizeof(record), "u%zu", tempo_ledger_next(l));
            add_record(l, record);
        }
        assert_int_equal(tempo_ledger_flush(l, &err), TEMPO_OK);
        tempo_ledger_close(l);
    }
    size_t n = (size_t)sprintf(expected, "a\r\n");
    for (size_t i = 0; i < ALL; i++)
        n += (size_t)sprintf(expected + n, "u%zu\r\n", i);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = MANY;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    test_path(out, dir, "out");
    if (tempo_merge(all, MANY, out, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_file(out, "t.csv", expected);
    test_tmpdir_remove(dir);
    json_decref(what);
}

/* ---- a sweep without a directory ---- */

enum { PROMPTS = 5, WAYS = 3 };

typedef struct told {
    tempo_engine *e;
    const tempo_sweep_prompt *prompts;
    const tempo_decode_options *ways;
    size_t n, last;
} told;

/* Runs come in order, and are what a decoder alone gives. */
static tempo_status hear(void *user, const tempo_sweep_run *r, tempo_err *err)
{
    told *t = user;
    const tempo_sweep_prompt *p = &t->prompts[r->prompt];
    tempo_decoder *d = test_decoder(t->e, &t->ways[r->decoding], p->ids, p->n);
    const size_t place = r->prompt * WAYS + r->decoding;

    assert_true(t->n == 0 || place > t->last);
    t->last = place;
    t->n++;
    for (size_t i = 0; i < tempo_run_steps(r->run, r->arm); i++) {
        const tempo_set *set = tempo_run_set(r->run, r->arm, i), *own;
        if (tempo_decoders_step(&d, 1, NULL, err) != TEMPO_OK)
            fail_msg("%s", err->msg);
        own = tempo_decoder_last_set(d);
        assert_int_equal(own->n_members, set->n_members);
        assert_memory_equal(&own->entropy, &set->entropy, sizeof(double));
        for (size_t k = 0; k < own->n_members; k++) {
            assert_int_equal(own->members[k].id, set->members[k].id);
            assert_memory_equal(&own->members[k].probability, &set->members[k].probability, sizeof(double));
        }
    }
    assert_true(tempo_decoder_stopped(d) != TEMPO_RUNNING);
    tempo_decoder_free(d);
    return TEMPO_OK;
}

static void test_told(void **state)
{
    static const int32_t ids[] = {4094, 343, 1141, 821, 300, 262, 500, 12};
    static const char *const names[PROMPTS] = {"a", "b", "c", "d", "e"}, *const bad[] = {"seed"};
    tempo_model *m = test_open_model("models/tempo-tiny");
    tempo_engine *e = test_engine(m, 2), *alone = test_engine(m, 1);
    tempo_sweep_prompt prompts[PROMPTS];
    tempo_decode_options ways[WAYS];
    tempo_sweep_options o = {
        .size = sizeof(o), .decoding = ways, .n_decoding = WAYS, .batch = 2, .run = hear};
    told t = {.e = alone, .prompts = prompts, .ways = ways};
    tempo_err err = {0};
    size_t shards = 0;

    (void)state;
    for (size_t i = 0; i < PROMPTS; i++)
        prompts[i] = (tempo_sweep_prompt){names[i], ids, 2 + i};
    for (size_t i = 0; i < WAYS; i++) {
        tempo_decode_options_init(&ways[i]);
        ways[i].threshold = 0.05;
        ways[i].steps = 3;
        ways[i].mode = (tempo_mode)i;
    }
    o.user = &t;
    if (tempo_sweep(e, prompts, PROMPTS, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(t.n, PROMPTS * WAYS);
    for (o.shard = 0, o.n_shards = 3; o.shard < 3; o.shard++) {
        t.n = 0;
        assert_int_equal(tempo_sweep(e, prompts, PROMPTS, &o, &err), TEMPO_OK);
        shards += t.n;
    }
    assert_int_equal(shards, PROMPTS * WAYS);
    o.shard = 0;
    o.columns = bad;
    o.n_columns = 1;
    assert_int_equal(tempo_sweep(e, prompts, PROMPTS, &o, &err), TEMPO_E_ARG);
    assert_string_equal(err.field, "columns");
    o.columns = NULL;
    prompts[4].id = "a";
    err = (tempo_err){0};
    assert_int_equal(tempo_sweep_check(m, prompts, PROMPTS, &o, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "two prompts have the id 'a'"));
    tempo_engine_free(alone);
    tempo_engine_free(e);
    tempo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_deal), cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_ledger), cmocka_unit_test(test_many_shards),
                                       cmocka_unit_test(test_told)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
