/* alphabet.h - the printable characters by which byte-level BPE spells bytes.  Source: GPT-2's
 * bytes_to_unicode: 33..126, 161..172 and 174..255 stand for themselves, the 68 others in rising order for
 * U+0100 and up.  */
#ifndef TEMPO_TOKEN_ALPHABET_H
#define TEMPO_TOKEN_ALPHABET_H
#include <stdbool.h>
#include <stddef.h>

/* Spell bytes[n] into out[2 * n]; returns the length. */
size_t tempo_alphabet_spell(char *out, const char *bytes, size_t n);
/* The bytes that spelling[n] stands for into out[n]; returns false if a character is not of the alphabet
 * or the spelling is not UTF-8.  */
bool tempo_alphabet_read(char *out, size_t *out_len, const char *spelling, size_t n);

#endif
