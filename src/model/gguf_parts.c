/* gguf_parts.c - models in several GGUF files, NAME-00001-of-00003.gguf and so on: the first has the
 * metadata, each says which part it is.  Source: llama.cpp's gguf-split (keys split.no, split.count,
 * split.tensors.count).  */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/files.h"

enum { MAX_PARTS = 4096 };

/* What a file says of itself: number `no` (from 0) of `count`; count 0 where it says nothing. */
typedef struct split {
    uint64_t no, count;
    uint64_t at; /* of split.count */
} split;

static tempo_status read_split(const tempo_gguf *g, split *s, tempo_err *err)
{
    tempo_status st;

    *s = (split){0};
    st = tempo_gguf_u64(g, "split.count", UINT64_MAX, &s->count, err);
    if (st == TEMPO_OK) {
        s->at = tempo_gguf_find(g, "split.count")->at;
        st = tempo_gguf_u64(g, "split.no", UINT64_MAX, &s->no, err);
    }
    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    if (s->count != 0 && s->no >= s->count)
        return tempo_fail(err, TEMPO_E_FORMAT, s->at, "split.no is %" PRIu64 ", split.count %" PRIu64, s->no,
                          s->count);
    return TEMPO_OK;
}

/* The path of part i, beside the one that was named. */
static char *part_path(tempo_loader *ld, const char *path, size_t stem, size_t i, size_t count)
{
    char out[PATH_MAX];

    if (tempo_path_format(out, sizeof(out), ld->err, "%.*s-%05zu-of-%05zu.gguf", (int)stem, path, i + 1,
                          count) != TEMPO_OK)
        return NULL;
    char *copy = tempo_files_alloc(ld, strlen(out) + 1);
    if (copy != NULL)
        memcpy(copy, out, strlen(out) + 1);
    return copy;
}

/* Part i -> *out; *found false when it is not there, which was refused. */
static tempo_status open_part(tempo_loader *ld, tempo_part *out, const split *of, size_t i, bool *found)
{
    split own;
    tempo_status st;

    *found = tempo_path_exists(out->path);
    if (!*found)
        return tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "part %zu of %" PRIu64 " is missing: %s",
                            i + 1, of->count, out->path);
    if ((st = tempo_gguf_open(&out->gguf, out->path, ld->err)) != TEMPO_OK)
        return st;
    if ((st = read_split(&out->gguf, &own, ld->err)) == TEMPO_OK && (own.count != of->count || own.no != i))
        st = own.count == 0 ? tempo_fail(ld->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                                         "says nothing of being part %zu of %" PRIu64, i + 1, of->count)
                            : tempo_fail(ld->err, TEMPO_E_FORMAT, own.at,
                                         "says that it is part %" PRIu64 " of %" PRIu64
                                         ", expected part %zu of %" PRIu64,
                                         own.no + 1, own.count, i + 1, of->count);
    if (st != TEMPO_OK) {
        tempo_err_prefix(ld->err, "%s", out->path);
        tempo_gguf_free(&out->gguf);
    }
    return st;
}

/* All parts but the one that was named, which is open as f->gguf; a tokenizer is in the first. */
static tempo_status open_others(tempo_loader *ld, const split *named, size_t stem, bool *complete)
{
    struct tempo_model_files *f = ld->f;
    const size_t n = ld->load == TEMPO_LOAD_TOKENIZER ? 1 : (size_t)named->count;
    bool found = false, first = false;

    if ((f->parts = tempo_files_alloc(ld, n * sizeof(*f->parts))) == NULL)
        return TEMPO_E_NOMEM;
    *complete = true;
    for (size_t i = 0; i < n; i++) {
        if (i == named->no)
            continue;
        tempo_part part = {.path = part_path(ld, f->path, stem, i, (size_t)named->count)};
        const tempo_status st = part.path != NULL ? open_part(ld, &part, named, i, &found) : ld->err->code;
        if (st != TEMPO_OK)
            return st;
        if (found)
            f->parts[f->n_parts++] = part;
        first |= found && i == 0;
        *complete &= found;
    }
    if (first) {
        const tempo_part part = f->parts[0];
        f->parts[0] = (tempo_part){f->gguf, f->path};
        f->gguf = part.gguf;
        f->path = part.path;
    }
    return TEMPO_OK;
}

static tempo_status check_count(tempo_loader *ld)
{
    const struct tempo_model_files *f = ld->f;
    uint64_t says = 0, n = f->gguf.n_tensors;
    const tempo_status st = tempo_gguf_u64(&f->gguf, "split.tensors.count", UINT64_MAX, &says, ld->err);

    for (size_t i = 0; i < f->n_parts; i++)
        n += f->parts[i].gguf.n_tensors;
    if (st == TEMPO_E_NOTFOUND || (st == TEMPO_OK && says == n))
        return TEMPO_OK;
    return st != TEMPO_OK
               ? st
               : tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_gguf_find(&f->gguf, "split.tensors.count")->at,
                            "split.tensors.count is %" PRIu64 ", the parts have %" PRIu64 " tensors", says,
                            n);
}

tempo_status tempo_gguf_open_parts(tempo_loader *ld)
{
    struct tempo_model_files *f = ld->f;
    unsigned no, count;
    bool complete = false;
    split s;
    tempo_status st = tempo_gguf_open(&f->gguf, f->path, ld->err);

    if (st != TEMPO_OK || (st = read_split(&f->gguf, &s, ld->err)) != TEMPO_OK || s.count <= 1)
        return st;
    if (s.count > MAX_PARTS)
        return tempo_refuse(ld, TEMPO_E_LIMIT, s.at, "split.count is %" PRIu64 ", the limit is %d", s.count,
                            MAX_PARTS);
    const size_t stem = tempo_gguf_part_name(f->path, &no, &count);
    if (stem == 0 || no != s.no + 1 || count != s.count)
        return tempo_refuse(ld, TEMPO_E_NOTFOUND, s.at,
                            "this is part %" PRIu64 " of %" PRIu64 ", whose name should end in -%05" PRIu64
                            "-of-%05" PRIu64 ".gguf: the others cannot be found",
                            s.no + 1, s.count, s.no + 1, s.count);
    if ((st = open_others(ld, &s, stem, &complete)) != TEMPO_OK)
        return st;
    return complete && ld->load != TEMPO_LOAD_TOKENIZER ? check_count(ld) : TEMPO_OK;
}
