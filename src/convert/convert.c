/* convert.c - see convert.h: tempo_convert from end to end. */
#include "convert/convert.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/options.h"

TEMPO_OPTIONS(tempo_convert_options, .type = "Q8_0")

/* ---- before anything is written ---- */

static tempo_status open_source(tempo_conversion *c, const char *path)
{
    tempo_status st = tempo_model_outline(&c->ld, path, &c->outline, c->err);

    if (st != TEMPO_OK)
        return st;
    if (!c->ld.f->is_gguf && c->ld.f->unsupported[0] != '\0')
        return tempo_fail(c->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "%s: %s", path, c->ld.f->unsupported);
    if (!c->ld.f->is_gguf && (c->ld.facts.arch == NULL || c->ld.facts.arch->gguf == NULL))
        return tempo_fail(c->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "%s: GGUF has no architecture for a model of type %s", path, c->ld.f->architecture);
    if (c->ld.f->is_gguf && c->ld.f->n_tensors == 0)
        return tempo_fail(c->err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: holds no tensors", path);
    return TEMPO_OK;
}

static void tell(const tempo_conversion *c)
{
    for (size_t i = 0; i < c->n && c->opt->tensor != NULL; i++) {
        const tempo_target *t = &c->targets[i];
        tempo_converted told = {.name = t->name,
                                .from = tempo_dtype_get(t->from)->name,
                                .to = tempo_dtype_get(t->type)->name,
                                .wanted = t->wanted != t->type ? tempo_dtype_get(t->wanted)->name : NULL,
                                .n_dims = t->n_dims,
                                .bytes = t->bytes};
        memcpy(told.dims, t->dims, sizeof(told.dims));
        c->opt->tensor(c->opt->user, &told);
    }
}

static tempo_status plan(tempo_conversion *c, const char *path)
{
    tempo_status st;

    if ((st = open_source(c, path)) != TEMPO_OK || (st = tempo_targets_make(c)) != TEMPO_OK ||
        (st = tempo_mix_apply(c)) != TEMPO_OK || (st = tempo_metadata_put(c)) != TEMPO_OK ||
        (!c->ld.f->is_gguf && (st = tempo_metadata_check(c)) != TEMPO_OK))
        return st;
    for (size_t i = 0; i < c->n; i++) {
        tempo_target *t = &c->targets[i];
        t->bytes = tempo_gguf_put_tensor(&c->w, t->name, t->type, t->n_dims, t->dims);
        c->total += t->bytes;
    }
    return TEMPO_OK;
}

/* ---- the file ---- */

static tempo_status check_place(const tempo_conversion *c, const char *path)
{
    if (tempo_path_exists(path) && tempo_path_is_dir(path))
        return tempo_fail_field(c->err, TEMPO_E_ARG, "path", "%s is a directory, expected a file to write",
                                path);
    if (tempo_path_exists(path) && !c->opt->force)
        return tempo_fail_field(c->err, TEMPO_E_ARG, "path", "%s is there already (--force replaces it)",
                                path);
    return TEMPO_OK;
}

/* Better now than after an hour.  Where the system does not say, writing will. */
static tempo_status check_room(const tempo_conversion *c, const char *path)
{
    const uint64_t needed = c->w.data_bytes + c->w.kv.n + c->w.table.n;
    char folder[PATH_MAX];
    struct statvfs disk;
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);

    if (n >= sizeof(folder))
        return TEMPO_OK;
    memcpy(folder, n > 0 ? path : ".", n > 0 ? n : 1);
    folder[n > 0 ? n : 1] = '\0';
    if (statvfs(folder, &disk) != 0 || disk.f_blocks == 0)
        return TEMPO_OK;
    const uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    return needed <= room ? TEMPO_OK
                          : tempo_fail(c->err, TEMPO_E_IO, TEMPO_NO_OFFSET,
                                       "%s: %" PRIu64 " bytes are needed, %" PRIu64 " are free there", path,
                                       needed, room);
}

static tempo_status write_file(tempo_conversion *c, const char *path)
{
    tempo_outfile *f;
    tempo_status st = check_room(c, path);

    if (st != TEMPO_OK || (st = tempo_outfile_create(&f, path, c->err)) != TEMPO_OK)
        return st;
    tempo_outfile_stream(f);
    if ((st = tempo_gguf_begin(&c->w, f, c->err)) == TEMPO_OK && (st = tempo_targets_write(c, f)) == TEMPO_OK)
        st = tempo_model_unchanged(c->ld.m, c->err);
    if (st == TEMPO_OK)
        return tempo_outfile_commit(f, c->err);
    tempo_outfile_abort(f);
    return st;
}

static tempo_status convert(tempo_conversion *c, const char *name, const char *path)
{
    char from[PATH_MAX];
    tempo_status st;

    if ((st = tempo_mix_find(c->opt->type != NULL ? c->opt->type : tempo_convert_options_defaults.type,
                             &c->mix, c->err)) != TEMPO_OK ||
        (st = tempo_model_find(name, from, sizeof(from), c->err)) != TEMPO_OK)
        return st;
    if (!c->opt->dry_run && (st = check_place(c, path)) != TEMPO_OK)
        return st;
    if ((st = plan(c, from)) != TEMPO_OK)
        return st;
    tell(c);
    return c->opt->dry_run ? TEMPO_OK : write_file(c, path);
}

tempo_status tempo_convert(const char *name, const char *path, const tempo_convert_options *o, tempo_err *err)
{
    tempo_convert_options complete;
    tempo_err local = {0};
    tempo_conversion c = {.opt = &complete, .err = &local};
    tempo_status st = tempo_options_take(&tempo_convert_options_kind, &complete, o, err);

    if (st != TEMPO_OK)
        return st;
    st = convert(&c, name, path);
    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
        *err = local;
    tempo_gguf_writer_free(&c.w);
    free(c.long_or_llama3);
    free(c.pieces);
    free(c.targets);
    free(c.outline.pieces);
    tempo_model_free(c.ld.m);
    return st;
}
