/* lens.h - tempo lens: what was looked at, and the forms in which it is told.  Private to cli/lens, but for the
 * names of tokens, which cli/patch has, too.  */
#ifndef TEMPO_CLI_LENS_H
#define TEMPO_CLI_LENS_H
#include "cli/session.h"
#include "draw/draw.h"
#include "lens/rows.h"

typedef struct lens_view {
    session *s;
    const options *o;
    const char *dir; /* of the capture; NULL: the prompt */
    tempo_rows_row *rows; /* [n_rows] that were chosen */
    size_t n_rows;
    int32_t *tokens; /* [n_tokens] the answers */
    size_t n_tokens;
    int32_t token, minus; /* that are attributed; -1: none */
    tempo_lens *lens;
    tempo_attribution *parts; /* NULL: not asked for */
} lens_view;

/* ---- lens_names.c: tokens and rows by name, tokens as text ---- */
/* "A,B": each the text of one token, or its number as #123.  An exit code, whose message was printed. */
int lens_read_tokens(const session *s, const char *option, const char *list, int32_t **ids, size_t *n);
/* chosen[n] = which of those rows the text names: slots, ranges of them, from the end -1, -2, ..., all. */
int lens_choose(const char *text, const tempo_rows_row *rows, size_t n, bool *chosen);
/* A token as text with visible spaces: at most `width` cells of a terminal (0: all of it), filled up to them with spaces. */
void lens_token(tempo_text *t, const session *s, int32_t id, size_t width);
/* The same for free(), or NULL. */
char *lens_token_text(const session *s, int32_t id);
/* "input", "0", "1", ... */
const char *lens_point(uint32_t layer, char out[16]);

/* ---- one file each ---- */
int lens_print(const lens_view *v);  /* lens_text.c */
int lens_json(const lens_view *v);   /* lens_json.c */
int lens_npz(const lens_view *v);    /* lens_npz.c: o->npz */
int lens_svg(const lens_view *v);    /* lens_svg.c: o->svg */

#endif
