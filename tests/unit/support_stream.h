/* support_stream.h - a transport that does nothing of its own, for the tests of
 * src/conn. */
#ifndef FF_TESTS_SUPPORT_STREAM_H
#define FF_TESTS_SUPPORT_STREAM_H

#include "support_rig.h"

#include <string.h>

struct plain_stream {
    struct stream s; /* first */
    unsigned beats, farewells, resumed, readables;
    uint16_t code;
    bool *freed;
};

static inline struct plain_stream *plain_of(struct stream *s)
{
    return (struct plain_stream *)(void *)s;
}

static inline void plain_readable(struct stream *s, uint32_t events)
{
    char buf[512];
    ssize_t n = stream_read(s, buf, sizeof(buf));

    (void)events;
    plain_of(s)->readables++;
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        stream_kill(s, "end of file");
    }
}

static inline void plain_beat(struct stream *s)
{
    plain_of(s)->beats++;
    stream_put_bytes(s, STR_LIT("beat\n"));
}

static inline void plain_farewell(struct stream *s, uint16_t code, const char *reason)
{
    (void)reason;
    plain_of(s)->farewells++;
    plain_of(s)->code = code;
    stream_put_bytes(s, STR_LIT("farewell\n"));
}

static inline void plain_resume(struct stream *s)
{
    plain_of(s)->resumed++;
}

static inline void plain_free(struct stream *s)
{
    if (plain_of(s)->freed) {
        *plain_of(s)->freed = true;
    }
    free(s);
}

static const struct stream_ops plain_sse = {TRANSPORT_SSE,  plain_readable, plain_beat,
                                            plain_farewell, plain_resume,   plain_free};
static const struct stream_ops plain_ws = {TRANSPORT_WS,   plain_readable, plain_beat,
                                           plain_farewell, plain_resume,   plain_free};

/* Opens one; `*peer` is the client's end. */
static inline struct plain_stream *plain_open(struct rig *r, const struct stream_ops *ops,
                                              const char *channel, int *peer)
{
    struct rig_pair p = rig_socketpair();
    struct plain_stream *c = calloc(1, sizeof(*c));
    struct str name = str_of(channel);
    struct stream_intro intro = {.fd = p.ours, .names = &name, .nnames = channel ? 1 : 0};

    *peer = p.peer;
    cr_assert_eq(stream_open(&c->s, &r->env, ops, &intro), 0);
    return c;
}

/* A string of `n` digits as JSON: a message of a known size and face. */
static inline const char *plain_data(char *buf, size_t n, unsigned mark)
{
    snprintf(buf, n + 3, "\"%0*u\"", (int)n, mark);
    return buf;
}

#endif
