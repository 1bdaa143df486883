/* yaml_file.c - a file's bytes, for the parser. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "yaml/yaml.h"

static tempo_status read_all(int fd, const char *path, char *p, size_t cap, size_t *n, tempo_err *err)
{
    for (*n = 0; *n < cap;) {
        const ssize_t got = read(fd, p + *n, cap - *n);
        if (got == 0)
            return TEMPO_OK;
        if (got < 0 && errno != EINTR)
            return tempo_fail_os(err, errno, "%s: cannot be read", path);
        *n += got > 0 ? (size_t)got : 0;
    }
    return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: more than %d bytes", path,
                      TEMPO_YAML_MAX_BYTES);
}

tempo_status tempo_yaml_read_file(const char *path, char **bytes, size_t *n, tempo_err *err)
{
    const size_t cap = TEMPO_YAML_MAX_BYTES + 1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *p;
    tempo_status st;

    *bytes = NULL;
    *n = 0;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s: no such file", path);
    if (fd < 0)
        return tempo_fail_os(err, errno, "%s: cannot be opened", path);
    if ((p = malloc(cap)) == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
    else
        st = read_all(fd, path, p, cap, n, err);
    (void)close(fd);
    if (st != TEMPO_OK) {
        free(p);
        *n = 0;
        return st;
    }
    *bytes = p;
    return TEMPO_OK;
}
