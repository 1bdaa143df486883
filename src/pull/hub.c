#include "pull/hub.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLICE_MS = 50, TEXT_SECONDS = 120 };

/* ---- hooks ---- */

bool tempo_hub_goes_on(const tempo_hub *h)
{
    return h->hooks.go_on == NULL || h->hooks.go_on(h->hooks.user);
}

void tempo_hub_say(const tempo_hub *h, const char *fmt, ...)
{
    char text[768];
    va_list ap;

    if (h->hooks.say == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    h->hooks.say(h->hooks.user, text);
}

static bool go_on(void *user)
{
    return tempo_hub_goes_on(user);
}

/* ---- refusals ---- */

static bool has_token(const tempo_hub *h)
{
    return h->settings.token[0] != '\0';
}

/* 401 and 403: of a gated repository, of one that is private, of a token that is none. */
static tempo_status fail_access(const tempo_hub *h, const tempo_web_answer *a, tempo_err *err)
{
    const char *text = a->error_text,
               *how = "set HF_TOKEN to a token of yours, or log in with the hub's own client";

    if (strcmp(a->error_code, "GatedRepo") == 0)
        return tempo_fail(
            err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
            "%s is gated: accept its terms at %.120s/%s with your account, %s (the hub says: %.100s)",
            h->repo, h->settings.endpoint, h->repo,
            has_token(h)
                ? "the one that the token belongs to, and see that the token may read gated repositories"
                : "then set HF_TOKEN to a token of it",
            text);
    if (a->status == 401 && has_token(h) && strcmp(a->error_code, "RepoNotFound") != 0)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "the hub does not take the token (of HF_TOKEN, or of the hub's token file): %.200s",
                          text);
    if (a->status == 403)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "%s: the hub refuses access (403): %.200s%s%s", h->repo, text,
                          has_token(h) ? "" : "; ", has_token(h) ? "" : how);
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "the hub has no repository %s, or it is private%s%s (%ld: %.100s)", h->repo,
                      has_token(h) ? "" : ": ", has_token(h) ? " and the token may not read it" : how,
                      a->status, text);
}

static tempo_status fail_not_found(const tempo_hub *h, const tempo_web_request *r, const tempo_web_answer *a,
                                   tempo_err *err)
{
    if (strcmp(a->error_code, "RevisionNotFound") == 0)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "the hub's %s has no such branch, tag or commit", h->repo);
    if (strcmp(a->error_code, "EntryNotFound") == 0)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: the hub has no such file in %s", r->of,
                          h->repo);
    if (strcmp(a->error_code, "RepoNotFound") == 0)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "the hub at %.200s has no repository %s",
                          h->settings.endpoint, h->repo);
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: not found at %.200s (404%s%.100s)", r->of,
                      h->settings.endpoint, a->error_text[0] != '\0' ? ": " : "", a->error_text);
}

static tempo_status refusal(const tempo_hub *h, const tempo_web_request *r, const tempo_web_answer *a,
                            tempo_err *err)
{
    switch (a->status) {
    case 401:
    case 403:
        return fail_access(h, a, err);
    case 404:
        return fail_not_found(h, r, a, err);
    default:
        return tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET, "%s: the hub at %.200s answers %ld%s%.150s",
                          r->of, h->settings.endpoint, a->status, a->error_text[0] != '\0' ? ": " : "",
                          a->error_text);
    }
}

/* ---- tries ---- */

