/* fuzz_json.c - any bytes as JSON of a file and of a request.  What jansson's own reader takes, ours reads
 * alike; what requests may hold, files may, too; and what was read can be written and read again. */
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static json_t *read_with(tempo_status (*parse)(json_t **, const char *, uint64_t, tempo_err *),
                         const char *text, size_t n, tempo_status *st)
{
    tempo_err err = {0};
    json_t *root = NULL;

    *st = parse(&root, text, n, &err);
    CHECK((*st == TEMPO_OK) == (root != NULL) && err.code == *st);
    CHECK(*st == TEMPO_OK || (err.msg[0] != '\0' && (err.offset == TEMPO_NO_OFFSET || err.offset <= n)));
    return root;
}

static void check_against_jansson(const char *text, size_t n, const json_t *strict, tempo_status st)
{
    json_t *theirs = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    /* it takes a NUL for the end */
    CHECK(theirs == NULL || st == TEMPO_E_LIMIT || memchr(text, '\0', n) != NULL ||
          (strict != NULL && json_equal(theirs, strict)));
    json_decref(theirs);
}

static void check_again(const json_t *root)
{
    const size_t size = json_dumpb(root, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);
    char *text = malloc(size + 1);
    tempo_status st;

    CHECK(size > 0 && text != NULL && json_dumpb(root, text, size, JSON_ENCODE_ANY | JSON_COMPACT) == size);
    json_t *again = read_with(tempo_json_parse, text, size, &st);
    CHECK(st == TEMPO_E_LIMIT || json_equal(root, again));
    json_decref(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    tempo_status file, request;
    json_t *loose = read_with(tempo_json_parse, text, n, &file),
           *strict = read_with(tempo_json_parse_strict, text, n, &request);

    CHECK(request != TEMPO_OK || file == TEMPO_OK);
    check_against_jansson(text, n, strict, request);
    if (loose != NULL)
        check_again(loose);
    json_decref(loose);
    json_decref(strict);
    return 0;
}
