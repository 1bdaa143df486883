/* captured.c - attention_weights.npz or .safetensors, step by step. */
#include "server/api/recorded/captured.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/json.h"
#include "io/array_file.h"
#include "io/npy.h"
#include "run/decode_json.h"
#include "files/json_out.h"

enum {
    MAX_LAYERS = 4096,
    MAX_HEADS = 4096,
    MAX_ROWS = 1 << 16,
    MAX_SLOTS = 1 << 22,
    MAX_SMALL_BYTES = 8 * MAX_SLOTS, /* of the arrays beside the weights */
    MAX_COPY_BYTES = 1 << 28,        /* of weights that cannot be looked at in place */
    MAX_METADATA_BYTES = 1 << 22,
};

/* Beside each other, the first one counts. */
static const char *const file_names[] = {"attention_weights.npz", "attention_weights.safetensors"};

struct tempo_captured {
    tempo_array_file *file;
    const char *name; /* of the file, one of file_names */
    uint64_t stamp;
    size_t n_steps;
    uint32_t first_layer, first_head;
    bool closed;
    tempo_npy weights, query_slots, rope; /* of the step at hand */
    uint32_t *sets;
    size_t n_sets;
};

/* ---- opening --------------------------------------------------------------------------- */

static void array_name(char out[64], size_t step, const char *what)
{
    (void)snprintf(out, 64, "step_%zu_%s", step, what);
}

static size_t count_steps(const tempo_array_file *f)
{
    char name[64];
    tempo_npy a;

    for (size_t i = 0;; i++) {
        array_name(name, i, "query_slots");
        if (tempo_array_shape(f, name, &a, NULL) == TEMPO_E_NOTFOUND)
            return i;
    }
}

/* The JSON text called "metadata", or NULL: without it numbers of layers and heads count from 0. */
static json_t *read_metadata(const tempo_array_file *f)
{
    char *text;
    json_t *out = NULL;

    if (tempo_array_file_text(f, "metadata", MAX_METADATA_BYTES, &text, NULL) == TEMPO_OK &&
        tempo_json_parse(&out, text, strlen(text), NULL) != TEMPO_OK)
        out = NULL;
    free(text);
    return out;
}

static uint32_t first_of(const json_t *metadata, const char *key, uint32_t most)
{
    const json_int_t n = json_integer_value(json_array_get(json_object_get(metadata, key), 0));

    return n > 0 && n < (json_int_t)most ? (uint32_t)n : 0;
}

bool tempo_captured_is_there(const char *dir)
{
    char path[4096 + 64];
    struct stat st;

    for (size_t i = 0; i < 2; i++) {
        const int n = snprintf(path, sizeof(path), "%s/%s", dir, file_names[i]);
        if (n > 0 && (size_t)n < sizeof(path) && lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            return true;
    }
    return false;
}

/* A symbolic link in the file's place could lead anywhere.  TEMPO_E_NOTFOUND without a message. */
static tempo_status examine(tempo_captured *c, const char *path, tempo_err *err)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? TEMPO_E_NOTFOUND
                   : tempo_fail_os(err, errno, "%s cannot be examined", c->name);
    if (!S_ISREG(st.st_mode))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s is not a regular file", c->name);
    c->stamp = (uint64_t)st.st_size * UINT64_C(0x9e3779b97f4a7c15) ^
               (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000007) ^ (uint64_t)st.st_mtim.tv_nsec << 20 ^
               (uint64_t)st.st_ino;
    return TEMPO_OK;
}

/* Messages of the file begin with its path, which clients need not know. */
static tempo_status open_file(tempo_captured *c, const char *path, tempo_err *err)
{
    tempo_err inner = {0};
    const tempo_status st = tempo_array_file_open(&c->file, path, &inner);
    const size_t n = strlen(path);

    if (st == TEMPO_OK)
        return st;
    const char *what = strncmp(inner.msg, path, n) == 0 ? inner.msg + n : ": cannot be read";
    return tempo_fail(err, st, inner.offset, "%s%s", c->name, what);
}

