/* trace_text.c - a trace as tables that fit a terminal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/generate/cells.h"
#include "cli/lens/lens.h"
#include "cli/message.h"
#include "cli/terminal.h"
#include "cli/trace/trace.h"

enum { NAME = 5, CELL = 8, SHOWN_MEMBERS = 4 };

/* 0.0123, 1.2e-05 or -, in 8 columns. */
static void put(tempo_text *t, double x)
{
    const double a = fabs(x);

    if (isnan(x))
        tempo_text_add(t, "%*s", CELL, "-");
    else
        tempo_text_add(t, a >= 0.0001 || a <= 0 ? "%8.4f" : "%8.1e", x);
}

static double mean(const trace_view *v, int side, int measure, tempo_trace_kind kind, size_t i)
{
    return tempo_trace_mean(&v->means, side, measure, v->means.first[kind] + i);
}

/* ---- sets ---- */

static void put_members(tempo_text *t, const trace_view *v, const traced_set *s)
{
    const size_t n = s->set.n_members, shown = n < SHOWN_MEMBERS ? n : SHOWN_MEMBERS;

    for (size_t i = 0; i < shown; i++) {
        tempo_text_add(t, i > 0 ? " / " : "  ");
        lens_token(t, v->s, s->set.members[i].id, 0);
    }
    if (n > shown)
        tempo_text_add(t, " / %zu more", n - shown);
    tempo_text_add(t, "\n");
}

static void put_answers(tempo_text *t, const trace_view *v, const tempo_trace *c)
{
    for (size_t i = 0; i < c->n_tokens; i++) {
        tempo_text_add(t, "%*s", NAME + 2, "");
        lens_token(t, v->s, v->tokens[i], 0);
        tempo_text_add(t, ": %.4f in the run, %.4f all cut", c->token_q[i], c->token_cut[i]);
        if (c->exchanged)
            tempo_text_add(t, ", %.4f exchanged", c->token_exchanged[i]);
        tempo_text_add(t, "\n");
    }
}

static void put_set(tempo_text *t, const trace_view *v, const traced_set *s)
{
    const tempo_trace_cell *all = s->t->cells; /* the first is that of all edges */

    tempo_text_add(t, "%*zu", NAME, s->set.step);
    put(t, all->cut.tv);
    put(t, all->cut.kl);
    tempo_text_add(t, "  %-3s", all->cut.set_changes ? "yes" : "no");
    put(t, s->t->exchanged ? all->exchanged.tv : NAN);
    put(t, s->t->exchanged ? all->strangers.tv : NAN);
    put_members(t, v, s);
    put_answers(t, v, s->t);
}

static void put_heading(tempo_text *t, const char *key)
{
    glyph g;

    tempo_text_add(t, "== ");
    for (size_t n = strlen(key), len; n > 0; key += len, n -= len) {
        len = next_glyph(key, n, SPACES_AS_TEXT, &g);
        tempo_text_add(t, "%.*s", (int)g.n, g.text);
    }
    tempo_text_add(t, " ==\n");
}

static void put_sets(tempo_text *t, const trace_view *v)
{
    tempo_text_add(t, "all edges between siblings, set by set: cut (TV, KL(run || cut) in nats, whether the "
                      "next set changes),\n"
                      "exchanged (TV, the run against strangers), strangers (TV, strangers against cut)\n");
    for (size_t i = 0; i < v->n_prompts; i++) {
        const traced_prompt *p = &v->prompts[i];
        if (p->line != NULL)
            put_heading(t, p->line->key);
        tempo_text_add(t, "%*s%*s%*s  %s%*s%*s  members\n", NAME, "step", CELL, "cut TV", CELL, "KL", "set",
                       CELL, "exch.", CELL, "strang.");
        for (size_t k = 0; k < p->n; k++)
            put_set(t, v, &p->sets[k]);
    }
}

/* ---- means ---- */

