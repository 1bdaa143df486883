/* decoding.c - what a request wants decoded: options, arms, given sets, and what does not go together. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "io/json.h"
#include "run/arms_json.h"
#include "server/api/inside.h"
#include "server/api/request.h"
#include "server/api/route.h"
#include "run/decode_fields.h"

enum { MAX_SOURCE = 64 << 10 };

/* ---- options ---- */

static bool was_given(const tempo_api_request *r, const char *name)
{
    const tempo_api_table t = {tempo_api_decode_fields, tempo_api_decode_count, NULL, r->decode_given, 0};

    return tempo_api_given(&t, name);
}

static void name_field(char out[96], const char *prefix, const char *name)
{
    (void)snprintf(out, 96, "%s%s", prefix, name);
}

/* What a replay decides itself. */
static bool refuse_replayed(const tempo_api_request *r, const char *prefix, tempo_api_problem *p)
{
    static const char *const names[] = {"context", "readout", "positions"};
    char param[96];

    for (size_t i = 0; i < 3; i++) {
        if (!was_given(r, names[i]))
            continue;
        name_field(param, prefix, names[i]);
        return tempo_api_refuse(p, 400, param,
                                "a replay sets context, readout and positions itself: leave it out");
    }
    return true;
}

static bool check_layers(tempo_api *a, const tempo_api_request *r, const char *prefix, tempo_api_problem *p)
{
    const uint32_t n = tempo_model_get_info(a->o.model)->n_layers;
    char param[96];

    name_field(param, prefix, "visible_layers");
    if (was_given(r, "visible_layers") && r->decoding.last_visible_layer >= n)
        return tempo_api_refuse(p, 400, param, "layers %u-%u are not within 0-%u",
                                r->decoding.first_visible_layer, r->decoding.last_visible_layer, n - 1);
    return true;
}

bool tempo_api_check_decoding(tempo_api *a, const tempo_api_request *r, const char *prefix,
                              tempo_api_problem *p)
{
    const tempo_decode_options *d = &r->decoding;
    char param[96];

    name_field(param, prefix, "steps");
    if (d->steps > a->o.max_steps)
        return tempo_api_refuse(p, 400, param, "%zu is more than this server's limit of %zu", d->steps,
                                a->o.max_steps);
    name_field(param, prefix, "temperature");
    if (d->temperature < TEMPO_MIN_TEMPERATURE)
        return tempo_api_refuse(p, 400, param, "%g is too small: at least %g", d->temperature,
                                TEMPO_MIN_TEMPERATURE);
    name_field(param, prefix, "max_set"); /* rows of a step: what it needs of memory grows with them */
    if (d->max_set < 1 || d->max_set > TEMPO_API_MAX_SET)
        return tempo_api_refuse(p, 400, param, "%zu is not a number from 1 to %d, this server's limit",
                                d->max_set, TEMPO_API_MAX_SET);
    if (d->replay != TEMPO_REPLAY_NONE && !refuse_replayed(r, prefix, p))
        return false;
    name_field(param, prefix, "visible_layers");
    if (r->arms == NULL && was_given(r, "visible_layers") && d->mode == TEMPO_ISOLATED)
        return tempo_api_refuse(p, 400, param, "it means nothing in isolated mode: choose visible or causal");
    return check_layers(a, r, prefix, p);
}

/* ---- arms ---- */

static void set_arm(tempo_job_arm *arm, const tempo_decode_options *d)
{
    *arm = (tempo_job_arm){.decoding = *d};
    (void)snprintf(arm->name, sizeof(arm->name), "%s", tempo_arm_name(d));
    if (d->mode == TEMPO_ISOLATED) {
        arm->decoding.first_visible_layer = 0;
        arm->decoding.last_visible_layer = TEMPO_ALL_LAYERS;
    }
}

void tempo_api_one_arm(tempo_api_request *r)
{
    r->job.n_arms = 1;
    set_arm(&r->job.arms[0], &r->decoding);
}

