/* from_json_parts.c - the "normalizer" and the "pre_tokenizer" of a tokenizer.json.
 *
 * Both are lists of parts, of which those are read that byte-level and SentencePiece BPE use; another one is
 * refused by its name.  They are only for text to ids, and what comes after one that cannot be read may still
 * say what kind of tokenizer it is.  Source: the tokenizers library.  */
#include <string.h>

#include "io/json_at.h"
#include "token/tokenizer.h"

typedef struct parts {
    tempo_tokenizer *t;
    const char *what; /* "normalizer" or "pre_tokenizer" */
    bool byte_level;
    tempo_err *err;
} parts;

static tempo_status malformed(const parts *r, const char *what, const char *expected)
{
    return tempo_fail(r->err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s: expected %s", what, expected);
}

static tempo_status unsupported(const parts *r, const char *what, const char *name)
{
    return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET, "%s \"%.64s\" is not supported", what,
                      name);
}

static bool is_set(const json_t *part, const char *key)
{
    return json_is_true(json_object_get(part, key));
}

static bool is_type(const json_t *part, const char *type)
{
    return strcmp(tempo_text_at(part, "type"), type) == 0;
}

/* Call f for the part itself, or for each part of a "Sequence" of them, `list`. */
static tempo_status for_each(parts *r, const json_t *part, const char *list,
                             tempo_status (*f)(parts *, const json_t *))
{
    const json_t *all = json_object_get(part, list), *one;
    tempo_status st = TEMPO_OK;
    size_t i;

    if (part == NULL || json_is_null(part))
        return TEMPO_OK;
    if (is_type(part, "Sequence") && json_is_array(all)) {
        json_array_foreach(all, i, one)
        {
            if ((st = for_each(r, one, list, f)) != TEMPO_OK)
                break;
        }
        return st;
    }
    st = is_type(part, "Sequence") ? malformed(r, list, "an array") : f(r, part);
    if (st != TEMPO_OK)
        tempo_err_prefix_first(r->err, r->what, "%s", r->what);
    return tempo_tokenizer_without(r->t, st, r->err);
}

/* "pattern": an object with a "Regex" or a "String". */
static tempo_status read_pattern(const parts *r, const json_t *part, const json_t **text,
                                 tempo_regex_kind *kind)
{
    const json_t *pattern = json_object_get(part, "pattern"), *plain = json_object_get(pattern, "String");

    *kind = plain != NULL ? TEMPO_REGEX_LITERAL : TEMPO_REGEX;
    *text = plain != NULL ? plain : json_object_get(pattern, "Regex");
    return json_is_string(*text)
               ? TEMPO_OK
               : malformed(r, tempo_text_at(part, "type"), "a \"pattern\" that is a Regex or a String");
}

/* ---- normalizer ---- */

static tempo_status read_replace(parts *r, const json_t *part)
{
    const json_t *pattern, *content = json_object_get(part, "content");
    tempo_regex_kind kind;
    tempo_regex *regex;
    tempo_status st = read_pattern(r, part, &pattern, &kind);

    if (st == TEMPO_OK && !json_is_string(content))
        st = malformed(r, "Replace", "\"content\"");
    if (st != TEMPO_OK)
        return st;
    if (kind == TEMPO_REGEX_LITERAL && strcmp(json_string_value(pattern), " ") == 0 &&
        strcmp(json_string_value(content), TEMPO_SPACE_MARK) == 0)
        r->t->spm = true;
    st = tempo_regex_compile(&regex, json_string_value(pattern), json_string_length(pattern), kind, r->err);
    return st != TEMPO_OK ? st
                          : tempo_normal_add_replace(r->t->normal, regex, json_string_value(content),
                                                     json_string_length(content), r->err);
}

static tempo_status read_prepend(parts *r, const json_t *part)
{
    const json_t *content = json_object_get(part, "prepend");

    if (!json_is_string(content))
        return malformed(r, "Prepend", "\"prepend\"");
    if (strcmp(json_string_value(content), TEMPO_SPACE_MARK) == 0) {
        r->t->spm = true;
        r->t->prefix = TEMPO_PREFIX_EVERY;
    }
    return tempo_normal_add(r->t->normal, TEMPO_FORM_PREPEND, json_string_value(content),
                            json_string_length(content), r->err);
}

