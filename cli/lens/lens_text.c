/* lens_text.c - the lens as tables that fit a terminal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lens/lens.h"
#include "cli/message.h"
#include "cli/terminal.h"

enum { TOKEN = 12, CELL = 11, NAME = 5 };

static void put_row_name(tempo_text *t, const lens_view *v, size_t row)
{
    const tempo_rows_row *r = &v->rows[row];

    tempo_text_add(t, "slot %zu", r->slot);
    if (r->token >= 0) {
        tempo_text_add(t, "  ");
        lens_token(t, v->s, r->token, 0);
    }
    if (r->step >= 0)
        tempo_text_add(t, "  (read by step %lld)", (long long)r->step);
    tempo_text_add(t, "\n");
}

static void put_point(tempo_text *t, const lens_view *v, size_t point)
{
    char name[16];

    tempo_text_add(t, "%*s", NAME, lens_point(v->lens->layers[point], name));
}

/* 0.123, 1.2e-05, in 8 columns. */
static void put_probability(tempo_text *t, double q)
{
    tempo_text_add(t, q >= 0.0001 || q <= 0 ? "%8.4f" : "%8.1e", q);
}

/* ---- one row: its distributions, layer by layer ---- */

static void put_head(tempo_text *t, const lens_view *v, size_t shown)
{
    tempo_text_add(t, "%*s  %7s  %7s", NAME, "layer", "entropy", "KL");
    for (size_t i = 0; i < v->n_tokens; i++) {
        tempo_text_add(t, "  ");
        lens_token(t, v->s, v->tokens[i], 8 + 7);
    }
    if (shown > 0)
        tempo_text_add(t, "  most probable");
    tempo_text_add(t, "\n");
}

static void put_distribution(tempo_text *t, const lens_view *v, size_t row, size_t point, size_t shown)
{
    const tempo_lens *l = v->lens;
    const size_t at = row * l->n_points + point;

    put_point(t, v, point);
    tempo_text_add(t, "  %7.3f  %7.3f", l->entropy[at], l->kl[at]);
    for (size_t i = 0; i < v->n_tokens; i++) {
        tempo_text_add(t, "  ");
        put_probability(t, l->token_q[at * l->n_tokens + i]);
        tempo_text_add(t, " %-6u", l->token_ranks[at * l->n_tokens + i]);
    }
    for (size_t i = 0; i < shown; i++) {
        tempo_text_add(t, "  ");
        lens_token(t, v->s, l->top_ids[at * l->n_top + i], TOKEN);
        tempo_text_add(t, " %.3f", l->top_q[at * l->n_top + i]);
    }
    tempo_text_add(t, "\n");
}

static void put_one(tempo_text *t, const lens_view *v, size_t row)
{
    const size_t used = NAME + 18 + 17 * v->n_tokens, width = terminal_width();
    const size_t fit = width > used + TOKEN + 8 ? (width - used) / (TOKEN + 8) : 1;
    const size_t shown = v->lens->n_top < fit ? v->lens->n_top : fit;

    put_row_name(t, v, row);
    put_head(t, v, shown);
    for (size_t p = 0; p < v->lens->n_points; p++)
        put_distribution(t, v, row, p, shown);
}

/* ---- several rows: the most probable token in each cell ---- */

typedef void (*put_cell)(tempo_text *t, const lens_view *v, size_t at, size_t which);

static void put_top(tempo_text *t, const lens_view *v, size_t at, size_t which)
{
    (void)which;
    lens_token(t, v->s, v->lens->top_ids[at * v->lens->n_top], CELL);
}

static void put_answer(tempo_text *t, const lens_view *v, size_t at, size_t which)
{
    put_probability(t, v->lens->token_q[at * v->n_tokens + which]);
    tempo_text_repeat(t, " ", CELL - 8);
}

