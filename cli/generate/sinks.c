/* sinks.c - the sinks of sinks.inc that are wanted. */
#include <stdlib.h>

#include "cli/generate/generate.h"
#include "cli/message.h"

#define SINK(name, wanted, keeps) extern const sink_kind name##_sink;
#include "cli/generate/sinks.inc"
#undef SINK

enum {
#define SINK(name, wanted, keeps) SINK_##name,
#include "cli/generate/sinks.inc"
#undef SINK
    SINKS
};

struct sinks {
    const sink_kind *kinds[SINKS]; /* [n] */
    tempo_sink hears[SINKS];
    size_t n;
};

static bool add(sinks *s, const sink_kind *kind, generation *g)
{
    void *user = kind->open(g);

    if (user == NULL)
        return false;
    s->kinds[s->n] = kind;
    s->hears[s->n] = kind->hears;
    s->hears[s->n++].user = user;
    return true;
}

sinks *sinks_open(generation *g)
{
    const options *o = g->o;
    const bool several = g->several;
    const size_t arms = g->arms->n;
    sinks *s = calloc(1, sizeof(*s));
    bool ok = s != NULL;

    if (s == NULL)
        say("out of memory for the output");
#define SINK(name, wanted, keeps)                                                                            \
    if (ok && (wanted)) {                                                                                    \
        ok = add(s, &name##_sink, g);                                                                        \
        g->run.keep = g->run.keep || (keeps);                                                                \
    }
#include "cli/generate/sinks.inc"
#undef SINK
    if (!ok) {
        (void)sinks_close(s, EXIT_FAILED);
        return NULL;
    }
    g->run.sinks = s->hears;
    g->run.n_sinks = s->n;
    return s;
}

bool sinks_poll(const sinks *s)
{
    bool on = true;

    for (size_t i = 0; i < s->n && on; i++)
        if (s->kinds[i]->poll != NULL)
            on = s->kinds[i]->poll(s->hears[i].user);
    return on;
}

int sinks_close(sinks *s, int code)
{
    for (size_t i = 0; s != NULL && i < s->n; i++)
        code = s->kinds[i]->close(s->hears[i].user, code);
    free(s);
    return code;
}

tempo_status sink_failed(generation *g)
{
    g->said = true;
    return TEMPO_E_IO;
}

tempo_status sink_flush(generation *g)
{
    return finish_output() ? TEMPO_OK : sink_failed(g);
}
