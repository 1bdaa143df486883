/* gguf_write.h - writing GGUF v3 containers: metadata and the tensor table are gathered, then everything goes out front
 * to back.
 *
 *   tempo_gguf_writer w = {0};
 *   tempo_gguf_put_str(&w, "general.architecture", "llama");      // any number of keys, each once
 *   tempo_gguf_put_tensor(&w, "output_norm.weight", TEMPO_F32, 1, (uint64_t[]){64});
 *   tempo_gguf_begin(&w, file, &err);                             // header, metadata, table
 *   tempo_gguf_data(&w, file, bytes, n, &err);                    // tensors in the table's order, in pieces of any size
 *   tempo_gguf_writer_free(&w);
 *
 * A _put that runs out of memory is reported by _begin.  Source: the GGUF specification.  */
#ifndef TEMPO_IO_GGUF_WRITE_H
#define TEMPO_IO_GGUF_WRITE_H
#include <stdbool.h>

#include "io/gguf.h"
#include "io/outfile.h"

typedef struct tempo_gguf_buffer {
    unsigned char *p; /* [cap], n in use */
    size_t n, cap;
} tempo_gguf_buffer;

typedef struct tempo_gguf_writer {
    tempo_gguf_buffer kv, table;
    uint64_t n_kv, n_tensors;
    uint64_t data_bytes; /* of all tensors so far, padding included */
    uint64_t *ends;      /* [n_tensors] of each tensor in the data, without its padding */
    size_t current;      /* the tensor that _data is writing */
    uint64_t at;         /* bytes of data written */
    bool failed;         /* out of memory */
} tempo_gguf_writer;

void tempo_gguf_put_u32(tempo_gguf_writer *w, const char *key, uint32_t v);
void tempo_gguf_put_f32(tempo_gguf_writer *w, const char *key, float v);
void tempo_gguf_put_bool(tempo_gguf_writer *w, const char *key, bool v);
void tempo_gguf_put_str(tempo_gguf_writer *w, const char *key, const char *v);
/* The head of an array, whose count elements must follow at once: strings by _put_element, numbers by _put_int. */
void tempo_gguf_put_array(tempo_gguf_writer *w, const char *key, tempo_gguf_type elem, uint64_t count);
void tempo_gguf_put_element(tempo_gguf_writer *w, const char *s, size_t n);
void tempo_gguf_put_int(tempo_gguf_writer *w, int32_t v);
void tempo_gguf_put_real(tempo_gguf_writer *w, float v);
/* A text that may hold NUL. */
void tempo_gguf_put_text(tempo_gguf_writer *w, const char *key, const char *s, size_t n);
/* A key of another file, with its value as it is there. */
void tempo_gguf_put_copy(tempo_gguf_writer *w, const tempo_gguf *g, const tempo_gguf_kv *kv);
/* dims: as in the file, dims[0] is the row length, a multiple of the type's block.  Returns the tensor's bytes. */
uint64_t tempo_gguf_put_tensor(tempo_gguf_writer *w, const char *name, tempo_dtype type, uint32_t n_dims,
                               const uint64_t *dims);

/* The keys of another writer. */
void tempo_gguf_put_all(tempo_gguf_writer *w, const tempo_gguf_writer *from);
/* The keys so far as those of a file without tensors: *out [*n], to be freed. */
tempo_status tempo_gguf_metadata(const tempo_gguf_writer *w, unsigned char **out, size_t *n, tempo_err *err) TEMPO_MUST_CHECK;

tempo_status tempo_gguf_begin(tempo_gguf_writer *w, tempo_outfile *f, tempo_err *err) TEMPO_MUST_CHECK;
/* The next n bytes of the tensors' data; padding goes in by itself.  They must not cross the end of a tensor. */
tempo_status tempo_gguf_data(tempo_gguf_writer *w, tempo_outfile *f, const void *p, size_t n,
                             tempo_err *err) TEMPO_MUST_CHECK;
void tempo_gguf_writer_free(tempo_gguf_writer *w);

#endif
