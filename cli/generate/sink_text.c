/* sink_text.c - a run as a person reads it: as it goes on, or whole at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/generate/generate.h"
#include "cli/message.h"
#include "cli/prompt/prompts.h"
#include "run/differ.h"

#define DIM "\033[2m"
#define BOLD "\033[1m"
#define RESET "\033[0m"

enum { LABEL = 9 /* "isolated", and a space */ };

typedef struct text {
    generation *g;
    const tempo_tokenizer *t;
    bool streams; /* each step at once */
    bool colors;
    bool strip; /* of the prompt: the first space of the text is the tokenizer's own */
    bool open;  /* a line has begun and not ended */
    int label;  /* cells of the longest name */
    held_text held;
} text;

static void *open_text(generation *g)
{
    text *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        say("out of memory for the output");
        return NULL;
    }
    *t = (text){.g = g,
                .t = tempo_model_tokenizer(g->s.model),
                .streams = !g->several && !g->o->view,
                .colors = use_colors(g->o->color),
                .label = LABEL};
    for (size_t i = 0; i < g->arms->n; i++)
        t->label = (int)strlen(g->arms->names[i]) > t->label ? (int)strlen(g->arms->names[i]) : t->label;
    return t;
}

/* ---- sets ---- */

static void color(const text *t, const char *code)
{
    if (t->colors)
        printf("%s", code);
}

static const char *bytes_of(const text *t, int32_t id, size_t *n)
{
    *n = 0;
    return t->t != NULL ? tempo_token_bytes(t->t, id, n) : "";
}

static void show_member(const text *t, const tempo_member *m, size_t i)
{
    static const char *const colors[] = {"\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[34m"};
    size_t n;
    const char *s = bytes_of(t, m->id, &n);

    color(t, colors[i % (sizeof(colors) / sizeof(*colors))]);
    if (t->t == NULL)
        printf("%" PRId32, m->id);
    show_token(s, n);
    color(t, RESET);
    if (t->g->o->probs) {
        color(t, DIM);
        printf(" %.3f", m->probability);
        color(t, RESET);
    }
}

/* [a/b/c], with a mark where --max-set cut members off */
static void show_members(const text *t, const tempo_set *set)
{
    color(t, BOLD);
    putchar('[');
    color(t, RESET);
    for (size_t i = 0; i < set->n_members; i++) {
        if (i > 0)
            printf("/");
        show_member(t, &set->members[i], i);
    }
    color(t, BOLD);
    printf(set->capped ? "/..]" : "]");
    color(t, RESET);
}

/* The first member of a set within running text. */
static void show_first(const text *t, held_text *held, const tempo_set *set)
{
    size_t n;
    const char *s = bytes_of(t, set->members[0].id, &n);

    if (t->t == NULL || tempo_token_is_control(t->t, set->members[0].id))
        return;
    const bool strip = t->strip && set->step == 0 && n > 0 && s[0] == ' ';
    show_text(held, s + strip, n - strip);
}

/* A set within running text: one member is text, several are a set. */
static void show_in_text(text *t, const tempo_set *set)
{
    if (set->n_members > 1 || t->g->o->probs || t->t == NULL) {
        show_held(&t->held);
        show_members(t, set);
    } else {
        show_first(t, &t->held, set);
    }
}

static void show_labelled(const text *t, const char *label, const tempo_set *set)
{
    printf("%4zu  %-*s ", set->step, t->label, label);
    show_members(t, set);
    putchar('\n');
}

