#include "cli/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/terminal.h"

/* What takes less is over before anybody has read how far it is. */
enum { PATIENCE_MS = 500 };

/* File names and texts from outside may hold anything; a terminal must not obey it. */
static void put_safely(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            (void)fprintf(stderr, "\\x%02x", (unsigned char)*s);
        else
            (void)fputc(*s, stderr);
    }
}

void say(const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    terminal_leave();
    (void)fputs("tempo: ", stderr);
    put_safely(text);
    (void)fputc('\n', stderr);
}

int say_error(const tempo_err *err)
{
    if (err->code == TEMPO_E_STOPPED)
        return EXIT_INTERRUPTED;
    if (err->offset != TEMPO_NO_OFFSET && err->code != TEMPO_E_IO)
        say("%s (at byte %" PRIu64 ")", err->msg, err->offset);
    else
        say("%s", err->msg[0] != '\0' ? err->msg : tempo_status_name(err->code));
    return err->code == TEMPO_E_ARG ? EXIT_USAGE : EXIT_FAILED;
}

void say_notes(const tempo_model *m)
{
    const char *note;

    for (size_t i = 0; (note = tempo_model_note(m, i)) != NULL; i++)
        say("%s: %s", tempo_model_get_info(m)->path, note);
}

bool finish_output(void)
{
    static bool said;

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (said)
        return false;
    said = true;
    say("standard output cannot be written: %s", errno != 0 ? strerror(errno) : "an earlier write failed");
    return false;
}

void show_progress(const char *what, uint64_t done, uint64_t total)
{
    static int shown = -1; /* percent on the terminal, -1 = nothing */
    static double begin;
    const bool ended = total == 0 || done >= total;
    const int percent = ended ? -1 : (int)(100.0 * (double)done / (double)total);

    if (done == 0 && !ended)
        begin = now_ms();
    if (percent == shown || !isatty(STDERR_FILENO) || terminal_is_entered() ||
        (!ended && now_ms() - begin < PATIENCE_MS))
        return;
    shown = percent;
    if (ended)
        (void)fprintf(stderr, "\r\033[K");
    else
        (void)fprintf(stderr, "\r%s %3d%%", what, percent);
    (void)fflush(stderr);
}

double now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}
