#include "support/pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void test_pieces(const tempo_tokenizer *t, const char *text, unsigned flags, const char *expected)
{
    char got[1024] = "";
    tempo_err err = {0};
    int32_t *ids;
    size_t n, at = 0;

    if (tempo_tokenize(t, text, strlen(text), flags, &ids, &n, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *p = tempo_token_piece(t, ids[i], &len);
        at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%.*s", i > 0 ? "|" : "", (int)len, p);
    }
    assert_string_equal(got, expected);
    tempo_free(ids);
}
