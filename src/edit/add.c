/* add.c - a line of text becomes an edit of a list. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "edit/edit.h"

TEMPO_OPTIONS(tempo_edit_inputs, .no_files = false)

char *tempo_edit_path(const tempo_edit_inputs *in, const char *name, size_t n)
{
    const char *dir = in->directory != NULL && name[0] != '/' ? in->directory : "";
    const size_t skip = strlen(dir), slash = skip > 0;
    char *path = malloc(skip + slash + n + 1);

    if (path == NULL)
        return NULL;
    memcpy(path, dir, skip);
    memcpy(path + skip, "/", slash);
    memcpy(path + skip + slash, name, n);
    path[skip + slash + n] = '\0';
    return path;
}

/* ---- the line in words ---- */

enum { MAX_WORDS = 64, MAX_TEXT = 4096 };

typedef enum key { LAYERS, HEADS, ROWS, VECTOR, TIMES, FROM, SOURCE, KEYS } key;
static const char *const key_names[KEYS] = {"layers", "heads", "rows", "vector", "times", "from", "source"};

typedef struct line {
    const tempo_model *model;
    uint64_t room; /* bytes that it may bring */
    const tempo_edit_inputs *in;
    char *copy;            /* owned; cut into words */
    char *word[MAX_WORDS]; /* the verb, then what has no key */
    size_t n;
    char *value[KEYS]; /* or NULL */
} line;

static bool find_key(const char *word, key *out)
{
    for (int k = 0; k < KEYS; k++) {
        const size_t n = strlen(key_names[k]);
        if (strncmp(word, key_names[k], n) == 0 && word[n] == '=') {
            *out = (key)k;
            return true;
        }
    }
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word, its quotes taken away; NULL: there is none.  *open: a quote that is not closed. */
static char *next_word(char **at, bool *open)
{
    char *p = *at, *to, *begin;
    char quote = 0;

    while (is_space(*p))
        p++;
    if (*p == '\0')
        return NULL;
    for (begin = to = p; *p != '\0' && (quote != 0 || !is_space(*p)); p++)
        if (quote != 0 ? *p == quote : *p == '"' || *p == '\'')
            quote = quote != 0 ? 0 : *p;
        else
            *to++ = *p;
    *open = quote != 0;
    *at = *p != '\0' ? p + 1 : p;
    *to = '\0';
    return begin;
}

static tempo_status split(line *l, const char *text, tempo_err *err)
{
    bool open = false;
    char *word;
    key k;

    if (strlen(text) > MAX_TEXT)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "an edit of more than %d characters",
                          (int)MAX_TEXT);
    if ((l->copy = strdup(text)) == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an edit");
    for (char *at = l->copy; (word = next_word(&at, &open)) != NULL && !open;)
        if (find_key(word, &k)) {
            if (l->value[k] != NULL)
                return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s= is there twice", key_names[k]);
            l->value[k] = word + strlen(key_names[k]) + 1;
        } else if (l->n == MAX_WORDS) {
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "more than %d words", (int)MAX_WORDS);
        } else {
            l->word[l->n++] = word;
        }
    if (open)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "a quote is not closed");
    return TEMPO_OK;
}

/* ---- verbs ---- */

#define KEY(k) (1u << (k))

static const struct verb {
    const char *name, *form;
    tempo_edit_kind kind;
    bool number, tap; /* what follows the verb; without a tap: FROM -> TO */
    unsigned must, may;
} verbs[] = {
    {"zero", "zero TAP", TEMPO_EDIT_ZERO, false, true, 0, 0},
    {"scale", "scale A TAP", TEMPO_EDIT_SCALE, true, true, 0, 0},
    {"add", "add TAP vector=V [times=A]", TEMPO_EDIT_ADD, false, true, KEY(VECTOR), KEY(TIMES)},
    {"set", "set TAP vector=V", TEMPO_EDIT_SET, false, true, KEY(VECTOR), 0},
    {"mean", "mean TAP from=FILE", TEMPO_EDIT_SET, false, true, KEY(FROM), 0},
    {"patch", "patch TAP from=RUN [source=prompt:N]", TEMPO_EDIT_PATCH, false, true, KEY(FROM), KEY(SOURCE)},
    {"cut", "cut [FROM ->] TO", TEMPO_EDIT_CUT, false, false, 0, 0},
    {"bias", "bias B [FROM ->] TO", TEMPO_EDIT_BIAS, true, false, 0, 0},
    {"temperature", "temperature T", TEMPO_EDIT_TEMPERATURE, true, false, 0, 0},
};
enum { VERBS = sizeof(verbs) / sizeof(*verbs) };

static tempo_status unknown_verb(const char *word, tempo_err *err)
{
    return tempo_fail(
        err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
        "'%.40s' is no edit; there are zero, scale, add, set, mean, patch, cut, bias, temperature", word);
}

