/* parts.h - what the files of the template language share; private to src/chat.
 *
 *   template/lex.c       template text -> lexemes, white space around tags taken away
 *   template/parse.c     lexemes -> statements;  template/expr.c: expressions
 *   template/run.c       statements -> text;  template/macro.c: macros;  template/input.c: the names that a template begins with
 *   template/eval.c      expressions -> values;  builtin/member.c: a.b, a[b], a[b:c];  builtin/call.c: f(a, b=c)
 *   builtin/filter*.c, test.c, method*.c, function.c: what can be called
 *   template/value.c     comparing values;  template/map.c: lists and mappings;  template/repr.c, template/dumps.c: values -> text
 *   template/number.c    numbers;  builtin/format.c, builtin/percent.c: numbers and text in a format
 *   template/json.c      JSON -> values
 *   template/text.c      what strings can do;  template/unicode.c: what characters are
 * Sources: Jinja2 3.1.6 (its documentation, and its source where that says less), and how Hugging Face's transformers
 * sets it up: an immutable sandbox, trim_blocks, lstrip_blocks, loop controls.  */
#ifndef TEMPO_CHAT_PARTS_H
#define TEMPO_CHAT_PARTS_H
#include "io/json.h"
#include "chat/chat.h"

/* The bounds of what a template can do. */
enum {
    TEMPO_CHAT_MAX_NESTING = 100,   /* blocks and brackets inside one another */
    TEMPO_CHAT_MAX_DEPTH = 400,     /* of evaluation, macros included */
    TEMPO_CHAT_MAX_VALUES = 100,    /* of lists in lists */
    TEMPO_CHAT_MAX_STEPS = 2000000, /* nodes evaluated, and one for every 256 bytes of text that is worked on */
    TEMPO_CHAT_MAX_OUTPUT = 16 << 20,
    TEMPO_CHAT_MAX_PARSED = 64 << 20, /* memory of a parsed template */
    TEMPO_CHAT_MAX_MEMORY = 256 << 20, /* memory of one rendering */
};

/* ---- memory: one by one out of blocks, freed together ---- */

typedef struct tempo_chat_heap {
    struct tempo_chat_block *blocks;
    unsigned char *at, *end; /* room in the newest block */
    size_t used, limit;
    tempo_status failed; /* what the last NULL meant */
    tempo_err *err;
} tempo_chat_heap;

/* Zeroed; NULL with err filled when there is none (TEMPO_E_NOMEM) or too much is wanted (TEMPO_E_LIMIT). */
void *tempo_chat_alloc(tempo_chat_heap *h, size_t n);
void tempo_chat_heap_free(tempo_chat_heap *h);

/* ---- text ---- */

/* Text, and where it is from. */
typedef struct tempo_chat_str {
    const char *p;              /* [n] UTF-8; not NULL in values */
    const unsigned char *outside; /* [n] 1: this byte came with a message; NULL: none did */
    size_t n;
} tempo_chat_str;

/* Text that grows, on a heap. */
typedef struct tempo_chat_buffer {
    char *p;
    unsigned char *outside;
    size_t n, cap;
    bool any_outside;
} tempo_chat_buffer;

tempo_status tempo_chat_append(tempo_chat_heap *h, tempo_chat_buffer *b, tempo_chat_str s) TEMPO_MUST_CHECK;
/* n <= 16 bytes of text that are from where s[at] is from. */
tempo_status tempo_chat_append_like(tempo_chat_heap *h, tempo_chat_buffer *b, const char *text, size_t n,
                                    tempo_chat_str s, size_t at) TEMPO_MUST_CHECK;
static inline tempo_chat_str tempo_chat_buffer_str(const tempo_chat_buffer *b)
{
    return (tempo_chat_str){b->p != NULL ? b->p : "", b->any_outside ? b->outside : NULL, b->n};
}
static inline tempo_chat_str tempo_chat_part(tempo_chat_str s, size_t begin, size_t end)
{
    return (tempo_chat_str){s.p + begin, s.outside != NULL ? s.outside + begin : NULL, end - begin};
}
bool tempo_chat_is(tempo_chat_str s, const char *text);
bool tempo_chat_same(tempo_chat_str a, tempo_chat_str b);
tempo_chat_str tempo_chat_literal(const char *text);

/* ---- a parsed template ---- */

typedef struct tempo_chat_node tempo_chat_node;

typedef struct tempo_chat_program {
    const char *label; /* "the chat template of the model" ...: how messages begin */
    char *text;        /* [n] line ends are \n */
    size_t n;
    tempo_chat_heap heap; /* text, label and nodes */
    const tempo_chat_node *body;
} tempo_chat_program;

/* A failure at a place of the template. */
tempo_status tempo_chat_fail(const tempo_chat_program *p, size_t at, tempo_status code, tempo_err *err,
                             const char *fmt, ...) TEMPO_PRINTF(5, 6);

/* Parse text[n], which is copied.  On failure nothing is left. */
tempo_status tempo_chat_parse(tempo_chat_program *p, const char *label, const char *text, size_t n,
                              tempo_err *err) TEMPO_MUST_CHECK;

/* What a rendering is given. */
typedef struct tempo_chat_input {
    const tempo_message *messages;
    size_t n_messages;
    const json_t *conversation; /* array of messages in place of `messages`; NULL: these */
    const json_t *tools, *documents, *variables; /* NULL: none; variables: an object */
    tempo_chat_str bos, eos; /* p NULL: the model has none */
    bool add_generation_prompt;
    int thinking;
    int year, month, day, hour, minute, second, weekday; /* month 1.., weekday 0 = Sunday */
} tempo_chat_input;

/* The text lies on h. */
tempo_status tempo_chat_run(const tempo_chat_program *p, const tempo_chat_input *in, tempo_chat_heap *h,
                            tempo_chat_str *out, tempo_err *err) TEMPO_MUST_CHECK;

#endif
