/* facts.c - the checks on hyper-parameters that both formats share. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "model/files.h"

#define NONE SIZE_MAX
#define LIKE(name) offsetof(tempo_hparams, name)
#define SIZE_KEY(name, hf, gguf, limit, required, like)                                                      \
    {offsetof(tempo_hparams, name), like, hf, gguf, limit, required},
const tempo_size_key tempo_size_keys[] = {
#include "model/sizes.inc"
};
#undef LIKE
#undef NONE

const size_t tempo_n_size_keys = sizeof(tempo_size_keys) / sizeof(tempo_size_keys[0]);

uint32_t *tempo_size_field(tempo_loader *ld, const tempo_size_key *k)
{
    char *hp = (char *)&ld->facts.hp;
    uint32_t *field = (uint32_t *)(void *)(hp + k->field);

    if (k->like != SIZE_MAX)
        *field = *(const uint32_t *)(const void *)(hp + k->like);
    return field;
}

tempo_status tempo_facts_count(tempo_loader *ld, const char *key, uint64_t at, uint64_t value, uint32_t limit,
                               uint32_t *out)
{
    if (value == 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, at, "%s is 0", key);
    if (value > limit)
        return tempo_refuse(ld, TEMPO_E_LIMIT, at, "%s is %" PRIu64 ", the limit is %" PRIu32, key, value,
                            limit);
    *out = (uint32_t)value;
    return TEMPO_OK;
}

tempo_status tempo_facts_eps(tempo_loader *ld, const char *key, uint64_t at, double value)
{
    if (!(value < 1.0) || !((float)value > 0.0f)) /* written so that NaN fails */
        return tempo_fail(ld->err, TEMPO_E_FORMAT, at, "%s is %g, expected a number between 0 and 1", key,
                          value);
    ld->facts.norm_eps = value;
    ld->facts.hp.norm_eps = (float)value;
    return TEMPO_OK;
}

tempo_status tempo_facts_theta(tempo_loader *ld, const char *key, uint64_t at, double value)
{
    if (!(value > 0.0) || !isfinite(value))
        return tempo_fail(ld->err, TEMPO_E_FORMAT, at, "%s is %g, expected a finite number above 0", key,
                          value);
    ld->facts.rope.theta = value;
    return TEMPO_OK;
}

tempo_status tempo_facts_check(tempo_loader *ld)
{
    const tempo_facts *f = &ld->facts;
    const tempo_hparams *hp = &f->hp;

    if (hp->n_heads != 0 && hp->n_kv_heads != 0 && hp->n_heads % hp->n_kv_heads != 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, f->kv_heads_at,
                          "%" PRIu32 " attention heads cannot share %" PRIu32
                          " key-value heads: expected a divisor",
                          hp->n_heads, hp->n_kv_heads);
    if (hp->head_dim % 2 != 0)
        return tempo_fail(ld->err, TEMPO_E_FORMAT, f->head_dim_at,
                          "the head size is %" PRIu32 ", expected an even number", hp->head_dim);
    return TEMPO_OK;
}
