/* hf_config.c - hyper-parameters from a Hugging Face config.json.
 *
 * Keys that decide what is computed and that files may leave out have the default of the architecture's
 * configuration class in transformers.  */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "io/json.h"
#include "model/arch/outline.h"

/* ---- places in config.json ---- */

static uint64_t place(const tempo_loader *ld, const char *key)
{
    return tempo_key_offset(ld->config.p, ld->config.n, key);
}

/* The status of reading `key`; its message gets the place. */
static tempo_status placed(tempo_loader *ld, const char *key, tempo_status st)
{
    if (ld->err->code != TEMPO_OK && ld->err->offset == TEMPO_NO_OFFSET)
        ld->err->offset = place(ld, key);
    return st;
}

/* ---- the architecture ---- */

/* A model of several parts (text, images, sound) has a configuration for each, text_config among them, which
 * leaves out what its class says: then that becomes the configuration.  */
static tempo_status find_text(tempo_loader *ld, const json_t **c, const char **type)
{
    const json_t *text = json_object_get(*c, "text_config"),
                 *tied = json_object_get(*c, "tie_word_embeddings");
    const char *name = json_string_value(json_object_get(text, "model_type"));
    const tempo_arch *arch = name != NULL ? tempo_arch_of_hf(name) : NULL;
    json_t *usual;
    tempo_status st;

    if (arch == NULL || arch->text == NULL || tempo_arch_of_hf(*type) != NULL)
        return TEMPO_OK;
    ld->text = json_copy((json_t *)(uintptr_t)text);
    if (ld->text == NULL ||
        (st = tempo_json_parse(&usual, arch->text, strlen(arch->text), ld->err)) != TEMPO_OK)
        return tempo_fail(ld->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a configuration");
    const int failed = json_object_update_missing(ld->text, usual) +
                       (tied != NULL && json_object_get(text, "tie_word_embeddings") == NULL
                            ? json_object_set(ld->text, "tie_word_embeddings", (json_t *)(uintptr_t)tied)
                            : 0);
    json_decref(usual);
    if (failed != 0)
        return tempo_fail(ld->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a configuration");
    tempo_note(&ld->m->notes, "of this %.60s model only the part for text is read", *type);
    *type = name;
    *c = ld->json = ld->text;
    return TEMPO_OK;
}

static tempo_status check_class(tempo_loader *ld, const json_t *c)
{
    const tempo_arch *arch = ld->facts.arch;
    const char *class = json_string_value(json_array_get(json_object_get(c, "architectures"), 0));

    if (class == NULL || ld->text != NULL || strcmp(class, arch->class) == 0)
        return TEMPO_OK;
    return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, "architectures"),
                        "architectures names \"%s\": only %s is supported", class, arch->class);
}

/* model_type and architectures -> files->architecture, facts.arch; *c: what else is to be read */
static tempo_status read_arch(tempo_loader *ld, const json_t **c)
{
    const char *type = NULL;
    const tempo_arch *arch;
    char names[400];
    tempo_status st = placed(ld, "model_type", tempo_json_str(*c, "model_type", &type, ld->err));

    if (st == TEMPO_E_NOTFOUND)
        return ld->load == TEMPO_LOAD_TOKENIZER
                   ? TEMPO_OK
                   : tempo_refuse(ld, st, TEMPO_NO_OFFSET, "model_type is missing");
    if (st != TEMPO_OK || (st = find_text(ld, c, &type)) != TEMPO_OK)
        return st;
    arch = tempo_arch_of_hf(type);
    if (arch != NULL && arch->gguf != NULL)
        type = arch->gguf;
    if ((ld->f->architecture = tempo_files_text(ld, type, strlen(type))) == NULL)
        return TEMPO_E_NOMEM;
    if (ld->load == TEMPO_LOAD_TOKENIZER)
        return TEMPO_OK;
    if (arch == NULL) {
        tempo_arch_names(false, names, sizeof(names));
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, "model_type"),
                            "model type \"%.60s\" is not supported (%s are)", ld->f->architecture, names);
    }
    ld->facts.arch = arch;
    return check_class(ld, *c);
}

/* ---- numbers ---- */

/* As in gguf_model.c: *out stays when the key is absent and not required.  names: "a|b", the first for
 * messages. */
static tempo_status read_count(tempo_loader *ld, const json_t *c, const char *names, uint32_t limit,
                               bool required, uint32_t *out)
{
    const char *key = TEMPO_KEY_NAME(ld, names, NULL);
    uint64_t value = 0;
    const tempo_status st = placed(ld, key, tempo_json_u64(c, key, INT64_MAX, &value, ld->err));

    if (ld->facts.arch == NULL) {
        *ld->err = (tempo_err){0};
        if (st == TEMPO_OK && value <= limit)
            *out = (uint32_t)value;
        return TEMPO_OK;
    }
    if (st == TEMPO_E_NOTFOUND)
        return required ? tempo_refuse(ld, st, TEMPO_NO_OFFSET, "%s is missing", key) : TEMPO_OK;
    return st == TEMPO_OK ? tempo_facts_count(ld, key, place(ld, key), value, limit, out) : st;
}

