/* zip_read.c - the directory of a zip archive, every entry of it checked against the archive.
 *
 * From the end: end record (and zip64's), directory, local headers.  An archive must be exactly that: the
 * directory right in front of its end record, and offsets that count from the first byte. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/zip.h"

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    MAX_COMMENT = 0xffff,
    FLAG_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13,
    FLAG_SIZES_LATER = 1 << 3, /* the local header may have zeros for CRC and sizes */
    FLAG_PATCH = 1 << 5,
    EXTRA_ZIP64 = 0x0001,
};

#define FULL32 UINT32_C(0xffffffff) /* "see zip64" */
#define FULL16 UINT32_C(0xffff)

#define SIGN_LOCAL UINT32_C(0x04034b50)
#define SIGN_CENTRAL UINT32_C(0x02014b50)
#define SIGN_END UINT32_C(0x06054b50)
#define SIGN_END64 UINT32_C(0x06064b50)
#define SIGN_LOCATOR UINT32_C(0x07064b50)

/* ---- bytes --------------------------------------------------------------------------- */

static uint64_t get(const unsigned char *p, unsigned n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static uint16_t get16(const unsigned char *p)
{
    return (uint16_t)get(p, 2);
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)get(p, 4);
}

/* The next n bytes of r, which begin with a signature. */
static tempo_status take_record(tempo_reader *r, const char *what, uint32_t sign, uint64_t n,
                                const unsigned char **out)
{
    const uint64_t at = r->pos;
    tempo_status st = tempo_rd_skip(r, what, n);

    *out = r->base + at;
    if (st == TEMPO_OK && get32(*out) != sign)
        st = tempo_fail(r->err, TEMPO_E_FORMAT, at, "%s begins with %#" PRIx32 ", expected %#" PRIx32, what,
                        get32(*out), sign);
    return st;
}

/* ---- the end ------------------------------------------------------------------------- */

typedef struct directory {
    uint64_t n, at, size, end; /* end: offset of the record behind it */
} directory;

/* Offset of the end record: the last place whose comment reaches to the end of the file. */
static tempo_status find_end(const unsigned char *base, uint64_t size, uint64_t *out, tempo_err *err)
{
    for (uint64_t back = END_BYTES; back <= size && back <= END_BYTES + MAX_COMMENT; back++) {
        const unsigned char *p = base + (size - back);
        if (get32(p) == SIGN_END && get16(p + 20) == back - END_BYTES) {
            *out = size - back;
            return TEMPO_OK;
        }
    }
    return tempo_fail(err, TEMPO_E_FORMAT, size, "no end of a zip archive in %" PRIu64 " bytes", size);
}

/* Zip64's end record, through the locator in front of the plain one. */
static tempo_status read_end64(tempo_reader *r, uint64_t end_at, directory *d)
{
    const unsigned char *p;
    tempo_status st;

    r->pos = end_at - LOCATOR_BYTES;
    if ((st = take_record(r, "zip64 locator", SIGN_LOCATOR, LOCATOR_BYTES, &p)) != TEMPO_OK)
        return st;
    const uint64_t at = get(p + 8, 8);
    if (get32(p + 4) != 0 || get32(p + 16) != 1)
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, end_at - LOCATOR_BYTES, "an archive in several parts");
    if (end_at - LOCATOR_BYTES < END64_BYTES || at > end_at - LOCATOR_BYTES - END64_BYTES)
        return tempo_fail(r->err, TEMPO_E_FORMAT, end_at - LOCATOR_BYTES + 8,
                          "zip64 end record at %" PRIu64 ", expected in front of its locator", at);
    r->pos = at;
    if ((st = take_record(r, "zip64 end record", SIGN_END64, END64_BYTES, &p)) != TEMPO_OK)
        return st;
    if (get(p + 4, 8) != end_at - LOCATOR_BYTES - at - 12)
        return tempo_fail(r->err, TEMPO_E_FORMAT, at + 4,
                          "zip64 end record is %" PRIu64 " bytes long, expected %" PRIu64, get(p + 4, 8),
                          end_at - LOCATOR_BYTES - at - 12);
    if (get32(p + 16) != 0 || get32(p + 20) != 0 || get(p + 24, 8) != get(p + 32, 8))
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, at + 16, "an archive in several parts");
    *d = (directory){.n = get(p + 32, 8), .size = get(p + 40, 8), .at = get(p + 48, 8), .end = at};
    return TEMPO_OK;
}

