/* step.c - the arrays of one step of a capture. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/names.h"
#include "capture/steps.h"

enum { MAX_SMALL_BYTES = 8 * TEMPO_STEPS_MAX_SLOTS /* of what lies beside weights and logits */ };

/* ---- arrays ---- */

/* key: the name of the two that the array has, the usual one when it has neither. */
static void find_key(const tempo_steps *s, tempo_capture_array which, uint32_t step,
                     char key[TEMPO_CAPTURE_KEY])
{
    tempo_npy shape;

    (void)tempo_capture_key(key, step, which);
    if (tempo_capture_names[which].other == NULL ||
        tempo_array_shape(s->file, key, &shape, NULL) != TEMPO_E_NOTFOUND)
        return;
    (void)tempo_capture_other_key(key, step, which);
    if (tempo_array_shape(s->file, key, &shape, NULL) == TEMPO_E_NOTFOUND)
        (void)tempo_capture_key(key, step, which);
}

/* What the array was found to be wrong with. */
static tempo_status tell(const tempo_steps *s, const char *key, tempo_status st, const tempo_err *why,
                         tempo_err *err)
{
    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK) {
        *err = *why;
        tempo_err_prefix_once(err, key, "%s", key);
        tempo_err_prefix_first(err, s->name, "%s", s->name);
    }
    return st;
}

/* The array as its type; *key is its name. */
static tempo_status read_array(const tempo_steps *s, tempo_capture_array which, uint32_t step,
                               char key[TEMPO_CAPTURE_KEY], tempo_npy *out, tempo_err *err)
{
    const tempo_capture_name *n = &tempo_capture_names[which];
    const uint64_t most =
        which == TEMPO_ARRAY_ATTENTION || which == TEMPO_ARRAY_LOGITS ? s->max_bytes : MAX_SMALL_BYTES;
    tempo_err missing = {0};

    find_key(s, which, step, key);
    const tempo_status st = tempo_array_read(s->file, key, n->type, most, out, &missing);
    return tell(s, key, st, &missing, err);
}

static tempo_status fail_shape(const tempo_steps *s, const char *key, const tempo_npy *a,
                               const char *expected, tempo_err *err)
{
    char shape[128] = "";
    size_t at = 0;

    for (uint32_t i = 0; i < a->n_dims && at < sizeof(shape) - 24; i++)
        at += (size_t)snprintf(shape + at, sizeof(shape) - at, "%s%" PRIu64, i > 0 ? ", " : "", a->shape[i]);
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: %s: expected %s; its shape is [%s]", s->name,
                      key, expected, shape);
}

/* An optional small array of n elements (any number when n is SIZE_MAX); absent: out->data stays NULL. */
static tempo_status read_small(const tempo_steps *s, tempo_capture_array which, uint32_t step, size_t n,
                               const char *expected, tempo_npy *out, tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_err absent = {0};
    const tempo_status st = read_array(s, which, step, key, out, &absent);

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

static tempo_status shape_attention(const tempo_steps *s, const char *key, const tempo_npy *x,
                                    tempo_step_attention *a, tempo_err *err)
{
    const uint32_t batch = x->n_dims == 5; /* [layers, 1, heads, rows, slots] */

    if ((x->n_dims != 4 && x->n_dims != 5) || (batch && x->shape[1] != 1) || x->count == 0)
        return fail_shape(s, key, x, "floats [layers, 1, heads, rows, slots], none of them 0", err);
    a->n_layers = (size_t)x->shape[0];
    a->n_heads = (size_t)x->shape[1 + batch];
    a->n_rows = (size_t)x->shape[2 + batch];
    a->n_slots = (size_t)x->shape[3 + batch];
    if (a->n_layers > TEMPO_STEPS_MAX_LAYERS || a->n_heads > TEMPO_STEPS_MAX_LAYERS ||
        a->n_rows > TEMPO_STEPS_MAX_ROWS || a->n_slots > TEMPO_STEPS_MAX_SLOTS)
        return tempo_fail(
            err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
            "%s: %s: %zu layers, %zu heads, %zu rows, %zu slots; the limits are %d, %d, %d and %d", s->name,
            key, a->n_layers, a->n_heads, a->n_rows, a->n_slots, TEMPO_STEPS_MAX_LAYERS,
            TEMPO_STEPS_MAX_LAYERS, TEMPO_STEPS_MAX_ROWS, TEMPO_STEPS_MAX_SLOTS);
    return TEMPO_OK;
}

/* a->weights: in the file where the caller looks there and they lie there as floats, else read. */
static tempo_status find_weights(const tempo_steps *s, uint32_t step, tempo_step_attention *a, tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_npy shape;
    const void *in_file;

    find_key(s, TEMPO_ARRAY_ATTENTION, step, key);
    if (s->in_place && tempo_array_view(s->file, key, TEMPO_NPY_F32, &shape, &in_file, NULL) == TEMPO_OK) {
        a->weights = in_file;
        return TEMPO_OK;
    }
    const tempo_status st = read_array(s, TEMPO_ARRAY_ATTENTION, step, key, &a->arrays[0], err);
    a->weights = a->arrays[0].data;
    return st;
}

size_t tempo_steps_copy_bytes(const tempo_steps *s, uint32_t step)
{
    char key[TEMPO_CAPTURE_KEY];
    const void *in_file;
    tempo_npy shape;
    uint64_t bytes;

    find_key(s, TEMPO_ARRAY_ATTENTION, step, key);
    if ((s->in_place &&
         tempo_array_view(s->file, key, TEMPO_NPY_F32, &shape, &in_file, NULL) != TEMPO_E_UNSUPPORTED) ||
        tempo_array_shape(s->file, key, &shape, NULL) != TEMPO_OK ||
        __builtin_mul_overflow(shape.count, sizeof(float), &bytes) || bytes > s->max_bytes)
        return 0; /* more is refused, not read */
    /* Elements of another type are there twice for a moment, as they were and as floats. */
    return (size_t)bytes + (shape.type != TEMPO_NPY_F32 ? (size_t)(shape.count * shape.item_bytes) : 0);
}

static tempo_status check_query_slots(const tempo_steps *s, uint32_t step, const tempo_step_attention *a,
                                      tempo_err *err)
{
    for (size_t i = 0; i < a->n_rows; i++)
        if (a->query_slots[i] < 0 || (uint64_t)a->query_slots[i] >= a->n_slots)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s: step_%" PRIu32
                              "_query_slots: expected slots from 0 to %zu, found %" PRId64,
                              s->name, step, a->n_slots - 1, a->query_slots[i]);
    return TEMPO_OK;
}

