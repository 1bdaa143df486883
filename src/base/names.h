/* names.h - what the values of tempo.h's enums are called: the only list.
 *
 * TEMPO_MODES(sep) are the names of tempo_mode in the order of its values with `sep` between them: "|" gives the text that
 * option tables take, a comma the elements of an array.  tempo_mode_name and tempo_mode_parse are made of it (names.c).  */
#ifndef TEMPO_BASE_NAMES_H
#define TEMPO_BASE_NAMES_H

#define TEMPO_LOADS(sep) "all" sep "tokenizer" sep "facts"
#define TEMPO_COMPUTES(sep) "exact" sep "fast"
#define TEMPO_KV_TYPES(sep) "f32" sep "f16"
#define TEMPO_MODES(sep) "isolated" sep "visible" sep "causal"
#define TEMPO_READOUTS(sep) "mixture" sep "uniform" sep "geometric" sep "top" sep "last"
#define TEMPO_CONTEXTS(sep) "all" sep "top" sep "last"
#define TEMPO_POSITIONINGS(sep) "shared" sep "unique" sep "offset"
#define TEMPO_ORDERS(sep) "descending" sep "ascending"
#define TEMPO_STOPS(sep) "any" sep "top" sep "never"
#define TEMPO_REPLAYS(sep) "none" sep "published" sep "published-nocache"
#define TEMPO_STOPPED_BY(sep) "running" sep "steps" sep "eos" sep "context" sep "slots"
#define TEMPO_CAPTURE_FORMATS(sep) "npz" sep "safetensors"
#define TEMPO_REGIMES(sep) "free" sep "lockstep"
#define TEMPO_PATCH_METRICS(sep) "logit_diff" sep "prob" sep "kl_clean" sep "kl_corrupt" sep "tv_clean" sep "tv_corrupt"
#define TEMPO_PATCH_DIRECTIONS(sep) "denoise" sep "noise" sep "both"
#define TEMPO_PATCH_EACHES(sep) "default" sep "position" sep "head" sep "head-position" sep "layer"
#define TEMPO_TRACE_KIND_NAMES(sep) "all" sep "heads" sep "layers" sep "below" sep "above" sep "keep"
#define TEMPO_STATUSES(sep)                                                                                                    \
    "ok" sep "argument" sep "memory" sep "io" sep "format" sep "unsupported" sep "limit" sep "not found" sep "stopped" sep "busy"

#endif
