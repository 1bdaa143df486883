/* foreign.c - keys of the published files for what is not built here, or means nothing here.
 *
 * Source: the original project's configuration files and the options of its program.  A feature's switch that
 * is off, and what belongs to it then, is accepted; switched on it is refused, in one error with every such
 * key of the file.  */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiment/file/read.h"

typedef enum feature { REMOVAL, DYNAMIC, SEARCH, THINKING, ORDINARY, N_FEATURES, NONE } feature;

static const struct {
    const char *what; /* it is */
    const char *off;  /* why what belongs to it has no effect */
} features[N_FEATURES] = {
    [REMOVAL] = {"members that are removed after the fact", "nothing is removed"},
    [DYNAMIC] = {"a threshold that changes from step to step", "the threshold is one number"},
    [SEARCH] = {"a tree search", "there is no tree search"},
    [THINKING] = {"a chat's system message that asks for thinking", NULL},
    [ORDINARY] = {"text without sets (threshold: 1 is greedy decoding)", NULL},
};

typedef enum value_kind { FLAG, NUMBER, INTEGER_OR_NULL, NUMBERS, TEXT } value_kind;

typedef struct foreign_key {
    const char *key;
    value_kind value;
    feature belongs;
    bool switches;    /* true turns the feature on */
    const char *note; /* of NONE: what it comes to here, when it is true or a text */
} foreign_key;

static const foreign_key keys[] = {
    {"use_retroactive_removal", FLAG, REMOVAL, true, NULL},
    {"attention_threshold", NUMBER, REMOVAL, false, NULL},
    {"use_relative_attention", FLAG, REMOVAL, false, NULL},
    {"no_relative_attention", FLAG, REMOVAL, false, NULL},
    {"relative_threshold", NUMBER, REMOVAL, false, NULL},
    {"use_multi_scale_attention", FLAG, REMOVAL, false, NULL},
    {"no_multi_scale_attention", FLAG, REMOVAL, false, NULL},
    {"num_layers_to_use", INTEGER_OR_NULL, REMOVAL, false, NULL},
    {"use_lci_dynamic_threshold", FLAG, REMOVAL, false, NULL},
    {"no_lci_dynamic_threshold", FLAG, REMOVAL, false, NULL},
    {"use_sigmoid_threshold", FLAG, REMOVAL, false, NULL},
    {"no_sigmoid_threshold", FLAG, REMOVAL, false, NULL},
    {"sigmoid_steepness", NUMBER, REMOVAL, false, NULL},
    {"no_preserve_isolated_tokens", FLAG, REMOVAL, false, NULL},
    {"complete_removal_mode", TEXT, REMOVAL, false, NULL},
    {"dynamic_threshold", FLAG, DYNAMIC, true, NULL},
    {"final_threshold", NUMBER, DYNAMIC, false, NULL},
    {"bezier_points", NUMBERS, DYNAMIC, false, NULL},
    {"bezier_p1", NUMBER, DYNAMIC, false, NULL},
    {"bezier_p2", NUMBER, DYNAMIC, false, NULL},
    {"use_relu", FLAG, DYNAMIC, false, NULL},
    {"relu_activation_point", NUMBER, DYNAMIC, false, NULL},
    {"use_mcts", FLAG, SEARCH, true, NULL},
    {"mcts_simulations", NUMBER, SEARCH, false, NULL},
    {"mcts_c_puct", NUMBER, SEARCH, false, NULL},
    {"mcts_depth", NUMBER, SEARCH, false, NULL},
    {"enable_thinking", FLAG, THINKING, true, NULL},
    {"default_mode", FLAG, ORDINARY, true, NULL},
    {"show_token_ids", FLAG, NONE, false, "ids are in the results always"},
    {"disable_kv_cache", FLAG, NONE, false,
     "without effect: the numbers are the same to the bit with and without a cache"},
    {"disable_kv_cache_consistency", FLAG, NONE, false,
     "without effect: there is nothing to keep consistent"},
    {"profile", FLAG, NONE, false, "without effect: tempo bench --profile says where the time goes"},
    {"use_cprofile", FLAG, NONE, false, "without effect: tempo bench --profile says where the time goes"},
    {"profile_output", TEXT, NONE, false, NULL},
    {"save_visualization", FLAG, NONE, false, "pictures lie beside EXPERIMENT_RESULTS.md always"},
    {"output_json", FLAG, NONE, false, "results are written as JSON always"},
    {"json_output_file", TEXT, NONE, false, "the results are NAME/results.json"},
};
enum { N_KEYS = sizeof(keys) / sizeof(*keys) };
_Static_assert(sizeof(keys) / sizeof(*keys) <= TEMPO_EXPERIMENT_FOREIGN_MOST, "room for their names");

