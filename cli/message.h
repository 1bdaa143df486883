/* message.h - talk on standard error; standard output is for data. */
#ifndef TEMPO_CLI_MESSAGE_H
#define TEMPO_CLI_MESSAGE_H
#include <stdbool.h>

#include <tempo.h>

/* "tempo: ...\n" on standard error.  Control characters in it are shown as escapes.  A terminal that is drawn on is left. */
void say(const char *fmt, ...) TEMPO_PRINTF(1, 2);
/* The same for a failure of the library; returns the exit code that goes with it. */
int say_error(const tempo_err *err);

/* What the model's user should know of it. */
void say_notes(const tempo_model *m);

/* Flush standard output; false, with a message, if anything that was written to it is lost. */
bool finish_output(void);

/* How far something is, on the last line of a terminal that standard error is: "what  43%", once it has taken half a second.
 * Begins with done 0; done >= total takes the line away.  */
void show_progress(const char *what, uint64_t done, uint64_t total);

/* Milliseconds since some fixed moment. */
double now_ms(void);

#endif
