/* tmpdir.c - see tmpdir.h. */
#include "support/tmpdir.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what, const char *path)
{
    fprintf(stderr, "test set-up: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

void test_tmpdir_create(char out[256])
{
    const char *tmp = getenv("TMPDIR");

    if (tmp == NULL || tmp[0] == '\0' || strlen(tmp) > 200)
        tmp = "/tmp";
    (void)snprintf(out, 256, "%s/tempo-test-XXXXXX", tmp);
    if (mkdtemp(out) == NULL)
        die("create", out);
}

static int remove_entry(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_tmpdir_remove(const char *dir)
{
    if (nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        die("remove", dir);
}

void test_path(char out[512], const char *dir, const char *name)
{
    if (snprintf(out, 512, "%s/%s", dir, name) >= 512)
        die("too long:", dir);
}

void test_mkdir(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        die("make directory", path);
}

void test_write_file(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");

    if (f == NULL || (n > 0 && fwrite(data, 1, n, f) != n) || fclose(f) != 0)
        die("write", path);
}

unsigned char *test_read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");

    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        die("read", path);
    const long size = ftell(f);
    unsigned char *p = malloc((size_t)size + 1);
    rewind(f);
    if (size < 0 || p == NULL || fread(p, 1, (size_t)size, f) != (size_t)size || fclose(f) != 0)
        die("read", path);
    p[size] = 0;
    *n = (size_t)size;
    return p;
}
