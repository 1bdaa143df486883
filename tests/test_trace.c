/* Traces of sets: what is cut everywhere is isolated, what is not changed is the run, strangers that are the
 * siblings change nothing, and each cell equals the same edits on a pass of its own.  */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/models.h"
#include "trace/cells.h"

enum { STEPS = 6, PROMPT = 5 };

static const int32_t prompt[PROMPT] = {1, 40, 77, 12, 9};

/* A decoder that has run, and its sets. */
typedef struct traced_run {
    tempo_model *model;
    tempo_engine *engine;
    tempo_decoder *d;
    tempo_decode_options o;
    tempo_set sets[STEPS];
    tempo_member members[STEPS][64];
    size_t n;
} traced_run;

static void assert_near(double a, double b, double within)
{
    assert_true(fabs(a - b) <= within);
}

static void run_with_model(traced_run *r, tempo_model *m, tempo_decode_options o, unsigned threads)
{
    tempo_err err = {0};
    const tempo_engine_options eo = {.size = sizeof(eo), .threads = threads};

    *r = (traced_run){.o = o};
    r->o.steps = STEPS;
    r->o.stop = TEMPO_STOP_NEVER;
    r->model = m;
    assert_int_equal(tempo_engine_create(&r->engine, r->model, &eo, &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_create(&r->d, r->engine, &r->o, prompt, PROMPT, &err), TEMPO_OK);
    while (tempo_decoder_stopped(r->d) == TEMPO_RUNNING) {
        assert_int_equal(tempo_decoders_step(&r->d, 1, NULL, &err), TEMPO_OK);
        const tempo_set *s = tempo_decoder_last_set(r->d);
        assert_true(s->n_members <= 64);
        memcpy(r->members[r->n], s->members, s->n_members * sizeof(*s->members));
        r->sets[r->n] = *s;
        r->sets[r->n].members = r->members[r->n];
        r->n++;
    }
}

static void run_with(traced_run *r, tempo_decode_options o, unsigned threads)
{
    tempo_model *m;
    tempo_err err = {0};

    assert_int_equal(tempo_model_open(&m, "models/tempo-tiny", NULL, &err), TEMPO_OK);
    run_with_model(r, m, o, threads);
}

static void end_run(traced_run *r)
{
    tempo_decoder_free(r->d);
    tempo_engine_free(r->engine);
    tempo_model_free(r->model);
}

static tempo_decode_options options_of(tempo_mode mode)
{
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    o.mode = mode;
    o.threshold = 0.05;
    return o;
}

/* The first set of at least n members at or behind `from`. */
static const tempo_set *parallel(const traced_run *r, size_t from, size_t n)
{
    for (size_t i = from; i < r->n; i++)
        if (r->sets[i].n_members >= n)
            return &r->sets[i];
    fail_msg("no set of %zu members", n);
    return NULL;
}

static tempo_trace *trace(const traced_run *r, const tempo_set *set, tempo_trace_options o)
{
    tempo_trace *t;
    tempo_err err = {0};

    o.decoding = &r->o;
    if (tempo_trace_siblings(&t, r->engine, tempo_decoder_seq(r->d), set, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return t;
}

static tempo_trace_options defaults(void)
{
    tempo_trace_options o;

    tempo_trace_options_init(&o);
    return o;
}

/* q after a set that is read once more, in its place, by a list of edits, rows in a mode. */
static double *read_again(const traced_run *r, const tempo_set *set, tempo_mode mode, const char *edit)
{
    const uint32_t n_vocab = tempo_model_get_info(r->model)->n_vocab;
    const size_t begin = (size_t)set->members[0].slot, m = set->n_members;
    double *q = malloc(n_vocab * sizeof(*q)), entropy, *p = malloc(m * sizeof(*p));
    const float **rows = malloc(m * sizeof(*rows));
    tempo_row *row = calloc(m, sizeof(*row));
    tempo_seq *seq;
    tempo_edits *l;
    tempo_err err = {0};

    assert_int_equal(tempo_seq_create(&seq, r->engine, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_begin(seq, tempo_decoder_seq(r->d), begin, 0, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_create(&l, r->model, &err), TEMPO_OK);
    if (edit != NULL)
        assert_int_equal(tempo_edits_add(l, edit, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_seq_set_edits(seq, l, PROMPT, &err), TEMPO_OK);
    for (size_t i = 0; i < m; i++) {
        row[i] = (tempo_row){.seq = seq,
                             .token = set->members[i].id,
                             .set = seq->next_set,
                             .position = set->members[i].position,
                             .mode = mode,
                             .want = TEMPO_WANT_LOGITS};
        p[i] = set->members[i].probability;
    }
    assert_int_equal(tempo_engine_forward(r->engine, row, m, NULL, &err), TEMPO_OK);
    for (size_t i = 0; i < m; i++)
        rows[i] = tempo_engine_logits(r->engine, i);
    const tempo_readout_in in = {.rows = rows,
                                 .p = p,
                                 .m = m,
                                 .n_vocab = n_vocab,
                                 .how = r->o.readout,
                                 .temperature = 1,
                                 .kernels = &r->model->kernels};
    assert_int_equal(tempo_readout_mix(q, &entropy, &in, &err), TEMPO_OK);
    tempo_edits_free(l);
    tempo_seq_free(seq);
    free(row);
    free(rows);
    free(p);
    return q;
}

/* Every probability of the vocabulary, so that cells are told to the bit. */
static int32_t *all_tokens(const tempo_model *m, tempo_trace_options *o)
{
    const uint32_t n = tempo_model_get_info(m)->n_vocab;
    int32_t *ids = malloc(n * sizeof(*ids));

    for (uint32_t i = 0; i < n; i++)
        ids[i] = (int32_t)i;
    o->tokens = ids;
    o->n_tokens = n;
    return ids;
}

static const double *cut_of(const tempo_trace *t, tempo_trace_kind kind, size_t i)
{
    return t->token_cut + (t->first[kind] + i) * t->n_tokens;
}

static void assert_same(const double *p, double *q, size_t n)
{
    assert_memory_equal(p, q, n * sizeof(*p));
    free(q);
}

static void cuts_of(tempo_mode mode, unsigned threads)
{
    traced_run r;
    run_with(&r, options_of(mode), threads);
    const tempo_set *set = parallel(&r, 1, 2);
    tempo_trace_options o = defaults();
    int32_t *ids = all_tokens(r.model, &o);
    tempo_trace *t = trace(&r, set, o);
    const size_t last = t->n_layers - 1, n = t->n_tokens, h = t->n_heads;

    assert_int_equal(t->n_members, set->n_members);
    /* not changed: the run; cut everywhere: isolated */
    assert_same(t->token_q, read_again(&r, set, mode, NULL), n);
    assert_same(cut_of(t, TEMPO_TRACE_ALL, 0), read_again(&r, set, TEMPO_ISOLATED, NULL), n);
    assert_same(cut_of(t, TEMPO_TRACE_BELOW, last), read_again(&r, set, TEMPO_ISOLATED, NULL), n);
    assert_same(cut_of(t, TEMPO_TRACE_ABOVE, 0), read_again(&r, set, TEMPO_ISOLATED, NULL), n);
    assert_true(t->cells[0].cut.tv > 1e-6 && t->cells[0].cut.kl > 0);
    /* each as its edit says */
    assert_same(cut_of(t, TEMPO_TRACE_HEAD, last * h + 1),
                read_again(&r, set, mode, "cut siblings layers=7 heads=1"), n);
    assert_same(cut_of(t, TEMPO_TRACE_HEAD, 2), read_again(&r, set, mode, "cut siblings layers=0 heads=2"),
                n);
    assert_same(cut_of(t, TEMPO_TRACE_LAYER, 2), read_again(&r, set, mode, "cut siblings layers=2"), n);
    assert_same(cut_of(t, TEMPO_TRACE_BELOW, 1), read_again(&r, set, mode, "cut siblings layers=0-1"), n);
    assert_same(cut_of(t, TEMPO_TRACE_ABOVE, 2), read_again(&r, set, mode, "cut siblings layers=2-7"), n);
    /* all but the strongest: the others of its layer, and the other layers */
    const uint32_t strong = t->strongest[0];
    const tempo_trace_cell *heads = t->cells + t->first[TEMPO_TRACE_HEAD];
    for (size_t i = 1; i < t->n[TEMPO_TRACE_HEAD]; i++)
        assert_true(heads[t->strongest[i - 1]].cut.tv >= heads[t->strongest[i]].cut.tv);
    assert_int_equal(t->cells[t->first[TEMPO_TRACE_KEEP]].kept, 1);
    tempo_layer_heads *edges = calloc(t->n_layers, sizeof(*edges));
    tempo_trace_edges(t, &t->cells[t->first[TEMPO_TRACE_KEEP]], edges, (uint32_t)t->n_layers);
    for (uint32_t l = 0; l < t->n_layers; l++)
        for (uint32_t k = 0; k < h; k++)
            assert_int_equal(tempo_tap_has(edges[l].bits, k) && edges[l].bits[0] != 0, l * h + k != strong);
    free(edges);
    tempo_trace_free(t);
    free(ids);
    end_run(&r);
}

static void test_cuts_visible(void **state)
{
    (void)state;
    cuts_of(TEMPO_VISIBLE, 1);
}

static void test_cuts_causal(void **state)
{
    (void)state;
    cuts_of(TEMPO_CAUSAL, 2);
}

/* Strangers that are the siblings themselves: the run, but for the order of sums. */
static void test_exchanged_for_themselves(void **state)
{
    (void)state;
    for (tempo_mode mode = TEMPO_VISIBLE; mode <= TEMPO_CAUSAL; mode++) {
        traced_run r;
        run_with(&r, options_of(mode), 1);
        const tempo_set *set = parallel(&r, 0, 3);
        tempo_trace_options o = defaults();
        int32_t own[64];
        for (size_t i = 0; i < set->n_members; i++)
            own[i] = set->members[i].id;
        o.strangers = own;
        tempo_trace *t = trace(&r, set, o);
        assert_true(t->exchanged);
        for (size_t i = 0; i < t->n_cells; i++) {
            assert_true(t->cells[i].exchanged.tv < 1e-5);
            assert_near(t->cells[i].strangers.tv, t->cells[i].cut.tv, 2e-5);
        }
        tempo_trace_free(t);
        end_run(&r);
    }
}

/* A member among strangers: by another way.  The set [own member, strangers of the others' places] on a fork
 * gives that member's row only if strangers do not see it; in layer 0 it makes no difference, so that a
 * model's first layer is enough: mode visible there alone. */
static void test_exchanged_is_a_set_of_strangers(void **state)
{
    (void)state;
    tempo_decode_options d = options_of(TEMPO_VISIBLE);
    d.first_visible_layer = d.last_visible_layer = 0;
    d.readout = TEMPO_READOUT_TOP;
    traced_run r;
    run_with(&r, d, 1);
    const tempo_set *set = parallel(&r, 0, 2);
    const int32_t strangers[64] = {5, 6, 7, 8};
    tempo_trace_options o = defaults();
    int32_t *ids = all_tokens(r.model, &o);
    o.strangers = strangers;
    tempo_trace *t = trace(&r, set, o);
    assert_int_equal(t->n_layers, 1);
    tempo_member mixed[64];
    tempo_set other = *set;
    memcpy(mixed, set->members, set->n_members * sizeof(*mixed));
    for (size_t i = 1; i < set->n_members; i++)
        mixed[i].id = strangers[i < 4 ? i : 0];
    other.members = mixed;
    /* visible in layer 0 only, as rows: isolated above by an edit */
    double *q = read_again(&r, &other, TEMPO_VISIBLE, "cut siblings layers=1-7");
    double tv = 0, moved = 0;
    for (size_t i = 0; i < t->n_tokens; i++) {
        tv += fabs(q[i] - t->token_exchanged[i]) / 2;
        moved += fabs(t->token_q[i] - t->token_exchanged[i]) / 2;
    }
    if (set->n_members <= 4)
        assert_true(tv < 1e-5 && tv < 0.1 * moved);
    free(q);
    free(ids);
    tempo_trace_free(t);
    end_run(&r);
}

/* No number depends on how many variants ride in a batch, on threads, nor on whether others are exchanged. */
static void test_batches(void **state)
{
    (void)state;
    traced_run r, s;
    run_with(&r, options_of(TEMPO_VISIBLE), 1);
    run_with(&s, options_of(TEMPO_VISIBLE), 2);
    const tempo_set *set = parallel(&r, 2, 2);
    const int32_t strangers[64] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    tempo_trace_options o = defaults();
    int32_t *ids = all_tokens(r.model, &o);
    o.strangers = strangers;
    tempo_trace *a = trace(&r, set, o);
    o.max_bytes = 1;
    tempo_trace *b = trace(&s, set, o);
    tempo_trace_cost small, large;
    tempo_err err = {0};
    const size_t n = a->n_cells * a->n_tokens * sizeof(double);

    assert_memory_equal(a->token_cut, b->token_cut, n);
    assert_memory_equal(a->token_exchanged, b->token_exchanged, n);
    assert_int_equal(tempo_trace_estimate(&small, r.model, &o, 3, 20, &err), TEMPO_OK);
    o.max_bytes = 1u << 30;
    assert_int_equal(tempo_trace_estimate(&large, r.model, &o, 3, 20, &err), TEMPO_OK);
    assert_int_equal(small.batches, a->n_cells);
    assert_true(large.batches < 10 && large.cells == a->n_cells && large.rows == (2 * a->n_cells + 2) * 3);
    assert_true(large.bytes <= 1u << 30 && large.bytes > small.bytes);
    tempo_trace_free(a);
    tempo_trace_free(b);
    free(ids);
    end_run(&r);
    end_run(&s);
}

static void test_layers(void **state)
{
    (void)state;
    traced_run r;
    run_with(&r, options_of(TEMPO_VISIBLE), 1);
    const tempo_set *set = parallel(&r, 0, 2);
    tempo_trace_options o = defaults();
    int32_t *ids = all_tokens(r.model, &o);
    o.first_layer = 1;
    o.last_layer = 2;
    tempo_trace *t = trace(&r, set, o);
    assert_int_equal(t->n_layers, 2);
    assert_int_equal(t->cells[t->first[TEMPO_TRACE_LAYER]].layer, 1);
    assert_same(cut_of(t, TEMPO_TRACE_ALL, 0), read_again(&r, set, TEMPO_VISIBLE, "cut siblings layers=1-2"),
                t->n_tokens);
    tempo_trace_free(t);
    free(ids);
    end_run(&r);
}

/* A run with edits of its own: its variants have them, too. */
static void test_edited_run(void **state)
{
    (void)state;
    tempo_decode_options d = options_of(TEMPO_VISIBLE);
    tempo_model *m;
    tempo_edits *l, *bad;
    tempo_err err = {0};
    assert_int_equal(tempo_model_open(&m, "models/tempo-tiny", NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_create(&l, m, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_add(l, "scale 3 z layers=2 rows=generated", NULL, &err), TEMPO_OK);
    assert_true(tempo_trace_can_exchange(l) && tempo_trace_can_exchange(NULL));
    d.edits = l;
    traced_run r;
    run_with_model(&r, m, d, 1);
    const tempo_set *set = parallel(&r, 1, 2);
    tempo_trace_options o = defaults();
    int32_t *ids = all_tokens(r.model, &o), own[64];
    for (size_t i = 0; i < set->n_members; i++)
        own[i] = set->members[i].id;
    o.strangers = own;
    tempo_trace *t = trace(&r, set, o);
    assert_same(t->token_q, read_again(&r, set, TEMPO_VISIBLE, "scale 3 z layers=2"), t->n_tokens);
    assert_same(cut_of(t, TEMPO_TRACE_ALL, 0), read_again(&r, set, TEMPO_ISOLATED, "scale 3 z layers=2"),
                t->n_tokens);
    for (size_t i = 0; i < t->n_cells; i++) /* strangers are edited as the siblings are */
        assert_true(t->cells[i].exchanged.tv < 1e-5);
    tempo_trace_free(t);
    /* what would mean other slots is refused with strangers alone */
    assert_int_equal(tempo_edits_create(&bad, m, &err), TEMPO_OK);
    assert_int_equal(tempo_edits_add(bad, "cut set:9- -> previous layers=2", NULL, &err), TEMPO_OK);
    r.o.edits = bad;
    o.decoding = &r.o;
    assert_int_equal(tempo_trace_siblings(&t, r.engine, tempo_decoder_seq(r.d), set, &o, &err),
                     TEMPO_E_UNSUPPORTED);
    assert_string_equal(err.field, "edits");
    r.o.edits = l;
    tempo_edits_free(bad);
    tempo_edits_free(l);
    free(ids);
    end_run(&r);
}

static bool stop_at_once(void *user)
{
    (void)user;
    return false;
}

static void test_refused(void **state)
{
    (void)state;
    traced_run r;
    run_with(&r, options_of(TEMPO_VISIBLE), 1);
    const tempo_set *set = parallel(&r, 0, 2);
    const tempo_seq *seq = tempo_decoder_seq(r.d);
    tempo_decode_options d = r.o;
    tempo_trace_options o = defaults();
    tempo_trace *t;
    tempo_err err = {0};
    const int32_t bad[64] = {100000, 100000};

    o.decoding = &d;
    o.first_layer = 7;
    o.last_layer = 8;
    assert_int_equal(tempo_trace_siblings(&t, r.engine, seq, set, &o, &err), TEMPO_E_ARG);
    assert_non_null(strstr(err.msg, "layers 0 to 7"));
    assert_null(t);
    o = defaults();
    o.decoding = &d;
    d.mode = TEMPO_ISOLATED;
    err = (tempo_err){0};
    assert_int_equal(tempo_trace_siblings(&t, r.engine, seq, set, &o, &err), TEMPO_E_ARG);
    assert_string_equal(err.field, "mode");
    d.mode = TEMPO_VISIBLE;
    o.strangers = bad;
    err = (tempo_err){0};
    assert_int_equal(tempo_trace_siblings(&t, r.engine, seq, set, &o, &err), TEMPO_E_ARG);
    o.strangers = NULL;
    o.poll = stop_at_once;
    err = (tempo_err){0};
    assert_int_equal(tempo_trace_siblings(&t, r.engine, seq, set, &o, &err), TEMPO_E_STOPPED);
    o.poll = NULL;
    tempo_set one = *set;
    one.n_members = 1;
    err = (tempo_err){0};
    assert_int_equal(tempo_trace_siblings(&t, r.engine, seq, &one, &o, &err), TEMPO_E_ARG);
    tempo_member away[64];
    memcpy(away, set->members, set->n_members * sizeof(*away));
    for (size_t i = 0; i < set->n_members; i++)
        away[i].slot += 1000;
    one = *set;
    one.members = away;
    err = (tempo_err){0};
    assert_int_equal(tempo_trace_siblings(&t, r.engine, seq, &one, &o, &err), TEMPO_E_ARG);
    end_run(&r);
}

/* ---- strangers ---- */

static tempo_set make_set(size_t step, tempo_member *members, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        members[i] =
            (tempo_member){.id = ids[i], .probability = 1.0 / (double)n, .slot = (int64_t)(10 * step + i)};
    return (tempo_set){.step = step, .n_members = n, .members = members};
}

static void test_strangers(void **state)
{
    (void)state;
    tempo_strangers s = {0};
    tempo_member m[4][3];
    tempo_err err = {0};
    int32_t ids[3] = {0}, again[3];
    size_t n;
    const tempo_set a = make_set(1, m[0], (const int32_t[]){1, 2, 3}, 3);
    const tempo_set b = make_set(2, m[1], (const int32_t[]){4, 5}, 2);
    const tempo_set c = make_set(3, m[2], (const int32_t[]){6, 2, 7}, 3);
    const tempo_set single = make_set(4, m[3], (const int32_t[]){9}, 1);

    assert_int_equal(tempo_strangers_add(&s, &a, 0, &err), TEMPO_OK);
    assert_int_equal(tempo_strangers_add(&s, &b, 0, &err), TEMPO_OK);
    assert_int_equal(tempo_strangers_add(&s, &c, 0, &err), TEMPO_OK);
    assert_int_equal(tempo_strangers_add(&s, &single, 0, &err), TEMPO_OK);
    assert_int_equal(s.n, 8);
    /* equal rank, of other steps, no member of the set: 2 is one */
    assert_true(tempo_strangers_draw(&s, &a, 0, 1, ids, &n));
    assert_int_equal(n, 3);
    assert_true(ids[0] == 4 || ids[0] == 6);
    assert_int_equal(ids[1], 5);
    assert_int_equal(ids[2], 7);
    assert_true(tempo_strangers_draw(&s, &a, 0, 1, again, &n));
    assert_memory_equal(ids, again, sizeof(ids));
    /* of other prompts where there are any, and not twice */
    assert_int_equal(tempo_strangers_add(&s, &a, 1, &err), TEMPO_OK);
    assert_true(tempo_strangers_draw(&s, &b, 0, 1, ids, &n));
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 2);
    assert_false(tempo_strangers_draw(&s, &c, 0, 1, ids, &n)); /* 1 and 3 alone */
    /* slots in another order than probability */
    m[1][0].slot = 31;
    m[1][1].slot = 30;
    assert_true(tempo_strangers_draw(&s, &b, 0, 1, ids, &n));
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 1);
    free(s.list);
}

/* ---- means ---- */

static void test_means(void **state)
{
    (void)state;
    traced_run r;
    run_with(&r, options_of(TEMPO_VISIBLE), 1);
    const tempo_set *first = parallel(&r, 0, 2), *second = parallel(&r, first->step + 1, 2);
    const int32_t strangers[64] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    tempo_trace_options o = defaults();
    tempo_trace *a = trace(&r, first, o);
    o.strangers = strangers;
    tempo_trace *b = trace(&r, second, o);
    tempo_trace_means s = {0};
    tempo_err err = {0};
    const size_t i = a->first[TEMPO_TRACE_LAYER] + 1;

    assert_int_equal(tempo_trace_means_add(&s, a, &err), TEMPO_OK);
    assert_true(isnan(tempo_trace_mean(&s, TEMPO_TRACE_CONTRAST, TEMPO_TRACE_TV, i)));
    assert_int_equal(tempo_trace_means_add(&s, b, &err), TEMPO_OK);
    assert_near(tempo_trace_mean(&s, TEMPO_TRACE_CUT, TEMPO_TRACE_TV, i),
                (a->cells[i].cut.tv + b->cells[i].cut.tv) / 2, 1e-15);
    assert_near(tempo_trace_mean(&s, TEMPO_TRACE_EXCHANGED, TEMPO_TRACE_KL, i), b->cells[i].exchanged.kl, 0);
    assert_near(tempo_trace_mean(&s, TEMPO_TRACE_CONTRAST, TEMPO_TRACE_TV, i),
                b->cells[i].cut.tv - b->cells[i].strangers.tv, 1e-15);
    json_t *doc = tempo_trace_means_json(&s);
    const json_t *heads =
        json_object_get(json_object_get(json_object_get(json_object_get(doc, "cut"), "tv"), "heads"), "");
    assert_null(heads);
    const json_t *tv = json_object_get(json_object_get(doc, "cut"), "tv");
    assert_int_equal(json_array_size(json_object_get(tv, "heads")), a->n_layers);
    assert_near(
        json_number_value(json_array_get(json_array_get(json_object_get(tv, "heads"), 1), 2)),
        tempo_trace_mean(&s, TEMPO_TRACE_CUT, TEMPO_TRACE_TV, a->first[TEMPO_TRACE_HEAD] + a->n_heads + 2),
        1e-12);
    json_decref(doc);
    tempo_trace_means_free(&s);
    tempo_trace_free(a);
    tempo_trace_free(b);
    end_run(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_visible),
        cmocka_unit_test(test_cuts_causal),
        cmocka_unit_test(test_exchanged_for_themselves),
        cmocka_unit_test(test_exchanged_is_a_set_of_strangers),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_edited_run),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_means),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
