/* api_openai.c - completions for OpenAI's clients: from a request to a job, from events to pieces of text. */
#include "server/api_openapi.h"
#include "server/api_openai.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "study/decode_json.h"

/* ---- tokens and text ---- */

const char *tempo_oai_token_text(const tempo_oai *o, int32_t id, size_t *n)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(o->a->o.model);

    *n = 0;
    return t != NULL ? tempo_token_bytes(t, id, n) : "";
}

void tempo_oai_add_sets(const tempo_oai *o, json_t *choice)
{
    if (o->sets)
        json_object_set_new(choice, "tempo", json_pack("{s:O}", "sets", o->new_sets));
}

/* Characters of the tail so far; each byte of what is none, or not whole yet, counts as one.  What cannot
 * change any more is counted once, so that a text costs its length. */
static size_t count_characters(tempo_oai *o)
{
    const size_t end = o->tail.n;
    size_t n = o->characters, i = o->counted;
    bool fixed = true;

    while (i < end) {
        size_t len = 1;
        while (len < 4 && i + len < end && tempo_utf8_valid(o->tail.p + i, len) != len)
            len++;
        const bool whole = tempo_utf8_valid(o->tail.p + i, len) == len;
        fixed &= whole || end - i >= 4; /* more bytes could still make it a character */
        i += whole ? len : 1;
        n++;
        if (fixed) {
            o->counted = i;
            o->characters = n;
        }
    }
    return n;
}

/* Is the space that the first token after ids[n] begins with one that tokenizing put there? */
static bool space_is_added(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    char *text;
    size_t n_text = 1;

    if (t == NULL || strcmp(tempo_tokenizer_get_info(t).kind, "spm") != 0 ||
        !tempo_tokenizer_get_info(t).add_space_prefix)
        return false;
    if (n > 0 && tempo_detokenize(t, ids, n, false, &text, &n_text, NULL) == TEMPO_OK)
        tempo_free(text);
    return n == 0 || n_text == 0;
}

/* One more token; its text goes to the tail unless it is a control token. */
static void add_token(tempo_oai *o, int32_t id, const tempo_score *scores, size_t n_scores)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(o->a->o.model);
    size_t n;
    const char *s = tempo_oai_token_text(o, id, &n);

    if (o->n_tokens == o->token_cap) {
        const size_t cap = o->token_cap == 0 ? 64 : 2 * o->token_cap;
        tempo_oai_token *p = realloc(o->tokens, cap * sizeof(*p));
        if (p == NULL) {
            o->failed = true;
            return;
        }
        o->tokens = p;
        o->token_cap = cap;
    }
    tempo_oai_token *k = &o->tokens[o->n_tokens++];
    *k = (tempo_oai_token){.id = id, .begin = o->tail.n, .characters = count_characters(o)};
    if (o->logprobs && n_scores > 0 && (k->scores = malloc(n_scores * sizeof(*scores))) != NULL) {
        memcpy(k->scores, scores, n_scores * sizeof(*scores));
        k->n_scores = n_scores;
        k->has_score = true;
    }
    if (t != NULL && tempo_token_is_control(t, id))
        n = 0;
    if (o->strip && n > 0) {
        if (*s == ' ') {
            s++;
            n--;
        }
        o->strip = false;
    }
    o->failed |= !tempo_tail_add(&o->tail, s, n);
    k->end = o->tail.n;
}

/* ---- events ---- */

static void take_set(tempo_oai *o, const tempo_event *e)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(o->a->o.model);
    const int32_t id = e->set.members[0].id;

    o->n_steps++;
    if (o->sets) {
        json_t *set = tempo_json_set(t, &e->set);
        o->failed |= json_array_append_new(o->new_sets, set) != 0;
    }
    if (e->stopped != TEMPO_STOPPED_EOS || t == NULL || !tempo_token_is_eos(t, id))
        add_token(o, id, e->scores, e->n_scores);
    if (o->tail.stopped)
        o->finish = "stop";
    else if (e->stopped != TEMPO_RUNNING)
        o->finish = e->stopped == TEMPO_STOPPED_EOS ? "stop" : "length";
}

