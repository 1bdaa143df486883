#include "pull/choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/gguf.h"
#include "io/json.h"

enum { MAX_PARTS = 4096, MAX_LEVELS = 4 };

/* What a directory is read for besides its weights (model/hf_model.c); the lists where there is no
 * tokenizer.json. */
static const char *const small_files[] = {"config.json", "generation_config.json", "tokenizer.json",
                                          "tokenizer_config.json", "chat_template.jinja"};
static const char *const token_lists[] = {"vocab.json", "merges.txt", "added_tokens.json"};

static const char single_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

/* What others take where a repository has several models and nobody says which. */
static const char usual_tag[] = "Q4_K_M";

static tempo_status add(tempo_choice *c, tempo_hub_file *f, tempo_err *err)
{
    if (c->n == c->cap) {
        const size_t cap = c->cap != 0 ? 2 * c->cap : 16;
        tempo_hub_file **grown = realloc(c->files, cap * sizeof(*grown));
        if (grown == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of files");
        c->files = grown;
        c->cap = cap;
    }
    c->files[c->n++] = f;
    return TEMPO_OK;
}

void tempo_choice_free(tempo_choice *c)
{
    free(c->files);
}

/* ---- directories ---- */

static bool is_directory(const tempo_choice *c, const tempo_hub_answer *a)
{
    return tempo_hub_answer_find(a, c->folder, "config.json") != NULL &&
           (tempo_hub_answer_find(a, c->folder, single_name) != NULL ||
            tempo_hub_answer_find(a, c->folder, index_name) != NULL);
}

/* Those of names[n] that are there. */
static tempo_status take_present(tempo_choice *c, const tempo_hub_answer *a, const char *const *names,
                                 size_t n, tempo_err *err)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        tempo_hub_file *f = tempo_hub_answer_find(a, c->folder, names[i]);
        st = f != NULL ? add(c, f, err) : TEMPO_OK;
    }
    return st;
}

static tempo_status take_directory(tempo_choice *c, const tempo_hub_answer *a, tempo_err *err)
{
    tempo_hub_file *single = tempo_hub_answer_find(a, c->folder, single_name);
    tempo_status st = take_present(c, a, small_files, sizeof(small_files) / sizeof(small_files[0]), err);

    if (st == TEMPO_OK && tempo_hub_answer_find(a, c->folder, "tokenizer.json") == NULL)
        st = take_present(c, a, token_lists, sizeof(token_lists) / sizeof(token_lists[0]), err);
    if (single == NULL)
        c->index = tempo_hub_answer_find(a, c->folder, index_name);
    return st == TEMPO_OK ? add(c, single != NULL ? single : c->index, err) : st;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp((*(tempo_hub_file *const *)a)->name, (*(tempo_hub_file *const *)b)->name);
}

/* A shard once, however many tensors lie in it. */
static void drop_twins(tempo_choice *c, size_t from)
{
    size_t left = from;

    qsort(c->files + from, c->n - from, sizeof(*c->files), compare_files);
    for (size_t i = from; i < c->n; i++)
        if (left == from || c->files[left - 1] != c->files[i])
            c->files[left++] = c->files[i];
    c->n = left;
}

tempo_status tempo_choose_shards(tempo_choice *c, const tempo_hub_answer *a, const char *text, size_t n,
                                 tempo_err *err)
{
    const size_t from = c->n;
    json_t *root = NULL;
    tempo_status st = tempo_json_parse(&root, text, n, err);
    json_t *map = json_object_get(root, "weight_map");

    if (st == TEMPO_OK && json_object_size(map) == 0)
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                        "weight_map: expected an object that says where tensors are");
    for (void *it = json_object_iter(map); it != NULL && st == TEMPO_OK;
         it = json_object_iter_next(map, it)) {
        const char *tensor = json_object_iter_key(it), *name = json_string_value(json_object_iter_value(it));
        tempo_hub_file *f =
            name != NULL && strchr(name, '/') == NULL ? tempo_hub_answer_find(a, c->folder, name) : NULL;
        if (f == NULL)
            st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                            "weight_map[\"%.100s\"] is %s%.80s%s, expected the name of a file beside it",
                            tensor, name != NULL ? "\"" : "", name != NULL ? name : "no string",
                            name != NULL ? "\"" : "");
        else if (c->n == from ||
                 c->files[c->n - 1] != f) /* tensors of a shard lie side by side: the list stays short */
            st = add(c, f, err);
    }
    json_decref(root);
    if (st == TEMPO_OK)
        drop_twins(c, from);
    else
        tempo_err_prefix(err, "%s%s", c->folder, index_name);
    return st;
}

/* ---- GGUF files ---- */

/* The file, and of a model in several all of them. */
static tempo_status take_gguf(tempo_choice *c, const tempo_hub_answer *a, const char *path, tempo_err *err)
{
    unsigned no, count;
    const size_t stem = tempo_gguf_part_name(path, &no, &count);
    const bool parts = stem > 0 && count > 0; /* "-00001-of-00000" is a name like any other */
    char name[TEMPO_HUB_MAX_NAME + 32];

    if (parts && count > MAX_PARTS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%.200s: %u parts, the limit is %d", path,
                          count, MAX_PARTS);
    for (unsigned i = 1; i <= (parts ? count : 1); i++) {
        if (parts)
            (void)snprintf(name, sizeof(name), "%.*s-%05u-of-%05u.gguf", (int)stem, path, i, count);
        tempo_hub_file *f = tempo_hub_answer_find(a, "", parts ? name : path);
        if (f == NULL)
            return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                              "part %u of %u is not in the repository: %.300s", i, count, name);
        const tempo_status st = add(c, f, err);
        if (st != TEMPO_OK)
            return st;
    }
    c->model = c->files[0]->name;
    return TEMPO_OK;
}

