/* tempo.h - run a language model and decode it with parallel sets (TEMPO).
 *
 * The library's only public header.  Four kinds of object:
 *   tempo_model    weights, hyper-parameters and tokenizer; immutable, shared by threads
 *   tempo_engine   threads and scratch memory that run batches through one model
 *   tempo_seq      one timeline: slots (token, position, set) and their keys and values
 *   tempo_decoder  the step loop: readout, threshold, set, slots, and again
 * A sequence, a decoder and an engine each belong to one thread at a time.
 *
 * Words: a SLOT is one entry of a sequence.  A SET is the group of slots that one step
 * selected; every prompt token is a set of its own.  A ROW is one slot on its way through
 * the model in a batch.  A POSITION is the real number RoPE rotates by.
 *
 * Every function that can fail returns a tempo_status and fills the caller's tempo_err
 * (which may be NULL); out-parameters are set on every path.  Nothing here prints, exits or
 * keeps global state.  _create/_open objects are freed with their _free, which takes NULL;
 * _get/_find and plain accessors return borrowed pointers that live as long as their owner
 * unless said otherwise.
 *
 * Options.  A function that takes options takes NULL for the defaults.  The first member of an option struct, size, is its
 * sizeof in the version of this header that the caller was built with: members that came later have their defaults then,
 * and one that this library does not know yet is refused unless it is zero (TEMPO_E_UNSUPPORTED).  Fill in a struct with its
 * _init, then set members.  Where every default is zero (all but decode, capture and run options) an initialiser does as well:
 *     const tempo_engine_options o = {.size = sizeof o, .threads = 4};
 * Other languages call the _init_size functions with the size of the struct as they know it.
 *
 * Enums have names: tempo_X_name gives NULL for a value that is none of X's, so that counting up from 0 lists them, and
 * tempo_X_parse finds the value of a name (false: there is none, and *out is as it was).
 *
 * The ABI may change until version 1.0; see tempo_abi_version.  */
#ifndef TEMPO_H
#define TEMPO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEMPO_VERSION "0.1.0"

#if defined(__GNUC__)
#define TEMPO_API __attribute__((visibility("default")))
#define TEMPO_MUST_CHECK __attribute__((warn_unused_result))
#define TEMPO_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define TEMPO_API
#define TEMPO_MUST_CHECK
#define TEMPO_PRINTF(f, a)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status and errors ------------------------------------------------------------- */

typedef enum tempo_status {
    TEMPO_OK = 0,
    TEMPO_E_ARG,         /* the caller broke a documented precondition */
    TEMPO_E_NOMEM,       /* an allocation failed */
    TEMPO_E_IO,          /* an operating system call failed; err->os_errno says which way */
    TEMPO_E_FORMAT,      /* the bytes are not valid for what they claim to be */
    TEMPO_E_UNSUPPORTED, /* valid, but this build cannot do it; the message names what */
    TEMPO_E_LIMIT,       /* valid, but beyond a documented limit */
    TEMPO_E_NOTFOUND,    /* no such model, file, tensor or key */
    TEMPO_E_STOPPED,     /* a callback of the caller asked to stop */
    TEMPO_E_BUSY,        /* not now: it would do later, when others are done */
} tempo_status;

#define TEMPO_NO_OFFSET UINT64_MAX

/* What went wrong, for a person.  Caller-owned, no destructor.  Initialise with { 0 }: the
 * first failure recorded wins, later ones only add context in front of it.  */
typedef struct tempo_err {
    tempo_status code;
    int os_errno;    /* errno for TEMPO_E_IO, else 0 */
    uint64_t offset; /* byte offset in the input, or TEMPO_NO_OFFSET */
    char msg[496];   /* NUL-terminated, no trailing newline or period */
    char field[32];  /* what is at fault, for a program: a member of an option struct ("threshold"), a parameter ("prompt"), a part
                        of a conversation ("tools"); "" where nothing of the kind is.  The words of msg may change, this stays. */
} tempo_err;

/* "ok", "argument", "memory", "io", "format", "unsupported", "limit", "not found", "stopped", "busy"; else NULL */
TEMPO_API const char *tempo_status_name(tempo_status st);

/* The version of the library that is linked, e.g. "0.1.0" (compare with TEMPO_VERSION). */
TEMPO_API const char *tempo_version(void);

/* What a caller that was not compiled with this header, such as a binding, checks before its first call: TEMPO_ABI of the
 * library that is linked, which rises when a function or the order of a struct's members changes ...  */
#define TEMPO_ABI 3u
TEMPO_API unsigned tempo_abi_version(void);
/* ... and the structs of this header: the name of the i-th and its size in bytes, or NULL and 0 when there are no more. */
TEMPO_API const char *tempo_abi_struct(size_t i, size_t *size);

/* ---- models ------------------------------------------------------------------------ */

typedef struct tempo_model tempo_model;

typedef enum tempo_load {
    TEMPO_LOAD_ALL = 0,   /* everything; fails on what is not supported */
    TEMPO_LOAD_TOKENIZER, /* the tokenizer only; vocabulary-only files will do */
    TEMPO_LOAD_FACTS,     /* whatever can be read: info.unsupported says what cannot run */
} tempo_load;
/* "all", "tokenizer", "facts" */
TEMPO_API const char *tempo_load_name(tempo_load v);
TEMPO_API bool tempo_load_parse(const char *text, tempo_load *out);

/* How much products may round.  Exact: activations keep 16 bits, with float weights of their own size, with quantised ones of
 * the largest of their block of 32 (docs/performance.md).  Fast: with quantised weights 8 bits of the largest of their block, with
 * BF16 and F16 ones one BF16 term where the machine multiplies those faster.  Either way a number of a run depends on its own sequence alone.  */
typedef enum tempo_compute { TEMPO_EXACT = 0, TEMPO_FAST } tempo_compute;
/* "exact", "fast" */
TEMPO_API const char *tempo_compute_name(tempo_compute v);
TEMPO_API bool tempo_compute_parse(const char *text, tempo_compute *out);

typedef struct tempo_model_options {
    size_t size; /* see the top of this file */
    tempo_load load;
    const char *cpu; /* kernel path: NULL or "auto" = best this machine has, "scalar", "avx2", "avx512-vnni" ... */
    tempo_compute compute;
    uint32_t context; /* positions that will be asked for, 0: not said.  Where a model's RoPE has divisors for short texts and others for
                         long ones (longrope), more than the original context chooses those for long ones */
} tempo_model_options;
/* The defaults: everything, the best kernels, exact. */
TEMPO_API void tempo_model_options_init_size(tempo_model_options *o, size_t size);
static inline void tempo_model_options_init(tempo_model_options *o) { tempo_model_options_init_size(o, sizeof(*o)); }

/* Find the files that a model name means and write a path to out[cap].  NULL means the
 * built-in model (beside the installed library or in the source tree, or in the directory
 * TEMPO_MODELS names).  An existing path wins; else "org/name", with "@REVISION", "/FILE" and ":TAG"
 * (in the name of a GGUF file) behind it, is looked up in the Hugging Face cache, never written to:
 * HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub or
 * ~/.cache/huggingface/hub, as the hub's own client has it.  "DIRECTORY:TAG" chooses likewise.
 * Fails with TEMPO_E_NOTFOUND and a message that says what is there, or how to fetch it.  */
TEMPO_API tempo_status tempo_model_find(const char *name, char *out, size_t cap,
                                        tempo_err *err) TEMPO_MUST_CHECK;

/* Open a model: a .gguf file (v2, v3), or a directory with config.json, *.safetensors and
 * tokenizer.json; `name` goes through tempo_model_find.  Files are memory-mapped and must not
 * change while the model lives: every pass looks first whether they have been cut short or written to
 * (TEMPO_E_IO; by size and time of modification, so a touch counts), but one that is cut short during a pass is a SIGBUS.
 * A name that means another file by now (rename, unlink) is no change.  On failure *out is NULL.  */
