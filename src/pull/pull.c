#include "pull/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/map.h"
#include "pull/blob.h"
#include "pull/choose.h"

enum { MAX_INDEX = 64 << 20 };

struct tempo_pull {
    tempo_hub hub;
    tempo_repo_name name;
    char revision[PATH_MAX];
    tempo_hub_answer answer;
    tempo_choice choice;
    tempo_blob_place place;
    char path[PATH_MAX]; /* of the model, once it is there */
    tempo_pull_state state;
};

/* ---- which files ---- */

/* Behind a revision a file's path may stand, and a revision may hold slashes: the longest one that the hub
 * has. */
static tempo_status list_files(tempo_pull *p, tempo_err *err)
{
    tempo_repo_name *r = &p->name;
    size_t end = strlen(r->revision);

    for (;;) {
        tempo_err local = {0};
        bool no_revision;
        (void)snprintf(p->revision, sizeof(p->revision), "%.*s", (int)end, end > 0 ? r->revision : "");
        const tempo_status st =
            tempo_hub_list(&p->hub, end > 0 ? p->revision : "main", &p->answer, &no_revision, &local);
        if (st == TEMPO_OK && r->revision[end] == '/' && !tempo_repo_split_revision(r, end))
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%.200s names two files", r->whole);
        size_t shorter = end;
        while (shorter > 0 && r->revision[shorter] != '/')
            shorter--;
        if (st == TEMPO_OK || !no_revision || shorter == 0) {
            if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
                *err = local;
            if (end == 0)
                memcpy(p->revision, "main", sizeof("main"));
            return st;
        }
        end = shorter;
    }
}

/* The index of a model in several files, from the cache where it is there. */
static tempo_status read_index(tempo_pull *p, tempo_err *err)
{
    const tempo_hub_file *f = p->choice.index;
    char path[PATH_MAX], url[TEMPO_WEB_MAX_URL], *text = NULL;
    tempo_map map = {0};
    tempo_web_answer a;
    size_t n = 0;
    tempo_status st;

    if (tempo_blob_there(&p->place, f) == f->size) {
        if ((st = tempo_blob_path(&p->place, f, "", path, err)) != TEMPO_OK ||
            (st = tempo_map_open(&map, path, err)) != TEMPO_OK)
            return st;
        st = tempo_choose_shards(&p->choice, &p->answer, (const char *)map.p, (size_t)map.n, err);
        tempo_map_close(&map);
        return st;
    }
    if ((st = tempo_hub_file_url(&p->hub, p->answer.commit, f->name, url, err)) != TEMPO_OK ||
        (st = tempo_hub_text(&p->hub, url, f->name, MAX_INDEX, &text, &n, &a, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_hub_check(f, p->answer.commit, &a, err)) == TEMPO_OK)
        st = tempo_choose_shards(&p->choice, &p->answer, text, n, err);
    free(text);
    return st;
}

static tempo_status set_place(tempo_pull *p, tempo_err *err)
{
    tempo_blob_place *at = &p->place;
    const char *name;
    tempo_status st;

    at->commit = p->answer.commit;
    if ((st = tempo_path_format(at->cache, sizeof(at->cache), err, "%s", p->hub.settings.cache)) !=
            TEMPO_OK ||
        (st = tempo_hub_repo_dir(at->cache, p->name.repo, at->repo, err)) != TEMPO_OK)
        return st;
    name = strrchr(at->repo, '/');
    return tempo_path_format(at->locks, sizeof(at->locks), err, "%s/.locks%s", at->cache, name);
}

static tempo_status set_path(tempo_pull *p, tempo_err *err)
{
    const tempo_choice *c = &p->choice;
    const size_t n = strlen(c->folder);

    return c->model != NULL || n == 0
               ? tempo_path_format(p->path, sizeof(p->path), err, "%s/snapshots/%s%s%s", p->place.repo,
                                   p->answer.commit, c->model != NULL ? "/" : "",
                                   c->model != NULL ? c->model : "")
               : tempo_path_format(p->path, sizeof(p->path), err, "%s/snapshots/%s/%.*s", p->place.repo,
                                   p->answer.commit, (int)n - 1, c->folder);
}

/* Sizes and hashes of all that was chosen, and their sum. */
static tempo_status look_up_all(tempo_pull *p, size_t from, tempo_err *err)
{
    for (size_t i = from; i < p->choice.n; i++) {
        tempo_hub_file *f = p->choice.files[i];
        const tempo_status st = tempo_hub_look_up(&p->hub, p->answer.commit, f, err);
        if (st != TEMPO_OK)
            return st;
        if (f->size > INT64_MAX - p->state.all_size)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "%s: the files' sizes together are beyond what is possible", f->name);
        p->state.all_size += f->size;
    }
    return TEMPO_OK;
}

