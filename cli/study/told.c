/* told.c - see told.h. */
#include "cli/study/told.h"

#include "cli/message.h"

static void tell_error(void *user, const char *text)
{
    size_t *told = user;

    show_progress("", 0, 0);
    say("%s", text);
    ++*told;
}

tempo_yaml_tell tell_errors(size_t *told)
{
    return (tempo_yaml_tell){.user = told, .error = tell_error};
}

bool were_told(size_t told)
{
    if (told > 1)
        say("%zu errors: nothing was run", told);
    return told > 0;
}

void told_progress(void *user, const char *what, size_t done, size_t total)
{
    (void)user;
    show_progress(what, done, total);
}

void told_note(void *user, const char *of, const char *text)
{
    (void)user;
    show_progress("", 0, 0);
    say("%s: %s", of, text);
}
