/* normal.h - what happens to a text before it is cut into words: a list of steps, each from text to text.
 *
 * The steps are those of the tokenizers library's normalizers; normalisation forms take time linear in the
 * text, but for sorting combining marks.  Texts carry beside each byte whether it is from outside, for what
 * may not name a control token: a byte that a step makes is from outside if one of those is that it is made
 * from.  */
#ifndef TEMPO_TOKEN_NORMAL_H
#define TEMPO_TOKEN_NORMAL_H
#include "text/regex.h"

typedef struct tempo_passage {
    char *p;                /* [n] valid UTF-8 */
    unsigned char *outside; /* [n] where `marked`, else not read */
    size_t n, cap;
    bool marked;
} tempo_passage;

/* Room for n bytes; what is there stays.  False without memory. */
bool tempo_passage_reserve(tempo_passage *t, size_t n);
/* n bytes more, all from outside or none. */
bool tempo_passage_append(tempo_passage *t, const char *s, size_t n, bool outside);
/* The bytes from begin to end of another text more, with what it says about them. */
bool tempo_passage_append_part(tempo_passage *t, const tempo_passage *from, size_t begin, size_t end);
void tempo_passage_free(tempo_passage *t);

typedef enum tempo_form {
    TEMPO_FORM_NFC,
    TEMPO_FORM_NFD,
    TEMPO_FORM_NFKC,
    TEMPO_FORM_NFKD,
    TEMPO_FORM_LOWER,   /* lower case */
    TEMPO_FORM_BARE,    /* without combining marks */
    TEMPO_FORM_NMT,     /* control characters go, other spaces and U+FFFD become spaces */
    TEMPO_FORM_LSTRIP,  /* white space goes in front, */
    TEMPO_FORM_RSTRIP,  /* at the end, */
    TEMPO_FORM_STRIP,   /* at both */
    TEMPO_FORM_REPLACE, /* matches become `content` */
    TEMPO_FORM_PREPEND, /* `content` in front of what is not empty */
} tempo_form;

typedef struct tempo_normal tempo_normal;

enum { TEMPO_NORMAL_MAX_STEPS = 64 };

tempo_status tempo_normal_create(tempo_normal **out, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_normal_free(tempo_normal *z);
/* TEMPO_E_LIMIT beyond MAX_STEPS.  The content is copied. */
tempo_status tempo_normal_add(tempo_normal *z, tempo_form form, const char *content, size_t n,
                              tempo_err *err) TEMPO_MUST_CHECK;
/* Takes the pattern over, on failure too. */
tempo_status tempo_normal_add_replace(tempo_normal *z, tempo_regex *pattern, const char *content, size_t n,
                                      tempo_err *err) TEMPO_MUST_CHECK;

/* Do all steps of z (NULL: none) to t; spare is another text's room.  TEMPO_E_LIMIT when a pattern needs too
 * much work, or the text grows beyond 64 times its length and TEMPO_NORMAL_GROWTH.  */
enum { TEMPO_NORMAL_GROWTH = 1 << 20 };
tempo_status tempo_normal_apply(const tempo_normal *z, tempo_regex_work *w, tempo_passage *t,
                                tempo_passage *spare, tempo_err *err) TEMPO_MUST_CHECK;

#endif
