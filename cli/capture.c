/* capture.c - --record, --max-capture, and sizes. */
#include "cli/capture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "layers=20-27" or "heads=0-3", n characters. */
static bool parse_range(const char *text, size_t n, tempo_capture_options *o)
{
    char word[48], *end;
    const bool layers = strncmp(text, "layers=", 7) == 0, heads = strncmp(text, "heads=", 6) == 0;

    if ((!layers && !heads) || n >= sizeof(word))
        return false;
    memcpy(word, text, n);
    word[n] = '\0';
    const char *p = strchr(word, '=') + 1;
    if (strspn(p, "0123456789-") != strlen(p) || *p == '-' || strlen(p) > 20)
        return false;
    const unsigned long first = strtoul(p, &end, 10);
    unsigned long last = first; /* one number is a range, too */
    if (*end == '-') {
        if (end[1] < '0' || end[1] > '9')
            return false;
        last = strtoul(end + 1, &end, 10);
    }
    if (*end != '\0' || first > last || last >= UINT32_MAX)
        return false;
    *(layers ? &o->first_layer : &o->first_head) = (uint32_t)first;
    *(layers ? &o->last_layer : &o->last_head) = (uint32_t)last;
    return true;
}

static unsigned record_bit(const char *text, size_t n)
{
    static const char *const names[] = {"attention", "logits", "positions", "kv"};

    for (unsigned i = 0; i < 4; i++)
        if (strlen(names[i]) == n && memcmp(names[i], text, n) == 0)
            return 1u << i;
    return 0;
}

bool parse_record(const char *text, tempo_capture_options *o)
{
    bool narrowing = false; /* a range may follow: the last name was attention */

    o->record = 0;
    for (const char *p = text;; p++) {
        const size_t n = strcspn(p, ","), name = strcspn(p, ":,");
        if (narrowing && memchr(p, '=', name) != NULL) {
            if (name != n || !parse_range(p, n, o))
                return false;
        } else {
            const unsigned bit = record_bit(p, name);
            if (bit == 0 || (o->record & bit) != 0)
                return false;
            o->record |= bit;
            narrowing = bit == TEMPO_RECORD_ATTENTION && name < n;
            if (name < n && (!narrowing || !parse_range(p + name + 1, n - name - 1, o)))
                return false;
        }
        if (*(p += n) == '\0')
            return true;
    }
}

bool parse_bytes(const char *text, uint64_t *out)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {{"", 1}, {"B", 1}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
    char *end;
    const double v = strtod(text, &end);

    if (text[0] < '0' || text[0] > '9' || strspn(text, "0123456789.") != (size_t)(end - text))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (strcmp(end, units[i].name) == 0 && v * units[i].factor < 1e18) {
            *out = (uint64_t)(v * units[i].factor);
            return *out > 0 || v <= 0; /* less than a byte is not "no limit" */
        }
    return false;
}

const char *bytes_text(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t unit = 0;

    for (; v >= 999.95 && unit < 4; unit++)
        v /= 1000;
    (void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", v, units[unit]);
    return out;
}

bool has_entries(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool some = false;

    while (d != NULL && (e = readdir(d)) != NULL)
        some |= strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d != NULL)
        (void)closedir(d);
    return some;
}
