/* fuzz_edits.c - any bytes as an edit, or (when they begin with '[') as a list of edits in JSON, for the
 * built-in model, without files.  What is accepted is run over two rows and must leave finite logits or a
 * clear refusal.  */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "edit/edits_json.h"
#include "io/json.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static tempo_engine *get_engine(void)
{
    static tempo_engine *e;
    static tempo_model *model;
    tempo_engine_options o;

    if (e != NULL)
        return e;
    if (tempo_model_open(&model, NULL, NULL, NULL) != TEMPO_OK)
        abort(); /* TEMPO_MODELS must say where it is, or the source tree be around the build */
    tempo_engine_options_init(&o);
    o.threads = 1;
    if (tempo_engine_create(&e, model, &o, NULL) != TEMPO_OK)
        abort();
    return e;
}

static tempo_status read_json(tempo_edits *l, const uint8_t *data, size_t n, const tempo_edit_inputs *in,
                              tempo_err *err)
{
    json_t *list = NULL;
    tempo_status st = tempo_json_parse_strict(&list, (const char *)data, n, err);

    if (st == TEMPO_OK) {
        tempo_err early = {0};
        const tempo_status checked = tempo_edits_check_json(list, &early);
        st = tempo_edits_read(l, list, in, err);
        CHECK(st != TEMPO_OK || checked == TEMPO_OK);
    }
    json_decref(list);
    return st;
}

static tempo_status read_text(tempo_edits *l, const uint8_t *data, size_t n, const tempo_edit_inputs *in,
                              tempo_err *err)
{
    char *text = malloc(n + 1);

    CHECK(text != NULL);
    memcpy(text, data, n);
    text[n] = '\0';
    const tempo_status st = tempo_edits_add(l, text, in, err);
    CHECK(st != TEMPO_OK || strcmp(tempo_edits_text(l, 0), text) == 0);
    free(text);
    return st;
}

static void use(tempo_engine *e, const tempo_edits *l)
{
    tempo_seq *s;
    tempo_row rows[2] = {{.token = 5, .mode = TEMPO_VISIBLE, .want = TEMPO_WANT_LOGITS},
                         {.token = 7, .set = 1, .position = 1, .want = TEMPO_WANT_LOGITS}};

    CHECK(tempo_seq_create(&s, e, NULL, NULL) == TEMPO_OK);
    if (tempo_seq_set_edits(s, l, 1, NULL) == TEMPO_OK) {
        tempo_err err = {0};
        rows[0].seq = rows[1].seq = s;
        const tempo_status st = tempo_engine_forward(e, rows, 2, NULL, &err);
        CHECK(st == TEMPO_OK || err.msg[0] != '\0');
    }
    tempo_seq_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const float vector[256] = {1};
    const tempo_edit_array arrays[] = {{"v", vector, 1, {256}}, {"s", vector, 1, {1}}};
    const tempo_edit_run runs[] = {{"arm", NULL}};
    const tempo_edit_inputs in = {
        .size = sizeof(in), .arrays = arrays, .n_arrays = 2, .runs = runs, .n_runs = 1, .no_files = true};
    tempo_engine *e = get_engine();
    tempo_edits *l;
    tempo_err err = {0};

    CHECK(tempo_edits_create(&l, tempo_engine_model(e), NULL) == TEMPO_OK);
    const tempo_status st =
        n > 0 && data[0] == '[' ? read_json(l, data, n, &in, &err) : read_text(l, data, n, &in, &err);
    CHECK((st == TEMPO_OK) == (err.msg[0] == '\0'));
    if (st == TEMPO_OK)
        use(e, l);
    tempo_edits_free(l);
    return 0;
}
