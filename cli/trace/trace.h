/* trace.h - tempo trace: what was traced, and the forms in which it is told.  Private to cli/trace. */
#ifndef TEMPO_CLI_TRACE_H
#define TEMPO_CLI_TRACE_H
#include "cli/prompt/prompts.h"
#include "draw/draw.h"
#include "trace/trace.h"

/* A set that was traced, all of it its own. */
typedef struct traced_set {
    tempo_set set;
    int32_t *strangers; /* [t->n_members], or NULL */
    tempo_trace *t;
} traced_set;

typedef struct traced_prompt {
    size_t index;
    session s;                     /* its prompt; the model is the view's */
    const tempo_prompt_line *line; /* NULL: of -p */
    traced_set *sets;              /* [n] */
    size_t n, cap;
    tempo_trace_means means; /* of them */
} traced_prompt;

typedef struct trace_view {
    session *s;
    const options *o;
    tempo_decode_options decoding;
    tempo_trace_options trace;
    tempo_prompt_lines *lines; /* NULL: one prompt */
    traced_prompt *prompts;    /* [n_prompts] */
    size_t n_prompts;
    size_t n_sets, parallel; /* traced; those that there are, as far as it is known */
    int32_t *tokens;         /* [n_tokens] */
    size_t n_tokens;
    tempo_strangers pool;
    tempo_trace_means means; /* of all sets */
} trace_view;

/* ---- one file each: an exit code, whose message was printed ---- */
int trace_print(const trace_view *v); /* trace_text.c */
int trace_json(const trace_view *v);  /* trace_json.c */
int trace_csv(const trace_view *v);   /* trace_csv.c: o->csv */
int trace_npz(const trace_view *v);   /* trace_npz.c: o->npz */
int trace_svg(const trace_view *v);   /* trace_svg.c: o->svg */
int trace_curves(const trace_view *v); /* trace_svg.c: o->curves */

#endif
