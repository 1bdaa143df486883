/* find_hub.c - what users call a model of the hub, ORG/NAME and behind it @REVISION, /FILE and :TAG in any
 * order that can be told apart; and where the Hugging Face cache and the user's token lie: as the hub's
 * client looks, but for variables that are empty, which count as not set.  Sources: huggingface_hub's
 * constants.py; Python's os.path.  */
#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/hub.h"

/* ---- names ---- */

/* Length of the letters, digits, and . _ - (inside) at s; 0 if there is no such part. */
static size_t part_len(const char *s)
{
    size_t n = 0;

    while (isalnum((unsigned char)s[n]) || (s[n] != '\0' && strchr("._-", s[n]) != NULL))
        n++;
    return n == 0 || n > TEMPO_MAX_REPO_PART || s[0] == '.' || s[0] == '-' || s[n - 1] == '.' ||
                   s[n - 1] == '-'
               ? 0
               : n;
}

bool tempo_is_plain_path(const char *s)
{
    for (const char *part = s;;) {
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n <= 2 && strspn(part, ".") >= n))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
                return false;
        if (part[n] == '\0')
            return true;
        part += n + 1;
    }
}

/* The next of @REVISION, :TAG and /FILE; false when it is none, or there already. */
static bool read_suffix(tempo_repo_name *r, const char **s)
{
    char *to = **s == '@' ? r->revision : **s == ':' ? r->tag : **s == '/' ? r->file : NULL;
    const size_t n = strcspn(*s + 1, **s == '@' ? ":" : **s == ':' ? "@/" : "");

    if (to == NULL || to[0] != '\0' || n == 0 || n >= PATH_MAX)
        return false;
    memcpy(to, *s + 1, n);
    to[n] = '\0';
    *s += 1 + n;
    return tempo_is_plain_path(to);
}

bool tempo_repo_parse(const char *name, tempo_repo_name *r)
{
    size_t n = part_len(name);

    *r = (tempo_repo_name){.whole = name};
    if (n > 0 && name[n] == '/') {
        const size_t second = part_len(name + n + 1);
        n = second > 0 ? n + 1 + second : 0;
    }
    if (n == 0)
        return false;
    memcpy(r->repo, name, n);
    if (strstr(r->repo, "--") != NULL || strstr(r->repo, "..") != NULL)
        return false;
    for (const char *s = name + n; *s != '\0';)
        if (!read_suffix(r, &s))
            return false;
    return true;
}

bool tempo_repo_split_revision(tempo_repo_name *r, size_t end)
{
    if (r->file[0] != '\0')
        return false;
    memmove(r->file, r->revision + end + 1, strlen(r->revision + end + 1) + 1);
    r->revision[end] = '\0';
    return true;
}

/* ---- places ---- */

static bool is_set(const char *s)
{
    return s != NULL && s[0] != '\0';
}

/* n bytes behind out[*used]; false without room. */
static bool append(char out[PATH_MAX], size_t *used, const char *s, size_t n)
{
    if (n >= PATH_MAX - *used)
        return false;
    memcpy(out + *used, s, n);
    *used += n;
    out[*used] = '\0';
    return true;
}

/* The home of user[n], or of this process's user when n is 0; "" where it is not known. */
static void find_home(const char *user, size_t n, char home[PATH_MAX])
{
    const char *dir = n == 0 ? getenv("HOME") : NULL;
    char name[256], text[4096];
    struct passwd entry, *found = NULL;

    home[0] = '\0';
    if (n >= sizeof(name))
        return;
    memcpy(name, user, n);
    name[n] = '\0';
    if (dir == NULL && (n == 0 ? getpwuid_r(getuid(), &entry, text, sizeof(text), &found)
                               : getpwnam_r(name, &entry, text, sizeof(text), &found)) == 0)
        dir = found != NULL ? found->pw_dir : NULL;
    if (dir != NULL && strlen(dir) < PATH_MAX)
        memcpy(home, dir, strlen(dir) + 1);
}