static bool is_passing(long status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* Sleep, unless somebody wants to stop. */
static tempo_status wait_ms(const tempo_hub *h, uint64_t ms, tempo_err *err)
{
    for (uint64_t slept = 0; slept < ms; slept += SLICE_MS) {
        const struct timespec slice = {.tv_nsec =
                                           (long)(ms - slept < SLICE_MS ? ms - slept : SLICE_MS) * 1000000L};
        if (!tempo_hub_goes_on(h))
            return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
        (void)nanosleep(&slice, NULL); /* a signal ends it earlier: it is asked for above */
    }
    return TEMPO_OK;
}

/* One more try of a request, `bare` of which have brought nothing: wait first.  Else what is wrong, which err
 * says, stays. */
static tempo_status wait_before_next(const tempo_hub *h, const tempo_web_request *r,
                                     const tempo_web_answer *a, unsigned bare, unsigned all, tempo_err *err)
{
    uint64_t ms = h->settings.wait_ms;

    for (unsigned i = 1; i < bare && ms < 1000 * TEMPO_HUB_LONGEST_WAIT_S; i++)
        ms *= 2;
    if (ms > 1000 * TEMPO_HUB_LONGEST_WAIT_S)
        ms = 1000 * TEMPO_HUB_LONGEST_WAIT_S;
    if (a->retry_after_s > TEMPO_HUB_PATIENCE_S) {
        tempo_err_prefix(err, "it should be asked again in %lld s, not earlier", a->retry_after_s);
        return err->code;
    }
    if (bare >= TEMPO_HUB_TRIES || all >= TEMPO_HUB_ALL_TRIES) {
        tempo_err_prefix(err, "given up after %u tries", all);
        return err->code;
    }
    if (a->retry_after_s >= 0 && 1000 * (uint64_t)a->retry_after_s > ms)
        ms = 1000 * (uint64_t)a->retry_after_s;
    tempo_hub_say(h, "%.300s; trying %s again in %.1f s", err->msg, r->of, (double)ms / 1000);
    *err = (tempo_err){0};
    return wait_ms(h, ms, err);
}

/* One try: TEMPO_E_BUSY where another may help. */
static tempo_status try_once(tempo_hub *h, tempo_web_request *r, bool (*complete)(void *user),
                             tempo_web_answer *a, tempo_err *err)
{
    const tempo_status st = tempo_web_perform(h->web, r, a, err);

    if (st != TEMPO_OK) {
        if (st != TEMPO_E_STOPPED)
            tempo_err_prefix(err, "%s", r->of);
        return st;
    }
    if (is_passing(a->status)) {
        (void)refusal(h, r, a, err);
        err->code = TEMPO_E_BUSY;
        return TEMPO_E_BUSY;
    }
    if (a->status / 100 != 2 && !(r->head && a->linked))
        return refusal(h, r, a, err);
    if (complete != NULL && !complete(r->take_user))
        return tempo_fail(err, TEMPO_E_BUSY, TEMPO_NO_OFFSET, "%s: the connection ended before the file did",
                          r->of);
    return TEMPO_OK;
}

tempo_status tempo_hub_ask(tempo_hub *h, tempo_web_request *r, bool (*complete)(void *user),
                           tempo_web_answer *a, tempo_err *err)
{
    tempo_err local = {0}; /* a failed try is none of the caller's business once another one works */
    tempo_status st;

    r->go_on = go_on;
    r->go_on_user = h;
    for (unsigned bare = 1, all = 1;; bare++, all++) {
        const uint64_t from = r->from;
        if ((st = try_once(h, r, complete, a, &local)) != TEMPO_E_BUSY)
            break;
        if (r->from != from)
            bare = 1;
        if ((st = wait_before_next(h, r, a, bare, all, &local)) != TEMPO_OK)
            break;
    }
    if (st == TEMPO_E_BUSY)
        st = local.code = TEMPO_E_IO;
    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
        *err = local;
    return st;
}

/* ---- what is asked for ---- */

typedef struct text_buffer {
    char *p; /* [n] */
    size_t n, cap, most;
} text_buffer;

static tempo_status take_text(void *user, const tempo_web_answer *a, uint64_t at, const void *p, size_t n,
                              tempo_err *err)
{
    text_buffer *b = user;

    (void)a;
    if (at == 0) /* a further try begins anew */
        b->n = 0;
    if (n > b->most - b->n)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %zu MiB", b->most >> 20);
    if (n > b->cap - b->n) {
        const size_t cap = b->n + n < 1 << 16 ? 1 << 16 : 2 * (b->n + n);
        char *grown = realloc(b->p, cap);
        if (grown == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu bytes", cap);
        b->p = grown;
        b->cap = cap;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return TEMPO_OK;
}

/* An object ends with a brace; of what is none its parser says so. */
static bool is_whole_text(void *user)
{
    const text_buffer *b = user;
    size_t n = b->n;

    while (n > 0 && strchr(" \t\r\n", b->p[n - 1]) != NULL)
        n--;
    return n > 0 && (b->p[0] != '{' || (n > 1 && b->p[n - 1] == '}'));
}

tempo_status tempo_hub_text(tempo_hub *h, const char *url, const char *of, size_t most, char **text,
                            size_t *n, tempo_web_answer *a, tempo_err *err)
{
    text_buffer b = {.most = most};
    tempo_web_request r = {.url = url, .of = of, .seconds = TEXT_SECONDS, .take = take_text, .take_user = &b};
    const tempo_status st = tempo_hub_ask(h, &r, is_whole_text, a, err);

    if (st != TEMPO_OK) {
        free(b.p);
        b = (text_buffer){0};
    }
    *text = b.p;
    *n = b.n;
    return st;
}

static tempo_status fail_url(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "a URL is longer than %d bytes",
                      TEMPO_WEB_MAX_URL - 1);
}

tempo_status tempo_hub_list(tempo_hub *h, const char *revision, tempo_hub_answer *out, bool *no_revision,
                            tempo_err *err)
{
    char url[TEMPO_WEB_MAX_URL] = "", *text = NULL;
    tempo_web_answer a;
    size_t n = 0;

    *no_revision = false;
    *out = (tempo_hub_answer){0};
    if (!tempo_url_append(url, sizeof(url), h->settings.endpoint, ":/%[]") ||
        !tempo_url_append(url, sizeof(url), "/api/models/", "/") ||
        !tempo_url_append(url, sizeof(url), h->repo, "/") ||
        !tempo_url_append(url, sizeof(url), "/revision/", "/") ||
        !tempo_url_append(url, sizeof(url), revision, "") ||
        !tempo_url_append(url, sizeof(url), "?blobs=true", "?="))
        return fail_url(err);
    tempo_status st = tempo_hub_text(h, url, "the list of files", TEMPO_HUB_MAX_ANSWER, &text, &n, &a, err);
    *no_revision = st == TEMPO_E_NOTFOUND && strcmp(a.error_code, "RevisionNotFound") == 0;
    if (st == TEMPO_OK && (st = tempo_hub_answer_parse(out, text, n, err)) != TEMPO_OK)
        tempo_err_prefix(err, "the list of files of %s at %.200s", h->repo, h->settings.endpoint);
    free(text);
    return st;
}

tempo_status tempo_hub_file_url(const tempo_hub *h, const char *commit, const char *name, char *url,
                                tempo_err *err)
{
    url[0] = '\0';
    return tempo_url_append(url, TEMPO_WEB_MAX_URL, h->settings.endpoint, ":/%[]") &&
                   tempo_url_append(url, TEMPO_WEB_MAX_URL, "/", "/") &&
                   tempo_url_append(url, TEMPO_WEB_MAX_URL, h->repo, "/") &&
                   tempo_url_append(url, TEMPO_WEB_MAX_URL, "/resolve/", "/") &&
                   tempo_url_append(url, TEMPO_WEB_MAX_URL, commit, "") &&
                   tempo_url_append(url, TEMPO_WEB_MAX_URL, "/", "/") &&
                   tempo_url_append(url, TEMPO_WEB_MAX_URL, name, "/")
               ? TEMPO_OK
               : fail_url(err);
}

tempo_status tempo_hub_check(const tempo_hub_file *f, const char *commit, const tempo_web_answer *a,
                             tempo_err *err)
{
    if (a->commit[0] != '\0' && strcmp(a->commit, commit) != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: the hub gives it from commit %.64s, not %s", f->name, a->commit, commit);
    if (tempo_is_hash(a->etag) && strlen(a->etag) == strlen(f->hash) && strcmp(a->etag, f->hash) != 0)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: the hub says now that its hash is %s, before it was %s", f->name, a->etag,
                          f->hash);
    if (a->linked_size != UINT64_MAX && f->size != UINT64_MAX && a->linked_size != f->size)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: the hub says now that it has %" PRIu64 " bytes, before it were %" PRIu64,
                          f->name, a->linked_size, f->size);
    return TEMPO_OK;
}

tempo_status tempo_hub_look_up(tempo_hub *h, const char *commit, tempo_hub_file *f, tempo_err *err)
{
    char url[TEMPO_WEB_MAX_URL];
    tempo_web_request r = {.url = url, .of = f->name, .head = true, .seconds = TEXT_SECONDS};
    tempo_web_answer a;
    tempo_status st;

    if (f->hash[0] != '\0' && f->size != UINT64_MAX)
        return TEMPO_OK;
    if ((st = tempo_hub_file_url(h, commit, f->name, url, err)) != TEMPO_OK ||
        (st = tempo_hub_ask(h, &r, NULL, &a, err)) != TEMPO_OK ||
        (st = tempo_hub_check(f, commit, &a, err)) != TEMPO_OK)
        return st;
    if (f->hash[0] == '\0' && tempo_is_hash(a.etag))
        memcpy(f->hash, a.etag, strlen(a.etag) + 1);
    if (f->size == UINT64_MAX)
        f->size = a.linked_size != UINT64_MAX ? a.linked_size : a.length;
    if (f->hash[0] == '\0' || f->size > INT64_MAX)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: the hub says neither in its list nor in an answer of its own what its %s is: "
                          "it could not be verified",
                          f->name, f->hash[0] == '\0' ? "hash" : "size");
    return TEMPO_OK;
}

/* ---- */

tempo_status tempo_hub_open(tempo_hub *h, const char *repo, const tempo_pull_hooks *hooks, tempo_err *err)
{
    tempo_status st;

    h->web = NULL;
    h->repo = repo;
    h->hooks = hooks != NULL ? *hooks : (tempo_pull_hooks){0};
    if ((st = tempo_hub_settings_read(&h->settings, err)) != TEMPO_OK)
        return st;
    return tempo_web_create(&h->web, &h->settings, err);
}

void tempo_hub_close(tempo_hub *h)
{
    tempo_web_free(h->web);
    h->web = NULL;
}