/* Where no key says it: the width through the heads. */
static tempo_status find_head_dim(tempo_loader *ld)
{
    tempo_hparams *hp = &ld->facts.hp;

    if (hp->head_dim != 0 || hp->n_heads == 0)
        return TEMPO_OK;
    if (hp->d_model % hp->n_heads != 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, place(ld, "hidden_size"),
                          "hidden_size %" PRIu32 " does not divide into %" PRIu32 " heads", hp->d_model,
                          hp->n_heads);
    return hp->d_model == 0 ? TEMPO_OK
                            : tempo_facts_count(ld, "head_dim", place(ld, "hidden_size"),
                                                hp->d_model / hp->n_heads, TEMPO_MAX_HEAD_DIM, &hp->head_dim);
}

/* What the architecture says where its files may be silent. */
static bool has_default(tempo_loader *ld, uint32_t *field)
{
    const tempo_arch *arch = ld->facts.arch;
    tempo_hparams *hp = &ld->facts.hp;

    if (arch != NULL && field == &hp->d_ff)
        *field = arch->ff_times * hp->d_model;
    else if (arch != NULL && field == &hp->n_ctx)
        *field = arch->n_ctx;
    return *field != 0;
}

static tempo_status read_sizes(tempo_loader *ld, const json_t *c)
{
    tempo_status st = TEMPO_OK;

    ld->facts.kv_heads_at = place(ld, "num_key_value_heads");
    ld->facts.head_dim_at = place(ld, "head_dim");
    for (size_t i = 0; i < tempo_n_size_keys && st == TEMPO_OK; i++) {
        const tempo_size_key *k = &tempo_size_keys[i];
        uint32_t *field = tempo_size_field(ld, k);
        st = read_count(ld, c, k->hf, k->limit, k->required && !has_default(ld, field), field);
        if (*field != 0)
            tempo_outline_say(ld, k->gguf, TEMPO_SAID_COUNT, *field);
    }
    return st == TEMPO_OK ? find_head_dim(ld) : st;
}

/* Whether all that a configuration says of its weights is that some are 8-bit floats with scales, or MXFP4,
 * whose tensors say so themselves. */
static bool has_known_floats(const json_t *q, const char *method)
{
    static const struct {
        const char *method, *key, *value; /* the value that key must have, if there is one */
    } kinds[] = {{"fp8", NULL, NULL},
                 {"fbgemm_fp8", NULL, NULL},
                 {"compressed-tensors", "format", "float-quantized"},
                 {"compressed-tensors", "format", "naive-quantized"},
                 {"modelopt", "quant_algo", "FP8"},
                 {"mxfp4", NULL, NULL}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const char *value = kinds[i].key != NULL ? json_string_value(json_object_get(q, kinds[i].key)) : NULL;
        if (strcmp(kinds[i].method, method) == 0 &&
            (kinds[i].key == NULL || (value != NULL && strcmp(kinds[i].value, value) == 0)))
            return true;
    }
    return false;
}

static tempo_status read_blocks(tempo_loader *ld, const json_t *q, uint64_t at)
{
    const json_t *sizes = json_object_get(q, "weight_block_size");

    if (sizes == NULL || json_is_null(sizes))
        return TEMPO_OK;
    for (size_t i = 0; i < 2; i++) {
        const json_int_t v = json_integer_value(json_array_get(sizes, i)); /* 0: there is none */
        if (json_array_size(sizes) != 2 || v < 1 || v > INT32_MAX)
            return tempo_fail(ld->err, TEMPO_E_FORMAT, at,
                              "weight_block_size: expected two positive integers");
        ld->facts.scale_block[i] = (uint32_t)v;
    }
    return TEMPO_OK;
}

static tempo_status check_quantization(tempo_loader *ld, const json_t *c)
{
    const json_t *q = json_object_get(c, "quantization_config");
    const uint64_t at = place(ld, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    const char *format = json_string_value(json_object_get(q, "format"));

    if (q == NULL || json_is_null(q))
        return TEMPO_OK;
    if (method != NULL && has_known_floats(q, method))
        return read_blocks(ld, q, at);
    return tempo_refuse(
        ld, TEMPO_E_UNSUPPORTED, at,
        "weights quantised with \"%.32s\"%s%.32s (quantization_config) are not supported; what runs: the "
        "model without quantisation, in 8-bit floats, or as GGUF (Q4_K_M is about as small)",
        method != NULL ? method : "an unnamed method", format != NULL ? ", format " : "",
        format != NULL ? format : "");
}

tempo_status tempo_hf_config(tempo_loader *ld, const json_t *whole)
{
    const json_t *c = whole;
    tempo_status st;

    if (!json_is_object(c))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, 0, "expected an object");
    ld->json = c;
    if ((st = read_arch(ld, &c)) != TEMPO_OK || ld->load == TEMPO_LOAD_TOKENIZER)
        return st;
    if ((st = check_quantization(ld, whole)) != TEMPO_OK || (st = read_sizes(ld, c)) != TEMPO_OK ||
        ld->facts.arch == NULL) /* its other keys may mean anything */
        return st;
    ld->facts.tied = tempo_key_flag(ld, "tie_word_embeddings", NULL, ld->facts.arch->tied);
    return ld->failed == TEMPO_OK ? tempo_facts_read(ld) : ld->failed;
}
