/* fuzz_tokenizer.c - any bytes as a tokenizer.json; what can be built then tokenizes some texts and the
 * input. */
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "token/token.h"

static void check_text(const tempo_tokenizer *t, const char *text, size_t n, unsigned flags)
{
    const uint32_t n_tokens = tempo_tokenizer_get_info(t).n_tokens;
    tempo_err err = {0};
    int32_t *ids;
    size_t n_ids, len;
    char *back;
    const tempo_status st = tempo_tokenize(t, text, n, flags, &ids, &n_ids, &err);

    if (st != TEMPO_OK) {
        if (err.code != st || err.msg[0] == '\0' || ids != NULL)
            abort();
        return;
    }
    for (size_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_tokens)
            abort();
    if (tempo_detokenize(t, ids, n_ids, true, &back, &len, &err) != TEMPO_OK || back[len] != '\0')
        abort();
    tempo_free(back);
    tempo_free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char text[] = "The  cat's \n\n caf\xc3\xa9 12345 <x>!";
    tempo_err err = {0};
    tempo_tokenizer *t;
    json_t *root;

    if (tempo_json_parse(&root, (const char *)data, n, &err) != TEMPO_OK)
        return 0;
    /* the same object serves as tokenizer_config.json */
    const tempo_status st = tempo_tokenizer_from_json(&t, root, root, NULL, &err);
    json_decref(root);
    if (st != TEMPO_OK) {
        if (err.code != st || err.msg[0] == '\0' || t != NULL)
            abort();
        return 0;
    }
    check_text(t, text, sizeof(text) - 1, 0);
    check_text(t, (const char *)data, n < 2000 ? n : 2000, TEMPO_TOKENIZE_NO_SPECIAL);
    tempo_tokenizer_free(t);
    return 0;
}
