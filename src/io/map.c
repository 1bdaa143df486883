/* map.c - a file as read-only memory, through mmap. */
#include "io/map.h"

#include <errno.h>
#include <fcntl.h>
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
    *out = (tempo_map){p, (uint64_t)st.st_size};
    return TEMPO_OK;
}

tempo_status tempo_map_open(tempo_map *out, const char *path, tempo_err *err)
{
    /* Without O_NONBLOCK, opening a pipe would wait for a writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    tempo_status st;

    *out = (tempo_map){0};
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: no such file", path);
    if (fd < 0)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    st = map_fd(out, fd, path, err);
    (void)close(fd); /* the mapping stays */
    return st;
}

void tempo_map_close(tempo_map *m)
{
    if (m->p != NULL)
        (void)munmap((void *)(uintptr_t)m->p, (size_t)m->n);
    *m = (tempo_map){0};
}
