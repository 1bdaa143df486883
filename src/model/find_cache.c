/* find_cache.c - models in the Hugging Face cache, which is only read here:
 *
 *   HUB/models--org--name/refs/main            the revision that was fetched, as text
 *   HUB/models--org--name/snapshots/REVISION/  the repository's files, links into ../../blobs
 *
 * A name (find_hub.c) is ORG/NAME; behind it @REVISION (a branch, a tag, a commit or how it begins), /FILE
 * (also a folder) and :TAG (in the name of a GGUF file).  Source: the cache layout in huggingface_hub's
 * documentation.  */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "model/files.h"

enum { MAX_REVISION = 64, SHORTEST_COMMIT = 4 };

/* ---- revisions ---- */

/* refs/REVISION -> the commit's hash.  TEMPO_E_NOTFOUND without a message when there is none. */
static tempo_status read_ref(const char *repo, const char *revision, char hash[NAME_MAX + 1], tempo_err *err)
{
    char path[PATH_MAX], text[MAX_REVISION + 3] = {0};
    tempo_status st = tempo_path_format(path, sizeof(path), err, "%s/refs/%s", repo, revision);

    if (st != TEMPO_OK)
        return st;
    if (tempo_path_is_dir(path))
        return TEMPO_E_NOTFOUND;
    FILE *f = fopen(path, "rbe");
    if (f == NULL)
        return errno == ENOENT || errno == ENOTDIR ? TEMPO_E_NOTFOUND
                                                   : tempo_fail_os(err, errno, "%s: cannot be opened", path);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    text[n] = '\0';
    if (n == 0 || n > MAX_REVISION || strspn(text, "0123456789abcdefABCDEF") != n)
        return tempo_fail(err, TEMPO_E_FORMAT, 0, "%s: expected a revision (hexadecimal digits)", path);
    memcpy(hash, text, n + 1);
    return TEMPO_OK;
}

/* How many snapshots there are whose names begin with `prefix`; the last one's name. */
static size_t count_snapshots(const char *repo, const char *prefix, char name[NAME_MAX + 1])
{
    char path[PATH_MAX];
    const struct dirent *e;
    size_t n = 0;

    if (tempo_path_format(path, sizeof(path), NULL, "%s/snapshots", repo) != TEMPO_OK)
        return 0;
    DIR *d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        memcpy(name, e->d_name, strlen(e->d_name) + 1);
        n++;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

/* A branch, a tag, a commit or how one begins.  TEMPO_E_NOTFOUND without a message when it is none of them.
 */
static tempo_status resolve(const char *repo, const char *revision, char hash[NAME_MAX + 1], tempo_err *err)
{
    char path[PATH_MAX];
    const tempo_status st = read_ref(repo, revision, hash, err);

    if (st != TEMPO_E_NOTFOUND || strchr(revision, '/') != NULL || strlen(revision) > NAME_MAX)
        return st;
    if (tempo_path_format(path, sizeof(path), NULL, "%s/snapshots/%s", repo, revision) == TEMPO_OK &&
        tempo_path_is_dir(path)) {
        memcpy(hash, revision, strlen(revision) + 1);
        return TEMPO_OK;
    }
    return strlen(revision) >= SHORTEST_COMMIT && count_snapshots(repo, revision, hash) == 1
               ? TEMPO_OK
               : TEMPO_E_NOTFOUND;
}

static tempo_status not_cached(const tempo_repo_name *r, const char *hub, tempo_err *err)
{
    return tempo_fail(
        err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
        "%.100s: no such file or directory, and it is not in the cache %.200s: fetch it with \"tempo "
        "pull %s\"",
        r->whole, hub, r->whole);
}

/* Names in the directory, "a, b"; none: "none". */
static void list_names(const char *repo, const char *sub, char *out, size_t cap)
{
    char path[PATH_MAX];
    const struct dirent *e;
    size_t used = 0;

    (void)snprintf(out, cap, "none");
    if (tempo_path_format(path, sizeof(path), NULL, "%s/%s", repo, sub) != TEMPO_OK)
        return;
    DIR *d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL && used + strlen(e->d_name) + 8 < cap)
        if (e->d_name[0] != '.')
            used += (size_t)snprintf(out + used, cap - used, "%s%s", used > 0 ? ", " : "", e->d_name);
    if (d != NULL)
        (void)closedir(d);
}