static tempo_status read_step(parts *r, const json_t *part)
{
    static const struct {
        const char *type;
        tempo_form form;
    } forms[] = {
        {"NFC", TEMPO_FORM_NFC},   {"NFD", TEMPO_FORM_NFD},         {"NFKC", TEMPO_FORM_NFKC},
        {"NFKD", TEMPO_FORM_NFKD}, {"Lowercase", TEMPO_FORM_LOWER}, {"StripAccents", TEMPO_FORM_BARE},
        {"Nmt", TEMPO_FORM_NMT},
    };
    tempo_status st = tempo_tokenizer_normal(r->t, r->err);

    if (st != TEMPO_OK)
        return st;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (is_type(part, forms[i].type))
            return tempo_normal_add(r->t->normal, forms[i].form, "", 0, r->err);
    if (is_type(part, "Strip")) {
        const bool left = is_set(part, "strip_left"), right = is_set(part, "strip_right");
        if (!left && !right)
            return TEMPO_OK;
        return tempo_normal_add(r->t->normal,
                                !right  ? TEMPO_FORM_LSTRIP
                                : !left ? TEMPO_FORM_RSTRIP
                                        : TEMPO_FORM_STRIP,
                                "", 0, r->err);
    }
    if (is_type(part, "Replace"))
        return read_replace(r, part);
    if (is_type(part, "Prepend"))
        return read_prepend(r, part);
    return unsupported(r, r->what, tempo_text_at(part, "type"));
}

tempo_status tempo_tokenizer_read_normalizer(tempo_tokenizer *t, const json_t *part, tempo_err *err)
{
    parts r = {.t = t, .what = "normalizer", .err = err};

    return for_each(&r, part, "normalizers", read_step);
}

/* ---- pre_tokenizer ---- */

/* The name of a behavior under `key`, `missing` where there is none. */
static tempo_status read_behavior(const parts *r, const json_t *part, const char *missing,
                                  tempo_behavior *out)
{
    static const char *const names[] = {[TEMPO_SPLIT_ISOLATED] = "Isolated",
                                        [TEMPO_SPLIT_REMOVED] = "Removed",
                                        [TEMPO_SPLIT_PREVIOUS] = "MergedWithPrevious",
                                        [TEMPO_SPLIT_NEXT] = "MergedWithNext",
                                        [TEMPO_SPLIT_CONTIGUOUS] = "Contiguous"};
    const char *name = json_object_get(part, "behavior") != NULL ? tempo_text_at(part, "behavior") : missing;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (tempo_behavior)i;
            return TEMPO_OK;
        }
    return unsupported(r, "behavior", name);
}

static tempo_status add(const parts *r, const char *pattern, tempo_behavior behavior, bool invert)
{
    return tempo_pretoken_add(r->t->pretoken, pattern, strlen(pattern), TEMPO_REGEX, behavior, invert,
                              r->err);
}

static tempo_status read_split(const parts *r, const json_t *part)
{
    const json_t *pattern;
    tempo_regex_kind kind;
    tempo_behavior behavior;
    tempo_status st = read_pattern(r, part, &pattern, &kind);

    if (st != TEMPO_OK || (st = read_behavior(r, part, "", &behavior)) != TEMPO_OK)
        return st;
    return tempo_pretoken_add(r->t->pretoken, json_string_value(pattern), json_string_length(pattern), kind,
                              behavior, is_set(part, "invert"), r->err);
}

