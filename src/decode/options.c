/* options.c - defaults and limits of decoding options. */
#include "decode/decode.h"

#include <math.h>

#include "base/options.h"

TEMPO_OPTIONS(tempo_decode_options, .mode = TEMPO_ISOLATED, .last_visible_layer = TEMPO_ALL_LAYERS,
              .threshold = 0.1, .temperature = 1.0, .max_set = 64, .readout = TEMPO_READOUT_MIXTURE,
              .context = TEMPO_CONTEXT_ALL, .positions = TEMPO_POSITIONS_SHARED, .stop = TEMPO_STOP_ANY,
              .steps = 32, .replay = TEMPO_REPLAY_NONE, .kv = TEMPO_KV_F32, .order = TEMPO_ORDER_DESCENDING)

tempo_status tempo_decode_options_take(tempo_decode_options *out, const tempo_decode_options *given,
                                       tempo_err *err)
{
    return tempo_options_take(&tempo_decode_options_kind, out, given, err);
}

/* Every comparison is written so that NaN fails it. */
static tempo_status check_numbers(const tempo_decode_options *o, tempo_err *err)
{
    if (!(o->threshold > 0.0 && o->threshold <= 1.0))
        return tempo_fail_field(err, TEMPO_E_ARG, "threshold",
                                "threshold is %g, expected more than 0 and at most 1", o->threshold);
    if (!(o->temperature >= TEMPO_MIN_TEMPERATURE && isfinite(o->temperature)))
        return tempo_fail_field(err, TEMPO_E_ARG, "temperature",
                                "temperature is %g, expected a finite number, at least %g", o->temperature,
                                TEMPO_MIN_TEMPERATURE);
    if (o->positions == TEMPO_POSITIONS_OFFSET && !isfinite(o->position_offset))
        return tempo_fail_field(err, TEMPO_E_ARG, "position_offset",
                                "positions offset is %g, expected a finite number", o->position_offset);
    if (o->steps == 0)
        return tempo_fail_field(err, TEMPO_E_ARG, "steps", "steps is 0, expected at least 1");
    return TEMPO_OK;
}

static tempo_status check_layers(const tempo_decode_options *o, uint32_t n_layers, tempo_err *err)
{
    const uint32_t last = o->last_visible_layer;

    if (o->first_visible_layer == 0 && last == TEMPO_ALL_LAYERS)
        return TEMPO_OK;
    if (o->mode == TEMPO_ISOLATED)
        return tempo_fail_field(err, TEMPO_E_ARG, "first_visible_layer",
                                "visible layers mean nothing in isolated mode: choose visible or causal");
    if (o->first_visible_layer >= n_layers || (last != TEMPO_ALL_LAYERS && last >= n_layers) ||
        o->first_visible_layer > last)
        return tempo_fail_field(err, TEMPO_E_ARG, "first_visible_layer",
                                "visible layers %u-%u: expected a rising range within 0-%u",
                                o->first_visible_layer, last == TEMPO_ALL_LAYERS ? n_layers - 1 : last,
                                n_layers - 1);
    return TEMPO_OK;
}

bool tempo_decode_options_ends(const tempo_decode_options *o, const tempo_model *m, int32_t id)
{
    tempo_decode_options complete;

    if (tempo_decode_options_take(&complete, o, NULL) == TEMPO_OK)
        for (uint32_t i = 0; i < complete.n_end_ids && i < TEMPO_MAX_END_IDS; i++)
            if (complete.end_ids[i] == id)
                return true;
    return tempo_model_is_eos(m, id);
}

static tempo_status check_choices(const tempo_decode_options *o, tempo_err *err)
{
    const struct {
        const char *field, *name;
        int value;
    } choices[] = {{"mode", tempo_mode_name(o->mode), (int)o->mode},
                   {"readout", tempo_readout_name(o->readout), (int)o->readout},
                   {"context", tempo_context_name(o->context), (int)o->context},
                   {"positions", tempo_positions_name(o->positions), (int)o->positions},
                   {"stop", tempo_stop_name(o->stop), (int)o->stop},
                   {"replay", tempo_replay_name(o->replay), (int)o->replay},
                   {"order", tempo_order_name(o->order), (int)o->order}};

    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
        if (choices[i].name == NULL)
            return tempo_fail_field(err, TEMPO_E_ARG, choices[i].field,
                                    "%s is %d, which is not one of its constants", choices[i].field,
                                    choices[i].value);
    return TEMPO_OK;
}

tempo_status tempo_decode_options_check(const tempo_decode_options *o, uint32_t n_layers, tempo_err *err)
{
    tempo_status st;

    if ((st = check_choices(o, err)) != TEMPO_OK)
        return st;
    if (o->n_end_ids > TEMPO_MAX_END_IDS)
        return tempo_fail_field(err, TEMPO_E_ARG, "n_end_ids", "%u end_ids, at most %d", o->n_end_ids,
                                TEMPO_MAX_END_IDS);
    if ((st = check_numbers(o, err)) != TEMPO_OK || (st = check_layers(o, n_layers, err)) != TEMPO_OK)
        return st;
    if (o->replay != TEMPO_REPLAY_NONE &&
        (o->context != TEMPO_CONTEXT_ALL || o->readout != TEMPO_READOUT_MIXTURE ||
         o->positions != TEMPO_POSITIONS_SHARED))
        return tempo_fail_field(
            err, TEMPO_E_ARG, "replay",
            "replay sets context, readout and positions itself: they must stay at their defaults");
    return TEMPO_OK;
}
