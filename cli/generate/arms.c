/* arms.c - which arms a command line asks for, in which regime, and what they must take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/generate/generate.h"
#include "cli/message.h"
#include "cli/prompt/edits.h"
#include "run/run.h"
#ifdef TEMPO_STUDY
#include "cli/study/arms_yaml.h"
#endif

const char *arms_problem(const options *o)
{
    const bool several = o->paired || o->arms != NULL;

    if (o->paired && o->arms != NULL)
        return "--paired and --arms both say which arms there are: give only one of them";
    if (o->paired && o->has_mode && !has_edits(o))
        return "--paired runs both modes: leave --mode out";
    if (o->regime == TEMPO_REGIME_LOCKSTEP && !several)
        return "--regime lockstep needs several arms: --paired or --arms FILE";
    if (o->driver != NULL && o->regime != TEMPO_REGIME_LOCKSTEP)
        return "--driver needs --regime lockstep";
    if (!o->sampling.on && (o->sampling.top_p < 1.0 || o->sampling.min_p > 0.0 || o->sampling.seed != 0))
        return "--top-p, --min-p and --seed need --sample";
    if (!several && o->decoding.mode == TEMPO_ISOLATED && o->decoding.last_visible_layer != TEMPO_ALL_LAYERS)
        return "--visible-layers needs --mode visible or causal, --paired or --arms";
    return NULL;
}

static tempo_status load_arms(generation *g, tempo_err *err)
{
#ifdef TEMPO_STUDY
    if (is_yaml(g->o->arms))
        return arms_load_yaml(&g->arms, g->o->arms, &g->o->decoding, err);
#endif
    return tempo_arms_load(&g->arms, g->o->arms, &g->o->decoding, err);
}

static tempo_status add_mode(generation *g, tempo_mode mode, tempo_err *err)
{
    tempo_decode_options d = g->o->decoding;

    d.mode = mode;
    return tempo_arm_add(g->arms, tempo_mode_name(mode), &d, err);
}

/* --paired with edits: without and with them, in one mode. */
static tempo_status add_both(generation *g, tempo_err *err)
{
    const tempo_status st = tempo_arm_add(g->arms, "plain", &g->o->decoding, err);

    return st == TEMPO_OK ? tempo_arm_add(g->arms, "edited", &g->o->decoding, err) : st;
}

static tempo_status make_arms(generation *g, tempo_err *err)
{
    tempo_status st;

    if (g->o->arms != NULL)
        return load_arms(g, err);
    if ((g->arms = calloc(1, sizeof(*g->arms))) == NULL)
        return TEMPO_E_NOMEM;
    if (g->o->paired && has_edits(g->o))
        return add_both(g, err);
    st = add_mode(g, g->o->paired ? TEMPO_ISOLATED : g->o->decoding.mode, err);
    return st == TEMPO_OK && g->o->paired ? add_mode(g, TEMPO_VISIBLE, err) : st;
}

/* --driver; without it the first isolated arm that is no replay, else the first one that is none. */
static bool find_driver(generation *g)
{
    const tempo_arm_list *l = g->arms;
    size_t first = l->n, isolated = l->n, named = l->n;

    for (size_t i = l->n; i-- > 0;) {
        const tempo_decode_options *d = &l->decoding[i];
        if (g->o->driver != NULL && strcmp(l->names[i], g->o->driver) == 0)
            named = i;
        if (d->replay != TEMPO_REPLAY_NONE)
            continue;
        first = i;
        isolated = d->mode == TEMPO_ISOLATED ? i : isolated;
    }
    g->run.driver = g->o->driver != NULL ? named : isolated < l->n ? isolated : first;
    if (g->run.driver < l->n)
        return true;
    if (g->o->driver != NULL)
        say("--driver: there is no arm '%.60s'", g->o->driver);
    else
        say("--regime lockstep: all arms replay, and none can drive the others");
    return false;
}

/* With the arms of a file: what only shows together with the command line. */
static bool go_together(const generation *g)
{
    static const char *const ours[] = {"results.json", "results.jsonl", "manifest.json"};

    for (size_t i = 0; i < g->arms->n; i++) {
        if (g->o->sampling.on && g->arms->decoding[i].temperature != g->o->decoding.temperature) {
            say("%s: arm '%s': with --sample all arms draw at --temperature: leave temperature out",
                g->o->arms, g->arms->names[i]);
            return false;
        }
        for (size_t k = 0; k < sizeof(ours) / sizeof(*ours) && g->o->capture != NULL; k++)
            if (strcmp(g->arms->names[i], ours[k]) == 0) {
                say("%s: arm '%s' is called as a file of the capture: give it another name", g->o->arms,
                    ours[k]);
                return false;
            }
    }
    return true;
}

int arms_make(generation *g)
{
    tempo_err err = {.code = TEMPO_E_NOMEM, .offset = TEMPO_NO_OFFSET, .msg = "out of memory for the arms"};

    tempo_run_options_init(&g->run);
    if (g->o->arms != NULL)
        err = (tempo_err){0};
    if (make_arms(g, &err) != TEMPO_OK)
        return say_error(&err);
    if (g->o->arms != NULL && !go_together(g))
        return EXIT_USAGE;
    g->run.arms = g->arms->arms;
    g->run.n_arms = g->arms->n;
    g->run.regime = (tempo_regime)g->o->regime;
    g->run.sampling = g->o->sampling;
    g->run.sampling.temperature = g->o->decoding.temperature;
    return g->run.regime != TEMPO_REGIME_LOCKSTEP || find_driver(g) ? EXIT_OK : EXIT_USAGE;
}

static tempo_status make_edits(generation *g, tempo_err *err)
{
    json_t *for_all = NULL;
    tempo_status st = has_edits(g->o) ? edits_load(&for_all, g->o, err) : TEMPO_OK;

    if (g->o->paired && st == TEMPO_OK) {
        g->arms->edit_texts[1] = for_all;
        for_all = NULL;
    }
    if (st == TEMPO_OK)
        st = tempo_arms_edit(g->arms, g->s.model, for_all, NULL, err);
    json_decref(for_all);
    return st;
}

int arms_fit(generation *g)
{
    const session *s = &g->prompts[0].s; /* the same template for all prompts */
    tempo_err err = {0};

    for (size_t i = 0; i < g->arms->n; i++) {
        memcpy(g->arms->decoding[i].end_ids, s->end_ids, sizeof(s->end_ids));
        g->arms->decoding[i].n_end_ids = s->n_end_ids;
    }
    if (make_edits(g, &err) != TEMPO_OK)
        return say_error(&err);
    if (g->o->given == NULL)
        return EXIT_OK;
    if (tempo_given_load(&g->given, g->o->given, tempo_model_get_info(g->s.model)->n_vocab, &err) != TEMPO_OK)
        return say_error(&err);
    g->run.given = g->given->sets;
    g->run.n_given = g->given->n;
    return EXIT_OK;
}
