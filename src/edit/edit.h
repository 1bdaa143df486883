/* edit.h - edits from text: what one is written as (tempo.h), and the arrays and runs that it names.
 *
 *   add.c        a line becomes an edit of a list
 *   selection.c  "set:7&member:1"
 *   values.c     vectors: given ones, and those of files
 *   recorded.c   what the arrays of a capture, or of means, have of a tap
 *   edits_json.c lists of them as JSON (edits_json.h)
 *   edits_told.c what documents and people are told of them (edits_told.h)
 *   captured.c   a capture's directory as a run to patch from  */
#ifndef TEMPO_EDIT_EDIT_H
#define TEMPO_EDIT_EDIT_H
#include "base/status.h"
#include "engine/edit.h"
#include "io/array_file.h"

/* ---- selection.c ---- */
/* text[n], spaces anywhere.  looks: names relative to the row that looks are allowed.  TEMPO_E_FORMAT;
 * TEMPO_E_ARG for a token that the model has not.  */
tempo_status tempo_selection_parse(tempo_slot_rule *out, const char *text, size_t n, bool looks,
                                   const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- add.c ---- */
/* The path that name[n] means, for free(); NULL: no memory. */
char *tempo_edit_path(const tempo_edit_inputs *in, const char *name, size_t n);

/* ---- values.c ---- */
/* Fill edit->values, heads, width, by_layer for edit->at from the array of that name.  mean: the array is
 * named after the tap, and has one for each layer that its file says.  */
tempo_status tempo_edit_read_values(tempo_edit *edit, const tempo_model *m, const char *name, bool mean,
                                    const tempo_edit_inputs *in, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- recorded.c ---- */
enum { TEMPO_RECORDED_MOST = 64 * TEMPO_TAP_WORDS };

/* Which layers and heads the arrays of a tap have: index i is that of layers[i], heads[i]. */
typedef struct tempo_recorded_tap {
    size_t n_layers, n_heads; /* 1 where the tap is not in layers, or has no heads */
    uint32_t layers[TEMPO_RECORDED_MOST], heads[TEMPO_RECORDED_MOST];
} tempo_recorded_tap;

/* By the metadata of the file, {"taps": {NAME: {"layers": [..], "heads": [..]}}}; all that the model has where they do not name the
 * tap.  TEMPO_E_ARG for what the model has not, and for sizes in "model" that are another's.  */
tempo_status tempo_recorded_read(tempo_recorded_tap *out, const tempo_array_file *f, const tempo_model *m,
                                 tempo_tap tap, tempo_err *err) TEMPO_MUST_CHECK;
/* All layers from first, all heads from first. */
void tempo_recorded_range(tempo_recorded_tap *out, uint32_t first_layer, size_t layers, uint32_t first_head,
                          size_t heads);
/* The place of one among list[n]; SIZE_MAX: it is not there. */
size_t tempo_recorded_at(const uint32_t *list, size_t n, uint32_t one);

/* ---- captured.c ---- */
/* What the capture in a directory has of the tap of a patch, of its layers and heads (others are 0), in at most max_bytes;
 * edit->files are those that had it.
 * TEMPO_E_NOTFOUND when something that the patch is to take is not there, saying how it is recorded.  */
tempo_status tempo_captured_store(tempo_store **out, const tempo_model *m, const char *dir,
                                  tempo_edit *edit, uint64_t max_bytes, tempo_err *err) TEMPO_MUST_CHECK;

#endif
