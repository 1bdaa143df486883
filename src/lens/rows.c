/* rows.c - the residual stream out of a capture's files. */
#include "lens/rows.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "capture/names.h"
#include "io/array_file.h"
#include "io/json.h"
#include "lens/lens.h"

enum { PATH_BYTES = 4096, MAX_ROWS = 1 << 20, MAX_METADATA = 16 << 20 };
#define MAX_ARRAY_BYTES ((uint64_t)8 << 30)

/* Layers that a tap's arrays have, by the metadata. */
typedef struct recorded {
    bool there, all_heads;
    size_t n;
    uint32_t layers[TEMPO_MAX_LAYERS];
} recorded;

struct tempo_rows {
    const tempo_model *model;
    char path[PATH_BYTES]; /* of the arrays */
    tempo_array_file *file;
    recorded taps[TEMPO_TAP_COUNT]; /* of those that a residual stream is made of */
    tempo_rows_row *rows;           /* [n] */
    size_t *index;                  /* [n] of the row in its step's arrays */
    size_t n;
};

static const tempo_tap wanted[] = {TEMPO_TAP_RESID_PRE, TEMPO_TAP_RESID_POST, TEMPO_TAP_ATTN_OUT,
                                   TEMPO_TAP_MLP_OUT,   TEMPO_TAP_Z,          TEMPO_TAP_EMBED};
enum { WANTED = sizeof(wanted) / sizeof(*wanted) };

static tempo_status bad(const tempo_rows *c, tempo_err *err, const char *what)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: %s", c->path, what);
}

/* ---- which files ---- */

static bool is_there(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

/* The first directory in dir, by name, that has taps; false: none. */
static bool find_arm(const char *dir, char arm[256])
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    arm[0] = '\0';
    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[PATH_BYTES + 300];
        bool taps = false;
        for (int f = 0; f < 2 && e->d_name[0] != '.' && strlen(e->d_name) < 256; f++) {
            (void)snprintf(path, sizeof(path), "%.*s/%s/taps.%s", PATH_BYTES - 1, dir, e->d_name,
                           f == 0 ? "npz" : "safetensors");
            taps = taps || is_there(path);
        }
        if (taps && (arm[0] == '\0' || strcmp(e->d_name, arm) < 0))
            (void)snprintf(arm, 256, "%s", e->d_name);
    }
    if (d != NULL)
        (void)closedir(d);
    return arm[0] != '\0';
}

/* What to say of a directory that has no taps. */
static tempo_status no_taps(const char *dir, tempo_err *err)
{
    char arm[256];

    if (find_arm(dir, arm))
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "%s holds the captures of several arms: give one of them, such as %s/%s", dir, dir,
                          arm);
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s has no taps.npz or taps.safetensors: it is no capture with --record resid_post",
                      dir);
}

static tempo_status open_arrays(tempo_rows *c, const char *dir, tempo_err *err)
{
    char name[TEMPO_CAPTURE_KEY];

    for (int f = TEMPO_CAPTURE_NPZ; f <= TEMPO_CAPTURE_SAFETENSORS; f++) {
        (void)tempo_capture_file_name(name, TEMPO_FILE_TAPS, (tempo_capture_format)f);
        if ((size_t)snprintf(c->path, PATH_BYTES, "%s/%s", dir, name) >= PATH_BYTES)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.64s...: the path is too long", dir);
        if (is_there(c->path))
            return tempo_array_file_open(&c->file, c->path, err);
    }
    return no_taps(dir, err);
}

/* ---- the metadata ---- */

static tempo_status read_layers(const tempo_rows *c, recorded *r, const json_t *layers, tempo_err *err)
{
    r->n = json_array_size(layers);
    if (r->n == 0 || r->n > c->model->hp.n_layers)
        return bad(c, err, "its metadata do not fit the model: layers of a tap");
    for (size_t i = 0; i < r->n; i++) {
        const json_t *v = json_array_get(layers, i);
        const json_int_t l = json_integer_value(v);
        if (!json_is_integer(v) || l < 0 || l >= c->model->hp.n_layers ||
            (i > 0 && l <= (json_int_t)r->layers[i - 1]))
            return bad(c, err, "its metadata do not fit the model: layers of a tap");
        r->layers[i] = (uint32_t)l;
    }
    return TEMPO_OK;
}