/* An echoed prompt is there before anything is decoded, its scores come one by one. */
static void take_prompt_score(tempo_oai *o, const tempo_event *e)
{
    tempo_oai_token *k = e->step < o->n_prompt && e->step < o->n_tokens ? &o->tokens[e->step] : NULL;

    if (k == NULL || k->has_score || e->n_scores == 0)
        return;
    if ((k->scores = malloc(e->n_scores * sizeof(*k->scores))) == NULL) {
        o->failed = true;
        return;
    }
    memcpy(k->scores, e->scores, e->n_scores * sizeof(*k->scores));
    k->n_scores = e->n_scores;
    k->has_score = true;
}

/* false: it was the last one that matters. */
static bool take_event(tempo_oai *o, const tempo_event *e)
{
    if (e->kind == TEMPO_EVENT_SET)
        take_set(o, e);
    else if (e->kind == TEMPO_EVENT_PROMPT)
        take_prompt_score(o, e);
    if (e->kind == TEMPO_EVENT_DONE && o->finish == NULL)
        o->finish = "length";
    if (o->finish == NULL)
        return true;
    tempo_tail_end(&o->tail);
    return false;
}

/* Tokens that the text up to byte `ready` holds whole; at the end also one that is cut. */
static size_t tokens_within(const tempo_oai *o)
{
    size_t n = o->told_tokens;

    while (n < o->n_tokens &&
           (o->tokens[n].end <= o->tail.ready || (o->finish != NULL && o->tokens[n].begin < o->tail.ready)))
        n++;
    return n;
}

/* ---- documents ---- */

static json_t *tell_usage(const tempo_oai *o)
{
    return json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)o->n_prompt, "completion_tokens",
                     (json_int_t)o->n_steps, "total_tokens", (json_int_t)(o->n_prompt + o->n_steps));
}

json_t *tempo_oai_model_name(const tempo_api *a)
{
    const char *name = tempo_model_get_info(a->o.model)->name;

    return tempo_json_bytes(name, strlen(name));
}

/* choice NULL: no choice, as in the piece that tells the usage. */
static json_t *tell(const tempo_oai *o, const char *object, json_t *choice)
{
    json_t *choices = json_array();

    if (choice != NULL)
        json_array_append_new(choices, choice);
    return json_pack("{s:s, s:s, s:I, s:o, s:s, s:o}", "id", o->id, "object", object, "created",
                     (json_int_t)o->created, "model", tempo_oai_model_name(o->a), "system_fingerprint",
                     "tempo-" TEMPO_VERSION, "choices", choices);
}

static json_t *tell_document(const tempo_oai *o)
{
    json_t *d = tell(o, o->shape->object,
                     o->shape->choice(o, o->tail.p != NULL ? o->tail.p : "", o->tail.ready, 0,
                                      tokens_within(o), o->finish));

    if (d != NULL)
        json_object_set_new(d, "usage", tell_usage(o));
    return d;
}

/* ---- streams ---- */

static void put_line(tempo_oai *o, json_t *document)
{
    tempo_api_text_add_string(&o->out, "data: ");
    tempo_api_text_add_json(&o->out, document, false);
    tempo_api_text_add_string(&o->out, "\n\n");
}

static void put_piece(tempo_oai *o, bool first)
{
    const size_t to = first ? o->told_tokens : tokens_within(o), end = first ? o->told : o->tail.ready;
    json_t *piece = tell(o, o->shape->chunk,
                         o->shape->piece(o, o->tail.p != NULL ? o->tail.p + o->told : "", end - o->told,
                                         o->told_tokens, to, first ? NULL : o->finish, first));

    if (piece != NULL && o->include_usage)
        json_object_set_new(piece, "usage", json_null());
    put_line(o, piece);
    o->told = end;
    o->told_tokens = to;
    if (!first)
        json_array_clear(o->new_sets);
}

