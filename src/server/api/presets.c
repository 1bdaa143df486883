/* presets.c - requests to begin with: the five experiments, from their files, and some of ours. */
#include <stdio.h>
#include <string.h>

#include "server/api/inside.h"
#include "server/api/route.h"
#include "run/arms_json.h"
#include "run/decode_json.h"
#include "experiment/file/file.h"
#include "files/find_file.h"

/* Texts that the built-in model, which knows children's stories, goes on with. */
static const char *const own[] = {
    "{\"id\": \"story\", \"title\": \"A story, several ways at once\","
    " \"question\": \"Where does the model see one way to go on, and where many?\","
    " \"request\": {\"prompt\": \"Once upon a time there was a\", \"steps\": 24, \"threshold\": 0.1,"
    " \"record\": [\"attention\"]}}",
    "{\"id\": \"two-modes\", \"title\": \"Isolated beside visible\","
    " \"question\": \"Do the members of a set change what comes next when they may see each other?\","
    " \"request\": {\"prompt\": \"The key to the old house was\", \"steps\": 16, \"threshold\": 0.12,"
    " \"arms\": [\"isolated\", \"visible\"], \"record\": [\"attention\"]}}",
    "{\"id\": \"order\", \"title\": \"Nothing, everything, or those before\","
    " \"question\": \"Is it the order among siblings that matters, or that they are seen at all?\","
    " \"request\": {\"prompt\": \"She opened the box and found\", \"steps\": 14, \"threshold\": 0.1,"
    " \"arms\": [\"isolated\", \"visible\", \"causal\"], \"record\": [\"attention\"]}}",
    "{\"id\": \"uncertainty\", \"title\": \"A very low threshold\","
    " \"question\": \"How wide do sets become where the model is unsure?\","
    " \"request\": {\"prompt\": \"The door opened and there stood\", \"steps\": 12, \"threshold\": 0.02,"
    " \"max_set\": 30, \"record\": [\"attention\"]}}",
    "{\"id\": \"greedy\", \"title\": \"One token a step\","
    " \"question\": \"What does ordinary greedy decoding write here?\","
    " \"request\": {\"prompt\": \"Once upon a time there was a\", \"steps\": 40, \"threshold\": 1}}",
    "{\"id\": \"replay\", \"title\": \"What the published code computed\","
    " \"question\": \"How far is a context with one token of each set from one with all of them?\","
    " \"request\": {\"prompt\": \"The cat sat on the\", \"steps\": 12, \"threshold\": 0.1,"
    " \"arms\": [\"isolated\", \"visible\", \"published\"]}}",
};

static const char *const experiments[] = {"exp1", "exp2", "exp3", "exp4", "exp5"};

/* ---- an experiment's file as a request ----------------------------------------------------- */

static json_t *arms_json(const tempo_experiment *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < e->n_arms && json_array_size(list) < TEMPO_JOB_MAX_ARMS; i++) {
        const char *name = tempo_arm_name(&e->arms[i].decoding);
        bool there = false;
        for (size_t k = 0; k < json_array_size(list); k++)
            there |= strcmp(json_string_value(json_array_get(list, k)), name) == 0;
        if (!there)
            json_array_append_new(list, json_string(name));
    }
    return list;
}

/* Options of decoding that are not what they would be anyway; mode and replay are the arms'. */
static void add_options(json_t *request, const tempo_decode_options *d, uint32_t n_layers)
{
    tempo_decode_options plain;
    json_t *values = json_object(), *defaults = json_object(), *value;
    const char *key;

    tempo_decode_options_init(&plain);
    tempo_json_add_decoding(values, d, n_layers);
    tempo_json_add_decoding(defaults, &plain, n_layers);
    json_object_foreach(values, key, value)
    {
        if (strcmp(key, "mode") != 0 && strcmp(key, "replay") != 0 &&
            (strcmp(key, "steps") == 0 || strcmp(key, "threshold") == 0 ||
             !json_equal(value, json_object_get(defaults, key))))
            json_object_set(request, key, value);
    }
    json_decref(values);
    json_decref(defaults);
}

static json_t *request_json(const tempo_experiment *e, uint32_t n_layers)
{
    json_t *request = json_pack("{s:s}", "prompt", e->prompts[0]);
    size_t first = 0;

    while (first + 1 < e->n_arms && e->arms[first].decoding.replay != TEMPO_REPLAY_NONE)
        first++;
    const tempo_decode_options d = tempo_experiment_decoding(e, first, 0);
    add_options(request, &d, n_layers);
    json_object_set_new(request, "arms", arms_json(e));
    if (e->no_bos)
        json_object_set_new(request, "no_bos", json_true());
    if ((e->record & TEMPO_EXPERIMENT_ATTENTION) != 0)
        json_object_set_new(request, "record", json_pack("[s]", "attention"));
    return request;
}

/* Files that are not installed, or that somebody has broken, are left out: they are not what was asked for.
 */
static void add_experiment(json_t *list, const char *name, uint32_t n_layers)
{
    char path[4096];
    tempo_experiment *e;

    if (tempo_study_find_file(name, path, sizeof(path), NULL) != TEMPO_OK ||
        tempo_experiment_load(&e, path, NULL, NULL) != TEMPO_OK)
        return;
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:o}", "id", name, "title",
                                    e->description != NULL ? e->description : e->name, "question",
                                    e->goal != NULL ? e->goal : "", "request", request_json(e, n_layers)));
    tempo_experiment_free(e);
}

static void list_presets(void *user, tempo_exchange *x)
{
    const tempo_api *a = user;
    json_t *list;

    list = json_array();
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        json_array_append_new(list, json_loads(own[i], 0, NULL));
    for (size_t i = 0; i < sizeof(experiments) / sizeof(*experiments); i++)
        add_experiment(list, experiments[i], tempo_model_get_info(a->o.model)->n_layers);
    tempo_api_reply_json(x, 200, json_pack("{s:o}", "presets", list));
}

static const tempo_api_route routes[] = {
    {.method = "GET",
     .path = "/v1/tempo/presets",
     .handle = list_presets,
     .query = "",
     .summary = "Requests to begin with",
     .answer = "requests with titles and questions",
     .type = "PresetList"},
};

static const tempo_api_type types[] = {
    {"Preset", "{id: string, title: string, question: string, request: GenerateRequest}"},
    {"PresetList", "{presets: Preset[]}"},
};

TEMPO_API_RESOURCE(presets, routes, types)
