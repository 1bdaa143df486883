/* gguf_model.c - a model from a GGUF file: hyper-parameters from its metadata, the list of its tensors.
 * The container itself is io/gguf.c's business.  Source: the GGUF specification, "standardized keys".  */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/files.h"

enum { MAX_ARCH_NAME = 63, KEY_LEN = 128 };

typedef struct source {
    tempo_loader *ld;
    const tempo_gguf *g;
    const char *arch;
} source;

static const char *full_key(char key[KEY_LEN], const source *s, const char *what)
{
    (void)snprintf(key, KEY_LEN, "%s.%s", s->arch, what);
    return key;
}

static uint64_t offset_of(const source *s, const char *key)
{
    const tempo_gguf_kv *kv = tempo_gguf_find(s->g, key);

    return kv != NULL ? kv->at : TEMPO_NO_OFFSET;
}

/* ---- numbers ---- */

/* An array of equal numbers says of each layer what a single number says of all. */
static tempo_status read_uniform(const source *s, const char *key, uint64_t *out)
{
    const tempo_gguf_kv *a;
    tempo_status st = tempo_gguf_array(s->g, key, TEMPO_GGUF_I32, &a, s->ld->err);

    if (st != TEMPO_OK)
        return st;
    for (uint64_t i = 0; i < a->count; i++) {
        const int64_t v = tempo_gguf_array_int(s->g, a, i);
        if (v < 0)
            return tempo_fail(s->ld->err, TEMPO_E_FORMAT, a->at, "%s[%" PRIu64 "] is %" PRId64, key, i, v);
        if (v != tempo_gguf_array_int(s->g, a, 0))
            return tempo_fail(s->ld->err, TEMPO_E_UNSUPPORTED, a->at,
                              "%s differs between layers, which is not supported", key);
        *out = (uint64_t)v;
    }
    return a->count > 0 ? TEMPO_OK : tempo_fail(s->ld->err, TEMPO_E_FORMAT, a->at, "%s is empty", key);
}

static tempo_status read_integer(const source *s, const char *key, uint64_t *out)
{
    const tempo_gguf_kv *kv = tempo_gguf_find(s->g, key);

    if (kv != NULL && kv->type == TEMPO_GGUF_ARRAY)
        return read_uniform(s, key, out);
    return tempo_gguf_u64(s->g, key, UINT64_MAX, out, s->ld->err);
}

/* A hyper-parameter that is a count: *out stays when the key is absent and not required.  Of an
 * architecture that does not run, whatever can be read is enough.  */
static tempo_status read_count(const source *s, const char *what, uint32_t limit, bool required,
                               uint32_t *out, uint64_t *at)
{
    char key[KEY_LEN];
    uint64_t value = 0;
    tempo_status st = read_integer(s, full_key(key, s, what), &value);

    *at = offset_of(s, key);
    if (s->ld->facts.arch == NULL) {
        *s->ld->err = (tempo_err){0};
        if (st == TEMPO_OK && value <= limit)
            *out = (uint32_t)value;
        return TEMPO_OK;
    }
    if (st == TEMPO_E_NOTFOUND)
        return required ? tempo_refuse(s->ld, st, TEMPO_NO_OFFSET, "%s is missing", key) : TEMPO_OK;
    if (st != TEMPO_OK)
        return tempo_soften(s->ld, st);
    return tempo_facts_count(s->ld, key, *at, value, limit, out);
}

/* TEMPO_E_NOTFOUND without a message when the key is absent. */
static tempo_status read_real(const source *s, const char *what, double *out, uint64_t *at)
{
    char key[KEY_LEN];
    const tempo_status st = tempo_gguf_f64(s->g, full_key(key, s, what), out, s->ld->err);

    *at = offset_of(s, key);
    return st;
}

