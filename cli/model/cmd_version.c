/* cmd_version.c - what this program is. */
#include <jansson.h>
#include <stdio.h>

#include "cli/message.h"
#include "cli/session.h"
#include "files/manifest.h"

/* Our own code is MIT; a program that holds GSL is under its licence as a whole. */
#ifdef TEMPO_STUDY
#define PROGRAM_LICENCE "GPL-3.0-or-later"
#define LICENCE_LINES                                                                                        \
    "MIT licence; this program is linked with the GNU Scientific Library and is as a whole under the\n"      \
    "GNU General Public License, version 3 or later (a build without studies, TEMPO_STUDY=OFF, is not)\n"
#else
#define PROGRAM_LICENCE "MIT"
#define LICENCE_LINES "MIT licence\n"
#endif

int cmd_version(const options *o)
{
    if (o->json)
        return print_json(json_pack("{s:s, s:s, s:s, s:s}", "version", tempo_version(), "compiler",
                                    TEMPO_COMPILER, "licence", "MIT", "program_licence", PROGRAM_LICENCE),
                          false);
    printf("tempo %s\nbuilt with %s\n" LICENCE_LINES, tempo_version(), TEMPO_COMPILER);
    return EXIT_OK;
}
