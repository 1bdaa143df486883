/* view_layout.h - what `tempo generate --view` draws: steps and a size in, a screen of cells out.
 *
 * Pure: no terminal, no clock, no model.  A step is a column.  Its members stand in it from the most probable down, so that
 * the first row reads as a sentence; each is as high as it is probable, where there is room.  Several arms share columns and
 * stand one above the other.  On high screens columns continue in a further band below, as text does in lines.  */
#ifndef TEMPO_CLI_GENERATE_VIEW_LAYOUT_H
#define TEMPO_CLI_GENERATE_VIEW_LAYOUT_H
#include <tempo.h>

#include "cli/generate/cells.h"

enum { VIEW_ARMS = 8, VIEW_TEXT_CELLS = 18 /* of a member's text that are shown */ };

/* A token's bytes, and whether it ends a text. */
typedef struct view_vocab {
    const void *user;
    const char *(*bytes)(const void *user, int32_t id, size_t *n); /* NULL: it has none, the id is shown */
    bool (*is_eos)(const void *user, int32_t id);
} view_vocab;

typedef struct view_arm {
    const char *name;
    const tempo_set *sets; /* [n_sets] */
    size_t n_sets;
    const char *sentence;  /* [n_sentence] the prompt's end, then the first members */
    size_t n_sentence, n_prompt; /* bytes; those of the prompt */
} view_arm;

typedef struct view_input {
    view_vocab vocab;
    const view_arm *arms; /* [n_arms] */
    size_t n_arms;
    const int *widths; /* [n_columns] from view_column_width; the largest of all arms */
    size_t n_columns;  /* the largest n_sets */
    const char *title, *status; /* of the first line, left and right; UTF-8 or not */
    const char *keys;
    size_t first_difference; /* column where the arms' sets first differ, SIZE_MAX: none */
    bool colors;
    /* what the person looks at */
    bool follow;      /* the newest columns, whatever `first` is */
    size_t first;     /* column that must be seen */
    size_t skip;      /* members scrolled away in sets that are higher than the screen */
} view_input;

/* What keys then do. */
typedef struct view_place {
    size_t first, end;       /* the columns that are on the screen */
    size_t earlier, later;   /* `first` of one step left and right */
    bool newest;             /* the newest column is on the screen */
    size_t most_skip;        /* more would show nothing new */
} view_place;

/* Cells of a set's column, without the gap behind it. */
int view_column_width(const view_vocab *v, const tempo_set *set);

/* Draw into s, which has its size. */
view_place view_layout(screen *s, const view_input *in);

#endif
