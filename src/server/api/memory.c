/* memory.c - what answers hold in memory, counted. */
#include "server/api/memory.h"

#include <stdlib.h>

#include "server/api/inside.h"

bool tempo_api_hold(tempo_api *a, size_t n)
{
    size_t held = atomic_load(&a->held);

    do {
        if (n > a->o.max_held || held > a->o.max_held - n)
            return false;
    } while (!atomic_compare_exchange_weak(&a->held, &held, held + n));
    return true;
}

void tempo_api_let_go(tempo_api *a, size_t n)
{
    (void)atomic_fetch_sub(&a->held, n);
}

size_t tempo_api_held(const tempo_api *a)
{
    return atomic_load(&a->held);
}

void tempo_api_reply_full(tempo_exchange *x)
{
    tempo_exchange_set_header(x, "Retry-After", "5");
    tempo_exchange_error(x, 503, NULL,
                         "the answers of all requests together take as much memory as they may: try later");
}

/* ---- shared text ---- */

struct tempo_api_shared {
    tempo_api *a;
    atomic_uint references;
    char *data; /* [n] */
    size_t n;
};

tempo_api_shared *tempo_api_share(tempo_api *a, char *data, size_t n)
{
    tempo_api_shared *s = malloc(sizeof(*s));

    if (s == NULL) {
        free(data);
        tempo_api_let_go(a, n);
        return NULL;
    }
    s->a = a;
    s->data = data;
    s->n = n;
    atomic_init(&s->references, 1);
    return s;
}

tempo_api_shared *tempo_api_shared_take(tempo_api_shared *s)
{
    if (s != NULL)
        (void)atomic_fetch_add(&s->references, 1);
    return s;
}

void tempo_api_shared_free(tempo_api_shared *s)
{
    if (s == NULL || atomic_fetch_sub(&s->references, 1) > 1)
        return;
    free(s->data);
    tempo_api_let_go(s->a, s->n);
    free(s);
}

size_t tempo_api_shared_bytes(const tempo_api_shared *s)
{
    return s == NULL ? 0 : s->n;
}

static void release(void *s)
{
    tempo_api_shared_free(s);
}

void tempo_api_reply_shared(tempo_exchange *x, const char *type, tempo_api_shared *s)
{
    tempo_exchange_reply_shared(x, 200, type, s->data, s->n, release, s);
}

void tempo_api_reply_held(tempo_api *a, tempo_exchange *x, const char *type, void *data, size_t n)
{
    tempo_api_shared *s = tempo_api_share(a, data, n);

    if (s == NULL)
        tempo_exchange_error(x, 500, NULL, "out of memory for the answer");
    else
        tempo_api_reply_shared(x, type, s);
}
