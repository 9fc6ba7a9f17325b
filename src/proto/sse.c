#include "proto/sse.h"

#include <assert.h>

static bool one_line(struct str s)
{
    return s.len == 0 ||
           (!memchr(s.p, '\n', s.len) && !memchr(s.p, '\r', s.len) && !memchr(s.p, '\0', s.len));
}

static void add_field(struct strbuf *out, const char *name, struct str value)
{
    assert(one_line(value));
    strbuf_adds(out, name);
    strbuf_addstr(out, value);
    strbuf_addc(out, '\n');
}

void sse_add_event(struct strbuf *out, struct str type, struct str id, struct str data)
{
    if (!str_eqz(type, "message")) {
        add_field(out, "event: ", type);
    }
    if (id.len > 0) {
        add_field(out, "id: ", id);
    }
    add_field(out, "data: ", data);
    strbuf_addc(out, '\n');
}

void sse_add_retry(struct strbuf *out, uint32_t ms)
{
    strbuf_adds(out, "retry: ");
    strbuf_add_u64(out, ms);
    strbuf_addc(out, '\n');
}
