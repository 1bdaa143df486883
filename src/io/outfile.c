/* outfile.c - files that appear complete or not at all: a temporary file beside the target, fsync, rename,
 * fsync of the directory.  Source: rename(2), fsync(2); what has to be synced, and in which order. */
#include "io/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 1 << 16,
    MAX_WRITE = 1 << 30,    /* a system call may not take more than fits a signed 32-bit number */
    STREAM_BYTES = 4 << 20, /* written to a stream between two pieces of advice */
    TEMP_ATTEMPTS = 100,    /* names to try before giving up */
    TEMP_SUFFIX_BYTES = 6,  /* random letters */
};

struct tempo_outfile {
    char *path;       /* as the caller wrote it, for messages */
    char *target;     /* what is replaced: the file behind a symbolic link.  NULL when written in place */
    char *temp;       /* NULL when written in place, or when there is nothing to remove any more */
    int fd, held;     /* held: the same file from close to rename, or -1 */
    tempo_err failed; /* the first failure */
    uint64_t pos;     /* bytes accepted */
    bool stream;      /* see tempo_outfile_stream */
    uint64_t written; /* given to the system */
    uint64_t pushed;  /* of a stream: sent to the disk */
    size_t used;      /* of the buffer */
    unsigned char buffer[BUFFER_BYTES];
};

/* ---- opening ------------------------------------------------------------------------- */

/* Replace the X's at the end of a name. */
static int random_suffix(char *x)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345"; /* 32: no letter is favoured */
    unsigned char r[TEMP_SUFFIX_BYTES];

    if (getentropy(r, sizeof(r)) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(r); i++)
        x[i] = letters[r[i] % 32];
    return 0;
}

