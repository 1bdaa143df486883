/* capture.c - a decoder's steps, each written when it is complete.
 *
 * Views of a pass are gathered in the order of the file (gather.c), so that the step's arrays are written
 * from where they lie: one copy, the checksum, the write.  */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "io/json.h"

enum {
    STEP_ARRAYS = 5,         /* in a file, at most */
    UNKNOWN_STEPS = 1000,    /* room for so many when nothing is known */
    SMALL_STEP_BYTES = 2048, /* headers of a step in one file */
};

/* ---- life ---- */

static tempo_status parse_config(tempo_capture *c, const char *text, tempo_err *err)
{
    tempo_status st;

    if (text == NULL)
        text = "{}";
    if ((st = tempo_json_parse(&c->config, text, strlen(text), err)) == TEMPO_OK &&
        !json_is_object(c->config))
        st = tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "it is not a JSON object");
    if (st != TEMPO_OK)
        tempo_err_prefix(err, "config of the capture");
    return st;
}

static tempo_status open_files(tempo_capture *c, const tempo_capture_options *o, tempo_err *err)
{
    const uint64_t most = (uint64_t)c->model->hp.n_ctx + 2; /* a step has a position of its own */
    const uint64_t steps = o->steps > 0 ? o->steps : UNKNOWN_STEPS;
    const uint64_t names =
        (steps < most ? steps : most) * (STEP_ARRAYS + o->n_taps) + 4 + (o->prompt_rows ? o->n_taps : 0);
    const size_t text = o->config != NULL ? strlen(o->config) : 0;
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < TEMPO_FILE_ARRAYS && st == TEMPO_OK; i++)
        if (c->paths[i] != NULL)
            st = tempo_arrays_create(&c->arrays[i], o->format, c->paths[i], names, text, err);
    return st == TEMPO_OK ? tempo_capture_begin_sets(c, err) : st;
}

static tempo_status check_start(const tempo_capture *c, tempo_err *err)
{
    if (tempo_decoder_last_set(c->decoder) == NULL && tempo_decoder_distribution(c->decoder) == NULL)
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                      "a capture begins with a decoder's first step, this one has taken some");
}

tempo_status tempo_capture_create(tempo_capture **out, const char *dir, const tempo_decoder *d,
                                  const tempo_capture_options *given, tempo_err *err)
{
    tempo_capture *c = calloc(1, sizeof(*c));
    const tempo_capture_options *o = c != NULL ? &c->opt : NULL;
    tempo_status st;

    *out = NULL;
    if (c == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a capture");
    c->decoder = d;
    c->model = tempo_decoder_seq(d)->engine->model;
    if ((st = check_start(c, err)) != TEMPO_OK ||
        (st = tempo_capture_options_take(&c->opt, given, err)) != TEMPO_OK ||
        (st = tempo_capture_options_check(&c->opt, c->model, err)) != TEMPO_OK ||
        (st = parse_config(c, o->config, err)) != TEMPO_OK ||
        (st = tempo_capture_check_size(tempo_capture_estimate(given, c->model), o->max_bytes, err)) !=
            TEMPO_OK ||
        (st = tempo_capture_open_directory(c, dir, o, err)) != TEMPO_OK ||
        (st = open_files(c, o, err)) != TEMPO_OK) {
        tempo_capture_abort(c);
        return st;
    }
    c->n_taps = tempo_capture_select(&c->opt, c->model, c->taps, &c->n_step_taps);
    *out = c;
    return TEMPO_OK;
}

static void capture_free(tempo_capture *c)
{
    for (size_t i = 0; i < TEMPO_FILE_ARRAYS; i++)
        tempo_arrays_abort(c->arrays[i]);
    tempo_outfile_abort(c->sets);
    for (size_t i = 0; i < TEMPO_FILE_COUNT; i++)
        free(c->paths[i]);
    json_decref(c->config);
    free(c->dir);
    tempo_gather_free(&c->pass);
    tempo_gather_free(&c->prompt);
    free(c->square);
    free(c);
}

void tempo_capture_abort(tempo_capture *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < TEMPO_FILE_ARRAYS; i++) {
        tempo_arrays_abort(c->arrays[i]);
        c->arrays[i] = NULL;
    }
    tempo_outfile_abort(c->sets);
    c->sets = NULL;
    if (c->dir != NULL)
        tempo_capture_remove_directory(c);
    capture_free(c);
}

