/* distribution.c - next-token distributions, isolated against visible, with a parallel set in the context. */
#include "study/metric/metric.h"

#define OF_Q(name, field)                                                                                    \
    double tempo_metric_##name(const tempo_measured *m)                                                      \
    {                                                                                                        \
        return m->q.field;                                                                                   \
    }
OF_Q(tv, tv)
OF_Q(js, js)
OF_Q(kl, kl_ab)
OF_Q(kl_back, kl_ba)
OF_Q(max_dlogp, max_dlogp)
OF_Q(jaccard, jaccard)
OF_Q(set_changes, set_changes ? 1.0 : 0.0)
OF_Q(top_1, overlap[0]) /* by tempo_compare_tops */
OF_Q(top_5, overlap[1])
OF_Q(top_10, overlap[2])
OF_Q(top_20, overlap[3])
OF_Q(row_tv, row_tv)
OF_Q(row_kl, row_kl)
OF_Q(row_cosine, row_cosine)