/* Where no key says it: the width through the heads.  Values must be as wide as keys. */
static tempo_status find_head_dim(const source *s)
{
    tempo_hparams *hp = &s->ld->facts.hp;
    uint32_t value_dim = 0;
    uint64_t at;
    const tempo_status st =
        read_count(s, "attention.value_length", TEMPO_MAX_HEAD_DIM, false, &value_dim, &at);

    if (st != TEMPO_OK)
        return st;
    if (hp->head_dim == 0 && hp->n_heads != 0 && hp->d_model % hp->n_heads != 0)
        return tempo_fail(s->ld->err, TEMPO_E_FORMAT, s->ld->facts.heads_at,
                          "an embedding of %" PRIu32 " does not divide into %" PRIu32 " heads", hp->d_model,
                          hp->n_heads);
    if (hp->head_dim == 0 && hp->n_heads != 0 && hp->d_model / hp->n_heads > TEMPO_MAX_HEAD_DIM)
        return tempo_refuse(s->ld, TEMPO_E_LIMIT, s->ld->facts.heads_at,
                            "the head size is %" PRIu32 ", the limit is %d", hp->d_model / hp->n_heads,
                            TEMPO_MAX_HEAD_DIM);
    if (hp->head_dim == 0 && hp->n_heads != 0)
        hp->head_dim = hp->d_model / hp->n_heads;
    if (value_dim != 0 && value_dim != hp->head_dim)
        return tempo_refuse(s->ld, TEMPO_E_UNSUPPORTED, at,
                            "keys of %" PRIu32 " and values of %" PRIu32
                            " per head: only equal sizes are supported",
                            hp->head_dim, value_dim);
    return TEMPO_OK;
}

static tempo_status read_sizes(const source *s)
{
    tempo_facts *f = &s->ld->facts;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < tempo_n_size_keys && st == TEMPO_OK; i++) {
        const tempo_size_key *k = &tempo_size_keys[i];
        uint32_t *field = tempo_size_field(s->ld, k);
        uint64_t at;
        st = read_count(s, k->gguf, k->limit, k->required, field, &at);
        if (field == &f->hp.n_heads)
            f->heads_at = f->kv_heads_at = at;
        else if (field == &f->hp.n_kv_heads && at != TEMPO_NO_OFFSET)
            f->kv_heads_at = at;
        else if (field == &f->hp.head_dim)
            f->head_dim_at = at;
    }
    return st == TEMPO_OK ? find_head_dim(s) : st;
}

/* ---- what would change the computation ---- */

/* Numbers that other architectures' files carry; each has one value that changes nothing, or two. */
static const struct {
    const char *what;
    double neutral, other;
    const char *meaning;
} neutral_keys[] = {
    {"attention.scale", 0.0, 0.0, "a scale of attention scores"},
    {"rope.scaling.attn_factor", 1.0, 1.0, "a scale of rotated queries and keys"},
    {"attention.clamp_kqv", 0.0, 0.0, "clamped queries, keys and values"},
    {"attention.max_alibi_bias", 0.0, 0.0, "ALiBi"},
    {"attn_logit_softcapping", 0.0, 0.0, "soft-capped attention"},
    {"final_logit_softcapping", 0.0, 0.0, "soft-capped logits"},
    {"embedding_scale", 0.0, 1.0, "scaled embeddings"},
    {"residual_scale", 0.0, 1.0, "scaled residuals"},
    {"logit_scale", 0.0, 1.0, "scaled logits"},
};

uint64_t tempo_gguf_neutral_bit(const char *what)
{
    for (size_t i = 0; i < sizeof(neutral_keys) / sizeof(neutral_keys[0]); i++)
        if (strcmp(neutral_keys[i].what, what) == 0)
            return UINT64_C(1) << i;
    return 0;
}

static tempo_status check_neutral(const source *s)
{
    for (size_t i = 0; i < sizeof(neutral_keys) / sizeof(neutral_keys[0]); i++) {
        char key[KEY_LEN];
        if ((s->ld->neutral >> i & 1) != 0)
            continue;
        double v = 0.0;
        uint64_t at;
        tempo_status st = read_real(s, neutral_keys[i].what, &v, &at);
        if (st == TEMPO_E_NOTFOUND ||
            (st == TEMPO_OK && (v == neutral_keys[i].neutral || v == neutral_keys[i].other)))
            continue;
        if (st == TEMPO_OK)
            st = tempo_refuse(s->ld, TEMPO_E_UNSUPPORTED, at, "%s is %g: %s is not supported",
                              full_key(key, s, neutral_keys[i].what), v, neutral_keys[i].meaning);
        if (st != TEMPO_OK)
            return st;
    }
    return TEMPO_OK;
}

static tempo_status check_causal(const source *s)
{
    char key[KEY_LEN];
    bool causal = true;
    const tempo_status st = tempo_gguf_bool(s->g, full_key(key, s, "attention.causal"), &causal, s->ld->err);

    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    return causal ? TEMPO_OK
                  : tempo_refuse(s->ld, TEMPO_E_UNSUPPORTED, offset_of(s, key),
                                 "attention to later tokens (an encoder) is not supported");
}

static tempo_status read_facts(const source *s)
{
    tempo_status st = read_sizes(s);

    if (st != TEMPO_OK || s->ld->facts.arch == NULL) /* its other keys may mean anything */
        return st;
    if ((st = tempo_facts_read(s->ld)) != TEMPO_OK || (st = check_causal(s)) != TEMPO_OK)
        return st;
    return check_neutral(s);
}