tempo_status tempo_capture_commit(tempo_capture *c, tempo_err *err)
{
    tempo_status st = c->failed.code;

    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
        *err = c->failed;
    if (st == TEMPO_OK)
        st = tempo_capture_finish(c, err);
    if (st != TEMPO_OK)
        tempo_capture_abort(c);
    else
        capture_free(c);
    return st;
}

/* ---- sizes ---- */

uint64_t tempo_capture_bytes(const tempo_capture *c)
{
    uint64_t n = c->sets != NULL ? tempo_outfile_pos(c->sets) : 0;

    for (size_t i = 0; i < TEMPO_FILE_ARRAYS; i++)
        n += c->arrays[i] != NULL ? tempo_arrays_pos(c->arrays[i]) : 0;
    return n;
}

tempo_status tempo_capture_check_limit(const tempo_capture *c, uint64_t more, tempo_err *err)
{
    const uint64_t own = tempo_capture_bytes(c), max = c->opt.max_bytes;
    const uint64_t others = c->opt.shared_bytes != NULL ? *c->opt.shared_bytes - c->counted : 0;
    char a[32], b[32];

    if (max == 0 || (own + others <= max && more <= max - own - others))
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                      "with step %zu the capture would reach %s, --max-capture allows %s", c->steps,
                      tempo_capture_size_text(own + others + more, a), tempo_capture_size_text(max, b));
}

static void count_bytes(tempo_capture *c)
{
    const uint64_t own = tempo_capture_bytes(c);

    if (c->opt.shared_bytes != NULL)
        *c->opt.shared_bytes += own - c->counted;
    c->counted = own;
}

static size_t layers_of(const tempo_capture *c)
{
    return c->opt.last_layer - c->opt.first_layer + 1;
}
static size_t heads_of(const tempo_capture *c)
{
    return c->opt.last_head - c->opt.first_head + 1;
}

/* ---- a step ---- */

/* What a step read and selected. */
typedef struct step {
    size_t rows, slots;   /* read; of the sequence */
    const tempo_set *set; /* selected, or NULL */
    size_t members;
    int64_t *query_slots, *positions; /* [rows], [members] */
    double *rope;                     /* [slots] */
} step;

static void step_free(step *s)
{
    free(s->query_slots);
    free(s->positions);
    free(s->rope);
}

