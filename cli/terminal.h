/* terminal.h - a terminal that a program draws on, and how it gets it back.
 *
 * Whatever ends the program (return, exit, a second Ctrl-C, SIGTERM, a crash) or suspends it (Ctrl-Z), the terminal is as it
 * was before: its modes, its cursor, its text.  One terminal: standard output's, and standard input's for keys.  */
#ifndef TEMPO_CLI_TERMINAL_H
#define TEMPO_CLI_TERMINAL_H
#include <stdbool.h>
#include <stddef.h>

/* NULL if standard output is a terminal that can be drawn on, else what is in the way. */
const char *terminal_problem(void);

/* Columns of the terminal that standard output is, or what COLUMNS says; 80 when there is none. */
size_t terminal_width(void);

/* Switch to the alternate screen, hide the cursor; keys come one by one where standard input is a terminal too. */
void terminal_enter(void);
/* Everything back.  Async-signal-safe; nothing where it was not entered. */
void terminal_leave(void);
bool terminal_is_entered(void);
bool terminal_has_keys(void);

/* Has its size changed, or its text been lost, since the last call of terminal_size? */
bool terminal_changed(void);
/* false: nothing has changed */
bool terminal_size(int *width, int *height);
/* Was Ctrl-Z typed?  Then leave, stop until the shell continues us, and enter again. */
void terminal_suspend_if_asked(void);
/* All of text[n]; what cannot be written is lost. */
void terminal_write(const char *text, size_t n);

typedef enum terminal_key {
    KEY_NONE, /* nothing yet */
    KEY_LEFT,
    KEY_RIGHT,
    KEY_UP,
    KEY_DOWN,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_SPACE,
    KEY_QUIT,
    KEY_OTHER,
} terminal_key;

/* Keys arrive as sequences of bytes, which may be cut anywhere. */
typedef struct key_parser {
    unsigned char p[8]; /* [n] of an escape sequence */
    size_t n;
} key_parser;

/* What the next byte completes. */
terminal_key key_from_byte(key_parser *k, unsigned char byte);

/* The next key that has been typed; KEY_NONE when there is none, KEY_QUIT when the terminal is gone. */
terminal_key terminal_read_key(void);
/* Between hold and release signals arrive in terminal_wait alone, so that none gets lost between looking at what they
 * have set and sleeping.  terminal_wait sleeps until a key is typed or a signal has come.  */
void terminal_hold_signals(void);
void terminal_wait(void);
void terminal_release_signals(void);

#endif