/* ---- names ---- */

/* general.architecture -> files->architecture and facts.arch */
static tempo_status read_arch(tempo_loader *ld)
{
    tempo_str s = {"", 0};
    char names[400];
    tempo_status st = tempo_gguf_str(&ld->f->gguf, "general.architecture", &s, ld->err);

    if (st == TEMPO_E_NOTFOUND)
        st = ld->load == TEMPO_LOAD_TOKENIZER
                 ? TEMPO_OK
                 : tempo_refuse(ld, st, TEMPO_NO_OFFSET, "general.architecture is missing");
    if (st != TEMPO_OK)
        return st;
    ld->f->architecture = tempo_files_text(ld, s.p, s.n < MAX_ARCH_NAME ? s.n : MAX_ARCH_NAME);
    if (ld->f->architecture == NULL)
        return TEMPO_E_NOMEM;
    ld->facts.arch = tempo_arch_of_gguf(ld->f->architecture);
    if (ld->facts.arch != NULL || s.n == 0 || ld->load == TEMPO_LOAD_TOKENIZER)
        return TEMPO_OK;
    tempo_arch_names(true, names, sizeof(names));
    return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_gguf_find(&ld->f->gguf, "general.architecture")->at,
                        "architecture \"%s\" is not supported (%s are)", ld->f->architecture, names);
}

static tempo_status read_name(tempo_loader *ld)
{
    tempo_str s = {"", 0};
    const tempo_status st = tempo_gguf_str(&ld->f->gguf, "general.name", &s, ld->err);

    if (st == TEMPO_E_NOTFOUND || (st == TEMPO_OK && (s.n == 0 || tempo_utf8_valid(s.p, s.n) != s.n)))
        return TEMPO_OK;
    if (st != TEMPO_OK)
        return tempo_part_lost(ld, st, "the model is called after its file");
    ld->f->name = tempo_files_text(ld, s.p, s.n);
    return ld->f->name != NULL ? TEMPO_OK : TEMPO_E_NOMEM;
}

/* Files of several templates list their names; one without is the default, as is one of that name. */
static tempo_status read_chat(tempo_loader *ld)
{
    static const char key[] = "tokenizer.chat_template", names[] = "tokenizer.chat_templates";
    const tempo_gguf_kv *list;
    tempo_str text;
    tempo_status st = tempo_gguf_str(&ld->f->gguf, key, &text, ld->err);

    if (st == TEMPO_E_NOTFOUND)
        st = tempo_gguf_str(&ld->f->gguf, "tokenizer.chat_template.default", &text, ld->err);
    if (st == TEMPO_OK)
        return tempo_part_chat(ld, text.p, text.n);
    if (st == TEMPO_E_NOTFOUND && (list = tempo_gguf_find(&ld->f->gguf, names)) == NULL)
        return TEMPO_OK;
    if (st == TEMPO_E_NOTFOUND)
        st = tempo_fail(ld->err, TEMPO_E_UNSUPPORTED, list->at,
                        "%s: the file has templates by name only, and none is called \"default\"", names);
    return tempo_part_no_chat(ld, st);
}

/* What ends a text is known without a vocabulary, too. */
static tempo_status read_ends(tempo_loader *ld)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && st == TEMPO_OK; i++) {
        uint64_t id;
        st = tempo_gguf_u64(&ld->f->gguf, keys[i], UINT32_MAX, &id, ld->err);
        if (st == TEMPO_E_NOTFOUND || (st == TEMPO_OK && id == UINT32_MAX))
            st = TEMPO_OK;
        else
            st = st == TEMPO_OK ? tempo_part_eos(ld, keys[i], (int64_t)id)
                                : tempo_part_lost(ld, st, "no text ends there");
    }
    return st;
}

static tempo_status read_tokenizer(tempo_loader *ld)
{
    tempo_status st = tempo_tokenizer_from_gguf(&ld->m->tokenizer, &ld->f->gguf, &ld->m->notes, ld->err);

    if (st == TEMPO_E_NOTFOUND)
        st = tempo_fail(ld->err, st, TEMPO_NO_OFFSET, "the file brings none");
    if ((st = tempo_part_tokenizer(ld, st)) == TEMPO_OK && ld->m->tokenizer == NULL)
        st = read_ends(ld);
    return st == TEMPO_OK ? read_chat(ld) : st;
}

/* ---- tensors ---- */

