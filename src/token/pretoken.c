/* pretoken.c - the named expressions, and cutting with PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "token/pretoken.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum {
    MATCH_LIMIT = 10 * 1000 * 1000,
    HEAP_LIMIT_KIB = 64 * 1024,
    JIT_STACK_MIN = 32 * 1024,
    JIT_STACK_MAX = 8 * 1024 * 1024,
    MAX_PATTERN = 64 * 1024,
};

typedef struct stage {
    pcre2_code *code;
    unsigned flags;
} stage;

struct tempo_pretoken {
    size_t n;
    stage stages[TEMPO_PRETOKEN_MAX_STAGES];
};

/* ---- the named ones ---- */

#define CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define GPT2_WORDS "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define LLAMA3_WORDS(digits)                                                                                 \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                                    \
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* The cased letters as DeepSeek's tokenizer lists them. */
#define DEEPSEEK_LETTERS                                                                                     \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}"          \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}"                    \
    "\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}"          \
    "\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}"          \
    "\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}"        \
    "\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}"         \
    "\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}"         \
    "\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}"        \
    "\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}"          \
    "\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}"                   \
    "\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}"                   \
    "\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"         \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}"        \
    "\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}"                       \
    "\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}"                   \
    "\\x{1e900}-\\x{1e943}"

typedef struct named {
    const char *name;
    const char *patterns[6]; /* up to the first NULL */
} named;

/* Source: the expressions are those of the models' own tokenizer files; the names are GGUF's. */
static const named table[] = {
    {"llama-bpe", {LLAMA3_WORDS("\\p{N}{1,3}")}},
    {"qwen2", {LLAMA3_WORDS("\\p{N}")}},
    {"gpt-2", {GPT2_WORDS}},
    {"smollm", {"\\p{N}", GPT2_WORDS}},
    {"deepseek-llm",
     {"[\\r\\n]", "\\s?[" DEEPSEEK_LETTERS "]+",
      "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+", "\\s+$",
      "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}+"}},
    {"default", {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_WORDS, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

static const struct {
    const char *alias, *name;
} aliases[] = {
    {"llama3", "llama-bpe"},       {"llama-v3", "llama-bpe"}, {"falcon3", "llama-bpe"},
    {"deepseek-r1-qwen", "qwen2"}, {"gpt2", "gpt-2"},
};

static bool is(const char *s, size_t n, const char *z)
{
    return strlen(z) == n && memcmp(s, z, n) == 0;
}

static const named *find_named(const char *pre, size_t n)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (is(pre, n, aliases[i].alias)) {
            pre = aliases[i].name;
            n = strlen(pre);
            break;
        }
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (is(pre, n, table[i].name))
            return &table[i];
    return NULL;
}

tempo_status tempo_pretoken_add_named(tempo_pretoken *p, const char *pre, size_t n, const char **name,
                                      tempo_err *err)
{
    const named *e = find_named(pre, n);
    tempo_status st;

    *name = "";
    if (e == NULL)
        return tempo_fail(
            err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
            "pre-tokeniser '%.*s' is not supported (llama-bpe, gpt-2, qwen2, smollm, deepseek-llm and "
            "default are)",
            (int)(n < 64 ? n : 64), pre);
    for (size_t i = 0; i < sizeof(e->patterns) / sizeof(*e->patterns) && e->patterns[i] != NULL; i++)
        if ((st = tempo_pretoken_add(p, e->patterns[i], strlen(e->patterns[i]), 0, err)) != TEMPO_OK)
            return st;
    *name = e->name;
    return TEMPO_OK;
}

/* ---- stages ---- */

tempo_status tempo_pretoken_create(tempo_pretoken **out, tempo_err *err)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL
               ? TEMPO_OK
               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a pre-tokeniser");
}

void tempo_pretoken_free(tempo_pretoken *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        pcre2_code_free(p->stages[i].code);
    free(p);
}

tempo_status tempo_pretoken_add(tempo_pretoken *p, const char *pattern, size_t n, unsigned flags,
                                tempo_err *err)
{
    const uint32_t options = (flags & TEMPO_PRETOKEN_LITERAL) != 0
                                 ? PCRE2_UTF | PCRE2_LITERAL
                                 : PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    PCRE2_UCHAR text[128];
    PCRE2_SIZE at;
    int code;

    if (p->n == TEMPO_PRETOKEN_MAX_STAGES || n > MAX_PATTERN)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "a pre-tokeniser of more than %d patterns, or of more than %d bytes in one",
                          TEMPO_PRETOKEN_MAX_STAGES, MAX_PATTERN);
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, n, options, &code, &at, NULL);
    if (compiled == NULL) {
        (void)pcre2_get_error_message(code, text, sizeof(text));
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "the pre-tokeniser's pattern, character %zu: %s", at, (const char *)text);
    }
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* without it matching is slower, not different */
    p->stages[p->n++] = (stage){compiled, flags};
    return TEMPO_OK;
}