/* sets[n]: of each arm, NULL for one that had stopped. */
static void show_sets(text *t, const tempo_run *r, const tempo_set *const *sets)
{
    const size_t n = tempo_run_arms(r);
    bool equal = true;

    if (n == 1) {
        show_in_text(t, sets[0]);
        return;
    }
    for (size_t i = 0; i < n; i++)
        equal = equal && tempo_relate_sets(sets[0], sets[i]) == TEMPO_SETS_EQUAL;
    if (equal) {
        show_labelled(t, n == 2 ? "both" : "all", sets[0]);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (sets[i] != NULL)
            show_labelled(t, tempo_run_arm_name(r, i), sets[i]);
}

/* ---- around them ---- */

static void show_prompt(const text *t, const prompt *p)
{
    held_text held = {{0}, 0};

    if (t->g->arms->n > 1)
        return; /* the texts of several arms come whole at the end */
    color(t, DIM);
    show_text(&held, p->s.text != NULL ? p->s.text : "", p->s.n_text);
    show_held(&held);
    color(t, RESET);
    (void)fflush(stdout);
}

static void show_difference(const tempo_run *r)
{
    const tempo_run_differences x = tempo_run_difference(r);

    if (x.distribution == SIZE_MAX && x.set == SIZE_MAX && x.order == SIZE_MAX)
        printf("No difference: every distribution is the same to the last bit.\n");
    else if (x.distribution == SIZE_MAX) /* thresholds or limits do */
        printf("The distributions are the same, to the last bit, at every step that all took.\n");
    else
        printf("The distributions first differ at step %zu, by up to %.3g.\n", x.distribution, x.max_abs);
    if (x.set != SIZE_MAX)
        printf("The sets first differ at step %zu.\n", x.set);
    else if (x.distribution != SIZE_MAX)
        printf("The sets are the same at every step.\n");
    if (x.order != SIZE_MAX)
        printf("The same members first stand in another order at step %zu.\n", x.order);
}

static void show_end(text *t, const prompt *p, const tempo_run *r)
{
    t->open = false;
    if (tempo_run_arms(r) == 1) {
        show_held(&t->held);
        putchar('\n');
        return;
    }
    for (size_t i = 0; i < tempo_run_arms(r); i++) {
        held_text held = {{0}, 0};
        printf("\n%s, the first member of each set:\n", tempo_run_arm_name(r, i));
        show_text(&held, p->s.text != NULL ? p->s.text : "", p->s.n_text);
        for (size_t k = 0; k < tempo_run_steps(r, i); k++)
            show_first(t, &held, tempo_run_set(r, i, k));
        show_held(&held);
        putchar('\n');
    }
    putchar('\n');
    show_difference(r);
}

/* ---- the run's side ---- */

static tempo_status step(void *user, tempo_run *r, tempo_err *err)
{
    const tempo_set *sets[TEMPO_RUN_MAX_ARMS] = {NULL};
    text *t = user;

    (void)err;
    if (!t->streams)
        return TEMPO_OK;
    if (!t->open) {
        t->strip = first_space_is_added(&prompt_of(r)->s, t->g->s.model);
        show_prompt(t, prompt_of(r));
        t->open = true;
    }
    for (size_t i = 0; i < tempo_run_arms(r); i++)
        if (tempo_run_arm_read(r, i))
            sets[i] = tempo_decoder_last_set(tempo_run_decoder(r, i));
    show_sets(t, r, sets);
    return sink_flush(t->g);
}

static void show_run(text *t, const tempo_run *r)
{
    const prompt *p = prompt_of(r);
    bool more = true;

    t->strip = first_space_is_added(&p->s, t->g->s.model);
    if (p->line != NULL)
        prompts_heading(p->line);
    if (p->line != NULL || p->first_set_ms > 0)
        show_prompt(t, p);
    for (size_t step = 0; more; step++) {
        const tempo_set *sets[TEMPO_RUN_MAX_ARMS];
        more = false;
        for (size_t i = 0; i < tempo_run_arms(r); i++)
            more = (sets[i] = tempo_run_set(r, i, step)) != NULL || more;
        if (more)
            show_sets(t, r, sets);
    }
}

static tempo_status end(void *user, tempo_run *r, tempo_err *err)
{
    text *t = user;

    (void)err;
    if (!t->streams)
        show_run(t, r);
    show_end(t, prompt_of(r), r);
    if (t->g->several)
        putchar('\n');
    return sink_flush(t->g);
}

static int close_text(void *user, int code)
{
    text *t = user;

    if (t->open && t->g->arms->n == 1) { /* what was shown of a run that failed */
        show_held(&t->held);
        putchar('\n');
    }
    free(t);
    return code;
}

const sink_kind text_sink = {open_text, {.step = step, .end = end}, NULL, close_text};
