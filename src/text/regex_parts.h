/* regex_parts.h - a pattern as a tree, and as a program; shared by regex_parse.c, regex_compile.c,
 * regex_match.c. */
#ifndef TEMPO_TEXT_REGEX_PARTS_H
#define TEMPO_TEXT_REGEX_PARTS_H
#include "base/text.h"
#include "text/charset.h"
#include "text/regex.h"

enum {
    TEMPO_REGEX_MAX_DEPTH = 200,
    TEMPO_REGEX_MAX_NODES = 1 << 17,
    TEMPO_REGEX_MAX_CODE = 1 << 15,
    TEMPO_REGEX_MAX_CHOICES = 1 << 12,
    TEMPO_REGEX_MAX_SETS = 1 << 10,
    TEMPO_REGEX_MAX_REPEAT = 1000,
    TEMPO_REGEX_ALTERNATIVES = 64, /* of one choice */
    TEMPO_REGEX_FOREVER = 1 << 30, /* repetitions */
};

/* ---- the tree ---- */

typedef enum tempo_node_kind {
    TEMPO_NODE_EMPTY,
    TEMPO_NODE_SET,      /* one character of set `value` */
    TEMPO_NODE_SEQUENCE, /* of children */
    TEMPO_NODE_CHOICE,   /* of children */
    TEMPO_NODE_REPEAT,   /* the child, min to max times */
    TEMPO_NODE_AHEAD,    /* the child matches here; `negative`: does not */
    TEMPO_NODE_BEHIND,   /* the child matches up to here */
    TEMPO_NODE_ATOMIC,   /* the child, once and for all */
    TEMPO_NODE_ANCHOR,   /* tempo_anchor `value` */
} tempo_node_kind;

typedef enum tempo_anchor {
    TEMPO_ANCHOR_TEXT_BEGIN, /* \A */
    TEMPO_ANCHOR_TEXT_END,   /* \z */
    TEMPO_ANCHOR_LAST_LINE,  /* \Z: the end, or a line feed that ends the text */
    TEMPO_ANCHOR_LINE_BEGIN, /* ^ */
    TEMPO_ANCHOR_LINE_END,   /* $ */
    TEMPO_ANCHOR_WORD,       /* \b */
    TEMPO_ANCHOR_NO_WORD,    /* \B */
    TEMPO_ANCHOR_START,      /* \G: where the search began */
} tempo_anchor;

typedef enum tempo_greed { TEMPO_GREEDY, TEMPO_LAZY, TEMPO_POSSESSIVE } tempo_greed;

typedef struct tempo_node {
    uint8_t kind, greed;
    bool negative, nullable; /* nullable: may match nothing */
    uint32_t child, next;    /* the first child; the next of the parent's children; 0 = none */
    uint32_t value, min, max;
    uint64_t first[4]; /* bits: bytes with which a match that is not empty may begin */
} tempo_node;

typedef struct tempo_tree {
    tempo_node *nodes; /* [n], the first one is none */
    size_t n, cap;
    tempo_chars *sets; /* [n_sets] tidy, no two equal */
    size_t n_sets, sets_cap;
    uint32_t root;
} tempo_tree;

/* The tree of a pattern. */
tempo_status tempo_regex_parse(tempo_tree *t, const char *pattern, size_t n, tempo_regex_kind kind,
                               tempo_err *err) TEMPO_MUST_CHECK;
void tempo_tree_free(tempo_tree *t);
/* What \w, \s, \p{...} and [:...:] are (regex_class.c), the first within brackets or without, the last always
 * within; *known is false for another name.  False without memory.  */
bool tempo_regex_shorthand(tempo_chars *s, char letter, bool bracket);
bool tempo_regex_property(tempo_chars *s, const char *name, size_t n, bool bracket, bool *known);

/* ---- the program ---- */

typedef enum tempo_op {
    TEMPO_OP_ACCEPT,
    TEMPO_OP_SET,    /* a character of set x */
    TEMPO_OP_RUN,    /* min to max characters of set x, at once */
    TEMPO_OP_CHOICE, /* choice x */
    TEMPO_OP_JUMP,   /* to x */
    TEMPO_OP_AHEAD,  /* the program behind it, up to accept; goes on at x; `flag`: must not match */
    TEMPO_OP_ATOMIC, /* the program behind it, up to accept; goes on at x from where that ended */
    TEMPO_OP_BACK,   /* x characters back */
    TEMPO_OP_ANCHOR, /* tempo_anchor x */
    TEMPO_OP_MARK,   /* here begins a turn of a loop that may match nothing; slot x */
    TEMPO_OP_CHECK,  /* here it ends: without progress, goes on at min */
} tempo_op;

typedef struct tempo_instruction {
    uint8_t op, flag; /* flag: of a run its tempo_greed */
    uint16_t memory;  /* of a choice or run: its number among those */
    uint32_t x, min, max;
} tempo_instruction;

typedef struct tempo_choice {
    uint64_t may[257]; /* bits: alternatives that may match before this byte; [256]: at the end */
    uint32_t to[TEMPO_REGEX_ALTERNATIVES];
} tempo_choice;

struct tempo_regex {
    tempo_instruction *code; /* [n] */
    tempo_choice *choices;   /* [n_choices] */
    tempo_charset *sets;     /* [n_sets] */
    tempo_charset word;      /* of \b */
    size_t n, cap, n_choices, choices_cap, n_sets, n_memory, n_slots;
    bool from_start;  /* it asks where the search began (\\G): what fails at a place may match there in another search */
    bool starts[257]; /* bytes with which a match may begin; [256]: at the end */
};

#endif
