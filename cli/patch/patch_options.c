/* patch_options.c - which cells a command line asks for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lens/lens.h"
#include "cli/message.h"
#include "cli/patch/patch.h"

/* ---- taps ---- */

/* Bytes of the first item of "z:heads=0,3,resid_pre": a comma in front of a number or of layers=, heads= does
 * not end it. */
static size_t item(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0') {
        const char *next = text + n + 1;
        if (text[n] == ',' && (*next < '0' || *next > '9') && next[strcspn(next, ",:=")] != '=')
            break;
        n++;
    }
    return n;
}

/* taps[*n], at most as many as there are taps. */
static int read_taps(const char *option, const char *text, const tempo_model *m, tempo_tap_selection *taps,
                     size_t *n)
{
    char one[256];
    tempo_err err = {0};

    *n = 0;
    for (const char *p = text;; p++) {
        const size_t len = item(p);
        if (len >= sizeof(one) || *n == TEMPO_TAP_COUNT) {
            say("--%s: '%.64s' is too long a list", option, text);
            return EXIT_USAGE;
        }
        memcpy(one, p, len);
        one[len] = '\0';
        if (tempo_tap_parse(&taps[(*n)++], m, one, &err) != TEMPO_OK) {
            say("--%s: %s", option, err.msg);
            return EXIT_USAGE;
        }
        if (*(p += len) == '\0')
            return EXIT_OK;
    }
}

/* --layers, of the taps that name none themselves. */
static int narrow(const char *layers, const tempo_model *m, tempo_tap_selection *taps, size_t n)
{
    static const uint64_t all[TEMPO_TAP_WORDS];
    char text[256];
    tempo_tap_selection t;
    tempo_err err = {0};

    if ((size_t)snprintf(text, sizeof(text), "resid_pre:layers=%s", layers) >= sizeof(text) ||
        tempo_tap_parse(&t, m, text, &err) != TEMPO_OK) {
        say("--layers: '%.64s': %s", layers, err.msg[0] != '\0' ? err.msg : "too long a list");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < n; i++)
        if (memcmp(taps[i].layers, all, sizeof(all)) == 0 && tempo_tap_get_info(m, taps[i].tap).by_layer)
            memcpy(taps[i].layers, t.layers, sizeof(all));
    return EXIT_OK;
}

static int take_taps(const options *o, const tempo_model *m, patch_lists *l, tempo_patch_options *out)
{
    static const char usual[] = "resid_pre,attn_out,mlp_out";
    const char *option = o->senders != NULL ? "senders" : "taps";
    const char *text = o->senders != NULL ? o->senders : o->patch_taps != NULL ? o->patch_taps : usual;
    int code = EXIT_OK;

    if ((o->senders != NULL) != (o->receivers != NULL) || (o->senders != NULL && o->patch_taps != NULL)) {
        say("path patching takes --senders and --receivers, anything else --taps");
        return EXIT_USAGE;
    }
    if (o->free_mlps && o->receivers == NULL) {
        say("--free-mlps goes with --senders and --receivers");
        return EXIT_USAGE;
    }
    out->taps = l->taps;
    out->receivers = l->receivers;
    if ((code = read_taps(option, text, m, l->taps, &out->n_taps)) == EXIT_OK && o->layers != NULL)
        code = narrow(o->layers, m, l->taps, out->n_taps);
    if (code == EXIT_OK && o->receivers != NULL)
        code = read_taps("receivers", o->receivers, m, l->receivers, &out->n_receivers);
    return code;
}

/* ---- positions ---- */

static int bad_positions(const char *text, size_t n_sets)
{
    say("--at: '%.64s': expected positions from 0 to %zu such as 5, 2-7, -1 (the last), several with commas "
        "between them",
        text, n_sets - 1);
    return EXIT_USAGE;
}

/* One number; below 0 from the end. */
static bool take_position(const char **p, size_t n_sets, size_t *out)
{
    char *end;

    if ((**p < '0' || **p > '9') && (**p != '-' || (*p)[1] < '1' || (*p)[1] > '9'))
        return false;
    errno = 0;
    const long v = strtol(*p, &end, 10);
    *p = end;
    *out = (size_t)(v < 0 ? (long)n_sets + v : v);
    return errno == 0 && *out < n_sets;
}

static int take_positions(const char *text, size_t n_sets, patch_lists *l, tempo_patch_options *out)
{
    bool *chosen = calloc(n_sets, sizeof(*chosen));
    size_t first, last, n = 0;
    int code = EXIT_OK;

    l->positions = malloc(n_sets * sizeof(*l->positions));
    if (chosen == NULL || l->positions == NULL) {
        say("out of memory for %zu positions", n_sets);
        code = EXIT_FAILED;
    }
    for (const char *p = text; code == EXIT_OK; p++) {
        bool good = take_position(&p, n_sets, &first);
        last = first;
        if (good && *p == '-') {
            p++;
            good = take_position(&p, n_sets, &last) && last >= first;
        }
        if (!good || (*p != ',' && *p != '\0'))
            code = bad_positions(text, n_sets);
        for (size_t i = first; code == EXIT_OK && i <= last; i++)
            chosen[i] = true;
        if (*p == '\0')
            break;
    }
    for (size_t i = 0; i < n_sets && code == EXIT_OK; i++)
        if (chosen[i])
            l->positions[n++] = (uint32_t)i;
    out->positions = l->positions;
    out->n_positions = n;
    free(chosen);
    return code;
}

/* ---- all of it ---- */

static int take_answers(const patching *v, patch_lists *l, tempo_patch_options *out)
{
    size_t n = 0;
    int code;

    if (v->o->answers == NULL)
        return EXIT_OK;
    if ((code = lens_read_tokens(v->s, "answers", v->o->answers, &l->answers, &n)) != EXIT_OK)
        return code;
    if (n > 2) {
        say("--answers: %zu tokens; expected the right one, or two: the right one and the wrong one", n);
        return EXIT_USAGE;
    }
    memcpy(out->answers, l->answers, n * sizeof(*l->answers));
    out->n_answers = (uint32_t)n;
    return EXIT_OK;
}

int read_patch_options(const patching *v, size_t n_sets, patch_lists *l, tempo_patch_options *out)
{
    const options *o = v->o;
    int code;

    tempo_patch_options_init(out);
    out->each = (tempo_patch_each)o->each;
    out->direction = (tempo_patch_direction)o->direction;
    out->metric = (tempo_patch_metric)o->metric;
    out->free_mlps = o->free_mlps;
    out->kv = o->decoding.kv;
    out->max_bytes = o->max_memory;
    if ((code = take_taps(o, v->s->model, l, out)) == EXIT_OK &&
        (code = take_answers(v, l, out)) == EXIT_OK && o->at != NULL)
        code = take_positions(o->at, n_sets, l, out);
    return code;
}

void free_patch_lists(patch_lists *l)
{
    free(l->positions);
    free(l->answers);
}
