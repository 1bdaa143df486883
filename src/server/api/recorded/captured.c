/* captured.c - a run's captured attention (capture/steps.h), found, and with what its slots hold. */
#include "server/api/recorded/captured.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/names.h"
#include "capture/steps.h"
#include "files/json_out.h"
#include "io/json.h"
#include "run/decode_json.h"

enum { MAX_COPY_BYTES = 1 << 28 /* of weights that cannot be looked at in place */ };

/* Beside each other, the first one counts. */
static const tempo_capture_format formats[] = {TEMPO_CAPTURE_NPZ, TEMPO_CAPTURE_SAFETENSORS};

struct tempo_captured {
    tempo_steps steps;
    char name[TEMPO_CAPTURE_KEY]; /* of the file */
    uint64_t stamp;
    size_t n_steps;
    tempo_step_attention step; /* at hand */
    uint32_t *sets;            /* of its slots, or NULL */
};

/* ---- opening --------------------------------------------------------------------------- */

bool tempo_captured_is_there(const char *dir)
{
    char path[4096 + TEMPO_CAPTURE_KEY], name[TEMPO_CAPTURE_KEY];
    struct stat st;

    for (size_t i = 0; i < 2; i++) {
        const int n = snprintf(path, sizeof(path), "%s/%s", dir,
                               tempo_capture_file_name(name, TEMPO_FILE_ATTENTION, formats[i]));
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

/* The first of the names that is there, examined. */
static tempo_status find_file(tempo_captured *c, char path[4096 + TEMPO_CAPTURE_KEY], const char *dir,
                              tempo_err *err)
{
    tempo_status st = TEMPO_E_NOTFOUND;

    for (size_t i = 0; i < 2 && st == TEMPO_E_NOTFOUND; i++) {
        (void)tempo_capture_file_name(c->name, TEMPO_FILE_ATTENTION, formats[i]);
        (void)snprintf(path, 4096 + TEMPO_CAPTURE_KEY, "%.4095s/%s", dir, c->name);
        st = examine(c, path, err);
    }
    if (st == TEMPO_E_NOTFOUND)
        return tempo_fail(err, st, TEMPO_NO_OFFSET, "no attention was captured here");
    return st;
}

tempo_status tempo_captured_open(tempo_captured **out, const char *dir, tempo_err *err)
{
    tempo_captured *c = calloc(1, sizeof(*c));
    char path[4096 + TEMPO_CAPTURE_KEY];
    tempo_status st;

    *out = NULL;
    if (c == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a capture");
    if ((st = find_file(c, path, dir, err)) != TEMPO_OK ||
        (st = tempo_steps_open(&c->steps, path, c->name, err)) != TEMPO_OK) {
        tempo_captured_free(c);
        return st;
    }
    c->steps.in_place = true;
    c->steps.max_bytes = MAX_COPY_BYTES;
    const uint32_t *steps = c->steps.steps[TEMPO_STEPS_ATTENTION];
    while (c->n_steps < c->steps.n[TEMPO_STEPS_ATTENTION] && steps[c->n_steps] == c->n_steps)
        c->n_steps++;
    *out = c;
    return TEMPO_OK;
}

static void forget_step(tempo_captured *c)
{
    tempo_step_attention_free(&c->step);
    free(c->sets);
    c->sets = NULL;
}

void tempo_captured_free(tempo_captured *c)
{
    if (c == NULL)
        return;
    forget_step(c);
    tempo_steps_close(&c->steps);
    free(c);
}

size_t tempo_captured_steps(const tempo_captured *c)
{
    return c->n_steps;
}

bool tempo_captured_closed(const tempo_captured *c)
{
    return c->steps.closed;
}

void tempo_captured_first(const tempo_captured *c, uint32_t *layer, uint32_t *head)
{
    *layer = c->steps.first_layer;
    *head = c->steps.first_head;
}

uint64_t tempo_captured_stamp(const tempo_captured *c)
{
    return c->stamp;
}

size_t tempo_captured_copy_bytes(const tempo_captured *c, size_t step)
{
    return tempo_steps_copy_bytes(&c->steps, (uint32_t)step);
}

/* ---- a step ---------------------------------------------------------------------------- */

/* The step with its weights, its sets, both, or neither. */
static tempo_status load_step(tempo_captured *c, size_t i, bool data, bool sets, tempo_recorded_step *out,
                              tempo_err *err)
{
    tempo_step_attention *a = &c->step;
    tempo_status st;

    *out = (tempo_recorded_step){0};
    forget_step(c);
    st = data ? tempo_steps_attention(&c->steps, (uint32_t)i, a, err)
              : tempo_steps_shape(&c->steps, (uint32_t)i, a, err);
    if (st == TEMPO_OK && a->query_slots == NULL)
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "%s: step %zu: it does not say which slots its rows are", c->name, i);
    if (st == TEMPO_OK && sets)
        st = tempo_steps_sets(&c->steps, (uint32_t)i, a->n_slots, &c->sets, err);
    if (st != TEMPO_OK)
        return st == TEMPO_E_NOTFOUND ? TEMPO_E_FORMAT : st;
    *out = (tempo_recorded_step){.step = i,
                                 .n_rows = a->n_rows,
                                 .n_slots = a->n_slots,
                                 .n_layers = (uint32_t)a->n_layers,
                                 .n_heads = (uint32_t)a->n_heads,
                                 .query_slots = a->query_slots,
                                 .sets = c->sets,
                                 .data = a->weights};
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
    const double *rope = c->step.rope;
    json_t *list = json_array();

    for (size_t j = 0; j < c->step.n_slots; j++)
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
    if ((st = load_step(c, c->n_steps - 1, false, true, &last, err)) != TEMPO_OK)
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
