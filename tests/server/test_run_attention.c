/* test_run_attention.c - attention that was captured into files or recorded in memory, asked for through the
 * server. */
#include "served_runs.h"

#include <math.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/npz.h"
#include "server/api/memory.h"
#include "metrics/recorded.h"

static served s;
static char one_id[256], many_id[256];

static int setup(void **state)
{
    (void)state;
    served_make_runs(&s);
    served_start(&s);
    served_id(one_id, s.experiments, "one");
    served_id(many_id, s.experiments, "many");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    served_stop(&s);
    return 0;
}

/* ---- what the file says ------------------------------------------------------------------ */

static void capture_path(char out[1024], const char *run, const char *arm)
{
    (void)snprintf(out, 1024, "%s/%s/%s/attention_weights.npz", s.experiments, run, arm);
}

static tempo_npy read_array(const char *path, const char *name)
{
    tempo_npz *z;
    tempo_npy a;

    assert_int_equal(tempo_npz_open(&z, path, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_read(z, name, 1 << 28, &a, NULL), TEMPO_OK);
    tempo_npz_free(z);
    return a;
}

/* ---- asking --------------------------------------------------------------------------------- */

static http_answer ask(const char *method, const char *headers, const char *format, ...) TEMPO_PRINTF(3, 4);
static http_answer ask(const char *method, const char *headers, const char *format, ...)
{
    char target[1024];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(target, sizeof(target), format, ap);
    va_end(ap);
    return http_request(s.port, method, target, headers, NULL);
}

static void assert_header(const http_answer *a, const char *name, const char *value)
{
    char buffer[256];
    const char *v = http_header(a, name, buffer, sizeof(buffer));

    if (v == NULL || strcmp(v, value) != 0)
        fail_msg("%s: %s, expected %s", name, v != NULL ? v : "(none)", value);
}

static float float_at(const http_answer *a, size_t i)
{
    float f;

    assert_true((i + 1) * sizeof(f) <= a->n_body);
    memcpy(&f, a->body + i * sizeof(f), sizeof(f));
    return f;
}

/* ---- slices of captures ------------------------------------------------------------------------ */

static void test_slices(void **state)
{
    (void)state;
    char path[1024], shape[128];

    capture_path(path, "one", "visible");
    for (unsigned step = 0; step < 5; step++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "step_%u_attention", step);
        tempo_npy w = read_array(path, name);
        const size_t heads = (size_t)w.shape[2], rows = (size_t)w.shape[3], slots = (size_t)w.shape[4];
        const float *x = w.data;

        http_answer a = ask("GET", "", "/v1/tempo/runs/%s/attention?arm=visible&step=%u", one_id, step);
        assert_int_equal(a.status, 200);
        (void)snprintf(shape, sizeof(shape), "8,8,%zu,%zu", rows, slots);
        assert_header(&a, "X-Tempo-Shape", shape);
        assert_header(&a, "Content-Type", "application/octet-stream");
        assert_int_equal(a.n_body, w.count * 4);
        assert_memory_equal(a.body, x, w.count * 4);
        http_answer_free(&a);

        a = ask("GET", "", "/v1/tempo/runs/%s/attention?arm=visible&step=%u&layer=3&head=5&row=%zu", one_id,
                step, rows - 1);
        (void)snprintf(shape, sizeof(shape), "%zu", slots);
        assert_header(&a, "X-Tempo-Shape", shape);
        assert_int_equal(a.n_body, slots * 4);
        assert_memory_equal(a.body, x + ((3 * heads + 5) * rows + rows - 1) * slots, slots * 4);
        http_answer_free(&a);

        a = ask("GET", "", "/v1/tempo/runs/%s/attention?arm=visible&step=%u&layer=mean&head=2", one_id, step);
        (void)snprintf(shape, sizeof(shape), "%zu,%zu", rows, slots);
        assert_header(&a, "X-Tempo-Shape", shape);
        for (size_t j = 0; j < rows * slots; j++) {
            double sum = 0;
            for (size_t l = 0; l < 8; l++)
                sum += (double)x[(l * heads + 2) * rows * slots + j];
            assert_true(fabs(sum / 8 - (double)float_at(&a, j)) <= 1e-7);
        }
        http_answer_free(&a);
        tempo_npy_free(&w);
    }
}

