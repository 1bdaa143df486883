/* layout.c - where an experiment's files lie: in directories of ours, or flat, as the original
 * project's program laid them out.
 *
 * An experiment is always written as directories, into a hidden one; a flat one is moved apart in the end, so
 * that whatever appears is whole.  */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/json.h"
#include "experiment/inside.h"
#include "files/json_out.h"

tempo_status tempo_layout_of(tempo_layout *l, const tempo_experiments_options *o, const tempo_experiment *e,
                             tempo_err *err)
{
    const char *out = o->dir != NULL ? o->dir : e->output_dir != NULL ? e->output_dir : TEMPO_EXPERIMENTS_DIR;
    size_t n = strlen(out);

    while (n > 1 && out[n - 1] == '/')
        n--;
    if (n >= sizeof(l->out))
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.64s...: the path is too long", out);
    *l = (tempo_layout){.flat =
                            o->layout == TEMPO_LAYOUT_FLAT || (o->layout == TEMPO_LAYOUT_OF_FILE && e->flat)};
    memcpy(l->out, out, n);
    if (l->flat && e->n_prompts * e->n_thresholds > 1)
        return tempo_fail(
            err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
            "%s: the flat layout has room for one prompt at one threshold, there are %zu and %zu", e->path,
            e->n_prompts, e->n_thresholds);
    if (l->flat && e->n_arms == 1)
        memcpy(l->dir, l->out, sizeof(l->dir));
    else
        return tempo_path_join(l->dir, sizeof(l->dir), l->out, e->name, err);
    return TEMPO_OK;
}

static tempo_status arm_path(const tempo_layout *l, const tempo_experiment *e, size_t arm,
                             char path[TEMPO_RUN_PATH], tempo_err *err)
{
    char name[TEMPO_EXPERIMENT_FILE_CHARS + TEMPO_EXPERIMENT_NAME_CHARS];

    (void)snprintf(name, sizeof(name), "%s_%s", e->name, e->arms[arm].name);
    return tempo_path_join(path, TEMPO_RUN_PATH, l->out, name, err);
}

tempo_status tempo_layout_path(const tempo_layout *l, const tempo_experiment *e, size_t i,
                               char path[TEMPO_RUN_PATH], bool *there, tempo_err *err)
{
    *there = i == 0 || (l->flat && e->n_arms > 1 && i <= e->n_arms);
    if (i == 0)
        memcpy(path, l->dir, sizeof(l->dir));
    return i == 0 || !*there ? TEMPO_OK : arm_path(l, e, i - 1, path, err);
}

/* ---- moving ---- */

static tempo_status move(const char *from, const char *to, tempo_err *err)
{
    return rename(from, to) == 0 ? TEMPO_OK
                                 : tempo_fail_os(err, errno, "%s: cannot be moved to %s", from, to);
}

/* The files of a directory of dir go up into it. */
static tempo_status move_up(const char *dir, const char *below, tempo_err *err)
{
    char inner[TEMPO_RUN_PATH], aside[TEMPO_RUN_PATH], from[TEMPO_RUN_PATH], to[TEMPO_RUN_PATH];
    json_t *names = NULL, *name;
    size_t i;
    tempo_status st;

    /* the directory may be called as one of its files is */
    if ((st = tempo_path_join(inner, sizeof(inner), dir, below, err)) != TEMPO_OK ||
        (st = tempo_path_join(aside, sizeof(aside), dir, ".arm", err)) != TEMPO_OK ||
        (st = move(inner, aside, err)) != TEMPO_OK ||
        (st = tempo_place_names(&names, aside, err)) != TEMPO_OK)
        return st;
    json_array_foreach(names, i, name)
    {
        if (st == TEMPO_OK &&
            (st = tempo_path_join(from, sizeof(from), aside, json_string_value(name), err)) == TEMPO_OK &&
            (st = tempo_path_join(to, sizeof(to), dir, json_string_value(name), err)) == TEMPO_OK)
            st = move(from, to, err);
    }
    json_decref(names);
    if (st == TEMPO_OK && rmdir(aside) != 0)
        st = tempo_fail_os(err, errno, "%s: cannot be removed", aside);
    return st;
}

/* ---- what the files are ---- */

