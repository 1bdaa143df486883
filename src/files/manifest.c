/* manifest.c - the manifest of a directory.  The processor is asked through /proc/cpuinfo; elsewhere it is
 * "". */
#include "files/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/hash.h"
#include "io/json_file.h"
#include "files/run_id.h"

enum { PATH_BYTES = 4096 };

/* ---- the processor ---- */

/* Features that arithmetic may depend on. */
static bool is_of_interest(const char *s)
{
    static const char *const prefixes[] = {"avx",   "amx",  "fma",  "f16c", "sse4",
                                           "asimd", "i8mm", "bf16", "sve"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (strncmp(s, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void add_features(json_t *list, char *words)
{
    char *rest = NULL;

    for (char *w = strtok_r(words, " \n", &rest); w != NULL; w = strtok_r(NULL, " \n", &rest))
        if (is_of_interest(w))
            (void)json_array_append_new(list, json_string(w));
}

/* Of the first processor: they are alike. */
static void add_processor(json_t *o)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    json_t *features = json_array();
    char *line = NULL, *name = NULL;
    size_t cap = 0;

    while (f != NULL && getline(&line, &cap, f) > 1) {
        char *value = strchr(line, ':');
        if (value == NULL)
            continue;
        value += 1 + strspn(value + 1, " ");
        if (strncmp(line, "model name", 10) == 0 && name == NULL)
            name = strndup(value, strcspn(value, "\n"));
        else if (strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0)
            add_features(features, value);
    }
    if (f != NULL)
        (void)fclose(f);
    (void)json_object_set_new(o, "cpu", json_string(name != NULL ? name : ""));
    (void)json_object_set_new(o, "cpu_features", features);
    free(name);
    free(line);
}

/* ---- the files ---- */

static tempo_status add_file(json_t *files, const char *dir, const char *path, uint64_t bytes, tempo_err *err)
{
    char full[PATH_BYTES], hash[TEMPO_HASH_CHARS];
    tempo_status st;

    if ((size_t)snprintf(full, sizeof(full), "%s/%s", dir, path) >= sizeof(full))
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s/%s: the path is too long", dir, path);
    if ((st = tempo_hash_path(full, hash, NULL, NULL, err)) != TEMPO_OK)
        return st;
    json_t *one = json_pack("{s:s, s:I, s:s}", "path", path, "bytes", (json_int_t)bytes, "sha256", hash);
    if (one == NULL && tempo_utf8_valid(path, strlen(path)) != strlen(path))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: a file's name is not UTF-8", dir);
    return json_array_append_new(files, one) == 0
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a manifest");
}

static bool is_left_out(const char *name, unsigned depth)
{
    return name[0] == '.' || strstr(name, ".tmp.") != NULL ||
           (depth == 0 && strcmp(name, "manifest.json") == 0);
}

/* Everything below dir/sub; sub is "" or ends in a slash. */
static tempo_status walk(json_t *files, const char *dir, const char *sub, unsigned depth, tempo_err *err)
{
    char path[PATH_BYTES];
    struct dirent *e;
    tempo_status st = TEMPO_OK;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, sub);
    DIR *d = opendir(path);
    if (d == NULL)
        return tempo_fail_os(err, errno, "%s: cannot be read", path);
    while (st == TEMPO_OK && (e = readdir(d)) != NULL) {
        struct stat info;
        if (is_left_out(e->d_name, depth))
            continue;
        const size_t n = (size_t)snprintf(path, sizeof(path), "%s%s", sub, e->d_name);
        if (n + strlen(dir) + 2 >= sizeof(path) || depth == TEMPO_MANIFEST_MAX_DEPTH)
            st = tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s/%s: too deep", dir, sub);
        else if (fstatat(dirfd(d), e->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            st = tempo_fail_os(err, errno, "%s/%s: cannot be read", dir, path);
        else if (S_ISREG(info.st_mode))
            st = add_file(files, dir, path, (uint64_t)info.st_size, err);
        else if (S_ISDIR(info.st_mode)) {
            path[n] = '/';
            path[n + 1] = '\0';
            st = walk(files, dir, path, depth + 1, err);
        }
    }
    (void)closedir(d);
    return st;
}

static int by_path(const void *pa, const void *pb)
{
    return strcmp(json_string_value(json_object_get(*(json_t *const *)pa, "path")),
                  json_string_value(json_object_get(*(json_t *const *)pb, "path")));
}

/* jansson's arrays do not sort themselves. */
static tempo_status sort_files(json_t *files, tempo_err *err)
{
    const size_t n = json_array_size(files);
    json_t **list = malloc((n + 1) * sizeof(*list));

    if (list == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a manifest");
    for (size_t i = 0; i < n; i++)
        list[i] = json_incref(json_array_get(files, i));
    qsort(list, n, sizeof(*list), by_path);
    for (size_t i = 0; i < n; i++)
        (void)json_array_set_new(files, i, list[i]); /* cannot fail: the place is there */
    free(list);
    return TEMPO_OK;
}

/* ---- what edits were read from ---- */

/* hashes: {PATH: SHA-256} of those that were hashed. */
static tempo_status hash_path(json_t *hashes, const char *path, json_t **out, tempo_err *err)
{
    char hash[TEMPO_HASH_CHARS];
    tempo_status st = TEMPO_OK;

    *out = NULL;
    if (json_object_get(hashes, path) == NULL &&
        (st = tempo_hash_path(path, hash, NULL, NULL, err)) == TEMPO_OK)
        (void)json_object_set_new(hashes, path, json_string(hash));
    if (st == TEMPO_OK)
        *out = json_pack("{s:s, s:O}", "path", path, "sha256", json_object_get(hashes, path));
    return st;
}

static tempo_status hash_list(json_t *list, json_t *hashes, tempo_err *err)
{
    json_t *edit, *hashed;
    size_t i;
    tempo_status st = TEMPO_OK;

    json_array_foreach(list, i, edit)
    {
        json_t *files = json_object_get(edit, "files");
        for (size_t k = 0; k < json_array_size(files) && st == TEMPO_OK; k++) {
            const char *path = json_string_value(json_array_get(files, k));
            if (path != NULL && (st = hash_path(hashes, path, &hashed, err)) == TEMPO_OK)
                (void)json_array_set_new(files, k, hashed);
        }
    }
    return st;
}

tempo_status tempo_manifest_hash_edits(json_t *list, tempo_err *err)
{
    json_t *hashes = json_object();
    const tempo_status st = hash_list(list, hashes, err);

    json_decref(hashes);
    return st;
}

/* {ARM: [{"edit", "files": [PATH]}]}, changed in place. */
static tempo_status hash_arms(json_t *edits, tempo_err *err)
{
    json_t *hashes = json_object(), *arm;
    const char *name;
    tempo_status st = TEMPO_OK;

    json_object_foreach(edits, name, arm) if (st == TEMPO_OK) st = hash_list(arm, hashes, err);
    json_decref(hashes);
    return st;
}

/* ---- the manifest ---- */

tempo_status tempo_manifest_write(const char *dir, const json_t *facts, tempo_err *err)
{
    char path[PATH_BYTES], now[TEMPO_UTC_CHARS];
    json_t *doc = facts != NULL ? json_deep_copy(facts) : NULL, *files = json_array();
    tempo_status st = TEMPO_OK;

    if (doc == NULL || files == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a manifest");
    if (st == TEMPO_OK && (size_t)snprintf(path, sizeof(path), "%s/manifest.json", dir) >= sizeof(path))
        st = tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: the path is too long", dir);
    if (st == TEMPO_OK && (st = walk(files, dir, "", 0, err)) == TEMPO_OK &&
        (st = sort_files(files, err)) == TEMPO_OK &&
        (st = hash_arms(json_object_get(doc, "edits"), err)) == TEMPO_OK)
        st = tempo_utc_now(now, err);
    if (st == TEMPO_OK) {
        if (json_object_get(doc, "created") == NULL)
            (void)json_object_set_new(doc, "created", json_string(now));
        (void)json_object_set_new(doc, "version", json_string(tempo_version()));
        (void)json_object_set_new(doc, "compiler", json_string(TEMPO_COMPILER));
        add_processor(doc);
        if (json_object_set(doc, "files", files) != 0)
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a manifest");
    }
    if (st == TEMPO_OK)
        st = tempo_jsonfile_save(path, doc, false, err);
    json_decref(files);
    json_decref(doc);
    return st;
}
