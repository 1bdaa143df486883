/* Where edits come from: captures to patch from, files of vectors and of means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "edit/edits_json.h"
#include "engine/edit.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/safetensors_write.h"
#include "support/models.h"
#include "support/tmpdir.h"

enum { N_PROMPT = 9, STEPS = 3 };

static char dir[256];
static tempo_model *model; /* 2 layers, 4 heads of 8, d_model 32 */
static tempo_engine *engine;

static int setup(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    model = test_open_synthetic("llama", TEMPO_F32);
    engine = test_engine(model, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempo_engine_free(engine);
    tempo_model_free(model);
    test_tmpdir_remove(dir);
    return 0;
}

/* ---- runs ---- */

static tempo_decoder *make_decoder(int32_t first, const tempo_edits *edits)
{
    int32_t prompt[N_PROMPT];
    tempo_decode_options o;

    for (int32_t i = 0; i < N_PROMPT; i++)
        prompt[i] = (first + i * 31) % 250;
    tempo_decode_options_init(&o);
    o.mode = TEMPO_VISIBLE;
    o.threshold = 0.004;
    o.max_set = 3;
    o.steps = STEPS;
    o.stop = TEMPO_STOP_NEVER;
    o.edits = edits;
    return test_decoder(engine, &o, prompt, N_PROMPT);
}

static bool feed(void *user, const tempo_tap_view *v)
{
    return tempo_capture_view(user, v);
}

/* The run of that prompt, captured in dir/name. */
static void capture(const char *name, int32_t first, const char *record, bool prompt_rows,
                    tempo_capture_format format)
{
    tempo_decoder *d = make_decoder(first, NULL);
    tempo_capture_options o;
    tempo_capture *c;
    tempo_err err = {0};
    char path[512];

    tempo_capture_options_init(&o);
    o.prompt = N_PROMPT;
    o.steps = STEPS;
    o.rows = 3;
    o.prompt_rows = prompt_rows;
    o.record = 0;
    o.format = format;
    if (tempo_record_parse(&o, record, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    test_path(path, dir, name);
    if (tempo_capture_create(&c, path, d, &o, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    tempo_observer obs = {.user = c, .view = feed, .prompts = tempo_capture_wants_prompt(c)};
    obs.taps = tempo_capture_taps(c, &obs.n_taps);
    for (size_t t = 0; t < STEPS; t++) {
        assert_int_equal(tempo_decoders_step(&d, 1, &obs, &err), TEMPO_OK);
        if (tempo_capture_step(c, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
    }
    assert_int_equal(tempo_capture_commit(c, &err), TEMPO_OK);
    tempo_decoder_free(d);
}

/* The logits of each step's first row, [STEPS, n_vocab], for free(). */
static float *run(int32_t first, const tempo_edits *edits, tempo_edit_use *use)
{
    const size_t n_vocab = tempo_model_get_info(model)->n_vocab;
    tempo_decoder *d = make_decoder(first, edits);
    float *out = malloc(STEPS * n_vocab * sizeof(*out));
    tempo_err err = {0};

    assert_non_null(out);
    for (size_t t = 0; t < STEPS; t++) {
        if (tempo_decoders_step(&d, 1, NULL, &err) != TEMPO_OK)
            fail_msg("%s", err.msg);
        memcpy(out + t * n_vocab, tempo_decoder_row_logits(d, 0), n_vocab * sizeof(*out));
    }
    if (use != NULL)
        *use = tempo_seq_edit_use(tempo_decoder_seq(d), 0);
    tempo_decoder_free(d);
    return out;
}

static bool same(const float *a, const float *b, size_t steps)
{
    return memcmp(a, b, steps * tempo_model_get_info(model)->n_vocab * sizeof(*a)) == 0;
}

/* "... DIR/name ..." for %s of the text. */
static tempo_status try(tempo_edits **l, const char *format, const char *name, tempo_err *err)
{
    char path[512], text[1024];

    test_path(path, dir, name);
    (void)snprintf(text, sizeof(text), format, path);
    *err = (tempo_err){0};
    assert_int_equal(tempo_edits_create(l, model, NULL), TEMPO_OK);
    const tempo_status st = tempo_edits_add(*l, text, NULL, err);
    assert_int_equal(tempo_edits_count(*l), st == TEMPO_OK ? 1 : 0);
    return st;
}

static tempo_edits *make(const char *format, const char *name)
{
    tempo_edits *l;
    tempo_err err;

    if (try(&l, format, name, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return l;
}

/* ---- patches from captures ---- */

/* From the run's own capture a patch changes no bit; from another of the same length, all rows of the
 * residual stream of any layer make the run that one. */
static void check_patches(const char *own, const char *other)
{
    static const char *const texts[] = {"patch blocks.0.hook_resid_pre from=%s",
                                        "patch blocks.1.hook_resid_pre from=%s rows=prompt",
                                        "patch pattern from=%s layers=1 heads=0,2",
                                        "patch z from=%s rows=prompt:2-4",
                                        "patch blocks.1.attn.hook_attn_scores from=%s",
                                        "patch logits from=%s rows=prompt:-1",
                                        "patch resid_pre from=%s source=prompt:3 rows=prompt:3"};
    float *plain = run(5, NULL, NULL), *there = run(77, NULL, NULL);

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        tempo_edit_use use;
        tempo_edits *l = make(texts[i], own);
        float *got = run(5, l, &use);
        if (!same(got, plain, STEPS) || !use.came || use.changed)
            fail_msg("%s: came %d, changed %d", texts[i], use.came, use.changed);
        free(got);
        tempo_edits_free(l);
        l = make(texts[i], other);
        got = run(5, l, &use);
        if (same(got, plain, STEPS) || !use.changed)
            fail_msg("%s of another: changed %d", texts[i], use.changed);
        if (i < 2 && !same(got, there, 1))
            fail_msg("%s: not the other run", texts[i]);
        free(got);
        tempo_edits_free(l);
    }
    free(plain);
    free(there);
}

static const char everything[] = "resid_pre,z,attn_scores,attention,logits";

static void test_patch_from_capture(void **state)
{
    (void)state;
    capture("own", 5, everything, true, TEMPO_CAPTURE_NPZ);
    capture("other", 77, everything, true, TEMPO_CAPTURE_SAFETENSORS);
    check_patches("own", "other");
}

/* What is not there is said, with what would have recorded it. */
static void test_what_a_capture_lacks(void **state)
{
    static const struct {
        const char *text, *name, *says[3];
    } bad[] = {
        {"patch z from=%s rows=generated", "own", {NULL}}, /* that is there */
        {"patch mlp_out from=%s rows=generated", "own", {"has no mlp_out", "--record mlp_out"}},
        {"patch z from=%s rows=generated", "narrow", {"narrow has no z of layer 0", "--record 'z:layers=0'"}},
        {"patch z from=%s rows=generated layers=1",
         "narrow",
         {"narrow has no z of head 0", "--record 'z:heads=0'"}},
        {"patch z from=%s rows=generated layers=1 heads=1-2", "narrow", {"no z of head 2"}},
        {"patch z from=%s rows=generated layers=1 heads=1", "narrow", {NULL}},
        {"patch z from=%s layers=1 heads=1", "narrow", {"the prompt's last row", "--record-prompt", "rows="}},
        {"patch z from=%s layers=1 heads=1 rows=prompt", "narrow", {"--record-prompt"}},
        {"patch z from=%s layers=1 heads=1 rows=prompt:2", "narrow", {"no z of slot 2", "--record-prompt"}},
        {"patch z from=%s layers=1 heads=1 rows=prompt:8", "narrow", {NULL}},
        {"patch z from=%s layers=1 heads=1 rows=prompt:-1", "narrow", {NULL}},
        {"patch z from=%s layers=1 heads=1 source=prompt:0", "narrow", {"no z of slot 0"}},
        {"patch pattern from=%s rows=generated layers=0",
         "narrow",
         {"no pattern of layer 0", "'attention:layers=0'"}},
        {"patch pattern from=%s rows=generated layers=1 heads=3", "narrow", {"no pattern of head 3"}},
        {"patch pattern from=%s rows=generated layers=1 heads=1-2", "narrow", {NULL}},
        {"patch resid_pre from=%s", "nowhere", {"there is no run", "nowhere", "directory of a capture"}},
        {"patch resid_pre from=%s", "empty", {"has no resid_pre", "--record resid_pre"}},
    };
    char path[512];

    (void)state;
    capture("narrow", 5, "z:layers=1:heads=1,attention:layers=1-1:heads=1-2", false, TEMPO_CAPTURE_NPZ);
    test_path(path, dir, "empty");
    test_mkdir(path);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        tempo_edits *l;
        tempo_err err;
        const tempo_status st = try(&l, bad[i].text, bad[i].name, &err);
        tempo_edits_free(l);
        if (bad[i].says[0] == NULL) {
            if (st != TEMPO_OK)
                fail_msg("%s", err.msg);
            continue;
        }
        if (st != TEMPO_E_NOTFOUND)
            fail_msg("%s: %d: %s", bad[i].text, (int)st, err.msg);
        for (size_t k = 0; k < 3 && bad[i].says[k] != NULL; k++)
            if (strstr(err.msg, bad[i].says[k]) == NULL)
                fail_msg("%s: not in it: %s", err.msg, bad[i].says[k]);
        assert_int_equal(strncmp(err.msg, "edit '", 6), 0);
    }
}

/* ---- files that are not what they should be ---- */

typedef struct forged {
    const char *key;
    tempo_npy_type type;
    uint64_t shape[4];
    unsigned n_dims;
    const void *data;
} forged;

static const float ones[4096] = {[0] = 1, [31] = 2};
static float infinite[64];
static uint16_t halves[64]; /* 0x3c00: 1.0, as bfloat16 0x3f80 */
static const int64_t slots[4] = {8, 9, 10, 11}, high[4] = {(int64_t)1 << 40, 1, 2, 3}, low[4] = {-1, 1, 2, 3};

/* dir/name/taps.safetensors of those arrays and metadata. */
static void forge(const char *name, const forged *arrays, size_t n, const char *metadata)
{
    char path[512];
    tempo_safetensors_writer *w;

    test_path(path, dir, name);
    if (access(path, F_OK) != 0)
        test_mkdir(path);
    (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/taps.safetensors");
    (void)unlink(path);
    assert_int_equal(tempo_safetensors_create(&w, path, 4096, NULL), TEMPO_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(tempo_safetensors_add(w, arrays[i].key, arrays[i].type, arrays[i].shape,
                                               arrays[i].n_dims, arrays[i].data, NULL),
                         TEMPO_OK);
    if (metadata != NULL)
        assert_int_equal(tempo_safetensors_add_text(w, "metadata", metadata, NULL), TEMPO_OK);
    assert_int_equal(tempo_safetensors_commit(w, NULL), TEMPO_OK);
}

#define STEP(s)                                                                                              \
    {                                                                                                        \
        "step_1_query_slots", TEMPO_NPY_I64, {1}, 1, s                                                       \
    }

static void test_forged_captures(void **state)
{
    static const char layer_1[] = "{\"taps\": {\"resid_pre\": {\"layers\": [1]}}}";
    static const char of_another[] = "{\"model\": {\"name\": \"other\", \"d_model\": 64}}";
    const struct {
        forged arrays[2];
        const char *metadata, *says; /* NULL: it is good */
    } cases[] = {
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, ones}, STEP(slots)}, NULL, NULL},
        {{{"step_1_resid_pre", TEMPO_NPY_F16, {2, 1, 32}, 3, halves}, STEP(slots)}, "no JSON", NULL},
        {{{"step_1_resid_pre", TEMPO_NPY_BF16, {2, 1, 32}, 3, halves}, STEP(slots)}, "{}", NULL},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {1, 1, 32}, 3, ones}, STEP(slots)}, NULL, "shape [1, 1, 32]"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 64}, 3, ones}, STEP(slots)},
         NULL,
         "a capture of another"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 4, 32}, 3, ones}, STEP(slots)}, NULL, "has 4 rows"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, ones}, STEP(high)}, NULL, "is no slot"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, ones}, STEP(low)}, NULL, "-1 is no slot"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, infinite}, STEP(slots)},
         NULL,
         "not a finite number"},
        {{{"step_1_resid_pre", TEMPO_NPY_I64, {2, 1, 32}, 3, ones}, STEP(slots)}, NULL, "expected floats"},
        {{{"step_2_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, ones}, STEP(slots)},
         NULL,
         "no array named step_2_query"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {1, 1, 32}, 3, ones}, STEP(slots)},
         layer_1,
         "no resid_pre of layer 0"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, ones}, STEP(slots)},
         of_another,
         "another model other: d_model 64"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, ones}, STEP(slots)},
         "{\"taps\": {\"resid_pre\": {\"layers\": [1, 0]}}}",
         "do not fit this model"},
        {{{"step_1_resid_pre", TEMPO_NPY_F32, {2, 1, 32}, 3, ones}, STEP(slots)},
         "{\"taps\": {\"resid_pre\": {\"layers\": [0, 2]}}}",
         "do not fit this model"},
    };

    (void)state;
    infinite[32] = 1e30f * 1e30f;
    for (size_t i = 0; i < 64; i++)
        halves[i] = 0x3c00;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_edits *l;
        tempo_err err;
        forge("forged", cases[i].arrays, 2, cases[i].metadata);
        const tempo_status st = try(&l, "patch resid_pre from=%s rows=generated", "forged", &err);
        tempo_edits_free(l);
        if ((st == TEMPO_OK) != (cases[i].says == NULL) ||
            (cases[i].says != NULL &&
             (strstr(err.msg, cases[i].says) == NULL || strstr(err.msg, "forged") == NULL)))
            fail_msg("case %zu: %d: %s", i, (int)st, err.msg);
    }
}

