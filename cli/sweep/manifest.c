/* manifest.c - what made a directory of tables, and the hashes of its files. */
#include <string.h>

#include "cli/message.h"
#include "cli/sweep/sweep.h"
#include "files/manifest.h"
#include "files/run_id.h"

json_t *sweep_argv(const options *o)
{
    json_t *argv = json_array();

    for (size_t i = 0; i < o->n_command_line; i++)
        json_array_append_new(argv, json_text(o->command_line[i], strlen(o->command_line[i])));
    return argv;
}

int sweep_write_manifest(const options *o, const char *dir, json_t *facts)
{
    char id[TEMPO_RUN_ID_CHARS];
    tempo_err err = {0};
    tempo_status st = tempo_run_id(id, "sweep", &err);

    json_object_set_new(facts, "id", json_string(id));
    json_object_set_new(facts, "argv", sweep_argv(o));
    if (st == TEMPO_OK)
        st = tempo_manifest_write(dir, facts, &err);
    json_decref(facts);
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}
