/* captured.c - a capture's directory as a run to patch from: what taps.npz, attention_weights.npz and
 * logits_distributions.npz have of one tap, by layer and slot.
 *
 * Arrays are those of docs/capture.md, of either format and any type of floats: step_{i}_TAP with the slots
 * of its rows in step_{i}_query_slots, prompt_TAP of slots 0, 1, ...; attention is `pattern`.  Shapes are
 * checked against the model; an array is looked at in the file where it can be, so that only the layers that
 * are wanted are touched.  */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/names.h"
#include "capture/steps.h"
#include "capture/tap_steps.h"
#include "edit/edit.h"

enum { PATH_BYTES = 4096 };

typedef struct source {
    const tempo_model *model;
    const char *dir;
    tempo_edit *edit;
    tempo_tap_info info;
    bool by_slot; /* it has a number for each slot */
    tempo_store *store;
    char path[PATH_BYTES]; /* of the file that is read */
    tempo_recorded_tap has;
    float *row; /* [cap] all heads of one */
    size_t cap, rows;
} source;

/* An array of a tap: [layers][rows][heads][width], or by slot [layers][heads][rows][width]. */
typedef struct block {
    const float *x;
    size_t layers, rows, heads, width;
} block;

/* ---- what is not there ---- */

static const char *record_word(const source *c)
{
    return c->edit->at.tap == TEMPO_TAP_PATTERN ? "attention" : c->info.short_name;
}

static tempo_status lacks(const source *c, const char *what, uint32_t which, const char *key, tempo_err *err)
{
    if (what == NULL)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "%s has no %s: capture that run with --record %s (and --record-prompt for all rows "
                          "of its prompt)",
                          c->dir, c->info.short_name, record_word(c));
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s has no %s of %s %" PRIu32 ": capture that run with --record '%s:%s=%" PRIu32
                      "' (or --record %s for all of them)",
                      c->dir, c->info.short_name, what, which, record_word(c), key, which, record_word(c));
}

/* Do arrays that are there have every layer and head that the patch takes? */
static tempo_status check_parts(const source *c, tempo_err *err)
{
    for (uint32_t l = 0; l < c->model->hp.n_layers && c->info.by_layer; l++)
        if (tempo_tap_has(c->edit->at.layers, l) &&
            tempo_recorded_at(c->has.layers, c->has.n_layers, l) == SIZE_MAX)
            return lacks(c, "layer", l, "layers", err);
    for (uint32_t h = 0; h < c->info.n_heads; h++)
        if (tempo_tap_has(c->edit->at.heads, h) &&
            tempo_recorded_at(c->has.heads, c->has.n_heads, h) == SIZE_MAX)
            return lacks(c, "head", h, "heads", err);
    return TEMPO_OK;
}

static bool has_slot(const source *c, size_t slot)
{
    uint32_t layer = 0;

    while (c->info.by_layer && !tempo_tap_has(c->edit->at.layers, layer))
        layer++;
    return tempo_store_values(c->store, c->edit->at.tap, layer, slot, NULL) != NULL;
}

static tempo_status no_slot(const source *c, int64_t slot, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s has no %s of slot %" PRId64
                      ": rows of the prompt before its last are captured with --record-prompt",
                      c->dir, c->info.short_name, slot);
}

/* Rows that the patch names, as far as that can be known before its run. */
static tempo_status check_rows(const source *c, tempo_err *err)
{
    const tempo_slot_rule *r = &c->edit->rows;
    const bool all = !r->prompt && !r->generated && !r->first && !r->at && !r->set && !r->member && !r->token;

    if (c->rows == 0)
        return lacks(c, NULL, 0, NULL, err);
    if (c->edit->source != SIZE_MAX)
        return has_slot(c, c->edit->source) ? TEMPO_OK : no_slot(c, (int64_t)c->edit->source, err);
    for (int64_t i = r->at_first; r->at && r->at_first >= 0 && i <= r->at_last; i++)
        if (!has_slot(c, (size_t)i))
            return no_slot(c, i, err);
    if ((!all && !(r->prompt && !r->at)) || has_slot(c, 0))
        return TEMPO_OK;
    return tempo_fail(
        err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
        "%s has %s of the prompt's last row and of sets alone: capture it with --record-prompt, or "
        "say which rows (rows=generated, rows=prompt:-1)",
        c->dir, c->info.short_name);
}

