/* find_gguf.c - the GGUF files of a directory, and which of them a user means.
 *
 * Of a model in several files (NAME-00001-of-00003.gguf) only the first is listed.  Projectors of images
 * (mmproj) are no models: they are listed only where nothing else is.  */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/files.h"

enum { MAX_FILES = 4096, MAX_LEVELS = 4 };

typedef struct gguf_list {
    const char *dir;
    char **owned; /* [n] paths below dir */
    size_t n, cap;
    const char **names; /* [left] those of them that are still meant */
    size_t left;
    tempo_err *err;
} gguf_list;

/* ---- names ---- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

bool tempo_is_gguf_name(const char *path)
{
    const char *name = base_of(path);
    const size_t n = strlen(name);

    return n > 5 && name[0] != '.' && strcasecmp(name + n - 5, ".gguf") == 0;
}

static bool is_projector(const char *path)
{
    return strcasestr(base_of(path), "mmproj") != NULL;
}

/* Letters before "-00001-of-00003.gguf", or before ".gguf" when it is no part. */
static size_t stem_of(const char *path, bool *part)
{
    unsigned no, count;
    const size_t n = tempo_gguf_part_name(path, &no, &count);

    *part = n > 0;
    return *part ? n : strlen(path) - strlen(".gguf");
}

/* ---- listing ---- */

static tempo_status add(gguf_list *list, const char *path)
{
    if (list->n == list->cap) {
        const size_t cap = list->cap != 0 ? 2 * list->cap : 16;
        char **grown = cap <= MAX_FILES ? realloc(list->owned, cap * sizeof(*grown)) : NULL;
        if (cap > MAX_FILES)
            return tempo_fail(list->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: holds more than %d models",
                              list->dir, MAX_FILES);
        if (grown == NULL)
            goto no_memory;
        list->owned = grown;
        list->cap = cap;
    }
    if ((list->owned[list->n] = strdup(path)) != NULL) {
        list->n++;
        return TEMPO_OK;
    }
no_memory:
    return tempo_fail(list->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of files");
}

/* dir/sub and what is below it, `levels` deep; sub is "" or ends in '/'. */
static tempo_status walk(gguf_list *list, const char *sub, unsigned levels)
{
    char path[PATH_MAX], name[PATH_MAX];
    const struct dirent *e;
    tempo_status st = tempo_path_format(path, sizeof(path), list->err, "%s/%s", list->dir, sub);

    if (st != TEMPO_OK)
        return st;
    DIR *d = opendir(path);
    if (d == NULL)
        return tempo_fail_os(list->err, errno, "%s%s%s: cannot be read", list->dir, sub[0] != '\0' ? "/" : "",
                             sub);
    while (st == TEMPO_OK && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' ||
            (st = tempo_path_format(name, sizeof(name), list->err, "%s%s", sub, e->d_name)) != TEMPO_OK ||
            (st = tempo_path_format(path, sizeof(path), list->err, "%s/%s", list->dir, name)) != TEMPO_OK)
            continue;
        if (!tempo_path_is_dir(path))
            st = tempo_is_gguf_name(name) ? add(list, name) : TEMPO_OK;
        else if (levels > 1 &&
                 (st = tempo_path_format(name, sizeof(name), list->err, "%s%s/", sub, e->d_name)) == TEMPO_OK)
            st = walk(list, name, levels - 1);
    }
    (void)closedir(d);
    return st;
}

