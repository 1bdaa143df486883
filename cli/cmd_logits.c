/* cmd_logits.c - the distribution of the next token. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endings.h"
#include "message.h"
#include "prefill.h"
#include "study/jsonfile.h"

typedef struct ranked {
    float logit;
    int32_t id;
} ranked;

static int by_logit(const void *pa, const void *pb)
{
    const ranked *a = pa, *b = pb;

    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static void print_top(const tempo_tokenizer *t, const ranked *r, size_t n, const double *q)
{
    printf("%8s  %11s  %9s  token\n", "id", "probability", "logit");
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *s = t != NULL ? tempo_token_bytes(t, r[i].id, &len) : "";
        printf("%8" PRId32 "  %11.6f  %9.4f  ", r[i].id, q[r[i].id], (double)r[i].logit);
        show_token(s, len);
        putchar('\n');
    }
}

static json_t *document(const session *s, const options *o, const ranked *r, size_t n, const double *q,
                        double entropy)
{
    const tempo_model_info *info = tempo_model_get_info(s->model);
    const tempo_tokenizer *t = tempo_model_tokenizer(s->model);
    json_t *model = json_model(s, o), *ids = json_array(), *top = json_array(), *root;

    for (size_t i = 0; i < s->n_ids; i++)
        json_array_append_new(ids, json_integer(s->ids[i]));
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *text = t != NULL ? tempo_token_bytes(t, r[i].id, &len) : "";
        json_t *one = json_object();
        json_object_set_new(one, "id", json_integer(r[i].id));
        json_set_text(one, "text", "bytes", text, len);
        json_object_set_new(one, "probability", tempo_json_number(q[r[i].id]));
        json_object_set_new(one, "logit", tempo_json_number((double)r[i].logit));
        json_array_append_new(top, one);
    }
    root = json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o}", "version", tempo_version(), "model", model, "cpu",
                     info->kernels, "compute", info->compute, "prompt_ids", ids, "entropy",
                     tempo_json_number(entropy), "top", top);
    if (root != NULL)
        json_set_text(root, "prompt", "prompt_bytes", s->text != NULL ? s->text : "", s->n_text);
    if (root != NULL)
        json_object_set_new(root, "warnings", json_warnings(s->warning));
    return root;
}

static int report(const session *s, const options *o, const float *logits)
{
    const size_t n = tempo_model_get_info(s->model)->n_vocab, top = o->top < n ? o->top : n;
    ranked *r = malloc(n * sizeof(*r));
    double *q = malloc(n * sizeof(*q)), entropy;
    tempo_err err = {0};
    int code = EXIT_OK;

    if (r == NULL || q == NULL) {
        say("out of memory for %zu logits", n);
        code = EXIT_FAILED;
    } else if (tempo_distribution(s->engine, logits, n, q, &entropy, &err) != TEMPO_OK) {
        code = say_error(&err);
    } else {
        for (size_t i = 0; i < n; i++)
            r[i] = (ranked){logits[i], (int32_t)i};
        qsort(r, n, sizeof(*r), by_logit);
        if (o->json)
            code = print_json(document(s, o, r, top, q, entropy), false);
        else
            print_top(tempo_model_tokenizer(s->model), r, top, q);
    }
    free(q);
    free(r);
    return code;
}

static int run(const session *s, const options *o)
{
    const uint64_t shape[] = {tempo_model_get_info(s->model)->n_vocab};
    const float *logits;
    tempo_err err = {0};
    tempo_seq *seq;
    int code;

    if (tempo_seq_create(&seq, s->engine, NULL, &err) != TEMPO_OK)
        return say_error(&err);
    if (prefill(s->engine, seq, s->ids, s->n_ids, &logits, &err) != TEMPO_OK ||
        (o->all != NULL && tempo_npy_save(o->all, logits, shape, 1, &err) != TEMPO_OK))
        code = say_error(&err);
    else
        code = report(s, o, logits);
    tempo_seq_free(seq);
    return code;
}

int cmd_logits(const options *o)
{
    session s;
    int code = session_open_engine(&s, o);

    catch_interrupts();
    if (code == EXIT_OK && (code = session_read_prompt(&s, o)) == EXIT_OK)
        code = run(&s, o);
    session_close(&s);
    return code;
}
