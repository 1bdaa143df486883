#include "support/models.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/tmpdir.h"

tempo_model *test_open_model(const char *path)
{
    tempo_err err = {0};
    tempo_model *m;

    if (tempo_model_open(&m, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return m;
}

tempo_model *test_open_synthetic(const char *arch, tempo_dtype type)
{
    const test_spec spec = type == TEMPO_F32 ? test_spec_default(arch) : test_spec_of_type(arch, type);
    test_model *t = test_model_make(&spec);
    char dir[256], path[512];

    test_tmpdir_create(dir);
    test_path(path, dir, "m.gguf");
    test_model_write_gguf(t, 3, path);
    test_model_free(t);
    tempo_model *m = test_open_model(path);
    test_tmpdir_remove(dir); /* the mapping stays */
    return m;
}

tempo_engine *test_engine(const tempo_model *m, unsigned threads)
{
    const tempo_engine_options opt = {.size = sizeof(opt), .threads = threads};
    tempo_err err = {0};
    tempo_engine *e;

    if (tempo_engine_create(&e, m, &opt, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return e;
}

tempo_decoder *test_decoder(tempo_engine *e, const tempo_decode_options *o, const int32_t *prompt, size_t n)
{
    tempo_err err = {0};
    tempo_decoder *d;

    if (tempo_decoder_create(&d, e, o, prompt, n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_null(tempo_decoder_last_set(d));
    assert_null(tempo_decoder_distribution(d));
    return d;
}

tempo_seq *test_seq(tempo_engine *e, tempo_kv_type kv)
{
    const tempo_seq_options opt = {.size = sizeof(opt), .kv = kv};
    tempo_err err = {0};
    tempo_seq *s;

    if (tempo_seq_create(&s, e, &opt, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return s;
}

void test_append(tempo_engine *e, tempo_seq *seq, const int32_t *ids, size_t n, bool own_sets,
                 tempo_mode mode, const tempo_observer *obs, float *out)
{
    const size_t slots = tempo_seq_slot_count(seq),
                 n_vocab = tempo_model_get_info(tempo_engine_model(e))->n_vocab;
    const uint32_t set = slots > 0 ? tempo_seq_slot_at(seq, slots - 1).set + 1 : 0;
    const double position = slots > 0 ? floor(tempo_seq_slot_at(seq, slots - 1).position) + 1 : 0;
    tempo_row *rows = calloc(n, sizeof(*rows));
    tempo_err err = {0};

    assert_non_null(rows);
    for (size_t i = 0; i < n; i++)
        rows[i] =
            (tempo_row){.seq = seq,
                        .token = ids[i],
                        .set = set + (own_sets ? (uint32_t)i : 0),
                        .position = position + (own_sets ? (double)i : 0),
                        .mode = mode,
                        .want = (out != NULL ? TEMPO_WANT_LOGITS : 0) | (obs != NULL ? TEMPO_WANT_TAPS : 0)};
    if (tempo_engine_forward(e, rows, n, obs, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < n && out != NULL; i++)
        memcpy(out + i * n_vocab, tempo_engine_logits(e, i), n_vocab * sizeof(*out));
    free(rows);
}
