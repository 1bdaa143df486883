/* hf_model.c - a model from a Hugging Face directory: which files it has, the list of its tensors, its
 * tokenizer.  config.json is read in hf_config.c, the containers in io/safetensors.c.  */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "model/files.h"

enum { MAX_SHARDS = 4096 };

static const char index_name[] = "model.safetensors.index.json", single_name[] = "model.safetensors";

static bool has_file(const tempo_loader *ld, const char *name)
{
    char path[PATH_MAX];

    return tempo_path_format(path, sizeof(path), NULL, "%s/%s", ld->f->path, name) == TEMPO_OK &&
           tempo_path_exists(path);
}

typedef struct json_file {
    const char *name;
    tempo_map text; /* for the places of keys */
    json_t *root;   /* NULL: no such file */
} json_file;

static tempo_status load_json(tempo_loader *ld, const char *name, bool required, json_file *out)
{
    char path[PATH_MAX];
    tempo_status st;

    *out = (json_file){.name = name};
    if ((st = tempo_path_format(path, sizeof(path), ld->err, "%s/%s", ld->f->path, name)) != TEMPO_OK)
        return st;
    if (!required && !tempo_path_exists(path))
        return TEMPO_OK;
    if ((st = tempo_map_open(&out->text, path, ld->err)) == TEMPO_OK &&
        (st = tempo_json_parse(&out->root, (const char *)out->text.p, out->text.n, ld->err)) != TEMPO_OK)
        tempo_err_prefix(ld->err, "%s", path);
    return st;
}

/* Takes what a failed load_json leaves, too. */
static void close_json(json_file *f)
{
    json_decref(f->root);
    tempo_map_close(&f->text);
}

static uint64_t place(const json_file *f, const char *key)
{
    return tempo_key_offset(f->text.p, f->text.n, key);
}

/* ---- weights ---- */

static tempo_status open_shard(tempo_loader *ld, const char *name, size_t *which)
{
    struct tempo_model_files *f = ld->f;
    char path[PATH_MAX];
    tempo_status st = tempo_path_format(path, sizeof(path), ld->err, "%s/%s", f->path, name);

    if (st != TEMPO_OK)
        return st;
    if ((f->shard_paths[f->n_shards] = tempo_files_text(ld, path, strlen(path))) == NULL)
        return TEMPO_E_NOMEM;
    if ((st = tempo_safetensors_open(&f->shards[f->n_shards], path, ld->err)) != TEMPO_OK) {
        if (ld->err->code == TEMPO_OK || strncmp(ld->err->msg, f->path, strlen(f->path)) != 0)
            tempo_err_prefix(ld->err, "%s", name);
        return st;
    }
    ld->m->info.file_bytes += f->shards[f->n_shards].size;
    *which = f->n_shards++;
    return TEMPO_OK;
}

static tempo_status alloc_shards(tempo_loader *ld, size_t n)
{
    ld->f->shards = tempo_files_alloc(ld, n * sizeof(*ld->f->shards));
    ld->f->shard_paths = tempo_files_alloc(ld, n * sizeof(*ld->f->shard_paths));
    return ld->f->shards != NULL && ld->f->shard_paths != NULL ? TEMPO_OK : TEMPO_E_NOMEM;
}

/* Requires room in f->tensors. */
static void append_tensor(struct tempo_model_files *f, size_t shard, const tempo_safetensor *s)
{
    tempo_tensor *t = &f->tensors[f->n_tensors++];

    *t = (tempo_tensor){.name = s->name,
                        .type_name = s->dtype,
                        .type = s->type,
                        .n_dims = s->n_dims < 4 ? s->n_dims : 4,
                        .dims = {1, 1, 1, 1},
                        .elements = 1,
                        .data = f->shards[shard].base + s->offset,
                        .offset = s->offset,
                        .bytes = s->bytes,
                        .info_at = TEMPO_NO_OFFSET,
                        .file = f->shard_paths[shard]};
    for (uint32_t i = 0; i < s->n_dims; i++) {
        t->dims[i < 4 ? i : 3] *= s->dims[i]; /* no model has more than 4: fold the rest */
        t->elements *= s->dims[i];
    }
}

static tempo_status load_single(tempo_loader *ld)
{
    struct tempo_model_files *f = ld->f;
    size_t shard = 0;
    tempo_status st = alloc_shards(ld, 1);

    if (st != TEMPO_OK || (st = open_shard(ld, single_name, &shard)) != TEMPO_OK)
        return st;
    if ((f->tensors = tempo_files_alloc(ld, f->shards[0].n_tensors * sizeof(*f->tensors))) == NULL)
        return TEMPO_E_NOMEM;
    for (size_t i = 0; i < f->shards[0].n_tensors; i++)
        append_tensor(f, 0, &f->shards[0].tensors[i]);
    return TEMPO_OK;
}