static void put_layers(tempo_text *t, const trace_view *v)
{
    static const tempo_trace_kind kinds[] = {TEMPO_TRACE_LAYER, TEMPO_TRACE_BELOW, TEMPO_TRACE_ABOVE};
    const tempo_trace_means *m = &v->means;
    const unsigned last = m->first_layer + (unsigned)m->n_layers - 1;

    tempo_text_add(t, "\nTV, mean over %zu sets: cut, and the same of strangers in their place (%zu sets)\n",
                   m->sets, m->exchanged);
    tempo_text_add(t, "%*s    that layer         %2u up to it         it up to %u\n%*s", NAME, "layer",
                   m->first_layer, last, NAME, "");
    for (size_t k = 0; k < 3; k++)
        tempo_text_add(t, "  %*s %*s", CELL, "cut", CELL, "strang.");
    tempo_text_add(t, "\n");
    for (size_t l = 0; l < m->n_layers; l++) {
        tempo_text_add(t, "%*zu", NAME, m->first_layer + l);
        for (size_t k = 0; k < 3; k++) {
            tempo_text_add(t, "  ");
            put(t, mean(v, TEMPO_TRACE_CUT, TEMPO_TRACE_TV, kinds[k], l));
            tempo_text_add(t, " ");
            put(t, mean(v, TEMPO_TRACE_STRANGERS, TEMPO_TRACE_TV, kinds[k], l));
        }
        tempo_text_add(t, "\n");
    }
}

/* Layers by heads, as many heads side by side as there is room for. */
static void put_heads(tempo_text *t, const trace_view *v)
{
    const tempo_trace_means *m = &v->means;
    const size_t width = terminal_width(), room = (width > NAME ? width - NAME : 0) / CELL,
                 fit = room > 0 ? room : 1;

    tempo_text_add(t, "\nTV when one head's edges are cut\n");
    for (size_t first = 0; first < m->n_heads; first += fit) {
        const size_t end = m->n_heads - first < fit ? m->n_heads : first + fit;
        tempo_text_add(t, "%*s", NAME, "head");
        for (size_t h = first; h < end; h++)
            tempo_text_add(t, "%*zu", CELL, h);
        tempo_text_add(t, "\n");
        for (size_t l = 0; l < m->n_layers; l++) {
            tempo_text_add(t, "%*zu", NAME, m->first_layer + l);
            for (size_t h = first; h < end; h++)
                put(t, mean(v, TEMPO_TRACE_CUT, TEMPO_TRACE_TV, TEMPO_TRACE_HEAD, l * m->n_heads + h));
            tempo_text_add(t, "\n");
        }
    }
}

static void put_kept(tempo_text *t, const trace_view *v)
{
    const tempo_trace_means *m = &v->means;

    tempo_text_add(
        t,
        "\nTV when all edges are cut but those of each set's strongest heads, by the TV of each one's cut\n");
    tempo_text_add(t, "%*s%*s%*s%*s\n", NAME, "kept", CELL, "cut", CELL, "exch.", CELL, "strang.");
    for (size_t i = 0; i <= m->n_kept; i++) {
        const tempo_trace_kind kind = i == 0 ? TEMPO_TRACE_ALL : TEMPO_TRACE_KEEP;
        tempo_text_add(t, "%*zu", NAME, i == 0 ? (size_t)0 : m->kept[i - 1]);
        for (int side = TEMPO_TRACE_CUT; side <= TEMPO_TRACE_STRANGERS; side++)
            put(t, mean(v, side, TEMPO_TRACE_TV, kind, i == 0 ? 0 : i - 1));
        tempo_text_add(t, "\n");
    }
}

static void put_summary(tempo_text *t, const trace_view *v)
{
    const tempo_trace_means *m = &v->means;

    tempo_text_add(t, "\nall edges cut: TV ");
    tempo_text_add(t, "%.4f, KL %.4f, the next set changes at %.0f of %zu sets",
                   mean(v, 0, TEMPO_TRACE_TV, 0, 0), mean(v, 0, TEMPO_TRACE_KL, 0, 0),
                   mean(v, 0, TEMPO_TRACE_CHANGES, 0, 0) * (double)m->sets, m->sets);
    if (m->exchanged > 0)
        tempo_text_add(t, "\nsiblings less strangers (TV cut): %+.4f",
                       mean(v, TEMPO_TRACE_CONTRAST, TEMPO_TRACE_TV, 0, 0));
    tempo_text_add(t, "\n");
    if (v->n_sets < v->parallel)
        tempo_text_add(t, "interrupted: %zu of %zu sets\n", v->n_sets, v->parallel);
}

int trace_print(const trace_view *v)
{
    tempo_text t = {0};

    put_sets(&t, v);
    put_layers(&t, v);
    put_heads(&t, v);
    put_kept(&t, v);
    put_summary(&t, v);
    char *text = tempo_text_take(&t);
    if (text == NULL) {
        say("out of memory for the tables");
        return EXIT_FAILED;
    }
    (void)fputs(text, stdout);
    free(text);
    return EXIT_OK;
}
