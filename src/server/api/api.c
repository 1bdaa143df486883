/* api.c - the object that handlers share, and answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "io/json.h"
#include "io/map.h"
#include "server/api/fields.h"
#include "server/api/inside.h"

enum { MAX_STEPS = 4096, POLL_MS = 100, MAX_HELD = 512 << 20 };

void tempo_api_options_init(tempo_api_options *o)
{
    tempo_http_options http;
    tempo_worker_options worker;

    tempo_http_options_init(&http);
    tempo_worker_options_init(&worker);
    *o = (tempo_api_options){.threads = 1,
                             .max_steps = MAX_STEPS,
                             .max_body = http.max_body,
                             .queue = worker.queue,
                             .max_recorded = worker.max_recorded,
                             .max_held = MAX_HELD};
    const uint64_t share = tempo_memory_available() / 8;
    o->max_held = share < MAX_HELD ? (size_t)share : MAX_HELD;
}

/* The chat of a template file, or of the model; a model whose own template cannot be used still serves the
 * rest. */
static tempo_status open_chat(tempo_api *a, tempo_err *err)
{
    tempo_map file;
    tempo_status st;

    if (a->o.chat_template == NULL) {
        if (tempo_chat_open(&a->chat, a->o.model, NULL, 0, NULL, &a->no_chat) != TEMPO_OK)
            tempo_api_hide_paths(a, NULL, a->no_chat.msg);
        return TEMPO_OK;
    }
    if ((st = tempo_map_open(&file, a->o.chat_template, err)) != TEMPO_OK)
        return st;
    /* its messages go to clients, who need not know where it lies */
    const char *slash = strrchr(a->o.chat_template, '/');
    st = tempo_chat_open(&a->chat, a->o.model, (const char *)file.p, (size_t)file.n,
                         slash != NULL ? slash + 1 : a->o.chat_template, err);
    tempo_map_close(&file);
    return st;
}

