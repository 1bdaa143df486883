/* arms_json.c - see arms_json.h: the arms. */
#include "run/arms_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "run/decode_fields.h"
#include "run/run.h"

/* ---- options of decoding ----------------------------------------------------------- */

static bool same_name(const char *a, const char *b)
{
    while (*a != '\0' && (*a == *b || (*a == '-' && *b == '_'))) {
        a++;
        b++;
    }
    return *a == *b;
}

static const tempo_decode_field *find_field(const char *name)
{
    for (size_t i = 0; i < tempo_decode_field_count; i++)
        if (same_name(tempo_decode_fields[i].name, name))
            return &tempo_decode_fields[i];
    return NULL;
}

static tempo_status read_number(tempo_decode_options *o, const tempo_decode_field *f, const json_t *value,
                                tempo_err *err)
{
    void *field = (char *)o + f->offset;
    const bool whole = f->kind == TEMPO_FIELD_SIZE;
    const double v = json_number_value(value);

    if (!json_is_number(value) || !isfinite(v) || v > f->high ||
        (whole ? v < f->low || v != floor(v) : v <= f->low)) {
        if (whole)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s: expected a whole number from %.0f to %.0f", f->name, f->low, f->high);
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          isinf(f->high) ? "%s: expected a finite number above %g"
                                         : "%s: expected a number above %g and at most %g",
                          f->name, f->low, f->high);
    }
    if (whole)
        *(size_t *)field = (size_t)v;
    else
        *(double *)field = v;
    return TEMPO_OK;
}

static tempo_status read_word(tempo_decode_options *o, const tempo_decode_field *f, const json_t *value,
                              tempo_err *err)
{
    const char *s = json_string_value(value);
    const int choice = s != NULL && f->kind == TEMPO_FIELD_CHOICE
                           ? tempo_choice_find(f->choices, s, json_string_length(value))
                           : -1;

    if (choice >= 0)
        *(int *)((char *)o + f->offset) = choice; /* enums of tempo.h have the size of int */
    if (choice >= 0 ||
        (s != NULL && f->kind == TEMPO_FIELD_CUSTOM &&
         (f->choices == NULL ? tempo_decode_parse_layers(s, o) : tempo_decode_parse_positions(s, o))))
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: %s%.40s%s is not %s%s", f->name,
                      s != NULL ? "'" : "", s != NULL ? s : "what is no text", s != NULL ? "'" : "",
                      f->choices != NULL ? "one of " : "two layers A-B with A <= B",
                      f->choices != NULL ? f->choices : "");
}

tempo_status tempo_decode_read(tempo_decode_options *o, const char *name, const json_t *value, tempo_err *err)
{
    const tempo_decode_field *f = find_field(name);

    if (f == NULL)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "'%.40s' is no option of decoding", name);
    if (f->kind == TEMPO_FIELD_SIZE || f->kind == TEMPO_FIELD_REAL)
        return read_number(o, f, value, err);
    return read_word(o, f, value, err);
}

/* ---- arms -------------------------------------------------------------------------- */

tempo_status tempo_arm_add(tempo_arm_list *l, const char *name, const tempo_decode_options *d, tempo_err *err)
{
    if (l->n == TEMPO_RUN_MAX_ARMS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %d arms", TEMPO_RUN_MAX_ARMS);
    tempo_decode_options *own = &l->decoding[l->n];
    *own = *d;
    if (own->mode == TEMPO_ISOLATED) {
        own->first_visible_layer = 0;
        own->last_visible_layer = TEMPO_ALL_LAYERS;
    }
    (void)snprintf(l->names[l->n], TEMPO_ARM_NAME_CHARS, "%s", name);
    l->arms[l->n] = (tempo_run_arm){l->names[l->n], own};
    l->n++;
    return TEMPO_OK;
}

static bool is_name(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    return *s != '\0' && *s != '.' && *s != '-' && strlen(s) < TEMPO_ARM_NAME_CHARS &&
           s[strspn(s, letters)] == '\0';
}

/* What a replay decides itself, and layers of nothing. */
static tempo_status check_options(const json_t *arm, const tempo_decode_options *d, tempo_err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)arm, key, value)
    {
        if (d->replay != TEMPO_REPLAY_NONE &&
            (strcmp(key, "context") == 0 || strcmp(key, "readout") == 0 || strcmp(key, "positions") == 0))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "%s: a replay sets it itself: leave it out", key);
        if (d->mode == TEMPO_ISOLATED && same_name("visible-layers", key))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: means nothing in isolated mode",
                              key);
    }
    return TEMPO_OK;
}

static tempo_status read_options(const json_t *arm, tempo_decode_options *d, tempo_err *err)
{
    const char *key;
    json_t *value;
    tempo_status st = TEMPO_OK;

    json_object_foreach((json_t *)(uintptr_t)arm, key,
                        value) if (st == TEMPO_OK && strcmp(key, "name") != 0 && strcmp(key, "edits") != 0)
        st = tempo_decode_read(d, key, value, err);
    if (st == TEMPO_OK)
        st = check_options(arm, d, err);
    if (d->replay != TEMPO_REPLAY_NONE) { /* what holds for all arms yields to what this one is */
        d->context = TEMPO_CONTEXT_ALL;
        d->readout = TEMPO_READOUT_MIXTURE;
        d->positions = TEMPO_POSITIONS_SHARED;
        d->position_offset = 0;
    }
    return st;
}

