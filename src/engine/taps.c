/* taps.c - the names of taps, what a model has of them, and how selections are written.  Showing them is
 * show.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

enum { BITS = 64 * TEMPO_TAP_WORDS };
_Static_assert((int)BITS >= (int)TEMPO_MAX_LAYERS && (int)BITS >= (int)TEMPO_MAX_HEADS,
               "a bit for each layer and head");
_Static_assert(TEMPO_TAP_COUNT < 64, "masks of taps have 64 bits");

typedef enum shape { MODEL, ONE, HEADS, KV_HEADS, SLOTS, SHARES, FF, EXPERTS, VOCAB } shape;
typedef enum where { ONCE, LAYER } where;
typedef enum needs { ALWAYS, NORM_1, NORM_2, ROPE, MIDDLE, DENSE, GATE, POS_EMBED, QK_NORM, MOE } needs;

static const char *const needs_text[] = {[NORM_1] = "norm before attention",
                                         [NORM_2] = "norm before the MLP",
                                         [ROPE] = "rotated queries and keys",
                                         [MIDDLE] = "place between attention and MLP, which are parallel",
                                         [DENSE] = "dense MLP",
                                         [GATE] = "dense MLP with a gate",
                                         [POS_EMBED] = "learned positions",
                                         [QK_NORM] = "norm of queries and keys",
                                         [MOE] = "experts"};

static const struct tap {
    const char *name, *short_name;
    where where;
    shape shape;
    bool editable;
    needs needs;
} taps[TEMPO_TAP_COUNT] = {
#define TAP(id, name, short, where, shape, editable, needs) {name, short, where, shape, editable, needs},
#include "engine/taps.inc"
#undef TAP
};

enum { /* the same ids in the same order in tempo.h */
#define TAP(id, name, short, where, shape, editable, needs) ROW_##id,
#include "engine/taps.inc"
#undef TAP
       ROWS
};
#define TAP(id, name, short, where, shape, editable, needs)                                                  \
    _Static_assert((int)ROW_##id == (int)TEMPO_TAP_##id, "tempo.h and taps.inc disagree");
#include "engine/taps.inc"
#undef TAP
_Static_assert((int)ROWS == (int)TEMPO_TAP_COUNT, "tempo.h and taps.inc disagree");

/* ---- what a model has ---- */

static bool any_dense(const tempo_model *m)
{
    bool any = false;

    for (uint32_t l = 0; l < m->hp.n_layers && !any; l++)
        any = m->layers[l].router.data == NULL;
    return any;
}

/* Of a model that does not run, llama's are counted. */
static bool model_has(const tempo_model *m, needs what)
{
    if (m->layers == NULL || m->hp.n_layers == 0)
        return what < POS_EMBED;
    switch (what) {
    case NORM_1:
        return m->layers[0].attn_norm.w != NULL;
    case NORM_2:
        return m->layers[0].ffn_norm.w != NULL;
    case ROPE:
        return m->recipe.n_rot > 0;
    case MIDDLE:
        return !m->recipe.parallel;
    case DENSE:
        return any_dense(m);
    case GATE:
        return any_dense(m) && !m->recipe.plain_mlp;
    case POS_EMBED:
        return m->positions != NULL;
    case QK_NORM:
        return m->layers[0].q_norm != NULL;
    case MOE:
        return m->recipe.n_experts > 0;
    case ALWAYS:
        break;
    }
    return true;
}

tempo_tap_info tempo_tap_get_info(const tempo_model *m, tempo_tap tap)
{
    static const tempo_hparams none;
    const tempo_hparams *hp = m != NULL ? &m->hp : &none;

    if ((unsigned)tap >= TEMPO_TAP_COUNT)
        return (tempo_tap_info){0};
    const struct tap *t = &taps[tap];
    const size_t dims[][2] = {[MODEL] = {hp->d_model, 1},
                              [ONE] = {1, 1},
                              [HEADS] = {hp->n_heads, hp->head_dim},
                              [KV_HEADS] = {hp->n_kv_heads, hp->head_dim},
                              [SLOTS] = {hp->n_heads, 0},
                              [SHARES] = {hp->n_heads, hp->d_model},
                              [FF] = {hp->d_ff, 1},
                              [EXPERTS] = {m != NULL ? m->recipe.n_used : 0, 1},
                              [VOCAB] = {hp->n_vocab, 1}};
    const bool heads = t->shape == HEADS || t->shape == KV_HEADS || t->shape == SLOTS || t->shape == SHARES;

    return (tempo_tap_info){.name = t->name,
                            .short_name = t->short_name,
                            .by_layer = t->where == LAYER,
                            .editable = t->editable,
                            .n_heads = heads ? (uint32_t)dims[t->shape][0] : 0,
                            .n_dims = heads ? 2 : 1,
                            .dims = {dims[t->shape][0], dims[t->shape][1]},
                            .missing = m != NULL && !model_has(m, t->needs) ? needs_text[t->needs] : NULL};
}

bool tempo_tap_in_layers(tempo_tap tap)
{
    return taps[tap].where == LAYER;
}

bool tempo_tap_has(const uint64_t bits[TEMPO_TAP_WORDS], uint32_t i)
{
    uint64_t any = 0;

    for (size_t w = 0; w < TEMPO_TAP_WORDS; w++)
        any |= bits[w];
    return any == 0 || (i < BITS && (bits[i / 64] >> i % 64 & 1) != 0);
}

static bool bit(const uint64_t *bits, uint32_t i)
{
    return i < BITS && (bits[i / 64] >> i % 64 & 1) != 0;
}

/* "0,3-5"; cut off where out ends. */
static void ranges_text(const uint64_t *bits, char *out, size_t cap)
{
    size_t at = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < BITS && at + 16 < cap; i++) {
        uint32_t last = i;
        if (!bit(bits, i))
            continue;
        while (bit(bits, last + 1))
            last++;
        at += (size_t)snprintf(out + at, cap - at, "%s%" PRIu32, at > 0 ? "," : "", i);
        if (last > i)
            at += (size_t)snprintf(out + at, cap - at, "-%" PRIu32, last);
        i = last;
    }
}

