/* outline.c - see outline.h. */
#include "model/arch/outline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void tempo_outline_say(tempo_loader *ld, const char *gguf, tempo_said_kind kind, double value)
{
    tempo_outline *o = ld->outline;

    if (o == NULL || gguf == NULL || o->n_said == TEMPO_MAX_SAID || !isfinite(value))
        return;
    for (size_t i = 0; i < o->n_said; i++)
        if (strcmp(o->said[i].key, gguf) == 0)
            return;
    o->said[o->n_said++] = (tempo_said){gguf, kind, value};
}

/* What part i of a place that fuses several is by itself. */
static tempo_place alone(tempo_place at, uint32_t i)
{
    static const tempo_place qkv[] = {TEMPO_AT_Q, TEMPO_AT_K, TEMPO_AT_V},
                             dense[] = {TEMPO_AT_GATE, TEMPO_AT_UP},
                             expert[] = {TEMPO_AT_EXPERT_GATE, TEMPO_AT_EXPERT_UP};

    return at == TEMPO_AT_QKV              ? qkv[i]
           : at == TEMPO_AT_GATE_UP        ? dense[i]
           : at == TEMPO_AT_EXPERT_GATE_UP ? expert[i]
                                           : at;
}

static const char *name_of(const tempo_arch *arch, const tempo_role *part, tempo_place place)
{
    if (part->gguf != NULL)
        return part->gguf;
    for (size_t i = 0; i < arch->n_parts; i++)
        if (arch->parts[i].place == place && arch->parts[i].gguf != NULL)
            return arch->parts[i].gguf;
    return "";
}

tempo_status tempo_outline_add(tempo_loader *ld, const tempo_role *part, uint32_t i, tempo_piece piece)
{
    tempo_outline *o = ld->outline;

    if (o->n_pieces == o->cap) {
        const size_t cap = o->cap > 0 ? 2 * o->cap : 256;
        tempo_piece *more = realloc(o->pieces, cap * sizeof(*more));
        if (more == NULL)
            return tempo_fail(ld->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a list of tensors");
        o->pieces = more;
        o->cap = cap;
    }
    piece.place = alone(part->place, i);
    piece.name = name_of(ld->facts.arch, part, piece.place);
    o->pieces[o->n_pieces++] = piece;
    return TEMPO_OK;
}