/* ---- vectors and means ---- */

static void test_vectors_and_means(void **state)
{
    static const char metadata[] =
        "{\"kind\": \"mean\", \"taps\": {\"z\": {\"layers\": [1], \"heads\": [0, 1, 2, 3]}, \"resid_pre\": "
        "{\"layers\": [0, 1]}}, \"model\": {\"n_layers\": 2}}";
    static const forged means[] = {{"z", TEMPO_NPY_F32, {1, 4, 8}, 3, ones},
                                   {"resid_pre", TEMPO_NPY_F32, {2, 32}, 2, ones}};
    static const struct {
        const char *text, *name, *says;
    } cases[] = {
        {"mean resid_pre from=%s layers=1", "m/taps.safetensors", NULL},
        {"mean z from=%s layers=1 heads=2", "m/taps.safetensors", NULL},
        {"mean blocks.1.attn.hook_z from=%s:z", "m/taps.safetensors", NULL},
        {"mean z from=%s", "m/taps.safetensors", "no means of layer 0"},
        {"mean mlp_out from=%s", "m/taps.safetensors", "no array named mlp_out"},
        {"add resid_pre layers=0 vector=%s", "m/taps.safetensors", "say which"},
        {"add resid_pre layers=0-1 vector=%s:resid_pre times=-2", "m/taps.safetensors", NULL},
        {"add resid_pre vector=%s", "v.npy", NULL},
        {"set z heads=1 vector=%s", "v.npy", "has shape [32]"},
        {"add resid_pre vector=%s", "a:b.npy", NULL},
        {"add resid_pre vector=%s", "gone.npy", "gone.npy"},
    };
    unsigned char npy[TEMPO_NPY_HEADER_BYTES + 32 * sizeof(float)];
    const uint64_t shape = 32;
    const size_t head = tempo_npy_put_header(npy, TEMPO_NPY_F32, 0, &shape, 1);
    char path[512];

    (void)state;
    memcpy(npy + head, ones, 32 * sizeof(float));
    test_path(path, dir, "v.npy");
    test_write_file(path, npy, head + 32 * sizeof(float));
    test_path(path, dir, "a:b.npy");
    test_write_file(path, npy, head + 32 * sizeof(float));
    forge("m", means, 2, metadata);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_edits *l;
        tempo_err err;
        const tempo_status st = try(&l, cases[i].text, cases[i].name, &err);
        if ((st == TEMPO_OK) != (cases[i].says == NULL) ||
            (cases[i].says != NULL && strstr(err.msg, cases[i].says) == NULL))
            fail_msg("%s: %d: %s", cases[i].text, (int)st, err.msg);
        if (st == TEMPO_OK) {
            tempo_edit_use use;
            free(run(5, l, &use));
            if (!use.came || !use.changed)
                fail_msg("%s: came %d, changed %d", cases[i].text, use.came, use.changed);
        }
        tempo_edits_free(l);
    }
}

