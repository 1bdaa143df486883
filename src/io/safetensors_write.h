/* safetensors_write.h - writing safetensors files, one tensor at a time.
 *
 * The header stands in front of the data and names every tensor, so room for it is left free at the front and
 * filled in at the end; what is not used of it is spaces, as the format allows.  Complete or not at all:
 * outfile.h. Source: the safetensors format description.  */
#ifndef TEMPO_IO_SAFETENSORS_WRITE_H
#define TEMPO_IO_SAFETENSORS_WRITE_H
#include "io/npz.h"

enum {
    TEMPO_SAFETENSORS_ENTRY_BYTES = 256
}; /* enough room for a tensor whose name has at most 64 plain characters */

typedef struct tempo_safetensors_writer tempo_safetensors_writer;

/* room: bytes for the header, at most TEMPO_SAFETENSORS_MAX_HEADER (more counts as that). */
tempo_status tempo_safetensors_create(tempo_safetensors_writer **out, const char *path, uint64_t room,
                                      tempo_err *err) TEMPO_MUST_CHECK;
/* Any type but UNICODE.  The name must be new: that is not checked here.  TEMPO_E_LIMIT, before anything
 * is written, when the header has no room left.  */
tempo_status tempo_safetensors_add(tempo_safetensors_writer *w, const char *name, tempo_npy_type type,
                                   const uint64_t *shape, unsigned n_dims, const void *data,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* An entry of __metadata__, once for each key; its place in the header is taken at once. */
tempo_status tempo_safetensors_add_text(tempo_safetensors_writer *w, const char *key, const char *utf8,
                                        tempo_err *err) TEMPO_MUST_CHECK;
uint64_t tempo_safetensors_pos(const tempo_safetensors_writer *w); /* bytes written so far */
/* Finish; frees w on every path. */
tempo_status tempo_safetensors_commit(tempo_safetensors_writer *w, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_safetensors_abort(tempo_safetensors_writer *w); /* takes NULL */

#endif
