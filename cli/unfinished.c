/* unfinished.c - what a signal that ends the program at once would leave behind.
 *
 * The list of what is unfinished is the kernel's own table of this process's open files: it is right at every
 * moment, and a signal handler may read it, as it could no list of ours without locks.  In it are
 * PATH.tmp.XXXXXX, a regular file that we (close-on-exec) have opened to be written, and that
 * src/io/outfile.c keeps open until it has been renamed; and DIR/.NAME.partial and DIR/.NAME.partial.old,
 * directories that src/experiment/place.c keeps open as mere places (O_PATH).  Whoever else has opened
 * files of such names has opened them to be read, or has handed them down to us.
 *
 * Source: signal-safety(7); proc(5), /proc/PID/fd; getdents64(2).  Without /proc nothing is removed.  */
#include "cli/unfinished.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>

enum {
    DIRENT_BYTES = 2048, /* on the stack of whichever thread the signal comes to, once a depth */
    MAX_DEPTH = 8,       /* of directories in an unfinished one */
    MAX_PATH = 4096,
    MAX_PASSES = 4,
    RANDOM_LETTERS = 6,
};

/* What getdents64 gives; its name ends with a NUL. */
typedef struct entry {
    uint64_t inode;
    int64_t next;
    unsigned short bytes;
    unsigned char type;
    char name[];
} entry;

/* readdir allocates and locks; this does neither. */
static bool for_each_name(int dir, bool (*fn)(int dir, const char *name, unsigned depth), unsigned depth)
{
    _Alignas(entry) char buffer[DIRENT_BYTES];
    long n;

    while ((n = syscall(SYS_getdents64, dir, buffer, sizeof(buffer))) > 0)
        for (long at = 0; at < n;) {
            const entry *e = (const entry *)(const void *)(buffer + at);
            if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0 && !fn(dir, e->name, depth))
                return false;
            at += e->bytes;
        }
    return n == 0;
}

/* ---- what is unfinished ---- */

static bool ends_as_file(const char *path, size_t n)
{
    static const char mark[] = ".tmp.";
    const size_t tail = sizeof(mark) - 1 + RANDOM_LETTERS;

    if (n <= tail || memcmp(path + n - tail, mark, sizeof(mark) - 1) != 0)
        return false;
    for (size_t i = n - RANDOM_LETTERS; i < n; i++)
        if (!(path[i] >= 'a' && path[i] <= 'z') && !(path[i] >= '0' && path[i] <= '5'))
            return false;
    return true;
}

static bool ends_as_directory(const char *path, size_t n)
{
    static const char *const marks[] = {".partial", ".partial.old"};
    size_t name = n;
    bool ends = false;

    while (name > 0 && path[name - 1] != '/')
        name--;
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        const size_t mark = strlen(marks[i]);
        ends |= n - name > mark + 1 && path[name] == '.' && memcmp(path + n - mark, marks[i], mark) == 0;
    }
    return ends;
}

/* ---- removing ---- */

static bool remove_entry(int dir, const char *name, unsigned depth)
{
    if (unlinkat(dir, name, 0) == 0)
        return true;
    const int fd =
        depth < MAX_DEPTH ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0)
        return true;                                /* what can be removed is */
    for (int pass = 0; pass < MAX_PASSES; pass++) { /* some file systems skip names when others go */
        (void)for_each_name(fd, remove_entry, depth + 1);
        if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || lseek(fd, 0, SEEK_SET) != 0)
            break;
    }
    (void)close(fd);
    return true;
}

/* name: a number in /proc/self/fd, whose directory is `fds` */
static bool look_at(int fds, const char *name, unsigned depth)
{
    char path[MAX_PATH];
    int fd = 0;
    const ssize_t n = readlinkat(fds, name, path, sizeof(path) - 1);

    for (const char *p = name; *p >= '0' && *p <= '9' && fd < 1 << 24; p++)
        fd = 10 * fd + (*p - '0');
    if (n <= 0 || (size_t)n >= sizeof(path) - 1 || path[0] != '/' || (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
        return true;
    path[n] = '\0';
    const int flags = fcntl(fd, F_GETFL);
    if ((flags & O_PATH) != 0 && ends_as_directory(path, (size_t)n))
        (void)remove_entry(AT_FDCWD, path, depth);
    else if ((flags & O_PATH) == 0 && (flags & O_ACCMODE) == O_WRONLY && ends_as_file(path, (size_t)n))
        (void)unlink(path);
    return true;
}

void remove_unfinished(void)
{
    const int fds = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fds < 0)
        return;
    (void)for_each_name(fds, look_at, 0);
    (void)close(fds);
}

#else

void remove_unfinished(void) {}

#endif
