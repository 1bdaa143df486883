/* options.c - what is to be captured, and how large it will be. */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "capture/capture.h"

enum { SMALL_BYTES = 2048 /* of the smaller arrays and all headers, in one file and step */ };

TEMPO_OPTIONS(tempo_capture_options,
              .record = TEMPO_RECORD_ATTENTION | TEMPO_RECORD_LOGITS | TEMPO_RECORD_POSITIONS,
              .last_layer = TEMPO_ALL_LAYERS, .last_head = TEMPO_ALL_HEADS, .max_bytes = UINT64_C(4000000000))

tempo_status tempo_capture_options_take(tempo_capture_options *out, const tempo_capture_options *given,
                                        tempo_err *err)
{
    return tempo_options_take(&tempo_capture_options_kind, out, given, err);
}

static tempo_status check_range(const char *what, uint32_t first, uint32_t *last, uint32_t n, tempo_err *err)
{
    if (*last == UINT32_MAX)
        *last = n - 1;
    if (first > *last || *last >= n)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%ss %u-%u to record must be A-B with A <= B within 0-%u", what, first, *last,
                          n - 1);
    return TEMPO_OK;
}

static tempo_status check_file(const char *name, tempo_err *err)
{
    if (name == NULL || (name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
                         strcmp(name, "..") != 0 && strlen(name) <= 200))
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                      "'%.64s' must be a plain file name of at most 200 bytes, without directories", name);
}

static tempo_status check_names(const tempo_capture_options *o, tempo_err *err)
{
    const char *const names[] = {o->attention_file, o->logits_file, o->kv_file, o->positions_file};
    char fixed[2][TEMPO_CAPTURE_KEY];
    tempo_status st = TEMPO_OK;

    (void)tempo_capture_file_name(fixed[0], TEMPO_FILE_SETS, o->format);
    (void)tempo_capture_file_name(fixed[1], TEMPO_FILE_METADATA, o->format);
    for (size_t i = 0; i < 4 && st == TEMPO_OK; i++) {
        st = check_file(names[i], err);
        for (size_t j = 0; j < i + 2 && st == TEMPO_OK && names[i] != NULL; j++) {
            const char *other = j < 2 ? fixed[j] : names[j - 2];
            if (other != NULL && strcmp(names[i], other) == 0)
                st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "two files to capture are named '%s'",
                                other);
        }
    }
    return st;
}

/* Each once, and none that record is about. */
static tempo_status check_tap(const tempo_capture_options *o, size_t i, const tempo_model *m, tempo_err *err)
{
    const tempo_tap tap = o->taps[i].tap;
    const tempo_status st = tempo_tap_check(&o->taps[i], m, err);

    if (st != TEMPO_OK)
        return st;
    if (tap == TEMPO_TAP_PATTERN || tap == TEMPO_TAP_LOGITS)
        return tempo_fail_field(err, TEMPO_E_ARG, "taps", "taps[%zu] is %s, which record asks for", i,
                                tap == TEMPO_TAP_PATTERN ? "attention" : "logits");
    for (size_t k = 0; k < i; k++)
        if (o->taps[k].tap == tap)
            return tempo_fail_field(err, TEMPO_E_ARG, "taps", "taps[%zu] and taps[%zu] are both %s", k, i,
                                    tempo_tap_get_info(NULL, tap).short_name);
    return TEMPO_OK;
}

tempo_status tempo_capture_options_check(tempo_capture_options *o, const tempo_model *m, tempo_err *err)
{
    const tempo_hparams *hp = &m->hp;
    tempo_status st = TEMPO_OK;

    if ((o->record == 0 && o->n_taps == 0) || o->n_taps > TEMPO_TAP_COUNT ||
        (o->record & ~(unsigned)TEMPO_RECORD_ALL) != 0)
        return tempo_fail_field(
            err, TEMPO_E_ARG, "record",
            "record is %#x with %zu taps, expected some of attention, logits, positions, kv or taps",
            o->record, o->n_taps);
    if (o->square && (o->record & TEMPO_RECORD_ATTENTION) == 0)
        return tempo_fail_field(err, TEMPO_E_ARG, "record",
                                "square is about attention, which is not recorded");
    if (o->prompt_rows && o->n_taps == 0 && (o->record & (TEMPO_RECORD_ATTENTION | TEMPO_RECORD_LOGITS)) == 0)
        return tempo_fail_field(
            err, TEMPO_E_ARG, "record",
            "of the prompt's rows nothing is recorded: neither attention, nor logits, nor a tap");
    for (size_t i = 0; i < o->n_taps && st == TEMPO_OK; i++)
        st = check_tap(o, i, m, err);
    if (st != TEMPO_OK)
        return st;
    if (tempo_capture_format_name(o->format) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "format", "format %d is not npz or safetensors",
                                (int)o->format);
    if ((st = check_range("layer", o->first_layer, &o->last_layer, hp->n_layers, err)) != TEMPO_OK ||
        (st = check_range("head", o->first_head, &o->last_head, hp->n_heads, err)) != TEMPO_OK)
        return st;
    return check_names(o, err);
}

