#include "pull/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/json.h"
#include "model/hub.h"

enum { MAX_NAME_PART = 255 };

bool tempo_is_hash(const char *s)
{
    const size_t n = strlen(s);

    return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

/* ---- one file ---- */

static tempo_status check_name(const char *name, size_t n, tempo_err *err)
{
    char shown[81];
    bool good = strlen(name) == n && tempo_is_plain_path(name) && strchr(name, '\\') == NULL;

    for (const char *part = name; good && part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strcspn(part, "/") > MAX_NAME_PART || n > TEMPO_HUB_MAX_NAME)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "rfilename: a name of %zu bytes is too long", n);
    }
    if (good)
        return TEMPO_OK;
    tempo_utf8_shown(shown, name, n < sizeof(shown) ? n : sizeof(shown) - 1);
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                      "rfilename: \"%s\" is refused: no file of a repository has such a name", shown);
}

/* A hash where the member is there. */
static tempo_status read_hash(const json_t *o, const char *key, char out[TEMPO_HASH_TEXT], tempo_err *err)
{
    const char *s = NULL;
    const tempo_status st = tempo_json_str(o, key, &s, err);

    if (st == TEMPO_E_NOTFOUND)
        return TEMPO_OK;
    if (st != TEMPO_OK)
        return st;
    if (!tempo_is_hash(s))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: expected 40 or 64 hexadecimal digits",
                          key);
    memcpy(out, s, strlen(s) + 1);
    return TEMPO_OK;
}

static tempo_status read_size(const json_t *o, uint64_t *out, tempo_err *err)
{
    const tempo_status st = tempo_json_u64(o, "size", INT64_MAX, out, err);

    return st == TEMPO_E_NOTFOUND ? TEMPO_OK : st;
}

/* What git-lfs keeps has the hash and the size of the file, its blob is a mere pointer. */
static tempo_status read_contents(tempo_hub_file *f, const json_t *entry, tempo_err *err)
{
    const json_t *lfs = json_object_get(entry, "lfs");
    tempo_status st;

    f->size = UINT64_MAX;
    if (!json_is_object(lfs)) {
        st = read_hash(entry, "blobId", f->hash, err);
        return st == TEMPO_OK ? read_size(entry, &f->size, err) : st;
    }
    if ((st = read_hash(lfs, "sha256", f->hash, err)) == TEMPO_OK && f->hash[0] == '\0')
        st = read_hash(lfs, "oid", f->hash, err);
    if (st == TEMPO_OK && strlen(f->hash) == 40)
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "sha256: expected 64 hexadecimal digits");
    if (st == TEMPO_OK)
        st = read_size(lfs, &f->size, err);
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "lfs");
    return st;
}

static tempo_status read_file(tempo_hub_file *f, const json_t *entry, tempo_err *err)
{
    const json_t *name = json_object_get(entry, "rfilename");
    tempo_status st;

    if (!json_is_string(name))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "expected an object with a string rfilename");
    if ((st = check_name(json_string_value(name), json_string_length(name), err)) != TEMPO_OK ||
        (st = read_contents(f, entry, err)) != TEMPO_OK)
        return st;
    if ((f->name = strdup(json_string_value(name))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a name");
    return TEMPO_OK;
}

/* ---- the list ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const tempo_hub_file *)a)->name, ((const tempo_hub_file *)b)->name);
}

static tempo_status read_files(tempo_hub_answer *out, const json_t *siblings, tempo_err *err)
{
    const size_t n = json_array_size(siblings);

    if (n > TEMPO_HUB_MAX_FILES)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "siblings: %zu files, the limit is %d", n,
                          TEMPO_HUB_MAX_FILES);
    if ((out->files = calloc(n + 1, sizeof(*out->files))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of %zu files", n);
    for (size_t i = 0; i < n; i++) {
        const tempo_status st = read_file(&out->files[i], json_array_get(siblings, i), err);
        if (st != TEMPO_OK) {
            tempo_err_prefix(err, "siblings[%zu]", i);
            return st;
        }
        out->n++;
    }
    qsort(out->files, n, sizeof(*out->files), compare);
    for (size_t i = 1; i < n; i++)
        if (strcmp(out->files[i - 1].name, out->files[i].name) == 0)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "siblings: %.200s is there twice",
                              out->files[i].name);
    return TEMPO_OK;
}

static tempo_status read_answer(tempo_hub_answer *out, const json_t *root, tempo_err *err)
{
    const json_t *siblings = json_object_get(root, "siblings");
    tempo_status st;

    if (!json_is_object(root))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "expected an object, found %s",
                          tempo_json_type_name(root));
    if ((st = read_hash(root, "sha", out->commit, err)) != TEMPO_OK)
        return st;
    if (out->commit[0] == '\0')
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "sha: the commit is missing");
    if (!json_is_array(siblings))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "siblings: expected an array of files");
    return read_files(out, siblings, err);
}

tempo_status tempo_hub_answer_parse(tempo_hub_answer *out, const char *text, size_t n, tempo_err *err)
{
    json_t *root = NULL;

    *out = (tempo_hub_answer){0};
    if (n > TEMPO_HUB_MAX_ANSWER)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %d MiB",
                          TEMPO_HUB_MAX_ANSWER >> 20);
    tempo_status st = tempo_json_parse(&root, text, n, err);
    if (st == TEMPO_OK)
        st = read_answer(out, root, err);
    json_decref(root);
    if (st != TEMPO_OK) {
        tempo_hub_answer_free(out);
        *out = (tempo_hub_answer){0};
    }
    return st;
}

void tempo_hub_answer_free(tempo_hub_answer *a)
{
    for (size_t i = 0; a->files != NULL && i < a->n; i++)
        free(a->files[i].name);
    free(a->files);
}

tempo_hub_file *tempo_hub_answer_find(const tempo_hub_answer *a, const char *prefix, const char *name)
{
    char path[TEMPO_HUB_MAX_NAME + 1];
    tempo_hub_file key = {.name = path};

    if ((size_t)snprintf(path, sizeof(path), "%s%s", prefix, name) >= sizeof(path) || a->n == 0)
        return NULL;
    return bsearch(&key, a->files, a->n, sizeof(key), compare);
}
