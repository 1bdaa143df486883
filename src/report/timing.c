/* timing.c - pairs of solo runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/json.h"
#include "files/json_out.h"
#include "report/report.h"
#include "stats/stats.h"
#include "stats/verdict.h"
#include "study/study.h"

/* isolated[n] and visible[n] seconds -> log ratios in their place of `isolated`. */
static tempo_status test_pairs(json_t *out, double *isolated, const double *visible, size_t n,
                               const tempo_hypotheses *h, tempo_err *err)
{
    tempo_ratio ratio;
    tempo_sign_flip flip;
    tempo_wilcoxon wilcoxon;
    tempo_status st;

    if ((st = tempo_stats_ratio(isolated, visible, n, 0.95, &ratio, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        isolated[i] = log(isolated[i] / visible[i]);
    if ((st = tempo_test_sign_flip(isolated, n, h->exact_to, h->permutations, h->seeds.permutation, &flip,
                                   err)) != TEMPO_OK ||
        (st = tempo_test_wilcoxon(isolated, n, &wilcoxon, err)) != TEMPO_OK)
        return st;
    tempo_json_put_ratio(out, "ratio", "ratio_interval", &ratio);
    json_object_set_new(out, "p_sign_flip", tempo_json_number(flip.p));
    json_object_set_new(out, "p_wilcoxon", tempo_json_number(wilcoxon.p));
    return TEMPO_OK;
}

tempo_status tempo_report_timing(json_t **out, const char *dir, size_t model, const tempo_hypotheses *h,
                                 tempo_err *err)
{
    char path[TEMPO_STUDY_PATH], name[40];
    double *x = NULL;
    json_t *doc = NULL;
    tempo_status st;

    *out = NULL;
    (void)snprintf(name, sizeof(name), "timing-m%zu.json", model);
    if ((st = tempo_path_join(path, sizeof(path), dir, name, err)) != TEMPO_OK)
        return st;
    if (!tempo_study_has(path)) {
        *out = json_null();
        return TEMPO_OK;
    }
    if ((st = tempo_json_load(&doc, path, err)) != TEMPO_OK)
        return st;
    const json_t *pairs = json_object_get(doc, "pairs");
    const size_t n = json_array_size(pairs);
    x = calloc(2 * n + 1, sizeof(*x));
    *out = json_pack("{s:I, s:o, s:O}", "pairs", (json_int_t)n, "published_percent",
                     tempo_json_number(h->timing.published_percent), "raw", pairs);
    if (x == NULL || *out == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the times");
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        x[i] = tempo_number_at(json_array_get(pairs, i), "isolated_s");
        x[n + i] = tempo_number_at(json_array_get(pairs, i), "visible_s");
    }
    if (st == TEMPO_OK && n >= 2) {
        st = test_pairs(*out, x, x + n, n, h, err);
        if (st != TEMPO_OK)
            tempo_err_prefix(err, "%s", path);
    }
    free(x);
    json_decref(doc);
    if (st != TEMPO_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return st;
}
