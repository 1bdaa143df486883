/* vt.h - a terminal to test against: understands what the program draws with and nothing else. */
#ifndef TESTS_SUPPORT_VT_H
#define TESTS_SUPPORT_VT_H
#include <stdbool.h>
#include <stddef.h>

enum { VT_WIDTH = 400, VT_HEIGHT = 120, VT_PLAIN = 1 << 16 };

typedef struct vt {
    int width, height, x, y;
    char cells[VT_HEIGHT][VT_WIDTH][32]; /* "" is the right half of a wide character */
    bool alternate, cursor, wrap;
    bool colored;      /* some colour has been asked for */
    size_t unknown;    /* sequences and control characters that it does not know */
    size_t outside;    /* moves of the cursor to where the screen is not; a frame for another size makes some */
    size_t cut;        /* sequences and characters that an escape cut short, as it does on real terminals */
    size_t strange_at; /* byte of the first of them, counted from the beginning */
    size_t n_fed;
    char plain[VT_PLAIN]; /* [n_plain] what was written outside of the alternate screen, without sequences */
    size_t n_plain;
    char pending[64]; /* [n_pending] of a sequence or character that is not whole */
    size_t n_pending;
} vt;

void vt_init(vt *t, int width, int height);
/* A new size: the text is lost. */
void vt_resize(vt *t, int width, int height);
void vt_feed(vt *t, const char *s, size_t n);
/* A row without the spaces at its end; static. */
const char *vt_row(const vt *t, int y);
/* Is the text somewhere on the screen, within a row? */
bool vt_shows(const vt *t, const char *text);

#endif