/* Create the temporary file; open(2) itself applies the umask, which cannot be read without changing it. */
static int open_temp(tempo_outfile *f, mode_t mode)
{
    const size_t cap = strlen(f->target) + sizeof(".tmp.XXXXXX");

    if ((f->temp = malloc(cap)) == NULL) {
        errno = ENOMEM;
        return -1;
    }
    (void)snprintf(f->temp, cap, "%s.tmp.XXXXXX", f->target);
    for (int i = 0; i < TEMP_ATTEMPTS; i++) {
        if (random_suffix(f->temp + cap - 1 - TEMP_SUFFIX_BYTES) != 0)
            break;
        f->fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (f->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    const int why = errno;
    free(f->temp);
    f->temp = NULL; /* nothing of ours to remove */
    errno = why;
    return -1;
}

static tempo_status no_memory(const char *path, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory to write it", path);
}

static tempo_status open_beside(tempo_outfile *f, const struct stat *old, tempo_err *err)
{
    /* Never wider than the file that it replaces, not even for a moment. */
    const mode_t mode = old != NULL ? old->st_mode & 0777 : 0666;

    f->target = old != NULL ? realpath(f->path, NULL) : strdup(f->path);
    if (f->target == NULL)
        return errno == ENOMEM ? no_memory(f->path, err)
                               : tempo_fail_os(err, errno, "%s: cannot be resolved", f->path);
    if (open_temp(f, mode) != 0)
        return errno == ENOMEM
                   ? no_memory(f->path, err)
                   : tempo_fail_os(err, errno, "%s: cannot create a temporary file beside it", f->path);
    if (old != NULL)
        (void)fchmod(f->fd, mode); /* some file systems have no modes */
    return TEMPO_OK;
}

static tempo_status open_missing(tempo_outfile *f, tempo_err *err)
{
    struct stat link;

    if (f->path[0] == '\0')
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "the name of the file to write is empty");
    if (lstat(f->path, &link) == 0)
        return tempo_fail_os(err, ENOENT, "%s: is a symbolic link to a file that does not exist", f->path);
    return open_beside(f, NULL, err);
}

static tempo_status open_outfile(tempo_outfile *f, tempo_err *err)
{
    struct stat st;

    if (stat(f->path, &st) != 0 && errno == ENOENT)
        return open_missing(f, err);
    if (stat(f->path, &st) != 0)
        return tempo_fail_os(err, errno, "%s: cannot be written", f->path);
    if (S_ISREG(st.st_mode)) {
        /* A rename would get past a file's write protection. */
        if (faccessat(AT_FDCWD, f->path, W_OK, AT_EACCESS) != 0)
            return tempo_fail_os(err, errno, "%s: cannot be written", f->path);
        return open_beside(f, &st, err);
    }
    f->fd = open(f->path, O_WRONLY | O_CLOEXEC | O_NOCTTY); /* fails for a directory */
    if (f->fd < 0)
        return tempo_fail_os(err, errno, "%s: cannot be written", f->path);
    return TEMPO_OK;
}

tempo_status tempo_outfile_create(tempo_outfile **out, const char *path, tempo_err *err)
{
    tempo_outfile *f = malloc(sizeof(*f));
    tempo_status st;

    *out = NULL;
    if (f == NULL)
        return no_memory(path, err);
    memset(f, 0, offsetof(tempo_outfile, buffer));
    f->fd = f->held = -1;
    if ((f->path = strdup(path)) == NULL)
        st = no_memory(path, err);
    else
        st = open_outfile(f, err);
    if (st != TEMPO_OK) {
        tempo_outfile_abort(f);
        return st;
    }
    *out = f;
    return TEMPO_OK;
}

/* ---- writing ------------------------------------------------------------------------- */

static tempo_status repeat_failure(const tempo_outfile *f, tempo_err *err)
{
    if (err != NULL && err->code == TEMPO_OK)
        *err = f->failed;
    return f->failed.code;
}

static tempo_status fail(tempo_outfile *f, const char *what, tempo_err *err)
{
    (void)tempo_fail_os(&f->failed, errno, "%s: %s", f->path, what);
    return repeat_failure(f, err);
}

/* Start writing the newest bytes to the disk; those before them are there by now, and leave the cache. */
static void advise(tempo_outfile *f, size_t n)
{
    f->written += n;
#if defined(__linux__)
    if (!f->stream || f->written - f->pushed < STREAM_BYTES)
        return;
    (void)sync_file_range(f->fd, (off_t)f->pushed, (off_t)(f->written - f->pushed), SYNC_FILE_RANGE_WRITE);
    /* All that was: a slow disk may not have had some of it the last time.  A length of 0 would mean the end.
     */
    if (f->pushed > 0)
        (void)posix_fadvise(f->fd, 0, (off_t)f->pushed, POSIX_FADV_DONTNEED);
    f->pushed = f->written;
#endif
}

static tempo_status write_out(tempo_outfile *f, const unsigned char *p, size_t n, tempo_err *err)
{
    while (n > 0) {
        const ssize_t done = write(f->fd, p, n < MAX_WRITE ? n : MAX_WRITE);
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0) /* a device that takes nothing and says nothing */
            errno = EIO;
        if (done <= 0)
            return fail(f, "cannot be written", err);
        p += done;
        n -= (size_t)done;
        advise(f, (size_t)done);
    }
    return TEMPO_OK;
}

static tempo_status flush(tempo_outfile *f, tempo_err *err)
{
    const size_t n = f->used;

    f->used = 0;
    return write_out(f, f->buffer, n, err);
}

tempo_status tempo_outfile_write(tempo_outfile *f, const void *p, size_t n, tempo_err *err)
{
    tempo_status st;

    if (f->failed.code != TEMPO_OK)
        return repeat_failure(f, err);
    if (n > BUFFER_BYTES - f->used && (st = flush(f, err)) != TEMPO_OK)
        return st;
    if (n >= BUFFER_BYTES) {
        if ((st = write_out(f, p, n, err)) != TEMPO_OK)
            return st;
    } else if (n > 0) { /* p may be NULL when there is nothing at it */
        memcpy(f->buffer + f->used, p, n);
        f->used += n;
    }
    f->pos += n;
    return TEMPO_OK;
}

void tempo_outfile_stream(tempo_outfile *f)
{
    f->stream = f->temp != NULL; /* a device has no cache to speak of */
}

