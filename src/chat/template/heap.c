/* heap.c - memory of templates, text that grows, failures with a place. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/parts.h"

typedef struct tempo_chat_block {
    struct tempo_chat_block *next;
    max_align_t data[];
} block;

enum { BLOCK = 16 << 10, ALIGN = _Alignof(max_align_t) };

void *tempo_chat_alloc(tempo_chat_heap *h, size_t n)
{
    n += n == 0; /* no memory is NULL only when there is none */
    n = n < (size_t)1 << 40 ? (n + ALIGN - 1) / ALIGN * ALIGN : SIZE_MAX;
    if (n > h->limit - h->used) {
        h->failed =
            tempo_fail(h->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %zu MiB of memory", h->limit >> 20);
        return NULL;
    }
    if (n > (size_t)(h->end - h->at)) {
        const size_t size = n > BLOCK / 2 ? n : BLOCK;
        block *b = malloc(sizeof(*b) + size);
        if (b == NULL) {
            h->failed =
                tempo_fail(h->err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "out of memory for a chat template");
            return NULL;
        }
        b->next = h->blocks;
        h->blocks = b;
        h->at = (unsigned char *)b->data;
        h->end = h->at + size;
    }
    void *p = h->at;
    h->at += n;
    h->used += n;
    return memset(p, 0, n);
}

void tempo_chat_heap_free(tempo_chat_heap *h)
{
    for (block *b = h->blocks; b != NULL;) {
        block *next = b->next;
        free(b);
        b = next;
    }
    *h = (tempo_chat_heap){0};
}

/* ---- text ---- */

static tempo_status grow(tempo_chat_heap *h, tempo_chat_buffer *b, size_t n)
{
    size_t cap = b->cap == 0 ? 64 : b->cap;

    while (cap < n)
        cap *= 2;
    if (cap == b->cap)
        return TEMPO_OK;
    char *p = tempo_chat_alloc(h, 2 * cap);
    if (p == NULL)
        return h->failed;
    unsigned char *outside = (unsigned char *)p + cap;
    if (b->n > 0) {
        memcpy(p, b->p, b->n);
        memcpy(outside, b->outside, b->n);
    }
    b->p = p;
    b->outside = outside;
    b->cap = cap;
    return TEMPO_OK;
}

tempo_status tempo_chat_append(tempo_chat_heap *h, tempo_chat_buffer *b, tempo_chat_str s)
{
    if (s.n > TEMPO_CHAT_MAX_OUTPUT - b->n)
        return tempo_fail(h->err, TEMPO_E_LIMIT, TEMPO_NO_OFFSET, "more than %d MiB of text",
                          TEMPO_CHAT_MAX_OUTPUT >> 20);
    const tempo_status st = grow(h, b, b->n + s.n);
    if (st != TEMPO_OK || s.n == 0)
        return st;
    memcpy(b->p + b->n, s.p, s.n);
    if (s.outside != NULL) {
        memcpy(b->outside + b->n, s.outside, s.n);
        b->any_outside = true;
    }
    b->n += s.n;
    return TEMPO_OK;
}

tempo_status tempo_chat_append_like(tempo_chat_heap *h, tempo_chat_buffer *b, const char *text, size_t n,
                                    tempo_chat_str s, size_t at)
{
    unsigned char outside[16];

    if (s.outside == NULL || s.outside[at] == 0)
        return tempo_chat_append(h, b, (tempo_chat_str){text, NULL, n});
    memset(outside, 1, sizeof(outside));
    return tempo_chat_append(h, b,
                             (tempo_chat_str){text, outside, n < sizeof(outside) ? n : sizeof(outside)});
}

bool tempo_chat_is(tempo_chat_str s, const char *text)
{
    return strlen(text) == s.n && memcmp(s.p, text, s.n) == 0;
}

bool tempo_chat_same(tempo_chat_str a, tempo_chat_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

tempo_chat_str tempo_chat_literal(const char *text)
{
    return (tempo_chat_str){text, NULL, strlen(text)};
}

/* ---- failures ---- */

tempo_status tempo_chat_fail(const tempo_chat_program *p, size_t at, tempo_status code, tempo_err *err,
                             const char *fmt, ...)
{
    char what[sizeof(err->msg)];
    size_t line = 1, column = 1;
    va_list ap;

    for (size_t i = 0; i < at && i < p->n; i++) {
        column += ((unsigned char)p->text[i] & 0xc0) != 0x80;
        if (p->text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return tempo_fail(err, code, at, "%s: line %zu, column %zu: %s", p->label, line, column, what);
}
