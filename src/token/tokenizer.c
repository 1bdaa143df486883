/* tokenizer.c - text to ids and back: special tokens, then normalisation, words, merges. */
#include "token/tokenizer.h"

#include <stdlib.h>
#include <string.h>

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
    int32_t unk; /* stands for what has no token; -1: nothing does */
    tempo_passage section, piece,
        spare; /* what lies between special tokens, normalised; between normalised ones */
    tempo_pretoken_work cut;
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

    if (j->t->vocab.tokens[id].added)
        return false;
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

/* What a place lets stand there. */
typedef struct place {
    const tempo_tokenizer *t;
    const guard *g;
    size_t room; /* bytes that a control token may cover */
} place;

static bool may_stand(const void *with, const tempo_special *s)
{
    const place *p = with;

    return s->n <= p->room || may_stand_outside(p->t, p->g, s->id);
}

static const tempo_special *match_special(const tempo_tokenizer *t, const tempo_specials *l, const char *text,
                                          size_t n, size_t at, guard *g)
{
    const place p = {t, g,
                     l->first[(unsigned char)text[at]] < l->first[(unsigned char)text[at] + 1]
                         ? control_room(g, at, n)
                         : 0};

    return tempo_specials_match(l, text + at, n - at, may_stand, &p);
}

/* Words of a text without special tokens, which may be written anew. */
static tempo_status tokenize_words(job *j, tempo_passage *t, bool first)
{
    tempo_status st = tempo_pretoken_split(j->t->pretoken, &j->cut, t, &j->spare, first, j->err);

    for (size_t i = 0; i < j->cut.now.n && st == TEMPO_OK; i++) {
        const tempo_span s = j->cut.now.p[i];
        st = tokenize_word(j, t->p + s.begin, s.end - s.begin);
    }
    return st;
}

/* What is done with text[begin, end), which has no special token of a list. */
typedef tempo_status (*gap_fn)(job *j, const char *text, size_t begin, size_t end, const guard *g,
                               bool first);

/* Cut a text at special tokens of a list. */
static tempo_status cut_at_specials(job *j, const tempo_specials *l, const char *text, size_t n, guard *g,
                                    gap_fn gap, bool first)
{
    size_t begin = 0, i = 0;
    tempo_status st;

    while (i < n) {
        const tempo_special *s = match_special(j->t, l, text, n, i, g);
        const tempo_token *k = s != NULL ? &j->t->vocab.tokens[s->id] : NULL;
        if (s == NULL || (k->single_word && !tempo_is_single_word(text, n, i, i + s->n))) {
            i += s != NULL ? s->n : 1;
            continue;
        }
        const size_t start = k->lstrip ? tempo_space_before(text, begin < i ? begin : i, i) : i;
        i += s->n;
        const size_t stop = k->rstrip ? tempo_space_behind(text, n, i) : i;
        if (begin < start && (st = gap(j, text, begin, start, g, first && begin == 0)) != TEMPO_OK)
            return st;
        /* one whose white space, which is all that it is, belongs to another is not there */
        if (!(k->lstrip && begin >= stop) && (st = tempo_id_push(&j->ids, s->id, j->err)) != TEMPO_OK)
            return st;
        begin = stop;
    }
    return begin < n ? gap(j, text, begin, n, g, first && begin == 0) : TEMPO_OK;
}

/* Between tokens that are found in the normalised text. */
static tempo_status tokenize_piece(job *j, const char *text, size_t begin, size_t end, const guard *g,
                                   bool first)
{
    (void)g;
    j->piece.n = 0;
    if (!tempo_passage_append(&j->piece, text + begin, end - begin, false))
        return out_of_memory(j->err);
    return tokenize_words(j, &j->piece, first);
}

/* Between tokens that are found in the text. */
static tempo_status tokenize_section(job *j, const char *text, size_t begin, size_t end, const guard *g,
                                     bool first)
{
    const tempo_outside *outside = g->outside;
    tempo_passage *t = &j->section;
    tempo_status st;

    t->n = 0;
    t->marked = false;
    if (!tempo_passage_append(t, text + begin, end - begin, false))
        return out_of_memory(j->err);
    t->marked = outside != NULL && j->t->normalised.n > 0;
    for (size_t i = begin; t->marked && i < end; i++)
        t->outside[i - begin] = outside->bytes[i] != 0;
    if ((st = tempo_normal_apply(j->t->normal, &j->cut.regex, t, &j->spare, j->err)) != TEMPO_OK)
        return st;
    if (j->t->normalised.n == 0)
        return tokenize_words(j, t, first);
    const tempo_outside inner = {t->outside, outside != NULL ? outside->reserved : NULL};
    guard within = {.control = g->control, .outside = outside != NULL ? &inner : NULL};
    return cut_at_specials(j, &j->t->normalised, t->p, t->n, &within, tokenize_piece, first);
}

static tempo_status tokenize_text(job *j, const char *text, size_t n, guard *g)
{
    return cut_at_specials(j, &j->t->specials, text, n, g, tokenize_section, true);
}

/* Does the text itself begin with BOS? */
static bool begins_with_bos(const tempo_tokenizer *t, const char *text, size_t n, guard *g)
{
    const tempo_special *s = n > 0 ? match_special(t, &t->specials, text, n, 0, g) : NULL;

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
    tempo_passage_free(&j.section);
    tempo_passage_free(&j.piece);
    tempo_passage_free(&j.spare);
    tempo_pretoken_work_free(&j.cut);
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

static void reserve_special(const tempo_tokenizer *t, const tempo_special *s, const char *text, size_t n,
                            unsigned char *reserved)
{
    size_t len;
    const char *name = tempo_vocab_piece(&t->vocab, (uint32_t)s->id, &len);

    if (t->vocab.tokens[s->id].type == TEMPO_TOKEN_USER)
        reserved[s->id] = s->id == t->bos || tempo_token_is_eos(t, s->id) ||
                          (tempo_space_behind(name, len, 0) < len && memmem(text, n, name, len) != NULL);
}

unsigned char *tempo_tokenizer_reserve(const tempo_tokenizer *t, const char *text, size_t n)
{
    unsigned char *reserved = calloc(t->vocab.n + 1, 1);

    for (size_t i = 0; reserved != NULL && i < t->specials.n; i++)
        reserve_special(t, &t->specials.p[i], text, n, reserved);
    for (size_t i = 0; reserved != NULL && i < t->normalised.n; i++)
        reserve_special(t, &t->normalised.p[i], text, n, reserved);
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
