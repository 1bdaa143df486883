/* arms_yaml.h - arms out of a file of YAML, as run/arms_json.h has them out of JSON. */
#ifndef TEMPO_CLI_STUDY_ARMS_YAML_H
#define TEMPO_CLI_STUDY_ARMS_YAML_H
#include "run/arms_json.h"

/* By its name: .yaml or .yml. */
bool is_yaml(const char *path);
/* The file as JSON; messages begin with the path. */
tempo_status yaml_load(json_t **out, const char *path, tempo_err *err) TEMPO_MUST_CHECK;
/* Messages begin with the path. */
tempo_status arms_load_yaml(tempo_arm_list **out, const char *path, const tempo_decode_options *base, tempo_err *err) TEMPO_MUST_CHECK;

#endif
