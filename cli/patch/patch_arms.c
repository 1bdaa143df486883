/* patch_arms.c - two modes of one prompt, in lockstep, as what is patched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/patch/patch.h"
#include "cli/prompt/prefill.h"
#include "run/arms_json.h"

int read_patch_arms(patching *v)
{
    const char *text = v->o->patch_arms, *comma = strchr(text, ',');
    tempo_mode mode;

    v->arm[0] = comma != NULL ? strndup(text, (size_t)(comma - text)) : strdup("");
    v->arm[1] = strdup(comma != NULL ? comma + 1 : "");
    if (v->arm[0] == NULL || v->arm[1] == NULL) {
        say("out of memory for two arms");
        return EXIT_FAILED;
    }
    if (tempo_mode_parse(v->arm[0], &mode) && tempo_mode_parse(v->arm[1], &mode) &&
        strcmp(v->arm[0], v->arm[1]) != 0)
        return EXIT_OK;
    say("--arms: '%.64s': expected two modes, such as isolated,visible: values of the first go into the "
        "second",
        text);
    return EXIT_USAGE;
}

int run_patch_arms(patching *v)
{
    tempo_decode_options decoding[2] = {v->o->decoding, v->o->decoding};
    const tempo_run_arm arms[2] = {{v->arm[0], &decoding[0]}, {v->arm[1], &decoding[1]}};
    const tempo_run_prompt prompt = {.ids = v->s->ids, .n = v->s->n_ids};
    tempo_given_list *given = NULL;
    tempo_run_options o;
    tempo_err err = {0};
    int code = EXIT_OK;

    tempo_run_options_init(&o);
    for (unsigned i = 0; i < 2; i++)
        (void)!tempo_mode_parse(v->arm[i], &decoding[i].mode);
    o.arms = arms;
    o.n_arms = 2;
    o.regime = TEMPO_REGIME_LOCKSTEP;
    o.keep = o.closing_pass = true;
    if (v->o->given != NULL) {
        if (tempo_given_load(&given, v->o->given, tempo_model_get_info(v->s->model)->n_vocab, &err) !=
            TEMPO_OK)
            return say_error(&err);
        o.given = given->sets;
        o.n_given = given->n;
    }
    if (tempo_run_create(&v->run, v->s->engine, &o, &prompt, &err) != TEMPO_OK ||
        tempo_runs_all(&v->run, 1, &stop_at_interrupt, &err) != TEMPO_OK)
        code = say_error(&err);
    tempo_given_free(given);
    return code;
}
