/* fuzz_yaml.c - any bytes as an experiment, as hypotheses and as a suite of prompts. */
#include <stdlib.h>
#include <string.h>

#include "experiment/file/file.h"
#include "study/hypotheses_file.h"
#include "study/prompts_file.h"

/* A failure has a message that begins with the name, and leaves nothing; success leaves no message. */
static void check(tempo_status st, const tempo_err *err, const void *out)
{
    if (st == TEMPO_OK ? out == NULL || err->code != TEMPO_OK
                       : out != NULL || err->code != st || strncmp(err->msg, "f.yaml:", 7) != 0)
        abort();
}

/* What the header promises of every experiment. */
static void check_experiment(const tempo_experiment *e)
{
    if (e->n_prompts == 0 || e->n_thresholds == 0 || e->n_arms == 0 ||
        e->n_arms > TEMPO_EXPERIMENT_MAX_ARMS || e->driver >= e->n_arms ||
        e->n_notes > TEMPO_EXPERIMENT_MAX_NOTES || e->name == NULL)
        abort();
    for (size_t i = 0; i < e->n_prompts; i++)
        if (e->prompts[i][0] == '\0' ||
            tempo_utf8_valid(e->prompts[i], strlen(e->prompts[i])) != strlen(e->prompts[i]))
            abort();
    for (size_t i = 0; i < e->n_arms; i++) {
        const tempo_decode_options o = tempo_experiment_decoding(e, i, e->n_thresholds - 1);
        if (!(o.threshold > 0 && o.threshold <= 1) || o.steps == 0 || e->arms[i].name[0] == '\0')
            abort();
        if (o.replay != TEMPO_REPLAY_NONE &&
            (o.context != TEMPO_CONTEXT_ALL || o.readout != TEMPO_READOUT_MIXTURE ||
             o.positions != TEMPO_POSITIONS_SHARED))
            abort();
    }
    if (strchr(e->attention_file, '/') != NULL || strchr(e->kv_file, '/') != NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tempo_err err[3] = {0};
    tempo_experiment *e;
    tempo_hypotheses *h;
    tempo_prompts *p;

    check(tempo_experiment_parse(&e, "f.yaml", data, n, NULL, &err[0]), &err[0], e);
    if (e != NULL)
        check_experiment(e);
    check(tempo_hypotheses_parse(&h, "f.yaml", data, n, NULL, &err[1]), &err[1], h);
    if (h != NULL && (!(tempo_hypotheses_bound(h, "A2") > 0) || tempo_hypotheses_find(h, "timing") == NULL))
        abort();
    check(tempo_prompts_parse(&p, "f.yaml", data, n, NULL, &err[2]), &err[2], p);
    if (p != NULL && (p->n == 0 || p->n_strata == 0 || p->prompts[p->n - 1].text[0] == '\0'))
        abort();
    tempo_experiment_free(e);
    tempo_hypotheses_free(h);
    tempo_prompts_free(p);
    return 0;
}
