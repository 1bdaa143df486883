/* score_text.c - scores as a table. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/score/score.h"

enum { TOKEN_WIDTH = 16 };

static void print_token(const score_view *v, int32_t id, size_t width)
{
    size_t n;
    const char *s = score_token(v, id, &n);

    if (tempo_model_tokenizer(v->s->model) == NULL) {
        const int printed = printf("#%" PRId32, id);
        width -= (size_t)printed < width ? (size_t)printed : width;
    } else {
        show_token(s, n);
        width -= token_width(s, n) < width ? token_width(s, n) : width;
    }
    if (width > 0)
        printf("%*s", (int)width, "");
}

static void print_entry(const score_view *v, const tempo_score *s, size_t i)
{
    printf("%8zu  ", i);
    if (s->rank[i] > 0)
        printf("%9.4f  %7.4f  %6" PRIu32 "  ", s->logprob[i], s->entropy[i], s->rank[i]);
    else
        printf("%26s  ", "");
    print_token(v, s->ids[i], s->rank[i] > 0 && s->n_top > 0 ? TOKEN_WIDTH : 0);
    for (size_t k = 0; s->rank[i] > 0 && k < s->n_top; k++) {
        printf("  %.3f ", exp(s->top_logprob[i * s->n_top + k]));
        print_token(v, s->top_ids[i * s->n_top + k], 0);
    }
    putchar('\n');
}

static void print_sum(const char *what, size_t n, double sum)
{
    printf("%s%zu token%s scored: log probability %.4f nats, perplexity %.4f\n", what, n, n == 1 ? "" : "s",
           sum, score_perplexity(sum, n));
}

void score_print(const score_view *v, size_t i, const tempo_score *s)
{
    if (v->lines != NULL) {
        if (i > 0)
            putchar('\n');
        prompts_heading(&v->lines->lines[i]);
    }
    printf("%8s  %9s  %7s  %6s  %-*s%s\n", "position", "log prob", "entropy", "rank",
           s->n_top > 0 ? TOKEN_WIDTH : 0, "token", s->n_top > 0 ? "  most probable" : "");
    for (size_t k = 0; k < s->n_tokens; k++)
        print_entry(v, s, k);
    print_sum("", s->n_scored, s->logprob_sum);
}

void score_print_total(const score_view *v)
{
    if (v->lines == NULL)
        return;
    putchar('\n');
    print_sum("all texts: ", v->n_scored, v->logprob_sum);
}
