/* files.h - what the parts of src/model share while a model is opened; private to this directory.
 *
 * Loading goes in three steps, whatever the format:
 *   facts    metadata -> tempo_facts (gguf_model.c, hf_config.c), checked in facts.c
 *   tensors  containers -> one list of tempo_tensor (gguf_model.c, hf_model.c)
 *   bind     list -> weights and vectors of tempo_model, every shape checked (bind.c)
 * A model that is well-formed but cannot run is refused through tempo_refuse: with TEMPO_LOAD_FACTS the
 * first refusal becomes info.unsupported and reading goes on.  Broken files fail in every mode, except in parts that a model
 * can do without: the tokenizer, the chat template, the ids that end texts.  Of those a note is made (parts.c), and what is
 * wrong is said again to who uses them.  */
#ifndef TEMPO_MODEL_FILES_H
#define TEMPO_MODEL_FILES_H
#include "io/gguf.h"
#include "io/safetensors.h"
#include "model/hub.h"
#include "model/model.h"
#include "chat/chat.h"

typedef struct tempo_arch tempo_arch; /* model/arch/arch.h */
typedef struct tempo_outline tempo_outline; /* model/arch/outline.h */

typedef enum tempo_rope_kind {
    TEMPO_ROPE_NONE,
    TEMPO_ROPE_LINEAR,
    TEMPO_ROPE_LLAMA3,
    TEMPO_ROPE_YARN,
    TEMPO_ROPE_LONG
} tempo_rope_kind;

typedef struct tempo_rope {
    double theta;
    tempo_rope_kind kind;
    double factor;             /* linear, llama3, yarn */
    double low, high, context; /* llama3: frequency factors, the context before scaling (yarn, longrope, too) */
    double fast, slow;         /* yarn: rotations in that context above and below which frequencies stay and are divided */
    bool truncate;             /* yarn: between whole dimensions */
    double scale;              /* of cosines and sines; 0: the kind's own */
    const float *factors;      /* longrope: [n_rot / 2], or NULL */
    bool for_long;             /* longrope: those of texts longer than the context before scaling */
    double theta_2;            /* of the second set of frequencies, which nothing scales; 0: there is one */
} tempo_rope;

/* What metadata says.  Numbers are 0 until known; offsets are of the value, or TEMPO_NO_OFFSET. */
typedef struct tempo_facts {
    const tempo_arch *arch; /* NULL: not one that runs */
    tempo_hparams hp;       /* n_vocab: what metadata says, until the embedding is bound */
    tempo_recipe recipe;
    double norm_eps;
    tempo_rope rope;
    bool tied;                      /* the output matrix is the embedding */
    uint32_t d_dense, d_expert, d_shared; /* widths of MLPs; hp.d_ff is the widest */
    uint64_t biased, absent; /* places (model/arch/arch.h) whose biases must be there; whose tensors are not.  Other biases are used
                                where they are there */
    uint32_t scale_block[2]; /* rows and columns that share a scale of 8-bit floats; 0: not said */
    uint64_t heads_at, kv_heads_at, head_dim_at, rope_at;
} tempo_facts;

/* One tensor of either format. */
typedef struct tempo_tensor {
    const char *name;
    const char *type_name;
    tempo_dtype type; /* TEMPO_DTYPE_COUNT: not supported */
    uint32_t n_dims;
    uint64_t dims[4]; /* outermost first; unused ones are 1 */
    uint64_t elements;
    const unsigned char *data;
    uint64_t offset, bytes;
    uint64_t info_at; /* of its entry in the file's table; TEMPO_NO_OFFSET: to be looked up */
    const char *file;
    bool used;
} tempo_tensor;

/* A GGUF file after the first, of a model in several. */
typedef struct tempo_part {
    tempo_gguf gguf;
    char *path;
} tempo_part;

