/* endings.h - how signals end the program, and what is tidied before: the terminal, and files that were not finished.  */
#ifndef TEMPO_CLI_ENDINGS_H
#define TEMPO_CLI_ENDINGS_H
#include <stdbool.h>

/* At the start of the program: whatever signal ends it, the terminal is given back and unfinished files are removed
 * first.  A mapped file whose pages are gone (SIGBUS: it was cut short while it was read) ends it with a message that
 * names the file, and EXIT_FAILED.  Signals that are ignored or handled by somebody else stay so.  */
void prepare_endings(void);

/* From now on Ctrl-C and SIGTERM set a flag instead of ending the program.  Senders often signal twice, a process and its
 * group, so that a second one ends it at once only when it comes half a second or more after the first.  */
void catch_interrupts(void);
bool interrupted(void);
bool poll_interrupts(void *unused); /* the same as a callback: false once it is set */
void interrupt(void); /* set the flag */

#endif