const char *tempo_capture_size_text(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    size_t unit = 0;

    while (v >= 999.95 && unit + 1 < sizeof(units) / sizeof(*units)) {
        v /= 1000;
        unit++;
    }
    (void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", v, units[unit]);
    return out;
}

static void set_range(uint64_t *bits, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++)
        bits[i / 64] |= UINT64_C(1) << i % 64;
}

size_t tempo_capture_select(const tempo_capture_options *o, const tempo_model *m,
                            tempo_tap_selection taps[TEMPO_TAP_COUNT], size_t *steps)
{
    size_t n = 0;

    if ((o->record & TEMPO_RECORD_ATTENTION) != 0) {
        taps[n] = (tempo_tap_selection){.tap = TEMPO_TAP_PATTERN};
        set_range(taps[n].layers, o->first_layer,
                  o->last_layer < m->hp.n_layers ? o->last_layer : m->hp.n_layers - 1);
        set_range(taps[n++].heads, o->first_head,
                  o->last_head < m->hp.n_heads ? o->last_head : m->hp.n_heads - 1);
    }
    for (size_t i = 0; i < o->n_taps; i++)
        if (o->taps[i].tap != TEMPO_TAP_PATTERN && o->taps[i].tap != TEMPO_TAP_LOGITS)
            taps[n++] = o->taps[i];
    *steps = n;
    if (o->prompt_rows && (o->record & TEMPO_RECORD_LOGITS) != 0)
        taps[n++] = (tempo_tap_selection){.tap = TEMPO_TAP_LOGITS};
    return n;
}

/* In double: it is an estimate, and nothing overflows. */
uint64_t tempo_capture_estimate(const tempo_capture_options *given, const tempo_model *m)
{
    const tempo_hparams *hp = &m->hp;
    tempo_capture_options real;
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    size_t n, n_steps;
    if (tempo_capture_options_take(&real, given, NULL) != TEMPO_OK || real.steps == 0 ||
        tempo_capture_options_check(&real, m, NULL) != TEMPO_OK)
        return 0;
    const tempo_capture_options *o = &real;
    const size_t room = o->prompt < hp->n_ctx ? hp->n_ctx - o->prompt + 1 : 1;
    const double steps = (double)(o->steps < room ? o->steps : room);
    const double P = (double)o->prompt, R = (double)(o->rows > 0 ? o->rows : 1);
    const double rows = 1 + (steps - 1) * R;                      /* that are read, in all */
    const double slots = P * steps + R * steps * (steps - 1) / 2; /* summed over steps */
    const double cells = P + (steps - 1) * R * P + R * R * steps * (steps - 1) / 2; /* rows times slots */
    const double small = 8 * slots + 16 * R * steps + SMALL_BYTES * steps;
    double bytes = SMALL_BYTES + 64 * rows; /* the JSON files */

    n = tempo_capture_select(&real, m, taps, &n_steps);
    if (o->square) { /* s rows in each step, and 8 bytes more for each */
        const double squares =
            steps * P * P + P * R * steps * (steps - 1) + R * R * (steps - 1) * steps * (2 * steps - 1) / 6;
        bytes += 4 * (tempo_gathered_floats(m, &taps[0], rows, squares) -
                      tempo_gathered_floats(m, &taps[0], rows, cells)) +
                 8 * slots;
    }
    for (size_t i = 0; i < n_steps; i++)
        bytes += 4 * tempo_gathered_floats(m, &taps[i], rows, cells);
    for (size_t i = 0; i < n && o->prompt_rows; i++)
        bytes += 4 * tempo_gathered_floats(m, &taps[i], P, P * P) + SMALL_BYTES;
    bytes += ((o->record & TEMPO_RECORD_ATTENTION) != 0) * small +
             (o->n_taps > 0 || o->prompt_rows) * (small + (double)n * 192 * steps);
    if ((o->record & TEMPO_RECORD_LOGITS) != 0)
        bytes += rows * hp->n_vocab * 4 + small;
    if ((o->record & TEMPO_RECORD_POSITIONS) != 0)
        bytes += 48 * (P + rows);
    if ((o->record & TEMPO_RECORD_KV) != 0)
        bytes +=
            2.0 * hp->n_layers * hp->n_kv_heads * hp->head_dim * 4 * (P + rows - 1) + SMALL_BYTES * steps;
    return bytes < 1e18 ? (uint64_t)bytes : UINT64_MAX;
}

tempo_status tempo_capture_check_size(uint64_t estimate, uint64_t max_bytes, tempo_err *err)
{
    char a[32], b[32];

    if (max_bytes == 0 || estimate <= max_bytes)
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                      "the capture would take about %s, --max-capture allows %s",
                      tempo_capture_size_text(estimate, a), tempo_capture_size_text(max_bytes, b));
}
