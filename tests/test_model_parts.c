/* test_model_parts.c - a flaw in a part that a model can do without: it opens, in every mode that does not
 * ask for the part, runs on token ids, knows what ends a text where that is sound, says what is wrong, and
 * refuses the part's use with that reason.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/model_writer.h"
#include "support/tmpdir.h"

static char dir[256];

enum { EOS = TEST_BPE_TOKENS - 1 };

typedef enum edit {
    U32, /* set the key `name` to `value` */
    I32,
    TEXT,
    DROP,      /* without the key `name` */
    ARRAY,     /* the key `name` becomes an array of one number, `value` */
    FILE_TEXT, /* the file `name` holds `value` */
    FILE_GONE,
    JSON, /* merge `value` into the file `name` */
} edit;

typedef enum rest {
    WITHOUT, /* there is no tokenizer */
    DECODES, /* ids can become text, text cannot become ids */
    TOKENIZES,
} rest;

typedef struct flaw {
    edit how;
    const char *name, *value;
    rest left;
    bool ends;        /* the end of texts is known */
    tempo_status st;  /* of what is refused */
    const char *says; /* the note; "" none */
} flaw;

static const flaw gguf_flaws[] = {
    {TEXT, "tokenizer.ggml.pre", "klingon", DECODES, true, TEMPO_E_UNSUPPORTED, "pre-tokeniser 'klingon'"},
    {U32, "tokenizer.ggml.pre", "3", DECODES, true, TEMPO_E_FORMAT, "tokenizer.ggml.pre is of type uint32"},
    {DROP, "tokenizer.ggml.pre", NULL, TOKENIZES, true, TEMPO_OK, "tokenizer.ggml.pre is missing"},
    {DROP, "tokenizer.ggml.merges", NULL, DECODES, true, TEMPO_E_FORMAT, "without tokenizer.ggml.merges"},
    {TEXT, "tokenizer.ggml.merges", "x", DECODES, true, TEMPO_E_FORMAT,
     "tokenizer.ggml.merges is of type string"},
    {DROP, "tokenizer.ggml.token_type", NULL, TOKENIZES, true, TEMPO_OK,
     "tokenizer.ggml.token_type is missing"},
    {ARRAY, "tokenizer.ggml.token_type", "1", DECODES, true, TEMPO_E_FORMAT,
     "tokenizer.ggml.token_type has 1 elements"},
    {TEXT, "tokenizer.ggml.model", "bert", WITHOUT, true, TEMPO_E_UNSUPPORTED, "tokenizer model 'bert'"},
    {TEXT, "tokenizer.ggml.model", "no_vocab", WITHOUT, true, TEMPO_E_NOTFOUND, "the file brings none"},
    {U32, "tokenizer.ggml.model", "3", WITHOUT, true, TEMPO_E_FORMAT,
     "tokenizer.ggml.model is of type uint32"},
    {DROP, "tokenizer.ggml.model", NULL, WITHOUT, true, TEMPO_E_NOTFOUND, "the file brings none"},
    {DROP, "tokenizer.ggml.tokens", NULL, WITHOUT, true, TEMPO_E_FORMAT, "but not tokenizer.ggml.tokens"},
    {ARRAY, "tokenizer.ggml.tokens", "1", WITHOUT, true, TEMPO_E_FORMAT,
     "tokenizer.ggml.tokens is of type array of int32"},
    {U32, "tokenizer.ggml.eos_token_id", "264", TOKENIZES, false, TEMPO_OK,
     "eos_token_id is 264, the vocabulary has 264"},
    {I32, "tokenizer.ggml.eos_token_id", "-1", TOKENIZES, false, TEMPO_OK, ""},
    {I32, "tokenizer.ggml.eos_token_id", "-2", TOKENIZES, false, TEMPO_OK, "eos_token_id is -2"},
    {U32, "tokenizer.ggml.eos_token_id", "4294967295", TOKENIZES, false, TEMPO_OK, ""},
    {TEXT, "tokenizer.ggml.eos_token_id", "</s>", TOKENIZES, false, TEMPO_OK,
     "eos_token_id is of type string"},
    {U32, "tokenizer.ggml.bos_token_id", "9999", TOKENIZES, true, TEMPO_OK, "bos_token_id is 9999"},
    {I32, "tokenizer.ggml.bos_token_id", "-1", TOKENIZES, true, TEMPO_OK, ""},
    {TEXT, "tokenizer.ggml.add_bos_token", "yes", TOKENIZES, true, TEMPO_OK,
     "add_bos_token is of type string"},
    {U32, "llama.vocab_size", "289", TOKENIZES, true, TEMPO_OK,
     "vocab_size is 289, token_embd.weight has 288 rows"},
    {U32, "general.name", "7", TOKENIZES, true, TEMPO_OK, "general.name is of type uint32"},
};

