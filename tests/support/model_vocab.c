/* model_vocab.c - two tiny vocabularies; see model_writer.h. */
#include "support/model_vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };
enum { MAX_TOKENS = 512 };

typedef struct vocab {
    size_t n;
    char piece[MAX_TOKENS][16];
    int32_t type[MAX_TOKENS];
    float score[MAX_TOKENS];
} vocab;

static void add_token(vocab *v, const char *piece, int32_t type, float score)
{
    (void)snprintf(v->piece[v->n], sizeof(v->piece[0]), "%s", piece);
    v->type[v->n] = type;
    v->score[v->n++] = score;
}

/* ---- GGUF arrays ---- */

static void set_strings(test_model *m, const char *key, size_t n, char (*s)[16])
{
    unsigned char *buf = malloc(n * (8 + 16)), *p = buf;

    if (buf == NULL)
        abort();
    for (size_t i = 0; i < n; i++) {
        const uint64_t len = strlen(s[i]);
        memcpy(p, &len, 8);
        memcpy(p + 8, s[i], len);
        p += 8 + len;
    }
    test_model_set_array(m, key, TEMPO_GGUF_STRING, n, buf, (size_t)(p - buf));
    free(buf);
}

static void set_vocab(test_model *m, vocab *v, const char *model, uint32_t bos, uint32_t eos)
{
    test_model_set_str(m, "tokenizer.ggml.model", model);
    set_strings(m, "tokenizer.ggml.tokens", v->n, v->piece);
    test_model_set_array(m, "tokenizer.ggml.token_type", TEMPO_GGUF_I32, v->n, v->type,
                         v->n * sizeof(v->type[0]));
    test_model_set_u32(m, "tokenizer.ggml.bos_token_id", bos);
    test_model_set_u32(m, "tokenizer.ggml.eos_token_id", eos);
    test_model_set_bool(m, "tokenizer.ggml.add_bos_token", true);
    test_model_set_bool(m, "tokenizer.ggml.add_eos_token", false);
}

/* ---- byte-level BPE ---- */

/* The GPT-2 alphabet: printable Latin-1 stands for itself, other bytes for U+0100 and up. */
static void byte_letter(unsigned byte, unsigned *shifted, char out[16])
{
    const bool plain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    const unsigned c = plain ? byte : 256 + (*shifted)++;

    if (c < 128)
        (void)snprintf(out, 16, "%c", (int)c);
    else
        (void)snprintf(out, 16, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
}

static char merges[][16] = {"t h", "i n", "th e", "in g", "\xc4\xa0 t", "\xc4\xa0 the"};
enum { MERGES = sizeof(merges) / sizeof(merges[0]), BPE_BOS = 256 + MERGES, BPE_EOS };

static void merged_piece(const char *merge, char out[16])
{
    const char *space = strchr(merge, ' ');

    (void)snprintf(out, 16, "%.*s%s", (int)(space - merge), merge, space + 1);
}

static json_t *special(int id, const char *content)
{
    return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", content, "single_word", 0,
                     "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
}

static void make_tokenizer_json(test_model *m, vocab *v)
{
    json_t *tokens = json_object(), *list = json_array();

    for (size_t i = 0; i < BPE_BOS; i++)
        json_object_set_new(tokens, v->piece[i], json_integer((json_int_t)i));
    for (size_t i = 0; i < MERGES; i++)
        json_array_append_new(list, json_string(merges[i]));
    json_t *model = json_pack("{s:s, s:n, s:n, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
                              "byte_fallback", 0, "vocab", tokens, "merges", list);
    json_t *pre = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                            "trim_offsets", 1, "use_regex", 1);
    m->tokenizer = json_pack("{s:s, s:[o, o], s:n, s:o, s:{s:s, s:b, s:b, s:b}, s:o}", "version", "1.0",
                             "added_tokens", special(BPE_BOS, "<s>"), special(BPE_EOS, "</s>"), "normalizer",
                             "pre_tokenizer", pre, "decoder", "type", "ByteLevel", "add_prefix_space", 1,
                             "trim_offsets", 1, "use_regex", 1, "model", model);
    m->tokenizer_config = json_pack("{s:s, s:s, s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                                    "bos_token", "<s>", "eos_token", "</s>", "add_bos_token", 1);
    m->generation = json_pack("{s:i, s:i}", "bos_token_id", BPE_BOS, "eos_token_id", BPE_EOS);
    if (m->tokenizer == NULL || m->tokenizer_config == NULL || m->generation == NULL)
        abort();
    json_object_set_new(m->config, "bos_token_id", json_integer(BPE_BOS));
    json_object_set_new(m->config, "eos_token_id", json_integer(BPE_EOS));
}

static void add_bpe(test_model *m, vocab *v)
{
    unsigned shifted = 0;
    char piece[16];

    for (unsigned b = 0; b < 256; b++) {
        byte_letter(b, &shifted, piece);
        add_token(v, piece, TYPE_NORMAL, 0.0f);
    }
    for (size_t i = 0; i < MERGES; i++) {
        merged_piece(merges[i], piece);
        add_token(v, piece, TYPE_NORMAL, 0.0f);
    }
    add_token(v, "<s>", TYPE_CONTROL, 0.0f);
    add_token(v, "</s>", TYPE_CONTROL, 0.0f);
    set_vocab(m, v, "gpt2", BPE_BOS, BPE_EOS);
    test_model_set_str(m, "tokenizer.ggml.pre", "gpt-2");
    set_strings(m, "tokenizer.ggml.merges", MERGES, merges);
    make_tokenizer_json(m, v);
}

/* ---- SentencePiece ---- */

static void add_spm(test_model *m, vocab *v)
{
    static const char *const pieces[] = {
        "\xe2\x96\x81", "t", "h", "e", "a", "i", "n", "th", "in", "\xe2\x96\x81t", "he", "\xe2\x96\x81the"};
    char piece[16];

    add_token(v, "<unk>", TYPE_UNKNOWN, 0.0f);
    add_token(v, "<s>", TYPE_CONTROL, 0.0f);
    add_token(v, "</s>", TYPE_CONTROL, 0.0f);
    for (unsigned b = 0; b < 256; b++) {
        (void)snprintf(piece, sizeof(piece), "<0x%02X>", b);
        add_token(v, piece, TYPE_BYTE, 0.0f);
    }
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        add_token(v, pieces[i], TYPE_NORMAL, -(float)i);
    set_vocab(m, v, "llama", 1, 2);
    test_model_set_u32(m, "tokenizer.ggml.unknown_token_id", 0);
    test_model_set_array(m, "tokenizer.ggml.scores", TEMPO_GGUF_F32, v->n, v->score, v->n * sizeof(float));
}

void test_vocab_add(test_model *m)
{
    vocab *v = calloc(1, sizeof(*v));

    if (v == NULL)
        abort();
    if (m->spec.vocab == TEST_VOCAB_BPE)
        add_bpe(m, v);
    else
        add_spm(m, v);
    free(v);
}
