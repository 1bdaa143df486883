/* terminal.h - what reports need to know of the terminal. */
#ifndef TEMPO_CLI_TERMINAL_H
#define TEMPO_CLI_TERMINAL_H
#include <stddef.h>

/* Columns of the terminal that standard output is, or what COLUMNS says; 80 when there is none. */
size_t terminal_width(void);

#endif
