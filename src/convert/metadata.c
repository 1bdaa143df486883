/* metadata.c - the keys of the file to be: a GGUF's own, or what reading a directory has noted
 * (model/arch/outline.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/convert.h"
#include "convert/vocabulary.h"

enum { KEY = 128 };

static const char window_key[] = "attention.sliding_window";

static const char *full_key(const tempo_conversion *c, const char *what, char key[KEY])
{
    (void)snprintf(key, KEY, "%s.%s", c->ld.f->architecture, what);
    return key;
}

static void put_count(tempo_conversion *c, const char *what, uint32_t v)
{
    char key[KEY];

    tempo_gguf_put_u32(&c->w, full_key(c, what, key), v);
}

static void put_real(tempo_conversion *c, const char *what, double v)
{
    char key[KEY];

    tempo_gguf_put_f32(&c->w, full_key(c, what, key), (float)v);
}

static void put_kind(tempo_conversion *c, const char *kind)
{
    char key[KEY];

    tempo_gguf_put_str(&c->w, full_key(c, "rope.scaling.type", key), kind);
}

static void put_file_type(tempo_conversion *c)
{
    tempo_gguf_put_u32(&c->w, "general.file_type", tempo_mix_file_type(c->mix));
    tempo_gguf_put_u32(&c->w, "general.quantization_version", 2);
}

/* ---- from a GGUF ---- */

/* Keys that are written anew, or hold of the old files alone. */
static bool is_renewed(tempo_str key)
{
    return tempo_str_is(key, "general.file_type") || tempo_str_is(key, "general.quantization_version") ||
           tempo_str_is(key, "general.alignment") || (key.n > 6 && memcmp(key.p, "split.", 6) == 0);
}

static void copy_keys(tempo_conversion *c)
{
    const tempo_gguf *g = &c->ld.f->gguf;

    for (size_t i = 0; i < g->n_kv; i++)
        if (!is_renewed(g->kv[i].key))
            tempo_gguf_put_copy(&c->w, g, &g->kv[i]);
    put_file_type(c);
}

/* ---- from a directory ---- */

static void put_said(tempo_conversion *c)
{
    const tempo_outline *o = &c->outline;
    char key[KEY];

    for (size_t i = 0; i < o->n_said; i++) {
        const tempo_said *s = &o->said[i];
        if (strcmp(s->key, window_key) == 0 && o->windows_each)
            continue;
        if (s->kind == TEMPO_SAID_FLAG)
            tempo_gguf_put_bool(&c->w, full_key(c, s->key, key), s->value != 0);
        else if (s->kind == TEMPO_SAID_COUNT && s->value != 0)
            put_count(c, s->key, (uint32_t)s->value);
        else if (s->value != 0)
            put_real(c, s->key, s->value);
    }
}

static bool was_said(const tempo_conversion *c, const char *key)
{
    for (size_t i = 0; i < c->outline.n_said; i++)
        if (strcmp(c->outline.said[i].key, key) == 0)
            return true;
    return false;
}

static void put_sizes(tempo_conversion *c)
{
    static const char expert_width[] = "expert_feed_forward_length", key_length[] = "attention.key_length",
                      vocabulary[] = "vocab_size";
    const tempo_facts *f = &c->ld.facts;

    if (!was_said(c, vocabulary))
        put_count(c, vocabulary, f->hp.n_vocab);
    if (!was_said(c, key_length))
        put_count(c, key_length, f->hp.head_dim);
    put_count(c, "attention.value_length", f->hp.head_dim);
    if (f->recipe.n_experts > 0 && !was_said(c, expert_width))
        put_count(c, expert_width, f->d_expert);
}

static void put_windows(tempo_conversion *c)
{
    char key[KEY];

    if (!c->outline.windows_each)
        return;
    tempo_gguf_put_array(&c->w, full_key(c, window_key, key), TEMPO_GGUF_I32, c->ld.facts.hp.n_layers);
    for (uint32_t l = 0; l < c->ld.facts.hp.n_layers; l++)
        tempo_gguf_put_int(&c->w, (int32_t)c->ld.layers[l].window);
}

static void put_yarn(tempo_conversion *c, const tempo_rope *r)
{
    tempo_rope own = *r;

    own.scale = 0;
    put_kind(c, "yarn");
    put_real(c, "rope.scaling.factor", r->factor);
    put_count(c, "rope.scaling.original_context_length", (uint32_t)r->context);
    put_real(c, "rope.scaling.yarn_beta_fast", r->fast);
    put_real(c, "rope.scaling.yarn_beta_slow", r->slow);
    if (r->scale != 0 && (float)(r->scale / tempo_rope_scale(&own)) != 1.0f)
        put_real(c, "rope.scaling.attn_factor", r->scale / tempo_rope_scale(&own));
}

static void put_rope(tempo_conversion *c)
{
    const tempo_rope *r = &c->ld.facts.rope;

    if (c->ld.facts.recipe.n_rot == 0)
        return;
    put_count(c, "rope.dimension_count", c->ld.facts.recipe.n_rot);
    put_real(c, "rope.freq_base", r->theta);
    if (r->kind == TEMPO_ROPE_LINEAR) {
        put_kind(c, "linear");
        put_real(c, "rope.scaling.factor", r->factor);
    } else if (r->kind == TEMPO_ROPE_YARN) {
        put_yarn(c, r);
    } else if (r->kind == TEMPO_ROPE_LONG) {
        put_real(c, "rope.scaling.attn_factor", tempo_rope_scale(r));
        put_count(c, "rope.scaling.original_context_length", (uint32_t)r->context);
    }
}

tempo_status tempo_metadata_put(tempo_conversion *c)
{
    const tempo_model *m = c->ld.m;
    tempo_status st;

    if (c->ld.f->is_gguf) {
        copy_keys(c);
        return TEMPO_OK;
    }
    tempo_gguf_put_str(&c->w, "general.architecture", c->ld.f->architecture);
    tempo_gguf_put_str(&c->w, "general.type", "model");
    tempo_gguf_put_str(&c->w, "general.name", m->info.name);
    put_said(c);
    put_sizes(c);
    put_windows(c);
    put_rope(c);
    put_file_type(c);
    if (m->tokenizer == NULL)
        tempo_gguf_put_str(&c->w, "tokenizer.ggml.model", "none");
    else if ((st = tempo_vocabulary_put(&c->w, m->tokenizer, c->ld.facts.hp.n_vocab, c->err)) != TEMPO_OK)
        return st;
    if (m->chat_template != NULL)
        tempo_gguf_put_text(&c->w, "tokenizer.chat_template", m->chat_template, m->chat_template_len);
    return TEMPO_OK;
}
