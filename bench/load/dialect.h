/* dialect.h - how one kind of server is spoken to.
 *
 * The generator's core (loop, verification, publishing window, clocks) knows no
 * protocol; a dialect knows nothing else. A dialect is one constant table of
 * functions; what it must remember of a connection is in sub.state. */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who is subscribed to what, and whom a message is for. */
enum topology {
    TOPOLOGY_ONE,      /* all subscribe to the channel "bench"; a message is for all */
    TOPOLOGY_USERS,    /* subscriber i is user "u<i>" (and in no channel); target = i */
    TOPOLOGY_CHANNELS, /* subscriber i is in "c<k>", k = i*per_client .. +per_client-1; target = k */
    TOPOLOGY_PATTERNS, /* subscriber i has the pattern "room.<i>.*"; target i is "room.<i>.x" */
    TOPOLOGY_WIDE,     /* all subscribers have the pattern "wide.*"; target k is "wide.<k>" */
};

struct plan {
    const struct dialect *dialect;
    enum topology topology;
    uint32_t per_client;      /* channels of one subscriber, TOPOLOGY_CHANNELS */
    const char *channel;      /* the channel of TOPOLOGY_ONE */
    bool with_users;          /* each subscriber of it is a user of its own */
    const char *host;         /* for Host: and Origin */
    const char *sub_path;     /* path asked for by subscribers, or NULL: the dialect's own */
    const char *publish_path; /* likewise of publications */
    const char *after;        /* the position subscribers come back with, or NULL: none */
};

/* One subscriber's connection, as a dialect sees it. */
struct sub {
    const struct plan *plan;
    uint32_t index; /* 0 .. clients-1: the subscriber's name */
    uint32_t state; /* the dialect's own; 0 at the start */
    uint64_t scratch;
};

/* One message: `data` is exactly the bench's size in bytes and is a JSON object
 *     {"n":<number, from 0>,"t":<target>,"p":"<filler>"}
 * which the server under test must hand over unchanged. */
struct msg {
    uint64_t n;
    uint32_t target;
    const char *data;
    size_t len;
};

/* What a dialect reports; provided by the core. */
void sub_send(struct sub *s, const char *bytes, size_t n); /* to the server */
void sub_ready(struct sub *s);                             /* the subscription stands */
/* A published message arrived; [data, data+len) holds the JSON object of struct
 * msg somewhere inside (the core finds it by `{"n":`). */
void sub_message(struct sub *s, const char *data, size_t len);
/* A part of the stream that says messages are missing (fanfare.gap). */
void sub_gap(struct sub *s, const char *text, size_t len);
/* The same if it can be read how many are missing at most. */
void sub_gap_of(struct sub *s, const char *text, size_t len, uint64_t missing);
/* The server refused or ended the subscription on purpose, in its protocol
 * (fanfare.refused, a Close frame, a status other than 200/101). */
void sub_refused(struct sub *s, const char *text, size_t len);
/* What must not be: printed, and the run ends. printf-like. */
void sub_fail(struct sub *s, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

struct dialect {
    const char *name;
    /* The connection stands: what starts the subscription (see sub_send). */
    void (*open)(struct sub *s);
    /* Takes ONE unit (an HTTP head, an SSE event, a WebSocket frame, a chunk) from
     * the front of [p, p+n) and returns its length; 0 if it is not complete. Units
     * longer than 1 MB do not occur. */
    size_t (*unit)(struct sub *s, const char *p, size_t n);
    /* Publisher's connection: what it sends first, or NULL. If there are answers, the
     * first of them is waited for before anything is published. */
    void (*publisher_open)(const struct plan *pl, struct buf *out);
    /* Appends what publishes the k messages, in order. With more_in_one false it
     * is called with k == 1 only. */
    void (*publish)(const struct plan *pl, const struct msg *m, unsigned k, struct buf *out);
    /* Takes one answer from the front; *accepted is how many of the oldest
     * unanswered messages it accepts. Returns its length, 0 if incomplete, -1 for
     * a refusal (the core prints the bytes and fails). NULL: the protocol does
     * not answer publications. */
    long (*answer)(const struct plan *pl, const char *p, size_t n, unsigned *accepted);
    /* The position behind this message, whose unit is [p, p+n), as subscribers may come
     * back with it (plan.after): its place in the unit and its length. NULL: there is no
     * such thing in the protocol. */
    const char *(*position)(const char *p, size_t n, size_t *len);
    bool pipeline;       /* several publications may be under way on one connection */
    bool more_in_one;    /* publish takes k > 1: one request with k messages (a batch) */
    bool batch_only;     /* windows are made of batches, because pipeline is false */
    bool one_each;       /* the server closes after each answer: one connection for each */
    unsigned topologies; /* 1 << enum topology, or'ed */
};

/* All of them, with NULL at the end. */
extern const struct dialect *const dialects[];

/* ---- shared by dialects ---- */

/* Length of the HTTP head at p up to and with the empty line, 0 if incomplete;
 * *status is its status. */
size_t http_head(const char *p, size_t n, int *status);
/* Length of a whole HTTP answer (head, and body by Content-Length or chunked),
 * 0 if incomplete; *body and *body_len are its first body bytes. */
size_t http_answer(const char *p, size_t n, int *status, const char **body, size_t *body_len);
/* Length of one SSE event with its empty line, or of one comment line; 0 if
 * incomplete. *data is the text after the first "data:", *len to the end of it. */
size_t sse_event(const char *p, size_t n, const char **data, size_t *len);
/* Length of one WebSocket frame from a server (unmasked); 0 if incomplete. */
size_t ws_frame(const char *p, size_t n, unsigned *opcode, const char **payload, size_t *len);
/* Appends a client's frame (masked, with a zero key: the payload stays as it is). */
void ws_put(struct buf *out, unsigned opcode, const char *payload, size_t len);
/* Takes a control frame: answers a Ping, reports a Close as a refusal. False if it
 * is none of these, and thus data. */
bool ws_control(struct sub *s, unsigned opcode, const char *payload, size_t len);
/* Sends a WebSocket handshake for `path`, `extra` are whole header lines or "". */
void ws_open(struct sub *s, const char *path, const char *extra);
/* Appends a POST with this body. */
void http_post(const struct plan *pl, const char *path, const char *type, const char *body,
               size_t len, struct buf *out);

#endif