static tempo_status read_metaspace(const parts *r, const json_t *part)
{
    const char *scheme = tempo_text_at(part, "prepend_scheme");
    const bool never = json_is_false(json_object_get(part, "add_prefix_space"));
    tempo_tokenizer *t = r->t;
    tempo_status st;

    if (strcmp(tempo_text_at(part, "replacement"), TEMPO_SPACE_MARK) != 0)
        return malformed(r, "Metaspace", "\"replacement\" U+2581");
    t->spm = true;
    if (strcmp(scheme, "first") == 0)
        t->prefix = TEMPO_PREFIX_FIRST;
    else if (strcmp(scheme, "never") == 0 || never)
        t->prefix = TEMPO_PREFIX_NEVER;
    else if (scheme[0] == '\0' || strcmp(scheme, "always") == 0)
        t->prefix = TEMPO_PREFIX_EVERY;
    else
        return unsupported(r, "Metaspace with prepend_scheme", scheme);
    if ((st = tempo_pretoken_add_marks(t->pretoken, TEMPO_SPACE_MARK, t->prefix, r->err)) != TEMPO_OK ||
        json_is_false(json_object_get(part, "split")))
        return st;
    return tempo_pretoken_add(t->pretoken, TEMPO_SPACE_MARK, strlen(TEMPO_SPACE_MARK), TEMPO_REGEX_LITERAL,
                              TEMPO_SPLIT_NEXT, false, r->err);
}

/* With GPT-2's own expression, unless it is told not to. */
static tempo_status read_byte_level(parts *r, const json_t *part)
{
    tempo_pretoken_name name;
    tempo_status st;

    r->byte_level = true;
    if (is_set(part, "add_prefix_space")) {
        r->t->prefix = TEMPO_PREFIX_EVERY;
        if ((st = tempo_pretoken_add_space(r->t->pretoken, r->err)) != TEMPO_OK)
            return st;
    }
    if (json_is_false(json_object_get(part, "use_regex")))
        return TEMPO_OK;
    return tempo_pretoken_add_named(r->t->pretoken, "gpt-2", 5, &name, r->err);
}

static tempo_status read_delimiter(const parts *r, const json_t *part)
{
    const char *delimiter = tempo_text_at(part, "delimiter");

    if (delimiter[0] == '\0')
        return malformed(r, "CharDelimiterSplit", "a \"delimiter\"");
    return tempo_pretoken_add(r->t->pretoken, delimiter, strlen(delimiter), TEMPO_REGEX_LITERAL,
                              TEMPO_SPLIT_REMOVED, false, r->err);
}

static tempo_status read_stage(parts *r, const json_t *part)
{
    tempo_status st = tempo_tokenizer_pretoken(r->t, r->err);
    tempo_behavior behavior;

    if (st != TEMPO_OK)
        return st;
    if (is_type(part, "Split"))
        return read_split(r, part);
    if (is_type(part, "Metaspace"))
        return read_metaspace(r, part);
    if (is_type(part, "ByteLevel"))
        return read_byte_level(r, part);
    if (is_type(part, "Digits"))
        return tempo_pretoken_add(
            r->t->pretoken, "", 0, TEMPO_REGEX_NUMERIC,
            is_set(part, "individual_digits") ? TEMPO_SPLIT_ISOLATED : TEMPO_SPLIT_CONTIGUOUS, false, r->err);
    if (is_type(part, "Punctuation")) {
        st = read_behavior(r, part, "Isolated", &behavior);
        return st != TEMPO_OK ? st
                              : tempo_pretoken_add(r->t->pretoken, "", 0, TEMPO_REGEX_PUNCTUATION, behavior,
                                                   false, r->err);
    }
    if (is_type(part, "Whitespace")) /* its expression knows joiners as part of words */
        return add(r, "[\\w\\x{200c}\\x{200d}]+|[^\\w\\x{200c}\\x{200d}\\s]+", TEMPO_SPLIT_REMOVED, true);
    if (is_type(part, "WhitespaceSplit"))
        return add(r, "\\s", TEMPO_SPLIT_REMOVED, false);
    if (is_type(part, "CharDelimiterSplit"))
        return read_delimiter(r, part);
    return unsupported(r, r->what, tempo_text_at(part, "type"));
}

tempo_status tempo_tokenizer_read_pre_tokenizer(tempo_tokenizer *t, const json_t *part, bool *byte_level,
                                                tempo_err *err)
{
    parts r = {.t = t, .what = "pre_tokenizer", .err = err};
    const tempo_status st = for_each(&r, part, "pretokenizers", read_stage);

    *byte_level = r.byte_level;
    return st;
}
