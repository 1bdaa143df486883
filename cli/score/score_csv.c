/* score_csv.c - a record for each token. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "cli/score/score.h"

enum { FLUSH = 1 << 20 };

static tempo_status flush(score_view *v, tempo_err *err)
{
    tempo_status st;

    if (v->records.failed)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: out of memory for it", v->o->csv);
    st = tempo_outfile_write(v->csv, v->records.p, v->records.n, err);
    v->records.n = 0;
    return st;
}

tempo_status score_csv_begin(score_view *v, tempo_err *err)
{
    static const char *const names[] = {"prompt",  "position", "id",   "text",
                                        "logprob", "entropy",  "rank", "context"};
    const tempo_status st = tempo_outfile_create(&v->csv, v->o->csv, err);
    const size_t vocab = tempo_model_get_info(v->s->model)->n_vocab;
    const size_t top = v->score.top < vocab ? v->score.top : vocab;
    char name[32];

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        tempo_csv_word(&v->records, names[i]);
    for (size_t k = 1; k <= 3 * top; k++) {
        (void)snprintf(name, sizeof(name), "top%zu_%s", (k + 2) / 3,
                       k % 3 == 1   ? "id"
                       : k % 3 == 2 ? "text"
                                    : "logprob");
        tempo_csv_word(&v->records, name);
    }
    tempo_csv_end(&v->records);
    return st;
}

static void put_token(score_view *v, int32_t id)
{
    size_t n;
    const char *s = score_token(v, id, &n);

    tempo_csv_int(&v->records, id);
    tempo_csv_text(&v->records, s, n);
}

tempo_status score_csv(score_view *v, size_t i, const tempo_score *s, tempo_err *err)
{
    tempo_csv *c = &v->records;

    for (size_t k = 0; k < s->n_tokens; k++) {
        const bool there = s->rank[k] > 0;
        tempo_csv_word(c, v->lines != NULL ? v->lines->lines[i].key : "");
        tempo_csv_int(c, (int64_t)k);
        put_token(v, s->ids[k]);
        tempo_csv_real(c, s->logprob[k]);
        tempo_csv_real(c, s->entropy[k]);
        if (there)
            tempo_csv_int(c, s->rank[k]);
        else
            tempo_csv_none(c);
        tempo_csv_int(c, s->context[k]);
        for (size_t t = k * s->n_top; t < (k + 1) * s->n_top; t++) {
            if (there) {
                put_token(v, s->top_ids[t]);
            } else {
                tempo_csv_none(c);
                tempo_csv_none(c);
            }
            tempo_csv_real(c, s->top_logprob[t]);
        }
        tempo_csv_end(c);
    }
    return v->records.n >= FLUSH ? flush(v, err) : TEMPO_OK;
}

tempo_status score_csv_end(score_view *v, tempo_err *err)
{
    tempo_outfile *f = v->csv;
    const tempo_status st = flush(v, err);

    if (st != TEMPO_OK)
        return st;
    v->csv = NULL;
    return tempo_outfile_commit(f, err);
}
