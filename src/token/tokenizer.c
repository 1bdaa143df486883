/* tokenizer.c - text to ids and back: special tokens, then normalisation, words, merges. */
#include "token/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "token/alphabet.h"

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a tokenizer");
}

/* ---- building ---- */

tempo_status tempo_tokenizer_create(tempo_tokenizer **out, tempo_err *err)
{
    if ((*out = calloc(1, sizeof(**out))) == NULL)
        return out_of_memory(err);
    (*out)->bos = (*out)->unk = -1;
    (*out)->pre = "none";
    return TEMPO_OK;
}

void tempo_tokenizer_free(tempo_tokenizer *t)
{
    if (t == NULL)
        return;
    tempo_vocab_free(&t->vocab);
    tempo_merges_free(&t->merges);
    tempo_pretoken_free(t->pretoken);
    free(t->specials);
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

static int compare_specials(const void *pa, const void *pb)
{
    const tempo_special *a = pa, *b = pb;
    const int c = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);

    if (c != 0)
        return c;
    return a->n != b->n ? (a->n > b->n) - (a->n < b->n) : (a->id > b->id) - (a->id < b->id);
}

static bool is_special(const tempo_token *k)
{
    return k->bytes_len > 0 &&
           (k->type == TEMPO_TOKEN_CONTROL || k->type == TEMPO_TOKEN_UNKNOWN || k->type == TEMPO_TOKEN_USER);
}

static tempo_status list_specials(tempo_tokenizer *t, tempo_err *err)
{
    size_t n = 0;

    for (uint32_t id = 0; id < t->vocab.n; id++)
        n += is_special(&t->vocab.tokens[id]);
    free(t->specials);
    t->n_specials = 0;
    t->specials = malloc((n + 1) * sizeof(*t->specials));
    if (t->specials == NULL)
        return out_of_memory(err);
    for (uint32_t id = 0; id < t->vocab.n; id++) {
        if (!is_special(&t->vocab.tokens[id]))
            continue;
        tempo_special *s = &t->specials[t->n_specials++];
        s->s = tempo_vocab_bytes(&t->vocab, id, &s->n);
        s->id = (int32_t)id;
    }
    qsort(t->specials, n, sizeof(*t->specials), compare_specials);
    return TEMPO_OK;
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
    const bool finished = t->specials != NULL, special = is_special(k);

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

/* ---- text to ids ---- */

typedef struct text_buffer {
    char *p;
    size_t n, cap;
} text_buffer;

/* Where special tokens may stand. */
typedef struct guard {
    bool control; /* control tokens anywhere; else only where outside says so */
    const tempo_outside *outside;
    size_t clean_end; /* outside->bytes are 0 from where we are up to here */
} guard;

/* What one call needs. */
typedef struct job {
    const tempo_tokenizer *t;
    tempo_id_list ids;
    tempo_merge_work work;
    struct guard *guard;
    int32_t unk;      /* stands for what has no token; -1: nothing does */
    text_buffer text; /* a section, normalised */
    text_buffer word; /* a word in the vocabulary's spelling */
    tempo_err *err;
} job;

static bool reserve(text_buffer *b, size_t n)
{
    if (n <= b->cap)
        return true;
    char *p = realloc(b->p, n);
    if (p == NULL)
        return false;
    b->p = p;
    b->cap = n;
    return true;
}

/* NFC of s[n] (valid UTF-8) into b. */
static tempo_status compose(text_buffer *b, const char *s, size_t n, tempo_err *err)
{
    utf8proc_uint8_t *out = NULL;
    const utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &out,
                                              UTF8PROC_STABLE | UTF8PROC_COMPOSE);

    if (len < 0)
        return tempo_fail(err, len == UTF8PROC_ERROR_NOMEM ? TEMPO_E_NOMEM : TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "Unicode normalisation: %s", utf8proc_errmsg(len));
    free(b->p);
    *b = (text_buffer){(char *)out, (size_t)len, (size_t)len};
    return TEMPO_OK;
}

