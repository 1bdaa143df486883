/* patch.h - tempo patch: a grid that runs, and the forms in which it is told.  Private to cli/patch. */
#ifndef TEMPO_CLI_PATCH_H
#define TEMPO_CLI_PATCH_H
#include "cli/session.h"
#include "draw/draw.h"

typedef struct patching {
    session *s;      /* the clean prompt, or that of the arms */
    session corrupt; /* its ids and text alone */
    const options *o;
    char *arm[2]; /* owned; of --arms: the clean and the corrupt one; else NULL */
    tempo_patch *p;
    tempo_run *run;   /* of --arms */
    char **positions; /* [n_positions] what they are called: tokens, sets */
    json_t *setup;    /* what must be the same for a grid to go on with */
    size_t resumed;   /* cells that were there already */
    bool interrupted;
} patching;

/* ---- patch_options.c ---- */
/* --taps or --senders, --receivers, --layers, --at and the choices, for free_patch_options.  An exit code;
 * its message was printed.  Positions are of n_sets: with 0 they are only read.  */
typedef struct patch_lists {
    tempo_tap_selection taps[TEMPO_TAP_COUNT], receivers[TEMPO_TAP_COUNT];
    uint32_t *positions; /* owned */
    int32_t *answers;    /* owned */
} patch_lists;
int read_patch_options(const patching *v, size_t n_sets, patch_lists *lists, tempo_patch_options *out);
void free_patch_lists(patch_lists *lists);

/* ---- patch_arms.c ---- */
/* --arms A,B: v->arm. */
int read_patch_arms(patching *v);
/* The two arms run, in lockstep. */
int run_patch_arms(patching *v);

/* ---- patch_setup.c ---- */
json_t *make_setup(const patching *v, const tempo_patch_options *o);
/* Values of the file of --resume; its setup must be ours. */
int resume_patch(patching *v);
/* "resid_pre.denoise": of each grid another one. */
void grid_name(const patching *v, size_t i, char out[96]);

/* ---- one file each ---- */
int print_patch(const patching *v);                 /* patch_text.c */
int print_patch_json(const patching *v);            /* patch_json.c */
int patch_npz(const patching *v, const char *path); /* patch_npz.c */
int patch_csv(const patching *v, const char *path); /* patch_files.c */
int patch_svg(const patching *v, const char *path);

#endif
