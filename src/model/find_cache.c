/* find_cache.c - "org/name" in the Hugging Face cache, which is only read:
 *
 *   HUB/models--org--name/refs/main            the revision that was fetched, as text
 *   HUB/models--org--name/snapshots/REVISION/  the repository's files
 *
 * Source: the cache layout in huggingface_hub's documentation.  */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/files.h"

enum { MAX_REVISION = 64 };

/* Letters, digits, and . _ - inside. */
static bool is_part(const char *s, size_t n)
{
    if (n == 0 || n > 96 || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && strchr("._-", s[i]) == NULL)
            return false;
    }
    return true;
}

bool tempo_is_repo_name(const char *name)
{
    const char *slash = strchr(name, '/');

    return slash != NULL && is_part(name, (size_t)(slash - name)) && is_part(slash + 1, strlen(slash + 1)) &&
           strstr(name, "--") == NULL && strstr(name, "..") == NULL;
}

static bool is_set(const char *s)
{
    return s != NULL && s[0] != '\0';
}

static tempo_status hub_dir(char *out, size_t cap, tempo_err *err)
{
    const char *hub = getenv("HF_HUB_CACHE"), *hf = getenv("HF_HOME"), *home = getenv("HOME");

    if (is_set(hub))
        return tempo_path_format(out, cap, err, "%s", hub);
    if (is_set(hf))
        return tempo_path_format(out, cap, err, "%s/hub", hf);
    if (is_set(home))
        return tempo_path_format(out, cap, err, "%s/.cache/huggingface/hub", home);
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "none of HF_HUB_CACHE, HF_HOME and HOME is set: there is no cache to look in");
}

/* refs/main -> revision.  TEMPO_E_NOTFOUND without a message when there is none. */
static tempo_status read_ref(const char *repo, char revision[MAX_REVISION + 1], tempo_err *err)
{
    char path[PATH_MAX], text[MAX_REVISION + 3] = {0};
    tempo_status st = tempo_path_format(path, sizeof(path), err, "%s/refs/main", repo);

    if (st != TEMPO_OK)
        return st;
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
    memcpy(revision, text, n + 1);
    return TEMPO_OK;
}

/* The only snapshot of a repository without refs/main; how many there are. */
static size_t only_snapshot(const char *repo, char name[NAME_MAX + 1])
{
    char path[PATH_MAX];
    const struct dirent *e;
    size_t n = 0;

    if (tempo_path_format(path, sizeof(path), NULL, "%s/snapshots", repo) != TEMPO_OK)
        return 0;
    DIR *d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        memcpy(name, e->d_name, strlen(e->d_name) + 1);
        n++;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static tempo_status not_cached(const char *name, const char *hub, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s is neither a path nor in the cache %s: fetch it with \"hf download %s\" (or "
                      "\"huggingface-cli download %s\")",
                      name, hub, name, name);
}

tempo_status tempo_find_cached(const char *name, char *out, size_t cap, tempo_err *err)
{
    const char *slash = strchr(name, '/');
    char hub[PATH_MAX], repo[PATH_MAX], dir[PATH_MAX], revision[NAME_MAX + 1];
    tempo_status st = hub_dir(hub, sizeof(hub), err);

    if (st != TEMPO_OK || (st = tempo_path_format(repo, sizeof(repo), err, "%s/models--%.*s--%s", hub,
                                                  (int)(slash - name), name, slash + 1)) != TEMPO_OK)
        return st;
    st = read_ref(repo, revision, err);
    if (st == TEMPO_E_NOTFOUND) {
        const size_t n = only_snapshot(repo, revision);
        if (n > 1)
            return tempo_fail(err, st, TEMPO_NO_OFFSET,
                              "%s has %zu snapshots and no refs/main: give the path of one of them", repo, n);
        if (n == 0)
            return not_cached(name, hub, err);
    } else if (st != TEMPO_OK) {
        return st;
    }
    if ((st = tempo_path_format(dir, sizeof(dir), err, "%s/snapshots/%s", repo, revision)) != TEMPO_OK)
        return st;
    if (!tempo_path_is_dir(dir))
        return not_cached(name, hub, err);
    return tempo_find_in_dir(dir, out, cap, err);
}
