/* test_outfile.c - files that appear complete or not at all, also when any one of the calls that make them
 * fails.  outfile.c is compiled in here, so that its calls can be made to fail. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    long calls, fail_at; /* the call with this number fails */
    size_t max_write;    /* bytes that a write takes */
    bool interrupt;      /* every other write is interrupted */
    int zeros;           /* so many times the random bytes are zeros */
    int bad_closes;      /* of what was not open */
} fake;

static bool fails_with(int why)
{
    if (fake.calls++ != fake.fail_at)
        return false;
    errno = why;
    return true;
}

static bool fails(void)
{
    return fails_with(EIO);
}

static void *fake_malloc(size_t n)
{
    return fails_with(ENOMEM) ? NULL : malloc(n);
}

static char *fake_strdup(const char *s)
{
    return fails_with(ENOMEM) ? NULL : strdup(s);
}

static char *fake_realpath(const char *path, char *out)
{
    return fails() ? NULL : realpath(path, out);
}

static int fake_getentropy(void *p, size_t n)
{
    if (fails())
        return -1;
    if (fake.zeros-- <= 0)
        return getentropy(p, n);
    memset(p, 0, n);
    return 0;
}

static int fake_open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if ((flags & O_CREAT) != 0) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return fails() ? -1 : open(path, flags, mode);
}

static ssize_t fake_write(int fd, const void *p, size_t n)
{
    static bool odd;

    if (fails())
        return -1;
    odd = !odd;
    if (fake.interrupt && odd) {
        errno = EINTR;
        return -1;
    }
    return write(fd, p, fake.max_write > 0 && n > fake.max_write ? fake.max_write : n);
}

static ssize_t fake_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (fails())
        return -1;
    return pwrite(fd, p, fake.max_write > 0 && n > fake.max_write ? fake.max_write : n, at);
}

static int fake_fsync(int fd)
{
    return fails() ? -1 : fsync(fd);
}

static int fake_close(int fd)
{
    const int rc = close(fd);

    if (rc != 0)
        fake.bad_closes++;
    return fails() ? -1 : rc;
}

static int fake_rename(const char *from, const char *to)
{
    return fails() ? -1 : rename(from, to);
}

#define malloc fake_malloc
#define strdup fake_strdup
#define realpath fake_realpath
#define getentropy fake_getentropy
#define write fake_write
#define pwrite fake_pwrite
#define fsync fake_fsync
#define close fake_close
#define rename fake_rename
#define open fake_open
#include "io/outfile.c"
#undef malloc
#undef strdup
#undef realpath
#undef getentropy
#undef write
#undef pwrite
#undef fsync
#undef close
#undef rename
#undef open

#include <dirent.h>

#include <cmocka.h>

#include "support/tmpdir.h"

/* ---- set-up -------------------------------------------------------------------------- */

typedef struct place {
    char dir[256], path[512];
    int free_fd; /* the number that the next file would get: shows a leak */
} place;

static int lowest_free_fd(void)
{
    const int fd = open("/dev/null", O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    return fd;
}

static int setup(void **state)
{
    place *at = calloc(1, sizeof(*at));

    memset(&fake, 0, sizeof(fake));
    fake.fail_at = -1;
    assert_non_null(at);
    test_tmpdir_create(at->dir);
    test_path(at->path, at->dir, "out.bin");
    at->free_fd = lowest_free_fd();
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    place *at = *state;
    const int leaked = lowest_free_fd() - at->free_fd;

    test_tmpdir_remove(at->dir);
    free(at);
    return leaked + fake.bad_closes; /* cmocka reports a teardown that does not give 0 */
}

static size_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    assert_int_equal(closedir(d), 0);
    return n - 2; /* . and .. */
}

static void assert_holds(const char *path, const void *data, size_t n)
{
    size_t got_n;
    unsigned char *got = test_read_file(path, &got_n);

    assert_int_equal(got_n, n);
    assert_memory_equal(got, data, n);
    free(got);
}

static void assert_says(const tempo_err *err, const char *path, const char *what)
{
    char want[700];

    (void)snprintf(want, sizeof(want), "%s: %s", path, what);
    assert_string_equal(err->msg, want);
}

