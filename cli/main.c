/* main.c - finding the command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/options.h"

static int run(const command_spec *c, int argc, char **argv)
{
    char **command_line = malloc((size_t)argc * sizeof(*command_line)); /* the parser moves argv's words */
    options o;
    int code;

    if (command_line == NULL) {
        say("out of memory for the command line");
        return EXIT_FAILED;
    }
    memcpy(command_line, argv, (size_t)argc * sizeof(*command_line));
    if (!parse_options(&o, c, argc - 1, argv + 1)) {
        code = EXIT_USAGE;
    } else if (o.help) {
        print_command_help(c);
        code = EXIT_OK;
    } else {
        o.command_line = command_line;
        o.n_command_line = (size_t)argc;
        code = c->run(&o);
    }
    free(command_line);
    return code;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int code;

    prepare_endings();
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
    code = run(c, argc, argv);
    if (!finish_output() && code == EXIT_OK)
        code = EXIT_FAILED;
    return code;
}