static tempo_status make_list(gguf_list *list, const char *dir, bool deep, tempo_err *err)
{
    *list = (gguf_list){.dir = dir, .err = err};
    const tempo_status st = walk(list, "", deep ? MAX_LEVELS : 1);

    if (st != TEMPO_OK || list->n == 0)
        return st;
    if ((list->names = malloc(list->n * sizeof(*list->names))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of files");
    for (size_t i = 0; i < list->n; i++)
        list->names[i] = list->owned[i];
    list->left = tempo_gguf_models(list->names, list->n);
    return TEMPO_OK;
}

static void free_list(gguf_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->owned[i]);
    free(list->owned);
    free(list->names);
}

/* ---- which are models ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A later part of the model that `before` is a part of? */
static bool is_later_part(const char *before, const char *path)
{
    bool part, other;
    const size_t n = stem_of(path, &part), m = stem_of(before, &other);

    return part && other && n == m && memcmp(path, before, n) == 0;
}

size_t tempo_gguf_models(const char **names, size_t n)
{
    size_t left = 0;
    bool only_projectors = true;

    if (n == 0)
        return 0;
    qsort(names, n, sizeof(*names), compare); /* parts then lie side by side */
    for (size_t i = 0; i < n && only_projectors; i++)
        only_projectors = is_projector(names[i]);
    for (size_t i = 0; i < n; i++)
        if ((only_projectors || !is_projector(names[i])) &&
            (left == 0 || !is_later_part(names[left - 1], names[i])))
            names[left++] = names[i];
    return left;
}

/* ---- choosing ---- */

/* How surely s[n] has the tag: 3 as a word between . and -, 2 as the end of a word, 1 as its beginning, 0 not
 * at all. Letters and digits in front make another word of it: F16 is not in BF16.  */
static int tag_in(const char *s, size_t n, const char *tag)
{
    const size_t len = strlen(tag);
    int best = 0;

    for (size_t i = 0; i + len <= n; i++) {
        if (strncasecmp(s + i, tag, len) != 0 || (i > 0 && isalnum((unsigned char)s[i - 1])))
            continue;
        const bool begins = i == 0 || s[i - 1] != '_',
                   ends = i + len == n || (s[i + len] != '_' && !isalnum((unsigned char)s[i + len]));
        const int sure = !ends ? 1 : begins ? 3 : 2;
        best = sure > best ? sure : best;
    }
    return best;
}

/* In the file's name, else in its folders'. */
static int match(const char *path, const char *tag)
{
    bool part;
    const size_t stem = stem_of(path, &part), base = (size_t)(base_of(path) - path);
    const int sure = tag_in(path + base, stem - base, tag);

    return sure != 0 ? sure + 3 : tag_in(path, base, tag);
}

size_t tempo_gguf_tagged(const char **names, size_t n, const char *tag)
{
    size_t left = 0;
    int best = 0;

    for (size_t i = 0; i < n; i++) {
        const int m = match(names[i], tag);
        best = m > best ? m : best;
    }
    for (size_t i = 0; i < n && best > 0; i++)
        if (match(names[i], tag) == best)
            names[left++] = names[i];
    return left;
}

/* ---- for messages ---- */

/* How many of the tag's letters a word of the file's name begins with. */
static size_t likeness(const char *path, const char *tag)
{
    size_t best = 0;

    for (const char *s = base_of(path); *s != '\0'; s++) {
        size_t n = 0;
        if (s > path && isalnum((unsigned char)s[-1]))
            continue;
        while (tag[n] != '\0' && tolower((unsigned char)s[n]) == tolower((unsigned char)tag[n]))
            n++;
        best = n > best ? n : best;
    }
    return best;
}

/* Those that are most like the tag to the front, the others as they were: as many as a message holds. */
static void bring_likest(const char **names, size_t n, const char *tag)
{
    enum { FEW = 8 };

    for (size_t to = 0; to < n && to < FEW; to++) {
        size_t best = to;
        for (size_t i = to + 1; i < n; i++)
            if (likeness(names[i], tag) > likeness(names[best], tag))
                best = i;
        const char *likest = names[best];
        memmove(&names[to + 1], &names[to], (best - to) * sizeof(*names));
        names[to] = likest;
    }
}

void tempo_gguf_format(const char **names, size_t n, const char *tag, char *out, size_t cap)
{
    size_t used = 0;

    (void)snprintf(out, cap, "none");
    if (tag != NULL)
        bring_likest(names, n, tag);
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(names[i]);
        if (used + len + 20 > cap) {
            (void)snprintf(out + used, cap - used, used > 0 ? " and %zu more" : "%zu files", n - i);
            return;
        }
        used += (size_t)snprintf(out + used, cap - used, "%s%s", i > 0 ? ", " : "", names[i]);
    }
}

/* ---- choosing ---- */

static tempo_status refuse_choice(const tempo_want *want, gguf_list *list, bool chosen)
{
    const char *begin = want->whole != NULL ? "; fetch it with \"tempo pull " : "";
    char names[300];

    tempo_gguf_format(list->names, list->left, chosen ? NULL : want->tag, names,
                      want->whole != NULL ? 200 : sizeof(names));
    if (!chosen)
        return tempo_fail(list->err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "%s has no model \"%.40s\"; it has: %s%s%s%s", want->who, want->tag, names, begin,
                          want->whole != NULL ? want->whole : "", want->whole != NULL ? "\"" : "");
    return tempo_fail(list->err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s holds %zu models%s%.40s%s; add /FILE or :TAG to its name: %s", want->who,
                      list->left, want->tag != NULL ? " for \"" : "", want->tag != NULL ? want->tag : "",
                      want->tag != NULL ? "\"" : "", names);
}

tempo_status tempo_find_gguf(const tempo_want *want, const char *dir, char *out, size_t cap, tempo_err *err)
{
    gguf_list list;
    bool chosen = true;
    tempo_status st = make_list(&list, dir, want->deep, err);

    if (st != TEMPO_OK)
        goto out;
    if (want->tag != NULL) {
        const size_t tagged = tempo_gguf_tagged(list.names, list.left, want->tag);
        chosen = tagged > 0;
        list.left = chosen ? tagged : list.left;
    }
    st = list.left == 0             ? TEMPO_E_NOTFOUND
         : list.left == 1 && chosen ? tempo_path_format(out, cap, err, "%s/%s", dir, list.names[0])
                                    : refuse_choice(want, &list, chosen);
out:
    free_list(&list);
    return st;
}

void tempo_gguf_names(const char *dir, char *out, size_t cap)
{
    tempo_err ignored = {0};
    gguf_list list;

    (void)make_list(&list, dir, true, &ignored);
    tempo_gguf_format(list.names, list.left, NULL, out, cap);
    free_list(&list);
}
