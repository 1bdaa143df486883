/* arms.c - decoding options, thresholds, and which arms run in which regime. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "run/decode_fields.h"
#include "experiment/file/read.h"

enum { MOST = 1000000000 };

static const tempo_yaml_range threshold_range = {.low = 0, .high = 1, .above_low = true};

/* ---- the decoding keys of the file or of an arm: each overrides what is there ---- */

static tempo_status read_text(const tempo_yaml_node *map, const char *key, tempo_decode_options *o,
                              tempo_err *err)
{
    const char *s = NULL;
    const tempo_status st = tempo_yaml_str(map, key, &s, err);

    if (st != TEMPO_OK || s == NULL)
        return st;
    if (strcmp(key, "visible_layers") == 0)
        return tempo_decode_parse_layers(s, o)
                   ? TEMPO_OK
                   : tempo_yaml_fail(err, tempo_yaml_get(map, key),
                                     "'%.40s' is not two layers A-B with A <= B", s);
    return tempo_decode_parse_positions(s, o)
               ? TEMPO_OK
               : tempo_yaml_fail(err, tempo_yaml_get(map, key),
                                 "'%.40s' is not one of shared|unique|offset:D with a finite number D", s);
}

static tempo_status read_field(const tempo_yaml_node *map, const tempo_decode_field *f,
                               tempo_decode_options *o, tempo_err *err)
{
    void *field = (char *)o + f->offset;
    char key[32];
    unsigned choice;
    tempo_status st;

    (void)snprintf(key, sizeof(key), "%s", f->name);
    for (char *c = key; *c != '\0'; c++)
        *c = (char)(*c == '-' ? '_' : *c);
    switch (f->kind) {
    case TEMPO_FIELD_SIZE:
        return tempo_yaml_size(map, key, (size_t)f->low, (size_t)f->high, field, err);
    case TEMPO_FIELD_REAL:
        return tempo_yaml_f64(map, key, (tempo_yaml_range){f->low, f->high, true}, field, err);
    case TEMPO_FIELD_CHOICE:
        choice = (unsigned)*(int *)field; /* enums of tempo.h have the size of int */
        if ((st = tempo_yaml_choice(map, key, f->choices, &choice, err)) == TEMPO_OK)
            *(int *)field = (int)choice;
        return st;
    default:
        return read_text(map, key, o, err);
    }
}

static tempo_status read_decoding(const tempo_yaml_node *map, tempo_decode_options *o, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < tempo_decode_field_count; i++)
        st = tempo_yaml_both(st, read_field(map, &tempo_decode_fields[i], o, err));
    return st;
}

/* A replay decides on context, readout and positions: keys of the same map that do so too are errors. */
static tempo_status check_replay(const tempo_yaml_node *map, const tempo_decode_options *o, tempo_err *err)
{
    static const char *const keys[] = {"context", "readout", "positions", "use_custom_rope"};
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && o->replay != TEMPO_REPLAY_NONE; i++) {
        const tempo_yaml_node *v = tempo_yaml_get(map, keys[i]);
        if (v != NULL && !(v->kind == TEMPO_YAML_BOOL && v->flag))
            st = tempo_yaml_both(
                st, tempo_yaml_fail_key(err, v, "'%s' cannot be chosen in a replay, which sets it itself",
                                        v->key));
    }
    return st;
}

static tempo_status check_layers(const tempo_yaml_node *map, const tempo_decode_options *o, tempo_err *err)
{
    const tempo_yaml_node *v = tempo_yaml_get(map, "visible_layers");

    if (v != NULL && o->mode == TEMPO_ISOLATED)
        return tempo_yaml_fail_key(err, v, "'visible_layers' means nothing in isolated mode");
    return TEMPO_OK;
}

/* ---- the file's own keys ---- */

/* max_tokens, selection_threshold and use_custom_rope under their published names. */
static tempo_status read_published_decoding(const tempo_yaml_node *root, tempo_decode_options *o,
                                            tempo_err *err)
{
    bool shared = true;
    tempo_status st = tempo_yaml_size(root, "max_tokens", 1, MOST, &o->steps, err);

    st =
        tempo_yaml_both(st, tempo_yaml_f64(root, "selection_threshold", threshold_range, &o->threshold, err));
    st = tempo_yaml_both(st, tempo_yaml_bool(root, "use_custom_rope", &shared, err));
    if (!shared)
        o->positions = TEMPO_POSITIONS_UNIQUE;
    return st;
}

static tempo_status read_thresholds(tempo_experiment *e, const tempo_yaml_node *root,
                                    tempo_decode_options *base, tempo_err *err)
{
    const tempo_status st = tempo_yaml_f64_list(root, "thresholds", threshold_range, e->thresholds,
                                                TEMPO_EXPERIMENT_MAX_THRESHOLDS, &e->n_thresholds, err);

    if (st != TEMPO_OK)
        return st;
    if (e->n_thresholds == 0)
        e->thresholds[e->n_thresholds++] = base->threshold;
    for (size_t i = 1; i < e->n_thresholds; i++)
        for (size_t j = 0; j < i; j++)
            if (e->thresholds[i] == e->thresholds[j])
                return tempo_yaml_fail(err, tempo_yaml_get(root, "thresholds"), "%g is there twice",
                                       e->thresholds[i]);
    base->threshold = e->thresholds[0];
    return TEMPO_OK;
}

