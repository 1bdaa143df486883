/* arrays.c - a file of arrays, in one format or the other. */
#include <stdlib.h>

#include "capture/capture.h"
#include "io/safetensors_write.h"

struct tempo_arrays {
    tempo_npz_writer *npz; /* one of them */
    tempo_safetensors_writer *safetensors;
};

tempo_status tempo_arrays_create(tempo_arrays **out, tempo_capture_format format, const char *path,
                                 uint64_t names, size_t text, tempo_err *err)
{
    tempo_arrays *a = calloc(1, sizeof(*a));
    tempo_status st;

    *out = NULL;
    if (a == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory to write it", path);
    if (format == TEMPO_CAPTURE_NPZ)
        st = tempo_npz_create(&a->npz, path, err);
    else /* text is quoted twice */
        st = tempo_safetensors_create(&a->safetensors, path,
                                      names * TEMPO_SAFETENSORS_ENTRY_BYTES + 4 * (uint64_t)text, err);
    if (st != TEMPO_OK)
        free(a);
    else
        *out = a;
    return st;
}

tempo_status tempo_arrays_add(tempo_arrays *a, size_t step, tempo_capture_array which, const uint64_t *shape,
                              unsigned n_dims, const void *data, tempo_err *err)
{
    const tempo_npy_type type = tempo_capture_names[which].type;
    char name[TEMPO_CAPTURE_KEY];

    (void)tempo_capture_key(name, step, which);
    return a->npz != NULL ? tempo_npz_add(a->npz, name, type, shape, n_dims, data, err)
                          : tempo_safetensors_add(a->safetensors, name, type, shape, n_dims, data, err);
}

tempo_status tempo_arrays_add_floats(tempo_arrays *a, const char *name, const uint64_t *shape,
                                     unsigned n_dims, const float *data, tempo_err *err)
{
    return a->npz != NULL
               ? tempo_npz_add(a->npz, name, TEMPO_NPY_F32, shape, n_dims, data, err)
               : tempo_safetensors_add(a->safetensors, name, TEMPO_NPY_F32, shape, n_dims, data, err);
}

tempo_status tempo_arrays_add_text(tempo_arrays *a, const char *name, const char *utf8, tempo_err *err)
{
    return a->npz != NULL ? tempo_npz_add_text(a->npz, name, utf8, err)
                          : tempo_safetensors_add_text(a->safetensors, name, utf8, err);
}

uint64_t tempo_arrays_pos(const tempo_arrays *a)
{
    return a->npz != NULL ? tempo_npz_pos(a->npz) : tempo_safetensors_pos(a->safetensors);
}

tempo_status tempo_arrays_commit(tempo_arrays *a, tempo_err *err)
{
    const tempo_status st =
        a->npz != NULL ? tempo_npz_commit(a->npz, err) : tempo_safetensors_commit(a->safetensors, err);

    free(a);
    return st;
}

void tempo_arrays_abort(tempo_arrays *a)
{
    if (a == NULL)
        return;
    tempo_npz_abort(a->npz);
    tempo_safetensors_abort(a->safetensors);
    free(a);
}