/* The shard that a name in the index means, opened when it is met first. */
static tempo_status find_shard(tempo_loader *ld, const json_file *index, const char *tensor,
                               const json_t *value, size_t room, size_t *which)
{
    const struct tempo_model_files *f = ld->f;
    const char *name = json_string_value(value);

    if (name == NULL || name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, place(index, tensor),
                          "%s: weight_map[\"%.128s\"] is %s%.80s%s, expected the name of a file beside it",
                          index_name, tensor, name != NULL ? "\"" : "", name != NULL ? name : "no string",
                          name != NULL ? "\"" : "");
    for (size_t i = f->n_shards; i-- > 0;) {
        if (strcmp(f->shard_paths[i] + strlen(f->path) + 1, name) == 0) {
            *which = i;
            return TEMPO_OK;
        }
    }
    if (f->n_shards == room)
        return tempo_fail(ld->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "%s names more than %zu files", index_name,
                          room);
    return open_shard(ld, name, which);
}

static tempo_status load_mapped(tempo_loader *ld, const json_file *index)
{
    const json_t *map = json_object_get(index->root, "weight_map");
    struct tempo_model_files *f = ld->f;
    const size_t n = json_object_size(map), room = n < MAX_SHARDS ? n : MAX_SHARDS;
    const char *name;
    const json_t *value;
    size_t shard = 0;
    tempo_status st;

    if ((st = alloc_shards(ld, room)) != TEMPO_OK)
        return st;
    if ((f->tensors = tempo_files_alloc(ld, n * sizeof(*f->tensors))) == NULL)
        return TEMPO_E_NOMEM;
    json_object_foreach((json_t *)(uintptr_t)map, name, value) /* its macro wants no const */
    {
        if ((st = find_shard(ld, index, name, value, room, &shard)) != TEMPO_OK)
            return st;
        const tempo_safetensor *s = tempo_safetensors_find(&f->shards[shard], name);
        if (s == NULL)
            return tempo_fail(ld->err, TEMPO_E_FORMAT, place(index, name),
                              "%s says that tensor %.128s is in %s, which does not have it", index_name, name,
                              json_string_value(value));
        append_tensor(f, shard, s);
    }
    return TEMPO_OK;
}

static tempo_status load_sharded(tempo_loader *ld)
{
    json_file index;
    tempo_status st = load_json(ld, index_name, true, &index);

    if (st == TEMPO_OK) {
        const json_t *map = json_object_get(index.root, "weight_map");
        st =
            json_is_object(map) && json_object_size(map) > 0
                ? load_mapped(ld, &index)
                : tempo_fail(ld->err, TEMPO_E_FORMAT, 0, "%s: expected an object \"weight_map\"", index_name);
    }
    close_json(&index);
    return st;
}

static int compare_places(const void *a, const void *b)
{
    const tempo_tensor *x = a, *y = b;
    const int files = strcmp(x->file, y->file);

    return files != 0 ? files : (x->offset > y->offset) - (x->offset < y->offset);
}

static tempo_status load_weights(tempo_loader *ld)
{
    tempo_status st;

    if (has_file(ld, single_name))
        st = load_single(ld);
    else if (has_file(ld, index_name))
        st = load_sharded(ld);
    else if (has_file(ld, "pytorch_model.bin") || has_file(ld, "pytorch_model.bin.index.json"))
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                            "pytorch_model.bin is not supported: convert the weights to safetensors");
    else
        return tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "neither %s nor %s is there", single_name,
                            index_name);
    if (st != TEMPO_OK)
        return st;
    if (ld->f->n_tensors > 0)
        qsort(ld->f->tensors, ld->f->n_tensors, sizeof(*ld->f->tensors), compare_places);
    return tempo_files_index(ld);
}

/* ---- tokenizer ---- */

/* eos_token_id is an id or a list of them. */
static tempo_status add_eos(tempo_loader *ld, const json_file *file)
{
    static const char key[] = "eos_token_id";
    const json_t *eos = json_object_get(file->root, key);
    const size_t n = json_is_array(eos) ? json_array_size(eos) : eos != NULL && !json_is_null(eos);

    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(eos) ? json_array_get(eos, i) : eos;
        const tempo_status st =
            json_is_integer(id)
                ? tempo_tokenizer_add_eos(ld->m->tokenizer, json_integer_value(id), ld->err)
                : tempo_fail(ld->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: expected an id or a list", key);
        if (st != TEMPO_OK) {
            tempo_err_prefix(ld->err, "%s", file->name);
            ld->err->offset = place(file, key);
            return st;
        }
    }
    return TEMPO_OK;
}