TEMPO_API tempo_status tempo_model_open(tempo_model **out, const char *name,
                                        const tempo_model_options *opt,
                                        tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_model_free(tempo_model *m);

/* Strings are borrowed from the model.  With TEMPO_LOAD_FACTS or _TOKENIZER numbers that the
 * file does not give are 0.  */
typedef struct tempo_model_info {
    const char *path;         /* the file or directory that was opened */
    const char *name;         /* what the file calls itself, else the last part of the path */
    const char *architecture; /* "llama", "qwen2", "qwen3", or the unsupported one */
    const char *format;       /* "gguf" or "safetensors" */
    const char *unsupported;  /* NULL, or why this model cannot run */
    const char *kernels;      /* kernel path in use: "scalar", "avx2", "amx" ... */
    const char *compute;      /* "exact" or "fast" */
    uint32_t activation_bits; /* bits that products keep of activations, see tempo_compute, at least: 24 (all), 16 or 8 */
    uint64_t parameters;      /* elements of all tensors, a tied output counted once */
    uint64_t file_bytes;      /* bytes of all weight files */
    uint64_t step_bytes;      /* bytes, as the files encode them, of the matrices that a step reads */
    uint32_t n_layers, n_heads, n_kv_heads, head_dim, d_model, d_ff;
    uint32_t n_vocab;        /* rows of the output matrix = length of a row of logits */
    uint32_t context_length; /* positions 0 .. context_length-1 */
    uint32_t sliding_window; /* the smallest of the layers': a row sees positions above its own less it; 0: none */
    double norm_eps, rope_theta;
    const char *rope_scaling; /* "none", "linear", "llama3" */
    bool tied_output, qkv_bias, o_bias, mlp_bias, qk_norm; /* o_bias: of attention's output */
    const char *activation; /* of the MLP: "silu", "gelu_tanh", "gelu", "relu", "clamped_swiglu" */
    const char *norm;       /* "rms", "layer" */
    const char *positions;  /* "rotary", "learned", "alibi", "none" */
    bool gated_mlp, parallel; /* parallel: attention and MLP read the same stream */
    uint32_t rotary_dim;    /* elements of a head that rotate; 0: none */
    uint32_t n_experts, n_experts_used; /* of layers that have experts; 0: none has */
    double attention_softcap, logit_softcap; /* c tanh(x / c); 0: none */
} tempo_model_info;

TEMPO_API const tempo_model_info *tempo_model_get_info(const tempo_model *m);

/* What a user should know of a model that opened nevertheless: parts that are broken, limits that its file does not name.
 * Note i, borrowed, or NULL when there are no more.  */
TEMPO_API const char *tempo_model_note(const tempo_model *m, size_t i);

typedef struct tempo_tensor_info {
    const char *name; /* as in the file */
    const char *type; /* "F32", "Q4_K", ... ; "type 19" for one that is not supported */
    uint32_t n_dims;
    uint64_t dims[4]; /* outermost first, as numpy prints a shape (GGUF files store the reverse) */
    const char *file; /* file that holds it */
    uint64_t offset;  /* of its first byte in that file */
    uint64_t bytes;   /* 0 when the type is not supported */
} tempo_tensor_info;

TEMPO_API size_t tempo_model_tensor_count(const tempo_model *m);
/* i < tempo_model_tensor_count; strings are borrowed from the model. */
TEMPO_API tempo_tensor_info tempo_model_tensor_at(const tempo_model *m, size_t i);
/* Values of that tensor, of whatever type, as float32: out[n], from the element `first` on in the order of its dims (the last
 * one runs fastest).  TEMPO_E_ARG when there are not so many, TEMPO_E_UNSUPPORTED for a type that is not known, TEMPO_E_IO when the file has changed since.  */
TEMPO_API tempo_status tempo_model_tensor_read(const tempo_model *m, size_t i, uint64_t first, size_t n, float *out,
                                               tempo_err *err) TEMPO_MUST_CHECK;

/* A synthetic model: the shape of a published one, random weights, a made-up vocabulary.  For measuring. */
typedef struct tempo_synth_options {
    size_t size;
    /* "llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b", "qwen3-0.6b", "qwen3-30b-a3b-12l" (12 of its 48 layers), "gemma-3-1b", "gpt2",
     * "gpt2-xl", "pythia-160m", "pythia-1.4b", "pythia-2.8b", "tiny" (a Llama of two layers) */
    const char *shape;
    const char *type;  /* of all matrices: "F32", "BF16", "Q4_K" ...; "Q4_K_M" is the usual mix of Q4_K and Q6_K.  Where
                          rows are not whole blocks of it: Q5_0, Q5_1, Q8_0 for Q4_K, Q5_K, Q6_K; Q4_0 for TQ; else IQ4_NL */
    uint64_t seed;     /* the same options give the same file */
    void *user;
    bool (*progress)(void *user, uint64_t done, uint64_t total); /* bytes; NULL, or false to stop */
} tempo_synth_options;
/* The defaults: "tiny", "F32", seed 0, which NULL for shape or type means, too. */
TEMPO_API void tempo_synth_options_init_size(tempo_synth_options *o, size_t size);
static inline void tempo_synth_options_init(tempo_synth_options *o) { tempo_synth_options_init_size(o, sizeof(*o)); }

/* Write it to path as a GGUF file, complete or not at all.  TEMPO_E_ARG for a shape or type that is not one of those. */
TEMPO_API tempo_status tempo_synth(const char *path, const tempo_synth_options *o, tempo_err *err) TEMPO_MUST_CHECK;

/* What became of a tensor. */
typedef struct tempo_converted {
    const char *name;       /* in the new file */
    const char *from, *to;  /* element types */
    const char *wanted;     /* the type that its shape does not allow, or NULL */
    uint32_t n_dims;
    uint64_t dims[4];       /* as in GGUF: the row length first */
    uint64_t bytes;
} tempo_converted;

typedef struct tempo_convert_options {
    size_t size;
    const char *type; /* "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q6_K" ..., or a mix: "Q4_K_M", "Q5_K_S" ... */
    bool force;            /* replace a file that is there */
    bool allow_requantize; /* from one quantised type to another */
    bool dry_run;          /* write nothing */
    void *user;
    bool (*progress)(void *user, uint64_t done, uint64_t total);     /* bytes; NULL, or false to stop */
    void (*tensor)(void *user, const tempo_converted *tensor);       /* of each, before any is written; NULL */
    bool allow_loss;       /* write what means another model, where GGUF has no words for this one ... */
    void (*lost)(void *user, const char *what);                      /* ... and say for what; NULL */
} tempo_convert_options;
/* The defaults: "Q8_0". */
TEMPO_API void tempo_convert_options_init_size(tempo_convert_options *o, size_t size);
static inline void tempo_convert_options_init(tempo_convert_options *o) { tempo_convert_options_init_size(o, sizeof(*o)); }

/* Write the model `name`, as tempo_model_find takes it, to path as one GGUF file, complete or not at all.  Of a directory tensors,
 * keys and tokenizer are made as the field's converter makes them; of a GGUF all keys are kept.  Needs memory for a chunk of
 * rows, not for the model.  TEMPO_E_ARG for a type that is not known, a file that is there, a type that would be quantised a
 * second time; TEMPO_E_UNSUPPORTED for what GGUF cannot say; TEMPO_E_IO where the disk has no room.  */
TEMPO_API tempo_status tempo_convert(const char *name, const char *path, const tempo_convert_options *o, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- tokenizer --------------------------------------------------------------------- */

typedef struct tempo_tokenizer tempo_tokenizer;

/* A model runs without a tokenizer, on token ids, and its tokenizer without the way from text to ids.
 *
 * The model's tokenizer, or NULL where its files have none that can be read.  */
TEMPO_API const tempo_tokenizer *tempo_model_tokenizer(const tempo_model *m);
/* TEMPO_OK if text can become ids; else fails with the reason: TEMPO_E_NOTFOUND where the files bring no tokenizer, else what
 * is wrong with it.  */
TEMPO_API tempo_status tempo_model_check_text(const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;
/* Does this token end a text?  Known without a tokenizer, too. */
TEMPO_API bool tempo_model_is_eos(const tempo_model *m, int32_t id);

typedef struct tempo_tokenizer_info {
    const char *kind; /* "bpe" (byte-level) or "spm" (SentencePiece BPE) */
    const char *pre;  /* pre-tokenisation: "llama-bpe", "gpt-2", ..., "custom" for a pattern of the file's own */
    uint32_t n_tokens;
    int32_t bos;         /* -1 = none */
    const int32_t *eos;  /* [n_eos] every id that ends a text */
    uint32_t n_eos;
    bool add_bos, add_eos, add_space_prefix, ignore_merges;
} tempo_tokenizer_info;

TEMPO_API tempo_tokenizer_info tempo_tokenizer_get_info(const tempo_tokenizer *t);

enum {
    TEMPO_TOKENIZE_NO_BOS = 1u << 0,     /* do not add BOS or EOS whatever the model's rule is */
    TEMPO_TOKENIZE_NO_SPECIAL = 1u << 1, /* names of special tokens in the text are plain text */
};

/* text[n] -> *ids (malloc'd, *n_ids of them; the caller frees with tempo_free; NULL when empty).  Bytes that have no token
 * become the unknown token, or nothing where that is none of text; control tokens come from their names alone.
 * TEMPO_E_FORMAT with the byte offset if the text is not UTF-8, or has a token that the model's matrices have not; as
 * tempo_model_check_text where no text can become ids.  */
TEMPO_API tempo_status tempo_tokenize(const tempo_tokenizer *t, const char *text, size_t n,
                                      unsigned flags, int32_t **ids, size_t *n_ids,
                                      tempo_err *err) TEMPO_MUST_CHECK;

/* What is odd about the ids[n] that tempo_tokenize has made of a text, in words, or NULL: the text names itself the token that
 * the model's rule puts in front of it, or behind it, so that it is there twice.  */
TEMPO_API const char *tempo_tokens_warning(const tempo_tokenizer *t, const int32_t *ids, size_t n);

/* ids[n] -> *text, the exact bytes (malloc'd, NUL-terminated, *n_text without the NUL); may hold
 * part of a UTF-8 character.  Control tokens give nothing unless `special`; a SentencePiece
 * space prefix is taken off the front again.  TEMPO_E_ARG names the first id out of range.  */
TEMPO_API tempo_status tempo_detokenize(const tempo_tokenizer *t, const int32_t *ids, size_t n,
                                        bool special, char **text, size_t *n_text,
                                        tempo_err *err) TEMPO_MUST_CHECK;

/* The bytes that one token stands for, not NUL-terminated ("" for an id without a token; the
 * name, e.g. "<|eot_id|>", for a control token).  Leading spaces stay.  */
TEMPO_API const char *tempo_token_bytes(const tempo_tokenizer *t, int32_t id, size_t *n);
/* The token as the vocabulary spells it (byte-level alphabet, U+2581 for a space). */
TEMPO_API const char *tempo_token_piece(const tempo_tokenizer *t, int32_t id, size_t *n);
TEMPO_API bool tempo_token_is_control(const tempo_tokenizer *t, int32_t id);
TEMPO_API bool tempo_token_is_eos(const tempo_tokenizer *t, int32_t id);

/* ---- chat -------------------------------------------------------------------------- */

/* A chat template: how messages become one text for a model.  Templates are those of Hugging Face (Jinja2), of which
 * docs/chat.md says what is understood; anything else is refused by name when it is reached.  A chat is immutable: threads
 * may share it.
 *
 * Text from messages is never taken for special tokens: a user who types "<|eot_id|>" ends no turn.  Every byte of the
 * rendered text is known to be the template's or a message's, and only what the template wrote can name special tokens.  */
typedef struct tempo_chat tempo_chat;

/* template_text[n] NULL: the model's own template, or a plain one ("User: ...") where it has none; else this text, which
 * messages call source_name.  The text is copied, the model must outlive the chat.  TEMPO_E_FORMAT names what is wrong,
 * TEMPO_E_UNSUPPORTED a tag that does not exist, both with line and column; TEMPO_E_LIMIT above 256 KB;
 * as tempo_model_check_text when the model has no tokenizer.  */
TEMPO_API tempo_status tempo_chat_open(tempo_chat **out, const tempo_model *m, const char *template_text, size_t n,
                                       const char *source_name, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_chat_free(tempo_chat *c);
/* The tokens with which the template ends an assistant's message, found by rendering one: what a model says when its turn is
 * over, which need not be among the tokens that its files say end a text.  For tempo_decode_options.end_ids.  Returns how many. */
#define TEMPO_MAX_END_IDS 4
TEMPO_API uint32_t tempo_chat_end_ids(const tempo_chat *c, int32_t ids[TEMPO_MAX_END_IDS]);
/* "model", "plain", or source_name */
TEMPO_API const char *tempo_chat_source(const tempo_chat *c);
/* The template that is in the model's files, *n bytes, or NULL if there is none. */
TEMPO_API const char *tempo_model_chat_template(const tempo_model *m, size_t *n);

typedef struct tempo_message {
    const char *role;    /* "system", "user", "assistant"; what a template makes of others is its own affair */
    const char *content; /* [n_content] UTF-8 */
    size_t n_content;
} tempo_message;

typedef struct tempo_chat_options {
    size_t size;
    bool no_generation_prompt; /* do not write the head of the assistant's answer after the last message */
    int thinking;              /* 0: as the template does it; 1, -1: its variable enable_thinking is true, false */
    const char *date;          /* today for templates that write a date, "2024-07-26"; NULL: the local date */
} tempo_chat_options;
/* The defaults: all zero. */
TEMPO_API void tempo_chat_options_init_size(tempo_chat_options *o, size_t size);
static inline void tempo_chat_options_init(tempo_chat_options *o) { tempo_chat_options_init_size(o, sizeof(*o)); }

/* messages[n], n >= 1 -> *text (malloc'd, NUL-terminated, *n_text without the NUL; free with tempo_free).
 * TEMPO_E_ARG when the template refuses these messages (the message is its own) or cannot handle them, TEMPO_E_FORMAT for
 * a message that is not UTF-8, TEMPO_E_LIMIT when rendering takes too many steps, too much memory or gives more than 16 MB,
 * TEMPO_E_UNSUPPORTED for a construct that is not understood and was reached.  */
TEMPO_API tempo_status tempo_chat_render(const tempo_chat *c, const tempo_message *messages, size_t n,
                                         const tempo_chat_options *opt, char **text, size_t *n_text,
                                         tempo_err *err) TEMPO_MUST_CHECK;
/* The same as token ids (free with tempo_free).  BOS stands in front if the model's rule is so or the template writes it,
 * once in either case; no EOS is added.  text may be NULL; else it gets the rendered text as above.  */
TEMPO_API tempo_status tempo_chat_tokenize(const tempo_chat *c, const tempo_message *messages, size_t n,
                                           const tempo_chat_options *opt, int32_t **ids, size_t *n_ids, char **text,
                                           size_t *n_text, tempo_err *err) TEMPO_MUST_CHECK;

/* A conversation with all that a template may read, each part a JSON text, NULL where there is none.  It is given on as it
 * is: which members of a message and which variables mean something is the template's affair.  */
typedef struct tempo_conversation {
    const char *messages; /* [n_messages] array of at least one object with a string "role": "content" (a string, null or an
                             array of parts of text), "tool_calls", "reasoning_content", "name", ...; or an object with
                             such "messages", and "tools", "documents", "chat_template_kwargs" where they are not given
                             below, as a client's request has them */
    const char *tools;     /* [n_tools] array or null: functions that the model may call, as JSON schemas */
    const char *documents; /* [n_documents] array or null */
    const char *variables; /* [n_variables] object: any other names (of some clients: chat_template_kwargs).  They come after
                              the options: "enable_thinking" and "add_generation_prompt" here replace those there.  */
    size_t n_messages, n_tools, n_documents, n_variables; /* bytes */
    bool parse_arguments; /* "arguments" of tool calls that are texts of JSON objects, as clients write them, become those
                             objects, as templates want them */
} tempo_conversation;

/* As tempo_chat_render and tempo_chat_tokenize.  Besides: TEMPO_E_FORMAT for what is no JSON or not of that shape, naming
 * the part ("messages[2]: ..."); TEMPO_E_UNSUPPORTED for images and the like in a content; TEMPO_E_LIMIT for a part of more
 * than 16 MB.  */
TEMPO_API tempo_status tempo_chat_render_json(const tempo_chat *c, const tempo_conversation *conversation,
                                              const tempo_chat_options *opt, char **text, size_t *n_text,
                                              tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API tempo_status tempo_chat_tokenize_json(const tempo_chat *c, const tempo_conversation *conversation,
                                                const tempo_chat_options *opt, int32_t **ids, size_t *n_ids, char **text,
                                                size_t *n_text, tempo_err *err) TEMPO_MUST_CHECK;

/* The tool calls that an answer's text[n] makes, in the two common forms: JSON objects {"name", "arguments"} between <tool_call>
 * and </tool_call> after any text, or an answer that is nothing but such objects ("parameters" will do for "arguments").  *calls:
 * a JSON array of {"name", "arguments"} (free with tempo_free) and *n_content the bytes of text in front of them; NULL and n
 * where there are none: other forms are text.  */
TEMPO_API tempo_status tempo_chat_tool_calls(const char *text, size_t n, char **calls, size_t *n_content,
                                             tempo_err *err) TEMPO_MUST_CHECK;

/* ---- engine and sequences ---------------------------------------------------------- */

typedef struct tempo_engine tempo_engine;
typedef struct tempo_seq tempo_seq;

typedef struct tempo_engine_options {
    size_t size;
    unsigned threads; /* 0 = the CPUs this process may use */
} tempo_engine_options;
/* The defaults: all zero. */
TEMPO_API void tempo_engine_options_init_size(tempo_engine_options *o, size_t size);
static inline void tempo_engine_options_init(tempo_engine_options *o) { tempo_engine_options_init_size(o, sizeof(*o)); }

/* The model must outlive the engine. */
TEMPO_API tempo_status tempo_engine_create(tempo_engine **out, const tempo_model *m,
                                           const tempo_engine_options *opt,
                                           tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_engine_free(tempo_engine *e);
TEMPO_API unsigned tempo_engine_threads(const tempo_engine *e);
TEMPO_API const tempo_model *tempo_engine_model(const tempo_engine *e);

typedef enum tempo_kv_type { TEMPO_KV_F32 = 0, TEMPO_KV_F16 } tempo_kv_type;
/* "f32", "f16" */
TEMPO_API const char *tempo_kv_type_name(tempo_kv_type v);
TEMPO_API bool tempo_kv_type_parse(const char *text, tempo_kv_type *out);

typedef struct tempo_seq_options {
    size_t size;
    tempo_kv_type kv;
    size_t max_slots; /* 0 = as many as half of the available memory holds, at most TEMPO_MAX_SLOTS */
} tempo_seq_options;
/* The defaults: all zero. */
TEMPO_API void tempo_seq_options_init_size(tempo_seq_options *o, size_t size);
static inline void tempo_seq_options_init(tempo_seq_options *o) { tempo_seq_options_init_size(o, sizeof(*o)); }

#define TEMPO_MAX_SLOTS ((size_t)1 << 24)

/* An empty sequence.  It must be freed before its engine.  Memory grows as slots do. */
TEMPO_API tempo_status tempo_seq_create(tempo_seq **out, tempo_engine *e,
                                        const tempo_seq_options *opt,
                                        tempo_err *err) TEMPO_MUST_CHECK;
/* A sequence that begins as an exact copy and shares its keys and values with `from` (whole
 * blocks are shared, the last one is copied); the two then go their own ways.  */
TEMPO_API tempo_status tempo_seq_fork(tempo_seq **out, const tempo_seq *from,
                                      tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_seq_free(tempo_seq *s);

typedef struct tempo_slot {
    int32_t token;
    uint32_t set;    /* number of its set, rising from 0 */
    double position; /* what RoPE rotated by, as the engine used it */
} tempo_slot;

TEMPO_API size_t tempo_seq_slot_count(const tempo_seq *s);
TEMPO_API size_t tempo_seq_max_slots(const tempo_seq *s);
TEMPO_API tempo_slot tempo_seq_slot_at(const tempo_seq *s, size_t i); /* i < slot count */
/* Keys (after RoPE) and values of one slot as stored, widened to float: k[head_dim],
 * v[head_dim], either may be NULL.  TEMPO_E_ARG if an index is out of range.  */
TEMPO_API tempo_status tempo_seq_read_kv(const tempo_seq *s, uint32_t layer, uint32_t kv_head,
                                         size_t slot, float *k, float *v,
                                         tempo_err *err) TEMPO_MUST_CHECK;

/* What a row sees inside its own set.  Slots of earlier sets are seen by everyone. */
typedef enum tempo_mode {
    TEMPO_ISOLATED = 0, /* itself only */
    TEMPO_VISIBLE,      /* every member, both directions */
    TEMPO_CAUSAL,       /* itself and the members before it */
} tempo_mode;
/* "isolated", "visible", "causal" */
TEMPO_API const char *tempo_mode_name(tempo_mode v);
TEMPO_API bool tempo_mode_parse(const char *text, tempo_mode *out);

#define TEMPO_ALL_LAYERS UINT32_MAX

enum {
    TEMPO_WANT_LOGITS = 1u << 0, /* tempo_engine_logits will have this row's logits */
    TEMPO_WANT_TAPS = 1u << 1,   /* the observer sees what this row's taps show */
};

/* One slot to append to a sequence.  Rows of one sequence stand together in slot order; a set
 * lies whole in one batch, and set numbers rise (a new set is one more than the last).  */
typedef struct tempo_row {
    tempo_seq *seq;
    int32_t token;
    uint32_t set;
    double position; /* finite; |position| < the model's context length */
    tempo_mode mode;
    uint32_t first_layer, n_layers; /* `mode` holds in n_layers layers from first_layer on, in all of those if n_layers is 0;
                                       the others are isolated */
    unsigned want;                    /* TEMPO_WANT_* */
    uint64_t nudge; /* 0; else each element of the embedding becomes a neighbouring float, up or down by a hash of
                       (nudge, token, element): the smallest change there is, to see what rounding alone does */
} tempo_row;
/* All zero: token 0 of set 0 at position 0, isolated; a mode that is set then holds in all layers. */
TEMPO_API void tempo_row_init(tempo_row *row);

/* ---- taps -------------------------------------------------------------------------- */

/* What a pass computes and can show: names, meanings and order as TransformerLens has them.  One line each with its shape,
 * of one row: src/engine/taps.inc.  Experts and learned positions are names that no model has yet.  */
typedef enum tempo_tap {
    TEMPO_TAP_EMBED = 0, /* hook_embed [d_model]; a row's nudge is in it */
    TEMPO_TAP_POS_EMBED,
    TEMPO_TAP_RESID_PRE,      /* blocks.L.hook_resid_pre [d_model]: the residual stream as the layer finds it */
    TEMPO_TAP_LN1_SCALE,      /* ln1.hook_scale [1]: what the norm divides by */
    TEMPO_TAP_LN1_NORMALIZED, /* after division, before the norm's weights */
    TEMPO_TAP_Q,              /* attn.hook_q [heads, head_dim]: after bias, before norm and rotation; of q and k the halves of a
                                 head rotate together, whatever the file's order */
    TEMPO_TAP_K,              /* attn.hook_k [kv heads, head_dim] */
    TEMPO_TAP_V,
    TEMPO_TAP_Q_NORMED, /* where there is a norm of Q and K: after it */
    TEMPO_TAP_K_NORMED,
    TEMPO_TAP_ROT_Q, /* after rotation */
    TEMPO_TAP_ROT_K,
    TEMPO_TAP_ATTN_SCORES, /* attn.hook_attn_scores [heads, slots]: before softmax, scaled; -INFINITY where the row may not see */
    TEMPO_TAP_PATTERN,     /* attn.hook_pattern [heads, slots]: attention.  0.0f where the row may not see; a head sums to 1 */
    TEMPO_TAP_Z,           /* attn.hook_z [heads, head_dim]: before the output matrix */
    TEMPO_TAP_RESULT,      /* attn.hook_result [heads, d_model]: each head's share of attn_out, its bias apart; computed for the
                              view alone, at the price of so many output matrices as there are heads */
    TEMPO_TAP_ATTN_OUT,    /* hook_attn_out [d_model]: what is added to the residual stream */
    TEMPO_TAP_RESID_MID,
    TEMPO_TAP_LN2_SCALE,
    TEMPO_TAP_LN2_NORMALIZED,
    TEMPO_TAP_MLP_PRE,        /* mlp.hook_pre [d_ff]: the gate, after bias */
    TEMPO_TAP_MLP_PRE_LINEAR, /* up, after bias */
    TEMPO_TAP_MLP_POST,       /* what the last matrix reads */
    TEMPO_TAP_EXPERT_WEIGHTS,
    TEMPO_TAP_EXPERT_INDICES,
    TEMPO_TAP_MLP_OUT,
    TEMPO_TAP_RESID_POST,
    TEMPO_TAP_LN_FINAL_SCALE, /* of rows whose logits are not wanted, too */
    TEMPO_TAP_LN_FINAL_NORMALIZED,
    TEMPO_TAP_LOGITS, /* logits [n_vocab], of rows that want them */
    TEMPO_TAP_COUNT
} tempo_tap;

typedef struct tempo_tap_info {
    const char *name;       /* "attn.hook_z"; of a layer's tap what follows "blocks.L."; NULL: there is no such tap */
    const char *short_name; /* "z", or where several end alike "ln1.scale": names of arrays in captures */
    bool by_layer;          /* blocks.L.name, in every layer */
    bool editable;          /* the model reads it, so that it can be changed */
    uint32_t n_heads;       /* first dimension where that is heads (of k and v those of keys), else 0 */
    uint32_t n_dims;        /* 1 or 2 */
    size_t dims[2];         /* of one row; 0 for the slots of its sequence */
    const char *missing;    /* NULL, or what the model would need to have it: "experts" */
} tempo_tap_info;

/* Of a model.  m NULL: sizes are 0, and nothing is missing. */
TEMPO_API tempo_tap_info tempo_tap_get_info(const tempo_model *m, tempo_tap tap);

#define TEMPO_TAP_WORDS 16

/* A tap, narrowed to some layers and heads: bit i % 64 of word i / 64.  No bit at all: every one of them, so that
 * {.tap = TEMPO_TAP_Z} is the whole tap.  An observer is shown all heads: who keeps values narrows them.  */
typedef struct tempo_tap_selection {
    tempo_tap tap;
    uint64_t layers[TEMPO_TAP_WORDS], heads[TEMPO_TAP_WORDS];
} tempo_tap_selection;

/* Is layer or head i in these words of a selection? */
TEMPO_API bool tempo_tap_has(const uint64_t bits[TEMPO_TAP_WORDS], uint32_t i);

/* Read "NAME[:layers=4-8][:heads=0,3]"; a comma may stand for a colon in front of a word.  NAME is a whole name
 * ("blocks.5.attn.hook_z": that layer), the name without its layer ("attn.hook_z") or its last word without hook_ ("z",
 * "resid_post"; "ln1.scale" where the last word alone is the name of several), in all layers; "attention" is pattern.
 * TEMPO_E_FORMAT for what is none, naming those that there are.  With a model, its layers and heads are checked
 * as tempo_tap_check does; NULL: not yet.  */
TEMPO_API tempo_status tempo_tap_parse(tempo_tap_selection *out, const tempo_model *m, const char *text,
                                       tempo_err *err) TEMPO_MUST_CHECK;
/* TEMPO_E_ARG, saying what there is, for a tap, a layer or a head that the model does not have. */
TEMPO_API tempo_status tempo_tap_check(const tempo_tap_selection *s, const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;

/* A tap's values for one row in one layer, valid during the call.  Each is shown once, before anything reads it. */
typedef struct tempo_tap_view {
    tempo_tap tap;
    uint32_t layer; /* 0 for what is not in layers */
    size_t row;     /* index into the batch */
    const tempo_seq *seq;
    size_t slot; /* that the row takes in its sequence */
    uint32_t n_dims;
    size_t dims[2];      /* dims[1] is 1 when n_dims is; slots: all that the sequence has after this batch */
    float *values;       /* [dims[0], dims[1]]; edits have been applied.  Who writes to them changes what the model goes on with, where
                            the tap is editable (scores and shares of slots that the row does not see stay out) */
} tempo_tap_view;

/* Callbacks from inside a forward pass, on the calling thread.  Either may be NULL.  Returning
 * false stops the pass with TEMPO_E_STOPPED and leaves every sequence as it was.  */
typedef struct tempo_observer {
    void *user;
    bool (*poll)(void *user); /* once a layer: the place to notice Ctrl-C */
    /* What taps[n_taps] select, of rows that want it: of one tap layer by layer, in a layer row by row.  Unless it writes it changes
     * no bit of anything; what nobody asked for costs nothing.  TEMPO_E_ARG for a selection that the model does not have.  */
    bool (*view)(void *user, const tempo_tap_view *view);
    const tempo_tap_selection *taps;
    size_t n_taps;
    /* In place of view: views[n] of one tap in one layer, of all rows of the batch that show it, before anything reads one of them, so
     * that who writes may look at all of them first.  Taps that are not editable may come in several parts.  Each sequence's rows
     * stand together in slot order.  Of runs (tempo_runs_step ...) only view.  */
    bool (*view_rows)(void *user, const tempo_tap_view *views, size_t n);
    /* Of decoders: all rows of prompts are shown, not only the one that is read (logits too, where those are among the taps); no
     * decoder then takes over what another has run.  tempo_decoders_prefill shows nothing all the same.  */
    bool prompts;
} tempo_observer;

/* Run rows[n] through the model in one pass and append them to their sequences.  Rows of
 * different sequences may ride in one batch.  Every number of a row depends only on its own
 * sequence: not on the batch, its order or size, the threads, or the observer.
 * TEMPO_E_LIMIT if a sequence is out of slots or a position is beyond the context (the message
 * says which), TEMPO_E_ARG for a row that breaks the rules above, TEMPO_E_FORMAT when logits that
 * are wanted are not finite numbers (weights are damaged or overflow); then nothing has changed.
 * obs may be NULL.  Scratch memory grows before the pass when a batch is larger than any before
 * it; the pass itself never allocates.  */
TEMPO_API tempo_status tempo_engine_forward(tempo_engine *e, const tempo_row *rows, size_t n,
                                            const tempo_observer *obs,
                                            tempo_err *err) TEMPO_MUST_CHECK;

/* Logits [n_vocab] of row i of the last batch, all of them finite, or NULL if it did not ask for
 * them.  Valid until the next forward pass of this engine.  */
TEMPO_API const float *tempo_engine_logits(const tempo_engine *e, size_t i);

/* q[n] = softmax of a row of logits [n], and -sum q log q in nats: to the bit what a decoder of this engine that reads the row
 * alone has at temperature 1.  e NULL: on the best path of this machine, in the caller's thread alone; else not during a pass.
 * TEMPO_E_FORMAT if a logit is not finite.  What is below 1e-307 becomes 0.  */
TEMPO_API tempo_status tempo_distribution(tempo_engine *e, const float *logits, size_t n, double *q,
                                          double *entropy, tempo_err *err) TEMPO_MUST_CHECK;

/* Where the time of passes goes.  Stages follow one another, so that their seconds add up to the whole. */
typedef struct tempo_stage {
    const char *name; /* "norm", "qkv", "attention", "output" ... */
    double seconds;   /* since profiling began */
    uint64_t bytes;   /* of weights, or of keys and values, that it read; as the file or the cache holds them */
} tempo_stage;

/* Begin to measure, from zero, or stop.  Results do not change, passes hardly. */
TEMPO_API void tempo_engine_profile(tempo_engine *e, bool on);
/* Stage i, or one without a name when there are no more. */
TEMPO_API tempo_stage tempo_engine_stage(const tempo_engine *e, size_t i);

/* ---- edits ------------------------------------------------------------------------- */

/* What a model is to compute differently: a list of edits, in the order in which they apply, for one model.  It belongs to a
 * sequence (tempo_seq_set_edits) or a decoder (tempo_decode_options.edits): sequences of one batch may have different ones, and
 * none changes a bit of another.  Each edit is a line of text, the same on the command line, in files and in requests:
 *
 *   zero TAP | scale A TAP | add TAP vector=V [times=A] | set TAP vector=V | mean TAP from=FILE | patch TAP from=RUN [source=SLOT]
 *   cut [FROM ->] TO | bias B [FROM ->] TO | temperature T
 *
 * with layers=8-12,14  heads=0,3  rows=SELECTION behind them, where that means something.  SELECTION, FROM and TO name slots:
 *   all  prompt  prompt:5  prompt:2-4  prompt:-1 (the last)  generated  set:7  set:7-9  set:9- (tempo_slot.set: of a prompt every token is
 *   a set)  member:0  member:1-3  member:2- (of its set, the first is 0)  token:262, joined by & (all must hold), and in TO, relative to the row that looks:
 *   self  siblings (the others of its set)  previous (the set before its own)  first (slot 0).
 * An edit changes the numbers of the rows that it selects, once, before anything reads them: a key or value before it enters the
 * cache.  docs/interventions.md has the meaning of each, with examples.  */
typedef struct tempo_edits tempo_edits;

enum { TEMPO_MAX_EDITS = 1024 };
#define TEMPO_MAX_EDIT_BYTES UINT64_C(256000000) /* of the vectors of one list, and of what a store keeps for its patches */

/* What one run computed at some taps, by layer and slot, for `patch` in another: shown by an observer, or read from a capture. */
typedef struct tempo_store tempo_store;
/* It keeps what taps[n] select (heads: all of them).  TEMPO_E_ARG as tempo_tap_check; max_bytes 0: TEMPO_MAX_EDIT_BYTES. */
TEMPO_API tempo_status tempo_store_create(tempo_store **out, const tempo_model *m, const tempo_tap_selection *taps, size_t n,
                                          uint64_t max_bytes, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_store_free(tempo_store *s); /* lists that take from it keep it.  Takes NULL */
/* Feed it every view of ONE sequence; other taps and layers are passed over.  False when memory or max_bytes ended: *err says so (first
 * failure; may be NULL).  A slot that is shown again replaces what was there.  */
TEMPO_API bool tempo_store_view(tempo_store *s, const tempo_tap_view *view, tempo_err *err);
/* [dims[0], dims[1]] (may be NULL) of what was kept, or NULL. */
TEMPO_API const float *tempo_store_values(const tempo_store *s, tempo_tap tap, uint32_t layer, size_t slot, size_t dims[2]);

/* An array that vector=NAME means. */
typedef struct tempo_edit_array {
    const char *name;
    const float *values; /* in C order, finite */
    uint32_t n_dims;     /* 1 to 4 */
    size_t dims[4];
} tempo_edit_array;

/* A run that from=NAME means: a store, or NULL for an arm of the run that the list is for, one before the arm that has it. */
typedef struct tempo_edit_run {
    const char *name;
    tempo_store *store;
} tempo_edit_run;

/* What the texts of edits may name. */
typedef struct tempo_edit_inputs {
    size_t size;
    const tempo_edit_array *arrays; /* [n_arrays] */
    size_t n_arrays;
    const tempo_edit_run *runs; /* [n_runs] */
    size_t n_runs;
    bool no_files; /* names are these alone; else other ones are paths: of .npy, .npz or .safetensors ("FILE:ARRAY" for one of
                      several), or of a capture's directory */
    const char *directory; /* that relative paths begin in; NULL: the process's */
} tempo_edit_inputs;
/* The defaults: nothing but files. */
TEMPO_API void tempo_edit_inputs_init_size(tempo_edit_inputs *o, size_t size);
static inline void tempo_edit_inputs_init(tempo_edit_inputs *o) { tempo_edit_inputs_init_size(o, sizeof(*o)); }

/* An empty list.  m must outlive it. */
TEMPO_API tempo_status tempo_edits_create(tempo_edits **out, const tempo_model *m, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_edits_free(tempo_edits *l); /* sequences that have it keep it.  Takes NULL */
/* One owner more, each of whom frees it; returns l.  NULL stays NULL.  From any thread. */
TEMPO_API const tempo_edits *tempo_edits_hold(const tempo_edits *l);
/* One more, at the end; in may be NULL.  A vector has the tap's shape, or that of the heads chosen, or of one head for each of them; in
 * front of it the number of layers chosen where each has its own.  Messages begin with the text.  TEMPO_E_FORMAT for what is no
 * edit, TEMPO_E_ARG for a tap, layer, head or token that the model has not and for a vector of another shape or with numbers that are
 * not finite, TEMPO_E_NOTFOUND for a name that nothing has, TEMPO_E_LIMIT beyond TEMPO_MAX_EDITS and TEMPO_MAX_EDIT_BYTES; TEMPO_E_ARG for a list
 * that a sequence has.  Then the list is as it was.  */
TEMPO_API tempo_status tempo_edits_add(tempo_edits *l, const char *text, const tempo_edit_inputs *in, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API size_t tempo_edits_count(const tempo_edits *l); /* 0 for NULL */
TEMPO_API const char *tempo_edits_text(const tempo_edits *l, size_t i); /* as it was given */

/* From now on the sequence's rows are edited by this list (NULL: by none); slots that are there stay as they are.  n_prompt: how many slots the
 * prompt has, for `prompt` and `generated`.  TEMPO_E_ARG for a list of another model, for one that names a slot beyond the prompt,
 * and for one with an arm's values, which only runs know.  A fork has its own copy of what it was forked from.  */
TEMPO_API tempo_status tempo_seq_set_edits(tempo_seq *s, const tempo_edits *l, size_t n_prompt, tempo_err *err) TEMPO_MUST_CHECK;

/* What came of edit i of a sequence's list so far. */
typedef struct tempo_edit_use {
    bool came;    /* a row that it selects has run through its tap */
    bool changed; /* it has changed a number */
} tempo_edit_use;
TEMPO_API tempo_edit_use tempo_seq_edit_use(const tempo_seq *s, size_t i);

/* ---- decoding ---------------------------------------------------------------------- */

typedef enum tempo_readout {
    TEMPO_READOUT_MIXTURE = 0, /* sum_i w_i softmax(row_i), w_i = member's probability renormalised */
    TEMPO_READOUT_UNIFORM,     /* the same with w_i = 1/m */
    TEMPO_READOUT_GEOMETRIC,   /* softmax(sum_i w_i log softmax(row_i)) */
    TEMPO_READOUT_TOP,         /* the row of the most probable member with a slot */
    TEMPO_READOUT_LAST,        /* the row of the least probable member with a slot */
} tempo_readout;
/* "mixture", "uniform", "geometric", "top", "last" */
TEMPO_API const char *tempo_readout_name(tempo_readout v);
TEMPO_API bool tempo_readout_parse(const char *text, tempo_readout *out);

typedef enum tempo_context { TEMPO_CONTEXT_ALL = 0, TEMPO_CONTEXT_TOP, TEMPO_CONTEXT_LAST } tempo_context;
typedef enum tempo_positions { TEMPO_POSITIONS_SHARED = 0, TEMPO_POSITIONS_UNIQUE, TEMPO_POSITIONS_OFFSET } tempo_positions;
typedef enum tempo_order { TEMPO_ORDER_DESCENDING = 0, TEMPO_ORDER_ASCENDING } tempo_order;
typedef enum tempo_stop { TEMPO_STOP_ANY = 0, TEMPO_STOP_TOP, TEMPO_STOP_NEVER } tempo_stop;
typedef enum tempo_replay { TEMPO_REPLAY_NONE = 0, TEMPO_REPLAY_PUBLISHED, TEMPO_REPLAY_NOCACHE } tempo_replay;
/* "all", "top", "last" */
TEMPO_API const char *tempo_context_name(tempo_context v);
TEMPO_API bool tempo_context_parse(const char *text, tempo_context *out);
/* "shared", "unique", "offset" */
TEMPO_API const char *tempo_positions_name(tempo_positions v);
TEMPO_API bool tempo_positions_parse(const char *text, tempo_positions *out);
/* "descending", "ascending" */
TEMPO_API const char *tempo_order_name(tempo_order v);
TEMPO_API bool tempo_order_parse(const char *text, tempo_order *out);
/* "any", "top", "never" */
TEMPO_API const char *tempo_stop_name(tempo_stop v);
TEMPO_API bool tempo_stop_parse(const char *text, tempo_stop *out);
/* "none", "published", "published-nocache" */
TEMPO_API const char *tempo_replay_name(tempo_replay v);
TEMPO_API bool tempo_replay_parse(const char *text, tempo_replay *out);

/* The quotients of logits, which are floats, then stay far from overflow. */
#define TEMPO_MIN_TEMPERATURE 1e-100

typedef struct tempo_decode_options {
    size_t size;
    tempo_mode mode;
    uint32_t first_visible_layer, last_visible_layer; /* where mode holds; 0, TEMPO_ALL_LAYERS */
    double threshold;                                 /* tau, in (0, 1] */
    double temperature;                               /* >= TEMPO_MIN_TEMPERATURE, finite */
    size_t max_set;                                   /* members kept of a set; 0 = no limit */
    tempo_readout readout;
    tempo_context context;
    tempo_positions positions;
    double position_offset; /* D of TEMPO_POSITIONS_OFFSET; finite */
    tempo_stop stop;
    size_t steps, min_steps;
    tempo_replay replay; /* sets context and readout itself: those must be at their defaults */
    tempo_kv_type kv;
    size_t max_slots; /* 0 = by available memory */
    tempo_order order; /* in which members get their slots; by probability */
    uint64_t nudge;    /* of every row: see tempo_row */
    int32_t end_ids[TEMPO_MAX_END_IDS]; /* [n_end_ids] end a text besides those that the model's files name */
    uint32_t n_end_ids;
    const tempo_edits *edits; /* NULL: none; the decoder keeps them */
} tempo_decode_options;
/* Does this id end a text: by the model's files, or by the options (not those that tempo_decode_check refuses)? */
TEMPO_API bool tempo_decode_options_ends(const tempo_decode_options *o, const tempo_model *m, int32_t id);

/* The defaults: isolated in all layers, threshold 0.1, temperature 1, max_set 64, mixture, all,
 * shared, stop any, 32 steps, min_steps 0, no replay, f32 cache, descending, not nudged, not edited.  */
TEMPO_API void tempo_decode_options_init_size(tempo_decode_options *o, size_t size);
static inline void tempo_decode_options_init(tempo_decode_options *o) { tempo_decode_options_init_size(o, sizeof(*o)); }

typedef struct tempo_member {
    int32_t id;
    double probability; /* q(id) */
    int64_t slot;       /* -1: not in the context */
    double position;    /* meaningful when slot >= 0 */
} tempo_member;

/* One step's result.  Members are in descending probability, equal ones by lower id. */
typedef struct tempo_set {
    size_t step;       /* t, from 0 */
    double position;   /* n + t: the logical position of the set */
    double threshold;
    double entropy;    /* of the whole distribution q, in nats */
    size_t n_reached;  /* tokens with q >= tau (0 when the argmax stood in) */
    bool capped;       /* max_set cut members off */
    bool eos;          /* an id that ends a text is among the members */
    size_t n_members;
    const tempo_member *members; /* [n_members] */
} tempo_set;

typedef enum tempo_stopped {
    TEMPO_RUNNING = 0,
    TEMPO_STOPPED_STEPS,   /* options.steps sets are there */
    TEMPO_STOPPED_EOS,     /* by options.stop */
    TEMPO_STOPPED_CONTEXT, /* the set's position is beyond the model's context: it got no slots */
    TEMPO_STOPPED_SLOTS,   /* the set did not fit into max_slots: it got no slots */
} tempo_stopped;
/* "running", "steps", "eos", "context", "slots" */
TEMPO_API const char *tempo_stopped_name(tempo_stopped v);

typedef struct tempo_decoder tempo_decoder;

/* A decoder over its own new sequence; prompt[n] is copied, n >= 1.  TEMPO_E_ARG for an option
 * or id out of range, TEMPO_E_LIMIT for a prompt beyond context or slots.  */
TEMPO_API tempo_status tempo_decoder_create(tempo_decoder **out, tempo_engine *e,
                                            const tempo_decode_options *o,
                                            const int32_t *prompt, size_t n,
                                            tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_decoder_free(tempo_decoder *d);
/* What tempo_decoder_create checks of options and prompt, without an engine and from any thread (the slots that memory
 * allows, for max_slots = 0, are known only to it).  */
TEMPO_API tempo_status tempo_decode_check(const tempo_model *m, const tempo_decode_options *o, const int32_t *prompt,
                                          size_t n, tempo_err *err) TEMPO_MUST_CHECK;

/* Advance every decoder of ds[n] that is still running by one step, all in one batch: read the
 * rows of the prompt's last token or of the last set, select a set, give it slots.  They must
 * share one engine.  On TEMPO_E_STOPPED (observer) no decoder has advanced and the call may be
 * repeated; after any other failure the decoders are only good for looking at and freeing.  The rows whose attention the observer sees are those that the step reads.  */
TEMPO_API tempo_status tempo_decoders_step(tempo_decoder *const *ds, size_t n,
                                           const tempo_observer *obs,
                                           tempo_err *err) TEMPO_MUST_CHECK;

/* The two halves of a step, for who wants to choose: read runs the pending rows of every running decoder of ds[n]
 * in one batch and forms each one's q; after it each of them either selects its own set (what tempo_decoders_step
 * does) or adopts another decoder's, and only then may be read again.  When it fails, those of which tempo_decoder_is_read
 * says so can go on all the same: a decoder whose logits are no numbers fails alone.  After TEMPO_E_NOMEM the others are
 * as before the call, which may be repeated with fewer of them.  */
TEMPO_API tempo_status tempo_decoders_read(tempo_decoder *const *ds, size_t n, const tempo_observer *obs,
                                           tempo_err *err) TEMPO_MUST_CHECK;
/* Run a part of the prompts of ds[n] ahead of their first read, so that the steps of others can go between the parts of a
 * long one: in one pass, at most max_rows rows, none of those that a step reads; decoders past their first read are left
 * alone.  A prompt that several of ds share goes through the model once, if they are always given together.  No number of
 * the steps depends on it.  obs: only poll is called.  TEMPO_E_STOPPED as tempo_decoders_step.  */
TEMPO_API tempo_status tempo_decoders_prefill(tempo_decoder *const *ds, size_t n, size_t max_rows,
                                              const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
/* Rows of the prompt that have not run, 1 when all that prefill runs has; 0 after the first read. */
TEMPO_API size_t tempo_decoder_prompt_left(const tempo_decoder *d);
/* Has it been read, and not selected or adopted since? */
TEMPO_API bool tempo_decoder_is_read(const tempo_decoder *d);
/* TEMPO_E_ARG unless it was just read. */
TEMPO_API tempo_status tempo_decoder_select(tempo_decoder *d, tempo_err *err) TEMPO_MUST_CHECK;
/* Take the members of `set` and their probabilities (which weigh the next readout) as they are; which of them get
 * slots, and where, follows this decoder's own options, as do its limits.  q and entropy stay its own.
 * TEMPO_E_ARG unless it was just read, for an empty set and for ids or probabilities out of range.  */
TEMPO_API tempo_status tempo_decoder_adopt(tempo_decoder *d, const tempo_set *set, tempo_err *err) TEMPO_MUST_CHECK;

/* The set of the last step (valid until the next step), or NULL before the first. */
TEMPO_API const tempo_set *tempo_decoder_last_set(const tempo_decoder *d);
TEMPO_API tempo_stopped tempo_decoder_stopped(const tempo_decoder *d);
/* q of the last read [n_vocab], valid until the next one; NULL before the first. */
TEMPO_API const double *tempo_decoder_distribution(const tempo_decoder *d);
/* How many rows the last step read, and the logits [n_vocab] of the i-th (slot order); valid
 * until the engine's next pass.  The rows lie one behind the other: together they are [row_count, n_vocab].  NULL after a
 * read that failed because they are no numbers.  */
TEMPO_API size_t tempo_decoder_row_count(const tempo_decoder *d);
TEMPO_API const float *tempo_decoder_row_logits(const tempo_decoder *d, size_t i);
/* The engine that it was made with. */
TEMPO_API tempo_engine *tempo_decoder_engine(const tempo_decoder *d);
/* The decoder's sequence.  It lags one set behind: a set's slots are appended when it is read. */
TEMPO_API const tempo_seq *tempo_decoder_seq(const tempo_decoder *d);
/* Run the last set through the model without selecting anything, so that its rows, keys and
 * values exist (row_count and row_logits then describe them).  Only when not running.  */
TEMPO_API tempo_status tempo_decoder_close_pass(tempo_decoder *d, const tempo_observer *obs,
                                                tempo_err *err) TEMPO_MUST_CHECK;

/* ---- capture ----------------------------------------------------------------------- */

/* What a decoder's steps compute, written to the files that docs/capture.md describes, one step at a time: memory does
 * not grow with the run, and the files appear at the end, each complete or not at all.  A capture changes no bit of the
 * results.  It belongs to the thread of its decoder, which must outlive it.
 *
 *   tempo_capture_create(&c, dir, decoder, &options, &err);
 *   // step after step, with an observer of tempo_capture_taps that hands every view to tempo_capture_view:
 *   tempo_decoders_step(&decoder, 1, &observer, &err);     // or read, then select or adopt
 *   tempo_capture_step(c, &err);
 *   // at will, after the last step:
 *   tempo_decoder_close_pass(decoder, &observer, &err);
 *   tempo_capture_closing(c, &err);
 *   tempo_capture_commit(c, &err);                         // or tempo_capture_abort(c)  */
typedef struct tempo_capture tempo_capture;

enum {
    TEMPO_RECORD_ATTENTION = 1u << 0, /* of every row that a step reads */
    TEMPO_RECORD_LOGITS = 1u << 1,    /* of the same rows, the whole vocabulary */
    TEMPO_RECORD_POSITIONS = 1u << 2, /* of every slot, as RoPE used them */
    TEMPO_RECORD_KV = 1u << 3,        /* keys and values of the slots that are new in a step */
    TEMPO_RECORD_ALL = (1u << 4) - 1,
};

typedef enum tempo_capture_format { TEMPO_CAPTURE_NPZ = 0, TEMPO_CAPTURE_SAFETENSORS } tempo_capture_format;
/* "npz", "safetensors" */
TEMPO_API const char *tempo_capture_format_name(tempo_capture_format v);
TEMPO_API bool tempo_capture_format_parse(const char *text, tempo_capture_format *out);

#define TEMPO_ALL_HEADS UINT32_MAX

typedef struct tempo_capture_options {
    size_t size;
    unsigned record;                  /* TEMPO_RECORD_* */
    uint32_t first_layer, last_layer; /* of attention, both included; 0, TEMPO_ALL_LAYERS */
    uint32_t first_head, last_head;   /* of attention, both included; 0, TEMPO_ALL_HEADS */
    tempo_tap_selection taps[TEMPO_TAP_COUNT]; /* [n_taps] besides, each once; attention and logits have their bits in record */
    size_t n_taps;
    bool prompt_rows; /* attention, logits and taps of all rows of the prompt, too; what they take stays in memory until the first step */
    bool square;      /* attention of every slot so far in each step, [.., slots, slots], as the original project's scripts want it; the
                         matrix of the last step stays in memory */
    tempo_capture_format format;      /* of all arrays */
    uint64_t max_bytes;               /* of all files together; 0 = no limit */
    uint64_t *shared_bytes;           /* NULL; else a counter, 0 at first, to which several captures of one run add what
                                         they write, and which max_bytes then bounds */
    /* What the run is expected to be, for the estimate and for the room that a safetensors header needs: tokens of the
     * prompt, steps (the closing pass counted), rows that a step reads at most.  steps = 0: not known, no estimate.  */
    size_t prompt, steps, rows;
    const char *config; /* text of a JSON object, for experiment_metadata.json and the arrays' metadata; NULL = {} */
    bool replace;       /* files of these names that are there already are removed; else they are an error */
    /* Plain file names; NULL: attention_weights, logits_distributions, kv_cache with .npz or .safetensors, and
     * rope_positions.json.  */
    const char *attention_file, *logits_file, *kv_file, *positions_file;
} tempo_capture_options;

/* Add to what o records: a list of attention, logits, positions, kv and taps (tempo_tap_parse), with commas between them:
 * "attention:layers=20-27,logits", "resid_post:layers=4-8,z:heads=0,3".  The layers of one tap add up; attention may be ":square".  The
 * defaults record something: set record to 0 first to begin from nothing.  TEMPO_E_FORMAT for what is no such list and for what is there twice;
 * whether the model has it, tempo_capture_create says.  TEMPO_E_ARG for options that are not of this version's size.  */
TEMPO_API tempo_status tempo_record_parse(tempo_capture_options *o, const char *list, tempo_err *err) TEMPO_MUST_CHECK;

/* The defaults: attention, logits and positions of all layers and heads, npz, 4 GB (4e9), nothing expected. */
TEMPO_API void tempo_capture_options_init_size(tempo_capture_options *o, size_t size);
static inline void tempo_capture_options_init(tempo_capture_options *o) { tempo_capture_options_init_size(o, sizeof(*o)); }

/* Bytes that such a run writes at most, if no step reads more than o->rows rows: with R rows after the prompt's P slots,
 * step t reads r = (t == 0 ? 1 : R) rows and the sequence then has s = P + R t slots; it writes
 *   attention layers * heads * r * s * 4,  logits r * vocabulary * 4,  K and V 2 * layers * kv heads * head size * 4 for
 *   each new slot (P at t = 0, then R),  each tap layers * r * (its numbers, or heads * s) * 4,  and in each of the files
 *   8 s + 16 R and 2 KB of smaller arrays and headers; with prompt_rows also what P rows on P slots give of each; with square
 *   attention has s rows in place of r.
 * steps is cut off where the model's context ends.  0 when o->steps is 0 and for options
 * that tempo_capture_create refuses; UINT64_MAX when it is beyond any disk.
 * With threshold tau no set has more than 1 / tau members, so rows = 1 / tau makes this a bound.  */
TEMPO_API uint64_t tempo_capture_estimate(const tempo_capture_options *o, const tempo_model *m);
/* TEMPO_E_LIMIT, naming both figures, when max_bytes is not 0 and the estimate is larger. */
TEMPO_API tempo_status tempo_capture_check_size(uint64_t estimate, uint64_t max_bytes, tempo_err *err) TEMPO_MUST_CHECK;

/* Begin: make the directory (with its parents) and the files under temporary names.  Nothing of the decoder may have run.
 * TEMPO_E_LIMIT when the estimate exceeds max_bytes; TEMPO_E_ARG for options that are wrong or files that are there
 * already; TEMPO_E_FORMAT when config is no JSON object.  What failed has left nothing behind.  */
TEMPO_API tempo_status tempo_capture_create(tempo_capture **out, const char *dir, const tempo_decoder *d,
                                            const tempo_capture_options *o, tempo_err *err) TEMPO_MUST_CHECK;
/* What an observer has to show it: *n selections, none where nothing of that kind is recorded. */
TEMPO_API const tempo_tap_selection *tempo_capture_taps(const tempo_capture *c, size_t *n);
/* Whether that observer's `prompts` has to be set (prompt_rows or square of the options). */
TEMPO_API bool tempo_capture_wants_prompt(const tempo_capture *c);
/* Feed it every view that the observer gets, those of other sequences and other taps included.  A pass that was stopped and is repeated may be fed again.  Always true, so that a callback can return it: what
 * goes wrong (memory, the limit) is said by the next tempo_capture_step.  */
TEMPO_API bool tempo_capture_view(tempo_capture *c, const tempo_tap_view *view);
/* Write what the step that the decoder has just finished read and selected; before the engine's next pass.  TEMPO_E_LIMIT
 * when the files would exceed max_bytes, TEMPO_E_IO when the disk is full, TEMPO_E_ARG when a step or a view was left out.
 * After a failure the capture is only good for tempo_capture_abort.  */
TEMPO_API tempo_status tempo_capture_step(tempo_capture *c, tempo_err *err) TEMPO_MUST_CHECK;
/* The same after tempo_decoder_close_pass: one more step that selects nothing. */
TEMPO_API tempo_status tempo_capture_closing(tempo_capture *c, tempo_err *err) TEMPO_MUST_CHECK;
/* Bytes written so far. */
TEMPO_API uint64_t tempo_capture_bytes(const tempo_capture *c);
/* Bring the steps that were written to their places, and free c on every path.  On failure it has been aborted. */
TEMPO_API tempo_status tempo_capture_commit(tempo_capture *c, tempo_err *err) TEMPO_MUST_CHECK;
/* Remove everything that it made, directories that are empty then included, and free it.  Takes NULL. */
TEMPO_API void tempo_capture_abort(tempo_capture *c);

/* ---- runs -------------------------------------------------------------------------- */

/* One prompt, and one ARM or several that go on from it together: decoders told apart by their options, whose rows ride in one
 * batch.  Several runs of one engine ride in one batch, too.  A paired, batched, captured run:
 *
 *   tempo_run_arm arms[] = {{"isolated", &isolated}, {"visible", &visible}};    // tempo_decode_options of each
 *   tempo_run_options o;
 *   tempo_run_options_init(&o);
 *   o.arms = arms, o.n_arms = 2, o.capture_dir = "out", o.keep = true;
 *   for (i = 0; i < n; i++)
 *       tempo_run_create(&runs[i], engine, &o, &prompts[i], &err);
 *   tempo_runs_all(runs, n, NULL, &err);                     // then tempo_run_set, tempo_run_difference
 *
 * In each step every arm that goes on is READ, all in one pass; then each TAKES a set, as the regime says; then the sinks hear
 * of it.  An arm's numbers are those that its decoder would have alone.  */
typedef struct tempo_run tempo_run;

enum { TEMPO_RUN_MAX_ARMS = 64 };

typedef struct tempo_run_arm {
    const char *name;                     /* another one for each arm, copied; NULL: the mode's */
    const tempo_decode_options *decoding; /* NULL: the defaults */
} tempo_run_arm;

typedef enum tempo_regime {
    TEMPO_REGIME_FREE = 0, /* each arm takes its own set */
    TEMPO_REGIME_LOCKSTEP, /* the driver takes its own, all others the driver's; they end with it.  Arms that replay are free */
} tempo_regime;
/* "free", "lockstep" */
TEMPO_API const char *tempo_regime_name(tempo_regime v);
TEMPO_API bool tempo_regime_parse(const char *text, tempo_regime *out);

/* A set that a step must take: members with the probabilities that weigh the next readout; no id twice, taken in descending
 * probability whatever their order here.  */
typedef struct tempo_given_set {
    const tempo_member *members; /* id and probability */
    size_t n;
} tempo_given_set;

/* How the one token of a step is drawn, where runs sample: softmax(logits / temperature), then min_p (drop what is below min_p
 * times the largest), then top_p (the fewest that reach this share of what min_p left), renormalised; the random numbers depend
 * on seed and step only.  The set's probability is that of softmax(logits / temperature) over the whole vocabulary.  */
typedef struct tempo_sampling {
    bool on;
    double temperature, top_p, min_p; /* [0, inf), 0: the most probable; (0, 1]; [0, 1].  Of all arms: theirs has no say */
    uint64_t seed;
} tempo_sampling;

/* What listens to a run; its callbacks may be NULL.  On the thread that steps the run.  A failure is that of the run. */
typedef struct tempo_sink {
    void *user;
    /* Of row `row` of what arm `arm` reads, what taps[n_taps] select (n_taps 0: attention, TEMPO_TAP_PATTERN); false stops the
     * pass. */
    bool (*view)(void *user, tempo_run *r, size_t arm, size_t row, const tempo_tap_view *view);
    /* The arms of which tempo_run_arm_read says so were read, and have taken nothing yet. */
    tempo_status (*read)(void *user, tempo_run *r, tempo_err *err);
    /* The same arms have taken a set. */
    tempo_status (*step)(void *user, tempo_run *r, tempo_err *err);
    /* The last set of an arm was read once more (closing_pass). */
    tempo_status (*closed)(void *user, tempo_run *r, size_t arm, tempo_err *err);
    /* Nothing more comes: all arms have stopped, or the run was interrupted; captures have been committed. */
    tempo_status (*end)(void *user, tempo_run *r, tempo_err *err);
    /* Before all others: its arms and captures are there; the last thing that tempo_run_create does.  After a failure of a later
     * sink nothing more is heard of that run.  */
    tempo_status (*begin)(void *user, tempo_run *r, tempo_err *err);
    const tempo_tap_selection *taps; /* of view, as long as the run */
    size_t n_taps;
} tempo_sink;

typedef struct tempo_run_options {
    size_t size;
    const tempo_run_arm *arms; /* [n_arms] */
    size_t n_arms;
    tempo_regime regime;
    size_t driver;                /* of lockstep: the number of an arm that does not replay */
    const tempo_given_set *given; /* [n_given], copied: what all arms take in the first steps, before the regime */
    size_t n_given;               /* at most the steps of any arm */
    tempo_sampling sampling;      /* arms that would take their own set draw one token instead; threshold and max_set have no say */
    bool keep;                    /* all sets in memory, for tempo_run_set */
    uint64_t compared;            /* bit i: arm i is one of those that tempo_run_difference is about; 0: all are */
    const char *capture_dir;      /* of one arm; several have a directory each below it, by their names.  NULL: none */
    uint64_t captured;            /* bit i: arm i is one of those that are captured; 0: all are */
    const tempo_capture_options *capture; /* NULL: the defaults.  prompt and steps are filled in, and rows: at most those given */
    /* The captures' config, malloc'd, for arm `arm`; NULL: no memory.  No callback: capture's, or else the arm's options. */
    char *(*config_of)(void *user, const tempo_run *r, size_t arm);
    void *config_user;
    bool closing_pass;            /* each arm's last set is read once more, when the arm has stopped */
    const tempo_sink *sinks;      /* [n_sinks], in the order in which they are told */
    size_t n_sinks;
} tempo_run_options;

/* No arm, free, nothing given, not sampled, nothing kept. */
TEMPO_API void tempo_run_options_init_size(tempo_run_options *o, size_t size);
static inline void tempo_run_options_init(tempo_run_options *o) { tempo_run_options_init_size(o, sizeof(*o)); }

typedef struct tempo_run_prompt {
    const int32_t *ids; /* [n], n >= 1; copied */
    size_t n;
    void *user;         /* for tempo_run_user */
} tempo_run_prompt;

/* TEMPO_E_ARG and TEMPO_E_LIMIT as tempo_decoder_create, naming the arm where there are several; TEMPO_E_LIMIT also when the
 * captures of all arms would be larger than capture->max_bytes.  */
TEMPO_API tempo_status tempo_run_create(tempo_run **out, tempo_engine *e, const tempo_run_options *o, const tempo_run_prompt *p,
                                        tempo_err *err) TEMPO_MUST_CHECK;
/* What it has captured and not committed is removed. */
TEMPO_API void tempo_run_free(tempo_run *r);
/* What tempo_run_create checks of arms, regime, given sets and prompt, without an engine and from any thread. */
TEMPO_API tempo_status tempo_run_check(const tempo_model *m, const tempo_run_options *o, const tempo_run_prompt *p,
                                       tempo_err *err) TEMPO_MUST_CHECK;
/* Bytes that its captures take at most: tempo_capture_estimate, of all arms.  0 without capture_dir. */
TEMPO_API uint64_t tempo_run_estimate(const tempo_model *m, const tempo_run_options *o, size_t n_prompt);

/* One step of all of runs[n] that go on, in one batch.  Where they have several engines there is a batch for each, one after the other.
 * TEMPO_E_STOPPED when obs or a sink stops the pass: nothing has changed, but that runs of engines before this one were read.
 * After another failure of the pass the runs of which tempo_run_is_read says so can go on; a failure of a sink ends its run.  obs
 * may be NULL; it sees what the sinks do.  */
TEMPO_API tempo_status tempo_runs_step(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
/* The two halves of it: read all, then let each run take its sets. */
TEMPO_API tempo_status tempo_runs_read(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API tempo_status tempo_run_take(tempo_run *r, tempo_err *err) TEMPO_MUST_CHECK;
/* A part of the prompts ahead of the first step: tempo_decoders_prefill of all arms that go on. */
TEMPO_API tempo_status tempo_runs_prefill(tempo_run *const *runs, size_t n, size_t max_rows, const tempo_observer *obs,
                                          tempo_err *err) TEMPO_MUST_CHECK;
/* tempo_decoder_prompt_left, of all arms. */
TEMPO_API size_t tempo_run_prompt_left(const tempo_run *r);
/* Were all of its arms that go on read, and have taken nothing since? */
TEMPO_API bool tempo_run_is_read(const tempo_run *r);
/* The closing pass of those arms of runs[n] that have stopped and want one. */
TEMPO_API tempo_status tempo_runs_close(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
/* Commit what it has captured (nothing of a run without a step), and tell the sinks that it has ended.  When the captures of one arm cannot
 * be brought to their places, those of the arms before it stay, and the sinks do not hear of an end.  */
TEMPO_API tempo_status tempo_run_finish(tempo_run *r, bool interrupted, tempo_err *err) TEMPO_MUST_CHECK;
/* All of that, until no run goes on.  TEMPO_E_STOPPED: all were finished, as interrupted those that would have gone on.  After another
 * failure those were finished that had come to their end; nothing is kept of the others.  */
TEMPO_API tempo_status tempo_runs_all(tempo_run *const *runs, size_t n, const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
/* The same of any number of prompts, `group` (0: 16) of them in a batch at a time; what comes of them the sinks are told, in the order
 * of the prompts within each step.  Each prompt's captures go to capture_dir/NAME, name_of (NULL: its number, from 0000) of its user; "" is capture_dir
 * itself, for the only one.  */
TEMPO_API tempo_status tempo_runs_prompts(tempo_engine *e, const tempo_run_options *o, const tempo_run_prompt *prompts, size_t n,
                                          size_t group, const char *(*name_of)(const void *user), const tempo_observer *obs,
                                          tempo_err *err) TEMPO_MUST_CHECK;

/* Does any arm go on? */
TEMPO_API bool tempo_run_running(const tempo_run *r);
TEMPO_API bool tempo_run_interrupted(const tempo_run *r);
/* No arm goes on any more. */
TEMPO_API void tempo_run_stop(tempo_run *r);
TEMPO_API void *tempo_run_user(const tempo_run *r);
TEMPO_API const int32_t *tempo_run_ids(const tempo_run *r, size_t *n); /* the prompt */
TEMPO_API size_t tempo_run_arms(const tempo_run *r);
/* arm < arms, in all of these.  The decoder is the run's: look at it, do not step it. */
TEMPO_API const char *tempo_run_arm_name(const tempo_run *r, size_t arm);
TEMPO_API const tempo_decoder *tempo_run_decoder(const tempo_run *r, size_t arm);
/* Is it part of the step under way, in a sink's callback; of the last step, outside? */
TEMPO_API bool tempo_run_arm_read(const tempo_run *r, size_t arm);
TEMPO_API size_t tempo_run_steps(const tempo_run *r, size_t arm);   /* sets that it took */
TEMPO_API size_t tempo_run_members(const tempo_run *r, size_t arm); /* of all of them */
/* Set `step` of an arm; NULL when it took none then, or sets are not kept.  Until the next step they lie one behind the other. */
TEMPO_API const tempo_set *tempo_run_set(const tempo_run *r, size_t arm, size_t step);
TEMPO_API uint64_t tempo_run_captured(const tempo_run *r); /* bytes so far */

/* Where the compared arms first differ from the first of them; SIZE_MAX: nowhere so far. */
typedef struct tempo_run_differences {
    size_t distribution; /* step of the first bit of q that is not the same, of arms that both were read */
    double max_abs;      /* the largest difference of two q there */
    size_t set;          /* step where members differ; an arm that has stopped differs from one that goes on */
    size_t order;        /* step where the same members stand in another order */
} tempo_run_differences;

TEMPO_API tempo_run_differences tempo_run_difference(const tempo_run *r);

/* ---- scores ------------------------------------------------------------------------ */

/* How probable a model finds the tokens of a text, each one behind those in front of it: forward passes over the text, every token a set
 * of its own.  One text, or many that go through the model together:
 *
 *   tempo_score_text text = {.ids = ids, .n = n};
 *   tempo_score_create(&score, engine, &text, 1, NULL, &err);     // score->logprob[1 .. n-1], score->perplexity  */
typedef struct tempo_score_text {
    const int32_t *ids; /* [n], n >= 1 */
    size_t n;
    size_t first; /* tokens in front of this one are context, and not scored.  0 and 1: all but the first, which nothing predicts */
} tempo_score_text;

typedef struct tempo_score_options {
    size_t size;
    size_t top;    /* most probable tokens that are told at each place, at most 256 and the vocabulary */
    size_t window; /* tokens that are looked at together at most; 0: the model's context, which it cannot exceed */
    /* A text of more tokens than a window is refused, unless stride is set, from 1 to window - 1: windows then begin every `stride` tokens,
     * each at position 0, and a token is scored in the first one that has it, so that it has at least window - stride tokens in front.  */
    size_t stride;
    const tempo_edits *edits; /* NULL: none.  In every window slots count from its beginning */
    tempo_kv_type kv;
    void *user;
    bool (*poll)(void *user);                                 /* once a layer: false stops it; NULL */
    void (*progress)(void *user, size_t done, size_t total);  /* tokens of all texts, those that windows repeat counted again; NULL */
} tempo_score_options;
/* The defaults: all zero. */
TEMPO_API void tempo_score_options_init_size(tempo_score_options *o, size_t size);
static inline void tempo_score_options_init(tempo_score_options *o) { tempo_score_options_init_size(o, sizeof(*o)); }

/* Columns, one entry a token of the text.  Where a token is not scored: NaN, rank and context 0, top_ids -1.  All that it points to is
 * its own.  */
typedef struct tempo_score {
    size_t n_tokens, n_top;
    const int32_t *ids;        /* [tokens] the text's */
    const double *logprob;     /* [tokens] ln of the probability that the tokens in front gave this one: finite */
    const double *entropy;     /* [tokens] of the distribution there, in nats */
    const uint32_t *rank;      /* [tokens] in it, 1: the most probable; of equal ones the lower id first */
    const uint32_t *context;   /* [tokens] tokens in front that were looked at */
    const int32_t *top_ids;    /* [tokens, top] by descending probability */
    const double *top_logprob; /* [tokens, top] */
    size_t n_scored;
    double logprob_sum; /* of the scored ones, in nats */
    double perplexity;  /* exp(-logprob_sum / n_scored); NaN where nothing was scored */
    const tempo_edit_use *edit_uses; /* [n_edits] what came of each edit in this text */
    size_t n_edits;
} tempo_score;

/* out[n], each for tempo_score_free.  No bit of one depends on the others, on batches or threads: a distribution is that which a decoder
 * of this engine reads there (temperature 1).  A failure is that of all: then out[n] are NULL.  TEMPO_E_ARG for an empty text, a token that the
 * vocabulary has not and options that do not fit, TEMPO_E_LIMIT for a text that is too long (messages say which text, where there are
 * several), TEMPO_E_FORMAT for logits that are no numbers, TEMPO_E_STOPPED when poll says so.  Logits of the engine's last pass are gone.  */
TEMPO_API tempo_status tempo_score_create(tempo_score **out, tempo_engine *e, const tempo_score_text *texts, size_t n,
                                          const tempo_score_options *o, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_score_free(tempo_score *s); /* takes NULL */
/* What it checks of options and texts, without an engine and from any thread. */
TEMPO_API tempo_status tempo_score_check(const tempo_model *m, const tempo_score_text *texts, size_t n, const tempo_score_options *o,
                                         tempo_err *err) TEMPO_MUST_CHECK;

/* ---- sweeps ------------------------------------------------------------------------ */

/* Many prompts, each decoded in several ways, as one table: a record for each member of each set, with the prompt's id and how it was
 * decoded.  Prompts go through the model together, in groups; no number depends on which, nor on threads.
 *
 * The directory that is written (docs/sweeps.md) has sets.csv, runs.csv, units.csv and plan.json; a sweep that was ended at any moment
 * goes on when it is called again with the same arguments, and one with other arguments is refused.  Shards are made one by tempo_merge.  */
typedef struct tempo_sweep_prompt {
    const char *id;     /* NUL-terminated UTF-8, not empty; another one for each prompt */
    const int32_t *ids; /* [n], n >= 1 */
    size_t n;
} tempo_sweep_prompt;

/* How one prompt ended in one way of decoding: a run's arm, whose sets it keeps. */
typedef struct tempo_sweep_run {
    size_t prompt, decoding; /* which */
    const tempo_run *run;
    size_t arm;
} tempo_sweep_run;

typedef struct tempo_sweep_options {
    size_t size;
    const tempo_decode_options *decoding; /* [n_decoding] the ways, none twice; NULL: the defaults alone */
    size_t n_decoding;
    const char *const *columns; /* [n_columns] names of options of decoding ("threshold", "max_set") that are columns; NULL: threshold, mode */
    size_t n_columns;
    const char *out;   /* the directory; NULL: none, and `run` is told */
    const char *about; /* text of a JSON object or NULL: what else must be the same for a sweep to go on, such as hashes; to plan.json */
    uint32_t shard, n_shards; /* this call does the units of shard `shard` of n_shards, dealt by their expected cost; 0: of one */
    size_t batch;       /* prompts that go through the model together at most; 0: 64 */
    uint64_t max_bytes; /* for their caches and distributions, about; fewer prompts go together where more do not fit; 0: half of what is available */
    void *user;
    bool (*poll)(void *user);                                /* once a layer: false stops it, and what is finished stays; NULL */
    void (*progress)(void *user, size_t done, size_t total); /* prompts of this shard; NULL */
    tempo_status (*run)(void *user, const tempo_sweep_run *r, tempo_err *err); /* in the order of prompts and decodings, of those that this call
                                                                                 decodes; before they are in the files; NULL */
} tempo_sweep_options;
/* The defaults: all zero. */
TEMPO_API void tempo_sweep_options_init_size(tempo_sweep_options *o, size_t size);
static inline void tempo_sweep_options_init(tempo_sweep_options *o) { tempo_sweep_options_init_size(o, sizeof(*o)); }

/* All prompts and options are checked before the first one runs.  TEMPO_E_ARG, TEMPO_E_LIMIT as tempo_decoder_create, with the prompt's id;
 * TEMPO_E_ARG (field "out") for a directory of another sweep, TEMPO_E_BUSY for one that another process writes to, TEMPO_E_FORMAT for one
 * that is damaged; TEMPO_E_STOPPED when poll says so.  */
TEMPO_API tempo_status tempo_sweep(tempo_engine *e, const tempo_sweep_prompt *prompts, size_t n, const tempo_sweep_options *o,
                                   tempo_err *err) TEMPO_MUST_CHECK;
/* What it checks of prompts and options but for the directory. */
TEMPO_API tempo_status tempo_sweep_check(const tempo_model *m, const tempo_sweep_prompt *prompts, size_t n,
                                         const tempo_sweep_options *o, tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_merge_options {
    size_t size;
    bool allow_mixed; /* shards of several instruction sets or versions, which plan.json then names in "mixed" */
    void *user;
    /* Told of each shard that has units to do, before the merge fails; n_units is 0 of a shard of which there is no directory.  NULL */
    void (*missing)(void *user, uint32_t shard, uint32_t n_shards, size_t units);
} tempo_merge_options;
TEMPO_API void tempo_merge_options_init_size(tempo_merge_options *o, size_t size);
static inline void tempo_merge_options_init(tempo_merge_options *o) { tempo_merge_options_init_size(o, sizeof(*o)); }

/* The shards in dirs[n] as the directory out, which is new or empty: to the byte what one process would have written.  Every unit is there
 * once, and its bytes are those that were written, or nothing is made: TEMPO_E_ARG for shards that do not belong together or are given
 * twice, TEMPO_E_FORMAT for a damaged one, TEMPO_E_NOTFOUND for units that are missing.  */
TEMPO_API tempo_status tempo_merge(const char *const *dirs, size_t n, const char *out, const tempo_merge_options *o,
                                   tempo_err *err) TEMPO_MUST_CHECK;

/* ---- lens -------------------------------------------------------------------------- */

/* The residual stream of some rows as a pass had it: its POINTS, before the first layer and after each (blocks.0.hook_resid_pre,
 * blocks.L.hook_resid_post), and on request its parts, what the layers added to it.  Filled by passes, or by whoever has the values.  */
typedef struct tempo_residual tempo_residual;

enum {
    TEMPO_RESIDUAL_PARTS = 1u << 0, /* attn_out and mlp_out of every layer, too: for tempo_attribute */
    TEMPO_RESIDUAL_HEADS = 1u << 1, /* and z, for its heads */
};

/* Room for that many rows, empty.  The model must outlive it.  TEMPO_E_NOMEM where memory would not hold it. */
TEMPO_API tempo_status tempo_residual_create(tempo_residual **out, const tempo_model *m, size_t rows, unsigned keep,
                                             tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_residual_free(tempo_residual *r);
/* tempo_engine_forward of rows[n], of which those that want taps become rows first, first + 1, ... of r.  poll, or NULL, is asked
 * once a layer whether to go on.  */
TEMPO_API tempo_status tempo_residual_forward(tempo_residual *r, size_t first, tempo_engine *e, const tempo_row *rows, size_t n,
                                              bool (*poll)(void *user), void *user, tempo_err *err) TEMPO_MUST_CHECK;
/* What an observer of one's own has to show, *n selections, and a view that it got, as row `row` of r: what r does not keep is
 * passed over.  Always true.  */
TEMPO_API const tempo_tap_selection *tempo_residual_taps(const tempo_residual *r, size_t *n);
TEMPO_API bool tempo_residual_view(tempo_residual *r, size_t row, const tempo_tap_view *view);
/* The values[n] of one of these taps from elsewhere.  TEMPO_E_ARG for a tap that r does not keep, a row or layer that is not there,
 * and another n; TEMPO_E_FORMAT for values that are not finite.  */
TEMPO_API tempo_status tempo_residual_set(tempo_residual *r, size_t row, tempo_tap tap, uint32_t layer, const float *values,
                                          size_t n, tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_lens_options {
    size_t size;
    size_t top;            /* tokens of each distribution that are told, at most 256 and the vocabulary */
    const int32_t *tokens; /* [n_tokens] of which probability, rank and logit are told in each */
    size_t n_tokens;
    bool (*poll)(void *user); /* asked from time to time whether to go on; NULL */
    void *user;
} tempo_lens_options;
/* The defaults: the 5 most probable tokens, no others. */
TEMPO_API void tempo_lens_options_init_size(tempo_lens_options *o, size_t size);
static inline void tempo_lens_options_init(tempo_lens_options *o) { tempo_lens_options_init_size(o, sizeof(*o)); }

#define TEMPO_LENS_INPUT UINT32_MAX

/* What the final norm, with the scale of the vector that it gets, and the output matrix make of each point: the logit lens.  All
 * that it points to is its own.  */
typedef struct tempo_lens {
    size_t n_rows, n_points, n_top, n_tokens;
    const uint32_t *layers;      /* [points] after that layer; TEMPO_LENS_INPUT: before the first */
    const int32_t *top_ids;      /* [rows, points, top] by descending logit, of equal ones the lower id first */
    const double *top_q;         /* [rows, points, top] their probabilities */
    const double *token_q;       /* [rows, points, tokens] */
    const float *token_logits;   /* [rows, points, tokens] */
    const uint32_t *token_ranks; /* [rows, points, tokens] 1: the most probable, in the order of top_ids */
    const double *entropy;       /* [rows, points] in nats */
    const double *kl;            /* [rows, points] KL(last point || this one) in nats: sum q log(q / p), q the model's own distribution */
} tempo_lens;

/* The points that all rows of r have; the last layer's must be among them (TEMPO_E_ARG).  Its distribution is to the bit the one
 * that a decoder reads (temperature 1).  Rows times points go through the output matrix together, in parts of bounded memory; no
 * number depends on that.  TEMPO_E_FORMAT for logits that are not finite, TEMPO_E_STOPPED when poll says so.  The engine's logits
 * of the last pass may be gone.  */
TEMPO_API tempo_status tempo_lens_create(tempo_lens **out, tempo_engine *e, const tempo_residual *r, const tempo_lens_options *o,
                                         tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_lens_free(tempo_lens *l);

typedef struct tempo_attribution_options {
    size_t size;
    int32_t token;
    int32_t minus; /* logit(token) - logit(minus); -1: the logit itself */
    bool heads;    /* each head's share, too */
} tempo_attribution_options;
/* The defaults: token 0, -1, no heads. */
TEMPO_API void tempo_attribution_options_init_size(tempo_attribution_options *o, size_t size);
static inline void tempo_attribution_options_init(tempo_attribution_options *o)
{
    tempo_attribution_options_init_size(o, sizeof(*o));
}

/* Direct logit attribution: what each part of the residual stream adds to a logit, or to a difference of two, the final norm's
 * scale taken as it was.  In double; logit = embed + sum of attn + sum of mlp + constant + rest, and the sum of attn = that of heads
 * and bias + heads_rest.  The rests are what products and sums of the pass rounded; bounds are what theory allows (docs/interventions.md).
 * A greater rest says that something else has changed the stream, such as an edit.  */
typedef struct tempo_attribution {
    size_t n_rows, n_layers, n_heads; /* n_heads 0: not asked for */
    const double *logit;              /* [rows] of the model itself, to the bit; where logits have a soft cap, before that */
    const double *scale;              /* [rows] ln_final.hook_scale */
    const double *embed;              /* [rows] of the stream before the first layer: embedding, and learned positions */
    const double *attn, *mlp;         /* [rows, layers] of attn_out (its bias is in it), of mlp_out */
    const double *heads;              /* [rows, layers, heads] or NULL */
    const double *bias;               /* [rows, layers] of attention's output (and of the norm behind it), or NULL; 0 where there is none */
    const double *rest, *bound;       /* [rows] |rest| <= bound */
    const double *heads_rest, *heads_bound; /* [rows] or NULL */
    double constant; /* of every row: what the biases of the final norm and of the output matrix give */
} tempo_attribution;

/* Of all rows of r, which must have all points' and layers' parts (the points between do not matter).  TEMPO_E_ARG: they have not,
 * or there is no such token.  */
TEMPO_API tempo_status tempo_attribute(tempo_attribution **out, tempo_engine *e, const tempo_residual *r,
                                       const tempo_attribution_options *o, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_attribution_free(tempo_attribution *a);

/* ---- patching ---------------------------------------------------------------------- */

/* Which part of what a model computes makes the difference between two runs?  A clean and a corrupt run have the same slots but for
 * the tokens, or but for who sees whom; each CELL of a grid is one of them with the other's values in one place, and what comes of it
 * is measured in the distribution after the last slot, or set.  To the bit what a whole run with that edit gives: but rows before
 * the place and layers below it are not computed again, cells ride together in a pass, and a cell in which nothing differs needs none.
 *
 *   tempo_patch_create(&p, engine, &clean, &corrupt, &o, &err);
 *   while (tempo_patch_get_info(p).n_left > 0 && tempo_patch_step(p, NULL, &err) == TEMPO_OK) {}
 *   for (i = 0; i < tempo_patch_get_info(p).n_grids; i++) { g = tempo_patch_get_grid(p, i); ... }
 *   tempo_patch_free(p);  */
typedef struct tempo_patch tempo_patch;

typedef enum tempo_patch_metric {
    TEMPO_PATCH_LOGIT_DIFF = 0, /* logit of the first answer less that of the second; after a set log q of both */
    TEMPO_PATCH_PROB,           /* probability of the first answer */
    TEMPO_PATCH_KL_CLEAN,       /* sum p log(p / q) in nats, p of the clean run and q of the cell */
    TEMPO_PATCH_KL_CORRUPT,     /* the same, p of the corrupt run */
    TEMPO_PATCH_TV_CLEAN,       /* total variation, between the clean run and the cell */
    TEMPO_PATCH_TV_CORRUPT,
} tempo_patch_metric;
/* "logit_diff", "prob", "kl_clean", "kl_corrupt", "tv_clean", "tv_corrupt" */
TEMPO_API const char *tempo_patch_metric_name(tempo_patch_metric v);
TEMPO_API bool tempo_patch_metric_parse(const char *text, tempo_patch_metric *out);

typedef enum tempo_patch_direction {
    TEMPO_PATCH_DENOISE = 0, /* the corrupt run gets values of the clean one */
    TEMPO_PATCH_NOISE,       /* the clean run gets values of the corrupt one */
    TEMPO_PATCH_BOTH,        /* a grid of each */
} tempo_patch_direction;
/* "denoise", "noise", "both" */
TEMPO_API const char *tempo_patch_direction_name(tempo_patch_direction v);
TEMPO_API bool tempo_patch_direction_parse(const char *text, tempo_patch_direction *out);

/* What a tap's cells are, in each layer. */
typedef enum tempo_patch_each {
    TEMPO_PATCH_EACH_DEFAULT = 0,   /* each head where the tap has heads, else each position */
    TEMPO_PATCH_EACH_POSITION,      /* a position, all heads */
    TEMPO_PATCH_EACH_HEAD,          /* a head at all positions; of a tap without heads all of it */
    TEMPO_PATCH_EACH_HEAD_POSITION, /* a head at a position */
    TEMPO_PATCH_EACH_LAYER,         /* all of it */
} tempo_patch_each;
/* "default", "position", "head", "head-position", "layer" */
TEMPO_API const char *tempo_patch_each_name(tempo_patch_each v);
TEMPO_API bool tempo_patch_each_parse(const char *text, tempo_patch_each *out);

/* One of the two runs: a prompt, each token a set at the next position, or rows (tempo_row's seq and want have no say) of which the
 * last set is read. */
typedef struct tempo_patch_run {
    const int32_t *ids;    /* [n], or NULL */
    const tempo_row *rows; /* [n], where ids is NULL */
    size_t n;
    const double *weights; /* of the last set's rows in the distribution, in their order, sum 1; NULL: all the same */
} tempo_patch_run;

typedef struct tempo_patch_options {
    size_t size;
    const tempo_tap_selection *taps; /* [n_taps] with their layers and heads, each a grid; NULL: resid_pre, attn_out, mlp_out */
    size_t n_taps;
    tempo_patch_each each;
    tempo_patch_direction direction;
    tempo_patch_metric metric;
    int32_t answers[2];        /* [n_answers] of logit_diff two, of prob one */
    uint32_t n_answers;
    const uint32_t *positions; /* [n_positions] rising: sets (of prompts: tokens) that cells are of; NULL: all */
    size_t n_positions;
    /* Path patching: a cell's values go into these taps alone (q, k, v, resid_pre ..., their layers and heads), by the direct path: see
     * docs/interventions.md.  The taps above, the senders, are then of embed, resid_*, z, attn_out, post, mlp_out.  */
    const tempo_tap_selection *receivers; /* [n_receivers] */
    size_t n_receivers;
    bool free_mlps;     /* of path patching: MLPs between go along; else they are as in the run that is patched */
    tempo_kv_type kv;
    uint64_t max_bytes; /* of all that a grid takes; 0: 1 GB, or half of what there is */
    size_t batch_rows;  /* of one pass of cells, at least those of a run; 0: 512 */
} tempo_patch_options;
/* The defaults: all zero. */
TEMPO_API void tempo_patch_options_init_size(tempo_patch_options *o, size_t size);
static inline void tempo_patch_options_init(tempo_patch_options *o) { tempo_patch_options_init_size(o, sizeof(*o)); }

/* What can be patched, and how much it is; nothing runs yet, nothing is kept of the arguments.  TEMPO_E_ARG for runs of other lengths or
 * sets, and for a tap, layer, head, position or answer that is not there; TEMPO_E_LIMIT when max_bytes does not do for one cell.  */
TEMPO_API tempo_status tempo_patch_create(tempo_patch **out, tempo_engine *e, const tempo_patch_run *clean,
                                          const tempo_patch_run *corrupt, const tempo_patch_options *o,
                                          tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_patch_free(tempo_patch *p); /* before its engine.  Takes NULL */
/* The same from two arms of a run that has ended, with what it kept (keep, closing_pass) and equal slots, as of lockstep: what each would read after its last
 * set.  TEMPO_E_ARG where that is missing, TEMPO_E_UNSUPPORTED for arms that replay, have edits, a temperature or a geometric readout. */
TEMPO_API tempo_status tempo_patch_create_arms(tempo_patch **out, const tempo_run *r, size_t clean, size_t corrupt,
                                               const tempo_patch_options *o, tempo_err *err) TEMPO_MUST_CHECK;
/* The two runs at first, then one batch of cells.  Of obs (may be NULL) only poll is called; TEMPO_E_STOPPED: cells that were there stay,
 * and it may go on. */
TEMPO_API tempo_status tempo_patch_step(tempo_patch *p, const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_patch_info {
    size_t n_grids, n_cells, n_left; /* n_left counts those of n_cells that have no value yet */
    size_t n_unchanged;              /* cells without a pass of their own: nothing differs there */
    size_t n_positions;              /* sets of the runs */
    uint64_t bytes;                  /* that it takes at most */
    double clean, corrupt;           /* the metric of the two; NaN before the first step */
} tempo_patch_info;
TEMPO_API tempo_patch_info tempo_patch_get_info(const tempo_patch *p);

typedef struct tempo_patch_grid {
    tempo_tap tap;
    tempo_patch_direction direction;
    size_t n_layers, n_heads, n_positions;       /* 1 where cells are not told apart by that */
    const uint32_t *layers, *heads, *positions;  /* which; NULL: all of them in one cell */
    const double *values;                        /* [n_layers, n_heads, n_positions]; NaN: not there yet */
} tempo_patch_grid;
TEMPO_API tempo_patch_grid tempo_patch_get_grid(const tempo_patch *p, size_t i); /* i < n_grids; lives as long as p */
/* A value that an earlier grid of the same kind had in cell i, so that it is not computed again. */
TEMPO_API void tempo_patch_put(tempo_patch *p, size_t grid, size_t i, double value);
/* A value on the scale on which the corrupt run is 0 and the clean one 1; NaN when those are the same. */
TEMPO_API double tempo_patch_normalised(const tempo_patch *p, double value);

/* ---- trace ------------------------------------------------------------------------- */

/* What the edges between the members of a set do: the keys and values of its siblings that a row reads, in each layer and
 * head.  One set of a run is read again and again from what the run had before it, each time with some of these EDGES changed, and
 * the next distribution is compared with the run's.  Each choice of edges is a CELL; every cell is read
 *   cut        without those edges: the siblings are left out of the sums, as in mode isolated
 *   exchanged  with strangers in place of the siblings in those edges: their keys and values, at the siblings' positions, are those of
 *              a set of other tokens that was read there by itself, in the same mode
 * All else (context, positions, weights of the readout, the other edges) is the run's.  */
typedef enum tempo_trace_kind {
    TEMPO_TRACE_ALL = 0, /* all edges of the layers that are traced */
    TEMPO_TRACE_HEAD,    /* [layers, heads] those of one head */
    TEMPO_TRACE_LAYER,   /* [layers] of all heads of one layer */
    TEMPO_TRACE_BELOW,   /* [layers] of the first layer that is traced up to this one */
    TEMPO_TRACE_ABOVE,   /* [layers] of this layer up to the last one */
    TEMPO_TRACE_KEEP,    /* [kept] of all heads but the k strongest: those whose cut alone moves q most (TV), of equal ones the lower layer
                            and head first */
    TEMPO_TRACE_KINDS
} tempo_trace_kind;
/* "all", "heads", "layers", "below", "above", "keep" */
TEMPO_API const char *tempo_trace_kind_name(tempo_trace_kind v);

typedef struct tempo_trace_options {
    size_t size;
    const tempo_decode_options *decoding; /* of the run: mode and its layers, readout, temperature, threshold, max_set, nudge; NULL: the
                                             defaults, but visible.  Not isolated, no replay.  With edits, those that seq has; such as name
                                             sets, siblings or `previous`, and patches by slot, do not go with strangers */
    uint32_t first_layer, last_layer;     /* traced, both included; 0, TEMPO_ALL_LAYERS.  Edges of other layers stay as they are */
    const int32_t *strangers;             /* one for each member that has a slot, in slot order; NULL: nothing is exchanged */
    const int32_t *tokens;                /* [n_tokens] whose probabilities are told */
    size_t n_tokens;
    uint64_t max_bytes; /* for what rides in one batch, about; 0: half of what is available.  No number depends on it */
    void *user;
    bool (*poll)(void *user);                                  /* once a layer: false stops it; NULL */
    void (*progress)(void *user, size_t done, size_t total);   /* cells; NULL */
} tempo_trace_options;
/* The defaults: all layers, cut only, no tokens. */
TEMPO_API void tempo_trace_options_init_size(tempo_trace_options *o, size_t size);
static inline void tempo_trace_options_init(tempo_trace_options *o) { tempo_trace_options_init_size(o, sizeof(*o)); }

/* How far q is from another one. */
typedef struct tempo_trace_effect {
    double tv;        /* total variation, 0 to 1 */
    double kl;        /* in nats, KL(the one that is named first || the other) */
    bool set_changes; /* each would select another set by the run's threshold and max_set */
} tempo_trace_effect;

typedef struct tempo_trace_cell {
    tempo_trace_kind kind;
    uint32_t layer, head; /* where its kind has such; 0 */
    size_t kept;          /* heads that are kept, of TEMPO_TRACE_KEEP */
    tempo_trace_effect cut;       /* the run, and with these edges cut */
    tempo_trace_effect exchanged; /* the run, and with strangers there: what it matters who they are */
    tempo_trace_effect strangers; /* with strangers there, and with the edges cut: what any tokens do there */
} tempo_trace_cell;

/* All that it points to is its own. */
typedef struct tempo_trace {
    size_t n_members; /* rows of the set */
    size_t n_layers, n_heads, n_tokens;
    uint32_t first_layer;
    bool exchanged;                  /* there were strangers; else those effects are 0 */
    const tempo_trace_cell *cells;   /* [n_cells] by kind, in the order of the kind's dimensions */
    size_t n_cells;
    size_t first[TEMPO_TRACE_KINDS], n[TEMPO_TRACE_KINDS]; /* where each kind's cells begin, and how many there are */
    const uint32_t *strongest;       /* [layers * heads] layer * heads + head, counted from first_layer, by strength */
    const double *token_q;           /* [tokens] in the run */
    const double *token_cut;         /* [cells, tokens] */
    const double *token_exchanged;   /* [cells, tokens], or NULL */
} tempo_trace;

/* Of a set that lies behind the first slots of seq, which may go on behind it: seq as a decoder with these options has it
 * (tempo_decoder_seq), set as it took it.  seq stays as it is.  A row that is read without any change has the run's bits, and the cell of all
 * edges in all layers those of mode isolated.  The variants share what is in front of the set and ride in as few batches as max_bytes
 * allows; each begins in the lowest layer that it changes.  TEMPO_E_ARG for a set with fewer than two slots or whose slots are not there, for
 * layers, tokens and options that do not fit; TEMPO_E_STOPPED when poll says so.  Logits of the engine's last pass are gone.  */
TEMPO_API tempo_status tempo_trace_siblings(tempo_trace **out, tempo_engine *e, const tempo_seq *seq, const tempo_set *set,
                                            const tempo_trace_options *o, tempo_err *err) TEMPO_MUST_CHECK;
TEMPO_API void tempo_trace_free(tempo_trace *t);

/* What it takes to trace one set of so many members in a context of so many slots. */
typedef struct tempo_trace_cost {
    size_t cells, rows; /* rows that go through the model, those that begin in a later layer counted whole */
    size_t batches;
    uint64_t bytes; /* of the largest batch, about */
} tempo_trace_cost;
/* TEMPO_E_ARG as tempo_trace_siblings. */
TEMPO_API tempo_status tempo_trace_estimate(tempo_trace_cost *out, const tempo_model *m, const tempo_trace_options *o,
                                            size_t members, size_t context, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- helpers ----------------------------------------------------------------------- */

/* Bytes of memory that this process may still take: what the machine has without swapping, and what the limits of its control
 * groups (containers, batch jobs) leave.  UINT64_MAX where the system says nothing.  */
TEMPO_API uint64_t tempo_memory_available(void);

/* Frees what the functions above say the caller frees. */
TEMPO_API void tempo_free(void *p);
/* Bytes of s[n] before the first one that is not valid UTF-8 (n if all are). */
TEMPO_API size_t tempo_utf8_valid(const char *s, size_t n);
/* Write data[shape[0] * .. * shape[n_dims-1]] float32 in C order as a NumPy .npy file: complete
 * or not at all (written beside it, synced, renamed); a device such as /dev/null is written in place. */
TEMPO_API tempo_status tempo_npy_save(const char *path, const float *data, const uint64_t *shape,
                                      unsigned n_dims, tempo_err *err) TEMPO_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
