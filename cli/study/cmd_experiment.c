/* cmd_experiment.c - run experiments, and hold them against what was published. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/study/arms_yaml.h"
#include "cli/study/record.h"
#include "cli/session.h"
#include "experiment/run.h"
#include "cli/study/told.h"

enum { MAX_ARGUMENTS = 64 };

static void record(const options *o, const json_t *summary)
{
    const json_t *list = json_object_get(summary, "experiments"), *result;
    const char *dirs[MAX_ARGUMENTS];
    size_t i, n = 0;

    json_array_foreach(list, i, result) if (n < MAX_ARGUMENTS) dirs[n++] =
        json_string_value(json_object_get(result, "directory"));
    record_runs(o, "the experiments are", dirs, n);
}

static int put_text(char *text)
{
    if (text == NULL) {
        say("no memory for the summary");
        return EXIT_FAILED;
    }
    (void)fputs(text, stdout);
    free(text);
    return EXIT_OK;
}

static int run_experiments(const options *o)
{
    static const char *const shipped[] = {"exp1", "exp2", "exp3", "exp4", "exp5"};
    const char *files[MAX_ARGUMENTS];
    size_t told = 0;
    const tempo_yaml_tell tell = tell_errors(&told);
    const bool all = o->n_arguments == 2 && strcmp(o->arguments[1], "all") == 0;
    const tempo_experiments_options eo = {.files = all ? shipped : files,
                                          .n_files =
                                              all ? sizeof(shipped) / sizeof(*shipped) : o->n_arguments - 1,
                                          .dir = o->dir,
                                          .layout = (tempo_layout_choice)o->layout,
                                          .prompts = o->prompts_file,
                                          .model = o->model,
                                          .cpu = o->cpu,
                                          .compute = (tempo_compute)o->compute,
                                          .threads = (unsigned)o->threads,
                                          .has_pairs = o->has_pairs,
                                          .pairs = o->pairs,
                                          .argc = (int)o->n_command_line,
                                          .argv = o->command_line,
                                          .progress = told_progress,
                                          .note = told_note,
                                          .tell = &tell,
                                          .poll = poll_interrupts};
    tempo_err err = {0};
    json_t *summary, *dir;
    size_t i;

    for (i = 1; i < o->n_arguments && i <= MAX_ARGUMENTS; i++)
        files[i - 1] = o->arguments[i];
    if (o->n_arguments > MAX_ARGUMENTS + 1) {
        say("experiment run takes at most %d files", MAX_ARGUMENTS);
        return EXIT_USAGE;
    }
    if (o->n_arguments < 2) {
        say("experiment run needs a file, the name of a shipped experiment (exp1 to exp5), or all");
        return EXIT_USAGE;
    }
    catch_interrupts();
    const tempo_status st = tempo_experiments_run(&summary, &eo, &err);
    show_progress("", 0, 0);
    if (st == TEMPO_E_STOPPED) {
        say("stopped; experiments that were finished are kept");
        return EXIT_INTERRUPTED;
    }
    if (were_told(told))
        return EXIT_FAILED;
    if (st != TEMPO_OK)
        return say_error(&err);
    record(o, summary);
    if (o->json)
        return print_json(summary, false);
    const int code = put_text(tempo_experiments_brief(summary, use_colors(o->color)));
    json_array_foreach(json_object_get(summary, "written"), i, dir)
        printf("%sThe whole document: %s/EXPERIMENT_RESULTS.md; its figures: %s/results.json\n",
               i == 0 ? "\n" : "", json_string_value(dir), json_string_value(dir));
    json_decref(summary);
    return code;
}

/* An experiment's file, without running it. */
static int check_file(const options *o)
{
    size_t told = 0;
    const tempo_yaml_tell tell = tell_errors(&told);
    const char *file = o->arguments[1];
    const tempo_experiments_options eo = {.files = &file,
                                          .n_files = 1,
                                          .prompts = o->prompts_file,
                                          .model = o->model,
                                          .cpu = o->cpu,
                                          .compute = (tempo_compute)o->compute,
                                          .threads = (unsigned)o->threads,
                                          .note = told_note,
                                          .tell = &tell,
                                          .poll = poll_interrupts};
    tempo_err err = {0};
    const tempo_status st = tempo_experiments_check_files(&eo, &err);

    if (were_told(told))
        return EXIT_FAILED;
    if (st != TEMPO_OK)
        return say_error(&err);
    printf("%s: nothing is wrong with it\n", file);
    return EXIT_OK;
}

static int check(const options *o)
{
    const char *dir = o->n_arguments == 2 ? o->arguments[1] : o->dir != NULL ? o->dir : TEMPO_EXPERIMENTS_DIR;
    tempo_err err = {0};
    json_t *summary;

    if (o->n_arguments > 2) {
        say("experiment check takes one directory, or one file");
        return EXIT_USAGE;
    }
    if (o->n_arguments == 2 && is_yaml(dir))
        return check_file(o);
    if (tempo_experiments_load(&summary, dir, &err) != TEMPO_OK)
        return say_error(&err);
    const int code = put_text(tempo_experiments_check(summary));
    json_decref(summary);
    return code;
}

int cmd_experiment(const options *o)
{
    const char *what = o->argument != NULL ? o->argument : "";

    if (strcmp(what, "run") == 0)
        return run_experiments(o);
    if (strcmp(what, "check") == 0)
        return check(o);
    say("experiment needs run or check; see tempo experiment --help");
    return EXIT_USAGE;
}
