/* patch_setup.c - what makes two grids the same one, and one that goes on where another was cut. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/patch/patch.h"
#include "io/json_file.h"
#include "io/npz.h"

/* ---- the setup ---- */

static json_t *ids_of(const int32_t *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static json_t *numbers(const uint64_t bits[TEMPO_TAP_WORDS], uint32_t n)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < n; i++)
        if (tempo_tap_has(bits, i))
            json_array_append_new(list, json_integer(i));
    return list;
}

static json_t *taps_of(const tempo_model *m, const tempo_tap_selection *taps, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const tempo_tap_info t = tempo_tap_get_info(m, taps[i].tap);
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o}", "tap", t.short_name, "layers",
                            numbers(taps[i].layers, t.by_layer ? tempo_model_get_info(m)->n_layers : 0),
                            "heads", numbers(taps[i].heads, t.n_heads)));
    }
    return list;
}

/* The rows of arms follow from these. */
static json_t *decoding_of(const patching *v)
{
    const tempo_decode_options *d = &v->o->decoding;
    json_t *sets = json_array();

    for (size_t i = 0; i < tempo_run_steps(v->run, 0); i++) {
        const tempo_set *set = tempo_run_set(v->run, 0, i);
        json_t *one = json_array();
        for (size_t k = 0; set != NULL && k < set->n_members; k++)
            json_array_append_new(one, json_integer(set->members[k].id));
        json_array_append_new(sets, one);
    }
    return json_pack("{s:[s, s], s:o, s:s, s:s, s:s, s:I, s:I}", "arms", v->arm[0], v->arm[1], "sets", sets,
                     "readout", tempo_readout_name(d->readout), "positions",
                     tempo_positions_name(d->positions), "context", tempo_context_name(d->context),
                     "first_visible_layer", (json_int_t)d->first_visible_layer, "last_visible_layer",
                     (json_int_t)d->last_visible_layer);
}

json_t *make_setup(const patching *v, const tempo_patch_options *o)
{
    const tempo_model_info *info = tempo_model_get_info(v->s->model);
    json_t *positions = json_array(), *answers = ids_of(o->answers, o->n_answers);

    for (size_t i = 0; i < o->n_positions; i++)
        json_array_append_new(positions, json_integer(o->positions[i]));
    json_t *doc = json_pack("{s:{s:s, s:s, s:I, s:I}, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:b}",
                            "model", "name", info->name, "architecture", info->architecture, "parameters",
                            (json_int_t)info->parameters, "file_bytes", (json_int_t)info->file_bytes, "cpu",
                            info->kernels, "compute", info->compute, "kv", tempo_kv_type_name(o->kv),
                            "answers", answers, "metric", tempo_patch_metric_name(o->metric), "direction",
                            tempo_patch_direction_name(o->direction), "each", tempo_patch_each_name(o->each),
                            "taps", taps_of(v->s->model, o->taps, o->n_taps), "receivers",
                            taps_of(v->s->model, o->receivers, o->n_receivers), "positions", positions,
                            "free_mlps", (int)o->free_mlps);
    json_object_set_new(doc, "clean_ids", ids_of(v->s->ids, v->s->n_ids));
    if (v->run != NULL)
        json_object_set_new(doc, "decoding", decoding_of(v));
    else
        json_object_set_new(doc, "corrupt_ids", ids_of(v->corrupt.ids, v->corrupt.n_ids));
    return doc;
}

/* ---- grids by name ---- */

static void short_name(const patching *v, size_t i, char out[96])
{
    const tempo_patch_grid g = tempo_patch_get_grid(v->p, i);

    (void)snprintf(out, 96, "%s.%s", tempo_tap_get_info(NULL, g.tap).short_name,
                   tempo_patch_direction_name(g.direction));
}

void grid_name(const patching *v, size_t i, char out[96])
{
    char other[96];
    size_t before = 0; /* of the same tap: layers of z and other layers of z */

    short_name(v, i, out);
    for (size_t k = 0; k < i; k++) {
        short_name(v, k, other);
        before += strcmp(out, other) == 0;
    }
    if (before > 0)
        (void)snprintf(out + strlen(out), 96 - strlen(out), ".%zu", before + 1);
}

/* ---- going on ---- */

/* The first member that is another one; NULL: none. */
static const char *differs(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)a, key,
                        value) if (!json_equal(value, json_object_get(b, key))) return key;
    return NULL;
}

static int check_setup(const patching *v, const tempo_npz *z)
{
    const char *const path = v->o->resume_file;
    tempo_npy text = {0};
    tempo_err err = {0};
    json_t *doc = NULL;
    int code = EXIT_FAILED;

    if (tempo_npz_read(z, "setup", 1 << 24, &text, &err) != TEMPO_OK)
        return say_error(&err);
    if (text.type == TEMPO_NPY_U8)
        doc = json_loadb(text.data, (size_t)text.count, JSON_REJECT_DUPLICATES, NULL);
    const char *key = doc != NULL ? differs(v->setup, doc) : NULL;
    if (!json_is_object(doc))
        say("%s: setup is no grid's: expected a file that tempo patch --npz wrote", path);
    else if (key != NULL)
        say("%s: another grid was begun there: its %s is not what this command line says", path, key);
    else
        code = EXIT_OK;
    json_decref(doc);
    tempo_npy_free(&text);
    return code;
}

static int take_grid(patching *v, const tempo_npz *z, size_t i)
{
    const tempo_patch_grid g = tempo_patch_get_grid(v->p, i);
    const size_t n = g.n_layers * g.n_heads * g.n_positions;
    char name[96];
    tempo_npy a = {0};
    tempo_err err = {0};

    grid_name(v, i, name);
    if (tempo_npz_read(z, name, n * sizeof(double), &a, &err) != TEMPO_OK)
        return say_error(&err);
    if (a.type != TEMPO_NPY_F64 || a.count != n) {
        say("%s: %s: %zu numbers, expected %zu as float64", v->o->resume_file, name, (size_t)a.count, n);
        tempo_npy_free(&a);
        return EXIT_FAILED;
    }
    for (size_t k = 0; k < n; k++) {
        const double value = ((const double *)a.data)[k];
        if (!isnan(value)) {
            tempo_patch_put(v->p, i, k, value);
            v->resumed++;
        }
    }
    tempo_npy_free(&a);
    return EXIT_OK;
}

int resume_patch(patching *v)
{
    tempo_npz *z;
    tempo_err err = {0};
    int code;

    if (tempo_npz_open(&z, v->o->resume_file, &err) != TEMPO_OK)
        return say_error(&err);
    code = check_setup(v, z);
    for (size_t i = 0; i < tempo_patch_get_info(v->p).n_grids && code == EXIT_OK; i++)
        code = take_grid(v, z, i);
    tempo_npz_free(z);
    return code;
}