struct tempo_model_files {
    char *path, *name, *architecture;
    const char *top, *outside; /* of a directory: what begins the names of tensors, and of the output matrix */
    bool is_gguf;                                    /* else a Hugging Face directory */
    char unsupported[sizeof(((tempo_err *)0)->msg)]; /* "" = nothing */
    tempo_gguf gguf;           /* the first, or only, file: it has the metadata */
    tempo_part *parts;         /* [n_parts] the others */
    size_t n_parts;
    tempo_safetensors *shards; /* [n_shards] */
    const char **shard_paths;  /* [n_shards] */
    size_t n_shards;
    tempo_tensor *tensors;  /* [n_tensors], in the order of the files */
    tempo_tensor **by_name; /* [n_tensors] sorted; made by tempo_files_index */
    size_t n_tensors;
    void *panels; /* [panel_bytes] packed matrices, mapped, or NULL */
    size_t panel_bytes;
    void **owned; /* [n_owned] strings, vectors and copies, freed with the model */
    size_t n_owned, owned_cap;
};

typedef struct tempo_loader {
    tempo_model *m;
    struct tempo_model_files *f; /* m->files */
    tempo_load load;
    uint32_t context;    /* that is asked for; 0: not said */
    tempo_facts facts;
    tempo_map config;    /* the text of config.json, while it is read */
    const json_t *json;  /* and its object */
    json_t *text;        /* the same, where it is the text's part of a model of several; or NULL */
    bool is_part;        /* tensors of other parts belong to nothing here */
    tempo_layer *layers; /* [n_layers] of ld->m, once their number is known: window, rope and router.n_out are read from keys */
    tempo_status failed; /* what came of reading keys (model/arch/arch.h) */
    uint64_t neutral;    /* keys of a GGUF that an architecture has read, of those that must be neutral else */
    /* Not NULL: there are no tensors; what binding would take, it is told instead (see tempo_take), and nothing is bound. */
    void (*asked)(void *user, const char *name, uint32_t n, const uint64_t *want, bool required);
    void *asked_user;
    tempo_outline *outline; /* of a directory that is not to run, or NULL */
    tempo_err *err;      /* never NULL */
} tempo_loader;

/* ---- files.c ---- */
/* Memory that lives as long as the model; NULL (and err filled) when there is none. */
void *tempo_files_alloc(tempo_loader *ld, size_t n);
/* p[n] as a NUL-terminated string; control characters and what is not UTF-8 become '?', for it may end up
 * on a terminal or in JSON.  */
char *tempo_files_text(tempo_loader *ld, const char *p, size_t n);
/* Fill by_name.  TEMPO_E_FORMAT when two tensors have one name. */
tempo_status tempo_files_index(tempo_loader *ld) TEMPO_MUST_CHECK;
tempo_tensor *tempo_files_find(const struct tempo_model_files *f, const char *name); /* or NULL */
/* Offset of the first "key": in the JSON text[n], TEMPO_NO_OFFSET if it is not there: JSON's parser
 * forgets places, and messages need them.  */
uint64_t tempo_key_offset(const unsigned char *text, uint64_t n, const char *key);
/* Offset of the tensor's entry in its file's table, for messages. */
uint64_t tempo_tensor_entry(const tempo_tensor *t);
/* Unmap and free everything, f included; takes NULL. */
void tempo_files_free(struct tempo_model_files *f);

/* The model cannot run: fails with `code`, or notes why and returns TEMPO_OK (TEMPO_LOAD_FACTS). */
tempo_status tempo_refuse(tempo_loader *ld, tempo_status code, uint64_t at, const char *fmt, ...)
    TEMPO_PRINTF(4, 5);
/* The same for a failure that somebody else has recorded in ld->err. */
tempo_status tempo_soften(tempo_loader *ld, tempo_status st);

/* ---- parts.c: what a model can do without ---- */
/* Keep a copy of the text[n] of the model's chat template. */
tempo_status tempo_part_chat(tempo_loader *ld, const char *text, size_t n) TEMPO_MUST_CHECK;
/* There is a template which cannot be used, for the reason in ld->err; st is given back without memory. */
tempo_status tempo_part_no_chat(tempo_loader *ld, tempo_status st) TEMPO_MUST_CHECK;
/* What came of reading the tokenizer.  There may be none; TEMPO_LOAD_TOKENIZER cannot do without. */
tempo_status tempo_part_tokenizer(tempo_loader *ld, tempo_status st) TEMPO_MUST_CHECK;
/* An id that ends texts, by a key of a file; one that is no token's is noted. */
tempo_status tempo_part_eos(tempo_loader *ld, const char *key, int64_t id) TEMPO_MUST_CHECK;
/* Reading something failed that only adds to what is known: noted with what it means.  st is given back without memory. */
tempo_status tempo_part_lost(tempo_loader *ld, tempo_status st, const char *meaning) TEMPO_MUST_CHECK;

