/* random_model.c - the numbers of a configuration, by a seed, as a directory; and rows to run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/random.h"
#include "reference/random_arch.h"
#include "support/tmpdir.h"

typedef struct making {
    uint64_t state;
    bool plus_one, steep;
    json_t *header;
    unsigned char *data;
    size_t bytes;
} making;

static double unit(uint64_t *state)
{
    return (double)(tempo_random(state) >> 11) * 0x1p-53;
}

/* Mean and deviation of a tensor by its name: norms around what changes nothing, queries and keys large
 * enough that attention is not even, routers that decide clearly. */
static void spread_of(const making *k, const char *name, size_t n_dims, size_t n_in, double *mean,
                      double *deviation)
{
    const bool norm = n_dims == 1 && strstr(name, "bias") == NULL && strstr(name, "sinks") == NULL;
    const double gain = strstr(name, "q_proj") != NULL || strstr(name, "k_proj") != NULL
                            ? (k->steep ? 0.7 : 1.6)
                        : strstr(name, "gate.weight") != NULL || strstr(name, "router") != NULL ? 4
                        : strstr(name, "head") != NULL || strstr(name, "embed_out") != NULL     ? 2
                                                                                                : 1.2;
    const bool table =
        n_dims == 2 &&
        (strstr(name, "embed") != NULL || strstr(name, "wte") != NULL || strstr(name, "wpe") != NULL) &&
        strstr(name, "embed_out") == NULL;

    *mean = norm && !k->plus_one ? 1 : 0;
    *deviation = norm                                ? 0.2
                 : n_dims == 1                       ? 0.3
                 : table                             ? (k->plus_one ? 1 / sqrt((double)n_in) : 0.8)
                 : strstr(name, "proj_bias") != NULL ? 0.3
                                                     : gain / sqrt((double)n_in);
}

static void make(void *user, const char *name, size_t n_dims, const size_t *shape, double *out)
{
    making *k = user;
    json_t *dims = json_array();
    double mean, deviation;
    size_t n = 1;

    for (size_t i = 0; i < n_dims; i++) {
        n *= shape[i];
        json_array_append_new(dims, json_integer((json_int_t)shape[i]));
    }
    spread_of(k, name, n_dims, n_dims == 3 ? shape[1] : shape[n_dims - 1], &mean, &deviation);
    if ((k->data = realloc(k->data, k->bytes + 4 * n)) == NULL)
        abort();
    for (size_t i = 0; i < n; i++) { /* of this deviation, even from end to end */
        const float x = (float)(mean + deviation * sqrt(12) * (unit(&k->state) - 0.5));
        memcpy(k->data + k->bytes + 4 * i, &x, 4);
        out[i] = (double)x;
    }
    json_object_set_new(k->header, name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", dims, "data_offsets",
                                  (json_int_t)k->bytes, (json_int_t)(k->bytes + 4 * n)));
    k->bytes += 4 * n;
}

static void write_file(const making *k, const char *path)
{
    char *text = json_dumps(k->header, JSON_COMPACT);
    FILE *f = fopen(path, "wb");

    if (text == NULL || f == NULL)
        abort();
    const size_t n = strlen(text), padded = (n + 7) / 8 * 8;
    for (unsigned i = 0; i < 8; i++)
        (void)fputc((int)(padded >> 8 * i & 255), f);
    (void)fprintf(f, "%-*s", (int)padded, text);
    if (fwrite(k->data, 1, k->bytes, f) != k->bytes || fclose(f) != 0)
        abort();
    free(text);
}

reference_model *random_directory(const json_t *config, uint64_t seed, const char *dir)
{
    reference_model *m = reference_configure(config);
    making k = {.state = seed + 1,
                .plus_one = strncmp(m->type, "gemma", 5) == 0 || strcmp(m->type, "nemotron") == 0,
                .steep = m->attn_scale == 1,
                .header = json_object()};
    char path[512];

    test_mkdir(dir);
    reference_take(m, config, make, &k);
    test_path(path, dir, "model.safetensors");
    write_file(&k, path);
    test_path(path, dir, "config.json");
    if (json_dump_file(config, path, JSON_INDENT(2)) != 0)
        abort();
    json_decref(k.header);
    free(k.data);
    return m;
}

/* ---- rows ---- */

size_t random_rows(const reference_model *m, uint64_t seed, bool sets, tempo_mode mode,
                   tempo_row rows[RANDOM_ROWS])
{
    uint64_t state = seed * 31 + 7;
    const size_t most = m->n_ctx < RANDOM_ROWS ? m->n_ctx : RANDOM_ROWS,
                 n = most / 4 + (size_t)(unit(&state) * 0.75 * (double)most), text = sets ? n / 2 : n;
    const bool whole = m->positions != NULL || tempo_random(&state) % 2 == 0;
    uint32_t set = 0;
    size_t left = 0, member = 0;

    for (size_t i = 0; i < n; i++, left--, member++) {
        tempo_row_init(&rows[i]);
        if (left == 0) {
            left = i < text ? 1 : 1 + (size_t)(unit(&state) * 5);
            member = 0;
            set += i > 0;
        }
        rows[i].token = (int32_t)(unit(&state) * (double)m->n_vocab);
        rows[i].set = set;
        rows[i].position = (double)set + (whole ? 0 : 0.125 * (double)member);
        rows[i].mode = mode;
    }
    return n;
}