/* Write data[n] in pieces of `piece` bytes. */
static tempo_status write_file(const char *path, const unsigned char *data, size_t n, size_t piece,
                               tempo_err *err)
{
    tempo_outfile *f = (tempo_outfile *)&fake;
    tempo_status st = tempo_outfile_create(&f, path, err);

    if (st != TEMPO_OK) {
        assert_null(f);
        return st;
    }
    for (size_t at = 0; at < n && st == TEMPO_OK; at += piece)
        st = tempo_outfile_write(f, data + at, n - at < piece ? n - at : piece, err);
    if (st == TEMPO_OK)
        assert_int_equal(tempo_outfile_pos(f), n);
    const tempo_status last = tempo_outfile_commit(f, err);
    if (st != TEMPO_OK)
        assert_int_equal(last, st); /* a failure is repeated */
    return last;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* ---- what works ---------------------------------------------------------------------- */

static void test_new_file(void **state)
{
    const place *at = *state;
    tempo_outfile *f;
    struct stat sb;
    const mode_t old = umask(027);

    assert_int_equal(tempo_outfile_create(&f, at->path, NULL), TEMPO_OK);
    (void)umask(old);
    assert_int_equal(tempo_outfile_write(f, "hello", 5, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(f, NULL, 0, NULL), TEMPO_OK);
    assert_int_equal(stat(at->path, &sb), -1); /* not there before it is complete */
    assert_int_equal(files_in(at->dir), 1);
    assert_int_equal(tempo_outfile_pos(f), 5);
    assert_int_equal(tempo_outfile_commit(f, NULL), TEMPO_OK);
    assert_holds(at->path, "hello", 5);
    assert_int_equal(files_in(at->dir), 1);
    assert_int_equal(mode_of(at->path), 0640);
}

static void test_replaced_file(void **state)
{
    const place *at = *state;
    tempo_outfile *f;

    test_write_file(at->path, "old", 3);
    assert_int_equal(chmod(at->path, 0606), 0); /* more than the umask leaves, and less */
    assert_int_equal(tempo_outfile_create(&f, at->path, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(f, "newer", 5, NULL), TEMPO_OK);
    assert_holds(at->path, "old", 3);
    assert_int_equal(tempo_outfile_commit(f, NULL), TEMPO_OK);
    assert_holds(at->path, "newer", 5);
    assert_int_equal(mode_of(at->path), 0606);
    assert_int_equal(files_in(at->dir), 1);
}

static void test_abort(void **state)
{
    const place *at = *state;
    tempo_outfile *f;

    tempo_outfile_abort(NULL);
    assert_int_equal(tempo_outfile_create(&f, at->path, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(f, "hello", 5, NULL), TEMPO_OK);
    assert_int_equal(files_in(at->dir), 1);
    tempo_outfile_abort(f);
    assert_int_equal(files_in(at->dir), 0);
}

static void test_two_at_once(void **state)
{
    const place *at = *state;
    tempo_outfile *a, *b;

    assert_int_equal(tempo_outfile_create(&a, at->path, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_create(&b, at->path, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(a, "first", 5, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(b, "second", 6, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_commit(b, NULL), TEMPO_OK);
    assert_holds(at->path, "second", 6);
    assert_int_equal(tempo_outfile_commit(a, NULL), TEMPO_OK);
    assert_holds(at->path, "first", 5);
    assert_int_equal(files_in(at->dir), 1);
}

static void test_patch(void **state)
{
    const place *at = *state;
    tempo_outfile *f;
    tempo_err err = {0};

    fake.max_write = 2;
    assert_int_equal(tempo_outfile_create(&f, at->path, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(f, "hello there", 11, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_patch(f, 0, "HELLO", 5, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_patch(f, 10, "E", 1, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_patch(f, 11, NULL, 0, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_patch(f, 10, "xx", 2, &err), TEMPO_E_ARG);
    assert_int_equal(tempo_outfile_patch(f, 12, "", 0, NULL), TEMPO_E_ARG);
    assert_int_equal(tempo_outfile_pos(f), 11);
    assert_int_equal(tempo_outfile_write(f, "!", 1, NULL), TEMPO_OK); /* goes on at the end */
    assert_int_equal(tempo_outfile_commit(f, NULL), TEMPO_OK);
    assert_holds(at->path, "HELLO therE!", 12);
    assert_int_equal(tempo_outfile_create(&f, "/dev/null", NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(f, "hello", 5, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_patch(f, 0, "H", 1, NULL), TEMPO_E_UNSUPPORTED);
    tempo_outfile_abort(f);
}

static void test_patch_fails(void **state)
{
    const place *at = *state;
    tempo_outfile *f;
    tempo_err err = {0};

    assert_int_equal(tempo_outfile_create(&f, at->path, NULL), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(f, "hello", 5, NULL), TEMPO_OK);
    fake.calls = 0;
    fake.fail_at = 1; /* the first is the write of what was buffered */
    assert_int_equal(tempo_outfile_patch(f, 0, "H", 1, &err), TEMPO_E_IO);
    assert_says(&err, at->path, "cannot be written: Input/output error");
    assert_int_equal(tempo_outfile_commit(f, NULL), TEMPO_E_IO); /* it stays failed */
    assert_int_equal(files_in(at->dir), 0);
}

static void test_taken_names(void **state)
{
    const place *at = *state;
    char taken[600];

    (void)snprintf(taken, sizeof(taken), "%s.tmp.aaaaaa", at->path);
    test_write_file(taken, "somebody's", 10);
    fake.zeros = 3;
    assert_int_equal(write_file(at->path, (const unsigned char *)"new", 3, 3, NULL), TEMPO_OK);
    assert_int_equal(fake.zeros, -1);
    assert_holds(at->path, "new", 3);
    assert_holds(taken, "somebody's", 10);
    /* it does not try for ever */
    tempo_err err = {0};
    fake.zeros = 1000;
    assert_int_equal(write_file(at->path, NULL, 0, 1, &err), TEMPO_E_IO);
    assert_says(&err, at->path, "cannot create a temporary file beside it: File exists");
    assert_holds(taken, "somebody's", 10);
}

/* In the current directory, where the name has no directory of its own. */
static void test_bare_name(void **state)
{
    const place *at = *state;
    const int here = open(".", O_RDONLY | O_DIRECTORY);

    assert_true(here >= 0);
    assert_int_equal(chdir(at->dir), 0);
    const tempo_status st = write_file("bare", (const unsigned char *)"x", 1, 1, NULL);
    assert_int_equal(fchdir(here), 0);
    assert_int_equal(close(here), 0);
    assert_int_equal(st, TEMPO_OK);
    assert_int_equal(files_in(at->dir), 1);
}

static void test_symbolic_link(void **state)
{
    const place *at = *state;
    char sub[512], target[512];
    struct stat sb;

    test_path(sub, at->dir, "sub");
    test_mkdir(sub);
    test_path(target, at->dir, "sub/target");
    test_write_file(target, "old", 3);
    assert_int_equal(symlink("sub/target", at->path), 0);
    assert_int_equal(write_file(at->path, (const unsigned char *)"new", 3, 3, NULL), TEMPO_OK);
    assert_int_equal(lstat(at->path, &sb), 0);
    assert_true(S_ISLNK(sb.st_mode));
    assert_holds(target, "new", 3);
    assert_int_equal(files_in(sub), 1);
}

/* Sizes and pieces around the buffer's size, with a system that takes little at a time. */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {
        0, 1, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES + 7};
    static const size_t pieces[] = {999, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, SIZE_MAX / 2};
    static unsigned char data[3 * BUFFER_BYTES + 7];
    const place *at = *state;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    fake.interrupt = true;
    fake.max_write = 20011;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (size_t k = 0; k < sizeof(pieces) / sizeof(*pieces); k++) {
            assert_int_equal(write_file(at->path, data, sizes[i], pieces[k], NULL), TEMPO_OK);
            assert_holds(at->path, data, sizes[i]);
        }
}

/* ---- in place ------------------------------------------------------------------------ */

static void test_full_disk(void **state)
{
    (void)state;
    static const unsigned char data[BUFFER_BYTES];
    tempo_outfile *f;
    tempo_err err = {0}, again = {0}, last = {0};

    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_int_equal(tempo_outfile_create(&f, "/dev/full", &err), TEMPO_OK);
    assert_int_equal(tempo_outfile_write(f, data, sizeof(data), &err), TEMPO_E_IO);
    assert_string_equal(err.msg, "/dev/full: cannot be written: No space left on device");
    assert_int_equal(err.os_errno, ENOSPC);
    assert_int_equal(tempo_outfile_write(f, data, 1, &again), TEMPO_E_IO);
    assert_string_equal(again.msg, err.msg);
    assert_int_equal(tempo_outfile_commit(f, &last), TEMPO_E_IO);
    assert_string_equal(last.msg, err.msg);
    /* little enough to sit in the buffer until the end */
    last = (tempo_err){0};
    assert_int_equal(write_file("/dev/full", data, 1, 1, &last), TEMPO_E_IO);
    assert_string_equal(last.msg, err.msg);
}

static void test_device(void **state)
{
    (void)state;
    struct stat sb;

    assert_int_equal(write_file("/dev/null", (const unsigned char *)"x", 1, 1, NULL), TEMPO_OK);
    assert_int_equal(stat("/dev/null", &sb), 0);
    assert_true(S_ISCHR(sb.st_mode));
}

static void test_pipe(void **state)
{
    const place *at = *state;
    char got[8];

    assert_int_equal(mkfifo(at->path, 0600), 0);
    const int fd = open(at->path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(write_file(at->path, (const unsigned char *)"hello", 5, 5, NULL), TEMPO_OK);
    assert_int_equal(read(fd, got, sizeof(got)), 5);
    assert_memory_equal(got, "hello", 5);
    assert_int_equal(close(fd), 0);
    assert_int_equal(files_in(at->dir), 1);
}

/* ---- what is refused ----------------------------------------------------------------- */

static void test_refused(void **state)
{
    const place *at = *state;
    char path[512];
    tempo_err err = {0};

    assert_int_equal(write_file(at->dir, NULL, 0, 1, &err), TEMPO_E_IO);
    assert_says(&err, at->dir, "cannot be written: Is a directory");
    err = (tempo_err){0};
    test_path(path, at->dir, "nowhere/out.bin");
    assert_int_equal(write_file(path, NULL, 0, 1, &err), TEMPO_E_IO);
    assert_says(&err, path, "cannot create a temporary file beside it: No such file or directory");
    err = (tempo_err){0};
    assert_int_equal(symlink("nothing", at->path), 0);
    assert_int_equal(write_file(at->path, NULL, 0, 1, &err), TEMPO_E_IO);
    assert_says(&err, at->path,
                "is a symbolic link to a file that does not exist: No such file or directory");
    err = (tempo_err){0};
    test_path(path, at->dir, "file");
    test_write_file(path, "", 0);
    test_path(path, at->dir, "file/out.bin");
    assert_int_equal(write_file(path, NULL, 0, 1, &err), TEMPO_E_IO);
    assert_says(&err, path, "cannot be written: Not a directory");
    err = (tempo_err){0};
    assert_int_equal(write_file("", NULL, 0, 1, &err), TEMPO_E_ARG);
    assert_int_equal(files_in(at->dir), 2);
}

static void test_no_permission(void **state)
{
    const place *at = *state;
    tempo_err err = {0};

    if (geteuid() == 0)
        skip(); /* nothing is forbidden to root */
    test_write_file(at->path, "old", 3);
    assert_int_equal(chmod(at->path, 0444), 0);
    assert_int_equal(write_file(at->path, NULL, 0, 1, &err), TEMPO_E_IO);
    assert_says(&err, at->path, "cannot be written: Permission denied");
    assert_holds(at->path, "old", 3);
}

/* The k-th call fails, for every k: the old file stays whole, or (at the very end) the new one is there;
 * nothing else remains. */
static void test_any_call_fails(void **state)
{
    static const unsigned char data[2 * BUFFER_BYTES + 1] = "new";
    const place *at = *state;
    long failures = 0, no_memory = 0;

    for (long k = 0;; k++) {
        tempo_err err = {0};
        test_write_file(at->path, "old", 3);
        fake.calls = 0;
        fake.fail_at = k;
        const tempo_status st = write_file(at->path, data, sizeof(data), 40000, &err);
        const long calls = fake.calls;
        fake.fail_at = -1;
        assert_int_equal(files_in(at->dir), 1);
        assert_int_equal(lowest_free_fd(), at->free_fd);
        if (k >= calls)
            break;
        const bool renamed = strstr(err.msg, "its directory") != NULL;
        if (st == TEMPO_OK || renamed)
            assert_holds(at->path, data, sizeof(data));
        else
            assert_holds(at->path, "old", 3);
        if (st != TEMPO_OK) {
            assert_memory_equal(err.msg, at->path, strlen(at->path));
            assert_int_equal(st, err.code);
            failures++;
            no_memory += st == TEMPO_E_NOMEM;
        }
    }
    /* malloc, strdup, realpath, malloc, getentropy, open, 3 writes, fsync, close, rename, fsync */
    assert_int_equal(failures, 13);
    assert_int_equal(no_memory, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_file),       TEST(test_replaced_file), TEST(test_abort),
        TEST(test_two_at_once),    TEST(test_patch),         TEST(test_patch_fails),
        TEST(test_taken_names),    TEST(test_bare_name),     TEST(test_symbolic_link),
        TEST(test_sizes),          TEST(test_full_disk),     TEST(test_device),
        TEST(test_pipe),           TEST(test_refused),       TEST(test_no_permission),
        TEST(test_any_call_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