static void put_end(tempo_oai *o)
{
    if (o->include_usage) {
        json_t *last = tell(o, o->shape->chunk, NULL);
        if (last != NULL)
            json_object_set_new(last, "usage", tell_usage(o));
        put_line(o, last);
    }
    tempo_api_text_add_string(&o->out, "data: [DONE]\n\n");
    o->over = true;
}

static void put_error(tempo_oai *o, const tempo_err *err)
{
    unsigned status;
    char *text = tempo_api_job_error_json(err, &status);

    tempo_api_text_add_string(&o->out, "data: ");
    tempo_api_text_add_string(&o->out, text != NULL ? text : "{\"error\":{\"message\":\"out of memory\"}}");
    tempo_api_text_add_string(&o->out, "\n\n");
    free(text);
    o->over = true;
}

/* Everything that can be told now.  Scores of an echoed prompt must be there before it is. */
static void put_news(tempo_oai *o, const tempo_event *e)
{
    if (!o->begun && o->shape->chat)
        put_piece(o, true);
    o->begun = true;
    if (e->kind == TEMPO_EVENT_ERROR) {
        put_error(o, &e->err);
        return;
    }
    const bool more = take_event(o, e);
    if (e->kind != TEMPO_EVENT_PROMPT &&
        (o->tail.ready > o->told || json_array_size(o->new_sets) > 0 || !more))
        put_piece(o, false);
    if (!more)
        put_end(o);
}

static ptrdiff_t next_bytes(void *user, char *buf, size_t cap, unsigned wait_ms)
{
    tempo_oai *o = user;

    if (o->sent == o->out.n) {
        o->sent = o->out.n = 0;
        if (o->over)
            return -1;
        tempo_event *e = tempo_job_next(o->job, wait_ms);
        if (e == NULL)
            return 0;
        put_news(o, e);
        tempo_event_free(e);
    }
    if (o->out.failed || o->failed)
        return -1;
    const size_t n = o->out.n - o->sent < cap ? o->out.n - o->sent : cap;
    if (n > 0)
        memcpy(buf, o->out.p + o->sent, n);
    o->sent += n;
    return (ptrdiff_t)n;
}

static void free_completion(tempo_oai *o)
{
    if (o->job != NULL)
        tempo_job_close(o->job);
    for (size_t i = 0; i < o->n_tokens; i++)
        free(o->tokens[i].scores);
    free(o->tokens);
    tempo_tail_clear(&o->tail);
    json_decref(o->new_sets);
    free(o->out.p);
    free(o);
}

static void end_stream(void *user, bool complete)
{
    (void)complete;
    free_completion(user);
}

/* ---- answers ---- */

static void answer_stream(tempo_oai *o, tempo_exchange *x)
{
    const tempo_stream s = {.user = o, .next = next_bytes, .end = end_stream};

    tempo_exchange_set_header(x, "Cache-Control", "no-store");
    tempo_exchange_stream(x, 200, "text/event-stream", &s);
}

static void answer_document(tempo_oai *o, tempo_exchange *x)
{
    tempo_event *e;
    bool more = true;

    while (more && !o->failed) {
        if ((e = tempo_api_wait_event(o->job, x)) == NULL) {
            tempo_exchange_error(x, 503, NULL, "the client went away");
            free_completion(o);
            return;
        }
        if (e->kind == TEMPO_EVENT_ERROR) {
            tempo_api_reply_job_err(x, &e->err);
            tempo_event_free(e);
            free_completion(o);
            return;
        }
        more = take_event(o, e);
        tempo_event_free(e);
    }
    if (o->failed)
        tempo_exchange_error(x, 500, NULL, "out of memory");
    else
        tempo_api_reply_json(x, 200, tell_document(o));
    free_completion(o);
}

