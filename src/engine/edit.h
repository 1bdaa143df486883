/* edit.h - lists of edits as a pass applies them, and what runs keep for one another.
 *
 *   edits.c  lists: made, held, what is active in a batch
 *   apply.c  values of a tap changed
 *   rule.c   which slots a selection means
 *   store.c  values kept by tap, layer and slot
 *
 * How they are written is src/edit.  Everything that a pass needs is decided before it, in tempo_edits_plan:
 * which edits of its list select a row is a bit for each; which taps some row of the batch edits is a mask
 * for each layer, so that a stage that edits nothing does not notice.  */
#ifndef TEMPO_ENGINE_EDIT_H
#define TEMPO_ENGINE_EDIT_H
#include <stdatomic.h>

#include "model/model.h"

struct tempo_engine;
struct tempo_row_plan;

/* ---- rule.c ---- */
/* A selection of slots: what it names must all hold.  All zero: every slot. */
typedef struct tempo_slot_rule {
    bool prompt, generated;
    bool self, siblings, previous, first; /* relative to the row that looks */
    bool at, set, member, token;          /* which of the numbers below count */
    int64_t at_first, at_last;            /* slots of the prompt; below 0 from its end */
    uint32_t set_first, set_last;         /* UINT32_MAX: to the end */
    uint32_t member_first, member_last;   /* in its set, from 0; UINT32_MAX: to the end */
    int32_t token_id;
} tempo_slot_rule;

/* Does it select this row? */
bool tempo_rule_has_row(const tempo_slot_rule *rule, const struct tempo_row_plan *p);
/* Take those of slots [begin, end) that it means, as row r looks, out of bits, or put them in. */
void tempo_rule_mark(const tempo_slot_rule *rule, const struct tempo_engine *e, size_t r, size_t begin, size_t end, uint64_t *bits,
                     bool in);
/* Does it have to be looked up slot by slot, and mean the same to every row? */
bool tempo_rule_is_lookup(const tempo_slot_rule *rule);

/* ---- taps.c ---- */
bool tempo_tap_in_layers(tempo_tap tap); /* tempo_tap_info.by_layer, for those who ask in a pass */

/* ---- store.c ---- */
/* Room for a slot whose sequence has `slots` of them.  In a pass nothing is allocated. */
tempo_status tempo_store_reserve(tempo_store *s, size_t slot, size_t slots, tempo_err *err) TEMPO_MUST_CHECK;
/* Keep values [n] at a slot that was reserved; not those of a tap or layer that it does not keep. */
void tempo_store_put(tempo_store *s, tempo_tap tap, uint32_t layer, size_t slot, const float *values,
                     size_t n);
tempo_store *tempo_store_hold(tempo_store *s); /* one owner more; returns it */
/* From now on both together keep what `budget` may; s is empty, and budget shares none. */
void tempo_store_share(tempo_store *s, tempo_store *budget);
const tempo_model *tempo_store_model(const tempo_store *s);
uint64_t tempo_store_bytes(const tempo_store *s); /* of the values */
/* Does it keep the tap in all layers of a selection? */
bool tempo_store_has(const tempo_store *s, const tempo_tap_selection *t);

/* ---- edits.c ---- */
typedef enum tempo_edit_kind {
    TEMPO_EDIT_ZERO,
    TEMPO_EDIT_SCALE,
    TEMPO_EDIT_ADD,
    TEMPO_EDIT_SET,
    TEMPO_EDIT_PATCH,
    TEMPO_EDIT_CUT,
    TEMPO_EDIT_BIAS,
    TEMPO_EDIT_TEMPERATURE,
    TEMPO_EDIT_KEEP, /* changes nothing: what another arm's patch takes goes into the store */
} tempo_edit_kind;

typedef struct tempo_edit {
    tempo_edit_kind kind;
    tempo_tap_selection at; /* cut, bias, temperature: of TEMPO_TAP_ATTN_SCORES */
    float amount;           /* scale; times of add; bias; temperature */
    tempo_slot_rule rows, to;
    float *values;       /* owned: [layers or 1][heads][width] of add and set */
    size_t mark;         /* of cut and bias: where a sequence keeps which slots `to` means; SIZE_MAX: it is asked each time */
    size_t heads, width; /* heads: 1 (the same for each, or a tap without heads), those chosen, or all */
    bool by_layer;       /* each of the layers chosen has its own */
    tempo_store *store;  /* held: of patch and keep */
    uint64_t own_bytes;  /* of the store, where nobody else fills it */
    size_t source;       /* slot of the store that every row takes; SIZE_MAX: the row's own */
    char *arm;           /* owned: name of the arm whose store patch is to have; NULL: it has one */
    char *files[2];      /* owned: what it was read from, or NULL */
    char *text;          /* owned */
} tempo_edit;

struct tempo_edits {
    const tempo_model *model;
    atomic_uint refs;
    atomic_bool taken; /* by a sequence: it does not change any more */
    tempo_edit *list;  /* [n] */
    size_t n, cap;
    size_t n_marks;    /* edits that have one */
    uint64_t bytes;    /* of vectors */
    bool arms_by_slot; /* an arm's scores or pattern go to another */
};

/* Append one; what it owns is the list's, also on failure. */
tempo_status tempo_edits_append(tempo_edits *l, tempo_edit *edit, tempo_err *err) TEMPO_MUST_CHECK;
/* Bytes that one more may bring. */
uint64_t tempo_edits_room(const tempo_edits *l);
/* What an edit owns. */
void tempo_edit_clear(tempo_edit *edit);
/* A list with the same edits, that can still grow. */
tempo_status tempo_edits_copy(tempo_edits **out, const tempo_edits *l, tempo_err *err) TEMPO_MUST_CHECK;
/* Can a sequence whose prompt has so many slots have it? */
tempo_status tempo_edits_check(const tempo_edits *l, const tempo_model *m, size_t n_prompt,
                               tempo_err *err) TEMPO_MUST_CHECK;
/* 64-bit words of a row's bits. */
size_t tempo_edits_words(const tempo_edits *l);

/* What came of one edit of a sequence: several threads may say so at once. */
typedef struct tempo_edit_record {
    atomic_bool came, changed;
} tempo_edit_record;

/* After the batch is planned: e->plan[..].edits and their bits, e->edited_in and e->ordered_in, room in
 * stores. */
tempo_status tempo_edits_plan(struct tempo_engine *e, size_t n, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- apply.c ---- */
/* Row r's values [n_0, n_1] of a tap that is not by slot. */
void tempo_edits_apply(struct tempo_engine *e, tempo_tap tap, uint32_t layer, size_t r, float *values,
                       size_t n_0, size_t n_1);
/* One head's scores or pattern by slot, and which of them its row sees. */
typedef struct tempo_edited_head {
    uint32_t layer, head;
    size_t row, n;     /* of the batch; slots */
    float *x;          /* [n] */
    uint64_t *visible; /* [n] bits */
    uint64_t *spare;   /* as many words */
} tempo_edited_head;
/* Keep it; of slots that the row does not see -INFINITY or, of a pattern, 0.  In store.c. */
void tempo_store_put_head(tempo_store *s, tempo_tap tap, const tempo_edited_head *h, size_t slot);
/* Take out what is cut. */
void tempo_edits_cut(const struct tempo_engine *e, const tempo_edited_head *h);
/* All other edits of scores or pattern, of what is left. */
void tempo_edits_apply_slots(const struct tempo_engine *e, tempo_tap tap, const tempo_edited_head *h);

#endif