/* What stores keep together counts together. */
static void test_shared_budget(void **state)
{
    const tempo_tap_selection tap = {.tap = TEMPO_TAP_LN1_SCALE};
    float one = 1;
    tempo_tap_view view = {.tap = TEMPO_TAP_LN1_SCALE, .n_dims = 1, .dims = {1, 1}, .values = &one};
    tempo_store *a, *b;
    tempo_err err = {0};

    (void)state;
    assert_int_equal(tempo_store_create(&a, model, &tap, 1, 3 * sizeof(float), &err), TEMPO_OK);
    assert_int_equal(tempo_store_create(&b, model, &tap, 1, 0, &err), TEMPO_OK);
    tempo_store_share(b, a);
    for (view.slot = 0; view.slot < 3; view.slot++)
        assert_true(tempo_store_view(view.slot == 1 ? a : b, &view, &err));
    assert_false(tempo_store_view(a, &view, &err));
    assert_int_equal(err.code, TEMPO_E_LIMIT);
    assert_false(tempo_store_view(b, &view, NULL));
    tempo_store_free(a); /* b has it still */
    assert_false(tempo_store_view(b, &view, NULL));
    tempo_store_free(b);
}

/* ---- JSON ---- */

/* Of one number to every element, in its three spellings: "AACAPw==" is 1.0f. */
static void test_json_edits(void **state)
{
    static const struct {
        const char *text, *says, *field; /* NULL: it is good */
    } cases[] = {
        {"[]", NULL, NULL},
        {"['zero z', 'scale 2 z layers=1']", NULL, NULL},
        {"[{'edit': 'zero z'}]", NULL, NULL},
        {"[{'edit': 'add ln1.scale times=2', 'vector': [1]}]", NULL, NULL},
        {"[{'edit': 'add ln1.scale layers=0-1', 'vector': [[1], [2.5]]}]", NULL, NULL},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPw==', 'shape': [1]}}]", NULL, NULL},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPwAAgD8=', 'shape': [2, 1]}}]", NULL, NULL},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPwAAgD8AAIA/AACAPw==', 'shape': [4, 1]}}]",
         "has shape [4, 1]", "edits[0]"},
        {"'zero z'", "a string, expected a list", "edits"},
        {"['zero z', 7]", "edits[1]: it is an integer", "edits[1]"},
        {"['zero zz']", "edits[0]: edit 'zero zz'", "edits[0]"},
        {"['zero z\\u0000']", "it is a string", "edits[0]"},
        {"[{'vector': [1]}]", "an object without a text", "edits[0]"},
        {"[{'edit': 'zero z', 'with': 1}]", "\"with\" means nothing here", "edits[0]"},
        {"[{'edit': 'zero z', 'vector': [1]}]", "vector= means nothing here", "edits[0]"},
        {"[{'edit': 'add ln1.scale vector=v.npy', 'vector': [1]}]", "vector= is there twice", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': 1}]", "vector: expected numbers", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': []}]", "no dimension of 0", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': [[1], 2]}]", "lists of equal lengths", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': [[1], [2, 3]]}]", "lists of equal lengths", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': [1e39]}]", "element 0 is too large", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': [NaN]}]", "element 0 is NaN", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': ['1']}]", "element 0 is a string", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': [[[[[1]]]]]}]", "at most 4 dimensions", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPw==', 'shape': [2]}}]",
         "base64 has 8 characters", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPw==', 'shape': [0]}}]", "positive integers",
         "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPw==', 'shape': [4294967296, 4294967296]}}]",
         "at most 64000000 numbers", "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAP===', 'shape': [1]}}]", "standard alphabet",
         "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPx==', 'shape': [1]}}]", "standard alphabet",
         "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AADAfw==', 'shape': [1]}}]", "not a finite number",
         "edits[0]"},
        {"[{'edit': 'add ln1.scale', 'vector': {'base64': 'AACAPw=='}}]", "1 to 4 dimensions", "edits[0]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[256];
        json_t *list;
        tempo_edits *l;
        tempo_err err = {0}, early = {0};
        (void)snprintf(text, sizeof(text), "%s", cases[i].text);
        for (char *p = text; *p != '\0'; p++)
            *p = *p == '\'' ? '"' : *p;
        assert_int_equal(tempo_json_parse(&list, text, strlen(text), NULL), TEMPO_OK);
        assert_int_equal(tempo_edits_create(&l, model, NULL), TEMPO_OK);
        const tempo_status st = tempo_edits_read(l, list, NULL, &err);
        if ((st == TEMPO_OK) != (cases[i].says == NULL) ||
            (cases[i].says != NULL &&
             (strstr(err.msg, cases[i].says) == NULL || strcmp(err.field, cases[i].field) != 0)))
            fail_msg("%s: %d: %s (%s)", text, (int)st, err.msg, err.field);
        if (st == TEMPO_OK) /* what is good is good before there is a model */
            assert_int_equal(tempo_edits_check_json(list, &early), TEMPO_OK);
        if (st == TEMPO_OK && tempo_edits_count(l) == 1 && strstr(text, "vector") != NULL) {
            tempo_edit_use use;
            free(run(5, l, &use));
            assert_true(use.came && use.changed);
        }
        tempo_edits_free(l);
        json_decref(list);
    }
    json_t *many = json_array();
    tempo_err err = {0};
    for (int i = 0; i <= TEMPO_MAX_EDITS; i++)
        assert_int_equal(json_array_append_new(many, json_string("zero z")), 0);
    assert_int_equal(tempo_edits_check_json(many, &err), TEMPO_E_LIMIT);
    json_decref(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patch_from_capture), cmocka_unit_test(test_what_a_capture_lacks),
        cmocka_unit_test(test_forged_captures),    cmocka_unit_test(test_vectors_and_means),
        cmocka_unit_test(test_shared_budget),      cmocka_unit_test(test_json_edits),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
