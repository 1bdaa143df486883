/* cmd_analyze.c - what captures that exist already say. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/session.h"
#include "analyze/analyze.h"
#include "cli/terminal.h"

static bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int analyze(json_t **report, const options *o)
{
    tempo_err err = {0};
    const tempo_status st = o->n_arguments == 2
                                ? tempo_analyze_pair(report, o->arguments[0], o->arguments[1], &err)
                                : tempo_analyze_dir(report, o->arguments[0], &err);

    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

/* The report as text, on standard output or in a file; FAILED with a message. */
static int put_report(const json_t *report, const tempo_page_style *style, const char *path)
{
    tempo_err err = {0};
    char *text = tempo_analyze_text(report, style);
    int code = EXIT_OK;

    if (text == NULL) {
        say("no memory for the report");
        return EXIT_FAILED;
    }
    if (path == NULL)
        (void)fputs(text, stdout);
    else if (tempo_analyze_save(path, text, &err) != TEMPO_OK)
        code = say_error(&err);
    free(text);
    return code;
}

static int show(json_t *report, const options *o)
{
    const tempo_page_style terminal = {.color = use_colors(o->color), .width = terminal_width()};
    const tempo_page_style file = {.markdown = true, .width = 100};
    int code = EXIT_OK;

    if (o->output != NULL)
        code = put_report(report, &file, o->output);
    else if (!o->json)
        code = put_report(report, &terminal, NULL);
    if (o->json && code == EXIT_OK)
        code = print_json(json_incref(report), false);
    return code;
}

int cmd_analyze(const options *o)
{
    json_t *report;
    int code;

    if (o->n_arguments == 0 || o->n_arguments > 2 || (o->n_arguments == 2 && is_directory(o->arguments[0]))) {
        say("analyze needs one directory, or two files (.npz, .safetensors); see tempo analyze --help");
        return EXIT_USAGE;
    }
    if (o->n_arguments == 1 && !is_directory(o->arguments[0])) {
        say("%s is no directory; to compare files analyze needs two of them", o->arguments[0]);
        return EXIT_USAGE;
    }
    if ((code = analyze(&report, o)) != EXIT_OK)
        return code;
    code = show(report, o);
    json_decref(report);
    return code;
}