/* As many rows side by side as there is room for, and the others below. */
static void put_grid(tempo_text *t, const lens_view *v, put_cell cell, size_t which)
{
    const size_t width = terminal_width(), room = (width > NAME ? width - NAME : 0) / (CELL + 1);
    const size_t fit = room > 0 ? room : 1, points = v->lens->n_points;

    for (size_t first = 0; first < v->n_rows; first += fit) {
        const size_t end = v->n_rows - first < fit ? v->n_rows : first + fit;
        tempo_text_add(t, "%s%*s", first > 0 ? "\n" : "", NAME, "slot");
        for (size_t r = first; r < end; r++)
            tempo_text_add(t, " %-*zu", CELL, v->rows[r].slot);
        tempo_text_add(t, "\n%*s", NAME, "");
        for (size_t r = first; r < end; r++) {
            tempo_text_add(t, " ");
            lens_token(t, v->s, v->rows[r].token, CELL);
        }
        tempo_text_add(t, "\n");
        for (size_t p = 0; p < points; p++) {
            put_point(t, v, p);
            for (size_t r = first; r < end; r++) {
                tempo_text_add(t, " ");
                cell(t, v, r * points + p, which);
            }
            tempo_text_add(t, "\n");
        }
    }
}

static void put_several(tempo_text *t, const lens_view *v)
{
    tempo_text_add(t, "the most probable token after each layer\n");
    put_grid(t, v, put_top, 0);
    for (size_t i = 0; i < v->n_tokens; i++) {
        tempo_text_add(t, "\nthe probability of ");
        lens_token(t, v->s, v->tokens[i], 0);
        tempo_text_add(t, "\n");
        put_grid(t, v, put_answer, i);
    }
}

/* ---- attribution ---- */

typedef struct share {
    size_t layer, head;
    double value;
} share;

static int by_size(const void *a, const void *b)
{
    const share *x = a, *y = b;
    const double p = fabs(x->value), q = fabs(y->value);

    return p != q                 ? (p < q) - (p > q)
           : x->layer != y->layer ? (x->layer > y->layer) - (x->layer < y->layer)
                                  : (x->head > y->head) - (x->head < y->head);
}

static void put_heads(tempo_text *t, const lens_view *v, size_t row)
{
    const tempo_attribution *a = v->parts;
    const size_t n = a->n_layers * a->n_heads, shown = v->o->top < n ? v->o->top : n;
    share *all = malloc((n + 1) * sizeof(*all));

    t->failed = t->failed || all == NULL;
    for (size_t i = 0; i < n && all != NULL; i++)
        all[i] = (share){i / a->n_heads, i % a->n_heads, a->heads[row * n + i]};
    if (all != NULL)
        qsort(all, n, sizeof(*all), by_size);
    tempo_text_add(t, "  the %zu heads with the largest shares\n", shown);
    for (size_t i = 0; i < shown && all != NULL; i++)
        tempo_text_add(t, "%*zu head %-4zu %11.5f\n", NAME, all[i].layer, all[i].head, all[i].value);
    free(all);
    tempo_text_add(t, "  rest of the heads %.1e, at most %.1e by rounding\n", a->heads_rest[row],
                   a->heads_bound[row]);
}

static void put_attribution(tempo_text *t, const lens_view *v, size_t row)
{
    const tempo_attribution *a = v->parts;

    tempo_text_add(t, "\nlogit of ");
    lens_token(t, v->s, v->token, 0);
    if (v->minus >= 0) {
        tempo_text_add(t, " minus that of ");
        lens_token(t, v->s, v->minus, 0);
    }
    tempo_text_add(t, ": %.5f at ", a->logit[row]);
    put_row_name(t, v, row);
    tempo_text_add(t, "%*s  %11s  %11s\n%*s  %11.5f\n", NAME, "layer", "attention", "MLP", NAME, "input",
                   a->embed[row]);
    for (size_t l = 0; l < a->n_layers; l++)
        tempo_text_add(t, "%*zu  %11.5f  %11.5f\n", NAME, l, a->attn[row * a->n_layers + l],
                       a->mlp[row * a->n_layers + l]);
    if (a->constant != 0)
        tempo_text_add(t, "%*s  %11.5f\n", NAME, "bias", a->constant);
    tempo_text_add(t, "  rest %.1e, at most %.1e by rounding\n", a->rest[row], a->bound[row]);
    if (a->n_heads > 0)
        put_heads(t, v, row);
}

int lens_print(const lens_view *v)
{
    tempo_text t = {0};

    if (v->n_rows == 1)
        put_one(&t, v, 0);
    else
        put_several(&t, v);
    for (size_t r = 0; r < v->n_rows && v->parts != NULL; r++)
        put_attribution(&t, v, r);
    char *text = tempo_text_take(&t);
    if (text == NULL) {
        say("out of memory for the tables");
        return EXIT_FAILED;
    }
    (void)fputs(text, stdout);
    free(text);
    return EXIT_OK;
}