/* Of an experiment with two thresholds and only some layers and heads, the second unit. */
static void test_units(void **state)
{
    (void)state;
    char path[1024];

    capture_path(path, "many/p1-t0.05", "visible");
    tempo_npy w = read_array(path, "step_2_attention");
    http_answer a = ask("GET", "", "/v1/tempo/runs/%s/attention?unit=1&step=2", many_id);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.n_body, w.count * 4);
    assert_memory_equal(a.body, w.data, w.count * 4);
    http_answer_free(&a);
    tempo_npy_free(&w);
    json_t *doc = served_get(&s, 200, "/v1/tempo/runs/%s/attention/steps?unit=1", many_id);
    assert_int_equal(json_integer_value(json_object_get(doc, "unit")), 1);
    assert_int_equal(json_integer_value(json_object_get(doc, "first_layer")), 2);
    assert_int_equal(json_integer_value(json_object_get(doc, "first_head")), 1);
    assert_int_equal(json_integer_value(json_object_get(doc, "layers")), 2);
    assert_int_equal(json_integer_value(json_object_get(doc, "heads")), 4);
    json_decref(doc);
}

static void test_caching_and_ranges(void **state)
{
    (void)state;
    char etag[256], other[256], header[320];
    http_answer whole = ask("GET", "", "/v1/tempo/runs/%s/attention?step=1&layer=0&head=0", one_id), a;

    assert_non_null(http_header(&whole, "ETag", etag, sizeof(etag)));
    assert_header(&whole, "Accept-Ranges", "bytes");
    (void)snprintf(header, sizeof(header), "If-None-Match: %s\r\n", etag);
    a = ask("GET", header, "/v1/tempo/runs/%s/attention?step=1&layer=0&head=0", one_id);
    assert_int_equal(a.status, 304);
    assert_int_equal(a.n_body, 0);
    http_answer_free(&a);
    a = ask("GET", header, "/v1/tempo/runs/%s/attention?step=1&layer=0&head=1", one_id); /* another slice */
    assert_int_equal(a.status, 200);
    assert_non_null(http_header(&a, "ETag", other, sizeof(other)));
    assert_string_not_equal(etag, other);
    http_answer_free(&a);
    a = ask("GET", "Range: bytes=4-11\r\n", "/v1/tempo/runs/%s/attention?step=1&layer=0&head=0", one_id);
    assert_int_equal(a.status, 206);
    assert_int_equal(a.n_body, 8);
    assert_memory_equal(a.body, whole.body + 4, 8);
    http_answer_free(&a);
    a = ask("GET", "Range: bytes=99999999-\r\n", "/v1/tempo/runs/%s/attention?step=1&layer=0&head=0", one_id);
    assert_int_equal(a.status, 416);
    http_answer_free(&a);
    a = ask("HEAD", "", "/v1/tempo/runs/%s/attention?step=1&layer=0&head=0", one_id);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.n_body, 0);
    (void)snprintf(header, sizeof(header), "%zu", whole.n_body);
    assert_header(&a, "Content-Length", header);
    assert_header(&a, "ETag", etag);
    http_answer_free(&a);
    a = ask("POST", "", "/v1/tempo/runs/%s/attention?step=1", one_id);
    assert_int_equal(a.status, 405);
    http_answer_free(&a);

    char path[1024]; /* another file, another tag */
    capture_path(path, "one", "isolated");
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1000, 0}, {1000, 0}}, 0), 0);
    (void)snprintf(header, sizeof(header), "If-None-Match: %s\r\n", etag);
    a = ask("GET", header, "/v1/tempo/runs/%s/attention?step=1&layer=0&head=0", one_id);
    assert_int_equal(a.status, 200);
    http_answer_free(&a);
    http_answer_free(&whole);
}

/* ---- steps and summaries -------------------------------------------------------------------- */

