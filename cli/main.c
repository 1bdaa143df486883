/* main.c - finding the command. */
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "options.h"

static int run(const command_spec *c, int argc, char **argv)
{
    options o;

    if (!parse_options(&o, c, argc, argv))
        return EXIT_USAGE;
    if (o.help) {
        print_command_help(c);
        return EXIT_OK;
    }
    return c->run(&o);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int code;

    if (argc < 2) {
        print_overview();
        (void)finish_output();
        return EXIT_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const command_spec *c = find_command(name);
    if (c == NULL) {
        say("there is no command '%.64s'; tempo --help lists them", name);
        return EXIT_USAGE;
    }
    code = run(c, argc - 1, argv + 1);
    if (!finish_output() && code == EXIT_OK)
        code = EXIT_FAILED;
    return code;
}
