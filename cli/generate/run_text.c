/* run_text.c - a run as a person reads it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/generate/run.h"

#define DIM "\033[2m"
#define BOLD "\033[1m"
#define RESET "\033[0m"

static void color(const run *r, const char *code)
{
    if (r->colors)
        printf("%s", code);
}

static const char *bytes_of(const run *r, int32_t id, size_t *n)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(r->s.model);

    *n = 0;
    return t != NULL ? tempo_token_bytes(t, id, n) : "";
}

static void show_member(const run *r, const tempo_member *m, size_t i)
{
    static const char *const colors[] = {"\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[34m"};
    size_t n;
    const char *s = bytes_of(r, m->id, &n);

    color(r, colors[i % (sizeof(colors) / sizeof(*colors))]);
    if (tempo_model_tokenizer(r->s.model) == NULL)
        printf("%" PRId32, m->id);
    show_token(s, n);
    color(r, RESET);
    if (r->o->probs) {
        color(r, DIM);
        printf(" %.3f", m->probability);
        color(r, RESET);
    }
}

/* [a/b/c], with a mark where --max-set cut members off */
static void show_members(const run *r, const tempo_set *set)
{
    color(r, BOLD);
    putchar('[');
    color(r, RESET);
    for (size_t i = 0; i < set->n_members; i++) {
        if (i > 0)
            printf("/");
        show_member(r, &set->members[i], i);
    }
    color(r, BOLD);
    printf(set->capped ? "/..]" : "]");
    color(r, RESET);
}

/* A set within running text: one member is text, several are a set. */
static void show_in_text(run *r, arm *a, const tempo_set *set)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(r->s.model);
    const tempo_member *m = &set->members[0];
    size_t n;
    const char *s = bytes_of(r, m->id, &n);

    if (set->n_members > 1 || r->o->probs || t == NULL) {
        show_held(&a->held);
        show_members(r, set);
    } else if (!tempo_token_is_control(t, m->id)) {
        const bool strip = r->strip && set->step == 0 && n > 0 && s[0] == ' ';
        show_text(&a->held, s + strip, n - strip);
    }
}

void show_prompt(const run *r)
{
    held_text held = {{0}, 0};

    if (r->n_arms > 1)
        return; /* two arms: show_end prints their texts whole */
    color(r, DIM);
    show_text(&held, r->s.text != NULL ? r->s.text : "", r->s.n_text);
    show_held(&held);
    color(r, RESET);
    (void)fflush(stdout);
}

static void show_labelled(const run *r, const char *label, const tempo_set *set)
{
    printf("%4zu  %-9s ", set->step, label);
    show_members(r, set);
    putchar('\n');
}

void show_sets(run *r, const tempo_set *const *sets)
{
    if (r->n_arms == 1) {
        show_in_text(r, &r->arms[0], sets[0]);
    } else if (sets[0] != NULL && sets[1] != NULL &&
               tempo_relate_sets(sets[0], sets[1]) == TEMPO_SETS_EQUAL) {
        show_labelled(r, "both", sets[0]);
    } else {
        for (size_t i = 0; i < 2; i++)
            if (sets[i] != NULL)
                show_labelled(r, r->arms[i].name, sets[i]);
    }
}

void show_step(run *r)
{
    const tempo_set *sets[2] = {NULL, NULL};

    for (size_t i = 0; i < r->n_arms; i++)
        if (r->arms[i].advanced)
            sets[i] = tempo_decoder_last_set(r->arms[i].decoder);
    show_sets(r, sets);
    (void)fflush(stdout);
}

static json_int_t step_of(const json_t *difference)
{
    return json_integer_value(json_object_get(difference, "step"));
}

static void show_difference(const run *r)
{
    const tempo_parting *p = &r->parting;

    if (p->distribution == NULL)
        printf("No difference: every distribution is the same to the last bit.\n");
    else
        printf("The distributions first differ at step %" JSON_INTEGER_FORMAT ", by up to %.3g.\n",
               step_of(p->distribution), json_real_value(json_object_get(p->distribution, "max_abs")));
    if (p->set != NULL)
        printf("The sets first differ at step %" JSON_INTEGER_FORMAT ".\n", step_of(p->set));
    else if (p->distribution != NULL)
        printf("The sets are the same at every step.\n");
    if (p->order != NULL)
        printf("The same members first stand in another order at step %" JSON_INTEGER_FORMAT ".\n",
               step_of(p->order));
}

void show_end(run *r)
{
    if (r->n_arms == 1) {
        show_held(&r->arms[0].held);
        putchar('\n');
        return;
    }
    for (size_t i = 0; i < r->n_arms; i++) {
        held_text held = {{0}, 0};
        const arm *a = &r->arms[i];
        printf("\n%s, the first member of each set:\n", a->name);
        show_text(&held, r->s.text != NULL ? r->s.text : "", r->s.n_text);
        for (size_t k = 0; k < a->top.n; k++) {
            size_t n;
            const char *s = bytes_of(r, a->top.p[k], &n);
            const tempo_tokenizer *t = tempo_model_tokenizer(r->s.model);
            if (t == NULL || tempo_token_is_control(t, a->top.p[k]))
                continue;
            const bool strip = r->strip && k == 0 && n > 0 && s[0] == ' ';
            show_text(&held, s + strip, n - strip);
        }
        show_held(&held);
        putchar('\n');
    }
    putchar('\n');
    show_difference(r);
}

/* Why an arm stopped; limits say what they are and how to move them. */
static void show_reason(const run *r, const arm *a)
{
    (void)fprintf(stderr, "stopped by %s", stopped_by(r, a));
    if (tempo_decoder_stopped(a->decoder) == TEMPO_STOPPED_CONTEXT)
        (void)fprintf(stderr, " (the model has %u positions)",
                      tempo_model_get_info(r->s.model)->context_length);
    else if (tempo_decoder_stopped(a->decoder) == TEMPO_STOPPED_SLOTS)
        (void)fprintf(stderr, " (a sequence may have %zu: --max-slots)",
                      tempo_seq_max_slots(tempo_decoder_seq(a->decoder)));
}

void show_figures(const run *r)
{
    const arm *longest = &r->arms[0];

    for (size_t i = 0; i < r->n_arms; i++) {
        const arm *a = &r->arms[i];
        if (r->n_arms > 1)
            (void)fprintf(stderr, "%s%s: ", i > 0 ? "\n" : "", a->name);
        (void)fprintf(stderr, "%zu step%s, %zu member%s, ", a->n_steps, a->n_steps == 1 ? "" : "s",
                      a->n_members, a->n_members == 1 ? "" : "s");
        show_reason(r, a);
        if (a->n_steps > longest->n_steps)
            longest = a;
    }
    if (longest->n_steps > 0)
        (void)fprintf(stderr, "; first set after %.1f ms", r->first_set_ms - r->begin_ms);
    if (longest->n_steps > 1)
        (void)fprintf(stderr, ", then %.2f ms per step",
                      (r->end_ms - r->first_set_ms) / (double)(longest->n_steps - 1));
    (void)fputc('\n', stderr);
}