/* ---- rows into the store ---- */

static tempo_status check_finite(const source *c, const float *x, size_t n, const char *key, tempo_err *err)
{
    const bool hidden = c->edit->at.tap == TEMPO_TAP_ATTN_SCORES; /* -inf: not seen */

    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]) && !(hidden && x[i] < 0))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: %s holds what is not a finite number",
                              c->path, key);
    return TEMPO_OK;
}

/* Row r of layer index l, of all heads that there are. */
static tempo_status put_row(source *c, const block *b, size_t l, uint32_t layer, size_t r, size_t slot,
                            const char *key, tempo_err *err)
{
    const size_t heads = c->info.n_heads > 0 ? c->info.n_heads : 1, n = heads * b->width;
    tempo_status st = TEMPO_OK;

    if (n > c->cap) {
        float *more = n <= TEMPO_MAX_EDIT_BYTES / sizeof(float) ? realloc(c->row, n * sizeof(float)) : NULL;
        if (more == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory for a row of %zu numbers",
                              c->path, n);
        c->row = more;
        c->cap = n;
    }
    memset(c->row, 0, n * sizeof(float));
    for (size_t h = 0; h < b->heads && st == TEMPO_OK; h++) {
        const size_t at = c->by_slot ? (l * b->heads + h) * b->rows + r : (l * b->rows + r) * b->heads + h;
        const uint32_t head = c->info.n_heads > 0 ? c->has.heads[h] : 0;
        if (c->info.n_heads > 0 && !tempo_tap_has(c->edit->at.heads, head))
            continue;
        memcpy(c->row + head * b->width, b->x + at * b->width, b->width * sizeof(float));
        st = check_finite(c, c->row + head * b->width, b->width, key, err);
    }
    if (st != TEMPO_OK)
        return st;
    const tempo_tap_view view = {
        .tap = c->edit->at.tap,
        .layer = layer,
        .slot = slot,
        .n_dims = c->info.n_dims,
        .dims = {c->info.n_heads > 0 ? heads : b->width, c->info.n_heads > 0 ? b->width : 1},
        .values = c->row};
    return tempo_store_view(c->store, &view, err) ? TEMPO_OK : err != NULL ? err->code : TEMPO_E_LIMIT;
}

/* Rows at slots[rows], or at 0, 1, ... */
static tempo_status put_block(source *c, const block *b, const int64_t *slots, const char *key,
                              tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t l = 0; l < b->layers && st == TEMPO_OK; l++) {
        const uint32_t layer = c->info.by_layer ? c->has.layers[l] : 0;
        for (size_t r = 0; r < b->rows && st == TEMPO_OK; r++) {
            const int64_t slot = slots != NULL ? slots[r] : (int64_t)r;
            if (slot < 0 || slot >= TEMPO_STEPS_MAX_SLOTS)
                return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: %s: %" PRId64 " is no slot",
                                  c->path, key, slot);
            if (!c->info.by_layer || tempo_tap_has(c->edit->at.layers, layer))
                st = put_row(c, b, l, layer, r, (size_t)slot, key, err);
        }
    }
    c->rows += b->rows;
    return st;
}

/* ---- an array ---- */

static tempo_status wrong_shape(const source *c, const tempo_npy *a, const char *key, tempo_err *err)
{
    char shape[128] = "";
    size_t at = 0;

    for (uint32_t i = 0; i < a->n_dims && at < sizeof(shape) - 24; i++)
        at += (size_t)snprintf(shape + at, sizeof(shape) - at, "%s%" PRIu64, i > 0 ? ", " : "", a->shape[i]);
    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                      "%s: %s has shape [%s], which is none that %s of this model has: a capture of another?",
                      c->path, key, shape, c->info.short_name);
}

