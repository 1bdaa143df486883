/* common.c - what metadata says of every architecture, and what several of them say in the same way. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/json.h"
#include "model/arch/outline.h"

static const tempo_arch *const archs[] = {
#define ARCH(name) &tempo_arch_##name,
#include "model/arch.inc"
#undef ARCH
};
enum { N_ARCHS = sizeof(archs) / sizeof(archs[0]) };

const tempo_arch *tempo_arch_of_gguf(const char *architecture)
{
    for (size_t i = 0; i < N_ARCHS; i++)
        if (archs[i]->gguf != NULL && strcmp(archs[i]->gguf, architecture) == 0)
            return archs[i];
    return NULL;
}

const tempo_arch *tempo_arch_of_hf(const char *model_type)
{
    for (size_t i = 0; i < N_ARCHS; i++)
        if (archs[i]->hf != NULL && strcmp(archs[i]->hf, model_type) == 0)
            return archs[i];
    return NULL;
}

static const char *name_of(size_t i, bool gguf)
{
    return gguf ? archs[i]->gguf : archs[i]->hf;
}

void tempo_arch_names(bool gguf, char *out, size_t cap)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < N_ARCHS && at < cap; i++) {
        const char *name = name_of(i, gguf);
        if (name != NULL && (!gguf || tempo_arch_of_gguf(name) == archs[i]))
            at += (size_t)snprintf(out + at, cap - at, "%s%s", at > 0 ? ", " : "", name);
    }
}

/* ---- what several say ---- */

tempo_activation tempo_read_activation(tempo_loader *ld, const char *hf, tempo_activation otherwise)
{
    static const struct {
        const char *name;
        tempo_activation act;
    } names[] = {
        {"silu", TEMPO_ACT_SILU},          {"swish", TEMPO_ACT_SILU},
        {"gelu", TEMPO_ACT_GELU_ERF},      {"gelu_python", TEMPO_ACT_GELU_ERF},
        {"gelu_new", TEMPO_ACT_GELU_TANH}, {"gelu_pytorch_tanh", TEMPO_ACT_GELU_TANH},
        {"relu", TEMPO_ACT_RELU},          {"gelu_fast", TEMPO_ACT_GELU_TANH},
        {"relu2", TEMPO_ACT_RELU_2},
    };
    const char *name = tempo_key_text(ld, hf, NULL);

    if (name == NULL)
        return otherwise;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].act;
    tempo_key_refuse(
        ld, hf, NULL,
        "%s \"%.40s\" is not supported (silu, gelu, gelu_new, gelu_pytorch_tanh, relu and relu2 are)",
        TEMPO_KEY_NAME(ld, hf, NULL), name);
    return otherwise;
}

void tempo_read_experts(tempo_loader *ld, const char *hf_count, const char *hf_width)
{
    static const char gguf_count[] = "expert_count", hf_used[] = "num_experts_per_tok",
                      gguf_used[] = "expert_used_count", gguf_width[] = "expert_feed_forward_length";
    tempo_facts *f = &ld->facts;
    tempo_recipe *r = &f->recipe;

    r->n_experts = tempo_key_count(ld, hf_count, gguf_count, 0);
    if (r->n_experts == 0 || ld->failed != TEMPO_OK)
        return;
    if (r->n_experts > TEMPO_MAX_EXPERTS) {
        tempo_key_refuse(ld, hf_count, gguf_count, "%" PRIu32 " experts, the limit is %d", r->n_experts,
                         TEMPO_MAX_EXPERTS);
        r->n_experts = 0;
        return;
    }
    r->n_used = tempo_key_count(ld, hf_used, gguf_used, 0);
    if (r->n_used == 0 && tempo_key_place(ld, hf_used, gguf_used) == TEMPO_NO_OFFSET) {
        r->n_experts = 0;
        ld->failed = tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s is missing",
                                  TEMPO_KEY_NAME(ld, hf_used, gguf_used));
        return;
    }
    if (r->n_used == 0 || r->n_used > r->n_experts || r->n_used > TEMPO_MAX_EXPERTS_USED)
        ld->failed = tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_key_place(ld, hf_used, gguf_used),
                                "%s is %" PRIu32 " of %" PRIu32 " experts, expected 1 to %d",
                                TEMPO_KEY_NAME(ld, hf_used, gguf_used), r->n_used, r->n_experts,
                                TEMPO_MAX_EXPERTS_USED);
    f->d_expert = tempo_key_count(ld, hf_width, gguf_width, f->d_dense);
    if (f->d_expert == 0 || f->d_expert > TEMPO_MAX_FF)
        ld->failed = tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_key_place(ld, hf_width, gguf_width),
                                "%s is %" PRIu32 ", expected 1 to %d",
                                TEMPO_KEY_NAME(ld, hf_width, gguf_width), f->d_expert, TEMPO_MAX_FF);
    for (uint32_t l = 0; l < f->hp.n_layers; l++)
        ld->layers[l].router.n_out = r->n_experts;
}

/* ---- windows ---- */

