#include "reference/golden_archs.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *const golden_modes[4] = {"", "isolated", "visible", "causal"};
const char golden_archs[] = "../shared/models/arch";

enum { MOST_ARCHS = 256, MOST_BYTES = 1 << 26 };

static tempo_npy read_array(const tempo_array_file *f, const char *mode, const char *what,
                            tempo_npy_type type)
{
    char name[64];
    tempo_npy a;
    tempo_err err = {0};

    (void)snprintf(name, sizeof(name), "%s%s%s", mode, *mode != '\0' ? "_" : "", what);
    if (tempo_array_read(f, name, type, MOST_BYTES, &a, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return a;
}

void golden_pass_open(golden_pass *p, const char *dir, const char *model, const char *mode)
{
    const bool plain = *mode == '\0';
    char path[600];
    tempo_array_file *f;
    tempo_err err = {0};

    (void)snprintf(path, sizeof(path), "%s/golden.npz", dir);
    if (tempo_array_file_open(&f, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    *p = (golden_pass){.model = model, .mode = mode};
    p->ids = read_array(f, "", plain ? "ids" : "set_ids", TEMPO_NPY_I64);
    if (plain) {
        p->resid = read_array(f, "", "resid", TEMPO_NPY_F64);
    } else {
        p->sets = read_array(f, "", "set_of_row", TEMPO_NPY_I64);
        p->positions = read_array(f, "", "set_positions", TEMPO_NPY_I64);
    }
    p->logits = read_array(f, mode, "logits", TEMPO_NPY_F64);
    p->attention = read_array(f, mode, "attention", TEMPO_NPY_F64);
    p->n = p->ids.count;
    tempo_array_file_free(f);
}

void golden_pass_close(golden_pass *p)
{
    tempo_npy *const arrays[] = {&p->ids, &p->sets, &p->positions, &p->logits, &p->attention, &p->resid};

    for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++)
        tempo_npy_free(arrays[i]);
}

static int64_t at(const tempo_npy *a, size_t i, int64_t otherwise)
{
    return a->data != NULL ? ((const int64_t *)a->data)[i] : otherwise;
}

tempo_row golden_row(const golden_pass *p, size_t i)
{
    tempo_mode mode = TEMPO_ISOLATED;
    tempo_row row;

    tempo_row_init(&row);
    assert_true(*p->mode == '\0' || tempo_mode_parse(p->mode, &mode));
    row.token = (int32_t)at(&p->ids, i, 0);
    row.set = (uint32_t)at(&p->sets, i, (int64_t)i);
    row.position = (double)at(&p->positions, i, (int64_t)i);
    row.mode = mode;
    return row;
}

double golden_largest(const double *x, size_t n)
{
    double most = 1;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **golden_names(size_t *n)
{
    static char names[MOST_ARCHS][256], *list[MOST_ARCHS];
    const struct dirent *entry;
    DIR *d = opendir(golden_archs);

    *n = 0;
    while (d != NULL && *n < MOST_ARCHS && (entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.') {
            (void)snprintf(names[*n], sizeof(names[*n]), "%s", entry->d_name);
            list[*n] = names[*n];
            ++*n;
        }
    if (d != NULL)
        (void)closedir(d);
    qsort(list, *n, sizeof(*list), by_name);
    return list;
}
