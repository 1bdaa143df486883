/* captured_place.c - which directories of a run hold captured attention. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/json.h"
#include "io/json_at.h"
#include "server/api/recorded/captured.h"

enum { MAX_CAPTURES = 4096 }; /* of a run that are listed */

/* The rule of docs/experiments.md for names that become directories: no such name leads out of the run's. */
static bool is_plain(const char *name, const char *more)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const size_t n = strlen(name);

    if (n == 0 || n > 80 || strchr(letters, name[0]) == NULL)
        return false;
    for (size_t i = 1; i < n; i++)
        if (strchr(letters, name[i]) == NULL && strchr(more, name[i]) == NULL)
            return false;
    return true;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* path[cap] = dir/name if that is a directory, no link to one. */
static bool enter(char *path, size_t cap, const char *dir, const char *name)
{
    const int n = snprintf(path, cap, "%s/%s", dir, name);

    return n > 0 && (size_t)n < cap && is_directory(path);
}

/* The unit's part of results.json: one of the cases, or all of it. */
static const json_t *case_of(const json_t *results, size_t unit)
{
    const json_t *cases = json_object_get(results, "cases");

    return json_is_array(cases) ? json_array_get(cases, unit) : results;
}

/* The directory of an arm of a unit, where there is a capture in it. */
static bool place_of(const json_t *run, const json_t *results, size_t unit, const char *arm, size_t n_arms,
                     char *out, size_t cap)
{
    const char *dir = tempo_text_at(run, "dir"), *folder = tempo_text_at(case_of(results, unit), "folder");
    char base[4096];

    if (strlen(dir) >= sizeof(base) || dir[0] != '/')
        return false;
    (void)snprintf(base, sizeof(base), "%s", dir);
    if (folder[0] != '\0' && (!is_plain(folder, "-_.") || !enter(base, sizeof(base), dir, folder)))
        return false;
    if (is_plain(arm, "-_") && enter(out, cap, base, arm))
        return tempo_captured_is_there(out);
    const bool itself = strcmp(tempo_text_at(run, "kind"), "generate") == 0 ||
                        strcmp(tempo_text_at(results, "layout"), "flat") == 0;
    if (n_arms != 1 || !itself || strlen(base) >= cap)
        return false;
    (void)snprintf(out, cap, "%s", base); /* one arm's files lie in the directory itself */
    return tempo_captured_is_there(out);
}

static tempo_status load_results(json_t **out, const json_t *run, tempo_err *err)
{
    char path[4096 + 16];
    tempo_err inner = {0};
    tempo_status st;

    *out = NULL;
    if (strlen(tempo_text_at(run, "dir")) >= 4096)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the run's directory has too long a path");
    (void)snprintf(path, sizeof(path), "%s/results.json", tempo_text_at(run, "dir"));
    st = tempo_json_load(out, path, &inner);
    if (st == TEMPO_E_NOTFOUND)
        return TEMPO_OK; /* a run that was stopped, or a study */
    return st == TEMPO_OK ? st : tempo_fail(err, st, inner.offset, "the run's results.json cannot be read");
}

/* Called for each capture; false ends it. */
typedef bool (*on_capture)(void *user, size_t unit, const char *arm, const char *dir);

static void each_capture(const json_t *run, const json_t *results, on_capture met, void *user)
{
    const json_t *units = json_object_get(run, "units");
    char dir[4096];

    if (strcmp(tempo_text_at(run, "kind"), "study") == 0)
        return;
    for (size_t u = 0; u < json_array_size(units); u++) {
        const json_t *arms = json_object_get(json_array_get(units, u), "arms");
        for (size_t a = 0; a < json_array_size(arms); a++) {
            const char *arm = tempo_text_at(json_array_get(arms, a), "arm");
            if (place_of(run, results, u, arm, json_array_size(arms), dir, sizeof(dir)) &&
                !met(user, u, arm, dir))
                return;
        }
    }
}

static bool add_to_list(void *user, size_t unit, const char *arm, const char *dir)
{
    json_t *list = user;

    (void)dir;
    json_array_append_new(list, json_pack("{s:I, s:s}", "unit", (json_int_t)unit, "arm", arm));
    return json_array_size(list) < MAX_CAPTURES;
}

tempo_status tempo_captured_list(json_t **out, const json_t *run, tempo_err *err)
{
    json_t *results;
    tempo_status st = load_results(&results, run, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    *out = json_array();
    each_capture(run, results, add_to_list, *out);
    json_decref(results);
    return TEMPO_OK;
}

/* ---- one of them ------------------------------------------------------------------------ */

typedef struct search {
    tempo_captured_place *place;
    const size_t *unit;
    const char *arm;
    bool found;
} search;

static bool take_if_wanted(void *user, size_t unit, const char *arm, const char *dir)
{
    search *s = user;

    if ((s->unit != NULL && *s->unit != unit) || (s->arm != NULL && strcmp(s->arm, arm) != 0) ||
        strlen(arm) >= sizeof(s->place->arm))
        return true;
    (void)snprintf(s->place->dir, sizeof(s->place->dir), "%s", dir);
    (void)snprintf(s->place->arm, sizeof(s->place->arm), "%s", arm);
    s->place->unit = unit;
    s->found = true;
    return false;
}

/* Is the arm one of the unit's, or of any unit's? */
static bool has_arm(const json_t *run, const size_t *unit, const char *arm)
{
    const json_t *units = json_object_get(run, "units");

    for (size_t u = 0; u < json_array_size(units); u++) {
        const json_t *arms = json_object_get(json_array_get(units, u), "arms");
        for (size_t a = 0; a < json_array_size(arms) && (unit == NULL || *unit == u); a++)
            if (strcmp(tempo_text_at(json_array_get(arms, a), "arm"), arm) == 0)
                return true;
    }
    return false;
}

/* What the unit's results say of its prompt: tokens with their texts, or ids alone. */
static json_t *prompt_of(const json_t *results, size_t unit)
{
    const json_t *one = case_of(results, unit), *arms = json_object_get(one, "arms");
    json_t *tokens = json_object_get(one, "prompt_tokens"), *arm;
    const char *name;

    if (tokens == NULL)
        tokens = json_object_get(one, "prompt_ids");
    json_object_foreach((json_t *)(uintptr_t)arms, name, arm)
    {
        if (tokens == NULL)
            tokens = json_object_get(arm, "prompt_ids");
    }
    return tokens;
}

tempo_status tempo_captured_find(tempo_captured_place *out, const json_t *run, const size_t *unit,
                                 const char *arm, tempo_err *err)
{
    search s = {.place = out, .unit = unit, .arm = arm};
    tempo_status st;

    *out = (tempo_captured_place){.results = NULL};
    if (unit != NULL && *unit >= json_array_size(json_object_get(run, "units")))
        return tempo_fail_field(err, TEMPO_E_ARG, "unit", "unit: the run has %zu, from 0",
                                json_array_size(json_object_get(run, "units")));
    if (arm != NULL && !has_arm(run, unit, arm))
        return tempo_fail_field(err, TEMPO_E_ARG, "arm", "arm: the run has none of this name");
    if ((st = load_results(&out->results, run, err)) != TEMPO_OK)
        return st;
    each_capture(run, out->results, take_if_wanted, &s);
    if (!s.found)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "this run has captured no attention there");
    out->prompt_tokens = prompt_of(out->results, out->unit);
    return TEMPO_OK;
}

void tempo_captured_place_free(tempo_captured_place *p)
{
    json_decref(p->results);
    *p = (tempo_captured_place){.results = NULL};
}
