/* findings.c - what a summary's numbers come to, each run counted once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/document/document.h"
#include "files/json_out.h"

/* ---- files ---- */

const tempo_file_kind tempo_file_kinds[TEMPO_FILE_KINDS] = {
    {"attention", "Attention Weights", "attention weights"},
    {"logits", "Logits Distributions", "logits distributions"},
    {"kv", "Keys and Values", "keys and values"},
    {"positions", "RoPE Positions", "RoPE positions"},
    {"cross_parallel", "Cross-Parallel Scores", "cross-parallel scores"},
    {NULL, "Metadata & Results", "metadata and results"},
};

static bool is_kind(const json_t *result, const tempo_file_kind *kind, const char *path)
{
    const json_t *names = json_object_get(result, "file_names");
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;

    if (kind->key != NULL)
        return strcmp(base, tempo_text_at(names, kind->key)) == 0;
    for (size_t i = 0; i < TEMPO_FILE_KINDS; i++)
        if (tempo_file_kinds[i].key != NULL && is_kind(result, &tempo_file_kinds[i], path))
            return false;
    return true;
}

void tempo_tally_files(tempo_tally *t, const json_t *result, const tempo_file_kind *kind, const char *begin)
{
    const json_t *f;
    size_t i;

    json_array_foreach(json_object_get(result, "files"), i, f)
    {
        const char *path = tempo_text_at(f, "path");
        if (strncmp(path, begin, strlen(begin)) != 0 || (kind != NULL && !is_kind(result, kind, path)))
            continue;
        t->bytes += json_number_value(json_object_get(f, "bytes"));
        t->files++;
    }
}

bool tempo_is_recorded(const json_t *result, const char *what)
{
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(result, "recorded"), i, v)
    {
        if (json_is_string(v) && strcmp(json_string_value(v), what) == 0)
            return true;
    }
    return false;
}

/* ---- runs ---- */

bool tempo_same_steps(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "steps"), *y = json_object_get(b, "steps"), *step, *m;
    size_t i, k;

    if (json_array_size(x) != json_array_size(y))
        return false;
    json_array_foreach(x, i, step)
    {
        const json_t *p = json_object_get(step, "members"),
                     *q = json_object_get(json_array_get(y, i), "members");
        if (json_array_size(p) != json_array_size(q))
            return false;
        json_array_foreach(p, k, m)
        {
            if (tempo_whole_at(m, "id") != tempo_whole_at(json_array_get(q, k), "id"))
                return false;
        }
    }
    return true;
}

bool tempo_same_run(const json_t *result, const json_t *c, const json_t *other_result, const json_t *other)
{
    const json_t *arm;
    const char *name;

    if (!json_equal(json_object_get(c, "prompt"), json_object_get(other, "prompt")) ||
        !json_equal(json_object_get(c, "threshold"), json_object_get(other, "threshold")) ||
        tempo_whole_at(result, "max_steps") != tempo_whole_at(other_result, "max_steps") ||
        tempo_results_lockstep(result) != tempo_results_lockstep(other_result))
        return false;
    EACH_ARM(name, arm, c)
    {
        const json_t *twin = json_object_get(json_object_get(other, "arms"), name);
        if (twin != NULL && !tempo_same_steps(arm, twin))
            return false;
    }
    return true;
}

/* What is looked for among the cases before one. */
typedef struct wanted {
    const json_t *result, *c; /* the case and its experiment */
    tempo_case_has *there;    /* NULL: anything */
    const char *arm;
} wanted;

static bool has_run(const wanted *w, const json_t *experiment, const json_t *c)
{
    return (w->there == NULL || w->there(c, w->arm)) && tempo_same_run(w->result, w->c, experiment, c);
}

static bool has_prompt(const wanted *w, const json_t *experiment, const json_t *c)
{
    (void)experiment;
    return json_equal(json_object_get(c, "prompt"), json_object_get(w->c, "prompt"));
}

/* The first case before w->c of which `is` says so, and whose experiment it is. */
static const json_t *find_before(const json_t *summary, const wanted *w,
                                 bool (*is)(const wanted *w, const json_t *experiment, const json_t *c),
                                 const json_t **as)
{
    const json_t *earlier, *d;
    size_t i;

    EACH_EXPERIMENT(i, earlier, summary)
    {
        EACH_CASE(k, d, earlier)
        {
            if (d == w->c)
                return NULL;
            if (is(w, earlier, d)) {
                *as = d;
                return earlier;
            }
        }
    }
    return NULL;
}

const json_t *tempo_earlier_run(const json_t *summary, const json_t *result, const json_t *c,
                                const json_t **as)
{
    return find_before(summary, &(wanted){.result = result, .c = c}, has_run, as);
}

bool tempo_had_before(const json_t *summary, const json_t *result, const json_t *c, tempo_case_has *there,
                      const char *arm)
{
    const json_t *as;

    return find_before(summary, &(wanted){result, c, there, arm}, has_run, &as) != NULL;
}

static bool prompt_before(const json_t *summary, const json_t *c)
{
    const json_t *as;

    return find_before(summary, &(wanted){.c = c}, has_prompt, &as) != NULL;
}

/* ---- what a case has ---- */

static const json_t *arm_of(const json_t *c, const char *arm)
{
    return json_object_get(json_object_get(c, "arms"), arm);
}

static bool has_comparison(const json_t *c, const char *arm)
{
    (void)arm;
    return tempo_results_compared(c);
}

