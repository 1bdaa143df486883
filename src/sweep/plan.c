/* plan.c - what a sweep is, whether it can be, and what it costs. */
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "decode/decode.h"
#include "model/model.h"
#include "run/decode_json.h"
#include "run/run.h"
#include "sweep/sweep.h"

enum { MOST_WAYS = 1024, PAGE = 64 };

TEMPO_OPTIONS(tempo_sweep_options, .shard = 0)

static const char *const usual_columns[] = {"threshold", "mode"};

/* ---- ways ---- */

static bool same_columns(const tempo_sweep_job *j, size_t a, size_t b)
{
    for (size_t i = 0; i < j->o.n_columns; i++)
        if (!json_equal(json_object_get(j->ways[a], j->o.columns[i]),
                        json_object_get(j->ways[b], j->o.columns[i])))
            return false;
    return true;
}

static tempo_status check_columns(const tempo_sweep_job *j, tempo_err *err)
{
    for (size_t i = 0; i < j->o.n_columns; i++) {
        if (!json_is_string(json_object_get(j->ways[0], j->o.columns[i])) &&
            !json_is_number(json_object_get(j->ways[0], j->o.columns[i])))
            return tempo_fail_field(err, TEMPO_E_ARG, "columns",
                                    "'%.40s' is no option of decoding that can be a column", j->o.columns[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(j->o.columns[i], j->o.columns[k]) == 0)
                return tempo_fail_field(err, TEMPO_E_ARG, "columns", "'%.40s' is there twice",
                                        j->o.columns[i]);
    }
    for (size_t i = 0; i < j->o.n_decoding; i++)
        for (size_t k = 0; k < i; k++)
            if (same_columns(j, i, k))
                return tempo_fail_field(err, TEMPO_E_ARG, "decoding",
                                        "ways %zu and %zu to decode have the same values in all columns", k,
                                        i);
    return TEMPO_OK;
}

static tempo_status take_ways(tempo_sweep_job *j, tempo_err *err)
{
    const size_t n = j->o.decoding != NULL ? j->o.n_decoding : 1;
    tempo_decode_options *ways;
    tempo_status st = TEMPO_OK;

    if (n == 0 || n > MOST_WAYS)
        return tempo_fail_field(err, TEMPO_E_ARG, "decoding", "%zu ways to decode, expected 1 to %d", n,
                                MOST_WAYS);
    ways = calloc(n, sizeof(*ways));
    j->ways = calloc(n, sizeof(*j->ways));
    if (ways == NULL || j->ways == NULL) {
        free(ways);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a sweep");
    }
    for (size_t i = 0; i < n && st == TEMPO_OK; i++) {
        st = tempo_decode_options_take(&ways[i], j->o.decoding != NULL ? &j->o.decoding[i] : NULL, err);
        if (st == TEMPO_OK && (j->ways[i] = json_object()) != NULL)
            tempo_json_add_decoding(j->ways[i], &ways[i], j->m->hp.n_layers);
    }
    j->o.decoding = ways;
    j->o.n_decoding = n;
    if (j->o.columns == NULL) {
        j->o.columns = usual_columns;
        j->o.n_columns = sizeof(usual_columns) / sizeof(*usual_columns);
    }
    return st == TEMPO_OK ? check_columns(j, err) : st;
}

/* ---- prompts ---- */

static int by_id(const void *pa, const void *pb)
{
    const tempo_sweep_prompt *const *a = pa, *const *b = pb;

    return strcmp((*a)->id, (*b)->id);
}

static tempo_status check_ids(const tempo_sweep_job *j, tempo_err *err)
{
    const tempo_sweep_prompt **all = malloc((j->n + 1) * sizeof(*all));
    tempo_status st = TEMPO_OK;

    if (all == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu prompts", j->n);
    for (size_t i = 0; i < j->n && st == TEMPO_OK; i++) {
        const char *id = j->prompts[i].id;
        if (id == NULL || *id == '\0' || tempo_utf8_valid(id, strlen(id)) != strlen(id))
            st = tempo_fail_field(err, TEMPO_E_ARG, "prompts", "prompt %zu: its id is no text", i);
        all[i] = &j->prompts[i];
    }
    if (st == TEMPO_OK)
        qsort(all, j->n, sizeof(*all), by_id);
    for (size_t i = 1; i < j->n && st == TEMPO_OK; i++)
        if (strcmp(all[i - 1]->id, all[i]->id) == 0)
            st = tempo_fail_field(err, TEMPO_E_ARG, "prompts", "two prompts have the id '%.60s'", all[i]->id);
    free(all);
    return st;
}

static tempo_status check_prompts(const tempo_sweep_job *j, tempo_err *err)
{
    tempo_status st =
        j->n > 0 ? check_ids(j, err) : tempo_fail_field(err, TEMPO_E_ARG, "prompts", "no prompts");

    for (size_t i = 0; i < j->n && st == TEMPO_OK; i++)
        for (size_t k = 0; k < j->o.n_decoding && st == TEMPO_OK; k++)
            if ((st = tempo_decode_check(j->m, &j->o.decoding[k], j->prompts[i].ids, j->prompts[i].n, err)) !=
                TEMPO_OK)
                tempo_err_prefix(err, "prompt '%.60s'", j->prompts[i].id);
    return st;
}

static tempo_status check_about(const tempo_sweep_job *j, tempo_err *err)
{
    json_t *about = j->o.about != NULL ? json_loads(j->o.about, 0, NULL) : json_object();
    const bool good = json_is_object(about);

    json_decref(about);
    return good ? TEMPO_OK : tempo_fail_field(err, TEMPO_E_ARG, "about", "about is no text of a JSON object");
}

tempo_status tempo_sweep_take(tempo_sweep_job *j, const tempo_model *m, const tempo_sweep_prompt *prompts,
                              size_t n, const tempo_sweep_options *o, tempo_err *err)
{
    tempo_status st;

    *j = (tempo_sweep_job){.m = m, .prompts = prompts, .n = n};
    if ((st = tempo_options_take(&tempo_sweep_options_kind, &j->o, o, err)) != TEMPO_OK) {
        j->o.decoding = NULL;
        return st;
    }
    if (j->o.n_shards == 0)
        j->o.n_shards = 1;
    if ((st = take_ways(j, err)) != TEMPO_OK)
        return st;
    if (j->o.shard >= j->o.n_shards || j->o.n_shards > TEMPO_MAX_SHARDS)
        return tempo_fail_field(err, TEMPO_E_ARG, "shard", "shard %u of %u is none", (unsigned)j->o.shard,
                                (unsigned)j->o.n_shards);
    if (j->o.out == NULL && j->o.run == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "out",
                                "neither a directory nor somebody who is told of the runs");
    return (st = check_about(j, err)) == TEMPO_OK ? check_prompts(j, err) : st;
}

void tempo_sweep_drop(tempo_sweep_job *j)
{
    for (size_t i = 0; j->ways != NULL && i < j->o.n_decoding; i++)
        json_decref(j->ways[i]);
    if (j->ways != NULL)
        free((void *)(uintptr_t)j->o.decoding);
    free(j->ways);
}

tempo_status tempo_sweep_check(const tempo_model *m, const tempo_sweep_prompt *prompts, size_t n,
                               const tempo_sweep_options *o, tempo_err *err)
{
    tempo_sweep_job j;
    const tempo_status st = tempo_sweep_take(&j, m, prompts, n, o, err);

    tempo_sweep_drop(&j);
    return st;
}

/* ---- costs ---- */

/* Slots that the sets of one way take, as far as anybody knows before. */
static uint64_t slots_of(const tempo_sweep_job *j, size_t way)
{
    const tempo_decode_options *d = &j->o.decoding[way];
    const uint64_t steps = d->steps < j->m->hp.n_ctx ? d->steps : j->m->hp.n_ctx;

    return steps * tempo_run_rows(d);
}

uint64_t tempo_sweep_cost(const tempo_sweep_job *j, size_t prompt)
{
    uint64_t rows = j->prompts[prompt].n;

    for (size_t i = 0; i < j->o.n_decoding; i++)
        rows += slots_of(j, i);
    return rows;
}

uint64_t tempo_sweep_bytes(const tempo_sweep_job *j, size_t prompt)
{
    const tempo_hparams *hp = &j->m->hp;
    uint64_t slots = j->prompts[prompt].n + PAGE, bytes = 0;

    for (size_t i = 0; i < j->o.n_decoding; i++) {
        slots += slots_of(j, i) + 2 * PAGE;
        bytes += hp->n_vocab * (sizeof(double) + tempo_run_rows(&j->o.decoding[i]) * sizeof(float));
    }
    return bytes + slots * 2 * hp->n_layers * hp->n_kv_heads * hp->head_dim * sizeof(float);
}

/* ---- what is the same wherever it runs ---- */

static json_t *prompts_told(const tempo_sweep_job *j)
{
    uint64_t tokens = 0;
    uint32_t crc = 0;

    for (size_t i = 0; i < j->n; i++) {
        const tempo_sweep_prompt *p = &j->prompts[i];
        const uint64_t n = p->n;
        crc = tempo_crc(crc, p->id, strlen(p->id) + 1);
        crc = tempo_crc(crc, &n, sizeof(n));
        crc = tempo_crc(crc, p->ids, p->n * sizeof(*p->ids));
        tokens += n;
    }
    return json_pack("{s:I, s:I, s:I}", "count", (json_int_t)j->n, "tokens", (json_int_t)tokens, "crc32",
                     (json_int_t)crc);
}

json_t *tempo_sweep_what(const tempo_sweep_job *j)
{
    const tempo_model_info *info = tempo_model_get_info(j->m);
    json_t *what = json_pack("{s:s, s:s, s:{s:s, s:s, s:I}, s:s, s:s, s:o}", "kind", "sweep", "version",
                             tempo_version(), "model", "name", info->name, "architecture", info->architecture,
                             "parameters", (json_int_t)info->parameters, "cpu", info->kernels, "compute",
                             info->compute, "prompts", prompts_told(j));
    json_t *ways = json_array(), *columns = json_array();

    for (size_t i = 0; i < j->o.n_decoding; i++)
        json_array_append(ways, j->ways[i]);
    for (size_t i = 0; i < j->o.n_columns; i++)
        json_array_append_new(columns, json_string(j->o.columns[i]));
    json_object_set_new(what, "decoding", ways);
    json_object_set_new(what, "columns", columns);
    if (j->o.about != NULL)
        json_object_set_new(what, "about", json_loads(j->o.about, 0, NULL));
    return what;
}
