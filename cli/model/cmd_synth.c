/* cmd_synth.c - tempo synth: a model to measure with. */
#include <stdio.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/options.h"

static bool show_written(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    show_progress("writing", done, total);
    return !interrupted();
}

int cmd_synth(const options *o)
{
    const tempo_synth_options opt = {.size = sizeof(opt),
                                     .shape = o->shape,
                                     .type = o->type != NULL ? o->type : "BF16",
                                     .seed = o->seed,
                                     .progress = show_written};
    tempo_err err = {0};

    if (o->output == NULL) {
        say("synth needs a file to write: -o FILE");
        return EXIT_USAGE;
    }
    catch_interrupts();
    show_progress("writing", 0, 1);
    const tempo_status st = tempo_synth(o->output, &opt, &err);
    show_progress("", 0, 0);
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}