/* The first of the names that is there, examined. */
static tempo_status find_file(tempo_captured *c, char path[4096 + 64], const char *dir, tempo_err *err)
{
    tempo_status st = TEMPO_E_NOTFOUND;

    for (size_t i = 0; i < 2 && st == TEMPO_E_NOTFOUND; i++) {
        c->name = file_names[i];
        (void)snprintf(path, 4096 + 64, "%.4095s/%s", dir, c->name);
        st = examine(c, path, err);
    }
    if (st == TEMPO_E_NOTFOUND)
        return tempo_fail(err, st, TEMPO_NO_OFFSET, "no attention was captured here");
    return st;
}

tempo_status tempo_captured_open(tempo_captured **out, const char *dir, tempo_err *err)
{
    tempo_captured *c = calloc(1, sizeof(*c));
    char path[4096 + 64];
    tempo_status st;

    *out = NULL;
    if (c == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a capture");
    if ((st = find_file(c, path, dir, err)) != TEMPO_OK || (st = open_file(c, path, err)) != TEMPO_OK) {
        tempo_captured_free(c);
        return st;
    }
    json_t *metadata = read_metadata(c->file);
    c->first_layer = first_of(metadata, "layers", MAX_LAYERS);
    c->first_head = first_of(metadata, "heads", MAX_HEADS);
    c->closed = json_is_true(json_object_get(metadata, "closed"));
    json_decref(metadata);
    c->n_steps = count_steps(c->file);
    *out = c;
    return TEMPO_OK;
}

static void forget_step(tempo_captured *c)
{
    tempo_npy_free(&c->weights);
    tempo_npy_free(&c->query_slots);
    tempo_npy_free(&c->rope);
    free(c->sets);
    c->sets = NULL;
    c->n_sets = 0;
}

void tempo_captured_free(tempo_captured *c)
{
    if (c == NULL)
        return;
    forget_step(c);
    tempo_array_file_free(c->file);
    free(c);
}

size_t tempo_captured_steps(const tempo_captured *c)
{
    return c->n_steps;
}

bool tempo_captured_closed(const tempo_captured *c)
{
    return c->closed;
}

void tempo_captured_first(const tempo_captured *c, uint32_t *layer, uint32_t *head)
{
    *layer = c->first_layer;
    *head = c->first_head;
}

uint64_t tempo_captured_stamp(const tempo_captured *c)
{
    return c->stamp;
}

/* ---- a step's arrays ------------------------------------------------------------------- */

static tempo_status wrong(const tempo_captured *c, tempo_err *err, size_t step, const char *what,
                          const char *why)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: step_%zu_%s: %s", c->name, step, what, why);
}

/* One of the small arrays: a vector, as that type. */
static tempo_status read_vector(const tempo_captured *c, size_t step, const char *what, tempo_npy_type type,
                                tempo_npy *out, tempo_err *err)
{
    char name[64];
    tempo_status st;

    array_name(name, step, what);
    if ((st = tempo_array_read(c->file, name, type, MAX_SMALL_BYTES, out, err)) != TEMPO_OK) {
        tempo_err_prefix(err, "%s", c->name);
        return st == TEMPO_E_NOTFOUND ? TEMPO_E_FORMAT : st;
    }
    if (out->n_dims == 1)
        return TEMPO_OK;
    tempo_npy_free(out);
    return wrong(c, err, step, what, "another number of axes than such an array has");
}

/* Their shape, and with `data` where the weights are; in memory of our own only if there is no other way. */
static tempo_status find_weights(tempo_captured *c, size_t step, bool data, tempo_npy *shape, const void **p,
                                 tempo_err *err)
{
    char name[64];
    tempo_status st;

    *p = NULL;
    array_name(name, step, "attention");
    if (!data) {
        st = tempo_array_shape(c->file, name, shape, err);
    } else if ((st = tempo_array_view(c->file, name, TEMPO_NPY_F32, shape, p, NULL)) == TEMPO_E_UNSUPPORTED) {
        if ((st = tempo_array_read(c->file, name, TEMPO_NPY_F32, MAX_COPY_BYTES, &c->weights, err)) ==
            TEMPO_OK) {
            *shape = c->weights;
            *p = c->weights.data;
        }
    } else if (st != TEMPO_OK) {
        st = tempo_array_view(c->file, name, TEMPO_NPY_F32, shape, p, err); /* again, for its message */
    }
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s", c->name);
    return st == TEMPO_E_NOTFOUND ? TEMPO_E_FORMAT : st;
}

