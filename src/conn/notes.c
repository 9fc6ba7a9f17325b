#include "conn/notes.h"

#include "core/info.h"
#include "core/people.h"

static void put(void *ctx, struct frame *f)
{
    struct stream *s = ctx;
    struct outbuf *b = outbuf_of_frame(f, s->position, &s->env->held);

    if (!b) {
        stream_kill(s, "out of memory");
        return;
    }
    stream_put(s, b);
    outbuf_unref(b);
}

void notes_put(struct stream *s)
{
    router_notes(s->env->router, &s->member, put, s);
}

int notes_set_info(struct stream *s, struct str json)
{
    struct info *info = json.len ? info_new(json) : NULL;

    if (json.len && !info) {
        return ERR_NOMEM;
    }
    router_set_info(s->env->router, &s->member, info);
    info_unref(info);
    return 0;
}

/* Of one stream's channels together, about so many positions. */
#define READS_MAX 1000
#define READS_LEAST 10

static void put_reads(struct stream *s, struct str channel, unsigned limit)
{
    struct strbuf data = STRBUF_INIT, out = STRBUF_INIT;
    int rc = router_reads_snapshot(s->env->router, channel, limit, &data);

    if (rc == 0 && !strbuf_failed(&data)) {
        control_add(&out, s->ops->transport, STR_LIT("fanfare.reads"), STR_NONE, strbuf_str(&data));
    }
    if (rc != 0 || strbuf_failed(&data) || strbuf_failed(&out)) {
        stream_end(s, 1011, "out of memory");
    } else {
        stream_put_bytes(s, strbuf_str(&out));
    }
    strbuf_fini(&data);
    strbuf_fini(&out);
}

void notes_put_reads(struct stream *s, const struct str *names, unsigned n)
{
    unsigned limit = n ? READS_MAX / n : 0;

    for (unsigned i = 0; i < n && !s->ending && !s->dead; i++) {
        if (!name_is_pattern(names[i])) {
            put_reads(s, names[i], limit > READS_LEAST ? limit : READS_LEAST);
        }
    }
}

void notes_drop(struct stream *s)
{
    info_unref(s->member.info);
    s->member.info = NULL;
}