static void test_steps(void **state)
{
    (void)state;
    char path[1200];
    json_error_t error;
    json_t *doc = served_get(&s, 200, "/v1/tempo/runs/%s/attention/steps?arm=visible", one_id), *results,
           *one;
    const json_t *tokens = json_object_get(doc, "tokens"), *steps = json_object_get(doc, "steps");
    size_t i, n_prompt;

    assert_int_equal(json_array_size(json_object_get(doc, "arms")), 3);
    assert_string_equal(json_string_value(json_object_get(doc, "arm")), "visible");
    assert_int_equal(json_integer_value(json_object_get(doc, "layers")), 8);
    assert_int_equal(json_array_size(steps), 5);
    (void)snprintf(path, sizeof(path), "%s/one/results.json", s.experiments);
    results = json_load_file(path, 0, &error);
    n_prompt = json_array_size(json_object_get(results, "prompt_ids"));
    const json_t *sets =
        json_object_get(json_object_get(json_object_get(results, "arms"), "visible"), "steps");
    size_t slot = n_prompt;
    for (i = 0; i < n_prompt; i++) {
        one = json_array_get(tokens, i);
        assert_int_equal(json_integer_value(json_object_get(one, "set")), i);
        assert_true(json_equal(json_object_get(one, "id"),
                               json_array_get(json_object_get(results, "prompt_ids"), i)));
        assert_true(json_is_string(json_object_get(one, "text")));
    }
    for (size_t t = 0; t + 1 < json_array_size(sets); t++) { /* the last one was not read */
        const json_t *members = json_object_get(json_array_get(sets, t), "members"),
                     *queries = json_object_get(json_array_get(steps, t + 1), "query_slots");
        assert_int_equal(json_array_size(queries), json_array_size(members));
        for (size_t k = 0; k < json_array_size(members); k++, slot++) {
            const json_t *m = json_array_get(members, k);
            one = json_array_get(tokens, slot);
            assert_int_equal(json_integer_value(json_object_get(one, "slot")), slot);
            assert_true(json_equal(json_object_get(one, "id"), json_object_get(m, "id")));
            assert_true(json_equal(json_object_get(one, "text"), json_object_get(m, "text")));
            assert_int_equal(json_integer_value(json_object_get(one, "set")), n_prompt + t);
            assert_true(json_number_value(json_object_get(one, "position")) ==
                        json_number_value(json_object_get(m, "position")));
            assert_int_equal(json_integer_value(json_array_get(queries, k)), slot);
        }
    }
    assert_int_equal(json_array_size(tokens), slot);
    json_decref(results);
    json_decref(doc);
}

/* A head's mass on siblings of a visible arm, added up here. */
static void test_summary(void **state)
{
    (void)state;
    char path[1024], name[32];

    capture_path(path, "one", "visible");
    for (unsigned step = 0; step < 5; step++) {
        json_t *doc = served_get(
            &s, 200, "/v1/tempo/runs/%s/attention/summary?arm=visible&step=%u&top_keys=2", one_id, step);
        const json_t *queries = json_object_get(doc, "query_slots");
        (void)snprintf(name, sizeof(name), "step_%u_attention", step);
        tempo_npy w = read_array(path, name);
        const size_t rows = (size_t)w.shape[3], slots = (size_t)w.shape[4];
        const float *x = (const float *)w.data + (4 * 8 + 1) * rows * slots; /* layer 4, head 1 */
        double siblings = 0, sink = 0;
        for (size_t r = 0; r < rows; r++) {
            sink += (double)x[r * slots] / (double)rows;
            for (size_t k = 0; k < rows; k++)
                if (k != r) /* the rows of a step are all of its set */
                    siblings +=
                        (double)x[r * slots + (size_t)json_integer_value(json_array_get(queries, k))] /
                        (double)rows;
        }
        const json_t *mass = json_array_get(json_array_get(json_object_get(doc, "sibling_mass"), 4), 1),
                     *sinks = json_array_get(json_array_get(json_object_get(doc, "sink"), 4), 1);
        assert_true(fabs(json_number_value(mass) - siblings) <= 1e-6);
        assert_true(fabs(json_number_value(sinks) - sink) <= 1e-6);
        assert_int_equal(json_integer_value(json_object_get(doc, "step")), step);
        assert_int_equal(json_array_size(json_object_get(doc, "rows")), rows);
        assert_int_equal(
            json_array_size(json_object_get(json_array_get(json_object_get(doc, "rows"), 0), "keys")), 2);
        assert_null(json_object_get(doc, "closing"));
        tempo_npy_free(&w);
        json_decref(doc);
    }
}

