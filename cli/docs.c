/* docs.c - man pages (mdoc) and completions, from the tables. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"

/* ---- man pages ---- */

/* Text for a line of mdoc: backslashes escaped, no control character at its beginning. */
static void put_roff(const char *s)
{
    if (*s == '.' || *s == '\'')
        printf("\\&");
    for (; *s != '\0'; s++) {
        if (*s == '\\')
            printf("\\e");
        else if (*s == '-')
            printf("\\-");
        else
            putchar(*s);
    }
}

/* Paragraphs; every sentence on a line of its own, as mdoc wants it. */
static void put_text(const char *s)
{
    while (*s != '\0') {
        char line[1024];
        size_t n = 0;
        bool paragraph = false;
        while (*s != '\0' && n < sizeof(line) - 1) {
            if (s[0] == '\n' && s[1] == '\n') {
                paragraph = true;
                s += 2;
                break;
            }
            if (n > 0 && line[n - 1] == '.' && s[0] == ' ' && (s[1] == ' ' || isupper((unsigned char)s[1]))) {
                s += strspn(s, " ");
                break;
            }
            line[n++] = *s++;
        }
        line[n] = '\0';
        put_roff(line);
        putchar('\n');
        if (paragraph)
            printf(".Pp\n");
    }
}

static void put_option(const option_spec *s)
{
    printf(".It ");
    if (s->letter != 0)
        printf("Fl %c , ", s->letter);
    printf("Fl \\-%s", s->name);
    if (s->value != NULL)
        printf(" Ar %s", s->value);
    putchar('\n');
    char line[512];
    (void)snprintf(line, sizeof(line), "%c%s%s%s.", toupper((unsigned char)s->help[0]), s->help + 1,
                   s->choices != NULL ? ": " : "", s->choices != NULL ? s->choices : "");
    put_roff(line);
    putchar('\n');
    if (s->fallback != NULL) {
        printf("The default is ");
        put_roff(s->fallback);
        printf(".\n");
    }
}

static void put_environment(void)
{
    printf(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
           ".It Ev NO_COLOR\nNo colours, if it is set and not empty.\n"
           ".It Ev TEMPO_MODELS\nA directory that holds the built\\-in model.\n");
#ifdef TEMPO_STUDY
    printf(".It Ev XDG_DATA_HOME\nWhere the database of runs is, in\n.Pa tempo/runs.db .\n");
#endif
    printf(".It Ev HF_HUB_CACHE , HF_HOME\nWhere the Hugging Face cache is; only\n.Nm tempo pull\nwrites to "
           "it.\n.El\n");
}

static void put_exit_codes(void)
{
    printf(".Sh EXIT STATUS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; exit_code_lines[i] != NULL; i++) {
        const char *line = exit_code_lines[i];
        const size_t n = strcspn(line, " ");
        printf(".It %.*s\n", (int)n, line);
        put_roff(line + n + strspn(line + n, " "));
        putchar('\n');
    }
    printf(".El\n");
}

