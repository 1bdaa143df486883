/* edits_json.h - edits as JSON, and as the YAML that becomes JSON: for files, requests and arms. */
#ifndef TEMPO_EDIT_EDITS_JSON_H
#define TEMPO_EDIT_EDITS_JSON_H
#include <jansson.h>

#include "base/status.h"

/* What vector=inline means in such an edit, and what its text gets at the end. */
#define TEMPO_INLINE_VECTOR "inline"

/* Add the edits of a list.  An item is a text (tempo.h) or an object {"edit": TEXT, "vector": V}, V the numbers (lists in lists by
 * its shape, all of one length at a level) or {"base64": "..", "shape": [..]} (float32, little-endian); the text then says no
 * vector=.  Messages begin with "edits[i]", and the field is that, or a part of it.  TEMPO_E_FORMAT for what is no such list, else as tempo_edits_add;
 * edits before the one at fault have been added.  */
tempo_status tempo_edits_read(tempo_edits *l, const json_t *list, const tempo_edit_inputs *in, tempo_err *err) TEMPO_MUST_CHECK;

/* What one can know of such a list before there is a model: its types, and how many edits.  NULL is none. */
tempo_status tempo_edits_check_json(const json_t *list, tempo_err *err) TEMPO_MUST_CHECK;

#endif