static tempo_status read_taps(tempo_rows *c, const json_t *taps, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < WANTED && st == TEMPO_OK; i++) {
        const tempo_tap_info t = tempo_tap_get_info(c->model, wanted[i]);
        const json_t *one = json_object_get(taps, t.short_name);
        recorded *r = &c->taps[wanted[i]];
        if (!json_is_object(one))
            continue;
        r->there = true;
        r->n = 1;
        if (t.by_layer)
            st = read_layers(c, r, json_object_get(one, "layers"), err);
        r->all_heads = t.n_heads == 0 || json_array_size(json_object_get(one, "heads")) == t.n_heads;
    }
    return st;
}

static tempo_status read_metadata(tempo_rows *c, tempo_err *err)
{
    char *text = NULL;
    json_t *doc = NULL;
    tempo_status st = tempo_array_file_text(c->file, TEMPO_CAPTURE_TEXT, MAX_METADATA, &text, err);

    if (st == TEMPO_OK)
        st = tempo_json_parse(&doc, text, strlen(text), err);
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s: metadata", c->path);
    else if (!json_is_object(json_object_get(doc, "taps")))
        st = bad(c, err, "its metadata name no taps: it is no capture of tempo");
    else
        st = read_taps(c, json_object_get(doc, "taps"), err);
    json_decref(doc);
    free(text);
    return st;
}

/* ---- the rows ---- */

