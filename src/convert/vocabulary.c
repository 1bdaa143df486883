/* vocabulary.c - a directory's tokenizer as keys of a GGUF.
 *
 * GGUF names a pre-tokeniser where tokenizer.json spells one.  Which name means the same is found out by
 * trying: the keys with each name are read back, and what that tokenizer makes of texts of all kinds is
 * compared with what the directory's makes.  */
#include "convert/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token/tokenizer.h"

#define KEY(name) "tokenizer.ggml." name

/* token_type numbers of the format */
enum { GGUF_NORMAL = 1, GGUF_UNKNOWN, GGUF_CONTROL, GGUF_USER, GGUF_UNUSED, GGUF_BYTE };

/* What pre-tokenisers differ in: letters of two cases and of none, marks, digits, signs, spaces, ends of
 * lines. */
static const char *const probes[] = {
    "Hello, world! It's 2024 and I'M sure THEY'LL've gone; don't you?",
    "  two   spaces\tand\ttabs \n\n three\r\nlines  \n   end ",
    "1 12 123 1234 12345 1234567890 3.14159 0x1F \xd9\xa1\xd9\xa2\xd9\xa3 \xc2\xbd",
    "CamelCaseWord snake_case_word kebab-case HTTPServer iPhone \xc3\x89t\xc3\xa9 na\xc3\xafve "
    "e\xcc\x81t\xc3\xa9",
    "\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97\xe7\xac\xa6 "
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xb2\xe3\x82\x89 \xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 "
    "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80",
    "\xf0\x9f\x98\x80\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \xc2\xa0x \xe2\x80\x9cquoted\xe2\x80\x9d "
    "\xe2\x80\x94 dash\xe2\x80\xa6",
    "for (int i = 0; i < n; i++) { a[i] += b->c * 2; } // $5+3=8 ~^|`<=>\n\tdef f(x):\n\t\treturn x**2\n",
    "https://example.org/path?q=1&r=2#top user@example.com #tag /usr/bin/env !!! ??? ... ---- ====",
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xce\x93\xce\xb5\xce\xb9\xce\xac "
    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 "
    "1,000,000 a1b2c3 x'S 'tis \xc7\x85ungla\n \n  \n",
    " leading",
    "trailing ",
    "\n",
    " ",
    "a",
    "",
};

/* ---- tokens ---- */

static int32_t type_of(const tempo_token *t)
{
    switch ((tempo_token_type)t->type) {
    case TEMPO_TOKEN_NORMAL:
        return GGUF_NORMAL;
    case TEMPO_TOKEN_UNKNOWN:
        return GGUF_UNKNOWN;
    case TEMPO_TOKEN_CONTROL:
        return GGUF_CONTROL;
    case TEMPO_TOKEN_USER:
        return GGUF_USER;
    case TEMPO_TOKEN_BYTE:
        return GGUF_BYTE;
    case TEMPO_TOKEN_NONE:
        break;
    }
    return GGUF_UNUSED;
}

/* Rows of the embedding that no token has get names, as every id must. */
static void put_tokens(tempo_gguf_writer *w, const tempo_tokenizer *t, uint32_t n)
{
    tempo_gguf_put_array(w, KEY("tokens"), TEMPO_GGUF_STRING, n);
    for (uint32_t i = 0; i < n; i++) {
        char pad[24];
        size_t len = 0;
        const char *piece = i < t->vocab.n ? tempo_vocab_piece(&t->vocab, i, &len) : NULL;
        if (piece == NULL || t->vocab.tokens[i].type == TEMPO_TOKEN_NONE) {
            len = (size_t)snprintf(pad, sizeof(pad), "[PAD%u]", (unsigned)i);
            piece = pad;
        }
        tempo_gguf_put_element(w, piece, len);
    }
    tempo_gguf_put_array(w, KEY("token_type"), TEMPO_GGUF_I32, n);
    for (uint32_t i = 0; i < n; i++)
        tempo_gguf_put_int(w, i < t->vocab.n ? type_of(&t->vocab.tokens[i]) : GGUF_UNUSED);
}

/* ---- merges ---- */

