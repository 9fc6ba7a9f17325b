/* stream.h - one client connection, whatever its transport: descriptor, output
 * queue, flushing, timers, end. SSE and WebSocket embed it and give it ops.
 *
 * Life: stream_open -> (stream_put ..., stream_end) -> buried by
 * conn_env_flush at the end of a turn of the loop, never earlier, so a pointer
 * got in a callback stays good until that callback returns.
 *
 * Everything here runs on the shard's thread. */
#ifndef FF_CONN_STREAM_H
#define FF_CONN_STREAM_H

#include "conn/env.h"
#include "conn/outq.h"
#include "conn/peer.h"
#include "core/member.h"
#include "proto/control.h"

#include <stddef.h>

struct stream_ops {
    enum transport transport;
    /* The socket is readable, or the peer is gone (events has RDHUP, HUP or ERR). */
    void (*readable)(struct stream *s, uint32_t events);
    /* `heartbeat` of silence is over. */
    void (*beat)(struct stream *s);
    /* Puts the transport's farewell, if it has one, before the queue is
     * closed. `code` is a WebSocket close code. */
    void (*farewell)(struct stream *s, uint16_t code, const char *reason);
    /* read_paused was set, and the queue is short again. NULL: never pauses. */
    void (*resume)(struct stream *s);
    /* Frees what the transport added, and the stream's memory. */
    void (*free)(struct stream *s);
};

enum stream_timer { STREAM_TIMER_BEAT, STREAM_TIMER_PONG, STREAM_TIMER_LEAVE, STREAM_TIMER_LINGER };

/* Timers of streams have kinds below this; other users of the wheel above. */
#define STREAM_TIMER_KINDS 16

struct stream_slow;

struct stream {
    struct rt_source src; /* first */
    const struct stream_ops *ops;
    struct conn_env *env;
    struct member member;
    /* what every delivery touches, side by side */
    struct outq q;
    int fd;
    uint8_t blocked : 1; /* the socket took no more */
    uint8_t is_dirty : 1;
    uint8_t ending : 1;      /* takes no more messages; closes once written */
    uint8_t shut : 1;        /* our side is shut down; waiting for the peer's */
    uint8_t dead : 1;        /* to be buried */
    uint8_t read_paused : 1; /* no more is read until the queue is short */
    uint8_t lagging : 1;     /* conn/slow.h: was blocked, and something still waits */
    uint64_t position;       /* seq of the newest message put, or as resumed */
    uint64_t messages, bytes;
    uint64_t active_ms; /* monotonic: last byte in or out */
    /* the rest */
    struct stream *next_dirty;
    struct wheel_timer timer;
    struct interned *agent;
    char *meta;               /* JSON object, or NULL */
    struct stream_slow *slow; /* it lags; or NULL */
    const char *end_reason;   /* static text */
    void *owner;              /* for the HTTP floor: what it must be told of the end, or NULL */
    uint64_t connected_at;    /* real ms */
    struct peer peer;
};

/* What a client causes by sending waits for it to read: with more than this
 * many bytes waiting, a transport sets read_paused and reads no more. */
#define STREAM_REPLY_BACKLOG 65536

/* What the HTTP floor knows of a client that becomes a stream. */
struct stream_intro {
    int fd; /* taken over, also on failure */
    struct peer peer;
    struct str user; /* empty: anonymous */
    struct str user_agent;
    struct str meta;         /* checked, minified JSON object, or empty */
    const struct str *names; /* checked channels and patterns */
    unsigned nnames;
    bool has_cursor; /* a position was asked for; 0-0 if unreadable */
    struct cursor cursor;
    void *owner; /* see struct stream */
};

/* Joins the router, registers the descriptor and queues the greeting
 * (connected, gap if the asked position cannot be resumed, synced). `s` is
 * zeroed except what the transport added; on failure nothing is left but `s`,
 * which the caller frees. */
int stream_open(struct stream *s, struct conn_env *env, const struct stream_ops *ops,
                const struct stream_intro *intro) FF_USE_RESULT;

/* Queues `b` (keeps a reference of its own), applying the slow-client policy. */
void stream_put(struct stream *s, struct outbuf *b);
/* May be written to at once: it is open, and nothing waits before. */
static inline bool stream_is_clear(const struct stream *s)
{
    return !s->q.n && !(s->blocked | s->ending | s->dead);
}
/* One attempt to write to a stream that is clear. Returns how many bytes were
 * taken; a broken stream is killed. */
size_t stream_write(struct stream *s, const char *bytes, size_t n);
/* Writes as much of the queue as the socket takes. False if it is broken. */
bool stream_write_queue(struct stream *s);
/* Queues `b`, of which stream_write has written the first `sent` bytes. */
void stream_put_begun(struct stream *s, struct outbuf *b, size_t sent);
/* Queues private bytes; without memory the stream ends. */
void stream_put_bytes(struct stream *s, struct str bytes);
/* The same, but written at once, without a queue, if nothing waits before. */
void stream_put_now(struct stream *s, struct str bytes);
/* Queues a control event, at the stream's position. `data` is minified JSON. */
void stream_put_control(struct stream *s, struct str type, struct str data);
/* Queues a message to this client alone, at the stream's position. False
 * without memory. */
bool stream_put_direct(struct stream *s, const struct envelope *e);
/* Ends in order: farewell, write what waits, shut down, wait for the peer a
 * little, close. `reason` is static text for log and handlers. */
void stream_end(struct stream *s, uint16_t code, const char *reason);
/* After the transport said its farewell itself: write, shut down, close. */
void stream_finish(struct stream *s, const char *reason);
/* Ends at once: the socket is broken or not worth waiting for. */
void stream_kill(struct stream *s, const char *reason);
/* fanfare.draining with a reconnection time of its own, and the end at a random
 * moment within env->drain_ms. */
void stream_ask_to_leave(struct stream *s);
void stream_mark_dirty(struct stream *s);
static inline void stream_list_add(struct stream_list *l, struct stream *s)
{
    s->next_dirty = NULL;
    *l->end = s;
    l->end = &s->next_dirty;
}
/* Gives back everything but the memory of the stream itself: its burial. */
void stream_release(struct stream *s);
/* (Re)starts the heartbeat timer. */
void stream_start_beat(struct stream *s);
/* The wheel fired a timer with a kind below STREAM_TIMER_KINDS. */
void stream_timer_fired(struct wheel_timer *t);

/* A log line about the client: its id, user, transport, peer, then `key` and
 * `value` (both may be NULL). */
void stream_log(const struct stream *s, enum log_level level, const char *msg, const char *key,
                const char *value);
/* The same, with how much waits for it and since when; `because` may be NULL. */
void stream_log_lag(const struct stream *s, enum log_level level, const char *msg,
                    const char *because);
/* The secret that lets a client act as this connection over plain requests. */
#define CLIENT_KEY_LEN 22
void stream_client_key(const struct stream *s, char out[CLIENT_KEY_LEN + 1]);
/* The JSON object of GET /clients/{id}. */
void stream_describe(const struct stream *s, struct strbuf *out);
/* Appends the greeting; `top` is where live delivery starts. */
void stream_add_greeting(const struct stream *s, const struct stream_intro *intro,
                         struct cursor top, struct strbuf *out);

#define STREAM_OF(ptr, member_name) \
    ((struct stream *)(void *)((char *)(ptr)-offsetof(struct stream, member_name)))

#endif
