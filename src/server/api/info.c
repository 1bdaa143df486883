/* info.c - what this server is: /v1/tempo/info, /health, /metrics. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/fields.h"
#include "server/api/inside.h"
#include "server/api/route.h"
#include "files/json_out.h"

/* ---- info ---- */

static json_t *text_or_null(const char *s)
{
    return s != NULL ? tempo_json_bytes(s, strlen(s)) : json_null();
}

static json_t *tell_notes(const tempo_model *m)
{
    json_t *list = json_array();
    const char *note;

    for (size_t i = 0; (note = tempo_model_note(m, i)) != NULL; i++)
        json_array_append_new(list, tempo_json_bytes(note, strlen(note)));
    return list;
}

static json_t *tell_model(const tempo_model *model)
{
    const tempo_model_info *m = tempo_model_get_info(model);
    const char *slash = strrchr(m->path, '/');
    json_t *o = json_object();

    json_object_set_new(o, "name", text_or_null(m->name));
    json_object_set_new(o, "path", text_or_null(slash != NULL && slash[1] != '\0' ? slash + 1 : m->path));
    json_object_set_new(o, "architecture", text_or_null(m->architecture));
    json_object_set_new(o, "format", json_string(m->format));
    json_object_set_new(o, "parameters", json_integer((json_int_t)m->parameters));
    json_object_set_new(o, "layers", json_integer(m->n_layers));
    json_object_set_new(o, "heads", json_integer(m->n_heads));
    json_object_set_new(o, "kv_heads", json_integer(m->n_kv_heads));
    json_object_set_new(o, "d_model", json_integer(m->d_model));
    json_object_set_new(o, "vocabulary", json_integer(m->n_vocab));
    json_object_set_new(o, "context_length", json_integer(m->context_length));
    json_object_set_new(o, "kernels", json_string(m->kernels));
    json_object_set_new(o, "compute", json_string(m->compute));
    json_object_set_new(o, "notes", tell_notes(model));
    return o;
}

static json_t *tell_choices(const char *choices)
{
    json_t *list;

    if (choices == NULL)
        return json_null();
    list = json_array();
    for (;;) {
        const size_t n = strcspn(choices, "|");
        json_array_append_new(list, json_stringn(choices, n));
        if (choices[n] == '\0')
            return list;
        choices += n + 1;
    }
}

/* "32" as a number, "isolated" as a string */
static json_t *tell_fallback(const char *s)
{
    char *end;

    if (s == NULL)
        return json_null();
    const double x = strtod(s, &end);
    if (end == s || *end != '\0')
        return json_string(s);
    return strchr(s, '.') != NULL ? tempo_json_number(x) : json_integer((json_int_t)x);
}

static json_t *tell_option(const tempo_api_field *f, size_t max_steps)
{
    static const char *const kinds[] = {[TEMPO_API_FLAG] = "flag",
                                        [TEMPO_API_SIZE] = "integer",
                                        [TEMPO_API_REAL] = "real",
                                        [TEMPO_API_CHOICE] = "choice",
                                        [TEMPO_API_CUSTOM] = "text"};
    const bool number = f->kind == TEMPO_API_SIZE || f->kind == TEMPO_API_REAL;
    const bool whole = f->kind == TEMPO_API_SIZE;
    const bool is_set = strcmp(f->name, "max_set") == 0; /* a server's limits are narrower */
    const double low = is_set ? 1 : f->low, high = is_set                          ? TEMPO_API_MAX_SET
                                                   : strcmp(f->name, "steps") == 0 ? (double)max_steps
                                                                                   : f->high;
    char name[48];
    json_t *o = json_object();

    (void)snprintf(name, sizeof(name), "%s", f->name);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)(*c == '-' ? '_' : *c);
    json_object_set_new(o, "name", json_string(name));
    json_object_set_new(o, "kind", json_string(kinds[f->kind]));
    if (number) {
        json_object_set_new(o, "low", whole ? json_integer((json_int_t)low) : tempo_json_number(low));
        json_object_set_new(o, "high",
                            isinf(high) ? json_null()
                            : whole     ? json_integer((json_int_t)high)
                                        : tempo_json_number(high));
        json_object_set_new(o, "low_excluded", json_boolean(f->low_excluded));
    }
    json_object_set_new(o, "choices", tell_choices(f->choices));
    json_object_set_new(o, "default", tell_fallback(f->fallback));
    json_object_set_new(o, "help", json_string(f->help));
    return o;
}