size_t tempo_captured_copy_bytes(const tempo_captured *c, size_t step)
{
    char name[64];
    const void *p;
    tempo_npy shape;
    uint64_t bytes;

    array_name(name, step, "attention");
    if (tempo_array_view(c->file, name, TEMPO_NPY_F32, &shape, &p, NULL) != TEMPO_E_UNSUPPORTED ||
        tempo_array_shape(c->file, name, &shape, NULL) != TEMPO_OK ||
        __builtin_mul_overflow(shape.count, sizeof(float), &bytes) || bytes > MAX_COPY_BYTES)
        return 0; /* more is refused, not read */
    /* Elements of another type are there twice for a moment, as they were and as floats. */
    return (size_t)bytes + (shape.type != TEMPO_NPY_F32 ? (size_t)(shape.count * shape.item_bytes) : 0);
}

static tempo_status check_shape(const tempo_captured *c, const tempo_npy *a, size_t step, tempo_err *err)
{
    static const char expected[] = "expected floats [layers, 1, heads, rows, slots]";

    if (!tempo_npy_is_float(a->type) || a->n_dims != 5 || a->shape[1] != 1 || a->count == 0)
        return wrong(c, err, step, "attention", expected);
    if (a->shape[0] > MAX_LAYERS || a->shape[2] > MAX_HEADS || a->shape[3] > MAX_ROWS ||
        a->shape[4] > MAX_SLOTS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: step_%zu_attention: an axis is too long",
                          c->name, step);
    return TEMPO_OK;
}

static tempo_status check_queries(const tempo_captured *c, const tempo_npy *a, size_t step, tempo_err *err)
{
    const tempo_npy *q = &c->query_slots;
    const int64_t *slots = q->data;

    if (q->count != a->shape[3])
        return wrong(c, err, step, "query_slots", "not as many as the attention has rows");
    for (uint64_t i = 0; i < q->count; i++)
        if (slots[i] < 0 || (uint64_t)slots[i] >= a->shape[4])
            return wrong(c, err, step, "query_slots", "a slot that the attention does not have");
    return TEMPO_OK;
}

/* ---- sets of slots --------------------------------------------------------------------- */

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

