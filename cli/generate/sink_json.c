/* sink_json.c - --json: one document at the end. */
#include <stdlib.h>

#include "cli/generate/generate.h"
#include "cli/message.h"
#include "io/json_file.h"

typedef struct documents {
    generation *g;
    json_t *root, *prompts; /* of several */
} documents;

static void *open_json(generation *g)
{
    documents *d = calloc(1, sizeof(*d));

    if (d != NULL) {
        d->g = g;
        d->prompts = json_array();
    } else {
        say("out of memory for the output");
    }
    return d;
}

static tempo_status end(void *user, tempo_run *r, tempo_err *err)
{
    documents *d = user;

    (void)err;
    if (!d->g->several)
        return print_json(json_document(prompt_of(r), r), false) == EXIT_OK ? sink_flush(d->g)
                                                                            : sink_failed(d->g);
    if (d->root == NULL && (d->root = json_beginning(d->g, r)) == NULL) {
        say("out of memory for the output");
        return sink_failed(d->g);
    }
    json_array_append_new(d->prompts, json_prompt(prompt_of(r), r));
    return TEMPO_OK;
}

static int close_json(void *user, int code)
{
    documents *d = user;

    if (d->root != NULL && (code == EXIT_OK || code == EXIT_INTERRUPTED)) {
        json_object_set(d->root, "prompts", d->prompts);
        json_object_set_new(d->root, "timing",
                            json_pack("{s:o, s:o}", "load_ms", tempo_json_number(d->g->s.load_ms), "total_ms",
                                      tempo_json_number(now_ms() - d->g->prompts[0].begin_ms)));
        if (print_json(json_incref(d->root), false) != EXIT_OK || !finish_output())
            code = EXIT_FAILED;
    }
    json_decref(d->root);
    json_decref(d->prompts);
    free(d);
    return code;
}

const sink_kind json_sink = {open_json, {.end = end}, NULL, close_json};
