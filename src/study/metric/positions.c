/* positions.c - the arms whose positions are not shared: does it matter where siblings stand? */
#include "study/metric/metric.h"

static double between(const tempo_measured *m, size_t a, size_t b)
{
    return tempo_compare_tv(m->lane[a], m->lane[b]);
}

double tempo_metric_tv_offset(const tempo_measured *m)
{
    return between(m, TEMPO_UNIT_OFFSET_ISOLATED, TEMPO_UNIT_OFFSET_VISIBLE);
}

double tempo_metric_position_isolated(const tempo_measured *m)
{
    return between(m, TEMPO_UNIT_ISOLATED, TEMPO_UNIT_OFFSET_ISOLATED);
}

double tempo_metric_position_visible(const tempo_measured *m)
{
    return between(m, TEMPO_UNIT_VISIBLE, TEMPO_UNIT_OFFSET_VISIBLE);
}

double tempo_metric_d_unique(const tempo_measured *m)
{
    return between(m, TEMPO_UNIT_UNIQUE_ISOLATED, TEMPO_UNIT_UNIQUE_VISIBLE) -
           between(m, TEMPO_UNIT_ISOLATED, TEMPO_UNIT_VISIBLE);
}

double tempo_value_d2(const tempo_metric_steps *s, tempo_metric_id own)
{
    return tempo_value_median(s, own) - tempo_value_median(s, TEMPO_METRIC_TV);
}
