/* report_html.h - a study's report as one HTML file: cli/server/report_html.c, for cli/study. */
#ifndef CLI_REPORT_HTML_H
#define CLI_REPORT_HTML_H
#include "cli/options.h"

/* Write the report of the study in dir to the file o->html; returns an exit code, and has said what went wrong. */
int write_report_html(const options *o, const char *dir);

#endif
