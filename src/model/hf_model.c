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
        tempo_err_prefix_first(ld->err, f->path, "%s", name);
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
                            "pytorch_model.bin is not supported: write it as safetensors with transformers "
                            "(AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(DIR)), or take "
                            "another revision or a GGUF");
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

/* A file that only adds to what is known: absent where it cannot be read, which means what `meaning` says. */
static tempo_status load_optional(tempo_loader *ld, const char *name, const char *meaning, json_file *out)
{
    tempo_status st = load_json(ld, name, false, out);

    if (st != TEMPO_OK) {
        close_json(out);
        *out = (json_file){.name = name};
    }
    return tempo_part_lost(ld, st, meaning);
}

/* eos_token_id is an id or a list of them. */
static tempo_status add_eos(tempo_loader *ld, const json_file *file)
{
    static const char key[] = "eos_token_id";
    const json_t *eos = json_object_get(file->root, key);
    const size_t n = json_is_array(eos) ? json_array_size(eos) : eos != NULL && !json_is_null(eos);
    char where[64];
    tempo_status st = tempo_path_format(where, sizeof(where), ld->err, "%s: %s", file->name, key);

    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        const json_t *id = json_is_array(eos) ? json_array_get(eos, i) : eos;
        st = json_is_integer(id) ? tempo_part_eos(ld, where, json_integer_value(id))
                                 : tempo_part_lost(ld,
                                                   tempo_fail(ld->err, TEMPO_E_FORMAT, place(file, key),
                                                              "%s: expected an id or a list of them", where),
                                                   "no text ends there");
    }
    return st;
}

static tempo_status add_bos(tempo_loader *ld, const json_file *config)
{
    static const char key[] = "bos_token_id";
    const json_t *bos = json_object_get(config->root, key);
    tempo_status st;

    if (!json_is_integer(bos) || ld->m->tokenizer == NULL ||
        tempo_tokenizer_get_info(ld->m->tokenizer).bos >= 0)
        return TEMPO_OK;
    if ((st = tempo_tokenizer_set_bos(ld->m->tokenizer, json_integer_value(bos), ld->err)) != TEMPO_OK)
        tempo_err_prefix(ld->err, "%s: %s", config->name, key);
    return tempo_part_lost(ld, st, "no token begins a text");
}

static tempo_status add_special_ids(tempo_loader *ld, const json_file *config)
{
    json_file generation;
    tempo_status st = load_optional(ld, "generation_config.json",
                                    "what it says of the end of texts is not known", &generation);

    if (st == TEMPO_OK)
        st = add_eos(ld, &generation);
    close_json(&generation);
    if (st == TEMPO_OK)
        st = add_eos(ld, config);
    return st == TEMPO_OK ? add_bos(ld, config) : st;
}

/* The one that is called "default" in {"name": text, ..} or [{"name": name, "template": text}, ..]. */
static const json_t *default_template(const json_t *templates)
{
    const json_t *one;
    size_t i;

    if (json_is_object(templates))
        return json_object_get(templates, "default");
    json_array_foreach(templates, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name != NULL && strcmp(name, "default") == 0)
            return json_object_get(one, "template");
    }
    return NULL;
}

