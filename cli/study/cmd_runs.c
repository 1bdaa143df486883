/* cmd_runs.c - the database of runs: list, show, compare, gc, rebuild. */
#include <stdio.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/study/runs.h"
#include "cli/session.h"
#include "registry/registry.h"

/* What there is to say when there is no run: nothing is wrong. */
static int show_none(const options *o, const char *path)
{
    if (o->json)
        return print_json(json_array(), false);
    printf("No runs yet");
    if (path != NULL) {
        printf(" in ");
        show_token(path, strlen(path));
    }
    printf(".  tempo experiment and tempo study record theirs; tempo runs rebuild DIR finds those in a "
           "directory.\n");
    return EXIT_OK;
}

/* Print a document in the way that is asked for, and be done with it. */
static int show_document(const options *o, json_t *doc, void (*show)(const json_t *doc))
{
    if (o->json)
        return print_json(doc, false);
    show(doc);
    json_decref(doc);
    return EXIT_OK;
}

static int list_runs(const options *o, tempo_registry *r)
{
    tempo_err err = {0};
    json_t *doc;

    if (tempo_registry_list(r, &doc, &err) != TEMPO_OK)
        return say_error(&err);
    if (json_array_size(doc) > 0)
        return show_document(o, doc, show_runs);
    json_decref(doc);
    return show_none(o, tempo_registry_path(r));
}

static int show_one(const options *o, tempo_registry *r)
{
    tempo_err err = {0};
    json_t *doc;

    if (tempo_registry_show(r, o->arguments[1], &doc, &err) != TEMPO_OK)
        return say_error(&err);
    return show_document(o, doc, show_run);
}

static int compare_two(const options *o, tempo_registry *r)
{
    tempo_err err = {0};
    json_t *doc;

    if (tempo_registry_compare(r, o->arguments[1], o->arguments[2], &doc, &err) != TEMPO_OK)
        return say_error(&err);
    return show_document(o, doc, show_comparison);
}

static int drop_gone(const options *o, tempo_registry *r)
{
    tempo_err err = {0};
    json_t *gone;

    if (tempo_registry_gc(r, o->dry_run, &gone, &err) != TEMPO_OK)
        return say_error(&err);
    if (o->json)
        return print_json(gone, false);
    show_gone(gone, o->dry_run);
    json_decref(gone);
    return EXIT_OK;
}

/* ---- rebuild ---- */

typedef struct tally {
    json_t *indexed, *failed; /* directories; {"dir", "error"} */
} tally;

static bool met(void *user, const char *dir, const tempo_err *failure)
{
    tally *t = user;

    if (failure == NULL) {
        (void)json_array_append_new(t->indexed, json_text(dir, strlen(dir)));
    } else {
        (void)json_array_append_new(t->failed,
                                    json_pack("{s:o, s:o}", "dir", json_text(dir, strlen(dir)), "error",
                                              json_text(failure->msg, strlen(failure->msg))));
        (void)say_error(failure);
    }
    return !interrupted();
}

static int show_tally(const options *o, tally *t)
{
    const size_t n = json_array_size(t->indexed), bad = json_array_size(t->failed);

    if (o->json) {
        const int code =
            print_json(json_pack("{s:O, s:O}", "indexed", t->indexed, "failed", t->failed), false);
        if (code != EXIT_OK)
            return code;
    } else {
        printf("%zu run%s indexed", n, n == 1 ? "" : "s");
        if (bad > 0)
            printf(", %zu could not be", bad);
        printf(".\n");
    }
    return bad == 0 ? EXIT_OK : EXIT_FAILED;
}

static int rebuild(const options *o, tempo_registry *r)
{
    tally t = {json_array(), json_array()};
    tempo_err err = {0};
    size_t n;
    int code = EXIT_OK;

    catch_interrupts();
    for (size_t i = 1; i < o->n_arguments && code == EXIT_OK; i++)
        if (tempo_registry_rebuild(r, o->arguments[i], met, &t, &n, &err) != TEMPO_OK)
            code = say_error(&err);
    if (code == EXIT_OK)
        code = show_tally(o, &t);
    json_decref(t.indexed);
    json_decref(t.failed);
    return code;
}

/* ---- the command ---- */

typedef struct action {
    const char *name;
    size_t least, most; /* arguments after the name */
    const char *usage;
    bool makes; /* the database, if there is none; else there being none is no failure */
    int (*run)(const options *o, tempo_registry *r);
} action;

static const action actions[] = {
    {"list", 0, 0, "list takes no argument", false, list_runs},
    {"show", 1, 1, "show takes one ID", false, show_one},
    {"compare", 2, 2, "compare takes two IDs", false, compare_two},
    {"gc", 0, 0, "gc takes no argument", false, drop_gone},
    {"rebuild", 1, SIZE_MAX, "rebuild takes the directories to look in", true, rebuild},
};

static const action *find_action(const options *o)
{
    const char *name = o->argument != NULL ? o->argument : "list";

    for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

int cmd_runs(const options *o)
{
    const action *a = find_action(o);
    const size_t n = o->n_arguments > 0 ? o->n_arguments - 1 : 0;
    tempo_registry *r = NULL;
    tempo_err err = {0};

    if (a == NULL) {
        say("runs has no '%.64s': list, show, compare, gc or rebuild", o->argument);
        return EXIT_USAGE;
    }
    if (n < a->least || n > a->most) {
        say("runs %s", a->usage);
        return EXIT_USAGE;
    }
    if (o->dry_run && a->run != drop_gone) {
        say("--dry-run is for runs gc");
        return EXIT_USAGE;
    }
    const tempo_status st = tempo_registry_open(&r, o->db, !a->makes, &err);
    if (st == TEMPO_E_NOTFOUND && err.code == TEMPO_OK)
        return show_none(o, o->db);
    if (st != TEMPO_OK)
        return say_error(&err);
    const int code = a->run(o, r);
    tempo_registry_free(r);
    return code;
}
