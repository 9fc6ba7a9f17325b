/* buf.c */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void buf_room(struct buf *b, size_t n)
{
    if (b->cap - b->len >= n) {
        return;
    }
    size_t cap = b->cap > 0 ? b->cap : 256;
    while (cap - b->len < n) {
        cap *= 2;
    }
    char *p = realloc(b->p, cap);
    if (p == NULL) {
        fputs("bench-load: out of memory\n", stderr);
        exit(1);
    }
    b->p = p;
    b->cap = cap;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0) {
        return;
    }
    buf_room(b, n);
    memcpy(b->p + b->len, bytes, n);
    b->len += n;
}

void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    buf_room(b, 128);
    for (;;) {
        size_t room = b->cap - b->len;
        va_start(ap, fmt);
        int n = vsnprintf(b->p + b->len, room, fmt, ap);
        va_end(ap);
        if (n < 0) {
            return;
        }
        if ((size_t)n < room) {
            b->len += (size_t)n;
            return;
        }
        buf_room(b, (size_t)n + 1);
    }
}

void buf_addu(struct buf *b, uint64_t number)
{
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_add(b, digits + n, sizeof(digits) - n);
}

void buf_drop(struct buf *b, size_t n)
{
    b->len -= n;
    if (b->len > 0) {
        memmove(b->p, b->p + n, b->len);
    }
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}