static tempo_status step_make(step *s, const tempo_capture *c, const tempo_set *set, tempo_err *err)
{
    const tempo_seq *seq = tempo_decoder_seq(c->decoder);

    *s = (step){.rows = tempo_decoder_row_count(c->decoder),
                .slots = tempo_seq_slot_count(seq),
                .set = set,
                .members = set != NULL ? set->n_members : 0};
    s->query_slots = malloc(s->rows * sizeof(*s->query_slots));
    s->positions = malloc((s->members + 1) * sizeof(*s->positions));
    s->rope = malloc(s->slots * sizeof(*s->rope));
    if (s->query_slots == NULL || s->positions == NULL || s->rope == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for step %zu", c->steps);
    for (size_t i = 0; i < s->rows; i++) /* they are the last that were appended */
        s->query_slots[i] = (int64_t)(s->slots - s->rows + i);
    for (size_t i = 0; i < s->slots; i++)
        s->rope[i] = tempo_seq_slot_at(seq, i).position;
    for (size_t i = 0; i < s->members; i++)
        s->positions[i] = set->members[i].slot;
    return TEMPO_OK;
}

/* A step's four small arrays. */
static tempo_status write_small(const tempo_capture *c, tempo_arrays *a, const step *s, tempo_err *err)
{
    const uint64_t rows = s->rows, slots = s->slots, members = s->members;
    const int64_t logical = (int64_t)c->steps;
    tempo_status st;

    if ((st = tempo_arrays_add(a, c->steps, TEMPO_ARRAY_QUERY_SLOTS, &rows, 1, s->query_slots, err)) !=
            TEMPO_OK ||
        (st = tempo_arrays_add(a, c->steps, TEMPO_ARRAY_ROPE, &slots, 1, s->rope, err)) != TEMPO_OK ||
        (st = tempo_arrays_add(a, c->steps, TEMPO_ARRAY_POSITIONS, &members, 1, s->positions, err)) !=
            TEMPO_OK)
        return st;
    return tempo_arrays_add(a, c->steps, TEMPO_ARRAY_LOGICAL, NULL, 0, &logical, err);
}

/* Did everything come that the step shows? */
static tempo_status check_views(const tempo_capture *c, const step *s, tempo_err *err)
{
    const tempo_gather *p = &c->pass;
    size_t expected = 0;

    for (size_t i = 0; i < c->n_step_taps; i++)
        expected += tempo_gathered_shape(c->model, &c->taps[i]).layers * s->rows;
    if (p->views != expected || (expected > 0 && (p->rows != s->rows || p->slots != s->slots)))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "step %zu: %zu views came, expected %zu: the observer has to feed each", c->steps,
                          p->views, expected);
    if (c->steps > 0)
        return TEMPO_OK;
    expected = 0;
    for (size_t i = 0; i < tempo_capture_taps_of_prompt(c); i++)
        expected += tempo_gathered_shape(c->model, &c->taps[i]).layers * s->slots;
    if (c->prompt.views < expected)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%zu views of the prompt came, expected %zu: its observer has `prompts` set, and "
                          "no part of it runs ahead",
                          c->prompt.views, expected);
    return TEMPO_OK;
}

/* All slots ask, and what they saw when they were read stays. */
static tempo_status write_square(tempo_capture *c, const step *s, tempo_err *err)
{
    const uint64_t shape[] = {layers_of(c), 1, heads_of(c), s->slots, s->slots};
    tempo_arrays *a = c->arrays[TEMPO_FILE_ATTENTION];
    step whole = *s;
    tempo_status st = tempo_square_grow(c, s->rows, s->slots, err);

    whole.rows = s->slots;
    if (st == TEMPO_OK && (whole.query_slots = tempo_square_slots(s->slots, err)) == NULL)
        st = TEMPO_E_NOMEM;
    if (st == TEMPO_OK)
        st = tempo_arrays_add(a, c->steps, TEMPO_ARRAY_ATTENTION, shape, 5, c->square, err);
    if (st == TEMPO_OK)
        st = write_small(c, a, &whole, err);
    if (whole.query_slots != s->query_slots)
        free(whole.query_slots);
    if (c->arrays[TEMPO_FILE_TAPS] == NULL)
        tempo_gather_free(&c->prompt);
    return st;
}

static tempo_status write_attention(tempo_capture *c, const step *s, tempo_err *err)
{
    const uint64_t shape[] = {layers_of(c), 1, heads_of(c), s->rows, s->slots};
    tempo_arrays *a = c->arrays[TEMPO_FILE_ATTENTION];
    const tempo_status st = tempo_arrays_add(a, c->steps, TEMPO_ARRAY_ATTENTION, shape, 5,
                                             c->pass.buffer + c->pass.at[TEMPO_TAP_PATTERN], err);

    return st == TEMPO_OK ? write_small(c, a, s, err) : st;
}