/* ---- facts.c ---- */

/* A row of sizes.inc. */
typedef struct tempo_size_key {
    size_t field, like; /* offsets in tempo_hparams; like: SIZE_MAX for none */
    const char *hf, *gguf;
    uint32_t limit;
    bool required;
} tempo_size_key;

extern const tempo_size_key tempo_size_keys[];
extern const size_t tempo_n_size_keys;

/* The architecture of a GGUF file, of a config.json; NULL: none that runs. */
const tempo_arch *tempo_arch_of_gguf(const char *architecture);
const tempo_arch *tempo_arch_of_hf(const char *model_type);
/* Their names, for messages: "a, b and c". */
void tempo_arch_names(bool gguf, char *out, size_t cap);
/* Once sizes are known: what all architectures begin with, then the architecture's own keys. */
tempo_status tempo_facts_read(tempo_loader *ld) TEMPO_MUST_CHECK;

/* The field of the loader's hyper-parameters; what holds where the key is absent is there already. */
uint32_t *tempo_size_field(tempo_loader *ld, const tempo_size_key *k);

/* A hyper-parameter from outside: zero is TEMPO_E_FORMAT, above the limit is refused. */
tempo_status tempo_facts_count(tempo_loader *ld, const char *key, uint64_t at, uint64_t value, uint32_t limit,
                               uint32_t *out) TEMPO_MUST_CHECK;
/* norm_eps and rope theta: finite and in range. */
tempo_status tempo_facts_eps(tempo_loader *ld, const char *key, uint64_t at, double value) TEMPO_MUST_CHECK;
tempo_status tempo_facts_theta(tempo_loader *ld, const char *key, uint64_t at, double value) TEMPO_MUST_CHECK;
/* How the numbers must fit together; those that are not known are not checked. */
tempo_status tempo_facts_check(tempo_loader *ld) TEMPO_MUST_CHECK;

/* ---- gguf_model.c, gguf_parts.c, hf_model.c, hf_config.c ---- */
/* Open ld->f->path, and where it is one of several parts of a model, the others: f->gguf is the first then, whatever part was
 * named, and f->path its path.  A part that is missing is refused.  */
tempo_status tempo_gguf_open_parts(tempo_loader *ld) TEMPO_MUST_CHECK;
tempo_status tempo_gguf_load(tempo_loader *ld) TEMPO_MUST_CHECK;
/* facts alone, from ld->f->gguf. */
tempo_status tempo_gguf_facts(tempo_loader *ld) TEMPO_MUST_CHECK;
tempo_status tempo_hf_load(tempo_loader *ld) TEMPO_MUST_CHECK;
/* A bit for a key of a GGUF that must be neutral unless an architecture reads it; 0: none of them. */
uint64_t tempo_gguf_neutral_bit(const char *what);
/* facts from config.json, whose text is ld->config and whose object is ld->json until tensors are bound */
tempo_status tempo_hf_config(tempo_loader *ld, const json_t *config) TEMPO_MUST_CHECK;

/* ---- bind.c ---- */
/* Fill weights, vectors and what rope.c binds of ld->m from the list of tensors. */
tempo_status tempo_bind(tempo_loader *ld) TEMPO_MUST_CHECK;

/* ---- take.c: one tensor, whole or in parts ---- */
/* The tensor, marked as used, of shape want[n] and of a type that is supported.  *out is NULL when it is absent: refused if it
 * is required.  */
tempo_status tempo_take(tempo_loader *ld, const char *name, uint32_t n, const uint64_t *want, bool required,
                        tempo_tensor **out) TEMPO_MUST_CHECK;
