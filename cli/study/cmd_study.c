/* cmd_study.c - run a study, and report on one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/study/record.h"
#include "cli/report_html.h"
#include "cli/session.h"
#include "report/report.h"
#include "study/study.h"
#include "cli/terminal.h"
#include "cli/study/told.h"

/* The file that --html names, if any. */
static int put_html(const options *o, const char *dir)
{
#ifdef TEMPO_SERVER
    if (o->html != NULL)
        return write_report_html(o, dir);
#else
    (void)o;
    (void)dir;
#endif
    return EXIT_OK;
}

/* The report on standard output; takes it. */
static int put_report(const options *o, const char *dir, json_t *report)
{
    const tempo_page_style style = {.color = use_colors(o->color), .width = terminal_width()};
    const int code = put_html(o, dir);
    char *text;

    if (code != EXIT_OK) {
        json_decref(report);
        return code;
    }
    if (o->json)
        return print_json(report, false);
    text = tempo_study_report_text(report, &style);
    json_decref(report);
    if (text == NULL) {
        say("no memory for the report");
        return EXIT_FAILED;
    }
    (void)fputs(text, stdout);
    printf("\nAll of it: %s/report.md and report.json\n", dir);
    if (o->html != NULL)
        printf("As pictures: %s\n", o->html);
    free(text);
    return EXIT_OK;
}

static int report_on(const options *o, const char *dir)
{
    tempo_err err = {0};
    json_t *report;

    return tempo_study_report(&report, dir, &err) == TEMPO_OK ? put_report(o, dir, report) : say_error(&err);
}

/* What a study would do, without doing it. */
static int put_plan(const options *o, const tempo_study_options *so)
{
    tempo_study s;
    tempo_err err = {0};
    tempo_status st = tempo_study_plan(&s, so, &err);

    if (st == TEMPO_OK)
        printf("%zu prompts at %zu thresholds, %zu steps each\n", s.n_prompts, s.n_thresholds, s.steps);
    for (size_t i = 0; st == TEMPO_OK && i < tempo_study_model_count(&s); i++) {
        tempo_study_trace_cost cost;
        if ((st = tempo_study_open_model(&s, i, &err)) == TEMPO_OK &&
            (!o->trace || (st = tempo_study_trace_estimate(&s, &cost, &err)) == TEMPO_OK))
            printf("%s: %zu units", tempo_model_get_info(s.model)->name, s.n_prompts * s.n_thresholds);
        if (st == TEMPO_OK && o->trace)
            printf("; traces of at most %zu sets: %zu choices of edges each, of a set of two %zu rows in %zu "
                   "batches of up to %.0f MB",
                   cost.sets, cost.cells, cost.rows, cost.batches, (double)cost.bytes / 1e6);
        if (st == TEMPO_OK)
            printf("\n");
        tempo_study_close_model(&s);
    }
    tempo_study_end(&s);
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

static int run_study(const options *o, const char *dir)
{
    size_t told = 0;
    const tempo_yaml_tell tell = tell_errors(&told);
    tempo_study_options so = {.dir = dir,
                              .resume = o->resume,
                              .prompts = o->prompts_file,
                              .hypotheses = o->hypotheses,
                              .n_models = o->models.n,
                              .n_thresholds = o->thresholds.n,
                              .steps = o->study_steps,
                              .max_prompts = o->max_prompts,
                              .trace = o->trace,
                              .batch = o->batch,
                              .threads = (unsigned)o->threads,
                              .cpu = o->cpu,
                              .compute = (tempo_compute)o->compute,
                              .argc = (int)o->n_command_line,
                              .argv = o->command_line,
                              .progress = told_progress,
                              .note = told_note,
                              .tell = &tell,
                              .poll = poll_interrupts};
    tempo_err err = {0};
    tempo_status st;
    json_t *report;

    if (o->resume && (o->models.n > 0 || o->thresholds.n > 0 || o->study_steps > 0 || o->max_prompts > 0 ||
                      o->prompts_file != NULL || o->hypotheses != NULL || o->trace)) {
        say("--resume goes on with what the study began with: give no models, prompts, hypotheses, "
            "thresholds, steps or --trace");
        return EXIT_USAGE;
    }
    memcpy(so.models, o->models.v, o->models.n * sizeof(*o->models.v));
    memcpy(so.thresholds, o->thresholds.v, sizeof(o->thresholds.v));
    if (o->dry_run) {
        if (!o->resume)
            return put_plan(o, &so);
        say("--dry-run says what a new study would do, and --resume goes on with one");
        return EXIT_USAGE;
    }
    catch_interrupts();
    st = tempo_study_run(&report, &so, &err);
    show_progress("", 0, 0);
    if (st == TEMPO_OK || st == TEMPO_E_STOPPED)
        record_runs(o, "the study is", &dir, 1);
    if (st == TEMPO_E_STOPPED) {
        say("stopped; what was finished is kept: tempo study run --resume --out %s", dir);
        return EXIT_INTERRUPTED;
    }
    if (were_told(told))
        return EXIT_FAILED;
    return st == TEMPO_OK ? put_report(o, dir, report) : say_error(&err);
}

int cmd_study(const options *o)
{
    const char *what = o->argument != NULL ? o->argument : "";
    const char *dir = o->n_arguments > 1 ? o->arguments[1] : o->dir != NULL ? o->dir : "tempo-study";

    if (o->n_arguments > 2 || (o->n_arguments == 2 && o->dir != NULL)) {
        say("study takes one directory; see tempo study --help");
        return EXIT_USAGE;
    }
    if (strcmp(what, "run") == 0)
        return run_study(o, dir);
    if (strcmp(what, "report") == 0)
        return report_on(o, dir);
    say("study needs run or report; see tempo study --help");
    return EXIT_USAGE;
}
