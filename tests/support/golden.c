#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"

json_t *golden_list(const char *json_path)
{
    tempo_err err = {0};
    json_t *list;

    if (tempo_json_load(&list, json_path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    assert_true(json_is_array(list) && json_array_size(list) > 0);
    return list;
}

/* The place of s among the names. */
static int choice(const char *s, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(s, names[i]) == 0)
            return i;
    fail_msg("golden case: unknown value \"%s\"", s);
    return 0;
}

static void set_option(tempo_decode_options *o, const char *key, const json_t *value)
{
    static const char *const modes[] = {"isolated", "visible", "causal"};
    static const char *const readouts[] = {"mixture", "uniform", "geometric", "top", "last"};
    static const char *const contexts[] = {"all", "top", "last"};
    static const char *const replays[] = {"none", "published", "published-nocache"};
    const char *s = json_is_string(value) ? json_string_value(value) : "";

    if (strcmp(key, "mode") == 0)
        o->mode = (tempo_mode)choice(s, modes, 3);
    else if (strcmp(key, "readout") == 0)
        o->readout = (tempo_readout)choice(s, readouts, 5);
    else if (strcmp(key, "context") == 0)
        o->context = (tempo_context)choice(s, contexts, 3);
    else if (strcmp(key, "replay") == 0)
        o->replay = (tempo_replay)choice(s, replays, 3);
    else if (strcmp(key, "max_set") == 0)
        o->max_set = (size_t)json_integer_value(value);
    else if (strcmp(key, "temperature") == 0)
        o->temperature = json_number_value(value);
    else if (strcmp(key, "visible_layers") == 0)
        assert_int_equal(sscanf(s, "%u-%u", &o->first_visible_layer, &o->last_visible_layer), 2);
    else if (strcmp(key, "positions") == 0 && strcmp(s, "unique") == 0)
        o->positions = TEMPO_POSITIONS_UNIQUE;
    else if (strcmp(key, "positions") == 0 && sscanf(s, "offset:%lf", &o->position_offset) == 1)
        o->positions = TEMPO_POSITIONS_OFFSET;
    else
        fail_msg("golden case: unknown option %s=%s", key, s);
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    assert_non_null(s);
    return s;
}

void golden_case_open(golden_case *c, const char *dir, const json_t *list, size_t i)
{
    const json_t *entry = json_array_get(list, i), *ids = json_object_get(entry, "prompt_ids");
    json_t *options = json_object_get(entry, "options"), *value;
    char path[512];
    const char *key;
    tempo_err err = {0};

    *c = (golden_case){
        .name = text(entry, "case"), .model = text(entry, "model"), .prompt = text(entry, "prompt")};
    tempo_decode_options_init(&c->options);
    c->options.stop = TEMPO_STOP_NEVER;
    c->options.threshold = json_number_value(json_object_get(entry, "threshold"));
    c->options.steps = (size_t)json_integer_value(json_object_get(entry, "steps"));
    json_object_foreach(options, key, value) set_option(&c->options, key, value);
    c->n_prompt = json_array_size(ids);
    c->prompt_ids = calloc(c->n_prompt + 1, sizeof(*c->prompt_ids));
    assert_non_null(c->prompt_ids);
    for (size_t k = 0; k < c->n_prompt; k++)
        c->prompt_ids[k] = (int32_t)json_integer_value(json_array_get(ids, k));
    assert_true(snprintf(path, sizeof(path), "%s/%s.npz", dir, c->name) < (int)sizeof(path));
    if (tempo_npz_open(&c->arrays, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
}

void golden_case_close(golden_case *c)
{
    free(c->prompt_ids);
    tempo_npz_free(c->arrays);
    *c = (golden_case){0};
}

tempo_npy golden_array(const golden_case *c, tempo_npy_type type, const char *fmt, ...)
{
    char name[64];
    va_list ap;
    tempo_npy a;
    tempo_err err = {0};

    va_start(ap, fmt);
    (void)vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    if (tempo_npz_read(c->arrays, name, (uint64_t)1 << 30, &a, &err) != TEMPO_OK)
        fail_msg("%s: %s: %s", c->name, name, err.msg);
    if (a.type != type)
        fail_msg("%s: %s has an unexpected element type", c->name, name);
    return a;
}
