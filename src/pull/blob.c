#include "pull/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "files/hash.h"
#include "model/hub.h"

/* A blob that is being fetched; whoever makes one holds its lock. */
typedef struct fetch {
    tempo_hub *h;
    const tempo_blob_place *at;
    const tempo_hub_file *f;
    int fd;
    char path[PATH_MAX]; /* of the beginning */
    tempo_web_request r; /* r.from: bytes that are there */
    bool pieced;         /* what is there came in several pieces, of which one may be none of this file */
    tempo_blob_progress progress;
    void *user;
} fetch;

/* ---- what is there ---- */

static uint64_t size_of(const tempo_blob_place *at, const tempo_hub_file *f, const char *suffix)
{
    char path[PATH_MAX];
    struct stat s;

    return tempo_blob_path(at, f, suffix, path, NULL) == TEMPO_OK && stat(path, &s) == 0 && S_ISREG(s.st_mode)
               ? (uint64_t)s.st_size
               : UINT64_MAX;
}

uint64_t tempo_blob_there(const tempo_blob_place *at, const tempo_hub_file *f)
{
    const uint64_t begun = size_of(at, f, ".incomplete");

    if (size_of(at, f, "") == f->size)
        return f->size;
    return begun <= f->size ? begun : 0; /* UINT64_MAX: none */
}

/* ---- bytes ---- */

static tempo_status fail_write(const fetch *x, int why, tempo_err *err)
{
    return tempo_fail_os(
        err, why, "%s: cannot be written to %.200s (what is there stays: the same pull goes on behind it)",
        x->f->name, x->at->cache);
}

static tempo_status write_at(const fetch *x, const char *p, size_t n, uint64_t at, tempo_err *err)
{
    while (n > 0) {
        const ssize_t k = pwrite(x->fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return fail_write(x, k < 0 ? errno : EIO, err);
        p += k;
        n -= (size_t)k;
        at += (uint64_t)k;
    }
    return TEMPO_OK;
}

/* The first bytes of an answer: whole or from where it was asked for, and of the right file. */
static tempo_status begin_answer(fetch *x, const tempo_web_answer *a, tempo_err *err)
{
    const tempo_hub_file *f = x->f;
    const bool part = a->status == 206;
    const uint64_t length = part || a->length == UINT64_MAX ? UINT64_MAX : a->length;
    tempo_status st = tempo_hub_check(f, x->at->commit, a, err);

    if (st != TEMPO_OK)
        return st;
    if (part && (a->from != x->r.from || (a->total != UINT64_MAX && a->total != f->size)))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: asked for bytes from %" PRIu64 " of %" PRIu64 ", the answer is from %" PRIu64
                          " of %" PRIu64,
                          f->name, x->r.from, f->size, a->from, a->total);
    if (length != UINT64_MAX && length != f->size)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: the answer has %" PRIu64 " bytes, the file %" PRIu64, f->name, length,
                          f->size);
    if (!part) /* all of it, even where a range was asked for: over what is there */
        x->r.from = 0;
    x->pieced = part;
    return TEMPO_OK;
}

static tempo_status take(void *user, const tempo_web_answer *a, uint64_t at, const void *p, size_t n,
                         tempo_err *err)
{
    fetch *x = user;
    tempo_status st = at == 0 ? begin_answer(x, a, err) : TEMPO_OK;

    if (st != TEMPO_OK)
        return st;
    if (n > x->f->size - x->r.from)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "%s: more than the %" PRIu64 " bytes that it has come", x->f->name, x->f->size);
    if ((st = write_at(x, p, n, x->r.from, err)) != TEMPO_OK)
        return st;
    x->r.from += n;
    x->progress(x->user, x->r.from, false);
    return TEMPO_OK;
}

static bool is_complete(void *user)
{
    const fetch *x = user;

    return x->r.from == x->f->size;
}

static tempo_status empty(fetch *x, tempo_err *err)
{
    x->r.from = 0;
    x->pieced = false;
    return ftruncate(x->fd, 0) == 0 ? TEMPO_OK : tempo_fail_os(err, errno, "%s: cannot be emptied", x->path);
}

