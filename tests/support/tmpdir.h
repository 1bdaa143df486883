/* tmpdir.h - a directory for a test's files, removed with everything in it. */
#ifndef TEMPO_TESTS_TMPDIR_H
#define TEMPO_TESTS_TMPDIR_H
#include <stddef.h>

/* A new directory under $TMPDIR or /tmp; its path goes to out[256].  Aborts on failure. */
void test_tmpdir_create(char out[256]);
/* Remove it and everything below; symbolic links are removed, not followed. */
void test_tmpdir_remove(const char *dir);
/* out[512] = dir "/" name */
void test_path(char out[512], const char *dir, const char *name);
void test_mkdir(const char *path);
void test_write_file(const char *path, const void *data, size_t n);
/* malloc'd, NUL-terminated, *n without the NUL. */
unsigned char *test_read_file(const char *path, size_t *n);

#endif