/* Spaces to U+2581, one more in front where the rule says so. */
static tempo_status mark_spaces(const tempo_tokenizer *t, text_buffer *b, const char *s, size_t n, bool first,
                                tempo_err *err)
{
    const bool rule = t->prefix == TEMPO_PREFIX_EVERY || (t->prefix == TEMPO_PREFIX_FIRST && first);
    const bool there = n > 0 && s[0] == ' ' && t->prefix_if_absent;

    if (n > (SIZE_MAX - 3) / 3 || !reserve(b, 3 * n + 3))
        return out_of_memory(err);
    b->n = 0;
    for (size_t i = rule && !there ? SIZE_MAX : 0; i == SIZE_MAX || i < n; i++) {
        const bool space = i == SIZE_MAX || s[i] == ' ';
        memcpy(b->p + b->n, space ? TEMPO_SPACE_MARK : s + i, space ? 3 : 1);
        b->n += space ? 3 : 1;
    }
    return TEMPO_OK;
}

/* A space in front, for byte-level BPE that wants one. */
static tempo_status prefix_space(text_buffer *b, const char *s, size_t n, tempo_err *err)
{
    if (!reserve(b, n + 1))
        return out_of_memory(err);
    b->p[0] = ' ';
    memcpy(b->p + 1, s, n);
    b->n = n + 1;
    return TEMPO_OK;
}

/* Bring a section into the form that is cut into words; *s, *n point to it afterwards. */
static tempo_status normalise(job *j, const char **s, size_t *n, bool first)
{
    const tempo_tokenizer *t = j->t;
    tempo_status st = TEMPO_OK;

    if (t->nfc) {
        if ((st = compose(&j->text, *s, *n, j->err)) != TEMPO_OK)
            return st;
        *s = j->text.p;
        *n = j->text.n;
    }
    if (t->spm)
        st = mark_spaces(t, &j->word, *s, *n, first, j->err);
    else if (t->prefix != TEMPO_PREFIX_NEVER && (*s)[0] != ' ')
        st = prefix_space(&j->word, *s, *n, j->err);
    else
        return TEMPO_OK;
    if (st != TEMPO_OK)
        return st;
    const text_buffer swap = j->text;
    j->text = j->word;
    j->word = swap;
    *s = j->text.p;
    *n = j->text.n;
    return TEMPO_OK;
}

/* A token that text names although control tokens may not stand there. */
static bool may_stand_outside(const tempo_tokenizer *t, const guard *g, int32_t id)
{
    if (t->vocab.tokens[id].type != TEMPO_TOKEN_USER)
        return false;
    if (g->outside == NULL)
        return id != t->bos && !tempo_token_is_eos(t, id);
    return g->outside->reserved == NULL || g->outside->reserved[id] == 0;
}

/* Markers stand where their names do, and are not made from words: not by merges, nor by bytes. */
static bool may_be_made(const void *user, int32_t id)
{
    const job *j = user;
    const unsigned type = j->t->vocab.tokens[id].type;

    if (type == TEMPO_TOKEN_USER)
        return (j->guard->outside == NULL && j->guard->control) || may_stand_outside(j->t, j->guard, id);
    return type == TEMPO_TOKEN_NORMAL || type == TEMPO_TOKEN_BYTE;
}

/* By the merges, whose list may lead to other tokens through a marker; a second time without it where it ends
 * in one. */
static tempo_status merge_word(job *j, const char *word, size_t n)
{
    const tempo_tokenizer *t = j->t;
    const size_t begin = j->ids.n;
    size_t good = begin;

    j->work.may = NULL;
    tempo_status st = tempo_merge_word(&t->merges, &t->vocab, j->unk, &j->work, word, n, &j->ids, j->err);
    while (good < j->ids.n && (j->ids.p[good] == j->unk || may_be_made(j, j->ids.p[good])))
        good++;
    if (st != TEMPO_OK || good == j->ids.n)
        return st;
    j->ids.n = begin;
    j->work.may = may_be_made;
    j->work.user = j;
    return tempo_merge_word(&t->merges, &t->vocab, j->unk, &j->work, word, n, &j->ids, j->err);
}