/* ---- refused ---------------------------------------------------------------------------------- */

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *param, *query;
    } cases[] = {
        {"step", ""},
        {"step", "?step=5"},
        {"step", "?step=-1"},
        {"step", "?step=1x"},
        {"step", "?step="},
        {"step", "?step=99999999999999999999"},
        {"layer", "?step=0&layer=8"},
        {"layer", "?step=0&layer=all"},
        {"head", "?step=0&head=8"},
        {"head", "?step=0&head=median"},
        {"row", "?step=0&row=1"},
        {"row", "?step=0&row=mean"},
        {"arm", "?step=0&arm=other"},
        {"arm", "?step=0&arm=../one/visible"},
        {"unit", "?step=0&unit=1"},
        {"unit", "?step=0&unit=x"},
        {"file", "?step=0&file=/etc/passwd"},
    };
    char target[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        (void)snprintf(target, sizeof(target), "/v1/tempo/runs/%s/attention%s", one_id, cases[i].query);
        served_refused(&s, 400, cases[i].param, target);
    }
    (void)snprintf(target, sizeof(target), "/v1/tempo/runs/%s/attention/summary?step=0&top_keys=33", one_id);
    served_refused(&s, 400, "top_keys", target);
    (void)snprintf(target, sizeof(target), "/v1/tempo/runs/%s/attention/steps?step=0", one_id);
    served_refused(&s, 400, "step", target);
}

/* ---- hostile files ------------------------------------------------------------------------------ */

typedef struct hostile {
    const char *what;
    uint64_t shape[5];
    unsigned n_dims;
    tempo_npy_type type;
    int64_t query;
    uint64_t n_queries;
} hostile;

/* A capture of one step in the place of `path`, whose arrays may be anything. */
static void write_capture(const char *path, const hostile *h)
{
    static const uint64_t none[1] = {0}, six[1] = {6};
    static const double rope[6] = {0, 1, 2, 3, 4, 5};
    uint64_t count = 1;
    tempo_npz_writer *w;

    for (unsigned i = 0; i < h->n_dims; i++)
        count *= h->shape[i];
    double *data = calloc((size_t)count + 1, sizeof(*data));
    int64_t queries[4] = {h->query, h->query, h->query, h->query};
    if (h->type == TEMPO_NPY_F32)
        ((float *)data)[0] = NAN;
    assert_int_equal(tempo_npz_create(&w, path, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, "step_0_attention", h->type, h->shape, h->n_dims, data, NULL),
                     TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, "step_0_query_slots", TEMPO_NPY_I64, &h->n_queries, 1, queries, NULL),
                     TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, "step_0_rope", TEMPO_NPY_F64, six, 1, rope, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_add(w, "step_0_positions", TEMPO_NPY_I64, none, 1, queries, NULL), TEMPO_OK);
    assert_int_equal(tempo_npz_commit(w, NULL), TEMPO_OK);
    free(data);
}

static unsigned status_of(const char *what)
{
    http_answer a = ask("GET", "", "/v1/tempo/runs/%s/attention%s", one_id, what);
    const unsigned status = a.status;

    if (strstr(a.text, s.dir) != NULL)
        fail_msg("an answer names the directory: %.400s", a.body);
    http_answer_free(&a);
    return status;
}

static void assert_all(unsigned status, const char *what)
{
    static const char *const targets[] = {"?arm=isolated&step=0", "/steps?arm=isolated",
                                          "/summary?arm=isolated&step=0"};

    for (size_t i = 0; i < 3; i++)
        if (status_of(targets[i]) != status)
            fail_msg("%s: %s answers %u, expected %u", what, targets[i], status_of(targets[i]), status);
}

