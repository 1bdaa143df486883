/* trace_svg.c - the means of a trace as pictures. */
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace/trace.h"
#include "draw/effects.h"
#include "files/json_out.h"

/* TV of every cell on the three sides, [sides][cells]; for free(). */
static double *means_of(const trace_view *v, tempo_effects *e)
{
    static const tempo_trace_kind kinds[TEMPO_EFFECTS_CURVES] = {TEMPO_TRACE_LAYER, TEMPO_TRACE_BELOW,
                                                                 TEMPO_TRACE_ABOVE, TEMPO_TRACE_KEEP};
    const tempo_trace_means *m = &v->means;
    double *x = calloc((size_t)TEMPO_EFFECTS_LINES * m->n_cells, sizeof(*x));

    *e = (tempo_effects){.model = tempo_model_get_info(v->s->model)->name,
                         .units = m->sets,
                         .unit = "sets",
                         .first_layer = m->first_layer,
                         .n_layers = m->n_layers,
                         .n_heads = m->n_heads,
                         .n_kept = m->n_kept};
    if (x == NULL)
        return NULL;
    for (int side = 0; side < TEMPO_EFFECTS_LINES; side++)
        for (size_t c = 0; c < m->n_cells; c++)
            x[(size_t)side * m->n_cells + c] = tempo_trace_mean(m, side, TEMPO_TRACE_TV, c);
    e->heads = x + m->first[TEMPO_TRACE_HEAD];
    for (size_t i = 0; i < TEMPO_EFFECTS_CURVES; i++)
        for (size_t side = 0; side < (m->exchanged > 0 ? TEMPO_EFFECTS_LINES : 1); side++)
            e->curves[i][side] = x + side * m->n_cells + m->first[kinds[i]];
    return x;
}

static int draw(const trace_view *v, const char *path, void (*svg)(tempo_text *t, const tempo_effects *e))
{
    tempo_effects e;
    double *x = means_of(v, &e);
    tempo_text t = {.failed = x == NULL};
    tempo_err err = {0};
    int code = EXIT_OK;

    if (x != NULL)
        svg(&t, &e);
    char *text = tempo_text_take(&t);
    free(x);
    if (text == NULL) {
        say("%s: out of memory for the picture", path);
        return EXIT_FAILED;
    }
    if (tempo_text_save(path, text, strlen(text), &err) != TEMPO_OK)
        code = say_error(&err);
    free(text);
    return code;
}

int trace_svg(const trace_view *v)
{
    return draw(v, v->o->svg, tempo_effects_grid_svg);
}

int trace_curves(const trace_view *v)
{
    return draw(v, v->o->curves, tempo_effects_curves_svg);
}
