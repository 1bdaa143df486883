/* hf_config.c - hyper-parameters from a Hugging Face config.json.
 *
 * Keys that decide what is computed and that files may leave out have the default of the architecture's
 * configuration class in transformers.  */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "io/json.h"
#include "model/files.h"

enum { DEFAULT_WINDOW = 4096, DEFAULT_MAX_WINDOW_LAYERS = 28 };

typedef struct family {
    const char *model_type, *arch, *class;
    bool windows;        /* every layer has sliding_window */
    bool flagged;        /* layers have one only if use_sliding_window says so */
    bool attention_flag; /* attention_bias says whether Q, K, V and the output have biases */
    bool mlp_flag;       /* mlp_bias says the same of the feed-forward matrices */
} family;

static const family families[] = {
    {"llama", "llama", "LlamaForCausalLM", false, false, true, true},
    {"mistral", "llama", "MistralForCausalLM", true, false, false, false},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", false, true, false, false},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", false, true, true, false},
};

static const family *find_family(const char *model_type)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    }
    return NULL;
}

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

/* model_type and architectures -> files->architecture, facts.arch */
static tempo_status read_family(tempo_loader *ld, const json_t *c, const family **out)
{
    const char *type = NULL, *class = NULL;
    tempo_status st = placed(ld, "model_type", tempo_json_str(c, "model_type", &type, ld->err));

    *out = NULL;
    if (st == TEMPO_E_NOTFOUND)
        return ld->load == TEMPO_LOAD_TOKENIZER
                   ? TEMPO_OK
                   : tempo_refuse(ld, st, TEMPO_NO_OFFSET, "model_type is missing");
    if (st != TEMPO_OK)
        return st;
    *out = find_family(type);
    ld->f->architecture =
        tempo_files_text(ld, *out != NULL ? (*out)->arch : type, strlen(*out != NULL ? (*out)->arch : type));
    if (ld->f->architecture == NULL)
        return TEMPO_E_NOMEM;
    if (ld->load == TEMPO_LOAD_TOKENIZER)
        return TEMPO_OK;
    if (*out == NULL)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, "model_type"),
                            "model type \"%s\" is not supported (llama, mistral, qwen2 and qwen3 are)",
                            ld->f->architecture);
    ld->facts.arch = tempo_arch_find((*out)->arch);
    class = json_string_value(json_array_get(json_object_get(c, "architectures"), 0));
    if (class != NULL && strcmp(class, (*out)->class) != 0)
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, "architectures"),
                            "architectures names \"%s\": only %s is supported", class, (*out)->class);
    return TEMPO_OK;
}

/* ---- numbers ---- */

/* As in gguf_model.c: *out stays when the key is absent and not required. */
static tempo_status read_count(tempo_loader *ld, const json_t *c, const char *key, uint32_t limit,
                               bool required, uint32_t *out)
{
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

static tempo_status read_sizes(tempo_loader *ld, const json_t *c)
{
    tempo_status st = TEMPO_OK;

    ld->facts.kv_heads_at = place(ld, "num_key_value_heads");
    ld->facts.head_dim_at = place(ld, "head_dim");
    for (size_t i = 0; i < tempo_n_size_keys && st == TEMPO_OK; i++) {
        const tempo_size_key *k = &tempo_size_keys[i];
        st = read_count(ld, c, k->hf, k->limit, k->required, tempo_size_field(ld, k));
    }
    return st == TEMPO_OK ? find_head_dim(ld) : st;
}

static tempo_status read_eps(tempo_loader *ld, const json_t *c)
{
    static const char key[] = "rms_norm_eps";
    double eps = 0.0;
    const tempo_status st = placed(ld, key, tempo_json_f64(c, key, &eps, ld->err));

    if (st == TEMPO_E_NOTFOUND)
        return tempo_refuse(ld, st, TEMPO_NO_OFFSET, "%s is missing", key);
    return st == TEMPO_OK ? tempo_facts_eps(ld, key, place(ld, key), eps) : st;
}

/* A flag that may be absent or null: *out stays. */
static tempo_status read_flag(tempo_loader *ld, const json_t *c, const char *key, bool *out)
{
    const tempo_status st = placed(ld, key, tempo_json_bool(c, key, out, ld->err));

    return st == TEMPO_E_NOTFOUND ? TEMPO_OK : st;
}

static tempo_status read_biases(tempo_loader *ld, const json_t *c, const family *fam)
{
    tempo_facts *f = &ld->facts;
    tempo_status st;

    if (fam->attention_flag && (st = read_flag(ld, c, "attention_bias", &f->needs_o_bias)) != TEMPO_OK)
        return st;
    if (fam->mlp_flag && (st = read_flag(ld, c, "mlp_bias", &f->needs_mlp_bias)) != TEMPO_OK)
        return st;
    f->needs_qkv_bias = f->needs_o_bias || f->arch->needs_bias;
    return TEMPO_OK;
}

/* ---- rope ---- */

static const char partial_key[] = "partial_rotary_factor";

static tempo_status read_factor(tempo_loader *ld, const json_t *scaling, const char *key, double *out)
{
    const tempo_status st = placed(ld, key, tempo_json_f64(scaling, key, out, ld->err));

    if (st == TEMPO_E_NOTFOUND)
        return tempo_refuse(ld, st, ld->facts.rope_at, "rope scaling has no %s", key);
    if (st == TEMPO_OK && (!(*out > 0.0) || !isfinite(*out)))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, place(ld, key),
                          "rope scaling: %s is %g, expected a number above 0", key, *out);
    return st;
}

