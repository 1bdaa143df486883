/* seq.c - sequences: slots, pages of keys and values, forks.  The forward pass fills the pages. */
#include "base/half.h"
#include "base/options.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

TEMPO_OPTIONS(tempo_seq_options, .kv = TEMPO_KV_F32)

static size_t kv_size(tempo_kv_type kv)
{
    return kv == TEMPO_KV_F16 ? sizeof(uint16_t) : sizeof(float);
}

size_t tempo_page_bytes(const tempo_hparams *hp, tempo_kv_type kv)
{
    /* bounded by the limits of model.h: 2^10 * 2^10 * 2 * 2^6 * 2^10 * 4 < 2^40 */
    return (size_t)hp->n_layers * hp->n_kv_heads * 2 * TEMPO_PAGE_SLOTS * hp->head_dim * kv_size(kv);
}

void *tempo_page_at(const tempo_page *p, const tempo_hparams *hp, tempo_kv_type kv, uint32_t layer,
                    uint32_t kv_head, unsigned which)
{
    const size_t tile = (size_t)TEMPO_PAGE_SLOTS * hp->head_dim * kv_size(kv);

    return p->data + (((size_t)layer * hp->n_kv_heads + kv_head) * 2 + which) * tile;
}

static tempo_page *page_create(size_t bytes)
{
    tempo_page *p = malloc(sizeof(*p));

    if (p == NULL)
        return NULL;
    p->data = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (p->data == NULL) {
        free(p);
        return NULL;
    }
    atomic_init(&p->refs, 1);
    return p;
}

static void page_release(tempo_page *p)
{
    /* acq_rel: the last owner must see every write before the memory goes */
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        free(p->data);
        free(p);
    }
}

static size_t default_max_slots(const tempo_hparams *hp, tempo_kv_type kv)
{
    const uint64_t per_page = tempo_page_bytes(hp, kv) + TEMPO_PAGE_SLOTS * sizeof(tempo_slot);
    const uint64_t pages = tempo_memory_available() / 2 / per_page;

    if (pages >= TEMPO_MAX_SLOTS / TEMPO_PAGE_SLOTS)
        return TEMPO_MAX_SLOTS;
    return pages == 0 ? TEMPO_PAGE_SLOTS : (size_t)pages * TEMPO_PAGE_SLOTS;
}

tempo_status tempo_seq_options_check(const tempo_seq_options *o, tempo_err *err)
{
    if (tempo_kv_type_name(o->kv) == NULL)
        return tempo_fail_field(err, TEMPO_E_ARG, "kv", "cache type %d is not f32 or f16", (int)o->kv);
    if (o->max_slots > TEMPO_MAX_SLOTS)
        return tempo_fail_field(err, TEMPO_E_LIMIT, "max_slots", "max_slots %zu is over the limit %zu",
                                o->max_slots, TEMPO_MAX_SLOTS);
    return TEMPO_OK;
}

tempo_status tempo_seq_create(tempo_seq **out, tempo_engine *e, const tempo_seq_options *opt, tempo_err *err)
{
    tempo_seq_options o;
    tempo_status st;

    *out = NULL;
    if ((st = tempo_options_take(&tempo_seq_options_kind, &o, opt, err)) != TEMPO_OK ||
        (st = tempo_seq_options_check(&o, err)) != TEMPO_OK)
        return st;
    tempo_seq *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a sequence");
    s->engine = e;
    s->kv = o.kv;
    s->max_slots = o.max_slots != 0 ? o.max_slots : default_max_slots(&e->model->hp, o.kv);
    *out = s;
    return TEMPO_OK;
}

void tempo_seq_free(tempo_seq *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n_pages; i++)
        page_release(s->pages[i]);
    tempo_edits_free((tempo_edits *)(uintptr_t)s->edits);
    free(s->edits_used);
    free(s->pages);
    free(s->slots);
    free(s);
}

/* Grow *array (elements of `size` bytes) to at least `need`, at most `limit` elements. */
static bool grow(void **array, size_t *cap, size_t need, size_t limit, size_t size)
{
    if (need <= *cap)
        return true;
    size_t n = *cap < limit / 2 ? *cap * 2 : limit;
    if (n < need)
        n = need;
    void *p = realloc(*array, n * size); /* n <= TEMPO_MAX_SLOTS + 1: no overflow */
    if (p == NULL)
        return false;
    *array = p;
    *cap = n;
    return true;
}

static tempo_status grow_tables(tempo_seq *s, size_t slots, size_t pages, tempo_err *err)
{
    void *p = s->slots, *q = s->pages;
    const bool ok = grow(&p, &s->slot_cap, slots, s->max_slots, sizeof(*s->slots)) &&
                    grow(&q, &s->page_cap, pages, s->max_slots / TEMPO_PAGE_SLOTS + 1, sizeof(*s->pages));

    s->slots = p;
    s->pages = q;
    return ok ? TEMPO_OK : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu slots", slots);
}

static size_t pages_for(size_t slots)
{
    return (slots + TEMPO_PAGE_SLOTS - 1) / TEMPO_PAGE_SLOTS;
}

