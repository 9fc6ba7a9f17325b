#include "sse/stream.h"

#include "proto/sse.h"

#include <errno.h>
#include <stdlib.h>

/* A client has nothing to say on this connection: whatever comes is thrown
 * away, so that the end of it is seen. */
static void sse_readable(struct stream *s, uint32_t events)
{
    char waste[4096];

    (void)events;
    for (int i = 0; i < 16; i++) {
        ssize_t n = stream_read(s, waste, sizeof(waste));
        if (n > 0 || (n < 0 && errno == EINTR)) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        stream_kill(s, n == 0 ? "closed by client" : "connection lost");
        return;
    }
    stream_kill(s, "client sends data on an event stream");
}

static void sse_beat(struct stream *s)
{
    stream_put_now(s, STR_LIT(SSE_HEARTBEAT));
}

static void sse_farewell(struct stream *s, uint16_t code, const char *reason)
{
    /* The end of the body is the farewell: EventSource comes back by itself. */
    (void)s;
    (void)code;
    (void)reason;
}

static void sse_free(struct stream *s)
{
    free(s);
}

static const struct stream_ops sse_ops = {
    .transport = TRANSPORT_SSE,
    .readable = sse_readable,
    .beat = sse_beat,
    .farewell = sse_farewell,
    .free = sse_free,
};

int sse_open(struct conn_env *env, const struct stream_intro *intro)
{
    struct stream *s = calloc(1, sizeof(*s));
    int rc;

    if (!s) {
        stream_intro_drop(intro);
        return ERR_NOMEM;
    }
    rc = stream_open(s, env, &sse_ops, intro);
    if (rc != 0) {
        free(s);
    }
    return rc;
}
