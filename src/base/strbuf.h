/* strbuf.h - a growing byte string.
 *
 * Errors are sticky: after a failed allocation every later call is a no-op
 * and strbuf_failed() says so; check once, at the end. */
#ifndef FF_BASE_STRBUF_H
#define FF_BASE_STRBUF_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf {
    char *data; /* NUL-terminated once anything was added; NULL before */
    size_t len; /* without the NUL */
    size_t cap;
    bool failed;
};

#define STRBUF_INIT ((struct strbuf){NULL, 0, 0, false})

/* Frees the memory and makes it STRBUF_INIT again. */
void strbuf_fini(struct strbuf *sb);
/* Length 0, failure forgotten, memory kept. */
void strbuf_reset(struct strbuf *sb);
/* Makes room for `more` bytes beyond len; ERR_NOMEM otherwise (sticky too). */
int strbuf_reserve(struct strbuf *sb, size_t more);
void strbuf_add(struct strbuf *sb, const void *p, size_t len);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_adds(struct strbuf *sb, const char *cstr);
void strbuf_addstr(struct strbuf *sb, struct str s);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) FF_PRINTF(2, 3);
void strbuf_add_u64(struct strbuf *sb, uint64_t v);
/* Hands the memory (NUL-terminated, free() it) to the caller; sb is empty
 * afterwards. NULL if it had failed (memory freed) or cannot allocate "". */
char *strbuf_steal(struct strbuf *sb, size_t *len);

static inline bool strbuf_failed(const struct strbuf *sb)
{
    return sb->failed;
}

static inline struct str strbuf_str(const struct strbuf *sb)
{
    return (struct str){sb->data, sb->len};
}

#endif
