/* lens_names.c - how tokens and rows are named. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/generate/cells.h"
#include "cli/lens/lens.h"
#include "cli/message.h"
#include "run/ids.h"

enum { MAX_TOKENS = 256 };

/* ---- tokens ---- */

static int find_token(const session *s, const char *option, const char *text, size_t n, int32_t *id)
{
    tempo_err err = {0};

    if (session_tokenizer(s) == NULL)
        return EXIT_FAILED;
    if (tempo_token_named(id, s->model, text, n, &err) == TEMPO_OK)
        return EXIT_OK;
    if (err.code != TEMPO_E_NOTFOUND)
        return say_error(&err);
    say("--%s: %s, or #ID (tempo tokenize shows ids)", option, err.msg);
    return EXIT_USAGE;
}

static int read_token(const session *s, const char *option, const char *text, size_t n, int32_t *id)
{
    const uint32_t vocab = tempo_model_get_info(s->model)->n_vocab;
    char *end;

    if (n == 0) {
        say("--%s: an empty token; expected the text of one, or #ID, several with commas between them",
            option);
        return EXIT_USAGE;
    }
    if (n < 2 || text[0] != '#' || text[1] < '0' || text[1] > '9')
        return find_token(s, option, text, n, id);
    errno = 0;
    const unsigned long v = strtoul(text + 1, &end, 10);
    if (end != text + n)
        return find_token(s, option, text, n, id);
    if (errno != 0 || v >= vocab) {
        say("--%s: %.*s: the model has tokens 0 to %" PRIu32, option, (int)n, text, vocab - 1);
        return EXIT_USAGE;
    }
    *id = (int32_t)v;
    return EXIT_OK;
}

int lens_read_tokens(const session *s, const char *option, const char *list, int32_t **ids, size_t *n)
{
    size_t cap = 1;
    int code = EXIT_OK;

    *n = 0;
    for (const char *p = list; *p != '\0'; p++)
        cap += *p == ',';
    if (cap > MAX_TOKENS || (*ids = malloc(cap * sizeof(**ids))) == NULL) {
        say("--%s: more than %d tokens", option, MAX_TOKENS);
        *ids = NULL;
        return EXIT_USAGE;
    }
    for (const char *p = list;; p++) {
        const size_t len = strcspn(p, ",");
        if ((code = read_token(s, option, p, len, &(*ids)[*n])) != EXIT_OK)
            return code;
        ++*n;
        if (*(p += len) == '\0')
            return EXIT_OK;
    }
}

void lens_token(tempo_text *t, const session *s, int32_t id, size_t width)
{
    const tempo_tokenizer *tokenizer = tempo_model_tokenizer(s->model);
    char number[24];
    size_t n = 0, used = 0;
    const char *p = tokenizer != NULL && id >= 0 ? tempo_token_bytes(tokenizer, id, &n) : "";
    glyph g;

    if (n == 0) { /* no text: its number */
        n = (size_t)snprintf(number, sizeof(number), id < 0 ? "?" : "#%" PRId32, id);
        p = number;
    }
    const size_t all = glyphs_width(p, n, SPACES_VISIBLE);
    for (size_t len; n > 0; p += len, n -= len) {
        len = next_glyph(p, n, SPACES_VISIBLE, &g);
        if (width > 0 && used + g.width > width - (all > width))
            break;
        tempo_text_add(t, "%.*s", (int)g.n, g.text);
        used += g.width;
    }
    if (width > 0 && n > 0) {
        tempo_text_add(t, "\u2026");
        used++;
    }
    if (width > used)
        tempo_text_repeat(t, " ", width - used);
}

char *lens_token_text(const session *s, int32_t id)
{
    tempo_text t = {0};

    lens_token(&t, s, id, 0);
    return tempo_text_take(&t);
}

const char *lens_point(uint32_t layer, char out[16])
{
    if (layer == TEMPO_LENS_INPUT)
        (void)snprintf(out, 16, "input");
    else
        (void)snprintf(out, 16, "%" PRIu32, layer);
    return out;
}

/* ---- rows ---- */

static int bad_rows(const char *text)
{
    say("--row: '%.64s' is no list of slots; expected such as 5, 2-7, -1 (the last row), 0,4,-1, or all",
        text);
    return EXIT_USAGE;
}

static bool take_slot(const char **p, long *out)
{
    char *end;

    if ((**p < '0' || **p > '9') && (**p != '-' || (*p)[1] < '1' || (*p)[1] > '9'))
        return false;
    errno = 0;
    *out = strtol(*p, &end, 10);
    *p = end;
    return errno == 0;
}

/* Rows of slots first to last; from the end where they are negative. */
static size_t mark(const tempo_rows_row *rows, size_t n, long first, long last, bool *chosen)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        const bool in = first < 0 ? (long)i == (long)n + first
                                  : (long)rows[i].slot >= first && (long)rows[i].slot <= last;
        chosen[i] = chosen[i] || in;
        found += in;
    }
    return found;
}

int lens_choose(const char *text, const tempo_rows_row *rows, size_t n, bool *chosen)
{
    if (strcmp(text, "all") == 0) {
        for (size_t i = 0; i < n; i++)
            chosen[i] = true;
        return EXIT_OK;
    }
    for (const char *p = text;; p++) {
        long first, last;
        if (!take_slot(&p, &first))
            return bad_rows(text);
        last = first;
        if (*p == '-' && first >= 0) {
            p++;
            if (!take_slot(&p, &last) || last < first)
                return bad_rows(text);
        }
        if (mark(rows, n, first, last, chosen) == 0) {
            say("--row: %.64s: there are %zu rows, of slots %zu to %zu", text, n, rows[0].slot,
                rows[n - 1].slot);
            return EXIT_USAGE;
        }
        if (*p == '\0')
            return EXIT_OK;
        if (*p != ',')
            return bad_rows(text);
    }
}
