/* synth.c - models with the shape of a published one, random weights and a made-up vocabulary, so that anyone
 * can measure without a download.
 *
 * Weights have the deviation 1/sqrt(columns), which keeps every stage's numbers near 1, the embedding (often
 * the output matrix too) 4/sqrt(columns), which makes logits about as wide as a trained model's.  Numbers
 * depend on shape, type and seed only. Source: llama.cpp's quantisation mix of the name Q4_K_M, and what it
 * takes where rows are not whole blocks of 256. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/pool.h"
#include "model/random.h"
#include "model/synth/synth.h"

TEMPO_OPTIONS(tempo_synth_options, .shape = "tiny", .type = "F32")

typedef struct tensor {
    tempo_planned what;
    tempo_dtype type;
    double centre, scale;
    const float *values; /* instead of random ones; F32 */
} tensor;

typedef struct synth {
    const tempo_synth_options *opt;
    const tempo_shape *s;
    tempo_dtype type; /* of matrices */
    bool mix;         /* Q4_K_M */
    tensor *tensors;  /* [n] */
    size_t n;
    float *factors; /* [head_dim / 2] of RoPE */
    uint64_t done, total;
    tempo_gguf_writer w;
    tempo_outfile *f;
    tempo_pool *pool;
    unsigned char *buffer;
    tempo_err *err;
} synth;

/* ---- what the options mean ---- */

static tempo_status choose(synth *y)
{
    const char *shape_name = y->opt->shape != NULL ? y->opt->shape : tempo_synth_options_defaults.shape,
               *type = y->opt->type != NULL ? y->opt->type : tempo_synth_options_defaults.type;
    char names[256] = "";

    y->s = tempo_shape_find(shape_name);
    tempo_shape_names(names, sizeof(names));
    if (y->s == NULL)
        return tempo_fail_field(y->err, TEMPO_E_ARG, "shape", "no shape \"%.32s\", expected one of %s",
                                shape_name, names);
    y->mix = strcmp(type, "Q4_K_M") == 0;
    y->type = y->mix ? TEMPO_Q4_K : tempo_dtype_from_name(type, strlen(type));
    if (y->type == TEMPO_DTYPE_COUNT || (tempo_dtype_get(y->type)->block_len == 1 && y->type > TEMPO_BF16))
        return tempo_fail_field(y->err, TEMPO_E_ARG, "type",
                                "no type \"%.32s\", expected an element type such as BF16 or Q8_0, or Q4_K_M",
                                type);
    return TEMPO_OK;
}

/* ---- types of tensors ---- */