/* The prompt as the beginning of the text. */
static void echo_prompt(tempo_oai *o, const tempo_api_request *r)
{
    tempo_tail plain = o->tail; /* stop strings are for what is decoded */

    o->tail = (tempo_tail){0};
    for (size_t i = 0; i < r->n_ids; i++)
        add_token(o, r->ids[i], NULL, 0);
    tempo_tail_end(&o->tail);
    o->tail.begin = o->tail.n;
    memcpy(o->tail.stops, plain.stops, sizeof(plain.stops));
    o->tail.n_stops = plain.n_stops;
}

static bool begin(tempo_oai **out, tempo_api *a, const tempo_oai_shape *shape, const tempo_oai_request *q,
                  const tempo_api_request *r, tempo_tail *stops, tempo_api_problem *p)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(a->o.model);
    tempo_oai *o = calloc(1, sizeof(*o));
    tempo_err err = {0};

    *out = NULL;
    if (o == NULL)
        return tempo_api_refuse(p, 500, NULL, "out of memory");
    *o = (tempo_oai){.a = a,
                     .shape = shape,
                     .created = (int64_t)time(NULL),
                     .stream = q->stream,
                     .include_usage = q->include_usage,
                     .echo = q->echo,
                     .logprobs = q->logprobs,
                     .sets = q->sets,
                     .n_prompt = r->n_ids,
                     .tail = *stops,
                     .new_sets = json_array(),
                     .strip = space_is_added(t, r->ids, q->echo ? 0 : r->n_ids)};
    *stops = (tempo_tail){0};
    tempo_api_new_id(o->id, sizeof(o->id), shape->prefix);
    if (q->echo)
        echo_prompt(o, r);
    if (tempo_job_submit(&o->job, a->o.worker, &r->job, &err) != TEMPO_OK) {
        free_completion(o);
        return tempo_api_refuse_err(p, NULL, &err);
    }
    *out = o;
    return true;
}

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
    {FIELD("user", TEXT, user)},
    {FIELD("tempo", OBJECT, tempo)},
    /* what may only ask for nothing */
    {.name = "n", .kind = TEMPO_API_NEUTRAL, .choices = "1"},
    {.name = "presence_penalty", .kind = TEMPO_API_NEUTRAL},
    {.name = "frequency_penalty", .kind = TEMPO_API_NEUTRAL},
    {.name = "logit_bias", .kind = TEMPO_API_NEUTRAL},
};

static const tempo_api_field stream_fields[] = {
    {FIELD("include_usage", FLAG, include_usage)},
    {.name = "include_obfuscation", .kind = TEMPO_API_NEUTRAL},
};
#undef FIELD

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
    return tempo_api_refuse(p, 404, "model", "there is no '%.64s' here, only '%.64s'", json_string_value(v),
                            tempo_model_get_info(a->o.model)->name);
}

static bool read_stream_options(tempo_oai_request *q, tempo_api_problem *p)
{
    tempo_api_table t = {stream_fields, sizeof(stream_fields) / sizeof(*stream_fields), q, 0};

    if (q->stream_options == NULL)
        return true;
    if (!q->stream)
        return tempo_api_refuse(p, 400, "stream_options", "only a stream has them");
    return tempo_api_read(q->stream_options, "stream_options.", true, &t, 1, p);
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
    tempo_api_table t = {tempo_api_decode_fields, tempo_api_decode_count, &r->decoding, 0};

    if (!tempo_api_read(q->tempo, "tempo.", false, &t, 1, p))
        return false;
    r->decode_given = t.given;
    if (q->has_temperature && q->temperature != 1)
        return tempo_api_refuse(p, 400, "temperature", "with tempo it stands in there");
    if (q->top_p != 1 || q->min_p != 0)
        return tempo_api_refuse(p, 400, q->top_p != 1 ? "top_p" : "min_p",
                                "with tempo nothing is sampled: leave it out");
    if (q->has_max && tempo_api_given(&t, "steps") && q->max_tokens != r->decoding.steps)
        return tempo_api_refuse(p, 400, "max_tokens",
                                "tempo.steps says another number: leave one of them out");
    return true;
}

