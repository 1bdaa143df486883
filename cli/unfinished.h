/* unfinished.h - files and directories that this process is making and that do not have their names yet.  */
#ifndef TEMPO_CLI_UNFINISHED_H
#define TEMPO_CLI_UNFINISHED_H

/* Remove them.  Async-signal-safe; meant for a process that is about to end: who writes them meanwhile fails. */
void remove_unfinished(void);

#endif
