/* find.c - from a model's name to a path: the built-in model, existing paths, directories.  The Hugging Face
 * cache is in find_cache.c, choosing between GGUF files in find_gguf.c.  */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/files.h"

static const char builtin_name[] = "tempo-tiny";

/* ---- the built-in model ---- */

/* Is dir/sub/tempo-tiny a model? */
static bool is_builtin(const char *dir, const char *sub, char *out, size_t cap)
{
    char config[PATH_MAX];

    return tempo_path_format(out, cap, NULL, "%s%s/%s", dir, sub, builtin_name) == TEMPO_OK &&
           tempo_path_format(config, sizeof(config), NULL, "%s/config.json", out) == TEMPO_OK &&
           tempo_path_exists(config);
}

/* An installed program or library stands in PREFIX/bin or PREFIX/lib, or deeper (lib/ARCHITECTURE); a
 * built one in build/ of the source tree, or deeper.  */
static bool find_near(const char *file, char *out, size_t cap)
{
    static const char *const places[] = {
        "/../share/tempo/models", "/../../share/tempo/models", "/models", "/../models",
        "/../../models",          "/../../../models"};
    char dir[PATH_MAX];

    if (realpath(file, dir) == NULL)
        return false;
    char *slash = strrchr(dir, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[PATH_MAX], plain[PATH_MAX];
        if (is_builtin(dir, places[i], path, sizeof(path)))
            return realpath(path, plain) != NULL &&
                   tempo_path_format(out, cap, NULL, "%s", plain) == TEMPO_OK;
    }
    return false;
}

static bool find_near_library(char *out, size_t cap)
{
    static const char anchor = 0; /* lies in this library, or in the program it is part of */
    Dl_info where;

    return dladdr(&anchor, &where) != 0 && where.dli_fname != NULL && find_near(where.dli_fname, out, cap);
}

static tempo_status find_builtin(char *out, size_t cap, tempo_err *err)
{
    const char *models = getenv("TEMPO_MODELS");
    char path[PATH_MAX];

    if ((models != NULL && models[0] != '\0' && is_builtin(models, "", path, sizeof(path))) ||
        find_near("/proc/self/exe", path, sizeof(path)) || find_near_library(path, sizeof(path))
#ifdef TEMPO_DATADIR
        || is_builtin(TEMPO_DATADIR, "/models", path, sizeof(path))
#endif
    )
        return tempo_path_format(out, cap, err, "%s", path);
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "the built-in model %s is neither beside the program nor in the directory that "
                      "TEMPO_MODELS names (%s)",
                      builtin_name, models != NULL ? models : "not set");
}

/* ---- directories ---- */

static bool has(const char *dir, const char *name)
{
    char path[PATH_MAX];

    return tempo_path_format(path, sizeof(path), NULL, "%s/%s", dir, name) == TEMPO_OK &&
           tempo_path_exists(path);
}

tempo_status tempo_find_in_dir(const tempo_want *want, const char *dir, char *out, size_t cap, tempo_err *err)
{
    if (want->tag == NULL && has(dir, "config.json") &&
        (has(dir, "model.safetensors") || has(dir, "model.safetensors.index.json")))
        return tempo_path_format(out, cap, err, "%s", dir);
    const tempo_status st = tempo_find_gguf(want, dir, out, cap, err);
    if (st != TEMPO_E_NOTFOUND || err->code != TEMPO_OK)
        return st;
    if (want->tag == NULL && (has(dir, "config.json") || has(dir, "tokenizer.json")))
        return tempo_path_format(out, cap, err, "%s", dir); /* opening it says what is missing */
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s holds no %s%s%s%s", want->who,
                      want->tag != NULL ? "GGUF file" : "model: neither config.json nor a .gguf file",
                      want->whole != NULL ? "; fetch it with \"tempo pull " : "",
                      want->whole != NULL ? want->whole : "", want->whole != NULL ? "\"" : "");
}

/* DIRECTORY:TAG; false when it is none. */
static bool find_tagged(const char *name, char *out, size_t cap, tempo_status *st, tempo_err *err)
{
    const char *colon = strrchr(name, ':');
    char dir[PATH_MAX];

    if (colon == NULL || colon[1] == '\0' || strchr(colon, '/') != NULL ||
        tempo_path_format(dir, sizeof(dir), NULL, "%.*s", (int)(colon - name), name) != TEMPO_OK ||
        !tempo_path_is_dir(dir))
        return false;
    *st = tempo_find_in_dir(&(tempo_want){.who = dir, .tag = colon + 1}, dir, out, cap, err);
    return true;
}

static tempo_status find(const char *name, char *out, size_t cap, tempo_err *err)
{
    struct stat sb;
    tempo_status st;

    if (name == NULL)
        return find_builtin(out, cap, err);
    if (name[0] == '\0')
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "the model's name is empty");
    if (stat(name, &sb) == 0)
        return S_ISDIR(sb.st_mode) ? tempo_find_in_dir(&(tempo_want){.who = name}, name, out, cap, err)
                                   : tempo_path_format(out, cap, err, "%s", name);
    if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
        return tempo_fail_os(err, errno, "%s", name);
    if (tempo_path_exists(name)) /* a link to nothing: opening it says so */
        return tempo_path_format(out, cap, err, "%s", name);
    if (find_tagged(name, out, cap, &st, err) || tempo_find_cached(name, out, cap, &st, err))
        return st;
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%.200s: no such file or directory, and no name of the form org/name", name);
}

tempo_status tempo_model_find(const char *name, char *out, size_t cap, tempo_err *err)
{
    tempo_err local = {0}; /* what is found on the way decides where to look next */

    if (cap > 0)
        out[0] = '\0';
    const tempo_status st = find(name, out, cap, &local);
    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
        *err = local;
    return st;
}
