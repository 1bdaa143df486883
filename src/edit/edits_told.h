/* edits_told.h - what documents and people are told of edits: which there are, what they were read from, what came of them. */
#ifndef TEMPO_EDIT_EDITS_TOLD_H
#define TEMPO_EDIT_EDITS_TOLD_H
#include <jansson.h>

#include "tempo.h"

/* The texts of a list; NULL where there are none (or no memory). */
json_t *tempo_json_edit_texts(const tempo_edits *l);
/* [{"edit": TEXT, "files": [PATH, ..]}], files only where it was read from some; NULL as above. */
json_t *tempo_json_edit_files(const tempo_edits *l);
/* [{"edit": TEXT, "came": bool, "changed": bool}] of the list, with what came of each; NULL as above. */
json_t *tempo_json_edit_list_uses(const tempo_edits *l, const tempo_edit_use *uses);
/* The same of a sequence whose list is l or begins with it, so far; NULL as above. */
json_t *tempo_json_seq_edit_uses(const tempo_seq *s, const tempo_edits *l);
/* Does one take from another arm, so that the list means nothing without that arm? */
bool tempo_edits_need_arms(const tempo_edits *l);

/* Several runs of the same edits: an edit is used when it was in one of them.  *all (NULL at first) is made from uses, or gets what
 * they say; uses, which may be NULL, is taken.  */
void tempo_edits_add_uses(json_t **all, json_t *uses);

/* Tell (user, text) of each edit of such a list that changed nothing: "edit 'zero z rows=all': it changed no number", with the arm in
 * front unless it is NULL; of many the first, and how many more there are.  */
void tempo_edits_tell_unused(const json_t *uses, const char *arm, void (*tell)(void *user, const char *text), void *user);

#endif