static void test_hostile_arrays(void **state)
{
    (void)state;
    static const hostile cases[] = {
        {"three axes", {2, 1, 6}, 3, TEMPO_NPY_F32, 5, 1},
        {"integers", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_I64, 5, 1},
        {"a batch of two", {2, 2, 2, 1, 6}, 5, TEMPO_NPY_F32, 5, 1},
        {"no slots", {2, 1, 2, 1, 0}, 5, TEMPO_NPY_F32, 0, 1},
        {"a query outside", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F32, 6, 1},
        {"a query below", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F32, -1, 1},
        {"more queries than rows", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F32, 5, 2},
        {"no queries", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F32, 5, 0},
        {"many layers", {5000, 1, 1, 1, 6}, 5, TEMPO_NPY_F32, 5, 1},
    };
    static const hostile good = {"good", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F32, 5, 1};
    static const hostile others[] = {{"doubles", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F64, 5, 1},
                                     {"halves", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F16, 5, 1},
                                     {"without the batch", {2, 2, 1, 6}, 4, TEMPO_NPY_F32, 5, 1}};
    char path[1024];
    size_t n;

    capture_path(path, "one", "isolated");
    unsigned char *before = test_read_file(path, &n);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        write_capture(path, &cases[i]);
        assert_all(500, cases[i].what);
    }
    write_capture(path, &good); /* with a weight that is no number, which JSON cannot say */
    assert_all(200, good.what);
    json_t *doc = served_get(&s, 200, "/v1/tempo/runs/%s/attention/summary?arm=isolated&step=0", one_id);
    assert_true(json_is_null(json_array_get(json_array_get(json_object_get(doc, "sink"), 0), 0)));
    json_decref(doc);

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        write_capture(path, &others[i]);
        assert_all(200, others[i].what);
    }

    for (size_t cut = 0; cut < n; cut += n / 16 + 1) { /* cut off, and other bytes */
        test_write_file(path, before, cut);
        assert_all(500, "cut off");
    }
    test_write_file(path, "PK\3\4", 4);
    assert_all(500, "four bytes");
    test_write_file(path, before, n);
    free(before);
    assert_all(200, "whole again");
}

/* Weights that must be copied to be used: the list of steps leaves them alone. */
static void test_steps_without_weights(void **state)
{
    (void)state;
    static const hostile good = {"good", {2, 1, 2, 1, 6}, 5, TEMPO_NPY_F32, 5, 1};
    char path[1024];
    size_t n, n_before;

    capture_path(path, "one", "isolated");
    unsigned char *before = test_read_file(path, &n_before);
    write_capture(path, &good);
    unsigned char *file = test_read_file(path, &n), *type = memmem(file, n, "<f4", 3);
    assert_non_null(type);
    *type = '>'; /* the other byte order, and a checksum that is wrong now */
    test_write_file(path, file, n);
    assert_int_equal(status_of("/steps?arm=isolated"), 200);
    assert_int_equal(status_of("?arm=isolated&step=0"), 500);
    assert_int_equal(status_of("/summary?arm=isolated&step=0"), 500);
    /* and the copy is counted */
    const size_t before_all = tempo_api_held(s.api), copy = 2 * 2 * 6 * sizeof(float),
                 room = (512u << 20) - before_all;
    assert_true(tempo_api_hold(s.api, room - copy));
    assert_int_equal(status_of("?arm=isolated&step=0"), 500);
    assert_true(tempo_api_hold(s.api, 1));
    assert_int_equal(status_of("?arm=isolated&step=0"), 503);
    assert_int_equal(status_of("/summary?arm=isolated&step=0"), 503);
    assert_int_equal(status_of("/steps?arm=isolated"), 200);
    tempo_api_let_go(s.api, room - copy + 1);
    assert_int_equal(tempo_api_held(s.api), before_all);
    test_write_file(path, before, n_before);
    free(before);
    free(file);
    assert_all(200, "whole again");
}