tempo_status tempo_outfile_patch(tempo_outfile *f, uint64_t at, const void *p, size_t n, tempo_err *err)
{
    const unsigned char *from = p;
    tempo_status st;

    if (f->failed.code != TEMPO_OK)
        return repeat_failure(f, err);
    if (at > f->pos || n > f->pos - at)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s: %zu bytes at %" PRIu64 " are not there to patch: it has %" PRIu64, f->path, n,
                          at, f->pos);
    if (f->temp == NULL)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "%s: is no regular file: what was written cannot be changed", f->path);
    if ((st = flush(f, err)) != TEMPO_OK)
        return st;
    while (n > 0) {
        const ssize_t done = pwrite(f->fd, from, n < MAX_WRITE ? n : MAX_WRITE, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0)
            errno = EIO;
        if (done <= 0)
            return fail(f, "cannot be written", err);
        from += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return TEMPO_OK;
}

uint64_t tempo_outfile_pos(const tempo_outfile *f)
{
    return f->pos;
}

/* ---- finishing ----------------------------------------------------------------------- */

/* 0, or -1 with errno; what has no notion of syncing (a pipe, /dev/null) counts as synced. */
static int sync_fd(int fd)
{
    if (fsync(fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP)
        return 0;
    return -1;
}

/* Make the rename itself last; cuts target down to its directory.  A directory that may not be read cannot
 * be synced, and is left at that. */
static int sync_directory(char *target)
{
    char *slash = strrchr(target, '/');

    if (slash != NULL)
        slash[slash == target] = '\0'; /* "/" stays */
    const int fd = open(slash != NULL ? target : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const int rc = sync_fd(fd), why = errno;
    (void)close(fd);
    errno = why;
    return rc;
}

static tempo_status finish(tempo_outfile *f, tempo_err *err)
{
    tempo_status st;

    if (f->failed.code != TEMPO_OK)
        return repeat_failure(f, err);
    if ((st = flush(f, err)) != TEMPO_OK)
        return st;
    if (sync_fd(f->fd) != 0)
        return fail(f, "cannot be written to the disk", err);
    /* To the end a file of this name is open: so it can be found when a signal ends the process
     * (cli/unfinished.c). */
    f->held = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    const int rc = close(f->fd);
    f->fd = -1; /* whatever close says, it is closed */
    if (rc != 0)
        return fail(f, "cannot be closed", err);
    if (f->temp == NULL)
        return TEMPO_OK;
    if (rename(f->temp, f->target) != 0)
        return fail(f, "cannot be put in its place", err);
    free(f->temp);
    f->temp = NULL;
    if (sync_directory(f->target) != 0)
        return fail(f, "its directory cannot be written to the disk", err);
    return TEMPO_OK;
}

tempo_status tempo_outfile_commit(tempo_outfile *f, tempo_err *err)
{
    const tempo_status st = finish(f, err);

    tempo_outfile_abort(f);
    return st;
}

void tempo_outfile_abort(tempo_outfile *f)
{
    if (f == NULL)
        return;
    if (f->temp != NULL)
        (void)unlink(f->temp);
    if (f->fd >= 0)
        (void)close(f->fd);
    if (f->held >= 0)
        (void)close(f->held);
    free(f->temp);
    free(f->target);
    free(f->path);
    free(f);
}

/* ---- directories ---------------------------------------------------------------------- */

tempo_status tempo_path_join(char *path, size_t cap, const char *dir, const char *name, tempo_err *err)
{
    const int n = snprintf(path, cap, "%s/%s", dir, name);

    return n >= 0 && (size_t)n < cap
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s/%s: the path is too long", dir, name);
}

tempo_status tempo_make_directory(const char *path, tempo_err *err)
{
    char *copy = strdup(path);
    tempo_status st = TEMPO_OK;
    struct stat info;

    if (copy == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
    for (char *p = copy + 1; copy[0] != '\0' && st == TEMPO_OK; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        const char end = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && (errno != EEXIST || stat(copy, &info) != 0 || !S_ISDIR(info.st_mode)))
            st = tempo_fail_os(err, errno, "%s: cannot be made a directory", copy);
        *p = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return st;
}