/* Types that files have and this build has not, for messages that say more than a number. */
static const struct {
    uint32_t code;
    char name[12];
} other_types[] = {
    {4, "Q4_2"},      {5, "Q4_3"},      {9, "Q8_1"},      {15, "Q8_K"},
    {31, "Q4_0_4_4"}, {32, "Q4_0_4_8"}, {33, "Q4_0_8_8"}, {41, "Q1_0"},
};

/* "type 99" for what nobody knows; NULL when there is no memory. */
static const char *type_name(tempo_loader *ld, const tempo_gguf_tensor *t)
{
    char text[32];

    if (t->type != TEMPO_DTYPE_COUNT)
        return tempo_dtype_get(t->type)->name;
    for (size_t i = 0; i < sizeof(other_types) / sizeof(other_types[0]); i++) {
        if (other_types[i].code == t->ggml_type)
            return other_types[i].name;
    }
    (void)snprintf(text, sizeof(text), "type %" PRIu32, t->ggml_type);
    return tempo_files_text(ld, text, strlen(text));
}

static tempo_status copy_tensor(tempo_loader *ld, tempo_tensor *to, const tempo_gguf *g,
                                const tempo_gguf_tensor *from, const char *path)
{
    *to = (tempo_tensor){.type = from->type,
                         .type_name = type_name(ld, from),
                         .n_dims = from->n_dims,
                         .dims = {1, 1, 1, 1},
                         .elements = 1,
                         .data = g->base + from->offset,
                         .offset = from->offset,
                         .bytes = from->bytes,
                         .info_at = from->info_at,
                         .file = path};
    for (uint32_t i = 0; i < from->n_dims; i++) {
        to->dims[i] = from->dims[from->n_dims - 1 - i];
        to->elements *= to->dims[i];
    }
    to->name = tempo_files_text(ld, from->name.p, from->name.n);
    return to->name != NULL && to->type_name != NULL ? TEMPO_OK : TEMPO_E_NOMEM;
}

/* Requires room in f->tensors. */
static tempo_status append_tensors(tempo_loader *ld, const tempo_gguf *g, const char *path)
{
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < g->n_tensors && st == TEMPO_OK; i++)
        st = copy_tensor(ld, &ld->f->tensors[ld->f->n_tensors++], g, &g->tensors[i], path);
    return st;
}

static tempo_status list_tensors(tempo_loader *ld)
{
    struct tempo_model_files *f = ld->f;
    size_t n = f->gguf.n_tensors;
    tempo_status st;

    for (size_t i = 0; i < f->n_parts; i++)
        n += f->parts[i].gguf.n_tensors;
    if (n > UINT32_MAX)
        return tempo_fail(ld->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "too many tensors: %zu", n);
    if ((f->tensors = tempo_files_alloc(ld, n * sizeof(tempo_tensor))) == NULL)
        return TEMPO_E_NOMEM;
    if ((st = append_tensors(ld, &f->gguf, f->path)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < f->n_parts; i++)
        if ((st = append_tensors(ld, &f->parts[i].gguf, f->parts[i].path)) != TEMPO_OK)
            return st;
    return tempo_files_index(ld);
}

tempo_status tempo_gguf_facts(tempo_loader *ld)
{
    ld->f->is_gguf = true;
    const tempo_status st = read_arch(ld);
    const source s = {ld, &ld->f->gguf, ld->f->architecture};
    return st == TEMPO_OK ? read_facts(&s) : st;
}

tempo_status tempo_gguf_load(tempo_loader *ld)
{
    tempo_status st = tempo_gguf_open_parts(ld);

    if (st != TEMPO_OK)
        return st;
    ld->f->is_gguf = true;
    ld->m->info.format = "gguf";
    ld->m->info.file_bytes = ld->f->gguf.size;
    for (size_t i = 0; i < ld->f->n_parts; i++)
        ld->m->info.file_bytes += ld->f->parts[i].gguf.size;
    if ((st = read_name(ld)) != TEMPO_OK || (st = read_arch(ld)) != TEMPO_OK)
        return st;
    if (ld->load == TEMPO_LOAD_TOKENIZER)
        return read_tokenizer(ld);
    const source s = {ld, &ld->f->gguf, ld->f->architecture};
    if ((st = list_tensors(ld)) != TEMPO_OK || (st = read_facts(&s)) != TEMPO_OK ||
        (st = read_tokenizer(ld)) != TEMPO_OK)
        return st;
    ld->facts.tied = ld->f->n_tensors > 0 && tempo_files_find(ld->f, "output.weight") == NULL;
    return TEMPO_OK;
}
