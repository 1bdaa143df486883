/* help.c - --help, from the tables. */
#include <stdio.h>
#include <string.h>

#include "cli/message.h"
#include "cli/options.h"

enum { WIDTH = 96, INDENT = 28 };

const char *const exit_code_lines[] = {
    "0    success",
    "1    failure: a file, a model, an allocation, an identity that does not hold",
    "2    usage: an unknown option or command, a value out of its range, no prompt",
    "130  interrupted by Ctrl-C; what was decoded so far has been printed",
    NULL,
};

/* Print text, wrapped at WIDTH; the first line continues at `column`, others begin at `indent`. */
static void print_wrapped(const char *text, size_t indent, size_t column)
{
    while (*text != '\0') {
        const size_t word = strcspn(text, " \n");
        if (column > indent && column + 1 + word > WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)word, text);
        column += word;
        text += word;
        if (strncmp(text, "\n\n", 2) == 0) {
            printf("\n\n%*s", (int)indent, "");
            column = indent;
            text++;
        }
        text += *text != '\0';
    }
    putchar('\n');
}

static void print_option(const option_spec *s)
{
    int n = s->letter != 0 ? printf("  -%c, --%s", s->letter, s->name) : printf("      --%s", s->name);

    if (s->value != NULL)
        n += printf(" %s", s->value);
    if (n >= INDENT - 1) {
        putchar('\n');
        n = 0;
    }
    printf("%*s", INDENT - n, "");
    char text[512];
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s%s", s->help, s->choices != NULL ? ": " : "",
                   s->choices != NULL ? s->choices : "", s->fallback != NULL ? " (default: " : "",
                   s->fallback != NULL ? s->fallback : "", s->fallback != NULL ? ")" : "");
    print_wrapped(text, INDENT, INDENT);
}

void print_command_help(const command_spec *c)
{
    printf("Usage: tempo %s [OPTIONS]%s%s\n\n", c->name, c->argument != NULL ? " " : "",
           c->argument != NULL ? c->argument : "");
    print_wrapped(c->text, 0, 0);
    printf("\nOptions:\n");
    for (size_t i = 0; i < option_count; i++)
        if ((option_table[i].takers & c->takes) != 0)
            print_option(&option_table[i]);
    printf("\nExit codes:\n");
    for (size_t i = 0; exit_code_lines[i] != NULL; i++)
        printf("  %s\n", exit_code_lines[i]);
}

void print_overview(void)
{
    printf("tempo %s: run language models and decode with parallel sets\n\n"
           "Usage: tempo COMMAND [OPTIONS]\n\nCommands:\n",
           tempo_version());
    for (size_t i = 0; i < command_count; i++)
        printf("  %-10s %s\n", command_table[i].name, command_table[i].brief);
    printf("\ntempo COMMAND --help lists the options of a command.  Without -m the built-in model is used.\n"
           "First steps:\n"
           "  tempo generate -p 'The cat sat on the' --probs\n"
           "  tempo generate -p 'The cat sat on the' --paired\n"
           "  tempo doctor\n");
}

int cmd_help(const options *o)
{
    const command_spec *c = NULL;
    const char *name = o->man != NULL ? o->man : o->argument;

    if (o->list) {
        printf("tempo\n");
        for (size_t i = 0; i < command_count; i++)
            printf("%s\n", command_table[i].name);
        return EXIT_OK;
    }
    if (o->completion != NULL)
        return print_completion(o->completion) ? EXIT_OK : EXIT_USAGE;
    if (name != NULL && strcmp(name, "tempo") != 0 && (c = find_command(name)) == NULL) {
        say("there is no command '%.64s'; tempo --help lists them", name);
        return EXIT_USAGE;
    }
    if (o->man != NULL)
        print_man_page(c);
    else if (c != NULL)
        print_command_help(c);
    else
        print_overview();
    return EXIT_OK;
}
