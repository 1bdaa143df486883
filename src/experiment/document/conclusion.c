/* conclusion.c - EXPERIMENT_RESULTS.md: hypotheses, what comes next, and what was shown. */
#include <math.h>
#include <string.h>

#include "experiment/document/document.h"

/* ---- hypotheses, as far as a handful of prompts can speak to them ---- */

typedef struct hypothesis {
    const char *title, *test, *expected, *needs; /* needs: what an experiment must record for it */
} hypothesis;

static const hypothesis hypotheses[] = {
    {"A: attention weights are identical",
     "compare the attention of isolated and visible rows element by element, each on what both modes see",
     "if it is identical, both modes see the same context whatever the mask says", "attention"},
    {"B: logits are identical", "KL divergence, total variation and cosine between the modes' distributions",
     "if they are identical, so is what the model says of every token", NULL},
    {"C: cross-parallel attention is ignored",
     "the attention of visible rows on the other members of their set",
     "if it is ignored, these weights are near zero", "attention"},
    {"D: shared positions prevent interference", "which position each member of a set was rotated by",
     "all members of a set have one position", NULL},
};

/* The experiments that have what a hypothesis is looked at with. */
static void put_data(tempo_text *t, const json_t *summary, const hypothesis *h)
{
    const json_t *result;
    size_t i, n = 0;

    EACH_EXPERIMENT(i, result, summary)
    {
        if (h->needs == NULL || tempo_is_recorded(result, h->needs))
            tempo_text_add(t, "%s%s", n++ > 0 ? ", " : "", tempo_text_at(result, "experiment"));
    }
    tempo_text_add(t, n == 0 ? "none of these experiments has it" : "");
}

static void put_pool(tempo_text *t, const tempo_pool_mean *m)
{
    tempo_text_add(t, "mean of the %zu parallel step%s of %zu run%s", m->n, m->n == 1 ? "" : "s", m->runs,
                   m->runs == 1 ? "" : "s");
}

static void put_found(tempo_text *t, size_t which, const tempo_findings *f)
{
    const double js = tempo_pool_value(&f->js), visible = tempo_pool_value(&f->visible_mass),
                 isolated = tempo_pool_value(&f->isolated_mass);

    if (which == 0 && isfinite(js)) {
        tempo_text_add(t, "beside the share that siblings take, it differs by %.3g nat (Jensen-Shannon; ",
                       js);
        put_pool(t, &f->js);
        tempo_text_add(t, ")");
    } else if (which == 1 && isfinite(f->tv)) {
        tempo_text_add(t, "%s; up to %.3g apart in total variation (the greatest of %zu run%s)",
                       f->tv == 0.0 ? "equal" : "not equal", f->tv, f->compared + f->lockstep,
                       f->compared + f->lockstep == 1 ? "" : "s");
    } else if (which == 2 && isfinite(visible)) {
        tempo_text_add(t, "visible rows give %.3g of their attention to siblings (", visible);
        put_pool(t, &f->visible_mass);
        tempo_text_add(t, ")");
        if (isfinite(isolated))
            tempo_text_add(t, ", isolated rows %.3g", isolated);
    } else if (which == 3 && f->sets > 0) {
        tempo_text_add(
            t,
            "%zu of %zu parallel sets with `positions: shared` have one position, as the engine rotated "
            "them; what that prevents is not shown by it",
            f->one_position, f->sets);
    } else {
        tempo_text_add(t, "not measured");
    }
}

void tempo_put_hypotheses(tempo_text *t, const json_t *summary, const tempo_findings *f)
{
    tempo_text_add(
        t, "\n## Hypotheses\n\nWhat these few prompts show. `tempo study` tests the hypotheses over a suite "
           "of prompts, with bounds registered before.\n");
    for (size_t i = 0; i < sizeof(hypotheses) / sizeof(*hypotheses); i++) {
        tempo_text_add(t, "\n### Hypothesis %s\n\n- **Test**: %s\n- **Data**: ", hypotheses[i].title,
                       hypotheses[i].test);
        put_data(t, summary, &hypotheses[i]);
        tempo_text_add(t, "\n- **Expected**: %s\n- **Found**: ", hypotheses[i].expected);
        put_found(t, i, f);
        tempo_text_add(t, "\n");
    }
}