size_t tempo_experiment_foreign_keys(const char **known, bool of_an_arm)
{
    size_t n = 0;

    for (size_t i = 0; i < N_KEYS; i++)
        if (!of_an_arm || keys[i].belongs != NONE)
            known[n++] = keys[i].key;
    return n;
}

/* *on: the value is true. */
static tempo_status check_value(const tempo_yaml_node *root, const foreign_key *k, bool *on, tempo_err *err)
{
    const tempo_yaml_range any = {.low = -HUGE_VAL, .high = HUGE_VAL};
    const tempo_yaml_node *v = tempo_yaml_get(root, k->key);
    const char *text = "";
    double numbers[4];
    uint64_t whole;
    size_t n = 0;

    *on = false;
    switch (k->value) {
    case FLAG:
        return tempo_yaml_bool(root, k->key, on, err);
    case NUMBER:
        return tempo_yaml_f64(root, k->key, any, numbers, err);
    case INTEGER_OR_NULL:
        return v->kind == TEMPO_YAML_NULL ? TEMPO_OK
                                          : tempo_yaml_u64(root, k->key, 0, UINT64_MAX, &whole, err);
    case NUMBERS:
        return tempo_yaml_f64_list(root, k->key, any, numbers, 4, &n, err);
    default:
        *on = true;
        return tempo_yaml_str(root, k->key, &text, err);
    }
}

/* Add the keys of the feature that the file has. */
static void add_names(char *text, size_t cap, const tempo_yaml_node *root, feature f)
{
    bool first = true;

    for (size_t i = 0; i < N_KEYS; i++) {
        const size_t n = strlen(text);
        if (keys[i].belongs != f || tempo_yaml_get(root, keys[i].key) == NULL)
            continue;
        (void)snprintf(text + n, cap - n, "%s%s", first ? "" : ", ", keys[i].key);
        first = false;
    }
}

/* What is switched on, all of it in one error at the first such key. */
static tempo_status refuse(const tempo_yaml_node *root, const bool on[N_FEATURES], const tempo_yaml_node *at,
                           tempo_err *err)
{
    char text[1600] = "this version has no way to do what is asked for: ";
    bool first = true;

    for (size_t f = 0; f < N_FEATURES; f++) {
        const size_t n = strlen(text);
        if (!on[f])
            continue;
        (void)snprintf(text + n, sizeof(text) - n, "%s%s (", first ? "" : "; ", features[f].what);
        add_names(text, sizeof(text), root, (feature)f);
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ")");
        first = false;
    }
    return tempo_yaml_fail_unbuilt(err, at, text);
}

static const foreign_key *find_key(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(keys[i].key, name) == 0)
            return &keys[i];
    return NULL;
}

/* One note for all that belongs to a feature which is off. */
static void note_off(tempo_experiment *e, const tempo_yaml_node *root, feature f)
{
    const tempo_yaml_node *first = NULL;
    char others[64] = "";
    size_t more = 0;

    for (const tempo_yaml_node *v = root->first; v != NULL; v = v->next) {
        const foreign_key *k = find_key(v->key);
        if (k == NULL || k->belongs != f || k->switches)
            continue;
        more += first != NULL;
        first = first == NULL ? v : first;
    }
    if (first == NULL)
        return;
    if (more > 0)
        (void)snprintf(others, sizeof(others), ", like %zu more key%s", more, more > 1 ? "s" : "");
    tempo_experiment_add_note(e, first, "without effect%s: %s", others, features[f].off);
}

tempo_status tempo_experiment_read_foreign(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    bool on[N_FEATURES] = {false}, any = false;
    const tempo_yaml_node *at = NULL;
    tempo_status st = TEMPO_OK;

    for (const tempo_yaml_node *v = root->first; v != NULL; v = v->next) {
        const foreign_key *k = find_key(v->key);
        bool set;
        if (k == NULL || tempo_yaml_get(root, v->key) != v) /* a duplicate is an error already */
            continue;
        st = tempo_yaml_both(st, check_value(root, k, &set, err));
        if (set && k->switches) {
            on[k->belongs] = any = true;
            at = at == NULL ? v : at;
        } else if (set && k->note != NULL) {
            tempo_experiment_add_note(e, v, "%s", k->note);
        }
    }
    for (size_t f = 0; f < N_FEATURES; f++)
        if (!on[f])
            note_off(e, root, (feature)f);
    return any ? tempo_yaml_both(st, refuse(root, on, at, err)) : st;
}