/* Rows of a tensor that are one matrix or vector: `run` of them, `stride` apart, from `first` on, in slab `slab` of a stack. */
typedef struct tempo_cut {
    uint64_t first, run, stride;
    uint64_t slab;   /* elements in front of it */
    bool transposed; /* rows are columns of the tensor's */
    uint64_t across; /* then: how many columns a row of the tensor has */
} tempo_cut;
/* w[n_out, n_in]: a view into the file where the rows lie together, else a copy. */
tempo_status tempo_take_matrix(tempo_loader *ld, const tempo_tensor *t, const tempo_cut *cut, uint64_t n_out, uint64_t n_in,
                               tempo_weight *w) TEMPO_MUST_CHECK;
/* Rows of the MXFP4 matrices NAME_blocks and NAME_scales of a directory, of shape[3], cut where cut->slab counts rows: a copy in the order
 * that GGUF has.  */
tempo_status tempo_take_blocks(tempo_loader *ld, const char *name, const uint64_t shape[3], const tempo_cut *cut, uint64_t n_out,
                               tempo_weight *w) TEMPO_MUST_CHECK;
/* *out[n] = plus + the elements, as floats. */
tempo_status tempo_take_vector(tempo_loader *ld, const tempo_tensor *t, const tempo_cut *cut, uint64_t n, float plus,
                               const float **out) TEMPO_MUST_CHECK;

/* The pages that lie wholly in p[n], part of a mapped file, are not needed now; they can be read again. */
void tempo_forget_pages(const void *p, uint64_t n);

/* ---- model.c ---- */
/* The i-th of the places of matrices that a step reads, layer by layer, then the output; data is NULL where a model has none there; NULL
 * past the last.  */
tempo_weight *tempo_model_weight(tempo_model *m, size_t i);

/* ---- panels.c ---- */
/* Pack the matrices whose products read panels, with as many threads as there are processors. */
tempo_status tempo_panels_make(tempo_loader *ld) TEMPO_MUST_CHECK;
void tempo_panels_free(struct tempo_model_files *f);

/* ---- rope.c ---- */
/* freq[n/2] of n rotated elements: theta^(-2i/n), scaled; factors (a GGUF's, or NULL) divide it. */
void tempo_rope_frequencies(double *freq, uint32_t n, const tempo_rope *r, const float *factors);
/* factors[n/2] of llama3 scaling, rounded to float as GGUF files store them. */
void tempo_rope_llama3(float *factors, uint32_t n, const tempo_rope *r);
/* What cosines and sines are times. */
double tempo_rope_scale(const tempo_rope *r);
/* Frequencies (rope_freq, rope_scale) and ALiBi's slopes of ld->m, where its recipe has them. */
tempo_status tempo_bind_rope(tempo_loader *ld) TEMPO_MUST_CHECK;
tempo_status tempo_bind_slopes(tempo_loader *ld) TEMPO_MUST_CHECK;

/* ---- find.c, find_cache.c, find_gguf.c; model/hub.h has the names in the hub's cache ---- */
/* Which of the models of a directory is meant. */
typedef struct tempo_want {
    const char *who; /* the directory, as messages name it */
    const char *whole; /* of a model in the hub's cache: its name as it was given, with which it can be fetched; else NULL */
    const char *tag; /* in the name of a GGUF file, "Q8_0", whatever the case of its letters; or NULL */
    bool deep;       /* GGUF files may lie in folders, too */
} tempo_want;
/* name as ORG/NAME, NAME alone where the cache has it, with @REVISION, /FILE and :TAG behind it.  False when it has another
 * form; else *st, and a path in out[cap] if it is TEMPO_OK.  */
bool tempo_find_cached(const char *name, char *out, size_t cap, tempo_status *st, tempo_err *err);
/* The model that a directory holds: itself, or one of its .gguf files.  TEMPO_E_NOTFOUND when it has
 * neither, or several files to choose from (the message lists them).  */
tempo_status tempo_find_in_dir(const tempo_want *want, const char *dir, char *out, size_t cap, tempo_err *err) TEMPO_MUST_CHECK;
/* The .gguf file that is meant.  TEMPO_E_NOTFOUND without a message when there is none at all. */
tempo_status tempo_find_gguf(const tempo_want *want, const char *dir, char *out, size_t cap, tempo_err *err) TEMPO_MUST_CHECK;
/* The .gguf files in a directory and its folders, for a message: "a.gguf, b.gguf and 3 more", or "none". */
void tempo_gguf_names(const char *dir, char *out, size_t cap);

#endif
