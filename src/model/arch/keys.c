/* keys.c - what a model's metadata says under a key, the same for both formats. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/json.h"
#include "model/arch/outline.h"

/* The next of "a|b" -> out; false: there is none. */
static bool next_name(const char **names, char out[TEMPO_KEY_LEN])
{
    const size_t n = strcspn(*names, "|");

    if (n == 0 || n >= TEMPO_KEY_LEN)
        return false;
    memcpy(out, *names, n);
    out[n] = '\0';
    *names += n + ((*names)[n] == '|');
    return true;
}

/* The name under which config.json has it, or else the first one. */
static void hf_name(const tempo_loader *ld, const char *names, char out[TEMPO_KEY_LEN])
{
    char first[TEMPO_KEY_LEN];

    out[0] = '\0';
    (void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(names, "|"), names);
    while (next_name(&names, out)) {
        const json_t *v = json_object_get(ld->json, out);
        if (v != NULL && !json_is_null(v))
            return;
    }
    memcpy(out, first, TEMPO_KEY_LEN);
}

static const tempo_gguf_kv *gguf_key(const tempo_loader *ld, const char *what, char key[TEMPO_KEY_LEN])
{
    (void)snprintf(key, TEMPO_KEY_LEN, "%s.%s", ld->f->architecture, what);
    return tempo_gguf_find(&ld->f->gguf, key);
}

/* The key of the file's format; NULL: it has none. */
static const char *find_key(tempo_loader *ld, const char *hf, const char *gguf, char key[TEMPO_KEY_LEN])
{
    if (ld->failed != TEMPO_OK || (ld->f->is_gguf ? gguf : hf) == NULL)
        return NULL;
    if (ld->f->is_gguf)
        (void)gguf_key(ld, gguf, key);
    else
        hf_name(ld, hf, key);
    return key;
}

static uint64_t place(const tempo_loader *ld, const char *key)
{
    const tempo_gguf_kv *kv;

    if (!ld->f->is_gguf)
        return tempo_key_offset(ld->config.p, ld->config.n, key);
    kv = tempo_gguf_find(&ld->f->gguf, key);
    return kv != NULL ? kv->at : TEMPO_NO_OFFSET;
}

/* Whether there is a value; a failure stays. */
static bool settle(tempo_loader *ld, const char *key, tempo_status st)
{
    if (st != TEMPO_OK && st != TEMPO_E_NOTFOUND) {
        if (ld->err->offset == TEMPO_NO_OFFSET)
            ld->err->offset = place(ld, key);
        ld->failed = tempo_soften(ld, st);
    }
    return st == TEMPO_OK;
}

double tempo_key_number(tempo_loader *ld, const char *hf, const char *gguf, double otherwise)
{
    char key[TEMPO_KEY_LEN];
    double v = otherwise;

    if (find_key(ld, hf, gguf, key) == NULL)
        return otherwise;
    if (ld->f->is_gguf)
        ld->neutral |= tempo_gguf_neutral_bit(gguf);
    (void)settle(ld, key,
                 ld->f->is_gguf ? tempo_gguf_f64(&ld->f->gguf, key, &v, ld->err)
                                : tempo_json_f64(ld->json, key, &v, ld->err));
    tempo_outline_say(ld, gguf, TEMPO_SAID_REAL, v);
    return v;
}

double tempo_key_real(tempo_loader *ld, const char *hf, const char *gguf, double otherwise)
{
    const double v = tempo_key_number(ld, hf, gguf, otherwise);

    if (isfinite(v) || ld->failed != TEMPO_OK)
        return v;
    ld->failed = tempo_fail(ld->err, TEMPO_E_FORMAT, tempo_key_place(ld, hf, gguf),
                            "%s is %g, expected a finite number", TEMPO_KEY_NAME(ld, hf, gguf), v);
    return otherwise;
}

uint32_t tempo_key_count(tempo_loader *ld, const char *hf, const char *gguf, uint32_t otherwise)
{
    char key[TEMPO_KEY_LEN];
    uint64_t v = otherwise;

    if (find_key(ld, hf, gguf, key) == NULL)
        return otherwise;
    if (!settle(ld, key,
                ld->f->is_gguf ? tempo_gguf_u64(&ld->f->gguf, key, INT64_MAX, &v, ld->err)
                               : tempo_json_u64(ld->json, key, INT64_MAX, &v, ld->err)))
        v = otherwise;
    v = v < UINT32_MAX ? v : UINT32_MAX;
    tempo_outline_say(ld, gguf, TEMPO_SAID_COUNT, (double)v);
    return (uint32_t)v;
}

bool tempo_key_flag(tempo_loader *ld, const char *hf, const char *gguf, bool otherwise)
{
    char key[TEMPO_KEY_LEN];
    bool v = otherwise;

    if (find_key(ld, hf, gguf, key) != NULL)
        (void)settle(ld, key,
                     ld->f->is_gguf ? tempo_gguf_bool(&ld->f->gguf, key, &v, ld->err)
                                    : tempo_json_bool(ld->json, key, &v, ld->err));
    tempo_outline_say(ld, gguf, TEMPO_SAID_FLAG, v);
    return v;
}

const char *tempo_key_text(tempo_loader *ld, const char *hf, const char *otherwise)
{
    char key[TEMPO_KEY_LEN];
    const char *v = otherwise;

    if (find_key(ld, hf, NULL, key) != NULL)
        (void)settle(ld, key, tempo_json_str(ld->json, key, &v, ld->err));
    return v;
}

const json_t *tempo_key_list(tempo_loader *ld, const char *hf)
{
    char key[TEMPO_KEY_LEN];
    const json_t *v = NULL;

    if (find_key(ld, hf, NULL, key) != NULL)
        v = json_object_get(ld->json, key);
    return json_is_array(v) ? v : NULL;
}

uint64_t tempo_key_place(const tempo_loader *ld, const char *hf, const char *gguf)
{
    char key[TEMPO_KEY_LEN];

    if ((ld->f->is_gguf ? gguf : hf) == NULL)
        return TEMPO_NO_OFFSET;
    if (ld->f->is_gguf)
        (void)gguf_key(ld, gguf, key);
    else
        hf_name(ld, hf, key);
    return place(ld, key);
}

const char *tempo_key_name(const tempo_loader *ld, const char *hf, const char *gguf, char out[TEMPO_KEY_LEN])
{
    out[0] = '\0';
    if (ld->f->is_gguf && gguf != NULL)
        (void)gguf_key(ld, gguf, out);
    else if (!ld->f->is_gguf && hf != NULL)
        hf_name(ld, hf, out);
    return out;
}

void tempo_key_refuse(tempo_loader *ld, const char *hf, const char *gguf, const char *fmt, ...)
{
    char text[256];
    va_list args;

    if (ld->failed != TEMPO_OK)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ld->failed = tempo_refuse(ld, TEMPO_E_UNSUPPORTED, tempo_key_place(ld, hf, gguf), "%s", text);
}