static tempo_status tokenize_word(job *j, const char *word, size_t n)
{
    const tempo_tokenizer *t = j->t;

    if (t->ignore_merges) {
        const char *spelled = word;
        size_t len = n;
        if (!t->spm) {
            if (!reserve(&j->word, 2 * n))
                return out_of_memory(j->err);
            spelled = j->word.p;
            len = tempo_alphabet_spell(j->word.p, word, n);
        }
        const int32_t id = tempo_vocab_find_typed(&t->vocab, spelled, len, TEMPO_TYPES_OF_TEXT);
        if (id >= 0 && may_be_made(j, id))
            return tempo_id_push(&j->ids, id, j->err);
    }
    return merge_word(j, word, n);
}

/* Text between special tokens. */
static tempo_status tokenize_section(job *j, const char *s, size_t n, bool first)
{
    tempo_span *spans = NULL;
    size_t n_spans = 0;
    tempo_status st;

    if (n == 0 || (st = normalise(j, &s, &n, first)) != TEMPO_OK)
        return n == 0 ? TEMPO_OK : st;
    if (j->t->pretoken == NULL)
        return tokenize_word(j, s, n);
    st = tempo_pretoken_split(j->t->pretoken, s, n, &spans, &n_spans, j->err);
    for (size_t i = 0; i < n_spans && st == TEMPO_OK; i++)
        st = tokenize_word(j, s + spans[i].begin, spans[i].end - spans[i].begin);
    free(spans);
    return st;
}

/* How many of the bytes from i on a control token may cover. */
static size_t control_room(guard *g, size_t i, size_t n)
{
    if (g->outside == NULL)
        return g->control ? n - i : 0;
    if (i >= g->clean_end) {
        size_t end = i;
        while (end < n && g->outside->bytes[end] == 0)
            end++;
        g->clean_end = end;
    }
    return g->clean_end > i ? g->clean_end - i : 0;
}

/* The longest special token at the beginning of s[n], or NULL: binary search, one more byte each round.
 * Control tokens have `room` bytes.  */