const char *tempo_arm_name(const tempo_decode_options *d)
{
    return d->replay != TEMPO_REPLAY_NONE ? tempo_replay_name(d->replay) : tempo_mode_name(d->mode);
}

bool tempo_arm_by_name(tempo_decode_options *d, const json_t *name)
{
    const char *text = json_string_value(name);
    tempo_decode_options named = *d;

    if (text == NULL || strlen(text) != json_string_length(name) ||
        (!tempo_mode_parse(text, &named.mode) &&
         (!tempo_replay_parse(text, &named.replay) || named.replay == TEMPO_REPLAY_NONE)))
        return false;
    *d = named;
    return true;
}

static tempo_status read_arm(tempo_arm_list *l, const json_t *arm, const tempo_decode_options *base,
                             tempo_err *err)
{
    const json_t *name = json_object_get(arm, "name");
    tempo_decode_options d = *base;
    tempo_status st;

    if (!json_is_object(arm))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "expected an object with a name and options");
    if (name != NULL &&
        (!json_is_string(name) || strlen(json_string_value(name)) != json_string_length(name) ||
         !is_name(json_string_value(name))))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "name: expected letters, digits, '_', '-' and '.', at most %d, the first a letter, "
                          "a digit or '_'",
                          TEMPO_ARM_NAME_CHARS - 1);
    if ((st = read_options(arm, &d, err)) != TEMPO_OK)
        return st;
    const char *text = name != NULL ? json_string_value(name) : tempo_arm_name(&d);
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->names[i], text) == 0)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "name: arm %zu is named '%s', too", i,
                              text);
    const json_t *edits = json_object_get(arm, "edits");
    if ((st = tempo_edits_check_json(edits, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_arm_add(l, text, &d, err)) == TEMPO_OK)
        l->edit_texts[l->n - 1] = json_incref((json_t *)(uintptr_t)edits);
    return st;
}

tempo_status tempo_arms_read(tempo_arm_list **out, const json_t *list, const tempo_decode_options *base,
                             tempo_err *err)
{
    const size_t n = json_array_size(list);
    tempo_arm_list *l;
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (n == 0 || n > TEMPO_RUN_MAX_ARMS)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "expected a list of 1 to %d arms",
                          TEMPO_RUN_MAX_ARMS);
    if ((l = calloc(1, sizeof(*l))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the arms");
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        const json_t *arm = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(arm, "name"));
        st = read_arm(l, arm, base, err);
        if (st != TEMPO_OK && name != NULL && is_name(name))
            tempo_err_prefix(err, "arm %zu, '%s'", i, name);
        else if (st != TEMPO_OK)
            tempo_err_prefix(err, "arm %zu", i);
    }
    if (st != TEMPO_OK)
        tempo_arms_free(l);
    else
        *out = l;
    return st;
}

tempo_status tempo_arms_load(tempo_arm_list **out, const char *path, const tempo_decode_options *base,
                             tempo_err *err)
{
    json_t *v = NULL;
    tempo_status st = tempo_json_load(&v, path, err);

    *out = NULL;
    if (st == TEMPO_OK && (st = tempo_arms_read(out, v, base, err)) != TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    json_decref(v);
    return st;
}

/* ---- edits ------------------------------------------------------------------------- */

void tempo_arms_free(tempo_arm_list *l)
{
    for (size_t i = 0; l != NULL && i < TEMPO_RUN_MAX_ARMS; i++) {
        json_decref(l->edit_texts[i]);
        tempo_edits_free(l->edits[i]);
    }
    free(l);
}

/* What from= may mean in arm i: what the caller has, and the arms before it. */
static tempo_status edit_arm(tempo_arm_list *l, size_t i, const tempo_model *m, const json_t *for_all,
                             const tempo_edit_inputs *in, tempo_err *err)
{
    tempo_edit_inputs inputs = *in;
    tempo_status st;

    if (json_array_size(for_all) + json_array_size(l->edit_texts[i]) == 0)
        return TEMPO_OK;
    tempo_edit_run *runs = malloc((in->n_runs + i + 1) * sizeof(*runs));
    if (runs == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the edits of an arm");
    for (size_t k = 0; k < i; k++)
        runs[k] = (tempo_edit_run){l->names[k], NULL};
    for (size_t k = 0; k < in->n_runs; k++)
        runs[i + k] = in->runs[k];
    inputs.runs = runs;
    inputs.n_runs += i;
    if ((st = tempo_edits_create(&l->edits[i], m, err)) == TEMPO_OK &&
        (st = tempo_edits_read(l->edits[i], for_all, &inputs, err)) == TEMPO_OK)
        st = tempo_edits_read(l->edits[i], l->edit_texts[i], &inputs, err);
    l->decoding[i].edits = l->edits[i];
    free(runs);
    return st;
}

tempo_status tempo_arms_edit(tempo_arm_list *l, const tempo_model *m, const json_t *for_all,
                             const tempo_edit_inputs *in, tempo_err *err)
{
    tempo_edit_inputs none;
    tempo_status st = TEMPO_OK;

    tempo_edit_inputs_init(&none);
    for (size_t i = 0; i < l->n && st == TEMPO_OK; i++) {
        st = edit_arm(l, i, m, for_all, in != NULL ? in : &none, err);
        if (st != TEMPO_OK && l->n > 1)
            tempo_err_prefix(err, "arm '%s'", l->names[i]);
    }
    return st;
}
