/* run.c - one run of generate: its arms, what they give, where they differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/generate/run.h"
#include "run/decode_json.h"

const char *stopped_by(const run *r, const arm *a)
{
    const tempo_stopped s = tempo_decoder_stopped(a->decoder);

    return s == TEMPO_RUNNING && r->interrupted ? "interrupt" : tempo_stopped_name(s);
}

/* ---- the arms ---- */

static int add_arm(run *r, tempo_mode mode)
{
    static const char *const names[] = {"isolated", "visible", "causal"};
    tempo_decode_options d = r->o->decoding;
    arm *a = &r->arms[r->n_arms];
    tempo_err err = {0};

    memcpy(d.end_ids, r->s.end_ids, sizeof(d.end_ids));
    d.n_end_ids = r->s.n_end_ids;
    d.mode = mode;
    if (mode == TEMPO_ISOLATED) {
        d.first_visible_layer = 0;
        d.last_visible_layer = TEMPO_ALL_LAYERS;
    }
    *a = (arm){.name = names[mode], .steps = json_array()};
    if (a->steps == NULL) {
        say("out of memory");
        return EXIT_FAILED;
    }
    r->n_arms++;
    if (tempo_decoder_create(&a->decoder, r->s.engine, &d, r->s.ids, r->s.n_ids, &err) != TEMPO_OK)
        return say_error(&err);
    return EXIT_OK;
}

void run_free(run *r)
{
    abort_files(r);
    view_free(r->view);
    for (size_t i = 0; i < r->n_arms; i++) {
        tempo_decoder_free(r->arms[i].decoder);
        json_decref(r->arms[i].steps);
        free(r->arms[i].all.p);
        free(r->arms[i].top.p);
        for (size_t k = 0; k < r->arms[i].n_sets; k++)
            free((void *)(uintptr_t)r->arms[i].sets[k].members);
        free(r->arms[i].sets);
    }
    r->n_arms = 0;
    tempo_parting_free(&r->parting);
}

static bool keep_set(arm *a, const tempo_set *set)
{
    tempo_set *sets = realloc(a->sets, a->n_steps * sizeof(*sets));
    tempo_member *members = malloc(set->n_members * sizeof(*members));

    if (sets != NULL)
        a->sets = sets;
    if (sets == NULL || members == NULL) {
        free(members);
        return false;
    }
    memcpy(members, set->members, set->n_members * sizeof(*members));
    a->sets[a->n_sets] = *set;
    a->sets[a->n_sets++].members = members;
    return true;
}

static bool record_step(run *r, arm *a)
{
    const tempo_set *set = tempo_decoder_last_set(a->decoder);
    bool ok = tempo_ids_push(&a->top, set->members[0].id);

    a->n_steps++;
    a->n_members += set->n_members;
    for (size_t i = 0; i < set->n_members && ok; i++)
        ok = tempo_ids_push(&a->all, set->members[i].id);
    if (ok && r->keeps_sets)
        ok = keep_set(a, set);
    if (ok && (r->o->json || r->o->capture != NULL))
        ok = json_array_append_new(a->steps, json_set(r, set)) == 0;
    if (!ok)
        say("out of memory for step %zu", set->step);
    return ok;
}

/* ---- where two arms differ ---- */

static void compare_arms(run *r, size_t step)
{
    const char *const names[] = {r->arms[0].name, r->arms[1].name};
    const tempo_set *sets[2] = {NULL, NULL};
    double largest;

    for (size_t i = 0; i < 2; i++)
        if (r->arms[i].advanced)
            sets[i] = tempo_decoder_last_set(r->arms[i].decoder);
    tempo_parting_sets(&r->parting, step, names, sets, 2);
    if (sets[0] != NULL && sets[1] != NULL &&
        tempo_distributions_differ(tempo_decoder_distribution(r->arms[0].decoder),
                                   tempo_decoder_distribution(r->arms[1].decoder),
                                   tempo_model_get_info(r->s.model)->n_vocab, &largest))
        tempo_parting_distribution(&r->parting, step, largest);
}

static bool emit_jsonl(const run *r, const arm *a)
{
    return print_json(json_line(r, a), true) == EXIT_OK && finish_output();
}

/* Keep and report what the last call gave. */
int run_take_step(run *r, size_t step)
{
    for (size_t i = 0; i < r->n_arms; i++)
        if (r->arms[i].advanced &&
            (!record_step(r, &r->arms[i]) || (r->o->jsonl && !emit_jsonl(r, &r->arms[i]))))
            return EXIT_FAILED;
    const int code = add_step_to_files(r);
    if (code != EXIT_OK)
        return code;
    if (r->n_arms > 1)
        compare_arms(r, step);
    if (r->view != NULL)
        return view_step(r->view) ? EXIT_OK : EXIT_FAILED;
    if (!r->o->json && !r->o->jsonl && !r->keeps_sets) {
        show_step(r);
        if (ferror(stdout)) /* main says it */
            return EXIT_FAILED;
    }
    return EXIT_OK;
}

/* Is the space that the first token begins with one that tokenizing put there? */
static bool first_space_is_added(const session *s)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    char *text;
    size_t n = 1;

    if (t == NULL || strcmp(tempo_tokenizer_get_info(t).kind, "spm") != 0 ||
        !tempo_tokenizer_get_info(t).add_space_prefix)
        return false;
    if (tempo_detokenize(t, s->ids, s->n_ids, false, &text, &n, NULL) == TEMPO_OK)
        tempo_free(text);
    return n == 0;
}

int run_begin(run *r)
{
    int code;

    r->colors = use_colors(r->o->color);
    r->strip = first_space_is_added(&r->s);
    code = add_arm(r, r->o->paired ? TEMPO_ISOLATED : r->o->decoding.mode);
    if (code == EXIT_OK && r->o->paired)
        code = add_arm(r, TEMPO_VISIBLE);
    if (code == EXIT_OK && r->dir != NULL)
        code = open_files(r);
    return code;
}
