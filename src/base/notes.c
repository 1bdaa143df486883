#include "base/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tempo_note(tempo_notes *notes, const char *fmt, ...)
{
    va_list ap;

    if (notes == NULL || notes->n == TEMPO_MAX_NOTES)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(notes->text[notes->n], sizeof(notes->text[0]), fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < notes->n; i++)
        if (strcmp(notes->text[i], notes->text[notes->n]) == 0)
            return;
    notes->n++;
}