/* How many tokens may follow the prompt. */
static void set_steps(tempo_api *a, const tempo_oai_request *q, tempo_api_request *r)
{
    const tempo_api_table t = {tempo_api_decode_fields, tempo_api_decode_count, NULL, r->decode_given};
    const size_t context = tempo_model_get_info(a->o.model)->context_length;

    if (tempo_api_given(&t, "steps"))
        return;
    r->decoding.steps = q->max_tokens;
    if (q->messages != NULL && !q->has_max) {
        r->decoding.steps = context > r->n_ids ? context - r->n_ids : 1;
        r->decoding.steps = r->decoding.steps < a->o.max_steps ? r->decoding.steps : a->o.max_steps;
    }
}

/* A string, an array of ids, or an array of one of those. */
static bool read_prompt(tempo_api *a, const tempo_oai_request *q, tempo_api_request *r, tempo_api_problem *p)
{
    const json_t *v = q->prompt;

    if (q->messages != NULL)
        return tempo_api_prompt_messages(a, r, q->messages, p);
    if (json_is_array(v) && json_array_size(v) == 1 && !json_is_integer(json_array_get(v, 0)))
        v = json_array_get(v, 0);
    if (json_is_string(v))
        return tempo_api_prompt_text(a, r, "prompt", v, p);
    if (!json_is_array(v) || !json_is_integer(json_array_get(v, 0)))
        return tempo_api_refuse(p, 400, "prompt", "expected one string or one array of token ids");
    return tempo_api_prompt_ids(a, r, "prompt", v, p);
}

static bool read_request(tempo_api *a, const json_t *body, tempo_oai_request *q, tempo_api_request *r,
                         const tempo_oai_shape *shape, tempo_api_problem *p)
{
    tempo_api_table tables[] = {{shape->fields, shape->n_fields, q, 0},
                                {shared_fields, sizeof(shared_fields) / sizeof(*shared_fields), q, 0}};

    if (!tempo_api_read(body, "", true, tables, 2, p))
        return false;
    q->has_temperature = tempo_api_given(&tables[1], "temperature");
    q->has_seed = tempo_api_given(&tables[1], "seed");
    q->has_max = tempo_api_given(&tables[0], "max_tokens");
    if (shape->chat) {
        if (q->messages == NULL)
            return tempo_api_refuse(p, 400, "messages", "there are none");
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
    return check_model(a, q->model, p) && read_stream_options(q, p) &&
           (q->sets ? tempo_decoding(q, r, p) : plain_decoding(q, r, p)) && read_prompt(a, q, r, p);
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
    r->job.want_scores = q->logprobs;
    r->job.top_scores = q->logprobs ? q->logprobs_count : 0;
    r->job.score_prompt = q->echo && q->logprobs && r->n_ids > 1;
    return true;
}

bool tempo_oai_read(tempo_api *a, const tempo_oai_shape *shape, const json_t *body, tempo_oai_request *q,
                    tempo_api_request *r, tempo_tail *stops, tempo_api_problem *p)
{
    *q = (tempo_oai_request){.max_tokens = 16, .temperature = 1, .top_p = 1};
    return read_request(a, body, q, r, shape, p) && read_stop(q->stop, stops, p) && make_job(a, q, r, p);
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
                    begin(&o, a, shape, &q, &r, &stops, &p);
    const bool stream = q.stream;
    tempo_tail_clear(&stops);
    tempo_api_request_free(&r);
    json_decref(body);
    if (!ok)
        tempo_api_reply_problem(x, &p);
    else if (stream)
        answer_stream(o, x);
    else
        answer_document(o, x);
}

/* ---- for the OpenAPI document ---- */

const tempo_api_field *tempo_api_openai_fields(size_t *n)
{
    *n = sizeof(shared_fields) / sizeof(*shared_fields);
    return shared_fields;
}

const tempo_api_field *tempo_api_stream_option_fields(size_t *n)
{
    *n = sizeof(stream_fields) / sizeof(*stream_fields);
    return stream_fields;
}
