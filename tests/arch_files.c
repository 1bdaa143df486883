/* arch_files DIR [all] - model files of many architectures, for the program's own checks: the models of
 * ../shared/models/arch as GGUF files of Q8_0, and random shapes (reference/random_arch.h) whose rows take
 * every type, as Q4_K.  Without `all` every eighth of them. Prints the paths.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reference/golden_archs.h"
#include "reference/random_arch.h"

static void write_file(reference_model *m, const json_t *config, tempo_dtype type, const char *dir,
                       const char *name)
{
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/%s-%s.gguf", dir, name, tempo_dtype_get(type)->name);
    if (gguf_can(m, config)) {
        gguf_write(m, config, type, path);
        printf("%s\n", path);
    }
    reference_free(m);
}

static void of_golden(const char *name, const char *dir)
{
    char path[700];

    (void)snprintf(path, sizeof(path), "%s/%s/config.json", golden_archs, name);
    json_t *config = json_load_file(path, 0, NULL);
    (void)snprintf(path, sizeof(path), "%s/%s", golden_archs, name);
    write_file(reference_open(path), config, TEMPO_Q8_0, dir, name);
    json_decref(config);
}

static void of_random(const char *type, const char *dir)
{
    char path[700];

    for (uint64_t seed = 1; seed < 20; seed++) { /* the first that a GGUF can say */
        json_t *config = random_config(type, seed, true);
        (void)snprintf(path, sizeof(path), "%s/%s", dir, type);
        reference_model *m = random_directory(config, seed, path);
        const bool can = gguf_can(m, config);
        printf("%s\n", path);
        write_file(m, config, TEMPO_Q4_K, dir, type);
        json_decref(config);
        if (can)
            return;
    }
}

int main(int argc, char **argv)
{
    const size_t step = argc > 2 ? 1 : 8;
    size_t n;
    char **names = golden_names(&n);

    if (argc < 2) {
        fprintf(stderr, "usage: arch_files DIR [all]\n");
        return 2;
    }
    for (size_t i = 0; i < n; i += step) {
        printf("%s/%s\n", golden_archs, names[i]);
        of_golden(names[i], argv[1]);
    }
    for (size_t i = 0; random_archs[i] != NULL; i++)
        if (i % step == 0)
            of_random(random_archs[i], argv[1]);
    return 0;
}
