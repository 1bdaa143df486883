/* golden.h - golden runs: a list of cases in a JSON file, each with an archive of arrays beside it.
 * Whatever is malformed aborts the test with a message.  */
#ifndef TEMPO_TESTS_GOLDEN_H
#define TEMPO_TESTS_GOLDEN_H
#include <jansson.h>

#include "io/npz.h"
#include "tempo.h"

typedef struct golden_case {
    const char *name, *model, *prompt; /* borrowed from the list */
    tempo_decode_options options;      /* --stop never; threshold and steps of the case */
    int32_t *prompt_ids;               /* [n_prompt] */
    size_t n_prompt;
    tempo_npz *arrays;
} golden_case;

/* The file's list of cases (json_decref it). */
json_t *golden_list(const char *json_path);
/* Case i of the list; its archive is dir/NAME.npz. */
void golden_case_open(golden_case *c, const char *dir, const json_t *list, size_t i);
void golden_case_close(golden_case *c);
/* One array: its name is printf-made; its type must be the one given.  Free it with tempo_npy_free. */
tempo_npy golden_array(const golden_case *c, tempo_npy_type type, const char *fmt, ...) TEMPO_PRINTF(3, 4);

#endif