/* The array as a block, if this model's tap is so. */
static tempo_status make_block(const source *c, const tempo_tap_array *a, block *b)
{
    const size_t heads = c->info.n_heads > 0 ? c->has.n_heads : 1;
    const size_t width = c->info.n_heads > 0 ? c->info.dims[1] : c->info.dims[0];

    *b = (block){.x = a->values, .layers = a->n_layers, .rows = a->n_rows, .heads = heads, .width = width};
    if (c->by_slot)
        b->width = a->part;
    if (a->n_layers != c->has.n_layers ||
        (c->by_slot ? a->n_parts != heads : a->part != heads * width)) /* no product of the file's numbers */
        return TEMPO_E_ARG;
    return TEMPO_OK;
}

static tempo_status take_array(source *c, const tempo_tap_steps *s, const tempo_tap_key *key, tempo_err *err)
{
    char beside[TEMPO_CAPTURE_KEY];
    tempo_tap_array a;
    tempo_npy slots = {0}, shape;
    block b;
    tempo_status st = tempo_tap_read(s, key, &a, err);

    if (st != TEMPO_OK)
        return st;
    if (make_block(c, &a, &b) != TEMPO_OK)
        st = tempo_array_shape(s->file, key->name, &shape, err) == TEMPO_OK
                 ? wrong_shape(c, &shape, key->name, err)
                 : TEMPO_E_ARG;
    else if (!key->prompt)
        st = tempo_array_read(s->file, tempo_capture_key(beside, key->step, TEMPO_ARRAY_QUERY_SLOTS),
                              TEMPO_NPY_I64, 8 * (uint64_t)TEMPO_STEPS_MAX_SLOTS, &slots, err);
    if (st == TEMPO_OK && !key->prompt && slots.count != b.rows)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: %s has %zu rows, %s has %" PRIu64, c->path,
                        key->name, b.rows, beside, slots.count);
    if (st == TEMPO_OK)
        st = put_block(c, &b, slots.data, key->name, err);
    tempo_npy_free(&slots);
    tempo_tap_array_free(&a);
    return st;
}

/* ---- files ---- */

/* c->path in one of the formats; false: there is none. */
static bool find_file(source *c, tempo_capture_file which)
{
    char name[TEMPO_CAPTURE_KEY];
    struct stat info;
    bool there = false;

    for (int f = TEMPO_CAPTURE_NPZ; f <= TEMPO_CAPTURE_SAFETENSORS && !there; f++) {
        (void)tempo_capture_file_name(name, which, (tempo_capture_format)f);
        there = (size_t)snprintf(c->path, PATH_BYTES, "%s/%s", c->dir, name) < PATH_BYTES &&
                stat(c->path, &info) == 0;
    }
    return there;
}

