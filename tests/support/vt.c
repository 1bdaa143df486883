#include "vt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static void clear(vt *t)
{
    for (int y = 0; y < VT_HEIGHT; y++)
        for (int x = 0; x < VT_WIDTH; x++)
            (void)strcpy(t->cells[y][x], " ");
}

void vt_init(vt *t, int width, int height)
{
    memset(t, 0, sizeof(*t));
    t->cursor = t->wrap = true;
    vt_resize(t, width, height);
}

void vt_resize(vt *t, int width, int height)
{
    t->width = width < VT_WIDTH ? width : VT_WIDTH;
    t->height = height < VT_HEIGHT ? height : VT_HEIGHT;
    t->x = t->y = 0;
    clear(t);
}

static void put_plain(vt *t, const char *s, size_t n)
{
    if (!t->alternate && t->n_plain + n < sizeof(t->plain)) {
        memcpy(t->plain + t->n_plain, s, n);
        t->n_plain += n;
    }
}

static void put_character(vt *t, const char *s, size_t n)
{
    utf8proc_int32_t c;

    put_plain(t, s, n);
    if (utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &c) < 0)
        return;
    const int width = utf8proc_charwidth(c);
    if (width == 0) { /* a mark: to the character before */
        const int x = t->x > 0 && t->x <= t->width ? t->x - 1 : 0;
        char *cell = t->cells[t->y][x];
        const size_t len = strlen(cell);
        if (len + n < sizeof(t->cells[0][0])) {
            memcpy(cell + len, s, n);
            cell[len + n] = '\0';
        }
        return;
    }
    if (t->x + width > t->width)
        t->x = t->width - width < 0 ? 0 : t->width - width;
    if (t->cells[t->y][t->x][0] == '\0' && t->x > 0) /* half of a wide character is gone: so is the other */
        (void)strcpy(t->cells[t->y][t->x - 1], " ");
    if (t->x + width < VT_WIDTH && t->cells[t->y][t->x + width][0] == '\0')
        (void)strcpy(t->cells[t->y][t->x + width], " ");
    (void)snprintf(t->cells[t->y][t->x], sizeof(t->cells[0][0]), "%.*s", (int)n, s);
    if (width == 2 && t->x + 1 < VT_WIDTH)
        t->cells[t->y][t->x + 1][0] = '\0';
    t->x += width;
}

static void set_mode(vt *t, int mode, bool on)
{
    if (mode == 1049) {
        if (on)
            clear(t);
        t->alternate = on;
    } else if (mode == 25) {
        t->cursor = on;
    } else if (mode == 7) {
        t->wrap = on;
    } else {
        t->unknown++;
    }
}

/* p[n]: what stands between ESC [ and the final byte */
static void do_sequence(vt *t, const char *p, char final)
{
    int a = 1, b = 1;

    switch (final) {
    case 'm':
        t->colored |= strstr(p, "38;5;") != NULL || strstr(p, "48;5;") != NULL;
        break;
    case 'H':
        (void)sscanf(p, "%d;%d", &a, &b);
        t->y = a < 1 || a > t->height ? 0 : a - 1;
        t->x = b < 1 || b > t->width ? 0 : b - 1;
        t->outside += a < 1 || a > t->height || b < 1 || b > t->width;
        break;
    case 'J':
        t->unknown += strcmp(p, "2") != 0;
        clear(t);
        break;
    case 'K':
        break;
    case 'h':
    case 'l':
        if (p[0] == '?')
            set_mode(t, atoi(p + 1), final == 'h');
        else
            t->unknown++;
        break;
    default:
        t->unknown++;
    }
}

static void feed_byte(vt *t, char c)
{
    char *p = t->pending;

    t->n_fed++;
    if (c == '\033' && t->n_pending > 0) {
        t->cut++;
        t->n_pending = 0;
    }
    p[t->n_pending++] = c;
    p[t->n_pending] = '\0';
    if (t->n_pending + 2 > sizeof(t->pending)) {
        t->unknown++;
        t->n_pending = 0;
    } else if (p[0] == '\033') {
        if (t->n_pending == 2 && c != '[') {
            t->unknown++;
            t->n_pending = 0;
        } else if (t->n_pending > 2 && c >= 0x40 && c <= 0x7e) {
            p[t->n_pending - 1] = '\0';
            t->n_pending = 0;
            do_sequence(t, p + 2, c);
        }
    } else if ((unsigned char)p[0] < 0x20 || p[0] == 0x7f) {
        put_plain(t, p, 1);
        if (t->alternate || strchr("\r\n\t", p[0]) == NULL)
            t->unknown++;
        t->n_pending = 0;
    } else {
        utf8proc_int32_t u;
        if (utf8proc_iterate((utf8proc_uint8_t *)p, (utf8proc_ssize_t)t->n_pending, &u) > 0) {
            t->unknown += u >= 0x80 && u < 0xa0;
            if (t->alternate)
                put_character(t, p, t->n_pending);
            else
                put_plain(t, p, t->n_pending);
            t->n_pending = 0;
        } else if (t->n_pending >= 4) {
            t->unknown++;
            t->n_pending = 0;
        }
    }
}

void vt_feed(vt *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const size_t before = t->unknown + t->cut;
        feed_byte(t, s[i]);
        if (before == 0 && t->unknown + t->cut > 0)
            t->strange_at = t->n_fed;
    }
}

const char *vt_row(const vt *t, int y)
{
    static char row[VT_WIDTH * 32];
    size_t n = 0;

    row[0] = '\0';
    for (int x = 0; x < t->width; x++) {
        const size_t len = strlen(t->cells[y][x]);
        memcpy(row + n, t->cells[y][x], len);
        n += len;
    }
    while (n > 0 && row[n - 1] == ' ')
        n--;
    row[n] = '\0';
    return row;
}

bool vt_shows(const vt *t, const char *text)
{
    for (int y = 0; y < t->height; y++)
        if (strstr(vt_row(t, y), text) != NULL)
            return true;
    return false;
}
