/* encode.c - text to ids: special tokens, then normalisation, words, merges. */
#include <stdlib.h>
#include <string.h>

#include "token/alphabet.h"
#include "token/tokenizer.h"

static tempo_status out_of_memory(tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a tokenizer");
}

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
