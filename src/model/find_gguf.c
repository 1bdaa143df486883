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
    char **names; /* [n] paths below dir */
    size_t n, cap;
    tempo_err *err;
} gguf_list;

/* ---- names ---- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool is_gguf(const char *name)
{
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
        char **grown = cap <= MAX_FILES ? realloc(list->names, cap * sizeof(*grown)) : NULL;
        if (cap > MAX_FILES)
            return tempo_fail(list->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: holds more than %d models",
                              list->dir, MAX_FILES);
        if (grown == NULL)
            goto no_memory;
        list->names = grown;
        list->cap = cap;
    }
    if ((list->names[list->n] = strdup(path)) != NULL) {
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
            st = is_gguf(name) || is_gguf(e->d_name) ? add(list, name) : TEMPO_OK;
        else if (levels > 1 &&
                 (st = tempo_path_format(name, sizeof(name), list->err, "%s%s/", sub, e->d_name)) == TEMPO_OK)
            st = walk(list, name, levels - 1);
    }
    (void)closedir(d);
    return st;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop(gguf_list *list, size_t i)
{
    free(list->names[i]);
    memmove(&list->names[i], &list->names[i + 1], (list->n - i - 1) * sizeof(*list->names));
    list->n--;
}

/* The parts of a model after its first; projectors, where there is anything else. */
static void drop_no_models(gguf_list *list)
{
    size_t projectors = 0;

    for (size_t i = 0; i < list->n; i++)
        projectors += is_projector(list->names[i]);
    for (size_t i = list->n; i-- > 0 && projectors < list->n;) {
        if (is_projector(list->names[i])) {
            drop(list, i);
            projectors--;
        }
    }
    for (size_t i = list->n; i-- > 1;) { /* parts lie side by side, for the list is sorted */
        bool part, other;
        const size_t n = stem_of(list->names[i], &part), m = stem_of(list->names[i - 1], &other);
        if (part && other && n == m && memcmp(list->names[i], list->names[i - 1], n) == 0)
            drop(list, i);
    }
}

static tempo_status make_list(gguf_list *list, const char *dir, bool deep, tempo_err *err)
{
    *list = (gguf_list){.dir = dir, .err = err};
    const tempo_status st = walk(list, "", deep ? MAX_LEVELS : 1);

    if (st == TEMPO_OK && list->n > 0) {
        qsort(list->names, list->n, sizeof(*list->names), compare);
        drop_no_models(list);
    }
    return st;
}

static void free_list(gguf_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->names[i]);
    free(list->names);
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

/* Keep those that match the tag best; false when none does. */
static bool choose(gguf_list *list, const char *tag)
{
    int best = 0;

    for (size_t i = 0; i < list->n; i++) {
        const int m = match(list->names[i], tag);
        best = m > best ? m : best;
    }
    for (size_t i = list->n; i-- > 0 && best > 0;)
        if (match(list->names[i], tag) < best)
            drop(list, i);
    return best > 0;
}

/* "a.gguf, b.gguf and 3 more" */
static void format_names(const gguf_list *list, char *out, size_t cap)
{
    size_t used = 0;

    (void)snprintf(out, cap, "none");
    for (size_t i = 0; i < list->n; i++) {
        const size_t n = strlen(list->names[i]);
        if (used + n + 20 > cap) {
            (void)snprintf(out + used, cap - used, " and %zu more", list->n - i);
            return;
        }
        used += (size_t)snprintf(out + used, cap - used, "%s%s", i > 0 ? ", " : "", list->names[i]);
    }
}

tempo_status tempo_find_gguf(const tempo_want *want, const char *dir, char *out, size_t cap, tempo_err *err)
{
    gguf_list list;
    char names[300];
    tempo_status st = make_list(&list, dir, want->deep, err);

    if (st != TEMPO_OK)
        goto out;
    const size_t all = list.n;
    const bool chosen = want->tag == NULL || choose(&list, want->tag);
    format_names(&list, names, sizeof(names));
    if (all == 0)
        st = TEMPO_E_NOTFOUND;
    else if (list.n == 1 && chosen)
        st = tempo_path_format(out, cap, err, "%s/%s", dir, list.names[0]);
    else if (!chosen)
        st = tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s has no model \"%.40s\"; it has: %s",
                        want->who, want->tag, names);
    else
        st = tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                        "%s holds %zu models%s%.40s%s; add /FILE or :TAG to its name: %s", want->who, list.n,
                        want->tag != NULL ? " for \"" : "", want->tag != NULL ? want->tag : "",
                        want->tag != NULL ? "\"" : "", names);
out:
    free_list(&list);
    return st;
}

void tempo_gguf_names(const char *dir, char *out, size_t cap)
{
    tempo_err ignored = {0};
    gguf_list list;

    (void)make_list(&list, dir, true, &ignored);
    format_names(&list, out, cap);
    free_list(&list);
}