static tempo_status plan(tempo_pull *p, tempo_err *err)
{
    tempo_status st = list_files(p, err);

    if (st != TEMPO_OK || (st = set_place(p, err)) != TEMPO_OK ||
        (st = tempo_choose(&p->choice, &p->answer, &p->name, err)) != TEMPO_OK)
        return st;
    if (p->choice.by_default)
        tempo_hub_say(&p->hub, "%s holds several models; this is %s (%s:TAG is another)", p->name.repo,
                      p->choice.model, p->name.repo);
    const size_t n = p->choice.n;
    if ((st = look_up_all(p, 0, err)) != TEMPO_OK)
        return st;
    if (p->choice.index != NULL &&
        ((st = read_index(p, err)) != TEMPO_OK || (st = look_up_all(p, n, err)) != TEMPO_OK))
        return st;
    p->state.n_files = p->choice.n;
    return set_path(p, err);
}

tempo_status tempo_pull_open(tempo_pull **out, const char *name, const tempo_pull_hooks *hooks,
                             tempo_err *err)
{
    tempo_pull *p = calloc(1, sizeof(*p));
    tempo_status st;

    *out = NULL;
    if (p == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a pull");
    if (!tempo_repo_parse(name, &p->name))
        st = tempo_fail(
            err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
            "'%.100s' is no name of a model on a hub: expected org/name, org/name:Q8_0, org/name/file.gguf, "
            "org/name@revision",
            name);
    else if ((st = tempo_hub_open(&p->hub, p->name.repo, hooks, err)) == TEMPO_OK)
        st = plan(p, err);
    if (st == TEMPO_OK)
        *out = p;
    else
        tempo_pull_free(p);
    return st;
}

void tempo_pull_free(tempo_pull *p)
{
    if (p == NULL)
        return;
    tempo_choice_free(&p->choice);
    tempo_hub_answer_free(&p->answer);
    tempo_hub_close(&p->hub);
    free(p);
}

/* ---- what it is ---- */

size_t tempo_pull_count(const tempo_pull *p)
{
    return p->choice.n;
}

tempo_pull_file tempo_pull_at(const tempo_pull *p, size_t i)
{
    const tempo_hub_file *f = p->choice.files[i];

    return (tempo_pull_file){f->name, f->hash, f->size, tempo_blob_there(&p->place, f)};
}

const char *tempo_pull_repo(const tempo_pull *p)
{
    return p->name.repo;
}

const char *tempo_pull_revision(const tempo_pull *p)
{
    return p->revision;
}

const char *tempo_pull_commit(const tempo_pull *p)
{
    return p->answer.commit;
}

const char *tempo_pull_path(const tempo_pull *p)
{
    return p->path;
}

/* ---- fetching ---- */

static void show(void *user, uint64_t done, bool verifying)
{
    tempo_pull *p = user;
    tempo_pull_state s = p->state;

    s.done = done;
    s.verifying = verifying;
    s.all_done += verifying ? s.size : done;
    if (p->hub.hooks.progress != NULL)
        p->hub.hooks.progress(p->hub.hooks.user, &s);
}

tempo_status tempo_pull_fetch(tempo_pull *p, tempo_err *err)
{
    tempo_status st;

    p->state.all_done = 0;
    for (size_t i = 0; i < p->choice.n; i++) {
        const tempo_hub_file *f = p->choice.files[i];
        p->state.file = i;
        p->state.name = f->name;
        p->state.size = f->size;
        if (!tempo_hub_goes_on(&p->hub))
            return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
        if ((st = tempo_blob_fetch(&p->hub, &p->place, f, show, p, err)) != TEMPO_OK)
            return st;
        p->state.all_done += f->size;
    }
    return tempo_write_ref(&p->place, p->revision, err); /* last: what it names is complete */
}
