/* registry_place.h - what the tests of the database of runs share: a directory with a database, runs and studies to put into
 * it, and ways to look inside.  Everything fails the test that calls it where something goes wrong.  */
#ifndef TEMPO_TESTS_REGISTRY_PLACE_H
#define TEMPO_TESTS_REGISTRY_PLACE_H
#include <stdbool.h>
#include <stdint.h>

#include "registry/db.h"
#include "support/tmpdir.h"

/* A test's state: an empty directory, and where in it the database belongs. */
typedef struct place {
    char dir[256], db[512];
} place;

int registry_setup(void **state);
int registry_teardown(void **state);
#define REGISTRY_TEST(f) cmocka_unit_test_setup_teardown(f, registry_setup, registry_teardown)

/* ---- files of runs: dir is made where it is not there ---- */

/* The model's part of a manifest. */
#define MODEL                                                                                                \
    ", \"model\": {\"path\": \"/m\", \"name\": \"tiny\", \"architecture\": \"llama\", \"format\": \"gguf\"," \
    " \"parameters\": 7, \"sha256\": \"ab\"}"

void write_text(const char *dir, const char *name, const char *text);
/* out = dir/name, made */
void sub(char out[512], const char *dir, const char *name);
/* more: further members of the object, with a comma in front */
void write_manifest(const char *dir, const char *kind, const char *id, const char *more);
/* Two arms of two steps; `last` is the id that the visible one selects last. */
void write_experiment(const char *dir, const char *id, int last);
void write_unit(const char *study, const char *name, const char *prompt, double threshold, double value);
/* Three units of one model, and three verdicts; `value` and `verdict` are those of the first. */
void write_study(const char *dir, const char *id, double value, const char *verdict);

/* ---- looking inside ---- */

tempo_registry *must_open(const char *path);
void must_index(tempo_registry *r, const char *dir);
/* The number that a query gives. */
int64_t ask(tempo_registry *r, const char *sql);
/* The rows of everything, as text (free): without the keys of runs, which depend on the order they came in. */
char *dump(tempo_registry *r);
/* The file is whole, its references hold, its schema is this program's. */
void assert_sound(tempo_registry *r);
/* The member at a path such as "units.0.arms.1.text". */
const json_t *at_path(const json_t *v, const char *path);
/* The value at a path is what this JSON says. */
void assert_at(const json_t *doc, const char *path, const char *expected);
json_t *must_show(tempo_registry *r, const char *id);

/* ---- walks and processes ---- */

/* For tempo_registry_rebuild: user is size_t[2], the runs met and the failures. */
bool count_met(void *user, const char *dir, const tempo_err *failure);
/* Run f in a process of its own; its exit status. */
int in_child(void (*f)(void *), void *arg);

#endif