static bool any_from(const uint64_t *bits, uint32_t n)
{
    bool any = false;

    for (uint32_t i = n; i < BITS && !any; i++)
        any = (i % 64 != 0 || bits[i / 64] != 0) && bit(bits, i);
    return any;
}

tempo_status tempo_tap_check(const tempo_tap_selection *s, const tempo_model *m, tempo_err *err)
{
    const tempo_tap_info t = tempo_tap_get_info(m, s->tap);
    const uint32_t layers = t.name != NULL && t.by_layer ? m->hp.n_layers : 0;
    char text[96];

    if (t.name == NULL)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "there is no tap %d", (int)s->tap);
    if (t.missing != NULL)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: model %s (%s) has no %s", t.short_name,
                          m->info.name, m->info.architecture, t.missing);
    if (any_from(s->layers, layers)) {
        ranges_text(s->layers, text, sizeof(text));
        if (layers == 0)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: layers %s: it is not in layers",
                              t.short_name, text);
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s: layers %s: the model has layers 0 to %" PRIu32, t.short_name, text,
                          layers - 1);
    }
    if (any_from(s->heads, t.n_heads)) {
        ranges_text(s->heads, text, sizeof(text));
        if (t.n_heads == 0)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%s: heads %s: it has no heads",
                              t.short_name, text);
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s: heads %s: the model has %sheads 0 to %" PRIu32, t.short_name, text,
                          taps[s->tap].shape == KV_HEADS ? "key/value " : "", t.n_heads - 1);
    }
    return TEMPO_OK;
}

/* ---- reading selections ---- */

/* A number in front of *text; moves it behind. */
static bool take_number(const char **text, uint32_t *out)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    const unsigned long v = strtoul(*text, &end, 10);
    if (end - *text > 9 || v >= BITS)
        return false;
    *text = end;
    *out = (uint32_t)v;
    return true;
}

/* "4-8,10" in front of *text, up to a separator that no number follows. */
static bool take_ranges(const char **text, uint64_t *bits)
{
    do {
        uint32_t first, last;
        if (**text == ',')
            ++*text;
        if (!take_number(text, &first))
            return false;
        last = first;
        if (**text == '-') {
            ++*text;
            if (!take_number(text, &last) || last < first)
                return false;
        }
        for (uint32_t i = first; i <= last; i++)
            bits[i / 64] |= UINT64_C(1) << i % 64;
    } while (**text == ',' && (*text)[1] >= '0' && (*text)[1] <= '9');
    return true;
}

