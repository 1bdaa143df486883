/* cmd_logits.c - the distribution of the next token. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endings.h"
#include "message.h"
#include "prefill.h"

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

/* log of the sum of exp, and the entropy of the softmax in nats. */
static double log_sum(const float *logits, size_t n, double *entropy)
{
    double largest = -HUGE_VAL, sum = 0, weighted = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < n; i++) {
        const double e = exp((double)logits[i] - largest);
        sum += e;
        weighted += e * ((double)logits[i] - largest);
    }
    *entropy = log(sum) - weighted / sum;
    return largest + log(sum);
}

static void print_top(const tempo_tokenizer *t, const ranked *r, size_t n, double norm)
{
    printf("%8s  %11s  %9s  token\n", "id", "probability", "logit");
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *s = t != NULL ? tempo_token_bytes(t, r[i].id, &len) : "";
        printf("%8" PRId32 "  %11.6f  %9.4f  ", r[i].id, exp((double)r[i].logit - norm), (double)r[i].logit);
        show_token(s, len);
        putchar('\n');
    }
}

static json_t *document(const session *s, const options *o, const ranked *r, size_t n, double norm,
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
        json_object_set_new(one, "probability", json_real(exp((double)r[i].logit - norm)));
        json_object_set_new(one, "logit", json_real((double)r[i].logit));
        json_array_append_new(top, one);
    }
    root =
        json_pack("{s:s, s:o, s:s, s:s, s:o, s:f, s:o}", "version", tempo_version(), "model", model, "cpu",
                  info->kernels, "compute", info->compute, "prompt_ids", ids, "entropy", entropy, "top", top);
    if (root != NULL)
        json_set_text(root, "prompt", "prompt_bytes", s->text != NULL ? s->text : "", s->n_text);
    return root;
}

static int report(const session *s, const options *o, const float *logits)
{
    const size_t n = tempo_model_get_info(s->model)->n_vocab, top = o->top < n ? o->top : n;
    ranked *r = malloc(n * sizeof(*r));
    double entropy;
    int code = EXIT_OK;

    if (r == NULL) {
        say("out of memory for %zu logits", n);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < n; i++)
        r[i] = (ranked){logits[i], (int32_t)i};
    qsort(r, n, sizeof(*r), by_logit);
    const double norm = log_sum(logits, n, &entropy);
    if (o->json)
        code = print_json(document(s, o, r, top, norm, entropy), false);
    else
        print_top(tempo_model_tokenizer(s->model), r, top, norm);
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
