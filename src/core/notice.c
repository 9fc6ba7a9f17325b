#include "core/notice.h"

#include "core/message.h"
#include "core/router_private.h"

int notice_post(struct router *r, struct str channel, struct frame *f, uint64_t except)
{
    struct message *m = message_new(r);
    int rc;

    if (!m) {
        frame_unref(f);
        return ERR_NOMEM;
    }
    m->kind = TARGET_CHANNEL;
    m->notice = true;
    m->ephemeral = true;
    m->seq = r->top;
    m->except = except;
    m->frame = f;
    rc = message_address(r, m, channel);
    if (rc == 0) {
        message_post(r, m);
    }
    message_unref(m);
    return rc;
}

bool notice_crowded(const struct router *r)
{
    for (unsigned s = 0; s < r->shards; s++) {
        if (r->ports.full(r->ports.ctx, s)) {
            return true;
        }
    }
    return false;
}

bool notice_has_audience(const struct router *r, struct str channel)
{
    const struct topic *t = topic_find(&r->channels, channel);

    return (t && t->total) || r->groups.head;
}
