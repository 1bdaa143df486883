/* openai.c - completions for OpenAI's clients: from a request to jobs. */
#include "server/api/openai/openai.h"
#include "server/api/route.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- requests ---- */

#define FIELD(n, k, f) .name = n, .kind = TEMPO_API_##k, .offset = offsetof(tempo_oai_request, f)
static const tempo_api_field shared_fields[] = {
    {FIELD("model", TEXT, model)},
    {FIELD("stream", FLAG, stream)},
    {FIELD("stream_options", OBJECT, stream_options)},
    {FIELD("stop", ANY, stop)},
    {FIELD("seed", INT, seed)},
    {FIELD("temperature", REAL, temperature), .high = 2},
    {FIELD("top_p", REAL, top_p), .high = 1, .low_excluded = true},
    {FIELD("min_p", REAL, min_p), .high = 1},
    {FIELD("tempo", OBJECT, tempo)},
    {FIELD("n", SIZE, n), .low = 1, .high = TEMPO_OAI_MAX_N},
    /* what may only ask for nothing; the last ones are other servers' */
    {.name = "presence_penalty", .kind = TEMPO_API_NEUTRAL},
    {.name = "frequency_penalty", .kind = TEMPO_API_NEUTRAL},
    {.name = "logit_bias", .kind = TEMPO_API_NEUTRAL},
    {.name = "top_k", .kind = TEMPO_API_NEUTRAL, .choices = "-1"},
    {.name = "repetition_penalty", .kind = TEMPO_API_NEUTRAL, .choices = "1|1.0"},
    {.name = "min_tokens", .kind = TEMPO_API_NEUTRAL},
    {.name = "ignore_eos", .kind = TEMPO_API_NEUTRAL},
    {.name = "use_beam_search", .kind = TEMPO_API_NEUTRAL},
    {.name = "skip_special_tokens", .kind = TEMPO_API_NEUTRAL, .choices = "true"},
    /* what changes nothing of the text */
    {.name = "user", .kind = TEMPO_API_IGNORED, .help = "nothing is kept of who asks"},
    {.name = "safety_identifier", .kind = TEMPO_API_IGNORED, .help = "nothing is kept of who asks"},
    {.name = "metadata", .kind = TEMPO_API_IGNORED, .help = "nothing is stored"},
    {.name = "store", .kind = TEMPO_API_IGNORED, .help = "nothing is stored"},
    {.name = "service_tier", .kind = TEMPO_API_IGNORED, .help = "there is one"},
    {.name = "prompt_cache_key",
     .kind = TEMPO_API_IGNORED,
     .help = "what decodes at a time shares prompts by itself"},
    {.name = "prompt_cache_retention", .kind = TEMPO_API_IGNORED, .help = "prompts are not kept"},
    {.name = "cache_prompt", .kind = TEMPO_API_IGNORED, .help = "prompts are not kept"},
    {.name = "priority", .kind = TEMPO_API_IGNORED, .help = "first come, first served"},
    {.name = "request_id", .kind = TEMPO_API_IGNORED, .help = "answers have an id of their own"},
};

static const tempo_api_field stream_fields[] = {
    {FIELD("include_usage", FLAG, include_usage)},
    {.name = "include_obfuscation",
     .kind = TEMPO_API_IGNORED,
     .help = "chunks are as long as what they tell"},
    {.name = "continuous_usage_stats", .kind = TEMPO_API_IGNORED, .help = "the last chunk tells the usage"},
};
#undef FIELD

static const tempo_api_field edit_fields[] = {
    {.name = "edits",
     .kind = TEMPO_API_ARRAY,
     .offset = offsetof(tempo_api_request, edits),
     .type = TEMPO_API_EDITS,
     .help = TEMPO_API_EDITS_HELP},
};

static bool read_stop(const json_t *v, tempo_tail *stops, tempo_api_problem *p)
{
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;

    if (v == NULL)
        return true;
    if (n > TEMPO_TAIL_STOPS)
        return tempo_api_refuse(p, 400, "stop", "%zu strings, expected at most %d", n, TEMPO_TAIL_STOPS);
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(s) || json_string_length(s) == 0 || json_string_length(s) > TEMPO_TAIL_STOP_BYTES)
            return tempo_api_refuse(p, 400, "stop", "expected strings of 1 to %d bytes",
                                    TEMPO_TAIL_STOP_BYTES);
        if (!tempo_tail_stop_at(stops, json_string_value(s), json_string_length(s)))
            return tempo_api_refuse(p, 500, "stop", "out of memory");
    }
    return true;
}

