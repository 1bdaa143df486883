/* synth.h - the parts of tempo_synth: which shapes there are, and what tensors a model of a shape has.
 *
 *   shapes.c      sizes and keys of published models
 *   plan.c        those keys, read as those of a file are, ask for tensors
 *   vocabulary.c  tokens that are made up
 *   synth.c       types and random numbers for the tensors; the file  */
#ifndef TEMPO_MODEL_SYNTH_SYNTH_H
#define TEMPO_MODEL_SYNTH_SYNTH_H
#include "io/gguf_write.h"
#include "model/arch/arch.h"

enum { TEMPO_SHAPE_KEYS = 4 };

/* A key beyond sizes, norm and RoPE, behind the architecture's name; true and false are 1 and 0 of a flag. */
typedef struct tempo_shape_key {
    const char *what;
    enum tempo_shape_value { TEMPO_SHAPE_COUNT, TEMPO_SHAPE_REAL, TEMPO_SHAPE_FLAG } kind;
    double value;
} tempo_shape_key;

typedef struct tempo_shape {
    const char *name, *arch, *pre; /* pre: how text is split before merging */
    tempo_hparams hp;
    double theta;
    double rope_factor; /* of llama3 scaling from 8192 positions; 0: none */
    uint32_t n_rot;     /* rotated elements of a head; 0: all, or what an architecture without RoPE has */
    bool tied;
    tempo_shape_key more[TEMPO_SHAPE_KEYS];
} tempo_shape;

/* NULL: there is none of that name; names, for messages, in out[cap]. */
const tempo_shape *tempo_shape_find(const char *name);
void tempo_shape_names(char *out, size_t cap);
/* general.architecture and all that the forward pass asks of a file. */
void tempo_shape_put(const tempo_shape *s, tempo_gguf_writer *w);

/* A tensor that a file of these keys has. */
typedef struct tempo_planned {
    char name[64];
    tempo_place place; /* TEMPO_PLACES: none of the architecture's parts: divisors of RoPE's frequencies */
    bool bias;
    uint32_t n_dims;
    uint64_t dims[4]; /* outermost first */
} tempo_planned;

/* What a model of the keys that w has would take of its file, in the order in which it takes it: *out [*n], to be freed. */
tempo_status tempo_synth_plan(const tempo_shape *s, const tempo_gguf_writer *w, tempo_planned **out, size_t *n,
                              tempo_err *err) TEMPO_MUST_CHECK;

/* A tokenizer of n tokens. */
void tempo_synth_vocabulary(tempo_gguf_writer *w, const char *pre, uint32_t n);

#endif