static const flaw hf_flaws[] = {
    {FILE_TEXT, "tokenizer.json", "{", WITHOUT, true, TEMPO_E_FORMAT, "tokenizer.json"},
    {FILE_TEXT, "tokenizer.json", "", WITHOUT, true, TEMPO_E_FORMAT, "tokenizer.json"},
    {FILE_TEXT, "tokenizer.json", "[]", WITHOUT, true, TEMPO_E_FORMAT,
     "tokenizer.json: the file: expected an object"},
    {FILE_TEXT, "tokenizer.json",
     "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 36893488147419103232}, \"merges\": []}, "
     "\"pre_tokenizer\": "
     "{\"type\": \"ByteLevel\"}}",
     WITHOUT, true, TEMPO_E_FORMAT, "tokenizer.json: the id of \"a\""},
    {FILE_GONE, "tokenizer.json", NULL, WITHOUT, true, TEMPO_E_NOTFOUND, "there is no tokenizer.json"},
    {JSON, "tokenizer.json", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", WITHOUT, true,
     TEMPO_E_UNSUPPORTED, "model \"Unigram\""},
    {JSON, "tokenizer.json", "{\"normalizer\":{\"type\":\"Precompiled\"}}", DECODES, true,
     TEMPO_E_UNSUPPORTED, "normalizer \"Precompiled\""},
    {JSON, "tokenizer.json",
     "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}}",
     DECODES, true, TEMPO_E_FORMAT, "pre_tokenizer: the pattern"},
    {JSON, "tokenizer.json", "{\"post_processor\":{\"type\":\"RobertaProcessing\"}}", DECODES, true,
     TEMPO_E_UNSUPPORTED, "post_processor \"RobertaProcessing\""},
    {FILE_TEXT, "tokenizer_config.json", "{\"a\":", TOKENIZES, true, TEMPO_OK, "tokenizer_config.json"},
    {FILE_TEXT, "generation_config.json", "nonsense", TOKENIZES, true, TEMPO_OK, "generation_config.json"},
    {JSON, "generation_config.json", "{\"eos_token_id\": 100000}", TOKENIZES, true, TEMPO_OK,
     "generation_config.json: eos_token_id: the end-of-sequence id 100000"},
    {FILE_TEXT, "generation_config.json", "{\"eos_token_id\": 1000000000000000019884624838656}", TOKENIZES,
     true, TEMPO_OK, "generation_config.json: eos_token_id: expected an id"},
    {JSON, "generation_config.json", "{\"eos_token_id\": [-1]}", TOKENIZES, true, TEMPO_OK, "eos_token_id"},
    {JSON, "generation_config.json", "{\"eos_token_id\": [\"</s>\"]}", TOKENIZES, true, TEMPO_OK,
     "generation_config.json: eos_token_id: expected an id"},
    {JSON, "config.json", "{\"eos_token_id\": 99999}", TOKENIZES, true, TEMPO_OK,
     "config.json: eos_token_id"},
};

static void write_value(test_model *m, const flaw *f)
{
    const int32_t number = (int32_t)strtol(f->value != NULL ? f->value : "0", NULL, 10);

    switch (f->how) {
    case U32:
        test_model_set_u32(m, f->name, (uint32_t)strtoul(f->value, NULL, 10));
        break;
    case I32:
        test_model_set_u32(m, f->name, (uint32_t)number);
        for (size_t i = 0; i < m->n_kv; i++)
            if (strcmp(m->kv[i].key, f->name) == 0)
                m->kv[i].type = TEMPO_GGUF_I32;
        break;
    case TEXT:
        test_model_set_str(m, f->name, f->value);
        break;
    case DROP:
        test_model_drop_key(m, f->name);
        break;
    case ARRAY:
        test_model_set_array(m, f->name, TEMPO_GGUF_I32, 1, &number, sizeof(number));
        break;
    default:
        fail();
    }
}