static const tempo_special *match_special(const tempo_tokenizer *t, const char *s, size_t n, const guard *g,
                                          size_t room)
{
    const tempo_special *best = NULL;
    size_t low = 0, high = t->n_specials;

    for (size_t k = 0; low < high; k++) {
        /* all of [low, high) begin with s[0 .. k); those of length k come first */
        for (; low < high && t->specials[low].n == k; low++)
            if (k > 0 && (k <= room || may_stand_outside(t, g, t->specials[low].id)))
                best = &t->specials[low];
        if (k == n)
            break;
        const unsigned char want = (unsigned char)s[k];
        size_t a = low, b = high;
        while (a < b) { /* the first whose byte k is not below */
            const size_t mid = a + (b - a) / 2;
            if ((unsigned char)t->specials[mid].s[k] < want)
                a = mid + 1;
            else
                b = mid;
        }
        low = a;
        for (b = high; a < b;) { /* the first whose byte k is above */
            const size_t mid = a + (b - a) / 2;
            if ((unsigned char)t->specials[mid].s[k] <= want)
                a = mid + 1;
            else
                b = mid;
        }
        high = a;
    }
    return best;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cut the text at special tokens. */
static tempo_status tokenize_text(job *j, const char *text, size_t n, guard *g)
{
    size_t begin = 0, i = 0;
    tempo_status st;

    while (i < n) {
        const tempo_special *s = match_special(j->t, text + i, n - i, g, control_room(g, i, n));
        if (s == NULL) {
            i++;
            continue;
        }
        const tempo_token *k = &j->t->vocab.tokens[s->id];
        size_t end = i;
        while (k->lstrip && end > begin && is_space(text[end - 1]))
            end--;
        if ((st = tokenize_section(j, text + begin, end - begin, begin == 0)) != TEMPO_OK ||
            (st = tempo_id_push(&j->ids, s->id, j->err)) != TEMPO_OK)
            return st;
        i += s->n;
        while (k->rstrip && i < n && is_space(text[i]))
            i++;
        begin = i;
    }
    return tokenize_section(j, text + begin, n - begin, begin == 0);
}

/* Does the text itself begin with BOS? */
static bool begins_with_bos(const tempo_tokenizer *t, const char *text, size_t n, guard *g)
{
    const tempo_special *s = n > 0 ? match_special(t, text, n, g, control_room(g, 0, n)) : NULL;

    return s != NULL && s->id == t->bos;
}

/* What stands for a character without a token: an unknown token that is nothing else, too. */
static int32_t unknown_token(const tempo_tokenizer *t)
{
    const unsigned types = TEMPO_TYPES_OF_TEXT | TEMPO_TYPE_BIT(TEMPO_TOKEN_UNKNOWN);

    if (t->unk < 0 || t->unk == t->bos || tempo_token_is_eos(t, t->unk))
        return -1;
    return (types & TEMPO_TYPE_BIT(t->vocab.tokens[t->unk].type)) != 0 ? t->unk : -1;
}

/* Files may bring more tokens than their model knows. */
static tempo_status check_rows(const tempo_tokenizer *t, const tempo_id_list *ids, tempo_err *err)
{
    for (size_t i = 0; t->n_rows != 0 && i < ids->n; i++) {
        size_t n;
        const char *piece = tempo_vocab_piece(&t->vocab, (uint32_t)ids->p[i], &n);
        if ((uint32_t)ids->p[i] >= t->n_rows)
            return tempo_fail(
                err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                "token %d, '%.*s', is in the text and not in the model, whose vocabulary has %u rows",
                ids->p[i], (int)(n < 64 ? n : 64), piece, t->n_rows);
    }
    return TEMPO_OK;
}

static tempo_status tokenize(const tempo_tokenizer *t, const char *text, size_t n, bool bos, bool eos,
                             guard *g, int32_t **ids, size_t *n_ids, tempo_err *err)
{
    const size_t valid = tempo_utf8_valid(text, n);
    job j = {.t = t, .guard = g, .unk = unknown_token(t), .err = err};
    tempo_status st = TEMPO_OK;

    *ids = NULL;
    *n_ids = 0;
    if (t->cannot.code != TEMPO_OK)
        return tempo_tokenizer_check(t, err);
    if (valid != n)
        return tempo_fail(err, TEMPO_E_FORMAT, valid, "the text is not valid UTF-8");
    if (bos)
        st = tempo_id_push(&j.ids, t->bos, err);
    if (st == TEMPO_OK)
        st = tokenize_text(&j, text, n, g);
    if (st == TEMPO_OK && eos)
        st = tempo_id_push(&j.ids, t->eos[0], err);
    if (st == TEMPO_OK)
        st = check_rows(t, &j.ids, err);
    tempo_merge_work_free(&j.work);
    free(j.text.p);
    free(j.word.p);
    if (st != TEMPO_OK) {
        free(j.ids.p);
        return st;
    }
    *ids = j.ids.p;
    *n_ids = j.ids.n;
    return TEMPO_OK;
}

tempo_status tempo_tokenize(const tempo_tokenizer *t, const char *text, size_t n, unsigned flags,
                            int32_t **ids, size_t *n_ids, tempo_err *err)
{
    const bool frame = (flags & TEMPO_TOKENIZE_NO_BOS) == 0;
    guard g = {.control = (flags & TEMPO_TOKENIZE_NO_SPECIAL) == 0};

    return tokenize(t, text, n, frame && t->add_bos && t->bos >= 0, frame && t->add_eos && t->n_eos > 0, &g,
                    ids, n_ids, err);
}

tempo_status tempo_tokenize_outside(const tempo_tokenizer *t, const char *text, size_t n,
                                    const tempo_outside *outside, bool add_bos, int32_t **ids, size_t *n_ids,
                                    tempo_err *err)
{
    guard g = {.outside = outside};
    const bool bos = add_bos && t->bos >= 0 && !begins_with_bos(t, text, n, &g);

    return tokenize(t, text, n, bos, false, &g, ids, n_ids, err);
}

const char *tempo_tokens_warning(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    if (n >= 2 && t->add_bos && t->bos >= 0 && ids[0] == t->bos && ids[1] == t->bos)
        return "the text begins with the token that the model's rule puts in front of it: it is there twice";
    if (n >= 2 && t->add_eos && t->n_eos > 0 && ids[n - 1] == t->eos[0] && ids[n - 2] == t->eos[0])
        return "the text ends with the token that the model's rule puts behind it: it is there twice";
    return NULL;
}

static bool is_white(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && is_space(s[i]))
        i++;
    return i == n;
}

