#include "conn/acting.h"

#include "conn/access.h"
#include "conn/notes.h"
#include "core/people.h"
#include "core/permit.h"

/* What a client may do in a second: each is told to all in a channel, which is why not more is
 * taken even without op-rate. */
#define SECOND_MAX 20

static const struct {
    const char *code, *text;
} acts[] = {
    [ACT_NO_USER] = {"no_user", "this client is anonymous; only what a user does is shown"},
    [ACT_NOT_SUBSCRIBED] = {"not_subscribed",
                            "this client is not subscribed to the channel by its name"},
    [ACT_FORBIDDEN] = {"forbidden", "the channel may not be subscribed to with this credential"},
    [ACT_FORBIDDEN_OUT] = {"forbidden_channel",
                           "this credential does not permit to publish to the channel"},
    [ACT_NOT_PERMITTED] = {"not_permitted", "the credential says the info of this client"},
    [ACT_RATE_LIMITED] = {"rate_limited", "too many users are typing, or this one in too many "
                                          "channels (max-typing)"},
    [ACT_TOO_FAST] = {"rate_limited", "a client may do this twenty times a second: others are told "
                                      "of each"},
    [ACT_BAD_CURSOR] = {"bad_cursor", "this is no position of this log, or one beyond its end"},
    [ACT_UNKNOWN_MESSAGE] = {"unknown_message",
                             "no message of this id is kept of the channel; use its cursor"},
    [ACT_BUSY] = {"overloaded",
                  "more waits to be delivered or stored than max-backlog, max-backlog-bytes or "
                  "store-queue allow; try again later"},
    [ACT_STORE] = {"store_failed", "the store does not take it; try again later"},
    [ACT_NOMEM] = {NULL, NULL},
};

const char *act_code(enum act a)
{
    return acts[a].code;
}

const char *act_text(enum act a)
{
    return acts[a].text;
}

static bool is_too_fast(struct stream *s)
{
    uint32_t second = (uint32_t)(s->env->now_ms / 1000);

    if (s->act_second != second) {
        s->act_second = second;
        s->acts = 0;
    }
    return s->acts >= SECOND_MAX;
}

enum act act_info(struct stream *s, struct str json)
{
    const struct grant *g = access_grant(s);

    if (g && g->s.info.len) {
        return ACT_NOT_PERMITTED;
    }
    if (stream_user(s).len == 0) {
        return ACT_NO_USER;
    }
    if (is_too_fast(s)) {
        return ACT_TOO_FAST;
    }
    s->acts++;
    return notes_set_info(s, json) == 0 ? ACT_DONE : ACT_NOMEM;
}

enum act act_typing(struct stream *s, struct str channel, bool on)
{
    const struct grant *g = access_grant(s);
    unsigned before = s->member.typing;
    int rc;

    if (stream_user(s).len == 0) {
        return ACT_NO_USER;
    }
    if (on && g && !permit_publish(s->env->opt, g, channel)) {
        return ACT_FORBIDDEN_OUT;
    }
    if (is_too_fast(s)) {
        return ACT_TOO_FAST;
    }
    rc = s->member.joined ? router_typing(s->env->router, &s->member, channel, on) : ERR_NOT_FOUND;
    s->acts = (uint16_t)(s->acts + (s->member.typing != before)); /* keystrokes tell nobody */
    switch (rc) {
    case 0:
        return ACT_DONE;
    case ERR_LIMIT:
        return ACT_RATE_LIMITED;
    case ERR_BUSY:
        return ACT_BUSY;
    case ERR_NOMEM:
        return ACT_NOMEM;
    default:
        return ACT_NOT_SUBSCRIBED;
    }
}

enum act act_may_read(struct stream *s, struct str channel)
{
    if (stream_user(s).len == 0) {
        return ACT_NO_USER;
    }
    if (!access_may_subscribe(s, channel)) {
        return ACT_FORBIDDEN;
    }
    if (is_too_fast(s)) {
        return ACT_TOO_FAST;
    }
    s->acts++;
    return ACT_DONE;
}

static enum act of_error(int rc)
{
    switch (rc) {
    case 0:
        return ACT_DONE;
    case ERR_INVALID:
        return ACT_BAD_CURSOR;
    case ERR_NOT_FOUND:
        return ACT_UNKNOWN_MESSAGE;
    case ERR_BUSY:
        return ACT_BUSY;
    case ERR_STORE:
        return ACT_STORE;
    default:
        return ACT_NOMEM;
    }
}

enum act act_read(struct router *r, const struct read_mark *mark, struct publish_ticket *ticket,
                  struct strbuf *out)
{
    struct cursor at = mark->at, now;
    char text[CURSOR_MAX];
    bool changed;
    int rc = mark->id.len ? router_find_message(r, mark->channel, mark->id, &at) : 0;

    if (rc == 0) {
        rc = router_read(r, mark->user, mark->channel, at, mark->except, ticket, &now, &changed);
    }
    if (rc != 0) {
        return of_error(rc);
    }
    cursor_format(now, text);
    strbuf_addf(out, "{\"cursor\":\"%s\",\"changed\":%s}", text, changed ? "true" : "false");
    return ACT_DONE; /* the buffer remembers a failure */
}
