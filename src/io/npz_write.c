/* npz_write.c - archives of NumPy arrays, one array at a time; memory grows with their number only.
 *
 * An array is known whole when it is added, so its checksum goes in front of it and nothing is written twice:
 * the archive may go to a pipe.  Headers: zip_write.c, npy.c.  Complete or not at all: outfile.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/npy.h"
#include "io/outfile.h"
#include "io/zip.h"

static const char suffix[] = ".npy";

enum { SUFFIX_BYTES = sizeof(suffix) - 1, FIRST_CAP = 64 };

struct tempo_npz_writer {
    tempo_outfile *file;
    size_t n, cap;            /* cap is a power of two */
    tempo_zip_entry *entries; /* [cap] their names are ours */
    uint32_t *slots;          /* [2 * cap] hash table of names: 1 + index of an entry, 0 where free */
};

tempo_status tempo_npz_create(tempo_npz_writer **out, const char *path, tempo_err *err)
{
    tempo_npz_writer *w = calloc(1, sizeof(*w));
    tempo_status st;

    *out = NULL;
    if (w == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "%s: no memory to write it", path);
    if ((st = tempo_outfile_create(&w->file, path, err)) != TEMPO_OK) {
        free(w);
        return st;
    }
    tempo_outfile_stream(w->file);
    *out = w;
    return TEMPO_OK;
}

/* ---- names --------------------------------------------------------------------------- */

/* Names become files when an archive is unpacked, hence no directories. */
static tempo_status check_name(const char *name, tempo_err *err)
{
    const size_t n = strlen(name);

    if (n == 0 || n > TEMPO_NPZ_MAX_NAME)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "array's name is %zu bytes long, expected 1 to %d", n, TEMPO_NPZ_MAX_NAME);
    if (tempo_utf8_valid(name, n) != n)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "array's name is not UTF-8");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/' || name[i] == '\\')
            return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                              "byte %#04x in an array's name, expected no control character and no slash",
                              (unsigned char)name[i]);
    return TEMPO_OK;
}

/* The slot that a name has or would get.  FNV-1a, then the next free one; at most half are taken. */
static uint32_t *find_slot(const tempo_npz_writer *w, tempo_str name)
{
    const size_t mask = 2 * w->cap - 1;
    uint32_t hash = UINT32_C(2166136261);

    for (uint64_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * UINT32_C(16777619);
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &w->slots[i];
        if (*slot == 0)
            return slot;
        const tempo_str other = w->entries[*slot - 1].name;
        if (other.n == name.n && memcmp(other.p, name.p, (size_t)name.n) == 0)
            return slot;
    }
}

/* Room for one more entry. */
static tempo_status reserve(tempo_npz_writer *w, tempo_err *err)
{
    const size_t cap = w->cap == 0 ? FIRST_CAP : 2 * w->cap;

    if (w->n < w->cap)
        return TEMPO_OK;
    uint32_t *slots = cap <= UINT32_MAX / 2 ? calloc(2 * cap, sizeof(*slots)) : NULL;
    tempo_zip_entry *entries = slots != NULL ? realloc(w->entries, cap * sizeof(*entries)) : NULL;
    if (entries == NULL) {
        free(slots);
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu arrays", cap);
    }
    free(w->slots);
    w->slots = slots;
    w->entries = entries;
    w->cap = cap;
    for (size_t i = 0; i < w->n; i++)
        *find_slot(w, w->entries[i].name) = (uint32_t)i + 1;
    return TEMPO_OK;
}

/* ---- arrays -------------------------------------------------------------------------- */

/* An array in the two pieces that it is written in: its header and its elements. */
typedef struct pieces {
    unsigned char header[TEMPO_NPY_HEADER_BYTES];
    size_t header_bytes, data_bytes;
    const void *data;
} pieces;

static tempo_status write_entry(tempo_npz_writer *w, const tempo_zip_entry *e, const pieces *a,
                                tempo_err *err)
{
    unsigned char local[TEMPO_ZIP_HEADER_BYTES];
    const size_t n = tempo_zip_put_local(local, e);
    tempo_status st;

    if ((st = tempo_outfile_write(w->file, local, n, err)) != TEMPO_OK ||
        (st = tempo_outfile_write(w->file, a->header, a->header_bytes, err)) != TEMPO_OK)
        return st;
    return tempo_outfile_write(w->file, a->data, a->data_bytes, err);
}

