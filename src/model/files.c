/* files.c - what a model owns besides its weights: names, vectors, the list of tensors; and how a model
 * that cannot run is refused.  */
#include "model/files.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"

void *tempo_files_alloc(tempo_loader *ld, size_t n)
{
    struct tempo_model_files *f = ld->f;
    void *p = NULL;

    if (f->n_owned == f->owned_cap) {
        const size_t cap = f->owned_cap != 0 ? 2 * f->owned_cap : 64;
        void **grown = realloc(f->owned, cap * sizeof(*grown));
        if (grown == NULL)
            goto fail;
        f->owned = grown;
        f->owned_cap = cap;
    }
    if ((p = malloc(n != 0 ? n : 1)) == NULL)
        goto fail;
    f->owned[f->n_owned++] = p;
    return p;
fail:
    (void)tempo_fail(ld->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu bytes", n);
    return NULL;
}

char *tempo_files_text(tempo_loader *ld, const char *p, size_t n)
{
    char *s = tempo_files_alloc(ld, n + 1);

    if (s == NULL)
        return NULL;
    tempo_utf8_shown(s, p, n);
    return s;
}

void tempo_files_free(struct tempo_model_files *f)
{
    if (f == NULL)
        return;
    tempo_panels_free(f);
    tempo_gguf_free(&f->gguf);
    for (size_t i = 0; i < f->n_parts; i++)
        tempo_gguf_free(&f->parts[i].gguf);
    for (size_t i = 0; i < f->n_shards; i++)
        tempo_safetensors_free(&f->shards[i]);
    for (size_t i = 0; i < f->n_owned; i++)
        free(f->owned[i]);
    free(f->owned);
    free(f);
}

static tempo_status check_map(const tempo_map *m, const char *path, tempo_err *err)
{
    const tempo_status st = tempo_map_check(m, err);
    const char *slash = strrchr(path, '/');

    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s", slash != NULL ? slash + 1 : path);
    return st;
}

tempo_status tempo_model_unchanged(const tempo_model *m, tempo_err *err)
{
    const struct tempo_model_files *f = m->files;
    tempo_status st = check_map(&f->gguf.map, f->path, err);

    for (size_t i = 0; i < f->n_parts && st == TEMPO_OK; i++)
        st = check_map(&f->parts[i].gguf.map, f->parts[i].path, err);
    for (size_t i = 0; i < f->n_shards && st == TEMPO_OK; i++)
        st = check_map(&f->shards[i].map, f->shard_paths[i], err);
    return st;
}

/* ---- finding tensors ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(tempo_tensor *const *)a)->name, (*(tempo_tensor *const *)b)->name);
}

tempo_status tempo_files_index(tempo_loader *ld)
{
    struct tempo_model_files *f = ld->f;

    if ((f->by_name = tempo_files_alloc(ld, f->n_tensors * sizeof(*f->by_name))) == NULL)
        return TEMPO_E_NOMEM;
    for (size_t i = 0; i < f->n_tensors; i++)
        f->by_name[i] = &f->tensors[i];
    qsort(f->by_name, f->n_tensors, sizeof(*f->by_name), compare_names);
    for (size_t i = 1; i < f->n_tensors; i++) {
        if (strcmp(f->by_name[i - 1]->name, f->by_name[i]->name) == 0)
            return tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_tensor_entry(f->by_name[i]),
                              "tensor %s is there twice", f->by_name[i]->name);
    }
    return TEMPO_OK;
}

static bool is_json_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

uint64_t tempo_key_offset(const unsigned char *text, uint64_t n, const char *key)
{
    const size_t len = strlen(key);
    const unsigned char *at = text, *const end = text + n;

    while (at < end && (at = memmem(at, (size_t)(end - at), key, len)) != NULL) {
        const unsigned char *after = at + len;
        if (at > text && at[-1] == '"' && after < end && *after == '"') {
            do
                after++;
            while (after < end && is_json_space(*after));
            if (after < end && *after == ':')
                return (uint64_t)(at - 1 - text);
        }
        at++;
    }
    return TEMPO_NO_OFFSET;
}

uint64_t tempo_tensor_entry(const tempo_tensor *t)
{
    const unsigned char *base = t->data - t->offset; /* a safetensors file: 8 bytes of length, JSON */
    uint64_t header = 0;

    if (t->info_at != TEMPO_NO_OFFSET)
        return t->info_at;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | base[i];
    const uint64_t at = tempo_key_offset(base + 8, header, t->name);
    return at != TEMPO_NO_OFFSET ? 8 + at : 8; /* not found: spelled with escapes */
}

tempo_tensor *tempo_files_find(const struct tempo_model_files *f, const char *name)
{
    size_t lo = 0, hi = f->n_tensors;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        tempo_tensor *t = f->by_name[mid];
        const int order = strcmp(name, t->name);
        if (order == 0)
            return t;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* ---- paths ---- */

bool tempo_path_exists(const char *path)
{
    struct stat sb;

    return lstat(path, &sb) == 0;
}

bool tempo_path_is_dir(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

tempo_status tempo_path_format(char *out, size_t cap, tempo_err *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const int n = vsnprintf(out, cap, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < cap)
        return TEMPO_OK;
    if (cap > 0)
        out[0] = '\0';
    return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "a path is longer than %zu bytes", cap);
}

/* ---- refusing ---- */

tempo_status tempo_soften(tempo_loader *ld, tempo_status st)
{
    if (ld->load != TEMPO_LOAD_FACTS ||
        (st != TEMPO_E_UNSUPPORTED && st != TEMPO_E_NOTFOUND && st != TEMPO_E_LIMIT))
        return st;
    if (ld->f->unsupported[0] == '\0')
        memcpy(ld->f->unsupported, ld->err->msg, sizeof(ld->f->unsupported));
    *ld->err = (tempo_err){0};
    return TEMPO_OK;
}

tempo_status tempo_refuse(tempo_loader *ld, tempo_status code, uint64_t at, const char *fmt, ...)
{
    char msg[sizeof(ld->err->msg)];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    return tempo_soften(ld, tempo_fail(ld->err, code, at, "%s", msg));
}
