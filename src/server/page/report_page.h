/* report_page.h - the report view inside the page's report.html: one file that needs neither a server nor a network.
 *
 * The template is what web/ builds: HTML with its scripts and styles in it and one element for the data,
 * <script id="tempo-report" type="application/json">null</script>.  */
#ifndef TEMPO_SERVER_PAGE_REPORT_PAGE_H
#define TEMPO_SERVER_PAGE_REPORT_PAGE_H
#include <jansson.h>

#include "base/status.h"

/* The template that the program carries, unpacked, for free().  TEMPO_E_UNSUPPORTED if it was built without one. */
tempo_status tempo_report_template(char **out, size_t *n, tempo_err *err) TEMPO_MUST_CHECK;
/* page[n] with the view in its place, for free(): the text between the element's tags becomes the view's JSON, in which
 * no '<', '>' or '&' and no U+2028 or U+2029 stands as itself, so that nothing in a prompt can end the element.
 * TEMPO_E_FORMAT unless the page has exactly one such element.  */
tempo_status tempo_report_page(char **out, size_t *n_out, const char *page, size_t n, const json_t *view,
                               tempo_err *err) TEMPO_MUST_CHECK;

#endif
