/* arms_json.h - arms and given sets out of JSON, for command lines, files and requests. */
#ifndef TEMPO_RUN_ARMS_JSON_H
#define TEMPO_RUN_ARMS_JSON_H
#include <jansson.h>

#include "edit/edits_json.h"
#include "tempo.h"

enum { TEMPO_ARM_NAME_CHARS = 32 /* with its NUL */ };

/* Arms that own what tempo_run_options.arms points to. */
typedef struct tempo_arm_list {
    size_t n;
    tempo_run_arm arms[TEMPO_RUN_MAX_ARMS]; /* [n] */
    tempo_decode_options decoding[TEMPO_RUN_MAX_ARMS];
    char names[TEMPO_RUN_MAX_ARMS][TEMPO_ARM_NAME_CHARS];
    json_t *edit_texts[TEMPO_RUN_MAX_ARMS]; /* owned: the arm's "edits", or NULL */
    tempo_edits *edits[TEMPO_RUN_MAX_ARMS]; /* owned: what tempo_arms_edit has made */
} tempo_arm_list;
void tempo_arms_free(tempo_arm_list *l); /* takes NULL */

/* One more arm.  An isolated one has no visible layers, whatever d says.  TEMPO_E_LIMIT when there are too many. */
tempo_status tempo_arm_add(tempo_arm_list *l, const char *name, const tempo_decode_options *d, tempo_err *err) TEMPO_MUST_CHECK;

/* What an arm is called that has no name of its own: by its replay, or by its mode.  And decoding by such a name, all else as it
 * is; false: v is none, and d is as it was.  */
const char *tempo_arm_name(const tempo_decode_options *d);
bool tempo_arm_by_name(tempo_decode_options *d, const json_t *v);

/* A list of objects: "name" (letters, digits, '_', '-', '.'; without it that of the mode, or of the replay) and options of
 * decoding by their names (with '_' or '-'), which override base; "edits", a list, waits for
 * tempo_arms_edit.  Messages name the arm and the option.  *out is for tempo_arms_free().  */
tempo_status tempo_arms_read(tempo_arm_list **out, const json_t *list, const tempo_decode_options *base, tempo_err *err) TEMPO_MUST_CHECK;
/* A file of JSON; messages begin with its path. */
tempo_status tempo_arms_load(tempo_arm_list **out, const char *path, const tempo_decode_options *base, tempo_err *err) TEMPO_MUST_CHECK;

/* Give each arm its list of edits, now that there is a model: those for all arms (a JSON list, or NULL), then its own.  from= may name
 * any arm before it.  Messages name the arm where there are several.  */
tempo_status tempo_arms_edit(tempo_arm_list *l, const tempo_model *m, const json_t *for_all, const tempo_edit_inputs *in,
                             tempo_err *err) TEMPO_MUST_CHECK;

/* One option of decoding. */
tempo_status tempo_decode_read(tempo_decode_options *o, const char *name, const json_t *value, tempo_err *err) TEMPO_MUST_CHECK;

typedef struct tempo_given_list {
    tempo_given_set *sets; /* [n] */
    size_t n;
    tempo_member *members; /* theirs, one behind the other */
} tempo_given_list;

/* A list of sets, or an object whose "steps" is one (the document of a run with one arm).  A set is a list of members, or an
 * object whose "members" is one; a member is an object with "id" and "probability".  The error's field is "[1]", "[1][2]" or "[1][2].id".  */
tempo_status tempo_given_read(tempo_given_list **out, const json_t *v, size_t n_vocab, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_given_load(tempo_given_list **out, const char *path, size_t n_vocab, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_given_free(tempo_given_list *l); /* takes NULL */

#endif