static tempo_status wrong_form(const struct verb *v, tempo_err *err)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "expected %s%s", v->form,
                      v->kind == TEMPO_EDIT_CUT || v->kind == TEMPO_EDIT_BIAS
                          ? " [layers=..] [heads=..]"
                          : " [layers=..] [heads=..] [rows=..]");
}

static tempo_status check_keys(const line *l, const struct verb *v, tempo_err *err)
{
    const unsigned everywhere = KEY(LAYERS) | KEY(HEADS);
    const bool rows = v->kind != TEMPO_EDIT_CUT && v->kind != TEMPO_EDIT_BIAS; /* FROM says which */
    const unsigned may = v->must | v->may | everywhere | (rows ? KEY(ROWS) : 0u);

    for (int k = 0; k < KEYS; k++) {
        if ((v->must & KEY(k)) != 0 && l->value[k] == NULL)
            return wrong_form(v, err);
        if (l->value[k] != NULL && (may & KEY(k)) == 0)
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s= means nothing here; expected %s",
                              key_names[k], v->form);
    }
    return TEMPO_OK;
}

/* ---- parts ---- */

static tempo_status read_number(const char *word, const char *what, float *out, tempo_err *err)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end;

    if (c == (locale_t)0)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a number");
    const double v = strtod_l(word, &end, c);
    freelocale(c);
    *out = (float)v;
    if (end == word || *end != '\0' || !isfinite(*out))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "%s '%.40s' is not a finite number%s", what,
                          word, strcmp(what, "the bias") == 0 ? " (cut takes slots out)" : "");
    return TEMPO_OK;
}

/* The tap with its layers and heads, in the one way in which taps are written. */
static tempo_status read_tap(tempo_edit *edit, const line *l, const char *name, tempo_err *err)
{
    char text[MAX_TEXT];
    const int n =
        snprintf(text, sizeof(text), "%s%s%s%s%s", name, l->value[LAYERS] != NULL ? ":layers=" : "",
                 l->value[LAYERS] != NULL ? l->value[LAYERS] : "", l->value[HEADS] != NULL ? ":heads=" : "",
                 l->value[HEADS] != NULL ? l->value[HEADS] : "");

    if (n < 0 || (size_t)n >= sizeof(text))
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "its layers and heads are too long");
    return tempo_tap_parse(&edit->at, l->model, text, err);
}

static tempo_status check_editable(const tempo_edit *edit, const tempo_model *m, tempo_err *err)
{
    const tempo_tap_info tap = tempo_tap_get_info(m, edit->at.tap);

    if (tap.editable)
        return TEMPO_OK;
    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                      "%s is only computed to be looked at; nothing reads it%s", tap.short_name,
                      edit->at.tap == TEMPO_TAP_RESULT ? ": change z" : "");
}

/* Where FROM -> TO is cut in two: the words between n_words and the end, joined again. */
static tempo_status read_edge(tempo_edit *edit, const line *l, size_t first, const struct verb *v,
                              tempo_err *err)
{
    char text[MAX_TEXT + 1] = "";
    tempo_status st;

    for (size_t i = first, at = 0; i < l->n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, " %s", l->word[i]);
    const char *arrow = strstr(text, "->"), *to = arrow != NULL ? arrow + 2 : text;
    if (text[0] == '\0')
        return wrong_form(v, err);
    if (arrow != NULL && (st = tempo_selection_parse(&edit->rows, text, (size_t)(arrow - text), false,
                                                     l->model, err)) != TEMPO_OK)
        return st;
    return tempo_selection_parse(&edit->to, to, strlen(to), true, l->model, err);
}

static const tempo_edit_run *find_run(const tempo_edit_inputs *in, const char *name)
{
    for (size_t i = 0; i < in->n_runs; i++)
        if (strcmp(in->runs[i].name, name) == 0)
            return &in->runs[i];
    return NULL;
}

/* The slot of another run's prompt that every row takes. */
static tempo_status read_source(tempo_edit *edit, const line *l, tempo_err *err)
{
    tempo_slot_rule rule;
    const char *text = l->value[SOURCE];
    tempo_status st;

    edit->source = SIZE_MAX;
    if (text == NULL)
        return TEMPO_OK;
    if ((st = tempo_selection_parse(&rule, text, strlen(text), false, l->model, err)) != TEMPO_OK)
        return st;
    if (!rule.at || rule.at_first < 0 || rule.at_first != rule.at_last || rule.set || rule.member ||
        rule.token || rule.prompt || rule.generated)
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "source=%.40s: expected prompt:N, one slot",
                          text);
    edit->source = (size_t)rule.at_first;
    return TEMPO_OK;
}

