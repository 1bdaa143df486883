/* runs.c - the database of runs, opened for each request: other programs write to it meanwhile. */
#include "server/api/recorded/runs.h"
#include "server/api/inside.h"
#include "server/api/route.h"
#include "server/api/recorded/captured.h"
#include "registry/registry.h"
#include "report/view.h"

/* *out is NULL with TEMPO_OK where there is no database. */
static tempo_status open_registry(tempo_api *a, tempo_registry **out, tempo_err *err)
{
    const tempo_status st = tempo_registry_open(out, a->o.db, true, err);

    if (st == TEMPO_E_NOTFOUND && err->code == TEMPO_OK)
        return TEMPO_OK;
    if (st == TEMPO_E_NOTFOUND || st == TEMPO_E_ARG)
        err->code = TEMPO_E_IO; /* where it should be is this machine's fault, not a client's */
    return st;
}

static const char *dir_of(const json_t *run)
{
    return json_string_value(json_object_get(run, "dir"));
}

static void reply_run(tempo_exchange *x, json_t *document)
{
    tempo_api_hide_in_run(document, false);
    tempo_api_reply_json(x, 200, document);
}

/* The same where a run is asked for: without a database there is none.  NULL: answered. */
static tempo_registry *need_registry(tempo_api *a, tempo_exchange *x)
{
    tempo_registry *r;
    tempo_err err = {0};

    if (open_registry(a, &r, &err) != TEMPO_OK)
        tempo_api_reply_err(a, x, NULL, NULL, &err);
    else if (r == NULL)
        tempo_exchange_error(x, 404, NULL, "no such run: there is no database of runs yet");
    return r;
}

bool tempo_api_show_run(tempo_api *a, tempo_exchange *x, json_t **run)
{
    tempo_registry *r = need_registry(a, x);
    tempo_err err = {0};

    *run = NULL;
    if (r == NULL)
        return false;
    if (tempo_registry_show(r, tempo_exchange_segment(x, "id"), run, &err) != TEMPO_OK)
        tempo_api_reply_err(a, x, NULL, "id", &err);
    tempo_registry_free(r);
    return *run != NULL;
}

static void list_runs(void *user, tempo_exchange *x)
{
    tempo_registry *r;
    json_t *runs = NULL;
    tempo_err err = {0};

    tempo_status st = open_registry(user, &r, &err);
    if (st == TEMPO_OK && r == NULL)
        runs = json_array();
    else if (st == TEMPO_OK)
        st = tempo_registry_list(r, &runs, &err);
    tempo_registry_free(r);
    if (st != TEMPO_OK)
        tempo_api_reply_err(user, x, NULL, NULL, &err);
    else
        reply_run(x, json_pack("{s:o}", "runs", runs));
}

static void get_run(void *user, tempo_exchange *x)
{
    json_t *run, *captures;
    tempo_err err = {0};

    if (!tempo_api_show_run(user, x, &run))
        return;
    if (tempo_captured_list(&captures, run, &err) != TEMPO_OK) {
        tempo_api_reply_err(user, x, dir_of(run), NULL, &err);
        json_decref(run);
        return;
    }
    json_object_set_new(run, "captures", captures);
    reply_run(x, run);
}

static void get_report(void *user, tempo_exchange *x)
{
    json_t *run = NULL, *view = NULL;
    tempo_registry *r;
    tempo_err err = {0};

    if ((r = need_registry(user, x)) == NULL)
        return;
    tempo_status st = tempo_registry_show(r, tempo_exchange_segment(x, "id"), &run, &err);
    if (st == TEMPO_OK)
        st = tempo_report_view(&view, dir_of(run), r, &err);
    tempo_registry_free(r);
    if (st == TEMPO_OK)
        tempo_api_reply_json(x, 200, view);
    else
        tempo_api_reply_err(user, x, dir_of(run), run == NULL ? "id" : NULL, &err);
    json_decref(run);
}

static void compare_runs(void *user, tempo_exchange *x)
{
    tempo_registry *r;
    json_t *doc;
    tempo_err err = {0};

    if ((r = need_registry(user, x)) == NULL)
        return;
    if (tempo_registry_compare(r, tempo_exchange_segment(x, "a"), tempo_exchange_segment(x, "b"), &doc,
                               &err) == TEMPO_OK)
        reply_run(x, doc);
    else
        tempo_api_reply_err(user, x, NULL, NULL, &err);
    tempo_registry_free(r);
}

static const tempo_api_route routes[] = {
    {.method = "GET",
     .path = "/v1/tempo/runs",
     .handle = list_runs,
     .query = "",
     .summary = "Runs of the database",
     .answer = "runs, the newest first",
     .type = "RunList"},
    {.method = "GET",
     .path = "/v1/tempo/runs/{id}",
     .handle = get_run,
     .query = "",
     .summary = "One run",
     .answer = "models, units, metrics, verdicts, captures",
     .type = "Run"},
    {.method = "GET",
     .path = "/v1/tempo/runs/{id}/report",
     .handle = get_report,
     .query = "",
     .summary = "What the report page draws",
     .answer = "the report view",
     .type = "ReportView"},
    {.method = "GET",
     .path = "/v1/tempo/runs/{a}/compare/{b}",
     .handle = compare_runs,
     .query = "",
     .summary = "Two runs side by side",
     .answer = "units that meet, metrics, verdicts",
     .type = "RunComparison"},
};

static const tempo_api_type types[] = {
    {"RunList", "{runs: {id: string, ...}[]}"},
    {"Run", "{id: string, captures: {unit: integer, arm: string}[], ...}"},
    {"ReportView", "{view: integer, kind: string, ...}"},
    {"RunComparison", "{...}"},
};

TEMPO_API_RESOURCE(runs, routes, types)
