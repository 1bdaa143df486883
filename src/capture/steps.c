/* steps.c - see steps.h */
#include "capture/steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/names.h"
#include "io/json.h"

enum { MAX_METADATA_BYTES = 1 << 26 };

/* ---- which steps there are ---- */

static const tempo_capture_array array_of[2] = {TEMPO_ARRAY_ATTENTION, TEMPO_ARRAY_LOGITS};

static bool find_kind(const char *name, tempo_steps_kind *kind, uint32_t *step)
{
    for (size_t k = 0; k < 2; k++)
        if (tempo_capture_key_step(name, array_of[k], step)) {
            *kind = (tempo_steps_kind)k;
            return true;
        }
    return false;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Sorted, and a step that has both of its names once. */
static size_t sort_steps(uint32_t *steps, size_t n)
{
    size_t kept = 0;

    qsort(steps, n, sizeof(*steps), ascending);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || steps[kept - 1] != steps[i])
            steps[kept++] = steps[i];
    return kept;
}

static tempo_status list_steps(tempo_steps *s, tempo_err *err)
{
    const size_t n = tempo_array_file_count(s->file);
    tempo_steps_kind kind;
    uint32_t step;

    for (size_t k = 0; k < 2; k++)
        if ((s->steps[k] = calloc(n + 1, sizeof(uint32_t))) == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu steps", n);
    for (size_t i = 0; i < n; i++)
        if (find_kind(tempo_array_file_name(s->file, i), &kind, &step))
            s->steps[kind][s->n[kind]++] = step;
    for (size_t k = 0; k < 2; k++)
        s->n[k] = sort_steps(s->steps[k], s->n[k]);
    if (s->n[0] + s->n[1] == 0)
        return tempo_fail(
            err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
            "no steps in it: expected arrays named step_0_attention or step_0_logits and so on");
    return TEMPO_OK;
}

/* The first of {key: [first, last]}, or 0. */
static uint32_t first_of(const json_t *metadata, const char *key)
{
    const json_int_t first = json_integer_value(json_array_get(json_object_get(metadata, key), 0));

    return first > 0 && first < TEMPO_CAPTURE_LAST_STEP ? (uint32_t)first : 0;
}

/* Metadata of others hold anything; what is not understood says nothing. */
static void read_metadata(tempo_steps *s)
{
    tempo_err ignored = {0};
    json_t *metadata = NULL;
    char *text;

    s->pickled = tempo_array_file_text(s->file, TEMPO_CAPTURE_TEXT, MAX_METADATA_BYTES, &text, &ignored) ==
                 TEMPO_E_UNSUPPORTED;
    if (text != NULL && tempo_json_parse(&metadata, text, strlen(text), &ignored) == TEMPO_OK) {
        s->first_layer = first_of(metadata, "layers");
        s->first_head = first_of(metadata, "heads");
        json_decref(metadata);
    }
    free(text);
}

/* A path may hold any bytes; JSON and terminals take text. */
static char *make_shown(const char *path)
{
    const size_t n = strlen(path);
    char *s = strdup(path);

    for (size_t i = 0; s != NULL && i < n; i++) {
        const size_t bad = i + tempo_utf8_valid(s + i, n - i);
        if (bad < n)
            s[bad] = '?';
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            s[i] = '?';
    }
    return s;
}

tempo_status tempo_steps_open(tempo_steps *out, const char *path, tempo_err *err)
{
    tempo_status st;

    *out = (tempo_steps){0};
    out->path = strdup(path);
    out->shown = make_shown(path);
    if (out->path == NULL || out->shown == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
        goto out;
    }
    if ((st = tempo_array_file_open(&out->file, path, err)) != TEMPO_OK)
        goto out; /* which names the file itself */
    if ((st = list_steps(out, err)) != TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    else
        read_metadata(out);
out:
    if (st != TEMPO_OK)
        tempo_steps_close(out);
    return st;
}

void tempo_steps_close(tempo_steps *s)
{
    tempo_array_file_free(s->file);
    free(s->path);
    free(s->shown);
    free(s->steps[0]);
    free(s->steps[1]);
    *s = (tempo_steps){0};
}

bool tempo_steps_has(const tempo_steps *s, tempo_steps_kind kind, uint32_t step)
{
    return s->n[kind] > 0 && bsearch(&step, s->steps[kind], s->n[kind], sizeof(step), ascending) != NULL;
}

/* ---- arrays ---- */

/* The array by one name or the other, as its type; *key says which. */
static tempo_status read_either(const tempo_steps *s, tempo_capture_array which, uint32_t step,
                                char key[TEMPO_CAPTURE_KEY], tempo_npy *out, tempo_err *err)
{
    const tempo_capture_name *n = &tempo_capture_names[which];
    tempo_err missing = {0};
    tempo_status st;

    *out = (tempo_npy){0};
    (void)tempo_capture_key(key, step, which);
    st = tempo_array_read(s->file, key, n->type, TEMPO_STEPS_MAX_BYTES, out, &missing);
    if (st == TEMPO_E_NOTFOUND && n->other != NULL) {
        (void)tempo_capture_other_key(key, step, which);
        missing = (tempo_err){0};
        st = tempo_array_read(s->file, key, n->type, TEMPO_STEPS_MAX_BYTES, out, &missing);
    }
    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK) {
        *err = missing;
        if (strstr(missing.msg, key) == NULL)
            tempo_err_prefix(err, "%s", key);
        if (strstr(missing.msg, s->path) == NULL)
            tempo_err_prefix(err, "%s", s->path);
    }
    return st;
}

static tempo_status fail_shape(const tempo_steps *s, const char *key, const tempo_npy *a,
                               const char *expected, tempo_err *err)
{
    char shape[128] = "";
    size_t at = 0;

    for (uint32_t i = 0; i < a->n_dims && at < sizeof(shape) - 24; i++)
        at += (size_t)snprintf(shape + at, sizeof(shape) - at, "%s%" PRIu64, i > 0 ? ", " : "", a->shape[i]);
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: %s: expected %s; its shape is [%s]", s->path,
                      key, expected, shape);
}

