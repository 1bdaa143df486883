/* hash.c - the model's SHA-256, with progress on a terminal. */
#include "cli/endings.h"
#include "cli/message.h"
#include "cli/session.h"
#include "files/hash.h"

static bool progress(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    show_progress("hashing", done, total);
    return !interrupted();
}

bool hash_path(const char *path, char out[65])
{
    tempo_err err = {0};
    const tempo_status st = tempo_hash_path(path, out, progress, NULL, &err);

    show_progress("", 0, 0);
    if (st != TEMPO_OK)
        (void)say_error(&err);
    return st == TEMPO_OK;
}
