/* paired_run.c - two prompts, each isolated and visible, in one batch, captured; and where the two modes
 * part.
 *
 *   paired_run MODEL DIRECTORY              (MODEL "" means the built-in one; DIRECTORY is made)
 *   cc paired_run.c $(pkg-config --cflags --libs tempo) -o paired_run
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tempo.h>

enum { PROMPTS = 2 };

static const char *const texts[PROMPTS] = {"The cat sat on the", "Once upon a time"};

/* What the run of a prompt came to; a sink hears of it when the run ends. */
static tempo_status report(void *user, tempo_run *r, tempo_err *err)
{
    const tempo_run_differences d = tempo_run_difference(r);

    (void)user;
    (void)err;
    printf("%s:", (const char *)tempo_run_user(r));
    for (size_t arm = 0; arm < tempo_run_arms(r); arm++)
        printf(" %s %zu members,", tempo_run_arm_name(r, arm), tempo_run_members(r, arm));
    if (d.distribution == SIZE_MAX)
        printf(" no bit differs\n");
    else
        printf(" distributions differ from step %zu on, by %.3g\n", d.distribution, d.max_abs);
    return TEMPO_OK;
}

static const char *name_of(const void *user)
{
    return user == texts[0] ? "cat" : "time";
}

static tempo_status run(tempo_engine *engine, const tempo_run_prompt *prompts, const char *dir,
                        tempo_err *err)
{
    tempo_decode_options isolated, visible;
    const tempo_run_arm arms[] = {{"isolated", &isolated}, {"visible", &visible}};
    const tempo_sink sink = {.end = report};
    tempo_run_options o;

    tempo_decode_options_init(&isolated);
    isolated.threshold = 0.05;
    isolated.steps = 8;
    visible = isolated;
    visible.mode = TEMPO_VISIBLE;
    tempo_run_options_init(&o);
    o.arms = arms;
    o.n_arms = 2;
    o.capture_dir = dir;
    o.sinks = &sink;
    o.n_sinks = 1;
    return tempo_runs_prompts(engine, &o, prompts, PROMPTS, 0, name_of, NULL, err);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && argv[1][0] ? argv[1] : NULL;
    tempo_run_prompt prompts[PROMPTS] = {{0}};
    tempo_model *model = NULL;
    tempo_engine *engine = NULL;
    tempo_err err = {0};
    tempo_status st;

    if (argc < 3) {
        fprintf(stderr, "usage: paired_run MODEL DIRECTORY\n");
        return 2;
    }
    if ((st = tempo_model_open(&model, name, NULL, &err)) == TEMPO_OK)
        st = tempo_engine_create(&engine, model, NULL, &err);
    for (size_t i = 0; i < PROMPTS && st == TEMPO_OK; i++) {
        int32_t *ids;
        st = tempo_tokenize(tempo_model_tokenizer(model), texts[i], strlen(texts[i]), 0, &ids, &prompts[i].n,
                            &err);
        prompts[i].ids = ids;
        prompts[i].user = (void *)(uintptr_t)texts[i];
    }
    if (st == TEMPO_OK)
        st = run(engine, prompts, argv[2], &err);
    if (st != TEMPO_OK)
        fprintf(stderr, "paired_run: %s\n", err.msg);
    for (size_t i = 0; i < PROMPTS; i++)
        tempo_free((void *)(uintptr_t)prompts[i].ids);
    tempo_engine_free(engine);
    tempo_model_free(model);
    return st == TEMPO_OK ? 0 : 1;
}
