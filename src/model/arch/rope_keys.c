/* rope_keys.c - what metadata says of RoPE: theta, the share of heads that rotates, and how positions are
 * scaled.
 *
 * Hugging Face has an object rope_scaling, lately rope_parameters, which holds theta, too; GGUF has keys
 * below "rope.", and tensors for divisors.  */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "io/json.h"
#include "model/arch/outline.h"

static const char partial_hf[] = "partial_rotary_factor|rotary_pct",
                  theta_hf[] = "rope_theta|rotary_emb_base";

static uint64_t place(const tempo_loader *ld, const char *key)
{
    return tempo_key_offset(ld->config.p, ld->config.n, key);
}

static tempo_status placed(tempo_loader *ld, const char *key, tempo_status st)
{
    if (ld->err->code != TEMPO_OK && ld->err->offset == TEMPO_NO_OFFSET)
        ld->err->offset = place(ld, key);
    return st;
}

/* ---- Hugging Face ---- */

/* *out stays where the key is absent and not required. */
static tempo_status read_factor(tempo_loader *ld, const json_t *scaling, const char *key, bool required,
                                double *out)
{
    const tempo_status st = placed(ld, key, tempo_json_f64(scaling, key, out, ld->err));

    if (st == TEMPO_E_NOTFOUND)
        return required ? tempo_refuse(ld, st, ld->facts.rope_at, "rope scaling has no %s", key) : TEMPO_OK;
    if (st == TEMPO_OK && (!(*out > 0.0) || !isfinite(*out)))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, place(ld, key),
                          "rope scaling: %s is %g, expected a number above 0", key, *out);
    return st;
}

static const char original_key[] = "original_max_position_embeddings";

static tempo_status read_llama3(tempo_loader *ld, const json_t *scaling, tempo_rope *r)
{
    tempo_status st;

    if ((st = read_factor(ld, scaling, "factor", true, &r->factor)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "low_freq_factor", true, &r->low)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "high_freq_factor", true, &r->high)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, original_key, true, &r->context)) != TEMPO_OK)
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

/* 0.1 m ln(factor) + 1 */
static double yarn_scale(double factor, double m)
{
    return factor > 1.0 ? 0.1 * m * log(factor) + 1.0 : 1.0;
}

static tempo_status read_yarn(tempo_loader *ld, const json_t *scaling, tempo_rope *r)
{
    double mscale = 0, mscale_all = 0;
    tempo_status st;

    r->context = ld->facts.hp.n_ctx;
    r->fast = 32.0;
    r->slow = 1.0;
    r->truncate = true;
    if ((st = read_factor(ld, scaling, "factor", true, &r->factor)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, original_key, false, &r->context)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "beta_fast", false, &r->fast)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "beta_slow", false, &r->slow)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "attention_factor", false, &r->scale)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "mscale", false, &mscale)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "mscale_all_dim", false, &mscale_all)) != TEMPO_OK)
        return st;
    st = placed(ld, "truncate", tempo_json_bool(scaling, "truncate", &r->truncate, ld->err));
    if (r->scale == 0 && mscale != 0 && mscale_all != 0)
        r->scale = yarn_scale(r->factor, mscale) / yarn_scale(r->factor, mscale_all);
    r->kind = TEMPO_ROPE_YARN;
    return st == TEMPO_E_NOTFOUND ? TEMPO_OK : st;
}

/* short_factor or long_factor: a divisor for each frequency. */
static tempo_status read_divisors(tempo_loader *ld, const json_t *scaling, const char *key, const float **to)
{
    const uint32_t n = ld->facts.recipe.n_rot / 2;
    const json_t *list = json_object_get(scaling, key);
    float *out = tempo_files_alloc(ld, (n + (n == 0)) * sizeof(*out));

    if (out == NULL)
        return TEMPO_E_NOMEM;
    if (!json_is_array(list) || json_array_size(list) != n)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, place(ld, key),
                          "rope scaling: %s: expected a list of %" PRIu32 " numbers", key, n);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (float)json_number_value(json_array_get(list, i));
        if (!(out[i] > 0.0f) || !isfinite(out[i]))
            return tempo_fail(ld->err, TEMPO_E_FORMAT, place(ld, key),
                              "rope scaling: %s[%" PRIu32 "] is %g, expected a number above 0", key, i,
                              (double)out[i]);
    }
    *to = out;
    return TEMPO_OK;
}