static void test_links_and_pipes(void **state)
{
    (void)state;
    char path[1024], away[1100];

    capture_path(path, "one", "isolated");
    (void)snprintf(away, sizeof(away), "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink(away, path), 0);
    assert_all(404, "a link");
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_all(404, "a pipe");
    assert_int_equal(remove(path), 0);
    assert_all(404, "nothing");
    assert_int_equal(rename(away, path), 0);
    assert_all(200, "the file again");
}

/* ---- generations ---------------------------------------------------------------------------------- */

static void test_generation(void **state)
{
    (void)state;
    static const char body[] =
        "{\"prompt\": \"Once upon a time\", \"steps\": 4, \"threshold\": 0.05, \"stop\": \"never\", "
        "\"arms\": [\"isolated\", \"visible\"], \"record\": [\"attention\"], \"attention\": true, "
        "\"stream\": false}";
    json_error_t error;
    http_answer a =
        http_request(s.port, "POST", "/v1/tempo/generate", "Content-Type: application/json\r\n", body);
    json_t *g = json_loadb(a.body, a.n_body, 0, &error), *steps, *summary, *event;
    char id[128];
    size_t i;

    if (a.status != 200 || g == NULL)
        fail_msg("%u: %.300s", a.status, a.body);
    http_answer_free(&a);
    (void)snprintf(id, sizeof(id), "%s",
                   json_string_value(json_object_get(json_object_get(g, "start"), "id")));
    steps = served_get(&s, 200, "/v1/tempo/generations/%s/attention/steps?arm=visible", id);
    assert_int_equal(json_array_size(json_object_get(steps, "steps")), 5); /* with the closing pass */
    assert_int_equal(json_integer_value(json_object_get(steps, "layers")), 8);
    const json_t *last = json_array_get(json_object_get(steps, "steps"), 4);
    assert_int_equal(json_array_size(json_object_get(steps, "tokens")),
                     json_integer_value(json_object_get(last, "slots")));
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(steps, "tokens"), 1), "text")),
        json_string_value(json_object_get(
            json_array_get(json_object_get(json_object_get(g, "start"), "prompt_tokens"), 1), "text")));
    json_decref(steps);

    size_t met = 0; /* what the events said then, the summary says now */
    json_array_foreach(json_object_get(g, "attention"), i, event)
    {
        const char *arm = json_string_value(json_object_get(event, "arm"));
        summary = served_get(&s, 200, "/v1/tempo/generations/%s/attention/summary?arm=%s&step=%d", id, arm,
                             (int)json_integer_value(json_object_get(event, "step")));
        if (!json_equal(summary, event))
            fail_msg("step %d of %s: another summary than the event",
                     (int)json_integer_value(json_object_get(event, "step")), arm);
        json_decref(summary);
        met++;
    }
    assert_int_equal(met, 10);

    a = ask("GET", "", "/v1/tempo/generations/%s/attention?arm=visible&step=4&layer=1&head=mean", id);
    assert_int_equal(a.status, 200);
    assert_true(a.n_body > 0 && a.n_body % 4 == 0);
    double sum = 0; /* each row's weights come to 1 */
    for (i = 0; i < a.n_body / 4; i++)
        sum += (double)float_at(&a, i);
    assert_true(fabs(sum - round(sum)) < 1e-4 && round(sum) >= 1);
    http_answer_free(&a);
    char target[256];
    (void)snprintf(target, sizeof(target), "/v1/tempo/generations/%s/attention?step=5", id);
    served_refused(&s, 400, "step", target);
    (void)snprintf(target, sizeof(target), "/v1/tempo/generations/%s/attention?step=0&arm=causal", id);
    served_refused(&s, 400, "arm", target);
    (void)snprintf(target, sizeof(target), "/v1/tempo/generations/%s/attention?step=0&unit=0", id);
    served_refused(&s, 400, "unit", target);
    json_decref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_caching_and_ranges),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hostile_arrays),
        cmocka_unit_test(test_steps_without_weights),
        cmocka_unit_test(test_links_and_pipes),
        cmocka_unit_test(test_generation),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
