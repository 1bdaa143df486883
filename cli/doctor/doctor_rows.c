/* doctor_rows.c - identities about rows of one pass. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "cli/prompt/prefill.h"

static uint32_t next_set(const tempo_seq *seq)
{
    const size_t n = tempo_seq_slot_count(seq);

    return n == 0 ? 0 : tempo_seq_slot_at(seq, n - 1).set + 1;
}

void fill_rows(tempo_row *rows, tempo_seq *seq, uint32_t set, const placed_set *p, unsigned want)
{
    for (size_t i = 0; i < p->n; i++)
        rows[i] = (tempo_row){.seq = seq,
                              .token = p->ids[i],
                              .set = set + (p->own_sets ? (uint32_t)i : 0),
                              .position = p->position + (p->own_sets ? (double)i : 0),
                              .mode = p->mode,
                              .n_layers = p->n_layers,
                              .want = want};
}

tempo_status append_set(doctor *d, tempo_engine *e, tempo_seq *seq, const placed_set *p,
                        const tempo_observer *obs, float *out)
{
    tempo_row rows[DOCTOR_PROMPT];
    const unsigned want = (out != NULL ? TEMPO_WANT_LOGITS : 0) | (obs != NULL ? TEMPO_WANT_TAPS : 0);

    fill_rows(rows, seq, next_set(seq), p, want);
    const tempo_status st = tempo_engine_forward(e, rows, p->n, obs, &d->err);
    for (size_t i = 0; st == TEMPO_OK && out != NULL && i < p->n; i++)
        memcpy(out + i * d->n_vocab, tempo_engine_logits(e, i), d->n_vocab * sizeof(*out));
    return st;
}

placed_set whole_prompt(const doctor *d)
{
    return (placed_set){.ids = d->prompt, .n = d->n_prompt, .own_sets = true};
}

placed_set first_set(const doctor *d, tempo_mode mode)
{
    return (placed_set){
        .ids = d->members, .n = DOCTOR_MEMBERS, .position = (double)d->n_prompt, .mode = mode};
}

tempo_status open_seq(doctor *d, tempo_engine *e, tempo_seq **seq)
{
    const tempo_seq_options opt = {.size = sizeof(opt), .kv = d->o->decoding.kv};

    return tempo_seq_create(seq, e, &opt, &d->err);
}

/* A new sequence that holds the prompt and then the sets; the last one's logits go to out. */
static tempo_status run_sets(doctor *d, tempo_engine *e, const placed_set *sets, size_t n_sets,
                             const tempo_observer *obs, float *out)
{
    const placed_set prompt = whole_prompt(d);
    tempo_seq *seq;
    tempo_status st = open_seq(d, e, &seq);

    if (st == TEMPO_OK)
        st = append_set(d, e, seq, &prompt, NULL, NULL);
    for (size_t i = 0; i < n_sets && st == TEMPO_OK; i++)
        st = append_set(d, e, seq, &sets[i], i + 1 == n_sets ? obs : NULL, i + 1 == n_sets ? out : NULL);
    tempo_seq_free(seq);
    return st;
}

tempo_status find_members(doctor *d)
{
    const float *logits;
    tempo_seq *seq;
    tempo_status st = open_seq(d, d->s.engine, &seq);

    if (st == TEMPO_OK)
        st = prefill(d->s.engine, seq, d->prompt, d->n_prompt, &logits, &d->err);
    for (size_t i = 0; st == TEMPO_OK && i < d->n_vocab; i++)
        d->largest = fmax(d->largest, fabs((double)logits[i]));
    for (int k = 0; st == TEMPO_OK && k < DOCTOR_MEMBERS; k++) {
        int32_t best = -1;
        for (int32_t id = 0; (size_t)id < d->n_vocab; id++) {
            bool taken = false;
            for (int j = 0; j < k; j++)
                taken |= d->members[j] == id;
            if (!taken && (best < 0 || logits[id] > logits[best]))
                best = id;
        }
        d->members[k] = best < 0 ? 0 : best;
    }
    tempo_seq_free(seq);
    return st;
}

/* I3: isolated, first set: row i equals the row of a plain run on prompt + token i. */
finding check_i3(doctor *d)
{
    const placed_set set = first_set(d, TEMPO_ISOLATED);
    double worst = 0;

    if (run_sets(d, d->s.engine, &set, 1, NULL, d->buffer[0]) != TEMPO_OK)
        return cannot_run();
    for (size_t i = 0; i < DOCTOR_MEMBERS; i++) {
        placed_set one = set;
        one.ids = &d->members[i];
        one.n = 1;
        if (run_sets(d, d->s.engine, &one, 1, NULL, d->buffer[1]) != TEMPO_OK)
            return cannot_run();
        worst = fmax(worst, differ(d->buffer[0] + i * d->n_vocab, d->buffer[1], d->n_vocab));
    }
    return judge(worst, 0);
}

