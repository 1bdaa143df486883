/* test_api_lens.c - POST /v1/tempo/lens: the numbers of the library, limits, and what is refused. */
#include "api_server.h"

#define LENS "/v1/tempo/lens"

static api_server s;

static int setup(void **state)
{
    (void)state;
    api_open(&s, NULL, NULL, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_close(&s);
    return 0;
}

enum { N = 200 };

/* A prompt longer than a part is. */
static void fill(int32_t ids[N])
{
    for (int32_t i = 0; i < N; i++)
        ids[i] = (i * 37 + 11) % 4000;
}

static json_t *ids_json(const int32_t *ids, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_integer(ids[i]));
    return a;
}

static tempo_residual *residual_alone(const int32_t *ids)
{
    static tempo_row rows[N];
    tempo_residual *r;
    tempo_seq *seq;
    tempo_err err = {0};

    assert_int_equal(tempo_residual_create(&r, s.model, N, TEMPO_RESIDUAL_PARTS | TEMPO_RESIDUAL_HEADS, &err),
                     TEMPO_OK);
    assert_int_equal(tempo_seq_create(&seq, s.alone, NULL, &err), TEMPO_OK);
    for (size_t i = 0; i < N; i++)
        rows[i] = (tempo_row){
            .seq = seq, .token = ids[i], .set = (uint32_t)i, .position = (double)i, .want = TEMPO_WANT_TAPS};
    assert_int_equal(tempo_residual_forward(r, 0, s.alone, rows, N, NULL, NULL, &err), TEMPO_OK);
    tempo_seq_free(seq);
    return r;
}

static double real_at(const json_t *v, const char *key)
{
    assert_true(json_is_number(json_object_get(v, key)));
    return json_number_value(json_object_get(v, key));
}

static void compare_point(const json_t *point, const tempo_lens *l, size_t at)
{
    const json_t *top = json_object_get(point, "top"), *tokens = json_object_get(point, "tokens");

    assert_true(real_at(point, "kl") == l->kl[at] && real_at(point, "entropy") == l->entropy[at]);
    assert_int_equal(json_array_size(top), l->n_top);
    for (size_t i = 0; i < l->n_top; i++) {
        assert_int_equal(json_integer_value(json_object_get(json_array_get(top, i), "id")),
                         l->top_ids[at * l->n_top + i]);
        assert_true(real_at(json_array_get(top, i), "probability") == l->top_q[at * l->n_top + i]);
    }
    assert_int_equal(json_array_size(tokens), l->n_tokens);
    for (size_t i = 0; i < l->n_tokens; i++) {
        const json_t *one = json_array_get(tokens, i);
        assert_true(real_at(one, "probability") == l->token_q[at * l->n_tokens + i]);
        assert_int_equal(json_integer_value(json_object_get(one, "rank")),
                         l->token_ranks[at * l->n_tokens + i]);
        assert_true(real_at(one, "logit") == (double)l->token_logits[at * l->n_tokens + i]);
    }
}

static void compare_parts(const json_t *part, const tempo_attribution *a, size_t row)
{
    const json_t *heads = json_object_get(part, "heads");

    assert_true(real_at(part, "logit") == a->logit[row] && real_at(part, "rest") == a->rest[row]);
    for (size_t l = 0; l < a->n_layers; l++) {
        assert_true(json_number_value(json_array_get(json_object_get(part, "mlp_out"), l)) ==
                    a->mlp[row * a->n_layers + l]);
        for (size_t h = 0; h < a->n_heads; h++)
            assert_true(json_number_value(json_array_get(json_array_get(heads, l), h)) ==
                        a->heads[(row * a->n_layers + l) * a->n_heads + h]);
    }
}

/* Rows here and there, the first of which come in the second part: to the bit those of one pass over the
 * whole prompt. */
static void test_numbers(void **state)
{
    static const int wanted[] = {140, 141, 150, 199};
    enum { WANTED = sizeof(wanted) / sizeof(*wanted) };
    int32_t ids[N], tokens[2] = {17, 0};
    tempo_err err = {0};
    tempo_lens_options lo;
    tempo_attribution_options ao;
    tempo_lens *l;
    tempo_attribution *a;

    (void)state;
    fill(ids);
    assert_int_equal(tempo_token_named(&tokens[1], s.model, " the", 4, &err), TEMPO_OK);
    tempo_residual *r = residual_alone(ids);
    tempo_lens_options_init(&lo);
    lo.top = 3;
    lo.tokens = tokens;
    lo.n_tokens = 2;
    assert_int_equal(tempo_lens_create(&l, s.alone, r, &lo, &err), TEMPO_OK);
    tempo_attribution_options_init(&ao);
    ao.token = tokens[1];
    ao.minus = 17;
    ao.heads = true;
    assert_int_equal(tempo_attribute(&a, s.alone, r, &ao, &err), TEMPO_OK);

    json_t *body = json_pack("{s:o, s:[i,i,i,i,i], s:i, s:[i, s], s:[s, i], s:b}", "prompt_ids",
                             ids_json(ids, N), "rows", 140, 141, -1, 150, 141, "top", 3, "tokens", 17, " the",
                             "attribute", " the", 17, "heads", 1);
    char *text = json_dumps(body, 0);
    json_t *doc = api_json(&s, "POST", LENS, text, 200), *rows = json_object_get(doc, "rows");
    assert_int_equal(json_array_size(rows), WANTED);
    assert_int_equal(json_array_size(json_object_get(doc, "points")), l->n_points);
    for (size_t i = 0; i < WANTED; i++) {
        const json_t *row = json_array_get(rows, i), *points = json_object_get(row, "points");
        const size_t slot = (size_t)wanted[i];
        assert_int_equal(json_integer_value(json_object_get(row, "slot")), slot);
        assert_int_equal(json_integer_value(json_object_get(row, "id")), ids[slot]);
        assert_int_equal(json_array_size(points), l->n_points);
        for (size_t k = 0; k < l->n_points; k++)
            compare_point(json_array_get(points, k), l, slot * l->n_points + k);
        compare_parts(json_object_get(row, "attribution"), a, slot);
    }
    free(text);
    json_decref(body);
    json_decref(doc);
    tempo_lens_free(l);
    tempo_attribution_free(a);
    tempo_residual_free(r);
}