static int by_rank(const void *a, const void *b)
{
    const tempo_merge_entry *x = a, *y = b;

    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The pairs in their order; NULL without memory. */
static tempo_merge_entry *sorted_merges(const tempo_merges *m, size_t *n)
{
    tempo_merge_entry *out = malloc(((size_t)m->mask + 1) * sizeof(*out));

    *n = 0;
    for (size_t i = 0; out != NULL && m->table != NULL && i <= m->mask; i++)
        if (m->table[i].pair != UINT64_MAX)
            out[(*n)++] = m->table[i];
    if (out != NULL)
        qsort(out, *n, sizeof(*out), by_rank);
    return out;
}

static const char *part_of(const tempo_tokenizer *t, uint32_t id, size_t *n)
{
    return id < t->vocab.n ? tempo_vocab_piece(&t->vocab, id, n)
                           : tempo_vocab_piece(&t->merges.extra, id - t->vocab.n, n);
}

static void put_pairs(tempo_gguf_writer *w, const tempo_tokenizer *t, const tempo_merge_entry *pairs,
                      size_t n)
{
    tempo_gguf_buffer text = {0};

    tempo_gguf_put_array(w, KEY("merges"), TEMPO_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        size_t a, b;
        const char *left = part_of(t, (uint32_t)(pairs[i].pair >> 32), &a),
                   *right = part_of(t, (uint32_t)pairs[i].pair, &b);
        if (text.cap < a + b + 1) {
            unsigned char *more = realloc(text.p, 2 * (a + b + 1));
            if (more == NULL) {
                w->failed = true;
                break;
            }
            text.p = more;
            text.cap = 2 * (a + b + 1);
        }
        memcpy(text.p, left, a);
        text.p[a] = ' ';
        memcpy(text.p + a + 1, right, b);
        tempo_gguf_put_element(w, (const char *)text.p, a + 1 + b);
    }
    free(text.p);
}

/* SentencePiece's form: a token is as good as the first pair that makes it. */
static void put_scores(tempo_gguf_writer *w, const tempo_tokenizer *t, const tempo_merge_entry *pairs,
                       size_t n, uint32_t tokens)
{
    float *scores = calloc((size_t)tokens + 1, sizeof(*scores));

    if (scores == NULL) {
        w->failed = true;
        return;
    }
    for (size_t i = n; i-- > 0;)
        if (pairs[i].id >= 0 && (uint32_t)pairs[i].id < tokens)
            scores[pairs[i].id] = -1.0f - (float)i;
    tempo_gguf_put_array(w, KEY("scores"), TEMPO_GGUF_F32, tokens);
    for (uint32_t i = 0; i < tokens; i++) {
        const bool word = i < t->vocab.n && t->vocab.tokens[i].type == TEMPO_TOKEN_NORMAL;
        tempo_gguf_put_real(w, scores[i] == 0.0f && word ? -1.0f - (float)n : scores[i]);
    }
    free(scores);
}

/* ---- everything ---- */

static void put_id(tempo_gguf_writer *w, const char *key, int32_t id)
{
    if (id >= 0)
        tempo_gguf_put_u32(w, key, (uint32_t)id);
}

static void put_ids(tempo_gguf_writer *w, const tempo_tokenizer *t)
{
    static const char *const ends[] = {KEY("eos_token_id"), KEY("eot_token_id"), KEY("eom_token_id")};

    put_id(w, KEY("bos_token_id"), t->bos);
    for (uint32_t i = 0; i < t->n_eos && i < 3; i++)
        put_id(w, ends[i], t->eos[i]);
    if (t->spm)
        put_id(w, KEY("unknown_token_id"), t->unk);
    tempo_gguf_put_bool(w, KEY("add_bos_token"), t->add_bos);
    tempo_gguf_put_bool(w, KEY("add_eos_token"), t->add_eos);
}

/* All keys, with a pre-tokeniser of that name; NULL: SentencePiece. */
static void put_keys(tempo_gguf_writer *w, const tempo_tokenizer *t, uint32_t rows, const char *pre)
{
    const uint32_t n = rows > t->vocab.n ? rows : t->vocab.n;
    size_t n_pairs;
    tempo_merge_entry *pairs = sorted_merges(&t->merges, &n_pairs);

    if (pairs == NULL) {
        w->failed = true;
        return;
    }
    tempo_gguf_put_str(w, KEY("model"), pre != NULL ? "gpt2" : "llama");
    tempo_gguf_put_str(w, KEY("pre"), pre != NULL ? pre : "default");
    put_tokens(w, t, n);
    if (pre != NULL) {
        put_pairs(w, t, pairs, n_pairs);
    } else {
        put_scores(w, t, pairs, n_pairs, n);
        tempo_gguf_put_bool(w, KEY("add_space_prefix"), t->prefix != TEMPO_PREFIX_NEVER);
    }
    put_ids(w, t);
    free(pairs);
}

/* ---- does it say the same? ---- */

static bool same_ids(const tempo_tokenizer *a, const tempo_tokenizer *b, const char *text)
{
    int32_t *of_a = NULL, *of_b = NULL;
    size_t n_a = 0, n_b = 0;
    const bool same = tempo_tokenize(a, text, strlen(text), 0, &of_a, &n_a, NULL) == TEMPO_OK &&
                      tempo_tokenize(b, text, strlen(text), 0, &of_b, &n_b, NULL) == TEMPO_OK && n_a == n_b &&
                      (n_a == 0 || memcmp(of_a, of_b, n_a * sizeof(*of_a)) == 0);

    free(of_a);
    free(of_b);
    return same;
}

/* The words of a text, one after another with their ends marked; false where that fails. */
static bool cut(const tempo_tokenizer *t, const char *text, tempo_passage *out)
{
    tempo_pretoken_work work = {0};
    tempo_passage passage = {0}, spare = {0};
    bool ok = tempo_passage_append(&passage, text, strlen(text), false) &&
              (t->pretoken == NULL ||
               tempo_pretoken_split(t->pretoken, &work, &passage, &spare, true, NULL) == TEMPO_OK);

    for (size_t i = 0; ok && i < work.now.n; i++) {
        const tempo_span s = work.now.p[i];
        ok = tempo_passage_append(out, passage.p + s.begin, s.end - s.begin, false) &&
             tempo_passage_append(out, "", 1, false);
    }
    tempo_pretoken_work_free(&work);
    tempo_passage_free(&passage);
    tempo_passage_free(&spare);
    return ok;
}

/* A small vocabulary makes the same ids of words that are cut differently. */
static bool same_words(const tempo_tokenizer *a, const tempo_tokenizer *b, const char *text)
{
    tempo_passage of_a = {0}, of_b = {0};
    const bool same = cut(a, text, &of_a) && cut(b, text, &of_b) && of_a.n == of_b.n &&
                      (of_a.n == 0 || memcmp(of_a.p, of_b.p, of_a.n) == 0);

    tempo_passage_free(&of_a);
    tempo_passage_free(&of_b);
    return same;
}

static tempo_status says_the_same(const tempo_gguf_writer *w, const tempo_tokenizer *own, bool *same,
                                  tempo_err *err)
{
    unsigned char *file;
    tempo_tokenizer *t = NULL;
    tempo_gguf g;
    size_t n;
    tempo_status st;

    *same = false;
    if ((st = tempo_gguf_metadata(w, &file, &n, err)) != TEMPO_OK)
        return st;
    if ((st = tempo_gguf_parse(&g, file, n, err)) == TEMPO_OK) {
        st = tempo_tokenizer_from_gguf(&t, &g, NULL, err);
        tempo_gguf_free(&g);
    }
    *same = st == TEMPO_OK && t->ignore_merges == own->ignore_merges;
    for (size_t i = 0; *same && i < sizeof(probes) / sizeof(*probes); i++)
        *same = same_words(own, t, probes[i]) && same_ids(own, t, probes[i]);
    tempo_tokenizer_free(t);
    free(file);
    return st;
}

static tempo_status try_name(tempo_gguf_writer *w, const tempo_tokenizer *t, uint32_t rows, const char *pre,
                             bool *same, tempo_err *err)
{
    tempo_gguf_writer keys = {0};
    tempo_status st;

    put_keys(&keys, t, rows, pre);
    st = says_the_same(&keys, t, same, err);
    if (*same)
        tempo_gguf_put_all(w, &keys);
    tempo_gguf_writer_free(&keys);
    return st;
}

tempo_status tempo_vocabulary_put(tempo_gguf_writer *w, const tempo_tokenizer *t, uint32_t rows,
                                  tempo_err *err)
{
    bool same = false;
    tempo_status st = TEMPO_OK;

    if ((st = tempo_tokenizer_check(t, err)) != TEMPO_OK)
        return st;
    if (t->spm)
        st = try_name(w, t, rows, NULL, &same, err);
    for (size_t i = 0; !t->spm && !same && st == TEMPO_OK && tempo_pretoken_name_at(i) != NULL; i++)
        st = try_name(w, t, rows, tempo_pretoken_name_at(i), &same, err);
    if (st != TEMPO_OK)
        return st;
    if (!same)
        return tempo_fail(
            err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
            "tokenizer.json: GGUF has no name for a tokenizer that cuts text up as this one does");
    return TEMPO_OK;
}