/* ---- I4, I7: attention ---- */

typedef struct attention_sums {
    size_t first; /* slot of the set's first member */
    tempo_mode mode;
    bool sinks;   /* take a share: a row sums to less than 1, and more than 0 */
    double worst; /* deviation of a row's sum from 1; HUGE_VAL where a hidden slot has a weight */
} attention_sums;

/* What a row's weights may miss of 1. */
static double deviation(const attention_sums *s, double sum)
{
    return s->sinks && sum > 0 && sum < 1 ? 0 : fabs(sum - 1);
}

bool doctor_has_sinks(const tempo_model *m)
{
    bool found = false;

    for (size_t i = 0; i < tempo_model_tensor_count(m) && !found; i++)
        found = strstr(tempo_model_tensor_at(m, i).name, ".attn_sinks") != NULL ||
                strstr(tempo_model_tensor_at(m, i).name, ".self_attn.sinks") != NULL;
    return found;
}

static bool sum_attention(void *user, const tempo_tap_view *v)
{
    attention_sums *s = user;
    const size_t own = s->first + v->row;

    for (uint32_t h = 0; h < v->dims[0]; h++) {
        double sum = 0;
        for (size_t j = 0; j < v->dims[1]; j++) {
            const float w = v->values[h * v->dims[1] + j];
            const bool sibling = j >= s->first && j != own;
            const bool hidden =
                sibling && (s->mode == TEMPO_ISOLATED || (s->mode == TEMPO_CAUSAL && j > own));
            if (hidden && w != 0.0f)
                s->worst = HUGE_VAL;
            sum += (double)w;
        }
        if (!(deviation(s, sum) <= s->worst)) /* NaN becomes the worst and fails */
            s->worst = deviation(s, sum);
    }
    return true;
}

/* I4: attention rows sum to 1; what a row may not see has weight exactly 0. */
finding check_i4(doctor *d)
{
    static const tempo_mode modes[] = {TEMPO_ISOLATED, TEMPO_VISIBLE, TEMPO_CAUSAL};
    double worst = 0;

    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        const placed_set set = first_set(d, modes[i]);
        attention_sums sums = {.first = d->n_prompt, .mode = modes[i], .sinks = doctor_has_sinks(d->s.model)};
        const tempo_observer obs = {.user = &sums,
                                    .view = sum_attention,
                                    .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                    .n_taps = 1};
        if (run_sets(d, d->s.engine, &set, 1, &obs, NULL) != TEMPO_OK)
            return cannot_run();
        if (!(sums.worst <= worst))
            worst = sums.worst;
    }
    return judge(worst, 1e-6);
}

/* Layer 0 of a set's rows: [row][head][slot]. */
typedef struct layer0 {
    float *weights;
    size_t n_heads, n_slots;
} layer0;

static bool keep_layer0(void *user, const tempo_tap_view *v)
{
    layer0 *l = user;
    const size_t n = v->dims[0] * v->dims[1];

    if (v->layer != 0)
        return true;
    if (l->weights == NULL) {
        l->n_heads = v->dims[0];
        l->n_slots = v->dims[1];
        l->weights = malloc(DOCTOR_MEMBERS * n * sizeof(*l->weights));
    }
    if (l->weights == NULL)
        return false;
    memcpy(l->weights + v->row * n, v->values, n * sizeof(*l->weights));
    return true;
}

static tempo_status run_layer0(doctor *d, tempo_mode mode, layer0 *l)
{
    const placed_set set = first_set(d, mode);
    const tempo_observer obs = {.user = l,
                                .view = keep_layer0,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};

    *l = (layer0){0};
    return run_sets(d, d->s.engine, &set, 1, &obs, NULL);
}