static const char window_hf[] = "sliding_window|window_size", window_gguf[] = "attention.sliding_window",
                  period_gguf[] = "attention.sliding_window_pattern";

/* One number a layer, 0 where a layer sees everything. */
static bool read_window_array(tempo_loader *ld)
{
    char key[TEMPO_KEY_LEN];
    const tempo_gguf_kv *a;

    (void)tempo_key_name(ld, NULL, window_gguf, key);
    if (!ld->f->is_gguf || (a = tempo_gguf_find(&ld->f->gguf, key)) == NULL || a->type != TEMPO_GGUF_ARRAY)
        return false;
    if ((ld->failed = tempo_gguf_array(&ld->f->gguf, key, TEMPO_GGUF_I32, &a, ld->err)) != TEMPO_OK)
        return true;
    for (uint64_t l = 0; l < a->count && l < ld->facts.hp.n_layers; l++) {
        const int64_t v = tempo_gguf_array_int(&ld->f->gguf, a, l);
        ld->layers[l].window = v > 0 && v < UINT32_MAX ? (uint32_t)v : 0;
    }
    return true;
}

/* layer_types lists the kinds of layers: which of them have the window. */
static void read_layer_types(tempo_loader *ld, const json_t *types, uint32_t width)
{
    const json_t *type;
    size_t l;

    json_array_foreach(types, l, type)
    {
        const char *s = json_string_value(type);
        const bool sliding = s != NULL && strcmp(s, "sliding_attention") == 0;
        if (!sliding && (s == NULL || strcmp(s, "full_attention") != 0)) {
            tempo_key_refuse(
                ld, "layer_types", NULL,
                "layer_types[%zu] is \"%.40s\": only full_attention and sliding_attention are supported", l,
                s != NULL ? s : "(no string)");
            return;
        }
        if (l < ld->facts.hp.n_layers)
            ld->layers[l].window = sliding ? width : 0;
    }
}

/* What no position is far enough for is none. */
static void finish_windows(tempo_loader *ld)
{
    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++) {
        uint32_t *w = &ld->layers[l].window, *least = &ld->m->info.sliding_window;
        if (*w >= ld->facts.hp.n_ctx)
            *w = 0;
        ld->m->windows = ld->m->windows || *w != 0;
        if (*w != 0 && (*least == 0 || *w < *least))
            *least = *w;
    }
}

/* The last of so many layers has no window; "LLLG" says 4. */
static uint32_t read_period(tempo_loader *ld, uint32_t otherwise)
{
    static const char hf[] = "sliding_window_pattern|_sliding_window_pattern";
    const char *letters =
        ld->f->is_gguf ? NULL : json_string_value(json_object_get(ld->json, "sliding_window_pattern"));
    char key[TEMPO_KEY_LEN];
    const tempo_gguf_kv *kv;

    (void)tempo_key_name(ld, NULL, period_gguf, key);
    kv = ld->f->is_gguf ? tempo_gguf_find(&ld->f->gguf, key) : NULL;
    if (kv != NULL && kv->type == TEMPO_GGUF_ARRAY)
        tempo_key_refuse(ld, NULL, period_gguf, "%s: a list of layers is not supported", key);
    if (letters == NULL)
        return tempo_key_count(ld, hf, period_gguf, otherwise);
    if (strspn(letters, "L") + 1 != strlen(letters) || letters[strlen(letters) - 1] != 'G')
        tempo_key_refuse(
            ld, hf, NULL,
            "sliding_window_pattern \"%.40s\" is not supported: expected L several times, then G", letters);
    tempo_outline_say(ld, period_gguf, TEMPO_SAID_COUNT, (double)strnlen(letters, TEMPO_MAX_LAYERS));
    return (uint32_t)strnlen(letters, TEMPO_MAX_LAYERS);
}

/* Would every layer read its window from a GGUF's one number? */
static void compare_windows(tempo_loader *ld, uint32_t width, uint32_t period, uint32_t otherwise)
{
    bool each = false, some = false;

    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++) {
        each |= ld->layers[l].window != (period == 0 || (l + 1) % period != 0 ? width : 0);
        some |= ld->layers[l].window != 0;
    }
    ld->outline->windows_each = each && some;
    for (size_t i = 0; i < ld->outline->n_said;
         i++) { /* what was said and does not hold, or need not be said */
        tempo_said *s = &ld->outline->said[i];
        if ((!some && strcmp(s->key, window_gguf) == 0) ||
            (period == otherwise && strcmp(s->key, period_gguf) == 0))
            s->value = 0;
    }
}

