/* build.c - a tokenizer while the readers of both file formats fill it. */
#include <stdlib.h>
#include <string.h>

#include "token/alphabet.h"
#include "token/tokenizer.h"

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a tokenizer");
}

tempo_status tempo_tokenizer_create(tempo_tokenizer **out, tempo_err *err)
{
    if ((*out = calloc(1, sizeof(**out))) == NULL)
        return out_of_memory(err);
    (*out)->bos = (*out)->unk = -1;
    (*out)->pre = "none";
    return TEMPO_OK;
}

tempo_status tempo_tokenizer_keep(tempo_tokenizer **out, tempo_status st, const tempo_err *why,
                                  tempo_err *err)
{
    if (st == TEMPO_OK)
        return st;
    tempo_tokenizer_free(*out);
    *out = NULL;
    if (err != NULL && err->code == TEMPO_OK)
        *err = *why;
    return st;
}

void tempo_tokenizer_free(tempo_tokenizer *t)
{
    if (t == NULL)
        return;
    tempo_vocab_free(&t->vocab);
    tempo_merges_free(&t->merges);
    tempo_normal_free(t->normal);
    tempo_pretoken_free(t->pretoken);
    tempo_specials_free(&t->specials);
    tempo_specials_free(&t->normalised);
    free(t->names);
    free(t);
}