static tempo_status add_special_ids(tempo_loader *ld, const json_file *config)
{
    static const char key[] = "bos_token_id";
    const json_t *bos = json_object_get(config->root, key);
    json_file generation;
    tempo_status st = load_json(ld, "generation_config.json", false, &generation);

    if (st == TEMPO_OK)
        st = add_eos(ld, &generation);
    close_json(&generation);
    if (st == TEMPO_OK)
        st = add_eos(ld, config);
    if (st != TEMPO_OK || !json_is_integer(bos) || tempo_tokenizer_get_info(ld->m->tokenizer).bos >= 0)
        return st;
    if ((st = tempo_tokenizer_set_bos(ld->m->tokenizer, json_integer_value(bos), ld->err)) != TEMPO_OK) {
        tempo_err_prefix(ld->err, "%s: %s", config->name, key);
        ld->err->offset = place(config, key);
    }
    return st;
}

/* "chat_template" of tokenizer_config.json is a text, or a list of named ones, of which "default" is meant.
 */
static tempo_status chat_from_settings(tempo_loader *ld, const json_file *settings)
{
    static const char key[] = "chat_template";
    const json_t *value = json_object_get(settings->root, key), *one;
    size_t i;

    if (value == NULL || json_is_null(value))
        return TEMPO_OK;
    json_array_foreach(value, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name != NULL && strcmp(name, "default") == 0) {
            value = json_object_get(one, "template");
            break;
        }
    }
    if (json_is_array(value)) /* none of them is the default */
        return TEMPO_OK;
    if (!json_is_string(value))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, place(settings, key),
                          "%s: %s: expected a text, or a list of objects with \"name\" and \"template\"",
                          settings->name, key);
    return tempo_files_chat(ld, json_string_value(value), json_string_length(value));
}

/* A file of its own comes before the settings. */
static tempo_status load_chat(tempo_loader *ld, const json_file *settings)
{
    static const char name[] = "chat_template.jinja";
    char path[PATH_MAX];
    tempo_map text;
    tempo_status st;

    if (!has_file(ld, name))
        return chat_from_settings(ld, settings);
    if ((st = tempo_path_format(path, sizeof(path), ld->err, "%s/%s", ld->f->path, name)) != TEMPO_OK ||
        (st = tempo_map_open(&text, path, ld->err)) != TEMPO_OK)
        return st;
    st = tempo_files_chat(ld, (const char *)text.p, text.n);
    tempo_map_close(&text);
    return st;
}

static tempo_status no_tokenizer(tempo_loader *ld)
{
    static const char *const others[] = {"tokenizer.model", "vocab.json", "vocab.txt"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (has_file(ld, others[i]))
            return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                                "%s is not supported: the tokenizer must be there as tokenizer.json",
                                others[i]);
    }
    if (ld->load == TEMPO_LOAD_TOKENIZER)
        return tempo_fail(ld->err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "there is no tokenizer.json");
    return TEMPO_OK; /* runs on token ids */
}

static tempo_status load_tokenizer(tempo_loader *ld, const json_file *config)
{
    json_file tokenizer, settings = {0};
    tempo_status st = load_json(ld, "tokenizer.json", false, &tokenizer);

    if (st == TEMPO_OK && tokenizer.root == NULL)
        return no_tokenizer(ld);
    if (st == TEMPO_OK)
        st = load_json(ld, "tokenizer_config.json", false, &settings);
    if (st == TEMPO_OK && (st = tempo_tokenizer_from_json(&ld->m->tokenizer, tokenizer.root, settings.root,
                                                          ld->err)) != TEMPO_OK)
        tempo_err_prefix(ld->err, "tokenizer.json");
    if (st == TEMPO_OK)
        st = add_special_ids(ld, config);
    if (st == TEMPO_OK)
        st = load_chat(ld, &settings);
    close_json(&settings);
    close_json(&tokenizer);
    return tempo_soften(ld, st);
}

/* ---- the directory ---- */

static tempo_status load_config(tempo_loader *ld, json_file *config)
{
    tempo_status st = load_json(ld, "config.json", ld->load != TEMPO_LOAD_TOKENIZER, config);

    if (st != TEMPO_OK || config->root == NULL)
        return st;
    ld->config = config->text;
    if ((st = tempo_hf_config(ld, config->root)) != TEMPO_OK)
        tempo_err_prefix(ld->err, "config.json");
    ld->config = (tempo_map){0};
    return st;
}

tempo_status tempo_hf_load(tempo_loader *ld)
{
    json_file config;
    tempo_status st = load_config(ld, &config);

    ld->m->info.format = "safetensors";
    if (st == TEMPO_OK)
        st = load_tokenizer(ld, &config);
    if (st == TEMPO_OK && ld->load != TEMPO_LOAD_TOKENIZER)
        st = load_weights(ld);
    close_json(&config);
    return st;
}