/* A GGUF file in the folder, no deeper than -m looks, and nothing hidden. */
static bool is_candidate(const tempo_choice *c, const char *name)
{
    const size_t n = strlen(c->folder);
    unsigned levels = 1;

    if (strncmp(name, c->folder, n) != 0 || !tempo_is_gguf_name(name) || name[n] == '.')
        return false;
    for (const char *s = name + n; (s = strchr(s, '/')) != NULL; s++, levels++)
        if (s[1] == '.')
            return false;
    return levels <= MAX_LEVELS;
}

/* The models below c->folder -> (*names)[*n] for free(). */
static tempo_status list_models(const tempo_choice *c, const tempo_hub_answer *a, const char ***names,
                                size_t *n, tempo_err *err)
{
    *n = 0;
    if ((*names = malloc((a->n + 1) * sizeof(**names))) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of %zu files", a->n);
    for (size_t i = 0; i < a->n; i++)
        if (is_candidate(c, a->files[i].name))
            (*names)[(*n)++] = a->files[i].name;
    *n = tempo_gguf_models(*names, *n);
    return TEMPO_OK;
}

static tempo_status refuse_several(const char **names, size_t n, const tempo_repo_name *r, tempo_err *err)
{
    const bool tagged = r->tag[0] != '\0';
    char list[300];

    tempo_gguf_format(names, n, NULL, list, sizeof(list));
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                      "%s holds %zu models%s%.40s%s; add :TAG or /FILE to its name: %s", r->repo, n,
                      tagged ? " for \"" : "", r->tag, tagged ? "\"" : "", list);
}

static tempo_status take_tagged(tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r,
                                const char **names, size_t n, tempo_err *err)
{
    const size_t left = tempo_gguf_tagged(names, n, r->tag);
    char list[300];

    if (left == 1)
        return take_gguf(c, a, names[0], err);
    if (left > 1)
        return refuse_several(names, left, r, err);
    tempo_gguf_format(names, n, r->tag, list, sizeof(list));
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s has no model \"%.40s\"; it has: %s",
                      r->repo, r->tag, list);
}

/* Of several the usual one, if there is one such. */
static tempo_status take_usual(tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r,
                               const char **names, size_t n, tempo_err *err)
{
    const char **usual = malloc(n * sizeof(*usual)); /* the list stays whole for a refusal */

    if (usual == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a list of files");
    memcpy(usual, names, n * sizeof(*usual));
    c->by_default = tempo_gguf_tagged(usual, n, usual_tag) == 1;
    const char *one = usual[0];
    free(usual);
    return c->by_default ? take_gguf(c, a, one, err) : refuse_several(names, n, r, err);
}

static tempo_status no_model(const tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r,
                             tempo_err *err)
{
    const bool pickled = tempo_hub_answer_find(a, c->folder, "pytorch_model.bin") != NULL ||
                         tempo_hub_answer_find(a, c->folder, "pytorch_model.bin.index.json") != NULL;

    return tempo_fail(
        err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s holds no %s%s", r->repo,
        r->tag[0] != '\0'
            ? "GGUF file"
            : "model that tempo reads: neither config.json with model.safetensors nor a .gguf file",
        pickled ? " (pytorch_model.bin must be converted to safetensors first)" : "");
}

static tempo_status choose_gguf(tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r,
                                tempo_err *err)
{
    const char **names;
    size_t n;
    tempo_status st = list_models(c, a, &names, &n, err);

    if (st == TEMPO_OK)
        st = n == 0              ? no_model(c, a, r, err)
             : r->tag[0] != '\0' ? take_tagged(c, a, r, names, n, err)
             : n == 1            ? take_gguf(c, a, names[0], err)
                                 : take_usual(c, a, r, names, n, err);
    free(names);
    return st;
}

/* ---- which ---- */

static tempo_status no_file(tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r,
                            tempo_err *err)
{
    const char **names;
    char list[300];
    size_t n;

    c->folder[0] = '\0';
    tempo_status st = list_models(c, a, &names, &n, err);
    if (st == TEMPO_OK) {
        tempo_gguf_format(names, n, r->file, list, sizeof(list));
        st = tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s has no file %.80s; its GGUF models: %s",
                        r->repo, r->file, list);
    }
    free(names);
    return st;
}

/* FILE is a GGUF file, or a folder that holds a model: then *done is false. */
static tempo_status take_named(tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r,
                               bool *done, tempo_err *err)
{
    const tempo_hub_file *f = tempo_hub_answer_find(a, "", r->file);
    bool folder = false;

    *done = true;
    if (f != NULL && tempo_is_gguf_name(f->name))
        return take_gguf(c, a, f->name, err);
    if (f != NULL)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "%s: %.200s is no model: name a .gguf file or a folder, or the repository alone",
                          r->repo, r->file);
    const tempo_status st = tempo_path_format(c->folder, sizeof(c->folder), err, "%s/", r->file);
    if (st != TEMPO_OK)
        return st;
    for (size_t i = 0; i < a->n && !folder; i++)
        folder = strncmp(a->files[i].name, c->folder, strlen(c->folder)) == 0;
    *done = !folder;
    return folder ? TEMPO_OK : no_file(c, a, r, err);
}

tempo_status tempo_choose(tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r,
                          tempo_err *err)
{
    bool done = false;

    *c = (tempo_choice){0};
    const tempo_status st = r->file[0] != '\0' ? take_named(c, a, r, &done, err) : TEMPO_OK;
    if (st != TEMPO_OK || done)
        return st;
    if (r->tag[0] == '\0' && is_directory(c, a))
        return take_directory(c, a, err);
    return choose_gguf(c, a, r, err);
}