static bool has_arm(const json_t *c, const char *arm)
{
    return arm_of(c, arm) != NULL;
}

bool tempo_has_js(const json_t *c, const char *arm)
{
    const json_t *s;
    size_t i;

    (void)arm;
    json_array_foreach(json_object_get(json_object_get(c, "comparison"), "steps"), i, s)
    {
        if (isfinite(tempo_number_at(s, "attention_js")))
            return true;
    }
    return false;
}

bool tempo_has_mass(const json_t *c, const char *arm)
{
    return json_object_get(arm_of(c, arm), "sibling_mass") != NULL;
}

/* ---- findings ---- */

double tempo_pool_value(const tempo_pool_mean *m)
{
    return m->n > 0 ? m->sum / (double)m->n : (double)NAN;
}

static void add_comparison(tempo_findings *f, const json_t *result, const json_t *c)
{
    const json_t *comparison = json_object_get(c, "comparison");
    const double tv = tempo_results_largest_tv(c);

    if (tempo_results_lockstep(result)) {
        f->lockstep++;
        f->changes += (size_t)tempo_whole_at(comparison, "set_changes");
        f->lockstep_steps += json_array_size(json_object_get(comparison, "steps"));
    } else {
        const bool alike = json_is_true(json_object_get(comparison, "identical_sets"));
        f->compared++;
        f->alike += alike;
        f->apart += !alike;
    }
    if (isfinite(tv))
        f->tv = isnan(f->tv) || tv > f->tv ? tv : f->tv;
}

static void add_js(tempo_findings *f, const json_t *c)
{
    const json_t *s;
    size_t i;

    f->js.runs++;
    json_array_foreach(json_object_get(json_object_get(c, "comparison"), "steps"), i, s)
    {
        const double js = tempo_number_at(s, "attention_js");
        if (isfinite(js)) {
            f->js.sum += js;
            f->js.n++;
        }
    }
}

static void add_mass(tempo_pool_mean *m, const json_t *arm)
{
    const json_t *mass = json_object_get(arm, "sibling_mass"), *layers = json_object_get(mass, "layers");
    const size_t steps = (size_t)tempo_whole_at(mass, "steps"), n = json_array_size(layers);

    m->runs++;
    m->n += steps;
    for (size_t l = 0; l < n; l++)
        m->sum += tempo_element(layers, l) * (double)steps / (double)n;
}

static void add_arm(tempo_findings *f, const json_t *arm)
{
    const json_t *same = json_object_get(arm, "modes_identical"), *p = json_object_get(arm, "positions");

    f->replays += same != NULL;
    f->replays_same += json_is_true(same);
    if (json_is_true(json_object_get(arm, "shared_positions"))) {
        f->sets += (size_t)tempo_whole_at(p, "parallel_sets");
        f->one_position += (size_t)tempo_whole_at(p, "one_position");
    }
}

static void add_value(tempo_pool_mean *m, double v)
{
    if (!isfinite(v))
        return;
    m->sum += v;
    m->n++;
}

/* Each of a run's figures from the first experiment that has it. */
static void add_case(tempo_findings *f, const json_t *summary, const json_t *result, const json_t *c)
{
    const json_t *as, *arm;
    const char *name;

    f->runs += tempo_earlier_run(summary, result, c, &as) == NULL;
    f->prompts += !prompt_before(summary, c);
    add_value(&f->faster, tempo_number_at(json_object_get(c, "timing"), "visible_faster_percent"));
    if (has_comparison(c, NULL) && !tempo_had_before(summary, result, c, has_comparison, NULL))
        add_comparison(f, result, c);
    if (tempo_has_js(c, NULL) && !tempo_had_before(summary, result, c, tempo_has_js, NULL))
        add_js(f, c);
    if (tempo_has_mass(c, "visible") && !tempo_had_before(summary, result, c, tempo_has_mass, "visible"))
        add_mass(&f->visible_mass, arm_of(c, "visible"));
    if (tempo_has_mass(c, "isolated") && !tempo_had_before(summary, result, c, tempo_has_mass, "isolated"))
        add_mass(&f->isolated_mass, arm_of(c, "isolated"));
    EACH_ARM(name, arm, c)
    {
        if (!tempo_had_before(summary, result, c, has_arm, name))
            add_arm(f, arm);
    }
}

tempo_findings tempo_find(const json_t *summary)
{
    tempo_findings f = {.tv = (double)NAN, .published_model = true};
    const json_t *result, *c;
    size_t i;

    EACH_EXPERIMENT(i, result, summary)
    {
        const json_t *published = json_object_get(result, "published");
        f.experiments++;
        if (json_is_object(published)) {
            f.published_name = tempo_text_at(published, "model");
            f.published_model = f.published_model && json_is_true(json_object_get(published, "same_model"));
            if (tempo_number_at(published, "visible_faster_percent") != 0.0) /* 0: the document gives none */
                add_value(&f.published_faster, tempo_number_at(published, "visible_faster_percent"));
        }
        tempo_tally_files(&f.files, result, NULL, "");
        EACH_CASE(k, c, result) add_case(&f, summary, result, c);
    }
    return f;
}

void tempo_count_runs(json_t *summary)
{
    const tempo_findings f = tempo_find(summary);

    json_object_set_new(summary, "counts",
                        json_pack("{s:I, s:I, s:I}", "experiments", (json_int_t)f.experiments, "runs",
                                  (json_int_t)f.runs, "prompts", (json_int_t)f.prompts));
}