static bool is_name(const json_t *v)
{
    const char *s = json_string_value(v);
    const size_t n = json_string_length(v);

    return n > 0 && n < sizeof(((tempo_job_arm *)0)->name) && n == strlen(s) &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == n && s[0] != '.';
}

/* {"name"?, "arm"?, "edits"?}: which of the arms that have names, with edits, under a name of its own. */
static bool read_own(tempo_api_request *r, size_t i, const json_t *v, const json_t **by, const char **name,
                     tempo_api_problem *p)
{
    const json_t *own = json_object_get(v, "name"), *one;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)v, key, one) if (
        strcmp(key, "name") != 0 && strcmp(key, "arm") != 0 &&
        strcmp(key, "edits") !=
            0) return tempo_api_refuse_code(p, 400, "arms", "unknown_parameter",
                                            "[%zu]: there is no field %.40s; expected name, arm and edits", i,
                                            key);
    if (own != NULL && !is_name(own))
        return tempo_api_refuse(p, 400, "arms",
                                "[%zu].name: expected letters, digits, '_', '-' and '.', at most 23", i);
    r->arm_edits[i] = json_object_get(v, "edits");
    if (r->arm_edits[i] != NULL && !json_is_array(r->arm_edits[i]))
        return tempo_api_refuse_code(p, 400, "arms", "invalid_type", "[%zu].edits is %s, expected an array",
                                     i, tempo_json_type_name(r->arm_edits[i]));
    *by = json_object_get(v, "arm");
    *name = json_string_value(own);
    return true;
}

/* An arm is called by its mode or its replay unless it has a name of its own, no two alike. */
static bool read_arm(tempo_api_request *r, size_t i, const json_t *v, tempo_api_problem *p)
{
    tempo_decode_options d = r->decoding;
    const json_t *by = v;
    const char *name = NULL;

    if (json_is_object(v) && !read_own(r, i, v, &by, &name, p))
        return false;
    if ((by != NULL || !json_is_object(v)) && !tempo_arm_by_name(&d, by))
        return tempo_api_refuse(
            p, 400, "arms", "[%zu] is not one of " TEMPO_MODES(", ") ", %s, %s, each at most once", i,
            tempo_replay_name(TEMPO_REPLAY_PUBLISHED), tempo_replay_name(TEMPO_REPLAY_NOCACHE));
    name = name != NULL ? name : tempo_arm_name(&d);
    for (size_t k = 0; k < i; k++)
        if (strcmp(r->job.arms[k].name, name) == 0)
            return tempo_api_refuse(p, 400, "arms", "[%zu] is %s again, expected each arm at most once", i,
                                    name);
    set_arm(&r->job.arms[i], &d);
    (void)snprintf(r->job.arms[i].name, sizeof(r->job.arms[i].name), "%s", name);
    return true;
}

static bool read_arms(tempo_api_request *r, tempo_api_problem *p)
{
    const json_t *v;
    size_t i;
    bool replay = false, sees = false;

    if (was_given(r, "mode") || was_given(r, "replay"))
        return tempo_api_refuse(p, 400, was_given(r, "mode") ? "mode" : "replay",
                                "arms say it: leave it out");
    if (json_array_size(r->arms) < 1 || json_array_size(r->arms) > TEMPO_JOB_MAX_ARMS)
        return tempo_api_refuse(p, 400, "arms", "expected 1 to %d arms", TEMPO_JOB_MAX_ARMS);
    json_array_foreach(r->arms, i, v)
    {
        if (!read_arm(r, i, v, p))
            return false;
        replay |= r->job.arms[i].decoding.replay != TEMPO_REPLAY_NONE;
        sees |= r->job.arms[i].decoding.mode != TEMPO_ISOLATED;
    }
    r->job.n_arms = json_array_size(r->arms);
    if (replay && !refuse_replayed(r, "", p))
        return false;
    if (!sees && was_given(r, "visible_layers"))
        return tempo_api_refuse(p, 400, "visible_layers", "no arm is visible or causal");
    return true;
}

