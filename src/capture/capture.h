/* capture.h - one decoder's steps on their way to files.  Private to src/capture; what callers see is in tempo.h.
 *
 * options.c checks and estimates, arrays.c is one file of arrays in either format, files.c the directory and the JSON
 * files, capture.c the steps.  Formats: docs/capture.md.  */
#ifndef TEMPO_CAPTURE_CAPTURE_H
#define TEMPO_CAPTURE_CAPTURE_H
#include <jansson.h>

#include "capture/names.h"
#include "decode/decode.h"
#include "io/npz.h"
#include "io/outfile.h"

typedef struct tempo_arrays tempo_arrays;

/* The pass whose views are coming in. */
typedef struct tempo_capture_pass {
    uint32_t layer;     /* of the last view; UINT32_MAX before the first */
    size_t batch_row;   /* of the last view */
    size_t row;         /* the same among the decoder's own rows that are read */
    size_t rows, slots; /* of the pass */
    size_t views;       /* that came */
} tempo_capture_pass;

struct tempo_capture {
    const tempo_decoder *decoder;
    const tempo_model *model;
    tempo_tap_selection taps[1]; /* [n_taps] what is to be shown */
    size_t n_taps;
    tempo_capture_options opt; /* last_layer and last_head are real ones; strings are not kept */
    json_t *config;
    char *dir;
    size_t made;                    /* length of the shortest part of dir that we made; 0: it was there */
    char *paths[TEMPO_FILE_COUNT];  /* NULL: not written */
    bool placed[TEMPO_FILE_COUNT];  /* committed under its name */
    tempo_arrays *arrays[TEMPO_FILE_ARRAYS];
    tempo_outfile *sets;
    float *buffer; /* [buffer_cap] attention of the running pass; then keys, then values */
    size_t buffer_cap;
    tempo_capture_pass pass;
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
tempo_status tempo_capture_options_check(tempo_capture_options *o, const tempo_hparams *hp,
                                         tempo_err *err) TEMPO_MUST_CHECK;
/* "12.3 GB"; out[32] is returned. */
const char *tempo_capture_size_text(uint64_t bytes, char out[32]);

/* ---- arrays.c ---- */
/* names: how many arrays will have a name, for a format that needs to know; text: bytes of its metadata. */
tempo_status tempo_arrays_create(tempo_arrays **out, tempo_capture_format format, const char *path, uint64_t names,
                                 size_t text, tempo_err *err) TEMPO_MUST_CHECK;
/* That array of a step, with elements of the type that names.inc says. */
tempo_status tempo_arrays_add(tempo_arrays *a, size_t step, tempo_capture_array which, const uint64_t *shape, unsigned n_dims,
                              const void *data, tempo_err *err) TEMPO_MUST_CHECK;
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
