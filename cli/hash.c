/* hash.c - SHA-256 of a model, through libcrypto. */
#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "message.h"
#include "session.h"

static void to_hex(const unsigned char *digest, char out[65])
{
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static bool hash_stream(FILE *f, EVP_MD_CTX *ctx, uint64_t total)
{
    enum { BLOCK = 1 << 20 };
    unsigned char *block = malloc(BLOCK);
    uint64_t done = 0;
    size_t n = 0;
    bool ok = block != NULL;

    while (ok && (n = fread(block, 1, BLOCK, f)) > 0) {
        ok = EVP_DigestUpdate(ctx, block, n) == 1 && !interrupted();
        show_progress("hashing", done, total);
        done += n;
    }
    show_progress("", 0, 0);
    free(block);
    return ok && !ferror(f);
}

static bool hash_file(const char *path, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct stat st = {0};
    FILE *f = fopen(path, "rb");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = f != NULL && ctx != NULL && fstat(fileno(f), &st) == 0 &&
              EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 && hash_stream(f, ctx, (uint64_t)st.st_size) &&
              EVP_DigestFinal_ex(ctx, digest, NULL) == 1;

    if (ok)
        to_hex(digest, out);
    else
        say("%s: cannot be hashed: %s", path, interrupted() ? "interrupted" : strerror(errno));
    EVP_MD_CTX_free(ctx);
    if (f != NULL)
        (void)fclose(f);
    return ok;
}

static int no_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* One line of sha256sum for each regular file, hashed. */
static bool hash_directory(const char *dir, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct dirent **names = NULL;
    const int n = scandir(dir, &names, no_hidden, by_bytes);
    bool ok = ctx != NULL && n >= 0 && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

    if (!ok)
        say("%s: cannot be hashed: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[4096], line[400];
        struct stat st;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        if (ok && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (ok = hash_file(path, out))) {
            const int len = snprintf(line, sizeof(line), "%s  %s\n", out, names[i]->d_name);
            ok = EVP_DigestUpdate(ctx, line, (size_t)len) == 1;
        }
        free(names[i]);
    }
    free(names);
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    if (ok)
        to_hex(digest, out);
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool hash_path(const char *path, char out[65])
{
    struct stat st;

    if (stat(path, &st) != 0) {
        say("%s: cannot be hashed: %s", path, strerror(errno));
        return false;
    }
    return S_ISDIR(st.st_mode) ? hash_directory(path, out) : hash_file(path, out);
}
