/* steps.c - a capture's file opened, and which steps it has; step.c reads them. */
#include "capture/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/names.h"
#include "base/text.h"
#include "io/json.h"

enum { MAX_METADATA_BYTES = 1 << 26 };

/* ---- which steps there are ---- */

static const tempo_capture_array array_of[2] = {TEMPO_ARRAY_ATTENTION, TEMPO_ARRAY_LOGITS};

static bool find_kind(const char *name, tempo_steps_kind *kind, uint32_t *step)
{
    for (size_t k = 0; k < 2; k++)
        if (tempo_capture_key_step(name, array_of[k], step)) {
            *kind = (tempo_steps_kind)k;
            return true;
        }
    return false;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Sorted, and a step that has both of its names once. */
static size_t sort_steps(uint32_t *steps, size_t n)
{
    size_t kept = 0;

    qsort(steps, n, sizeof(*steps), ascending);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || steps[kept - 1] != steps[i])
            steps[kept++] = steps[i];
    return kept;
}

static tempo_status list_steps(tempo_steps *s, tempo_err *err)
{
    const size_t n = tempo_array_file_count(s->file);
    tempo_steps_kind kind;
    uint32_t step;

    for (size_t k = 0; k < 2; k++)
        if ((s->steps[k] = calloc(n + 1, sizeof(uint32_t))) == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu steps", n);
    for (size_t i = 0; i < n; i++)
        if (find_kind(tempo_array_file_name(s->file, i), &kind, &step))
            s->steps[kind][s->n[kind]++] = step;
    for (size_t k = 0; k < 2; k++)
        s->n[k] = sort_steps(s->steps[k], s->n[k]);
    if (s->n[0] + s->n[1] == 0)
        return tempo_fail(
            err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
            "no steps in it: expected arrays named step_0_attention or step_0_logits and so on");
    return TEMPO_OK;
}

/* The first of {key: [first, last]}, or 0. */
static uint32_t first_of(const json_t *metadata, const char *key)
{
    const json_int_t first = json_integer_value(json_array_get(json_object_get(metadata, key), 0));

    return first > 0 && first < TEMPO_CAPTURE_LAST_STEP ? (uint32_t)first : 0;
}

/* Metadata of others hold anything; what is not understood says nothing. */
static void read_metadata(tempo_steps *s)
{
    tempo_err ignored = {0};
    json_t *metadata = NULL;
    char *text;

    s->pickled = tempo_array_file_text(s->file, TEMPO_CAPTURE_TEXT, MAX_METADATA_BYTES, &text, &ignored) ==
                 TEMPO_E_UNSUPPORTED;
    if (text != NULL && tempo_json_parse(&metadata, text, strlen(text), &ignored) == TEMPO_OK) {
        s->first_layer = first_of(metadata, "layers");
        s->first_head = first_of(metadata, "heads");
        s->closed = json_is_true(json_object_get(metadata, "closed"));
        json_decref(metadata);
    }
    free(text);
}

/* A path may hold any bytes; JSON and terminals take text. */
static char *make_shown(const char *path)
{
    const size_t n = strlen(path);
    char *s = malloc(n + 1);

    if (s != NULL)
        tempo_utf8_shown(s, path, n);
    return s;
}

/* Messages of the file begin with its path, which others need not know. */
static tempo_status open_file(tempo_steps *s, const char *path, tempo_err *err)
{
    tempo_err inner = {0};
    const tempo_status st = tempo_array_file_open(&s->file, path, &inner);

    if (st == TEMPO_OK)
        return st;
    const bool named = tempo_err_strip(&inner, path);
    return tempo_fail(err, st, inner.offset, "%s%s%s", s->name, named ? "" : ": ", inner.msg);
}

tempo_status tempo_steps_open(tempo_steps *out, const char *path, const char *name, tempo_err *err)
{
    tempo_status st;

    *out = (tempo_steps){.max_bytes = TEMPO_STEPS_MAX_BYTES};
    out->name = strdup(name != NULL ? name : path);
    out->shown = make_shown(path);
    if (out->name == NULL || out->shown == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a path");
    else if ((st = open_file(out, path, err)) == TEMPO_OK && (st = list_steps(out, err)) != TEMPO_OK)
        tempo_err_prefix(err, "%s", out->name);
    if (st == TEMPO_OK)
        read_metadata(out);
    else
        tempo_steps_close(out);
    return st;
}

void tempo_steps_close(tempo_steps *s)
{
    tempo_array_file_free(s->file);
    free(s->name);
    free(s->shown);
    free(s->steps[0]);
    free(s->steps[1]);
    *s = (tempo_steps){0};
}

bool tempo_steps_has(const tempo_steps *s, tempo_steps_kind kind, uint32_t step)
{
    return s->n[kind] > 0 && bsearch(&step, s->steps[kind], s->n[kind], sizeof(step), ascending) != NULL;
}
