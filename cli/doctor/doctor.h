/* doctor.h - the exact identities of docs/semantics.md, checked on the user's own model and machine.
 *
 * Each check works on a short prompt and one or two sets of MEMBERS tokens, the most probable ones, so that it
 * takes a few passes over the weights whatever the model.  What shall be equal is compared bit by bit; what may
 * round differently within a tolerance that is printed.  */
#ifndef TEMPO_CLI_DOCTOR_H
#define TEMPO_CLI_DOCTOR_H
#include "cli/session.h"

enum { DOCTOR_MEMBERS = 4, DOCTOR_STEPS = 4, DOCTOR_PROMPT = 12, DOCTOR_IDENTITIES = 15 };

typedef struct doctor {
    const options *o;
    session s;
    int32_t prompt[DOCTOR_PROMPT]; /* [n_prompt] */
    size_t n_prompt;
    int32_t members[DOCTOR_MEMBERS]; /* the most probable tokens after the prompt */
    size_t n_vocab;
    double largest;  /* of the logits after the prompt */
    double rounding; /* tolerance of logits that may round differently; see doctor.c */
    float *buffer[2]; /* [DOCTOR_MEMBERS * n_vocab] logits to compare */
    tempo_err err;    /* of a check that could not run */
} doctor;

typedef struct finding {
    bool passed, failed_to_run;
    double measured;  /* the largest deviation */
    double tolerance; /* 0: bit for bit */
} finding;

typedef finding (*doctor_check)(doctor *d);

/* ---- doctor_rows.c: I3 to I9, on rows and sequences ---- */
finding check_i3(doctor *d);
finding check_i4(doctor *d);
finding check_i5(doctor *d);
finding check_i6(doctor *d);
finding check_i7(doctor *d);
finding check_i8(doctor *d);
finding check_i9(doctor *d);
/* Have heads a logit of their own that no slot gets? */
bool doctor_has_sinks(const tempo_model *m);
/* Fill d->members and d->largest. */
tempo_status find_members(doctor *d);
/* Where a set goes, and how. */
typedef struct placed_set {
    const int32_t *ids;
    size_t n;
    double position;
    tempo_mode mode;
    bool own_sets; /* every token a set of its own at a position of its own: a prompt */
    uint32_t n_layers; /* mode holds in the first so many; 0: in all */
} placed_set;
/* Append one set, shown to obs (or NULL), and copy its rows of logits to out[n * n_vocab] (NULL: not wanted). */
tempo_status append_set(doctor *d, tempo_engine *e, tempo_seq *seq, const placed_set *p, const tempo_observer *obs, float *out);
/* p's rows, as set `set` of seq or, of a prompt, from that set on. */
void fill_rows(tempo_row *rows, tempo_seq *seq, uint32_t set, const placed_set *p, unsigned want);
placed_set whole_prompt(const doctor *d);
placed_set first_set(const doctor *d, tempo_mode mode);
tempo_status open_seq(doctor *d, tempo_engine *e, tempo_seq **seq);

/* ---- doctor_taps.c: I11 and I14, on what a pass shows ---- */
finding check_i11(doctor *d);
finding check_i14(doctor *d);
/* 0 if both have the same keys and values. */
double compare_cache(doctor *d, const tempo_seq *a, const tempo_seq *b);

/* ---- doctor_edits.c: I12, I13 and I15, and edits that change nothing ---- */
tempo_status edits_of_nothing(doctor *d, double *worst); /* raised to the largest deviation */
finding check_i12(doctor *d);
finding check_i13(doctor *d);
finding check_i15(doctor *d);

/* ---- doctor_steps.c: I1, I2 and I10, on the step loop ---- */
finding check_i1(doctor *d);
finding check_i2(doctor *d);
finding check_i10(doctor *d);

/* A check's result when a call of the library failed with d->err. */
finding cannot_run(void);
/* 0 if the n floats are the same bits, else the largest difference (HUGE_VAL where a NaN is). */
double differ(const float *a, const float *b, size_t n);
/* passed when measured <= tolerance; NaN fails */
finding judge(double measured, double tolerance);

#endif