/* ---- arms ---- */

static tempo_status read_name(tempo_experiment *e, tempo_experiment_arm *arm, const tempo_yaml_node *map,
                              tempo_err *err)
{
    const char *name = NULL;
    const tempo_yaml_node *at = tempo_yaml_get(map, "name");
    const tempo_status st = tempo_yaml_str(map, "name", &name, err);

    if (st != TEMPO_OK)
        return st;
    if (name == NULL)
        return tempo_yaml_fail(err, map, "an arm without a name");
    if (!tempo_is_plain_name(name, TEMPO_EXPERIMENT_NAME_CHARS))
        return tempo_yaml_fail(err, at, "expected lower-case letters, digits, _ and -, at most %d",
                               TEMPO_EXPERIMENT_NAME_CHARS - 1);
    if (tempo_experiment_arm_find(e, name) != NULL)
        return tempo_yaml_fail(err, at, "there is an arm '%s' already", name);
    memcpy(arm->name, name, strlen(name) + 1);
    return TEMPO_OK;
}

static tempo_status read_arm(tempo_experiment *e, const tempo_yaml_node *root, const tempo_yaml_node *map,
                             const tempo_decode_options *base, tempo_err *err)
{
    static const char *const known[] = {
        "name",      "mode",      "visible_layers", "context", "readout", "positions", "replay",    "steps",
        "min_steps", "threshold", "temperature",    "max_set", "stop",    "kv",        "max_slots", "edits"};
    tempo_experiment_arm *arm = &e->arms[e->n_arms];
    const tempo_yaml_node *list = tempo_yaml_get(root, "thresholds"), *own = tempo_yaml_get(map, "threshold");
    tempo_status st;

    *arm = (tempo_experiment_arm){.decoding = *base, .own_threshold = own != NULL, .line = map->line};
    st = tempo_experiment_check_keys(map, known, sizeof(known) / sizeof(*known), true, err);
    st = tempo_yaml_both(st, tempo_experiment_read_foreign(e, map, err));
    st = tempo_yaml_both(st, read_name(e, arm, map, err));
    if (own != NULL && list != NULL)
        st = tempo_yaml_both(
            st, tempo_yaml_fail_key(err, own,
                                    "'threshold' of an arm and 'thresholds' of line %u exclude each other",
                                    (unsigned)list->key_line));
    st = tempo_yaml_both(st, read_decoding(map, &arm->decoding, err));
    st = tempo_yaml_both(st, tempo_experiment_read_edits(map, &arm->edits, err));
    st = tempo_yaml_both(st, check_replay(map, &arm->decoding, err));
    st = tempo_yaml_both(st, check_layers(map, &arm->decoding, err));
    /* what the file says for all arms yields to what this one is */
    if (arm->decoding.replay != TEMPO_REPLAY_NONE) {
        arm->decoding.context = TEMPO_CONTEXT_ALL;
        arm->decoding.readout = TEMPO_READOUT_MIXTURE;
        arm->decoding.positions = TEMPO_POSITIONS_SHARED;
        arm->decoding.position_offset = 0;
    }
    if (arm->decoding.mode == TEMPO_ISOLATED) {
        arm->decoding.first_visible_layer = 0;
        arm->decoding.last_visible_layer = TEMPO_ALL_LAYERS;
    }
    e->n_arms++;
    return st;
}

static void add_mode(tempo_experiment *e, const tempo_decode_options *base, tempo_mode mode)
{
    tempo_experiment_arm *arm = &e->arms[e->n_arms++];

    *arm = (tempo_experiment_arm){.decoding = *base};
    (void)snprintf(arm->name, sizeof(arm->name), "%s%s", tempo_mode_name(mode),
                   base->replay != TEMPO_REPLAY_NONE ? "-replay" : "");
    arm->decoding.mode = mode;
    if (mode == TEMPO_ISOLATED) {
        arm->decoding.first_visible_layer = 0;
        arm->decoding.last_visible_layer = TEMPO_ALL_LAYERS;
    }
}

