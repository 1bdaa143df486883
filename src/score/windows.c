/* windows.c - which tokens are looked at together. */
#include "score/score.h"

static size_t first_scored(const tempo_score_text *t)
{
    return t->first > 1 ? t->first : 1;
}

/* The window behind *w, whether anything is scored in it or not. */
static bool step(tempo_score_window *w, const tempo_score_text *texts, size_t n, const tempo_score_options *o)
{
    const bool begun = w->end > 0;

    if (begun && w->end < texts[w->text].n) {
        const size_t left = texts[w->text].n - w->begin - o->stride, first = first_scored(&texts[w->text]);
        w->first = w->end > first ? w->end : first;
        w->begin += o->stride;
        w->end = w->begin + (left < o->window ? left : o->window);
        return true;
    }
    w->text += begun;
    w->begin = 0;
    if (w->text >= n)
        return false;
    const tempo_score_text *t = &texts[w->text];
    w->end = t->n < o->window ? t->n : o->window;
    w->first = first_scored(t);
    return true;
}

bool tempo_score_next(tempo_score_window *w, const tempo_score_text *texts, size_t n,
                      const tempo_score_options *o)
{
    bool there;

    do
        there = step(w, texts, n, o);
    while (there && w->first >= w->end);
    return there;
}