/* ---- given sets ---- */

/* What is refused of them: the field within `given`. */
static bool refuse_given(tempo_api_problem *p, const tempo_err *err)
{
    char param[96];

    name_field(param, "given", err->field);
    return tempo_api_refuse_err(p, param, err);
}

static bool read_given(tempo_api *a, tempo_api_request *r, tempo_api_problem *p)
{
    const size_t n = json_array_size(r->given);
    tempo_err err = {0};

    if (n == 0)
        return true;
    if (n + r->decoding.steps > a->o.max_steps)
        return tempo_api_refuse(p, 400, "given",
                                "%zu given sets and %zu steps are more than this server's limit of %zu", n,
                                r->decoding.steps, a->o.max_steps);
    if (tempo_given_read(&r->sets, r->given, tempo_model_get_info(a->o.model)->n_vocab, &err) != TEMPO_OK)
        return refuse_given(p, &err);
    for (size_t i = 0; i < n; i++)
        if (r->sets->sets[i].n > TEMPO_API_MAX_SET)
            return tempo_api_refuse(p, 400, "given", "[%zu] has %zu members, this server's limit is %d", i,
                                    r->sets->sets[i].n, TEMPO_API_MAX_SET);
    r->job.given = r->sets->sets;
    r->job.n_given = n;
    return true;
}

/* ---- bodies ---- */

#define FIELD(n, k, f) .name = n, .kind = TEMPO_API_##k, .offset = offsetof(tempo_api_request, f)
static const tempo_api_field prompt_fields[] = {
    {FIELD("prompt", TEXT, prompt)},
    {FIELD("prompt_ids", ARRAY, prompt_ids)},
    {FIELD("messages", ARRAY, messages)},
    {FIELD("tools", ARRAY, tools)},
    {FIELD("documents", ARRAY, documents)},
    {FIELD("chat_template_kwargs", OBJECT, chat_template_kwargs)},
    {FIELD("enable_thinking", ANY, enable_thinking)},
    {FIELD("no_bos", FLAG, no_bos)},
    {FIELD("no_special", FLAG, no_special)},
    {FIELD("edits", ARRAY, edits), .type = TEMPO_API_EDITS, .help = TEMPO_API_EDITS_HELP},
};

static const tempo_api_field generate_fields[] = {
    {FIELD("arms", ARRAY, arms)},
    {FIELD("given", ARRAY, given)},
    {FIELD("record", ARRAY, record)},
    {FIELD("attention", FLAG, attention)},
    {FIELD("top_keys", SIZE, top_keys), .high = TEMPO_JOB_MAX_TOP},
    {FIELD("stream", FLAG, stream)},
};

static const tempo_api_field next_fields[] = {
    {FIELD("given", ARRAY, given)},
    {FIELD("temperature", REAL, decoding.temperature), .high = HUGE_VAL, .low_excluded = true},
    {FIELD("top", SIZE, top), .low = 1, .high = 1000},
};
#undef FIELD

const tempo_api_body tempo_api_prompt_body = {"Prompt", prompt_fields,
                                              sizeof(prompt_fields) / sizeof(*prompt_fields), 0};
const tempo_api_body tempo_api_generate_body = {"GenerateRequest", generate_fields,
                                                sizeof(generate_fields) / sizeof(*generate_fields),
                                                TEMPO_API_PROMPT | TEMPO_API_DECODING};
const tempo_api_body tempo_api_next_body = {"NextRequest", next_fields,
                                            sizeof(next_fields) / sizeof(*next_fields), TEMPO_API_PROMPT};

/* Is it all attention, and nothing else?  What a step shows is kept in memory, by what the attention view
 * reads. */