/* Layers that the mix gives more bits to: the first and last eighth, and every third between. */
static bool more_bits(uint32_t layer, uint32_t n)
{
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

static tempo_dtype mixed(const synth *y, const tempo_planned *t)
{
    switch (t->place) {
    case TEMPO_AT_EMBEDDING:
        return y->s->tied ? TEMPO_Q6_K : TEMPO_Q4_K;
    case TEMPO_AT_OUTPUT:
        return TEMPO_Q6_K;
    case TEMPO_AT_QKV:
        return TEMPO_Q5_K;
    case TEMPO_AT_V:
    case TEMPO_AT_DOWN:
    case TEMPO_AT_EXPERT_DOWN:
        return more_bits((uint32_t)strtoul(t->name + strlen("blk."), NULL, 10), y->s->hp.n_layers)
                   ? TEMPO_Q6_K
                   : TEMPO_Q4_K;
    default:
        return TEMPO_Q4_K;
    }
}

/* For rows that are not whole blocks of 256, what quantising programs take instead. */
static tempo_dtype shorter(tempo_dtype type)
{
    switch (type) {
    case TEMPO_Q4_K:
        return TEMPO_Q5_0;
    case TEMPO_Q5_K:
        return TEMPO_Q5_1;
    case TEMPO_Q6_K:
        return TEMPO_Q8_0;
    case TEMPO_TQ1_0:
    case TEMPO_TQ2_0:
        return TEMPO_Q4_0;
    default:
        return TEMPO_IQ4_NL;
    }
}

/* Vectors, positions and routers stay floats. */
static tempo_dtype type_of(const synth *y, const tempo_planned *t)
{
    const tempo_dtype type = y->mix ? mixed(y, t) : y->type;

    if (t->n_dims < 2 || t->bias || t->place == TEMPO_AT_POSITIONS || t->place == TEMPO_AT_ROUTER ||
        t->place == TEMPO_PLACES)
        return TEMPO_F32;
    return t->dims[t->n_dims - 1] % tempo_dtype_get(type)->block_len != 0 ? shorter(type) : type;
}

/* ---- tensors ---- */

static uint64_t elements_of(const tempo_planned *t)
{
    uint64_t n = 1;

    for (uint32_t i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    return n;
}

static void add(synth *y, const tempo_planned *what)
{
    tensor *t = &y->tensors[y->n++];
    uint64_t dims[4];

    *t = (tensor){.what = *what, .type = type_of(y, what)};
    t->scale = 1.0 / sqrt((double)what->dims[what->n_dims - 1]);
    if (what->place == TEMPO_AT_EMBEDDING || what->place == TEMPO_AT_OUTPUT)
        t->scale *= 4.0;
    if (what->n_dims == 1) { /* of a norm, or a bias */
        t->centre = what->bias ? 0.0 : 1.0;
        t->scale = 0.1;
    }
    if (what->place == TEMPO_PLACES)
        t->values = y->factors;
    for (uint32_t i = 0; i < what->n_dims; i++)
        dims[i] = what->dims[what->n_dims - 1 - i];
    y->total += tempo_gguf_put_tensor(&y->w, what->name, t->type, what->n_dims, dims);
}

static tempo_status make_factors(synth *y)
{
    const tempo_rope rope = {.theta = y->s->theta,
                             .kind = TEMPO_ROPE_LLAMA3,
                             .factor = y->s->rope_factor,
                             .low = 1.0,
                             .high = 4.0,
                             .context = 8192.0};

    if ((y->factors = malloc(y->s->hp.head_dim / 2 * sizeof(float))) == NULL)
        return tempo_fail(y->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a model's tensors");
    tempo_rope_llama3(y->factors, y->s->hp.head_dim, &rope);
    return TEMPO_OK;
}

static tempo_status add_tensors(synth *y)
{
    tempo_planned *plan;
    size_t n;
    tempo_status st = tempo_synth_plan(y->s, &y->w, &plan, &n, y->err);

    if (st != TEMPO_OK)
        return st;
    if ((y->tensors = calloc(n, sizeof(*y->tensors))) == NULL)
        st = tempo_fail(y->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a model's tensors");
    if (st == TEMPO_OK && y->s->rope_factor != 0)
        st = make_factors(y);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        if (plan[i].place != TEMPO_PLACES || y->factors != NULL)
            add(y, &plan[i]);
    free(plan);
    return st;
}

static void put_facts(synth *y)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "synthetic %s %s", y->s->name, y->opt->type);
    tempo_gguf_put_str(&y->w, "general.name", name);
    tempo_gguf_put_u32(&y->w, "general.quantization_version", 2);
    tempo_shape_put(y->s, &y->w);
}

/* ---- data ---- */

enum {
    TASK_ELEMENTS = 1 << 16, /* a multiple of every block */
    CHUNK_TASKS = 64,
    MAX_ELEMENT_BYTES = 4,
};

typedef struct fill_job {
    const tensor *t;
    unsigned char *to;
    uint64_t elements; /* of the chunk */
    uint64_t stream;   /* of its first task */
} fill_job;

static void fill(void *arg, size_t task, unsigned worker)
{
    const fill_job *job = arg;
    const tempo_dtype_info *info = tempo_dtype_get(job->t->type);
    const uint64_t first = (uint64_t)task * TASK_ELEMENTS, left = job->elements - first;
    uint64_t state = job->stream + task;

    (void)worker;
    state = tempo_random(&state); /* streams begin far apart */
    tempo_random_fill(job->to + first / info->block_len * info->block_bytes, job->t->type,
                      (size_t)(left < TASK_ELEMENTS ? left : TASK_ELEMENTS), job->t->centre, job->t->scale,
                      &state);
}

static tempo_status write_some(synth *y, const void *p, size_t n)
{
    const tempo_status st = tempo_gguf_data(&y->w, y->f, p, n, y->err);

    y->done += n;
    if (st == TEMPO_OK && y->opt->progress != NULL && !y->opt->progress(y->opt->user, y->done, y->total))
        return tempo_fail(y->err, TEMPO_E_STOPPED, TEMPO_NO_OFFSET, "stopped");
    return st;
}

static tempo_status write_tensor(synth *y, const tensor *t, size_t index)
{
    const tempo_dtype_info *info = tempo_dtype_get(t->type);
    const uint64_t total = elements_of(&t->what);
    tempo_status st = TEMPO_OK;

    if (t->values != NULL)
        return write_some(y, t->values, (size_t)total * sizeof(float));
    for (uint64_t at = 0; at < total && st == TEMPO_OK;) {
        const uint64_t most = (uint64_t)TASK_ELEMENTS * CHUNK_TASKS,
                       n = total - at < most ? total - at : most;
        fill_job job = {t, y->buffer, n, y->opt->seed + ((uint64_t)index << 40) + at / TASK_ELEMENTS};
        tempo_pool_run(y->pool, (size_t)((n + TASK_ELEMENTS - 1) / TASK_ELEMENTS), fill, &job);
        st = write_some(y, y->buffer, (size_t)(n / info->block_len * info->block_bytes));
        at += n;
    }
    return st;
}

static tempo_status write_file(synth *y, const char *path)
{
    tempo_status st = tempo_outfile_create(&y->f, path, y->err);

    if (st != TEMPO_OK)
        return st;
    st = tempo_gguf_begin(&y->w, y->f, y->err);
    for (size_t i = 0; i < y->n && st == TEMPO_OK; i++)
        st = write_tensor(y, &y->tensors[i], i);
    if (st == TEMPO_OK)
        return tempo_outfile_commit(y->f, y->err);
    tempo_outfile_abort(y->f);
    return st;
}

static tempo_status make(synth *y, const char *path)
{
    tempo_status st = choose(y);

    if (st != TEMPO_OK)
        return st;
    put_facts(y);
    if ((st = add_tensors(y)) != TEMPO_OK)
        return st;
    tempo_synth_vocabulary(&y->w, y->s->pre, y->s->hp.n_vocab);
    if ((y->buffer = malloc((size_t)TASK_ELEMENTS * CHUNK_TASKS * MAX_ELEMENT_BYTES)) == NULL)
        return tempo_fail(y->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for random weights");
    if ((st = tempo_pool_create(&y->pool, tempo_cpus_allowed(), y->err)) != TEMPO_OK)
        return st;
    return write_file(y, path);
}

tempo_status tempo_synth(const char *path, const tempo_synth_options *o, tempo_err *err)
{
    tempo_synth_options complete;
    synth y = {.opt = &complete, .err = err};
    tempo_status st = tempo_options_take(&tempo_synth_options_kind, &complete, o, err);

    if (st == TEMPO_OK)
        st = make(&y, path);
    tempo_pool_free(y.pool);
    tempo_gguf_writer_free(&y.w);
    free(y.buffer);
    free(y.factors);
    free(y.tensors);
    return st;
}
