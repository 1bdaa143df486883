/* cmd_serve.c - serve a model and the page over HTTP. */
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/options.h"
#include "server/api/api.h"
#include "server/http/http.h"
#include "server/page/page.h"
#include "server/worker/worker.h"
#include "cli/session.h"

extern char **environ;

static const double grace_s = 5; /* for answers under way when the server goes down */

typedef struct serving {
    session s;
    char *key; /* or NULL */
    tempo_route *routes;
    size_t n_routes;
    tempo_worker *worker;
    tempo_api *api;
    tempo_http *http;
} serving;

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* The key in a file, without the white space around it. */
static int read_key(const char *path, char **key)
{
    struct stat st;
    char *text = NULL;
    size_t n, first = 0;
    int code = read_input(path, &text, &n);

    if (code != EXIT_OK)
        return code;
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    while (first < n && isspace((unsigned char)text[first]))
        first++;
    for (size_t i = first; i < n; i++)
        if (!isgraph((unsigned char)text[i])) {
            say("%s: byte %zu is not part of a key: letters, digits and signs without spaces", path, i);
            free(text);
            return EXIT_FAILED;
        }
    if (first == n) {
        say("%s: holds no key", path);
        free(text);
        return EXIT_FAILED;
    }
    memmove(text, text + first, n - first);
    text[n - first] = '\0';
    if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
        say("%s can be read by everyone on this machine (chmod 600 would change that)", path);
    *key = text;
    return EXIT_OK;
}

/* Hand a URL to the desktop; no shell sees it. */
static void open_browser(const char *url)
{
#ifdef __APPLE__
    char program[] = "open";
#else
    char program[] = "xdg-open";
#endif
    char *const argv[] = {program, (char *)(uintptr_t)url, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return;
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, program, &actions, NULL, argv, environ) != 0)
        say("%s was not found: open %s in a browser", program, url);
    (void)posix_spawn_file_actions_destroy(&actions);
}

/* The page's routes and the interface's. */
static int make_routes(serving *v)
{
    size_t n_page, n_api;
    tempo_route *api = tempo_api_routes(&n_api);
    tempo_route *page = tempo_page_routes(tempo_page_files, tempo_page_n_files, &n_page);

    v->routes = page == NULL || api == NULL ? NULL : realloc(page, (n_page + n_api) * sizeof(*page));
    if (v->routes == NULL) {
        free(page);
        free(api);
        say("out of memory for the server's routes");
        return EXIT_FAILED;
    }
    memcpy(v->routes + n_page, api, n_api * sizeof(*api));
    free(api);
    v->n_routes = n_page + n_api;
    return EXIT_OK;
}

/* What decodes, and what requests mean. */
static int make_api(serving *v, const options *o, size_t max_body)
{
    tempo_worker_options w;
    tempo_api_options a;
    tempo_err err = {0};

    tempo_worker_options_init(&w);
    tempo_api_options_init(&a);
    if (tempo_worker_start(&v->worker, v->s.engine, &w, &err) != TEMPO_OK)
        return say_error(&err);
    a.model = v->s.model;
    a.worker = v->worker;
    a.threads = tempo_engine_threads(v->s.engine);
    a.db = o->db;
    a.chat_template = o->chat_template;
    a.max_steps = o->max_steps;
    a.max_body = max_body;
    a.queue = w.queue;
    a.max_recorded = w.max_recorded;
    return tempo_api_create(&v->api, &a, &err) == TEMPO_OK ? EXIT_OK : say_error(&err);
}

/* A template whose text is there and cannot be read is found when it is opened; what was found with the model
 * has been said. */
static void say_no_chat(const serving *v)
{
    static const char said[] = "the chat template cannot be used";
    const char *why = tempo_api_no_chat(v->api), *note;

    if (why == NULL || tempo_model_tokenizer(v->s.model) == NULL)
        return;
    for (size_t i = 0; (note = tempo_model_note(v->s.model, i)) != NULL; i++)
        if (strncmp(note, said, sizeof(said) - 1) == 0)
            return;
    say("%s: requests with messages are refused; --chat-template FILE takes another template", why);
}

/* What the table of options does not check. */
static int check_names(const options *o)
{
    const char *why;

    for (size_t i = 0; i < o->allow_hosts.n; i++)
        if ((why = tempo_http_wrong_host(o->allow_hosts.v[i])) != NULL) {
            say("--allow-host %s: %s", o->allow_hosts.v[i], why);
            return EXIT_USAGE;
        }
    if (o->base_path != NULL && (why = tempo_http_wrong_base(o->base_path)) != NULL) {
        say("--base-path %s: %s", o->base_path, why);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

static int start(serving *v, const options *o)
{
    tempo_http_options h;
    tempo_err err = {0};
    int code;

    if ((code = check_names(o)) != EXIT_OK)
        return code;
    if (o->api_key_file != NULL && (code = read_key(o->api_key_file, &v->key)) != EXIT_OK)
        return code;
    if (!is_loopback(o->host) && v->key == NULL)
        say("warning: whoever reaches %s can use this server: --api-key-file asks for a key", o->host);
    tempo_http_options_init(&h);
    if ((code = session_open_engine(&v->s, o)) != EXIT_OK || (code = make_api(v, o, h.max_body)) != EXIT_OK ||
        (code = make_routes(v)) != EXIT_OK)
        return code;
    say_no_chat(v);
    h.host = o->host;
    h.port = (uint16_t)o->port;
    h.key = v->key;
    h.hosts = o->allow_hosts.v;
    h.n_hosts = o->allow_hosts.n;
    h.base_path = o->base_path;
    h.routes = v->routes;
    h.n_routes = v->n_routes;
    h.user = v->api;
    if (tempo_http_start(&v->http, &h, &err) != TEMPO_OK)
        return say_error(&err);
    tempo_api_set_http(v->api, v->http);
    return EXIT_OK;
}

static void announce(const serving *v, const options *o)
{
    const bool v6 = strchr(o->host, ':') != NULL;
    const char *base = o->base_path != NULL ? o->base_path : "";
    char url[600];

    (void)snprintf(url, sizeof(url), "http://%s%s%s:%u%s/", v6 ? "[" : "", o->host, v6 ? "]" : "",
                   tempo_http_port(v->http), base);
    say("serving %s at %s", tempo_model_get_info(v->s.model)->path, url);
    if (!o->open)
        return;
    if (!is_loopback(o->host)) /* it may be all addresses, which are none to go to */
        (void)snprintf(url, sizeof(url), "http://localhost:%u%s/", tempo_http_port(v->http), base);
    open_browser(url);
}

int cmd_serve(const options *o)
{
    serving v = {0};
    int code;

    (void)signal(SIGPIPE, SIG_IGN);
    if ((code = start(&v, o)) == EXIT_OK) {
        catch_interrupts();
        announce(&v, o);
        while (!interrupted())
            (void)poll(NULL, 0, 200); /* the signal may come to another thread */
        tempo_http_begin_stop(v.http);
        tempo_worker_stop(v.worker); /* its jobs' streams then end with an event that says so */
        tempo_http_stop(v.http, grace_s);
        tempo_api_set_http(v.api, NULL);
    }
    tempo_http_free(v.http);
    tempo_api_free(v.api);
    tempo_worker_free(v.worker);
    free(v.routes);
    free(v.key);
    session_close(&v.s);
    return code;
}
