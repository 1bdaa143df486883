/* map.c - a file as read-only memory, through mmap. */
#include "io/map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static tempo_status map_fd(tempo_map *out, int fd, const char *path, tempo_err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return tempo_fail_os(err, errno, "%s: cannot be examined", path);
    if (S_ISDIR(st.st_mode))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: is a directory, not a file", path);
    if (!S_ISREG(st.st_mode))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: is not a regular file", path);
    if (st.st_size == 0)
        return tempo_fail(err, TEMPO_E_FORMAT, 0, "%s: is empty", path);
    if ((uintmax_t)st.st_size > SIZE_MAX)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: is larger than the address space", path);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return tempo_fail_os(err, errno, "%s: cannot be mapped", path);
    *out = (tempo_map){p, (uint64_t)st.st_size, fd, st.st_mtim};
    return TEMPO_OK;
}

/* A repository that was cloned without git-lfs has such texts in the place of its large files.  Source: the
 * specification of Git LFS.  */
static tempo_status check_pointer(const tempo_map *m, const char *path, tempo_err *err)
{
    static const char head[] = "version https://git-lfs.github.com/spec/";

    if (m->n > 1024 || m->n < sizeof(head) || memcmp(m->p, head, sizeof(head) - 1) != 0)
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_FORMAT, 0,
                      "%s: is a Git LFS pointer, not the file itself: fetch that with \"git lfs pull\"",
                      path);
}

/* Nothing is where path points; what a link points to is no secret. */
static tempo_status not_there(const char *path, tempo_err *err)
{
    char target[256];
    const ssize_t n = readlink(path, target, sizeof(target));

    if (n < 0)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: no such file", path);
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: is a link to %.*s%s, which is not there%s",
                      path, (int)n, target, (size_t)n == sizeof(target) ? "..." : "",
                      memmem(target, (size_t)n, "/blobs/", 7) != NULL
                          ? ": the cache is damaged, fetch the model again"
                          : "");
}

tempo_status tempo_map_open(tempo_map *out, const char *path, tempo_err *err)
{
    /* Without O_NONBLOCK, opening a pipe would wait for a writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    tempo_status st;

    *out = (tempo_map){0};
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return not_there(path, err);
    if (fd < 0)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    st = map_fd(out, fd, path, err);
    if (st != TEMPO_OK)
        (void)close(fd);
    else if ((st = check_pointer(out, path, err)) != TEMPO_OK)
        tempo_map_close(out);
    return st;
}

tempo_status tempo_map_check(const tempo_map *m, tempo_err *err)
{
    struct stat st;

    if (m->p == NULL)
        return TEMPO_OK;
    if (fstat(m->fd, &st) != 0)
        return tempo_fail_os(err, errno, "the file cannot be examined");
    if ((uint64_t)st.st_size != m->n)
        return tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET,
                          "the file was %s while it was in use: it had %" PRIu64 " bytes and has %" PRIu64,
                          (uint64_t)st.st_size < m->n ? "cut short" : "made longer", m->n,
                          (uint64_t)st.st_size);
    if (st.st_mtim.tv_sec != m->modified.tv_sec || st.st_mtim.tv_nsec != m->modified.tv_nsec)
        return tempo_fail(err, TEMPO_E_IO, TEMPO_NO_OFFSET,
                          "the file was written to, or its time was set, while it was in use");
    return TEMPO_OK;
}

void tempo_map_close(tempo_map *m)
{
    if (m->p != NULL) {
        (void)munmap((void *)(uintptr_t)m->p, (size_t)m->n);
        (void)close(m->fd);
    }
    *m = (tempo_map){0};
}

tempo_status tempo_map_keep(tempo_map *m, tempo_status st, const char *path, tempo_map *owner, tempo_err *err)
{
    if (st == TEMPO_OK) {
        *owner = *m;
    } else {
        tempo_err_prefix(err, "%s", path);
        tempo_map_close(m);
    }
    return st;
}