tempo_status tempo_seq_reserve(tempo_seq *s, size_t n, tempo_err *err)
{
    if (n > s->max_slots - s->n_slots)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                          "out of slots: %zu in use and %zu more wanted, but max-slots is %zu", s->n_slots, n,
                          s->max_slots);
    const size_t slots = s->n_slots + n, pages = pages_for(slots);
    const size_t bytes = tempo_page_bytes(&s->engine->model->hp, s->kv);
    tempo_status st = grow_tables(s, slots, pages, err);

    while (st == TEMPO_OK && s->n_pages < pages) {
        if ((st = tempo_engine_take(s->engine, bytes, "more keys and values", err)) != TEMPO_OK)
            return st;
        tempo_page *p = page_create(bytes);
        if (p == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET,
                              "no memory for the keys and values of slots %zu to %zu (%zu bytes)",
                              s->n_pages * TEMPO_PAGE_SLOTS, (s->n_pages + 1) * TEMPO_PAGE_SLOTS - 1, bytes);
        s->pages[s->n_pages++] = p;
    }
    return st;
}

/* What came of the edits so far goes with them. */
static tempo_status copy_edits(tempo_seq *s, const tempo_seq *from, tempo_err *err)
{
    const tempo_status st = tempo_seq_set_edits(s, from->edits, from->n_prompt, err);

    for (size_t i = 0; i < tempo_edits_count(from->edits) && st == TEMPO_OK; i++) {
        const tempo_edit_use use = tempo_seq_edit_use(from, i);
        atomic_init(&s->edits_used[i].came, use.came);
        atomic_init(&s->edits_used[i].changed, use.changed);
    }
    return st;
}

tempo_status tempo_seq_fork(tempo_seq **out, const tempo_seq *from, tempo_err *err)
{
    const tempo_seq_options opt = {.size = sizeof(opt), .kv = from->kv, .max_slots = from->max_slots};
    const size_t whole = from->n_slots / TEMPO_PAGE_SLOTS, pages = pages_for(from->n_slots);
    tempo_seq *s;
    tempo_status st = tempo_seq_create(&s, from->engine, &opt, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    if ((st = grow_tables(s, from->n_slots, pages, err)) != TEMPO_OK)
        goto out;
    for (size_t i = 0; i < whole; i++) {
        /* relaxed: `from` keeps the page alive while we take our share */
        (void)atomic_fetch_add_explicit(&from->pages[i]->refs, 1, memory_order_relaxed);
        s->pages[s->n_pages++] = from->pages[i];
    }
    if (pages > whole) { /* the page both will write to */
        const size_t bytes = tempo_page_bytes(&from->engine->model->hp, from->kv);
        if ((st = tempo_engine_take(from->engine, bytes, "a fork's keys and values", err)) != TEMPO_OK)
            goto out;
        tempo_page *p = page_create(bytes);
        if (p == NULL) {
            st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to fork a sequence (%zu bytes)",
                            bytes);
            goto out;
        }
        memcpy(p->data, from->pages[whole]->data, bytes);
        s->pages[s->n_pages++] = p;
    }
    if (from->n_slots > 0)
        memcpy(s->slots, from->slots, from->n_slots * sizeof(*s->slots));
    s->n_slots = from->n_slots;
    s->next_set = from->next_set;
    if ((st = copy_edits(s, from, err)) != TEMPO_OK)
        goto out;
    *out = s;
out:
    if (st != TEMPO_OK)
        tempo_seq_free(s);
    return st;
}

size_t tempo_seq_slot_count(const tempo_seq *s)
{
    return s->n_slots;
}
size_t tempo_seq_max_slots(const tempo_seq *s)
{
    return s->max_slots;
}
tempo_slot tempo_seq_slot_at(const tempo_seq *s, size_t i)
{
    return s->slots[i];
}

/* d elements of the cache, `stride` apart, as floats. */
static void widen(float *dst, tempo_kv_type kv, const void *tile, size_t first, size_t stride, size_t d)
{
    for (size_t i = 0; i < d; i++) {
        const size_t at = first + i * stride;
        dst[i] =
            kv == TEMPO_KV_F16 ? tempo_f16_to_float(((const uint16_t *)tile)[at]) : ((const float *)tile)[at];
    }
}

tempo_status tempo_seq_read_kv(const tempo_seq *s, uint32_t layer, uint32_t kv_head, size_t slot, float *k,
                               float *v, tempo_err *err)
{
    const tempo_hparams *hp = &s->engine->model->hp;

    if (layer >= hp->n_layers || kv_head >= hp->n_kv_heads || slot >= s->n_slots)
        return tempo_fail(
            err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
            "layer %u, kv head %u, slot %zu: the sequence has %u layers, %u kv heads, %zu slots", layer,
            kv_head, slot, hp->n_layers, hp->n_kv_heads, s->n_slots);
    const tempo_page *p = s->pages[slot / TEMPO_PAGE_SLOTS];
    if (k != NULL)
        widen(k, s->kv, tempo_page_at(p, hp, s->kv, layer, kv_head, 0), slot % TEMPO_PAGE_SLOTS,
              TEMPO_PAGE_SLOTS, hp->head_dim);
    if (v != NULL)
        widen(v, s->kv, tempo_page_at(p, hp, s->kv, layer, kv_head, 1),
              slot % TEMPO_PAGE_SLOTS * hp->head_dim, 1, hp->head_dim);
    return TEMPO_OK;
}
