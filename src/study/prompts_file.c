/* prompts_file.c - reading a suite of prompts. */
#include "study/prompts_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "files/json_out.h"
#include "files/prompt_lines.h"
#include "study/yaml_document.h"
#include "yaml/yaml.h"

/* What no two prompts may share, and whose it is. */
typedef struct entry {
    const char *value;
    const tempo_prompt *prompt;
    const tempo_yaml_node *node; /* of value, in YAML */
} entry;

static tempo_status read_name(const tempo_yaml_node *map, const char *key, const char **out, tempo_err *err)
{
    const tempo_status st = tempo_yaml_str(map, key, out, err);

    if (st != TEMPO_OK)
        return st;
    if (*out == NULL)
        return tempo_yaml_fail(err, map, "a prompt without %s", key);
    if (!tempo_is_plain_name(*out, TEMPO_PROMPTS_ID_CHARS))
        return tempo_yaml_fail(err, tempo_yaml_get(map, key),
                               "expected lower-case letters, digits, _ and -, at most %d",
                               TEMPO_PROMPTS_ID_CHARS - 1);
    return TEMPO_OK;
}

/* false: there are too many. */
static bool count_stratum(tempo_prompts *p, tempo_prompt *prompt)
{
    size_t i = 0;

    while (i < p->n_strata && strcmp(p->strata[i].name, prompt->stratum) != 0)
        i++;
    if (i == TEMPO_PROMPTS_MAX_STRATA)
        return false;
    if (i == p->n_strata)
        p->strata[p->n_strata++].name = prompt->stratum;
    p->strata[i].n++;
    prompt->stratum_index = i;
    return true;
}

static tempo_status read_prompt(tempo_prompts *p, tempo_prompt *prompt, const tempo_yaml_node *map,
                                tempo_err *err)
{
    static const char *const known[] = {"id", "stratum", "text", NULL};
    tempo_status st;

    *prompt = (tempo_prompt){.line = map->line};
    st = tempo_yaml_check_keys(map, known, err);
    st = tempo_yaml_both(st, read_name(map, "id", &prompt->id, err));
    st = tempo_yaml_both(st, read_name(map, "stratum", &prompt->stratum, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "text", &prompt->text, err));
    prompt->name = prompt->id;
    if (tempo_yaml_get(map, "text") == NULL)
        st = tempo_yaml_both(st, tempo_yaml_fail(err, map, "a prompt without text"));
    if (prompt->text != NULL && strchr(" \t\r\n", prompt->text[strlen(prompt->text) - 1]) != NULL)
        st = tempo_yaml_both(st, tempo_yaml_fail(err, tempo_yaml_get(map, "text"), "ends in white space"));
    if (st == TEMPO_OK && !count_stratum(p, prompt))
        st = tempo_yaml_fail(err, map, "more than %d strata", TEMPO_PROMPTS_MAX_STRATA);
    return st;
}

static int by_value(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->value, ((const entry *)b)->value);
}

/* Of all[i - 1] and all[i]: whether they are equal, and then which comes first in the file. */
static bool is_again(const entry *all, size_t i, const entry **first, const entry **second)
{
    const bool rising = all[i].prompt > all[i - 1].prompt;

    *first = &all[rising ? i - 1 : i];
    *second = &all[rising ? i : i - 1];
    return by_value(&all[i - 1], &all[i]) == 0;
}

/* No two of n entries are equal; the later one of a pair is to blame. */
static tempo_status check_unique(entry *all, size_t n, tempo_err *err)
{
    const entry *first, *second;
    tempo_status st = TEMPO_OK;

    qsort(all, n, sizeof(*all), by_value);
    for (size_t i = 1; i < n; i++)
        if (is_again(all, i, &first, &second))
            st = tempo_yaml_both(st, tempo_yaml_fail(err, second->node, "the same as in line %u",
                                                     (unsigned)first->prompt->line));
    return st;
}