/* The slots that the step before gave; they stay unknown when they are none or do not fit the rows. */
static void infer_query_slots(const tempo_steps *s, uint32_t step, tempo_step_attention *a)
{
    tempo_npy *x = &a->arrays[1];
    char key[TEMPO_CAPTURE_KEY];
    tempo_err ignored = {0};
    size_t n = 0;

    if (step == 0 || read_array(s, TEMPO_ARRAY_POSITIONS, step - 1, key, x, &ignored) != TEMPO_OK ||
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

static tempo_status find_query_slots(const tempo_steps *s, uint32_t step, const char *key,
                                     tempo_step_attention *a, tempo_err *err)
{
    if ((a->query_slots = a->arrays[1].data) != NULL)
        return check_query_slots(s, step, a, err);
    if (strncmp(key, "attention_", 10) == 0)
        return take_last_slots(a, err);
    infer_query_slots(s, step, a);
    return TEMPO_OK;
}

tempo_status tempo_steps_shape(const tempo_steps *s, uint32_t step, tempo_step_attention *out, tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_err why = {0};
    tempo_npy shape;
    tempo_status st;

    *out = (tempo_step_attention){0};
    find_key(s, TEMPO_ARRAY_ATTENTION, step, key);
    if ((st = tell(s, key, tempo_array_shape(s->file, key, &shape, &why), &why, err)) != TEMPO_OK ||
        (!tempo_npy_is_float(shape.type) &&
         (st = read_array(s, TEMPO_ARRAY_ATTENTION, step, key, &out->arrays[0], err)) !=
             TEMPO_OK) || /* which says so */
        (st = shape_attention(s, key, &shape, out, err)) != TEMPO_OK ||
        (st = read_small(s, TEMPO_ARRAY_QUERY_SLOTS, step, out->n_rows, "integers [rows]", &out->arrays[1],
                         err)) != TEMPO_OK ||
        (st = read_small(s, TEMPO_ARRAY_ROPE, step, out->n_slots, "floats [slots]", &out->arrays[2], err)) !=
            TEMPO_OK)
        goto out;
    out->rope = out->arrays[2].data;
    st = find_query_slots(s, step, key, out, err);
out:
    if (st != TEMPO_OK)
        tempo_step_attention_free(out);
    return st;
}

tempo_status tempo_steps_attention(const tempo_steps *s, uint32_t step, tempo_step_attention *out,
                                   tempo_err *err)
{
    tempo_status st = tempo_steps_shape(s, step, out, err);

    if (st == TEMPO_OK && (st = find_weights(s, step, out, err)) != TEMPO_OK)
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

/* ---- sets of slots ---- */

/* Slots that one step's set got belong together; first[j] is the first slot of j's set. */
static void join_set(uint32_t *first, size_t n, const tempo_npy *positions)
{
    const int64_t *p = positions->data;
    int64_t least = -1;

    for (uint64_t i = 0; i < positions->count; i++)
        if (p[i] >= 0 && (uint64_t)p[i] < n && (least < 0 || p[i] < least))
            least = p[i];
    for (uint64_t i = 0; i < positions->count; i++)
        if (p[i] >= 0 && (uint64_t)p[i] < n)
            first[p[i]] = (uint32_t)least;
}

tempo_status tempo_steps_sets(const tempo_steps *s, uint32_t step, size_t n, uint32_t **out, tempo_err *err)
{
    uint32_t *sets = malloc((n + 1) * sizeof(*sets)), next = 0;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (sets == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu slots", n);
    for (size_t j = 0; j < n; j++)
        sets[j] = (uint32_t)j;
    for (size_t i = 0; i < s->n[TEMPO_STEPS_ATTENTION] && st == TEMPO_OK; i++) {
        const uint32_t before = s->steps[TEMPO_STEPS_ATTENTION][i];
        tempo_npy positions = {0};
        if (before >= step)
            break;
        st = read_small(s, TEMPO_ARRAY_POSITIONS, before, SIZE_MAX, "integers [members]", &positions, err);
        if (st == TEMPO_OK && positions.data != NULL)
            join_set(sets, n, &positions);
        tempo_npy_free(&positions);
    }
    for (size_t j = 0; j < n; j++) /* a set's first slot comes before its others */
        sets[j] = sets[j] == j ? next++ : sets[sets[j]];
    if (st == TEMPO_OK)
        *out = sets;
    else
        free(sets);
    return st;
}

/* ---- logits ---- */

tempo_status tempo_steps_logits(const tempo_steps *s, uint32_t step, tempo_step_logits *out, tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_status st;

    *out = (tempo_step_logits){0};
    if ((st = read_array(s, TEMPO_ARRAY_LOGITS, step, key, &out->array, err)) != TEMPO_OK)
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
