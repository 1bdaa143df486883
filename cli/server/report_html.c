/* report_html.c - tempo study report --html: the view of the report inside the page that draws it. */
#include "cli/report_html.h"

#include <stdlib.h>

#include "cli/message.h"
#include "server/page/report_page.h"
#include "cli/session.h"
#include "files/json_out.h"
#include "report/view.h"

/* Experiments beside the study come from the database; where there is none, there are none. */
static tempo_status make_view(json_t **view, const options *o, const char *dir, tempo_err *err)
{
    tempo_registry *r = NULL;
    tempo_status st = o->no_db ? TEMPO_OK : tempo_registry_open(&r, o->db, true, err);

    *view = NULL;
    if (st == TEMPO_OK || (st == TEMPO_E_NOTFOUND && err->code == TEMPO_OK))
        st = tempo_report_view(view, dir, r, err);
    tempo_registry_free(r);
    return st;
}

int write_report_html(const options *o, const char *dir)
{
    char *page = NULL, *whole = NULL;
    size_t n, n_whole;
    json_t *view = NULL;
    tempo_err err = {0};
    tempo_status st;

    if ((st = tempo_report_template(&page, &n, &err)) == TEMPO_OK &&
        (st = make_view(&view, o, dir, &err)) == TEMPO_OK &&
        (st = tempo_report_page(&whole, &n_whole, page, n, view, &err)) == TEMPO_OK)
        st = tempo_text_save(o->html, whole, n_whole, &err);
    json_decref(view);
    free(page);
    free(whole);
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}