/* An optional small array of n elements (any number when n is SIZE_MAX); absent: out->data stays NULL. */
static tempo_status read_small(const tempo_steps *s, tempo_capture_array which, uint32_t step, size_t n,
                               const char *expected, tempo_npy *out, tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_err absent = {0};
    const tempo_status st = read_either(s, which, step, key, out, &absent);

    if (st == TEMPO_E_NOTFOUND)
        return TEMPO_OK;
    if (st != TEMPO_OK) {
        if (err != NULL && err->code == TEMPO_OK)
            *err = absent;
        return st;
    }
    if (out->n_dims == 1 && (n == SIZE_MAX || out->count == n))
        return TEMPO_OK;
    (void)fail_shape(s, key, out, expected, err);
    tempo_npy_free(out);
    *out = (tempo_npy){0};
    return TEMPO_E_FORMAT;
}

/* ---- attention ---- */

static tempo_status shape_attention(const tempo_steps *s, const char *key, tempo_step_attention *a,
                                    tempo_err *err)
{
    const tempo_npy *x = &a->arrays[0];
    const uint32_t batch = x->n_dims == 5; /* [layers, 1, heads, rows, slots] */

    if ((x->n_dims != 4 && x->n_dims != 5) || (batch && x->shape[1] != 1) || x->count == 0)
        return fail_shape(s, key, x, "floats [layers, 1, heads, rows, slots], none of them 0", err);
    a->n_layers = (size_t)x->shape[0];
    a->n_heads = (size_t)x->shape[1 + batch];
    a->n_rows = (size_t)x->shape[2 + batch];
    if (a->n_layers > TEMPO_STEPS_MAX_LAYERS || a->n_heads > TEMPO_STEPS_MAX_LAYERS ||
        a->n_rows > TEMPO_STEPS_MAX_ROWS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "%s: %s: %zu layers, %zu heads, %zu rows; the limits are %d, %d and %d", s->path,
                          key, a->n_layers, a->n_heads, a->n_rows, TEMPO_STEPS_MAX_LAYERS,
                          TEMPO_STEPS_MAX_LAYERS, TEMPO_STEPS_MAX_ROWS);
    a->n_slots = (size_t)x->shape[3 + batch];
    a->weights = x->data;
    return TEMPO_OK;
}

static tempo_status check_query_slots(const tempo_steps *s, uint32_t step, const tempo_step_attention *a,
                                      tempo_err *err)
{
    for (size_t i = 0; i < a->n_rows; i++)
        if (a->query_slots[i] < 0 || (uint64_t)a->query_slots[i] >= a->n_slots)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s: step_%" PRIu32
                              "_query_slots: expected slots from 0 to %zu, found %" PRId64,
                              s->path, step, a->n_slots - 1, a->query_slots[i]);
    return TEMPO_OK;
}