/* Without a list of arms: run_both_modes, allow_intraset_token_visibility or its opposite, or the mode. */
static tempo_status derive_arms(tempo_experiment *e, const tempo_yaml_node *root,
                                const tempo_decode_options *base, tempo_err *err)
{
    const tempo_yaml_node *opposite = tempo_yaml_get(root, "isolate"),
                          *one = opposite != NULL ? opposite
                                                  : tempo_yaml_get(root, "allow_intraset_token_visibility");
    bool both = false, visible = base->mode == TEMPO_VISIBLE, isolate = !visible;
    tempo_status st = tempo_yaml_bool(root, "run_both_modes", &both, err);

    st = tempo_yaml_both(st, tempo_yaml_bool(root, "allow_intraset_token_visibility", &visible, err));
    st = tempo_yaml_both(st, tempo_yaml_bool(root, "isolate", &isolate, err));
    if (st != TEMPO_OK)
        return st;
    visible = opposite != NULL ? !isolate : visible;
    if (both) {
        if (one != NULL)
            tempo_experiment_add_note(e, one, "run_both_modes runs isolated and visible, whatever this says");
        add_mode(e, base, TEMPO_ISOLATED);
        add_mode(e, base, TEMPO_VISIBLE);
        return TEMPO_OK;
    }
    const tempo_mode mode = one == NULL ? base->mode : visible ? TEMPO_VISIBLE : TEMPO_ISOLATED;
    add_mode(e, base, mode);
    return check_layers(root, &e->arms[0].decoding, err);
}

static tempo_status list_arms(tempo_experiment *e, const tempo_yaml_node *root,
                              const tempo_decode_options *base, tempo_err *err)
{
    const tempo_yaml_node *list;
    tempo_status st = tempo_yaml_list(root, "arms", TEMPO_YAML_MAP, TEMPO_EXPERIMENT_MAX_ARMS, &list, err);

    if (st != TEMPO_OK)
        return st;
    if (list == NULL)
        return derive_arms(e, root, base, err);
    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next)
        st = tempo_yaml_both(st, read_arm(e, root, v, base, err));
    if (st != TEMPO_OK)
        return st;
    const tempo_yaml_node *layers = tempo_yaml_get(root, "visible_layers");
    for (size_t i = 0; i < e->n_arms; i++)
        if (e->arms[i].decoding.mode != TEMPO_ISOLATED)
            layers = NULL;
    if (layers != NULL)
        return tempo_yaml_fail_key(err, layers, "'visible_layers' means nothing when all arms are isolated");
    return TEMPO_OK;
}

/* ---- regime ---- */

static bool takes_part(const tempo_experiment_arm *arm)
{
    return arm->decoding.replay == TEMPO_REPLAY_NONE;
}

/* The first isolated arm, else the first one that takes part. */
static size_t default_driver(const tempo_experiment *e)
{
    size_t first = e->n_arms;

    for (size_t i = e->n_arms; i-- > 0;)
        if (takes_part(&e->arms[i]))
            first = i;
    for (size_t i = 0; i < e->n_arms; i++)
        if (takes_part(&e->arms[i]) && e->arms[i].decoding.mode == TEMPO_ISOLATED)
            return i;
    return first;
}

static tempo_status read_driver(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    const tempo_yaml_node *at = tempo_yaml_get(root, "driver");
    const char *name = NULL;
    const tempo_status st = tempo_yaml_str(root, "driver", &name, err);

    if (st != TEMPO_OK || name == NULL)
        return st;
    if (!e->lockstep)
        return tempo_yaml_fail_key(err, at, "'driver' means nothing without 'regime: lockstep'");
    const tempo_experiment_arm *arm = tempo_experiment_arm_find(e, name);
    if (arm == NULL)
        return tempo_yaml_fail(err, at, "there is no arm '%.40s'", name);
    if (!takes_part(arm))
        return tempo_yaml_fail(err, at, "'%s' is a replay, which takes no part in lockstep", name);
    e->driver = (size_t)(arm - e->arms);
    return TEMPO_OK;
}

static tempo_status read_regime(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    unsigned regime = 0;
    size_t n = 0;
    const tempo_status st = tempo_yaml_choice(root, "regime", TEMPO_REGIMES("|"), &regime, err);

    if (st != TEMPO_OK)
        return st;
    e->lockstep = regime == 1;
    for (size_t i = 0; i < e->n_arms; i++)
        n += takes_part(&e->arms[i]);
    if (e->lockstep && n < 2)
        return tempo_yaml_fail(err, tempo_yaml_get(root, "regime"),
                               "lockstep needs two arms that are no replays, there %s %zu",
                               n == 1 ? "is" : "are", n);
    if (e->lockstep)
        e->driver = default_driver(e);
    return read_driver(e, root, err);
}

tempo_status tempo_experiment_read_arms(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    tempo_decode_options base;
    tempo_status st, arms;

    tempo_decode_options_init(&base);
    st = read_decoding(root, &base, err);
    st = tempo_yaml_both(st, read_published_decoding(root, &base, err));
    st = tempo_yaml_both(st, check_replay(root, &base, err));
    st = tempo_yaml_both(st, read_thresholds(e, root, &base, err));
    st = tempo_yaml_both(st, tempo_experiment_read_edits(root, &e->edits, err));
    arms = list_arms(e, root, &base, err);
    if (arms == TEMPO_OK) /* else it is not known which arms there are to be */
        arms = read_regime(e, root, err);
    return tempo_yaml_both(st, arms);
}
