#include "proto/control.h"

#include "proto/json.h"
#include "proto/sse.h"
#include "proto/wsframe.h"

const char *transport_name(enum transport t)
{
    return t == TRANSPORT_SSE ? "sse" : "websocket";
}

/* Adds the text frame of what was written to `body`, and frees it. */
static void add_ws(struct strbuf *out, struct strbuf *body)
{
    if (strbuf_failed(body)) {
        out->failed = true;
    } else {
        wsframe_add_text(out, strbuf_str(body));
    }
    strbuf_fini(body);
}

static void add_member(struct strbuf *out, const char *name, struct str json)
{
    strbuf_adds(out, name);
    if (json.len > 0) {
        strbuf_addstr(out, json);
    } else {
        strbuf_adds(out, "{}");
    }
}

void control_add(struct strbuf *out, enum transport t, struct str type, struct str cursor,
                 struct str data)
{
    struct strbuf body = STRBUF_INIT;

    strbuf_adds(&body, "{\"type\":");
    json_add_string(&body, type);
    if (cursor.len > 0) {
        strbuf_adds(&body, ",\"cursor\":");
        json_add_string(&body, cursor);
    }
    add_member(&body, ",\"data\":", data);
    strbuf_addc(&body, '}');
    if (t == TRANSPORT_WS) {
        add_ws(out, &body);
        return;
    }
    if (strbuf_failed(&body)) {
        out->failed = true;
    } else {
        sse_add_event(out, type, cursor, strbuf_str(&body));
    }
    strbuf_fini(&body);
}

static void begin_reply(struct strbuf *body, struct str ref, const char *ok)
{
    strbuf_adds(body, "{\"type\":\"fanfare.reply\"");
    if (ref.len > 0) {
        add_member(body, ",\"ref\":", ref);
    }
    strbuf_adds(body, ",\"ok\":");
    strbuf_adds(body, ok);
}

void control_add_reply_ok(struct strbuf *out, struct str ref, struct str data)
{
    struct strbuf body = STRBUF_INIT;

    begin_reply(&body, ref, "true");
    add_member(&body, ",\"data\":", data);
    strbuf_addc(&body, '}');
    add_ws(out, &body);
}

static void add_error(struct strbuf *body, struct str ref, const char *code, struct str message)
{
    begin_reply(body, ref, "false");
    strbuf_adds(body, ",\"error\":{\"code\":");
    json_add_cstring(body, code);
    strbuf_adds(body, ",\"message\":");
    json_add_lossy(body, message);
    strbuf_addc(body, '}');
}

void control_add_reply_error(struct strbuf *out, struct str ref, const char *code,
                             struct str message)
{
    struct strbuf body = STRBUF_INIT;

    add_error(&body, ref, code, message);
    strbuf_addc(&body, '}');
    add_ws(out, &body);
}

void control_add_reply_later(struct strbuf *out, struct str ref, const char *code,
                             struct str message, uint64_t retry_ms)
{
    struct strbuf body = STRBUF_INIT;

    add_error(&body, ref, code, message);
    strbuf_addf(&body, ",\"data\":{\"retryAfter\":%llu}}", (unsigned long long)retry_ms);
    add_ws(out, &body);
}
