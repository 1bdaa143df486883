/* pieces.h - what a tokenizer makes of a text, as the spellings of its tokens. */
#ifndef TEMPO_TESTS_PIECES_H
#define TEMPO_TESTS_PIECES_H
#include "token/token.h"

/* The pieces of a text are these, separated by '|'. */
void test_pieces(const tempo_tokenizer *t, const char *text, unsigned flags, const char *expected);

#endif
