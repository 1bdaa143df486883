/* vocabulary.c - a made-up vocabulary: the 256 bytes, the words of two letters, words of four as pairs of
 * those until it is full, then two control tokens that begin and end a text. */
#include <string.h>

#include "model/synth/synth.h"
#include "token/alphabet.h"

enum { BYTES = 256, LETTERS = 26, PAIRS = LETTERS * LETTERS, WORD_CAP = 8 };
enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3 };

/* Word i of the words, at most four letters: two, or two words of two. */
static size_t word(char *out, uint32_t i)
{
    if (i < PAIRS) {
        out[0] = (char)('a' + i / LETTERS);
        out[1] = (char)('a' + i % LETTERS);
        return 2;
    }
    (void)word(out, (i - PAIRS) / PAIRS);
    (void)word(out + 2, (i - PAIRS) % PAIRS);
    return 4;
}

static void put_tokens(tempo_gguf_writer *w, uint32_t n_words)
{
    char piece[WORD_CAP];

    tempo_gguf_put_array(w, "tokenizer.ggml.tokens", TEMPO_GGUF_STRING, BYTES + n_words + 2);
    for (uint32_t i = 0; i < BYTES; i++) {
        const char byte = (char)i;
        const size_t n = tempo_alphabet_spell(piece, &byte, 1);
        tempo_gguf_put_element(w, piece, n);
    }
    for (uint32_t i = 0; i < n_words; i++) {
        const size_t n = word(piece, i);
        tempo_gguf_put_element(w, piece, n);
    }
    tempo_gguf_put_element(w, "<|begin|>", 9);
    tempo_gguf_put_element(w, "<|end|>", 7);
}

void tempo_synth_vocabulary(tempo_gguf_writer *w, const char *pre, uint32_t n)
{
    const uint32_t n_words = n - BYTES - 2;
    char piece[WORD_CAP + 1];

    tempo_gguf_put_str(w, "tokenizer.ggml.model", "gpt2");
    tempo_gguf_put_str(w, "tokenizer.ggml.pre", pre);
    put_tokens(w, n_words);
    tempo_gguf_put_array(w, "tokenizer.ggml.token_type", TEMPO_GGUF_I32, n);
    for (uint32_t i = 0; i < n; i++)
        tempo_gguf_put_int(w, i < n - 2 ? TYPE_NORMAL : TYPE_CONTROL);
    tempo_gguf_put_array(w, "tokenizer.ggml.merges", TEMPO_GGUF_STRING, n_words);
    for (uint32_t i = 0; i < n_words; i++) {
        const size_t len = word(piece, i);
        memmove(piece + len / 2 + 1, piece + len / 2, len / 2);
        piece[len / 2] = ' ';
        tempo_gguf_put_element(w, piece, len + 1);
    }
    tempo_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", n - 2);
    tempo_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", n - 1);
    tempo_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true);
}
