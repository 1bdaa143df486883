/* prompts_file.c - reading a suite of prompts. */
#include "study/prompts_file.h"

#include <stdlib.h>
#include <string.h>

#include "study/yaml.h"

/* A prompt and its node, for messages while the file is read. */
typedef struct entry {
    const tempo_prompt *prompt;
    const tempo_yaml_node *node;
} entry;

static bool is_name(const char *s)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    return strspn(s, first) > 0 && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0' &&
           strlen(s) < TEMPO_PROMPTS_ID_CHARS;
}

static tempo_status read_name(const tempo_yaml_node *map, const char *key, const char **out, tempo_err *err)
{
    const tempo_status st = tempo_yaml_str(map, key, out, err);

    if (st != TEMPO_OK)
        return st;
    if (*out == NULL)
        return tempo_yaml_fail(err, map, "a prompt without %s", key);
    if (!is_name(*out))
        return tempo_yaml_fail(err, tempo_yaml_get(map, key),
                               "expected lower-case letters, digits, _ and -, at most %d",
                               TEMPO_PROMPTS_ID_CHARS - 1);
    return TEMPO_OK;
}

static tempo_status count_stratum(tempo_prompts *p, tempo_prompt *prompt, const tempo_yaml_node *map,
                                  tempo_err *err)
{
    size_t i = 0;

    while (i < p->n_strata && strcmp(p->strata[i].name, prompt->stratum) != 0)
        i++;
    if (i == TEMPO_PROMPTS_MAX_STRATA)
        return tempo_yaml_fail(err, map, "more than %d strata", TEMPO_PROMPTS_MAX_STRATA);
    if (i == p->n_strata)
        p->strata[p->n_strata++].name = prompt->stratum;
    p->strata[i].n++;
    prompt->stratum_index = i;
    return TEMPO_OK;
}

static tempo_status read_prompt(tempo_prompts *p, tempo_prompt *prompt, const tempo_yaml_node *map,
                                tempo_err *err)
{
    static const char *const known[] = {"id", "stratum", "text", NULL};
    tempo_status st;

    *prompt = (tempo_prompt){.line = map->line};
    if ((st = tempo_yaml_check_keys(map, known, err)) != TEMPO_OK ||
        (st = read_name(map, "id", &prompt->id, err)) != TEMPO_OK ||
        (st = read_name(map, "stratum", &prompt->stratum, err)) != TEMPO_OK ||
        (st = tempo_yaml_str(map, "text", &prompt->text, err)) != TEMPO_OK)
        return st;
    if (prompt->text == NULL)
        return tempo_yaml_fail(err, map, "a prompt without text");
    if (strchr(" \t\r\n", prompt->text[strlen(prompt->text) - 1]) != NULL)
        return tempo_yaml_fail(err, tempo_yaml_get(map, "text"), "ends in white space");
    return count_stratum(p, prompt, map, err);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->prompt->id, ((const entry *)b)->prompt->id);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->prompt->text, ((const entry *)b)->prompt->text);
}

/* No two entries are equal; the later one of a pair is to blame. */
static tempo_status check_unique(entry *all, size_t n, int (*order)(const void *, const void *),
                                 const char *key, tempo_err *err)
{
    qsort(all, n, sizeof(*all), order);
    for (size_t i = 1; i < n; i++) {
        if (order(&all[i - 1], &all[i]) != 0)
            continue;
        const bool rising = all[i].prompt > all[i - 1].prompt;
        const entry *first = &all[rising ? i - 1 : i], *second = &all[rising ? i : i - 1];
        return tempo_yaml_fail(err, tempo_yaml_get(second->node, key), "the same as in line %u",
                               (unsigned)first->prompt->line);
    }
    return TEMPO_OK;
}

static tempo_status read_all(tempo_prompts *p, const tempo_yaml_node *list, tempo_prompt *prompts, entry *all,
                             tempo_err *err)
{
    size_t i = 0;
    tempo_status st;

    for (const tempo_yaml_node *v = list->first; v != NULL; v = v->next, i++) {
        if ((st = read_prompt(p, &prompts[i], v, err)) != TEMPO_OK)
            return st;
        all[i] = (entry){.prompt = &prompts[i], .node = v};
    }
    if ((st = check_unique(all, i, by_id, "id", err)) != TEMPO_OK)
        return st;
    return check_unique(all, i, by_text, "text", err);
}

static tempo_status fill(tempo_prompts *p, tempo_err *err)
{
    static const char *const known[] = {"prompts", NULL};
    const tempo_yaml_node *root = tempo_yaml_root(p->doc), *list;
    tempo_prompt *prompts;
    entry *all;
    tempo_status st;

    if ((st = tempo_yaml_check_keys(root, known, err)) != TEMPO_OK ||
        (st = tempo_yaml_list(root, "prompts", TEMPO_YAML_MAP, TEMPO_PROMPTS_MAX, &list, err)) != TEMPO_OK)
        return st;
    if (list == NULL)
        return tempo_yaml_fail(err, root, "no prompts: expected a list 'prompts'");
    p->prompts = prompts = calloc(list->n, sizeof(*prompts));
    p->n = list->n;
    all = calloc(list->n, sizeof(*all));
    st = prompts != NULL && all != NULL
             ? read_all(p, list, prompts, all, err)
             : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", p->path);
    free(all);
    return st;
}

tempo_status tempo_prompts_parse(tempo_prompts **out, const char *path, const void *bytes, size_t n,
                                 tempo_err *err)
{
    tempo_prompts *p = calloc(1, sizeof(*p));
    tempo_err why = {0};
    tempo_status st;

    *out = NULL;
    if (p == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory", path);
    if ((st = tempo_yaml_parse(&p->doc, path, bytes, n, &why)) == TEMPO_OK) {
        p->path = tempo_yaml_name(p->doc);
        st = fill(p, &why);
    }
    if ((st = tempo_yaml_settle(p->doc, st, &why, NULL, err)) == TEMPO_OK)
        st = tempo_hash_bytes(bytes, n, p->sha256, err);
    if (st != TEMPO_OK)
        tempo_prompts_free(p);
    else
        *out = p;
    return st;
}

tempo_status tempo_prompts_load(tempo_prompts **out, const char *path, tempo_err *err)
{
    char *bytes;
    size_t n;
    tempo_status st = tempo_yaml_read_file(path, &bytes, &n, err);

    *out = NULL;
    if (st == TEMPO_OK)
        st = tempo_prompts_parse(out, path, bytes, n, err);
    free(bytes);
    return st;
}

void tempo_prompts_free(tempo_prompts *p)
{
    if (p == NULL)
        return;
    free(p->prompts);
    tempo_yaml_free(p->doc);
    free(p);
}

const tempo_prompt *tempo_prompts_find(const tempo_prompts *p, const char *id)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->prompts[i].id, id) == 0)
            return &p->prompts[i];
    return NULL;
}
