/* results.c - EXPERIMENT_RESULTS.md: what the published document has, in its order, with what was
 * measured here.  Every sentence that claims something is chosen by a number of the summary.  */
#include <math.h>

#include "experiment/document/document.h"
#include "files/json_out.h"
#include "draw/say.h"

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* Which experiments are one run. */
static void put_runs(tempo_text *t, const json_t *summary, const tempo_findings *f)
{
    const json_t *result, *c, *other, *d, *as;
    size_t i, k;

    tempo_text_add(t, "**Total Experiments**: %zu (%zu run%s, %zu prompt%s", f->experiments, f->runs,
                   plural(f->runs), f->prompts, plural(f->prompts));
    EACH_EXPERIMENT(i, result, summary)
    {
        EACH_CASE(n, c, result)
        {
            size_t same = 0;
            if (tempo_earlier_run(summary, result, c, &as) != NULL)
                continue;
            EACH_EXPERIMENT(k, other, summary)
            {
                if (k <= i)
                    continue;
                EACH_CASE(m, d, other)
                {
                    if (tempo_same_run(other, d, result, c)) {
                        if (same == 0)
                            tempo_text_add(t, "; %s", tempo_text_at(result, "experiment"));
                        tempo_text_add(t, ", %s", tempo_text_at(other, "experiment"));
                        same++;
                    }
                }
            }
            tempo_text_add(t, same > 0 ? " are one run, recorded in different ways, and count once" : "");
        }
    }
    tempo_text_add(t, ")  \n");
}

static void put_overview(tempo_text *t, const json_t *summary, const tempo_findings *f)
{
    const json_t *model = json_object_get(summary, "model");

    tempo_text_add(t, "# TEMPO Experiment Results\n\n## Overview\n\n%zu experiment%s on ", f->experiments,
                   plural(f->experiments));
    tempo_results_put_token(t, tempo_text_at(model, "name"));
    tempo_text_add(
        t,
        " (%s, %.4g parameters), with all members of a set in the context at one position, isolation that "
        "acts, and a replay of what the published code computed beside them.\n\n",
        tempo_text_at(model, "architecture"), tempo_number_at(model, "parameters"));
    tempo_text_add(t, "**Execution Date**: %s  \n", tempo_text_at(summary, "date"));
    put_runs(t, summary, f);
    tempo_text_add(t, "**Data Captured**: ");
    tempo_results_put_bytes(t, f->files.bytes);
    tempo_text_add(t, "  \n**Kernels**: %s, %s, %lld threads\n\n", tempo_text_at(summary, "kernels"),
                   tempo_text_at(summary, "compute"), tempo_whole_at(summary, "threads"));
}

static void put_replay_finding(tempo_text *t, const tempo_findings *f)
{
    if (f->replays == 0)
        return;
    tempo_text_add(
        t,
        "Replayed as published, isolated and visible mode give the same bits in %zu of %zu run%s of "
        "this model. ",
        f->replays_same, f->replays, plural(f->replays));
    if (f->replays_same == f->replays)
        tempo_text_add(
            t, "They must: with a key-value cache the published code fed the model only the last, least "
               "probable member of each set, so that no row ever had a sibling to see, and a replay does the "
               "same. Whatever the model, that is one computation, run twice.\n\n");
    else
        tempo_text_add(
            t, "They should be equal, since no row has a sibling to see there: this is an error of the "
               "program, to be reported.\n\n");
}

static void put_performance(tempo_text *t, const tempo_findings *f)
{
    const double faster = tempo_pool_value(&f->faster), published = tempo_pool_value(&f->published_faster);

    tempo_text_add(t, "### Performance difference\n\n");
    if (isfinite(faster)) {
        tempo_text_add(t, "Visible mode is ");
        tempo_say_faster(t, faster, 1);
        tempo_text_add(
            t,
            " on average over %zu measurement%s of %zu run%s, each arm run alone, in ABBA order after a "
            "warm-up; the intervals below say how much of that is noise.",
            f->faster.n, plural(f->faster.n), f->runs, plural(f->runs));
    } else {
        tempo_text_add(t, "No times were taken.");
    }
    if (isfinite(published)) {
        tempo_text_add(t, " Published: ");
        tempo_say_faster(t, published, 1);
        tempo_text_add(t, " (mean of %zu), from runs in which isolated always came first, in a cold process.",
                       f->published_faster.n);
    }
    tempo_text_add(t, "\n\n");
}

static void put_key_findings(tempo_text *t, const tempo_findings *f)
{
    tempo_text_add(t, "## Key Findings Summary\n\n### Are the outputs identical?\n\n");
    if (f->compared > 0)
        tempo_text_add(
            t,
            "With all members in the context, isolated and visible mode select the same sets throughout in "
            "%zu of %zu run%s, and part in %zu.\n\n",
            f->alike, f->compared, plural(f->compared), f->apart);
    if (f->lockstep > 0)
        tempo_text_add(
            t,
            "In lockstep (%zu run%s), where both are given the same sets, they would have chosen different "
            "ones at %zu of %zu steps.\n\n",
            f->lockstep, plural(f->lockstep), f->changes, f->lockstep_steps);
    put_replay_finding(t, f);
    put_performance(t, f);
}

char *tempo_experiments_text(const json_t *summary)
{
    const tempo_findings f = tempo_find(summary);
    tempo_text t = {0};

    put_overview(&t, summary, &f);
    put_key_findings(&t, &f);
    tempo_put_picture_links(&t, summary);
    tempo_put_details(&t, summary);
    tempo_put_statistics(&t, summary, &f);
    tempo_put_hypotheses(&t, summary, &f);
    tempo_put_next_steps(&t, summary, &f);
    tempo_put_conclusion(&t, &f);
    return tempo_text_take(&t);
}
