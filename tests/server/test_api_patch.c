/* test_api_patch.c - POST /v1/tempo/patch: the cells of the library, each told once; limits, refusals,
 * clients that go. */
#include <math.h>
#include <time.h>
#include <unistd.h>

#include "api_server.h"
#include "server/api/memory.h"

#define PATCH "/v1/tempo/patch"
#define CLEAN "When Mary and John went to the store, John gave a drink to"
#define CORRUPT "When Mary and John went to the store, Mary gave a drink to"
#define PROMPTS "\"clean\": \"" CLEAN "\", \"corrupt\": \"" CORRUPT "\""

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

static void tokens(const char *text, int32_t **ids, size_t *n)
{
    tempo_err err = {0};

    assert_int_equal(tempo_tokenize(tempo_model_tokenizer(s.model), text, strlen(text), 0, ids, n, &err),
                     TEMPO_OK);
}

static tempo_patch *grid_alone(const tempo_patch_options *o)
{
    tempo_patch_run clean = {0}, corrupt = {0};
    int32_t *a, *b;
    tempo_patch *p;
    tempo_err err = {0};

    tokens(CLEAN, &a, &clean.n);
    tokens(CORRUPT, &b, &corrupt.n);
    clean.ids = a;
    corrupt.ids = b;
    if (tempo_patch_create(&p, s.alone, &clean, &corrupt, o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    do
        assert_int_equal(tempo_patch_step(p, NULL, &err), TEMPO_OK);
    while (tempo_patch_get_info(p).n_left > 0);
    tempo_free(a);
    tempo_free(b);
    return p;
}

/* Counts the cells that were told into seen[grid][cell]. */
static void compare_cells(const json_t *cells, const tempo_patch *p, unsigned char *seen[4])
{
    const json_t *v;
    size_t i;

    json_array_foreach(cells, i, v)
    {
        const size_t grid = (size_t)json_integer_value(json_array_get(v, 0)),
                     at = (size_t)json_integer_value(json_array_get(v, 1));
        assert_int_equal(json_array_size(v), 3);
        assert_true(grid < tempo_patch_get_info(p).n_grids);
        const tempo_patch_grid g = tempo_patch_get_grid(p, grid);
        assert_true(at < g.n_layers * g.n_heads * g.n_positions);
        assert_int_equal(seen[grid][at]++, 0);
        assert_true(json_number_value(json_array_get(v, 2)) == g.values[at]);
    }
}

static void compare_grid(const json_t *said, const tempo_patch *p, size_t i)
{
    const tempo_patch_grid g = tempo_patch_get_grid(p, i);

    assert_string_equal(json_string_value(json_object_get(said, "tap")),
                        tempo_tap_get_info(s.model, g.tap).short_name);
    assert_string_equal(json_string_value(json_object_get(said, "direction")),
                        tempo_patch_direction_name(g.direction));
    assert_int_equal(json_array_size(json_object_get(said, "layers")), g.layers != NULL ? g.n_layers : 0);
    assert_int_equal(json_array_size(json_object_get(said, "heads")), g.heads != NULL ? g.n_heads : 0);
    assert_int_equal(json_array_size(json_object_get(said, "positions")),
                     g.positions != NULL ? g.n_positions : 0);
}

/* Both directions, a tap with heads and one with positions: to the bit the library's. */
static void test_cells(void **state)
{
    static const char body[] = "{" PROMPTS ", \"answers\": [\" Mary\", \" John\"], \"taps\": [\"resid_pre\", "
                               "\"z:layers=2-4\"], \"direction\": \"both\", \"positions\": [1, 10, 14]%s}";
    char stream[600], document[600], *text;
    unsigned char *seen[4];
    tempo_patch_options o;
    tempo_err err = {0};
    tempo_tap_selection taps[2];
    const uint32_t positions[] = {1, 10, 14};

    (void)state;
    (void)snprintf(stream, sizeof(stream), body, "");
    (void)snprintf(document, sizeof(document), body, ", \"stream\": false");
    tempo_patch_options_init(&o);
    assert_int_equal(tempo_tap_parse(&taps[0], s.model, "resid_pre", &err), TEMPO_OK);
    assert_int_equal(tempo_tap_parse(&taps[1], s.model, "z:layers=2-4", &err), TEMPO_OK);
    o.taps = taps;
    o.n_taps = 2;
    o.direction = TEMPO_PATCH_BOTH;
    o.positions = positions;
    o.n_positions = 3;
    o.n_answers = 2;
    assert_int_equal(tempo_token_named(&o.answers[0], s.model, " Mary", 5, &err), TEMPO_OK);
    assert_int_equal(tempo_token_named(&o.answers[1], s.model, " John", 5, &err), TEMPO_OK);
    tempo_patch *p = grid_alone(&o);
    const tempo_patch_info info = tempo_patch_get_info(p);
    assert_int_equal(info.n_grids, 4);
    for (size_t i = 0; i < 4; i++)
        assert_non_null(seen[i] = calloc(info.n_cells, 1));

    text = api_text(&s, "POST", PATCH, stream, 200);
    json_t *events = api_events(text), *cells = json_array(), *v;
    const size_t n = json_array_size(events);
    size_t i;
    assert_true(n > 4); /* several batches */
    json_array_foreach(events, i, v)
    {
        const char *name = json_string_value(json_array_get(v, 0));
        const json_t *data = json_array_get(v, 1);
        assert_string_equal(name, i == 0 ? "start" : i == 1 ? "runs" : i + 1 == n ? "done" : "cells");
        json_array_extend(cells, json_object_get(data, i == 0 ? "none" : "cells"));
        if (i > 1 && i + 1 < n)
            assert_int_equal(json_integer_value(json_object_get(data, "left")),
                             info.n_cells - json_array_size(cells));
    }
    const json_t *start = json_array_get(json_array_get(events, 0), 1),
                 *runs = json_array_get(json_array_get(events, 1), 1),
                 *done = json_array_get(json_array_get(events, n - 1), 1);
    assert_int_equal(json_integer_value(json_object_get(start, "cells")), info.n_cells);
    assert_true(json_number_value(json_object_get(runs, "clean")) == info.clean);
    assert_true(json_number_value(json_object_get(runs, "corrupt")) == info.corrupt);
    assert_int_equal(json_integer_value(json_object_get(done, "unchanged")), info.n_unchanged);
    for (i = 0; i < 4; i++)
        compare_grid(json_array_get(json_object_get(start, "grids"), i), p, i);
    assert_int_equal(json_array_size(cells), info.n_cells);
    compare_cells(cells, p, seen);
    free(text);

    json_t *doc = api_json(&s, "POST", PATCH, document, 200);
    assert_true(json_equal(json_object_get(doc, "cells"), cells));
    assert_true(json_equal(json_object_get(doc, "start"), start));
    assert_true(json_equal(json_object_get(doc, "runs"), runs));
    json_decref(doc);
    json_decref(cells);
    json_decref(events);
    for (i = 0; i < 4; i++)
        free(seen[i]);
    tempo_patch_free(p);
}

static void test_refused(void **state)
{
    static const struct {
        const char *body, *param, *part;
    } wrong[] = {
        {"{}", "clean", "there is none"},
        {"{\"clean\": \"a\"}", "corrupt", "there is none"},
        {"{\"clean\": 5, \"corrupt\": \"a\"}", "clean", "an integer"},
        {"{\"clean\": \"\", \"corrupt\": \"a\"}", "clean", "empty"},
        {"{\"clean\": [], \"corrupt\": \"a\"}", "clean", "no token id"},
        {"{\"clean\": [1e9], \"corrupt\": \"a\"}", "clean", "not a token id"},
        {"{\"clean\": \"a b\", \"corrupt\": \"a\"}", "corrupt", "must be as many"},
        {"{" PROMPTS "}", "answers", "takes 2 answers"},
        {"{" PROMPTS ", \"answers\": [1]}", "answers", "takes 2 answers"},
        {"{" PROMPTS ", \"answers\": [1, 2, 3]}", "answers", "expected 0 to 2"},
        {"{" PROMPTS ", \"answers\": [\"no such token\", 1]}", "answers", "is no token"},
        {"{" PROMPTS ", \"metric\": \"accuracy\"}", "metric", "logit_diff"},
        {"{" PROMPTS ", \"direction\": \"up\"}", "direction", "denoise"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"taps\": []}", "taps", "names none"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"taps\": [\"zz\"]}", "taps", "is no tap"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"taps\": [\"result\"]}", "taps", "only computed"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"taps\": [\"z:layers=8\"]}", "taps", "layers 0 to 7"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"taps\": [\"z:heads=8\"]}", "taps", "heads 0 to 7"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"taps\": [\"z\\u0000\"]}", "taps", "with a NUL"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"positions\": []}", "positions", "names none"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"positions\": [-1]}", "positions", "is no position"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"positions\": [99]}", "positions", "there are 0 to"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"positions\": [3, 3]}", "positions", "stands behind"},
        {"{" PROMPTS ", \"metric\": \"kl_clean\", \"out\": \"/tmp/x\"}", "out", "no such field"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        api_refused(&s, PATCH, wrong[i].body, 400, wrong[i].param, wrong[i].part);
    assert_int_equal(tempo_api_held(s.api), 0);
}

/* Two prompts of n tokens that differ in the first, and the rest of the request. */
static char *long_prompts(size_t n, const char *rest)
{
    char *body = NULL;
    size_t size;
    FILE *f = open_memstream(&body, &size);

    for (int side = 0; side < 2; side++) {
        (void)fprintf(f, "%s\"%s\": [%d", side == 0 ? "{" : ", ", side == 0 ? "clean" : "corrupt", 5 + side);
        for (size_t i = 1; i < n; i++)
            (void)fprintf(f, ", %zu", 7 + i);
        (void)fputs("]", f);
    }
    (void)fprintf(f, ", \"metric\": \"kl_clean\"%s}", rest);
    (void)fclose(f);
    return body;
}

static void test_limits(void **state)
{
    char *body = long_prompts(257, "");

    (void)state;
    api_refused(&s, PATCH, body, 400, "clean", "257 tokens, this server's limit is 256");
    free(body);
    body = long_prompts(256, ", \"taps\": [\"z\", \"z\", \"z\", \"z\"], \"each\": \"head-position\"");
    api_refused(&s, PATCH, body, 400, "taps", "65536 cells, this server's limit is 50000");
    free(body);
    body = long_prompts(4, ", \"taps\": [\"z\",\"z\",\"z\",\"z\",\"z\",\"z\",\"z\",\"z\",\"z\",\"z\",\"z\","
                           "\"z\",\"z\",\"z\",\"z\",\"z\",\"z\"]");
    api_refused(&s, PATCH, body, 400, "taps", "17 taps");
    free(body);
    assert_int_equal(tempo_api_held(s.api), 0);
}

static void pause_ms(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* A grid of tens of thousands of cells: others are answered meanwhile, and it ends with its client. */
static void test_gone(void **state)
{
    char *body = long_prompts(200, ", \"taps\": [\"z\", \"z\", \"z\"], \"each\": \"head-position\""), *head;
    const uint64_t before = tempo_worker_get_counts(s.worker).cancelled;
    char some[64];

    (void)state;
    assert_true(asprintf(&head,
                         "POST " PATCH " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         strlen(body), body) > 0);
    const int fd = http_connect(s.port);
    assert_int_equal(write(fd, head, strlen(head)), strlen(head));
    assert_true(read(fd, some, sizeof(some)) > 0); /* it runs */
    assert_true(tempo_api_held(s.api) > 0);
    json_t *other = api_json(&s, "POST", "/v1/tempo/next", "{\"prompt\": \"The moon is\", \"top\": 1}", 200);
    json_decref(other);
    assert_int_equal(tempo_worker_get_counts(s.worker).cancelled, before); /* still */
    close(fd);
    while (tempo_worker_get_counts(s.worker).cancelled == before || tempo_api_held(s.api) > 0)
        pause_ms();
    assert_int_equal(tempo_worker_get_counts(s.worker).cancelled, before + 1);
    free(head);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_gone),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
