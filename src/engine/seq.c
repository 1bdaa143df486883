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
    s->rising = true;
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
    free(s->marks);
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

/* What s has of pages for itself stays, in front; of those that others hold it lets go. */
static void keep_own_pages(tempo_seq *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_pages; i++) /* acquire: what the last other owner wrote is there */
        if (atomic_load_explicit(&s->pages[i]->refs, memory_order_acquire) == 1)
            s->pages[n++] = s->pages[i];
        else
            page_release(s->pages[i]);
    s->n_pages = n;
}

/* Pages [0, whole) shared with `from`, in front of what s has. */
static void share_pages(tempo_seq *s, const tempo_seq *from, size_t whole)
{
    memmove(s->pages + whole, s->pages, s->n_pages * sizeof(*s->pages));
    s->n_pages += whole;
    for (size_t i = 0; i < whole; i++) {
        /* relaxed: `from` keeps the page alive while we take our share */
        (void)atomic_fetch_add_explicit(&from->pages[i]->refs, 1, memory_order_relaxed);
        s->pages[i] = from->pages[i];
    }
}

/* The page that both will write to, as number `whole` of s, of the layers that it is to have. */
static tempo_status copy_page(tempo_seq *s, const tempo_seq *from, size_t whole, uint32_t first_layer,
                              tempo_err *err)
{
    const tempo_hparams *hp = &s->engine->model->hp;
    const size_t bytes = tempo_page_bytes(hp, s->kv), skipped = bytes / hp->n_layers * first_layer;

    if (s->n_pages == whole) {
        const tempo_status st = tempo_engine_take(s->engine, bytes, "a fork's keys and values", err);
        if (st != TEMPO_OK)
            return st;
        tempo_page *p = page_create(bytes);
        if (p == NULL)
            return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory to fork a sequence (%zu bytes)",
                              bytes);
        s->pages[s->n_pages++] = p;
    }
    memcpy(s->pages[whole]->data + skipped, from->pages[whole]->data + skipped, bytes - skipped);
    return TEMPO_OK;
}

tempo_status tempo_seq_begin(tempo_seq *s, const tempo_seq *from, size_t n, uint32_t first_layer,
                             tempo_err *err)
{
    const size_t whole = n / TEMPO_PAGE_SLOTS;
    tempo_status st;

    keep_own_pages(s);
    s->n_slots = 0;
    s->next_set = 0;
    s->first_layer = 0;
    s->closed = false;
    if (s->engine != from->engine || s->kv != from->kv || n > from->n_slots ||
        first_layer > s->engine->model->hp.n_layers || (n > 0 && from->first_layer > first_layer))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%zu slots from layer %u on: what is forked has %zu, from layer %u on", n,
                          first_layer, from->n_slots, from->first_layer);
    if (from->closed)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "what is forked lacks keys and values of some layers: rows have passed them by");
    if (n > 0 && n < from->n_slots && from->slots[n].set == from->slots[n - 1].set)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "%zu slots end inside of set %u", n,
                          from->slots[n].set);
    if ((st = grow_tables(s, n, s->n_pages + whole + 1, err)) != TEMPO_OK)
        return st;
    share_pages(s, from, whole);
    if (n % TEMPO_PAGE_SLOTS != 0 && (st = copy_page(s, from, whole, first_layer, err)) != TEMPO_OK)
        return st;
    if (n > 0) {
        memcpy(s->slots, from->slots, n * sizeof(*s->slots));
        s->next_set = n < from->n_slots ? from->slots[n].set : from->next_set;
    }
    s->n_slots = n;
    s->rising = from->rising;
    s->first_layer = first_layer;
    return TEMPO_OK;
}

tempo_status tempo_seq_fork(tempo_seq **out, const tempo_seq *from, tempo_err *err)
{
    const tempo_seq_options opt = {.size = sizeof(opt), .kv = from->kv, .max_slots = from->max_slots};
    tempo_seq *s;
    tempo_status st = tempo_seq_create(&s, from->engine, &opt, err);

    *out = NULL;
    if (st != TEMPO_OK)
        return st;
    if ((st = tempo_seq_begin(s, from, from->n_slots, from->first_layer, err)) != TEMPO_OK ||
        (st = copy_edits(s, from, err)) != TEMPO_OK)
        tempo_seq_free(s);
    else
        *out = s;
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
    if (s->closed || s->first_layer > 0)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "the sequence lacks keys and values of some layers: rows have passed them by");
    const tempo_page *p = s->pages[slot / TEMPO_PAGE_SLOTS];
    if (k != NULL)
        widen(k, s->kv, tempo_page_at(p, hp, s->kv, layer, kv_head, 0), slot % TEMPO_PAGE_SLOTS,
              TEMPO_PAGE_SLOTS, hp->head_dim);
    if (v != NULL)
        widen(v, s->kv, tempo_page_at(p, hp, s->kv, layer, kv_head, 1),
              slot % TEMPO_PAGE_SLOTS * hp->head_dim, 1, hp->head_dim);
    return TEMPO_OK;
}
