/* find_hub.c - where the Hugging Face cache and the user's token lie: as the hub's client looks, but for
 * variables that are empty, which count as not set.  Sources: huggingface_hub's constants.py; Python's
 * os.path.  */
#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/hub.h"

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