/* Text and a conversation: all rows, defaults. */
static void test_texts(void **state)
{
    (void)state;
    json_t *doc = api_json(&s, "POST", LENS, "{\"prompt\": \"The moon is\"}", 200);
    const json_t *rows = json_object_get(doc, "rows");

    assert_int_equal(json_array_size(rows), json_array_size(json_object_get(doc, "prompt_tokens")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 3), "text")), " is");
    assert_null(json_object_get(json_array_get(rows, 0), "attribution"));
    assert_int_equal(json_array_size(json_object_get(
                         json_array_get(json_object_get(json_array_get(rows, 0), "points"), 0), "top")),
                     5);
    json_decref(doc);
    doc = api_json(&s, "POST", LENS,
                   "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"rows\": [-1]}", 200);
    assert_int_equal(json_array_size(json_object_get(doc, "rows")), 1);
    json_decref(doc);
}

static void test_refused(void **state)
{
    static const struct {
        const char *body, *param, *part;
    } wrong[] = {
        {"{}", "prompt", "there is no prompt"},
        {"{\"prompt\": \"\"}", "prompt", "empty"},
        {"{\"prompt\": \"a\", \"prompt_ids\": [1]}", "prompt", "only one"},
        {"{\"prompt_ids\": [1000000]}", "prompt_ids", "not a token id"},
        {"{\"prompt\": \"a\", \"rows\": []}", "rows", "names no row"},
        {"{\"prompt\": \"a\", \"rows\": [2]}", "rows", "beyond the prompt"},
        {"{\"prompt\": \"a\", \"rows\": [-3]}", "rows", "beyond the prompt"},
        {"{\"prompt\": \"a\", \"rows\": [1e300]}", "rows", "a real number"},
        {"{\"prompt\": \"a\", \"rows\": [9223372036854775807]}", "rows", "beyond the prompt"},
        {"{\"prompt\": \"a\", \"rows\": [-9223372036854775808]}", "rows", "beyond the prompt"},
        {"{\"prompt\": \"a\", \"rows\": [null]}", "rows", "expected a slot"},
        {"{\"prompt\": \"a\", \"top\": 0}", "top", "from 1 to 50"},
        {"{\"prompt\": \"a\", \"top\": 51}", "top", "from 1 to 50"},
        {"{\"prompt\": \"a\", \"tokens\": [-1]}", "tokens", "not a token id"},
        {"{\"prompt\": \"a\", \"tokens\": [\"\"]}", "tokens", "an empty string"},
        {"{\"prompt\": \"a\", \"tokens\": [\"the moon is made\"]}", "tokens", "is no token of the model"},
        {"{\"prompt\": \"a\", \"tokens\": [{}]}", "tokens", "an object"},
        {"{\"prompt\": \"a\", \"attribute\": []}", "attribute", "expected 1 to 2"},
        {"{\"prompt\": \"a\", \"attribute\": [1, 2, 3]}", "attribute", "expected 1 to 2"},
        {"{\"prompt\": \"a\", \"heads\": true}", "heads", "goes with attribute"},
        {"{\"prompt\": \"a\", \"capture\": \"/etc/passwd\"}", "capture", "no such field"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        api_refused(&s, LENS, wrong[i].body, 400, wrong[i].param, wrong[i].part);
}

static void refuse_long(size_t n, const char *rest, const char *part)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(ids, json_integer(7));
    char *list = json_dumps(ids, 0), *body = NULL;
    assert_true(asprintf(&body, "{\"prompt_ids\": %s%s}", list, rest) > 0);
    api_refused(&s, LENS, body, 400, "rows", part);
    free(body);
    free(list);
    json_decref(ids);
}

static void test_limits(void **state)
{
    (void)state;
    refuse_long(257, "", "257 rows, this server's limit is 256");
    refuse_long(256, ", \"top\": 50, \"tokens\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]",
                "numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