static tempo_status read_captured(tempo_edit *edit, const line *l, const char *name, tempo_err *err)
{
    char *dir = tempo_edit_path(l->in, name, strlen(name));
    tempo_status st;

    if (dir == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
    if ((st = tempo_captured_store(&edit->store, l->model, dir, edit, l->room, err)) == TEMPO_OK)
        edit->own_bytes = tempo_store_bytes(edit->store);
    free(dir);
    return st;
}

static tempo_status read_run(tempo_edit *edit, const line *l, tempo_err *err)
{
    const char *name = l->value[FROM];
    const tempo_edit_run *run = find_run(l->in, name);
    tempo_status st = read_source(edit, l, err);

    if (st != TEMPO_OK)
        return st;
    if (run == NULL && l->in->no_files)
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "there is no run '%.60s' to patch from",
                          name);
    if (run == NULL)
        return read_captured(edit, l, name, err);
    if (run->store == NULL && edit->source != SIZE_MAX)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "source= of an arm: arms run side by side and give the same slot; a capture or a "
                          "kept run gives any");
    if (run->store == NULL) {
        edit->arm = strdup(name);
        return edit->arm != NULL ? TEMPO_OK
                                 : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an edit");
    }
    if (tempo_store_model(run->store) != l->model)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "run '%.60s' is one of another model", name);
    if (!tempo_store_has(run->store, &edit->at))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "run '%.60s' was not kept at this tap in all of these layers", name);
    edit->store = tempo_store_hold(run->store);
    return TEMPO_OK;
}

/* ---- an edit ---- */

/* Behind the verb and its number: a tap with what it needs. */
static tempo_status read_place(tempo_edit *edit, const line *l, const struct verb *v, size_t first,
                               tempo_err *err)
{
    tempo_status st;

    if (l->n != first + 1)
        return wrong_form(v, err);
    if ((st = read_tap(edit, l, l->word[first], err)) != TEMPO_OK ||
        (st = check_editable(edit, l->model, err)) != TEMPO_OK)
        return st;
    edit->amount = edit->kind == TEMPO_EDIT_ADD ? 1.0f : edit->amount;
    if (l->value[TIMES] != NULL &&
        (st = read_number(l->value[TIMES], "times", &edit->amount, err)) != TEMPO_OK)
        return st;
    if (edit->kind == TEMPO_EDIT_PATCH)
        return read_run(edit, l, err);
    if (l->value[VECTOR] != NULL)
        return tempo_edit_read_values(edit, l->model, l->value[VECTOR], false, l->in, err);
    return l->value[FROM] != NULL ? tempo_edit_read_values(edit, l->model, l->value[FROM], true, l->in, err)
                                  : TEMPO_OK;
}

static tempo_status read_edit(tempo_edit *edit, const line *l, tempo_err *err)
{
    const struct verb *v = NULL;
    size_t at = 1;
    tempo_status st;

    for (size_t i = 0; i < VERBS && l->n > 0; i++)
        if (strcmp(verbs[i].name, l->word[0]) == 0)
            v = &verbs[i];
    if (v == NULL)
        return unknown_verb(l->n > 0 ? l->word[0] : "", err);
    edit->kind = v->kind;
    if ((st = check_keys(l, v, err)) != TEMPO_OK)
        return st;
    if (v->number && l->n < 2)
        return wrong_form(v, err);
    if (v->number && (st = read_number(l->word[at++], v->kind == TEMPO_EDIT_BIAS ? "the bias" : "the number",
                                       &edit->amount, err)) != TEMPO_OK)
        return st;
    if (l->value[ROWS] != NULL &&
        (st = tempo_selection_parse(&edit->rows, l->value[ROWS], strlen(l->value[ROWS]), false, l->model,
                                    err)) != TEMPO_OK)
        return st;
    if (v->tap)
        return read_place(edit, l, v, at, err);
    if ((st = read_tap(edit, l, "attn_scores", err)) != TEMPO_OK)
        return st;
    if (v->kind != TEMPO_EDIT_TEMPERATURE)
        return read_edge(edit, l, at, v, err);
    if (l->n != at)
        return wrong_form(v, err);
    if (!(edit->amount > 0))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "a temperature is above 0");
    return TEMPO_OK;
}

tempo_status tempo_edits_add(tempo_edits *l, const char *text, const tempo_edit_inputs *in, tempo_err *err)
{
    tempo_edit_inputs inputs;
    line words = {.model = l->model, .room = tempo_edits_room(l), .in = &inputs};
    tempo_edit edit = {.source = SIZE_MAX};
    tempo_status st = tempo_options_take(&tempo_edit_inputs_kind, &inputs, in, err);

    if (st != TEMPO_OK)
        return st;
    if ((st = split(&words, text, err)) == TEMPO_OK && (st = read_edit(&edit, &words, err)) == TEMPO_OK) {
        edit.text = strdup(text);
        st = edit.text != NULL ? tempo_edits_append(l, &edit, err)
                               : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an edit");
    }
    if (st != TEMPO_OK) {
        tempo_err_prefix(err, "edit '%.120s'", text);
        tempo_err_set_field(err, "edits");
    }
    tempo_edit_clear(&edit);
    free(words.copy);
    return st;
}