/* name[n] as a tap is called: "blocks.5." in front gives *layer (else it stays), hook_ before the last word
 * goes. */
static bool plain_name(const char *name, size_t n, char out[64], uint32_t *layer)
{
    if (n > 7 && memcmp(name, "blocks.", 7) == 0) {
        const char *p = name + 7;
        if (!take_number(&p, layer) || *p != '.')
            return false;
        n -= (size_t)(p + 1 - name);
        name = p + 1;
    }
    if (n == 0 || n >= 64)
        return false;
    memcpy(out, name, n);
    out[n] = '\0';
    char *word = strrchr(out, '.');
    word = word != NULL ? word + 1 : out;
    if (strncmp(word, "hook_", 5) == 0)
        memmove(word, word + 5, strlen(word + 5) + 1);
    return true;
}

/* Is `want`, from plain_name, the tap's name or its last word? */
static bool names(const struct tap *t, const char *want)
{
    char own[64];
    uint32_t layer;

    if (!plain_name(t->name, strlen(t->name), own, &layer))
        return false;
    const char *word = strrchr(own, '.');
    return strcmp(own, want) == 0 || (word != NULL && strcmp(word + 1, want) == 0);
}

/* The short names of those that match, or (want NULL) of all that the model has. */
static void list_taps(const tempo_model *m, const char *want, char *out, size_t cap)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < TEMPO_TAP_COUNT && at + 32 < cap; i++)
        if ((want == NULL || names(&taps[i], want)) && (m == NULL || model_has(m, taps[i].needs)))
            at += (size_t)snprintf(out + at, cap - at, "%s%s", at > 0 ? ", " : "", taps[i].short_name);
}

static tempo_status find_tap(tempo_tap_selection *out, const tempo_model *m, const char *name, size_t n,
                             tempo_err *err)
{
    char plain[64] = "", list[400];
    uint32_t layer = BITS;
    size_t found = 0;

    if (!plain_name(name, n, plain, &layer))
        plain[0] = '\0';
    if (layer == BITS && strcmp(plain, "attention") == 0)
        (void)snprintf(plain, sizeof(plain), "pattern");
    for (size_t i = 0; i < TEMPO_TAP_COUNT; i++)
        if (names(&taps[i], plain) && (layer == BITS || taps[i].where == LAYER)) {
            out->tap = (tempo_tap)i;
            found++;
        }
    list_taps(m, found > 1 ? plain : NULL, list, sizeof(list));
    if (found != 1)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "'%.*s' %s %s", n < 64 ? (int)n : 64, name,
                          found > 1 ? "may mean" : "is no tap; there are", list);
    if (layer < BITS)
        out->layers[layer / 64] |= UINT64_C(1) << layer % 64;
    return TEMPO_OK;
}

static bool take_option(tempo_tap_selection *out, const char **p, bool one_layer, bool *layers, bool *heads)
{
    ++*p; /* the separator */
    if (strncmp(*p, "layers=", 7) == 0 && !*layers && !one_layer) {
        *p += 7;
        *layers = true;
        return take_ranges(p, out->layers);
    }
    if (strncmp(*p, "heads=", 6) != 0 || *heads)
        return false;
    *p += 6;
    *heads = true;
    return take_ranges(p, out->heads);
}

tempo_status tempo_tap_parse(tempo_tap_selection *out, const tempo_model *m, const char *text, tempo_err *err)
{
    const size_t n = strcspn(text, ":,");
    bool layers = false, heads = false;
    tempo_status st;

    *out = (tempo_tap_selection){0};
    if ((st = find_tap(out, m, text, n, err)) != TEMPO_OK)
        return st;
    const bool one_layer = strncmp(text, "blocks.", 7) == 0;
    for (const char *p = text + n; *p != '\0';)
        if (!take_option(out, &p, one_layer, &layers, &heads) || (*p != '\0' && *p != ':' && *p != ','))
            return tempo_fail(
                err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                "'%.100s': expected NAME[:layers=4-8][:heads=0,3], each once, of numbers up to %d", text,
                BITS - 1);
    return m != NULL ? tempo_tap_check(out, m, err) : TEMPO_OK;
}
