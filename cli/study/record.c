/* record.c - the database is opened, told and closed. */
#include "cli/study/record.h"

#include "cli/message.h"
#include "registry/registry.h"

void record_runs(const options *o, const char *what, const char *const *dirs, size_t n)
{
    tempo_registry *r = NULL;
    tempo_err err = {0};
    tempo_status st;

    if (o->no_db)
        return;
    st = tempo_registry_open(&r, o->db, false, &err);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tempo_registry_index(r, dirs[i], &err);
    if (st != TEMPO_OK)
        say("%s not in the database of runs: %s", what, err.msg);
    tempo_registry_free(r);
}