/* Texts within the original context have divisors of their own, and nothing changes them while a text grows:
 * which are used is said when the model is opened, and without them the context ends with the original one.
 */
static tempo_status choose_divisors(tempo_loader *ld)
{
    tempo_rope *r = &ld->facts.rope;
    uint32_t *n_ctx = &ld->facts.hp.n_ctx;

    if (r->context < 1.0 || r->context >= (double)*n_ctx)
        return TEMPO_OK;
    if (ld->context > *n_ctx)
        return tempo_refuse(ld, TEMPO_E_LIMIT, ld->facts.rope_at,
                            "a context of %" PRIu32 " positions is asked for, the model has %" PRIu32,
                            ld->context, *n_ctx);
    r->for_long = ld->context > (uint32_t)r->context;
    if (r->for_long)
        return TEMPO_OK;
    tempo_note(
        &ld->m->notes,
        "the context is %.0f positions, not %" PRIu32
        ": RoPE has other divisors for longer texts, which a larger context chooses when the model is opened",
        floor(r->context), *n_ctx);
    *n_ctx = (uint32_t)r->context;
    return TEMPO_OK;
}

static tempo_status read_long(tempo_loader *ld, const json_t *scaling, tempo_rope *r)
{
    double factor = 0;
    tempo_status st;

    r->kind = TEMPO_ROPE_LONG;
    r->context = tempo_key_real(ld, original_key, NULL, ld->facts.hp.n_ctx);
    if ((st = read_factor(ld, scaling, original_key, false, &r->context)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "factor", false, &factor)) != TEMPO_OK ||
        (st = read_factor(ld, scaling, "attention_factor", false, &r->scale)) != TEMPO_OK)
        return st;
    if (r->context != (double)ld->facts.hp.n_ctx && r->context > 0)
        factor = ld->facts.hp.n_ctx / r->context;
    if (r->scale == 0)
        r->scale = factor > 1.0 && r->context > 1.0 ? sqrt(1.0 + log(factor) / log(r->context)) : 1.0;
    if ((st = choose_divisors(ld)) != TEMPO_OK ||
        (ld->outline != NULL &&
         (st = read_divisors(ld, scaling, "long_factor", &ld->outline->long_factors)) != TEMPO_OK))
        return st;
    return read_divisors(ld, scaling, r->for_long ? "long_factor" : "short_factor", &r->factors);
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
    if (strcmp(type, "default") == 0 || strcmp(type, "mrope") == 0) /* of texts all its positions are equal */
        return TEMPO_OK;
    if (strcmp(type, "llama3") == 0)
        return read_llama3(ld, scaling, r);
    if (strcmp(type, "yarn") == 0)
        return read_yarn(ld, scaling, r);
    if (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0)
        return read_long(ld, scaling, r);
    if (strcmp(type, "linear") == 0) {
        r->kind = TEMPO_ROPE_LINEAR;
        return read_factor(ld, scaling, "factor", true, &r->factor);
    }
    return tempo_refuse(
        ld, TEMPO_E_UNSUPPORTED, ld->facts.rope_at,
        "rope scaling \"%.40s\" is not supported (default, linear, llama3, yarn and longrope are)", type);
}

static const char *const kinds[] = {"full_attention", "sliding_attention"};

/* {"full_attention": {..}, "sliding_attention": {..}} -> the object of layers that see everything, if some
 * do. */
static const json_t *whole_object(const json_t *o)
{
    const json_t *one = NULL;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !json_is_object(one); i++)
        one = json_object_get(o, kinds[i]);
    return json_is_object(one) ? one : o;
}

/* Objects for kinds of layers that there are not. */
static tempo_status check_kinds(tempo_loader *ld, const char *name, const json_t *o)
{
    const char *key;
    const json_t *member;

    json_object_foreach((json_t *)(uintptr_t)o, key, member) /* its macro wants no const */
    {
        if (json_is_object(member) && strcmp(key, kinds[0]) != 0 && strcmp(key, kinds[1]) != 0)
            return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, ld->facts.rope_at,
                                "%s of layers of the kind \"%.40s\" are not supported", name, key);
    }
    return TEMPO_OK;
}

static bool is_equal(const json_t *a, const json_t *b)
{
    return (a == NULL && b == NULL) || json_equal(a, b);
}