static tempo_status read_end(tempo_reader *r, directory *d)
{
    const unsigned char *p;
    uint64_t at = 0, end;
    tempo_status st;

    if ((st = find_end(r->base, r->size, &at, r->err)) != TEMPO_OK)
        return st;
    p = r->base + at;
    if (get16(p + 4) != 0 || get16(p + 6) != 0 || get16(p + 8) != get16(p + 10))
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, at + 4, "an archive in several parts");
    *d = (directory){.n = get16(p + 10), .size = get32(p + 12), .at = get32(p + 16), .end = at};
    if ((d->n == FULL16 || d->size == FULL32 || d->at == FULL32) && at >= LOCATOR_BYTES &&
        get32(p - LOCATOR_BYTES) == SIGN_LOCATOR && (st = read_end64(r, at, d)) != TEMPO_OK)
        return st;
    if (__builtin_add_overflow(d->at, d->size, &end) || end != d->end)
        return tempo_fail(r->err, TEMPO_E_FORMAT, at + 12,
                          "directory at %" PRIu64 " + %" PRIu64 ", expected to end at %" PRIu64, d->at,
                          d->size, d->end);
    if (d->n > d->size / CENTRAL_BYTES)
        return tempo_fail(r->err, TEMPO_E_FORMAT, at + 10,
                          "%" PRIu64 " entries in a directory of %" PRIu64 " bytes", d->n, d->size);
    return TEMPO_OK;
}

/* ---- entries ------------------------------------------------------------------------- */

/* Find zip64's numbers among the extra fields [r->pos, end) for those of v[n] that are FULL32. */
static tempo_status read_extra(tempo_reader *r, uint64_t end, uint64_t *const *v, unsigned n)
{
    const uint64_t size = r->size;
    uint16_t id = 0, len = 0;
    tempo_status st = TEMPO_OK;

    r->size = end; /* nothing may reach over it */
    while (r->pos < end && id != EXTRA_ZIP64) {
        if ((st = tempo_rd_u16(r, "extra field", &id)) != TEMPO_OK ||
            (st = tempo_rd_u16(r, "extra field", &len)) != TEMPO_OK)
            goto out;
        if (id != EXTRA_ZIP64 && (st = tempo_rd_skip(r, "extra field", len)) != TEMPO_OK)
            goto out;
    }
    if (id == EXTRA_ZIP64 && len <= end - r->pos)
        r->size = r->pos + len;
    for (unsigned i = 0; i < n && st == TEMPO_OK; i++)
        if (*v[i] == FULL32)
            st = tempo_rd_u64(r, "zip64 number", v[i]);
out:
    r->size = size;
    return st;
}

static tempo_status check_name(const tempo_zip_entry *e, uint64_t at, tempo_err *err)
{
    if (e->name.n == 0 || e->name.n > TEMPO_ZIP_MAX_NAME)
        return tempo_fail(err, TEMPO_E_FORMAT, at, "entry's name is %" PRIu64 " bytes long, expected 1 to %d",
                          e->name.n, TEMPO_ZIP_MAX_NAME);
    const size_t valid = tempo_utf8_valid(e->name.p, (size_t)e->name.n);
    if (valid < e->name.n)
        return tempo_fail(err, TEMPO_E_FORMAT, at + valid, "entry's name is not UTF-8");
    for (uint64_t i = 0; i < e->name.n; i++)
        if ((unsigned char)e->name.p[i] < 0x20 || e->name.p[i] == 0x7f)
            return tempo_fail(err, TEMPO_E_FORMAT, at + i, "control character in an entry's name");
    return TEMPO_OK;
}

static tempo_status check_flags(uint16_t flags, uint64_t at, tempo_err *err)
{
    if ((flags & FLAG_ENCRYPTED) != 0)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, at, "an encrypted entry");
    if ((flags & FLAG_PATCH) != 0)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, at, "an entry that is a patch");
    return TEMPO_OK;
}

/* One entry of the directory. */
static tempo_status read_central(tempo_reader *r, tempo_zip_entry *e)
{
    const uint64_t at = r->pos;
    const unsigned char *p;
    tempo_status st;

    if ((st = take_record(r, "directory entry", SIGN_CENTRAL, CENTRAL_BYTES, &p)) != TEMPO_OK)
        return st;
    *e = (tempo_zip_entry){.method = get16(p + 10),
                           .crc = get32(p + 16),
                           .packed = get32(p + 20),
                           .size = get32(p + 24),
                           .offset = get32(p + 42),
                           .listed = at};
    const uint64_t n_name = get16(p + 28), n_extra = get16(p + 30), n_comment = get16(p + 32);
    const uint64_t extra_at = at + CENTRAL_BYTES + n_name;
    if ((st = tempo_rd_skip(r, "directory entry's name, extra fields and comment",
                            n_name + n_extra + n_comment)) != TEMPO_OK)
        return st;
    e->name = (tempo_str){(const char *)p + CENTRAL_BYTES, n_name};
    if ((st = check_name(e, at + CENTRAL_BYTES, r->err)) != TEMPO_OK ||
        (st = check_flags(get16(p + 8), at + 8, r->err)) != TEMPO_OK)
        return st;
    if (get16(p + 34) != 0)
        return tempo_fail(r->err, TEMPO_E_UNSUPPORTED, at + 34, "an archive in several parts");
    const uint64_t next = r->pos;
    r->pos = extra_at;
    st = read_extra(r, extra_at + n_extra, (uint64_t *const[]){&e->size, &e->packed, &e->offset}, 3);
    r->pos = next;
    return st;
}

