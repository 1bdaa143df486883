/* convert.h - a model's files become one GGUF file of other element types; private to this directory, tempo_convert is public.
 *
 * A conversion is a list of targets, the tensors of the file to be: each knows the pieces of tensors that its rows come from
 * (targets.c) and gets its element type from what was asked for (mix.c).  metadata.c writes the keys, vocabulary.c those of the
 * tokenizer.  rows.c reads rows, quantises them with all processors and writes them, a chunk at a time: the memory is that of the
 * metadata and at most TEMPO_CONVERT_MEMORY, however large the model is.
 * Source: the GGUF specification; names, orders of rows and mixes of types are llama.cpp's.  */
#ifndef TEMPO_CONVERT_CONVERT_H
#define TEMPO_CONVERT_CONVERT_H
#include "base/pool.h"
#include "convert/quantize.h"
#include "io/gguf_write.h"
#include "model/arch/outline.h"

enum { TEMPO_CONVERT_MEMORY = 64 << 20, TEMPO_TARGET_NAME = 96 };

typedef struct tempo_target {
    char name[TEMPO_TARGET_NAME];
    const char *base; /* the name without layer and tail */
    uint32_t layer;   /* TEMPO_NO_LAYER */
    bool weight;      /* its name ends in ".weight" */
    uint32_t n_dims;
    uint64_t dims[4];         /* as in the file, the row length first */
    uint64_t rows, columns;   /* all rows are columns long; a vector of a directory is rows of 1 */
    tempo_dtype from, type;   /* from: TEMPO_DTYPE_COUNT for what is copied without being understood */
    tempo_dtype wanted;       /* not type where the shape does not allow it */
    size_t first, n_pieces;   /* of conversion.pieces */
    const float *values;      /* in place of pieces */
    uint64_t bytes;
} tempo_target;

typedef struct tempo_conversion {
    const tempo_convert_options *opt;
    tempo_loader ld;
    tempo_outline outline;
    const struct tempo_mix *mix;
    tempo_piece *pieces;  /* in the order of the targets */
    tempo_target *targets; /* [n] */
    size_t n, cap, n_pieces;
    float *long_or_llama3; /* values of RoPE's tensors */
    tempo_gguf_writer w;
    uint64_t done, total; /* bytes of data */
    tempo_err *err;
} tempo_conversion;

/* ---- targets.c ---- */
tempo_status tempo_targets_make(tempo_conversion *c) TEMPO_MUST_CHECK;

/* ---- mix.c ---- */
/* The mix of opt->type.  TEMPO_E_ARG names those that there are. */
tempo_status tempo_mix_find(const char *type, const struct tempo_mix **out, tempo_err *err) TEMPO_MUST_CHECK;
/* The type of each target. */
tempo_status tempo_mix_apply(tempo_conversion *c) TEMPO_MUST_CHECK;
uint32_t tempo_mix_file_type(const struct tempo_mix *mix); /* general.file_type */

/* ---- metadata.c ---- */
tempo_status tempo_metadata_put(tempo_conversion *c) TEMPO_MUST_CHECK;

/* ---- readback.c ---- */
/* Whether the keys that were put mean the model of the directory that was read.  TEMPO_E_UNSUPPORTED names the first thing that they
 * do not say; with opt->allow_loss opt->lost is told all of them.  */
tempo_status tempo_metadata_check(tempo_conversion *c) TEMPO_MUST_CHECK;

/* ---- rows.c ---- */
tempo_status tempo_targets_write(tempo_conversion *c, tempo_outfile *f) TEMPO_MUST_CHECK;

#endif
