/* record.c - what is to be recorded, as command lines and files spell it. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "capture/capture.h"

enum { PIECE = 256 };

/* The piece in front of *list, up to a comma behind which a name comes; moves it behind. */
static bool take_piece(const char **list, char out[PIECE])
{
    const char *p = *list;
    size_t n = strcspn(p, ",");

    while (p[n] == ',' && ((p[n + 1] >= '0' && p[n + 1] <= '9') || strncmp(p + n + 1, "layers=", 7) == 0 ||
                           strncmp(p + n + 1, "heads=", 6) == 0))
        n += 1 + strcspn(p + n + 1, ",");
    *list = p[n] == ',' ? p + n + 1 : p + n;
    if (n >= PIECE || (p[n] == ',' && p[n + 1] == '\0'))
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

/* The first and the last bit, if those between are there too; what is empty stands for all. */
static bool one_range(const uint64_t *bits, uint32_t *first, uint32_t *last)
{
    uint32_t n = 0;

    *first = 0;
    *last = UINT32_MAX;
    for (uint32_t i = 0; i < 64 * TEMPO_TAP_WORDS; i++)
        if ((bits[i / 64] >> i % 64 & 1) != 0) {
            *first = n++ == 0 ? i : *first;
            *last = i;
        }
    return n == 0 || *last - *first + 1 == n;
}

static tempo_status fail_twice(const char *name, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "'%s' is there twice", name);
}

static tempo_status add_attention(tempo_capture_options *o, const tempo_tap_selection *s, tempo_err *err)
{
    if ((o->record & TEMPO_RECORD_ATTENTION) != 0)
        return fail_twice("attention", err);
    o->record |= TEMPO_RECORD_ATTENTION;
    if (!one_range(s->layers, &o->first_layer, &o->last_layer) ||
        !one_range(s->heads, &o->first_head, &o->last_head))
        return tempo_fail(
            err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
            "attention: its layers and its heads are one range A-B each: its readers count from "
            "the first");
    return TEMPO_OK;
}

/* Layers of one tap add up; heads must be the same ones. */
static tempo_status add_tap(tempo_capture_options *o, const tempo_tap_selection *s, tempo_err *err)
{
    tempo_taps list = {.n = o->n_taps};

    for (size_t i = 0; i < o->n_taps; i++)
        if (o->taps[i].tap == s->tap && memcmp(o->taps[i].heads, s->heads, sizeof(s->heads)) != 0)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "'%s' is there twice, with other heads",
                              tempo_tap_get_info(NULL, s->tap).short_name);
    memcpy(list.list, o->taps, o->n_taps * sizeof(*o->taps));
    tempo_taps_add(&list, s, 1);
    memcpy(o->taps, list.list, list.n * sizeof(*o->taps));
    o->n_taps = list.n;
    return TEMPO_OK;
}

/* Takes the word "square" out of a piece, if it stands between colons. */
static bool take_square(char *piece)
{
    static const char word[] = ":square";
    const size_t n = sizeof(word) - 1;

    for (char *p = strstr(piece, word); p != NULL; p = strstr(p + n, word))
        if (p[n] == '\0' || p[n] == ':') {
            memmove(p, p + n, strlen(p + n) + 1);
            return true;
        }
    return false;
}

static tempo_status add_piece(tempo_capture_options *o, char *piece, tempo_err *err)
{
    static const struct {
        const char *name;
        unsigned bit;
    } whole[] = {
        {"logits", TEMPO_RECORD_LOGITS}, {"positions", TEMPO_RECORD_POSITIONS}, {"kv", TEMPO_RECORD_KV}};
    tempo_tap_selection s;
    tempo_err said = {0};
    const bool square = take_square(piece);

    for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
        if (!square && strcmp(piece, whole[i].name) == 0) {
            if ((o->record & whole[i].bit) != 0)
                return fail_twice(piece, err);
            o->record |= whole[i].bit;
            return TEMPO_OK;
        }
    const tempo_status st = tempo_tap_parse(&s, NULL, piece, &said);
    if (square && (st != TEMPO_OK || s.tap != TEMPO_TAP_PATTERN))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "'%.64s': only attention can be square",
                          piece);
    if (st != TEMPO_OK || s.tap == TEMPO_TAP_LOGITS)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "'%.64s': expected attention, logits, positions, kv or a tap (%.380s)", piece,
                          st != TEMPO_OK ? said.msg : "logits have no layers and heads");
    o->square = o->square || square;
    return s.tap == TEMPO_TAP_PATTERN ? add_attention(o, &s, err) : add_tap(o, &s, err);
}

tempo_status tempo_record_parse(tempo_capture_options *o, const char *list, tempo_err *err)
{
    char piece[PIECE];

    if (o->size != sizeof(*o) || o->n_taps > TEMPO_TAP_COUNT)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "size is %zu and n_taps %zu: call tempo_capture_options_init of this version first",
                          o->size, o->n_taps);
    do {
        if (!take_piece(&list, piece))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "a name is missing or too long");
        const tempo_status st = add_piece(o, piece, err);
        if (st != TEMPO_OK)
            return st;
    } while (*list != '\0');
    return TEMPO_OK;
}