/* The array PREFIX_TAP of what was gathered. */
static tempo_status write_tap(tempo_capture *c, const tempo_gather *g, const tempo_tap_selection *s,
                              const char *prefix, tempo_err *err)
{
    uint64_t shape[4];
    const unsigned n_dims = tempo_gather_shape(g, c->model, s, shape);
    char name[96];

    (void)snprintf(name, sizeof(name), "%s_%s", prefix, tempo_tap_get_info(NULL, s->tap).short_name);
    return tempo_arrays_add_floats(c->arrays[TEMPO_FILE_TAPS], name, shape, n_dims, g->buffer + g->at[s->tap],
                                   err);
}

static tempo_status write_taps(tempo_capture *c, const step *s, tempo_err *err)
{
    tempo_status st = TEMPO_OK;
    char prefix[32];

    for (size_t i = 0; i < c->n_taps && st == TEMPO_OK && c->steps == 0 && c->opt.prompt_rows; i++)
        st = write_tap(c, &c->prompt, &c->taps[i], TEMPO_CAPTURE_PROMPT, err);
    tempo_gather_free(&c->prompt);
    (void)snprintf(prefix, sizeof(prefix), "step_%zu", c->steps);
    for (size_t i = 0; i < c->n_step_taps && st == TEMPO_OK; i++)
        if (c->taps[i].tap != TEMPO_TAP_PATTERN)
            st = write_tap(c, &c->pass, &c->taps[i], prefix, err);
    return st == TEMPO_OK ? write_small(c, c->arrays[TEMPO_FILE_TAPS], s, err) : st;
}

static tempo_status write_logits(const tempo_capture *c, const step *s, tempo_err *err)
{
    const uint64_t shape[] = {s->rows, c->model->hp.n_vocab};
    const float *rows = tempo_decoder_row_logits(c->decoder, 0);
    tempo_arrays *a = c->arrays[TEMPO_FILE_LOGITS];

    if (rows == NULL)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "step %zu: its logits are gone: a step is captured before the next pass", c->steps);
    const tempo_status st = tempo_arrays_add(a, c->steps, TEMPO_ARRAY_LOGITS, shape, 2, rows, err);
    return st == TEMPO_OK ? write_small(c, a, s, err) : st;
}

/* Keys (which = 0) or values of the slots that are new. */
static tempo_status write_cache(tempo_capture *c, const step *s, unsigned which, tempo_err *err)
{
    const tempo_hparams *hp = &c->model->hp;
    const tempo_seq *seq = tempo_decoder_seq(c->decoder);
    const size_t n = s->slots - c->slots, d = hp->head_dim;
    const uint64_t shape[] = {hp->n_layers, hp->n_kv_heads, n, d};
    float *to = c->pass.buffer;
    tempo_status st = TEMPO_OK;

    for (uint32_t l = 0; l < hp->n_layers; l++)
        for (uint32_t h = 0; h < hp->n_kv_heads; h++)
            for (size_t i = c->slots; i < s->slots && st == TEMPO_OK; i++, to += d)
                st = tempo_seq_read_kv(seq, l, h, i, which == 0 ? to : NULL, which == 1 ? to : NULL, err);
    if (st != TEMPO_OK)
        return st;
    return tempo_arrays_add(c->arrays[TEMPO_FILE_KV], c->steps, which == 0 ? TEMPO_ARRAY_K : TEMPO_ARRAY_V,
                            shape, 4, c->pass.buffer, err);
}

static uint64_t cache_floats(const tempo_capture *c, const step *s)
{
    const tempo_hparams *hp = &c->model->hp;

    return (uint64_t)hp->n_layers * hp->n_kv_heads * hp->head_dim * (s->slots - c->slots);
}

static tempo_status make_room(tempo_capture *c, const step *s, tempo_err *err)
{
    return tempo_gather_room(&c->pass, (size_t)cache_floats(c, s), err) != NULL ? TEMPO_OK : TEMPO_E_NOMEM;
}

