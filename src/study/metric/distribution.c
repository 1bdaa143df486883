/* distribution.c - next-token distributions, isolated against visible, once a parallel set is in the context.
 */
#include "study/metric/metric.h"

double tempo_metric_tv(const tempo_measured *m)
{
    return m->q.tv;
}

double tempo_metric_js(const tempo_measured *m)
{
    return m->q.js;
}

double tempo_metric_kl(const tempo_measured *m)
{
    return m->q.kl_ab;
}

double tempo_metric_kl_back(const tempo_measured *m)
{
    return m->q.kl_ba;
}

double tempo_metric_max_dlogp(const tempo_measured *m)
{
    return m->q.max_dlogp;
}

double tempo_metric_jaccard(const tempo_measured *m)
{
    return m->q.jaccard;
}

double tempo_metric_set_changes(const tempo_measured *m)
{
    return m->q.set_changes ? 1.0 : 0.0;
}

/* tempo_compare_tops: 1, 5, 10, 20 */
double tempo_metric_top_1(const tempo_measured *m)
{
    return m->q.overlap[0];
}

double tempo_metric_top_5(const tempo_measured *m)
{
    return m->q.overlap[1];
}

double tempo_metric_top_10(const tempo_measured *m)
{
    return m->q.overlap[2];
}

double tempo_metric_top_20(const tempo_measured *m)
{
    return m->q.overlap[3];
}

double tempo_metric_row_tv(const tempo_measured *m)
{
    return m->q.row_tv;
}

double tempo_metric_row_kl(const tempo_measured *m)
{
    return m->q.row_kl;
}

double tempo_metric_row_cosine(const tempo_measured *m)
{
    return m->q.row_cosine;
}