/* Layers with windows may turn by a theta of their own; what else differs is not supported. */
static tempo_status read_local(tempo_loader *ld, const char *name, const json_t *o)
{
    const json_t *whole = json_object_get(o, kinds[0]), *local = json_object_get(o, kinds[1]);
    static const char share[] = "partial_rotary_factor";
    const char *type = "default";
    tempo_status st;

    if (!json_is_object(whole) || !json_is_object(local) || json_equal(whole, local))
        return TEMPO_OK;
    if (((st = tempo_json_str(local, "rope_type", &type, ld->err)) != TEMPO_OK && st != TEMPO_E_NOTFOUND) ||
        ((st = tempo_json_f64(local, "rope_theta", &ld->facts.rope.theta_2, ld->err)) != TEMPO_OK &&
         st != TEMPO_E_NOTFOUND))
        return placed(ld, kinds[1], st);
    if (strcmp(type, "default") != 0 || !(ld->facts.rope.theta_2 > 0) || !isfinite(ld->facts.rope.theta_2) ||
        !is_equal(json_object_get(whole, share), json_object_get(local, share)))
        return tempo_refuse(ld, TEMPO_E_UNSUPPORTED, ld->facts.rope_at,
                            "%s: layers with windows that differ in more than a rope_theta are not supported",
                            name);
    return TEMPO_OK;
}

/* theta and partial stay where the object does not have them. */
static tempo_status read_rope_object(tempo_loader *ld, const char *name, const json_t *o, double *theta,
                                     double *partial)
{
    const json_t *whole = whole_object(o);
    tempo_status st;

    ld->facts.rope_at = place(ld, name);
    if (!json_is_object(o))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, ld->facts.rope_at, "%s: expected an object", name);
    if ((st = check_kinds(ld, name, o)) != TEMPO_OK || (st = read_local(ld, name, o)) != TEMPO_OK)
        return st;
    st = placed(ld, "rope_theta", tempo_json_f64(whole, "rope_theta", theta, ld->err));
    if (st == TEMPO_OK || st == TEMPO_E_NOTFOUND)
        st = placed(ld, "partial_rotary_factor",
                    tempo_json_f64(whole, "partial_rotary_factor", partial, ld->err));
    return st == TEMPO_E_NOTFOUND ? TEMPO_OK : st;
}

/* How many elements of a head rotate. */
static tempo_status set_rotated(tempo_loader *ld, uint64_t at, double n)
{
    const uint32_t d = ld->facts.hp.head_dim;

    if (!(n >= 2.0) || n > (double)d || (uint32_t)n % 2 != 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, at,
                          "%g of %" PRIu32 " elements of a head rotate, expected an even number of them", n,
                          d);
    ld->facts.recipe.n_rot = (uint32_t)n;
    return TEMPO_OK;
}

static tempo_status read_hf(tempo_loader *ld)
{
    static const char *const places[] = {"rope_scaling", "rope_parameters"}; /* the second is newer */
    const uint32_t d = ld->facts.hp.head_dim;
    const double share = ld->facts.arch->rotated;
    double theta = tempo_key_real(ld, theta_hf, NULL, 10000.0);
    double partial = tempo_key_real(ld, partial_hf, NULL, share != 0 ? share : 1.0);
    const uint32_t rotary_dim = tempo_key_count(ld, "rotary_dim", NULL, 0);
    tempo_status st = ld->failed;

    for (size_t i = 0; i < 2 && st == TEMPO_OK; i++) {
        const json_t *o = json_object_get(ld->json, places[i]);
        if (o != NULL && !json_is_null(o))
            st = read_rope_object(ld, places[i], o, &theta, &partial);
    }
    if (st == TEMPO_OK && partial != 1.0 && !ld->facts.arch->partial) {
        st = tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_key_place(ld, partial_hf, NULL),
                          "a part of the head that rotates is not supported in %s: %s is %g",
                          ld->facts.arch->hf, "partial_rotary_factor", partial);
        partial = 1.0;
    }
    if (st != TEMPO_OK ||
        (st = set_rotated(ld, tempo_key_place(ld, partial_hf, NULL),
                          rotary_dim != 0 ? rotary_dim : floor(d * partial))) != TEMPO_OK ||
        (st = tempo_facts_theta(ld, "rope_theta", tempo_key_place(ld, theta_hf, NULL), theta)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < 2 && st == TEMPO_OK; i++) {
        const json_t *o = json_object_get(ld->json, places[i]);
        if (json_is_object(o)) {
            ld->facts.rope_at = place(ld, places[i]);
            st = read_scaling(ld, whole_object(o));
        }
    }
    return st;
}