/* all[list->n]: room.  What could not be read is not compared. */
static tempo_status read_all(tempo_prompts *p, const tempo_yaml_node *list, tempo_prompt *prompts, entry *all,
                             tempo_err *err)
{
    static const char *const keys[] = {"id", "text"};
    size_t i = 0;
    tempo_status st = TEMPO_OK;

    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next, i++)
        st = tempo_yaml_both(st, read_prompt(p, &prompts[i], v, err));
    for (size_t k = 0; k < 2; k++) {
        size_t n = 0;
        i = 0;
        for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next, i++) {
            const char *value = k == 0 ? prompts[i].id : prompts[i].text;
            if (value != NULL)
                all[n++] = (entry){value, &prompts[i], tempo_yaml_get(v, keys[k])};
        }
        st = tempo_yaml_both(st, check_unique(all, n, err));
    }
    return st;
}

static tempo_status fill(void *object, tempo_err *err)
{
    tempo_prompts *p = object;
    static const char *const known[] = {"prompts", NULL};
    const tempo_yaml_node *root = tempo_yaml_root(p->doc), *list;
    tempo_prompt *prompts;
    entry *all;
    tempo_status st;

    st = tempo_yaml_check_keys(root, known, err);
    st = tempo_yaml_both(st, tempo_yaml_list(root, "prompts", TEMPO_YAML_MAP, TEMPO_PROMPTS_MAX, &list, err));
    if (list == NULL)
        return st != TEMPO_OK ? st : tempo_yaml_fail(err, root, "no prompts: expected a list 'prompts'");
    p->prompts = prompts = calloc(list->n, sizeof(*prompts));
    p->n = list->n;
    all = calloc(list->n, sizeof(*all));
    st = prompts != NULL && all != NULL
             ? tempo_yaml_both(st, read_all(p, list, prompts, all, err))
             : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", p->path);
    free(all);
    return st;
}

/* ---- a prompt a line ---- */

static tempo_status bad_line(const tempo_prompts *p, const tempo_prompt *at, tempo_err *err, const char *what)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%.150s:%u: %s", p->path, (unsigned)at->line,
                      what);
}