static tempo_status add_entry(tempo_npz_writer *w, const char *name, const pieces *a, tempo_err *err)
{
    const size_t n = strlen(name);
    tempo_zip_entry e = {.method = TEMPO_ZIP_STORED, .offset = tempo_outfile_pos(w->file)};
    tempo_status st;

    if ((st = reserve(w, err)) != TEMPO_OK)
        return st;
    char *file_name = malloc(n + sizeof(suffix));
    if (file_name == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "array %s: no memory for its name", name);
    memcpy(file_name, name, n);
    memcpy(file_name + n, suffix, sizeof(suffix));
    e.name = (tempo_str){file_name, n + SUFFIX_BYTES};
    e.size = e.packed = (uint64_t)a->header_bytes + a->data_bytes;
    e.crc = (uint32_t)crc32_z(0, a->header, a->header_bytes);
    if (a->data_bytes > 0) /* for NULL zlib would start anew */
        e.crc = (uint32_t)crc32_z(e.crc, a->data, a->data_bytes);
    uint32_t *slot = find_slot(w, e.name);
    if (*slot != 0)
        st = tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "array %s is in the archive already", name);
    else
        st = write_entry(w, &e, a, err);
    if (st != TEMPO_OK) {
        free(file_name);
        return st;
    }
    w->entries[w->n++] = e;
    *slot = (uint32_t)w->n;
    return TEMPO_OK;
}

tempo_status tempo_npz_add(tempo_npz_writer *w, const char *name, tempo_npy_type type, const uint64_t *shape,
                           unsigned n_dims, const void *data, tempo_err *err)
{
    pieces a = {.data = data};
    uint64_t bytes;
    tempo_status st;

    if ((st = check_name(name, err)) != TEMPO_OK)
        return st;
    if ((size_t)type >= TEMPO_NPY_BF16)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "array %s: type %d is none of the numeric ones",
                          name, (int)type);
    if (n_dims > TEMPO_NPY_MAX_DIMS)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "array %s: %u dimensions, at most %d can be saved", name, n_dims,
                          TEMPO_NPY_MAX_DIMS);
    if (!tempo_npy_data_bytes(type, shape, n_dims, &bytes) || bytes > SIZE_MAX - sizeof(a.header))
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "array %s: the shape's product overflows", name);
    a.data_bytes = (size_t)bytes;
    a.header_bytes = tempo_npy_put_header(a.header, type, 0, shape, n_dims);
    return add_entry(w, name, &a, err);
}

/* The next character of valid UTF-8. */
static uint32_t next_char(const unsigned char **p)
{
    const unsigned char first = *(*p)++;
    const unsigned more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? first : first & (0x3fu >> more);

    for (unsigned i = 0; i < more; i++)
        c = c << 6 | (*(*p)++ & 0x3fu);
    return c;
}

tempo_status tempo_npz_add_text(tempo_npz_writer *w, const char *name, const char *utf8, tempo_err *err)
{
    const size_t n = strlen(utf8), valid = tempo_utf8_valid(utf8, n);
    const unsigned char *p = (const unsigned char *)utf8;
    pieces a = {0};
    size_t length = 0;
    tempo_status st;

    if ((st = check_name(name, err)) != TEMPO_OK)
        return st;
    if (valid != n)
        return tempo_fail(err, TEMPO_E_FORMAT, valid, "array %s: the text is not UTF-8", name);
    if (n > UINT32_MAX / 4 - 1)
        return tempo_fail(err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "array %s: a text of %zu bytes", name, n);
    uint32_t *text = calloc(n + 1, sizeof(*text));
    if (text == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "array %s: no memory for its text", name);
    while (*p != '\0')
        text[length++] = next_char(&p);
    if (length == 0) /* as NumPy has it: an empty text is one character of padding */
        length = 1;
    a.data = text;
    a.data_bytes = length * sizeof(*text);
    a.header_bytes = tempo_npy_put_header(a.header, TEMPO_NPY_UNICODE, (uint32_t)length, NULL, 0);
    st = add_entry(w, name, &a, err);
    free(text);
    return st;
}

uint64_t tempo_npz_pos(const tempo_npz_writer *w)
{
    return tempo_outfile_pos(w->file);
}

/* ---- the end ------------------------------------------------------------------------- */

static tempo_status write_directory(tempo_npz_writer *w, tempo_err *err)
{
    unsigned char header[TEMPO_ZIP_HEADER_BYTES];
    const uint64_t at = tempo_outfile_pos(w->file);
    tempo_status st;

    for (size_t i = 0; i < w->n; i++)
        if ((st = tempo_outfile_write(w->file, header, tempo_zip_put_central(header, &w->entries[i]), err)) !=
            TEMPO_OK)
            return st;
    const size_t n = tempo_zip_put_end(header, w->n, at, tempo_outfile_pos(w->file) - at);
    return tempo_outfile_write(w->file, header, n, err);
}

tempo_status tempo_npz_commit(tempo_npz_writer *w, tempo_err *err)
{
    tempo_status st = write_directory(w, err);

    if (st == TEMPO_OK) {
        st = tempo_outfile_commit(w->file, err);
        w->file = NULL;
    }
    tempo_npz_abort(w);
    return st;
}

void tempo_npz_abort(tempo_npz_writer *w)
{
    if (w == NULL)
        return;
    tempo_outfile_abort(w->file);
    for (size_t i = 0; i < w->n; i++)
        free((char *)(uintptr_t)w->entries[i].name.p);
    free(w->entries);
    free(w->slots);
    free(w);
}