/* r->revision may hold a file's path behind its revision, whose name may hold slashes: the longest one that
 * is there. */
static tempo_status find_revision(tempo_repo_name *r, const char *repo, const char *hub,
                                  char hash[NAME_MAX + 1], tempo_err *err)
{
    char names[100], commits[140];
    size_t end = strlen(r->revision);

    for (;;) {
        char revision[PATH_MAX];
        (void)snprintf(revision, sizeof(revision), "%.*s", (int)end, r->revision);
        const tempo_status st = resolve(repo, revision, hash, err);
        if (st == TEMPO_OK && r->revision[end] == '/' && !tempo_repo_split_revision(r, end))
            return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%.200s names two files", r->whole);
        if (st != TEMPO_E_NOTFOUND)
            return st;
        while (end > 0 && r->revision[end - 1] != '/')
            end--;
        if (end == 0)
            break;
        end--;
    }
    list_names(repo, "refs", names, sizeof(names));
    list_names(repo, "snapshots", commits, sizeof(commits));
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s has no revision %.60s in the cache %.80s (branches and tags: %s; commits: %s): "
                      "fetch it with \"tempo "
                      "pull %s\"",
                      r->repo, r->revision, hub, names, commits, r->whole);
}

/* The snapshot that is meant -> hash. */
static tempo_status find_snapshot(tempo_repo_name *r, const char *repo, const char *hub,
                                  char hash[NAME_MAX + 1], tempo_err *err)
{
    if (r->revision[0] != '\0')
        return find_revision(r, repo, hub, hash, err);
    const tempo_status st = read_ref(repo, "main", hash, err);
    if (st != TEMPO_E_NOTFOUND)
        return st;
    const size_t n = count_snapshots(repo, "", hash); /* fetched by its revision */
    if (n == 1)
        return TEMPO_OK;
    if (n == 0)
        return not_cached(r, hub, err);
    char commits[200];
    list_names(repo, "snapshots", commits, sizeof(commits));
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s has %zu snapshots and no refs/main; add @REVISION to its name: %s", r->repo, n,
                      commits);
}

/* ---- files ---- */

static tempo_status find_in_snapshot(const tempo_repo_name *r, const char *dir, char *out, size_t cap,
                                     tempo_err *err)
{
    const tempo_want want = {
        .who = r->repo, .whole = r->whole, .tag = r->tag[0] != '\0' ? r->tag : NULL, .deep = true};
    char path[PATH_MAX], names[200];
    tempo_status st;

    if (r->file[0] == '\0')
        return tempo_find_in_dir(&want, dir, out, cap, err);
    if ((st = tempo_path_format(path, sizeof(path), err, "%s/%s", dir, r->file)) != TEMPO_OK)
        return st;
    if (tempo_path_is_dir(path))
        return tempo_find_in_dir(&want, path, out, cap, err);
    if (tempo_path_exists(path))
        return tempo_path_format(out, cap, err, "%s", path);
    tempo_gguf_names(dir, names, sizeof(names));
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s in the cache has no file %.80s; its models: %s; fetch it with \"tempo pull %s\"",
                      r->repo, r->file, names, r->whole);
}

bool tempo_find_cached(const char *name, char *out, size_t cap, tempo_status *st, tempo_err *err)
{
    char hub[PATH_MAX], repo[PATH_MAX], dir[PATH_MAX], hash[NAME_MAX + 1];
    tempo_repo_name r;

    if (!tempo_repo_parse(name, &r))
        return false;
    if ((*st = tempo_hub_dir(hub, err)) != TEMPO_OK ||
        (*st = tempo_hub_repo_dir(hub, r.repo, repo, err)) != TEMPO_OK)
        return true;
    if (!tempo_path_is_dir(repo)) {
        if (strchr(r.repo, '/') == NULL)
            return false;
        *st = not_cached(&r, hub, err);
        return true;
    }
    if ((*st = find_snapshot(&r, repo, hub, hash, err)) != TEMPO_OK ||
        (*st = tempo_path_format(dir, sizeof(dir), err, "%s/snapshots/%s", repo, hash)) != TEMPO_OK)
        return true;
    *st = tempo_path_is_dir(dir) ? find_in_snapshot(&r, dir, out, cap, err) : not_cached(&r, hub, err);
    return true;
}