static bool check_model(const tempo_api *a, const json_t *v, tempo_api_problem *p)
{
    if (v == NULL || tempo_oai_is_model(a, json_string_value(v)))
        return true;
    return tempo_api_refuse_code(p, 404, "model", "model_not_found", "there is no '%.64s' here, only '%.64s'",
                                 json_string_value(v), tempo_model_get_info(a->o.model)->name);
}

static bool read_stream_options(tempo_oai_request *q, tempo_api_request *r, tempo_api_problem *p)
{
    tempo_api_table t = {stream_fields, sizeof(stream_fields) / sizeof(*stream_fields), q, 0, 0};

    if (q->stream_options == NULL)
        return true;
    if (!tempo_api_read(q->stream_options, "stream_options.", true, &t, 1, p))
        return false;
    if (!q->stream) {
        q->include_usage = false;
        return tempo_api_warn(&r->warnings, "stream_options", "this is no stream", p);
    }
    return tempo_api_warn_ignored(&r->warnings, "stream_options.", &t, p);
}

/* One token a step: greedy, or sampled. */
static bool plain_decoding(const tempo_oai_request *q, tempo_api_request *r, tempo_api_problem *p)
{
    uint64_t seed = (uint64_t)q->seed;

    r->decoding.threshold = 1;
    r->decoding.max_set = 1;
    if (!(q->temperature > 0) || q->max_tokens == 0)
        return true;
    if (!q->has_seed && getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return tempo_api_refuse(p, 500, NULL, "the system gives no random numbers");
    r->job.sampling = (tempo_sampling){
        .on = true, .temperature = q->temperature, .top_p = q->top_p, .min_p = q->min_p, .seed = seed};
    return true;
}

/* "tempo": {..}: sets as the options say. */
static bool tempo_decoding(const tempo_oai_request *q, tempo_api_request *r, tempo_api_problem *p)
{
    tempo_api_table tables[] = {{tempo_api_decode_fields, tempo_api_decode_count, &r->decoding, 0, 0},
                                {edit_fields, sizeof(edit_fields) / sizeof(*edit_fields), r, 0, 0}};
    const tempo_api_table *t = &tables[0];

    if (!tempo_api_read(q->tempo, "tempo.", false, tables, 2, p))
        return false;
    r->decode_given = t->given;
    if (q->has_temperature && q->temperature != 1)
        return tempo_api_refuse(p, 400, "temperature", "with tempo it stands in there");
    if (q->top_p != 1 || q->min_p != 0)
        return tempo_api_refuse(p, 400, q->top_p != 1 ? "top_p" : "min_p",
                                "with tempo nothing is sampled: leave it out");
    if (q->has_max && tempo_api_given(t, "steps") && q->max_tokens != r->decoding.steps)
        return tempo_api_refuse(p, 400, "max_tokens",
                                "tempo.steps says another number: leave one of them out");
    return true;
}

/* How many tokens may follow the prompt. */
static void set_steps(tempo_api *a, const tempo_oai_request *q, tempo_api_request *r)
{
    const tempo_api_table t = {tempo_api_decode_fields, tempo_api_decode_count, NULL, r->decode_given, 0};
    const size_t context = tempo_model_get_info(a->o.model)->context_length;

    if (tempo_api_given(&t, "steps"))
        return;
    r->decoding.steps = q->max_tokens;
    if (q->messages != NULL && !q->has_max) {
        r->decoding.steps = context > q->prompts[0].n ? context - q->prompts[0].n : 1;
        r->decoding.steps = r->decoding.steps < a->o.max_steps ? r->decoding.steps : a->o.max_steps;
    }
}

/* r's ids become one prompt more. */
static void keep_prompt(tempo_oai_request *q, tempo_api_request *r)
{
    q->prompts[q->n_prompts++] = (tempo_oai_prompt){r->ids, r->n_ids};
    tempo_free(r->text);
    r->text = NULL;
    r->n_text = 0;
    r->ids = NULL;
}

/* A string or an array of ids. */
static bool read_one_prompt(tempo_api *a, tempo_oai_request *q, tempo_api_request *r, const char *param,
                            const json_t *v, tempo_api_problem *p)
{
    bool ok;

    if (json_is_string(v))
        ok = tempo_api_prompt_text(a, r, param, v, p);
    else if (json_is_array(v) && json_is_number(json_array_get(v, 0)))
        ok = tempo_api_prompt_ids(a, r, param, v, p);
    else
        return tempo_api_refuse_code(p, 400, param, "invalid_type",
                                     "expected a string or an array of token ids");
    if (ok)
        keep_prompt(q, r);
    return ok;
}

/* The conversation; of tools the model is told unless the client wants none called. */
static bool read_messages(tempo_api *a, tempo_oai_request *q, tempo_api_request *r, tempo_api_problem *p)
{
    const char *choice = json_string_value(q->tool_choice);

    if (q->tool_choice != NULL &&
        (choice == NULL || (strcmp(choice, "none") != 0 && strcmp(choice, "auto") != 0)))
        return tempo_api_refuse_code(
            p, 400, "tool_choice", "unsupported_value",
            "expected \"none\" or \"auto\": this server makes no model call a function");
    if (choice != NULL && json_array_size(q->tools) == 0 &&
        !tempo_api_warn(&r->warnings, "tool_choice", "there are no tools", p))
        return false;
    if (choice != NULL && strcmp(choice, "none") == 0)
        q->tools = NULL;
    r->messages = q->messages;
    r->tools = q->tools;
    r->documents = q->documents;
    r->chat_template_kwargs = q->chat_template_kwargs;
    r->enable_thinking = q->enable_thinking;
    return tempo_api_prompt_messages(a, r, p);
}

/* One prompt, or an array of several. */
static bool read_prompts(tempo_api *a, tempo_oai_request *q, tempo_api_request *r, tempo_api_problem *p)
{
    const json_t *v = q->prompt;
    const bool list = json_is_array(v) && !json_is_number(json_array_get(v, 0));
    const size_t n = list ? json_array_size(v) : 1;
    char param[32];

    if (v == NULL && q->messages == NULL)
        return tempo_api_refuse_code(p, 400, "prompt", "missing_required_parameter", "there is none");
    if (n == 0 || n > TEMPO_OAI_MAX_PROMPTS || n * q->n > TEMPO_OAI_MAX_CHOICES)
        return tempo_api_refuse_code(
            p, 400, "prompt", "invalid_value",
            "%zu prompts, %zu choices of each: expected at least one, and at most %d choices in all", n, q->n,
            TEMPO_OAI_MAX_CHOICES);
    if ((q->prompts = calloc(n, sizeof(*q->prompts))) == NULL)
        return tempo_api_refuse(p, 500, "prompt", "out of memory");
    if (q->messages != NULL) {
        if (!read_messages(a, q, r, p))
            return false;
        keep_prompt(q, r);
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(param, sizeof(param), list ? "prompt[%zu]" : "prompt", i);
        if (!read_one_prompt(a, q, r, param, list ? json_array_get(v, i) : v, p))
            return false;
    }
    return true;
}

static bool read_request(tempo_api *a, const json_t *body, tempo_oai_request *q, tempo_api_request *r,
                         const tempo_oai_shape *shape, tempo_api_problem *p)
{
    tempo_api_table tables[] = {{shape->fields, shape->n_fields, q, 0, 0},
                                {shared_fields, sizeof(shared_fields) / sizeof(*shared_fields), q, 0, 0}};

    if (!tempo_api_read(body, "", true, tables, 2, p))
        return false;
    q->has_temperature = tempo_api_given(&tables[1], "temperature");
    q->has_seed = tempo_api_given(&tables[1], "seed");
    q->has_max = tempo_api_given(&tables[0], "max_tokens");
    if (shape->chat) {
        if (q->messages == NULL)
            return tempo_api_refuse_code(p, 400, "messages", "missing_required_parameter", "there are none");
        if (tempo_api_given(&tables[0], "max_completion_tokens")) {
            if (q->has_max)
                return tempo_api_refuse(p, 400, "max_tokens",
                                        "max_completion_tokens says it too: leave one of them out");
            q->has_max = true;
            q->max_tokens = q->max_completion_tokens;
        }
        if (q->top_logprobs > 0 && !q->logprobs)
            return tempo_api_refuse(p, 400, "top_logprobs", "it needs \"logprobs\": true");
        q->logprobs_count = q->top_logprobs;
    } else {
        q->logprobs = tempo_api_given(&tables[0], "logprobs");
    }
    q->sets = q->tempo != NULL;
    if (q->best_of != 0 && q->best_of != q->n)
        return tempo_api_refuse_code(
            p, 400, "best_of", "unsupported_value",
            "%zu of which %zu would be picked: this server cannot do that; leave it out", q->best_of, q->n);
    return tempo_api_warn_ignored(&r->warnings, "", &tables[0], p) &&
           tempo_api_warn_ignored(&r->warnings, "", &tables[1], p) && check_model(a, q->model, p) &&
           read_stream_options(q, r, p) && (q->sets ? tempo_decoding(q, r, p) : plain_decoding(q, r, p)) &&
           read_prompts(a, q, r, p);
}

/* The job of a request that was read. */
static bool make_job(tempo_api *a, const tempo_oai_request *q, tempo_api_request *r, tempo_api_problem *p)
{
    set_steps(a, q, r);
    if (r->decoding.steps > a->o.max_steps)
        return tempo_api_refuse(p, 400, "max_tokens", "%zu is more than this server's limit of %zu",
                                r->decoding.steps, a->o.max_steps);
    if (r->decoding.steps == 0 && !q->echo)
        return tempo_api_refuse(p, 400, "max_tokens", "0 is for echo only");
    if (q->sets && !tempo_api_check_decoding(a, r, "tempo.", p))
        return false;
    if (r->decoding.steps > 0)
        tempo_api_one_arm(r);
    if (!tempo_api_read_edits(a, r, "tempo.", p))
        return false;
    r->job.want_scores = q->logprobs;
    r->job.top_scores = q->logprobs ? q->logprobs_count : 0;
    return true;
}

bool tempo_oai_read(tempo_api *a, const tempo_oai_shape *shape, const json_t *body, tempo_oai_request *q,
                    tempo_api_request *r, tempo_tail *stops, tempo_api_problem *p)
{
    *q = (tempo_oai_request){.max_tokens = 16, .temperature = 1, .top_p = 1, .n = 1};
    return read_request(a, body, q, r, shape, p) && read_stop(q->stop, stops, p) && make_job(a, q, r, p);
}

void tempo_oai_request_free(tempo_oai_request *q)
{
    for (size_t i = 0; i < q->n_prompts; i++)
        tempo_free(q->prompts[i].ids);
    free(q->prompts);
}

void tempo_oai_answer(tempo_api *a, tempo_exchange *x, const tempo_oai_shape *shape)
{
    tempo_oai_request q = {0};
    tempo_api_problem p = {0};
    tempo_api_request r;
    tempo_tail stops = {0};
    tempo_oai *o = NULL;
    json_t *body = NULL;

    tempo_api_request_init(&r);
    const bool ok = tempo_api_read_body(x, &body, &p) && tempo_oai_read(a, shape, body, &q, &r, &stops, &p) &&
                    tempo_oai_begin(&o, a, shape, &q, &r, &stops, &p);
    tempo_tail_clear(&stops);
    tempo_oai_request_free(&q);
    tempo_api_request_free(&r);
    json_decref(body);
    if (ok)
        tempo_oai_run(o, x);
    else
        tempo_api_reply_problem(x, &p);
}

const tempo_api_body tempo_api_openai_body = {"", shared_fields,
                                              sizeof(shared_fields) / sizeof(*shared_fields), 0},
                     tempo_api_tempo_body = {"", edit_fields, sizeof(edit_fields) / sizeof(*edit_fields), 0},
                     tempo_api_stream_options_body = {"", stream_fields,
                                                      sizeof(stream_fields) / sizeof(*stream_fields), 0};
