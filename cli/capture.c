/* capture.c - --max-capture, and sizes. */
#include "cli/capture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