/* Length of $NAME or ${NAME} at s, 0 when it is none; its value, or NULL when it is not set. */
static size_t read_variable(const char *s, const char **value)
{
    const bool braces = s[1] == '{';
    const char *begin = s + 1 + braces, *end = begin;
    char name[256];

    *value = NULL;
    while (braces ? *end != '}' && *end != '\0' : isalnum((unsigned char)*end) || *end == '_')
        end++;
    const size_t n = (size_t)(end - begin);
    if (braces ? *end == '\0' : n == 0)
        return 0;
    if (n < sizeof(name)) {
        memcpy(name, begin, n);
        name[n] = '\0';
        *value = getenv(name);
    }
    return (size_t)(end - s) + braces;
}

/* ~ and variables, as Python's expanduser and expandvars replace them: what is not known stays. */
static tempo_status expand(const char *s, char out[PATH_MAX], tempo_err *err)
{
    const char *value;
    char home[PATH_MAX] = "";
    size_t used = 0;
    bool fits = true;

    out[0] = '\0';
    if (*s == '~')
        find_home(s + 1, strcspn(s + 1, "/"), home);
    if (home[0] != '\0') {
        size_t n = strlen(home);
        s += strcspn(s, "/");
        while (n > (*s == '\0' ? 1 : 0) && home[n - 1] == '/')
            n--;
        fits = append(out, &used, home, n);
    }
    while (*s != '\0' && fits) {
        const size_t n = *s == '$' ? read_variable(s, &value) : 0;
        if (n > 0 && value != NULL)
            fits = append(out, &used, value, strlen(value));
        else
            fits = append(out, &used, s, n > 0 ? n : 1);
        s += n > 0 ? n : 1;
    }
    return fits ? TEMPO_OK
                : tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the cache's path is longer than %d bytes",
                             PATH_MAX);
}

/* As Python joins paths. */
static tempo_status join(const char *dir, const char *name, char out[PATH_MAX], tempo_err *err)
{
    const size_t n = strlen(dir);

    return tempo_path_format(out, PATH_MAX, err, "%s%s%s", dir, n == 0 || dir[n - 1] == '/' ? "" : "/", name);
}

/* A name in the client's home: the client replaces in the one, and once more in the other. */
static tempo_status expand_home(const char *home, const char *name, char out[PATH_MAX], tempo_err *err)
{
    char inner[PATH_MAX], path[PATH_MAX];
    tempo_status st = expand(home, inner, err);

    if (st != TEMPO_OK || (st = join(inner, name, path, err)) != TEMPO_OK)
        return st;
    return expand(path, out, err);
}

static tempo_status in_home(const char *name, char *out, tempo_err *err)
{
    const char *home = getenv("HF_HOME"), *cache = getenv("XDG_CACHE_HOME");
    char below[PATH_MAX];
    tempo_status st;

    if (is_set(home))
        return expand_home(home, name, out, err);
    if ((st = join(is_set(cache) ? cache : "~/.cache", "huggingface", below, err)) != TEMPO_OK)
        return st;
    return expand_home(below, name, out, err);
}

tempo_status tempo_hub_dir(char *out, tempo_err *err)
{
    static const char *const hubs[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"};

    for (size_t i = 0; i < sizeof(hubs) / sizeof(hubs[0]); i++)
        if (is_set(getenv(hubs[i])))
            return expand(getenv(hubs[i]), out, err);
    return in_home("hub", out, err);
}

tempo_status tempo_hub_token_path(char *out, tempo_err *err)
{
    const char *path = getenv("HF_TOKEN_PATH");

    return is_set(path) ? expand(path, out, err) : in_home("token", out, err);
}

tempo_status tempo_hub_repo_dir(const char *hub, const char *repo, char *out, tempo_err *err)
{
    const char *slash = strchr(repo, '/');

    return tempo_path_format(out, PATH_MAX, err, "%s/models--%.*s%s%s", hub,
                             slash != NULL ? (int)(slash - repo) : 0, repo, slash != NULL ? "--" : "",
                             slash != NULL ? slash + 1 : repo);
}