static tempo_status read_llama3(tempo_loader *ld, const json_t *scaling, tempo_rope *r)
{
    tempo_status st;

    if ((st = read_factor(ld, scaling, "factor", &r->factor)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "low_freq_factor", &r->low)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "high_freq_factor", &r->high)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "original_max_position_embeddings", &r->context)) != TEMPO_OK)
        return st;
    if (r->factor == 0 || r->low == 0 || r->high == 0 || r->context == 0)
        return TEMPO_OK; /* one is missing, which was refused: there is nothing to check */
    if (!(r->low < r->high))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, place(ld, "low_freq_factor"),
                          "rope scaling: low_freq_factor %g is not below high_freq_factor %g", r->low,
                          r->high);
    r->kind = TEMPO_ROPE_LLAMA3;
    return TEMPO_OK;
}

static tempo_status read_scaling(tempo_loader *ld, const json_t *scaling)
{
    tempo_rope *r = &ld->facts.rope;
    const char *type = "default";
    tempo_status st = placed(ld, "rope_type", tempo_json_str(scaling, "rope_type", &type, ld->err));

    if (st == TEMPO_E_NOTFOUND)
        st = placed(ld, "type", tempo_json_str(scaling, "type", &type, ld->err)); /* its older name */
    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    if (strcmp(type, "default") == 0)
        return TEMPO_OK;
    if (strcmp(type, "llama3") == 0)
        return read_llama3(ld, scaling, r);
    if (strcmp(type, "linear") == 0) {
        r->kind = TEMPO_ROPE_LINEAR;
        return read_factor(ld, scaling, "factor", &r->factor);
    }
    return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, ld->facts.rope_at,
                        "rope scaling \"%s\" is not supported (default, linear and llama3 are)", type);
}

/* theta, partial: stay when the object does not have them. */
static tempo_status read_rope_object(tempo_loader *ld, const char *name, const json_t *o, double *theta,
                                     double *partial)
{
    const char *key;
    const json_t *member;
    tempo_status st;

    ld->facts.rope_at = place(ld, name);
    if (!json_is_object(o))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, ld->facts.rope_at, "%s: expected an object", name);
    json_object_foreach((json_t *)(uintptr_t)o, key, member) /* its macro wants no const */
    {
        if (json_is_object(member)) /* {"full_attention": {..}, "sliding_attention": {..}} */
            return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, ld->facts.rope_at,
                                "%s that differ between kinds of layers (\"%.40s\") are not supported", name,
                                key);
    }
    st = placed(ld, "rope_theta", tempo_json_f64(o, "rope_theta", theta, ld->err));
    if (st == TEMPO_OK || st == TEMPO_E_NOTFOUND)
        st = placed(ld, partial_key, tempo_json_f64(o, partial_key, partial, ld->err));
    return st == TEMPO_OK || st == TEMPO_E_NOTFOUND ? read_scaling(ld, o) : st;
}

static tempo_status read_rope(tempo_loader *ld, const json_t *c)
{
    static const char *const places[] = {"rope_scaling", "rope_parameters"}; /* the second is newer */
    double theta = 10000.0, partial = 1.0;
    tempo_status st = placed(ld, "rope_theta", tempo_json_f64(c, "rope_theta", &theta, ld->err));

    if (st == TEMPO_OK || st == TEMPO_E_NOTFOUND)
        st = placed(ld, partial_key, tempo_json_f64(c, partial_key, &partial, ld->err));
    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    for (size_t i = 0; i < 2; i++) {
        const json_t *o = json_object_get(c, places[i]);
        if (o != NULL && !json_is_null(o) &&
            (st = read_rope_object(ld, places[i], o, &theta, &partial)) != TEMPO_OK)
            return st;
    }
    if (partial != 1.0 && (st = tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, partial_key),
                                             "partial rotary embedding is not supported: %s is %g",
                                             partial_key, partial)) != TEMPO_OK)
        return st;
    return tempo_facts_theta(ld, "rope_theta", place(ld, "rope_theta"), theta);
}

/* ---- what would change the computation ---- */

