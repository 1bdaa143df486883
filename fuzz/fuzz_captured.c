/* fuzz_captured.c - captures whose arrays are anything: shapes, types, slots and sets come from the input's
 * bytes, the archive around them is whole, so that what is behind its checksums is reached.  What is accepted
 * must be safe to slice and to summarise.  */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/npz.h"
#include "metrics/recorded.h"
#include "server/api/recorded/captured.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_ITEMS = 4096 };

typedef struct input {
    const uint8_t *p;
    size_t n;
} input;

/* The next byte; 0 at the end. */
static unsigned take(input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

/* A directory of this process's own, in memory where there is some; removed when the process ends. */
static char directory[64];

static void remove_directory(void)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/attention_weights.npz", directory);
    (void)unlink(path);
    (void)rmdir(directory);
}

static void make_directory(void)
{
    struct stat st;

    if (directory[0] != '\0')
        return;
    (void)snprintf(directory, sizeof(directory), "%s/tempo-fuzz.XXXXXX",
                   stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(directory) != NULL);
    CHECK(atexit(remove_directory) == 0);
}

/* ---- the archive ------------------------------------------------------------------------ */

static void add(tempo_npz_writer *w, unsigned step, const char *what, tempo_npy_type type,
                const uint64_t *shape, unsigned n_dims, const void *items)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "step_%u_%s", step, what);
    CHECK(tempo_npz_add(w, name, type, shape, n_dims, items, NULL) == TEMPO_OK);
}

/* A vector of slots, mostly of int64. */
static void add_slots(tempo_npz_writer *w, input *in, unsigned step, const char *what, uint64_t expected)
{
    const unsigned how = take(in);
    const uint64_t n = how < 192 ? expected : how % 16;
    int64_t items[MAX_ITEMS];

    for (uint64_t i = 0; i < n; i++)
        items[i] = (int8_t)take(in);
    if (how != 255) /* else it is missing */
        add(w, step, what, how == 254 ? TEMPO_NPY_F64 : TEMPO_NPY_I64, &n, how == 253 ? 0 : 1, items);
}

static void add_step(tempo_npz_writer *w, input *in, unsigned step)
{
    static const tempo_npy_type types[] = {TEMPO_NPY_F32, TEMPO_NPY_F64, TEMPO_NPY_I32, TEMPO_NPY_U8};
    static const double zeros[MAX_ITEMS];
    uint64_t shape[6] = {1 + take(in) % 3, 1, 1 + take(in) % 3, 1 + take(in) % 4, 1 + take(in) % 24, 1};
    float weights[2 * MAX_ITEMS];
    uint64_t count = 1;

    const unsigned how = take(in), n_dims = how < 240 ? 5 : how % 7;
    if (how >= 224 && how < 240)
        shape[how % 5] = how % 2;
    for (unsigned i = 0; i < n_dims; i++)
        count *= shape[i];
    for (uint64_t i = 0; i < count && i < MAX_ITEMS; i++)
        weights[i] = (float)take(in) / 255.0f;
    if (in->n > 0 && in->p[0] == 255)
        memset(weights, 255, sizeof(weights[0])); /* no number */
    const tempo_npy_type type = how % 16 != 15 ? TEMPO_NPY_F32 : types[how / 16 % 4];
    add(w, step, "attention", type, shape, n_dims, type == TEMPO_NPY_F32 ? (const void *)weights : zeros);
    add_slots(w, in, step, "query_slots", shape[3]);
    add_slots(w, in, step, "positions", take(in) % 5);
    add(w, step, "rope", TEMPO_NPY_F64, &shape[4], 1, zeros);
}

/* ---- what was accepted -------------------------------------------------------------------- */

static void use_step(const tempo_recorded_step *r)
{
    static const long picks[] = {TEMPO_AXIS_ALL, TEMPO_AXIS_MEAN, 0};
    float heads[3 * MAX_ITEMS], key_weights[MAX_ITEMS], *out;
    int64_t key_slots[MAX_ITEMS];
    size_t n, shape[4], n_axes;

    CHECK(r->n_layers > 0 && r->n_heads > 0 && r->n_rows > 0 && r->n_slots > 0);
    for (size_t i = 0; i < r->n_rows; i++)
        CHECK(r->query_slots[i] >= 0 && (uint64_t)r->query_slots[i] < r->n_slots);
    for (size_t j = 0; j < r->n_slots; j++)
        CHECK(r->sets[j] <= j);
    const size_t n_heads = (size_t)r->n_layers * r->n_heads, keys = r->n_slots < 3 ? r->n_slots : 3;
    if (n_heads > MAX_ITEMS || r->n_rows * keys > MAX_ITEMS)
        return;
    tempo_attention_summarise(r, keys, heads, heads + n_heads, heads + 2 * n_heads, key_slots, key_weights);
    for (size_t i = 0; i < r->n_rows * keys; i++)
        CHECK(key_slots[i] >= 0 && (uint64_t)key_slots[i] < r->n_slots);
    for (size_t i = 0; i < 9; i++) {
        const tempo_attention_pick pick = {picks[i % 3], picks[i / 3], TEMPO_AXIS_ALL};
        CHECK(tempo_attention_slice(r, &pick, &out, &n, shape, &n_axes, NULL) == TEMPO_OK);
        free(out);
    }
}

static void use_capture(void)
{
    tempo_captured_place place = {.results = NULL};
    tempo_captured *c;
    json_t *tokens;
    tempo_err err = {0};

    CHECK(tempo_captured_open(&c, directory, &err) == TEMPO_OK);
    for (size_t i = 0; i < tempo_captured_steps(c); i++) {
        tempo_recorded_step r;
        err = (tempo_err){0};
        const tempo_status st = tempo_captured_step(c, i, true, &r, &err);
        CHECK((st == TEMPO_OK) == (err.msg[0] == '\0'));
        CHECK(st == TEMPO_OK || st == TEMPO_E_FORMAT || st == TEMPO_E_LIMIT || st == TEMPO_E_UNSUPPORTED);
        if (st == TEMPO_OK)
            use_step(&r);
        tempo_recorded_step_free(&r);
    }
    (void)snprintf(place.dir, sizeof(place.dir), "%s", directory);
    if (tempo_captured_tokens(&tokens, c, &place, NULL, NULL) == TEMPO_OK)
        json_decref(tokens);
    tempo_captured_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    input in = {data, n};
    char path[128], text[32];
    tempo_npz_writer *w;
    size_t used = 0;

    make_directory();
    (void)snprintf(path, sizeof(path), "%s/attention_weights.npz", directory);
    CHECK(tempo_npz_create(&w, path, NULL) == TEMPO_OK);
    const unsigned n_steps = 1 + take(&in) % 4;
    while (used < sizeof(text) - 1 && in.n > 0 && take(&in) >= 32)
        text[used++] = (char)(in.p[-1] & 127);
    text[used] = '\0';
    CHECK(tempo_npz_add_text(w, "metadata", text, NULL) == TEMPO_OK);
    for (unsigned i = 0; i < n_steps; i++)
        add_step(w, &in, i);
    CHECK(tempo_npz_commit(w, NULL) == TEMPO_OK);
    use_capture();
    return 0;
}
