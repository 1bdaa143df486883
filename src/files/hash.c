/* hash.c - SHA-256 and SHA-1 through libcrypto's EVP interface. */
#include "files/hash.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/gguf.h"

enum { BLOCK = 1 << 20 };

static tempo_status fail_crypto(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "libcrypto cannot hash");
}

static tempo_status finish(EVP_MD_CTX *ctx, char out[TEMPO_HASH_CHARS], tempo_err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_DigestFinal_ex(ctx, digest, &n) != 1)
        return fail_crypto(err);
    for (size_t i = 0; i < n && 2 * i + 2 < TEMPO_HASH_CHARS; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return TEMPO_OK;
}

static tempo_status hash_stream(FILE *f, EVP_MD_CTX *ctx, uint64_t total, tempo_hash_progress progress,
                                void *user, tempo_err *err)
{
    unsigned char *block = malloc(BLOCK);
    tempo_status st =
        block != NULL ? TEMPO_OK : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to hash");
    uint64_t done = 0;
    size_t n;

    while (st == TEMPO_OK && (n = fread(block, 1, BLOCK, f)) > 0) {
        if (EVP_DigestUpdate(ctx, block, n) != 1)
            st = fail_crypto(err);
        else if (progress != NULL && !progress(user, done, total))
            st = tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "hashing was stopped");
        done += n;
    }
    free(block);
    return st != TEMPO_OK ? st : ferror(f) ? tempo_fail_os(err, errno, "cannot be read") : TEMPO_OK;
}

/* git: as it names a blob, else SHA-256. */
static tempo_status hash_as(bool git, const char *path, char out[TEMPO_HASH_CHARS],
                            tempo_hash_progress progress, void *user, tempo_err *err)
{
    char head[40];
    struct stat info = {0};
    FILE *f = fopen(path, "rb");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    tempo_status st = TEMPO_OK;

    if (f == NULL || fstat(fileno(f), &info) != 0)
        st = tempo_fail_os(err, errno, "cannot be hashed");
    else if (ctx == NULL || EVP_DigestInit_ex(ctx, git ? EVP_sha1() : EVP_sha256(), NULL) != 1 ||
             (git &&
              EVP_DigestUpdate(ctx, head,
                               (size_t)snprintf(head, sizeof(head), "blob %lld", (long long)info.st_size) +
                                   1) != 1))
        st = fail_crypto(err);
    else if ((st = hash_stream(f, ctx, (uint64_t)info.st_size, progress, user, err)) == TEMPO_OK)
        st = finish(ctx, out, err);
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    EVP_MD_CTX_free(ctx);
    if (f != NULL)
        (void)fclose(f);
    return st;
}

static tempo_status hash_file(const char *path, char out[TEMPO_HASH_CHARS], tempo_hash_progress progress,
                              void *user, tempo_err *err)
{
    return hash_as(false, path, out, progress, user, err);
}

tempo_status tempo_hash_git_blob(const char *path, char out[TEMPO_HASH_CHARS], tempo_hash_progress progress,
                                 void *user, tempo_err *err)
{
    out[0] = '\0';
    return hash_as(true, path, out, progress, user, err);
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Add the line of one entry, if it is a regular file. */
static tempo_status add_entry(EVP_MD_CTX *ctx, const char *dir, const char *name,
                              tempo_hash_progress progress, void *user, tempo_err *err)
{
    char path[4096], line[400], hash[TEMPO_HASH_CHARS];
    struct stat info;
    tempo_status st;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s/%s: the path is too long", dir, name);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return TEMPO_OK;
    if ((st = hash_file(path, hash, progress, user, err)) != TEMPO_OK)
        return st;
    const int n = snprintf(line, sizeof(line), "%s  %s\n", hash, name); /* a name has at most 255 bytes */
    return EVP_DigestUpdate(ctx, line, (size_t)n) == 1 ? TEMPO_OK : fail_crypto(err);
}

static tempo_status hash_directory(const char *dir, char out[TEMPO_HASH_CHARS], tempo_hash_progress progress,
                                   void *user, tempo_err *err)
{
    struct dirent **names = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const int n = scandir(dir, &names, not_hidden, by_bytes);
    tempo_status st = TEMPO_OK;

    if (n < 0)
        st = tempo_fail_os(err, errno, "%s: cannot be hashed", dir);
    else if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        st = fail_crypto(err);
    for (int i = 0; i < n; i++) {
        if (st == TEMPO_OK)
            st = add_entry(ctx, dir, names[i]->d_name, progress, user, err);
        free(names[i]);
    }
    free(names);
    if (st == TEMPO_OK)
        st = finish(ctx, out, err);
    EVP_MD_CTX_free(ctx);
    return st;
}

/* A model in several GGUF files, of which path is one: the same lines for each of them. */
static tempo_status hash_parts(const char *path, size_t stem, unsigned count, char out[TEMPO_HASH_CHARS],
                               tempo_hash_progress progress, void *user, tempo_err *err)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char dir[4096] = ".", name[256];
    tempo_status st = TEMPO_OK;

    if ((size_t)(base - path) >= sizeof(dir) || stem - (size_t)(base - path) >= sizeof(name) - 24)
        st = tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: the path is too long", path);
    else if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        st = fail_crypto(err);
    else if (slash != NULL)
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
    for (unsigned i = 1; i <= count && st == TEMPO_OK; i++) {
        (void)snprintf(name, sizeof(name), "%.*s-%05u-of-%05u.gguf", (int)(stem - (size_t)(base - path)),
                       base, i, count);
        st = add_entry(ctx, dir, name, progress, user, err);
    }
    if (st == TEMPO_OK)
        st = finish(ctx, out, err);
    EVP_MD_CTX_free(ctx);
    return st;
}

tempo_status tempo_hash_path(const char *path, char out[TEMPO_HASH_CHARS], tempo_hash_progress progress,
                             void *user, tempo_err *err)
{
    struct stat info;
    unsigned no, count;
    tempo_status st;

    out[0] = '\0';
    if (stat(path, &info) != 0)
        return tempo_fail_os(err, errno, "%s: cannot be hashed", path);
    const size_t stem = S_ISDIR(info.st_mode) ? 0 : tempo_gguf_part_name(path, &no, &count);
    st = S_ISDIR(info.st_mode)   ? hash_directory(path, out, progress, user, err)
         : stem > 0 && count > 1 ? hash_parts(path, stem, count, out, progress, user, err)
                                 : hash_file(path, out, progress, user, err);
    if (st != TEMPO_OK)
        out[0] = '\0';
    return st;
}

tempo_status tempo_hash_bytes(const void *p, size_t n, char out[TEMPO_HASH_CHARS], tempo_err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    tempo_status st;

    out[0] = '\0';
    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(ctx, p, n) != 1)
        st = fail_crypto(err);
    else
        st = finish(ctx, out, err);
    EVP_MD_CTX_free(ctx);
    return st;
}