unsigned char *tempo_tokenizer_reserve(const tempo_tokenizer *t, const char *text, size_t n)
{
    unsigned char *reserved = calloc(t->vocab.n + 1, 1);

    for (size_t i = 0; reserved != NULL && i < t->n_specials; i++) {
        const tempo_special *s = &t->specials[i];
        if (t->vocab.tokens[s->id].type == TEMPO_TOKEN_USER)
            reserved[s->id] = s->id == t->bos || tempo_token_is_eos(t, s->id) ||
                              (!is_white(s->s, s->n) && memmem(text, n, s->s, s->n) != NULL);
    }
    return reserved;
}

/* ---- ids to text ---- */

/* The bytes that a token adds to a text. */
static const char *shown(const tempo_tokenizer *t, int32_t id, bool special, size_t *n)
{
    if (!special && t->vocab.tokens[id].type == TEMPO_TOKEN_CONTROL) {
        *n = 0;
        return "";
    }
    return tempo_vocab_bytes(&t->vocab, (uint32_t)id, n);
}

tempo_status tempo_detokenize(const tempo_tokenizer *t, const int32_t *ids, size_t n, bool special,
                              char **text, size_t *n_text, tempo_err *err)
{
    size_t total = 0, len, at = 0;

    *text = NULL;
    *n_text = 0;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= t->vocab.n)
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "id %d (number %zu) is not in the vocabulary of %u tokens", ids[i], i,
                              t->vocab.n);
        (void)shown(t, ids[i], special, &len);
        if (__builtin_add_overflow(total, len, &total) || total == SIZE_MAX)
            return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "the text is too long");
    }
    char *out = malloc(total + 1);
    if (out == NULL)
        return out_of_memory(err);
    /* The space that tokenizing put before the text comes off again, if the text begins with one. */
    bool strip = t->spm && t->prefix != TEMPO_PREFIX_NEVER;
    for (size_t i = 0; i < n; i++) {
        const char *s = shown(t, ids[i], special, &len);
        if (strip && len > 0) {
            strip = false;
            if (s[0] == ' ' && t->vocab.tokens[ids[i]].type != TEMPO_TOKEN_BYTE) {
                s++;
                len--;
            }
        }
        memcpy(out + at, s, len);
        at += len;
    }
    out[at] = '\0';
    *text = out;
    *n_text = at;
    return TEMPO_OK;
}

/* ---- facts ---- */

static bool is_token(const tempo_tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->vocab.n;
}

/* What a hole of the vocabulary, or an id outside of it, gives. */
static const char *nothing(size_t *n)
{
    *n = 0;
    return "";
}

static bool has_token(const tempo_tokenizer *t, int32_t id)
{
    return is_token(t, id) && t->vocab.tokens[id].type != TEMPO_TOKEN_NONE;
}

const char *tempo_token_bytes(const tempo_tokenizer *t, int32_t id, size_t *n)
{
    return has_token(t, id) ? tempo_vocab_bytes(&t->vocab, (uint32_t)id, n) : nothing(n);
}

const char *tempo_token_piece(const tempo_tokenizer *t, int32_t id, size_t *n)
{
    return has_token(t, id) ? tempo_vocab_piece(&t->vocab, (uint32_t)id, n) : nothing(n);
}

bool tempo_token_is_control(const tempo_tokenizer *t, int32_t id)
{
    return is_token(t, id) && t->vocab.tokens[id].type == TEMPO_TOKEN_CONTROL;
}

bool tempo_token_is_eos(const tempo_tokenizer *t, int32_t id)
{
    for (uint32_t i = 0; i < t->n_eos; i++)
        if (t->eos[i] == id)
            return true;
    return false;
}

tempo_tokenizer_info tempo_tokenizer_get_info(const tempo_tokenizer *t)
{
    return (tempo_tokenizer_info){
        .kind = t->spm ? "spm" : "bpe",
        .pre = t->pre,
        .n_tokens = t->vocab.n,
        .bos = t->bos,
        .eos = t->eos,
        .n_eos = t->n_eos,
        .add_bos = t->add_bos && t->bos >= 0,
        .add_eos = t->add_eos && t->n_eos > 0,
        .add_space_prefix = t->prefix != TEMPO_PREFIX_NEVER,
        .ignore_merges = t->ignore_merges,
    };
}