/* ---- next steps ---- */

/* "`tempo analyze DIR`" of the first experiment that records it. */
static void put_command(tempo_text *t, const json_t *summary, const char *what)
{
    const json_t *result;
    size_t i;

    EACH_EXPERIMENT(i, result, summary)
    {
        if (!tempo_is_recorded(result, what))
            continue;
        tempo_text_add(t, "`tempo analyze ");
        tempo_results_put_token(t, tempo_text_at(result, "directory"));
        tempo_text_add(t, "`");
        return;
    }
    tempo_text_add(t, "no experiment here records %s", what);
}

void tempo_put_next_steps(tempo_text *t, const json_t *summary, const tempo_findings *f)
{
    tempo_text_add(
        t,
        "\n## Next Steps\n\nWhat the published document left to be done, and what does it here:\n\n1. "
        "**Attention analysis**: matrices of both modes, magnitudes between siblings, and which layers have "
        "most of it: %s; element by element, by layer and head: ",
        isfinite(tempo_pool_value(&f->js)) ? "done, under Measured above" : "not measured here");
    put_command(t, summary, "attention");
    tempo_text_add(
        t,
        ".\n2. **Logits analysis**: KL divergence, cosine, and which tokens differ most in probability: %s; "
        "token by token: ",
        f->compared + f->lockstep > 0 ? "done, under Measured above and in each `analysis.json`"
                                      : "not measured here");
    put_command(t, summary, "logits");
    tempo_text_add(
        t,
        ".\n3. **RoPE position verification**: %s; each slot's position, as the rotation was given it, is in "
        "each arm's file of positions, and `docs/semantics.md` says how positions are given.\n4. "
        "**Statistical testing**: not from so few prompts: `tempo study run` tests the hypotheses over a "
        "suite, beside a noise floor of numerical precision, and `tempo study report` says what it "
        "found.\n",
        f->sets > 0 ? "done, under Measured above" : "no parallel set was read here");
}

/* ---- the conclusion ---- */

void tempo_put_conclusion(tempo_text *t, const tempo_findings *f)
{
    const bool equal = f->replays > 0 && f->replays_same == f->replays;

    tempo_text_add(t, "\n## Conclusion\n\n");
    if (f->replays > 0)
        tempo_text_add(t, "Replayed on this model, %zu of %zu runs are equal to the bit in both modes. ",
                       f->replays_same, f->replays);
    if (f->compared > 0)
        tempo_text_add(t,
                       "Run as meant, isolated and visible mode select different sets in %zu of %zu runs. ",
                       f->apart, f->compared);
    if (f->replays > 0 && !equal)
        tempo_text_add(t, "A replay whose modes differ is an error of the program, to be reported: nothing "
                          "follows from it.");
    else if (equal && f->apart > 0)
        tempo_text_add(t, "So on this model an identity like the published one comes from what is computed, "
                          "for a replay has "
                          "no siblings to see, and is gone when they are there.");
    else if (equal && f->compared > 0)
        tempo_text_add(t,
                       "On this model a replay has no siblings to see, so that its identity says nothing of "
                       "the model; but "
                       "here the modes agree with siblings in the context, too, as far as these prompts go.");
    if (equal && f->published_name != NULL && !f->published_model) {
        tempo_text_add(t, " The published model (");
        tempo_results_put_token(t, f->published_name);
        tempo_text_add(
            t, ") was not run here: of it this shows what the published program computes, not which numbers "
               "come out.");
    }
    tempo_text_add(t, "\n");
}
