/* read.h - the parts of file.c, which reads an experiment in this order. */
#ifndef TEMPO_EXPERIMENT_FILE_READ_H
#define TEMPO_EXPERIMENT_FILE_READ_H
#include "experiment/file/file.h"
#include "yaml/yaml.h"

/* Keep a note on `at`, a member. */
void tempo_experiment_add_note(tempo_experiment *e, const tempo_yaml_node *at, const char *fmt, ...) TEMPO_PRINTF(3, 4);
/* Two keys of one map that say the same thing: an error at the later one that names both. */
tempo_status tempo_experiment_check_pair(const tempo_yaml_node *map, const char *a, const char *b, tempo_err *err) TEMPO_MUST_CHECK;

enum { TEMPO_EXPERIMENT_FOREIGN_MOST = 64 };

/* foreign.c: keys of the published files that ask for what is not built, or mean nothing here.  Their names to
 * known[TEMPO_EXPERIMENT_FOREIGN_MOST]; returns how many.  An arm takes those that belong to a feature.  */
size_t tempo_experiment_foreign_keys(const char **known, bool of_an_arm);
/* Check their values in the file or in an arm: what is off is accepted, what is on is one error that names all such keys. */
tempo_status tempo_experiment_read_foreign(tempo_experiment *e, const tempo_yaml_node *map, tempo_err *err) TEMPO_MUST_CHECK;
/* `node` is a map of the keys own[n] and of the foreign ones. */
tempo_status tempo_experiment_check_keys(const tempo_yaml_node *node, const char *const *own, size_t n, bool of_an_arm,
                                         tempo_err *err) TEMPO_MUST_CHECK;
/* `edits` of the file or of an arm: texts, or NULL.  (edits.c) */
tempo_status tempo_experiment_read_edits(const tempo_yaml_node *map, const tempo_yaml_node **out, tempo_err *err) TEMPO_MUST_CHECK;
/* How to decode, thresholds, arms, regime, driver. */
tempo_status tempo_experiment_read_arms(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err) TEMPO_MUST_CHECK;
/* What to record and under which names; analyses. */
tempo_status tempo_experiment_read_record(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err) TEMPO_MUST_CHECK;
/* The block `published`. */
tempo_status tempo_experiment_read_published(tempo_experiment *e, const tempo_yaml_node *root, tempo_err *err) TEMPO_MUST_CHECK;

#endif
