/* cmd_pull.c - tempo pull: a model from the hub. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/session.h"

#ifdef TEMPO_PULL
#include "cli/capture.h"
#include "cli/terminal.h"
#include "io/json_file.h"
#include "pull/pull.h"

/* ---- how far it is ---- */

enum { REDRAW_MS = 250 };

typedef struct shown {
    double drawn_ms, begun_ms;
    uint64_t begun_at; /* bytes of all files that were there when the first came */
    bool begun, drawn;
} shown;

static void clear_line(shown *s)
{
    if (s->drawn)
        (void)fputs("\r\033[K", stderr);
    s->drawn = false;
}

static void draw(void *user, const tempo_pull_state *p)
{
    shown *s = user;
    char line[320], done[32], all[32], rate[32];
    const double now = now_ms();

    if (!isatty(STDERR_FILENO) || now - s->drawn_ms < REDRAW_MS)
        return;
    if (!s->begun) {
        s->begun = true;
        s->begun_ms = now;
        s->begun_at = p->all_done;
    }
    s->drawn_ms = now;
    const double seconds = (now - s->begun_ms) / 1000;
    const double per_s =
        seconds > 0.5 && p->all_done > s->begun_at ? (double)(p->all_done - s->begun_at) / seconds : 0;
    const int percent = p->size > 0 ? (int)(100.0 * (double)p->done / (double)p->size) : 100;
    int n = snprintf(line, sizeof(line), "%zu/%zu %s  %s%d%%", p->file + 1, p->n_files, p->name,
                     p->verifying ? "verifying " : "", percent);
    if (n > 0 && (size_t)n < sizeof(line) - 120 && !p->verifying)
        n += snprintf(line + n, sizeof(line) - (size_t)n, "  %s of %s%s%s%s", bytes_text(p->all_done, done),
                      bytes_text(p->all_size, all), per_s > 0 ? ", " : "",
                      per_s > 0 ? bytes_text((uint64_t)per_s, rate) : "", per_s > 0 ? "/s" : "");
    const size_t width = terminal_width();
    (void)fprintf(stderr, "\r%.*s\033[K", (int)(width > 1 ? width - 1 : 1), line);
    (void)fflush(stderr);
    s->drawn = true;
}

static bool go_on(void *user)
{
    return poll_interrupts(user);
}

static void tell(void *user, const char *text)
{
    clear_line(user);
    say("%s", text);
}

/* ---- what it is ---- */

static json_t *document(const tempo_pull *p)
{
    json_t *files = json_array();
    uint64_t size = 0, there = 0;

    for (size_t i = 0; i < tempo_pull_count(p); i++) {
        const tempo_pull_file f = tempo_pull_at(p, i);
        size += f.size;
        there += f.there;
        json_array_append_new(files, json_pack("{s:o, s:I, s:I, s:s, s:b}", "name",
                                               json_text(f.name, strlen(f.name)), "size", (json_int_t)f.size,
                                               "there", (json_int_t)f.there,
                                               strlen(f.hash) == 64 ? "sha256" : "git_sha1", f.hash,
                                               "complete", f.there == f.size));
    }
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:I, s:I, s:o}", "version", tempo_version(), "repository",
                     tempo_pull_repo(p), "revision",
                     json_text(tempo_pull_revision(p), strlen(tempo_pull_revision(p))), "commit",
                     tempo_pull_commit(p), "path", json_text(tempo_pull_path(p), strlen(tempo_pull_path(p))),
                     "size", (json_int_t)size, "there", (json_int_t)there, "files", files);
}

static void print_list(const tempo_pull *p)
{
    char text[32], have[32];
    uint64_t size = 0, there = 0;

    for (size_t i = 0; i < tempo_pull_count(p); i++) {
        const tempo_pull_file f = tempo_pull_at(p, i);
        size += f.size;
        there += f.there;
        printf("%10s  ", bytes_text(f.size, text));
        show_token(f.name, strlen(f.name));
        if (f.there == f.size)
            printf("  (there)");
        else if (f.there > 0)
            printf("  (%s of it there)", bytes_text(f.there, have));
        putchar('\n');
    }
    printf("%10s  %s at %s; to be fetched: %s\n", bytes_text(size, text), tempo_pull_repo(p),
           tempo_pull_commit(p), bytes_text(size - there, have));
}

static int pull(tempo_pull *p, const options *o, shown *s, tempo_err *err)
{
    if (o->dry_run && !o->json) {
        print_list(p);
        return EXIT_OK;
    }
    if (!o->dry_run) {
        const tempo_status st = tempo_pull_fetch(p, err);
        clear_line(s);
        if (st != TEMPO_OK)
            return say_error(err);
    }
    if (o->json)
        return print_json(document(p), false);
    printf("%s\n", tempo_pull_path(p));
    return EXIT_OK;
}

int cmd_pull(const options *o)
{
    shown s = {0};
    const tempo_pull_hooks hooks = {.user = &s, .go_on = go_on, .progress = draw, .say = tell};
    tempo_pull *p = NULL;
    tempo_err err = {0};
    int code;

    if (o->argument == NULL) {
        say("pull needs the name of a model, such as org/name or org/name:Q8_0");
        return EXIT_USAGE;
    }
    catch_interrupts();
    if (tempo_pull_open(&p, o->argument, &hooks, &err) != TEMPO_OK)
        code = say_error(&err);
    else
        code = pull(p, o, &s, &err);
    if (code == EXIT_INTERRUPTED)
        say("stopped; \"tempo pull %s\" goes on where this was", o->argument);
    tempo_pull_free(p);
    return code;
}

#else

int cmd_pull(const options *o)
{
    (void)o;
    say("this tempo was built without libcurl, with which models are fetched: install it (Debian, Ubuntu: "
        "libcurl4-openssl-dev; "
        "Fedora: libcurl-devel; Arch, Homebrew: curl) and build tempo anew, or fetch the model with the "
        "hub's own client");
    return EXIT_FAILED;
}

#endif