/* Checksum and sizes of a local header at p, whose n_extra bytes of extra fields end at e->data. */
static tempo_status check_local_numbers(tempo_reader *r, const unsigned char *p, uint64_t n_extra,
                                        const tempo_zip_entry *e)
{
    uint64_t size = get32(p + 22), packed = get32(p + 18);
    tempo_status st;

    r->pos = e->data - n_extra;
    if ((st = read_extra(r, e->data, (uint64_t *const[]){&size, &packed}, 2)) != TEMPO_OK)
        return st;
    if (get32(p + 14) != e->crc || size != e->size || packed != e->packed)
        return tempo_fail(r->err, TEMPO_E_FORMAT, e->offset + 14,
                          "checksum or sizes in the local header are not the directory's");
    return TEMPO_OK;
}

/* The local header in front of an entry's bytes must say the same as the directory; sets e->data. */
static tempo_status read_local(tempo_reader *r, tempo_zip_entry *e)
{
    const unsigned char *p;
    tempo_status st;

    r->pos = e->offset;
    if ((st = take_record(r, "local header", SIGN_LOCAL, LOCAL_BYTES, &p)) != TEMPO_OK)
        return st;
    const uint64_t n_name = get16(p + 26), n_extra = get16(p + 28);
    if ((st = tempo_rd_skip(r, "local header's name and extra fields", n_name + n_extra)) != TEMPO_OK)
        return st;
    e->data = r->pos;
    if (n_name != e->name.n || memcmp(p + LOCAL_BYTES, e->name.p, (size_t)n_name) != 0 ||
        get16(p + 8) != e->method)
        return tempo_fail(r->err, TEMPO_E_FORMAT, e->offset,
                          "local header is of another entry than the directory's");
    if ((st = check_flags(get16(p + 6), e->offset + 6, r->err)) != TEMPO_OK)
        return st;
    if ((get16(p + 6) & FLAG_SIZES_LATER) != 0)
        return TEMPO_OK;
    return check_local_numbers(r, p, n_extra, e);
}

/* Where an entry's bytes are; r ends where the directory begins. */
static tempo_status locate(tempo_reader *r, tempo_zip_entry *e)
{
    tempo_status st;

    if (e->offset > r->size)
        return tempo_fail(r->err, TEMPO_E_FORMAT, e->listed + 42,
                          "entry at %" PRIu64 " is past the directory at %" PRIu64, e->offset, r->size);
    if ((st = read_local(r, e)) != TEMPO_OK)
        return st;
    if (e->packed > r->size - e->data)
        return tempo_fail(r->err, TEMPO_E_FORMAT, e->data,
                          "entry of %" PRIu64 " bytes reaches into the directory at %" PRIu64, e->packed,
                          r->size);
    if (e->method == TEMPO_ZIP_STORED && e->packed != e->size)
        return tempo_fail(r->err, TEMPO_E_FORMAT, e->offset,
                          "stored entry has two sizes: %" PRIu64 " and %" PRIu64, e->packed, e->size);
    return TEMPO_OK;
}

static int by_offset(const void *a, const void *b)
{
    const tempo_zip_entry *x = *(const tempo_zip_entry *const *)a, *y = *(const tempo_zip_entry *const *)b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Entries that share bytes would let a small archive unpack to any amount. */
static tempo_status check_overlap(const tempo_zip *z, tempo_err *err)
{
    const tempo_zip_entry **order =
        malloc((z->n + 1) * sizeof(*order)); /* n was bounded by the bytes there are */
    tempo_status st = TEMPO_OK;

    if (order == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %zu entries", z->n);
    for (size_t i = 0; i < z->n; i++)
        order[i] = &z->entries[i];
    qsort(order, z->n, sizeof(*order), by_offset);
    for (size_t i = 1; i < z->n && st == TEMPO_OK; i++)
        if (order[i]->offset < order[i - 1]->data + order[i - 1]->packed)
            st = tempo_fail(err, TEMPO_E_FORMAT, order[i]->offset, "entries overlap");
    free(order);
    return st;
}

tempo_status tempo_zip_parse(tempo_zip *out, const unsigned char *base, uint64_t size, tempo_err *err)
{
    tempo_reader r = {base, size, 0, err};
    directory d = {0};
    tempo_status st;

    *out = (tempo_zip){.base = base, .size = size};
    if ((st = read_end(&r, &d)) != TEMPO_OK)
        goto out;
    out->entries = calloc((size_t)d.n + 1, sizeof(*out->entries));
    if (out->entries == NULL) {
        st = tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for %" PRIu64 " entries", d.n);
        goto out;
    }
    r = (tempo_reader){base, d.end, d.at, err};
    for (; out->n < d.n; out->n++)
        if ((st = read_central(&r, &out->entries[out->n])) != TEMPO_OK)
            goto out;
    if (r.pos != d.end) {
        st = tempo_fail(err, TEMPO_E_FORMAT, r.pos, "directory goes on after its %" PRIu64 " entries", d.n);
        goto out;
    }
    r.size = d.at;
    for (size_t i = 0; i < out->n; i++)
        if ((st = locate(&r, &out->entries[i])) != TEMPO_OK)
            goto out;
    st = check_overlap(out, err);
out:
    if (st != TEMPO_OK)
        tempo_zip_free(out);
    return st;
}

void tempo_zip_free(tempo_zip *z)
{
    free(z->entries);
    *z = (tempo_zip){0};
}
