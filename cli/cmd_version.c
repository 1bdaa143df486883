/* cmd_version.c - what this program is. */
#include <jansson.h>
#include <stdio.h>

#include "message.h"
#include "session.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

int cmd_version(const options *o)
{
    if (o->json)
        return print_json(
            json_pack("{s:s, s:s, s:s}", "version", tempo_version(), "compiler", COMPILER, "licence", "MIT"),
            false);
    printf("tempo %s\nbuilt with %s\nMIT licence\n", tempo_version(), COMPILER);
    return EXIT_OK;
}