static void get_info(void *user, tempo_exchange *x)
{
    const tempo_api *a = user;
    json_t *options = json_array(), *o = json_object(), *limits;

    for (size_t i = 0; i < tempo_api_decode_count; i++)
        json_array_append_new(options, tell_option(&tempo_api_decode_fields[i], a->o.max_steps));
    limits = json_pack("{s:I, s:I, s:I, s:I}", "max_steps", (json_int_t)a->o.max_steps, "max_body",
                       (json_int_t)a->o.max_body, "queue", (json_int_t)a->o.queue, "max_recorded_bytes",
                       (json_int_t)a->o.max_recorded);
    json_object_set_new(o, "version", json_string(tempo_version()));
    json_object_set_new(o, "model", tell_model(a->o.model));
    json_object_set_new(o, "chat_template",
                        a->chat != NULL ? text_or_null(tempo_chat_source(a->chat)) : json_null());
    json_object_set_new(o, "limits", limits);
    json_object_set_new(o, "options", options);
    json_object_set_new(o, "study", json_true()); /* a server is only built with it */
    tempo_api_reply_json(x, 200, o);
}

/* ---- health and metrics ---- */

static void get_health(void *user, tempo_exchange *x)
{
    (void)user;
    const bool stopping = tempo_exchange_stopping(x);

    tempo_exchange_set_header(x, "Cache-Control", "no-store");
    tempo_api_reply_json(x, stopping ? 503 : 200, json_pack("{s:s}", "status", stopping ? "stopping" : "ok"));
}

typedef enum metric_kind { COUNTER, GAUGE } metric_kind;

static void add_metric(tempo_api_text *t, const char *name, metric_kind kind, const char *help, double value)
{
    char line[400];

    (void)snprintf(line, sizeof(line), "# HELP tempo_%s %s\n# TYPE tempo_%s %s\ntempo_%s %.17g\n", name, help,
                   name, kind == COUNTER ? "counter" : "gauge", name, value);
    tempo_api_text_add_string(t, line);
}

static void add_worker(tempo_api_text *t, const tempo_worker_counts *c)
{
    add_metric(t, "jobs_total", COUNTER, "Requests for decoding that were taken.", (double)c->jobs);
    add_metric(t, "jobs_refused_total", COUNTER, "Requests for decoding refused, the queue being full.",
               (double)c->refused);
    add_metric(t, "jobs_cancelled_total", COUNTER,
               "Requests that ended before their steps: the client went away, or the text was cut at a stop.",
               (double)c->cancelled);
    add_metric(t, "jobs_failed_total", COUNTER, "Requests that ended with an error.", (double)c->failed);
    add_metric(t, "passes_total", COUNTER, "Passes through the model.", (double)c->steps);
    add_metric(t, "rows_total", COUNTER, "Rows that went through the model.", (double)c->rows);
    add_metric(t, "tokens_total", COUNTER, "Members of the sets that were selected.", (double)c->tokens);
    add_metric(t, "prompt_tokens_total", COUNTER, "Tokens of prompts that were read.",
               (double)c->prompt_tokens);
    add_metric(t, "busy_seconds_total", COUNTER, "Seconds in which the model ran.", c->busy_s);
    add_metric(t, "jobs_waiting", GAUGE, "Requests in the queue.", (double)c->waiting);
    add_metric(t, "jobs_running", GAUGE, "Requests that decode.", (double)c->running);
    add_metric(t, "jobs_held", GAUGE, "Requests whose events nobody takes.", (double)c->held);
    add_metric(t, "recorded_bytes", GAUGE, "Bytes of attention that are kept.", (double)c->recorded_bytes);
}