/* The value of "<0xAB>", or -1. */
static int byte_piece(const char *s, size_t n)
{
    int value = 0;

    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
        return -1;
    for (size_t i = 3; i < 5; i++) {
        const char c = s[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* SentencePiece's spelling to bytes: U+2581 is a space.  out[n]. */
static size_t read_space_marks(char *out, const char *s, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n;) {
        const bool mark = n - i >= 3 && memcmp(s + i, TEMPO_SPACE_MARK, 3) == 0;
        out[len++] = mark ? ' ' : s[i];
        i += mark ? 3 : 1;
    }
    return len;
}

tempo_status tempo_tokenizer_set_token(tempo_tokenizer *t, uint32_t id, tempo_token_type type,
                                       const char *piece, size_t n, tempo_err *err)
{
    const int byte = t->spm && type == TEMPO_TOKEN_BYTE ? byte_piece(piece, n) : -1;
    char small[256], *bytes = small;
    size_t len;
    tempo_status st;

    if (type == TEMPO_TOKEN_BYTE && byte < 0) /* of byte-level BPE, or not spelled <0xAB> */
        type = TEMPO_TOKEN_NORMAL;
    const bool plain = type == TEMPO_TOKEN_NORMAL || (type == TEMPO_TOKEN_USER && t->spm);
    if (byte >= 0) {
        small[0] = (char)byte;
        return tempo_vocab_set(&t->vocab, id, type, piece, n, small, 1, err);
    }
    if (!plain || n > TEMPO_MAX_TOKEN_BYTES) /* too long: refused by the vocabulary */
        return tempo_vocab_set(&t->vocab, id, type, piece, n, piece, n, err);
    if (n > sizeof(small) && (bytes = malloc(n)) == NULL)
        return out_of_memory(err);
    if (t->spm)
        len = read_space_marks(bytes, piece, n);
    else if (!tempo_alphabet_read(bytes, &len, piece, n)) { /* some files hold plain text among the spelled */
        memcpy(bytes, piece, n);
        len = n;
    }
    st = tempo_vocab_set(&t->vocab, id, type, piece, n, bytes, len, err);
    if (bytes != small)
        free(bytes);
    return st;
}

/* A byte of a text is never a marker, whatever a vocabulary calls by its name. */
static int32_t find_byte(const tempo_tokenizer *t, int b)
{
    static const char digits[] = "0123456789ABCDEF";
    const char byte = (char)b, hex[6] = {'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'};
    char spelled[2];

    if (t->spm)
        return !t->byte_fallback
                   ? -1
                   : tempo_vocab_find_typed(&t->vocab, hex, sizeof(hex),
                                            TEMPO_TYPES_OF_TEXT | TEMPO_TYPE_BIT(TEMPO_TOKEN_BYTE));
    const int32_t id =
        tempo_merges_id(&t->merges, &t->vocab, spelled, tempo_alphabet_spell(spelled, &byte, 1));
    return id >= 0 && (uint32_t)id < t->vocab.n && !tempo_token_is_text(&t->vocab.tokens[id]) ? -1 : id;
}

static bool is_special(const tempo_token *k)
{
    return k->bytes_len > 0 &&
           (k->type == TEMPO_TOKEN_CONTROL || k->type == TEMPO_TOKEN_UNKNOWN || k->type == TEMPO_TOKEN_USER);
}

/* The names of normalised tokens as normalisation makes them, one behind another, their ends in ends[]. */
static tempo_status normalise_names(const tempo_tokenizer *t, tempo_passage *names, size_t *ends,
                                    tempo_err *err)
{
    tempo_passage one = {0}, spare = {0};
    tempo_regex_work w = {0};
    tempo_status st = TEMPO_OK;
    size_t k = 0, n;

    for (uint32_t id = 0; id < t->vocab.n && st == TEMPO_OK; id++) {
        if (!is_special(&t->vocab.tokens[id]) || !t->vocab.tokens[id].normalized)
            continue;
        const char *s = tempo_vocab_piece(&t->vocab, id, &n);
        one.n = 0;
        if (!tempo_passage_append(&one, s, n, false))
            st = out_of_memory(err);
        else if ((st = tempo_normal_apply(t->normal, &w, &one, &spare, err)) == TEMPO_OK &&
                 !tempo_passage_append(names, one.p, one.n, false))
            st = out_of_memory(err);
        ends[k++] = names->n;
    }
    tempo_regex_work_free(&w);
    tempo_passage_free(&one);
    tempo_passage_free(&spare);
    return st;
}

static tempo_status list_normalised(tempo_tokenizer *t, size_t count, tempo_err *err)
{
    size_t *ends = calloc(count + 1, sizeof(*ends)), begin = 0, k = 0;
    tempo_passage names = {0};
    tempo_status st = ends != NULL ? normalise_names(t, &names, ends, err) : out_of_memory(err);

    free(t->names);
    t->names = names.p;
    free(names.outside);
    for (uint32_t id = 0; id < t->vocab.n && st == TEMPO_OK; id++) {
        if (!is_special(&t->vocab.tokens[id]) || !t->vocab.tokens[id].normalized)
            continue;
        if (ends[k] > begin)
            st = tempo_specials_add(&t->normalised, t->names + begin, ends[k] - begin, (int32_t)id, err);
        begin = ends[k++];
    }
    free(ends);
    tempo_specials_sort(&t->normalised);
    return st;
}

static tempo_status list_specials(tempo_tokenizer *t, tempo_err *err)
{
    size_t normalised = 0, n;
    tempo_status st = TEMPO_OK;

    tempo_specials_free(&t->specials);
    tempo_specials_free(&t->normalised);
    for (uint32_t id = 0; id < t->vocab.n && st == TEMPO_OK; id++) {
        if (!is_special(&t->vocab.tokens[id]))
            continue;
        const char *s = tempo_vocab_piece(&t->vocab, id, &n);
        if (t->vocab.tokens[id].normalized)
            normalised++;
        else
            st = tempo_specials_add(&t->specials, s, n, (int32_t)id, err);
    }
    tempo_specials_sort(&t->specials);
    t->finished = true;
    return st == TEMPO_OK && normalised > 0 ? list_normalised(t, normalised, err) : st;
}

tempo_status tempo_tokenizer_normal(tempo_tokenizer *t, tempo_err *err)
{
    return t->normal != NULL ? TEMPO_OK : tempo_normal_create(&t->normal, err);
}

tempo_status tempo_tokenizer_pretoken(tempo_tokenizer *t, tempo_err *err)
{
    return t->pretoken != NULL ? TEMPO_OK : tempo_pretoken_create(&t->pretoken, err);
}

tempo_status tempo_tokenizer_mark_spaces(tempo_tokenizer *t, bool prefix, tempo_err *err)
{
    tempo_regex *space;
    tempo_status st;

    if ((st = tempo_tokenizer_normal(t, err)) != TEMPO_OK ||
        (prefix &&
         (st = tempo_normal_add(t->normal, TEMPO_FORM_PREPEND, TEMPO_SPACE_MARK, 3, err)) != TEMPO_OK) ||
        (st = tempo_regex_compile(&space, " ", 1, TEMPO_REGEX_LITERAL, err)) != TEMPO_OK)
        return st;
    return tempo_normal_add_replace(t->normal, space, TEMPO_SPACE_MARK, 3, err);
}

tempo_status tempo_tokenizer_finish(tempo_tokenizer *t, tempo_err *err)
{
    for (int b = 0; b < 256; b++)
        t->merges.byte_id[b] = find_byte(t, b);
    t->merges.chars = t->spm;
    return list_specials(t, err);
}

tempo_status tempo_tokenizer_without(tempo_tokenizer *t, tempo_status st, tempo_err *err)
{
    if (st == TEMPO_OK || st == TEMPO_E_NOMEM)
        return st;
    if (t->cannot.code == TEMPO_OK)
        t->cannot = *err;
    *err = (tempo_err){0};
    return TEMPO_OK;
}

static tempo_status check_id(const tempo_tokenizer *t, const char *what, int64_t id, tempo_err *err)
{
    if (id < 0 || id >= t->vocab.n)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "the %s id %lld is not in the vocabulary of %u tokens", what, (long long)id,
                          t->vocab.n);
    return TEMPO_OK;
}

/* "<|eot_id|>", "</s>", "[EOS]" */
static bool looks_like_marker(const char *s, size_t n)
{
    return n > 2 && ((s[0] == '<' && s[n - 1] == '>') || (s[0] == '[' && s[n - 1] == ']'));
}

/* A token that begins or ends texts is a control token, though its file may have forgotten to say so. */
static tempo_status mark_control(tempo_tokenizer *t, int32_t id, tempo_err *err)
{
    tempo_token *k = &t->vocab.tokens[id];
    size_t n;
    const char *piece = tempo_vocab_piece(&t->vocab, (uint32_t)id, &n);
    const bool finished = t->finished, special = is_special(k);

    if (k->type == TEMPO_TOKEN_CONTROL || (k->type != TEMPO_TOKEN_UNKNOWN && !looks_like_marker(piece, n)))
        return TEMPO_OK;
    k->type = TEMPO_TOKEN_CONTROL;
    return finished && !special ? list_specials(t, err) : TEMPO_OK;
}

tempo_status tempo_tokenizer_add_eos(tempo_tokenizer *t, int64_t id, tempo_err *err)
{
    const tempo_status st = check_id(t, "end-of-sequence", id, err);

    if (st != TEMPO_OK || tempo_token_is_eos(t, (int32_t)id))
        return st;
    if (t->n_eos == TEMPO_MAX_EOS)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %d end-of-sequence ids",
                          TEMPO_MAX_EOS);
    t->eos[t->n_eos++] = (int32_t)id;
    return mark_control(t, (int32_t)id, err);
}

tempo_status tempo_tokenizer_set_bos(tempo_tokenizer *t, int64_t id, tempo_err *err)
{
    const tempo_status st = check_id(t, "begin-of-sequence", id, err);

    if (st != TEMPO_OK)
        return st;
    t->bos = (int32_t)id;
    return mark_control(t, t->bos, err);
}

void tempo_tokenizer_set_rows(tempo_tokenizer *t, uint32_t n)
{
    t->n_rows = n;
}

tempo_status tempo_tokenizer_check(const tempo_tokenizer *t, tempo_err *err)
{
    return t->cannot.code == TEMPO_OK ? TEMPO_OK
                                      : tempo_fail(err, t->cannot.code, t->cannot.offset,
                                                   "text cannot become tokens: %s", t->cannot.msg);
}