/* ---- GGUF ---- */

/* A positive finite number, or `otherwise` when the key is absent or 0, which says that there is none. */
static double positive(tempo_loader *ld, const char *gguf, double otherwise)
{
    const double v = tempo_key_real(ld, NULL, gguf, otherwise);

    if (v < 0.0 && ld->failed == TEMPO_OK)
        ld->failed =
            tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_key_place(ld, NULL, gguf),
                       "%s is %g, expected a finite number of at least 0", TEMPO_KEY_NAME(ld, NULL, gguf), v);
    return v == 0.0 ? otherwise : v;
}

/* Tensors hold the divisors: bind.c takes them. */
static tempo_status read_gguf_long(tempo_loader *ld)
{
    if (ld->failed != TEMPO_OK || tempo_files_find(ld->f, "rope_factors_short.weight") == NULL)
        return ld->failed;
    ld->facts.rope.kind = TEMPO_ROPE_LONG;
    return choose_divisors(ld);
}

static tempo_status read_gguf_scaling(tempo_loader *ld)
{
    tempo_rope *r = &ld->facts.rope;
    const char *key = TEMPO_KEY_NAME(ld, NULL, "rope.scaling.type");
    tempo_str kind = {"linear", 6}; /* a factor without a type is linear */
    const tempo_status st = tempo_gguf_str(&ld->f->gguf, key, &kind, ld->err);

    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND)
        return st;
    r->factor = positive(ld, "rope.scale_linear", 1.0); /* the key's old name */
    r->factor = positive(ld, "rope.scaling.factor", r->factor);
    r->context = positive(ld, "rope.scaling.original_context_length", ld->facts.hp.n_ctx);
    r->fast = positive(ld, "rope.scaling.yarn_beta_fast", 32.0);
    r->slow = positive(ld, "rope.scaling.yarn_beta_slow", 1.0);
    r->truncate = true;
    if (tempo_str_is(kind, "linear")) {
        r->kind = r->factor != 1.0 ? TEMPO_ROPE_LINEAR : TEMPO_ROPE_NONE;
    } else if (tempo_str_is(kind, "yarn")) {
        r->kind = TEMPO_ROPE_YARN;
        r->scale = tempo_rope_scale(r) * positive(ld, "rope.scaling.attn_factor", 1.0);
    } else if (!tempo_str_is(kind, "none") && !tempo_str_is(kind, "longrope")) {
        tempo_key_refuse(
            ld, NULL, "rope.scaling.type",
            "rope scaling \"%.*s\" is not supported (none, linear, yarn, longrope and rope_freqs.weight are)",
            (int)(kind.n < 40 ? kind.n : 40), kind.p);
    }
    if (r->kind != TEMPO_ROPE_YARN)
        r->scale = positive(ld, "rope.scaling.attn_factor", 1.0);
    return read_gguf_long(ld);
}

static tempo_status read_gguf(tempo_loader *ld)
{
    const double theta = tempo_key_real(ld, NULL, "rope.freq_base", 10000.0);
    const uint32_t n = tempo_key_count(ld, NULL, "rope.dimension_count", ld->facts.hp.head_dim);
    tempo_status st = ld->failed;

    ld->facts.rope_at = tempo_key_place(ld, NULL, "rope.freq_base");
    if (st != TEMPO_OK ||
        (st = set_rotated(ld, tempo_key_place(ld, NULL, "rope.dimension_count"), n)) != TEMPO_OK ||
        (st = tempo_facts_theta(ld, TEMPO_KEY_NAME(ld, NULL, "rope.freq_base"), ld->facts.rope_at, theta)) !=
            TEMPO_OK)
        return st;
    return read_gguf_scaling(ld);
}

tempo_status tempo_read_rope(tempo_loader *ld)
{
    if (ld->facts.arch->no_rope)
        return TEMPO_OK;
    return ld->f->is_gguf ? read_gguf(ld) : read_hf(ld);
}