/* layer_types: *sliding says whether a layer has a window, and stays when the list is absent. */
static tempo_status read_layer_types(tempo_loader *ld, const json_t *c, bool *sliding)
{
    const json_t *types = json_object_get(c, "layer_types"), *type;
    bool some = false;
    size_t i;

    json_array_foreach(types, i, type)
    {
        const char *s = json_string_value(type);
        if (s != NULL && strcmp(s, "sliding_attention") == 0)
            some = true;
        else if (s == NULL || strcmp(s, "full_attention") != 0)
            return tempo_refuse(
                ld, TEMPO_E_UNSUPPORTED, place(ld, "layer_types"),
                "layer_types[%zu] is \"%s\": only full_attention and sliding_attention are supported", i,
                s != NULL ? s : "(no string)");
    }
    if (json_is_array(types))
        *sliding = some;
    return TEMPO_OK;
}

/* Does any layer have a window, and is it on? */
static tempo_status read_window_use(tempo_loader *ld, const json_t *c, const family *fam, bool *sliding)
{
    static const char layers_key[] = "max_window_layers";
    uint64_t full_layers = DEFAULT_MAX_WINDOW_LAYERS; /* those before it */
    bool on = fam->windows;
    tempo_status st;

    *sliding = fam->windows;
    if (!fam->windows) {
        st = placed(ld, layers_key, tempo_json_u64(c, layers_key, INT64_MAX, &full_layers, ld->err));
        if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
            return st;
        *sliding = full_layers < ld->facts.hp.n_layers;
    }
    if ((st = read_layer_types(ld, c, sliding)) != TEMPO_OK)
        return st;
    if (*sliding && json_is_array(json_object_get(c, "layer_types")) && !fam->flagged)
        on = true; /* only Qwen has the flag */
    if ((st = read_flag(ld, c, "use_sliding_window", &on)) != TEMPO_OK)
        return st;
    *sliding = *sliding && on;
    return TEMPO_OK;
}

static tempo_status read_window(tempo_loader *ld, const json_t *c, const family *fam)
{
    static const char key[] = "sliding_window";
    uint64_t window = 0;
    bool sliding;
    tempo_status st = read_window_use(ld, c, fam, &sliding);

    if (st != TEMPO_OK || !sliding)
        return st;
    if (json_object_get(c, key) == NULL) /* null says that there is none */
        window = DEFAULT_WINDOW;
    st = placed(ld, key, tempo_json_u64(c, key, INT64_MAX, &window, ld->err));
    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    tempo_facts_window(ld, key, window);
    return TEMPO_OK;
}

static tempo_status check_activation(tempo_loader *ld, const json_t *c)
{
    const char *act = "silu";
    const tempo_status st = placed(ld, "hidden_act", tempo_json_str(c, "hidden_act", &act, ld->err));

    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    if (strcmp(act, "silu") == 0 || strcmp(act, "swish") == 0) /* two names of one function */
        return TEMPO_OK;
    return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, "hidden_act"),
                        "hidden_act \"%s\" is not supported (silu is)", act);
}

static tempo_status check_quantization(tempo_loader *ld, const json_t *c)
{
    const json_t *q = json_object_get(c, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));

    if (q == NULL || json_is_null(q))
        return TEMPO_OK;
    return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, "quantization_config"),
                        "weights quantised with \"%s\" (quantization_config) are not supported",
                        method != NULL ? method : "an unnamed method");
}

static tempo_status check_rest(tempo_loader *ld, const json_t *c, const family *fam)
{
    tempo_status st;

    if ((st = read_window(ld, c, fam)) != TEMPO_OK || (st = check_activation(ld, c)) != TEMPO_OK)
        return st;
    return tempo_facts_check(ld);
}

static tempo_status check_experts(tempo_loader *ld, const json_t *c)
{
    static const char *const keys[] = {"num_local_experts", "num_experts", "n_routed_experts"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        uint64_t n = 0;
        const tempo_status st = placed(ld, keys[i], tempo_json_u64(c, keys[i], INT64_MAX, &n, ld->err));
        if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
            return st;
        if (n > 0)
            return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, place(ld, keys[i]),
                                "mixture of experts (%s is %" PRIu64 ") is not supported", keys[i], n);
    }
    return TEMPO_OK;
}

tempo_status tempo_hf_config(tempo_loader *ld, const json_t *c)
{
    const family *fam;
    tempo_status st;

    if (!json_is_object(c))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, 0, "expected an object");
    if ((st = read_family(ld, c, &fam)) != TEMPO_OK || ld->load == TEMPO_LOAD_TOKENIZER)
        return st;
    if ((st = check_experts(ld, c)) != TEMPO_OK || (st = check_quantization(ld, c)) != TEMPO_OK ||
        (st = read_sizes(ld, c)) != TEMPO_OK)
        return st;
    if (fam == NULL)
        return TEMPO_OK; /* its other keys may mean anything */
    if ((st = read_biases(ld, c, fam)) != TEMPO_OK || (st = read_eps(ld, c)) != TEMPO_OK ||
        (st = read_rope(ld, c)) != TEMPO_OK ||
        (st = read_flag(ld, c, "tie_word_embeddings", &ld->facts.tied)) != TEMPO_OK)
        return st;
    return check_rest(ld, c, fam);
}