/* "chat_template" of tokenizer_config.json is a text, or named ones, of which "default" is meant. */
static tempo_status chat_from_settings(tempo_loader *ld, const json_file *settings)
{
    static const char key[] = "chat_template";
    const json_t *value = json_object_get(settings->root, key);
    const bool named = json_is_array(value) || json_is_object(value);
    const json_t *text = named ? default_template(value) : value;

    if (value == NULL || json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
        return TEMPO_OK;
    if (json_is_string(text))
        return tempo_part_chat(ld, json_string_value(text), json_string_length(text));
    return tempo_part_no_chat(
        ld, tempo_fail(ld->err, named ? TEMPO_E_UNSUPPORTED : TEMPO_E_FORMAT, place(settings, key),
                       "%s: %s: %s", settings->name, key,
                       named ? "of the templates that have names none is a text called \"default\""
                             : "expected a text, or texts by name"));
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
    if ((st = tempo_path_format(path, sizeof(path), ld->err, "%s/%s", ld->f->path, name)) != TEMPO_OK)
        return st;
    if ((st = tempo_map_open(&text, path, ld->err)) != TEMPO_OK)
        return tempo_part_no_chat(ld, st);
    st = tempo_part_chat(ld, (const char *)text.p, text.n);
    tempo_map_close(&text);
    return st;
}

static tempo_status no_tokenizer(tempo_loader *ld)
{
    static const char *const others[] = {"tokenizer.model", "vocab.json", "vocab.txt"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (has_file(ld, others[i]))
            return tempo_fail(ld->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                              "%s is not supported: the tokenizer must be there as tokenizer.json",
                              others[i]);
    }
    return tempo_fail(ld->err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "there is no tokenizer.json");
}

/* Older directories have a list of pieces and a list of merges instead. */
static tempo_status read_lists(tempo_loader *ld, const json_file *settings)
{
    static const char meaning[] = "what it says of special tokens is not known", merges_name[] = "merges.txt";
    json_file vocab = {0}, added = {0}, special = {0};
    tempo_map merges = {0};
    char path[PATH_MAX];
    tempo_status st = tempo_path_format(path, sizeof(path), ld->err, "%s/%s", ld->f->path, merges_name);

    if (st != TEMPO_OK || (st = load_json(ld, "vocab.json", true, &vocab)) != TEMPO_OK ||
        (st = tempo_map_open(&merges, path, ld->err)) != TEMPO_OK ||
        (st = load_optional(ld, "added_tokens.json", meaning, &added)) != TEMPO_OK ||
        (st = load_optional(ld, "special_tokens_map.json", meaning, &special)) != TEMPO_OK)
        goto out;
    const tempo_token_lists lists = {.vocab = vocab.root,
                                     .merges = (const char *)merges.p,
                                     .n_merges = merges.n,
                                     .added = added.root,
                                     .special = special.root,
                                     .config = settings->root};
    st = tempo_tokenizer_from_lists(&ld->m->tokenizer, &lists, &ld->m->notes, ld->err);
    if (st != TEMPO_OK)
        tempo_err_prefix(ld->err, "vocab.json, merges.txt");
out:
    close_json(&vocab);
    close_json(&added);
    close_json(&special);
    tempo_map_close(&merges);
    return st;
}

static tempo_status read_tokenizer(tempo_loader *ld, const json_file *settings)
{
    json_file file;
    tempo_status st = load_json(ld, "tokenizer.json", false, &file);

    if (st == TEMPO_OK && file.root == NULL)
        st = has_file(ld, "vocab.json") && has_file(ld, "merges.txt") ? read_lists(ld, settings)
                                                                      : no_tokenizer(ld);
    else if (st == TEMPO_OK && (st = tempo_tokenizer_from_json(&ld->m->tokenizer, file.root, settings->root,
                                                               &ld->m->notes, ld->err)) != TEMPO_OK)
        tempo_err_prefix(ld->err, "tokenizer.json");
    close_json(&file);
    return tempo_part_tokenizer(ld, st);
}

static tempo_status load_tokenizer(tempo_loader *ld, const json_file *config)
{
    json_file settings = {0};
    tempo_status st = load_optional(ld, "tokenizer_config.json",
                                    "what it says of special tokens and of chats is not known", &settings);

    if (st == TEMPO_OK && (st = read_tokenizer(ld, &settings)) == TEMPO_OK &&
        (st = add_special_ids(ld, config)) == TEMPO_OK)
        st = load_chat(ld, &settings);
    close_json(&settings);
    return st;
}

/* ---- the directory ---- */

static tempo_status load_config(tempo_loader *ld, json_file *config)
{
    static const char name[] = "config.json";
    const bool needed = ld->load != TEMPO_LOAD_TOKENIZER;
    tempo_status st = needed ? load_json(ld, name, true, config)
                             : load_optional(ld, name, "what it says of special tokens is not known", config);

    if (st != TEMPO_OK || config->root == NULL)
        return st;
    ld->config = config->text;
    if ((st = tempo_hf_config(ld, config->root)) != TEMPO_OK)
        tempo_err_prefix(ld->err, "config.json");
    ld->config = (tempo_map){0};
    ld->json = NULL;
    json_decref(ld->text);
    ld->is_part = ld->text != NULL;
    ld->text = NULL;
    return needed ? st : tempo_part_lost(ld, st, "what it says of the model is not known");
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
