/* floor_summary.c - the noise floor: a high quantile, over prompts, of what rounding alone does. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "files/json_out.h"
#include "stats/stats.h"
#include "study/floor.h"
#include "study/study.h"

const char *const tempo_primaries[TEMPO_PRIMARIES] = {"A2", "B", "C", "D2"};

/* Quantile of one metric of one group over the files that are there; NaN when none has it. */
static double quantile_of(json_t *const *files, size_t n, const char *group, const char *metric, double p,
                          double *x)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *values = json_object_get(json_object_get(files[i], "values"), group);
        const double v = tempo_number_at(values, metric);
        if (isfinite(v))
            x[m++] = v;
    }
    double *sorted = tempo_stats_sorted(x, m);
    const double q = sorted != NULL ? tempo_stats_quantile(sorted, m, p) : NAN;
    free(sorted);
    return q;
}

static json_t *summarise(json_t *const *files, size_t n, double p, double *x)
{
    json_t *groups = json_object(), *floor = json_object();
    const json_t *names = NULL;
    const char *group;
    const json_t *ignored;
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        found += files[i] != NULL;
        if (names == NULL)
            names = json_object_get(files[i], "values");
    }
    for (size_t k = 0; k < TEMPO_PRIMARIES; k++) {
        double worst = 0.0;
        json_object_foreach((json_t *)(uintptr_t)names, group, ignored)
        {
            const double q = quantile_of(files, n, group, tempo_primaries[k], p, x);
            json_t *g = json_object_get(groups, group);
            if (g == NULL) {
                g = json_object();
                json_object_set_new(groups, group, g);
            }
            json_object_set_new(g, tempo_primaries[k], tempo_json_number(q));
            if (q > worst)
                worst = q;
        }
        json_object_set_new(floor, tempo_primaries[k], tempo_json_number(worst));
    }
    (void)ignored;
    return json_pack("{s:I, s:o, s:o, s:o}", "prompts", (json_int_t)found, "quantile", tempo_json_number(p),
                     "groups", groups, "floor", floor);
}

tempo_status tempo_floor_summary(json_t **out, const char *dir, size_t model, const tempo_hypotheses *h,
                                 const tempo_prompts *p, size_t n, tempo_err *err)
{
    json_t **files = calloc(n, sizeof(json_t *)); /* n >= 1 */
    double *x = calloc(n, sizeof(*x));
    tempo_status st = files != NULL && x != NULL
                          ? TEMPO_OK
                          : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the noise floor");

    *out = NULL;
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        char path[TEMPO_STUDY_PATH];
        st = tempo_study_unit_path(dir, "floor", model, 0.0, p->prompts[i].name, path, err);
        if (st == TEMPO_OK && tempo_study_has(path))
            st = tempo_json_load(&files[i], path, err);
    }
    if (st == TEMPO_OK && (*out = summarise(files, n, h->noise.quantile, x)) == NULL)
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for the noise floor");
    for (size_t i = 0; files != NULL && i < n; i++)
        json_decref(files[i]);
    free(files);
    free(x);
    return st;
}