/* ---- cutting ---- */

typedef struct span_list {
    tempo_span *p;
    size_t n, cap;
} span_list;

static bool push(span_list *l, size_t begin, size_t end)
{
    if (begin == end)
        return true;
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        tempo_span *p = realloc(l->p, cap * sizeof(*p));
        if (p == NULL)
            return false;
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = (tempo_span){begin, end};
    return true;
}

/* What one call of split needs to match; a tokenizer may be used by several threads at once. */
typedef struct matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
} matcher;

static void matcher_free(matcher *m)
{
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
}

static bool matcher_init(matcher *m)
{
    *m = (matcher){.context = pcre2_match_context_create(NULL),
                   .data = pcre2_match_data_create(1, NULL),
                   .stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL)};
    if (m->context == NULL || m->data == NULL)
        return false;
    (void)pcre2_set_match_limit(m->context, MATCH_LIMIT);
    (void)pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
    if (m->stack != NULL) /* none where PCRE2 has no JIT */
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return true;
}

/* The next match at or after `from`; 1 found, 0 none, else PCRE2's error. */
static int next_match(const matcher *m, const stage *s, const char *text, size_t n, size_t from,
                      tempo_span *out)
{
    /* The text is known to be UTF-8; checking the rest of it again for every match would be quadratic. */
    const int rc = pcre2_match(s->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK, m->data, m->context);

    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0)
        return rc;
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m->data);
    *out = (tempo_span){v[0], v[1] > v[0] ? v[1] : v[0]}; /* \K could put the end before the beginning */
    return 1;
}

static size_t next_char(const char *text, size_t n, size_t i)
{
    for (i++; i < n && ((unsigned char)text[i] & 0xc0) == 0x80;)
        i++;
    return i;
}

/* Cut text[part] by one stage. */
static tempo_status cut(const matcher *m, const stage *s, const char *text, tempo_span part, span_list *out,
                        tempo_err *err)
{
    const char *p = text + part.begin;
    const size_t n = part.end - part.begin;
    size_t done = 0, from = 0;
    tempo_span match;
    bool ok = true;
    int rc;

    while (ok && from < n && (rc = next_match(m, s, p, n, from, &match)) != 0) {
        if (rc < 0)
            return tempo_fail(
                err, rc == PCRE2_ERROR_NOMEMORY ? TEMPO_E_NOMEM : TEMPO_E_LIMIT, part.begin + from,
                "the pre-tokeniser's pattern needs too much work on this text (PCRE2 error %d)", rc);
        if (match.begin < done) /* \K again: nothing before what is done */
            match.begin = done;
        if (match.end <= match.begin) { /* an empty match cuts nothing */
            from = next_char(p, n, from > match.begin ? from : match.begin);
            continue;
        }
        if ((s->flags & TEMPO_PRETOKEN_DROP_GAPS) == 0)
            ok = push(out, part.begin + done, part.begin + match.begin);
        if (ok && (s->flags & TEMPO_PRETOKEN_DROP_MATCHES) == 0)
            ok = push(out, part.begin + match.begin, part.begin + match.end);
        done = from = match.end;
    }
    if (ok && (s->flags & TEMPO_PRETOKEN_DROP_GAPS) == 0)
        ok = push(out, part.begin + done, part.end);
    return ok ? TEMPO_OK
              : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the words of a text");
}

tempo_status tempo_pretoken_split(const tempo_pretoken *p, const char *text, size_t n, tempo_span **spans,
                                  size_t *n_spans, tempo_err *err)
{
    span_list now = {0}, next = {0};
    matcher m;
    tempo_status st = TEMPO_OK;

    *spans = NULL;
    *n_spans = 0;
    if (!matcher_init(&m) || !push(&now, 0, n))
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for the words of a text");
    for (size_t k = 0; k < p->n && st == TEMPO_OK; k++) {
        next.n = 0;
        for (size_t i = 0; i < now.n && st == TEMPO_OK; i++)
            st = cut(&m, &p->stages[k], text, now.p[i], &next, err);
        const span_list swap = now;
        now = next;
        next = swap;
    }
    matcher_free(&m);
    free(next.p);
    if (st != TEMPO_OK) {
        free(now.p);
        return st;
    }
    *spans = now.p;
    *n_spans = now.n;
    return TEMPO_OK;
}