tempo_status tempo_api_create(tempo_api **out, const tempo_api_options *o, tempo_err *err)
{
    tempo_api *a = calloc(1, sizeof(*a));
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (a == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the server");
    a->o = *o;
    a->created = (int64_t)time(NULL);
    if ((a->generations = tempo_generations_create()) == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the server");
    else
        st = open_chat(a, err);
    if (a->chat != NULL)
        a->n_end_ids = tempo_chat_end_ids(a->chat, a->end_ids);
    if (st != TEMPO_OK)
        tempo_api_free(a);
    else
        *out = a;
    return st;
}

const char *tempo_api_no_chat(const tempo_api *a)
{
    return a->chat == NULL ? a->no_chat.msg : NULL;
}

void tempo_api_set_http(tempo_api *a, const tempo_http *h)
{
    atomic_store(&a->http, h);
}

void tempo_api_free(tempo_api *a)
{
    if (a == NULL)
        return;
    tempo_generations_free(a->generations);
    tempo_chat_free(a->chat);
    free(a);
}

/* ---- text ---- */

size_t tempo_api_text_room(const tempo_api_text *t, size_t n)
{
    size_t cap = t->cap == 0 ? 1024 : t->cap;

    if (t->cap - t->n >= n + 1)
        return t->cap;
    while (cap - t->n < n + 1)
        cap *= 2;
    return cap;
}

void tempo_api_text_add(tempo_api_text *t, const char *s, size_t n)
{
    if (t->failed)
        return;
    const size_t cap = tempo_api_text_room(t, n);
    if (cap != t->cap) {
        char *p = realloc(t->p, cap);
        if (p == NULL) {
            t->failed = true;
            return;
        }
        t->p = p;
        t->cap = cap;
    }
    if (n > 0) /* s may then be NULL */
        memcpy(t->p + t->n, s, n);
    t->n += n;
    t->p[t->n] = '\0';
}

void tempo_api_text_add_string(tempo_api_text *t, const char *s)
{
    tempo_api_text_add(t, s, strlen(s));
}

static int add_piece(const char *s, size_t n, void *user)
{
    tempo_api_text_add(user, s, n);
    return ((tempo_api_text *)user)->failed ? -1 : 0;
}

void tempo_api_text_add_json(tempo_api_text *t, json_t *document, tempo_api_digits digits)
{
    char *text = NULL;

    if (digits == TEMPO_API_SHORTEST && (text = tempo_json_print(document)) != NULL)
        tempo_api_text_add_string(t, text);
    else if (digits == TEMPO_API_SHORTEST || document == NULL ||
             json_dump_callback(document, add_piece, t, JSON_COMPACT | (size_t)JSON_REAL_PRECISION(digits)) !=
                 0)
        t->failed = true;
    free(text);
    json_decref(document);
}

/* ---- streams ---- */

static size_t outgoing_bytes(const tempo_api_outgoing *o)
{
    return o->error != NULL ? strlen(o->error) : o->text.n;
}

bool tempo_api_outgoing_empty(tempo_api_outgoing *o)
{
    if (o->sent < outgoing_bytes(o))
        return false;
    if (o->error == NULL)
        o->sent = o->text.n = 0;
    return true;
}

void tempo_api_outgoing_fail(tempo_api_outgoing *o, const char *error)
{
    o->error = error;
    o->sent = 0;
    o->over = true;
}

void tempo_api_outgoing_event(tempo_api_outgoing *o, const char *name, const char *data, size_t n)
{
    if (data == NULL) {
        o->text.failed = true;
        return;
    }
    tempo_api_text_add_string(&o->text, "event: ");
    tempo_api_text_add_string(&o->text, name);
    tempo_api_text_add_string(&o->text, "\ndata: ");
    tempo_api_text_add(&o->text, data, n);
    tempo_api_text_add_string(&o->text, "\n\n");
}

ptrdiff_t tempo_api_outgoing_take(tempo_api_outgoing *o, char *buf, size_t cap)
{
    const size_t left = outgoing_bytes(o) - o->sent, n = left < cap ? left : cap;

    if (n > 0)
        memcpy(buf, (o->error != NULL ? o->error : o->text.p) + o->sent, n);
    o->sent += n;
    return (ptrdiff_t)n;
}

/* ---- answers ---- */

void tempo_api_reply_json(tempo_exchange *x, unsigned status, json_t *document)
{
    tempo_api_text t = {0};

    tempo_api_text_add_json(&t, document, TEMPO_API_SHORTEST);
    tempo_api_text_add(&t, "\n", 1);
    if (!t.failed) {
        tempo_exchange_reply(x, status, "application/json", t.p, t.n);
        return;
    }
    free(t.p);
    tempo_exchange_error(x, 500, NULL, "out of memory");
}

void tempo_api_reply_problem(tempo_exchange *x, const tempo_api_problem *p)
{
    if (p->status == 503)
        tempo_exchange_set_header(x, "Retry-After", "1");
    tempo_exchange_error_code(x, p->status, p->param[0] != '\0' ? p->param : NULL, p->code, "%s", p->message);
}

void tempo_api_reply_err(const tempo_api *a, tempo_exchange *x, const char *dir, const char *param,
                         const tempo_err *err)
{
    tempo_err plain = *err;
    const unsigned status = err->code == TEMPO_E_ARG ? 400 : err->code == TEMPO_E_NOTFOUND ? 404 : 500;
    const bool named = err->field[0] != '\0', told = status < 500 && param != NULL && !named;

    tempo_api_hide_paths(a, dir, plain.msg);
    tempo_exchange_error(x, status,
                         status >= 500 ? NULL
                         : named       ? err->field
                                       : param,
                         "%s%s%s", told ? param : "", told ? ": " : "", plain.msg);
}

char *tempo_api_job_error_json(const tempo_api *a, const tempo_err *err, unsigned *status)
{
    const bool shutdown = err->code == TEMPO_E_STOPPED;
    const bool edits = strcmp(err->field, "edits") == 0; /* that make no numbers: the client's */
    tempo_err plain = *err;

    *status = shutdown || err->code == TEMPO_E_LIMIT ? 503 : edits ? 400 : 500; /* a limit: of all together */
    tempo_api_hide_paths(a, NULL, plain.msg);
    return tempo_http_error_json(*status, edits ? "edits" : NULL, shutdown ? "shutdown" : NULL, plain.msg);
}

void tempo_api_reply_job_err(const tempo_api *a, tempo_exchange *x, const tempo_err *err)
{
    unsigned status;
    char *text = tempo_api_job_error_json(a, err, &status);

    if (status == 503)
        tempo_exchange_set_header(x, "Retry-After", "1");
    if (text != NULL)
        tempo_exchange_reply(x, status, "application/json", text, strlen(text));
    else
        tempo_exchange_error(x, 500, NULL, "out of memory");
}

tempo_event *tempo_api_wait_event(tempo_job *job, tempo_exchange *x)
{
    while (!tempo_exchange_gone(x)) { /* before every event: those of a fast model never let it wait */
        tempo_event *e = tempo_job_next(job, POLL_MS);
        if (e != NULL)
            return e;
    }
    return NULL;
}

void tempo_api_new_id(char *out, size_t cap, const char *prefix)
{
    unsigned char bytes[12] = {0};
    size_t at = (size_t)snprintf(out, cap, "%s", prefix);

    if (getrandom(bytes, sizeof(bytes), 0) !=
        (ssize_t)sizeof(bytes)) { /* never, for so few; then the clock has to do */
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        memcpy(bytes, &now.tv_nsec,
               sizeof(bytes) < sizeof(now.tv_nsec) ? sizeof(bytes) : sizeof(now.tv_nsec));
    }
    for (size_t i = 0; i < sizeof(bytes) && at + 3 <= cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%02x", (unsigned)bytes[i]);
}

bool tempo_api_read_body(tempo_exchange *x, json_t **body, tempo_api_problem *p)
{
    size_t n;
    const char *text = tempo_exchange_body(x, &n);

    return tempo_api_parse(text, n, body, p);
}
