/* capture.h - one decoder's steps on their way to files.  Private to src/capture; what callers see is in tempo.h.
 *
 * record.c reads what to record, options.c checks and estimates, gather.c is what a pass shows, square.c the attention of all rows so far, arrays.c is one file of arrays in either format, files.c the directory and the JSON
 * files, capture.c the steps.  Formats: docs/capture.md.  */
#ifndef TEMPO_CAPTURE_CAPTURE_H
#define TEMPO_CAPTURE_CAPTURE_H
#include <jansson.h>

#include "capture/names.h"
#include "capture/taps.h"
#include "decode/decode.h"
#include "io/npz.h"
#include "io/outfile.h"

typedef struct tempo_arrays tempo_arrays;

/* What is kept of a tap for a row. */
typedef struct tempo_gathered {
    size_t layers, heads; /* 1 where there are none */
    size_t width;         /* of a head; not of what has a number for each slot */
} tempo_gathered;

/* What is shown of one pass, or of the passes of a prompt. */
typedef struct tempo_gather {
    size_t rows, slots;
    size_t views, expected;           /* that came, that make it whole */
    float *buffer;                    /* [cap] the arrays of all taps */
    size_t cap, floats;               /* floats: of it in use */
    size_t at[TEMPO_TAP_COUNT];       /* where a tap's array begins */
    tempo_gathered shape[TEMPO_TAP_COUNT];
    tempo_tap tap; /* of the first view, which a pass that is repeated begins with again */
    uint32_t layer;
    size_t slot;
} tempo_gather;

struct tempo_capture {
    const tempo_decoder *decoder;
    const tempo_model *model;
    tempo_tap_selection taps[TEMPO_TAP_COUNT]; /* [n_taps] what is to be shown; the last may be of prompts alone */
    size_t n_taps, n_step_taps;
    tempo_capture_options opt; /* last_layer and last_head are real ones; strings are not kept */
    json_t *config;
    char *dir;
    size_t made;                    /* length of the shortest part of dir that we made; 0: it was there */
    char *paths[TEMPO_FILE_COUNT];  /* NULL: not written */
    bool placed[TEMPO_FILE_COUNT];  /* committed under its name */
    tempo_arrays *arrays[TEMPO_FILE_ARRAYS];
    tempo_outfile *sets;
    tempo_gather pass;   /* the running one; then keys, then values */
    tempo_gather prompt; /* all rows of the prompt, until the first step is written */
    float *square;       /* [layers, heads, slots, slots] attention of the last step that was written; options.square */
    tempo_err failed; /* in a view */
    uint64_t counted; /* bytes that were added to *opt.shared_bytes */
    size_t steps;     /* written, the closing one included */
    size_t slots;     /* of the sequence, after the last of them */
    size_t sets_seen, total_tokens, parallel_steps, max_width;
    bool closed;
};

/* ---- options.c ---- */
/* Also replaces TEMPO_ALL_LAYERS and TEMPO_ALL_HEADS by the last ones there are. */
tempo_status tempo_capture_options_take(tempo_capture_options *out, const tempo_capture_options *given, tempo_err *err)
    TEMPO_MUST_CHECK;
tempo_status tempo_capture_options_check(tempo_capture_options *o, const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;
/* Everything that a capture with these (checked) options has to be shown, attention included; returns how many.  *steps: how many
 * of them are of steps, too.  */
size_t tempo_capture_select(const tempo_capture_options *o, const tempo_model *m, tempo_tap_selection taps[TEMPO_TAP_COUNT],
                            size_t *steps);
/* "12.3 GB"; out[32] is returned. */
const char *tempo_capture_size_text(uint64_t bytes, char out[32]);

/* ---- capture.c ---- */
/* TEMPO_E_LIMIT when so many bytes more would be too many. */
tempo_status tempo_capture_check_limit(const tempo_capture *c, uint64_t more, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- views.c ---- */
/* The first so many taps are shown of all rows of the prompt; attention is the first. */
size_t tempo_capture_taps_of_prompt(const tempo_capture *c);

/* ---- gather.c ---- */
bool tempo_tap_by_slot(tempo_tap tap); /* has it a number for each slot? */
tempo_gathered tempo_gathered_shape(const tempo_model *m, const tempo_tap_selection *s);
/* Floats of a tap's array for so many rows, or, where it has a number for each slot, rows times slots. */
double tempo_gathered_floats(const tempo_model *m, const tempo_tap_selection *s, double rows, double cells);
tempo_status tempo_gather_begin(tempo_gather *g, const tempo_model *m, const tempo_tap_selection *taps, size_t n_taps, size_t rows,
                                size_t slots, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_gather_view(tempo_gather *g, const tempo_model *m, const tempo_tap_selection *s, size_t row,
                               const tempo_tap_view *v, tempo_err *err) TEMPO_MUST_CHECK;
/* Of the array of a tap that was gathered; returns the number of dimensions. */
unsigned tempo_gather_shape(const tempo_gather *g, const tempo_model *m, const tempo_tap_selection *s, uint64_t shape[4]);
/* Its buffer for something else: [floats], or NULL. */
float *tempo_gather_room(tempo_gather *g, size_t floats, tempo_err *err);
void tempo_gather_free(tempo_gather *g);

/* ---- square.c ---- */
/* c->square as the step has it that was just read: the rows before it, hidden from the slots that are new, and its own. */
tempo_status tempo_square_grow(tempo_capture *c, size_t rows, size_t slots, tempo_err *err) TEMPO_MUST_CHECK;
/* 0 .. slots - 1, for free(); NULL: no memory. */
int64_t *tempo_square_slots(size_t slots, tempo_err *err);

/* ---- arrays.c ---- */
/* names: how many arrays will have a name, for a format that needs to know; text: bytes of its metadata. */
tempo_status tempo_arrays_create(tempo_arrays **out, tempo_capture_format format, const char *path, uint64_t names,
                                 size_t text, tempo_err *err) TEMPO_MUST_CHECK;
/* That array of a step, with elements of the type that names.inc says. */
tempo_status tempo_arrays_add(tempo_arrays *a, size_t step, tempo_capture_array which, const uint64_t *shape, unsigned n_dims,
                              const void *data, tempo_err *err) TEMPO_MUST_CHECK;
/* One of any name, of float32. */
tempo_status tempo_arrays_add_floats(tempo_arrays *a, const char *name, const uint64_t *shape, unsigned n_dims, const float *data,
                                     tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_arrays_add_text(tempo_arrays *a, const char *name, const char *utf8, tempo_err *err) TEMPO_MUST_CHECK;
uint64_t tempo_arrays_pos(const tempo_arrays *a);
tempo_status tempo_arrays_commit(tempo_arrays *a, tempo_err *err) TEMPO_MUST_CHECK; /* frees a on every path */
void tempo_arrays_abort(tempo_arrays *a);                                           /* takes NULL */

/* ---- files.c ---- */
/* Fill c->dir, c->made and c->paths; make the directory; see to files that are there already. */
tempo_status tempo_capture_open_directory(tempo_capture *c, const char *dir, const tempo_capture_options *o,
                                          tempo_err *err) TEMPO_MUST_CHECK;
/* Remove what was committed, and directories of ours that are empty. */
void tempo_capture_remove_directory(tempo_capture *c);
tempo_status tempo_capture_begin_sets(tempo_capture *c, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_capture_add_set(tempo_capture *c, const tempo_set *set, tempo_err *err) TEMPO_MUST_CHECK;
/* Put everything in its place. */
tempo_status tempo_capture_finish(tempo_capture *c, tempo_err *err) TEMPO_MUST_CHECK;

#endif
