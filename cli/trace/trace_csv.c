/* trace_csv.c - a line for each set and cell. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/trace/trace.h"
#include "files/json_out.h"

static void put_real(tempo_text *t, double x)
{
    if (isfinite(x))
        tempo_text_add(t, ",%.17g", x);
    else
        tempo_text_add(t, x > 0 ? ",inf" : ",");
}

/* RFC 4180: in quotation marks, those inside twice. */
static void put_key(tempo_text *t, const char *s)
{
    tempo_text_add(t, "\"");
    for (; *s != '\0'; s++)
        tempo_text_add(t, *s == '"' ? "\"\"" : "%c", *s);
    tempo_text_add(t, "\"");
}

static void put_effect(tempo_text *t, const tempo_trace_effect *e)
{
    put_real(t, e->tv);
    put_real(t, e->kl);
    tempo_text_add(t, ",%d", e->set_changes);
}

static void put_cell(tempo_text *t, const traced_set *s, size_t i)
{
    const tempo_trace *c = s->t;
    const tempo_trace_cell *cell = &c->cells[i];

    tempo_text_add(t, ",%zu,%zu,%s,", s->set.step, c->n_members, tempo_trace_kind_name(cell->kind));
    if (cell->kind != TEMPO_TRACE_ALL && cell->kind != TEMPO_TRACE_KEEP)
        tempo_text_add(t, "%u", cell->layer);
    tempo_text_add(t, ",");
    if (cell->kind == TEMPO_TRACE_HEAD)
        tempo_text_add(t, "%u", cell->head);
    tempo_text_add(t, ",");
    if (cell->kind == TEMPO_TRACE_KEEP)
        tempo_text_add(t, "%zu", cell->kept);
    put_effect(t, &cell->cut);
    if (c->exchanged) {
        put_effect(t, &cell->exchanged);
        put_effect(t, &cell->strangers);
    } else {
        tempo_text_add(t, ",,,,,,");
    }
    for (size_t k = 0; k < c->n_tokens; k++) {
        put_real(t, c->token_q[k]);
        put_real(t, c->token_cut[i * c->n_tokens + k]);
        put_real(t, c->exchanged ? c->token_exchanged[i * c->n_tokens + k] : NAN);
    }
    tempo_text_add(t, "\r\n");
}

int trace_csv(const trace_view *v)
{
    tempo_text t = {0};
    tempo_err err = {0};
    int code = EXIT_OK;

    tempo_text_add(&t, "prompt,step,members,kind,layer,head,kept");
    for (int side = TEMPO_TRACE_CUT; side <= TEMPO_TRACE_STRANGERS; side++)
        for (int m = 0; m < TEMPO_TRACE_MEASURES; m++)
            tempo_text_add(&t, ",%s_%s", tempo_trace_sides[side], tempo_trace_measures[m]);
    for (size_t k = 0; k < v->n_tokens; k++)
        tempo_text_add(&t, ",p%d_run,p%d_cut,p%d_exchanged", (int)v->tokens[k], (int)v->tokens[k],
                       (int)v->tokens[k]);
    tempo_text_add(&t, "\r\n");
    for (size_t i = 0; i < v->n_prompts; i++)
        for (size_t k = 0; k < v->prompts[i].n; k++)
            for (size_t c = 0; c < v->prompts[i].sets[k].t->n_cells; c++) {
                put_key(&t, v->prompts[i].line != NULL ? v->prompts[i].line->key : "");
                put_cell(&t, &v->prompts[i].sets[k], c);
            }
    char *text = tempo_text_take(&t);
    if (text == NULL) {
        say("%s: out of memory for it", v->o->csv);
        return EXIT_FAILED;
    }
    if (tempo_text_save(v->o->csv, text, strlen(text), &err) != TEMPO_OK)
        code = say_error(&err);
    free(text);
    return code;
}