/* The slots that the step before gave; they stay unknown when they are none or do not fit the rows. */
static void infer_query_slots(const tempo_steps *s, uint32_t step, tempo_step_attention *a)
{
    tempo_npy *x = &a->arrays[1];
    char key[TEMPO_CAPTURE_KEY];
    tempo_err ignored = {0};
    size_t n = 0;

    if (step == 0 || read_either(s, TEMPO_ARRAY_POSITIONS, step - 1, key, x, &ignored) != TEMPO_OK ||
        x->n_dims != 1)
        return;
    int64_t *slots = x->data;
    for (size_t i = 0; i < x->count; i++) {
        if (slots[i] >= 0 && (uint64_t)slots[i] >= a->n_slots)
            return;
        if (slots[i] >= 0)
            slots[n++] = slots[i];
    }
    a->query_slots = n == a->n_rows ? slots : NULL;
}

/* The rows of attention_{i} are those of the last set, whose slots are the last ones. */
static tempo_status take_last_slots(tempo_step_attention *a, tempo_err *err)
{
    int64_t *slots = malloc(a->n_rows * sizeof(*slots));

    if (slots == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the slots of %zu rows",
                          a->n_rows);
    a->arrays[1].data = slots;
    if (a->n_rows > a->n_slots)
        return TEMPO_OK; /* then they stay unknown */
    for (size_t i = 0; i < a->n_rows; i++)
        slots[i] = (int64_t)(a->n_slots - a->n_rows + i);
    a->query_slots = slots;
    return TEMPO_OK;
}

tempo_status tempo_steps_attention(const tempo_steps *s, uint32_t step, tempo_step_attention *out,
                                   tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_status st;

    *out = (tempo_step_attention){0};
    if ((st = read_either(s, TEMPO_ARRAY_ATTENTION, step, key, &out->arrays[0], err)) != TEMPO_OK ||
        (st = shape_attention(s, key, out, err)) != TEMPO_OK ||
        (st = read_small(s, TEMPO_ARRAY_QUERY_SLOTS, step, out->n_rows, "integers [rows]", &out->arrays[1],
                         err)) != TEMPO_OK ||
        (st = read_small(s, TEMPO_ARRAY_ROPE, step, out->n_slots, "floats [slots]", &out->arrays[2], err)) !=
            TEMPO_OK)
        goto out;
    out->rope = out->arrays[2].data;
    if ((out->query_slots = out->arrays[1].data) != NULL)
        st = check_query_slots(s, step, out, err);
    else if (strncmp(key, "attention_", 10) == 0)
        st = take_last_slots(out, err);
    else
        infer_query_slots(s, step, out);
out:
    if (st != TEMPO_OK)
        tempo_step_attention_free(out);
    return st;
}

void tempo_step_attention_free(tempo_step_attention *a)
{
    for (size_t i = 0; i < 3; i++)
        tempo_npy_free(&a->arrays[i]);
    *a = (tempo_step_attention){0};
}

const float *tempo_step_row(const tempo_step_attention *a, size_t layer, size_t head, size_t row)
{
    return a->weights + ((layer * a->n_heads + head) * a->n_rows + row) * a->n_slots;
}

/* ---- logits ---- */

tempo_status tempo_steps_logits(const tempo_steps *s, uint32_t step, tempo_step_logits *out, tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_status st;

    *out = (tempo_step_logits){0};
    if ((st = read_either(s, TEMPO_ARRAY_LOGITS, step, key, &out->array, err)) != TEMPO_OK)
        return st;
    const tempo_npy *x = &out->array;
    if ((x->n_dims != 1 && x->n_dims != 2) || x->count == 0 || x->shape[x->n_dims - 1] > INT32_MAX) {
        st = fail_shape(s, key, x, "floats [rows, vocabulary], neither of them 0", err);
        tempo_step_logits_free(out);
        return st;
    }
    out->n_rows = x->n_dims == 2 ? (size_t)x->shape[0] : 1;
    out->n_vocab = (size_t)x->shape[x->n_dims - 1];
    out->rows = x->data;
    return TEMPO_OK;
}

void tempo_step_logits_free(tempo_step_logits *l)
{
    tempo_npy_free(&l->array);
    *l = (tempo_step_logits){0};
}
