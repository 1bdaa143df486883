/* record.c - recorded attention: blocks of one step each, the recordings that hold them, and the store
 * that bounds them all.
 *
 * A block is counted by its recording and by every reader; its bytes count against the store until it is
 * freed, so that the bound holds whoever still reads.  One lock, the store's, guards all of it.  */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/worker/parts.h"

struct tempo_record_block {
    tempo_record_store *store; /* a reference */
    size_t refs;
    uint64_t bytes;
    tempo_recorded_step step; /* arrays behind the block */
};

typedef struct arm_blocks {
    tempo_record_block **blocks; /* [n] */
    size_t n, cap;
} arm_blocks;

struct tempo_recording {
    tempo_record_store *store; /* a reference */
    tempo_recording *older, *newer;
    size_t refs;
    bool decoding, incomplete;
    uint64_t bytes;
    size_t n_arms;
    arm_blocks arms[TEMPO_JOB_MAX_ARMS];
};

struct tempo_record_store {
    pthread_mutex_t lock;
    size_t refs;
    uint64_t bytes, max;
    tempo_recording *oldest, *newest;
};

/* ---- the store --------------------------------------------------------------------- */

tempo_record_store *tempo_record_store_create(uint64_t max_bytes)
{
    tempo_record_store *s = calloc(1, sizeof(*s));

    if (s != NULL && pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return NULL;
    }
    if (s != NULL) {
        s->refs = 1;
        s->max = max_bytes;
    }
    return s;
}

static void lock(tempo_record_store *s)
{
    (void)pthread_mutex_lock(&s->lock);
}

/* Unlock, and let go of n references. */
static void unlock(tempo_record_store *s, size_t n)
{
    const bool last = (s->refs -= n) == 0;

    (void)pthread_mutex_unlock(&s->lock);
    if (last) {
        (void)pthread_mutex_destroy(&s->lock);
        free(s);
    }
}

void tempo_record_store_free(tempo_record_store *s)
{
    if (s == NULL)
        return;
    lock(s);
    unlock(s, 1);
}

uint64_t tempo_record_store_bytes(tempo_record_store *s)
{
    lock(s);
    const uint64_t bytes = s->bytes;
    unlock(s, 0);
    return bytes;
}

/* Returns the references to the store that went with it. */
static size_t release_block(tempo_record_block *b)
{
    if (--b->refs > 0)
        return 0;
    b->store->bytes -= b->bytes;
    free(b);
    return 1;
}

static size_t drop_blocks(tempo_recording *r)
{
    size_t refs = 0;

    for (size_t arm = 0; arm < r->n_arms; arm++) {
        for (size_t i = 0; i < r->arms[arm].n; i++)
            refs += release_block(r->arms[arm].blocks[i]);
        free(r->arms[arm].blocks);
        r->arms[arm] = (arm_blocks){0};
    }
    r->bytes = 0;
    return refs;
}

/* Whether `bytes` more fit, after dropping the oldest recordings that nobody decodes; none is dropped in
 * vain. */
static bool make_room(tempo_record_store *s, uint64_t bytes, size_t *refs)
{
    uint64_t may_go = 0;

    for (const tempo_recording *r = s->oldest; r != NULL; r = r->newer)
        may_go += r->decoding ? 0 : r->bytes;
    if (bytes > s->max || s->bytes - (may_go < s->bytes ? may_go : s->bytes) > s->max - bytes)
        return false;
    for (tempo_recording *r = s->oldest; r != NULL && s->bytes > s->max - bytes; r = r->newer)
        if (!r->decoding && r->bytes > 0) {
            *refs += drop_blocks(r);
            r->incomplete = true;
        }
    return s->bytes <= s->max - bytes; /* a reader may hold what was dropped */
}

/* ---- recordings -------------------------------------------------------------------- */

tempo_recording *tempo_recording_create(tempo_record_store *s, size_t n_arms)
{
    tempo_recording *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    *r = (tempo_recording){.store = s, .refs = 1, .decoding = true, .n_arms = n_arms};
    lock(s);
    s->refs++;
    r->older = s->newest;
    *(s->newest != NULL ? &s->newest->newer : &s->oldest) = r;
    s->newest = r;
    unlock(s, 0);
    return r;
}

tempo_recording *tempo_recording_hold(tempo_recording *r)
{
    lock(r->store);
    r->refs++;
    unlock(r->store, 0);
    return r;
}

void tempo_recording_finish(tempo_recording *r)
{
    lock(r->store);
    r->decoding = false;
    unlock(r->store, 0);
}