/* Largest |a_isolated - a_visible / (1 - mass on siblings)| * (1 - mass) over what both see. */
static double compare_layer0(const doctor *d, const layer0 *isolated, const layer0 *visible)
{
    const size_t n = isolated->n_slots;
    double worst = 0;

    for (size_t row = 0; row < DOCTOR_MEMBERS; row++)
        for (size_t h = 0; h < isolated->n_heads; h++) {
            const float *a = isolated->weights + (row * isolated->n_heads + h) * n;
            const float *b = visible->weights + (row * isolated->n_heads + h) * n;
            double mass = 0;
            for (size_t j = d->n_prompt; j < n; j++)
                mass += j != d->n_prompt + row ? (double)b[j] : 0;
            for (size_t j = 0; j < n; j++) {
                const bool both = j < d->n_prompt || j == d->n_prompt + row;
                const double error = fabs((double)a[j] - (double)b[j] / (1 - mass)) * (1 - mass);
                if (both && mass < 1 && !(error <= worst))
                    worst = error;
            }
        }
    return worst;
}

/* I7: layer 0, first set: isolated attention is visible attention without its mass on siblings. */
finding check_i7(doctor *d)
{
    layer0 isolated = {0}, visible = {0};
    finding f = cannot_run();

    if (run_layer0(d, TEMPO_ISOLATED, &isolated) == TEMPO_OK &&
        run_layer0(d, TEMPO_VISIBLE, &visible) == TEMPO_OK)
        f = judge(compare_layer0(d, &isolated, &visible), 4e-6);
    free(isolated.weights);
    free(visible.weights);
    return f;
}

/* ---- I5, I6: the order of members, copies of one ---- */

/* The worse of two findings: a failure first. */
static finding worse(finding a, finding b)
{
    if (a.failed_to_run || b.failed_to_run)
        return cannot_run();
    return !a.passed || (b.passed && a.measured >= b.measured) ? a : b;
}

/* The set forwards and backwards: row i of one is row n-1-i of the other. */
static finding reorder(doctor *d, tempo_mode mode, double tolerance)
{
    placed_set set = first_set(d, mode);
    int32_t reversed[DOCTOR_MEMBERS];
    double worst = 0;

    if (run_sets(d, d->s.engine, &set, 1, NULL, d->buffer[0]) != TEMPO_OK)
        return cannot_run();
    for (size_t i = 0; i < DOCTOR_MEMBERS; i++)
        reversed[i] = d->members[DOCTOR_MEMBERS - 1 - i];
    set.ids = reversed;
    if (run_sets(d, d->s.engine, &set, 1, NULL, d->buffer[1]) != TEMPO_OK)
        return cannot_run();
    for (size_t i = 0; i < DOCTOR_MEMBERS; i++)
        worst = fmax(worst, differ(d->buffer[0] + i * d->n_vocab,
                                   d->buffer[1] + (DOCTOR_MEMBERS - 1 - i) * d->n_vocab, d->n_vocab));
    return judge(worst, tolerance);
}

/* I5: reordering a set's members permutes its rows. */
finding check_i5(doctor *d)
{
    return worse(reorder(d, TEMPO_ISOLATED, 0), reorder(d, TEMPO_VISIBLE, d->rounding));
}

static finding copies(doctor *d, tempo_mode mode, double tolerance)
{
    const int32_t same[DOCTOR_MEMBERS] = {d->members[0], d->members[0], d->members[0], d->members[0]};
    placed_set set = first_set(d, mode);
    double worst = 0;

    set.ids = same;
    if (run_sets(d, d->s.engine, &set, 1, NULL, d->buffer[0]) != TEMPO_OK)
        return cannot_run();
    for (size_t i = 1; i < DOCTOR_MEMBERS; i++)
        worst = fmax(worst, differ(d->buffer[0], d->buffer[0] + i * d->n_vocab, d->n_vocab));
    return judge(worst, tolerance);
}

/* I6: copies of one token in a set have equal rows. */
finding check_i6(doctor *d)
{
    return worse(copies(d, TEMPO_ISOLATED, 0), copies(d, TEMPO_VISIBLE, d->rounding));
}

/* ---- I8, I9: the same rows computed in other company ---- */

/* Prompt, first set and second set as one batch; the second set's logits go to out. */
static tempo_status run_at_once(doctor *d, const placed_set *sets, float *out)
{
    tempo_row rows[DOCTOR_PROMPT + 2 * DOCTOR_MEMBERS];
    const placed_set prompt = whole_prompt(d);
    const size_t first = d->n_prompt, second = first + sets[0].n;
    tempo_seq *seq;
    tempo_status st = open_seq(d, d->s.engine, &seq);

    if (st != TEMPO_OK)
        return st;
    fill_rows(rows, seq, 0, &prompt, 0);
    fill_rows(rows + first, seq, (uint32_t)d->n_prompt, &sets[0], 0);
    fill_rows(rows + second, seq, (uint32_t)d->n_prompt + 1, &sets[1], TEMPO_WANT_LOGITS);
    st = tempo_engine_forward(d->s.engine, rows, second + sets[1].n, NULL, &d->err);
    for (size_t i = 0; st == TEMPO_OK && i < sets[1].n; i++)
        memcpy(out + i * d->n_vocab, tempo_engine_logits(d->s.engine, second + i), d->n_vocab * sizeof(*out));
    tempo_seq_free(seq);
    return st;
}