/* Rows came from c->path. */
static tempo_status note_file(const source *c, tempo_err *err)
{
    char **to = &c->edit->files[c->edit->files[0] != NULL];

    if (*to == NULL && (*to = strdup(c->path)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
    return TEMPO_OK;
}

/* Arrays named prompt_TAP and step_{i}_TAP. */
static tempo_status take_file(source *c, tempo_capture_file which, tempo_err *err)
{
    tempo_tap_steps s;
    bool any = false;
    tempo_status st;

    if (!find_file(c, which))
        return TEMPO_OK;
    if ((st = tempo_tap_steps_open(&s, c->path, err)) != TEMPO_OK)
        return st;
    s.max_bytes = TEMPO_MAX_EDIT_BYTES;
    for (size_t i = 0; i < s.n && st == TEMPO_OK; i++) {
        if (s.keys[i].tap != c->edit->at.tap)
            continue;
        if (!any && (st = tempo_recorded_read(&c->has, s.file, c->model, c->edit->at.tap, err)) == TEMPO_OK)
            st = check_parts(c, err);
        any = true;
        if (st == TEMPO_OK)
            st = take_array(c, &s, &s.keys[i], err);
    }
    if (st == TEMPO_OK && any)
        st = note_file(c, err);
    tempo_err_prefix_once(err, c->dir, "%s", c->path);
    tempo_tap_steps_close(&s);
    return st;
}

static tempo_status take_attention_step(source *c, tempo_steps *s, uint32_t step, tempo_err *err)
{
    tempo_step_attention a;
    char key[TEMPO_CAPTURE_KEY];
    tempo_status st = tempo_steps_attention(s, step, &a, err);

    if (st != TEMPO_OK)
        return st;
    tempo_recorded_range(&c->has, s->first_layer, a.n_layers, s->first_head, a.n_heads);
    const block b = {a.weights, a.n_layers, a.n_rows, a.n_heads, a.n_slots};
    (void)tempo_capture_key(key, step, TEMPO_ARRAY_ATTENTION);
    if (a.query_slots == NULL)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: %s: which slots its rows have is not said",
                        c->path, key);
    else if (s->first_layer + a.n_layers > c->model->hp.n_layers ||
             s->first_head + a.n_heads > c->info.n_heads)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                        "%s: %s has %zu layers and %zu heads from %" PRIu32 " and %" PRIu32
                        ", which this model has not: a capture of another?",
                        c->path, key, a.n_layers, a.n_heads, s->first_layer, s->first_head);
    else if ((st = check_parts(c, err)) == TEMPO_OK)
        st = put_block(c, &b, a.query_slots, key, err);
    tempo_step_attention_free(&a);
    return st;
}

static tempo_status take_attention(source *c, tempo_err *err)
{
    tempo_steps s;
    tempo_status st;

    if (!find_file(c, TEMPO_FILE_ATTENTION))
        return TEMPO_OK;
    if ((st = tempo_steps_open(&s, c->path, NULL, err)) != TEMPO_OK)
        return st;
    s.max_bytes = TEMPO_MAX_EDIT_BYTES;
    s.in_place = true;
    for (size_t i = 0; i < s.n[TEMPO_STEPS_ATTENTION] && st == TEMPO_OK; i++)
        st = take_attention_step(c, &s, s.steps[TEMPO_STEPS_ATTENTION][i], err);
    if (st == TEMPO_OK)
        st = note_file(c, err);
    tempo_steps_close(&s);
    return st;
}

/* ---- the directory ---- */

static tempo_status check_directory(const char *dir, tempo_err *err)
{
    struct stat info;

    if (stat(dir, &info) == 0 && S_ISDIR(info.st_mode))
        return TEMPO_OK;
    return tempo_fail(
        err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
        "there is no run '%.200s' to patch from: neither an arm before this one nor the directory of a "
        "capture",
        dir);
}

tempo_status tempo_captured_store(tempo_store **out, const tempo_model *m, const char *dir, tempo_edit *edit,
                                  uint64_t max_bytes, tempo_err *err)
{
    source c = {.model = m, .dir = dir, .edit = edit, .info = tempo_tap_get_info(m, edit->at.tap)};
    const tempo_tap tap = edit->at.tap;
    tempo_status st = check_directory(dir, err);

    *out = NULL;
    c.by_slot = tap == TEMPO_TAP_PATTERN || tap == TEMPO_TAP_ATTN_SCORES;
    if (st == TEMPO_OK)
        st = tempo_store_create(&c.store, m, &edit->at, 1, max_bytes > 0 ? max_bytes : 1, err);
    if (st == TEMPO_OK)
        st = take_file(&c, TEMPO_FILE_TAPS, err);
    if (st == TEMPO_OK && tap == TEMPO_TAP_PATTERN)
        st = take_attention(&c, err);
    if (st == TEMPO_OK && tap == TEMPO_TAP_LOGITS)
        st = take_file(&c, TEMPO_FILE_LOGITS, err);
    if (st == TEMPO_OK)
        st = check_rows(&c, err);
    free(c.row);
    if (st == TEMPO_OK)
        *out = c.store;
    else
        tempo_store_free(c.store);
    return st;
}