static void change_file(const char *path, const flaw *f)
{
    char file[512];

    test_path(file, path, f->name);
    if (f->how == FILE_TEXT) {
        test_write_file(file, f->value, strlen(f->value));
    } else if (f->how == FILE_GONE) {
        assert_int_equal(remove(file), 0);
    } else {
        json_t *root = json_load_file(file, 0, NULL), *more = json_loads(f->value, 0, NULL);
        assert_int_equal(json_object_update(root, more), 0);
        assert_int_equal(json_dump_file(root, file, 0), 0);
        json_decref(root);
        json_decref(more);
    }
}

/* ---- what must hold ---- */

/* Steps from ids, and a stop where the end of a text is known: every set has all tokens. */
static tempo_stopped run(const tempo_model *m)
{
    static const int32_t prompt[] = {5, 6, 7};
    tempo_decode_options o;
    tempo_engine *e;
    tempo_decoder *d;
    tempo_err err = {0};

    tempo_decode_options_init(&o);
    o.threshold = 1e-9;
    o.max_set = 512;
    o.steps = 2;
    assert_int_equal(tempo_engine_create(&e, m, NULL, &err), TEMPO_OK);
    assert_int_equal(tempo_decoder_create(&d, e, &o, prompt, 3, &err), TEMPO_OK);
    while (tempo_decoder_stopped(d) == TEMPO_RUNNING)
        assert_int_equal(tempo_decoders_step(&d, 1, NULL, &err), TEMPO_OK);
    const tempo_stopped why = tempo_decoder_stopped(d);
    tempo_decoder_free(d);
    tempo_engine_free(e);
    return why;
}

static void check_runs(const tempo_model *m, bool ends)
{
    assert_int_equal(run(m), ends ? TEMPO_STOPPED_EOS : TEMPO_STOPPED_STEPS);
    assert_true(tempo_model_is_eos(m, EOS) == ends);
    assert_false(tempo_model_is_eos(m, 3));
}

/* With a message that names the flaw, and where it is known the place. */
static void check_refused(const flaw *f, tempo_status st, const tempo_err *err)
{
    if (st != f->st || strstr(err->msg, f->says) == NULL)
        fail_msg("%s: %s \"%s\", expected %s \"%s\"", f->name, tempo_status_name(st), err->msg,
                 tempo_status_name(f->st), f->says);
}

static void check_text(const tempo_model *m, const flaw *f)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(m);
    tempo_err err = {0}, again = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    char *text;

    assert_true((t == NULL) == (f->left == WITHOUT));
    const tempo_status st = tempo_model_check_text(m, &err);
    assert_true((st == TEMPO_OK) == (f->left == TOKENIZES));
    if (st != TEMPO_OK)
        check_refused(f, st, &err);
    if (t == NULL) {
        tempo_chat *c;
        check_refused(f, tempo_chat_open(&c, m, NULL, 0, NULL, &again), &again);
        assert_null(c);
        return;
    }
    assert_int_equal(tempo_tokenize(t, "the", 3, TEMPO_TOKENIZE_NO_BOS, &ids, &n, &again), st);
    if (st != TEMPO_OK)
        check_refused(f, st, &again);
    else
        assert_int_equal(n, 1);
    tempo_free(ids);
    const int32_t the = 258;
    assert_int_equal(tempo_detokenize(t, &the, 1, false, &text, &n, NULL), TEMPO_OK);
    assert_string_equal(text, "the");
    tempo_free(text);
}

static void check_notes(const tempo_model *m, const flaw *f)
{
    const char *note = tempo_model_note(m, 0);

    if (f->says[0] == '\0') {
        assert_null(note);
        return;
    }
    if (note == NULL || strstr(note, f->says) == NULL)
        fail_msg("%s: the note is \"%s\", expected \"%s\"", f->name, note != NULL ? note : "", f->says);
    assert_null(strstr(note, dir)); /* not where this machine has its files */
    assert_null(tempo_model_note(m, 1));
    assert_null(tempo_model_note(m, 99));
}