/* I8: decoding with the cache equals recomputing the whole sequence in one pass. */
finding check_i8(doctor *d)
{
    static const tempo_mode modes[] = {TEMPO_ISOLATED, TEMPO_VISIBLE, TEMPO_CAUSAL};
    double worst = 0;

    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        placed_set sets[2] = {first_set(d, modes[i]), first_set(d, modes[i])};
        sets[1].position++;
        if (run_sets(d, d->s.engine, sets, 2, NULL, d->buffer[0]) != TEMPO_OK ||
            run_at_once(d, sets, d->buffer[1]) != TEMPO_OK)
            return cannot_run();
        worst = fmax(worst, differ(d->buffer[0], d->buffer[1], DOCTOR_MEMBERS * d->n_vocab));
    }
    return judge(worst, 0);
}

static bool ignore_attention(void *user, const tempo_tap_view *v)
{
    (void)user;
    (void)v;
    return true;
}

/* The prompt token by token, then the set in one batch with two other sequences around it, observed. */
static tempo_status run_in_company(doctor *d, tempo_engine *e, const placed_set *set, float *out)
{
    const tempo_observer obs = {.view = ignore_attention,
                                .taps = &(const tempo_tap_selection){.tap = TEMPO_TAP_PATTERN},
                                .n_taps = 1};
    tempo_row rows[2 + DOCTOR_MEMBERS];
    tempo_seq *seqs[3] = {NULL, NULL, NULL};
    tempo_status st = TEMPO_OK;

    for (size_t k = 0; k < 3 && st == TEMPO_OK; k++) {
        st = open_seq(d, e, &seqs[k]);
        for (size_t i = 0; i < d->n_prompt && st == TEMPO_OK; i++) {
            const placed_set one = {.ids = &d->prompt[i], .n = 1, .position = (double)i};
            st = append_set(d, e, seqs[k], &one, NULL, NULL);
        }
    }
    const placed_set other = {.ids = &d->members[1], .n = 1, .position = (double)d->n_prompt};
    if (st == TEMPO_OK) {
        fill_rows(rows, seqs[1], next_set(seqs[1]), &other, TEMPO_WANT_LOGITS);
        fill_rows(rows + 1, seqs[0], next_set(seqs[0]), set, TEMPO_WANT_LOGITS | TEMPO_WANT_TAPS);
        fill_rows(rows + 1 + set->n, seqs[2], next_set(seqs[2]), &other, 0);
        st = tempo_engine_forward(e, rows, set->n + 2, &obs, &d->err);
    }
    for (size_t i = 0; st == TEMPO_OK && i < set->n; i++)
        memcpy(out + i * d->n_vocab, tempo_engine_logits(e, 1 + i), d->n_vocab * sizeof(*out));
    for (size_t k = 0; k < 3; k++)
        tempo_seq_free(seqs[k]);
    return st;
}

/* I9: nothing depends on the batch, the prompt's chunks, the threads or the observer. */
finding check_i9(doctor *d)
{
    static const unsigned threads[] = {1, 2, 3};
    const placed_set set = first_set(d, TEMPO_VISIBLE);
    double worst = 0;

    if (run_sets(d, d->s.engine, &set, 1, NULL, d->buffer[0]) != TEMPO_OK)
        return cannot_run();
    for (size_t i = 0; i < sizeof(threads) / sizeof(*threads); i++) {
        const tempo_engine_options opt = {.size = sizeof(opt), .threads = threads[i]};
        tempo_engine *e;
        if (tempo_engine_create(&e, d->s.model, &opt, &d->err) != TEMPO_OK)
            return cannot_run();
        const tempo_status st = run_in_company(d, e, &set, d->buffer[1]);
        tempo_engine_free(e);
        if (st != TEMPO_OK)
            return cannot_run();
        worst = fmax(worst, differ(d->buffer[0], d->buffer[1], DOCTOR_MEMBERS * d->n_vocab));
    }
    return judge(worst, 0);
}
