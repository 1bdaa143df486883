/* fuzz_npz.c - any bytes as an archive of arrays, or as a .npy file: parse, then read every array within a
 * bound of memory. */
#include <stdlib.h>
#include <string.h>

#include "io/npz.h"

enum { MAX_BYTES = 1 << 20 };

/* An error must say where, inside the input, and leave nothing behind. */
static void check_error(tempo_status st, const tempo_err *err, size_t n)
{
    if (err->code != st || err->msg[0] == '\0' || (err->offset != TEMPO_NO_OFFSET && err->offset > n))
        abort();
}

static void check_array(const tempo_npy *a)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < a->n_dims; i++)
        if (a->shape[i] == 0)
            count = 0;
    for (uint32_t i = 0; i < a->n_dims && count > 0; i++)
        count *= a->shape[i];
    if (a->n_dims > TEMPO_NPY_MAX_DIMS || count != a->count || a->data == NULL ||
        a->count * a->item_bytes > MAX_BYTES)
        abort();
}

/* Every byte, so that a sanitizer sees one that was not read. */
static uint64_t sum(const tempo_npy *a)
{
    const unsigned char *p = a->data;
    uint64_t s = 0;

    for (uint64_t i = 0; i < a->count * a->item_bytes; i++)
        s += p[i];
    return s;
}

/* Where the elements can be looked at in place they are those that were read. */
static void check_view(const tempo_npz *z, size_t i, const tempo_npy *read)
{
    const void *p;
    tempo_npy a;

    if (tempo_npz_view(z, tempo_npz_name(z, i), &a, &p, NULL) != TEMPO_OK)
        return;
    if (a.count != read->count || a.item_bytes != read->item_bytes ||
        (a.count > 0 && memcmp(p, read->data, a.count * a.item_bytes) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tempo_npz *z;
    tempo_err err = {0};
    tempo_status st = n > 0 && data[0] == 0x93 ? tempo_npz_parse_npy(&z, data, n, &err)
                                               : tempo_npz_parse(&z, data, n, &err);

    if (st != TEMPO_OK) {
        check_error(st, &err, n);
        return 0;
    }
    for (size_t i = 0; i < tempo_npz_count(z); i++) {
        tempo_npy a;
        err = (tempo_err){0};
        st = tempo_npz_read(z, tempo_npz_name(z, i), MAX_BYTES, &a, &err);
        if (st == TEMPO_E_NOTFOUND || (st != TEMPO_OK && a.data != NULL))
            abort();
        if (st != TEMPO_OK) {
            check_error(st, &err, n);
            continue;
        }
        check_array(&a);
        if (sum(&a) > UINT64_C(255) * MAX_BYTES) /* cannot be, but the compiler does not know */
            abort();
        check_view(z, i, &a);
        tempo_npy_free(&a);
    }
    tempo_npz_free(z);
    return 0;
}
