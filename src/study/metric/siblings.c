/* siblings.c - what the visible arm's rows give their siblings, and what others would get. */
#include "stats/stats.h"
#include "study/metric/metric.h"

double tempo_metric_sibling_share(const tempo_measured *m)
{
    return m->siblings.share;
}

double tempo_metric_sibling_mass(const tempo_measured *m)
{
    return m->siblings.mass;
}

double tempo_metric_first_slot_mass(const tempo_measured *m)
{
    return m->siblings.first;
}

double tempo_metric_nearest_share(const tempo_measured *m)
{
    return tempo_stats_mean(m->maps.nearest, m->n_layers * m->n_heads);
}

double tempo_metric_uniform_share(const tempo_measured *m)
{
    return m->siblings.uniform;
}

double tempo_value_c_minus_nearest(const tempo_metric_steps *s, tempo_metric_id own)
{
    (void)own;
    return tempo_value_sums_mean(s, TEMPO_METRIC_SIBLING_SHARE) -
           tempo_stats_mean(s->sums.nearest, s->n_layers * s->n_heads) / (double)s->parallel;
}

double tempo_value_c_minus_uniform(const tempo_metric_steps *s, tempo_metric_id own)
{
    return tempo_value_sums_mean(s, TEMPO_METRIC_SIBLING_SHARE) - tempo_value_sums_mean(s, own);
}