static tempo_status check_texts(const tempo_prompts *p, tempo_err *err)
{
    entry *all = calloc(p->n, sizeof(*all));
    const entry *first, *second;
    char what[80];
    tempo_status st = TEMPO_OK;

    if (all == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", p->path);
    for (size_t i = 0; i < p->n; i++)
        all[i] = (entry){.value = p->prompts[i].text, .prompt = &p->prompts[i]};
    qsort(all, p->n, sizeof(*all), by_value);
    for (size_t i = 1; i < p->n && st == TEMPO_OK; i++)
        if (is_again(all, i, &first, &second)) {
            (void)snprintf(what, sizeof(what),
                           "the text of line %u again, expected another: prompts are counted",
                           (unsigned)first->prompt->line);
            st = bad_line(p, second->prompt, err, what);
        }
    free(all);
    return st;
}

static tempo_status take_lines(tempo_prompts *p, tempo_err *err)
{
    const tempo_prompt_lines *lines = p->lines;

    if (lines->n > TEMPO_PROMPTS_MAX)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s: %zu prompts, the limit is %d", p->path,
                          lines->n, TEMPO_PROMPTS_MAX);
    if ((p->prompts = calloc(lines->n, sizeof(*p->prompts))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", p->path);
    p->n = lines->n;
    for (size_t i = 0; i < p->n; i++) {
        const tempo_prompt_line *l = &lines->lines[i];
        tempo_prompt *prompt = &p->prompts[i];
        *prompt = (tempo_prompt){.id = l->key,
                                 .name = l->name,
                                 .stratum = l->stratum != NULL ? l->stratum : "all",
                                 .text = l->text,
                                 .line = l->line};
        if (strlen(l->text) != l->n)
            return bad_line(p, prompt, err, "the text holds a NUL, expected none");
        if (!tempo_is_plain_name(prompt->stratum, TEMPO_PROMPTS_ID_CHARS))
            return bad_line(p, prompt, err,
                            "\"stratum\": expected lower-case letters, digits, _ and -, at most 63");
        if (!count_stratum(p, prompt))
            return bad_line(p, prompt, err, "more than 64 strata");
    }
    return check_texts(p, err);
}

/* ---- the object ---- */

static void free_any(void *object)
{
    tempo_prompts_free(object);
}

static const tempo_yaml_form form = {sizeof(tempo_prompts),
                                     offsetof(tempo_prompts, doc),
                                     offsetof(tempo_prompts, path),
                                     offsetof(tempo_prompts, sha256),
                                     fill,
                                     free_any};

/* `lines`, which were read with st, become *out or are freed. */
static tempo_status keep_lines(tempo_prompts **out, tempo_prompt_lines *lines, tempo_status st,
                               tempo_err *why, const tempo_yaml_tell *tell, tempo_err *err)
{
    tempo_prompts *p = NULL;

    if (st == TEMPO_OK && (p = calloc(1, sizeof(*p))) == NULL) {
        tempo_prompt_lines_free(lines);
        st = tempo_fail(why, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory");
    } else if (st == TEMPO_OK) {
        p->lines = lines;
        p->path = lines->path;
        memcpy(p->sha256, lines->sha256, sizeof(p->sha256));
        st = take_lines(p, why);
    }
    if ((st = tempo_yaml_settle(NULL, st, why, tell, err)) != TEMPO_OK)
        tempo_prompts_free(p);
    else
        *out = p;
    return st;
}

tempo_status tempo_prompts_parse(tempo_prompts **out, const char *path, const void *bytes, size_t n,
                                 const tempo_yaml_tell *tell, tempo_err *err)
{
    tempo_prompt_lines *lines = NULL;
    tempo_err why = {0};
    void *object;
    tempo_status st;

    *out = NULL;
    if (tempo_is_prompt_lines(path)) {
        st = tempo_prompt_lines_parse(&lines, path, bytes, n, &why);
        return keep_lines(out, lines, st, &why, tell, err);
    }
    st = tempo_yaml_document_parse(&object, &form, path, bytes, n, tell, err);
    *out = object;
    return st;
}

tempo_status tempo_prompts_load(tempo_prompts **out, const char *path, const tempo_yaml_tell *tell,
                                tempo_err *err)
{
    tempo_prompt_lines *lines = NULL;
    tempo_err why = {0};
    void *object;
    tempo_status st;

    *out = NULL;
    if (tempo_is_prompt_lines(path)) {
        st = tempo_prompt_lines_load(&lines, path, &why);
        return keep_lines(out, lines, st, &why, tell, err);
    }
    st = tempo_yaml_document_load(&object, &form, path, tell, err);
    *out = object;
    return st;
}

tempo_status tempo_prompts_path(char *path, size_t cap, const char *dir, const char *like, tempo_err *err)
{
    static const char *const names[] = {"prompts.jsonl", "prompts.yaml"};
    tempo_status st;

    if (like != NULL)
        return tempo_path_join(path, cap, dir, names[!tempo_is_prompt_lines(like)], err);
    if ((st = tempo_path_join(path, cap, dir, names[0], err)) != TEMPO_OK || access(path, F_OK) == 0)
        return st;
    return tempo_path_join(path, cap, dir, names[1], err);
}

void tempo_prompts_free(tempo_prompts *p)
{
    if (p == NULL)
        return;
    free(p->prompts);
    tempo_yaml_free(p->doc);
    tempo_prompt_lines_free(p->lines);
    free(p);
}

const tempo_prompt *tempo_prompts_find(const tempo_prompts *p, const char *id)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->prompts[i].id, id) == 0)
            return &p->prompts[i];
    return NULL;
}