static void add_http(tempo_api_text *t, const tempo_http_counts *c)
{
    char line[80];

    add_metric(t, "http_requests_total", COUNTER, "Requests.", (double)c->requests);
    tempo_api_text_add_string(t, "# HELP tempo_http_answers_total Answers by class of status.\n"
                                 "# TYPE tempo_http_answers_total counter\n");
    for (unsigned i = 1; i < 6; i++) {
        (void)snprintf(line, sizeof(line), "tempo_http_answers_total{class=\"%uxx\"} %" PRIu64 "\n", i,
                       c->by_class[i]);
        tempo_api_text_add_string(t, line);
    }
    add_metric(t, "http_connections_total", COUNTER, "Connections.", (double)c->connections);
    add_metric(t, "http_refused_total", COUNTER, "Connections and requests refused before a route saw them.",
               (double)c->refused);
    add_metric(t, "http_displaced_total", COUNTER, "Idle connections closed to make room for new ones.",
               (double)c->displaced);
    add_metric(t, "http_timed_out_total", COUNTER, "Connections closed for being too slow.",
               (double)c->timed_out);
    add_metric(t, "http_gone_total", COUNTER, "Answers whose client went away.", (double)c->gone);
    add_metric(t, "http_open_connections", GAUGE, "Connections that are open.", (double)c->open_connections);
}

static void get_metrics(void *user, tempo_exchange *x)
{
    tempo_api *a = user;
    const tempo_http *h = atomic_load(&a->http);
    const tempo_worker_counts w = tempo_worker_get_counts(a->o.worker);
    tempo_api_text t = {0};

    add_worker(&t, &w);
    add_metric(&t, "held_bytes", GAUGE, "Bytes of documents and of attention that answers hold.",
               (double)tempo_api_held(a));
    if (h != NULL) {
        const tempo_http_counts c = tempo_http_get_counts(h);
        add_http(&t, &c);
    }
    if (t.failed) {
        free(t.p);
        tempo_exchange_error(x, 500, NULL, "out of memory");
        return;
    }
    tempo_exchange_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", t.p, t.n);
}

/* ---- the routes ---- */

static const tempo_api_route routes[] = {
    {.method = "GET",
     .path = "/v1/tempo/info",
     .handle = get_info,
     .query = "",
     .summary = "The model, the options, the limits",
     .answer = "what this server can do; model.notes: what is odd about the model",
     .type = "Info"},
    {.method = "GET",
     .path = "/health",
     .handle = get_health,
     .open = true,
     .summary = "Is it there?",
     .answer = "it is",
     .type = "Health"},
    {.method = "GET",
     .path = "/metrics",
     .handle = get_metrics,
     .summary = "Counts, for Prometheus",
     .answer = "Prometheus' text format",
     .media = "text/plain"},
};

static const tempo_api_type types[] = {
    {"OptionInfo",
     "{name: string, kind: 'integer' | 'real' | 'choice' | 'flag' | 'text', low?: number?, high?: number?, "
     "low_excluded?: boolean, choices?: string[]?, default?: any, help: string}"},
    {"ModelInfo", "{name: string, path: string, architecture: string, format: string, parameters: integer, "
                  "layers: integer, "
                  "heads: integer, kv_heads: integer, d_model: integer, vocabulary: integer, context_length: "
                  "integer, kernels: string, "
                  "compute: string, notes: string[] `what is odd about it, in words`}"},
    {"Info", "{version: string, model: ModelInfo, chat_template: string?, "
             "limits: {max_steps: integer, max_body: integer, queue: integer, max_recorded_bytes: integer}, "
             "options: OptionInfo[], "
             "study: boolean}"},
    {"Health", "{status: 'ok' | 'stopping'}"},
};

TEMPO_API_RESOURCE(info, routes, types)