static bool is_attention(const tempo_capture_options *o)
{
    return o->record == TEMPO_RECORD_ATTENTION && o->n_taps == 0 && !o->square && o->first_layer == 0 &&
           o->last_layer == TEMPO_ALL_LAYERS && o->first_head == 0 && o->last_head == TEMPO_ALL_HEADS;
}

/* What --record takes is understood, and refused where it is no attention. */
static bool read_record(tempo_api_request *r, tempo_api_problem *p)
{
    const json_t *v;
    size_t i;

    json_array_foreach(r->record, i, v)
    {
        const char *text = json_string_value(v);
        tempo_capture_options o;
        tempo_err err = {0};

        tempo_capture_options_init(&o);
        o.record = 0;
        if (text == NULL || strlen(text) != json_string_length(v))
            return tempo_api_refuse(p, 400, "record", "[%zu] is %s, expected \"attention\"", i,
                                    text == NULL ? tempo_json_type_name(v) : "a string with a NUL");
        if (tempo_record_parse(&o, text, &err) != TEMPO_OK)
            return tempo_api_refuse(p, 400, "record", "[%zu]: %s", i, err.msg);
        if (!is_attention(&o))
            return tempo_api_refuse_code(
                p, 400, "record", "unsupported_value",
                "[%zu]: '%.60s' is not kept: a server keeps the whole \"attention\", in memory; "
                "tempo generate --capture writes all else to files",
                i, text);
        r->job.record = true;
    }
    return true;
}

/* The request without how it wants to be answered, which is another matter. */
static char *keep_source(const json_t *body)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)body);
    char *text;

    if (copy == NULL)
        return NULL;
    (void)json_object_del(copy, "stream");
    (void)json_object_del(copy, "attention");
    (void)json_object_del(copy, "top_keys");
    text = tempo_json_print(copy);
    json_decref(copy);
    if (text != NULL && strlen(text) > MAX_SOURCE) {
        free(text);
        return NULL;
    }
    return text;
}

bool tempo_api_read_generate(tempo_api *a, const json_t *body, tempo_api_request *r, tempo_api_problem *p)
{
    tempo_api_table tables[] = {
        {generate_fields, sizeof(generate_fields) / sizeof(*generate_fields), r, 0, 0},
        {tempo_api_decode_fields, tempo_api_decode_count, &r->decoding, 0, 0},
        {prompt_fields, sizeof(prompt_fields) / sizeof(*prompt_fields), r, 0, 0},
    };

    if (!tempo_api_read(body, "", false, tables, 3, p))
        return false;
    r->decode_given = tables[1].given;
    if (!tempo_api_check_decoding(a, r, "", p) || !read_record(r, p) || !read_given(a, r, p))
        return false;
    r->decoding.steps += r->job.n_given;
    if (r->arms == NULL)
        tempo_api_one_arm(r);
    else if (!read_arms(r, p))
        return false;
    if (r->job.record)
        r->source = keep_source(body);
    r->job.want_attention = r->attention;
    r->job.top_keys = r->attention ? r->top_keys : 0;
    return tempo_api_read_edits(a, r, "", p) && tempo_api_prompt(a, r, p);
}

bool tempo_api_read_next(tempo_api *a, const json_t *body, tempo_api_request *r, tempo_api_problem *p)
{
    tempo_api_table tables[] = {
        {next_fields, sizeof(next_fields) / sizeof(*next_fields), r, 0, 0},
        {prompt_fields, sizeof(prompt_fields) / sizeof(*prompt_fields), r, 0, 0},
    };

    r->decoding.steps = 1;
    r->decoding.threshold = 1;
    if (!tempo_api_read(body, "", false, tables, 2, p) || !read_given(a, r, p))
        return false;
    r->decoding.steps += r->job.n_given;
    r->decoding.stop = TEMPO_STOP_NEVER; /* what would come after an end of sequence may be asked too */
    tempo_api_one_arm(r);
    r->job.top_next = r->top;
    return tempo_api_read_edits(a, r, "", p) && tempo_api_prompt(a, r, p);
}
