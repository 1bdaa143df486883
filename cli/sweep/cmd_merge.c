/* cmd_merge.c - shards made one. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/message.h"
#include "cli/sweep/sweep.h"
#include "io/json.h"
#include "io/outfile.h"

typedef struct shard_list {
    char **dirs; /* [n] */
    size_t n;
} shard_list;

static int no_memory(void)
{
    say("out of memory for the shards");
    return EXIT_FAILED;
}

static int add(shard_list *l, const char *dir)
{
    char **more = realloc(l->dirs, (l->n + 1) * sizeof(*more));

    if (more == NULL)
        return no_memory();
    l->dirs = more;
    if ((l->dirs[l->n] = strdup(dir)) == NULL)
        return no_memory();
    l->n++;
    return EXIT_OK;
}

static bool has_plan(const char *dir)
{
    char path[SWEEP_PATH];
    struct stat info;

    return tempo_path_join(path, sizeof(path), dir, "plan.json", NULL) == TEMPO_OK && stat(path, &info) == 0;
}

static int is_shard(const struct dirent *e)
{
    return strncmp(e->d_name, "shard-", 6) == 0;
}

/* A directory of tables, or those of its shards that have begun. */
static int add_all(shard_list *l, const char *dir)
{
    struct dirent **entries = NULL;
    const int n = has_plan(dir) ? 0 : scandir(dir, &entries, is_shard, alphasort);
    const size_t before = l->n;
    int code = EXIT_OK;

    for (int i = 0; i < n; i++) {
        char path[SWEEP_PATH];
        const int len = snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        if (code == EXIT_OK && len > 0 && (size_t)len < sizeof(path) && has_plan(path))
            code = add(l, path);
        free(entries[i]);
    }
    free(entries);
    return code == EXIT_OK && l->n == before ? add(l, dir) : code; /* which will say what is wrong with it */
}

static void tell_missing(void *user, uint32_t shard, uint32_t of, size_t units)
{
    (void)user;
    if (units > 0)
        say("shard %u/%u is not finished: %zu units to go", (unsigned)shard, (unsigned)of, units);
    else
        say("shard %u/%u is not there", (unsigned)shard, (unsigned)of);
}

/* That of the first shard, but for what is its own; where shards have none there is none. */
static int merge_manifests(const options *o, const shard_list *l)
{
    static const char *const own[] = {"id", "created", "argv", "files"};
    char path[SWEEP_PATH];
    json_t *facts = NULL;

    if (tempo_path_join(path, sizeof(path), l->dirs[0], "manifest.json", NULL) != TEMPO_OK ||
        tempo_json_load(&facts, path, NULL) != TEMPO_OK)
        return EXIT_OK;
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        json_object_del(facts, own[i]);
    return sweep_write_manifest(o, o->dir, facts);
}

int cmd_merge(const options *o)
{
    shard_list l = {0};
    tempo_merge_options mo;
    tempo_err err = {0};
    int code = EXIT_OK;

    if (o->n_arguments == 0 || o->dir == NULL) {
        say("merge needs the directories of shards and --out DIR");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < o->n_arguments && code == EXIT_OK; i++)
        code = add_all(&l, o->arguments[i]);
    tempo_merge_options_init(&mo);
    mo.allow_mixed = o->allow_mixed;
    mo.missing = tell_missing;
    if (code == EXIT_OK && tempo_merge((const char *const *)l.dirs, l.n, o->dir, &mo, &err) != TEMPO_OK)
        code = say_error(&err);
    if (code == EXIT_OK)
        code = merge_manifests(o, &l);
    for (size_t i = 0; i < l.n; i++)
        free(l.dirs[i]);
    free(l.dirs);
    return code;
}