/* Bytes that the step adds. */
static uint64_t step_bytes(const tempo_capture *c, const step *s)
{
    const uint64_t small = 8 * (s->rows + s->slots + s->members) + SMALL_STEP_BYTES;
    uint64_t n = 64 + 32 * s->members;

    if (c->arrays[TEMPO_FILE_ATTENTION] != NULL)
        n += (uint64_t)layers_of(c) * heads_of(c) * (c->opt.square ? s->slots : s->rows) * s->slots *
                 sizeof(float) +
             small + (c->opt.square ? 8 * s->slots : 0);
    if (c->arrays[TEMPO_FILE_TAPS] != NULL) /* attention once too often, which is written elsewhere */
        n += (c->pass.floats + (c->steps == 0 && c->opt.prompt_rows ? c->prompt.floats : 0)) * sizeof(float) +
             small + (c->n_taps + c->n_step_taps) * 192;
    if (c->arrays[TEMPO_FILE_LOGITS] != NULL)
        n += (uint64_t)s->rows * c->model->hp.n_vocab * sizeof(float) + small;
    if (c->arrays[TEMPO_FILE_KV] != NULL)
        n += 2 * cache_floats(c, s) * sizeof(float) + SMALL_STEP_BYTES;
    return n;
}

static tempo_status write_step(tempo_capture *c, const step *s, tempo_err *err)
{
    tempo_status st = check_views(c, s, err);

    if (st == TEMPO_OK)
        st = tempo_capture_check_limit(c, step_bytes(c, s), err);
    if (st == TEMPO_OK && c->arrays[TEMPO_FILE_ATTENTION] != NULL)
        st = c->opt.square ? write_square(c, s, err) : write_attention(c, s, err);
    if (st == TEMPO_OK && c->arrays[TEMPO_FILE_TAPS] != NULL)
        st = write_taps(c, s, err);
    if (st == TEMPO_OK && c->arrays[TEMPO_FILE_LOGITS] != NULL)
        st = write_logits(c, s, err);
    if (st == TEMPO_OK && c->arrays[TEMPO_FILE_KV] != NULL && (st = make_room(c, s, err)) == TEMPO_OK &&
        (st = write_cache(c, s, 0, err)) == TEMPO_OK)
        st = write_cache(c, s, 1, err);
    if (st == TEMPO_OK && s->set != NULL)
        st = tempo_capture_add_set(c, s->set, err);
    return st;
}

static tempo_status take_step(tempo_capture *c, const tempo_set *set, tempo_err *err)
{
    tempo_status st = c->failed.code;
    step s = {0};

    if (st != TEMPO_OK && err != NULL && err->code == TEMPO_OK)
        *err = c->failed;
    if (st == TEMPO_OK && tempo_seq_slot_count(tempo_decoder_seq(c->decoder)) <= c->slots)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "nothing was read since step %zu was captured",
                        c->steps - 1);
    if (st == TEMPO_OK && (st = step_make(&s, c, set, err)) == TEMPO_OK)
        st = write_step(c, &s, err);
    if (st == TEMPO_OK) {
        c->slots = s.slots;
        c->steps++;
        c->pass.views = 0;
        count_bytes(c);
    } else if (c->failed.code == TEMPO_OK) {
        if (err != NULL)
            c->failed = *err;
        c->failed.code = st; /* what is half written must not be committed */
    }
    step_free(&s);
    return st;
}

tempo_status tempo_capture_step(tempo_capture *c, tempo_err *err)
{
    const tempo_set *set = tempo_decoder_last_set(c->decoder);

    if (set == NULL || set->step != c->steps || c->closed)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "step %zu is to be captured next, and the decoder has %s", c->steps,
                          set == NULL ? "taken none" : "not just finished it");
    return take_step(c, set, err);
}

tempo_status tempo_capture_closing(tempo_capture *c, tempo_err *err)
{
    const tempo_set *set = tempo_decoder_last_set(c->decoder);

    if (set == NULL || set->step + 1 != c->steps || c->closed)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "the closing pass is captured once, after all steps");
    const tempo_status st = take_step(c, NULL, err);
    c->closed = st == TEMPO_OK;
    return st;
}