void tempo_recording_free(tempo_recording *r)
{
    if (r == NULL)
        return;
    tempo_record_store *s = r->store;
    size_t refs = 0;
    lock(s);
    if (--r->refs == 0) {
        refs = 1 + drop_blocks(r);
        *(r->older != NULL ? &r->older->newer : &s->oldest) = r->newer;
        *(r->newer != NULL ? &r->newer->older : &s->newest) = r->older;
        free(r);
    }
    unlock(s, refs);
}

uint64_t tempo_recording_bytes(const tempo_recording *r)
{
    lock(r->store);
    const uint64_t bytes = r->bytes;
    unlock(r->store, 0);
    return bytes;
}

size_t tempo_recording_steps(const tempo_recording *r, size_t arm)
{
    lock(r->store);
    const size_t n = arm < r->n_arms ? r->arms[arm].n : 0;
    unlock(r->store, 0);
    return n;
}

bool tempo_recording_incomplete(const tempo_recording *r)
{
    lock(r->store);
    const bool incomplete = r->incomplete;
    unlock(r->store, 0);
    return incomplete;
}

/* ---- steps ------------------------------------------------------------------------- */

tempo_status tempo_record_block_create(tempo_record_block **out, tempo_recording *r,
                                       const tempo_recorded_step *shape, float **data)
{
    /* Bounded by what one pass of the model could hold: rows * slots <= 2^24 * 2^24, heads * layers <= 2^20;
     * the product is checked before it is made. */
    const uint64_t rows = (uint64_t)shape->n_layers * shape->n_heads * shape->n_rows;
    tempo_record_store *s = r->store;
    size_t refs = 0;

    *out = NULL;
    *data = NULL;
    const bool fits = rows <= (UINT64_MAX >> 8) / shape->n_slots;
    const uint64_t bytes = !fits ? UINT64_MAX
                                 : sizeof(tempo_record_block) + shape->n_rows * sizeof(int64_t) +
                                       shape->n_slots * sizeof(uint32_t) +
                                       rows * shape->n_slots * sizeof(float);
    lock(s);
    const bool room = !r->incomplete && fits && bytes <= SIZE_MAX && make_room(s, bytes, &refs);
    if (!room)
        r->incomplete = true;
    else
        s->bytes += bytes;
    unlock(s, refs); /* the worker has its own, which keeps s */
    if (!room)
        return TEMPO_E_LIMIT;

    tempo_record_block *b = malloc((size_t)bytes);
    lock(s);
    if (b == NULL)
        s->bytes -= bytes;
    else
        s->refs++;
    unlock(s, 0);
    if (b == NULL)
        return TEMPO_E_NOMEM;
    int64_t *queries = (int64_t *)(void *)(b + 1);
    uint32_t *sets = (uint32_t *)(void *)(queries + shape->n_rows);
    *data = (float *)(void *)(sets + shape->n_slots);
    memcpy(queries, shape->query_slots, shape->n_rows * sizeof(*queries));
    memcpy(sets, shape->sets, shape->n_slots * sizeof(*sets));
    *b = (tempo_record_block){.store = s, .refs = 1, .bytes = bytes, .step = *shape};
    b->step.query_slots = queries;
    b->step.sets = sets;
    b->step.data = *data;
    b->step.hold = b;
    *out = b;
    return TEMPO_OK;
}

void tempo_record_block_free(tempo_record_block *b)
{
    if (b == NULL)
        return;
    tempo_record_store *s = b->store;
    lock(s);
    unlock(s, release_block(b));
}

tempo_status tempo_recording_add(tempo_recording *r, size_t arm, tempo_record_block *b)
{
    arm_blocks *a = &r->arms[arm];
    tempo_status st = TEMPO_OK;

    lock(r->store);
    if (a->n == a->cap) {
        const size_t cap = a->cap * 2 + 16;
        tempo_record_block **more = realloc(a->blocks, cap * sizeof(*more));
        if (more == NULL) {
            st = TEMPO_E_NOMEM;
        } else {
            a->blocks = more;
            a->cap = cap;
        }
    }
    if (st == TEMPO_OK) {
        a->blocks[a->n++] = b;
        r->bytes += b->bytes;
    }
    unlock(r->store, 0);
    return st;
}

bool tempo_recording_step(tempo_recording *r, size_t arm, size_t i, tempo_recorded_step *out)
{
    *out = (tempo_recorded_step){0};
    lock(r->store);
    const bool there = arm < r->n_arms && i < r->arms[arm].n;
    if (there) {
        r->arms[arm].blocks[i]->refs++;
        *out = r->arms[arm].blocks[i]->step;
    }
    unlock(r->store, 0);
    return there;
}

void tempo_recorded_step_free(tempo_recorded_step *s)
{
    tempo_record_block_free(s->hold);
    *s = (tempo_recorded_step){0};
}
