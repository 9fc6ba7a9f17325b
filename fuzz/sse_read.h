/* sse_read.h - a client's half of Server-Sent Events, as strict as what the
 * gateway promises to write (proto/sse.h). */
#ifndef FF_FUZZ_SSE_READ_H
#define FF_FUZZ_SSE_READ_H

#include "fuzz.h"

struct sse_event {
    struct str type; /* "message" if there was no line for it */
    struct str id, data, retry;
    bool has_id;
};

/* The next whole event of `s`, comments left out; false at the end. */
static inline bool sse_next(struct str *s, struct sse_event *out)
{
    bool any = false, has_data = false;

    *out = (struct sse_event){.type = STR_LIT("message")};
    while (s->len) {
        const char *lf = memchr(s->p, '\n', s->len);
        FUZZ_CHECK(lf != NULL, "a line has no end: %.*s", FUZZ_STR(*s));
        struct str line = {s->p, (size_t)(lf - s->p)};
        s->p += line.len + 1;
        s->len -= line.len + 1;
        FUZZ_CHECK(utf8_valid(line), "%.*s", FUZZ_STR(line));
        for (size_t i = 0; i < line.len; i++) { /* DEL is no control for JSON */
            FUZZ_CHECK((unsigned char)line.p[i] >= 0x20, "%.*s", FUZZ_STR(line));
        }
        if (line.len == 0) {
            FUZZ_CHECK(any && has_data, "an event without data");
            return true;
        }
        if (line.p[0] == ':') {
            continue;
        }
        any = true;
        const char *colon = memchr(line.p, ':', line.len);
        FUZZ_CHECK(colon && colon + 1 < line.p + line.len && colon[1] == ' ', "%.*s",
                   FUZZ_STR(line));
        struct str name = {line.p, (size_t)(colon - line.p)};
        struct str value = {colon + 2, line.len - name.len - 2};
        if (str_eqz(name, "event")) {
            out->type = value;
        } else if (str_eqz(name, "id")) {
            out->id = value;
            out->has_id = true;
        } else if (str_eqz(name, "retry")) {
            out->retry = value;
        } else {
            FUZZ_CHECK(str_eqz(name, "data") && !has_data, "%.*s", FUZZ_STR(line));
            out->data = value;
            has_data = true;
        }
    }
    FUZZ_CHECK(!any, "the last event has no end");
    return false;
}

#endif
