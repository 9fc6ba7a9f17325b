#include "http/lane_json.h"

void add_cursor_or_null(struct strbuf *out, struct cursor c)
{
    char text[CURSOR_MAX];

    if (c.seq == 0) {
        strbuf_adds(out, "null");
        return;
    }
    cursor_format(c, text);
    strbuf_addf(out, "\"%s\"", text);
}

void add_lane(struct strbuf *out, struct router *router, enum target_kind kind, struct str name,
              uint64_t *queued)
{
    struct lane_info info = {0};

    (void)router_lane(router, kind, name, &info); /* what nothing is known of has nothing */
    strbuf_addf(out,
                "{\"messages\":%llu,\"bytes\":%llu,\"first\":", (unsigned long long)info.messages,
                (unsigned long long)info.bytes);
    add_cursor_or_null(out, info.first);
    strbuf_adds(out, ",\"last\":");
    add_cursor_or_null(out, info.last);
    strbuf_adds(out, ",\"evicted\":");
    add_cursor_or_null(out, info.evicted);
    strbuf_addc(out, '}');
    if (queued) {
        *queued = info.queued;
    }
}