static tempo_status open_beginning(fetch *x, tempo_err *err)
{
    struct stat s;
    tempo_status st = tempo_blob_path(x->at, x->f, ".incomplete", x->path, err);

    if (st != TEMPO_OK || (st = tempo_make_parents(x->path, err)) != TEMPO_OK)
        return st;
    x->fd = open(x->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (x->fd < 0 || fstat(x->fd, &s) != 0)
        return tempo_fail_os(err, errno, "%s: cannot be opened", x->path);
    x->r.from = (uint64_t)s.st_size;
    x->pieced = true;
    return x->r.from > x->f->size ? empty(x, err) : TEMPO_OK;
}

static tempo_status check_room(const fetch *x, tempo_err *err)
{
    struct statvfs s;

    if (fstatvfs(x->fd, &s) != 0 || s.f_blocks == 0) /* not known */
        return TEMPO_OK;
    const uint64_t need = x->f->size - x->r.from, unit = s.f_frsize != 0 ? s.f_frsize : 1;
    return need / unit <= s.f_bavail
               ? TEMPO_OK
               : tempo_fail_os(err, ENOSPC,
                               "%s: %" PRIu64 " MiB are missing of it, in %.200s are %" PRIu64 " free",
                               x->f->name, need >> 20, x->at->cache, s.f_bavail * unit >> 20);
}

static tempo_status fetch_rest(fetch *x, tempo_err *err)
{
    char url[TEMPO_WEB_MAX_URL];
    tempo_web_answer a = {0};
    tempo_err local = {0};
    tempo_status st;

    if (is_complete(x))
        return TEMPO_OK;
    if ((st = check_room(x, err)) != TEMPO_OK ||
        (st = tempo_hub_file_url(x->h, x->at->commit, x->f->name, url, err)) != TEMPO_OK)
        return st;
    x->r.url = url;
    x->r.of = x->f->name;
    x->r.take = take;
    x->r.take_user = x;
    st = tempo_hub_ask(x->h, &x->r, is_complete, &a, &local);
    if (st != TEMPO_OK && a.status == 416 && x->r.from > 0) { /* what is there is not a beginning of it */
        local = (tempo_err){0};
        if ((st = empty(x, &local)) == TEMPO_OK)
            st = tempo_hub_ask(x->h, &x->r, is_complete, &a, &local);
    }
    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
        *err = local;
    return st;
}

/* ---- verifying ---- */

static bool show_hashing(void *user, uint64_t done, uint64_t total)
{
    const fetch *x = user;

    (void)total;
    x->progress(x->user, done, true);
    return tempo_hub_goes_on(x->h);
}

static tempo_status check_hash(fetch *x, bool *equal, tempo_err *err)
{
    char hash[TEMPO_HASH_CHARS];
    const bool git = strlen(x->f->hash) == 40;
    const tempo_status st = git ? tempo_hash_git_blob(x->path, hash, show_hashing, x, err)
                                : tempo_hash_path(x->path, hash, show_hashing, x, err);

    *equal = st == TEMPO_OK && strcmp(hash, x->f->hash) == 0;
    return st;
}

/* Until the hash is right.  What an earlier process has left may be wrong: then once more, from its
 * beginning. */
static tempo_status fetch_and_verify(fetch *x, tempo_err *err)
{
    bool equal = false;

    for (unsigned round = 0;; round++) {
        tempo_status st = fetch_rest(x, err);
        if (st != TEMPO_OK || (st = check_hash(x, &equal, err)) != TEMPO_OK || equal)
            return st;
        if (!x->pieced || round == 1)
            break;
        tempo_hub_say(x->h, "%s: its pieces are not what the hub has; fetching all of it anew", x->f->name);
        if ((st = empty(x, err)) != TEMPO_OK)
            return st;
    }
    (void)unlink(x->path);
    return tempo_fail(
        err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
        "%s: what came has not the hash that the hub says (%s): it was damaged on the way, and is removed",
        x->f->name, x->f->hash);
}

/* The blob gets its name when its bytes are on the disk. */
static tempo_status give_name(const fetch *x, tempo_err *err)
{
    char path[PATH_MAX], dir[PATH_MAX];
    tempo_status st;

    if ((st = tempo_blob_path(x->at, x->f, "", path, err)) != TEMPO_OK ||
        (st = tempo_path_format(dir, sizeof(dir), err, "%s/blobs", x->at->repo)) != TEMPO_OK)
        return st;
    if (fsync(x->fd) != 0)
        return fail_write(x, errno, err);
    if (rename(x->path, path) != 0)
        return tempo_fail_os(err, errno, "%s: cannot be renamed to %s", x->path, path);
    const int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d >= 0) {
        (void)fsync(d); /* some file systems cannot */
        (void)close(d);
    }
    return TEMPO_OK;
}

tempo_status tempo_blob_fetch(tempo_hub *h, const tempo_blob_place *at, const tempo_hub_file *f,
                              tempo_blob_progress progress, void *user, tempo_err *err)
{
    fetch x = {.h = h, .at = at, .f = f, .fd = -1, .progress = progress, .user = user};
    int lock = -1;
    tempo_status st;

    if (size_of(at, f, "") == f->size)
        return tempo_blob_link(at, f, err);
    if ((st = tempo_blob_lock(h, at, f, &lock, err)) != TEMPO_OK)
        return st;
    if (size_of(at, f, "") != f->size && /* nobody has fetched it while we waited */
        ((st = open_beginning(&x, err)) != TEMPO_OK || (st = fetch_and_verify(&x, err)) != TEMPO_OK ||
         (st = give_name(&x, err)) != TEMPO_OK))
        goto out;
    st = tempo_blob_link(at, f, err);
out:
    if (x.fd >= 0)
        (void)close(x.fd);
    if (lock >= 0)
        (void)close(lock);
    return st;
}