static void put_program_page(void)
{
    printf(
        ".Sh NAME\n.Nm tempo\n.Nd run Llama\\-family models and decode with parallel sets\n"
        ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Sh DESCRIPTION\n"
        "An ordinary decoder picks one token a step.\n"
        ".Nm\nselects every token whose probability reaches a threshold; the set enters the context at one\n"
        "position, and the next step reads all of its members.\n"
        "The commands are\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < command_count; i++)
        printf(".It Xr tempo\\-%s 1\n%s\n", command_table[i].name, command_table[i].brief);
    printf(".El\n");
}

static void put_command_page(const command_spec *c)
{
    printf(".Sh NAME\n.Nm tempo\\-%s\n.Nd %s\n.Sh SYNOPSIS\n.Nm tempo %s\n.Op Ar options\n", c->name,
           c->brief, c->name);
    if (c->argument != NULL && c->argument[0] == '[')
        printf(".Op Ar %.*s\n", (int)strlen(c->argument) - 2, c->argument + 1);
    else if (c->argument != NULL)
        printf(".Ar %s\n", c->argument);
    printf(".Sh DESCRIPTION\n");
    put_text(c->text);
    printf(".Pp\nThe options are\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < option_count; i++)
        if ((option_table[i].takers & c->takes) != 0)
            put_option(&option_table[i]);
    printf(".El\n");
}

/* The commands' pages in the order of their names, as mdoc wants them. */
static void put_references(void)
{
    const char *last = "";

    for (size_t n = command_count; n > 0; n--) {
        const char *next = NULL;
        for (size_t i = 0; i < command_count; i++) {
            const char *name = command_table[i].name;
            if (strcmp(name, last) > 0 && (next == NULL || strcmp(name, next) < 0))
                next = name;
        }
        printf(".Xr tempo\\-%s 1%s\n", next, n > 1 ? " ," : "");
        last = next;
    }
}

void print_man_page(const command_spec *c)
{
    char title[32] = "TEMPO";

    if (c != NULL)
        (void)snprintf(title, sizeof(title), "TEMPO-%s", c->name);
    for (char *p = title; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    printf(".Dd $Mdocdate$\n.Dt %s 1\n.Os\n", title);
    if (c != NULL)
        put_command_page(c);
    else
        put_program_page();
    put_environment();
    put_exit_codes();
    printf(".Sh SEE ALSO\n");
    if (c != NULL)
        printf(".Xr tempo 1\n");
    else
        put_references();
}

/* ---- completions ---- */

static bool takes_file(const option_spec *s)
{
    return s->kind == OPTION_TEXT && s->value != NULL &&
           (strcmp(s->value, "FILE") == 0 || strcmp(s->value, "MODEL") == 0);
}

/* "a|b" as "a b" */
static void put_words(const char *choices)
{
    for (; *choices != '\0'; choices++)
        putchar(*choices == '|' ? ' ' : *choices);
}

static void print_bash(void)
{
    printf("# bash completion for tempo\n_tempo()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
           "command=${COMP_WORDS[1]} options=''\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < command_count; i++)
        printf("%s ", command_table[i].name);
    printf("--help --version' -- \"$cur\"))\n        return\n    fi\n    case $prev in\n");
    for (size_t i = 0; i < option_count; i++) {
        const option_spec *s = &option_table[i];
        if (s->choices == NULL && !takes_file(s))
            continue;
        printf("    --%s", s->name);
        if (s->letter != 0)
            printf(" | -%c", s->letter);
        printf(") COMPREPLY=($(compgen ");
        if (s->choices != NULL) {
            printf("-W '");
            put_words(s->choices);
            printf("'");
        } else {
            printf("-f");
        }
        printf(" -- \"$cur\")); return ;;\n");
    }
    printf("    esac\n    case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        printf("    %s) options='", command_table[i].name);
        for (size_t k = 0; k < option_count; k++)
            if ((option_table[k].takers & command_table[i].takes) != 0)
                printf("--%s ", option_table[k].name);
        printf("' ;;\n");
    }
    printf("    esac\n    case $cur in\n"
           "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
           "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
           "    esac\n}\ncomplete -o filenames -F _tempo tempo\n");
}

/* Text inside single quotes of a shell, in a zsh description: no quote, colon or bracket. */
static void put_description(const char *s)
{
    for (; *s != '\0'; s++) {
        if (strchr("'[]:\\", *s) != NULL)
            putchar(' ');
        else
            putchar(*s);
    }
}

static void print_zsh(void)
{
    printf("#compdef tempo\n_tempo() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < command_count; i++)
        printf("        '%s:%s'\n", command_table[i].name, command_table[i].brief);
    printf(
        "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
        "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        printf("    %s) _arguments", command_table[i].name);
        for (size_t k = 0; k < option_count; k++) {
            const option_spec *s = &option_table[k];
            if ((s->takers & command_table[i].takes) == 0)
                continue;
            printf(" \\\n        '--%s[", s->name);
            put_description(s->help);
            printf("]");
            if (s->value != NULL) {
                printf(":%s:", s->value);
                if (s->choices != NULL) {
                    printf("(");
                    put_words(s->choices);
                    printf(")");
                } else if (takes_file(s)) {
                    printf("_files");
                }
            }
            printf("'");
        }
        printf(" \\\n        '*:argument:_files' ;;\n");
    }
    printf("    esac\n}\n_tempo \"$@\"\n");
}

static void print_fish(void)
{
    printf("# fish completion for tempo\ncomplete -c tempo -n __fish_use_subcommand -f\n");
    for (size_t i = 0; i < command_count; i++)
        printf("complete -c tempo -n __fish_use_subcommand -a %s -d '%s'\n", command_table[i].name,
               command_table[i].brief);
    for (size_t k = 0; k < option_count; k++) {
        const option_spec *s = &option_table[k];
        printf("complete -c tempo -n '__fish_seen_subcommand_from");
        for (size_t i = 0; i < command_count; i++)
            if ((s->takers & command_table[i].takes) != 0)
                printf(" %s", command_table[i].name);
        printf("' -l %s", s->name);
        if (s->letter != 0)
            printf(" -s %c", s->letter);
        if (s->choices != NULL) {
            printf(" -x -a '");
            put_words(s->choices);
            printf("'");
        } else if (takes_file(s)) {
            printf(" -r");
        } else if (s->value != NULL) {
            printf(" -x");
        }
        printf(" -d '");
        put_description(s->help);
        printf("'\n");
    }
}

bool print_completion(const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else if (strcmp(shell, "fish") == 0)
        print_fish();
    else
        return false;
    return true;
}
