/* published.c - the figures that ride along with an experiment, to be printed beside what is
 * measured. */
#include <math.h>

#include "experiment/file/read.h"

enum { MOST = 1000000000 };

static const tempo_yaml_range positive = {.low = 0, .high = HUGE_VAL, .above_low = true};

static tempo_status read_mode(tempo_published *p, tempo_published_run *run, const tempo_yaml_node *map,
                              tempo_err *err)
{
    unsigned mode = 0;
    const tempo_status st = tempo_yaml_choice(map, "mode", "isolated|visible", &mode, err);
    const char *name = tempo_mode_name((tempo_mode)mode);

    if (st != TEMPO_OK)
        return st;
    if (tempo_yaml_get(map, "mode") == NULL)
        return tempo_yaml_fail(err, map, "a published run without a mode");
    for (size_t i = 0; i < p->n_runs; i++)
        if (p->runs[i].mode == name)
            return tempo_yaml_fail(err, tempo_yaml_get(map, "mode"), "there is a run '%s' already", name);
    run->mode = name;
    return TEMPO_OK;
}

/* What is given twice must agree. */
static tempo_status check_sizes(const tempo_published_run *run, const tempo_yaml_node *map, tempo_err *err)
{
    const tempo_yaml_node *at = tempo_yaml_get(map, "set_sizes");
    size_t sum = 0;

    for (size_t i = 0; i < run->n_set_sizes; i++)
        sum += run->set_sizes[i];
    if (run->n_set_sizes > 0 && run->steps > 0 && run->n_set_sizes != run->steps)
        return tempo_yaml_fail(err, at, "%zu sizes for %zu steps", run->n_set_sizes, run->steps);
    if (run->n_set_sizes > 0 && run->total_tokens > 0 && sum != run->total_tokens)
        return tempo_yaml_fail(err, at, "the sizes add up to %zu, total_tokens is %zu", sum,
                               run->total_tokens);
    return TEMPO_OK;
}

static tempo_status read_run(tempo_published *p, const tempo_yaml_node *map, tempo_err *err)
{
    static const char *const known[] = {"mode", "steps", "total_tokens", "set_sizes", "tokens_per_step",
                                        "sets", "text",  "seconds",      "data_size", NULL};
    tempo_published_run *run = &p->runs[p->n_runs];
    size_t range[2] = {0, 0}, n = 2;
    tempo_status st = tempo_yaml_check_keys(map, known, err);

    st = tempo_yaml_both(st, read_mode(p, run, map, err));
    st = tempo_yaml_both(st, tempo_yaml_size(map, "steps", 1, MOST, &run->steps, err));
    st = tempo_yaml_both(st, tempo_yaml_size(map, "total_tokens", 1, MOST, &run->total_tokens, err));
    st = tempo_yaml_both(st, tempo_yaml_size_list(map, "set_sizes", 1, MOST, run->set_sizes,
                                                  TEMPO_EXPERIMENT_MAX_SETS, &run->n_set_sizes, err));
    st = tempo_yaml_both(st, tempo_yaml_size_list(map, "tokens_per_step", 1, MOST, range, 2, &n, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "sets", &run->sets, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "text", &run->text, err));
    st = tempo_yaml_both(st, tempo_yaml_f64(map, "seconds", positive, &run->seconds, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "data_size", &run->data_size, err));
    if (st == TEMPO_OK && (n != 2 || range[0] > range[1]))
        st = tempo_yaml_fail(err, tempo_yaml_get(map, "tokens_per_step"), "expected [fewest, most]");
    run->fewest = range[0];
    run->most = range[1];
    if (st == TEMPO_OK && (st = check_sizes(run, map, err)) == TEMPO_OK)
        p->n_runs++;
    return st;
}

tempo_status tempo_experiment_read_published(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err)
{
    static const char *const known[] = {"model", "outputs", "visible_faster_percent", "data_size", "remark",
                                        "runs",  NULL};
    const tempo_yaml_range percent = {.low = -100, .high = 100};
    const tempo_yaml_node *map = tempo_yaml_get(root, "published"), *list;
    tempo_published *p = &e->published;
    tempo_status st;

    if (map == NULL)
        return TEMPO_OK;
    st = tempo_yaml_check_keys(map, known, err);
    if (map->kind != TEMPO_YAML_MAP)
        return st;
    st = tempo_yaml_both(st, tempo_yaml_str(map, "model", &p->model, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "outputs", &p->outputs, err));
    st = tempo_yaml_both(
        st, tempo_yaml_f64(map, "visible_faster_percent", percent, &p->visible_faster_percent, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "data_size", &p->data_size, err));
    st = tempo_yaml_both(st, tempo_yaml_str(map, "remark", &p->remark, err));
    st = tempo_yaml_both(
        st, tempo_yaml_list(map, "runs", TEMPO_YAML_MAP, TEMPO_EXPERIMENT_MAX_PUBLISHED, &list, err));
    if (tempo_yaml_get(map, "model") == NULL)
        st = tempo_yaml_both(st, tempo_yaml_fail(err, map, "'model' is missing"));
    for (const tempo_yaml_node *v = list != NULL ? list->first : NULL; v != NULL; v = v->next)
        st = tempo_yaml_both(st, read_run(p, v, err));
    return st;
}
