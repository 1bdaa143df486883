/* format.h - numbers and text in a field: what % and format() share; private to src/chat. */
#ifndef TEMPO_CHAT_BUILTIN_FORMAT_H
#define TEMPO_CHAT_BUILTIN_FORMAT_H
#include "chat/builtin/call.h"

/* [[fill]align][sign][#][0][width][group][.precision][type] */
typedef struct tempo_chat_spec {
    tempo_chat_str fill; /* one character; n 0: a space */
    char align;          /* < > = ^, 0: as the type has it */
    char sign;           /* + - or a space, 0: - */
    char group;          /* , or _, 0: none */
    char type;           /* 0: as str() */
    bool alternate, zero;
    int64_t width, precision; /* precision -1: none */
} tempo_chat_spec;

enum { TEMPO_CHAT_MAX_PRECISION = 500 };

/* Into b: an integer by bcdoxX, a number by eEfFgG% (or 0 of a float), text; TEMPO_E_ARG for another type. */
tempo_status tempo_chat_format_int(tempo_chat_call *c, int64_t i, const tempo_chat_spec *spec,
                                   tempo_chat_buffer *b) TEMPO_MUST_CHECK;
tempo_status tempo_chat_format_float(tempo_chat_call *c, double f, const tempo_chat_spec *spec,
                                     tempo_chat_buffer *b) TEMPO_MUST_CHECK;
tempo_status tempo_chat_format_text(tempo_chat_call *c, tempo_chat_str text, const tempo_chat_spec *spec,
                                    tempo_chat_buffer *b) TEMPO_MUST_CHECK;

#endif