/* Add the files of dir's manifest to the list, with `below` in front of their paths. */
static void add_files(json_t *list, const char *dir, const char *below)
{
    char path[TEMPO_RUN_PATH], name[TEMPO_RUN_PATH];
    json_t *manifest = NULL, *f;
    size_t i;

    if (tempo_path_join(path, sizeof(path), dir, "manifest.json", NULL) != TEMPO_OK ||
        tempo_json_load(&manifest, path, NULL) != TEMPO_OK)
        return;
    json_array_foreach(json_object_get(manifest, "files"), i, f)
    {
        const char *p = json_string_value(json_object_get(f, "path"));
        json_t *one = json_copy(f);
        if (p != NULL && snprintf(name, sizeof(name), "%s%s", below, p) < (int)sizeof(name))
            json_object_set_new(one, "path", json_string(name));
        json_array_append_new(list, one);
    }
    json_decref(manifest);
}

static tempo_status save_results(const char *dir, json_t *document, tempo_err *err)
{
    char path[TEMPO_RUN_PATH];
    const tempo_status st = tempo_path_join(path, sizeof(path), dir, "results.json", err);

    if (st == TEMPO_OK)
        return tempo_json_save(path, document, false, err);
    json_decref(document);
    return st;
}

static tempo_status commit_directory(const tempo_session *s, const tempo_experiment *e, tempo_place *p,
                                     json_t *files, tempo_err *err)
{
    const tempo_status st = tempo_session_manifest(s, e, e->name, p->partial, err);

    if (st != TEMPO_OK)
        return st;
    add_files(files, p->partial, "");
    return tempo_place_commit(p, err);
}

/* Of several arms each gets a directory beside the experiment's own. */
static tempo_status commit_arm(const tempo_layout *l, const tempo_session *s, const tempo_experiment *e,
                               size_t arm, const tempo_place *p, const json_t *result, json_t *files,
                               tempo_err *err)
{
    const char *name = e->arms[arm].name;
    char from[TEMPO_RUN_PATH], to[TEMPO_RUN_PATH], full[sizeof(e->file_name) + sizeof(e->arms[arm].name)],
        below[TEMPO_EXPERIMENT_NAME_CHARS + 1];
    tempo_place own = {0};
    tempo_status st;

    (void)snprintf(full, sizeof(full), "%s_%s", e->name, name);
    (void)snprintf(below, sizeof(below), "%s/", name);
    if ((st = tempo_path_join(from, sizeof(from), p->partial, name, err)) == TEMPO_OK &&
        (st = arm_path(l, e, arm, to, err)) == TEMPO_OK &&
        (st = tempo_place_begin(&own, to, err)) == TEMPO_OK) {
        if (rmdir(own.partial) != 0)
            st = tempo_fail_os(err, errno, "%s: cannot be removed", own.partial);
        if (st == TEMPO_OK && (st = move(from, own.partial, err)) == TEMPO_OK &&
            (st = save_results(own.partial, tempo_flat_json(e, name, result), err)) == TEMPO_OK &&
            (st = tempo_session_manifest(s, e, full, own.partial, err)) == TEMPO_OK) {
            add_files(files, own.partial, below);
            st = tempo_place_commit(&own, err);
        }
    }
    tempo_place_abort(&own);
    return st;
}

tempo_status tempo_layout_commit(const tempo_layout *l, const tempo_session *s, const tempo_experiment *e,
                                 tempo_place *p, json_t *result, tempo_err *err)
{
    json_t *files = json_array();
    tempo_status st = TEMPO_OK;

    if (l->flat && e->n_arms == 1) {
        if ((st = move_up(p->partial, e->arms[0].name, err)) == TEMPO_OK)
            st = save_results(p->partial, tempo_flat_json(e, e->arms[0].name, result), err);
    } else if (l->flat) {
        for (size_t i = 0; i < e->n_arms && st == TEMPO_OK; i++)
            st = commit_arm(l, s, e, i, p, result, files, err);
    }
    if (st == TEMPO_OK)
        st = commit_directory(s, e, p, files, err);
    if (st == TEMPO_OK)
        json_object_set(result, "files", files);
    json_decref(files);
    return st;
}