uint32_t tempo_read_windows(tempo_loader *ld, const tempo_window_rule *rule)
{
    const bool gguf = ld->f->is_gguf;
    const json_t *types = tempo_key_list(ld, "layer_types");
    const bool on = tempo_key_flag(ld, "use_sliding_window", NULL, gguf || !rule->flagged);
    const bool said = gguf || json_object_get(ld->json, "sliding_window") != NULL;
    uint32_t width, period;

    if (read_window_array(ld))
        return 0;
    width = tempo_key_count(ld, window_hf, window_gguf, said ? 0 : rule->width);
    period = read_period(ld, rule->period);
    if (ld->failed != TEMPO_OK)
        return 0;
    for (uint32_t l = 0; l < ld->facts.hp.n_layers; l++)
        if ((gguf || (l < rule->first) == rule->before) && (gguf || !rule->otherwise_none) &&
            (period == 0 || (l + 1) % period != 0))
            ld->layers[l].window = on ? width : 0;
    if (types != NULL)
        read_layer_types(ld, types, on ? width : 0);
    if (ld->outline != NULL && !gguf)
        compare_windows(ld, width, period, rule->period);
    return on ? width : 0;
}

/* ---- everything ---- */

static tempo_status read_eps(tempo_loader *ld)
{
    const tempo_arch *arch = ld->facts.arch;
    const bool rms = arch->norm == TEMPO_NORM_RMS;
    const char *hf = rms ? "rms_norm_eps" : "layer_norm_epsilon|layer_norm_eps|norm_epsilon|norm_eps";
    const char *gguf = rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
    const double eps = tempo_key_number(ld, hf, gguf, arch->eps);
    const bool missing = eps != tempo_key_number(ld, hf, gguf, -1.0) && arch->eps == 0.0 && eps == 0.0;

    if (ld->failed != TEMPO_OK)
        return ld->failed;
    if (missing)
        return tempo_refuse(ld, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "%s is missing",
                            TEMPO_KEY_NAME(ld, hf, gguf));
    return tempo_facts_eps(ld, TEMPO_KEY_NAME(ld, hf, gguf), tempo_key_place(ld, hf, gguf), eps);
}

/* Llama's, with what the architecture says as a whole. */
static tempo_status begin(tempo_loader *ld)
{
    tempo_facts *f = &ld->facts;
    const uint32_t n = f->hp.n_layers;

    f->recipe = (tempo_recipe){.norm = f->arch->norm,
                               .rope_scale = {1.0f, 1.0f},
                               .attn_scale = (float)(1.0 / sqrt((double)f->hp.head_dim)),
                               .embed_scale = 1.0f,
                               .residual_scale = 1.0f,
                               .logit_scale = 1.0f};
    f->d_dense = f->hp.d_ff;
    f->hp.qk_pairs_adjacent = ld->f->is_gguf ? f->arch->gguf_pairs : f->arch->hf_pairs;
    if ((ld->layers = tempo_files_alloc(ld, (n + (n == 0)) * sizeof(*ld->layers))) == NULL)
        return TEMPO_E_NOMEM;
    memset(ld->layers, 0, n * sizeof(*ld->layers));
    for (uint32_t l = 0; l < n; l++)
        ld->layers[l].rope = !f->arch->no_rope;
    return TEMPO_OK;
}

/* Where there are two thetas, layers with windows have the second. */
static void choose_thetas(tempo_loader *ld)
{
    for (uint32_t l = 0; l < ld->facts.hp.n_layers && ld->facts.rope.theta_2 != 0; l++)
        if (ld->layers[l].rope != 0 && ld->layers[l].window != 0)
            ld->layers[l].rope = 2;
}

/* Experts that an architecture of this name has not. */
static void check_no_experts(tempo_loader *ld)
{
    static const char hf[] = "num_local_experts|num_experts|n_routed_experts", gguf[] = "expert_count";
    const uint32_t n = ld->facts.recipe.n_experts == 0 ? tempo_key_count(ld, hf, gguf, 0) : 0;

    if (n > 0)
        tempo_key_refuse(ld, hf, gguf, "mixture of experts (%s is %" PRIu32 ") is not supported",
                         TEMPO_KEY_NAME(ld, hf, gguf), n);
}

static uint32_t max2(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The widest MLP; a dense one counts where a layer has it. */
static void finish_widths(tempo_loader *ld)
{
    tempo_facts *f = &ld->facts;
    uint32_t widest = max2(f->d_expert, f->d_shared);

    for (uint32_t l = 0; l < f->hp.n_layers; l++) {
        tempo_layer *y = &ld->layers[l];
        const bool sparse = y->router.n_out > 0;
        y->mlp.d_ff = sparse ? f->d_shared : f->d_dense;
        widest = max2(widest, y->mlp.d_ff);
    }
    f->hp.d_ff = widest;
}

tempo_status tempo_facts_read(tempo_loader *ld)
{
    tempo_status st;

    if (ld->facts.hp.n_layers == 0 || ld->facts.hp.head_dim == 0)
        return TEMPO_OK; /* refused, and noted */
    if ((st = tempo_facts_check(ld)) != TEMPO_OK || (st = begin(ld)) != TEMPO_OK ||
        (st = read_eps(ld)) != TEMPO_OK || (st = tempo_read_rope(ld)) != TEMPO_OK)
        return st;
    ld->facts.arch->read(ld);
    check_no_experts(ld);
    if (ld->failed != TEMPO_OK)
        return ld->failed;
    choose_thetas(ld);
    finish_windows(ld);
    finish_widths(ld);
    return TEMPO_OK;
}
