/* page.h - the page: the files of web/dist, which the build embeds. */
#ifndef TEMPO_SERVER_PAGE_H
#define TEMPO_SERVER_PAGE_H
#include "server/http/http.h"

typedef struct tempo_page_file {
    const char *path; /* "/" is index.html */
    const char *hash; /* hexadecimal digits of its contents */
    const unsigned char *data; /* [n] */
    size_t n;
    bool gzip; /* data is in gzip's form */
} tempo_page_file;

/* What was embedded; written by cmake/page.cmake. */
extern const tempo_page_file tempo_page_files[];
extern const size_t tempo_page_n_files;

/* Routes of n files, open to all, to free(); NULL: out of memory.  Without files "/" says how the page is built. */
tempo_route *tempo_page_routes(const tempo_page_file *files, size_t n_files, size_t *n);
/* Answer with a file; the routes' handler finds it among those that were embedded. */
void tempo_page_answer(tempo_exchange *x, const tempo_page_file *file);

#endif
