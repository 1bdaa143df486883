/* lanes.h - decoders that go through the model together, and the attention of what each read last.
 *
 * A study compares arms element by element, so it needs all layers of a step's attention at once: a lane that watches
 * keeps them until its next read, in memory, and nothing of earlier steps.  */
#ifndef TEMPO_RUN_LANES_H
#define TEMPO_RUN_LANES_H
#include "base/status.h"
#include "metrics/metrics.h"

typedef struct tempo_lane {
    tempo_decoder *d; /* owned */
    bool watch;       /* keep the attention of what it reads */
    tempo_capture *capture; /* borrowed: gets what it wants of what is shown, too; NULL for none */
    bool (*view)(void *user, size_t lane, size_t row, const tempo_tap_view *view); /* of taps[n_taps]; false stops; NULL */
    const tempo_tap_selection *taps; /* borrowed */
    size_t n_taps;
    void *user;
    size_t number;    /* the `lane` that view is told */
    bool done;        /* do not read it any more, though it could run */
    size_t rows;      /* that it read last; 0 before the first read */
    size_t slots;     /* of its sequence then */
    float *attention; /* watched: [n_layers, rows, n_heads, slots] */
    size_t cap;       /* of attention, in floats */
} tempo_lane;

void tempo_lane_free(tempo_lane *l); /* what it holds; takes an empty one */

/* Rows that its next read, or its closing pass, is about. */
size_t tempo_lane_pending(const tempo_lane *l);

/* Read lanes[n] (those that run and are not done), all in one batch: after it each of them must select or adopt.
 * They share one engine.  obs (may be NULL) sees its taps of all of them besides.  TEMPO_E_STOPPED when it or a lane's view says so: nothing
 * has changed.  */
tempo_status tempo_lanes_read(tempo_lane *const *lanes, size_t n, const tempo_observer *obs, tempo_err *err) TEMPO_MUST_CHECK;
/* The closing pass of a lane that has stopped: its last set once more.  Without slots there is nothing to read: *closed says
 * whether it was. */
tempo_status tempo_lane_close(tempo_lane *l, const tempo_observer *obs, bool *closed, tempo_err *err) TEMPO_MUST_CHECK;

/* Attention of one row and head: [slots].  The lane watches and was read. */
const float *tempo_lane_row(const tempo_lane *l, uint32_t layer, size_t row, uint32_t head);
/* What row r of the last read sees.  Its set is the rows that were read (one row: a prompt token or a lone member). */
tempo_sight tempo_lane_sight(const tempo_lane *l, size_t row);
/* Floats of attention that a lane keeps at most, for planning: layers x heads x rows x slots. */
size_t tempo_lane_floats(const tempo_model_info *m, size_t rows, size_t slots);

#endif
