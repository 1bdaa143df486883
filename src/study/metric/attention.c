/* attention.c - attention to what both arms see: of a step the mean over layers, of a unit the mean over its
 * sets first. */
#include "stats/stats.h"
#include "study/metric/metric.h"

double tempo_metric_attention_tv(const tempo_measured *m)
{
    return tempo_compare_above_first(m->maps.tv, m->n_layers);
}

double tempo_metric_attention_js(const tempo_measured *m)
{
    return tempo_compare_above_first(m->maps.js, m->n_layers);
}

double tempo_value_a2(const tempo_metric_steps *s, tempo_metric_id own)
{
    (void)own;
    return tempo_compare_above_first(s->sums.tv, s->n_layers) / (double)s->parallel;
}

double tempo_value_a2_all_layers(const tempo_metric_steps *s, tempo_metric_id own)
{
    (void)own;
    return tempo_stats_mean(s->sums.tv, s->n_layers) / (double)s->parallel;
}

double tempo_value_a2_js(const tempo_metric_steps *s, tempo_metric_id own)
{
    (void)own;
    return tempo_compare_above_first(s->sums.js, s->n_layers) / (double)s->parallel;
}

double tempo_value_a2_js_all_layers(const tempo_metric_steps *s, tempo_metric_id own)
{
    (void)own;
    return tempo_stats_mean(s->sums.js, s->n_layers) / (double)s->parallel;
}
