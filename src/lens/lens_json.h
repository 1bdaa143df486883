/* lens_json.h - a lens as every document has it. */
#ifndef TEMPO_LENS_LENS_JSON_H
#define TEMPO_LENS_LENS_JSON_H
#include <jansson.h>

#include "tempo.h"

/* "blocks.0.hook_resid_pre" for TEMPO_LENS_INPUT, else "blocks.LAYER.hook_resid_post". */
json_t *tempo_lens_json_point(uint32_t layer);
/* {"id", "text", "bytes"?}; id null for -1.  t may be NULL. */
json_t *tempo_lens_json_token(const tempo_tokenizer *t, int32_t id);
/* What one row came to, into object: "points": [{"entropy", "kl", "top": [{"id", "text", "bytes"?, "probability"}], "tokens":
 * [{"probability", "rank", "logit"}]}], and, where a is not NULL, "attribution".  */
void tempo_lens_json_row(json_t *object, const tempo_tokenizer *t, const tempo_lens *l, const tempo_attribution *a, size_t row);

#endif