static tempo_status add_row(tempo_rows *c, size_t slot, int64_t step, size_t index, tempo_err *err)
{
    if ((c->n & (c->n - 1)) == 0) { /* it grows by doubling */
        const size_t cap = c->n > 0 ? 2 * c->n : 1;
        tempo_rows_row *rows = realloc(c->rows, cap * sizeof(*rows));
        c->rows = rows != NULL ? rows : c->rows;
        size_t *indices = realloc(c->index, cap * sizeof(*indices));
        c->index = indices != NULL ? indices : c->index;
        if (rows == NULL || indices == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory for its rows", c->path);
    }
    if (c->n == MAX_ROWS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: more than %d rows", c->path, MAX_ROWS);
    c->rows[c->n] = (tempo_rows_row){.slot = slot, .step = step, .token = -1};
    c->index[c->n++] = index;
    return TEMPO_OK;
}

/* A tap that is in the file, to see how many rows arrays have. */
static const char *any_tap(const tempo_rows *c, tempo_tap *tap)
{
    for (size_t i = 0; i < WANTED; i++)
        if (c->taps[wanted[i]].there) {
            *tap = wanted[i];
            return tempo_tap_get_info(c->model, wanted[i]).short_name;
        }
    return NULL;
}

/* The prompt's rows but for the last, which the first step reads. */
static tempo_status find_prompt(tempo_rows *c, tempo_err *err)
{
    char key[TEMPO_CAPTURE_KEY];
    tempo_tap tap = TEMPO_TAP_COUNT;
    const char *name = any_tap(c, &tap);
    tempo_npy a;
    tempo_status st = TEMPO_OK;

    (void)snprintf(key, sizeof(key), "prompt_%s", name != NULL ? name : "");
    if (name == NULL || tempo_array_shape(c->file, key, &a, NULL) != TEMPO_OK)
        return TEMPO_OK;
    const uint32_t axis = tempo_tap_get_info(c->model, tap).by_layer ? 1 : 0;
    if (a.n_dims <= axis || a.shape[axis] == 0 || a.shape[axis] > MAX_ROWS)
        return bad(c, err, "rows of the prompt have no shape that a capture has");
    for (size_t i = 0; i + 1 < a.shape[axis] && st == TEMPO_OK; i++)
        st = add_row(c, i, -1, i, err);
    return st;
}

static tempo_status find_steps(tempo_rows *c, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t step = 0; st == TEMPO_OK && step <= TEMPO_CAPTURE_LAST_STEP; step++) {
        char key[TEMPO_CAPTURE_KEY];
        tempo_npy slots;
        tempo_err why = {0};
        (void)tempo_capture_key(key, step, TEMPO_ARRAY_QUERY_SLOTS);
        st = tempo_array_read(c->file, key, TEMPO_NPY_I64, 8 * (uint64_t)MAX_ROWS, &slots, &why);
        if (st == TEMPO_E_NOTFOUND)
            return TEMPO_OK;
        if (st != TEMPO_OK) {
            if (err != NULL && err->code == TEMPO_OK)
                *err = why;
            tempo_err_prefix(err, "%s", c->path);
            return st;
        }
        const int64_t *slot = slots.data;
        for (size_t i = 0; i < slots.count && st == TEMPO_OK; i++)
            st = slot[i] < 0 || slot[i] > (int64_t)TEMPO_MAX_SLOTS
                     ? bad(c, err, "query_slots hold what is no slot")
                     : add_row(c, (size_t)slot[i], (int64_t)step, i, err);
        tempo_npy_free(&slots);
    }
    return st;
}

/* ---- the tokens ---- */

static void name_row(tempo_rows *c, const json_t *slot, const json_t *id)
{
    const json_int_t at = json_integer_value(slot), token = json_integer_value(id);
    size_t low = 0, high = c->n;

    if (!json_is_integer(slot) || !json_is_integer(id) || at < 0 || token < 0 ||
        token >= c->model->hp.n_vocab)
        return;
    while (low < high) { /* rows stand in the order of their slots */
        const size_t middle = low + (high - low) / 2;
        if (c->rows[middle].slot < (size_t)at)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < c->n && c->rows[low].slot == (size_t)at; low++)
        c->rows[low].token = (int32_t)token;
}

/* By results.json; a capture that a program made with the library need not have one. */
static tempo_status read_tokens(tempo_rows *c, const char *dir, tempo_err *err)
{
    char path[PATH_BYTES + 32];
    json_t *doc, *id, *step, *member;
    size_t i, j;

    (void)snprintf(path, sizeof(path), "%.*s/results.json", PATH_BYTES, dir);
    if (!is_there(path))
        return TEMPO_OK;
    const tempo_status st = tempo_json_load(&doc, path, err);
    if (st != TEMPO_OK)
        return st;
    json_array_foreach(json_object_get(doc, "prompt_ids"), i, id)
    {
        json_t *slot = json_integer((json_int_t)i);
        name_row(c, slot, id);
        json_decref(slot);
    }
    json_array_foreach(json_object_get(doc, "steps"), i, step)
    {
        json_array_foreach(json_object_get(step, "members"), j, member)
            name_row(c, json_object_get(member, "slot"), json_object_get(member, "id"));
    }
    json_decref(doc);
    return TEMPO_OK;
}

static tempo_status check_order(const tempo_rows *c, tempo_err *err)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->rows[i].slot < c->rows[i - 1].slot)
            return bad(c, err, "its rows do not stand in the order of their slots");
    return c->n > 0 ? TEMPO_OK : bad(c, err, "it has no rows");
}