static void check_model(const char *path, const flaw *f)
{
    static const tempo_load loads[] = {TEMPO_LOAD_ALL, TEMPO_LOAD_FACTS, TEMPO_LOAD_TOKENIZER};

    for (size_t i = 0; i < 3; i++) {
        const tempo_model_options opt = {.size = sizeof(opt), .load = loads[i]};
        tempo_err err = {0};
        tempo_model *m;
        const tempo_status st = tempo_model_open(&m, path, &opt, &err);
        if (loads[i] == TEMPO_LOAD_TOKENIZER && f->left == WITHOUT) {
            check_refused(f, st, &err);
            assert_null(m);
            continue;
        }
        if (st != TEMPO_OK)
            fail_msg("%s: %s", f->name, err.msg);
        assert_int_equal(err.code, TEMPO_OK);
        assert_null(tempo_model_get_info(m)->unsupported);
        const bool of_weights = strncmp(f->name, "config", 6) == 0 || strncmp(f->name, "llama", 5) == 0;
        if (!of_weights || loads[i] != TEMPO_LOAD_TOKENIZER)
            check_notes(m, f);
        check_text(m, f);
        if (loads[i] == TEMPO_LOAD_ALL)
            check_runs(m, f->ends);
        tempo_model_free(m);
    }
}

static void test_gguf(void **state)
{
    char path[512];

    (void)state;
    test_path(path, dir, "m.gguf");
    for (size_t i = 0; i < sizeof(gguf_flaws) / sizeof(*gguf_flaws); i++) {
        const test_spec s = test_spec_default("llama");
        test_model *m = test_model_make(&s);
        write_value(m, &gguf_flaws[i]);
        test_model_write_gguf(m, 3, path);
        check_model(path, &gguf_flaws[i]);
        test_model_free(m);
    }
}

static void test_hf(void **state)
{
    char path[512];

    (void)state;
    for (size_t i = 0; i < sizeof(hf_flaws) / sizeof(*hf_flaws); i++) {
        const test_spec s = test_spec_default("llama");
        test_model *m = test_model_make(&s);
        char name[32];
        (void)snprintf(name, sizeof(name), "hf%zu", i);
        test_path(path, dir, name);
        test_model_write_hf(m, 1, path);
        change_file(path, &hf_flaws[i]);
        check_model(path, &hf_flaws[i]);
        test_model_free(m);
    }
}

/* A directory's config.json is none of its tokenizer's business. */
static void test_broken_config(void **state)
{
    const test_spec s = test_spec_default("llama");
    const tempo_model_options opt = {.size = sizeof(opt), .load = TEMPO_LOAD_TOKENIZER};
    test_model *from = test_model_make(&s);
    char path[512], file[512];
    tempo_err err = {0};
    tempo_model *m;

    (void)state;
    test_path(path, dir, "config");
    test_model_write_hf(from, 1, path);
    test_path(file, path, "config.json");
    test_write_file(file, "[", 1);
    assert_int_equal(tempo_model_open(&m, path, NULL, NULL), TEMPO_E_FORMAT);
    assert_int_equal(tempo_model_open(&m, path, &opt, &err), TEMPO_OK);
    assert_int_equal(tempo_model_check_text(m, &err), TEMPO_OK);
    assert_non_null(strstr(tempo_model_note(m, 0), "config.json"));
    tempo_model_free(m);
    test_model_free(from);
}

/* More tokens than rows: only a text that has one of them is refused. */
static void check_few_rows(const char *path)
{
    tempo_err err = {0};
    tempo_model *m;
    int32_t *ids;
    size_t n;

    if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_non_null(strstr(tempo_model_note(m, 0), "the tokenizer has 264 tokens, "));
    assert_non_null(strstr(tempo_model_note(m, 0), "has 260 rows"));
    const tempo_tokenizer *t = tempo_model_tokenizer(m);
    assert_int_equal(tempo_tokenize(t, "the", 3, TEMPO_TOKENIZE_NO_BOS, &ids, &n, &err), TEMPO_OK);
    tempo_free(ids);
    assert_int_equal(tempo_tokenize(t, "the</s>", 7, TEMPO_TOKENIZE_NO_BOS, &ids, &n, &err), TEMPO_E_FORMAT);
    assert_null(ids);
    assert_non_null(strstr(
        err.msg, "token 263, '</s>', is in the text and not in the model, whose vocabulary has 260 rows"));
    assert_int_equal(run(m), TEMPO_STOPPED_STEPS);
    tempo_model_free(m);
}

static void test_few_rows(void **state)
{
    test_spec s = test_spec_default("llama");
    char path[512];

    (void)state;
    s.n_vocab = 260;
    test_model *m = test_model_make(&s);
    test_path(path, dir, "rows.gguf");
    test_model_write_gguf(m, 3, path);
    check_few_rows(path);
    test_path(path, dir, "rows");
    test_model_write_hf(m, 1, path);
    check_few_rows(path);
    test_model_free(m);
}

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_hf),
        cmocka_unit_test(test_broken_config),
        cmocka_unit_test(test_few_rows),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