/* sets[n]: numbers of sets, rising from 0, from the slots that the sets of the steps before `step` got. */
static tempo_status find_sets(tempo_captured *c, size_t step, size_t n, tempo_err *err)
{
    uint32_t *sets = malloc(n * sizeof(*sets)), next = 0;
    tempo_npy positions;
    tempo_status st = TEMPO_OK;

    if (sets == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu slots", n);
    c->sets = sets;
    c->n_sets = n;
    for (size_t j = 0; j < n; j++)
        sets[j] = (uint32_t)j;
    for (size_t i = 0; i < step && st == TEMPO_OK; i++)
        if ((st = read_vector(c, i, "positions", TEMPO_NPY_I64, &positions, err)) == TEMPO_OK) {
            join_set(sets, n, &positions);
            tempo_npy_free(&positions);
        }
    for (size_t j = 0; j < n; j++) /* a set's first slot comes before its others */
        sets[j] = sets[j] == j ? next++ : sets[sets[j]];
    return st;
}

/* The step with its weights, its sets, both, or neither. */
static tempo_status load_step(tempo_captured *c, size_t i, bool data, bool sets, tempo_recorded_step *out,
                              tempo_err *err)
{
    const void *weights;
    tempo_npy shape;
    tempo_status st;

    *out = (tempo_recorded_step){0};
    forget_step(c);
    if ((st = find_weights(c, i, data, &shape, &weights, err)) != TEMPO_OK ||
        (st = check_shape(c, &shape, i, err)) != TEMPO_OK ||
        (st = read_vector(c, i, "query_slots", TEMPO_NPY_I64, &c->query_slots, err)) != TEMPO_OK ||
        (st = check_queries(c, &shape, i, err)) != TEMPO_OK)
        return st;
    if (sets && (st = find_sets(c, i, (size_t)shape.shape[4], err)) != TEMPO_OK)
        return st;
    *out = (tempo_recorded_step){.step = i,
                                 .n_rows = (size_t)shape.shape[3],
                                 .n_slots = (size_t)shape.shape[4],
                                 .n_layers = (uint32_t)shape.shape[0],
                                 .n_heads = (uint32_t)shape.shape[2],
                                 .query_slots = c->query_slots.data,
                                 .sets = c->sets,
                                 .data = weights};
    return TEMPO_OK;
}

tempo_status tempo_captured_step(tempo_captured *c, size_t i, bool data, tempo_recorded_step *out,
                                 tempo_err *err)
{
    return load_step(c, i, data, data, out, err);
}

/* ---- what the slots hold --------------------------------------------------------------- */

/* What a slot holds: "id", "text" and "bytes" of `from`, as far as they are what they should be. */
static void set_token(json_t *tokens, size_t slot, const json_t *from)
{
    json_t *one = json_array_get(tokens, slot), *id = json_object_get(from, "id"),
           *text = json_object_get(from, "text"), *bytes = json_object_get(from, "bytes");

    if (json_is_integer(id))
        json_object_set(one, "id", id);
    if (json_is_string(text))
        json_object_set(one, "text", text);
    if (json_is_array(bytes))
        json_object_set(one, "bytes", bytes);
}

/* The prompt is what the first slots hold; ids alone get their texts from a tokenizer. */
static void set_prompt(json_t *tokens, const json_t *prompt, const tempo_tokenizer *t)
{
    for (size_t i = 0; i < json_array_size(prompt) && i < json_array_size(tokens); i++) {
        json_t *one = json_array_get(prompt, i);
        if (json_is_object(one)) {
            set_token(tokens, i, one);
        } else if (json_is_integer(one)) {
            const json_int_t id = json_integer_value(one);
            json_t *named = json_pack("{s:O}", "id", one);
            if (t != NULL && id >= 0 && id <= INT32_MAX)
                tempo_json_add_token(named, t, (int32_t)id);
            set_token(tokens, i, named);
            json_decref(named);
        }
    }
}

static void set_members(json_t *tokens, const json_t *results)
{
    const json_t *steps = json_object_get(results, "steps");

    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *members = json_object_get(json_array_get(steps, i), "members");
        for (size_t k = 0; k < json_array_size(members); k++) {
            const json_t *m = json_array_get(members, k), *slot = json_object_get(m, "slot");
            if (json_is_integer(slot) && json_integer_value(slot) >= 0 &&
                (uint64_t)json_integer_value(slot) < json_array_size(tokens))
                set_token(tokens, (size_t)json_integer_value(slot), m);
        }
    }
}

static json_t *bare_tokens(const tempo_captured *c)
{
    const double *rope = c->rope.count == c->n_sets ? c->rope.data : NULL;
    json_t *list = json_array();

    for (size_t j = 0; j < c->n_sets; j++)
        json_array_append_new(list, json_pack("{s:I, s:n, s:n, s:I, s:o}", "slot", (json_int_t)j, "id",
                                              "text", "set", (json_int_t)c->sets[j], "position",
                                              rope != NULL ? tempo_json_number(rope[j]) : json_null()));
    return list;
}

tempo_status tempo_captured_tokens(json_t **out, tempo_captured *c, const tempo_captured_place *p,
                                   const tempo_tokenizer *t, tempo_err *err)
{
    char path[sizeof(p->dir) + 16];
    tempo_recorded_step last;
    json_t *results = NULL;
    tempo_status st;

    *out = NULL;
    if (c->n_steps == 0) {
        *out = json_array();
        return TEMPO_OK;
    }
    if ((st = load_step(c, c->n_steps - 1, false, true, &last, err)) != TEMPO_OK ||
        (st = read_vector(c, c->n_steps - 1, "rope", TEMPO_NPY_F64, &c->rope, err)) != TEMPO_OK)
        return st;
    *out = bare_tokens(c);
    set_prompt(*out, p->prompt_tokens, t);
    (void)snprintf(path, sizeof(path), "%s/results.json", p->dir);
    if (tempo_json_load(&results, path, NULL) ==
        TEMPO_OK) /* without it slots have no texts, and that is all */
        set_members(*out, results);
    json_decref(results);
    return TEMPO_OK;
}
