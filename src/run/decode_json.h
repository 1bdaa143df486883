/* decode_json.h - sets, members and options of decoding as every document has them. */
#ifndef TEMPO_RUN_DECODE_JSON_H
#define TEMPO_RUN_DECODE_JSON_H
#include <jansson.h>

#include "io/json_file.h"
#include "run/ids.h"

/* object[key] = text (what is not UTF-8 as U+FFFD), and then object[key_bytes] = its bytes as numbers. */
void tempo_json_add_text(json_t *object, const char *key, const char *key_bytes, const char *s, size_t n);
/* {"text", "bytes"?} of a token are added to object; t may be NULL. */
void tempo_json_add_token(json_t *object, const tempo_tokenizer *t, int32_t id);
/* The text that ids[n] add to prompt[n_prompt], as tempo_json_add_text: decoded together with it, because of the space that
 * SentencePiece puts in front.  "" without a tokenizer.  */
void tempo_json_add_continuation(json_t *object, const char *key, const char *key_bytes, const tempo_tokenizer *t,
                                 const int32_t *prompt, size_t n_prompt, const int32_t *ids, size_t n);
/* "text", "top_text" of an arm: what all members of its sets add to the prompt, and the first ones. */
void tempo_json_add_texts(json_t *object, const tempo_tokenizer *t, const int32_t *prompt, size_t n_prompt, const tempo_ids *all,
                          const tempo_ids *top);
/* A set's members: [{"id", "text", "bytes"?, "probability", "slot", "position"}], the last two null without a slot. */
json_t *tempo_json_members(const tempo_tokenizer *t, const tempo_set *set);
/* {"step", "position", "threshold", "entropy", "reached", "capped", "eos", "members": [..]} */
json_t *tempo_json_set(const tempo_tokenizer *t, const tempo_set *set);
/* x with the fewest digits that read back as it: 2.1, not 2.1000000000000001.  Gives out. */
const char *tempo_shortest(double x, char out[32]);
/* Every option with the value that holds, visible_layers within n_layers; max_slots apart, which a sequence knows.  The texts of
 * edits where there are any.  */
void tempo_json_add_decoding(json_t *object, const tempo_decode_options *o, uint32_t n_layers);

#endif
