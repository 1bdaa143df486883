/* run.h - what the files of a run share, and what the program sees of it besides tempo.h.
 *
 *   run.c     its arms, made and freed; what is asked of it
 *   check.c   what its options must be
 *   step.c    read, take, tell; the closing pass, the end
 *   prompts.c many prompts, in groups
 *   arm_edits.c  what one arm's edits take from another
 *   lanes.c   one pass over many arms, and who hears of its attention
 *   differ.c  where arms differ
 *   document.c  what came of it, as JSON
 *
 * The sinks hear of everything through the run: nobody else needs to know which sequence is whose.  */
#ifndef TEMPO_RUN_RUN_H
#define TEMPO_RUN_RUN_H
#include "base/status.h"
#include "capture/taps.h"
#include "run/differ.h"
#include "run/ids.h"
#include "run/lanes.h"

typedef struct tempo_arm {
    char *name;
    tempo_decode_options o;
    const tempo_edits *own_edits; /* held: those of o */
    const tempo_edits *edits;     /* held: what its decoder has: the same first, then what is kept for other arms */
    tempo_lane lane;        /* its decoder */
    tempo_capture *capture; /* owned, the lane's too; or NULL */
    bool read;              /* in the step under way; outside of one, in the last */
    bool closed;            /* had its closing pass, or needs none */
    size_t n_steps, n_members;
    tempo_ids all, top;     /* ids of all members; of the most probable one of each set */
    tempo_set *sets;        /* [n_steps] where the run keeps them */
} tempo_arm;

struct tempo_run {
    tempo_engine *engine;
    tempo_run_options o; /* what it points to is the run's, but for arms, capture and sinks' users */
    tempo_sink *sinks;
    tempo_capture_options capture;
    const tempo_run *leader; /* its driver is the one of all arms here; NULL: an arm of its own */
    tempo_arm *arms; /* [n_arms] */
    size_t n_arms, n_vocab;
    int32_t *ids;    /* [n_ids] */
    size_t n_ids;
    void *user;
    double *scratch; /* [n_vocab], where it samples */
    tempo_taps taps; /* that sinks see */
    size_t step;     /* steps that were taken */
    bool interrupted, finished, failed;
    uint64_t captured; /* what the captures count in, unless the options have another place */
    uint64_t written;  /* bytes of the captures that were committed */
    tempo_step_relation relation; /* of the compared arms' last step */
    tempo_parting parting;
    tempo_run_differences differences;
};

/* The caller's options, complete: see base/options.h. */
tempo_status tempo_run_options_take(tempo_run_options *out, const tempo_run_options *given, tempo_err *err) TEMPO_MUST_CHECK;
/* ---- arm_edits.c ---- */
/* TEMPO_E_ARG when an edit of the arm takes from one that does not stand before it. */
tempo_status tempo_run_check_edits(const tempo_run_options *o, size_t arm, tempo_err *err) TEMPO_MUST_CHECK;
/* Fill the arms' edits and own_edits. */
tempo_status tempo_run_link_edits(tempo_run *r, const tempo_run_options *o, tempo_err *err) TEMPO_MUST_CHECK;

/* ---- run.c ---- */
/* Keep the attention of what an arm reads, for tempo_lane_row. */
void tempo_run_watch(tempo_run *r, size_t arm);
/* All arms that do not replay take the sets of the leader's driver, and end with it.  The leader is stepped with this run, before
 * it; it may have another engine.  */
void tempo_run_follow(tempo_run *r, const tempo_run *leader);
/* The arm that leads where arms follow. */
const tempo_arm *tempo_run_driver(const tempo_run *r);
/* The arm goes on no more after the step under way. */
void tempo_run_end_arm(tempo_run *r, size_t arm);
/* Rows that a step of such an arm is expected to read at most, for estimates. */
size_t tempo_run_rows(const tempo_decode_options *o);
/* Rows that the arm's next step, or its closing pass, reads. */
size_t tempo_run_pending(const tempo_run *r, size_t arm);
/* In one block, for free().  NULL: no memory. */
tempo_given_set *tempo_given_copy(const tempo_given_set *given, size_t n);
/* Does the arm go on? */
bool tempo_arm_runs(const tempo_arm *a);
/* Does it take the driver's sets, and end with it? */
bool tempo_arm_follows(const tempo_run *r, size_t arm);
/* The options that hold for an arm: the defaults, and what sampling changes. */
tempo_decode_options tempo_run_decoding(const tempo_run_options *o, size_t arm);
/* The name of an arm: that of its mode where none is given. */
const char *tempo_run_name(const tempo_run_options *o, size_t arm);

#endif