tempo_status tempo_rows_open(tempo_rows **out, const char *dir, const tempo_model *m, tempo_err *err)
{
    tempo_rows *c = calloc(1, sizeof(*c));
    tempo_status st;

    *out = NULL;
    if (c == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a capture");
    c->model = m;
    if ((st = open_arrays(c, dir, err)) != TEMPO_OK || (st = read_metadata(c, err)) != TEMPO_OK ||
        (st = find_prompt(c, err)) != TEMPO_OK || (st = find_steps(c, err)) != TEMPO_OK ||
        (st = check_order(c, err)) != TEMPO_OK)
        goto out;
    st = read_tokens(c, dir, err);
out:
    if (st == TEMPO_OK)
        *out = c;
    else
        tempo_rows_free(c);
    return st;
}

void tempo_rows_free(tempo_rows *c)
{
    if (c == NULL)
        return;
    tempo_array_file_free(c->file);
    free(c->rows);
    free(c->index);
    free(c);
}

const tempo_rows_row *tempo_rows_list(const tempo_rows *c, size_t *n)
{
    *n = c->n;
    return c->rows;
}

/* ---- what is needed ---- */

static bool has_layer(const recorded *r, uint32_t layer)
{
    bool has = false;

    for (size_t i = 0; i < r->n && r->there; i++)
        has = has || r->layers[i] == layer;
    return has;
}

/* The stream before the first layer: as such, or as the embedding where nothing is added to it. */
static bool has_input(const tempo_rows *c)
{
    return has_layer(&c->taps[TEMPO_TAP_RESID_PRE], 0) ||
           (c->taps[TEMPO_TAP_EMBED].there &&
            tempo_tap_get_info(c->model, TEMPO_TAP_POS_EMBED).missing != NULL);
}

static bool is_whole(const tempo_rows *c, tempo_tap tap)
{
    const recorded *r = &c->taps[tap];

    return r->there && r->all_heads && r->n == c->model->hp.n_layers;
}

tempo_status tempo_rows_check(const tempo_rows *c, unsigned keep, tempo_err *err)
{
    const uint32_t last = c->model->hp.n_layers - 1;
    const bool parts = (keep & (TEMPO_RESIDUAL_PARTS | TEMPO_RESIDUAL_HEADS)) != 0;
    char missing[128] = "";
    size_t at = 0;

    if (!has_layer(&c->taps[TEMPO_TAP_RESID_POST], last))
        at += (size_t)snprintf(missing + at, sizeof(missing) - at, ",resid_post");
    if (parts && !has_input(c))
        at += (size_t)snprintf(missing + at, sizeof(missing) - at, ",resid_pre:layers=0");
    if (parts && !is_whole(c, TEMPO_TAP_ATTN_OUT))
        at += (size_t)snprintf(missing + at, sizeof(missing) - at, ",attn_out");
    if (parts && !is_whole(c, TEMPO_TAP_MLP_OUT))
        at += (size_t)snprintf(missing + at, sizeof(missing) - at, ",mlp_out");
    if ((keep & TEMPO_RESIDUAL_HEADS) != 0 && !is_whole(c, TEMPO_TAP_Z))
        at += (size_t)snprintf(missing + at, sizeof(missing) - at, ",z");
    if (at == 0)
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s lacks what this needs: capture it with --record %s as well", c->path, missing + 1);
}

/* ---- values ---- */

/* One array of a step (-1: the prompt), checked: [layers, rows, ...], without layers for what is not in
 * layers. */
typedef struct tap_array {
    tempo_tap tap;
    tempo_npy shape, read;
    const float *values;
    size_t rows, width;
} tap_array;

static tempo_status open_array(const tempo_rows *c, tap_array *a, int64_t step, tempo_tap tap, tempo_err *err)
{
    const tempo_tap_info t = tempo_tap_get_info(c->model, tap);
    char key[TEMPO_CAPTURE_KEY];
    const void *in_file;
    tempo_status st = TEMPO_OK;

    if (step < 0)
        (void)snprintf(key, sizeof(key), "prompt_%s", t.short_name);
    else
        (void)snprintf(key, sizeof(key), "step_%" PRId64 "_%s", step, t.short_name);
    *a = (tap_array){.tap = tap, .width = t.dims[0] * t.dims[1]};
    if (tempo_array_view(c->file, key, TEMPO_NPY_F32, &a->shape, &in_file, NULL) == TEMPO_OK) {
        a->values = in_file;
    } else if ((st = tempo_array_read(c->file, key, TEMPO_NPY_F32, MAX_ARRAY_BYTES, &a->read, err)) ==
               TEMPO_OK) {
        a->shape = a->read;
        a->values = a->read.data;
    } else {
        tempo_err_prefix_once(err, key, "%s", key);
        tempo_err_prefix(err, "%s", c->path);
        return st;
    }
    const uint32_t axis = t.by_layer ? 1 : 0;
    bool fits =
        a->shape.n_dims == axis + 1 + t.n_dims && (!t.by_layer || a->shape.shape[0] == c->taps[tap].n);
    for (uint32_t i = 0; i < t.n_dims && fits; i++)
        fits = a->shape.shape[axis + 1 + i] == t.dims[i];
    if (!fits) {
        tempo_npy_free(&a->read);
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: %s has not the shape that this model's has", c->path, key);
    }
    a->rows = (size_t)a->shape.shape[axis];
    return TEMPO_OK;
}

/* Row `from` of the list as row `row` of r. */
static tempo_status take_row(const tempo_rows *c, const tap_array *a, size_t from, size_t row,
                             tempo_residual *r, tempo_err *err)
{
    const size_t index = c->index[from];
    const bool embed = a->tap == TEMPO_TAP_EMBED;
    const tempo_tap tap = embed ? TEMPO_TAP_RESID_PRE : a->tap;
    const recorded *rec = &c->taps[a->tap];
    tempo_status st = TEMPO_OK;

    if (index >= a->rows)
        return bad(c, err, "a step has fewer rows than its query_slots name");
    for (size_t i = 0; i < rec->n && st == TEMPO_OK; i++) {
        if (tap == TEMPO_TAP_RESID_PRE && rec->layers[i] != 0)
            continue; /* those are the points after layers */
        st = tempo_residual_set(r, row, tap, rec->layers[i], a->values + (i * a->rows + index) * a->width,
                                a->width, err);
        if (st != TEMPO_OK)
            tempo_err_prefix(err, "%s: slot %zu", c->path, c->rows[from].slot);
    }
    return st;
}

/* Rows rows[first .. end), which lie in one array. */
static tempo_status take_rows(const tempo_rows *c, const size_t *rows, size_t first, size_t end,
                              tempo_tap tap, tempo_residual *r, tempo_err *err)
{
    tap_array a;
    tempo_status st = open_array(c, &a, c->rows[rows[first]].step, tap, err);

    for (size_t i = first; i < end && st == TEMPO_OK; i++)
        st = take_row(c, &a, rows[i], i, r, err);
    if (a.read.data != NULL)
        tempo_npy_free(&a.read);
    return st;
}

/* Does r keep it, and is it in the file?  Of the two ways to have the input one. */
static bool is_taken(const tempo_rows *c, const tempo_residual *r, tempo_tap tap)
{
    bool kept = false;

    for (size_t t = 0; t < r->n_taps; t++)
        kept = kept || r->taps[t].tap == (tap == TEMPO_TAP_EMBED ? TEMPO_TAP_RESID_PRE : tap);
    if (tap == TEMPO_TAP_EMBED)
        kept = kept && has_input(c) && !has_layer(&c->taps[TEMPO_TAP_RESID_PRE], 0);
    return kept && c->taps[tap].there && c->taps[tap].all_heads;
}

tempo_status tempo_rows_read(const tempo_rows *c, const size_t *rows, size_t n, tempo_residual *r,
                             tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t first = 0, end; first < n && st == TEMPO_OK; first = end) {
        for (end = first; end < n && c->rows[rows[end]].step == c->rows[rows[first]].step;)
            end++;
        for (size_t i = 0; i < WANTED && st == TEMPO_OK; i++)
            if (is_taken(c, r, wanted[i]))
                st = take_rows(c, rows, first, end, wanted[i], r, err);
    }
    return st;
}
