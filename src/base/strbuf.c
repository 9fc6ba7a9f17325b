#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { STRBUF_MIN_CAP = 64 };

void strbuf_fini(struct strbuf *sb)
{
    free(sb->data);
    *sb = STRBUF_INIT;
}

void strbuf_reset(struct strbuf *sb)
{
    sb->len = 0;
    sb->failed = false;
    if (sb->data) {
        sb->data[0] = '\0';
    }
}

int strbuf_reserve(struct strbuf *sb, size_t more)
{
    if (sb->failed) {
        return ERR_NOMEM;
    }
    if (more < sb->cap - sb->len) { /* cap - len > more: the NUL fits too */
        return 0;
    }
    if (more > SIZE_MAX / 4 || sb->len > SIZE_MAX / 4) {
        goto fail;
    }
    size_t need = sb->len + more + 1;
    size_t cap = sb->cap * 2 > need ? sb->cap * 2 : need;
    if (cap < STRBUF_MIN_CAP) {
        cap = STRBUF_MIN_CAP;
    }
    char *data = realloc(sb->data, cap);
    if (!data) {
        goto fail;
    }
    data[sb->len] = '\0';
    sb->data = data;
    sb->cap = cap;
    return 0;
fail:
    sb->failed = true;
    return ERR_NOMEM;
}

void strbuf_add(struct strbuf *sb, const void *p, size_t len)
{
    if (len == 0 || strbuf_reserve(sb, len) != 0) {
        return;
    }
    memcpy(sb->data + sb->len, p, len);
    sb->len += len;
    sb->data[sb->len] = '\0';
}

void strbuf_addc(struct strbuf *sb, char c)
{
    strbuf_add(sb, &c, 1);
}

void strbuf_adds(struct strbuf *sb, const char *cstr)
{
    strbuf_addstr(sb, str_of(cstr));
}

void strbuf_addstr(struct strbuf *sb, struct str s)
{
    strbuf_add(sb, s.p, s.len);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
    if (sb->failed) {
        return;
    }
    size_t room = sb->cap - sb->len;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(room ? sb->data + sb->len : NULL, room, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n >= room) {
        if (room) {
            sb->data[sb->len] = '\0'; /* undo the cut attempt if reserving fails */
        }
        if (strbuf_reserve(sb, (size_t)n) != 0) {
            return;
        }
        va_start(ap, fmt);
        n = vsnprintf(sb->data + sb->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    if (n < 0) {
        sb->failed = true;
        return;
    }
    sb->len += (size_t)n;
}

void strbuf_add_u64(struct strbuf *sb, uint64_t v)
{
    char buf[20];
    size_t at = sizeof buf;
    do {
        buf[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    strbuf_add(sb, buf + at, sizeof buf - at);
}

char *strbuf_steal(struct strbuf *sb, size_t *len)
{
    if (!sb->data) {
        (void)strbuf_reserve(sb, 0);
    }
    if (sb->failed) {
        strbuf_fini(sb);
        if (len) {
            *len = 0;
        }
        return NULL;
    }
    char *data = sb->data;
    if (len) {
        *len = sb->len;
    }
    *sb = STRBUF_INIT;
    return data;
}
