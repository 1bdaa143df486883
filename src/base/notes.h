/* notes.h - what is wrong with something that can be used nevertheless.  Texts as tempo_err has them: no period, no newline. */
#ifndef TEMPO_BASE_NOTES_H
#define TEMPO_BASE_NOTES_H
#include "tempo.h"

enum { TEMPO_MAX_NOTES = 16 };

/* { 0 } to begin with. */
typedef struct tempo_notes {
    size_t n;
    char text[TEMPO_MAX_NOTES][sizeof(((tempo_err *)0)->msg)];
} tempo_notes;

/* One more; what is there already, and what is beyond the last place, is left out.  notes may be NULL. */
void tempo_note(tempo_notes *notes, const char *fmt, ...) TEMPO_PRINTF(2, 3);

#endif
