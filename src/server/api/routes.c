/* routes.c - all rows of all resources, as the HTTP server has them. */
#include <stdlib.h>

#include "server/api/inside.h"
#include "server/api/route.h"

static const tempo_api_resource *const resources[] = {
#define RESOURCE(name) &tempo_api_##name##_resource,
#include "server/api/resources.inc"
};

const tempo_api_resource *tempo_api_resource_at(size_t i)
{
    return i < sizeof(resources) / sizeof(*resources) ? resources[i] : NULL;
}

tempo_route *tempo_api_routes(size_t *n)
{
    const tempo_api_resource *r;
    tempo_route *routes;
    size_t most = 0;

    *n = 0;
    for (size_t i = 0; (r = tempo_api_resource_at(i)) != NULL; i++)
        most += r->n_routes;
    if ((routes = malloc(most * sizeof(*routes))) == NULL)
        return NULL;
    for (size_t i = 0; (r = tempo_api_resource_at(i)) != NULL; i++)
        for (size_t k = 0; k < r->n_routes; k++) {
            const tempo_api_route *row = &r->routes[k];
            routes[(*n)++] = (tempo_route){row->method, row->path, row->handle, row->open, row->query};
        }
    return routes;
}
