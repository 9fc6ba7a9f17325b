/* What a stream is subscribed to, or will be when its replays are through. */
#include "conn/replays.h"
#include "conn/stream.h"
#include "proto/json.h"

/* The stream's own replay counts until it has joined. */
static bool counts(const struct stream *s, const struct stream_replay *sr)
{
    return !(sr->rp.whole && s->member.joined);
}

struct str stream_user(const struct stream *s)
{
    if (!s->member.joined && s->replays) {
        return s->replays->rp.user;
    }
    return member_user(&s->member);
}

bool stream_has_name(const struct stream *s, struct str name)
{
    for (const struct stream_replay *sr = s->replays; sr; sr = sr->next) {
        for (unsigned i = 0; counts(s, sr) && i < sr->rp.nnames; i++) {
            if (str_eq(sr->rp.names[i], name)) {
                return true;
            }
        }
    }
    return member_has_name(&s->member, name);
}

unsigned stream_name_count(const struct stream *s)
{
    unsigned n = s->member.names;

    for (const struct stream_replay *sr = s->replays; sr; sr = sr->next) {
        n += counts(s, sr) ? sr->rp.nnames : 0;
    }
    return n;
}

void stream_names(const struct stream *s, void (*visit)(void *ctx, struct str name), void *ctx)
{
    member_names(&s->member, visit, ctx);
    for (const struct stream_replay *sr = s->replays; sr; sr = sr->next) {
        for (unsigned i = 0; counts(s, sr) && i < sr->rp.nnames; i++) {
            visit(ctx, sr->rp.names[i]);
        }
    }
}

struct name_list {
    struct strbuf *out;
    bool any;
};

static void add_name(void *ctx, struct str name)
{
    struct name_list *l = ctx;

    if (l->any) {
        strbuf_addc(l->out, ',');
    }
    l->any = true;
    json_add_string(l->out, name);
}

void stream_add_names(const struct stream *s, struct strbuf *out)
{
    struct name_list l = {out, false};

    strbuf_addc(out, '[');
    stream_names(s, add_name, &l);
    strbuf_addc(out, ']');
}
