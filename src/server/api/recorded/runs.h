/* runs.h - runs of the database, for the routes that need one. */
#ifndef TEMPO_SERVER_API_RECORDED_RUNS_H
#define TEMPO_SERVER_API_RECORDED_RUNS_H
#include <jansson.h>

#include "server/api/api.h"

/* What tempo_registry_show says of the run that the path's {id} names; false: answered, *run is NULL. */
bool tempo_api_show_run(tempo_api *a, tempo_exchange *x, json_t **run);

#endif
