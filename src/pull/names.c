/* names.c - what surrounds a blob in the cache: directories, locks, links of snapshots, references.  Source:
 * huggingface_hub's file_download.py (_create_symlink, _cache_commit_hash_for_specific_revision) and
 * filelock.  */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/outfile.h"
#include "model/hub.h"
#include "pull/blob.h"

tempo_status tempo_make_parents(const char *path, tempo_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const tempo_status st = tempo_path_format(dir, sizeof(dir), err, "%.*s", (int)(slash - path), path);

    return st == TEMPO_OK ? tempo_make_directory(dir, err) : st;
}

tempo_status tempo_blob_path(const tempo_blob_place *at, const tempo_hub_file *f, const char *suffix,
                             char *out, tempo_err *err)
{
    return tempo_path_format(out, PATH_MAX, err, "%s/blobs/%s%s", at->repo, f->hash, suffix);
}

/* ---- locks ---- */

/* Is the file that fd locks still the one of that name? */
static bool is_current(int fd, const char *path)
{
    struct stat ours, theirs;

    return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

static tempo_status wait_for(const tempo_hub *h, const tempo_hub_file *f, unsigned waits, tempo_err *err)
{
    const struct timespec pause = {.tv_nsec = 100000000L};

    if (!tempo_hub_goes_on(h))
        return tempo_fail(err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
    if (waits == 0)
        tempo_hub_say(h, "%s: another process is fetching it; waiting for that", f->name);
    (void)nanosleep(&pause, NULL);
    return TEMPO_OK;
}

tempo_status tempo_blob_lock(const tempo_hub *h, const tempo_blob_place *at, const tempo_hub_file *f, int *fd,
                             tempo_err *err)
{
    char path[PATH_MAX];
    tempo_status st = tempo_path_format(path, sizeof(path), err, "%s/%s.lock", at->locks, f->hash);

    *fd = -1;
    if (st != TEMPO_OK || (st = tempo_make_parents(path, err)) != TEMPO_OK)
        return st;
    for (unsigned waits = 0; st == TEMPO_OK;) {
        if (*fd < 0 && (*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664)) < 0)
            return tempo_fail_os(err, errno, "%s: cannot be opened", path);
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
            if (is_current(*fd, path))
                return TEMPO_OK;
            (void)close(*fd); /* somebody has removed it meanwhile */
            *fd = -1;
        } else if (errno == EWOULDBLOCK || errno == EINTR) {
            st = wait_for(h, f, waits++, err);
        } else { /* no locks here: see blob.h */
            break;
        }
    }
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    return st;
}

/* ---- links ---- */

tempo_status tempo_blob_link(const tempo_blob_place *at, const tempo_hub_file *f, tempo_err *err)
{
    char path[PATH_MAX], target[PATH_MAX] = "../../", now[PATH_MAX];
    size_t used = strlen(target);
    struct stat there;
    tempo_status st =
        tempo_path_format(path, sizeof(path), err, "%s/snapshots/%s/%s", at->repo, at->commit, f->name);

    if (st != TEMPO_OK || (st = tempo_make_parents(path, err)) != TEMPO_OK)
        return st;
    for (const char *s = f->name; (s = strchr(s, '/')) != NULL; s++) { /* names are shorter than target */
        memcpy(target + used, "../", 4);
        used += 3;
    }
    (void)snprintf(target + used, sizeof(target) - used, "blobs/%s", f->hash);
    const ssize_t n = readlink(path, now, sizeof(now) - 1);
    now[n > 0 ? n : 0] = '\0';
    if (strcmp(now, target) == 0)
        return TEMPO_OK;
    if (n < 0 && stat(path, &there) == 0 && S_ISREG(there.st_mode) && (uint64_t)there.st_size == f->size)
        return TEMPO_OK; /* a cache without links: its client puts the files themselves there */
    if (unlink(path) != 0 && errno != ENOENT)
        return tempo_fail_os(err, errno, "%s: cannot be replaced", path);
    if (symlink(target, path) != 0 && errno != EEXIST)
        return tempo_fail_os(err, errno, "%s: cannot be made a link to %s", path, target);
    return TEMPO_OK;
}

/* ---- references ---- */

tempo_status tempo_write_ref(const tempo_blob_place *at, const char *revision, tempo_err *err)
{
    char path[PATH_MAX], now[TEMPO_HASH_TEXT + 1] = "";
    tempo_outfile *out;
    tempo_status st;

    if (strcmp(revision, at->commit) == 0)
        return TEMPO_OK;
    if ((st = tempo_path_format(path, sizeof(path), err, "%s/refs/%s", at->repo, revision)) != TEMPO_OK ||
        (st = tempo_make_parents(path, err)) != TEMPO_OK)
        return st;
    FILE *f = fopen(path, "rbe");
    if (f != NULL) {
        now[fread(now, 1, sizeof(now) - 1, f)] = '\0';
        (void)fclose(f);
    }
    if (strcmp(now, at->commit) == 0)
        return TEMPO_OK;
    if ((st = tempo_outfile_create(&out, path, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_outfile_write(out, at->commit, strlen(at->commit), err)) == TEMPO_OK)
        return tempo_outfile_commit(out, err);
    tempo_outfile_abort(out);
    return st;
}
